/* SPDX-License-Identifier: MIT */
/*
 * dure/topic.h - topics: what is published goes to every subscriber, where it lies
 *
 *	dure_topic *topic;
 *	r = dure_topic_open(segment, "pose", DURE_CREATE | DURE_OPEN, NULL, &topic);
 *	r = dure_topic_loan(topic, sizeof *pose, (void **)&pose);
 *	...
 *	r = dure_topic_publish(topic, pose, sizeof *pose, DURE_FOREVER);
 *
 *	dure_subscriber *subscriber;
 *	r = dure_topic_subscribe(topic, NULL, &subscriber);
 *	r = dure_subscriber_take(subscriber, &data, NULL, DURE_FOREVER);
 *	...
 *	r = dure_subscriber_give_back(subscriber, data);
 *
 * A publisher borrows a block of the segment, fills it, and publishes it: nothing is copied,
 * and it costs the same for one subscriber and for a hundred. Publications have a sequence,
 * from 0 up, that all publishers share. The topic keeps the last messages_max of them: so much
 * a subscriber may lag behind, and so much one that joins may ask for; what it gets joins on to
 * what is published next, without a hole and without a repetition.
 *
 * What a subscriber that lags further behind gets is its own choice:
 *
 *	DURE_TOPIC_DROP		the oldest are lost, and it is told how many
 *	DURE_TOPIC_LATEST	always the latest; it is told how many it has passed over
 *	DURE_TOPIC_BLOCK	all of them: publishers wait for it, as long as they like
 *	DURE_TOPIC_EVICT	nothing any more but -ECONNRESET: it subscribes anew
 *
 * A publication's memory goes back when the topic keeps it no more and no subscriber has it.
 * What a dead publisher had on loan is free at once; a dead subscriber holds up nobody, and what
 * it had on loan goes back when next room is made, or somebody subscribes or gives back. (The
 * topic keeps up to a quarter more, or 64 KiB, before it makes room for many at once.) A stopped
 * subscriber has what its policy says, and keeps what it has on loan.
 *
 * A subscription belongs to the thread that made it, until it is closed or that thread ends.
 *
 * Common to all functions here: Threads: a topic's handle any, a subscriber's the one that
 * subscribed. Transactions: publishing, subscribing and destroying are no part of them and
 * answer -EDEADLK inside one; receiving is no part of them. Signals: not from a handler. Fork: the
 * child's handles answer -ESTALE. A process that is stopped inside a call that publishes,
 * subscribes or closes holds up others who do so, and never those who receive.
 */
#ifndef DURE_TOPIC_H
#define DURE_TOPIC_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_topic dure_topic;
typedef struct dure_subscriber dure_subscriber;

struct dure_topic_options {
	size_t sz;
	uint64_t messages_max;		/* kept; default 64, at most 1048576 */
	uint64_t bytes_max;		/* kept, of all of them; 0: no limit */
	uint64_t message_bytes_max;	/* of one; 0: no limit */
	uint32_t subscribers_max;	/* default 64, at most 4096 */
	uint32_t flags;			/* 0 */
};

/*
 * dure_topic_open - make a topic by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. The topic is an object of the segment. options (may be
 * NULL) count when it is made.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL -EBUSY (being destroyed) -EDEADLK -ENOSPC
 *          -ENOMEM -EUSERS (open too often in this process) -EUCLEAN -EROFS -ESTALE
 * Death    the topic exists, with its name, or nothing of it does.
 */
DURE_API int dure_topic_open(dure_segment *segment, const char *name, uint32_t flags,
			     const struct dure_topic_options *options, dure_topic **ret);

/* dure_topic_close - forget this handle; the topic, loans and subscribers stay. NULL is allowed */
DURE_API void dure_topic_close(dure_topic *topic);

/*
 * dure_topic_shut - nothing more is published
 *
 * From now on publishing answers -ESHUTDOWN; so does receiving once a subscriber has had all.
 * Whoever waits wakes, and is told the same.
 *
 * Returns  0 (also when it was shut before); -EDEADLK -EROFS -ESTALE
 */
DURE_API int dure_topic_shut(dure_topic *topic);

/*
 * dure_topic_destroy - free all publications, then the topic and its name
 *
 * No living process has it open: shut it, and they learn of it.
 *
 * Returns  0; -ENOENT -EBUSY (it is open somewhere) -EINVAL -ENOSPC -EDEADLK -EROFS -ESTALE
 *          -EUCLEAN
 * Death    the topic is there with some publications less and cannot be opened, or is gone:
 *          destroy again.
 */
DURE_API int dure_topic_destroy(dure_segment *segment, const char *name);

/*
 * dure_topic_loan - borrow a block for a publication
 *
 * It is this process' own, aligned to 16, and not initialised, until it is published or
 * cancelled.
 *
 * Returns  0; -EMSGSIZE (it would never fit the topic's limits) -ENOSPC (the segment is full)
 *          -ENOMEM -EROFS -ESTALE
 * Death    the block is free.
 */
DURE_API int dure_topic_loan(dure_topic *topic, size_t bytes, void **ret);

/* dure_topic_cancel - give a loan back unpublished. Returns 0; -EINVAL (it is none of this
   topic's, or is published) -EROFS -ESTALE. Death: it is free */
DURE_API int dure_topic_cancel(dure_topic *topic, void *loan);

/*
 * dure_topic_publish - publish the first bytes of a loan
 *
 * Waits at most timeout_ns for subscribers that block. Afterwards the loan is everybody's to
 * read, and nobody's to write; after a failure it is still the caller's. bytes: at most those
 * borrowed.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (a subscriber blocks) -EINVAL (no loan of this topic's, or
 *          published already) -EMSGSIZE -ENOSPC -ESHUTDOWN -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    it is published, or the block is free.
 */
DURE_API int dure_topic_publish(dure_topic *topic, void *loan, size_t bytes, int64_t timeout_ns);

/*
 * dure_topic_send - publish a copy
 *
 * Returns  as dure_topic_loan and dure_topic_publish
 * Death    it is published, or nothing of it is left.
 */
DURE_API int dure_topic_send(dure_topic *topic, const void *data, size_t bytes, int64_t timeout_ns);

/* what happens to a subscriber that lags too far behind */
enum {
	DURE_TOPIC_DROP = 0,
	DURE_TOPIC_LATEST = 1,
	DURE_TOPIC_BLOCK = 2,
	DURE_TOPIC_EVICT = 3,

	DURE_TOPIC_LOANS_MAX = 7,	/* that one subscriber can have */
};
#define DURE_TOPIC_ALL UINT64_MAX

struct dure_subscribe_options {
	size_t sz;
	uint32_t policy;
	uint32_t reserved;
	uint64_t history;		/* begin with so many of the last, or DURE_TOPIC_ALL */
};

/*
 * dure_topic_subscribe - receive what is published from now on, and the last ones before
 *
 * Every publication after this is received, or counted as lost; and directly before these come
 * the last `history` that the topic still keeps. The subscriber outlives the topic's handle.
 *
 * Returns  0; -EUSERS (there are subscribers_max) -EINVAL (policy) -ENOMEM -ESHUTDOWN -EDEADLK
 *          -EUCLEAN -EROFS -ESTALE
 * Death    nobody has subscribed.
 */
DURE_API int dure_topic_subscribe(dure_topic *topic, const struct dure_subscribe_options *options,
				  dure_subscriber **ret);

/* dure_subscriber_close - subscribed no more; what it has on loan goes back. NULL is allowed */
DURE_API void dure_subscriber_close(dure_subscriber *subscriber);

/* a publication as it was received */
struct dure_publication {
	size_t sz;
	uint64_t sequence;
	uint64_t bytes;
	uint64_t lost;			/* so many between the one before and this were not received */
	uint32_t publisher;		/* process id, in its own namespace */
	uint32_t reserved;
};

/*
 * dure_subscriber_take - the next publication, where it lies
 *
 * Waits at most timeout_ns for one. *ret stays as it is until it is given back, whatever is
 * published; others read the same bytes. ret_publication may be NULL.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (none came) -EBUSY (DURE_TOPIC_LOANS_MAX are on loan: give one
 *          back) -ECONNRESET (evicted) -ESHUTDOWN -EPERM (another thread's subscriber) -EINVAL
 *          -EUCLEAN -EROFS -ESTALE
 * Death    the publication is nobody's any more, or others'.
 */
DURE_API int dure_subscriber_take(dure_subscriber *subscriber, const void **ret,
				  struct dure_publication *ret_publication, int64_t timeout_ns);

/* dure_subscriber_give_back - done with what take gave. Returns 0; -EINVAL (it is not on loan)
   -EPERM -EROFS -ESTALE. Death: it goes back */
DURE_API int dure_subscriber_give_back(dure_subscriber *subscriber, const void *data);

/*
 * dure_subscriber_receive - a copy of the next publication
 *
 * Returns  as take; -EMSGSIZE (the buffer is too small: the publication can still be received)
 * Death    as take
 */
DURE_API int dure_subscriber_receive(dure_subscriber *subscriber, void *buffer,
				     size_t buffer_bytes, struct dure_publication *ret_publication,
				     int64_t timeout_ns);

/*
 * dure_subscriber_fd - a descriptor to poll
 *
 * It belongs to the subscriber, becomes readable when something may have been published, or the
 * topic has been shut; there may be nothing. Then take or receive with timeout 0 until it
 * answers -EAGAIN: that makes the descriptor quiet. Nothing that comes after is missed. It is
 * readable at first. Nobody pays for it while nobody polls.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP (the segment has no file) -EMFILE
 *          -EPERM -EROFS -ESTALE
 */
DURE_API int dure_subscriber_fd(dure_subscriber *subscriber);

/*
 * dure_topic_fd - the same for publishers
 *
 * It is readable when a subscriber may block no more, or is gone: publish with timeout 0 until
 * that answers -EAGAIN. One thread at a time publishes by a handle that has one.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP -EMFILE -EROFS -ESTALE
 */
DURE_API int dure_topic_fd(dure_topic *topic);

struct dure_topic_info {
	size_t sz;
	uint64_t published;		/* since the beginning: the next sequence */
	uint64_t messages, bytes;	/* kept, for whoever joins or lags */
	uint64_t on_loan, on_loan_bytes;	/* kept no more, and still with a subscriber */
	uint64_t bytes_high;
	uint64_t died;			/* subscribers that died */
	uint64_t waits_to_publish, waits_to_receive;	/* calls that had to sleep */
	uint64_t messages_max, bytes_max, message_bytes_max;
	uint32_t subscribers, subscribers_max;
	uint32_t last_publisher;	/* process id, in its own namespace */
	uint32_t is_shut;
	uint32_t users;			/* living processes that have it open */
	uint32_t reserved;
};

struct dure_subscriber_info {
	size_t sz;
	uint64_t next;			/* the sequence that it takes next */
	uint64_t lag;			/* publications that it has not taken yet */
	uint64_t taken, lost;
	uint64_t since_ns;		/* wall clock */
	uint32_t policy;
	uint32_t loans;
	uint32_t process;		/* id, in its own namespace */
	uint32_t is_alive;
};

/* dure_topic_info - figures of a topic; while others change it, they may not fit together.
   Returns 0; -EINVAL -ESTALE */
DURE_API int dure_topic_info(dure_topic *topic, struct dure_topic_info *info);

/*
 * dure_topic_look - figures of a topic and its subscribers, by name
 *
 * Also in a segment that is open for reading only. visit (may be NULL) is called for each
 * subscriber; one that returns non-zero ends the list. info may be NULL.
 *
 * Returns  0, or what visit returned; -ENOENT -EINVAL -EUCLEAN -ESTALE
 */
DURE_API int dure_topic_look(dure_segment *segment, const char *name, struct dure_topic_info *info,
			     int (*visit)(const struct dure_subscriber_info *info, void *context),
			     void *context);

DURE_END

#endif
