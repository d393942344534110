/* SPDX-License-Identifier: MIT */
/*
 * dure/wait.h - waiting for any of several locks, semaphores, events, latches, conditions
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE.
 */
#ifndef DURE_WAIT_H
#define DURE_WAIT_H

#include <dure/condition.h>
#include <dure/event.h>
#include <dure/mutex.h>
#include <dure/rwlock.h>
#include <dure/semaphore.h>

DURE_BEGIN

enum dure_wait_kind {
	DURE_WAIT_MUTEX = 1,		/* a dure_mutex that nobody has */
	DURE_WAIT_SHARED = 2,		/* a dure_rwlock that nobody has exclusively */
	DURE_WAIT_UNITS = 3,		/* a dure_semaphore with so many units */
	DURE_WAIT_EVENT = 4,		/* a dure_event that is set */
	DURE_WAIT_LATCH = 5,		/* a dure_latch that is open */
	DURE_WAIT_CONDITION = 6,	/* a dure_condition signalled since dure_condition_prepare */
};

enum { DURE_WAIT_MAX = 64 };

struct dure_wait_item {
	const void *object;
	uint32_t kind;			/* enum dure_wait_kind */
	uint32_t units;			/* DURE_WAIT_UNITS: how many; 0 means 1.
					   DURE_WAIT_CONDITION: what dure_condition_prepare gave */
	uint32_t is_ready;		/* out: 1 or 0 */
	uint32_t reserved;
};

/*
 * dure_wait_any - until one of the items is ready, at most timeout_ns (DURE_FOREVER; 0: look)
 *
 * Nothing is taken: who goes on tries for what is ready, with timeout 0, and may find that
 * somebody else was faster. What a dead one had counts as ready as soon as it has been mended,
 * which this call does. The items lie in one segment.
 *
 * Returns  how many items are ready; 0 (timeout 0, and none is) -ETIMEDOUT -EINVAL (no items or
 *          more than DURE_WAIT_MAX, kind, no such object in the segment) -EROFS -ESTALE
 * Death    leaves no trace.
 */
DURE_API int dure_wait_any(dure_segment *segment, struct dure_wait_item *items, uint32_t count,
			   int64_t timeout_ns);

DURE_END

#endif
