/* SPDX-License-Identifier: MIT */
/*
 * dure/condition.h - waiting, without the mutex, for what others do under it
 *
 * As POSIX's condition variables: who holds the mutex and does not find what it needs waits;
 * who has changed that signals. Times are monotonic: setting the clock changes nothing. A
 * waiter that is killed takes nobody's signal with it: all look again now and then.
 *
 * A dure_condition lies anywhere in a segment; all-zero memory is one.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE.
 */
#ifndef DURE_CONDITION_H
#define DURE_CONDITION_H

#include <dure/mutex.h>

DURE_BEGIN

typedef struct dure_condition {
#if defined(__cplusplus)
	alignas(8) uint64_t opaque[2];	/* 32- and 64-bit programs agree */
#else
	_Alignas(8) uint64_t opaque[2];
#endif
} dure_condition;

/* dure_condition_init - make memory that is not shared yet a condition, as zeros are.
   Returns 0; -EINVAL (not inside the segment, or not aligned to 8) -EROFS -ESTALE */
DURE_API int dure_condition_init(dure_segment *segment, dure_condition *condition);

/*
 * dure_condition_wait - unlock the mutex, wait for a signal, lock it again
 *
 * It may return without a signal: look again, and wait again. The mutex is held when it
 * returns, also when the time is over, but for the codes marked.
 *
 * Returns  0; DURE_OWNER_DIED (a holder of the mutex died meanwhile: dure/mutex.h)
 *          -ETIMEDOUT -EPERM (the mutex is not the thread's, or belongs to its transaction)
 *          -EINVAL (a recursive mutex that is locked several times, no condition in the
 *          segment) -EROFS -ESTALE
 *          -ENOTRECOVERABLE (abandoned meanwhile: not held)
 * Death    the mutex as of any holder, or free; no signal is lost.
 */
DURE_API int dure_condition_wait(dure_segment *segment, dure_condition *condition,
				 dure_mutex *mutex, int64_t timeout_ns);

/*
 * dure_condition_prepare - what is signalled from now on is noticed, without waiting here
 *
 * For dure_wait_any and dure_poll_look: who holds the mutex and does not find what it needs
 * prepares, puts *ret_signals into the item's `units`, unlocks, and waits for the item. A
 * signal goes to one who waits in dure_condition_wait, if there is one, and to all who have
 * prepared: look again under the mutex.
 *
 * Returns  0; -EINVAL -EROFS -ESTALE
 * Death    leaves no trace.
 */
DURE_API int dure_condition_prepare(dure_segment *segment, dure_condition *condition,
				    uint32_t *ret_signals);

/* dure_condition_signal - one of those who wait goes on; nobody waits: nothing happens.
   Returns 0; -EINVAL -EROFS -ESTALE */
DURE_API int dure_condition_signal(dure_segment *segment, dure_condition *condition);

/* dure_condition_broadcast - all of them go on. Returns the same */
DURE_API int dure_condition_broadcast(dure_segment *segment, dure_condition *condition);

DURE_END

#endif
