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
 * Rules    [WAITQ1] flags are set and cleared under the lock only
 *          [WAITQ2] a descriptor is made quiet before the last look, never after it
 *          [WAITQ3] a sleeper watches one of the threads that have taken messages; the deaths of
 *                   others it notices within a slice (segment/wait.c [WAIT2])
 * Death    of one who was to wake: those who sleep look again after a slice. Of a sleeper: flags
 *          that cost one system call, once.
 */
#include "message/queue.h"

#include "os/futex.h"
#include "segment/wait.h"

enum { SPINS = 60 };

/* The thread to watch: the one that has had a message the longest. 0: nobody. */
static uint32_t first_holder(const dure_queue *queue)
{
	struct durei_lines taken = durei_queue_taken(queue);
	int r = 0;
	const struct dl_message *m = durei_lines_from(&taken, (struct durei_line_key){ 0, 0 }, &r);

	return m ? (uint32_t)cell64_load_rlx(&m->holder) : 0;
}

static bool spin(const struct cell32 *word, uint32_t expected)
{
	for (int i = 0; i < SPINS; i++) {
		cell_relax();
		if (cell32_load_acq(word) != expected)
			return true;
	}
	return false;
}

int durei_queue_wait(struct durei_queue_guard *guard, struct cell32 *word, uint32_t flags,
		     int64_t deadline_ns)
{
	dure_queue *queue = guard->queue;
	bool for_message = word == &queue->shared->arrivals;
	uint32_t expected = cell32_load_rlx(word) | DL_NEWS_WAITED | flags, holder;
	int r = 0;

	if (guard->was_held || (guard->in_tx && guard->has_changed)) {
		durei_queue_unlock(guard);
		return durei_error(EDEADLK, "queue %s: the transaction holds it: nothing will come "
				   "while it waits", queue->name);
	}
	holder = for_message ? first_holder(queue) : 0;
	if (dl_lock_lane(holder) == guard->lane->id)
		holder = 0;
	cell32_store_rel(word, expected);				/* [WAITQ1] */
	durei_number_add(for_message ? &queue->shared->waits_to_receive
				     : &queue->shared->waits_to_send, 1);
	durei_queue_unlock(guard);
	if (!spin(word, expected))
		r = durei_wait(guard->lane, word, expected, dl_lock_lane(holder),
			       dl_lock_generation(holder), deadline_ns);
	if (r < 0)
		return r;
	r = durei_queue_lock(queue, deadline_ns, guard);
	if (r < 0)	/* what woke us may be for another */
		durei_wake(queue->seg, word, 1);
	return r;
}

/* -- telling ----------------------------------------------------------------------------- */

static uint32_t clear_flags(struct cell32 *word)
{
	uint32_t seen = cell32_load_rlx(word);	/* under the lock */

	if (seen & DL_NEWS_FLAGS)
		cell32_store_rel(word, (seen & ~(uint32_t)DL_NEWS_FLAGS) + DL_NEWS_STEP);
	return seen & DL_NEWS_FLAGS;
}

void durei_queue_tell_receivers(struct durei_queue_guard *guard)
{
	guard->arrivals |= clear_flags(&guard->queue->shared->arrivals);
}

void durei_queue_tell_senders(struct durei_queue_guard *guard)
{
	guard->rooms |= clear_flags(&guard->queue->shared->rooms);
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
