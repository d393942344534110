// SPDX-License-Identifier: MIT
//
// peer_boost_queue.cpp - Boost.Interprocess: message_queue, which has priorities and no types
#include <boost/interprocess/ipc/message_queue.hpp>

#include <cstdio>
#include <unistd.h>

#include "queue.h"
#include "timing.h"

namespace bi = boost::interprocess;

void *bench_boost_queue_open(const void *)
{
	char name[64];

	std::snprintf(name, sizeof name, "bench-queue-%d", static_cast<int>(getpid()));
	bi::message_queue::remove(name);
	try {
		auto *queue = new bi::message_queue(bi::create_only, name, BENCH_QUEUE_DEPTH,
						    BENCH_QUEUE_BYTES);
		bi::message_queue::remove(name);	// the mapping stays, for children too
		return queue;
	} catch (...) {
		return nullptr;
	}
}

double bench_boost_queue_round(void *state, uint64_t ops)
{
	bench_queue_end *end = static_cast<bench_queue_end *>(state);
	bi::message_queue *queue = static_cast<bi::message_queue *>(end->queue);
	char message[BENCH_QUEUE_BYTES] = {};
	bi::message_queue::size_type bytes;
	unsigned priority;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		if (end->index == 0)
			queue->send(message, sizeof message, 0);
		else
			queue->receive(message, sizeof message, bytes, priority);
	}
	return static_cast<double>(ops) * 1e3 / (bench_now() - start);
}

void bench_boost_queue_close(void *shared)
{
	delete static_cast<bi::message_queue *>(shared);
}
