/* SPDX-License-Identifier: MIT */
/* lock.h - peers of the lock rows: peer_boost_lock.cpp */
#ifndef BENCH_LOCK_H
#define BENCH_LOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void *bench_boost_mutex_open(const void *argument);
double bench_boost_mutex_round(void *state, uint64_t ops);
void bench_boost_mutex_close(void *shared);

#ifdef __cplusplus
}
#endif

#endif
