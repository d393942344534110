/* SPDX-License-Identifier: MIT */
/*
 * keyed.h - what is asked of each container that has keys: get, insert, how many together
 *
 * The functions that are measured are arguments of functions that are always inlined, so that they
 * are called directly, as the peers' are.
 */
#ifndef BENCH_KEYED_H
#define BENCH_KEYED_H

#include <stdlib.h>

#include "named.h"
#include "share.h"

struct bench_keyed {
	dure_segment *segment;
	void *container;
	uint64_t count, dice;
};

#define BENCH_INLINE static inline __attribute__((always_inline))

typedef int bench_keyed_put(void *container, const void *key, size_t key_bytes, const void *value);
typedef int bench_keyed_get(void *container, const void *key, size_t key_bytes, void *value);
typedef int bench_keyed_remove(void *container, const void *key, size_t key_bytes);

/* A segment, and nothing in it yet. */
BENCH_INLINE struct bench_keyed *bench_keyed_make(const struct bench_named_work *work)
{
	struct bench_keyed *s = calloc(1, sizeof *s);

	s->segment = bench_segment_make(work->segment_bytes);
	s->count = work->count;
	s->dice = BENCH_DICE_SEED;
	return s;
}

BENCH_INLINE void bench_keyed_fill(struct bench_keyed *s, bench_keyed_put *insert)
{
	for (uint64_t i = 0; i < s->count; i++) {
		uint64_t key = bench_key(i);
		bench_must(insert(s->container, &key, sizeof key, &i), "insert");
	}
}

static inline void *bench_keyed_join(void *shared, unsigned index)
{
	struct bench_keyed *s = shared;

	bench_segment_join(s->segment);
	s->dice += index;
	return s;
}

BENCH_INLINE double bench_keyed_get_round(struct bench_keyed *s, uint64_t ops, bench_keyed_get *get)
{
	double start = bench_now();
	uint64_t value;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t key = bench_key(bench_pick(&s->dice, s->count));
		bench_must(get(s->container, &key, sizeof key, &value), "get");
	}
	return (bench_now() - start) / (double)ops;
}

/* In batches that are removed again, unmeasured. */
BENCH_INLINE double bench_keyed_insert_round(struct bench_keyed *s, uint64_t ops,
					     bench_keyed_put *insert, bench_keyed_remove *take_out)
{
	uint64_t n = bench_batch(ops);
	double start = bench_now(), end;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = bench_key(s->count + i);
		bench_must(insert(s->container, &key, sizeof key, &i), "insert");
	}
	end = bench_now();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t key = bench_key(s->count + i);
		bench_must(take_out(s->container, &key, sizeof key), "remove");
	}
	return (end - start) / (double)n;
}

/* Bytes of the segment's pages for each entry; a new segment's own are few. */
static inline double bench_keyed_space_round(void *state, uint64_t ops)
{
	const struct bench_keyed *s = state;
	struct dure_heap_info info = { .sz = sizeof info };

	(void)ops;
	bench_must(dure_heap_info(s->segment, &info), "heap_info");
	return (double)info.used_bytes / (double)s->count;
}

static inline void bench_keyed_close(struct bench_keyed *s)
{
	bench_segment_close(s->segment);
	free(s);
}

#endif
