/* SPDX-License-Identifier: MIT */
/*
 * shelf.c - messages come, go, are taken, and come back
 *
 * Why      A message is always in exactly one place, whoever dies. Each change here is made in
 *          an open log of the lane, under the queue's lock: it is undone or it is done.
 * Rules    layout/queue.h
 *          [SHELF1] a message whose holder is gone (holder.c) is anybody's to put back. That is
 *                   decided under the lock, so once
 *          [SHELF2] the lock is had only after the log of whoever died with it has been dealt
 *                   with: so a message that its holder was acknowledging is gone or taken, and
 *                   never half of it
 *          [SHELF3] a message's links and words are remembered before they change
 * Death    tx/log.c. A holder's death after take: the message is TAKEN by a lane that is gone;
 *          the next one who looks for a message puts it back.
 */
#include "message/queue.h"

#include "heap/heap.h"
#include "message/holder.h"
#include "os/futex.h"
#include "tx/log.h"

enum { LOOKED_AT_MAX = 64 };	/* taken messages whose holders are asked after, per call */

int durei_message_data(const dure_queue *queue, const struct dl_message *m, const void **ret,
		       uint64_t *ret_bytes)
{
	dure_segment *seg = queue->seg;
	uint64_t offset = durei_offset(seg, m) + sizeof *m, bytes = m->bytes, head;
	const struct dl_call *call = durei_call_of(m);

	if (queue->is_service) {
		head = bytes < sizeof *call ? 0 : sizeof *call;
		offset = call->request ? call->request : offset + head;
		bytes = call->request ? call->request_bytes : bytes - head;
	}
	if (!durei_bytes_are_backed(seg, offset, bytes))		/* [LINE2] */
		return durei_error(EUCLEAN, "%s: a message does not lie in the segment: run dure check",
				   queue->title);
	*ret = durei_at(seg, offset);
	*ret_bytes = bytes;
	return 0;
}

static uint64_t bytes_of(const struct dl_message *m)
{
	return m->bytes;
}

/* The numbers are one range of the log: whatever of them changes after this is undone with it. */
static int remember(struct durei_queue_guard *guard, void *start, uint64_t bytes)
{
	return durei_log_undo_range(guard->lane, durei_offset(guard->queue->seg, start), bytes);
}

static int on_shelf(struct durei_queue_guard *guard, struct dl_shelf *shelf, struct dl_message *m,
		    int (*change)(const struct durei_lines *lines, struct durei_lane *lane,
				  struct dl_message *m))
{
	struct durei_lines orders = durei_queue_lines(guard->queue, &shelf->order,
						      DUREI_BY_PRIORITY);
	struct durei_lines kinds = durei_queue_lines(guard->queue, &shelf->kind, DUREI_BY_TYPE);
	int r = change(&orders, guard->lane, m);

	return r < 0 ? r : change(&kinds, guard->lane, m);
}

/* -- the places a message can be in ------------------------------------------------------ */

static int put_into(struct durei_queue_guard *guard, struct dl_message *m,
		    enum dl_message_state state)
{
	struct dl_queue *q = guard->queue->shared;
	struct dl_queue_numbers *n = &q->numbers;
	struct durei_lines taken = durei_queue_taken(guard->queue);
	struct durei_lines answered = durei_queue_answered(guard->queue);

	if (state == DL_MESSAGE_DEAD) {
		durei_number_add(&n->dead_count, 1);
		return on_shelf(guard, &q->dead, m, durei_lines_insert);
	}
	if (state == DL_MESSAGE_ANSWERED) {
		durei_number_add(&n->answered_count, 1);
		return durei_lines_insert(&answered, guard->lane, m);
	}
	durei_number_add(&n->count, 1);
	durei_number_add(&n->bytes, bytes_of(m));
	if (state == DL_MESSAGE_TAKEN) {
		durei_number_add(&n->taken_count, 1);
		return durei_lines_insert(&taken, guard->lane, m);
	}
	durei_number_add(&n->expiring, m->expires_ns != 0);
	return on_shelf(guard, &q->waiting, m, durei_lines_insert);
}

static int take_out(struct durei_queue_guard *guard, struct dl_message *m)
{
	struct dl_queue *q = guard->queue->shared;
	struct dl_queue_numbers *n = &q->numbers;
	struct durei_lines taken = durei_queue_taken(guard->queue);
	struct durei_lines answered = durei_queue_answered(guard->queue);
	uint32_t state = cell32_load_rlx(&m->state);

	if (state == DL_MESSAGE_DEAD) {
		durei_number_add(&n->dead_count, UINT64_MAX);
		return on_shelf(guard, &q->dead, m, durei_lines_remove);
	}
	if (state == DL_MESSAGE_ANSWERED) {
		durei_number_add(&n->answered_count, UINT64_MAX);
		return durei_lines_remove(&answered, guard->lane, m);
	}
	durei_number_add(&n->count, UINT64_MAX);
	durei_number_add(&n->bytes, 0 - bytes_of(m));
	if (state == DL_MESSAGE_TAKEN) {
		durei_number_add(&n->taken_count, UINT64_MAX);
		return durei_lines_remove(&taken, guard->lane, m);
	}
	durei_number_add(&n->expiring, m->expires_ns ? UINT64_MAX : 0);
	return on_shelf(guard, &q->waiting, m, durei_lines_remove);
}

/* The numbers are remembered once for each log. */
static int remember_numbers(struct durei_queue_guard *guard)
{
	struct dl_queue_numbers *n = &guard->queue->shared->numbers;
	int r = guard->has_numbers ? 0 : remember(guard, n, sizeof *n);

	guard->has_numbers |= r == 0;
	return r;
}

/* -- changes ----------------------------------------------------------------------------- */

static void note_high_water(struct dl_queue_numbers *n)
{
	uint64_t count = cell64_load_rlx(&n->count), bytes = cell64_load_rlx(&n->bytes);

	if (count > cell64_load_rlx(&n->count_high))
		cell64_store_rel(&n->count_high, count);
	if (bytes > cell64_load_rlx(&n->bytes_high))
		cell64_store_rel(&n->bytes_high, bytes);
}

int durei_message_add(struct durei_queue_guard *guard, struct dl_message *m)
{
	struct dl_queue_numbers *n = &guard->queue->shared->numbers;
	int r = remember_numbers(guard);

	if (r < 0)
		return r;
	m->id = cell64_load_rlx(&n->next_id) + 1;	/* still private */
	durei_number_add(&n->next_id, 1);
	durei_number_add(&n->sent, 1);
	r = put_into(guard, m, DL_MESSAGE_WAITING);
	note_high_water(n);
	return r;
}

int durei_message_drop(struct durei_queue_guard *guard, struct dl_message *m)
{
	int r = remember_numbers(guard);

	if (r == 0)
		r = take_out(guard, m);
	if (r == 0 && guard->queue->is_service)
		r = durei_call_free_blocks(guard, m);
	return r < 0 ? r : durei_log_free(guard->lane, durei_offset(guard->queue->seg, m));
}

int durei_message_move(struct durei_queue_guard *guard, struct dl_message *m,
		       enum dl_message_state to, uint64_t holder)
{
	int r = remember_numbers(guard);

	if (r == 0)							/* [SHELF3] */
		r = remember(guard, &m->holder,
			     sizeof *m - offsetof(struct dl_message, holder));
	if (r == 0)
		r = take_out(guard, m);
	if (r < 0)
		return r;
	if (to == DL_MESSAGE_TAKEN)
		cell32_store_rel(&m->deliveries, cell32_load_rlx(&m->deliveries) + 1);
	cell64_store_rel(&m->holder, holder);
	cell32_store_rel(&m->state, to);
	return put_into(guard, m, to);
}

/* -- who has taken it -------------------------------------------------------------------- */

bool durei_message_is_ours(dure_segment *seg, const struct dl_message *m)
{
	uint64_t status = durei_holder_status(seg, cell64_load_rlx(&m->holder));

	return cell32_load_rlx(&m->state) == DL_MESSAGE_TAKEN && status &&
	       durei_status_slot(status) == seg->slot;
}

/* It has been taken as often as it may be. */
static bool is_worn(const struct durei_queue_guard *guard, const struct dl_message *m)
{
	uint32_t most = guard->queue->is_service ? durei_call_of(m)->attempts_max
						 : guard->queue->shared->deliveries_max;

	return most && cell32_load_rlx(&m->deliveries) >= most;
}

int durei_message_give_back(struct durei_queue_guard *guard, struct dl_message *m, bool is_forced)
{
	struct dl_queue *q = guard->queue->shared;
	bool ends = !is_forced && is_worn(guard, m);
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	if (ends && guard->queue->is_service)
		r = durei_call_answer(guard, m, 0, 0, EOWNERDEAD);
	else
		r = durei_message_move(guard, m, ends ? DL_MESSAGE_DEAD : DL_MESSAGE_WAITING, 0);
	if (r == 0)
		durei_number_add(&q->numbers.returned, 1);
	r = durei_queue_end(guard, r);
	if (r == 0)
		durei_queue_tell_receivers(guard);
	return r;
}

/* The look-th of the taken ones, if the kernel says that its holder is dead. */
static int ask_kernel(struct durei_queue_guard *guard)
{
	dure_queue *queue = guard->queue;
	struct durei_lines taken = durei_queue_taken(queue);
	uint64_t count = durei_number_of_messages(queue, &queue->shared->numbers.taken_count);
	uint64_t skip = count ? queue->look++ % count : 0;
	int r = 0;
	struct dl_message *m = durei_lines_from(&taken, (struct durei_line_key){ 0, 0 }, &r);

	while (m && skip--)
		m = durei_lines_next(&taken, m, &r);
	if (!m)
		return r;
	if (!durei_holder_is_gone(queue->seg, cell64_load_rlx(&m->holder)))
		return 0;
	r = durei_message_give_back(guard, m, false);
	return r < 0 ? r : 1;
}

int durei_messages_return(struct durei_queue_guard *guard, bool asks_kernel)
{
	struct durei_lines taken = durei_queue_taken(guard->queue);
	int r = 0, count = 0;
	struct dl_message *m = durei_lines_from(&taken, (struct durei_line_key){ 0, 0 }, &r), *next;

	for (int looks = 0; r == 0 && m && looks < LOOKED_AT_MAX; looks++) {
		next = durei_lines_next(&taken, m, &r);
		if (r == 0 && durei_holder_looks_gone(guard->queue->seg, cell64_load_rlx(&m->holder))) {
			r = durei_message_give_back(guard, m, false);
			count += r == 0;
		}
		m = next;
	}
	if (r < 0 || count || !asks_kernel)
		return r < 0 ? r : count;
	return ask_kernel(guard);
}

/* -- expiry ------------------------------------------------------------------------------ */

/* What becomes of it. */
static int end_of_life(struct durei_queue_guard *guard, struct dl_message *m)
{
	if (guard->queue->is_service)
		return durei_call_is_unwanted(guard->queue, m, false)
			       ? durei_message_drop(guard, m)
			       : durei_call_answer(guard, m, 0, 0, ENOTCONN);
	return guard->queue->shared->flags & DURE_QUEUE_KEEP_EXPIRED
		       ? durei_message_move(guard, m, DL_MESSAGE_DEAD, 0)
		       : durei_message_drop(guard, m);
}

int durei_message_expire(struct durei_queue_guard *guard, struct dl_message *m)
{
	struct dl_queue *q = guard->queue->shared;
	bool is_late = m->expires_ns && durei_clock_wall() >= m->expires_ns;
	int r;

	if (!is_late && !(guard->queue->is_service &&
			  durei_call_is_unwanted(guard->queue, m, false)))
		return 0;
	r = durei_queue_begin(guard);
	if (r < 0)
		return r;
	r = end_of_life(guard, m);
	if (r == 0)
		durei_number_add(&q->numbers.expired, 1);
	r = durei_queue_end(guard, r);
	if (r == 0)
		durei_queue_tell_senders(guard);
	return r < 0 ? r : 1;
}
