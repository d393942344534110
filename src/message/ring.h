/* SPDX-License-Identifier: MIT */
/*
 * ring.h - what the files of a ring have in common
 */
#ifndef DUREI_MESSAGE_RING_H
#define DUREI_MESSAGE_RING_H

#include <dure/ring.h>

#include "layout/ring.h"
#include "message/notice.h"
#include "segment/lane.h"
#include "segment/wait.h"

struct dure_ring {
	struct dl_ring *shared;
	unsigned char *data;
	uint64_t capacity;
	uint64_t mine;			/* tail or head, as this end goes on */
	uint64_t limit;			/* sender: it may write below this position */
	uint64_t pending;		/* bytes reserved, or looked at, + 1; 0: none */
	uint64_t holder;		/* what this end says: the lane of the thread that has it */
	uint32_t end;
	struct durei_notice notice;
	dure_segment *seg;
};

static inline struct cell64 *durei_ring_word(const dure_ring *ring, uint64_t position)
{
	return (struct cell64 *)(void *)(ring->data + (position & (ring->capacity - 1)));
}

/* from the position to the end of the bytes */
static inline uint64_t durei_ring_rest(const dure_ring *ring, uint64_t position)
{
	return ring->capacity - (position & (ring->capacity - 1));
}

static inline uint64_t durei_record_bytes(uint64_t bytes)
{
	return sizeof(struct cell64) + align_up(bytes, 8);
}

/* With the sentence: -EUCLEAN */
int durei_ring_damaged(const dure_ring *ring);

/* After a store that the other end may sleep for. */
static inline void durei_ring_wake_other(const dure_ring *ring)
{
	struct cell32 *sleeps = &ring->shared->sleeps[!ring->end];

	if (__builtin_expect(cell32_load_rlx(&ring->shared->needs_fence), 0))
		fence_full();	/* our record or head, before the other's sleeps */
	else
		fence_crash();	/* durei_fence_others of the other end orders the processors */
	if (__builtin_expect(cell32_load_rlx(sleeps), 0)) {
		cell32_store_rel(sleeps, 0);
		durei_wake(ring->seg, sleeps, 1);
	}
}

#endif
