/* SPDX-License-Identifier: MIT */
/*
 * cmd_replay.c - dure replay: what dure record has written, again
 *
 * Rules    [REPLAY1] a file that can be read twice is: when something in it is damaged, nothing of
 *                    it is sent
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "channel.h"
#include "payload.h"
#include "tape.h"

static int run(int argc, char **argv);

const struct command cmd_replay = {
	.name = "replay",
	.run = run,
	.usage = "Usage: dure replay [OPTION...] FILE NAME\n"
		 "       dure replay --json FILE\n"
		 "Send what dure record has written to FILE ('-': the standard input): to a queue\n"
		 "what was a queue's, with types and priorities; to a topic what was a topic's.\n"
		 "With --json print it, a line for each. A file that is damaged is refused as a\n"
		 "whole; of one that stops before its end, what is there is sent.\n\n"
		 "  -s, --speed X         in its time, X times as fast; 0: without waiting (0)\n"
		 "  -J, --json            print it as JSON, and send nothing\n"
		 "  -T, --timeout TIME    how long to wait for room; 0: not at all (for ever)\n"
		 "  -c, --create  -w, --with LIST  -O, --object OBJECT   as of dure send and pub\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 all of it, 1 no room in time, 2 trouble, or it is damaged, 3 the\n"
		 "queue or topic is shut, 4 the file stops before its end.\n",
};

struct player {
	struct channel channel;
	struct payload_output output;
	struct tape tape;
	double speed;			/* 0: no waiting */
	bool is_json;
	struct timespec began;
};

/* -- one record -------------------------------------------------------------------------- */

/* When its time has come. */
static void wait_for(const struct player *p, const struct tape_record *r)
{
	struct timespec at = p->began;
	double ns = p->speed > 0 ? (double)r->at_ns / p->speed : 0;

	if (ns < 1)
		return;
	ns = fmin(ns, 1e18);
	at.tv_sec += (time_t)((int64_t)ns / DURE_S(1));
	at.tv_nsec += (long)((int64_t)ns % DURE_S(1));
	if (at.tv_nsec >= DURE_S(1)) {
		at.tv_sec++;
		at.tv_nsec -= DURE_S(1);
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

static int send_record(struct player *p, const struct tape_record *r)
{
	const struct channel *c = &p->channel;
	struct dure_queue_put put = { .sz = sizeof put, .type = r->type, .priority = r->priority };
	int code;

	wait_for(p, r);
	code = c->topic ? dure_topic_send(c->topic, r->data, (size_t)r->bytes, c->timeout_ns)
			: dure_queue_send(c->queue, r->data, (size_t)r->bytes, &put, c->timeout_ns);
	return code < 0 ? channel_refusal(c, code) : EXIT_FINE;
}

static int print_record(struct player *p, const struct tape_record *r)
{
	json_t *facts;

	if (p->tape.kind == TAPE_TOPIC)
		facts = json_pack("{s:I, s:I, s:I, s:I}", "at_ns", (json_int_t)r->at_ns, "sequence",
				  (json_int_t)r->id, "lost", (json_int_t)r->type, "bytes",
				  (json_int_t)r->bytes);
	else
		facts = json_pack("{s:I, s:I, s:I, s:i, s:I}", "at_ns", (json_int_t)r->at_ns, "id",
				  (json_int_t)r->id, "type", (json_int_t)r->type, "priority",
				  (int)r->priority, "bytes", (json_int_t)r->bytes);
	return payload_write(&p->output, or_exit(facts), r->data, (size_t)r->bytes) ? EXIT_FINE
										     : EXIT_TROUBLE;
}

/* -- all of them ------------------------------------------------------------------------- */

/* do_one NULL: only looks whether it can be read. */
static int go_over(struct player *p, int (*do_one)(struct player *p, const struct tape_record *r))
{
	enum tape_result result = TAPE_RECORD;
	struct tape_record record;
	int status = EXIT_FINE;

	while (status == EXIT_FINE && (result = tape_read(&p->tape, &record)) == TAPE_RECORD) {
		status = do_one ? do_one(p, &record) : EXIT_FINE;
		free(record.data);
	}
	if (status != EXIT_FINE || result == TAPE_END)
		return status;
	if (result == TAPE_CUT && do_one)
		complain("replay", "%s: it stops before its end: the recorder was killed, or the file was "
			 "cut; whole records: %" PRIu64, p->tape.path, p->tape.count);
	return result == TAPE_CUT ? EXIT_PARTIAL : EXIT_TROUBLE;
}

/* [REPLAY1] */
static bool is_readable(struct player *p)
{
	if (!tape_can_rewind(&p->tape))
		return true;
	return go_over(p, NULL) != EXIT_TROUBLE && tape_rewind(&p->tape);
}

static int send_all(struct player *p, const char *name)
{
	int status;

	p->channel.kind = p->tape.kind == TAPE_TOPIC ? CHANNEL_TOPIC : CHANNEL_QUEUE;
	status = channel_open(&p->channel, name);
	if (status != EXIT_FINE)
		return status;
	clock_gettime(CLOCK_MONOTONIC, &p->began);
	status = go_over(p, send_record);
	channel_close(&p->channel);
	return status;
}

static int replay(struct player *p, const char *path, const char *name)
{
	int status = EXIT_TROUBLE;

	if (!tape_open(&p->tape, "replay", path))
		return EXIT_TROUBLE;
	if (is_readable(p))
		status = p->is_json ? go_over(p, print_record) : send_all(p, name);
	tape_close(&p->tape);
	return status;
}

static bool read_speed(const char *text, double *ret)
{
	char *end;

	*ret = *text >= '0' && *text <= '9' ? strtod(text, &end) : NAN;
	if (isfinite(*ret) && !*end)
		return true;
	complain("replay", "--speed %s: a number is wanted, as 1 or 2.5", text);
	return false;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "speed", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'J' },
		CHANNEL_LONG_OPTIONS
	};
	struct player p = { .channel = { .command = "replay" },
			    .output = { .command = "replay", .form = PAYLOAD_JSON } };
	int c, status = -1;

	while (status < 0 && (c = getopt_long(argc, argv, "s:J" CHANNEL_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 's':
			if (!read_speed(optarg, &p.speed))
				return EXIT_TROUBLE;
			break;
		case 'J':
			p.is_json = true;
			break;
		default:
			status = channel_option(&p.channel, &cmd_replay, c);
		}
	if (status >= 0)
		return status;
	if (argc - optind != (p.is_json ? 1 : 2))
		return print_usage(&cmd_replay, stderr);
	return replay(&p, argv[optind], argv[optind + 1]);
}
