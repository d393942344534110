/* SPDX-License-Identifier: MIT */
/*
 * messages.c - a queue whose senders and receivers really die
 *
 *	torture-messages [--seconds S] [--seed N] [--workers N] [--kill-every-us US]
 *
 * Workers send numbered messages of all sizes, types and priorities, receive and take them, give
 * them back, refuse them, and are killed and stopped at random. All that a worker knows is in the
 * segment: in one transaction it draws a number and sends the message of that number; in
 * another it receives one (or acknowledges one that it had taken) and ticks its number off.
 * So whatever dies where, a number is in the queue or ticked off, and never both.
 *
 * Every round all are killed at once, and a survivor judges: the check is clean, each number is in
 * the queue once or ticked off once, each message is whole, and no block is lost.
 *
 * Exit status: 0 no failure, 1 a failure (the segment is kept, and named), 99 broken.
 */
#include "crew.h"

#define SEGMENT "torture-messages"

enum {
	NUMBERS = 1 << 16,
	MESSAGES_MAX = 200,
};

struct book {
	dure_mutex lock;
	uint64_t drawn;
	uint64_t done;
	uint64_t operations;		/* about: for the watchdog */
	unsigned char ticked[NUMBERS];	/* times */
};

struct letter {
	uint64_t number;
	uint64_t bytes;
	unsigned char filling[];
};

static dure_segment *seg;
static dure_queue *queue;
static struct book *book;

/* -- workers ----------------------------------------------------------------------------- */

static bool is_whole(const struct letter *letter, uint64_t bytes)
{
	return bytes >= sizeof *letter && letter->bytes == bytes && letter->number < NUMBERS &&
	       is_filled(letter->filling, bytes - sizeof *letter, letter->number);
}

static void send_one(void *buffer)
{
	struct letter *letter = buffer;
	struct dure_queue_put how = { .sz = sizeof how, .type = 1 + (int64_t)dice(20),
				      .priority = (uint32_t)dice(5) };
	uint64_t bytes = sizeof(struct letter) + any_length(), next;
	dure_tx *tx;
	int r;

	must(dure_tx_begin(seg, &tx), "begin");
	must(dure_tx_lock(tx, &book->lock, DURE_FOREVER), "lock");
	next = book->drawn + 1;
	r = next < NUMBERS ? 0 : -EAGAIN;
	if (r == 0) {
		*letter = (struct letter){ .number = next, .bytes = bytes };
		fill(letter->filling, bytes - sizeof *letter, next);
		r = dure_queue_send(queue, buffer, bytes, &how, 0);
	}
	if (r == 0)
		must(dure_tx_write(tx, &book->drawn, &next, sizeof next), "write");
	if (r == 0 && dice(20))
		must(dure_tx_commit(tx), "commit");
	else
		must(dure_tx_abort(tx), "abort");
	if (r < 0 && r != -EAGAIN)
		must(r, "send");
}

/* In a transaction that has the book's lock. */
static void tick(dure_tx *tx, uint64_t number)
{
	unsigned char times = (unsigned char)(book->ticked[number] + 1);
	uint64_t done = book->done + 1;

	must(dure_tx_write(tx, &book->ticked[number], &times, 1), "write");
	must(dure_tx_write(tx, &book->done, &done, sizeof done), "write");
}

static struct dure_queue_select any_wish(void)
{
	return (struct dure_queue_select){ .sz = sizeof(struct dure_queue_select),
					   .select = (uint32_t)dice(4),
					   .type = 1 + (int64_t)dice(20),
					   .flags = dice(10) ? 0 : DURE_QUEUE_DEAD_LETTERS };
}

static void receive_one(void *buffer)
{
	struct dure_queue_select which = any_wish();
	struct dure_message m = { .sz = sizeof m };
	dure_tx *tx;
	int r;

	must(dure_tx_begin(seg, &tx), "begin");
	must(dure_tx_lock(tx, &book->lock, DURE_FOREVER), "lock");
	r = dure_queue_receive(queue, &which, buffer, LETTER_MAX + sizeof(struct letter), &m, 0);
	if (r == 0 && !is_whole(buffer, m.bytes))
		stop_with(1, "a message is not whole");
	if (r == 0)
		tick(tx, ((struct letter *)buffer)->number);
	if (r == 0 && dice(20))
		must(dure_tx_commit(tx), "commit");
	else
		must(dure_tx_abort(tx), "abort");
	if (r < 0 && r != -EAGAIN)
		must(r, "receive");
}

/* Taken outside, settled with the tick, or given back, or kept until it dies. */
static void take_one(void *buffer)
{
	struct dure_queue_select which = any_wish();
	struct dure_message m = { .sz = sizeof m };
	int64_t patience = dice(4) ? 0 : (int64_t)dice(3000000);
	dure_tx *tx;
	int r = dure_queue_take(queue, &which, buffer, LETTER_MAX + sizeof(struct letter), &m, patience);

	if (r == -EAGAIN || r == -ETIMEDOUT)
		return;
	must(r, "take");
	if (!is_whole(buffer, m.bytes))
		stop_with(1, "a taken message is not whole");
	switch (dice(8)) {
	case 0:
		must(dure_queue_requeue(queue, &m), "requeue");
		break;
	case 1:
		must(dure_queue_reject(queue, &m), "reject");
		break;
	default:
		must(dure_tx_begin(seg, &tx), "begin");
		must(dure_tx_lock(tx, &book->lock, DURE_FOREVER), "lock");
		must(dure_queue_acknowledge(queue, &m), "acknowledge");
		tick(tx, ((struct letter *)buffer)->number);
		must(dure_tx_commit(tx), "commit");
		break;
	}
}

static void work(unsigned worker, uint32_t life)
{
	static _Alignas(16) unsigned char buffer[LETTER_MAX + sizeof(struct letter)];

	(void)worker, (void)life;
	must(dure_segment_open(SEGMENT, DURE_OPEN, NULL, &seg), "open");
	must(dure_object_find(seg, "book", DURE_TYPE(struct book), (void **)&book, NULL), "find");
	must(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &queue), "queue_open");
	for (;;) {
		switch (dice(3)) {
		case 0:
			receive_one(buffer);
			break;
		case 1:
			take_one(buffer);
			break;
		default:
			send_one(buffer);
			break;
		}
		__atomic_add_fetch(&book->operations, 1, __ATOMIC_RELAXED);
	}
}

/* -- the judge --------------------------------------------------------------------------- */

/* Receives all that is there, and ticks it off. */
static void drain(uint32_t flags)
{
	static _Alignas(16) unsigned char buffer[LETTER_MAX + sizeof(struct letter)];
	struct dure_queue_select which = { .sz = sizeof which, .flags = flags };
	struct dure_message m = { .sz = sizeof m };
	int r;

	while ((r = dure_queue_receive(queue, &which, buffer, sizeof buffer, &m, 0)) == 0) {
		if (!is_whole((void *)buffer, m.bytes))
			stop_with(1, "a message is not whole");
		book->ticked[((struct letter *)(void *)buffer)->number]++;
		book->done++;
	}
	if (r != -EAGAIN)
		must(r, "receive");
}

static void judge(uint64_t live_when_empty)
{
	struct dure_queue_info info = { .sz = sizeof info };
	uint64_t wrong = 0;

	must_be_clean(seg);
	drain(0);
	drain(DURE_QUEUE_DEAD_LETTERS);
	must(dure_queue_info(queue, &info), "queue_info");
	for (uint64_t i = 1; i <= book->drawn; i++)
		wrong += book->ticked[i] != 1;
	if (wrong || book->done != book->drawn || info.messages || info.taken || info.bytes ||
	    info.dead_letters) {
		fprintf(stderr, "torture-messages: %llu of %llu numbers were lost or seen twice; "
			"%llu messages, %llu taken are left; the segment %s is kept\n",
			(unsigned long long)wrong, (unsigned long long)book->drawn,
			(unsigned long long)info.messages, (unsigned long long)info.taken, SEGMENT);
		exit(1);
	}
	if (live_blocks(seg) != live_when_empty)
		stop_with(1, "blocks were lost");
	memset(book->ticked, 0, sizeof book->ticked);
	book->drawn = book->done = 0;
}

static uint64_t progress(void)
{
	return __atomic_load_n(&book->operations, __ATOMIC_RELAXED);
}

int main(int argc, char **argv)
{
	struct dure_queue_options limits = { .sz = sizeof limits, .messages_max = MESSAGES_MAX,
					     .deliveries_max = 20 };
	struct crew crew = { .program = SEGMENT, .seconds = 60, .workers = 6, .kill_every_us = 1500,
			     .seed = 1, .work = work, .progress = progress };
	uint64_t live;

	crew_read_arguments(&crew, argc, argv);
	seg = new_segment(SEGMENT);
	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	must(dure_queue_open(seg, "queue", DURE_CREATE, &limits, &queue), "queue_open");
	live = live_blocks(seg);
	while (crew_round(&crew))
		judge(live);
	printf(SEGMENT ": %lu rounds, %lu killed, %lu of them stopped, %llu operations, no failure\n",
	       crew.rounds, crew.killed, crew.killed_stopped, (unsigned long long)book->operations);
	dure_queue_close(queue);
	must(dure_queue_destroy(seg, "queue"), "destroy");
	remove_segment(seg, SEGMENT);
	return 0;
}
