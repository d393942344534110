/* SPDX-License-Identifier: MIT */
/*
 * stream.c - what do pipes, split streams and conversations with programs cost
 *
 * Each beside the plain system calls: bytes and messages from one process to another, one stream
 * given to three readers, a question to cat and its answer.
 */
#include "bench.h"

#include <dure.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "timing.h"

extern char **environ;

enum {
	PIECE = 64 * 1024,
	SMALL = 64,
	LARGE = 16 * 1024,
	READERS = 3,
	STREAM_BYTES = 16 << 20,
};

/* -- one process to another ----------------------------------------------------------------- */

struct flow {
	int ends[2];
	unsigned index;
	dure_receiver *receiver;
	char *bytes;			/* PIECE of them */
};

static void *open_flow(const void *argument)
{
	const struct dure_pipe_options *options = argument;
	struct flow *flow = calloc(1, sizeof *flow);

	if (!flow)
		bench_die("no memory");
	bench_must(dure_pipe_open(options, flow->ends), "pipe_open");
	return flow;
}

static void *join_flow(void *shared, unsigned index)
{
	struct flow *flow = malloc(sizeof *flow);

	*flow = *(struct flow *)shared;
	flow->index = index;
	flow->bytes = malloc(PIECE);
	memset(flow->bytes, 1, PIECE);
	if (index == 1)
		bench_must(dure_receiver_open(flow->ends[0], NULL, &flow->receiver), "receiver_open");
	return flow;
}

static void close_flow(void *shared)
{
	struct flow *flow = shared;

	close(flow->ends[0]);
	close(flow->ends[1]);
	free(flow);
}

static void write_dure(struct flow *flow)
{
	for (size_t done = 0; done < PIECE;) {
		int n = dure_pipe_write(flow->ends[1], flow->bytes + done, PIECE - done, DURE_FOREVER);
		bench_must(n, "pipe_write");
		done += (size_t)n;
	}
}

static void read_dure(struct flow *flow)
{
	for (size_t done = 0; done < PIECE;) {
		int n = dure_pipe_read(flow->ends[0], flow->bytes + done, PIECE - done, DURE_FOREVER);
		bench_must(n, "pipe_read");
		done += (size_t)n;
	}
}

static void write_raw(struct flow *flow)
{
	if (write(flow->ends[1], flow->bytes, PIECE) != PIECE)
		bench_die("a pipe does not take a piece");
}

static void read_raw(struct flow *flow)
{
	for (size_t done = 0; done < PIECE;) {
		ssize_t n = read(flow->ends[0], flow->bytes + done, PIECE - done);
		if (n <= 0)
			bench_die("a pipe does not give a piece");
		done += (size_t)n;
	}
}

static void write_small(struct flow *flow)
{
	if (write(flow->ends[1], flow->bytes, SMALL) != SMALL)
		bench_die("a pipe does not take a message");
}

static void read_small(struct flow *flow)
{
	if (read(flow->ends[0], flow->bytes, SMALL) != SMALL)
		bench_die("a pipe does not give a message");
}

static void send_small(struct flow *flow)
{
	bench_must(dure_pipe_send(flow->ends[1], flow->bytes, SMALL, DURE_FOREVER), "pipe_send");
}

static void send_large(struct flow *flow)
{
	bench_must(dure_pipe_send(flow->ends[1], flow->bytes, LARGE, DURE_FOREVER), "pipe_send");
}

static void receive(struct flow *flow)
{
	bench_must(dure_receiver_next(flow->receiver, flow->bytes, PIECE, DURE_FOREVER), "next");
}

/* a length, and then the message: one sender, and no other */
static void write_large(struct flow *flow)
{
	const uint32_t length = LARGE;

	memcpy(flow->bytes, &length, sizeof length);
	if (write(flow->ends[1], flow->bytes, LARGE + sizeof length) != (ssize_t)(LARGE + sizeof length))
		bench_die("a pipe does not take a message");
}

static void read_exactly(struct flow *flow, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(flow->ends[0], flow->bytes + done, bytes - done);
		if (n <= 0)
			bench_die("a pipe does not give a message");
		done += (size_t)n;
	}
}

static void read_large(struct flow *flow)
{
	uint32_t length;

	read_exactly(flow, sizeof length);
	memcpy(&length, flow->bytes, sizeof length);
	read_exactly(flow, length);
}

/* ops for each microsecond, times scale */
static double rate(struct flow *flow, uint64_t ops, double scale, void (*give)(struct flow *),
		   void (*take)(struct flow *))
{
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		(flow->index == 0 ? give : take)(flow);
	return (double)ops * scale / (bench_now() - start);
}

#define RATE(name, scale, give, take)                                                             \
	static double name(void *state, uint64_t ops)                                             \
	{                                                                                         \
		return rate(state, ops, scale, give, take);                                       \
	}

RATE(bytes_dure, PIECE, write_dure, read_dure)
RATE(bytes_raw, PIECE, write_raw, read_raw)
RATE(small_dure, 1e3, send_small, receive)
RATE(small_raw, 1e3, write_small, read_small)
RATE(large_dure, 1e6, send_large, receive)
RATE(large_raw, 1e6, write_large, read_large)

static const struct dure_pipe_options nonblocking = { .sz = sizeof nonblocking,
						      .flags = DURE_PIPE_NONBLOCKING };

#define FLOW(who_, round_, options_)                                                              \
	{ .who = who_, .open = open_flow, .join = join_flow, .round = round_, .close = close_flow, \
	  .argument = options_, .processes = 2, .is_coupled = 1 }

/* -- one stream, three readers -------------------------------------------------------------- */

struct stream {
	int from, to[READERS];
	pid_t readers[READERS];
	char *bytes;
};

/* Takes all that comes, touching none of it. */
static pid_t start_reader(int from)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	/* no end of any other contender's: else nobody comes to the end of anything */
	int nowhere = open("/dev/null", O_WRONLY);
	if (dup2(from, 0) != 0 || dup2(nowhere, 1) != 1 || close_range(3, ~0u, 0) != 0)
		_exit(1);
	while (splice(0, NULL, 1, NULL, 1 << 20, 0) > 0)
		;
	_exit(0);
}

static void *open_stream(const void *argument)
{
	struct stream *stream = calloc(1, sizeof *stream);

	(void)argument;
	stream->bytes = malloc(PIECE);
	memset(stream->bytes, 1, PIECE);
	stream->from = memfd_create("dure-bench-stream", MFD_CLOEXEC);
	for (int i = 0; i < STREAM_BYTES / PIECE; i++)
		if (write(stream->from, stream->bytes, PIECE) != PIECE)
			bench_die("no memory for a stream");
	for (int i = 0; i < READERS; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			bench_die("no pipes");
		stream->to[i] = ends[1];
		stream->readers[i] = start_reader(ends[0]);
		close(ends[0]);
	}
	return stream;
}

static void close_stream(void *shared)
{
	struct stream *stream = shared;

	for (int i = 0; i < READERS; i++)
		close(stream->to[i]);
	for (int i = 0; i < READERS; i++)
		waitpid(stream->readers[i], NULL, 0);
	close(stream->from);
	free(stream->bytes);
	free(stream);
}

static double per_mebibyte(double start, uint64_t ops)
{
	return (bench_now() - start) / 1e3 / ((double)ops * STREAM_BYTES / (1 << 20));
}

static double split_dure(void *state, uint64_t ops)
{
	struct stream *stream = state;
	dure_split *split;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		int r = 1;
		if (lseek(stream->from, 0, SEEK_SET) != 0)
			bench_die("no way back");
		bench_must(dure_split_open(stream->from, stream->to, READERS, &split), "split_open");
		while (r > 0)
			r = dure_split_run(split, DURE_FOREVER);
		bench_must(r, "split_run");
		dure_split_close(split);
	}
	return per_mebibyte(start, ops);
}

static double split_raw(void *state, uint64_t ops)
{
	struct stream *stream = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		ssize_t n;
		if (lseek(stream->from, 0, SEEK_SET) != 0)
			bench_die("no way back");
		while ((n = read(stream->from, stream->bytes, PIECE)) > 0)
			for (int k = 0; k < READERS; k++)
				if (write(stream->to[k], stream->bytes, (size_t)n) != n)
					bench_die("a pipe does not take a piece");
	}
	return per_mebibyte(start, ops);
}

/* -- a question and its answer -------------------------------------------------------------- */

static const struct dure_coprocess_options on_terminal = { .sz = sizeof on_terminal,
							   .flags = DURE_COPROCESS_TERMINAL };
static const char *const cat[] = { "/bin/cat", NULL };

static void *open_coprocess(const void *argument)
{
	dure_coprocess *c;

	bench_must(dure_coprocess_open(cat, NULL, argument, &c), "coprocess_open");
	return c;
}

static double ask_dure(void *state, uint64_t ops)
{
	char answer[SMALL];
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		bench_must(dure_coprocess_ask(state, "what is the time", answer, sizeof answer,
					      DURE_FOREVER), "ask");
	return (bench_now() - start) / 1e3 / (double)ops;
}

static void close_coprocess(void *state)
{
	bench_must(dure_coprocess_close(state), "coprocess_close");
}

struct conversation {
	int to, from;
	pid_t pid;
};

static void *open_conversation(const void *argument)
{
	struct conversation *c = calloc(1, sizeof *c);
	posix_spawn_file_actions_t actions;
	int there[2], back[2];

	(void)argument;
	if (pipe2(there, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC) < 0)
		bench_die("no pipes");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, there[0], 0);
	posix_spawn_file_actions_adddup2(&actions, back[1], 1);
	if (posix_spawn(&c->pid, cat[0], &actions, NULL, (char *const *)(uintptr_t)cat, environ) != 0)
		bench_die("posix_spawn failed");
	posix_spawn_file_actions_destroy(&actions);
	close(there[0]);
	close(back[1]);
	c->to = there[1];
	c->from = back[0];
	return c;
}

static double ask_raw(void *state, uint64_t ops)
{
	static const char question[] = "what is the time\n";
	const struct conversation *c = state;
	char answer[SMALL];
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		if (write(c->to, question, sizeof question - 1) < 0)
			bench_die("cat does not listen");
		ssize_t n = 0;
		while (n < (ssize_t)sizeof question - 1) {
			ssize_t more = read(c->from, answer + n, sizeof answer - (size_t)n);
			if (more <= 0)
				bench_die("cat does not answer");
			n += more;
		}
	}
	return (bench_now() - start) / 1e3 / (double)ops;
}

static void close_conversation(void *state)
{
	struct conversation *c = state;

	close(c->to);
	close(c->from);
	waitpid(c->pid, NULL, 0);
	free(c);
}

const struct bench_row bench_stream_rows[] = {
	{
		.name = "pipe",
		.what = "bytes through a pipe, 64 KiB at a time, one process to another",
		.unit = "GB/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 4000,
		.contenders = { FLOW("dure", bytes_dure, &nonblocking),
				FLOW("dure, pipe that blocks", bytes_dure, NULL),
				FLOW("pipe", bytes_raw, NULL) },
		.goals = { { .text = "pipe - 10 %", .of = { { "pipe", 0.9 } } } },
	},
	{
		.name = "pipe-message",
		.what = "messages of 64 B through a pipe, one process to another",
		.unit = "M/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 200000,
		.contenders = { FLOW("dure", small_dure, &nonblocking), FLOW("pipe", small_raw, NULL) },
		.goals = { { .text = "pipe / 2", .of = { { "pipe", 0.5 } } } },
	},
	{
		.name = "pipe-message-16k",
		.what = "messages of 16 KiB through a pipe, one process to another",
		.unit = "k/s",
		.flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES,
		.ops = 10000,
		.contenders = { FLOW("dure", large_dure, &nonblocking),
				FLOW("pipe, one sender only", large_raw, NULL) },
		.goals = { { .text = "pipe / 2", .of = { { "pipe, one sender only", 0.5 } } } },
	},
	{
		.name = "split",
		.what = "give a MiB of a stream to three readers; CPU time of who gives",
		.unit = "us",
		.flags = BENCH_CPU_TIME,
		.ops = 8,
		.contenders = { { .who = "dure", .open = open_stream, .round = split_dure,
				  .close = close_stream },
				{ .who = "read + write", .open = open_stream, .round = split_raw,
				  .close = close_stream } },
		.goals = { { .text = "read + write / 2", .of = { { "read + write", 0.5 } } } },
	},
	{
		.name = "ask",
		.what = "ask a program, and have its answer",
		.unit = "us",
		.ops = 5000,
		.contenders = { { .who = "dure", .open = open_coprocess, .round = ask_dure,
				  .close = close_coprocess },
				{ .who = "dure, on a terminal", .open = open_coprocess,
				  .round = ask_dure, .close = close_coprocess,
				  .argument = &on_terminal },
				{ .who = "pipes", .open = open_conversation, .round = ask_raw,
				  .close = close_conversation } },
		.goals = { { .text = "pipes + 25 %", .of = { { "pipes", 1.25 } } } },
	},
	{ .name = NULL },
};
