/* SPDX-License-Identifier: MIT */
/*
 * dure/event.h - something has happened: events, latches, and doing a thing once
 *
 * All of them lie anywhere in a segment, in 16 bytes.
 *
 *	dure_event	set or not; who waits goes on while it is set. With DURE_EVENT_AUTO_RESET
 *			one waiter goes on for each time, and it is not set any more
 *	dure_latch	counts down to 0; then all who wait go on, for ever
 *	dure_once	one thread does the work, all others wait until it is done; when it dies, the
 *			next one takes over
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE.
 */
#ifndef DURE_EVENT_H
#define DURE_EVENT_H

#include <dure/segment.h>

DURE_BEGIN

/* -- events ------------------------------------------------------------------------------ */

typedef struct dure_event {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_event;

enum { DURE_EVENT_AUTO_RESET = 1u << 0 };

/* dure_event_init - make memory that is not shared yet an event that is not set; zeros are one
   without flags. Returns 0; -EINVAL (flags, not inside the segment) -EROFS -ESTALE */
DURE_API int dure_event_init(dure_segment *segment, dure_event *event, uint32_t flags);

/*
 * dure_event_set - it has happened
 *
 * Returns  0; -EINVAL -EROFS -ESTALE
 * Death    it is set, and who waits goes on; or not.
 */
DURE_API int dure_event_set(dure_segment *segment, dure_event *event);

/* dure_event_reset - not set any more. Returns 1 (it was), 0; -EINVAL -EROFS -ESTALE */
DURE_API int dure_event_reset(dure_segment *segment, dure_event *event);

/*
 * dure_event_wait - until it is set, at most timeout_ns (DURE_FOREVER; 0: look)
 *
 * ret_count (may be NULL) gets how often it has ever been set, modulo 2^30.
 *
 * Returns  0; -EAGAIN (timeout 0) -ETIMEDOUT -EINVAL -EROFS -ESTALE
 * Death    an automatic event is still set, or was this one's.
 */
DURE_API int dure_event_wait(dure_segment *segment, dure_event *event, int64_t timeout_ns,
			     uint32_t *ret_count);

/* -- latches ----------------------------------------------------------------------------- */

typedef struct dure_latch {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_latch;

/* dure_latch_init - so many are to count down; up to 2^31 - 1; zeros are an open latch.
   Returns 0; -EINVAL -EROFS -ESTALE */
DURE_API int dure_latch_init(dure_segment *segment, dure_latch *latch, uint32_t count);

/*
 * dure_latch_down - count down; at 0 it is open for ever
 *
 * A thread that dies has not counted down: where that matters, take a barrier.
 *
 * Returns  what is left; -ERANGE (more than there was) -EINVAL -EROFS -ESTALE
 * Death    all of it or nothing.
 */
DURE_API int dure_latch_down(dure_segment *segment, dure_latch *latch, uint32_t by);

/* dure_latch_wait - until it is open. Returns 0; -EAGAIN -ETIMEDOUT -EINVAL -EROFS -ESTALE */
DURE_API int dure_latch_wait(dure_segment *segment, dure_latch *latch, int64_t timeout_ns);

/* -- once -------------------------------------------------------------------------------- */

typedef struct dure_once {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_once;

/*
 * dure_once_begin - is it mine to do?
 *
 * All-zero memory is a thing not done yet. Who is told to do it ends with dure_once_end, or
 * dure_once_cancel; others wait meanwhile.
 *
 * Returns  0                 it is done
 *          DURE_CREATED      do it
 *          DURE_OWNER_DIED   do it; somebody died while he did
 *          -EAGAIN (timeout 0) -ETIMEDOUT -EDEADLK (you are doing it) -ENOLCK -EINVAL -EROFS
 *          -ESTALE
 * Death    somebody else is told to do it.
 */
DURE_API int dure_once_begin(dure_segment *segment, dure_once *once, int64_t timeout_ns);

/* dure_once_end - done. Returns 0; -EPERM (it was not yours to do) -EINVAL -EROFS -ESTALE */
DURE_API int dure_once_end(dure_segment *segment, dure_once *once);

/* dure_once_cancel - not done; the next one is told to do it. Returns the same */
DURE_API int dure_once_cancel(dure_segment *segment, dure_once *once);

DURE_END

#endif
