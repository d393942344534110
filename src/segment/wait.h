/* SPDX-License-Identifier: MIT */
/*
 * wait.h - sleeping until a word changes, and noticing when its owner dies
 */
#ifndef DUREI_SEGMENT_WAIT_H
#define DUREI_SEGMENT_WAIT_H

#include "os/futex.h"
#include "segment/lane.h"

/*
 * Sleeps while *word is expected. owner is the lane the word waits for, 0 if there is none:
 * if its thread dies, it is recovered, and the sleeper goes on.
 *
 * Returns 0 (look again), DUREI_OWNER_GONE (the owner's lane is not the owner's any more:
 * nobody will ever change the word for it), -ETIMEDOUT.
 */
int durei_wait(struct durei_lane *lane, const struct cell32 *word, uint32_t expected,
	       uint16_t owner, uint16_t owner_generation, int64_t deadline_ns);

enum { DUREI_OWNER_GONE = 1 };

/*
 * The same for a word that any of several lanes may change: those whose threads die are
 * recovered. More than DUREI_OWNERS_MAX are looked after from time to time. 0, -ETIMEDOUT
 */
enum { DUREI_OWNERS_MAX = 63 };
int durei_wait_any(struct durei_lane *lane, const struct cell32 *word, uint32_t expected,
		   const uint16_t *owners, unsigned owner_count, int64_t deadline_ns);

/* The same for up to DUREI_WORDS_MAX words at once. */
enum { DUREI_WORDS_MAX = 64 };
int durei_wait_words(struct durei_lane *lane, const struct durei_sleep *words,
		     unsigned word_count, const uint16_t *owners, unsigned owner_count,
		     int64_t deadline_ns);

/* Those who sleep on the word, so many of them, and those who poll for it. How many slept. */
int durei_wake(dure_segment *seg, const struct cell32 *word, unsigned count);

#endif
