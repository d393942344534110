/* SPDX-License-Identifier: MIT */
/*
 * cmd_diff.c - dure diff: what grew between two snapshots, how fast, and when a limit is reached
 */
#include <getopt.h>
#include <stdlib.h>

#include "census.h"
#include "list.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_diff = {
	.name = "diff",
	.run = run,
	.usage = "Usage: dure diff [OPTION...] OLD [NEW]\n"
		 "Compare two snapshots, or one with what there is now: objects that are new,\n"
		 "gone, grown or shrunk, and limits: how fast they fill, and when they will be\n"
		 "full if it goes on like this: a straight line, which is no promise.\n\n"
		 "  -w, --within AGE   a limit that will be full so soon is an alarm (1d)\n"
		 "  -n, --max N        at most N objects (20; 0: all)\n"
		 "  -J, --json         JSON: all of them\n"
		 "  -h, --help         this text\n\n"
		 "Exit status: 0 compared, 1 a limit is full or will be within AGE (but not\n"
		 "further ahead than 100 times the time between the two), 2 trouble.\n",
};

static int compare(const char *old_path, const char *new_path, uint64_t within_s, uint64_t max,
		   bool is_json)
{
	struct census *before = census_read("diff", old_path);
	struct census *after = !before	  ? NULL
			       : new_path ? census_read("diff", new_path)
					  : census_take("diff", before->is_local);
	int status = EXIT_TROUBLE;

	if (after) {
		const struct census *samples[] = { before, after };
		struct census_difference *d = census_compare(samples, 2);
		if (d->seconds < 0)
			complain("diff", "the first snapshot is the newer one");
		if (is_json) {
			json_t *value = difference_value(d);
			json_dumpf(value, stdout, JSON_INDENT(1));
			putchar('\n');
			json_decref(value);
		} else {
			difference_print(d, max);
		}
		status = difference_alarm(d, (double)within_s) ? EXIT_FOUND : EXIT_FINE;
		difference_free(d);
	}
	census_free(before);
	census_free(after);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "within", required_argument, NULL, 'w' }, { "max", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'J' },	    { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t within = 86400, max = 20;
	bool is_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "w:n:Jh", options, NULL)) != -1)
		switch (c) {
		case 'w':
			if (!read_quantity(optarg, true, &within))
				return complain("diff", "--within %s: no time, as 90s, 2h or 3d", optarg);
			break;
		case 'n':
			if (!read_quantity(optarg, false, &max))
				return print_usage(&cmd_diff, stderr);
			break;
		case 'J':
			is_json = true;
			break;
		case 'h':
			return print_usage(&cmd_diff, stdout);
		default:
			return print_usage(&cmd_diff, stderr);
		}
	if (argc - optind < 1 || argc - optind > 2)
		return print_usage(&cmd_diff, stderr);
	return compare(argv[optind], optind + 1 < argc ? argv[optind + 1] : NULL, within, max, is_json);
}
