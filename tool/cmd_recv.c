/* SPDX-License-Identifier: MIT */
/*
 * cmd_recv.c - dure recv: messages out of a queue
 *
 * Rules    [RECV1] a message is acknowledged when all of it is written, and not before: whoever
 *                  kills this process, or closes its output, gives the message back
 */
#include "channel.h"
#include "payload.h"

static int run(int argc, char **argv);

const struct command cmd_recv = {
	.name = "recv",
	.run = run,
	.usage = "Usage: dure recv [OPTION...] NAME\n"
		 "Receive messages of a queue, and write them to the standard output. One whose\n"
		 "receiver is killed before it is written is back in the queue.\n\n"
		 "  -t, --type SELECTOR   T: the first of type T; -T: the first of the lowest type\n"
		 "                        up to T; ^T: the first of any type but T\n"
		 "  -n, --count N         so many; 0: until the queue is shut (1)\n"
		 "  -f, --follow          the same as --count 0\n"
		 "  -l, --lines           write a newline behind each\n"
		 "  -z, --null            write a NUL behind each\n"
		 "  -J, --json            write each as a line of JSON\n"
		 "  -m, --max BYTES       of each at most so many; the rest of it is gone\n"
		 "  -d, --dead-letters    receive dead letters\n"
		 "  -T, --timeout TIME    how long to wait for each; 0: not at all (for ever)\n"
		 "  -c, --create  -w, --with LIST  -O, --object OBJECT   as of dure send\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 received, 1 nothing came in time, 2 trouble, 3 the queue is shut,\n"
		 "4 --max has cut one off.\n",
};

struct receive {
	struct channel channel;
	struct dure_queue_select which;
	struct payload_output output;
	uint64_t count, received;	/* count 0: no end */
};

static int write_message(struct receive *r, const struct dure_message *m)
{
	const void *data = dure_ref_get(r->channel.segment, m->ref, (size_t)m->bytes);
	json_t *facts = r->output.form == PAYLOAD_JSON ? message_facts(m) : NULL;

	if (!data)
		return complain_segment("recv", r->channel.name);
	return payload_write(&r->output, facts, data, (size_t)m->bytes) ? EXIT_FINE : EXIT_TROUBLE;
}

/* [RECV1] */
static int receive_one(struct receive *r)
{
	struct channel *c = &r->channel;
	struct dure_message m = { .sz = sizeof m };
	int code = dure_queue_take(c->queue, &r->which, NULL, 0, &m, c->timeout_ns), status;

	if (code < 0)
		return channel_failure(c, code);
	status = write_message(r, &m);
	if (status == EXIT_FINE)
		code = dure_queue_acknowledge(c->queue, &m);
	else
		(void)dure_queue_requeue(c->queue, &m);	/* else it comes back at our end */
	r->received += status == EXIT_FINE;
	return code < 0 ? channel_failure(c, code) : status;
}

static int receive_all(struct receive *r)
{
	int status = EXIT_FINE;

	while (status == EXIT_FINE && (!r->count || r->received < r->count))
		status = receive_one(r);
	/* without a number this is the end that was waited for */
	if (!r->count && (status == EXIT_SHUT || (status == EXIT_NOT_IN_TIME && r->received)))
		status = EXIT_FINE;
	return status == EXIT_FINE && r->output.has_cut ? EXIT_PARTIAL : status;
}

static int receive_from(struct receive *r, const char *name)
{
	int status = channel_open(&r->channel, name);

	if (status != EXIT_FINE)
		return status;
	status = receive_all(r);
	channel_close(&r->channel);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' }, { "count", required_argument, NULL, 'n' },
		{ "follow", no_argument, NULL, 'f' },	  { "dead-letters", no_argument, NULL, 'd' },
		PAYLOAD_LONG_OPTIONS, CHANNEL_LONG_OPTIONS
	};
	struct receive r = { .channel = { .command = "recv", .kind = CHANNEL_QUEUE }, .count = 1,
			     .which = { .sz = sizeof r.which }, .output = { .command = "recv" } };
	int c, status = -1;

	while (status < 0 && (c = getopt_long(argc, argv, "t:n:fd" PAYLOAD_OPTIONS CHANNEL_OPTIONS,
					      options, NULL)) != -1)
		switch (c) {
		case 't':
			if (!read_selector("recv", optarg, &r.which))
				return EXIT_TROUBLE;
			break;
		case 'n':
			if (!read_count("recv", "--count", optarg, UINT64_MAX, &r.count))
				return EXIT_TROUBLE;
			break;
		case 'f':
			r.count = 0;
			break;
		case 'd':
			r.which.flags |= DURE_QUEUE_DEAD_LETTERS;
			break;
		default:
			if (!payload_option(&r.output, c, &status))
				status = channel_option(&r.channel, &cmd_recv, c);
		}
	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return print_usage(&cmd_recv, stderr);
	return receive_from(&r, argv[optind]);
}
