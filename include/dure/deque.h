/* SPDX-License-Identifier: MIT */
/*
 * dure/deque.h - a deque in a segment: elements of one type, added and taken away at both ends
 *
 * Elements never move: a pointer to one is good until it is taken away. Safe among processes by
 * itself: who changes the deque locks it for the moment (or to the end of his transaction), who
 * reads it locks nothing, but waits for the end of a transaction that is changing it. Each
 * operation is crash-atomic. Inside a transaction of the calling thread changes are part of it,
 * and nobody else sees them before its commit.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_DEQUE_H
#define DURE_DEQUE_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_deque dure_deque;

struct dure_deque_options {
	size_t sz;
	uint64_t chunk_count;		/* so many elements lie in a row; raised to a power of two.
					   Default: about 4 KiB of them */
};

/*
 * dure_deque_open - make a deque by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. type: of the elements, up to 1 MiB each
 * (DURE_TYPE(struct point)). options may be NULL; they count when the deque is made.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, or of elements)
 *          -ENOSPC -ENOMEM -E2BIG -EUCLEAN -EROFS -ESTALE
 * Death    the deque exists, with its name, or nothing of it does.
 */
DURE_API int dure_deque_open(dure_segment *segment, const char *name, struct dure_type type,
			     uint32_t flags, const struct dure_deque_options *options,
			     dure_deque **ret);

/* dure_deque_open_at - a deque without a name: dure/container.h. Returns as open; -EEXIST (*at is
   not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_deque_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
				uint32_t flags, const struct dure_deque_options *options,
				dure_deque **ret);

/* dure_deque_close - forget this process' handle; the deque stays. NULL is allowed */
DURE_API void dure_deque_close(dure_deque *deque);

/*
 * dure_deque_destroy - free the deque with all its elements, and its name
 *
 * Nobody uses it any more. Elements go a bounded number of chunks at a time, so a long deque needs
 * no big transaction.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    the deque is there with some elements less, or gone with all of them: destroy again.
 */
DURE_API int dure_deque_destroy(dure_segment *segment, const char *name);

/*
 * dure_deque_push_back - add an element behind all others
 *
 * element NULL: zeros.
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is there, entirely, or not.
 */
DURE_API int dure_deque_push_back(dure_deque *deque, const void *element);

/* dure_deque_push_front - add an element before all others: the index of each grows by one.
   Returns as push_back */
DURE_API int dure_deque_push_front(dure_deque *deque, const void *element);

/* dure_deque_pop_back - take the last element away; ret_element (may be NULL) gets it.
   Returns 0; -ENOENT (there is none), otherwise as push_back */
DURE_API int dure_deque_pop_back(dure_deque *deque, void *ret_element);

/* dure_deque_pop_front - take the first element away: the index of each other shrinks by one.
   Returns as pop_back */
DURE_API int dure_deque_pop_front(dure_deque *deque, void *ret_element);

/*
 * dure_deque_get - copy an element; the first one has index 0
 *
 * Returns  0; -EINVAL (there is none of that index) -EUCLEAN -ESTALE, and while a transaction
 *          changes the deque -EDEADLK, or -EAGAIN (a read-only segment: nothing to wait with)
 */
DURE_API int dure_deque_get(dure_deque *deque, uint64_t index, void *ret_element);

/* dure_deque_get_many - copy up to count elements from an index on, all of one moment; ret_count
   gets how many there were. Returns 0; otherwise as get, without -EINVAL */
DURE_API int dure_deque_get_many(dure_deque *deque, uint64_t index, uint64_t count,
				 void *ret_elements, uint64_t *ret_count);

/* dure_deque_front - copy the first element. Returns 0; -ENOENT (there is none), otherwise as
   get */
DURE_API int dure_deque_front(dure_deque *deque, void *ret_element);

/* dure_deque_back - copy the last element. Returns as front */
DURE_API int dure_deque_back(dure_deque *deque, void *ret_element);

/* dure_deque_set - change an element, all of it in one step.
   Returns 0; -EINVAL (there is none of that index), otherwise as push_back */
DURE_API int dure_deque_set(dure_deque *deque, uint64_t index, const void *element);

/* dure_deque_count - how many elements there are. Those of transactions that are open count */
DURE_API uint64_t dure_deque_count(const dure_deque *deque);

/*
 * dure_deque_at - the address of an element, to read it in place
 *
 * ret_count (may be NULL) gets how many elements lie in a row there, itself included. Who changes
 * it there does so under a lock of the program's, with dure_tx_write if it must survive a death.
 *
 * Returns  NULL when there is none of that index (dure_last_error). Borrowed until the element is
 *          taken away.
 */
DURE_API void *dure_deque_at(const dure_deque *deque, uint64_t index, uint64_t *ret_count);

DURE_END

#endif
