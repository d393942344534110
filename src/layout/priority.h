/* SPDX-License-Identifier: MIT */
/*
 * priority.h - a priority queue as it lies in a segment
 *
 * Layout   an object of type "dure_priority", with two arrays. An element lies in a place, behind
 *          its key, and stays there; a free place leads to the next one. The heap is in order: the
 *          children of its entry i are 4 i + 1 to 4 i + 4.
 *
 *		place	at, serial, the key (if it is bytes; filled up to a multiple of 8), the
 *			element, where its type may lie
 *		entry	word, place
 *
 *          An entry's word is the key, or the first 8 bytes of it, most significant first, filled
 *          up with zeros. Where words are equal the whole keys decide, then the serials.
 * Rules    [PRIORITY1] no entry comes before its parent
 *          [PRIORITY2] each entry's place says where the entry is
 *          [PRIORITY3] a place below `places` has an entry, or is in the list of free ones
 */
#ifndef DUREI_LAYOUT_PRIORITY_H
#define DUREI_LAYOUT_PRIORITY_H

#include "layout/array.h"
#include "layout/element.h"
#include "layout/guard.h"

enum {
	DL_PRIORITY_WAYS = 4,
	DL_PRIORITY_KEY_MAX = 256,
	DL_PRIORITY_HIGHEST = 1,		/* flags: the highest key comes first */
};

#define DL_PRIORITY_FREE (UINT64_C(1) << 63)	/* in `at`; the rest: 1 + the next free one, or 0 */

struct dl_priority {
	struct dl_guard guard;
	struct cell64 count;		/* of elements. These four: under the lock */
	struct cell64 places;		/* that have ever been used */
	struct cell64 free;		/* 1 + the first free place; 0: none */
	struct cell64 serials;		/* given so far; never undone */
	struct dl_element element;	/* these: written once, before the name */
	uint32_t key_bytes;		/* 0: a number */
	uint32_t flags;
	uint64_t reserved[2];
	struct dl_array heap;
	struct dl_array elements;
	uint64_t reserved2[4];
};

struct dl_priority_place {
	struct cell64 at;		/* number of its entry; or FREE */
	struct cell64 serial;		/* 0: free */
};

struct dl_priority_entry {
	struct cell64 word;
	struct cell64 place;
};

static_assert(sizeof(struct dl_priority) == 896, "no padding");
static_assert(sizeof(struct dl_priority_place) == 16, "no padding");
static_assert(sizeof(struct dl_priority_entry) == 16, "no padding");

#endif
