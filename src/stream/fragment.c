/* SPDX-License-Identifier: MIT */
/*
 * fragment.c - messages in pieces that a pipe takes whole
 *
 * Rules    [FRAG1] a fragment is written by one write of at most PIPE_BUF bytes: whole, or not at
 *                  all, and never in the middle of another
 *          [FRAG2] nothing of a header is used before all of it has been bounded
 *          [FRAG3] what is no fragment is passed over byte by byte to the next that is one: who
 *                  writes rubbish into a FIFO hurts at most what stands beside it
 * Death    of a writer: leaves whole fragments of an unfinished message, which readers drop.
 */
#include "stream/fragment.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "stream/flow.h"

enum { MAGIC = 0x64667231, HEAD = sizeof(struct durei_fragment) };	/* "dfr1" */

size_t durei_fragment_length(const struct durei_fragment *f)
{
	size_t left = f->total - f->offset;

	return left < DUREI_FRAGMENT_BYTES ? left : DUREI_FRAGMENT_BYTES;
}

int durei_fragments_write(int fd, uint64_t sender, uint32_t number, const void *data, size_t bytes,
			  int64_t deadline_ns, const char *whose)
{
	struct durei_fragment f = { .magic = MAGIC, .number = number, .total = (uint32_t)bytes,
				    .sender = sender };
	char whole[DUREI_PIPE_ATOMIC];

	do {
		size_t part = durei_fragment_length(&f);
		memcpy(whole, &f, HEAD);
		if (part)
			memcpy(whole + HEAD, (const char *)data + f.offset, part);
		int r = durei_flow_write(fd, whole, HEAD + part, deadline_ns, whose);	/* [FRAG1] */
		if (r < 0)
			return r;
		f.offset += (uint32_t)part;
	} while (f.offset < f.total);
	return 0;
}

/* [FRAG2] */
static bool is_sane(const struct durei_fragment *f)
{
	return f->magic == MAGIC && f->offset % DUREI_FRAGMENT_BYTES == 0 &&
	       (f->offset < f->total || f->total == 0) && f->offset <= f->total;
}

/* 1: the reader begins with a header; 0: it has too little */
static int find_header(struct durei_fragment_reader *reader, struct durei_fragment *ret)
{
	for (; reader->end - reader->start >= HEAD; reader->start++) {		/* [FRAG3] */
		memcpy(ret, reader->bytes + reader->start, HEAD);
		if (is_sane(ret))
			return 1;
	}
	return 0;
}

int durei_fragment_take(struct durei_fragment_reader *reader, struct durei_fragment *ret,
			const char **ret_bytes)
{
	if (!find_header(reader, ret) ||
	    reader->end - reader->start - HEAD < durei_fragment_length(ret))
		return 0;
	*ret_bytes = reader->bytes + reader->start + HEAD;
	reader->start += HEAD + durei_fragment_length(ret);
	return 1;
}

int durei_fragment_read(int fd, struct durei_fragment_reader *reader)
{
	memmove(reader->bytes, reader->bytes + reader->start, reader->end - reader->start);
	reader->end -= reader->start;
	reader->start = 0;
	int r = durei_stream_read(fd, reader->bytes + reader->end, sizeof reader->bytes - reader->end);
	if (r > 0)
		reader->end += (size_t)r;
	return r < 0 && r != -EAGAIN ? durei_flow_error(-r, "reading from", "a pipe of messages") : r;
}

int durei_fragment_next(int fd, struct durei_fragment_reader *reader, struct durei_fragment *ret,
			const char **ret_bytes)
{
	while (!durei_fragment_take(reader, ret, ret_bytes)) {
		int r = durei_fragment_read(fd, reader);
		if (r <= 0)
			return r == -EAGAIN ? 0 : r;
	}
	return 1;
}
