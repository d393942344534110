/* SPDX-License-Identifier: MIT */
/*
 * vector.c - how long does appending to a vector take, and setting a bit of a bitmap
 *
 * Elements have 8 bytes; the vector has room, and is emptied unmeasured. "dure" takes and gives
 * back the vector's lock for each element, "dure, serial" relies on a lock of the program's that is
 * held all the time. Boost's vector lies in a segment and has no lock; or an interprocess_mutex is
 * taken for each.
 */
#include <stdlib.h>

#include "named.h"
#include "share.h"

enum { ROOM = 200000 };

struct state {
	dure_segment *segment;
	dure_vector *vector;
	dure_mutex *lock;		/* of a serial one */
};

static const uint32_t by_itself = 0, serial = DURE_VECTOR_SERIAL;

static void *open_vector(const void *argument)
{
	struct dure_vector_options o = { .sz = sizeof o, .flags = *(const uint32_t *)argument };
	struct state *s = calloc(1, sizeof *s);

	s->segment = bench_segment_make(64u << 20);
	bench_must(dure_vector_open(s->segment, "vector", DURE_TYPE(uint64_t), DURE_CREATE, &o,
				    &s->vector), "vector_open");
	bench_must(dure_vector_reserve(s->vector, ROOM), "reserve");
	bench_must(dure_object_construct(s->segment, "lock", DURE_TYPE(dure_mutex), 1, NULL, NULL,
					 (void **)&s->lock), "construct");
	if (o.flags)
		bench_must(dure_mutex_lock(s->segment, s->lock, DURE_FOREVER), "lock");
	return s;
}

static double push_round(void *state, uint64_t ops)
{
	struct state *s = state;
	uint64_t n = ops < ROOM ? ops : ROOM;
	double start = bench_now(), end;

	for (uint64_t i = 0; i < n; i++)
		bench_must(dure_vector_push(s->vector, &i, NULL), "push");
	end = bench_now();
	bench_must(dure_vector_resize(s->vector, 0), "resize");
	return (end - start) / (double)n;
}

static double get_round(void *state, uint64_t ops)
{
	struct state *s = state;
	uint64_t value, dice = BENCH_DICE_SEED;
	double start, end;

	bench_must(dure_vector_resize(s->vector, ROOM), "resize");
	start = bench_now();
	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_vector_get(s->vector, bench_pick(&dice, ROOM), &value), "get");
	end = bench_now();
	bench_must(dure_vector_resize(s->vector, 0), "resize");
	return (end - start) / (double)ops;
}

static void close_vector(void *state)
{
	struct state *s = state;

	(void)dure_mutex_unlock(s->segment, s->lock);	/* a serial one's */
	dure_vector_close(s->vector);
	bench_segment_close(s->segment);
	free(s);
}

/* -- bitmaps ----------------------------------------------------------------------------- */

struct bits {
	dure_segment *segment;
	dure_bitmap *bitmap;
};

static void *open_bitmap(const void *argument)
{
	struct bits *s = calloc(1, sizeof *s);

	(void)argument;
	s->segment = bench_segment_make(64u << 20);
	bench_must(dure_bitmap_open(s->segment, "bitmap", DURE_CREATE, &s->bitmap), "bitmap_open");
	bench_must(dure_bitmap_resize(s->bitmap, ROOM), "resize");
	return s;
}

static double set_round(void *state, uint64_t ops)
{
	struct bits *s = state;
	uint64_t dice = BENCH_DICE_SEED;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_bitmap_set(s->bitmap, bench_pick(&dice, ROOM)), "set");
	start = bench_now() - start;
	bench_must(dure_bitmap_clear_range(s->bitmap, 0, ROOM), "clear_range");
	return start / (double)ops;
}

static double test_round(void *state, uint64_t ops)
{
	struct bits *s = state;
	uint64_t dice = BENCH_DICE_SEED;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_bitmap_test(s->bitmap, bench_pick(&dice, ROOM)), "test");
	return (bench_now() - start) / (double)ops;
}

static void close_bitmap(void *state)
{
	struct bits *s = state;

	dure_bitmap_close(s->bitmap);
	bench_segment_close(s->segment);
	free(s);
}

const struct bench_row bench_vector_rows[] = {
	{
		.name = "vector-push",
		.what = "append 8 B to a vector, crash-atomic",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = ROOM,
		.contenders = {
			{ .who = "dure", .open = open_vector, .round = push_round,
			  .close = close_vector, .argument = &by_itself },
			{ .who = "dure, serial", .open = open_vector, .round = push_round,
			  .close = close_vector, .argument = &serial },
			{ .who = "Boost, no lock", .open = bench_boost_vector_open,
			  .round = bench_boost_vector_push, .close = bench_boost_vector_close },
			{ .who = "Boost + mutex", .open = bench_boost_vector_open,
			  .round = bench_boost_vector_push_locked,
			  .close = bench_boost_vector_close },
		},
		.goals = { { .text = "", .fixed = 8 } },
	},
	{
		.name = "vector-get",
		.what = "copy one of 200k elements of 8 B out of a vector",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = ROOM,
		.contenders = {
			{ .who = "dure", .open = open_vector, .round = get_round,
			  .close = close_vector, .argument = &by_itself },
			{ .who = "Boost + mutex", .open = bench_boost_vector_open,
			  .round = bench_boost_vector_get, .close = bench_boost_vector_close },
		},
		.goals = { { .text = "Boost + mutex", .of = { { "Boost + mutex", 1 } } } },
	},
	{
		.name = "bitmap-set",
		.what = "set one of 200k bits, crash-atomic",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = ROOM,
		.contenders = {
			{ .who = "dure", .open = open_bitmap, .round = set_round,
			  .close = close_bitmap },
			{ .who = "dure, test one", .open = open_bitmap, .round = test_round,
			  .close = close_bitmap },
		},
		.goals = { { .text = "", .fixed = 25 } },
	},
	{ .name = NULL },
};
