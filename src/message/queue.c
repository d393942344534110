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
 *          [QUEUEC3] inside a caller's transaction the lock is kept to its end once something has
 *                    changed, for the change may yet be undone
 * Death    open: object/object.c; counted without a handle: [USERS2]
 *          shut: one store
 *          destroy, after step            is left behind                   who mends it
 *          1 doomed                       a queue that nobody can open     destroy again
 *          2 some messages freed          the same                         the same
 *          3 name and block gone          nothing                          -
 */
#include "message/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/users.h"
#include "lock/mutex.h"
#include "lock/word.h"
#include "message/name.h"
#include "message/patience.h"
#include "message/users.h"
#include "os/futex.h"
#include "tx/change.h"

enum {
	DESTROY_BATCH = 64,		/* messages freed by one log */
};

/* -- the lock ---------------------------------------------------------------------------- */

static int not_locked(dure_queue *queue, int64_t deadline_ns, int r)
{
	durei_notice_soon(&queue->notice);	/* nothing has been looked at */
	return r == -ETIMEDOUT && !deadline_ns ? durei_error_plain(EAGAIN) : r;
}

/* What nearly every operation changes, from where another one has changed it: all lines at once. */
static inline void fetch_lines(struct dl_queue *q)
{
	__builtin_prefetch(&q->numbers, 1);
	__builtin_prefetch(&q->numbers.count_high, 1);
	__builtin_prefetch(&q->waiting, 1);
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
	if (__builtin_expect(durei_word_is_ours(lane, &lock->word), 0))
		return durei_mutex_take(lane, lock, DL_HELD_CLEAN, 0);		/* which says why not */
	/* a batch holds it for some microseconds: as long as it takes to fall asleep */
	r = durei_word_take(lane, &lock->word, DL_HELD_CLEAN,
			    DUREI_WORD_CHECK_CIRCLES | DUREI_WORD_SPINS,
			    durei_lock_patience(deadline_ns));
	if (__builtin_expect(r < 0, 0))
		return not_locked(queue, deadline_ns, r);
	fetch_lines(queue->shared);
	return 0;
}

void durei_queue_unlock(struct durei_queue_guard *guard)
{
	struct durei_lane *lane = guard->lane;
	struct dl_queue *q = guard->queue->shared;
	struct cell32 *word = &q->lock.word;

	if (!guard->was_held) {
		int index = durei_held_find(lane, durei_offset(lane->seg, word));
		if (guard->in_tx && guard->has_changed)			/* [QUEUEC3] */
			durei_tx_keep(lane, index);
		else
			durei_word_free(lane, word, index);
	}
	if (guard->arrivals)
		durei_queue_wake(lane->seg, &q->arrivals, guard->arrivals);
	if (guard->rooms)
		durei_queue_wake(lane->seg, &q->rooms, guard->rooms);
	if (guard->asker_flags)
		durei_queue_wake(lane->seg, guard->asker, guard->asker_flags);
	guard->arrivals = guard->rooms = guard->asker_flags = 0;
}

int durei_queue_begin(struct durei_queue_guard *guard)
{
	int r = durei_change_begin(guard->lane, guard->in_tx);

	guard->has_changed |= r == 0;
	guard->has_numbers = false;
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

/* -- opening ----------------------------------------------------------------------------- */

static uint64_t queue_bytes(const dure_segment *seg)
{
	return sizeof(struct dl_queue) + durei_users_bytes(seg);
}

/* What the constructor is told. */
struct plan {
	const struct durei_queue_kind *kind;
	struct dure_queue_options options;
};

/* The queue's constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_queue_options *o = &((const struct plan *)context)->options;
	dure_segment *seg = dure_tx_segment(tx);
	struct dl_queue_place *place = object;
	void *block;
	int r = dure_tx_alloc(tx, queue_bytes(seg), 64, &block);

	(void)count;
	if (r < 0)
		return r;
	struct dl_queue *q = memset(block, 0, queue_bytes(seg));
	q->magic = DL_QUEUE_MAGIC;
	q->flags = o->flags | ((const struct plan *)context)->kind->flags;
	q->deliveries_max = o->deliveries_max;
	q->messages_max = o->messages_max;
	q->bytes_max = o->bytes_max;
	q->message_bytes_max = o->message_bytes_max;
	place->queue.raw = durei_offset(seg, block);	/* still private */
	return 0;
}

static int bind(dure_queue *queue, dure_segment *seg, const struct durei_queue_kind *kind,
		const struct dl_queue_place *place, const char *name)
{
	uint64_t offset = cell64_load_acq(&place->queue);

	if (offset % 64 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, queue_bytes(seg)) ||
	    ((struct dl_queue *)durei_at(seg, offset))->magic != DL_QUEUE_MAGIC ||
	    (((struct dl_queue *)durei_at(seg, offset))->flags & DL_QUEUE_IS_SERVICE) != kind->flags)
		return durei_error(EUCLEAN, "segment %s: there is no %s where %s leads to: run dure "
				   "check", seg->super.name, kind->what, name);
	queue->seg = seg;
	queue->offset = offset;
	queue->shared = durei_at(seg, offset);
	queue->is_service = kind->flags != 0;
	snprintf(queue->title, sizeof queue->title, "%s %s", kind->what, name);
	return 0;
}

static struct dure_type type_of(const struct durei_queue_kind *kind)
{
	return dure_type_make(kind->type, sizeof(struct dl_queue_place), 16);
}

static struct durei_name queue_name(dure_segment *seg, const char *name, struct plan *plan)
{
	return (struct durei_name){ .seg = seg, .name = name, .what = plan->kind->what,
				    .type = type_of(plan->kind), .format = format,
				    .options = plan };
}

/* While the name is held. */
static int open_held(dure_queue *queue, dure_segment *seg, const struct durei_queue_kind *kind,
		     const char *name, const struct dl_queue_place *place)
{
	int r = bind(queue, seg, kind, place, name);

	if (r == 0 && cell32_load_acq(&queue->shared->state) == DL_QUEUE_DOOMED)
		r = durei_error(EBUSY, "segment %s: %s is being destroyed, or whoever did died: "
				"destroy it again", seg->super.name, queue->title);
	if (r == 0 && !durei_users_change(seg, queue->shared->users, 1))				/* [QUEUEC2] */
		r = durei_error(EUSERS, "%s is open %d times in this process", queue->title,
				DL_USER_MASK);
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

int durei_queue_join(dure_segment *segment, const struct durei_queue_kind *kind, const char *name,
		     uint32_t flags, const struct dure_queue_options *options, dure_queue **ret)
{
	struct plan plan = { .kind = kind };
	struct durei_name held = queue_name(segment, name, &plan);
	dure_queue *queue;
	void *place;
	dure_tx *tx;
	int r = check_options(options, &plan.options), made;

	if (r < 0)
		return r;
	queue = calloc(1, sizeof *queue);
	made = r = queue ? durei_name_hold(&held, flags, &tx, &place) : durei_error_plain(ENOMEM);
	if (r < 0) {
		free(queue);
		return r;
	}
	r = open_held(queue, segment, kind, name, place);
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

static const struct durei_queue_kind plain = { .what = "queue", .type = "dure_queue" };

int dure_queue_open(dure_segment *segment, const char *name, uint32_t flags,
		    const struct dure_queue_options *options, dure_queue **ret)
{
	return durei_queue_join(segment, &plain, name, flags, options, ret);
}

void dure_queue_close(dure_queue *queue)
{
	if (!queue)
		return;
	if (durei_handle_check_write(queue->seg) == 0)
		(void)durei_users_change(queue->seg, queue->shared->users, -1);
	durei_notice_close(&queue->notice);
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
	guard.arrivals |= DL_NEWS_WAITED | DL_NEWS_PICKY;	/* all of them */
	guard.rooms |= DL_NEWS_WAITED | DL_NEWS_PICKY;
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
		durei_queue_answered(queue),
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
static int doom(dure_segment *segment, const struct durei_queue_kind *kind, const char *name,
		dure_queue *ret)
{
	struct plan plan = { .kind = kind };
	struct durei_name held = queue_name(segment, name, &plan);
	void *place;
	dure_tx *tx;
	uint32_t users;
	int r = durei_name_hold(&held, DURE_OPEN, &tx, &place);

	if (r < 0)
		return r;
	r = bind(ret, segment, kind, place, name);
	if (r == 0 && (users = durei_users_count(segment, ret->shared->users)))
		r = durei_error(EBUSY, "%s is open in %u processes: dure_%s_shut tells them",
				ret->title, users, kind->what);
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

int durei_queue_remove(dure_segment *segment, const struct durei_queue_kind *kind,
			const char *name)
{
	dure_queue queue = { 0 };
	int r = doom(segment, kind, name, &queue);

	if (r < 0)
		return r;
	do
		r = drop_some(&queue);
	while (r > 0);
	return r < 0 ? r : dure_object_destroy(segment, name, type_of(kind), free_queue, &queue);
}

int dure_queue_destroy(dure_segment *segment, const char *name)
{
	return durei_queue_remove(segment, &plain, name);
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
		.flags = q->flags & ~DL_QUEUE_IS_SERVICE,
		.last_sender = (uint32_t)cell64_load_acq(&n->last_sender),
		.last_receiver = (uint32_t)cell64_load_acq(&n->last_receiver),
		.is_shut = cell32_load_acq(&q->state) != DL_QUEUE_OPEN,
		.users = durei_users_count(queue->seg, q->users),
	};
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}
