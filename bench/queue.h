/* SPDX-License-Identifier: MIT */
/* queue.h - a queue of any kind: one process sends, the other receives */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_QUEUE_DEPTH = 128, BENCH_QUEUE_BYTES = 64 };

/* Process 0 sends, process 1 receives. */
struct bench_queue_end {
	void *queue;
	unsigned index;
};

void *bench_queue_join(void *shared, unsigned index);

void *bench_boost_queue_open(const void *argument);
double bench_boost_queue_round(void *state, uint64_t ops);
void bench_boost_queue_close(void *shared);

#ifdef __cplusplus
}
#endif

#endif
