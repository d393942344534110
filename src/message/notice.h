/* SPDX-License-Identifier: MIT */
/*
 * notice.h - the descriptor of a handle, made when it is first asked for; and its signal
 */
#ifndef DUREI_MESSAGE_NOTICE_H
#define DUREI_MESSAGE_NOTICE_H

#include "segment/poll.h"

struct durei_notice {
	bool has_fd;
	bool signals_once;
	struct durei_notify notify;
};

static inline int durei_notice_fd(struct durei_notice *notice, dure_segment *seg)
{
	int r = notice->has_fd ? 0 : durei_poll_open(seg, &notice->notify);

	notice->has_fd = r == 0;
	return r < 0 ? r : notice->notify.epoll;
}

/* Before the last look. */
static inline void durei_notice_quiet(struct durei_notice *notice)
{
	if (!notice->has_fd)
		return;
	durei_poll_quiet(&notice->notify);
	if (notice->signals_once && notice->notify.has_signalled)
		(void)durei_notify_signal(&notice->notify, 0);
}

/* Readable again soon: something could not be looked at. */
static inline void durei_notice_soon(struct durei_notice *notice)
{
	enum { SOON_NS = 1000000 };

	if (notice->has_fd)
		durei_notify_again(&notice->notify, SOON_NS);
}

static inline void durei_notice_close(struct durei_notice *notice)
{
	if (notice->has_fd)
		durei_notify_close(&notice->notify);
}

#endif
