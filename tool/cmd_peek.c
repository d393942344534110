/* SPDX-License-Identifier: MIT */
/*
 * cmd_peek.c - dure peek: messages of a queue, which stay there
 */
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "payload.h"
#include "table.h"

static int run(int argc, char **argv);

const struct command cmd_peek = {
	.name = "peek",
	.run = run,
	.usage = "Usage: dure peek [OPTION...] NAME\n"
		 "Look at messages that wait in a queue, and leave them there. Nothing waits.\n\n"
		 "  -t, --type SELECTOR   as of dure recv: T, -T or ^T\n"
		 "  -i, --index N         pass over so many that come before (0)\n"
		 "  -n, --count N         so many; 0: all (1)\n"
		 "  -L, --list            a table of them, with how they begin\n"
		 "  -l, --lines           write a newline behind each\n"
		 "  -z, --null            write a NUL behind each\n"
		 "  -J, --json            write each as a line of JSON\n"
		 "  -m, --max BYTES       of each at most so many\n"
		 "  -d, --dead-letters    look at dead letters\n"
		 "  -O, --object OBJECT   the queue, if there are several in the segment\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 there is one, 1 there is none, 2 trouble, 3 there is none and the\n"
		 "queue is shut, 4 --max has cut one off.\n",
};

enum { BEGINNING_BYTES = 40 };

static const struct column columns[] = {
	{ "ID", "", 6, COLUMN_NUMBER, true },	      { "TYPE", "", 4, COLUMN_NUMBER, true },
	{ "PRIORITY", "", 4, COLUMN_NUMBER, true },   { "DELIVERIES", "", 4, COLUMN_NUMBER, true },
	{ "BYTES", "", 6, COLUMN_BYTES, true },	      { "BEGINS", "", 0.5, COLUMN_TEXT, true },
};

struct peek {
	struct channel channel;
	struct dure_queue_select which;
	struct payload_output output;
	uint64_t count, seen;		/* count 0: all */
	unsigned char *bytes;
	size_t room;
	bool is_list;
	struct table table;
};

/* The next one, into p->bytes; it may be another one when its length is known. */
static int look(struct peek *p, struct dure_message *m)
{
	for (;;) {
		int r = dure_queue_peek(p->channel.queue, &p->which, p->bytes, p->room, m);
		if (r < 0 || m->bytes <= p->room)
			return r;
		p->room = (size_t)m->bytes;
		p->bytes = or_exit(realloc(p->bytes, p->room));
	}
}

/* How a message begins, as far as it is printable; the table makes the rest harmless. */
static const char *beginning(const unsigned char *bytes, uint64_t count, char *text)
{
	size_t shown = count < BEGINNING_BYTES ? (size_t)count : BEGINNING_BYTES;

	for (size_t i = 0; i < shown; i++)
		text[i] = bytes[i] < 32 || bytes[i] == 127 ? '.' : (char)bytes[i];
	text[shown] = '\0';
	return text;
}

static void add_row(struct peek *p, const struct dure_message *m)
{
	struct libscols_line *line = table_row(&p->table);
	char text[BEGINNING_BYTES + 1], shown[4 * BEGINNING_BYTES + 20];

	table_number(&p->table, line, 0, m->id);
	table_number(&p->table, line, 1, (uint64_t)m->type);
	table_number(&p->table, line, 2, m->priority);
	table_number(&p->table, line, 3, m->deliveries);
	table_bytes(&p->table, line, 4, m->bytes);
	table_text(&p->table, line, 5,
		   harmless(beginning(p->bytes, m->bytes, text), shown, sizeof shown));
}

static int show(struct peek *p, const struct dure_message *m)
{
	json_t *facts = p->output.form == PAYLOAD_JSON ? message_facts(m) : NULL;

	if (!p->is_list)
		return payload_write(&p->output, facts, p->bytes, (size_t)m->bytes) ? EXIT_FINE
										    : EXIT_TROUBLE;
	add_row(p, m);
	return EXIT_FINE;
}

static int peek_all(struct peek *p)
{
	struct dure_message m = { .sz = sizeof m };
	int r, status = EXIT_FINE;

	while (status == EXIT_FINE && (!p->count || p->seen < p->count)) {
		r = look(p, &m);
		status = r < 0 ? channel_failure(&p->channel, r) : show(p, &m);
		p->seen += status == EXIT_FINE;
		p->which.skip++;
	}
	if (p->seen && (status == EXIT_NOT_IN_TIME || status == EXIT_SHUT))
		status = EXIT_FINE;		/* that was all of them */
	return status == EXIT_FINE && p->output.has_cut ? EXIT_PARTIAL : status;
}

static int peek_at(struct peek *p, const char *name)
{
	struct table_options options = { 0 };
	int status = channel_open(&p->channel, name);

	if (status != EXIT_FINE)
		return status;
	if (p->is_list && !table_begin(&p->table, "messages", columns, 6, &options))
		return complain("peek", "out of memory");
	status = peek_all(p);
	if (p->is_list)
		table_end(&p->table);
	free(p->bytes);
	channel_close(&p->channel);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' },   { "index", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },  { "list", no_argument, NULL, 'L' },
		{ "dead-letters", no_argument, NULL, 'd' }, { "object", required_argument, NULL, 'O' },
		{ "help", no_argument, NULL, 'h' },	    PAYLOAD_LONG_OPTIONS, { 0 },
	};
	struct peek p = { .channel = { .command = "peek", .kind = CHANNEL_QUEUE }, .count = 1,
			  .which = { .sz = sizeof p.which, .flags = DURE_QUEUE_TRUNCATE },
			  .output = { .command = "peek" } };
	bool has_count = false;
	int c, status = -1;

	while (status < 0 &&
	       (c = getopt_long(argc, argv, "t:i:n:LdO:h" PAYLOAD_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 't':
			if (!read_selector("peek", optarg, &p.which))
				return EXIT_TROUBLE;
			break;
		case 'i':
			if (!read_count("peek", "--index", optarg, UINT64_MAX, &p.which.skip))
				return EXIT_TROUBLE;
			break;
		case 'n':
			if (!read_count("peek", "--count", optarg, UINT64_MAX, &p.count))
				return EXIT_TROUBLE;
			has_count = true;
			break;
		case 'L':
			p.is_list = true;
			break;
		case 'd':
			p.which.flags |= DURE_QUEUE_DEAD_LETTERS;
			break;
		default:
			if (!payload_option(&p.output, c, &status))
				status = channel_option(&p.channel, &cmd_peek, c);
		}
	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return print_usage(&cmd_peek, stderr);
	if (p.is_list && !has_count)
		p.count = 0;
	return peek_at(&p, argv[optind]);
}
