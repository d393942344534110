/* SPDX-License-Identifier: MIT */
/*
 * transfer.c - sending, receiving, and settling what was taken
 *
 * Why      The bytes are copied where nobody waits for it: by the sender before it locks, and by
 *          the receiver, if they are many, while the message is taken by it. Under the lock there
 *          are only a few words of links, whatever the message's size.
 * Rules    shelf.c
 *          [TRANSFER1] what can fail comes before the commit; the bytes of a small message are
 *                      copied out last, so that a call that fails has not touched the buffer
 *          [TRANSFER2] who settles a message proves that the block is a message still, that it
 *                      is the one that was taken, and that its process has it
 * Death    send, after step              is left behind              who mends it
 *          1 block reserved, filled      a block of the dead         it is free
 *          2 log, in place               tx/log.c                    undone
 *          3 commit                      the message, nobody told    who sleeps looks again
 *          receive of few bytes: one log. Of many, and take, after step
 *          1 TAKEN                       a message of the dead       shelf.c: it is put back
 *          2 bytes copied                the same                    the same
 *          3 dropped                     nothing                     -
 */
#include "message/queue.h"

#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "message/holder.h"
#include "os/futex.h"
#include "segment/wait.h"
#include "tx/log.h"

enum { COPIED_UNDER_LOCK = 4096, LOOKED_AT_FOR_ROOM = 64 };

static uint64_t process_of(const dure_segment *seg)
{
	return seg->has_slot ? seg->slots[seg->slot].process : 0;
}

/* -- sending ----------------------------------------------------------------------------- */

static int read_put(dure_queue *queue, const struct dure_queue_put *put, size_t bytes,
		    struct dure_queue_put *ret)
{
	const struct dl_queue *q = queue->shared;
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, put);

	if (r < 0)
		return r;
	if (!ret->type)
		ret->type = 1;
	if (ret->type < 1 || ret->priority > DL_PRIORITY_MAX || ret->lives_ns < 0)
		return durei_error(EINVAL, "queue %s: a message has a type of 1 or above, a priority "
				   "of 0 to %d and a life of 0 ns or more, not %lld, %u and %lld",
				   queue->name, DL_PRIORITY_MAX, (long long)ret->type,
				   ret->priority, (long long)ret->lives_ns);
	if ((q->message_bytes_max && bytes > q->message_bytes_max) ||
	    (q->bytes_max && bytes > q->bytes_max) || bytes > queue->seg->mapped_bytes)
		return durei_error(EMSGSIZE, "queue %s: a message of %zu bytes never fits: its limits "
				   "are %llu bytes for one, %llu for all", queue->name, bytes,
				   (unsigned long long)q->message_bytes_max,
				   (unsigned long long)q->bytes_max);
	return 0;
}

/* Step 1. */
static int build(dure_queue *queue, struct durei_lane *lane, const void *data, size_t bytes,
		 const struct dure_queue_put *put, struct dl_message **ret)
{
	uint64_t offset;
	int r = durei_block_reserve(lane, sizeof **ret + bytes, 0, &offset);

	if (r < 0)
		return r;
	*ret = durei_at(queue->seg, offset);
	**ret = (struct dl_message){ .queue = queue->offset, .type = put->type,
				     .priority = put->priority, .bytes = bytes,
				     .state = { DL_MESSAGE_WAITING } };
	if (put->lives_ns)
		(*ret)->expires_ns = durei_clock_wall() + (uint64_t)put->lives_ns;
	if (bytes)
		memcpy(*ret + 1, data, bytes);
	return 0;
}

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

	if (!cell64_load_rlx(&q->numbers.expiring))
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
			r = durei_error(ESHUTDOWN, "queue %s has been shut", queue->name);
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
		r = durei_queue_wait(guard, &q->rooms, 0, deadline_ns);
		if (r < 0)
			return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
		*ret_slept = true;
	}
}

/* Steps 2 and 3, under the lock. */
static int add(struct durei_queue_guard *guard, struct dl_message *m, bool *ret_is_in_log)
{
	struct dl_queue *q = guard->queue->shared;
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	r = durei_log_take(guard->lane, durei_offset(guard->queue->seg, m));
	*ret_is_in_log = r == 0;	/* it is given back with the log */
	if (r == 0)
		r = durei_message_add(guard, m);
	if (r == 0)
		cell64_store_rel(&q->numbers.last_sender, process_of(guard->queue->seg));
	return durei_queue_end(guard, r);
}

static int send(dure_queue *queue, struct dl_message *m, int64_t timeout_ns, bool *ret_is_in_log)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_queue_guard guard;
	struct dl_queue *q = queue->shared;
	uint64_t bytes = m->bytes;
	bool slept = false;
	int r = durei_queue_lock(queue, deadline, &guard);

	if (r < 0)
		return r;
	r = wait_for_room(&guard, bytes, timeout_ns, deadline, &slept);
	if (r < 0)
		return r;
	r = add(&guard, m, ret_is_in_log);
	if (r == 0)
		durei_queue_tell_receivers(&guard);
	if (slept)
		durei_queue_pass_on(&q->rooms, has_room(q, bytes), &guard.rooms);
	durei_queue_unlock(&guard);
	return r;
}

int dure_queue_send(dure_queue *queue, const void *data, size_t bytes,
		    const struct dure_queue_put *put, int64_t timeout_ns)
{
	struct dure_queue_put p;
	struct dl_message *m = NULL;
	bool is_in_log = false;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);

	if (!lane)
		return r;
	r = read_put(queue, put, bytes, &p);
	if (r == 0)
		r = build(queue, lane, data, bytes, &p, &m);
	if (r < 0)
		return r;
	r = send(queue, m, timeout_ns, &is_in_log);
	if (r < 0 && !is_in_log)
		(void)durei_block_free(lane, durei_offset(queue->seg, m));
	return r;
}

/* -- finding a message ------------------------------------------------------------------- */

/* 1: *ret; 0: there is none */
static int look(struct durei_queue_guard *guard, const struct dure_queue_select *which,
		struct dl_message **ret)
{
	for (;;) {
		int r;
		*ret = durei_select(guard->queue, which, &r);
		if (!*ret)
			return r;
		if (which->flags & DURE_QUEUE_DEAD_LETTERS)
			return 1;
		r = durei_message_expire(guard, *ret);
		if (r <= 0)
			return r < 0 ? r : 1;
	}
}

/* The same, after what the dead have taken has come back. */
static int find(struct durei_queue_guard *guard, const struct dure_queue_select *which,
		struct dl_message **ret)
{
	const struct cell64 *taken = &guard->queue->shared->taken;
	int r = cell64_load_rlx(taken) ? durei_messages_return(guard, false) : 0;

	if (r >= 0)
		r = look(guard, which, ret);
	if (r != 0 || !cell64_load_rlx(taken))
		return r;
	r = durei_messages_return(guard, true);
	return r > 0 ? look(guard, which, ret) : r;
}

/* Taken by others, who may still give it back. */
static bool may_come_back(const dure_queue *queue)
{
	struct durei_lines taken = durei_queue_taken(queue);
	uint64_t most = durei_number_of_messages(queue, &queue->shared->numbers.taken_count);
	int r = 0;
	const struct dl_message *m = durei_lines_from(&taken, (struct durei_line_key){ 0, 0 }, &r);

	while (m && most-- && durei_message_is_ours(queue->seg, m))
		m = durei_lines_next(&taken, m, &r);
	return m != NULL;
}

/* Under the lock: waits for a message. A failure unlocks. */
static int wait_for_message(struct durei_queue_guard *guard,
			    const struct dure_queue_select *which, int64_t timeout_ns,
			    int64_t deadline_ns, struct dl_message **ret, bool *ret_slept)
{
	dure_queue *queue = guard->queue;
	struct dl_queue *q = queue->shared;
	uint32_t flags = which->select == DURE_SELECT_ANY &&
					 !(which->flags & DURE_QUEUE_DEAD_LETTERS)
				 ? 0 : DL_NEWS_PICKY;
	bool is_quiet = !queue->notice.has_fd;
	int r;

	while ((r = find(guard, which, ret)) <= 0) {
		if (r == 0 && cell32_load_rlx(&q->state) != DL_QUEUE_OPEN && !may_come_back(queue))
			r = durei_error(ESHUTDOWN, "queue %s has been shut, and has nothing more",
					queue->name);
		if (r == 0 && timeout_ns == 0 && !is_quiet) {		/* [WAITQ2] */
			durei_notice_quiet(&queue->notice);
			is_quiet = true;
			continue;
		}
		if (r == 0 && timeout_ns == 0) {
			durei_queue_arm(guard, &q->arrivals);
			r = durei_error_plain(EAGAIN);
		}
		if (r < 0) {
			durei_queue_unlock(guard);
			return r;
		}
		r = durei_queue_wait(guard, &q->arrivals, flags, deadline_ns);
		if (r < 0)
			return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
		*ret_slept = true;
	}
	return 0;
}

/* -- receiving --------------------------------------------------------------------------- */

/* A receiving call: what was asked for, and what came of it. */
struct receipt {
	struct dure_queue_select which;
	void *buffer;
	size_t room;
	bool is_taken;			/* stays, to be acknowledged */
	bool is_copied;
	struct dure_message message;
	const void *data;
};

static int check_message(const struct dure_message *ret)
{
	if (!ret || ret->sz >= sizeof *ret)
		return 0;
	return durei_error(EINVAL, "message.sz is %zu: set it to sizeof(struct dure_message)",
			   ret->sz);
}

/* [LINE2] for the bytes, and does the buffer hold them? */
static int describe(const dure_queue *queue, const struct dl_message *m, struct receipt *c)
{
	uint64_t offset = durei_offset(queue->seg, m) + sizeof *m;

	c->data = m + 1;
	c->message = (struct dure_message){
		.sz = sizeof c->message, .id = m->id, .type = m->type, .priority = m->priority,
		.deliveries = cell32_load_rlx(&m->deliveries), .bytes = m->bytes,
	};
	if (!durei_bytes_are_backed(queue->seg, offset, c->message.bytes))
		return durei_error(EUCLEAN, "queue %s: a message does not lie in the segment: run dure "
				   "check", queue->name);
	if (c->buffer && c->message.bytes > c->room && !(c->which.flags & DURE_QUEUE_TRUNCATE))
		return durei_error(EMSGSIZE, "queue %s: the message has %llu bytes, the buffer %zu",
				   queue->name, (unsigned long long)c->message.bytes, c->room);
	return 0;
}

static void copy_out(struct receipt *c)
{
	uint64_t bytes = min_u64(c->message.bytes, c->room);

	if (c->buffer && bytes)
		memcpy(c->buffer, c->data, bytes);
	c->is_copied = true;
}

static bool is_truncated(const struct receipt *c)
{
	return c->buffer && c->message.bytes > c->room;
}

/* It is gone for good, or taken by us. */
static int deliver(struct durei_queue_guard *guard, struct dl_message *m, struct receipt *c)
{
	struct dl_queue_numbers *n = &guard->queue->shared->numbers;
	int r = describe(guard->queue, m, c);

	c->is_taken |= c->message.bytes > COPIED_UNDER_LOCK && !guard->in_tx;
	if (r == 0)
		r = durei_queue_begin(guard);
	if (r < 0)
		return r;
	r = c->is_taken ? durei_message_move(guard, m, DL_MESSAGE_TAKEN,
					     durei_holder_me(guard->lane))
			: durei_message_drop(guard, m);
	if (r == 0) {
		durei_number_add(&n->received, !c->is_taken);
		cell64_store_rel(&n->last_receiver, process_of(guard->queue->seg));
		c->message.deliveries++;
		c->message.ref.offset = durei_offset(guard->queue->seg, c->data);
		if (!c->is_taken)					/* [TRANSFER1] */
			copy_out(c);
	}
	return durei_queue_end(guard, r);
}

static bool has_waiting(const struct dl_queue *q)
{
	return cell64_load_rlx(&q->waiting.order) != 0;
}

static int receive(dure_queue *queue, struct receipt *c, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_queue_guard guard;
	struct dl_queue *q = queue->shared;
	struct dl_message *m = NULL;
	bool slept = false;
	int r = durei_queue_lock(queue, deadline, &guard);

	if (r < 0)
		return r;
	r = wait_for_message(&guard, &c->which, timeout_ns, deadline, &m, &slept);
	if (r < 0)
		return r;
	r = deliver(&guard, m, c);
	if (r == 0 && !c->is_taken)
		durei_queue_tell_senders(&guard);
	if (slept || r < 0)
		durei_queue_pass_on(&q->arrivals, has_waiting(q), &guard.arrivals);
	durei_queue_unlock(&guard);
	if (r == 0 && !c->is_copied)
		copy_out(c);
	return r;
}

static int begin_receipt(dure_queue *queue, const struct dure_queue_select *which,
			 const struct dure_message *ret, struct receipt *c)
{
	int r = durei_handle_check_write(queue->seg);

	if (r == 0)
		r = check_message(ret);
	if (r == 0)
		r = durei_select_read(which, &c->which);
	return r;
}

static int end_receipt(const struct receipt *c, struct dure_message *ret)
{
	if (ret)
		(void)durei_options_write(ret, &c->message, sizeof c->message, sizeof c->message);
	return is_truncated(c) ? DURE_TRUNCATED : 0;
}

int dure_queue_take(dure_queue *queue, const struct dure_queue_select *which, void *buffer,
		    size_t buffer_bytes, struct dure_message *ret, int64_t timeout_ns)
{
	struct receipt c = { .buffer = buffer, .room = buffer_bytes, .is_taken = true };
	int r = begin_receipt(queue, which, ret, &c);

	if (r == 0 && (!ret || c.which.skip))
		r = durei_error(EINVAL, "dure_queue_take: ret is NULL, or select.skip is not 0");
	if (r == 0)
		r = receive(queue, &c, timeout_ns);
	return r < 0 ? r : end_receipt(&c, ret);
}

int dure_queue_receive(dure_queue *queue, const struct dure_queue_select *which, void *buffer,
		       size_t buffer_bytes, struct dure_message *ret, int64_t timeout_ns)
{
	struct receipt c = { .buffer = buffer, .room = buffer_bytes };
	int r = begin_receipt(queue, which, ret, &c);

	if (r == 0 && ((!buffer && buffer_bytes) || c.which.skip))
		r = durei_error(EINVAL, "dure_queue_receive: buffer is NULL, or select.skip is not 0");
	if (!buffer)
		c.buffer = &c;			/* of 0 bytes */
	if (r == 0)
		r = receive(queue, &c, timeout_ns);
	if (r == 0 && c.is_taken)		/* many bytes: copied without the lock */
		r = dure_queue_acknowledge(queue, &c.message);
	c.message.ref.offset = 0;
	return r < 0 ? r : end_receipt(&c, ret);
}

int dure_queue_peek(dure_queue *queue, const struct dure_queue_select *which, void *buffer,
		    size_t buffer_bytes, struct dure_message *ret)
{
	struct receipt c = { .buffer = buffer, .room = buffer_bytes };
	struct durei_queue_guard guard;
	struct dl_message *m = NULL;
	int r = begin_receipt(queue, which, ret, &c);

	if (r == 0)
		r = durei_queue_lock(queue, 0, &guard);
	if (r < 0)
		return r;
	r = find(&guard, &c.which, &m);
	if (r == 0)
		r = durei_error_plain(EAGAIN);
	if (r > 0)
		r = describe(queue, m, &c);
	if (r == 0)
		copy_out(&c);
	durei_queue_unlock(&guard);
	return r < 0 ? r : end_receipt(&c, ret);
}

/* -- settling ---------------------------------------------------------------------------- */

/* [TRANSFER2] NULL: it is not ours; the sentence is said, *ret_error set. */
static struct dl_message *find_taken(dure_queue *queue, const struct dure_message *message,
				     int *ret_error)
{
	uint64_t offset = message->ref.offset - sizeof(struct dl_message);
	struct durei_block block;
	struct dl_message *m = message->ref.offset > sizeof *m && offset < queue->seg->mapped_bytes
				       ? durei_message_at(queue->seg, queue->offset, offset) : NULL;

	if (m && m->id == message->id && durei_block_at(queue->seg, offset, &block) &&
	    block.is_live && durei_message_is_ours(queue->seg, m))
		return m;
	*ret_error = durei_error(EPERM, "queue %s: message %llu is not taken by this process, or not "
				 "any more", queue->name, (unsigned long long)message->id);
	return NULL;
}

enum verdict { DONE, BACK, NEVER };

static int settle_locked(struct durei_queue_guard *guard, struct dl_message *m,
			 enum verdict verdict)
{
	struct dl_queue *q = guard->queue->shared;
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	if (verdict == DONE)
		r = durei_message_drop(guard, m);
	else
		r = durei_message_move(guard, m, verdict == BACK ? DL_MESSAGE_WAITING
								 : DL_MESSAGE_DEAD, 0);
	if (r == 0)
		durei_number_add(verdict == DONE ? &q->numbers.received : &q->numbers.returned,
				 verdict != NEVER);
	return durei_queue_end(guard, r);
}

static int settle(dure_queue *queue, const struct dure_message *message, enum verdict verdict)
{
	struct durei_queue_guard guard;
	struct dl_message *m;
	int r = check_message(message);

	if (r == 0 && !message)
		r = durei_error(EINVAL, "queue %s: no message", queue->name);
	if (r == 0)
		r = durei_queue_lock(queue, DUREI_NEVER, &guard);
	if (r < 0)
		return r;
	m = find_taken(queue, message, &r);
	if (m)
		r = settle_locked(&guard, m, verdict);
	if (r == 0 && verdict != BACK)
		durei_queue_tell_senders(&guard);
	/* dead letters are received, too; and the end of a shut queue may have come */
	if (r == 0 && (verdict != DONE || cell32_load_rlx(&queue->shared->state) != DL_QUEUE_OPEN))
		durei_queue_tell_receivers(&guard);
	durei_queue_unlock(&guard);
	return r;
}

int dure_queue_acknowledge(dure_queue *queue, const struct dure_message *message)
{
	return settle(queue, message, DONE);
}

int dure_queue_requeue(dure_queue *queue, const struct dure_message *message)
{
	return settle(queue, message, BACK);
}

int dure_queue_reject(dure_queue *queue, const struct dure_message *message)
{
	return settle(queue, message, NEVER);
}
