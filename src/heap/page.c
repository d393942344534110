/* SPDX-License-Identifier: MIT */
/*
 * page.c - pages of equal blocks: who hands them out, and how free ones are found
 *
 * Why      Handing out a block must cost no more than a private malloc, and a death must cost
 *          nobody anything. So a page belongs to one thread, which alone hands out its free
 *          blocks and keeps note of them in private memory; whether a block is taken is one
 *          byte in the page, written by whoever has a right to the block: the thread that
 *          reserves it, the one that publishes it, the one that frees it. No two write the
 *          same byte, so no store needs a lock, and each is a commit of its own.
 * States   OWNED: the owner knows the FREE blocks. LOOSE: nobody does; the next owner reads
 *          them from the states. A page is loosened when its owner has too many, and when it
 *          leaves or dies.
 * Rules    [HEAP1] FREE -> RESERVED, RESERVED -> FREE: the owner, or in its name the heir
 *          [HEAP2] RESERVED -> LIVE: the process that owns the page
 *          [HEAP3] LIVE -> FREE: the owner's own free; LIVE -> FREED: anybody else's, and
 *                  UNLINKED from a log. FREED, UNLINKED -> FREE: the owner
 *          [HEAP4] an UNLINKED block that a lane's `freeing` names is left alone (tx/log.c)
 *          [HEAP5] states are zeroed before the word says OWNED, so that no reader takes old
 *                  bytes for states
 * Death    making a page, after step    is left behind                  who mends it
 *          1 RUN_CLAIMED                see claim.c                     mend.c: HOLE
 *          2 states zeroed              the same                        the same
 *          3 OWNED                      an empty page of the dead       mend.c: FREE
 *          adopting: OWNED              a page of the dead              mend.c: LOOSE
 *          a stray RESERVED made FREE   the same                        the next owner does it
 *          letting go: LOOSE or FREE    nothing                         -
 */
#include <stdlib.h>
#include <string.h>

#include "heap/heap.h"
#include "os/map.h"
#include "tx/log.h"

enum {
	OWNED_SHARE = 1,	/* a lane keeps up to this part of all pages ... */
	OWNED_MIN = 16,		/* ... and some more */
};

struct durei_heap durei_no_heap;

struct durei_page durei_no_page = { .word_count = 1, .list = DUREI_LIST_NONE,
				    .block_count = UINT16_MAX, .bits = { 0 } };

/* eight states at a time */
#define EACH UINT64_C(0x0101010101010101)
#define HIGH (EACH << 7)

/* states are below 128: no sum carries into its neighbour */
static bool any_freed(uint64_t eight)
{
	return (eight + EACH * (128 - DL_BLOCK_FREED)) & HIGH;
}

static bool any_reserved(uint64_t eight)
{
	uint64_t x = eight ^ EACH * DL_BLOCK_RESERVED;

	return (x - EACH) & ~x & HIGH;
}

static uint64_t eight_states(const struct cell8 *states, unsigned index)
{
	return __atomic_load_n((const volatile uint64_t *)(const void *)(states + index),
			       __ATOMIC_ACQUIRE);
}

/* -- the lane's heap --------------------------------------------------------------------- */

static size_t by_number_bytes(const dure_segment *seg)
{
	return align_up((seg->super.max_bytes >> seg->page_shift) * sizeof(struct durei_page *),
			durei_page_bytes());
}

static size_t stack_size(unsigned class)
{
	return (size_t)clamp_u64(DUREI_STACK_BYTES / dl_class_bytes(class), 2, DUREI_STACK_MAX);
}

static void lay_out_stacks(struct durei_heap *heap, unsigned class_count)
{
	struct durei_free *floor = heap->frees;

	for (unsigned class = 0; class < class_count; class++) {
		heap->stacks[class] = (struct durei_stack){ .top = floor, .floor = floor,
							    .ceiling = floor + stack_size(class) };
		floor += stack_size(class);
	}
}

static struct durei_heap *new_heap(const dure_segment *seg)
{
	size_t frees = 0;
	void *table;

	for (unsigned class = 0; class < seg->class_count; class++)
		frees += stack_size(class);
	struct durei_heap *heap = calloc(1, sizeof *heap + frees * sizeof(struct durei_free));
	if (!heap)
		return NULL;
	if (durei_map_create(-1, 0, by_number_bytes(seg), DUREI_MAP_ANONYMOUS, &table) < 0) {
		free(heap);
		return NULL;
	}
	heap->by_number = table;
	lay_out_stacks(heap, seg->class_count);
	return heap;
}

struct durei_heap *durei_heap_make(struct durei_lane *lane, int *ret_error)
{
	dure_segment *seg = lane->seg;
	struct durei_heap *heap = new_heap(seg);

	if (!heap) {
		*ret_error = durei_error(ENOMEM, "segment %s: no private memory for a heap",
					 seg->super.name);
		return NULL;
	}
	for (unsigned class = 0; class < seg->class_count; class++)
		heap->current[class] = &durei_no_page;
	for (unsigned i = 0; i < DUREI_SMALL_TABLE; i++)
		heap->small_class[i] = (uint8_t)dl_class_of((uint64_t)i * DL_CLASS_STEP);
	heap->class_limit_bytes = dl_class_bytes(seg->class_count - 1);
	heap->owned_max = (uint32_t)(durei_page_limit(seg) / OWNED_SHARE + OWNED_MIN);
	heap->pressure_seen = cell32_load_rlx(&seg->state->pressure);
	lane->heap = heap;
	return heap;
}

/* -- lists ------------------------------------------------------------------------------- */

static struct durei_page **list_head(struct durei_heap *heap, const struct durei_page *page)
{
	return page->list == DUREI_LIST_FULL ? &heap->full[page->class]
					     : &heap->partial[page->class];
}

void durei_page_list_add(struct durei_heap *heap, struct durei_page *page, enum durei_list list)
{
	page->list = (uint16_t)list;
	struct durei_page **head = list_head(heap, page);
	page->prev = NULL;
	page->next = *head;
	if (*head)
		(*head)->prev = page;
	*head = page;
}

void durei_page_list_remove(struct durei_heap *heap, struct durei_page *page)
{
	if (page->list == DUREI_LIST_NONE)
		return;
	if (page->prev)
		page->prev->next = page->next;
	else
		*list_head(heap, page) = page->next;
	if (heap->full_next[page->class] == page)
		heap->full_next[page->class] = page->next;
	if (page->next)
		page->next->prev = page->prev;
	page->list = DUREI_LIST_NONE;
}

/* -- private knowledge ------------------------------------------------------------------- */

static void remember(struct durei_heap *heap, const dure_segment *seg, struct durei_page *page,
		     struct durei_page *value)
{
	for (unsigned i = 0; i < seg->classes[page->class].page_count; i++)
		heap->by_number[page->number + i] = value;
}

static struct durei_page *new_private(struct durei_lane *lane, uint64_t number, unsigned class)
{
	dure_segment *seg = lane->seg;
	const struct dl_class_shape *shape = &seg->classes[class];
	unsigned words = (shape->block_count + 63) / 64;
	struct durei_page *page = calloc(1, sizeof *page + words * sizeof *page->bits);

	if (!page)
		return NULL;
	page->base = durei_at(seg, number << seg->page_shift);
	page->states = durei_states_of(seg, number, class);
	page->number = number;
	page->reciprocal = shape->reciprocal;
	page->block_bytes = shape->block_bytes;
	page->block_count = (uint16_t)shape->block_count;
	page->word_count = (uint16_t)words;
	page->class = (uint16_t)class;
	page->list = DUREI_LIST_NONE;
	remember(lane->heap, seg, page, page);
	lane->heap->owned_count++;
	durei_claims_count(lane, number, 1);
	return page;
}

static void forget(struct durei_lane *lane, struct durei_page *page)
{
	struct durei_heap *heap = lane->heap;

	if (heap->current[page->class] == page)
		heap->current[page->class] = &durei_no_page;
	durei_page_list_remove(heap, page);
	remember(heap, lane->seg, page, NULL);
	heap->owned_count--;
	free(page);
}

static void set_all_free(struct durei_page *page)
{
	for (unsigned w = 0; w < page->word_count; w++)
		page->bits[w] = ~UINT64_C(0);
	if (page->block_count % 64)
		page->bits[page->word_count - 1] = (UINT64_C(1) << page->block_count % 64) - 1;
	page->free_count = page->block_count;
	page->first_word = 0;
}

/* Are these pages none of ours? Else the table contradicts what we know, and is wrong. */
static bool is_unknown(const struct durei_heap *heap, uint64_t number, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (heap->by_number[number + i])
			return false;
	return true;
}

/* -- collecting -------------------------------------------------------------------------- */

struct collection {
	dure_segment *seg;
	struct durei_page *page;
	bool has_hazards;
	struct durei_hazards hazards;
};

/* [HEAP4] */
static bool may_take(struct collection *c, uint8_t state, unsigned index)
{
	if (state != DL_BLOCK_UNLINKED)
		return state == DL_BLOCK_FREED;
	if (!c->has_hazards)		/* after the state was read */
		durei_log_hazards(c->seg, &c->hazards);
	c->has_hazards = true;
	return !durei_hazards_have(&c->hazards, durei_offset(c->seg, &c->page->states[index]));
}

static void collect_block(struct collection *c, unsigned index)
{
	struct cell8 *cell = &c->page->states[index];
	uint8_t state = cell8_load_acq(cell);

	if (may_take(c, state, index)) {
		cell8_store_rel(cell, DL_BLOCK_FREE);
		durei_page_put(c->page, index);
	} else if (state == DL_BLOCK_UNLINKED) {
		cell64_or(&c->seg->pages[c->page->number], DL_PAGE_HAS_FREED);	/* later */
	}
}

static void collect_states(dure_segment *seg, struct durei_page *page)
{
	struct collection c = { .seg = seg, .page = page };

	for (unsigned i = 0; i < page->block_count; i += 8) {
		if (!any_freed(eight_states(page->states, i)))
			continue;
		for (unsigned j = i; j < i + 8 && j < page->block_count; j++)
			collect_block(&c, j);
	}
}

void durei_page_collect(struct durei_lane *lane, struct durei_page *page)
{
	/* the hint first: who frees from now on sets it again */
	cell64_and(&lane->seg->pages[page->number], ~DL_PAGE_HAS_FREED);
	collect_states(lane->seg, page);
}

/* -- owning and letting go --------------------------------------------------------------- */

struct durei_page *durei_page_make(struct durei_lane *lane, unsigned class, int *ret_error)
{
	dure_segment *seg = lane->seg;
	const struct dl_class_shape *shape = &seg->classes[class];
	struct durei_page *page = NULL;
	uint64_t number;

	durei_busy_begin(lane);
	*ret_error = durei_run_claim(lane, shape->page_count, &number);	/* step 1 */
	if (*ret_error == 0 && !is_unknown(lane->heap, number, shape->page_count)) {
		*ret_error = durei_error(EUCLEAN, "segment %s: page %llu is in use, and called free: "
					 "run dure check", seg->super.name,
					 (unsigned long long)number);
	} else if (*ret_error == 0) {
		page = new_private(lane, number, class);
		if (!page) {
			durei_run_release(seg, number, shape->page_count, DL_PAGE_FREE);
			*ret_error = durei_error_plain(ENOMEM);
		}
	}
	if (page) {
		memset(page->states, 0, align_up(shape->block_count, DL_STATES_LINE)); /* step 2 */
		set_all_free(page);
		cell64_store_rel(&seg->pages[number],
				 dl_page_blocks(DL_PAGE_OWNED, class, lane->id));	/* step 3 */
	}
	durei_busy_end(lane);
	return page;
}

static void read_free_bits(dure_segment *seg, struct durei_page *page)
{
	for (unsigned i = 0; i < page->block_count; i++) {
		uint8_t state = cell8_load_acq(&page->states[i]);
		if (state == DL_BLOCK_RESERVED)		/* [PAGE4]: damage, and nobody's */
			cell8_store_rel(&page->states[i], DL_BLOCK_FREE);
		if (state == DL_BLOCK_FREE || state == DL_BLOCK_RESERVED)
			durei_page_put(page, i);
	}
	collect_states(seg, page);
}

/* May it be adopted: are its states there, its tails its own, and none of it ours already? */
static bool is_whole(const struct durei_lane *lane, uint64_t number, unsigned class)
{
	dure_segment *seg = lane->seg;
	uint64_t count = seg->classes[class].page_count;

	if (count > durei_page_limit(seg) - number || !is_unknown(lane->heap, number, count) ||
	    !durei_bytes_are_backed(seg, number << seg->page_shift, count << seg->page_shift))
		return false;
	for (uint64_t i = 1; i < count; i++)
		if (cell64_load_acq(&seg->pages[number + i]) != dl_page_tail(i))
			return false;
	return true;
}

struct durei_page *durei_page_adopt(struct durei_lane *lane, uint64_t number, uint64_t word)
{
	dure_segment *seg = lane->seg;
	unsigned class = dl_page_class(word);
	struct durei_page *page = NULL;

	if (!is_whole(lane, number, class))
		return NULL;
	durei_busy_begin(lane);
	durei_claims_mark(lane, number, 1);
	if (cell64_cas(&seg->pages[number], &word,
		       dl_page_blocks(DL_PAGE_OWNED, class, lane->id))) {
		page = new_private(lane, number, class);
		if (page)
			read_free_bits(seg, page);
		else
			cell64_store_rel(&seg->pages[number], word);
	}
	durei_busy_end(lane);
	return page;
}

static bool has_reserved(const struct durei_page *page)
{
	unsigned i = 0;

	for (; i + 8 <= page->block_count; i += 8)
		if (any_reserved(eight_states(page->states, i)))
			return true;
	for (; i < page->block_count; i++)	/* what lies behind the last state means nothing */
		if (cell8_load_acq(&page->states[i]) == DL_BLOCK_RESERVED)
			return true;
	return false;
}

/* An empty page, or empty run of pages, becomes free. */
static void give_up(struct durei_lane *lane, struct durei_page *page)
{
	dure_segment *seg = lane->seg;
	uint64_t number = page->number, count = seg->classes[page->class].page_count;

	durei_busy_begin(lane);
	forget(lane, page);
	cell64_store_rel(&seg->pages[number], dl_page_run(DL_PAGE_RUN_FREEING, lane->id, count));
	durei_run_release(seg, number, count, DL_PAGE_FREE);
	durei_claims_count(lane, number, -1);	/* [LANE5]: after the word */
	durei_busy_end(lane);
}

static void loosen(struct durei_lane *lane, struct durei_page *page)
{
	dure_segment *seg = lane->seg;
	struct cell64 *word = &seg->pages[page->number];
	uint64_t number = page->number, seen = cell64_load_acq(word), loose;
	bool has_free = page->free_count > 0;

	do
		loose = dl_page_blocks(DL_PAGE_LOOSE, page->class, lane->id) |
			(has_free ? DL_PAGE_HAS_FREED : seen & DL_PAGE_HAS_FREED);
	while (!cell64_cas(word, &seen, loose));
	forget(lane, page);
	durei_claims_count(lane, number, -1);	/* [LANE5]: after the word */
	if (loose & DL_PAGE_HAS_FREED)
		durei_group_hint(seg, number, DL_GROUP_MAYBE_LOOSE);
}

/* Blocks of it on the class' stack have been drained, or the page is not let go but kept. */
bool durei_page_let_go(struct durei_lane *lane, struct durei_page *page)
{
	if (cell64_load_rlx(&lane->seg->pages[page->number]) & DL_PAGE_HAS_FREED)
		durei_page_collect(lane, page);
	if (page->free_count == page->block_count)
		give_up(lane, page);
	else if (has_reserved(page))
		return false;
	else
		loosen(lane, page);
	return true;
}

bool durei_page_list_let_go(struct durei_lane *lane, struct durei_page *page)
{
	struct durei_page *next;
	bool all = true;

	for (; page; page = next) {
		next = page->next;
		all &= durei_page_let_go(lane, page);
	}
	return all;
}

/* Runs do not stand in any list: claims tell where they may be. */
static bool has_reserved_runs(const struct durei_lane *lane)
{
	const dure_segment *seg = lane->seg;
	uint64_t limit = durei_page_limit(lane->seg), step = UINT64_C(1) << seg->claim_shift;

	for (uint64_t bit = 0; bit < DL_CLAIM_WORDS * 64; bit++) {
		uint64_t first = bit << seg->claim_shift;
		if (!(lane->heap->runs_in_claim[bit / 64] >> bit % 64 & 1))
			continue;
		for (uint64_t page = first; page < min_u64(first + step, limit); page++) {
			uint64_t word = cell64_load_acq(&seg->pages[page]);
			if (dl_page_kind(word) == DL_PAGE_RUN_RESERVED &&
			    dl_page_lane(word) == lane->id)
				return true;
		}
	}
	return false;
}

bool durei_heap_let_go(struct durei_lane *lane)
{
	struct durei_heap *heap = lane->heap;
	bool all = true;

	if (heap == &durei_no_heap)
		return true;
	for (unsigned class = 0; class < lane->seg->class_count; class++) {
		durei_stack_drain(lane, class, 0);
		if (heap->current[class] != &durei_no_page)
			all &= durei_page_let_go(lane, heap->current[class]);
		all &= durei_page_list_let_go(lane, heap->partial[class]);
		all &= durei_page_list_let_go(lane, heap->full[class]);
	}
	if (has_reserved_runs(lane))
		all = false;
	if (all)
		for (unsigned word = 0; word < DL_CLAIM_WORDS; word++)
			cell64_store_rel(&lane->shared->claims[word], 0);
	return all;
}

void durei_heap_forget(struct durei_lane *lane)
{
	struct durei_heap *heap = lane->heap;

	if (heap == &durei_no_heap)
		return;
	for (unsigned class = 0; class < lane->seg->class_count; class++) {
		if (heap->current[class] != &durei_no_page)
			forget(lane, heap->current[class]);
		while (heap->partial[class])
			forget(lane, heap->partial[class]);
		while (heap->full[class])
			forget(lane, heap->full[class]);
	}
	durei_map_remove(heap->by_number, by_number_bytes(lane->seg));
	free(heap);
	lane->heap = &durei_no_heap;
}

void durei_page_after_put(struct durei_lane *lane, struct durei_page *page)
{
	struct durei_heap *heap = lane->heap;

	if (page->list == DUREI_LIST_FULL) {
		durei_page_list_remove(heap, page);
		durei_page_list_add(heap, page, DUREI_LIST_PARTIAL);
	}
	if (page->free_count == page->block_count && heap->current[page->class] != page)
		give_up(lane, page);
}
