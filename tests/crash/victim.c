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
	const struct scenario *scenario = argc == 3 ? scenario_named(argv[2]) : NULL;

	if (!scenario && (argc != 3 || strcmp(argv[2], "--recover") != 0))
		return 99;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
		perror("ptrace");
		return 99;
	}
	if (scenario)
		run_scenario(argv[1], scenario);
	else
		recover(atoi(argv[1]));
	_exit(0);
}
