/* SPDX-License-Identifier: MIT */
/*
 * vector.c - a vector in a segment
 *
 * Why      Appending is the commonest change there is, and the cheapest one can be: the element
 *          is written where nobody looks, then one word says that it is there.
 * Layout   layout/vector.h: the places of an array (array.c). So nothing is copied when it grows,
 *          and elements never move.
 * Rules    layout/vector.h, layout/guard.h
 *          [VECTORC1] outside transactions push tells readers nothing: it changes only what is
 *                     behind count, then count [GUARD4]. Whatever else changes is a log with a
 *                     mark, so that a reader who met an element while it was taken away, and its
 *                     place used anew, looks again
 *          [VECTORC2] with DURE_VECTOR_SERIAL the program's mutex stands for the lock in push; the
 *                     others lock all the same, for readers wait by that lock
 * Death    push, after step      is left behind                     who mends it
 *          1 the element         bytes behind count                 nobody reads them
 *          2 count               the element                        -
 *          a chunk, pop, set, resize, trim: tx/log.c, a transaction of one operation.
 *          destroy: container/owner.c.
 */
#include <dure/vector.h>

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/array.h"
#include "container/owner.h"
#include "layout/vector.h"

enum { WORD_BYTES = 8 };

struct dure_vector {
	struct durei_elements elements;
	struct durei_array array;
	struct dl_vector *shared;
	bool is_serial;
	bool owns;			/* elements own containers */
};

static const struct durei_kind vectors = {
	.what = "vector",
	.object = { "dure_vector", sizeof(struct dl_vector), 64 },
	.element = offsetof(struct dl_vector, element),
};

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	struct dure_type type;
	uint32_t first_bits;
	uint32_t flags;
};

/* The vector's constructor: no chunk yet. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_vector *shared = object;

	(void)tx;
	(void)count;
	durei_element_format(&shared->element, &plan->type);
	shared->array.first_bits = plan->first_bits;
	shared->flags = plan->flags & DURE_VECTOR_SERIAL ? DL_VECTOR_SERIAL : 0;
	return 0;
}

static int make_plan(struct dure_type type, const struct dure_vector_options *options,
		     struct plan *ret)
{
	struct dure_vector_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0)
		r = durei_element_check(&vectors, &type);
	if (r < 0)
		return r;
	if (o.flags & ~(uint32_t)DURE_VECTOR_SERIAL)
		return durei_error(EINVAL, "options.flags %#x are none of DURE_VECTOR_...", o.flags);
	*ret = (struct plan){ .type = type, .flags = o.flags };
	return durei_array_plan(o.first_count, type.size_bytes, &ret->first_bits);
}

static int bind(dure_vector *v)
{
	v->shared = v->elements.shared;
	v->is_serial = v->shared->flags & DL_VECTOR_SERIAL;
	v->owns = durei_elements_own(&v->elements);
	return durei_array_bind(&v->array, &v->shared->array, v->elements.bytes, v->elements.align,
				&v->elements);
}

static int open_where(dure_segment *segment, struct durei_where where, struct dure_type type,
		      uint32_t flags, const struct dure_vector_options *options, dure_vector **ret)
{
	struct plan plan;
	dure_vector *v;
	int r = make_plan(type, options, &plan), made;

	if (r < 0)
		return r;
	v = calloc(1, sizeof *v);
	if (!v)
		return durei_error_plain(ENOMEM);
	r = made = durei_elements_open(&v->elements, &vectors, segment, where, &type, flags, format,
				       &plan);
	if (r >= 0)
		r = bind(v);
	if (r < 0) {
		free(v);
		return r;
	}
	*ret = v;
	return made;
}

int dure_vector_open(dure_segment *segment, const char *name, struct dure_type type,
		     uint32_t flags, const struct dure_vector_options *options,
		     dure_vector **ret)
{
	return open_where(segment, durei_by_name(name), type, flags, options, ret);
}

int dure_vector_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
			uint32_t flags, const struct dure_vector_options *options,
			dure_vector **ret)
{
	return open_where(segment, durei_by_ref(at), type, flags, options, ret);
}

void dure_vector_close(dure_vector *vector)
{
	free(vector);
}

static int no_such_element(const dure_vector *v, uint64_t index, uint64_t count)
{
	return durei_error(EINVAL, "vector %s has %llu elements: there is no number %llu",
			   v->elements.name.text, (unsigned long long)count,
			   (unsigned long long)index);
}

/* -- appending --------------------------------------------------------------------------- */

static int append_in_tx(dure_vector *v, struct durei_guard *guard, uint64_t at,
			const void *elements, uint64_t count)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = durei_array_fill(&v->array, guard, at, elements, count);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &v->shared->count, at + count);
	return durei_guard_end(guard, r);
}

/* Under the lock. */
static int append(dure_vector *v, struct durei_guard *guard, const void *elements, uint64_t count,
		  uint64_t *ret_index)
{
	uint64_t at = cell64_load_rlx(&v->shared->count);
	int r = durei_array_make_room(&v->array, guard, at, count);

	if (r == 0 && guard->in_tx) {
		r = append_in_tx(v, guard, at, elements, count);
	} else if (r == 0) {
		r = durei_array_fill(&v->array, guard, at, elements, count);		/* step 1 */
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
	struct durei_lane *lane = durei_lane_get(v->elements.seg, &r);

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
	unsigned char *to = durei_array_at(&v->array, at, &room);

	if (__builtin_expect(!to || !element, 0))
		return false;
	durei_element_copy(to, element, v->elements.bytes);			/* step 1 */
	cell64_store_rel(&v->shared->count, at + 1);			/* step 2 */
	if (ret_index)
		*ret_index = at;
	return true;
}

int dure_vector_push(dure_vector *vector, const void *element, uint64_t *ret_index)
{
	struct durei_lane *lane = durei_lane_hot(vector->elements.seg);
	struct durei_guard guard;

	if (__builtin_expect(!lane || lane->tx.depth, 0))
		return dure_vector_push_many(vector, element, 1, ret_index);
	if (vector->is_serial)						/* [VECTORC2] */
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
		last = durei_array_at(&vector->array, count - 1, &room);
	if (count == 0)
		r = durei_error_plain(ENOENT);
	else
		r = last ? store_count(vector, &guard, count - 1) : durei_array_damaged(&vector->array);
	if (r == 0 && ret_element)
		memcpy(ret_element, last, vector->elements.bytes);
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
	r = durei_array_make_room(&vector->array, &guard, 0, count);
	durei_guard_unlock(&guard);
	return r;
}

static int free_chunks(dure_vector *v, struct durei_guard *guard)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = durei_array_trim(&v->array, guard, cell64_load_rlx(&v->shared->count));
	return durei_guard_end(guard, r);
}

int dure_vector_trim(dure_vector *vector)
{
	struct durei_guard guard;
	int r = begin(vector, &guard);

	if (r < 0)
		return r;
	r = guard.in_tx ? durei_error(EDEADLK, "vector %s cannot be trimmed inside a transaction",
				      vector->elements.name.text)
			: free_chunks(vector, &guard);
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

	if (!guard->in_tx && v->elements.bytes == WORD_BYTES) {
		memcpy(&word, element, WORD_BYTES);
		cell64_store_rel((struct cell64 *)(void *)to, word);
		return 0;
	}
	r = durei_guard_begin(guard);
	if (r < 0)
		return r;
	r = durei_log_undo_range(guard->lane, durei_offset(v->elements.seg, to), v->elements.bytes);
	if (r == 0)
		memmove(to, element, v->elements.bytes);
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
		to = durei_array_at(&vector->array, index, &room);
	if (index >= count)
		r = no_such_element(vector, index, count);
	else
		r = to ? set_locked(vector, &guard, to, element) : durei_array_damaged(&vector->array);
	durei_guard_unlock(&guard);
	return r;
}

static inline int copy_out(const dure_vector *v, uint64_t index, void *to)
{
	uint64_t count = cell64_load_acq(&v->shared->count), room, word;
	unsigned char *from = index < count ? durei_array_at(&v->array, index, &room) : NULL;

	if (__builtin_expect(!from, 0))
		return index < count ? durei_array_damaged(&v->array) : no_such_element(v, index, count);
	if (v->elements.bytes == WORD_BYTES) {	/* may be set at any time: one load */
		word = cell64_load_rlx((const struct cell64 *)(const void *)from);
		memcpy(to, &word, sizeof word);
	} else {
		memcpy(to, from, v->elements.bytes);
	}
	return 0;
}

int dure_vector_get(dure_vector *vector, uint64_t index, void *ret_element)
{
	struct durei_look look;
	int r = durei_look_open(&look, vector->elements.seg, &vector->shared->guard);

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

	if (durei_handle_check(vector->elements.seg) < 0)
		return NULL;
	count = cell64_load_acq(&vector->shared->count);
	if (index >= count) {
		(void)no_such_element(vector, index, count);
		return NULL;
	}
	at = durei_array_at(&vector->array, index, &room);
	if (!at)
		(void)durei_array_damaged(&vector->array);
	else if (ret_count)
		*ret_count = min_u64(room, count - index);
	return at;
}

/* -- for those who have not made it ------------------------------------------------------ */

static_assert(sizeof ((struct dure_vector_info *)0)->type_name == DL_ELEMENT_NAME_BYTES,
	      "as it lies");

int dure_vector_describe(dure_segment *segment, const char *name, struct dure_vector_info *ret)
{
	struct dure_vector_info info = { 0 };
	struct durei_elements elements;
	int r = durei_elements_find(&elements, &vectors, segment, name);

	if (r < 0)
		return r;
	const struct dl_vector *shared = elements.shared;
	info.count = cell64_load_acq(&shared->count);
	info.element_bytes = elements.bytes;
	info.align_bytes = elements.align;
	info.flags = shared->flags & DL_VECTOR_SERIAL ? DURE_VECTOR_SERIAL : 0;
	memcpy(info.type_name, shared->element.type_name, sizeof info.type_name - 1);
	return durei_options_write(ret, &info, sizeof info, sizeof info);
}

/* -- the end of a vector ----------------------------------------------------------------- */

static int bind_found(void *handle, dure_segment *seg, void *shared, struct durei_where where)
{
	dure_vector *v = handle;
	int r = durei_elements_bind(&v->elements, &vectors, seg, shared, where);

	return r < 0 ? r : bind(v);
}

static int take_last(void *vector)
{
	return dure_vector_pop(vector, NULL);
}

/* Steps 1 and 2: the last element, with what it owns. */
static int free_some(void *handle, struct durei_lane *lane, unsigned depth)
{
	dure_vector *v = handle;
	uint64_t count = cell64_load_acq(&v->shared->count);
	dure_ref owned;
	int r;

	if (!v->owns || count == 0)
		return 0;
	r = dure_vector_get(v, count - 1, &owned);
	if (r == 0)
		r = durei_owned_free(lane, owned, depth, take_last, v);
	return r < 0 ? r : 1;
}

static bool is_empty(const void *handle)
{
	const dure_vector *v = handle;

	return !v->owns || cell64_load_acq(&v->shared->count) == 0;
}

static int free_all(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)count;
	(void)context;
	return durei_array_free(tx, &((struct dl_vector *)object)->array);
}

const struct durei_container durei_vectors = {
	.what = "vector",
	.object = { "dure_vector", sizeof(struct dl_vector), 64 },
	.handle_bytes = sizeof(dure_vector),
	.bind = bind_found,
	.free_some = free_some,
	.is_empty = is_empty,
	.free_rest = free_all,
};

int dure_vector_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_vectors, segment, name);
}
