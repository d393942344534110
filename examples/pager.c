/* SPDX-License-Identifier: MIT */
/*
 * pager - our standard output goes through ${PAGER:-more}, until its user has seen enough
 *
 * What a program prints reaches the pager by whatever way it prints. When the pager quits, writing
 * says so, and the program ends: no signal kills it on the way.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "pager: %s\n", dure_last_error());
	exit(1);
}

/* Prints a long text; returns how many lines went out before the pager quit. */
static int print_until_quit(dure_filter *filter)
{
	char line[32];
	int r = 0, lines = 0;

	while (r >= 0 && lines < 1000000) {
		int length = snprintf(line, sizeof line, "line %d\n", lines + 1);
		r = dure_filter_write(filter, line, (size_t)length, DURE_FOREVER);
		lines += r >= 0;
	}
	if (r != -EPIPE)
		must(r);
	return lines;
}

int main(void)
{
	const char *const pager[] = { "exec ${PAGER:-more}", NULL };
	struct dure_process_options shell = { .sz = sizeof shell, .flags = DURE_PROCESS_SHELL };
	dure_filter *filter;

	/* a user who looks at three lines, for this demonstration */
	setenv("PAGER", "head -n 3", 1);
	must(dure_filter_open(1, DURE_FILTER_WRITES, pager, &shell, &filter));
	int lines = print_until_quit(filter);
	int status = dure_filter_close(filter, DURE_FOREVER);
	must(status);
	printf("the pager has quit with status %d, long before a million lines: %s\n", status,
	       lines < 1000000 ? "yes" : "no");
	return 0;
}
