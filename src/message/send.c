/* SPDX-License-Identifier: MIT */
/*
 * send.c - sending
 *
 * Why      The bytes are copied before the queue is locked, into blocks that nobody else knows.
 *          Under the lock there are only a few words of links, whatever the messages' size.
 * Rules    shelf.c
 *          [SEND1] what is sent by one call is one change: all of it is in the queue, or none
 * Death    after step                    is left behind              who mends it
 *          1 blocks reserved, filled     blocks of the dead          they are free
 *          2 log, in place               tx/log.c                    undone
 *          3 commit                      the messages, nobody told   who sleeps looks again
 */
#include "message/queue.h"

#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "os/futex.h"
#include "tx/log.h"

enum { LOOKED_AT_FOR_ROOM = 64 };

/* Messages of one call, in their order. */
struct batch {
	struct dl_message *messages[DURE_QUEUE_BATCH_MAX];
	unsigned built;
	unsigned sent;			/* that there was room for */
	unsigned logged;		/* whose blocks are the log's */
	uint32_t flags;			/* of put */
};

/* -- building ---------------------------------------------------------------------------- */

static int read_put(dure_queue *queue, const struct dure_queue_put *put,
		    struct dure_queue_put *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, put);

	if (r < 0)
		return r;
	if (!ret->type)
		ret->type = 1;
	if (ret->type < 1 || ret->priority > DL_PRIORITY_MAX || ret->lives_ns < 0)
		return durei_error(EINVAL, "%s: a message has a type of 1 or above, a priority of 0 to "
				   "%d and a life of 0 ns or more, not %lld, %u and %lld",
				   queue->title, DL_PRIORITY_MAX, (long long)ret->type,
				   ret->priority, (long long)ret->lives_ns);
	if (ret->flags & ~(uint32_t)(DURE_QUEUE_SPIN | DURE_QUEUE_SLEEP))
		return durei_error(EINVAL, "put.flags %#x have unknown bits", ret->flags);
	return 0;
}

static int check_length(dure_queue *queue, uint64_t bytes)
{
	const struct dl_queue *q = queue->shared;

	if (__builtin_expect((!q->message_bytes_max || bytes <= q->message_bytes_max) &&
			     (!q->bytes_max || bytes <= q->bytes_max) &&
			     bytes <= queue->seg->mapped_bytes, 1))
		return 0;
	return durei_error(EMSGSIZE, "%s: a message of %llu bytes never fits: its limits are %llu "
			   "bytes for one, %llu for all", queue->title, (unsigned long long)bytes,
			   (unsigned long long)q->message_bytes_max,
			   (unsigned long long)q->bytes_max);
}

/* Step 1. */
static int build(dure_queue *queue, struct durei_lane *lane, const struct durei_letter *letter,
		 const struct dure_queue_put *put, struct dl_message **ret)
{
	uint64_t head_bytes = letter->head ? sizeof *letter->head : 0, offset;
	uint64_t bytes = letter->data ? letter->bytes : 0;
	int r = check_length(queue, letter->bytes + head_bytes);

	if (r == 0)
		r = durei_block_reserve(lane, sizeof **ret + head_bytes + bytes, 0, &offset);
	if (r < 0)
		return r;
	*ret = durei_at(queue->seg, offset);
	**ret = (struct dl_message){ .queue = queue->offset, .type = put->type,
				     .priority = put->priority, .bytes = head_bytes + bytes,
				     .state = { DL_MESSAGE_WAITING } };
	if (put->lives_ns)
		(*ret)->expires_ns = durei_clock_wall() + (uint64_t)put->lives_ns;
	if (head_bytes)
		*durei_call_of(*ret) = *letter->head;
	if (bytes)
		memcpy((unsigned char *)(*ret + 1) + head_bytes, letter->data, bytes);
	return 0;
}

/* What was built and not sent. */
static void cancel(struct durei_lane *lane, const struct batch *batch)
{
	for (unsigned i = batch->logged; i < batch->built; i++)
		(void)durei_block_free(lane, durei_offset(lane->seg, batch->messages[i]));
}

/* -- room -------------------------------------------------------------------------------- */

static bool has_room(const struct dl_queue *q, uint64_t bytes)
{
	uint64_t sum;

	if (q->messages_max && cell64_load_rlx(&q->numbers.count) >= q->messages_max)
		return false;
	return !q->bytes_max || (add_fits(cell64_load_rlx(&q->numbers.bytes), bytes, &sum) &&
				 sum <= q->bytes_max);
}

/* The queue is full: perhaps of what has expired. */
static int drop_expired(struct durei_queue_guard *guard)
{
	struct dl_queue *q = guard->queue->shared;
	struct durei_lines orders = durei_queue_lines(guard->queue, &q->waiting.order,
						      DUREI_BY_PRIORITY);
	int r = 0, count = 0;
	struct dl_message *next, *m;

	if (!cell64_load_rlx(&q->numbers.expiring) && !guard->queue->is_service)
		return 0;
	m = durei_lines_from(&orders, (struct durei_line_key){ 0, 0 }, &r);
	for (int looks = 0; r >= 0 && m && looks < LOOKED_AT_FOR_ROOM; looks++, m = next) {
		next = durei_lines_next(&orders, m, &r);
		if (r == 0)
			r = durei_message_expire(guard, m);
		count += r > 0;
		r = r < 0 ? r : 0;
	}
	return r < 0 ? r : count;
}

/* Under the lock: waits until there is room for so many bytes. A failure unlocks. */
static int wait_for_room(struct durei_queue_guard *guard, uint64_t bytes, int64_t timeout_ns,
			 int64_t deadline_ns, bool *ret_slept)
{
	dure_queue *queue = guard->queue;
	struct dl_queue *q = queue->shared;
	bool is_quiet = !queue->notice.has_fd;
	int r;

	for (;;) {
		if (cell32_load_rlx(&q->state) != DL_QUEUE_OPEN)
			r = durei_error(ESHUTDOWN, "%s has been shut", queue->title);
		else if (has_room(q, bytes))
			return 0;
		else
			r = drop_expired(guard);
		if (r > 0)
			continue;
		if (r == 0 && timeout_ns == 0 && !is_quiet) {		/* [WAITQ2] */
			durei_notice_quiet(&queue->notice);
			is_quiet = true;
			continue;
		}
		if (r == 0 && timeout_ns == 0) {
			durei_queue_arm(guard, &q->rooms);
			r = durei_error_plain(EAGAIN);
		}
		if (r < 0) {
			durei_queue_unlock(guard);
			return r;
		}
		r = durei_queue_wait(guard, &q->rooms, 0, NULL, deadline_ns);
		if (r < 0)
			return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
		*ret_slept = true;
	}
}

/* -- sending ----------------------------------------------------------------------------- */

/* In an open log. The block that a call's request lies in comes last: it stays the caller's if
   anything fails. */
static int add_one(struct durei_queue_guard *guard, struct batch *batch, struct dl_message *m)
{
	uint64_t request = guard->queue->is_service ? durei_call_of(m)->request : 0;
	int r = durei_log_take(guard->lane, durei_offset(guard->queue->seg, m));

	batch->logged += r == 0;	/* it is given back with the log */
	if (r == 0)
		r = durei_message_add(guard, m);
	if (r == 0 && request)
		r = durei_log_take(guard->lane, request);
	return r;
}

/* Steps 2 and 3, under the lock: as many as there is room for. [SEND1] */
static int add(struct durei_queue_guard *guard, struct batch *batch)
{
	struct dl_queue *q = guard->queue->shared;
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	while (r == 0 && batch->sent < batch->built &&
	       (batch->sent == 0 || has_room(q, batch->messages[batch->sent]->bytes))) {
		r = add_one(guard, batch, batch->messages[batch->sent]);
		batch->sent++;
	}
	if (r == 0)
		cell64_store_rel(&q->numbers.last_sender, durei_process_of(guard->queue->seg));
	return durei_queue_end(guard, r);
}

static int send(dure_queue *queue, struct batch *batch, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_queue_guard guard;
	struct dl_queue *q = queue->shared;
	uint64_t bytes = batch->messages[0]->bytes;
	bool slept = false;
	int r = durei_queue_lock(queue, deadline, &guard);

	if (r < 0)
		return r;
	guard.patience = durei_patience_of(batch->flags);
	r = wait_for_room(&guard, bytes, timeout_ns, deadline, &slept);
	if (r < 0)
		return r;
	r = add(&guard, batch);
	if (r == 0) {
		durei_queue_tell_receivers(&guard);
		if (batch->sent > 1 && guard.arrivals)
			guard.arrivals |= DL_NEWS_PICKY;	/* there is something for several */
	}
	if (slept)
		durei_queue_pass_on(&q->rooms, has_room(q, bytes), &guard.rooms);
	durei_queue_unlock(&guard);
	return r;
}

/* The batch as it was built; what was not sent is given back. */
static int send_batch(dure_queue *queue, struct durei_lane *lane, struct batch *batch,
		      int64_t timeout_ns)
{
	int r = send(queue, batch, timeout_ns);

	if (__builtin_expect(batch->logged < batch->built, 0))
		cancel(lane, batch);
	return r;
}

int durei_queue_put(dure_queue *queue, struct durei_letter *letter,
		     const struct dure_queue_put *put, int64_t timeout_ns)
{
	struct dure_queue_put p;
	struct batch batch;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);

	if (!lane)
		return r;
	batch.messages[0] = NULL;
	batch.built = batch.sent = batch.logged = 0;
	r = read_put(queue, put, &p);
	if (r == 0)
		r = build(queue, lane, letter, &p, &batch.messages[0]);
	if (r < 0)
		return r;
	batch.built = 1;
	batch.flags = p.flags;
	r = send_batch(queue, lane, &batch, timeout_ns);
	if (r < 0)
		return r;
	letter->ret_offset = durei_offset(queue->seg, batch.messages[0]);
	letter->ret_id = letter->head ? batch.messages[0]->id : 0;	/* a call stays: it is ours */
	return 0;
}

int dure_queue_send(dure_queue *queue, const void *data, size_t bytes,
		    const struct dure_queue_put *put, int64_t timeout_ns)
{
	struct durei_letter letter = { .data = bytes ? data : NULL, .bytes = bytes };

	return durei_queue_put(queue, &letter, put, timeout_ns);
}

static int check_pieces(const dure_queue *queue, const struct dure_queue_piece *pieces, size_t count)
{
	return pieces && count ? 0 : durei_error(EINVAL, "%s: there is nothing to send", queue->title);
}

int dure_queue_send_many(dure_queue *queue, const struct dure_queue_piece *pieces, size_t count,
			 const struct dure_queue_put *put, int64_t timeout_ns)
{
	struct dure_queue_put p;
	struct batch batch;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);

	if (!lane)
		return r;
	batch.messages[0] = NULL;
	batch.built = batch.sent = batch.logged = 0;
	r = check_pieces(queue, pieces, count);
	if (r == 0)
		r = read_put(queue, put, &p);
	while (r == 0 && batch.built < count && batch.built < DURE_QUEUE_BATCH_MAX) {
		const struct dure_queue_piece *piece = &pieces[batch.built];
		struct durei_letter letter = { .data = piece->data, .bytes = piece->bytes };
		r = build(queue, lane, &letter, &p, &batch.messages[batch.built]);
		batch.built += r == 0;
	}
	if (r < 0) {
		cancel(lane, &batch);
		return r;
	}
	batch.flags = p.flags;
	r = send_batch(queue, lane, &batch, timeout_ns);
	return r < 0 ? r : (int)batch.sent;
}
