/* SPDX-License-Identifier: MIT */
/*
 * page.h - page words, block states and size classes
 *
 * Layout   pages[offset >> page_shift] is the page's word:
 *
 *	bits	0-3	kind
 *		4-11	size class, for OWNED and LOOSE; 1 for a RUN_LIVE that an open
 *			transaction will free
 *		12-27	lane, for the kinds that belong to one (LOOSE: who had it last)
 *		28	for OWNED and LOOSE: blocks may have been freed that nobody has
 *			collected (a hint: it may be missing)
 *		28-63	for runs their pages, for TAIL the distance to the head in pages
 *
 *          A run is a head and its tails, in ascending order. A page of equal blocks (of
 *          one class) is one page, or for big classes a run whose head is OWNED or LOOSE.
 *          Its last bytes are the states, one byte per block:
 *
 *	+--------+--------+-- ... --+--------+-------+----------------+
 *	| block 0| block 1|         | n - 1  | slack | states[0..n-1] |
 *	+--------+--------+-- ... --+--------+-------+----------------+
 *
 *          slack is cut into lines, and the states start one of those lines earlier in each
 *          next page, so that the states of many pages do not fall on one cache set.
 * Rules    [PAGE1] all zero is right: a table of zeros is a table of holes
 *          [PAGE2] a word that names a lane was put there by that lane's own cas, so who won
 *                  is read from the word and needs no log
 *          [PAGE3] a block is taken exactly while its state says so; whatever else is known
 *                  of free blocks is private memory of one process, and may be thrown away
 *          [PAGE4] RESERVED occurs only in OWNED pages: the owner's process holds the block
 *                  and nobody else knows it
 */
#ifndef DUREI_LAYOUT_PAGE_H
#define DUREI_LAYOUT_PAGE_H

#include "cell/cell.h"

enum dl_page_kind {
	DL_PAGE_HOLE = 0,		/* not backed: reserve it before use */
	DL_PAGE_FREE = 1,
	DL_PAGE_META = 2,		/* holds the segment's own tables */
	DL_PAGE_CLAIMED = 3,		/* lane is about to make something of it */
	DL_PAGE_OWNED = 4,		/* blocks; lane alone hands them out */
	DL_PAGE_LOOSE = 5,		/* blocks; whoever wants may own it */
	DL_PAGE_TAIL = 6,
	DL_PAGE_RUN_CLAIMED = 7,	/* lane is building a run of count pages */
	DL_PAGE_RUN_RESERVED = 8,	/* one block, private to the lane's process */
	DL_PAGE_RUN_LIVE = 9,		/* one block, published */
	DL_PAGE_RUN_GROWING = 10,	/* live; lane is attaching tails up to count */
	DL_PAGE_RUN_SHRINKING = 11,	/* live; lane is freeing the tails from count on */
	DL_PAGE_RUN_FREEING = 12,	/* lane is taking it apart */
	DL_PAGE_KIND_COUNT = 13,
};

enum {
	DL_PAGE_KIND_MASK = 0xf,
	DL_PAGE_CLASS_SHIFT = 4,
	DL_PAGE_LANE_SHIFT = 12,
	DL_PAGE_COUNT_SHIFT = 28,
};

#define DL_PAGE_RUN_DOOMED (UINT64_C(1) << DL_PAGE_CLASS_SHIFT)
#define DL_PAGE_HAS_FREED (UINT64_C(1) << DL_PAGE_COUNT_SHIFT)

enum dl_block_state {
	DL_BLOCK_FREE = 0,
	DL_BLOCK_RESERVED = 1,		/* private to the process that owns the page */
	DL_BLOCK_LIVE = 2,		/* published */
	DL_BLOCK_FREED = 3,		/* free; the page's next owner may take it at once */
	DL_BLOCK_UNLINKED = 4,		/* the same, freed by a log: see lane->freeing first */
	DL_BLOCK_DOOMED = 5,		/* live; an open transaction will free it */
	DL_BLOCK_STATE_COUNT = 6,
};

/* groups[]: where a search may find something; a hint, set again by any full search */
enum {
	DL_GROUP_MAYBE_FREE = 1,
	DL_GROUP_MAYBE_HOLE = 2,
	DL_GROUP_MAYBE_LOOSE = 4,
};

static inline enum dl_page_kind dl_page_kind(uint64_t word)
{
	return (enum dl_page_kind)(word & DL_PAGE_KIND_MASK);
}

static inline unsigned dl_page_class(uint64_t word)
{
	return (unsigned)(word >> DL_PAGE_CLASS_SHIFT) & 0xff;
}

static inline uint16_t dl_page_lane(uint64_t word)
{
	return (uint16_t)(word >> DL_PAGE_LANE_SHIFT);
}

static inline uint64_t dl_page_count(uint64_t word)
{
	return word >> DL_PAGE_COUNT_SHIFT;
}

static inline uint64_t dl_page_blocks(enum dl_page_kind kind, unsigned class, uint16_t lane)
{
	return (uint64_t)kind | (uint64_t)class << DL_PAGE_CLASS_SHIFT |
	       (uint64_t)lane << DL_PAGE_LANE_SHIFT;
}

static inline uint64_t dl_page_run(enum dl_page_kind kind, uint16_t lane, uint64_t count)
{
	return (uint64_t)kind | (uint64_t)lane << DL_PAGE_LANE_SHIFT |
	       count << DL_PAGE_COUNT_SHIFT;
}

static inline uint64_t dl_page_tail(uint64_t distance)
{
	return DL_PAGE_TAIL | distance << DL_PAGE_COUNT_SHIFT;
}

/*
 * Size classes: 16 to 128 in steps of 16, then eight to each doubling (at most 12.5 % waste),
 * up to two pages. Larger blocks are runs of whole pages.
 */
enum {
	DL_CLASS_STEP = 16,
	DL_CLASS_SMALL_MAX = 128,
	DL_CLASS_SMALL_COUNT = 8,
	DL_CLASS_COUNT_MAX = 88,	/* up to 128 KiB, with pages of 64 KiB */
	DL_STATES_LINE = 64,
	DL_STATES_COLORS_MAX = 16,
};

static inline unsigned dl_class_of(uint64_t bytes)
{
	if (bytes <= DL_CLASS_SMALL_MAX)
		return bytes ? (unsigned)(bytes - 1) / DL_CLASS_STEP : 0;
	unsigned doubling = 63u - (unsigned)__builtin_clzll(bytes - 1);
	return DL_CLASS_SMALL_COUNT + (doubling - 7) * 8 +
	       ((unsigned)((bytes - 1) >> (doubling - 3)) & 7u);
}

static inline uint64_t dl_class_bytes(unsigned class)
{
	if (class < DL_CLASS_SMALL_COUNT)
		return (uint64_t)(class + 1) * DL_CLASS_STEP;
	unsigned doubling = 7 + (class - DL_CLASS_SMALL_COUNT) / 8;
	return (uint64_t)(9 + (class - DL_CLASS_SMALL_COUNT) % 8) << (doubling - 3);
}

/* How many classes there are with pages of 1 << page_shift bytes. */
static inline unsigned dl_class_count(unsigned page_shift)
{
	return dl_class_of(UINT64_C(2) << page_shift) + 1;
}

/* Pages in a run of blocks of this class: enough for eight blocks, but for the last class. */
static inline unsigned dl_class_pages(unsigned class, unsigned page_shift)
{
	uint64_t bytes = dl_class_bytes(class) << 3;

	if (bytes < UINT64_C(1) << page_shift)
		return 1;
	return bytes < UINT64_C(4) << page_shift ? 4 : 16;
}

/* The shape of a page of blocks, computed alike by everybody. */
struct dl_class_shape {
	uint32_t block_bytes;
	uint32_t block_count;
	uint32_t page_count;
	uint32_t states_offset;		/* from the run's start, in its first colour */
	uint32_t color_mask;		/* colour of a page: page number & mask */
	uint64_t reciprocal;		/* offset * reciprocal >> 40 == offset / block_bytes */
};

enum { DL_RECIPROCAL_SHIFT = 40 };	/* exact below 2^20 * 2^17; a run is at most 2^20 bytes */

static inline struct dl_class_shape dl_class_shape(unsigned class, unsigned page_shift)
{
	uint64_t bytes = dl_class_bytes(class);
	uint64_t pages = dl_class_pages(class, page_shift);
	uint64_t room = pages << page_shift;
	uint64_t count = room / (bytes + 1), states, slack;
	unsigned colors = 1;

	for (;; count--) {
		states = (count + DL_STATES_LINE - 1) / DL_STATES_LINE * DL_STATES_LINE;
		if (count * bytes + states <= room)
			break;
	}
	slack = room - count * bytes - states;
	while (colors < DL_STATES_COLORS_MAX &&
	       (uint64_t)colors * 2 * DL_STATES_LINE <= slack + DL_STATES_LINE)
		colors *= 2;
	return (struct dl_class_shape){
		.block_bytes = (uint32_t)bytes,
		.block_count = (uint32_t)count,
		.page_count = (uint32_t)pages,
		.states_offset = (uint32_t)(room - states),
		.color_mask = colors - 1,
		.reciprocal = ((UINT64_C(1) << DL_RECIPROCAL_SHIFT) + bytes - 1) / bytes,
	};
}

static inline uint64_t dl_states_offset(const struct dl_class_shape *shape, uint64_t page)
{
	return shape->states_offset - (page & shape->color_mask) * DL_STATES_LINE;
}

#endif
