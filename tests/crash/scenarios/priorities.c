/* SPDX-License-Identifier: MIT */
/*
 * priorities.c - priority queues, alone and in transactions, to be killed at every instruction
 */
#include "steps.h"

#include <string.h>

/* keys are digits, elements letters: what there is, as a text */
enum { PLACES_SEEN = 10, SERIALS_SEEN = 14 };

static dure_priority *the_queue(struct world *w)
{
	dure_priority *q;

	must(dure_priority_open(w->seg, "queue", DURE_TYPE(uint64_t), DURE_CREATE | DURE_OPEN, NULL,
				&q), "priority_open");
	return q;
}

static void push(struct world *w, char key, char letter)
{
	uint64_t k = (uint64_t)(key - '0'), element = (uint64_t)letter;

	must(dure_priority_push(w->blocks[0], &k, &element, NULL), "push");
}

/* Handles are known: the n-th push has the n-th serial, and at first the n-th place. */
static struct dure_priority_handle handle(uint64_t place)
{
	return (struct dure_priority_handle){ place, place + 1 };
}

static void prepare_queue(struct world *w)
{
	w->blocks[0] = the_queue(w);
	for (const char *text = "5a3b8c1d9e4f7g"; *text; text += 2)
		push(w, text[0], text[1]);
}

#define QUEUE "a5b3c8d1e9f4g7"

/* Each letter with its key, as they are in the text, and nothing else; the lowest is the first. */
static bool holds(struct world *w, const char *text)
{
	uint64_t count = 0, key, letter, lowest = 9, first = 9;
	dure_priority *q = the_queue(w);
	bool good = true;

	for (uint64_t i = 0; i < PLACES_SEEN * SERIALS_SEEN; i++) {
		struct dure_priority_handle h = { i / SERIALS_SEEN, 1 + i % SERIALS_SEEN };
		if (dure_priority_get(q, h, &key, &letter) < 0)
			continue;
		const char *at = strchr(text, (int)letter);
		good &= at && (uint64_t)(at[1] - '0') == key;
		lowest = key < lowest ? key : lowest;
		count++;
	}
	good &= count == strlen(text) / 2 && dure_priority_count(q) == count;
	good &= dure_priority_peek(q, &first, NULL) == 0 && first == lowest;
	dure_priority_close(q);
	return good;
}

static enum verdict judge(struct world *w, const char *after)
{
	return holds(w, QUEUE) ? BEFORE : holds(w, after) ? AFTER : WRONG;
}

static void run_push(struct world *w)
{
	push(w, '0', 'x');
}

static enum verdict judge_push(struct world *w)
{
	return judge(w, QUEUE "x0");
}

/* The next one is put where another one was. */
static void prepare_free_place(struct world *w)
{
	prepare_queue(w);
	push(w, '6', 'y');
	must(dure_priority_remove(w->blocks[0], handle(7)), "remove");
}

/* The places of one chunk are used: the next one needs another. */
static void prepare_full_chunk(struct world *w)
{
	prepare_queue(w);
	for (int i = 7; i < 32; i++)
		push(w, '9', 'z');
}

/* As many, and the first one is another. */
static enum verdict judge_grow(struct world *w)
{
	dure_priority *q = the_queue(w);
	uint64_t count = dure_priority_count(q), key = 9, letter = 0;
	bool good = dure_priority_peek(q, &key, &letter) == 0;

	dure_priority_close(q);
	if (good && count == 32 && key == 1 && letter == 'd')
		return BEFORE;
	return good && count == 33 && key == 0 && letter == 'x' ? AFTER : WRONG;
}

static void run_pop(struct world *w)
{
	must(dure_priority_pop(w->blocks[0], NULL, NULL), "pop");
}

static enum verdict judge_pop(struct world *w)
{
	return judge(w, "a5b3c8e9f4g7");
}

static void change_key(struct world *w, uint64_t place, uint64_t key)
{
	must(dure_priority_change(w->blocks[0], handle(place), &key), "change");
}

static void run_raise(struct world *w)
{
	change_key(w, 2, 0);
}

static enum verdict judge_raise(struct world *w)
{
	return judge(w, "a5b3c0d1e9f4g7");
}

static void run_lower(struct world *w)
{
	change_key(w, 3, 9);
}

static enum verdict judge_lower(struct world *w)
{
	return judge(w, "a5b3c8d9e9f4g7");
}

static void run_remove(struct world *w)
{
	must(dure_priority_remove(w->blocks[0], handle(1)), "remove");
}

static enum verdict judge_remove(struct world *w)
{
	return judge(w, "a5c8d1e9f4g7");
}

/* Places of what is taken away are used anew. */
static void change(struct world *w)
{
	run_pop(w);
	push(w, '2', 'x');
	change_key(w, 4, 0);
	run_remove(w);
	run_pop(w);
	push(w, '6', 'y');
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
	return judge(w, "a5c8f4g7x2y6");
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
	return holds(w, QUEUE) ? EITHER : WRONG;
}

static void run_open(struct world *w)
{
	the_queue(w);
}

static enum verdict judge_exists(struct world *w)
{
	dure_priority *q;
	int r = dure_priority_open(w->seg, "queue", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &q);

	if (r == 0)
		dure_priority_close(q);
	return seen(r == 0);
}

static void run_destroy(struct world *w)
{
	must(dure_priority_destroy(w->seg, "queue"), "destroy");
}

static enum verdict judge_gone(struct world *w)
{
	if (judge_exists(w) == BEFORE)
		return AFTER;
	return holds(w, QUEUE) ? BEFORE : WRONG;
}

/* -- keys of bytes --------------------------------------------------------------------------- */

static dure_priority *the_names(struct world *w)
{
	struct dure_priority_options o = { .sz = sizeof o, .key_bytes = 12 };
	dure_priority *q;

	must(dure_priority_open(w->seg, "names", DURE_TYPE(uint64_t), DURE_CREATE | DURE_OPEN, &o, &q),
	     "priority_open");
	return q;
}

static void prepare_names(struct world *w)
{
	static const char *const names[] = { "aaaaaaaaaaa2", "aaaaaaaaaaa1", "aaaaaaaaaaa3" };

	w->blocks[0] = the_names(w);
	for (uint64_t i = 0; i < 3; i++)
		must(dure_priority_push(w->blocks[0], names[i], &i, NULL), "push");
}

static void run_rename(struct world *w)
{
	must(dure_priority_change(w->blocks[0], handle(2), "aaaaaaaaaaa0"), "change");
}

static enum verdict judge_rename(struct world *w)
{
	dure_priority *q = the_names(w);
	char key[13] = "", first[13] = "";
	uint64_t element = 9;
	bool good = dure_priority_get(q, handle(2), key, NULL) == 0 &&
		    dure_priority_peek(q, first, &element) == 0 && dure_priority_count(q) == 3;

	dure_priority_close(q);
	if (good && element == 1 && strcmp(key, "aaaaaaaaaaa3") == 0)
		return BEFORE;
	return good && element == 2 && strcmp(key, "aaaaaaaaaaa0") == 0 ? AFTER : WRONG;
}

static const struct scenario list[] = {
	{ "priority_open", "dure_priority_open", prepare_nothing, run_open, judge_exists, 0 },
	{ "priority_push", "dure_priority_push", prepare_queue, run_push, judge_push, 0 },
	{ "priority_push_again", "dure_priority_push", prepare_free_place, run_push, judge_push, 0 },
	{ "priority_grow", "dure_priority_push", prepare_full_chunk, run_push, judge_grow,
	  UNCOUNTED },
	{ "priority_pop", "dure_priority_pop", prepare_queue, run_pop, judge_pop, 0 },
	{ "priority_raise", "dure_priority_change", prepare_queue, run_raise, judge_raise, 0 },
	{ "priority_lower", "dure_priority_change", prepare_queue, run_lower, judge_lower, 0 },
	{ "priority_rename", "dure_priority_change", prepare_names, run_rename, judge_rename,
	  0 },
	{ "priority_remove", "dure_priority_remove", prepare_queue, run_remove, judge_remove, 0 },
	{ "priority_in_tx", "dure_priority_push dure_priority_pop dure_priority_change",
	  prepare_queue, run_in_tx, judge_in_tx, 0 },
	{ "priority_abort", "dure_priority_push dure_priority_pop dure_priority_change",
	  prepare_queue, run_abort, judge_abort, 0 },
	{ "priority_destroy", "dure_priority_destroy", prepare_queue, run_destroy, judge_gone, 0 },
};

const struct scenarios priority_scenarios = { list, sizeof list / sizeof *list };
