/* SPDX-License-Identifier: MIT */
/*
 * object.c - how long does it take to find a thing by its name, and to make one
 *
 * Names are found in random order. Making is measured in batches; the batch is destroyed
 * again, unmeasured, so that the number of names stays what the row says.
 */
#include <stdlib.h>

#include "named.h"
#include "share.h"

struct thing {
	uint64_t value;
};

static const struct bench_named_work names_100k = {
	.count = 100000, .segment_bytes = 256u << 20,
};

char (*bench_names(uint64_t first, uint64_t count))[BENCH_NAME_ROOM]
{
	char (*names)[BENCH_NAME_ROOM] = malloc(count * sizeof *names);

	if (!names)
		bench_die("no memory for names");
	for (uint64_t i = 0; i < count; i++)
		bench_name_write(names[i], first + i);
	return names;
}

struct state {
	dure_segment *segment;
	uint64_t count, dice, next;
	char (*names)[BENCH_NAME_ROOM];
	char (*fresh)[BENCH_NAME_ROOM];
};

static void construct(const struct state *s, const char *name)
{
	void *object;

	bench_must(dure_object_construct(s->segment, name, DURE_TYPE(struct thing), 1, NULL, NULL,
					 &object), "construct");
	*(volatile uint64_t *)object = 1;
}

static void *open_names(const void *argument)
{
	const struct bench_named_work *work = argument;
	struct state *s = calloc(1, sizeof *s);

	s->segment = bench_segment_make(work->segment_bytes);
	s->count = work->count;
	s->dice = BENCH_DICE_SEED;
	s->names = bench_names(0, s->count);
	s->fresh = bench_names(s->count, BENCH_BATCH);
	for (uint64_t i = 0; i < s->count; i++)
		construct(s, s->names[i]);
	return s;
}

static double find_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();
	void *object;

	for (uint64_t i = 0; i < ops; i++) {
		const char *name = bench_name_next(s->names, s->count, &s->dice, &s->next);
		bench_must(dure_object_find(s->segment, name, DURE_TYPE(struct thing), &object, NULL),
			   "find");
		(void)*(volatile uint64_t *)object;
	}
	return (bench_now() - start) / (double)ops;
}

static double construct_round(void *state, uint64_t ops)
{
	struct state *s = state;
	uint64_t n = bench_batch(ops);
	double start = bench_now(), end;

	for (uint64_t i = 0; i < n; i++)
		construct(s, s->fresh[i]);
	end = bench_now();
	for (uint64_t i = 0; i < n; i++)
		bench_must(dure_object_destroy(s->segment, s->fresh[i], DURE_TYPE(struct thing), NULL,
					       NULL), "destroy");
	return (end - start) / (double)n;
}

static void close_names(void *state)
{
	struct state *s = state;

	bench_segment_close(s->segment);
	free(s->names);
	free(s->fresh);
	free(s);
}

const struct bench_row bench_object_rows[] = {
	{
		.name = "find",
		.what = "find an object by name among 100k",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 200000,
		.contenders = {
			{ .who = "dure", .open = open_names, .round = find_round,
			  .close = close_names, .argument = &names_100k },
			{ .who = "Boost", .open = bench_boost_tree_open,
			  .round = bench_boost_tree_find, .close = bench_boost_tree_close,
			  .argument = &names_100k, .ops = 50000 },
			{ .who = "Boost, hash index", .open = bench_boost_hash_open,
			  .round = bench_boost_hash_find, .close = bench_boost_hash_close,
			  .argument = &names_100k, .ops = 100000 },
			{ .who = "LMDB", .open = bench_lmdb_names_open, .join = bench_lmdb_join,
			  .round = bench_lmdb_names_find, .close = bench_lmdb_close,
			  .argument = &names_100k, .ops = 50000 },
		},
		.goals = { { .text = "", .fixed = 75 } },
	},
	{
		.name = "construct",
		.what = "construct a named object among 100k",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = BENCH_BATCH,
		.contenders = {
			{ .who = "dure", .open = open_names, .round = construct_round,
			  .close = close_names, .argument = &names_100k },
			{ .who = "Boost", .open = bench_boost_tree_open,
			  .round = bench_boost_tree_construct, .close = bench_boost_tree_close,
			  .argument = &names_100k },
			{ .who = "Boost, hash index", .open = bench_boost_hash_open,
			  .round = bench_boost_hash_construct, .close = bench_boost_hash_close,
			  .argument = &names_100k },
			{ .who = "LMDB, no sync", .open = bench_lmdb_names_open, .join = bench_lmdb_join,
			  .round = bench_lmdb_names_put, .close = bench_lmdb_close,
			  .argument = &names_100k },
		},
		.goals = { { .text = "", .fixed = 150 } },
	},
	{ .name = NULL },
};
