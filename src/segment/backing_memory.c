/* SPDX-License-Identifier: MIT */
/*
 * backing_memory.c - segments in memory of this process: a caller's buffer, or a private heap
 *
 * Why      The same heap, objects and containers where no sharing is wanted, in a copied
 *          image, or in memory that the caller got by means of his own. No file tells who is
 *          alive, so the opener possesses it alone: every lane found in it belonged to
 *          somebody who is gone.
 * Death    the memory's affair. A buffer that survives (a copy, a core) is opened again.
 */
#include <inttypes.h>
#include <string.h>

#include "os/map.h"
#include "segment/backing.h"

enum { BUFFER_ALIGNMENT = 64 };

static int prepare_buffer(struct durei_request *request)
{
	const struct dure_segment_options *o = &request->options;

	if (!o->buffer || (uintptr_t)o->buffer % BUFFER_ALIGNMENT)
		return durei_error(EINVAL, "options.buffer must be set, and aligned to %d",
				   BUFFER_ALIGNMENT);
	if (!o->size_bytes)
		return durei_error(EINVAL, "options.size_bytes must say how long options.buffer is");
	if ((request->flags & (DURE_CREATE | DURE_OPEN)) == (DURE_CREATE | DURE_OPEN))
		return durei_error(EINVAL, "a buffer is either made a segment or opened as one: give "
				   "DURE_CREATE or DURE_OPEN");
	return 0;
}

static int take_buffer(dure_segment *seg, const struct durei_request *request)
{
	seg->buffer = request->options.buffer;
	seg->base = seg->buffer;
	seg->mapped_bytes = request->options.size_bytes;
	return 0;
}

static int make_buffer(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	memset(request->options.buffer, 0, request->options.size_bytes);
	(void)bytes;
	return take_buffer(seg, request);
}

static int read_super(dure_segment *seg, struct dl_super *ret)
{
	if (seg->mapped_bytes < DL_SUPER_BYTES)
		return durei_error(EPROTO, "%" PRIu64 " bytes are too few to be a segment",
				   seg->mapped_bytes);
	memcpy(ret, seg->base, sizeof *ret);
	return 0;
}

static int map_buffer(dure_segment *seg)
{
	if (seg->mapped_bytes < seg->super.max_bytes)
		return durei_error(EUCLEAN, "the buffer has %" PRIu64 " bytes, the segment in it "
				   "%" PRIu64, seg->mapped_bytes, seg->super.max_bytes);
	seg->mapped_bytes = seg->super.max_bytes;	/* the tables know of no more */
	return 0;
}

static void unmap_buffer(dure_segment *seg)
{
	(void)seg;			/* the caller's */
}

static int prepare_private(struct durei_request *request)
{
	if (!(request->flags & DURE_CREATE))
		return durei_error(ENOENT, "a private segment can only be created");
	return 0;
}

static int make_private(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	void *address;
	int r = durei_map_create(-1, 0, bytes, DUREI_MAP_ANONYMOUS, &address);

	(void)request;
	if (r < 0)
		return durei_error(ENOMEM, "%" PRIu64 " bytes of address space cannot be had: %s",
				   bytes, strerror(-r));
	seg->base = address;
	seg->mapped_bytes = bytes;
	return 0;
}

static void unmap_private(dure_segment *seg)
{
	durei_map_remove(seg->base, seg->mapped_bytes);
}

static int publish_nothing(dure_segment *seg, const struct durei_request *request)
{
	(void)seg;
	(void)request;
	return 0;
}

static int find_nothing(dure_segment *seg, const struct durei_request *request)
{
	(void)seg;
	(void)request;
	return durei_error_plain(ENOENT);
}

static int reserve_nothing(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	(void)seg;
	(void)offset;
	(void)bytes;
	return 0;
}

static int release_refused(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	(void)seg;
	(void)offset;
	(void)bytes;
	return -EOPNOTSUPP;
}

static int release_private(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	return durei_map_release_private(seg->base + offset, bytes);
}

static uint64_t backed_bytes_all(dure_segment *seg)
{
	return seg->mapped_bytes;
}

static int open_no_lock_file(dure_segment *seg, bool writable)
{
	(void)seg;
	(void)writable;
	return -EOPNOTSUPP;
}

#define PROCESS (1u << DURE_LIFETIME_PROCESS)

const struct durei_backing durei_backing_buffer = {
	.kind = DURE_BACKING_BUFFER, .title = "a caller's buffer", .lifetimes = PROCESS,
	.default_lifetime = DURE_LIFETIME_PROCESS, .is_fixed = true, .prepare = prepare_buffer,
	.make = make_buffer, .publish = publish_nothing, .find = take_buffer,
	.read_super = read_super, .map = map_buffer, .unmap = unmap_buffer,
	.reserve = reserve_nothing, .release = release_refused,
	.backed_bytes = backed_bytes_all, .open_lock_file = open_no_lock_file,
	.grain_bytes = durei_grain_small,
};

const struct durei_backing durei_backing_private = {
	.kind = DURE_BACKING_PRIVATE, .title = "private memory", .lifetimes = PROCESS,
	.default_lifetime = DURE_LIFETIME_PROCESS, .is_sparse = true, .grows = true,
	.prepare = prepare_private, .make = make_private, .publish = publish_nothing,
	.find = find_nothing, .read_super = read_super, .map = map_buffer,
	.unmap = unmap_private, .reserve = reserve_nothing, .release = release_private,
	.backed_bytes = backed_bytes_all, .open_lock_file = open_no_lock_file,
	.grain_bytes = durei_grain_small,
};
