/* SPDX-License-Identifier: MIT */
/*
 * check_rings.c - do the records of a ring, or of lanes, lie where they should
 *
 * Why      see check.c
 * How      Both ends go on while we look: what is found counts only when neither has moved.
 * Death    nothing is changed.
 */
#include <inttypes.h>

#include "inspect/check.h"
#include "layout/lanes.h"

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

/* The ring at offset, which has so many bytes of its block. */
static void check_ring_at(struct durei_check *check, uint64_t offset, uint64_t bytes)
{
	const struct dl_ring *ring = durei_at(check->seg, offset);
	uint64_t head, tail;
	const char *wrong;

	if (bytes < sizeof *ring || ring->magic != DL_RING_MAGIC || !is_power_of_two(ring->capacity) ||
	    ring->capacity > bytes - sizeof *ring) {
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

/* The bytes of the block at offset; 0: there is none. */
static uint64_t block_bytes(struct durei_check *check, uint64_t offset)
{
	struct durei_seen_block block;

	return offset % 64 == 0 && durei_see_block(check->seg, offset, &block) &&
			       (block.state == DL_BLOCK_LIVE || check->has_open_log)
		       ? block.bytes : 0;
}

void durei_check_ring(struct durei_check *check, const struct dl_ring_place *place)
{
	uint64_t offset = cell64_load_acq(&place->ring), bytes = block_bytes(check, offset);

	if (bytes)
		check_ring_at(check, offset, bytes);
	else
		DAMAGED(check, "RING2", offset, "there is no ring at +%#" PRIx64, offset);
}

void durei_check_ring_lanes(struct durei_check *check, const struct dl_lanes_place *place)
{
	uint64_t offset = cell64_load_acq(&place->lanes), bytes = block_bytes(check, offset), stride;
	const struct dl_lanes *lanes = durei_at(check->seg, offset);
	uint32_t count;

	if (bytes < sizeof *lanes || lanes->magic != DL_LANES_MAGIC) {
		DAMAGED(check, "LANES1", offset, "there are no lanes at +%#" PRIx64, offset);
		return;
	}
	bytes -= sizeof *lanes;
	stride = min_u64(lanes->ring_bytes, bytes) + sizeof(struct dl_ring);
	count = lanes->count;
	if (!count || stride % 64 || bytes / stride < count) {
		DAMAGED(check, "LANES1", offset, "%" PRIu32 " lanes do not fit their block", count);
		return;
	}
	if (cell32_load_acq(&lanes->high) > count)
		DAMAGED(check, "LANES2", offset, "more lanes have been used than there are");
	for (uint32_t i = 0; i < count; i++)
		check_ring_at(check, offset + sizeof *lanes + i * stride, stride);
}
