/* SPDX-License-Identifier: MIT */
/*
 * await.c - a client waits for the reply, and its call ends
 *
 * Why      A call ends in one of a few ways, and its client learns which: a reply, or that there
 *          will be none. Until then it can be waited for again.
 * Rules    layout/service.h; call.c
 *          [SERVICE1] who waits for a reply looks under the lock; the word it sleeps on is a hint
 *          [SERVICE2] while a server has the request, its client watches that server's thread;
 *                     one that takes it later tells the client, if it must: call.c [CALLC3]
 *          [SERVICE3] who has asked is asked for by process: any of its threads may wait
 * Death    await, after step             is left behind               who mends it
 *          1 bytes copied                a call of the dead           call.c: it is dropped
 *          2 dropped                     nothing                      -
 */
#include "message/service.h"

#include <string.h>

#include "message/holder.h"
#include "os/futex.h"
#include "tx/log.h"

enum { COPIED_UNDER_LOCK = 4096 };

/* -- the call ---------------------------------------------------------------------------- */

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
			cell64_store_rel(&durei_call_of(*ret)->watched, UINT64_MAX);
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
	int r = durei_call_check(queue, call);

	if (r == 0 && call->flags & ~(uint32_t)DUREI_CALL_WAITS)
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
	int r = lock_answered(durei_service_queue(service), call, timeout_ns, &guard, &m), failure;

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
	dure_queue *queue = durei_service_queue(service);
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
	dure_queue *queue = durei_service_queue(service);
	struct durei_queue_guard guard;
	struct dl_message *m;
	int r = durei_call_check(queue, call);

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
