/* SPDX-License-Identifier: MIT */
/*
 * dure/filter.h - a program between us and one of our own descriptors
 *
 * The pager case: what this process writes to its standard output, by whatever means, goes through
 * a program to where it went before. And the other way round: what it reads has come through one.
 *
 * Common to all functions here: Threads: one at a time; the descriptor changes for all threads.
 * Signals: not from a handler. Fork: a child's handles answer -ESTALE. Death of the caller: the
 * program is at the end of its input.
 */
#ifndef DURE_FILTER_H
#define DURE_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>
#include <dure/process.h>

DURE_BEGIN

typedef struct dure_filter dure_filter;

enum {
	DURE_FILTER_WRITES = 1,		/* what is written to the descriptor goes through it */
	DURE_FILTER_READS = 2,		/* what is read from the descriptor comes through it */
};

/*
 * dure_filter_open - put a program before descriptor fd
 *
 * From now on fd is a pipe to (or from) the program, whose output (input) is what fd was. Flush
 * what stdio holds for fd before. options is as for dure_process_start; input and output are
 * given by this call.
 *
 * Returns  0; as dure_process_start
 * Death    fd is changed when the program runs, in one step.
 */
DURE_API int dure_filter_open(int fd, uint32_t direction, const char *const *arguments,
			      const struct dure_process_options *options, dure_filter **ret);

/* dure_filter_fd - readable when the program has ended: the user has quit the pager. Borrowed.
   Returns the descriptor; -EINVAL -ESTALE */
DURE_API int dure_filter_fd(dure_filter *filter);

/*
 * dure_filter_write - write to the descriptor of DURE_FILTER_WRITES, and no SIGPIPE
 *
 * printf and write on a pipe whose reader has quit raise SIGPIPE, as they do in any pipeline;
 * this does not.
 *
 * Returns  how many bytes, at least 1 unless bytes is 0; -EPIPE (the program has quit) -EAGAIN
 *          -ETIMEDOUT -ENOMEM -EINVAL -EIO -ESTALE
 */
DURE_API int dure_filter_write(dure_filter *filter, const void *data, size_t bytes,
			       int64_t timeout_ns);

/*
 * dure_filter_close - make the descriptor what it was, and wait for the program
 *
 * Flush before. The program sees the end of its input and ends when it likes (a pager: when its
 * user does); when the time is up it is ended (dure_process_end). NULL is allowed.
 *
 * Returns  its status as dure_process_wait; -EPERM -EMFILE -ENOMEM -EIO (the descriptor could not be
 *          given back: the handle stays)
 */
DURE_API int dure_filter_close(dure_filter *filter, int64_t timeout_ns);

DURE_END

#endif
