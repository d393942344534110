/* SPDX-License-Identifier: MIT */
/*
 * map.c - how long do a hash map's get and insert take
 *
 * Keys and values have 8 bytes; keys are asked for in random order, and all are there.
 * Inserting is measured in batches that are removed again, unmeasured. Boost's unordered_map
 * lies in a segment under an interprocess_mutex; the private one has neither.
 */
#include "keyed.h"

static const struct bench_named_work map_1k = { .count = 1000, .segment_bytes = 64u << 20 };
static const struct bench_named_work map_100k = { .count = 100000, .segment_bytes = 128u << 20 };
static const struct bench_named_work map_1m = { .count = 1000000, .segment_bytes = 512u << 20 };

static int put_key(void *map, const void *key, size_t key_bytes, const void *value)
{
	return dure_map_insert(map, key, key_bytes, value);
}

static int get_key(void *map, const void *key, size_t key_bytes, void *value)
{
	return dure_map_get(map, key, key_bytes, value);
}

static int remove_key(void *map, const void *key, size_t key_bytes)
{
	return dure_map_remove(map, key, key_bytes);
}

static void *open_map(const void *argument)
{
	struct bench_keyed *s = bench_keyed_make(argument);
	dure_map *map;

	bench_must(dure_map_open(s->segment, "map", DURE_CREATE, NULL, &map), "map_open");
	s->container = map;
	bench_keyed_fill(s, put_key);
	return s;
}

static int put_nothing(void *map, const void *key, size_t key_bytes, const void *value)
{
	(void)value;
	return dure_map_insert(map, key, key_bytes, NULL);
}

static void *open_set(const void *argument)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = DURE_MAP_NO_VALUE };
	struct bench_keyed *s = bench_keyed_make(argument);
	dure_map *map;

	bench_must(dure_map_open(s->segment, "set", DURE_CREATE, &o, &map), "map_open");
	s->container = map;
	bench_keyed_fill(s, put_nothing);
	return s;
}

static double get_round(void *state, uint64_t ops)
{
	return bench_keyed_get_round(state, ops, get_key);
}

static double insert_round(void *state, uint64_t ops)
{
	return bench_keyed_insert_round(state, ops, put_key, remove_key);
}

static double rate_round(void *state, uint64_t ops)
{
	return 1000 / get_round(state, ops);
}

static void close_map(void *state)
{
	struct bench_keyed *s = state;

	dure_map_close(s->container);
	bench_keyed_close(s);
}

#define GET_ROW(name_, what_, work_, goal_, flags_)                                       \
	.name = name_, .what = what_, .unit = "ns", .ops = 200000,                        \
	.flags = BENCH_CPU_TIME | (flags_),                                               \
	.contenders = {                                                                           \
		{ .who = "dure", .open = open_map, .round = get_round, .close = close_map,        \
		  .argument = &(work_) },                                                         \
		{ .who = "Boost + mutex", .open = bench_boost_map_open,                           \
		  .round = bench_boost_map_get, .close = bench_boost_map_close,                   \
		  .argument = &(work_) },                                                         \
		{ .who = "LMDB", .open = bench_lmdb_map_open, .join = bench_lmdb_join,            \
		  .round = bench_lmdb_map_get, .close = bench_lmdb_close, .argument = &(work_),   \
		  .ops = 50000 },                                                                 \
		{ .who = "std::unordered_map, private", .open = bench_std_map_open,               \
		  .round = bench_std_map_get, .close = bench_std_map_close,                       \
		  .argument = &(work_) },                                                         \
	},                                                                                        \
	.goals = { { .text = "", .fixed = goal_ } }

const struct bench_row bench_map_rows[] = {
	{ GET_ROW("map-get-1k", "hash map get, 1k entries", map_1k, 20, 0) },
	{ GET_ROW("map-get-100k", "hash map get, 100k entries", map_100k, 25, 0) },
	{ GET_ROW("map-get-1M", "hash map get, 1M entries", map_1m, 80, BENCH_LONG) },
	{
		.name = "map-space-100k",
		.what = "memory of a hash map, 100k entries of 8 and 8 bytes, for each entry",
		.unit = "B",
		.ops = 1,
		.contenders = {
			{ .who = "dure", .open = open_map, .round = bench_keyed_space_round,
			  .close = close_map, .argument = &map_100k },
			{ .who = "Boost", .open = bench_boost_map_open, .round = bench_boost_map_space,
			  .close = bench_boost_map_close, .argument = &map_100k },
			{ .who = "dure, a set", .open = open_set, .round = bench_keyed_space_round,
			  .close = close_map, .argument = &map_100k },
		},
		.goals = { { .text = "Boost", .of = { { "Boost", 1 } } } },
	},
	{
		.name = "map-insert-100k",
		.what = "hash map insert, 100k entries",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = BENCH_BATCH,
		.contenders = {
			{ .who = "dure", .open = open_map, .round = insert_round,
			  .close = close_map, .argument = &map_100k },
			{ .who = "Boost + mutex", .open = bench_boost_map_open,
			  .round = bench_boost_map_insert, .close = bench_boost_map_close,
			  .argument = &map_100k },
			{ .who = "LMDB, no sync", .open = bench_lmdb_map_open, .join = bench_lmdb_join,
			  .round = bench_lmdb_map_insert, .close = bench_lmdb_close,
			  .argument = &map_100k },
			{ .who = "std::unordered_map, private", .open = bench_std_map_open,
			  .round = bench_std_map_insert, .close = bench_std_map_close,
			  .argument = &map_100k },
		},
		.goals = { { .text = "", .fixed = 100 } },
	},
	{
		.name = "map-2-readers",
		.what = "hash map of 100k entries, two readers at once",
		.unit = "Mops/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_SUM | BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = {
			{ .who = "dure", .open = open_map, .join = bench_keyed_join, .round = rate_round,
			  .close = close_map, .argument = &map_100k, .processes = 2 },
			{ .who = "Boost + mutex", .open = bench_boost_map_open,
			  .round = bench_boost_map_rate, .close = bench_boost_map_close,
			  .argument = &map_100k, .processes = 2, .ops = 50000 },
			{ .who = "LMDB", .open = bench_lmdb_map_open, .join = bench_lmdb_join,
			  .round = bench_lmdb_map_rate, .close = bench_lmdb_close,
			  .argument = &map_100k, .processes = 2, .ops = 50000 },
		},
		.goals = { { .text = "", .fixed = 50 } },
	},
	{ .name = NULL },
};
