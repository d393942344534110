/* SPDX-License-Identifier: MIT */
/*
 * lanes.c - lanes whose senders and receivers really die
 *
 *	torture-lanes [--seconds S] [--seed N] [--workers N] [--kill-every-us US]
 *
 * Two workers want to be the receiver, one is; the others send, and there are fewer lanes than
 * senders. Each life of a sender numbers what it sends, and counts it when it is sent. The
 * receiver knows of each life which number must come next, counts it, and says that it is done:
 * so after a death of its own it may see one number again, and no other.
 *
 * Every round all are killed at once, and a survivor receives the rest and judges: of each life
 * all that was counted has come, and at most one more; the check is clean, and no block is lost.
 *
 * Exit status: 0 no failure, 1 a failure (the segment is kept, and named), 99 broken.
 */
#include "crew.h"

#include <stddef.h>

#define SEGMENT "torture-lanes"

enum {
	RECEIVERS = 2,
	LIVES_MAX = 1 << 16,		/* of a round, and more than there can be */
	LANE_BYTES = 4096,
	RECORD_MAX = 1500,
};

/* Of each life of the round; sent is its own, got the receiver's. */
struct book {
	uint64_t progress, repeated;
	struct { uint64_t sent, got; } lives[LIVES_MAX];
};

struct letter {
	uint64_t life, count;
	uint64_t bytes;
	unsigned char filling[RECORD_MAX];
};

enum { LETTER_MIN = offsetof(struct letter, filling) };

static _Noreturn void work(unsigned worker, uint32_t life);
static uint64_t progress(void);

static struct crew crew = { .program = SEGMENT, .seconds = 60, .workers = 8, .kill_every_us = 1500,
			    .seed = 1, .work = work, .progress = progress };
static dure_segment *seg;
static struct book *book;

/* -- workers ----------------------------------------------------------------------------- */

static int open_end(uint32_t end, uint32_t flags, int64_t timeout_ns, dure_lanes **ret)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = LANE_BYTES,
					.senders_max = (crew.workers - RECEIVERS + 1) / 2 };

	return dure_lanes_open(seg, "lanes", flags, &o, end, timeout_ns, ret);
}

static size_t write_letter(struct letter *letter, uint64_t life, uint64_t count)
{
	size_t filling = (size_t)(count * 7919 + life * 31) % (dice(9) ? 100 : RECORD_MAX);

	letter->life = life;
	letter->count = count;
	letter->bytes = LETTER_MIN + filling;
	fill(letter->filling, filling, count);
	return letter->bytes;
}

static bool is_whole(const struct letter *letter, size_t bytes)
{
	return bytes >= LETTER_MIN && letter->bytes == bytes && letter->life < LIVES_MAX &&
	       is_filled(letter->filling, bytes - LETTER_MIN, letter->count);
}

/* What one cannot have at the moment: a lane, room, a record. */
static bool is_for_later(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT || r == -ENOTCONN;
}

static int send_once(dure_lanes *lanes, uint64_t life, uint64_t count)
{
	int64_t timeout_ns = dice(3) ? 2000000 : 0;
	struct letter letter;
	void *room;
	size_t bytes = write_letter(&letter, life, count);
	int r;

	if (dice(2))
		return dure_lanes_send(lanes, &letter, bytes, timeout_ns);
	r = dure_lanes_reserve(lanes, bytes, &room, timeout_ns);
	if (r < 0)
		return r;
	memcpy(room, &letter, bytes);
	return dure_lanes_publish(lanes);
}

static _Noreturn void send_for_ever(uint64_t life)
{
	uint64_t count = 0;

	for (;;) {
		uint64_t times = dice(2000);
		dure_lanes *lanes;
		int r = open_end(DURE_LANES_SENDER, DURE_OPEN, 10000000, &lanes);
		if (is_for_later(r))
			continue;
		must(r, "lanes_open");
		while (times--) {
			r = send_once(lanes, life, count);
			if (r < 0 && !is_for_later(r))
				stop_with(1, "lanes_send");
			if (r == 0)
				__atomic_store_n(&book->lives[life].sent, ++count, __ATOMIC_RELEASE);
		}
		/* what waits in a lane is received before what the next one has: leave it dry */
		struct dure_lanes_info info = { .sz = sizeof info };
		do
			must(dure_lanes_info(lanes, &info), "lanes_info");
		while (info.bytes && book->lives[life].got < count);
		dure_lanes_close(lanes);
	}
}

static void count_letter(const struct letter *letter, size_t bytes)
{
	uint64_t *got;

	if (!is_whole(letter, bytes))
		stop_with(1, "a record is not whole");
	got = &book->lives[letter->life].got;
	if (letter->count + 1 == *got) {
		add(&book->repeated, 1);
		return;
	}
	if (letter->count != *got) {
		fprintf(stderr, "torture-lanes: life %llu: number %llu came, not %llu\n",
			(unsigned long long)letter->life, (unsigned long long)letter->count,
			(unsigned long long)*got);
		stop_with(1, "a record is missing, or came twice");
	}
	__atomic_store_n(got, *got + 1, __ATOMIC_RELEASE);
	add(&book->progress, 1);
}

static int receive_once(dure_lanes *lanes, int64_t timeout_ns)
{
	const void *letter;
	size_t bytes;
	int r = dure_lanes_look(lanes, &letter, &bytes, NULL, timeout_ns);

	if (r < 0)
		return r;
	count_letter(letter, bytes);
	return dure_lanes_done(lanes);
}

static _Noreturn void receive_for_ever(void)
{
	for (;;) {
		uint64_t times = dice(5000);
		dure_lanes *lanes;
		int r = open_end(DURE_LANES_RECEIVER, DURE_OPEN, 10000000, &lanes);
		if (is_for_later(r))
			continue;
		must(r, "lanes_open");
		while (times--) {
			r = receive_once(lanes, dice(2) ? 3000000 : 0);
			if (r < 0 && !is_for_later(r))
				stop_with(1, "lanes_receive");
		}
		dure_lanes_close(lanes);
	}
}

static _Noreturn void work(unsigned worker, uint32_t life)
{
	must(dure_segment_open(SEGMENT, DURE_OPEN, NULL, &seg), "open");
	must(dure_object_find(seg, "book", DURE_TYPE(struct book), (void **)&book, NULL), "find");
	if (worker < RECEIVERS)
		receive_for_ever();
	send_for_ever(life % LIVES_MAX);
}

static uint64_t progress(void)
{
	return __atomic_load_n(&book->progress, __ATOMIC_RELAXED);
}

/* -- the judge --------------------------------------------------------------------------- */

static void make_lanes(void)
{
	dure_lanes *lanes;

	must(open_end(DURE_LANES_RECEIVER, DURE_CREATE, 0, &lanes), "lanes_open");
	dure_lanes_close(lanes);
}

static void judge_lives(void)
{
	for (unsigned i = 0; i < LIVES_MAX; i++) {
		uint64_t sent = book->lives[i].sent, got = book->lives[i].got;
		if (got == sent || got == sent + 1)
			continue;
		fprintf(stderr, "torture-lanes: life %u has sent %llu, and %llu were received\n", i,
			(unsigned long long)sent, (unsigned long long)got);
		stop_with(1, "records were lost");
	}
	memset(book->lives, 0, sizeof book->lives);
}

static void judge(uint64_t live_without)
{
	dure_lanes *lanes;

	must_be_clean(seg);
	must(open_end(DURE_LANES_RECEIVER, DURE_OPEN, 0, &lanes), "lanes_open");
	while (receive_once(lanes, 0) == 0)
		;
	dure_lanes_close(lanes);
	judge_lives();
	must(dure_lanes_destroy(seg, "lanes"), "destroy");
	if (live_blocks(seg) != live_without)
		stop_with(1, "blocks were lost");
	make_lanes();
}

int main(int argc, char **argv)
{
	uint64_t live;

	crew_read_arguments(&crew, argc, argv);
	if (crew.workers <= RECEIVERS)
		stop_with(99, "there must be somebody who sends");
	seg = new_segment(SEGMENT);
	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	make_lanes();
	must(dure_lanes_destroy(seg, "lanes"), "destroy");
	live = live_blocks(seg);
	make_lanes();
	while (crew_round(&crew))
		judge(live);
	printf(SEGMENT ": %lu rounds, %lu killed, %lu of them stopped, %llu received, %llu of them twice, "
	       "no failure\n", crew.rounds, crew.killed, crew.killed_stopped,
	       (unsigned long long)book->progress, (unsigned long long)book->repeated);
	must(dure_lanes_destroy(seg, "lanes"), "destroy");
	remove_segment(seg, SEGMENT);
	return 0;
}
