/* SPDX-License-Identifier: MIT */
/*
 * lanes_open.c - the name of lanes, their ends, their end
 *
 * Rules    layout/lanes.h; ring_open.c
 *          [LANESO1] a sender takes the first lane that nobody living has, while the name is held;
 *                    so no two look for one at once, and the lanes of the dead are used again
 *          [LANESO2] the receiver's ends are taken from the first to the last, and given back from
 *                    the last to the first: who has got the first one finds the others free
 * Death    opening, after step          is left behind               who mends it
 *          1 high                       a lane nobody has had        nobody need
 *          2 an end                     an end of the dead           who opens it: [RINGC1]
 *          closing, after step
 *          1 some of the ends           a receiver of the others     the next one: [LANESO2]
 *          destroy, after step
 *          1 doomed                     lanes nobody can open        destroy again
 *          2 name and block gone        nothing                      -
 */
#include "message/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/lock.h"
#include "message/holder.h"
#include "message/name.h"
#include "os/futex.h"

enum { COUNT_DEFAULT = 16, WATCHED_MAX = DUREI_OWNERS_MAX };

#define LANES_TYPE dure_type_make("dure_lanes", sizeof(struct dl_lanes_place), 16)

static uint64_t lanes_bytes(uint64_t count, uint64_t ring_bytes)
{
	return sizeof(struct dl_lanes) + count * dl_lanes_stride(ring_bytes);
}

/* The lanes' constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_lanes_options *o = context;
	struct dl_lanes_place *place = object;
	void *block;
	int r = dure_tx_alloc(tx, lanes_bytes(o->senders_max, o->bytes), 64, &block);

	(void)count;
	if (r < 0)
		return r;
	struct dl_lanes *lanes = memset(block, 0, sizeof *lanes);
	lanes->magic = DL_LANES_MAGIC;
	lanes->count = o->senders_max;
	lanes->ring_bytes = o->bytes;
	for (uint32_t i = 0; i < lanes->count; i++)
		durei_ring_format(durei_lanes_ring(lanes, o->bytes, i), o->bytes);
	place->lanes.raw = durei_offset(dure_tx_segment(tx), block);	/* still private */
	return 0;
}

static int check_options(const struct dure_lanes_options *options, struct dure_lanes_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r == 0 && !ret->senders_max)
		ret->senders_max = COUNT_DEFAULT;
	if (r == 0 && ret->senders_max > DL_LANES_SENDERS_MAX)
		r = durei_error(EINVAL, "options.senders_max %u is more than %d", ret->senders_max,
				DL_LANES_SENDERS_MAX);
	return r < 0 ? r : durei_ring_check_bytes(&ret->bytes);
}

/* -- the handle -------------------------------------------------------------------------- */

/* Where the place leads to: read once, and checked. */
struct found {
	struct dl_lanes *shared;
	uint64_t ring_bytes;
	uint32_t count;
};

static int find(dure_segment *seg, const struct dl_lanes_place *place, const char *name,
		struct found *ret)
{
	uint64_t offset = cell64_load_acq(&place->lanes);
	struct dl_lanes *shared = durei_at(seg, offset);

	if (offset % 64 == 0 && offset >= seg->super.data_offset &&
	    durei_bytes_are_backed(seg, offset, sizeof *shared) && shared->magic == DL_LANES_MAGIC) {
		*ret = (struct found){ shared, shared->ring_bytes, shared->count };
		if (ret->count && ret->count <= DL_LANES_SENDERS_MAX && ret->ring_bytes <= seg->mapped_bytes &&
		    durei_bytes_are_backed(seg, offset, lanes_bytes(ret->count, ret->ring_bytes)))
			return 0;
	}
	return durei_error(EUCLEAN, "segment %s: there are no lanes where %s leads to: run dure check",
			   seg->super.name, name);
}

/* The ring of this number, for the end it is. */
static int bind_ring(const dure_lanes *lanes, dure_ring *ring, uint32_t index, const char *name)
{
	struct dl_lanes *shared = lanes->shared;
	const struct dl_ring *place = durei_lanes_ring(shared, lanes->ring_bytes, index);
	int r;

	ring->end = lanes->end;
	r = durei_ring_bind(ring, lanes->seg, durei_offset(lanes->seg, place), name);
	if (r == 0 && ring->capacity != lanes->ring_bytes)
		r = durei_ring_damaged(ring);
	ring->needs_fence = &shared->needs_fence;
	if (ring->end == DURE_RING_SENDER)				/* [LANES3] */
		ring->other_sleeps = &shared->sleeps;
	else
		ring->sleeps = &shared->sleeps;
	return r;
}

/* A handle of one end; NULL: no memory */
static dure_lanes *handle_of(dure_segment *seg, const struct found *found, uint32_t end)
{
	size_t rings = end == DURE_LANES_SENDER ? 1 : found->count;
	dure_lanes *lanes = calloc(1, sizeof *lanes + rings * sizeof *lanes->rings);

	if (!lanes)
		return NULL;
	lanes->seg = seg;
	lanes->shared = found->shared;
	lanes->ring_bytes = found->ring_bytes;
	lanes->count = found->count;
	lanes->end = end;
	return lanes;
}

/* -- taking an end ----------------------------------------------------------------------- */

/* Those who have the ends that were asked for. */
struct taken {
	uint16_t owners[WATCHED_MAX];
	unsigned count;
};

static void note_holder(struct taken *taken, uint64_t holder)
{
	if (taken->count < WATCHED_MAX)
		taken->owners[taken->count++] = dl_lock_lane((uint32_t)holder);
}

/* [LANESO1] */
static int take_lane(dure_lanes *lanes, const char *name, struct taken *taken)
{
	struct cell32 *high = &lanes->shared->high;
	int r = -EAGAIN;

	for (uint32_t i = 0; r == -EAGAIN && i < lanes->count; i++) {
		uint64_t holder = 0;
		r = bind_ring(lanes, &lanes->rings[0], i, name);
		if (r == 0 && cell32_load_rlx(high) <= i)
			cell32_store_rel(high, i + 1);			/* [LANES2] */
		if (r == 0)
			r = durei_ring_take_end(&lanes->rings[0], &holder);
		if (r == -EAGAIN)
			note_holder(taken, holder);
	}
	return r;
}

/* [LANESO2] */
static int take_receiver(dure_lanes *lanes, const char *name, struct taken *taken)
{
	uint64_t holder = 0;
	uint32_t i;
	int r = 0;

	for (i = 0; r == 0 && i < lanes->count; i++) {
		r = bind_ring(lanes, &lanes->rings[i], i, name);
		if (r == 0)
			r = durei_ring_take_end(&lanes->rings[i], &holder);
		if (r == -EAGAIN && i > 0)
			r = durei_ring_damaged(&lanes->rings[i]);
	}
	if (r == -EAGAIN)
		note_holder(taken, holder);
	while (r < 0 && --i > 0)
		durei_ring_give_end(&lanes->rings[i - 1]);
	return r;
}

/* While the name is held. */
static int take_end(dure_lanes *lanes, const char *name, struct taken *taken)
{
	if (cell32_load_acq(&lanes->shared->is_doomed))
		return durei_error(EBUSY, "segment %s: the lanes are being destroyed, or whoever did "
				   "died: destroy them again", lanes->seg->super.name);
	return lanes->end == DURE_LANES_SENDER ? take_lane(lanes, name, taken)
					       : take_receiver(lanes, name, taken);
}

static int open_held(const struct durei_name *name, uint32_t flags, uint32_t end,
		     struct taken *taken, dure_lanes **ret)
{
	struct dl_lanes_place *place;
	struct found found;
	dure_tx *tx;
	int r = durei_name_hold(name, flags, &tx, (void **)&place), made = r;

	if (r < 0)
		return r;
	r = find(name->seg, place, name->name, &found);
	if (r == 0)
		*ret = handle_of(name->seg, &found, end);
	if (r == 0)
		r = *ret ? take_end(*ret, name->name, taken) : durei_error_plain(ENOMEM);
	if (r == 0) {
		(void)dure_tx_commit(tx);
		return made;
	}
	(void)dure_tx_abort(tx);
	free(*ret);
	*ret = NULL;
	return r;
}

/* Until one of those who have the ends is gone, or for a moment. The lanes may be freed meanwhile. */
static int wait_for_end(const struct taken *taken, int64_t deadline_ns)
{
	struct cell32 word = { 0 };	/* nobody changes it: a slice, or a holder's death */
	int r = durei_wait_any(durei_lane_last, &word, 0, taken->owners, taken->count, deadline_ns);

	return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
}

int dure_lanes_open(dure_segment *segment, const char *name, uint32_t flags,
		    const struct dure_lanes_options *options, uint32_t end, int64_t timeout_ns,
		    dure_lanes **ret)
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct dure_lanes_options o;
	struct durei_name held = { .seg = segment, .name = name, .what = "lanes", .type = LANES_TYPE,
				   .format = format, .options = &o };
	struct taken taken = { .count = 0 };
	dure_lanes *lanes = NULL;
	int r = check_options(options, &o);

	if (r == 0 && end > DURE_LANES_RECEIVER)
		r = durei_error(EINVAL, "dure_lanes_open: end %u is neither a sender nor the receiver",
				end);
	if (r < 0)
		return r;
	while ((r = open_held(&held, flags, end, &taken, &lanes)) == -EAGAIN) {
		r = timeout_ns == 0 ? durei_error_plain(EAGAIN) : wait_for_end(&taken, deadline);
		if (r < 0)
			return r;
		taken.count = 0;
	}
	if (r < 0)
		return r;
	durei_segment_ref(segment);
	*ret = lanes;
	return r;
}

void dure_lanes_close(dure_lanes *lanes)
{
	uint32_t rings;

	if (!lanes)
		return;
	rings = lanes->end == DURE_LANES_SENDER ? 1 : lanes->count;
	if (durei_handle_check(lanes->seg) == 0)
		while (rings-- > 0)
			durei_ring_give_end(&lanes->rings[rings]);	/* [LANESO2] */
	durei_notice_close(&lanes->notice);
	durei_notice_close(&lanes->rings[0].notice);
	durei_segment_unref(lanes->seg);
	free(lanes);
}

/* -- the end of lanes -------------------------------------------------------------------- */

static int free_lanes(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)object;
	(void)count;
	return dure_tx_free(tx, context);
}

static bool is_in_use(dure_lanes *lanes, const char *name, int *ret_error)
{
	dure_ring *ring = &lanes->rings[0];
	bool is = false;

	for (uint32_t i = 0; !is && *ret_error == 0 && i < lanes->count; i++) {
		*ret_error = bind_ring(lanes, ring, i, name);
		is = *ret_error == 0 && (durei_ring_is_in_use(ring, DURE_RING_SENDER) ||
					 durei_ring_is_in_use(ring, DURE_RING_RECEIVER));
	}
	return is;
}

/* Step 1: nobody has an end, and nobody will. */
static int doom(dure_segment *segment, const struct found *found, const char *name)
{
	dure_lanes *lanes = handle_of(segment, found, DURE_LANES_SENDER);
	int r = 0;

	if (!lanes)
		return durei_error_plain(ENOMEM);
	if (is_in_use(lanes, name, &r))
		r = durei_error(EBUSY, "segment %s: somebody has an end of lanes %s",
				segment->super.name, name);
	if (r == 0)
		cell32_store_rel(&found->shared->is_doomed, 1);
	free(lanes);
	return r;
}

int dure_lanes_destroy(dure_segment *segment, const char *name)
{
	struct dure_lanes_options o = { .bytes = DUREI_RING_BYTES_MIN, .senders_max = 1 };
	struct durei_name held = { .seg = segment, .name = name, .what = "lanes", .type = LANES_TYPE,
				   .format = format, .options = &o };
	struct dl_lanes_place *place;
	struct found found;
	dure_tx *tx;
	int r = durei_name_hold(&held, DURE_OPEN, &tx, (void **)&place);

	if (r < 0)
		return r;
	r = find(segment, place, name, &found);
	if (r == 0)
		r = doom(segment, &found, name);
	(void)dure_tx_abort(tx);
	return r < 0 ? r : dure_object_destroy(segment, name, LANES_TYPE, free_lanes, found.shared);
}
