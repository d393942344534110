/* SPDX-License-Identifier: MIT */
/*
 * condition.c - waiting, without the mutex, for what others do under it
 *
 * Why      The semantics are those of POSIX's condition variables. There a waiter that is
 *          killed can take a signal with it, or leave counts that hang the others; here there
 *          are no counts: the word grows with each signal, and who waits goes on when it is
 *          not what it was under the mutex.
 * Layout   layout/lock.h, struct dl_signal
 * Rules    signal.c; and
 *          [CONDITION1] who waits says so, and reads the word, before he unlocks the mutex
 *          [CONDITION3] FRESH says that somebody has come since the last signal. A signal that
 *                       woke nobody takes WAITED away, so that later ones cost no call; but not
 *                       when FRESH is set, for then somebody came while it was on its way
 *          [CONDITION2] he sleeps on a word that he has seen to be unchanged, not on whatever
 *                       it is by then
 * Death    of a waiter: the mutex's table (held.c). Of one who signals: one cas, and [WAIT2].
 */
#include <dure/condition.h>

#include "lock/mutex.h"
#include "lock/signal.h"

static_assert(sizeof(dure_condition) == sizeof(struct dl_signal), "dure_condition is dl_signal");

int dure_condition_init(dure_segment *segment, dure_condition *condition)
{
	return durei_signal_init(segment, condition, 0, 0, DL_LOCK_IS_CONDITION);
}

static const uint32_t WAITED_SINCE = DL_SIGNAL_WAITED | DL_CONDITION_FRESH;

static bool is_signalled(uint32_t now, uint32_t seen)
{
	return (now ^ seen) & DL_CONDITION_SIGNALS;
}

static uint32_t one_more(uint32_t word)
{
	return (word + 1) & DL_CONDITION_SIGNALS;
}

/* 0: there was a signal; -ETIMEDOUT */
static int wait_for_signal(struct durei_lane *lane, struct dl_signal *s, uint32_t seen,
			   int64_t timeout_ns, int64_t deadline)
{
	uint32_t now = cell32_load_acq(&s->word);
	int r = timeout_ns ? 0 : -ETIMEDOUT;

	for (; r == 0 && !is_signalled(now, seen); now = cell32_load_acq(&s->word))
		r = durei_signal_sleep(lane, &s->word, now, deadline);		/* [CONDITION2] */
	return is_signalled(now, seen) ? 0 : r;
}

/* The mutex can be unlocked with one call. */
static int check_mutex(dure_segment *seg, const dure_mutex *mutex)
{
	int r = durei_mutex_check(seg, mutex);

	if (r == 0 && cell32_load_rlx(&((const struct dl_mutex *)mutex)->depth))
		r = durei_error(EINVAL, "segment %s: the mutex at +%#llx is locked several times: others "
				"could not get it", seg->super.name,
				(unsigned long long)durei_offset(seg, mutex));
	return r;
}

/* [CONDITION1] [CONDITION3] */
static uint32_t show_waiting(struct dl_signal *s)
{
	return cell32_or(&s->word, WAITED_SINCE);
}

int dure_condition_prepare(dure_segment *segment, dure_condition *condition, uint32_t *ret_signals)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = durei_signal_begin(segment, condition, DL_LOCK_IS_CONDITION, "condition", &lane, &s);

	if (r < 0)
		return r;
	*ret_signals = show_waiting(s) & DL_CONDITION_SIGNALS;
	return 0;
}

int dure_condition_wait(dure_segment *segment, dure_condition *condition, dure_mutex *mutex,
			int64_t timeout_ns)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = durei_signal_begin(segment, condition, DL_LOCK_IS_CONDITION, "condition", &lane, &s);
	int64_t deadline;
	int waited;
	uint32_t seen;

	if (r == 0)
		r = check_mutex(segment, mutex);
	if (r < 0)
		return r;
	deadline = durei_deadline(timeout_ns);
	seen = show_waiting(s);
	r = dure_mutex_unlock(segment, mutex);
	if (r < 0)
		return r;
	waited = wait_for_signal(lane, s, seen, timeout_ns, deadline);
	r = dure_mutex_lock(segment, mutex, DURE_FOREVER);
	if (r != 0)
		return r;
	return waited == 0 ? 0 : durei_error_plain(ETIMEDOUT);
}

int dure_condition_signal(dure_segment *segment, dure_condition *condition)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = durei_signal_begin(segment, condition, DL_LOCK_IS_CONDITION, "condition", &lane, &s);
	uint32_t seen, next;

	if (r < 0)
		return r;
	seen = cell32_load_acq(&s->word);
	do {
		if (!(seen & DL_SIGNAL_WAITED))
			return 0;
		next = one_more(seen) | DL_SIGNAL_WAITED;
	} while (!cell32_cas(&s->word, &seen, next));
	/* who was about to sleep sees the word changed; so if nobody slept the flag can go */
	if (durei_wake(segment, &s->word, 1) == 0)
		(void)cell32_cas(&s->word, &next, next & ~DL_SIGNAL_WAITED);	/* [CONDITION3] */
	return 0;
}

int dure_condition_broadcast(dure_segment *segment, dure_condition *condition)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = durei_signal_begin(segment, condition, DL_LOCK_IS_CONDITION, "condition", &lane, &s);
	uint32_t seen;

	if (r < 0)
		return r;
	seen = cell32_load_acq(&s->word);
	do {
		if (!(seen & DL_SIGNAL_WAITED))
			return 0;
	} while (!cell32_cas(&s->word, &seen, one_more(seen)));
	durei_wake(segment, &s->word, UINT32_MAX >> 1);
	return 0;
}
