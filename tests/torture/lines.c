/* SPDX-License-Identifier: MIT */
/*
 * lines.c - rings, a board and a service whose users really die
 *
 *	torture-lines [--seconds S] [--seed N] [--workers N] [--kill-every-us US]
 *
 * Each worker has one part, and begins it anew in each of its lives:
 *
 *	ring	A sender numbers its records, life by life, and notes how many it has sent. A receiver
 *		looks at a record, notes it, and is done with it: a life's records come in their
 *		order and whole; one comes twice only to another receiver, when the one before died
 *		between noting and being done.
 *	board	Writers write the number of the version that they write, some in place. Readers find
 *		whole values, never one that is older than what was written before they looked.
 *	service	Clients ask with numbers of their own, and note how it ended. Servers tick the number
 *		off and reply in one transaction: a call that was answered was carried out once, one
 *		that failed not at all, and no other one more than once.
 *
 * Every round all are killed at once, and a survivor judges: the check is clean; what rings still
 * have continues what was received, to the last record that was noted as sent; no call is left;
 * the ticks are as the clients were told; no block is lost.
 *
 * Exit status: 0 no failure, 1 a failure (the segment is kept, and named), 99 broken.
 */
#include "crew.h"

#include <stddef.h>
#include <time.h>

#define SEGMENT "torture-lines"

enum {
	RINGS = 2,
	RING_BYTES = 4096,
	RECORD_MAX = 600,
	LIVES = 1 << 13,		/* more than begin in a round */
	NUMBERS = 1 << 17,
	VALUE_MAX = 500,
	REPLY_MAX = 6000,		/* more than is copied under the lock */
	PATIENCE_NS = 20000000,
};

/* how a call ended; 0: its client did not live to note it */
enum { ANSWERED = 1, FAILED, GIVEN_UP };

struct line {
	uint32_t sent[LIVES];		/* noted after each */
	uint32_t received[LIVES];	/* noted before it is done with */
	uint64_t last;			/* life << 32 | number of the last one received */
};

struct book {
	struct line lines[RINGS];
	uint64_t version;		/* some writer has written it, and knows */
	uint64_t drawn;			/* numbers of calls */
	unsigned char ticks[NUMBERS];
	unsigned char endings[NUMBERS];
	uint64_t records, values, calls, failed;
};

struct record {
	uint32_t life, number;
	unsigned char filling[RECORD_MAX];
};

struct value {
	uint64_t version;		/* 0: its writer did not know it before */
	uint64_t bytes;
	unsigned char filling[VALUE_MAX];
};

static dure_segment *seg;
static struct book *book;
static dure_board *board;
static dure_service *service;

static bool is_no_answer(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT || r == -ENOTCONN;
}

/* -- rings ------------------------------------------------------------------------------- */

static dure_ring *open_ring(unsigned number, uint32_t end, int64_t timeout_ns)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = RING_BYTES };
	char name[20];
	dure_ring *ring;

	snprintf(name, sizeof name, "ring %u", number);
	must(dure_ring_open(seg, name, DURE_CREATE | DURE_OPEN, &o, end, timeout_ns, &ring),
	     "ring_open");
	return ring;
}

static int send_record(dure_ring *ring, const struct record *record, size_t bytes)
{
	void *place;
	int r;

	if (dice(2))
		return dure_ring_send(ring, record, bytes, PATIENCE_NS);
	r = dure_ring_reserve(ring, bytes, &place, PATIENCE_NS);
	if (r < 0)
		return r;
	memcpy(place, record, bytes);
	return dure_ring_publish(ring);
}

static _Noreturn void send_for_ever(unsigned number, uint32_t life)
{
	dure_ring *ring = open_ring(number, DURE_RING_SENDER, DURE_FOREVER);
	uint32_t *sent = &book->lines[number].sent[life % LIVES];
	struct record record = { .life = life };

	for (;;) {
		size_t filling = dice(RECORD_MAX);
		int r;
		fill(record.filling, filling, record.number);
		r = send_record(ring, &record, offsetof(struct record, filling) + filling);
		if (is_no_answer(r))
			continue;
		must(r, "send");
		record.number++;
		__atomic_store_n(sent, record.number, __ATOMIC_RELEASE);
	}
}

/* Is it the one that follows, or the one that the receiver before us was not done with? */
static void check_record(const struct line *line, const struct record *record, size_t bytes,
			 bool is_first)
{
	uint32_t life = (uint32_t)(line->last >> 32), number = (uint32_t)line->last;
	size_t head = offsetof(struct record, filling);

	if (bytes < head || bytes > sizeof *record ||
	    !is_filled(record->filling, bytes - head, record->number))
		stop_with(1, "a record is not whole");
	if (record->life == life && record->number == number && is_first)
		return;
	if (record->life < life)
		stop_with(1, "a record of an earlier life");
	if (record->number != (record->life == life ? number + 1 : 0))
		stop_with(1, "a record is missing, or came twice");
}

static int receive_record(dure_ring *ring, struct line *line, bool is_first, int64_t timeout_ns)
{
	const struct record *record;
	size_t bytes;
	int r = dure_ring_look(ring, (const void **)&record, &bytes, timeout_ns);

	if (r < 0)
		return r;
	check_record(line, record, bytes, is_first);
	__atomic_store_n(&line->received[record->life % LIVES], record->number + 1,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&line->last, (uint64_t)record->life << 32 | record->number,
			 __ATOMIC_RELEASE);
	add(&book->records, 1);
	must(dure_ring_done(ring), "done");
	return 0;
}

static _Noreturn void receive_for_ever(unsigned number)
{
	dure_ring *ring = open_ring(number, DURE_RING_RECEIVER, DURE_FOREVER);

	for (bool is_first = true;;) {
		int r = receive_record(ring, &book->lines[number], is_first, PATIENCE_NS);
		if (!is_no_answer(r))
			must(r, "look");
		is_first &= r < 0;
	}
}

/* What is left in it, to the last record that was noted as sent. */
static void judge_ring(unsigned number)
{
	dure_ring *ring = open_ring(number, DURE_RING_RECEIVER, 0);
	struct line *line = &book->lines[number];
	bool is_first = true;
	int r;

	while ((r = receive_record(ring, line, is_first, 0)) == 0)
		is_first = false;
	if (!is_no_answer(r))
		must(r, "look");
	for (unsigned i = 0; i < LIVES; i++)
		if (line->received[i] != line->sent[i] && line->received[i] != line->sent[i] + 1)
			stop_with(1, "records were lost");
	memset(line->sent, 0, sizeof line->sent);
	memset(line->received, 0, sizeof line->received);
	dure_ring_close(ring);
}

/* -- the board --------------------------------------------------------------------------- */

/* Everybody who looks from now on finds this one, or a newer one. */
static void note_version(uint64_t version)
{
	uint64_t before = __atomic_load_n(&book->version, __ATOMIC_ACQUIRE);

	while (before < version &&
	       !__atomic_compare_exchange_n(&book->version, &before, version, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		;
}

static void write_value(void)
{
	struct value value = { .bytes = dice(VALUE_MAX) };
	uint64_t version = 0;
	int r;

	fill(value.filling, value.bytes, value.bytes);
	r = dure_board_write(board, &value, offsetof(struct value, filling) + value.bytes,
			     PATIENCE_NS, &version);
	if (is_no_answer(r))
		return;
	must(r, "write");
	note_version(version);
}

/* The others wait: so the version is known before. */
static void write_in_place(void)
{
	struct dure_board_info info = { .sz = sizeof info };
	struct value *value;
	uint64_t version = 0;
	int r = dure_board_reserve(board, PATIENCE_NS, (void **)&value);

	if (is_no_answer(r))
		return;
	must(r, "reserve");
	must(dure_board_info(board, &info), "board_info");
	value->version = info.version + 1;
	value->bytes = dice(VALUE_MAX);
	fill(value->filling, value->bytes, value->bytes);
	if (dice(10) == 0) {
		must(dure_board_cancel(board), "cancel");
		return;
	}
	must(dure_board_publish(board, offsetof(struct value, filling) + value->bytes, &version),
	     "publish");
	if (version != info.version + 1)
		stop_with(1, "another one has written while a value was reserved");
	note_version(version);
}

static void read_value(uint64_t *last)
{
	uint64_t written = __atomic_load_n(&book->version, __ATOMIC_ACQUIRE), version;
	struct value value;
	size_t bytes;
	int r = dice(2) ? dure_board_wait(board, *last, 1000000) : 0;

	if (r == 0)
		r = dure_board_read(board, &value, sizeof value, &bytes, &version);
	if (is_no_answer(r))
		return;
	must(r, "read");
	if (version < written || version < *last)
		stop_with(1, "a value is older than one that was written before");
	if (value.bytes > VALUE_MAX || bytes != offsetof(struct value, filling) + value.bytes ||
	    (value.version && value.version != version) ||
	    !is_filled(value.filling, value.bytes, value.bytes))
		stop_with(1, "a value is not whole");
	*last = version;
	add(&book->values, 1);
}

static _Noreturn void use_board_for_ever(void)
{
	for (uint64_t last = 0;;)
		switch (dice(4)) {
		case 0:
			write_value();
			break;
		case 1:
			write_in_place();
			break;
		default:
			read_value(&last);
			break;
		}
}

/* -- the service ------------------------------------------------------------------------- */

static uint64_t answer_to(uint64_t number)
{
	return number * 2654435761u + 1;
}

static uint64_t reply_bytes(uint64_t number)
{
	return sizeof number + (number % 16 ? number % 200 : number % REPLY_MAX);
}

static void *block_of(const void *bytes, uint64_t count)
{
	void *block;

	must(dure_block_reserve(seg, count, 0, &block), "reserve");
	return memcpy(block, bytes, count);
}

/* What was asked is done with the reply, or not at all. The reply's lock guards the tick. */
static void carry_out(const struct dure_request *request, uint64_t number)
{
	static unsigned char reply[sizeof number + REPLY_MAX];
	uint64_t answer = answer_to(number), bytes = reply_bytes(number);
	void *block = NULL;
	unsigned char ticks;
	dure_tx *tx;
	int r;

	memcpy(reply, &answer, sizeof answer);
	fill(reply + sizeof answer, bytes - sizeof answer, number);
	if (dice(4) == 0)
		block = block_of(reply, bytes);
	must(dure_tx_begin(seg, &tx), "begin");
	r = dure_service_reply(service, request, block ? block : reply, bytes,
			       block ? DURE_CALL_BLOCK : 0);
	must(r, "reply");
	ticks = (unsigned char)(book->ticks[number] + 1);
	must(dure_tx_write(tx, &book->ticks[number], &ticks, 1), "tx_write");
	must(dure_tx_commit(tx), "commit");
	if (r == DURE_UNWANTED && block)
		must(dure_block_cancel(seg, block), "block_cancel");
}

static _Noreturn void serve_for_ever(void)
{
	for (;;) {
		struct dure_request request = { .sz = sizeof request };
		uint64_t number = 0;
		int r = dure_service_take(service, NULL, &number, sizeof number, &request, PATIENCE_NS);
		if (is_no_answer(r))
			continue;
		must(r, "take");
		if (request.bytes != sizeof number || !number || number >= NUMBERS)
			stop_with(1, "a request is not whole");
		switch (dice(12)) {
		case 0:
			must(dure_service_refuse(service, &request), "refuse");
			break;
		case 1:
			must(dure_service_requeue(service, &request), "requeue");
			break;
		default:
			carry_out(&request, number);
			break;
		}
	}
}

static int ending_of(int r, uint64_t number, const unsigned char *reply, size_t bytes)
{
	uint64_t answer;

	if (r == -EOWNERDEAD || r == -ECONNREFUSED || r == -ENOTCONN)
		return FAILED;
	if (r == -ETIMEDOUT || r == -EAGAIN)
		return GIVEN_UP;
	must(r, "call");
	memcpy(&answer, reply, sizeof answer);
	if (bytes != reply_bytes(number) || answer != answer_to(number) ||
	    !is_filled(reply + sizeof answer, bytes - sizeof answer, number))
		stop_with(1, "a reply is not whole, or another's");
	return ANSWERED;
}

static void call_once(uint64_t number)
{
	static unsigned char reply[sizeof number + REPLY_MAX];
	struct dure_ask how = { .sz = sizeof how, .type = 1 + (int64_t)dice(3),
				.priority = (uint32_t)dice(3), .attempts_max = (uint32_t)dice(3),
				.lives_ns = dice(20) ? 0 : 1000000 };
	size_t bytes = 0;
	int r = dure_service_call(service, &number, sizeof number, &how, reply, sizeof reply,
				  dice(20) ? DURE_FOREVER : (int64_t)dice(2000000), &bytes);
	int ending = ending_of(r, number, reply, bytes);

	book->endings[number] = (unsigned char)ending;
	add(ending == ANSWERED ? &book->calls : &book->failed, 1);
}

/* Each number once in a round. */
static _Noreturn void call_for_ever(void)
{
	for (;;) {
		uint64_t number = __atomic_add_fetch(&book->drawn, 1, __ATOMIC_RELAXED);
		if (number < NUMBERS)
			call_once(number);
		else
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void judge_service(void)
{
	struct dure_request request = { .sz = sizeof request };
	struct dure_service_info info = { .sz = sizeof info };
	uint64_t end = book->drawn < NUMBERS ? book->drawn + 1 : NUMBERS;

	if (dure_service_take(service, NULL, NULL, 0, &request, 0) != -EAGAIN)
		stop_with(1, "somebody dead still asks");
	must(dure_service_info(service, &info), "service_info");
	if (info.requests || info.taken || info.answered || info.bytes)
		stop_with(1, "calls are left");
	for (uint64_t i = 1; i < end; i++) {
		unsigned ticks = book->ticks[i], ending = book->endings[i];
		if (ticks > 1 || (ending == ANSWERED && ticks != 1) || (ending == FAILED && ticks))
			stop_with(1, "a call was not carried out as its client was told");
	}
	memset(book->ticks, 0, sizeof book->ticks);
	memset(book->endings, 0, sizeof book->endings);
	book->drawn = 0;
}

/* -- all of it --------------------------------------------------------------------------- */

static void work(unsigned worker, uint32_t life)
{
	must(dure_segment_open(SEGMENT, DURE_OPEN, NULL, &seg), "open");
	must(dure_object_find(seg, "book", DURE_TYPE(struct book), (void **)&book, NULL), "find");
	must(dure_board_open(seg, "board", DURE_OPEN, NULL, &board), "board_open");
	must(dure_service_open(seg, "service", DURE_OPEN, NULL, &service), "service_open");
	if (worker < 2 * RINGS && worker % 2)
		send_for_ever(worker / 2, life);
	if (worker < 2 * RINGS)
		receive_for_ever(worker / 2);
	switch (worker % 4) {
	case 0:
		serve_for_ever();
	case 1:
		call_for_ever();
	case 2:
		use_board_for_ever();
	default:
		if (life % 2)
			serve_for_ever();
		call_for_ever();
	}
}

static uint64_t progress(void)
{
	return book->records + book->values + book->calls + book->failed;
}

static void open_all(void)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = sizeof(struct value) };

	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	must(dure_board_open(seg, "board", DURE_CREATE, &o, &board), "board_open");
	must(dure_service_open(seg, "service", DURE_CREATE, NULL, &service), "service_open");
	for (unsigned i = 0; i < RINGS; i++)
		dure_ring_close(open_ring(i, DURE_RING_SENDER, 0));
}

static void destroy_all(void)
{
	dure_board_close(board);
	dure_service_close(service);
	must(dure_board_destroy(seg, "board"), "destroy");
	must(dure_service_destroy(seg, "service"), "destroy");
	must(dure_ring_destroy(seg, "ring 0"), "destroy");
	must(dure_ring_destroy(seg, "ring 1"), "destroy");
	remove_segment(seg, SEGMENT);
}

int main(int argc, char **argv)
{
	struct crew crew = { .program = SEGMENT, .seconds = 60, .workers = 12, .kill_every_us = 1500,
			     .seed = 1, .work = work, .progress = progress };
	uint64_t live;

	crew_read_arguments(&crew, argc, argv);
	seg = new_segment(SEGMENT);
	open_all();
	live = live_blocks(seg);
	while (crew_round(&crew)) {
		must_be_clean(seg);
		for (unsigned i = 0; i < RINGS; i++)
			judge_ring(i);
		judge_service();
		must_be_clean(seg);
		if (live_blocks(seg) != live)
			stop_with(1, "blocks were lost");
	}
	printf(SEGMENT ": %lu rounds, %lu killed, %lu of them stopped, %llu records, %llu values read, "
	       "%llu calls answered, %llu ended otherwise, no failure\n", crew.rounds, crew.killed,
	       crew.killed_stopped, (unsigned long long)book->records,
	       (unsigned long long)book->values, (unsigned long long)book->calls,
	       (unsigned long long)book->failed);
	destroy_all();
	return 0;
}
