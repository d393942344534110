/* SPDX-License-Identifier: MIT */
/*
 * info.c - what the heap holds
 *
 * Why      Counters that every allocation keeps up would cost every allocation. The tables hold
 *          all the answers; who asks pays for the walk.
 * Death    nothing is changed.
 */
#include <dure/block.h>

#include "base/options.h"
#include "heap/heap.h"

struct walk {
	dure_segment *seg;
	struct dure_heap_info info;
	uint64_t stretch, longest;	/* of pages that are free, or become so on demand */
	uint64_t largest_free_block;	/* in pages already there */
};

/* A loose page without a block in use: whoever needs pages takes it (claim.c). */
static bool is_reclaimable(struct walk *w, uint64_t page, uint64_t word)
{
	unsigned class = dl_page_class(word);
	const struct cell8 *states = durei_states_of(w->seg, page, class);

	if (dl_page_kind(word) != DL_PAGE_LOOSE)
		return false;
	for (unsigned i = 0; i < w->seg->classes[class].block_count; i++) {
		uint8_t state = cell8_load_rlx(&states[i]);
		if (state != DL_BLOCK_FREE && state != DL_BLOCK_FREED &&
		    state != DL_BLOCK_UNLINKED)
			return false;
	}
	return true;
}

static void count_states(struct walk *w, uint64_t page, unsigned class)
{
	const struct dl_class_shape *shape = &w->seg->classes[class];
	const struct cell8 *states = durei_states_of(w->seg, page, class);
	struct dure_heap_class *sums = &w->info.classes[class];

	sums->block_bytes = shape->block_bytes;
	sums->pages += shape->page_count;
	for (unsigned i = 0; i < shape->block_count; i++)
		switch (cell8_load_rlx(&states[i])) {
		case DL_BLOCK_LIVE:
		case DL_BLOCK_DOOMED:
			sums->live++;
			break;
		case DL_BLOCK_RESERVED:
			sums->reserved++;
			break;
		default:
			sums->free++;
			w->largest_free_block = max_u64(w->largest_free_block, shape->block_bytes);
		}
}

static uint64_t count_run(struct walk *w, uint64_t word)
{
	uint64_t count = max_u64(dl_page_count(word), 1);

	if (dl_page_kind(word) == DL_PAGE_RUN_RESERVED) {
		w->info.reserved_blocks++;
		w->info.reserved_bytes += count << w->seg->page_shift;
	} else if (dl_page_kind(word) != DL_PAGE_RUN_CLAIMED &&
		   dl_page_kind(word) != DL_PAGE_RUN_FREEING) {
		w->info.live_blocks++;
		w->info.live_bytes += count << w->seg->page_shift;
	}
	return count;
}

static void end_stretch(struct walk *w)
{
	w->longest = max_u64(w->longest, w->stretch);
	w->stretch = 0;
}

static bool is_of_this_process(dure_segment *seg, uint64_t word)
{
	uint16_t lane = dl_page_lane(word);

	return lane && lane < durei_lane_end(seg) && dl_page_kind(word) == DL_PAGE_OWNED &&
	       durei_status_slot(cell64_load_rlx(&seg->lane_status[lane])) == seg->slot;
}

/* Pages that belong together; 0: the table contradicts itself. */
static uint64_t count_page(struct walk *w, uint64_t page, uint64_t limit)
{
	dure_segment *seg = w->seg;
	uint64_t word = cell64_load_acq(&seg->pages[page]), count = 1;
	uint64_t page_bytes = durei_page_bytes_of(seg);

	switch (dl_page_kind(word)) {
	case DL_PAGE_HOLE:
		w->stretch++;
		return 1;
	case DL_PAGE_FREE:
		w->stretch++;
		w->info.backed_bytes += page_bytes;
		return 1;
	case DL_PAGE_OWNED:
	case DL_PAGE_LOOSE:
		if (dl_page_class(word) >= seg->class_count)
			return 0;
		count = seg->classes[dl_page_class(word)].page_count;
		if (count > limit - page ||
		    !durei_bytes_are_backed(seg, page << seg->page_shift, count << seg->page_shift))
			return 0;
		if (is_reclaimable(w, page, word)) {
			w->stretch += count;
			w->info.backed_bytes += count * page_bytes;
			return count;
		}
		count_states(w, page, dl_page_class(word));
		if (is_of_this_process(seg, word))
			w->info.own_bytes += count << seg->page_shift;
		break;
	case DL_PAGE_RUN_CLAIMED:
	case DL_PAGE_RUN_RESERVED:
	case DL_PAGE_RUN_LIVE:
	case DL_PAGE_RUN_GROWING:
	case DL_PAGE_RUN_SHRINKING:
	case DL_PAGE_RUN_FREEING:
		count = count_run(w, word);
		if (count > limit - page)
			return 0;
		break;
	case DL_PAGE_META:
	case DL_PAGE_CLAIMED:
	case DL_PAGE_TAIL:
	case DL_PAGE_KIND_COUNT:
		break;
	}
	end_stretch(w);
	w->info.backed_bytes += count * page_bytes;
	w->info.used_bytes += count * page_bytes;
	return count;
}

static void sum_up(struct walk *w)
{
	struct dure_heap_info *info = &w->info;
	uint64_t page_bytes = durei_page_bytes_of(w->seg), free_in_pages = 0;

	for (unsigned class = 0; class < w->seg->class_count; class++) {
		const struct dure_heap_class *c = &info->classes[class];
		info->live_blocks += c->live;
		info->live_bytes += c->live * c->block_bytes;
		info->reserved_blocks += c->reserved;
		info->reserved_bytes += c->reserved * c->block_bytes;
		free_in_pages += c->free * c->block_bytes;
	}
	info->free_bytes = info->capacity_bytes - info->used_bytes + free_in_pages;
	info->largest_bytes = max_u64(w->longest * page_bytes, w->largest_free_block);
	info->high_water_bytes =
		max_u64(info->used_bytes,
			min_u64(cell64_load_rlx(&w->seg->state->pages_high_water) * page_bytes,
				info->capacity_bytes));
	info->class_count = w->seg->class_count;
}

int dure_heap_info(dure_segment *segment, struct dure_heap_info *info)
{
	int r = durei_handle_check(segment);
	struct walk w = { .seg = segment };

	if (r < 0)
		return r;
	uint64_t limit = durei_page_limit(segment), first = durei_first_page(segment);
	w.info.capacity_bytes = (limit - first) << segment->page_shift;
	for (uint64_t page = first; page < limit;) {
		uint64_t count = count_page(&w, page, limit);
		if (count == 0)
			return durei_error(EUCLEAN, "segment %s: page %llu contradicts itself: run dure "
					   "check", segment->super.name, (unsigned long long)page);
		page += count;
	}
	end_stretch(&w);
	sum_up(&w);
	return durei_options_write(info, &w.info, sizeof w.info, sizeof w.info);
}
