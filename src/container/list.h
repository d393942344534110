/* SPDX-License-Identifier: MIT */
/*
 * list.h - a list and its nodes, as a process has checked them
 */
#ifndef DUREI_CONTAINER_LIST_H
#define DUREI_CONTAINER_LIST_H

#include <dure/list.h>

#include "container/element.h"
#include "container/guard.h"
#include "layout/list.h"

struct dure_list {
	struct durei_elements elements;
	struct dl_list *shared;
	uint64_t self;			/* offset of the object */
	uint64_t node_offset;		/* from an element to its node; may wrap round */
	bool is_intrusive;
};

/* A node with its neighbours, checked: [LIST1]. */
struct durei_link {
	struct dl_list_node *node, *next, *prev;
};

int durei_list_damaged(const dure_list *list);

/* The node at an offset, or the head. NULL: there can be none. */
struct dl_list_node *durei_list_node(const dure_list *list, uint64_t offset);

/* The neighbours of ret->node. 0; -EUCLEAN */
int durei_list_link_of(const dure_list *list, struct durei_link *ret);

/* The element that a caller means: 0; -EINVAL (not in the list). NULL, the head: 0; -EUCLEAN */
int durei_list_find(const dure_list *list, const void *at, struct durei_link *ret);

static inline bool durei_list_has(const dure_list *list, const struct dl_list_node *node)
{
	return cell64_load_acq(&node->list) == list->self;
}

static inline void *durei_list_element(const dure_list *list, const struct dl_list_node *node)
{
	return durei_at(list->elements.seg, durei_offset(list->elements.seg, node) -
						    list->node_offset);
}

/* -EINVAL unless the list is of this variant */
int durei_list_check_variant(const dure_list *list, bool is_intrusive);

/* -- under the guard --------------------------------------------------------------------- */

int durei_list_lock(dure_list *list, struct durei_guard *ret);
/* A serial that no node has had. [LIST3] */
uint64_t durei_list_serial(dure_list *list);

/* Between guard begin and end. */

/* Nodes first to last, which are in no ring, before a node. */
int durei_list_join(dure_list *list, struct durei_guard *guard, struct dl_list_node *first,
		    struct dl_list_node *last, struct dl_list_node *before);
/* Takes what is between two nodes out of the ring. */
int durei_list_part(dure_list *list, struct durei_guard *guard, struct dl_list_node *prev,
		    struct dl_list_node *next);
int durei_list_add_count(dure_list *list, struct durei_guard *guard, uint64_t more);

#endif
