/* SPDX-License-Identifier: MIT */
/*
 * map.c - how long do a hash map's get and insert take
 *
 * Keys and values have 8 bytes; keys are asked for in random order, and all are there.
 * Inserting is measured in batches that are removed again, unmeasured. Boost's unordered_map
 * lies in a segment under an interprocess_mutex; the private one has neither.
 */
#include <stdlib.h>

#include "named.h"
#include "share.h"

static const struct bench_named_work map_1k = { .count = 1000, .segment_bytes = 64u << 20 };
static const struct bench_named_work map_100k = { .count = 100000, .segment_bytes = 128u << 20 };
static const struct bench_named_work map_1m = { .count = 1000000, .segment_bytes = 512u << 20 };

struct state {
	dure_segment *segment;
	dure_map *map;
	uint64_t count, dice;
};

static void *open_map(const void *argument)
{
	const struct bench_named_work *work = argument;
	struct state *s = calloc(1, sizeof *s);

	s->segment = bench_segment_make(work->segment_bytes);
	s->count = work->count;
	s->dice = BENCH_DICE_SEED;
	bench_must(dure_map_open(s->segment, "map", DURE_CREATE, NULL, &s->map), "map_open");
	for (uint64_t i = 0; i < s->count; i++) {
		uint64_t key = bench_key(i);
		bench_must(dure_map_insert(s->map, &key, sizeof key, &i), "insert");
	}
	return s;
}

static void *join_map(void *shared, unsigned index)
{
	struct state *s = shared;

	bench_segment_join(s->segment);
	s->dice += index;
	return s;
}

static double get_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();
	uint64_t value;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t key = bench_key(bench_pick(&s->dice, s->count));
		bench_must(dure_map_get(s->map, &key, sizeof key, &value), "get");
	}
	return (bench_now() - start) / (double)ops;
}

static double rate_round(void *state, uint64_t ops)
{
	return 1000 / get_round(state, ops);
}

static double insert_round(void *state, uint64_t ops)
{
	struct state *s = state;
	uint64_t n = bench_batch(ops);
	double start = bench_now(), end;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = bench_key(s->count + i);
		bench_must(dure_map_insert(s->map, &key, sizeof key, &i), "insert");
	}
	end = bench_now();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = bench_key(s->count + i);
		bench_must(dure_map_remove(s->map, &key, sizeof key), "remove");
	}
	return (end - start) / (double)n;
}

static void close_map(void *state)
{
	struct state *s = state;

	dure_map_close(s->map);
	bench_segment_close(s->segment);
	free(s);
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
			{ .who = "dure", .open = open_map, .join = join_map, .round = rate_round,
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
