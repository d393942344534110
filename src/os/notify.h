/* SPDX-License-Identifier: MIT */
/*
 * notify.h - one descriptor that becomes readable when a file is closed, or touched, by a writer
 */
#ifndef DUREI_OS_NOTIFY_H
#define DUREI_OS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct durei_notify {
	int epoll;			/* the one to poll */
	int inotify, timer;
};

/* watches the file behind fd, whatever its name; with touches, for durei_notify_touch as well */
int durei_notify_open(struct durei_notify *notify, int fd, bool with_touches);
/* reported to all who watch the file behind fd with touches */
void durei_notify_touch(int fd);
/* makes it quiet; true when a close was reported */
bool durei_notify_drain(struct durei_notify *notify);
/* makes it readable once more after a while */
void durei_notify_again(struct durei_notify *notify, int64_t after_ns);
void durei_notify_close(struct durei_notify *notify);

#endif
