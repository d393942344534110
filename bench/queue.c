/* SPDX-License-Identifier: MIT */
/*
 * queue.c - how many messages go through a queue, and how fast is one type found among many
 *
 * One process sends 64 bytes, again and again, the other receives them; a queue holds up to 128
 * messages, or what the system allows. For the second question the queue has 10,000 messages of
 * as many types, and one process receives one of them and sends it again.
 */
#include "queue.h"

#include <dure.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include "share.h"
#include "timing.h"

enum { TYPES = 10000, TYPE_STRIDE = 7919, BATCH = 32 };

struct system_v_message {
	long type;
	char bytes[BENCH_QUEUE_BYTES];
};

void *bench_queue_join(void *shared, unsigned index)
{
	struct bench_queue_end *end = malloc(sizeof *end);

	*end = (struct bench_queue_end){ .queue = shared, .index = index };
	return end;
}

static double in_millions(uint64_t ops, double start)
{
	return (double)ops * 1e3 / (bench_now() - start);
}

/* -- dure -------------------------------------------------------------------------------- */

struct dure_side {
	dure_segment *segment;
	dure_queue *queue;
};

static struct dure_side *make_dure(const struct dure_queue_options *options)
{
	struct dure_side *side = malloc(sizeof *side);

	side->segment = bench_segment_make(16u << 20);
	bench_must(dure_queue_open(side->segment, "queue", DURE_CREATE, options, &side->queue),
		   "queue_open");
	return side;
}

static void *open_dure(const void *argument)
{
	struct dure_queue_options options = { .sz = sizeof options,
					      .messages_max = BENCH_QUEUE_DEPTH };

	(void)argument;
	return make_dure(&options);
}

static void *join_dure(void *shared, unsigned index)
{
	struct dure_side *side = shared;

	bench_segment_join(side->segment);
	bench_must(dure_queue_open(side->segment, "queue", DURE_OPEN, NULL, &side->queue),
		   "queue_open");
	return bench_queue_join(side->queue, index);
}

static double round_dure(void *state, uint64_t ops)
{
	const struct bench_queue_end *end = state;
	char message[BENCH_QUEUE_BYTES] = { 0 };
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		bench_must(end->index == 0
				   ? dure_queue_send(end->queue, message, sizeof message, NULL,
						     DURE_FOREVER)
				   : dure_queue_receive(end->queue, NULL, message, sizeof message,
							NULL, DURE_FOREVER),
			   "queue");
	return in_millions(ops, start);
}

/* Up to BATCH at once, as many as there is room for, or are there. */
static double round_dure_batch(void *state, uint64_t ops)
{
	const struct bench_queue_end *end = state;
	char messages[BATCH][BENCH_QUEUE_BYTES] = { 0 };
	struct dure_queue_piece pieces[BATCH];
	double start = bench_now();
	int r;

	for (unsigned i = 0; i < BATCH; i++)
		pieces[i] = (struct dure_queue_piece){ messages[i], BENCH_QUEUE_BYTES };
	for (uint64_t i = 0; i < ops; i += (uint64_t)r) {
		size_t count = ops - i < BATCH ? ops - i : BATCH;
		r = end->index == 0 ? dure_queue_send_many(end->queue, pieces, count, NULL,
							   DURE_FOREVER)
				    : dure_queue_receive_many(end->queue, NULL, pieces, NULL, count,
							      DURE_FOREVER);
		bench_must(r, "queue");
	}
	return in_millions(ops, start);
}

static void close_dure(void *shared)
{
	struct dure_side *side = shared;

	dure_queue_close(side->queue);
	bench_segment_close(side->segment);
	free(side);
}

static void send_typed(dure_queue *queue, long type)
{
	struct dure_queue_put put = { .sz = sizeof put, .type = type };

	bench_must(dure_queue_send(queue, "m", 1, &put, 0), "send");
}

static void *open_dure_types(const void *argument)
{
	struct dure_side *side = make_dure(NULL);

	(void)argument;
	for (long type = 1; type <= TYPES; type++)
		send_typed(side->queue, type);
	return side;
}

static double round_dure_types(void *state, uint64_t ops)
{
	struct dure_queue_select which = { .sz = sizeof which, .select = DURE_SELECT_TYPE };
	const struct dure_side *side = state;
	double start = bench_now();
	char byte;

	for (uint64_t i = 0; i < ops; i++) {
		which.type = (int64_t)(1 + i * TYPE_STRIDE % TYPES);
		bench_must(dure_queue_receive(side->queue, &which, &byte, 1, NULL, 0), "receive");
		send_typed(side->queue, (long)which.type);
	}
	return (bench_now() - start) / (double)ops;
}

/* -- System V ---------------------------------------------------------------------------- */

/* it has no name, so nobody else removes it: close does */
static void *open_system_v(const void *argument)
{
	int id = msgget(IPC_PRIVATE, 0600), *shared;

	(void)argument;
	if (id < 0)
		return NULL;
	shared = malloc(sizeof *shared);
	*shared = id;
	return shared;
}

static double round_system_v(void *state, uint64_t ops)
{
	const struct bench_queue_end *end = state;
	struct system_v_message message = { .type = 1 };
	int id = *(int *)end->queue;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (end->index == 0 ? msgsnd(id, &message, sizeof message.bytes, 0) < 0
				    : msgrcv(id, &message, sizeof message.bytes, 0, 0) < 0)
			bench_die("msgsnd or msgrcv failed");
	return in_millions(ops, start);
}

static void close_system_v(void *shared)
{
	msgctl(*(int *)shared, IPC_RMID, NULL);
	free(shared);
}

/* NULL: the system allows too few bytes in a queue */
static void *open_system_v_types(const void *argument)
{
	int *id = open_system_v(argument);

	for (long type = 1; id && type <= TYPES; type++) {
		struct system_v_message message = { .type = type };
		if (msgsnd(*id, &message, 1, IPC_NOWAIT) < 0) {
			close_system_v(id);
			return NULL;
		}
	}
	return id;
}

static double round_system_v_types(void *state, uint64_t ops)
{
	struct system_v_message message;
	int id = *(int *)state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (msgrcv(id, &message, 1, (long)(1 + i * TYPE_STRIDE % TYPES), 0) < 0 ||
		    msgsnd(id, &message, 1, 0) < 0)
			bench_die("msgsnd or msgrcv failed");
	return (bench_now() - start) / (double)ops;
}

/* -- POSIX ------------------------------------------------------------------------------- */

static void *open_posix(const void *argument)
{
	struct mq_attr attributes = { .mq_maxmsg = 10, .mq_msgsize = BENCH_QUEUE_BYTES };
	char name[32];
	mqd_t *shared = malloc(sizeof *shared);

	(void)argument;
	snprintf(name, sizeof name, "/bench-queue-%d", (int)getpid());
	*shared = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
	mq_unlink(name);
	if (*shared != (mqd_t)-1)
		return shared;
	free(shared);
	return NULL;
}

static double round_posix(void *state, uint64_t ops)
{
	const struct bench_queue_end *end = state;
	char message[BENCH_QUEUE_BYTES] = { 0 };
	mqd_t queue = *(mqd_t *)end->queue;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (end->index == 0 ? mq_send(queue, message, sizeof message, 0) < 0
				    : mq_receive(queue, message, sizeof message, NULL) < 0)
			bench_die("mq_send or mq_receive failed");
	return in_millions(ops, start);
}

static void close_posix(void *shared)
{
	mq_close(*(mqd_t *)shared);
	free(shared);
}

const struct bench_row bench_queue_rows[] = {
	{
		.name = "queue",
		.what = "messages of 64 B through a queue, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 100000,
		.contenders = {
			{ .who = "dure", .open = open_dure, .join = join_dure, .round = round_dure,
			  .close = close_dure, .processes = 2, .is_coupled = 1 },
			{ .who = "System V", .open = open_system_v, .join = bench_queue_join,
			  .round = round_system_v, .close = close_system_v, .processes = 2,
			  .is_coupled = 1 },
			{ .who = "POSIX", .open = open_posix, .join = bench_queue_join,
			  .round = round_posix, .close = close_posix, .processes = 2,
			  .is_coupled = 1 },
			{ .who = "Boost", .open = bench_boost_queue_open, .join = bench_queue_join,
			  .round = bench_boost_queue_round, .close = bench_boost_queue_close,
			  .processes = 2, .is_coupled = 1 },
		},
		.goals = { { .text = "", .fixed = 8 } },
	},
	{
		.name = "queue-batch",
		.what = "the same, up to 32 messages by one call",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = {
			{ .who = "dure", .open = open_dure, .join = join_dure,
			  .round = round_dure_batch, .close = close_dure, .processes = 2,
			  .is_coupled = 1 },
			{ .who = "dure, one by one", .open = open_dure, .join = join_dure,
			  .round = round_dure, .close = close_dure, .processes = 2,
			  .is_coupled = 1 },
		},
		.goals = { { .text = "", .fixed = 8 } },
	},
	{
		.name = "queue-type",
		.what = "receive one type among 10,000 queued, and send it again",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 2000,
		.contenders = {
			{ .who = "dure", .open = open_dure_types, .round = round_dure_types,
			  .close = close_dure },
			{ .who = "System V", .open = open_system_v_types,
			  .round = round_system_v_types, .close = close_system_v },
		},
		.goals = { { .text = "System V / 50", .of = { { "System V", 0.02 } } } },
	},
	{ .name = NULL },
};
