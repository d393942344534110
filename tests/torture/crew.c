/* SPDX-License-Identifier: MIT */
/*
 * crew.c - workers that are killed and stopped at random
 *
 * How      A round: all workers begin; one after the other is killed at random, and begins anew.
 *          Some are stopped for a moment, while the others go on; half of those are then killed
 *          where they stand. Two go at once now and then. In the end all are killed.
 * Rules    [CREW1] a worker ends because it was killed, and by nothing else
 *          [CREW2] within five seconds somebody does something
 */
#include "crew.h"

#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_MS = 1000, PROGRESS_MS = 5000 };

static const char *program = "torture";
static uint64_t dice_state = 1;
static uint32_t lives;
static pid_t pids[CREW_MAX];
static int64_t end_ms;

uint64_t dice(uint64_t sides)
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

_Noreturn void stop_with(int status, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, dure_last_error());
	exit(status);
}

void must(int result, const char *what)
{
	if (result < 0)
		stop_with(1, what);
}

/* -- workers ----------------------------------------------------------------------------- */

static void start_worker(const struct crew *crew, unsigned i)
{
	uint64_t seed = dice(UINT64_MAX);
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
	dice_state = seed | 1;
	crew->work(i, lives);
	stop_with(1, "a worker has done all");
}

/* [CREW1] */
static void reap(struct crew *crew, unsigned i)
{
	int status;

	if (waitpid(pids[i], &status, 0) != pids[i] || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "%s: a worker ended by itself (status %#x); the segment is kept\n",
			program, (unsigned)status);
		exit(1);
	}
	crew->killed++;
}

static void kill_and_replace(struct crew *crew, unsigned i)
{
	kill(pids[i], SIGKILL);
	reap(crew, i);
	start_worker(crew, i);
}

static void kill_two(struct crew *crew, unsigned i, unsigned j)
{
	kill(pids[i], SIGKILL);
	kill(pids[j], SIGKILL);
	reap(crew, i);
	start_worker(crew, i);
	if (i == j)
		return;
	reap(crew, j);
	start_worker(crew, j);
}

/* Meanwhile the others go on. */
static void stop_for_a_moment(struct crew *crew, unsigned i)
{
	struct timespec moment = { .tv_nsec = (long)dice(20000000) };

	kill(pids[i], SIGSTOP);
	nanosleep(&moment, NULL);
	crew->stopped++;
	if (dice(2)) {
		kill(pids[i], SIGCONT);
		return;
	}
	kill_and_replace(crew, i);
	crew->killed_stopped++;
}

/* -- a round ----------------------------------------------------------------------------- */

/* [CREW2] */
static void watch_progress(const struct crew *crew, uint64_t *seen, int64_t *moved_ms)
{
	uint64_t now = crew->progress();

	if (now != *seen)
		*moved_ms = now_ms();
	else if (now_ms() - *moved_ms > PROGRESS_MS)
		stop_with(1, "nobody has done anything for five seconds");
	*seen = now;
}

static void do_harm(struct crew *crew)
{
	unsigned i = (unsigned)dice(crew->workers);

	switch (dice(20)) {
	case 0:
		stop_for_a_moment(crew, i);
		break;
	case 1:
		kill_two(crew, i, (unsigned)dice(crew->workers));
		break;
	default:
		kill_and_replace(crew, i);
		break;
	}
}

bool crew_round(struct crew *crew)
{
	int64_t end = now_ms() + ROUND_MS, moved = now_ms();
	uint64_t seen = 0;

	if (now_ms() >= end_ms)
		return false;
	for (unsigned i = 0; i < crew->workers; i++)
		start_worker(crew, i);
	while (now_ms() < end) {
		struct timespec pause = { .tv_nsec = (long)dice(2ul * crew->kill_every_us) * 1000 };
		nanosleep(&pause, NULL);
		do_harm(crew);
		watch_progress(crew, &seen, &moved);
	}
	for (unsigned i = 0; i < crew->workers; i++)
		kill(pids[i], SIGKILL);
	for (unsigned i = 0; i < crew->workers; i++)
		reap(crew, i);
	crew->rounds++;
	return true;
}

void crew_read_arguments(struct crew *crew, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'r' },
		{ "workers", required_argument, NULL, 'w' },
		{ "kill-every-us", required_argument, NULL, 'k' }, { 0 },
	};
	int c;

	program = crew->program;
	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;
		if (c == 's')
			crew->seconds = (unsigned)value;
		else if (c == 'r')
			crew->seed = value;
		else if (c == 'w' && value > 0 && value <= CREW_MAX)
			crew->workers = (unsigned)value;
		else if (c == 'k' && value > 0)
			crew->kill_every_us = (unsigned)value;
		else
			stop_with(99, "bad arguments");
	}
	dice_state = crew->seed * 2654435761u | 1;
	end_ms = now_ms() + (int64_t)crew->seconds * 1000;
}

/* -- the judge --------------------------------------------------------------------------- */

static void show(const struct dure_finding *finding, void *context)
{
	(void)context;
	fprintf(stderr, "[%s] +%#llx %s\n", finding->rule, (unsigned long long)finding->offset,
		finding->text);
}

void must_be_clean(dure_segment *seg)
{
	must(dure_segment_recover(seg), "recover");
	if (dure_segment_check(seg, NULL, show, NULL) != 0)
		stop_with(1, "the check has findings");
}

uint64_t live_blocks(dure_segment *seg)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(seg, &info), "heap_info");
	return info.live_blocks;
}

dure_segment *new_segment(const char *name)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 32 << 20 };
	dure_segment *seg;

	dure_segment_remove(name, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(name, DURE_CREATE, &o, &seg), "create");
	return seg;
}

/* Whoever looks into /proc may keep the memory of a dead process for a moment. */
void remove_segment(dure_segment *seg, const char *name)
{
	int64_t end = now_ms() + PROGRESS_MS;
	int r;

	must(dure_segment_close(seg), "close");
	while ((r = dure_segment_remove(name, 0, NULL)) == -EBUSY && now_ms() < end)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	must(r, "remove");
}
