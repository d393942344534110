/* SPDX-License-Identifier: MIT */
/*
 * priority.h - a priority queue as a process has checked it, and its heap
 */
#ifndef DUREI_CONTAINER_PRIORITY_H
#define DUREI_CONTAINER_PRIORITY_H

#include <dure/priority.h>

#include "container/array.h"
#include "layout/priority.h"

struct dure_priority {
	struct durei_elements elements;
	struct durei_array heap, places;
	struct dl_priority *shared;
	uint32_t key_bytes;		/* 0: a number */
	bool is_highest;
	uint64_t element_offset;	/* in a place */
};

struct durei_entry {
	uint64_t word, place;
};

static inline struct dl_priority_entry *durei_priority_entry(const dure_priority *q,
							     uint64_t number)
{
	uint64_t room;

	return (void *)durei_array_at(&q->heap, number, &room);
}

static inline struct dl_priority_place *durei_priority_place(const dure_priority *q,
							     uint64_t number)
{
	uint64_t room;

	return (void *)durei_array_at(&q->places, number, &room);
}

static inline unsigned char *durei_priority_key(struct dl_priority_place *place)
{
	return (unsigned char *)(place + 1);
}

static inline unsigned char *durei_priority_element(const dure_priority *q,
						    struct dl_priority_place *place)
{
	return (unsigned char *)place + q->element_offset;
}

/* -EUCLEAN */
int durei_priority_damaged(const dure_priority *queue);

/* Entry number `number` of those there are, with its place. 0; -EUCLEAN */
int durei_priority_load(const dure_priority *queue, uint64_t number, struct durei_entry *ret,
			struct dl_priority_place **ret_place);

/* -- between guard begin and end ----------------------------------------------------------- */

/* To where the entry belongs, from a number that is nobody's: only up, or either way, of count
   entries. */
int durei_priority_sift_up(const dure_priority *queue, struct durei_lane *lane, uint64_t number,
			   struct durei_entry entry);
int durei_priority_settle(const dure_priority *queue, struct durei_lane *lane, uint64_t number,
			  uint64_t count, struct durei_entry entry);

#endif
