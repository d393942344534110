/* SPDX-License-Identifier: MIT */
/*
 * queue.h - what the files of a message queue have in common
 */
#ifndef DUREI_MESSAGE_QUEUE_H
#define DUREI_MESSAGE_QUEUE_H

#include <dure/queue.h>

#include "layout/news.h"
#include "layout/queue.h"
#include "message/line.h"
#include "message/notice.h"
#include "segment/lane.h"

struct dure_queue {
	dure_segment *seg;
	struct dl_queue *shared;
	uint64_t offset;		/* of shared */
	uint64_t look;			/* which of the taken messages is asked after next */
	struct durei_notice notice;
	char name[DURE_OBJECT_NAME_MAX + 1];
};

/* The queue locked by this thread, for one operation or to the end of the open transaction. */
struct durei_queue_guard {
	dure_queue *queue;
	struct durei_lane *lane;
	bool in_tx;			/* changes are part of the caller's transaction */
	bool was_held;			/* by an earlier operation of the same transaction */
	bool has_changed;		/* so it keeps the lock */
	uint32_t arrivals, rooms;	/* flags of those to wake when it is unlocked */
};

/* The deadline is for what the call waits for. 0; -EDEADLK -EAGAIN -ETIMEDOUT -ESTALE -EROFS */
int durei_queue_lock(dure_queue *queue, int64_t deadline_ns, struct durei_queue_guard *ret);
void durei_queue_unlock(struct durei_queue_guard *guard);

/* A change: begin, entries in the lane's log, end. end hands r through; a failure undoes. */
int durei_queue_begin(struct durei_queue_guard *guard);
int durei_queue_end(struct durei_queue_guard *guard, int r);

/* Under the lock: receivers, or senders, will be woken when it is given back. */
void durei_queue_tell_receivers(struct durei_queue_guard *guard);
void durei_queue_tell_senders(struct durei_queue_guard *guard);

struct durei_lines durei_queue_lines(const dure_queue *queue, struct cell64 *root,
				     enum durei_order order);
static inline struct durei_lines durei_queue_taken(const dure_queue *queue)
{
	return durei_queue_lines(queue, &queue->shared->taken, DUREI_BY_TAKING);
}

/* As many messages as the number says; but no more than there can be, whatever it says. */
static inline uint64_t durei_number_of_messages(const dure_queue *queue,
						const struct cell64 *number)
{
	return min_u64(cell64_load_rlx(number),
		       queue->seg->mapped_bytes / sizeof(struct dl_message));
}

/* Adds to one of the numbers, which an open log remembers. */
static inline void durei_number_add(struct cell64 *number, uint64_t change)
{
	cell64_store_rel(number, cell64_load_rlx(number) + change);
}

/* -- select.c ---------------------------------------------------------------------------- */

/* A wish as it was given, checked. */
int durei_select_read(const struct dure_queue_select *which, struct dure_queue_select *ret);
/* The message that is meant, which->skip of them passed over; NULL: none, or *ret_error. */
struct dl_message *durei_select(const dure_queue *queue, const struct dure_queue_select *which,
				int *ret_error);

/* -- shelf.c: in an open log ------------------------------------------------------------- */

/* A new message, whose block the log takes, comes onto the shelf of those who wait. */
int durei_message_add(struct durei_queue_guard *guard, struct dl_message *m);
/* From the shelf it is on, or from the taken ones, and its block freed. */
int durei_message_drop(struct durei_queue_guard *guard, struct dl_message *m);
/* To another state; holder is 0 but for DL_MESSAGE_TAKEN. */
int durei_message_move(struct durei_queue_guard *guard, struct dl_message *m,
		       enum dl_message_state to, uint64_t holder);

/* Is it taken by this process? */
bool durei_message_is_ours(dure_segment *seg, const struct dl_message *m);

/*
 * Under the lock, each in a change of its own: what dead threads have taken comes back. With
 * asks_kernel also of one whose death no word in memory tells. Returns how many, or an error.
 */
int durei_messages_return(struct durei_queue_guard *guard, bool asks_kernel);
/* m has expired if it does at all: it is dropped, or a dead letter. 1: so it was; 0: no. */
int durei_message_expire(struct durei_queue_guard *guard, struct dl_message *m);

/* -- wait.c ------------------------------------------------------------------------------ */

/*
 * Unlocks, sleeps on a word of the queue until it may be worth while to look, locks again. After
 * a failure it is unlocked.
 */
int durei_queue_wait(struct durei_queue_guard *guard, struct cell32 *word, uint32_t flags,
		     int64_t deadline_ns);
/* One who has slept got something: others may sleep still, and there is more or not. */
void durei_queue_pass_on(struct cell32 *word, bool has_more, uint32_t *to_wake);
/* The call ends without waiting: who polls is told when it is worth while. */
void durei_queue_arm(struct durei_queue_guard *guard, struct cell32 *word);
/* After unlocking: those whom the flags, taken from the word, speak of (layout/news.h). */
void durei_queue_wake(dure_segment *seg, const struct cell32 *word, uint32_t flags);

#endif
