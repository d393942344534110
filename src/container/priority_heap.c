/* SPDX-License-Identifier: MIT */
/*
 * priority_heap.c - the heap of a priority queue
 *
 * Why      The entry that comes first is found at once, and an entry that comes, goes or gets
 *          another key finds where it belongs in few steps: four children to each, so a way from
 *          end to end among a million passes ten.
 * Rules    layout/priority.h
 *          [HEAP1] an entry that moves tells its place, in the same log
 * Death    tx/log.c: what is written here is part of the caller's log.
 */
#include "container/priority.h"

#include <string.h>

int durei_priority_damaged(const dure_priority *queue)
{
	return durei_elements_damaged(&queue->elements, "an entry, or a place,");
}

/* On the way the places of others are left alone: each is a line of memory of its own. */
static inline struct durei_entry read_entry(const struct dl_priority_entry *at)
{
	return (struct durei_entry){ cell64_load_acq(&at->word), cell64_load_acq(&at->place) };
}

/* Entry number `number` of those there are, with its place. 0; -EUCLEAN */
int durei_priority_load(const dure_priority *q, uint64_t number, struct durei_entry *ret,
			struct dl_priority_place **ret_place)
{
	const struct dl_priority_entry *e = durei_priority_entry(q, number);

	if (!e)
		return durei_priority_damaged(q);
	*ret = read_entry(e);
	*ret_place = durei_priority_place(q, ret->place);
	/* [PRIORITY2] */
	return *ret_place && cell64_load_acq(&(*ret_place)->at) == number
		       ? 0 : durei_priority_damaged(q);
}

/* Where words are equal. */
static bool is_before_by_place(const dure_priority *q, struct durei_entry a, struct durei_entry b)
{
	struct dl_priority_place *pa = durei_priority_place(q, a.place);
	struct dl_priority_place *pb = durei_priority_place(q, b.place);
	int r = pa && pb && q->key_bytes > sizeof a.word
			? memcmp(durei_priority_key(pa), durei_priority_key(pb), q->key_bytes) : 0;

	if (!pa || !pb)
		return false;		/* a damaged heap has no order */
	if (r)
		return (r < 0) != q->is_highest;
	return cell64_load_rlx(&pa->serial) < cell64_load_rlx(&pb->serial);
}

static inline bool is_before(const dure_priority *q, struct durei_entry a, struct durei_entry b)
{
	if (a.word != b.word)
		return (a.word < b.word) != q->is_highest;
	return is_before_by_place(q, a, b);
}

/* -- the heap, between guard begin and end ------------------------------------------------- */

/* An entry gets this number, and its place knows. [HEAP1] */
static int store_entry(const dure_priority *q, struct durei_lane *lane, uint64_t number,
		       struct durei_entry e)
{
	struct dl_priority_entry *to = durei_priority_entry(q, number);
	struct dl_priority_place *place = durei_priority_place(q, e.place);
	int r;

	if (!to || !place)
		return durei_priority_damaged(q);
	r = durei_log_write_word(lane, &to->word, e.word);
	if (r == 0)
		r = durei_log_write_word(lane, &to->place, e.place);
	return r < 0 ? r : durei_log_write_word(lane, &place->at, number);
}

/* From number up: what comes after the entry moves down. */
int durei_priority_sift_up(const dure_priority *q, struct durei_lane *lane, uint64_t number,
			   struct durei_entry e)
{
	int r = 0;

	while (r == 0 && number > 0) {
		uint64_t parent = (number - 1) / DL_PRIORITY_WAYS;
		const struct dl_priority_entry *at = durei_priority_entry(q, parent);
		if (!at)
			return durei_priority_damaged(q);
		struct durei_entry above = read_entry(at);
		if (!is_before(q, e, above))
			break;
		r = store_entry(q, lane, number, above);
		number = parent;
	}
	return r < 0 ? r : store_entry(q, lane, number, e);
}

/* The first of the children of an entry, of count entries. 1; 0: it has none; -EUCLEAN */
static int first_child(const dure_priority *q, uint64_t number, uint64_t count,
		       uint64_t *ret_number, struct durei_entry *ret)
{
	uint64_t child = number * DL_PRIORITY_WAYS + 1, room = 0;
	uint64_t end = min_u64(child + DL_PRIORITY_WAYS, count);
	const struct dl_priority_entry *at = NULL;

	if (child >= count)
		return 0;
	for (*ret_number = child; child < end; child++, at++, room--) {
		if (room == 0)
			at = (const void *)durei_array_at(&q->heap, child, &room);
		if (!at)
			return durei_priority_damaged(q);
		struct durei_entry e = read_entry(at);
		if (child == *ret_number || is_before(q, e, *ret)) {
			*ret_number = child;
			*ret = e;
		}
	}
	return 1;
}

/* From number down, of count entries: what comes before the entry moves up. */
static int sift_down(const dure_priority *q, struct durei_lane *lane, uint64_t number,
		     uint64_t count, struct durei_entry e)
{
	uint64_t child = 0;
	struct durei_entry below;
	int r;

	while ((r = first_child(q, number, count, &child, &below)) == 1) {
		if (!is_before(q, below, e))
			break;
		r = store_entry(q, lane, number, below);
		if (r < 0)
			return r;
		number = child;
	}
	return r < 0 ? r : store_entry(q, lane, number, e);
}

/* To where it belongs, from a number that is nobody's. */
int durei_priority_settle(const dure_priority *q, struct durei_lane *lane, uint64_t number,
			  uint64_t count, struct durei_entry e)
{
	const struct dl_priority_entry *above;

	if (number == 0)
		return sift_down(q, lane, number, count, e);
	above = durei_priority_entry(q, (number - 1) / DL_PRIORITY_WAYS);
	if (!above)
		return durei_priority_damaged(q);
	return is_before(q, e, read_entry(above)) ? durei_priority_sift_up(q, lane, number, e)
						   : sift_down(q, lane, number, count, e);
}
