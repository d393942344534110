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
#include <dure.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEGMENT "torture-messages"

enum {
	WORKERS_MAX = 32,
	NUMBERS = 1 << 16,
	ROUND_MS = 1000,
	BYTES_MAX = 20000,
	MESSAGES_MAX = 200,
	PROGRESS_MS = 5000,
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

static unsigned seconds = 60, worker_count = 6, kill_every_us = 1500;
static uint64_t seed = 1, dice_state;
static dure_segment *seg;
static dure_queue *queue;
static struct book *book;

static uint64_t dice(uint64_t sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return dice_state % sides;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void stop_with(int status, const char *what)
{
	fprintf(stderr, "torture-messages: %s: %s\n", what, dure_last_error());
	exit(status);
}

static void must(int result, const char *what)
{
	if (result < 0)
		stop_with(1, what);
}

/* -- workers ----------------------------------------------------------------------------- */

static void fill(struct letter *letter, uint64_t number, uint64_t bytes)
{
	letter->number = number;
	letter->bytes = bytes;
	memset(letter->filling, (int)(number & 0xff), bytes - sizeof *letter);
}

static bool is_whole(const struct letter *letter, uint64_t bytes)
{
	if (bytes < sizeof *letter || letter->bytes != bytes || letter->number >= NUMBERS)
		return false;
	for (uint64_t i = 0; i < bytes - sizeof *letter; i++)
		if (letter->filling[i] != (letter->number & 0xff))
			return false;
	return true;
}

static void send_one(void *buffer)
{
	struct dure_queue_put how = { .sz = sizeof how, .type = 1 + (int64_t)dice(20),
				      .priority = (uint32_t)dice(5) };
	uint64_t bytes = sizeof(struct letter) + (dice(20) ? dice(300) : dice(BYTES_MAX)), next;
	dure_tx *tx;
	int r;

	must(dure_tx_begin(seg, &tx), "begin");
	must(dure_tx_lock(tx, &book->lock, DURE_FOREVER), "lock");
	next = book->drawn + 1;
	r = next < NUMBERS ? 0 : -EAGAIN;
	if (r == 0) {
		fill(buffer, next, bytes);
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
	r = dure_queue_receive(queue, &which, buffer, BYTES_MAX + sizeof(struct letter), &m, 0);
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
	int r = dure_queue_take(queue, &which, buffer, BYTES_MAX + sizeof(struct letter), &m, patience);

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

static _Noreturn void work(uint64_t worker_seed)
{
	static _Alignas(16) unsigned char buffer[BYTES_MAX + sizeof(struct letter)];

	dice_state = worker_seed | 1;
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

/* -- the killer -------------------------------------------------------------------------- */

static pid_t pids[WORKERS_MAX];

static void start_worker(unsigned i)
{
	uint64_t worker_seed = dice(UINT64_MAX);
	pid_t parent = getpid();

	fflush(NULL);
	pids[i] = fork();
	if (pids[i] < 0)
		stop_with(99, "fork");
	if (pids[i])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	work(worker_seed);
}

/* A worker may only end because it was killed. */
static void kill_worker(unsigned i)
{
	int status;

	kill(pids[i], SIGKILL);
	if (waitpid(pids[i], &status, 0) != pids[i] || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "torture-messages: a worker ended by itself (status %#x); the segment "
			"%s is kept\n", (unsigned)status, SEGMENT);
		exit(1);
	}
}

static void stop_for_a_moment(unsigned i)
{
	struct timespec moment = { .tv_nsec = (long)dice(20000000) };

	kill(pids[i], SIGSTOP);
	nanosleep(&moment, NULL);
	kill(pids[i], SIGCONT);
}

static unsigned long kill_for_a_round(void)
{
	int64_t end = now_ms() + ROUND_MS, moved = now_ms();
	uint64_t seen = 0;
	unsigned long kills = 0;

	for (unsigned i = 0; i < worker_count; i++)
		start_worker(i);
	while (now_ms() < end) {
		struct timespec pause = { .tv_nsec = (long)dice(2ul * kill_every_us) * 1000 };
		unsigned i = (unsigned)dice(worker_count);
		nanosleep(&pause, NULL);
		if (dice(20) == 0) {
			stop_for_a_moment(i);
			continue;
		}
		kill_worker(i);
		start_worker(i);
		kills++;
		uint64_t now = __atomic_load_n(&book->operations, __ATOMIC_RELAXED);
		if (now != seen)
			moved = now_ms();
		else if (now_ms() - moved > PROGRESS_MS)
			stop_with(1, "nobody has done anything for five seconds");
		seen = now;
	}
	for (unsigned i = 0; i < worker_count; i++)
		kill_worker(i);
	return kills + worker_count;
}

/* -- the judge --------------------------------------------------------------------------- */

static void show(const struct dure_finding *finding, void *context)
{
	(void)context;
	fprintf(stderr, "[%s] +%#llx %s\n", finding->rule, (unsigned long long)finding->offset,
		finding->text);
}

/* Receives all that is there, and ticks it off. */
static void drain(uint32_t flags)
{
	static _Alignas(16) unsigned char buffer[BYTES_MAX + sizeof(struct letter)];
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

static uint64_t live_blocks(void)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(seg, &info), "heap_info");
	return info.live_blocks;
}

static void judge(uint64_t live_when_empty)
{
	struct dure_queue_info info = { .sz = sizeof info };
	uint64_t wrong = 0;

	must(dure_segment_recover(seg), "recover");
	if (dure_segment_check(seg, NULL, show, NULL) != 0)
		stop_with(1, "the check has findings");
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
	if (live_blocks() != live_when_empty)
		stop_with(1, "blocks were lost");
	memset(book->ticked, 0, sizeof book->ticked);
	book->drawn = book->done = 0;
}

static void read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'r' },
		{ "workers", required_argument, NULL, 'w' },
		{ "kill-every-us", required_argument, NULL, 'k' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;
		if (c == 's')
			seconds = (unsigned)value;
		else if (c == 'r')
			seed = value;
		else if (c == 'w' && value > 0 && value <= WORKERS_MAX)
			worker_count = (unsigned)value;
		else if (c == 'k')
			kill_every_us = (unsigned)value;
		else
			stop_with(99, "bad arguments");
	}
}

int main(int argc, char **argv)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 32 << 20 };
	struct dure_queue_options limits = { .sz = sizeof limits, .messages_max = MESSAGES_MAX,
					     .deliveries_max = 20 };
	unsigned long kills = 0, rounds = 0;
	uint64_t operations, live;

	read_arguments(argc, argv);
	dice_state = seed * 2654435761u | 1;
	dure_segment_remove(SEGMENT, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(SEGMENT, DURE_CREATE, &o, &seg), "create");
	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	must(dure_queue_open(seg, "queue", DURE_CREATE, &limits, &queue), "queue_open");
	live = live_blocks();
	for (int64_t end = now_ms() + (int64_t)seconds * 1000; now_ms() < end; rounds++) {
		kills += kill_for_a_round();
		judge(live);
	}
	operations = book->operations;
	dure_queue_close(queue);
	must(dure_queue_destroy(seg, "queue"), "destroy");
	must(dure_segment_close(seg), "close");
	must(dure_segment_remove(SEGMENT, 0, NULL), "remove");
	printf("torture-messages: %lu rounds, %lu killed, %llu operations, no failure\n", rounds, kills,
	       (unsigned long long)operations);
	return 0;
}
