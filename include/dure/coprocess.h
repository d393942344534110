/* SPDX-License-Identifier: MIT */
/*
 * dure/coprocess.h - a conversation with a program, line by line, without a deadlock
 *
 * A coprocess reads what we write and writes what we read. While we write, what it says is kept,
 * so that it never waits for us to read. Programs that buffer their output when it is no terminal
 * (most that use stdio) are given a pseudo-terminal by DURE_COPROCESS_TERMINAL.
 *
 * Common to all functions here: Threads: one at a time for one coprocess. Signals: not from a
 * handler; none is raised. Fork: a child's handles answer -ESTALE. Death of the caller: the
 * program is at the end of its input.
 */
#ifndef DURE_COPROCESS_H
#define DURE_COPROCESS_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>
#include <dure/process.h>

DURE_BEGIN

typedef struct dure_coprocess dure_coprocess;

/* options.flags */
enum {
	DURE_COPROCESS_TERMINAL = 1u << 0,	/* its streams are a terminal that does not echo */
};

struct dure_coprocess_options {
	size_t sz;			/* sizeof(struct dure_coprocess_options) */
	size_t pending_max;		/* what it may have said and we not read; default 16 MiB */
	uint32_t flags;			/* DURE_COPROCESS_... */
	uint16_t rows, columns;		/* of the terminal; default 24, 80 */
};

/*
 * dure_coprocess_open - start a program to talk to
 *
 * process is as for dure_process_start; input and output are given by this call, and with a
 * terminal errors, too, unless they are asked for elsewhere. process and options may be NULL.
 *
 * Returns  0; -EOPNOTSUPP (no pseudo-terminals) -ENOSPC (all of them are taken) and as
 *          dure_process_start
 */
DURE_API int dure_coprocess_open(const char *const *arguments,
				 const struct dure_process_options *process,
				 const struct dure_coprocess_options *options,
				 dure_coprocess **ret);

/*
 * dure_coprocess_fd - a descriptor that is readable when it has said something, or ended
 *
 * Borrowed, for poll alone. What was kept while writing is not in it any more: read until
 * -EAGAIN before polling.
 *
 * Returns  the descriptor; -EINVAL -ESTALE
 */
DURE_API int dure_coprocess_fd(dure_coprocess *coprocess);

/* dure_coprocess_process - the program, to be waited for, signalled, named. Borrowed. NULL for
   NULL */
DURE_API dure_process *dure_coprocess_process(dure_coprocess *coprocess);

/*
 * dure_coprocess_write - write to it, and keep what it says meanwhile
 *
 * Returns  how many bytes were written, at least 1 unless bytes is 0; -EPIPE (it reads no more)
 *          -ENOSPC (it has said pending_max bytes that nobody has read: read first) -EAGAIN
 *          -ETIMEDOUT -ENOMEM -EINVAL -EIO -ESTALE
 */
DURE_API int dure_coprocess_write(dure_coprocess *coprocess, const void *data, size_t bytes,
				  int64_t timeout_ns);

/*
 * dure_coprocess_read - read what it says, as it comes
 *
 * Returns  how many bytes, 0 at the end; -EAGAIN -ETIMEDOUT -ENOMEM -EINVAL -EIO -ESTALE
 */
DURE_API int dure_coprocess_read(dure_coprocess *coprocess, void *buffer, size_t bytes,
				 int64_t timeout_ns);

/*
 * dure_coprocess_read_line - read one line
 *
 * line gets it without its newline (of a terminal: nor its carriage return), and a NUL. A last
 * line without a newline is a line.
 *
 * Returns  its length; -EPIPE (it has ended, or closed its output) -EMSGSIZE (longer than bytes,
 *          or than pending_max; the line stays) -EAGAIN -ETIMEDOUT -ENOMEM -EINVAL -EIO -ESTALE
 */
DURE_API int dure_coprocess_read_line(dure_coprocess *coprocess, char *line, size_t bytes,
				      int64_t timeout_ns);

/*
 * dure_coprocess_ask - write a line, read a line
 *
 * question is written with a newline after it. A line that it had said before is its answer:
 * read those first. After -ETIMEDOUT the question may have been asked, in part; the conversation
 * is out of step.
 *
 * Returns  the answer's length; as dure_coprocess_write and dure_coprocess_read_line
 */
DURE_API int dure_coprocess_ask(dure_coprocess *coprocess, const char *question, char *answer,
				size_t bytes, int64_t timeout_ns);

/*
 * dure_coprocess_end_input - tell it that there is no more to read
 *
 * Returns  0; -EAGAIN (a terminal that takes nothing now) -EPIPE -EINVAL -EIO -ESTALE
 */
DURE_API int dure_coprocess_end_input(dure_coprocess *coprocess);

/* dure_coprocess_close - as dure_process_close; what was not read is lost. NULL is allowed.
   Returns its status; -EPERM -EIO */
DURE_API int dure_coprocess_close(dure_coprocess *coprocess);

DURE_END

#endif
