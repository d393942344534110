/* SPDX-License-Identifier: MIT */
/*
 * ring.c - records from one sender to one receiver
 *
 * Why      The least that passing a message can cost is that the line it lies in moves from one
 *          core to the other. So a record's length says that it is there, and lies in front of its
 *          bytes: small records move with one line. head and tail are only read when a side
 *          seems to be full, or takes over.
 * Rules    layout/ring.h
 *          [RINGC1] an end is taken by a cas of its holder, from nobody, from one who has left, or
 *                   from one who is gone; while the name is held, so the ring is not freed
 *          [RINGC2] who takes the sender's end over steps over what [RING3] says was sent
 *          [RINGC3] what is read of the other side's words is bounded before use: a record lies
 *                   in the ring, and head is not before tail's ring
 * Sleeping An end that finds nothing says so in its word of sleeps[], and looks again; the other
 *          one reads that word after each store. Store and load are in the wrong order for a
 *          processor on both sides. The sleeper's side has a fence for all processors
 *          (durei_fence_others), so the other one, who is in a hurry, needs none. Where that
 *          cannot be had, needs_fence makes both fence for themselves.
 * Death    opening, after step          is left behind               who mends it
 *          1 holder                     an end of the dead           who opens it: [RINGC1]
 *          sending, after step
 *          1 WRAP's next word = 0       a 0 in free room             nobody reads it
 *          2 WRAP                       a place without a record     [RINGC2]; the receiver follows
 *          3 bytes, next word = 0       bytes in free room           nobody reads them
 *          4 the record's word          a record beyond tail         [RINGC2]
 *          5 tail                       a sleeper that nobody woke   it looks again after a slice
 *          receiving, after step
 *          1 bytes copied               the record                   the next receiver gets it
 *          2 head                       a sleeper that nobody woke   it looks again after a slice
 */
#include <dure/ring.h>

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/lock.h"
#include "layout/ring.h"
#include "message/holder.h"
#include "message/name.h"
#include "os/futex.h"
#include "segment/wait.h"

enum {
	BYTES_DEFAULT = 65536,
	BYTES_MIN = 1024,
	HEAD_BYTES = sizeof(struct cell64),
	SPINS = 300,
};

struct dure_ring {
	struct dl_ring *shared;
	unsigned char *data;
	uint64_t capacity;
	uint64_t mine;			/* tail or head, as this end goes on */
	uint64_t limit;			/* sender: it may write below this position */
	uint64_t pending;		/* bytes reserved, or looked at, + 1; 0: none */
	uint64_t holder;		/* what this end says: the lane of the thread that has it */
	uint32_t end;
	dure_segment *seg;
};

#define RING_TYPE dure_type_make("dure_ring", sizeof(struct dl_ring_place), 16)

static uint64_t ring_bytes(uint64_t capacity)
{
	return sizeof(struct dl_ring) + capacity;
}

static struct cell64 *word_at(const dure_ring *ring, uint64_t position)
{
	return (struct cell64 *)(void *)(ring->data + (position & (ring->capacity - 1)));
}

/* from the position to the end of the bytes */
static uint64_t bytes_before_end(const dure_ring *ring, uint64_t position)
{
	return ring->capacity - (position & (ring->capacity - 1));
}

static uint64_t record_bytes(uint64_t bytes)
{
	return HEAD_BYTES + align_up(bytes, 8);
}

static int damaged(const dure_ring *ring)
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

/* After a store that the other end may sleep for. */
static inline void wake_other(const dure_ring *ring)
{
	struct cell32 *sleeps = &ring->shared->sleeps[!ring->end];

	if (__builtin_expect(cell32_load_rlx(&ring->shared->needs_fence), 0))
		fence_full();	/* our record or head, before the other's sleeps */
	else
		fence_crash();	/* durei_fence_others of the other end orders the processors */
	if (__builtin_expect(cell32_load_rlx(sleeps), 0)) {
		cell32_store_rel(sleeps, 0);
		durei_wake(ring->seg, sleeps, 1);
	}
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

static void fence_others(const dure_ring *ring)
{
	if (durei_fence_others() < 0)
		cell32_store_rel(&ring->shared->needs_fence, 1);
}

/* One sleep. 0: look again */
static int sleep_once(dure_ring *ring, ready_test *is_ready, uint64_t need, int64_t deadline_ns)
{
	struct cell32 *sleeps = &ring->shared->sleeps[ring->end];
	uint64_t other = other_holder(ring);
	uint32_t watched = other > DL_RING_LEFT ? (uint32_t)other : 0;
	int r = 0;

	cell32_store_rel(sleeps, 1);
	fence_full();			/* our sleeps, before the other's record or head */
	if (!cell32_load_rlx(&ring->shared->needs_fence))
		fence_others(ring);
	if (!is_ready(ring, need))
		r = durei_wait(durei_lane_last, sleeps, 1, dl_lock_lane(watched),
			       dl_lock_generation(watched), deadline_ns);
	cell32_store_rel(sleeps, 0);
	return r < 0 ? r : 0;
}

static __attribute__((noinline)) int wait_until(dure_ring *ring, ready_test *is_ready,
						uint64_t need, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r = 0;

	while (!is_ready(ring, need)) {
		if (timeout_ns == 0)
			return durei_error_plain(EAGAIN);
		if (spin(ring, is_ready, need))
			break;
		/* what a dead one has sent last is seen before it is said to be gone */
		if (other_is_gone(ring) && !is_ready(ring, need))
			return durei_error(ENOTCONN, "segment %s: the other end of the ring is gone",
					   ring->seg->super.name);
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
	lane = durei_lane_get(ring->seg, &r);
	if (!lane)
		return r;
	if (lane->lock_word == (uint32_t)ring->holder && ring->end == end)
		return 0;
	return durei_error(EPERM, "segment %s: this end of the ring is another thread's, or is not "
			   "the %s", ring->seg->super.name,
			   end == DURE_RING_SENDER ? "sender" : "receiver");
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

/* Steps 1 and 2: the rest of the ring is passed over. */
static void wrap(dure_ring *ring)
{
	uint64_t rest = bytes_before_end(ring, ring->mine);

	cell64_store_rel(word_at(ring, ring->mine + rest), 0);
	cell64_store_rel(word_at(ring, ring->mine), DL_RING_WRAP);
	ring->mine += rest;
}

static inline int reserve(dure_ring *ring, uint64_t bytes, int64_t timeout_ns)
{
	uint64_t need = record_bytes(bytes) + HEAD_BYTES, rest = bytes_before_end(ring, ring->mine);
	bool wraps = record_bytes(bytes) > rest;
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
	uint64_t bytes = ring->pending - 1, next = ring->mine + record_bytes(bytes);

	cell64_store_rel(word_at(ring, next), 0);		/* [RING1] */
	cell64_store_rel(word_at(ring, ring->mine), bytes << DL_RING_LENGTH_SHIFT | DL_RING_RECORD);
	ring->mine = next;
	ring->pending = 0;
	cell64_store_rel(&ring->shared->ends[DURE_RING_SENDER].position, next);
	wake_other(ring);
}

int dure_ring_send(dure_ring *ring, const void *data, size_t bytes, int64_t timeout_ns)
{
	int r = check_end(ring, DURE_RING_SENDER);

	if (__builtin_expect(r == 0, 1))
		r = reserve(ring, bytes, timeout_ns);
	if (__builtin_expect(r < 0, 0))
		return r;
	if (bytes)
		memcpy(word_at(ring, ring->mine) + 1, data, bytes);
	publish(ring);
	return 0;
}

int dure_ring_reserve(dure_ring *ring, size_t bytes, void **ret, int64_t timeout_ns)
{
	int r = check_end(ring, DURE_RING_SENDER);

	if (r == 0)
		r = reserve(ring, bytes, timeout_ns);
	if (r == 0)
		*ret = word_at(ring, ring->mine) + 1;
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
	return cell64_load_acq(word_at(ring, ring->mine)) != 0;
}

/* The next record's length; -EUCLEAN: it does not lie in the ring. [RINGC3] */
static inline int find_record(dure_ring *ring, uint64_t *ret_bytes, int64_t timeout_ns)
{
	for (int wraps = 0; wraps < 2; wraps++) {
		uint64_t word = cell64_load_acq(word_at(ring, ring->mine));
		if (__builtin_expect(!word, 0)) {
			int r = wait_until(ring, has_record, 0, timeout_ns);
			if (r < 0)
				return r;
			word = cell64_load_acq(word_at(ring, ring->mine));
		}
		uint64_t bytes = word >> DL_RING_LENGTH_SHIFT;
		uint64_t rest = bytes_before_end(ring, ring->mine);
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
	return damaged(ring);
}

static inline void done(dure_ring *ring)
{
	ring->mine += record_bytes(ring->pending - 1);
	ring->pending = 0;
	cell64_store_rel(&ring->shared->ends[DURE_RING_RECEIVER].position, ring->mine);
	wake_other(ring);
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
		memcpy(buffer, word_at(ring, ring->mine) + 1, bytes);
	done(ring);
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
	*ret = word_at(ring, ring->mine) + 1;
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

/* -- opening ----------------------------------------------------------------------------- */

/* The ring's constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_ring_options *o = context;
	struct dl_ring_place *place = object;
	void *block;
	int r = dure_tx_alloc(tx, ring_bytes(o->bytes), 64, &block);

	(void)count;
	if (r < 0)
		return r;
	struct dl_ring *ring = memset(block, 0, ring_bytes(o->bytes));
	ring->magic = DL_RING_MAGIC;
	ring->capacity = o->bytes;
	place->ring.raw = durei_offset(dure_tx_segment(tx), block);	/* still private */
	return 0;
}

static int check_options(const struct dure_ring_options *options, struct dure_ring_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r == 0 && !ret->bytes)
		ret->bytes = BYTES_DEFAULT;
	if (r == 0 && (!is_power_of_two(ret->bytes) || ret->bytes < BYTES_MIN ||
		       ret->bytes > DL_BYTES_MAX))
		r = durei_error(EINVAL, "options.bytes %llu is no power of two from %d",
				(unsigned long long)ret->bytes, BYTES_MIN);
	return r;
}

static int bind(dure_ring *ring, dure_segment *seg, const struct dl_ring_place *place,
		const char *name)
{
	uint64_t offset = cell64_load_acq(&place->ring);
	struct dl_ring *shared = durei_at(seg, offset);

	if (offset % 64 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof *shared) ||
	    shared->magic != DL_RING_MAGIC)
		return durei_error(EUCLEAN, "segment %s: there is no ring where %s leads to: run dure "
				   "check", seg->super.name, name);
	ring->seg = seg;
	ring->shared = shared;
	ring->data = (unsigned char *)(shared + 1);
	ring->capacity = shared->capacity;
	if (!is_power_of_two(ring->capacity) || ring->capacity < BYTES_MIN ||
	    ring->capacity > seg->mapped_bytes ||
	    !durei_bytes_are_backed(seg, offset, ring_bytes(ring->capacity)))
		return damaged(ring);
	return 0;
}

/* Where this end goes on. [RINGC2] [RINGC3] */
static int take_up(dure_ring *ring)
{
	struct dl_ring_end *ends = ring->shared->ends;
	uint64_t word;

	ring->mine = cell64_load_acq(&ends[ring->end].position);
	if (ring->mine % 8)
		return damaged(ring);
	for (int records = 0; ring->end == DURE_RING_SENDER && records < 2; records++) {
		word = cell64_load_acq(word_at(ring, ring->mine));
		if (!word)
			break;
		uint64_t rest = bytes_before_end(ring, ring->mine);
		uint64_t bytes = word == DL_RING_WRAP ? rest
						      : record_bytes(word >> DL_RING_LENGTH_SHIFT);
		if (bytes > rest)
			return damaged(ring);
		ring->mine += bytes;
	}
	/* not before all that was sent is counted: the receiver may have it already */
	ring->limit = cell64_load_acq(&ends[DURE_RING_RECEIVER].position) + ring->capacity;
	if (ring->end == DURE_RING_SENDER && ring->limit - ring->mine > ring->capacity)
		return damaged(ring);
	cell64_store_rel(&ends[ring->end].position, ring->mine);
	return 0;
}

/* While the name is held: 0, or -EAGAIN with the holder. [RINGC1] */
static int take_end(dure_ring *ring, uint64_t *ret_holder)
{
	struct cell64 *holder = &ring->shared->ends[ring->end].holder;
	uint64_t seen = cell64_load_acq(holder);
	int r = 0;

	if (cell32_load_acq(&ring->shared->is_doomed))
		return durei_error(EBUSY, "segment %s: the ring is being destroyed, or whoever did "
				   "died: destroy it again", ring->seg->super.name);
	*ret_holder = seen;
	if (seen > DL_RING_LEFT && !durei_holder_is_gone(ring->seg, seen))
		return -EAGAIN;
	ring->holder = durei_holder_me(durei_lane_get(ring->seg, &r));
	if (!cell64_cas(holder, &seen, ring->holder))
		return -EAGAIN;
	if (durei_fence_others_join() < 0)
		cell32_store_rel(&ring->shared->needs_fence, 1);
	r = take_up(ring);
	if (r < 0)
		cell64_store_rel(holder, DL_RING_LEFT);
	return r;
}

/* Until whoever has the end closes it, or is gone. The ring may be freed meanwhile. */
static int wait_for_end(uint64_t holder, int64_t deadline_ns)
{
	uint32_t watched = (uint32_t)holder, ours = 0;
	struct cell32 word = { ours };	/* nobody changes it: a slice, or the holder's death */
	int r = durei_wait(durei_lane_last, &word, ours, dl_lock_lane(watched),
			   dl_lock_generation(watched), deadline_ns);

	return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r < 0 ? r : 0;
}

static int open_held(dure_ring *ring, const struct durei_name *name, uint32_t flags,
		     uint64_t *ret_holder)
{
	void *place;
	dure_tx *tx;
	int r = durei_name_hold(name, flags, &tx, &place), made = r;

	if (r < 0)
		return r;
	r = bind(ring, name->seg, place, name->name);
	if (r == 0)
		r = take_end(ring, ret_holder);
	if (r < 0)
		(void)dure_tx_abort(tx);
	else
		(void)dure_tx_commit(tx);
	return r < 0 ? r : made;
}

int dure_ring_open(dure_segment *segment, const char *name, uint32_t flags,
		   const struct dure_ring_options *options, uint32_t end, int64_t timeout_ns,
		   dure_ring **ret)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct dure_ring_options o;
	struct durei_name held = { .seg = segment, .name = name, .what = "ring", .type = RING_TYPE,
				   .format = format, .options = &o };
	uint64_t holder = 0;
	dure_ring *ring;
	int r = check_options(options, &o);

	if (r == 0 && end > DURE_RING_RECEIVER)
		r = durei_error(EINVAL, "dure_ring_open: end %u is neither the sender nor the receiver",
				end);
	if (r < 0)
		return r;
	ring = calloc(1, sizeof *ring);
	if (!ring)
		return durei_error_plain(ENOMEM);
	ring->end = end;
	while ((r = open_held(ring, &held, flags, &holder)) == -EAGAIN) {
		r = timeout_ns == 0 ? durei_error_plain(EAGAIN)
				    : wait_for_end(holder, deadline);
		if (r < 0)
			break;
	}
	if (r < 0) {
		free(ring);
		return r;
	}
	durei_segment_ref(segment);
	*ret = ring;
	return r;
}

void dure_ring_close(dure_ring *ring)
{
	uint64_t holder;		/* what this end says: the lane of the thread that has it */

	if (!ring)
		return;
	holder = ring->holder;
	/* by another thread: if the one that opened it still has the end, it is given back too */
	if (durei_handle_check(ring->seg) == 0 &&
	    cell64_cas(&ring->shared->ends[ring->end].holder, &holder, DL_RING_LEFT))
		wake_other(ring);
	durei_segment_unref(ring->seg);
	free(ring);
}

/* -- the end of a ring ------------------------------------------------------------------- */

static int free_ring(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)object;
	(void)count;
	return dure_tx_free(tx, ((dure_ring *)context)->shared);
}

static bool is_in_use(const dure_ring *ring, uint32_t end)
{
	uint64_t holder = cell64_load_acq(&ring->shared->ends[end].holder);

	return holder > DL_RING_LEFT && !durei_holder_is_gone(ring->seg, holder);
}

int dure_ring_destroy(dure_segment *segment, const char *name)
{
	struct durei_name held = { .seg = segment, .name = name, .what = "ring", .type = RING_TYPE,
				   .format = format };
	struct dure_ring_options o = { .bytes = BYTES_MIN };
	dure_ring ring = { 0 };
	void *place;
	dure_tx *tx;
	int r;

	held.options = &o;
	r = durei_name_hold(&held, DURE_OPEN, &tx, &place);
	if (r < 0)
		return r;
	r = bind(&ring, segment, place, name);
	if (r == 0 && (is_in_use(&ring, DURE_RING_SENDER) || is_in_use(&ring, DURE_RING_RECEIVER)))
		r = durei_error(EBUSY, "segment %s: somebody has an end of ring %s",
				segment->super.name, name);
	if (r == 0)
		cell32_store_rel(&ring.shared->is_doomed, 1);
	(void)dure_tx_abort(tx);
	return r < 0 ? r : dure_object_destroy(segment, name, RING_TYPE, free_ring, &ring);
}
