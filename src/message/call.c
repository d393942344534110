/* SPDX-License-Identifier: MIT */
/*
 * call.c - the calls of a service: answered, failed, and wanted by nobody
 *
 * Why      A call is a message of a queue that stays until its client has the answer. So all that
 *          a queue knows of order, limits and servers that die holds for calls, too; and a client
 *          learns what became of its call from one place.
 * Rules    layout/service.h; shelf.c
 *          [CALLC1] a call's client is told under the lock, by a word that only it sleeps on
 *          [CALLC2] a call whose client is gone is anybody's to drop, unless a server has it:
 *                   then it is dropped when the server is done, or gone
 *          [CALLC3] a client that sleeps watches the lanes that took last. One that is not among
 *                   them and takes its request tells it, so that it watches that one: the death
 *                   of whoever has the request wakes the client at once
 * Death    tx/log.c: each change is one log. Of a server between taking and telling: the client
 *          looks after a slice.
 */
#include "message/queue.h"

#include "heap/heap.h"
#include "message/holder.h"
#include "tx/log.h"

enum { LOOKED_AT_MAX = 64 };	/* answered calls whose clients are asked after, per call */

/* -- in an open log ---------------------------------------------------------------------- */

/* [CALLC1] One client is remembered until the lock is given back; a second one is woken now. */
static void tell_client(struct durei_queue_guard *guard, struct dl_message *m)
{
	struct cell32 *news = &durei_call_of(m)->news;
	uint32_t flags = durei_queue_take_flags(news);

	if (guard->asker_flags)
		durei_queue_wake(guard->queue->seg, guard->asker, guard->asker_flags);
	guard->asker = news;
	guard->asker_flags = flags;
}

int durei_call_answer(struct durei_queue_guard *guard, struct dl_message *m, uint64_t reply,
		      uint64_t reply_bytes, int status)
{
	struct dl_call *call = durei_call_of(m);
	int r = durei_log_undo_range(guard->lane, durei_offset(guard->queue->seg, call),
				     sizeof *call);

	if (r == 0)
		r = durei_message_move(guard, m, DL_MESSAGE_ANSWERED, 0);
	if (r < 0)
		return r;
	cell64_store_rel(&call->reply, reply);
	cell64_store_rel(&call->reply_bytes, reply_bytes);
	cell32_store_rel(&call->status, (uint32_t)status);
	tell_client(guard, m);
	return 0;
}

int durei_call_free_blocks(struct durei_queue_guard *guard, const struct dl_message *m)
{
	const struct dl_call *call = durei_call_of(m);
	uint64_t reply = cell64_load_rlx(&call->reply);
	int r = call->request ? durei_log_free(guard->lane, call->request) : 0;

	return r < 0 || !reply ? r : durei_log_free(guard->lane, reply);
}

/* -- who has it -------------------------------------------------------------------------- */

/* This lane in front of the others. */
static uint64_t lane_to_front(uint64_t lanes, uint16_t lane)
{
	uint64_t word = lane;

	for (int shift = 16; lanes && shift < 64; lanes >>= 16)
		if ((uint16_t)lanes && (uint16_t)lanes != lane) {
			word |= (uint64_t)(uint16_t)lanes << shift;
			shift += 16;
		}
	return word;
}

void durei_call_taken(struct durei_queue_guard *guard, struct dl_message *m)
{
	struct cell64 *takers = &guard->queue->shared->numbers.takers;
	uint64_t watched = cell64_load_rlx(&durei_call_of(m)->watched);
	uint16_t lane = guard->lane->id;

	cell64_store_rel(takers, lane_to_front(cell64_load_rlx(takers), lane));
	if (watched != UINT64_MAX && !dl_lanes_have(watched, lane))	/* [CALLC3] */
		tell_client(guard, m);
}

/* -- whose client is gone ---------------------------------------------------------------- */

bool durei_call_is_unwanted(const dure_queue *queue, const struct dl_message *m, bool asks_kernel)
{
	uint64_t client = cell64_load_rlx(&durei_call_of(m)->client);

	return !client || (asks_kernel ? durei_holder_is_gone(queue->seg, client)
				       : durei_holder_looks_gone(queue->seg, client));
}

static int drop(struct durei_queue_guard *guard, struct dl_message *m)
{
	int r = durei_queue_begin(guard);

	if (r == 0)
		r = durei_message_drop(guard, m);
	return guard->has_changed ? durei_queue_end(guard, r) : r;
}

int durei_calls_sweep(struct durei_queue_guard *guard, bool asks_kernel)
{
	dure_queue *queue = guard->queue;
	struct durei_lines answered = durei_queue_answered(queue);
	uint64_t count = durei_number_of_messages(queue, &queue->shared->numbers.answered_count);
	uint64_t asked = asks_kernel && count ? queue->look++ % count : count;
	int r = 0, dropped = 0;
	struct dl_message *m = durei_lines_from(&answered, (struct durei_line_key){ 0, 0 }, &r), *next;

	for (uint64_t i = 0; r == 0 && m && i < LOOKED_AT_MAX; i++, m = next) {
		next = durei_lines_next(&answered, m, &r);
		if (r == 0 && durei_call_is_unwanted(queue, m, i == asked)) {
			r = drop(guard, m);
			dropped += r == 0;
		}
	}
	return r < 0 ? r : dropped;
}
