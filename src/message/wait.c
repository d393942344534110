/* SPDX-License-Identifier: MIT */
/*
 * wait.c - sleeping for messages and for room, and the descriptor
 *
 * Why      No system call when nobody sleeps or polls; one when somebody does; and nobody sleeps
 *          on while there is something for him.
 * How      A word for receivers and one for senders. Who finds nothing says so in the word's
 *          flags, under the lock, and sleeps on it. Who brings something clears the flags, adds
 *          to the number above them, both under the lock, and wakes after unlocking. So none
 *          of it can be missed, and no fence is needed.
 *          One is woken at a time, since each message is for one. He cannot know whether others
 *          sleep: having got something he sets WAITED again, and if there is more he wakes the
 *          next. When somebody waits for some types only (PICKY), all are woken.
 *          Who polls sets WAITED as well; waking tells him (segment/poll.c).
 *          Before it sleeps a caller spins for a while, without a flag: who brings something
 *          makes no system call for one who is awake.
 * Rules    [WAITQ1] flags are set and cleared under the lock only
 *          [WAITQ2] a descriptor is made quiet before the last look, never after it
 *          [WAITQ3] a receiver that sleeps watches the threads that have taken messages; the
 *                   deaths of those that are too many, or come later, it notices within a slice
 *                   (segment/wait.c [WAIT2]). The client of a call watches the server that has
 *                   it, or those that may take it: call.c [CALLC3]
 *          [WAITQ4] what a spinning caller sees without the lock is a hint: it looks under the
 *                   lock, from time to time in any case
 * Death    of one who was to wake: those who sleep look again after a slice. Of a sleeper: flags
 *          that cost one system call, once.
 */
#include "message/queue.h"

#include "message/holder.h"
#include "os/futex.h"
#include "segment/wait.h"

enum {
	SPINS = 200,
	REST_MAX = 16,			/* pauses between two looks */
	SPINS_PER_LOOK = 5000,		/* of who never sleeps: then it looks for deaths */
	WATCHED_MAX = 16,
	LOOKED_AT_FOR_HOLDERS = 64,
};

/* -- what to wait for -------------------------------------------------------------------- */

/* Is the word's news what this number counts? It grows with each. */
static uint64_t changes_of(const struct dl_queue *q, const struct cell32 *word)
{
	const struct dl_queue_numbers *n = &q->numbers;
	uint64_t arrived = cell64_load_rlx(&n->next_id) + cell64_load_rlx(&n->returned);
	uint64_t gone = cell64_load_rlx(&n->received) + cell64_load_rlx(&n->expired);
	uint64_t state = cell32_load_rlx(&q->state);

	return state + (word == &q->arrivals ? arrived : word == &q->rooms ? gone : arrived + gone);
}

static void watch_lane(const struct durei_queue_guard *guard, uint16_t lane, uint16_t *owners,
		       unsigned *count)
{
	if (*count == WATCHED_MAX || lane == guard->lane->id)
		return;
	for (unsigned i = 0; i < *count; i++)
		if (owners[i] == lane)
			return;
	owners[(*count)++] = lane;
}

static void watch(const struct durei_queue_guard *guard, uint64_t holder, uint16_t *owners,
		  unsigned *count)
{
	if (durei_holder_status(guard->queue->seg, holder))
		watch_lane(guard, dl_lock_lane((uint32_t)holder), owners, count);
}

/* Who has it; or who may take it: the lanes that took last, as far as they are somebody's. */
static unsigned whom_to_watch_for_call(const struct durei_queue_guard *guard,
				       struct dl_message *call, uint16_t *owners)
{
	dure_segment *seg = guard->queue->seg;
	uint64_t takers = cell64_load_rlx(&guard->queue->shared->numbers.takers), watched = 0;
	unsigned count = 0;

	watch(guard, cell64_load_rlx(&call->holder), owners, &count);
	for (bool has_holder = count; takers && !has_holder; takers >>= 16) {
		uint16_t lane = (uint16_t)takers;
		if (lane && lane < durei_lane_end(seg) &&
		    durei_status_state(cell64_load_acq(&seg->lane_status[lane])) == DL_LANE_OWNED)
			watch_lane(guard, lane, owners, &count);
	}
	for (unsigned i = 0; i < count; i++)
		watched |= (uint64_t)owners[i] << 16 * i;
	cell64_store_rel(&durei_call_of(call)->watched, watched);	/* [CALLC3] */
	return count;
}

/* [WAITQ3] */
static unsigned whom_to_watch(const struct durei_queue_guard *guard, const struct cell32 *word,
			      struct dl_message *call, uint16_t *owners)
{
	struct durei_lines taken = durei_queue_taken(guard->queue);
	unsigned count = 0;
	int r = 0;
	const struct dl_message *m;

	if (call)
		return whom_to_watch_for_call(guard, call, owners);
	if (word != &guard->queue->shared->arrivals)
		return count;
	m = durei_lines_from(&taken, (struct durei_line_key){ 0, 0 }, &r);
	for (int looks = 0; m && looks < LOOKED_AT_FOR_HOLDERS; looks++) {
		watch(guard, cell64_load_rlx(&m->holder), owners, &count);
		m = durei_lines_next(&taken, m, &r);
	}
	return count;
}

/* -- waiting ----------------------------------------------------------------------------- */

/*
 * Looks at what can be seen without the lock, and shows nobody that it waits; less and less often,
 * for each look takes lines from those who bring something.
 */
static bool spin(const struct dl_queue *q, const struct cell32 *word, uint64_t changes, int spins)
{
	for (int rest = 1; spins > 0; spins -= rest, rest = rest < REST_MAX ? rest * 2 : REST_MAX) {
		for (int i = 0; i < rest; i++)
			cell_relax();
		if (changes_of(q, word) != changes)
			return true;
	}
	return false;
}

/* 0: look. [WAITQ4] */
static int spin_once(struct durei_queue_guard *guard, const struct cell32 *word,
		     int64_t deadline_ns)
{
	enum durei_patience patience = guard->patience;
	dure_queue *queue = guard->queue;
	uint64_t changes = changes_of(queue->shared, word);
	bool has_changed;
	int r;

	durei_queue_unlock(guard);
	has_changed = spin(queue->shared, word, changes,
			   patience == DUREI_SPIN ? SPINS_PER_LOOK : SPINS);
	if (patience == DUREI_SPIN && !has_changed && deadline_ns != DUREI_NEVER &&
	    durei_clock_now() >= deadline_ns)
		return -ETIMEDOUT;
	r = durei_queue_lock(queue, deadline_ns, guard);
	guard->patience = patience;
	guard->has_spun = !has_changed;
	return r;
}

static int sleep_once(struct durei_queue_guard *guard, struct cell32 *word, uint32_t flags,
		      struct dl_message *call, int64_t deadline_ns)
{
	enum durei_patience patience = guard->patience;
	dure_queue *queue = guard->queue;
	uint32_t expected = cell32_load_rlx(word) | DL_NEWS_WAITED | flags;
	uint16_t owners[WATCHED_MAX];
	unsigned count = whom_to_watch(guard, word, call, owners);
	int r;

	cell32_store_rel(word, expected);				/* [WAITQ1] */
	durei_number_add(word == &queue->shared->rooms ? &queue->shared->waits_to_send
						       : &queue->shared->waits_to_receive, 1);
	durei_queue_unlock(guard);
	r = durei_wait_any(guard->lane, word, expected, owners, count, deadline_ns);
	if (r < 0)
		return r;
	r = durei_queue_lock(queue, deadline_ns, guard);
	if (r < 0)	/* what woke us may be for another */
		durei_wake(queue->seg, word, 1);
	guard->patience = patience;
	return r;
}

int durei_queue_wait(struct durei_queue_guard *guard, struct cell32 *word, uint32_t flags,
		     struct dl_message *call, int64_t deadline_ns)
{
	if (guard->was_held || (guard->in_tx && guard->has_changed)) {
		durei_queue_unlock(guard);
		return durei_error(EDEADLK, "%s: the transaction holds it: nothing will come while it "
				   "waits", guard->queue->title);
	}
	if (guard->patience == DUREI_SPIN ||
	    (guard->patience == DUREI_SPIN_THEN_SLEEP && !guard->has_spun))
		return spin_once(guard, word, deadline_ns);
	return sleep_once(guard, word, flags, call, deadline_ns);
}

/* -- telling ----------------------------------------------------------------------------- */

uint32_t durei_queue_take_flags(struct cell32 *word)
{
	uint32_t seen = cell32_load_rlx(word);	/* under the lock */

	if (seen & DL_NEWS_FLAGS)
		cell32_store_rel(word, (seen & ~(uint32_t)DL_NEWS_FLAGS) + DL_NEWS_STEP);
	return seen & DL_NEWS_FLAGS;
}

void durei_queue_tell_receivers(struct durei_queue_guard *guard)
{
	guard->arrivals |= durei_queue_take_flags(&guard->queue->shared->arrivals);
}

void durei_queue_tell_senders(struct durei_queue_guard *guard)
{
	guard->rooms |= durei_queue_take_flags(&guard->queue->shared->rooms);
}

void durei_queue_pass_on(struct cell32 *word, bool has_more, uint32_t *to_wake)
{
	cell32_store_rel(word, cell32_load_rlx(word) | DL_NEWS_WAITED);
	if (has_more)
		*to_wake |= DL_NEWS_WAITED;
}

void durei_queue_wake(dure_segment *seg, const struct cell32 *word, uint32_t flags)
{
	if (flags & DL_NEWS_WAITED)
		durei_wake(seg, word, flags & DL_NEWS_PICKY ? UINT32_MAX >> 1 : 1);
}

/* -- the descriptor ---------------------------------------------------------------------- */

int dure_queue_fd(dure_queue *queue)
{
	int r = durei_handle_check_write(queue->seg);

	return r < 0 ? r : durei_notice_fd(&queue->notice, queue->seg);
}

void durei_queue_arm(struct durei_queue_guard *guard, struct cell32 *word)
{
	if (!guard->queue->notice.has_fd)
		return;
	durei_poll_arm(guard->queue->seg, word);
	cell32_store_rel(word, cell32_load_rlx(word) | DL_NEWS_WAITED);
}
