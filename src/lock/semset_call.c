/* SPDX-License-Identifier: MIT */
/*
 * semset_call.c - one call on a set of semaphores: its guard, and those whose death changes the set
 *
 * The rules are semset.c's.
 */
#include "lock/semset_call.h"

#include "lock/place.h"
#include "lock/word.h"
#include "os/self.h"
#include "segment/wait.h"

enum {
	GUARD_PATIENCE_NS = 100000000,	/* [SETOP5] */
};

/* -- the set, and its guard -------------------------------------------------------------- */

int durei_semset_refuse(dure_segment *seg, const dure_semset *set)
{
	const struct dl_semset *s = (const struct dl_semset *)set;
	uint64_t offset = durei_offset(seg, set);

	if (offset % 8 == 0 && offset >= seg->super.data_offset &&
	    durei_bytes_are_backed(seg, offset, sizeof *s) &&
	    cell32_load_acq(&s->kind) == DL_LOCK_WAS_SEMSET)
		return durei_error(ESTALE, "segment %s: the semaphore set at +%#llx has been removed",
				   seg->super.name, (unsigned long long)offset);
	(void)durei_place_refuse(seg, set, sizeof *s, "semaphore set");
	return -EINVAL;
}

int durei_semset_call(struct durei_semset_call *c, dure_segment *segment, const dure_semset *set)
{
	int r = 0;

	c->lane = durei_lane_get(segment, &r);
	if (__builtin_expect(!c->lane, 0))
		return r;
	c->offset = durei_offset(segment, set);
	c->waiting = NULL;
	if (__builtin_expect(!durei_semset_view(segment, c->offset, &c->set), 0))
		return durei_semset_refuse(segment, set);
	return 0;
}

void durei_semset_free_guard(const struct durei_semset_call *c)
{
	int index = durei_held_find(c->lane, durei_offset(c->set.seg, &c->set.shared->guard));

	if (index >= 0)
		durei_word_free(c->lane, &c->set.shared->guard, index);
}

int durei_semset_take_guard(struct durei_semset_call *c, int64_t deadline_ns)
{
	struct cell32 *guard = &c->set.shared->guard;
	int64_t timeout = DURE_FOREVER;
	int r;

	if (__builtin_expect(durei_word_is_ours(c->lane, guard), 0))
		return durei_error(EDEADLK, "segment %s: this thread is inside a call for the semaphore "
				   "set at +%#llx: called from a signal handler, or left by longjmp?",
				   c->set.seg->super.name, (unsigned long long)c->offset);
	if (deadline_ns != DUREI_NEVER) {
		timeout = deadline_ns ? deadline_ns - durei_clock_now() : 0;
		timeout = timeout > GUARD_PATIENCE_NS ? timeout : GUARD_PATIENCE_NS;
	}
	r = durei_word_take(c->lane, guard, DL_HELD_CLEAN, 0, timeout);
	if (__builtin_expect(r < 0, 0))
		return r == -ETIMEDOUT && !deadline_ns ? durei_error_plain(EAGAIN) : r;
	if (__builtin_expect(cell32_load_acq(&c->set.shared->kind) != DL_LOCK_IS_SEMSET, 0)) {
		durei_semset_free_guard(c);
		return durei_semset_refuse(c->set.seg, (const dure_semset *)c->set.shared);
	}
	durei_semset_settle(&c->set);
	return 0;
}

int durei_semset_bad_index(const struct durei_semset_call *c, uint32_t index)
{
	return durei_error(EINVAL, "segment %s: the semaphore set at +%#llx has %u semaphores, there is no "
			   "number %u", c->set.seg->super.name, (unsigned long long)c->offset,
			   c->set.count, index);
}

int durei_semset_too_large(const struct durei_semset_call *c, uint32_t index, const char *what)
{
	return durei_error(EOVERFLOW, "segment %s: %s of semaphore %u of the set at +%#llx would exceed %u",
			   c->set.seg->super.name, what, index, (unsigned long long)c->offset,
			   c->set.value_max);
}

/* -- who has to undo something ------------------------------------------------------------ */

uint64_t durei_semset_owner_word(const dure_segment *seg)
{
	uint64_t generation;

	if (!seg->has_slot)		/* alone */
		return DL_SEMSET_USED;
	generation = cell64_load_rlx(&seg->slots[seg->slot].state) >> DL_SLOT_GENERATION_SHIFT;
	return generation << DL_SEMSET_GENERATION_SHIFT | DL_SEMSET_USED | seg->slot;
}

uint32_t durei_semset_process(const dure_segment *seg)
{
	return seg->has_slot ? seg->slots[seg->slot].process : durei_process_id();
}

static void add_holder(struct dl_share *share, uint64_t what, void *context)
{
	struct durei_semset_holders *h = context;
	const struct durei_semset *s = &h->call->set;
	uint32_t number = durei_semset_row_named_by(share);
	uint16_t lane = durei_share_lane(s->seg, share);

	(void)what;
	if (lane == h->call->lane->id || number >= s->row_count ||
	    h->lanes.count >= DUREI_SHARERS_MAX)
		return;
	if (h->index != UINT32_MAX &&
	    !cell32_load_acq(&durei_semset_row(s, number)->adjustments[h->index]))
		return;
	h->has_parked |= durei_status_state(cell64_load_acq(&s->seg->lane_status[lane])) !=
			 DL_LANE_OWNED;
	h->lanes.lanes[h->lanes.count++] = lane;
}

void durei_semset_find_holders(const struct durei_semset_call *c, uint32_t index,
			       struct durei_semset_holders *ret)
{
	*ret = (struct durei_semset_holders){ .call = c, .index = index };
	durei_semset_orphan_rows(&c->set);
	durei_share_each(c->set.seg, c->offset, DL_SHARE_SET, DUREI_SEMSET_ADJUSTS, add_holder, ret);
}

/* 1: some were dead, and are dealt with; 0: none was; -EAGAIN: somebody else is at one */
static int recover_holders(const struct durei_semset_call *c, uint32_t index)
{
	bool any = false, others = false;
	struct durei_semset_holders h;

	durei_semset_find_holders(c, index, &h);
	for (unsigned i = 0; i < h.lanes.count; i++) {
		int r = durei_recover_lane(c->set.seg, c->lane, h.lanes.lanes[i]);
		any |= r == 1;
		others |= r == -EAGAIN;
	}
	return others ? -EAGAIN : any;
}

bool durei_semset_ask_the_dead(const struct durei_semset_call *c, uint32_t index)
{
	int r = recover_holders(c, index);
	int64_t patience = r < 0 ? durei_clock_now() + GUARD_PATIENCE_NS : 0;
	bool waited = r < 0;

	while (r < 0 && durei_clock_now() < patience) {
		durei_sleep_until(durei_clock_now() + DUREI_SEMSET_PAUSE_NS);
		r = recover_holders(c, index);
	}
	return r > 0 || (waited && r == 0);
}
