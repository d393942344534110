/* SPDX-License-Identifier: MIT */
/*
 * lanes.h - what the files of lanes have in common
 */
#ifndef DUREI_MESSAGE_LANES_H
#define DUREI_MESSAGE_LANES_H

#include <dure/lanes.h>

#include "layout/lanes.h"
#include "message/ring.h"

struct dure_lanes {
	struct dl_lanes *shared;
	uint64_t ring_bytes;		/* these two as they were found, and checked */
	uint32_t count;
	uint32_t end;
	uint32_t at;			/* receiver: the ring it receives from */
	uint32_t in_a_row;		/* records from that one */
	struct durei_notice notice;	/* receiver */
	dure_segment *seg;
	dure_ring rings[];		/* sender: its own one; receiver: all */
};

static inline struct dl_ring *durei_lanes_ring(struct dl_lanes *shared, uint64_t ring_bytes,
					       uint32_t index)
{
	unsigned char *first = (unsigned char *)(shared + 1);

	return (struct dl_ring *)(void *)(first + index * dl_lanes_stride(ring_bytes));
}

#endif
