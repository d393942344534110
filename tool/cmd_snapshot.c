/* SPDX-License-Identifier: MIT */
/*
 * cmd_snapshot.c - dure snapshot: how much of everything there is now, for dure diff
 */
#include <getopt.h>
#include <string.h>

#include "census.h"
#include "replace.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_snapshot = {
	.name = "snapshot",
	.run = run,
	.summary = "what grew, how fast, and when limits are hit",
	.usage = "Usage: dure snapshot [OPTION...] [FILE]\n"
		 "Write down all objects with their sizes, and all limits with their use, as JSON\n"
		 "to FILE, which is replaced in one step, or to standard output.\n\n"
		 "  -l, --local      not what other containers have: this namespace alone\n"
		 "  -h, --help       this text\n\n"
		 "Exit status: 0 written, 2 trouble.\n",
};

static int write_snapshot(const char *path, bool is_local)
{
	struct census *census = census_take("snapshot", is_local);
	struct replacement file;
	int status = EXIT_FINE;
	json_t *value;

	if (!census)
		return EXIT_TROUBLE;
	value = census_value(census);
	if (path && strcmp(path, "-") != 0) {
		status = EXIT_TROUBLE;
		if (replace_begin(&file, "snapshot", path)) {
			json_dumpf(value, file.file, JSON_INDENT(1));
			fputc('\n', file.file);
			status = replace_end(&file);
		}
	} else {
		json_dumpf(value, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(value);
	census_free(census);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "local", no_argument, NULL, 'l' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	bool is_local = false;
	int c;

	while ((c = getopt_long(argc, argv, "lh", options, NULL)) != -1)
		switch (c) {
		case 'l':
			is_local = true;
			break;
		case 'h':
			return print_usage(&cmd_snapshot, stdout);
		default:
			return print_usage(&cmd_snapshot, stderr);
		}
	if (argc - optind > 1)
		return print_usage(&cmd_snapshot, stderr);
	return write_snapshot(optind < argc ? argv[optind] : NULL, is_local);
}
