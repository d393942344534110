/* SPDX-License-Identifier: MIT */
/*
 * flow.c - bytes through descriptors, with a deadline and with sentences
 *
 * Why      read and write have four ways of saying "not now" and two of killing the caller. Here
 *          they have one: wait, until a deadline.
 * Rules    [FLOW1] a descriptor that blocks is never written more than a poll has promised: a
 *                  pipe that can be written takes PIPE_BUF bytes
 *          [FLOW2] a failure after the first byte is kept for the next call: who is told
 *                  "written: 3" knows what went out
 * Limits   A blocking pipe with several writers may still block one of them: between poll and
 *          write another has taken the room.
 */
#include "stream/flow.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/self.h"

int durei_flow_late(int64_t deadline_ns)
{
	return durei_error_plain(deadline_ns == 0 ? EAGAIN : ETIMEDOUT);
}

int durei_flow_error(int code, const char *doing, const char *whose)
{
	switch (code) {
	case EPIPE:
	case ECONNRESET:
		return durei_error(EPIPE, "%s %s: nobody reads it any more", doing, whose);
	case EMFILE:
		return durei_error(EMFILE, "%s %s: too many open descriptors: RLIMIT_NOFILE is %" PRIu64
				   ": close some, or raise it (ulimit -n, LimitNOFILE=)", doing, whose,
				   durei_resource_max(DUREI_MAX_DESCRIPTORS));
	case ENFILE:
		return durei_error(EMFILE, "%s %s: the host has too many open descriptors: raise "
				   "fs.file-max with sysctl", doing, whose);
	case ENOMEM:
	case ENOBUFS:
		return durei_error(ENOMEM, "%s %s: the kernel has no memory for it", doing, whose);
	case ENOSPC:
	case EDQUOT:
		return durei_error(ENOSPC, "%s %s: no space left there: df and df -i show of what, bytes "
				   "or inodes", doing, whose);
	case ENOENT:
	case EACCES:
	case EINVAL:
	case EEXIST:
	case EPERM:
	case EOPNOTSUPP:
	case EBUSY:
		return durei_error(code, "%s %s: %s", doing, whose, strerror(code));
	case EROFS:
		return durei_error(EACCES, "%s %s: the file system is read-only", doing, whose);
	case ENOTDIR:
	case ENAMETOOLONG:
	case ELOOP:
	case EBADF:
	case ENXIO:
		return durei_error(EINVAL, "%s %s: %s", doing, whose, strerror(code));
	case ENOSYS:
		return durei_error(EOPNOTSUPP, "%s %s: this kernel cannot", doing, whose);
	default:
		return durei_error(EIO, "%s %s: %s", doing, whose, strerror(code));
	}
}

void durei_flow_setting(const char *path, char *text, size_t bytes)
{
	if (durei_file_read_text(path, text, bytes) < 0)
		snprintf(text, bytes, "unknown");
	text[strcspn(text, "\n")] = '\0';
}

int durei_flow_await(int fd, int writes, int64_t deadline_ns)
{
	struct durei_poll one = { .fd = fd, .reads = !writes, .writes = writes };
	int r = durei_poll(&one, 1, deadline_ns);

	return r == -ETIMEDOUT ? durei_flow_late(deadline_ns)
	       : r < 0	       ? durei_flow_error(-r, "waiting for", "a descriptor")
			       : 0;
}

int durei_flow_write(int fd, const void *data, size_t bytes, int64_t deadline_ns, const char *whose)
{
	bool blocks = durei_stream_blocks(fd);
	size_t total = bytes < INT32_MAX ? bytes : INT32_MAX, done = 0;
	int r = blocks && total ? durei_flow_await(fd, 1, deadline_ns) : 0;

	while (r == 0 && done < total) {
		size_t part = total - done;
		if (blocks && part > DUREI_PIPE_ATOMIC)
			part = DUREI_PIPE_ATOMIC;		/* [FLOW1] */
		int n = durei_stream_write(fd, (const char *)data + done, part);
		if (n >= 0)
			done += (size_t)n;
		else if (n != -EAGAIN)
			r = done ? n : durei_flow_error(-n, "writing to", whose);
		if (done < total && (n == -EAGAIN || (blocks && n >= 0)))
			r = durei_flow_await(fd, 1, deadline_ns);
	}
	return done ? (int)done : r;				/* [FLOW2] */
}

int durei_flow_read(int fd, void *buffer, size_t bytes, int64_t deadline_ns, const char *whose)
{
	int r = durei_stream_blocks(fd) ? durei_flow_await(fd, 0, deadline_ns) : 0;

	while (r == 0) {
		r = durei_stream_read(fd, buffer, bytes);
		if (r >= 0)
			return r;
		r = r == -EAGAIN ? durei_flow_await(fd, 0, deadline_ns)
				 : durei_flow_error(-r, "reading from", whose);
	}
	return r;
}
