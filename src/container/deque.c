/* SPDX-License-Identifier: MIT */
/*
 * deque.c - a deque in a segment
 *
 * Why      Elements that come at one end and go at the other, or come back; with an index in
 *          between. Adding one is the commonest change, and one store, as in a vector.
 * Layout   layout/deque.h
 * Rules    layout/deque.h, layout/guard.h
 *          [DEQUEC1] outside transactions push tells readers nothing: it changes only what is
 *                    before first, or from end on, then that word [GUARD4]. Whatever else changes
 *                    is a log with a mark, so that a reader who met an element while it was taken
 *                    away, and its place used anew, looks again
 *          [DEQUEC2] in a transaction the place of a new element may be that of one which it has
 *                    taken away, and will be there again if it is undone: its bytes are remembered
 * Death    push, after step      is left behind                     who mends it
 *          1 the element         bytes outside first and end        nobody reads them
 *          2 first, or end       the element                        -
 *          a chunk, a table, pop, set: tx/log.c, a transaction of one operation.
 *          destroy, after step
 *          1 some chunks         a deque with fewer elements        whoever destroys it next
 *          2 name and rest       gone                               -
 */
#include "container/deque.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/owner.h"
#include "heap/heap.h"

enum {
	CHUNK_BYTES = 4096,
	WORD_BYTES = 8,
	FREED_AT_ONCE = 24,	/* chunks, by destroy: the log of so many fits the lane */
};

static const struct durei_kind deques = {
	.what = "deque",
	.object = { "dure_deque", sizeof(struct dl_deque), 64 },
	.element = offsetof(struct dl_deque, element),
};

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	struct dure_type type;
	uint32_t chunk_bits;
};

static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_deque *shared = object;

	(void)tx;
	(void)count;
	durei_element_format(&shared->element, &plan->type);
	shared->chunk_bits = plan->chunk_bits;
	cell64_store_rel(&shared->first, DL_DEQUE_START);
	cell64_store_rel(&shared->end, DL_DEQUE_START);
	return 0;
}

/* 0: no segment has so many bytes */
static uint64_t bytes_of_chunk(uint64_t element_bytes, unsigned bits)
{
	return bits > DL_DEQUE_CHUNK_BITS_MAX || element_bytes > DL_BYTES_MAX >> bits
		       ? 0 : element_bytes << bits;
}

static int make_plan(struct dure_type type, const struct dure_deque_options *options,
		     struct plan *ret)
{
	struct dure_deque_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0)
		r = durei_element_check(&deques, &type);
	if (r < 0)
		return r;
	if (!o.chunk_count)
		o.chunk_count = max_u64(CHUNK_BYTES / type.size_bytes, 1);
	if (o.chunk_count > UINT64_C(1) << DL_DEQUE_CHUNK_BITS_MAX ||
	    !bytes_of_chunk(type.size_bytes, log2_ceil(o.chunk_count)))
		return durei_error(EINVAL, "options.chunk_count %llu: they fit no segment",
				   (unsigned long long)o.chunk_count);
	*ret = (struct plan){ .type = type, .chunk_bits = log2_ceil(o.chunk_count) };
	return 0;
}

static int bind(dure_deque *d)
{
	d->shared = d->elements.shared;
	d->chunk_bits = d->shared->chunk_bits;
	d->chunk_bytes = bytes_of_chunk(d->elements.bytes, d->chunk_bits);
	return d->chunk_bytes ? 0 : durei_elements_damaged(&d->elements, "the size of a chunk");
}

static int open_where(dure_segment *segment, struct durei_where where, struct dure_type type,
		      uint32_t flags, const struct dure_deque_options *options, dure_deque **ret)
{
	struct plan plan;
	dure_deque *d;
	int r = make_plan(type, options, &plan), made;

	if (r < 0)
		return r;
	d = calloc(1, sizeof *d);
	if (!d)
		return durei_error_plain(ENOMEM);
	r = made = durei_elements_open(&d->elements, &deques, segment, where, &type, flags, format,
				       &plan);
	if (r >= 0)
		r = bind(d);
	if (r < 0) {
		free(d);
		return r;
	}
	*ret = d;
	return made;
}

int dure_deque_open(dure_segment *segment, const char *name, struct dure_type type,
		    uint32_t flags, const struct dure_deque_options *options, dure_deque **ret)
{
	return open_where(segment, durei_by_name(name), type, flags, options, ret);
}

int dure_deque_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
		       uint32_t flags, const struct dure_deque_options *options, dure_deque **ret)
{
	return open_where(segment, durei_by_ref(at), type, flags, options, ret);
}

void dure_deque_close(dure_deque *deque)
{
	free(deque);
}

/* -- room -------------------------------------------------------------------------------- */

/* Is there a place in the table for the chunk of an element before first, or at end? [DEQUE2] */
static inline bool has_place(const dure_deque *d, const struct durei_deque_view *v,
			     uint64_t number)
{
	uint64_t low = min_u64(number, v->first);
	uint64_t high = v->end > v->first ? max_u64(number, v->end - 1) : number;

	return (high >> d->chunk_bits) - (low >> d->chunk_bits) < v->places;
}

/* A reserved block with a table of so many places, which leads to all that the old one does. */
static int build_table(const dure_deque *d, struct durei_lane *lane,
		       const struct durei_deque_view *v, uint64_t places, uint64_t *ret_offset)
{
	uint64_t bytes = sizeof(struct dl_deque_table) + places * WORD_BYTES;
	int r = durei_block_reserve(lane, bytes, 16, ret_offset);

	if (r < 0)
		return r;
	struct dl_deque_table *table = durei_at(d->elements.seg, *ret_offset);
	memset(table, 0, bytes);
	table->places = places;
	for (uint64_t i = 0; i < v->places; i++) {
		uint64_t c = (v->first >> d->chunk_bits) + i;
		table->chunks[c & (places - 1)].raw =
			cell64_load_rlx(&v->table->chunks[c & (v->places - 1)]);
	}
	return 0;
}

/* [DEQUE3]: the old table is full, or there is none. */
static int grow_table(dure_deque *d, struct durei_guard *guard, struct durei_deque_view *v)
{
	struct cell64 *link = &d->shared->table;
	uint64_t old = cell64_load_rlx(link), offset;
	int r = build_table(d, guard->lane, v, v->places ? v->places * 2 : DL_DEQUE_PLACES_MIN,
			    &offset);

	if (r < 0)
		return r;
	r = durei_chunk_link(guard, link, offset, old);
	return r < 0 ? r : durei_deque_view_table(d, v);
}

/* Sees to it that there is a chunk for an element before first, or at end. */
static int make_room(dure_deque *d, struct durei_guard *guard, struct durei_deque_view *v,
		     uint64_t number)
{
	int r = 0;

	if ((v->end - v->first + 1) >> DL_DEQUE_COUNT_BITS_MAX)
		return durei_error(ENOSPC, "deque %s: so many elements fit no segment",
				   d->elements.name.text);
	if (!has_place(d, v, number))
		r = grow_table(d, guard, v);
	if (r < 0 || durei_deque_place(d, v, number))
		return r;
	if (cell64_load_rlx(durei_deque_link(d, v, number)))
		return durei_deque_damaged(d);	/* it is there, and cannot be used */
	return durei_chunk_add(guard, durei_deque_link(d, v, number), d->chunk_bytes,
			       d->elements.align);
}

/* -- adding ------------------------------------------------------------------------------ */

/* What is changed by one more, or one less, at an end. */
struct step {
	uint64_t number;		/* of the element */
	struct cell64 *cell;
	uint64_t value;			/* the cell's, afterwards */
};

static inline struct step step_to_add(const dure_deque *d, const struct durei_deque_view *v,
				      enum durei_deque_end end)
{
	return end == DUREI_BACK
		       ? (struct step){ v->end, &d->shared->end, v->end + 1 }
		       : (struct step){ v->first - 1, &d->shared->first, v->first - 1 };
}

static inline struct step step_to_take(const dure_deque *d, const struct durei_deque_view *v,
				       enum durei_deque_end end)
{
	return end == DUREI_BACK
		       ? (struct step){ v->end - 1, &d->shared->end, v->end - 1 }
		       : (struct step){ v->first, &d->shared->first, v->first + 1 };
}

static inline void fill(const dure_deque *d, unsigned char *to, const void *element)
{
	if (element)
		durei_element_copy(to, element, d->elements.bytes);
	else
		memset(to, 0, d->elements.bytes);
}

/* [DEQUEC2] */
static int add_in_tx(dure_deque *d, struct durei_guard *guard, const struct step *step,
		     unsigned char *to, const void *element)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = durei_log_undo_range(guard->lane, durei_offset(d->elements.seg, to), d->elements.bytes);
	if (r == 0) {
		fill(d, to, element);
		r = durei_log_write_word(guard->lane, step->cell, step->value);
	}
	return durei_guard_end(guard, r);
}

static inline int add_locked(dure_deque *d, struct durei_guard *guard, enum durei_deque_end end,
			     const void *element)
{
	struct durei_deque_view v;
	int r = durei_deque_see(d, &v);
	struct step step = step_to_add(d, &v, end);
	unsigned char *to = r == 0 && has_place(d, &v, step.number)
				    ? durei_deque_place(d, &v, step.number) : NULL;

	if (__builtin_expect(!to, 0)) {
		if (r == DUREI_DEQUE_MOVED)	/* nobody moves it but us */
			r = durei_deque_damaged(d);
		if (r == 0)
			r = make_room(d, guard, &v, step.number);
		if (r < 0)
			return r;
		to = durei_deque_place(d, &v, step.number);
		if (!to)
			return durei_deque_damaged(d);
	}
	if (guard->in_tx)
		return add_in_tx(d, guard, &step, to, element);
	fill(d, to, element);					/* step 1 */
	cell64_store_rel(step.cell, step.value);		/* step 2 */
	return 0;
}

static int lock(dure_deque *d, struct durei_guard *ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(d->elements.seg, &r);

	return lane ? durei_guard_lock(lane, &d->shared->guard, ret) : r;
}

int dure_deque_push_back(dure_deque *deque, const void *element)
{
	struct durei_guard guard;
	int r = lock(deque, &guard);

	if (r < 0)
		return r;
	r = add_locked(deque, &guard, DUREI_BACK, element);
	durei_guard_unlock(&guard);
	return r;
}

int dure_deque_push_front(dure_deque *deque, const void *element)
{
	struct durei_guard guard;
	int r = lock(deque, &guard);

	if (r < 0)
		return r;
	r = add_locked(deque, &guard, DUREI_FRONT, element);
	durei_guard_unlock(&guard);
	return r;
}

/* -- taking away ------------------------------------------------------------------------- */

/* Was the element the last one of its chunk, seen from the end it was taken at? */
static bool leaves_chunk(const dure_deque *d, const struct step *step, enum durei_deque_end end)
{
	return durei_deque_in_chunk(d, end == DUREI_FRONT ? step->number + 1 : step->number) == 0;
}

static int take_locked(dure_deque *d, struct durei_guard *guard, const struct durei_deque_view *v,
		       enum durei_deque_end end, void *ret_element)
{
	struct step step = step_to_take(d, v, end);
	const unsigned char *from = durei_deque_place(d, v, step.number);
	int r;

	if (!from)
		return durei_deque_damaged(d);
	r = durei_guard_begin(guard);
	if (r < 0)
		return r;
	r = durei_log_write_word(guard->lane, step.cell, step.value);
	if (r == 0 && leaves_chunk(d, &step, end))
		r = durei_chunk_drop(guard->lane, durei_deque_link(d, v, step.number));
	if (r == 0 && ret_element)	/* nothing can fail any more; the chunk is not free */
		durei_element_copy(ret_element, from, d->elements.bytes);
	return durei_guard_end(guard, r);
}

static int pop(dure_deque *d, enum durei_deque_end end, void *ret_element)
{
	struct durei_guard guard;
	struct durei_deque_view v;
	int r = lock(d, &guard);

	if (r < 0)
		return r;
	r = durei_deque_see(d, &v);
	if (r == 0 && v.first == v.end)
		r = durei_error_plain(ENOENT);
	if (r == 0)
		r = take_locked(d, &guard, &v, end, ret_element);
	durei_guard_unlock(&guard);
	return r;
}

int dure_deque_pop_back(dure_deque *deque, void *ret_element)
{
	return pop(deque, DUREI_BACK, ret_element);
}

int dure_deque_pop_front(dure_deque *deque, void *ret_element)
{
	return pop(deque, DUREI_FRONT, ret_element);
}

/* -- elements ---------------------------------------------------------------------------- */

static int set_locked(dure_deque *d, struct durei_guard *guard, uint64_t index,
		      const void *element)
{
	struct durei_deque_view v;
	unsigned char *to = NULL;
	int r = durei_deque_see(d, &v);

	if (r == 0 && index >= v.end - v.first)
		return durei_deque_no_element(d, index, v.end - v.first);
	if (r == 0)
		to = durei_deque_place(d, &v, v.first + index);
	if (!to)
		return r < 0 ? r : durei_deque_damaged(d);
	r = durei_guard_begin(guard);
	if (r < 0)
		return r;
	r = durei_log_undo_range(guard->lane, durei_offset(d->elements.seg, to), d->elements.bytes);
	if (r == 0)
		memmove(to, element, d->elements.bytes);
	fence_crash();		/* the element before the commit */
	return durei_guard_end(guard, r);
}

int dure_deque_set(dure_deque *deque, uint64_t index, const void *element)
{
	struct durei_guard guard;
	int r = lock(deque, &guard);

	if (r < 0)
		return r;
	r = set_locked(deque, &guard, index, element);
	durei_guard_unlock(&guard);
	return r;
}

/* -- the end of a deque ------------------------------------------------------------------ */

/* Between guard begin and end: some chunks from the front. Returns how many */
static int drop_chunks(dure_deque *d, struct durei_guard *guard, struct durei_deque_view *v)
{
	int n = 0, r = 0;

	while (r == 0 && n < FREED_AT_ONCE && v->first < v->end) {
		struct cell64 *link = durei_deque_link(d, v, v->first);
		if (!cell64_load_rlx(link))
			return durei_deque_damaged(d);
		r = durei_chunk_drop(guard->lane, link);
		v->first = min_u64(v->end, ((v->first >> d->chunk_bits) + 1) << d->chunk_bits);
		n += r == 0;
	}
	if (r == 0)
		r = durei_log_write_word(guard->lane, &d->shared->first, v->first);
	return r < 0 ? r : n;
}

static int free_chunks(dure_deque *d, struct durei_lane *lane)
{
	struct durei_guard guard;
	struct durei_deque_view v;
	int r = durei_guard_lock(lane, &d->shared->guard, &guard);

	if (r < 0)
		return r;
	r = durei_deque_see(d, &v);
	if (r == 0)
		r = durei_guard_begin(&guard);
	if (r == 0)
		r = durei_guard_end(&guard, drop_chunks(d, &guard, &v));
	durei_guard_unlock(&guard);
	return r;
}

static int take_first(void *deque)
{
	return dure_deque_pop_front(deque, NULL);
}

/* Step 1. Elements that own containers go one by one. */
static int free_some(void *handle, struct durei_lane *lane, unsigned depth)
{
	dure_deque *d = handle;
	dure_ref owned;
	int r;

	if (!durei_elements_own(&d->elements))
		return free_chunks(d, lane);
	if (dure_deque_count(d) == 0)
		return 0;
	r = dure_deque_front(d, &owned);
	if (r == 0)
		r = durei_owned_free(lane, owned, depth, take_first, d);
	return r < 0 ? r : 1;
}

static bool is_empty(const void *handle)
{
	return dure_deque_count(handle) == 0;
}

/* Chunks without elements, of which there are few, and the table. */
static int free_table(dure_tx *tx, void *object, uint64_t count, void *context)
{
	dure_segment *seg = dure_tx_segment(tx);
	dure_deque *d = context;
	struct durei_deque_view v;
	int r;

	(void)object;
	(void)count;
	r = durei_deque_see(d, &v);
	for (uint64_t i = 0; r == 0 && i < v.places; i++) {
		uint64_t offset = cell64_load_rlx(&v.table->chunks[i]);
		if (offset)
			r = dure_tx_free(tx, durei_at(seg, offset));
	}
	return r == 0 && v.table ? dure_tx_free(tx, v.table) : r;
}

static int bind_found(void *handle, dure_segment *seg, void *shared, struct durei_where where)
{
	dure_deque *d = handle;
	int r = durei_elements_bind(&d->elements, &deques, seg, shared, where);

	return r < 0 ? r : bind(d);
}

const struct durei_container durei_deques = {
	.what = "deque",
	.object = { "dure_deque", sizeof(struct dl_deque), 64 },
	.handle_bytes = sizeof(dure_deque),
	.bind = bind_found,
	.free_some = free_some,
	.is_empty = is_empty,
	.free_rest = free_table,
};

int dure_deque_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_deques, segment, name);
}
