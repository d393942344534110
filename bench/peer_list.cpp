// SPDX-License-Identifier: MIT
//
// peer_list.cpp - lists, deques and priority queues: Boost's in a managed segment under a mutex, the standard
// library's in private memory without one
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/deque.hpp>
#include <boost/interprocess/containers/list.hpp>
#include <boost/interprocess/containers/vector.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>

#include <deque>
#include <list>
#include <queue>
#include <string>
#include <unistd.h>

#include "bench.h"
#include "named.h"

namespace bi = boost::interprocess;

namespace
{

typedef bi::allocator<uint64_t, bi::managed_shared_memory::segment_manager> allocator;
typedef bi::scoped_lock<bi::interprocess_mutex> guard;

const uint64_t length = 100000;

// Boost's, each operation under the mutex
template <typename Container> struct shared_peer {
	bi::managed_shared_memory segment;
	bi::interprocess_mutex *mutex;
	Container *container;

	shared_peer()
	{
		static unsigned number;
		std::string name = "dure-bench-list-" + std::to_string(getpid()) + "-" +
				   std::to_string(number++);
		segment = bi::managed_shared_memory(bi::create_only, name.c_str(), 64u << 20);
		bi::shared_memory_object::remove(name.c_str());
		mutex = segment.construct<bi::interprocess_mutex>("mutex")();
		container = segment.construct<Container>("container")(
			allocator(segment.get_segment_manager()));
	}
	void push(uint64_t value)
	{
		guard lock(*mutex);
		container->push_back(value);
	}
	uint64_t pop()
	{
		guard lock(*mutex);
		uint64_t value = container->front();
		container->pop_front();
		return value;
	}
	uint64_t sum()
	{
		guard lock(*mutex);
		uint64_t all = 0;
		for (uint64_t value : *container)
			all += value;
		return all;
	}
	uint64_t at(uint64_t index)
	{
		guard lock(*mutex);
		return (*container)[index];
	}
};

template <typename Container> struct private_peer {
	Container container;

	void push(uint64_t value)
	{
		container.push_back(value);
	}
	uint64_t pop()
	{
		uint64_t value = container.front();
		container.pop_front();
		return value;
	}
	uint64_t sum()
	{
		uint64_t all = 0;
		for (uint64_t value : container)
			all += value;
		return all;
	}
	uint64_t at(uint64_t index)
	{
		return container[index];
	}
};

typedef shared_peer<bi::list<uint64_t, allocator>> boost_list;
typedef shared_peer<bi::deque<uint64_t, allocator>> boost_deque;
typedef private_peer<std::list<uint64_t>> std_list;
typedef private_peer<std::deque<uint64_t>> std_deque;

// The lowest first. Boost has none of its own: the standard one's, over a vector in the segment
typedef bi::vector<uint64_t, allocator> shared_vector;
typedef std::priority_queue<uint64_t, shared_vector, std::greater<uint64_t>> shared_heap;

struct boost_priority : shared_peer<shared_vector> {
	shared_heap *heap;

	boost_priority()
	{
		heap = segment.construct<shared_heap>("heap")(
			std::greater<uint64_t>(), shared_vector(allocator(segment.get_segment_manager())));
	}
	void push(uint64_t value)
	{
		guard lock(*mutex);
		heap->push(value);
	}
	uint64_t pop()
	{
		guard lock(*mutex);
		uint64_t value = heap->top();
		heap->pop();
		return value;
	}
};

struct std_priority {
	std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<uint64_t>> heap;

	void push(uint64_t value)
	{
		heap.push(value);
	}
	uint64_t pop()
	{
		uint64_t value = heap.top();
		heap.pop();
		return value;
	}
};

volatile uint64_t sink;

template <typename Peer> void *open_full()
{
	Peer *p = new Peer;

	for (uint64_t i = 0; i < length; i++)
		p->push(i);
	return p;
}

template <typename Peer> double push_pop(void *state, uint64_t ops)
{
	Peer *p = static_cast<Peer *>(state);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		p->push(i);
	for (uint64_t i = 0; i < ops; i++)
		sink = p->pop();
	return (bench_now() - start) / static_cast<double>(ops);
}

template <typename Peer> double walk(void *state, uint64_t ops)
{
	Peer *p = static_cast<Peer *>(state);
	uint64_t walks = (ops + length - 1) / length;
	double start = bench_now();

	for (uint64_t i = 0; i < walks; i++)
		sink = p->sum();
	return (bench_now() - start) / static_cast<double>(walks * length);
}

template <typename Peer> double get(void *state, uint64_t ops)
{
	Peer *p = static_cast<Peer *>(state);
	uint64_t dice = BENCH_DICE_SEED;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		sink = p->at(bench_pick(&dice, length));
	return (bench_now() - start) / static_cast<double>(ops);
}

template <typename Peer> void *open_full_heap()
{
	Peer *p = new Peer;

	for (uint64_t i = 0; i < length; i++)
		p->push(bench_key(i));
	return p;
}

// One comes, one goes: as many are there all the time
template <typename Peer> double churn(void *state, uint64_t ops)
{
	Peer *p = static_cast<Peer *>(state);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		p->push(bench_key(length + i));
		sink = p->pop();
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

} // namespace

void *bench_boost_list_open(const void *)
{
	return new boost_list;
}

void *bench_boost_full_list_open(const void *)
{
	return open_full<boost_list>();
}

double bench_boost_list_push_pop(void *state, uint64_t ops)
{
	return push_pop<boost_list>(state, ops);
}

double bench_boost_list_walk(void *state, uint64_t ops)
{
	return walk<boost_list>(state, ops);
}

void bench_boost_list_close(void *state)
{
	delete static_cast<boost_list *>(state);
}

void *bench_std_list_open(const void *)
{
	return new std_list;
}

void *bench_std_full_list_open(const void *)
{
	return open_full<std_list>();
}

double bench_std_list_push_pop(void *state, uint64_t ops)
{
	return push_pop<std_list>(state, ops);
}

double bench_std_list_walk(void *state, uint64_t ops)
{
	return walk<std_list>(state, ops);
}

void bench_std_list_close(void *state)
{
	delete static_cast<std_list *>(state);
}

void *bench_boost_deque_open(const void *)
{
	return new boost_deque;
}

void *bench_boost_full_deque_open(const void *)
{
	return open_full<boost_deque>();
}

double bench_boost_deque_push_pop(void *state, uint64_t ops)
{
	return push_pop<boost_deque>(state, ops);
}

double bench_boost_deque_get(void *state, uint64_t ops)
{
	return get<boost_deque>(state, ops);
}

void bench_boost_deque_close(void *state)
{
	delete static_cast<boost_deque *>(state);
}

void *bench_std_deque_open(const void *)
{
	return new std_deque;
}

void *bench_std_full_deque_open(const void *)
{
	return open_full<std_deque>();
}

double bench_std_deque_push_pop(void *state, uint64_t ops)
{
	return push_pop<std_deque>(state, ops);
}

double bench_std_deque_get(void *state, uint64_t ops)
{
	return get<std_deque>(state, ops);
}

void bench_std_deque_close(void *state)
{
	delete static_cast<std_deque *>(state);
}

void *bench_boost_priority_open(const void *)
{
	return open_full_heap<boost_priority>();
}

double bench_boost_priority_churn(void *state, uint64_t ops)
{
	return churn<boost_priority>(state, ops);
}

void bench_boost_priority_close(void *state)
{
	delete static_cast<boost_priority *>(state);
}

void *bench_std_priority_open(const void *)
{
	return open_full_heap<std_priority>();
}

double bench_std_priority_churn(void *state, uint64_t ops)
{
	return churn<std_priority>(state, ops);
}

void bench_std_priority_close(void *state)
{
	delete static_cast<std_priority *>(state);
}
