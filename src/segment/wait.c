/* SPDX-License-Identifier: MIT */
/*
 * wait.c - sleeping until a word changes, and noticing when its owner dies
 *
 * Why      A sleeper must go on at once when the one it waits for is killed, and must never
 *          take a slow or stopped one for dead. So it sleeps on two words, the lock's and
 *          the owner's life word, which the kernel itself marks and wakes.
 * Rules    [WAIT1] death is read from a life word or a file lock, never from the clock
 *          [WAIT2] a sleep is cut into slices: after each the sleeper looks again. It need
 *                  not, but for three windows that the kernel leaves open: a wake-up spent on
 *                  a sleeper that is stopped, or killed where nobody watches it [WAIT4], before
 *                  it acts on it; a waker killed between its store and its wake-up call; a life
 *                  word that could not be marked (kernel without futex_waitv, libc without
 *                  room, OOM reaper faster than exit)
 *          [WAIT3] a mended lane is waited for through its mender's life word
 *          [WAIT4] who waits for a lane also watches the life of the one that came to wait for
 *                  it before: a wake-up that was spent on one who is killed before he acts on it
 *                  is made up for by his death, at once. Each leaves his number in the lane
 *                  waited for, as a hint; who is not waiting any more is watched in vain
 * Death    of a sleeper: leaves a set WAITED bit, which costs one wake-up call, once.
 */
#include "segment/wait.h"

#include <string.h>

#include "os/robust.h"
#include "segment/poll.h"
#include "segment/recover.h"

enum {
	/* [WAIT2]: a fifth of the 50 ms in which everybody must have noticed, twice over */
	SLICE_NS = 20 * 1000000,
	SLICE_BLIND_NS = 1000000,	/* where a death is known only by looking */
};

int durei_wake(dure_segment *seg, const struct cell32 *word, unsigned count)
{
	int slept = durei_futex_wake(&word->raw, count);

	durei_poll_tell(seg, word);
	return slept;
}

/* Asks the kernel to wake us when the thread dies; 0 when the word is no thread's now. */
static uint32_t watch_life(struct cell32 *life)
{
	uint32_t seen = cell32_load_acq(life);

	while ((seen & DUREI_LIFE_TID) && !(seen & (DUREI_LIFE_DIED | DUREI_LIFE_WAITED)))
		if (cell32_cas(life, &seen, seen | DUREI_LIFE_WAITED))
			return seen | DUREI_LIFE_WAITED;
	return seen;
}

/* Whose life decides: the owner's, or its mender's. 0: nobody's that has a life word. */
static uint16_t whom_to_watch(dure_segment *seg, uint16_t owner, uint64_t status)
{
	uint16_t mender = durei_status_recoverer(status);

	if (durei_status_state(status) != DL_LANE_MENDED)
		return owner;
	return mender == owner || mender >= durei_lane_end(seg) ? 0 : mender;
}

/*
 * The life words of the lanes that decide, to be slept on. False: one of them has ended.
 * *ret_all: the kernel will tell us of each of them.
 */
static bool watch_lives(struct durei_lane *lane, const uint16_t *owners, unsigned owner_count,
			struct durei_sleep *words, unsigned *count, bool *ret_all)
{
	dure_segment *seg = lane->seg;

	*ret_all = owner_count <= DUREI_OWNERS_MAX &&
		   !(owner_count && __atomic_load_n(&seg->waits_singly, __ATOMIC_RELAXED));
	for (unsigned i = 0; *ret_all && i < owner_count; i++) {
		uint16_t watched = whom_to_watch(seg, owners[i],
						 cell64_load_acq(&seg->lane_status[owners[i]]));
		struct cell32 *life = &durei_lane_at(seg, watched)->life;
		uint32_t seen = watched ? watch_life(life) : DUREI_LIFE_UNWATCHED;
		if (watched && seen & DUREI_LIFE_DIED)
			return false;
		if ((seen & DUREI_LIFE_TID) == DUREI_LIFE_UNWATCHED)
			*ret_all = false;
		else
			words[(*count)++] = (struct durei_sleep){ &life->raw, seen };
	}
	return true;
}

/* [WAIT4] The life of the one before us, to be slept on as well. */
static void watch_waiter_before(struct durei_lane *lane, uint16_t owner, struct durei_sleep *words,
				unsigned *count)
{
	dure_segment *seg = lane->seg;
	uint32_t before = cell32_swap(&durei_lane_at(seg, owner)->last_waiter, lane->id), seen;
	struct cell32 *life;

	if (before == 0 || before == lane->id || before == owner || before >= durei_lane_end(seg))
		return;
	life = &durei_lane_at(seg, before)->life;
	seen = watch_life(life);
	if (seen & DUREI_LIFE_DIED)
		(void)durei_recover_lane(seg, lane, (uint16_t)before);
	else if (seen & DUREI_LIFE_TID && (seen & DUREI_LIFE_TID) != DUREI_LIFE_UNWATCHED)
		words[(*count)++] = (struct durei_sleep){ &life->raw, seen };
}

static_assert(DUREI_WORDS_MAX + DUREI_OWNERS_MAX <= DUREI_SLEEPS_MAX, "all at once");

static int sleep_once(struct durei_lane *lane, const struct durei_sleep *words,
		      unsigned word_count, const uint16_t *owners, unsigned owner_count,
		      int64_t deadline_ns)
{
	struct durei_sleep all[DUREI_SLEEPS_MAX];
	unsigned count = word_count;
	bool sees_all;

	memcpy(all, words, word_count * sizeof *words);
	if (!watch_lives(lane, owners, owner_count, all, &count, &sees_all))
		return 0;
	if (owner_count == 1 && sees_all && word_count + owner_count < DUREI_SLEEPS_MAX)
		watch_waiter_before(lane, owners[0], all, &count);
	if (word_count > 1 && __atomic_load_n(&lane->seg->waits_singly, __ATOMIC_RELAXED)) {
		sees_all = false;
		count = 1;
	}
	int64_t until = durei_clock_now() + (sees_all ? SLICE_NS : SLICE_BLIND_NS);
	if (until > deadline_ns)
		until = deadline_ns;
	int r = durei_futex_wait(all, count, until);
	if (r == -ENOSYS) {
		__atomic_store_n(&lane->seg->waits_singly, true, __ATOMIC_RELAXED);
		return 0;
	}
	return r;
}

int durei_wait(struct durei_lane *lane, const struct cell32 *word, uint32_t expected,
	       uint16_t owner, uint16_t owner_generation, int64_t deadline_ns)
{
	dure_segment *seg = lane->seg;

	if (owner) {
		if (owner >= durei_lane_end(seg))
			return DUREI_OWNER_GONE;
		uint64_t status = cell64_load_acq(&seg->lane_status[owner]);
		if (durei_status_state(status) == DL_LANE_FREE ||
		    durei_status_generation(status) != owner_generation)
			return cell32_load_acq(word) == expected ? DUREI_OWNER_GONE : 0;
	}
	return durei_wait_any(lane, word, expected, &owner, owner ? 1 : 0, deadline_ns);
}

int durei_wait_any(struct durei_lane *lane, const struct cell32 *word, uint32_t expected,
		   const uint16_t *owners, unsigned owner_count, int64_t deadline_ns)
{
	struct durei_sleep sleep = { &word->raw, expected };

	return durei_wait_words(lane, &sleep, 1, owners, owner_count, deadline_ns);
}

static bool have_changed(const struct durei_sleep *words, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (__atomic_load_n(words[i].word, __ATOMIC_ACQUIRE) != words[i].expected)
			return true;
	return false;
}

int durei_wait_words(struct durei_lane *lane, const struct durei_sleep *words,
		     unsigned word_count, const uint16_t *owners, unsigned owner_count,
		     int64_t deadline_ns)
{
	int r = sleep_once(lane, words, word_count, owners, owner_count, deadline_ns);

	for (unsigned i = 0; i < owner_count && !have_changed(words, word_count); i++)
		if (durei_recover_lane(lane->seg, lane, owners[i]) == 1)
			r = 0;
	return r == -ETIMEDOUT && durei_clock_now() < deadline_ns ? 0 : r;
}
