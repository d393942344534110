/* SPDX-License-Identifier: MIT */
/*
 * gate.c - making everybody stand still between two operations
 *
 * Why      A checkpoint and a clone copy the segment while it is in use. What they copy must
 *          be a state that a crash could have left, that is: no transaction open, no lock
 *          held, no page word half way. Plain frees and keeps need not stand still: each is
 *          one byte, and a copy may have it or not.
 * How      The shutter stores its lane into the gate, then makes every processor pass a fence
 *          (membarrier), then waits until no lane shows anything under way. An operation
 *          shows itself (log_state, held_count or busy), then looks at the gate: G1. With the
 *          fence either it sees the gate shut, or the shutter sees it: G2. So the frequent
 *          side pays one load of a line that hardly ever changes.
 * Rules    [GATE1] who holds a lock already may take more, or nobody would ever get to the end
 *          [GATE2] who sees the gate shut takes back what it showed, before it waits
 * Death    of the shutter: durei_gate_mend opens it. Of one who waits: nothing.
 */
#include "segment/gate.h"

#include "os/futex.h"
#include "segment/recover.h"
#include "segment/wait.h"

enum { LOOK_FIRST_NS = 20000, LOOK_MAX_NS = 2000000 };

/* Sleeps until holder has opened the gate, or is dead. -ETIMEDOUT */
static int wait_for_holder(struct durei_lane *lane, uint32_t holder, int64_t deadline_ns)
{
	dure_segment *seg = lane->seg;
	struct cell32 *gate = &seg->state->gate;

	if (holder >= durei_lane_end(seg)) {	/* nobody's */
		cell32_cas(gate, &holder, 0);
		return 0;
	}
	uint64_t status = cell64_load_acq(&seg->lane_status[holder]);
	int r = durei_wait(lane, gate, holder, (uint16_t)holder, durei_status_generation(status),
			   deadline_ns);

	if (r == DUREI_OWNER_GONE)
		cell32_cas(gate, &holder, 0);
	return r < 0 ? r : 0;
}

void durei_gate_wait(struct durei_lane *lane)
{
	uint32_t holder;

	while ((holder = cell32_load_acq(&lane->seg->state->gate)) != 0 && holder != lane->id)
		(void)wait_for_holder(lane, holder, DUREI_NEVER);
}

static bool shows_nothing(const struct dl_lane *lane)
{
	return (cell64_load_acq(&lane->log_state) & DL_LOG_STATE_MASK) == DL_LOG_IDLE &&
	       cell32_load_acq(&lane->held_count) == 0 && cell32_load_acq(&lane->busy) == 0;
}

static bool lane_is_still(struct durei_lane *me, uint16_t id)
{
	uint64_t status = cell64_load_acq(&me->seg->lane_status[id]);

	if (id == me->id || durei_status_state(status) == DL_LANE_FREE)
		return true;
	if (durei_lane_liveness(me->seg, id, status) == DUREI_DEAD)
		return durei_recover_lane(me->seg, me, id) == 1;
	return shows_nothing(durei_lane_at(me->seg, id));
}

/*
 * Nobody tells us when a lane falls still: that would cost every unlock a look at the gate.
 * So we look, at growing intervals.
 */
static int wait_until_still(struct durei_lane *me, int64_t deadline_ns)
{
	int64_t pause = LOOK_FIRST_NS;

	for (unsigned id = 1; id < durei_lane_end(me->seg); id++)
		while (!lane_is_still(me, (uint16_t)id)) {
			int64_t now = durei_clock_now();
			if (now >= deadline_ns)
				return durei_error(ETIMEDOUT, "segment %s: thread %u (lane %u) kept a "
						   "lock or a transaction", me->seg->super.name,
						   durei_lane_at(me->seg, id)->thread, id);
			durei_sleep_until(now + pause);
			pause = pause * 2 > LOOK_MAX_NS ? LOOK_MAX_NS : pause * 2;
		}
	return 0;
}

int durei_gate_shut(struct durei_lane *lane, int64_t deadline_ns)
{
	struct cell32 *gate = &lane->seg->state->gate;
	uint32_t nobody = 0;

	while (!cell32_cas(gate, &nobody, lane->id)) {
		if (durei_clock_now() >= deadline_ns || wait_for_holder(lane, nobody, deadline_ns) < 0)
			return durei_error(ETIMEDOUT, "segment %s: another checkpoint or clone is under "
					   "way", lane->seg->super.name);
		nobody = 0;
	}
	int r = durei_fence_everybody();				/* G2 -> G1 */
	if (r < 0)
		r = durei_error(EOPNOTSUPP, "the kernel refuses membarrier (a container's filter?): "
				"a consistent copy cannot be made");
	else
		r = wait_until_still(lane, deadline_ns);
	if (r < 0)
		durei_gate_open(lane);
	return r;
}

void durei_gate_open(struct durei_lane *lane)
{
	struct cell32 *gate = &lane->seg->state->gate;

	cell32_store_rel(gate, 0);
	durei_wake(lane->seg, gate, UINT32_MAX >> 1);
}

void durei_gate_mend(struct durei_mending *mending)
{
	struct cell32 *gate = &mending->seg->state->gate;
	uint32_t holder = mending->id;

	if (cell32_cas(gate, &holder, 0))
		durei_wake(mending->seg, gate, UINT32_MAX >> 1);
}
