/* SPDX-License-Identifier: MIT */
/*
 * recovery.c - does recovery cost what the dead one held, whatever the segment holds
 *
 * A process takes a lock in a transaction, changes some words, and is killed; it is gone when
 * the clock starts. What counts is the survivor's lock: finding out, rolling back, freeing.
 * The segments are filled with objects by a process that lives.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "share.h"
#include "timing.h"

struct work {
	uint64_t segment_bytes;
	uint64_t words;			/* that the dead one has changed */
};

static const struct work small = { .segment_bytes = 1u << 20, .words = 4 };
static const struct work large = { .segment_bytes = 256u << 20, .words = 4 };
static const struct work much = { .segment_bytes = 256u << 20, .words = 10000 };

enum { WORDS_MAX = 10000, WORDS_FEW = 100, OBJECT_BYTES = 240 };

struct state {
	const struct work *work;
	dure_segment *segment;
	dure_mutex *mutex;
	uint64_t *words;
};

static void *open_full(const void *argument)
{
	struct state *s = calloc(1, sizeof *s);
	void *block;
	int r;

	s->work = argument;
	s->segment = bench_segment_make(s->work->segment_bytes);
	s->mutex = bench_segment_memory(s->segment, sizeof *s->mutex);
	s->words = bench_segment_memory(s->segment, WORDS_MAX * sizeof *s->words);
	while ((r = dure_block_reserve(s->segment, OBJECT_BYTES, 0, &block)) == 0)
		bench_must(dure_block_keep(s->segment, block), "keep");
	if (r != -ENOSPC)
		bench_must(r, "reserve");
	if (s->work->words > WORDS_FEW)		/* the log needs blocks */
		bench_must(dure_segment_grow(s->segment, s->work->segment_bytes + (16u << 20)), "grow");
	return s;
}

static void close_full(void *state)
{
	struct state *s = state;

	bench_segment_close(s->segment);
	free(s);
}

static _Noreturn void hold(struct state *s, int socket)
{
	dure_tx *tx;
	uint64_t one = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_segment_join(s->segment);
	bench_must(dure_tx_begin(s->segment, &tx), "begin");
	bench_must(dure_tx_lock(tx, s->mutex, DURE_FOREVER), "lock");
	for (uint64_t i = 0; i < s->work->words; i++)
		bench_must(dure_tx_write(tx, &s->words[i], &one, sizeof one), "write");
	if (write(socket, "h", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static void die_holding(struct state *s)
{
	int pair[2];
	char word;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || (pid = fork()) < 0)
		bench_die("fork failed");
	if (pid == 0) {
		close(pair[0]);
		hold(s, pair[1]);
	}
	close(pair[1]);
	if (read(pair[0], &word, 1) != 1)
		bench_die("the holder died too early");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pair[0]);
}

static double recover_round(void *state, uint64_t ops)
{
	enum { DEATHS_MAX = 64 };
	struct state *s = state;
	double times[DEATHS_MAX];
	uint64_t n = ops < DEATHS_MAX ? ops : DEATHS_MAX;

	for (uint64_t i = 0; i < n; i++) {
		die_holding(s);
		double start = bench_now();
		bench_must(dure_mutex_lock(s->segment, s->mutex, DURE_FOREVER), "lock");
		times[i] = (bench_now() - start) / 1000;
		if (s->words[0] || s->words[s->work->words - 1])
			bench_die("a transaction of the dead was not undone");
		bench_must(dure_mutex_unlock(s->segment, s->mutex), "unlock");
	}
	return bench_median(times, n);
}

#define FULL(who_, work_)                                                                         \
	.who = who_, .open = open_full, .round = recover_round, .close = close_full,              \
	.argument = &(work_)

const struct bench_row bench_recovery_rows[] = {
	{
		.name = "recovery",
		.what = "recover a dead transaction of 4 words, in a full segment of 256 MiB",
		.unit = "us",
		.ops = 15,
		.contenders = {
			{ FULL("dure", large) },
			{ FULL("in a full segment of 1 MiB", small) },
			{ FULL("of 10,000 words", much) },
		},
		.goals = { { .text = "as in 1 MiB + 25 %",
			     .of = { { "in a full segment of 1 MiB", 1.25 } } } },
	},
	{ .name = NULL },
};
