/* SPDX-License-Identifier: MIT */
/*
 * process.c - programs that are started, waited for and signalled
 *
 * Why      fork copies the page tables of a big process, 10 ms for 256 MiB. posix_spawn does
 *          not, but it gives a pid and no pidfd, no word about which step failed, and it leaves
 *          open what other threads have just opened.
 * How      clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD): the child runs on a stack of its own in
 *          our memory, and we stand still until it has become the program, or ended. The
 *          mapping with its stack is shared, so what it says arrives also where a tool
 *          (valgrind) makes a fork of it.
 * Rules    [START1] between clone and exec the child changes nothing of ours but *start:
 *                   no allocation, no lock, no stdio
 *          [START2] no signal handler of ours runs in the child: all is blocked before clone, and
 *                   in the child every handler is reset before anything is unblocked
 *          [START3] the child is no SIGCHLD child before exec (its exit signal is 0), so that a
 *                   start that fails is seen by nobody
 *          [START4] the program's signals: nothing blocked, all as by default, but of SIGHUP,
 *                   SIGINT and SIGQUIT what we ignore stays ignored (nohup, background jobs)
 *          [START5] the program gets descriptors 0, 1, 2 and those that were asked for. No other,
 *                   whether or not it was close-on-exec.
 * Death    of the starter, in between: the child goes on to its exec, as after any fork.
 */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fault.h"

/* from linux/sched.h, linux/wait.h, linux/pidfd.h and linux/close_range.h, not in every libc */
enum {
	CLONE_PIDFD_ = 0x1000,
	P_PIDFD_ = 3,
	PIDFD_SIGNAL_GROUP_ = 1u << 2,
	PIDFD_INFO_EXIT_ = 1u << 3,
	CLOSE_RANGE_CLOEXEC_ = 1u << 2,
	DIRENT_LENGTH = 16,		/* of struct linux_dirent64: where the record's length is */
	DIRENT_NAME = 19,
};
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif

struct pidfd_info_ {			/* the first version of struct pidfd_info */
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t status;
};
#define PIDFD_GET_INFO_ _IOWR(0xff, 11, struct pidfd_info_)

enum {
	STACK_BYTES = 64 * 1024,	/* glibc's own spawn takes 32 KiB and the arguments' */
	PATH_BYTES = 4096,
	NAMES_BYTES = 1024,
	GONE_MS = 1000,			/* from "somebody has collected it" to "it is gone" */
};

/* What the child and we share: at the low end of the mapping, the stack grows towards it. */
struct child {
	struct durei_start start;
	int code;			/* why it did not become the program */
	enum durei_start_step step;
	char path[PATH_BYTES];		/* the one that is tried */
};

/* The compiler's checkers would leave marks on a stack that nobody returns from. */
#define IN_CHILD __attribute__((noinline, no_sanitize("address", "undefined")))

/* -- in the child -------------------------------------------------------------------------- */

IN_CHILD static int reset_signals(void)
{
	static const int kept[] = { SIGHUP, SIGINT, SIGQUIT };
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	struct sigaction now;
	sigset_t none;

	for (int s = 1; s <= SIGRTMAX; s++) {
		if (sigaction(s, NULL, &now) < 0 || now.sa_handler == SIG_DFL)
			continue;
		bool is_kept = s == kept[0] || s == kept[1] || s == kept[2];
		if (!(is_kept && now.sa_handler == SIG_IGN))
			sigaction(s, &by_default, NULL);
	}
	sigemptyset(&none);
	return pthread_sigmask(SIG_SETMASK, &none, NULL);
}

IN_CHILD static int become_leader(const struct durei_start *start)
{
	int fault = durei_fault("setpgid");

	if (fault)
		return fault;
	if (start->flags & DUREI_START_SESSION)
		return setsid() < 0 ? errno : 0;
	return start->flags & DUREI_START_GROUP && setpgid(0, 0) < 0 ? errno : 0;
}

/* A source that lies on another's place steps aside first, so that all orders work. */
IN_CHILD static int place_streams(struct durei_start *start)
{
	int fault = durei_fault("dup2");

	if (fault)
		return fault;
	for (int i = 0; i < 3; i++) {
		int from = start->streams[i];
		if (from < 0 || from > 2 || from == i)
			continue;
		start->streams[i] = fcntl(from, F_DUPFD_CLOEXEC, 3);
		if (start->streams[i] < 0)
			return errno;
	}
	for (int i = 0; i < 3; i++) {
		int from = start->streams[i];
		if (from < 0)
			continue;
		/* on its place already: dup2 would leave close-on-exec set */
		if (from == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(from, i) < 0)
			return errno;
	}
	if (start->flags & DUREI_START_TERMINAL && ioctl(0, TIOCSCTTY, 0) < 0)
		return errno;
	return 0;
}

/* Where the kernel, or what stands before it, does not know close_range. */
IN_CHILD static int mark_one_by_one(void)
{
	char names[NAMES_BYTES];
	int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned short bytes;
	long n;

	if (directory < 0)
		return errno;
	while ((n = syscall(SYS_getdents64, directory, names, sizeof names)) > 0)
		for (long at = 0; at < n; at += bytes) {
			int fd = 0;
			memcpy(&bytes, names + at + DIRENT_LENGTH, sizeof bytes);
			for (const char *c = names + at + DIRENT_NAME; *c >= '0' && *c <= '9'; c++)
				fd = fd * 10 + (*c - '0');
			if (fd > 2)
				fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
	return n < 0 ? errno : 0;
}

IN_CHILD static int keep_only(const struct durei_start *start)
{
	int fault = durei_fault("close_range");

	if (fault || syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC_) < 0) {
		int code = mark_one_by_one();
		if (code)
			return code;
	}
	for (uint32_t i = 0; i < start->kept_count; i++)
		if (fcntl(start->kept[i], F_SETFD, 0) < 0)
			return errno;
	return 0;
}

IN_CHILD static int change_directory(const struct durei_start *start)
{
	int fault = start->directory ? durei_fault("chdir") : 0;

	if (fault)
		return fault;
	return start->directory && chdir(start->directory) < 0 ? errno : 0;
}

/* exec returns only when it fails */
IN_CHILD static int try(const struct durei_start *start, const char *path)
{
	char *const *arguments = (char *const *)(uintptr_t)start->arguments;
	char *const *environment = (char *const *)(uintptr_t)start->environment;
	int fault = durei_fault("execve");

	if (fault)
		return fault;
	execve(path, arguments, environment ? environment : environ);
	return errno;
}

/* The next directory of PATH and the name, in child->path; an empty directory is this one. */
IN_CHILD static const char *compose(struct child *child, const char *directories, const char *name)
{
	size_t length = strcspn(directories, ":"), name_bytes = strlen(name) + 1;
	const char *next = directories[length] ? directories + length + 1 : NULL;

	child->path[0] = '\0';
	if (length + 1 + name_bytes > sizeof child->path)
		return next;
	memcpy(child->path, directories, length);
	if (length)
		child->path[length++] = '/';
	memcpy(child->path + length, name, name_bytes);
	return next;
}

/* As execvp: what may not be executed is passed over, and told if nothing else is found. */
IN_CHILD static int look_for(struct child *child)
{
	const char *name = child->start.arguments[0], *rest = child->start.path;
	int code = ENOENT;

	if (strchr(name, '/'))
		return try(&child->start, name);
	while (rest) {
		rest = compose(child, rest, name);
		int r = child->path[0] ? try(&child->start, child->path) : ENOENT;
		if (r == EACCES)
			code = r;
		else if (r != ENOENT && r != ENOTDIR && r != ESTALE && r != ENODEV && r != ETIMEDOUT)
			return r;
	}
	return code;
}

IN_CHILD static int be_child(void *argument)
{
	struct child *child = argument;
	struct durei_start *start = &child->start;

	child->step = DUREI_START_CLONE;
	child->code = reset_signals();		/* [START2] */
	if (!child->code)
		child->step = DUREI_START_GROUPING, child->code = become_leader(start);
	if (!child->code)
		child->step = DUREI_START_STREAMS, child->code = place_streams(start);
	if (!child->code)
		child->step = DUREI_START_KEPT, child->code = keep_only(start);
	if (!child->code)
		child->step = DUREI_START_DIRECTORY, child->code = change_directory(start);
	if (!child->code)
		child->step = DUREI_START_EXEC, child->code = look_for(child);
	return 127;
}

/* -- here ---------------------------------------------------------------------------------- */

static int clone_child(struct child *child, struct durei_started *ret)
{
	char *stack_top = (char *)child + STACK_BYTES;
	int fault = durei_fault("clone");
	sigset_t all, before;
	int cancel;

	if (fault)
		return -fault;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	/* [START3]: no exit signal; the kernel makes it SIGCHLD at exec */
	ret->pid = clone(be_child, stack_top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD_, child,
			 &ret->pidfd, NULL, NULL);
	int code = ret->pid < 0 ? errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_setcancelstate(cancel, &cancel);
	return -code;
}

static int collect_failed(struct child *child, struct durei_started *ret)
{
	siginfo_t ignored;

	ret->step = child->step;
	while (waitid((idtype_t)P_PIDFD_, (id_t)ret->pidfd, &ignored, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	close(ret->pidfd);
	return -child->code;
}

int durei_process_start(const struct durei_start *start, struct durei_started *ret)
{
	int fault = durei_fault("mmap");
	struct child *child;

	ret->step = DUREI_START_CLONE;
	if (fault)
		return -fault;
	child = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child == MAP_FAILED)
		return -errno;
	child->start = *start;
	ret->pidfd = -1;
	int r = clone_child(child, ret);
	if (r == 0 && child->code)
		r = collect_failed(child, ret);
	munmap(child, STACK_BYTES);
	return r;
}

const char *durei_process_path(void)
{
	const char *path = getenv("PATH");

	return path ? path : "/bin:/usr/bin";
}

/* What a process that somebody else has collected ended with. */
static int status_of_the_gone(int pidfd)
{
	struct pollfd gone = { .fd = pidfd };	/* POLLHUP comes when it has been collected */
	struct pidfd_info_ info = { .mask = PIDFD_INFO_EXIT_ };
	int fault = durei_fault("pidfd_info");

	if (fault)
		return DUREI_PROCESS_UNKNOWN;
	for (int tries = 0; tries < 2; tries++) {
		int r = ioctl(pidfd, PIDFD_GET_INFO_, &info);
		if (r == 0 && info.mask & PIDFD_INFO_EXIT_)
			return WIFEXITED(info.status)
				       ? WEXITSTATUS(info.status)
				       : DUREI_PROCESS_SIGNALLED + WTERMSIG(info.status);
		if (r < 0 && errno == ENOTTY)	/* before Linux 6.13 */
			break;
		info.mask = PIDFD_INFO_EXIT_;
		if (tries == 0 && poll(&gone, 1, GONE_MS) <= 0)
			break;
	}
	return DUREI_PROCESS_UNKNOWN;
}

int durei_process_collect(int pidfd)
{
	int fault = durei_fault("waitid");
	siginfo_t info = { .si_pid = 0 };
	int r;

	if (fault)
		return -fault;
	do
		r = waitid((idtype_t)P_PIDFD_, (id_t)pidfd, &info, WEXITED | WNOHANG | __WALL);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ECHILD ? status_of_the_gone(pidfd) : -errno;
	if (info.si_pid == 0)
		return DUREI_PROCESS_RUNS;
	return info.si_code == CLD_EXITED ? info.si_status : DUREI_PROCESS_SIGNALLED + info.si_status;
}

bool durei_process_exists(uint32_t pid)
{
	return pid && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

int durei_process_signal(int pidfd, int pid, int signal, bool group)
{
	int fault = durei_fault("send_signal");
	siginfo_t info;

	if (fault && fault != ENOSYS)
		return -fault;
	errno = fault;
	if (!fault && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, group ? PIDFD_SIGNAL_GROUP_ : 0) == 0)
		return 0;
	if (errno != ENOSYS && !(group && errno == EINVAL))
		return -errno;
	/* Before Linux 6.9 for groups, and in sandboxes that do not know the call: the pid is nobody
	   else's while we have not collected it, nor its group's. */
	if (waitid((idtype_t)P_PIDFD_, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
		return -ESRCH;
	return kill(group ? -pid : pid, signal) < 0 ? -errno : 0;
}
