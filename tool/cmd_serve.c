/* SPDX-License-Identifier: MIT */
/*
 * cmd_serve.c - dure serve: answers requests with what a program says
 *
 * Rules    [SERVE1] a request stays this process' until the program has ended and the reply is
 *                   made: whoever kills this process hands the request to another server, or fails
 *                   the call, as its client chose
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"

static int run(int argc, char **argv);

const struct command cmd_serve = {
	.name = "serve",
	.run = run,
	.usage = "Usage: dure serve [OPTION...] NAME -- COMMAND [ARGUMENT...]\n"
		 "Serve: run COMMAND for each request, with the request as its standard input, and\n"
		 "reply what it writes. If it fails (a status other than 0, a signal), the request\n"
		 "is refused. In its environment DURE_TYPE is the request's type, and DURE_ATTEMPT\n"
		 "how often it was tried, this time included.\n\n"
		 "  -t, --type SELECTOR   only requests of some types: T, -T, ^T as of dure recv\n"
		 "  -n, --count N         so many; 0: until the service is shut (0)\n"
		 "  -r, --retry N         what fails is tried up to N times, by any server (1)\n"
		 "  -k, --kill-after TIME   end a COMMAND that takes longer: it has failed\n"
		 "  -T, --timeout TIME    how long to wait for each request (for ever)\n"
		 "  -c, --create  -w, --with LIST  -O, --object OBJECT   as of dure call\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 served, 1 no request came in time, 2 trouble, 3 shut before there\n"
		 "were N, 4 some were refused.\n",
};

struct server {
	struct channel channel;
	struct dure_queue_select which;
	const char *const *arguments;
	uint64_t count, served, retries;
	int64_t limit_ns;
	bool has_refused;
};

static void tell_command(const struct dure_request *q)
{
	char number[32];

	snprintf(number, sizeof number, "%" PRId64, q->type);
	setenv("DURE_TYPE", number, 1);
	snprintf(number, sizeof number, "%" PRIu32, q->attempts);
	setenv("DURE_ATTEMPT", number, 1);
}

/* What is wrong with how it ended; NULL: nothing. */
static const char *fault_of(const struct dure_run_result *result, char *text, size_t bytes)
{
	if (result->ended == DURE_RUN_TIMED_OUT)
		return "it took too long, and was ended";
	if (result->ended != DURE_RUN_DONE)
		return "it said too much, and was ended";
	if (result->status == 0)
		return NULL;
	if (result->status >= DURE_PROCESS_SIGNALLED)
		snprintf(text, bytes, "killed by signal %d", (int)result->status - DURE_PROCESS_SIGNALLED);
	else
		snprintf(text, bytes, "exit status %d", (int)result->status);
	return text;
}

/* 1: it has done its work, and result has what it says; 0: it has failed; or it cannot be run */
static int run_command(const struct server *s, const struct dure_request *q, const void *data,
		       struct dure_run_result *result)
{
	struct dure_process_options how = { .sz = sizeof how, .errors = DURE_STREAM_FD,
					    .errors_fd = STDERR_FILENO };
	struct dure_run_options with = { .sz = sizeof with, .input = data,
					 .input_bytes = (size_t)q->bytes };
	char text[40];
	const char *fault;
	int r;

	tell_command(q);
	r = dure_process_run(s->arguments, &how, &with, s->limit_ns, result);
	if (r < 0)
		return r;
	fault = fault_of(result, text, sizeof text);
	if (fault)
		complain("serve", "%s: %s", s->arguments[0], fault);
	return !fault;
}

/* It has failed: another try, or none. */
static int fail(struct server *s, const struct dure_request *q)
{
	if (q->attempts < s->retries)
		return dure_service_requeue(s->channel.service, q);
	s->has_refused = true;
	return dure_service_refuse(s->channel.service, q);
}

/* A reply that the segment has no room for is refused: it would be the next server's end, too. */
static int reply(struct server *s, const struct dure_request *q, const struct dure_run_result *result)
{
	dure_service *service = s->channel.service;
	int r = dure_service_reply(service, q, result->output, result->output_bytes, 0);

	if (r != -ENOSPC)
		return r;
	complain_segment("serve", s->channel.name);
	s->has_refused = true;
	return dure_service_refuse(service, q);
}

static int answer(struct server *s, const struct dure_request *q, const void *data)
{
	struct dure_run_result result = { .sz = sizeof result };
	dure_service *service = s->channel.service;
	int r = run_command(s, q, data, &result);

	if (r < 0) {			/* others may be better off */
		complain("serve", "%s", dure_last_error());
		(void)dure_service_requeue(service, q);
		return EXIT_TROUBLE;
	}
	r = r ? reply(s, q, &result) : fail(s, q);
	dure_run_free(&result);
	if (r == DURE_UNWANTED)
		complain("serve", "%s: who asked is gone: the reply is dropped", s->channel.name);
	return r < 0 ? channel_failure(&s->channel, r) : EXIT_FINE;
}

/* [SERVE1] */
static int serve_one(struct server *s)
{
	struct channel *c = &s->channel;
	struct dure_request q = { .sz = sizeof q };
	int r = dure_service_take(c->service, &s->which, NULL, 0, &q, c->timeout_ns);
	const void *data;

	if (r < 0)
		return channel_failure(c, r);
	data = q.bytes ? dure_ref_get(c->segment, q.ref, (size_t)q.bytes) : "";
	if (!data)
		return complain_segment("serve", c->name);
	s->served++;
	return answer(s, &q, data);
}

static int serve(struct server *s, const char *name)
{
	int status = channel_open(&s->channel, name);

	if (status != EXIT_FINE)
		return status;
	while (status == EXIT_FINE && (!s->count || s->served < s->count))
		status = serve_one(s);
	channel_close(&s->channel);
	/* without a number this is the end that was waited for */
	if (!s->count && (status == EXIT_SHUT || (status == EXIT_NOT_IN_TIME && s->served)))
		status = EXIT_FINE;
	return status == EXIT_FINE && s->has_refused ? EXIT_PARTIAL : status;
}

/* Behind the NAME stands "--", and then the command: so its options are its own. */
static const char *const *find_command(char **words)
{
	if (*words && strcmp(*words, "--") == 0)
		words++;
	return (const char *const *)(*words && **words != '-' ? words : NULL);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "type", required_argument, NULL, 't' },  { "count", required_argument, NULL, 'n' },
		{ "retry", required_argument, NULL, 'r' }, { "kill-after", required_argument, NULL, 'k' },
		CHANNEL_LONG_OPTIONS
	};
	struct server s = { .channel = { .command = "serve", .kind = CHANNEL_SERVICE },
			    .which = { .sz = sizeof s.which }, .retries = 1,
			    .limit_ns = DURE_FOREVER };
	int c, status = -1;

	while (status < 0 && (c = getopt_long(argc, argv, "+t:n:r:k:" CHANNEL_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 't':
			if (!read_selector("serve", optarg, &s.which))
				return EXIT_TROUBLE;
			break;
		case 'n':
			if (!read_count("serve", "--count", optarg, UINT64_MAX, &s.count))
				return EXIT_TROUBLE;
			break;
		case 'r':
			if (!read_count("serve", "--retry", optarg, UINT32_MAX, &s.retries))
				return EXIT_TROUBLE;
			break;
		case 'k':
			if (!read_duration("serve", "--kill-after", optarg, &s.limit_ns))
				return EXIT_TROUBLE;
			break;
		default:
			status = channel_option(&s.channel, &cmd_serve, c);
		}
	if (status >= 0)
		return status;
	if (argc - optind < 2 || !(s.arguments = find_command(argv + optind + 1)))
		return print_usage(&cmd_serve, stderr);
	return serve(&s, argv[optind]);
}
