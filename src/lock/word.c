/* SPDX-License-Identifier: MIT */
/*
 * word.c - taking and giving back a lock word
 *
 * Why      Every lock of the library is this word, so that there is one protocol to get right
 *          and one to recover.
 * How      Free to held is one cas. Who must wait sets WAITED, and sleeps on the word and on
 *          the holder's life word at once (segment/wait.c). Who has slept takes the word with
 *          WAITED set, for it cannot know whether others sleep; it costs the last one of a
 *          crowd a wake-up call too many.
 * Rules    [WORD1] the holder's unlock clears the lane and WAITED in one step, then wakes one
 *          [WORD2] before it sleeps a lane says in `waiting` for what; a circle is found by
 *                  following waiting and word in turn. Two that close a circle at the same
 *                  moment both see it: each has published its own step before it looks
 *          [WORD3] nothing is stored where the word is not ours: a transaction may have freed the
 *                  block that its lock lay in, and somebody else's data may be there now
 * Death    see held.c.
 */
#include "lock/word.h"

#include "segment/gate.h"
#include "segment/wait.h"

enum {
	SPINS = 40,		/* pauses of some 25 ns: about as long as a short section */
	SPINS_LONG = 2000,	/* about as long as falling asleep and being woken */
	REST_MAX = 8,		/* pauses between two looks */
	CIRCLE_MAX = 256,	/* lanes in a circle that is looked for */
};

/* Would waiting for this word be waiting for ourselves? */
static bool closes_circle(struct durei_lane *lane, const struct cell32 *word)
{
	dure_segment *seg = lane->seg;

	for (int steps = 0; steps < CIRCLE_MAX; steps++) {
		uint16_t owner = dl_lock_lane(cell32_load_acq(word));
		if (owner == lane->id)
			return true;
		if (owner == 0 || owner >= durei_lane_end(seg))
			return false;
		uint64_t next = cell64_load_acq(&durei_lane_at(seg, owner)->waiting);
		if (next == 0 || next % 4 || !durei_bytes_are_backed(seg, next, sizeof *word))
			return false;
		word = durei_at(seg, next);
	}
	return false;
}

/* Looks less and less often: each look takes the line from the holder, who has work to do in it. */
static bool spin(struct cell32 *word, uint32_t *seen, int pauses)
{
	for (int rest = 1; pauses > 0; pauses -= rest, rest = rest < REST_MAX ? rest * 2 : REST_MAX) {
		for (int i = 0; i < rest; i++)
			cell_relax();
		*seen = cell32_load_rlx(word);	/* relaxed: the cas that follows decides */
		if (!(*seen & DL_LOCK_OWNER_MASK))
			return true;
	}
	return false;
}

int durei_word_sleep(struct durei_lane *lane, struct cell32 *word, uint32_t seen, unsigned flags,
		    int64_t deadline_ns)
{
	int r;

	if (!(seen & DL_LOCK_WAITED)) {
		if (!cell32_cas(word, &seen, seen | DL_LOCK_WAITED))
			return 0;
		seen |= DL_LOCK_WAITED;
	}
	cell64_store_rel(&lane->shared->waiting, durei_offset(lane->seg, word));
	fence_full();		/* [WORD2] our waiting before the others' waiting */
	/* twice: of those that move, one may be seen as it was and the next as it is */
	if (flags & DUREI_WORD_CHECK_CIRCLES && closes_circle(lane, word) &&
	    closes_circle(lane, word))
		return durei_error(EDEADLK, "segment %s: waiting for the lock at +%#llx would close a "
				   "circle", lane->seg->super.name,
				   (unsigned long long)durei_offset(lane->seg, word));
	if (dl_lock_lane(seen))
		r = durei_wait(lane, word, seen, dl_lock_lane(seen), dl_lock_generation(seen),
			       deadline_ns);
	else			/* a generation of nobody: damaged, and nobody would wake us */
		r = DUREI_OWNER_GONE;
	if (r == DUREI_OWNER_GONE)	/* the word outlived its lane: as if its owner had died */
		cell32_cas(word, &seen, DL_LOCK_DIED | DL_LOCK_WAITED);
	return r < 0 ? r : 0;
}

/* Takes a free word; the gate may say no. 0 or DURE_OWNER_DIED: taken; -EAGAIN: look again */
static int take_free(struct durei_lane *lane, struct cell32 *word, uint32_t seen,
		     uint32_t waited)
{
	uint32_t mine = lane->lock_word | (seen & (DL_LOCK_DIED | DL_LOCK_WAITED)) | waited;

	if (!cell32_cas(word, &seen, mine))
		return -EAGAIN;
	/* G1: held_count and the word are shown; the first lock of a lane asks the gate */
	if (lane->held_count == 1 && lane->tx.depth == 0 && durei_gate_is_shut(lane)) {
		durei_word_free_slowly(lane, word, DL_LOCK_DIED);
		durei_held_pop(lane);
		durei_gate_wait(lane);
		return -EBUSY;
	}
	return seen & DL_LOCK_DIED ? DURE_OWNER_DIED : 0;
}

static int wait_for_word(struct durei_lane *lane, struct cell32 *word, uint64_t held_flags,
			 unsigned flags, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int spins = flags & DUREI_WORD_SPINS && timeout_ns ? SPINS_LONG : SPINS, r = 0;
	uint32_t waited = 0;

	while (r == 0) {
		uint32_t seen = cell32_load_acq(word);
		if (seen & DL_LOCK_ABANDONED)
			return durei_error_plain(ENOTRECOVERABLE);
		if (!(seen & DL_LOCK_OWNER_MASK) || spin(word, &seen, spins)) {
			r = take_free(lane, word, seen, waited);
			if (r >= 0)
				return r;
			if (r == -EBUSY)	/* the gate has let us through: begin anew */
				durei_held_push(lane, durei_offset(lane->seg, word), held_flags);
			r = 0;
			continue;
		}
		if (timeout_ns == 0) {
			/* the holder may be dead: trying must not fail for ever then */
			if (durei_recover_lane(lane->seg, lane, dl_lock_lane(seen)) == 1)
				continue;
			return durei_error_plain(EAGAIN);
		}
		r = durei_word_sleep(lane, word, seen, flags, deadline);
		waited = DL_LOCK_WAITED;
	}
	return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
}

int durei_word_wait(struct durei_lane *lane, struct cell32 *word, uint64_t held_flags,
		    unsigned flags, int64_t timeout_ns)
{
	int r;

	/* the fast way may have got the word, and been stopped by the gate */
	if (durei_word_is_ours(lane, word)) {
		if (lane->held_count > 1 || lane->tx.depth || !durei_gate_is_shut(lane))
			return 0;
		durei_word_free_slowly(lane, word, DL_LOCK_DIED);
		durei_held_pop(lane);
		durei_gate_wait(lane);
		durei_held_push(lane, durei_offset(lane->seg, word), held_flags);
	}
	r = wait_for_word(lane, word, held_flags, flags, timeout_ns);
	if (cell64_load_rlx(&lane->shared->waiting))
		cell64_store_rel(&lane->shared->waiting, 0);
	if (r < 0)
		durei_held_pop(lane);
	return r;
}

int durei_word_check_held(const struct durei_lane *lane, const struct cell32 *word)
{
	uint64_t offset = durei_offset(lane->seg, word);

	if (durei_held_find(lane, offset) >= 0)
		return 0;
	return durei_error(EUCLEAN, "segment %s: the lock at +%#llx names this thread, which does not "
			   "hold it: run dure check", lane->seg->super.name,
			   (unsigned long long)offset);
}

void durei_word_free_slowly(const struct durei_lane *lane, struct cell32 *word, uint32_t keep)
{
	uint32_t seen = cell32_load_rlx(word);	/* relaxed: the cas decides */

	while ((seen & DL_LOCK_OWNER_MASK) == lane->lock_word)		/* [WORD3] */
		if (cell32_cas(word, &seen, seen & keep)) {
			if (seen & DL_LOCK_WAITED)
				durei_wake(lane->seg, word, 1);
			return;
		}
}
