/* SPDX-License-Identifier: MIT */
/* report.h - results, as a text table, CSV and Markdown */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "bench.h"

struct bench_result {
	const char *who;		/* NULL: nobody */
	bool is_missing;		/* it could not be had here */
	double median, low, high;
	unsigned runs;
};

struct bench_outcome {
	const struct bench_row *row;
	struct bench_result results[BENCH_CONTENDERS_MAX];
	double goal;			/* the hardest of them; 0: none */
	const char *goal_text;
	double probe_low, probe_median, probe_high;	/* ns */
	unsigned far_rounds;		/* of those that count */
};

enum bench_form { BENCH_TEXT, BENCH_MARKDOWN };

/* Finds the goal; the results are there. */
void bench_outcome_judge(struct bench_outcome *outcome);
bool bench_outcome_is_met(const struct bench_outcome *outcome);

void bench_print_head(FILE *to, enum bench_form form);
void bench_print_row(FILE *to, enum bench_form form, const struct bench_outcome *outcome);
void bench_print_csv_head(FILE *to);
void bench_print_csv(FILE *to, const struct bench_outcome *outcome);

#endif
