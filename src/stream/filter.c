/* SPDX-License-Identifier: MIT */
/*
 * filter.c - a program between us and one of our own descriptors
 *
 * How      What fd was is kept under another number and given to the program; fd becomes our end
 *          of a pipe, by dup2, which is one step for all threads.
 * Rules    [FILTER1] fd blocks, as printf expects, and is open in programs started later, as
 *                    standard streams are
 *          [FILTER2] nothing but fd holds our end of the pipe: with fd given back, it is closed
 * Death    as of any program that was started.
 */
#include <dure/filter.h>

#include <stdlib.h>

#include "base/error.h"
#include "base/options.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "stream/flow.h"
#include "stream/process.h"

struct dure_filter {
	dure_process *process;
	int fd;				/* the one that goes through the program */
	int saved;			/* what it was */
	uint32_t direction;
};

static int check(const dure_filter *filter)
{
	if (!filter)
		return durei_error(EINVAL, "the filter handle is NULL");
	return durei_process_is_stale(filter->process)
		       ? durei_error(ESTALE, "the filter %s was made before a fork: only the parent can "
				     "use the handle", durei_process_name_of(filter->process))
		       : 0;
}

static int read_options(int fd, uint32_t direction, struct durei_process_plan *plan,
			const struct dure_process_options *options)
{
	int r = durei_options_read(&plan->options, sizeof plan->options, sizeof plan->options, options);

	if (r < 0)
		return r;
	if (direction != DURE_FILTER_WRITES && direction != DURE_FILTER_READS)
		return durei_error(EINVAL, "a filter is for DURE_FILTER_WRITES or for _READS, not %u",
				   direction);
	if (!durei_stream_is_open(fd))
		return durei_error(EINVAL, "descriptor %d is not open", fd);
	if (plan->options.input || plan->options.output)
		return durei_error(EINVAL, "dure_filter_open gives the program its input and output: "
				   "leave both 0");
	return 0;
}

static int connect_fd(dure_filter *filter)
{
	uint32_t stream = filter->direction == DURE_FILTER_WRITES ? DURE_STDIN : DURE_STDOUT;
	int ours = durei_process_end_of(filter->process, stream);
	int r = durei_stream_nonblocking(ours, false);			/* [FILTER1] */

	if (r == 0)
		r = durei_stream_replace(ours, filter->fd);
	if (r < 0)
		return durei_flow_error(-r, "connecting", durei_process_name_of(filter->process));
	return dure_process_close_stream(filter->process, stream);	/* [FILTER2] */
}

static int start(dure_filter *filter, const char *const *arguments, struct durei_process_plan *plan)
{
	struct dure_process_options *o = &plan->options;

	if (filter->direction == DURE_FILTER_WRITES) {
		o->input = DURE_STREAM_PIPE;
		o->output = DURE_STREAM_FD;
		o->output_fd = filter->saved;
	} else {
		o->input = DURE_STREAM_FD;
		o->input_fd = filter->saved;
		o->output = DURE_STREAM_PIPE;
	}
	int r = durei_process_open(arguments, plan, &filter->process);
	if (r < 0)
		return r;
	r = connect_fd(filter);
	if (r < 0)
		(void)dure_process_close(filter->process);
	return r;
}

int dure_filter_open(int fd, uint32_t direction, const char *const *arguments,
		     const struct dure_process_options *options, dure_filter **ret)
{
	struct durei_process_plan plan = { .takes_terminal = false };
	int r = read_options(fd, direction, &plan, options);

	if (r < 0)
		return r;
	if (!ret)
		return durei_error(EINVAL, "there is nowhere to put the handle");
	dure_filter *filter = calloc(1, sizeof *filter);
	if (!filter)
		return durei_error(ENOMEM, "no memory for a filter");
	filter->fd = fd;
	filter->direction = direction;
	filter->saved = durei_stream_copy(fd);
	r = filter->saved < 0 ? durei_flow_error(-filter->saved, "keeping", "the descriptor")
			      : start(filter, arguments, &plan);
	if (r < 0) {
		durei_file_close(filter->saved);
		free(filter);
		return r;
	}
	*ret = filter;
	return 0;
}

int dure_filter_fd(dure_filter *filter)
{
	int r = check(filter);

	return r < 0 ? r : dure_process_fd(filter->process);
}

int dure_filter_write(dure_filter *filter, const void *data, size_t bytes, int64_t timeout_ns)
{
	int r = check(filter);

	if (r < 0)
		return r;
	if (filter->direction != DURE_FILTER_WRITES || (!data && bytes))
		return durei_error(EINVAL, "writing needs a filter for DURE_FILTER_WRITES, and data");
	return durei_flow_write(filter->fd, data, bytes, durei_deadline(timeout_ns),
				durei_process_name_of(filter->process));
}

int dure_filter_close(dure_filter *filter, int64_t timeout_ns)
{
	int r;

	if (!filter)
		return 0;
	if (!durei_process_is_stale(filter->process)) {
		r = durei_stream_replace(filter->saved, filter->fd);
		if (r < 0)
			return durei_flow_error(-r, "giving back", "the descriptor");
		r = dure_process_wait(filter->process, timeout_ns);
		if (r == -EAGAIN || r == -ETIMEDOUT)
			(void)dure_process_end(filter->process);
	}
	r = dure_process_close(filter->process);
	durei_file_close(filter->saved);
	free(filter);
	return r;
}
