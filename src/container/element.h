/* SPDX-License-Identifier: MIT */
/*
 * element.h - containers of equal elements: opening them, and checking what they hold
 */
#ifndef DUREI_CONTAINER_ELEMENT_H
#define DUREI_CONTAINER_ELEMENT_H

#include "container/named.h"
#include "layout/element.h"

/* A kind of containers. */
struct durei_kind {
	const char *what;		/* "vector": for sentences */
	struct dure_type object;
	size_t element;			/* where struct dl_element is in it */
};

/* What a handle knows of the container it leads to, checked. */
struct durei_elements {
	dure_segment *seg;
	const struct durei_kind *kind;
	void *shared;
	uint64_t bytes;			/* of an element */
	uint32_t align;
	struct durei_name name;
};

/* A caller's type of elements. 0; -EINVAL */
int durei_element_check(const struct durei_kind *kind, const struct dure_type *type);
/* For constructors. */
void durei_element_format(struct dl_element *shared, const struct dure_type *type);

/*
 * Finds or makes a container with elements of a type; init as for objects. The handle is the
 * caller's, and exists before: once the container is made, nothing may fail.
 * Returns 0, DURE_CREATED; -EINVAL (also: other elements) -EUCLEAN, otherwise as durei_named_open
 */
int durei_elements_open(struct durei_elements *ret, const struct durei_kind *kind,
			dure_segment *seg, struct durei_where where, const struct dure_type *type,
			uint32_t flags, dure_object_function init, void *plan);

/* One that has been found, whatever its elements are. 0; -EUCLEAN */
int durei_elements_bind(struct durei_elements *ret, const struct durei_kind *kind,
			dure_segment *seg, void *shared, struct durei_where where);

/* Do its elements own containers? */
bool durei_elements_own(const struct durei_elements *elements);

/* One that exists, whatever its elements are. 0; as durei_named_open, -EUCLEAN */
int durei_elements_find(struct durei_elements *ret, const struct durei_kind *kind,
			dure_segment *seg, const char *name);

/* -EUCLEAN; what is wrong: "a node", "a chunk" */
int durei_elements_damaged(const struct durei_elements *elements, const char *what);

/* Most elements are one word. */
static inline void durei_element_copy(void *to, const void *from, uint64_t bytes)
{
	if (__builtin_expect(bytes == 8, 1))
		__builtin_memcpy(to, from, 8);
	else
		__builtin_memcpy(to, from, bytes);
}

#endif
