/* SPDX-License-Identifier: MIT */
/*
 * growth.c - does an operation cost more when there are more objects, or more processes
 *
 * More objects: the same operation among 1k up to 10M of them, picked at random. What cannot
 * stay flat is the way to memory: among 10M objects nothing is in a cache. So the goal is the
 * cost among 1k, plus three reads of memory of that size at random addresses, each waiting for
 * the one before, as an operation's steps do (bucket, entry, block). A search that took more
 * steps for more objects would exceed that.
 *
 * More processes: 1 to 64 of them do the operation at the same time on two cores, each with
 * things of its own in one segment. What counts is processor time per operation.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "named.h"
#include "share.h"

struct thing {
	uint64_t value;
};

struct state {
	dure_segment *segment;
	dure_map *map;
	dure_ref *refs;
	dure_mutex *mutexes;
	uint64_t count, dice;
	unsigned index;			/* of a process */
};

static const uint64_t count_1k = 1000, count_100k = 100000, count_1m = 1000000,
		      count_10m = 10000000;

static struct state *new_state(uint64_t count, uint64_t bytes_each)
{
	struct state *s = calloc(1, sizeof *s);

	s->segment = bench_segment_make((64u << 20) + count * bytes_each);
	s->count = count;
	s->dice = BENCH_DICE_SEED;
	return s;
}

static void close_state(void *state)
{
	struct state *s = state;

	dure_map_close(s->map);
	bench_segment_close(s->segment);
	free(s);
}

/* -- allocation -------------------------------------------------------------------------- */

static void link_one(struct state *s, dure_ref *place)
{
	void *block;

	bench_must(dure_block_reserve(s->segment, 64, 0, &block), "reserve");
	*(volatile uint64_t *)block = 1;
	bench_must(dure_block_publish(s->segment, block, place), "publish");
}

static void *open_alloc(const void *argument)
{
	struct state *s = new_state(*(const uint64_t *)argument, 80);

	s->refs = bench_segment_memory(s->segment, s->count * sizeof *s->refs);
	for (uint64_t i = 0; i < s->count; i++)
		link_one(s, &s->refs[i]);
	return s;
}

static double alloc_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		dure_ref *place = &s->refs[bench_pick(&s->dice, s->count)];
		bench_must(dure_block_free_from(s->segment, place), "free_from");
		link_one(s, place);
	}
	return (bench_now() - start) / (double)ops;
}

/* -- locks ------------------------------------------------------------------------------- */

static void *open_locks(const void *argument)
{
	struct state *s = new_state(*(const uint64_t *)argument, sizeof(dure_mutex));

	s->mutexes = bench_segment_memory(s->segment, s->count * sizeof *s->mutexes);
	return s;
}

static double lock_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		dure_mutex *mutex = &s->mutexes[bench_pick(&s->dice, s->count)];
		bench_must(dure_mutex_lock(s->segment, mutex, DURE_FOREVER), "lock");
		bench_must(dure_mutex_unlock(s->segment, mutex), "unlock");
	}
	return (bench_now() - start) / (double)ops;
}

/* -- names ------------------------------------------------------------------------------- */

static void *open_names(const void *argument)
{
	struct state *s = new_state(*(const uint64_t *)argument, 256);
	char name[BENCH_NAME_ROOM];
	void *object;

	for (uint64_t i = 0; i < s->count; i++) {
		bench_name_write(name, i);
		bench_must(dure_object_construct(s->segment, name, DURE_TYPE(struct thing), 1, NULL, NULL,
						 &object), "construct");
	}
	return s;
}

/* the digits only: writing a name should not cost what finding it does */
static inline void name_number(char *name, uint64_t number)
{
	for (int i = 14; i >= 7; i--, number /= 10)
		name[i] = (char)('0' + number % 10);
}

static double find_round(void *state, uint64_t ops)
{
	struct state *s = state;
	char name[BENCH_NAME_ROOM];
	double start = bench_now();
	void *object;

	bench_name_write(name, 0);
	for (uint64_t i = 0; i < ops; i++) {
		name_number(name, bench_pick(&s->dice, s->count));
		bench_must(dure_object_find(s->segment, name, DURE_TYPE(struct thing), &object, NULL),
			   "find");
		(void)*(volatile uint64_t *)object;
	}
	return (bench_now() - start) / (double)ops;
}

/* -- a map ------------------------------------------------------------------------------- */

static void *open_map(const void *argument)
{
	struct state *s = new_state(*(const uint64_t *)argument, 128);

	bench_must(dure_map_open(s->segment, "map", DURE_CREATE, NULL, &s->map), "map_open");
	for (uint64_t i = 0; i < s->count; i++) {
		uint64_t key = bench_key(i);
		bench_must(dure_map_insert(s->map, &key, sizeof key, &i), "insert");
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
		bench_must(dure_map_get(s->map, &key, sizeof key, &value), "get");
	}
	return (bench_now() - start) / (double)ops;
}

/* -- bare memory ------------------------------------------------------------------------- */

struct memory {
	unsigned char *bytes;
	uint64_t size, dice;
};

static void *open_memory(const void *argument)
{
	struct memory *m = calloc(1, sizeof *m);

	m->size = *(const uint64_t *)argument;
	m->dice = BENCH_DICE_SEED;
	m->bytes = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (m->bytes == MAP_FAILED)
		bench_die("no memory for a comparison");
	return m;
}

static double read_round(void *state, uint64_t ops)
{
	struct memory *m = state;
	double start = bench_now();
	uint64_t at = 0;

	/* each read waits for the one before: an operation's steps do so, too */
	for (uint64_t i = 0; i < ops; i++)
		at = *(volatile uint64_t *)(m->bytes + (bench_pick(&m->dice, m->size / 64) ^ at) * 64);
	return (bench_now() - start) / (double)ops;
}

static void close_memory(void *state)
{
	struct memory *m = state;

	munmap(m->bytes, m->size);
	free(m);
}

/* -- processes --------------------------------------------------------------------------- */

/* Each with its own blocks, lock, names and keys, and the segment in common. */
enum { EACH = 1000, PROCESSES_MAX = 64 };

static void *open_crowd(const void *argument)
{
	struct state *s = new_state(0, 0);

	(void)argument;
	s->refs = bench_segment_memory(s->segment, PROCESSES_MAX * EACH * sizeof *s->refs);
	s->mutexes = bench_segment_memory(s->segment, PROCESSES_MAX * 128);
	bench_must(dure_map_open(s->segment, "map", DURE_CREATE, NULL, &s->map), "map_open");
	return s;
}

static void *join_crowd(void *shared, unsigned index)
{
	struct state *s = shared;
	char name[BENCH_NAME_ROOM];
	void *object;

	bench_segment_join(s->segment);
	s->index = index;
	s->count = EACH;
	s->refs += index * EACH;
	s->mutexes += index * (128 / sizeof *s->mutexes);
	for (uint64_t i = index * EACH; i < (index + 1) * EACH; i++) {
		uint64_t key = bench_key(i);
		link_one(s, &s->refs[i - index * EACH]);
		bench_must(dure_map_insert(s->map, &key, sizeof key, &i), "insert");
		bench_name_write(name, i);
		bench_must(dure_object_construct(s->segment, name, DURE_TYPE(struct thing), 1, NULL, NULL,
						 &object), "construct");
	}
	return s;
}

static double crowd_alloc(void *state, uint64_t ops)
{
	return alloc_round(state, ops);
}

static double crowd_lock(void *state, uint64_t ops)
{
	struct state *s = state;

	s->count = 1;
	return lock_round(s, ops);
}

static double crowd_find(void *state, uint64_t ops)
{
	struct state *s = state;
	char name[BENCH_NAME_ROOM];
	double start = bench_now();
	void *object;

	bench_name_write(name, 0);
	for (uint64_t i = 0; i < ops; i++) {
		name_number(name, s->index * EACH + bench_pick(&s->dice, EACH));
		bench_must(dure_object_find(s->segment, name, DURE_TYPE(struct thing), &object, NULL),
			   "find");
	}
	return (bench_now() - start) / (double)ops;
}

static double crowd_get(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();
	uint64_t value;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t key = bench_key(s->index * EACH + bench_pick(&s->dice, EACH));
		bench_must(dure_map_get(s->map, &key, sizeof key, &value), "get");
	}
	return (bench_now() - start) / (double)ops;
}

/* -- the rows ---------------------------------------------------------------------------- */

#define AMONG(who_, open_, round_, count_)                                                        \
	{ .who = who_, .open = open_, .round = round_, .close = close_state, .argument = &(count_) }

#define GROWTH_GOAL                                                                               \
	.goals = { { .text = "1k + 3 reads", .of = { { "1k", 1 }, { "a read", 3 } } } }

/* bytes_: what the operation's memory comes to among the most objects */
#define OBJECTS_ROW(name_, what_, open_, round_, bytes_)                                          \
	{                                                                                         \
		.name = name_, .what = what_, .unit = "ns", .ops = 200000,                        \
		.flags = BENCH_CPU_TIME | BENCH_LONG,                                             \
		.contenders = {                                                                   \
			AMONG("dure", open_, round_, count_10m),                                  \
			AMONG("1k", open_, round_, count_1k),                                     \
			AMONG("100k", open_, round_, count_100k),                                 \
			AMONG("1M", open_, round_, count_1m),                                     \
			{ .who = "a read", .open = open_memory, .round = read_round,              \
			  .close = close_memory, .argument = &(bytes_) },                         \
		},                                                                                \
		GROWTH_GOAL                                                                       \
	}

#define CROWD(who_, round_, processes_)                                                           \
	{ .who = who_, .open = open_crowd, .join = join_crowd, .round = round_,                   \
	  .close = close_state, .processes = processes_ }

#define PROCESSES_ROW(name_, what_, round_)                                                       \
	{                                                                                         \
		.name = name_, .what = what_, .unit = "ns", .ops = 100000,                        \
		.flags = BENCH_CPU_TIME,                                                          \
		.contenders = {                                                                   \
			CROWD("dure", round_, 64),                                                \
			CROWD("1", round_, 1),                                                    \
			CROWD("8", round_, 8),                                                    \
		},                                                                                \
		.goals = { { .text = "1 + 25 %", .of = { { "1", 1.25 } } } }                      \
	}

static const uint64_t alloc_bytes = UINT64_C(720) << 20, lock_bytes = UINT64_C(160) << 20,
		      name_bytes = UINT64_C(1536) << 20, map_bytes = UINT64_C(960) << 20;

const struct bench_row bench_growth_rows[] = {
	OBJECTS_ROW("grow-alloc", "allocate + free 64 B among 10M", open_alloc, alloc_round,
		    alloc_bytes),
	OBJECTS_ROW("grow-lock", "lock + unlock one of 10M mutexes", open_locks, lock_round,
		    lock_bytes),
	OBJECTS_ROW("grow-find", "find an object by name among 10M", open_names, find_round,
		    name_bytes),
	OBJECTS_ROW("grow-map", "hash map get, 10M entries", open_map, get_round, map_bytes),
	PROCESSES_ROW("crowd-alloc", "allocate + free 64 B, 64 processes at once; CPU time",
		      crowd_alloc),
	PROCESSES_ROW("crowd-lock", "lock + unlock own mutexes, 64 processes at once; CPU time",
		      crowd_lock),
	PROCESSES_ROW("crowd-find", "find by name, 64 processes at once; CPU time", crowd_find),
	PROCESSES_ROW("crowd-map", "hash map get, 64 processes at once; CPU time", crowd_get),
	{ .name = NULL },
};
