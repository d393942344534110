/* SPDX-License-Identifier: MIT */
/*
 * maps.c - the hash map, alone and in transactions, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

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

static dure_map *small_set(struct world *w)
{
	struct dure_map_options o = { .sz = sizeof o, .partitions = 1,
				      .value_bytes = DURE_MAP_NO_VALUE };
	dure_map *set;

	must(dure_map_open(w->seg, "set", DURE_CREATE | DURE_OPEN, &o, &set), "map_open");
	return set;
}

static void prepare_set(struct world *w)
{
	w->blocks[0] = small_set(w);
	must(dure_map_put(w->blocks[0], "old", 3, NULL), "put");
}

static void run_set_put(struct world *w)
{
	must(dure_map_put(w->blocks[0], "new", 3, NULL), "put");
}

static enum verdict judge_set_put(struct world *w)
{
	dure_map *set = small_set(w);
	bool has_new = dure_map_get(set, "new", 3, NULL) == 0;
	bool good = dure_map_get(set, "old", 3, NULL) == 0 &&
		    dure_map_count(set) == (has_new ? 2 : 1);

	dure_map_close(set);
	return good ? seen(has_new) : WRONG;
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

static void run_map_reserve(struct world *w)
{
	must(dure_map_reserve(w->blocks[0], 40), "reserve");
}

/* Nothing to be seen but that all is there, and can be added to. */
static enum verdict judge_map_reserve(struct world *w)
{
	return judge_map_grown(w) == BEFORE ? EITHER : WRONG;
}

static void prepare_merge(struct world *w)
{
	dure_map *from;
	struct dure_map_options o = { .sz = sizeof o, .partitions = 1 };

	prepare_full_map(w);
	must(dure_map_open(w->seg, "from", DURE_CREATE, &o, &from), "map_open");
	must(dure_map_add(from, "5", 1, 6, NULL), "add");
	w->blocks[1] = from;
}

static void run_map_merge(struct world *w)
{
	must(dure_map_merge(w->blocks[0], w->blocks[1]), "merge");
}

static void run_map_clear(struct world *w)
{
	must(dure_map_clear(w->blocks[0]), "clear");
}

static enum verdict judge_map_clear(struct world *w)
{
	dure_map *map = small_map(w);
	uint64_t value, found = 0, count = dure_map_count(map);
	char key[8];

	for (uint64_t i = 0; i < 5; i++) {
		snprintf(key, sizeof key, "%d", (int)i);
		found += dure_map_get(map, key, strlen(key), &value) == 0 && value == i + 1;
	}
	dure_map_close(map);
	return found == count ? seen(found == 0) : WRONG;
}

static int see_nothing(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)key_bytes;
	(void)value;
	(void)context;
	return 0;
}

static void run_map_snapshot(struct world *w)
{
	must(dure_map_snapshot(w->blocks[0], see_nothing, NULL), "snapshot");
}

static const struct scenario list[] = {
	{ "map_open", "dure_map_open", prepare_nothing, run_map_open, judge_map_exists, 0 },
	{ "map_put", "dure_map_put dure_map_add", prepare_map, run_map_put, judge_map_put, 0 },
	{ "map_change_in_tx", "dure_map_put dure_map_add", prepare_two_counts, run_map_change_in_tx,
	  judge_map_change_in_tx, 0 },
	{ "map_grow", "dure_map_add", prepare_full_map, run_map_grow, judge_map_grown, UNCOUNTED },
	{ "map_insert", "dure_map_insert", prepare_map, run_map_insert, judge_map_insert, 0 },
	{ "map_remove", "dure_map_remove", prepare_map, run_map_remove, judge_map_remove, 0 },
	{ "map_in_tx", "dure_map_add dure_map_remove", prepare_map, run_map_in_tx, judge_map_in_tx,
	  0 },
	{ "set_put", "dure_map_put", prepare_set, run_set_put, judge_set_put, 0 },
	{ "map_reserve", "dure_map_reserve", prepare_full_map, run_map_reserve, judge_map_reserve,
	  0 },
	{ "map_merge", "dure_map_merge", prepare_merge, run_map_merge, judge_map_grown, UNCOUNTED },
	{ "map_snapshot", "dure_map_snapshot", prepare_merge, run_map_snapshot, nothing_to_see, 0 },
	{ "map_clear", "dure_map_clear", prepare_full_map, run_map_clear, judge_map_clear,
	  UNCOUNTED },
	{ "map_destroy", "dure_map_destroy", prepare_map, run_map_destroy, judge_map_gone, UNCOUNTED },
};

const struct scenarios map_scenarios = { list, sizeof list / sizeof *list };
