/* SPDX-License-Identifier: MIT */
/*
 * grow.c - more memory, less memory, and how it is kept
 *
 * Why      The whole of max_bytes is mapped from the start; only backed pages are used. So
 *          growing is raising one word, after its page table is backed, and nobody maps
 *          anything anew. Backing a page is the heap's business, page by page, as it goes:
 *          a page word says HOLE until storage has been reserved for it.
 * Rules    [GROW1] the page words below limit_bytes are backed before limit_bytes says so
 *          [GROW2] a page loses its storage only while this lane has CLAIMED it
 *          [GROW3] a CLAIMED page of a dead lane may have lost its storage: it becomes HOLE
 * Death    trimming, after step    is left behind              who mends it
 *          1 CLAIMED               a claimed page              recovery: HOLE
 *          2 storage released      the same                    the same
 *          3 HOLE                  nothing                     -
 *          reserving pages is the same, with storage reserved in 2 and FREE in 3.
 */
#include "segment/grow.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "os/map.h"
#include "segment/backing.h"
#include "segment/gate.h"

enum { BATCH_PAGES = 256 };		/* pages claimed at a time, between looks at the gate */

void durei_busy_begin(struct durei_lane *lane)
{
	struct cell32 *busy = &lane->shared->busy;
	uint32_t depth = cell32_load_rlx(busy);		/* only this thread writes it */

	cell32_store_rel(busy, depth + 1);		/* G1: shown, then look */
	while (depth == 0 && lane->held_count == 0 && lane->tx.depth == 0 &&
	       durei_gate_is_shut(lane)) {
		cell32_store_rel(busy, 0);
		durei_gate_wait(lane);
		cell32_store_rel(busy, 1);
	}
}

void durei_busy_end(struct durei_lane *lane)
{
	struct cell32 *busy = &lane->shared->busy;

	cell32_store_rel(busy, cell32_load_rlx(busy) - 1);
}

void durei_claims_mark(struct durei_lane *lane, uint64_t page, uint64_t count)
{
	uint64_t first = page >> lane->seg->claim_shift;
	uint64_t last = (page + count - 1) >> lane->seg->claim_shift;

	for (uint64_t bit = first; bit <= last && bit < DL_CLAIM_WORDS * 64; bit++) {
		struct cell64 *word = &lane->shared->claims[bit / 64];
		uint64_t have = cell64_load_rlx(word), mask = UINT64_C(1) << bit % 64;
		if (!(have & mask))
			cell64_store_rel(word, have | mask);
	}
}

int durei_grow_to(dure_segment *seg, uint64_t limit_bytes)
{
	uint64_t old = cell64_load_acq(&seg->state->limit_bytes);

	if (limit_bytes > seg->super.max_bytes)
		return durei_error(EFBIG, "segment %s: %" PRIu64 " bytes are more than its maximum "
				   "%" PRIu64, seg->super.name, limit_bytes, seg->super.max_bytes);
	if (limit_bytes <= old)
		return 0;
	uint64_t first = (old >> seg->page_shift) * 8;
	uint64_t end = (limit_bytes >> seg->page_shift) * 8;
	int r = seg->backing->reserve(seg, seg->super.pages_offset + first, end - first);
	if (r < 0)
		return durei_no_space(seg, -r, end - first);
	cell64_raise(&seg->state->limit_bytes, limit_bytes);
	return 0;
}

int dure_segment_grow(dure_segment *segment, uint64_t size_bytes)
{
	uint64_t page;
	int r = durei_handle_check_write(segment);

	if (r < 0)
		return r;
	page = durei_page_bytes_of(segment);
	if (size_bytes > segment->super.max_bytes - segment->super.data_offset)
		return durei_error(EFBIG, "segment %s can have at most %" PRIu64 " bytes of data: "
				   "create it with a larger max_bytes", segment->super.name,
				   segment->super.max_bytes - segment->super.data_offset);
	return durei_grow_to(segment, segment->super.data_offset + align_up(size_bytes, page));
}

/* -- pages to holes and back ------------------------------------------------------------- */

/* Claims up to count neighbours of one kind, beginning at page. */
static uint64_t claim_batch(struct durei_lane *lane, uint64_t page, uint64_t count,
			    enum dl_page_kind kind)
{
	uint64_t claimed = dl_page_blocks(DL_PAGE_CLAIMED, 0, lane->id), got = 0;

	durei_claims_mark(lane, page, count);
	for (; got < count; got++) {
		uint64_t expected = kind;
		if (!cell64_cas(&lane->seg->pages[page + got], &expected, claimed))
			break;
	}
	return got;
}

static void settle_batch(dure_segment *seg, uint64_t page, uint64_t count, enum dl_page_kind kind)
{
	uint8_t hint = kind == DL_PAGE_HOLE ? DL_GROUP_MAYBE_HOLE : DL_GROUP_MAYBE_FREE;

	for (uint64_t i = 0; i < count; i++) {
		cell64_store_rel(&seg->pages[page + i], kind);
		if (i == 0 || (page + i) % DL_GROUP_PAGES == 0)
			cell8_or(&seg->groups[(page + i) / DL_GROUP_PAGES], hint);
	}
}

typedef int (*storage_change)(dure_segment *seg, uint64_t offset, uint64_t bytes);

/* Turns up to count neighbours of one kind into the other, by way of change. */
static int turn_batch(struct durei_lane *lane, uint64_t page, uint64_t count,
		      enum dl_page_kind from, enum dl_page_kind to, storage_change change)
{
	dure_segment *seg = lane->seg;
	int r = 0;

	durei_busy_begin(lane);
	count = claim_batch(lane, page, count, from);
	if (count)
		r = change(seg, page << seg->page_shift, count << seg->page_shift);
	settle_batch(seg, page, count, r < 0 ? DL_PAGE_HOLE : to);	/* [GROW3] */
	durei_busy_end(lane);
	return r < 0 ? r : (int)count;
}

int durei_pages_back(struct durei_lane *lane, uint64_t page, uint64_t count)
{
	return turn_batch(lane, page, min_u64(count, BATCH_PAGES), DL_PAGE_HOLE, DL_PAGE_FREE,
			  lane->seg->backing->reserve);
}

/* All pages of one kind below end; sums up the bytes. */
static int turn_pages(struct durei_lane *lane, uint64_t end, enum dl_page_kind from,
		      enum dl_page_kind to, storage_change change, uint64_t *ret_bytes)
{
	dure_segment *seg = lane->seg;
	uint64_t done = 0;

	for (uint64_t page = durei_first_page(seg); page < end;) {
		int r = 0;
		/* relaxed: the cas decides */
		if (dl_page_kind(cell64_load_rlx(&seg->pages[page])) == from)
			r = turn_batch(lane, page, min_u64(BATCH_PAGES, end - page), from, to,
				       change);
		if (r < 0)
			return r;
		done += (uint64_t)r << seg->page_shift;
		page += r ? (uint64_t)r : 1;
	}
	*ret_bytes = done;
	return 0;
}

int durei_reserve_pages(dure_segment *seg, uint64_t data_bytes)
{
	uint64_t end = min_u64(durei_first_page(seg) + div_up(data_bytes, durei_page_bytes_of(seg)),
			       durei_page_limit(seg));
	uint64_t done;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(seg, &r);

	if (!lane)
		return r;
	r = turn_pages(lane, end, DL_PAGE_HOLE, DL_PAGE_FREE, seg->backing->reserve, &done);
	return r < 0 ? durei_no_space(seg, -r, data_bytes) : 0;
}

int durei_pages_release(struct durei_lane *lane, uint64_t *ret_bytes)
{
	return turn_pages(lane, durei_page_limit(lane->seg), DL_PAGE_FREE, DL_PAGE_HOLE,
			  lane->seg->backing->release, ret_bytes);
}

/* -- how the memory is kept -------------------------------------------------------------- */

/* Calls change for each stretch of backed pages, tables included. */
static int visit_backed(dure_segment *seg, uint64_t end_page,
			int (*change)(void *address, size_t bytes, int argument), int argument)
{
	uint64_t shift = seg->page_shift;
	int r = change(seg->base, align_up(seg->super.slots_offset, durei_page_bytes()), argument);

	for (uint64_t page = durei_first_page(seg); page < end_page && r == 0;) {
		uint64_t first = page;
		while (page < end_page &&
		       dl_page_kind(cell64_load_rlx(&seg->pages[page])) != DL_PAGE_HOLE)
			page++;
		if (page > first)
			r = change(seg->base + (first << shift), (page - first) << shift, argument);
		while (page < end_page &&
		       dl_page_kind(cell64_load_rlx(&seg->pages[page])) == DL_PAGE_HOLE)
			page++;
	}
	return r;
}

static int populate(void *address, size_t bytes, int write)
{
	return durei_map_populate(address, bytes, write);
}

static int lock_pages(void *address, size_t bytes, int lock)
{
	return durei_map_lock(address, bytes, lock);
}

int dure_segment_prefault(dure_segment *segment, uint64_t bytes)
{
	int r = durei_handle_check_write(segment);

	if (r == 0)
		r = durei_reserve_pages(segment, bytes);
	if (r < 0)
		return r;
	uint64_t end = min_u64(durei_first_page(segment) +
				       div_up(bytes, durei_page_bytes_of(segment)),
			       durei_page_limit(segment));
	r = visit_backed(segment, end, populate, 1);
	if (r == -EINVAL)		/* before Linux 5.14: the pages come with first use */
		r = 0;
	return r < 0 ? durei_error(ENOMEM, "segment %s: the pages cannot be made present: %s",
				   segment->super.name, strerror(-r))
		     : 0;
}

int dure_segment_lock_memory(dure_segment *segment, uint32_t lock)
{
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	r = visit_backed(segment, durei_page_limit(segment), lock_pages, lock != 0);
	if (r == -EPERM)
		return durei_error(EPERM, "segment %s: locking memory needs CAP_IPC_LOCK or a "
				   "RLIMIT_MEMLOCK above 0", segment->super.name);
	if (r < 0)
		return durei_error(ENOMEM, "segment %s: its memory cannot be locked: raise "
				   "RLIMIT_MEMLOCK (ulimit -l) above %" PRIu64 " KiB",
				   segment->super.name,
				   cell64_load_rlx(&segment->state->limit_bytes) / 1024);
	return 0;
}

int dure_segment_advise(dure_segment *segment, uint32_t advice)
{
	static const int advices[] = {
		[DURE_ADVISE_NORMAL] = MADV_NORMAL,	[DURE_ADVISE_RANDOM] = MADV_RANDOM,
		[DURE_ADVISE_SEQUENTIAL] = MADV_SEQUENTIAL,
		[DURE_ADVISE_WILL_NEED] = MADV_WILLNEED,
		[DURE_ADVISE_HUGE] = MADV_HUGEPAGE,	[DURE_ADVISE_NO_HUGE] = MADV_NOHUGEPAGE,
		[DURE_ADVISE_NO_DUMP] = MADV_DONTDUMP,	[DURE_ADVISE_DUMP] = MADV_DODUMP,
	};
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	if (advice >= sizeof advices / sizeof *advices)
		return durei_error(EINVAL, "advice %u is none of DURE_ADVISE_...", advice);
	r = durei_map_advise(segment->base, align_down(segment->mapped_bytes, durei_page_bytes()),
			     advices[advice]);
	return r < 0 ? durei_error(EOPNOTSUPP, "segment %s: the kernel does not take this advice "
				   "here: %s", segment->super.name, strerror(-r))
		     : 0;
}

int dure_segment_protect(dure_segment *segment, uint32_t protection)
{
	bool write = protection & DURE_PROTECT_WRITE;
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	if (protection & ~(uint32_t)(DURE_PROTECT_READ | DURE_PROTECT_WRITE))
		return durei_error(EINVAL, "protection %#x has unknown bits", protection);
	if (write && segment->access == DUREI_ACCESS_READ)
		return durei_error(EACCES, "segment %s was opened read-only", segment->super.name);
	if (!write && segment->lanes)
		return durei_error(EBUSY, "segment %s: threads of this process are attached: call "
				   "dure_thread_detach in each first", segment->super.name);
	r = durei_map_protect(segment->base, segment->mapped_bytes,
			      protection & DURE_PROTECT_READ || write, write);
	if (r < 0)
		return durei_error(EACCES, "segment %s: mprotect: %s", segment->super.name,
				   strerror(-r));
	segment->is_protected = !write;
	return 0;
}
