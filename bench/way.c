/* SPDX-License-Identifier: MIT */
/*
 * way.c - messages from one process to another, and back, over all ways there are
 *
 * For throughput process 0 sends them all, and has one back when the last one has come; so both take
 * the same time. For latency each message is answered, and each trip is measured: the row tells the
 * median, or the trip that is longer than all but one in a hundred or thousand. Who can look all the
 * time does; where both sleep, each trip has two wake-ups.
 *
 * Lanes: process 0 has as many as the row says, and sends on one after the other; process 1
 * receives. A board: process 0 writes for as long as process 1 reads.
 */
#include "way.h"

#include <dure.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "share.h"
#include "timing.h"

enum { TRIPS_MAX = 100000, LANES = 4, LANE_BYTES = 65536, RECORD = 64 };

static const struct bench_way_use looks_64 = { 64, 0 }, sleeps_64 = { 64, 1 }, looks_1k = { 1024, 0 },
				  looks_64k = { 65536, 0 }, looks_1m = { BENCH_WAY_BYTES_MAX, 0 };

/* What a contender's argument points to. */
struct trip {
	const struct bench_way *way;
	const struct bench_way_use *use;
};

struct side {
	const struct trip *trip;
	void *shared, *end;
	unsigned index;
	unsigned char *data;
};

/* -- setting up -------------------------------------------------------------------------- */

static void *open_way(const void *argument)
{
	const struct trip *trip = argument;
	void *shared = trip->way->open(trip->use);
	struct side *side = shared ? calloc(1, sizeof *side) : NULL;

	if (side)
		*side = (struct side){ .trip = trip, .shared = shared };
	return side;
}

static void *join_way(void *shared, unsigned index)
{
	struct side *side = malloc(sizeof *side);

	*side = *(const struct side *)shared;
	side->index = index;
	side->data = calloc(1, side->trip->use->bytes);
	side->end = side->trip->way->join(side->shared, side->trip->use, index);
	return side;
}

static void close_way(void *shared)
{
	struct side *side = shared;

	side->trip->way->close(side->shared);
	free(side);
}

static void send(struct side *side)
{
	side->trip->way->send(side->end, side->data, side->trip->use->bytes);
}

static void receive(struct side *side)
{
	side->trip->way->receive(side->end, side->data, side->trip->use->bytes);
}

/* -- one way ----------------------------------------------------------------------------- */

/* ns for ops messages */
static double run(struct side *side, uint64_t ops)
{
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (side->index == 0)
			send(side);
		else
			receive(side);
	if (side->index == 0)
		receive(side);
	else
		send(side);
	return bench_now() - start;
}

static double round_millions(void *state, uint64_t ops)
{
	return (double)ops * 1e3 / run(state, ops);
}

static double round_gigabytes(void *state, uint64_t ops)
{
	const struct side *side = state;

	return (double)(ops * side->trip->use->bytes) / run(state, ops);
}

/* -- there and back ---------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The trip that is longer than all but one in `one_in` of them. */
static double round_trips(struct side *side, uint64_t ops, uint64_t one_in)
{
	static double took[TRIPS_MAX];
	double start = bench_now(), end;

	for (uint64_t i = 0; i < ops; i++, start = end) {
		if (side->index == 0)
			send(side);
		receive(side);
		if (side->index == 1)
			send(side);
		end = bench_now();
		took[i] = end - start;
	}
	qsort(took, ops, sizeof *took, compare);
	return took[ops - 1 - ops / one_in];
}

static double round_p50(void *state, uint64_t ops)
{
	return round_trips(state, ops, 2);
}

static double round_p99(void *state, uint64_t ops)
{
	return round_trips(state, ops, 100);
}

static double round_p999(void *state, uint64_t ops)
{
	return round_trips(state, ops, 1000);
}

static double round_p50_us(void *state, uint64_t ops)
{
	return round_trips(state, ops, 2) / 1e3;
}

/* -- lanes ------------------------------------------------------------------------------- */

struct lanes_side {
	dure_segment *segment;
	unsigned senders, index;
	dure_lanes *lanes[LANES];
};

static const unsigned one_lane = 1, four_lanes = LANES;

static void *open_lanes(const void *argument)
{
	struct lanes_side *side = calloc(1, sizeof *side);

	side->senders = *(const unsigned *)argument;
	side->segment = bench_segment_make(4u << 20);
	return side;
}

static void *join_lanes(void *shared, unsigned index)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = LANE_BYTES, .senders_max = LANES };
	struct lanes_side *side = malloc(sizeof *side);

	*side = *(const struct lanes_side *)shared;
	side->index = index;
	bench_segment_join(side->segment);
	for (unsigned i = 0; i < (index ? 1 : side->senders); i++)
		bench_must(dure_lanes_open(side->segment, "lanes", DURE_CREATE | DURE_OPEN, &o,
					   index ? DURE_LANES_RECEIVER : DURE_LANES_SENDER, DURE_FOREVER,
					   &side->lanes[i]), "lanes_open");
	return side;
}

static double round_lanes(void *state, uint64_t ops)
{
	struct lanes_side *side = state;
	char record[RECORD] = { 1 };
	double start = bench_now();
	size_t bytes;

	for (uint64_t i = 0; side->index == 0 && i < ops; i++)
		bench_must(dure_lanes_send(side->lanes[i % side->senders], record, RECORD, DURE_FOREVER),
			   "lanes_send");
	for (uint64_t i = 0; side->index == 1 && i < ops; i++)
		bench_must(dure_lanes_receive(side->lanes[0], record, RECORD, &bytes, NULL, DURE_FOREVER),
			   "lanes_receive");
	return (double)ops * 1e3 / (bench_now() - start);
}

static void close_lanes(void *shared)
{
	struct lanes_side *side = shared;

	bench_segment_close(side->segment);
	free(side);
}

/* -- the latest value -------------------------------------------------------------------- */

struct latest {
	_Atomic uint64_t rounds_read;	/* by process 1 */
	double rate;			/* of its last round */
	pthread_mutex_t lock;		/* of the peer: guards the value */
	char value[RECORD];
};

struct latest_side {
	struct latest *latest;
	dure_segment *segment;		/* NULL: the peer */
	dure_board *board;
	unsigned index;
};

static void *open_latest(const void *argument)
{
	struct latest_side *side = calloc(1, sizeof *side);
	pthread_mutexattr_t shared;

	side->latest = mmap(NULL, sizeof *side->latest, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (side->latest == MAP_FAILED)
		bench_die("no shared memory");
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&side->latest->lock, &shared);
	if (argument)
		side->segment = bench_segment_make(4u << 20);
	return side;
}

static void *join_latest(void *shared, unsigned index)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = RECORD };
	struct latest_side *side = malloc(sizeof *side);

	*side = *(const struct latest_side *)shared;
	side->index = index;
	if (!side->segment)
		return side;
	bench_segment_join(side->segment);
	bench_must(dure_board_open(side->segment, "board", DURE_CREATE | DURE_OPEN, &o, &side->board),
		   "board_open");
	if (index == 0)
		bench_must(dure_board_write(side->board, &o, sizeof o, 0, NULL), "board_write");
	return side;
}

static void write_latest(struct latest_side *side, const char *value)
{
	if (side->board) {
		bench_must(dure_board_write(side->board, value, RECORD, DURE_FOREVER, NULL), "board_write");
		return;
	}
	pthread_mutex_lock(&side->latest->lock);
	memcpy(side->latest->value, value, RECORD);
	pthread_mutex_unlock(&side->latest->lock);
}

static void read_latest(struct latest_side *side, char *value)
{
	if (side->board) {
		while (dure_board_read(side->board, value, RECORD, NULL, NULL) == -EAGAIN)
			;
		return;
	}
	pthread_mutex_lock(&side->latest->lock);
	memcpy(value, side->latest->value, RECORD);
	pthread_mutex_unlock(&side->latest->lock);
}

/* Millions of reads a second; process 0 writes until they are done. */
static double round_latest(void *state, uint64_t ops)
{
	struct latest_side *side = state;
	struct latest *latest = side->latest;
	uint64_t before = atomic_load(&latest->rounds_read);
	char value[RECORD] = { 1 };
	static uint64_t round;
	double start = bench_now();

	round++;
	while (side->index == 0 && before < round) {
		write_latest(side, value);
		before = atomic_load_explicit(&latest->rounds_read, memory_order_acquire);
	}
	for (uint64_t i = 0; side->index == 1 && i < ops; i++)
		read_latest(side, value);
	if (side->index == 1) {
		latest->rate = (double)ops * 1e3 / (bench_now() - start);
		atomic_store(&latest->rounds_read, round);
	}
	return latest->rate;
}

static void close_latest(void *shared)
{
	struct latest_side *side = shared;

	if (side->segment)
		bench_segment_close(side->segment);
	munmap(side->latest, sizeof *side->latest);
	free(side);
}

/* -- rows -------------------------------------------------------------------------------- */

#define WAY_OPS(who_, way_, use_, round_, ops_)                                                   \
	{ .who = who_, .open = open_way, .join = join_way, .round = round_, .close = close_way,   \
	  .argument = &(const struct trip){ &bench_way_##way_, &use_ }, .processes = 2,           \
	  .is_coupled = 1, .ops = ops_ }
#define WAY(who_, way_, use_, round_) WAY_OPS(who_, way_, use_, round_, 0)
#define LANES_OF(who_, count_)                                                                    \
	{ .who = who_, .open = open_lanes, .join = join_lanes, .round = round_lanes,              \
	  .close = close_lanes, .argument = count_, .processes = 2, .is_coupled = 1 }
#define LATEST(who_, argument_)                                                                   \
	{ .who = who_, .open = open_latest, .join = join_latest, .round = round_latest,           \
	  .close = close_latest, .argument = argument_, .processes = 2, .is_coupled = 1 }

/* All that can look all the time, and what sleeps in the kernel. */
#define TRIPS(round_)                                                                             \
	WAY("dure", ring, looks_64, round_),                                                      \
	WAY("dure lanes", lanes, looks_64, round_),                                               \
	WAY("dure queue", queue, looks_64, round_),                                               \
	WAY("dure service", service, looks_64, round_),                                           \
	WAY("dure board", board, looks_64, round_),                                               \
	WAY("line bounce", bounce, looks_64, round_),                                             \
	WAY("ck_ring", ck_ring, looks_64, round_),                                                \
	WAY_OPS("pipe", pipe, looks_64, round_, 5000),                                            \
	WAY_OPS("Unix socket", unix, looks_64, round_, 5000),                                     \
	WAY_OPS("System V", system_v, looks_64, round_, 5000),                                    \
	WAY_OPS("POSIX", posix, looks_64, round_, 5000),                                          \
	WAY_OPS("ZeroMQ", zmq, looks_64, round_, 2000),                                           \
	WAY_OPS("nng", nng, looks_64, round_, 2000)

#define LARGE(use_)                                                                               \
	WAY("dure", ring, use_, round_gigabytes),                                                 \
	WAY("dure queue", queue, use_, round_gigabytes),                                          \
	WAY("pipe", pipe, use_, round_gigabytes),                                                 \
	WAY("Unix socket", unix, use_, round_gigabytes),                                          \
	WAY("ZeroMQ", zmq, use_, round_gigabytes),                                                \
	WAY("nng", nng, use_, round_gigabytes)

const struct bench_row bench_way_rows[] = {
	{
		.name = "way-1k",
		.what = "records of 1 KiB, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 50000,
		.contenders = {
			WAY_OPS("dure", ring, looks_1k, round_millions, 200000),
			WAY_OPS("dure lanes", lanes, looks_1k, round_millions, 200000),
			WAY("dure queue", queue, looks_1k, round_millions),
			WAY_OPS("ck_ring", ck_ring, looks_1k, round_millions, 200000),
			WAY("pipe", pipe, looks_1k, round_millions),
			WAY("Unix socket", unix, looks_1k, round_millions),
			WAY("System V", system_v, looks_1k, round_millions),
			WAY("POSIX", posix, looks_1k, round_millions),
			WAY("ZeroMQ", zmq, looks_1k, round_millions),
			WAY("nng", nng, looks_1k, round_millions),
		},
		.goals = { { .text = "", .fixed = 20 } },
	},
	{
		.name = "way-64k",
		.what = "messages of 64 KiB, copied in and out, one process to another",
		.unit = "GB/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 4000,
		.contenders = { LARGE(looks_64k) },
		.goals = { { .text = "pipe", .of = { { "pipe", 1 } } } },
	},
	{
		.name = "way-1m",
		.what = "messages of 1 MiB, copied in and out, one process to another",
		.unit = "GB/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 300,
		.contenders = { LARGE(looks_1m) },
		.goals = { { .text = "pipe", .of = { { "pipe", 1 } } } },
	},
	{
		.name = "trip-p50",
		.what = "64 B to another process and back, who can looks all the time: median",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 50000,
		.contenders = { TRIPS(round_p50) },
		.goals = { { .text = "line bounce x 1.7", .of = { { "line bounce", 1.7 } } } },
	},
	{
		.name = "trip-p99",
		.what = "the same, all but one trip in a hundred",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 50000,
		.contenders = { TRIPS(round_p99) },
		.goals = { { .text = "line bounce x 1.7", .of = { { "line bounce", 1.7 } } } },
	},
	{
		.name = "trip-p999",
		.what = "the same, all but one trip in a thousand",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 50000,
		.contenders = { TRIPS(round_p999), WAY("dure, median", ring, looks_64, round_p50) },
		.goals = { { .text = "median x 3", .of = { { "dure, median", 3 } } } },
	},
	{
		.name = "trip-service",
		.what = "a request of 64 B and its reply, client and server look all the time: median",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 20000,
		.contenders = { WAY("dure", service, looks_64, round_p50),
				WAY_OPS("pipe", pipe, looks_64, round_p50, 5000),
				WAY_OPS("ZeroMQ", zmq, looks_64, round_p50, 2000),
				WAY_OPS("nng", nng, looks_64, round_p50, 2000) },
		.goals = { { .text = "ZeroMQ / 10", .of = { { "ZeroMQ", 0.1 } } } },
	},
	{
		.name = "trip-asleep",
		.what = "64 B to another process and back, both asleep: median",
		.unit = "us",
		.flags = BENCH_BOTH_CORES,
		.ops = 3000,
		.contenders = { WAY("dure", queue, sleeps_64, round_p50_us),
				WAY("dure service", service, sleeps_64, round_p50_us),
				WAY("raw futex", futex, sleeps_64, round_p50_us),
				WAY("pipe", pipe, sleeps_64, round_p50_us),
				WAY("Unix socket", unix, sleeps_64, round_p50_us),
				WAY("System V", system_v, sleeps_64, round_p50_us),
				WAY("POSIX", posix, sleeps_64, round_p50_us),
				WAY("ZeroMQ", zmq, sleeps_64, round_p50_us),
				WAY("nng", nng, sleeps_64, round_p50_us) },
		.goals = { { .text = "raw futex + 10 %", .of = { { "raw futex", 1.1 } } } },
	},
	{
		.name = "lanes",
		.what = "records of 64 B through four lanes, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 1000000,
		.contenders = { LANES_OF("dure", &four_lanes), LANES_OF("dure, one lane", &one_lane) },
		.goals = { { .text = "", .fixed = 20 } },
	},
	{
		.name = "board",
		.what = "read the latest 64 B, which another process writes all the time",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = { LATEST("dure", &one_lane), LATEST("robust mutex + copy", NULL) },
		.goals = { { .text = "robust mutex", .of = { { "robust mutex + copy", 1 } } } },
	},
	{ .name = NULL },
};
