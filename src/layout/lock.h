/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a lock in shared memory
 *
 * Layout   word, 32 bits:
 *
 *	bits	0-15	lane of the holder, 0: free
 *		16-27	generation of that lane
 *		29	abandoned: nobody gets it any more
 *		30	a holder died inside, and nobody has said yet that all is mended
 *		31	somebody may sleep on the word
 *
 * Rules    [LOCK1] all zero is a free, plain lock: fresh memory needs no initialisation
 *          [LOCK2] the word names a lane only while that lane's held[] names the lock
 */
#ifndef DUREI_LAYOUT_LOCK_H
#define DUREI_LAYOUT_LOCK_H

#include <assert.h>

#include "cell/cell.h"

#define DL_LOCK_LANE_MASK 0x0000ffffu
#define DL_LOCK_OWNER_MASK 0x0fffffffu
#define DL_LOCK_ABANDONED 0x20000000u
#define DL_LOCK_DIED 0x40000000u
#define DL_LOCK_WAITED 0x80000000u
enum { DL_LOCK_GENERATION_SHIFT = 16 };

struct dl_mutex {
	struct cell32 word;
	uint32_t kind;			/* DURE_MUTEX_ flags; written before the lock is shared */
	struct cell32 depth;		/* recursive: further locks by the holder */
	uint32_t reserved;
};

static_assert(sizeof(struct dl_mutex) == 16, "as dure_mutex");

static inline uint16_t dl_lock_lane(uint32_t word)
{
	return (uint16_t)(word & DL_LOCK_LANE_MASK);
}

static inline uint16_t dl_lock_generation(uint32_t word)
{
	return (uint16_t)((word & DL_LOCK_OWNER_MASK) >> DL_LOCK_GENERATION_SHIFT);
}

#endif
