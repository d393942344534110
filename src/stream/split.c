/* SPDX-License-Identifier: MIT */
/*
 * split.c - what is read from one descriptor goes to several
 *
 * Why      tee(2) copies from the head of a pipe only: a reader that takes less than another would
 *          have to be given its rest from the middle. So each reader has a pipe of its own.
 * How      from --splice--> head --tee--> one pipe for each reader --splice--> to[i]. The pages are
 *          shared, not copied. What splice cannot read (terminals, some devices) is copied into
 *          head, and where it cannot write (files opened to append) out of the reader's pipe.
 * Rules    [SPLIT1] head is filled when all the readers' pipes are empty, and has as many places
 *                   as the smallest of them: tee never finds one full
 *          [SPLIT2] a reader that is gone is owed nothing; its pipe is closed
 *          [SPLIT3] owed is what lies in a reader's pipe: a call that was late goes on from there
 * Death    the pipes and what is in them go with the process.
 */
#include <dure/pipe.h>

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/self.h"
#include "stream/flow.h"

enum { PIECE_BYTES = 64 * 1024, COPIED_BYTES = 4096 };

struct reader {
	int to;				/* -1: gone */
	int pipe[2];
	int owed;			/* [SPLIT3] */
	bool has_piece;			/* the present one is, or was, in its pipe */
	bool is_copied;			/* to cannot be spliced to: a file opened to append */
	int rest_at, rest_end;		/* read from its pipe, and not yet written */
	char rest[COPIED_BYTES];
};

struct dure_split {
	uint32_t opener;
	int from;
	int head[2];
	bool is_copied;			/* from cannot be spliced */
	int piece;			/* bytes of the stream on their way */
	bool is_shared;			/* it has left head */
	uint32_t count;
	struct reader readers[DURE_SPLIT_MAX];
};

/* -- opening ----------------------------------------------------------------------------------- */

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		durei_file_close(pair[i]);
		pair[i] = -1;
	}
}

static void free_split(dure_split *split)
{
	close_pair(split->head);
	for (uint32_t i = 0; i < split->count; i++)
		close_pair(split->readers[i].pipe);
	free(split);
}

/* [SPLIT1] Users with many pipes get small ones: head is made as small as the smallest. */
static int open_pipes(dure_split *split)
{
	int smallest, r = durei_pipe_open(split->head, false);

	if (r < 0)
		return r;
	smallest = durei_pipe_size(split->head[0]);
	for (uint32_t i = 0; smallest >= 0 && i < split->count; i++) {
		r = durei_pipe_open(split->readers[i].pipe, false);
		if (r < 0)
			return r;
		int size = durei_pipe_size(split->readers[i].pipe[0]);
		smallest = size < smallest ? size : smallest;
	}
	if (smallest < 0)
		return smallest;
	r = smallest < durei_pipe_size(split->head[0]) ? durei_pipe_set_size(split->head[0], smallest)
						       : 0;
	return r < 0 ? r : 0;
}

int dure_split_open(int from, const int *to, uint32_t count, dure_split **ret)
{
	if (!to || !ret || count == 0 || count > DURE_SPLIT_MAX)
		return durei_error(EINVAL, "a stream is split between 1 and %d descriptors, not %u",
				   DURE_SPLIT_MAX, count);
	for (uint32_t i = 0; i <= count; i++)
		if (!durei_stream_is_open(i < count ? to[i] : from))
			return durei_error(EINVAL, "descriptor %d is not open", i < count ? to[i] : from);
	dure_split *split = calloc(1, sizeof *split);
	if (!split)
		return durei_error(ENOMEM, "no memory to split a stream");
	split->opener = durei_process_id();
	split->from = from;
	split->count = count;
	split->head[0] = split->head[1] = -1;
	for (uint32_t i = 0; i < count; i++)
		split->readers[i] = (struct reader){ .to = to[i], .pipe = { -1, -1 } };
	int r = open_pipes(split);
	if (r < 0) {
		free_split(split);
		return durei_flow_error(-r, "making", "the pipes of a split");
	}
	*ret = split;
	return 0;
}

/* -- running ------------------------------------------------------------------------------------ */

static void leave_out(struct reader *reader)
{
	reader->to = -1;		/* [SPLIT2] */
	reader->owed = 0;
	close_pair(reader->pipe);
}

/* Read and written: for what cannot be spliced. As splice. */
static int copy_piece(dure_split *split)
{
	char bytes[COPIED_BYTES];
	int n = durei_stream_read(split->from, bytes, sizeof bytes);

	/* head is empty and holds a page at least: it takes all */
	return n <= 0 ? n : durei_stream_write(split->head[1], bytes, (size_t)n);
}

/* Fills head. Bytes, 0 at the end, negative */
static int take_piece(dure_split *split, int64_t deadline_ns)
{
	for (;;) {
		int r = durei_flow_await(split->from, 0, deadline_ns);
		if (r < 0)
			return r;
		r = split->is_copied ? copy_piece(split)
				     : durei_stream_splice(split->from, split->head[1], PIECE_BYTES);
		if (r == -EINVAL && !split->is_copied)
			split->is_copied = true;
		else if (r != -EAGAIN)
			return r < 0 ? durei_flow_error(-r, "reading", "the stream to be split") : r;
	}
}

/* From head to each reader's pipe; the last takes it out of head. */
static int share_piece(dure_split *split)
{
	struct reader *last = NULL;

	for (uint32_t i = 0; i < split->count; i++)
		if (split->readers[i].to >= 0)
			last = &split->readers[i];
	for (struct reader *reader = split->readers; last && reader <= last; reader++) {
		if (reader->to < 0 || reader->has_piece)
			continue;
		int r = reader == last
			? durei_stream_splice(split->head[0], reader->pipe[1], (size_t)split->piece)
			: durei_stream_tee(split->head[0], reader->pipe[1], (size_t)split->piece);
		if (r != split->piece)
			return durei_flow_error(r < 0 ? -r : EIO, "copying", "the stream to be split");
		reader->owed = split->piece;
		reader->has_piece = true;
	}
	split->is_shared = last;
	return last ? 0 : durei_error(EPIPE, "nobody reads the split stream any more");
}

/* As splice from its pipe, by reading and writing. */
static int copy_on(struct reader *reader)
{
	if (reader->rest_at == reader->rest_end) {
		int n = durei_stream_read(reader->pipe[0], reader->rest, sizeof reader->rest);
		if (n <= 0)
			return n;
		reader->rest_at = 0;
		reader->rest_end = n;
	}
	int n = durei_stream_write(reader->to, reader->rest + reader->rest_at,
				   (size_t)(reader->rest_end - reader->rest_at));
	reader->rest_at += n > 0 ? n : 0;
	return n;
}

/* Its reader takes some, or later, or is gone; -ENOMEM: it is not the reader's fault */
static int pass_on(struct reader *reader)
{
	int n = reader->is_copied ? copy_on(reader)
				  : durei_stream_splice(reader->pipe[0], reader->to,
							(size_t)reader->owed);

	if (n == -ENOMEM)
		return durei_flow_error(ENOMEM, "copying", "a split stream");
	if (n == -EINVAL && !reader->is_copied)
		reader->is_copied = true;
	else if (n > 0)
		reader->owed -= n;
	else if (n != -EAGAIN)
		leave_out(reader);
	return 0;
}

/* Until nobody is owed anything. 1: nobody is left */
static int pass_to_all(dure_split *split, int64_t deadline_ns)
{
	for (;;) {
		struct durei_poll polled[DURE_SPLIT_MAX];
		bool any = false, owes = false;
		for (uint32_t i = 0; i < split->count; i++) {
			struct reader *reader = &split->readers[i];
			polled[i] = (struct durei_poll){ .fd = reader->owed ? reader->to : -1,
							 .writes = true };
			any |= reader->to >= 0;
			owes |= reader->owed > 0;
		}
		if (!owes)
			return any ? 0 : durei_error(EPIPE, "nobody reads the split stream any more");
		int r = durei_poll(polled, split->count, deadline_ns);
		if (r == -ETIMEDOUT)
			return durei_flow_late(deadline_ns);
		if (r < 0)
			return durei_flow_error(-r, "waiting for", "the readers of a split stream");
		for (uint32_t i = 0; r == 0 && i < split->count; i++)
			if (polled[i].fd >= 0 && polled[i].is_ready)
				r = pass_on(&split->readers[i]);
		if (r < 0)
			return r;
	}
}

static int check(const dure_split *split)
{
	if (!split)
		return durei_error(EINVAL, "the split is NULL");
	return split->opener == durei_process_id()
		       ? 0 : durei_error(ESTALE, "the stream was split by process %u, before a fork",
					 split->opener);
}

int dure_split_run(dure_split *split, int64_t timeout_ns)
{
	int64_t deadline_ns = durei_deadline(timeout_ns);
	int r = check(split);

	if (r < 0)
		return r;
	if (!split->piece) {
		r = take_piece(split, deadline_ns);
		if (r <= 0)
			return r;
		split->piece = r;
	}
	r = split->is_shared ? 0 : share_piece(split);
	if (r == 0)
		r = pass_to_all(split, deadline_ns);
	if (r < 0)
		return r;
	r = split->piece;
	split->piece = 0;
	split->is_shared = false;
	for (uint32_t i = 0; i < split->count; i++)
		split->readers[i].has_piece = false;
	return r;
}

int dure_split_is_gone(dure_split *split, uint32_t index)
{
	int r = check(split);

	if (r < 0)
		return r;
	return index < split->count ? split->readers[index].to < 0
				    : durei_error(EINVAL, "there are %u readers, and no number %u",
						  split->count, index);
}

void dure_split_close(dure_split *split)
{
	if (split)
		free_split(split);
}
