/* SPDX-License-Identifier: MIT */
/*
 * cmd_record.c - dure record: the messages of a queue, or the publications of a topic, to a file
 *
 * Rules    [RECORD1] a message is acknowledged when it is in the file: a recorder that is killed
 *                    loses none, and may leave its last one in both
 *          [RECORD2] SIGINT, SIGTERM and SIGHUP end a recording as it should end. They are let in
 *                    between two records: none of them is missed, and none cuts a record
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "channel.h"
#include "tape.h"

static int run(int argc, char **argv);

const struct command cmd_record = {
	.name = "record",
	.run = run,
	.summary = "messages to a file; and out of it, in their time",
	.usage = "Usage: dure record [OPTION...] NAME FILE\n"
		 "Record the messages of a queue, which are taken from it, or what is published in\n"
		 "a topic, to a new FILE ('-': the standard output), until it is shut, or SIGINT,\n"
		 "SIGTERM or SIGHUP ends it. A message whose recorder is killed before it is in\n"
		 "the file is back in the queue.\n\n"
		 "  -s, --topic           NAME has a topic, not a queue\n"
		 "  -H, --history N       of a topic: begin with the last N of before, or with all\n"
		 "  -b, --block           of a topic: publishers wait for this; nothing is lost\n"
		 "  -t, --type SELECTOR   of a queue: T, -T or ^T, as of dure recv\n"
		 "  -n, --count N         so many; 0: all (0)\n"
		 "  -T, --timeout TIME    end when nothing comes for so long (for ever)\n"
		 "  -c, --create  -w, --with LIST  -O, --object OBJECT   as of dure send and pub\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 recorded, 1 nothing came in time, 2 trouble, 4 some were lost.\n",
};

static volatile sig_atomic_t is_over;

static void end_it(int signal)
{
	(void)signal;
	is_over = 1;
}

struct recorder {
	struct channel channel;
	struct dure_queue_select which;
	struct dure_subscribe_options how;
	dure_subscriber *subscriber;
	struct tape tape;
	uint64_t count, lost;		/* count 0: no end */
	bool has_failed;		/* to write */
	struct timespec began;
	sigset_t let_in;		/* while it waits */
	int fd;
};

static int64_t since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * DURE_S(1) + now.tv_nsec - then->tv_nsec;
}

/* -- one message ------------------------------------------------------------------------- */

static int write_record(struct recorder *r, struct tape_record *record)
{
	record->at_ns = (uint64_t)since(&r->began);
	r->has_failed = !tape_write(&r->tape, record);
	return r->has_failed ? -EIO : 0;
}

/* -EAGAIN: there is none; -EIO: it cannot be written, and that was complained about */
static int record_message(struct recorder *r)
{
	dure_queue *queue = r->channel.queue;
	struct dure_message m = { .sz = sizeof m };
	int code = dure_queue_take(queue, &r->which, NULL, 0, &m, 0);

	if (code < 0)
		return code;
	struct tape_record record = { .id = m.id, .type = m.type, .priority = m.priority,
				      .bytes = m.bytes,
				      .data = dure_ref_get(r->channel.segment, m.ref, (size_t)m.bytes) };
	code = record.data ? write_record(r, &record) : -EUCLEAN;
	if (code < 0) {
		(void)dure_queue_requeue(queue, &m);
		return code;
	}
	return dure_queue_acknowledge(queue, &m);		/* [RECORD1] */
}

static int record_publication(struct recorder *r)
{
	struct dure_publication p = { .sz = sizeof p };
	const void *data;
	int code = dure_subscriber_take(r->subscriber, &data, &p, 0);

	if (code < 0)
		return code;
	struct tape_record record = { .id = p.sequence, .type = (int64_t)p.lost, .bytes = p.bytes,
				      .data = (void *)(uintptr_t)data };
	code = write_record(r, &record);
	r->lost += p.lost;
	(void)dure_subscriber_give_back(r->subscriber, data);
	return code;
}

/* -- all of them ------------------------------------------------------------------------- */

/* Who always finds something never waits. [RECORD2] */
static void let_signals_in(const struct recorder *r)
{
	sigset_t kept_out;

	sigprocmask(SIG_SETMASK, &r->let_in, &kept_out);
	sigprocmask(SIG_SETMASK, &kept_out, NULL);
}

/* Until there may be one. -ETIMEDOUT; -EINTR: it is over [RECORD2] */
static int wait_for_one(struct recorder *r, int64_t left_ns)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	struct timespec left = { .tv_sec = left_ns / DURE_S(1), .tv_nsec = left_ns % DURE_S(1) };
	int n = ppoll(&p, 1, r->channel.has_timeout ? &left : NULL, &r->let_in);

	return is_over ? -EINTR : n == 0 ? -ETIMEDOUT : 0;
}

static int record_one(struct recorder *r)
{
	struct timespec began;
	int64_t left;
	int code = -EAGAIN, waited = 0;

	clock_gettime(CLOCK_MONOTONIC, &began);
	while (code == -EAGAIN && waited == 0) {
		code = r->subscriber ? record_publication(r) : record_message(r);
		left = r->channel.timeout_ns - since(&began);
		if (code == -EAGAIN)
			waited = wait_for_one(r, left > 0 ? left : 0);
	}
	return waited ? waited : code;
}

static int record_all(struct recorder *r)
{
	int code = 0;

	while (code == 0 && (!r->count || r->tape.count < r->count)) {
		let_signals_in(r);
		code = is_over ? -EINTR : record_one(r);
	}
	if (code == -ETIMEDOUT && (!r->tape.count || r->count))
		return EXIT_NOT_IN_TIME;
	return code == 0 || code == -ETIMEDOUT || code == -EINTR || code == -ESHUTDOWN ? EXIT_FINE
	       : code == -EIO ? EXIT_TROUBLE : channel_failure(&r->channel, code);
}

static void catch_signals(struct recorder *r)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = end_it }, was;
	sigset_t kept_out;

	sigemptyset(&kept_out);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (sigaction(ends[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN) {
			sigaction(ends[i], &action, NULL);
			sigaddset(&kept_out, ends[i]);
		}
	sigprocmask(SIG_BLOCK, &kept_out, &r->let_in);
}

static int begin(struct recorder *r)
{
	struct channel *c = &r->channel;
	int code = c->topic ? dure_topic_subscribe(c->topic, &r->how, &r->subscriber) : 0;

	if (code == 0)
		r->fd = code = c->topic ? dure_subscriber_fd(r->subscriber) : dure_queue_fd(c->queue);
	return code < 0 ? channel_failure(c, code) : EXIT_FINE;
}

static int record(struct recorder *r, const char *name, const char *path)
{
	char title[TAPE_NAME_MAX + 1];
	int status = channel_open(&r->channel, name), end;

	if (status != EXIT_FINE)
		return status;
	snprintf(title, sizeof title, "%s/%s", name, r->channel.object_name);
	status = begin(r);
	if (status == EXIT_FINE && !tape_create(&r->tape, "record", path, r->channel.topic ? TAPE_TOPIC
											   : TAPE_QUEUE,
						title))
		status = EXIT_TROUBLE;
	if (status == EXIT_FINE) {
		catch_signals(r);
		clock_gettime(CLOCK_MONOTONIC, &r->began);
		status = record_all(r);
		/* what could not be written to the end is cut, and has none */
		end = r->has_failed ? EXIT_TROUBLE : tape_finish(&r->tape, (uint64_t)since(&r->began));
		status = end == EXIT_FINE ? status : end;
		tape_close(&r->tape);
	}
	dure_subscriber_close(r->subscriber);
	channel_close(&r->channel);
	if (r->lost)
		complain("record", "%s: lost: %" PRIu64, name, r->lost);
	return status == EXIT_FINE && r->lost ? EXIT_PARTIAL : status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "topic", no_argument, NULL, 's' },	   { "history", required_argument, NULL, 'H' },
		{ "block", no_argument, NULL, 'b' },	   { "type", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'n' }, CHANNEL_LONG_OPTIONS
	};
	struct recorder r = { .channel = { .command = "record", .kind = CHANNEL_QUEUE },
			      .which = { .sz = sizeof r.which }, .how = { .sz = sizeof r.how } };
	bool is_for_topic = false, is_for_queue = false;
	int c, status = -1;

	while (status < 0 &&
	       (c = getopt_long(argc, argv, "sH:bt:n:" CHANNEL_OPTIONS, options, NULL)) != -1)
		switch (c) {
		case 's':
			r.channel.kind = CHANNEL_TOPIC;
			break;
		case 'H':
			is_for_topic = true;
			if (!read_history("record", optarg, &r.how.history))
				return EXIT_TROUBLE;
			break;
		case 'b':
			is_for_topic = true;
			r.how.policy = DURE_TOPIC_BLOCK;
			break;
		case 't':
			is_for_queue = true;
			if (!read_selector("record", optarg, &r.which))
				return EXIT_TROUBLE;
			break;
		case 'n':
			if (!read_count("record", "--count", optarg, UINT64_MAX, &r.count))
				return EXIT_TROUBLE;
			break;
		default:
			status = channel_option(&r.channel, &cmd_record, c);
		}
	if (status >= 0)
		return status;
	if (argc - optind != 2 || (r.channel.kind == CHANNEL_TOPIC ? is_for_queue : is_for_topic))
		return print_usage(&cmd_record, stderr);
	return record(&r, argv[optind], argv[optind + 1]);
}
