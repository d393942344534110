/* SPDX-License-Identifier: MIT */
/*
 * run.c - blocks that are whole pages
 *
 * Why      Above two pages a block is a run of pages of its own: no states, the head's word is
 *          its state. Growing and shrinking in place are changes of many words; the head's
 *          word says which one is under way, and by whom.
 * Rules    [RUN1] a page is a tail of a run while it is TAIL with the distance to that head:
 *                 nothing else is ever stored there while the head exists
 *          [RUN2] tails are given up from the last to the first, so what is left of a
 *                 shrinking run is always one stretch behind its head
 * Death    freeing, after step            is left behind           who mends it: heap/mend.c
 *          1 head RUN_FREEING             all pages                FREE, tails before the head
 *          2 some tails FREE              the others               those still TAIL, then head
 *          growing, after step
 *          1 pages behind CLAIMED         claimed pages            HOLE; the run is as before
 *          2 head RUN_GROWING             tails not yet attached   attaches them
 *          3 some TAIL                    the same                 the same
 *          shrinking, after step
 *          1 head RUN_SHRINKING           tails too many           frees them
 */
#include <inttypes.h>

#include "heap/heap.h"

void durei_run_release(dure_segment *seg, uint64_t page, uint64_t count, enum dl_page_kind to)
{
	uint8_t hint = to == DL_PAGE_HOLE ? DL_GROUP_MAYBE_HOLE : DL_GROUP_MAYBE_FREE;

	for (uint64_t i = count; i-- > 1;) {
		uint64_t tail = dl_page_tail(i);
		if (cell64_cas(&seg->pages[page + i], &tail, to))
			durei_group_hint(seg, page + i, hint);
	}
	cell64_store_rel(&seg->pages[page], to);
	durei_group_hint(seg, page, hint);
	if (to == DL_PAGE_FREE)		/* a run that never came to be was not counted */
		durei_pages_count(seg, -(int64_t)count);
}

/* Behind the head: what is claimed by the same lane becomes its tail. */
static void attach_tails(dure_segment *seg, uint64_t page, uint64_t word)
{
	uint64_t claimed = dl_page_blocks(DL_PAGE_CLAIMED, 0, dl_page_lane(word));
	uint64_t count = min_u64(dl_page_count(word), durei_page_limit(seg) - page);

	for (uint64_t i = 1; i < count; i++) {
		uint64_t expected = claimed;
		cell64_cas(&seg->pages[page + i], &expected, dl_page_tail(i));
	}
}

/* [RUN2] */
static void drop_tails(dure_segment *seg, uint64_t page, uint64_t word)
{
	uint64_t limit = durei_page_limit(seg), count = dl_page_count(word), end = count;

	while (page + end < limit &&
	       cell64_load_acq(&seg->pages[page + end]) == dl_page_tail(end))
		end++;
	durei_pages_count(seg, -(int64_t)(end - count));
	for (; end > count; end--) {
		cell64_store_rel(&seg->pages[page + end - 1], DL_PAGE_FREE);
		durei_group_hint(seg, page + end - 1, DL_GROUP_MAYBE_FREE);
	}
}

void durei_run_finish(dure_segment *seg, uint64_t page, uint64_t word)
{
	if (dl_page_kind(word) == DL_PAGE_RUN_GROWING)
		attach_tails(seg, page, word);
	else
		drop_tails(seg, page, word);
	cell64_store_rel(&seg->pages[page], dl_page_run(DL_PAGE_RUN_LIVE, 0, dl_page_count(word)));
}

int durei_run_reserve(struct durei_lane *lane, uint64_t bytes, uint64_t *ret_offset)
{
	dure_segment *seg = lane->seg;
	uint64_t count = div_up(bytes, durei_page_bytes_of(seg)), page;

	durei_busy_begin(lane);
	int r = durei_run_claim(lane, count, &page);
	if (r == 0) {
		cell64_store_rel(&seg->pages[page],
				 dl_page_run(DL_PAGE_RUN_RESERVED, lane->id, count));
		durei_claims_keep(lane, page);
		*ret_offset = page << seg->page_shift;
	}
	durei_busy_end(lane);
	return r;
}

int durei_run_free(struct durei_lane *lane, uint64_t page, uint64_t word)
{
	dure_segment *seg = lane->seg;
	uint64_t count = dl_page_count(word);
	int r = -EINVAL;

	durei_busy_begin(lane);
	durei_claims_mark(lane, page, 1);
	if (cell64_cas(&seg->pages[page], &word,
		       dl_page_run(DL_PAGE_RUN_FREEING, lane->id, count))) {
		durei_run_release(seg, page, count, DL_PAGE_FREE);
		r = 0;
	}
	durei_busy_end(lane);
	return r;
}

/* A reserved run is ours alone: while it changes it looks like one being built. */
static bool resize_reserved(struct durei_lane *lane, uint64_t page, uint64_t word, uint64_t count)
{
	dure_segment *seg = lane->seg;
	uint64_t old = dl_page_count(word), most = max_u64(old, count);
	uint64_t building = dl_page_run(DL_PAGE_RUN_CLAIMED, lane->id, most);

	durei_claims_mark(lane, page, most);
	durei_claims_keep(lane, page);
	if (!cell64_cas(&seg->pages[page], &word, building))
		return false;
	bool ok = count <= old || durei_run_claim_behind(lane, page + old, count - old);
	if (!ok)
		count = old;
	for (uint64_t i = old; i < count; i++)
		cell64_store_rel(&seg->pages[page + i], dl_page_tail(i));
	for (uint64_t i = old; i > count; i--) {
		cell64_store_rel(&seg->pages[page + i - 1], DL_PAGE_FREE);
		durei_group_hint(seg, page + i - 1, DL_GROUP_MAYBE_FREE);
	}
	cell64_store_rel(&seg->pages[page], dl_page_run(DL_PAGE_RUN_RESERVED, lane->id, count));
	durei_pages_count(seg, (int64_t)count - (int64_t)old);
	return ok;
}

static bool resize_live(struct durei_lane *lane, uint64_t page, uint64_t word, uint64_t count)
{
	dure_segment *seg = lane->seg;
	uint64_t old = dl_page_count(word), changing;

	durei_claims_mark(lane, page, max_u64(old, count));
	if (count > old && !durei_run_claim_behind(lane, page + old, count - old))
		return false;						/* growing, step 1 */
	changing = dl_page_run(count > old ? DL_PAGE_RUN_GROWING : DL_PAGE_RUN_SHRINKING, lane->id,
			       count);
	if (!cell64_cas(&seg->pages[page], &word, changing)) {		/* freed meanwhile */
		for (uint64_t i = old; i < count; i++)
			cell64_store_rel(&seg->pages[page + i], DL_PAGE_FREE);
		return false;
	}
	if (count > old)
		durei_pages_count(seg, (int64_t)(count - old));
	durei_run_finish(seg, page, changing);
	return true;
}

int durei_run_resize(struct durei_lane *lane, uint64_t page, uint64_t word, uint64_t bytes)
{
	uint64_t count = div_up(bytes ? bytes : 1, durei_page_bytes_of(lane->seg));
	bool ok = true;

	if (count > (lane->seg->super.max_bytes >> lane->seg->page_shift))
		return durei_error_plain(ENOSPC);
	durei_busy_begin(lane);
	if (count != dl_page_count(word))
		ok = dl_page_kind(word) == DL_PAGE_RUN_RESERVED
			     ? resize_reserved(lane, page, word, count)
			     : resize_live(lane, page, word, count);
	durei_busy_end(lane);
	return ok ? 0
		  : durei_error(ENOSPC, "segment %s: the pages behind the block at +%#" PRIx64 " are "
				"taken: it cannot grow where it is", lane->seg->super.name,
				page << lane->seg->page_shift);
}
