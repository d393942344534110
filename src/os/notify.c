/* SPDX-License-Identifier: MIT */
/*
 * notify.c - one descriptor that becomes readable when a file is closed by anybody
 *
 * How      inotify reports closes, a timer reports "look again"; epoll makes one of the two.
 * Death    three descriptors, which the kernel closes.
 */
#include "os/notify.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "os/fault.h"

static int add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_all(struct durei_notify *notify, const char *path)
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
	if (notify->epoll < 0 || inotify_add_watch(notify->inotify, path, IN_CLOSE) < 0)
		return -errno;
	int r = add(notify->epoll, notify->inotify);
	return r < 0 ? r : add(notify->epoll, notify->timer);
}

int durei_notify_open(struct durei_notify *notify, int fd)
{
	char path[40];
	int r;

	*notify = (struct durei_notify){ -1, -1, -1 };
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r = open_all(notify, path);
	if (r < 0)
		durei_notify_close(notify);
	return r;
}

static bool empty(int fd)
{
	char buffer[4096];
	bool any = false;

	while (read(fd, buffer, sizeof buffer) > 0)
		any = true;
	return any;
}

bool durei_notify_drain(struct durei_notify *notify)
{
	(void)empty(notify->timer);
	return empty(notify->inotify);
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
