/* SPDX-License-Identifier: MIT */
/*
 * dure/object.h - things in a segment that are found by name
 *
 *	struct shop *shop;
 *	r = dure_object_find_or_create(segment, "shop", DURE_TYPE(struct shop), 1, open_shop, NULL,
 *				       (void **)&shop);
 *
 * An object is one element or an array of equal ones, of a type that is remembered: who asks
 * for another type by the same name is refused. Three kinds, by the name given:
 *
 *	"text"		named
 *	DURE_UNIQUE	one per type
 *	DURE_ANONYMOUS	without a name; destroyed by address, found by dure_object_list
 *
 * A constructor runs before anybody can see the object, outside every lock of the library. All
 * it does with its transaction (allocating, writing elsewhere) comes true with the name, or
 * not at all. Inside a transaction of the calling thread construct and destroy are part of it:
 * several objects appear, or vanish, in one step.
 *
 * A pointer to an object is good until somebody destroys it: programs agree on who does.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_OBJECT_H
#define DURE_OBJECT_H

#include <dure/tx.h>

DURE_BEGIN

struct dure_type {
	const char *name;
	uint64_t size_bytes;
	uint64_t align_bytes;
};

static inline struct dure_type dure_type_make(const char *name, size_t size, size_t align)
{
	struct dure_type type;

	type.name = name;
	type.size_bytes = size;
	type.align_bytes = align;
	return type;
}

#if defined(__cplusplus)
#define DURE_TYPE(T) dure_type_make(#T, sizeof(T), alignof(T))
#else
#define DURE_TYPE(T) dure_type_make(#T, sizeof(T), _Alignof(T))
#endif

/* names that are no text */
#define DURE_ANONYMOUS ((const char *)0)
#define DURE_UNIQUE ((const char *)1)

enum { DURE_OBJECT_NAME_MAX = 255 };

/*
 * A constructor or destructor. object is the first of count elements, zeroed for a
 * constructor. A negative result fails the call with that code, and undoes everything.
 */
typedef int (*dure_object_function)(dure_tx *tx, void *object, uint64_t count, void *context);

/*
 * dure_object_construct - make an object
 *
 * init may be NULL: zeros. name: 1 to 255 bytes, any but NUL.
 *
 * Returns  DURE_CREATED; -EEXIST -ENOSPC -EINVAL (name, type or count) -EDEADLK (inside a
 *          transaction: abort it) -EROFS -ESTALE, or what init returned
 * Death    the object exists entirely, with its name, or nothing of it does.
 */
DURE_API int dure_object_construct(dure_segment *segment, const char *name, struct dure_type type,
				   uint64_t count, dure_object_function init, void *context,
				   void **ret);

/*
 * dure_object_find - find an object; never waits, works on read-only segments
 *
 * ret_count may be NULL.
 *
 * Returns  0; -ENOENT -EINVAL (it is of another type: the sentence says which) -EUCLEAN -ESTALE
 */
DURE_API int dure_object_find(dure_segment *segment, const char *name, struct dure_type type,
			      void **ret, uint64_t *ret_count);

/*
 * dure_object_find_or_create - one process constructs it, all find it
 *
 * Several may run init at the same time, each on memory of its own; one of them is named, the
 * others' work is undone.
 *
 * Returns  DURE_CREATED (by this call), 0 (found); otherwise as find and construct
 */
DURE_API int dure_object_find_or_create(dure_segment *segment, const char *name,
					struct dure_type type, uint64_t count,
					dure_object_function init, void *context, void **ret);

/*
 * dure_object_destroy - take the name away and free the object
 *
 * For DURE_UNIQUE the type says which. fini may be NULL; it may free what the object owns
 * (dure_tx_free), in the same step.
 *
 * Returns  0; -ENOENT -EINVAL (another type) -EROFS -ESTALE -EUCLEAN, or what fini returned
 * Death    the object is there with all it owns, or all of it is gone.
 */
DURE_API int dure_object_destroy(dure_segment *segment, const char *name, struct dure_type type,
				 dure_object_function fini, void *context);

/* dure_object_destroy_at - the same for an object of any kind, by its address.
   Returns as destroy; -EINVAL (no object is there) */
DURE_API int dure_object_destroy_at(dure_segment *segment, void *object,
				    dure_object_function fini, void *context);

struct dure_object_info {
	size_t sz;
	uint32_t kind;			/* 1 named, 2 unique, 3 anonymous */
	uint32_t creator_process;
	uint64_t count;
	uint64_t element_bytes;
	uint64_t align_bytes;
	uint64_t created_ns;		/* wall clock */
	dure_ref ref;			/* of the first element */
	char name[256];			/* "" for anonymous; the type for unique */
	char type_name[48];
};

/* dure_object_info_of - about the object at an address. Returns 0; -EINVAL (none is there) */
DURE_API int dure_object_info_of(dure_segment *segment, const void *object,
				 struct dure_object_info *info);

/*
 * dure_object_list - call visit for every object, in no particular order
 *
 * Objects made or destroyed meanwhile may be listed or not. A visit that returns non-zero ends
 * it. visit may call anything.
 *
 * Returns  0, or what visit returned; -ENOMEM -EUCLEAN -ESTALE
 */
DURE_API int dure_object_list(dure_segment *segment,
			      int (*visit)(const struct dure_object_info *info, void *context),
			      void *context);

/* dure_object_count - how many objects there are, about. Returns 0; -ESTALE -EUCLEAN */
DURE_API int dure_object_count(dure_segment *segment, uint64_t *ret_count);

DURE_END

#endif
