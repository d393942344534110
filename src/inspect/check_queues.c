/* SPDX-License-Identifier: MIT */
/*
 * check_queues.c - are the messages of a queue where they should be
 *
 * Why      see check.c. The orders are walked by code of this file's own.
 * How      A queue whose lock is held is being changed, and its log explains what is seen: it is
 *          left alone. What is found in one that was free counts only when it still is, and
 *          nobody has changed it meanwhile.
 * Death    nothing is changed.
 */
#include <inttypes.h>
#include <string.h>

#include "inspect/check.h"
#include "layout/service.h"

enum { DEPTH_MAX = 1024 };

/* A queue under check. */
struct walk {
	struct durei_check *check;
	const struct dl_queue *queue;
	uint64_t offset;
	uint64_t left;			/* messages that the segment can have */
	uint64_t count, bytes;		/* of the order walked now */
	bool by_type;
	bool has_last;
	uint64_t last_major, last_minor;
	const char *wrong;		/* the first thing that is */
	uint64_t wrong_at;
};

static bool say(struct walk *walk, uint64_t at, const char *what)
{
	if (!walk->wrong) {
		walk->wrong = what;
		walk->wrong_at = at;
	}
	return false;
}

static bool is_live(const struct walk *walk, uint64_t offset, uint64_t bytes)
{
	struct durei_seen_block block;

	return durei_see_block(walk->check->seg, offset, &block) && block.state == DL_BLOCK_LIVE &&
	       bytes <= block.bytes;
}

/* [CALL3] */
static bool see_call(const struct walk *walk, const struct dl_message *m, unsigned state)
{
	const struct dl_call *call = (const struct dl_call *)(const void *)(m + 1);
	uint64_t reply = m->bytes < sizeof *call ? 0 : cell64_load_acq(&call->reply);

	if (m->bytes < sizeof *call ||
	    (call->request && !is_live(walk, call->request, call->request_bytes)))
		return false;
	if (state != DL_MESSAGE_ANSWERED)
		return !reply;
	return reply ? is_live(walk, reply, cell64_load_acq(&call->reply_bytes))
		     : !cell64_load_acq(&call->reply_bytes);
}

static const struct dl_message *see_message(struct walk *walk, uint64_t offset, unsigned state)
{
	struct durei_seen_block block;
	const struct dl_message *m = durei_at(walk->check->seg, offset);

	if (!walk->left || !durei_see_block(walk->check->seg, offset, &block) ||
	    block.bytes < sizeof *m || block.state != DL_BLOCK_LIVE || m->queue != walk->offset ||
	    m->bytes > block.bytes - sizeof *m) {
		(void)say(walk, offset, "a link leads to no message of the queue");
		return NULL;
	}
	walk->left--;
	if (walk->queue->flags & DL_QUEUE_IS_SERVICE && !see_call(walk, m, state)) {
		(void)say(walk, offset, "a call's request or reply is not there");
		return NULL;
	}
	if (cell32_load_acq(&m->state) != state ||
	    (state == DL_MESSAGE_TAKEN) != (cell64_load_acq(&m->holder) != 0)) {
		(void)say(walk, offset, "a message is not where its state says");
		return NULL;
	}
	return m;
}

static const struct dl_links *links_of(const struct walk *walk, const struct dl_message *m)
{
	return walk->by_type ? &m->kind : &m->order;
}

/* [QUEUE4], and the ring. */
static bool walk_line(struct walk *walk, const struct dl_message *first, unsigned state)
{
	uint64_t before = durei_offset(walk->check->seg, first), next;
	const struct dl_message *m = first, *behind;

	walk->count++;
	walk->bytes += m->bytes;
	while ((next = cell64_load_acq(&links_of(walk, m)->next))) {
		behind = see_message(walk, next, state);
		if (!behind)
			return false;
		if (cell64_load_acq(&links_of(walk, behind)->prev) != before)
			return say(walk, next, "a message's neighbours disagree");
		if (state != DL_MESSAGE_TAKEN && state != DL_MESSAGE_ANSWERED &&
		    (behind->id <= m->id || behind->priority != first->priority ||
		     (walk->by_type && behind->type != first->type)))
			return say(walk, next, "a message is in the wrong line, or place");
		walk->count++;
		walk->bytes += behind->bytes;
		before = next;
		m = behind;
	}
	return cell64_load_acq(&links_of(walk, first)->prev) == before ||
	       say(walk, before, "a line does not know its last message");
}

/* Lines come in the order of their keys. */
static bool comes_next(struct walk *walk, const struct dl_message *m)
{
	uint64_t major = walk->by_type ? (uint64_t)m->type : 0;
	uint64_t minor = DL_PRIORITY_MAX - (uint64_t)m->priority;
	bool good = !walk->has_last || major > walk->last_major ||
		    (major == walk->last_major && minor > walk->last_minor);

	walk->has_last = true;
	walk->last_major = major;
	walk->last_minor = minor;
	return good && m->priority <= DL_PRIORITY_MAX;
}

/* In order, without recursion. */
static bool walk_treap(struct walk *walk, const struct cell64 *root, unsigned state, bool by_type)
{
	static _Thread_local uint64_t path[DEPTH_MAX];
	uint64_t at = cell64_load_acq(root);
	unsigned depth = 0;

	walk->by_type = by_type;
	walk->has_last = false;
	walk->count = walk->bytes = 0;
	walk->left = walk->check->seg->mapped_bytes / sizeof(struct dl_message);
	while (at || depth) {
		const struct dl_message *m;
		if (at) {
			m = see_message(walk, at, state);
			if (!m || depth == DEPTH_MAX)
				return say(walk, at, "the lines form no tree");
			path[depth++] = at;
			at = cell64_load_acq(&links_of(walk, m)->left);
			continue;
		}
		m = durei_at(walk->check->seg, path[--depth]);
		if (!comes_next(walk, m))
			return say(walk, path[depth], "lines are not in their order");
		if (!walk_line(walk, m, state))
			return false;
		at = cell64_load_acq(&links_of(walk, m)->right);
	}
	return true;
}

static bool walk_shelf(struct walk *walk, const struct dl_shelf *shelf, unsigned state,
		       uint64_t *ret_count, uint64_t *ret_bytes)
{
	if (!walk_treap(walk, &shelf->order, state, false))
		return false;
	*ret_count = walk->count;
	*ret_bytes = walk->bytes;
	if (!walk_treap(walk, &shelf->kind, state, true))
		return false;
	return walk->count == *ret_count ||
	       say(walk, walk->offset, "a message is in one order and not in the other");
}

/* A line that is no part of a shelf. */
static bool walk_one_line(struct walk *walk, const struct cell64 *start, unsigned state)
{
	uint64_t offset = cell64_load_acq(start);
	const struct dl_message *first;

	walk->left = walk->check->seg->mapped_bytes / sizeof(struct dl_message);
	walk->by_type = false;
	walk->count = walk->bytes = 0;
	first = offset ? see_message(walk, offset, state) : NULL;
	return !offset || (first && walk_line(walk, first, state));
}

/* [QUEUE2] [QUEUE5] */
static void walk_queue(struct walk *walk)
{
	const struct dl_queue *q = walk->queue;
	const struct dl_queue_numbers *n = &q->numbers;
	uint64_t waiting, waiting_bytes, dead, dead_bytes, answered;

	if (!walk_shelf(walk, &q->waiting, DL_MESSAGE_WAITING, &waiting, &waiting_bytes) ||
	    !walk_shelf(walk, &q->dead, DL_MESSAGE_DEAD, &dead, &dead_bytes))
		return;
	if (!walk_one_line(walk, &q->answered, DL_MESSAGE_ANSWERED))
		return;
	answered = walk->count;
	if (!walk_one_line(walk, &q->taken, DL_MESSAGE_TAKEN))
		return;
	if (walk->count != cell64_load_acq(&n->taken_count) ||
	    walk->count + waiting != cell64_load_acq(&n->count) ||
	    walk->bytes + waiting_bytes != cell64_load_acq(&n->bytes) ||
	    dead != cell64_load_acq(&n->dead_count) ||
	    answered != cell64_load_acq(&n->answered_count))
		(void)say(walk, walk->offset, "a queue's numbers are not those of its messages");
}

static uint64_t changes_of(const struct dl_queue *q)
{
	const struct dl_queue_numbers *n = &q->numbers;

	return cell64_load_acq(&n->next_id) + cell64_load_acq(&n->received) +
	       cell64_load_acq(&n->returned) + cell64_load_acq(&n->taken_count) * 3 +
	       cell64_load_acq(&n->dead_count) * 5 + cell64_load_acq(&n->expired) * 7 +
	       cell64_load_acq(&n->answered_count) * 11;
}

static bool is_free(const struct dl_queue *q)
{
	return !dl_lock_lane(cell32_load_acq(&q->lock.word));
}

void durei_check_queue(struct durei_check *check, const struct dl_queue_place *place,
		       uint32_t flags)
{
	uint64_t offset = cell64_load_acq(&place->queue), changes;
	struct walk walk = { .check = check, .offset = offset,
			     .queue = durei_at(check->seg, offset) };
	struct durei_seen_block block;

	if (offset % 64 || !durei_see_block(check->seg, offset, &block) ||
	    !(block.state == DL_BLOCK_LIVE || check->has_open_log) ||
	    block.bytes < sizeof(struct dl_queue) +
				  check->seg->super.slot_count * sizeof(struct cell64) ||
	    walk.queue->magic != DL_QUEUE_MAGIC ||
	    (walk.queue->flags & DL_QUEUE_IS_SERVICE) != flags) {
		DAMAGED(check, "QUEUE1", offset, "there is no queue at +%#" PRIx64, offset);
		return;
	}
	durei_check_lock(check, &walk.queue->lock);
	changes = changes_of(walk.queue);
	if (!is_free(walk.queue))
		return;
	walk_queue(&walk);
	if (walk.wrong && is_free(walk.queue) && changes_of(walk.queue) == changes)
		DAMAGED(check, "QUEUE2", walk.wrong_at, "%s", walk.wrong);
}
