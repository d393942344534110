/* SPDX-License-Identifier: MIT */
/*
 * crew.h - workers that are killed and stopped at random, and dice
 */
#ifndef TESTS_TORTURE_CREW_H
#define TESTS_TORTURE_CREW_H

#include <dure.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREW_MAX = 32, LETTER_MAX = 20000 };

struct crew {
	const char *program;		/* also the name of the segment that is kept */
	unsigned seconds, workers, kill_every_us;	/* defaults; then what was asked for */
	uint64_t seed;
	/* never returns; lives are numbered from 1 */
	void (*work)(unsigned worker, uint32_t life);
	uint64_t (*progress)(void);	/* grows while anybody does anything */
	unsigned long rounds, killed, killed_stopped, stopped;
};

/* --seconds, --seed, --workers, --kill-every-us; or exits with 99 */
void crew_read_arguments(struct crew *crew, int argc, char **argv);

/* Does a round follow? Then all workers are started, killed for a second, and dead. */
bool crew_round(struct crew *crew);

/* -- for everybody ----------------------------------------------------------------------- */

/* Each process its own; a worker's seed is drawn before it begins. */
uint64_t dice(uint64_t sides);

/* Says why, with the last error's sentence, and exits: 1 a failure, 99 broken. */
_Noreturn void stop_with(int status, const char *what);
void must(int result, const char *what);

uint64_t live_blocks(dure_segment *seg);
/* Recovers, checks; stops with what was found */
void must_be_clean(dure_segment *seg);

/* A fresh segment of that name; and its end. */
dure_segment *new_segment(const char *name);
void remove_segment(dure_segment *seg, const char *name);

static inline void add(uint64_t *number, uint64_t n)
{
	__atomic_add_fetch(number, n, __ATOMIC_RELAXED);
}

/* mostly short, sometimes up to LETTER_MAX more */
static inline uint64_t any_length(void)
{
	return dice(20) ? dice(300) : dice(LETTER_MAX);
}

/* All bytes tell of the number: a letter that is torn is seen. */
static inline void fill(unsigned char *filling, uint64_t bytes, uint64_t number)
{
	memset(filling, (int)(number & 0xff), bytes);
}

static inline bool is_filled(const unsigned char *filling, uint64_t bytes, uint64_t number)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (filling[i] != (number & 0xff))
			return false;
	return true;
}

#endif
