/* SPDX-License-Identifier: MIT */
/*
 * dure/priority.h - a priority queue in a segment: elements of one type, the lowest key first
 *
 * What is due next, what is cheapest: each element has a key, a number or bytes of one length.
 * Elements with equal keys come in the order in which they were pushed. Safe among processes by
 * itself: who changes the queue locks it for the moment (or to the end of his transaction), who
 * reads it locks nothing, but waits for the end of a transaction that is changing it. Each
 * operation is crash-atomic. Inside a transaction of the calling thread changes are part of it,
 * and nobody else sees them before its commit.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_PRIORITY_H
#define DURE_PRIORITY_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_priority dure_priority;

/* options.flags */
enum {
	DURE_PRIORITY_HIGHEST = 1u << 0,	/* the highest key comes first */
};

enum { DURE_PRIORITY_KEY_MAX = 256 };

struct dure_priority_options {
	size_t sz;
	uint32_t key_bytes;		/* 0: keys are uint64_t; else so many bytes, as by memcmp */
	uint32_t flags;			/* DURE_PRIORITY_... */
};

/* Names an element while it is in the queue, for any process. */
struct dure_priority_handle {
	uint64_t place, serial;
};

/*
 * dure_priority_open - make a priority queue by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. type: of the elements, up to 1 MiB each
 * (DURE_TYPE(struct job)). options may be NULL: numbers, the lowest first. A queue with other keys,
 * or in the other order, than options say is refused.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, elements or keys)
 *          -ENOSPC -ENOMEM -E2BIG -EUCLEAN -EROFS -ESTALE
 * Death    the queue exists, with its name, or nothing of it does.
 */
DURE_API int dure_priority_open(dure_segment *segment, const char *name, struct dure_type type,
				uint32_t flags, const struct dure_priority_options *options,
				dure_priority **ret);

/* dure_priority_open_at - a priority queue without a name: dure/container.h. Returns as open; -EEXIST (*at is
   not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_priority_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
				   uint32_t flags, const struct dure_priority_options *options,
				   dure_priority **ret);

/* dure_priority_close - forget this process' handle; the queue stays. NULL is allowed */
DURE_API void dure_priority_close(dure_priority *queue);

/*
 * dure_priority_destroy - free the queue with all its elements, and its name
 *
 * Nobody uses it any more.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    all of it is there, or nothing.
 */
DURE_API int dure_priority_destroy(dure_segment *segment, const char *name);

/*
 * dure_priority_push - add an element
 *
 * key: a uint64_t, or key_bytes bytes. element NULL: zeros. ret_handle (may be NULL) gets its name.
 * Room that elements had is used again, and freed when the queue is destroyed.
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is there, entirely, or not.
 */
DURE_API int dure_priority_push(dure_priority *queue, const void *key, const void *element,
				struct dure_priority_handle *ret_handle);

/* dure_priority_pop - take the first element away; ret_key and ret_element (may be NULL) get it.
   Returns 0; -ENOENT (there is none), otherwise as push */
DURE_API int dure_priority_pop(dure_priority *queue, void *ret_key, void *ret_element);

/*
 * dure_priority_peek - copy the first element and its key; either may be NULL
 *
 * Returns  0; -ENOENT (there is none) -EUCLEAN -ESTALE, and while a transaction changes the queue
 *          -EDEADLK, or -EAGAIN (a read-only segment: nothing to wait with)
 */
DURE_API int dure_priority_peek(dure_priority *queue, void *ret_key, void *ret_element);

/* dure_priority_get - copy an element by its name. Returns as peek; -ENOENT: it has gone */
DURE_API int dure_priority_get(dure_priority *queue, struct dure_priority_handle handle,
			       void *ret_key, void *ret_element);

/* dure_priority_change - give an element another key, in one step. Among equal ones it is where its
   push puts it. Returns 0; -ENOENT (it has gone), otherwise as push */
DURE_API int dure_priority_change(dure_priority *queue, struct dure_priority_handle handle,
				  const void *key);

/* dure_priority_remove - take an element away, wherever it is. Returns as change */
DURE_API int dure_priority_remove(dure_priority *queue, struct dure_priority_handle handle);

/* dure_priority_count - how many elements there are. Those of transactions that are open count */
DURE_API uint64_t dure_priority_count(const dure_priority *queue);

DURE_END

#endif
