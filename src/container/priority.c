/* SPDX-License-Identifier: MIT */
/*
 * priority.c - a priority queue in a segment
 *
 * Why      What comes first, of many that come and go in any order.
 * How      A heap of small entries, four children to each, so that adding an element among a
 *          million passes ten of them; the elements themselves stay where they are, and know where
 *          their entry is: so one can be found by name, and given another key.
 * Layout   layout/priority.h
 * Rules    layout/priority.h, layout/guard.h
 *          [PRIORITYC1] entries move on the way up or down, so each change is a log with a mark
 *          [PRIORITYC2] in a transaction a free place may be that of an element which it has taken
 *                       away, and will be there again if it is undone: its bytes are remembered
 * Death    tx/log.c, a transaction of one operation. destroy: container/owner.c.
 */
#include "container/priority.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/owner.h"

enum { WORD_BYTES = 8 };

static const struct durei_kind queues = {
	.what = "priority queue",
	.object = { "dure_priority", sizeof(struct dl_priority), 64 },
	.element = offsetof(struct dl_priority, element),
};

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	struct dure_type type;
	uint32_t key_bytes;
	uint32_t flags;
};

static uint64_t offset_of_element(uint32_t key_bytes, uint64_t align)
{
	return align_up(sizeof(struct dl_priority_place) + align_up(key_bytes, WORD_BYTES), align);
}

static uint64_t bytes_of_place(uint32_t key_bytes, uint64_t align, uint64_t element_bytes)
{
	return align_up(offset_of_element(key_bytes, align) + element_bytes,
			max_u64(align, WORD_BYTES));
}

static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_priority *shared = object;
	int r;

	(void)tx;
	(void)count;
	durei_element_format(&shared->element, &plan->type);
	shared->key_bytes = plan->key_bytes;
	shared->flags = plan->flags;
	r = durei_array_plan(0, sizeof(struct dl_priority_entry), &shared->heap.first_bits);
	if (r < 0)
		return r;
	return durei_array_plan(0, bytes_of_place(plan->key_bytes, plan->type.align_bytes,
						  plan->type.size_bytes),
				&shared->elements.first_bits);
}

static int make_plan(struct dure_type type, const struct dure_priority_options *options,
		     struct plan *ret)
{
	struct dure_priority_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0)
		r = durei_element_check(&queues, &type);
	if (r < 0)
		return r;
	if (o.flags & ~(uint32_t)DURE_PRIORITY_HIGHEST)
		return durei_error(EINVAL, "options.flags %#x are none of DURE_PRIORITY_...",
				   o.flags);
	if (o.key_bytes > DL_PRIORITY_KEY_MAX)
		return durei_error(EINVAL, "options.key_bytes %u is more than %d", o.key_bytes,
				   DL_PRIORITY_KEY_MAX);
	*ret = (struct plan){ .type = type, .key_bytes = o.key_bytes,
			      .flags = o.flags & DURE_PRIORITY_HIGHEST ? DL_PRIORITY_HIGHEST : 0 };
	return 0;
}

static int bind(dure_priority *q)
{
	struct dl_priority *shared = q->elements.shared;
	uint32_t align = (uint32_t)max_u64(q->elements.align, WORD_BYTES);
	int r;

	q->shared = shared;
	q->key_bytes = shared->key_bytes;
	q->is_highest = shared->flags & DL_PRIORITY_HIGHEST;
	if (q->key_bytes > DL_PRIORITY_KEY_MAX)
		return durei_elements_damaged(&q->elements, "the size of the keys");
	q->element_offset = offset_of_element(q->key_bytes, q->elements.align);
	r = durei_array_bind(&q->heap, &shared->heap, sizeof(struct dl_priority_entry), WORD_BYTES,
			     &q->elements);
	if (r < 0)
		return r;
	return durei_array_bind(&q->places, &shared->elements,
				bytes_of_place(q->key_bytes, q->elements.align, q->elements.bytes),
				align, &q->elements);
}

static int check_found(const dure_priority *q, const struct plan *plan)
{
	if (q->key_bytes == plan->key_bytes &&
	    q->is_highest == ((plan->flags & DL_PRIORITY_HIGHEST) != 0))
		return 0;
	return durei_error(EINVAL, "segment %s: priority queue %s has keys of %u bytes (0: "
			   "numbers), the %s first", q->elements.seg->super.name, q->elements.name.text,
			   q->key_bytes, q->is_highest ? "highest" : "lowest");
}

static int open_where(dure_segment *segment, struct durei_where where, struct dure_type type,
		      uint32_t flags, const struct dure_priority_options *options,
		      dure_priority **ret)
{
	struct plan plan;
	dure_priority *q;
	int r = make_plan(type, options, &plan), made;

	if (r < 0)
		return r;
	q = calloc(1, sizeof *q);
	if (!q)
		return durei_error_plain(ENOMEM);
	r = made = durei_elements_open(&q->elements, &queues, segment, where, &type, flags, format,
				       &plan);
	if (r >= 0)
		r = bind(q);
	if (r >= 0)
		r = check_found(q, &plan);
	if (r < 0) {
		free(q);
		return r;
	}
	*ret = q;
	return made;
}

int dure_priority_open(dure_segment *segment, const char *name, struct dure_type type,
		       uint32_t flags, const struct dure_priority_options *options,
		       dure_priority **ret)
{
	return open_where(segment, durei_by_name(name), type, flags, options, ret);
}

int dure_priority_open_at(dure_segment *segment, dure_ref *at, struct dure_type type,
			  uint32_t flags, const struct dure_priority_options *options,
			  dure_priority **ret)
{
	return open_where(segment, durei_by_ref(at), type, flags, options, ret);
}

void dure_priority_close(dure_priority *queue)
{
	free(queue);
}

/* The word of a caller's key. */
static uint64_t word_of(const dure_priority *q, const void *key)
{
	uint64_t word = 0;

	if (!q->key_bytes) {
		memcpy(&word, key, WORD_BYTES);
		return word;
	}
	memcpy(&word, key, min_u64(q->key_bytes, WORD_BYTES));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* -- adding ------------------------------------------------------------------------------ */

static int lock(dure_priority *q, struct durei_guard *ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(q->elements.seg, &r);

	return lane ? durei_guard_lock(lane, &q->shared->guard, ret) : r;
}

/* Room for one more, in the heap and for the element. */
static int make_room(dure_priority *q, struct durei_guard *guard)
{
	int r = durei_array_make_room(&q->heap, guard, cell64_load_rlx(&q->shared->count), 1);

	if (r == 0 && !cell64_load_rlx(&q->shared->free))
		r = durei_array_make_room(&q->places, guard,
					  cell64_load_rlx(&q->shared->places), 1);
	return r;
}

/* A free place; the words that say so are in the log. */
static int take_place(dure_priority *q, struct durei_lane *lane, uint64_t *ret_number,
		      struct dl_priority_place **ret)
{
	uint64_t free = cell64_load_rlx(&q->shared->free), at;

	*ret_number = free ? free - 1 : cell64_load_rlx(&q->shared->places);
	*ret = durei_priority_place(q, *ret_number);
	if (!*ret)
		return durei_priority_damaged(q);
	if (!free)
		return durei_log_write_word(lane, &q->shared->places, *ret_number + 1);
	at = cell64_load_rlx(&(*ret)->at);
	if (!(at & DL_PRIORITY_FREE))
		return durei_priority_damaged(q);
	return durei_log_write_word(lane, &q->shared->free, at & ~DL_PRIORITY_FREE);
}

static int fill_place(dure_priority *q, struct durei_guard *guard, struct dl_priority_place *place,
		      const void *key, const void *element)
{
	uint64_t serial = cell64_load_rlx(&q->shared->serials) + 1;
	uint64_t bytes = q->element_offset + q->elements.bytes - sizeof *place;
	int r = 0;

	cell64_store_rel(&q->shared->serials, serial);	/* before it is used; may be lost */
	if (guard->in_tx)						/* [PRIORITYC2] */
		r = durei_log_undo_range(guard->lane,
					 durei_offset(q->elements.seg, durei_priority_key(place)),
					 bytes);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &place->serial, serial);
	if (r < 0)
		return r;
	memcpy(durei_priority_key(place), key, q->key_bytes);
	if (element)
		durei_element_copy(durei_priority_element(q, place), element, q->elements.bytes);
	else
		memset(durei_priority_element(q, place), 0, q->elements.bytes);
	fence_crash();		/* the element before the commit */
	return 0;
}

static int add(dure_priority *q, struct durei_guard *guard, const void *key, const void *element,
	       struct dure_priority_handle *ret)
{
	uint64_t count = cell64_load_rlx(&q->shared->count);
	struct durei_entry e = { .word = word_of(q, key) };
	struct dl_priority_place *place;
	int r = take_place(q, guard->lane, &e.place, &place);

	if (r == 0)
		r = fill_place(q, guard, place, key, element);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &q->shared->count, count + 1);
	if (r == 0)
		r = durei_priority_sift_up(q, guard->lane, count, e);
	if (r == 0)
		*ret = (struct dure_priority_handle){ e.place, cell64_load_rlx(&place->serial) };
	return r;
}

int dure_priority_push(dure_priority *queue, const void *key, const void *element,
		       struct dure_priority_handle *ret_handle)
{
	struct dure_priority_handle handle = { 0, 0 };
	struct durei_guard guard;
	int r = lock(queue, &guard);

	if (r < 0)
		return r;
	r = make_room(queue, &guard);
	if (r == 0)
		r = durei_guard_begin(&guard);
	if (r == 0)
		r = durei_guard_end(&guard, add(queue, &guard, key, element, &handle));
	durei_guard_unlock(&guard);
	if (r == 0 && ret_handle)
		*ret_handle = handle;
	return r;
}

/* -- copies ------------------------------------------------------------------------------ */

/* What is copied of an element, by its name, or of the first one. */
struct copy {
	const struct dure_priority_handle *handle;	/* NULL: the first one */
	void *key, *element;		/* may be NULL */
};

/* The element that a caller means. 0; -ENOENT -EUCLEAN */
static int find(const dure_priority *q, const struct dure_priority_handle *handle,
		uint64_t *ret_number, struct durei_entry *ret, struct dl_priority_place **ret_place)
{
	uint64_t count = cell64_load_acq(&q->shared->count);
	int r;

	*ret_number = 0;
	if (handle) {
		if (handle->place >= cell64_load_acq(&q->shared->places))
			return -ENOENT;
		*ret_place = durei_priority_place(q, handle->place);
		if (!*ret_place)
			return durei_priority_damaged(q);
		*ret_number = cell64_load_acq(&(*ret_place)->at);
		if (!handle->serial || cell64_load_acq(&(*ret_place)->serial) != handle->serial ||
		    *ret_number & DL_PRIORITY_FREE)
			return -ENOENT;
	}
	if (*ret_number >= count)
		return handle ? durei_priority_damaged(q) : -ENOENT;
	r = durei_priority_load(q, *ret_number, ret, ret_place);
	return r == 0 && handle && ret->place != handle->place ? durei_priority_damaged(q) : r;
}

static void copy_out(const dure_priority *q, const struct copy *c, struct durei_entry e,
		     struct dl_priority_place *place)
{
	if (c->key && q->key_bytes)
		memcpy(c->key, durei_priority_key(place), q->key_bytes);
	else if (c->key)
		memcpy(c->key, &e.word, WORD_BYTES);
	if (c->element)
		durei_element_copy(c->element, durei_priority_element(q, place), q->elements.bytes);
}

static int copy_found(const dure_priority *q, const struct copy *c)
{
	struct dl_priority_place *place;
	uint64_t number;
	struct durei_entry e;
	int r = find(q, c->handle, &number, &e, &place);

	if (r == 0)
		copy_out(q, c, e, place);
	return r;
}

static int copy_still(dure_priority *q, const struct copy *c)
{
	struct durei_look look;
	int r = durei_look_open(&look, q->elements.seg, &q->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy_found(q, c);
		if (durei_look_end(&look))
			return r == -ENOENT ? durei_error_plain(ENOENT) : r;
		r = 0;
	}
	return r;
}

int dure_priority_peek(dure_priority *queue, void *ret_key, void *ret_element)
{
	return copy_still(queue, &(struct copy){ .key = ret_key, .element = ret_element });
}

int dure_priority_get(dure_priority *queue, struct dure_priority_handle handle, void *ret_key,
		      void *ret_element)
{
	return copy_still(queue, &(struct copy){ .handle = &handle, .key = ret_key,
						 .element = ret_element });
}

uint64_t dure_priority_count(const dure_priority *queue)
{
	return cell64_load_acq(&queue->shared->count);
}

/* -- taking away, and changing ------------------------------------------------------------- */

/* Between guard begin and end. [PRIORITY3] */
static int free_place(dure_priority *q, struct durei_lane *lane, uint64_t number,
		      struct dl_priority_place *place)
{
	uint64_t next = cell64_load_rlx(&q->shared->free);
	int r = durei_log_write_word(lane, &place->at, DL_PRIORITY_FREE | next);

	if (r == 0)
		r = durei_log_write_word(lane, &place->serial, 0);
	return r < 0 ? r : durei_log_write_word(lane, &q->shared->free, number + 1);
}

/* The last entry takes the number of the one that goes. */
static int take_out(dure_priority *q, struct durei_lane *lane, uint64_t number,
		    struct durei_entry e, struct dl_priority_place *place)
{
	uint64_t last = cell64_load_rlx(&q->shared->count) - 1;
	struct dl_priority_place *other;
	struct durei_entry moved;
	int r = durei_priority_load(q, last, &moved, &other);

	if (r == 0)
		r = durei_log_write_word(lane, &q->shared->count, last);
	if (r == 0 && number != last)
		r = durei_priority_settle(q, lane, number, last, moved);
	return r < 0 ? r : free_place(q, lane, e.place, place);
}

static int take_away(dure_priority *q, const struct copy *c)
{
	struct dl_priority_place *place = NULL;
	struct durei_guard guard;
	uint64_t number;
	struct durei_entry e;
	int r = lock(q, &guard);

	if (r < 0)
		return r;
	r = find(q, c->handle, &number, &e, &place);
	if (r == -ENOENT)
		r = durei_error_plain(ENOENT);
	if (r == 0)
		r = durei_guard_begin(&guard);
	if (r == 0) {
		r = take_out(q, guard.lane, number, e, place);
		if (r == 0)		/* nothing can fail any more */
			copy_out(q, c, e, place);
		r = durei_guard_end(&guard, r);
	}
	durei_guard_unlock(&guard);
	return r;
}

int dure_priority_pop(dure_priority *queue, void *ret_key, void *ret_element)
{
	return take_away(queue, &(struct copy){ .key = ret_key, .element = ret_element });
}

int dure_priority_remove(dure_priority *queue, struct dure_priority_handle handle)
{
	return take_away(queue, &(struct copy){ .handle = &handle });
}

/* Between guard begin and end. */
static int rekey(dure_priority *q, struct durei_lane *lane, uint64_t number, struct durei_entry e,
		 struct dl_priority_place *place, const void *key)
{
	int r = durei_log_undo_range(lane, durei_offset(q->elements.seg, durei_priority_key(place)),
				     q->key_bytes);

	if (r < 0)
		return r;
	memmove(durei_priority_key(place), key, q->key_bytes);
	fence_crash();		/* the key before the commit */
	e.word = word_of(q, key);
	return durei_priority_settle(q, lane, number, cell64_load_rlx(&q->shared->count), e);
}

int dure_priority_change(dure_priority *queue, struct dure_priority_handle handle,
			 const void *key)
{
	struct dl_priority_place *place;
	struct durei_guard guard;
	uint64_t number;
	struct durei_entry e;
	int r = lock(queue, &guard);

	if (r < 0)
		return r;
	r = find(queue, &handle, &number, &e, &place);
	if (r == -ENOENT)
		r = durei_error_plain(ENOENT);
	if (r == 0)
		r = durei_guard_begin(&guard);
	if (r == 0)
		r = durei_guard_end(&guard, rekey(queue, guard.lane, number, e, place, key));
	durei_guard_unlock(&guard);
	return r;
}

/* -- the end of a queue ------------------------------------------------------------------ */

static int bind_found(void *handle, dure_segment *seg, void *shared, struct durei_where where)
{
	dure_priority *q = handle;
	int r = durei_elements_bind(&q->elements, &queues, seg, shared, where);

	return r < 0 ? r : bind(q);
}

static int take_first(void *queue)
{
	return dure_priority_pop(queue, NULL, NULL);
}

/* Steps 1 and 2 of owner.c. */
static int free_some(void *handle, struct durei_lane *lane, unsigned depth)
{
	dure_priority *q = handle;
	dure_ref owned;
	int r;

	if (!durei_elements_own(&q->elements) || cell64_load_acq(&q->shared->count) == 0)
		return 0;
	r = dure_priority_peek(q, NULL, &owned);
	if (r == 0)
		r = durei_owned_free(lane, owned, depth, take_first, q);
	return r < 0 ? r : 1;
}

static bool is_empty(const void *handle)
{
	const dure_priority *q = handle;

	return !durei_elements_own(&q->elements) || cell64_load_acq(&q->shared->count) == 0;
}

static int free_all(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct dl_priority *shared = object;
	int r = durei_array_free(tx, &shared->heap);

	(void)count;
	(void)context;
	return r < 0 ? r : durei_array_free(tx, &shared->elements);
}

const struct durei_container durei_priorities = {
	.what = "priority queue",
	.object = { "dure_priority", sizeof(struct dl_priority), 64 },
	.handle_bytes = sizeof(dure_priority),
	.bind = bind_found,
	.free_some = free_some,
	.is_empty = is_empty,
	.free_rest = free_all,
};

int dure_priority_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_priorities, segment, name);
}
