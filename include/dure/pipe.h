/* SPDX-License-Identifier: MIT */
/*
 * dure/pipe.h - pipes that do not kill, and streams that are split
 *
 * A pipe is two descriptors, which are the caller's: for read, write, poll and close(2) as any.
 * The calls here add timeouts, and take SIGPIPE away: a closed other end is -EPIPE, whatever the
 * process does with that signal, and nothing is changed for other threads.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler; none is raised. Fork:
 * descriptors are inherited; a split answers -ESTALE. Death: the kernel closes descriptors, the
 * other side reads to the end.
 */
#ifndef DURE_PIPE_H
#define DURE_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>
#include <dure/segment.h>	/* DURE_FOREVER, DURE_MS, DURE_S */

DURE_BEGIN

/* options.flags */
enum {
	DURE_PIPE_DUPLEX = 1u << 0,	/* both ends read and write */
	DURE_PIPE_PACKETS = 1u << 1,	/* what one write of up to DURE_PIPE_ATOMIC wrote is read by
					   one read; what does not fit its buffer is lost */
	DURE_PIPE_NONBLOCKING = 1u << 2,	/* also for read(2) and write(2) */
	DURE_PIPE_INHERIT = 1u << 3,	/* open in programs that are started; else close-on-exec */
};

/* Up to so many bytes are written in one piece, among any number of writers. */
enum { DURE_PIPE_ATOMIC = 4096 };

struct dure_pipe_options {
	size_t sz;			/* sizeof(struct dure_pipe_options) */
	size_t size_bytes;		/* how much it holds; default 64 KiB. Not for DUPLEX */
	uint32_t flags;			/* DURE_PIPE_... */
	uint32_t reserved;
};

/*
 * dure_pipe_open - make a pipe
 *
 * ends[0] reads and ends[1] writes; with DURE_PIPE_DUPLEX both do both (a pair of sockets: ending
 * one direction is shutdown(2)). options may be NULL.
 *
 * Returns  0; -EMFILE -ENOMEM -EINVAL -EPERM (size_bytes beyond fs.pipe-max-size) -EBUSY -EIO
 *          -E2BIG
 */
DURE_API int dure_pipe_open(const struct dure_pipe_options *options, int ends[2]);

/* dure_pipe_size - how many bytes it holds. Returns that; -EINVAL (no pipe) */
DURE_API int dure_pipe_size(int fd);

/*
 * dure_pipe_resize - let it hold at least so many bytes
 *
 * Returns  how many it holds now; -EPERM (beyond fs.pipe-max-size, or the user's share) -EBUSY
 *          (it holds more just now) -EINVAL -ENOMEM -EIO
 */
DURE_API int dure_pipe_resize(int fd, size_t bytes);

/*
 * dure_pipe_write - write to a pipe, a FIFO, a socket or a terminal
 *
 * Up to DURE_PIPE_ATOMIC bytes go into a pipe in one piece or not at all. More go as they can, until
 * all are written, the time is up, or nobody reads any more.
 *
 * Returns  how many, at least 1 unless bytes is 0; -EPIPE (nobody reads) -EAGAIN -ETIMEDOUT -EINVAL
 *          -ENOSPC -ENOMEM -EIO
 */
DURE_API int dure_pipe_write(int fd, const void *data, size_t bytes, int64_t timeout_ns);

/*
 * dure_pipe_read - read what there is, and wait if there is nothing
 *
 * Returns  how many, 0 at the end; -EAGAIN -ETIMEDOUT -EINVAL -ENOMEM -EIO
 */
DURE_API int dure_pipe_read(int fd, void *buffer, size_t bytes, int64_t timeout_ns);

/*
 * dure_pipe_send - write a message of any size, among any number of senders
 *
 * Messages of up to 4072 bytes go in one piece, longer ones in several, which a receiver puts
 * together again; those of several senders may come in between.
 *
 * Returns  0; -EPIPE (nobody reads) -EAGAIN -ETIMEDOUT (it was not sent, or in part, which the
 *          receiver drops) -EMSGSIZE (more than 4 GiB) -EINVAL -ENOSPC -ENOMEM -EOPNOTSUPP -EIO
 */
DURE_API int dure_pipe_send(int fd, const void *data, size_t bytes, int64_t timeout_ns);

typedef struct dure_receiver dure_receiver;

struct dure_receiver_options {
	size_t sz;			/* sizeof(struct dure_receiver_options) */
	size_t message_max;		/* longer ones are dropped; default 1 MiB */
	uint32_t unfinished_max;	/* long messages under way at once; default 64 */
	uint32_t reserved;
};

/*
 * dure_receiver_open - receive what dure_pipe_send sends
 *
 * fd is borrowed until dure_receiver_close, and read by nobody else. options may be NULL.
 *
 * Returns  0; -EINVAL -ENOMEM -E2BIG
 */
DURE_API int dure_receiver_open(int fd, const struct dure_receiver_options *options,
				dure_receiver **ret);

/*
 * dure_receiver_next - the next message that is complete
 *
 * What a sender had sent of a message when it died is kept until the end, or until more than
 * unfinished_max messages are under way: then the one that has not grown for longest is dropped.
 *
 * Returns  its length; -EPIPE (all senders are gone, and nothing is left) -EMSGSIZE (longer than
 *          bytes: it is dropped) -EAGAIN -ETIMEDOUT -ENOMEM -EINVAL -EIO
 */
DURE_API int dure_receiver_next(dure_receiver *receiver, void *message, size_t bytes,
				int64_t timeout_ns);

/* dure_receiver_dropped - how many messages were too long, or given up. -EINVAL */
DURE_API int dure_receiver_dropped(dure_receiver *receiver);

/* dure_receiver_close - what was read and not received is lost. NULL is allowed. */
DURE_API void dure_receiver_close(dure_receiver *receiver);

typedef struct dure_split dure_split;

enum { DURE_SPLIT_MAX = 16 };

/*
 * dure_split_open - give what is read from one descriptor to several
 *
 * from and to[] are any descriptors, borrowed until dure_split_close. The bytes are not copied where
 * the kernel can pass pages on (splice, tee). The slowest reader sets the pace; one that has gone
 * is left out.
 *
 * Returns  0; -EINVAL -EMFILE -ENOMEM -EIO
 */
DURE_API int dure_split_open(int from, const int *to, uint32_t count, dure_split **ret);

/*
 * dure_split_run - pass on what there is, and wait if there is nothing
 *
 * Returns when a piece of the stream has gone to all. After -EAGAIN and -ETIMEDOUT call it again:
 * nothing is lost.
 *
 * Returns  how many bytes, 0 at the end; -EPIPE (all readers are gone) -EAGAIN -ETIMEDOUT -EINVAL
 *          -ENOMEM -EIO -ESTALE
 */
DURE_API int dure_split_run(dure_split *split, int64_t timeout_ns);

/* dure_split_is_gone - has to[index] been left out. Returns 1, 0; -EINVAL -ESTALE */
DURE_API int dure_split_is_gone(dure_split *split, uint32_t index);

/* dure_split_close - what was taken and not yet passed on is lost. NULL is allowed. */
DURE_API void dure_split_close(dure_split *split);

DURE_END

#endif
