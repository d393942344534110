/* SPDX-License-Identifier: MIT */
/*
 * dure/spinlock.h - a lock for short sections
 *
 * Who finds it locked looks at it for some 50 microseconds, about what falling asleep and being
 * woken takes, and sleeps then, as for a dure_mutex (dure/mutex.h): nobody burns a processor for a
 * holder that is preempted, stopped or slow. All else is as with a plain mutex: it survives its
 * holder, and a stopped holder is not taken for dead.
 *
 * A dure_spinlock lies anywhere in a segment; all-zero memory is an unlocked one.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child
 * holds no locks of its parent; its handle answers -ESTALE.
 */
#ifndef DURE_SPINLOCK_H
#define DURE_SPINLOCK_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_spinlock {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_spinlock;

/* dure_spinlock_init - make memory that is not shared yet an unlocked spinlock; zeroed memory is
   one already. Returns 0; -EINVAL (not inside the segment) -EROFS -ESTALE */
DURE_API int dure_spinlock_init(dure_segment *segment, dure_spinlock *lock);

/*
 * dure_spinlock_lock - lock, waiting at most timeout_ns (DURE_FOREVER; 0: try)
 *
 * Returns  0                 you hold it
 *          DURE_OWNER_DIED   you hold it, and a holder died inside: mend what it guards, then
 *                            dure_spinlock_mark_consistent
 *          -EAGAIN (timeout 0) -ETIMEDOUT -EDEADLK (you hold it already) -ENOLCK (96 locks at
 *          most) -EINVAL -EROFS -ESTALE
 * Death    while waiting: leaves no trace. While holding: see above.
 */
DURE_API int dure_spinlock_lock(dure_segment *segment, dure_spinlock *lock, int64_t timeout_ns);

/*
 * dure_spinlock_unlock - by the holding thread
 *
 * Returns  0; -EPERM (you do not hold it) -EINVAL -ESTALE
 * Death    the lock is free or a waiter finds it as after any death.
 */
DURE_API int dure_spinlock_unlock(dure_segment *segment, dure_spinlock *lock);

/* dure_spinlock_mark_consistent - the holder has mended what a dead holder left; until somebody
   has, each next holder is told. Returns 0; -EPERM (not held) -EINVAL (nobody died) -ESTALE */
DURE_API int dure_spinlock_mark_consistent(dure_segment *segment, dure_spinlock *lock);

/* dure_spinlock_holder - who holds it; only a look. Returns 1 (ret filled), 0 (nobody); -EINVAL
   -ESTALE */
DURE_API int dure_spinlock_holder(dure_segment *segment, const dure_spinlock *lock,
				  struct dure_participant *ret);

DURE_END

#endif
