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
	struct cell32 *sleeps, *other_sleeps;	/* where this end, and the other one, says that it sleeps */
	struct cell32 *needs_fence;
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

static inline bool durei_ring_has_record(const dure_ring *ring)
{
	return cell64_load_acq(durei_ring_word(ring, ring->mine)) != 0;
}

/* With the sentence: -EUCLEAN */
int durei_ring_damaged(const dure_ring *ring);

/* -- ring.c ------------------------------------------------------------------------------ */

/* 0: this thread has this end; -EPERM, -ESTALE */
int durei_ring_check_end(const dure_ring *ring, uint32_t end);
/* The other end sees that this one sleeps, or we see what it has done: look again. */
void durei_ring_show_sleeping(const dure_ring *ring);

/* -- ring_open.c ------------------------------------------------------------------------- */

enum { DUREI_RING_BYTES_DEFAULT = 65536, DUREI_RING_BYTES_MIN = 1024 };

static inline uint64_t durei_ring_block_bytes(uint64_t capacity)
{
	return sizeof(struct dl_ring) + capacity;
}

/* An empty ring, in memory that is still private. */
void durei_ring_format(struct dl_ring *ring, uint64_t capacity);
/* options.bytes; 0: the default is set. -EINVAL */
int durei_ring_check_bytes(uint64_t *bytes);
/* The ring that lies at offset. -EUCLEAN; name: what led there */
int durei_ring_bind(dure_ring *ring, dure_segment *seg, uint64_t offset, const char *name);
/* While the name is held: 0, or -EAGAIN with the holder. [RINGC1] */
int durei_ring_take_end(dure_ring *ring, uint64_t *ret_holder);
/* If this handle's thread still has it. */
void durei_ring_give_end(const dure_ring *ring);
bool durei_ring_is_in_use(const dure_ring *ring, uint32_t end);

/* After a store that the other end may sleep for. */
static inline void durei_ring_wake_other(const dure_ring *ring)
{
	struct cell32 *sleeps = ring->other_sleeps;

	if (__builtin_expect(cell32_load_rlx(ring->needs_fence), 0))
		fence_full();	/* our record or head, before the other's sleeps */
	else
		fence_crash();	/* durei_fence_others of the other end orders the processors */
	if (__builtin_expect(cell32_load_rlx(sleeps), 0)) {
		cell32_store_rel(sleeps, 0);
		durei_wake(ring->seg, sleeps, 1);
	}
}

#endif
