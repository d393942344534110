/* SPDX-License-Identifier: MIT */
/*
 * check_containers.c - are vectors and strings right
 *
 * Why      see check.c. What they lead to are blocks of their own, large enough for what they
 *          say is there.
 * Death    nothing is changed.
 */
#include <inttypes.h>

#include "inspect/check.h"
#include "layout/string.h"
#include "layout/vector.h"

static bool is_used(const struct durei_check *check, const struct durei_seen_block *block)
{
	return block->state == DL_BLOCK_LIVE || block->state == DL_BLOCK_DOOMED ||
	       (block->state == DL_BLOCK_RESERVED && check->has_open_log);
}

/* The usable bytes of a block that a container leads to; 0, and a finding: there is none. */
static uint64_t used_bytes(struct durei_check *check, const char *rule, uint64_t offset)
{
	struct durei_seen_block block;

	if (durei_see_block(check->seg, offset, &block) && is_used(check, &block))
		return block.bytes;
	DAMAGED(check, rule, offset, "a container leads to +%#" PRIx64 ", where no live block is",
		offset);
	return 0;
}

static void check_guard(struct durei_check *check, const struct dl_guard *guard)
{
	durei_check_lock(check, &guard->lock);
	if (!check->has_open_log && cell64_load_acq(&guard->writer))
		DAMAGED(check, "GUARD2", durei_offset(check->seg, guard),
			"a container is marked by a log, none is open");
}

static void check_chunk(struct durei_check *check, const struct dl_vector *v, unsigned chunk,
			uint64_t count)
{
	uint64_t offset = cell64_load_acq(&v->chunks[chunk]), bytes;
	uint64_t start = dl_vector_chunk_start(chunk, v->first_bits);

	if (offset == 0) {
		if (count > start)
			DAMAGED(check, "VECTOR2", durei_offset(check->seg, v), "a vector of %" PRIu64
				" elements has no chunk %u", count, chunk);
		return;
	}
	if (!mul_fits(v->element_bytes, UINT64_C(1) << v->first_bits, &bytes) ||
	    bytes > DL_BYTES_MAX >> chunk) {
		DAMAGED(check, "VECTOR2", offset, "a vector's chunk %u would fit no segment", chunk);
		return;
	}
	uint64_t have = used_bytes(check, "VECTOR2", offset);
	if (have && have < bytes << chunk)
		DAMAGED(check, "VECTOR2", offset, "a vector's chunk %u has %" PRIu64 " bytes, not %"
			PRIu64, chunk, have, bytes << chunk);
}

void durei_check_vector(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_vector *v = object;
	uint64_t at = durei_offset(check->seg, object), count;

	if (bytes != sizeof *v)
		return;
	check_guard(check, &v->guard);
	if (!v->element_bytes || v->element_bytes > DL_VECTOR_ELEMENT_MAX ||
	    v->first_bits > DL_VECTOR_FIRST_BITS_MAX || !is_power_of_two(v->align)) {
		DAMAGED(check, "VECTOR2", at, "a vector's elements are of no possible size");
		return;
	}
	count = cell64_load_acq(&v->count);
	if (count >= DL_BYTES_MAX) {
		DAMAGED(check, "VECTOR2", at, "a vector has %" PRIu64 " elements", count);
		return;
	}
	if (count && dl_vector_chunk(count - 1, v->first_bits) >= DL_VECTOR_CHUNKS)
		DAMAGED(check, "VECTOR2", at, "a vector has more elements than chunks");
	for (unsigned chunk = 0; chunk < DL_VECTOR_CHUNKS; chunk++)
		check_chunk(check, v, chunk, count);
}

void durei_check_string(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_string *s = object;
	uint64_t at = durei_offset(check->seg, object);
	uint64_t offset, length, have, capacity;

	if (bytes != sizeof *s)
		return;
	check_guard(check, &s->guard);
	offset = cell64_load_acq(&s->text);
	length = cell64_load_acq(&s->length);
	if (!offset) {
		if (length && !check->has_open_log)
			DAMAGED(check, "STRING2", at, "a string of %" PRIu64 " bytes has no block", length);
		return;
	}
	have = used_bytes(check, "STRING2", offset);
	if (!have)
		return;
	capacity = ((const struct dl_text *)durei_at(check->seg, offset))->capacity;
	if (have < sizeof(struct dl_text) || capacity > have - sizeof(struct dl_text))
		DAMAGED(check, "STRING2", offset, "a string's block is too small for %" PRIu64
			" bytes", capacity);
	else if (length > capacity && !check->has_open_log)
		DAMAGED(check, "STRING2", at, "a string is longer than its block");
}
