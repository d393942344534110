/* SPDX-License-Identifier: MIT */
/*
 * process.h - programs that are started, waited for and signalled
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here. A program is named by its
 * pidfd, which never comes to mean another one.
 */
#ifndef DUREI_OS_PROCESS_H
#define DUREI_OS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum durei_start_flag {
	DUREI_START_GROUP = 1u << 0,	/* leads a process group of its own */
	DUREI_START_SESSION = 1u << 1,	/* leads a session of its own */
	DUREI_START_TERMINAL = 1u << 2,	/* its standard input is the session's terminal */
};

struct durei_start {
	const char *const *arguments;	/* the first is the program */
	const char *const *environment;	/* NULL: this process' */
	const char *path;		/* where a program without a slash is looked for */
	const char *directory;		/* NULL: this process' */
	const int32_t *kept;		/* descriptors it gets besides 0, 1 and 2 */
	uint32_t kept_count;
	uint32_t flags;
	int streams[3];			/* what become its 0, 1 and 2; -1: this process' own */
};

enum durei_start_step {			/* where it failed */
	DUREI_START_CLONE,
	DUREI_START_GROUPING,
	DUREI_START_STREAMS,
	DUREI_START_KEPT,
	DUREI_START_DIRECTORY,
	DUREI_START_EXEC,
};

struct durei_started {
	int pid, pidfd;
	enum durei_start_step step;	/* when it failed */
};

/* 0, or what failed where. A program that could not be started leaves nothing. */
int durei_process_start(const struct durei_start *start, struct durei_started *ret);

/* the PATH to look in: this process', or the system's own when there is none */
const char *durei_process_path(void);

enum {
	DUREI_PROCESS_RUNS = -10000,	/* no errno */
	DUREI_PROCESS_SIGNALLED = 256,
	DUREI_PROCESS_UNKNOWN = 512,
};

/*
 * Collects the status if it has ended: 0 to 255, or DUREI_PROCESS_SIGNALLED + signal, or
 * DUREI_PROCESS_UNKNOWN when somebody else has collected it and the kernel does not tell any
 * more (before Linux 6.15). DUREI_PROCESS_RUNS while it runs.
 */
int durei_process_collect(int pidfd);

/* Is there a process of this pid? Signal 0 is sent: nobody gets anything. */
bool durei_process_exists(uint32_t pid);

/* 0, -ESRCH (it has ended), -EPERM; group: all of the group that it leads */
int durei_process_signal(int pidfd, int pid, int signal, bool group);

#endif
