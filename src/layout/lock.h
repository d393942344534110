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

struct dl_spinlock {
	struct cell32 word;
	uint32_t kind;
	uint32_t reserved[2];
};

static_assert(sizeof(struct dl_spinlock) == 16, "as dure_spinlock");

/* the kinds of other locks; 0 is memory that nobody has initialised */
enum {
	DL_LOCK_IS_RWLOCK = 0x6c777201,
	DL_LOCK_IS_SEMAPHORE = 0x6c777202,
	DL_LOCK_IS_CONDITION = 0x6c777203,
	DL_LOCK_IS_EVENT = 0x6c777204,
	DL_LOCK_IS_LATCH = 0x6c777205,
	DL_LOCK_IS_ONCE = 0x6c777206,
	DL_LOCK_IS_BARRIER = 0x6c777207,
	DL_LOCK_IS_SEQLOCK = 0x6c777208,
	DL_LOCK_IS_SEMSET = 0x6c777209,	/* layout/semset.h */
	DL_LOCK_WAS_SEMSET = 0x6c77720a,
	DL_LOCK_IS_SPINLOCK = 0x6c77720b,
};

/* Locks on which nothing but one word is waited for. */
struct dl_signal {
	struct cell32 word;		/* the top bit: somebody may sleep */
	struct cell32 lock;		/* of a once: who initialises, as in dl_mutex */
	uint32_t flags;			/* written before it is shared */
	uint32_t kind;
};

static_assert(sizeof(struct dl_signal) == 16, "as the public types");

enum {
	DL_CONDITION_SIGNALS = 0x3fffffff,	/* word: signals given, modulo 2^30 */
	DL_CONDITION_FRESH = 0x40000000,	/* somebody has come since the last of them */
	DL_EVENT_SET = 1,		/* word: is set | times it was set */
	DL_EVENT_STEP = 2,
	DL_ONCE_DONE = 1,
	DL_LATCH_MAX = 0x7fffffff,	/* word: what is left */
};
#define DL_SIGNAL_WAITED 0x80000000u

struct dl_barrier {
	struct cell64 joined;		/* members that ever joined, less those that left: a value as
					   in dl_semaphore */
	struct cell32 guard;		/* of the end of a phase; as in dl_mutex */
	struct cell32 phase;
	struct cell32 members;		/* that must have joined before the first phase ends */
	uint32_t kind;
	struct cell64 leaving;		/* 0, or DL_BARRIER_LEAVING | members << 32 | value of joined,
					   as they are when the one who is leaving has left */
};

#define DL_BARRIER_LEAVING (UINT64_C(1) << 63)

static_assert(sizeof(struct dl_barrier) == 32, "as dure_barrier");

/* Followed by two copies of the value, each filled up to a multiple of 8 bytes. */
struct dl_seqlock {
	struct cell32 word;		/* of who writes; as in dl_mutex */
	struct cell32 serial;		/* the copy that is the value: its last bit */
	uint32_t value_bytes;		/* written before it is shared */
	uint32_t kind;
};

static_assert(sizeof(struct dl_seqlock) == 16, "as dure_seqlock");

/*
 * Of a reader-writer lock `word` is the writer's, `turn` that of whoever is upgradable or
 * about to write. Readers stand in their lanes (lock/share.c).
 */
struct dl_rwlock {
	struct cell32 word;
	struct cell32 turn;
	struct cell32 drain;		/* DL_DRAIN_ flags | a count that grows with each reader who
					   leaves while somebody wants to write */
	uint32_t kind;
};

enum {
	DL_DRAIN_READERS = 1,		/* there may be readers */
	DL_DRAIN_ASKERS = 2,		/* a reader may wait for the writer's end */
	DL_DRAIN_STEP = 4,
};

static_assert(sizeof(struct dl_rwlock) == 16, "as dure_rwlock");

/*
 * word: value 30 | some wait for several units 1 | some wait 1 | serial 11 | share 5 | lane 16.
 * The upper half names the change that made the value what it is (lock/share.c).
 */
struct dl_semaphore {
	struct cell64 word;
	uint32_t kind;
	uint32_t reserved;
};

static_assert(sizeof(struct dl_semaphore) == 16, "as dure_semaphore");

#define DL_SEMAPHORE_MAX UINT64_C(0x3fffffff)
#define DL_SEMAPHORE_MANY (UINT64_C(1) << 30)
#define DL_SEMAPHORE_WAITED (UINT64_C(1) << 31)
enum {
	DL_SEMAPHORE_SERIAL_SHIFT = 32,
	DL_SEMAPHORE_SERIAL_MASK = 0x7ff,
	DL_SEMAPHORE_SHARE_SHIFT = 43,
	DL_SEMAPHORE_LANE_SHIFT = 48,
};

static inline uint16_t dl_lock_lane(uint32_t word)
{
	return (uint16_t)(word & DL_LOCK_LANE_MASK);
}

static inline uint16_t dl_lock_generation(uint32_t word)
{
	return (uint16_t)((word & DL_LOCK_OWNER_MASK) >> DL_LOCK_GENERATION_SHIFT);
}

#endif
