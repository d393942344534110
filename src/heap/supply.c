/* SPDX-License-Identifier: MIT */
/*
 * supply.c - where a lane's next free block comes from
 *
 * Why      Reserving pops a stack of blocks at hand. When that is empty it is filled from the
 *          lane's current page; when that is full another page is looked for: one of ours with
 *          a free block, one of ours in which others have freed some, one that nobody owns, and
 *          last a new one.
 * Death    nothing here is shared but hints: stacks and lists are private; pages change hands in
 *          page.c
 */
#include <string.h>

#include "heap/heap.h"

enum { LOOKS_MAX = 32 };	/* full pages looked at for freed blocks, per search */

/* -- giving back ------------------------------------------------------------------------- */

static void back_to_page(struct durei_lane *lane, const struct durei_free *free)
{
	uint64_t offset = durei_offset(lane->seg, free->block);
	struct durei_page *page = lane->heap->by_number[offset >> lane->page_shift];

	/* a damaged page table can have given us the same pages twice */
	if (!page || free->state < page->states || free->state >= page->states + page->block_count)
		return;
	durei_page_put(page, (unsigned)(free->state - page->states));
	durei_page_after_put(lane, page);
}

void durei_stack_drain(struct durei_lane *lane, unsigned class, size_t keep)
{
	struct durei_stack *stack = &lane->heap->stacks[class];
	size_t count = (size_t)(stack->top - stack->floor);

	if (count <= keep)
		return;
	for (size_t i = 0; i < count - keep; i++)
		back_to_page(lane, &stack->floor[i]);
	memmove(stack->floor, stack->floor + (count - keep), keep * sizeof *stack->floor);
	stack->top = stack->floor + keep;
}

/* -- finding a page with a free block ---------------------------------------------------- */

static struct durei_page *pop_partial(struct durei_heap *heap, unsigned class)
{
	struct durei_page *page = heap->partial[class];

	if (page)
		durei_page_list_remove(heap, page);
	return page;
}

/*
 * Full pages in which others have freed blocks meanwhile. What is freed first is what was handed
 * out first, far behind in the list: so each search goes on where the last one has ended.
 */
static struct durei_page *look_at_full(struct durei_lane *lane, unsigned class, uint32_t most)
{
	struct durei_heap *heap = lane->heap;
	struct durei_page *page;

	for (uint32_t looks = 0; looks < most; looks++) {
		page = heap->full_next[class] ? heap->full_next[class] : heap->full[class];
		if (!page)
			break;
		heap->full_next[class] = page->next;
		if (!(cell64_load_rlx(&lane->seg->pages[page->number]) & DL_PAGE_HAS_FREED))
			continue;
		durei_page_collect(lane, page);
		if (page->free_count) {
			durei_page_list_remove(heap, page);
			return page;
		}
	}
	return NULL;
}

/* Too many pages of our own: full ones of this class go first, then half-used ones. */
static void keep_few(struct durei_lane *lane, unsigned class)
{
	struct durei_heap *heap = lane->heap;
	struct durei_page *page, *next;

	if (heap->owned_count > heap->owned_max)
		durei_stack_drain(lane, class, 0);
	for (page = heap->full[class]; page && heap->owned_count > heap->owned_max; page = next) {
		next = page->next;
		durei_page_let_go(lane, page);
	}
	for (page = heap->partial[class]; page && heap->owned_count > heap->owned_max; page = next) {
		next = page->next;
		durei_page_let_go(lane, page);
	}
}

void durei_heap_let_hoard_go(struct durei_lane *lane)
{
	struct durei_heap *heap = lane->heap;

	if (heap == &durei_no_heap)
		return;
	heap->pressure_seen = cell32_load_rlx(&lane->seg->state->pressure);
	for (unsigned class = 0; class < lane->seg->class_count; class++) {
		durei_stack_drain(lane, class, 0);
		durei_page_list_let_go(lane, heap->partial[class]);
		if (heap->current[class] != &durei_no_page)
			durei_page_let_go(lane, heap->current[class]);
	}
}

/* Somebody found no room. */
static void heed_pressure(struct durei_lane *lane)
{
	if (cell32_load_rlx(&lane->seg->state->pressure) != lane->heap->pressure_seen)
		durei_heap_let_hoard_go(lane);
}

static bool is_adoptable(uint64_t word, unsigned class)
{
	return dl_page_kind(word) == DL_PAGE_LOOSE && dl_page_class(word) == class &&
	       word & DL_PAGE_HAS_FREED;
}

/* Looks through one group; keeps its hint while pages of other classes want it. */
static struct durei_page *adopt_in_group(struct durei_lane *lane, unsigned class, uint64_t group)
{
	dure_segment *seg = lane->seg;
	uint64_t first = group * DL_GROUP_PAGES, end = min_u64(first + DL_GROUP_PAGES,
							       durei_page_limit(seg));
	struct durei_page *page = NULL;

	cell8_and(&seg->groups[group], (uint8_t)~DL_GROUP_MAYBE_LOOSE);
	for (uint64_t number = first; number < end; number++) {
		uint64_t word = cell64_load_acq(&seg->pages[number]);
		if (dl_page_kind(word) != DL_PAGE_LOOSE || !(word & DL_PAGE_HAS_FREED))
			continue;
		if (page || !is_adoptable(word, class)) {
			durei_group_hint(seg, number, DL_GROUP_MAYBE_LOOSE);
			if (page)
				break;
			continue;
		}
		page = durei_page_adopt(lane, number, word);
		if (page && page->free_count == 0) {	/* the hint was wrong */
			durei_page_list_add(lane->heap, page, DUREI_LIST_FULL);
			page = NULL;
		}
	}
	return page;
}

static struct durei_page *adopt_some(struct durei_lane *lane, unsigned class)
{
	dure_segment *seg = lane->seg;
	uint64_t groups = div_up(durei_page_limit(seg), DL_GROUP_PAGES);
	uint64_t *at = &lane->heap->search_group;

	for (uint64_t looked = 0; looked < groups; looked++) {
		if (*at >= groups)
			*at = 0;
		if (cell8_load_rlx(&seg->groups[*at]) & DL_GROUP_MAYBE_LOOSE) {
			struct durei_page *page = adopt_in_group(lane, class, *at);
			(*at)++;
			return page;	/* one group a time: the rest another time */
		}
		(*at)++;
	}
	return NULL;
}

static int find_page(struct durei_lane *lane, unsigned class)
{
	struct durei_heap *heap = lane->heap;
	struct durei_page *page = heap->current[class];
	int r = 0;

	if (page != &durei_no_page) {
		durei_page_list_add(heap, page, DUREI_LIST_FULL);
		heap->current[class] = &durei_no_page;
	}
	page = pop_partial(heap, class);
	if (!page)
		page = look_at_full(lane, class, LOOKS_MAX);
	if (!page) {
		heed_pressure(lane);
		keep_few(lane, class);
		page = adopt_some(lane, class);
	}
	if (!page)
		page = durei_page_make(lane, class, &r);
	if (!page)			/* no room for more: at all that there are */
		page = look_at_full(lane, class, heap->owned_count);
	if (page) {
		durei_page_list_remove(heap, page);
		heap->current[class] = page;
	}
	return page ? 0 : r;
}

/* -- blocks at hand ---------------------------------------------------------------------- */

int durei_stack_fill(struct durei_lane *lane, unsigned class)
{
	struct durei_stack *stack = &lane->heap->stacks[class];
	struct durei_free *half = stack->floor + (stack->ceiling - stack->floor + 1) / 2;
	struct durei_page *page = lane->heap->current[class];
	int index, r;

	while ((index = durei_page_take(page)) < 0) {
		r = find_page(lane, class);
		if (r < 0)
			return r;
		page = lane->heap->current[class];
	}
	/* from the highest down, so that they are handed out in order of address */
	struct durei_free *first = stack->top;
	do {
		*stack->top++ = (struct durei_free){ page->base + (size_t)index * page->block_bytes,
						     &page->states[index] };
	} while (stack->top < half && (index = durei_page_take(page)) >= 0);
	for (struct durei_free *last = stack->top - 1; first < last; first++, last--) {
		struct durei_free swapped = *first;
		*first = *last;
		*last = swapped;
	}
	return 0;
}

uint64_t durei_pages_reclaim(struct durei_lane *lane)
{
	dure_segment *seg = lane->seg;
	uint64_t limit = durei_page_limit(seg), count = 0;

	for (uint64_t number = durei_first_page(seg); number < limit; number++) {
		uint64_t word = cell64_load_acq(&seg->pages[number]);
		if (dl_page_kind(word) != DL_PAGE_LOOSE || dl_page_class(word) >= seg->class_count)
			continue;
		struct durei_page *page = durei_page_adopt(lane, number, word);
		if (!page)
			continue;
		count += page->free_count == page->block_count;
		if (!durei_page_let_go(lane, page))
			durei_page_list_add(lane->heap, page, DUREI_LIST_FULL);
	}
	return count;
}
