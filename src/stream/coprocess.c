/* SPDX-License-Identifier: MIT */
/*
 * coprocess.c - a conversation with a program, line by line, without a deadlock
 *
 * Why      Two pipes between two programs that both write are a deadlock as soon as both are
 *          full. So who writes here reads at the same time, and keeps what came.
 * Layout   kept[start, end) is what it has said and nobody has read. With a terminal, one
 *          descriptor is both ways.
 * Rules    [COP1] while we write, what it says is taken, up to pending_max
 *          [COP2] at pending_max nothing is taken: a writer is told rather than left waiting
 *          [COP3] what is kept is given out before anything is read
 * Death    as of any program that was started.
 * Limits   A terminal in line mode takes lines of at most 4095 bytes; control characters mean
 *          there what they mean to a terminal.
 */
#include <dure/coprocess.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/terminal.h"
#include "stream/flow.h"
#include "stream/process.h"

enum { READ_BYTES = 4096, PENDING_MAX = 16 << 20, ROWS = 24, COLUMNS = 80 };

struct dure_coprocess {
	dure_process *process;
	int terminal;			/* ours; -1: pipes */
	size_t pending_max;
	char *kept;
	size_t start, end, room;
	size_t searched;		/* no newline in kept[start, searched) */
	bool has_ended;			/* it has closed its output */
	bool is_mid_line;		/* the last we wrote was no newline */
};

/* -- opening -------------------------------------------------------------------------------- */

static int no_terminals(void)
{
	char max[32];

	durei_flow_setting("/proc/sys/kernel/pty/max", max, sizeof max);
	return durei_error(ENOSPC, "all pseudo-terminals are taken: kernel.pty.max is %s: raise it with "
			   "sysctl, or the max= of the devpts mount", max);
}

static int open_terminal(const struct dure_coprocess_options *o, struct durei_process_plan *plan,
			 int *ret_ours)
{
	int its, r = durei_terminal_open(o->rows ? o->rows : ROWS, o->columns ? o->columns : COLUMNS,
					 ret_ours, &its);

	if (r == -ENOENT || r == -ENODEV || r == -ENOTTY || r == -ENOSYS)
		return durei_error(EOPNOTSUPP, "there are no pseudo-terminals here: mount devpts on "
				   "/dev/pts");
	if (r == -ENOSPC)
		return no_terminals();
	if (r < 0)
		return durei_flow_error(-r, "opening", "a pseudo-terminal");
	r = durei_stream_nonblocking(*ret_ours, true);
	if (r < 0) {
		durei_file_close(its);
		durei_file_close(*ret_ours);
		return durei_flow_error(-r, "opening", "a pseudo-terminal");
	}
	struct dure_process_options *p = &plan->options;
	p->input = p->output = DURE_STREAM_FD;
	p->input_fd = p->output_fd = its;
	if (p->errors == DURE_STREAM_INHERIT) {
		p->errors = DURE_STREAM_FD;
		p->errors_fd = its;
	}
	p->flags |= DURE_PROCESS_SESSION;
	plan->takes_terminal = true;
	return 0;
}

static int read_options(struct durei_process_plan *plan, const struct dure_process_options *process,
			struct dure_coprocess_options *ours,
			const struct dure_coprocess_options *theirs)
{
	int r = durei_options_read(&plan->options, sizeof plan->options, sizeof plan->options, process);

	if (r == 0)
		r = durei_options_read(ours, sizeof *ours, sizeof *ours, theirs);
	if (r < 0)
		return r;
	if (ours->flags & ~(uint32_t)DURE_COPROCESS_TERMINAL)
		return durei_error(EINVAL, "unknown options.flags %#x", ours->flags);
	if (plan->options.input || plan->options.output)
		return durei_error(EINVAL, "dure_coprocess_open gives the program its input and output: "
				   "leave both 0");
	return 0;
}

static int start(dure_coprocess *c, const char *const *arguments, struct durei_process_plan *plan,
		 const struct dure_coprocess_options *o)
{
	if (!(o->flags & DURE_COPROCESS_TERMINAL)) {
		plan->options.input = plan->options.output = DURE_STREAM_PIPE;
		return durei_process_open(arguments, plan, &c->process);
	}
	int r = open_terminal(o, plan, &c->terminal);
	if (r < 0) {
		c->terminal = -1;
		return r;
	}
	r = durei_process_open(arguments, plan, &c->process);
	durei_file_close(plan->options.input_fd);
	return r;
}

int dure_coprocess_open(const char *const *arguments, const struct dure_process_options *process,
			const struct dure_coprocess_options *options, dure_coprocess **ret)
{
	struct durei_process_plan plan = { .takes_terminal = false };
	struct dure_coprocess_options o;
	int r = read_options(&plan, process, &o, options);

	if (r < 0)
		return r;
	if (!ret)
		return durei_error(EINVAL, "there is nowhere to put the handle");
	dure_coprocess *c = calloc(1, sizeof *c);
	if (!c)
		return durei_error(ENOMEM, "no memory for a coprocess");
	c->terminal = -1;
	c->pending_max = o.pending_max ? o.pending_max : PENDING_MAX;
	r = start(c, arguments, &plan, &o);
	if (r < 0) {
		durei_file_close(c->terminal);
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* -- what it says ------------------------------------------------------------------------------ */

static int check(const dure_coprocess *c)
{
	if (!c)
		return durei_error(EINVAL, "the coprocess handle is NULL");
	return durei_process_is_stale(c->process)
		       ? durei_error(ESTALE, "%s was started before a fork: only the parent can use the "
				     "handle", durei_process_name_of(c->process))
		       : 0;
}

static int reading_end(const dure_coprocess *c)
{
	return c->terminal >= 0 ? c->terminal : durei_process_end_of(c->process, DURE_STDOUT);
}

static int writing_end(const dure_coprocess *c)
{
	return c->terminal >= 0 ? c->terminal : durei_process_end_of(c->process, DURE_STDIN);
}

/* Room for READ_BYTES more, or as many as pending_max allows. */
static int make_room(dure_coprocess *c)
{
	size_t used = c->end - c->start;
	size_t wanted = (size_t)min_u64(used + READ_BYTES, c->pending_max);

	if (c->end + (wanted - used) <= c->room)
		return 0;
	if (c->start) {
		memmove(c->kept, c->kept + c->start, used);
		c->searched -= c->start;
		c->start = 0;
		c->end = used;
	}
	if (wanted <= c->room)
		return 0;
	size_t room = (size_t)max_u64(wanted, min_u64(2 * (uint64_t)c->room, c->pending_max));
	char *kept = realloc(c->kept, room);
	if (!kept)
		return durei_error(ENOMEM, "no memory for %zu bytes that %s has said", room,
				   durei_process_name_of(c->process));
	c->kept = kept;
	c->room = room;
	return 0;
}

static bool is_full(const dure_coprocess *c)
{
	return c->end - c->start >= c->pending_max;
}

/* Takes what is there. 1 something, or its end; 0 nothing yet; negative */
static int take(dure_coprocess *c)
{
	int r = c->has_ended || is_full(c) ? 0 : make_room(c);

	if (r < 0 || c->has_ended || is_full(c))
		return r;
	r = durei_stream_read(reading_end(c), c->kept + c->end,
			      (size_t)min_u64(c->room - c->end, c->pending_max - (c->end - c->start)));
	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return durei_flow_error(-r, "reading from", durei_process_name_of(c->process));
	c->has_ended = r == 0;
	c->end += (size_t)r;
	return 1;
}

/* Takes something, or its end; waits for it. */
static int take_in_time(dure_coprocess *c, int64_t deadline_ns)
{
	int r = take(c);

	while (r == 0) {
		r = durei_flow_await(reading_end(c), 0, deadline_ns);
		r = r < 0 ? r : take(c);
	}
	return r < 0 ? r : 0;
}

static int give(dure_coprocess *c, char *to, size_t bytes)
{
	memcpy(to, c->kept + c->start, bytes);
	c->start += bytes;
	if (c->searched < c->start)
		c->searched = c->start;
	return (int)bytes;
}

int dure_coprocess_read(dure_coprocess *c, void *buffer, size_t bytes, int64_t timeout_ns)
{
	int r = check(c);

	if (r < 0)
		return r;
	if (!buffer || !bytes)
		return durei_error(EINVAL, "reading needs a buffer");
	if (c->start == c->end && !c->has_ended)
		r = take_in_time(c, durei_deadline(timeout_ns));
	if (r < 0)
		return r;
	return give(c, buffer, (size_t)min_u64(min_u64(bytes, INT_MAX), c->end - c->start));
}

/* 1 and where the newline is, or 0 */
static bool find_newline(dure_coprocess *c, size_t *ret_length)
{
	const char *newline = c->end > c->searched
				      ? memchr(c->kept + c->searched, '\n', c->end - c->searched) : NULL;

	c->searched = newline ? (size_t)(newline - c->kept) : c->end;
	*ret_length = c->searched - c->start;
	return newline;
}

static int give_line(dure_coprocess *c, char *line, size_t bytes, size_t length, bool has_newline)
{
	size_t shown = length;

	if (shown && c->terminal >= 0 && c->kept[c->start + shown - 1] == '\r')
		shown--;
	if (shown + 1 > bytes || shown > INT_MAX)
		return durei_error(EMSGSIZE, "%s has said a line of %zu bytes, and there is room for "
				   "%zu: the line stays, give more room",
				   durei_process_name_of(c->process), shown, bytes);
	memcpy(line, c->kept + c->start, shown);
	line[shown] = '\0';
	c->start += length + has_newline;
	c->searched = c->start;
	return (int)shown;
}

static int read_line(dure_coprocess *c, char *line, size_t bytes, int64_t deadline_ns)
{
	bool has_newline;
	size_t length;

	while (!(has_newline = find_newline(c, &length)) && !c->has_ended) {
		if (is_full(c))
			return durei_error(EMSGSIZE, "%s has said %zu bytes without a newline: raise "
					   "pending_max, or read them with dure_coprocess_read",
					   durei_process_name_of(c->process), length);
		int r = take_in_time(c, deadline_ns);
		if (r < 0)
			return r;
	}
	if (!has_newline && length == 0)
		return durei_error(EPIPE, "%s has ended its output: it says nothing more",
				   durei_process_name_of(c->process));
	return give_line(c, line, bytes, length, has_newline);
}

int dure_coprocess_read_line(dure_coprocess *c, char *line, size_t bytes, int64_t timeout_ns)
{
	int r = check(c);

	if (r < 0)
		return r;
	if (!line || !bytes)
		return durei_error(EINVAL, "reading a line needs a buffer");
	return read_line(c, line, bytes, durei_deadline(timeout_ns));
}

/* -- what it hears ---------------------------------------------------------------------------- */

/* Waits until it can be written to, taking what it says. */
static int take_until_writable(dure_coprocess *c, int64_t deadline_ns)
{
	struct durei_poll ends[2] = {
		{ .fd = writing_end(c), .writes = true },
		{ .fd = c->has_ended ? -1 : reading_end(c), .reads = true },
	};

	for (;;) {
		if (is_full(c))						/* [COP2] */
			return durei_error(ENOSPC, "%s has said %zu bytes that nobody has read: read "
					   "before you write, or raise pending_max",
					   durei_process_name_of(c->process), c->end - c->start);
		int r = durei_poll(ends, 2, deadline_ns);
		if (r == -ETIMEDOUT)
			return durei_flow_late(deadline_ns);
		if (r < 0)
			return durei_flow_error(-r, "waiting for", durei_process_name_of(c->process));
		if (ends[1].is_ready)
			r = take(c);					/* [COP1] */
		if (r < 0 || ends[0].is_ready)
			return r < 0 ? r : 0;
		if (c->has_ended)
			ends[1].fd = -1;
	}
}

static int write_until(dure_coprocess *c, const char *data, size_t bytes, int64_t deadline_ns)
{
	size_t total = bytes < INT_MAX ? bytes : INT_MAX, done = 0;
	int r = 0;

	if (writing_end(c) < 0)
		return durei_error(EPIPE, "the input of %s was ended", durei_process_name_of(c->process));
	while (r == 0 && done < total) {
		int n = durei_stream_write(writing_end(c), data + done, total - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == -EAGAIN || n == 0)
			r = take_until_writable(c, deadline_ns);
		else if (n == -EIO && c->terminal >= 0)
			r = durei_error(EPIPE, "%s has left its terminal",
					durei_process_name_of(c->process));
		else
			r = durei_flow_error(-n, "writing to", durei_process_name_of(c->process));
	}
	if (done)
		c->is_mid_line = data[done - 1] != '\n';
	return done ? (int)done : r;
}

int dure_coprocess_write(dure_coprocess *c, const void *data, size_t bytes, int64_t timeout_ns)
{
	int r = check(c);

	if (r < 0)
		return r;
	if (!data && bytes)
		return durei_error(EINVAL, "%zu bytes at NULL cannot be written", bytes);
	return write_until(c, data, bytes, durei_deadline(timeout_ns));
}

/* All of it, whatever it takes within the time. */
static int write_all(dure_coprocess *c, const char *data, size_t bytes, int64_t deadline_ns)
{
	while (bytes) {
		int r = write_until(c, data, bytes, deadline_ns);
		if (r < 0)
			return r;
		data += r;
		bytes -= (size_t)r;
	}
	return 0;
}

int dure_coprocess_ask(dure_coprocess *c, const char *question, char *answer, size_t bytes,
		       int64_t timeout_ns)
{
	int64_t deadline_ns = durei_deadline(timeout_ns);
	int r = check(c);

	if (r < 0)
		return r;
	if (!question || !answer || !bytes)
		return durei_error(EINVAL, "asking needs a question, and a buffer for the answer");
	size_t length = strlen(question);
	char *line = malloc(length + 1);
	if (!line)
		return durei_error(ENOMEM, "no memory for a question of %zu bytes", length);
	memcpy(line, question, length);
	line[length] = '\n';
	r = write_all(c, line, length + 1, deadline_ns);
	free(line);
	/* the answer has hardly come yet: a read would only say so */
	if (r == 0 && c->start == c->end && !c->has_ended)
		r = durei_flow_await(reading_end(c), 0, deadline_ns);
	return r < 0 ? r : read_line(c, answer, bytes, deadline_ns);
}

int dure_coprocess_end_input(dure_coprocess *c)
{
	char ends[2] = { DUREI_TERMINAL_EOF, DUREI_TERMINAL_EOF };
	int r = check(c);

	if (r < 0)
		return r;
	if (c->terminal < 0)
		return dure_process_close_stream(c->process, DURE_STDIN);
	/* in the middle of a line the first only sends what is there */
	size_t bytes = c->is_mid_line ? 2 : 1;
	r = durei_flow_write(c->terminal, ends, bytes, 0, durei_process_name_of(c->process));
	return r < 0 ? r : 0;
}

/* -- the rest ---------------------------------------------------------------------------------- */

int dure_coprocess_fd(dure_coprocess *c)
{
	int r = check(c);

	return r < 0 ? r : reading_end(c);
}

dure_process *dure_coprocess_process(dure_coprocess *c)
{
	return c ? c->process : NULL;
}

int dure_coprocess_close(dure_coprocess *c)
{
	if (!c)
		return 0;
	durei_file_close(c->terminal);
	int r = dure_process_close(c->process);
	free(c->kept);
	free(c);
	return r;
}
