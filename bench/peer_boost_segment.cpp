// SPDX-License-Identifier: MIT
//
// peer_boost_segment.cpp - Boost.Interprocess: managed_shared_memory, created and attached
#include <boost/interprocess/managed_shared_memory.hpp>

#include <string>
#include <unistd.h>

#include "bench.h"
#include "named.h"

namespace bi = boost::interprocess;

namespace
{
const std::size_t segment_bytes = 64u << 20;
}

void *bench_boost_attach_open(const void *)
{
	std::string *name = new std::string("dure-bench-attach-boost-" + std::to_string(getpid()));
	bi::managed_shared_memory segment(bi::create_only, name->c_str(), segment_bytes);

	segment.construct<uint64_t>("first")(1);
	return name;
}

void bench_boost_attach_close(void *shared)
{
	std::string *name = static_cast<std::string *>(shared);

	bi::shared_memory_object::remove(name->c_str());
	delete name;
}

double bench_boost_attach_round(void *state, uint64_t ops)
{
	const char *name = static_cast<std::string *>(state)->c_str();
	double total = 0;

	for (uint64_t i = 0; i < ops; i++) {
		double start = bench_now();
		bi::managed_shared_memory segment(bi::open_only, name);
		(void)*static_cast<volatile uint64_t *>(segment.find<uint64_t>("first").first);
		total += bench_now() - start;
	}
	return total / static_cast<double>(ops) / 1000;
}

double bench_boost_create_round(void *state, uint64_t ops)
{
	std::string name = *static_cast<std::string *>(state) + "-new";
	double total = 0;

	for (uint64_t i = 0; i < ops; i++) {
		double start = bench_now();
		{
			bi::managed_shared_memory segment(bi::create_only, name.c_str(), segment_bytes);
			total += bench_now() - start;
		}
		bi::shared_memory_object::remove(name.c_str());
	}
	return total / static_cast<double>(ops) / 1000;
}
