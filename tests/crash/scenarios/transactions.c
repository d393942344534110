/* SPDX-License-Identifier: MIT */
/*
 * transactions.c - transactions of words, ranges and blocks, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

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

static const struct scenario list[] = {
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
};

const struct scenarios transaction_scenarios = { list, sizeof list / sizeof *list };
