/* SPDX-License-Identifier: MIT */
/*
 * segments.c - opening, attaching, growing and leaving segments, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

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

static const struct scenario list[] = {
	{ "open", "dure_segment_open", prepare_nothing, run_open, nothing_to_see, 0 },
	{ "close", "dure_segment_close", prepare_second_handle, run_close, nothing_to_see, 0 },
	{ "attach", "dure_mutex_lock", prepare_detached, run_attach, nothing_to_see, 0 },
	{ "attach_first", "dure_mutex_lock", prepare_other_handle, run_attach_first, judge_lock, 0 },
	{ "thread_detach", "dure_thread_detach", prepare_attached, run_detach, nothing_to_see, 0 },
	{ "grow", "dure_segment_grow", warm_up, run_grow, judge_grow, 0 },
	{ "trim", "dure_segment_trim", prepare_free_pages, run_trim, nothing_to_see, 0 },
	{ "prefault", "dure_segment_prefault", warm_up, run_prefault, nothing_to_see, 0 },
	{ "recover", "dure_segment_recover", prepare_nothing, run_recover, nothing_to_see, 0 },
};

const struct scenarios segment_scenarios = { list, sizeof list / sizeof *list };
