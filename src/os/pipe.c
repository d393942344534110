/* SPDX-License-Identifier: MIT */
/*
 * pipe.c - pipes and other descriptors that bytes flow through
 *
 * Why      A write to a pipe that nobody reads kills the process with SIGPIPE, unless somebody
 *          has changed what SIGPIPE does for all of it. A library may not do that, and may not
 *          let it happen.
 * How      Since Linux 6.18 a write can be told not to (RWF_NOSIGNAL). Before, and for splice and
 *          tee: the kernel sends SIGPIPE to the writing thread, so the thread blocks it, writes,
 *          and takes it back if the write raised it; three system calls more.
 * Rules    [PIPE1] a SIGPIPE that was pending before the write stays pending: it is another's
 *          [PIPE2] the thread's signal mask is afterwards what it was
 * Death    descriptors, which the kernel closes.
 */
#include "os/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/futex.h"

enum {
	POLLED_MAX = 64,
	RWF_NOSIGNAL_ = 0x100,		/* from linux/fs.h, not in every libc */
};

/* The system call's result as ours: -1 becomes -errno. */
static int result(ssize_t r)
{
	return r < 0 ? -errno : (int)r;
}

int durei_pipe_open(int ends[2], bool packets)
{
	int fault = durei_fault("pipe");

	return fault ? -fault : result(pipe2(ends, O_CLOEXEC | (packets ? O_DIRECT : 0)));
}

int durei_pipe_pair(int ends[2])
{
	int fault = durei_fault("socketpair");

	return fault ? -fault : result(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
}

int durei_pipe_size(int fd)
{
	int fault = durei_fault("getpipe_sz");

	return fault ? -fault : result(fcntl(fd, F_GETPIPE_SZ));
}

int durei_pipe_set_size(int fd, int bytes)
{
	int fault = durei_fault("setpipe_sz");

	return fault ? -fault : result(fcntl(fd, F_SETPIPE_SZ, bytes));
}

int durei_pipe_filled(int fd)
{
	int fault = durei_fault("fionread"), bytes = 0;

	if (fault)
		return -fault;
	return ioctl(fd, FIONREAD, &bytes) < 0 ? -errno : bytes;
}

int durei_stream_nonblocking(int fd, bool nonblocking)
{
	int fault = durei_fault("setfl");
	int flags = fcntl(fd, F_GETFL);

	if (fault || flags < 0)
		return fault ? -fault : -errno;
	return result(fcntl(fd, F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

bool durei_stream_blocks(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(flags & O_NONBLOCK);
}

bool durei_stream_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

int durei_stream_inherited(int fd)
{
	int fault = durei_fault("setfd");

	return fault ? -fault : result(fcntl(fd, F_SETFD, 0));
}

int durei_stream_copy(int fd)
{
	int fault = durei_fault("dupfd");

	return fault ? -fault : result(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

int durei_stream_replace(int from, int to)
{
	int fault = durei_fault("dup2");
	int r;

	if (fault)
		return -fault;
	do
		r = dup2(from, to);
	while (r < 0 && (errno == EINTR || errno == EBUSY));
	return result(r);
}

static size_t bounded(size_t bytes)
{
	return bytes < INT_MAX ? bytes : INT_MAX;
}

int durei_stream_read(int fd, void *buffer, size_t bytes)
{
	int fault = durei_fault("read");
	ssize_t n;

	if (fault)
		return -fault;
	do
		n = read(fd, buffer, bounded(bytes));
	while (n < 0 && errno == EINTR);
	/* the master of a terminal whose last user is gone says EIO for the end */
	return n < 0 && errno == EIO && isatty(fd) ? 0 : result(n);
}

/* -- no SIGPIPE -------------------------------------------------------------------------- */

struct quiet {
	sigset_t before;
	bool was_pending;
};

static void begin_quiet(struct quiet *quiet, const sigset_t *sigpipe)
{
	sigset_t pending;

	sigemptyset(&pending);
	sigpending(&pending);
	quiet->was_pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, sigpipe, &quiet->before);
}

/* code: what the call in between failed with */
static void end_quiet(const struct quiet *quiet, const sigset_t *sigpipe, int code)
{
	static const struct timespec at_once = { 0, 0 };

	if (code == EPIPE && !quiet->was_pending)
		while (sigtimedwait(sigpipe, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

enum kind { WRITE, SPLICE, TEE };

static ssize_t call(enum kind kind, int from, int to, const void *data, size_t bytes)
{
	switch (kind) {
	case SPLICE:
		return splice(from, NULL, to, NULL, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	case TEE:
		return tee(from, to, bytes, SPLICE_F_NONBLOCK);
	case WRITE:
	default:
		return write(to, data, bytes);
	}
}

static int call_quietly(enum kind kind, int from, int to, const void *data, size_t bytes)
{
	struct quiet quiet;
	sigset_t sigpipe;
	ssize_t n;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	begin_quiet(&quiet, &sigpipe);
	do
		n = call(kind, from, to, data, bounded(bytes));
	while (n < 0 && errno == EINTR);
	int r = result(n);
	end_quiet(&quiet, &sigpipe, r < 0 ? -r : 0);
	return r;
}

/* Written, -EAGAIN or -EPIPE; anything else: nothing was, and the kernel may not know the way. */
static int write_without_signal(int fd, const void *data, size_t bytes)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = bounded(bytes) };
	int fault = durei_fault("pwritev2");
	ssize_t n;

	if (fault)
		return -fault;
	do	/* the two halves of offset -1: where the descriptor is */
		n = syscall(SYS_pwritev2, fd, &part, 1ul, -1l, -1l, RWF_NOSIGNAL_);
	while (n < 0 && errno == EINTR);
	return result(n);
}

int durei_stream_write(int fd, const void *data, size_t bytes)
{
	int fault = durei_fault("write");
	int r = fault ? -fault : write_without_signal(fd, data, bytes);

	return fault || r >= 0 || r == -EAGAIN || r == -EPIPE
		       ? r : call_quietly(WRITE, -1, fd, data, bytes);
}

int durei_stream_splice(int from, int to, size_t bytes)
{
	int fault = durei_fault("splice");

	return fault ? -fault : call_quietly(SPLICE, from, to, NULL, bytes);
}

int durei_stream_tee(int from, int to, size_t bytes)
{
	int fault = durei_fault("tee");

	return fault ? -fault : call_quietly(TEE, from, to, NULL, bytes);
}

/* -- waiting ----------------------------------------------------------------------------- */

/* Negative waits, as ppoll has it with NULL. */
static struct timespec left_until(int64_t deadline_ns)
{
	int64_t left = deadline_ns - durei_clock_now();

	left = left > 0 ? left : 0;
	return (struct timespec){ .tv_sec = (time_t)(left / 1000000000),
				  .tv_nsec = (long)(left % 1000000000) };
}

static bool read_answers(struct durei_poll *list, const struct pollfd *polled, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		list[i].is_ready = polled[i].revents & (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLNVAL);
		list[i].is_broken = polled[i].revents & (POLLERR | POLLHUP | POLLNVAL);
		any |= list[i].is_ready;
	}
	return any;
}

int durei_poll(struct durei_poll *list, unsigned count, int64_t deadline_ns)
{
	struct pollfd polled[POLLED_MAX];
	int fault = durei_fault("poll");

	if (fault || count > POLLED_MAX)
		return fault ? -fault : -EINVAL;
	for (unsigned i = 0; i < count; i++)
		polled[i] = (struct pollfd){
			.fd = list[i].fd,
			.events = (short)((list[i].reads ? POLLIN : 0) |
					  (list[i].writes ? POLLOUT : 0)),
		};
	for (;;) {
		struct timespec left = left_until(deadline_ns);
		int n = ppoll(polled, count, deadline_ns == DUREI_NEVER ? NULL : &left, NULL);
		if (n > 0 && read_answers(list, polled, count))
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}
