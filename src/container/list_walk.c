/* SPDX-License-Identifier: MIT */
/*
 * list_walk.c - going along a list, which others are changing
 *
 * Why      A visitor takes his time, and may change the list. So what is to be visited is noted
 *          first, all of it of one moment, and each element is asked again when its turn comes.
 * Rules    layout/list.h
 *          [WALK1] a node is gone on from only if it is in the list, and each of neighbours leads to
 *                  the other: in a damaged list, too, a walk ends [LIST1]
 *          [WALK2] a node is visited if it still has the serial that was noted [LIST3]
 * Death    nothing shared is changed.
 */
#include "container/list.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT_ONCE = 256, NOTES_MIN = 64 };

/* -- one step ---------------------------------------------------------------------------- */

typedef int (*look_at)(dure_list *list, const void *at, void *to);

/* All of it at one moment. */
static int read_still(dure_list *l, look_at copy, const void *at, void *to)
{
	struct durei_look look;
	int r = durei_look_open(&look, l->elements.seg, &l->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy(l, at, to);
		if (durei_look_end(&look))
			return r;
		r = 0;
	}
	return r;
}

static int found(dure_list *l, const struct dl_list_node *node, void *to)
{
	if (node == &l->shared->head)
		return durei_error_plain(ENOENT);
	*(void **)to = durei_list_element(l, node);
	return 0;
}

static int read_next(dure_list *l, const void *at, void *to)
{
	struct durei_link link;
	int r = durei_list_find(l, at, &link);

	return r < 0 ? r : found(l, link.next, to);
}

static int read_prev(dure_list *l, const void *at, void *to)
{
	struct durei_link link;
	int r = durei_list_find(l, at, &link);

	return r < 0 ? r : found(l, link.prev, to);
}

static int read_element(dure_list *l, const void *at, void *to)
{
	struct durei_link link;
	int r = durei_list_find(l, at, &link);

	if (r == 0)
		memcpy(to, at, l->elements.bytes);
	return r;
}

int dure_list_first(dure_list *list, void **ret)
{
	return read_still(list, read_next, NULL, ret);
}

int dure_list_last(dure_list *list, void **ret)
{
	return read_still(list, read_prev, NULL, ret);
}

static int no_element(const dure_list *l)
{
	return durei_error(EINVAL, "list %s: no element is at NULL", l->elements.name.text);
}

int dure_list_next(dure_list *list, const void *at, void **ret)
{
	return at ? read_still(list, read_next, at, ret) : no_element(list);
}

int dure_list_prev(dure_list *list, const void *at, void **ret)
{
	return at ? read_still(list, read_prev, at, ret) : no_element(list);
}

int dure_list_get(dure_list *list, const void *at, void *ret_element)
{
	int r = durei_list_check_variant(list, false);

	if (r == 0)
		r = at ? read_still(list, read_element, at, ret_element) : no_element(list);
	return r;
}

uint64_t dure_list_count(const dure_list *list)
{
	return cell64_load_acq(&list->shared->count);
}

/* -- all elements ------------------------------------------------------------------------ */

struct note {
	struct dl_list_node *node;
	uint64_t serial;
};

struct notes {
	struct note *notes;
	size_t count, room;
};

static int add_note(struct notes *n, struct dl_list_node *node)
{
	if (n->count == n->room) {
		size_t room = n->room ? n->room * 2 : NOTES_MIN;
		struct note *more = realloc(n->notes, room * sizeof *more);
		if (!more)
			return durei_error_plain(ENOMEM);
		n->notes = more;
		n->room = room;
	}
	n->notes[n->count++] = (struct note){ node, cell64_load_rlx(&node->serial) };
	return 0;
}

/* [WALK1] */
static int note_all(dure_list *l, const struct durei_look *look, bool goes_back, struct notes *n)
{
	struct durei_link link;
	int r = durei_list_find(l, NULL, &link);

	n->count = 0;
	while (r == 0) {
		link.node = goes_back ? link.prev : link.next;
		if (link.node == &l->shared->head)
			return 0;
		if (!durei_list_has(l, link.node))
			return durei_list_damaged(l);
		if (n->count % LOOKED_AT_ONCE == 0 && !durei_look_is_good(look))
			return 0;
		r = add_note(n, link.node);
		if (r == 0)
			r = durei_list_link_of(l, &link);
	}
	return r;
}

static int note_all_still(dure_list *l, bool goes_back, struct notes *n)
{
	struct durei_look look;
	int r = durei_look_open(&look, l->elements.seg, &l->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = note_all(l, &look, goes_back, n);
		if (durei_look_end(&look))
			return r;
		r = r == -ENOMEM ? r : 0;
	}
	return r;
}

/* [WALK2] A copy of the element; -ENOENT: it has gone. */
static int read_noted(dure_list *l, const void *at, void *to)
{
	const struct note *note = at;

	if (!durei_list_has(l, note->node) || cell64_load_rlx(&note->node->serial) != note->serial)
		return -ENOENT;
	if (!l->is_intrusive)
		durei_element_copy(to, durei_list_element(l, note->node), l->elements.bytes);
	return 0;
}

static int visit_all(dure_list *l, const struct notes *n, void *copy,
		     int (*visit)(void *at, const void *element, void *context), void *context)
{
	for (size_t i = 0; i < n->count; i++) {
		void *at = durei_list_element(l, n->notes[i].node);
		int r = read_still(l, read_noted, &n->notes[i], copy);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = visit(at, l->is_intrusive ? at : copy, context);
		if (r != 0)
			return r;
	}
	return 0;
}

int dure_list_visit(dure_list *list, uint32_t flags,
		    int (*visit)(void *at, const void *element, void *context), void *context)
{
	struct notes notes = { .count = 0 };
	void *copy;
	int r;

	if (flags & ~(uint32_t)DURE_LIST_BACKWARDS)
		return durei_error(EINVAL, "flags %#x are none of DURE_LIST_...", flags);
	copy = aligned_alloc(max_u64(list->elements.align, 16),
			     align_up(list->elements.bytes, max_u64(list->elements.align, 16)));
	if (!copy)
		return durei_error_plain(ENOMEM);
	r = note_all_still(list, flags & DURE_LIST_BACKWARDS, &notes);
	if (r == 0)
		r = visit_all(list, &notes, copy, visit, context);
	free(copy);
	free(notes.notes);
	return r;
}
