/* SPDX-License-Identifier: MIT */
/*
 * peer_malloc.c - private memory: glibc's, jemalloc's and mimalloc's malloc
 *
 * They share nothing and survive nothing; they say what an allocator can cost. jemalloc and
 * mimalloc are loaded beside glibc's, so that all of them run in one process in turn. jemalloc
 * needs more room for thread-local words than the loader has to spare by default; tools/bench
 * asks for it (GLIBC_TUNABLES). What is not installed is reported as missing.
 */
#include "alloc.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

typedef void *(*alloc_function)(size_t bytes);
typedef void (*free_function)(void *block);

struct state {
	alloc_function alloc;
	free_function free;
	const char *who;
	const struct bench_alloc_work *work;
	void **blocks;
	const uint64_t *steps;
	uint64_t at;
	struct bench_ring *ring;	/* between threads */
	uint64_t items;
};

static void *new_state(const char *who, const void *work, alloc_function alloc,
		       free_function release)
{
	struct state *s = calloc(1, sizeof *s);

	if (!s || !alloc || !release)
		bench_die("a malloc without malloc or free");
	s->who = who;
	s->work = work;
	s->alloc = alloc;
	s->free = release;
	return s;
}

static void *load(const char *who, const void *work, const char *library, const char *alloc,
		  const char *release)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

	if (!handle)
		return NULL;
	return new_state(who, work, (alloc_function)(uintptr_t)dlsym(handle, alloc),
			 (free_function)(uintptr_t)dlsym(handle, release));
}

void *bench_malloc_open_glibc(const void *argument)
{
	return new_state("glibc", argument, malloc, free);
}

void *bench_malloc_open_jemalloc(const void *argument)
{
	return load("jemalloc", argument, "libjemalloc.so.2", "malloc", "free");
}

void *bench_malloc_open_mimalloc(const void *argument)
{
	return load("mimalloc", argument, "libmimalloc.so.2", "mi_malloc", "mi_free");
}

static inline void *take_one(const struct state *s, uint64_t bytes)
{
	void *block = s->alloc(bytes);

	*(volatile uint64_t *)block = bytes;
	return block;
}

void *bench_malloc_join(void *shared, unsigned index)
{
	struct state *s = shared;

	(void)index;
	s->steps = bench_alloc_steps(s->work);
	s->blocks = calloc(s->work->live, sizeof *s->blocks);
	for (uint32_t i = 0; i < s->work->live; i++)
		s->blocks[i] = take_one(s, s->steps[i % BENCH_ALLOC_STEPS] >> 32);
	return s;
}

double bench_malloc_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t step = s->steps[s->at++ % BENCH_ALLOC_STEPS];
		void **place = &s->blocks[(uint32_t)step];
		s->free(*place);
		*place = take_one(s, step >> 32);
	}
	return (bench_now() - start) / (double)ops;
}

void bench_malloc_close(void *shared)
{
	struct state *s = shared;

	for (uint32_t i = 0; s->blocks && i < s->work->live; i++)
		s->free(s->blocks[i]);
	free(s->blocks);
	free((void *)(uintptr_t)s->steps);
	free(s->ring);
	free(s);
}

/* -- between threads --------------------------------------------------------------------- */

struct consumer {
	struct state *s;
	uint64_t ops;
	int is_ready;
};

static void *consume(void *argument)
{
	struct consumer *c = argument;
	uint64_t first = c->s->items, seen = first;

	bench_pin(1);
	__atomic_store_n(&c->is_ready, 1, __ATOMIC_RELEASE);
	for (uint64_t item = first; item < first + c->ops; item++) {
		c->s->free((void *)(uintptr_t)*bench_ring_item(c->s->ring, item, &seen));
		bench_ring_taken(c->s->ring, item);
	}
	return NULL;
}

double bench_malloc_remote_round(void *state, uint64_t ops)
{
	struct state *s = state;
	struct consumer consumer = { .s = s, .ops = ops };
	uint64_t seen = s->items;
	pthread_t thread;
	double start, end;

	if (!s->ring) {
		s->ring = aligned_alloc(128, sizeof *s->ring);
		memset(s->ring, 0, sizeof *s->ring);
	}
	if (pthread_create(&thread, NULL, consume, &consumer) != 0)
		bench_die("pthread_create failed");
	while (!__atomic_load_n(&consumer.is_ready, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	start = bench_now();
	for (uint64_t item = s->items; item < s->items + ops; item++) {
		*bench_ring_room(s->ring, item, &seen) = (uint64_t)(uintptr_t)take_one(s, 64);
		bench_ring_put(s->ring, item);
	}
	end = bench_now();
	pthread_join(thread, NULL);
	s->items += ops;
	return (end - start) / (double)ops;
}

/* -- memory ------------------------------------------------------------------------------ */

static double resident_bytes(void)
{
	long total, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &total, &resident) != 2)
		bench_die("/proc/self/statm cannot be read");
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

int bench_malloc_space(const char *who, const char *count_text)
{
	const struct state *s = strcmp(who, "glibc") == 0      ? bench_malloc_open_glibc(NULL)
				: strcmp(who, "jemalloc") == 0 ? bench_malloc_open_jemalloc(NULL)
							       : bench_malloc_open_mimalloc(NULL);
	uint64_t count = strtoull(count_text, NULL, 10);
	double before;

	if (!s || count == 0)
		return 1;
	for (int i = 0; i < 16; i++)		/* whatever the first blocks need besides */
		memset(s->alloc(64), 1, 64);
	before = resident_bytes();
	for (uint64_t i = 0; i < count; i++)
		memset(s->alloc(64), 1, 64);
	printf("%.6f\n", (resident_bytes() - before) / (double)(count * 64));
	return 0;
}

/* By a program that has just begun: what has been freed before would be used again. */
double bench_malloc_space_round(void *state, uint64_t ops)
{
	const struct state *s = state;
	char command[256], path[128] = "";
	double result = 0;
	FILE *f;

	if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
		bench_die("/proc/self/exe cannot be read");
	snprintf(command, sizeof command, "'%s' --space %s %llu", path, s->who,
		 (unsigned long long)ops);
	f = popen(command, "r");
	if (!f || fscanf(f, "%lf", &result) != 1 || pclose(f) != 0)
		bench_die("%s failed", command);
	return result;
}
