/* SPDX-License-Identifier: MIT */
/*
 * dure/block.h - the heap of a segment
 *
 *	reserve		a block that only this process knows. If the process dies, it is free.
 *	publish		link it from a place others can reach; or keep: make it live without a
 *			link. From then on it stays until it is freed, by any process.
 *	cancel		give a reserved block back.
 *	free		give a published (or reserved) block back.
 *
 * Nothing leaks: a block that nobody could reach does not outlive its creator. Where a block is
 * linked or unlinked, linking and the change of the block's state are one step.
 *
 * A place that publish, alloc, replace or free_from writes must be guarded by a lock which the
 * calling thread holds, or be written by this process alone: an heir may finish the store.
 * Inside a transaction of the same thread these calls are part of it.
 *
 * Common to all functions here: Threads: any; a block may be published, cancelled or freed by
 * another thread or (once published) process than reserved it. Signals: not from a handler.
 * Fork: a child has none of its parent's reserved blocks.
 */
#ifndef DURE_BLOCK_H
#define DURE_BLOCK_H

#include <dure/ref.h>

DURE_BEGIN

/*
 * dure_block_reserve - a block of at least bytes, known to this process only
 *
 * align is a power of two up to 4096; 0 and anything up to 16 give 16. The contents are
 * undefined. bytes 0 is taken for 1.
 *
 * Returns  0; -ENOSPC (the sentence tells what would help) -EINVAL (align) -EROFS -ESTALE
 * Death    the block is free.
 */
DURE_API int dure_block_reserve(dure_segment *segment, size_t bytes, size_t align, void **ret);

/* dure_block_reserve_many - count blocks of one size, all or none. Returns as reserve */
DURE_API int dure_block_reserve_many(dure_segment *segment, size_t bytes, size_t align,
				     size_t count, void **ret);

/*
 * dure_block_publish - link a reserved block, in one step
 *
 * *place becomes the reference to it, and the block everybody's.
 *
 * Returns  0; -EINVAL (no reserved block, or place is outside) -EROFS -ESTALE
 * Death    both, or neither: then the block is free.
 */
DURE_API int dure_block_publish(dure_segment *segment, void *block, dure_ref *place);

/*
 * dure_block_keep - make a reserved block everybody's without a link
 *
 * The caller sees to it that it will be found again. Returns 0; -EINVAL -EROFS -ESTALE
 */
DURE_API int dure_block_keep(dure_segment *segment, void *block);

/* dure_block_cancel - give a reserved block back. Returns 0; -EINVAL -EROFS -ESTALE */
DURE_API int dure_block_cancel(dure_segment *segment, void *block);

/* dure_block_alloc - reserve, fill with zeros and publish. Returns as those */
DURE_API int dure_block_alloc(dure_segment *segment, size_t bytes, size_t align,
			      dure_ref *place);

/*
 * dure_block_free - give a block back, published or reserved by this process
 *
 * NULL is allowed. The caller has unlinked it; free_from does both in one step.
 *
 * Returns  0; -EINVAL (outside, no block's start, or free already) -EAGAIN (another thread has
 *          been resizing it for a second) -EROFS -ESTALE
 */
DURE_API int dure_block_free(dure_segment *segment, void *block);

/* dure_block_free_from - clear *place and free what it meant, in one step.
   Returns 0 (also for an empty place); -EINVAL -EUCLEAN (it means no block) -EROFS -ESTALE */
DURE_API int dure_block_free_from(dure_segment *segment, dure_ref *place);

/* dure_block_replace - link a reserved block and free what *place meant before, in one step.
   Returns 0; -EINVAL -EUCLEAN -EROFS -ESTALE */
DURE_API int dure_block_replace(dure_segment *segment, void *block, dure_ref *place);

/*
 * dure_block_resize - make a block larger or smaller where it is
 *
 * ret_bytes (may be NULL) gets the usable size afterwards.
 *
 * Returns  0; -ENOSPC (the room behind it is taken: it stays as it was) -EINVAL -EAGAIN (as
 *          free) -EROFS -ESTALE
 * Death    the old size or the new one.
 */
DURE_API int dure_block_resize(dure_segment *segment, void *block, size_t bytes,
			       size_t *ret_bytes);

/* dure_block_size - usable bytes of a block. Returns 0; -EINVAL (no block's start) -ESTALE */
DURE_API int dure_block_size(dure_segment *segment, const void *block, size_t *ret_bytes);

struct dure_heap_class {
	uint64_t block_bytes;
	uint64_t pages;
	uint64_t live, reserved, free;	/* blocks */
};

struct dure_heap_info {
	size_t sz;
	uint64_t capacity_bytes;	/* of all pages */
	uint64_t backed_bytes;		/* of pages with storage */
	uint64_t used_bytes;		/* of pages with something in them */
	uint64_t live_bytes, live_blocks;
	uint64_t reserved_bytes, reserved_blocks;
	uint64_t free_bytes;		/* that reserve could hand out, without growing */
	uint64_t largest_bytes;		/* the largest reserve that would succeed */
	uint64_t high_water_bytes;	/* the most used_bytes ever was */
	uint64_t own_bytes;		/* pages this process' threads own */
	uint64_t class_count;
	struct dure_heap_class classes[96];
};

/*
 * dure_heap_info - what the heap holds; a walk over all pages, exact when nobody changes it
 * Returns  0; -EINVAL -ESTALE -EUCLEAN (a page contradicts itself)
 */
DURE_API int dure_heap_info(dure_segment *segment, struct dure_heap_info *info);

DURE_END

#endif
