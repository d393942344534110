/* SPDX-License-Identifier: MIT */
/*
 * barrier.c - all members wait for each other, but not for the dead
 *
 * Why      A barrier that counts arrivals waits for ever for a member that was killed. Here a
 *          member stands in its lane, with whether it has arrived; when it dies the mender
 *          takes it away, and the others, who watch its life, look again.
 * How      `joined` counts members that ever joined; it changes together with the member's
 *          share, as a semaphore's value does (share.c). Who is in `joined` and in no lane is
 *          dead. Joining, leaving, arriving and ending a phase happen under `guard`.
 * Rules    [BARRIER1] a share's units are 1 after << 32, and below them 0, or that it has
 *                     arrived, and in which phase
 *          [BARRIER2] a phase ends by one store into `phase`, under `guard`
 *          [BARRIER3] who leaves changes `joined` and `members`; `leaving` says beforehand what
 *                     they will be, and who has `guard` next finishes it
 * Death    joining: share.c, as taking a unit; the share goes, `joined` stays: a dead member
 *          leaving, after step
 *          1 leaving                    a member           the next under guard forgets it
 *          2 joined                     too many members   the next under guard [BARRIER3]
 *          3 members                    leaving            the next under guard repeats it
 *          arrived                      a share            share.c: it goes, sleepers look again
 *          phase ended, nobody woken    sleepers           they look again [WAIT2]
 *          under guard                  a CLEAN lock       held.c
 */
#include <dure/barrier.h>

#include <string.h>

#include "lock/place.h"
#include "lock/share.h"
#include "lock/word.h"
#include "os/robust.h"
#include "segment/grow.h"
#include "segment/wait.h"

static_assert(sizeof(dure_barrier) == sizeof(struct dl_barrier), "dure_barrier is dl_barrier");

enum {
	MEMBERS_MAX = 65535,
	MEMBER = DUREI_SHARE_IN(DL_SHARE_HELD) | DUREI_SHARE_IN(DL_SHARE_CHANGING) |
		 DUREI_SHARE_IN(DL_SHARE_CHANGED),
};
#define ARRIVED UINT64_C(0x80000000)
#define PHASE_MASK 0x7fffffffu

/* One call. */
struct call {
	struct durei_lane *lane;
	struct dl_barrier *barrier;
	uint64_t offset;
	struct dl_share *share;		/* NULL: no member */
};

static struct dl_barrier *barrier_in(dure_segment *seg, const dure_barrier *barrier)
{
	struct dl_barrier *b = (struct dl_barrier *)(uintptr_t)barrier;

	return durei_place_is(seg, b, sizeof *b, DUREI_KIND_OF(b), DL_LOCK_IS_BARRIER, "barrier") ? b : NULL;
}

static int begin(struct call *c, dure_segment *segment, const dure_barrier *barrier)
{
	int r = 0;

	c->lane = durei_lane_get(segment, &r);
	if (!c->lane)
		return r;
	c->barrier = barrier_in(segment, barrier);
	if (!c->barrier)
		return -EINVAL;
	c->offset = durei_offset(segment, barrier);
	c->share = durei_share_of(c->lane, c->offset, DL_SHARE_MEMBER, MEMBER);
	return 0;
}

int dure_barrier_init(dure_segment *segment, dure_barrier *barrier, uint32_t members)
{
	struct dl_barrier *b = (struct dl_barrier *)barrier;
	int r = durei_place_check(segment, barrier, sizeof *barrier);

	if (r < 0)
		return r;
	if (members == 0 || members > MEMBERS_MAX)
		return durei_error(EINVAL, "a barrier has 1 to %d members, not %u", MEMBERS_MAX, members);
	memset(b, 0, sizeof *b);
	cell32_store_rel(&b->members, members);
	b->kind = DL_LOCK_IS_BARRIER;
	return 0;
}

/* -- who is there ------------------------------------------------------------------------ */

struct census {
	dure_segment *seg;
	uint64_t arrived_now;		/* what the units of one say who has arrived in this phase */
	uint32_t present, arrived, dead;
	struct durei_sharers awaited;
};

static void count_member(struct dl_share *share, uint64_t what, void *context)
{
	struct census *census = context;
	struct durei_sharers *awaited = &census->awaited;
	uint16_t lane = durei_share_lane(census->seg, share);

	(void)what;
	census->present++;
	/* who has arrived and died is to be missed: until he is mended he is awaited */
	if ((uint32_t)cell64_load_acq(&share->units) == census->arrived_now &&
	    !(cell32_load_acq(&durei_lane_at(census->seg, lane)->life) & DUREI_LIFE_DIED)) {
		census->arrived++;
		return;
	}
	/* nobody goes on before all have come: so those there is no room for are looked at later */
	if (awaited->count < DUREI_SHARERS_MAX)
		awaited->lanes[awaited->count++] = lane;
}

static uint32_t joined(const struct dl_barrier *b)
{
	return (uint32_t)(cell64_load_acq(&b->joined) & DL_SEMAPHORE_MAX);
}

/* Exact under guard; else somebody may join or leave meanwhile. */
static void take_census(dure_segment *seg, const struct dl_barrier *b, uint32_t phase,
			struct census *ret)
{
	uint32_t all = joined(b);

	*ret = (struct census){ .seg = seg, .arrived_now = ARRIVED | phase };
	durei_share_each(seg, durei_offset(seg, b), DL_SHARE_MEMBER, MEMBER, count_member, ret);
	ret->dead = all > ret->present ? all - ret->present : 0;
}

/* -- under guard ------------------------------------------------------------------------- */

/* [BARRIER3] */
static void finish_leaving(struct dl_barrier *b)
{
	uint64_t leaving = cell64_load_acq(&b->leaving);

	if (__builtin_expect(!leaving, 1))
		return;
	if (joined(b) == (leaving & DL_SEMAPHORE_MAX))
		cell32_store_rel(&b->members, (uint32_t)(leaving >> 32) & MEMBERS_MAX);	/* step 3 */
	cell64_store_rel(&b->leaving, 0);
}

static int take_guard(const struct call *c)
{
	int r = durei_word_take(c->lane, &c->barrier->guard, DL_HELD_CLEAN, 0, DURE_FOREVER);

	if (r < 0)
		return r;
	finish_leaving(c->barrier);
	return 0;
}

static void free_guard(const struct call *c)
{
	int index = durei_held_find(c->lane, durei_offset(c->lane->seg, &c->barrier->guard));

	if (index >= 0)
		durei_word_free(c->lane, &c->barrier->guard, index);
}

/* Ends the phase if all have arrived who live. [BARRIER2] */
static bool end_phase(const struct call *c, uint32_t phase, const struct census *census)
{
	struct dl_barrier *b = c->barrier;

	if (census->arrived < census->present ||
	    (phase == 0 && joined(b) < cell32_load_acq(&b->members)))
		return false;
	cell32_store_rel(&b->phase, phase < PHASE_MASK ? phase + 1 : 1);
	durei_wake(c->lane->seg, &b->phase, UINT32_MAX >> 1);
	return true;
}

/* [BARRIER1] */
static void set_arrived(const struct call *c, uint64_t arrived)
{
	cell64_store_rel(&c->share->units, UINT64_C(1) << 32 | arrived);
}

static void change_joined(const struct call *c, int64_t change)
{
	uint64_t before;

	durei_busy_begin(c->lane);
	(void)durei_share_change(c->lane->seg, c->lane->id, c->share, DL_SHARE_MEMBER,
				 &c->barrier->joined, change, change > 0, 0, &before);
	durei_busy_end(c->lane);
}

int dure_barrier_join(dure_segment *segment, dure_barrier *barrier)
{
	struct call c = { 0 };
	int r = begin(&c, segment, barrier);

	if (r == 0 && c.share)
		r = durei_error(EALREADY, "segment %s: the thread is a member of the barrier at +%#llx "
				"already", segment->super.name, (unsigned long long)c.offset);
	if (r == 0)
		r = take_guard(&c);
	if (r < 0)
		return r;
	c.share = durei_share_reserve(c.lane);
	if (c.share) {
		change_joined(&c, 1);
		set_arrived(&c, 0);
	}
	free_guard(&c);
	return c.share ? 0 : -ENOLCK;
}

static int no_member(const struct call *c)
{
	return durei_error(EPERM, "segment %s: the thread is no member of the barrier at +%#llx: "
			   "dure_barrier_join first", c->lane->seg->super.name,
			   (unsigned long long)c->offset);
}

/* Before the first phase has ended one fewer must have joined, too. */
static void leave(const struct call *c)
{
	struct dl_barrier *b = c->barrier;
	uint32_t members = cell32_load_acq(&b->members);

	cell64_store_rel(&b->leaving, DL_BARRIER_LEAVING | (joined(b) - 1) |
				      (uint64_t)(members ? members - 1 : 0) << 32);	/* step 1 */
	change_joined(c, -1);								/* step 2 */
	finish_leaving(b);
	durei_share_release(c->lane, c->share);
	durei_wake(c->lane->seg, &b->phase, UINT32_MAX >> 1);
}

int dure_barrier_leave(dure_segment *segment, dure_barrier *barrier)
{
	struct call c = { 0 };
	int r = begin(&c, segment, barrier);

	if (r == 0)
		r = c.share ? take_guard(&c) : no_member(&c);
	if (r < 0)
		return r;
	leave(&c);
	free_guard(&c);
	return 0;
}

/* -- waiting ----------------------------------------------------------------------------- */

/* Has the phase ended? Who is awaited, and how many died, is in *ret_census. 1, 0, or -errno */
static int look(const struct call *c, uint32_t phase, struct census *ret_census)
{
	int r = take_guard(c);

	if (r < 0)
		return r;
	take_census(c->lane->seg, c->barrier, phase, ret_census);
	r = cell32_load_acq(&c->barrier->phase) != phase || end_phase(c, phase, ret_census);
	free_guard(c);
	return r;
}

/* The time is over: arrived no more, unless the phase has ended. */
static int give_up(const struct call *c, uint32_t phase, struct census *ret_census, int code)
{
	int r = take_guard(c);

	if (r < 0)
		return r;
	take_census(c->lane->seg, c->barrier, phase, ret_census);
	if (cell32_load_acq(&c->barrier->phase) != phase)
		r = 1;
	else
		set_arrived(c, 0);
	free_guard(c);
	return r ? r : durei_error_plain(code);
}

static int wait_for_phase(const struct call *c, uint32_t phase, int64_t timeout_ns,
			  struct census *census)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r = 0;

	while ((r = look(c, phase, census)) == 0) {
		if (timeout_ns == 0 && durei_share_recover(c->lane, &census->awaited))
			continue;
		if (timeout_ns)
			r = durei_wait_any(c->lane, &c->barrier->phase, phase, census->awaited.lanes,
					   census->awaited.count, deadline);
		if (timeout_ns == 0 || r < 0)
			return give_up(c, phase, census, timeout_ns ? ETIMEDOUT : EAGAIN);
	}
	return r;
}

int dure_barrier_wait(dure_segment *segment, dure_barrier *barrier, int64_t timeout_ns)
{
	struct call c = { 0 };
	int r = begin(&c, segment, barrier);
	struct census census;
	uint32_t phase;

	if (r < 0)
		return r;
	if (!c.share)
		return no_member(&c);
	phase = cell32_load_acq(&c.barrier->phase);	/* it cannot end without us */
	set_arrived(&c, ARRIVED | phase);
	r = wait_for_phase(&c, phase, timeout_ns, &census);
	if (r < 0)
		return r;
	return census.dead ? DURE_OWNER_DIED : 0;
}

int dure_barrier_dead(dure_segment *segment, const dure_barrier *barrier)
{
	int r = durei_handle_check(segment);
	const struct dl_barrier *b = r < 0 ? NULL : barrier_in(segment, barrier);
	struct census census;

	if (!b)
		return r < 0 ? r : -EINVAL;
	take_census(segment, b, 0, &census);
	return (int)census.dead;
}
