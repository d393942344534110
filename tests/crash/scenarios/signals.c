/* SPDX-License-Identifier: MIT */
/*
 * signals.c - conditions, events, latches, once, barriers and sequence locks, to be killed at every
 *           instruction
 */
#include <errno.h>

#include "steps.h"

/* -- conditions and events --------------------------------------------------------------- */

static void prepare_waited_condition(struct world *w)
{
	run_lock(w);
	must(dure_condition_wait(w->seg, &w->root->condition, &w->root->locks[0], 1) == -ETIMEDOUT ? 0 : -1,
	     "condition_wait");
}

static void run_condition_init(struct world *w)
{
	must(dure_condition_init(w->seg, &w->root->condition), "condition_init");
}

static void run_condition_wait(struct world *w)
{
	(void)dure_condition_wait(w->seg, &w->root->condition, &w->root->locks[0], 0);
}

static void run_signal(struct world *w)
{
	must(dure_condition_signal(w->seg, &w->root->condition), "signal");
}

static void run_broadcast(struct world *w)
{
	must(dure_condition_broadcast(w->seg, &w->root->condition), "broadcast");
}

/* The mutex can be had, and the condition used: it has no more to lose. */
static enum verdict judge_condition(struct world *w)
{
	dure_mutex *lock = &w->root->locks[0];
	int r = dure_mutex_lock(w->seg, lock, 0);

	if (r < 0)
		return WRONG;
	if (r == DURE_OWNER_DIED)
		must(dure_mutex_mark_consistent(w->seg, lock), "mark_consistent");
	r = dure_condition_wait(w->seg, &w->root->condition, lock, 0);
	must(dure_mutex_unlock(w->seg, lock), "unlock");
	return r == -ETIMEDOUT || r == 0 ? EITHER : WRONG;
}

static void run_event_init(struct world *w)
{
	must(dure_event_init(w->seg, &w->root->event, DURE_EVENT_AUTO_RESET), "event_init");
}

static void run_set(struct world *w)
{
	must(dure_event_set(w->seg, &w->root->event), "event_set");
}

static void run_reset(struct world *w)
{
	must(dure_event_reset(w->seg, &w->root->event), "event_reset");
}

static void prepare_automatic(struct world *w)
{
	run_event_init(w);
	run_set(w);
}

static void run_event_wait(struct world *w)
{
	must(dure_event_wait(w->seg, &w->root->event, DURE_FOREVER, NULL), "event_wait");
}

static bool is_set(struct world *w)
{
	int r = dure_event_wait(w->seg, &w->root->event, 0, NULL);

	if (r == 0)		/* an automatic one is put back */
		must(dure_event_set(w->seg, &w->root->event), "event_set");
	return r == 0;
}

static enum verdict judge_set(struct world *w)
{
	return seen(is_set(w));
}

static enum verdict judge_not_set(struct world *w)
{
	return seen(!is_set(w));
}

static void run_wait_any(struct world *w)
{
	struct dure_wait_item items[] = {
		{ .object = &w->root->semaphore, .kind = DURE_WAIT_UNITS, .units = 2 },
		{ .object = &w->root->event, .kind = DURE_WAIT_EVENT },
		{ .object = &w->root->locks[0], .kind = DURE_WAIT_MUTEX },
	};

	must(dure_wait_any(w->seg, items, 3, DURE_FOREVER) == 1 ? 0 : -1, "wait_any");
}

/* -- polling ----------------------------------------------------------------------------- */

static dure_poll *poller;
static struct dure_wait_item polled[3];

static void prepare_poll(struct world *w)
{
	warm_up(w);
	polled[0] = (struct dure_wait_item){ .object = &w->root->semaphore, .kind = DURE_WAIT_UNITS,
					     .units = 1000 };
	polled[1] = (struct dure_wait_item){ .object = &w->root->event, .kind = DURE_WAIT_EVENT };
	polled[2] = (struct dure_wait_item){ .object = &w->root->condition,
					     .kind = DURE_WAIT_CONDITION };
	must(dure_poll_open(w->seg, &poller), "poll_open");
}

static void run_poll(struct world *w)
{
	must(dure_condition_prepare(w->seg, &w->root->condition, &polled[2].units), "prepare");
	must(dure_poll_look(poller, polled, 3), "poll_look");
}

static void prepare_polled(struct world *w)
{
	prepare_poll(w);
	run_poll(w);
}

/* -- latches and once -------------------------------------------------------------------- */

static void run_latch_init(struct world *w)
{
	must(dure_latch_init(w->seg, &w->root->latch, 2), "latch_init");
}

static void prepare_last(struct world *w)
{
	must(dure_latch_init(w->seg, &w->root->latch, 1), "latch_init");
}

static void run_down(struct world *w)
{
	must(dure_latch_down(w->seg, &w->root->latch, 1), "latch_down");
}

static void prepare_open_latch(struct world *w)
{
	prepare_last(w);
	run_down(w);
}

static void run_latch_wait(struct world *w)
{
	must(dure_latch_wait(w->seg, &w->root->latch, DURE_FOREVER), "latch_wait");
}

static enum verdict judge_open(struct world *w)
{
	return seen(dure_latch_wait(w->seg, &w->root->latch, 0) == 0);
}

static enum verdict judge_still_open(struct world *w)
{
	return judge_open(w) == AFTER ? EITHER : WRONG;
}

static void run_once_begin(struct world *w)
{
	must(dure_once_begin(w->seg, &w->root->once, DURE_FOREVER), "once_begin");
}

static void run_once_end(struct world *w)
{
	must(dure_once_end(w->seg, &w->root->once), "once_end");
}

static void run_once_cancel(struct world *w)
{
	must(dure_once_cancel(w->seg, &w->root->once), "once_cancel");
}

/* Somebody else can do it, or it is done. */
static enum verdict judge_done(struct world *w)
{
	int r = dure_once_begin(w->seg, &w->root->once, 0);

	if (r > 0)
		must(dure_once_cancel(w->seg, &w->root->once), "once_cancel");
	return r < 0 ? WRONG : seen(r == 0);
}

static enum verdict judge_not_done(struct world *w)
{
	return judge_done(w) == BEFORE ? EITHER : WRONG;
}

/* -- barriers ---------------------------------------------------------------------------- */

static void run_barrier_init(struct world *w)
{
	must(dure_barrier_init(w->seg, &w->root->barrier, 1), "barrier_init");
}

static void run_join(struct world *w)
{
	must(dure_barrier_join(w->seg, &w->root->barrier), "barrier_join");
}

static void prepare_member(struct world *w)
{
	run_barrier_init(w);
	run_join(w);
}

/* one member, of so many that the first phase waits for */
static void prepare_one_of_two(struct world *w)
{
	must(dure_barrier_init(w->seg, &w->root->barrier, 2), "barrier_init");
	run_join(w);
}

static void prepare_one_of_three(struct world *w)
{
	must(dure_barrier_init(w->seg, &w->root->barrier, 3), "barrier_init");
	run_join(w);
}

static void run_leave(struct world *w)
{
	must(dure_barrier_leave(w->seg, &w->root->barrier), "barrier_leave");
}

static void run_barrier_wait(struct world *w)
{
	must(dure_barrier_wait(w->seg, &w->root->barrier, DURE_FOREVER), "barrier_wait");
}

/* A new member never hangs; how many have died is what he is told. -1: he does. */
static int dead_members(struct world *w)
{
	int dead = dure_barrier_dead(w->seg, &w->root->barrier), r;

	if (dure_barrier_join(w->seg, &w->root->barrier) < 0)
		return -1;
	r = dure_barrier_wait(w->seg, &w->root->barrier, 0);
	if (r != (dead ? DURE_OWNER_DIED : 0))
		dead = -1;
	must(dure_barrier_leave(w->seg, &w->root->barrier), "barrier_leave");
	return dead;
}

static enum verdict judge_joined(struct world *w)
{
	int dead = dead_members(w);

	return dead < 0 || dead > 1 ? WRONG : seen(dead == 1);
}

static enum verdict judge_left(struct world *w)
{
	int dead = dead_members(w);

	return dead < 0 || dead > 1 ? WRONG : seen(dead == 0);
}

/* Of three one has left, or died: the first phase waits for another still. */
static enum verdict judge_left_early(struct world *w)
{
	dure_barrier *barrier = &w->root->barrier;
	int dead = dure_barrier_dead(w->seg, barrier), r;

	if (dead < 0 || dead > 1 || dure_barrier_join(w->seg, barrier) < 0)
		return WRONG;
	r = dure_barrier_wait(w->seg, barrier, 0);
	must(dure_barrier_leave(w->seg, barrier), "barrier_leave");
	return r == -EAGAIN ? seen(dead == 0) : WRONG;
}

static enum verdict judge_missed(struct world *w)
{
	return dead_members(w) == 1 ? EITHER : WRONG;
}

/* -- sequence locks ---------------------------------------------------------------------- */

enum { VALUE_BYTES = SEQ_WORDS * 8 };

struct value {
	uint64_t words[SEQ_WORDS];
};

static struct value all(uint64_t word)
{
	return (struct value){ { word, word, word } };
}

static void run_seqlock_init(struct world *w)
{
	struct value v = all(1);

	must(dure_seqlock_init(w->seg, &w->root->seqlock, &v, VALUE_BYTES), "seqlock_init");
}

/* written once, so that both copies have been in use */
static void prepare_seqlock(struct world *w)
{
	struct value v = all(1);

	run_seqlock_init(w);
	must(dure_seqlock_write(w->seg, &w->root->seqlock, &v, VALUE_BYTES, 0), "seqlock_write");
}

static void run_seqlock_write(struct world *w)
{
	struct value v = all(2);

	must(dure_seqlock_write(w->seg, &w->root->seqlock, &v, VALUE_BYTES, 0), "seqlock_write");
}

static void run_seqlock_begin(struct world *w)
{
	struct value v;

	must(dure_seqlock_begin(w->seg, &w->root->seqlock, &v, VALUE_BYTES, 0), "seqlock_begin");
}

static void prepare_begun(struct world *w)
{
	prepare_seqlock(w);
	run_seqlock_begin(w);
}

static void run_seqlock_commit(struct world *w)
{
	struct value v = all(2);

	must(dure_seqlock_commit(w->seg, &w->root->seqlock, &v, VALUE_BYTES), "seqlock_commit");
}

static void run_seqlock_cancel(struct world *w)
{
	must(dure_seqlock_cancel(w->seg, &w->root->seqlock), "seqlock_cancel");
}

/* One value or the other, and the next one can write. */
static enum verdict judge_value(struct world *w)
{
	struct value v = all(0);

	if (dure_seqlock_read(w->seg, &w->root->seqlock, &v, VALUE_BYTES) < 0 ||
	    v.words[1] != v.words[0] || v.words[2] != v.words[0] || v.words[0] < 1 || v.words[0] > 2)
		return WRONG;
	if (dure_seqlock_begin(w->seg, &w->root->seqlock, &v, VALUE_BYTES, 0) < 0)
		return WRONG;
	run_seqlock_cancel(w);
	return seen(v.words[0] == 2);
}

static enum verdict judge_same_value(struct world *w)
{
	return judge_value(w) == BEFORE ? EITHER : WRONG;
}

static const struct scenario list[] = {
	{ "condition_init", "dure_condition_init", prepare_nothing, run_condition_init,
	  nothing_to_see, 0 },
	{ "condition_wait", "dure_condition_wait", run_lock, run_condition_wait, judge_condition, 0 },
	{ "signal", "dure_condition_signal", prepare_waited_condition, run_signal, judge_condition,
	  0 },
	{ "broadcast", "dure_condition_broadcast", prepare_waited_condition, run_broadcast,
	  judge_condition, 0 },
	{ "event_init", "dure_event_init", prepare_nothing, run_event_init, nothing_to_see, 0 },
	{ "event_set", "dure_event_set", warm_up, run_set, judge_set, 0 },
	{ "event_reset", "dure_event_reset", run_set, run_reset, judge_not_set, 0 },
	{ "event_wait", "dure_event_wait", prepare_automatic, run_event_wait, judge_not_set, 0 },
	{ "wait_any", "dure_wait_any", warm_up, run_wait_any, nothing_to_see, 0 },
	{ "poll", "dure_condition_prepare dure_poll_look", prepare_poll, run_poll, nothing_to_see, 0 },
	{ "set_polled", "dure_event_set", prepare_polled, run_set, judge_set, 0 },
	{ "latch_init", "dure_latch_init", prepare_nothing, run_latch_init, nothing_to_see, 0 },
	{ "latch_down", "dure_latch_down", prepare_last, run_down, judge_open, 0 },
	{ "latch_wait", "dure_latch_wait", prepare_open_latch, run_latch_wait, judge_still_open, 0 },
	{ "once_begin", "dure_once_begin", warm_up, run_once_begin, judge_not_done, 0 },
	{ "once_end", "dure_once_end", run_once_begin, run_once_end, judge_done, 0 },
	{ "once_cancel", "dure_once_cancel", run_once_begin, run_once_cancel, judge_not_done, 0 },
	{ "barrier_init", "dure_barrier_init", prepare_nothing, run_barrier_init, nothing_to_see, 0 },
	{ "barrier_join", "dure_barrier_join", run_barrier_init, run_join, judge_joined, 0 },
	{ "barrier_leave", "dure_barrier_leave", prepare_member, run_leave, judge_left, 0 },
	{ "barrier_leave_second", "dure_barrier_leave", prepare_one_of_two, run_leave, judge_left, 0 },
	{ "barrier_leave_early", "dure_barrier_leave", prepare_one_of_three, run_leave,
	  judge_left_early, 0 },
	{ "barrier_wait", "dure_barrier_wait", prepare_member, run_barrier_wait, judge_missed, 0 },
	{ "seqlock_init", "dure_seqlock_init", prepare_nothing, run_seqlock_init, nothing_to_see, 0 },
	{ "seqlock_write", "dure_seqlock_write", prepare_seqlock, run_seqlock_write, judge_value, 0 },
	{ "seqlock_begin", "dure_seqlock_begin", prepare_seqlock, run_seqlock_begin, judge_same_value,
	  0 },
	{ "seqlock_commit", "dure_seqlock_commit", prepare_begun, run_seqlock_commit, judge_value, 0 },
	{ "seqlock_cancel", "dure_seqlock_cancel", prepare_begun, run_seqlock_cancel,
	  judge_same_value, 0 },
};

const struct scenarios signal_scenarios = { list, sizeof list / sizeof *list };
