/* SPDX-License-Identifier: MIT */
/*
 * deque.h - a deque as it lies in a segment
 *
 * Layout   an object of type "dure_deque". Its elements have numbers, from first to the one before
 *          end, which move on as elements are added and taken away at either side. They lie in
 *          chunks of 2^chunk_bits elements each, blocks of their own; element n in chunk number
 *          n >> chunk_bits. The table, another block, leads to them: chunk number c by place
 *          c mod places. It is replaced by one of twice the size when chunks do not fit it.
 *
 * Rules    [DEQUE1] an element never moves, and keeps its number
 *          [DEQUE2] there is a chunk for each element, and a table with more places than there are
 *                   chunks with elements, less one
 *          [DEQUE3] a place leads to a chunk, or to nothing: one that has no element is used when
 *                   its place is needed next
 */
#ifndef DUREI_LAYOUT_DEQUE_H
#define DUREI_LAYOUT_DEQUE_H

#include "layout/element.h"
#include "layout/guard.h"

enum {
	DL_DEQUE_CHUNK_BITS_MAX = 32,
	DL_DEQUE_PLACES_MIN = 8,
	DL_DEQUE_COUNT_BITS_MAX = 46,		/* of elements: no segment has more bytes */
};

/* the number of the first element of all: nobody adds so many on either side */
#define DL_DEQUE_START (UINT64_C(1) << 62)

struct dl_deque {
	struct dl_guard guard;
	struct cell64 first;		/* these three: under the lock */
	struct cell64 end;
	struct cell64 table;		/* offset of a block; 0: none */
	struct dl_element element;	/* these: written once, before the name */
	uint32_t chunk_bits;
	uint32_t reserved;
	uint64_t reserved2;
};

struct dl_deque_table {
	uint64_t places;		/* a power of two; written before the table is linked */
	struct cell64 chunks[];		/* offsets of blocks; 0: none */
};

static_assert(sizeof(struct dl_deque) == 192, "no padding");
static_assert(sizeof(struct dl_deque_table) == 8, "no padding");

#endif
