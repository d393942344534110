/* SPDX-License-Identifier: MIT */
/*
 * vector.c - a vector in a segment
 *
 * Why      Appending is the commonest change there is, and the cheapest one can be: the element
 *          is written where nobody looks, then one word says that it is there.
 * Layout   layout/vector.h: chunks, each twice as large as the one before. So nothing is copied
 *          when it grows, elements never move, and the table of chunks is part of the vector.
 * Rules    layout/vector.h, layout/guard.h
 *          [VECTORC1] outside transactions push tells readers nothing: it changes only what is
 *                     behind count, then count [GUARD4]. Whatever else changes is a log with a
 *                     mark, so that a reader who met an element while it was taken away, and its
 *                     place used anew, looks again
 *          [VECTORC2] in a transaction the place behind count may be that of an element which it
 *                     has taken away, and will be there again if it is undone: its bytes are
 *                     remembered
 *          [VECTORC3] with DURE_VECTOR_SERIAL the program's mutex stands for the lock in push; the
 *                     others lock all the same, for readers wait by that lock
 * Death    push, after step      is left behind                     who mends it
 *          1 the element         bytes behind count                 nobody reads them
 *          2 count               the element                        -
 *          a chunk, pop, set, resize, trim: tx/log.c, a transaction of one operation.
 *          destroy: object/object.c.
 */
#include <dure/vector.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/options.h"
#include "container/guard.h"
#include "container/named.h"
#include "heap/heap.h"
#include "layout/vector.h"
#include "lock/word.h"

enum {
	FIRST_BYTES = 512,
	ALIGN_MAX = 4096,
	WORD_BYTES = 8,
	BITS_MAX = 46,		/* of an element's number: no segment has more bytes */
};

struct dure_vector {
	dure_segment *seg;
	struct dl_vector *shared;
	uint64_t element_bytes;
	uint32_t first_bits;
	uint32_t align;
	bool is_serial;
	struct durei_name name;
};

#define VECTOR_TYPE dure_type_make("dure_vector", sizeof(struct dl_vector), 64)

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	struct dure_type type;
	uint32_t first_bits;
	uint32_t flags;
};

static uint64_t type_hash(const struct dure_type *type)
{
	return hash_bytes(0, type->name, strlen(type->name));
}

/* The vector's constructor: no chunk yet. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_vector *shared = object;

	(void)tx;
	(void)count;
	shared->element_bytes = plan->type.size_bytes;
	shared->align = (uint32_t)plan->type.align_bytes;
	shared->type_hash = type_hash(&plan->type);
	shared->first_bits = plan->first_bits;
	shared->flags = plan->flags & DURE_VECTOR_SERIAL ? DL_VECTOR_SERIAL : 0;
	memcpy(shared->type_name, plan->type.name,
	       strnlen(plan->type.name, DL_VECTOR_TYPE_BYTES - 1));
	return 0;
}

static int check_type(const struct dure_type *type)
{
	if (!type->name || !*type->name || !type->size_bytes ||
	    type->size_bytes > DL_VECTOR_ELEMENT_MAX)
		return durei_error(EINVAL, "a vector's type needs a name, and a size of 1 to %d bytes",
				   DL_VECTOR_ELEMENT_MAX);
	if (!is_power_of_two(type->align_bytes) || type->align_bytes > ALIGN_MAX ||
	    type->size_bytes % type->align_bytes)
		return durei_error(EINVAL, "type %s: an alignment of %llu is no power of two up to %d "
				   "that divides the size", type->name,
				   (unsigned long long)type->align_bytes, ALIGN_MAX);
	return 0;
}

static int make_plan(struct dure_type type, const struct dure_vector_options *options,
		     struct plan *ret)
{
	struct dure_vector_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0)
		r = check_type(&type);
	if (r < 0)
		return r;
	if (!o.first_count)
		o.first_count = max_u64(FIRST_BYTES / type.size_bytes, 1);
	if (o.first_count > UINT64_C(1) << DL_VECTOR_FIRST_BITS_MAX)
		return durei_error(EINVAL, "options.first_count %llu is more than 2^%d",
				   (unsigned long long)o.first_count, DL_VECTOR_FIRST_BITS_MAX);
	if (o.flags & ~(uint32_t)DURE_VECTOR_SERIAL)
		return durei_error(EINVAL, "options.flags %#x are none of DURE_VECTOR_...", o.flags);
	*ret = (struct plan){ .type = type, .first_bits = log2_ceil(o.first_count),
			      .flags = o.flags };
	return 0;
}

static int bind(dure_vector *v, dure_segment *seg, struct dl_vector *shared, const char *name)
{
	v->seg = seg;
	v->shared = shared;
	v->element_bytes = shared->element_bytes;
	v->first_bits = shared->first_bits;
	v->align = shared->align;
	v->is_serial = shared->flags & DL_VECTOR_SERIAL;
	durei_name_keep(&v->name, name);
	if (v->element_bytes && v->element_bytes <= DL_VECTOR_ELEMENT_MAX &&
	    v->first_bits <= DL_VECTOR_FIRST_BITS_MAX && is_power_of_two(v->align) &&
	    v->align <= ALIGN_MAX)
		return 0;
	return durei_error(EUCLEAN, "segment %s: vector %s says its elements have %llu bytes, 2^%u of "
			   "them at first: run dure check", seg->super.name, name,
			   (unsigned long long)v->element_bytes, v->first_bits);
}

static int check_found(const dure_vector *v, const struct dure_type *type)
{
	if (v->shared->type_hash == type_hash(type) && v->element_bytes == type->size_bytes)
		return 0;
	return durei_error(EINVAL, "segment %s: vector %s has elements %.47s of %llu bytes, not %s of "
			   "%llu", v->seg->super.name, v->name.text,
			   (const char *)v->shared->type_name,
			   (unsigned long long)v->element_bytes, type->name,
			   (unsigned long long)type->size_bytes);
}

int dure_vector_open(dure_segment *segment, const char *name, struct dure_type type,
		     uint32_t flags, const struct dure_vector_options *options,
		     dure_vector **ret)
{
	struct plan plan;
	void *shared = NULL;
	dure_vector *v;
	int r = make_plan(type, options, &plan), made;

	if (r < 0)
		return r;
	v = calloc(1, sizeof *v);	/* first: once the vector is made, nothing may fail */
	if (!v)
		return durei_error_plain(ENOMEM);
	r = made = durei_named_open(segment, "vector", name, flags, VECTOR_TYPE, format, &plan,
				    &shared);
	if (r >= 0)
		r = bind(v, segment, shared, name);
	if (r >= 0)
		r = check_found(v, &type);
	if (r < 0) {
		free(v);
		return r;
	}
	*ret = v;
	return made;
}

void dure_vector_close(dure_vector *vector)
{
	free(vector);
}

/* -- where an element is ----------------------------------------------------------------- */

static int damaged(const dure_vector *v)
{
	return durei_error(EUCLEAN, "segment %s: a chunk of vector %s is missing or outside: run dure "
			   "check", v->seg->super.name, v->name.text);
}

static int no_such_element(const dure_vector *v, uint64_t index, uint64_t count)
{
	return durei_error(EINVAL, "vector %s has %llu elements: there is no number %llu",
			   v->name.text, (unsigned long long)count, (unsigned long long)index);
}

/* 0: it would not fit any segment */
static uint64_t chunk_bytes(const dure_vector *v, unsigned chunk)
{
	unsigned bits = v->first_bits + chunk;

	if (chunk >= DL_VECTOR_CHUNKS || bits > BITS_MAX || v->element_bytes > DL_BYTES_MAX >> bits)
		return 0;
	return v->element_bytes << bits;
}

/* Where the element is, and how many have room in a row from there. NULL: there is no chunk. */
static inline unsigned char *place_of(const dure_vector *v, uint64_t index, uint64_t *ret_room)
{
	unsigned chunk;
	uint64_t bytes, offset, in;

	if (__builtin_expect(index >> BITS_MAX != 0, 0))
		return NULL;
	chunk = dl_vector_chunk(index, v->first_bits);
	in = index - dl_vector_chunk_start(chunk, v->first_bits);
	bytes = chunk_bytes(v, chunk);
	if (__builtin_expect(!bytes, 0))
		return NULL;
	offset = cell64_load_acq(&v->shared->chunks[chunk]);
	if (__builtin_expect(offset < v->seg->super.data_offset || offset % 16 ||
				     !durei_bytes_are_backed(v->seg, offset, bytes), 0))
		return NULL;
	*ret_room = (UINT64_C(1) << (v->first_bits + chunk)) - in;
	return (unsigned char *)durei_at(v->seg, offset) + in * v->element_bytes;
}

/* -- growing ----------------------------------------------------------------------------- */

static int link_chunk(dure_vector *v, struct durei_guard *guard, unsigned chunk, uint64_t offset)
{
	int r = durei_guard_begin(guard);

	if (r < 0) {
		(void)durei_block_free(guard->lane, offset);
		return r;
	}
	r = durei_log_take(guard->lane, offset);
	if (r < 0)			/* no log knows the block yet */
		(void)durei_block_free(guard->lane, offset);
	else
		r = durei_log_write_word(guard->lane, &v->shared->chunks[chunk], offset);
	return durei_guard_end(guard, r);
}

static int add_chunk(dure_vector *v, struct durei_guard *guard, unsigned chunk)
{
	uint64_t bytes = chunk_bytes(v, chunk), offset;
	int r;

	if (!bytes)
		return durei_error(ENOSPC, "vector %s: so many elements fit no segment", v->name.text);
	if (cell64_load_rlx(&v->shared->chunks[chunk]))
		return damaged(v);	/* it is there, and place_of cannot use it */
	r = durei_block_reserve(guard->lane, bytes, max_u64(v->align, 16), &offset);
	return r < 0 ? r : link_chunk(v, guard, chunk, offset);
}

/* Room for elements first to first + count - 1. */
static int make_room(dure_vector *v, struct durei_guard *guard, uint64_t first, uint64_t count)
{
	uint64_t room, end;

	if (!add_fits(first, count, &end) || end >> BITS_MAX)
		return durei_error(ENOSPC, "vector %s: %llu elements more fit no segment", v->name.text,
				   (unsigned long long)count);
	while (first < end) {
		int r = 0;
		if (!place_of(v, first, &room))
			r = add_chunk(v, guard, dl_vector_chunk(first, v->first_bits));
		else
			first += min_u64(room, end - first);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- appending --------------------------------------------------------------------------- */

static inline void copy_element(void *to, const void *from, uint64_t bytes)
{
	if (__builtin_expect(bytes == WORD_BYTES, 1))
		memcpy(to, from, WORD_BYTES);
	else
		memcpy(to, from, bytes);
}

/* Into places that nobody reads yet. elements NULL: zeros. There is room. */
static int fill(dure_vector *v, struct durei_guard *guard, uint64_t first, const void *elements,
		uint64_t count)
{
	const unsigned char *from = elements;
	uint64_t room = 0;

	while (count) {
		unsigned char *to = place_of(v, first, &room);
		if (!to)
			return damaged(v);
		room = min_u64(room, count);
		uint64_t bytes = room * v->element_bytes;
		if (guard->in_tx) {					/* [VECTORC2] */
			int r = durei_log_undo_range(guard->lane, durei_offset(v->seg, to), bytes);
			if (r < 0)
				return r;
		}
		if (from)
			memcpy(to, from, bytes);
		else
			memset(to, 0, bytes);
		from = from ? from + bytes : NULL;
		first += room;
		count -= room;
	}
	return 0;
}

static int append_in_tx(dure_vector *v, struct durei_guard *guard, uint64_t at,
			const void *elements, uint64_t count)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = fill(v, guard, at, elements, count);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &v->shared->count, at + count);
	return durei_guard_end(guard, r);
}

/* Under the lock. */
static int append(dure_vector *v, struct durei_guard *guard, const void *elements, uint64_t count,
		  uint64_t *ret_index)
{
	uint64_t at = cell64_load_rlx(&v->shared->count);
	int r = make_room(v, guard, at, count);

	if (r == 0 && guard->in_tx) {
		r = append_in_tx(v, guard, at, elements, count);
	} else if (r == 0) {
		r = fill(v, guard, at, elements, count);		/* step 1 */
		if (r == 0)
			cell64_store_rel(&v->shared->count, at + count);	/* step 2 */
	}
	if (r == 0 && ret_index)
		*ret_index = at;
	return r;
}

static int begin(dure_vector *v, struct durei_guard *ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(v->seg, &r);

	return lane ? durei_guard_lock(lane, &v->shared->guard, ret) : r;
}

int dure_vector_push_many(dure_vector *vector, const void *elements, uint64_t count,
			  uint64_t *ret_index)
{
	struct durei_guard guard;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	r = append(vector, &guard, elements, count, ret_index);
	durei_guard_unlock(&guard);
	return r;
}

/* The common case: one element, and room for it, outside transactions. [VECTORC1] */
static inline bool push_in_place(dure_vector *v, const void *element, uint64_t *ret_index)
{
	uint64_t at = cell64_load_rlx(&v->shared->count), room;
	unsigned char *to = place_of(v, at, &room);

	if (__builtin_expect(!to || !element, 0))
		return false;
	copy_element(to, element, v->element_bytes);			/* step 1 */
	cell64_store_rel(&v->shared->count, at + 1);			/* step 2 */
	if (ret_index)
		*ret_index = at;
	return true;
}

int dure_vector_push(dure_vector *vector, const void *element, uint64_t *ret_index)
{
	struct durei_lane *lane = durei_lane_hot(vector->seg);
	struct durei_guard guard;

	if (__builtin_expect(!lane || lane->tx.depth, 0))
		return dure_vector_push_many(vector, element, 1, ret_index);
	if (vector->is_serial)						/* [VECTORC3] */
		return push_in_place(vector, element, ret_index)
			       ? 0
			       : dure_vector_push_many(vector, element, 1, ret_index);
	int r = durei_guard_lock(lane, &vector->shared->guard, &guard);
	if (r < 0)
		return r;
	if (!push_in_place(vector, element, ret_index))
		r = append(vector, &guard, element, 1, ret_index);
	durei_guard_unlock(&guard);
	return r;
}

/* -- taking away ------------------------------------------------------------------------- */

static int store_count(dure_vector *v, struct durei_guard *guard, uint64_t count)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = durei_log_write_word(guard->lane, &v->shared->count, count);
	return durei_guard_end(guard, r);
}

int dure_vector_pop(dure_vector *vector, void *ret_element)
{
	struct durei_guard guard;
	uint64_t count, room;
	unsigned char *last = NULL;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	count = cell64_load_rlx(&vector->shared->count);
	if (count)
		last = place_of(vector, count - 1, &room);
	if (count == 0)
		r = durei_error_plain(ENOENT);
	else
		r = last ? store_count(vector, &guard, count - 1) : damaged(vector);
	if (r == 0 && ret_element)
		memcpy(ret_element, last, vector->element_bytes);
	durei_guard_unlock(&guard);
	return r;
}

int dure_vector_resize(dure_vector *vector, uint64_t count)
{
	struct durei_guard guard;
	uint64_t now;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	now = cell64_load_rlx(&vector->shared->count);
	if (count > now)
		r = append(vector, &guard, NULL, count - now, NULL);
	else if (count < now)
		r = store_count(vector, &guard, count);
	durei_guard_unlock(&guard);
	return r;
}

int dure_vector_reserve(dure_vector *vector, uint64_t count)
{
	struct durei_guard guard;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	r = make_room(vector, &guard, 0, count);
	durei_guard_unlock(&guard);
	return r;
}

/* From the last chunk down: so there is none missing in between. [VECTOR1] */
static int free_chunks(dure_vector *v, struct durei_guard *guard, uint64_t count)
{
	unsigned keep = count ? dl_vector_chunk(count - 1, v->first_bits) + 1 : 0;
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	for (unsigned chunk = DL_VECTOR_CHUNKS; r == 0 && chunk-- > keep;) {
		uint64_t offset = cell64_load_rlx(&v->shared->chunks[chunk]);
		if (!offset)
			continue;
		r = durei_log_write_word(guard->lane, &v->shared->chunks[chunk], 0);
		if (r == 0)
			r = durei_log_free(guard->lane, offset);
	}
	return durei_guard_end(guard, r);
}

int dure_vector_trim(dure_vector *vector)
{
	struct durei_guard guard;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	r = guard.in_tx ? durei_error(EDEADLK, "vector %s cannot be trimmed inside a transaction",
				      vector->name.text)
			: free_chunks(vector, &guard, cell64_load_rlx(&vector->shared->count));
	durei_guard_unlock(&guard);
	return r;
}

/* -- elements ---------------------------------------------------------------------------- */

/* A word is stored at once; whatever is longer, by way of the log. */
static int set_locked(dure_vector *v, struct durei_guard *guard, unsigned char *to,
		      const void *element)
{
	uint64_t word;
	int r;

	if (!guard->in_tx && v->element_bytes == WORD_BYTES) {
		memcpy(&word, element, WORD_BYTES);
		cell64_store_rel((struct cell64 *)(void *)to, word);
		return 0;
	}
	r = durei_guard_begin(guard);
	if (r < 0)
		return r;
	r = durei_log_undo_range(guard->lane, durei_offset(v->seg, to), v->element_bytes);
	if (r == 0)
		memmove(to, element, v->element_bytes);
	fence_crash();		/* the element before the commit */
	return durei_guard_end(guard, r);
}

int dure_vector_set(dure_vector *vector, uint64_t index, const void *element)
{
	struct durei_guard guard;
	uint64_t count, room;
	unsigned char *to = NULL;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	count = cell64_load_rlx(&vector->shared->count);
	if (index < count)
		to = place_of(vector, index, &room);
	if (index >= count)
		r = no_such_element(vector, index, count);
	else
		r = to ? set_locked(vector, &guard, to, element) : damaged(vector);
	durei_guard_unlock(&guard);
	return r;
}

static inline int copy_out(const dure_vector *v, uint64_t index, void *to)
{
	uint64_t count = cell64_load_acq(&v->shared->count), room, word;
	unsigned char *from = index < count ? place_of(v, index, &room) : NULL;

	if (__builtin_expect(!from, 0))
		return index < count ? damaged(v) : no_such_element(v, index, count);
	if (v->element_bytes == WORD_BYTES) {	/* may be set at any time: one load */
		word = cell64_load_rlx((const struct cell64 *)(const void *)from);
		memcpy(to, &word, sizeof word);
	} else {
		memcpy(to, from, v->element_bytes);
	}
	return 0;
}

int dure_vector_get(dure_vector *vector, uint64_t index, void *ret_element)
{
	struct durei_look look;
	int r = durei_look_open(&look, vector->seg, &vector->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy_out(vector, index, ret_element);
		if (durei_look_end(&look))
			return r;
		r = 0;
	}
	return r;
}

uint64_t dure_vector_count(const dure_vector *vector)
{
	return cell64_load_acq(&vector->shared->count);
}

void *dure_vector_at(const dure_vector *vector, uint64_t index, uint64_t *ret_count)
{
	uint64_t count, room = 0;
	void *at = NULL;

	if (durei_handle_check(vector->seg) < 0)
		return NULL;
	count = cell64_load_acq(&vector->shared->count);
	if (index >= count) {
		(void)no_such_element(vector, index, count);
		return NULL;
	}
	at = place_of(vector, index, &room);
	if (!at)
		(void)damaged(vector);
	else if (ret_count)
		*ret_count = min_u64(room, count - index);
	return at;
}

/* -- the end of a vector ----------------------------------------------------------------- */

static int free_all(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct dl_vector *shared = object;
	int r = 0;

	(void)count;
	(void)context;
	for (unsigned chunk = 0; r == 0 && chunk < DL_VECTOR_CHUNKS; chunk++) {
		uint64_t offset = cell64_load_rlx(&shared->chunks[chunk]);
		if (offset)
			r = dure_tx_free(tx, durei_at(dure_tx_segment(tx), offset));
	}
	return r;
}

int dure_vector_destroy(dure_segment *segment, const char *name)
{
	return durei_named_destroy(segment, "vector", name, VECTOR_TYPE, free_all);
}
