/* SPDX-License-Identifier: MIT */
/*
 * held.c - the locks a lane holds, as recovery finds them
 *
 * Why      A lock word says who holds the lock; to free a dead one's locks its heirs need the
 *          other direction, without looking at every lock there is.
 * Rules    [HELD1] a lock is in the list before its word names the lane, and until its word
 *                  does so no more. So the list may have a lock too many, never one too few;
 *                  what decides is the word
 *          [HELD2] recovery wakes a sleeper for each entry, also when the word is not the dead
 *                  one's any more: it may have been killed between freeing and waking
 * Death    locking, after step      is left behind                who mends it
 *          1 entry, count           an entry too many             the word is not ours: skipped
 *          2 word                   a lock of the dead            step 4 of recovery
 *          unlocking, after step
 *          1 word                   a free lock, a sleeper that   [HELD2]
 *                                   nobody woke
 *          2 wake                   an entry too many             skipped
 *          3 count                  nothing                       -
 */
#include "lock/held.h"

#include "segment/wait.h"

int durei_held_find(const struct durei_lane *lane, uint64_t offset)
{
	for (int i = (int)lane->held_count - 1; i >= 0; i--)
		if ((cell64_load_rlx(&lane->shared->held[i]) & DL_HELD_OFFSET_MASK) == offset)
			return i;	/* relaxed: only this thread writes them */
	return -1;
}

uint64_t durei_held_flags(const struct durei_lane *lane, int index)
{
	return cell64_load_rlx(&lane->shared->held[index]) >> DL_HELD_FLAGS_SHIFT;
}

void durei_held_set_flags(struct durei_lane *lane, int index, uint64_t flags)
{
	struct cell64 *entry = &lane->shared->held[index];

	cell64_store_rel(entry, (cell64_load_rlx(entry) & DL_HELD_OFFSET_MASK) |
				flags << DL_HELD_FLAGS_SHIFT);
}

void durei_held_remove(struct durei_lane *lane, int index)
{
	int last = (int)lane->held_count - 1;

	/* the last entry is in the list twice for a moment, never not at all */
	if (index != last)
		cell64_store_rel(&lane->shared->held[index],
				 cell64_load_rlx(&lane->shared->held[last]));
	durei_held_pop(lane);
}

/* A lock of the dead: free it, and say so unless its log has mended what it guards. */
static void free_lock(struct durei_mending *m, struct cell32 *word, uint64_t flags)
{
	bool is_clean = flags & DL_HELD_CLEAN;
	uint32_t theirs = (uint32_t)m->id | (uint32_t)m->generation << DL_LOCK_GENERATION_SHIFT;
	uint32_t seen = cell32_load_acq(word);

	while ((seen & DL_LOCK_OWNER_MASK) == theirs) {
		uint32_t freed = is_clean ? seen & DL_LOCK_DIED : DL_LOCK_DIED;
		if (cell32_cas(word, &seen, freed))
			break;
	}
	durei_wake(m->seg, word, flags & DL_HELD_CROWD ? UINT32_MAX >> 1 : 1);	/* [HELD2] */
}

void durei_held_mend(struct durei_mending *m)
{
	uint32_t count = cell32_load_acq(&m->lane->held_count);

	for (uint32_t i = 0; i < count && i < DL_HELD_MAX; i++) {
		uint64_t entry = cell64_load_acq(&m->lane->held[i]);
		uint64_t offset = entry & DL_HELD_OFFSET_MASK;
		if (offset % 4 == 0 && offset >= m->seg->super.data_offset &&
		    durei_bytes_are_backed(m->seg, offset, sizeof(struct dl_mutex)))
			free_lock(m, durei_at(m->seg, offset), entry >> DL_HELD_FLAGS_SHIFT);
	}
	cell32_store_rel(&m->lane->held_count, 0);
}

void durei_held_end(struct durei_lane *lane)
{
	struct durei_mending m = { .seg = lane->seg, .lane = lane->shared, .id = lane->id,
				   .generation = lane->generation };

	durei_held_mend(&m);
	lane->held_count = 0;
}
