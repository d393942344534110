/* SPDX-License-Identifier: MIT */
/*
 * fault.h - a scenario whose system calls are refused, one after the other
 *
 * A scenario is a public call with what it needs before and after. It knows nothing of the
 * refusals: fault.c runs it once for each call it makes and each errno that call may give.
 */
#ifndef TESTS_UNIT_FAULT_H
#define TESTS_UNIT_FAULT_H

#include <dure.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FAULT_PATH_BYTES = 128 };

/* what an output holds before the call, and must still hold after a refusal */
#define UNTOUCHED ((void *)(uintptr_t)0x5a5a5a50)

struct world {
	char directory[FAULT_PATH_BYTES];	/* empty, and the scenario's own */
	const char *name;			/* as dure_segment_open takes it */
	char path[FAULT_PATH_BYTES];
	struct dure_segment_options options;
	void *buffer;
	dure_segment *seg;			/* opened by prepare */
	dure_file *file;			/* the same */
	void *out;				/* what act got, or UNTOUCHED */
	int first;				/* what the first act returned */
	char said[512];				/* by another thread's act: its last sentence */
	pid_t helper;				/* a process that holds a lock, or 0 */
	int helper_gate;			/* it ends when this is closed */
};

struct scenario {
	const char *name;
	uint32_t backing, lifetime;		/* of world.options */
	bool by_key;				/* System V: with a key */
	void (*prepare)(struct world *);	/* may be NULL, as all but act */
	int (*act)(struct world *);
	void (*verify)(struct world *);		/* after act has succeeded */
	void (*finish)(struct world *);		/* closes what act opened, if it did */
	void (*release)(struct world *);	/* closes what prepare opened */
	const int *codes;			/* documented, ending with 0 */
	const char *posture;			/* this call's first use is refused all along, with
						   EOPNOTSUPP: a kernel that lacks it */
	const char *spares;			/* this call is not refused */
	bool result_varies;			/* a refusal may change which success it is */
	bool attaches;				/* leaves the thread attached, refused or not */
	const char *may_stay;			/* a name with this in it may stay: the page says so */
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

/* Ends the run: the scenario itself went wrong. */
void fault_must(bool condition, const char *what);
#define MUST(condition) fault_must(condition, #condition)

/* A child in which nothing is refused. */
pid_t fault_fork(void);

/* From here on nothing is refused, in this process. */
void fault_pause(void);

#endif
