// SPDX-License-Identifier: MIT
//
// peer_boost_map.cpp - Boost: unordered_map in a managed segment, under an interprocess_mutex
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>

#include <string>
#include <unistd.h>

#include "bench.h"
#include "named.h"

namespace bi = boost::interprocess;

namespace
{

typedef std::pair<const uint64_t, uint64_t> entry;
typedef bi::allocator<entry, bi::managed_shared_memory::segment_manager> entry_allocator;
typedef boost::unordered_map<uint64_t, uint64_t, boost::hash<uint64_t>, std::equal_to<uint64_t>,
			     entry_allocator> map_type;
typedef bi::scoped_lock<bi::interprocess_mutex> guard;

struct state {
	bi::managed_shared_memory segment;
	bi::interprocess_mutex *mutex;
	map_type *map;
	uint64_t count, dice = BENCH_DICE_SEED;
};

} // namespace

void *bench_boost_map_open(const void *argument)
{
	static unsigned number;
	const bench_named_work *work = static_cast<const bench_named_work *>(argument);
	std::string name = "dure-bench-map-" + std::to_string(getpid()) + "-" +
			   std::to_string(number++);
	state *s = new state;

	s->segment = bi::managed_shared_memory(bi::create_only, name.c_str(), work->segment_bytes);
	bi::shared_memory_object::remove(name.c_str());
	s->mutex = s->segment.construct<bi::interprocess_mutex>("mutex")();
	s->map = s->segment.construct<map_type>("map")(
		16, boost::hash<uint64_t>(), std::equal_to<uint64_t>(),
		entry_allocator(s->segment.get_segment_manager()));
	s->count = work->count;
	for (uint64_t i = 0; i < s->count; i++)
		s->map->emplace(bench_key(i), i);
	return s;
}

double bench_boost_map_get(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
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

double bench_boost_map_rate(void *state, uint64_t ops)
{
	return 1000 / bench_boost_map_get(state, ops);
}

double bench_boost_map_space(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);

	(void)ops;
	return static_cast<double>(s->segment.get_size() - s->segment.get_free_memory()) /
	       static_cast<double>(s->count);
}

double bench_boost_map_insert(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
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

void bench_boost_map_close(void *shared)
{
	delete static_cast<state *>(shared);
}
