/* SPDX-License-Identifier: MIT */
/*
 * topics.c - a topic whose publishers and subscribers really die
 *
 *	torture-topics [--seconds S] [--seed N] [--workers N] [--kill-every-us US]
 *
 * Half of the workers publish letters of all sizes, each with the worker's number, its life and a
 * count; the others subscribe, with every policy and some history, keep loans for a while, leave,
 * and join anew. All are killed and stopped at random. A subscriber knows what must come: the
 * next sequence, or the one that is so much further as it is told it has lost; of each
 * publisher's life the next count, when nothing was lost; and the bytes of what it has on loan
 * as they were, when it gives it back.
 *
 * Every round all are killed at once, and a survivor judges: the check is clean, nobody has
 * anything on loan or blocks, and when the topic is destroyed, no block is left.
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

#define SEGMENT "torture-topics"

enum {
	WORKERS_MAX = 32,
	ROUND_MS = 1000,
	BYTES_MAX = 20000,
	PROGRESS_MS = 5000,
	SUBSCRIBERS_MAX = 12,
};

/* what the killer watches, and the judge sums up */
struct book {
	uint64_t published, received, lost, evicted;
};

struct letter {
	uint32_t worker, life;
	uint64_t count;
	uint64_t bytes;
	unsigned char filling[];
};

/* what a subscriber has had of a publisher */
struct seen {
	uint32_t life;
	uint64_t count;
	uint64_t losses;		/* the subscriber's, at that time */
};

static unsigned seconds = 60, worker_count = 8, kill_every_us = 1500;
static uint64_t seed = 1, dice_state;
static uint32_t lives;
static dure_segment *seg;
static dure_topic *topic;
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
	fprintf(stderr, "torture-topics: %s: %s\n", what, dure_last_error());
	exit(status);
}

static void must(int result, const char *what)
{
	if (result < 0)
		stop_with(1, what);
}

static void add(uint64_t *number, uint64_t n)
{
	__atomic_add_fetch(number, n, __ATOMIC_RELAXED);
}

/* -- publishing -------------------------------------------------------------------------- */

static void fill(struct letter *letter, uint64_t bytes)
{
	letter->bytes = bytes;
	memset(letter->filling, (int)(letter->count & 0xff), bytes - sizeof *letter);
}

static bool is_whole(const struct letter *letter, uint64_t bytes)
{
	if (bytes < sizeof *letter || letter->bytes != bytes || letter->worker >= WORKERS_MAX)
		return false;
	for (uint64_t i = 0; i < bytes - sizeof *letter; i++)
		if (letter->filling[i] != (letter->count & 0xff))
			return false;
	return true;
}

static bool is_blocked(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT;
}

static _Noreturn void publish_for_ever(uint32_t worker, uint32_t life)
{
	uint64_t count = 0;

	for (;;) {
		uint64_t bytes = sizeof(struct letter) + (dice(20) ? dice(300) : dice(BYTES_MAX));
		int64_t patience = dice(3) ? 1000000 : 0;
		struct letter *letter;
		int r;
		must(dure_topic_loan(topic, bytes + dice(2) * 100, (void **)&letter), "loan");
		*letter = (struct letter){ .worker = worker, .life = life, .count = count };
		fill(letter, bytes);
		r = dice(30) ? dure_topic_publish(topic, letter, bytes, patience) : -EAGAIN;
		if (r < 0 && !is_blocked(r))
			stop_with(1, "publish");
		if (r < 0)
			must(dure_topic_cancel(topic, letter), "cancel");
		count += r == 0;
		add(&book->published, r == 0);
	}
}

/* -- subscribing ------------------------------------------------------------------------- */

struct reader {
	dure_subscriber *subscriber;
	uint32_t policy;
	uint64_t next;			/* sequence; UINT64_MAX: the first one tells */
	uint64_t losses;
	struct seen seen[WORKERS_MAX];
	struct { const struct letter *letter; uint64_t bytes, count; } loans[DURE_TOPIC_LOANS_MAX];
};

static void check_order(struct reader *reader, const struct letter *letter,
			const struct dure_publication *p)
{
	struct seen *seen = &reader->seen[letter->worker];

	if (reader->next != UINT64_MAX && p->sequence != reader->next + p->lost)
		stop_with(1, "a sequence has a hole, or a repetition");
	if (p->lost && reader->policy == DURE_TOPIC_BLOCK)
		stop_with(1, "one who blocks has lost something");
	reader->next = p->sequence + 1;
	reader->losses += p->lost;
	if (letter->life < seen->life || (letter->life == seen->life && letter->count <= seen->count))
		stop_with(1, "a publisher's letters are not in their order");
	if (letter->life == seen->life && reader->losses == seen->losses &&
	    letter->count != seen->count + 1)
		stop_with(1, "a letter is missing, and nobody has said so");
	*seen = (struct seen){ letter->life, letter->count, reader->losses };
}

static void give_back(struct reader *reader, unsigned i)
{
	const struct letter *letter = reader->loans[i].letter;

	if (!letter)
		return;
	if (!is_whole(letter, reader->loans[i].bytes) || letter->count != reader->loans[i].count)
		stop_with(1, "a loan has changed");
	must(dure_subscriber_give_back(reader->subscriber, letter), "give_back");
	reader->loans[i].letter = NULL;
}

/* False: evicted. */
static bool receive_one(struct reader *reader)
{
	struct dure_publication p = { .sz = sizeof p };
	unsigned i = (unsigned)dice(DURE_TOPIC_LOANS_MAX);
	const struct letter *letter;
	int r;

	give_back(reader, i);
	r = dure_subscriber_take(reader->subscriber, (const void **)&letter, &p,
				 dice(2) ? 3000000 : 0);
	if (r == -ECONNRESET && reader->policy == DURE_TOPIC_EVICT)
		return false;
	if (is_blocked(r))
		return true;
	must(r, "take");
	if (!is_whole(letter, p.bytes))
		stop_with(1, "a publication is not whole");
	check_order(reader, letter, &p);
	reader->loans[i].letter = letter;
	reader->loans[i].bytes = p.bytes;
	reader->loans[i].count = letter->count;
	if (dice(10))
		give_back(reader, i);
	add(&book->received, 1);
	add(&book->lost, p.lost);
	return true;
}

static _Noreturn void subscribe_for_ever(void)
{
	for (;;) {
		struct dure_subscribe_options o = { .sz = sizeof o, .policy = (uint32_t)dice(4),
						    .history = dice(2) ? 0 : dice(200) };
		struct reader reader = { .policy = o.policy, .next = UINT64_MAX };
		unsigned times = (unsigned)dice(2000);
		int r = dure_topic_subscribe(topic, &o, &reader.subscriber);
		if (r == -EUSERS)
			continue;
		must(r, "subscribe");
		for (unsigned i = 0; i < WORKERS_MAX; i++)
			reader.seen[i].life = 0;
		while (times-- && receive_one(&reader))
			if (dice(200) == 0)
				nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
		add(&book->evicted, times != UINT32_MAX);
		for (unsigned i = 0; i < DURE_TOPIC_LOANS_MAX; i++)
			if (dice(2))
				give_back(&reader, i);
		dure_subscriber_close(reader.subscriber);
	}
}

static _Noreturn void work(uint32_t worker, uint32_t life, uint64_t worker_seed)
{
	dice_state = worker_seed | 1;
	must(dure_segment_open(SEGMENT, DURE_OPEN, NULL, &seg), "open");
	must(dure_object_find(seg, "book", DURE_TYPE(struct book), (void **)&book, NULL), "find");
	must(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &topic), "topic_open");
	if (worker % 2)
		publish_for_ever(worker, life);
	subscribe_for_ever();
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
	    WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "torture-topics: a worker ended by itself (status %#x); the segment "
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
		uint64_t now = __atomic_load_n(&book->published, __ATOMIC_RELAXED);
		if (now != seen)
			moved = now_ms();
		else if (now_ms() - moved > PROGRESS_MS)
			stop_with(1, "nobody has published anything for five seconds");
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

static void open_topic(void)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 50, .bytes_max = 1 << 20,
					.subscribers_max = SUBSCRIBERS_MAX };

	must(dure_topic_open(seg, "topic", DURE_CREATE, &o, &topic), "topic_open");
}

/* Nobody is left who blocks, or has anything. */
static void publish_around(void)
{
	static unsigned char bytes[BYTES_MAX];

	for (int i = 0; i < 400; i++)
		must(dure_topic_send(topic, bytes, i % 2 ? 10 : BYTES_MAX, 0), "send");
}

static void judge(uint64_t live_when_empty)
{
	struct dure_topic_info info = { .sz = sizeof info };

	must(dure_segment_recover(seg), "recover");
	if (dure_segment_check(seg, NULL, show, NULL) != 0)
		stop_with(1, "the check has findings");
	publish_around();
	must(dure_topic_info(topic, &info), "topic_info");
	if (info.on_loan || info.on_loan_bytes || info.bytes > 1 << 20) {
		fprintf(stderr, "torture-topics: %llu publications of the dead are left; the segment %s "
			"is kept\n", (unsigned long long)info.on_loan, SEGMENT);
		exit(1);
	}
	if (dure_segment_check(seg, NULL, show, NULL) != 0)
		stop_with(1, "the check has findings");
	dure_topic_close(topic);
	must(dure_topic_destroy(seg, "topic"), "destroy");
	if (live_blocks() != live_when_empty)
		stop_with(1, "blocks were lost");
	open_topic();
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
	unsigned long kills = 0, rounds = 0;
	uint64_t live;

	read_arguments(argc, argv);
	dice_state = seed * 2654435761u | 1;
	dure_segment_remove(SEGMENT, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(SEGMENT, DURE_CREATE, &o, &seg), "create");
	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	open_topic();
	dure_topic_close(topic);
	must(dure_topic_destroy(seg, "topic"), "destroy");
	live = live_blocks();
	open_topic();
	for (int64_t end = now_ms() + (int64_t)seconds * 1000; now_ms() < end; rounds++) {
		kills += kill_for_a_round();
		judge(live);
	}
	printf("torture-topics: %lu rounds, %lu killed, %llu published, %llu received, %llu lost and told, "
	       "%llu evicted, no failure\n", rounds, kills, (unsigned long long)book->published,
	       (unsigned long long)book->received, (unsigned long long)book->lost,
	       (unsigned long long)book->evicted);
	dure_topic_close(topic);
	must(dure_topic_destroy(seg, "topic"), "destroy");
	must(dure_segment_close(seg), "close");
	must(dure_segment_remove(SEGMENT, 0, NULL), "remove");
	return 0;
}
