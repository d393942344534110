/* SPDX-License-Identifier: MIT */
/*
 * reply.c - a server's side of a call: taken, then answered, refused or given back
 *
 * Why      A request is taken as a message is. What is different is its end: it stays, as an
 *          answer, for one client; and that one may be gone, which its server is told.
 * Rules    layout/service.h; call.c; settle.c
 * Death    reply, after step             is left behind               who mends it
 *          1 block reserved, filled      a block of the dead          it is free
 *          2 commit                      the reply, nobody told       the client looks after a slice
 */
#include "message/service.h"

#include <string.h>

#include "heap/heap.h"
#include "os/futex.h"
#include "tx/log.h"

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
	dure_queue *queue = durei_service_queue(service);
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
	dure_queue *queue = durei_service_queue(service);
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
		r = durei_call_check_block(queue, lane, data, bytes);
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
	dure_queue *queue = durei_service_queue(service);
	int r = check_request(queue, request);

	return r < 0 ? r : settle(queue, request, 0, 0, ECONNREFUSED);
}

int dure_service_requeue(dure_service *service, const struct dure_request *request)
{
	dure_queue *queue = durei_service_queue(service);
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
