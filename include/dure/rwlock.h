/* SPDX-License-Identifier: MIT */
/*
 * dure/rwlock.h - many readers or one writer, in a segment; it survives the deaths of all
 *
 * A dure_rwlock lies anywhere in a segment; all-zero memory is one that is free. It is had in
 * one of three modes:
 *
 *	DURE_SHARED	with others who share, and with one upgradable
 *	DURE_UPGRADABLE	with others who share; it can become exclusive without giving way to
 *			another writer in between
 *	DURE_EXCLUSIVE	alone
 *
 * A dead reader is noticed and waited for no longer. When a writer dies, whoever gets the lock
 * next, in any mode, is told DURE_OWNER_DIED, until an exclusive holder has mended the data and
 * called dure_rwlock_mark_consistent. Who wants to write is let in before readers who come
 * after; who waited to read while a writer was inside is let in before the next writer.
 *
 * Reading writes to the reader's own cache lines alone, and makes no system call.
 *
 * Common to all functions here: Threads: any; the lock belongs to the thread. Signals: not from
 * a handler. Fork: the child has none of its parent's locks; its handle answers -ESTALE.
 */
#ifndef DURE_RWLOCK_H
#define DURE_RWLOCK_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_rwlock {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_rwlock;

enum dure_lock_mode {
	DURE_SHARED = 1,
	DURE_UPGRADABLE = 2,
	DURE_EXCLUSIVE = 3,
};

/* dure_rwlock_init - make memory that is not shared yet a free lock, as zeros are.
   Returns 0; -EINVAL (not inside the segment, or not aligned to 8) -EROFS -ESTALE */
DURE_API int dure_rwlock_init(dure_segment *segment, dure_rwlock *lock);

/*
 * dure_rwlock_lock - lock in a mode, waiting at most timeout_ns (DURE_FOREVER; 0: try)
 *
 * A thread that has it shared may share it again; each is given back on its own.
 *
 * Returns  0                 you have it
 *          DURE_OWNER_DIED   you have it, and a writer died inside
 *          -EAGAIN (timeout 0) -ETIMEDOUT -EDEADLK (you have it in a mode that excludes this
 *          one) -ENOTRECOVERABLE (abandoned) -ENOLCK (a thread has 32 shares or 96 locks at
 *          most) -EINVAL (mode, or no lock inside the segment) -EROFS -ESTALE
 * Death    while waiting: leaves no trace. While it has the lock: a reader none; a writer as
 *          above.
 */
DURE_API int dure_rwlock_lock(dure_segment *segment, dure_rwlock *lock, enum dure_lock_mode mode,
			      int64_t timeout_ns);

/*
 * dure_rwlock_change - from the mode you have it in to another, without letting it go
 *
 * To DURE_EXCLUSIVE it waits until the readers have gone; only one can be on that way, so from
 * DURE_SHARED -EAGAIN says that somebody else has it upgradable or wants to write: let go, and
 * begin anew. The same from DURE_SHARED to DURE_UPGRADABLE. Down it never waits. On failure
 * you have it as before.
 *
 * Returns  0, DURE_OWNER_DIED; -EAGAIN -ETIMEDOUT -EPERM (you do not have it) -EDEADLK (you
 *          share it several times) -ENOTRECOVERABLE -ENOLCK -EINVAL -EROFS -ESTALE
 * Death    you have it in the old mode or in the new one.
 */
DURE_API int dure_rwlock_change(dure_segment *segment, dure_rwlock *lock, enum dure_lock_mode mode,
				int64_t timeout_ns);

/*
 * dure_rwlock_unlock - give it back, whatever the mode; of several shares one
 *
 * Returns  0; -EPERM (you do not have it) -EINVAL -EROFS -ESTALE
 */
DURE_API int dure_rwlock_unlock(dure_segment *segment, dure_rwlock *lock);

/* dure_rwlock_mark_consistent - the exclusive holder has mended what a dead writer left.
   Returns 0; -EPERM (not exclusive) -EINVAL (no writer died) -EROFS -ESTALE */
DURE_API int dure_rwlock_mark_consistent(dure_segment *segment, dure_rwlock *lock);

/* dure_rwlock_abandon - the exclusive holder cannot mend it: unlock, and nobody gets it again
   (-ENOTRECOVERABLE). Returns 0; -EPERM -EINVAL -EROFS -ESTALE */
DURE_API int dure_rwlock_abandon(dure_segment *segment, dure_rwlock *lock);

/*
 * dure_rwlock_holders - call visit for each thread that has it; only a look
 *
 * Returns  how many were visited, or what visit returned when it was not 0; -EINVAL -ESTALE
 */
DURE_API int dure_rwlock_holders(dure_segment *segment, const dure_rwlock *lock,
				 int (*visit)(enum dure_lock_mode mode,
					      const struct dure_participant *holder, void *context),
				 void *context);

DURE_END

#endif
