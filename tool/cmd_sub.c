/* SPDX-License-Identifier: MIT */
/*
 * cmd_sub.c - dure sub: what is published in a topic
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "channel.h"
#include "payload.h"

static int run(int argc, char **argv);

const struct command cmd_sub = {
	.name = "sub",
	.run = run,
	.usage = "Usage: dure sub [OPTION...] NAME\n"
		 "Subscribe to a topic, and write what is published to the standard output. What\n"
		 "is lost on the way is counted on the standard error.\n\n"
		 "  -n, --count N         so many; 0: until the topic is shut (0)\n"
		 "  -H, --history N       begin with the last N of before, or with all kept\n"
		 "  -P, --policy POLICY   when it is too slow: drop the oldest (as it is), latest\n"
		 "                        only, block the publishers, or evict it\n"
		 "  -l, --lines           write a newline behind each\n"
		 "  -z, --null            write a NUL behind each\n"
		 "  -J, --json            write each as a line of JSON\n"
		 "  -m, --max BYTES       of each at most so many\n"
		 "  -T, --timeout TIME    how long to wait for each; 0: not at all (for ever)\n"
		 "  -c, --create  -w, --with LIST  -O, --object OBJECT   as of dure pub\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 received, 1 nothing came in time, 2 trouble, 3 shut before there\n"
		 "were N, 4 something was lost, --max has cut one off, or it was evicted.\n",
};

struct subscription {
	struct channel channel;
	struct dure_subscribe_options how;
	struct payload_output output;
	dure_subscriber *subscriber;
	uint64_t count, received, lost;	/* count 0: no end */
};

static bool read_policy(const char *text, uint32_t *ret)
{
	static const char *const policies[] = {
		[DURE_TOPIC_DROP] = "drop",   [DURE_TOPIC_LATEST] = "latest",
		[DURE_TOPIC_BLOCK] = "block", [DURE_TOPIC_EVICT] = "evict",
	};

	for (uint32_t i = 0; i < sizeof policies / sizeof *policies; i++)
		if (strcmp(policies[i], text) == 0) {
			*ret = i;
			return true;
		}
	complain("sub", "--policy %s: drop, latest, block or evict is wanted", text);
	return false;
}

static json_t *facts_of(const struct dure_publication *p)
{
	return or_exit(json_pack("{s:I, s:I, s:i, s:I}", "sequence", (json_int_t)p->sequence, "lost",
				 (json_int_t)p->lost, "publisher", (int)p->publisher, "bytes",
				 (json_int_t)p->bytes));
}

/* Said when it is known, and not only at an end that may never come. */
static void tell_lost(struct subscription *s, uint64_t lost)
{
	if (!lost || s->how.policy == DURE_TOPIC_LATEST)	/* who wants the latest only */
		return;
	s->lost += lost;
	complain("sub", "%s: lost here: %" PRIu64, s->channel.name, lost);
}

static int ended(const struct subscription *s, int r)
{
	if (r != -ECONNRESET)
		return channel_failure(&s->channel, r);
	complain("sub", "%s: too slow: evicted", s->channel.name);
	return EXIT_PARTIAL;
}

static int receive_one(struct subscription *s)
{
	struct dure_publication p = { .sz = sizeof p };
	const void *data;
	bool is_written;
	int r = dure_subscriber_take(s->subscriber, &data, &p, s->channel.timeout_ns);

	if (r < 0)
		return ended(s, r);
	tell_lost(s, p.lost);
	is_written = payload_write(&s->output, s->output.form == PAYLOAD_JSON ? facts_of(&p) : NULL,
				   data, (size_t)p.bytes);
	s->received++;
	(void)dure_subscriber_give_back(s->subscriber, data);
	return is_written ? EXIT_FINE : EXIT_TROUBLE;
}

static int receive_all(struct subscription *s)
{
	int status = EXIT_FINE;

	while (status == EXIT_FINE && (!s->count || s->received < s->count))
		status = receive_one(s);
	/* without a number this is the end that was waited for */
	if (!s->count && (status == EXIT_SHUT || (status == EXIT_NOT_IN_TIME && s->received)))
		status = EXIT_FINE;
	return status == EXIT_FINE && (s->output.has_cut || s->lost) ? EXIT_PARTIAL : status;
}

static int subscribe(struct subscription *s, const char *name)
{
	int r, status = channel_open(&s->channel, name);

	if (status != EXIT_FINE)
		return status;
	r = dure_topic_subscribe(s->channel.topic, &s->how, &s->subscriber);
	status = r < 0 ? channel_failure(&s->channel, r) : receive_all(s);
	dure_subscriber_close(s->subscriber);
	channel_close(&s->channel);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' },  { "history", required_argument, NULL, 'H' },
		{ "policy", required_argument, NULL, 'P' }, PAYLOAD_LONG_OPTIONS, CHANNEL_LONG_OPTIONS
	};
	struct subscription s = { .channel = { .command = "sub", .kind = CHANNEL_TOPIC },
				  .how = { .sz = sizeof s.how }, .output = { .command = "sub" } };
	int c, status = -1;

	while (status < 0 && (c = getopt_long(argc, argv, "n:H:P:" PAYLOAD_OPTIONS CHANNEL_OPTIONS,
					      options, NULL)) != -1)
		switch (c) {
		case 'n':
			if (!read_count("sub", "--count", optarg, UINT64_MAX, &s.count))
				return EXIT_TROUBLE;
			break;
		case 'H':
			if (!read_history("sub", optarg, &s.how.history))
				return EXIT_TROUBLE;
			break;
		case 'P':
			if (!read_policy(optarg, &s.how.policy))
				return EXIT_TROUBLE;
			break;
		default:
			if (!payload_option(&s.output, c, &status))
				status = channel_option(&s.channel, &cmd_sub, c);
		}
	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return print_usage(&cmd_sub, stderr);
	return subscribe(&s, argv[optind]);
}
