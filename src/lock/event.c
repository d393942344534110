/* SPDX-License-Identifier: MIT */
/*
 * event.c - something has happened: events, latches, and doing a thing once
 *
 * Layout   layout/lock.h, struct dl_signal
 * Rules    signal.c; and
 *          [ONCE1] DL_ONCE_DONE is stored by who holds `lock`, and never taken back
 * Death    events and latches change by one cas. Once, after step
 *          1 lock        nothing done, as far as anybody knows   held.c: told to the next one
 *          2 done        a lock of the dead                      held.c
 */
#include <dure/event.h>

#include "lock/signal.h"
#include "lock/word.h"

static_assert(sizeof(dure_event) == sizeof(struct dl_signal), "dure_event is dl_signal");
static_assert(sizeof(dure_latch) == sizeof(struct dl_signal), "dure_latch is dl_signal");
static_assert(sizeof(dure_once) == sizeof(struct dl_signal), "dure_once is dl_signal");

/* -- events ------------------------------------------------------------------------------ */

int dure_event_init(dure_segment *segment, dure_event *event, uint32_t flags)
{
	if (flags & ~(uint32_t)DURE_EVENT_AUTO_RESET)
		return durei_error(EINVAL, "dure_event_init: flags %#x have unknown bits", flags);
	return durei_signal_init(segment, event, 0, flags, DL_LOCK_IS_EVENT);
}

static int begin_event(dure_segment *seg, dure_event *event, struct durei_lane **ret_lane,
		       struct dl_signal **ret)
{
	return durei_signal_begin(seg, event, DL_LOCK_IS_EVENT, "event", ret_lane, ret);
}

int dure_event_set(dure_segment *segment, dure_event *event)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = begin_event(segment, event, &lane, &s);
	uint32_t seen;

	if (r < 0)
		return r;
	seen = cell32_load_acq(&s->word);
	while (!cell32_cas(&s->word, &seen,
			   ((seen + DL_EVENT_STEP) | DL_EVENT_SET) & ~DL_SIGNAL_WAITED))
		;
	if (seen & DL_SIGNAL_WAITED)
		durei_wake(segment, &s->word, s->flags & DURE_EVENT_AUTO_RESET ? 1 : UINT32_MAX >> 1);
	return 0;
}

int dure_event_reset(dure_segment *segment, dure_event *event)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = begin_event(segment, event, &lane, &s);

	return r < 0 ? r : (int)(cell32_and(&s->word, ~(uint32_t)DL_EVENT_SET) & DL_EVENT_SET);
}

/* It is set: an automatic one becomes ours. */
static bool get_event(struct dl_signal *s, uint32_t *seen, bool has_slept)
{
	uint32_t others = has_slept ? DL_SIGNAL_WAITED : 0;

	while (*seen & DL_EVENT_SET)
		if (!(s->flags & DURE_EVENT_AUTO_RESET) ||
		    cell32_cas(&s->word, seen, (*seen & ~(uint32_t)DL_EVENT_SET) | others))
			return true;
	return false;
}

int dure_event_wait(dure_segment *segment, dure_event *event, int64_t timeout_ns,
		    uint32_t *ret_count)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = begin_event(segment, event, &lane, &s);
	int64_t deadline = DURE_FOREVER;
	uint32_t seen;

	if (r < 0)
		return r;
	seen = cell32_load_acq(&s->word);
	for (bool has_slept = false; !get_event(s, &seen, has_slept); has_slept = true) {
		if (!has_slept)
			deadline = durei_deadline(timeout_ns);
		if (timeout_ns)
			r = durei_signal_sleep(lane, &s->word, seen, deadline);
		r = durei_signal_expired(timeout_ns, r);
		if (r < 0)
			return r;
		seen = cell32_load_acq(&s->word);
	}
	if (ret_count)
		*ret_count = (seen & ~DL_SIGNAL_WAITED) / DL_EVENT_STEP;
	return 0;
}

/* -- latches ----------------------------------------------------------------------------- */

int dure_latch_init(dure_segment *segment, dure_latch *latch, uint32_t count)
{
	if (count > DL_LATCH_MAX)
		return durei_error(EINVAL, "a latch counts down from at most %d, not %u", DL_LATCH_MAX,
				   count);
	return durei_signal_init(segment, latch, count, 0, DL_LOCK_IS_LATCH);
}

int dure_latch_down(dure_segment *segment, dure_latch *latch, uint32_t by)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = durei_signal_begin(segment, latch, DL_LOCK_IS_LATCH, "latch", &lane, &s);
	uint32_t seen, left;

	if (r < 0)
		return r;
	seen = cell32_load_acq(&s->word);
	do {
		left = seen & ~DL_SIGNAL_WAITED;
		if (by > left)
			return durei_error(ERANGE, "segment %s: the latch at +%#llx has %u left, not %u",
					   segment->super.name,
					   (unsigned long long)durei_offset(segment, s), left, by);
		left -= by;
	} while (!cell32_cas(&s->word, &seen, left ? seen - by : 0));
	if (left == 0 && seen & DL_SIGNAL_WAITED)
		durei_wake(segment, &s->word, UINT32_MAX >> 1);
	return (int)left;
}

int dure_latch_wait(dure_segment *segment, dure_latch *latch, int64_t timeout_ns)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = durei_signal_begin(segment, latch, DL_LOCK_IS_LATCH, "latch", &lane, &s);
	int64_t deadline = durei_deadline(timeout_ns);
	uint32_t seen;

	while (r == 0 && (seen = cell32_load_acq(&s->word)) & ~DL_SIGNAL_WAITED) {
		if (timeout_ns)
			r = durei_signal_sleep(lane, &s->word, seen, deadline);
		r = durei_signal_expired(timeout_ns, r);
	}
	return r;
}

/* -- once -------------------------------------------------------------------------------- */

static int begin_once(dure_segment *seg, dure_once *once, struct durei_lane **ret_lane,
		      struct dl_signal **ret)
{
	return durei_signal_begin(seg, once, DL_LOCK_IS_ONCE, "once", ret_lane, ret);
}

static bool is_done(const struct dl_signal *s)
{
	return cell32_load_acq(&s->word) & DL_ONCE_DONE;
}

static void free_once(struct durei_lane *lane, struct dl_signal *s)
{
	int index = durei_held_find(lane, durei_offset(lane->seg, &s->lock));

	if (index >= 0)
		durei_word_free(lane, &s->lock, index);
}

int dure_once_begin(dure_segment *segment, dure_once *once, int64_t timeout_ns)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = begin_once(segment, once, &lane, &s);

	if (r < 0 || is_done(s))
		return r;
	if (durei_word_is_ours(lane, &s->lock))
		return durei_error(EDEADLK, "segment %s: the thread is doing the thing at +%#llx already",
				   segment->super.name,
				   (unsigned long long)durei_offset(segment, s));
	r = durei_word_take(lane, &s->lock, 0, 0, timeout_ns);
	if (r < 0)
		return r;
	if (r == DURE_OWNER_DIED)		/* who is told now begins anew */
		(void)cell32_and(&s->lock, ~DL_LOCK_DIED);
	if (is_done(s)) {
		free_once(lane, s);
		return 0;
	}
	return r == DURE_OWNER_DIED ? r : DURE_CREATED;
}

static int leave_once(dure_segment *segment, dure_once *once, uint32_t word)
{
	struct durei_lane *lane;
	struct dl_signal *s;
	int r = begin_once(segment, once, &lane, &s);

	if (r < 0)
		return r;
	if (!durei_word_is_ours(lane, &s->lock))
		return durei_error(EPERM, "segment %s: the thing at +%#llx is not this thread's to do",
				   segment->super.name,
				   (unsigned long long)durei_offset(segment, s));
	if (word)
		cell32_store_rel(&s->word, word);		/* [ONCE1] */
	free_once(lane, s);
	return 0;
}

int dure_once_end(dure_segment *segment, dure_once *once)
{
	return leave_once(segment, once, DL_ONCE_DONE);
}

int dure_once_cancel(dure_segment *segment, dure_once *once)
{
	return leave_once(segment, once, 0);
}
