/* SPDX-License-Identifier: MIT */
/*
 * handle.c - what one process knows of a segment it has open: made, checked, freed
 */
#include "segment/handle.h"

#include <stdlib.h>

#include "os/file.h"
#include "os/map.h"
#include "os/self.h"
#include "segment/backing.h"

static size_t handle_bytes(void)
{
	return align_up(sizeof(struct dure_segment), durei_page_bytes());
}

int durei_handle_new(enum durei_access access, const struct durei_backing *backing,
		     dure_segment **ret)
{
	size_t bytes = handle_bytes(), page = durei_page_bytes();
	void *memory;
	int r = durei_map_create(-1, 0, bytes + page, DUREI_MAP_ANONYMOUS, &memory);

	if (r < 0)
		return durei_error(ENOMEM, "no private memory for a segment's handle");
	r = durei_map_wipe_on_fork((char *)memory + bytes, page);
	if (r < 0) {
		durei_map_remove(memory, bytes + page);
		return durei_error(EOPNOTSUPP, "the kernel has no MADV_WIPEONFORK (Linux 4.14)");
	}
	dure_segment *seg = memory;
	uint32_t *alive = (uint32_t *)(void *)((char *)memory + bytes);
	*alive = 1;
	seg->magic = DUREI_SEGMENT_MAGIC;
	seg->access = access;
	seg->alive = alive;
	seg->references = 1;
	seg->backing = backing;
	seg->fd = -1;
	seg->sysv_id = -1;
	pthread_mutex_init(&seg->lanes_lock, NULL);
	*ret = seg;
	return 0;
}

static void free_orderings(struct durei_ordering *o)
{
	while (o) {
		struct durei_ordering *next = o->next;
		free(o);
		o = next;
	}
}

void durei_handle_free(dure_segment *seg)
{
	if (seg->base)
		seg->backing->unmap(seg);
	durei_file_close(seg->fd);
	free(seg->path);
	free_orderings(seg->orderings);
	pthread_mutex_destroy(&seg->lanes_lock);
	seg->magic = 0;
	durei_map_remove(seg, handle_bytes() + durei_page_bytes());
}

int durei_handle_check(const dure_segment *seg)
{
	if (!seg || seg->magic != DUREI_SEGMENT_MAGIC)
		return durei_error(EINVAL, "not an open segment (NULL, or closed)");
	if (*(const volatile uint32_t *)seg->alive != 1)
		return durei_error(ESTALE, "segment %s: this handle was inherited through fork: call "
				   "dure_segment_reattach, or open the segment anew",
				   seg->super.name);
	if (seg->is_closed)
		return durei_error(ESTALE, "segment %s was closed by another thread",
				   seg->super.name);
	return 0;
}

int durei_handle_check_write(const dure_segment *seg)
{
	int r = durei_handle_check(seg);

	if (r < 0)
		return r;
	if (seg->access == DUREI_ACCESS_READ || seg->is_protected)
		return durei_error(EROFS, "segment %s is open for reading only", seg->super.name);
	return 0;
}

bool durei_bytes_are_backed_now(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	uint64_t end, backed;

	if (!add_fits(offset, bytes, &end) || end > seg->mapped_bytes)
		return false;
	/* others may have grown it since we looked */
	backed = seg->backing->backed_bytes(seg);
	__atomic_store_n(&seg->backed_bytes, backed, __ATOMIC_RELAXED);
	return end <= backed;
}
