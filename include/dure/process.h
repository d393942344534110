/* SPDX-License-Identifier: MIT */
/*
 * dure/process.h - programs: started without a fork, talked to without a deadlock, ended in time
 *
 * A program is an argument vector; a shell reads a line only where DURE_PROCESS_SHELL asks for
 * it. It starts with the descriptors it was given and no others, with no signal blocked and
 * none ignored (of SIGHUP, SIGINT and SIGQUIT, what the caller ignores stays ignored), and is
 * known by a pidfd, which can be polled and never means another process. Linux 5.4 or newer.
 *
 * Common to all functions here: Threads: any; reading and writing one stream is one thread's
 * at a time. Signals: not from a handler; nothing here raises SIGPIPE, installs a handler or
 * needs one. The caller may ignore SIGCHLD or wait for any child in a handler of its own: the
 * status is got all the same (Linux 6.15; before, it is DURE_PROCESS_UNKNOWN in that case).
 * Fork: a child's handles answer -ESTALE; closing them ends nothing but the copy. Death of the
 * caller: the program goes on, its pipes are at their end.
 */
#ifndef DURE_PROCESS_H
#define DURE_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>
#include <dure/segment.h>	/* DURE_FOREVER, DURE_MS, DURE_S */

DURE_BEGIN

typedef struct dure_process dure_process;

/* what one of the program's standard streams is */
enum {
	DURE_STREAM_INHERIT = 0,	/* the caller's own */
	DURE_STREAM_PIPE = 1,		/* a pipe, whose other end dure_process_stream gives */
	DURE_STREAM_NULL = 2,		/* /dev/null */
	DURE_STREAM_FD = 3,		/* the descriptor that the options name */
	DURE_STREAM_OUTPUT = 4,		/* errors only: where the output goes */
};

/* options.flags */
enum {
	DURE_PROCESS_SHELL = 1u << 0,	/* arguments[0] is a line for /bin/sh, the others its $1... */
	DURE_PROCESS_GROUP = 1u << 1,	/* leads a process group: signals reach all of it */
	DURE_PROCESS_SESSION = 1u << 2,	/* leads a session, without a terminal; a group, too */
};

struct dure_process_options {
	size_t sz;			/* sizeof(struct dure_process_options) */
	const char *const *environment;	/* "NAME=value"..., NULL; NULL: the caller's */
	const char *directory;		/* to start in; NULL: the caller's */
	const int32_t *keep;		/* descriptors that the program gets, at the same numbers */
	uint32_t keep_count;
	uint32_t flags;			/* DURE_PROCESS_... */
	uint32_t input, output, errors;	/* DURE_STREAM_... */
	int32_t input_fd, output_fd, errors_fd;	/* for DURE_STREAM_FD. Borrowed for the call */
	int64_t grace_ns;		/* from SIGTERM to SIGKILL; default 5 s */
};

enum { DURE_STDIN = 0, DURE_STDOUT = 1, DURE_STDERR = 2 };

/* statuses: 0 to 255 is what the program said, and otherwise */
enum {
	DURE_PROCESS_SIGNALLED = 256,	/* plus the signal that ended it */
	DURE_PROCESS_UNKNOWN = 512,	/* it has ended; another part of the caller waited for it,
					   and the kernel (before 6.15) tells a status once only */
};

/*
 * dure_process_start - run a program
 *
 * arguments ends with NULL. A program without a slash in its name is looked for in the caller's
 * PATH. A relative path means: relative to options->directory. What keeps it from running is
 * known here: a program that cannot be executed is a failure of this call, not status 127.
 * Costs what posix_spawn costs, however much memory the caller has.
 *
 * Returns  0; -ENOENT (no such program, or directory) -EACCES (not allowed to execute it) -EINVAL
 *          (no arguments; not a program; a stream that is none) -EMSGSIZE (arguments and
 *          environment beyond the kernel's limit) -EMFILE -EUSERS (RLIMIT_NPROC) -ENOMEM -EBUSY
 *          (the program is being written) -EPERM -EIO -E2BIG -EOPNOTSUPP
 * Death    before the program runs: it runs.
 */
DURE_API int dure_process_start(const char *const *arguments,
				const struct dure_process_options *options, dure_process **ret);

/* dure_process_fd - the pidfd: readable when the program has ended (borrowed). -EINVAL -ESTALE */
DURE_API int dure_process_fd(dure_process *process);

/* dure_process_id - its pid, for people to read. -EINVAL -ESTALE */
DURE_API int dure_process_id(dure_process *process);

/*
 * dure_process_stream - the caller's end of one of its pipes (borrowed until closed)
 *
 * It does not block: for poll. stream is DURE_STDIN, DURE_STDOUT or DURE_STDERR.
 *
 * Returns  the descriptor; -EINVAL (there is no such pipe, or it is closed) -ESTALE
 */
DURE_API int dure_process_stream(dure_process *process, uint32_t stream);

/* dure_process_close_stream - close the caller's end; a program that reads it is at the end of
   its input. Returns 0, also when it is closed already; -EINVAL -ESTALE */
DURE_API int dure_process_close_stream(dure_process *process, uint32_t stream);

/*
 * dure_process_write - write to its input
 *
 * Waits until all is written, or the time is up, or nobody reads any more.
 *
 * Returns  how many bytes were written, at least 1 unless bytes is 0; -EPIPE (nobody reads)
 *          -EAGAIN -ETIMEDOUT -EINVAL -EIO -ESTALE
 */
DURE_API int dure_process_write(dure_process *process, const void *data, size_t bytes,
				int64_t timeout_ns);

/*
 * dure_process_read - read what it has written to DURE_STDOUT or DURE_STDERR
 *
 * Waits until there is something.
 *
 * Returns  how many bytes, 0 at the end; -EAGAIN -ETIMEDOUT -EINVAL -EIO -ESTALE
 */
DURE_API int dure_process_read(dure_process *process, uint32_t stream, void *buffer, size_t bytes,
			       int64_t timeout_ns);

/*
 * dure_process_wait - until it has ended
 *
 * May be called again: the status is kept.
 *
 * Returns  its status, 0 to 255, DURE_PROCESS_SIGNALLED + signal, or DURE_PROCESS_UNKNOWN;
 *          -EAGAIN -ETIMEDOUT (it runs) -EINVAL -EIO -ESTALE
 */
DURE_API int dure_process_wait(dure_process *process, int64_t timeout_ns);

/*
 * dure_process_signal - send it a signal; with DURE_PROCESS_GROUP or SESSION, to its group
 *
 * Returns  0, also when it has ended; -EINVAL (no such signal) -EPERM (it runs as another user)
 *          -ESTALE -EIO
 */
DURE_API int dure_process_signal(dure_process *process, int signal);

/*
 * dure_process_end - end it: SIGTERM, the grace time, SIGKILL
 *
 * Returns when it has ended, at once when it has already. The rest of a group that outlives its
 * leader gets SIGKILL.
 *
 * Returns  its status as dure_process_wait; -EPERM -EINVAL -EIO -ESTALE
 */
DURE_API int dure_process_end(dure_process *process);

/*
 * dure_process_close - close the pipes, end the program, forget it
 *
 * Its input ends, and it has the grace time to end by itself before dure_process_end. NULL is
 * allowed. No zombie stays.
 *
 * Returns  its status as dure_process_wait; -EPERM -EIO: it could not be ended, and goes on.
 */
DURE_API int dure_process_close(dure_process *process);

/*
 * dure_process_release - close the pipes and let the program run on
 *
 * It is the caller's child like one of fork, and to be waited for by its pid. NULL is allowed.
 */
DURE_API void dure_process_release(dure_process *process);

enum { DURE_RUN_TRUNCATE = 1u << 0 };	/* run.flags: beyond the limits, read on and drop it */

struct dure_run_options {
	size_t sz;			/* sizeof(struct dure_run_options) */
	const void *input;		/* for its standard input; NULL: nothing */
	size_t input_bytes;
	size_t output_max, errors_max;	/* kept at most; default 64 MiB each */
	uint32_t flags;			/* DURE_RUN_... */
	uint32_t reserved;
};

/* why it was ended */
enum {
	DURE_RUN_DONE = 0,		/* it ended by itself */
	DURE_RUN_TIMED_OUT = 1,
	DURE_RUN_TOO_MUCH = 2,		/* output_max or errors_max was reached */
};

struct dure_run_result {
	size_t sz;			/* sizeof(struct dure_run_result) */
	char *output, *errors;		/* what it wrote, and a NUL; dure_run_free frees them */
	size_t output_bytes, errors_bytes;
	int32_t status;			/* as dure_process_wait */
	uint32_t ended;			/* DURE_RUN_... */
	uint64_t dropped_bytes;		/* by DURE_RUN_TRUNCATE */
};

/*
 * dure_process_run - run a program to its end, feed it, and keep all it says
 *
 * Input, output and errors flow at once, so that neither side waits for the other. When the time
 * is up or a limit is reached the program is ended (dure_process_end), and what it had written
 * is in *ret. A program that does not read its input is no failure. What children of the program
 * write after it has ended is not waited for.
 *
 * options may be NULL. Its streams are given by this call, but that errors may be
 * DURE_STREAM_OUTPUT, _NULL or _FD, and input DURE_STREAM_FD. run may be NULL.
 *
 * Returns  0: it was run, ret->status and ret->ended say how it went; otherwise as
 *          dure_process_start
 */
DURE_API int dure_process_run(const char *const *arguments,
			      const struct dure_process_options *options,
			      const struct dure_run_options *run, int64_t timeout_ns,
			      struct dure_run_result *ret);

/* dure_run_free - free what dure_process_run has filled. Twice is once. */
DURE_API void dure_run_free(struct dure_run_result *result);

DURE_END

#endif
