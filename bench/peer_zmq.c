/* SPDX-License-Identifier: MIT */
/*
 * peer_zmq.c - ZeroMQ's publishers and subscribers, and its pairs, over its ipc transport
 *
 * A publisher that waits for subscribers that are slow (ZMQ_XPUB_NODROP), so that all is
 * received; and begins when all have subscribed. Contexts have threads: each process makes its
 * own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "timing.h"
#include "topic.h"
#include "way.h"

enum { SUBSCRIBERS_MAX = 100 };

struct shared {
	unsigned subscribers;
	char address[64];
};

struct side {
	unsigned index, count;
	void *publisher;
	void *subscribers[SUBSCRIBERS_MAX];
};

static struct shared *make(unsigned subscribers)
{
	static unsigned number;
	struct shared *shared = malloc(sizeof *shared);

	shared->subscribers = subscribers;
	/* abstract: it has no name in the file system */
	snprintf(shared->address, sizeof shared->address, "ipc://@dure-bench-%d-%u", (int)getpid(),
		 number++);
	return shared;
}

static void check(int result, const char *what)
{
	if (result < 0)
		bench_die("ZeroMQ: %s: %s", what, zmq_strerror(zmq_errno()));
}

static const char *address_of(const struct shared *shared, const char *which, char *text,
			      size_t bytes)
{
	snprintf(text, bytes, "%s-%s", shared->address, which);
	return text;
}

static void *publisher_at(void *context, const char *address)
{
	void *socket = zmq_socket(context, ZMQ_XPUB);
	int yes = 1;

	check(zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &yes, sizeof yes), "nodrop");
	check(zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &yes, sizeof yes), "verbose");
	check(zmq_bind(socket, address), address);
	return socket;
}

static void await_subscribers(void *publisher, unsigned count)
{
	char word[2];

	while (count--)
		check(zmq_recv(publisher, word, sizeof word, 0), "subscription");
}

static void *subscriber_at(void *context, const char *address)
{
	void *socket = zmq_socket(context, ZMQ_SUB);

	check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), "subscribe");
	check(zmq_connect(socket, address), address);
	return socket;
}

static void publish(void *publisher, uint64_t number)
{
	uint64_t words[BENCH_TOPIC_BYTES / 8] = { number };

	check(zmq_send(publisher, words, sizeof words, 0), "send");
}

static uint64_t receive(void *subscriber)
{
	uint64_t words[BENCH_TOPIC_BYTES / 8];

	return zmq_recv(subscriber, words, sizeof words, ZMQ_DONTWAIT) < 0 ? 0 : words[0];
}

/* -- all of it to many ------------------------------------------------------------------- */

void *bench_zmq_topic_open(const void *argument)
{
	return make(*(const unsigned *)argument);
}

void *bench_zmq_topic_join(void *shared, unsigned index)
{
	struct side *side = calloc(1, sizeof *side);
	void *context = zmq_ctx_new();
	char address[96];

	side->index = index;
	side->count = ((struct shared *)shared)->subscribers;
	address_of(shared, "topic", address, sizeof address);
	if (index == 0)
		side->publisher = publisher_at(context, address);
	for (unsigned i = 0; index == 1 && i < side->count; i++)
		side->subscribers[i] = subscriber_at(context, address);
	return side;
}

double bench_zmq_topic_round(void *state, uint64_t ops)
{
	static int is_begun;
	struct side *side = state;
	unsigned left = side->count;
	double start;

	if (side->index == 0 && !is_begun)
		await_subscribers(side->publisher, side->count);
	is_begun = 1;
	start = bench_now();
	for (uint64_t i = 1; side->index == 0 && i <= ops; i++)
		publish(side->publisher, i);
	while (side->index == 1 && left)
		for (unsigned i = 0; i < side->count; i++)
			left -= receive(side->subscribers[i]) == ops;
	return (double)(ops * side->count) * 1e3 / (bench_now() - start);
}

void bench_zmq_topic_close(void *shared)
{
	free(shared);
}

/* -- there and back ---------------------------------------------------------------------- */

void *bench_zmq_trip_open(const void *argument)
{
	(void)argument;
	return make(1);
}

void *bench_zmq_trip_join(void *shared, unsigned index)
{
	struct side *side = calloc(1, sizeof *side);
	void *context = zmq_ctx_new();
	char address[96];

	side->index = index;
	side->publisher = publisher_at(context, address_of(shared, index ? "back" : "there", address,
							   sizeof address));
	side->subscribers[0] = subscriber_at(context, address_of(shared, index ? "there" : "back",
								 address, sizeof address));
	return side;
}

double bench_zmq_trip_round(void *state, uint64_t ops)
{
	static int is_begun;
	struct side *side = state;
	double start;

	if (!is_begun)
		await_subscribers(side->publisher, 1);
	is_begun = 1;
	start = bench_now();
	for (uint64_t i = 1; i <= ops; i++) {
		if (side->index == 0)
			publish(side->publisher, i);
		while (receive(side->subscribers[0]) != i)
			;
		if (side->index == 1)
			publish(side->publisher, i);
	}
	return (bench_now() - start) / (double)ops;
}

void bench_zmq_trip_close(void *shared)
{
	free(shared);
}

/* -- a pair ------------------------------------------------------------------------------ */

static void *open_pair(const struct bench_way_use *use)
{
	(void)use;
	return make(1);
}

static void *join_pair(void *shared, const struct bench_way_use *use, unsigned index)
{
	const char *address = ((struct shared *)shared)->address;
	void *socket = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);

	(void)use;
	check(index == 0 ? zmq_bind(socket, address) : zmq_connect(socket, address), address);
	return socket;
}

static void send_pair(void *socket, const void *data, size_t bytes)
{
	check(zmq_send(socket, data, bytes, 0), "send");
}

static void receive_pair(void *socket, void *data, size_t bytes)
{
	check(zmq_recv(socket, data, bytes, 0), "recv");
}

const struct bench_way bench_way_zmq = { open_pair, join_pair, send_pair, receive_pair, free };
