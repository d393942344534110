/* SPDX-License-Identifier: MIT */
/*
 * map.h - a hash map as it lies in a segment
 *
 * Layout   an object of type "dure_map" with one struct dl_map, whose index has entries
 *          struct dl_map_entry: the value directly behind it, then the key.
 * Rules    [MAP1] a value is replaced by a new entry, never written in place; only a value of
 *                 8 bytes may also be changed in place, as one word, under the partition's lock
 */
#ifndef DUREI_LAYOUT_MAP_H
#define DUREI_LAYOUT_MAP_H

#include "layout/index.h"

enum { DL_MAP_ENTRY = 1 };	/* the kind of all entries */
enum { DL_MAP_OWNER = 1 };	/* flags: values are struct dl_owner, layout/owner.h */

struct dl_map {
	struct cell64 index;		/* offset of the index; written once, before the name */
	uint64_t value_bytes;		/* these two: as index */
	uint64_t flags;
	uint64_t reserved[5];
};

struct dl_map_entry {
	struct dl_entry entry;
	/* value_bytes of value, filled up to a multiple of 8, then the key */
};

static_assert(sizeof(struct dl_map) == 64, "no padding");
static_assert(sizeof(struct dl_map_entry) == sizeof(struct dl_entry), "the value follows");

#endif
