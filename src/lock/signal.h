/* SPDX-License-Identifier: MIT */
/*
 * signal.h - sleeping on one word whose top bit says that somebody may sleep
 */
#ifndef DUREI_LOCK_SIGNAL_H
#define DUREI_LOCK_SIGNAL_H

#include "layout/lock.h"
#include "lock/place.h"
#include "segment/lane.h"
#include "segment/wait.h"

/* Makes memory one; flags are checked by the caller. 0, -EINVAL -EROFS -ESTALE */
int durei_signal_init(dure_segment *seg, void *signal, uint32_t word, uint32_t flags,
		      uint32_t kind);

/* The call's lane and object. 0, or the reason why not. */
int durei_signal_begin(dure_segment *seg, const void *signal, uint32_t kind, const char *what,
		       struct durei_lane **ret_lane, struct dl_signal **ret);

/* Sleeps while the word is as seen, but for the top bit, which it sets. 0: look again; -ETIMEDOUT */
int durei_signal_sleep(struct durei_lane *lane, struct cell32 *word, uint32_t seen,
		       int64_t deadline_ns);

/* Is there still time? The code of a wait that is over otherwise, with its sentence. */
int durei_signal_expired(int64_t timeout_ns, int r);

#endif
