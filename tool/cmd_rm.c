/* SPDX-License-Identifier: MIT */
/*
 * cmd_rm.c - dure rm: take a segment's name away
 */
#include <getopt.h>

#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_rm = {
	.name = "rm",
	.run = run,
	.summary = "remove segments that nobody uses",
	.usage = "Usage: dure rm [--force] NAME...\n"
		 "Remove segments. One that is in use is refused.\n\n"
		 "  -f, --force    also while in use: its users keep it, nobody finds it any more\n"
		 "  -h, --help     this text\n\n"
		 "NAME is a plain name, a path (with a '/'), or sysv:ID.\n"
		 "Exit status: 0 all removed, 1 one was in use, 2 trouble.\n",
};

static int remove_one(const char *name, uint32_t flags)
{
	struct dure_segment_options options;
	char shown[256];
	const char *plain = segment_by_name(name, &options);
	int r = dure_segment_remove(plain, flags, &options);

	if (r >= 0)
		return EXIT_FINE;
	harmless(name, shown, sizeof shown);
	if (r == -EBUSY) {
		complain("rm", "%s is in use (dure show %s tells by whom); --force removes its name all "
			 "the same", shown, shown);
		return EXIT_FOUND;
	}
	return complain("rm", "%s: %s", shown, dure_last_error());
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	uint32_t flags = 0;
	int c, worst = EXIT_FINE;

	while ((c = getopt_long(argc, argv, "fh", options, NULL)) != -1)
		switch (c) {
		case 'f':
			flags = DURE_REMOVE_FORCE;
			break;
		case 'h':
			return print_usage(&cmd_rm, stdout);
		default:
			return print_usage(&cmd_rm, stderr);
		}
	if (optind == argc)
		return print_usage(&cmd_rm, stderr);
	for (; optind < argc; optind++) {
		int status = remove_one(argv[optind], flags);
		worst = status > worst ? status : worst;
	}
	return worst;
}
