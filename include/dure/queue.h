/* SPDX-License-Identifier: MIT */
/*
 * dure/queue.h - message queues: many senders, many receivers, each message to exactly one
 *
 *	dure_queue *queue;
 *	r = dure_queue_open(segment, "orders", DURE_CREATE | DURE_OPEN, NULL, &queue);
 *	r = dure_queue_send(queue, "text", 4, NULL, DURE_FOREVER);
 *
 *	struct dure_message message = { .sz = sizeof message };
 *	r = dure_queue_take(queue, NULL, buffer, sizeof buffer, &message, DURE_FOREVER);
 *	...
 *	r = dure_queue_acknowledge(queue, &message);
 *
 * Messages have a priority (0 to 32767, as in POSIX; higher ones come first) and a type (1 and
 * above, as in System V); among those of one priority the oldest comes first. A receiver says
 * which types it wants.
 *
 * receive removes a message. take leaves it in the queue, for nobody else to see, until it is
 * acknowledged; when the thread that has taken it ends before, be it by SIGKILL, the message is
 * back at its place for the next one who asks, with its delivery counted. (A thread that ends
 * while its process holds reserved blocks may keep it to the process' end.) One that comes back
 * from the dead after deliveries_max deliveries becomes a dead letter; so does one that is
 * rejected, but not one that is requeued. Dead letters are received by asking for them.
 *
 * Inside a transaction of the calling thread all of these are part of it: what it sends is seen
 * with its commit, what it has received is back at its place when it is aborted or dies. The
 * queue is locked to the end of the transaction.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE; it opens the queue again. Death: each call has happened or has not.
 * A stopped process blocks others only while it is inside a call, or has the queue in an open
 * transaction.
 */
#ifndef DURE_QUEUE_H
#define DURE_QUEUE_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_queue dure_queue;

enum {
	/* options.flags */
	DURE_QUEUE_KEEP_EXPIRED = 1,	/* messages that expire become dead letters */

	DURE_PRIORITY_MAX = 32767,
	DURE_QUEUE_BATCH_MAX = 64,	/* messages that one call sends or receives */
};

/* all limits: 0 is none. A message counts until it is received or acknowledged. */
struct dure_queue_options {
	size_t sz;
	uint64_t messages_max;
	uint64_t bytes_max;		/* of all messages */
	uint64_t message_bytes_max;
	uint32_t deliveries_max;	/* then it is a dead letter */
	uint32_t flags;
};

/*
 * dure_queue_open - make a queue by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. The queue is an object of the segment. options (may be
 * NULL) count when it is made.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL -EBUSY (being destroyed) -EDEADLK (inside a
 *          transaction) -ENOSPC -ENOMEM -EUCLEAN -EROFS -ESTALE
 * Death    the queue exists, with its name, or nothing of it does.
 */
DURE_API int dure_queue_open(dure_segment *segment, const char *name, uint32_t flags,
			     const struct dure_queue_options *options, dure_queue **ret);

/* dure_queue_close - forget this handle; the queue stays. What it has taken stays taken.
   NULL is allowed */
DURE_API void dure_queue_close(dure_queue *queue);

/*
 * dure_queue_shut - nothing more is sent
 *
 * From now on sending answers -ESHUTDOWN; so does receiving once no message is left. Whoever
 * waits wakes, and is told the same.
 *
 * Returns  0 (also when it was shut before); -EROFS -ESTALE
 */
DURE_API int dure_queue_shut(dure_queue *queue);

/*
 * dure_queue_destroy - free all messages, then the queue and its name
 *
 * No living process has it open: shut it, and they learn of it.
 *
 * Returns  0; -ENOENT -EBUSY (it is open somewhere) -EINVAL -ENOSPC -EDEADLK (inside a
 *          transaction) -EROFS -ESTALE -EUCLEAN
 * Death    the queue is there with some messages less and cannot be opened, or is gone: destroy
 *          again.
 */
DURE_API int dure_queue_destroy(dure_segment *segment, const char *name);

/* how a message is sent; zeros are the defaults */
struct dure_queue_put {
	size_t sz;
	int64_t type;			/* default 1 */
	uint32_t priority;
	uint32_t flags;			/* DURE_QUEUE_SPIN or DURE_QUEUE_SLEEP */
	int64_t lives_ns;		/* until it expires, by the wall clock; 0: for ever */
};

/*
 * dure_queue_send - send a message
 *
 * Waits at most timeout_ns for room within the queue's limits. put may be NULL. bytes may be 0;
 * the segment's size is the only limit.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (no room) -EMSGSIZE (it would never fit the limits) -EINVAL
 *          (type, priority) -ENOSPC (the segment is full) -ESHUTDOWN -EDEADLK -EUCLEAN -EROFS
 *          -ESTALE
 * Death    the message is in the queue, or nowhere.
 */
DURE_API int dure_queue_send(dure_queue *queue, const void *data, size_t bytes,
			     const struct dure_queue_put *put, int64_t timeout_ns);

/* where the bytes of one message come from, or go to */
struct dure_queue_piece {
	void *data;
	size_t bytes;
};

/*
 * dure_queue_send_many - send several messages at once
 *
 * All with the same put. Waits at most timeout_ns for room for the first of them, and sends it
 * with those behind it that there is room for as well, DURE_QUEUE_BATCH_MAX at most. One lock, one
 * change: much faster than one after the other, and nobody sees some of them only.
 *
 * Returns  how many of the first were sent, at least 1; else as send. -EMSGSIZE for any of them
 * Death    all that would have been sent are in the queue, or none.
 */
DURE_API int dure_queue_send_many(dure_queue *queue, const struct dure_queue_piece *pieces,
				  size_t count, const struct dure_queue_put *put,
				  int64_t timeout_ns);

/* which message; NULL stands for the first of any type */
enum {
	DURE_SELECT_ANY = 0,
	DURE_SELECT_TYPE = 1,		/* of exactly this type */
	DURE_SELECT_UP_TO = 2,		/* of the lowest type there is, up to this one */
	DURE_SELECT_EXCEPT = 3,		/* of any type but this */

	/* flags */
	DURE_QUEUE_TRUNCATE = 1,	/* a small buffer gets the beginning; without: -EMSGSIZE */
	DURE_QUEUE_DEAD_LETTERS = 2,	/* among the dead letters */

	/* and of a put: how it waits; without, it spins for some microseconds, then sleeps */
	DURE_QUEUE_SPIN = 4,		/* it never sleeps: the fastest, with a processor of its own */
	DURE_QUEUE_SLEEP = 8,		/* it sleeps at once: the least work */
};

struct dure_queue_select {
	size_t sz;
	uint32_t select;
	uint32_t flags;
	int64_t type;
	uint64_t skip;			/* peek: so many that would come before */
};

/* a message as it was received */
struct dure_message {
	size_t sz;
	uint64_t id;			/* grows with each message sent */
	int64_t type;
	uint32_t priority;
	uint32_t deliveries;		/* how often it has been taken, this time included */
	uint64_t bytes;			/* all of it, also when it was truncated */
	dure_ref ref;			/* take: its bytes in the segment, until acknowledged */
};

/*
 * dure_queue_receive - receive a message: it is gone from the queue
 *
 * Waits at most timeout_ns for one that is wanted. which and ret may be NULL. A message of more
 * than 4096 bytes is copied without holding up others: a receiver killed meanwhile gives it
 * back, with its delivery counted.
 *
 * Returns  0, DURE_TRUNCATED; -EAGAIN -ETIMEDOUT (none came) -EMSGSIZE (the buffer is too small;
 *          the message stays) -ESHUTDOWN -EINVAL -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    the message is in the queue, or gone.
 */
DURE_API int dure_queue_receive(dure_queue *queue, const struct dure_queue_select *which,
				void *buffer, size_t buffer_bytes, struct dure_message *ret,
				int64_t timeout_ns);

/*
 * dure_queue_receive_many - receive several messages at once: they are gone from the queue
 *
 * The first count that are wanted, or as many as are there; waits at most timeout_ns for the
 * first. Message i is copied to pieces[i]. It ends before a message that has an expiry time, is
 * longer than 4096 bytes or than its piece, unless it is the first. ret may be NULL; ret[0].sz
 * counts for all. No more than DURE_QUEUE_BATCH_MAX.
 *
 * Returns  how many were received, at least 1; else as receive
 * Death    all of them are in the queue, or none.
 */
DURE_API int dure_queue_receive_many(dure_queue *queue, const struct dure_queue_select *which,
				     const struct dure_queue_piece *pieces,
				     struct dure_message *ret, size_t count, int64_t timeout_ns);

/*
 * dure_queue_take - receive a message that is to be acknowledged
 *
 * ret may not be NULL. buffer may be NULL: then nothing is copied, and ret->ref leads to the
 * bytes, which stay as they are until the message is acknowledged, requeued or rejected.
 *
 * Returns  as receive
 * Death    the message is in the queue, with this delivery counted or not.
 */
DURE_API int dure_queue_take(dure_queue *queue, const struct dure_queue_select *which,
			     void *buffer, size_t buffer_bytes, struct dure_message *ret,
			     int64_t timeout_ns);

/*
 * dure_queue_acknowledge - a taken message is done with: it is gone
 *
 * By any thread of the process that has taken it. message is what take has filled.
 *
 * Returns  0; -EPERM (this process has not taken it, or not any more) -EINVAL -ENOSPC -EDEADLK
 *          -EUCLEAN -EROFS -ESTALE
 * Death    it is gone, or comes back.
 */
DURE_API int dure_queue_acknowledge(dure_queue *queue, const struct dure_message *message);

/* dure_queue_requeue - give a taken message back, to its place. Returns as acknowledge */
DURE_API int dure_queue_requeue(dure_queue *queue, const struct dure_message *message);

/* dure_queue_reject - make a taken message a dead letter. Returns as acknowledge */
DURE_API int dure_queue_reject(dure_queue *queue, const struct dure_message *message);

/*
 * dure_queue_peek - look at a message, and leave it
 *
 * which->skip passes over so many that would come first. Nothing waits.
 *
 * Returns  0, DURE_TRUNCATED; -EAGAIN (there is none) -EMSGSIZE -EINVAL -EUCLEAN -EDEADLK -EROFS
 *          -ESTALE
 */
DURE_API int dure_queue_peek(dure_queue *queue, const struct dure_queue_select *which,
			     void *buffer, size_t buffer_bytes, struct dure_message *ret);

/*
 * dure_queue_fd - a descriptor to poll
 *
 * It belongs to the handle, becomes readable when something may have come or room may have
 * become free, and when a process that used the segment is gone; there may be nothing. Then
 * receive (or send) with timeout 0 until it answers -EAGAIN: that makes the descriptor quiet.
 * Nothing that comes after is missed. It is readable at first. Nobody pays for it while nobody
 * polls. One thread at a time uses a handle that has one.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP (the segment has no file) -EMFILE
 *          -ESTALE
 */
DURE_API int dure_queue_fd(dure_queue *queue);

enum { DURE_QUEUE_NOTIFY_ALWAYS = 1 };

/* how a queue tells that a message may have come; at least one of signal and function */
struct dure_queue_notice {
	size_t sz;
	uint32_t flags;			/* DURE_QUEUE_NOTIFY_ALWAYS; without: once */
	int32_t signal;			/* that this process is sent; 0: none */
	void (*function)(dure_queue *queue, void *context);	/* that dure_queue_dispatch runs */
	void *context;
};

/*
 * dure_queue_notify - be sent a signal when a message may have come; register a function
 *
 * As with dure_queue_fd: receive with timeout 0 until it answers -EAGAIN. From then on the signal
 * is sent when something may have come, or a process that used the segment is gone; there may be
 * nothing. Then receive until -EAGAIN again: nothing that comes after is missed. Once: from that
 * on there are no more, as with mq_notify. The kernel sends it, to the process; no sender needs
 * a right to. Each handle has one notice, the last one; NULL: none. One thread at a time uses a
 * handle that has one.
 *
 * Returns  0; -EINVAL (flags, signal, neither signal nor function) -EAGAIN -ENOMEM (timers)
 *          -EOPNOTSUPP (the segment has no file) -EMFILE -EROFS -ESTALE
 * Fork     the signal is the parent's.
 * Death    the kernel forgets it.
 */
DURE_API int dure_queue_notify(dure_queue *queue, const struct dure_queue_notice *notice);

/*
 * dure_queue_dispatch - wait for a message, and run the notice's function
 *
 * Waits at most timeout_ns for a message of any type, leaves it, and calls the function in this
 * thread; it may receive, and call dure_queue_notify. A notice without DURE_QUEUE_NOTIFY_ALWAYS
 * has no function any more when it is called.
 *
 * Returns  0 (it has run); -EAGAIN -ETIMEDOUT (none came) -ESHUTDOWN -EINVAL (there is no function)
 *          -EDEADLK -ENOSPC -EUCLEAN -EROFS -ESTALE
 */
DURE_API int dure_queue_dispatch(dure_queue *queue, int64_t timeout_ns);

struct dure_queue_info {
	size_t sz;
	uint64_t messages, bytes;	/* waiting and taken */
	uint64_t taken;			/* of these */
	uint64_t dead_letters;
	uint64_t messages_high, bytes_high;	/* the most there ever were */
	uint64_t sent, received;	/* since the beginning; acknowledged ones are received */
	uint64_t returned;		/* times that a taken one came back */
	uint64_t expired;
	uint64_t waits_to_send, waits_to_receive;	/* calls that had to sleep */
	uint64_t messages_max, bytes_max, message_bytes_max;
	uint32_t deliveries_max, flags;
	uint32_t last_sender, last_receiver;	/* process ids, in their own namespace */
	uint32_t is_shut;
	uint32_t users;			/* living processes that have it open */
};

/* dure_queue_info - figures of a queue; while others change it, they may not fit together.
   Returns 0; -EINVAL -ESTALE */
DURE_API int dure_queue_info(dure_queue *queue, struct dure_queue_info *info);

DURE_END

#endif
