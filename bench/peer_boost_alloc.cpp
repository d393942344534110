// SPDX-License-Identifier: MIT
//
// peer_boost_alloc.cpp - Boost.Interprocess: the heap of a managed segment, and a pool on it
//
// The heap is managed_shared_memory's (a red-black tree, best fit, one mutex). The private pool
// hands out blocks of one size without a lock, and belongs to one process.
#include <boost/interprocess/allocators/private_node_allocator.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>

#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

#include "alloc.h"
#include "bench.h"
#include "timing.h"

namespace bi = boost::interprocess;

namespace
{

struct block64 {
	uint64_t words[8];
};
typedef bi::private_node_allocator<block64, bi::managed_shared_memory::segment_manager> pool_type;

std::string fresh_name()
{
	static unsigned number;
	return "dure-bench-boost-" + std::to_string(getpid()) + "-" + std::to_string(number++);
}

struct shared_state {
	const bench_alloc_work *work;
	bi::managed_shared_memory segment;
	bench_ring *ring;

	explicit shared_state(const bench_alloc_work *w) : work(w)
	{
		std::string name = fresh_name();
		segment = bi::managed_shared_memory(bi::create_only, name.c_str(), w->segment_bytes);
		bi::shared_memory_object::remove(name.c_str());
		ring = static_cast<bench_ring *>(segment.allocate_aligned(sizeof *ring, 128));
		memset(ring, 0, sizeof *ring);
	}
};

struct state {
	shared_state *shared;
	std::vector<void *> blocks;
	const uint64_t *steps;
	uint64_t at = 0;
	pool_type pool;
	unsigned role = 0;
	uint64_t item = 0, seen = 0;

	explicit state(shared_state *s)
		: shared(s), blocks(s->work->live), steps(bench_alloc_steps(s->work)),
		  pool(s->segment.get_segment_manager())
	{
	}
	void *take(uint64_t bytes)
	{
		void *block = shared->segment.allocate(bytes);
		*static_cast<volatile uint64_t *>(block) = bytes;
		return block;
	}
	void *take_pooled()
	{
		block64 *block = pool.allocate_one().get();
		static_cast<volatile block64 *>(block)->words[0] = 64;
		return block;
	}
};

} // namespace

void *bench_boost_alloc_open(const void *argument)
{
	return new shared_state(static_cast<const bench_alloc_work *>(argument));
}

void bench_boost_alloc_close(void *shared)
{
	delete static_cast<shared_state *>(shared);
}

void *bench_boost_alloc_join(void *shared, unsigned)
{
	state *s = new state(static_cast<shared_state *>(shared));

	for (uint32_t i = 0; i < s->shared->work->live; i++)
		s->blocks[i] = s->take(s->steps[i % BENCH_ALLOC_STEPS] >> 32);
	return s;
}

double bench_boost_alloc_round(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t step = s->steps[s->at++ % BENCH_ALLOC_STEPS];
		void *&place = s->blocks[static_cast<uint32_t>(step)];
		s->shared->segment.deallocate(place);
		place = s->take(step >> 32);
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

void *bench_boost_pool_join(void *shared, unsigned)
{
	state *s = new state(static_cast<shared_state *>(shared));

	for (uint32_t i = 0; i < s->shared->work->live; i++)
		s->blocks[i] = s->take_pooled();
	return s;
}

double bench_boost_pool_round(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t step = s->steps[s->at++ % BENCH_ALLOC_STEPS];
		void *&place = s->blocks[static_cast<uint32_t>(step)];
		s->pool.deallocate_one(static_cast<block64 *>(place));
		place = s->take_pooled();
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

void *bench_boost_remote_join(void *shared, unsigned index)
{
	state *s = new state(static_cast<shared_state *>(shared));

	s->role = index;
	return s;
}

double bench_boost_remote_round(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	bench_ring *ring = s->shared->ring;
	double start = bench_now();

	for (uint64_t end = s->item + ops; s->item < end; s->item++)
		if (s->role == 0) {
			uint64_t *slot = bench_ring_room(ring, s->item, &s->seen);
			*slot = reinterpret_cast<uint64_t>(s->take(64));
			bench_ring_put(ring, s->item);
		} else {
			uint64_t *slot = bench_ring_item(ring, s->item, &s->seen);
			s->shared->segment.deallocate(reinterpret_cast<void *>(*slot));
			bench_ring_taken(ring, s->item);
		}
	return (bench_now() - start) / static_cast<double>(ops);
}

// What the blocks take from the segment's free memory.
double bench_boost_space_round(void *argument, uint64_t ops)
{
	shared_state s(static_cast<shared_state *>(argument)->work);
	double before = static_cast<double>(s.segment.get_free_memory());

	for (uint64_t i = 0; i < ops; i++)
		memset(s.segment.allocate(64), 1, 64);
	return (before - static_cast<double>(s.segment.get_free_memory())) /
	       static_cast<double>(ops * 64);
}
