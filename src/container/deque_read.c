/* SPDX-License-Identifier: MIT */
/*
 * deque_read.c - the elements of a deque, read while others change it
 *
 * Rules    layout/deque.h, layout/guard.h
 *          [DEQUER1] first and end may move under a reader, for push tells him nothing: he has a
 *                    pair that was there at one moment if first, read again after end, is the same
 * Death    nothing shared is changed.
 */
#include "container/deque.h"

#include "container/guard.h"

/* -- where an element is ----------------------------------------------------------------- */

int durei_deque_damaged(const dure_deque *d)
{
	return durei_elements_damaged(&d->elements, "a chunk, or the table,");
}

int durei_deque_no_element(const dure_deque *d, uint64_t index, uint64_t count)
{
	return durei_error(EINVAL, "deque %s has %llu elements: there is none of index %llu",
			   d->elements.name.text, (unsigned long long)count,
			   (unsigned long long)index);
}

int durei_deque_view_table(const dure_deque *d, struct durei_deque_view *v)
{
	uint64_t offset = cell64_load_acq(&d->shared->table);

	v->table = NULL;
	v->places = 0;
	if (offset == 0)
		return v->first == v->end ? 0 : durei_deque_damaged(d);
	v->table = (void *)durei_chunk_at(d->elements.seg, &d->shared->table, sizeof *v->table);
	if (!v->table)
		return durei_deque_damaged(d);
	v->places = v->table->places;
	if (is_power_of_two(v->places) && v->places <= DL_BYTES_MAX / sizeof *v->table->chunks &&
	    durei_bytes_are_backed(d->elements.seg, offset,
				   sizeof *v->table + v->places * sizeof *v->table->chunks))
		return 0;
	return durei_deque_damaged(d);
}

/* -- copies ------------------------------------------------------------------------------ */

/* Some elements, from an index or from the end. */
struct part {
	uint64_t index;
	enum durei_deque_end from;	/* BACK: index 0 is the last element */
	uint64_t count;
	unsigned char *to;
	uint64_t got;
};

/* 0; DUREI_DEQUE_MOVED; -EUCLEAN */
static int copy_part(const dure_deque *d, struct part *part)
{
	struct durei_deque_view v;
	int r = durei_deque_see(d, &v);
	uint64_t count = r == 0 ? v.end - v.first : 0, number, room;

	part->got = 0;
	if (r != 0 || part->index >= count)
		return r;
	number = part->from == DUREI_FRONT ? v.first + part->index : v.end - 1 - part->index;
	count = min_u64(part->count, v.end - number);
	while (part->got < count) {
		const unsigned char *from = durei_deque_place(d, &v, number);
		if (!from)
			return durei_deque_damaged(d);
		room = min_u64((UINT64_C(1) << d->chunk_bits) - durei_deque_in_chunk(d, number),
			       count - part->got);
		durei_element_copy(part->to + part->got * d->elements.bytes, from,
				   room * d->elements.bytes);
		part->got += room;
		number += room;
	}
	return 0;
}

static int copy_still(dure_deque *d, struct part *part)
{
	struct durei_look look;
	int r = durei_look_open(&look, d->elements.seg, &d->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy_part(d, part);
		if (r == DUREI_DEQUE_MOVED ? durei_look_failed(&look) : durei_look_end(&look))
			return r;
		r = 0;
	}
	return r;
}

int dure_deque_get(dure_deque *deque, uint64_t index, void *ret_element)
{
	struct part part = { .index = index, .from = DUREI_FRONT, .count = 1, .to = ret_element };
	int r = copy_still(deque, &part);

	if (r == 0 && !part.got)
		return durei_deque_no_element(deque, index, dure_deque_count(deque));
	return r;
}

int dure_deque_get_many(dure_deque *deque, uint64_t index, uint64_t count, void *ret_elements,
			uint64_t *ret_count)
{
	struct part part = { .index = index, .from = DUREI_FRONT, .count = count,
			     .to = ret_elements };
	int r = copy_still(deque, &part);

	if (r == 0)
		*ret_count = part.got;
	return r;
}

static int get_end(dure_deque *d, enum durei_deque_end end, void *ret_element)
{
	struct part part = { .from = end, .count = 1, .to = ret_element };
	int r = copy_still(d, &part);

	return r == 0 && !part.got ? durei_error_plain(ENOENT) : r;
}

int dure_deque_front(dure_deque *deque, void *ret_element)
{
	return get_end(deque, DUREI_FRONT, ret_element);
}

int dure_deque_back(dure_deque *deque, void *ret_element)
{
	return get_end(deque, DUREI_BACK, ret_element);
}

uint64_t dure_deque_count(const dure_deque *deque)
{
	uint64_t first = cell64_load_acq(&deque->shared->first);
	uint64_t end = cell64_load_acq(&deque->shared->end);

	return end >= first ? end - first : 0;	/* it was emptied in between */
}

void *dure_deque_at(const dure_deque *deque, uint64_t index, uint64_t *ret_count)
{
	struct durei_deque_view v;
	uint64_t count = 0, number;
	void *at = NULL;
	int r = durei_handle_check(deque->elements.seg);

	if (r < 0)
		return NULL;
	while ((r = durei_deque_see(deque, &v)) == DUREI_DEQUE_MOVED)
		cell_relax();
	count = r == 0 ? v.end - v.first : 0;
	number = v.first + index;
	if (r == 0 && index >= count)
		(void)durei_deque_no_element(deque, index, count);
	else if (r == 0)
		at = durei_deque_place(deque, &v, number);
	if (r == 0 && index < count && !at)
		(void)durei_deque_damaged(deque);
	if (at && ret_count)
		*ret_count = min_u64((UINT64_C(1) << deque->chunk_bits) -
					     durei_deque_in_chunk(deque, number),
				     v.end - number);
	return at;
}
