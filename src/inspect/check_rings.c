/* SPDX-License-Identifier: MIT */
/*
 * check_rings.c - do the records of a ring lie where they should
 *
 * Why      see check.c
 * How      Both ends go on while we look: what is found counts only when neither has moved.
 * Death    nothing is changed.
 */
#include <inttypes.h>

#include "inspect/check.h"
#include "layout/ring.h"

/* From head to tail. NULL: nothing is wrong. */
static const char *walk_records(const struct dl_ring *ring, uint64_t head, uint64_t tail)
{
	const unsigned char *data = (const unsigned char *)(ring + 1);

	if (head % 8 || tail % 8)
		return "an end of a ring is between two words";
	/* the receiver may be a record before what the sender has counted [RING3] */
	while (head < tail) {
		uint64_t rest = ring->capacity - (head & (ring->capacity - 1)), bytes;
		uint64_t word = cell64_load_acq((const struct cell64 *)(const void *)
							(data + (head & (ring->capacity - 1))));
		if (tail - head > ring->capacity)
			return "a ring holds more than it has room for";
		bytes = 8 + (((word >> DL_RING_LENGTH_SHIFT) + 7) & ~UINT64_C(7));
		if (word == DL_RING_WRAP)
			bytes = rest;
		else if ((word & DL_RING_KIND_MASK) != DL_RING_RECORD ||
			 word >> DL_RING_LENGTH_SHIFT > rest || bytes > rest)
			return "a record does not lie in its ring";
		head += bytes;
	}
	return NULL;
}

void durei_check_ring(struct durei_check *check, const struct dl_ring_place *place)
{
	uint64_t offset = cell64_load_acq(&place->ring), head, tail;
	const struct dl_ring *ring = durei_at(check->seg, offset);
	struct durei_seen_block block;
	const char *wrong;

	if (offset % 64 || !durei_see_block(check->seg, offset, &block) ||
	    !(block.state == DL_BLOCK_LIVE || check->has_open_log) || block.bytes < sizeof *ring ||
	    ring->magic != DL_RING_MAGIC || !is_power_of_two(ring->capacity) ||
	    ring->capacity > block.bytes - sizeof *ring) {
		DAMAGED(check, "RING2", offset, "there is no ring at +%#" PRIx64, offset);
		return;
	}
	head = cell64_load_acq(&ring->ends[1].position);
	tail = cell64_load_acq(&ring->ends[0].position);
	wrong = walk_records(ring, head, tail);
	if (wrong && cell64_load_acq(&ring->ends[1].position) == head &&
	    cell64_load_acq(&ring->ends[0].position) == tail)
		DAMAGED(check, "RING2", offset, "%s", wrong);
}
