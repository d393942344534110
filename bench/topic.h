/* SPDX-License-Identifier: MIT */
/* topic.h - a topic of any kind: process 0 publishes, process 1 has all subscribers */
#ifndef BENCH_TOPIC_H
#define BENCH_TOPIC_H

#include "bench.h"

enum { BENCH_TOPIC_BYTES = 64 };

/* argument: how many subscribers there are */
void *bench_zmq_topic_open(const void *argument);
void *bench_zmq_topic_join(void *shared, unsigned index);
double bench_zmq_topic_round(void *state, uint64_t ops);
void bench_zmq_topic_close(void *shared);

/* there and back, by a publisher and a subscriber on either side */
void *bench_zmq_trip_open(const void *argument);
void *bench_zmq_trip_join(void *shared, unsigned index);
double bench_zmq_trip_round(void *state, uint64_t ops);
void bench_zmq_trip_close(void *shared);

void *bench_nng_trip_open(const void *argument);
void *bench_nng_trip_join(void *shared, unsigned index);
double bench_nng_trip_round(void *state, uint64_t ops);
void bench_nng_trip_close(void *shared);

#endif
