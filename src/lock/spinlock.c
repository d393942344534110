/* SPDX-License-Identifier: MIT */
/*
 * spinlock.c - the lock word, with more patience before it sleeps
 *
 * Why      For sections of some instructions sleeping costs more than the section. A spinlock that
 *          only spins burns a processor for as long as its holder is preempted or stopped, and for
 *          ever when he was killed. So this is the mutex' word, waited for longer before sleeping
 *          (word.c, DUREI_WORD_SPINS): there is nothing else to get right, or to recover.
 * Layout   layout/lock.h, struct dl_spinlock
 * Death    the word's: held.c.
 */
#include <dure/spinlock.h>

#include <string.h>

#include "lock/place.h"
#include "lock/word.h"
#include "segment/participant.h"

static_assert(sizeof(dure_spinlock) == sizeof(struct dl_spinlock), "dure_spinlock is dl_spinlock");

/* NULL: no spinlock inside the segment; the sentence is said. */
static struct dl_spinlock *spinlock_in(dure_segment *seg, const dure_spinlock *lock)
{
	struct dl_spinlock *s = (struct dl_spinlock *)(uintptr_t)lock;

	return durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_SPINLOCK, "spinlock") ? s : NULL;
}

static int begin(dure_segment *segment, dure_spinlock *lock, struct durei_lane **ret_lane,
		 struct dl_spinlock **ret)
{
	int r = 0;

	*ret_lane = durei_lane_get(segment, &r);
	if (__builtin_expect(!*ret_lane, 0))
		return r;
	*ret = spinlock_in(segment, lock);
	return *ret ? 0 : -EINVAL;
}

int dure_spinlock_init(dure_segment *segment, dure_spinlock *lock)
{
	struct dl_spinlock *s = (struct dl_spinlock *)lock;
	int r = durei_place_check(segment, lock, sizeof *lock);

	if (r < 0)
		return r;
	memset(s, 0, sizeof *s);
	s->kind = DL_LOCK_IS_SPINLOCK;
	return 0;
}

static int refuse(const struct durei_lane *lane, const struct dl_spinlock *s, int code,
		  const char *what)
{
	return durei_error(code, "segment %s: the thread %s the spinlock at +%#llx",
			   lane->seg->super.name, what,
			   (unsigned long long)durei_offset(lane->seg, s));
}

int dure_spinlock_lock(dure_segment *segment, dure_spinlock *lock, int64_t timeout_ns)
{
	struct durei_lane *lane = NULL;
	struct dl_spinlock *s = NULL;
	int r = begin(segment, lock, &lane, &s);

	if (__builtin_expect(r < 0, 0))
		return r;
	if (__builtin_expect(durei_word_is_ours(lane, &s->word), 0))
		return refuse(lane, s, EDEADLK, "holds already");
	return durei_word_take(lane, &s->word, 0, DUREI_WORD_SPINS, timeout_ns);
}

/* The entry of a spinlock this lane holds; the sentence is said. */
static int held_index(struct durei_lane *lane, const struct dl_spinlock *s)
{
	int index = durei_word_is_ours(lane, &s->word)
			    ? durei_held_find(lane, durei_offset(lane->seg, &s->word)) : -1;

	return index >= 0 ? index : refuse(lane, s, EPERM, "does not hold");
}

int dure_spinlock_unlock(dure_segment *segment, dure_spinlock *lock)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	struct dl_spinlock *s = (struct dl_spinlock *)lock;

	if (__builtin_expect(!lane, 0))
		return r;
	if (__builtin_expect(durei_word_is_last(lane, &s->word), 1))
		r = (int)lane->held_count - 1;
	else
		r = spinlock_in(segment, lock) ? held_index(lane, s) : -EINVAL;
	if (__builtin_expect(r < 0, 0))
		return r;
	durei_word_free(lane, &s->word, r);
	return 0;
}

int dure_spinlock_mark_consistent(dure_segment *segment, dure_spinlock *lock)
{
	struct durei_lane *lane = NULL;
	struct dl_spinlock *s = NULL;
	int r = begin(segment, lock, &lane, &s);

	if (r == 0)
		r = held_index(lane, s);
	if (r < 0)
		return r;
	if (!(cell32_load_rlx(&s->word) & DL_LOCK_DIED))
		return durei_error(EINVAL, "segment %s: no holder of the spinlock at +%#llx died",
				   segment->super.name, (unsigned long long)durei_offset(segment, s));
	(void)cell32_and(&s->word, ~DL_LOCK_DIED);
	return 0;
}

int dure_spinlock_holder(dure_segment *segment, const dure_spinlock *lock,
			 struct dure_participant *ret)
{
	int r = durei_handle_check(segment);
	const struct dl_spinlock *s = r < 0 ? NULL : spinlock_in(segment, lock);
	uint16_t owner;

	if (!s)
		return r < 0 ? r : -EINVAL;
	owner = dl_lock_lane(cell32_load_acq(&s->word));
	return owner ? durei_participant_of_lane(segment, owner, ret) : 0;
}
