/* SPDX-License-Identifier: MIT */
/*
 * race.h - what the tests of races share: threads that fail, and throw dice
 */
#ifndef TESTS_RACE_RACE_H
#define TESTS_RACE_RACE_H

#include <pthread.h>

#include "../t.h"
#include "slow.h"

/* In any thread: cmocka's own checks are for the first one only. */
#define EXPECT(condition)                                                                         \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,        \
				dure_last_error());                                               \
			_exit(1);                                                                 \
		}                                                                                 \
	} while (0)

static inline unsigned dice(uint64_t *state, unsigned sides)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned)(*state % sides);
}

#endif
