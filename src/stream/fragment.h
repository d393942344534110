/* SPDX-License-Identifier: MIT */
/*
 * fragment.h - messages in pieces that a pipe takes whole
 *
 * A fragment is a header and up to DUREI_FRAGMENT_BYTES of a message, never more than PIPE_BUF
 * together: so fragments of several writers do not mix. sender and number name the message.
 */
#ifndef DUREI_STREAM_FRAGMENT_H
#define DUREI_STREAM_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "os/pipe.h"

struct durei_fragment {			/* on the wire, in the machine's byte order */
	uint32_t magic;
	uint32_t number;
	uint32_t total;			/* bytes of the message */
	uint32_t offset;		/* of this piece, a multiple of DUREI_FRAGMENT_BYTES */
	uint64_t sender;
};

enum { DUREI_FRAGMENT_BYTES = DUREI_PIPE_ATOMIC - (int)sizeof(struct durei_fragment) };

struct durei_fragment_reader {		/* zero: empty */
	size_t start, end;
	char bytes[2 * DUREI_PIPE_ATOMIC];
};

/* Writes a whole message. 0; -EPIPE; -EAGAIN -ETIMEDOUT: nothing, or a beginning that readers drop */
int durei_fragments_write(int fd, uint64_t sender, uint32_t number, const void *data, size_t bytes,
			  int64_t deadline_ns, const char *whose);

/* The next fragment that has been read: 1, its head and where its bytes are (until the next call); 0:
   read more. Bytes that are no fragments are passed over. */
int durei_fragment_take(struct durei_fragment_reader *reader, struct durei_fragment *ret,
			const char **ret_bytes);
/* Reads once, after take has returned 0: how many bytes, 0 at the end; -EAGAIN, without a sentence,
   and errors. */
int durei_fragment_read(int fd, struct durei_fragment_reader *reader);
/* Both, on a descriptor that does not block and is never at its end: 1; 0: nothing there; negative */
int durei_fragment_next(int fd, struct durei_fragment_reader *reader, struct durei_fragment *ret,
			const char **ret_bytes);
size_t durei_fragment_length(const struct durei_fragment *fragment);

#endif
