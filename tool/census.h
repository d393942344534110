/* SPDX-License-Identifier: MIT */
/*
 * census.h - how much of everything there is at a moment: taken, kept as JSON, read again, compared
 *
 * Forecasts are straight lines through what was seen, and say so. They are no promise.
 */
#ifndef TOOL_CENSUS_H
#define TOOL_CENSUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct census_object {
	char *key;			/* tells it from another one that has its name later */
	char *name, *kind, *user;
	uint64_t bytes;			/* resident; queues: waiting; segments: in use */
	uint64_t size_bytes, count, processes;
};

struct census_limit {
	char *name;
	bool is_bytes;
	uint64_t value, used;		/* value UINT64_MAX: there is none */
};

struct census {
	uint64_t taken_ns;		/* wall clock */
	char boot[40];
	uint64_t ipc_namespace;
	bool is_complete;
	bool is_local;			/* without what is in other namespaces */
	struct census_object *objects;	/* by key */
	size_t object_count, object_room;
	struct census_limit *limits;
	size_t limit_count, limit_room;
};

/* NULL: complained */
struct census *census_take(const char *command, bool is_local);
struct census *census_read(const char *command, const char *path);
void census_free(struct census *census);
json_t *census_value(const struct census *census);

/* -- comparing --------------------------------------------------------------------------- */

enum census_change { CENSUS_NEW, CENSUS_GONE, CENSUS_GROWN, CENSUS_SHRUNK };

struct census_pair {
	enum census_change change;
	const struct census_object *before, *after;	/* NULL: was, is not there */
	int64_t bytes, count;				/* more than before */
};

struct census_trend {
	const struct census_limit *limit;		/* as it is last */
	uint64_t used_before;
	double per_second;				/* of the line through what was seen */
	double full_in_s;				/* negative: it is not growing, or has no end */
};

struct census_difference {
	const struct census *before, *after;
	struct census_pair *pairs;			/* the biggest change first */
	size_t pair_count, pair_room;
	struct census_trend *trends;			/* of limits whose use changed, soonest first */
	size_t trend_count;
	bool is_other_boot, is_other_namespace, is_other_scope;
	double seconds;
};

/* all of them are borrowed until difference_free. count >= 2, in the order they were taken */
struct census_difference *census_compare(const struct census *const *samples, size_t count);
void difference_free(struct census_difference *difference);
/* full, or within so many seconds and not too far ahead of what was seen: the first limit, or NULL */
const struct census_trend *difference_alarm(const struct census_difference *difference,
					    double within_s);
json_t *difference_value(const struct census_difference *difference);
void difference_print(const struct census_difference *difference, uint64_t max_objects);
/* one line, and one for each limit that will be full within so long */
void difference_print_line(const struct census_difference *difference, double within_s);

#endif
