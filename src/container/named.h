/* SPDX-License-Identifier: MIT */
/*
 * named.h - containers by name
 */
#ifndef DUREI_CONTAINER_NAMED_H
#define DUREI_CONTAINER_NAMED_H

#include <dure/object.h>

#include "segment/handle.h"

/*
 * Finds or makes the object that a container is, as flags say (DURE_CREATE, DURE_OPEN or both).
 * what: "vector" and the like, for sentences.
 * Returns 0, DURE_CREATED; -EINVAL (name or flags), otherwise as find and construct
 */
int durei_named_open(dure_segment *seg, const char *what, const char *name, uint32_t flags,
		     struct dure_type type, dure_object_function init, void *plan, void **ret);

/*
 * Destroys it; fini frees what it owns, in the same step. Not inside a transaction: that would
 * give back the container's own lock, when its memory may be somebody else's already.
 */
int durei_named_destroy(dure_segment *seg, const char *what, const char *name,
			struct dure_type type, dure_object_function fini);

/* What a handle remembers of the container's name, for sentences. */
struct durei_name {
	char text[DURE_OBJECT_NAME_MAX + 1];
};

void durei_name_keep(struct durei_name *to, const char *name);

#endif
