/* SPDX-License-Identifier: MIT */
/*
 * receive.c - receiving, taking and looking
 *
 * Why      The bytes of a large message are copied where nobody waits for it: while the message is
 *          taken by who receives it.
 * Rules    shelf.c
 *          [RECEIVE1] what can fail comes before the commit; the bytes of a small message are
 *                     copied out last, so that a call that fails has not touched the buffer
 * Death    receive of few bytes: one log. Of many, and take, after step
 *          1 TAKEN                       a message of the dead       shelf.c: it is put back
 *          2 bytes copied                the same                    the same
 *          3 dropped                     nothing                     -
 */
#include "message/queue.h"

#include <string.h>

#include "base/options.h"
#include "message/holder.h"
#include "os/futex.h"
#include "tx/log.h"

enum { COPIED_UNDER_LOCK = 4096 };

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
		__builtin_prefetch(&(*ret)->order, 1);	/* both are needed soon, and are the sender's */
		__builtin_prefetch(*ret + 1);
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
	const struct cell64 *answered = &guard->queue->shared->answered;
	int r = cell64_load_rlx(taken) ? durei_messages_return(guard, false) : 0;

	if (r >= 0 && cell64_load_rlx(answered))
		r = durei_calls_sweep(guard, false);
	if (r >= 0)
		r = look(guard, which, ret);
	if (r == 0 && cell64_load_rlx(answered))
		r = durei_calls_sweep(guard, true);
	if (r != 0 || !cell64_load_rlx(taken))
		return r < 0 || *ret ? r : 0;
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

	guard->patience = durei_patience_of(which->flags);
	while ((r = find(guard, which, ret)) <= 0) {
		if (r == 0 && cell32_load_rlx(&q->state) != DL_QUEUE_OPEN && !may_come_back(queue))
			r = durei_error(ESHUTDOWN, "%s has been shut, and has nothing more",
					queue->title);
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
		r = durei_queue_wait(guard, &q->arrivals, flags, NULL, deadline_ns);
		if (r < 0)
			return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
		*ret_slept = true;
	}
	return 0;
}

/* -- receiving --------------------------------------------------------------------------- */

int durei_message_check(const struct dure_message *ret)
{
	if (!ret || ret->sz >= sizeof *ret)
		return 0;
	return durei_error(EINVAL, "message.sz is %zu: set it to sizeof(struct dure_message)",
			   ret->sz);
}

/* Does the buffer hold it? */
static int describe(const dure_queue *queue, const struct dl_message *m, struct durei_receipt *c)
{
	uint64_t bytes = 0;
	int r = durei_message_data(queue, m, &c->data, &bytes);

	if (r < 0)
		return r;
	c->offset = durei_offset(queue->seg, m);
	c->message = (struct dure_message){
		.sz = sizeof c->message, .id = m->id, .type = m->type, .priority = m->priority,
		.deliveries = cell32_load_rlx(&m->deliveries), .bytes = bytes,
	};
	if (c->buffer && bytes > c->room && !(c->which.flags & DURE_QUEUE_TRUNCATE))
		return durei_error(EMSGSIZE, "%s: the message has %llu bytes, the buffer %zu",
				   queue->title, (unsigned long long)bytes, c->room);
	return 0;
}

static void copy_out(struct durei_receipt *c)
{
	uint64_t bytes = min_u64(c->message.bytes, c->room);

	if (c->buffer && bytes)
		memcpy(c->buffer, c->data, bytes);
	c->is_copied = true;
}

/* It is gone for good, or taken by us. */
static int deliver(struct durei_queue_guard *guard, struct dl_message *m, struct durei_receipt *c)
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
		cell64_store_rel(&n->last_receiver, durei_process_of(guard->queue->seg));
		c->message.deliveries++;
		c->message.ref.offset = durei_offset(guard->queue->seg, c->data);
		if (!c->is_taken)					/* [RECEIVE1] */
			copy_out(c);
	}
	return durei_queue_end(guard, r);
}

static bool has_waiting(const struct dl_queue *q)
{
	return cell64_load_rlx(&q->waiting.order) != 0;
}

int durei_queue_get(dure_queue *queue, struct durei_receipt *c, int64_t timeout_ns)
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
	if (r == 0 && queue->is_service)
		durei_call_taken(&guard, m);
	if (r == 0 && !c->is_taken)
		durei_queue_tell_senders(&guard);
	if (slept || r < 0)
		durei_queue_pass_on(&q->arrivals, has_waiting(q), &guard.arrivals);
	durei_queue_unlock(&guard);
	if (r == 0 && !c->is_copied)
		copy_out(c);
	return r;
}

int durei_queue_await(dure_queue *queue, int64_t timeout_ns)
{
	static const struct dure_queue_select any = { .sz = sizeof any };
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_queue_guard guard;
	struct dl_message *m = NULL;
	bool slept = false;
	int r = durei_queue_lock(queue, deadline, &guard);

	if (r == 0)
		r = wait_for_message(&guard, &any, timeout_ns, deadline, &m, &slept);
	if (r < 0)
		return r;
	if (slept)
		durei_queue_pass_on(&queue->shared->arrivals, true, &guard.arrivals);
	durei_queue_unlock(&guard);
	return 0;
}

int durei_receipt_begin(dure_queue *queue, const struct dure_queue_select *which,
			struct durei_receipt *c)
{
	int r = durei_handle_check_write(queue->seg);

	return r < 0 ? r : durei_select_read(which, &c->which);
}

static int begin_receipt(dure_queue *queue, const struct dure_queue_select *which,
			 const struct dure_message *ret, struct durei_receipt *c)
{
	int r = durei_receipt_begin(queue, which, c);

	return r < 0 ? r : durei_message_check(ret);
}

static int end_receipt(const struct durei_receipt *c, struct dure_message *ret)
{
	if (ret)
		(void)durei_options_write(ret, &c->message, sizeof c->message, sizeof c->message);
	return durei_receipt_is_truncated(c) ? DURE_TRUNCATED : 0;
}

int dure_queue_take(dure_queue *queue, const struct dure_queue_select *which, void *buffer,
		    size_t buffer_bytes, struct dure_message *ret, int64_t timeout_ns)
{
	struct durei_receipt c = { .buffer = buffer, .room = buffer_bytes, .is_taken = true };
	int r = begin_receipt(queue, which, ret, &c);

	if (r == 0 && (!ret || c.which.skip))
		r = durei_error(EINVAL, "dure_queue_take: ret is NULL, or select.skip is not 0");
	if (r == 0)
		r = durei_queue_get(queue, &c, timeout_ns);
	return r < 0 ? r : end_receipt(&c, ret);
}

int dure_queue_receive(dure_queue *queue, const struct dure_queue_select *which, void *buffer,
		       size_t buffer_bytes, struct dure_message *ret, int64_t timeout_ns)
{
	struct durei_receipt c = { .buffer = buffer, .room = buffer_bytes };
	int r = begin_receipt(queue, which, ret, &c);

	if (r == 0 && ((!buffer && buffer_bytes) || c.which.skip))
		r = durei_error(EINVAL, "dure_queue_receive: buffer is NULL, or select.skip is not 0");
	if (!buffer)
		c.buffer = &c;			/* of 0 bytes */
	if (r == 0)
		r = durei_queue_get(queue, &c, timeout_ns);
	if (r == 0 && c.is_taken)		/* many bytes: copied without the lock */
		r = dure_queue_acknowledge(queue, &c.message);
	c.message.ref.offset = 0;
	return r < 0 ? r : end_receipt(&c, ret);
}

/* -- several at once --------------------------------------------------------------------- */

struct haul {
	struct durei_receipt *receipts;
	const struct dure_queue_piece *pieces;
	size_t most;
	int count;
};

/* May this one come along? The first one is there in any case. */
static bool comes_along(const struct dl_message *m, const struct durei_receipt *c)
{
	return !m->expires_ns && m->bytes <= COPIED_UNDER_LOCK && m->bytes <= c->room;
}

/* In an open log: m, and those behind it. */
static int haul_in(struct durei_queue_guard *guard, struct dl_message *m, struct haul *h)
{
	dure_queue *queue = guard->queue;
	int r = 0;

	while (r == 0 && m && (size_t)h->count < h->most) {
		struct durei_receipt *c = &h->receipts[h->count];
		c->which = h->receipts[0].which;
		c->buffer = h->pieces[h->count].data ? h->pieces[h->count].data : c;	/* of 0 bytes */
		c->room = h->pieces[h->count].bytes;
		if (h->count && !comes_along(m, c))
			break;
		r = describe(queue, m, c);
		if (r == 0)
			r = durei_message_drop(guard, m);
		c->message.deliveries++;
		h->count += r == 0;
		m = r == 0 ? durei_select(queue, &c->which, &r) : NULL;
	}
	return r;
}

/* One change; the bytes are copied last. [RECEIVE1] */
static int deliver_many(struct durei_queue_guard *guard, struct dl_message *m, struct haul *h)
{
	struct dl_queue_numbers *n = &guard->queue->shared->numbers;
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	r = haul_in(guard, m, h);
	if (r == 0) {
		durei_number_add(&n->received, (uint64_t)h->count);
		cell64_store_rel(&n->last_receiver, durei_process_of(guard->queue->seg));
	}
	for (int i = 0; r == 0 && i < h->count; i++)
		copy_out(&h->receipts[i]);
	return durei_queue_end(guard, r);
}

static int receive_many(dure_queue *queue, struct haul *h, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_queue_guard guard;
	struct dl_queue *q = queue->shared;
	struct dl_message *m = NULL;
	bool slept = false;
	int r = durei_queue_lock(queue, deadline, &guard);

	if (r < 0)
		return r;
	r = wait_for_message(&guard, &h->receipts[0].which, timeout_ns, deadline, &m, &slept);
	if (r < 0)
		return r;
	r = deliver_many(&guard, m, h);
	if (r == 0) {
		durei_queue_tell_senders(&guard);
		if (h->count > 1 && guard.rooms)
			guard.rooms |= DL_NEWS_PICKY;	/* there is room for several */
	}
	if (slept || r < 0)
		durei_queue_pass_on(&q->arrivals, has_waiting(q), &guard.arrivals);
	durei_queue_unlock(&guard);
	return r;
}

int dure_queue_receive_many(dure_queue *queue, const struct dure_queue_select *which,
			    const struct dure_queue_piece *pieces, struct dure_message *ret,
			    size_t count, int64_t timeout_ns)
{
	struct durei_receipt receipts[DURE_QUEUE_BATCH_MAX];
	struct haul h = { .receipts = receipts, .pieces = pieces,
			  .most = count < DURE_QUEUE_BATCH_MAX ? count : DURE_QUEUE_BATCH_MAX };
	int r = begin_receipt(queue, which, ret, &receipts[0]);

	for (size_t i = 0; pieces && r == 0 && i < h.most; i++)
		if (!pieces[i].data && pieces[i].bytes)
			r = durei_error(EINVAL, "%s: pieces[%zu].data is NULL", queue->title, i);
	if (r == 0 && (!pieces || !count || receipts[0].which.skip ||
		       receipts[0].which.flags & DURE_QUEUE_TRUNCATE))
		r = durei_error(EINVAL, "%s: there is nothing to receive into, select.skip is not 0, or "
				"it is to be truncated", queue->title);
	if (r == 0)
		r = receive_many(queue, &h, timeout_ns);
	for (int i = 0; r == 0 && ret && i < h.count; i++) {
		receipts[i].message.ref.offset = 0;
		ret[i].sz = ret[0].sz;
		(void)durei_options_write(&ret[i], &receipts[i].message, sizeof receipts[i].message,
					  sizeof receipts[i].message);
	}
	return r < 0 ? r : h.count;
}

/* -- looking ----------------------------------------------------------------------------- */

int dure_queue_peek(dure_queue *queue, const struct dure_queue_select *which, void *buffer,
		    size_t buffer_bytes, struct dure_message *ret)
{
	struct durei_receipt c = { .buffer = buffer, .room = buffer_bytes };
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
