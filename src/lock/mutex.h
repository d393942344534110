/* SPDX-License-Identifier: MIT */
/*
 * mutex.h - the mutex, for rooms above that lock without a public handle
 */
#ifndef DUREI_LOCK_MUTEX_H
#define DUREI_LOCK_MUTEX_H

#include <dure/mutex.h>

#include "layout/lock.h"
#include "segment/lane.h"

/* held_flags DL_HELD_CLEAN: a log mends what it guards. Otherwise as dure_mutex_lock. */
int durei_mutex_take(struct durei_lane *lane, struct dl_mutex *m, uint64_t held_flags,
		     int64_t timeout_ns);

/* 0, or -EINVAL: not a mutex inside the segment */
int durei_mutex_check(dure_segment *seg, const dure_mutex *mutex);

#endif
