/* SPDX-License-Identifier: MIT */
/*
 * dure/limit.h - the limits on shared memory and IPC, and how much of each is used
 *
 * Common to all functions here: Threads: any, a dure_host each its own. Signals: not from a
 * handler. Fork: nothing is inherited. Death: nothing is changed.
 */
#ifndef DURE_LIMIT_H
#define DURE_LIMIT_H

#include <dure/host.h>

DURE_BEGIN

enum dure_limit_id {
	DURE_LIMIT_SHMMNI = 1,		/* System V memory segments */
	DURE_LIMIT_SHMALL = 2,		/* pages of all of them */
	DURE_LIMIT_SHMMAX = 3,		/* bytes of one; used: the biggest */
	DURE_LIMIT_SEMMNI = 4,		/* semaphore sets */
	DURE_LIMIT_SEMMNS = 5,		/* semaphores in all of them */
	DURE_LIMIT_SEMMSL = 6,		/* in one; used: the biggest */
	DURE_LIMIT_SEMOPM = 7,		/* operations of one semop */
	DURE_LIMIT_MSGMNI = 8,		/* System V message queues */
	DURE_LIMIT_MSGMNB = 9,		/* bytes in one; used: the fullest */
	DURE_LIMIT_MSGMAX = 10,		/* bytes of one message */
	DURE_LIMIT_MQ_QUEUES = 11,	/* POSIX message queues */
	DURE_LIMIT_MQ_MESSAGES = 12,	/* messages in one */
	DURE_LIMIT_MQ_MESSAGE_BYTES = 13,
	DURE_LIMIT_MQ_BYTES = 14,	/* RLIMIT_MSGQUEUE: of a user's queues */
	DURE_LIMIT_FILES = 15,		/* RLIMIT_NOFILE: descriptors of a process */
	DURE_LIMIT_LOCKED = 16,		/* RLIMIT_MEMLOCK: bytes of a process */
	DURE_LIMIT_ALL_FILES = 17,	/* fs.file-max */
	DURE_LIMIT_SHM_BYTES = 18,	/* of the file system at /dev/shm */
	DURE_LIMIT_SHM_FILES = 19,	/* its inodes */
	DURE_LIMIT_CGROUP = 20,		/* memory of the control group */
	DURE_LIMIT_HUGE_PAGES = 21,	/* of the default size */
	DURE_LIMIT_MAPS = 22,		/* vm.max_map_count: mappings of a process */
};

enum dure_limit_unit {
	DURE_LIMIT_COUNTED = 1,
	DURE_LIMIT_IN_BYTES = 2,
	DURE_LIMIT_IN_PAGES = 3,
};

#define DURE_LIMIT_NONE UINT64_MAX	/* value: unlimited */

struct dure_limit {
	size_t sz;
	uint32_t id;			/* enum dure_limit_id */
	uint32_t unit;			/* enum dure_limit_unit */
	uint64_t value;
	uint64_t used;
	uint32_t has_used;		/* used is known */
	uint32_t field;			/* which number of path's it is, from 0 */
	const char *name;		/* "kernel.shmmni", "RLIMIT_NOFILE", "/dev/shm" */
	const char *text;		/* what it limits */
	const char *path;		/* the file it is read from and set by, or "" */
	const char *error;		/* what calls fail with, as "ENOSPC" */
};

/*
 * dure_limit_list - each limit with its use
 *
 * process is the pid whose limits are meant where they are a process' own; 0 is the caller.
 * What the host's picture has not (another process' limits, no /proc/sys) is left out. The
 * strings are borrowed for the visit.
 *
 * Returns  0, or what visit returned; -ENOENT (no such process)
 */
DURE_API int dure_limit_list(const dure_host *host, uint32_t process,
			     int (*visit)(const struct dure_limit *limit, void *context),
			     void *context);

DURE_END

#endif
