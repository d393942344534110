/* SPDX-License-Identifier: MIT */
/*
 * cmd_ls.c - dure ls: all shared memory and IPC objects there are
 *
 * The kernel's objects come from one picture of the host; dure's segments are opened for
 * reading, and tell more than the kernel knows. A segment takes the place of the object that
 * holds its bytes.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "list.h"
#include "tool.h"

enum {
	C_OBJECT, C_KIND, C_NAME, C_USER, C_CREATOR, C_MODE, C_SIZE, C_RESIDENT, C_SWAPPED, C_COUNT,
	C_PROCS, C_OPENS, C_MAPS, C_WAITS, C_AGE, C_IDLE, C_STATE, C_CONTAINER, C_PIDS, C_COMMANDS,
	C_CPID, C_LPID, C_KEY, C_ID, C_NS, C_DEVICE, C_INODE, C_BACKING, C_LIFETIME, C_USED, C_ALIVE,
	C_DEAD, C_OBJECTS, C_PATH, C_TOTAL
};

static const struct column columns[C_TOTAL] = {
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

struct choice {
	const char *directory, *filter, *sort, *namespace;
	struct table_options table;
	uint32_t kinds;
	bool has_kinds, has_segments, is_tree, by_process, is_verbose, is_local;
};

struct listing {
	struct list list;
	const struct host *host;	/* NULL: segments only */
	const struct choice *choice;
	struct row **row_of;		/* by index of the object; NULL: it has none */
	uint64_t now_s;
};

/* -- objects ----------------------------------------------------------------------------- */

static void number_if(struct row *row, unsigned column, uint64_t number)
{
	if (number)
		row_number(row, column, number);
}

static void text_if(struct row *row, unsigned column, const char *text)
{
	if (*text)
		row_text(row, column, text);
}

static void age_if(const struct listing *l, struct row *row, unsigned column, uint64_t wall_ns)
{
	uint64_t then = wall_ns / 1000000000u;

	if (wall_ns)
		row_number(row, column, l->now_s > then ? l->now_s - then : 0);
}

static const char *state_of(const struct dure_host_object *o)
{
	if (o->flags & DURE_HOST_DOOMED)
		return "doomed";
	if (o->kind == DURE_HOST_DELETED)
		return "deleted";
	if (o->kind == DURE_HOST_SYSV_SHM)
		return o->count ? "used" : "idle";
	if (o->kind == DURE_HOST_SYSV_SEM || o->kind == DURE_HOST_SYSV_MSG)
		return o->sleepers ? "used" : "";	/* the kernel does not say who has it */
	return o->processes || o->kind == DURE_HOST_LOCK ? "used" : "idle";
}

/* the pids and the names of those who use it; not all when they are many */
static void describe_users(const struct listing *l, const struct dure_host_object *o,
			   struct row *row)
{
	size_t count, pids_used = 0, names_used = 0;
	const struct dure_host_use *const *uses = host_uses(l->host, o->index, &count);
	char pids[256] = "", names[256] = "";

	for (size_t i = 0; i < count; i++) {
		const struct dure_host_process *p = host_process(l->host, uses[i]->process);
		if (!p || pids_used + 32 > sizeof pids || names_used + 32 > sizeof names)
			continue;
		pids_used += (size_t)snprintf(pids + pids_used, sizeof pids - pids_used, "%s%" PRIu32,
					      pids_used ? "," : "", p->pid);
		if (!strstr(names, p->name))
			names_used += (size_t)snprintf(names + names_used, sizeof names - names_used,
						       "%s%.20s", names_used ? "," : "", p->name);
	}
	text_if(row, C_PIDS, pids);
	text_if(row, C_COMMANDS, names);
}

static void describe_kernel_side(const struct listing *l, const struct dure_host_object *o,
				 struct row *row)
{
	char text[32];

	row_text(row, C_USER, user_name(o->owner));
	row_number(row, C_RESIDENT, o->resident_bytes);
	number_if(row, C_SWAPPED, o->swapped_bytes);
	row_number(row, C_PROCS, o->processes);
	row_number(row, C_OPENS, o->opens);
	row_number(row, C_MAPS, o->maps);
	row_number(row, C_WAITS, o->sleepers);
	age_if(l, row, C_IDLE, o->used_ns);
	text_if(row, C_CONTAINER, o->label);
	number_if(row, C_NS, o->ipc_namespace);
	number_if(row, C_DEVICE, o->device);
	number_if(row, C_INODE, o->inode);
	if (o->id >= 0) {
		row_number(row, C_ID, (uint64_t)o->id);
		row_text(row, C_CREATOR, user_name(o->creator_user));
		snprintf(text, sizeof text, "0x%08" PRIx64, o->key);
		row_text(row, C_KEY, text);
	}
	if (o->kind == DURE_HOST_SYSV_SHM)
		row_number(row, C_CPID, o->creator);
	number_if(row, C_LPID, o->last[0]);
	if (l->choice->is_verbose || l->choice->table.is_json || l->choice->table.output ||
	    l->choice->filter)
		describe_users(l, o, row);
}

static void describe_object(const struct listing *l, const struct dure_host_object *o,
			    struct row *row)
{
	char text[OBJECT_NAME_BYTES];

	row_text(row, C_OBJECT, object_name(o, text, sizeof text));
	row_text(row, C_KIND, kind_name(o->kind));
	text_if(row, C_NAME, o->name);
	describe_kernel_side(l, o, row);
	if (o->kind != DURE_HOST_LOCK) {
		row_number(row, C_SIZE, o->size_bytes);
		snprintf(text, sizeof text, "%04o", o->mode);
		row_text(row, C_MODE, text);
		age_if(l, row, C_AGE, o->changed_ns);
	}
	if (o->kind != DURE_HOST_POSIX_SHM && o->kind != DURE_HOST_MEMFD &&
	    o->kind != DURE_HOST_DELETED && o->kind != DURE_HOST_ANONYMOUS)
		row_number(row, C_COUNT, o->count);
	text_if(row, C_STATE, state_of(o));
	text_if(row, C_PATH, o->path);
}

/* -- segments ---------------------------------------------------------------------------- */

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

static void describe_inside(const struct listing *l, struct row *row, dure_segment *seg)
{
	struct dure_segment_info info = { .sz = sizeof info };
	struct dure_heap_info heap = { .sz = sizeof heap };
	struct census census = { 0, 0 };
	uint64_t objects = 0;
	char text[32];

	if (dure_segment_info(seg, &info) == 0) {
		row_number(row, C_SIZE, info.size_bytes);
		snprintf(text, sizeof text, "%04o", info.mode);
		row_text(row, C_MODE, text);
		age_if(l, row, C_AGE, info.created_ns);
	}
	int r = dure_heap_info(seg, &heap);
	if (r == 0)
		row_number(row, C_USED, heap.used_bytes);
	if (dure_participant_list(seg, count_participant, &census) == 0) {
		row_number(row, C_ALIVE, census.alive);
		row_number(row, C_DEAD, census.dead);
	}
	if (r == 0)
		r = dure_object_count(seg, &objects);
	if (r == 0)
		row_number(row, C_OBJECTS, objects);
	row_text(row, C_STATE, r == 0 ? "ok" : dure_last_error());
}

/* the kernel's object that holds the segment's bytes, if it was seen */
static const struct dure_host_object *holder_of(const struct listing *l,
						const struct dure_segment_entry *entry)
{
	for (size_t i = 0; l->host && i < l->host->object_count; i++) {
		const struct dure_host_object *o = l->host->objects[i];
		if (entry->backing == DURE_BACKING_SYSV
			    ? o->kind == DURE_HOST_SYSV_SHM && o->id == entry->sysv_id &&
				      !(o->flags & DURE_HOST_ELSEWHERE)
			    : *o->path && strcmp(o->path, entry->path) == 0)
			return o;
	}
	return NULL;
}

static int list_segment(const struct dure_segment_entry *entry, void *context)
{
	struct listing *l = context;
	struct row *row = list_add(&l->list);
	struct dure_segment_options o = { .sz = sizeof o };
	const struct dure_host_object *holder = holder_of(l, entry);
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
	row_text(row, C_OBJECT, name ? name : id);
	row_text(row, C_KIND, "segment");
	row_text(row, C_NAME, name ? name : id);
	if (holder) {
		describe_kernel_side(l, holder, row);
		row->subject = holder;
		l->row_of[holder->index] = row;
	}
	row_text(row, C_BACKING, backing_name(entry->backing));
	row_text(row, C_LIFETIME, lifetime_name(entry->lifetime));
	row_text(row, C_PATH, entry->path);
	if (entry->is_stale)
		row_text(row, C_STATE, "stale");
	else if (dure_segment_open(name, DURE_OPEN | DURE_READ_ONLY, &o, &seg) < 0)
		row_text(row, C_STATE, dure_last_error());
	else {
		describe_inside(l, row, seg);
		dure_segment_close(seg);
	}
	return 0;
}

/* -- trees ------------------------------------------------------------------------------- */

static void describe_use(struct row *row, const struct dure_host_process *p,
			 const struct dure_host_use *use)
{
	char text[64];

	if (p) {
		snprintf(text, sizeof text, "%" PRIu32 " %.40s", p->pid, p->name);
		row_text(row, C_OBJECT, text);
		row_text(row, C_KIND, "process");
		row_text(row, C_USER, user_name(p->user));
		text_if(row, C_CONTAINER, p->label);
	} else {
		row_text(row, C_OBJECT, "somebody (the kernel does not say who)");
	}
	row_number(row, C_OPENS, use->opens);
	row_number(row, C_MAPS, use->maps);
	number_if(row, C_SIZE, use->mapped_bytes);
	snprintf(text, sizeof text, "%s%s%s%s%s", use->how & DURE_HOST_OPEN ? "open " : "",
		 use->how & DURE_HOST_WRITABLE ? "mapped "
		 : use->how & DURE_HOST_MAPPED ? "mapped read-only "
					       : "",
		 use->how & DURE_HOST_LOCK_EXCLUSIVE ? "locked " : "",
		 use->how & DURE_HOST_LOCK_SHARED ? "locked shared " : "",
		 use->how & DURE_HOST_LOCK_WAITS ? "waits for lock " : "");
	text[strlen(text) ? strlen(text) - 1 : 0] = '\0';
	row_text(row, C_STATE, text);
}

static void grow_tree(struct listing *l)
{
	for (size_t i = 0; i < l->list.count; i++) {
		const struct dure_host_object *o = l->list.rows[i]->subject;
		size_t count;
		const struct dure_host_use *const *uses = o ? host_uses(l->host, o->index, &count) : NULL;
		for (size_t j = 0; uses && j < count; j++)
			describe_use(list_add_below(l->list.rows[i]),
				     host_process(l->host, uses[j]->process), uses[j]);
	}
}

/* Processes that use any of the objects in the list, with those below them. */
static void turn_tree(struct listing *l)
{
	struct list turned;
	struct row **process_rows = or_exit(calloc(l->host->process_count + 1, sizeof(struct row *)));
	char text[64];

	list_begin(&turned, columns, C_TOTAL);
	for (size_t p = 0; p < l->host->process_count; p++) {
		const struct dure_host_process *process = l->host->processes[p];
		if (!process->objects)
			continue;
		process_rows[p] = list_add(&turned);
		snprintf(text, sizeof text, "%" PRIu32 " %.40s", process->pid, process->name);
		row_text(process_rows[p], C_OBJECT, text);
		row_text(process_rows[p], C_KIND, "process");
		row_text(process_rows[p], C_USER, user_name(process->user));
		row_number(process_rows[p], C_SIZE, process->mapped_bytes);
		text_if(process_rows[p], C_CONTAINER, process->label);
	}
	for (size_t i = 0; i < l->list.count; i++) {
		const struct row *from = l->list.rows[i];
		const struct dure_host_object *o = from->subject;
		size_t count;
		const struct dure_host_use *const *uses = o ? host_uses(l->host, o->index, &count) : NULL;
		for (size_t j = 0; uses && j < count; j++) {
			size_t p = 0, high = l->host->process_count;
			while (p < high) {
				size_t middle = p + (high - p) / 2;
				if (l->host->processes[middle]->pid < uses[j]->process)
					p = middle + 1;
				else
					high = middle;
			}
			if (p == l->host->process_count ||
			    l->host->processes[p]->pid != uses[j]->process)
				continue;
			struct row *row = list_add_below(process_rows[p]);
			describe_use(row, l->host->processes[p], uses[j]);
			row_text(row, C_OBJECT, from->cells[C_OBJECT].text);
			row_text(row, C_KIND, from->cells[C_KIND].text);
			if (from->cells[C_USER].text)
				row_text(row, C_USER, from->cells[C_USER].text);
		}
	}
	size_t kept = 0;
	for (size_t i = 0; i < turned.count; i++)
		if (turned.rows[i]->below_count)
			turned.rows[kept++] = turned.rows[i];
		else
			list_drop(turned.rows[i]);
	turned.count = kept;
	free(process_rows);
	list_end(&l->list);
	l->list = turned;
}

/* -- all of it --------------------------------------------------------------------------- */

static void gather_objects(struct listing *l)
{
	for (size_t i = 0; i < l->host->object_count; i++) {
		const struct dure_host_object *o = l->host->objects[i];
		if (l->row_of[o->index] ||
		    (l->choice->is_local && o->flags & DURE_HOST_ELSEWHERE) ||
		    (l->choice->has_kinds && !(l->choice->kinds >> o->kind & 1)))
			continue;
		struct row *row = list_add(&l->list);
		row->subject = o;
		describe_object(l, o, row);
	}
}

static const char *default_output(const struct choice *choice, const struct listing *l)
{
	static const char plain[] = "OBJECT,USER,MODE,SIZE,RESIDENT,COUNT,PROCS,WAITS,AGE,STATE";
	static const char contained[] =
		"OBJECT,USER,MODE,SIZE,RESIDENT,COUNT,PROCS,WAITS,AGE,STATE,CONTAINER";
	static const char verbose[] = "OBJECT,USER,MODE,SIZE,RESIDENT,COUNT,PROCS,WAITS,AGE,IDLE,STATE,"
				      "CONTAINER,PIDS,COMMANDS";
	static const char segments[] = "NAME,BACKING,LIFETIME,SIZE,USED,ALIVE,DEAD,MODE,AGE,STATE";
	static const char tree[] = "OBJECT,USER,SIZE,OPENS,MAPS,WAITS,STATE";

	if (choice->is_tree || choice->by_process)
		return tree;
	if (choice->directory || (choice->has_kinds && !choice->kinds))
		return segments;
	const struct dure_host_process *self = host_process(l->host, (uint32_t)getpid());
	for (size_t i = 0; i < l->list.count; i++)
		if (l->list.rows[i]->cells[C_CONTAINER].text &&
		    strcmp(l->list.rows[i]->cells[C_CONTAINER].text, self ? self->label : "") != 0)
			return choice->is_verbose ? verbose : contained;
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
	if (!table.output)
		table.output = default_output(choice, l);
	return list_print(&l->list, "objects", &table);
}

static bool columns_exist(const char *names)
{
	while (names && *names) {
		size_t bytes = strcspn(names, ",");
		if (table_find_column(columns, C_TOTAL, names, bytes) < 0)
			return false;
		names += bytes + (names[bytes] == ',');
	}
	return !names || *(names - 1) != ',';
}

static int show(struct listing *l, const struct choice *choice)
{
	if ((choice->filter && !list_filter(&l->list, "ls", choice->filter)) ||
	    !list_sort(&l->list, "ls", choice->sort ? choice->sort : "KIND,OBJECT"))
		return EXIT_TROUBLE;
	if (choice->is_tree && l->host)
		grow_tree(l);
	if (choice->by_process && l->host)
		turn_tree(l);
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
	list_begin(&l.list, columns, C_TOTAL);
	if (!choice->directory) {
		if (!host_begin(&host, "ls", flags, 0))
			return EXIT_TROUBLE;
		l.host = &host;
		l.row_of = or_exit(calloc(host.summary.objects + 1, sizeof(struct row *)));
	}
	if (choice->directory || !choice->has_kinds || choice->has_segments)
		r = dure_segment_list(choice->directory, list_segment, &l);
	if (r < 0 && choice->directory)
		status = complain("ls", "%s", dure_last_error());
	if (l.host)
		gather_objects(&l);
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
			return table_list_columns(columns, C_TOTAL), EXIT_FINE;
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
