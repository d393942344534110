/* SPDX-License-Identifier: MIT */
/*
 * dure/mutex.h - a lock in a segment that survives the death of its holder
 *
 * A dure_mutex lies anywhere in a segment. All-zero memory is an unlocked plain mutex, so a
 * lock in fresh zeroed memory needs no initialisation.
 *
 * When a holder dies, one waiter gets the lock at once, with DURE_OWNER_DIED: what the lock
 * guards may be half changed. It mends the data, calls dure_mutex_mark_consistent, and goes
 * on; until somebody has, each next holder is told the same. In a transaction (dure/tx.h) none
 * of this is needed: there the next holder finds everything as before.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child
 * holds no locks of its parent; its handle answers -ESTALE.
 */
#ifndef DURE_MUTEX_H
#define DURE_MUTEX_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_mutex {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_mutex;

enum {
	DURE_MUTEX_RECURSIVE = 1u << 0,		/* the holder may lock it again */
	DURE_MUTEX_DEADLOCK_CHECK = 1u << 1,	/* waiting in a circle is found: -EDEADLK */
};

/*
 * dure_mutex_init - make memory an unlocked mutex of a kind
 *
 * flags 0 is what zeroed memory is already. The memory is not shared yet.
 *
 * Returns  0; -EINVAL (unknown flags, or not inside the segment) -ESTALE -EROFS
 */
DURE_API int dure_mutex_init(dure_segment *segment, dure_mutex *mutex, uint32_t flags);

/*
 * dure_mutex_lock - lock, waiting at most timeout_ns (DURE_FOREVER; 0: try)
 *
 * Returns  0                 you hold it
 *          DURE_OWNER_DIED   you hold it, and a holder died inside: mend what it guards, then
 *                            dure_mutex_mark_consistent
 *          -EAGAIN (timeout 0) -ETIMEDOUT -EDEADLK (you hold it already, or a circle)
 *          -ENOTRECOVERABLE (abandoned) -ENOLCK (96 locks at most) -EINVAL -ESTALE -EROFS
 * Death    while waiting: leaves no trace. While holding: see above.
 */
DURE_API int dure_mutex_lock(dure_segment *segment, dure_mutex *mutex, int64_t timeout_ns);

/*
 * dure_mutex_unlock - by the holding thread
 *
 * Returns  0; -EPERM (you do not hold it, or it belongs to your transaction) -EINVAL -ESTALE
 * Death    the lock is free or a waiter finds it as after any death.
 */
DURE_API int dure_mutex_unlock(dure_segment *segment, dure_mutex *mutex);

/* dure_mutex_mark_consistent - the holder has mended what a dead holder left. For a lock of the
   open transaction this counts when it commits.
   Returns 0; -EPERM (not held) -EINVAL (nobody died) -ESTALE */
DURE_API int dure_mutex_mark_consistent(dure_segment *segment, dure_mutex *mutex);

/* dure_mutex_abandon - the holder cannot mend it: unlock, and nobody gets it again
   (-ENOTRECOVERABLE). Returns 0; -EPERM -EINVAL -ESTALE */
DURE_API int dure_mutex_abandon(dure_segment *segment, dure_mutex *mutex);

/* dure_mutex_holder - who holds it; only a look. Returns 1 (ret filled), 0 (nobody); -EINVAL */
DURE_API int dure_mutex_holder(dure_segment *segment, const dure_mutex *mutex,
			       struct dure_participant *ret);

DURE_END

#endif
