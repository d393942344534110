// SPDX-License-Identifier: MIT
//
// peer_ordered.cpp - Boost: map in a managed segment, under an interprocess_mutex; and std::map in
// private memory, without any
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/map.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>

#include <map>
#include <string>
#include <unistd.h>

#include "bench.h"
#include "named.h"

namespace bi = boost::interprocess;

namespace
{

typedef std::pair<const uint64_t, uint64_t> entry;
typedef bi::allocator<entry, bi::managed_shared_memory::segment_manager> entry_allocator;
typedef bi::map<uint64_t, uint64_t, std::less<uint64_t>, entry_allocator> boost_map;
typedef bi::scoped_lock<bi::interprocess_mutex> boost_guard;

struct boost_state {
	bi::managed_shared_memory segment;
	bi::interprocess_mutex *mutex;
	boost_map *map;
	uint64_t count, dice = BENCH_DICE_SEED;
};

struct no_guard {
	explicit no_guard(int) {}
};

struct std_state {
	int mutex_of_nobody = 0, *mutex = &mutex_of_nobody;
	std::map<uint64_t, uint64_t> all, *map = &all;
	uint64_t count, dice = BENCH_DICE_SEED;
};

template <typename guard, typename state> double get(state *s, uint64_t ops)
{
	double start = bench_now();
	volatile uint64_t value;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t key = bench_key(bench_pick(&s->dice, s->count));
		guard lock(*s->mutex);
		value = s->map->find(key)->second;
	}
	(void)value;
	return (bench_now() - start) / static_cast<double>(ops);
}

template <typename guard, typename state> double insert(state *s, uint64_t ops)
{
	uint64_t n = bench_batch(ops);
	double start = bench_now();

	for (uint64_t i = 0; i < n; i++) {
		guard lock(*s->mutex);
		s->map->emplace(bench_key(s->count + i), i);
	}
	double end = bench_now();
	for (uint64_t i = 0; i < n; i++)
		s->map->erase(bench_key(s->count + i));
	return (end - start) / static_cast<double>(n);
}

template <typename guard, typename state> double scan(state *s)
{
	double start = bench_now();
	uint64_t sum = 0;
	guard lock(*s->mutex);

	for (auto const &e : *s->map)
		sum += e.second;
	volatile uint64_t kept = sum;
	(void)kept;
	return (bench_now() - start) / static_cast<double>(s->count);
}

} // namespace

void *bench_boost_ordered_open(const void *argument)
{
	static unsigned number;
	const bench_named_work *work = static_cast<const bench_named_work *>(argument);
	std::string name = "dure-bench-ordered-" + std::to_string(getpid()) + "-" +
			   std::to_string(number++);
	boost_state *s = new boost_state;

	s->segment = bi::managed_shared_memory(bi::create_only, name.c_str(), work->segment_bytes);
	bi::shared_memory_object::remove(name.c_str());
	s->mutex = s->segment.construct<bi::interprocess_mutex>("mutex")();
	s->map = s->segment.construct<boost_map>("map")(
		std::less<uint64_t>(), entry_allocator(s->segment.get_segment_manager()));
	s->count = work->count;
	for (uint64_t i = 0; i < s->count; i++)
		s->map->emplace(bench_key(i), i);
	return s;
}

double bench_boost_ordered_get(void *state, uint64_t ops)
{
	return get<boost_guard>(static_cast<boost_state *>(state), ops);
}

double bench_boost_ordered_insert(void *state, uint64_t ops)
{
	return insert<boost_guard>(static_cast<boost_state *>(state), ops);
}

double bench_boost_ordered_scan(void *state, uint64_t ops)
{
	(void)ops;
	return scan<boost_guard>(static_cast<boost_state *>(state));
}

double bench_boost_ordered_space(void *state, uint64_t ops)
{
	boost_state *s = static_cast<boost_state *>(state);

	(void)ops;
	return static_cast<double>(s->segment.get_size() - s->segment.get_free_memory()) /
	       static_cast<double>(s->count);
}

void bench_boost_ordered_close(void *shared)
{
	delete static_cast<boost_state *>(shared);
}

void *bench_std_ordered_open(const void *argument)
{
	std_state *s = new std_state;

	s->count = static_cast<const bench_named_work *>(argument)->count;
	for (uint64_t i = 0; i < s->count; i++)
		s->map->emplace(bench_key(i), i);
	return s;
}

double bench_std_ordered_get(void *state, uint64_t ops)
{
	return get<no_guard>(static_cast<std_state *>(state), ops);
}

double bench_std_ordered_insert(void *state, uint64_t ops)
{
	return insert<no_guard>(static_cast<std_state *>(state), ops);
}

double bench_std_ordered_scan(void *state, uint64_t ops)
{
	(void)ops;
	return scan<no_guard>(static_cast<std_state *>(state));
}

void bench_std_ordered_close(void *shared)
{
	delete static_cast<std_state *>(shared);
}
