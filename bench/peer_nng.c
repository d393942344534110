/* SPDX-License-Identifier: MIT */
/*
 * peer_nng.c - nng's publishers and subscribers, and its pairs, over its ipc transport
 *
 * A subscription is not told to the publisher: so both sides knock until they hear each other.
 */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "timing.h"
#include "topic.h"
#include "way.h"

enum { KNOCKS = 2000 };

struct shared {
	char address[64];
};

struct side {
	unsigned index;
	nng_socket publisher, subscriber;
};

static void check(int result, const char *what)
{
	if (result != 0)
		bench_die("nng: %s: %s", what, nng_strerror(result));
}

void *bench_nng_trip_open(const void *argument)
{
	static unsigned number;
	struct shared *shared = malloc(sizeof *shared);

	(void)argument;
	snprintf(shared->address, sizeof shared->address, "abstract://dure-bench-%d-%u",
		 (int)getpid(), number++);
	return shared;
}

static void publish(struct side *side, uint64_t number)
{
	uint64_t words[BENCH_TOPIC_BYTES / 8] = { number };

	check(nng_send(side->publisher, words, sizeof words, 0), "send");
}

static uint64_t receive(struct side *side)
{
	uint64_t words[BENCH_TOPIC_BYTES / 8] = { 0 };
	size_t bytes = sizeof words;

	return nng_recv(side->subscriber, words, &bytes, NNG_FLAG_NONBLOCK) == 0 ? words[0] : 0;
}

void *bench_nng_trip_join(void *shared, unsigned index)
{
	struct side *side = calloc(1, sizeof *side);
	const char *address = ((struct shared *)shared)->address;
	char mine[80], theirs[80];

	side->index = index;
	snprintf(mine, sizeof mine, "%s-%u", address, index);
	snprintf(theirs, sizeof theirs, "%s-%u", address, !index);
	check(nng_pub0_open(&side->publisher), "pub0_open");
	check(nng_sub0_open(&side->subscriber), "sub0_open");
	check(nng_setopt(side->subscriber, NNG_OPT_SUB_SUBSCRIBE, "", 0), "subscribe");
	check(nng_listen(side->publisher, mine, NULL, 0), mine);
	check(nng_dial(side->subscriber, theirs, NULL, NNG_FLAG_NONBLOCK), theirs);
	return side;
}

double bench_nng_trip_round(void *state, uint64_t ops)
{
	static uint64_t number;		/* grows: a knock that comes late is passed over */
	struct side *side = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		number++;
		if (side->index == 0)
			publish(side, number);
		for (unsigned looks = 1; receive(side) != number; looks++)
			if (side->index == 0 && number == 1 && looks % KNOCKS == 0)
				publish(side, number);	/* nobody has subscribed yet */
		if (side->index == 1)
			publish(side, number);
	}
	return (bench_now() - start) / (double)ops;
}

void bench_nng_trip_close(void *shared)
{
	free(shared);
}

/* -- a pair ------------------------------------------------------------------------------ */

static void *open_pair(const struct bench_way_use *use)
{
	(void)use;
	return bench_nng_trip_open(NULL);
}

static void *join_pair(void *shared, const struct bench_way_use *use, unsigned index)
{
	nng_socket *socket = malloc(sizeof *socket);
	char address[80];

	(void)use;
	snprintf(address, sizeof address, "%s-pair", ((struct shared *)shared)->address);
	check(nng_pair0_open(socket), "pair0_open");
	check(nng_setopt_size(*socket, NNG_OPT_RECVMAXSZ, 0), "recvmaxsz");	/* none */
	check(index == 0 ? nng_listen(*socket, address, NULL, 0)
			 : nng_dial(*socket, address, NULL, NNG_FLAG_NONBLOCK), address);
	return socket;
}

static void send_pair(void *socket, const void *data, size_t bytes)
{
	check(nng_send(*(nng_socket *)socket, (void *)(uintptr_t)data, bytes, 0), "send");
}

static void receive_pair(void *socket, void *data, size_t bytes)
{
	check(nng_recv(*(nng_socket *)socket, data, &bytes, 0), "recv");
}

const struct bench_way bench_way_nng = { open_pair, join_pair, send_pair, receive_pair, free };
