/* SPDX-License-Identifier: MIT */
/*
 * lane.h - this thread's lane in a segment, as its process knows it
 *
 * Why      Each operation needs its thread's lane. It is found in a thread-local word; the
 *          common case is one load, one comparison. Struct durei_lane lies in memory that
 *          reads as zeros in a forked child, so the same comparison also finds out forks.
 * Rules    [PLANE1] a lane belongs to one thread; its struct is written by that thread only
 *          [PLANE2] seg is the first field, and NULL in a forked child
 */
#ifndef DUREI_SEGMENT_LANE_H
#define DUREI_SEGMENT_LANE_H

#include "segment/handle.h"

struct durei_heap;
extern struct durei_heap durei_no_heap;	/* of a lane that has none yet (heap/page.c) */

/* The private side of a transaction: see tx/log.c. */
struct dure_tx {
	struct durei_lane *lane;
	uint32_t depth;			/* nested begins */
	uint32_t is_doomed;		/* an inner abort or failure: it can only be aborted */
	uint32_t has_locks;		/* held[] entries that belong to it */
	uint32_t is_single;		/* one operation of the library, not a transaction */
	unsigned char *chunk;		/* where the log's current chunk is written */
	uint64_t chunk_used, chunk_bytes;
	struct cell64 *chunk_used_cell;
	uint64_t chunk_offset;		/* its block; 0: in the lane */
	uint64_t last_words;		/* of the last entry in it */
	uint64_t free_count;		/* entries that free something at commit */
	uint64_t block_count;		/* entries that take or free a block */
};

struct durei_lane {
	dure_segment *seg;
	unsigned char *base;		/* these three: copies of seg's */
	uint64_t mapped_bytes;
	unsigned page_shift;
	uint32_t is_parked;		/* guarded by seg->lanes_lock */
	struct durei_heap *heap;	/* private knowledge of free blocks; never NULL */
	struct dl_lane *shared;
	uint32_t lock_word;		/* what this lane writes into a lock it takes */
	uint16_t id;
	uint16_t generation;
	uint32_t held_count;		/* mirror of shared->held_count */
	uint32_t shares_used;		/* bits of shared->shares that are in use */
	uint32_t shares_kept;		/* of these: the process', which outlive the thread */
	uint32_t is_in_call;		/* a changing call is under way: see durei_lane_enter */
	uint64_t serial;		/* of the next log */
	struct dure_tx tx;
	struct durei_lane *next_of_thread;
	struct durei_lane *next_of_segment;
};

/* The lane this thread used last; never NULL: at first a lane of no segment. */
extern _Thread_local struct durei_lane *durei_lane_last
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The slow way: looks through the thread's lanes, or attaches the thread. NULL: *ret_error. */
struct durei_lane *durei_lane_find(dure_segment *seg, int *ret_error);

static inline struct durei_lane *durei_lane_get(dure_segment *seg, int *ret_error)
{
	struct durei_lane *lane = durei_lane_last;

	if (__builtin_expect(lane->seg == seg && seg, 1))
		return lane;
	return durei_lane_find(seg, ret_error);
}

/* For the fastest calls: the lane only if it is the one used last, else NULL. */
static inline struct durei_lane *durei_lane_hot(const dure_segment *seg)
{
	struct durei_lane *lane = durei_lane_last;

	return __builtin_expect(lane->seg == seg && seg, 1) ? lane : NULL;
}

/* The calling thread's lane if it has one already; never attaches. */
struct durei_lane *durei_lane_peek(dure_segment *seg);

/* A lane to hold things still with while reading; NULL: this handle or thread can have none. */
struct durei_lane *durei_lane_to_read(dure_segment *seg);

/* Gives the lane back. The thread holds nothing. */
int durei_lane_detach(struct durei_lane *lane);

/* For the end of the handle: lanes of threads that ended, and the blocks they kept. */
void durei_lane_discard_parked(dure_segment *seg);

/* lane_status words */
static inline unsigned durei_status_state(uint64_t status)
{
	return (unsigned)(status & 0xff);
}

static inline uint16_t durei_status_slot(uint64_t status)
{
	return (uint16_t)(status >> DL_LANE_SLOT_SHIFT);
}

static inline uint16_t durei_status_recoverer(uint64_t status)
{
	return (uint16_t)(status >> DL_LANE_RECOVERER_SHIFT);
}

static inline uint16_t durei_status_generation(uint64_t status)
{
	return (uint16_t)(status >> DL_LANE_GENERATION_SHIFT) & DL_LANE_GENERATION_MASK;
}

static inline uint64_t durei_status(unsigned state, uint16_t slot, uint16_t recoverer,
				    uint16_t generation)
{
	return (uint64_t)state | (uint64_t)slot << DL_LANE_SLOT_SHIFT |
	       (uint64_t)recoverer << DL_LANE_RECOVERER_SHIFT |
	       (uint64_t)generation << DL_LANE_GENERATION_SHIFT;
}

/* ids in use are below this */
static inline unsigned durei_lane_end(const dure_segment *seg)
{
	uint32_t high = cell32_load_acq(&seg->state->lane_high);

	return high < seg->super.lane_count ? high : seg->super.lane_count;
}

#endif
