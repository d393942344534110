// SPDX-License-Identifier: MIT
//
// peer_std_map.cpp - std::unordered_map: private memory, no lock; what hashing itself costs
#include <unordered_map>

#include "named.h"

namespace
{

struct state {
	std::unordered_map<uint64_t, uint64_t> map;
	uint64_t count, dice = BENCH_DICE_SEED;
};

} // namespace

void *bench_std_map_open(const void *argument)
{
	state *s = new state;

	s->count = static_cast<const bench_named_work *>(argument)->count;
	for (uint64_t i = 0; i < s->count; i++)
		s->map.emplace(bench_key(i), i);
	return s;
}

double bench_std_map_get(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	double start = bench_now();
	volatile uint64_t value;

	for (uint64_t i = 0; i < ops; i++)
		value = s->map.find(bench_key(bench_pick(&s->dice, s->count)))->second;
	(void)value;
	return (bench_now() - start) / static_cast<double>(ops);
}

double bench_std_map_insert(void *argument, uint64_t ops)
{
	state *s = static_cast<state *>(argument);
	uint64_t n = bench_batch(ops);
	double start = bench_now();

	for (uint64_t i = 0; i < n; i++)
		s->map.emplace(bench_key(s->count + i), i);
	double end = bench_now();
	for (uint64_t i = 0; i < n; i++)
		s->map.erase(bench_key(s->count + i));
	return (end - start) / static_cast<double>(n);
}

void bench_std_map_close(void *shared)
{
	delete static_cast<state *>(shared);
}
