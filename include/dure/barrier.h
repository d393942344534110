/* SPDX-License-Identifier: MIT */
/*
 * dure/barrier.h - all members wait for each other, but not for the dead
 *
 * Members join first, each thread for itself. A phase ends when as many as the barrier was made
 * for have joined, and all of them that live have arrived. Who dies after joining is reported
 * to the others, and not waited for.
 *
 * Common to all functions here: Threads: any; the membership is the thread's. Signals: not
 * from a handler. Fork: the child is no member; its handle answers -ESTALE.
 */
#ifndef DURE_BARRIER_H
#define DURE_BARRIER_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_barrier {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[4];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[4];
#endif
} dure_barrier;

/* dure_barrier_init - for so many members, in memory that is not shared yet.
   Returns 0; -EINVAL (members 0 or above 65535, not inside the segment) -EROFS -ESTALE */
DURE_API int dure_barrier_init(dure_segment *segment, dure_barrier *barrier, uint32_t members);

/*
 * dure_barrier_join - become a member; there may be more than the barrier was made for
 *
 * Returns  0; -EALREADY (you are one) -ENOLCK (a thread has 32 shares at most) -EINVAL -EROFS
 *          -ESTALE
 * Death    a member has died, or nobody has joined.
 */
DURE_API int dure_barrier_join(dure_segment *segment, dure_barrier *barrier);

/* dure_barrier_leave - a member no more, and no loss: the others do not wait for you.
   Returns 0; -EPERM (no member) -EINVAL -EROFS -ESTALE */
DURE_API int dure_barrier_leave(dure_segment *segment, dure_barrier *barrier);

/*
 * dure_barrier_wait - arrive, and wait until all have
 *
 * Returns  0                 all members have arrived
 *          DURE_OWNER_DIED   all that live have; some have died since the barrier was made
 *          -EAGAIN (timeout 0) -ETIMEDOUT: you have not arrived -EPERM (no member) -EINVAL
 *          -EROFS -ESTALE
 * Death    the others are told, and go on.
 */
DURE_API int dure_barrier_wait(dure_segment *segment, dure_barrier *barrier, int64_t timeout_ns);

/* dure_barrier_dead - how many members have died. Returns that; -EINVAL -ESTALE */
DURE_API int dure_barrier_dead(dure_segment *segment, const dure_barrier *barrier);

DURE_END

#endif
