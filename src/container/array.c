/* SPDX-License-Identifier: MIT */
/*
 * array.c - numbered places of one size, in chunks that never move
 *
 * Why      A container that grows copies nothing, and whoever reads a place keeps a good address:
 *          chunks are only added behind, each twice as large as the one before, so that a table of
 *          40 of them is part of the container.
 * Rules    layout/array.h, layout/guard.h
 *          [ARRAYC1] in a transaction a place that nobody reads may be that of an element which the
 *                    transaction has taken away, and will be there again if it is undone: its
 *                    bytes are remembered
 * Death    a chunk more, or some less: tx/log.c, a transaction of one operation.
 */
#include "container/array.h"

#include <string.h>

#include "heap/heap.h"

enum { FIRST_BYTES = 512 };

/* -- chunks ------------------------------------------------------------------------------ */

int durei_chunk_link(struct durei_guard *guard, struct cell64 *link, uint64_t offset, uint64_t old)
{
	int r = durei_guard_begin(guard);

	if (r < 0) {
		(void)durei_block_free(guard->lane, offset);
		return r;
	}
	r = durei_log_take(guard->lane, offset);
	if (r < 0)			/* no log knows the block yet */
		(void)durei_block_free(guard->lane, offset);
	else
		r = durei_log_write_word(guard->lane, link, offset);
	if (r == 0 && old)
		r = durei_log_free(guard->lane, old);
	return durei_guard_end(guard, r);
}

int durei_chunk_add(struct durei_guard *guard, struct cell64 *link, uint64_t bytes,
		    uint64_t align)
{
	uint64_t offset;
	int r = durei_block_reserve(guard->lane, bytes, max_u64(align, 16), &offset);

	return r < 0 ? r : durei_chunk_link(guard, link, offset, 0);
}

int durei_chunk_drop(struct durei_lane *lane, struct cell64 *link)
{
	uint64_t offset = cell64_load_rlx(link);
	int r = durei_log_write_word(lane, link, 0);

	return r < 0 ? r : durei_log_free(lane, offset);
}

/* -- arrays ------------------------------------------------------------------------------ */

int durei_array_plan(uint64_t count, uint64_t place_bytes, uint32_t *ret_first_bits)
{
	if (!count)
		count = max_u64(FIRST_BYTES / place_bytes, 1);
	if (count > UINT64_C(1) << DL_ARRAY_FIRST_BITS_MAX)
		return durei_error(EINVAL, "options.first_count %llu is more than 2^%d",
				   (unsigned long long)count, DL_ARRAY_FIRST_BITS_MAX);
	*ret_first_bits = log2_ceil(count);
	return 0;
}

int durei_array_bind(struct durei_array *ret, struct dl_array *shared, uint64_t place_bytes,
		     uint32_t align, const struct durei_elements *owner)
{
	*ret = (struct durei_array){ .seg = owner->seg, .shared = shared,
				     .place_bytes = place_bytes, .first_bits = shared->first_bits,
				     .align = align, .owner = owner };
	return ret->first_bits <= DL_ARRAY_FIRST_BITS_MAX ? 0 : durei_array_damaged(ret);
}

int durei_array_damaged(const struct durei_array *array)
{
	return durei_elements_damaged(array->owner, "a chunk");
}

static int add_chunk(const struct durei_array *a, struct durei_guard *guard, unsigned chunk)
{
	uint64_t bytes = durei_array_chunk_bytes(a, chunk);

	if (!bytes)
		return durei_error(ENOSPC, "%s %s: so many elements fit no segment",
				   a->owner->kind->what, a->owner->name.text);
	if (cell64_load_rlx(&a->shared->chunks[chunk]))
		return durei_array_damaged(a);	/* it is there, and cannot be used */
	return durei_chunk_add(guard, &a->shared->chunks[chunk], bytes, a->align);
}

int durei_array_make_room(const struct durei_array *array, struct durei_guard *guard,
			  uint64_t first, uint64_t count)
{
	uint64_t room, end;

	if (!add_fits(first, count, &end) || end >> DUREI_ARRAY_BITS_MAX)
		return durei_error(ENOSPC, "%s %s: %llu elements more fit no segment",
				   array->owner->kind->what, array->owner->name.text,
				   (unsigned long long)count);
	while (first < end) {
		int r = 0;
		if (!durei_array_at(array, first, &room))
			r = add_chunk(array, guard, dl_array_chunk(first, array->first_bits));
		else
			first += min_u64(room, end - first);
		if (r < 0)
			return r;
	}
	return 0;
}

/* From the last chunk down: so there is none missing in between. [ARRAY1] */
int durei_array_trim(const struct durei_array *array, struct durei_guard *guard, uint64_t count)
{
	unsigned keep = count ? dl_array_chunk(count - 1, array->first_bits) + 1 : 0;
	int r = 0;

	for (unsigned chunk = DL_ARRAY_CHUNKS; r == 0 && chunk-- > keep;)
		if (cell64_load_rlx(&array->shared->chunks[chunk]))
			r = durei_chunk_drop(guard->lane, &array->shared->chunks[chunk]);
	return r;
}

int durei_array_fill(const struct durei_array *array, struct durei_guard *guard, uint64_t first,
		     const void *from, uint64_t count)
{
	const unsigned char *next = from;
	uint64_t room = 0;

	while (count) {
		unsigned char *to = durei_array_at(array, first, &room);
		if (!to)
			return durei_array_damaged(array);
		room = min_u64(room, count);
		uint64_t bytes = room * array->place_bytes;
		if (guard->in_tx) {					/* [ARRAYC1] */
			int r = durei_log_undo_range(guard->lane, durei_offset(array->seg, to), bytes);
			if (r < 0)
				return r;
		}
		if (next)
			memcpy(to, next, bytes);
		else
			memset(to, 0, bytes);
		next = next ? next + bytes : NULL;
		first += room;
		count -= room;
	}
	return 0;
}

int durei_array_free(dure_tx *tx, struct dl_array *shared)
{
	int r = 0;

	for (unsigned chunk = 0; r == 0 && chunk < DL_ARRAY_CHUNKS; chunk++) {
		uint64_t offset = cell64_load_rlx(&shared->chunks[chunk]);
		if (offset)
			r = dure_tx_free(tx, durei_at(dure_tx_segment(tx), offset));
	}
	return r;
}
