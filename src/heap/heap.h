/* SPDX-License-Identifier: MIT */
/*
 * heap.h - what a lane privately knows of free blocks, and the pages behind it
 */
#ifndef DUREI_HEAP_HEAP_H
#define DUREI_HEAP_HEAP_H

#include "segment/grow.h"
#include "segment/lane.h"
#include "segment/recover.h"

/*
 * One page of blocks that this lane owns. Bits are set for blocks that are FREE, and only for
 * those: the states in the page are the authority ([PAGE3]), this is a way to find them fast.
 */
struct durei_page {
	struct durei_page *next, *prev;	/* in the list it is in */
	unsigned char *base;		/* block 0 */
	struct cell8 *states;
	uint64_t number;
	uint64_t reciprocal;		/* these two: of the class' shape */
	uint32_t block_bytes;
	uint16_t block_count;
	uint16_t free_count;
	uint16_t first_word;		/* no bit is set below this word */
	uint16_t word_count;
	uint16_t class;
	uint16_t list;			/* enum durei_list */
	uint64_t bits[];
};

enum durei_list {
	DUREI_LIST_NONE,
	DUREI_LIST_PARTIAL,	/* some blocks are free */
	DUREI_LIST_FULL,	/* none is, as far as we know */
};

enum { DUREI_SMALL_TABLE = 65 };	/* sizes up to 1024, in steps of 16 */

/*
 * Free blocks of one class at hand: a stack. Their states are FREE, their pages' bits are not
 * set. The last one freed is the next one handed out, while it is in the processor's cache.
 */
struct durei_free {
	void *block;
	struct cell8 *state;
};

struct durei_stack {
	struct durei_free *top;		/* the next goes here */
	struct durei_free *floor;
	struct durei_free *ceiling;
	void *reserved;
};

enum { DUREI_STACK_MAX = 64, DUREI_STACK_BYTES = 65536 };

struct durei_heap {
	struct durei_page **by_number;		/* sparse */
	struct durei_stack stacks[DL_CLASS_COUNT_MAX];
	uint8_t small_class[DUREI_SMALL_TABLE];
	struct durei_page *current[DL_CLASS_COUNT_MAX];	/* never NULL: see durei_no_page */
	struct durei_page *partial[DL_CLASS_COUNT_MAX];
	struct durei_page *full[DL_CLASS_COUNT_MAX];
	struct durei_page *full_next[DL_CLASS_COUNT_MAX];	/* to be looked at next; NULL: the first */
	uint64_t class_limit_bytes;		/* larger blocks are runs */
	uint64_t search_page;			/* where to look for a free page next */
	uint64_t search_group;			/* where to look for a loose page next */
	uint32_t owned_count;
	uint32_t owned_max;			/* more are let go */
	uint32_t owned_in_claim[DL_CLAIM_WORDS * 64];	/* pages owned, per bit of the claims */
	uint64_t runs_in_claim[DL_CLAIM_WORDS];	/* bits of the claims that runs have needed */
	uint32_t pressure_seen;
	struct durei_free frees[];		/* of all stacks */
};

/* a page without blocks, where a lane has none */
extern struct durei_page durei_no_page;

/* The lane's heap, made when it is first needed. NULL: *ret_error. */
struct durei_heap *durei_heap_make(struct durei_lane *lane, int *ret_error);

static inline struct durei_heap *durei_heap_of(struct durei_lane *lane, int *ret_error)
{
	return __builtin_expect(lane->heap != &durei_no_heap, 1) ? lane->heap
								 : durei_heap_make(lane, ret_error);
}

void durei_heap_forget(struct durei_lane *lane);

/* -- a page's private bits --------------------------------------------------------------- */

/* the first free block of the page, taken; -1: none */
static inline int durei_page_take(struct durei_page *page)
{
	unsigned w = page->first_word;
	uint64_t bits = page->bits[w];

	while (__builtin_expect(bits == 0, 0)) {
		if (w + 1 >= page->word_count)
			return -1;
		bits = page->bits[++w];
		page->first_word = (uint16_t)w;
	}
	page->bits[w] = bits & (bits - 1);
	page->free_count--;
	return (int)(w * 64 + (unsigned)__builtin_ctzll(bits));
}

static inline void durei_page_put(struct durei_page *page, unsigned index)
{
	unsigned w = index / 64;

	page->bits[w] |= UINT64_C(1) << index % 64;
	page->free_count++;
	if (w < page->first_word)
		page->first_word = (uint16_t)w;
}

/* -- blocks at hand (supply.c) ----------------------------------------------------------- */

/* Puts blocks of the class on its stack, at least one. -ENOSPC */
int durei_stack_fill(struct durei_lane *lane, unsigned class);
/* Gives the oldest on the stack back to their pages, until keep are left. */
void durei_stack_drain(struct durei_lane *lane, unsigned class, size_t keep);
/* The lane's pages with free blocks go, but for those in which blocks are reserved. */
void durei_heap_let_hoard_go(struct durei_lane *lane);
/* Loose pages nobody uses a block of become free pages. Returns how many. */
uint64_t durei_pages_reclaim(struct durei_lane *lane);

/* -- pages (page.c) ---------------------------------------------------------------------- */

void durei_page_list_add(struct durei_heap *heap, struct durei_page *page, enum durei_list list);
void durei_page_list_remove(struct durei_heap *heap, struct durei_page *page);
/* Lets all pages of a list go that can go; false: one could not. */
bool durei_page_list_let_go(struct durei_lane *lane, struct durei_page *page);
/* A new page. NULL: *ret_error is -ENOSPC or -ENOMEM */
struct durei_page *durei_page_make(struct durei_lane *lane, unsigned class, int *ret_error);
/* A loose page becomes ours, if its word still is that one. */
struct durei_page *durei_page_adopt(struct durei_lane *lane, uint64_t number, uint64_t word);
/* A block of this page was put back: relists it, gives it up when it is empty. */
void durei_page_after_put(struct durei_lane *lane, struct durei_page *page);
/* Takes the blocks others have freed. */
void durei_page_collect(struct durei_lane *lane, struct durei_page *page);
/* Ours no more. False: blocks in it are still reserved, so it must stay. */
bool durei_page_let_go(struct durei_lane *lane, struct durei_page *page);
/* All pages; false as above, for any. */
bool durei_heap_let_go(struct durei_lane *lane);

/* -- free pages (claim.c) ---------------------------------------------------------------- */

/*
 * Claims count neighbouring pages and sees that they are backed: the head's word is
 * RUN_CLAIMED, the others' TAIL. -ENOSPC, with the sentence
 */
int durei_run_claim(struct durei_lane *lane, uint64_t count, uint64_t *ret_page);
/* Takes count pages from page on, for a run that grows: CLAIMED. False: not free. */
bool durei_run_claim_behind(struct durei_lane *lane, uint64_t page, uint64_t count);
/* The lane owns a page more or less there: its claims stay as small as what it owns. */
void durei_claims_count(struct durei_lane *lane, uint64_t page, int change);
/* A run of the lane is there: when it goes to somebody else, nobody tells us. */
void durei_claims_keep(struct durei_lane *lane, uint64_t page);
/* A searched group may have something again. */
void durei_group_hint(dure_segment *seg, uint64_t page, uint8_t hint);
void durei_pages_count(dure_segment *seg, int64_t change);

/* -- runs (run.c) ------------------------------------------------------------------------ */

/* Tails, then the head, whose word says that they are to go: FREE, or HOLE. */
void durei_run_release(dure_segment *seg, uint64_t page, uint64_t count, enum dl_page_kind to);
/* Finishes what a head's word of kind RUN_GROWING or RUN_SHRINKING says. */
void durei_run_finish(dure_segment *seg, uint64_t page, uint64_t word);
int durei_run_reserve(struct durei_lane *lane, uint64_t bytes, uint64_t *ret_offset);
int durei_run_free(struct durei_lane *lane, uint64_t page, uint64_t word);
int durei_run_resize(struct durei_lane *lane, uint64_t page, uint64_t word, uint64_t bytes);

/* -- blocks (find.c) --------------------------------------------------------------------- */

/* What an address means, read from page words and states; believed only after checks. */
struct durei_block {
	uint64_t page;			/* the head's number */
	uint64_t word;			/* the head's word */
	uint64_t bytes;			/* usable */
	struct cell8 *state;		/* NULL: a run, whose word is its state */
	uint64_t index;
	bool is_live, is_reserved;
};

/* False: no block begins there. No sentence is made. */
bool durei_block_at(dure_segment *seg, uint64_t offset, struct durei_block *ret);
/* The start of the block that an offset lies in. False: it lies in none. */
bool durei_block_start(dure_segment *seg, uint64_t offset, uint64_t *ret_start);
int durei_not_a_block(dure_segment *seg, const void *address, const char *what);

/* 0 and the shape's place of the page's states */
struct cell8 *durei_states_of(dure_segment *seg, uint64_t page, unsigned class);

/* May this process give the reserved block back or publish it? Its own, of any thread. */
bool durei_block_is_ours(const struct durei_lane *lane, const struct durei_block *block);

/* -- blocks for rooms above (block.c, log_blocks.c) -------------------------------------- */

int durei_block_reserve(struct durei_lane *lane, uint64_t bytes, uint64_t align,
			uint64_t *ret_offset);
int durei_block_free(struct durei_lane *lane, uint64_t offset);
/* The log has freed it: in a page of ours it is free at once, elsewhere a hint is set. */
void durei_block_collect(struct durei_lane *lane, uint64_t offset);

/* In the open log: reserved -> live, live -> free. -EINVAL (no such block), -ENOSPC */
int durei_log_take(struct durei_lane *lane, uint64_t offset);
int durei_log_free(struct durei_lane *lane, uint64_t offset);

/* -- recovery (mend.c) ------------------------------------------------------------------- */

/* What was being resized; before the locks are freed. */
void durei_heap_mend_resizes(struct durei_mending *mending);
/* All the other pages; after. */
void durei_heap_mend(struct durei_mending *mending);

#endif
