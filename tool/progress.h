/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far a long work is, on a terminal
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	bool is_wanted, is_drawn;
	uint64_t total;			/* 0: nobody knows */
	int64_t next_ns;
};

/* is_wanted: if the standard error is a terminal, too; it shows when the work has taken a while */
void progress_begin(struct progress *p, bool is_wanted, uint64_t total);
void progress_step(struct progress *p, uint64_t done);
/* takes the bar away */
void progress_end(struct progress *p);

/* The bar itself, and the percentage, from the line's beginning. part: 0 to 1 */
void draw_bar(FILE *stream, double part);

#endif
