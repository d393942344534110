/* SPDX-License-Identifier: MIT */
/*
 * dure/poll.h - a descriptor for poll, select, epoll that tells when locks and the like are ready
 *
 * For programs that live in a loop of their own: one descriptor stands for up to DURE_WAIT_MAX
 * things of a segment (dure/wait.h has the kinds). There is no thread behind it, nothing is
 * run while nobody looks, and those who post, set or signal pay only while somebody polls.
 *
 *	dure_poll_open(segment, &poll);
 *	for (;;) {
 *		if (dure_poll_look(poll, items, count) == 0) {
 *			struct pollfd p = { .fd = dure_poll_fd(poll), .events = POLLIN };
 *			poll(&p, 1, -1);
 *			continue;
 *		}
 *		... for each item with is_ready: try, with timeout 0; somebody may have been faster
 *	}
 *
 * The descriptor is readable while something may be ready: at first, until a look finds nothing;
 * and from the moment on when one of the items of that look may have become ready, until a look
 * finds nothing again. So it suits level-triggered epoll, and edge-triggered epoll for who looks
 * until there is nothing. It may be readable when nothing is ready: look, and poll again. Nothing
 * is missed, also when who made it ready is killed before it could tell: the kernel tells of the
 * death. One who is stopped (SIGSTOP) inside its call tells when it goes on.
 *
 * Common to all functions here: Threads: one at a time uses a dure_poll. Signals: not from a
 * handler. Fork: the child's handle answers -ESTALE; it may close it.
 */
#ifndef DURE_POLL_H
#define DURE_POLL_H

#include <dure/wait.h>

DURE_BEGIN

typedef struct dure_poll dure_poll;

/*
 * dure_poll_open - a descriptor for things of a segment
 *
 * It costs three descriptors and an inotify instance (fs.inotify.max_user_instances).
 *
 * Returns  0; -EOPNOTSUPP (private memory and buffers have no file to watch; a copy-on-write view
 *          is nobody else's) -EMFILE -ENOMEM -EROFS -ESTALE
 * Death    the kernel closes it.
 */
DURE_API int dure_poll_open(dure_segment *segment, dure_poll **ret);

/* dure_poll_fd - the descriptor, to poll and not to read; it belongs to poll. Or -EINVAL */
DURE_API int dure_poll_fd(const dure_poll *poll);

/*
 * dure_poll_look - which of the items are ready; if none is, the descriptor is for these
 *
 * As dure_wait_any with timeout 0. When nothing is ready the descriptor becomes quiet; it tells
 * of these items from then on, and no longer of those of an earlier look.
 *
 * Returns  how many items are ready, 0; -EINVAL (no items or more than DURE_WAIT_MAX, kind, no
 *          such object in the segment) -EROFS -ESTALE
 * Death    flags that cost those who wake a system call, once.
 */
DURE_API int dure_poll_look(dure_poll *poll, struct dure_wait_item *items, uint32_t count);

/* dure_poll_close - the descriptor goes; NULL is nothing to close */
DURE_API void dure_poll_close(dure_poll *poll);

DURE_END

#endif
