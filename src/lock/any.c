/* SPDX-License-Identifier: MIT */
/*
 * any.c - waiting for any of several locks and other things, asleep or by a descriptor
 *
 * How      Each kind tells whether it is ready, and else on which word, and whose lives, its
 *          own waiters sleep; then one sleep on all of these; or none, but those who wake tell
 *          the descriptor (segment/poll.c).
 * Rules    [ANY1] nothing is taken, so a wake-up that came to us was perhaps another's: it is
 *                 passed on for every word that has changed
 *          [ANY2] a descriptor that may be quiet is made readable when something is ready: it
 *                 tells how things are, not that they have changed
 * Death    of a waiter: flags too many, which cost wake-up calls; a wake-up spent on it:
 *          segment/wait.c [WAIT2]
 */
#include <dure/poll.h>

#include <stdlib.h>

#include "base/error.h"
#include "lock/mutex.h"
#include "lock/place.h"
#include "lock/share.h"
#include "lock/signal.h"
#include "lock/word.h"
#include "segment/poll.h"
#include "segment/wait.h"

/* One round: what there is to sleep on. */
struct round {
	struct durei_lane *lane;
	uint32_t ready;
	unsigned word_count, owner_count;
	struct durei_sleep words[DUREI_WORDS_MAX];
	uint16_t owners[DUREI_OWNERS_MAX + 1];
};

static_assert((int)DURE_WAIT_MAX <= (int)DUREI_WORDS_MAX, "a word each");

static void add_owner(struct round *round, uint16_t owner)
{
	/* one too many tells that not all are listed: then they are looked after from time to time */
	if (owner && owner < durei_lane_end(round->lane->seg) && round->owner_count <= DUREI_OWNERS_MAX)
		round->owners[round->owner_count++] = owner;
}

static void add_word(struct round *round, const struct cell32 *word, uint32_t expected)
{
	round->words[round->word_count++] = (struct durei_sleep){ &word->raw, expected };
}

/* Sets the flag of who waits, unless the word changes meanwhile. */
static bool show_waiting(struct cell32 *word, uint32_t *seen, uint32_t flag)
{
	if (*seen & flag)
		return true;
	if (!cell32_cas(word, seen, *seen | flag))
		return false;
	*seen |= flag;
	return true;
}

/* A lock word that nobody has; what an earlier holder left counts, too. */
static bool look_at_word(struct round *round, struct cell32 *word)
{
	uint32_t seen = cell32_load_acq(word);

	for (;;) {
		if (!(seen & DL_LOCK_OWNER_MASK))
			return true;
		if (durei_recover_lane(round->lane->seg, round->lane, dl_lock_lane(seen)) == 1) {
			seen = cell32_load_acq(word);
			continue;
		}
		if (show_waiting(word, &seen, DL_LOCK_WAITED))
			break;
	}
	add_word(round, word, seen);
	add_owner(round, dl_lock_lane(seen));
	return false;
}

static bool look_at_units(struct round *round, struct dl_semaphore *s, uint32_t units)
{
	uint64_t offset = durei_offset(round->lane->seg, s), seen = cell64_load_acq(&s->word), next;
	unsigned any = DUREI_SHARE_IN(DL_SHARE_HELD) | DUREI_SHARE_IN(DL_SHARE_CHANGING) |
		       DUREI_SHARE_IN(DL_SHARE_CHANGED);
	struct durei_sharers holders;

	do {
		if ((seen & DL_SEMAPHORE_MAX) >= units)
			return true;
		next = seen | DL_SEMAPHORE_WAITED | (units > 1 ? DL_SEMAPHORE_MANY : 0);
	} while (next != seen && !cell64_cas(&s->word, &seen, next));
	durei_share_find_all(round->lane, offset, DL_SHARE_UNITS, any, &holders);
	if (durei_share_recover(round->lane, &holders))
		return look_at_units(round, s, units);
	add_word(round, durei_semaphore_half(&s->word), (uint32_t)next);
	for (unsigned i = 0; i < holders.count; i++)
		add_owner(round, holders.lanes[i]);
	return false;
}

static bool look_at_signal(struct round *round, struct dl_signal *s, bool waits_for_zero)
{
	uint32_t seen = cell32_load_acq(&s->word);

	do {
		bool is_zero = !(seen & ~DL_SIGNAL_WAITED);
		if (waits_for_zero ? is_zero : seen & DL_EVENT_SET)
			return true;
	} while (!show_waiting(&s->word, &seen, DL_SIGNAL_WAITED));
	add_word(round, &s->word, seen);
	return false;
}

/* Signals since dure_condition_prepare, which has set the flags. */
static bool look_at_condition(struct round *round, struct dl_signal *s, uint32_t prepared)
{
	uint32_t seen = cell32_load_acq(&s->word);

	do {
		if ((seen ^ prepared) & DL_CONDITION_SIGNALS)
			return true;
	} while (!show_waiting(&s->word, &seen, DL_SIGNAL_WAITED));
	add_word(round, &s->word, seen);
	return false;
}

static bool look(struct round *round, const struct dure_wait_item *item)
{
	void *object = (void *)(uintptr_t)item->object;

	switch (item->kind) {
	case DURE_WAIT_MUTEX:
		return look_at_word(round, &((struct dl_mutex *)object)->word);
	case DURE_WAIT_SHARED:
		return look_at_word(round, &((struct dl_rwlock *)object)->word);
	case DURE_WAIT_UNITS:
		return look_at_units(round, object, item->units ? item->units : 1);
	case DURE_WAIT_EVENT:
		return look_at_signal(round, object, false);
	case DURE_WAIT_CONDITION:
		return look_at_condition(round, object, item->units);
	default:
		return look_at_signal(round, object, true);
	}
}

/* -- the call ---------------------------------------------------------------------------- */

static int check_item(dure_segment *seg, const struct dure_wait_item *item)
{
	const void *object = item->object;
	const struct dl_signal *s = object;
	bool ok;

	switch (item->kind) {
	case DURE_WAIT_MUTEX:
		return durei_mutex_check(seg, object);
	case DURE_WAIT_SHARED:
		ok = durei_place_is(seg, object, sizeof(struct dl_rwlock),
				    DUREI_KIND_OF((const struct dl_rwlock *)object), DL_LOCK_IS_RWLOCK,
				    "reader-writer lock");
		break;
	case DURE_WAIT_UNITS:
		ok = durei_place_is(seg, object, sizeof(struct dl_semaphore),
				    DUREI_KIND_OF((const struct dl_semaphore *)object),
				    DL_LOCK_IS_SEMAPHORE, "semaphore");
		break;
	case DURE_WAIT_EVENT:
		ok = durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_EVENT, "event");
		break;
	case DURE_WAIT_LATCH:
		ok = durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_LATCH, "latch");
		break;
	case DURE_WAIT_CONDITION:
		ok = durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_CONDITION, "condition");
		break;
	default:
		return durei_error(EINVAL, "%u is no kind of item", item->kind);
	}
	return ok ? 0 : -EINVAL;
}

static int check(dure_segment *seg, const struct dure_wait_item *items, uint32_t count)
{
	int r = 0;

	if (!items || count == 0 || count > DURE_WAIT_MAX)
		return durei_error(EINVAL, "1 to %d items, not %u", DURE_WAIT_MAX, count);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = check_item(seg, &items[i]);
	return r;
}

/* Who is ready goes to ready[], a bit each. */
static void look_at_all(struct round *round, const struct dure_wait_item *items, uint32_t count,
			uint64_t *ret_ready)
{
	*ret_ready = 0;
	round->ready = 0;
	round->word_count = round->owner_count = 0;
	for (uint32_t i = 0; i < count; i++)
		if (look(round, &items[i])) {
			*ret_ready |= UINT64_C(1) << i;
			round->ready++;
		}
}

static int show(const struct round *round, struct dure_wait_item *items, uint32_t count,
		uint64_t ready)
{
	for (uint32_t i = 0; i < count; i++)
		items[i].is_ready = ready >> i & 1;
	return (int)round->ready;
}

/* [ANY1] */
static void pass_on(const struct round *round)
{
	for (unsigned i = 0; i < round->word_count; i++)
		if (__atomic_load_n(round->words[i].word, __ATOMIC_ACQUIRE) != round->words[i].expected)
			durei_futex_wake(round->words[i].word, 1);
}

int dure_wait_any(dure_segment *segment, struct dure_wait_item *items, uint32_t count,
		  int64_t timeout_ns)
{
	int r = 0;
	struct round round = { .lane = durei_lane_get(segment, &r) };
	int64_t deadline = durei_deadline(timeout_ns);
	uint64_t ready;

	if (round.lane)
		r = check(segment, items, count);
	if (r < 0)
		return r;
	for (;;) {
		look_at_all(&round, items, count, &ready);
		if (ready || timeout_ns == 0)
			break;
		r = durei_wait_words(round.lane, round.words, round.word_count, round.owners,
				     round.owner_count, deadline);
		pass_on(&round);
		if (r < 0)
			return durei_error_plain(-r);
	}
	return show(&round, items, count, ready);
}

/* -- the descriptor ---------------------------------------------------------------------- */

struct dure_poll {
	dure_segment *seg;
	struct durei_notify notify;
	uint16_t slot;			/* of who opened it: a forked child shares the descriptors */
	bool may_be_quiet;
};

int dure_poll_open(dure_segment *segment, dure_poll **ret)
{
	int r = durei_handle_check_write(segment);
	dure_poll *poll;

	if (r < 0)
		return r;
	poll = calloc(1, sizeof *poll);
	if (!poll)
		return durei_error_plain(ENOMEM);
	r = durei_poll_open(segment, &poll->notify);
	if (r < 0) {
		free(poll);
		return r;
	}
	poll->seg = segment;
	poll->slot = segment->slot;
	durei_segment_ref(segment);
	*ret = poll;
	return 0;
}

int dure_poll_fd(const dure_poll *poll)
{
	return poll ? poll->notify.epoll : durei_error_plain(EINVAL);
}

/* [POLL1]; the first look has told which words there are. */
static void look_and_arm(dure_poll *poll, struct round *round, const struct dure_wait_item *items,
			 uint32_t count, uint64_t *ret_ready)
{
	look_at_all(round, items, count, ret_ready);
	if (*ret_ready)
		return;
	durei_poll_quiet(&poll->notify);
	poll->may_be_quiet = true;
	for (unsigned i = 0; i < round->word_count; i++)
		durei_poll_arm(poll->seg, (const struct cell32 *)round->words[i].word);
	look_at_all(round, items, count, ret_ready);
}

int dure_poll_look(dure_poll *poll, struct dure_wait_item *items, uint32_t count)
{
	int r = 0;
	struct round round = { .lane = poll ? durei_lane_get(poll->seg, &r) : NULL };
	uint64_t ready;

	if (!poll)
		return durei_error_plain(EINVAL);
	if (round.lane && poll->slot != poll->seg->slot)
		r = durei_error(ESTALE, "segment %s: the descriptor is the parent's: open one here",
				poll->seg->super.name);
	else if (round.lane)
		r = check(poll->seg, items, count);
	if (r < 0)
		return r;
	look_and_arm(poll, &round, items, count, &ready);
	if (ready && poll->may_be_quiet) {				/* [ANY2] */
		durei_notify_again(&poll->notify, 1);
		poll->may_be_quiet = false;
	}
	return show(&round, items, count, ready);
}

void dure_poll_close(dure_poll *poll)
{
	if (!poll)
		return;
	durei_notify_close(&poll->notify);
	durei_segment_unref(poll->seg);
	free(poll);
}
