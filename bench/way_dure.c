/* SPDX-License-Identifier: MIT */
/*
 * way_dure.c - dure's own ways between two processes
 *
 * A ring, lanes, a queue or a board for each direction; of a service, requests and replies.
 */
#include "way.h"

#include <dure.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"

enum { SEGMENT_BYTES = 64 << 20, RECORDS = 8 };

struct end {
	dure_segment *segment;
	unsigned index;
	uint32_t flags;			/* how queues and services wait */
	dure_ring *ring_out, *ring_in;
	dure_lanes *lanes_out, *lanes_in;
	dure_queue *queue_out, *queue_in;
	dure_service *service;
	struct dure_call call;
	struct dure_request request;
	dure_board *board_out, *board_in;
	uint64_t version;
};

static void *open_segment(const struct bench_way_use *use)
{
	(void)use;
	return bench_segment_make(SEGMENT_BYTES);
}

static void close_segment(void *shared)
{
	bench_segment_close(shared);
}

static struct end *join_segment(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct end *end = calloc(1, sizeof *end);

	end->segment = shared;
	end->index = index;
	end->flags = use->sleeps ? DURE_QUEUE_SLEEP : DURE_QUEUE_SPIN;
	bench_segment_join(shared);
	return end;
}

static const char *out_of(unsigned index)
{
	return index ? "back" : "there";
}

/* Room for some records, in the second cache: a power of two. */
static uint64_t room_for(const struct bench_way_use *use)
{
	uint64_t room = 256 << 10;

	while (room < RECORDS * use->bytes)
		room *= 2;
	return room;
}

/* -- rings ------------------------------------------------------------------------------- */

static dure_ring *ring_end(struct end *end, const struct bench_way_use *use, unsigned direction,
			   uint32_t which)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = room_for(use) };
	dure_ring *ring;

	bench_must(dure_ring_open(end->segment, out_of(direction), DURE_CREATE | DURE_OPEN, &o, which,
				  DURE_FOREVER, &ring), "ring_open");
	return ring;
}

static void *join_ring(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct end *end = join_segment(shared, use, index);

	end->ring_out = ring_end(end, use, index, DURE_RING_SENDER);
	end->ring_in = ring_end(end, use, !index, DURE_RING_RECEIVER);
	return end;
}

static void send_ring(void *end, const void *data, size_t bytes)
{
	bench_must(dure_ring_send(((struct end *)end)->ring_out, data, bytes, DURE_FOREVER),
		   "ring_send");
}

static void receive_ring(void *end, void *data, size_t bytes)
{
	bench_must(dure_ring_receive(((struct end *)end)->ring_in, data, bytes, &bytes, DURE_FOREVER),
		   "ring_receive");
}

const struct bench_way bench_way_ring = { open_segment, join_ring, send_ring, receive_ring,
					  close_segment };

/* -- lanes ------------------------------------------------------------------------------- */

static dure_lanes *lanes_end(struct end *end, const struct bench_way_use *use, unsigned direction,
			     uint32_t which)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = room_for(use), .senders_max = 4 };
	dure_lanes *lanes;

	bench_must(dure_lanes_open(end->segment, out_of(direction), DURE_CREATE | DURE_OPEN, &o, which,
				   DURE_FOREVER, &lanes), "lanes_open");
	return lanes;
}

static void *join_lanes(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct end *end = join_segment(shared, use, index);

	end->lanes_out = lanes_end(end, use, index, DURE_LANES_SENDER);
	end->lanes_in = lanes_end(end, use, !index, DURE_LANES_RECEIVER);
	return end;
}

static void send_lanes(void *end, const void *data, size_t bytes)
{
	bench_must(dure_lanes_send(((struct end *)end)->lanes_out, data, bytes, DURE_FOREVER),
		   "lanes_send");
}

static void receive_lanes(void *end, void *data, size_t bytes)
{
	bench_must(dure_lanes_receive(((struct end *)end)->lanes_in, data, bytes, &bytes, NULL,
				      DURE_FOREVER), "lanes_receive");
}

const struct bench_way bench_way_lanes = { open_segment, join_lanes, send_lanes, receive_lanes,
					   close_segment };

/* -- queues ------------------------------------------------------------------------------ */

static dure_queue *queue_named(struct end *end, const char *name)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = RECORDS };
	dure_queue *queue;

	bench_must(dure_queue_open(end->segment, name, DURE_CREATE | DURE_OPEN, &o, &queue),
		   "queue_open");
	return queue;
}

static void *join_queue(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct end *end = join_segment(shared, use, index);

	end->queue_out = queue_named(end, out_of(index));
	end->queue_in = queue_named(end, out_of(!index));
	return end;
}

static void send_queue(void *state, const void *data, size_t bytes)
{
	struct end *end = state;
	struct dure_queue_put put = { .sz = sizeof put, .flags = end->flags };

	bench_must(dure_queue_send(end->queue_out, data, bytes, &put, DURE_FOREVER), "queue_send");
}

static void receive_queue(void *state, void *data, size_t bytes)
{
	struct end *end = state;
	struct dure_queue_select which = { .sz = sizeof which, .flags = end->flags };

	bench_must(dure_queue_receive(end->queue_in, &which, data, bytes, NULL, DURE_FOREVER),
		   "queue_receive");
}

const struct bench_way bench_way_queue = { open_segment, join_queue, send_queue, receive_queue,
					   close_segment };

/* -- services ---------------------------------------------------------------------------- */

static void *join_service(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct end *end = join_segment(shared, use, index);

	bench_must(dure_service_open(end->segment, "service", DURE_CREATE | DURE_OPEN, NULL,
				     &end->service), "service_open");
	end->call.sz = sizeof end->call;
	end->request.sz = sizeof end->request;
	return end;
}

static void send_service(void *state, const void *data, size_t bytes)
{
	struct end *end = state;
	struct dure_ask how = { .sz = sizeof how, .flags = end->flags };

	bench_must(end->index == 0
			   ? dure_service_ask(end->service, data, bytes, &how, DURE_FOREVER, &end->call)
			   : dure_service_reply(end->service, &end->request, data, bytes, 0),
		   "service");
}

static void receive_service(void *state, void *data, size_t bytes)
{
	struct end *end = state;
	struct dure_queue_select which = { .sz = sizeof which, .flags = end->flags };

	bench_must(end->index == 0
			   ? dure_service_await(end->service, &end->call, data, bytes, DURE_FOREVER)
			   : dure_service_take(end->service, &which, data, bytes, &end->request,
					       DURE_FOREVER),
		   "service");
}

const struct bench_way bench_way_service = { open_segment, join_service, send_service,
					     receive_service, close_segment };

/* -- boards ------------------------------------------------------------------------------ */

static dure_board *board_named(struct end *end, const struct bench_way_use *use, const char *name)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = use->bytes };
	dure_board *board;

	bench_must(dure_board_open(end->segment, name, DURE_CREATE | DURE_OPEN, &o, &board),
		   "board_open");
	return board;
}

static void *join_board(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct end *end = join_segment(shared, use, index);

	end->board_out = board_named(end, use, out_of(index));
	end->board_in = board_named(end, use, out_of(!index));
	return end;
}

static void send_board(void *end, const void *data, size_t bytes)
{
	bench_must(dure_board_write(((struct end *)end)->board_out, data, bytes, DURE_FOREVER, NULL),
		   "board_write");
}

/* A newer value than the last one. */
static void receive_board(void *state, void *data, size_t bytes)
{
	struct end *end = state;
	uint64_t version = 0;
	int r;

	do
		r = dure_board_read(end->board_in, data, bytes, &bytes, &version);
	while (r == -EAGAIN || version == end->version);
	bench_must(r, "board_read");
	end->version = version;
}

const struct bench_way bench_way_board = { open_segment, join_board, send_board, receive_board,
					   close_segment };
