// SPDX-License-Identifier: MIT
//
// peer_boost_vector.cpp - Boost: vector in a managed segment, without a lock and with one
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/vector.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>

#include <string>
#include <unistd.h>

#include "bench.h"
#include "named.h"

namespace bi = boost::interprocess;

namespace
{

typedef bi::allocator<uint64_t, bi::managed_shared_memory::segment_manager> allocator;
typedef bi::vector<uint64_t, allocator> vector_type;
typedef bi::scoped_lock<bi::interprocess_mutex> guard;

const uint64_t room = 200000;

struct state {
	bi::managed_shared_memory segment;
	bi::interprocess_mutex *mutex;
	vector_type *vector;
};

} // namespace

void *bench_boost_vector_open(const void *argument)
{
	static unsigned number;
	std::string name = "dure-bench-vector-" + std::to_string(getpid()) + "-" +
			   std::to_string(number++);
	state *s = new state;

	(void)argument;
	s->segment = bi::managed_shared_memory(bi::create_only, name.c_str(), 64u << 20);
	bi::shared_memory_object::remove(name.c_str());
	s->mutex = s->segment.construct<bi::interprocess_mutex>("mutex")();
	s->vector = s->segment.construct<vector_type>("vector")(
		allocator(s->segment.get_segment_manager()));
	s->vector->reserve(room);
	return s;
}

double bench_boost_vector_push(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	uint64_t n = ops < room ? ops : room;
	double start = bench_now();

	for (uint64_t i = 0; i < n; i++)
		s->vector->push_back(i);
	double end = bench_now();
	s->vector->clear();
	return (end - start) / static_cast<double>(n);
}

double bench_boost_vector_push_locked(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	uint64_t n = ops < room ? ops : room;
	double start = bench_now();

	for (uint64_t i = 0; i < n; i++) {
		guard lock(*s->mutex);
		s->vector->push_back(i);
	}
	double end = bench_now();
	s->vector->clear();
	return (end - start) / static_cast<double>(n);
}

double bench_boost_vector_get(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	uint64_t dice = BENCH_DICE_SEED;
	volatile uint64_t value;

	s->vector->resize(room);
	double start = bench_now();
	for (uint64_t i = 0; i < ops; i++) {
		guard lock(*s->mutex);
		value = (*s->vector)[bench_pick(&dice, room)];
	}
	double end = bench_now();
	(void)value;
	s->vector->clear();
	return (end - start) / static_cast<double>(ops);
}

void bench_boost_vector_close(void *shared)
{
	delete static_cast<state *>(shared);
}
