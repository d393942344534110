/* SPDX-License-Identifier: MIT */
/*
 * semset.c - a set of semaphores with System V's semantics
 *
 * Why      Programs that were written for semop(2) rely on arrays of operations, on waiting for
 *          zero and on SEM_UNDO. Built from single semaphores each of these would be seen half
 *          done; in the kernel each costs a system call, and sets outlive who made them.
 * How      Everything is done under `guard`, which is held for some ten instructions; how all of it
 *          changes in one step is told in semset_log.c. Who must wait says so in the signal of the
 *          semaphore that stops him, and sleeps on it and on the lives of those whose death would
 *          change that semaphore. Who waits is counted from the lanes, so no death falsifies it.
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
#include <dure/semset.h>

#include <string.h>

#include "base/options.h"
#include "lock/place.h"
#include "lock/semset.h"
#include "lock/share.h"
#include "lock/word.h"
#include "os/futex.h"
#include "os/self.h"
#include "segment/wait.h"

static_assert(sizeof(dure_semset) == sizeof(struct dl_semset), "dure_semset is dl_semset");
static_assert((int)DURE_SEMSET_SEMAPHORES_MAX == (int)DL_SEMSET_COUNTERS_MAX &&
		      (int)DURE_SEMSET_PROCESSES_MAX == (int)DL_SEMSET_ROWS_MAX,
	      "what the header says");
static_assert(DURE_SEMSET_BYTES(1, 1) == 64 + 40 + 24 && DURE_SEMSET_BYTES(2, 3) == 64 + 80 + 72,
	      "dl_semset_bytes says the same");

enum {
	GUARD_PATIENCE_NS = 100000000,	/* [SETOP5] */
	PAUSE_FIRST_NS = 30000,		/* a process that dies is gone soon after its threads */
	PAUSE_MAX_NS = 1000000,
	KNOWN_FLAGS = DURE_SEMSET_UNDO | DURE_SEMSET_NO_WAIT,
	ADJUSTS = DUREI_SHARE_IN(DL_SHARE_HELD),
	WAITS = DUREI_SHARE_IN(DL_SHARE_WAITING),
};

/* One call. */
struct call {
	struct durei_semset set;
	struct durei_lane *lane;
	uint64_t offset;
	const struct dure_semset_operation *operations;
	size_t count;
	size_t stopped_by;		/* the operation that would have to wait */
	struct dl_share *waiting;	/* NULL: it has not slept yet */
	int64_t pause_ns;
	uint32_t zeros;			/* of the semaphore, when it began to wait for its zero */
};

/* -- the set, and its guard -------------------------------------------------------------- */

static int refuse(dure_segment *seg, const dure_semset *set)
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

static int begin(struct call *c, dure_segment *segment, const dure_semset *set)
{
	int r = 0;

	c->lane = durei_lane_get(segment, &r);
	if (__builtin_expect(!c->lane, 0))
		return r;
	c->offset = durei_offset(segment, set);
	c->waiting = NULL;
	if (__builtin_expect(!durei_semset_view(segment, c->offset, &c->set), 0))
		return refuse(segment, set);
	return 0;
}

static void free_guard(const struct call *c)
{
	int index = durei_held_find(c->lane, durei_offset(c->set.seg, &c->set.shared->guard));

	if (index >= 0)
		durei_word_free(c->lane, &c->set.shared->guard, index);
}

/* Gets the guard; the set is whole then, and it is still a set. */
static int take_guard(struct call *c, int64_t deadline_ns)
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
		free_guard(c);
		return refuse(c->set.seg, (const dure_semset *)c->set.shared);
	}
	durei_semset_settle(&c->set);
	return 0;
}

static int bad_index(const struct call *c, uint32_t index)
{
	return durei_error(EINVAL, "segment %s: the semaphore set at +%#llx has %u semaphores, there is no "
			   "number %u", c->set.seg->super.name, (unsigned long long)c->offset,
			   c->set.count, index);
}

static int too_large(const struct call *c, uint32_t index, const char *what)
{
	return durei_error(EOVERFLOW, "segment %s: %s of semaphore %u of the set at +%#llx would exceed %u",
			   c->set.seg->super.name, what, index, (unsigned long long)c->offset,
			   c->set.value_max);
}

/* -- making ------------------------------------------------------------------------------ */

static int check_options(const struct dure_semset_options *o)
{
	if (o->semaphores < 1 || o->semaphores > DURE_SEMSET_SEMAPHORES_MAX ||
	    o->processes > DURE_SEMSET_PROCESSES_MAX || o->value_max > DL_SEMAPHORE_MAX)
		return durei_error(EINVAL, "a set has 1 to %d semaphores, not %u, up to %d processes that "
				   "undo, not %u, and values up to %llu, not %u",
				   DURE_SEMSET_SEMAPHORES_MAX, o->semaphores,
				   DURE_SEMSET_PROCESSES_MAX, o->processes,
				   (unsigned long long)DL_SEMAPHORE_MAX, o->value_max);
	for (uint32_t i = 0; o->values && i < o->semaphores; i++)
		if (o->values[i] > o->value_max)
			return durei_error(EOVERFLOW, "value %u of semaphore %u is more than %u",
					   o->values[i], i, o->value_max);
	return 0;
}

int dure_semset_init(dure_segment *segment, dure_semset *set,
		     const struct dure_semset_options *options)
{
	struct dl_semset *s = (struct dl_semset *)set;
	struct dure_semset_options o;
	int r = durei_handle_check_write(segment);

	if (r == 0)
		r = durei_options_read(&o, sizeof o, sizeof o, options);
	if (r < 0)
		return r;
	if (o.value_max == 0)
		o.value_max = DURE_SEMSET_VALUE_MAX;
	r = check_options(&o);
	if (r == 0)
		r = durei_place_check(segment, set, DURE_SEMSET_BYTES(o.semaphores, o.processes));
	if (r < 0)
		return r;
	memset(s, 0, DURE_SEMSET_BYTES(o.semaphores, o.processes));
	s->counters = o.semaphores;
	s->rows = o.processes;
	s->value_max = o.value_max;
	for (uint32_t i = 0; o.values && i < o.semaphores; i++)
		cell64_store_rel(&dl_semset_counters(s)[i].word, o.values[i]);
	cell32_store_rel(&s->kind, DL_LOCK_IS_SEMSET);
	return 0;
}

/* -- adjustments ------------------------------------------------------------------------- */

/* What a row of this process says of its owner. */
static uint64_t owner_word(const dure_segment *seg)
{
	uint64_t generation;

	if (!seg->has_slot)		/* alone */
		return DL_SEMSET_USED;
	generation = cell64_load_rlx(&seg->slots[seg->slot].state) >> DL_SLOT_GENERATION_SHIFT;
	return generation << DL_SEMSET_GENERATION_SHIFT | DL_SEMSET_USED | seg->slot;
}

static uint32_t process_of(const dure_segment *seg)
{
	return seg->has_slot ? seg->slots[seg->slot].process : durei_process_id();
}

static uint32_t row_named_by(const struct dl_share *share)
{
	return cell64_load_acq(&share->units) >> DL_SEMSET_SHARE_ROW_SHIFT & 0xffff;
}

/* Is the row that our share names ours still? */
static bool is_own_row(const struct call *c, uint32_t number)
{
	return number < c->set.row_count &&
	       cell64_load_acq(&durei_semset_row(&c->set, number)->owner) == owner_word(c->set.seg);
}

static struct dl_share *share_of(const struct call *c)
{
	return c->lane->shares_used
		       ? durei_share_of(c->lane, c->offset, DL_SHARE_SET, ADJUSTS) : NULL;
}

/* Shares of sets in which the process has nothing to undo any more make room. */
static struct dl_share *reserve_share(struct durei_lane *lane)
{
	if ((uint32_t)~lane->shares_used == 0)
		(void)durei_share_leave(lane);
	return durei_share_reserve(lane);
}

/* [SETOP1] Its number, or -ENOLCK -EUSERS. */
static int make_row(struct call *c, struct dl_share *share)
{
	uint64_t owner = owner_word(c->set.seg), serial;
	uint32_t number;

	if (share)			/* it names a row that is not ours any more */
		durei_share_clear(share);
	else
		share = reserve_share(c->lane);
	if (!share)
		return -ENOLCK;
	number = durei_semset_row_of(&c->set, owner, process_of(c->set.seg));
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

static int row_for_undo(struct call *c)
{
	struct dl_share *share = share_of(c);

	if (__builtin_expect(share && is_own_row(c, row_named_by(share)), 1))
		return (int)row_named_by(share);
	return make_row(c, share);
}

/* -- who has to undo something, and who waits -------------------------------------------- */

/* The lanes of other processes whose death changes a semaphore. */
struct holders {
	const struct call *call;
	uint32_t index;			/* UINT32_MAX: any */
	bool has_parked;		/* one has no thread whose death is told */
	struct durei_sharers lanes;
};

static void add_holder(struct dl_share *share, uint64_t what, void *context)
{
	struct holders *h = context;
	const struct durei_semset *s = &h->call->set;
	uint32_t number = row_named_by(share);
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

static void find_holders(const struct call *c, uint32_t index, struct holders *ret)
{
	*ret = (struct holders){ .call = c, .index = index };
	durei_semset_orphan_rows(&c->set);
	durei_share_each(c->set.seg, c->offset, DL_SHARE_SET, ADJUSTS, add_holder, ret);
}

/* 1: some were dead, and are dealt with; 0: none was; -EAGAIN: somebody else is at one */
static int recover_holders(const struct call *c, uint32_t index)
{
	bool any = false, others = false;
	struct holders h;

	find_holders(c, index, &h);
	for (unsigned i = 0; i < h.lanes.count; i++) {
		int r = durei_recover_lane(c->set.seg, c->lane, h.lanes.lanes[i]);
		any |= r == 1;
		others |= r == -EAGAIN;
	}
	return others ? -EAGAIN : any;
}

/*
 * Whether one of them was dead: look again then. Somebody else who is at one has dealt with it
 * within moments, or he is stopped. [SETOP5]
 */
static bool ask_the_dead(const struct call *c, uint32_t index)
{
	int r = recover_holders(c, index);
	int64_t patience = r < 0 ? durei_clock_now() + GUARD_PATIENCE_NS : 0;
	bool waited = r < 0;

	while (r < 0 && durei_clock_now() < patience) {
		durei_sleep_until(durei_clock_now() + PAUSE_FIRST_NS);
		r = recover_holders(c, index);
	}
	return r > 0 || (waited && r == 0);
}

/* -- operating --------------------------------------------------------------------------- */

static int check_operations(const struct call *c)
{
	if (!c->operations || c->count < 1 || c->count > DURE_SEMSET_OPERATIONS_MAX)
		return durei_error(EINVAL, "dure_semset_operate: 1 to %d operations, not %zu",
				   DURE_SEMSET_OPERATIONS_MAX, c->count);
	for (size_t i = 0; i < c->count; i++) {
		const struct dure_semset_operation *o = &c->operations[i];
		if (__builtin_expect(o->index >= c->set.count, 0))
			return bad_index(c, o->index);
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

static bool any_undoes(const struct call *c)
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
static int operate_one(struct call *c, const struct dure_semset_operation *o)
{
	struct durei_semset *s = &c->set;
	uint32_t value = dl_semset_value(cell64_load_rlx(&s->counters[o->index].word));
	int64_t after = (int64_t)value + o->change, adjustment = 0;

	if (o->change == 0 ? value != 0 : after < 0)
		return -EBUSY;
	if (after > s->value_max)
		return too_large(c, o->index, "the value");
	if (s->row) {
		adjustment = (int32_t)cell32_load_rlx(&s->row->adjustments[o->index]);
		if (o->flags & DURE_SEMSET_UNDO)
			adjustment -= o->change;
		if (is_too_much(s, adjustment))
			return too_large(c, o->index, "the adjustment");
	}
	durei_semset_change(s, o->index,
			    (uint32_t)after | (uint64_t)process_of(s->seg) << 32,
			    (int32_t)adjustment);
	return 0;
}

/* [SETOP4] */
static bool had_its_zero(const struct call *c)
{
	const struct dure_semset_operation *o = c->operations;

	return c->waiting && c->count == 1 && o->change == 0 &&
	       cell32_load_acq(&c->set.counters[o->index].zeros) != c->zeros;
}

/* Under guard. 0; -EBUSY: c->stopped_by would have to wait; or why it cannot be */
static int try_all(struct call *c)
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

static const struct dure_semset_operation *stopper(const struct call *c)
{
	return &c->operations[c->stopped_by];
}

/* Says in our lane what we wait for: that is how waiters are counted. */
static int say_waiting(struct call *c)
{
	uint64_t asks = (uint64_t)stopper(c)->index << DL_SEMSET_ASKS_SHIFT |
			(stopper(c)->change ? 0 : DL_SEMSET_ASKS_ZERO);
	uint64_t serial;

	if (!c->waiting) {
		c->waiting = reserve_share(c->lane);
		c->pause_ns = PAUSE_FIRST_NS;
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

static uint32_t flags_of(const struct call *c)
{
	if (stopper(c)->change == 0)
		return DL_SEMSET_FOR_ZERO;
	return DL_SEMSET_FOR_MORE |
	       (c->count == 1 && stopper(c)->change == -1 ? 0 : DL_SEMSET_MANY);	/* [SETOP3] */
}

/* Under guard; so what is returned cannot have changed since we looked. */
static uint32_t show_waiting(struct call *c)
{
	struct cell32 *signal = &c->set.counters[stopper(c)->index].signal;

	return cell32_or(signal, flags_of(c)) | flags_of(c);
}

/* One sleep, without the guard. 0: look again; -ETIMEDOUT */
static int sleep_once(struct call *c, uint32_t expected, int64_t deadline_ns)
{
	const struct cell32 *signal = &c->set.counters[stopper(c)->index].signal;
	int64_t until = deadline_ns;
	struct holders h;
	int r;

	find_holders(c, stopper(c)->index, &h);
	if (h.has_parked && c->pause_ns < PAUSE_MAX_NS) {
		/* perhaps one whose threads are dead and whose memory is being taken apart */
		until = durei_clock_now() + c->pause_ns;
		c->pause_ns *= 2;
	}
	until = until < deadline_ns ? until : deadline_ns;
	r = durei_wait_any(c->lane, signal, expected, h.lanes.lanes, h.lanes.count, until);
	return r == -ETIMEDOUT && until < deadline_ns ? 0 : r;
}

static void end_waiting(struct call *c)
{
	if (c->waiting)
		durei_share_release(c->lane, c->waiting);
	c->waiting = NULL;
}

/* It would have to wait, and may not. Under guard, which it gives back. 0: look again */
static int give_up(struct call *c, int code)
{
	free_guard(c);
	return ask_the_dead(c, stopper(c)->index) ? 0 : durei_error_plain(code);
}

/* Under guard, which it gives back. 0: look again; or the end of it */
static int wait_once(struct call *c, int64_t deadline_ns, int *sleep_result)
{
	uint32_t expected;
	int r;

	if (stopper(c)->flags & DURE_SEMSET_NO_WAIT || !deadline_ns)
		return give_up(c, EAGAIN);
	if (*sleep_result < 0)					/* [SETOP2] */
		return give_up(c, -*sleep_result);
	r = say_waiting(c);
	expected = r == 0 ? show_waiting(c) : 0;
	free_guard(c);
	if (r == 0)
		*sleep_result = sleep_once(c, expected, deadline_ns);
	return r;
}

static int overtaken(const struct call *c, int r)
{
	if (r == -EUSERS)
		return durei_error(EUSERS, "segment %s: %u processes have adjustments in the semaphore set "
				   "at +%#llx: make it for more", c->set.seg->super.name,
				   c->set.row_count, (unsigned long long)c->offset);
	return r;
}

/* Rows of processes that are dead, and that nobody has missed, make room. */
static bool made_room(struct call *c, bool *has_asked)
{
	bool again = !*has_asked && ask_the_dead(c, UINT32_MAX);

	*has_asked = true;
	return again;
}

static int operate(struct call *c, int64_t deadline_ns)
{
	int r, slept = 0;
	bool has_asked = false;

	for (;;) {
		r = take_guard(c, deadline_ns);
		if (r < 0) {
			if (c->waiting)		/* what woke us may be another's */
				(void)durei_wake(c->set.seg,
						 &c->set.counters[stopper(c)->index].signal, 1);
			return r;
		}
		r = try_all(c);
		if (__builtin_expect(r != -EBUSY, 1)) {
			free_guard(c);
			if (r != -EUSERS || !made_room(c, &has_asked))
				return overtaken(c, r);
			continue;
		}
		r = wait_once(c, deadline_ns, &slept);
		if (r < 0)
			return r;
		if (__builtin_expect(cell32_load_acq(&c->set.shared->kind) != DL_LOCK_IS_SEMSET, 0))
			return refuse(c->set.seg, (const dure_semset *)c->set.shared);
	}
}

int dure_semset_operate(dure_segment *segment, dure_semset *set,
			const struct dure_semset_operation *operations, size_t count,
			int64_t timeout_ns)
{
	struct call c;
	int r = begin(&c, segment, set);

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

/* -- setting ----------------------------------------------------------------------------- */

static int set_values(struct call *c, uint32_t first, uint32_t count, const uint32_t *values)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < count; i++)
		if (values[i] > c->set.value_max)
			r = too_large(c, first + i, "the value");
	if (r == 0)
		r = take_guard(c, DUREI_NEVER);
	if (r < 0)
		return r;
	durei_semset_store(&c->set, first, count, values, process_of(c->set.seg));
	free_guard(c);
	return 0;
}

int dure_semset_set(dure_segment *segment, dure_semset *set, uint32_t index, uint32_t value)
{
	struct call c;
	int r = begin(&c, segment, set);

	if (r == 0 && index >= c.set.count)
		r = bad_index(&c, index);
	return r < 0 ? r : set_values(&c, index, 1, &value);
}

static int check_count(const struct call *c, size_t count)
{
	if (count == c->set.count)
		return 0;
	return durei_error(EINVAL, "segment %s: the semaphore set at +%#llx has %u semaphores, not %zu",
			   c->set.seg->super.name, (unsigned long long)c->offset, c->set.count, count);
}

int dure_semset_set_all(dure_segment *segment, dure_semset *set, const uint32_t *values,
			size_t count)
{
	struct call c;
	int r = begin(&c, segment, set);

	if (r == 0)
		r = check_count(&c, count);
	return r < 0 ? r : set_values(&c, 0, c.set.count, values);
}

/* -- looking ----------------------------------------------------------------------------- */

/* Under guard, with what the dead had to undo; a dead waiter counts no more either. */
static int begin_looking(struct call *c, dure_segment *segment, const dure_semset *set)
{
	int r = begin(c, segment, set);
	struct durei_sharers waiters;

	if (r < 0)
		return r;
	(void)ask_the_dead(c, UINT32_MAX);
	durei_share_find_all(c->lane, c->offset, DL_SHARE_SET, WAITS, &waiters);
	(void)durei_share_recover(c->lane, &waiters);
	return 0;
}

int dure_semset_get_all(dure_segment *segment, dure_semset *set, uint32_t *ret_values,
			size_t count)
{
	struct call c;
	int r = begin_looking(&c, segment, set);

	if (r == 0)
		r = check_count(&c, count);
	if (r == 0)
		r = take_guard(&c, DUREI_NEVER);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < c.set.count; i++)
		ret_values[i] = dl_semset_value(cell64_load_rlx(&c.set.counters[i].word));
	free_guard(&c);
	return 0;
}

struct waiters {
	uint32_t index, for_more, for_zero;
};

static void count_waiter(struct dl_share *share, uint64_t what, void *context)
{
	uint64_t asks = cell64_load_acq(&share->units);
	struct waiters *w = context;

	(void)what;
	if (asks >> DL_SEMSET_ASKS_SHIFT != w->index)
		return;
	if (asks & DL_SEMSET_ASKS_ZERO)
		w->for_zero++;
	else
		w->for_more++;
}

static void look(const struct call *c, uint32_t index, struct dure_semset_info *ret)
{
	uint64_t word = cell64_load_rlx(&c->set.counters[index].word);
	uint64_t owner = owner_word(c->set.seg);
	struct waiters waiters = { .index = index };

	durei_share_each(c->set.seg, c->offset, DL_SHARE_SET, WAITS, count_waiter, &waiters);
	*ret = (struct dure_semset_info){
		.sz = sizeof *ret,
		.semaphores = c->set.count,
		.value_max = c->set.value_max,
		.value = dl_semset_value(word),
		.last_process = (uint32_t)(word >> 32),
		.waiting_for_more = waiters.for_more,
		.waiting_for_zero = waiters.for_zero,
	};
	for (uint32_t i = 0; i < c->set.row_count; i++) {
		const struct dl_semset_row *row = durei_semset_row(&c->set, i);
		if (cell64_load_acq(&row->owner) == owner)
			ret->adjustment = (int32_t)cell32_load_acq(&row->adjustments[index]);
	}
}

int dure_semset_info(dure_segment *segment, dure_semset *set, uint32_t index,
		     struct dure_semset_info *ret)
{
	struct dure_semset_info info;
	struct call c;
	int r = begin_looking(&c, segment, set);

	if (r == 0 && index >= c.set.count)
		r = bad_index(&c, index);
	if (r == 0)
		r = take_guard(&c, DUREI_NEVER);
	if (r < 0)
		return r;
	look(&c, index, &info);
	free_guard(&c);
	return durei_options_write(ret, &info, sizeof info, sizeof info);
}

/* -- the end ----------------------------------------------------------------------------- */

int dure_semset_remove(dure_segment *segment, dure_semset *set)
{
	struct call c;
	int r = begin(&c, segment, set);

	if (r == 0)
		r = take_guard(&c, DUREI_NEVER);
	if (r < 0)
		return r;
	cell32_store_rel(&c.set.shared->kind, DL_LOCK_WAS_SEMSET);
	for (uint32_t i = 0; i < c.set.count; i++) {
		cell32_add(&c.set.counters[i].signal, DL_SEMSET_STEP);
		durei_wake(segment, &c.set.counters[i].signal, UINT32_MAX >> 1);
	}
	free_guard(&c);
	return 0;
}
