/* SPDX-License-Identifier: MIT */
/*
 * array.h - numbered places of one size, in chunks that never move
 *
 * Also: chunks alone, that is blocks which a container's word leads to.
 */
#ifndef DUREI_CONTAINER_ARRAY_H
#define DUREI_CONTAINER_ARRAY_H

#include "container/element.h"
#include "container/guard.h"
#include "layout/array.h"

/* -- chunks ------------------------------------------------------------------------------ */

/* The chunk of so many bytes that a word leads to. NULL: to none, or not into the segment. */
static inline unsigned char *durei_chunk_at(const dure_segment *seg, const struct cell64 *link,
					    uint64_t bytes)
{
	uint64_t offset = cell64_load_acq(link);

	if (__builtin_expect(offset < seg->super.data_offset || offset % 16 ||
				     !durei_bytes_are_backed((dure_segment *)(uintptr_t)seg, offset,
							     bytes), 0))
		return NULL;
	return durei_at(seg, offset);
}

/*
 * Under the guard: the word leads to a reserved block in place of an old one (0: none), which goes.
 * When that fails the new one goes.
 */
int durei_chunk_link(struct durei_guard *guard, struct cell64 *link, uint64_t offset, uint64_t old);
/* Under the guard: a new chunk, its bytes undefined, for a word that leads to none. -ENOSPC */
int durei_chunk_add(struct durei_guard *guard, struct cell64 *link, uint64_t bytes,
		    uint64_t align);
/* In the open log: the word leads to none any more. */
int durei_chunk_drop(struct durei_lane *lane, struct cell64 *link);

/* -- arrays ------------------------------------------------------------------------------ */

enum { DUREI_ARRAY_BITS_MAX = 46 };	/* of a place's number: no segment has more bytes */

/* An array as this process has checked it. */
struct durei_array {
	dure_segment *seg;
	struct dl_array *shared;
	uint64_t place_bytes;
	uint32_t first_bits;
	uint32_t align;
	const struct durei_elements *owner;
};

/* For options and constructors: the bits of a count of places that are to lie in a row; -EINVAL.
   count 0: about 512 bytes of them */
int durei_array_plan(uint64_t count, uint64_t place_bytes, uint32_t *ret_first_bits);

/* 0; -EUCLEAN. owner stays with it. */
int durei_array_bind(struct durei_array *ret, struct dl_array *shared, uint64_t place_bytes,
		     uint32_t align, const struct durei_elements *owner);

int durei_array_damaged(const struct durei_array *array);

/* 0: it would not fit any segment */
static inline uint64_t durei_array_chunk_bytes(const struct durei_array *a, unsigned chunk)
{
	unsigned bits = a->first_bits + chunk;

	if (chunk >= DL_ARRAY_CHUNKS || bits > DUREI_ARRAY_BITS_MAX ||
	    a->place_bytes > DL_BYTES_MAX >> bits)
		return 0;
	return a->place_bytes << bits;
}

/* A place, and how many lie in a row from there. NULL: there is no chunk. */
static inline unsigned char *durei_array_at(const struct durei_array *a, uint64_t index,
					    uint64_t *ret_room)
{
	unsigned chunk;
	unsigned char *start;
	uint64_t bytes, in;

	if (__builtin_expect(index >> DUREI_ARRAY_BITS_MAX != 0, 0))
		return NULL;
	chunk = dl_array_chunk(index, a->first_bits);
	in = index - dl_array_chunk_start(chunk, a->first_bits);
	bytes = durei_array_chunk_bytes(a, chunk);
	if (__builtin_expect(!bytes, 0))
		return NULL;
	start = durei_chunk_at(a->seg, &a->shared->chunks[chunk], bytes);
	if (__builtin_expect(!start, 0))
		return NULL;
	*ret_room = (UINT64_C(1) << (a->first_bits + chunk)) - in;
	return start + in * a->place_bytes;
}

/* Under the guard: room for places first to first + count - 1. -ENOSPC -EUCLEAN */
int durei_array_make_room(const struct durei_array *array, struct durei_guard *guard,
			  uint64_t first, uint64_t count);

/* Between guard begin and end: frees the chunks that the first count places do not need. */
int durei_array_trim(const struct durei_array *array, struct durei_guard *guard, uint64_t count);

/*
 * Under the guard, into places that nobody reads yet, and which are there: the same bytes as in
 * from; NULL: zeros. In a transaction they may be read again if it is undone: their bytes are
 * remembered, between guard begin and end.
 */
int durei_array_fill(const struct durei_array *array, struct durei_guard *guard, uint64_t first,
		     const void *from, uint64_t count);

/* In a destructor: all chunks. */
int durei_array_free(dure_tx *tx, struct dl_array *shared);

#endif
