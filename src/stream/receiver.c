/* SPDX-License-Identifier: MIT */
/*
 * receiver.c - messages of any size through a pipe that several write to
 *
 * How      A long message is sent in fragments, each whole, with a random number that they share;
 *          the receiver has a place for each message that is under way.
 * Rules    [RECV1] fragments of one message come in order: it has one writer, a pipe keeps order. One
 *                  that is out of order ends the message
 *          [RECV2] a place grows by what has come, not by what a header says will
 *          [RECV3] with all places taken, the message that has not grown for longest is given up,
 *                  and counted: it is a dead sender's, or there are too few places
 * Death    of a sender: a place that is not finished, until the end or [RECV3].
 */
#include <dure/pipe.h>

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/self.h"
#include "stream/flow.h"
#include "stream/fragment.h"

enum { MESSAGE_MAX = 1 << 20, UNFINISHED_MAX = 64, PLACES_MAX = 1 << 16 };

struct place {
	uint64_t sender;		/* of the message; 0: free */
	uint64_t touched;		/* when it has grown */
	size_t total, have, room;
	char *bytes;
};

struct dure_receiver {
	int fd;
	size_t message_max;
	uint64_t clock;			/* counts fragments */
	int dropped;
	struct durei_fragment_reader reader;
	uint32_t place_count;
	struct place places[];
};

int dure_pipe_send(int fd, const void *data, size_t bytes, int64_t timeout_ns)
{
	int64_t deadline_ns = durei_deadline(timeout_ns);
	uint64_t sender = 0;

	if (!data && bytes)
		return durei_error(EINVAL, "%zu bytes at NULL cannot be sent", bytes);
	if (bytes > UINT32_MAX)
		return durei_error(EMSGSIZE, "a message of %zu bytes is too long: at most 4 GiB", bytes);
	if (bytes > DUREI_FRAGMENT_BYTES) {
		int r = durei_random(&sender, sizeof sender);
		if (r < 0)
			return durei_flow_error(-r, "naming", "a long message");
		sender |= 1;
	}
	return durei_fragments_write(fd, sender, 0, data, bytes, deadline_ns, "the pipe");
}

int dure_receiver_open(int fd, const struct dure_receiver_options *options, dure_receiver **ret)
{
	struct dure_receiver_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r < 0)
		return r;
	if (!ret || o.reserved || o.unfinished_max > PLACES_MAX || !durei_stream_is_open(fd))
		return durei_error(EINVAL, "a receiver needs an open descriptor, and at most %d places "
				   "for unfinished messages", PLACES_MAX);
	uint32_t places = o.unfinished_max ? o.unfinished_max : UNFINISHED_MAX;
	dure_receiver *receiver = calloc(1, sizeof *receiver + places * sizeof *receiver->places);
	if (!receiver)
		return durei_error(ENOMEM, "no memory for a receiver");
	receiver->fd = fd;
	receiver->message_max = o.message_max ? (size_t)min_u64(o.message_max, INT_MAX) : MESSAGE_MAX;
	receiver->place_count = places;
	*ret = receiver;
	return 0;
}

static void give_up(dure_receiver *receiver, struct place *place)
{
	place->sender = 0;
	receiver->dropped++;
}

/* The place of this message; for its first fragment a new one. NULL: it was given up before */
static struct place *find_place(dure_receiver *receiver, const struct durei_fragment *f)
{
	struct place *oldest = receiver->places;

	for (uint32_t i = 0; i < receiver->place_count; i++) {
		struct place *place = &receiver->places[i];
		if (place->sender == f->sender)
			return place;
		if (!place->sender || (oldest->sender && place->touched < oldest->touched))
			oldest = oldest->sender ? place : oldest;
	}
	if (f->offset)
		return NULL;
	if (oldest->sender)
		give_up(receiver, oldest);			/* [RECV3] */
	oldest->sender = f->sender;
	oldest->total = f->total;
	oldest->have = 0;
	return oldest;
}

static int make_room(struct place *place, size_t bytes)
{
	if (bytes <= place->room)
		return 0;
	size_t room = (size_t)min_u64(place->total, max_u64(bytes, 2 * (uint64_t)place->room));
	char *grown = realloc(place->bytes, room);
	if (!grown)
		return durei_error(ENOMEM, "no memory for a message of %zu bytes", place->total);
	place->bytes = grown;
	place->room = room;
	return 0;
}

/* Where a message is complete: 1, and where it is; 0 not yet; -ENOMEM: the message is given up */
static int add(dure_receiver *receiver, const struct durei_fragment *f, const char **bytes)
{
	size_t length = durei_fragment_length(f);

	if (f->total > receiver->message_max) {
		receiver->dropped += f->offset == 0;
		return 0;
	}
	if (length == f->total)
		return 1;
	struct place *place = f->sender ? find_place(receiver, f) : NULL;
	if (!place)
		return 0;
	if (f->offset != place->have || f->total != place->total) {	/* [RECV1] */
		give_up(receiver, place);
		return 0;
	}
	int r = make_room(place, place->have + length);			/* [RECV2] */
	if (r < 0) {
		give_up(receiver, place);
		return r;
	}
	memcpy(place->bytes + place->have, *bytes, length);
	place->have += length;
	place->touched = ++receiver->clock;
	if (place->have < place->total)
		return 0;
	place->sender = 0;
	*bytes = place->bytes;
	return 1;
}

/* Reads what there is, and waits if there is nothing. 0; -EPIPE at the end */
static int read_more(dure_receiver *receiver, int64_t deadline_ns)
{
	int r = -EAGAIN;

	while (r == -EAGAIN) {
		r = durei_flow_await(receiver->fd, 0, deadline_ns);
		if (r < 0)
			return r;
		r = durei_fragment_read(receiver->fd, &receiver->reader);
	}
	if (r == 0)
		return durei_error(EPIPE, "all senders are gone, and nothing is left");
	return r < 0 ? r : 0;
}

int dure_receiver_next(dure_receiver *receiver, void *message, size_t bytes, int64_t timeout_ns)
{
	int64_t deadline_ns = durei_deadline(timeout_ns);
	struct durei_fragment f = { 0 };
	const char *data = NULL;
	int r = 0;

	if (!receiver || (!message && bytes))
		return durei_error(EINVAL, "receiving needs a receiver and a buffer");
	while (r == 0) {
		r = durei_fragment_take(&receiver->reader, &f, &data);
		r = r == 1 ? add(receiver, &f, &data) : read_more(receiver, deadline_ns);
	}
	if (r < 0)
		return r;
	if (f.total > bytes)
		return durei_error(EMSGSIZE, "a message of %u bytes does not fit into %zu: it is dropped",
				   f.total, bytes);
	if (f.total)
		memcpy(message, data, f.total);
	return (int)f.total;
}

int dure_receiver_dropped(dure_receiver *receiver)
{
	return receiver ? receiver->dropped : durei_error(EINVAL, "the receiver is NULL");
}

void dure_receiver_close(dure_receiver *receiver)
{
	if (!receiver)
		return;
	for (uint32_t i = 0; i < receiver->place_count; i++)
		free(receiver->places[i].bytes);
	free(receiver);
}
