/* SPDX-License-Identifier: MIT */
/*
 * lane.c - attaching a thread to a segment, and letting it go
 *
 * Why      A thread becomes a participant with its first changing call; nobody should have to
 *          say so. It leaves when it ends: a thread-specific destructor gives its lanes back,
 *          and where that cannot run (exit, SIGKILL) the kernel marks its life words.
 * Layout   layout/lane.h for the shared side. The private side is one mapping per lane that
 *          reads as zeros in a forked child.
 * Rules    [LANEP1] the life word is set and linked before the lane does anything
 *          [LANEP2] a lane goes back only when the thread holds nothing: otherwise what it
 *                   holds is dealt with as after a death
 *          [LANEP3] a lane whose process still holds reserved blocks is parked: the next
 *                   thread of the same process takes it up
 * Death    attaching, after step    is left behind               who mends it
 *          1 lane page backed       nothing                      -
 *          2 status OWNED           a lane of a dead process     any recoverer; it is empty,
 *                                                                or as a damaged segment has it
 *          3 lane_high              the same                     the same
 *          4 life word              the same, marked by kernel   the same
 *          leaving, after step
 *          1 pages given up         as after a death             any recoverer
 *          2 life unlinked          the same, by the file lock   any recoverer
 *          3 status FREE            nothing                      -
 */
#include "segment/lane.h"

#include <inttypes.h>
#include <string.h>

#include "os/futex.h"
#include "os/map.h"
#include "os/robust.h"
#include "os/self.h"
#include "segment/backing.h"
#include "segment/recover.h"
#include "segment/token.h"
#include "segment/wait.h"

static struct durei_lane no_lane;

_Thread_local struct durei_lane *durei_lane_last = &no_lane;

/* All lanes of this thread, linked by next_of_thread; some may be of stale segments. */
static _Thread_local struct durei_lane *lanes_of_thread;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_result;

/* -- the end of a thread ----------------------------------------------------------------- */

static void forget_last(const struct durei_lane *lane)
{
	if (durei_lane_last == lane)
		durei_lane_last = &no_lane;
}

static bool holds_something(const struct durei_lane *lane)
{
	return lane->held_count || lane->shares_used & ~lane->shares_kept || lane->tx.depth;
}

/* [LANEP2] */
static void end_operations(struct durei_lane *lane)
{
	for (unsigned i = 0; durei_menders[i]; i++)
		if (durei_menders[i]->end)
			durei_menders[i]->end(lane);
}

static void detach_all_lanes(void *unused)
{
	struct durei_lane *lane = lanes_of_thread, *next;

	(void)unused;
	durei_lane_last = &no_lane;
	lanes_of_thread = NULL;
	for (; lane; lane = next) {
		next = lane->next_of_thread;
		if (!lane->seg)			/* wiped by fork: not ours */
			continue;
		if (holds_something(lane))
			end_operations(lane);
		durei_lane_detach(lane);
	}
}

static void make_key(void)
{
	key_result = pthread_key_create(&key, detach_all_lanes);
}

static int watch_thread_end(void)
{
	pthread_once(&key_once, make_key);
	if (key_result || pthread_setspecific(key, &key))
		return durei_error(ENOMEM, "no thread-specific key is left for the library");
	return 0;
}

/* -- the shared side --------------------------------------------------------------------- */

/* Step 1. */
static int back_lane(dure_segment *seg, unsigned id)
{
	uint64_t offset = seg->super.lanes_offset + (uint64_t)id * DL_LANE_BYTES;
	int r;

	if (id < durei_lane_end(seg))
		return 0;
	r = seg->backing->reserve(seg, offset, DL_LANE_BYTES);
	return r < 0 ? durei_no_space(seg, -r, DL_LANE_BYTES) : 0;
}

/* Steps 2 and 3 for one id. */
static bool take_id(dure_segment *seg, unsigned id, uint16_t *ret_generation)
{
	uint64_t status = cell64_load_acq(&seg->lane_status[id]);
	uint16_t generation = (uint16_t)((durei_status_generation(status) + 1) &
					 DL_LANE_GENERATION_MASK);
	bool taken = durei_status_state(status) == DL_LANE_FREE &&
		     cell64_cas(&seg->lane_status[id], &status,
				durei_status(DL_LANE_OWNED, seg->slot, 0, generation));

	cell32_raise(&seg->state->lane_high, id + 1);
	*ret_generation = generation;
	return taken;
}

static int take_any_id(dure_segment *seg, uint16_t *ret_generation)
{
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned id = 1; id < seg->super.lane_count; id++) {
			int r = back_lane(seg, id);
			if (r < 0)
				return r;
			if (take_id(seg, id, ret_generation))
				return (int)id;
		}
		durei_recover_all(seg, NULL);
	}
	return durei_error(EUSERS, "segment %s: all %u places for threads are taken: create it with "
			   "a larger threads_max", seg->super.name, seg->super.lane_count - 1);
}

/* Step 4: from here on the kernel tells of our death. */
static void begin_life(struct durei_lane *lane, const dure_segment *seg)
{
	struct dl_lane *shared = lane->shared;

	shared->thread = durei_thread_id();
	shared->attached_ns = durei_clock_wall();
	shared->slot_generation = (uint32_t)durei_token_generation(seg, seg->slot);
	cell32_store_rel(&shared->life, shared->thread);
	if (durei_robust_link(&shared->life.raw) < 0)
		cell32_store_rel(&shared->life, DUREI_LIFE_UNWATCHED);
}

static void end_life(struct durei_lane *lane)
{
	struct cell32 *life = &lane->shared->life;
	uint32_t seen = cell32_load_acq(life);

	if ((seen & DUREI_LIFE_TID) != DUREI_LIFE_UNWATCHED)
		durei_robust_unlink(&life->raw);
	seen = cell32_swap(life, 0);
	if (seen & DUREI_LIFE_WAITED)
		durei_wake(lane->seg, life, UINT32_MAX >> 1);
}

/* -- the private side -------------------------------------------------------------------- */

static size_t private_bytes(void)
{
	return align_up(sizeof(struct durei_lane), durei_page_bytes());
}

static struct durei_lane *new_private(void)
{
	void *memory;

	if (durei_map_create(-1, 0, private_bytes(), DUREI_MAP_ANONYMOUS, &memory) < 0)
		return NULL;
	if (durei_map_wipe_on_fork(memory, private_bytes()) < 0) {
		durei_map_remove(memory, private_bytes());
		return NULL;
	}
	return memory;
}

/* A free lane shows nothing. In a damaged segment it may, and would then hold others up. */
static void make_clean(dure_segment *seg, unsigned id)
{
	struct dl_lane *shared = durei_lane_at(seg, id);
	uint64_t log = cell64_load_rlx(&shared->log_state);
	uint32_t holder = id;

	if (log & DL_LOG_STATE_MASK)
		cell64_store_rel(&shared->log_state, (log & ~(uint64_t)DL_LOG_STATE_MASK) | DL_LOG_IDLE);
	cell64_store_rel(&shared->waiting, 0);
	cell64_store_rel(&shared->recovering, 0);
	cell64_store_rel(&shared->freeing, 0);
	cell32_store_rel(&shared->busy, 0);
	cell32_store_rel(&shared->held_count, 0);
	cell32_store_rel(&shared->share_end, 0);
	for (unsigned i = 0; i < DL_SHARES_MAX; i++)
		cell64_and(&shared->shares[i].what, ~UINT64_C(0) << DL_SHARE_SERIAL_SHIFT);
	for (unsigned i = 0; i < DL_CLAIM_WORDS; i++)
		cell64_store_rel(&shared->claims[i], 0);
	cell32_cas(&seg->state->gate, &holder, 0);
}

static void bind(struct durei_lane *lane, dure_segment *seg, unsigned id, uint16_t generation)
{
	make_clean(seg, id);
	lane->shared = durei_lane_at(seg, id);
	lane->base = seg->base;
	lane->mapped_bytes = seg->mapped_bytes;
	lane->page_shift = seg->page_shift;
	lane->heap = &durei_no_heap;
	lane->shares_used = lane->shares_kept = 0;
	lane->id = (uint16_t)id;
	lane->generation = generation;
	lane->lock_word = id | (uint32_t)generation << 16;
	lane->serial = cell64_load_rlx(&lane->shared->log_state) >> DL_LOG_SERIAL_SHIFT;
	lane->tx.lane = lane;
}

/* The new lane becomes this thread's; only now can a child of fork be told from us. */
static void adopt(struct durei_lane *lane, dure_segment *seg)
{
	if (lanes_of_thread && !lanes_of_thread->seg)
		lanes_of_thread = NULL;		/* our parent's, from before a fork */
	lane->seg = seg;
	lane->next_of_thread = lanes_of_thread;
	lanes_of_thread = lane;
	durei_lane_last = lane;
}

static void add_to_segment(struct durei_lane *lane, dure_segment *seg)
{
	durei_segment_ref(seg);
	pthread_mutex_lock(&seg->lanes_lock);
	lane->next_of_segment = seg->lanes;
	seg->lanes = lane;
	pthread_mutex_unlock(&seg->lanes_lock);
}

static void remove_from_segment(struct durei_lane *lane, dure_segment *seg)
{
	struct durei_lane **link = &seg->lanes;

	pthread_mutex_lock(&seg->lanes_lock);
	while (*link && *link != lane)
		link = &(*link)->next_of_segment;
	if (*link)
		*link = lane->next_of_segment;
	pthread_mutex_unlock(&seg->lanes_lock);
}

static void remove_from_thread(struct durei_lane *lane)
{
	struct durei_lane **link = &lanes_of_thread;

	while (*link && *link != lane)
		link = &(*link)->next_of_thread;
	if (*link)
		*link = lane->next_of_thread;
	forget_last(lane);
}

/* -- attaching --------------------------------------------------------------------------- */

static struct durei_lane *take_parked(dure_segment *seg)
{
	struct durei_lane *lane;

	pthread_mutex_lock(&seg->lanes_lock);
	for (lane = seg->lanes; lane; lane = lane->next_of_segment)
		if (lane->is_parked) {
			lane->is_parked = 0;
			break;
		}
	pthread_mutex_unlock(&seg->lanes_lock);
	return lane;
}

static void unpark(struct durei_lane *lane, dure_segment *seg)
{
	cell64_store_rel(&seg->lane_status[lane->id],
			 durei_status(DL_LANE_OWNED, seg->slot, 0, lane->generation));
}

static int attach(dure_segment *seg, struct durei_lane **ret)
{
	struct durei_lane *lane = take_parked(seg);
	uint16_t generation = 0;
	int id;

	if (!lane) {
		lane = new_private();
		if (!lane)
			return durei_error(ENOMEM, "segment %s: no private memory for a thread (or a "
					   "kernel without MADV_WIPEONFORK, before 4.14)",
					   seg->super.name);
		id = take_any_id(seg, &generation);
		if (id < 0) {
			durei_map_remove(lane, private_bytes());
			return id;
		}
		bind(lane, seg, (unsigned)id, generation);
		add_to_segment(lane, seg);
	} else {
		unpark(lane, seg);
	}
	begin_life(lane, seg);
	adopt(lane, seg);
	*ret = lane;
	return 0;
}

struct durei_lane *durei_lane_peek(dure_segment *seg)
{
	struct durei_lane *lane;

	for (lane = lanes_of_thread; lane; lane = lane->next_of_thread)
		if (lane->seg == seg)
			return lane;
	return NULL;
}

struct durei_lane *durei_lane_find(dure_segment *seg, int *ret_error)
{
	struct durei_lane *lane = NULL;
	int r = durei_handle_check_write(seg);

	if (r == 0)
		lane = durei_lane_peek(seg);
	if (r == 0 && !lane) {
		int cancel = durei_cancel_hold();
		r = watch_thread_end();
		if (r == 0)
			r = attach(seg, &lane);
		durei_cancel_restore(cancel);
	}
	if (r == 0)
		durei_lane_last = lane;
	*ret_error = r;
	return r == 0 ? lane : NULL;
}

struct durei_lane *durei_lane_to_read(dure_segment *seg)
{
	int r;

	return seg->access == DUREI_ACCESS_READ || seg->is_protected ? NULL
								     : durei_lane_get(seg, &r);
}

/* -- leaving ----------------------------------------------------------------------------- */

static bool rooms_let_go(struct durei_lane *lane)
{
	bool all = true;

	for (unsigned i = 0; durei_menders[i]; i++)
		if (durei_menders[i]->leave && !durei_menders[i]->leave(lane))
			all = false;
	return all;
}

static void free_private(struct durei_lane *lane)
{
	for (unsigned i = 0; durei_menders[i]; i++)
		if (durei_menders[i]->forget)
			durei_menders[i]->forget(lane);
	durei_map_remove(lane, private_bytes());
}

static void park(struct durei_lane *lane, dure_segment *seg)
{
	cell64_store_rel(&seg->lane_status[lane->id],
			 durei_status(DL_LANE_PARKED, seg->slot, 0, lane->generation));
	pthread_mutex_lock(&seg->lanes_lock);
	lane->is_parked = 1;
	pthread_mutex_unlock(&seg->lanes_lock);
}

int durei_lane_detach(struct durei_lane *lane)
{
	dure_segment *seg = lane->seg;
	bool goes = rooms_let_go(lane);			/* step 1 */

	remove_from_thread(lane);
	end_life(lane);					/* step 2 */
	if (!goes) {
		park(lane, seg);
		return 0;
	}
	cell64_store_rel(&seg->lane_status[lane->id],	/* step 3 */
			 durei_status(DL_LANE_FREE, 0, 0, lane->generation));
	remove_from_segment(lane, seg);
	free_private(lane);
	durei_segment_unref(seg);
	return 0;
}

void durei_lane_discard_parked(dure_segment *seg)
{
	struct durei_lane *lane;

	while ((lane = take_parked(seg))) {
		durei_recover_parked(seg, lane->id);
		remove_from_segment(lane, seg);
		free_private(lane);
		durei_segment_unref(seg);
	}
}

int dure_thread_detach(dure_segment *segment)
{
	struct durei_lane *lane;
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	lane = durei_lane_peek(segment);
	if (!lane)
		return 0;
	if (holds_something(lane))
		return durei_error(EBUSY, "segment %s: the thread is in a transaction, or holds locks "
				   "or units of semaphores: end that first", segment->super.name);
	return durei_lane_detach(lane);
}
