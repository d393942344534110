/* SPDX-License-Identifier: MIT */
/*
 * queue.h - a message queue as it lies in a segment
 *
 * Layout   an object of type "dure_queue" with one struct dl_queue_place, which leads to a block:
 *          struct dl_queue, then a word per process that may use it. Messages are blocks of
 *          their own: struct dl_message, then the bytes.
 *
 *          A shelf orders messages twice: by priority, and by type and priority. Each order is a
 *          treap of lines. A line is a ring of the messages that have the same key, oldest
 *          first; its first message is the treap's node. So there is nothing to allocate but
 *          messages, and a queue with one type and one priority is two plain lists.
 *
 *		order ---> [p 9] ------------.
 *		          /     \             next
 *		      [p 30]   [p 0] --> [p 0] --> [p 0]      links.next, 0 behind the last
 *		                 ^---------------------'        links.prev of the first: the last
 *
 * Rules    [QUEUE1] all but `users` and the messages' bytes is read and written under `lock`
 *          [QUEUE2] a message is on the shelf `waiting`, on the shelf `dead`, or in the line
 *                   `taken`; state says which, and holder is not 0 in `taken` alone
 *          [QUEUE3] left and right mean something in the first message of a line only
 *          [QUEUE4] lines are in the order of id, which grows with each message sent; `taken`
 *                   is in the order of taking
 *          [QUEUE5] count and bytes are those of waiting and taken together; dead letters are
 *                   counted apart
 */
#ifndef DUREI_LAYOUT_QUEUE_H
#define DUREI_LAYOUT_QUEUE_H

#include <assert.h>
#include <stddef.h>

#include "layout/lock.h"

enum { DL_QUEUE_MAGIC = 0x75657571, DL_PRIORITY_MAX = 32767 };

struct dl_queue_place {
	struct cell64 queue;		/* offset of the struct dl_queue; written before the name */
	uint64_t reserved;
};

enum dl_message_state {
	DL_MESSAGE_WAITING = 1,
	DL_MESSAGE_TAKEN = 2,
	DL_MESSAGE_DEAD = 3,
	DL_MESSAGE_ANSWERED = 4,	/* of a service: layout/service.h */
};

struct dl_links {
	struct cell64 next;		/* in the line; 0: the last one */
	struct cell64 prev;		/* of the first one: the last one */
	struct cell64 left, right;	/* lines before and behind this one in the treap [QUEUE3] */
};

struct dl_message {
	uint64_t queue;			/* offset of its queue; so this block is a message */
	uint64_t id;
	int64_t type;
	uint32_t priority;
	uint32_t reserved;
	uint64_t bytes;
	uint64_t expires_ns;		/* wall clock; 0: never */
	struct cell64 holder;		/* generation of the slot (32) | lock word of the lane */
	struct cell32 state;
	struct cell32 deliveries;	/* how often it has been taken */
	struct dl_links order;		/* by priority; in `taken` by time */
	struct dl_links kind;		/* by type and priority */
};

struct dl_shelf {
	struct cell64 order, kind;	/* roots */
};

/* what every operation changes: remembered by a log as a whole */
struct dl_queue_numbers {
	struct cell64 next_id;
	struct cell64 count, bytes;	/* [QUEUE5] */
	struct cell64 taken_count;
	struct cell64 dead_count;
	struct cell64 expiring;		/* waiting messages that expire some day */
	struct cell64 sent, received;
	struct cell64 count_high, bytes_high;
	struct cell64 returned;		/* given back by, or in the name of, their holders */
	struct cell64 expired;
	struct cell64 last_sender, last_receiver;	/* process ids, for people */
	struct cell64 answered_count;	/* of a service */
	struct cell64 takers;		/* of a service: lanes that took last, 16 bits each */
};

/* in flags, besides those of the options */
#define DL_QUEUE_IS_SERVICE UINT32_C(0x80000000)

enum { DL_QUEUE_OPEN = 0, DL_QUEUE_SHUT = 1, DL_QUEUE_DOOMED = 2 };

struct dl_queue {
	struct dl_mutex lock;
	struct cell32 arrivals;		/* receivers sleep here; layout/news.h */
	struct cell32 rooms;		/* senders sleep here */
	struct cell32 state;
	uint32_t magic;
	uint32_t flags;			/* these: written once */
	uint32_t deliveries_max;
	uint64_t messages_max;
	uint64_t bytes_max;
	uint64_t message_bytes_max;

	struct dl_queue_numbers numbers;

	struct dl_shelf waiting;
	struct dl_shelf dead;
	struct cell64 taken;
	struct cell64 answered;		/* of a service */
	struct cell64 waits_to_send, waits_to_receive;	/* statistics */

	struct cell64 users[];		/* layout/users.h */
};

static_assert(sizeof(struct dl_queue_place) == 16, "no padding");
static_assert(sizeof(struct dl_shelf) == 16, "no padding");
static_assert(sizeof(struct dl_links) == 32, "no padding");
static_assert(sizeof(struct dl_message) == 128, "the bytes begin on a line of their own");
static_assert(sizeof(struct dl_queue_numbers) == 128, "two lines");
static_assert(offsetof(struct dl_queue, numbers) == 64, "no padding");
static_assert(sizeof(struct dl_queue) == 256, "no padding");

#endif
