/* SPDX-License-Identifier: MIT */
/*
 * vector_info.c - what a vector is of, for those who have not made it
 *
 * Why      A vector is opened with the type of its elements, which a tool does not know before.
 * Death    nothing is changed.
 */
#include <dure/vector.h>

#include <string.h>

#include "base/options.h"
#include "container/named.h"
#include "layout/vector.h"

static_assert(sizeof ((struct dure_vector_info *)0)->type_name == DL_VECTOR_TYPE_BYTES, "as it lies");

int dure_vector_describe(dure_segment *segment, const char *name, struct dure_vector_info *ret)
{
	struct dure_type type = dure_type_make("dure_vector", sizeof(struct dl_vector), 64);
	struct dure_vector_info info = { 0 };
	const struct dl_vector *shared;
	void *found;
	int r = durei_named_open(segment, "vector", name, DURE_OPEN, type, NULL, NULL, &found);

	if (r < 0)
		return r;
	shared = found;
	info.count = cell64_load_acq(&shared->count);
	info.element_bytes = shared->element_bytes;
	info.align_bytes = shared->align;
	info.flags = shared->flags & DL_VECTOR_SERIAL ? DURE_VECTOR_SERIAL : 0;
	memcpy(info.type_name, shared->type_name, sizeof info.type_name - 1);
	return durei_options_write(ret, &info, sizeof info, sizeof info);
}
