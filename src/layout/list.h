/* SPDX-License-Identifier: MIT */
/*
 * list.h - a doubly linked list as it lies in a segment
 *
 * Layout   an object of type "dure_list". Its nodes are a ring that begins and ends with the head,
 *          a node in the object itself. A node lies behind the start of a block, directly before
 *          its element; or, in an intrusive list, somewhere in an element, which is any memory of
 *          the program's. node_offset is the distance from an element to its node.
 *
 * Rules    [LIST1] of neighbours each leads to the other: so no walk along `next`, or along `prev`,
 *                  comes to a node twice before it comes to the head
 *          [LIST2] `list` is the object's offset in each node of the ring but the head, and 0 in a
 *                  node that is in none
 *          [LIST3] a serial is given once by a list: a node with the same one has been in it all
 *                  the time
 *          [LIST4] count is the number of nodes, without the head
 */
#ifndef DUREI_LAYOUT_LIST_H
#define DUREI_LAYOUT_LIST_H

#include "layout/element.h"
#include "layout/guard.h"

enum { DL_LIST_INTRUSIVE = 1 };		/* flags */

struct dl_list_node {
	struct cell64 next;		/* offsets of nodes. All four: under the list's lock */
	struct cell64 prev;
	struct cell64 list;		/* offset of the object */
	struct cell64 serial;
};

struct dl_list {
	struct dl_guard guard;
	struct cell64 count;		/* of elements; under the lock */
	struct cell64 serials;		/* given so far; under the lock, and never undone */
	struct dl_list_node head;
	struct dl_element element;	/* these: written once, before the name */
	uint64_t node_offset;
	uint32_t flags;
	uint32_t reserved;
	uint64_t reserved2[5];
};

static_assert(sizeof(struct dl_list_node) == 32, "no padding");
static_assert(sizeof(struct dl_list) == 256, "no padding");
static_assert(offsetof(struct dl_list, head) == 96, "in the readers' line");

#endif
