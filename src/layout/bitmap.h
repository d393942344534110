/* SPDX-License-Identifier: MIT */
/*
 * bitmap.h - a bitmap as it lies in a segment
 *
 * Layout   an object of type "dure_bitmap". Bit n is bit n % 64 of word n / 64; the words are the
 *          places of an array.
 * Rules    [BITMAP1] in the last word the bits from `bits` on are clear
 */
#ifndef DUREI_LAYOUT_BITMAP_H
#define DUREI_LAYOUT_BITMAP_H

#include "layout/array.h"
#include "layout/element.h"
#include "layout/guard.h"

struct dl_bitmap {
	struct dl_guard guard;
	struct cell64 bits;		/* how many; under the lock */
	struct dl_element element;	/* a word */
	uint64_t reserved[3];
	struct dl_array array;
};

static_assert(sizeof(struct dl_bitmap) == 512, "no padding");
static_assert(offsetof(struct dl_bitmap, array.chunks) == 192, "from a line on");

static inline uint64_t dl_bitmap_words(uint64_t bits)
{
	return bits / 64 + (bits % 64 != 0);
}

#endif
