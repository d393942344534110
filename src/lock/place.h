/* SPDX-License-Identifier: MIT */
/*
 * place.h - is this address a lock of that kind?
 */
#ifndef DUREI_LOCK_PLACE_H
#define DUREI_LOCK_PLACE_H

#include "segment/lane.h"

/* Memory in the segment that can become a lock. 0, -EINVAL -EROFS -ESTALE */
int durei_place_check(dure_segment *seg, const void *lock, uint64_t bytes);

/* Says why it is none; false. */
bool durei_place_refuse(dure_segment *seg, const void *lock, uint64_t bytes, const char *what)
	__attribute__((cold));

/* Where a lock says its kind: an address, which may be of no lock at all. */
#define DUREI_KIND_OF(lock)                                                                       \
	((const uint32_t *)((uintptr_t)(lock) + offsetof(__typeof__(*(lock)), kind)))

/*
 * A lock in use, whose kind stands at `kind` in it: this one, or 0. what: for the sentence.
 * False: the sentence is said.
 */
static inline bool durei_place_is(dure_segment *seg, const void *lock, uint64_t bytes,
				  const uint32_t *kind, uint32_t expected, const char *what)
{
	uint64_t offset = durei_offset(seg, lock);

	return (__builtin_expect(offset % 8 == 0 && offset >= seg->super.data_offset, 1) &&
		durei_bytes_are_backed(seg, offset, bytes) && (*kind == expected || *kind == 0)) ||
	       durei_place_refuse(seg, lock, bytes, what);
}

#endif
