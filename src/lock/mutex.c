/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - a lock in a segment that survives the death of its holder
 *
 * Why      The semantics are those of POSIX's robust mutex, without its two faults: a holder
 *          that unlocks without mending makes nobody's lock unusable (the next one is told
 *          again; abandoning is a call of its own), and no libc object lies in the segment.
 * Layout   layout/lock.h
 * Death    the word's: held.c.
 */
#include "lock/mutex.h"

#include <string.h>

#include "lock/word.h"
#include "segment/participant.h"
#include "segment/wait.h"

static_assert(sizeof(dure_mutex) == sizeof(struct dl_mutex), "dure_mutex is dl_mutex");

enum { KNOWN_KINDS = DURE_MUTEX_RECURSIVE | DURE_MUTEX_DEADLOCK_CHECK };

/* NULL: not a mutex inside the segment; the sentence is said. */
static struct dl_mutex *mutex_in(dure_segment *seg, const dure_mutex *mutex)
{
	uint64_t offset = durei_offset(seg, mutex);
	struct dl_mutex *m = (struct dl_mutex *)(uintptr_t)mutex;

	if (__builtin_expect(offset % 8 || offset < seg->super.data_offset ||
				     !durei_bytes_are_backed(seg, offset, sizeof *m),
			     0)) {
		durei_error(EINVAL, "segment %s: %p is no mutex in it", seg->super.name,
			    (const void *)mutex);
		return NULL;
	}
	if (__builtin_expect(m->kind & ~(uint32_t)KNOWN_KINDS, 0)) {
		durei_error(EINVAL, "segment %s: the bytes at +%#llx are no mutex", seg->super.name,
			    (unsigned long long)offset);
		return NULL;
	}
	return m;
}

int durei_mutex_check(dure_segment *seg, const dure_mutex *mutex)
{
	return mutex_in(seg, mutex) ? 0 : -EINVAL;
}

int dure_mutex_init(dure_segment *segment, dure_mutex *mutex, uint32_t flags)
{
	int r = durei_handle_check_write(segment);
	uint64_t offset;

	if (r < 0)
		return r;
	offset = durei_offset(segment, mutex);
	if (flags & ~(uint32_t)KNOWN_KINDS)
		return durei_error(EINVAL, "dure_mutex_init: flags %#x have unknown bits", flags);
	if (offset % 8 || offset < segment->super.data_offset ||
	    !durei_bytes_are_backed(segment, offset, sizeof *mutex))
		return durei_error(EINVAL, "segment %s: %p is not inside it, or not aligned to 8",
				   segment->super.name, (void *)mutex);
	memset(mutex, 0, sizeof *mutex);
	((struct dl_mutex *)mutex)->kind = flags;
	return 0;
}

/* The caller holds it already. */
static int lock_again(struct durei_lane *lane, struct dl_mutex *m)
{
	uint32_t depth = cell32_load_rlx(&m->depth);	/* only the holder writes it */
	int r = durei_word_check_held(lane, &m->word);

	if (r < 0)
		return r;
	if (!(m->kind & DURE_MUTEX_RECURSIVE))
		return durei_error(EDEADLK, "segment %s: the thread holds the mutex at +%#llx "
				   "already", lane->seg->super.name,
				   (unsigned long long)durei_offset(lane->seg, m));
	cell32_store_rel(&m->depth, depth + 1);
	return 0;
}

int durei_mutex_take(struct durei_lane *lane, struct dl_mutex *m, uint64_t held_flags,
		     int64_t timeout_ns)
{
	unsigned check = m->kind & DURE_MUTEX_DEADLOCK_CHECK || held_flags & DL_HELD_CLEAN
				 ? DUREI_WORD_CHECK_CIRCLES
				 : 0;
	int r;

	if (durei_word_is_ours(lane, &m->word))
		return lock_again(lane, m);
	r = durei_word_take(lane, &m->word, held_flags, check, timeout_ns);
	if (r >= 0 && cell32_load_rlx(&m->depth))	/* a dead holder's */
		cell32_store_rel(&m->depth, 0);
	return r;
}

int dure_mutex_lock(dure_segment *segment, dure_mutex *mutex, int64_t timeout_ns)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	struct dl_mutex *m;

	if (__builtin_expect(!lane, 0))
		return r;
	m = mutex_in(segment, mutex);
	if (__builtin_expect(m && m->kind == 0 && cell32_load_rlx(&m->word) == 0, 1))
		return durei_word_take(lane, &m->word, 0, 0, timeout_ns);
	return m ? durei_mutex_take(lane, m, 0, timeout_ns) : -EINVAL;
}

/* The entry of a mutex this lane holds outside transactions; the sentence is said. */
static int held_index(struct durei_lane *lane, struct dl_mutex *m)
{
	int index;

	if (!durei_word_is_ours(lane, &m->word))
		return durei_error(EPERM, "segment %s: the thread does not hold the mutex at +%#llx",
				   lane->seg->super.name,
				   (unsigned long long)durei_offset(lane->seg, m));
	index = durei_held_find(lane, durei_offset(lane->seg, &m->word));
	if (index >= 0 && durei_held_flags(lane, index) & DL_HELD_TX)
		return durei_error(EPERM, "segment %s: the mutex at +%#llx belongs to the open "
				   "transaction, which gives it back at its end",
				   lane->seg->super.name,
				   (unsigned long long)durei_offset(lane->seg, m));
	return index >= 0 ? index : durei_error(EPERM, "the mutex is not this thread's");
}

/* A mutex the caller holds, its lane and entry. */
static int find_held(dure_segment *segment, dure_mutex *mutex, struct durei_lane **ret_lane,
		     struct dl_mutex **ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (__builtin_expect(!lane, 0))
		return r;
	*ret_lane = lane;
	*ret = mutex_in(segment, mutex);
	return *ret ? held_index(lane, *ret) : -EINVAL;
}

/* The holder of a recursive mutex takes one of its further locks back. */
static bool unlock_inner(const struct durei_lane *lane, struct dl_mutex *m)
{
	uint32_t depth = cell32_load_rlx(&m->depth);

	if (__builtin_expect(depth == 0, 1) || !durei_word_is_ours(lane, &m->word) ||
	    durei_held_find(lane, durei_offset(lane->seg, &m->word)) < 0)
		return false;
	cell32_store_rel(&m->depth, depth - 1);
	return true;
}

/* The common case: the lock that was taken last, for which nobody waits, held once. */
static inline bool unlock_last(struct durei_lane *lane, struct dl_mutex *m)
{
	uint32_t mine = lane->lock_word;

	if (!durei_word_is_last(lane, &m->word) || cell32_load_rlx(&m->depth) ||
	    !cell32_cas(&m->word, &mine, 0))
		return false;
	durei_held_pop(lane);
	return true;
}

int dure_mutex_unlock(dure_segment *segment, dure_mutex *mutex)
{
	int r = 0, index;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	struct dl_mutex *m;

	if (__builtin_expect(!lane, 0))
		return r;
	if (__builtin_expect(unlock_last(lane, (struct dl_mutex *)mutex), 1))
		return 0;
	m = mutex_in(segment, mutex);
	if (!m)
		return -EINVAL;
	if (unlock_inner(lane, m))
		return 0;
	index = held_index(lane, m);
	if (__builtin_expect(index < 0, 0))
		return index;
	durei_word_free(lane, &m->word, index);
	return 0;
}

/* The entry of a lock that the open transaction holds; -1: it does not. */
static int tx_index(struct durei_lane *lane, struct dl_mutex *m)
{
	int index = durei_word_is_ours(lane, &m->word)
			    ? durei_held_find(lane, durei_offset(lane->seg, &m->word)) : -1;

	return index >= 0 && durei_held_flags(lane, index) & DL_HELD_TX ? index : -1;
}

/* What a transaction has mended is mended when it commits: until then it is only noted. */
int dure_mutex_mark_consistent(dure_segment *segment, dure_mutex *mutex)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);
	struct dl_mutex *m = lane ? mutex_in(segment, mutex) : NULL;

	if (!m)
		return lane ? -EINVAL : r;
	int in_tx = tx_index(lane, m), index = in_tx >= 0 ? in_tx : held_index(lane, m);
	if (index < 0)
		return index;
	if (!(cell32_load_rlx(&m->word) & DL_LOCK_DIED))
		return durei_error(EINVAL, "segment %s: no holder of the mutex at +%#llx died",
				   segment->super.name,
				   (unsigned long long)durei_offset(segment, m));
	if (in_tx >= 0)
		durei_held_set_flags(lane, in_tx, DL_HELD_CLEAN | DL_HELD_TX | DL_HELD_MARKED);
	else
		(void)cell32_and(&m->word, ~DL_LOCK_DIED);
	return 0;
}

int dure_mutex_abandon(dure_segment *segment, dure_mutex *mutex)
{
	struct durei_lane *lane = NULL;
	struct dl_mutex *m = NULL;
	int index = find_held(segment, mutex, &lane, &m);

	if (index < 0)
		return index;
	cell32_store_rel(&m->depth, 0);
	cell32_store_rel(&m->word, DL_LOCK_ABANDONED);
	durei_wake(segment, &m->word, UINT32_MAX >> 1);	/* all: each gets -ENOTRECOVERABLE */
	durei_held_remove(lane, index);
	return 0;
}

int dure_mutex_holder(dure_segment *segment, const dure_mutex *mutex,
		      struct dure_participant *ret)
{
	int r = durei_handle_check(segment);
	const struct dl_mutex *m;
	uint16_t owner;

	if (r < 0)
		return r;
	m = mutex_in(segment, mutex);
	if (!m)
		return -EINVAL;
	owner = dl_lock_lane(cell32_load_acq(&m->word));
	return owner ? durei_participant_of_lane(segment, owner, ret) : 0;
}
