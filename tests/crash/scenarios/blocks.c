/* SPDX-License-Identifier: MIT */
/*
 * blocks.c - reserving, publishing, freeing and resizing blocks, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

static void run_reserve(struct world *w)
{
	must(dure_block_reserve(w->seg, 64, 0, &w->blocks[0]), "reserve");
}

static void run_reserve_medium(struct world *w)
{
	must(dure_block_reserve(w->seg, 3000, 0, &w->blocks[0]), "reserve");
}

static void run_reserve_run(struct world *w)
{
	must(dure_block_reserve(w->seg, 20000, 0, &w->blocks[0]), "reserve");
}

static void run_reserve_many(struct world *w)
{
	must(dure_block_reserve_many(w->seg, 200, 0, 8, w->blocks), "reserve_many");
}

static void prepare_reserved_run(struct world *w)
{
	reserve(w, 0, 20000);
	take_lock(w);
}

static void run_publish(struct world *w)
{
	must(dure_block_publish(w->seg, w->blocks[0], &w->root->refs[0]), "publish");
}

static enum verdict judge_publish(struct world *w)
{
	return judge_ref(w, 0, 64);
}

static enum verdict judge_publish_run(struct world *w)
{
	return judge_ref(w, 0, 20000);
}

static void run_keep(struct world *w)
{
	must(dure_block_keep(w->seg, w->blocks[0]), "keep");
}

static enum verdict judge_live_count(struct world *w)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(w->seg, &info), "heap_info");
	return seen(info.live_blocks > w->root->words[WORDS - 1]);
}

static void prepare_keep(struct world *w)
{
	reserve(w, 0, 64);
	note_live_count(w);
}

static void prepare_keep_run(struct world *w)
{
	reserve(w, 0, 20000);
	note_live_count(w);
}

static void run_cancel(struct world *w)
{
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
}

static void run_alloc(struct world *w)
{
	must(dure_block_alloc(w->seg, 64, 0, &w->root->refs[0]), "alloc");
}

static enum verdict judge_alloc(struct world *w)
{
	const char *block = dure_ref_get(w->seg, w->root->refs[0], 64);

	if (!block)
		return BEFORE;
	return block[0] == 0 && block[63] == 0 ? AFTER : WRONG;
}

static void prepare_published(struct world *w)
{
	take_lock(w);
	publish(w, 0, 64);
}

/* The lane's log still has the words of an earlier link. */
static void prepare_second(struct world *w)
{
	prepare_published(w);
	reserve(w, 1, 64);
}

static void run_publish_second(struct world *w)
{
	must(dure_block_publish(w->seg, w->blocks[1], &w->root->refs[1]), "publish");
}

static enum verdict judge_second(struct world *w)
{
	return leads_to_block(w, 0, 64) ? judge_ref(w, 1, 64) : WRONG;
}

static void run_free_from(struct world *w)
{
	must(dure_block_free_from(w->seg, &w->root->refs[0]), "free_from");
}

static enum verdict judge_freed(struct world *w)
{
	if (w->root->refs[0].offset == 0)
		return AFTER;
	return leads_to_block(w, 0, 64) ? BEFORE : WRONG;
}

static enum verdict judge_freed_run(struct world *w)
{
	if (w->root->refs[0].offset == 0)
		return AFTER;
	return leads_to_block(w, 0, 20000) ? BEFORE : WRONG;
}

/* The blocks were made by another lane: the page is loose, or somebody else's. */
static void prepare_foreign(struct world *w)
{
	take_lock(w);
	publish(w, 0, 64);
	publish(w, 1, 64);
	must(dure_mutex_unlock(w->seg, &w->root->lock), "unlock");
	must(dure_thread_detach(w->seg), "detach");
	take_lock(w);
}

/* The block is kept without a link, so that freeing it is one store. */
static void prepare_kept(struct world *w)
{
	reserve(w, 0, 64);
	note_live_count(w);
	must(dure_block_keep(w->seg, w->blocks[0]), "keep");
}

static void prepare_kept_foreign(struct world *w)
{
	prepare_kept(w);
	reserve(w, 1, 64);
	must(dure_block_keep(w->seg, w->blocks[1]), "keep");
	w->root->words[WORDS - 1]++;
	must(dure_thread_detach(w->seg), "detach");
	take_lock(w);
}

static void prepare_kept_run(struct world *w)
{
	reserve(w, 0, 20000);
	note_live_count(w);
	must(dure_block_keep(w->seg, w->blocks[0]), "keep");
}

static void run_free(struct world *w)
{
	must(dure_block_free(w->seg, w->blocks[0]), "free");
}

static enum verdict judge_kept_freed(struct world *w)
{
	return judge_live_count(w) == AFTER ? BEFORE : AFTER;
}

static void prepare_replace(struct world *w)
{
	take_lock(w);
	publish(w, 0, 64);
	reserve(w, 1, 64);
	memset(w->blocks[1], 0x77, 64);
}

static void run_replace(struct world *w)
{
	must(dure_block_replace(w->seg, w->blocks[1], &w->root->refs[0]), "replace");
}

static enum verdict judge_replaced(struct world *w)
{
	const unsigned char *block = dure_ref_get(w->seg, w->root->refs[0], 64);

	if (!block || (block[0] != 0x5a && block[0] != 0x77))
		return WRONG;
	return seen(block[0] == 0x77);
}

static void run_grow_block(struct world *w)
{
	must(dure_block_resize(w->seg, w->blocks[0], 40000, NULL), "resize");
}

static void run_shrink_block(struct world *w)
{
	must(dure_block_resize(w->seg, w->blocks[0], 9000, NULL), "resize");
}

static enum verdict judge_size(struct world *w, size_t before, size_t after)
{
	size_t size = 0;

	if (dure_block_size(w->seg, dure_ref_get(w->seg, w->root->refs[0], 1), &size) < 0)
		return WRONG;
	return size == before ? BEFORE : size == after ? AFTER : WRONG;
}

static enum verdict judge_grown(struct world *w)
{
	return judge_size(w, 20480, 40960);
}

static enum verdict judge_shrunk(struct world *w)
{
	return judge_size(w, 20480, 12288);
}

/* in a section of locks[0], as users resize what others use */
static void prepare_locked_run(struct world *w)
{
	prepare_published_run(w);
	must(dure_mutex_lock(w->seg, &w->root->locks[0], DURE_FOREVER), "lock");
}

/* The next holder can work on it: resizing it to what it is changes nothing. */
static enum verdict judge_usable(struct world *w, enum verdict size)
{
	void *block = dure_ref_get(w->seg, w->root->refs[0], 1);
	size_t bytes;

	if (size == WRONG || dure_block_size(w->seg, block, &bytes) < 0 ||
	    dure_block_resize(w->seg, block, bytes, NULL) < 0)
		return WRONG;
	return size;
}

static enum verdict judge_grown_locked(struct world *w)
{
	return judge_usable(w, judge_grown(w));
}

static enum verdict judge_shrunk_locked(struct world *w)
{
	return judge_usable(w, judge_shrunk(w));
}

/* fills the current page, so that the next reserve makes or adopts one */
static void prepare_full_page(struct world *w)
{
	uintptr_t page = 0;
	void *block;
	int pages = 0;

	take_lock(w);
	/* the third page is a new one, from its first block on: 62 more fill it */
	for (int i = 0; i < 62;) {
		must(dure_block_reserve(w->seg, 64, 0, &block), "reserve");
		must(dure_block_keep(w->seg, block), "keep");
		i += pages == 3;
		pages += (uintptr_t)block / 4096 != page;
		page = (uintptr_t)block / 4096;
	}
}

/* longer than any stretch of backed pages */
static void run_keep_of_holes(struct world *w)
{
	must(dure_block_reserve(w->seg, 262144, 0, &w->blocks[0]), "reserve");
	must(dure_block_keep(w->seg, w->blocks[0]), "keep");
}

/* a loose page with free blocks, and no page of our own */
static void prepare_loose_page(struct world *w)
{
	void *block;

	for (int i = 0; i < 10; i++) {
		must(dure_block_reserve(w->seg, 64, 0, &block), "reserve");
		must(dure_block_keep(w->seg, block), "keep");
	}
	must(dure_block_free(w->seg, block), "free");
	must(dure_thread_detach(w->seg), "detach");
	take_lock(w);
}

static const struct scenario list[] = {
	{ "reserve", "dure_block_reserve", warm_up, run_reserve, nothing_to_see, 0 },
	{ "reserve_cold", "dure_block_reserve", prepare_detached, run_reserve, nothing_to_see, 0 },
	{ "reserve_new_page", "dure_block_reserve", prepare_full_page, run_reserve, nothing_to_see, 0 },
	{ "reserve_loose_page", "dure_block_reserve", prepare_loose_page, run_reserve, nothing_to_see,
	  0 },
	{ "reserve_used_page", "dure_block_reserve", prepare_used_pages, run_reserve_medium,
	  nothing_to_see, 0 },
	{ "reserve_medium", "dure_block_reserve", warm_up, run_reserve_medium, nothing_to_see, 0 },
	{ "reserve_run", "dure_block_reserve", warm_up, run_reserve_run, nothing_to_see, 0 },
	{ "reserve_many", "dure_block_reserve_many", warm_up, run_reserve_many, nothing_to_see, 0 },
	{ "publish", "dure_block_publish", prepare_reserved, run_publish, judge_publish, 0 },
	{ "publish_second", "dure_block_publish", prepare_second, run_publish_second, judge_second, 0 },
	{ "publish_run", "dure_block_publish", prepare_reserved_run, run_publish, judge_publish_run, 0 },
	{ "keep", "dure_block_keep", prepare_keep, run_keep, judge_live_count, 0 },
	{ "keep_run", "dure_block_keep", prepare_keep_run, run_keep, judge_live_count, 0 },
	{ "keep_of_holes", "dure_block_keep", prepare_count, run_keep_of_holes, judge_live_count,
	  0 },
	{ "cancel", "dure_block_cancel", prepare_reserved, run_cancel, nothing_to_see, 0 },
	{ "cancel_run", "dure_block_cancel", prepare_reserved_run, run_cancel, nothing_to_see, 0 },
	{ "alloc", "dure_block_alloc", warm_up, run_alloc, judge_alloc, 0 },
	{ "free", "dure_block_free", prepare_kept, run_free, judge_kept_freed, 0 },
	{ "free_foreign", "dure_block_free", prepare_kept_foreign, run_free, judge_kept_freed, 0 },
	{ "free_run", "dure_block_free", prepare_kept_run, run_free, judge_kept_freed, 0 },
	{ "free_from", "dure_block_free_from", prepare_published, run_free_from, judge_freed, 0 },
	{ "free_from_foreign", "dure_block_free_from", prepare_foreign, run_free_from, judge_freed, 0 },
	{ "free_from_run", "dure_block_free_from", prepare_published_run, run_free_from,
	  judge_freed_run, 0 },
	{ "replace", "dure_block_replace", prepare_replace, run_replace, judge_replaced, 0 },
	{ "resize_grow", "dure_block_resize", prepare_published_run, run_grow_block, judge_grown, 0 },
	{ "resize_shrink", "dure_block_resize", prepare_published_run, run_shrink_block, judge_shrunk,
	  0 },
	{ "resize_grow_locked", "dure_block_resize", prepare_locked_run, run_grow_block,
	  judge_grown_locked, GUARDED | TOLD },
	{ "resize_shrink_locked", "dure_block_resize", prepare_locked_run, run_shrink_block,
	  judge_shrunk_locked, GUARDED | TOLD },
	{ "resize_grow_reserved", "dure_block_resize", prepare_reserved_run, run_grow_block,
	  nothing_to_see, 0 },
	{ "resize_shrink_reserved", "dure_block_resize", prepare_reserved_run, run_shrink_block,
	  nothing_to_see, 0 },
};

const struct scenarios block_scenarios = { list, sizeof list / sizeof *list };
