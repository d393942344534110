/* SPDX-License-Identifier: MIT */
/*
 * cmd_pub.c - dure pub: publications of a topic
 */
#include "channel.h"
#include "payload.h"

static int run(int argc, char **argv);

const struct command cmd_pub = {
	.name = "pub",
	.run = run,
	.summary = "publish in a topic; subscribe to one",
	.usage = "Usage: dure pub [OPTION...] NAME [TEXT]\n"
		 "Publish in a topic: TEXT, or else all of the standard input. Each subscriber\n"
		 "gets it.\n\n"
		 "  -l, --lines           publish each line of the standard input\n"
		 "  -z, --null            the same, but they end with a NUL\n"
		 "  -x, --shut            then shut the topic: subscribers are told of its end\n"
		 "  -T, --timeout TIME    how long to wait for subscribers that block; 0: not at\n"
		 "                        all (for ever)\n"
		 "  -c, --create          make the segment and the topic if they are not there\n"
		 "  -w, --with LIST       what is made: messages=N (64; kept for who joins or\n"
		 "                        lags), bytes=N, message=N, subscribers=N are the topic's\n"
		 "                        limits, size=64M,mode=0600 the segment's\n"
		 "  -O, --object OBJECT   the topic, if there are several in the segment\n"
		 "  -h, --help            this text\n\n"
		 "NAME is the segment's: a plain name, a path (with a '/'), or sysv:ID.\n"
		 "Exit status: 0 published, 1 somebody blocks, 2 trouble, 3 the topic is shut.\n",
};

static int publish_all(struct channel *c, struct payload_input *in, bool is_last)
{
	int got, r = 0;

	while (r == 0 && (got = payload_read(in)) != 0) {
		if (got < 0)
			return EXIT_TROUBLE;
		r = dure_topic_send(c->topic, in->bytes, in->count, c->timeout_ns);
	}
	if (r == 0 && is_last)
		r = dure_topic_shut(c->topic);
	return r < 0 ? channel_refusal(c, r) : EXIT_FINE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "lines", no_argument, NULL, 'l' }, { "null", no_argument, NULL, 'z' },
		{ "shut", no_argument, NULL, 'x' },  CHANNEL_LONG_OPTIONS
	};
	struct channel channel = { .command = "pub", .kind = CHANNEL_TOPIC };
	struct payload_input input = { .command = "pub" };
	bool is_last = false;
	int c, r = -1;

	while (r < 0 && (c = getopt_long(argc, argv, "lzx" CHANNEL_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 'l':
			input.form = PAYLOAD_LINES;
			break;
		case 'z':
			input.form = PAYLOAD_NULL;
			break;
		case 'x':
			is_last = true;
			break;
		default:
			r = channel_option(&channel, &cmd_pub, c);
		}
	if (r >= 0)
		return r;
	if (argc - optind != 1 && (argc - optind != 2 || input.form != PAYLOAD_WHOLE))
		return print_usage(&cmd_pub, stderr);
	input.text = argv[optind + 1];
	if ((r = channel_open(&channel, argv[optind])) != EXIT_FINE)
		return r;
	input.bytes_max = channel_bytes_max(&channel);
	r = publish_all(&channel, &input, is_last);
	payload_input_end(&input);
	channel_close(&channel);
	return r;
}
