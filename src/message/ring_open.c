/* SPDX-License-Identifier: MIT */
/*
 * ring_open.c - a ring's name, its ends, its end
 *
 * Rules    layout/ring.h
 *          [RINGC1] an end is taken by a cas of its holder, from nobody, from one who has left, or
 *                   from one who is gone; while the name is held, so the ring is not freed
 *          [RINGC2] who takes the sender's end over steps over what [RING3] says was sent
 *          [RINGC3] as in ring.c
 * Death    opening, after step          is left behind               who mends it
 *          1 holder                     an end of the dead           who opens it: [RINGC1]
 *          destroy, after step
 *          1 doomed                     a ring nobody can open       destroy again
 *          2 name and block gone        nothing                      -
 */
#include "message/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/lock.h"
#include "message/holder.h"
#include "message/name.h"
#include "os/futex.h"

#define RING_TYPE dure_type_make("dure_ring", sizeof(struct dl_ring_place), 16)

void durei_ring_format(struct dl_ring *ring, uint64_t capacity)
{
	memset(ring, 0, sizeof *ring + sizeof(struct cell64));	/* no record yet [RING1] */
	ring->magic = DL_RING_MAGIC;
	ring->capacity = capacity;
}

/* The ring's constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_ring_options *o = context;
	struct dl_ring_place *place = object;
	void *block;
	int r = dure_tx_alloc(tx, durei_ring_block_bytes(o->bytes), 64, &block);

	(void)count;
	if (r < 0)
		return r;
	durei_ring_format(block, o->bytes);
	place->ring.raw = durei_offset(dure_tx_segment(tx), block);	/* still private */
	return 0;
}

int durei_ring_check_bytes(uint64_t *bytes)
{
	if (!*bytes)
		*bytes = DUREI_RING_BYTES_DEFAULT;
	if (is_power_of_two(*bytes) && *bytes >= DUREI_RING_BYTES_MIN && *bytes <= DL_BYTES_MAX)
		return 0;
	return durei_error(EINVAL, "options.bytes %llu is no power of two from %d",
			   (unsigned long long)*bytes, DUREI_RING_BYTES_MIN);
}

static int check_options(const struct dure_ring_options *options, struct dure_ring_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	return r < 0 ? r : durei_ring_check_bytes(&ret->bytes);
}

int durei_ring_bind(dure_ring *ring, dure_segment *seg, uint64_t offset, const char *name)
{
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
	if (!is_power_of_two(ring->capacity) || ring->capacity < DUREI_RING_BYTES_MIN ||
	    ring->capacity > seg->mapped_bytes ||
	    !durei_bytes_are_backed(seg, offset, durei_ring_block_bytes(ring->capacity)))
		return durei_ring_damaged(ring);
	ring->sleeps = &shared->sleeps[ring->end];
	ring->other_sleeps = &shared->sleeps[!ring->end];
	ring->needs_fence = &shared->needs_fence;
	return 0;
}

/* Where this end goes on. [RINGC2] [RINGC3] */
static int take_up(dure_ring *ring)
{
	struct dl_ring_end *ends = ring->shared->ends;
	uint64_t word;

	ring->mine = cell64_load_acq(&ends[ring->end].position);
	if (ring->mine % 8)
		return durei_ring_damaged(ring);
	for (int records = 0; ring->end == DURE_RING_SENDER && records < 2; records++) {
		word = cell64_load_acq(durei_ring_word(ring, ring->mine));
		if (!word)
			break;
		uint64_t rest = durei_ring_rest(ring, ring->mine);
		uint64_t bytes = word == DL_RING_WRAP ? rest
						      : durei_record_bytes(word >> DL_RING_LENGTH_SHIFT);
		if (bytes > rest)
			return durei_ring_damaged(ring);
		ring->mine += bytes;
	}
	/* not before all that was sent is counted: the receiver may have it already */
	ring->limit = cell64_load_acq(&ends[DURE_RING_RECEIVER].position) + ring->capacity;
	if (ring->end == DURE_RING_SENDER && ring->limit - ring->mine > ring->capacity)
		return durei_ring_damaged(ring);
	cell64_store_rel(&ends[ring->end].position, ring->mine);
	return 0;
}

int durei_ring_take_end(dure_ring *ring, uint64_t *ret_holder)
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
		cell32_store_rel(ring->needs_fence, 1);
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
	struct dl_ring_place *place;
	dure_tx *tx;
	int r = durei_name_hold(name, flags, &tx, (void **)&place), made = r;

	if (r < 0)
		return r;
	r = durei_ring_bind(ring, name->seg, cell64_load_acq(&place->ring), name->name);
	if (r == 0)
		r = durei_ring_take_end(ring, ret_holder);
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

void durei_ring_give_end(const dure_ring *ring)
{
	uint64_t holder = ring->holder;

	if (cell64_cas(&ring->shared->ends[ring->end].holder, &holder, DL_RING_LEFT))
		durei_ring_wake_other(ring);
}

void dure_ring_close(dure_ring *ring)
{
	if (!ring)
		return;
	/* by another thread: if the one that opened it still has the end, it is given back too */
	if (durei_handle_check(ring->seg) == 0)
		durei_ring_give_end(ring);
	durei_notice_close(&ring->notice);
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

bool durei_ring_is_in_use(const dure_ring *ring, uint32_t end)
{
	uint64_t holder = cell64_load_acq(&ring->shared->ends[end].holder);

	return holder > DL_RING_LEFT && !durei_holder_is_gone(ring->seg, holder);
}

int dure_ring_destroy(dure_segment *segment, const char *name)
{
	struct durei_name held = { .seg = segment, .name = name, .what = "ring", .type = RING_TYPE,
				   .format = format };
	struct dure_ring_options o = { .bytes = DUREI_RING_BYTES_MIN };
	struct dl_ring_place *place;
	dure_ring ring = { 0 };
	dure_tx *tx;
	int r;

	held.options = &o;
	r = durei_name_hold(&held, DURE_OPEN, &tx, (void **)&place);
	if (r < 0)
		return r;
	r = durei_ring_bind(&ring, segment, cell64_load_acq(&place->ring), name);
	if (r == 0 && (durei_ring_is_in_use(&ring, DURE_RING_SENDER) || durei_ring_is_in_use(&ring, DURE_RING_RECEIVER)))
		r = durei_error(EBUSY, "segment %s: somebody has an end of ring %s",
				segment->super.name, name);
	if (r == 0)
		cell32_store_rel(&ring.shared->is_doomed, 1);
	(void)dure_tx_abort(tx);
	return r < 0 ? r : dure_object_destroy(segment, name, RING_TYPE, free_ring, &ring);
}
