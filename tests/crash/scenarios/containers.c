/* SPDX-License-Identifier: MIT */
/*
 * containers.c - vectors and strings, alone and in transactions, to be killed at every
 * instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

/* -- vectors ----------------------------------------------------------------------------- */

/* five words that belong together, and fill no whole number of lines */
struct five {
	uint64_t words[5];
};

static struct five five(uint64_t n)
{
	return (struct five){ { n, n * 3, n * 5, n * 7, n * 11 } };
}

static bool is_five(const struct five *f, uint64_t n)
{
	struct five expected = five(n);

	return memcmp(f, &expected, sizeof expected) == 0;
}

/* two elements in the first chunk, four in the next */
static dure_vector *small_vector(struct world *w)
{
	struct dure_vector_options o = { .sz = sizeof o, .first_count = 2 };
	dure_vector *v;

	must(dure_vector_open(w->seg, "vector", DURE_TYPE(struct five), DURE_CREATE | DURE_OPEN, &o,
			      &v), "vector_open");
	return v;
}

static void push_fives(dure_vector *v, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		struct five f = five(n);
		must(dure_vector_push(v, &f, NULL), "push");
	}
}

static void prepare_vector(struct world *w)
{
	w->blocks[0] = small_vector(w);
	push_fives(w->blocks[0], 0, 1);
}

/* the next one needs a chunk */
static void prepare_full_vector(struct world *w)
{
	w->blocks[0] = small_vector(w);
	push_fives(w->blocks[0], 0, 2);
}

static void prepare_long_vector(struct world *w)
{
	w->blocks[0] = small_vector(w);
	push_fives(w->blocks[0], 0, 6);
}

/* How many elements there are, each the five of its number; -1: one is not. */
static int64_t count_fives(struct world *w)
{
	dure_vector *v = small_vector(w);
	int64_t count = (int64_t)dure_vector_count(v);
	bool good = true;
	struct five f;

	for (uint64_t i = 0; good && i < (uint64_t)count; i++)
		good = dure_vector_get(v, i, &f) == 0 && is_five(&f, i);
	dure_vector_close(v);
	return good ? count : -1;
}

static enum verdict judge_count(struct world *w, int64_t before, int64_t after)
{
	int64_t count = count_fives(w);

	return count == before ? BEFORE : count == after ? AFTER : WRONG;
}

/* The program's mutex stands for the vector's lock. */
static void prepare_serial_vector(struct world *w)
{
	struct dure_vector_options o = { .sz = sizeof o, .first_count = 2,
					 .flags = DURE_VECTOR_SERIAL };
	dure_vector *v;

	must(dure_vector_open(w->seg, "vector", DURE_TYPE(struct five), DURE_CREATE, &o, &v),
	     "vector_open");
	w->blocks[0] = v;
	take_lock(w);
	push_fives(v, 0, 1);
}

static void run_vector_push(struct world *w)
{
	push_fives(w->blocks[0], 1, 2);
}

static enum verdict judge_vector_push(struct world *w)
{
	return judge_count(w, 1, 2);
}

static void run_vector_grow(struct world *w)
{
	push_fives(w->blocks[0], 2, 3);
}

static enum verdict judge_vector_grow(struct world *w)
{
	return judge_count(w, 2, 3);
}

static void run_vector_push_many(struct world *w)
{
	struct five fives[6];

	for (uint64_t i = 0; i < 6; i++)
		fives[i] = five(i + 1);
	must(dure_vector_push_many(w->blocks[0], fives, 6, NULL), "push_many");
}

static enum verdict judge_vector_push_many(struct world *w)
{
	return judge_count(w, 1, 7);
}

static void run_vector_pop(struct world *w)
{
	must(dure_vector_pop(w->blocks[0], NULL), "pop");
}

static enum verdict judge_vector_pop(struct world *w)
{
	return judge_count(w, 6, 5);
}

static void run_vector_set(struct world *w)
{
	struct five f = five(77);

	must(dure_vector_set(w->blocks[0], 3, &f), "set");
}

static enum verdict judge_vector_set(struct world *w)
{
	dure_vector *v = small_vector(w);
	struct five f = { 0 };
	bool good = dure_vector_get(v, 3, &f) == 0 && dure_vector_count(v) == 6;

	dure_vector_close(v);
	if (!good)
		return WRONG;
	return is_five(&f, 3) ? BEFORE : is_five(&f, 77) ? AFTER : WRONG;
}

static void run_vector_shrink(struct world *w)
{
	must(dure_vector_resize(w->blocks[0], 1), "resize");
}

static enum verdict judge_vector_shrink(struct world *w)
{
	return judge_count(w, 6, 1);
}

/* What is appended are zeros, also where something else had been. */
static void prepare_shrunk_vector(struct world *w)
{
	prepare_long_vector(w);
	must(dure_vector_resize(w->blocks[0], 1), "resize");
}

static void run_vector_extend(struct world *w)
{
	must(dure_vector_resize(w->blocks[0], 20), "resize");
}

static enum verdict judge_vector_extend(struct world *w)
{
	dure_vector *v = small_vector(w);
	uint64_t count = dure_vector_count(v);
	struct five f;
	bool good = dure_vector_get(v, 0, &f) == 0 && is_five(&f, 0);

	for (uint64_t i = 1; i < count; i++)
		good &= dure_vector_get(v, i, &f) == 0 && is_five(&f, 0);
	dure_vector_close(v);
	return !good ? WRONG : count == 1 ? BEFORE : count == 20 ? AFTER : WRONG;
}

static void run_vector_reserve(struct world *w)
{
	must(dure_vector_reserve(w->blocks[0], 3), "reserve");
}

/* The count of blocks tells whether it has happened. */
static enum verdict judge_vector_reserve(struct world *w)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(w->seg, &info), "heap_info");
	if (count_fives(w) != 1)
		return WRONG;
	return seen(info.live_blocks > w->root->words[WORDS - 1]);
}

static void prepare_counted_vector(struct world *w)
{
	prepare_vector(w);
	note_live_count(w);
}

static void prepare_trimmable_vector(struct world *w)
{
	prepare_long_vector(w);
	must(dure_vector_reserve(w->blocks[0], 20), "reserve");
	must(dure_vector_resize(w->blocks[0], 1), "resize");
	note_live_count(w);
}

static void run_vector_trim(struct world *w)
{
	must(dure_vector_trim(w->blocks[0]), "trim");
}

static enum verdict judge_vector_trim(struct world *w)
{
	struct dure_heap_info info = { .sz = sizeof info };
	dure_vector *v;

	must(dure_heap_info(w->seg, &info), "heap_info");
	if (count_fives(w) != 1)
		return WRONG;
	bool trimmed = info.live_blocks < w->root->words[WORDS - 1];
	/* and it can be used again */
	v = small_vector(w);
	push_fives(v, 1, 4);
	dure_vector_close(v);
	return count_fives(w) == 4 ? seen(trimmed) : WRONG;
}

/* In one transaction: two taken away, others in their places, one changed, a chunk added. */
static void run_vector_in_tx(struct world *w)
{
	struct five f = five(77);
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_vector_pop(w->blocks[0], NULL), "pop");
	must(dure_vector_pop(w->blocks[0], NULL), "pop");
	must(dure_vector_set(w->blocks[0], 0, &f), "set");
	push_fives(w->blocks[0], 100, 104);
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_vector_in_tx(struct world *w)
{
	static const uint64_t after[] = { 77, 1, 2, 3, 100, 101, 102, 103 };
	dure_vector *v;
	struct five f;
	bool good;

	if (count_fives(w) == 6)
		return BEFORE;
	v = small_vector(w);
	good = dure_vector_count(v) == 8;
	for (uint64_t i = 0; i < 8; i++)
		good &= dure_vector_get(v, i, &f) == 0 && is_five(&f, after[i]);
	dure_vector_close(v);
	return good ? AFTER : WRONG;
}

static void run_vector_abort(struct world *w)
{
	struct five f = five(77);
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_vector_pop(w->blocks[0], NULL), "pop");
	must(dure_vector_set(w->blocks[0], 0, &f), "set");
	push_fives(w->blocks[0], 100, 104);
	must(dure_tx_abort(tx), "abort");
}

static enum verdict judge_six(struct world *w)
{
	return count_fives(w) == 6 ? EITHER : WRONG;
}

static void run_vector_open(struct world *w)
{
	small_vector(w);
}

static enum verdict judge_vector_exists(struct world *w)
{
	dure_vector *v;
	int r = dure_vector_open(w->seg, "vector", DURE_TYPE(struct five), DURE_OPEN, NULL, &v);

	if (r == 0)
		dure_vector_close(v);
	return seen(r == 0);
}

static void run_vector_destroy(struct world *w)
{
	must(dure_vector_destroy(w->seg, "vector"), "destroy");
}

static enum verdict judge_vector_gone(struct world *w)
{
	if (judge_vector_exists(w) == BEFORE)
		return AFTER;
	return count_fives(w) == 6 ? BEFORE : WRONG;
}

/* -- strings ----------------------------------------------------------------------------- */

static dure_string *the_string(struct world *w)
{
	dure_string *s;

	must(dure_string_open(w->seg, "string", DURE_CREATE | DURE_OPEN, &s), "string_open");
	return s;
}

static void prepare_string(struct world *w)
{
	w->blocks[0] = the_string(w);
	must(dure_string_set(w->blocks[0], "one", 3), "set");
}

static enum verdict judge_string(struct world *w, const char *before, const char *after)
{
	dure_string *s = the_string(w);
	char text[400] = "?";
	int r = dure_string_get(s, text, sizeof text, NULL);

	dure_string_close(s);
	if (r < 0)
		return WRONG;
	return strcmp(text, before) == 0 ? BEFORE : strcmp(text, after) == 0 ? AFTER : WRONG;
}

static void run_string_append(struct world *w)
{
	must(dure_string_append(w->blocks[0], ", two and three", 15), "append");
}

static enum verdict judge_string_append(struct world *w)
{
	return judge_string(w, "one", "one, two and three");
}

static void run_string_append_format(struct world *w)
{
	must(dure_string_append_format(w->blocks[0], ", %d and %s", 2, "three"), "append_format");
}

static enum verdict judge_string_append_format(struct world *w)
{
	return judge_string(w, "one", "one, 2 and three");
}

#define LONG_TEXT "a text that is longer than the room which a short string has at its beginning"

static void run_string_grow(struct world *w)
{
	must(dure_string_append(w->blocks[0], LONG_TEXT, strlen(LONG_TEXT)), "append");
}

static enum verdict judge_string_grow(struct world *w)
{
	return judge_string(w, "one", "one" LONG_TEXT);
}

static void run_string_set(struct world *w)
{
	must(dure_string_set(w->blocks[0], "another", 7), "set");
}

static enum verdict judge_string_set(struct world *w)
{
	return judge_string(w, "one", "another");
}

static void run_string_clear(struct world *w)
{
	must(dure_string_set(w->blocks[0], NULL, 0), "set");
}

static enum verdict judge_string_clear(struct world *w)
{
	return judge_string(w, "one", "");
}

/* Blocks that the transaction has allocated itself are freed by it. */
static void change_string(struct world *w)
{
	must(dure_string_append(w->blocks[0], "!", 1), "append");
	must(dure_string_set(w->blocks[0], "a", 1), "set");
	must(dure_string_append(w->blocks[0], LONG_TEXT, strlen(LONG_TEXT)), "append");
	must(dure_string_append(w->blocks[0], "z", 1), "append");
}

static void run_string_in_tx(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change_string(w);
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_string_in_tx(struct world *w)
{
	return judge_string(w, "one", "a" LONG_TEXT "z");
}

static void run_string_abort(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change_string(w);
	must(dure_tx_abort(tx), "abort");
}

static enum verdict judge_string_abort(struct world *w)
{
	return judge_string(w, "one", "one") == BEFORE ? EITHER : WRONG;
}

static void run_string_open(struct world *w)
{
	the_string(w);
}

static enum verdict judge_string_exists(struct world *w)
{
	dure_string *s;
	int r = dure_string_open(w->seg, "string", DURE_OPEN, &s);

	if (r == 0)
		dure_string_close(s);
	return seen(r == 0);
}

static void run_string_destroy(struct world *w)
{
	must(dure_string_destroy(w->seg, "string"), "destroy");
}

static enum verdict judge_string_gone(struct world *w)
{
	if (judge_string_exists(w) == BEFORE)
		return AFTER;
	return judge_string(w, "one", "one");
}

static const struct scenario list[] = {
	{ "vector_open", "dure_vector_open", prepare_nothing, run_vector_open, judge_vector_exists,
	  0 },
	{ "vector_push", "dure_vector_push", prepare_vector, run_vector_push, judge_vector_push,
	  SEEN_AT_ONCE },
	{ "vector_push_serial", "dure_vector_push", prepare_serial_vector, run_vector_push,
	  judge_vector_push, SEEN_AT_ONCE },
	{ "vector_grow", "dure_vector_push", prepare_full_vector, run_vector_grow,
	  judge_vector_grow, UNCOUNTED | SEEN_AT_ONCE },
	{ "vector_push_many", "dure_vector_push_many", prepare_vector, run_vector_push_many,
	  judge_vector_push_many, UNCOUNTED | SEEN_AT_ONCE },
	{ "vector_pop", "dure_vector_pop", prepare_long_vector, run_vector_pop, judge_vector_pop,
	  0 },
	{ "vector_set", "dure_vector_set", prepare_long_vector, run_vector_set, judge_vector_set,
	  SEEN_AT_ONCE },
	{ "vector_shrink", "dure_vector_resize", prepare_long_vector, run_vector_shrink,
	  judge_vector_shrink, 0 },
	{ "vector_extend", "dure_vector_resize", prepare_shrunk_vector, run_vector_extend,
	  judge_vector_extend, UNCOUNTED },
	{ "vector_reserve", "dure_vector_reserve", prepare_counted_vector, run_vector_reserve,
	  judge_vector_reserve, 0 },
	{ "vector_trim", "dure_vector_trim", prepare_trimmable_vector, run_vector_trim,
	  judge_vector_trim, 0 },
	{ "vector_in_tx", "dure_vector_push dure_vector_pop dure_vector_set", prepare_long_vector,
	  run_vector_in_tx, judge_vector_in_tx, 0 },
	{ "vector_abort", "dure_vector_push dure_vector_pop dure_vector_set", prepare_long_vector,
	  run_vector_abort, judge_six, 0 },
	{ "vector_destroy", "dure_vector_destroy", prepare_long_vector, run_vector_destroy,
	  judge_vector_gone, 0 },
	{ "string_open", "dure_string_open", prepare_nothing, run_string_open, judge_string_exists,
	  0 },
	{ "string_append", "dure_string_append", prepare_string, run_string_append,
	  judge_string_append, SEEN_AT_ONCE },
	{ "string_append_format", "dure_string_append_format", prepare_string,
	  run_string_append_format, judge_string_append_format, SEEN_AT_ONCE },
	{ "string_grow", "dure_string_append", prepare_string, run_string_grow, judge_string_grow,
	  SEEN_AT_ONCE },
	{ "string_set", "dure_string_set", prepare_string, run_string_set, judge_string_set,
	  SEEN_AT_ONCE },
	{ "string_clear", "dure_string_set", prepare_string, run_string_clear, judge_string_clear,
	  SEEN_AT_ONCE },
	{ "string_in_tx", "dure_string_set dure_string_append", prepare_string, run_string_in_tx,
	  judge_string_in_tx, SEEN_AT_ONCE },
	{ "string_abort", "dure_string_set dure_string_append", prepare_string, run_string_abort,
	  judge_string_abort, SEEN_AT_ONCE },
	{ "string_destroy", "dure_string_destroy", prepare_string, run_string_destroy,
	  judge_string_gone, 0 },
};

const struct scenarios container_scenarios = { list, sizeof list / sizeof *list };
