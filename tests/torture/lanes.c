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

#define SEGMENT "torture-lanes"

enum {
	WORKERS_MAX = 32,
	RECEIVERS = 2,
	LIVES_MAX = 1 << 16,		/* of a round */
	LANE_BYTES = 4096,
	ROUND_MS = 1000,
	PROGRESS_MS = 5000,
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

static unsigned seconds = 60, worker_count = 8, kill_every_us = 1500;
static uint64_t seed = 1, dice_state;
static unsigned lives;
static dure_segment *seg;
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
	fprintf(stderr, "torture-lanes: %s: %s; the segment %s is kept\n", what, dure_last_error(),
		SEGMENT);
	exit(status);
}

static void must(int result, const char *what)
{
	if (result < 0)
		stop_with(1, what);
}

/* -- workers ----------------------------------------------------------------------------- */

static int open_end(uint32_t end, uint32_t flags, int64_t timeout_ns, dure_lanes **ret)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = LANE_BYTES,
					.senders_max = (worker_count - RECEIVERS + 1) / 2 };

	return dure_lanes_open(seg, "lanes", flags, &o, end, timeout_ns, ret);
}

static size_t fill(struct letter *letter, uint64_t life, uint64_t count)
{
	size_t filling = (size_t)(count * 7919 + life * 31) % (dice(9) ? 100 : RECORD_MAX);

	letter->life = life;
	letter->count = count;
	letter->bytes = LETTER_MIN + filling;
	memset(letter->filling, (int)(count & 0xff), filling);
	return letter->bytes;
}

static bool is_whole(const struct letter *letter, size_t bytes)
{
	if (bytes < LETTER_MIN || letter->bytes != bytes || letter->life >= LIVES_MAX)
		return false;
	for (size_t i = 0; i < bytes - LETTER_MIN; i++)
		if (letter->filling[i] != (letter->count & 0xff))
			return false;
	return true;
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
	size_t bytes = fill(&letter, life, count);
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
		__atomic_add_fetch(&book->repeated, 1, __ATOMIC_RELAXED);
		return;
	}
	if (letter->count != *got) {
		fprintf(stderr, "torture-lanes: life %llu: number %llu came, not %llu\n",
			(unsigned long long)letter->life, (unsigned long long)letter->count,
			(unsigned long long)*got);
		stop_with(1, "a record is missing, or came twice");
	}
	__atomic_store_n(got, *got + 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&book->progress, 1, __ATOMIC_RELAXED);
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

static _Noreturn void work(unsigned worker, unsigned life, uint64_t worker_seed)
{
	dice_state = worker_seed | 1;
	must(dure_segment_open(SEGMENT, DURE_OPEN, NULL, &seg), "open");
	must(dure_object_find(seg, "book", DURE_TYPE(struct book), (void **)&book, NULL), "find");
	if (worker < RECEIVERS)
		receive_for_ever();
	send_for_ever(life);
}

/* -- the killer -------------------------------------------------------------------------- */

static pid_t pids[WORKERS_MAX];

static void start_worker(unsigned i)
{
	uint64_t worker_seed = dice(UINT64_MAX);
	pid_t parent = getpid();

	lives++;
	fflush(NULL);
	pids[i] = fork();
	if (pids[i] < 0)
		stop_with(99, "fork");
	if (pids[i])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	work(i, lives, worker_seed);
}

/* A worker may only end because it was killed. */
static void kill_worker(unsigned i)
{
	int status;

	kill(pids[i], SIGKILL);
	if (waitpid(pids[i], &status, 0) != pids[i] || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL)
		stop_with(1, "a worker ended by itself");
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
	while (now_ms() < end && lives < LIVES_MAX - WORKERS_MAX) {
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
		uint64_t now = __atomic_load_n(&book->progress, __ATOMIC_RELAXED);
		if (now != seen)
			moved = now_ms();
		else if (now_ms() - moved > PROGRESS_MS)
			stop_with(1, "nobody has received anything for five seconds");
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

static uint64_t live_blocks(void)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(seg, &info), "heap_info");
	return info.live_blocks;
}

static void make_lanes(void)
{
	dure_lanes *lanes;

	must(open_end(DURE_LANES_RECEIVER, DURE_CREATE, 0, &lanes), "lanes_open");
	dure_lanes_close(lanes);
}

static void judge_lives(void)
{
	for (unsigned i = 0; i <= lives; i++) {
		uint64_t sent = book->lives[i].sent, got = book->lives[i].got;
		if (got == sent || got == sent + 1)
			continue;
		fprintf(stderr, "torture-lanes: life %u has sent %llu, and %llu were received\n", i,
			(unsigned long long)sent, (unsigned long long)got);
		stop_with(1, "records were lost");
	}
	memset(book->lives, 0, sizeof book->lives);
	lives = 0;
}

static void judge(uint64_t live_without)
{
	dure_lanes *lanes;

	must(dure_segment_recover(seg), "recover");
	if (dure_segment_check(seg, NULL, show, NULL) != 0)
		stop_with(1, "the check has findings");
	must(open_end(DURE_LANES_RECEIVER, DURE_OPEN, 0, &lanes), "lanes_open");
	while (receive_once(lanes, 0) == 0)
		;
	dure_lanes_close(lanes);
	judge_lives();
	must(dure_lanes_destroy(seg, "lanes"), "destroy");
	if (live_blocks() != live_without)
		stop_with(1, "blocks were lost");
	make_lanes();
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
		else if (c == 'w' && value > RECEIVERS && value <= WORKERS_MAX)
			worker_count = (unsigned)value;
		else if (c == 'k')
			kill_every_us = (unsigned)value;
		else
			stop_with(99, "bad arguments");
	}
}

int main(int argc, char **argv)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 8 << 20 };
	unsigned long kills = 0, rounds = 0;
	uint64_t live;

	read_arguments(argc, argv);
	dice_state = seed * 2654435761u | 1;
	dure_segment_remove(SEGMENT, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(SEGMENT, DURE_CREATE, &o, &seg), "create");
	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	make_lanes();
	must(dure_lanes_destroy(seg, "lanes"), "destroy");
	live = live_blocks();
	make_lanes();
	for (int64_t end = now_ms() + (int64_t)seconds * 1000; now_ms() < end; rounds++) {
		kills += kill_for_a_round();
		judge(live);
	}
	printf("torture-lanes: %lu rounds, %lu killed, %llu received, %llu of them twice, no failure\n",
	       rounds, kills, (unsigned long long)book->progress, (unsigned long long)book->repeated);
	must(dure_lanes_destroy(seg, "lanes"), "destroy");
	must(dure_segment_close(seg), "close");
	must(dure_segment_remove(SEGMENT, 0, NULL), "remove");
	return 0;
}
