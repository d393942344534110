/* SPDX-License-Identifier: MIT */
/*
 * check_shares.c - what lanes have of locks that several can have at once
 *
 * Why      A share that recovery does not see, or that is of no lock, is a reader nobody waits
 *          for, or units that never come back.
 * Rules    those of lock/share.c, lock/rwlock.c and layout/lane.h, seen without their code;
 *          [CHECK1]
 * Limits   Readers and writers on their way in or out show themselves for a moment, so who is
 *          inside together with whom is judged only of threads that live, and only at rest
 *          does it mean anything.
 */
#include "inspect/check.h"

#include <inttypes.h>

#include "layout/lock.h"
#include "layout/semset.h"
#include "segment/recover.h"

/* -- one lock ---------------------------------------------------------------------------- */

/* Of a lock of that size; NULL: there is none at this offset. */
static const void *lock_at(dure_segment *seg, uint64_t offset, size_t bytes)
{
	if (offset % 8 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, bytes))
		return NULL;
	return durei_at(seg, offset);
}

static bool is_alive(dure_segment *seg, unsigned lane)
{
	uint64_t status = durei_seen_status(seg, lane);

	return durei_status_state(status) == DL_LANE_OWNED &&
	       durei_lane_liveness(seg, (uint16_t)lane, status) == DUREI_ALIVE;
}

static bool names(const dure_segment *seg, uint32_t word, unsigned lane)
{
	return dl_lock_lane(word) == lane &&
	       dl_lock_generation(word) == durei_status_generation(durei_seen_status(seg, lane));
}

/* Is the word in the lane's list of held locks, and not CLEAN: has the writer been alone? */
static bool was_alone(dure_segment *seg, unsigned lane, uint64_t word_offset)
{
	const struct dl_lane *l = durei_lane_at(seg, lane);
	uint32_t count = cell32_load_acq(&l->held_count);

	for (uint32_t i = 0; i < count && i < DL_HELD_MAX; i++) {
		uint64_t entry = cell64_load_acq(&l->held[i]);
		if ((entry & DL_HELD_OFFSET_MASK) == word_offset)
			return !(entry >> DL_HELD_FLAGS_SHIFT & DL_HELD_CLEAN);
	}
	return false;
}

/* A live reader is in; a live writer must not be. */
static void check_reader(struct durei_check *check, unsigned id, uint64_t offset,
			 const struct dl_rwlock *lock)
{
	uint32_t word = cell32_load_acq(&lock->word), turn = cell32_load_acq(&lock->turn);
	unsigned writer = dl_lock_lane(word);

	if (writer == 0 || writer == id || writer >= durei_lane_end(check->seg) ||
	    !names(check->seg, word, writer) || !is_alive(check->seg, writer) ||
	    !is_alive(check->seg, id))
		return;
	if (was_alone(check->seg, writer, offset))
		DAMAGED(check, "RW3", offset, "lane %u writes under the lock that lane %u reads under",
			writer, id);
	if (!names(check->seg, turn, writer))
		DAMAGED(check, "RW1", offset, "lane %u writes under the lock without its turn", writer);
}

/* -- one share --------------------------------------------------------------------------- */

/* Which states a share of each kind can have. */
static const uint8_t states_of[] = {
	[DL_SHARE_READ] = 1 << DL_SHARE_HELD | 1 << DL_SHARE_WAITING,
	[DL_SHARE_UNITS] = 1 << DL_SHARE_HELD | 1 << DL_SHARE_CHANGING | 1 << DL_SHARE_CHANGED,
	[DL_SHARE_MEMBER] = 1 << DL_SHARE_HELD | 1 << DL_SHARE_CHANGING | 1 << DL_SHARE_CHANGED,
	[DL_SHARE_SET] = 1 << DL_SHARE_HELD | 1 << DL_SHARE_WAITING,
};

static bool is_of_a_kind(uint64_t what)
{
	unsigned kind = dl_share_kind(what);

	return kind < sizeof states_of && states_of[kind] >> dl_share_state(what) & 1;
}

/* Does the semaphore's word name this share as what made it so? */
static bool is_named(dure_segment *seg, unsigned id, unsigned index, uint64_t what)
{
	const struct cell64 *lock = lock_at(seg, dl_share_offset(what), sizeof(struct dl_semaphore));
	uint64_t word = lock ? cell64_load_acq(lock) : 0;

	return word >> DL_SEMAPHORE_LANE_SHIFT == id &&
	       (word >> DL_SEMAPHORE_SHARE_SHIFT & (DL_SHARES_MAX - 1)) == index &&
	       (word >> DL_SEMAPHORE_SERIAL_SHIFT & DL_SEMAPHORE_SERIAL_MASK) ==
		       (dl_share_serial(what) & DL_SEMAPHORE_SERIAL_MASK);
}

static uint32_t units_of(dure_segment *seg, unsigned id, unsigned index, uint64_t what,
			 uint64_t units)
{
	bool after = dl_share_state(what) == DL_SHARE_CHANGED ||
		     (dl_share_state(what) == DL_SHARE_CHANGING && is_named(seg, id, index, what));

	return (uint32_t)(after ? units >> 32 : units);
}

static void check_units(struct durei_check *check, unsigned id, unsigned index, uint64_t what,
			const struct dl_share *share)
{
	uint64_t units = cell64_load_acq(&share->units), at = durei_offset(check->seg, share);

	if ((uint32_t)units > DL_SEMAPHORE_MAX || units >> 32 > DL_SEMAPHORE_MAX)
		DAMAGED(check, "SHARE3", at, "lane %u has %u units in share %u, more than there can be",
			id, units_of(check->seg, id, index, what, units), index);
}

/* [SEMSET2] The row may have become another's, and the set something else: then it says nothing. */
static void check_set(struct durei_check *check, unsigned id, uint64_t offset,
		      const struct dl_share *share)
{
	const struct dl_semset *s = lock_at(check->seg, offset, sizeof *s);
	uint64_t row = cell64_load_acq(&share->units) >> DL_SEMSET_SHARE_ROW_SHIFT & 0xffff;

	if (!s || cell32_load_acq(&s->kind) != DL_LOCK_IS_SEMSET)
		return;
	if (s->counters == 0 || s->counters > DL_SEMSET_COUNTERS_MAX || s->rows > DL_SEMSET_ROWS_MAX ||
	    !lock_at(check->seg, offset, dl_semset_bytes(s->counters, s->rows)))
		DAMAGED(check, "SEMSET1", offset, "a set of %u semaphores for %u processes does not fit "
			"where it lies", s->counters, s->rows);
	else if (row >= s->rows)
		DAMAGED(check, "SEMSET2", offset, "lane %u has adjustments in row %" PRIu64 " of a set that "
			"has %u", id, row, s->rows);
}

static void check_share(struct durei_check *check, unsigned id, unsigned index,
			const struct dl_share *share)
{
	uint64_t what = cell64_load_acq(&share->what), offset = dl_share_offset(what);
	uint64_t at = durei_offset(check->seg, share);
	const void *lock = lock_at(check->seg, offset, sizeof(struct dl_rwlock));

	if (dl_share_state(what) == DL_SHARE_NONE)
		return;
	if (!is_of_a_kind(what))
		DAMAGED(check, "LANE6", at, "share %u of lane %u is of kind %u and in state %u, which do "
			"not go together", index, id, dl_share_kind(what), dl_share_state(what));
	else if (!lock)
		DAMAGED(check, "LANE6", at, "lane %u has a share of a lock at +%#" PRIx64
			", where there is none", id, offset);
	else if (dl_share_kind(what) == DL_SHARE_READ && dl_share_state(what) == DL_SHARE_HELD)
		check_reader(check, id, offset, lock);
	else if (dl_share_kind(what) == DL_SHARE_UNITS)
		check_units(check, id, index, what, share);
	else if (dl_share_kind(what) == DL_SHARE_SET && dl_share_state(what) == DL_SHARE_HELD)
		check_set(check, id, offset, share);
}

/* -- all of a lane's --------------------------------------------------------------------- */

void durei_check_shares(struct durei_check *check, unsigned id, bool is_free)
{
	const struct dl_lane *lane = durei_lane_at(check->seg, id);
	uint32_t end = cell32_load_acq(&lane->share_end);
	uint64_t at = durei_offset(check->seg, lane);

	if (end > DL_SHARES_MAX)
		DAMAGED(check, "LANE6", at, "lane %u has %u shares, more than there is room for", id, end);
	for (unsigned i = 0; i < DL_SHARES_MAX; i++) {
		bool is_none = dl_share_state(cell64_load_acq(&lane->shares[i].what)) == DL_SHARE_NONE;
		if (is_free && !is_none)
			DAMAGED(check, "REC3", at, "lane %u is free, and has a share", id);
		else if (!is_none && i >= end)
			DAMAGED(check, "LANE6", at, "share %u of lane %u is behind the last, %u: nobody sees "
				"it", i, id, end);
		else
			check_share(check, id, i, &lane->shares[i]);
	}
}

void durei_see_shares(dure_segment *seg, unsigned id, struct dure_thread_info *ret)
{
	const struct dl_lane *lane = durei_lane_at(seg, id);
	unsigned room = sizeof ret->shares / sizeof *ret->shares;

	for (unsigned i = 0; i < DL_SHARES_MAX; i++) {
		uint64_t what = cell64_load_acq(&lane->shares[i].what);
		uint32_t units = units_of(seg, id, i, what, cell64_load_acq(&lane->shares[i].units));
		unsigned kind = dl_share_kind(what);
		if (!is_of_a_kind(what) || dl_share_state(what) == DL_SHARE_WAITING ||
		    (kind == DL_SHARE_UNITS && units == 0))
			continue;
		if (ret->share_count < room)
			ret->shares[ret->share_count] = (struct dure_thread_share){
				.lock = { dl_share_offset(what) },
				.kind = kind + 1,
				.units = kind == DL_SHARE_UNITS ? units : 1,
			};
		ret->share_count++;
	}
}
