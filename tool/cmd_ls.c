/* SPDX-License-Identifier: MIT */
/*
 * cmd_ls.c - dure ls: all shared memory and IPC objects there are
 *
 * The kernel's objects come from one picture of the host; dure's segments are opened for
 * reading, and tell more than the kernel knows. A segment takes the place of the object that
 * holds its bytes.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ls.h"
#include "tool.h"

const struct column ls_columns[C_TOTAL] = {
	[C_OBJECT] = { "OBJECT", "what to call it in other commands", 0.3, COLUMN_TEXT, true },
	[C_KIND] = { "KIND", "sysv-shm ... posix-mq, memfd, deleted, anonymous, huge, lock, segment",
		     9, COLUMN_TEXT, false },
	[C_NAME] = { "NAME", "as its users call it", 0.2, COLUMN_TEXT, false },
	[C_USER] = { "USER", "whose it is", 8, COLUMN_TEXT, true },
	[C_CREATOR] = { "CREATOR", "user who made it (System V)", 8, COLUMN_TEXT, false },
	[C_MODE] = { "MODE", "permissions", 5, COLUMN_TEXT, true },
	[C_SIZE] = { "SIZE", "apparent; of queues: bytes waiting", 6, COLUMN_BYTES, true },
	[C_RESIDENT] = { "RESIDENT", "in memory", 6, COLUMN_BYTES, true },
	[C_SWAPPED] = { "SWAPPED", "swapped out (System V)", 6, COLUMN_BYTES, false },
	[C_COUNT] = { "COUNT", "attachments, semaphores or value, messages, locks", 5, COLUMN_NUMBER,
		      true },
	[C_PROCS] = { "PROCS", "processes that use it", 5, COLUMN_NUMBER, true },
	[C_OPENS] = { "OPENS", "descriptors", 5, COLUMN_NUMBER, false },
	[C_MAPS] = { "MAPS", "mappings", 5, COLUMN_NUMBER, false },
	[C_WAITS] = { "WAITS", "threads that sleep for it", 5, COLUMN_NUMBER, true },
	[C_AGE] = { "AGE", "since it was made or its owner or mode changed", 5, COLUMN_SECONDS, true },
	[C_IDLE] = { "IDLE", "since it was last used, as far as is known", 5, COLUMN_SECONDS, false },
	[C_STATE] = { "STATE", "used, idle, doomed, deleted; segments: ok, stale, or what is wrong",
		      0.2, COLUMN_TEXT, true },
	[C_CONTAINER] = { "CONTAINER", "or unit, of its namespace", 0.1, COLUMN_TEXT, false },
	[C_PIDS] = { "PIDS", "of the processes", 0.1, COLUMN_TEXT, false },
	[C_COMMANDS] = { "COMMANDS", "of the processes", 0.1, COLUMN_TEXT, false },
	[C_CPID] = { "CPID", "pid of the creator (System V memory)", 6, COLUMN_NUMBER, false },
	[C_LPID] = { "LPID", "pid of the last user (System V memory and queues)", 6, COLUMN_NUMBER,
		     false },
	[C_KEY] = { "KEY", "System V key", 10, COLUMN_TEXT, false },
	[C_ID] = { "ID", "System V identifier", 8, COLUMN_NUMBER, false },
	[C_NS] = { "NS", "IPC namespace", 10, COLUMN_NUMBER, false },
	[C_DEVICE] = { "DEVICE", "of a file", 6, COLUMN_NUMBER, false },
	[C_INODE] = { "INODE", "of a file", 8, COLUMN_NUMBER, false },
	[C_BACKING] = { "BACKING", "what holds a segment's bytes", 8, COLUMN_TEXT, false },
	[C_LIFETIME] = { "LIFETIME", "of a segment: process, kernel, filesystem", 10, COLUMN_TEXT,
			 false },
	[C_USED] = { "USED", "of a segment: in pages that are not free", 6, COLUMN_BYTES, false },
	[C_ALIVE] = { "ALIVE", "of a segment: processes attached for writing", 5, COLUMN_NUMBER,
		      false },
	[C_DEAD] = { "DEAD", "of a segment: dead ones nobody has dealt with yet", 5, COLUMN_NUMBER,
		     false },
	[C_OBJECTS] = { "OBJECTS", "of a segment: how many named things", 7, COLUMN_NUMBER, false },
	[C_PATH] = { "PATH", "the file or link", 0.3, COLUMN_TEXT, false },
};

static int run(int argc, char **argv);

const struct command cmd_ls = {
	.name = "ls",
	.run = run,
	.summary = "all shared memory and IPC objects, and who uses them",
	.usage = "Usage: dure ls [OPTION...] [DIRECTORY]\n"
		 "List the host's shared memory and IPC objects: System V, POSIX, memory files,\n"
		 "deleted and anonymous memory, huge pages, file locks, dure segments.\n"
		 "With DIRECTORY, the segments in it.\n\n"
		 "  -k, --kind LIST      only these: shm, sem, msg, mq, sysv, posix, memfd,\n"
		 "                       deleted, anonymous, huge, lock, segment, sysv-shm, ...\n"
		 "  -f, --filter EXPR    only where it holds: 'user == alice and size > 1M'\n"
		 "  -s, --sort LIST      by these columns; -COLUMN downwards\n"
		 "  -o, --output LIST    these columns, separated by commas\n"
		 "  -C, --columns        list the columns\n"
		 "  -t, --tree           processes below the objects they use\n"
		 "  -p, --processes      the other way round: objects below processes\n"
		 "  -v, --verbose        pids, commands and containers, too\n"
		 "  -l, --local          not what other containers have: this namespace alone\n"
		 "  -N, --namespace NS   what is in the IPC namespace of a pid, or with a number\n"
		 "  -b, --bytes          sizes in bytes\n"
		 "  -J, --json           JSON: all columns, sizes in bytes, ages in seconds\n"
		 "  -n, --noheadings     no headings\n"
		 "  -h, --help           this text\n\n"
		 "Scripts should use --json or name the columns: the defaults may change.\n",
};

/* -- all of it --------------------------------------------------------------------------- */

static const char plain[] = "OBJECT,USER,MODE,SIZE,RESIDENT,COUNT,PROCS,WAITS,AGE,STATE";
static const char contained[] =
	"OBJECT,USER,MODE,SIZE,RESIDENT,COUNT,PROCS,WAITS,AGE,STATE,CONTAINER";
static const char verbose[] = "OBJECT,USER,MODE,SIZE,RESIDENT,COUNT,PROCS,WAITS,AGE,IDLE,STATE,"
			      "CONTAINER,PIDS,COMMANDS";
static const char segments[] = "NAME,BACKING,LIFETIME,SIZE,USED,ALIVE,DEAD,MODE,AGE,STATE";
static const char tree[] = "OBJECT,USER,SIZE,OPENS,MAPS,WAITS,STATE";
static const char sorted[] = "KIND,OBJECT";

static bool shows_segments(const struct choice *choice)
{
	return choice->directory || (choice->has_kinds && !choice->kinds);
}

static const char *default_output(const struct choice *choice, const struct listing *l)
{
	if (choice->is_tree || choice->by_process)
		return tree;
	if (shows_segments(choice))
		return segments;
	const struct dure_host_process *self = host_process(l->host, (uint32_t)getpid());
	for (size_t i = 0; i < l->list.count; i++) {
		const char *label = row_cell(l->list.rows[i], C_CONTAINER)->text;
		if (label && strcmp(label, self ? self->label : "") != 0)
			return choice->is_verbose ? verbose : contained;
	}
	return choice->is_verbose ? verbose : plain;
}

static bool print(struct listing *l, const struct choice *choice)
{
	struct table_options table = choice->table;

	if (table.is_json) {
		fputs("{\"version\": 1, \"objects\": ", stdout);
		if (!list_print_json(&l->list, table.output))
			return false;
		if (l->host) {
			json_t *notes = notes_value(l->host);
			printf(",\n\"complete\": %s, \"notes\": ",
			       json_array_size(notes) ? "false" : "true");
			json_dumpf(notes, stdout, JSON_COMPACT);
			json_decref(notes);
		}
		puts("}");
		return true;
	}
	table.is_tree = choice->is_tree || choice->by_process;
	table.drops_rows = true;
	if (!table.output)
		table.output = default_output(choice, l);
	return list_print(&l->list, "objects", &table);
}

static bool columns_exist(const char *names)
{
	while (names && *names) {
		size_t bytes = strcspn(names, ",");
		if (table_find_column(ls_columns, C_TOTAL, names, bytes) < 0)
			return false;
		names += bytes + (names[bytes] == ',');
	}
	return !names || *(names - 1) != ',';
}

/* False: the filter is wrong. */
static bool want_columns(struct list *list, const struct choice *choice)
{
	if (choice->filter && !list_want_filter(list, "ls", choice->filter))
		return false;
	/* whether there are other containers is yet to be seen; rows of trees are named as those here */
	list_want(list, choice->is_verbose ? verbose : contained);
	list_want(list, sorted);
	if (choice->sort)
		list_want(list, choice->sort);
	if (choice->table.output)
		list_want(list, choice->table.output);
	if (choice->is_tree || choice->by_process)
		list_want(list, tree);
	if (shows_segments(choice))
		list_want(list, segments);
	return true;
}

static int show(struct listing *l, const struct choice *choice)
{
	if ((choice->filter && !list_filter(&l->list, "ls", choice->filter)) ||
	    !list_sort(&l->list, "ls", choice->sort ? choice->sort : sorted))
		return EXIT_TROUBLE;
	if (choice->is_tree && l->host)
		ls_grow_tree(l);
	if (choice->by_process && l->host)
		ls_turn_tree(l);
	print(l, choice);
	if (l->host && !choice->table.is_json)
		complain_notes(l->host, "ls");
	return EXIT_FINE;
}

static int list(const struct choice *choice)
{
	struct listing l = { .choice = choice, .now_s = (uint64_t)time(NULL) };
	uint32_t flags = DURE_HOST_WAITS | (choice->is_local ? 0 : DURE_HOST_NAMESPACES);
	struct host host;
	int status = EXIT_FINE, r = 0;

	if (!columns_exist(choice->table.output) || (choice->table.output && !*choice->table.output))
		return complain("ls", "--output %s: no such columns (dure ls --columns lists them)",
				choice->table.output);
	list_begin(&l.list, ls_columns, C_TOTAL);
	if ((!choice->table.is_json || choice->table.output) && !want_columns(&l.list, choice)) {
		list_end(&l.list);
		return EXIT_TROUBLE;
	}
	if (!choice->directory) {
		if (!host_begin(&host, "ls", flags, 0))
			return EXIT_TROUBLE;
		l.host = &host;
		l.row_of = or_exit(calloc(host.summary.objects + 1, sizeof(struct row *)));
	}
	if (choice->directory || !choice->has_kinds || choice->has_segments)
		r = dure_segment_list(choice->directory, ls_add_segment, &l);
	if (r < 0 && choice->directory)
		status = complain("ls", "%s", dure_last_error());
	if (l.host)
		ls_add_objects(&l);
	if (status == EXIT_FINE)
		status = show(&l, choice);
	list_end(&l.list);
	free(l.row_of);
	if (l.host)
		host_end(&host);
	return status;
}

static bool read_option(int c, struct choice *choice)
{
	switch (c) {
	case 'k':
		choice->has_kinds = true;
		return kinds_read("ls", optarg, &choice->kinds, &choice->has_segments);
	case 'f':
		choice->filter = optarg;
		return true;
	case 's':
		choice->sort = optarg;
		return true;
	case 'o':
		choice->table.output = optarg;
		return true;
	case 't':
		choice->is_tree = true;
		return true;
	case 'p':
		choice->by_process = true;
		return true;
	case 'v':
		choice->is_verbose = true;
		return true;
	case 'l':
		choice->is_local = true;
		return true;
	case 'N':
		choice->namespace = optarg;
		return true;
	case 'b':
		choice->table.in_bytes = true;
		return true;
	case 'J':
		choice->table.is_json = true;
		return true;
	case 'n':
		choice->table.no_headings = true;
		return true;
	default:
		print_usage(&cmd_ls, stderr);
		return false;
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kind", required_argument, NULL, 'k' },   { "filter", required_argument, NULL, 'f' },
		{ "sort", required_argument, NULL, 's' },   { "output", required_argument, NULL, 'o' },
		{ "columns", no_argument, NULL, 'C' },	    { "tree", no_argument, NULL, 't' },
		{ "processes", no_argument, NULL, 'p' },    { "verbose", no_argument, NULL, 'v' },
		{ "namespace", required_argument, NULL, 'N' },
		{ "local", no_argument, NULL, 'l' },	    { "bytes", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'J' },	    { "noheadings", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	struct choice choice = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "k:f:s:o:CtpvlN:bJnh", options, NULL)) != -1)
		if (c == 'h')
			return print_usage(&cmd_ls, stdout);
		else if (c == 'C')
			return table_list_columns(ls_columns, C_TOTAL), EXIT_FINE;
		else if (!read_option(c, &choice))
			return EXIT_TROUBLE;
	if (argc - optind > 1)
		return print_usage(&cmd_ls, stderr);
	choice.directory = optind < argc ? argv[optind] : NULL;
	if (choice.namespace) {
		if (choice.directory)
			return print_usage(&cmd_ls, stderr);
		if (!namespace_enter("ls", choice.namespace, &choice.kinds))
			return EXIT_TROUBLE;
		choice.has_kinds = choice.is_local = true;
		choice.has_segments = false;
	}
	return list(&choice);
}
