/* SPDX-License-Identifier: MIT */
/*
 * dure/seqlock.h - a small value that is read often, without a lock
 *
 * A sequence lock with two copies of what it guards: readers copy the one, a writer fills the
 * other and makes it the first with one store. So a reader never waits for a writer, be it slow,
 * stopped or dead, and never sees half a value; and a write has happened or not.
 *
 * A dure_seqlock and its value lie anywhere in a segment, in DURE_SEQLOCK_BYTES(bytes of the value)
 * aligned to 8.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE.
 */
#ifndef DURE_SEQLOCK_H
#define DURE_SEQLOCK_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_seqlock {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_seqlock;

enum { DURE_SEQLOCK_VALUE_MAX = 65536 };	/* bytes */

#define DURE_SEQLOCK_BYTES(value_bytes)                                                           \
	(sizeof(dure_seqlock) + 2 * (((size_t)(value_bytes) + 7) / 8 * 8))

/* dure_seqlock_init - make memory that is not shared yet a lock with that value; NULL: zeros.
   Returns 0; -EINVAL (bytes 0 or more than DURE_SEQLOCK_VALUE_MAX, not inside the segment) -EROFS
   -ESTALE */
DURE_API int dure_seqlock_init(dure_segment *segment, dure_seqlock *lock, const void *value,
			       size_t bytes);

/*
 * dure_seqlock_read - a copy of the value; stores nothing, and works with DURE_READ_ONLY
 *
 * Returns  0; -EINVAL (no such lock inside the segment, or its value has another size)
 *          -EAGAIN (written more often than it can be read, a million times: *to has been
 *          written over) -ESTALE
 * Death    no trace.
 */
DURE_API int dure_seqlock_read(dure_segment *segment, const dure_seqlock *lock, void *to,
			       size_t bytes);

/*
 * dure_seqlock_write - replace the value, after other writers, waiting at most timeout_ns
 *
 * Returns  0; -EAGAIN -ETIMEDOUT -EDEADLK (you have begun to change it) -ENOLCK -EINVAL -EROFS
 *          -ESTALE
 * Death    the old value or the new one; other writers go on at once.
 */
DURE_API int dure_seqlock_write(dure_segment *segment, dure_seqlock *lock, const void *from,
				size_t bytes, int64_t timeout_ns);

/*
 * dure_seqlock_begin - keep other writers out, and get a copy to be changed
 *
 * Ends with dure_seqlock_commit or dure_seqlock_cancel.
 *
 * Returns  as dure_seqlock_write
 * Death    nothing has changed; other writers go on at once.
 */
DURE_API int dure_seqlock_begin(dure_segment *segment, dure_seqlock *lock, void *to, size_t bytes,
				int64_t timeout_ns);

/* dure_seqlock_commit - the value that was begun. Returns 0; -EPERM (you have not begun) -EINVAL
   -EROFS -ESTALE. Death: as writing */
DURE_API int dure_seqlock_commit(dure_segment *segment, dure_seqlock *lock, const void *from,
				 size_t bytes);

/* dure_seqlock_cancel - the old value stays. Returns 0; -EPERM -EINVAL -EROFS -ESTALE */
DURE_API int dure_seqlock_cancel(dure_segment *segment, dure_seqlock *lock);

DURE_END

#endif
