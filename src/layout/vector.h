/* SPDX-License-Identifier: MIT */
/*
 * vector.h - a vector as it lies in a segment
 *
 * Layout   an object of type "dure_vector". Its elements are in chunks, blocks of their own:
 *          chunk 0 has 2^first_bits elements, each other one twice as many as the one before.
 *
 *		index 0 1 | 2 3 4 5 | 6 7 8 9 10 11 12 13 | ...		first_bits 1
 *		chunk   0 |       1 |                   2 |
 *
 * Rules    [VECTOR1] an element never moves: chunks are added, and go from the end only
 *          [VECTOR2] there is a chunk for each element below count
 */
#ifndef DUREI_LAYOUT_VECTOR_H
#define DUREI_LAYOUT_VECTOR_H

#include "layout/guard.h"

enum {
	DL_VECTOR_CHUNKS = 40,
	DL_VECTOR_FIRST_BITS_MAX = 32,
	DL_VECTOR_ELEMENT_MAX = 1 << 20,	/* bytes */
	DL_VECTOR_SERIAL = 1,			/* flags: push takes no lock */
	DL_VECTOR_TYPE_BYTES = 48,
};

struct dl_vector {
	struct dl_guard guard;
	struct cell64 count;		/* of elements; under the lock */
	uint64_t element_bytes;		/* these: written once, before the name */
	uint64_t type_hash;		/* of the type's whole name */
	uint32_t align;
	uint32_t first_bits;
	uint32_t flags;
	uint32_t reserved;
	uint64_t reserved2[3];
	uint8_t type_name[DL_VECTOR_TYPE_BYTES];	/* its start */
	struct cell64 chunks[DL_VECTOR_CHUNKS];		/* offsets of blocks; 0: none */
};

static_assert(sizeof(struct dl_vector) == 512, "no padding");
static_assert(offsetof(struct dl_vector, chunks) == 192, "from a line on");

static inline unsigned dl_vector_chunk(uint64_t index, unsigned first_bits)
{
	return 63u - (unsigned)__builtin_clzll(index + (UINT64_C(1) << first_bits)) - first_bits;
}

/* the number of a chunk's first element */
static inline uint64_t dl_vector_chunk_start(unsigned chunk, unsigned first_bits)
{
	return ((UINT64_C(1) << chunk) - 1) << first_bits;
}

#endif
