/* SPDX-License-Identifier: MIT */
/*
 * cmd_snapshot.c - dure snapshot: how much of everything there is now, for dure diff
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "census.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_snapshot = {
	.name = "snapshot",
	.run = run,
	.summary = "write down what there is, for diff",
	.usage = "Usage: dure snapshot [OPTION...] [FILE]\n"
		 "Write down all objects with their sizes, and all limits with their use, as JSON\n"
		 "to FILE, which is replaced in one step, or to standard output.\n\n"
		 "  -l, --local      not what other containers have: this namespace alone\n"
		 "  -h, --help       this text\n\n"
		 "Exit status: 0 written, 2 trouble.\n",
};

/* A reader of path finds the old one or all of the new one. */
static int replace_file(const char *path, json_t *value)
{
	char *temporary = or_exit(malloc(strlen(path) + 12));
	FILE *file = NULL;
	mode_t mask = umask(0);
	int fd, code = 0;

	umask(mask);
	sprintf(temporary, "%s.XXXXXX", path);
	fd = mkstemp(temporary);
	if (fd >= 0)
		file = fdopen(fd, "w");
	if (!file || json_dumpf(value, file, JSON_INDENT(1)) < 0 || fputc('\n', file) < 0 ||
	    fflush(file) != 0 || fchmod(fd, 0666 & ~mask) < 0)
		code = errno;
	if (file && fclose(file) != 0 && !code)
		code = errno;
	if (!code && rename(temporary, path) < 0)
		code = errno;
	if (code && fd >= 0)
		unlink(temporary);
	free(temporary);
	return code ? complain("snapshot", "%s: it cannot be written: %s", path, strerror(code))
		    : EXIT_FINE;
}

/* a device or a pipe: nobody wants that replaced */
static int fill_file(const char *path, json_t *value)
{
	FILE *file = fopen(path, "we");
	bool is_written = file && json_dumpf(value, file, JSON_INDENT(1)) == 0 && fputc('\n', file) >= 0;

	if (file && fclose(file) != 0)
		is_written = false;
	return is_written ? EXIT_FINE
			  : complain("snapshot", "%s: it cannot be written: %s", path, strerror(errno));
}

static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static int write_snapshot(const char *path, bool is_local)
{
	struct census *census = census_take("snapshot", is_local);
	int status = EXIT_FINE;
	json_t *value;

	if (!census)
		return EXIT_TROUBLE;
	value = census_value(census);
	if (path && strcmp(path, "-") != 0) {
		status = is_special(path) ? fill_file(path, value) : replace_file(path, value);
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
