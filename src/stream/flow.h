/* SPDX-License-Identifier: MIT */
/*
 * flow.h - bytes through descriptors, with a deadline and with sentences
 *
 * whose: words that name the other end in a sentence, like "the input of sort".
 */
#ifndef DUREI_STREAM_FLOW_H
#define DUREI_STREAM_FLOW_H

#include <stddef.h>
#include <stdint.h>

/* A kernel's code as one of the library's, said with what was being done. */
int durei_flow_error(int code, const char *doing, const char *whose);
/* -EAGAIN when nothing was to be waited for, otherwise -ETIMEDOUT */
int durei_flow_late(int64_t deadline_ns);

/*
 * Writes all, or as much as the deadline and the reader allow. Up to PIPE_BUF bytes go in one
 * piece or not at all. How many, at least 1; -EPIPE -EAGAIN -ETIMEDOUT and errors.
 */
int durei_flow_write(int fd, const void *data, size_t bytes, int64_t deadline_ns,
		     const char *whose);

/* Waits for something to read. How many, 0 at the end; -EAGAIN -ETIMEDOUT and errors */
int durei_flow_read(int fd, void *buffer, size_t bytes, int64_t deadline_ns, const char *whose);

/* Until fd can be read (or written), or is broken; 0, -EAGAIN -ETIMEDOUT */
int durei_flow_await(int fd, int writes, int64_t deadline_ns);

/* What a setting of the kernel is now, in words for a sentence: its first line, or "unknown". */
void durei_flow_setting(const char *path, char *text, size_t bytes);

#endif
