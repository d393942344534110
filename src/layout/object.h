/* SPDX-License-Identifier: MIT */
/*
 * object.h - an object as it lies in its block
 *
 * Layout   struct dl_object, the name, struct dl_object_notes (at the next multiple of 8), then
 *          from data_offset the elements. What a find reads lies together at the start. The
 *          object directory (dl_state.directory) is an index whose entries these are.
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
	uint32_t align;
	uint32_t data_offset;		/* from the start of this struct */
	uint64_t count;
};

/* for people to read */
struct dl_object_notes {
	uint64_t created_ns;		/* wall clock */
	uint32_t creator_process;
	uint32_t reserved;
	uint8_t type_name[DL_TYPE_NAME_BYTES];	/* its start */
};

static_assert(sizeof(struct dl_object) == 72, "no padding");
static_assert(sizeof(struct dl_object_notes) == 64, "no padding");

static inline uint64_t dl_object_notes_offset(uint32_t key_bytes)
{
	return ((uint64_t)sizeof(struct dl_object) + key_bytes + 7) & ~UINT64_C(7);
}

#endif
