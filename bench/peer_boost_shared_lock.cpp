// SPDX-License-Identifier: MIT
//
// peer_boost_shared_lock.cpp - Boost.Interprocess: interprocess_sharable_mutex and
// interprocess_semaphore (both wait for ever for the dead)
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>

#include <new>
#include <sys/mman.h>

#include "shared_lock.h"
#include "timing.h"

namespace bi = boost::interprocess;

static void *shared_page()
{
	void *memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? nullptr : memory;
}

void *bench_boost_rwlock_open(const void *)
{
	void *memory = shared_page();

	return memory ? new (memory) bi::interprocess_sharable_mutex : nullptr;
}

double bench_boost_rwlock_read(void *state, uint64_t ops)
{
	auto *mutex = static_cast<bi::interprocess_sharable_mutex *>(state);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		mutex->lock_sharable();
		mutex->unlock_sharable();
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

double bench_boost_rwlock_write(void *state, uint64_t ops)
{
	auto *mutex = static_cast<bi::interprocess_sharable_mutex *>(state);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		mutex->lock();
		mutex->unlock();
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

void *bench_boost_semaphore_open(const void *)
{
	void *memory = shared_page();

	return memory ? new (memory) bi::interprocess_semaphore(1) : nullptr;
}

double bench_boost_semaphore_round(void *state, uint64_t ops)
{
	auto *semaphore = static_cast<bi::interprocess_semaphore *>(state);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		semaphore->wait();
		semaphore->post();
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

void bench_boost_shared_lock_close(void *shared)
{
	munmap(shared, 4096);
}
