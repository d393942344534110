/* SPDX-License-Identifier: MIT */
/*
 * ordered.c - ordered maps, alone and in transactions, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

/* What there is to see: a bit for each of the keys 0 to 63, and who has been given new values. */
struct sight {
	uint64_t keys, changed;
	int64_t last;
	bool is_wrong;
};

enum { NEW = 1000 };		/* what is added to the value of a key that is changed */

static dure_ordered *strings(struct world *w)
{
	dure_ordered *map;

	must(dure_ordered_open(w->seg, "strings", DURE_CREATE | DURE_OPEN, NULL, &map),
	     "ordered_open");
	return map;
}

static dure_ordered *numbers(struct world *w)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };
	dure_ordered *map;

	must(dure_ordered_open(w->seg, "numbers", DURE_CREATE | DURE_OPEN, &o, &map),
	     "ordered_open");
	return map;
}

/* strings whose first 8 bytes are all the same */
static size_t string_of(uint64_t n, char key[32])
{
	return (size_t)snprintf(key, 32, "a-long-prefix-%02d", (int)n);
}

static void put(dure_ordered *map, bool is_string, uint64_t n, uint64_t value)
{
	char key[32];

	if (is_string)
		must(dure_ordered_put(map, key, string_of(n, key), &value), "put");
	else
		must(dure_ordered_put(map, &n, sizeof n, &value), "put");
}

static void remove_key(dure_ordered *map, uint64_t n)
{
	char key[32];

	must(dure_ordered_remove(map, key, string_of(n, key)), "remove");
}

static int see(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	char expected[32];
	uint64_t v, n;

	memcpy(&v, value, sizeof v);
	n = v % NEW;
	if (n > 63 || (int64_t)n <= s->last)
		return 1;
	if (key_bytes == sizeof n ? memcmp(key, &n, sizeof n) != 0
				  : key_bytes != string_of(n, expected) ||
					    memcmp(key, expected, key_bytes) != 0)
		return 1;
	s->last = (int64_t)n;
	s->keys |= UINT64_C(1) << n;
	s->changed |= (uint64_t)(v >= NEW) << n;
	return 0;
}

/* Everything in the map, in order; each key can be found, too. */
static struct sight look_at(dure_ordered *map, bool is_string)
{
	struct sight s = { .last = -1 };
	char key[32];
	uint64_t value;

	s.is_wrong = dure_ordered_visit(map, NULL, see, &s) != 0;
	for (uint64_t n = 0; n < 64; n++) {
		int r = is_string ? dure_ordered_get(map, key, string_of(n, key), &value)
				  : dure_ordered_get(map, &n, sizeof n, &value);
		s.is_wrong |= r != (s.keys >> n & 1 ? 0 : -ENOENT);
	}
	s.is_wrong |= dure_ordered_count(map) != (uint64_t)__builtin_popcountll(s.keys);
	dure_ordered_close(map);
	return s;
}

static enum verdict judge(struct sight s, uint64_t before, uint64_t after, uint64_t changed)
{
	if (s.is_wrong)
		return WRONG;
	if (s.keys == before && s.changed == 0)
		return BEFORE;
	return s.keys == after && s.changed == changed ? AFTER : WRONG;
}

static void prepare_three(struct world *w)
{
	w->blocks[0] = strings(w);
	w->blocks[1] = numbers(w);
	for (uint64_t n = 2; n <= 6; n += 2) {
		put(w->blocks[0], true, n, n);
		put(w->blocks[1], false, n, n);
	}
}

#define THREE 0x54u

static void run_ordered_insert(struct world *w)
{
	uint64_t three = 3;
	char key[32];

	must(dure_ordered_insert(w->blocks[0], key, string_of(3, key), &three), "insert");
}

static enum verdict judge_ordered_insert(struct world *w)
{
	return judge(look_at(strings(w), true), THREE, THREE | 8, 0);
}

static void run_ordered_insert_number(struct world *w)
{
	put(w->blocks[1], false, 3, 3);
}

static enum verdict judge_ordered_insert_number(struct world *w)
{
	return judge(look_at(numbers(w), false), THREE, THREE | 8, 0);
}

static void run_ordered_put(struct world *w)
{
	put(w->blocks[0], true, 4, NEW + 4);
}

static enum verdict judge_ordered_put(struct world *w)
{
	return judge(look_at(strings(w), true), THREE, THREE, 0x10);
}

static void run_ordered_put_number(struct world *w)
{
	put(w->blocks[1], false, 4, NEW + 4);
}

static enum verdict judge_ordered_put_number(struct world *w)
{
	return judge(look_at(numbers(w), false), THREE, THREE, 0x10);
}

static void run_ordered_remove(struct world *w)
{
	remove_key(w->blocks[0], 4);
}

static enum verdict judge_ordered_remove(struct world *w)
{
	return judge(look_at(strings(w), true), THREE, THREE & ~0x10u, 0);
}

/* one leaf that is full */
static void prepare_full_leaf(struct world *w)
{
	w->blocks[0] = strings(w);
	for (uint64_t n = 0; n < 15; n++)
		put(w->blocks[0], true, n, n);
}

static void run_ordered_grow(struct world *w)
{
	put(w->blocks[0], true, 15, 15);
}

static enum verdict judge_ordered_grow(struct world *w)
{
	return judge(look_at(strings(w), true), 0x7fff, 0xffff, 0);
}

/* two leaves; the upper one has one entry */
static void prepare_last_of_leaf(struct world *w)
{
	prepare_full_leaf(w);
	put(w->blocks[0], true, 15, 15);
	for (uint64_t n = 8; n < 15; n++)
		remove_key(w->blocks[0], n);
}

static void run_ordered_remove_leaf(struct world *w)
{
	remove_key(w->blocks[0], 15);
}

static enum verdict judge_ordered_remove_leaf(struct world *w)
{
	return judge(look_at(strings(w), true), 0x80ff, 0xff, 0);
}

/* all there is: the root goes, too */
static void prepare_one(struct world *w)
{
	w->blocks[0] = strings(w);
	put(w->blocks[0], true, 5, 5);
}

static void run_ordered_remove_last(struct world *w)
{
	remove_key(w->blocks[0], 5);
}

static enum verdict judge_ordered_remove_last(struct world *w)
{
	return judge(look_at(strings(w), true), 0x20, 0, 0);
}

/* In one transaction: slots emptied and used anew, leaves parted and taken away, values changed. */
static void change_much(struct world *w)
{
	dure_ordered *map = w->blocks[0];

	for (uint64_t n = 0; n < 8; n++)
		remove_key(map, n);
	for (uint64_t n = 16; n < 26; n++)
		put(map, true, n, n);
	put(map, true, 12, NEW + 12);
	put(map, true, 20, NEW + 20);
	put(map, true, 3, 3);
}

static void run_ordered_in_tx(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change_much(w);
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_ordered_in_tx(struct world *w)
{
	return judge(look_at(strings(w), true), 0x7fff, 0x3ff7f08, 0x101000);
}

static void run_ordered_abort(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change_much(w);
	must(dure_tx_abort(tx), "abort");
}

static enum verdict judge_ordered_abort(struct world *w)
{
	struct sight s = look_at(strings(w), true);

	return !s.is_wrong && s.keys == 0x7fff && s.changed == 0 ? EITHER : WRONG;
}

static void run_ordered_open(struct world *w)
{
	strings(w);
}

static enum verdict judge_ordered_exists(struct world *w)
{
	dure_ordered *map;
	int r = dure_ordered_open(w->seg, "strings", DURE_OPEN, NULL, &map);

	if (r == 0)
		dure_ordered_close(map);
	return seen(r == 0);
}

static void prepare_two_leaves(struct world *w)
{
	prepare_full_leaf(w);
	put(w->blocks[0], true, 15, 15);
}

static void run_ordered_destroy(struct world *w)
{
	must(dure_ordered_destroy(w->seg, "strings"), "destroy");
}

/* Some leaves less, the map with them all, or gone. */
static enum verdict judge_ordered_gone(struct world *w)
{
	struct sight s;

	if (judge_ordered_exists(w) == BEFORE)
		return AFTER;
	s = look_at(strings(w), true);
	return !s.is_wrong && (s.keys == 0xffff || s.keys == 0xff00 || s.keys == 0) ? BEFORE : WRONG;
}

/* -- multimaps and sets ------------------------------------------------------------------ */

static dure_ordered *equals(struct world *w)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_MULTI,
					  .ordering = "nocase" };
	dure_ordered *map;

	must(dure_ordered_open(w->seg, "equals", DURE_CREATE | DURE_OPEN, &o, &map),
	     "ordered_open");
	return map;
}

static void put_equal(dure_ordered *map, uint64_t n)
{
	must(dure_ordered_put(map, n % 2 ? "THE SAME" : "the same", 8, &n), "put");
}

static int see_equal(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	uint64_t n;

	memcpy(&n, value, sizeof n);
	if (n > 63 || (int64_t)n <= s->last || key_bytes != 8 ||
	    memcmp(key, n % 2 ? "THE SAME" : "the same", 8) != 0)
		return 1;
	s->last = (int64_t)n;
	s->keys |= UINT64_C(1) << n;
	return 0;
}

/* All that are equal, in the order in which they were put. */
static struct sight look_at_equals(struct world *w)
{
	struct dure_range one = { .sz = sizeof one, .low = "The Same", .low_bytes = 8,
				  .high = "The Same", .high_bytes = 8,
				  .flags = DURE_RANGE_WITH_HIGH };
	struct sight s = { .last = -1 };
	dure_ordered *map = equals(w);
	uint64_t value;
	int r;

	s.is_wrong = dure_ordered_visit(map, &one, see_equal, &s) != 0 ||
		     dure_ordered_count(map) != (uint64_t)__builtin_popcountll(s.keys);
	r = dure_ordered_get(map, "tHE sAME", 8, &value);
	if (r != (s.keys ? 0 : -ENOENT) || (r == 0 && value != (uint64_t)__builtin_ctzll(s.keys)))
		s.is_wrong = true;
	dure_ordered_close(map);
	return s;
}

static void prepare_equals(struct world *w)
{
	w->blocks[0] = equals(w);
	for (uint64_t n = 0; n < 15; n++)
		put_equal(w->blocks[0], n);
}

/* the one leaf, whose keys are all equal, is parted */
static void run_multimap_put(struct world *w)
{
	put_equal(w->blocks[0], 15);
}

static enum verdict judge_multimap_put(struct world *w)
{
	return judge(look_at_equals(w), 0x7fff, 0xffff, 0);
}

static void prepare_two_leaves_of_equals(struct world *w)
{
	prepare_equals(w);
	put_equal(w->blocks[0], 15);
	for (uint64_t n = 0; n < 6; n++)
		must(dure_ordered_remove(w->blocks[0], "the same", 8), "remove");
}

static void run_multimap_remove_all(struct world *w)
{
	must(dure_ordered_remove_all(w->blocks[0], "the same", 8, NULL), "remove_all");
}

/* The first ones are gone, or all of them. */
static enum verdict judge_multimap_remove_all(struct world *w)
{
	struct sight s = look_at_equals(w);

	if (s.is_wrong || (s.keys & (s.keys + (s.keys & -s.keys))) != 0 || s.keys > 0xffff)
		return WRONG;
	return s.keys ? (s.keys >> 15 ? BEFORE : WRONG) : AFTER;
}

static dure_ordered *set_of_numbers(struct world *w)
{
	struct dure_ordered_options o = { .sz = sizeof o, .ordering = "signed",
					  .value_bytes = DURE_ORDERED_NO_VALUE };
	dure_ordered *set;

	must(dure_ordered_open(w->seg, "set", DURE_CREATE | DURE_OPEN, &o, &set), "ordered_open");
	return set;
}

static void prepare_set(struct world *w)
{
	int64_t key = -1;

	w->blocks[0] = set_of_numbers(w);
	must(dure_ordered_put(w->blocks[0], &key, 8, NULL), "put");
}

static void run_set_put(struct world *w)
{
	int64_t key = -2;

	must(dure_ordered_put(w->blocks[0], &key, 8, NULL), "put");
}

static int see_number(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	int64_t n;

	(void)value;
	if (key_bytes != 8)
		return 1;
	memcpy(&n, key, sizeof n);
	s->keys = s->keys << 8 | (uint64_t)-n;
	return 0;
}

static enum verdict judge_set_put(struct world *w)
{
	dure_ordered *set = set_of_numbers(w);
	struct sight s = { 0 };
	int r = dure_ordered_visit(set, NULL, see_number, &s);

	dure_ordered_close(set);
	return r != 0 ? WRONG : s.keys == 1 ? BEFORE : s.keys == 0x201 ? AFTER : WRONG;
}

/* -- many at once ------------------------------------------------------------------------ */

/* the keys 0 to 14: two leaves, and a root */
static int next_of_15(const void **key, size_t *key_bytes, const void **value, void *context)
{
	static char text[32];
	static uint64_t number;
	uint64_t *n = context;

	if (*n == 15)
		return 0;
	number = (*n)++;
	*key_bytes = string_of(number, text);
	*key = text;
	*value = &number;
	return 1;
}

static void run_ordered_build(struct world *w)
{
	uint64_t n = 0;

	must(dure_ordered_build(w->blocks[0], next_of_15, &n), "build");
}

static void prepare_empty(struct world *w)
{
	prepare_one(w);
	remove_key(w->blocks[0], 5);
}

static enum verdict judge_ordered_build(struct world *w)
{
	return judge(look_at(strings(w), true), 0, 0x7fff, 0);
}

/* from one that is full */
static void prepare_from(struct world *w)
{
	dure_ordered *from;

	prepare_empty(w);
	must(dure_ordered_open(w->seg, "from", DURE_CREATE, NULL, &from), "ordered_open");
	for (uint64_t n = 0; n < 3; n++)
		put(from, true, n, n);
	w->blocks[1] = from;
}

static void run_ordered_copy(struct world *w)
{
	must(dure_ordered_copy(w->blocks[0], w->blocks[1]), "copy");
}

static enum verdict judge_ordered_copy(struct world *w)
{
	return judge(look_at(strings(w), true), 0, 7, 0);
}

static void run_ordered_merge(struct world *w)
{
	must(dure_ordered_merge(w->blocks[0], w->blocks[1]), "merge");
}

/* None, the first ones, or all. */
static enum verdict judge_ordered_merge(struct world *w)
{
	struct sight s = look_at(strings(w), true);

	if (s.is_wrong || s.changed || (s.keys & (s.keys + 1)) != 0)
		return WRONG;
	return seen(s.keys == 7);
}

static void run_ordered_clear(struct world *w)
{
	must(dure_ordered_clear(w->blocks[0]), "clear");
}

static enum verdict judge_ordered_clear(struct world *w)
{
	struct sight s = look_at(strings(w), true);

	if (s.is_wrong || (s.keys != 0xffff && s.keys != 0xff00 && s.keys != 0))
		return WRONG;
	return seen(s.keys == 0);
}

static const struct scenario list[] = {
	{ "ordered_open", "dure_ordered_open", prepare_nothing, run_ordered_open,
	  judge_ordered_exists, 0 },
	{ "ordered_insert", "dure_ordered_insert", prepare_three, run_ordered_insert,
	  judge_ordered_insert, 0 },
	{ "ordered_insert_number", "dure_ordered_put", prepare_three, run_ordered_insert_number,
	  judge_ordered_insert_number, 0 },
	{ "ordered_put", "dure_ordered_put", prepare_three, run_ordered_put, judge_ordered_put,
	  SEEN_AT_ONCE },
	{ "ordered_put_number", "dure_ordered_put", prepare_three, run_ordered_put_number,
	  judge_ordered_put_number, SEEN_AT_ONCE },
	{ "ordered_remove", "dure_ordered_remove", prepare_three, run_ordered_remove,
	  judge_ordered_remove, 0 },
	{ "ordered_grow", "dure_ordered_put", prepare_full_leaf, run_ordered_grow,
	  judge_ordered_grow, UNCOUNTED },
	{ "ordered_remove_leaf", "dure_ordered_remove", prepare_last_of_leaf,
	  run_ordered_remove_leaf, judge_ordered_remove_leaf, 0 },
	{ "ordered_remove_last", "dure_ordered_remove", prepare_one, run_ordered_remove_last,
	  judge_ordered_remove_last, 0 },
	{ "ordered_in_tx", "dure_ordered_put dure_ordered_remove", prepare_full_leaf,
	  run_ordered_in_tx, judge_ordered_in_tx, 0 },
	{ "ordered_abort", "dure_ordered_put dure_ordered_remove", prepare_full_leaf,
	  run_ordered_abort, judge_ordered_abort, 0 },
	{ "multimap_put", "dure_ordered_put", prepare_equals, run_multimap_put,
	  judge_multimap_put, UNCOUNTED },
	{ "multimap_remove_all", "dure_ordered_remove_all", prepare_two_leaves_of_equals,
	  run_multimap_remove_all, judge_multimap_remove_all, UNCOUNTED },
	{ "ordered_set_put", "dure_ordered_put", prepare_set, run_set_put, judge_set_put, 0 },
	{ "ordered_build", "dure_ordered_build", prepare_empty, run_ordered_build,
	  judge_ordered_build, SEEN_AT_ONCE },
	{ "ordered_copy", "dure_ordered_copy", prepare_from, run_ordered_copy, judge_ordered_copy,
	  SEEN_AT_ONCE },
	{ "ordered_merge", "dure_ordered_merge", prepare_from, run_ordered_merge,
	  judge_ordered_merge, UNCOUNTED },
	{ "ordered_clear", "dure_ordered_clear", prepare_two_leaves, run_ordered_clear,
	  judge_ordered_clear, UNCOUNTED },
	{ "ordered_destroy", "dure_ordered_destroy", prepare_two_leaves, run_ordered_destroy,
	  judge_ordered_gone, UNCOUNTED },
};

const struct scenarios ordered_scenarios = { list, sizeof list / sizeof *list };
