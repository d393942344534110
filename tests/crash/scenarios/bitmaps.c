/* SPDX-License-Identifier: MIT */
/*
 * bitmaps.c - bitmaps, alone and in transactions, to be killed at every instruction
 */
#include "steps.h"

#include <string.h>

static dure_bitmap *the_bitmap(struct world *w)
{
	dure_bitmap *b;

	must(dure_bitmap_open(w->seg, "bitmap", DURE_CREATE | DURE_OPEN, &b), "bitmap_open");
	return b;
}

/* 200 bits, of which 10 to 99 are set. */
static void prepare_bitmap(struct world *w)
{
	w->blocks[0] = the_bitmap(w);
	must(dure_bitmap_resize(w->blocks[0], 200), "resize");
	must(dure_bitmap_set_range(w->blocks[0], 10, 90), "set_range");
}

/* So many bits, of which first to end - 1 are set, and no other one. */
static bool holds(struct world *w, uint64_t bits, uint64_t first, uint64_t end)
{
	dure_bitmap *b = the_bitmap(w);
	uint64_t in_range = 0, all = 0;
	bool good = dure_bitmap_size(b) == bits &&
		    dure_bitmap_count(b, first, end - first, &in_range) == 0 &&
		    dure_bitmap_count(b, 0, bits, &all) == 0;

	dure_bitmap_close(b);
	return good && in_range == end - first && all == in_range;
}

static enum verdict judge(struct world *w, bool after)
{
	return holds(w, 200, 10, 100) ? BEFORE : after ? AFTER : WRONG;
}

static void run_set(struct world *w)
{
	must(dure_bitmap_set(w->blocks[0], 100), "set");
}

static enum verdict judge_set(struct world *w)
{
	return judge(w, holds(w, 200, 10, 101));
}

static void run_clear(struct world *w)
{
	must(dure_bitmap_clear(w->blocks[0], 10), "clear");
}

static enum verdict judge_clear(struct world *w)
{
	return judge(w, holds(w, 200, 11, 100));
}

static void run_allocate(struct world *w)
{
	uint64_t bit;

	must(dure_bitmap_allocate(w->blocks[0], 10, &bit), "allocate");
}

static void run_set_range(struct world *w)
{
	must(dure_bitmap_set_range(w->blocks[0], 60, 140), "set_range");
}

static enum verdict judge_set_range(struct world *w)
{
	return judge(w, holds(w, 200, 10, 200));
}

static void run_clear_range(struct world *w)
{
	must(dure_bitmap_clear_range(w->blocks[0], 30, 160), "clear_range");
}

static enum verdict judge_clear_range(struct world *w)
{
	return judge(w, holds(w, 200, 10, 30));
}

/* Bits that had been set, and cut off, are clear. */
static void prepare_cut(struct world *w)
{
	prepare_bitmap(w);
	must(dure_bitmap_set_range(w->blocks[0], 100, 100), "set_range");
	must(dure_bitmap_resize(w->blocks[0], 70), "resize");
}

static void run_extend(struct world *w)
{
	must(dure_bitmap_resize(w->blocks[0], 5000), "resize");
}

static enum verdict judge_extend(struct world *w)
{
	return holds(w, 70, 10, 70) ? BEFORE : holds(w, 5000, 10, 70) ? AFTER : WRONG;
}

static void run_cut(struct world *w)
{
	must(dure_bitmap_resize(w->blocks[0], 50), "resize");
}

static enum verdict judge_cut(struct world *w)
{
	return judge(w, holds(w, 50, 10, 50));
}

static void change(struct world *w)
{
	must(dure_bitmap_set(w->blocks[0], 5), "set");
	must(dure_bitmap_resize(w->blocks[0], 50), "resize");
	must(dure_bitmap_resize(w->blocks[0], 200), "resize");
	must(dure_bitmap_clear_range(w->blocks[0], 0, 40), "clear_range");
}

static void run_in_tx(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change(w);
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_in_tx(struct world *w)
{
	return judge(w, holds(w, 200, 40, 50));
}

static void run_abort(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change(w);
	must(dure_tx_abort(tx), "abort");
}

static enum verdict judge_abort(struct world *w)
{
	return holds(w, 200, 10, 100) ? EITHER : WRONG;
}

static void run_open(struct world *w)
{
	the_bitmap(w);
}

static enum verdict judge_exists(struct world *w)
{
	dure_bitmap *b;
	int r = dure_bitmap_open(w->seg, "bitmap", DURE_OPEN, &b);

	if (r == 0)
		dure_bitmap_close(b);
	return seen(r == 0);
}

static void run_destroy(struct world *w)
{
	must(dure_bitmap_destroy(w->seg, "bitmap"), "destroy");
}

static enum verdict judge_gone(struct world *w)
{
	if (judge_exists(w) == BEFORE)
		return AFTER;
	return holds(w, 200, 10, 100) ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "bitmap_open", "dure_bitmap_open", prepare_nothing, run_open, judge_exists, 0 },
	{ "bitmap_set", "dure_bitmap_set", prepare_bitmap, run_set, judge_set, SEEN_AT_ONCE },
	{ "bitmap_clear", "dure_bitmap_clear", prepare_bitmap, run_clear, judge_clear,
	  SEEN_AT_ONCE },
	{ "bitmap_allocate", "dure_bitmap_allocate", prepare_bitmap, run_allocate, judge_set,
	  SEEN_AT_ONCE },
	{ "bitmap_set_range", "dure_bitmap_set_range", prepare_bitmap, run_set_range,
	  judge_set_range, SEEN_AT_ONCE },
	{ "bitmap_clear_range", "dure_bitmap_clear_range", prepare_bitmap, run_clear_range,
	  judge_clear_range, SEEN_AT_ONCE },
	{ "bitmap_extend", "dure_bitmap_resize", prepare_cut, run_extend, judge_extend,
	  UNCOUNTED | SEEN_AT_ONCE },
	{ "bitmap_cut", "dure_bitmap_resize", prepare_bitmap, run_cut, judge_cut, SEEN_AT_ONCE },
	{ "bitmap_in_tx", "dure_bitmap_set dure_bitmap_resize dure_bitmap_clear_range",
	  prepare_bitmap, run_in_tx, judge_in_tx, 0 },
	{ "bitmap_abort", "dure_bitmap_set dure_bitmap_resize dure_bitmap_clear_range",
	  prepare_bitmap, run_abort, judge_abort, 0 },
	{ "bitmap_destroy", "dure_bitmap_destroy", prepare_bitmap, run_destroy, judge_gone, 0 },
};

const struct scenarios bitmap_scenarios = { list, sizeof list / sizeof *list };
