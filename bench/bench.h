/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what a benchmark is made of
 *
 *	row		one question ("how long does an uncontended lock take?") with a goal
 *	contender	one who answers it: dure, a peer, or a reference
 *	round		one measurement of one contender, in the row's unit
 *
 * Method   All contenders of a row are set up first; then rounds go A B C A B C ..., so that
 *          what the machine does meanwhile hits all alike. A round runs a quarter of its work
 *          unmeasured first, to have its own memory in the caches again. The median of the
 *          rounds counts; the lowest and the highest are kept.
 * Rules    [BENCH1] the first contender is "dure": the goal is for it
 *          [BENCH2] open, join and close may take their time; round may not, but for the work
 *          [BENCH3] whatever a contender makes in the file system has no name any more when
 *                   open returns, or is removed by close
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_contender {
	const char *who;
	/* Sets up. NULL: it cannot be had here. */
	void *(*open)(const void *argument);
	/* Called by each process that takes part, number index, before its first round. What it
	   returns is handed to round. NULL: round gets what open returned. */
	void *(*join)(void *shared, unsigned index);
	/* Does the work ops times; returns the measurement. */
	double (*round)(void *state, uint64_t ops);
	void (*close)(void *shared);
	const void *argument;
	uint64_t ops;			/* 0: the row's */
	unsigned is_coupled;		/* its processes wait for each other's work */
	unsigned processes;		/* that do it at once; 0: this one alone, without a fork */
};

/* A goal is a sum: fixed, and what others took in the same run times a factor. */
struct bench_goal {
	const char *text;		/* "glibc", "Boost / 10"; NULL ends the list */
	double fixed;
	struct {
		const char *who;
		double factor;
	} of[2];
};

enum {
	BENCH_MORE_IS_BETTER = 1u << 0,	/* else less */
	BENCH_SUM = 1u << 1,		/* of the processes; else their mean */
	BENCH_CPU_TIME = 1u << 2,	/* of the process; else time on the wall */
	BENCH_BOTH_CORES = 1u << 3,	/* two cores work together: repeat when they are far apart */
	BENCH_LONG = 1u << 4,		/* left out by --quick */
};

enum { BENCH_CONTENDERS_MAX = 16, BENCH_GOALS_MAX = 3 };

struct bench_row {
	const char *name;		/* of the row; NULL ends a list of rows */
	const char *what;		/* in words */
	const char *unit;
	unsigned flags;
	uint64_t ops;			/* of one round */
	struct bench_contender contenders[BENCH_CONTENDERS_MAX];
	struct bench_goal goals[BENCH_GOALS_MAX];	/* all of them are to be met */
};

/* One file per subject. */
extern const struct bench_row bench_alloc_rows[];
extern const struct bench_row bench_lock_rows[];
extern const struct bench_row bench_shared_lock_rows[];
extern const struct bench_row bench_tx_rows[];
extern const struct bench_row bench_object_rows[];
extern const struct bench_row bench_map_rows[];
extern const struct bench_row bench_vector_rows[];
extern const struct bench_row bench_list_rows[];
extern const struct bench_row bench_ordered_rows[];
extern const struct bench_row bench_queue_rows[];
extern const struct bench_row bench_ring_rows[];
extern const struct bench_row bench_topic_rows[];
extern const struct bench_row bench_way_rows[];
extern const struct bench_row bench_segment_rows[];
extern const struct bench_row bench_recovery_rows[];
extern const struct bench_row bench_growth_rows[];
extern const struct bench_row bench_process_rows[];
extern const struct bench_row bench_stream_rows[];

/* Ends the program with a sentence. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);
/* Ends it when a call of the library failed: result < 0. */
void bench_must(int result, const char *what);

#ifdef __cplusplus
}
#endif

#endif
