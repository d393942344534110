/* SPDX-License-Identifier: MIT */
/*
 * word.h - taking and giving back a lock word
 */
#ifndef DUREI_LOCK_WORD_H
#define DUREI_LOCK_WORD_H

#include "lock/held.h"

enum durei_word_flags {
	DUREI_WORD_CHECK_CIRCLES = 1,	/* -EDEADLK instead of waiting for oneself */
	DUREI_WORD_SPINS = 2,		/* looks at it for longer before it sleeps */
};

/* The slow way: waits until deadline_ns. 0, DURE_OWNER_DIED, -EAGAIN -ETIMEDOUT ... */
int durei_word_wait(struct durei_lane *lane, struct cell32 *word, uint64_t held_flags,
		    unsigned flags, int64_t timeout_ns);

/*
 * One sleep, until a word that somebody has is not `seen` any more, or he is dead. 0: look
 * again; -ETIMEDOUT; -EDEADLK
 */
int durei_word_sleep(struct durei_lane *lane, struct cell32 *word, uint32_t seen, unsigned flags,
		     int64_t deadline_ns);

/*
 * Takes the lock for this lane. held_flags: what recovery does with it (DL_HELD_...).
 * The lane does not hold it already.
 */
static inline int durei_word_take(struct durei_lane *lane, struct cell32 *word,
				  uint64_t held_flags, unsigned flags, int64_t timeout_ns)
{
	uint32_t nobody = 0;

	if (__builtin_expect(!durei_held_push(lane, durei_offset(lane->seg, word), held_flags), 0))
		return durei_error(ENOLCK, "a thread can hold %d locks of a segment at once",
				   DL_HELD_MAX);
	if (__builtin_expect(cell32_cas(word, &nobody, lane->lock_word), 1) &&
	    __builtin_expect(cell32_load_rlx(&lane->seg->state->gate) == 0, 1))
		return 0;
	return durei_word_wait(lane, word, held_flags, flags, timeout_ns);
}

/* Wakes who sleeps; the word has more bits than ours. */
void durei_word_free_slowly(const struct durei_lane *lane, struct cell32 *word, uint32_t keep);

/* Gives it back: held entry `index` of this lane. */
static inline void durei_word_free(struct durei_lane *lane, struct cell32 *word, int index)
{
	uint32_t mine = lane->lock_word;

	if (__builtin_expect(!cell32_cas(word, &mine, 0), 0))
		durei_word_free_slowly(lane, word, DL_LOCK_DIED);
	durei_held_remove(lane, index);
}

/*
 * Is it what this lane has taken last? That it is in the list vouches for its address; an entry
 * of a transaction has a flag, and differs.
 */
static inline bool durei_word_is_last(const struct durei_lane *lane, const struct cell32 *word)
{
	uint32_t count = lane->held_count;

	return count && cell64_load_rlx(&lane->shared->held[count - 1]) ==
				(uint64_t)((const unsigned char *)word - lane->base);
}

/* 0: the lane lists the lock that names it [LOCK2]; -EUCLEAN, with the sentence */
int durei_word_check_held(const struct durei_lane *lane, const struct cell32 *word);

static inline bool durei_word_is_ours(const struct durei_lane *lane, const struct cell32 *word)
{
	/* relaxed: nobody else can make it ours, or not ours */
	return (cell32_load_rlx(word) & DL_LOCK_OWNER_MASK) == lane->lock_word;
}

#endif
