/* SPDX-License-Identifier: MIT */
/*
 * talker.c - a user of a segment and of each message object in it, who notices what it loses
 *
 *	talker posix NAME | process NAME | file PATH | huge PATH | sysv KEY | memory -
 *
 * Makes the segment with that backing, says "ready PID 0", and goes around: opens the segment again
 * by its name (memory, process: has it), sends a number through a queue, a ring, a topic, a board
 * and a service whose server is a child, and wants it back. Ends with SIGTERM, and says "fine ROUNDS",
 * or at once with what was wrong.
 */
#include <dure.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static dure_segment *seg;
static dure_queue *queue;
static dure_ring *in, *out;
static dure_topic *topic;
static dure_subscriber *subscriber;
static dure_board *board;
static dure_service *service;

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	printf("failed: %s: %s\n", what, dure_last_error());
	exit(1);
}

static void want(uint64_t got, uint64_t wanted, const char *what)
{
	if (got == wanted)
		return;
	printf("failed: %s: %llu came instead of %llu\n", what, (unsigned long long)got,
	       (unsigned long long)wanted);
	exit(1);
}

/* name: NULL where there is none; the backing's options */
static const char *read_backing(const char *kind, const char *name, struct dure_segment_options *o)
{
	static const struct { const char *kind; uint32_t backing; } kinds[] = {
		{ "posix", DURE_BACKING_POSIX }, { "file", DURE_BACKING_FILE }, { "huge", DURE_BACKING_HUGE },
		{ "sysv", DURE_BACKING_SYSV }, { "memory", DURE_BACKING_MEMORY_FILE },
	};

	*o = (struct dure_segment_options){ .sz = sizeof *o, .size_bytes = 4 << 20 };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			o->backing = kinds[i].backing;
	if (strcmp(kind, "process") == 0)
		o->lifetime = DURE_LIFETIME_PROCESS;
	if (o->backing == DURE_BACKING_SYSV)
		o->key = (int32_t)strtol(name, NULL, 0);
	return o->backing == DURE_BACKING_SYSV || o->backing == DURE_BACKING_MEMORY_FILE ? NULL : name;
}

static void open_all(void)
{
	struct dure_board_options b = { .sz = sizeof b, .bytes = 8 };

	must(dure_queue_open(seg, "queue", DURE_CREATE, NULL, &queue), "queue");
	must(dure_ring_open(seg, "ring", DURE_CREATE | DURE_OPEN, NULL, DURE_RING_SENDER, 0, &in), "ring");
	must(dure_ring_open(seg, "ring", DURE_OPEN, NULL, DURE_RING_RECEIVER, 0, &out), "ring");
	must(dure_topic_open(seg, "topic", DURE_CREATE, NULL, &topic), "topic");
	must(dure_topic_subscribe(topic, NULL, &subscriber), "topic");
	must(dure_board_open(seg, "board", DURE_CREATE, &b, &board), "board");
	must(dure_service_open(seg, "service", DURE_CREATE, NULL, &service), "service");
}

static void serve(pid_t parent)
{
	struct dure_request request = { .sz = sizeof request };
	dure_service *mine;
	uint64_t number;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);		/* it died before that was said */
	must(dure_segment_reattach(seg), "reattach");
	must(dure_service_open(seg, "service", DURE_OPEN, NULL, &mine), "service");
	for (;;) {
		must(dure_service_take(mine, NULL, &number, sizeof number, &request, DURE_FOREVER), "take");
		number++;
		must(dure_service_reply(mine, &request, &number, sizeof number, 0), "reply");
	}
}

static void go_around(uint64_t round)
{
	uint64_t got = 0;
	size_t bytes;

	must(dure_queue_send(queue, &round, sizeof round, NULL, DURE_S(20)), "send");
	must(dure_queue_receive(queue, NULL, &got, sizeof got, NULL, DURE_S(20)), "receive");
	want(got, round, "queue");
	must(dure_ring_send(in, &round, sizeof round, DURE_S(20)), "ring");
	must(dure_ring_receive(out, &got, sizeof got, &bytes, DURE_S(20)), "ring");
	want(got, round, "ring");
	must(dure_topic_send(topic, &round, sizeof round, DURE_S(20)), "topic");
	must(dure_subscriber_receive(subscriber, &got, sizeof got, NULL, DURE_S(20)), "topic");
	want(got, round, "topic");
	must(dure_board_write(board, &round, sizeof round, DURE_S(20), NULL), "board");
	must(dure_board_read(board, &got, sizeof got, NULL, NULL), "board");
	want(got, round, "board");
	must(dure_service_call(service, &round, sizeof round, NULL, &got, sizeof got, DURE_S(20), NULL), "call");
	want(got, round + 1, "service");
}

/* SIGTERM is blocked, so that it interrupts nothing */
static bool is_told_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

int main(int argc, char **argv)
{
	struct dure_segment_options o;
	dure_segment *again;
	uint64_t round = 0;
	sigset_t term;

	if (argc != 3)
		return fputs("usage: talker BACKING NAME\n", stderr), 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	const char *name = read_backing(argv[1], argv[2], &o);
	bool can_be_found = o.backing != DURE_BACKING_MEMORY_FILE && !o.lifetime;
	must(dure_segment_open(name, DURE_CREATE, &o, &seg), "create");
	open_all();
	pid_t self = getpid(), server = fork();
	if (server == 0)
		serve(self);
	printf("ready %d 0\n", (int)getpid());
	while (!is_told_to_end()) {
		go_around(++round);
		if (!can_be_found || round % 64)
			continue;
		must(dure_segment_open(name, DURE_OPEN | DURE_READ_ONLY, &o, &again), "open");
		must(dure_segment_close(again), "close");
	}
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	printf("fine %llu\n", (unsigned long long)round);
	must(dure_segment_close(seg), "close");
	return 0;
}
