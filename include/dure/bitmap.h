/* SPDX-License-Identifier: MIT */
/*
 * dure/bitmap.h - a bitmap in a segment: bits, numbered from 0
 *
 * Sets of small numbers, and numbers that are given out and come back: dure_bitmap_allocate. Safe
 * among processes by itself: who changes the bitmap locks it for the moment (or to the end of his
 * transaction), who reads it locks nothing, but waits for the end of a transaction that is
 * changing it. Each operation is crash-atomic. Inside a transaction of the calling thread changes
 * are part of it, and nobody else sees them before its commit.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_BITMAP_H
#define DURE_BITMAP_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_bitmap dure_bitmap;

/*
 * dure_bitmap_open - make a bitmap by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. A new one has no bits: dure_bitmap_resize.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object) -ENOSPC -ENOMEM
 *          -EUCLEAN -EROFS -ESTALE
 * Death    the bitmap exists, with its name, or nothing of it does.
 */
DURE_API int dure_bitmap_open(dure_segment *segment, const char *name, uint32_t flags,
			      dure_bitmap **ret);

/* dure_bitmap_open_at - a bitmap without a name: dure/container.h. Returns as open; -EEXIST (*at is
   not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_bitmap_open_at(dure_segment *segment, dure_ref *at, uint32_t flags,
				 dure_bitmap **ret);

/* dure_bitmap_close - forget this process' handle; the bitmap stays. NULL is allowed */
DURE_API void dure_bitmap_close(dure_bitmap *bitmap);

/*
 * dure_bitmap_destroy - free the bitmap and its name
 *
 * Nobody uses it any more.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    all of it is there, or nothing.
 */
DURE_API int dure_bitmap_destroy(dure_segment *segment, const char *name);

/*
 * dure_bitmap_resize - cut the end off, or append clear bits
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    the old number of bits or the new one.
 */
DURE_API int dure_bitmap_resize(dure_bitmap *bitmap, uint64_t bits);

/* dure_bitmap_size - how many bits there are, set or clear; that of an open transaction counts */
DURE_API uint64_t dure_bitmap_size(const dure_bitmap *bitmap);

/*
 * dure_bitmap_set - set a bit
 *
 * Returns  1 when it was clear, 0 when it was set already; -EINVAL (there is none of that number)
 *          -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is set, or as before.
 */
DURE_API int dure_bitmap_set(dure_bitmap *bitmap, uint64_t bit);

/* dure_bitmap_clear - clear a bit. Returns 1 when it was set, 0 when it was clear already;
   otherwise as set */
DURE_API int dure_bitmap_clear(dure_bitmap *bitmap, uint64_t bit);

/* dure_bitmap_set_range - set count bits from first on, all in one step. Returns 0; otherwise as
   set */
DURE_API int dure_bitmap_set_range(dure_bitmap *bitmap, uint64_t first, uint64_t count);

/* dure_bitmap_clear_range - clear them. Returns as set_range */
DURE_API int dure_bitmap_clear_range(dure_bitmap *bitmap, uint64_t first, uint64_t count);

/*
 * dure_bitmap_allocate - set the first bit that is clear, from `from` on, or else from 0 on
 *
 * Of all who call it, in whatever process, only one gets a bit, until it is cleared.
 *
 * Returns  0; -ENOENT (all are set), otherwise as set
 * Death    the bit is set, or as before.
 */
DURE_API int dure_bitmap_allocate(dure_bitmap *bitmap, uint64_t from, uint64_t *ret_bit);

/*
 * dure_bitmap_test - is a bit set
 *
 * Returns  1, 0; -EINVAL (there is none of that number) -EUCLEAN -ESTALE, and while a transaction
 *          changes the bitmap -EDEADLK, or -EAGAIN (a read-only segment: nothing to wait with)
 */
DURE_API int dure_bitmap_test(dure_bitmap *bitmap, uint64_t bit);

/* dure_bitmap_find_set - the first set bit from `from` on. Returns 0; -ENOENT (there is none),
   otherwise as test */
DURE_API int dure_bitmap_find_set(dure_bitmap *bitmap, uint64_t from, uint64_t *ret_bit);

/* dure_bitmap_find_clear - the first clear one. Returns as find_set */
DURE_API int dure_bitmap_find_clear(dure_bitmap *bitmap, uint64_t from, uint64_t *ret_bit);

/* dure_bitmap_count - how many of count bits from first on are set, at one moment; those behind
   the end count as clear. Returns 0; otherwise as test */
DURE_API int dure_bitmap_count(dure_bitmap *bitmap, uint64_t first, uint64_t count,
			       uint64_t *ret_set);

DURE_END

#endif
