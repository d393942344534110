/* SPDX-License-Identifier: MIT */
/*
 * alloc.h - the work of the allocation rows, the same for all
 *
 * A number of blocks is live. An operation frees one of them, picked at random, allocates
 * another in its place, and writes its first word. So the blocks of all ages are spread over
 * the heap, as in a program that has run for a while.
 */
#ifndef BENCH_ALLOC_H
#define BENCH_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "timing.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bench_alloc_work {
	uint32_t live;
	uint32_t bytes_min, bytes_max;
	uint64_t segment_bytes;		/* for those who need to say so */
};

/* The sizes and places of the operations: one word each, bytes << 32 | slot. */
enum { BENCH_ALLOC_STEPS = 1 << 16 };

const uint64_t *bench_alloc_steps(const struct bench_alloc_work *work);

/* peers: peer_malloc.c */
void *bench_malloc_open_glibc(const void *argument);
void *bench_malloc_open_jemalloc(const void *argument);
void *bench_malloc_open_mimalloc(const void *argument);
void *bench_malloc_join(void *shared, unsigned index);
double bench_malloc_round(void *state, uint64_t ops);
void bench_malloc_close(void *shared);
double bench_malloc_space_round(void *state, uint64_t ops);
/* bench --space WHO COUNT: prints what so many blocks of 64 B take. An exit status. */
int bench_malloc_space(const char *who, const char *count);
double bench_malloc_remote_round(void *state, uint64_t ops);

/* peers: peer_boost_alloc.cpp */
void *bench_boost_alloc_open(const void *argument);
void *bench_boost_alloc_join(void *shared, unsigned index);
double bench_boost_alloc_round(void *state, uint64_t ops);
double bench_boost_pool_round(void *state, uint64_t ops);
void *bench_boost_pool_join(void *shared, unsigned index);
double bench_boost_space_round(void *state, uint64_t ops);
void *bench_boost_remote_join(void *shared, unsigned index);
double bench_boost_remote_round(void *state, uint64_t ops);
void bench_boost_alloc_close(void *shared);

/*
 * A ring from one who allocates to one who frees. Each side writes its own count only, so
 * that a slot is written by the producer alone, and remembers what it saw of the other's.
 */
enum { BENCH_RING_SLOTS = 4096 };

struct bench_ring {
	uint64_t head __attribute__((aligned(128)));	/* the producer's */
	uint64_t tail __attribute__((aligned(128)));	/* the consumer's */
	uint64_t slots[BENCH_RING_SLOTS] __attribute__((aligned(128)));
};

/* The slot for item number n, when there is room. */
static inline uint64_t *bench_ring_room(struct bench_ring *ring, uint64_t n, uint64_t *seen_tail)
{
	while (n - *seen_tail >= BENCH_RING_SLOTS) {
		*seen_tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		__builtin_ia32_pause();
	}
	return &ring->slots[n % BENCH_RING_SLOTS];
}

static inline void bench_ring_put(struct bench_ring *ring, uint64_t n)
{
	__atomic_store_n(&ring->head, n + 1, __ATOMIC_RELEASE);
}

/* The slot of item number n, when it is there. */
static inline uint64_t *bench_ring_item(struct bench_ring *ring, uint64_t n, uint64_t *seen_head)
{
	while (*seen_head == n) {
		*seen_head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
		__builtin_ia32_pause();
	}
	return &ring->slots[n % BENCH_RING_SLOTS];
}

static inline void bench_ring_taken(struct bench_ring *ring, uint64_t n)
{
	__atomic_store_n(&ring->tail, n + 1, __ATOMIC_RELEASE);
}

#ifdef __cplusplus
}
#endif

#endif
