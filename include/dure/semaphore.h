/* SPDX-License-Identifier: MIT */
/*
 * dure/semaphore.h - a counting semaphore in a segment, whose units come back from the dead
 *
 * A dure_semaphore lies anywhere in a segment; all-zero memory is one with no units. Units that
 * a thread takes are its own until it posts them; when it dies, or ends, they come back at
 * once, and who waits goes on. Units taken with DURE_TAKE_FOR_GOOD do not come back: for
 * semaphores that count work to be done rather than things to be used.
 *
 * Common to all functions here: Threads: any; units belong to the thread that took them.
 * Signals: not from a handler. Fork: the child has none of its parent's units; its handle
 * answers -ESTALE.
 */
#ifndef DURE_SEMAPHORE_H
#define DURE_SEMAPHORE_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_semaphore {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_semaphore;

enum { DURE_SEMAPHORE_MAX = 0x3fffffff };	/* units */

enum { DURE_TAKE_FOR_GOOD = 1u << 0 };

/* dure_semaphore_init - make memory that is not shared yet a semaphore with so many units.
   Returns 0; -EINVAL (more than DURE_SEMAPHORE_MAX, not inside the segment) -EROFS -ESTALE */
DURE_API int dure_semaphore_init(dure_segment *segment, dure_semaphore *semaphore,
				 uint32_t units);

/*
 * dure_semaphore_take - take units, all at once, waiting for them at most timeout_ns
 * (DURE_FOREVER; 0: try)
 *
 * flags 0 or DURE_TAKE_FOR_GOOD. Who wants few may overtake who wants many.
 *
 * Returns  0; -EAGAIN (timeout 0) -ETIMEDOUT -EINVAL (units 0 or more than
 *          DURE_SEMAPHORE_MAX, flags, no semaphore inside the segment) -ENOLCK (a thread has
 *          32 shares at most) -EROFS -ESTALE
 * Death    while waiting: leaves no trace. Afterwards the units come back, or are gone for good.
 */
DURE_API int dure_semaphore_take(dure_segment *segment, dure_semaphore *semaphore,
				 uint32_t units, uint32_t flags, int64_t timeout_ns);

/*
 * dure_semaphore_post - give units: first those the thread has taken, then new ones
 *
 * Returns  0; -EOVERFLOW (the sum would be more than DURE_SEMAPHORE_MAX) -EINVAL -EROFS -ESTALE
 * Death    all units were posted or none; if none, those the thread had come back.
 */
DURE_API int dure_semaphore_post(dure_segment *segment, dure_semaphore *semaphore,
				 uint32_t units);

/*
 * dure_semaphore_keep - units the thread has taken are taken for good
 *
 * Returns  0; -ERANGE (the thread has not so many) -EINVAL -EROFS -ESTALE
 * Death    all of them or none.
 */
DURE_API int dure_semaphore_keep(dure_segment *segment, dure_semaphore *semaphore,
				 uint32_t units);

struct dure_semaphore_info {
	size_t sz;
	uint32_t units;			/* that can be taken now */
	uint32_t taken;			/* by threads that have not posted them yet */
	uint32_t own;			/* of these, by the calling thread */
	uint32_t holders;		/* threads that have taken some */
};

/* dure_semaphore_info - what it looks like at this moment. Returns 0; -EINVAL -ESTALE */
DURE_API int dure_semaphore_info(dure_segment *segment, const dure_semaphore *semaphore,
				 struct dure_semaphore_info *ret);

DURE_END

#endif
