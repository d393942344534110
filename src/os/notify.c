/* SPDX-License-Identifier: MIT */
/*
 * notify.c - one descriptor that becomes readable when a file is closed, or touched, by a writer
 *
 * How      inotify reports closes, a timer reports "look again"; epoll makes one of the two. A
 *          touch sets the file's times, or asks for room that it has: it needs no descriptor of
 *          those who are to hear of it, and costs nothing while nobody does it. Who only reads
 *          the file, and there are programs that read every file, is not reported.
 * Death    three descriptors, which the kernel closes.
 */
#include "os/notify.h"

#include <errno.h>
#include <fcntl.h>
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

	*notify = (struct durei_notify){ -1, -1, -1 };
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
	bool any = false;
	ssize_t bytes;

	while (read(notify->timer, &expirations, sizeof expirations) > 0)
		;
	while ((bytes = read(notify->inotify, events, sizeof events)) > 0)
		any |= has_close(events, bytes);
	return any;
}

void durei_notify_again(struct durei_notify *notify, int64_t after_ns)
{
	struct itimerspec soon = { .it_value = { .tv_sec = (time_t)(after_ns / 1000000000),
						 .tv_nsec = (long)(after_ns % 1000000000) } };

	(void)timerfd_settime(notify->timer, 0, &soon, NULL);
}

void durei_notify_close(struct durei_notify *notify)
{
	int *fds[] = { &notify->epoll, &notify->inotify, &notify->timer };

	for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
