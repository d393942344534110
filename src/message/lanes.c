/* SPDX-License-Identifier: MIT */
/*
 * lanes.c - records from many senders to one receiver
 *
 * Why      Senders that share a queue want the same lines of memory, and wait for one another.
 *          With a ring for each, a sender stores into lines that it and the receiver use, and no
 *          others.
 * How      Sending is the ring's (ring.c). The receiver looks at the next word of each ring that
 *          has ever had a sender: words of idle rings stay in its cache. It stays with a ring
 *          while there is something, but not for more than BURST records.
 * Rules    layout/lanes.h; ring.c, ring_open.c; lanes_open.c
 *          [LANESC1] a ring that says more than it has (a place passed over without a record
 *                    behind it, damage) does not keep the receiver from the others
 * Sleeping As in a ring; but the receiver has one word for all, which each sender reads, and who
 *          finds it set clears.
 * Death    the ring's: what a dead sender has sent is received, and a receiver's successor begins
 *          where each ring's head is.
 */
#include "message/lanes.h"

#include "base/options.h"
#include "message/holder.h"
#include "os/futex.h"

enum { BURST = 64, SPINS = 300 };

/* -- finding a record -------------------------------------------------------------------- */

/* A ring that has something; NULL: none has. */
static inline dure_ring *find_ring(dure_lanes *lanes)
{
	uint32_t high = cell32_load_acq(&lanes->shared->high);		/* [LANES2] */
	dure_ring *ring = &lanes->rings[lanes->at];

	if (__builtin_expect(ring->pending || (lanes->in_a_row < BURST &&
					       durei_ring_has_record(ring)), 1))
		return ring;
	if (high > lanes->count)
		high = lanes->count;
	for (uint32_t i = 0; i < high; i++) {
		lanes->at = lanes->at + 1 < high ? lanes->at + 1 : 0;
		lanes->in_a_row = 0;
		if (durei_ring_has_record(&lanes->rings[lanes->at]))
			return &lanes->rings[lanes->at];
	}
	return NULL;
}

static dure_ring *spin(dure_lanes *lanes)
{
	dure_ring *ring = NULL;

	for (int i = 0; !ring && i < SPINS; i++) {
		cell_relax();
		ring = find_ring(lanes);
	}
	return ring;
}

/* -- waiting ----------------------------------------------------------------------------- */

/* Senders see that the receiver sleeps, or we see what they have sent. */
static dure_ring *look_last(dure_lanes *lanes)
{
	dure_ring *ring;

	durei_ring_show_sleeping(&lanes->rings[0]);
	ring = find_ring(lanes);
	if (ring)
		cell32_store_rel(&lanes->shared->sleeps, 0);
	return ring;
}

/* One sleep, unless there is something. 0; -ETIMEDOUT */
static int sleep_once(dure_lanes *lanes, int64_t deadline_ns)
{
	struct cell32 *word = &lanes->shared->sleeps;
	int r;

	if (look_last(lanes))
		return 0;
	r = durei_wait(durei_lane_last, word, 1, 0, 0, deadline_ns);
	cell32_store_rel(word, 0);
	return r;
}

/* Nothing is there, and the call does not wait; who polls is told of what comes from now on. */
static int end_try(dure_lanes *lanes, dure_ring **ret)
{
	*ret = NULL;
	if (lanes->notice.has_fd) {
		durei_notice_quiet(&lanes->notice);
		durei_poll_arm(lanes->seg, &lanes->shared->sleeps);
		*ret = look_last(lanes);
	}
	return *ret ? 0 : durei_error_plain(EAGAIN);
}

static __attribute__((noinline)) int wait_for_ring(dure_lanes *lanes, int64_t timeout_ns,
						   dure_ring **ret)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r = durei_ring_check_end(&lanes->rings[0], DURE_RING_RECEIVER);

	if (r < 0)
		return r;
	if (timeout_ns == 0)
		return end_try(lanes, ret);
	*ret = spin(lanes);
	while (!*ret) {
		r = sleep_once(lanes, deadline);
		*ret = find_ring(lanes);
		if (r < 0 && !*ret)
			return durei_error_plain(ETIMEDOUT);
	}
	return 0;
}

/* -- receiving --------------------------------------------------------------------------- */

/* What the receiver does with the ring's next record. */
struct wish {
	void *buffer;
	size_t room;
	const void *data;		/* where it lies, if it is only looked at */
	bool is_look;
	size_t bytes;
};

static inline int take(dure_ring *ring, struct wish *wish)
{
	return wish->is_look ? dure_ring_look(ring, &wish->data, &wish->bytes, 0)
			     : dure_ring_receive(ring, wish->buffer, wish->room, &wish->bytes, 0);
}

static int receive(dure_lanes *lanes, struct wish *wish, uint32_t *ret_lane, int64_t timeout_ns)
{
	int r;

	if (__builtin_expect(lanes->end != DURE_LANES_RECEIVER, 0))
		return durei_ring_check_end(&lanes->rings[0], DURE_RING_RECEIVER);
	do {
		dure_ring *ring = find_ring(lanes);
		r = ring ? 0 : wait_for_ring(lanes, timeout_ns, &ring);
		if (__builtin_expect(r < 0, 0))
			return r;
		r = take(ring, wish);
	} while (__builtin_expect(r == -EAGAIN, 0));			/* [LANESC1] */
	if (__builtin_expect(r < 0 && r != -EMSGSIZE, 0))
		lanes->in_a_row = BURST;
	lanes->in_a_row += r == 0 && !wish->is_look;
	if (r == 0 && ret_lane)
		*ret_lane = lanes->at;
	return r;
}

int dure_lanes_receive(dure_lanes *lanes, void *buffer, size_t buffer_bytes, size_t *ret_bytes,
		       uint32_t *ret_lane, int64_t timeout_ns)
{
	struct wish wish = { .buffer = buffer, .room = buffer_bytes };
	int r = receive(lanes, &wish, ret_lane, timeout_ns);

	if (r == 0 && ret_bytes)
		*ret_bytes = wish.bytes;
	return r;
}

int dure_lanes_look(dure_lanes *lanes, const void **ret, size_t *ret_bytes, uint32_t *ret_lane,
		    int64_t timeout_ns)
{
	struct wish wish = { .is_look = true };
	int r = receive(lanes, &wish, ret_lane, timeout_ns);

	if (r < 0)
		return r;
	*ret = wish.data;
	*ret_bytes = wish.bytes;
	return 0;
}

int dure_lanes_done(dure_lanes *lanes)
{
	bool is_receiver = lanes->end == DURE_LANES_RECEIVER;
	int r = dure_ring_done(&lanes->rings[is_receiver ? lanes->at : 0]);

	lanes->in_a_row += r == 0;
	return r;
}

/* -- sending ----------------------------------------------------------------------------- */

int dure_lanes_send(dure_lanes *lanes, const void *data, size_t bytes, int64_t timeout_ns)
{
	return dure_ring_send(&lanes->rings[0], data, bytes, timeout_ns);
}

int dure_lanes_reserve(dure_lanes *lanes, size_t bytes, void **ret, int64_t timeout_ns)
{
	return dure_ring_reserve(&lanes->rings[0], bytes, ret, timeout_ns);
}

int dure_lanes_publish(dure_lanes *lanes)
{
	return dure_ring_publish(&lanes->rings[0]);
}

/* -- polling, figures -------------------------------------------------------------------- */

int dure_lanes_fd(dure_lanes *lanes)
{
	int r;

	if (lanes->end == DURE_LANES_SENDER)
		return dure_ring_fd(&lanes->rings[0]);
	r = durei_ring_check_end(&lanes->rings[0], DURE_RING_RECEIVER);
	return r < 0 ? r : durei_notice_fd(&lanes->notice, lanes->seg);
}

static bool has_end(const dure_lanes *lanes, const struct dl_ring *ring, uint32_t end)
{
	uint64_t holder = cell64_load_acq(&ring->ends[end].holder);

	return holder > DL_RING_LEFT && !durei_holder_looks_gone(lanes->seg, holder);
}

int dure_lanes_info(dure_lanes *lanes, struct dure_lanes_info *info)
{
	struct dure_lanes_info filled = { .sz = sizeof filled, .senders_max = lanes->count,
					  .lane_bytes = lanes->ring_bytes };
	int r = durei_handle_check(lanes->seg);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < lanes->count; i++) {
		const struct dl_ring *ring = durei_lanes_ring(lanes->shared, lanes->ring_bytes, i);
		uint64_t head = cell64_load_acq(&ring->ends[DURE_RING_RECEIVER].position);
		uint64_t tail = cell64_load_acq(&ring->ends[DURE_RING_SENDER].position);
		filled.senders += has_end(lanes, ring, DURE_RING_SENDER);
		filled.has_receiver |= i == 0 && has_end(lanes, ring, DURE_RING_RECEIVER);
		if (tail > head && tail - head <= filled.lane_bytes) {	/* [RING3] */
			filled.bytes += tail - head;
			filled.waiting++;
		}
	}
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}
