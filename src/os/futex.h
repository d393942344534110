/* SPDX-License-Identifier: MIT */
/*
 * futex.h - sleeping on words in shared memory, and the clock it is measured by
 */
#ifndef DUREI_OS_FUTEX_H
#define DUREI_OS_FUTEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DUREI_NEVER INT64_MAX	/* a deadline that does not come */

enum { DUREI_SLEEPS_MAX = 128 };	/* words slept on at once: the kernel's limit */

struct durei_sleep {
	const uint32_t *word;	/* 4-aligned, in memory shared by waiter and waker */
	uint32_t expected;	/* sleep only while the word is this */
};

/* CLOCK_MONOTONIC, nanoseconds */
int64_t durei_clock_now(void);
/* a public timeout as a deadline: DURE_FOREVER never comes, 0 is past, others are at most 292
   years off */
int64_t durei_deadline(int64_t timeout_ns);
/* wall clock, to some milliseconds, for people to read; never used to decide anything */
uint64_t durei_clock_wall(void);

/*
 * Sleeps until one of the words (up to DUREI_SLEEPS_MAX) is woken, or is not as expected, or the deadline (absolute,
 * CLOCK_MONOTONIC) has come.
 * Returns 0 (look again; may be without reason), -ETIMEDOUT, or -ENOSYS when count > 1 and
 * the kernel cannot wait for several words (before Linux 5.16).
 */
int durei_futex_wait(const struct durei_sleep *words, unsigned count, int64_t deadline_ns);

/* Wakes up to count sleepers; returns how many. */
int durei_futex_wake(const uint32_t *word, unsigned count);

/*
 * Every processor that runs a thread of any process passes a full fence before this returns.
 * It lets the frequent side of a store-then-load handshake do without one. -EOPNOTSUPP where
 * the kernel refuses. Takes milliseconds: for rare events.
 */
int durei_fence_everybody(void);

/*
 * The same, at once, for the processors that run processes which have joined. 0; -EOPNOTSUPP.
 */
int durei_fence_others_join(void);
int durei_fence_others(void);

void durei_sleep_until(int64_t deadline_ns);

#endif
