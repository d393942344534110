/* SPDX-License-Identifier: MIT */
/*
 * find.c - what an address in a segment means
 *
 * Why      Callers hand in addresses, references come out of shared memory: both may be wrong.
 *          Whether a block begins somewhere is answered from page words and states alone.
 * Rules    [FIND1] nothing outside the backed part is read, whatever the words say
 * Death    nothing is changed.
 */
#include <dure/block.h>

#include <inttypes.h>

#include "heap/heap.h"

/* The head of the run that page belongs to: itself, unless it is a tail. */
static bool find_head(dure_segment *seg, uint64_t page, uint64_t *ret_page, uint64_t *ret_word)
{
	uint64_t limit = durei_page_limit(seg), word;

	if (page < durei_first_page(seg) || page >= limit)
		return false;
	word = cell64_load_acq(&seg->pages[page]);
	if (dl_page_kind(word) == DL_PAGE_TAIL) {
		uint64_t distance = dl_page_count(word);
		if (distance == 0 || distance > page - durei_first_page(seg))
			return false;
		page -= distance;
		word = cell64_load_acq(&seg->pages[page]);
	}
	*ret_page = page;
	*ret_word = word;
	return true;
}

struct cell8 *durei_states_of(dure_segment *seg, uint64_t page, unsigned class)
{
	return durei_at(seg, (page << seg->page_shift) +
				     dl_states_offset(&seg->classes[class], page));
}

static bool small_block(dure_segment *seg, uint64_t offset, struct durei_block *block)
{
	unsigned class = dl_page_class(block->word);
	uint64_t start = block->page << seg->page_shift, in = offset - start;
	const struct dl_class_shape *shape;

	if (class >= seg->class_count)
		return false;
	shape = &seg->classes[class];
	if (in >= (uint64_t)shape->page_count << seg->page_shift)
		return false;
	block->index = in * shape->reciprocal >> DL_RECIPROCAL_SHIFT;
	if (block->index >= shape->block_count || block->index * shape->block_bytes != in ||
	    !durei_bytes_are_backed(seg, start, (uint64_t)shape->page_count << seg->page_shift))
		return false;
	block->bytes = shape->block_bytes;
	block->state = durei_states_of(seg, block->page, class) + block->index;
	uint8_t state = cell8_load_acq(block->state);
	block->is_live = state == DL_BLOCK_LIVE;
	block->is_reserved = state == DL_BLOCK_RESERVED;
	return true;
}

static bool run_block(dure_segment *seg, uint64_t offset, struct durei_block *block)
{
	enum dl_page_kind kind = dl_page_kind(block->word);
	uint64_t count = dl_page_count(block->word), limit = durei_page_limit(seg);

	if (offset != block->page << seg->page_shift || count == 0 || count > limit - block->page)
		return false;
	block->bytes = count << seg->page_shift;
	block->state = NULL;
	block->index = 0;
	block->is_live = (kind == DL_PAGE_RUN_LIVE && dl_page_class(block->word) == 0) ||
			 kind == DL_PAGE_RUN_GROWING || kind == DL_PAGE_RUN_SHRINKING;
	block->is_reserved = kind == DL_PAGE_RUN_RESERVED && dl_page_class(block->word) == 0;
	return true;
}

bool durei_block_at(dure_segment *seg, uint64_t offset, struct durei_block *ret)
{
	if (!find_head(seg, offset >> seg->page_shift, &ret->page, &ret->word))
		return false;
	switch (dl_page_kind(ret->word)) {
	case DL_PAGE_OWNED:
	case DL_PAGE_LOOSE:
		return small_block(seg, offset, ret);
	case DL_PAGE_RUN_RESERVED:
	case DL_PAGE_RUN_LIVE:
	case DL_PAGE_RUN_GROWING:
	case DL_PAGE_RUN_SHRINKING:
		return run_block(seg, offset, ret);
	case DL_PAGE_HOLE:
	case DL_PAGE_FREE:
	case DL_PAGE_META:
	case DL_PAGE_CLAIMED:
	case DL_PAGE_TAIL:
	case DL_PAGE_RUN_CLAIMED:
	case DL_PAGE_RUN_FREEING:
	case DL_PAGE_KIND_COUNT:
		break;
	}
	return false;
}

bool durei_block_start(dure_segment *seg, uint64_t offset, uint64_t *ret_start)
{
	uint64_t page, word, start, in;

	if (!find_head(seg, offset >> seg->page_shift, &page, &word))
		return false;
	start = page << seg->page_shift;
	in = offset - start;
	if (dl_page_kind(word) == DL_PAGE_OWNED || dl_page_kind(word) == DL_PAGE_LOOSE) {
		unsigned class = dl_page_class(word);
		if (class >= seg->class_count)
			return false;
		const struct dl_class_shape *shape = &seg->classes[class];
		if (in >= (uint64_t)shape->block_bytes * shape->block_count)
			return false;
		start += in / shape->block_bytes * shape->block_bytes;
	}
	*ret_start = start;
	return true;
}

int durei_not_a_block(dure_segment *seg, const void *address, const char *what)
{
	uint64_t offset = durei_offset(seg, address);
	struct durei_block block;

	if (offset >= seg->mapped_bytes)
		return durei_error(EINVAL, "%s: %p lies outside segment %s", what, address,
				   seg->super.name);
	if (!durei_block_at(seg, offset, &block))
		return durei_error(EINVAL, "%s: no block begins at +%#" PRIx64 " of segment %s", what,
				   offset, seg->super.name);
	if (block.is_live)
		return durei_error(EINVAL, "%s: the block at +%#" PRIx64 " of segment %s is published "
				   "already", what, offset, seg->super.name);
	return durei_error(EINVAL, "%s: the block at +%#" PRIx64 " of segment %s is free: freed "
			   "twice, or its creator died", what, offset, seg->super.name);
}

/* -- for programs ------------------------------------------------------------------------ */

int dure_block_size(dure_segment *segment, const void *block, size_t *ret_bytes)
{
	struct durei_block found;
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	if (!durei_block_at(segment, durei_offset(segment, block), &found) ||
	    !(found.is_live || found.is_reserved))
		return durei_not_a_block(segment, block, "dure_block_size");
	*ret_bytes = (size_t)found.bytes;
	return 0;
}

dure_ref dure_ref_of(dure_segment *segment, const void *address)
{
	dure_ref nothing = { 0 };
	uint64_t offset = durei_offset(segment, address);

	return address && offset < segment->mapped_bytes ? (dure_ref){ offset } : nothing;
}

void *dure_ref_get(dure_segment *segment, dure_ref ref, size_t bytes)
{
	if (__builtin_expect(ref.offset >= segment->super.data_offset &&
				     durei_bytes_are_backed(segment, ref.offset, bytes), 1))
		return durei_at(segment, ref.offset);
	if (ref.offset)
		durei_error(EUCLEAN, "segment %s: %zu bytes at +%#llx are not data in it",
			    segment->super.name, bytes, (unsigned long long)ref.offset);
	return NULL;
}
