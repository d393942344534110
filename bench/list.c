/* SPDX-License-Identifier: MIT */
/*
 * list.c - how long do lists, deques and priority queues take
 *
 * Elements have 8 bytes. A round of push and pop appends them, then takes them away at the front;
 * what is given is one pair of both. std::list and std::deque lie in private memory and have no
 * lock; Boost's lie in a segment, and an interprocess_mutex is taken for each operation, and for
 * all of a walk.
 */
#include <stdlib.h>

#include "named.h"
#include "share.h"

enum { LENGTH = 100000 };

struct state {
	dure_segment *segment;
	dure_list *list;
};

static void *open_list(const void *argument)
{
	struct state *s = calloc(1, sizeof *s);

	(void)argument;
	s->segment = bench_segment_make(64u << 20);
	bench_must(dure_list_open(s->segment, "list", DURE_TYPE(uint64_t), DURE_CREATE, NULL,
				  &s->list), "list_open");
	return s;
}

static void *open_full_list(const void *argument)
{
	struct state *s = open_list(argument);

	for (uint64_t i = 0; i < LENGTH; i++)
		bench_must(dure_list_push_back(s->list, &i, NULL), "push_back");
	return s;
}

static double list_push_pop(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();
	uint64_t value;

	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_list_push_back(s->list, &i, NULL), "push_back");
	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_list_pop_front(s->list, &value), "pop_front");
	return (bench_now() - start) / (double)ops;
}

static int add(void *at, const void *element, void *context)
{
	(void)at;
	*(uint64_t *)context += *(const uint64_t *)element;
	return 0;
}

/* ops counts elements */
static double list_walk(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();
	uint64_t walks = (ops + LENGTH - 1) / LENGTH, sum = 0;

	for (uint64_t i = 0; i < walks; i++)
		bench_must(dure_list_visit(s->list, 0, add, &sum), "visit");
	return (bench_now() - start) / (double)(walks * LENGTH);
}

static void close_list(void *state)
{
	struct state *s = state;

	dure_list_close(s->list);
	bench_segment_close(s->segment);
	free(s);
}

struct deque_state {
	dure_segment *segment;
	dure_deque *deque;
};

static void *open_deque(const void *argument)
{
	struct deque_state *s = calloc(1, sizeof *s);

	(void)argument;
	s->segment = bench_segment_make(64u << 20);
	bench_must(dure_deque_open(s->segment, "deque", DURE_TYPE(uint64_t), DURE_CREATE, NULL,
				   &s->deque), "deque_open");
	return s;
}

static void *open_full_deque(const void *argument)
{
	struct deque_state *s = open_deque(argument);

	for (uint64_t i = 0; i < LENGTH; i++)
		bench_must(dure_deque_push_back(s->deque, &i), "push_back");
	return s;
}

static double deque_push_pop(void *state, uint64_t ops)
{
	struct deque_state *s = state;
	double start = bench_now();
	uint64_t value;

	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_deque_push_back(s->deque, &i), "push_back");
	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_deque_pop_front(s->deque, &value), "pop_front");
	return (bench_now() - start) / (double)ops;
}

static double deque_get(void *state, uint64_t ops)
{
	struct deque_state *s = state;
	uint64_t value, dice = BENCH_DICE_SEED;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_deque_get(s->deque, bench_pick(&dice, LENGTH), &value), "get");
	return (bench_now() - start) / (double)ops;
}

static void close_deque(void *state)
{
	struct deque_state *s = state;

	dure_deque_close(s->deque);
	bench_segment_close(s->segment);
	free(s);
}

struct priority_state {
	dure_segment *segment;
	dure_priority *queue;
};

static void *open_priority(const void *argument)
{
	struct priority_state *s = calloc(1, sizeof *s);

	(void)argument;
	s->segment = bench_segment_make(64u << 20);
	bench_must(dure_priority_open(s->segment, "queue", DURE_TYPE(uint64_t), DURE_CREATE, NULL,
				      &s->queue), "priority_open");
	for (uint64_t i = 0; i < LENGTH; i++)
		bench_must(dure_priority_push(s->queue, &(uint64_t){ bench_key(i) }, &i, NULL), "push");
	return s;
}

/* One comes, one goes: as many are there all the time. */
static double priority_churn(void *state, uint64_t ops)
{
	struct priority_state *s = state;
	double start = bench_now();
	uint64_t key, value;

	for (uint64_t i = 0; i < ops; i++) {
		key = bench_key(LENGTH + i);
		bench_must(dure_priority_push(s->queue, &key, &i, NULL), "push");
		bench_must(dure_priority_pop(s->queue, &key, &value), "pop");
	}
	return (bench_now() - start) / (double)ops;
}

static void close_priority(void *state)
{
	struct priority_state *s = state;

	dure_priority_close(s->queue);
	bench_segment_close(s->segment);
	free(s);
}

const struct bench_row bench_list_rows[] = {
	{
		.name = "list-push-pop",
		.what = "append 8 B to a list, take one from its front, crash-atomic",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 20000,
		.contenders = {
			{ .who = "dure", .open = open_list, .round = list_push_pop,
			  .close = close_list },
			{ .who = "Boost + mutex", .open = bench_boost_list_open,
			  .round = bench_boost_list_push_pop, .close = bench_boost_list_close },
			{ .who = "std::list", .open = bench_std_list_open,
			  .round = bench_std_list_push_pop, .close = bench_std_list_close },
		},
		.goals = { { .text = "Boost + mutex", .of = { { "Boost + mutex", 1 } } } },
	},
	{
		.name = "list-walk",
		.what = "go along a list of 100k elements, others may change it; per element",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = LENGTH,
		.contenders = {
			{ .who = "dure", .open = open_full_list, .round = list_walk,
			  .close = close_list },
			{ .who = "Boost + mutex", .open = bench_boost_full_list_open,
			  .round = bench_boost_list_walk, .close = bench_boost_list_close },
			{ .who = "std::list", .open = bench_std_full_list_open,
			  .round = bench_std_list_walk, .close = bench_std_list_close },
		},
		.goals = { { .text = "Boost + mutex", .of = { { "Boost + mutex", 1 } } } },
	},
	{
		.name = "deque-push-pop",
		.what = "append 8 B to a deque, take one from its front, crash-atomic",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 20000,
		.contenders = {
			{ .who = "dure", .open = open_deque, .round = deque_push_pop,
			  .close = close_deque },
			{ .who = "Boost + mutex", .open = bench_boost_deque_open,
			  .round = bench_boost_deque_push_pop, .close = bench_boost_deque_close },
			{ .who = "std::deque", .open = bench_std_deque_open,
			  .round = bench_std_deque_push_pop, .close = bench_std_deque_close },
		},
		.goals = { { .text = "Boost + mutex", .of = { { "Boost + mutex", 1 } } } },
	},
	{
		.name = "deque-get",
		.what = "copy one of 100k elements of 8 B out of a deque",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = LENGTH,
		.contenders = {
			{ .who = "dure", .open = open_full_deque, .round = deque_get,
			  .close = close_deque },
			{ .who = "Boost + mutex", .open = bench_boost_full_deque_open,
			  .round = bench_boost_deque_get, .close = bench_boost_deque_close },
			{ .who = "std::deque", .open = bench_std_full_deque_open,
			  .round = bench_std_deque_get, .close = bench_std_deque_close },
		},
		.goals = { { .text = "Boost + mutex", .of = { { "Boost + mutex", 1 } } } },
	},
	{
		.name = "priority-push-pop",
		.what = "add to 100k in a priority queue, take the first one, crash-atomic",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 20000,
		.contenders = {
			{ .who = "dure", .open = open_priority, .round = priority_churn,
			  .close = close_priority },
			{ .who = "Boost + mutex", .open = bench_boost_priority_open,
			  .round = bench_boost_priority_churn,
			  .close = bench_boost_priority_close },
			{ .who = "std::priority_queue", .open = bench_std_priority_open,
			  .round = bench_std_priority_churn, .close = bench_std_priority_close },
		},
		.goals = { { .text = "Boost + mutex", .of = { { "Boost + mutex", 1 } } } },
	},
	{ .name = NULL },
};
