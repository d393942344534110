/* SPDX-License-Identifier: MIT */
/*
 * dure/vector.h - a vector in a segment: elements of one type, numbered from 0
 *
 * Elements never move: a pointer to one is good until it is taken away. Safe among processes by
 * itself: who changes the vector locks it for the moment (or to the end of his transaction), who
 * reads it locks nothing, but waits for the end of a transaction that is changing it. Each
 * operation is crash-atomic. Inside a transaction of the calling thread changes are part of it,
 * and nobody else sees them before its commit.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_VECTOR_H
#define DURE_VECTOR_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_vector dure_vector;

/* options.flags */
enum {
	/* Whoever changes the vector holds one mutex of the program's, in this segment: push takes
	   no lock of its own then. */
	DURE_VECTOR_SERIAL = 1u << 0,
};

struct dure_vector_options {
	size_t sz;
	uint64_t first_count;		/* so many elements lie in a row; raised to a power of two.
					   Default: about 512 bytes of them */
	uint32_t flags;			/* DURE_VECTOR_... */
	uint32_t reserved;
};

/*
 * dure_vector_open - make a vector by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. type: of the elements, up to 1 MiB each
 * (DURE_TYPE(struct point)). options may be NULL; they count when the vector is made.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object, or of elements)
 *          -ENOSPC -ENOMEM -EUCLEAN -EROFS -ESTALE
 * Death    the vector exists, with its name, or nothing of it does.
 */
DURE_API int dure_vector_open(dure_segment *segment, const char *name, struct dure_type type,
			      uint32_t flags, const struct dure_vector_options *options,
			      dure_vector **ret);

struct dure_vector_info {
	size_t sz;
	uint64_t count;			/* of elements */
	uint64_t element_bytes;
	uint64_t align_bytes;
	uint32_t flags;			/* DURE_VECTOR_... */
	uint32_t reserved;
	char type_name[48];		/* of an element; a longer name is cut */
};

/*
 * dure_vector_describe - what a vector is of, for those who have not made it
 *
 * What is asked for by ret->sz is filled in. With type_name, element_bytes and align_bytes it can be
 * opened, unless its type has a longer name.
 *
 * Returns  0; -ENOENT -EINVAL (another type of object) -EUCLEAN -ESTALE
 */
DURE_API int dure_vector_describe(dure_segment *segment, const char *name,
				  struct dure_vector_info *ret);

/* dure_vector_open_at - a vector without a name: dure/container.h. Returns as open; -EEXIST (*at is
   not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_vector_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
				 uint32_t flags, const struct dure_vector_options *options,
				 dure_vector **ret);

/* dure_vector_close - forget this process' handle; the vector stays. NULL is allowed */
DURE_API void dure_vector_close(dure_vector *vector);

/*
 * dure_vector_destroy - free the vector with all its elements, and its name
 *
 * Nobody uses it any more.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    all of it is there, or nothing.
 */
DURE_API int dure_vector_destroy(dure_segment *segment, const char *name);

/*
 * dure_vector_push - append an element
 *
 * element NULL: zeros. ret_index (may be NULL) gets its number.
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is there, entirely, or not.
 */
DURE_API int dure_vector_push(dure_vector *vector, const void *element, uint64_t *ret_index);

/* dure_vector_push_many - append count elements in one step, all or none. ret_index (may be
   NULL) gets the number of the first. Returns as push */
DURE_API int dure_vector_push_many(dure_vector *vector, const void *elements, uint64_t count,
				   uint64_t *ret_index);

/* dure_vector_pop - take the last element away; ret_element (may be NULL) gets it.
   Returns 0; -ENOENT (there is none) -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE */
DURE_API int dure_vector_pop(dure_vector *vector, void *ret_element);

/*
 * dure_vector_get - copy an element
 *
 * Returns  0; -EINVAL (there is none of that number) -EUCLEAN -ESTALE, and while a transaction
 *          changes the vector -EDEADLK, or -EAGAIN (a read-only segment: nothing to wait with)
 */
DURE_API int dure_vector_get(dure_vector *vector, uint64_t index, void *ret_element);

/* dure_vector_set - change an element, all of it in one step.
   Returns 0; -EINVAL (there is none of that number) -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE */
DURE_API int dure_vector_set(dure_vector *vector, uint64_t index, const void *element);

/*
 * dure_vector_resize - cut the end off, or append zeros
 *
 * Chunks that have become empty stay, for later; dure_vector_trim frees them.
 *
 * Returns  as push
 * Death    the old count or the new one.
 */
DURE_API int dure_vector_resize(dure_vector *vector, uint64_t count);

/* dure_vector_reserve - see to it that so many elements fit without another allocation.
   Returns as push */
DURE_API int dure_vector_reserve(dure_vector *vector, uint64_t count);

/* dure_vector_trim - free what no element needs. Returns as push; -EDEADLK also within a
   transaction */
DURE_API int dure_vector_trim(dure_vector *vector);

/* dure_vector_count - how many elements there are. Those of transactions that are open count */
DURE_API uint64_t dure_vector_count(const dure_vector *vector);

/*
 * dure_vector_at - the address of an element, to read it in place
 *
 * ret_count (may be NULL) gets how many elements lie in a row there, itself included. Who changes
 * it there does so under a lock of the program's, with dure_tx_write if it must survive a death.
 *
 * Returns  NULL when there is none of that number (dure_last_error). Borrowed until the element
 *          is taken away.
 */
DURE_API void *dure_vector_at(const dure_vector *vector, uint64_t index, uint64_t *ret_count);

DURE_END

#endif
