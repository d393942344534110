/* SPDX-License-Identifier: MIT */
/*
 * place.c - is this address a lock of that kind?
 *
 * Why      Callers hand in addresses; a wrong one must not become a word that is changed.
 */
#include "lock/place.h"

static bool is_inside(dure_segment *seg, const void *lock, uint64_t bytes)
{
	uint64_t offset = durei_offset(seg, lock);

	return offset % 8 == 0 && offset >= seg->super.data_offset &&
	       durei_bytes_are_backed(seg, offset, bytes);
}

int durei_place_check(dure_segment *seg, const void *lock, uint64_t bytes)
{
	int r = durei_handle_check_write(seg);

	if (r < 0 || is_inside(seg, lock, bytes))
		return r;
	return durei_error(EINVAL, "segment %s: %p is not inside it, or not aligned to 8",
			   seg->super.name, lock);
}

bool durei_place_refuse(dure_segment *seg, const void *lock, uint64_t bytes, const char *what)
{
	if (is_inside(seg, lock, bytes))
		durei_error(EINVAL, "segment %s: the bytes at +%#llx are no %s", seg->super.name,
			    (unsigned long long)durei_offset(seg, lock), what);
	else
		durei_error(EINVAL, "segment %s: %p is no %s in it", seg->super.name, lock, what);
	return false;
}
