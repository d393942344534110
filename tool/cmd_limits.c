/* SPDX-License-Identifier: MIT */
/*
 * cmd_limits.c - dure limits: how much there may be, how much is used, and raising it
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "list.h"
#include "tool.h"

enum { C_LIMIT, C_VALUE, C_USED, C_PERCENT, C_HEADROOM, C_ERROR, C_TEXT, C_PATH, C_TOTAL };

static const struct column columns[C_TOTAL] = {
	[C_LIMIT] = { "LIMIT", "its name", 0.2, COLUMN_TEXT, true },
	[C_VALUE] = { "VALUE", "how much there may be", 9, COLUMN_TEXT, true },
	[C_USED] = { "USED", "how much there is", 9, COLUMN_TEXT, true },
	[C_PERCENT] = { "PERCENT", "of it is used", 4, COLUMN_NUMBER, true },
	[C_HEADROOM] = { "HEADROOM", "how much is left", 9, COLUMN_TEXT, true },
	[C_ERROR] = { "ERROR", "what calls fail with", 6, COLUMN_TEXT, true },
	[C_TEXT] = { "LIMITS", "what", 0.2, COLUMN_TEXT, true },
	[C_PATH] = { "PATH", "where it is set", 0.2, COLUMN_TEXT, false },
};

static int run(int argc, char **argv);

const struct command cmd_limits = {
	.name = "limits",
	.run = run,
	.summary = "limits on shared memory and IPC, and their use",
	.usage = "Usage: dure limits [OPTION...]\n"
		 "Show each limit on shared memory and IPC, and how much of it is used.\n\n"
		 "  -p, --pid PID          a process' own limits, instead of ours\n"
		 "  -S, --set NAME=VALUE   set a kernel limit now, and print the line for sysctl.d\n"
		 "  -f, --filter EXPR      only where it holds: 'percent > 50'\n"
		 "  -o, --output LIST      these columns, separated by commas\n"
		 "  -J, --json             JSON: all, amounts as numbers\n"
		 "  -n, --noheadings       no headings\n"
		 "  -h, --help             this text, and the columns\n\n"
		 "VALUE is a number, with K, M, G or T if it counts bytes.\n",
};

static void describe(struct row *row, const struct limit *limit)
{
	const struct dure_limit *l = &limit->l;
	char text[32];

	row_text(row, C_LIMIT, l->name);
	row_text(row, C_VALUE, limit_amount(limit, l->value, text, sizeof text));
	if (l->has_used) {
		row_text(row, C_USED, limit_amount(limit, l->used, text, sizeof text));
		if (l->value != DURE_LIMIT_NONE && l->value) {
			row_number(row, C_PERCENT,
				   (uint64_t)(100.0 * (double)l->used / (double)l->value));
			row_text(row, C_HEADROOM,
				 limit_amount(limit, l->used < l->value ? l->value - l->used : 0, text,
					      sizeof text));
		}
	}
	row_text(row, C_ERROR, l->error);
	row_text(row, C_TEXT, l->text);
	if (*l->path)
		row_text(row, C_PATH, l->path);
}

static int print_json(const struct limits *limits)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < limits->count; i++)
		json_array_append_new(list, limit_value(&limits->items[i], NULL));
	json_t *all = json_pack("{s:i, s:o}", "version", 1, "limits", list);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
	return EXIT_FINE;
}

static int show(const struct limits *limits, const char *filter,
		const struct table_options *options)
{
	struct list list;
	int status = EXIT_FINE;

	if (options->is_json)
		return print_json(limits);
	list_begin(&list, columns, C_TOTAL);
	for (size_t i = 0; i < limits->count; i++)
		describe(list_add(&list), &limits->items[i]);
	if (filter && !list_filter(&list, "limits", filter))
		status = EXIT_TROUBLE;
	else if (!list_print(&list, "limits", options))
		status = complain("limits", "--output %s: no such columns (dure limits --help lists them)",
				  options->output);
	list_end(&list);
	return status;
}

/* -- setting ----------------------------------------------------------------------------- */

static int write_sysctl(const struct limit *limit, const char *line)
{
	FILE *file = fopen(limit->l.path, "we");
	char name[64];

	/* the kernel judges when the buffer is written, which may be at the end */
	bool is_written = file && fprintf(file, "%s\n", line) > 0;
	int code = errno;
	if (file && fclose(file) != 0) {
		is_written = false;
		code = errno;
	}
	if (!is_written)
		return complain("limits", "%s cannot be set to %s: %s%s", limit->l.name, line,
				strerror(code),
				code == EACCES || code == EPERM || code == EROFS ? " (it needs root)" : "");
	snprintf(name, sizeof name, "%.*s", (int)strcspn(limit->l.name, ":"), limit->l.name);
	printf("%s = %s\n", name, line);
	printf("# to keep it: echo '%s = %s' > /etc/sysctl.d/60-%s.conf\n", name, line, name);
	return EXIT_FINE;
}

static int set(const struct limits *limits, const char *assignment)
{
	size_t name_bytes = strcspn(assignment, "=");
	const struct limit *limit = NULL;
	char line[200];
	uint64_t value;

	for (size_t i = 0; i < limits->count; i++)
		if (strlen(limits->items[i].l.name) == name_bytes &&
		    strncmp(limits->items[i].l.name, assignment, name_bytes) == 0)
			limit = &limits->items[i];
	if (!limit || !assignment[name_bytes])
		return complain("limits", "--set %s: NAME=VALUE is wanted, with a NAME that dure limits shows",
				assignment);
	if (strncmp(limit->l.path, "/proc/sys/", 10) != 0) {
		struct remedy remedies[REMEDIES_MAX];
		unsigned n = limit_remedies(limit, remedies);
		return complain("limits", "%s is not the kernel's to set; %s: %s", limit->l.name,
				n ? remedies[0].where : "", n ? remedies[0].line : "");
	}
	if (!read_quantity(assignment + name_bytes + 1, false, &value))
		return complain("limits", "--set %s: the value is no number", assignment);
	if (!sysctl_line(&limit->l, value, line, sizeof line))
		return complain("limits", "%s cannot be read", limit->l.path);
	return write_sysctl(limit, line);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },    { "set", required_argument, NULL, 'S' },
		{ "filter", required_argument, NULL, 'f' }, { "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'J' },	    { "noheadings", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	const char *filter = NULL, *assignment = NULL;
	struct table_options table = { 0 };
	struct limits limits;
	struct host host;
	uint32_t process = 0;
	int c, status = EXIT_TROUBLE;

	while ((c = getopt_long(argc, argv, "p:S:f:o:Jnh", options, NULL)) != -1)
		switch (c) {
		case 'p':
			if (!pid_read("limits", optarg, &process))
				return EXIT_TROUBLE;
			break;
		case 'S':
			assignment = optarg;
			break;
		case 'f':
			filter = optarg;
			break;
		case 'o':
			table.output = optarg;
			break;
		case 'J':
			table.is_json = true;
			break;
		case 'n':
			table.no_headings = true;
			break;
		case 'h':
			print_usage(&cmd_limits, stdout);
			table_list_columns(columns, C_TOTAL);
			return EXIT_FINE;
		default:
			return print_usage(&cmd_limits, stderr);
		}
	if (argc != optind)
		return print_usage(&cmd_limits, stderr);
	if (!host_begin(&host, "limits", 0, 0))
		return EXIT_TROUBLE;
	if (limits_begin(&limits, &host, "limits", process)) {
		status = assignment ? set(&limits, assignment) : show(&limits, filter, &table);
		limits_end(&limits);
	}
	host_end(&host);
	return status;
}
