/* SPDX-License-Identifier: MIT */
/*
 * limits.h - limits as the subcommands show them: who uses one up, and how to raise it
 */
#ifndef TOOL_LIMITS_H
#define TOOL_LIMITS_H

#include "host.h"

struct limit {
	struct dure_limit l;		/* its strings are copies */
	uint32_t process;		/* whose, if it is a process' own */
};

struct limits {
	struct limit *items;
	size_t count;
};

/* process 0: our own. False: complained */
bool limits_begin(struct limits *limits, const struct host *host, const char *command,
		  uint32_t process);
void limits_end(struct limits *limits);
/* NULL: there is none */
const struct limit *limits_find(const struct limits *limits, uint32_t id);

/* nine tenths are used */
bool limit_is_tight(const struct limit *limit);
/* used, value and so on as a person reads them */
char *limit_amount(const struct limit *limit, uint64_t amount, char *text, size_t text_bytes);

/* one way to raise it */
struct remedy {
	const char *where;		/* "now", "for good", "docker", "pod" */
	char line[400];
};

enum { REMEDIES_MAX = 6 };

/* to what is reasonable; fills at most REMEDIES_MAX, returns how many */
unsigned limit_remedies(const struct limit *limit, struct remedy *remedies);

/* all numbers of a kernel limit's file, with this one changed; false: it cannot be read */
bool sysctl_line(const struct dure_limit *limit, uint64_t value, char *text, size_t text_bytes);

/* what is counted for a limit, by user, and how much of it is left over */
struct share {
	uint32_t user;
	uint64_t amount, left_amount;	/* left: verdict likely or certain */
	uint64_t objects, left_objects;
	uint64_t idle_objects;		/* nobody has them now, left over or not */
	uint32_t kind;			/* of its objects; 0: several */
};

/* the biggest first; the caller frees *ret */
size_t limit_shares(const struct limit *limit, const struct host *host, struct share **ret);

/* all of it, for people; indented */
void limit_print(const struct limit *limit, const struct host *host);
json_t *limit_value(const struct limit *limit, const struct host *host);

/* the age from which what is unused is called left over */
enum { OLD_S = 600 };

#endif
