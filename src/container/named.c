/* SPDX-License-Identifier: MIT */
/*
 * named.c - containers by name
 *
 * Why      A container is an object of the segment: it appears with its name, complete, and the
 *          directory lists it. All kinds are opened by the same three flags.
 * Death    object/object.c.
 */
#include "container/named.h"

#include <string.h>

#include "base/error.h"
#include "tx/log.h"

int durei_named_open(dure_segment *seg, const char *what, const char *name, uint32_t flags,
		     struct dure_type type, dure_object_function init, void *plan, void **ret)
{
	int r = durei_handle_check(seg);

	if (r < 0)
		return r;
	if (!name || name == DURE_UNIQUE)
		return durei_error(EINVAL, "a %s needs a name", what);
	switch (flags) {
	case DURE_OPEN:
		return dure_object_find(seg, name, type, ret, NULL);
	case DURE_CREATE:
		return dure_object_construct(seg, name, type, 1, init, plan, ret);
	case DURE_CREATE | DURE_OPEN:
		return dure_object_find_or_create(seg, name, type, 1, init, plan, ret);
	default:
		return durei_error(EINVAL, "opening %s %s: flags are DURE_CREATE, DURE_OPEN or both",
				   what, name);
	}
}

int durei_named_destroy(dure_segment *seg, const char *what, const char *name,
			struct dure_type type, dure_object_function fini)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(seg, &r);

	if (!lane)
		return r;
	if (!name || name == DURE_UNIQUE)
		return durei_error(EINVAL, "a %s needs a name", what);
	if (durei_log_is_open(lane))
		return durei_error(EDEADLK, "%s %s cannot be destroyed inside a transaction", what,
				   name);
	return dure_object_destroy(seg, name, type, fini, NULL);
}

void durei_name_keep(struct durei_name *to, const char *name)
{
	strncpy(to->text, name, sizeof to->text - 1);
}
