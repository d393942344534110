/* SPDX-License-Identifier: MIT */
/* named.h - the work of the rows about names and maps, the same for all, and its peers */
#ifndef BENCH_NAMED_H
#define BENCH_NAMED_H

#include <stdint.h>
#include <stdio.h>

#include "timing.h"

#ifdef __cplusplus
extern "C" {
#endif

/* how many there are */
struct bench_named_work {
	uint64_t count;
	uint64_t segment_bytes;
};

/* New ones are made a bounded number at a time, and taken away again unmeasured. */
enum { BENCH_BATCH = 2000, BENCH_NAME_ROOM = 24 };

static inline uint64_t bench_batch(uint64_t ops)
{
	const uint64_t most = BENCH_BATCH;

	return ops < most ? ops : most;
}

static inline void bench_name_write(char *name, uint64_t number)
{
	snprintf(name, BENCH_NAME_ROOM, "object-%08u", (unsigned)number);
}

/* Names number first to first + count - 1. */
char (*bench_names(uint64_t first, uint64_t count))[BENCH_NAME_ROOM];

/*
 * One of the names, and the next one on its way into the cache: who looks something up has the
 * name at hand. *next begins as 0.
 */
static inline const char *bench_name_next(char (*names)[BENCH_NAME_ROOM], uint64_t count,
					  uint64_t *dice, uint64_t *next)
{
	const char *name = names[*next];

	*next = bench_pick(dice, count);
	__builtin_prefetch(names[*next]);
	return name;
}

/* A key is a number without a pattern; each number gives another one (splitmix64). */
static inline uint64_t bench_key(uint64_t number)
{
	uint64_t x = number + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* names: peer_boost_named.cpp, peer_lmdb.c */
void *bench_boost_tree_open(const void *argument);
void *bench_boost_hash_open(const void *argument);
double bench_boost_tree_find(void *state, uint64_t ops);
double bench_boost_hash_find(void *state, uint64_t ops);
double bench_boost_tree_construct(void *state, uint64_t ops);
double bench_boost_hash_construct(void *state, uint64_t ops);
void bench_boost_tree_close(void *shared);
void bench_boost_hash_close(void *shared);
void *bench_lmdb_names_open(const void *argument);
double bench_lmdb_names_find(void *state, uint64_t ops);
double bench_lmdb_names_put(void *state, uint64_t ops);

/* maps: peer_boost_map.cpp, peer_std_map.cpp, peer_lmdb.c */
void *bench_boost_map_open(const void *argument);
double bench_boost_map_get(void *state, uint64_t ops);
double bench_boost_map_space(void *state, uint64_t ops);
double bench_boost_map_insert(void *state, uint64_t ops);
double bench_boost_map_rate(void *state, uint64_t ops);
void bench_boost_map_close(void *shared);
void *bench_std_map_open(const void *argument);
double bench_std_map_get(void *state, uint64_t ops);
double bench_std_map_insert(void *state, uint64_t ops);
void bench_std_map_close(void *shared);
void *bench_lmdb_map_open(const void *argument);
double bench_lmdb_map_get(void *state, uint64_t ops);
double bench_lmdb_map_rate(void *state, uint64_t ops);
double bench_lmdb_map_insert(void *state, uint64_t ops);
void *bench_lmdb_join(void *shared, unsigned index);
void bench_lmdb_close(void *shared);

/* vectors: peer_boost_vector.cpp */
void *bench_boost_vector_open(const void *argument);
double bench_boost_vector_push(void *state, uint64_t ops);
double bench_boost_vector_push_locked(void *state, uint64_t ops);
double bench_boost_vector_get(void *state, uint64_t ops);
void bench_boost_vector_close(void *shared);

/* lists, deques and priority queues: peer_list.cpp */
void *bench_boost_list_open(const void *argument);
void *bench_boost_full_list_open(const void *argument);
double bench_boost_list_push_pop(void *state, uint64_t ops);
double bench_boost_list_walk(void *state, uint64_t ops);
void bench_boost_list_close(void *state);
void *bench_std_list_open(const void *argument);
void *bench_std_full_list_open(const void *argument);
double bench_std_list_push_pop(void *state, uint64_t ops);
double bench_std_list_walk(void *state, uint64_t ops);
void bench_std_list_close(void *state);
void *bench_boost_priority_open(const void *argument);
double bench_boost_priority_churn(void *state, uint64_t ops);
void bench_boost_priority_close(void *state);
void *bench_std_priority_open(const void *argument);
double bench_std_priority_churn(void *state, uint64_t ops);
void bench_std_priority_close(void *state);
void *bench_boost_deque_open(const void *argument);
void *bench_boost_full_deque_open(const void *argument);
double bench_boost_deque_push_pop(void *state, uint64_t ops);
double bench_boost_deque_get(void *state, uint64_t ops);
void bench_boost_deque_close(void *state);
void *bench_std_deque_open(const void *argument);
void *bench_std_full_deque_open(const void *argument);
double bench_std_deque_push_pop(void *state, uint64_t ops);
double bench_std_deque_get(void *state, uint64_t ops);
void bench_std_deque_close(void *state);

/* ordered maps: peer_ordered.cpp */
void *bench_boost_ordered_open(const void *argument);
double bench_boost_ordered_get(void *state, uint64_t ops);
double bench_boost_ordered_space(void *state, uint64_t ops);
double bench_boost_ordered_insert(void *state, uint64_t ops);
double bench_boost_ordered_scan(void *state, uint64_t ops);
void bench_boost_ordered_close(void *shared);
void *bench_std_ordered_open(const void *argument);
double bench_std_ordered_get(void *state, uint64_t ops);
double bench_std_ordered_insert(void *state, uint64_t ops);
double bench_std_ordered_scan(void *state, uint64_t ops);
void bench_std_ordered_close(void *shared);

/* segments: peer_boost_segment.cpp */
void *bench_boost_attach_open(const void *argument);
double bench_boost_attach_round(void *state, uint64_t ops);
void bench_boost_attach_close(void *shared);
double bench_boost_create_round(void *state, uint64_t ops);

#ifdef __cplusplus
}
#endif

#endif
