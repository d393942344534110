/* SPDX-License-Identifier: MIT */
/*
 * cmd_send.c - dure send: messages into a queue
 */
#include "channel.h"
#include "payload.h"

static int run(int argc, char **argv);

const struct command cmd_send = {
	.name = "send",
	.run = run,
	.summary = "messages of a queue: put in, take out, look at",
	.usage = "Usage: dure send [OPTION...] NAME [TEXT]\n"
		 "Send a message to a queue: TEXT, or else all of the standard input.\n\n"
		 "  -t, --type TYPE       its type, from 1 up (1)\n"
		 "  -p, --priority N      0 to 32767; the highest is received first (0)\n"
		 "  -e, --expire TIME     drop it if it waits for longer than 90s, 15m, 2d\n"
		 "  -l, --lines           each line of the standard input is a message\n"
		 "  -z, --null            the same, but they end with a NUL\n"
		 "  -x, --shut            then shut the queue: receivers are told of its end\n"
		 "  -T, --timeout TIME    how long to wait for room; 0: not at all (for ever)\n"
		 "  -c, --create          make the segment and the queue if they are not there\n"
		 "  -w, --with LIST       what is made: messages=N,bytes=N,message=N,deliveries=N\n"
		 "                        are the queue's limits, size=64M,mode=0600 the segment's\n"
		 "  -O, --object OBJECT   the queue, if there are several in the segment\n"
		 "  -h, --help            this text\n\n"
		 "NAME is the segment's: a plain name, a path (with a '/'), or sysv:ID.\n"
		 "Exit status: 0 sent, 1 no room in time, 2 trouble, 3 the queue is shut.\n",
};

struct send {
	struct channel channel;
	struct payload_input input;
	struct dure_queue_put put;
	bool is_last;			/* shut it afterwards */
};

static int send_all(struct send *s)
{
	struct channel *c = &s->channel;
	struct payload_input *in = &s->input;
	int got, r = 0;

	while (r == 0 && (got = payload_read(in)) != 0) {
		if (got < 0)
			return EXIT_TROUBLE;
		r = dure_queue_send(c->queue, in->bytes, in->count, &s->put, c->timeout_ns);
	}
	if (r == 0 && s->is_last)
		r = dure_queue_shut(c->queue);
	return r < 0 ? channel_refusal(c, r) : EXIT_FINE;
}

static int send_to(struct send *s, const char *name)
{
	int r = channel_open(&s->channel, name);

	if (r != EXIT_FINE)
		return r;
	s->input.bytes_max = channel_bytes_max(&s->channel);
	r = send_all(s);
	payload_input_end(&s->input);
	channel_close(&s->channel);
	return r;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' },   { "priority", required_argument, NULL, 'p' },
		{ "expire", required_argument, NULL, 'e' }, { "lines", no_argument, NULL, 'l' },
		{ "null", no_argument, NULL, 'z' },	    { "shut", no_argument, NULL, 'x' },
		CHANNEL_LONG_OPTIONS
	};
	struct send s = { .channel = { .command = "send", .kind = CHANNEL_QUEUE },
			  .input = { .command = "send" }, .put = { .sz = sizeof s.put } };
	uint64_t n;
	int c, r = -1;

	while (r < 0 && (c = getopt_long(argc, argv, "t:p:e:lzx" CHANNEL_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 't':
			if (!read_type("send", optarg, &s.put.type))
				return EXIT_TROUBLE;
			break;
		case 'p':
			if (!read_count("send", "--priority", optarg, DURE_PRIORITY_MAX, &n))
				return EXIT_TROUBLE;
			s.put.priority = (uint32_t)n;
			break;
		case 'e':
			if (!read_duration("send", "--expire", optarg, &s.put.lives_ns))
				return EXIT_TROUBLE;
			break;
		case 'l':
			s.input.form = PAYLOAD_LINES;
			break;
		case 'z':
			s.input.form = PAYLOAD_NULL;
			break;
		case 'x':
			s.is_last = true;
			break;
		default:
			r = channel_option(&s.channel, &cmd_send, c);
		}
	if (r >= 0)
		return r;
	if (argc - optind != 1 && (argc - optind != 2 || s.input.form != PAYLOAD_WHOLE))
		return print_usage(&cmd_send, stderr);
	s.input.text = argv[optind + 1];
	return send_to(&s, argv[optind]);
}
