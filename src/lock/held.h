/* SPDX-License-Identifier: MIT */
/*
 * held.h - the locks a lane holds, as recovery finds them
 */
#ifndef DUREI_LOCK_HELD_H
#define DUREI_LOCK_HELD_H

#include "layout/lock.h"
#include "segment/lane.h"
#include "segment/recover.h"

/* The lock at offset may be this lane's from now on. False: the list is full. */
static inline bool durei_held_push(struct durei_lane *lane, uint64_t offset, uint64_t flags)
{
	uint32_t count = lane->held_count;

	if (__builtin_expect(count >= DL_HELD_MAX, 0))
		return false;
	cell64_store_rel(&lane->shared->held[count], offset | flags << DL_HELD_FLAGS_SHIFT);
	cell32_store_rel(&lane->shared->held_count, count + 1);
	lane->held_count = count + 1;
	return true;
}

/* The last one pushed was not got, or has been given back. */
static inline void durei_held_pop(struct durei_lane *lane)
{
	lane->held_count--;
	cell32_store_rel(&lane->shared->held_count, lane->held_count);
}

/* The entry of a lock, its flags; -1: not in the list */
int durei_held_find(const struct durei_lane *lane, uint64_t offset);
uint64_t durei_held_flags(const struct durei_lane *lane, int index);
void durei_held_set_flags(struct durei_lane *lane, int index, uint64_t flags);
/* The lock of this entry has been given back. */
void durei_held_remove(struct durei_lane *lane, int index);

/* Recovery, step 4. */
void durei_held_mend(struct durei_mending *mending);
/* A thread ends holding locks. */
void durei_held_end(struct durei_lane *lane);

#endif
