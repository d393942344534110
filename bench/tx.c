/* SPDX-License-Identifier: MIT */
/*
 * tx.c - how long does a transaction take
 *
 * Four words are changed under a lock, all or none of them, whoever is killed when. No peer
 * does that in shared memory; the same four stores under a robust mutex, which a death leaves
 * half done, show what the promise costs.
 */
#include <pthread.h>
#include <stdlib.h>

#include "share.h"
#include "timing.h"

enum { WORDS = 4 };

struct account {
	dure_mutex lock;
	uint64_t words[WORDS];
	pthread_mutex_t robust;
};

struct state {
	dure_segment *segment;
	struct account *account;
};

static void *open_account(const void *argument)
{
	struct state *s = calloc(1, sizeof *s);
	pthread_mutexattr_t attributes;

	(void)argument;
	s->segment = bench_segment_make(4u << 20);
	s->account = bench_segment_memory(s->segment, sizeof *s->account);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&s->account->robust, &attributes);
	return s;
}

static void close_account(void *state)
{
	struct state *s = state;

	bench_segment_close(s->segment);
	free(s);
}

static double words_round(void *state, uint64_t ops)
{
	struct state *s = state;
	struct account *a = s->account;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		dure_tx *tx;
		bench_must(dure_tx_begin(s->segment, &tx), "begin");
		bench_must(dure_tx_lock(tx, &a->lock, DURE_FOREVER), "lock");
		for (unsigned w = 0; w < WORDS; w++) {
			uint64_t value = i + w;
			bench_must(dure_tx_write(tx, &a->words[w], &value, sizeof value), "write");
		}
		bench_must(dure_tx_commit(tx), "commit");
	}
	return (bench_now() - start) / (double)ops;
}

/* the four words remembered in one piece, and changed by the program itself */
static double range_round(void *state, uint64_t ops)
{
	struct state *s = state;
	struct account *a = s->account;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		dure_tx *tx;
		bench_must(dure_tx_begin(s->segment, &tx), "begin");
		bench_must(dure_tx_lock(tx, &a->lock, DURE_FOREVER), "lock");
		bench_must(dure_tx_add(tx, a->words, sizeof a->words), "add");
		for (unsigned w = 0; w < WORDS; w++)
			*(volatile uint64_t *)&a->words[w] = i + w;
		bench_must(dure_tx_commit(tx), "commit");
	}
	return (bench_now() - start) / (double)ops;
}

static double unsafe_round(void *state, uint64_t ops)
{
	struct state *s = state;
	struct account *a = s->account;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		pthread_mutex_lock(&a->robust);
		for (unsigned w = 0; w < WORDS; w++)
			*(volatile uint64_t *)&a->words[w] = i + w;
		pthread_mutex_unlock(&a->robust);
	}
	return (bench_now() - start) / (double)ops;
}

const struct bench_row bench_tx_rows[] = {
	{
		.name = "tx-4-words",
		.what = "transaction that changes 4 words, lock included",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 400000,
		.contenders = {
			{ .who = "dure", .open = open_account, .round = words_round,
			  .close = close_account },
			{ .who = "dure, one range of 32 B", .open = open_account,
			  .round = range_round, .close = close_account },
			{ .who = "robust mutex, not crash-safe", .open = open_account,
			  .round = unsafe_round, .close = close_account },
		},
		.goals = { { .text = "", .fixed = 60 } },
	},
	{ .name = NULL },
};
