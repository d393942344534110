/* SPDX-License-Identifier: MIT */
/*
 * notify.c - one descriptor that becomes readable when a file is closed, or touched, by a writer
 *
 * How      inotify reports closes, a timer reports "look again"; epoll makes one of the two. A
 *          touch sets the file's times, or asks for room that it has: it needs no descriptor of
 *          those who are to hear of it, and costs nothing while nobody does it. Who only reads
 *          the file, and there are programs that read every file, is not reported.
 *          Who wants a signal gets it from the kernel, for the same events.
 * Death    three descriptors and a timer, which the kernel closes.
 */
#include "os/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "os/fault.h"

static int add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_all(struct durei_notify *notify, const char *path, uint32_t events)
{
	int fault = durei_fault("inotify");

	if (fault)
		return -fault;
	notify->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (notify->inotify < 0)
		return -errno;
	notify->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (notify->timer < 0)
		return -errno;
	notify->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (notify->epoll < 0 || inotify_add_watch(notify->inotify, path, events) < 0)
		return -errno;
	int r = add(notify->epoll, notify->inotify);
	return r < 0 ? r : add(notify->epoll, notify->timer);
}

int durei_notify_open(struct durei_notify *notify, int fd, bool with_touches)
{
	char path[40];
	int r;

	*notify = (struct durei_notify){ .epoll = -1, .inotify = -1, .timer = -1 };
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r = open_all(notify, path, with_touches ? IN_CLOSE_WRITE | IN_ATTRIB | IN_MODIFY :
						  IN_CLOSE_WRITE);
	if (r < 0)
		durei_notify_close(notify);
	return r;
}

void durei_notify_touch(int fd)
{
	/* who may write by a descriptor that was passed to it may not be let set times */
	if (futimens(fd, NULL) < 0)
		(void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1);
}

/* Events of a file that is watched by itself have no names behind them; one that says that
   others were lost may have been any. */
static bool has_close(const char *events, ssize_t bytes)
{
	struct inotify_event event;

	for (; bytes >= (ssize_t)sizeof event; bytes -= (ssize_t)sizeof event) {
		memcpy(&event, events, sizeof event);
		if (event.mask & (IN_CLOSE_WRITE | IN_Q_OVERFLOW))
			return true;
		events += sizeof event;
	}
	return false;
}

bool durei_notify_drain(struct durei_notify *notify)
{
	char events[4096];
	uint64_t expirations;
	bool any = false, heard = false;
	ssize_t bytes;

	while (read(notify->timer, &expirations, sizeof expirations) > 0)
		heard = true;
	while ((bytes = read(notify->inotify, events, sizeof events)) > 0) {
		any |= has_close(events, bytes);
		heard = true;
	}
	notify->has_signalled |= heard && notify->signal;
	return any;
}

void durei_notify_again(struct durei_notify *notify, int64_t after_ns)
{
	struct itimerspec soon = { .it_value = { .tv_sec = (time_t)(after_ns / 1000000000),
						 .tv_nsec = (long)(after_ns % 1000000000) } };

	(void)timerfd_settime(notify->timer, 0, &soon, NULL);
	if (notify->signal)
		(void)timer_settime(notify->signal_timer, 0, &soon, NULL);
}

/* -- signals ----------------------------------------------------------------------------- */

/* One that may be caught. */
bool durei_notify_can_signal(int signal)
{
	return signal > 0 && signal <= SIGRTMAX && signal != SIGKILL && signal != SIGSTOP;
}

static void end_signals(struct durei_notify *notify)
{
	if (!notify->signal || notify->owner != getpid())
		return;
	(void)fcntl(notify->inotify, F_SETFL, O_NONBLOCK);
	(void)timer_delete(notify->signal_timer);
	notify->signal = 0;
}

/* A timer's descriptor sends no signals: so there is a second timer, that has no descriptor. */
int durei_notify_signal(struct durei_notify *notify, int signal)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal };
	int fault = signal ? durei_fault("timer_create") : 0;
	timer_t timer = 0;

	if (fault)
		return -fault;
	if (signal && timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		return -errno;
	end_signals(notify);
	notify->has_signalled = false;
	if (!signal)
		return 0;
	notify->signal_timer = timer;
	notify->signal = signal;
	notify->owner = getpid();
	if (fcntl(notify->inotify, F_SETOWN, notify->owner) < 0 ||
	    fcntl(notify->inotify, F_SETSIG, signal) < 0 ||
	    fcntl(notify->inotify, F_SETFL, O_NONBLOCK | O_ASYNC) < 0) {
		int error = errno;
		end_signals(notify);
		return -error;
	}
	return 0;
}

void durei_notify_close(struct durei_notify *notify)
{
	int *fds[] = { &notify->epoll, &notify->inotify, &notify->timer };

	end_signals(notify);
	for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
