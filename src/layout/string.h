/* SPDX-License-Identifier: MIT */
/*
 * string.h - a string, or any bytes, as they lie in a segment
 *
 * Layout   an object of type "dure_string" that leads to a block: struct dl_text, the bytes.
 * Rules    [STRING1] in one block bytes are only appended: whatever else changes gets a new
 *                    block, so bytes below a length that was true never change
 *          [STRING2] length is at most the block's capacity; 0 without a block
 */
#ifndef DUREI_LAYOUT_STRING_H
#define DUREI_LAYOUT_STRING_H

#include "layout/guard.h"

struct dl_string {
	struct dl_guard guard;
	struct cell64 text;		/* offset of the block; 0: none */
	struct cell64 length;		/* of the bytes in it */
	uint64_t reserved[4];
};

struct dl_text {
	uint64_t capacity;		/* bytes that follow; written before the block is linked */
	/* the bytes */
};

static_assert(sizeof(struct dl_string) == 128, "no padding");
static_assert(sizeof(struct dl_text) == 8, "no padding");

#endif
