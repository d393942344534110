/* SPDX-License-Identifier: MIT */
/*
 * lane.h - one attached thread: its life word, its log, the locks it holds
 *
 * Why      Whatever a thread leaves half done must be findable by a stranger at a place the
 *          stranger knows. That place is the lane; nothing about an operation in flight is
 *          stored anywhere else but in words that name the lane.
 * Layout   4 KiB; the lines a running thread writes are apart from those that waiters read.
 * Rules    [LANE1] only the lane's thread writes its lane; after its death, its recoverer;
 *                  last_waiter those who wait for it
 *          [LANE2] lane_status[] says who that is; it is the only word two may race for
 *          [LANE3] lane memory is never used for anything else, so the kernel's mark in a
 *                  life word can hit nobody else
 *          [LANE4] held[] names a lock before the lock word names the lane
 *          [LANE5] claims has the bit of a page group before a page word there names the lane
 *          [LANE6] a share is taken and given up by its lane; who holds the lock exclusively may
 *                  turn WAITING into HELD, and anybody CHANGING into CHANGED (lock/share.c)
 */
#ifndef DUREI_LAYOUT_LANE_H
#define DUREI_LAYOUT_LANE_H

#include <assert.h>
#include <stddef.h>

#include "cell/cell.h"

/*
 * lane_status[id], 64 bits: state 8 | unused 8 | slot 16 | recoverer 16 | generation 12
 * (from the low end). The generation grows with each new owner, and shows in lock words.
 */
enum {
	DL_LANE_FREE = 0,
	DL_LANE_OWNED = 1,	/* a thread of the slot's process uses it */
	DL_LANE_PARKED = 2,	/* no thread; its process keeps it for blocks still reserved */
	DL_LANE_MENDED = 3,	/* the owner is dead; the recoverer is at work */

	DL_LANE_SLOT_SHIFT = 16,
	DL_LANE_RECOVERER_SHIFT = 32,
	DL_LANE_GENERATION_SHIFT = 48,
	DL_LANE_GENERATION_MASK = 0xfff,
};

enum {
	DL_LANE_BYTES = 4096,
	DL_LIFE_BYTES = 64,
	DL_HELD_MAX = 96,
	DL_CLAIM_WORDS = 8,		/* 512 bits over the whole page table */
	DL_SHARES_MAX = 32,
	DL_LOG_INLINE_BYTES = 2560,
};

/*
 * log_state: state 8 | serial 56. One store of it is what makes a transaction true.
 * See tx/log.h for what each state means to an heir.
 */
enum {
	DL_LOG_IDLE = 0,
	DL_LOG_ACTIVE = 1,
	DL_LOG_COMMITTED = 2,		/* it will happen; blocks are being taken */
	DL_LOG_VISIBLE = 3,		/* it has happened, for everybody */
	DL_LOG_SHOWN = 4,		/* an operation begins; nothing is in the log */
	DL_LOG_LINK = 5,		/* it will happen: a struct dl_link (tx/link.c) */
	DL_LOG_STATE_END = 6,
	DL_LOG_STATE_MASK = 0xff,
	DL_LOG_SERIAL_SHIFT = 8,
};

/*
 * What a lane has of something that several can have at once. what: offset / 8 in bits 0-43 |
 * kind << 44 | state << 46 | serial << 49. See lock/share.c.
 */
struct dl_share {
	struct cell64 what;
	struct cell64 units;		/* before | after << 32 */
};

static_assert(sizeof(struct dl_share) == 16, "four to a cache line");

enum dl_share_kind {
	DL_SHARE_READ = 0,		/* of a reader-writer lock */
	DL_SHARE_UNITS = 1,		/* of a semaphore */
	DL_SHARE_MEMBER = 2,		/* of a barrier */
	DL_SHARE_SET = 3,		/* of a set of semaphores: HELD, the process may have adjustments
					   there; WAITING, the thread waits for it */
};

enum dl_share_state {
	DL_SHARE_NONE = 0,
	DL_SHARE_HELD = 1,		/* units: those before */
	DL_SHARE_WAITING = 2,
	DL_SHARE_CHANGING = 3,		/* units before, or after if the lock's word names the share */
	DL_SHARE_CHANGED = 4,		/* units: those after */
};

enum {
	DL_SHARE_KIND_SHIFT = 44,
	DL_SHARE_STATE_SHIFT = 46,
	DL_SHARE_SERIAL_SHIFT = 49,
	DL_SHARE_SERIAL_MASK = 0x7fff,
};

struct dl_lane {
	/* the life word, with room for the links of the libc's robust list (os/robust.c) */
	_Alignas(64) struct cell32 life;
	uint8_t life_links[DL_LIFE_BYTES - 4];

	/* read by who wants to know what this thread waits for, and by recovery */
	_Alignas(64) struct cell64 waiting;	/* the lock it sleeps for, or 0 */
	struct cell64 recovering;	/* the lane it mends, or 0 */
	struct cell32 busy;		/* inside a change of page words */
	uint32_t thread;		/* id in its own namespace, for people */
	uint64_t attached_ns;		/* wall clock, for people */
	struct cell32 last_waiter;	/* the lane that came last to sleep for this one: a hint */
	uint32_t slot_generation;	/* of its process' slot, when it was attached */
	uint64_t reserved[2];

	/* the log's words */
	_Alignas(64) struct cell64 log_state;
	struct cell64 log_used;		/* valid bytes of log[] */
	struct cell64 log_more;		/* block with the next chunk of the log, or 0 */
	struct cell64 log_cursor;	/* frees of the commit that are done */
	struct cell64 freeing;		/* the block being freed by a log: a hazard (heap/page.c) */
	struct cell32 held_count;	/* entries of held[] that may be locks */
	struct cell32 share_end;	/* shares behind this one are nothing */
	uint64_t reserved2[2];

	/* groups of pages in which page words may name this lane */
	_Alignas(64) struct cell64 claims[DL_CLAIM_WORDS];

	/* locks: offset | DL_HELD_ flags << 56 */
	_Alignas(64) struct cell64 held[DL_HELD_MAX];

	_Alignas(64) struct dl_share shares[DL_SHARES_MAX];

	_Alignas(64) uint8_t log[DL_LOG_INLINE_BYTES];
};

static_assert(sizeof(struct dl_lane) == DL_LANE_BYTES, "one page");
static_assert(offsetof(struct dl_lane, log_state) == 128, "third line");
static_assert(offsetof(struct dl_lane, claims) == 192, "fourth line");
static_assert(offsetof(struct dl_lane, held) == 256, "fifth line");
static_assert(offsetof(struct dl_lane, shares) == 1024, "a quarter in");
static_assert(offsetof(struct dl_lane, log) == 1536, "behind the shares");

/* flags of a held lock: what recovery does with it */
enum {
	DL_HELD_CLEAN = 1,	/* the log mends what it guards: free it silently */
	DL_HELD_MARKED = 2,	/* consistent again, if the transaction commits */
	DL_HELD_CROWD = 4,	/* many may sleep on it who can all go on: wake them all */
	DL_HELD_TX = 8,		/* the open transaction's, which gives it back at its end */
	DL_HELD_FLAGS_SHIFT = 56,
};
#define DL_HELD_OFFSET_MASK ((UINT64_C(1) << DL_HELD_FLAGS_SHIFT) - 1)

static inline uint64_t dl_share(uint64_t offset, enum dl_share_kind kind, enum dl_share_state state,
				uint64_t serial)
{
	return offset / 8 | (uint64_t)kind << DL_SHARE_KIND_SHIFT |
	       (uint64_t)state << DL_SHARE_STATE_SHIFT | serial << DL_SHARE_SERIAL_SHIFT;
}

/* of what lock, and which kind */
static inline uint64_t dl_share_key(uint64_t what)
{
	return what & ((UINT64_C(1) << DL_SHARE_STATE_SHIFT) - 1);
}

static inline uint64_t dl_share_offset(uint64_t what)
{
	return (what & ((UINT64_C(1) << DL_SHARE_KIND_SHIFT) - 1)) * 8;
}

static inline enum dl_share_kind dl_share_kind(uint64_t what)
{
	return (enum dl_share_kind)(what >> DL_SHARE_KIND_SHIFT & 3);
}

static inline enum dl_share_state dl_share_state(uint64_t what)
{
	return (enum dl_share_state)(what >> DL_SHARE_STATE_SHIFT & 7);
}

static inline uint64_t dl_share_serial(uint64_t what)
{
	return what >> DL_SHARE_SERIAL_SHIFT;
}

#endif
