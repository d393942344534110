/* SPDX-License-Identifier: MIT */
/*
 * list_splice.c - elements move from one list into another, or within one
 *
 * Why      What is moved keeps its address, and is in one of the lists all the time.
 * How      Both lists are locked, the lower one in the segment first, so that two who splice in
 *          opposite directions do not wait for each other. Between lists each node gets another
 *          `list`, and a serial of that list's. One log has all of it.
 * Rules    layout/list.h
 *          [SPLICE1] the nodes from first on are walked, and counted, before anything changes: the
 *                    last one is behind, and the place they go to is not among them
 * Death    tx/log.c, a transaction of one operation.
 */
#include "container/list.h"

#include <limits.h>

struct splice {
	dure_list *to, *from;
	struct durei_guard to_guard, from_guard;	/* the same list: from_guard is unused */
	struct durei_link before, first, last;
	uint64_t count;
};

/* -- both locks -------------------------------------------------------------------------- */

static int lock_both(struct splice *s)
{
	bool is_to_first = s->to->self <= s->from->self;
	int r = is_to_first ? durei_list_lock(s->to, &s->to_guard)
			    : durei_list_lock(s->from, &s->from_guard);

	if (r < 0 || s->to->self == s->from->self)
		return r;
	r = is_to_first ? durei_list_lock(s->from, &s->from_guard)
			: durei_list_lock(s->to, &s->to_guard);
	if (r < 0)
		durei_guard_unlock(is_to_first ? &s->to_guard : &s->from_guard);
	return r;
}

static void unlock_both(struct splice *s)
{
	if (s->to->self != s->from->self)
		durei_guard_unlock(&s->from_guard);
	durei_guard_unlock(&s->to_guard);
}

/* -- what is to be moved ----------------------------------------------------------------- */

/* All of it: 0 elements, too. */
static int find_all(struct splice *s)
{
	struct durei_link head;
	int r = durei_list_find(s->from, NULL, &head);

	if (r < 0)
		return r;
	s->first.node = head.next;
	s->last.node = head.prev;
	r = durei_list_link_of(s->from, &s->first);
	return r < 0 ? r : durei_list_link_of(s->from, &s->last);
}

/* [SPLICE1] */
static int count_range(struct splice *s)
{
	struct durei_link at = s->first;
	const struct dl_list_node *head = &s->from->shared->head;
	int r = 0;

	for (s->count = 0; r == 0; s->count++) {
		if (at.node == head)
			return s->count == 0 && s->last.node == head
				       ? 0
				       : durei_error(EINVAL, "list %s: the last element to be moved is not "
						     "behind the first", s->from->elements.name.text);
		if (at.node == s->before.node)
			return durei_error(EINVAL, "list %s: elements cannot be moved before one of "
					   "themselves", s->to->elements.name.text);
		if (!durei_list_has(s->from, at.node))
			return durei_list_damaged(s->from);
		if (at.node == s->last.node) {
			s->count++;
			return 0;
		}
		at.node = at.next;
		r = durei_list_link_of(s->from, &at);
	}
	return r;
}

static int find_all_three(struct splice *s, const void *before, const void *first,
			  const void *last)
{
	int r = durei_list_find(s->to, before, &s->before);

	if (r == 0 && !first)
		r = find_all(s);
	else if (r == 0)
		r = durei_list_find(s->from, first, &s->first);
	if (r == 0 && first)
		r = durei_list_find(s->from, last, &s->last);
	return r < 0 ? r : count_range(s);
}

/* -- moving ------------------------------------------------------------------------------ */

/* Between lists: each node says where it is. */
static int rename_nodes(struct splice *s)
{
	dure_segment *seg = s->to->elements.seg;
	struct durei_lane *lane = s->to_guard.lane;
	struct dl_list_node *node = s->first.node;
	int r = 0;

	for (uint64_t n = 0; r == 0 && n < s->count; n++) {
		r = durei_log_write_word(lane, &node->list, s->to->self);
		if (r == 0)
			r = durei_log_write_word(lane, &node->serial, durei_list_serial(s->to));
		node = durei_at(seg, cell64_load_rlx(&node->next));
	}
	return r;
}

static int move(struct splice *s)
{
	int r = 0;

	if (s->to->self != s->from->self) {
		r = durei_guard_join(&s->from_guard);
		if (r == 0)
			r = rename_nodes(s);
		if (r == 0)
			r = durei_list_add_count(s->from, &s->from_guard, -s->count);
		if (r == 0)
			r = durei_list_add_count(s->to, &s->to_guard, s->count);
	}
	if (r == 0)
		r = durei_list_part(s->from, &s->to_guard, s->first.prev, s->last.next);
	return r < 0 ? r : durei_list_join(s->to, &s->to_guard, s->first.node, s->last.node,
					   s->before.node);
}

static int splice_locked(struct splice *s, const void *before, const void *first,
			 const void *last)
{
	int r = find_all_three(s, before, first, last);

	if (r < 0 || s->count == 0)
		return r;
	r = durei_guard_begin(&s->to_guard);
	return r < 0 ? r : durei_guard_end(&s->to_guard, move(s));
}

static int check_alike(const dure_list *to, const dure_list *from)
{
	const struct dl_list *a = to->shared, *b = from->shared;

	if (to->elements.seg == from->elements.seg && to->elements.bytes == from->elements.bytes &&
	    to->elements.align == from->elements.align && to->node_offset == from->node_offset &&
	    a->element.type_hash == b->element.type_hash)
		return 0;
	return durei_error(EINVAL, "lists %s and %s have other elements, or lie in other segments",
			   to->elements.name.text, from->elements.name.text);
}

int dure_list_splice(dure_list *to, const void *before, dure_list *from, const void *first,
		     const void *last)
{
	struct splice s = { .to = to, .from = from };
	int r = check_alike(to, from);

	if (r == 0 && !first != !last)
		r = durei_error(EINVAL, "list %s: first and last are both NULL, or none",
				from->elements.name.text);
	if (r == 0 && !first && to->self == from->self)
		r = durei_error(EINVAL, "list %s cannot be moved into itself", to->elements.name.text);
	if (r == 0)
		r = lock_both(&s);
	if (r < 0)
		return r;
	r = splice_locked(&s, before, first, last);
	unlock_both(&s);
	return r < 0 ? r : (int)min_u64(s.count, INT_MAX);
}
