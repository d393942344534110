/* SPDX-License-Identifier: MIT */
/*
 * service.c - requests and replies
 *
 * Why      Who asks needs an answer, or to know that there will be none. A request is a message of
 *          a queue, taken by a server as any message is; it stays there, with the reply, until
 *          its client has it. So a server's death is a receiver's death, and there is one more
 *          place (`answered`), not one more protocol.
 * Rules    layout/service.h; call.c; shelf.c
 *          [SERVICE1] who waits for a reply looks under the lock; the word it sleeps on is a hint
 *          [SERVICE2] while a server has the request, its client watches that server's thread;
 *                     the death of one that takes it later the client notices within a slice
 *          [SERVICE3] who has asked is asked for by process: any of its threads may wait
 * Death    ask, after step               is left behind               who mends it
 *          1 blocks reserved, filled     blocks of the dead           they are free
 *          2 commit                      a call of the dead           who looks for a request drops it
 *          reply, after step
 *          1 block reserved, filled      a block of the dead          it is free
 *          2 commit                      the reply, nobody told       the client looks after a slice
 *          await, after step
 *          1 bytes copied                a call of the dead           call.c: it is dropped
 *          2 dropped                     nothing                      -
 */
#include <dure/service.h>

#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "message/holder.h"
#include "message/queue.h"
#include "os/futex.h"
#include "tx/log.h"

enum { COPIED_UNDER_LOCK = 4096, WAIT_FLAGS = DURE_QUEUE_SPIN | DURE_QUEUE_SLEEP };

/* A service is a queue of calls; the handle is that of the queue. */
static dure_queue *queue_of(dure_service *service)
{
	return (dure_queue *)service;
}

static const struct durei_queue_kind kind = { .what = "service", .type = "dure_service",
					      .flags = DL_QUEUE_IS_SERVICE };

/* -- opening ----------------------------------------------------------------------------- */

int dure_service_open(dure_segment *segment, const char *name, uint32_t flags,
		      const struct dure_service_options *options, dure_service **ret)
{
	struct dure_service_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);
	struct dure_queue_options limits = { .sz = sizeof limits };
	uint64_t head = sizeof(struct dl_call);

	if (r < 0)
		return r;
	limits.messages_max = o.requests_max;
	limits.bytes_max = o.bytes_max;
	if (o.request_bytes_max && !add_fits(o.request_bytes_max, head, &limits.message_bytes_max))
		limits.message_bytes_max = 0;
	return durei_queue_join(segment, &kind, name, flags, &limits, (dure_queue **)(void *)ret);
}

void dure_service_close(dure_service *service)
{
	dure_queue_close(queue_of(service));
}

int dure_service_shut(dure_service *service)
{
	return dure_queue_shut(queue_of(service));
}

int dure_service_destroy(dure_segment *segment, const char *name)
{
	return durei_queue_remove(segment, &kind, name);
}

int dure_service_fd(dure_service *service)
{
	return dure_queue_fd(queue_of(service));
}

/* -- asking ------------------------------------------------------------------------------ */

static int check_call(const dure_queue *queue, const struct dure_call *call)
{
	if (call && call->sz >= sizeof *call)
		return 0;
	return durei_error(EINVAL, "%s: call is NULL, or call.sz is not sizeof(struct dure_call)",
			   queue->title);
}

/* A call's head, and where its bytes come from. */
static void address(struct durei_lane *lane, const void *data, size_t bytes,
		    const struct dure_ask *how, struct dl_call *ret_head,
		    struct durei_letter *ret)
{
	bool is_block = how->flags & DURE_CALL_BLOCK;

	*ret_head = (struct dl_call){
		.client = { durei_holder_me(lane) },
		.attempts_max = how->attempts_max,
		.request = is_block ? durei_offset(lane->seg, data) : 0,
		.request_bytes = bytes,
	};
	*ret = (struct durei_letter){ .head = ret_head, .bytes = bytes,
				      .data = is_block || !bytes ? NULL : data };
}

/* Is it a reserved block of this process, that has so many bytes? */
static int check_block(const dure_queue *queue, struct durei_lane *lane, const void *data,
		       size_t bytes)
{
	struct durei_block block;

	if (durei_block_at(queue->seg, durei_offset(queue->seg, data), &block) && block.is_reserved &&
	    bytes <= block.bytes && durei_block_is_ours(lane, &block))
		return 0;
	return durei_error(EINVAL, "%s: with DURE_CALL_BLOCK data is a block of at least %zu bytes that "
			   "this process has reserved", queue->title, bytes);
}

static int read_ask(const dure_queue *queue, const struct dure_ask *how, struct dure_ask *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, how);

	if (r == 0 && ret->flags & ~(uint32_t)(DURE_CALL_BLOCK | WAIT_FLAGS))
		r = durei_error(EINVAL, "%s: flags %#x have unknown bits", queue->title, ret->flags);
	return r;
}

int dure_service_ask(dure_service *service, const void *data, size_t bytes,
		     const struct dure_ask *how, int64_t timeout_ns, struct dure_call *ret)
{
	dure_queue *queue = queue_of(service);
	struct durei_letter letter;
	struct dl_call head;
	struct dure_ask ask;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);
	struct dure_queue_put put = { .sz = sizeof put };

	if (r == 0)
		r = check_call(queue, ret);
	if (r == 0)
		r = read_ask(queue, how, &ask);
	if (r == 0 && ask.flags & DURE_CALL_BLOCK)
		r = check_block(queue, lane, data, bytes);
	if (r < 0)
		return r;
	put.type = ask.type;
	put.priority = ask.priority;
	put.lives_ns = ask.lives_ns;
	put.flags = ask.flags & WAIT_FLAGS;
	address(lane, data, bytes, &ask, &head, &letter);
	r = durei_queue_put(queue, &letter, &put, timeout_ns);
	if (r < 0)
		return r;
	ret->id = letter.ret_id;
	ret->place.offset = letter.ret_offset;
	ret->bytes = ret->ref.offset = 0;
	ret->flags = put.flags;
	return 0;
}

/* -- waiting for the reply --------------------------------------------------------------- */

/* [SERVICE3] Under the lock. NULL: this process has no such call; *ret_error is set. */
static struct dl_message *find_call(const struct durei_queue_guard *guard,
				    const struct dure_call *call, int *ret_error)
{
	dure_queue *queue = guard->queue;
	struct dl_message *m = durei_message_find(queue, call->place.offset, call->id);
	uint64_t client = m ? cell64_load_rlx(&durei_call_of(m)->client) : 0;
	uint64_t status = client ? durei_holder_status(queue->seg, client) : 0;

	if (status && durei_status_slot(status) == queue->seg->slot)
		return m;
	if (guard->was_held)
		*ret_error = durei_error(EDEADLK, "%s: the transaction holds it: what it asks is asked "
					 "with its commit", queue->title);
	else
		*ret_error = durei_error(EPERM, "%s: this process has no call %llu, or not any more",
					 queue->title, (unsigned long long)call->id);
	return NULL;
}

/* 1: it is answered; 0: not yet. Who has it may be gone, or it may be too late for it. */
static int is_answered(struct durei_queue_guard *guard, struct dl_message *m)
{
	uint32_t state = cell32_load_rlx(&m->state);
	int r = 0;

	if (state == DL_MESSAGE_TAKEN &&
	    durei_holder_is_gone(guard->queue->seg, cell64_load_rlx(&m->holder)))
		r = durei_message_give_back(guard, m, false);
	else if (state == DL_MESSAGE_WAITING)
		r = durei_message_expire(guard, m);
	return r < 0 ? r : cell32_load_rlx(&m->state) == DL_MESSAGE_ANSWERED;
}

/* Under the lock: waits until the call is answered. A failure unlocks. [SERVICE1] */
static int wait_for_answer(struct durei_queue_guard *guard, const struct dure_call *call,
			   int64_t timeout_ns, int64_t deadline_ns, struct dl_message **ret)
{
	dure_queue *queue = guard->queue;
	bool is_quiet = false;
	int r;

	guard->patience = durei_patience_of(call->flags);
	for (;;) {
		r = 0;
		*ret = find_call(guard, call, &r);
		if (*ret)
			r = is_answered(guard, *ret);
		if (r > 0)
			return 0;
		if (r == 0 && timeout_ns == 0 && !is_quiet && queue->notice.has_fd) {
			durei_notice_quiet(&queue->notice);		/* [WAITQ2] */
			is_quiet = true;
			continue;
		}
		if (r == 0 && timeout_ns == 0) {
			durei_queue_arm(guard, &durei_call_of(*ret)->news);
			r = durei_error_plain(EAGAIN);
		}
		if (r < 0) {
			durei_queue_unlock(guard);
			return r;
		}
		r = durei_queue_wait(guard, &durei_call_of(*ret)->news, 0, *ret,	/* [SERVICE2] */
				     deadline_ns);
		if (r < 0)
			return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
	}
}

/* Why there is no reply: 0, or an error whose sentence is said. */
static int failure_of(const dure_queue *queue, const struct dl_message *m)
{
	switch (cell32_load_rlx(&durei_call_of(m)->status)) {
	case 0:
		return 0;
	case ECONNREFUSED:
		return durei_error(ECONNREFUSED, "%s: a server has refused the request", queue->title);
	case ENOTCONN:
		return durei_error(ENOTCONN, "%s: no server has taken the request in time",
				   queue->title);
	default:
		return durei_error(EOWNERDEAD, "%s: %u servers have died with the request", queue->title,
				   cell32_load_rlx(&m->deliveries));
	}
}

/* Where the reply lies. */
static int find_reply(const dure_queue *queue, const struct dl_message *m, const void **ret,
		      uint64_t *ret_bytes)
{
	const struct dl_call *call = durei_call_of(m);
	uint64_t offset = cell64_load_rlx(&call->reply), bytes = cell64_load_rlx(&call->reply_bytes);

	if (bytes && !durei_bytes_are_backed(queue->seg, offset, bytes))
		return durei_error(EUCLEAN, "%s: a reply does not lie in the segment: run dure check",
				   queue->title);
	*ret = durei_at(queue->seg, offset);
	*ret_bytes = bytes;
	return 0;
}

/* In a change of its own: the message goes. */
static int drop(struct durei_queue_guard *guard, struct dl_message *m)
{
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	return durei_queue_end(guard, durei_message_drop(guard, m));
}

/* What ends a call: where its bytes go. */
struct ending {
	void *buffer;
	size_t room;
	const void *data;
	uint64_t bytes;			/* of the reply */
	bool is_copied;
};

/* An answer is there: is it a reply that fits? */
static int describe(const dure_queue *queue, const struct dl_message *m, struct ending *e)
{
	int r = find_reply(queue, m, &e->data, &e->bytes);

	if (r == 0 && e->bytes > e->room)
		r = durei_error(EMSGSIZE, "%s: the reply has %llu bytes, the buffer %zu", queue->title,
				(unsigned long long)e->bytes, e->room);
	return r;
}

/* The call goes, its bytes are copied last: a call that fails has not touched the buffer. */
static int finish(struct durei_queue_guard *guard, struct dl_message *m, struct ending *e)
{
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	r = durei_message_drop(guard, m);
	if (r == 0 && !e->is_copied && e->bytes)
		memcpy(e->buffer, e->data, e->bytes);
	return durei_queue_end(guard, r);
}

/* Many bytes are copied while the service is not locked: the call is ours till it goes. */
static int finish_slowly(struct durei_queue_guard *guard, const struct dure_call *call,
			 struct ending *e)
{
	dure_queue *queue = guard->queue;
	struct dl_message *m;
	int r;

	durei_queue_unlock(guard);
	memcpy(e->buffer, e->data, e->bytes);
	e->is_copied = true;
	r = durei_queue_lock(queue, DUREI_NEVER, guard);
	if (r < 0)
		return r;
	m = find_call(guard, call, &r);
	if (m)
		r = finish(guard, m, e);
	durei_queue_unlock(guard);
	return r;
}

/* Locks and waits. The lock is had if it is 0. */
static int lock_answered(dure_queue *queue, const struct dure_call *call, int64_t timeout_ns,
			 struct durei_queue_guard *ret_guard, struct dl_message **ret)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r = check_call(queue, call);

	if (r == 0 && call->flags & ~(uint32_t)WAIT_FLAGS)
		r = durei_error(EINVAL, "%s: call.flags %#x have unknown bits", queue->title, call->flags);
	if (r == 0)
		r = durei_queue_lock(queue, deadline, ret_guard);
	return r < 0 ? r : wait_for_answer(ret_guard, call, timeout_ns, deadline, ret);
}

int dure_service_await(dure_service *service, struct dure_call *call, void *buffer,
		       size_t buffer_bytes, int64_t timeout_ns)
{
	struct ending e = { .buffer = buffer, .room = buffer ? buffer_bytes : 0 };
	struct durei_queue_guard guard;
	struct dl_message *m = NULL;
	int r = lock_answered(queue_of(service), call, timeout_ns, &guard, &m), failure;

	if (r < 0)
		return r;
	failure = failure_of(guard.queue, m);
	if (failure == 0)
		r = describe(guard.queue, m, &e);
	if (r == 0 && e.bytes > COPIED_UNDER_LOCK && !guard.in_tx) {
		r = finish_slowly(&guard, call, &e);
	} else {
		r = r < 0 ? r : finish(&guard, m, &e);
		durei_queue_unlock(&guard);
	}
	if (r == 0 && failure == 0)
		call->bytes = e.bytes;
	return r < 0 ? r : failure;
}

int dure_service_look(dure_service *service, struct dure_call *call, int64_t timeout_ns)
{
	dure_queue *queue = queue_of(service);
	struct durei_queue_guard guard;
	struct dl_message *m = NULL;
	uint64_t bytes = 0;
	const void *data;
	int r = lock_answered(queue, call, timeout_ns, &guard, &m), ended;

	if (r < 0)
		return r;
	r = failure_of(queue, m);
	if (r < 0) {
		ended = drop(&guard, m);
		r = ended < 0 ? ended : r;
	} else {
		r = find_reply(queue, m, &data, &bytes);
	}
	if (r == 0) {
		call->bytes = bytes;
		call->ref.offset = bytes ? durei_offset(queue->seg, data) : 0;
	}
	durei_queue_unlock(&guard);
	return r;
}

/* Nobody waits any more for what a server has. */
static int abandon(struct durei_queue_guard *guard, struct dl_message *m)
{
	int r = durei_queue_begin(guard);

	if (r < 0)
		return r;
	return durei_queue_end(guard, durei_log_write_word(guard->lane, &durei_call_of(m)->client, 0));
}

int dure_service_forget(dure_service *service, const struct dure_call *call)
{
	dure_queue *queue = queue_of(service);
	struct durei_queue_guard guard;
	struct dl_message *m;
	int r = check_call(queue, call);

	if (r == 0)
		r = durei_queue_lock(queue, DUREI_NEVER, &guard);
	if (r < 0)
		return r;
	m = find_call(&guard, call, &r);
	if (m)
		r = cell32_load_rlx(&m->state) == DL_MESSAGE_TAKEN ? abandon(&guard, m)
								   : drop(&guard, m);
	if (r == 0)
		durei_queue_tell_senders(&guard);
	durei_queue_unlock(&guard);
	return r;
}

/* What is left of the time. */
static int64_t left(int64_t timeout_ns, int64_t deadline_ns)
{
	int64_t now;

	if (timeout_ns == 0 || deadline_ns == DUREI_NEVER)
		return timeout_ns;
	now = durei_clock_now();
	return deadline_ns > now ? deadline_ns - now : 1;
}

int dure_service_call(dure_service *service, const void *data, size_t bytes,
		      const struct dure_ask *how, void *buffer, size_t buffer_bytes,
		      int64_t timeout_ns, size_t *ret_bytes)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct dure_call call = { .sz = sizeof call };
	int r = dure_service_ask(service, data, bytes, how, timeout_ns, &call);

	if (r < 0)
		return r;
	r = dure_service_await(service, &call, buffer, buffer_bytes, left(timeout_ns, deadline));
	if (r == 0 && ret_bytes)
		*ret_bytes = call.bytes;
	if (r == -EAGAIN || r == -ETIMEDOUT || r == -EMSGSIZE)	/* it is not over: end it */
		(void)dure_service_forget(service, &call);
	return r;
}

/* -- serving ----------------------------------------------------------------------------- */

static int check_request(const dure_queue *queue, const struct dure_request *request)
{
	if (request && request->sz >= sizeof *request)
		return 0;
	return durei_error(EINVAL, "%s: request is NULL, or request.sz is not sizeof(struct "
			   "dure_request)", queue->title);
}

int dure_service_take(dure_service *service, const struct dure_queue_select *which, void *buffer,
		      size_t buffer_bytes, struct dure_request *ret, int64_t timeout_ns)
{
	dure_queue *queue = queue_of(service);
	struct durei_receipt c = { .buffer = buffer, .room = buffer_bytes, .is_taken = true };
	int r = durei_receipt_begin(queue, which, &c);

	if (r == 0)
		r = check_request(queue, ret);
	if (r == 0 && (c.which.skip || c.which.flags & DURE_QUEUE_DEAD_LETTERS))
		r = durei_error(EINVAL, "%s: select.skip is not 0, or there are no dead letters",
				queue->title);
	if (r == 0)
		r = durei_queue_get(queue, &c, timeout_ns);
	if (r < 0)
		return r;
	*ret = (struct dure_request){
		.sz = ret->sz, .id = c.message.id, .type = c.message.type,
		.priority = c.message.priority, .attempts = c.message.deliveries,
		.bytes = c.message.bytes, .place = { c.offset }, .ref = c.message.ref,
	};
	return durei_receipt_is_truncated(&c) ? DURE_TRUNCATED : 0;
}

/* In an open log: with a reply (a block that the log takes), or refused. The block is the last
   thing that can fail: it stays the caller's if anything does. */
static int answer(struct durei_queue_guard *guard, struct dl_message *m, uint64_t reply,
		  uint64_t bytes, int status)
{
	struct dl_queue_numbers *n = &guard->queue->shared->numbers;
	int r = durei_call_answer(guard, m, reply, bytes, status);

	if (r == 0) {
		durei_number_add(&n->received, 1);
		cell64_store_rel(&n->last_receiver, durei_process_of(guard->queue->seg));
	}
	return r < 0 || !reply ? r : durei_log_take(guard->lane, reply);
}

/* 0; DURE_UNWANTED: it is dropped, and the reply is not used. */
static int settle(dure_queue *queue, const struct dure_request *request, uint64_t reply,
		  uint64_t bytes, int status)
{
	struct durei_queue_guard guard;
	struct dl_message *m;
	bool is_unwanted = false;
	int r = durei_queue_lock(queue, DUREI_NEVER, &guard);

	if (r < 0)
		return r;
	m = durei_message_taken(queue, request->place.offset, request->id, &r);
	if (m) {
		is_unwanted = durei_call_is_unwanted(queue, m, false);
		r = durei_queue_begin(&guard);
	}
	if (m && r == 0)
		r = durei_queue_end(&guard, is_unwanted ? durei_message_drop(&guard, m)
						       : answer(&guard, m, reply, bytes, status));
	if (r == 0)
		durei_queue_tell_senders(&guard);
	if (r == 0 && cell32_load_rlx(&queue->shared->state) != DL_QUEUE_OPEN)
		durei_queue_tell_receivers(&guard);	/* its end may have come */
	durei_queue_unlock(&guard);
	return r == 0 && is_unwanted ? DURE_UNWANTED : r;
}

/* Step 1 of a reply whose bytes are copied. */
static int copy_into_block(struct durei_lane *lane, const void *data, size_t bytes,
			   uint64_t *ret_block)
{
	int r = bytes ? durei_block_reserve(lane, bytes, 0, ret_block) : 0;

	if (r == 0 && bytes)
		memcpy(durei_at(lane->seg, *ret_block), data, bytes);
	return r;
}

/* Is the block still reserved? After a failure it may have gone with the log, or not. */
static void cancel(struct durei_lane *lane, uint64_t offset)
{
	struct durei_block block;

	if (offset && durei_block_at(lane->seg, offset, &block) && block.is_reserved)
		(void)durei_block_free(lane, offset);
}

int dure_service_reply(dure_service *service, const struct dure_request *request,
		       const void *data, size_t bytes, uint32_t flags)
{
	dure_queue *queue = queue_of(service);
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);
	uint64_t block = 0;

	if (r == 0)
		r = check_request(queue, request);
	if (r == 0 && flags & ~(uint32_t)DURE_CALL_BLOCK)
		r = durei_error(EINVAL, "%s: flags %#x have unknown bits", queue->title, flags);
	if (r < 0)
		return r;
	if (flags & DURE_CALL_BLOCK) {
		r = check_block(queue, lane, data, bytes);
		return r < 0 ? r : settle(queue, request, durei_offset(queue->seg, data), bytes, 0);
	}
	r = copy_into_block(lane, data, bytes, &block);
	if (r < 0)
		return r;
	r = settle(queue, request, block, bytes, 0);
	if (r != 0)
		cancel(lane, block);
	return r;
}

int dure_service_refuse(dure_service *service, const struct dure_request *request)
{
	dure_queue *queue = queue_of(service);
	int r = check_request(queue, request);

	return r < 0 ? r : settle(queue, request, 0, 0, ECONNREFUSED);
}

int dure_service_requeue(dure_service *service, const struct dure_request *request)
{
	dure_queue *queue = queue_of(service);
	struct durei_queue_guard guard;
	struct dl_message *m;
	int r = check_request(queue, request);

	if (r == 0)
		r = durei_queue_lock(queue, DUREI_NEVER, &guard);
	if (r < 0)
		return r;
	m = durei_message_taken(queue, request->place.offset, request->id, &r);
	if (m)
		r = durei_message_give_back(&guard, m, true);
	durei_queue_unlock(&guard);
	return r;
}

/* -- figures ----------------------------------------------------------------------------- */

int dure_service_info(dure_service *service, struct dure_service_info *info)
{
	const struct dl_queue *q = queue_of(service)->shared;
	struct dure_queue_info i = { .sz = sizeof i };
	int r = dure_queue_info(queue_of(service), &i);
	struct dure_service_info filled;

	if (r < 0)
		return r;
	filled = (struct dure_service_info){
		.sz = sizeof filled,
		.requests = i.messages,
		.bytes = i.bytes - min_u64(i.bytes, i.messages * sizeof(struct dl_call)),
		.taken = i.taken,
		.answered = cell64_load_acq(&q->numbers.answered_count),
		.requests_high = i.messages_high,
		.asked = i.sent,
		.replied = i.received,
		.returned = i.returned,
		.dropped = i.expired,
		.waits = i.waits_to_send + i.waits_to_receive,
		.requests_max = i.messages_max,
		.bytes_max = i.bytes_max,
		.request_bytes_max = i.message_bytes_max
			? i.message_bytes_max - sizeof(struct dl_call) : 0,
		.is_shut = i.is_shut,
		.users = i.users,
	};
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}
