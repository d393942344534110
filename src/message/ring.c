/* SPDX-License-Identifier: MIT */
/*
 * ring.c - records from one sender to one receiver
 *
 * Why      The least that passing a message can cost is that the line it lies in moves from one
 *          core to the other. So a record's length says that it is there, and lies in front of its
 *          bytes: small records move with one line. head and tail are only read when a side
 *          seems to be full, or takes over.
 * Rules    layout/ring.h; ring_open.c
 *          [RINGC3] what is read of the other side's words is bounded before use: a record lies
 *                   in the ring, and head is not before tail's ring
 *          [RINGC4] while a sender makes room known or a record, its lane shows itself busy: so a
 *                   checkpoint or clone has no record in part
 * Sleeping An end that finds nothing says so in its word of sleeps[], and looks again; the other
 *          one reads that word after each store. Store and load are in the wrong order for a
 *          processor on both sides. The sleeper's side has a fence for all processors
 *          (durei_fence_others), so the other one, who is in a hurry, needs none. Where that
 *          cannot be had, needs_fence makes both fence for themselves. Who polls
 *          does as a sleeper does (segment/poll.h).
 * Death    sending, after step          is left behind               who mends it
 *          1 WRAP's next word = 0       a 0 in free room             nobody reads it
 *          2 WRAP                       a place without a record     [RINGC2]; the receiver follows
 *          3 bytes, next word = 0       bytes in free room           nobody reads them
 *          4 the record's word          a record beyond tail         [RINGC2]
 *          5 tail                       a sleeper that nobody woke   it looks again after a slice
 *          receiving, after step
 *          1 bytes copied               the record                   the next receiver gets it
 *          2 head                       a sleeper that nobody woke   it looks again after a slice
 */
#include "message/ring.h"

#include <string.h>

#include "layout/lock.h"
#include "message/holder.h"
#include "os/futex.h"
#include "segment/gate.h"
#include "segment/grow.h"

enum {
	HEAD_BYTES = sizeof(struct cell64),
	SPINS = 300,
};

int durei_ring_damaged(const dure_ring *ring)
{
	return durei_error(EUCLEAN, "segment %s: the ring at +%#llx contradicts itself: run dure check",
			   ring->seg->super.name,
			   (unsigned long long)durei_offset(ring->seg, ring->shared));
}

/* -- waiting ----------------------------------------------------------------------------- */

static uint64_t other_holder(const dure_ring *ring)
{
	return cell64_load_acq(&ring->shared->ends[!ring->end].holder);
}

/* Another may come; but nobody is there now. What memory does not tell, a sleep will. */
static bool other_is_gone(const dure_ring *ring)
{
	uint64_t holder = other_holder(ring);

	return holder == DL_RING_LEFT ||
	       (holder != DL_RING_NOBODY && durei_holder_looks_gone(ring->seg, holder));
}

typedef bool ready_test(dure_ring *ring, uint64_t need);

static bool spin(dure_ring *ring, ready_test *is_ready, uint64_t need)
{
	for (int i = 0; i < SPINS; i++) {
		cell_relax();
		if (is_ready(ring, need))
			return true;
	}
	return false;
}

void durei_ring_show_sleeping(const dure_ring *ring)
{
	cell32_store_rel(ring->sleeps, 1);
	fence_full();			/* our sleeps, before the other's record or head */
	if (!cell32_load_rlx(ring->needs_fence) && durei_fence_others() < 0)
		cell32_store_rel(ring->needs_fence, 1);
}

/* One sleep. 0: look again */
static int sleep_once(dure_ring *ring, ready_test *is_ready, uint64_t need, int64_t deadline_ns)
{
	uint64_t other = other_holder(ring);
	uint32_t watched = other > DL_RING_LEFT ? (uint32_t)other : 0;
	int r = 0;

	durei_ring_show_sleeping(ring);
	if (!is_ready(ring, need))
		r = durei_wait(durei_lane_last, ring->sleeps, 1, dl_lock_lane(watched),
			       dl_lock_generation(watched), deadline_ns);
	cell32_store_rel(ring->sleeps, 0);
	return r < 0 ? r : 0;
}

/* Who polls is told of what comes from now on. True: it has come. */
static bool arm(dure_ring *ring, ready_test *is_ready, uint64_t need)
{
	durei_notice_quiet(&ring->notice);
	durei_poll_arm(ring->seg, ring->sleeps);
	durei_ring_show_sleeping(ring);
	if (!is_ready(ring, need))
		return false;
	cell32_store_rel(ring->sleeps, 0);
	return true;
}

/* Nothing is there, and the call does not wait. 0: it has come */
static int end_try(dure_ring *ring, ready_test *is_ready, uint64_t need)
{
	if (ring->notice.has_fd && arm(ring, is_ready, need))
		return 0;
	return durei_error_plain(EAGAIN);
}

static int gone(const dure_ring *ring)
{
	return durei_error(ENOTCONN, "segment %s: the other end of the ring is gone",
			   ring->seg->super.name);
}

static __attribute__((noinline)) int wait_until(dure_ring *ring, ready_test *is_ready,
						uint64_t need, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r = 0;

	while (!is_ready(ring, need)) {
		if (timeout_ns != 0 && spin(ring, is_ready, need))
			break;
		/* what a dead one has sent last is seen before it is said to be gone */
		if ((timeout_ns != 0 || ring->notice.has_fd) && other_is_gone(ring) &&
		    !is_ready(ring, need))
			return gone(ring);
		if (timeout_ns == 0)
			return end_try(ring, is_ready, need);
		r = sleep_once(ring, is_ready, need, deadline);
		if (r < 0 && !is_ready(ring, need))
			return durei_error_plain(ETIMEDOUT);
	}
	return 0;
}

/* 0: this thread has this end */
static inline int check_end(const dure_ring *ring, uint32_t end)
{
	const struct durei_lane *lane = durei_lane_last;
	int r = 0;

	if (__builtin_expect(lane->seg == ring->seg && lane->lock_word == (uint32_t)ring->holder &&
			     ring->end == end, 1))
		return 0;
	lane = durei_lane_get(ring->seg, &r);	/* it is the one used last from now on */
	if (!lane)
		return r;
	if (lane->lock_word == (uint32_t)ring->holder && ring->end == end)
		return 0;
	return durei_error(EPERM, "segment %s: this end of the ring is another thread's, or is not "
			   "the %s", ring->seg->super.name,
			   end == DURE_RING_SENDER ? "sender" : "receiver");
}

int durei_ring_check_end(const dure_ring *ring, uint32_t end)
{
	return check_end(ring, end);
}

/* -- sending ----------------------------------------------------------------------------- */

/* [RINGC3] */
static bool has_room(dure_ring *ring, uint64_t need)
{
	uint64_t head;

	if (ring->mine + need <= ring->limit)
		return true;
	head = cell64_load_acq(&ring->shared->ends[DURE_RING_RECEIVER].position);
	if (ring->mine - head <= ring->capacity)
		ring->limit = head + ring->capacity;
	return ring->mine + need <= ring->limit;
}

/* [RINGC4] Between two looks at a line that hardly ever changes. */
static inline void show_busy(struct durei_lane *lane)
{
	struct cell32 *busy = &lane->shared->busy;

	cell32_store_rel(busy, cell32_load_rlx(busy) + 1);	/* only this thread writes it */
	if (__builtin_expect(durei_gate_is_shut(lane), 0)) {
		durei_busy_end(lane);
		durei_busy_begin(lane);
	}
}

static inline void hide_busy(struct durei_lane *lane)
{
	struct cell32 *busy = &lane->shared->busy;

	cell32_store_rel(busy, cell32_load_rlx(busy) - 1);
}

/* Steps 1 and 2: the rest of the ring is passed over. */
static void wrap(dure_ring *ring)
{
	uint64_t rest = durei_ring_rest(ring, ring->mine);

	show_busy(durei_lane_last);
	cell64_store_rel(durei_ring_word(ring, ring->mine + rest), 0);
	cell64_store_rel(durei_ring_word(ring, ring->mine), DL_RING_WRAP);
	hide_busy(durei_lane_last);
	ring->mine += rest;
}

static inline int reserve(dure_ring *ring, uint64_t bytes, int64_t timeout_ns)
{
	uint64_t need = durei_record_bytes(bytes) + HEAD_BYTES, rest = durei_ring_rest(ring, ring->mine);
	bool wraps = durei_record_bytes(bytes) > rest;
	int r = 0;

	if (__builtin_expect(bytes > ring->capacity / 2 - 2 * HEAD_BYTES, 0))
		return durei_error(EMSGSIZE, "segment %s: a record of %llu bytes does not fit a ring "
				   "of %llu", ring->seg->super.name, (unsigned long long)bytes,
				   (unsigned long long)ring->capacity);
	if (wraps)
		need += rest;
	if (__builtin_expect(ring->mine + need > ring->limit, 0))
		r = wait_until(ring, has_room, need, timeout_ns);
	if (r < 0)
		return r;
	if (wraps)
		wrap(ring);
	ring->pending = bytes + 1;
	return 0;
}

/* Steps 3 to 5, the bytes are there. */
static inline void publish(dure_ring *ring)
{
	uint64_t bytes = ring->pending - 1, next = ring->mine + durei_record_bytes(bytes);

	show_busy(durei_lane_last);
	cell64_store_rel(durei_ring_word(ring, next), 0);		/* [RING1] */
	cell64_store_rel(durei_ring_word(ring, ring->mine), bytes << DL_RING_LENGTH_SHIFT | DL_RING_RECORD);
	ring->mine = next;
	ring->pending = 0;
	cell64_store_rel(&ring->shared->ends[DURE_RING_SENDER].position, next);
	hide_busy(durei_lane_last);
	durei_ring_wake_other(ring);
}

int dure_ring_send(dure_ring *ring, const void *data, size_t bytes, int64_t timeout_ns)
{
	int r = check_end(ring, DURE_RING_SENDER);

	if (__builtin_expect(r == 0, 1))
		r = reserve(ring, bytes, timeout_ns);
	if (__builtin_expect(r < 0, 0))
		return r;
	if (bytes)
		memcpy(durei_ring_word(ring, ring->mine) + 1, data, bytes);
	publish(ring);
	return 0;
}

int dure_ring_reserve(dure_ring *ring, size_t bytes, void **ret, int64_t timeout_ns)
{
	int r = check_end(ring, DURE_RING_SENDER);

	if (r == 0)
		r = reserve(ring, bytes, timeout_ns);
	if (r == 0)
		*ret = durei_ring_word(ring, ring->mine) + 1;
	return r;
}

int dure_ring_publish(dure_ring *ring)
{
	int r = check_end(ring, DURE_RING_SENDER);

	if (r < 0)
		return r;
	if (!ring->pending)
		return durei_error(EINVAL, "dure_ring_publish: nothing is reserved");
	publish(ring);
	return 0;
}

/* -- receiving --------------------------------------------------------------------------- */

static bool has_record(dure_ring *ring, uint64_t need)
{
	(void)need;
	return durei_ring_has_record(ring);
}

/* The next record's length; -EUCLEAN: it does not lie in the ring. [RINGC3] */
static inline int find_record(dure_ring *ring, uint64_t *ret_bytes, int64_t timeout_ns)
{
	for (int wraps = 0; wraps < 2; wraps++) {
		uint64_t word = cell64_load_acq(durei_ring_word(ring, ring->mine));
		if (__builtin_expect(!word, 0)) {
			int r = wait_until(ring, has_record, 0, timeout_ns);
			if (r < 0)
				return r;
			word = cell64_load_acq(durei_ring_word(ring, ring->mine));
		}
		uint64_t bytes = word >> DL_RING_LENGTH_SHIFT;
		uint64_t rest = durei_ring_rest(ring, ring->mine);
		if (__builtin_expect((word & DL_RING_KIND_MASK) == DL_RING_RECORD, 1)) {
			if (rest < HEAD_BYTES || bytes > rest - HEAD_BYTES)
				break;
			ring->pending = bytes + 1;
			*ret_bytes = bytes;
			return 0;
		}
		if (word != DL_RING_WRAP)
			break;
		ring->mine += rest;
	}
	return durei_ring_damaged(ring);
}

static inline void done(dure_ring *ring)
{
	ring->mine += durei_record_bytes(ring->pending - 1);
	ring->pending = 0;
	cell64_store_rel(&ring->shared->ends[DURE_RING_RECEIVER].position, ring->mine);
	durei_ring_wake_other(ring);
}

int dure_ring_receive(dure_ring *ring, void *buffer, size_t buffer_bytes, size_t *ret_bytes,
		      int64_t timeout_ns)
{
	uint64_t bytes = 0;
	int r = check_end(ring, DURE_RING_RECEIVER);

	if (__builtin_expect(r == 0, 1))
		r = find_record(ring, &bytes, timeout_ns);
	if (__builtin_expect(r < 0, 0))
		return r;
	if (__builtin_expect(bytes > buffer_bytes, 0)) {
		ring->pending = 0;
		return durei_error(EMSGSIZE, "segment %s: the record has %llu bytes, the buffer %zu",
				   ring->seg->super.name, (unsigned long long)bytes, buffer_bytes);
	}
	if (bytes)
		memcpy(buffer, durei_ring_word(ring, ring->mine) + 1, bytes);
	done(ring);
	if (ret_bytes)
		*ret_bytes = bytes;
	return 0;
}

int dure_ring_look(dure_ring *ring, const void **ret, size_t *ret_bytes, int64_t timeout_ns)
{
	uint64_t bytes = 0;
	int r = check_end(ring, DURE_RING_RECEIVER);

	if (r == 0)
		r = find_record(ring, &bytes, timeout_ns);
	if (r < 0)
		return r;
	*ret = durei_ring_word(ring, ring->mine) + 1;
	*ret_bytes = bytes;
	return 0;
}

int dure_ring_done(dure_ring *ring)
{
	int r = check_end(ring, DURE_RING_RECEIVER);

	if (r < 0)
		return r;
	if (!ring->pending)
		return durei_error(EINVAL, "dure_ring_done: no record was looked at");
	done(ring);
	return 0;
}

/* -- polling ----------------------------------------------------------------------------- */

int dure_ring_fd(dure_ring *ring)
{
	int r = check_end(ring, ring->end);

	return r < 0 ? r : durei_notice_fd(&ring->notice, ring->seg);
}
