/* SPDX-License-Identifier: MIT */
/*
 * deque.h - a deque as a process has checked it, and where its elements are
 */
#ifndef DUREI_CONTAINER_DEQUE_H
#define DUREI_CONTAINER_DEQUE_H

#include <dure/deque.h>

#include "container/array.h"
#include "layout/deque.h"

struct dure_deque {
	struct durei_elements elements;
	struct dl_deque *shared;
	unsigned chunk_bits;
	uint64_t chunk_bytes;
};

enum durei_deque_end { DUREI_FRONT, DUREI_BACK };

enum { DUREI_DEQUE_MOVED = 1 };		/* of a look: another one is needed */

/* What the deque says it is, checked. */
struct durei_deque_view {
	uint64_t first, end;
	struct dl_deque_table *table;	/* NULL: none */
	uint64_t places;
};

/* -EUCLEAN */
int durei_deque_damaged(const dure_deque *deque);
/* -EINVAL */
int durei_deque_no_element(const dure_deque *deque, uint64_t index, uint64_t count);

/* The table of a view whose first and end are there. 0; -EUCLEAN */
int durei_deque_view_table(const dure_deque *deque, struct durei_deque_view *view);

/* 0; DUREI_DEQUE_MOVED [DEQUER1]; -EUCLEAN */
static inline int durei_deque_see(const dure_deque *d, struct durei_deque_view *ret)
{
	ret->first = cell64_load_acq(&d->shared->first);
	ret->end = cell64_load_acq(&d->shared->end);
	if (__builtin_expect(cell64_load_acq(&d->shared->first) != ret->first, 0))
		return DUREI_DEQUE_MOVED;
	if (__builtin_expect((ret->end - ret->first) >> DL_DEQUE_COUNT_BITS_MAX != 0, 0))
		return durei_deque_damaged(d);
	return durei_deque_view_table(d, ret);
}

static inline struct cell64 *durei_deque_link(const dure_deque *d,
					       const struct durei_deque_view *v, uint64_t number)
{
	return &v->table->chunks[(number >> d->chunk_bits) & (v->places - 1)];
}

static inline uint64_t durei_deque_in_chunk(const dure_deque *d, uint64_t number)
{
	return number & ((UINT64_C(1) << d->chunk_bits) - 1);
}

/* NULL: there is no chunk. */
static inline unsigned char *durei_deque_place(const dure_deque *d,
					       const struct durei_deque_view *v, uint64_t number)
{
	unsigned char *chunk;

	if (__builtin_expect(!v->table, 0))
		return NULL;
	chunk = durei_chunk_at(d->elements.seg, durei_deque_link(d, v, number), d->chunk_bytes);
	return chunk ? chunk + durei_deque_in_chunk(d, number) * d->elements.bytes : NULL;
}

#endif
