/* SPDX-License-Identifier: MIT */
/*
 * check.c - does all of a segment hold together
 *
 * Why      The rooms that write a segment also say whether it is right, in asserts; that is no
 *          second opinion. This room reads the layout with its own eyes: it calls no code of
 *          the heap, the log, the locks or the index, so a mistake there is not made twice.
 * Rules    named in the findings as in the file that states them
 *          [CHECK1] nothing is written, nothing unbacked is read, every loop is bounded by a
 *                   table's size
 * Death    nothing is changed.
 */
#include "inspect/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "segment/participant.h"
#include "segment/recover.h"

void durei_check_report(struct durei_check *check, enum dure_finding_grade grade,
			const char *rule, uint64_t offset, const char *format, ...)
{
	struct dure_finding finding = { .sz = sizeof finding, .grade = grade, .offset = offset };
	char text[256];
	va_list arguments;

	if (grade == DURE_FINDING_DAMAGED)
		check->sums.damaged++;
	else
		check->sums.mendable++;
	if (!check->visit)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	snprintf(finding.rule, sizeof finding.rule, "%s", rule);
	finding.text = text;
	check->visit(&finding, check->context);
}

/* -- blocks ------------------------------------------------------------------------------ */

static unsigned run_state(uint64_t word)
{
	switch (dl_page_kind(word)) {
	case DL_PAGE_RUN_RESERVED:
		return DL_BLOCK_RESERVED;
	case DL_PAGE_RUN_LIVE:
		return word & DL_PAGE_RUN_DOOMED ? DL_BLOCK_DOOMED : DL_BLOCK_LIVE;
	case DL_PAGE_RUN_GROWING:
	case DL_PAGE_RUN_SHRINKING:
		return DL_BLOCK_LIVE;
	default:
		return DL_BLOCK_FREE;
	}
}

static bool see_small(dure_segment *seg, uint64_t page, uint64_t word, uint64_t offset,
		      struct durei_seen_block *ret)
{
	uint64_t start = page << seg->page_shift, index;
	const struct dl_class_shape *shape;

	if (dl_page_class(word) >= seg->class_count)
		return false;
	shape = &seg->classes[dl_page_class(word)];
	index = (offset - start) / shape->block_bytes;
	if ((offset - start) % shape->block_bytes || index >= shape->block_count ||
	    !durei_bytes_are_backed(seg, start, (uint64_t)shape->page_count << seg->page_shift))
		return false;
	const struct cell8 *states = durei_at(seg, start + dl_states_offset(shape, page));
	*ret = (struct durei_seen_block){ offset, shape->block_bytes,
					  cell8_load_acq(&states[index]) };
	return true;
}

bool durei_see_block(dure_segment *seg, uint64_t offset, struct durei_seen_block *ret)
{
	uint64_t page = offset >> seg->page_shift, word;

	if (page < durei_first_page(seg) || page >= durei_page_limit(seg))
		return false;
	word = cell64_load_acq(&seg->pages[page]);
	if (dl_page_kind(word) == DL_PAGE_TAIL) {
		if (dl_page_count(word) == 0 || dl_page_count(word) > page - durei_first_page(seg))
			return false;
		page -= dl_page_count(word);
		word = cell64_load_acq(&seg->pages[page]);
	}
	if (dl_page_kind(word) == DL_PAGE_OWNED || dl_page_kind(word) == DL_PAGE_LOOSE)
		return see_small(seg, page, word, offset, ret);
	if (run_state(word) == DL_BLOCK_FREE || offset != page << seg->page_shift ||
	    dl_page_count(word) > durei_page_limit(seg) - page ||
	    !durei_bytes_are_backed(seg, offset, dl_page_count(word) << seg->page_shift))
		return false;
	*ret = (struct durei_seen_block){ offset, dl_page_count(word) << seg->page_shift,
					  run_state(word) };
	return true;
}

uint64_t durei_seen_status(const dure_segment *seg, unsigned lane)
{
	return lane && lane < durei_lane_end(seg) ? cell64_load_acq(&seg->lane_status[lane]) : 0;
}

/* -- lanes ------------------------------------------------------------------------------- */

static void check_free_lane(struct durei_check *check, unsigned id, const struct dl_lane *lane)
{
	uint64_t at = durei_offset(check->seg, lane);

	if ((cell64_load_acq(&lane->log_state) & DL_LOG_STATE_MASK) != DL_LOG_IDLE)
		DAMAGED(check, "REC3", at, "lane %u is free, its log is open", id);
	if (cell32_load_acq(&lane->held_count) || cell64_load_acq(&lane->freeing) ||
	    cell64_load_acq(&lane->recovering) || cell32_load_acq(&lane->busy))
		DAMAGED(check, "REC3", at, "lane %u is free, and holds locks or work", id);
	for (unsigned i = 0; i < DL_CLAIM_WORDS; i++)
		if (cell64_load_acq(&lane->claims[i]))
			DAMAGED(check, "LANE5", at, "lane %u is free, and claims pages", id);
	durei_check_shares(check, id, true);
}

static void check_held(struct durei_check *check, unsigned id, const struct dl_lane *lane)
{
	uint32_t count = cell32_load_acq(&lane->held_count);
	uint64_t at = durei_offset(check->seg, lane);

	if (count > DL_HELD_MAX)
		DAMAGED(check, "HELD1", at, "lane %u holds %u locks, more than there is room for", id,
			count);
	for (uint32_t i = 0; i < count && i < DL_HELD_MAX; i++) {
		uint64_t lock = cell64_load_acq(&lane->held[i]) & DL_HELD_OFFSET_MASK;
		if (lock % 4 || !durei_bytes_are_backed(check->seg, lock, sizeof(struct dl_mutex)))
			DAMAGED(check, "HELD1", at, "lane %u holds a lock at +%#" PRIx64
				", where there is none", id, lock);
	}
}

static void check_used_lane(struct durei_check *check, unsigned id, const struct dl_lane *lane,
			    uint64_t status)
{
	uint64_t at = durei_offset(check->seg, lane);
	unsigned log = (unsigned)(cell64_load_acq(&lane->log_state) & DL_LOG_STATE_MASK);

	check->sums.threads++;
	if (durei_status_slot(status) >= check->seg->super.slot_count)
		DAMAGED(check, "LANE2", at, "lane %u belongs to place %u, which is none", id,
			durei_status_slot(status));
	if (log >= DL_LOG_STATE_END)
		DAMAGED(check, "TX1", at, "the log of lane %u is in state %u, which is none", id, log);
	if (log != DL_LOG_IDLE)
		check->has_open_log = true;
	check_held(check, id, lane);
	durei_check_shares(check, id, false);
	if (durei_lane_liveness(check->seg, (uint16_t)id, status) == DUREI_DEAD) {
		check->sums.dead_threads++;
		MENDABLE(check, "REC1", at, "thread %u (lane %u) is dead%s: whoever needs what it held "
			 "recovers it", lane->thread, id,
			 log == DL_LOG_IDLE ? "" : ", inside an operation");
	}
}

void durei_check_lanes(struct durei_check *check)
{
	dure_segment *seg = check->seg;
	unsigned end = durei_lane_end(seg);

	if (!durei_bytes_are_backed(seg, seg->super.lanes_offset, (uint64_t)end * DL_LANE_BYTES)) {
		DAMAGED(check, "SUPER3", seg->super.lanes_offset, "%u lanes are not all backed", end);
		return;
	}
	for (unsigned id = 1; id < end; id++) {
		uint64_t status = cell64_load_acq(&seg->lane_status[id]);
		const struct dl_lane *lane = durei_lane_at(seg, id);
		if (durei_status_state(status) > DL_LANE_MENDED)
			DAMAGED(check, "LANE2", durei_offset(seg, &seg->lane_status[id]),
				"lane %u is in state %u, which is none", id, durei_status_state(status));
		else if (durei_status_state(status) == DL_LANE_FREE)
			check_free_lane(check, id, lane);
		else
			check_used_lane(check, id, lane, status);
	}
}

/* -- all of it --------------------------------------------------------------------------- */

static bool check_state(struct durei_check *check)
{
	dure_segment *seg = check->seg;
	const struct dl_super *s = &seg->super;
	uint64_t limit = cell64_load_acq(&seg->state->limit_bytes), at = DL_STATE_OFFSET;

	if (limit < s->data_offset || limit > s->max_bytes ||
	    limit % (UINT64_C(1) << s->page_shift)) {
		DAMAGED(check, "GROW1", at, "the limit %" PRIu64 " is not between %" PRIu64
			" and %" PRIu64, limit, s->data_offset, s->max_bytes);
		return false;
	}
	if (!durei_bytes_are_backed(seg, s->pages_offset, (limit >> s->page_shift) * 8)) {
		DAMAGED(check, "GROW1", at, "the page table is not backed up to the limit");
		return false;
	}
	if (cell32_load_acq(&seg->state->slot_high) > s->slot_count ||
	    cell32_load_acq(&seg->state->lane_high) > s->lane_count)
		DAMAGED(check, "SUPER3", at, "more places are in use than there are");
	uint32_t gate = cell32_load_acq(&seg->state->gate);
	if (gate && durei_status_state(durei_seen_status(seg, gate)) == DL_LANE_FREE)
		DAMAGED(check, "GATE1", at, "the gate is shut by lane %u, which is free", gate);
	return true;
}

int dure_segment_check(dure_segment *segment, struct dure_check *ret,
		       void (*visit)(const struct dure_finding *finding, void *context),
		       void *context)
{
	struct durei_check check = { .seg = segment, .visit = visit, .context = context };
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	check.sums.sz = sizeof check.sums;
	if (check_state(&check)) {
		durei_check_lanes(&check);
		durei_check_pages(&check);
		durei_check_objects(&check);
	}
	if (ret) {
		r = durei_options_write(ret, &check.sums, sizeof check.sums, sizeof check.sums);
		if (r < 0)
			return r;
	}
	return check.sums.damaged ? 2 : check.sums.mendable ? 1 : 0;
}

/* -- lists ------------------------------------------------------------------------------- */

static uint64_t count_pages_of(const dure_segment *seg, unsigned lane)
{
	uint64_t limit = durei_page_limit(seg), count = 0;

	for (uint64_t page = durei_first_page(seg); page < limit; page++) {
		uint64_t word = cell64_load_rlx(&seg->pages[page]);
		count += dl_page_kind(word) == DL_PAGE_OWNED && dl_page_lane(word) == lane;
	}
	return count;
}

static void fill_thread(dure_segment *seg, unsigned id, uint64_t status,
			struct dure_thread_info *ret)
{
	const struct dl_lane *lane = durei_lane_at(seg, id);
	uint32_t held = cell32_load_acq(&lane->held_count);

	*ret = (struct dure_thread_info){
		.sz = sizeof *ret,
		.lane = id,
		.state = durei_status_state(status),
		.is_alive = durei_lane_liveness(seg, (uint16_t)id, status) == DUREI_ALIVE,
		.thread = lane->thread,
		.slot = durei_status_slot(status),
		.in_transaction = (cell64_load_acq(&lane->log_state) & DL_LOG_STATE_MASK) !=
				  DL_LOG_IDLE,
		.lock_count = held,
		.waits_for = { cell64_load_acq(&lane->waiting) },
		.pages = count_pages_of(seg, id),
		.attached_ns = lane->attached_ns,
	};
	for (uint32_t i = 0; i < held && i < 16; i++)
		ret->locks[i].offset = cell64_load_acq(&lane->held[i]) & DL_HELD_OFFSET_MASK;
	durei_see_shares(seg, id, ret);
}

int dure_thread_list(dure_segment *segment,
		     int (*visit)(const struct dure_thread_info *info, void *context),
		     void *context)
{
	struct dure_thread_info info;
	int r = durei_handle_check(segment);

	for (unsigned id = 1; r == 0 && id < durei_lane_end(segment); id++) {
		uint64_t status = durei_seen_status(segment, id);
		if (durei_status_state(status) == DL_LANE_FREE)
			continue;
		fill_thread(segment, id, status, &info);
		r = visit(&info, context);
	}
	return r;
}

/* Has a dead process left lanes that nobody has recovered? Without, its place is merely unused. */
static bool has_left_lanes(dure_segment *seg, unsigned slot)
{
	for (unsigned id = 1; id < durei_lane_end(seg); id++) {
		uint64_t status = cell64_load_acq(&seg->lane_status[id]);
		if (durei_status_state(status) != DL_LANE_FREE && durei_status_slot(status) == slot)
			return true;
	}
	return false;
}

int dure_participant_list(dure_segment *segment,
			  int (*visit)(const struct dure_participant *participant, void *context),
			  void *context)
{
	struct dure_participant participant;
	int r = durei_handle_check(segment);

	for (unsigned slot = 0; r == 0 && slot < durei_slot_end(segment); slot++) {
		uint64_t state = cell64_load_acq(&segment->slots[slot].state);
		if ((state & DL_SLOT_STATE_MASK) != DL_SLOT_ATTACHED)
			continue;
		durei_participant_of_slot(segment, (uint16_t)slot, &participant);
		if (participant.is_alive || has_left_lanes(segment, slot))
			r = visit(&participant, context);
	}
	return r;
}
