/* SPDX-License-Identifier: MIT */
/*
 * cmd_check.c - dure check: does a segment hold together
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_check = {
	.name = "check",
	.run = run,
	.summary = "does a segment hold together; mend what the dead left",
	.usage = "Usage: dure check [OPTION...] NAME\n"
		 "Check every page, block, lock, name and map of a segment.\n\n"
		 "  -m, --mend     deal with what dead processes have left, then check\n"
		 "  -J, --json     the findings as JSON\n"
		 "  -n, --max N    print at most N findings (100; 0: all)\n"
		 "  -q, --quiet    only the exit status\n"
		 "  -h, --help     this text\n\n"
		 "NAME is a plain name, a path (with a '/'), sysv:ID or core:PATH. A segment in\n"
		 "use may be changed meanwhile; then look twice before you believe a finding.\n"
		 "Exit status: 0 clean, 1 mended or mendable, 2 damaged (or it cannot be opened).\n",
};

struct report {
	bool is_quiet;
	uint64_t max, seen;		/* findings to be printed, 0: all */
	json_t *findings;		/* NULL: text */
};

static void print_finding(const struct dure_finding *finding, void *context)
{
	struct report *report = context;
	bool damaged = finding->grade == DURE_FINDING_DAMAGED;

	/* one wrong word may make every page look wrong */
	if (report->max && report->seen++ >= report->max)
		return;
	if (report->findings)
		json_array_append_new(report->findings,
				      json_pack("{s:s, s:s, s:I, s:s}", "grade",
						damaged ? "damaged" : "mendable", "rule",
						finding->rule, "offset", (json_int_t)finding->offset,
						"text", finding->text));
	else if (!report->is_quiet)
		printf("%s%-8s%s %-8s +0x%" PRIx64 "  %s\n",
		       color_on(stdout, damaged ? COLOR_BAD : COLOR_WARN),
		       damaged ? "damaged" : "mendable", color_off(stdout), finding->rule,
		       finding->offset, finding->text);
}

static void print_sums(const struct report *report, const struct dure_check *sums, int mended,
		       int result)
{
	static const char *const words[] = { "clean", "mendable", "damaged" };

	if (!report->is_quiet && !report->findings && report->max && report->seen > report->max)
		printf("... and %" PRIu64 " more findings (--max 0 prints all)\n",
		       report->seen - report->max);
	if (report->findings) {
		json_t *all = json_pack(
			"{s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "result", words[result], "mended",
			mended, "pages", (json_int_t)sums->pages, "blocks", (json_int_t)sums->blocks,
			"live_blocks", (json_int_t)sums->live_blocks, "live_bytes",
			(json_int_t)sums->live_bytes, "objects", (json_int_t)sums->objects,
			"mendable", (json_int_t)sums->mendable, "damaged",
			(json_int_t)sums->damaged, "findings", report->findings);
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
	} else if (!report->is_quiet) {
		printf("%" PRIu64 " pages, %" PRIu64 " blocks (%" PRIu64 " live), %" PRIu64
		       " objects", sums->pages, sums->blocks, sums->live_blocks, sums->objects);
		if (mended)
			printf("; dealt with %d dead thread%s", mended, mended == 1 ? "" : "s");
		printf(": %s%s%s\n", color_on(stdout, result == 0   ? COLOR_GOOD
						       : result == 1 ? COLOR_WARN
								     : COLOR_BAD),
		       words[result], color_off(stdout));
	}
}

static int check(const char *name, bool mends, struct report *report)
{
	struct dure_check sums = { .sz = sizeof sums };
	int mended = 0, result;
	dure_segment *seg;

	if (open_segment("check", name, mends ? DURE_OPEN : DURE_OPEN | DURE_READ_ONLY, &seg) < 0)
		return EXIT_TROUBLE;
	if (mends)
		mended = dure_segment_recover(seg);
	result = mended < 0 ? mended : dure_segment_check(seg, &sums, print_finding, report);
	if (result < 0) {
		result = complain_segment("check", name);
	} else {
		print_sums(report, &sums, mended, result);
		if (result == 0 && mended)
			result = EXIT_FOUND;
	}
	dure_segment_close(seg);
	return result;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mend", no_argument, NULL, 'm' },  { "json", no_argument, NULL, 'J' },
		{ "quiet", no_argument, NULL, 'q' }, { "max", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },  { 0 },
	};
	struct report report = { .max = 100 };
	bool mends = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "mJqn:h", options, NULL)) != -1)
		switch (c) {
		case 'm':
			mends = true;
			break;
		case 'J':
			if (!report.findings)
				report.findings = json_array();
			break;
		case 'q':
			report.is_quiet = true;
			break;
		case 'n':
			report.max = strtoull(optarg, &end, 10);
			if (!*optarg || *end)
				return print_usage(&cmd_check, stderr);
			break;
		case 'h':
			return print_usage(&cmd_check, stdout);
		default:
			return print_usage(&cmd_check, stderr);
		}
	if (argc - optind != 1)
		return print_usage(&cmd_check, stderr);
	int status = check(argv[optind], mends, &report);
	json_decref(report.findings);
	return status;
}
