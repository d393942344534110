/* SPDX-License-Identifier: MIT */
/*
 * torture.c - processes that really die, for as long as one likes
 *
 *	torture [--seconds S] [--seed N] [--workers N] [--kill-every-us US] [--verbose]
 *
 * Workers do all kinds of work on one segment: money moves between accounts in transactions,
 * counters in a map, lists of blocks, objects that come and go, locks that are repaired after
 * their holders' deaths, readers, writers and upgraders, units of semaphores, sets, growing, trimming,
 * threads and forks. A killer SIGKILLs them at random; some are stopped for a while and go on;
 * each is replaced.
 *
 * Every round all are killed at once. Then a survivor recovers, and judges: the check of all
 * pages, blocks, names and maps is clean; the money is all there; every block is the one its
 * maker filled; there is not one block more than what can be reached; all units are back, and
 * every lock can be had. Meanwhile a watchdog wants progress all the time, and no operation may
 * take longer than a second more than others were stopped.
 *
 * Exit status: 0 no failure, 1 a failure (the segment is kept, and named), 99 broken.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

enum {
	WORKERS_MAX = 64,
	ROUND_MS = 2000,
	STOP_MAX_MS = 40,
	PROGRESS_MS = 5000,		/* nobody has done anything for so long: a hang */
};

struct choice {
	unsigned seconds, workers, kill_every_us;
	uint64_t seed;
	int is_verbose;
};

struct crew {
	pid_t pids[WORKERS_MAX];
	int64_t wakes_ns[WORKERS_MAX];	/* stopped until then; 0: not stopped */
	unsigned count;
	uint64_t kills, stops, rounds;
};

static struct choice choice = { .seconds = 60, .workers = 6, .kill_every_us = 2000, .seed = 1 };
static uint64_t dice_state;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t dice(uint64_t sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return dice_state % sides;
}

static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "torture: %s: %s: %s\n", what, strerror(errno), dure_last_error());
	exit(99);
}

void torture_unexpected(const char *condition, const char *file, int line)
{
	fprintf(stderr, "torture: process %d, %s:%d: %s: %s\n", (int)getpid(), file, line, condition,
		dure_last_error());
	_exit(1);
}

/* -- workers ----------------------------------------------------------------------------- */

static pid_t start_worker(struct torture *t, unsigned place)
{
	uint64_t seed = dice(UINT64_MAX);
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		broken("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		torture_work(t, place, seed);
	}
	return pid;
}

static void start_crew(struct torture *t, struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++) {
		crew->pids[i] = start_worker(t, i);
		crew->wakes_ns[i] = 0;
	}
}

/* A worker may only end because it was killed. */
static void reap(struct crew *crew, unsigned i)
{
	int status;

	if (waitpid(crew->pids[i], &status, 0) != crew->pids[i])
		broken("waitpid");
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "torture: worker %d ended by itself (status %#x)\n",
			(int)crew->pids[i], (unsigned)status);
		exit(1);
	}
}

static void kill_one(struct torture *t, struct crew *crew)
{
	unsigned i = (unsigned)dice(crew->count);

	kill(crew->pids[i], SIGKILL);
	reap(crew, i);
	crew->kills++;
	crew->wakes_ns[i] = 0;
	crew->pids[i] = start_worker(t, i);
}

/* Two at a time, now and then: several deaths at once, also of those who mend. */
static void kill_two(struct torture *t, struct crew *crew)
{
	unsigned i = (unsigned)dice(crew->count), j = (unsigned)dice(crew->count);

	kill(crew->pids[i], SIGKILL);
	if (j != i)
		kill(crew->pids[j], SIGKILL);
	reap(crew, i);
	crew->pids[i] = start_worker(t, i);
	crew->wakes_ns[i] = 0;
	crew->kills++;
	if (j == i)
		return;
	reap(crew, j);
	crew->pids[j] = start_worker(t, j);
	crew->wakes_ns[j] = 0;
	crew->kills++;
}

static void stop_one(struct crew *crew)
{
	unsigned i = (unsigned)dice(crew->count);

	if (crew->wakes_ns[i])
		return;
	kill(crew->pids[i], SIGSTOP);
	crew->wakes_ns[i] = now_ns() + (int64_t)(1 + dice(STOP_MAX_MS)) * 1000000;
	crew->stops++;
}

static void wake_those_due(struct crew *crew)
{
	int64_t now = now_ns();

	for (unsigned i = 0; i < crew->count; i++)
		if (crew->wakes_ns[i] && crew->wakes_ns[i] <= now) {
			kill(crew->pids[i], SIGCONT);
			crew->wakes_ns[i] = 0;
		}
}

static void kill_all(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		kill(crew->pids[i], SIGKILL);
	for (unsigned i = 0; i < crew->count; i++)
		reap(crew, i);
	crew->kills += crew->count;
}

/* -- a round ----------------------------------------------------------------------------- */

static int show_thread(const struct dure_thread_info *i, void *context)
{
	(void)context;
	fprintf(stderr, "  lane %u: thread %u, place %u, %s, state %u, %s, %u locks, waits for +%#"
		PRIx64 "\n", i->lane, i->thread, i->slot, i->is_alive ? "alive" : "dead", i->state,
		i->in_transaction ? "in a transaction" : "idle", i->lock_count, i->waits_for.offset);
	return 0;
}

static int watch_progress(struct torture *t, uint64_t *last, int64_t *since)
{
	uint64_t done = torture_progress(t);

	if (done != *last) {
		*last = done;
		*since = now_ns();
		return 0;
	}
	if (now_ns() - *since < (int64_t)PROGRESS_MS * 1000000)
		return 0;
	fprintf(stderr, "torture: nobody has done anything for %d ms; the threads:\n", PROGRESS_MS);
	dure_thread_list(t->seg, show_thread, NULL);
	return -1;
}

static void sleep_us(uint64_t us)
{
	struct timespec t = { .tv_sec = (time_t)(us / 1000000),
			      .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

static int run_round(struct torture *t, struct crew *crew, int64_t end_ns)
{
	uint64_t last = torture_progress(t);
	int64_t since = now_ns(), end = since + (int64_t)ROUND_MS * 1000000;

	start_crew(t, crew);
	end = end < end_ns ? end : end_ns;
	while (now_ns() < end) {
		sleep_us(1 + dice(2 * choice.kill_every_us));
		wake_those_due(crew);
		switch (dice(10)) {
		case 0:
			stop_one(crew);
			break;
		case 1:
			kill_two(t, crew);
			break;
		default:
			kill_one(t, crew);
		}
		if (watch_progress(t, &last, &since) < 0)
			return -1;
	}
	kill_all(crew);
	crew->rounds++;
	return torture_judge(t);
}

static void draw(const struct crew *crew, const struct torture *t, int64_t start, int64_t end)
{
	double part = (double)(now_ns() - start) / (double)(end - start);

	fprintf(stderr, "\r%3.0f %%  %" PRIu64 " rounds, %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
		" operations ", (part > 1 ? 1 : part) * 100, crew->rounds, crew->kills, crew->stops,
		torture_progress(t));
}

static void read_arguments(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'e' },
		{ "workers", required_argument, NULL, 'w' },
		{ "kill-every-us", required_argument, NULL, 'k' },
		{ "verbose", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 's':
			choice.seconds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'e':
			choice.seed = strtoull(optarg, NULL, 10);
			break;
		case 'w':
			choice.workers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			choice.kill_every_us = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'v':
			choice.is_verbose = 1;
			break;
		default:
			exit(99);
		}
	if (choice.workers < 1 || choice.workers > WORKERS_MAX || !choice.kill_every_us)
		exit(99);
}

int main(int argc, char **argv)
{
	struct torture t;
	struct crew crew = { 0 };
	int64_t start, end;
	int draws = isatty(STDERR_FILENO), r = 0;

	read_arguments(argc, argv);
	dice_state = choice.seed * 0x9e3779b97f4a7c15u + 1;
	crew.count = choice.workers;
	torture_begin(&t);
	start = now_ns();
	end = start + (int64_t)choice.seconds * 1000000000;
	while (r == 0 && now_ns() < end) {
		r = run_round(&t, &crew, end);
		if (draws)
			draw(&crew, &t, start, end);
	}
	if (draws)
		fputc('\n', stderr);
	printf("torture: %u s, seed %" PRIu64 ": %" PRIu64 " rounds, %" PRIu64 " kills, %" PRIu64
	       " stops, %" PRIu64 " operations, longest %.1f ms: %s\n", choice.seconds, choice.seed,
	       crew.rounds, crew.kills, crew.stops, torture_progress(&t),
	       (double)torture_longest_ns(&t) / 1e6, r == 0 ? "no failure" : "FAILED");
	if (r == 0)
		torture_end(&t);
	else
		printf("the segment is kept: dure check %s\n", TORTURE_SEGMENT);
	return r == 0 ? 0 : 1;
}
