/* SPDX-License-Identifier: MIT */
/*
 * limit.h - how a limit of the kernel is said: its name, its value, its use, and how to raise it
 */
#ifndef DUREI_NATIVE_LIMIT_H
#define DUREI_NATIVE_LIMIT_H

#include <stdint.h>

struct durei_limit {
	const char *name;		/* as sysctl(8) knows it, or RLIMIT_... */
	const char *unit;
	uint64_t max;
	uint64_t used;			/* UINT64_MAX: nobody can tell */
	const char *remove;		/* how what nobody needs is found and removed */
	const char *raise;		/* how it is raised */
};

/* Remembers the sentence; what is the call and its object. Returns -code. */
int durei_limit_error(int code, const char *what, const struct durei_limit *limit);

#endif
