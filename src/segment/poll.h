/* SPDX-License-Identifier: MIT */
/*
 * poll.h - telling those who poll a descriptor that a word of a segment has changed
 *
 * For a thing that can be waited for: its own waiters sleep on a word, and are woken by
 * durei_wake. Then one who polls
 *	1 looks; there is nothing
 *	2 durei_poll_quiet, durei_poll_arm for the word
 *	3 shows that somebody waits as a sleeper would, and looks again; there is nothing: poll
 * and nothing else is to be done: durei_wake tells him.
 */
#ifndef DUREI_SEGMENT_POLL_H
#define DUREI_SEGMENT_POLL_H

#include "os/notify.h"
#include "segment/handle.h"

/* A descriptor, readable at first: ret->epoll. 0; -EOPNOTSUPP -EMFILE -ESTALE, with a sentence. */
int durei_poll_open(dure_segment *seg, struct durei_notify *ret);

/* Before the last look, never after it [POLL1]. */
void durei_poll_quiet(struct durei_notify *notify);

/* Who wakes sleepers of the word tells us, too, once. After durei_poll_quiet. */
void durei_poll_arm(dure_segment *seg, const struct cell32 *word);

/* After the store; part of durei_wake. */
void durei_poll_tell(dure_segment *seg, const struct cell32 *word);

/* A dead thread may have stored without telling. */
void durei_poll_tell_all(dure_segment *seg);

#endif
