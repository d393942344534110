/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c - counting, with units that come back from the dead
 *
 * Why      A count alone does not say who has the units that are missing. What each thread has
 *          stands in its lane; the count and the lane change as share.c tells.
 * How      A post clears the flags of who waits and wakes as many as there may be units for;
 *          who has slept and goes on sets the flag again, for others may sleep. Who waits
 *          watches the lives of those who have units.
 * Rules    [SEM1] a value changes only by a cas of the whole word, after share.c [SHARE1]
 *          [SEM2] a change without a share has no name: it happened or not, and nobody asks
 * Death    taking, posting   share.c
 *          for good, new     one cas
 *          waiting           a flag too many, which costs one wake-up call
 */
#include <dure/semaphore.h>

#include <string.h>

#include "base/options.h"
#include "lock/place.h"
#include "lock/share.h"
#include "segment/grow.h"
#include "segment/wait.h"

static_assert(sizeof(dure_semaphore) == sizeof(struct dl_semaphore), "dure_semaphore is dl_semaphore");
static_assert(DURE_SEMAPHORE_MAX == DL_SEMAPHORE_MAX, "what the header says");

enum { ANY_UNITS = DUREI_SHARE_IN(DL_SHARE_HELD) | DUREI_SHARE_IN(DL_SHARE_CHANGING) |
		   DUREI_SHARE_IN(DL_SHARE_CHANGED) };

static uint32_t value_of(uint64_t word)
{
	return (uint32_t)(word & DL_SEMAPHORE_MAX);
}

/* NULL: no semaphore inside the segment; the sentence is said. */
static struct dl_semaphore *semaphore_in(dure_segment *seg, const dure_semaphore *semaphore)
{
	struct dl_semaphore *s = (struct dl_semaphore *)(uintptr_t)semaphore;

	return durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_SEMAPHORE, "semaphore") ? s : NULL;
}

static int check_units(uint32_t units)
{
	if (units >= 1 && units <= DURE_SEMAPHORE_MAX)
		return 0;
	return durei_error(EINVAL, "units are 1 to %d, not %u", DURE_SEMAPHORE_MAX, units);
}

/* One call; 0 or the reason why not. */
static int begin(dure_segment *segment, dure_semaphore *semaphore, uint32_t units,
		 struct durei_lane **ret_lane, struct dl_semaphore **ret)
{
	int r = 0;

	*ret_lane = durei_lane_get(segment, &r);
	if (__builtin_expect(!*ret_lane, 0))
		return r;
	*ret = semaphore_in(segment, semaphore);
	return *ret ? check_units(units) : -EINVAL;
}

int dure_semaphore_init(dure_segment *segment, dure_semaphore *semaphore, uint32_t units)
{
	struct dl_semaphore *s = (struct dl_semaphore *)semaphore;
	int r = durei_place_check(segment, semaphore, sizeof *semaphore);

	if (r < 0)
		return r;
	if (units > DURE_SEMAPHORE_MAX)
		return durei_error(EINVAL, "a semaphore has up to %d units, not %u", DURE_SEMAPHORE_MAX,
				   units);
	memset(s, 0, sizeof *s);
	cell64_store_rel(&s->word, units);
	s->kind = DL_LOCK_IS_SEMAPHORE;
	return 0;
}

/* -- changing ---------------------------------------------------------------------------- */

/* [SEM2]. False: the value would leave its range. */
static bool change_for_good(dure_segment *seg, struct cell64 *word, int64_t change,
			    uint64_t keep_flags, uint64_t *ret_before)
{
	uint64_t seen = cell64_load_acq(word);
	int64_t value;

	do {
		value = (int64_t)value_of(seen) + change;
		if (value < 0 || value > DURE_SEMAPHORE_MAX)
			return false;
		durei_share_settle(seg, word, DL_SHARE_UNITS, seen);
	} while (!cell64_cas(word, &seen, (uint64_t)value | (seen & keep_flags)));
	*ret_before = seen;
	return true;
}

static struct dl_share *share_of(struct durei_lane *lane, const struct dl_semaphore *s)
{
	return lane->shares_used ? durei_share_of(lane, durei_offset(lane->seg, s), DL_SHARE_UNITS,
						  ANY_UNITS) : NULL;
}

/* Our share and the value. False: not enough units, or too many. */
static bool change(struct durei_lane *lane, struct dl_share *share, struct dl_semaphore *s,
		   int64_t value_change, uint32_t after, uint64_t keep_flags, uint64_t *ret_before)
{
	bool ok;

	durei_busy_begin(lane);		/* [SHARE4] */
	ok = durei_share_change(lane->seg, lane->id, share, DL_SHARE_UNITS, &s->word,
				value_change, after, keep_flags, ret_before);
	durei_busy_end(lane);
	if (durei_share_units(share) == 0)
		durei_share_release(lane, share);
	return ok;
}

/* -- taking ------------------------------------------------------------------------------ */

static const uint64_t FLAGS = DL_SEMAPHORE_WAITED | DL_SEMAPHORE_MANY;

/* 0; -EBUSY: not so many there */
static int try_take(struct durei_lane *lane, struct dl_semaphore *s, uint32_t units,
		    uint32_t flags)
{
	struct dl_share *share;
	uint64_t before;

	if (value_of(cell64_load_acq(&s->word)) < units)
		return -EBUSY;
	if (flags & DURE_TAKE_FOR_GOOD)
		return change_for_good(lane->seg, &s->word, -(int64_t)units, FLAGS, &before) ? 0
											     : -EBUSY;
	share = share_of(lane, s);
	if (!share)
		share = durei_share_reserve(lane);
	if (!share)
		return -ENOLCK;
	return change(lane, share, s, -(int64_t)units, durei_share_units(share) + units, FLAGS,
		      &before) ? 0 : -EBUSY;
}

/* Says that we wait. False: there are enough units now. */
static bool show_waiting(struct dl_semaphore *s, uint32_t units, uint64_t *ret_seen)
{
	uint64_t seen = cell64_load_acq(&s->word), next;

	do {
		if (value_of(seen) >= units)
			return false;
		next = seen | DL_SEMAPHORE_WAITED | (units > 1 ? DL_SEMAPHORE_MANY : 0);
	} while (next != seen && !cell64_cas(&s->word, &seen, next));
	*ret_seen = next;
	return true;
}

/* One sleep. 0: look again */
static int sleep_once(struct durei_lane *lane, struct dl_semaphore *s, uint32_t units,
		      int64_t deadline_ns)
{
	struct durei_sharers holders;
	uint64_t seen;

	if (!show_waiting(s, units, &seen))
		return 0;
	durei_share_find_all(lane, durei_offset(lane->seg, s), DL_SHARE_UNITS, ANY_UNITS, &holders);
	return durei_wait_any(lane, durei_semaphore_half(&s->word), (uint32_t)seen, holders.lanes,
			      holders.count, deadline_ns);
}

/* A dead holder's units come back; trying must not fail for ever without. */
static bool ask_the_dead(struct durei_lane *lane, const struct dl_semaphore *s)
{
	struct durei_sharers holders;

	durei_share_find_all(lane, durei_offset(lane->seg, s), DL_SHARE_UNITS, ANY_UNITS, &holders);
	return durei_share_recover(lane, &holders);
}

static void wake(dure_segment *seg, const struct dl_semaphore *s, uint64_t before, uint32_t units)
{
	if (before & DL_SEMAPHORE_WAITED)
		durei_wake(seg, durei_semaphore_half(&s->word),
			   before & DL_SEMAPHORE_MANY ? UINT32_MAX >> 1 : units);
}

/*
 * Others may sleep, and whoever woke us has cleared the flag: so who posted after him has woken
 * nobody, and left units.
 */
static void pass_on(dure_segment *seg, struct dl_semaphore *s)
{
	uint64_t before = cell64_or(&s->word, DL_SEMAPHORE_WAITED);

	if (value_of(before))
		wake(seg, s, before | DL_SEMAPHORE_WAITED, value_of(before));
}

int dure_semaphore_take(dure_segment *segment, dure_semaphore *semaphore, uint32_t units,
			uint32_t flags, int64_t timeout_ns)
{
	struct durei_lane *lane = NULL;
	struct dl_semaphore *s = NULL;
	int r = begin(segment, semaphore, units, &lane, &s);
	bool has_slept = false;
	int64_t deadline;

	if (r == 0 && flags & ~(uint32_t)DURE_TAKE_FOR_GOOD)
		r = durei_error(EINVAL, "dure_semaphore_take: flags %#x have unknown bits", flags);
	if (r < 0)
		return r;
	r = try_take(lane, s, units, flags);
	if (__builtin_expect(r != -EBUSY, 1))
		return r;
	for (deadline = durei_deadline(timeout_ns); r == -EBUSY; has_slept = true) {
		if (timeout_ns == 0 && !ask_the_dead(lane, s))
			return durei_error_plain(EAGAIN);
		r = timeout_ns ? sleep_once(lane, s, units, deadline) : 0;
		if (r < 0)
			return durei_error_plain(-r);
		r = try_take(lane, s, units, flags);
	}
	if (has_slept && r == 0)
		pass_on(segment, s);
	return r;
}

/* -- posting ----------------------------------------------------------------------------- */

int dure_semaphore_post(dure_segment *segment, dure_semaphore *semaphore, uint32_t units)
{
	struct durei_lane *lane = NULL;
	struct dl_semaphore *s = NULL;
	int r = begin(segment, semaphore, units, &lane, &s);
	uint64_t before;
	bool ok;

	if (r < 0)
		return r;
	struct dl_share *share = share_of(lane, s);
	if (share) {
		uint32_t own = durei_share_units(share);
		ok = change(lane, share, s, units, own > units ? own - units : 0, 0, &before);
	} else {
		ok = change_for_good(segment, &s->word, units, 0, &before);
	}
	if (!ok)
		return durei_error(EOVERFLOW, "segment %s: the semaphore at +%#llx would have more than "
				   "%d units", segment->super.name,
				   (unsigned long long)durei_offset(segment, s), DURE_SEMAPHORE_MAX);
	wake(segment, s, before, units);
	return 0;
}

int dure_semaphore_keep(dure_segment *segment, dure_semaphore *semaphore, uint32_t units)
{
	struct durei_lane *lane = NULL;
	struct dl_semaphore *s = NULL;
	int r = begin(segment, semaphore, units, &lane, &s);

	if (r < 0)
		return r;
	struct dl_share *share = share_of(lane, s);
	uint32_t own = share ? durei_share_units(share) : 0;
	if (units > own)
		return durei_error(ERANGE, "segment %s: the thread has taken %u units of the semaphore at "
				   "+%#llx, not %u", segment->super.name, own,
				   (unsigned long long)durei_offset(segment, s), units);
	durei_busy_begin(lane);		/* [SHARE4] */
	if (units == own)
		durei_share_release(lane, share);
	else
		durei_share_set_units(share, durei_offset(segment, s), own - units);
	durei_busy_end(lane);
	return 0;
}

/* -- looking ----------------------------------------------------------------------------- */

static void add_share(struct dl_share *share, uint64_t what, void *context)
{
	struct dure_semaphore_info *info = context;

	(void)what;
	info->taken += durei_share_units(share);
	info->holders++;
}

int dure_semaphore_info(dure_segment *segment, const dure_semaphore *semaphore,
			struct dure_semaphore_info *ret)
{
	int r = durei_handle_check(segment);
	struct dure_semaphore_info info = { .sz = sizeof info };
	struct durei_lane *lane = NULL;
	struct dl_semaphore *s = NULL;
	struct dl_share *own;

	if (r < 0)
		return r;
	s = semaphore_in(segment, semaphore);
	if (!s)
		return -EINVAL;
	info.units = value_of(cell64_load_acq(&s->word));
	durei_share_each(segment, durei_offset(segment, s), DL_SHARE_UNITS, ANY_UNITS, add_share, &info);
	lane = durei_lane_peek(segment);
	own = lane ? share_of(lane, s) : NULL;
	info.own = own ? durei_share_units(own) : 0;
	return durei_options_write(ret, &info, sizeof info, sizeof info);
}
