/* SPDX-License-Identifier: MIT */
/*
 * cmd_ls.c - dure ls: the segments there are
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "tool.h"

enum {
	C_NAME, C_BACKING, C_LIFETIME, C_SIZE, C_USED, C_ALIVE, C_DEAD, C_MODE, C_AGE, C_OBJECTS,
	C_STATE, C_PATH, C_COUNT
};

static const struct column columns[C_COUNT] = {
	[C_NAME] = { "NAME", "name, or sysv:ID", 0.2, COLUMN_TEXT, true },
	[C_BACKING] = { "BACKING", "what holds the bytes", 8, COLUMN_TEXT, true },
	[C_LIFETIME] = { "LIFETIME", "until when: process, kernel, filesystem", 10, COLUMN_TEXT, true },
	[C_SIZE] = { "SIZE", "room for data", 6, COLUMN_BYTES, true },
	[C_USED] = { "USED", "in pages that are not free", 6, COLUMN_BYTES, true },
	[C_ALIVE] = { "ALIVE", "processes attached for writing", 5, COLUMN_NUMBER, true },
	[C_DEAD] = { "DEAD", "dead ones nobody has dealt with yet", 5, COLUMN_NUMBER, true },
	[C_MODE] = { "MODE", "permissions", 5, COLUMN_TEXT, true },
	[C_AGE] = { "AGE", "since creation", 5, COLUMN_TEXT, true },
	[C_OBJECTS] = { "OBJECTS", "how many named things", 7, COLUMN_NUMBER, false },
	[C_STATE] = { "STATE", "ok, stale (memory gone, name left), or why it cannot be read", 0.2,
		      COLUMN_TEXT, true },
	[C_PATH] = { "PATH", "the file or link", 0.3, COLUMN_TEXT, false },
};

static int run(int argc, char **argv);

const struct command cmd_ls = {
	.name = "ls",
	.run = run,
	.summary = "list segments: size, use, participants",
	.usage = "Usage: dure ls [OPTION...] [DIRECTORY]\n"
		 "List the segments in DIRECTORY (/dev/shm) and in the IPC namespace.\n\n"
		 "  -b, --bytes          sizes in bytes\n"
		 "  -J, --json           JSON: all columns, sizes in bytes\n"
		 "  -n, --noheadings     no headings\n"
		 "  -o, --output LIST    these columns, separated by commas\n"
		 "  -h, --help           this text, and the columns\n\n"
		 "Scripts should use --json or name the columns: the defaults may change.\n",
};

struct listing {
	struct table table;
	unsigned count;
};

struct census {
	uint64_t alive, dead;
};

static int count_participant(const struct dure_participant *participant, void *context)
{
	struct census *census = context;

	if (participant->is_alive)
		census->alive++;
	else
		census->dead++;
	return 0;
}

static void describe(struct listing *l, struct libscols_line *line, dure_segment *seg)
{
	struct dure_segment_info info = { .sz = sizeof info };
	struct dure_heap_info heap = { .sz = sizeof heap };
	struct census census = { 0, 0 };
	uint64_t objects = 0;
	char text[32];

	if (dure_segment_info(seg, &info) == 0) {
		table_bytes(&l->table, line, C_SIZE, info.size_bytes);
		snprintf(text, sizeof text, "%04o", info.mode);
		table_text(&l->table, line, C_MODE, text);
		table_text(&l->table, line, C_AGE, human_age(info.created_ns, text, sizeof text));
	}
	int r = dure_heap_info(seg, &heap);
	if (r == 0)
		table_bytes(&l->table, line, C_USED, heap.used_bytes);
	if (dure_participant_list(seg, count_participant, &census) == 0) {
		table_number(&l->table, line, C_ALIVE, census.alive);
		table_number(&l->table, line, C_DEAD, census.dead);
	}
	if (r == 0)
		r = dure_object_count(seg, &objects);
	if (r == 0)
		table_number(&l->table, line, C_OBJECTS, objects);
	table_text(&l->table, line, C_STATE, r == 0 ? "ok" : dure_last_error());
}

static int list_entry(const struct dure_segment_entry *entry, void *context)
{
	struct listing *l = context;
	struct libscols_line *line = table_row(&l->table);
	struct dure_segment_options o = { .sz = sizeof o };
	const char *name = entry->name;
	char directory[512], id[32];
	dure_segment *seg;

	if (!*name) {
		snprintf(id, sizeof id, "sysv:%d", entry->sysv_id);
		o.backing = DURE_BACKING_SYSV;
		o.id = entry->sysv_id;
		name = NULL;
	}
	snprintf(directory, sizeof directory, "%s", entry->path);
	char *slash = strrchr(directory, '/');
	if (slash)
		*slash = '\0';
	o.directory = directory;
	table_text(&l->table, line, C_NAME, name ? name : id);
	table_text(&l->table, line, C_BACKING, backing_name(entry->backing));
	table_text(&l->table, line, C_LIFETIME, lifetime_name(entry->lifetime));
	table_text(&l->table, line, C_PATH, entry->path);
	l->count++;
	if (entry->is_stale)
		table_text(&l->table, line, C_STATE, "stale");
	else if (dure_segment_open(name, DURE_OPEN | DURE_READ_ONLY, &o, &seg) < 0)
		table_text(&l->table, line, C_STATE, dure_last_error());
	else {
		describe(l, line, seg);
		dure_segment_close(seg);
	}
	return 0;
}

static int list(const char *directory, const struct table_options *options)
{
	struct listing listing = { .count = 0 };
	int r;

	if (!table_begin(&listing.table, "segments", columns, C_COUNT, options))
		return complain("ls", "--output %s: no such columns (dure ls --help lists them)",
				options->output);
	r = dure_segment_list(directory, list_entry, &listing);
	table_end(&listing.table);
	return r < 0 ? complain("ls", "%s", dure_last_error()) : EXIT_FINE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bytes", no_argument, NULL, 'b' },	 { "json", no_argument, NULL, 'J' },
		{ "noheadings", no_argument, NULL, 'n' }, { "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },	 { 0 },
	};
	struct table_options t = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "bJno:h", options, NULL)) != -1)
		switch (c) {
		case 'b':
			t.in_bytes = true;
			break;
		case 'J':
			t.is_json = true;
			break;
		case 'n':
			t.no_headings = true;
			break;
		case 'o':
			t.output = optarg;
			break;
		case 'h':
			print_usage(&cmd_ls, stdout);
			table_list_columns(columns, C_COUNT);
			return EXIT_FINE;
		default:
			return print_usage(&cmd_ls, stderr);
		}
	if (argc - optind > 1)
		return print_usage(&cmd_ls, stderr);
	return list(optind < argc ? argv[optind] : NULL, &t);
}
