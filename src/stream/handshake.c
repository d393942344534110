/* SPDX-License-Identifier: MIT */
/*
 * handshake.c - parent and child wait for each other
 *
 * How      A pair of sockets, an end for each. A byte is one tell. Who uses it first in its
 *          process closes the end that is not its own: so the death of the other is the end of
 *          the stream.
 * Rules    [HAND1] which side a process is, is decided by who opened the handle, once
 * Death    of one side: the kernel closes its end, the other reads to the end and gets -EPIPE.
 */
#include <dure/handshake.h>

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/self.h"
#include "stream/flow.h"

struct dure_handshake {
	pthread_mutex_t lock;		/* guards settled_by, ends */
	uint32_t opener;
	uint32_t settled_by;		/* the process whose ends these are; 0: nobody's yet */
	int ends[2];			/* the parent's, the child's; -1: closed here */
};

int dure_handshake_open(dure_handshake **ret)
{
	if (!ret)
		return durei_error(EINVAL, "there is nowhere to put the handle");
	dure_handshake *h = calloc(1, sizeof *h);
	if (!h)
		return durei_error(ENOMEM, "no memory for a handshake");
	int r = durei_pipe_pair(h->ends);
	if (r == 0) {
		r = durei_stream_nonblocking(h->ends[0], true);
		if (r == 0)
			r = durei_stream_nonblocking(h->ends[1], true);
		if (r < 0) {
			durei_file_close(h->ends[0]);
			durei_file_close(h->ends[1]);
		}
	}
	if (r < 0) {
		free(h);
		return durei_flow_error(-r, "opening", "a handshake");
	}
	pthread_mutex_init(&h->lock, NULL);
	h->opener = durei_process_id();
	*ret = h;
	return 0;
}

/* [HAND1] Our own end; the other's is closed by the first who asks. */
static int own_end(dure_handshake *h)
{
	if (!h)
		return durei_error(EINVAL, "the handshake is NULL");
	uint32_t self = durei_process_id();
	int mine = self == h->opener ? 0 : 1;

	pthread_mutex_lock(&h->lock);
	if (h->settled_by != self) {
		durei_file_close(h->ends[1 - mine]);
		h->ends[1 - mine] = -1;
		h->settled_by = self;
	}
	int end = h->ends[mine];
	pthread_mutex_unlock(&h->lock);
	return end >= 0 ? end
			: durei_error(EINVAL, "this handshake was used by the parent before the fork: "
				      "open it before, and use it after");
}

static const char *other(const dure_handshake *h)
{
	return durei_process_id() == h->opener ? "the child" : "the parent";
}


int dure_handshake_tell(dure_handshake *h)
{
	int end = own_end(h);

	if (end < 0)
		return end;
	int r = durei_stream_write(end, "", 1);
	if (r == -EAGAIN)
		return durei_error(EAGAIN, "%s has not waited for what it was told so far", other(h));
	return r < 0 ? durei_flow_error(-r, "telling", other(h)) : 0;
}

int dure_handshake_wait(dure_handshake *h, int64_t timeout_ns)
{
	int end = own_end(h);
	char byte;

	if (end < 0)
		return end;
	int r = durei_flow_read(end, &byte, 1, durei_deadline(timeout_ns), other(h));
	if (r == 0)
		return durei_error(EPIPE, "%s is gone, and has told nothing more", other(h));
	return r == 1 ? 0 : r;
}

int dure_handshake_fd(dure_handshake *h)
{
	return own_end(h);
}

void dure_handshake_close(dure_handshake *h)
{
	if (!h)
		return;
	durei_file_close(h->ends[0]);
	durei_file_close(h->ends[1]);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
