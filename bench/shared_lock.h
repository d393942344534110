/* SPDX-License-Identifier: MIT */
/* shared_lock.h - peers of the rows about locks for several: peer_boost_shared_lock.cpp */
#ifndef BENCH_SHARED_LOCK_H
#define BENCH_SHARED_LOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void *bench_boost_rwlock_open(const void *argument);
double bench_boost_rwlock_read(void *state, uint64_t ops);
double bench_boost_rwlock_write(void *state, uint64_t ops);
void *bench_boost_semaphore_open(const void *argument);
double bench_boost_semaphore_round(void *state, uint64_t ops);
void bench_boost_shared_lock_close(void *shared);

#ifdef __cplusplus
}
#endif

#endif
