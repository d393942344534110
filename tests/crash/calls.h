/* SPDX-License-Identifier: MIT */
/*
 * calls.h - a life that is killed at every system call, and who judges it
 *
 * calls.c has those of segments and runs all; calls_native.c those of the kernel's own objects.
 */
#ifndef TESTS_CRASH_CALLS_H
#define TESTS_CRASH_CALLS_H

#include <dure.h>

enum verdict {
	BEFORE,
	AFTER,
	WRONG,
	EITHER,			/* nothing to be seen but that the next user can go on */
};

struct place {
	char directory[64];	/* private to the test, in shared memory */
	char file[80], copy[80];	/* paths in it */
	struct dure_segment_options options;
	const char *name;	/* as dure_segment_open takes it */
	dure_segment *seg;	/* open in the victim, where a case wants it */
};

struct victim_case {
	const char *name, *functions;
	enum dure_backing backing;
	enum dure_lifetime lifetime;
	void (*prepare)(struct place *p);	/* in a process of its own, before each kill */
	void (*enter)(struct place *p);		/* in the victim; may be NULL */
	void (*run)(struct place *p);
	enum verdict (*judge)(struct place *p);	/* in a process of its own */
};

extern const struct victim_case native_cases[];
extern const size_t native_case_count;

/* The test itself broke: exit status 99. */
void die(const char *what);
void must(int result, const char *what);

void prepare_nothing(struct place *p);

#endif
