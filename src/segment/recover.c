/* SPDX-License-Identifier: MIT */
/*
 * recover.c - dealing with what the dead left: who is dead, who mends, in which order
 *
 * Why      There is no daemon. Whoever needs what a dead thread held mends its lane, at
 *          once, and goes on. Two must not mend the same lane, and a mender may die too.
 * How      lane_status[] is the election: a cas to MENDED with the mender's lane in it. A
 *          mender is alive while its own lane is, and says so itself in `recovering`; one
 *          that has no lane yet puts the mended lane's own number, and its process' slot.
 * Steps    1 election
 *          2 the log: undo an open transaction, finish a committed one    tx/log.c
 *          3 blocks that were being resized: finish it                   heap/mend.c
 *          4 locks: free them, wake who waits           lock/held.c, lock/share.c
 *          5 the gate, if the dead one held everybody up                 gate.c
 *          6 wake all who sleep on the life word, and who poll: nothing stops them now
 *          7 pages: give up what was owned, take back what was private   heap/mend.c
 *          8 the lane is free again (or parked, if its process lives and holds blocks)
 * Rules    [REC1] each step may be repeated from the start, by another mender
 *          [REC2] locks are freed after the log and resizing are dealt with, for the mender may
 *                 be stopped right then: who gets a lock finds what it guards as before, or as
 *                 after, the dead one's change
 *          [REC3] step 8 is the commit: before it the lane is found again as dead
 *          [REC4] a mender waits for nothing and takes no lock
 *          [REC5] who inherits a place looks at all lanes, not only at those below lane_high: a
 *                 thread may have died between its status and lane_high, and once the place
 *                 is taken again its lane looks alive
 *          [REC6] a place may get a new holder at any moment. Whether the lane's own process lives
 *                 is told by the generation of the place, too; and who has parked a lane looks
 *                 again: either he sees the new holder, or the new holder sees the lane [REC5]
 * Death    after step     is left behind                    who mends it
 *          1..7           MENDED, by a dead mender          whoever needs it next: the
 *                                                           election is open again
 *          8              nothing                           -
 */
#include "segment/recover.h"

#include "os/futex.h"
#include "os/robust.h"
#include "segment/gate.h"
#include "segment/poll.h"
#include "segment/token.h"

static bool life_has_ended(dure_segment *seg, uint16_t id)
{
	return cell32_load_acq(&durei_lane_at(seg, id)->life) & DUREI_LIFE_DIED;
}

/* Its place may have a new holder: then it is of another generation. */
static bool place_was_taken(dure_segment *seg, uint16_t id, uint64_t status)
{
	return (uint32_t)durei_token_generation(seg, durei_status_slot(status)) !=
	       durei_lane_at(seg, id)->slot_generation;
}

/* Of a lane that has been alive. [REC6] */
static bool process_is_dead(dure_segment *seg, uint16_t id, uint64_t status)
{
	return place_was_taken(seg, id, status) ||
	       !durei_token_is_alive(seg, durei_status_slot(status));
}

/* Of a lane in state OWNED or PARKED. The life word first: it is the quick notice. */
static bool owner_is_dead(dure_segment *seg, uint16_t id, uint64_t status)
{
	if (durei_status_state(status) == DL_LANE_PARKED)
		return process_is_dead(seg, id, status);
	return life_has_ended(seg, id) || !durei_token_is_alive(seg, durei_status_slot(status));
}

/* Of a lane in state MENDED: is somebody at it? */
static bool mender_is_alive(dure_segment *seg, uint16_t id, uint64_t status)
{
	uint16_t mender = durei_status_recoverer(status);

	if (mender == id)
		return durei_token_is_alive(seg, durei_status_slot(status));
	if (mender == 0 || mender >= durei_lane_end(seg))
		return false;
	uint64_t theirs = cell64_load_acq(&seg->lane_status[mender]);
	return durei_status_state(theirs) == DL_LANE_OWNED &&
	       cell64_load_acq(&durei_lane_at(seg, mender)->recovering) == id &&
	       !owner_is_dead(seg, mender, theirs);
}

enum durei_liveness durei_lane_liveness(dure_segment *seg, uint16_t id, uint64_t status)
{
	switch (durei_status_state(status)) {
	case DL_LANE_OWNED:
	case DL_LANE_PARKED:
		return owner_is_dead(seg, id, status) ? DUREI_DEAD : DUREI_ALIVE;
	case DL_LANE_FREE:
		return DUREI_FREE;
	default:	/* MENDED; or no state at all, and so nobody's */
		return DUREI_DEAD;
	}
}

/* Step 6. The first waiter was woken by the kernel; the others wait behind it. */
void durei_life_mend(struct durei_mending *m)
{
	durei_futex_wake(&m->lane->life.raw, UINT32_MAX >> 1);
	durei_poll_tell_all(m->seg);
}

/* Steps 2 to 7. */
static void mend(struct durei_mending *m)
{
	for (unsigned i = 0; durei_menders[i]; i++)
		if (durei_menders[i]->mend)
			durei_menders[i]->mend(m);
}

/* Step 8. A parked lane keeps its generation: its process may go on with it. */
static void release(struct durei_mending *m, uint64_t mended)
{
	unsigned state = m->keeps_lane ? DL_LANE_PARKED : DL_LANE_FREE;
	uint16_t slot = m->keeps_lane ? durei_status_slot(mended) : 0;

	cell64_store_rel(&m->lane->waiting, 0);
	cell64_store_rel(&m->lane->recovering, 0);
	cell32_store_rel(&m->lane->life, 0);
	cell64_store_rel(&m->seg->lane_status[m->id],
			 durei_status(state, slot, 0, m->generation));
}

/* One lane, elected: status is MENDED by us. */
static void mend_and_release(dure_segment *seg, uint16_t id, uint64_t mended, bool is_process_dead)
{
	struct durei_mending m = {
		.seg = seg, .lane = durei_lane_at(seg, id), .id = id,
		.generation = durei_status_generation(mended),
		.process_is_dead = is_process_dead,
	};

	mend(&m);
	release(&m, mended);
}

/* We have parked it. [REC6] */
static void look_again(dure_segment *seg, uint16_t id, uint64_t mended)
{
	uint64_t status;

	fence_full();
	status = cell64_load_acq(&seg->lane_status[id]);
	if (durei_status_state(status) == DL_LANE_PARKED &&
	    durei_status_slot(status) == durei_status_slot(mended) &&
	    place_was_taken(seg, id, status) && cell64_cas(&seg->lane_status[id], &status, mended))
		mend_and_release(seg, id, mended, true);
}

/*
 * A mender without a lane is known by its slot, which replaces the dead one's. So it mends only
 * lanes of processes that are dead: those of the living are parked in their slot again.
 */
static uint64_t mended_by(dure_segment *seg, struct durei_lane *me, uint16_t id, uint64_t status)
{
	return durei_status(DL_LANE_MENDED, me ? durei_status_slot(status) : seg->slot,
			    me ? me->id : id, durei_status_generation(status));
}

/* Step 1. 1: elected, *status is what stands there now; 0: alive or free; -EAGAIN. */
static int elect(dure_segment *seg, struct durei_lane *me, uint16_t id, uint64_t *status,
		 bool *ret_is_process_dead)
{
	unsigned state = durei_status_state(*status);
	uint64_t mended = mended_by(seg, me, id, *status);

	if (durei_lane_liveness(seg, id, *status) != DUREI_DEAD)
		return 0;
	if (state == DL_LANE_MENDED && mender_is_alive(seg, id, *status))
		return -EAGAIN;
	*ret_is_process_dead = (state == DL_LANE_MENDED && durei_status_recoverer(*status) == id) ||
			       process_is_dead(seg, id, *status);
	if (!me && !*ret_is_process_dead)
		return -EAGAIN;
	if (me)
		cell64_store_rel(&me->shared->recovering, id);
	if (!cell64_cas(&seg->lane_status[id], status, mended))
		return -EAGAIN;
	*status = mended;
	return 1;
}

/* One lane; *ret_next is the one that its dead owner was mending, or 0. */
static int recover_one(dure_segment *seg, struct durei_lane *me, uint16_t id, uint64_t *ret_next)
{
	uint64_t status;
	bool is_process_dead;
	int r;

	*ret_next = 0;
	if (id == 0 || id >= durei_lane_end(seg) || (me && me->id == id))
		return 0;
	status = cell64_load_acq(&seg->lane_status[id]);
	r = elect(seg, me, id, &status, &is_process_dead);
	if (r == 1) {
		*ret_next = cell64_load_acq(&durei_lane_at(seg, id)->recovering);
		mend_and_release(seg, id, status, is_process_dead);
		if (!is_process_dead)
			look_again(seg, id, status);
	}
	if (me)
		cell64_store_rel(&me->shared->recovering, 0);
	return r;
}

int durei_recover_lane(dure_segment *seg, struct durei_lane *me, uint16_t id)
{
	uint64_t next, last = id;
	int r = recover_one(seg, me, id, &next);

	/* the dead one was mending, too: take that over as well, and so on; a chain has an end */
	for (unsigned links = 0; next && next != last && next <= UINT16_MAX &&
				 links < seg->super.lane_count; links++) {
		last = next;
		if (recover_one(seg, me, (uint16_t)last, &next) != 1)
			break;
	}
	return r;
}

int durei_recover_all(dure_segment *seg, struct durei_lane *me)
{
	int count = 0;

	for (unsigned id = 1; id < durei_lane_end(seg); id++)
		count += durei_recover_lane(seg, me, (uint16_t)id) == 1;
	return count;
}

/* Its memory; a damaged segment may have a status without a lane. */
static bool lane_is_there(dure_segment *seg, unsigned id)
{
	return durei_bytes_are_backed(seg, durei_offset(seg, durei_lane_at(seg, id)), DL_LANE_BYTES);
}

/* Lanes in our slot that are not ours: we hold the slot's lock, so their owner is gone. */
void durei_recover_slot(dure_segment *seg)
{
	fence_full();		/* our generation, before the look at the lanes [REC6] */
	for (unsigned id = 1; id < seg->super.lane_count; id++) {	/* [REC5] */
		uint64_t status = cell64_load_acq(&seg->lane_status[id]);
		unsigned state = durei_status_state(status);
		uint64_t mended = mended_by(seg, NULL, (uint16_t)id, status);

		if (state == DL_LANE_FREE || durei_status_slot(status) != seg->slot)
			continue;
		if (!lane_is_there(seg, id)) {
			cell64_cas(&seg->lane_status[id], &status, DL_LANE_FREE);
			continue;
		}
		if (state == DL_LANE_MENDED && durei_status_recoverer(status) != id &&
		    mender_is_alive(seg, (uint16_t)id, status))
			continue;
		if (cell64_cas(&seg->lane_status[id], &status, mended))
			mend_and_release(seg, (uint16_t)id, mended, true);
	}
}

/* Nobody else can want this lane. */
static void mend_undisputed(dure_segment *seg, uint16_t id)
{
	uint64_t status = cell64_load_acq(&seg->lane_status[id]);
	uint64_t mended = mended_by(seg, NULL, id, status);

	if (durei_status_state(status) == DL_LANE_FREE)
		return;
	if (!lane_is_there(seg, id)) {
		cell64_store_rel(&seg->lane_status[id], DL_LANE_FREE);
		return;
	}
	cell64_store_rel(&seg->lane_status[id], mended);
	mend_and_release(seg, id, mended, true);
}

void durei_recover_parked(dure_segment *seg, uint16_t id)
{
	mend_undisputed(seg, id);
}

void durei_recover_possessed(dure_segment *seg)
{
	for (unsigned id = 1; id < seg->super.lane_count; id++)		/* [REC5] */
		mend_undisputed(seg, (uint16_t)id);
}
