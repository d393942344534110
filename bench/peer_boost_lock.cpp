// SPDX-License-Identifier: MIT
//
// peer_boost_lock.cpp - Boost.Interprocess: interprocess_mutex (waits for ever for the dead)
#include <boost/interprocess/sync/interprocess_mutex.hpp>

#include <new>
#include <sys/mman.h>

#include "lock.h"
#include "timing.h"

namespace bi = boost::interprocess;

void *bench_boost_mutex_open(const void *)
{
	void *memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? nullptr : new (memory) bi::interprocess_mutex;
}

double bench_boost_mutex_round(void *state, uint64_t ops)
{
	bi::interprocess_mutex *mutex = static_cast<bi::interprocess_mutex *>(state);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		mutex->lock();
		mutex->unlock();
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

void bench_boost_mutex_close(void *shared)
{
	munmap(shared, 4096);
}
