/* SPDX-License-Identifier: MIT */
/*
 * block.c - reserving, publishing and freeing blocks
 *
 * Why      These are the calls that must be as fast as a private malloc. The common cases
 *          (a small block from the lane's current page; a block in one of its own pages)
 *          touch the lane's private memory and one byte in the page; everything else is in
 *          functions of its own.
 * Rules    page.c [HEAP1] to [HEAP5], run.c, tx/log.c
 * Death    reserve: RESERVED is a byte of a page that dies with its owner.
 *          keep, free: one store. Publish, free_from in a page of ours: tx/link.c; elsewhere,
 *          and replace: the log's table.
 */
#include <dure/block.h>

#include <string.h>

#include "heap/heap.h"
#include "segment/wait.h"
#include "tx/link.h"

enum {
	ALIGN_DEFAULT = 16,
	ALIGN_MAX = 4096,
	SMALL_MAX = 1024,
	RESIZE_PATIENCE_NS = 1000000000,
};

/* -- reserving --------------------------------------------------------------------------- */

static int check_alignment(uint64_t align)
{
	if (is_power_of_two(align) && align <= ALIGN_MAX)
		return 0;
	return durei_error(EINVAL, "an alignment of %llu is no power of two up to %d",
			   (unsigned long long)align, ALIGN_MAX);
}

/* A class whose blocks are all aligned so: pages are aligned to more than any of them. */
static unsigned aligned_class(uint64_t bytes, uint64_t align)
{
	unsigned class = dl_class_of(max_u64(bytes, align));

	while (dl_class_bytes(class) % align)
		class++;
	return class;
}

static int reserve_in_class(struct durei_lane *lane, unsigned class, uint64_t *ret_offset)
{
	struct durei_stack *stack = &lane->heap->stacks[class];

	if (stack->top == stack->floor) {
		int r = durei_stack_fill(lane, class);
		if (r < 0)
			return r;
	}
	stack->top--;
	cell8_store_rel(stack->top->state, DL_BLOCK_RESERVED);
	*ret_offset = durei_offset(lane->seg, stack->top->block);
	return 0;
}

int durei_block_reserve(struct durei_lane *lane, uint64_t bytes, uint64_t align,
			uint64_t *ret_offset)
{
	int r = 0;
	struct durei_heap *heap = durei_heap_of(lane, &r);

	if (!heap)
		return r;
	if (align <= ALIGN_DEFAULT)
		return bytes <= heap->class_limit_bytes
			       ? reserve_in_class(lane, dl_class_of(bytes), ret_offset)
			       : durei_run_reserve(lane, bytes, ret_offset);
	r = check_alignment(align);
	if (r < 0)
		return r;
	unsigned class = aligned_class(min_u64(bytes, heap->class_limit_bytes), align);
	return class < lane->seg->class_count && bytes <= heap->class_limit_bytes
		       ? reserve_in_class(lane, class, ret_offset)
		       : durei_run_reserve(lane, bytes, ret_offset);
}

static __attribute__((noinline)) int reserve_slowly(dure_segment *seg, size_t bytes,
						    size_t align, void **ret)
{
	uint64_t offset;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(seg, &r);

	if (!lane)
		return r;
	r = durei_block_reserve(lane, bytes, align, &offset);
	if (r == 0)
		*ret = durei_at(seg, offset);
	return r;
}

int dure_block_reserve(dure_segment *segment, size_t bytes, size_t align, void **ret)
{
	struct durei_lane *lane = durei_lane_hot(segment);

	if (__builtin_expect(lane && bytes <= SMALL_MAX && align <= ALIGN_DEFAULT, 1)) {
		struct durei_heap *heap = lane->heap;
		struct durei_stack *stack = &heap->stacks[heap->small_class[(bytes + 15) / 16]];
		struct durei_free *top = stack->top;
		if (__builtin_expect(top != stack->floor, 1)) {
			stack->top = --top;
			cell8_store_rel(top->state, DL_BLOCK_RESERVED);
			*ret = top->block;
			return 0;
		}
	}
	return reserve_slowly(segment, bytes, align, ret);
}

int dure_block_reserve_many(dure_segment *segment, size_t bytes, size_t align, size_t count,
			    void **ret)
{
	size_t got = 0;
	int r = 0;

	while (got < count && r == 0) {
		r = dure_block_reserve(segment, bytes, align, &ret[got]);
		got += r == 0;
	}
	if (r < 0)
		while (got-- > 0)
			(void)dure_block_cancel(segment, ret[got]);
	return r;
}

/* -- finding a block that is handed in --------------------------------------------------- */

/* A block in a page this lane owns: the page, and the block's state. NULL: look elsewhere. */
static inline struct durei_page *own_page(const struct durei_lane *lane, const void *block,
					  struct cell8 **ret_state)
{
	uint64_t offset = (uint64_t)((const unsigned char *)block - lane->base), in, index;
	struct durei_page *page;

	if (__builtin_expect(offset >= lane->mapped_bytes || lane->heap == &durei_no_heap, 0))
		return NULL;
	page = lane->heap->by_number[offset >> lane->page_shift];
	if (__builtin_expect(!page, 0))
		return NULL;
	in = (uint64_t)((const unsigned char *)block - page->base);
	index = in * page->reciprocal >> DL_RECIPROCAL_SHIFT;
	if (__builtin_expect(index * page->block_bytes != in || index >= page->block_count, 0))
		return NULL;
	*ret_state = &page->states[index];
	return page;
}

bool durei_block_is_ours(const struct durei_lane *lane, const struct durei_block *block)
{
	uint16_t owner = dl_page_lane(block->word);
	uint64_t status;

	if (owner == lane->id)
		return true;
	if (owner == 0 || owner >= durei_lane_end(lane->seg) ||
	    dl_page_kind(block->word) == DL_PAGE_LOOSE)
		return false;
	status = cell64_load_acq(&lane->seg->lane_status[owner]);
	return (durei_status_state(status) == DL_LANE_OWNED ||
		durei_status_state(status) == DL_LANE_PARKED) &&
	       durei_status_slot(status) == lane->seg->slot;
}

/* A block this process has reserved; what: for the sentence. */
static int find_reserved(struct durei_lane *lane, const void *block, const char *what,
			 struct durei_block *ret)
{
	if (durei_block_at(lane->seg, durei_offset(lane->seg, block), ret) && ret->is_reserved &&
	    durei_block_is_ours(lane, ret))
		return 0;
	return durei_not_a_block(lane->seg, block, what);
}

static uint64_t state_offset(const dure_segment *seg, const struct durei_block *block)
{
	return block->state ? durei_offset(seg, block->state)
			    : durei_offset(seg, &seg->pages[block->page]);
}

static uint64_t live_run(const struct durei_block *block)
{
	return dl_page_run(DL_PAGE_RUN_LIVE, 0, dl_page_count(block->word));
}

/* -- publishing -------------------------------------------------------------------------- */

static __attribute__((noinline)) int keep_slowly(dure_segment *segment, void *block)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	struct durei_block found;

	if (!lane)
		return r;
	r = find_reserved(lane, block, "dure_block_keep", &found);
	if (r < 0)
		return r;
	if (found.state)
		cell8_store_rel(found.state, DL_BLOCK_LIVE);
	else
		cell64_store_rel(&segment->pages[found.page], live_run(&found));
	return 0;
}

int dure_block_keep(dure_segment *segment, void *block)
{
	struct durei_lane *lane = durei_lane_hot(segment);
	struct cell8 *state;

	if (__builtin_expect(lane && own_page(lane, block, &state) &&
				     cell8_load_rlx(state) == DL_BLOCK_RESERVED,
			     1)) {
		cell8_store_rel(state, DL_BLOCK_LIVE);
		return 0;
	}
	return keep_slowly(segment, block);
}

static inline bool is_place(dure_segment *seg, const dure_ref *place)
{
	uint64_t offset = durei_offset(seg, place);

	return offset % 8 == 0 && offset >= seg->super.data_offset &&
	       durei_bytes_are_backed(seg, offset, sizeof *place);
}

static int check_place(dure_segment *seg, const dure_ref *place)
{
	if (is_place(seg, place))
		return 0;
	return durei_error(EINVAL, "segment %s: %p is no place in it for a reference",
			   seg->super.name, (const void *)place);
}

static struct cell64 *cell_of(dure_ref *place)
{
	return (struct cell64 *)(void *)place;
}

int durei_log_take(struct durei_lane *lane, uint64_t offset)
{
	dure_segment *seg = lane->seg;
	struct durei_block block;
	struct cell8 *state;

	if (own_page(lane, durei_at(seg, offset), &state) &&
	    cell8_load_rlx(state) == DL_BLOCK_RESERVED)
		return durei_log_add(lane, DL_LOG_TAKE, durei_offset(seg, state), offset);
	int r = find_reserved(lane, durei_at(seg, offset), "publishing", &block);
	if (r < 0)
		return r;
	return block.state ? durei_log_add(lane, DL_LOG_TAKE, state_offset(seg, &block), offset)
			   : durei_log_add(lane, DL_LOG_TAKE_RUN, state_offset(seg, &block),
					   live_run(&block));
}

/*
 * Somebody is resizing the block. If he is dead, this is finished; if he lives, or whoever
 * mends him, he is given a moment. 0: look again.
 */
static int let_resize_end(struct durei_lane *lane, const struct durei_block *block,
			  int64_t deadline_ns)
{
	const struct cell32 *half = (const struct cell32 *)(const void *)&lane->seg->pages[block->page];
	uint16_t owner = dl_page_lane(block->word);

	if (owner && owner < durei_lane_end(lane->seg) &&
	    (durei_recover_lane(lane->seg, lane, owner) == 1 ||
	     durei_wait_any(lane, half, cell32_load_acq(half), &owner, 1, deadline_ns) == 0))
		return 0;
	return durei_error(EAGAIN, "segment %s: the block at +%#llx is being resized by another "
			   "thread", lane->seg->super.name,
			   (unsigned long long)(block->page << lane->seg->page_shift));
}

/* A block that can be freed: live, or reserved by this process. */
static int find_used(struct durei_lane *lane, uint64_t offset, struct durei_block *ret)
{
	dure_segment *seg = lane->seg;
	int64_t deadline = 0;
	int r = 0;

	while (r == 0 && durei_block_at(seg, offset, ret)) {
		if (ret->is_reserved && durei_block_is_ours(lane, ret))
			return 0;
		if (!ret->is_live)
			break;
		if (ret->state || dl_page_kind(ret->word) == DL_PAGE_RUN_LIVE)
			return 0;
		if (!deadline)
			deadline = durei_deadline(RESIZE_PATIENCE_NS);
		r = let_resize_end(lane, ret, deadline);
	}
	return r < 0 ? r : durei_not_a_block(seg, durei_at(seg, offset), "freeing");
}

/* A single operation frees it at once; within a transaction it is marked, so that nobody
   frees it twice, and the mark is undone with the rest. */
int durei_log_free(struct durei_lane *lane, uint64_t offset)
{
	dure_segment *seg = lane->seg;
	struct durei_block block;
	int r = find_used(lane, offset, &block);
	uint64_t at;

	if (r < 0)
		return r;
	at = state_offset(seg, &block);
	if (block.state) {
		if (!lane->tx.is_single)
			r = durei_log_write_byte(lane, block.state, DL_BLOCK_DOOMED);
		return r < 0 ? r : durei_log_add(lane, DL_LOG_FREE, at, offset);
	}
	if (!durei_heap_of(lane, &r))
		return r;
	durei_claims_mark(lane, block.page, 1);
	durei_claims_keep(lane, block.page);
	if (!lane->tx.is_single)
		r = durei_log_write_word(lane, &seg->pages[block.page],
					 block.word | DL_PAGE_RUN_DOOMED);
	return r < 0 ? r
		     : durei_log_add(lane, DL_LOG_FREE_RUN, at,
				     dl_page_run(DL_PAGE_RUN_FREEING, lane->id,
						 dl_page_count(block.word)));
}

/*
 * Links new_offset (0: nothing) from place, and frees what it meant before (0: nothing), as
 * one operation, or as part of the open transaction.
 */
static int link_and_free(struct durei_lane *lane, dure_ref *place, uint64_t new_offset,
			 uint64_t old_offset)
{
	struct cell64 *cell = cell_of(place);
	bool in_tx = durei_log_is_open(lane);
	int r = in_tx ? 0 : durei_log_begin(lane, true);

	if (r == 0 && new_offset) {
		r = durei_log_take(lane, new_offset);
		if (r < 0 && in_tx)
			return r;	/* nothing is in the log yet */
	}
	if (r == 0)
		r = in_tx ? durei_log_write_word(lane, cell, new_offset)
			  : durei_log_add(lane, DL_LOG_SET, durei_offset(lane->seg, cell), new_offset);
	if (r == 0 && old_offset)
		r = durei_log_free(lane, old_offset);
	if (in_tx) {
		if (r < 0)		/* part of it is in the log: all or nothing */
			lane->tx.is_doomed = 1;
		return r;
	}
	if (r < 0) {
		lane->tx.block_count = 0;	/* the caller keeps the block reserved */
		durei_log_abort(lane);
	} else {
		durei_log_commit(lane);
	}
	return r;
}

static __attribute__((noinline)) int publish_slowly(dure_segment *segment, void *block,
						    dure_ref *place)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (!lane)
		return r;
	r = check_place(segment, place);
	return r < 0 ? r : link_and_free(lane, place, durei_offset(segment, block), 0);
}

int dure_block_publish(dure_segment *segment, void *block, dure_ref *place)
{
	struct durei_lane *lane = durei_lane_hot(segment);
	struct cell8 *state;

	if (__builtin_expect(lane && is_place(segment, place) && own_page(lane, block, &state) &&
				     cell8_load_rlx(state) == DL_BLOCK_RESERVED &&
				     !durei_log_is_open(lane),
			     1)) {
		durei_link(lane, cell_of(place), durei_offset(segment, block), state, DL_BLOCK_LIVE);
		return 0;
	}
	return publish_slowly(segment, block, place);
}

int dure_block_replace(dure_segment *segment, void *block, dure_ref *place)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (!lane)
		return r;
	r = check_place(segment, place);
	return r < 0 ? r
		     : link_and_free(lane, place, durei_offset(segment, block), place->offset);
}

int dure_block_alloc(dure_segment *segment, size_t bytes, size_t align, dure_ref *place)
{
	void *block;
	int r = dure_block_reserve(segment, bytes, align, &block);

	if (r < 0)
		return r;
	memset(block, 0, bytes);
	r = dure_block_publish(segment, block, place);
	if (r < 0)
		(void)dure_block_cancel(segment, block);
	return r;
}

/* -- freeing ----------------------------------------------------------------------------- */

/*
 * Tells whoever owns the page next. The block has just become free, so all of the page may
 * have been given up meanwhile, and its word may mean a run: only a page of blocks is marked.
 */
static void hint_freed(dure_segment *seg, uint64_t page, uint64_t seen)
{
	struct cell64 *word = &seg->pages[page];

	while ((dl_page_kind(seen) == DL_PAGE_OWNED || dl_page_kind(seen) == DL_PAGE_LOOSE) &&
	       !(seen & DL_PAGE_HAS_FREED))
		if (cell64_cas(word, &seen, seen | DL_PAGE_HAS_FREED))
			seen |= DL_PAGE_HAS_FREED;
	if (dl_page_kind(seen) == DL_PAGE_LOOSE)
		durei_group_hint(seg, page, DL_GROUP_MAYBE_LOOSE);
}

/* In a page that is not ours: one store, and a hint for who owns it next. */
static int free_elsewhere(struct durei_lane *lane, const struct durei_block *block)
{
	dure_segment *seg = lane->seg;

	if (!block->state)
		return durei_run_free(lane, block->page, block->word);
	cell8_store_rel(block->state, DL_BLOCK_FREED);
	hint_freed(seg, block->page, block->word);
	return 0;
}

/* It is FREE, in a page of ours: at hand for the next reserve. */
static inline void stack_in_own_page(struct durei_lane *lane, const struct durei_page *page,
				     void *block, struct cell8 *state)
{
	struct durei_stack *stack = &lane->heap->stacks[page->class];

	*stack->top++ = (struct durei_free){ block, state };
	if (__builtin_expect(stack->top == stack->ceiling, 0))
		durei_stack_drain(lane, page->class, (size_t)(stack->ceiling - stack->floor) / 2);
}

static inline void free_in_own_page(struct durei_lane *lane, const struct durei_page *page,
				    void *block, struct cell8 *state)
{
	cell8_store_rel(state, DL_BLOCK_FREE);
	stack_in_own_page(lane, page, block, state);
}

void durei_block_collect(struct durei_lane *lane, uint64_t offset)
{
	void *block = durei_at(lane->seg, offset);
	struct cell8 *state;
	struct durei_page *page = own_page(lane, block, &state);
	struct durei_block found;

	if (page) {
		free_in_own_page(lane, page, block, state);
		return;
	}
	if (!durei_block_at(lane->seg, offset, &found))
		return;
	hint_freed(lane->seg, found.page, found.word);
}

static __attribute__((noinline)) int free_slowly(dure_segment *seg, void *block,
						 const char *what, bool only_reserved)
{
	struct durei_block found;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(seg, &r);
	struct cell8 *state;

	if (!lane || !block)
		return r;
	struct durei_page *page = own_page(lane, block, &state);
	if (page && cell8_load_rlx(state) == DL_BLOCK_RESERVED) {
		free_in_own_page(lane, page, block, state);
		return 0;
	}
	if (durei_offset(seg, block) >= seg->mapped_bytes)
		return durei_not_a_block(seg, block, what);
	r = find_used(lane, durei_offset(seg, block), &found);
	if (r == 0 && only_reserved && !found.is_reserved)
		return durei_not_a_block(seg, block, what);
	return r < 0 ? r : free_elsewhere(lane, &found);
}

int dure_block_free(dure_segment *segment, void *block)
{
	struct durei_lane *lane = durei_lane_hot(segment);
	struct cell8 *state;

	if (__builtin_expect(lane != NULL, 1)) {
		struct durei_page *page = own_page(lane, block, &state);
		/* LIVE or RESERVED */
		if (__builtin_expect(page && cell8_load_rlx(state) - 1u <= 1u, 1)) {
			free_in_own_page(lane, page, block, state);
			return 0;
		}
	}
	return free_slowly(segment, block, "dure_block_free", false);
}

int dure_block_cancel(dure_segment *segment, void *block)
{
	return free_slowly(segment, block, "dure_block_cancel", true);
}

int durei_block_free(struct durei_lane *lane, uint64_t offset)
{
	return dure_block_free(lane->seg, durei_at(lane->seg, offset));
}

static __attribute__((noinline)) int free_from_slowly(dure_segment *segment, dure_ref *place)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	uint64_t old;

	if (!lane)
		return r;
	r = check_place(segment, place);
	if (r < 0)
		return r;
	old = dure_ref_load(place).offset;
	return old ? link_and_free(lane, place, 0, old) : 0;
}

int dure_block_free_from(dure_segment *segment, dure_ref *place)
{
	struct durei_lane *lane = durei_lane_hot(segment);
	struct cell8 *state;

	if (__builtin_expect(lane && is_place(segment, place) && !durei_log_is_open(lane), 1)) {
		void *block = durei_at(segment, dure_ref_load(place).offset);
		struct durei_page *page = own_page(lane, block, &state);
		if (__builtin_expect(page && cell8_load_rlx(state) == DL_BLOCK_LIVE, 1)) {
			durei_link(lane, cell_of(place), 0, state, DL_BLOCK_FREE);
			stack_in_own_page(lane, page, block, state);
			return 0;
		}
	}
	return free_from_slowly(segment, place);
}

/* -- resizing ---------------------------------------------------------------------------- */

int dure_block_resize(dure_segment *segment, void *block, size_t bytes, size_t *ret_bytes)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	struct durei_block found;

	if (!lane)
		return r;
	if (durei_offset(segment, block) >= segment->mapped_bytes)
		return durei_not_a_block(segment, block, "dure_block_resize");
	r = find_used(lane, durei_offset(segment, block), &found);
	if (r < 0)
		return r;
	if (!found.state && !durei_heap_of(lane, &r))
		return r;
	if (!found.state)
		r = durei_run_resize(lane, found.page, found.word, bytes);
	else if (bytes > found.bytes)
		r = durei_error(ENOSPC, "segment %s: blocks of %llu bytes do not grow where they are",
				segment->super.name, (unsigned long long)found.bytes);
	return r < 0 || !ret_bytes ? r : dure_block_size(segment, block, ret_bytes);
}
