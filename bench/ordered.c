/* SPDX-License-Identifier: MIT */
/*
 * ordered.c - how long do an ordered map's get, insert and scan take
 *
 * Keys are numbers, values have 8 bytes; keys are asked for in random order, and all are there.
 * Inserting is measured in batches that are removed again, unmeasured. Boost's map lies in a
 * segment under an interprocess_mutex; the private one has neither.
 */
#include <stdlib.h>

#include "named.h"
#include "share.h"

static const struct bench_named_work ordered_100k = { .count = 100000, .segment_bytes = 128u << 20 };
static const struct bench_named_work ordered_1m = { .count = 1000000, .segment_bytes = 512u << 20 };

struct state {
	dure_segment *segment;
	dure_ordered *map;
	uint64_t count, dice;
};

static void *open_ordered(const void *argument)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };
	const struct bench_named_work *work = argument;
	struct state *s = calloc(1, sizeof *s);

	s->segment = bench_segment_make(work->segment_bytes);
	s->count = work->count;
	s->dice = BENCH_DICE_SEED;
	bench_must(dure_ordered_open(s->segment, "map", DURE_CREATE, &o, &s->map), "ordered_open");
	for (uint64_t i = 0; i < s->count; i++) {
		uint64_t key = bench_key(i);
		bench_must(dure_ordered_insert(s->map, &key, sizeof key, &i), "insert");
	}
	return s;
}

static double get_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();
	uint64_t value;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t key = bench_key(bench_pick(&s->dice, s->count));
		bench_must(dure_ordered_get(s->map, &key, sizeof key, &value), "get");
	}
	return (bench_now() - start) / (double)ops;
}

static double insert_round(void *state, uint64_t ops)
{
	struct state *s = state;
	uint64_t n = bench_batch(ops);
	double start = bench_now(), end;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = bench_key(s->count + i);
		bench_must(dure_ordered_insert(s->map, &key, sizeof key, &i), "insert");
	}
	end = bench_now();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = bench_key(s->count + i);
		bench_must(dure_ordered_remove(s->map, &key, sizeof key), "remove");
	}
	return (end - start) / (double)n;
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
	struct state *s = state;
	double start = bench_now();
	uint64_t sum = 0;

	(void)ops;
	bench_must(dure_ordered_visit(s->map, NULL, add_up, &sum), "visit");
	if (sum != s->count * (s->count - 1) / 2)
		bench_die("a scan has not seen all");
	return (bench_now() - start) / (double)s->count;
}

static void close_ordered(void *state)
{
	struct state *s = state;

	dure_ordered_close(s->map);
	bench_segment_close(s->segment);
	free(s);
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
	{ .name = NULL },
};
