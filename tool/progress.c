/* SPDX-License-Identifier: MIT */
/*
 * progress.c - how far a long work is, on a terminal
 */
#include "progress.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

enum {
	BAR_WIDTH = 30,
	FIRST_NS = 300000000,		/* shorter work needs no bar */
	NEXT_NS = 100000000,
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void draw_bar(FILE *stream, double part)
{
	double whole = part > 1 ? 1 : part;
	int filled = (int)(whole * BAR_WIDTH);

	fprintf(stream, "\r%s[%.*s%*s]%s %3.0f %%", color_on(stream, COLOR_GOOD), filled,
		"##############################", BAR_WIDTH - filled, "", color_off(stream),
		whole * 100);
}

void progress_begin(struct progress *p, bool is_wanted, uint64_t total)
{
	*p = (struct progress){ .is_wanted = is_wanted && isatty(STDERR_FILENO), .total = total };
	if (p->is_wanted)
		p->next_ns = now_ns() + FIRST_NS;
}

void progress_step(struct progress *p, uint64_t done)
{
	if (!p->is_wanted || now_ns() < p->next_ns)
		return;
	if (p->total)
		draw_bar(stderr, (double)done / (double)p->total);
	else
		fprintf(stderr, "\r%" PRIu64, done);
	fflush(stderr);
	p->is_drawn = true;
	p->next_ns = now_ns() + NEXT_NS;
}

void progress_end(struct progress *p)
{
	if (p->is_drawn)
		fprintf(stderr, "\r%*s\r", BAR_WIDTH + 10, "");
}
