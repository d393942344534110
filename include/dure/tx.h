/* SPDX-License-Identifier: MIT */
/*
 * dure/tx.h - transactions: all of it or nothing, also under kill -9
 *
 *	dure_tx *tx;
 *	r = dure_tx_begin(segment, &tx);
 *	r = dure_tx_lock(tx, &shop->lock, DURE_FOREVER);
 *	r = dure_tx_write(tx, &shop->stock, &stock, sizeof stock);
 *	r = dure_tx_commit(tx);
 *
 * Bytes are changed in place, after their old values have been remembered. Until commit the
 * changes can be undone: by dure_tx_abort, and by whoever survives when this process is
 * killed. Commit is one store. Locks taken in a transaction are held to its end, and the next
 * holder finds everything as before or as after, never a dead owner's half.
 *
 * A transaction isolates by its locks (strict two-phase locking): what is read or written in
 * it must be guarded by locks taken in it. Who reads without the lock sees changes at once,
 * also those that are undone later.
 *
 * A thread has one transaction per segment. begin within it nests: inner commits mean nothing
 * alone, an inner abort makes the outer commit fail with -ECANCELED.
 *
 * Common to all functions here: Threads: the one that began it. Signals: not from a handler.
 * Fork: the child has no transaction.
 */
#ifndef DURE_TX_H
#define DURE_TX_H

#include <dure/block.h>
#include <dure/mutex.h>

DURE_BEGIN

typedef struct dure_tx dure_tx;

/*
 * dure_tx_begin - begin, or begin a nested one
 *
 * Returns  0; -EDEADLK (called from inside another call, by a signal handler) -EROFS -ESTALE
 *          -EUSERS -ENOMEM
 * Death    nothing has changed yet.
 */
DURE_API int dure_tx_begin(dure_segment *segment, dure_tx **ret);

/*
 * dure_tx_lock - lock until the end of the transaction; a lock held already is fine
 *
 * Returns  as dure_mutex_lock; -EDEADLK also when waiting would close a circle of lockers:
 *          abort, and begin anew.
 */
DURE_API int dure_tx_lock(dure_tx *tx, dure_mutex *mutex, int64_t timeout_ns);

/*
 * dure_tx_write - change bytes in place; undone unless the transaction commits
 *
 * Returns  0; -EINVAL (not inside the segment) -ENOSPC (no room to remember the old bytes:
 *          nothing was written)
 */
DURE_API int dure_tx_write(dure_tx *tx, void *to, const void *from, size_t bytes);

/* dure_tx_add - remember bytes that the caller will then change itself. Returns as write */
DURE_API int dure_tx_add(dure_tx *tx, void *start, size_t bytes);

/*
 * dure_tx_alloc - a block that is everybody's if the transaction commits, else nobody's
 *
 * Its contents need no dure_tx_write: nobody can see them before. align as in
 * dure_block_reserve.
 *
 * Returns  0; -ENOSPC -EINVAL
 */
DURE_API int dure_tx_alloc(dure_tx *tx, size_t bytes, size_t align, void **ret);

/*
 * dure_tx_free - free a published block if the transaction commits
 *
 * Returns  0; -EINVAL (no block, or freed already) -ENOSPC (no room in the log)
 */
DURE_API int dure_tx_free(dure_tx *tx, void *block);

/*
 * dure_tx_commit - make all of it true, in one step, and give the locks back
 *
 * Returns  0; -ECANCELED (an inner abort: everything was undone instead)
 * Death    all of it has happened, or nothing.
 */
DURE_API int dure_tx_commit(dure_tx *tx);

/* dure_tx_abort - undo everything, and give the locks back. Returns 0 */
DURE_API int dure_tx_abort(dure_tx *tx);

/* dure_tx_segment - the segment of a transaction */
DURE_API dure_segment *dure_tx_segment(dure_tx *tx);

DURE_END

#endif
