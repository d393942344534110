/* SPDX-License-Identifier: MIT */
/*
 * ring.c - how many records go through a ring, and how long is the way there and back
 *
 * One process sends 64 bytes, again and again, the other receives them. For the way there and
 * back there are two rings (or pipes), and each waits for the other's answer.
 */
#include "bench.h"

#include <dure.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "share.h"
#include "timing.h"

enum { RECORD = 64, RING_BYTES = 1 << 16 };

struct side {
	dure_segment *segment;
	dure_ring *out, *in;		/* of this process */
	int there[2], back[2];		/* pipes */
	unsigned index;
};

static struct side *join_side(const struct side *shared, unsigned index)
{
	struct side *side = malloc(sizeof *side);

	*side = *shared;
	side->index = index;
	return side;
}

/* -- dure -------------------------------------------------------------------------------- */

static dure_ring *end_of(dure_segment *segment, const char *name, uint32_t end)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = RING_BYTES };
	dure_ring *ring;

	bench_must(dure_ring_open(segment, name, DURE_CREATE | DURE_OPEN, &o, end, DURE_FOREVER,
				  &ring), "ring_open");
	return ring;
}

static void *open_dure(const void *argument)
{
	struct side *side = calloc(1, sizeof *side);

	(void)argument;
	side->segment = bench_segment_make(4u << 20);
	return side;
}

static void *join_dure(void *shared, unsigned index)
{
	struct side *side = join_side(shared, index);

	bench_segment_join(side->segment);
	side->out = end_of(side->segment, index ? "back" : "there", DURE_RING_SENDER);
	side->in = end_of(side->segment, index ? "there" : "back", DURE_RING_RECEIVER);
	return side;
}

static void send_dure(struct side *side, const void *record)
{
	bench_must(dure_ring_send(side->out, record, RECORD, DURE_FOREVER), "ring_send");
}

static void receive_dure(struct side *side, void *record)
{
	size_t bytes;

	bench_must(dure_ring_receive(side->in, record, RECORD, &bytes, DURE_FOREVER),
		   "ring_receive");
}

static void close_dure(void *shared)
{
	struct side *side = shared;

	bench_segment_close(side->segment);
	free(side);
}

/* -- pipes ------------------------------------------------------------------------------- */

static void *open_pipes(const void *argument)
{
	struct side *side = calloc(1, sizeof *side);

	(void)argument;
	if (pipe(side->there) < 0 || pipe(side->back) < 0)
		bench_die("no pipes");
	return side;
}

static void *join_pipes(void *shared, unsigned index)
{
	return join_side(shared, index);
}

static void send_pipe(struct side *side, const void *record)
{
	if (write(side->index ? side->back[1] : side->there[1], record, RECORD) != RECORD)
		bench_die("a pipe does not take a record");
}

static void receive_pipe(struct side *side, void *record)
{
	if (read(side->index ? side->there[0] : side->back[0], record, RECORD) != RECORD)
		bench_die("a pipe does not give a record");
}

static void close_pipes(void *shared)
{
	struct side *side = shared;

	for (int i = 0; i < 2; i++) {
		close(side->there[i]);
		close(side->back[i]);
	}
	free(side);
}

/* -- rounds ------------------------------------------------------------------------------ */

#define ROUNDS_OF(kind)                                                                           \
	static double one_way_##kind(void *state, uint64_t ops)                                   \
	{                                                                                         \
		char record[RECORD] = { 1 };                                                      \
		struct side *side = state;                                                        \
		double start = bench_now();                                                       \
                                                                                                  \
		for (uint64_t i = 0; side->index == 0 && i < ops; i++)                            \
			send_##kind(side, record);                                                \
		for (uint64_t i = 0; side->index == 1 && i < ops; i++)                            \
			receive_##kind(side, record);                                             \
		return (double)ops * 1e3 / (bench_now() - start);                                 \
	}                                                                                         \
                                                                                                  \
	static double there_and_back_##kind(void *state, uint64_t ops)                            \
	{                                                                                         \
		char record[RECORD] = { 1 };                                                      \
		struct side *side = state;                                                        \
		double start = bench_now();                                                       \
                                                                                                  \
		for (uint64_t i = 0; i < ops; i++) {                                              \
			if (side->index == 0)                                                     \
				send_##kind(side, record);                                        \
			receive_##kind(side, record);                                             \
			if (side->index == 1)                                                     \
				send_##kind(side, record);                                        \
		}                                                                                 \
		return (bench_now() - start) / (double)ops;                                       \
	}

ROUNDS_OF(dure)
ROUNDS_OF(pipe)

#define DURE(round_)                                                                              \
	{ .who = "dure", .open = open_dure, .join = join_dure, .round = round_,                   \
	  .close = close_dure, .processes = 2, .is_coupled = 1 }
#define PIPE(round_)                                                                              \
	{ .who = "pipe", .open = open_pipes, .join = join_pipes, .round = round_,                 \
	  .close = close_pipes, .processes = 2, .is_coupled = 1 }

const struct bench_row bench_ring_rows[] = {
	{
		.name = "ring",
		.what = "records of 64 B through a ring, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 1000000,
		.contenders = { DURE(one_way_dure), PIPE(one_way_pipe) },
		.goals = { { .text = "", .fixed = 60 } },
	},
	{
		.name = "ring-trip",
		.what = "64 B to another process and back, both looking all the time",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 100000,
		.contenders = { DURE(there_and_back_dure), PIPE(there_and_back_pipe) },
		.goals = { { .text = "1.7 bounces of 105", .fixed = 178 } },
	},
	{ .name = NULL },
};
