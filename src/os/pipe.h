/* SPDX-License-Identifier: MIT */
/*
 * pipe.h - pipes and other descriptors that bytes flow through
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here, EINTR is dealt with,
 * descriptors are close-on-exec. Nothing here raises SIGPIPE: a closed other end is -EPIPE.
 */
#ifndef DUREI_OS_PIPE_H
#define DUREI_OS_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DUREI_PIPE_ATOMIC = 4096 };	/* PIPE_BUF of Linux: written in one piece, or not at all */

/* ends[0] reads, ends[1] writes; packets: each write is read by itself */
int durei_pipe_open(int ends[2], bool packets);
/* both ends read and write: a pair of Unix sockets */
int durei_pipe_pair(int ends[2]);
int durei_pipe_size(int fd);
int durei_pipe_set_size(int fd, int bytes);
/* what is in it, unread */
int durei_pipe_filled(int fd);

int durei_stream_nonblocking(int fd, bool nonblocking);
bool durei_stream_blocks(int fd);
bool durei_stream_is_open(int fd);
/* open in programs that are started */
int durei_stream_inherited(int fd);
/* a second descriptor of the same open description, 3 or higher */
int durei_stream_copy(int fd);
/* to becomes what from is; to stays open in programs that are started */
int durei_stream_replace(int from, int to);

/* At most INT_MAX bytes. Returns how many, 0 at the end; -EAGAIN on a descriptor that does not
   block */
int durei_stream_read(int fd, void *buffer, size_t bytes);
int durei_stream_write(int fd, const void *data, size_t bytes);
/* Moves, or copies, between pipes (or, for splice, one pipe and another descriptor). */
int durei_stream_splice(int from, int to, size_t bytes);
int durei_stream_tee(int from, int to, size_t bytes);

struct durei_poll {
	int fd;				/* below 0: left out */
	bool reads, writes;		/* what is asked */
	bool is_ready;			/* one of these would not wait, or has an error to tell */
	bool is_broken;			/* the other end is gone */
};

/* Until one is ready or broken, or the deadline has come. 0, -ETIMEDOUT */
int durei_poll(struct durei_poll *list, unsigned count, int64_t deadline_ns);

#endif
