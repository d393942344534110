/* SPDX-License-Identifier: MIT */
/*
 * object.h - an object as it lies in its block
 *
 * Layout   struct dl_object, the name, then from data_offset the elements. The object directory
 *          (dl_state.directory) is an index whose entries these are.
 * Rules    [OBJ1] nothing but `entry`'s marks changes while the object exists; the elements are
 *                 the program's
 */
#ifndef DUREI_LAYOUT_OBJECT_H
#define DUREI_LAYOUT_OBJECT_H

#include "layout/index.h"

enum dl_object_kind {
	DL_OBJECT_NAMED = 1,		/* key: the name */
	DL_OBJECT_UNIQUE = 2,		/* key: the type's name */
	DL_OBJECT_ANONYMOUS = 3,	/* key: the block's offset, 8 bytes */
	DL_OBJECT_KIND_END = 4,
};

enum { DL_TYPE_NAME_BYTES = 48 };

struct dl_object {
	struct dl_entry entry;
	uint64_t type_hash;		/* of the type's whole name */
	uint64_t element_bytes;
	uint64_t count;
	uint32_t align;
	uint32_t data_offset;		/* from the start of this struct */
	uint64_t created_ns;		/* wall clock, for people */
	uint32_t creator_process;	/* for people */
	uint32_t reserved;
	uint8_t type_name[DL_TYPE_NAME_BYTES];	/* its start, for people */
};

static_assert(sizeof(struct dl_object) == 136, "no padding");

#endif
