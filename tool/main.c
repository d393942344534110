/* SPDX-License-Identifier: MIT */
/*
 * main.c - the dure command: picks the subcommand
 */
#include <dure.h>
#include <errno.h>
#include <string.h>

#include "lookalike.h"
#include "tool.h"

/* those without a summary share the line of the one before them */
static const struct command *const commands[] = {
	&cmd_ls,     &cmd_who,	&cmd_doctor, &cmd_explain, &cmd_limits, &cmd_reap,
	&cmd_undo,   &cmd_rm,	&cmd_show,   &cmd_map,	   &cmd_check, &cmd_repair,
	&cmd_dump,   &cmd_load, &cmd_send,   &cmd_recv,	   &cmd_peek,  &cmd_pub,
	&cmd_sub,    &cmd_call, &cmd_serve,  &cmd_queues,  &cmd_record, &cmd_replay,
	&cmd_top,    &cmd_snapshot, &cmd_diff, &cmd_watch, &cmd_metrics, &cmd_demo,
};

static const struct lookalike *const lookalikes[] = { &ipcs, &ipcrm, &lsipc };

/* "  send, recv, peek  what they do" */
static void print_line(FILE *stream, size_t first, size_t end)
{
	char names[40];
	size_t used = 0;

	for (size_t i = first; i < end; i++)
		used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
					 i > first ? ", " : "", commands[i]->name);
	fprintf(stream, "  %-21s  %s\n", names, commands[first]->summary);
}

static int help(FILE *stream)
{
	size_t count = sizeof commands / sizeof *commands;

	fputs("Usage: dure COMMAND [OPTION...] [ARGUMENT...]\n"
	      "See, explain and clean up all shared memory and IPC of a host.\n",
	      stream);
	for (size_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count && !commands[end]->summary; end++)
			;
		print_line(stream, first, end);
	}
	fputs("  ipcs, ipcrm, lsipc     as those of util-linux; also when dure is called so\n"
	      "Each has --help; see dure(1). Status: 0 fine, 1 found or refused, 2 trouble.\n",
	      stream);
	return stream == stdout ? EXIT_FINE : EXIT_TROUBLE;
}

/* What could not be written is trouble, also when it is the last buffer's. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "dure: the output cannot be written: %s\n", strerror(errno));
	return EXIT_TROUBLE;
}

static int run(const struct command *command, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof name, "dure: %s", command->name);	/* for getopt's complaints */
	argv[0] = name;
	return command->run(argc, argv);
}

static const struct lookalike *find_lookalike(const char *name)
{
	for (size_t i = 0; i < sizeof lookalikes / sizeof *lookalikes; i++)
		if (strcmp(name, lookalikes[i]->name) == 0)
			return lookalikes[i];
	return NULL;
}

static int run_lookalike(const struct lookalike *lookalike, int argc, char **argv)
{
	char name[16];

	snprintf(name, sizeof name, "%s", lookalike->name);	/* for getopt's complaints */
	argv[0] = name;
	return lookalike->run(argc, argv);
}

static int choose(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const struct lookalike *lookalike = argc ? find_lookalike(slash ? slash + 1 : argv[0]) : NULL;

	if (lookalike)
		return run_lookalike(lookalike, argc, argv);
	if (argc < 2)
		return help(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(stdout);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("dure " DURE_TOOL_VERSION);
		return EXIT_FINE;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i]->name) == 0)
			return run(commands[i], argc - 1, argv + 1);
	if ((lookalike = find_lookalike(argv[1])))
		return run_lookalike(lookalike, argc - 1, argv + 1);
	fprintf(stderr, "dure: there is no command \"%s\"\n", argv[1]);
	return help(stderr);
}

int main(int argc, char **argv)
{
	return finish(choose(argc, argv));
}
