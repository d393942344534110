/* SPDX-License-Identifier: MIT */
/*
 * owners.c - containers that own containers, to be killed at every instruction
 *
 * refs[0] of the root is where a list with two elements is, whoever owns it.
 */
#include "steps.h"

#include <errno.h>

enum { LENGTH = 2 };

static dure_vector *the_owner(struct world *w)
{
	dure_vector *v;

	must(dure_vector_open(w->seg, "owner", DURE_OWNER, DURE_CREATE | DURE_OPEN, NULL, &v),
	     "vector_open");
	return v;
}

static dure_map *the_map(struct world *w)
{
	struct dure_map_options o = { .sz = sizeof o, .flags = DURE_MAP_OWNER, .partitions = 1 };
	dure_map *m;

	must(dure_map_open(w->seg, "map", DURE_CREATE | DURE_OPEN, &o, &m), "map_open");
	return m;
}

static void make_list(struct world *w)
{
	dure_ref at = { 0 };
	dure_list *list;

	must(dure_list_open_at(w->seg, &at, DURE_TYPE(uint64_t), DURE_CREATE, NULL, &list),
	     "list_open_at");
	for (uint64_t i = 0; i < LENGTH; i++)
		must(dure_list_push_back(list, &i, NULL), "list_push_back");
	dure_list_close(list);
	w->root->refs[0] = at;
}

/* How many elements the list has; -ENOENT: it is not there. Anything else is wrong */
static int length(struct world *w)
{
	dure_ref at = w->root->refs[0];
	dure_list *list;
	int r = dure_list_open_at(w->seg, &at, DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list);

	if (r < 0)
		return r;
	r = (int)dure_list_count(list);
	dure_list_close(list);
	return r;
}

/* What the vector has last; {0}: nothing */
static dure_ref owned(struct world *w)
{
	dure_vector *v = the_owner(w);
	dure_ref at = { 0 };

	if (dure_vector_count(v))
		must(dure_vector_get(v, dure_vector_count(v) - 1, &at), "vector_get");
	dure_vector_close(v);
	return at;
}

static void prepare_empty(struct world *w)
{
	w->blocks[0] = the_owner(w);
	w->blocks[1] = the_map(w);
}

static void prepare_owned(struct world *w)
{
	prepare_empty(w);
	make_list(w);
	must(dure_vector_push(w->blocks[0], &w->root->refs[0], NULL), "vector_push");
}

/* Warm: the tables of the directory, and of the map, are there. */
static void prepare_in_map(struct world *w)
{
	prepare_empty(w);
	make_list(w);
	must(dure_map_put(w->blocks[1], "k", 1, &w->root->refs[0]), "map_put");
}

/* -- making ------------------------------------------------------------------------------ */

static void run_make(struct world *w)
{
	struct dure_map_options map = { .sz = sizeof map, .partitions = 1 };
	dure_ref at[8] = { { 0 } };
	dure_list *list;
	dure_vector *vector;
	dure_deque *deque;
	dure_priority *priority;
	dure_map *hash;
	dure_ordered *ordered;
	dure_string *string;
	dure_bitmap *bitmap;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "tx_begin");
	must(dure_list_open_at(w->seg, &at[0], DURE_TYPE(uint64_t), DURE_CREATE, NULL, &list), "list");
	must(dure_vector_open_at(w->seg, &at[1], DURE_OWNER, DURE_CREATE, NULL, &vector), "vector");
	must(dure_deque_open_at(w->seg, &at[2], DURE_OWNER, DURE_CREATE, NULL, &deque), "deque");
	must(dure_priority_open_at(w->seg, &at[3], DURE_OWNER, DURE_CREATE, NULL, &priority), "priority");
	must(dure_map_open_at(w->seg, &at[4], DURE_CREATE, &map, &hash), "map");
	must(dure_ordered_open_at(w->seg, &at[5], DURE_CREATE, NULL, &ordered), "ordered");
	must(dure_string_open_at(w->seg, &at[6], DURE_CREATE, &string), "string");
	must(dure_bitmap_open_at(w->seg, &at[7], DURE_CREATE, &bitmap), "bitmap");
	must(dure_vector_push_many(w->blocks[0], at, 8, NULL), "push_many");
	must(dure_tx_commit(tx), "tx_commit");
}

static enum verdict judge_make(struct world *w)
{
	dure_ref at = owned(w);
	dure_bitmap *bitmap;
	uint64_t objects;

	must(dure_object_count(w->seg, &objects), "object_count");
	if (at.offset == 0)
		return objects == 3 ? BEFORE : WRONG;
	if (dure_bitmap_open_at(w->seg, &at, DURE_OPEN, &bitmap) < 0 || objects != 3 + 8)
		return WRONG;
	dure_bitmap_close(bitmap);
	return AFTER;
}

/* -- moving ------------------------------------------------------------------------------ */

static void run_move(struct world *w)
{
	dure_ref at;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "tx_begin");
	must(dure_map_take(w->blocks[1], "k", 1, &at), "map_take");
	must(dure_vector_push(w->blocks[0], &at, NULL), "vector_push");
	must(dure_tx_commit(tx), "tx_commit");
}

static enum verdict judge_move(struct world *w)
{
	dure_map *map = the_map(w);
	dure_ref at = { 0 };
	int r = dure_map_get(map, "k", 1, &at);

	dure_map_close(map);
	if (length(w) != LENGTH || (r == 0) == (owned(w).offset != 0))
		return WRONG;
	return seen(r == -ENOENT);
}

static dure_ordered *the_ordered(struct world *w)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_OWNER };
	dure_ordered *ordered;

	must(dure_ordered_open(w->seg, "ordered", DURE_CREATE | DURE_OPEN, &o, &ordered),
	     "ordered_open");
	return ordered;
}

static void prepare_in_ordered(struct world *w)
{
	w->blocks[0] = the_owner(w);
	w->blocks[1] = the_ordered(w);
	make_list(w);
	must(dure_ordered_put(w->blocks[1], "k", 1, &w->root->refs[0]), "ordered_put");
}

static void run_take_ordered(struct world *w)
{
	dure_ref at;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "tx_begin");
	must(dure_ordered_take(w->blocks[1], "k", 1, &at), "ordered_take");
	must(dure_vector_push(w->blocks[0], &at, NULL), "vector_push");
	must(dure_tx_commit(tx), "tx_commit");
}

static enum verdict judge_take_ordered(struct world *w)
{
	dure_ordered *ordered = the_ordered(w);
	dure_ref at = { 0 };
	int r = dure_ordered_get(ordered, "k", 1, &at);

	dure_ordered_close(ordered);
	if (length(w) != LENGTH || (r == 0) == (owned(w).offset != 0))
		return WRONG;
	return seen(r == -ENOENT);
}

static void run_give_name(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "tx_begin");
	must(dure_map_remove(w->blocks[1], "k", 1), "map_remove");
	must(dure_container_give_name(w->seg, w->root->refs[0], "name"), "give_name");
	must(dure_tx_commit(tx), "tx_commit");
}

/* In the map, or with a name: never both, never neither. */
static enum verdict judge_named(struct world *w, bool is_after)
{
	dure_map *map = the_map(w);
	dure_list *list;
	dure_ref at;
	bool is_in_map = dure_map_get(map, "k", 1, &at) == 0;
	bool is_named = dure_list_open(w->seg, "name", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list) == 0;

	if (is_named)
		dure_list_close(list);
	dure_map_close(map);
	if (length(w) != LENGTH || is_in_map == is_named)
		return WRONG;
	return seen(is_named == is_after);
}

static enum verdict judge_give_name(struct world *w)
{
	return judge_named(w, true);
}

static void prepare_named(struct world *w)
{
	prepare_empty(w);
	make_list(w);
	must(dure_container_give_name(w->seg, w->root->refs[0], "name"), "give_name");
}

static void run_take_name(struct world *w)
{
	dure_ref at;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "tx_begin");
	must(dure_container_take_name(w->seg, "name", &at), "take_name");
	must(dure_map_put(w->blocks[1], "k", 1, &at), "map_put");
	must(dure_tx_commit(tx), "tx_commit");
}

static enum verdict judge_take_name(struct world *w)
{
	return judge_named(w, false);
}

/* -- the end ----------------------------------------------------------------------------- */

static void run_clear(struct world *w)
{
	must(dure_container_clear(w->seg, w->root->refs[0]), "container_clear");
}

static enum verdict judge_clear(struct world *w)
{
	int n = length(w);

	return n == LENGTH ? BEFORE : n == 0 ? AFTER : WRONG;
}

static void prepare_cleared(struct world *w)
{
	prepare_owned(w);
	run_clear(w);
}

static void run_destroy_in_tx(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "tx_begin");
	must(dure_vector_pop(w->blocks[0], NULL), "vector_pop");
	must(dure_container_destroy(w->seg, w->root->refs[0]), "container_destroy");
	must(dure_tx_commit(tx), "tx_commit");
}

static enum verdict judge_destroy_in_tx(struct world *w)
{
	int n = length(w);

	if (n == 0)
		return owned(w).offset ? BEFORE : WRONG;
	return n == -ENOENT && !owned(w).offset ? AFTER : WRONG;
}

/* What is owned is there as long as its owner says so; the owner goes last. */
static enum verdict judge_gone(struct world *w, int (*count)(struct world *w))
{
	int n = length(w), r = count(w);

	if (n < 0 && n != -ENOENT)
		return WRONG;
	if (r == -ENOENT)
		return n == -ENOENT ? AFTER : WRONG;
	if (r < 0 || (r > 0) != (n >= 0))
		return WRONG;
	return BEFORE;
}

/* How many elements it has; -ENOENT */
static int count_vector(struct world *w)
{
	dure_vector *v;
	int r = dure_vector_open(w->seg, "owner", DURE_OWNER, DURE_OPEN, NULL, &v);

	if (r < 0)
		return r;
	r = (int)dure_vector_count(v);
	dure_vector_close(v);
	return r;
}

static void run_destroy_vector(struct world *w)
{
	must(dure_vector_destroy(w->seg, "owner"), "vector_destroy");
}

static enum verdict judge_vector_gone(struct world *w)
{
	return judge_gone(w, count_vector);
}

static int count_map(struct world *w)
{
	struct dure_map_options o = { .sz = sizeof o, .flags = DURE_MAP_OWNER };
	dure_map *m;
	int r = dure_map_open(w->seg, "map", DURE_OPEN, &o, &m);

	if (r < 0)
		return r;
	r = (int)dure_map_count(m);
	dure_map_close(m);
	return r;
}

static void run_destroy_map(struct world *w)
{
	must(dure_map_destroy(w->seg, "map"), "map_destroy");
}

static enum verdict judge_map_gone(struct world *w)
{
	return judge_gone(w, count_map);
}

static int count_named(struct world *w)
{
	dure_list *list;
	int r = dure_list_open(w->seg, "name", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list);

	if (r < 0)
		return r;
	dure_list_close(list);
	return 1;
}

static void run_destroy_named(struct world *w)
{
	must(dure_list_destroy(w->seg, "name"), "list_destroy");
}

static enum verdict judge_named_gone(struct world *w)
{
	return judge_gone(w, count_named);
}

static const struct scenario list[] = {
	{ "owner_make",
	  "dure_list_open_at dure_vector_open_at dure_deque_open_at dure_priority_open_at "
	  "dure_map_open_at dure_ordered_open_at dure_string_open_at dure_bitmap_open_at",
	  prepare_empty, run_make, judge_make, UNCOUNTED },
	{ "owner_move", "dure_map_take dure_vector_push", prepare_in_map, run_move, judge_move,
	  0 },
	{ "owner_take_ordered", "dure_ordered_take dure_vector_push", prepare_in_ordered,
	  run_take_ordered, judge_take_ordered, 0 },
	{ "owner_give_name", "dure_container_give_name", prepare_in_map, run_give_name,
	  judge_give_name, UNCOUNTED },
	{ "owner_take_name", "dure_container_take_name", prepare_named, run_take_name,
	  judge_take_name, UNCOUNTED },
	{ "owner_clear", "dure_container_clear", prepare_owned, run_clear, judge_clear,
	  0 },
	{ "owner_destroy_in_tx", "dure_container_destroy", prepare_cleared, run_destroy_in_tx,
	  judge_destroy_in_tx, 0 },
	{ "owner_destroy_vector", "dure_vector_destroy", prepare_owned, run_destroy_vector,
	  judge_vector_gone, UNCOUNTED },
	{ "owner_destroy_map", "dure_map_destroy", prepare_in_map, run_destroy_map, judge_map_gone,
	  UNCOUNTED },
	{ "owner_destroy_named", "dure_list_destroy", prepare_named, run_destroy_named,
	  judge_named_gone, UNCOUNTED },
};

const struct scenarios owner_scenarios = { list, sizeof list / sizeof *list };
