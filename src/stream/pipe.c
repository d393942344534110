/* SPDX-License-Identifier: MIT */
/*
 * pipe.c - pipes that do not kill
 *
 * Death    descriptors, which the kernel closes.
 */
#include <dure/pipe.h>

#include <limits.h>

#include "base/error.h"
#include "base/options.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "stream/flow.h"

static int set_size(int fd, size_t bytes)
{
	int r = bytes > INT_MAX ? -EPERM : durei_pipe_set_size(fd, (int)bytes);
	char text[32];

	if (r >= 0)
		return r;
	if (r == -EBUSY)
		return durei_error(EBUSY, "the pipe holds more than %zu bytes just now: read first", bytes);
	if (r == -EPERM) {
		durei_flow_setting("/proc/sys/fs/pipe-max-size", text, sizeof text);
		return durei_error(EPERM, "a pipe of %zu bytes is too large: raise fs.pipe-max-size (now "
				   "%s), or fs.pipe-user-pages-soft", bytes, text);
	}
	return r == -EBADF ? durei_error(EINVAL, "descriptor %d is no pipe", fd)
			   : durei_flow_error(-r, "resizing", "a pipe");
}

static int set_flags(const struct dure_pipe_options *o, const int pair[2])
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		if (o->flags & DURE_PIPE_NONBLOCKING)
			r = durei_stream_nonblocking(pair[i], true);
		if (r == 0 && o->flags & DURE_PIPE_INHERIT)
			r = durei_stream_inherited(pair[i]);
	}
	if (r < 0)
		return durei_flow_error(-r, "making", "a pipe");
	r = o->size_bytes ? set_size(pair[1], o->size_bytes) : 0;
	return r < 0 ? r : 0;
}

int dure_pipe_open(const struct dure_pipe_options *options, int ends[2])
{
	const uint32_t known = DURE_PIPE_DUPLEX | DURE_PIPE_PACKETS | DURE_PIPE_NONBLOCKING |
			       DURE_PIPE_INHERIT;
	struct dure_pipe_options o;
	int pair[2];
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r < 0)
		return r;
	if (!ends || o.reserved || o.flags & ~known ||
	    (o.flags & DURE_PIPE_DUPLEX && (o.flags & DURE_PIPE_PACKETS || o.size_bytes)))
		return durei_error(EINVAL, "ends[2] is needed, flags are DURE_PIPE_..., and a duplex pipe "
				   "has neither packets nor a size");
	r = o.flags & DURE_PIPE_DUPLEX ? durei_pipe_pair(pair)
				       : durei_pipe_open(pair, o.flags & DURE_PIPE_PACKETS);
	if (r < 0)
		return durei_flow_error(-r, "making", "a pipe");
	r = set_flags(&o, pair);
	if (r < 0) {
		durei_file_close(pair[0]);
		durei_file_close(pair[1]);
		return r;
	}
	ends[0] = pair[0];
	ends[1] = pair[1];
	return 0;
}

int dure_pipe_size(int fd)
{
	int r = durei_pipe_size(fd);

	return r < 0 ? durei_error(EINVAL, "descriptor %d is no pipe", fd) : r;
}

int dure_pipe_resize(int fd, size_t bytes)
{
	return set_size(fd, bytes);
}

int dure_pipe_write(int fd, const void *data, size_t bytes, int64_t timeout_ns)
{
	if (!data && bytes)
		return durei_error(EINVAL, "%zu bytes at NULL cannot be written", bytes);
	return durei_flow_write(fd, data, bytes, durei_deadline(timeout_ns), "the pipe");
}

int dure_pipe_read(int fd, void *buffer, size_t bytes, int64_t timeout_ns)
{
	if (!buffer || !bytes)
		return durei_error(EINVAL, "reading needs a buffer");
	return durei_flow_read(fd, buffer, bytes, durei_deadline(timeout_ns), "the pipe");
}
