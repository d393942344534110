/* SPDX-License-Identifier: MIT */
/*
 * fifo_server.c - a server that reads requests from a well-known FIFO
 *
 * How      The FIFO is made under a name of its own, opened for both ways, locked, and then given
 *          the well-known name. A stale one is replaced rather than taken over: clients of the dead
 *          server keep the old one, see that nobody reads it any more, and are told.
 * Rules    [SERVE1] the well-known name is given by link (to a free name) or, by who holds the lock
 *                   of what stands there, by rename: so two servers never both have it
 *          [SERVE2] the server writes into its FIFO's other end itself: it is never at its end
 *          [SERVE3] a client is dead when nobody reads its FIFO; then, and only when it is not
 *                   locked either, that is removed
 *          [SERVE4] a second byte is locked by who serves, from before the FIFO has its name: who
 *                   replaces a stale one opens and owns it for a moment, and is not its server
 * Death    after step       is left behind                       who mends it
 *          1 own            a FIFO under a name of its own       the next server sweeps it
 *          2 link           the same, and the well-known one     the next server replaces it
 *          2 rename         the well-known one                   the next server replaces it
 */
#include <dure/fifo.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "os/fifo.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/self.h"
#include "stream/flow.h"
#include "stream/fifo.h"
#include "stream/fragment.h"

enum { PLACE_TRIES = 64 };

struct dure_fifo_server {
	uint32_t opener;
	struct durei_fifo fifo;		/* its path is that of before the name was given */
	char path[DUREI_FIFO_PATH_BYTES];
	struct durei_fragment_reader reader;
};

/* -- opening ------------------------------------------------------------------------------------ */

/* 0: the name is ours; 1: look again; -EBUSY: a living server has it */
static int replace(dure_fifo_server *server)
{
	int place = durei_fifo_find_itself(DUREI_FIFO_HERE, server->path);

	if (place < 0)
		return place == -ENOENT ? 1 : place == -ENXIO ? -EEXIST : place;
	int old = durei_fifo_open(place, true, true);
	durei_file_close(place);
	if (old < 0)
		return old;
	int r = durei_fifo_lock(old, DUREI_FIFO_OWNED);
	if (r == 0)
		r = durei_fifo_is_at(old, DUREI_FIFO_HERE, server->path)
			    ? durei_fifo_rename(server->fifo.path, server->path) : 1;
	durei_file_close(old);
	return r == -EAGAIN ? -EBUSY : r;
}

static int take_name(dure_fifo_server *server)
{
	for (int i = 0; i < PLACE_TRIES; i++) {
		int r = durei_fifo_link(server->fifo.path, server->path);	/* step 2 */
		if (r == 0)
			return durei_fifo_remove(DUREI_FIFO_HERE, server->fifo.path);
		if (r != -EEXIST)
			return r;
		r = replace(server);
		if (r != 1)
			return r;
	}
	return -EBUSY;
}

static int open_server(dure_fifo_server *server, uint32_t mode)
{
	int r = durei_fifo_own(server->path, mode, &server->fifo);		/* step 1 */

	if (r < 0)
		return durei_fifo_error(-r, "making the FIFO of a server at", server->path);
	r = durei_fifo_lock(server->fifo.fd, DUREI_FIFO_SERVED);		/* [SERVE4] */
	if (r == 0)
		r = take_name(server);
	if (r == 0)
		return 0;
	if (durei_fifo_is_at(server->fifo.fd, DUREI_FIFO_HERE, server->path))
		(void)durei_fifo_remove(DUREI_FIFO_HERE, server->path);
	durei_fifo_disown(&server->fifo);
	if (r == -EBUSY)
		return durei_error(EBUSY, "a living server has the FIFO %.300s", server->path);
	if (r == -EEXIST)
		return durei_error(EEXIST, "%.300s is there, and is no FIFO: it is left alone",
				   server->path);
	return durei_fifo_error(-r, "serving at", server->path);
}

static int read_options(const char *path, const struct dure_fifo_options *theirs,
			struct dure_fifo_options *ours)
{
	int r = durei_options_read(ours, sizeof *ours, sizeof *ours, theirs);

	if (r < 0)
		return r;
	if (!path || !path[0] || strlen(path) >= DUREI_FIFO_PATH_BYTES - 32)
		return durei_error(EINVAL, "a server's FIFO needs a path of 1 to %d bytes",
				   DUREI_FIFO_PATH_BYTES - 33);
	if (ours->mode > 0777 || ours->reserved)
		return durei_error(EINVAL, "the mode of a FIFO is up to 0777, not %#o", ours->mode);
	ours->mode = ours->mode ? ours->mode : DUREI_FIFO_MODE;
	return 0;
}

int dure_fifo_server_open(const char *path, const struct dure_fifo_options *options,
			  dure_fifo_server **ret)
{
	struct dure_fifo_options o;
	int r = read_options(path, options, &o);

	if (r < 0)
		return r;
	if (!ret)
		return durei_error(EINVAL, "there is nowhere to put the handle");
	dure_fifo_server *server = calloc(1, sizeof *server);
	if (!server)
		return durei_error(ENOMEM, "no memory for a server");
	server->opener = durei_process_id();
	memcpy(server->path, path, strlen(path) + 1);
	r = open_server(server, o.mode);
	if (r < 0) {
		free(server);
		return r;
	}
	durei_fifo_sweep_all(path);
	*ret = server;
	return 0;
}

/* -- serving ------------------------------------------------------------------------------------ */

static int check(const dure_fifo_server *server)
{
	if (!server)
		return durei_error(EINVAL, "the server handle is NULL");
	return server->opener == durei_process_id()
		       ? 0 : durei_error(ESTALE, "the server at %.300s belongs to process %u, before a "
					 "fork", server->path, server->opener);
}

int dure_fifo_server_fd(dure_fifo_server *server)
{
	int r = check(server);

	return r < 0 ? r : server->fifo.fd;
}

int dure_fifo_server_next(dure_fifo_server *server, void *request, size_t bytes, int64_t timeout_ns,
			  struct dure_fifo_request *ret)
{
	int64_t deadline_ns = durei_deadline(timeout_ns);
	struct durei_fragment f = { 0 };
	const char *data = NULL;
	int r = check(server);

	if (r < 0)
		return r;
	if (!ret || ret->sz < sizeof *ret || (!request && bytes))
		return durei_error(EINVAL, "ret->sz: set it to sizeof(struct dure_fifo_request)");
	while (r == 0) {
		r = durei_fragment_next(server->fifo.fd, &server->reader, &f, &data);
		if (r == 1 && f.total > DURE_FIFO_REQUEST_MAX)
			r = 0;			/* no client of ours writes such a thing */
		else if (r == 0)
			r = durei_flow_await(server->fifo.fd, 0, deadline_ns);
	}
	if (r < 0)
		return r;
	if (f.total > bytes)
		return durei_error(EMSGSIZE, "a request of %u bytes does not fit into %zu: it is dropped",
				   f.total, bytes);
	struct dure_fifo_request who = { .client = f.sender, .number = f.number };
	if (f.total)
		memcpy(request, data, f.total);
	durei_options_write(ret, &who, sizeof who, sizeof who);
	return (int)f.total;
}

/* To write to a client's own FIFO; [SERVE3] -EPIPE: it is dead */
static int open_client(const char *path)
{
	int place = durei_fifo_find_itself(DUREI_FIFO_HERE, path);
	int fd = place < 0 ? place : durei_fifo_open(place, false, true);

	durei_file_close(place);
	if (place >= 0 && fd == -ENXIO)
		durei_fifo_sweep(path);
	return fd == -ENXIO || fd == -ENOENT ? -EPIPE : fd;
}

int dure_fifo_server_answer(dure_fifo_server *server, const struct dure_fifo_request *request,
			    const void *data, size_t bytes, int64_t timeout_ns)
{
	char path[DUREI_FIFO_PATH_BYTES];
	int r = check(server);

	if (r < 0)
		return r;
	if (!request || request->sz < sizeof *request || (!data && bytes))
		return durei_error(EINVAL, "answering needs the request, and data");
	if (bytes > DURE_FIFO_ANSWER_MAX)
		return durei_error(EMSGSIZE, "an answer of %zu bytes is too long: at most %d", bytes,
				   DURE_FIFO_ANSWER_MAX);
	durei_fifo_name(server->path, request->client, path);
	int fd = open_client(path);
	if (fd == -EPIPE)
		return durei_error(EPIPE, "the client of request %u is dead", request->number);
	if (fd < 0)
		return durei_fifo_error(-fd, "opening the client's FIFO", path);
	r = durei_fragments_write(fd, request->client, request->number, data, bytes,
				  durei_deadline(timeout_ns), "a client");
	durei_file_close(fd);
	if (r == -EPIPE)
		durei_fifo_sweep(path);
	return r;
}

void dure_fifo_server_close(dure_fifo_server *server)
{
	if (!server)
		return;
	if (server->opener == durei_process_id() &&
	    durei_fifo_is_at(server->fifo.fd, DUREI_FIFO_HERE, server->path))
		(void)durei_fifo_remove(DUREI_FIFO_HERE, server->path);
	durei_file_close(server->fifo.fd);
	free(server);
}
