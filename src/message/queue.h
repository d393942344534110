/* SPDX-License-Identifier: MIT */
/*
 * queue.h - what the files of a message queue have in common
 */
#ifndef DUREI_MESSAGE_QUEUE_H
#define DUREI_MESSAGE_QUEUE_H

#include <dure/queue.h>

#include "layout/news.h"
#include "layout/queue.h"
#include "layout/service.h"
#include "message/line.h"
#include "message/notice.h"
#include "segment/lane.h"

struct dure_queue {
	dure_segment *seg;
	struct dl_queue *shared;
	uint64_t offset;		/* of shared */
	uint64_t look;			/* which of the taken messages is asked after next */
	struct durei_notice notice;
	struct dure_queue_notice asked;	/* by dure_queue_notify */
	bool is_service;
	char title[DURE_OBJECT_NAME_MAX + 16];	/* "queue NAME" */
};

/* A service is a queue whose messages are calls. */
struct durei_queue_kind {
	const char *what;		/* "queue" */
	const char *type;
	uint32_t flags;			/* DL_QUEUE_IS_SERVICE */
};

int durei_queue_join(dure_segment *segment, const struct durei_queue_kind *kind, const char *name,
		     uint32_t flags, const struct dure_queue_options *options, dure_queue **ret);
int durei_queue_remove(dure_segment *segment, const struct durei_queue_kind *kind,
			const char *name);

/* How a call waits. */
enum durei_patience {
	DUREI_SPIN_THEN_SLEEP,
	DUREI_SPIN,
	DUREI_SLEEP,
};

static inline enum durei_patience durei_patience_of(uint32_t flags)
{
	return flags & DURE_QUEUE_SPIN ? DUREI_SPIN
				       : flags & DURE_QUEUE_SLEEP ? DUREI_SLEEP
								  : DUREI_SPIN_THEN_SLEEP;
}

/* The queue locked by this thread, for one operation or to the end of the open transaction. */
struct durei_queue_guard {
	dure_queue *queue;
	struct durei_lane *lane;
	bool in_tx;			/* changes are part of the caller's transaction */
	bool was_held;			/* by an earlier operation of the same transaction */
	bool has_changed;		/* so it keeps the lock */
	bool has_numbers;		/* the open log remembers them already */
	bool has_spun;			/* in vain: it sleeps now */
	enum durei_patience patience;
	uint32_t arrivals, rooms;	/* flags of those to wake when it is unlocked */
	const struct cell32 *asker;	/* the same for the client of a call */
	uint32_t asker_flags;
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

/* The process, for people. */
static inline uint64_t durei_process_of(const dure_segment *seg)
{
	return seg->has_slot ? seg->slots[seg->slot].process : 0;
}

/* -- send.c ------------------------------------------------------------------------------ */

/* What a message is made of: head (a call's, or NULL) and bytes. */
struct durei_letter {
	const struct dl_call *head;
	const void *data;
	size_t bytes;
	uint64_t ret_id, ret_offset;	/* of the message that was sent */
};

int durei_queue_put(dure_queue *queue, struct durei_letter *letter,
		     const struct dure_queue_put *put, int64_t timeout_ns);

/* -- receive.c --------------------------------------------------------------------------- */

/* A receiving call: what was asked for, and what came of it. */
struct durei_receipt {
	struct dure_queue_select which;
	void *buffer;
	size_t room;
	bool is_taken;			/* stays, to be acknowledged */
	bool is_copied;
	struct dure_message message;
	uint64_t offset;		/* of the message */
	const void *data;
};

int durei_message_check(const struct dure_message *ret);
int durei_receipt_begin(dure_queue *queue, const struct dure_queue_select *which,
			struct durei_receipt *c);
int durei_queue_get(dure_queue *queue, struct durei_receipt *c, int64_t timeout_ns);
/* Waits for a message of any type, and leaves it. */
int durei_queue_await(dure_queue *queue, int64_t timeout_ns);
static inline bool durei_receipt_is_truncated(const struct durei_receipt *c)
{
	return c->buffer && c->message.bytes > c->room;
}

/* -- settle.c ---------------------------------------------------------------------------- */

/* The message at offset, if it is that one, and this process has taken it. [SETTLE1] NULL: it is
   not; the sentence is said, *ret_error set. */
struct dl_message *durei_message_taken(dure_queue *queue, uint64_t offset, uint64_t id,
				       int *ret_error);
/* A block that is a message of the queue, of that id; NULL */
struct dl_message *durei_message_find(dure_queue *queue, uint64_t offset, uint64_t id);

/* -- shelf.c: in an open log ------------------------------------------------------------- */

/* A new message, whose block the log takes, comes onto the shelf of those who wait. */
int durei_message_add(struct durei_queue_guard *guard, struct dl_message *m);
/* From the shelf it is on, or from the taken ones, and its block freed. */
int durei_message_drop(struct durei_queue_guard *guard, struct dl_message *m);
/* To another state; holder is 0 but for DL_MESSAGE_TAKEN. */
int durei_message_move(struct durei_queue_guard *guard, struct dl_message *m,
		       enum dl_message_state to, uint64_t holder);

/* Where its user's bytes lie. -EUCLEAN */
int durei_message_data(const dure_queue *queue, const struct dl_message *m, const void **ret,
		       uint64_t *ret_bytes);

/* Is it taken by this process? */
bool durei_message_is_ours(dure_segment *seg, const struct dl_message *m);

/*
 * Under the lock, each in a change of its own: what dead threads have taken comes back. With
 * asks_kernel also of one whose death no word in memory tells. Returns how many, or an error.
 */
int durei_messages_return(struct durei_queue_guard *guard, bool asks_kernel);
/* m has expired if it does at all: it is dropped, or a dead letter. 1: so it was; 0: no. */
int durei_message_expire(struct durei_queue_guard *guard, struct dl_message *m);
/* m, taken by one who is gone, or given back by who has it: it is back, or dead. */
int durei_message_give_back(struct durei_queue_guard *guard, struct dl_message *m, bool is_forced);

/* -- call.c: a service's messages -------------------------------------------------------- */

static inline struct dl_call *durei_call_of(const struct dl_message *m)
{
	return (struct dl_call *)(uintptr_t)(m + 1);
}

static inline struct durei_lines durei_queue_answered(const dure_queue *queue)
{
	return durei_queue_lines(queue, &queue->shared->answered, DUREI_BY_TAKING);
}

/* In an open log: it is answered, by a reply or an errno. */
int durei_call_answer(struct durei_queue_guard *guard, struct dl_message *m, uint64_t reply,
		      uint64_t reply_bytes, int status);
/* Under the lock: this lane has taken it. Its client is told, if it has to be. */
void durei_call_taken(struct durei_queue_guard *guard, struct dl_message *m);
/* In an open log: the blocks that belong to it are freed. */
int durei_call_free_blocks(struct durei_queue_guard *guard, const struct dl_message *m);
/* Does nobody wait for its answer? With asks_kernel also if no word in memory tells. */
bool durei_call_is_unwanted(const dure_queue *queue, const struct dl_message *m,
			    bool asks_kernel);
/* In changes of their own: calls that are answered, and nobody waits for, go. How many. */
int durei_calls_sweep(struct durei_queue_guard *guard, bool asks_kernel);

/* -- wait.c ------------------------------------------------------------------------------ */

/*
 * Unlocks, spins or sleeps on a word of the queue until it may be worth while to look, locks
 * again. After a failure it is unlocked. call: whose server's death is of interest, or NULL
 */
int durei_queue_wait(struct durei_queue_guard *guard, struct cell32 *word, uint32_t flags,
		     struct dl_message *call, int64_t deadline_ns);
/* Takes the flags out of a word that has news. Under the lock. */
uint32_t durei_queue_take_flags(struct cell32 *word);
/* One who has slept got something: others may sleep still, and there is more or not. */
void durei_queue_pass_on(struct cell32 *word, bool has_more, uint32_t *to_wake);
/* The call ends without waiting: who polls is told when it is worth while. */
void durei_queue_arm(struct durei_queue_guard *guard, struct cell32 *word);
/* After unlocking: those whom the flags, taken from the word, speak of (layout/news.h). */
void durei_queue_wake(dure_segment *seg, const struct cell32 *word, uint32_t flags);

#endif
