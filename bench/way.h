/* SPDX-License-Identifier: MIT */
/* way.h - a way for messages between two processes, there and back, whatever it is made of */
#ifndef BENCH_WAY_H
#define BENCH_WAY_H

#include <stddef.h>

#include "bench.h"

enum { BENCH_WAY_BYTES_MAX = 1 << 20 };

/* How a row uses a way. */
struct bench_way_use {
	size_t bytes;			/* of each message */
	int sleeps;			/* who finds nothing sleeps at once; else it looks all the time, or as
					   long as it can */
};

/* Process 0 sends there and receives what comes back, process 1 the other way round. */
struct bench_way {
	/* Before there are two; NULL: it cannot be had here, or not for such messages. */
	void *(*open)(const struct bench_way_use *use);
	/* In each of them. */
	void *(*join)(void *shared, const struct bench_way_use *use, unsigned index);
	void (*send)(void *end, const void *data, size_t bytes);
	void (*receive)(void *end, void *data, size_t bytes);
	void (*close)(void *shared);
};

extern const struct bench_way bench_way_ring, bench_way_lanes, bench_way_queue, bench_way_service,
	bench_way_board;
extern const struct bench_way bench_way_bounce, bench_way_futex, bench_way_ck_ring, bench_way_pipe,
	bench_way_unix, bench_way_system_v, bench_way_posix;
extern const struct bench_way bench_way_zmq, bench_way_nng;

#endif
