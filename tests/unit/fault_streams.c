/* SPDX-License-Identifier: MIT */
/*
 * fault_streams.c - programs, pipes and FIFOs whose system calls are refused
 *
 * Why      As fault_scenarios.c, for the room that uses no segment. What the child does between
 *          clone and exec is refused as well: it shares our memory, and so the script.
 * Rules    as there; the options of world are not used
 */
#include "fault.h"

#include <string.h>
#include <unistd.h>

static const int process_codes[] = { ENOENT, EACCES, EINVAL, EMSGSIZE, EMFILE, EUSERS, ENOMEM, EBUSY,
				     EPERM, EIO, E2BIG, EOPNOTSUPP, 0 };
static const int wait_codes[] = { EAGAIN, ETIMEDOUT, EINVAL, EIO, EPERM, ENOMEM, ESTALE, 0 };
static const int write_codes[] = { EPIPE, EAGAIN, ETIMEDOUT, EINVAL, EIO, ENOMEM, ESTALE, 0 };

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

const struct scenario stream_scenarios[] = {
	{ "start a program", .act = start, .verify = talks, .finish = close_process,
	  .codes = process_codes },
	{ "write to a program", .prepare = prepare_process, .act = write_to_it, .release = close_prepared,
	  .codes = write_codes },
	{ "end a program", .prepare = prepare_process, .act = end_it, .release = close_prepared,
	  .codes = wait_codes },
	{ "run a program", .act = run, .codes = process_codes },
};

const unsigned stream_scenario_count = sizeof stream_scenarios / sizeof *stream_scenarios;
