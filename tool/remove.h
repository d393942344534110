/* SPDX-License-Identifier: MIT */
/*
 * remove.h - taking one object away, after a last look, with its contents kept
 */
#ifndef TOOL_REMOVE_H
#define TOOL_REMOVE_H

#include "host.h"
#include "journal.h"

enum removal {
	REMOVAL_DONE,
	REMOVAL_USED,		/* it is, or may be, in use: it was left alone */
	REMOVAL_GONE,		/* somebody else was faster */
	REMOVAL_FAILED,
};

struct removing {
	struct journal *journal;
	char why[300];		/* for all results but DONE */
};

/*
 * Removes it if nobody came to use it since it was judged. The caller has judged it just
 * before; what is looked at here is only what can change in the meantime.
 */
enum removal remove_object(struct removing *removing, const struct dure_host_object *object);

/* Removes it, whoever uses it, and keeps nothing. False: errno says why */
bool remove_by_force(const struct dure_host_object *object);

/* the parts: remove_sysv.c, remove_file.c */
enum removal remove_sysv_shm(struct removing *r, const struct dure_host_object *o);
enum removal remove_sysv_sem(struct removing *r, const struct dure_host_object *o);
enum removal remove_sysv_msg(struct removing *r, const struct dure_host_object *o);
enum removal remove_file(struct removing *r, const struct dure_host_object *o);
enum removal remove_queue(struct removing *r, const struct dure_host_object *o);

/* why, and the result */
enum removal removal_because(struct removing *r, enum removal result, const char *format, ...)
	DURE_FORMAT(3, 4);
/* what all records begin with; the caller adds to it */
json_t *removal_record(const struct dure_host_object *o);

/* a message in a data file: this, then its bytes */
struct kept_message {
	int64_t type;			/* System V type, or POSIX priority */
	uint64_t bytes;
};

bool write_fully(int fd, const void *bytes, size_t count);
bool read_fully(int fd, void *bytes, size_t count);
/* the same, but leaves out what is zero */
bool write_sparse(int fd, const void *bytes, size_t count, uint64_t offset);

#endif
