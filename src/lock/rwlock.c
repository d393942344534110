/* SPDX-License-Identifier: MIT */
/*
 * rwlock.c - many readers or one writer
 *
 * Why      A count of readers in the lock would make every reader write a line that all
 *          readers write, and would not tell whose count a dead one has left. So a reader
 *          stands in its own lane, and who wants to write looks through the lanes.
 * How      A reader puts HELD into a share (share.c), then looks at `word`: if nobody writes or
 *          wants to, it is in. A writer takes `turn`, takes `word`, then looks for readers and
 *          waits until they have gone. Each shows itself first and looks then, with a fence
 *          between, so one of the two sees the other. `turn` without `word` is the upgradable
 *          mode.
 *          DL_DRAIN_READERS spares the writer the search: a reader sets it when it is not set,
 *          a writer that has found nobody clears it while `word` is its own.
 *          A reader that has to wait says WAITING in its share; the writer makes that HELD
 *          before it frees `word`, so that a stream of writers does not keep readers out.
 * Rules    [RW1] `word` names a lane only while `turn` names it, or while the lane is dead
 *          [RW2] a reader is in from HELD, seen by itself with nobody in `word` afterwards, or
 *                made HELD by a writer
 *          [RW3] until a writer is alone its entry in held[] is CLEAN: it has changed nothing
 * Death    writing, after step       is left behind              who mends it
 *          1 turn                    a lock of the dead          held.c
 *          2 word                    the same twice, CLEAN       held.c: nobody is told
 *          3 entry not CLEAN         a writer inside             held.c: DIED
 *          4 askers HELD             readers with shares         they are in: the lock is theirs
 *                                                                when held.c has freed it
 *          5 word free               turn                        held.c
 *          DL_DRAIN_ flags           a search too many           who finds nobody clears them
 *          reading: HELD or WAITING  a share                     share.c; who waits is woken
 */
#include <dure/rwlock.h>

#include <string.h>

#include "lock/place.h"
#include "lock/share.h"
#include "lock/word.h"
#include "os/futex.h"
#include "segment/participant.h"
#include "segment/wait.h"

static_assert(sizeof(dure_rwlock) == sizeof(struct dl_rwlock), "dure_rwlock is dl_rwlock");

/* One call. */
struct call {
	struct durei_lane *lane;
	struct dl_rwlock *lock;
	uint64_t offset;
	int64_t timeout_ns, deadline_ns;
};

/* NULL: no lock inside the segment; the sentence is said. */
static struct dl_rwlock *lock_in(dure_segment *seg, const dure_rwlock *lock)
{
	struct dl_rwlock *l = (struct dl_rwlock *)(uintptr_t)lock;

	return durei_place_is(seg, l, sizeof *l, DUREI_KIND_OF(l), DL_LOCK_IS_RWLOCK, "reader-writer lock")
		       ? l : NULL;
}

static int begin(struct call *c, dure_segment *segment, dure_rwlock *lock, int64_t timeout_ns)
{
	int r = 0;

	c->lane = durei_lane_get(segment, &r);
	if (__builtin_expect(!c->lane, 0))
		return r;
	c->lock = lock_in(segment, lock);
	if (!c->lock)
		return -EINVAL;
	c->offset = durei_offset(segment, lock);
	c->timeout_ns = timeout_ns;
	c->deadline_ns = timeout_ns > 0 ? durei_deadline(timeout_ns) : DUREI_NEVER;
	return 0;
}

/* What is left of the time, as a timeout. */
static int64_t remaining(const struct call *c)
{
	int64_t left;

	if (c->timeout_ns <= 0 || c->deadline_ns == DUREI_NEVER)
		return c->timeout_ns;
	left = c->deadline_ns - durei_clock_now();
	return left > 0 ? left : 1;
}

int dure_rwlock_init(dure_segment *segment, dure_rwlock *lock)
{
	int r = durei_place_check(segment, lock, sizeof *lock);

	if (r < 0)
		return r;
	memset(lock, 0, sizeof *lock);
	((struct dl_rwlock *)lock)->kind = DL_LOCK_IS_RWLOCK;
	return 0;
}

/* -- who has it -------------------------------------------------------------------------- */

static struct dl_share *own_share(const struct call *c)
{
	return c->lane->shares_used ? durei_share_of(c->lane, c->offset, DL_SHARE_READ,
						     DUREI_SHARE_IN(DL_SHARE_HELD)) : NULL;
}

/* 0: in none */
static enum dure_lock_mode own_mode(const struct call *c)
{
	if (durei_word_is_ours(c->lane, &c->lock->word))
		return DURE_EXCLUSIVE;
	if (durei_word_is_ours(c->lane, &c->lock->turn))
		return DURE_UPGRADABLE;
	return own_share(c) ? DURE_SHARED : 0;
}

static int not_ours(const struct call *c)
{
	return durei_error(EPERM, "segment %s: the thread does not have the lock at +%#llx",
			   c->lane->seg->super.name, (unsigned long long)c->offset);
}

static int have_already(const struct call *c)
{
	return durei_error(EDEADLK, "segment %s: the thread has the lock at +%#llx already, and would "
			   "wait for itself: see dure_rwlock_change", c->lane->seg->super.name,
			   (unsigned long long)c->offset);
}

/* What somebody who got in is told by a word that names nobody. */
static int told_by(uint32_t word)
{
	if (word & DL_LOCK_ABANDONED)
		return durei_error_plain(ENOTRECOVERABLE);
	return word & DL_LOCK_DIED ? DURE_OWNER_DIED : 0;
}

static void free_turn(const struct call *c)
{
	int index = durei_held_find(c->lane, durei_offset(c->lane->seg, &c->lock->turn));

	if (index >= 0)
		durei_word_free(c->lane, &c->lock->turn, index);
}

/* -- reading ----------------------------------------------------------------------------- */

static uint64_t share_of(const struct call *c, const struct dl_share *share,
			 enum dl_share_state state)
{
	return dl_share(c->offset, DL_SHARE_READ, state,
			dl_share_serial(cell64_load_rlx(&share->what)));
}

/* HELD, and a writer who comes now looks for us. */
static void show_share(const struct call *c, struct dl_share *share)
{
	cell64_store_rel(&share->what, share_of(c, share, DL_SHARE_HELD));
	fence_full();
	if (!(cell32_load_acq(&c->lock->drain) & DL_DRAIN_READERS)) {
		cell32_or(&c->lock->drain, DL_DRAIN_READERS);
		fence_full();
	}
}

/* [RW2] -EBUSY: there is a writer */
static int try_share(const struct call *c, struct dl_share *share)
{
	uint32_t word;

	show_share(c, share);
	word = cell32_load_acq(&c->lock->word);
	return word & DL_LOCK_OWNER_MASK ? -EBUSY : told_by(word);
}

/* From HELD, which was of no use, to WAITING: the writer sees to it. */
static void ask(const struct call *c, struct dl_share *share)
{
	cell64_store_rel(&share->what, share_of(c, share, DL_SHARE_WAITING));
	durei_share_left(c->lane->seg, c->lock);
	cell32_or(&c->lock->drain, DL_DRAIN_ASKERS);
	fence_full();
}

/* Not any more. False: too late, it is HELD. */
static bool stop_asking(const struct call *c, struct dl_share *share)
{
	uint64_t asking = share_of(c, share, DL_SHARE_WAITING);

	return cell64_cas(&share->what, &asking, share_of(c, share, DL_SHARE_NONE));
}

static int wait_to_share(const struct call *c, struct dl_share *share)
{
	int r = 0;

	ask(c, share);
	while (r == 0) {
		uint32_t word = cell32_load_acq(&c->lock->word);
		if (dl_share_state(cell64_load_acq(&share->what)) == DL_SHARE_HELD)
			return told_by(word & ~DL_LOCK_ABANDONED);
		if (word & DL_LOCK_OWNER_MASK) {
			r = durei_word_sleep(c->lane, &c->lock->word, word, 0, c->deadline_ns);
			continue;
		}
		r = try_share(c, share);
		if (r != -EBUSY)
			return r;
		ask(c, share);
		r = 0;
	}
	return stop_asking(c, share) ? durei_error_plain(-r) : told_by(cell32_load_acq(&c->lock->word));
}

/* A writer is inside, or wants to be: what has been shown is taken back, or waited with. */
static int share_slowly(const struct call *c, struct dl_share *share)
{
	uint16_t writer = dl_lock_lane(cell32_load_acq(&c->lock->word));
	int r;

	if (durei_word_is_ours(c->lane, &c->lock->word))
		return have_already(c);
	for (uint32_t used = c->lane->shares_used; used; used &= used - 1) {
		struct dl_share *other = &c->lane->shared->shares[__builtin_ctz(used)];
		if (other != share && cell64_load_rlx(&other->what) == share_of(c, other, DL_SHARE_HELD))
			return 0;	/* in already: the writer waits for us anyway */
	}
	if (c->timeout_ns != 0) {
		r = wait_to_share(c, share);
		cell64_store_rel(&c->lane->shared->waiting, 0);
		return r;
	}
	/* the writer may be dead: trying must not fail for ever then */
	while (durei_recover_lane(c->lane->seg, c->lane, writer) == 1) {
		r = try_share(c, share);
		if (r != -EBUSY)
			return r;
		writer = dl_lock_lane(cell32_load_acq(&c->lock->word));
	}
	return durei_error_plain(EAGAIN);
}

static int lock_shared(const struct call *c)
{
	struct dl_share *share = durei_share_reserve(c->lane);
	int r;

	if (__builtin_expect(!share, 0))
		return -ENOLCK;
	r = try_share(c, share);
	if (__builtin_expect(r == -EBUSY, 0))
		r = share_slowly(c, share);
	if (__builtin_expect(r < 0, 0)) {
		durei_share_release(c->lane, share);
		durei_share_left(c->lane->seg, c->lock);
	}
	return r;
}

static void unlock_shared(const struct call *c, struct dl_share *share)
{
	durei_share_release(c->lane, share);
	durei_share_left(c->lane->seg, c->lock);
}

/* -- writing ----------------------------------------------------------------------------- */

/* Nobody reads, as far as the lanes say: then the flag goes. False: somebody does. */
static bool is_drained(const struct call *c, struct durei_sharers *ret)
{
	fence_full();		/* our name is in word, then we look */
	if (!(cell32_load_acq(&c->lock->drain) & DL_DRAIN_READERS))
		return true;
	durei_share_find_all(c->lane, c->offset, DL_SHARE_READ, DUREI_SHARE_IN(DL_SHARE_HELD), ret);
	if (ret->count)
		return false;
	cell32_and(&c->lock->drain, ~(uint32_t)DL_DRAIN_READERS);
	fence_full();		/* a reader that saw the flag has shown itself before */
	durei_share_find_all(c->lane, c->offset, DL_SHARE_READ, DUREI_SHARE_IN(DL_SHARE_HELD), ret);
	if (ret->count == 0)
		return true;
	cell32_or(&c->lock->drain, DL_DRAIN_READERS);
	return false;
}

static int drain(const struct call *c)
{
	struct durei_sharers readers;
	int r = 0;

	while (r == 0) {
		uint32_t seen = cell32_load_acq(&c->lock->drain);
		if (is_drained(c, &readers))
			return 0;
		if (c->timeout_ns == 0)
			r = durei_share_recover(c->lane, &readers) ? 0 : -EAGAIN;
		else if (cell32_load_acq(&c->lock->drain) == seen)
			r = durei_wait_any(c->lane, &c->lock->drain, seen, readers.lanes,
					   readers.count, c->deadline_ns);
	}
	return durei_error_plain(-r);
}

static void let_in(struct dl_share *share, uint64_t what, void *context)
{
	uint64_t held = what + ((uint64_t)DL_SHARE_HELD << DL_SHARE_STATE_SHIFT) -
			((uint64_t)DL_SHARE_WAITING << DL_SHARE_STATE_SHIFT);

	(void)context;
	cell64_cas(&share->what, &what, held);
}

/* Those who have asked are in, and word is free; `keep`: what the word says of it then. */
static void end_writing(const struct call *c, uint32_t keep, uint32_t set)
{
	uint32_t seen = cell32_load_rlx(&c->lock->word);	/* relaxed: the cas decides */
	int index = durei_held_find(c->lane, durei_offset(c->lane->seg, &c->lock->word));

	if (cell32_load_acq(&c->lock->drain) & DL_DRAIN_ASKERS && !set) {
		cell32_and(&c->lock->drain, ~(uint32_t)DL_DRAIN_ASKERS);
		cell32_or(&c->lock->drain, DL_DRAIN_READERS);
		durei_share_each(c->lane->seg, c->offset, DL_SHARE_READ,
				 DUREI_SHARE_IN(DL_SHARE_WAITING), let_in, NULL);
	}
	while (!cell32_cas(&c->lock->word, &seen, (seen & keep) | set))
		;
	if (seen & DL_LOCK_WAITED)
		durei_wake(c->lane->seg, &c->lock->word, UINT32_MAX >> 1);
	if (index >= 0)
		durei_held_remove(c->lane, index);
}

/* `turn` is ours: word, and nobody else inside. [RW3] */
static int enter(const struct call *c)
{
	int r = durei_word_take(c->lane, &c->lock->word, DL_HELD_CLEAN | DL_HELD_CROWD, 0,
				remaining(c));
	int drained;

	if (r < 0)
		return r;
	drained = drain(c);
	if (drained < 0) {
		end_writing(c, DL_LOCK_DIED, 0);
		return drained;
	}
	durei_held_set_flags(c->lane, (int)c->lane->held_count - 1, DL_HELD_CROWD);
	return r;
}

static int lock_exclusive(const struct call *c)
{
	int r = durei_word_take(c->lane, &c->lock->turn, DL_HELD_CLEAN, 0, remaining(c));

	if (r < 0)
		return r;
	r = enter(c);
	if (r < 0)
		free_turn(c);
	return r;
}

static int lock_upgradable(const struct call *c)
{
	int r = durei_word_take(c->lane, &c->lock->turn, DL_HELD_CLEAN, 0, remaining(c));
	uint32_t word;

	if (r < 0)
		return r;
	word = cell32_load_acq(&c->lock->word);
	if (word & DL_LOCK_OWNER_MASK) {	/* a dead one's, which is being mended */
		r = durei_word_take(c->lane, &c->lock->word, DL_HELD_CLEAN | DL_HELD_CROWD, 0,
				    remaining(c));
		if (r >= 0)
			end_writing(c, DL_LOCK_DIED, 0);
	} else {
		r = told_by(word);
	}
	if (r < 0)
		free_turn(c);
	return r;
}

/* What reading is nearly always: a share is free, and nobody writes or has died inside. */
static inline bool share_at_once(const struct call *c)
{
	struct dl_share *share;

	if (__builtin_expect(c->lane->shares_used == UINT32_MAX, 0))
		return false;
	share = durei_share_reserve(c->lane);
	show_share(c, share);
	if (__builtin_expect(cell32_load_acq(&c->lock->word) == 0, 1))
		return true;
	unlock_shared(c, share);
	return false;
}

static __attribute__((noinline)) int lock_slowly(dure_segment *segment, dure_rwlock *lock,
						 enum dure_lock_mode mode, int64_t timeout_ns)
{
	struct call c = { 0 };
	int r = begin(&c, segment, lock, timeout_ns);

	if (r < 0)
		return r;
	if (mode == DURE_SHARED)
		return lock_shared(&c);
	if (mode != DURE_UPGRADABLE && mode != DURE_EXCLUSIVE)
		return durei_error(EINVAL, "dure_rwlock_lock: %d is no mode", (int)mode);
	if (own_mode(&c))
		return have_already(&c);
	return mode == DURE_UPGRADABLE ? lock_upgradable(&c) : lock_exclusive(&c);
}

int dure_rwlock_lock(dure_segment *segment, dure_rwlock *lock, enum dure_lock_mode mode,
		     int64_t timeout_ns)
{
	struct call c = { .lane = durei_lane_hot(segment) };

	if (mode == DURE_SHARED && c.lane) {
		c.lock = lock_in(segment, lock);
		if (!c.lock)
			return -EINVAL;
		c.offset = durei_offset(segment, lock);
		if (share_at_once(&c))
			return 0;
	}
	return lock_slowly(segment, lock, mode, timeout_ns);
}

/* -- changing the mode ------------------------------------------------------------------- */

/* From exclusive or upgradable: the share is there before the rest goes. */
static int change_to_shared(const struct call *c, enum dure_lock_mode from)
{
	struct dl_share *share = durei_share_reserve(c->lane);
	uint32_t word = cell32_load_acq(&c->lock->word);

	if (!share)
		return -ENOLCK;
	show_share(c, share);
	if (from == DURE_EXCLUSIVE)
		end_writing(c, DL_LOCK_DIED, 0);
	free_turn(c);
	return word & DL_LOCK_DIED ? DURE_OWNER_DIED : 0;
}

/* Our share goes when `turn` is ours: from then on no other writer can come. */
static int change_from_shared(const struct call *c, enum dure_lock_mode to)
{
	struct dl_share *share = own_share(c);
	uint32_t word;
	int r;

	r = durei_word_take(c->lane, &c->lock->turn, DL_HELD_CLEAN, 0, 0);
	if (r < 0)
		return r;
	word = cell32_load_acq(&c->lock->word);
	cell64_store_rel(&share->what, share_of(c, share, DL_SHARE_NONE));
	if (own_share(c)) {
		r = have_already(c);
	} else if (to == DURE_EXCLUSIVE) {
		r = enter(c);
	} else {
		r = word & DL_LOCK_DIED ? DURE_OWNER_DIED : 0;
	}
	if (r < 0) {
		show_share(c, share);
		free_turn(c);
		return r;
	}
	unlock_shared(c, share);
	return r;
}

int dure_rwlock_change(dure_segment *segment, dure_rwlock *lock, enum dure_lock_mode mode,
		       int64_t timeout_ns)
{
	struct call c = { 0 };
	int r = begin(&c, segment, lock, timeout_ns);
	enum dure_lock_mode from;

	if (r < 0)
		return r;
	if (mode != DURE_SHARED && mode != DURE_UPGRADABLE && mode != DURE_EXCLUSIVE)
		return durei_error(EINVAL, "dure_rwlock_change: %d is no mode", (int)mode);
	from = own_mode(&c);
	if (!from)
		return not_ours(&c);
	if (from == mode)
		return told_by(cell32_load_acq(&c.lock->word) & DL_LOCK_DIED);
	if (from == DURE_SHARED)
		return change_from_shared(&c, mode);
	if (mode == DURE_SHARED)
		return change_to_shared(&c, from);
	if (mode == DURE_EXCLUSIVE)
		return own_share(&c) ? have_already(&c) : enter(&c);
	r = told_by(cell32_load_acq(&c.lock->word) & DL_LOCK_DIED);
	end_writing(&c, DL_LOCK_DIED, 0);
	return r;
}

/* -- giving back ------------------------------------------------------------------------- */

static __attribute__((noinline)) int unlock_slowly(dure_segment *segment, dure_rwlock *lock)
{
	struct call c = { 0 };
	struct dl_share *share;
	int r = begin(&c, segment, lock, 0);

	if (r < 0)
		return r;
	share = own_share(&c);
	if (share) {
		unlock_shared(&c, share);
		return 0;
	}
	switch (own_mode(&c)) {
	case DURE_EXCLUSIVE:
		end_writing(&c, DL_LOCK_DIED, 0);
		free_turn(&c);
		return 0;
	case DURE_UPGRADABLE:
		free_turn(&c);
		return 0;
	default:
		return not_ours(&c);
	}
}

int dure_rwlock_unlock(dure_segment *segment, dure_rwlock *lock)
{
	struct call c = { .lane = durei_lane_hot(segment) };
	struct dl_share *share;

	if (c.lane && c.lane->shares_used) {
		c.lock = lock_in(segment, lock);
		if (!c.lock)
			return -EINVAL;
		c.offset = durei_offset(segment, lock);
		share = own_share(&c);
		if (share) {
			unlock_shared(&c, share);
			return 0;
		}
	}
	return unlock_slowly(segment, lock);
}

int dure_rwlock_mark_consistent(dure_segment *segment, dure_rwlock *lock)
{
	struct call c = { 0 };
	int r = begin(&c, segment, lock, 0);

	if (r < 0)
		return r;
	if (own_mode(&c) != DURE_EXCLUSIVE)
		return not_ours(&c);
	if (!(cell32_load_rlx(&c.lock->word) & DL_LOCK_DIED))
		return durei_error(EINVAL, "segment %s: no writer of the lock at +%#llx died",
				   segment->super.name, (unsigned long long)c.offset);
	(void)cell32_and(&c.lock->word, ~DL_LOCK_DIED);
	return 0;
}

int dure_rwlock_abandon(dure_segment *segment, dure_rwlock *lock)
{
	struct call c = { 0 };
	int r = begin(&c, segment, lock, 0);

	if (r < 0)
		return r;
	if (own_mode(&c) != DURE_EXCLUSIVE)
		return not_ours(&c);
	end_writing(&c, 0, DL_LOCK_ABANDONED);
	free_turn(&c);
	return 0;
}

/* -- looking ----------------------------------------------------------------------------- */

struct visitors {
	dure_segment *seg;
	int (*visit)(enum dure_lock_mode mode, const struct dure_participant *holder,
		     void *context);
	void *context;
	int count, result;
};

static void visit_lane(struct visitors *v, enum dure_lock_mode mode, uint16_t lane)
{
	struct dure_participant who = { .sz = sizeof who };

	if (v->result || !lane || durei_participant_of_lane(v->seg, lane, &who) <= 0)
		return;
	v->count++;
	v->result = v->visit(mode, &who, v->context);
}

static void visit_share(struct dl_share *share, uint64_t what, void *context)
{
	struct visitors *v = context;

	(void)what;
	visit_lane(v, DURE_SHARED, durei_share_lane(v->seg, share));
}

int dure_rwlock_holders(dure_segment *segment, const dure_rwlock *lock,
			int (*visit)(enum dure_lock_mode mode,
				     const struct dure_participant *holder, void *context),
			void *context)
{
	struct visitors v = { .seg = segment, .visit = visit, .context = context };
	int r = durei_handle_check(segment);
	const struct dl_rwlock *l = r < 0 ? NULL : lock_in(segment, lock);

	if (!l)
		return r < 0 ? r : -EINVAL;
	uint16_t writer = dl_lock_lane(cell32_load_acq(&l->word));
	uint16_t first = dl_lock_lane(cell32_load_acq(&l->turn));
	visit_lane(&v, DURE_EXCLUSIVE, writer);
	if (first != writer)
		visit_lane(&v, DURE_UPGRADABLE, first);
	durei_share_each(segment, durei_offset(segment, lock), DL_SHARE_READ,
			 DUREI_SHARE_IN(DL_SHARE_HELD), visit_share, &v);
	return v.result ? v.result : v.count;
}
