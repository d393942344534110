/* SPDX-License-Identifier: MIT */
/*
 * vector.h - a vector as it lies in a segment
 *
 * Layout   an object of type "dure_vector"; its elements are the places of an array.
 */
#ifndef DUREI_LAYOUT_VECTOR_H
#define DUREI_LAYOUT_VECTOR_H

#include "layout/array.h"
#include "layout/element.h"
#include "layout/guard.h"

enum { DL_VECTOR_SERIAL = 1 };		/* flags: push takes no lock */

struct dl_vector {
	struct dl_guard guard;
	struct cell64 count;		/* of elements; under the lock */
	struct dl_element element;	/* these: written once, before the name */
	uint32_t flags;
	uint32_t reserved;
	uint64_t reserved2[2];
	struct dl_array array;
};

static_assert(sizeof(struct dl_vector) == 512, "no padding");
static_assert(offsetof(struct dl_vector, array.chunks) == 192, "from a line on");

#endif
