/* SPDX-License-Identifier: MIT */
/*
 * run.c - running a row
 *
 * How      bench.h, "Method". A row for which both cores work together probes the way between
 *          them before and after each round of all contenders; when they were not near, the
 *          round is done again when they are, or counts after all, and the row is marked,
 *          when that takes too long: WAIT_NS for all rows together.
 */
#include "run.h"

#include <stdlib.h>
#include <time.h>

#include "crew.h"
#include "timing.h"

enum {
	ROUNDS_MAX = 64,
	PATIENCE = 20,			/* rounds of a row that are done again, at most */
	WARM_PART = 4,			/* of the work goes unmeasured first */
};

#define WAIT_NS 60e9			/* for near cores, by all rows together */
#define PAUSE_NS 20000000		/* between two looks */

volatile int bench_is_stopped;
static double waited_ns;

/* A contender of the row that runs. */
struct runner {
	const struct bench_contender *who;
	void *shared, *state;
	struct bench_crew *crew;
	double values[ROUNDS_MAX];
	uint64_t ops;
};

static void open_runner(struct runner *r, const struct bench_contender *who)
{
	r->who = who;
	r->shared = who->open(who->argument);
	if (!r->shared)
		return;
	if (who->processes)
		r->crew = bench_crew_open(who, r->shared);
	else
		r->state = who->join ? who->join(r->shared, 0) : r->shared;
}

static double run_once(struct runner *r, uint64_t ops, unsigned flags)
{
	return r->crew ? bench_crew_round(r->crew, ops, flags) : r->who->round(r->state, ops);
}

static void close_runner(struct runner *r)
{
	bench_crew_close(r->crew);
	if (r->shared)
		r->who->close(r->shared);
}

static void run_round(struct runner *runners, unsigned count, unsigned round, unsigned flags)
{
	for (unsigned i = 0; i < count && !bench_is_stopped; i++) {
		struct runner *r = &runners[i];
		if (!r->shared)
			continue;
		if (r->ops >= WARM_PART)
			run_once(r, r->ops / WARM_PART, flags);
		r->values[round] = run_once(r, r->ops, flags);
	}
}

static void take_result(struct runner *r, unsigned rounds, struct bench_result *ret)
{
	ret->who = r->who->who;
	ret->is_missing = !r->shared || rounds == 0;
	if (ret->is_missing)
		return;
	ret->median = bench_median(r->values, rounds);
	ret->low = r->values[0];
	ret->high = r->values[rounds - 1];
	ret->runs = rounds;
}

static unsigned open_all(struct runner *runners, const struct bench_row *row,
			 const struct bench_plan *plan)
{
	unsigned count = 0;

	while (count < BENCH_CONTENDERS_MAX && row->contenders[count].who) {
		const struct bench_contender *who = &row->contenders[count];
		plan->progress(row->name, who->who);
		open_runner(&runners[count], who);
		runners[count].ops = (uint64_t)((double)(who->ops ? who->ops : row->ops) *
						plan->ops_share);
		if (runners[count].ops == 0)
			runners[count].ops = 1;
		count++;
	}
	return count;
}

static void fill_probes(struct bench_outcome *ret, double *probes, unsigned count)
{
	ret->probe_median = bench_median(probes, count);
	ret->probe_low = probes[0];
	ret->probe_high = probes[count - 1];
}

/* Probes until the cores are near, as long as there is patience left. */
static double probe_until_near(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	double start = bench_wall(), probe = bench_probe();

	while (probe > BENCH_NEAR_NS && waited_ns + (bench_wall() - start) < WAIT_NS &&
	       !bench_is_stopped) {
		nanosleep(&pause, NULL);
		probe = bench_probe();
	}
	waited_ns += bench_wall() - start;
	return probe;
}

void bench_run(const struct bench_row *row, const struct bench_plan *plan,
	       struct bench_outcome *ret)
{
	struct runner *runners = calloc(BENCH_CONTENDERS_MAX, sizeof *runners);
	double probes[ROUNDS_MAX + 1];
	unsigned count, done = 0, again = 0;
	bool is_pair = row->flags & BENCH_BOTH_CORES;

	if (!runners || plan->rounds > ROUNDS_MAX)
		bench_die("no memory for a row");
	*ret = (struct bench_outcome){ .row = row };
	bench_clock_choose(row->flags & BENCH_CPU_TIME);
	count = open_all(runners, row, plan);
	plan->progress(row->name, "");
	run_round(runners, count, 0, row->flags);		/* to warm up */
	probes[0] = is_pair ? probe_until_near() : bench_probe();
	while (done < plan->rounds && !bench_is_stopped) {
		run_round(runners, count, done, row->flags);
		probes[done + 1] = bench_probe();
		bool is_far = probes[done] > BENCH_NEAR_NS || probes[done + 1] > BENCH_NEAR_NS;
		if (is_far && is_pair && again < PATIENCE) {
			probes[done] = probe_until_near();
			again++;
			continue;
		}
		ret->far_rounds += is_far && is_pair;
		done++;
	}
	if (bench_is_stopped)
		done = 0;
	fill_probes(ret, probes, done + 1);
	for (unsigned i = 0; i < count; i++) {
		take_result(&runners[i], done, &ret->results[i]);
		close_runner(&runners[i]);
	}
	free(runners);
	bench_outcome_judge(ret);
}
