/* SPDX-License-Identifier: MIT */
/*
 * notify.h - one descriptor that becomes readable when a file is closed, or touched, by a writer
 */
#ifndef DUREI_OS_NOTIFY_H
#define DUREI_OS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct durei_notify {
	int epoll;			/* the one to poll */
	int inotify, timer;
	int signal;			/* 0: none */
	bool has_signalled;		/* since it was asked for */
	pid_t owner;			/* who asked for it: a child has the same description */
	timer_t signal_timer;
};

/* watches the file behind fd, whatever its name; with touches, for durei_notify_touch as well */
int durei_notify_open(struct durei_notify *notify, int fd, bool with_touches);
/* reported to all who watch the file behind fd with touches */
void durei_notify_touch(int fd);
/* makes it quiet; true when a close was reported */
bool durei_notify_drain(struct durei_notify *notify);
/*
 * From now on the kernel sends this process the signal as well, when the descriptor becomes
 * readable; 0: no more. Events that come between two drains may be one signal, or several.
 * 0; -EAGAIN -ENOMEM (timers) -EINVAL
 */
int durei_notify_signal(struct durei_notify *notify, int signal);
bool durei_notify_can_signal(int signal);
/* makes it readable once more after a while */
void durei_notify_again(struct durei_notify *notify, int64_t after_ns);
void durei_notify_close(struct durei_notify *notify);

#endif
