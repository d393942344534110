/* SPDX-License-Identifier: MIT */
/*
 * share.h - what several lanes can have of one lock at once
 */
#ifndef DUREI_LOCK_SHARE_H
#define DUREI_LOCK_SHARE_H

#include "layout/lock.h"
#include "segment/lane.h"
#include "segment/recover.h"
#include "segment/wait.h"

/* Says that the lane has no free share; NULL. */
struct dl_share *durei_share_refuse(void) __attribute__((cold));

/* A free share of the lane, which is to be used now. NULL: none, the sentence is said. */
static inline struct dl_share *durei_share_reserve(struct durei_lane *lane)
{
	unsigned index = (unsigned)__builtin_ctzll(~(uint64_t)lane->shares_used);
	struct dl_share *share = &lane->shared->shares[index];

	if (__builtin_expect(index >= DL_SHARES_MAX, 0))
		return durei_share_refuse();
	lane->shares_used |= 1u << index;
	cell64_store_rel(&share->units, 0);
	if (cell32_load_rlx(&lane->shared->share_end) <= index)	/* before the share counts */
		cell32_store_rel(&lane->shared->share_end, index + 1);
	return share;
}

/* It is nothing any more, or has never become anything. Its serial stays. */
static inline void durei_share_clear(struct dl_share *share)
{
	uint64_t serial = dl_share_serial(cell64_load_rlx(&share->what));

	cell64_store_rel(&share->what, serial << DL_SHARE_SERIAL_SHIFT);
}

static inline void durei_share_release(struct durei_lane *lane, struct dl_share *share)
{
	durei_share_clear(share);
	lane->shares_used &= ~(1u << (share - lane->shared->shares));
	lane->shares_kept &= lane->shares_used;
}

/* The lane's share of the lock at offset, in one of these states (a mask); NULL: none */
static inline struct dl_share *durei_share_of(struct durei_lane *lane, uint64_t offset,
					      enum dl_share_kind kind, unsigned states)
{
	uint64_t key = dl_share(offset, kind, DL_SHARE_NONE, 0);

	for (uint32_t used = lane->shares_used; used; used &= used - 1) {
		struct dl_share *share = &lane->shared->shares[__builtin_ctz(used)];
		uint64_t what = cell64_load_acq(&share->what);
		if (dl_share_key(what) == key && states >> dl_share_state(what) & 1)
			return share;
	}
	return NULL;
}

/* The lanes, not our own, that have a share in one of these states. */
enum { DUREI_SHARERS_MAX = DUREI_OWNERS_MAX + 1 };	/* as many: there may be more */
struct durei_sharers {
	unsigned count;
	uint16_t lanes[DUREI_SHARERS_MAX];
};
void durei_share_find_all(struct durei_lane *lane, uint64_t offset, enum dl_share_kind kind,
			  unsigned states, struct durei_sharers *ret);

/* whose it is */
static inline uint16_t durei_share_lane(const dure_segment *seg, const struct dl_share *share)
{
	uint64_t in_lanes = durei_offset(seg, share) - seg->super.lanes_offset;

	return (uint16_t)(in_lanes / DL_LANE_BYTES);
}

/* Calls step for each share of any lane in one of these states. */
void durei_share_each(dure_segment *seg, uint64_t offset, enum dl_share_kind kind, unsigned states,
		      void (*step)(struct dl_share *share, uint64_t what, void *context),
		      void *context);

/* Deals with those of them that are dead. Whether there was one. */
bool durei_share_recover(struct durei_lane *lane, const struct durei_sharers *sharers);

/*
 * The lock's semaphore word and the share change together: the share's units to `after`, the
 * word's value by `change`, and its flags are cleared. The share is HELD or CHANGED, or was
 * just reserved. False: the value would leave 0 ... DL_SEMAPHORE_MAX; nothing has changed.
 * *ret_before gets the word before.
 */
bool durei_share_change(dure_segment *seg, uint16_t lane, struct dl_share *share,
			enum dl_share_kind kind, struct cell64 *word, int64_t change,
			uint32_t after, uint64_t keep_flags, uint64_t *ret_before);
/* units of a share that is HELD or CHANGED */
static inline uint32_t durei_share_units(const struct dl_share *share)
{
	uint64_t units = cell64_load_acq(&share->units);

	return dl_share_state(cell64_load_acq(&share->what)) == DL_SHARE_CHANGED
		       ? (uint32_t)(units >> 32) : (uint32_t)units;
}

/* Only the share's units change. */
void durei_share_set_units(struct dl_share *share, uint64_t offset, uint32_t units);
/* Before a word's value changes otherwise: whoever changed it last has done so, whatever happens. */
void durei_share_settle_named(dure_segment *seg, const struct cell64 *word,
			      enum dl_share_kind kind, uint64_t seen);

static inline void durei_share_settle(dure_segment *seg, const struct cell64 *word,
				      enum dl_share_kind kind, uint64_t seen)
{
	if (seen >> DL_SEMAPHORE_LANE_SHIFT)
		durei_share_settle_named(seg, word, kind, seen);
}

/* A reader has left: tells who wants to write. */
void durei_share_tell(dure_segment *seg, struct dl_rwlock *lock);

static inline void durei_share_left(dure_segment *seg, struct dl_rwlock *lock)
{
	fence_full();		/* the share is gone, then look whether somebody waits for that */
	if (__builtin_expect(cell32_load_acq(&lock->word) & DL_LOCK_OWNER_MASK, 0))
		durei_share_tell(seg, lock);
}

/* the half of a semaphore's word that sleepers look at: value and flags */
static inline const struct cell32 *durei_semaphore_half(const struct cell64 *word)
{
	return (const struct cell32 *)(const void *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Recovery, after the locks. */
void durei_share_mend(struct durei_mending *mending);
/* A thread ends with shares. */
void durei_share_end(struct durei_lane *lane);
/* Gives up those of sets in which the process has nothing to undo. False: others are left. */
bool durei_share_leave(struct durei_lane *lane);

#define DUREI_SHARE_IN(state) (1u << (state))

#endif
