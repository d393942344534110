/* SPDX-License-Identifier: MIT */
/*
 * cmd_show.c - dure show: what is in a segment, and who is at it
 *
 * The facts are gathered into one JSON value; --json prints it, the tables are drawn from it.
 * So both show the same.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "host.h"
#include "table.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_show = {
	.name = "show",
	.run = run,
	.summary = "a segment's users, locks, objects; its heap, drawn",
	.usage = "Usage: dure show [OPTION...] NAME\n"
		 "Show what is in a segment, and who uses it.\n\n"
		 "  -J, --json       everything as JSON\n"
		 "  -c, --classes    also the heap's block sizes\n"
		 "  -n, --max N      at most N objects (100; 0: all)\n"
		 "  -h, --help       this text\n\n"
		 "NAME is a plain name, a path (with a '/'), sysv:ID or core:PATH.\n"
		 "Exit status: 0 shown, 2 trouble, or the heap is damaged.\n",
};

/* -- gathering --------------------------------------------------------------------------- */

static json_int_t number(uint64_t n)
{
	return (json_int_t)n;
}

static json_t *gather_segment(dure_segment *seg)
{
	struct dure_segment_info i = { .sz = sizeof i };
	json_t *value;

	if (dure_segment_info(seg, &i) < 0)
		return json_null();
	value = json_pack("{s:o, s:s, s:s, s:i, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:I}", "name",
			  text_value(i.name), "backing", backing_name(i.backing), "lifetime",
			  lifetime_name(i.lifetime), "mode", (int)i.mode, "size_bytes",
			  number(i.size_bytes), "max_bytes", number(i.max_bytes), "page_bytes",
			  number(i.page_bytes), "processes", (int)i.processes, "processes_max",
			  (int)i.processes_max, "threads", (int)i.threads, "threads_max",
			  (int)i.threads_max, "created_ns", number(i.created_ns));
	if (i.sysv_id >= 0)
		json_object_set_new(value, "sysv_id", json_integer(i.sysv_id));
	return value;
}

static int add_participant(const struct dure_participant *p, void *context)
{
	return json_array_append_new(
		context, json_pack("{s:i, s:I, s:i, s:I, s:i, s:o, s:b, s:I}", "place", (int)p->slot,
				   "generation", number(p->generation), "process", (int)p->process,
				   "pid_namespace", number(p->pid_namespace), "user", (int)p->user,
				   "name", text_value(p->name), "alive", (int)p->is_alive,
				   "attached_ns", number(p->attached_ns)));
}

static json_t *shares_of(const struct dure_thread_info *t)
{
	static const char *const kinds[] = { "?", "reads", "units", "member" };
	json_t *shares = json_array();

	for (unsigned i = 0; i < t->share_count && i < sizeof t->shares / sizeof *t->shares; i++)
		json_array_append_new(
			shares, json_pack("{s:I, s:s, s:I}", "lock", number(t->shares[i].lock.offset),
					  "kind", kinds[t->shares[i].kind & 3], "units",
					  number(t->shares[i].units)));
	return shares;
}

static int add_thread(const struct dure_thread_info *t, void *context)
{
	static const char *const states[] = { "free", "attached", "parked", "mended" };
	json_t *locks = json_array();

	/* a lock is written down before it is had: the one waited for is not held */
	for (unsigned i = 0; i < t->lock_count && i < 16; i++)
		if (t->locks[i].offset != t->waits_for.offset)
			json_array_append_new(locks, json_integer(number(t->locks[i].offset)));
	return json_array_append_new(
		context, json_pack("{s:i, s:i, s:i, s:s, s:b, s:b, s:i, s:o, s:o, s:I, s:I, s:I}", "lane",
				   (int)t->lane, "thread", (int)t->thread, "place", (int)t->slot,
				   "state", states[t->state & 3], "alive", (int)t->is_alive,
				   "in_transaction", (int)t->in_transaction, "lock_count",
				   (int)json_array_size(locks), "locks", locks, "shares",
				   shares_of(t), "waits_for", number(t->waits_for.offset), "pages", number(t->pages),
				   "attached_ns", number(t->attached_ns)));
}

static int add_subscriber(const struct dure_subscriber_info *s, void *context)
{
	static const char *const policies[] = { "drop", "latest", "block", "evict" };

	return json_array_append_new(
		context, json_pack("{s:i, s:b, s:s, s:I, s:I, s:I, s:I, s:i}", "process",
				   (int)s->process, "alive", (int)s->is_alive, "policy",
				   policies[s->policy & 3], "next", number(s->next), "lag",
				   number(s->lag), "taken", number(s->taken), "lost",
				   number(s->lost), "loans", (int)s->loans));
}

/* NULL: it cannot be read. */
static json_t *topic_of(dure_segment *seg, const char *name)
{
	struct dure_topic_info i = { .sz = sizeof i };
	json_t *subscribers = json_array();

	if (dure_topic_look(seg, name, &i, add_subscriber, subscribers) != 0) {
		json_decref(subscribers);
		return NULL;
	}
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "name", text_value(name),
			 "published", number(i.published), "messages", number(i.messages), "bytes",
			 number(i.bytes), "on_loan", number(i.on_loan), "on_loan_bytes",
			 number(i.on_loan_bytes), "shut", (int)i.is_shut, "subscribers", subscribers);
}

struct objects {
	dure_segment *seg;
	json_t *list, *topics;
	uint64_t max, seen;
};

static int add_object(const struct dure_object_info *o, void *context)
{
	static const char *const kinds[] = { "?", "named", "unique", "anonymous" };
	struct objects *objects = context;

	if (objects->max && objects->seen++ >= objects->max)
		return 0;
	if (o->kind == 1 && strcmp(o->type_name, "dure_topic") == 0) {
		json_t *topic = topic_of(objects->seg, o->name);
		if (topic)
			json_array_append_new(objects->topics, topic);
	}
	return json_array_append_new(
		objects->list,
		json_pack("{s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:i}", "name", text_value(o->name),
			  "kind", kinds[o->kind & 3], "type", text_value(o->type_name), "count",
			  number(o->count), "element_bytes", number(o->element_bytes), "ref",
			  number(o->ref.offset), "created_ns", number(o->created_ns), "creator",
			  (int)o->creator_process));
}

static json_t *gather_heap(dure_segment *seg)
{
	struct dure_heap_info h = { .sz = sizeof h };
	json_t *classes = json_array();

	if (dure_heap_info(seg, &h) < 0) {
		json_decref(classes);
		return json_pack("{s:s}", "error", dure_last_error());
	}
	for (uint64_t i = 0; i < h.class_count; i++)
		if (h.classes[i].pages)
			json_array_append_new(
				classes, json_pack("{s:I, s:I, s:I, s:I, s:I}", "block_bytes",
						   number(h.classes[i].block_bytes), "pages",
						   number(h.classes[i].pages), "live",
						   number(h.classes[i].live), "reserved",
						   number(h.classes[i].reserved), "free",
						   number(h.classes[i].free)));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "capacity_bytes",
			 number(h.capacity_bytes), "backed_bytes", number(h.backed_bytes),
			 "used_bytes", number(h.used_bytes), "live_bytes", number(h.live_bytes),
			 "live_blocks", number(h.live_blocks), "reserved_bytes",
			 number(h.reserved_bytes), "reserved_blocks", number(h.reserved_blocks),
			 "free_bytes", number(h.free_bytes), "largest_bytes",
			 number(h.largest_bytes), "high_water_bytes", number(h.high_water_bytes),
			 "classes", classes);
}

static json_t *gather(dure_segment *seg, uint64_t max_objects)
{
	struct objects objects = { .seg = seg, .list = json_array(), .topics = json_array(),
				   .max = max_objects };
	json_t *participants = json_array(), *threads = json_array();
	uint64_t count = 0;

	dure_participant_list(seg, add_participant, participants);
	dure_thread_list(seg, add_thread, threads);
	dure_object_list(seg, add_object, &objects);
	dure_object_count(seg, &count);
	return json_pack("{s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "segment", gather_segment(seg),
			 "participants", participants, "threads", threads, "object_count",
			 number(count), "objects", objects.list, "topics", objects.topics, "heap",
			 gather_heap(seg));
}

/* -- drawing ----------------------------------------------------------------------------- */

static void draw_segment(const json_t *s)
{
	char size[16], max[16], page[16], age[16], name[300];

	printf("%s%s%s: %s, %s lifetime, mode %04o, made %s ago\n", color_on(stdout, COLOR_BOLD),
	       harmless(get_text(s, "name"), name, sizeof name), color_off(stdout),
	       get_text(s, "backing"), get_text(s, "lifetime"), (unsigned)get(s, "mode"),
	       human_age(get(s, "created_ns"), age, sizeof age));
	printf("room for %s (at most %s), pages of %s, %" PRIu64 " of %" PRIu64
	       " processes, %" PRIu64 " of %" PRIu64 " threads\n",
	       human_bytes(get(s, "size_bytes"), size, sizeof size),
	       human_bytes(get(s, "max_bytes"), max, sizeof max), human_bytes(get(s, "page_bytes"), page, sizeof page),
	       get(s, "processes"), get(s, "processes_max"), get(s, "threads"),
	       get(s, "threads_max"));
}

static const struct column participant_columns[] = {
	{ "PLACE", "", 5, COLUMN_NUMBER, true },   { "PID", "", 7, COLUMN_NUMBER, true },
	{ "COMMAND", "", 15, COLUMN_TEXT, true },  { "USER", "", 6, COLUMN_TEXT, true },
	{ "STATE", "", 6, COLUMN_TEXT, true },	   { "SINCE", "", 6, COLUMN_TEXT, true },
	{ "NAMESPACE", "", 10, COLUMN_NUMBER, true },
};

static void draw_participants(const json_t *list)
{
	struct table_options options = { 0 };
	struct table t;
	char age[16];
	size_t i;
	json_t *p;

	if (!table_begin(&t, "participants", participant_columns, 7, &options))
		return;
	heading("Processes");
	json_array_foreach(list, i, p) {
		struct libscols_line *line = table_row(&t);
		table_number(&t, line, 0, get(p, "place"));
		table_number(&t, line, 1, get(p, "process"));
		table_text(&t, line, 2, get_text(p, "name"));
		table_text(&t, line, 3, user_name((uint32_t)get(p, "user")));
		table_text(&t, line, 4, json_is_true(json_object_get(p, "alive")) ? "alive" : "dead");
		table_text(&t, line, 5, human_age(get(p, "attached_ns"), age, sizeof age));
		table_number(&t, line, 6, get(p, "pid_namespace"));
	}
	table_end(&t);
}

static const struct column thread_columns[] = {
	{ "LANE", "", 5, COLUMN_NUMBER, true },	  { "TID", "", 7, COLUMN_NUMBER, true },
	{ "PLACE", "", 5, COLUMN_NUMBER, true },  { "STATE", "", 8, COLUMN_TEXT, true },
	{ "TX", "", 3, COLUMN_TEXT, true },	  { "HOLDS", "", 20, COLUMN_TEXT, true },
	{ "SHARES", "", 20, COLUMN_TEXT, true },  { "WAITS FOR", "", 10, COLUMN_TEXT, true },
	{ "PAGES", "", 5, COLUMN_NUMBER, true },
};

static const char *join_locks(const json_t *thread, char *text, size_t bytes)
{
	size_t i, used = 0;
	json_t *lock;

	text[0] = '\0';
	json_array_foreach(json_object_get(thread, "locks"), i, lock) {
		if (used + 24 > bytes)
			break;
		used += (size_t)snprintf(text + used, bytes - used, "%s+0x%llx", i ? " " : "",
					 (unsigned long long)json_integer_value(lock));
	}
	return text;
}

/* +0x1000 reads, +0x2000 3 units */
static const char *join_shares(const json_t *thread, char *text, size_t bytes)
{
	size_t i, used = 0;
	json_t *share;

	text[0] = '\0';
	json_array_foreach(json_object_get(thread, "shares"), i, share) {
		const char *kind = get_text(share, "kind");
		bool is_counted = strcmp(kind, "units") == 0;
		if (used + 48 > bytes)
			break;
		used += (size_t)snprintf(text + used, bytes - used, "%s+0x%" PRIx64 " ", i ? ", " : "",
					 get(share, "lock"));
		if (is_counted)
			used += (size_t)snprintf(text + used, bytes - used, "%" PRIu64 " ",
						 get(share, "units"));
		used += (size_t)snprintf(text + used, bytes - used, "%s", kind);
	}
	return text;
}

static void draw_threads(const json_t *list)
{
	struct table_options options = { 0 };
	struct table t;
	char text[200];
	size_t i;
	json_t *thread;

	if (!table_begin(&t, "threads", thread_columns, 9, &options))
		return;
	heading("Threads");
	json_array_foreach(list, i, thread) {
		struct libscols_line *line = table_row(&t);
		bool alive = json_is_true(json_object_get(thread, "alive"));
		table_number(&t, line, 0, get(thread, "lane"));
		table_number(&t, line, 1, get(thread, "thread"));
		table_number(&t, line, 2, get(thread, "place"));
		table_text(&t, line, 3, alive ? get_text(thread, "state") : "dead");
		table_text(&t, line, 4, json_is_true(json_object_get(thread, "in_transaction")) ? "yes"
												 : "");
		table_text(&t, line, 5, join_locks(thread, text, sizeof text));
		table_text(&t, line, 6, join_shares(thread, text, sizeof text));
		snprintf(text, sizeof text, "+0x%" PRIx64, get(thread, "waits_for"));
		table_text(&t, line, 7, get(thread, "waits_for") ? text : "");
		table_number(&t, line, 8, get(thread, "pages"));
	}
	table_end(&t);
}

static const struct column object_columns[] = {
	{ "NAME", "", 0.3, COLUMN_TEXT, true },	   { "KIND", "", 9, COLUMN_TEXT, true },
	{ "TYPE", "", 0.2, COLUMN_TEXT, true },	   { "COUNT", "", 8, COLUMN_NUMBER, true },
	{ "BYTES", "", 8, COLUMN_BYTES, true },	   { "AT", "", 12, COLUMN_TEXT, true },
	{ "AGE", "", 5, COLUMN_TEXT, true },
};

static void draw_objects(const json_t *list, uint64_t count)
{
	struct table_options options = { 0 };
	struct table t;
	char text[32];
	size_t i;
	json_t *o;

	if (!table_begin(&t, "objects", object_columns, 7, &options))
		return;
	heading("Objects");
	json_array_foreach(list, i, o) {
		struct libscols_line *line = table_row(&t);
		table_text(&t, line, 0, get_text(o, "name"));
		table_text(&t, line, 1, get_text(o, "kind"));
		table_text(&t, line, 2, get_text(o, "type"));
		table_number(&t, line, 3, get(o, "count"));
		table_bytes(&t, line, 4, get(o, "count") * get(o, "element_bytes"));
		snprintf(text, sizeof text, "+0x%" PRIx64, get(o, "ref"));
		table_text(&t, line, 5, text);
		table_text(&t, line, 6, human_age(get(o, "created_ns"), text, sizeof text));
	}
	table_end(&t);
	if (count > json_array_size(list))
		printf("... and %" PRIu64 " more (--max 0 shows all)\n",
		       count - json_array_size(list));
}

static const struct column subscriber_columns[] = {
	{ "PID", "", 7, COLUMN_NUMBER, true },	  { "STATE", "", 6, COLUMN_TEXT, true },
	{ "POLICY", "", 6, COLUMN_TEXT, true },	  { "LAG", "", 8, COLUMN_NUMBER, true },
	{ "TAKEN", "", 8, COLUMN_NUMBER, true },  { "LOST", "", 8, COLUMN_NUMBER, true },
	{ "LOANS", "", 5, COLUMN_NUMBER, true },
};

static void draw_subscribers(const json_t *list)
{
	struct table_options options = { 0 };
	struct table t;
	size_t i;
	json_t *s;

	if (!json_array_size(list) || !table_begin(&t, "subscribers", subscriber_columns, 7, &options))
		return;
	json_array_foreach(list, i, s) {
		struct libscols_line *line = table_row(&t);
		table_number(&t, line, 0, get(s, "process"));
		table_text(&t, line, 1, json_is_true(json_object_get(s, "alive")) ? "alive" : "dead");
		table_text(&t, line, 2, get_text(s, "policy"));
		table_number(&t, line, 3, get(s, "lag"));
		table_number(&t, line, 4, get(s, "taken"));
		table_number(&t, line, 5, get(s, "lost"));
		table_number(&t, line, 6, get(s, "loans"));
	}
	table_end(&t);
}

static void draw_topics(const json_t *list)
{
	char name[300], bytes[16];
	size_t i;
	json_t *topic;

	json_array_foreach(list, i, topic) {
		snprintf(name, sizeof name, "Topic %s", get_text(topic, "name"));
		heading(harmless(name, (char[300]){ 0 }, sizeof name));
		printf("%" PRIu64 " published, %" PRIu64 " kept with %s, %" PRIu64 " on loan besides%s\n",
		       get(topic, "published"), get(topic, "messages"),
		       human_bytes(get(topic, "bytes"), bytes, sizeof bytes), get(topic, "on_loan"),
		       json_is_true(json_object_get(topic, "shut")) ? ", shut" : "");
		draw_subscribers(json_object_get(topic, "subscribers"));
	}
}

static const struct column class_columns[] = {
	{ "BLOCK", "", 8, COLUMN_BYTES, true },	  { "PAGES", "", 8, COLUMN_NUMBER, true },
	{ "LIVE", "", 8, COLUMN_NUMBER, true },	  { "RESERVED", "", 8, COLUMN_NUMBER, true },
	{ "FREE", "", 8, COLUMN_NUMBER, true },
};

static void draw_classes(const json_t *classes)
{
	struct table_options options = { .in_bytes = true };
	struct table t;
	size_t i;
	json_t *c;

	if (!table_begin(&t, "classes", class_columns, 5, &options))
		return;
	json_array_foreach(classes, i, c) {
		struct libscols_line *line = table_row(&t);
		table_bytes(&t, line, 0, get(c, "block_bytes"));
		table_number(&t, line, 1, get(c, "pages"));
		table_number(&t, line, 2, get(c, "live"));
		table_number(&t, line, 3, get(c, "reserved"));
		table_number(&t, line, 4, get(c, "free"));
	}
	table_end(&t);
}

static void draw_heap(const json_t *h, bool with_classes)
{
	char a[16], b[16], c[16], d[16];

	heading("Heap");
	if (json_object_get(h, "error")) {
		printf("%s\n", get_text(h, "error"));
		return;
	}
	printf("%s of %s in use, %s at most so far; %s reserved from the system\n",
	       human_bytes(get(h, "used_bytes"), a, sizeof a),
	       human_bytes(get(h, "capacity_bytes"), b, sizeof b),
	       human_bytes(get(h, "high_water_bytes"), c, sizeof c),
	       human_bytes(get(h, "backed_bytes"), d, sizeof d));
	printf("%" PRIu64 " live blocks, %s; %" PRIu64 " reserved, %s; %s free, %s in one piece\n",
	       get(h, "live_blocks"), human_bytes(get(h, "live_bytes"), a, sizeof a),
	       get(h, "reserved_blocks"), human_bytes(get(h, "reserved_bytes"), b, sizeof b),
	       human_bytes(get(h, "free_bytes"), c, sizeof c),
	       human_bytes(get(h, "largest_bytes"), d, sizeof d));
	if (with_classes)
		draw_classes(json_object_get(h, "classes"));
}

static void draw(const json_t *all, bool with_classes)
{
	draw_segment(json_object_get(all, "segment"));
	draw_participants(json_object_get(all, "participants"));
	draw_threads(json_object_get(all, "threads"));
	draw_objects(json_object_get(all, "objects"), get(all, "object_count"));
	draw_topics(json_object_get(all, "topics"));
	draw_heap(json_object_get(all, "heap"), with_classes);
}

static int show(const char *name, bool is_json, bool with_classes, uint64_t max_objects)
{
	dure_segment *seg;
	bool is_damaged;
	json_t *all;

	if (open_segment("show", name, DURE_OPEN | DURE_READ_ONLY, &seg) < 0)
		return EXIT_TROUBLE;
	all = gather(seg, max_objects);
	dure_segment_close(seg);
	if (!all)
		return complain("show", "%s: out of memory", name);
	if (is_json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		draw(all, with_classes);
	}
	is_damaged = json_object_get(json_object_get(all, "heap"), "error") != NULL;
	json_decref(all);
	return is_damaged ? EXIT_TROUBLE : EXIT_FINE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' },	{ "classes", no_argument, NULL, 'c' },
		{ "max", required_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool is_json = false, with_classes = false;
	uint64_t max_objects = 100;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "Jcn:h", options, NULL)) != -1)
		switch (c) {
		case 'J':
			is_json = true;
			break;
		case 'c':
			with_classes = true;
			break;
		case 'n':
			max_objects = strtoull(optarg, &end, 10);
			if (!*optarg || *end)
				return print_usage(&cmd_show, stderr);
			break;
		case 'h':
			return print_usage(&cmd_show, stdout);
		default:
			return print_usage(&cmd_show, stderr);
		}
	if (argc - optind != 1)
		return print_usage(&cmd_show, stderr);
	return show(argv[optind], is_json, with_classes, max_objects);
}
