/* SPDX-License-Identifier: MIT */
/* run.h - running a row */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "report.h"

struct bench_plan {
	unsigned rounds;
	double ops_share;		/* of the rows' operations per round */
	void (*progress)(const char *row, const char *doing);
};

/* SIGINT and SIGTERM set it: rows end after the round that is under way. */
extern volatile int bench_is_stopped;

/* Sets all contenders up, runs their rounds in turn, and fills *ret. */
void bench_run(const struct bench_row *row, const struct bench_plan *plan,
	       struct bench_outcome *ret);

#endif
