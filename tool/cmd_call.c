/* SPDX-License-Identifier: MIT */
/*
 * cmd_call.c - dure call: a request to a service, and its reply
 */
#include <errno.h>
#include <time.h>

#include "channel.h"
#include "payload.h"

static int run(int argc, char **argv);

const struct command cmd_call = {
	.name = "call",
	.run = run,
	.summary = "ask a service; be one, by running a program",
	.usage = "Usage: dure call [OPTION...] NAME [TEXT]\n"
		 "Ask a service, TEXT or else all of the standard input, and write its reply to\n"
		 "the standard output.\n\n"
		 "  -t, --type TYPE       of the request, from 1 up (1)\n"
		 "  -p, --priority N      0 to 32767; the highest is answered first (0)\n"
		 "  -a, --attempts N      servers that may die of it; 0: any number (0)\n"
		 "  -e, --expire TIME     until a server must have taken it (for ever)\n"
		 "  -T, --timeout TIME    how long to wait for the reply (for ever)\n"
		 "  -c, --create          make the segment and the service if they are not there\n"
		 "  -w, --with LIST       what is made: messages=N,bytes=N,message=N limit the\n"
		 "                        requests; size=64M,mode=0600 are the segment's\n"
		 "  -O, --object OBJECT   the service, if there are several in the segment\n"
		 "  -h, --help            this text\n\n"
		 "NAME is the segment's: a plain name, a path (with a '/'), or sysv:ID.\n"
		 "Exit status: 0 answered, 1 not in time, 2 trouble, 3 the service is shut, 4 it\n"
		 "was refused, its server died, or no server took it.\n",
};

/* Why there is no reply. */
static int failed(const struct channel *c, int r)
{
	switch (r) {
	case -ECONNREFUSED:
		complain("call", "%s: the server refused", c->name);
		return EXIT_PARTIAL;
	case -EOWNERDEAD:
		complain("call", "%s: the server died of it", c->name);
		return EXIT_PARTIAL;
	case -ENOTCONN:
		complain("call", "%s: no server took it in time", c->name);
		return EXIT_PARTIAL;
	case -EAGAIN:
	case -ETIMEDOUT:
		complain("call", "%s: there was no reply in time", c->name);
		return EXIT_NOT_IN_TIME;
	default:
		return channel_refusal(c, r);
	}
}

static int write_reply(const struct channel *c, const struct dure_call *call)
{
	struct payload_output out = { .command = "call" };
	const void *data = call->bytes ? dure_ref_get(c->segment, call->ref, (size_t)call->bytes) : "";

	if (!data)
		return complain_segment("call", c->name);
	return payload_write(&out, NULL, data, (size_t)call->bytes) ? EXIT_FINE : EXIT_TROUBLE;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * DURE_S(1) + now.tv_nsec;
}

/* The timeout is for both: room for the request, and the reply. */
static int call_with(struct channel *c, const struct payload_input *in, const struct dure_ask *how)
{
	int64_t began = now_ns(), left = c->timeout_ns;
	struct dure_call call = { .sz = sizeof call };
	int status, r = dure_service_ask(c->service, in->bytes, in->count, how, left, &call);

	if (r < 0)
		return failed(c, r);
	if (left > 0 && c->has_timeout) {
		left -= now_ns() - began;
		left = left > 0 ? left : 0;
	}
	r = dure_service_look(c->service, &call, left);
	status = r < 0 ? failed(c, r) : write_reply(c, &call);
	(void)dure_service_forget(c->service, &call);	/* it is over, or nobody waits for it */
	return status;
}

static int ask(struct channel *c, struct payload_input *in, const struct dure_ask *how,
	       const char *name)
{
	int r = channel_open(c, name);

	if (r != EXIT_FINE)
		return r;
	in->bytes_max = channel_bytes_max(c);
	r = payload_read(in) < 0 ? EXIT_TROUBLE : call_with(c, in, how);
	payload_input_end(in);
	channel_close(c);
	return r;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' },     { "priority", required_argument, NULL, 'p' },
		{ "attempts", required_argument, NULL, 'a' }, { "expire", required_argument, NULL, 'e' },
		CHANNEL_LONG_OPTIONS
	};
	struct channel channel = { .command = "call", .kind = CHANNEL_SERVICE };
	struct payload_input input = { .command = "call" };
	struct dure_ask how = { .sz = sizeof how };
	uint64_t n;
	int c, r = -1;

	while (r < 0 && (c = getopt_long(argc, argv, "t:p:a:e:" CHANNEL_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 't':
			if (!read_type("call", optarg, &how.type))
				return EXIT_TROUBLE;
			break;
		case 'p':
			if (!read_count("call", "--priority", optarg, DURE_PRIORITY_MAX, &n))
				return EXIT_TROUBLE;
			how.priority = (uint32_t)n;
			break;
		case 'a':
			if (!read_count("call", "--attempts", optarg, UINT32_MAX, &n))
				return EXIT_TROUBLE;
			how.attempts_max = (uint32_t)n;
			break;
		case 'e':
			if (!read_duration("call", "--expire", optarg, &how.lives_ns))
				return EXIT_TROUBLE;
			break;
		default:
			r = channel_option(&channel, &cmd_call, c);
		}
	if (r >= 0)
		return r;
	if (argc - optind != 1 && argc - optind != 2)
		return print_usage(&cmd_call, stderr);
	input.text = argv[optind + 1];
	return ask(&channel, &input, &how, argv[optind]);
}
