/* SPDX-License-Identifier: MIT */
/*
 * lanes.h - rings from several senders to one receiver, as they lie in a segment
 *
 * Layout   an object of type "dure_lanes" with one struct dl_lanes_place, which leads to a block:
 *          struct dl_lanes, then `count` times a struct dl_ring (layout/ring.h) and its bytes.
 *
 * Rules    [LANES1] each ring has a sender of its own, or none; the receiver is that of all rings,
 *                   and has them in the order of their numbers: who has number 0 has the others,
 *                   or is about to
 *          [LANES2] rings from `high` on never had a sender; it is raised before one has
 *          [LANES3] the receiver sleeps on the word here, a sender on that of its ring
 */
#ifndef DUREI_LAYOUT_LANES_H
#define DUREI_LAYOUT_LANES_H

#include <assert.h>
#include <stddef.h>

#include "layout/ring.h"

enum { DL_LANES_MAGIC = 0x656e616c, DL_LANES_SENDERS_MAX = 4096 };

struct dl_lanes_place {
	struct cell64 lanes;		/* offset of the struct dl_lanes; written before the name */
	uint64_t reserved;
};

struct dl_lanes {
	uint32_t magic;
	uint32_t count;			/* of rings; these two: written once */
	uint64_t ring_bytes;		/* capacity of each: a power of two */
	struct cell32 is_doomed;
	struct cell32 high;		/* [LANES2] */
	struct cell32 needs_fence;	/* of all ends: as in a ring */
	struct cell32 sleeps;		/* 1: the receiver may sleep on this word */
	uint64_t reserved[4];
	/* the rings follow */
};

static_assert(sizeof(struct dl_lanes_place) == 16, "no padding");
static_assert(sizeof(struct dl_lanes) == 64, "one line, which hardly ever changes");

/* from one ring to the next */
static inline uint64_t dl_lanes_stride(uint64_t ring_bytes)
{
	return sizeof(struct dl_ring) + ring_bytes;
}

#endif
