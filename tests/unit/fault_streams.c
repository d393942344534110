/* SPDX-License-Identifier: MIT */
/*
 * fault_streams.c - programs, pipes and FIFOs whose system calls are refused
 *
 * Why      As fault_scenarios.c, for the room that uses no segment. What the child does between
 *          clone and exec is refused as well: it shares our memory, and so the script.
 * Rules    as there; the options of world are not used
 */
#include "fault.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const int process_codes[] = { ENOENT, EACCES, EINVAL, EMSGSIZE, EMFILE, EUSERS, ENOMEM, EBUSY,
				     EPERM, EIO, E2BIG, EOPNOTSUPP, 0 };
static const int terminal_codes[] = { ENOSPC, EMFILE, EUSERS, ENOMEM, EINVAL, EACCES, EMSGSIZE, EPERM,
				      EIO, EOPNOTSUPP, 0 };
static const int wait_codes[] = { EAGAIN, ETIMEDOUT, EINVAL, EIO, EPERM, ENOMEM, ESTALE, 0 };
static const int write_codes[] = { EPIPE, EAGAIN, ETIMEDOUT, EINVAL, EIO, ENOMEM, ESTALE, 0 };

static const int pipe_codes[] = { EMFILE, ENOMEM, EINVAL, EPERM, EBUSY, EIO, E2BIG, 0 };
static const int split_codes[] = { EPIPE, EAGAIN, ETIMEDOUT, EINVAL, ENOMEM, EIO, ESTALE, 0 };
static const int message_codes[] = { EPIPE, EAGAIN, ETIMEDOUT, EMSGSIZE, EINVAL, ENOMEM, EOPNOTSUPP, EIO,
				     0 };
static const int fifo_codes[] = { EBUSY, EEXIST, ENOENT, EACCES, ENOSPC, EINVAL, EMFILE, ENOMEM, EPERM, EIO,
				  E2BIG, EAGAIN, ETIMEDOUT, EOPNOTSUPP, 0 };
static const int ask_codes[] = { EPIPE, EACCES, EMSGSIZE, EAGAIN, ETIMEDOUT, EINVAL, EMFILE, ENOMEM, EIO,
				 ESTALE, 0 };

static const char *const cat[] = { "cat", NULL };

/* -- programs ------------------------------------------------------------------------------- */

static struct dure_process_options piped(void)
{
	return (struct dure_process_options){
		.sz = sizeof(struct dure_process_options), .directory = "/",
		.input = DURE_STREAM_PIPE, .output = DURE_STREAM_PIPE, .errors = DURE_STREAM_NULL,
		.flags = DURE_PROCESS_GROUP, .grace_ns = DURE_S(5),
	};
}

static int start(struct world *w)
{
	struct dure_process_options o = piped();
	dure_process *process = UNTOUCHED;
	int r = dure_process_start(cat, &o, &process);

	w->out = process;
	return r;
}

static void talks(struct world *w)
{
	char text[8];

	MUST(dure_process_write(w->out, "hello", 5, DURE_S(5)) == 5);
	MUST(dure_process_read(w->out, DURE_STDOUT, text, sizeof text, DURE_S(5)) == 5);
}

static void close_process(struct world *w)
{
	MUST(dure_process_close(w->out) == 0);
}

static void prepare_process(struct world *w)
{
	MUST(start(w) == 0);
	w->buffer = w->out;
	w->out = UNTOUCHED;
}

static void close_prepared(struct world *w)
{
	MUST(dure_process_close(w->buffer) >= 0);
	w->buffer = NULL;
}

static int write_to_it(struct world *w)
{
	return dure_process_write(w->buffer, "hello", 5, DURE_S(5));
}

static int end_it(struct world *w)
{
	return dure_process_end(w->buffer);
}

/* as a handler of SIGCHLD does, which waits for whatever child there is */
static void prepare_collected(struct world *w)
{
	dure_process *process;

	MUST(dure_process_start((const char *const[]){ "false", NULL }, NULL, &process) == 0);
	MUST(waitpid(dure_process_id(process), NULL, 0) > 0);
	w->buffer = process;
}

static int wait_for_it(struct world *w)
{
	int r = dure_process_wait(w->buffer, DURE_S(5));

	MUST(r < 0 || r == 1 || r == DURE_PROCESS_UNKNOWN);
	return r;
}

static int run(struct world *w)
{
	struct dure_run_options in = { .sz = sizeof in, .input = "b\na\n", .input_bytes = 4 };
	struct dure_run_result result = { .sz = sizeof result };
	int r = dure_process_run((const char *const[]){ "sort", NULL }, NULL, &in, DURE_S(5), &result);

	(void)w;
	/* EPIPE means: sort has not read its input, which is no failure */
	if (r == 0)
		MUST(result.ended == DURE_RUN_DONE &&
		     (strcmp(result.output, "a\nb\n") == 0 || !result.output_bytes));
	dure_run_free(&result);
	return r;
}

/* It is ended while its output is open, and what is in the pipe by then is read. */
static int run_too_long(struct world *w)
{
	struct dure_run_options options = { .sz = sizeof options, .output_max = 1000 };
	struct dure_run_result result = { .sz = sizeof result };
	int r = dure_process_run((const char *const[]){ "yes", NULL }, NULL, &options, DURE_S(5),
				 &result);

	(void)w;
	if (r == 0)
		MUST(result.ended == DURE_RUN_TOO_MUCH && result.output_bytes == 1000);
	dure_run_free(&result);
	return r;
}

/* -- conversations, filters, handshakes ------------------------------------------------------- */

static int open_coprocess(struct world *w, uint32_t flags)
{
	struct dure_coprocess_options o = { .sz = sizeof o, .flags = flags };
	dure_coprocess *c = UNTOUCHED;
	int r = dure_coprocess_open(cat, NULL, &o, &c);

	w->out = c;
	return r;
}

static int open_piped(struct world *w)
{
	return open_coprocess(w, 0);
}

static int open_on_terminal(struct world *w)
{
	return open_coprocess(w, DURE_COPROCESS_TERMINAL);
}

static void answers(struct world *w)
{
	char line[16];

	MUST(dure_coprocess_ask(w->out, "hello", line, sizeof line, DURE_S(5)) == 5);
}

static void close_coprocess(struct world *w)
{
	MUST(dure_coprocess_close(w->out) >= 0);
}

static void prepare_coprocess(struct world *w)
{
	MUST(open_piped(w) == 0);
	answers(w);			/* it keeps a buffer from its first answer on */
	w->buffer = w->out;
	w->out = UNTOUCHED;
}

static int ask(struct world *w)
{
	char line[16];

	/* a question that was asked before, and whose answer was not read, is answered, too */
	return dure_coprocess_ask(w->buffer, "hello", line, sizeof line, DURE_S(5));
}

static void close_prepared_coprocess(struct world *w)
{
	MUST(dure_coprocess_close(w->buffer) >= 0);
	w->buffer = NULL;
}

static int open_filter(struct world *w)
{
	dure_filter *filter = UNTOUCHED;
	int r = dure_filter_open(1, DURE_FILTER_WRITES, cat, NULL, &filter);

	w->out = filter;
	return r;
}

static void close_filter(struct world *w)
{
	MUST(dure_filter_close(w->out, DURE_S(5)) == 0);
}

static int open_handshake(struct world *w)
{
	dure_handshake *h = UNTOUCHED;
	int r = dure_handshake_open(&h);

	w->out = h;
	return r;
}

static void close_handshake(struct world *w)
{
	dure_handshake_close(w->out);
}

/* -- pipes ------------------------------------------------------------------------------------ */

/* The ends are kept where a pointer is expected: act compares, finish closes. */
static int ends[2];

static int open_pipe(struct world *w)
{
	struct dure_pipe_options o = { .sz = sizeof o, .size_bytes = 1 << 17,
				       .flags = DURE_PIPE_NONBLOCKING | DURE_PIPE_INHERIT };
	int r = dure_pipe_open(&o, ends);

	w->out = r < 0 ? UNTOUCHED : ends;
	return r;
}

static int open_duplex(struct world *w)
{
	struct dure_pipe_options o = { .sz = sizeof o, .flags = DURE_PIPE_DUPLEX };
	int r = dure_pipe_open(&o, ends);

	w->out = r < 0 ? UNTOUCHED : ends;
	return r;
}

static void close_pipe(struct world *w)
{
	(void)w;
	close(ends[0]);
	close(ends[1]);
}

static int open_split(struct world *w)
{
	dure_split *split = UNTOUCHED;
	int r = dure_split_open(ends[0], (const int[]){ ends[1], 1 }, 2, &split);

	w->out = split;
	return r;
}

static void prepare_pipe(struct world *w)
{
	MUST(open_pipe(w) == 0);
	w->out = UNTOUCHED;
}

static void close_split(struct world *w)
{
	dure_split_close(w->out);
}

static dure_receiver *receiver;

/* longer than a fragment: each is refused */
static int send_and_receive(struct world *w)
{
	static char message[9000];
	int r = dure_pipe_send(ends[1], message, sizeof message, DURE_S(5));

	(void)w;
	return r < 0 ? r : dure_receiver_next(receiver, message, sizeof message, DURE_S(5));
}

static void prepare_receiver(struct world *w)
{
	prepare_pipe(w);
	MUST(dure_receiver_open(ends[0], NULL, &receiver) == 0);
	MUST(send_and_receive(w) == 9000);	/* its first place has memory now */
}

static void close_receiver(struct world *w)
{
	dure_receiver_close(receiver);
	close_pipe(w);
}

/* a stream of two readers, with something in it */
static int sinks[2][2];

static void prepare_split(struct world *w)
{
	dure_split *split;

	prepare_pipe(w);
	MUST(pipe(sinks[0]) == 0 && pipe(sinks[1]) == 0);
	MUST(dure_split_open(ends[0], (const int[]){ sinks[0][1], sinks[1][1] }, 2, &split) == 0);
	MUST(write(ends[1], "hello", 5) == 5);
	w->buffer = split;
}

static int run_split(struct world *w)
{
	return dure_split_run(w->buffer, DURE_S(5));
}

/* all that are not left out have it, once */
static void both_have_it(struct world *w)
{
	char text[16];

	for (uint32_t i = 0; i < 2; i++)
		if (dure_split_is_gone(w->buffer, i) == 0)
			MUST(read(sinks[i][0], text, sizeof text) == 5 && memcmp(text, "hello", 5) == 0);
}

static void close_prepared_split(struct world *w)
{
	dure_split_close(w->buffer);
	w->buffer = NULL;
	for (int i = 0; i < 2; i++) {
		close(sinks[i][0]);
		close(sinks[i][1]);
	}
	close_pipe(w);
}

/* -- FIFOs ------------------------------------------------------------------------------------ */

static int make_fifo(struct world *w)
{
	char path[FAULT_PATH_BYTES + 8];

	snprintf(path, sizeof path, "%s/fifo", w->directory);
	return dure_fifo_make(DURE_FIFO_HERE, path, 0622);
}

static int open_server(struct world *w)
{
	dure_fifo_server *server = UNTOUCHED;

	snprintf(w->path, sizeof w->path, "%.100s/server", w->directory);
	int r = dure_fifo_server_open(w->path, NULL, &server);
	w->out = server;
	return r;
}

static void close_server(struct world *w)
{
	dure_fifo_server_close(w->out);
}

/* in the place of one whose server is dead, which also has left its own and a client's */
static void prepare_stale(struct world *w)
{
	char path[FAULT_PATH_BYTES + 32];

	snprintf(path, sizeof path, "%s/server", w->directory);
	MUST(dure_fifo_make(DURE_FIFO_HERE, path, 0600) == 0);
}

static void prepare_server(struct world *w)
{
	MUST(open_server(w) == 0);
	w->buffer = w->out;
	w->out = UNTOUCHED;
}

static void close_prepared_server(struct world *w)
{
	dure_fifo_server_close(w->buffer);
	w->buffer = NULL;
}

static int open_client(struct world *w)
{
	dure_fifo_client *client = UNTOUCHED;
	int r = dure_fifo_client_open(w->path, NULL, DURE_S(5), &client);

	w->out = client;
	return r;
}

static void close_client(struct world *w)
{
	dure_fifo_client_close(w->out);
}

/* request, answer, all in one process */
static int serve_once(dure_fifo_server *server, dure_fifo_client *client)
{
	struct dure_fifo_request who = { .sz = sizeof who };
	char text[16];
	int r = dure_fifo_client_send(client, "hello", 5, DURE_S(5));

	if (r >= 0)
		r = dure_fifo_server_next(server, text, sizeof text, DURE_S(5), &who);
	if (r >= 0)
		r = dure_fifo_server_answer(server, &who, text, (size_t)r, DURE_S(5));
	return r < 0 ? r : dure_fifo_client_receive(client, text, sizeof text, DURE_S(5), NULL);
}

static void client_works(struct world *w)
{
	MUST(serve_once(w->buffer, w->out) == 5);
}

static struct {
	dure_fifo_server *server;
	dure_fifo_client *client;
} both_sides;

static void prepare_both_sides(struct world *w)
{
	prepare_server(w);
	both_sides.server = w->buffer;
	MUST(dure_fifo_client_open(w->path, NULL, 0, &both_sides.client) == 0);
	MUST(serve_once(both_sides.server, both_sides.client) == 5);	/* buffers are there now */
}

static int serve(struct world *w)
{
	(void)w;
	return serve_once(both_sides.server, both_sides.client);
}

static void close_both_sides(struct world *w)
{
	dure_fifo_client_close(both_sides.client);
	close_prepared_server(w);
}

const struct scenario scenarios[] = {
	{ "start a program", .act = start, .verify = talks, .finish = close_process,
	  .codes = process_codes },
	{ "write to a program", .prepare = prepare_process, .act = write_to_it, .release = close_prepared,
	  .codes = write_codes },
	{ "end a program", .prepare = prepare_process, .act = end_it, .release = close_prepared,
	  .codes = wait_codes },
	{ "wait for a program that another has collected", .prepare = prepare_collected,
	  .act = wait_for_it, .release = close_prepared, .codes = wait_codes, .result_varies = true },
	{ "run a program", .act = run, .codes = process_codes },
	{ "run a program that says too much", .act = run_too_long, .codes = process_codes },
	{ "open a coprocess", .act = open_piped, .verify = answers, .finish = close_coprocess,
	  .codes = process_codes },
	{ "open a coprocess on a terminal", .act = open_on_terminal, .verify = answers,
	  .finish = close_coprocess, .codes = terminal_codes },
	{ "ask a coprocess", .prepare = prepare_coprocess, .act = ask,
	  .release = close_prepared_coprocess, .codes = write_codes },
	{ "open a filter", .act = open_filter, .finish = close_filter, .codes = process_codes },
	{ "open a pipe", .act = open_pipe, .finish = close_pipe, .codes = pipe_codes },
	{ "open a duplex pipe", .act = open_duplex, .finish = close_pipe, .codes = pipe_codes },
	{ "split a stream", .prepare = prepare_pipe, .act = open_split, .finish = close_split,
	  .release = close_pipe, .codes = pipe_codes },
	{ "run a split", .prepare = prepare_split, .act = run_split, .verify = both_have_it,
	  .release = close_prepared_split, .codes = split_codes },
	{ "send a message", .prepare = prepare_receiver, .act = send_and_receive,
	  .release = close_receiver, .codes = message_codes },
	{ "make a fifo", .act = make_fifo, .codes = fifo_codes },
	{ "open a server", .act = open_server, .finish = close_server, .codes = fifo_codes,
	  .may_stay = "server" },	/* where names cannot be removed */
	{ "open a server after a dead one", .prepare = prepare_stale, .act = open_server,
	  .finish = close_server, .codes = fifo_codes },
	{ "open a client", .prepare = prepare_server, .act = open_client, .verify = client_works,
	  .finish = close_client, .release = close_prepared_server, .codes = fifo_codes },
	{ "ask a server", .prepare = prepare_both_sides, .act = serve, .release = close_both_sides,
	  .codes = ask_codes },
	{ "open a handshake", .act = open_handshake, .finish = close_handshake,
	  .codes = process_codes },
};

const unsigned scenario_count = sizeof scenarios / sizeof *scenarios;
