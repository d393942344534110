/* SPDX-License-Identifier: MIT */
/*
 * host.h - the host's objects as the subcommands name, choose and describe them
 *
 *	sysv:shm:ID  sysv:sem:ID  sysv:msg:ID	by identifier; KEY as 0x... or key=0x... too
 *	posix:shm:NAME  posix:sem:NAME  posix:mq:NAME
 *	memfd:INODE  deleted:INODE  anonymous:INODE
 *	huge:PATH  lock:PATH
 *	a plain NAME or PATH			a dure segment
 */
#ifndef TOOL_HOST_H
#define TOOL_HOST_H

#include <dure.h>
#include <jansson.h>
#include <stdbool.h>

/* a picture with its parts in arrays; borrowed from it until host_end */
struct host {
	dure_host *picture;
	struct dure_host_summary summary;
	const struct dure_host_object **objects;
	size_t object_count;
	const struct dure_host_process **processes;	/* by pid */
	size_t process_count;
	const struct dure_host_use **uses;		/* by object */
	size_t use_count;
	const struct dure_host_wait **waits;
	size_t wait_count;
};

/* complains when it fails */
bool host_begin(struct host *host, const char *command, uint32_t flags, uint32_t kinds);
void host_end(struct host *host);

const struct dure_host_process *host_process(const struct host *host, uint32_t pid);
/* the first of an object's uses; *count: how many */
const struct dure_host_use *const *host_uses(const struct host *host, uint64_t object,
					     size_t *count);

/* "sysv-shm" and so on */
const char *kind_name(uint32_t kind);
/* "shm", "sysv", "posix-sem,mq" to bits; false: complained. "segment" sets *ret_segments */
bool kinds_read(const char *command, const char *names, uint32_t *ret_kinds, bool *ret_segments);

/* Enters the IPC namespace of a process, or with that number, for good: what is looked at and
   removed from then on is there. Only its System V objects and message queues: *kinds_wanted
   (0: all) is narrowed to those. False: complained */
bool namespace_enter(const char *command, const char *text, uint32_t *kinds_wanted);

/* what to call it in commands; into a caller's buffer, which is returned */
enum { OBJECT_NAME_BYTES = 4200 };
char *object_name(const struct dure_host_object *object, char *text, size_t text_bytes);
/* as typed by a user: NULL, and complained, when there is none or more than one */
const struct dure_host_object *object_find(const struct host *host, const char *command,
					   const char *name);
/* does it look like an object's name, rather than a segment's or a pid */
bool is_object_name(const char *name);

/* "alice", or the number; borrowed for ever */
const char *user_name(uint32_t user);
/* by name or number; false: complained */
bool user_read(const char *command, const char *name, uint32_t *ret);

/* false: complained */
bool pid_read(const char *command, const char *text, uint32_t *ret);

const char *grade_name(uint32_t grade);

/* the notes of what could not be seen, on stderr */
void complain_notes(const struct host *host, const char *command);
/* the same, in JSON */
json_t *notes_value(const struct host *host);

#endif
