/* SPDX-License-Identifier: MIT */
/*
 * victim.c - the process that is single-stepped
 *
 *	victim SEGMENT SCENARIO		run a scenario, between two stops
 *	victim FD --recover		open the segment behind a descriptor and recover everything
 *
 * It is linked with the release library, by the compiler and with the options under test.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "scenario.h"

/* Everything between two of these is stepped. */
static void marker(void)
{
	raise(SIGSTOP);
}

static const struct scenario *find(const char *name)
{
	for (unsigned i = 0; i < scenario_count; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	fprintf(stderr, "no scenario %s\n", name);
	exit(99);
}

static void run_scenario(const char *segment, const struct scenario *scenario)
{
	struct dure_segment_options options = small_segment();
	struct world w = { .name = segment };

	must(dure_segment_open(segment, DURE_OPEN, &options, &w.seg), "open");
	must(dure_object_find(w.seg, "root", DURE_TYPE(struct root), (void **)&w.root, NULL),
	     "find root");
	scenario->prepare(&w);
	marker();
	scenario->run(&w);
	marker();
}

static void recover(int fd)
{
	struct dure_segment_options options = { .sz = sizeof options, .fd = fd,
						.backing = DURE_BACKING_MEMORY_FILE };
	dure_segment *seg;

	must(dure_segment_open(NULL, DURE_OPEN, &options, &seg), "open");
	marker();
	must(dure_segment_recover(seg), "recover");
	marker();
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 99;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
		perror("ptrace");
		return 99;
	}
	if (strcmp(argv[2], "--recover") == 0)
		recover(atoi(argv[1]));
	else
		run_scenario(argv[1], find(argv[2]));
	_exit(0);
}
