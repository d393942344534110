/* SPDX-License-Identifier: MIT */
/*
 * dure/ring.h - rings: one sender, one receiver, the fastest way
 *
 *	dure_ring *ring;
 *	r = dure_ring_open(segment, "ticks", DURE_CREATE | DURE_OPEN, NULL, DURE_RING_SENDER, 0,
 *			   &ring);
 *	r = dure_ring_send(ring, &tick, sizeof tick, DURE_FOREVER);
 *
 * A ring passes records of any length, in their order. Sending is one store that the receiver
 * sees; no lock is taken, and no system call made while nobody sleeps. A thread that opens an end
 * has it until it closes it or ends, however it ends; then another thread, of any process, can
 * open that end and goes on where the first one stopped: what was sent is there, what was not
 * received is received.
 *
 * Common to all functions here: Threads: the one that has opened the end; a stopped one keeps
 * it. Transactions: sending and receiving are no part of them. Signals: not from a handler. Fork:
 * the child's handle answers -ESTALE. A checkpoint or clone has each record whole, or not.
 */
#ifndef DURE_RING_H
#define DURE_RING_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_ring dure_ring;

/* ends */
enum { DURE_RING_SENDER = 0, DURE_RING_RECEIVER = 1 };

struct dure_ring_options {
	size_t sz;
	uint64_t bytes;			/* of room; a power of two from 1024; default 65536 */
};

/*
 * dure_ring_open - make a ring by name, or find it, and take one end of it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. options (may be NULL) count when it is made. Waits at
 * most timeout_ns for the end: for the thread that has it to close it, or to die.
 *
 * Returns  0, DURE_CREATED; -EAGAIN -ETIMEDOUT (somebody has the end) -ENOENT -EEXIST -EINVAL
 *          -EBUSY (being destroyed) -EDEADLK (inside a transaction) -ENOSPC -ENOMEM -EUCLEAN
 *          -EROFS -ESTALE
 * Death    the ring exists, with its name, or nothing of it does; the end is free again.
 */
DURE_API int dure_ring_open(dure_segment *segment, const char *name, uint32_t flags,
			    const struct dure_ring_options *options, uint32_t end,
			    int64_t timeout_ns, dure_ring **ret);

/* dure_ring_close - give the end back; the ring and what is in it stay. NULL is allowed */
DURE_API void dure_ring_close(dure_ring *ring);

/*
 * dure_ring_destroy - free a ring whose ends nobody living has, and its name
 *
 * Returns  0; -ENOENT -EBUSY (somebody has an end) -EINVAL -ENOSPC -EDEADLK (inside a
 *          transaction) -EROFS -ESTALE -EUCLEAN
 * Death    it is there and cannot be opened, or gone: destroy again.
 */
DURE_API int dure_ring_destroy(dure_segment *segment, const char *name);

/*
 * dure_ring_send - send a record
 *
 * Waits at most timeout_ns for room. bytes: 0 to somewhat less than half of the ring's.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (no room) -ENOTCONN (no room, and the receiver is gone: another
 *          may come) -EMSGSIZE -EPERM (not the thread that opened it, or not the sender)
 *          -EUCLEAN -ESTALE
 * Death    the record is sent, or is not.
 */
DURE_API int dure_ring_send(dure_ring *ring, const void *data, size_t bytes, int64_t timeout_ns);

/*
 * dure_ring_reserve - room for a record, to be written where it will lie
 *
 * dure_ring_publish sends it. Reserving again gives the same room anew. Returns as send
 * Death    nothing is sent.
 */
DURE_API int dure_ring_reserve(dure_ring *ring, size_t bytes, void **ret, int64_t timeout_ns);

/* dure_ring_publish - send what was reserved. Returns 0; -EINVAL (nothing was) -EPERM -ESTALE.
   Death: the record is sent, or is not */
DURE_API int dure_ring_publish(dure_ring *ring);

/*
 * dure_ring_receive - receive the next record
 *
 * Waits at most timeout_ns for one. ret_bytes may be NULL.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (none came) -ENOTCONN (none is there, and the sender is gone:
 *          another may come) -EMSGSIZE (buffer_bytes are too few: it stays, look tells its length)
 *          -EPERM -EUCLEAN -ESTALE
 * Death    the record is received, or the next receiver gets it.
 */
DURE_API int dure_ring_receive(dure_ring *ring, void *buffer, size_t buffer_bytes,
			       size_t *ret_bytes, int64_t timeout_ns);

/*
 * dure_ring_look - the next record, where it lies
 *
 * It stays until dure_ring_done; looking again gives the same one. So a receiver that dies before
 * it is done has not received it. Returns as receive
 */
DURE_API int dure_ring_look(dure_ring *ring, const void **ret, size_t *ret_bytes,
			    int64_t timeout_ns);

/* dure_ring_done - the record that was looked at is received. Returns 0; -EINVAL (none was)
   -EPERM -ESTALE. Death: it is received, or is not */
DURE_API int dure_ring_done(dure_ring *ring);

/*
 * dure_ring_fd - a descriptor to poll
 *
 * It belongs to the handle, becomes readable when a record may have come (of the receiver's end)
 * or room may have become free (of the sender's), and when a process that used the segment is
 * gone. Then receive (or send) with timeout 0 until it answers -EAGAIN, or -ENOTCONN: that makes
 * the descriptor quiet. Nothing that comes after is missed. It is readable at first. Who has one
 * is told -ENOTCONN also when the timeout is 0.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP (the segment has no file) -EMFILE
 *          -EPERM -ESTALE
 */
DURE_API int dure_ring_fd(dure_ring *ring);

DURE_END

#endif
