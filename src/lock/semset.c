/* SPDX-License-Identifier: MIT */
/*
 * semset.c - a set of semaphores with System V's semantics
 *
 * Why      Programs that were written for semop(2) rely on arrays of operations, on waiting for
 *          zero and on SEM_UNDO. Built from single semaphores each of these would be seen half
 *          done; in the kernel each costs a system call, and sets outlive who made them.
 * How      Everything is done under `guard`, which is held for some ten instructions; how all of it
 *          changes in one step is told in semset_log.c; semset_set.c makes sets and looks at
 *          them. Who must wait says so in the signal of the semaphore that stops him, and sleeps
 *          on it and on the lives of those whose death would change that semaphore. Who waits is
 *          counted from the lanes, so no death falsifies it.
 * Rules    [SETOP1] a thread has a share that names its process' row before it changes an
 *                   adjustment; the share goes with the process, or when the row is empty
 *          [SETOP2] who has slept looks again before he gives up: what woke him may be for nobody
 *                   else
 *          [SETOP3] who waits for one more of one semaphore is woken alone; all others set MANY
 *          [SETOP4] who waits for one zero, and nothing else, has it when there was one: `zeros`
 *                   grows when he is woken for it, at the latest before the next one touches it
 *          [SETOP5] the guard is waited for some time also by who will not wait for semaphores
 * Death    of values and adjustments: semset_log.c
 *          row taken, no share         a row that nobody uses     free_row: it is empty
 *          share, no row of ours       a share of nothing         it goes with the lane
 *          waiting                     a share, flags             share.c: the others look again
 *          removed, nobody woken       sleepers                   they look again [WAIT2]
 */
#include <string.h>

#include "lock/semset_call.h"
#include "lock/word.h"
#include "os/futex.h"
#include "os/self.h"
#include "segment/wait.h"

enum {
	PAUSE_MAX_NS = 1000000,
	KNOWN_FLAGS = DURE_SEMSET_UNDO | DURE_SEMSET_NO_WAIT,
};

/* -- adjustments ------------------------------------------------------------------------- */

/* Is the row that our share names ours still? */
static bool is_own_row(const struct durei_semset_call *c, uint32_t number)
{
	return number < c->set.row_count && cell64_load_acq(&durei_semset_row(&c->set, number)->owner) ==
						    durei_semset_owner_word(c->set.seg);
}

static struct dl_share *share_of(const struct durei_semset_call *c)
{
	return c->lane->shares_used
		       ? durei_share_of(c->lane, c->offset, DL_SHARE_SET, DUREI_SEMSET_ADJUSTS) : NULL;
}

/* Shares of sets in which the process has nothing to undo any more make room. */
static struct dl_share *reserve_share(struct durei_lane *lane)
{
	if ((uint32_t)~lane->shares_used == 0)
		(void)durei_share_leave(lane);
	return durei_share_reserve(lane);
}

/* [SETOP1] Its number, or -ENOLCK -EUSERS. */
static int make_row(struct durei_semset_call *c, struct dl_share *share)
{
	uint64_t owner = durei_semset_owner_word(c->set.seg), serial;
	uint32_t number;

	if (share)			/* it names a row that is not ours any more */
		durei_share_clear(share);
	else
		share = reserve_share(c->lane);
	if (!share)
		return -ENOLCK;
	number = durei_semset_row_of(&c->set, owner, durei_semset_process(c->set.seg));
	if (number == DL_SEMSET_NO_ROW) {
		durei_share_release(c->lane, share);
		return -EUSERS;
	}
	serial = dl_share_serial(cell64_load_rlx(&share->what));
	cell64_store_rel(&share->units, owner | (uint64_t)number << DL_SEMSET_SHARE_ROW_SHIFT);
	cell64_store_rel(&share->what, dl_share(c->offset, DL_SHARE_SET, DL_SHARE_HELD, serial));
	c->lane->shares_kept |= 1u << (share - c->lane->shared->shares);
	return (int)number;
}

static int row_for_undo(struct durei_semset_call *c)
{
	struct dl_share *share = share_of(c);

	if (__builtin_expect(share && is_own_row(c, durei_semset_row_named_by(share)), 1))
		return (int)durei_semset_row_named_by(share);
	return make_row(c, share);
}

/* -- operating --------------------------------------------------------------------------- */

static int check_operations(const struct durei_semset_call *c)
{
	if (!c->operations || c->count < 1 || c->count > DURE_SEMSET_OPERATIONS_MAX)
		return durei_error(EINVAL, "dure_semset_operate: 1 to %d operations, not %zu",
				   DURE_SEMSET_OPERATIONS_MAX, c->count);
	for (size_t i = 0; i < c->count; i++) {
		const struct dure_semset_operation *o = &c->operations[i];
		if (__builtin_expect(o->index >= c->set.count, 0))
			return durei_semset_bad_index(c, o->index);
		if (__builtin_expect(o->flags & ~(uint32_t)KNOWN_FLAGS, 0))
			return durei_error(EINVAL, "dure_semset_operate: operation %zu: flags %#x have "
					   "unknown bits", i, o->flags);
		if (__builtin_expect(-(int64_t)o->change > c->set.value_max, 0))
			return durei_error(EINVAL, "dure_semset_operate: operation %zu takes %lld, and "
					   "there are never more than %u", i,
					   -(long long)o->change, c->set.value_max);
	}
	return 0;
}

static bool any_undoes(const struct durei_semset_call *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->operations[i].flags & DURE_SEMSET_UNDO && c->operations[i].change)
			return true;
	return false;
}

/* What a process has to undo stays within what it can have done. */
static bool is_too_much(const struct durei_semset *s, int64_t adjustment)
{
	return adjustment > s->value_max || adjustment < -(int64_t)s->value_max - 1;
}

/* One of them. 0; -EBUSY: it would have to wait; -EOVERFLOW */
static int operate_one(struct durei_semset_call *c, const struct dure_semset_operation *o)
{
	struct durei_semset *s = &c->set;
	uint32_t value = dl_semset_value(cell64_load_rlx(&s->counters[o->index].word));
	int64_t after = (int64_t)value + o->change, adjustment = 0;

	if (o->change == 0 ? value != 0 : after < 0)
		return -EBUSY;
	if (after > s->value_max)
		return durei_semset_too_large(c, o->index, "the value");
	if (s->row) {
		adjustment = (int32_t)cell32_load_rlx(&s->row->adjustments[o->index]);
		if (o->flags & DURE_SEMSET_UNDO)
			adjustment -= o->change;
		if (is_too_much(s, adjustment))
			return durei_semset_too_large(c, o->index, "the adjustment");
	}
	durei_semset_change(s, o->index,
			    (uint32_t)after | (uint64_t)durei_semset_process(s->seg) << 32,
			    (int32_t)adjustment);
	return 0;
}

/* [SETOP4] */
static bool had_its_zero(const struct durei_semset_call *c)
{
	const struct dure_semset_operation *o = c->operations;

	return c->waiting && c->count == 1 && o->change == 0 &&
	       cell32_load_acq(&c->set.counters[o->index].zeros) != c->zeros;
}

/* Under guard. 0; -EBUSY: c->stopped_by would have to wait; or why it cannot be */
static int try_all(struct durei_semset_call *c)
{
	int row = any_undoes(c) ? row_for_undo(c) : DL_SEMSET_NO_ROW, r = 0;

	if (row < 0)
		return row;
	durei_semset_begin(&c->set, (uint32_t)row);
	for (size_t i = 0; r == 0 && i < c->count; i++) {
		r = operate_one(c, &c->operations[i]);
		c->stopped_by = i;
	}
	if (r == 0)
		durei_semset_commit(&c->set);
	else if (c->set.logged)
		durei_semset_roll_back(&c->set);
	return r == -EBUSY && had_its_zero(c) ? 0 : r;
}

/* -- waiting ----------------------------------------------------------------------------- */

static const struct dure_semset_operation *stopper(const struct durei_semset_call *c)
{
	return &c->operations[c->stopped_by];
}

/* Says in our lane what we wait for: that is how waiters are counted. */
static int say_waiting(struct durei_semset_call *c)
{
	uint64_t asks = (uint64_t)stopper(c)->index << DL_SEMSET_ASKS_SHIFT |
			(stopper(c)->change ? 0 : DL_SEMSET_ASKS_ZERO);
	uint64_t serial;

	if (!c->waiting) {
		c->waiting = reserve_share(c->lane);
		c->pause_ns = DUREI_SEMSET_PAUSE_NS;
		c->zeros = cell32_load_acq(&c->set.counters[stopper(c)->index].zeros);
	}
	if (!c->waiting)
		return -ENOLCK;
	serial = dl_share_serial(cell64_load_rlx(&c->waiting->what));
	cell64_store_rel(&c->waiting->units, asks);
	cell64_store_rel(&c->waiting->what,
			 dl_share(c->offset, DL_SHARE_SET, DL_SHARE_WAITING, serial));
	return 0;
}

static uint32_t flags_of(const struct durei_semset_call *c)
{
	if (stopper(c)->change == 0)
		return DL_SEMSET_FOR_ZERO;
	return DL_SEMSET_FOR_MORE |
	       (c->count == 1 && stopper(c)->change == -1 ? 0 : DL_SEMSET_MANY);	/* [SETOP3] */
}

/* Under guard; so what is returned cannot have changed since we looked. */
static uint32_t show_waiting(struct durei_semset_call *c)
{
	struct cell32 *signal = &c->set.counters[stopper(c)->index].signal;

	return cell32_or(signal, flags_of(c)) | flags_of(c);
}

/* One sleep, without the guard. 0: look again; -ETIMEDOUT */
static int sleep_once(struct durei_semset_call *c, uint32_t expected, int64_t deadline_ns)
{
	const struct cell32 *signal = &c->set.counters[stopper(c)->index].signal;
	int64_t until = deadline_ns;
	struct durei_semset_holders h;
	int r;

	durei_semset_find_holders(c, stopper(c)->index, &h);
	if (h.has_parked && c->pause_ns < PAUSE_MAX_NS) {
		/* perhaps one whose threads are dead and whose memory is being taken apart */
		until = durei_clock_now() + c->pause_ns;
		c->pause_ns *= 2;
	}
	until = until < deadline_ns ? until : deadline_ns;
	r = durei_wait_any(c->lane, signal, expected, h.lanes.lanes, h.lanes.count, until);
	return r == -ETIMEDOUT && until < deadline_ns ? 0 : r;
}

static void end_waiting(struct durei_semset_call *c)
{
	if (c->waiting)
		durei_share_release(c->lane, c->waiting);
	c->waiting = NULL;
}

/* It would have to wait, and may not. Under guard, which it gives back. 0: look again */
static int give_up(struct durei_semset_call *c, int code)
{
	durei_semset_free_guard(c);
	return durei_semset_ask_the_dead(c, stopper(c)->index) ? 0 : durei_error_plain(code);
}

/* Under guard, which it gives back. 0: look again; or the end of it */
static int wait_once(struct durei_semset_call *c, int64_t deadline_ns, int *sleep_result)
{
	uint32_t expected;
	int r;

	if (stopper(c)->flags & DURE_SEMSET_NO_WAIT || !deadline_ns)
		return give_up(c, EAGAIN);
	if (*sleep_result < 0)					/* [SETOP2] */
		return give_up(c, -*sleep_result);
	r = say_waiting(c);
	expected = r == 0 ? show_waiting(c) : 0;
	durei_semset_free_guard(c);
	if (r == 0)
		*sleep_result = sleep_once(c, expected, deadline_ns);
	return r;
}

static int overtaken(const struct durei_semset_call *c, int r)
{
	if (r == -EUSERS)
		return durei_error(EUSERS, "segment %s: %u processes have adjustments in the semaphore set "
				   "at +%#llx: make it for more", c->set.seg->super.name,
				   c->set.row_count, (unsigned long long)c->offset);
	return r;
}

/* Rows of processes that are dead, and that nobody has missed, make room. */
static bool made_room(struct durei_semset_call *c, bool *has_asked)
{
	bool again = !*has_asked && durei_semset_ask_the_dead(c, UINT32_MAX);

	*has_asked = true;
	return again;
}

static int operate(struct durei_semset_call *c, int64_t deadline_ns)
{
	int r, slept = 0;
	bool has_asked = false;

	for (;;) {
		r = durei_semset_take_guard(c, deadline_ns);
		if (r < 0) {
			if (c->waiting)		/* what woke us may be another's */
				(void)durei_wake(c->set.seg,
						 &c->set.counters[stopper(c)->index].signal, 1);
			return r;
		}
		r = try_all(c);
		if (__builtin_expect(r != -EBUSY, 1)) {
			durei_semset_free_guard(c);
			if (r != -EUSERS || !made_room(c, &has_asked))
				return overtaken(c, r);
			continue;
		}
		r = wait_once(c, deadline_ns, &slept);
		if (r < 0)
			return r;
		if (__builtin_expect(cell32_load_acq(&c->set.shared->kind) != DL_LOCK_IS_SEMSET, 0))
			return durei_semset_refuse(c->set.seg, (const dure_semset *)c->set.shared);
	}
}

int dure_semset_operate(dure_segment *segment, dure_semset *set,
			const struct dure_semset_operation *operations, size_t count,
			int64_t timeout_ns)
{
	struct durei_semset_call c;
	int r = durei_semset_call(&c, segment, set);

	if (__builtin_expect(r < 0, 0))
		return r;
	c.operations = operations;
	c.count = count;
	r = check_operations(&c);
	if (__builtin_expect(r < 0, 0))
		return r;
	r = operate(&c, timeout_ns ? durei_deadline(timeout_ns) : 0);
	end_waiting(&c);
	return r;
}
