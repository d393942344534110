// SPDX-License-Identifier: MIT
//
// peer_boost_named.cpp - Boost.Interprocess: named objects of a managed segment
//
// With the default index, a tree, and with the hash index (iunordered_set_index), which a
// program has to choose and Boost itself does not rehash.
#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/indexes/iunordered_set_index.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>

#include <string>
#include <unistd.h>

#include "bench.h"
#include "named.h"

namespace bi = boost::interprocess;

namespace
{

typedef bi::rbtree_best_fit<bi::mutex_family> heap;
typedef bi::basic_managed_shared_memory<char, heap, bi::iset_index> tree_segment;
typedef bi::basic_managed_shared_memory<char, heap, bi::iunordered_set_index> hash_segment;

template <class Segment> struct state {
	Segment segment;
	uint64_t count, dice = BENCH_DICE_SEED, next = 0;
	char (*names)[BENCH_NAME_ROOM];
	char (*fresh)[BENCH_NAME_ROOM];
};

template <class Segment> void *open(const void *argument)
{
	static unsigned number;
	const bench_named_work *work = static_cast<const bench_named_work *>(argument);
	std::string name = "dure-bench-named-" + std::to_string(getpid()) + "-" +
			   std::to_string(number++);
	state<Segment> *s = new state<Segment>;

	s->segment = Segment(bi::create_only, name.c_str(), work->segment_bytes);
	bi::shared_memory_object::remove(name.c_str());
	s->count = work->count;
	s->names = bench_names(0, s->count);
	s->fresh = bench_names(s->count, BENCH_BATCH);
	s->segment.reserve_named_objects(s->count + BENCH_BATCH);
	for (uint64_t i = 0; i < s->count; i++)
		s->segment.template construct<uint64_t>(s->names[i])(1);
	return s;
}

template <class Segment> double find(void *argument, uint64_t ops)
{
	state<Segment> *s = static_cast<state<Segment> *>(argument);
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		const char *name = bench_name_next(s->names, s->count, &s->dice, &s->next);
		(void)*static_cast<volatile uint64_t *>(
			s->segment.template find<uint64_t>(name).first);
	}
	return (bench_now() - start) / static_cast<double>(ops);
}

template <class Segment> double construct(void *argument, uint64_t ops)
{
	state<Segment> *s = static_cast<state<Segment> *>(argument);
	uint64_t n = bench_batch(ops);
	double start = bench_now();

	for (uint64_t i = 0; i < n; i++)
		s->segment.template construct<uint64_t>(s->fresh[i])(1);
	double end = bench_now();
	for (uint64_t i = 0; i < n; i++)
		s->segment.template destroy<uint64_t>(s->fresh[i]);
	return (end - start) / static_cast<double>(n);
}

template <class Segment> void close(void *argument)
{
	state<Segment> *s = static_cast<state<Segment> *>(argument);

	free(s->names);
	free(s->fresh);
	delete s;
}

} // namespace

void *bench_boost_tree_open(const void *argument)
{
	return open<tree_segment>(argument);
}

void *bench_boost_hash_open(const void *argument)
{
	return open<hash_segment>(argument);
}

double bench_boost_tree_find(void *state, uint64_t ops)
{
	return find<tree_segment>(state, ops);
}

double bench_boost_hash_find(void *state, uint64_t ops)
{
	return find<hash_segment>(state, ops);
}

double bench_boost_tree_construct(void *state, uint64_t ops)
{
	return construct<tree_segment>(state, ops);
}

double bench_boost_hash_construct(void *state, uint64_t ops)
{
	return construct<hash_segment>(state, ops);
}

void bench_boost_tree_close(void *shared)
{
	close<tree_segment>(shared);
}

void bench_boost_hash_close(void *shared)
{
	close<hash_segment>(shared);
}
