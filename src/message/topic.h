/* SPDX-License-Identifier: MIT */
/*
 * topic.h - what the files of a topic have in common
 */
#ifndef DUREI_MESSAGE_TOPIC_H
#define DUREI_MESSAGE_TOPIC_H

#include <dure/topic.h>

#include "layout/topic.h"
#include "message/notice.h"
#include "segment/lane.h"

/* A topic as this process has found it: addresses and sizes, checked once. */
struct durei_topic {
	dure_segment *seg;
	struct dl_topic *shared;
	struct dl_subscriber *rows;
	struct cell64 *cells;
	struct cell64 *users;
	uint64_t offset;		/* of shared */
	uint64_t cell_count;
	unsigned cell_shift;
	uint32_t row_count;
	uint64_t messages_max;
	struct durei_notice notice;
	char name[DURE_OBJECT_NAME_MAX + 1];
};

struct dure_topic {
	struct durei_topic t;
};

#define DUREI_NO_GATE UINT64_MAX

static inline struct cell64 *durei_topic_cell(const struct durei_topic *t, uint64_t sequence)
{
	return &t->cells[sequence & (t->cell_count - 1)];
}

static inline uint64_t durei_topic_lap(const struct durei_topic *t, uint64_t sequence)
{
	return (sequence >> t->cell_shift) + 1;
}

int durei_topic_damaged(const struct durei_topic *t);

/* The publication at an offset out of the segment, if it is this topic's; else NULL. */
struct dl_publication *durei_publication_at(const struct durei_topic *t, uint64_t offset);

/*
 * Locks it for one operation; the deadline is for what the call waits for. This thread's lane, or
 * NULL and *ret_error: -EDEADLK (inside a transaction) -EAGAIN -ETIMEDOUT -ESTALE -EROFS
 */
struct durei_lane *durei_topic_lock(const struct durei_topic *t, int64_t deadline_ns,
				    int *ret_error);
void durei_topic_unlock(const struct durei_topic *t, struct durei_lane *lane);

/* Finds a topic that is open, and counts one more user of it; for topics and subscribers. */
int durei_topic_use(struct durei_topic *t);
void durei_topic_unuse(struct durei_topic *t);

/* -- retire.c: under the lock ------------------------------------------------------------ */

/* A row whose holder is gone is nobody's; asks_kernel: also if no word in memory tells. */
int durei_row_mend(const struct durei_topic *t, struct durei_lane *lane, uint32_t row,
		   bool asks_kernel, bool *ret_gone);

/*
 * The least `next` of those who block publishers, and whose row it is; DUREI_NO_GATE: nobody
 * does. Who is gone does not.
 */
int durei_gate_look(const struct durei_topic *t, struct durei_lane *lane, bool asks_kernel,
		    uint64_t *ret_gate, uint32_t *ret_row);

/* Publications below `to` are kept no more. */
int durei_topic_retire(const struct durei_topic *t, struct durei_lane *lane, uint64_t to);

/* Orphans that nobody has a pin on go. */
int durei_topic_sweep(const struct durei_topic *t, struct durei_lane *lane);
/* A pin on an orphan has gone: if the lock is to be had, it is swept at once. */
void durei_topic_sweep_soon(const struct durei_topic *t);

/* -- wake.c ------------------------------------------------------------------------------ */

/* Says that somebody will wait, before he looks once more; returns what to sleep on. */
uint32_t durei_topic_expect(struct cell32 *word);
/* The same for who polls, if anybody has asked for the descriptor. */
void durei_topic_arm(struct durei_topic *t, struct cell32 *word);
/* After a store that others may wait for, and a full fence. */
void durei_topic_wake(dure_segment *seg, struct cell32 *word);

#endif
