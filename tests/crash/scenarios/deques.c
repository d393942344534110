/* SPDX-License-Identifier: MIT */
/*
 * deques.c - deques, alone and in transactions, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

/* three words that belong together, and fill no whole number of lines */
struct three {
	uint64_t words[3];
};

enum { MOST = 64 };

static struct three three(uint64_t n)
{
	return (struct three){ { n, n * 3, n * 5 } };
}

/* two elements in a chunk, eight chunks in the first table */
static dure_deque *the_deque(struct world *w)
{
	struct dure_deque_options o = { .sz = sizeof o, .chunk_count = 2 };
	dure_deque *d;

	must(dure_deque_open(w->seg, "deque", DURE_TYPE(struct three), DURE_CREATE | DURE_OPEN, &o,
			     &d), "deque_open");
	return d;
}

static void push_back(struct world *w, uint64_t n)
{
	struct three t = three(n);

	must(dure_deque_push_back(w->blocks[0], &t), "push_back");
}

static void push_front(struct world *w, uint64_t n)
{
	struct three t = three(n);

	must(dure_deque_push_front(w->blocks[0], &t), "push_front");
}

static void pop_back(struct world *w)
{
	must(dure_deque_pop_back(w->blocks[0], NULL), "pop_back");
}

static void pop_front(struct world *w)
{
	must(dure_deque_pop_front(w->blocks[0], NULL), "pop_front");
}

/* As many elements as the text has letters, each with the number of its letter. */
static bool holds(struct world *w, const char *text)
{
	dure_deque *d = the_deque(w);
	struct three t[MOST];
	uint64_t count = 0;
	bool good = dure_deque_get_many(d, 0, MOST, t, &count) == 0 &&
		    count == strlen(text) && dure_deque_count(d) == count;

	for (uint64_t i = 0; good && i < count; i++) {
		struct three expected = three((uint64_t)text[i]), one;
		good = memcmp(&t[i], &expected, sizeof expected) == 0 &&
		       dure_deque_get(d, i, &one) == 0 && memcmp(&one, &expected, sizeof one) == 0;
	}
	dure_deque_close(d);
	return good;
}

static enum verdict judge(struct world *w, const char *before, const char *after)
{
	return holds(w, before) ? BEFORE : holds(w, after) ? AFTER : WRONG;
}

static void prepare(struct world *w, const char *text)
{
	w->blocks[0] = the_deque(w);
	for (; *text; text++)
		push_back(w, (uint64_t)*text);
}

/* The first chunk is full, the second one has room. */
static void prepare_abc(struct world *w)
{
	prepare(w, "abc");
}

static void prepare_abcd(struct world *w)
{
	prepare(w, "abcd");
}

static void run_push_back(struct world *w)
{
	push_back(w, 'x');
}

static enum verdict judge_push_back(struct world *w)
{
	return judge(w, "abc", "abcx");
}

static void prepare_bcd(struct world *w)
{
	prepare(w, "abcd");
	pop_front(w);
}

static void run_push_front(struct world *w)
{
	push_front(w, 'x');
}

static enum verdict judge_push_front(struct world *w)
{
	return judge(w, "bcd", "xbcd");
}

static enum verdict judge_chunk_back(struct world *w)
{
	return judge(w, "abcd", "abcdx");
}

static enum verdict judge_chunk_front(struct world *w)
{
	return judge(w, "abcd", "xabcd");
}

/* all chunks that the table has places for, and the window has wandered */
static void prepare_full_table(struct world *w)
{
	the_deque(w);
	must(dure_deque_destroy(w->seg, "deque"), "destroy");
	note_live_count(w);
	prepare(w, "ABabcdefghijklmn");
	pop_front(w);
	pop_front(w);
	push_back(w, 'o');
	push_back(w, 'p');
}

/* A table that has been replaced is gone: the object, a table, eight chunks or nine. */
static enum verdict judge_table(struct world *w, const char *after)
{
	enum verdict verdict = judge(w, "abcdefghijklmnop", after);
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(w->seg, &info), "heap_info");
	return info.live_blocks <= w->root->words[WORDS - 1] + 11 ? verdict : WRONG;
}

static enum verdict judge_table_front(struct world *w)
{
	return judge_table(w, "xabcdefghijklmnop");
}

static enum verdict judge_table_back(struct world *w)
{
	return judge_table(w, "abcdefghijklmnopx");
}

static void run_pop_back(struct world *w)
{
	pop_back(w);
}

static void run_pop_front(struct world *w)
{
	pop_front(w);
}

static enum verdict judge_pop_back(struct world *w)
{
	return judge(w, "abcd", "abc");
}

/* and the chunk with it */
static enum verdict judge_pop_last_of_chunk(struct world *w)
{
	return judge(w, "abc", "ab");
}

static enum verdict judge_pop_front(struct world *w)
{
	return judge(w, "abcd", "bcd");
}

static enum verdict judge_pop_first_of_chunk(struct world *w)
{
	return judge(w, "bcd", "cd");
}

static void run_set(struct world *w)
{
	struct three t = three('x');

	must(dure_deque_set(w->blocks[0], 2, &t), "set");
}

static enum verdict judge_set(struct world *w)
{
	return judge(w, "abcd", "abxd");
}

/* Places of what is taken away are used anew, a chunk goes, and others come. */
static void change(struct world *w)
{
	pop_back(w);
	push_back(w, 'x');
	pop_front(w);
	pop_front(w);
	push_front(w, 'y');
	push_front(w, 'z');
	push_front(w, 'u');
	run_set(w);
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
	return judge(w, "abcd", "uzxcx");
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
	return holds(w, "abcd") ? EITHER : WRONG;
}

static void run_open(struct world *w)
{
	the_deque(w);
}

static enum verdict judge_exists(struct world *w)
{
	dure_deque *d;
	int r = dure_deque_open(w->seg, "deque", DURE_TYPE(struct three), DURE_OPEN, NULL, &d);

	if (r == 0)
		dure_deque_close(d);
	return seen(r == 0);
}

#define LONG_TEXT "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* more chunks than are freed at once */
static void prepare_long_deque(struct world *w)
{
	prepare(w, LONG_TEXT);
}

static void run_destroy(struct world *w)
{
	must(dure_deque_destroy(w->seg, "deque"), "destroy");
}

/* All of it, what is left when some chunks have gone at once, none, or no deque. */
static enum verdict judge_gone(struct world *w)
{
	if (judge_exists(w) == BEFORE)
		return AFTER;
	return holds(w, LONG_TEXT) || holds(w, &LONG_TEXT[48]) || holds(w, "") ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "deque_open", "dure_deque_open", prepare_nothing, run_open, judge_exists, 0 },
	{ "deque_push_back", "dure_deque_push_back", prepare_abc, run_push_back, judge_push_back,
	  SEEN_AT_ONCE },
	{ "deque_push_front", "dure_deque_push_front", prepare_bcd, run_push_front,
	  judge_push_front, SEEN_AT_ONCE },
	{ "deque_chunk_back", "dure_deque_push_back", prepare_abcd, run_push_back,
	  judge_chunk_back, UNCOUNTED | SEEN_AT_ONCE },
	{ "deque_chunk_front", "dure_deque_push_front", prepare_abcd, run_push_front,
	  judge_chunk_front, UNCOUNTED | SEEN_AT_ONCE },
	{ "deque_table_back", "dure_deque_push_back", prepare_full_table, run_push_back,
	  judge_table_back, UNCOUNTED | SEEN_AT_ONCE },
	{ "deque_table_front", "dure_deque_push_front", prepare_full_table, run_push_front,
	  judge_table_front, UNCOUNTED | SEEN_AT_ONCE },
	{ "deque_pop_back", "dure_deque_pop_back", prepare_abcd, run_pop_back, judge_pop_back,
	  SEEN_AT_ONCE },
	{ "deque_pop_last_of_chunk", "dure_deque_pop_back", prepare_abc, run_pop_back,
	  judge_pop_last_of_chunk, SEEN_AT_ONCE },
	{ "deque_pop_front", "dure_deque_pop_front", prepare_abcd, run_pop_front, judge_pop_front,
	  SEEN_AT_ONCE },
	{ "deque_pop_first_of_chunk", "dure_deque_pop_front", prepare_bcd, run_pop_front,
	  judge_pop_first_of_chunk, SEEN_AT_ONCE },
	{ "deque_set", "dure_deque_set", prepare_abcd, run_set, judge_set, SEEN_AT_ONCE },
	{ "deque_in_tx", "dure_deque_push_back dure_deque_push_front dure_deque_pop_front dure_deque_set",
	  prepare_abcd, run_in_tx, judge_in_tx, SEEN_AT_ONCE },
	{ "deque_abort", "dure_deque_push_back dure_deque_push_front dure_deque_pop_front dure_deque_set",
	  prepare_abcd, run_abort, judge_abort, 0 },
	{ "deque_destroy", "dure_deque_destroy", prepare_long_deque, run_destroy, judge_gone,
	  UNCOUNTED },
};

const struct scenarios deque_scenarios = { list, sizeof list / sizeof *list };
