/* SPDX-License-Identifier: MIT */
/*
 * claim.c - getting free pages
 *
 * Why      Processes take pages from one table without a lock, so that a stopped one holds
 *          nobody up. A page word names its claimer; who won is read there.
 * How      First where free pages are likely (a hint per 512 pages), then from holes, a batch
 *          at a time, then by growing, then by asking: dead participants are dealt with,
 *          loose pages without a block in use become free, everybody alive is asked to give
 *          up what it hoards. Only then is there no room.
 * Rules    [CLAIM1] [LANE5] first: the lane's claims, then the word
 *          [CLAIM2] of a run the head is claimed first and says how long it will be, so an heir
 *                   finds the rest
 *          [CLAIM3] hints may be wrong both ways; a search that fails is repeated without them
 * Death    after step             is left behind             who mends it
 *          1 claims bit           a bit too many             nothing to do
 *          2 head RUN_CLAIMED     a head without tails       heap/mend.c: HOLE
 *          3 others CLAIMED       as far as it got           the same, each by its word
 *          4 backed               the same                   the same
 *          5 others TAIL          tails of a claimed head    the same, by their distance
 */
#include <inttypes.h>

#include "heap/heap.h"
#include "segment/backing.h"

#define MIB (UINT64_C(1) << 20)

void durei_group_hint(dure_segment *seg, uint64_t page, uint8_t hint)
{
	struct cell8 *group = &seg->groups[page / DL_GROUP_PAGES];

	/* relaxed: a bit that is cleared this moment costs one longer search */
	if (!(cell8_load_rlx(group) & hint))
		cell8_or(group, hint);
}

void durei_pages_count(dure_segment *seg, int64_t change)
{
	uint64_t used = cell64_add(&seg->state->pages_used, (uint64_t)change) + (uint64_t)change;

	if (change > 0 && used <= durei_page_limit(seg))
		cell64_raise(&seg->state->pages_high_water, used);
}

void durei_claims_count(struct durei_lane *lane, uint64_t page, int change)
{
	uint64_t bit = page >> lane->seg->claim_shift, mask = UINT64_C(1) << bit % 64;
	struct durei_heap *heap = lane->heap;
	struct cell64 *word = &lane->shared->claims[bit / 64];

	heap->owned_in_claim[bit] += (uint32_t)change;
	if (heap->owned_in_claim[bit] == 0 && !(heap->runs_in_claim[bit / 64] & mask))
		cell64_store_rel(word, cell64_load_rlx(word) & ~mask);	/* only we write it */
}

void durei_claims_keep(struct durei_lane *lane, uint64_t page)
{
	uint64_t bit = page >> lane->seg->claim_shift;

	lane->heap->runs_in_claim[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool is_free_kind(uint64_t word, bool holes_too)
{
	enum dl_page_kind kind = dl_page_kind(word);

	return kind == DL_PAGE_FREE || (holes_too && kind == DL_PAGE_HOLE);
}

/* -- claiming a stretch ------------------------------------------------------------------ */

static bool claim_word(dure_segment *seg, uint64_t page, uint64_t claimed, bool *any_hole)
{
	uint64_t seen = cell64_load_acq(&seg->pages[page]);

	while (is_free_kind(seen, true)) {
		bool is_hole = dl_page_kind(seen) == DL_PAGE_HOLE;
		if (cell64_cas(&seg->pages[page], &seen, claimed)) {
			*any_hole |= is_hole;
			return true;
		}
	}
	return false;
}

/* What was claimed goes back; a hole too many only costs reserving it again. */
static void back_out(dure_segment *seg, uint64_t page, uint64_t count, bool any_hole)
{
	enum dl_page_kind kind = any_hole ? DL_PAGE_HOLE : DL_PAGE_FREE;

	for (uint64_t i = count; i-- > 0;)
		cell64_store_rel(&seg->pages[page + i], kind);
	if (count)
		durei_group_hint(seg, page, any_hole ? DL_GROUP_MAYBE_HOLE : DL_GROUP_MAYBE_FREE);
}

/* count words from page on, the first of them to be `first`. 0; -EAGAIN taken; -ENOSPC */
static int claim_stretch(struct durei_lane *lane, uint64_t page, uint64_t count, uint64_t first)
{
	dure_segment *seg = lane->seg;
	uint64_t offset = page << seg->page_shift, bytes = count << seg->page_shift;
	uint64_t claimed = dl_page_blocks(DL_PAGE_CLAIMED, 0, lane->id), got = 0;
	bool any_hole = false;
	int r = 0;

	durei_claims_mark(lane, page, count);				/* step 1 */
	while (got < count && claim_word(seg, page + got, got ? claimed : first, &any_hole))
		got++;							/* steps 2, 3 */
	if (got < count)
		r = -EAGAIN;
	else if (any_hole || !durei_bytes_are_backed(seg, offset, bytes))	/* a file cut short */
		r = seg->backing->reserve(seg, offset, bytes);		/* step 4 */
	if (r < 0) {
		back_out(seg, page, got, any_hole);
		return r == -EAGAIN ? r : durei_no_space(seg, -r, bytes);
	}
	return 0;
}

static int claim_run_at(struct durei_lane *lane, uint64_t page, uint64_t count)
{
	int r = claim_stretch(lane, page, count,
			      dl_page_run(DL_PAGE_RUN_CLAIMED, lane->id, count));

	for (uint64_t i = 1; r == 0 && i < count; i++)
		cell64_store_rel(&lane->seg->pages[page + i], dl_page_tail(i)); /* step 5 */
	return r;
}

bool durei_run_claim_behind(struct durei_lane *lane, uint64_t page, uint64_t count)
{
	if (count > durei_page_limit(lane->seg) - page)
		return false;
	return claim_stretch(lane, page, count,
			     dl_page_blocks(DL_PAGE_CLAIMED, 0, lane->id)) == 0;
}

/* -- searching --------------------------------------------------------------------------- */

struct search {
	uint64_t count;
	bool holes_too;
	bool uses_hints;
};

static bool group_is_worth(dure_segment *seg, uint64_t page, const struct search *s)
{
	uint8_t hints = cell8_load_acq(&seg->groups[page / DL_GROUP_PAGES]);

	return !s->uses_hints || hints & DL_GROUP_MAYBE_FREE ||
	       (s->holes_too && hints & DL_GROUP_MAYBE_HOLE);
}

/*
 * The whole group was looked through in vain: take its hint away, then look once more, for
 * somebody may have freed a page in between.
 */
static void clear_free_hint(dure_segment *seg, uint64_t group)
{
	uint64_t first = group * DL_GROUP_PAGES;
	uint64_t end = min_u64(first + DL_GROUP_PAGES, durei_page_limit(seg));

	cell8_and(&seg->groups[group], (uint8_t)~DL_GROUP_MAYBE_FREE);
	for (uint64_t page = first; page < end; page++)
		if (is_free_kind(cell64_load_acq(&seg->pages[page]), false)) {
			durei_group_hint(seg, page, DL_GROUP_MAYBE_FREE);
			return;
		}
}

/* The first stretch of free pages in [page, end), or end. */
static uint64_t find_stretch(dure_segment *seg, uint64_t page, uint64_t end,
			     const struct search *s)
{
	uint64_t length = 0, seen_free = 0, group_start = page;

	while (page < end) {
		if (page % DL_GROUP_PAGES == 0) {
			if (page - group_start == DL_GROUP_PAGES && !seen_free && s->uses_hints &&
			    !s->holes_too)
				clear_free_hint(seg, group_start / DL_GROUP_PAGES);
			group_start = page;
			seen_free = 0;
			if (length == 0 && !group_is_worth(seg, page, s)) {
				page += DL_GROUP_PAGES;
				continue;
			}
		}
		if (is_free_kind(cell64_load_rlx(&seg->pages[page]), s->holes_too)) {
			seen_free++;
			if (++length == s->count)
				return page + 1 - length;
		} else {
			length = 0;
		}
		page++;
	}
	return end;
}

/* From where the last search ended to the end, then from the start. 0, -EAGAIN, -ENOSPC */
static int search_and_claim(struct durei_lane *lane, const struct search *s, uint64_t *ret_page)
{
	dure_segment *seg = lane->seg;
	uint64_t first = durei_first_page(seg), limit = durei_page_limit(seg);
	uint64_t start = clamp_u64(lane->heap->search_page, first, limit);

	for (int part = 0; part < 2; part++) {
		uint64_t page = part ? first : start;
		uint64_t end = part ? min_u64(start + s->count, limit) : limit;
		while ((page = find_stretch(seg, page, end, s)) < end) {
			int r = claim_run_at(lane, page, s->count);
			if (r == 0) {
				lane->heap->search_page = page + s->count;
				*ret_page = page;
			}
			if (r != -EAGAIN)
				return r;
			page++;
		}
	}
	return -EAGAIN;
}

/* -- more room --------------------------------------------------------------------------- */

/* Backs a batch of holes: an eighth of what is used, so that big heaps do it seldom. */
static int back_some(struct durei_lane *lane)
{
	dure_segment *seg = lane->seg;
	struct search s = { .count = 1, .holes_too = true, .uses_hints = true };
	uint64_t limit = durei_page_limit(seg);
	uint64_t batch = clamp_u64(cell64_load_rlx(&seg->state->pages_used) / 8,
				   (MIB / 4) >> seg->page_shift, (4 * MIB) >> seg->page_shift);
	uint64_t page = find_stretch(seg, durei_first_page(seg), limit, &s);

	if (page >= limit)
		return -EAGAIN;
	int r = durei_pages_back(lane, page, min_u64(max_u64(batch, 1), limit - page));
	if (r == -ENOSPC)		/* perhaps there is room for one */
		r = durei_pages_back(lane, page, 1);
	return r < 0 ? durei_no_space(seg, -r, durei_page_bytes_of(seg)) : 0;
}

/* By a quarter, or by what is needed. False: not allowed, or at the maximum. */
static bool grow(struct durei_lane *lane, uint64_t count)
{
	dure_segment *seg = lane->seg;
	uint64_t limit = cell64_load_acq(&seg->state->limit_bytes);
	uint64_t more = max_u64((limit - seg->super.data_offset) / 4, count << seg->page_shift);
	uint64_t wanted = min_u64(limit + align_up(more, durei_page_bytes_of(seg)),
				  min_u64(seg->super.max_bytes, seg->mapped_bytes));

	return seg->grows_by_itself && wanted > limit && durei_grow_to(seg, wanted) == 0;
}

static int claim_if_there(struct durei_lane *lane, uint64_t count, bool uses_hints,
			  uint64_t *ret_page)
{
	struct search s = { .count = count, .uses_hints = uses_hints };
	int r = search_and_claim(lane, &s, ret_page);

	if (r != -EAGAIN)
		return r;
	if (count == 1) {
		r = back_some(lane);
		return r < 0 ? r : search_and_claim(lane, &s, ret_page);
	}
	s.holes_too = true;
	return search_and_claim(lane, &s, ret_page);
}

/* Frees whatever is not needed by anybody alive. */
static void ask_everybody(struct durei_lane *lane)
{
	cell32_add(&lane->seg->state->pressure, 1);
	durei_heap_let_hoard_go(lane);
	durei_recover_all(lane->seg, lane);
	durei_pages_reclaim(lane);
}

static int no_room(struct durei_lane *lane, uint64_t count)
{
	dure_segment *seg = lane->seg;
	uint64_t limit = durei_page_limit(seg) - durei_first_page(seg);
	uint64_t used = min_u64(cell64_load_rlx(&seg->state->pages_used), limit);

	return durei_error(ENOSPC, "segment %s has no %" PRIu64 " KiB in one piece: %" PRIu64 " KiB of "
			   "%" PRIu64 " are in use: free something, or grow it (dure_segment_grow, up "
			   "to %" PRIu64 " KiB)", seg->super.name, count << seg->page_shift >> 10,
			   used << seg->page_shift >> 10, limit << seg->page_shift >> 10,
			   (seg->super.max_bytes - seg->super.data_offset) >> 10);
}

int durei_run_claim(struct durei_lane *lane, uint64_t count, uint64_t *ret_page)
{
	int r = -EAGAIN;

	if (count > (lane->seg->super.max_bytes >> lane->seg->page_shift))
		return no_room(lane, count);
	for (bool asked = false; r == -EAGAIN; asked = true) {
		r = claim_if_there(lane, count, !asked, ret_page);
		while (r == -EAGAIN && grow(lane, count))
			r = claim_if_there(lane, count, true, ret_page);
		if (r != -EAGAIN || asked)
			break;
		ask_everybody(lane);
	}
	if (r == 0)
		durei_pages_count(lane->seg, (int64_t)count);
	return r == -EAGAIN ? no_room(lane, count) : r;
}
