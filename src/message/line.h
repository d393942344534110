/* SPDX-License-Identifier: MIT */
/*
 * line.h - messages in order: treaps of lines
 */
#ifndef DUREI_MESSAGE_LINE_H
#define DUREI_MESSAGE_LINE_H

#include "layout/queue.h"
#include "segment/lane.h"

enum durei_order {
	DUREI_BY_PRIORITY,	/* highest first */
	DUREI_BY_TYPE,		/* lowest first; in it by priority */
	DUREI_BY_TAKING,	/* one line */
};

/* Which lines are meant: those of one queue, in one order. */
struct durei_lines {
	dure_segment *seg;
	uint64_t queue;			/* offset: what its messages say they belong to */
	struct cell64 *root;
	enum durei_order order;
};

struct durei_line_key {
	uint64_t major;			/* the type, or 0 */
	uint64_t minor;			/* DL_PRIORITY_MAX - priority, or 0 */
};

struct durei_line_key durei_line_key(const struct durei_lines *lines, const struct dl_message *m);

/* The message at offset; NULL: there is none, or it is of another queue */
struct dl_message *durei_message_at(dure_segment *seg, uint64_t queue, uint64_t offset);

/*
 * The first message of the first line whose key is at least key. NULL: none; or *ret_error is
 * -EUCLEAN.
 */
struct dl_message *durei_lines_from(const struct durei_lines *lines, struct durei_line_key key,
				    int *ret_error);
/* The message behind m: in its line, or the first of the next one. As above. */
struct dl_message *durei_lines_next(const struct durei_lines *lines, const struct dl_message *m,
				    int *ret_error);

/*
 * In the lane's open log: puts m at its place, takes it away. m's own links are private, or the
 * log remembers them already. Returns 0, -ENOSPC, -EUCLEAN; after a failure the log is undone.
 */
int durei_lines_insert(const struct durei_lines *lines, struct durei_lane *lane,
		       struct dl_message *m);
int durei_lines_remove(const struct durei_lines *lines, struct durei_lane *lane,
		       struct dl_message *m);

#endif
