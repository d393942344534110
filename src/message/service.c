/* SPDX-License-Identifier: MIT */
/*
 * service.c - requests and replies: opening, asking, figures
 *
 * Why      Who asks needs an answer, or to know that there will be none. A request is a message of
 *          a queue, taken by a server as any message is; it stays there, with the reply, until
 *          its client has it. So a server's death is a receiver's death, and there is one more
 *          place (`answered`), not one more protocol. The client waits in await.c, the server's
 *          side is reply.c.
 * Rules    layout/service.h; call.c; shelf.c
 * Death    ask, after step               is left behind               who mends it
 *          1 blocks reserved, filled     blocks of the dead           they are free
 *          2 commit                      a call of the dead           who looks for a request drops it
 */
#include "message/service.h"

#include "base/options.h"
#include "heap/heap.h"
#include "message/holder.h"

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
	dure_queue_close(durei_service_queue(service));
}

int dure_service_shut(dure_service *service)
{
	return dure_queue_shut(durei_service_queue(service));
}

int dure_service_destroy(dure_segment *segment, const char *name)
{
	return durei_queue_remove(segment, &kind, name);
}

int dure_service_fd(dure_service *service)
{
	return dure_queue_fd(durei_service_queue(service));
}

/* -- asking ------------------------------------------------------------------------------ */

int durei_call_check(const dure_queue *queue, const struct dure_call *call)
{
	if (call && call->sz >= sizeof *call)
		return 0;
	return durei_error(EINVAL, "%s: call is NULL, or call.sz is not sizeof(struct dure_call)",
			   queue->title);
}

int durei_call_check_block(const dure_queue *queue, struct durei_lane *lane, const void *data,
		       size_t bytes)
{
	struct durei_block block;

	if (durei_block_at(queue->seg, durei_offset(queue->seg, data), &block) && block.is_reserved &&
	    bytes <= block.bytes && durei_block_is_ours(lane, &block))
		return 0;
	return durei_error(EINVAL, "%s: with DURE_CALL_BLOCK data is a block of at least %zu bytes that "
			   "this process has reserved", queue->title, bytes);
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

static int read_ask(const dure_queue *queue, const struct dure_ask *how, struct dure_ask *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, how);

	if (r == 0 && ret->flags & ~(uint32_t)(DURE_CALL_BLOCK | DUREI_CALL_WAITS))
		r = durei_error(EINVAL, "%s: flags %#x have unknown bits", queue->title, ret->flags);
	return r;
}

int dure_service_ask(dure_service *service, const void *data, size_t bytes,
		     const struct dure_ask *how, int64_t timeout_ns, struct dure_call *ret)
{
	dure_queue *queue = durei_service_queue(service);
	struct durei_letter letter;
	struct dl_call head;
	struct dure_ask ask;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);
	struct dure_queue_put put = { .sz = sizeof put };

	if (r == 0)
		r = durei_call_check(queue, ret);
	if (r == 0)
		r = read_ask(queue, how, &ask);
	if (r == 0 && ask.flags & DURE_CALL_BLOCK)
		r = durei_call_check_block(queue, lane, data, bytes);
	if (r < 0)
		return r;
	put.type = ask.type;
	put.priority = ask.priority;
	put.lives_ns = ask.lives_ns;
	put.flags = ask.flags & DUREI_CALL_WAITS;
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

/* -- figures ----------------------------------------------------------------------------- */

int dure_service_info(dure_service *service, struct dure_service_info *info)
{
	const struct dl_queue *q = durei_service_queue(service)->shared;
	struct dure_queue_info i = { .sz = sizeof i };
	int r = dure_queue_info(durei_service_queue(service), &i);
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
