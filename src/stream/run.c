/* SPDX-License-Identifier: MIT */
/*
 * run.c - a program is run to its end, fed, and all it says is kept
 *
 * Why      A program that writes while we write is a deadlock for who does one after the other;
 *          one that writes without end is a full memory; one that leaves a child behind with its
 *          output open is a wait for ever. Here input and outputs flow in one loop, with limits.
 * Rules    [RUN1] the program's end ends the run, not the end of its output: what is in the pipes
 *                 by then is read, what others write later is not
 *          [RUN2] a program that closes its input, or ends before it has read it, is no failure
 *          [RUN3] *ret is filled when the program has been collected, and not before
 * Death    as of any program that was started.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "stream/flow.h"
#include "stream/process.h"

enum { FIRST_BYTES = 4096, KEPT_MAX = 64 << 20 };

/* What one stream of the program has said. */
struct kept {
	int fd;				/* -1: at its end, or never there */
	char *text;
	size_t bytes, room, max;
	bool is_full;			/* max reached, and more came */
};

struct run {
	dure_process *process;
	struct dure_run_options options;
	int input;			/* -1: all of it is written */
	size_t fed;
	struct kept kept[2];		/* output, errors */
	uint64_t dropped_bytes;
	uint32_t ended;
};

static int grow(struct kept *kept)
{
	size_t room = kept->room ? 2 * kept->room : FIRST_BYTES;

	room = (size_t)min_u64(room, (uint64_t)kept->max + 1);
	char *text = realloc(kept->text, room);
	if (!text)
		return durei_error(ENOMEM, "no memory for %zu bytes of a program's output: lower "
				   "output_max and errors_max", room);
	kept->text = text;
	kept->room = room;
	return 0;
}

/* Reads once. One byte of room is always left for the NUL. 1 something, 0 nothing, negative */
static int take(struct run *run, struct kept *kept)
{
	char beyond[FIRST_BYTES];
	bool is_at_max = kept->bytes == kept->max;
	int r = 0;

	if (!is_at_max && kept->bytes + 1 >= kept->room)
		r = grow(kept);
	if (r < 0)
		return r;
	r = is_at_max ? durei_stream_read(kept->fd, beyond, sizeof beyond)
		      : durei_stream_read(kept->fd, kept->text + kept->bytes,
					  kept->room - kept->bytes - 1);
	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return durei_flow_error(-r, "reading from", durei_process_name_of(run->process));
	if (r == 0) {
		kept->fd = -1;		/* the handle closes it */
	} else if (is_at_max) {
		kept->is_full = true;
		run->dropped_bytes += (unsigned)r;
	} else {
		kept->bytes += (size_t)r;
	}
	return r > 0;
}

static int feed(struct run *run)
{
	const char *from = run->options.input;
	int r = durei_stream_write(run->input, from + run->fed, run->options.input_bytes - run->fed);

	if (r > 0)
		run->fed += (size_t)r;
	if (r < 0 && r != -EAGAIN && r != -EPIPE)
		return durei_flow_error(-r, "writing to", durei_process_name_of(run->process));
	if (r == -EPIPE || run->fed == run->options.input_bytes) {		/* [RUN2] */
		run->input = -1;
		return dure_process_close_stream(run->process, DURE_STDIN);
	}
	return 0;
}

static bool is_too_much(const struct run *run)
{
	return !(run->options.flags & DURE_RUN_TRUNCATE) &&
	       (run->kept[0].is_full || run->kept[1].is_full);
}

/* Until the program has ended (0), or is to be ended (run->ended says why). */
static int converse(struct run *run, int64_t deadline_ns)
{
	struct durei_poll polled[4] = { { .fd = dure_process_fd(run->process), .reads = true } };

	for (;;) {
		polled[1] = (struct durei_poll){ .fd = run->input, .writes = true };
		polled[2] = (struct durei_poll){ .fd = run->kept[0].fd, .reads = true };
		polled[3] = (struct durei_poll){ .fd = run->kept[1].fd, .reads = true };
		int r = durei_poll(polled, 4, deadline_ns);
		if (r == -ETIMEDOUT) {
			run->ended = DURE_RUN_TIMED_OUT;
			return 0;
		}
		if (r < 0)
			return durei_flow_error(-r, "waiting for", durei_process_name_of(run->process));
		if (polled[1].is_ready)
			r = feed(run);
		for (int i = 0; r >= 0 && i < 2; i++)
			if (polled[2 + i].is_ready)
				r = take(run, &run->kept[i]);
		if (r >= 0 && is_too_much(run))
			run->ended = DURE_RUN_TOO_MUCH;
		if (r < 0 || run->ended || polled[0].is_ready)
			return r < 0 ? r : 0;
	}
}

/* [RUN1] What is in the pipe now, and no more, whoever goes on writing. */
static int drain(struct run *run, struct kept *kept)
{
	int left = kept->fd >= 0 ? durei_pipe_filled(kept->fd) : 0;
	int r = 1;

	if (left < 0)
		return durei_flow_error(-left, "reading from", durei_process_name_of(run->process));
	while (r > 0 && left > 0 && kept->fd >= 0) {
		uint64_t before = kept->bytes + run->dropped_bytes;
		r = take(run, kept);
		left -= (int)(kept->bytes + run->dropped_bytes - before);
	}
	return r < 0 ? r : 0;
}

static int finish(struct run *run, int *ret_status)
{
	int status = run->ended ? dure_process_end(run->process)
				: dure_process_wait(run->process, DURE_FOREVER);
	int r = status;

	for (int i = 0; r >= 0 && i < 2; i++)
		r = drain(run, &run->kept[i]);
	if (r >= 0 && !run->ended && is_too_much(run))
		run->ended = DURE_RUN_TOO_MUCH;
	/* nothing said is an empty text, too */
	for (int i = 0; r >= 0 && i < 2; i++) {
		if (!run->kept[i].room)
			r = grow(&run->kept[i]);
		if (r >= 0)
			run->kept[i].text[run->kept[i].bytes] = '\0';
	}
	*ret_status = status;
	return r < 0 ? r : 0;
}

static int read_options(struct run *run, struct durei_process_plan *plan,
			const struct dure_process_options *process, const struct dure_run_options *o)
{
	int r = durei_options_read(&plan->options, sizeof plan->options, sizeof plan->options, process);

	if (r == 0)
		r = durei_options_read(&run->options, sizeof run->options, sizeof run->options, o);
	if (r < 0)
		return r;
	if (run->options.flags & ~(uint32_t)DURE_RUN_TRUNCATE || run->options.reserved)
		return durei_error(EINVAL, "unknown run.flags %#x", run->options.flags);
	if (run->options.input_bytes && !run->options.input)
		return durei_error(EINVAL, "%zu bytes of input at NULL", run->options.input_bytes);
	struct dure_process_options *p = &plan->options;
	if (p->output != DURE_STREAM_INHERIT || (p->input && p->input != DURE_STREAM_FD) ||
	    (p->input && run->options.input))
		return durei_error(EINVAL, "dure_process_run gives the program its streams: options may "
				   "say what errors are, and input DURE_STREAM_FD instead of "
				   "run.input");
	p->output = DURE_STREAM_PIPE;
	p->errors = p->errors ? p->errors : DURE_STREAM_PIPE;
	if (!p->input)
		p->input = run->options.input_bytes ? DURE_STREAM_PIPE : DURE_STREAM_NULL;
	run->kept[0].max = run->options.output_max ? run->options.output_max : KEPT_MAX;
	run->kept[1].max = run->options.errors_max ? run->options.errors_max : KEPT_MAX;
	return 0;
}

static int write_result(const struct run *run, int status, struct dure_run_result *ret)
{
	struct dure_run_result all = {
		.output = run->kept[0].text, .output_bytes = run->kept[0].bytes,
		.errors = run->kept[1].text, .errors_bytes = run->kept[1].bytes,
		.status = status, .ended = run->ended, .dropped_bytes = run->dropped_bytes,
	};

	return durei_options_write(ret, &all, sizeof all, sizeof all);
}

int dure_process_run(const char *const *arguments, const struct dure_process_options *options,
		     const struct dure_run_options *run_options, int64_t timeout_ns,
		     struct dure_run_result *ret)
{
	struct run run = { .input = -1 };
	struct durei_process_plan plan = { .takes_terminal = false };
	int64_t deadline_ns = timeout_ns ? durei_deadline(timeout_ns) : durei_clock_now();
	int status = 0;

	if (!ret || ret->sz < sizeof *ret)
		return durei_error(EINVAL, "ret->sz: set it to sizeof(struct dure_run_result)");
	int r = read_options(&run, &plan, options, run_options);
	if (r == 0)
		r = durei_process_open(arguments, &plan, &run.process);
	if (r < 0)
		return r;
	run.input = durei_process_end_of(run.process, DURE_STDIN);
	run.kept[0].fd = durei_process_end_of(run.process, DURE_STDOUT);
	run.kept[1].fd = durei_process_end_of(run.process, DURE_STDERR);
	r = converse(&run, deadline_ns);
	if (r >= 0)
		r = finish(&run, &status);
	if (r < 0)
		(void)dure_process_end(run.process);
	(void)dure_process_close(run.process);
	if (r >= 0)
		return write_result(&run, status, ret);		/* [RUN3] */
	free(run.kept[0].text);
	free(run.kept[1].text);
	return r;
}

void dure_run_free(struct dure_run_result *result)
{
	if (!result)
		return;
	free(result->output);
	free(result->errors);
	result->output = result->errors = NULL;
	result->output_bytes = result->errors_bytes = 0;
}
