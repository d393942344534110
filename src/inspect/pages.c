/* SPDX-License-Identifier: MIT */
/*
 * pages.c - the heap's pages, one after the other
 *
 * Why      Sums say how much is free, not where. A picture of the heap needs each page and each
 *          block in the order of addresses.
 * Rules    [PAGES1] each visit begins where the last one ended, and the last one ends at the limit,
 *                   whatever the words are: what does not fit is one page, and damaged
 *          see also [CHECK1] in check.c
 * Death    nothing is changed.
 */
#include "base/arith.h"
#include "inspect/check.h"

/* the smallest class has most: less than one block in 17 bytes of a page of 64 KiB */
enum { BLOCKS_MAX = 4096 };
_Static_assert((1 << 16) / (DL_CLASS_STEP + 1) < BLOCKS_MAX, "the states of a page have room");

struct page_walk {
	dure_segment *seg;
	uint64_t limit;			/* in pages */
	struct dure_page_info info;
	unsigned char blocks[BLOCKS_MAX];
};

static unsigned seen_state(uint8_t state)
{
	switch (state) {
	case DL_BLOCK_LIVE:
	case DL_BLOCK_DOOMED:
		return DURE_PAGE_BLOCK_LIVE;
	case DL_BLOCK_RESERVED:
		return DURE_PAGE_BLOCK_RESERVED;
	default:
		return DURE_PAGE_BLOCK_FREE;
	}
}

static void count_block(struct page_walk *w, uint64_t index, unsigned state)
{
	w->blocks[index] = (unsigned char)state;
	if (state == DURE_PAGE_BLOCK_LIVE)
		w->info.live++;
	else if (state == DURE_PAGE_BLOCK_RESERVED)
		w->info.reserved++;
	else
		w->info.free++;
}

/* Pages in it, 0: they do not fit together. */
static uint64_t see_blocks(struct page_walk *w, uint64_t page, uint64_t word)
{
	dure_segment *seg = w->seg;
	unsigned class = dl_page_class(word);
	const struct dl_class_shape *shape;
	uint64_t start = page << seg->page_shift;

	if (class >= seg->class_count)
		return 0;
	shape = &seg->classes[class];
	if (shape->page_count > w->limit - page ||
	    !durei_bytes_are_backed(seg, start, (uint64_t)shape->page_count << seg->page_shift))
		return 0;
	const struct cell8 *states = durei_at(seg, start + dl_states_offset(shape, page));
	for (uint32_t i = 0; i < shape->block_count; i++)
		count_block(w, i, seen_state(cell8_load_rlx(&states[i])));
	w->info.kind = DURE_PAGE_BLOCKS;
	w->info.lane = dl_page_kind(word) == DL_PAGE_OWNED ? dl_page_lane(word) : 0;
	w->info.block_bytes = shape->block_bytes;
	w->info.blocks = w->blocks;
	return shape->page_count;
}

static uint64_t see_run(struct page_walk *w, uint64_t page, uint64_t word)
{
	uint64_t count = dl_page_count(word);

	if (count == 0 || count > w->limit - page)
		return 0;
	w->info.kind = DURE_PAGE_RUN;
	w->info.block_bytes = count << w->seg->page_shift;
	w->info.blocks = w->blocks;
	if (dl_page_kind(word) == DL_PAGE_RUN_RESERVED) {
		w->info.lane = dl_page_lane(word);
		count_block(w, 0, DURE_PAGE_BLOCK_RESERVED);
	} else {
		count_block(w, 0, DURE_PAGE_BLOCK_LIVE);
	}
	return count;
}

/* All that follow and are the same. */
static uint64_t see_stretch(struct page_walk *w, uint64_t page, enum dl_page_kind kind)
{
	uint64_t end = page + 1;

	while (end < w->limit && dl_page_kind(cell64_load_rlx(&w->seg->pages[end])) == kind)
		end++;
	w->info.kind = kind == DL_PAGE_FREE ? DURE_PAGE_FREE : DURE_PAGE_HOLE;
	return end - page;
}

/* Pages in it, 0: the word is none that may stand there. */
static uint64_t see_page(struct page_walk *w, uint64_t page)
{
	uint64_t word = cell64_load_acq(&w->seg->pages[page]);

	switch (dl_page_kind(word)) {
	case DL_PAGE_HOLE:
	case DL_PAGE_FREE:
		return see_stretch(w, page, dl_page_kind(word));
	case DL_PAGE_OWNED:
	case DL_PAGE_LOOSE:
		return see_blocks(w, page, word);
	case DL_PAGE_RUN_RESERVED:
	case DL_PAGE_RUN_LIVE:
		return see_run(w, page, word);
	case DL_PAGE_CLAIMED:
	case DL_PAGE_RUN_CLAIMED:
	case DL_PAGE_RUN_GROWING:
	case DL_PAGE_RUN_SHRINKING:
	case DL_PAGE_RUN_FREEING:	/* page by page: its length is not settled */
		w->info.kind = DURE_PAGE_BUSY;
		w->info.lane = dl_page_lane(word);
		return 1;
	case DL_PAGE_TAIL:		/* of a run that is being changed, or of none */
		w->info.kind = DURE_PAGE_BUSY;
		return 1;
	case DL_PAGE_META:
	case DL_PAGE_KIND_COUNT:
	default:
		return 0;
	}
}

int dure_page_list(dure_segment *segment,
		   int (*visit)(const struct dure_page_info *info, void *context), void *context)
{
	struct page_walk w = { .seg = segment };
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	w.limit = durei_page_limit(segment);
	for (uint64_t page = durei_first_page(segment); r == 0 && page < w.limit;) {
		w.info = (struct dure_page_info){ .sz = sizeof w.info,
						  .offset = page << segment->page_shift };
		uint64_t count = see_page(&w, page);
		if (count == 0)
			w.info.kind = DURE_PAGE_DAMAGED;
		count = max_u64(count, 1);
		w.info.bytes = count << segment->page_shift;
		r = visit(&w.info, context);
		page += count;
	}
	return r;
}
