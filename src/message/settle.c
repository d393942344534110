/* SPDX-License-Identifier: MIT */
/*
 * settle.c - what becomes of a message that was taken
 *
 * Rules    shelf.c
 *          [SETTLE1] who settles a message proves that the block is a message still, that it is
 *                    the one that was taken, and that its process has it
 * Death    one log: it is settled, or taken by a dead one (shelf.c [SHELF1])
 */
#include "message/queue.h"

#include "heap/heap.h"
#include "os/futex.h"
#include "tx/log.h"

struct dl_message *durei_message_find(dure_queue *queue, uint64_t offset, uint64_t id)
{
	struct durei_block block;
	struct dl_message *m = offset < queue->seg->mapped_bytes
				       ? durei_message_at(queue->seg, queue->offset, offset) : NULL;

	return m && m->id == id && durei_block_at(queue->seg, offset, &block) && block.is_live ? m
											      : NULL;
}

struct dl_message *durei_message_taken(dure_queue *queue, uint64_t offset, uint64_t id,
				       int *ret_error)
{
	struct dl_message *m = durei_message_find(queue, offset, id);

	if (m && durei_message_is_ours(queue->seg, m))
		return m;
	*ret_error = durei_error(EPERM, "%s: message %llu is not taken by this process, or not any "
				 "more", queue->title, (unsigned long long)id);
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
	int r = durei_message_check(message);

	if (r == 0 && !message)
		r = durei_error(EINVAL, "%s: no message", queue->title);
	if (r == 0)
		r = durei_queue_lock(queue, DUREI_NEVER, &guard);
	if (r < 0)
		return r;
	m = durei_message_taken(queue, message->ref.offset - sizeof *m, message->id, &r);
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
