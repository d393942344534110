/* SPDX-License-Identifier: MIT */
/*
 * cmd_queues.c - dure queues: how full queues, services, topics, rings, lanes and boards are, and who is
 *                at them
 *
 * The facts are gathered into one JSON value; --json prints it, the table is drawn from it. So
 * both show the same. Segments are opened for reading: nobody is held up, and nobody is counted.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "channel.h"
#include "list.h"

static int run(int argc, char **argv);

enum {
	C_NAME, C_KIND, C_DEPTH, C_BYTES, C_TAKEN, C_DEAD, C_IN, C_OUT, C_IN_RATE, C_OUT_RATE,
	C_USERS, C_STATE, C_WHO, C_TOTAL
};

static const struct column columns[C_TOTAL] = {
	[C_NAME] = { "NAME", "segment and object; who is at it is below", 0.3, COLUMN_TEXT, true },
	[C_KIND] = { "KIND", "queue, service, topic, ring, board, lanes", 7, COLUMN_TEXT, true },
	[C_DEPTH] = { "DEPTH", "messages in it; of a subscriber: its lag", 5, COLUMN_NUMBER, true },
	[C_BYTES] = { "BYTES", "of them", 6, COLUMN_BYTES, true },
	[C_TAKEN] = { "TAKEN", "of them, with receivers or servers", 5, COLUMN_NUMBER, true },
	[C_DEAD] = { "DEAD", "dead letters", 4, COLUMN_NUMBER, true },
	[C_IN] = { "IN", "sent, asked, published, written so far", 6, COLUMN_NUMBER, false },
	[C_OUT] = { "OUT", "received, answered; of a subscriber: taken", 6, COLUMN_NUMBER, false },
	[C_IN_RATE] = { "IN/S", "a second, with --interval", 6, COLUMN_NUMBER, true },
	[C_OUT_RATE] = { "OUT/S", "a second, with --interval", 6, COLUMN_NUMBER, true },
	[C_USERS] = { "USERS", "living processes that have it open", 5, COLUMN_NUMBER, true },
	[C_STATE] = { "STATE", "open, shut; of who is at it: alive, dead", 5, COLUMN_TEXT, true },
	[C_WHO] = { "WHO", "pid and what it has", 0.3, COLUMN_TEXT, true },
};

const struct command cmd_queues = {
	.name = "queues",
	.run = run,
	.summary = "queues, topics, services: depth, rates, lag, holders",
	.usage = "Usage: dure queues [OPTION...] [NAME]\n"
		 "Show the queues, services, topics, rings, lanes, boards of a segment, or of all:\n"
		 "how full they are, who has which message, and how far each subscriber lags.\n\n"
		 "  -i, --interval TIME  look twice, so far apart, for the rates\n"
		 "  -f, --filter EXPR    only where it holds: 'depth > 1000 and kind == queue'\n"
		 "  -s, --sort LIST      by these columns; -COLUMN downwards\n"
		 "  -o, --output LIST    these columns, separated by commas\n"
		 "  -S, --summary        without those who are at them\n"
		 "  -b, --bytes          sizes in bytes\n"
		 "  -J, --json           JSON: everything\n"
		 "  -n, --noheadings     no headings\n"
		 "  -h, --help           this text\n\n"
		 "Columns: NAME, KIND, DEPTH, BYTES, TAKEN, DEAD (letters), IN, OUT, IN/S, OUT/S,\n"
		 "USERS, STATE, WHO.\n"
		 "Exit status: 0 shown, 2 trouble.\n",
};

/* -- gathering --------------------------------------------------------------------------- */

struct gathering {
	json_t *channels, *notes;
	dure_segment *segment;		/* the one looked at now */
	const char *name;
};

static json_int_t number(uint64_t n)
{
	return (json_int_t)n;
}

static int add_subscriber(const struct dure_subscriber_info *s, void *context)
{
	static const char *const policies[] = { "drop", "latest", "block", "evict" };

	json_array_append_new(context, or_exit(json_pack(
		"{s:i, s:b, s:s, s:I, s:I, s:I, s:i}", "process", (int)s->process, "alive",
		(int)s->is_alive, "policy", policies[s->policy & 3], "lag", number(s->lag), "taken",
		number(s->taken), "lost", number(s->lost), "loans", (int)s->loans)));
	return 0;
}

static int add_holder(const struct dure_holder_info *h, void *context)
{
	static const char *const roles[] = { "?", "message", "sender", "receiver" };
	json_t *holder = or_exit(json_pack("{s:s, s:i, s:i, s:b}", "has", roles[h->role & 3],
					   "process", (int)h->process, "thread", (int)h->thread,
					   "alive", (int)h->is_alive));

	if (h->role == DURE_HOLDER_MESSAGE)
		json_object_update_new(holder, or_exit(json_pack(
			"{s:I, s:I, s:i, s:I, s:i}", "id", number(h->id), "type", (json_int_t)h->type,
			"priority", (int)h->priority, "bytes", number(h->bytes), "deliveries",
			(int)h->deliveries)));
	json_array_append_new(context, holder);
	return 0;
}

static void note(struct gathering *g, const char *name, const char *sentence)
{
	char text[1400];

	snprintf(text, sizeof text, "%s: %s", name, sentence);
	json_array_append_new(g->notes, text_value(text));
}

static json_t *value_of(const struct gathering *g, const struct dure_object_info *o,
			const struct dure_channel_info *i)
{
	static const char *const kinds[] = { "?", "queue", "service", "topic", "ring", "board",
					     "lanes" };

	return or_exit(json_pack(
		"{s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:n, s:n, s:I, s:I, s:i, s:b}", "segment",
		text_value(g->name), "object", text_value(o->name), "kind", kinds[i->kind], "messages",
		number(i->messages), "bytes", number(i->bytes), "taken", number(i->taken),
		"dead_letters", number(i->dead_letters), "in", number(i->in), "out", number(i->out),
		"in_per_s", "out_per_s", "messages_max", number(i->messages_max), "bytes_max",
		number(i->bytes_max), "users", (int)i->users, "shut", (int)(i->is_shut != 0)));
}

static int add_object(const struct dure_object_info *o, void *context)
{
	struct gathering *g = context;
	struct dure_channel_info info = { .sz = sizeof info };
	json_t *value, *holders, *subscribers;
	int r = o->kind == 1 ? dure_channel_info(g->segment, o, &info) : -EINVAL;

	if (r == -EUCLEAN)
		note(g, g->name, dure_last_error());
	if (r < 0)
		return 0;
	value = value_of(g, o, &info);
	holders = or_exit(json_array());
	subscribers = or_exit(json_array());
	(void)dure_holder_list(g->segment, o, add_holder, holders);
	if (info.kind == DURE_CHANNEL_TOPIC)
		(void)dure_topic_look(g->segment, o->name, NULL, add_subscriber, subscribers);
	json_object_set_new(value, "holders", holders);
	json_object_set_new(value, "subscribers", subscribers);
	json_array_append_new(g->channels, value);
	return 0;
}

/* An open segment, which is closed. */
static void look_into(struct gathering *g, const char *name, dure_segment *segment)
{
	g->name = name;
	g->segment = segment;
	if (dure_object_list(segment, add_object, g) < 0)
		note(g, name, dure_last_error());
	dure_segment_close(segment);
}

static int look_at(const struct dure_segment_entry *entry, void *context)
{
	struct dure_segment_options options;
	struct gathering *g = context;
	dure_segment *segment;
	const char *name = entry->name;
	char number[24];

	if (entry->is_stale)
		return 0;
	if (!*name) {
		snprintf(number, sizeof number, "sysv:%d", (int)entry->sysv_id);
		name = number;
	}
	if (dure_segment_open(segment_by_name(name, &options), DURE_OPEN | DURE_READ_ONLY, &options,
			      &segment) < 0)
		note(g, name, dure_last_error());
	else
		look_into(g, name, segment);
	return 0;
}

/* NULL: the segment that was asked for cannot be opened, and that was complained about. */
static json_t *gather(const char *name)
{
	struct gathering g = { .channels = or_exit(json_array()), .notes = or_exit(json_array()) };
	dure_segment *segment;

	if (!name) {
		if (dure_segment_list(NULL, look_at, &g) < 0)
			note(&g, "segments", dure_last_error());
	} else if (open_segment("queues", name, DURE_OPEN | DURE_READ_ONLY, &segment) >= 0) {
		look_into(&g, name, segment);
	} else {
		json_decref(g.channels);
		json_decref(g.notes);
		return NULL;
	}
	return or_exit(json_pack("{s:i, s:b, s:n, s:o, s:o}", "version", 1, "complete",
				 (int)(json_array_size(g.notes) == 0), "interval_s", "channels",
				 g.channels, "notes", g.notes));
}

/* -- rates ------------------------------------------------------------------------------- */

static uint64_t get(const json_t *value, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(value, key));
}

static const char *get_text(const json_t *value, const char *key)
{
	const char *text = json_string_value(json_object_get(value, key));

	return text ? text : "";
}

/* The one that was there before, or NULL. */
static const json_t *find_same(const json_t *channels, const json_t *channel)
{
	static const char *const keys[] = { "segment", "object", "kind" };
	const json_t *other;
	size_t i;

	json_array_foreach(channels, i, other) {
		size_t same = 0;
		while (same < 3 && strcmp(get_text(other, keys[same]), get_text(channel, keys[same])) == 0)
			same++;
		if (same == 3)
			return other;
	}
	return NULL;
}

static void add_rate(json_t *channel, const json_t *before, const char *key, const char *rate_key,
		     double seconds)
{
	uint64_t was = get(before, key), is = get(channel, key);

	if (is >= was)			/* else it is another one of that name */
		json_object_set_new(channel, rate_key,
				    json_integer((json_int_t)((double)(is - was) / seconds + 0.5)));
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static json_t *gather_twice(const char *name, int64_t interval_ns)
{
	struct timespec pause = { interval_ns / DURE_S(1), interval_ns % DURE_S(1) };
	double began = now(), seconds;
	json_t *before = gather(name), *after, *channel;
	size_t i;

	if (!before)
		return NULL;
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &pause) == EINTR)
		;
	after = gather(name);
	seconds = now() - began;
	json_array_foreach(json_object_get(after, "channels"), i, channel) {
		const json_t *same = find_same(json_object_get(before, "channels"), channel);
		if (!same)
			continue;
		add_rate(channel, same, "in", "in_per_s", seconds);
		add_rate(channel, same, "out", "out_per_s", seconds);
	}
	if (after)
		json_object_set_new(after, "interval_s", json_real(seconds));
	json_decref(before);
	return after;
}

/* -- drawing ----------------------------------------------------------------------------- */

static void number_if(struct row *row, unsigned column, const json_t *value)
{
	if (json_is_integer(value))
		row_number(row, column, (uint64_t)json_integer_value(value));
}

static const char *life_of(const json_t *who)
{
	return json_is_true(json_object_get(who, "alive")) ? "alive" : "dead";
}

static void add_subscriber_row(struct row *row, const json_t *s)
{
	char text[120];

	snprintf(text, sizeof text, "pid %" PRIu64 ": %s, lost %" PRIu64 ", on loan %" PRIu64,
		 get(s, "process"), get_text(s, "policy"), get(s, "lost"), get(s, "loans"));
	row_text(row, C_KIND, "subscriber");
	row_number(row, C_DEPTH, get(s, "lag"));
	row_number(row, C_OUT, get(s, "taken"));
	row_text(row, C_STATE, life_of(s));
	row_text(row, C_WHO, text);
}

static void add_holder_row(struct row *row, const json_t *h)
{
	char text[160];

	if (strcmp(get_text(h, "has"), "message") == 0) {
		snprintf(text, sizeof text, "pid %" PRIu64 ": message %" PRIu64 ", type %lld, delivery %"
			 PRIu64, get(h, "process"), get(h, "id"),
			 (long long)json_integer_value(json_object_get(h, "type")), get(h, "deliveries"));
		row_number(row, C_BYTES, get(h, "bytes"));
	} else {
		snprintf(text, sizeof text, "pid %" PRIu64, get(h, "process"));
	}
	row_text(row, C_KIND, get_text(h, "has"));
	row_text(row, C_STATE, life_of(h));
	row_text(row, C_WHO, text);
}

static void add_row(struct list *list, const json_t *c, bool is_short)
{
	static const struct {
		unsigned column;
		const char *key;
	} numbers[] = {
		{ C_DEPTH, "messages" }, { C_BYTES, "bytes" },	     { C_TAKEN, "taken" },
		{ C_DEAD, "dead_letters" }, { C_IN, "in" },	     { C_OUT, "out" },
		{ C_IN_RATE, "in_per_s" }, { C_OUT_RATE, "out_per_s" }, { C_USERS, "users" },
	};
	struct row *row = list_add(list);
	char name[1200];
	const json_t *who;
	size_t i;

	snprintf(name, sizeof name, "%s %s", get_text(c, "segment"), get_text(c, "object"));
	row_text(row, C_NAME, name);
	row_text(row, C_KIND, get_text(c, "kind"));
	row_text(row, C_STATE, json_is_true(json_object_get(c, "shut")) ? "shut" : "open");
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
		number_if(row, numbers[i].column, json_object_get(c, numbers[i].key));
	if (is_short)
		return;
	json_array_foreach(json_object_get(c, "subscribers"), i, who)
		add_subscriber_row(list_add_below(row), who);
	json_array_foreach(json_object_get(c, "holders"), i, who)
		add_holder_row(list_add_below(row), who);
}

struct choice {
	const char *filter, *sort;
	struct table_options table;
	int64_t interval_ns;
	bool is_short;
};

static int draw(const json_t *all, const struct choice *choice)
{
	struct list list;
	const json_t *value;
	size_t i;
	int status = EXIT_FINE;

	list_begin(&list, columns, C_TOTAL);
	json_array_foreach(json_object_get(all, "channels"), i, value)
		add_row(&list, value, choice->is_short);
	if ((choice->filter && !list_filter(&list, "queues", choice->filter)) ||
	    !list_sort(&list, "queues", choice->sort))
		status = EXIT_TROUBLE;
	else if (!list_print(&list, "queues", &choice->table))
		status = complain("queues", "--output %s: no such columns (dure queues --help lists them)",
				  choice->table.output);
	list_end(&list);
	json_array_foreach(json_object_get(all, "notes"), i, value)
		complain("queues", "%s", json_string_value(value));
	return status;
}

static int show(const char *name, const struct choice *choice)
{
	json_t *all = choice->interval_ns ? gather_twice(name, choice->interval_ns) : gather(name);
	int status = EXIT_FINE;

	if (!all)
		return EXIT_TROUBLE;
	if (choice->table.is_json) {
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		status = draw(all, choice);
	}
	json_decref(all);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' }, { "filter", required_argument, NULL, 'f' },
		{ "sort", required_argument, NULL, 's' },     { "output", required_argument, NULL, 'o' },
		{ "summary", no_argument, NULL, 'S' },	      { "bytes", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'J' },	      { "noheadings", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },	      { 0 },
	};
	struct choice choice = { .sort = "name", .table = { .is_tree = true } };
	int c;

	while ((c = getopt_long(argc, argv, "i:f:s:o:SbJnh", options, NULL)) != -1)
		switch (c) {
		case 'i':
			if (!read_duration("queues", "--interval", optarg, &choice.interval_ns))
				return EXIT_TROUBLE;
			break;
		case 'f':
			choice.filter = optarg;
			break;
		case 's':
			choice.sort = optarg;
			break;
		case 'o':
			choice.table.output = optarg;
			break;
		case 'S':
			choice.is_short = true;
			break;
		case 'b':
			choice.table.in_bytes = true;
			break;
		case 'J':
			choice.table.is_json = true;
			break;
		case 'n':
			choice.table.no_headings = true;
			break;
		case 'h':
			return print_usage(&cmd_queues, stdout);
		default:
			return print_usage(&cmd_queues, stderr);
		}
	if (argc - optind > 1)
		return print_usage(&cmd_queues, stderr);
	return show(argv[optind], &choice);
}
