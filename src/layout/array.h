/* SPDX-License-Identifier: MIT */
/*
 * array.h - numbered places of one size, as they lie in a segment
 *
 * Layout   the places are in chunks, blocks of their own: chunk 0 has 2^first_bits places, each
 *          other one twice as many as the one before.
 *
 *		index 0 1 | 2 3 4 5 | 6 7 8 9 10 11 12 13 | ...		first_bits 1
 *		chunk   0 |       1 |                   2 |
 *
 * Rules    [ARRAY1] a place never moves: chunks are added, and go from the end only
 *          [ARRAY2] there is a chunk for each place below the count of whom the array belongs to
 */
#ifndef DUREI_LAYOUT_ARRAY_H
#define DUREI_LAYOUT_ARRAY_H

#include <assert.h>

#include "cell/cell.h"

enum {
	DL_ARRAY_CHUNKS = 40,
	DL_ARRAY_FIRST_BITS_MAX = 32,
};

struct dl_array {
	uint32_t first_bits;		/* written once, before the name */
	uint32_t reserved;
	struct cell64 chunks[DL_ARRAY_CHUNKS];		/* offsets of blocks; 0: none */
};

static_assert(sizeof(struct dl_array) == 328, "no padding");

static inline unsigned dl_array_chunk(uint64_t index, unsigned first_bits)
{
	return 63u - (unsigned)__builtin_clzll(index + (UINT64_C(1) << first_bits)) - first_bits;
}

/* the number of a chunk's first place */
static inline uint64_t dl_array_chunk_start(unsigned chunk, unsigned first_bits)
{
	return ((UINT64_C(1) << chunk) - 1) << first_bits;
}

#endif
