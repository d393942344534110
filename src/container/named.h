/* SPDX-License-Identifier: MIT */
/*
 * named.h - containers by name, and those that have none
 */
#ifndef DUREI_CONTAINER_NAMED_H
#define DUREI_CONTAINER_NAMED_H

#include <dure/object.h>

#include "segment/handle.h"

/* The container that a caller means: by its name; or, when name is NULL, where a ref leads. */
struct durei_where {
	const char *name;
	dure_ref *at;
};

static inline struct durei_where durei_by_name(const char *name)
{
	return (struct durei_where){ .name = name };
}

static inline struct durei_where durei_by_ref(dure_ref *at)
{
	return (struct durei_where){ .at = at };
}

/* What a handle remembers of the container's name, for sentences. */
struct durei_name {
	char text[DURE_OBJECT_NAME_MAX + 1];
};

/* Of a container without a name: where it is. */
void durei_name_keep(struct durei_name *to, struct durei_where where);

/*
 * Finds or makes the object that a container is, as flags say (DURE_CREATE, DURE_OPEN or both).
 * A name may be that of an owner, which leads to the container. what: "vector" and the like, for
 * sentences.
 * Returns 0, DURE_CREATED; -EINVAL (name or flags), otherwise as find and construct
 */
int durei_named_open(dure_segment *seg, const char *what, struct durei_where where, uint32_t flags,
		     struct dure_type type, dure_object_function init, void *plan, void **ret);

/* The object without a name at a ref. 0; -ENOENT (there is none) -ESTALE */
int durei_unnamed_find(dure_segment *seg, dure_ref at, struct dure_object_info *ret);

/* The ref of the owner of that name. 0; as dure_object_find */
int durei_owner_find(dure_segment *seg, const char *name, dure_ref *ret);

#endif
