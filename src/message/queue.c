/* SPDX-License-Identifier: MIT */
/*
 * queue.c - a message queue's name, its users, its lock, its end
 *
 * Why      Every change of a queue is one log under one lock: so it has happened or it has not,
 *          also in the middle of a caller's transaction, and whatever is asked for (priorities,
 *          types, places to come back to) needs no protocol of its own. What that costs: a
 *          process that is stopped inside a call holds the others up.
 * Layout   layout/queue.h
 * Rules    [QUEUEC1] the lock is DL_HELD_CLEAN: the log mends what it guards
 *          [QUEUEC2] a process is counted in `users` before it uses a queue, while the queue's
 *                    name is locked; and a queue is doomed under the same lock, when nobody
 *                    living is counted. So its block is not freed under anybody
 *          [QUEUEC3] who is counted and dead (slot, generation) does not count
 *          [QUEUEC4] inside a caller's transaction the lock is kept to its end once something has
 *                    changed, for the change may yet be undone
 * Death    open: object/object.c; counted without a handle: [QUEUEC3]
 *          shut: one store
 *          destroy, after step            is left behind                   who mends it
 *          1 doomed                       a queue that nobody can open     destroy again
 *          2 some messages freed          the same                         the same
 *          3 name and block gone          nothing                          -
 */
#include "message/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "message/name.h"
#include "os/futex.h"
#include "segment/participant.h"
#include "segment/token.h"
#include "tx/change.h"

#define QUEUE_TYPE dure_type_make("dure_queue", sizeof(struct dl_queue_place), 16)

enum {
	LOCK_PATIENCE_NS = 100000000,	/* for those inside, who are not what a caller waits for */
	DESTROY_BATCH = 64,		/* messages freed by one log */
};

/* -- the lock ---------------------------------------------------------------------------- */

/* A timeout is for messages; the lock is held for moments, and is waited for in any case. */
static int64_t lock_timeout(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns == DUREI_NEVER)
		return DURE_FOREVER;
	left = deadline_ns ? deadline_ns - durei_clock_now() : 0;
	return left > LOCK_PATIENCE_NS ? left : LOCK_PATIENCE_NS;
}

static int not_locked(dure_queue *queue, int64_t deadline_ns, int r)
{
	if (queue->has_fd)		/* nothing has been looked at: do so soon */
		durei_notify_again(&queue->notify, LOCK_PATIENCE_NS / 100);
	return r == -ETIMEDOUT && !deadline_ns ? durei_error_plain(EAGAIN) : r;
}

int durei_queue_lock(dure_queue *queue, int64_t deadline_ns, struct durei_queue_guard *ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(queue->seg, &r);
	struct dl_mutex *lock = &queue->shared->lock;

	if (!lane)
		return r;
	*ret = (struct durei_queue_guard){ .queue = queue, .lane = lane,
					   .in_tx = durei_log_is_open(lane) };
	ret->was_held = ret->in_tx && durei_word_is_ours(lane, &lock->word);
	if (ret->was_held)
		return durei_word_check_held(lane, &lock->word);
	r = durei_mutex_take(lane, lock, DL_HELD_CLEAN, lock_timeout(deadline_ns));
	return r < 0 ? not_locked(queue, deadline_ns, r) : 0;
}

void durei_queue_unlock(struct durei_queue_guard *guard)
{
	struct durei_lane *lane = guard->lane;
	struct dl_queue *q = guard->queue->shared;
	struct cell32 *word = &q->lock.word;

	if (!guard->was_held) {
		int index = durei_held_find(lane, durei_offset(lane->seg, word));
		if (guard->in_tx && guard->has_changed)			/* [QUEUEC4] */
			durei_tx_keep(lane, index);
		else
			durei_word_free(lane, word, index);
	}
	if (guard->arrivals)
		durei_queue_wake(guard->queue, &q->arrivals, guard->arrivals);
	if (guard->rooms)
		durei_queue_wake(guard->queue, &q->rooms, guard->rooms);
	guard->arrivals = guard->rooms = 0;
}

int durei_queue_begin(struct durei_queue_guard *guard)
{
	int r = durei_change_begin(guard->lane, guard->in_tx);

	guard->has_changed |= r == 0;
	return r;
}

int durei_queue_end(struct durei_queue_guard *guard, int r)
{
	return durei_change_end(guard->lane, guard->in_tx, r);
}

struct durei_lines durei_queue_lines(const dure_queue *queue, struct cell64 *root,
				     enum durei_order order)
{
	return (struct durei_lines){ .seg = queue->seg, .queue = queue->offset, .root = root,
				     .order = order };
}

/* -- users ------------------------------------------------------------------------------- */

static uint64_t generation_of(dure_segment *seg, unsigned slot)
{
	return cell64_load_acq(&seg->slots[slot].state) >> DL_SLOT_GENERATION_SHIFT
						      << DL_QUEUE_USER_SHIFT;
}

/* Counts this process once more, or once less. False: too often. */
static bool count_user(const dure_queue *queue, int change)
{
	dure_segment *seg = queue->seg;
	struct cell64 *user = &queue->shared->users[seg->slot];
	uint64_t seen, generation, handles;

	if (!seg->has_slot)		/* alone */
		return true;
	generation = generation_of(seg, seg->slot);
	seen = cell64_load_rlx(user);	/* relaxed: the cas decides */
	do {
		handles = (seen & ~(uint64_t)DL_QUEUE_USER_MASK) == generation
				  ? seen & DL_QUEUE_USER_MASK : 0;
		if (change > 0 ? handles == DL_QUEUE_USER_MASK : handles == 0)
			return false;
		handles = change > 0 ? handles + 1 : handles - 1;
	} while (!cell64_cas(user, &seen, generation | handles));
	return true;
}

/* [QUEUEC3] */
static uint32_t count_users(const dure_queue *queue)
{
	dure_segment *seg = queue->seg;
	unsigned end = seg->has_slot ? durei_slot_end(seg) : 0;
	uint32_t count = 0;

	for (unsigned slot = 0; slot < end; slot++) {
		uint64_t user = cell64_load_acq(&queue->shared->users[slot]);
		count += user & DL_QUEUE_USER_MASK &&
			 (user & ~(uint64_t)DL_QUEUE_USER_MASK) == generation_of(seg, slot) &&
			 (slot == seg->slot || durei_token_is_alive(seg, (uint16_t)slot));
	}
	return count;
}

/* -- opening ----------------------------------------------------------------------------- */

static uint64_t queue_bytes(const dure_segment *seg)
{
	return sizeof(struct dl_queue) + seg->super.slot_count * sizeof(struct cell64);
}

/* The queue's constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_queue_options *o = context;
	dure_segment *seg = dure_tx_segment(tx);
	struct dl_queue_place *place = object;
	void *block;
	int r = dure_tx_alloc(tx, queue_bytes(seg), 64, &block);

	(void)count;
	if (r < 0)
		return r;
	struct dl_queue *q = memset(block, 0, queue_bytes(seg));
	q->magic = DL_QUEUE_MAGIC;
	q->flags = o->flags;
	q->deliveries_max = o->deliveries_max;
	q->messages_max = o->messages_max;
	q->bytes_max = o->bytes_max;
	q->message_bytes_max = o->message_bytes_max;
	place->queue.raw = durei_offset(seg, block);	/* still private */
	return 0;
}

static int bind(dure_queue *queue, dure_segment *seg, const struct dl_queue_place *place,
		const char *name)
{
	uint64_t offset = cell64_load_acq(&place->queue);

	if (offset % 64 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, queue_bytes(seg)) ||
	    ((struct dl_queue *)durei_at(seg, offset))->magic != DL_QUEUE_MAGIC)
		return durei_error(EUCLEAN, "segment %s: there is no queue where %s leads to: run dure "
				   "check", seg->super.name, name);
	queue->seg = seg;
	queue->offset = offset;
	queue->shared = durei_at(seg, offset);
	queue->notify = (struct durei_notify){ -1, -1, -1 };
	strncpy(queue->name, name, sizeof queue->name - 1);
	return 0;
}

static struct durei_name queue_name(dure_segment *seg, const char *name,
				   struct dure_queue_options *options)
{
	return (struct durei_name){ .seg = seg, .name = name, .what = "queue", .type = QUEUE_TYPE,
				    .format = format, .options = options };
}

/* While the name is held. */
static int open_held(dure_queue *queue, dure_segment *seg, const char *name,
		     const struct dl_queue_place *place)
{
	int r = bind(queue, seg, place, name);

	if (r == 0 && cell32_load_acq(&queue->shared->state) == DL_QUEUE_DOOMED)
		r = durei_error(EBUSY, "segment %s: queue %s is being destroyed, or whoever did died: "
				"destroy it again", seg->super.name, name);
	if (r == 0 && !count_user(queue, 1))				/* [QUEUEC2] */
		r = durei_error(EUSERS, "queue %s is open %d times in this process", name,
				DL_QUEUE_USER_MASK);
	return r;
}

static int check_options(const struct dure_queue_options *options,
			 struct dure_queue_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r == 0 && ret->flags & ~(uint32_t)DURE_QUEUE_KEEP_EXPIRED)
		r = durei_error(EINVAL, "options.flags %#x have unknown bits", ret->flags);
	return r;
}

int dure_queue_open(dure_segment *segment, const char *name, uint32_t flags,
		    const struct dure_queue_options *options, dure_queue **ret)
{
	struct dure_queue_options o;
	struct durei_name held = queue_name(segment, name, &o);
	dure_queue *queue;
	void *place;
	dure_tx *tx;
	int r = check_options(options, &o), made;

	if (r < 0)
		return r;
	queue = calloc(1, sizeof *queue);
	made = r = queue ? durei_name_hold(&held, flags, &tx, &place) : durei_error_plain(ENOMEM);
	if (r < 0) {
		free(queue);
		return r;
	}
	r = open_held(queue, segment, name, place);
	if (r < 0) {
		(void)dure_tx_abort(tx);
		free(queue);
		return r;
	}
	(void)dure_tx_commit(tx);
	durei_segment_ref(segment);
	*ret = queue;
	return made;
}

void dure_queue_close(dure_queue *queue)
{
	if (!queue)
		return;
	if (durei_handle_check_write(queue->seg) == 0)
		(void)count_user(queue, -1);
	if (queue->has_fd)
		durei_notify_close(&queue->notify);
	durei_segment_unref(queue->seg);
	free(queue);
}

/* -- the end ----------------------------------------------------------------------------- */

int dure_queue_shut(dure_queue *queue)
{
	struct durei_queue_guard guard;
	int r = durei_queue_lock(queue, DUREI_NEVER, &guard);

	if (r < 0)
		return r;
	if (cell32_load_rlx(&queue->shared->state) == DL_QUEUE_OPEN)
		cell32_store_rel(&queue->shared->state, DL_QUEUE_SHUT);
	durei_queue_tell_receivers(&guard);
	durei_queue_tell_senders(&guard);
	guard.arrivals |= DL_QUEUE_WAITED | DL_QUEUE_PICKY;	/* all of them */
	guard.rooms |= DL_QUEUE_WAITED | DL_QUEUE_PICKY;
	durei_queue_unlock(&guard);
	return 0;
}

/* Any message at all. */
static struct dl_message *any_message(const dure_queue *queue, int *ret_error)
{
	struct dl_queue *q = queue->shared;
	struct durei_lines lines[] = {
		durei_queue_lines(queue, &q->waiting.order, DUREI_BY_PRIORITY),
		durei_queue_lines(queue, &q->dead.order, DUREI_BY_PRIORITY),
		durei_queue_taken(queue),
	};
	struct dl_message *m = NULL;

	for (unsigned i = 0; !m && *ret_error == 0 && i < sizeof lines / sizeof *lines; i++)
		m = durei_lines_from(&lines[i], (struct durei_line_key){ 0, 0 }, ret_error);
	return m;
}

/* Step 2. Returns how many, or an error. */
static int drop_some(dure_queue *queue)
{
	struct durei_queue_guard guard;
	struct dl_message *m;
	int r = durei_queue_lock(queue, DUREI_NEVER, &guard), count = 0, found = 0;

	if (r < 0)
		return r;
	r = durei_queue_begin(&guard);
	while (r == 0 && count < DESTROY_BATCH && (m = any_message(queue, &found))) {
		r = durei_message_drop(&guard, m);
		count++;
	}
	if (guard.has_changed)
		r = durei_queue_end(&guard, r < 0 ? r : found);
	durei_queue_unlock(&guard);
	return r < 0 ? r : count;
}

/* Step 1: nobody has it open, and nobody will. */
static int doom(dure_segment *segment, const char *name, dure_queue *ret)
{
	struct durei_name held = queue_name(segment, name, &(struct dure_queue_options){ 0 });
	void *place;
	dure_tx *tx;
	uint32_t users;
	int r = durei_name_hold(&held, DURE_OPEN, &tx, &place);

	if (r < 0)
		return r;
	r = bind(ret, segment, place, name);
	if (r == 0 && (users = count_users(ret)))
		r = durei_error(EBUSY, "queue %s is open in %u processes: dure_queue_shut tells them",
				name, users);
	if (r == 0)
		cell32_store_rel(&ret->shared->state, DL_QUEUE_DOOMED);
	(void)dure_tx_abort(tx);
	return r;
}

/* Step 3, with the name. */
static int free_queue(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)object;
	(void)count;
	return dure_tx_free(tx, ((dure_queue *)context)->shared);
}

int dure_queue_destroy(dure_segment *segment, const char *name)
{
	dure_queue queue = { 0 };
	int r = doom(segment, name, &queue);

	if (r < 0)
		return r;
	do
		r = drop_some(&queue);
	while (r > 0);
	return r < 0 ? r : dure_object_destroy(segment, name, QUEUE_TYPE, free_queue, &queue);
}

/* -- figures ----------------------------------------------------------------------------- */

int dure_queue_info(dure_queue *queue, struct dure_queue_info *info)
{
	const struct dl_queue *q = queue->shared;
	const struct dl_queue_numbers *n = &q->numbers;
	int r = durei_handle_check(queue->seg);
	struct dure_queue_info filled;

	if (r < 0)
		return r;
	filled = (struct dure_queue_info){
		.sz = sizeof filled,
		.messages = cell64_load_acq(&n->count),
		.bytes = cell64_load_acq(&n->bytes),
		.taken = cell64_load_acq(&n->taken_count),
		.dead_letters = cell64_load_acq(&n->dead_count),
		.messages_high = cell64_load_acq(&n->count_high),
		.bytes_high = cell64_load_acq(&n->bytes_high),
		.sent = cell64_load_acq(&n->sent),
		.received = cell64_load_acq(&n->received),
		.returned = cell64_load_acq(&n->returned),
		.expired = cell64_load_acq(&n->expired),
		.waits_to_send = cell64_load_acq(&q->waits_to_send),
		.waits_to_receive = cell64_load_acq(&q->waits_to_receive),
		.messages_max = q->messages_max,
		.bytes_max = q->bytes_max,
		.message_bytes_max = q->message_bytes_max,
		.deliveries_max = q->deliveries_max,
		.flags = q->flags,
		.last_sender = (uint32_t)cell64_load_acq(&n->last_sender),
		.last_receiver = (uint32_t)cell64_load_acq(&n->last_receiver),
		.is_shut = cell32_load_acq(&q->state) != DL_QUEUE_OPEN,
		.users = count_users(queue),
	};
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}
