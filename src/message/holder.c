/* SPDX-License-Identifier: MIT */
/*
 * holder.c - a word that says which thread has something, and for how long that is so
 *
 * Why      What a thread has taken, or the end of a ring that it is, is not a lock: it may last
 *          for hours, and must not hold up a checkpoint or keep the thread from leaving. So it is
 *          in no list of the lane's; the word alone names the lane, with its generation and that
 *          of its process, and whoever is concerned sees when they do not fit any more.
 * Rules    [HOLDER1] a lane is the holder's while it is OWNED, by the same generation of lane and
 *                    slot, and its life word is not marked
 *          [HOLDER2] a life word may stay unmarked (segment/wait.c [WAIT2]); the slot's lock tells
 *                    for certain, and costs a system call
 * Death    nothing is stored here.
 */
#include "message/holder.h"

#include "layout/lock.h"
#include "os/robust.h"
#include "segment/participant.h"
#include "segment/recover.h"

static uint64_t slot_generation(dure_segment *seg, uint16_t slot)
{
	return slot < durei_slot_end(seg)
		       ? cell64_load_acq(&seg->slots[slot].state) >> DL_SLOT_GENERATION_SHIFT
		       : 0;
}

uint64_t durei_holder_me(const struct durei_lane *lane)
{
	return slot_generation(lane->seg, lane->seg->slot) << 32 | lane->lock_word;
}

/* [HOLDER1] */
uint64_t durei_holder_status(dure_segment *seg, uint64_t holder)
{
	uint16_t id = dl_lock_lane((uint32_t)holder);
	uint64_t status;

	if (!id || id >= durei_lane_end(seg))
		return 0;
	status = cell64_load_acq(&seg->lane_status[id]);
	return durei_status_state(status) == DL_LANE_OWNED &&
			       durei_status_generation(status) ==
				       dl_lock_generation((uint32_t)holder) &&
			       (uint32_t)slot_generation(seg, durei_status_slot(status)) ==
				       (uint32_t)(holder >> 32)
		       ? status
		       : 0;
}

bool durei_holder_looks_gone(dure_segment *seg, uint64_t holder)
{
	return !durei_holder_status(seg, holder) ||
	       cell32_load_acq(&durei_lane_at(seg, dl_lock_lane((uint32_t)holder))->life) &
		       DUREI_LIFE_DIED;
}

/* [HOLDER2] */
bool durei_holder_is_gone(dure_segment *seg, uint64_t holder)
{
	uint64_t status = durei_holder_status(seg, holder);

	return !status ||
	       durei_lane_liveness(seg, dl_lock_lane((uint32_t)holder), status) == DUREI_DEAD;
}
