/* SPDX-License-Identifier: MIT */
/*
 * check_pages.c - are the page table and the block states right
 *
 * Why      see check.c. Each page is visited once, from its head.
 * Death    nothing is changed.
 */
#include <inttypes.h>

#include "inspect/check.h"

static uint64_t word_at(const dure_segment *seg, uint64_t page)
{
	return durei_offset(seg, &seg->pages[page]);
}

/* A word that names a lane: somebody must be there to finish or to mend it. */
static void check_lane_named(struct durei_check *check, uint64_t page, uint64_t word)
{
	dure_segment *seg = check->seg;
	unsigned id = dl_page_lane(word);
	uint64_t bit = page >> seg->claim_shift;

	if (durei_status_state(durei_seen_status(seg, id)) == DL_LANE_FREE) {
		DAMAGED(check, "PAGE2", word_at(seg, page), "page %" PRIu64 " names lane %u, which is "
			"free: nobody will give it back", page, id);
		return;
	}
	const struct dl_lane *lane = durei_lane_at(seg, id);
	if (!(cell64_load_acq(&lane->claims[bit / 64]) >> bit % 64 & 1))
		DAMAGED(check, "LANE5", word_at(seg, page), "page %" PRIu64 " names lane %u, whose claims "
			"do not have it", page, id);
}

static void check_tails(struct durei_check *check, uint64_t page, uint64_t count)
{
	for (uint64_t i = 1; i < count; i++)
		if (cell64_load_acq(&check->seg->pages[page + i]) != dl_page_tail(i))
			DAMAGED(check, "RUN1", word_at(check->seg, page + i), "page %" PRIu64 " should be "
				"tail %" PRIu64 " of the run at %" PRIu64, page + i, i, page);
}

static void check_block_state(struct durei_check *check, uint64_t offset, unsigned state,
			      uint64_t bytes, bool is_owned)
{
	check->sums.blocks++;
	switch (state) {
	case DL_BLOCK_LIVE:
		check->sums.live_blocks++;
		check->sums.live_bytes += bytes;
		break;
	case DL_BLOCK_RESERVED:
		check->sums.reserved_blocks++;
		if (!is_owned)
			DAMAGED(check, "PAGE4", offset, "a block is reserved in a page nobody owns");
		break;
	case DL_BLOCK_DOOMED:
		check->sums.live_blocks++;
		check->sums.live_bytes += bytes;
		if (!check->has_open_log)
			DAMAGED(check, "PAGE3", offset, "a block is marked by a transaction, none is open");
		break;
	case DL_BLOCK_FREE:
	case DL_BLOCK_FREED:
	case DL_BLOCK_UNLINKED:
		break;
	default:
		DAMAGED(check, "PAGE3", offset, "a block is in state %u, which is none", state);
	}
}

/* Pages in the run. */
static uint64_t check_blocks(struct durei_check *check, uint64_t page, uint64_t word)
{
	dure_segment *seg = check->seg;
	unsigned class = dl_page_class(word);
	const struct dl_class_shape *shape;
	uint64_t start = page << seg->page_shift;

	if (class >= seg->class_count) {
		DAMAGED(check, "PAGE3", word_at(seg, page), "page %" PRIu64 " is of class %u, which is "
			"none", page, class);
		return 1;
	}
	shape = &seg->classes[class];
	if (shape->page_count > durei_page_limit(seg) - page ||
	    !durei_bytes_are_backed(seg, start, (uint64_t)shape->page_count << seg->page_shift)) {
		DAMAGED(check, "FILE2", word_at(seg, page), "page %" PRIu64 " is not backed", page);
		return 1;
	}
	if (dl_page_kind(word) == DL_PAGE_OWNED)
		check_lane_named(check, page, word);
	check_tails(check, page, shape->page_count);
	const struct cell8 *states = durei_at(seg, start + dl_states_offset(shape, page));
	for (unsigned i = 0; i < shape->block_count; i++)
		check_block_state(check, start + (uint64_t)i * shape->block_bytes,
				  cell8_load_acq(&states[i]), shape->block_bytes,
				  dl_page_kind(word) == DL_PAGE_OWNED);
	return shape->page_count;
}

/* Pages in the run. */
static uint64_t check_run(struct durei_check *check, uint64_t page, uint64_t word)
{
	dure_segment *seg = check->seg;
	uint64_t count = dl_page_count(word);
	enum dl_page_kind kind = dl_page_kind(word);

	if (count == 0 || count > durei_page_limit(seg) - page) {
		DAMAGED(check, "RUN1", word_at(seg, page), "the run at page %" PRIu64 " has %" PRIu64
			" pages", page, count);
		return 1;
	}
	if (kind != DL_PAGE_RUN_LIVE) {
		check_lane_named(check, page, word);
		if (kind == DL_PAGE_RUN_RESERVED)
			check_tails(check, page, count);
		else		/* under way: the lane's heir finishes it */
			MENDABLE(check, "RUN1", word_at(seg, page), "the run at page %" PRIu64 " is being "
				 "changed by lane %u", page, dl_page_lane(word));
		if (kind == DL_PAGE_RUN_CLAIMED || kind == DL_PAGE_RUN_FREEING)
			return 1;	/* its tails may be anything */
	} else {
		check_tails(check, page, count);
		if (!durei_bytes_are_backed(seg, page << seg->page_shift, count << seg->page_shift))
			DAMAGED(check, "FILE2", word_at(seg, page), "the run at page %" PRIu64 " is not "
				"backed", page);
	}
	bool is_live = kind != DL_PAGE_RUN_RESERVED;
	check_block_state(check, page << seg->page_shift,
			  !is_live		       ? DL_BLOCK_RESERVED
			  : word & DL_PAGE_RUN_DOOMED ? DL_BLOCK_DOOMED
						       : DL_BLOCK_LIVE,
			  count << seg->page_shift, true);
	return kind == DL_PAGE_RUN_GROWING || kind == DL_PAGE_RUN_SHRINKING ? 1 : count;
}

/* Is this tail one of a run whose head's change is under way? Then it is not astray. */
static bool is_explained_tail(const dure_segment *seg, uint64_t page, uint64_t word)
{
	uint64_t distance = dl_page_count(word);

	if (distance == 0 || distance > page)
		return false;
	switch (dl_page_kind(cell64_load_acq(&seg->pages[page - distance]))) {
	case DL_PAGE_RUN_CLAIMED:
	case DL_PAGE_RUN_FREEING:
	case DL_PAGE_RUN_GROWING:
	case DL_PAGE_RUN_SHRINKING:
		return true;
	default:
		return false;
	}
}

static uint64_t check_page(struct durei_check *check, uint64_t page)
{
	dure_segment *seg = check->seg;
	uint64_t word = cell64_load_acq(&seg->pages[page]);

	check->sums.pages++;
	switch (dl_page_kind(word)) {
	case DL_PAGE_HOLE:
		return 1;
	case DL_PAGE_FREE:
		if (!durei_bytes_are_backed(seg, page << seg->page_shift,
					    UINT64_C(1) << seg->page_shift))
			DAMAGED(check, "FILE2", word_at(seg, page), "free page %" PRIu64 " is not backed",
				page);
		return 1;
	case DL_PAGE_CLAIMED:
		check_lane_named(check, page, word);
		MENDABLE(check, "CLAIM2", word_at(seg, page), "page %" PRIu64 " is claimed by lane %u",
			 page, dl_page_lane(word));
		return 1;
	case DL_PAGE_OWNED:
	case DL_PAGE_LOOSE:
		return check_blocks(check, page, word);
	case DL_PAGE_RUN_CLAIMED:
	case DL_PAGE_RUN_RESERVED:
	case DL_PAGE_RUN_LIVE:
	case DL_PAGE_RUN_GROWING:
	case DL_PAGE_RUN_SHRINKING:
	case DL_PAGE_RUN_FREEING:
		return check_run(check, page, word);
	case DL_PAGE_TAIL:
		if (!is_explained_tail(seg, page, word))
			DAMAGED(check, "RUN1", word_at(seg, page), "page %" PRIu64 " is a tail without a "
				"head", page);
		return 1;
	case DL_PAGE_META:
	case DL_PAGE_KIND_COUNT:
	default:
		DAMAGED(check, "PAGE1", word_at(seg, page), "page %" PRIu64 " is of kind %u, which does "
			"not belong there", page, (unsigned)dl_page_kind(word));
		return 1;
	}
}

void durei_check_pages(struct durei_check *check)
{
	dure_segment *seg = check->seg;
	uint64_t limit = durei_page_limit(seg);

	for (uint64_t page = 0; page < durei_first_page(seg); page++)
		if (cell64_load_acq(&seg->pages[page]) != DL_PAGE_META)
			DAMAGED(check, "PAGE1", word_at(seg, page), "page %" PRIu64 " holds tables, its "
				"word says otherwise", page);
	for (uint64_t page = durei_first_page(seg); page < limit;)
		page += check_page(check, page);
}
