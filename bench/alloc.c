/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - how long do allocating and freeing take, and how much memory
 *
 * Three ways to use the heap are shown:
 *
 *	dure			reserve, publish into a reference, free from it: linking and the
 *				block's state are one step, recorded so that heirs can finish it.
 *				The goals are for this one.
 *	dure keep+free		reserve, keep, free: the caller sees to it that it is found again
 *	dure reserve+free	memory that nobody else has seen, as a private malloc's
 */
#include "alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "share.h"

static const struct bench_alloc_work small_work = {
	.live = 1000, .bytes_min = 64, .bytes_max = 64, .segment_bytes = 64u << 20,
};
static const struct bench_alloc_work mixed_work = {
	.live = 100000, .bytes_min = 16, .bytes_max = 1024, .segment_bytes = 512u << 20,
};
static const struct bench_alloc_work space_work = {
	.live = 100000, .bytes_min = 64, .bytes_max = 64, .segment_bytes = 64u << 20,
};

const uint64_t *bench_alloc_steps(const struct bench_alloc_work *work)
{
	uint64_t *steps = malloc(BENCH_ALLOC_STEPS * sizeof *steps);
	uint64_t dice = BENCH_DICE_SEED;

	if (!steps)
		bench_die("no memory");
	for (unsigned i = 0; i < BENCH_ALLOC_STEPS; i++) {
		uint64_t bytes = work->bytes_min +
				 bench_pick(&dice, work->bytes_max - work->bytes_min + 1);
		steps[i] = bytes << 32 | bench_pick(&dice, work->live);
	}
	return steps;
}

/* -- one process, or several that each have blocks of their own --------------------------- */

struct shared {
	dure_segment *segment;
	struct bench_ring *ring;
	const struct bench_alloc_work *work;
};

struct state {
	dure_segment *segment;
	dure_ref *refs;			/* live of them, in the segment */
	void **blocks;			/* the same, for who does not link them */
	const uint64_t *steps;
	uint64_t at;
	struct bench_ring *ring;
	unsigned role;
	uint64_t item, seen;
};

static void *open_heap(const void *argument)
{
	const struct bench_alloc_work *work = argument;
	struct shared *shared = calloc(1, sizeof *shared);

	shared->work = work;
	shared->segment = bench_segment_make(work->segment_bytes);
	shared->ring = bench_segment_memory(shared->segment, sizeof *shared->ring);
	return shared;
}

static void close_heap(void *shared)
{
	bench_segment_close(((struct shared *)shared)->segment);
	free(shared);
}

static struct state *join_heap(struct shared *shared)
{
	struct state *s = calloc(1, sizeof *s);

	bench_segment_join(shared->segment);
	s->segment = shared->segment;
	s->ring = shared->ring;
	s->steps = bench_alloc_steps(shared->work);
	return s;
}

static inline void link_one(struct state *s, uint64_t bytes, dure_ref *place)
{
	void *block;

	bench_must(dure_block_reserve(s->segment, bytes, 0, &block), "reserve");
	*(volatile uint64_t *)block = bytes;
	bench_must(dure_block_publish(s->segment, block, place), "publish");
}

static void *join_linked(void *argument, unsigned index)
{
	struct shared *shared = argument;
	struct state *s = join_heap(shared);
	uint32_t live = shared->work->live;

	(void)index;
	s->refs = bench_segment_memory(s->segment, live * sizeof *s->refs);
	for (uint32_t i = 0; i < live; i++)
		link_one(s, s->steps[i % BENCH_ALLOC_STEPS] >> 32, &s->refs[i]);
	return s;
}

static double linked_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t step = s->steps[s->at++ % BENCH_ALLOC_STEPS];
		dure_ref *place = &s->refs[(uint32_t)step];
		bench_must(dure_block_free_from(s->segment, place), "free_from");
		link_one(s, step >> 32, place);
	}
	return (bench_now() - start) / (double)ops;
}

static inline void *take_one(struct state *s, uint64_t bytes, int is_kept)
{
	void *block;

	bench_must(dure_block_reserve(s->segment, bytes, 0, &block), "reserve");
	*(volatile uint64_t *)block = bytes;
	if (is_kept)
		bench_must(dure_block_keep(s->segment, block), "keep");
	return block;
}

static struct state *join_plain(struct shared *shared, int is_kept)
{
	struct state *s = join_heap(shared);
	uint32_t live = shared->work->live;

	s->blocks = calloc(live, sizeof *s->blocks);
	for (uint32_t i = 0; i < live; i++)
		s->blocks[i] = take_one(s, s->steps[i % BENCH_ALLOC_STEPS] >> 32, is_kept);
	return s;
}

static inline double plain_round(struct state *s, uint64_t ops, int is_kept)
{
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t step = s->steps[s->at++ % BENCH_ALLOC_STEPS];
		void **place = &s->blocks[(uint32_t)step];
		bench_must(dure_block_free(s->segment, *place), "free");
		*place = take_one(s, step >> 32, is_kept);
	}
	return (bench_now() - start) / (double)ops;
}

static void *join_kept(void *shared, unsigned index)
{
	(void)index;
	return join_plain(shared, 1);
}

static double kept_round(void *state, uint64_t ops)
{
	return plain_round(state, ops, 1);
}

static void *join_reserved(void *shared, unsigned index)
{
	(void)index;
	return join_plain(shared, 0);
}

static double reserved_round(void *state, uint64_t ops)
{
	return plain_round(state, ops, 0);
}

/* -- one allocates, the other frees ------------------------------------------------------- */

static void *join_remote(void *shared, unsigned index)
{
	struct state *s = join_heap(shared);

	s->role = index;
	return s;
}

static void produce_linked(struct state *s, uint64_t ops)
{
	for (uint64_t end = s->item + ops; s->item < end; s->item++) {
		uint64_t *slot = bench_ring_room(s->ring, s->item, &s->seen);
		link_one(s, 64, (dure_ref *)(void *)slot);
		bench_ring_put(s->ring, s->item);
	}
}

static void produce_kept(struct state *s, uint64_t ops)
{
	for (uint64_t end = s->item + ops; s->item < end; s->item++) {
		uint64_t *slot = bench_ring_room(s->ring, s->item, &s->seen);
		*slot = (uint64_t)((char *)take_one(s, 64, 1) - (char *)s->ring);
		bench_ring_put(s->ring, s->item);
	}
}

static void consume(struct state *s, uint64_t ops, const char *base)
{
	for (uint64_t end = s->item + ops; s->item < end; s->item++) {
		uint64_t offset = *bench_ring_item(s->ring, s->item, &s->seen);
		bench_must(dure_block_free(s->segment, (void *)(uintptr_t)(base + offset)), "free");
		bench_ring_taken(s->ring, s->item);
	}
}

static double remote_linked_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	if (s->role == 0)
		produce_linked(s, ops);
	else
		consume(s, ops, dure_segment_base(s->segment));
	return (bench_now() - start) / (double)ops;
}

static double remote_kept_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	if (s->role == 0)
		produce_kept(s, ops);
	else
		consume(s, ops, (const char *)s->ring);
	return (bench_now() - start) / (double)ops;
}

/* The ring alone: what the rows above pay for handing over. */
static void *open_ring(const void *argument)
{
	struct bench_ring *ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)argument;
	return ring == MAP_FAILED ? NULL : ring;
}

static void close_ring(void *ring)
{
	munmap(ring, sizeof(struct bench_ring));
}

static void *join_ring(void *shared, unsigned index)
{
	struct state *s = calloc(1, sizeof *s);

	s->ring = shared;
	s->role = index;
	return s;
}

static double ring_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t end = s->item + ops; s->item < end; s->item++)
		if (s->role == 0) {
			*bench_ring_room(s->ring, s->item, &s->seen) = s->item;
			bench_ring_put(s->ring, s->item);
		} else {
			(void)*(volatile uint64_t *)bench_ring_item(s->ring, s->item, &s->seen);
			bench_ring_taken(s->ring, s->item);
		}
	return (bench_now() - start) / (double)ops;
}

/* -- memory ------------------------------------------------------------------------------ */

static void *open_nothing(const void *argument)
{
	return (void *)(uintptr_t)argument;
}

static void close_nothing(void *shared)
{
	(void)shared;
}

/* all the memory behind the segment, its tables too */
static uint64_t resident_bytes(dure_segment *segment)
{
	struct stat st;

	if (fstat(dure_segment_fd(segment), &st) != 0)
		bench_die("fstat failed");
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t used_bytes(dure_segment *segment)
{
	struct dure_heap_info info = { .sz = sizeof info };

	bench_must(dure_heap_info(segment, &info), "heap_info");
	return info.used_bytes;
}

static double space_round(uint64_t count, uint64_t (*measure)(dure_segment *))
{
	dure_segment *segment = bench_segment_make(space_work.segment_bytes);
	uint64_t before = measure(segment), after;
	void *block;

	for (uint64_t i = 0; i < count; i++) {
		bench_must(dure_block_reserve(segment, 64, 0, &block), "reserve");
		memset(block, 1, 64);
		bench_must(dure_block_keep(segment, block), "keep");
	}
	after = measure(segment);
	bench_segment_close(segment);
	return (double)(after - before) / (double)(count * 64);
}

static double used_round(void *state, uint64_t count)
{
	(void)state;
	return space_round(count, used_bytes);
}

static double resident_round(void *state, uint64_t count)
{
	(void)state;
	return space_round(count, resident_bytes);
}

/* -- the rows ---------------------------------------------------------------------------- */

#define HEAP(who_, join_, round_, work_)                                                          \
	.who = who_, .open = open_heap, .join = join_, .round = round_, .close = close_heap,      \
	.argument = &(work_)
#define BOOST(join_, round_, work_)                                                               \
	.open = bench_boost_alloc_open, .join = join_, .round = round_,                           \
	.close = bench_boost_alloc_close, .argument = &(work_)
#define MALLOC(which_, round_, work_)                                                             \
	.who = #which_, .open = bench_malloc_open_##which_, .join = bench_malloc_join,            \
	.round = round_, .close = bench_malloc_close, .argument = &(work_)

const struct bench_row bench_alloc_rows[] = {
	{
		.name = "alloc-64",
		.what = "allocate + free 64 B, 1000 live, crash records included",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 400000,
		.contenders = {
			{ HEAP("dure", join_linked, linked_round, small_work) },
			{ HEAP("dure keep+free", join_kept, kept_round, small_work) },
			{ HEAP("dure reserve+free", join_reserved, reserved_round, small_work) },
			{ MALLOC(glibc, bench_malloc_round, small_work) },
			{ MALLOC(jemalloc, bench_malloc_round, small_work) },
			{ MALLOC(mimalloc, bench_malloc_round, small_work) },
			{ .who = "Boost", BOOST(bench_boost_alloc_join, bench_boost_alloc_round, small_work) },
			{ .who = "Boost private pool",
			  BOOST(bench_boost_pool_join, bench_boost_pool_round, small_work) },
		},
		.goals = { { .text = "glibc", .of = { { "glibc", 1 } } } },
	},
	{
		.name = "alloc-mixed",
		.what = "allocate + free 16 to 1024 B, 100k live",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 200000,
		.contenders = {
			{ HEAP("dure", join_linked, linked_round, mixed_work) },
			{ HEAP("dure keep+free", join_kept, kept_round, mixed_work) },
			{ HEAP("dure reserve+free", join_reserved, reserved_round, mixed_work) },
			{ MALLOC(glibc, bench_malloc_round, mixed_work) },
			{ MALLOC(jemalloc, bench_malloc_round, mixed_work) },
			{ MALLOC(mimalloc, bench_malloc_round, mixed_work) },
			{ .who = "Boost", BOOST(bench_boost_alloc_join, bench_boost_alloc_round, mixed_work),
			  .ops = 50000 },
		},
		.goals = {
			{ .text = "glibc", .of = { { "glibc", 1 } } },
			{ .text = "Boost / 10", .of = { { "Boost", 0.1 } } },
		},
	},
	{
		.name = "alloc-mixed-2p",
		.what = "the same in 2 processes at once, each 100k live",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = {
			{ HEAP("dure", join_linked, linked_round, mixed_work), .processes = 2 },
			{ HEAP("dure, 1 process", join_linked, linked_round, mixed_work), .processes = 1 },
			{ MALLOC(glibc, bench_malloc_round, mixed_work), .processes = 2 },
			{ .who = "Boost", BOOST(bench_boost_alloc_join, bench_boost_alloc_round, mixed_work),
			  .ops = 20000, .processes = 2 },
		},
		.goals = {
			{ .text = "1 process + 10 % for the shared cache",
			  .of = { { "dure, 1 process", 1.1 } } },
			{ .text = "Boost / 50", .of = { { "Boost", 0.02 } } },
		},
	},
	{
		.name = "alloc-64-2p",
		.what = "allocate + free 64 B in 2 processes at once, each 1000 live",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 400000,
		.contenders = {
			{ HEAP("dure", join_linked, linked_round, small_work), .processes = 2 },
			{ HEAP("dure, 1 process", join_linked, linked_round, small_work), .processes = 1 },
			{ MALLOC(glibc, bench_malloc_round, small_work), .processes = 2 },
			{ .who = "Boost", BOOST(bench_boost_alloc_join, bench_boost_alloc_round, small_work),
			  .ops = 20000, .processes = 2 },
		},
		.goals = {
			{ .text = "1 process + 10 %", .of = { { "dure, 1 process", 1.1 } } },
			{ .text = "Boost / 50", .of = { { "Boost", 0.02 } } },
		},
	},
	{
		.name = "alloc-remote",
		.what = "one process allocates 64 B, another frees it; handing over included",
		.unit = "ns",
		.flags = BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = {
			{ HEAP("dure", join_remote, remote_linked_round, small_work), .is_coupled = 1, .processes = 2 },
			{ HEAP("dure keep+free", join_remote, remote_kept_round, small_work),
			  .is_coupled = 1, .processes = 2 },
			{ .who = "Boost", BOOST(bench_boost_remote_join, bench_boost_remote_round, small_work),
			  .ops = 20000, .is_coupled = 1, .processes = 2 },
			{ MALLOC(glibc, bench_malloc_remote_round, small_work) },
			{ MALLOC(jemalloc, bench_malloc_remote_round, small_work) },
			{ MALLOC(mimalloc, bench_malloc_remote_round, small_work) },
			{ .who = "handing over alone", .open = open_ring, .join = join_ring,
			  .round = ring_round, .close = close_ring, .is_coupled = 1, .processes = 2 },
		},
		.goals = { { .text = "", .fixed = 60 } },
	},
	{
		.name = "alloc-space",
		.what = "memory used per live byte, 100k blocks of 64 B (malloc: resident)",
		.unit = "B/B",
		.ops = 100000,
		.contenders = {
			{ .who = "dure", .open = open_nothing, .round = used_round,
			  .close = close_nothing, .argument = &space_work },
			{ .who = "dure, resident", .open = open_nothing, .round = resident_round,
			  .close = close_nothing, .argument = &space_work },
			{ .who = "Boost", BOOST(NULL, bench_boost_space_round, space_work) },
			{ .who = "glibc", .open = bench_malloc_open_glibc,
			  .round = bench_malloc_space_round, .close = bench_malloc_close,
			  .argument = &space_work },
			{ .who = "jemalloc", .open = bench_malloc_open_jemalloc,
			  .round = bench_malloc_space_round, .close = bench_malloc_close,
			  .argument = &space_work },
			{ .who = "mimalloc", .open = bench_malloc_open_mimalloc,
			  .round = bench_malloc_space_round, .close = bench_malloc_close,
			  .argument = &space_work },
		},
		.goals = { { .text = "", .fixed = 1.10 } },
	},
	{ .name = NULL },
};
