/* SPDX-License-Identifier: MIT */
/*
 * fifo_client.c - a client that asks a server behind a well-known FIFO
 *
 * How      Requests go into the server's FIFO, each in one piece; answers come by a FIFO of the
 *          client's own, beside the server's, whose name is made of the client's id. It is open for
 *          both ways: between two answers it is not at an end.
 * Rules    [CLIENT1] the server is dead when the pipe that requests go into has no reader: the
 *                    kernel's word. What it has answered before is read first
 *          [CLIENT2] an answer is whole or dropped: its pieces come in order, and a piece that does
 *                    not fit ends the answer it would have belonged to
 * Death    the FIFO stays, without a lock: fifo.c.
 */
#include <dure/fifo.h>

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "os/fifo.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/self.h"
#include "stream/flow.h"
#include "stream/fifo.h"
#include "stream/fragment.h"

struct dure_fifo_client {
	uint32_t opener;
	int server;			/* requests go here */
	struct durei_fifo fifo;		/* answers come here */
	uint32_t number;		/* of the last request */
	struct durei_fragment_reader reader;
	char *answer;			/* what has come of the present one */
	size_t room;
	uint32_t have, total, answered;
	char path[DUREI_FIFO_PATH_BYTES];
};

/* -- opening ------------------------------------------------------------------------------------ */

/* 0 nobody serves there, now; else the descriptor */
static int try_server(const char *path)
{
	int place = durei_fifo_find_itself(DUREI_FIFO_HERE, path);
	int fd = place < 0 ? place : durei_fifo_open(place, false, true);

	durei_file_close(place);
	if (fd >= 0) {
		/* one that opens it to replace it is a reader, and no server */
		int r = durei_fifo_is_locked(fd, DUREI_FIFO_SERVED);
		if (r == 1)
			return fd;
		durei_file_close(fd);
		return r;
	}
	return (place >= 0 && fd == -ENXIO) || place == -ENOENT ? 0 : fd;
}

static int open_server(const char *path, int64_t deadline_ns)
{
	int watch = durei_fifo_watch(DUREI_FIFO_HERE, path);
	int fd = 0;

	if (watch < 0)
		return durei_fifo_error(-watch, "watching the directory of", path);
	while (fd == 0) {
		durei_fifo_watched(watch);
		fd = try_server(path);
		if (fd < 0)
			fd = durei_fifo_error(-fd, "opening the server's FIFO", path);
		else if (fd == 0)
			fd = durei_flow_await(watch, 0, deadline_ns);
	}
	durei_file_close(watch);
	return fd;
}

static int open_client(dure_fifo_client *client, uint32_t mode, int64_t deadline_ns)
{
	client->server = open_server(client->path, deadline_ns);
	if (client->server < 0)
		return client->server;
	int r = durei_fifo_own(client->path, mode, &client->fifo);
	if (r < 0) {
		durei_file_close(client->server);
		return durei_fifo_error(-r, "making a FIFO for answers beside", client->path);
	}
	return 0;
}

int dure_fifo_client_open(const char *path, const struct dure_fifo_options *options,
			  int64_t timeout_ns, dure_fifo_client **ret)
{
	struct dure_fifo_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r < 0)
		return r;
	if (!ret || !path || !path[0] || strlen(path) >= DUREI_FIFO_PATH_BYTES - 32 ||
	    o.mode > 0777 || o.reserved)
		return durei_error(EINVAL, "a client needs the path of its server, of up to %d bytes, and "
				   "a mode of up to 0777", DUREI_FIFO_PATH_BYTES - 33);
	dure_fifo_client *client = calloc(1, sizeof *client);
	if (!client)
		return durei_error(ENOMEM, "no memory for a client");
	client->opener = durei_process_id();
	memcpy(client->path, path, strlen(path) + 1);
	r = open_client(client, o.mode ? o.mode : DUREI_FIFO_MODE, durei_deadline(timeout_ns));
	if (r < 0) {
		free(client);
		return r;
	}
	*ret = client;
	return 0;
}

/* -- asking ------------------------------------------------------------------------------------- */

static int check(const dure_fifo_client *client)
{
	if (!client)
		return durei_error(EINVAL, "the client handle is NULL");
	return client->opener == durei_process_id()
		       ? 0 : durei_error(ESTALE, "the client of %.300s belongs to process %u, before a "
					 "fork", client->path, client->opener);
}

int dure_fifo_client_fd(dure_fifo_client *client)
{
	int r = check(client);

	return r < 0 ? r : client->fifo.fd;
}

static int server_is_dead(const dure_fifo_client *client)
{
	return durei_error(EPIPE, "the server at %.300s is dead: open a new client, which waits for the "
			   "next", client->path);
}

static int send_request(dure_fifo_client *client, const void *data, size_t bytes, int64_t deadline_ns)
{
	int r = check(client);

	if (r < 0)
		return r;
	if (!data && bytes)
		return durei_error(EINVAL, "%zu bytes at NULL cannot be sent", bytes);
	if (bytes > DURE_FIFO_REQUEST_MAX)
		return durei_error(EMSGSIZE, "a request of %zu bytes is too long: at most %d", bytes,
				   DURE_FIFO_REQUEST_MAX);
	uint32_t number = client->number % INT32_MAX + 1;
	r = durei_fragments_write(client->server, client->fifo.id, number, data, bytes, deadline_ns,
				  "the server");
	if (r == -EPIPE)
		return server_is_dead(client);
	if (r < 0)
		return r;
	client->number = number;
	return (int)number;
}

int dure_fifo_client_send(dure_fifo_client *client, const void *data, size_t bytes,
			  int64_t timeout_ns)
{
	return send_request(client, data, bytes, durei_deadline(timeout_ns));
}

static int make_room(dure_fifo_client *client, size_t bytes)
{
	if (bytes <= client->room)
		return 0;
	/* by what has come, not by what a header says will */
	size_t room = (size_t)max_u64(bytes, 2 * (uint64_t)client->room);
	char *answer = realloc(client->answer, room);
	if (!answer)
		return durei_error(ENOMEM, "no memory for an answer of %u bytes", client->total);
	client->answer = answer;
	client->room = room;
	return 0;
}

/* [CLIENT2] 1: the answer is complete */
static int add_piece(dure_fifo_client *client, const struct durei_fragment *f, const char *data)
{
	size_t length = durei_fragment_length(f);

	if (f->sender != client->fifo.id || f->total > DURE_FIFO_ANSWER_MAX)
		return 0;
	if (f->offset == 0) {
		client->answered = f->number;
		client->total = f->total;
		client->have = 0;
	} else if (f->number != client->answered || f->total != client->total ||
		   f->offset != client->have) {
		client->answered = 0;
		return 0;
	}
	int r = make_room(client, f->offset + length);
	if (r < 0)
		return r;
	if (length)
		memcpy(client->answer + f->offset, data, length);
	client->have = f->offset + (uint32_t)length;
	return client->have == client->total;
}

/* 1: an answer is complete; 0: there is nothing more now */
static int take_pieces(dure_fifo_client *client)
{
	struct durei_fragment f = { 0 };
	const char *data = NULL;
	int r;

	while ((r = durei_fragment_next(client->fifo.fd, &client->reader, &f, &data)) == 1) {
		r = add_piece(client, &f, data);
		if (r != 0)
			return r;
	}
	return r;
}

static int receive(dure_fifo_client *client, void *answer, size_t bytes, int64_t deadline_ns,
		   uint32_t *ret_number)
{
	struct durei_poll polled[2] = { { .fd = client->fifo.fd, .reads = true },
					{ .fd = client->server } };
	bool is_dead = false;
	int r;

	while ((r = take_pieces(client)) == 0) {
		if (is_dead)						/* [CLIENT1] */
			return server_is_dead(client);
		r = durei_poll(polled, 2, deadline_ns);
		if (r == -ETIMEDOUT)
			return durei_flow_late(deadline_ns);
		if (r < 0)
			return durei_flow_error(-r, "waiting for", "an answer");
		is_dead = polled[1].is_broken;
	}
	if (r < 0)
		return r;
	client->have = 0;
	if (client->total > bytes)
		return durei_error(EMSGSIZE, "an answer of %u bytes does not fit into %zu: it is dropped",
				   client->total, bytes);
	if (client->total)
		memcpy(answer, client->answer, client->total);
	if (ret_number)
		*ret_number = client->answered;
	return (int)client->total;
}

int dure_fifo_client_receive(dure_fifo_client *client, void *answer, size_t bytes,
			     int64_t timeout_ns, uint32_t *ret_number)
{
	int r = check(client);

	if (r < 0)
		return r;
	if (!answer && bytes)
		return durei_error(EINVAL, "receiving needs a buffer");
	return receive(client, answer, bytes, durei_deadline(timeout_ns), ret_number);
}

int dure_fifo_client_ask(dure_fifo_client *client, const void *request, size_t request_bytes,
			 void *answer, size_t bytes, int64_t timeout_ns)
{
	int64_t deadline_ns = durei_deadline(timeout_ns);
	uint32_t number = 0;

	if (!answer && bytes)
		return durei_error(EINVAL, "asking needs a buffer for the answer");
	int asked = send_request(client, request, request_bytes, deadline_ns);
	int r = asked;
	while (r >= 0 && number != (uint32_t)asked)
		r = receive(client, answer, bytes, deadline_ns, &number);
	return r;
}

void dure_fifo_client_close(dure_fifo_client *client)
{
	if (!client)
		return;
	if (client->opener == durei_process_id())
		durei_fifo_disown(&client->fifo);
	else
		durei_file_close(client->fifo.fd);
	durei_file_close(client->server);
	free(client->answer);
	free(client);
}
