/* SPDX-License-Identifier: MIT */
/*
 * dure/lanes.h - lanes: many senders, one receiver, and nothing that senders share
 *
 *	dure_lanes *lanes;
 *	r = dure_lanes_open(segment, "log", DURE_CREATE | DURE_OPEN, NULL, DURE_LANES_SENDER, 0,
 *			    &lanes);
 *	r = dure_lanes_send(lanes, &line, sizeof line, DURE_FOREVER);
 *
 * Each sender has a lane, which is a ring (dure/ring.h), to itself: so senders do not wait for one
 * another, and sending is one store that the receiver sees. The records of a sender come in their
 * order; between those of several senders there is none, but none of them is passed over for long.
 *
 * A thread that opens lanes has its lane, or the receiver's end, until it closes it or ends, however
 * it ends. The lane is free then for another sender, which goes on behind what was sent: all of that
 * is received. Another thread can become the receiver, and gets what was not received.
 *
 * Common to all functions here: Threads: the one that has opened the end; a stopped one keeps
 * it. Transactions: sending and receiving are no part of them. Signals: not from a handler. Fork:
 * the child's handle answers -ESTALE. A checkpoint or clone has each record whole, or not.
 */
#ifndef DURE_LANES_H
#define DURE_LANES_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_lanes dure_lanes;

/* ends */
enum { DURE_LANES_SENDER = 0, DURE_LANES_RECEIVER = 1 };

struct dure_lanes_options {
	size_t sz;
	uint64_t bytes;			/* of room in each lane; a power of two from 1024; default 65536 */
	uint32_t senders_max;		/* lanes, up to 4096; default 16 */
	uint32_t reserved;
};

/*
 * dure_lanes_open - make lanes by name, or find them, and take one of them, or the receiver's end
 *
 * flags: DURE_CREATE, DURE_OPEN or both. options (may be NULL) count when they are made. Waits at
 * most timeout_ns for a lane that nobody living has, or for the receiver's end. A thread may have
 * several lanes, with a handle for each.
 *
 * Returns  0, DURE_CREATED; -EAGAIN -ETIMEDOUT (all lanes, or the receiver's end, are taken)
 *          -ENOENT -EEXIST -EINVAL -EBUSY (being destroyed) -EDEADLK (inside a transaction)
 *          -ENOSPC -ENOMEM -EUCLEAN -EROFS -ESTALE
 * Death    they exist, with their name, or nothing of them does; the end is free again.
 */
DURE_API int dure_lanes_open(dure_segment *segment, const char *name, uint32_t flags,
			     const struct dure_lanes_options *options, uint32_t end,
			     int64_t timeout_ns, dure_lanes **ret);

/* dure_lanes_close - give the lane, or the receiver's end, back; what is in them stays. NULL is
   allowed */
DURE_API void dure_lanes_close(dure_lanes *lanes);

/*
 * dure_lanes_destroy - free lanes that nobody living has an end of, and their name
 *
 * Returns  0; -ENOENT -EBUSY (somebody has an end) -EINVAL -ENOSPC -EDEADLK (inside a
 *          transaction) -EROFS -ESTALE -EUCLEAN
 * Death    they are there and cannot be opened, or gone: destroy again.
 */
DURE_API int dure_lanes_destroy(dure_segment *segment, const char *name);

/*
 * dure_lanes_send - send a record
 *
 * Waits at most timeout_ns for room in the lane. bytes: 0 to somewhat less than half of its room.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (no room) -ENOTCONN (no room, and the receiver is gone: another
 *          may come) -EMSGSIZE -EPERM (not the thread that opened it, or not a sender) -EUCLEAN
 *          -ESTALE
 * Death    the record is sent, or is not.
 */
DURE_API int dure_lanes_send(dure_lanes *lanes, const void *data, size_t bytes,
			     int64_t timeout_ns);

/*
 * dure_lanes_reserve - room for a record, to be written where it will lie
 *
 * dure_lanes_publish sends it. Reserving again gives the same room anew. Returns as send
 * Death    nothing is sent.
 */
DURE_API int dure_lanes_reserve(dure_lanes *lanes, size_t bytes, void **ret, int64_t timeout_ns);

/* dure_lanes_publish - send what was reserved. Returns 0; -EINVAL (nothing was) -EPERM -ESTALE.
   Death: the record is sent, or is not */
DURE_API int dure_lanes_publish(dure_lanes *lanes);

/*
 * dure_lanes_receive - receive the next record of any lane
 *
 * Waits at most timeout_ns for one, also while there is no sender: one may come. ret_lane (may be
 * NULL) gets the number of the lane, from 0; it is the sender's until he closes it or ends.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (none came) -EMSGSIZE (buffer_bytes are too few: it stays, look
 *          tells its length) -EPERM (not the thread that opened it, or not the receiver) -EUCLEAN
 *          -ESTALE
 * Death    the record is received, or the next receiver gets it.
 */
DURE_API int dure_lanes_receive(dure_lanes *lanes, void *buffer, size_t buffer_bytes,
				size_t *ret_bytes, uint32_t *ret_lane, int64_t timeout_ns);

/*
 * dure_lanes_look - the next record of any lane, where it lies
 *
 * It stays until dure_lanes_done; looking again gives the same one. So a receiver that dies before
 * it is done has not received it. Returns as receive
 */
DURE_API int dure_lanes_look(dure_lanes *lanes, const void **ret, size_t *ret_bytes,
			     uint32_t *ret_lane, int64_t timeout_ns);

/* dure_lanes_done - the record that was looked at is received. Returns 0; -EINVAL (none was)
   -EPERM -ESTALE. Death: it is received, or is not */
DURE_API int dure_lanes_done(dure_lanes *lanes);

/*
 * dure_lanes_fd - a descriptor to poll
 *
 * It belongs to the handle, becomes readable when a record may have come (of the receiver's end)
 * or room may have become free (of a sender's), and when a process that used the segment is gone.
 * Then receive (or send) with timeout 0 until it answers -EAGAIN, or -ENOTCONN: that makes the
 * descriptor quiet. Nothing that comes after is missed. It is readable at first. A sender who has
 * one is told -ENOTCONN also when the timeout is 0.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP (the segment has no file) -EMFILE
 *          -EPERM -ESTALE
 */
DURE_API int dure_lanes_fd(dure_lanes *lanes);

struct dure_lanes_info {
	size_t sz;
	uint64_t lane_bytes;		/* of room in each */
	uint64_t bytes;			/* sent and not yet received, with what records take besides */
	uint32_t senders_max;
	uint32_t senders;		/* that have a lane, and do not look dead */
	uint32_t waiting;		/* lanes that have records */
	uint32_t has_receiver;
};

/*
 * dure_lanes_info - how full they are, and who is there
 *
 * Any thread of the process may ask; the numbers need not be of one moment.
 *
 * Returns  0; -EINVAL -ESTALE
 */
DURE_API int dure_lanes_info(dure_lanes *lanes, struct dure_lanes_info *info);

DURE_END

#endif
