/* SPDX-License-Identifier: MIT */
/*
 * dure/inspect.h - looking at a segment: for tools, tests and the curious
 *
 * Nothing here changes a segment or waits for anybody. Others may be changing it meanwhile:
 * what is seen is then a moment's picture, and a check can only be trusted on a segment at
 * rest, or on a copy-on-write view or a clone.
 */
#ifndef DURE_INSPECT_H
#define DURE_INSPECT_H

#include <dure/object.h>

DURE_BEGIN

enum dure_finding_grade {
	DURE_FINDING_MENDABLE = 1,	/* left by the dead; the next who needs it mends it */
	DURE_FINDING_DAMAGED = 2,	/* no death leaves this: somebody wrote wrong bytes */
};

struct dure_finding {
	size_t sz;
	uint32_t grade;			/* enum dure_finding_grade */
	char rule[16];			/* of the source, as PAGE4: what is violated */
	uint64_t offset;		/* where in the segment */
	const char *text;		/* a sentence; borrowed for the visit */
};

struct dure_check {
	size_t sz;
	uint64_t mendable, damaged;	/* findings */
	uint64_t pages, blocks;		/* looked at */
	uint64_t live_blocks, live_bytes;
	uint64_t reserved_blocks;
	uint64_t objects;
	uint64_t threads, dead_threads;
};

/*
 * dure_segment_check - does all of it hold together
 *
 * visit (may be NULL) gets each finding; ret (may be NULL) the sums.
 *
 * Returns  0 clean, 1 mendable, 2 damaged; -EINVAL -ESTALE
 */
DURE_API int dure_segment_check(dure_segment *segment, struct dure_check *ret,
				void (*visit)(const struct dure_finding *finding, void *context),
				void *context);

enum dure_share_kind {
	DURE_SHARE_READS = 1,		/* under a dure_rwlock */
	DURE_SHARE_UNITS = 2,		/* of a dure_semaphore, not posted yet */
	DURE_SHARE_MEMBER = 3,		/* of something that counts its members */
	DURE_SHARE_UNDO = 4,		/* of a dure_semset: its process may have to undo something */
};

/* What a thread has of a lock that several can have at once. */
struct dure_thread_share {
	dure_ref lock;
	uint32_t kind;			/* enum dure_share_kind */
	uint32_t units;
};

struct dure_thread_info {
	size_t sz;
	uint32_t lane;
	uint32_t state;			/* 1 attached, 2 parked, 3 being mended */
	uint32_t is_alive;
	uint32_t thread;		/* id in its own PID namespace */
	uint32_t slot;
	uint32_t in_transaction;
	uint32_t lock_count;		/* locks it holds */
	uint32_t reserved;
	dure_ref waits_for;		/* the lock it sleeps for, {0}: none */
	dure_ref locks[16];		/* the first of those it holds */
	uint64_t pages;			/* of the heap it owns */
	uint64_t attached_ns;		/* wall clock */
	uint32_t share_count;		/* locks it shares with others */
	uint32_t reserved2;
	struct dure_thread_share shares[16];	/* the first of them */
};

/* dure_thread_list - the threads attached now. Returns 0, or what visit returned; -ESTALE */
DURE_API int dure_thread_list(dure_segment *segment,
			      int (*visit)(const struct dure_thread_info *info, void *context),
			      void *context);

/* dure_participant_list - the processes attached, and dead ones not yet dealt with.
   Returns 0, or what visit returned; -ESTALE */
DURE_API int dure_participant_list(dure_segment *segment,
				   int (*visit)(const struct dure_participant *participant,
						void *context),
				   void *context);

enum dure_page_kind {
	DURE_PAGE_HOLE = 1,		/* no storage yet */
	DURE_PAGE_FREE = 2,		/* has storage, holds nothing */
	DURE_PAGE_BLOCKS = 3,		/* cut into blocks of one size */
	DURE_PAGE_RUN = 4,		/* one large block */
	DURE_PAGE_BUSY = 5,		/* somebody, or somebody dead, is changing what it is */
	DURE_PAGE_DAMAGED = 6,		/* its word makes no sense: dure_segment_check says why */
};

enum dure_page_block {
	DURE_PAGE_BLOCK_FREE = 0,
	DURE_PAGE_BLOCK_RESERVED = 1,	/* known to one process only */
	DURE_PAGE_BLOCK_LIVE = 2,
};

/* Pages that belong together: a stretch of holes or free pages, a page or run of blocks. */
struct dure_page_info {
	size_t sz;
	uint64_t offset;		/* in the segment */
	uint64_t bytes;
	uint32_t kind;			/* enum dure_page_kind */
	uint32_t lane;			/* of the thread that owns it, or 0 */
	uint64_t block_bytes;		/* 0: there are no blocks in it */
	uint64_t live, reserved, free;	/* blocks */
	const unsigned char *blocks;	/* enum dure_page_block of each; borrowed for the visit */
};

/*
 * dure_page_list - the pages of the heap, by address
 *
 * Each begins where the one before it ended; together they are all of the heap, also when it
 * is damaged. Others may be changing it meanwhile: then each is what it was when it was visited.
 *
 * Returns  0, or what visit returned; -EINVAL -ESTALE
 */
DURE_API int dure_page_list(dure_segment *segment,
			    int (*visit)(const struct dure_page_info *info, void *context),
			    void *context);

/* What messages go through, as an observer sees it. */
enum dure_channel_kind {
	DURE_CHANNEL_QUEUE = 1,
	DURE_CHANNEL_SERVICE = 2,
	DURE_CHANNEL_TOPIC = 3,
	DURE_CHANNEL_RING = 4,
	DURE_CHANNEL_BOARD = 5,
	DURE_CHANNEL_LANES = 6,
};

/* Figures; 0 where there is no such thing. While others change it, they may not fit together. */
struct dure_channel_info {
	size_t sz;
	uint32_t kind;			/* enum dure_channel_kind */
	uint32_t is_shut;		/* or being destroyed */
	uint64_t messages, bytes;	/* queue, service: waiting and taken; topic: kept; ring, lanes:
					   bytes not received, heads of records included */
	uint64_t taken;			/* of these: with receivers, or servers */
	uint64_t dead_letters;
	uint64_t in, out;		/* since the beginning: sent, published, written; received,
					   answered. Rings and lanes count neither */
	uint64_t messages_max, bytes_max;
	uint32_t users;			/* living processes that have it open; not of rings
					   and lanes */
	uint32_t reserved;
};

/*
 * dure_channel_info - how full a queue, service, topic, ring, board or set of lanes is
 *
 * object is one of those that dure_object_list visits. Unlike dure_queue_info and its kin this
 * needs neither a handle nor the right to write, and does not count as a user.
 *
 * Returns  0; -EINVAL (it is none of them) -EUCLEAN -ESTALE
 */
DURE_API int dure_channel_info(dure_segment *segment, const struct dure_object_info *object,
			       struct dure_channel_info *info);

enum dure_holder_role {
	DURE_HOLDER_MESSAGE = 1,	/* has taken it from a queue or service, and not settled it */
	DURE_HOLDER_SENDER = 2,		/* has this end of a ring, or of a lane */
	DURE_HOLDER_RECEIVER = 3,
};

struct dure_holder_info {
	size_t sz;
	uint32_t role;			/* enum dure_holder_role */
	uint32_t is_alive;
	uint32_t process, thread;	/* ids, in their own namespace; 0: it is gone */
	uint64_t id;			/* of the message, and what follows */
	int64_t type;
	uint64_t bytes;
	uint32_t priority;
	uint32_t deliveries;
};

/*
 * dure_holder_list - who has which message of a queue or service, and the ends of a ring, or of lanes
 *
 * object as above; of topics and boards there is nothing to visit (dure_topic_look has a topic's
 * subscribers). Messages come in the order in which they were taken. What the dead have is listed
 * until somebody who needs it takes it back.
 *
 * Returns  0, or what visit returned; -EINVAL -EUCLEAN -ENOMEM -ESTALE
 */
DURE_API int dure_holder_list(dure_segment *segment, const struct dure_object_info *object,
			      int (*visit)(const struct dure_holder_info *info, void *context),
			      void *context);

DURE_END

#endif
