/* SPDX-License-Identifier: MIT */
/*
 * topic.c - what publishing costs, how much of it arrives, and how long is the way
 *
 * Process 0 publishes 64 bytes (or passes on 64 KiB where they lie), again and again; process 1 has
 * all the subscribers, one or many, and goes from one to the next. Where each must receive
 * everything, the publisher waits for them. For the way there and back each process publishes on a
 * topic that the other one subscribes to, and both look all the time.
 */
#include "topic.h"

#include <dure.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"
#include "timing.h"

enum { SUBSCRIBERS_MAX = 100, KEPT = 256, LARGE = 65536, TRIPS_MAX = 100000 };

/* how a row uses a topic */
struct use {
	unsigned subscribers;
	uint32_t policy;
	uint64_t bytes;
	unsigned kept;
};

static const struct use one_lags = { 1, DURE_TOPIC_DROP, BENCH_TOPIC_BYTES, KEPT },
	ten_lag = { 10, DURE_TOPIC_DROP, BENCH_TOPIC_BYTES, KEPT },
	hundred_lag = { 100, DURE_TOPIC_DROP, BENCH_TOPIC_BYTES, KEPT },
	one_blocks = { 1, DURE_TOPIC_BLOCK, BENCH_TOPIC_BYTES, KEPT },
	ten_block = { 10, DURE_TOPIC_BLOCK, BENCH_TOPIC_BYTES, KEPT },
	hundred_block = { 100, DURE_TOPIC_BLOCK, BENCH_TOPIC_BYTES, KEPT },
	large_one = { 1, DURE_TOPIC_BLOCK, LARGE, 16 };
static const unsigned one = 1, ten = 10, hundred = 100;

struct side {
	dure_segment *segment;
	const struct use *use;
	double *publisher_took;		/* in the segment */
	unsigned index;
	dure_topic *topic, *back;
	dure_subscriber *subscribers[SUBSCRIBERS_MAX];
};

static dure_topic *topic_named(dure_segment *segment, const char *name, unsigned kept)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = kept,
					.subscribers_max = SUBSCRIBERS_MAX };
	dure_topic *topic;

	bench_must(dure_topic_open(segment, name, DURE_CREATE | DURE_OPEN, &o, &topic),
		   "topic_open");
	return topic;
}

static dure_subscriber *subscribe(dure_topic *topic, uint32_t policy)
{
	struct dure_subscribe_options o = { .sz = sizeof o, .policy = policy };
	dure_subscriber *s;

	bench_must(dure_topic_subscribe(topic, &o, &s), "subscribe");
	return s;
}

static void *open_dure(const void *argument)
{
	struct side *side = calloc(1, sizeof *side);

	side->use = argument;
	side->segment = bench_segment_make(64u << 20);
	side->publisher_took = bench_segment_memory(side->segment, sizeof(double));
	return side;
}

static struct side *join_side(const void *shared, unsigned index)
{
	struct side *side = malloc(sizeof *side);

	memcpy(side, shared, sizeof *side);
	side->index = index;
	bench_segment_join(side->segment);
	return side;
}

static void *join_dure(void *shared, unsigned index)
{
	struct side *side = join_side(shared, index);
	unsigned count = index == 1 ? side->use->subscribers : 0;

	side->topic = topic_named(side->segment, "topic", side->use->kept);
	for (unsigned i = 0; i < count; i++)
		side->subscribers[i] = subscribe(side->topic, side->use->policy);
	return side;
}

static void publish(struct side *side, uint64_t number)
{
	uint64_t *loan;

	bench_must(dure_topic_loan(side->topic, side->use->bytes, (void **)&loan), "loan");
	if (side->use->bytes == BENCH_TOPIC_BYTES)
		memset(loan, 1, BENCH_TOPIC_BYTES);
	*loan = number;
	bench_must(dure_topic_publish(side->topic, loan, side->use->bytes, DURE_FOREVER), "publish");
}

/* The number of what one subscriber gets; 0: nothing. */
static uint64_t receive(dure_subscriber *s)
{
	const uint64_t *data;
	uint64_t number;

	if (dure_subscriber_take(s, (const void **)&data, NULL, 0) < 0)
		return 0;
	number = *data;
	bench_must(dure_subscriber_give_back(s, data), "give_back");
	return number;
}

/* Until all have had the last one. The subscribers take their turns. */
static void receive_all(struct side *side, uint64_t last)
{
	unsigned count = side->use->subscribers, left = count;
	bool has_last[SUBSCRIBERS_MAX] = { false };

	while (left)
		for (unsigned i = 0; i < count; i++)
			if (!has_last[i] && receive(side->subscribers[i]) == last) {
				has_last[i] = true;
				left--;
			}
}

static double run(struct side *side, uint64_t ops)
{
	double start = bench_now();

	for (uint64_t i = 1; side->index == 0 && i <= ops; i++)
		publish(side, i);
	if (side->index == 1)
		receive_all(side, ops);
	return bench_now() - start;
}

/* ns for one publication: the publisher's time, which the other process has when it gets the last */
static double round_publish(void *state, uint64_t ops)
{
	struct side *side = state;
	double start = bench_now();

	if (side->index == 1) {
		receive_all(side, ops);
		return *side->publisher_took;
	}
	for (uint64_t i = 1; i < ops; i++)
		publish(side, i);
	*side->publisher_took = (bench_now() - start) / (double)(ops - 1);
	publish(side, ops);
	return *side->publisher_took;
}

/* millions a second that arrive */
static double round_arrive(void *state, uint64_t ops)
{
	struct side *side = state;

	return (double)(ops * side->use->subscribers) * 1e3 / run(side, ops);
}

static void close_dure(void *shared)
{
	struct side *side = shared;

	bench_segment_close(side->segment);
	free(side);
}

/* -- there and back ---------------------------------------------------------------------- */

static void *join_trip(void *shared, unsigned index)
{
	struct side *side = join_side(shared, index);

	side->topic = topic_named(side->segment, index ? "back" : "there", KEPT);
	side->back = topic_named(side->segment, index ? "there" : "back", KEPT);
	side->subscribers[0] = subscribe(side->back, DURE_TOPIC_BLOCK);
	return side;
}

static void trip(struct side *side, uint64_t number)
{
	if (side->index == 0)
		publish(side, number);
	while (receive(side->subscribers[0]) != number)
		;
	if (side->index == 1)
		publish(side, number);
}

static double round_trip(void *state, uint64_t ops)
{
	struct side *side = state;
	double start = bench_now();

	for (uint64_t i = 1; i <= ops; i++)
		trip(side, i);
	return (bench_now() - start) / (double)ops;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* the trip that is longer than all but one in a hundred */
static double round_trip_p99(void *state, uint64_t ops)
{
	static double took[TRIPS_MAX];
	struct side *side = state;

	for (uint64_t i = 1; i <= ops; i++) {
		double start = bench_now();
		trip(side, i);
		took[i - 1] = bench_now() - start;
	}
	qsort(took, ops, sizeof *took, compare);
	return took[ops * 99 / 100];
}

#define DURE(who_, use_, join_, round_)                                                           \
	{ .who = who_, .open = open_dure, .join = join_, .round = round_, .close = close_dure,    \
	  .argument = use_, .processes = 2, .is_coupled = 1 }
#define ZMQ(count_, ops_)                                                                         \
	{ .who = "ZeroMQ", .open = bench_zmq_topic_open, .join = bench_zmq_topic_join,            \
	  .round = bench_zmq_topic_round, .close = bench_zmq_topic_close, .argument = count_,     \
	  .processes = 2, .is_coupled = 1, .ops = ops_ }

const struct bench_row bench_topic_rows[] = {
	{
		.name = "topic-publish",
		.what = "publish 64 B to 100 subscribers that keep looking",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = { DURE("dure", &hundred_lag, join_dure, round_publish),
				DURE("dure, to 10", &ten_lag, join_dure, round_publish),
				DURE("dure, to 1", &one_lags, join_dure, round_publish) },
		.goals = { { .text = "", .fixed = 200 },
			   { .text = "to 1, + 25 %", .of = { { "dure, to 1", 1.25 } } } },
	},
	{
		.name = "topic-fan",
		.what = "64 B to 100 subscribers of another process, received by each",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 20000,
		.contenders = { DURE("dure", &hundred_block, join_dure, round_arrive),
				ZMQ(&hundred, 2000) },
		.goals = { { .text = "ZeroMQ x 5", .of = { { "ZeroMQ", 5 } } } },
	},
	{
		.name = "topic-fan-10",
		.what = "64 B to 10 subscribers of another process, received by each",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 100000,
		.contenders = { DURE("dure", &ten_block, join_dure, round_arrive),
				ZMQ(&ten, 20000) },
		.goals = { { .text = "ZeroMQ x 5", .of = { { "ZeroMQ", 5 } } } },
	},
	{
		.name = "topic-way",
		.what = "64 B to one subscriber, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = { DURE("dure", &one_blocks, join_dure, round_arrive),
				ZMQ(&one, 100000) },
		.goals = { { .text = "", .fixed = 5 } },
	},
	{
		.name = "topic-large",
		.what = "64 KiB passed on where they lie, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 100000,
		.contenders = { DURE("dure", &large_one, join_dure, round_arrive) },
		.goals = { { .text = "", .fixed = 10 } },
	},
	{
		.name = "topic-trip",
		.what = "64 B published to another process and back, both looking all the time",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 50000,
		.contenders = { DURE("dure", &one_blocks, join_trip, round_trip),
				{ .who = "ZeroMQ", .open = bench_zmq_trip_open,
				  .join = bench_zmq_trip_join, .round = bench_zmq_trip_round,
				  .close = bench_zmq_trip_close, .processes = 2, .is_coupled = 1,
				  .ops = 5000 },
				{ .who = "nng", .open = bench_nng_trip_open,
				  .join = bench_nng_trip_join, .round = bench_nng_trip_round,
				  .close = bench_nng_trip_close, .processes = 2, .is_coupled = 1,
				  .ops = 2000 } },
		.goals = { { .text = "1.7 bounces of 105", .fixed = 178 } },
	},
	{
		.name = "topic-trip-p99",
		.what = "the same, all but one trip in a hundred",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 50000,
		.contenders = { DURE("dure", &one_blocks, join_trip, round_trip_p99),
				DURE("dure, mean", &one_blocks, join_trip, round_trip) },
		.goals = { { .text = "mean x 3", .of = { { "dure, mean", 3 } } } },
	},
	{ .name = NULL },
};
