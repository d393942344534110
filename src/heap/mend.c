/* SPDX-License-Identifier: MIT */
/*
 * mend.c - the pages of the dead
 *
 * Why      A dead thread's pages name it. Its claims (a bitmap over the page table) tell where
 *          to look, so this costs what it held, not what the segment holds.
 * Rules    [MEND1] each page word is dealt with by one store, made last; until then the page is
 *                  found again
 *          [MEND2] a thread that died alone leaves its reserved blocks to its process: the
 *                  page stays OWNED and the lane is parked
 *          [MEND3] resizing is a change of a block that others know, and that a lock may
 *                  guard: it is finished before the locks are freed, all else after them, for
 *                  nobody waits for that
 * Death    of the mender: the next one finds the pages not yet dealt with.
 */
#include "heap/heap.h"

/* What was reserved in it vanishes with its process. Returns whether a block is in use. */
static bool release_reserved(struct durei_mending *m, struct cell8 *states, unsigned count,
			     bool *ret_has_reserved, bool *ret_has_free)
{
	bool in_use = false;

	*ret_has_reserved = *ret_has_free = false;
	for (unsigned i = 0; i < count; i++) {
		uint8_t state = cell8_load_acq(&states[i]);
		if (state == DL_BLOCK_RESERVED && m->process_is_dead) {
			cell8_store_rel(&states[i], DL_BLOCK_FREE);
			state = DL_BLOCK_FREE;
		}
		*ret_has_reserved |= state == DL_BLOCK_RESERVED;
		*ret_has_free |= state == DL_BLOCK_FREE || state == DL_BLOCK_FREED ||
				 state == DL_BLOCK_UNLINKED;
		in_use |= state != DL_BLOCK_FREE;
	}
	return in_use;
}

static void mend_owned(struct durei_mending *m, uint64_t page, uint64_t word)
{
	dure_segment *seg = m->seg;
	unsigned class = dl_page_class(word);
	bool has_reserved, has_free;

	if (class >= seg->class_count)
		return;			/* damaged: the check says so */
	unsigned pages = seg->classes[class].page_count;
	if (!durei_bytes_are_backed(seg, page << seg->page_shift, (uint64_t)pages << seg->page_shift))
		return;
	bool in_use = release_reserved(m, durei_states_of(seg, page, class),
				       seg->classes[class].block_count, &has_reserved, &has_free);
	if (has_reserved) {		/* [MEND2] */
		m->keeps_lane = true;
		return;
	}
	if (!in_use) {
		cell64_store_rel(&seg->pages[page],
				 dl_page_run(DL_PAGE_RUN_FREEING, m->id, pages));
		durei_run_release(seg, page, pages, DL_PAGE_FREE);
		return;
	}
	uint64_t loose = dl_page_blocks(DL_PAGE_LOOSE, class, m->id) |
			 (has_free ? DL_PAGE_HAS_FREED : 0);
	while (!cell64_cas(&seg->pages[page], &word, loose | (word & DL_PAGE_HAS_FREED)))
		;
	if (has_free)
		durei_group_hint(seg, page, DL_GROUP_MAYBE_LOOSE);
}

/* A run cannot be longer than what is left of the table. */
static uint64_t run_count(const dure_segment *seg, uint64_t page, uint64_t word)
{
	return clamp_u64(dl_page_count(word), 1, durei_page_limit(seg) - page);
}

/* Claimed by a run that never came to be: its tails, and pages not yet tails. */
static void mend_claimed_run(struct durei_mending *m, uint64_t page, uint64_t word)
{
	uint64_t claimed = dl_page_blocks(DL_PAGE_CLAIMED, 0, m->id);

	for (uint64_t i = 1; i < run_count(m->seg, page, word); i++) {
		uint64_t expected = claimed;
		if (cell64_cas(&m->seg->pages[page + i], &expected, DL_PAGE_HOLE))
			durei_group_hint(m->seg, page + i, DL_GROUP_MAYBE_HOLE);
	}
	durei_run_release(m->seg, page, run_count(m->seg, page, word), DL_PAGE_HOLE);
}

static void mend_page(struct durei_mending *m, uint64_t page, uint64_t word)
{
	dure_segment *seg = m->seg;

	switch (dl_page_kind(word)) {
	case DL_PAGE_CLAIMED:		/* its storage may be gone: see grow.c */
		cell64_store_rel(&seg->pages[page], DL_PAGE_HOLE);
		durei_group_hint(seg, page, DL_GROUP_MAYBE_HOLE);
		break;
	case DL_PAGE_OWNED:
		mend_owned(m, page, word);
		break;
	case DL_PAGE_RUN_CLAIMED:
		mend_claimed_run(m, page, word);
		break;
	case DL_PAGE_RUN_RESERVED:
		if (!m->process_is_dead) {
			m->keeps_lane = true;
			break;
		}
		cell64_store_rel(&seg->pages[page],
				 dl_page_run(DL_PAGE_RUN_FREEING, m->id,
					     run_count(seg, page, word)));
		durei_run_release(seg, page, run_count(seg, page, word), DL_PAGE_FREE);
		break;
	case DL_PAGE_RUN_FREEING:
		durei_run_release(seg, page, run_count(seg, page, word), DL_PAGE_FREE);
		break;
	case DL_PAGE_HOLE:
	case DL_PAGE_FREE:
	case DL_PAGE_META:
	case DL_PAGE_LOOSE:
	case DL_PAGE_TAIL:
	case DL_PAGE_RUN_LIVE:
	case DL_PAGE_RUN_GROWING:	/* [MEND3]: finished before */
	case DL_PAGE_RUN_SHRINKING:
	case DL_PAGE_KIND_COUNT:
		break;
	}
}

typedef void (*page_step)(struct durei_mending *m, uint64_t page, uint64_t word);

/* Heads before what they claimed: RUN_CLAIMED tells what is its own. */
static void mend_head(struct durei_mending *m, uint64_t page, uint64_t word)
{
	if (dl_page_kind(word) != DL_PAGE_CLAIMED)
		mend_page(m, page, word);
}

static void mend_single(struct durei_mending *m, uint64_t page, uint64_t word)
{
	if (dl_page_kind(word) == DL_PAGE_CLAIMED)
		mend_page(m, page, word);
}

static void finish_resize(struct durei_mending *m, uint64_t page, uint64_t word)
{
	enum dl_page_kind kind = dl_page_kind(word);

	if (kind == DL_PAGE_RUN_GROWING || kind == DL_PAGE_RUN_SHRINKING)
		durei_run_finish(m->seg, page, word);
}

/* The page words of the dead lane, where its claims say that they may be. */
static void for_each_page(struct durei_mending *m, page_step step)
{
	dure_segment *seg = m->seg;
	uint64_t limit = durei_page_limit(seg), group = UINT64_C(1) << seg->claim_shift;

	for (unsigned bit = 0; bit < DL_CLAIM_WORDS * 64; bit++) {
		uint64_t claims = cell64_load_acq(&m->lane->claims[bit / 64]);
		uint64_t start = (uint64_t)bit << seg->claim_shift;
		if (!(claims >> bit % 64 & 1))
			continue;
		for (uint64_t page = max_u64(start, durei_first_page(seg));
		     page < min_u64(start + group, limit); page++) {
			uint64_t word = cell64_load_acq(&seg->pages[page]);
			if (dl_page_lane(word) == m->id)
				step(m, page, word);
		}
	}
}

void durei_heap_mend_resizes(struct durei_mending *m)
{
	if (cell32_load_acq(&m->lane->busy))
		for_each_page(m, finish_resize);
}

void durei_heap_mend(struct durei_mending *m)
{
	for_each_page(m, mend_head);
	for_each_page(m, mend_single);
	cell32_store_rel(&m->lane->busy, 0);
	if (m->keeps_lane)
		return;
	for (unsigned i = 0; i < DL_CLAIM_WORDS; i++)
		cell64_store_rel(&m->lane->claims[i], 0);
}
