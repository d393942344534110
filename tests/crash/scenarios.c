/* SPDX-License-Identifier: MIT */
/*
 * scenarios.c - the operations that are killed at every instruction
 *
 * Every mutating function of the public headers stands in a `functions` line here;
 * tests/lint/check-matrix compares them with src/dure.map.
 */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %d: %s\n", what, result, dure_last_error());
	exit(99);
}

struct dure_segment_options small_segment(void)
{
	return (struct dure_segment_options){ .sz = sizeof(struct dure_segment_options),
					      .size_bytes = 400 << 10, .max_bytes = 512 << 10,
					      .processes_max = 6, .threads_max = 6,
					      .backing = DURE_BACKING_POSIX };
}

static enum verdict seen(bool after)
{
	return after ? AFTER : BEFORE;
}

static enum verdict nothing_to_see(struct world *w)
{
	(void)w;
	return EITHER;
}

static void prepare_nothing(struct world *w)
{
	(void)w;
}

static void take_lock(struct world *w)
{
	must(dure_mutex_lock(w->seg, &w->root->lock, DURE_FOREVER), "lock");
}

static void reserve(struct world *w, unsigned i, size_t bytes)
{
	must(dure_block_reserve(w->seg, bytes, 0, &w->blocks[i]), "reserve");
	memset(w->blocks[i], 0x5a, bytes);
}

static void publish(struct world *w, unsigned i, size_t bytes)
{
	reserve(w, i, bytes);
	must(dure_block_publish(w->seg, w->blocks[i], &w->root->refs[i]), "publish");
}

/* Does ref i lead to a block that begins as reserve filled it? */
static bool leads_to_block(struct world *w, unsigned i, size_t bytes)
{
	size_t size;
	unsigned char *block = dure_ref_get(w->seg, w->root->refs[i], bytes);

	return block && dure_block_size(w->seg, block, &size) == 0 && size >= bytes &&
	       block[0] == 0x5a && block[bytes - 1] == 0x5a;
}

/* ref i: empty before, a block after; anything else is wrong */
static enum verdict judge_ref(struct world *w, unsigned i, size_t bytes)
{
	if (w->root->refs[i].offset == 0)
		return BEFORE;
	return leads_to_block(w, i, bytes) ? AFTER : WRONG;
}

/* -- blocks ------------------------------------------------------------------------------ */

static void warm_up(struct world *w)
{
	reserve(w, 0, 64);
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
	take_lock(w);
}

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

static void prepare_reserved(struct world *w)
{
	reserve(w, 0, 64);
	take_lock(w);
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

/* leaves the number of live blocks where the judge finds it */
static void note_live_count(struct world *w)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(w->seg, &info), "heap_info");
	w->root->words[WORDS - 1] = info.live_blocks;
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

static void prepare_published_run(struct world *w)
{
	take_lock(w);
	publish(w, 0, 20000);
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

/* Nearly all pages have been in use, and are full of what was in them. */
static void prepare_used_pages(struct world *w)
{
	reserve(w, 0, 200000);
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
	must(dure_thread_detach(w->seg), "detach");	/* the search begins in front again */
	reserve(w, 0, 20000);		/* makes the heap */
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
	take_lock(w);
}

static void prepare_count(struct world *w)
{
	warm_up(w);
	note_live_count(w);
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

static void prepare_dead_pages(struct world *w)
{
	(void)w;
}

/* -- objects ----------------------------------------------------------------------------- */

struct thing {
	uint64_t value;
	dure_ref part;
};

static int init_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *thing = object;
	void *part;
	int r = dure_tx_alloc(tx, 48, 0, &part);

	(void)count;
	(void)context;
	if (r < 0)
		return r;
	memset(part, 0x33, 48);
	thing->value = 7;
	thing->part = dure_ref_of(dure_tx_segment(tx), part);
	return 0;
}

static int fini_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *thing = object;

	(void)count;
	(void)context;
	return dure_tx_free(tx, dure_ref_get(dure_tx_segment(tx), thing->part, 48));
}

static enum verdict judge_thing(struct world *w, const char *name)
{
	struct thing *thing;
	const unsigned char *part;

	if (dure_object_find(w->seg, name, DURE_TYPE(struct thing), (void **)&thing, NULL) < 0)
		return BEFORE;
	part = dure_ref_get(w->seg, thing->part, 48);
	return thing->value == 7 && part && part[0] == 0x33 && part[47] == 0x33 ? AFTER : WRONG;
}

static enum verdict judge_thing_made(struct world *w)
{
	return judge_thing(w, "thing");
}

static enum verdict judge_unique_made(struct world *w)
{
	return judge_thing(w, DURE_UNIQUE);
}

static enum verdict judge_thing_gone(struct world *w)
{
	enum verdict made = judge_thing(w, "thing");

	return made == WRONG ? WRONG : made == BEFORE ? AFTER : BEFORE;
}

static void run_construct(struct world *w)
{
	struct thing *thing;

	must(dure_object_construct(w->seg, "thing", DURE_TYPE(struct thing), 1, init_thing, NULL,
				   (void **)&thing),
	     "construct");
}

static void run_construct_plain(struct world *w)
{
	uint64_t *numbers;

	must(dure_object_construct(w->seg, "numbers", DURE_TYPE(uint64_t), 20, NULL, NULL,
				   (void **)&numbers),
	     "construct");
}

static enum verdict judge_numbers(struct world *w)
{
	uint64_t *numbers, count;

	if (dure_object_find(w->seg, "numbers", DURE_TYPE(uint64_t), (void **)&numbers, &count) < 0)
		return BEFORE;
	return count == 20 && numbers[0] == 0 && numbers[19] == 0 ? AFTER : WRONG;
}

static void run_find_or_create(struct world *w)
{
	struct thing *thing;

	must(dure_object_find_or_create(w->seg, "thing", DURE_TYPE(struct thing), 1, init_thing,
					NULL, (void **)&thing),
	     "find_or_create");
}

static void run_construct_unique(struct world *w)
{
	struct thing *thing;

	must(dure_object_construct(w->seg, DURE_UNIQUE, DURE_TYPE(struct thing), 1, init_thing,
				   NULL, (void **)&thing),
	     "construct unique");
}

static void run_construct_anonymous(struct world *w)
{
	struct thing *thing;

	must(dure_object_construct(w->seg, DURE_ANONYMOUS, DURE_TYPE(struct thing), 1, NULL, NULL,
				   (void **)&thing),
	     "construct anonymous");
}

static int count_anonymous(const struct dure_object_info *info, void *context)
{
	*(int *)context += info->kind == 3;
	return 0;
}

static enum verdict judge_anonymous(struct world *w)
{
	int count = 0;

	must(dure_object_list(w->seg, count_anonymous, &count), "object_list");
	return count > 1 ? WRONG : seen(count == 1);
}

static void prepare_thing(struct world *w)
{
	run_construct(w);
}

static void run_destroy(struct world *w)
{
	must(dure_object_destroy(w->seg, "thing", DURE_TYPE(struct thing), fini_thing, NULL),
	     "destroy");
}

static void prepare_destroy_at(struct world *w)
{
	must(dure_object_construct(w->seg, "thing", DURE_TYPE(struct thing), 1, init_thing, NULL,
				   &w->blocks[0]),
	     "construct");
}

static void run_destroy_at(struct world *w)
{
	must(dure_object_destroy_at(w->seg, w->blocks[0], fini_thing, NULL), "destroy_at");
}

/* as many names as make the next one double its partition's table, in every partition */
static void prepare_many_names(struct world *w)
{
	char name[32];
	void *object;

	for (int i = 0; i < 24; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		must(dure_object_construct(w->seg, name, DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
		     "construct");
	}
}

static void run_few_more_names(struct world *w)
{
	char name[32];
	void *object;

	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "more-%d", i);
		must(dure_object_construct(w->seg, name, DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
		     "construct");
	}
}

/* All the old names; of the new ones a beginning, without a gap. */
static enum verdict judge_names(struct world *w)
{
	char name[32];
	void *object;
	int made = 0;

	for (int i = 0; i < 24; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		if (dure_object_find(w->seg, name, DURE_TYPE(uint64_t), &object, NULL) < 0)
			return WRONG;
	}
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "more-%d", i);
		if (dure_object_find(w->seg, name, DURE_TYPE(uint64_t), &object, NULL) < 0)
			continue;
		if (made++ != i)
			return WRONG;
	}
	return made == 6 ? AFTER : BEFORE;
}

/* Two objects appear and one vanishes, in one step. */
static void run_objects_in_tx(struct world *w)
{
	dure_tx *tx;
	void *object;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_object_construct(w->seg, "one", DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
	     "construct");
	must(dure_object_destroy(w->seg, "thing", DURE_TYPE(struct thing), fini_thing, NULL),
	     "destroy");
	must(dure_object_construct(w->seg, "two", DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
	     "construct");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_objects_in_tx(struct world *w)
{
	void *object;
	bool one = dure_object_find(w->seg, "one", DURE_TYPE(uint64_t), &object, NULL) == 0;
	bool two = dure_object_find(w->seg, "two", DURE_TYPE(uint64_t), &object, NULL) == 0;
	enum verdict thing = judge_thing(w, "thing");

	if (thing == WRONG || one != two || one == (thing == AFTER))
		return WRONG;
	return seen(one);
}

/* -- transactions ------------------------------------------------------------------------ */

static void run_tx(struct world *w)
{
	uint64_t value = 111, text[5] = { 1, 2, 3, 4, 5 };
	dure_tx *tx;
	void *block;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_lock(tx, &w->root->locks[0], DURE_FOREVER), "lock");
	must(dure_tx_lock(tx, &w->root->locks[1], DURE_FOREVER), "lock");
	must(dure_tx_write(tx, &w->root->words[0], &value, sizeof value), "write");
	must(dure_tx_write(tx, &w->root->words[1], text, sizeof text), "write range");
	must(dure_tx_add(tx, &w->root->words[8], 2 * sizeof value), "add");
	w->root->words[8] = value;
	w->root->words[9] = value;
	must(dure_tx_alloc(tx, 100, 0, &block), "alloc");
	memset(block, 0x5a, 100);
	w->blocks[1] = block;
	dure_ref ref = dure_ref_of(w->seg, block);
	must(dure_tx_write(tx, &w->root->refs[1], &ref, sizeof ref), "write ref");
	must(dure_tx_free(tx, dure_ref_get(w->seg, w->root->refs[0], 64)), "free");
	ref.offset = 0;
	must(dure_tx_write(tx, &w->root->refs[0], &ref, sizeof ref), "write ref");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_tx(struct world *w)
{
	const uint64_t *words = w->root->words;
	bool after = words[0] == 111;

	if (after)
		return words[1] == 1 && words[5] == 5 && words[8] == 111 && words[9] == 111 &&
				       w->root->refs[0].offset == 0 && leads_to_block(w, 1, 100)
			       ? AFTER
			       : WRONG;
	return words[0] == 0 && words[1] == 0 && words[5] == 0 && words[8] == 0 && words[9] == 0 &&
			       w->root->refs[1].offset == 0 && leads_to_block(w, 0, 64)
		       ? BEFORE
		       : WRONG;
}

static void prepare_tx(struct world *w)
{
	take_lock(w);
	publish(w, 0, 64);
	must(dure_mutex_unlock(w->seg, &w->root->lock), "unlock");
}

static void run_tx_abort(struct world *w)
{
	uint64_t value = 111;
	dure_tx *tx;
	void *block;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_lock(tx, &w->root->locks[0], DURE_FOREVER), "lock");
	must(dure_tx_write(tx, &w->root->words[0], &value, sizeof value), "write");
	must(dure_tx_alloc(tx, 100, 0, &block), "alloc");
	must(dure_tx_free(tx, dure_ref_get(w->seg, w->root->refs[0], 64)), "free");
	must(dure_tx_abort(tx), "abort");
}

static enum verdict judge_tx_abort(struct world *w)
{
	return w->root->words[0] == 0 && leads_to_block(w, 0, 64) ? EITHER : WRONG;
}

/* more than the lane's own log holds: it grows by blocks */
static void run_tx_long(struct world *w)
{
	char bytes[200];
	dure_tx *tx;

	memset(bytes, 0x11, sizeof bytes);
	must(dure_tx_begin(w->seg, &tx), "begin");
	for (int i = 0; i < 24; i++)
		must(dure_tx_write(tx, w->root->words, bytes, sizeof bytes), "write");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_tx_long(struct world *w)
{
	const uint64_t *words = w->root->words, ones = 0x1111111111111111;

	for (int i = 1; i < 25; i++)
		if (words[i] != words[0])
			return WRONG;
	return words[0] == ones ? AFTER : words[0] == 0 ? BEFORE : WRONG;
}

/* The log's block has held another log before, of other words. */
static void prepare_tx_long(struct world *w)
{
	char bytes[200];
	dure_tx *tx;

	memset(bytes, 0x22, sizeof bytes);
	must(dure_tx_begin(w->seg, &tx), "begin");
	for (int i = 0; i < 24; i++)
		must(dure_tx_write(tx, w->root->words + 25, bytes, sizeof bytes), "write");
	must(dure_tx_commit(tx), "commit");
	memset(w->root->words + 25, 0x33, sizeof bytes);	/* in no log */
}

static enum verdict judge_tx_long_again(struct world *w)
{
	for (int i = 25; i < 50; i++)
		if (w->root->words[i] != 0x3333333333333333)
			return WRONG;
	return judge_tx_long(w);
}

/* fills the lane's own log with what says nothing before the commit */
static void run_tx_many_blocks(struct world *w)
{
	uint64_t value = 1;
	dure_tx *tx;
	void *block;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_write(tx, &w->root->words[0], &value, sizeof value), "write");
	for (int i = 0; i < 200; i++)
		must(dure_tx_alloc(tx, 16, 0, &block), "alloc");
	must(dure_tx_write(tx, &w->root->words[1], &value, sizeof value), "write");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_tx_many_blocks(struct world *w)
{
	struct dure_heap_info info = { .sz = sizeof info };
	uint64_t done = w->root->words[0];

	must(dure_heap_info(w->seg, &info), "heap_info");
	if (done != w->root->words[1] ||
	    info.live_blocks != w->root->words[WORDS - 1] + (done ? 200 : 0))
		return WRONG;
	return seen(done);
}

static void run_tx_nested(struct world *w)
{
	uint64_t value = 1;
	dure_tx *outer, *inner;

	must(dure_tx_begin(w->seg, &outer), "begin");
	must(dure_tx_write(outer, &w->root->words[0], &value, sizeof value), "write");
	must(dure_tx_begin(w->seg, &inner), "begin");
	must(dure_tx_write(inner, &w->root->words[1], &value, sizeof value), "write");
	must(dure_tx_commit(inner), "commit");
	must(dure_tx_commit(outer), "commit");
}

static enum verdict judge_tx_nested(struct world *w)
{
	if (w->root->words[0] != w->root->words[1])
		return WRONG;
	return seen(w->root->words[0] == 1);
}

static void run_tx_runs(struct world *w)
{
	dure_ref ref = { 0 };
	dure_tx *tx;
	void *block;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_free(tx, dure_ref_get(w->seg, w->root->refs[0], 1)), "free");
	must(dure_tx_write(tx, &w->root->refs[0], &ref, sizeof ref), "write");
	must(dure_tx_alloc(tx, 20000, 0, &block), "alloc");
	((unsigned char *)block)[0] = ((unsigned char *)block)[19999] = 0x5a;
	ref = dure_ref_of(w->seg, block);
	must(dure_tx_write(tx, &w->root->refs[1], &ref, sizeof ref), "write");
	must(dure_tx_commit(tx), "commit");
}

/* One transaction doubles a map's table twice: it frees what it has allocated itself. */
static void run_map_in_tx(struct world *w)
{
	dure_tx *tx;
	char key[8];

	must(dure_tx_begin(w->seg, &tx), "begin");
	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof key, "%d", i);
		must(dure_map_add(w->blocks[0], key, strlen(key), i + 1, NULL), "add");
	}
	must(dure_map_remove(w->blocks[0], "3", 1), "remove");
	must(dure_tx_commit(tx), "commit");
}

static dure_map *small_map(struct world *w)
{
	struct dure_map_options o = { .sz = sizeof o, .partitions = 1 };
	dure_map *map;

	must(dure_map_open(w->seg, "map", DURE_CREATE | DURE_OPEN, &o, &map), "map_open");
	return map;
}

static void prepare_map(struct world *w)
{
	uint64_t one = 1;

	w->blocks[0] = small_map(w);
	must(dure_map_put(w->blocks[0], "old", 3, &one), "put");
}

/* The keys 0 to 11 without 3, or none of them. */
static enum verdict judge_map_in_tx(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t value, found = 0;
	char key[8];
	bool good = dure_map_get(map, "old", 3, &value) == 0 && value == 1;

	for (uint64_t i = 0; i < 12; i++) {
		snprintf(key, sizeof key, "%d", (int)i);
		int r = dure_map_get(map, key, strlen(key), &value);
		good &= r == (i == 3 ? -ENOENT : r) && (r != 0 || value == i + 1);
		found += r == 0;
	}
	good &= dure_map_count(map) == found + 1;
	dure_map_close(map);
	return !good ? WRONG : found == 0 ? BEFORE : found == 11 ? AFTER : WRONG;
}

static void run_map_put(struct world *w)
{
	uint64_t two = 2;

	must(dure_map_put(w->blocks[0], "old", 3, &two), "put");
}

static enum verdict judge_map_put(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t value = 0;

	if (dure_map_get(map, "old", 3, &value) < 0 || dure_map_count(map) != 1)
		value = 0;
	dure_map_close(map);
	return value == 1 ? BEFORE : value == 2 ? AFTER : WRONG;
}

static void prepare_two_counts(struct world *w)
{
	prepare_map(w);
	must(dure_map_add(w->blocks[0], "count", 5, 10, NULL), "add");
}

static void run_map_change_in_tx(struct world *w)
{
	uint64_t two = 2;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_map_add(w->blocks[0], "count", 5, 5, NULL), "add");
	must(dure_map_put(w->blocks[0], "old", 3, &two), "put");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_map_change_in_tx(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t old = 0, count = 0;
	bool good = dure_map_get(map, "old", 3, &old) == 0 &&
		    dure_map_get(map, "count", 5, &count) == 0 && dure_map_count(map) == 2;

	dure_map_close(map);
	if (!good || (old == 1) != (count == 10) || (old == 2) != (count == 15))
		return WRONG;
	return seen(old == 2);
}

/* one table's worth of entries: the next one doubles it */
static void prepare_full_map(struct world *w)
{
	char key[8];

	w->blocks[0] = small_map(w);
	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof key, "%d", i);
		must(dure_map_add(w->blocks[0], key, strlen(key), i + 1, NULL), "add");
	}
}

static void run_map_grow(struct world *w)
{
	must(dure_map_add(w->blocks[0], "5", 1, 6, NULL), "add");
}

static enum verdict judge_map_grown(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t value, found = 0;
	char key[8];

	for (uint64_t i = 0; i < 6; i++) {
		snprintf(key, sizeof key, "%d", (int)i);
		found += dure_map_get(map, key, strlen(key), &value) == 0 && value == i + 1;
	}
	bool good = dure_map_count(map) == found && found >= 5;
	dure_map_close(map);
	return good ? seen(found == 6) : WRONG;
}

static void run_map_insert(struct world *w)
{
	uint64_t nine = 9;

	must(dure_map_insert(w->blocks[0], "new", 3, &nine), "insert");
}

static enum verdict judge_map_insert(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t value = 0;
	int r = dure_map_get(map, "new", 3, &value);
	bool good = dure_map_count(map) == (r == 0 ? 2 : 1);

	dure_map_close(map);
	return !good || (r == 0 && value != 9) ? WRONG : seen(r == 0);
}

static void run_map_remove(struct world *w)
{
	must(dure_map_remove(w->blocks[0], "old", 3), "remove");
}

static enum verdict judge_map_remove(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t value = 0, count = dure_map_count(map);
	int r = dure_map_get(map, "old", 3, &value);

	dure_map_close(map);
	if (r == 0)
		return count == 1 && value == 1 ? BEFORE : WRONG;
	return count == 0 ? AFTER : WRONG;
}

static void run_map_open(struct world *w)
{
	small_map(w);
}

static void run_map_destroy(struct world *w)
{
	must(dure_map_destroy(w->seg, "map"), "destroy");
}

static enum verdict judge_map_exists(struct world *w)
{
	dure_map *map;
	int r = dure_map_open(w->seg, "map", DURE_OPEN, NULL, &map);

	if (r == 0)
		dure_map_close(map);
	return seen(r == 0);
}

static enum verdict judge_map_gone(struct world *w)
{
	return judge_map_exists(w) == AFTER ? BEFORE : AFTER;
}

static enum verdict judge_tx_runs(struct world *w)
{
	bool first = w->root->refs[0].offset != 0, second = w->root->refs[1].offset != 0;

	if (first == second || !leads_to_block(w, first ? 0 : 1, 20000))
		return WRONG;
	return seen(second);
}

/* blocks, objects and words together */
static void run_publish_in_tx(struct world *w)
{
	uint64_t value = 5;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_block_publish(w->seg, w->blocks[0], &w->root->refs[0]), "publish");
	must(dure_tx_write(tx, &w->root->words[0], &value, sizeof value), "write");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_publish_in_tx(struct world *w)
{
	enum verdict block = judge_ref(w, 0, 64);

	return block == WRONG || (block == AFTER) != (w->root->words[0] == 5) ? WRONG : block;
}

/* -- locks ------------------------------------------------------------------------------- */

/* After any death the lock can be had; who has it is told when it was held. */
static enum verdict judge_lock(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &w->root->locks[0], 0);

	if (r < 0)
		return WRONG;
	if (r == DURE_OWNER_DIED)
		must(dure_mutex_mark_consistent(w->seg, &w->root->locks[0]), "mark_consistent");
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
	return r == DURE_OWNER_DIED ? AFTER : BEFORE;
}

static enum verdict judge_unlocked(struct world *w)
{
	enum verdict held = judge_lock(w);

	return held == WRONG ? WRONG : held == AFTER ? BEFORE : AFTER;
}

static void run_lock(struct world *w)
{
	must(dure_mutex_lock(w->seg, &w->root->locks[0], DURE_FOREVER), "lock");
}

static void run_unlock(struct world *w)
{
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
}

static void prepare_two_locks(struct world *w)
{
	run_lock(w);
	must(dure_mutex_lock(w->seg, &w->root->locks[1], DURE_FOREVER), "lock");
}

/* The other one is held all the time. */
static enum verdict judge_one_of_two(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &w->root->locks[1], 0);

	if (r != DURE_OWNER_DIED)
		return WRONG;
	must(dure_mutex_mark_consistent(w->seg, &w->root->locks[1]), "mark_consistent");
	must(dure_mutex_unlock(w->seg, &w->root->locks[1]), "unlock");
	return judge_unlocked(w);
}

static void run_mutex_init(struct world *w)
{
	must(dure_mutex_init(w->seg, &w->root->locks[0], DURE_MUTEX_RECURSIVE), "init");
}

static void prepare_recursive(struct world *w)
{
	run_mutex_init(w);
	run_lock(w);
}

static void run_recursive(struct world *w)
{
	run_lock(w);
	run_lock(w);
	run_unlock(w);
	run_unlock(w);
}

static enum verdict judge_still_held(struct world *w)
{
	return judge_lock(w) == AFTER ? EITHER : WRONG;
}

/* held by this process, and marked as if a holder had died */
static void prepare_died(struct world *w)
{
	run_lock(w);
	*(volatile uint32_t *)(void *)&w->root->locks[0] |= 0x40000000u;
}

static void run_mark_consistent(struct world *w)
{
	must(dure_mutex_mark_consistent(w->seg, &w->root->locks[0]), "mark_consistent");
}

/* somebody died with the lock outside a transaction; within one it is mended */
static void prepare_died_for_tx(struct world *w)
{
	prepare_died(w);
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
}

static void run_mark_in_tx(struct world *w)
{
	uint64_t value = 7;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_lock(tx, &w->root->locks[0], DURE_FOREVER), "lock");
	must(dure_tx_write(tx, &w->root->words[0], &value, sizeof value), "write");
	must(dure_mutex_mark_consistent(w->seg, &w->root->locks[0]), "mark_consistent");
	must(dure_tx_commit(tx), "commit");
}

/* never marked without what mends it; a commit may be told of once more */
static enum verdict judge_marked_in_tx(struct world *w)
{
	bool is_mended = w->root->words[0] == 7;
	int r = dure_mutex_lock(w->seg, &w->root->locks[0], 0);

	if (r < 0 || (!is_mended && r != DURE_OWNER_DIED))
		return WRONG;
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
	return seen(is_mended);
}

static void run_abandon(struct world *w)
{
	must(dure_mutex_abandon(w->seg, &w->root->locks[0]), "abandon");
}

static enum verdict judge_abandoned(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &w->root->locks[0], 0);

	if (r == -ENOTRECOVERABLE)
		return AFTER;
	return r == DURE_OWNER_DIED ? BEFORE : WRONG;
}

/* -- segments ---------------------------------------------------------------------------- */

static void run_open(struct world *w)
{
	struct dure_segment_options o = small_segment();
	dure_segment *again;

	must(dure_segment_open(w->name, DURE_OPEN, &o, &again), "open");
	w->blocks[0] = again;
}

static void prepare_second_handle(struct world *w)
{
	void *block;

	run_open(w);
	must(dure_block_reserve(w->blocks[0], 64, 0, &block), "reserve");
	must(dure_block_keep(w->blocks[0], block), "keep");
}

static void run_close(struct world *w)
{
	must(dure_segment_close(w->blocks[0]), "close");
}

static void prepare_other_handle(struct world *w)
{
	take_lock(w);
	run_open(w);
}

/* its lane is one that nobody has had before */
static void run_attach_first(struct world *w)
{
	must(dure_mutex_lock(w->blocks[0], (dure_mutex *)((char *)dure_segment_base(w->blocks[0]) +
							  ((char *)&w->root->locks[0] -
							   (char *)dure_segment_base(w->seg))),
			     DURE_FOREVER),
	     "lock");
}

static void prepare_detached(struct world *w)
{
	must(dure_thread_detach(w->seg), "detach");
}

/* a lane with pages, blocks in use in some of them */
static void prepare_attached(struct world *w)
{
	for (unsigned i = 0; i < 5; i++) {
		reserve(w, i, 40u << i);
		if (i % 2)
			must(dure_block_cancel(w->seg, w->blocks[i]), "cancel");
		else
			must(dure_block_keep(w->seg, w->blocks[i]), "keep");
	}
}

static void run_attach(struct world *w)
{
	must(dure_mutex_lock(w->seg, &w->root->locks[3], DURE_FOREVER), "lock");
	must(dure_mutex_unlock(w->seg, &w->root->locks[3]), "unlock");
}

static void run_detach(struct world *w)
{
	must(dure_thread_detach(w->seg), "detach");
}

static void run_grow(struct world *w)
{
	must(dure_segment_grow(w->seg, 440 << 10), "grow");
}

static enum verdict judge_grow(struct world *w)
{
	struct dure_segment_info info = { .sz = sizeof info };

	must(dure_segment_info(w->seg, &info), "info");
	return info.size_bytes == 400 << 10 ? BEFORE : info.size_bytes == 440 << 10 ? AFTER : WRONG;
}

static void prepare_free_pages(struct world *w)
{
	reserve(w, 0, 30000);
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
}

static void run_trim(struct world *w)
{
	must(dure_segment_trim(w->seg, NULL), "trim");
}

static void run_prefault(struct world *w)
{
	must(dure_segment_prefault(w->seg, 380000), "prefault");
}

static void run_recover(struct world *w)
{
	must(dure_segment_recover(w->seg), "recover");
}

/* -- the table --------------------------------------------------------------------------- */

#define OBJECTS "dure_object_construct dure_tx_alloc"

const struct scenario scenarios[] = {
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
	{ "resize_grow_reserved", "dure_block_resize", prepare_reserved_run, run_grow_block,
	  nothing_to_see, 0 },
	{ "resize_shrink_reserved", "dure_block_resize", prepare_reserved_run, run_shrink_block,
	  nothing_to_see, 0 },
	{ "construct", OBJECTS, prepare_nothing, run_construct, judge_thing_made,
	  SEEN_AT_ONCE },
	{ "construct_plain", "dure_object_construct", warm_up, run_construct_plain, judge_numbers,
	  SEEN_AT_ONCE },
	{ "construct_in_used_page", "dure_object_construct", prepare_used_pages, run_construct_plain,
	  judge_numbers, SEEN_AT_ONCE },
	{ "construct_unique", OBJECTS, prepare_nothing, run_construct_unique, judge_unique_made,
	  SEEN_AT_ONCE },
	{ "construct_anonymous", OBJECTS, prepare_nothing, run_construct_anonymous, judge_anonymous,
	  SEEN_AT_ONCE },
	{ "construct_growing", "dure_object_construct", prepare_many_names, run_few_more_names,
	  judge_names, UNCOUNTED | SEEN_AT_ONCE },
	{ "find_or_create", "dure_object_find_or_create", prepare_nothing, run_find_or_create,
	  judge_thing_made, SEEN_AT_ONCE },
	{ "destroy", "dure_object_destroy dure_tx_free", prepare_thing, run_destroy, judge_thing_gone,
	  SEEN_AT_ONCE },
	{ "destroy_at", "dure_object_destroy_at", prepare_destroy_at, run_destroy_at, judge_thing_gone,
	  SEEN_AT_ONCE },
	{ "objects_in_tx", "dure_object_construct dure_object_destroy dure_tx_commit", prepare_thing,
	  run_objects_in_tx, judge_objects_in_tx, SEEN_AT_ONCE },
	{ "tx", "dure_tx_begin dure_tx_lock dure_tx_write dure_tx_add dure_tx_alloc dure_tx_free "
		"dure_tx_commit", prepare_tx, run_tx, judge_tx, GUARDED },
	{ "tx_abort", "dure_tx_begin dure_tx_abort", prepare_tx, run_tx_abort, judge_tx_abort, GUARDED },
	{ "tx_long", "dure_tx_write dure_tx_commit", prepare_nothing, run_tx_long, judge_tx_long, 0 },
	{ "tx_long_again", "dure_tx_write dure_tx_commit", prepare_tx_long, run_tx_long,
	  judge_tx_long_again, 0 },
	{ "tx_many_blocks", "dure_tx_alloc dure_tx_commit", prepare_count, run_tx_many_blocks,
	  judge_tx_many_blocks, 0 },
	{ "tx_nested", "dure_tx_begin dure_tx_commit", prepare_nothing, run_tx_nested,
	  judge_tx_nested, 0 },
	{ "tx_runs", "dure_tx_alloc dure_tx_free", prepare_published_run, run_tx_runs, judge_tx_runs,
	  0 },
	{ "publish_in_tx", "dure_block_publish dure_tx_commit", prepare_reserved, run_publish_in_tx,
	  judge_publish_in_tx, 0 },
	{ "map_open", "dure_map_open", prepare_nothing, run_map_open, judge_map_exists, 0 },
	{ "map_put", "dure_map_put dure_map_add", prepare_map, run_map_put, judge_map_put, 0 },
	{ "map_change_in_tx", "dure_map_put dure_map_add", prepare_two_counts, run_map_change_in_tx,
	  judge_map_change_in_tx, 0 },
	{ "map_grow", "dure_map_add", prepare_full_map, run_map_grow, judge_map_grown, UNCOUNTED },
	{ "map_insert", "dure_map_insert", prepare_map, run_map_insert, judge_map_insert, 0 },
	{ "map_remove", "dure_map_remove", prepare_map, run_map_remove, judge_map_remove, 0 },
	{ "map_in_tx", "dure_map_add dure_map_remove", prepare_map, run_map_in_tx, judge_map_in_tx,
	  0 },
	{ "map_destroy", "dure_map_destroy", prepare_map, run_map_destroy, judge_map_gone, UNCOUNTED },
	{ "lock", "dure_mutex_lock", warm_up, run_lock, judge_lock, 0 },
	{ "unlock", "dure_mutex_unlock", run_lock, run_unlock, judge_unlocked, 0 },
	{ "unlock_one_of_two", "dure_mutex_unlock", prepare_two_locks, run_unlock, judge_one_of_two,
	  0 },
	{ "mutex_init", "dure_mutex_init", prepare_nothing, run_mutex_init, nothing_to_see, 0 },
	{ "recursive", "dure_mutex_lock dure_mutex_unlock", prepare_recursive, run_recursive,
	  judge_still_held, 0 },
	{ "mark_consistent", "dure_mutex_mark_consistent", prepare_died, run_mark_consistent,
	  judge_still_held, 0 },
	{ "mark_in_tx", "dure_mutex_mark_consistent dure_tx_lock dure_tx_commit", prepare_died_for_tx,
	  run_mark_in_tx, judge_marked_in_tx, 0 },
	{ "abandon", "dure_mutex_abandon", run_lock, run_abandon, judge_abandoned, 0 },
	{ "open", "dure_segment_open", prepare_nothing, run_open, nothing_to_see, 0 },
	{ "close", "dure_segment_close", prepare_second_handle, run_close, nothing_to_see, 0 },
	{ "attach", "dure_mutex_lock", prepare_detached, run_attach, nothing_to_see, 0 },
	{ "attach_first", "dure_mutex_lock", prepare_other_handle, run_attach_first, judge_lock, 0 },
	{ "thread_detach", "dure_thread_detach", prepare_attached, run_detach, nothing_to_see, 0 },
	{ "grow", "dure_segment_grow", warm_up, run_grow, judge_grow, 0 },
	{ "trim", "dure_segment_trim", prepare_free_pages, run_trim, nothing_to_see, 0 },
	{ "prefault", "dure_segment_prefault", warm_up, run_prefault, nothing_to_see, 0 },
	{ "recover", "dure_segment_recover", prepare_dead_pages, run_recover, nothing_to_see, 0 },
};

const unsigned scenario_count = COUNT(scenarios);
