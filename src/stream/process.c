/* SPDX-License-Identifier: MIT */
/*
 * process.c - programs that are started, talked to and ended
 *
 * Why      popen runs a shell, hides the pid, gives one direction, leaks descriptors into
 *          programs that other threads start, waits for ever, and loses the status to a SIGCHLD
 *          handler. This is the same without these.
 * Layout   struct dure_process: private memory of the process that started the program.
 * Rules    [PROC1] a program is known by its pidfd alone; the pid is for people, and for the
 *                  group of a leader that nobody has collected
 *          [PROC2] the status is collected once, under the lock, and kept; nobody waits while
 *                  holding the lock
 *          [PROC3] our ends of pipes do not block; the program's ends do
 *          [PROC4] every end that returns "it has ended" has collected it: no zombie stays
 * Death    of the caller: the kernel closes the ends, the program sees the end of its input, or
 *          SIGPIPE.
 */
#include "stream/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/process.h"
#include "os/self.h"
#include "stream/flow.h"

enum {
	NAME_BYTES = 64,
	STREAMS = 3,
};
#define GRACE_NS DURE_S(5)
#define OPTIONS_MIN sizeof(struct dure_process_options)

struct dure_process {
	pthread_mutex_t lock;		/* guards status */
	int status;			/* DUREI_PROCESS_RUNS until collected */
	int pidfd, pid;
	uint32_t opener;		/* the process that started it */
	bool is_leader;			/* of a group */
	int ends[STREAMS];		/* ours, of the pipes; or -1 */
	int64_t grace_ns;
	char name[NAME_BYTES];
};

static const char *const stream_names[] = { "the input of", "the output of", "the errors of" };

/* -- what the program gets ------------------------------------------------------------------ */

/* Both sides' ends while a program is being started. */
struct ends {
	int ours[STREAMS], its[STREAMS];
	bool is_borrowed[STREAMS];	/* its: the caller's descriptor */
};

static void close_ends(struct ends *ends, bool ours)
{
	for (int i = 0; i < STREAMS; i++) {
		if (ends->its[i] >= 0 && !ends->is_borrowed[i])
			durei_file_close(ends->its[i]);
		if (ours)
			durei_file_close(ends->ours[i]);
	}
}

static int make_pipe(struct ends *ends, int stream, const char *name)
{
	int pair[2];
	int r = durei_pipe_open(pair, false);

	if (r < 0)
		return durei_flow_error(-r, "making a pipe for", name);
	ends->its[stream] = pair[stream == DURE_STDIN ? 0 : 1];
	ends->ours[stream] = pair[stream == DURE_STDIN ? 1 : 0];
	r = durei_stream_nonblocking(ends->ours[stream], true);		/* [PROC3] */
	return r < 0 ? durei_flow_error(-r, "making a pipe for", name) : 0;
}

static int open_null(struct ends *ends, int stream)
{
	int r = durei_file_open("/dev/null", stream == DURE_STDIN ? O_RDONLY : O_WRONLY,
				0);

	if (r < 0)
		return durei_flow_error(-r, "opening", "/dev/null");
	ends->its[stream] = r;
	return 0;
}

static int prepare_stream(struct ends *ends, int stream, uint32_t kind, int fd, const char *name)
{
	switch (kind) {
	case DURE_STREAM_INHERIT:
		return 0;
	case DURE_STREAM_PIPE:
		return make_pipe(ends, stream, name);
	case DURE_STREAM_NULL:
		return open_null(ends, stream);
	case DURE_STREAM_FD:
		if (!durei_stream_is_open(fd))
			return durei_error(EINVAL, "%s %s is to be descriptor %d, which is not open",
					   stream_names[stream], name, fd);
		ends->its[stream] = fd;
		ends->is_borrowed[stream] = true;
		return 0;
	case DURE_STREAM_OUTPUT:
		if (stream != DURE_STDERR)
			break;
		ends->its[stream] = ends->its[DURE_STDOUT] >= 0 ? ends->its[DURE_STDOUT] : 1;
		ends->is_borrowed[stream] = true;
		return 0;
	default:
		break;
	}
	return durei_error(EINVAL, "%s %s cannot be of kind %u: see DURE_STREAM_INHERIT and those "
			   "after it", stream_names[stream], name, kind);
}

static int prepare_ends(struct ends *ends, const struct dure_process_options *o, const char *name)
{
	const uint32_t kinds[] = { o->input, o->output, o->errors };
	const int32_t fds[] = { o->input_fd, o->output_fd, o->errors_fd };
	int r = 0;

	for (int i = 0; i < STREAMS; i++) {
		ends->ours[i] = ends->its[i] = -1;
		ends->is_borrowed[i] = false;
	}
	for (int i = 0; r == 0 && i < STREAMS; i++)
		r = prepare_stream(ends, i, kinds[i], fds[i], name);
	if (r < 0)
		close_ends(ends, true);
	return r;
}

static int check_kept(const struct dure_process_options *o, const char *name)
{
	for (uint32_t i = 0; i < o->keep_count; i++)
		if (!o->keep || o->keep[i] < 3 || !durei_stream_is_open(o->keep[i]))
			return durei_error(EINVAL, "%s is to keep descriptor %d: it must be open, and "
					   "not one of 0, 1, 2", name, o->keep ? o->keep[i] : -1);
	return 0;
}

/* -- starting ------------------------------------------------------------------------------- */

static int not_executed(int code, const char *program, const struct durei_start *start)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		if (!strchr(program, '/'))
			return durei_error(ENOENT, "there is no program \"%s\" in PATH (%.300s): "
					   "install it, or give its path", program, start->path);
		return durei_error(ENOENT, "there is no program %s, or the interpreter it names after "
				   "#! is missing", program);
	case EACCES:
	case EPERM:
		return durei_error(EACCES, "%s may not be executed: look at its permissions, those of "
				   "its directories, and the mount option noexec", program);
	case ENOEXEC:
	case EISDIR:
	case ELIBBAD:
	case EINVAL:
		return durei_error(EINVAL, "%s is not a program for this machine, nor a script that "
				   "begins with #!", program);
	case E2BIG:
		return durei_error(EMSGSIZE, "the arguments and the environment of %s are longer than "
				   "the kernel takes: a quarter of RLIMIT_STACK (ulimit -s), 128 KiB "
				   "for one of them", program);
	case ETXTBSY:
		return durei_error(EBUSY, "%s is open for writing: close it, then run it", program);
	case ENAMETOOLONG:
	case ELOOP:
		return durei_error(ENOENT, "the name of %.300s leads nowhere: %s", program,
				   strerror(code));
	default:
		return durei_flow_error(code, "running", program);
	}
}

static int not_started(int code, const struct durei_start *start, enum durei_start_step step)
{
	const char *program = start->arguments[0];

	switch (step) {
	case DUREI_START_EXEC:
		return not_executed(code, program, start);
	case DUREI_START_DIRECTORY:
		return durei_error(code == EACCES ? EACCES : code == EIO ? EIO : ENOENT,
				   "%s cannot start in %.300s: %s", program, start->directory,
				   strerror(code));
	case DUREI_START_CLONE:
		if (code == EAGAIN)
			return durei_error(EUSERS, "%s cannot be started: no more processes: "
					   "RLIMIT_NPROC is %" PRIu64 ": raise it (ulimit -u), or "
					   "pids.max of the container, or end some", program,
					   durei_resource_max(DUREI_MAX_PROCESSES));
		break;
	case DUREI_START_GROUPING:
	case DUREI_START_STREAMS:
	case DUREI_START_KEPT:
	default:
		break;
	}
	return durei_flow_error(code, "starting", program);
}

/* /bin/sh -c LINE sh ARGUMENT...; freed by the caller */
static const char **shell_arguments(const char *const *arguments)
{
	size_t count = 0;

	while (arguments[count])
		count++;
	const char **list = calloc(count + 4, sizeof *list);
	if (!list)
		return NULL;
	list[0] = "/bin/sh";
	list[1] = "-c";
	list[2] = arguments[0];
	list[3] = count > 1 ? "sh" : NULL;
	for (size_t i = 1; i < count; i++)
		list[3 + i] = arguments[i];
	return list;
}

static dure_process *make_handle(const char *name, const struct dure_process_options *o)
{
	dure_process *process = calloc(1, sizeof *process);

	if (!process)
		return NULL;
	pthread_mutex_init(&process->lock, NULL);
	process->status = DUREI_PROCESS_RUNS;
	process->opener = durei_process_id();
	process->is_leader = o->flags & (DURE_PROCESS_GROUP | DURE_PROCESS_SESSION);
	process->grace_ns = o->grace_ns ? o->grace_ns : GRACE_NS;
	snprintf(process->name, sizeof process->name, "%s", name);
	return process;
}

static void free_handle(dure_process *process)
{
	for (int i = 0; i < STREAMS; i++)
		durei_file_close(process->ends[i]);
	durei_file_close(process->pidfd);
	pthread_mutex_destroy(&process->lock);
	free(process);
}

static int start_with(const char *const *arguments, const struct durei_process_plan *plan,
		      struct ends *ends, dure_process *process)
{
	const struct dure_process_options *o = &plan->options;
	struct durei_start start = {
		.arguments = arguments,
		.environment = o->environment,
		.path = durei_process_path(),
		.directory = o->directory,
		.kept = o->keep,
		.kept_count = o->keep_count,
		.flags = (o->flags & DURE_PROCESS_SESSION  ? DUREI_START_SESSION
			  : o->flags & DURE_PROCESS_GROUP ? DUREI_START_GROUP : 0u) |
			 (plan->takes_terminal ? DUREI_START_TERMINAL : 0u),
		.streams = { ends->its[0], ends->its[1], ends->its[2] },
	};
	struct durei_started started;
	int r = durei_process_start(&start, &started);

	if (r < 0)
		return not_started(-r, &start, started.step);
	process->pid = started.pid;
	process->pidfd = started.pidfd;
	memcpy(process->ends, ends->ours, sizeof process->ends);
	return 0;
}

static int start_prepared(const char *const *arguments, const struct durei_process_plan *plan,
			  struct ends *ends, dure_process **ret)
{
	bool is_line = plan->options.flags & DURE_PROCESS_SHELL;
	const char **words = is_line ? shell_arguments(arguments) : NULL;
	dure_process *process = make_handle(arguments[0], &plan->options);
	int r;

	if (!process || (is_line && !words))
		r = durei_error(ENOMEM, "no memory to start %.300s", arguments[0]);
	else
		r = start_with(is_line ? words : arguments, plan, ends, process);
	free(words);
	if (r == 0) {
		*ret = process;
		return 0;
	}
	if (process) {
		pthread_mutex_destroy(&process->lock);
		free(process);
	}
	return r;
}

int durei_process_open(const char *const *arguments, const struct durei_process_plan *plan,
		       dure_process **ret)
{
	struct ends ends;

	if (!arguments || !arguments[0] || !arguments[0][0] || !ret)
		return durei_error(EINVAL, "a program is needed: arguments[0], and NULL after the last");
	if (plan->options.flags & ~(uint32_t)(DURE_PROCESS_SHELL | DURE_PROCESS_GROUP |
					      DURE_PROCESS_SESSION))
		return durei_error(EINVAL, "unknown options.flags %#x", plan->options.flags);
	int r = check_kept(&plan->options, arguments[0]);
	if (r == 0)
		r = prepare_ends(&ends, &plan->options, arguments[0]);
	if (r < 0)
		return r;
	r = start_prepared(arguments, plan, &ends, ret);
	close_ends(&ends, r < 0);
	return r;
}

int dure_process_start(const char *const *arguments, const struct dure_process_options *options,
		       dure_process **ret)
{
	struct durei_process_plan plan = { .takes_terminal = false };
	int r = durei_options_read(&plan.options, sizeof plan.options, OPTIONS_MIN, options);

	return r < 0 ? r : durei_process_open(arguments, &plan, ret);
}

/* -- its streams ---------------------------------------------------------------------------- */

static int check(const dure_process *process)
{
	if (!process)
		return durei_error(EINVAL, "the process handle is NULL");
	return durei_process_is_stale(process)
		       ? durei_error(ESTALE, "%s was started by process %u, before a fork: only that "
				     "one can use the handle", process->name, process->opener)
		       : 0;
}

bool durei_process_is_stale(const dure_process *process)
{
	return process->opener != durei_process_id();
}

const char *durei_process_name_of(const dure_process *process)
{
	return process->name;
}

int durei_process_end_of(const dure_process *process, uint32_t stream)
{
	return stream < STREAMS ? process->ends[stream] : -1;
}

int dure_process_fd(dure_process *process)
{
	int r = check(process);

	return r < 0 ? r : process->pidfd;
}

int dure_process_id(dure_process *process)
{
	int r = check(process);

	return r < 0 ? r : process->pid;
}

int dure_process_stream(dure_process *process, uint32_t stream)
{
	int r = check(process);

	if (r < 0)
		return r;
	if (durei_process_end_of(process, stream) < 0)
		return durei_error(EINVAL, "there is no pipe for stream %u of %s, or it is closed: "
				   "DURE_STREAM_PIPE asks for one", stream, process->name);
	return process->ends[stream];
}

int dure_process_close_stream(dure_process *process, uint32_t stream)
{
	int r = check(process);

	if (r < 0)
		return r;
	if (stream >= STREAMS)
		return durei_error(EINVAL, "a program has streams 0, 1 and 2, not %u", stream);
	durei_file_close(process->ends[stream]);
	process->ends[stream] = -1;
	return 0;
}

static const char *whose(char *text, size_t bytes, const dure_process *process, uint32_t stream)
{
	snprintf(text, bytes, "%s %s", stream_names[stream], process->name);
	return text;
}

int dure_process_write(dure_process *process, const void *data, size_t bytes, int64_t timeout_ns)
{
	char words[NAME_BYTES + 16];
	int fd = dure_process_stream(process, DURE_STDIN);

	if (fd < 0)
		return fd;
	if (!data && bytes)
		return durei_error(EINVAL, "%zu bytes at NULL cannot be written", bytes);
	return durei_flow_write(fd, data, bytes, durei_deadline(timeout_ns),
				whose(words, sizeof words, process, DURE_STDIN));
}

int dure_process_read(dure_process *process, uint32_t stream, void *buffer, size_t bytes,
		      int64_t timeout_ns)
{
	char words[NAME_BYTES + 16];
	int fd = dure_process_stream(process, stream);

	if (fd < 0)
		return fd;
	if (stream == DURE_STDIN || !buffer || !bytes)
		return durei_error(EINVAL, "reading needs DURE_STDOUT or DURE_STDERR, and a buffer");
	return durei_flow_read(fd, buffer, bytes, durei_deadline(timeout_ns),
			       whose(words, sizeof words, process, stream));
}

/* -- its end -------------------------------------------------------------------------------- */

/* [PROC2] its status, or DUREI_PROCESS_RUNS */
static int collect(dure_process *process)
{
	pthread_mutex_lock(&process->lock);
	if (process->status == DUREI_PROCESS_RUNS) {
		int r = durei_process_collect(process->pidfd);
		if (r >= 0)
			process->status = r;
		else if (r != DUREI_PROCESS_RUNS) {
			pthread_mutex_unlock(&process->lock);
			return durei_flow_error(-r, "waiting for", process->name);
		}
	}
	int status = process->status;
	pthread_mutex_unlock(&process->lock);
	return status;
}

/* Its status if that is known, or DUREI_PROCESS_RUNS; asks nobody. */
static int known_status(dure_process *process)
{
	pthread_mutex_lock(&process->lock);
	int status = process->status;
	pthread_mutex_unlock(&process->lock);
	return status;
}

/* 0 when it has ended, -ETIMEDOUT; says nothing: the caller may have another way */
static int await_end(dure_process *process, int64_t deadline_ns)
{
	struct durei_poll end = { .fd = process->pidfd, .reads = true };

	return known_status(process) >= 0 ? 0 : durei_poll(&end, 1, deadline_ns);
}

static int wait_until(dure_process *process, int64_t deadline_ns)
{
	int r = await_end(process, deadline_ns);

	if (r == -ETIMEDOUT)
		return durei_flow_late(deadline_ns);
	return r < 0 ? durei_flow_error(-r, "waiting for", process->name) : collect(process);
}

int dure_process_wait(dure_process *process, int64_t timeout_ns)
{
	int r = check(process);

	return r < 0 ? r : wait_until(process, durei_deadline(timeout_ns));
}

static int send_signal(dure_process *process, int signal, bool to_group)
{
	int r = durei_process_signal(process->pidfd, process->pid, signal, to_group);

	if (r == 0 || r == -ESRCH)
		return 0;
	if (r == -EPERM)
		return durei_error(EPERM, "%s (process %d) runs as another user: signal %d was not sent",
				   process->name, process->pid, signal);
	return durei_flow_error(-r, "signalling", process->name);
}

int dure_process_signal(dure_process *process, int signal)
{
	int r = check(process);

	if (r < 0)
		return r;
	if (signal < 1 || signal > SIGRTMAX)
		return durei_error(EINVAL, "there is no signal %d", signal);
	return send_signal(process, signal, process->is_leader);
}

/* The members of a group that outlive their leader; it has ended, and is not yet collected. */
static void kill_rest(dure_process *process)
{
	if (process->is_leader && known_status(process) == DUREI_PROCESS_RUNS)
		(void)send_signal(process, SIGKILL, true);
}

static int end_by_force(dure_process *process)
{
	int r = send_signal(process, SIGTERM, process->is_leader);

	if (r < 0)
		return r;
	r = await_end(process, durei_deadline(process->grace_ns));
	if (r < 0) {
		r = send_signal(process, SIGKILL, process->is_leader);
		if (r < 0)
			return r;
		r = await_end(process, DUREI_NEVER);
	}
	kill_rest(process);
	return r < 0 ? durei_flow_error(-r, "waiting for", process->name) : collect(process);
}

int dure_process_end(dure_process *process)
{
	int r = check(process);

	if (r < 0)
		return r;
	r = known_status(process);
	return r >= 0 ? r : end_by_force(process);
}

int dure_process_close(dure_process *process)
{
	if (!process)
		return 0;
	if (durei_process_is_stale(process)) {
		free_handle(process);
		return 0;
	}
	for (uint32_t i = 0; i < STREAMS; i++)
		(void)dure_process_close_stream(process, i);
	int r = await_end(process, durei_deadline(process->grace_ns));
	r = r < 0 ? end_by_force(process) : collect(process);
	free_handle(process);
	return r;
}

void dure_process_release(dure_process *process)
{
	if (process)
		free_handle(process);
}
