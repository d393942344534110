/* SPDX-License-Identifier: MIT */
/*
 * ordered.c - how long do an ordered map's get, insert and scan take
 *
 * Keys are numbers, values have 8 bytes; keys are asked for in random order, and all are there.
 * Inserting is measured in batches that are removed again, unmeasured. Boost's map lies in a
 * segment under an interprocess_mutex; the private one has neither.
 */
#include "keyed.h"

static const struct bench_named_work ordered_100k = { .count = 100000, .segment_bytes = 128u << 20 };
static const struct bench_named_work ordered_1m = { .count = 1000000, .segment_bytes = 512u << 20 };
static const struct bench_named_work ordered_10m = { .count = 10000000, .segment_bytes = 2u << 30 };

static int put_key(void *map, const void *key, size_t key_bytes, const void *value)
{
	return dure_ordered_insert(map, key, key_bytes, value);
}

static int get_key(void *map, const void *key, size_t key_bytes, void *value)
{
	return dure_ordered_get(map, key, key_bytes, value);
}

static int remove_key(void *map, const void *key, size_t key_bytes)
{
	return dure_ordered_remove(map, key, key_bytes);
}

static void *open_empty(const void *argument)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };
	struct bench_keyed *s = bench_keyed_make(argument);
	dure_ordered *map;

	bench_must(dure_ordered_open(s->segment, "map", DURE_CREATE, &o, &map), "ordered_open");
	s->container = map;
	return s;
}

static void *open_ordered(const void *argument)
{
	struct bench_keyed *s = open_empty(argument);

	bench_keyed_fill(s, put_key);
	return s;
}

static void *open_as(const void *argument, uint32_t flags, uint64_t value_bytes)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = flags, .value_bytes = value_bytes };
	struct bench_keyed *s = bench_keyed_make(argument);
	dure_ordered *map;

	bench_must(dure_ordered_open(s->segment, "map", DURE_CREATE, &o, &map), "ordered_open");
	s->container = map;
	for (uint64_t i = 0; i < s->count; i++) {
		uint64_t key = bench_key(i);
		bench_must(dure_ordered_put(map, &key, sizeof key, value_bytes ? NULL : &i), "put");
	}
	return s;
}

static void *open_strings(const void *argument)
{
	return open_as(argument, 0, 0);
}

static void *open_multi(const void *argument)
{
	return open_as(argument, DURE_ORDERED_INTEGER | DURE_ORDERED_MULTI, 0);
}

static void *open_set(const void *argument)
{
	return open_as(argument, DURE_ORDERED_INTEGER, DURE_ORDERED_NO_VALUE);
}

static double get_round(void *state, uint64_t ops)
{
	return bench_keyed_get_round(state, ops, get_key);
}

static double insert_round(void *state, uint64_t ops)
{
	return bench_keyed_insert_round(state, ops, put_key, remove_key);
}

static int add_up(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)key_bytes;
	*(uint64_t *)context += *(const uint64_t *)value;
	return 0;
}

static double scan_round(void *state, uint64_t ops)
{
	struct bench_keyed *s = state;
	double start = bench_now();
	uint64_t sum = 0;

	(void)ops;
	bench_must(dure_ordered_visit(s->container, NULL, add_up, &sum), "visit");
	if (sum != s->count * (s->count - 1) / 2)
		bench_die("a scan has not seen all");
	return (bench_now() - start) / (double)s->count;
}

/* Keys that come sorted: all of them into an empty map, which is cleared again, unmeasured. */
struct sorted {
	uint64_t key, value, count;
};

static int next_sorted(const void **key, size_t *key_bytes, const void **value, void *context)
{
	struct sorted *s = context;

	if (s->value == s->count)
		return 0;
	s->value++;
	s->key += 1000;
	*key = &s->key;
	*key_bytes = sizeof s->key;
	*value = &s->value;
	return 1;
}

static double build_round(void *state, uint64_t ops)
{
	struct bench_keyed *s = state;
	struct sorted sorted = { .count = s->count };
	double start = bench_now(), end;

	(void)ops;
	bench_must(dure_ordered_build(s->container, next_sorted, &sorted), "build");
	end = bench_now();
	bench_must(dure_ordered_clear(s->container), "clear");
	return (end - start) / (double)s->count;
}

static double insert_sorted_round(void *state, uint64_t ops)
{
	struct bench_keyed *s = state;
	double start = bench_now(), end;

	(void)ops;
	for (uint64_t i = 1; i <= s->count; i++) {
		uint64_t key = i * 1000;
		bench_must(dure_ordered_insert(s->container, &key, sizeof key, &i), "insert");
	}
	end = bench_now();
	bench_must(dure_ordered_clear(s->container), "clear");
	return (end - start) / (double)s->count;
}

static void close_ordered(void *state)
{
	struct bench_keyed *s = state;

	dure_ordered_close(s->container);
	bench_keyed_close(s);
}

#define ROW(name_, what_, work_, round_, ops_, goal_, flags_)                                     \
	.name = name_, .what = what_, .unit = "ns", .ops = ops_,                                  \
	.flags = BENCH_CPU_TIME | (flags_),                                                       \
	.contenders = {                                                                           \
		{ .who = "dure", .open = open_ordered, .round = round_##_round,                   \
		  .close = close_ordered, .argument = &(work_) },                                 \
		{ .who = "Boost + mutex", .open = bench_boost_ordered_open,                       \
		  .round = bench_boost_ordered_##round_, .close = bench_boost_ordered_close,      \
		  .argument = &(work_) },                                                         \
		{ .who = "std::map, private", .open = bench_std_ordered_open,                     \
		  .round = bench_std_ordered_##round_, .close = bench_std_ordered_close,          \
		  .argument = &(work_) },                                                         \
		LMDB_##round_(work_)                                                              \
	},                                                                                        \
	.goals = { goal_ }
#define LMDB_get(work_)                                                                           \
	{ .who = "LMDB", .open = bench_lmdb_map_open, .join = bench_lmdb_join,                    \
	  .round = bench_lmdb_map_get, .close = bench_lmdb_close, .argument = &(work_),           \
	  .ops = 50000 },
#define LMDB_insert(work_)                                                                        \
	{ .who = "LMDB, no sync", .open = bench_lmdb_map_open, .join = bench_lmdb_join,           \
	  .round = bench_lmdb_map_insert, .close = bench_lmdb_close, .argument = &(work_) },
#define LMDB_scan(work_)
#define AT_MOST(ns) { .text = "", .fixed = ns }
#define AS(peer) { .text = peer, .of = { { peer, 1 } } }

const struct bench_row bench_ordered_rows[] = {
	{ ROW("ordered-get-100k", "ordered map get, 100k entries", ordered_100k, get, 100000,
	      AT_MOST(120), 0) },
	{ ROW("ordered-get-1M", "ordered map get, 1M entries", ordered_1m, get, 100000,
	      AT_MOST(300), BENCH_LONG) },
	{ ROW("ordered-insert-100k", "ordered map insert, 100k entries", ordered_100k, insert,
	      BENCH_BATCH, AT_MOST(200), 0) },
	{ ROW("ordered-scan-100k", "ordered map scan, an entry of 100k", ordered_100k, scan, 100000,
	      AS("Boost + mutex"), 0) },
	{
		.name = "ordered-get-10M",
		.what = "ordered map get, 10M entries",
		.unit = "ns",
		.flags = BENCH_CPU_TIME | BENCH_LONG,
		.ops = 100000,
		.contenders = {
			{ .who = "dure", .open = open_ordered, .round = get_round,
			  .close = close_ordered, .argument = &ordered_10m },
			{ .who = "Boost + mutex", .open = bench_boost_ordered_open,
			  .round = bench_boost_ordered_get, .close = bench_boost_ordered_close,
			  .argument = &ordered_10m },
		},
		.goals = { AS("Boost + mutex") },
	},
	{
		.name = "ordered-space-100k",
		.what = "memory of an ordered map, 100k entries of 8 and 8 bytes, for each entry",
		.unit = "B",
		.ops = 1,
		.contenders = {
			{ .who = "dure", .open = open_ordered, .round = bench_keyed_space_round,
			  .close = close_ordered, .argument = &ordered_100k },
			{ .who = "Boost", .open = bench_boost_ordered_open,
			  .round = bench_boost_ordered_space, .close = bench_boost_ordered_close,
			  .argument = &ordered_100k },
			{ .who = "dure, strings", .open = open_strings, .round = bench_keyed_space_round,
			  .close = close_ordered, .argument = &ordered_100k },
			{ .who = "dure, multimap", .open = open_multi, .round = bench_keyed_space_round,
			  .close = close_ordered, .argument = &ordered_100k },
			{ .who = "dure, a set", .open = open_set, .round = bench_keyed_space_round,
			  .close = close_ordered, .argument = &ordered_100k },
		},
		.goals = { AS("Boost") },
	},
	{
		.name = "ordered-build-100k",
		.what = "ordered map built from 100k sorted keys, an entry",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 100000,
		.contenders = {
			{ .who = "dure", .open = open_empty, .round = build_round,
			  .close = close_ordered, .argument = &ordered_100k },
			{ .who = "inserts", .open = open_empty, .round = insert_sorted_round,
			  .close = close_ordered, .argument = &ordered_100k },
		},
		.goals = { { .text = "inserts / 4", .of = { { "inserts", 0.25 } } } },
	},
	{ .name = NULL },
};
