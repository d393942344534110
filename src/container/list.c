/* SPDX-License-Identifier: MIT */
/*
 * list.c - a doubly linked list in a segment
 *
 * Why      Elements that come and go anywhere, keep their addresses, and move from one list to
 *          another: waiting lists, orders of use, whatever is taken out of the middle.
 * Layout   layout/list.h
 * Rules    layout/list.h, layout/guard.h
 *          [LISTC1] an element has two ways that lead to it: each change is a log with a mark, or
 *                   a reader who went both ways would see it come and go
 *          [LISTC2] a node that leaves the list says so before its block is freed
 * Death    tx/log.c, a transaction of one operation.
 *          destroy, after step
 *          1 some elements     a list with fewer elements         whoever destroys it next
 *          2 name and rest     gone                               -
 */
#include "container/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/owner.h"
#include "heap/heap.h"

enum { FREED_AT_ONCE = 24 };	/* by destroy: the log of so many fits the lane */

static const struct durei_kind lists = {
	.what = "list",
	.object = { "dure_list", sizeof(struct dl_list), 64 },
	.element = offsetof(struct dl_list, element),
};

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	struct dure_type type;
	uint64_t node_offset;
	uint32_t flags;
};

/* The list's constructor: the ring is the head alone. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_list *shared = object;
	uint64_t head = durei_offset(dure_tx_segment(tx), &shared->head);

	(void)count;
	durei_element_format(&shared->element, &plan->type);
	shared->node_offset = plan->node_offset;
	shared->flags = plan->flags;
	cell64_store_rel(&shared->head.next, head);
	cell64_store_rel(&shared->head.prev, head);
	return 0;
}

static bool is_node_offset(uint64_t offset, uint64_t element_bytes)
{
	return offset % 8 == 0 && element_bytes >= sizeof(struct dl_list_node) &&
	       offset <= element_bytes - sizeof(struct dl_list_node);
}

static int make_plan(struct dure_type type, const struct dure_list_options *options,
		     struct plan *ret)
{
	struct dure_list_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);
	bool is_intrusive = r == 0 && o.flags & DURE_LIST_INTRUSIVE;

	if (r == 0)
		r = durei_element_check(&lists, &type);
	if (r < 0)
		return r;
	if (o.flags & ~(uint32_t)DURE_LIST_INTRUSIVE)
		return durei_error(EINVAL, "options.flags %#x are none of DURE_LIST_...", o.flags);
	if (is_intrusive ? !is_node_offset(o.node_offset, type.size_bytes) || type.align_bytes < 8
			 : o.node_offset != 0)
		return durei_error(EINVAL, "options.node_offset %llu: %s", (unsigned long long)o.node_offset,
				   is_intrusive ? "a struct dure_list_node cannot lie there"
						: "it needs DURE_LIST_INTRUSIVE");
	*ret = (struct plan){ .type = type, .flags = is_intrusive ? DL_LIST_INTRUSIVE : 0,
			      .node_offset = is_intrusive ? o.node_offset
							  : -(uint64_t)sizeof(struct dl_list_node) };
	return 0;
}

static int bind(dure_list *l)
{
	l->shared = l->elements.shared;
	l->self = durei_offset(l->elements.seg, l->shared);
	l->node_offset = l->shared->node_offset;
	l->is_intrusive = l->shared->flags & DL_LIST_INTRUSIVE;
	if (l->is_intrusive ? is_node_offset(l->node_offset, l->elements.bytes)
			    : l->node_offset == -(uint64_t)sizeof(struct dl_list_node))
		return 0;
	return durei_elements_damaged(&l->elements, "the place of the nodes");
}

static int check_found(const dure_list *l, const struct plan *plan)
{
	if (l->node_offset == plan->node_offset &&
	    l->is_intrusive == ((plan->flags & DL_LIST_INTRUSIVE) != 0))
		return 0;
	if (!l->is_intrusive)
		return durei_error(EINVAL, "segment %s: list %s owns its elements",
				   l->elements.seg->super.name, l->elements.name.text);
	return durei_error(EINVAL, "segment %s: list %s is intrusive, its nodes are at %llu",
			   l->elements.seg->super.name, l->elements.name.text,
			   (unsigned long long)l->node_offset);
}

static int open_where(dure_segment *segment, struct durei_where where, struct dure_type type,
		      uint32_t flags, const struct dure_list_options *options, dure_list **ret)
{
	struct plan plan;
	dure_list *l;
	int r = make_plan(type, options, &plan), made;

	if (r < 0)
		return r;
	l = calloc(1, sizeof *l);
	if (!l)
		return durei_error_plain(ENOMEM);
	r = made = durei_elements_open(&l->elements, &lists, segment, where, &type, flags, format,
				       &plan);
	if (r >= 0)
		r = bind(l);
	if (r >= 0)
		r = check_found(l, &plan);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret = l;
	return made;
}

int dure_list_open(dure_segment *segment, const char *name, struct dure_type type, uint32_t flags,
		   const struct dure_list_options *options, dure_list **ret)
{
	return open_where(segment, durei_by_name(name), type, flags, options, ret);
}

int dure_list_open_at(dure_segment *segment, dure_ref *at, struct dure_type type, uint32_t flags,
		      const struct dure_list_options *options, dure_list **ret)
{
	return open_where(segment, durei_by_ref(at), type, flags, options, ret);
}

void dure_list_close(dure_list *list)
{
	free(list);
}

int durei_list_check_variant(const dure_list *list, bool is_intrusive)
{
	if (list->is_intrusive == is_intrusive)
		return 0;
	return durei_error(EINVAL, "list %s %s", list->elements.name.text,
			   is_intrusive ? "owns its elements: insert makes them"
					: "is intrusive: its elements are the program's");
}

/* -- new elements ------------------------------------------------------------------------ */

/* What is before the node in its block: the node, as its element needs it. */
static uint64_t head_bytes(const dure_list *l)
{
	return max_u64(sizeof(struct dl_list_node), l->elements.align);
}

/* A reserved block with the element and a node that is in no ring yet. */
static int build(dure_list *l, struct durei_lane *lane, const void *element, uint64_t *ret_offset,
		 struct dl_list_node **ret_node)
{
	int r = durei_block_reserve(lane, head_bytes(l) + l->elements.bytes,
				    max_u64(l->elements.align, 16), ret_offset);

	if (r < 0)
		return r;
	unsigned char *to = (unsigned char *)durei_at(l->elements.seg, *ret_offset) + head_bytes(l);
	struct dl_list_node *node = (struct dl_list_node *)(void *)to - 1;
	memset(node, 0, sizeof *node);
	node->list.raw = l->self;		/* still private */
	node->serial.raw = durei_list_serial(l);
	if (element)
		durei_element_copy(to, element, l->elements.bytes);
	else
		memset(to, 0, l->elements.bytes);
	*ret_node = node;
	return 0;
}

static int add(dure_list *l, struct durei_guard *guard, uint64_t block, struct dl_list_node *node,
	       struct dl_list_node *before)
{
	int r = durei_guard_begin(guard);

	if (r < 0) {
		(void)durei_block_free(guard->lane, block);
		return r;
	}
	r = durei_log_take(guard->lane, block);
	if (r < 0)			/* no log knows the block yet */
		(void)durei_block_free(guard->lane, block);
	else
		r = durei_list_join(l, guard, node, node, before);
	if (r == 0)
		r = durei_list_add_count(l, guard, 1);
	return durei_guard_end(guard, r);
}

/* before, or with is_first the first element there is. */
static int insert(dure_list *l, const void *before, bool is_first, const void *element, void **ret)
{
	struct durei_guard guard;
	struct durei_link link;
	struct dl_list_node *node = NULL;
	uint64_t block;
	int r = durei_list_check_variant(l, false);

	if (r == 0)
		r = durei_list_lock(l, &guard);
	if (r < 0)
		return r;
	r = durei_list_find(l, before, &link);
	if (r == 0)
		r = build(l, guard.lane, element, &block, &node);
	if (r == 0)
		r = add(l, &guard, block, node, is_first ? link.next : link.node);
	durei_guard_unlock(&guard);
	if (r == 0 && ret)
		*ret = node + 1;
	return r;
}

int dure_list_insert(dure_list *list, const void *before, const void *element, void **ret)
{
	return insert(list, before, false, element, ret);
}

int dure_list_push_front(dure_list *list, const void *element, void **ret)
{
	return insert(list, NULL, true, element, ret);
}

int dure_list_push_back(dure_list *list, const void *element, void **ret)
{
	return insert(list, NULL, false, element, ret);
}

/* -- the program's elements -------------------------------------------------------------- */

static int link_in(dure_list *l, struct durei_guard *guard, struct dl_list_node *node,
		   struct dl_list_node *before)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = durei_log_write_word(guard->lane, &node->list, l->self);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &node->serial, durei_list_serial(l));
	if (r == 0)
		r = durei_list_join(l, guard, node, node, before);
	if (r == 0)
		r = durei_list_add_count(l, guard, 1);
	return durei_guard_end(guard, r);
}

/* The node of a block that is in no list. */
static int find_free(const dure_list *l, void *element, struct dl_list_node **ret)
{
	uint64_t offset = durei_offset(l->elements.seg, element);
	struct dl_list_node *node = offset % l->elements.align
					    ? NULL : durei_list_node(l, offset + l->node_offset);

	if (!node || node == &l->shared->head)
		return durei_error(EINVAL, "segment %s: the %llu bytes at %p are not data in it",
				   l->elements.seg->super.name,
				   (unsigned long long)l->elements.bytes, element);
	if (cell64_load_acq(&node->list))
		return durei_error(EINVAL, "list %s: the element at %p is in a list already, or its node "
				   "is not zeroed", l->elements.name.text, element);
	*ret = node;
	return 0;
}

int dure_list_link(dure_list *list, const void *before, void *element)
{
	struct durei_guard guard;
	struct durei_link link;
	struct dl_list_node *node = NULL;
	int r = durei_list_check_variant(list, true);

	if (r == 0)
		r = durei_list_lock(list, &guard);
	if (r < 0)
		return r;
	r = durei_list_find(list, before, &link);
	if (r == 0)
		r = find_free(list, element, &node);
	if (r == 0)
		r = link_in(list, &guard, node, link.node);
	durei_guard_unlock(&guard);
	return r;
}

/* -- taking away ------------------------------------------------------------------------- */

/* Between guard begin and end. [LISTC2] */
static int take_out(dure_list *l, struct durei_guard *guard, const struct durei_link *link)
{
	unsigned char *element = durei_list_element(l, link->node);
	int r = durei_list_part(l, guard, link->prev, link->next);

	if (r == 0)
		r = durei_log_write_word(guard->lane, &link->node->list, 0);
	if (r == 0 && !l->is_intrusive)
		r = durei_log_free(guard->lane,
				   durei_offset(l->elements.seg, element) - head_bytes(l));
	return r;
}

/* ret_element (may be NULL) gets a copy, while the block is not free yet. */
static int erase_locked(dure_list *l, struct durei_guard *guard, const struct durei_link *link,
			void *ret_element)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = take_out(l, guard, link);
	if (r == 0)
		r = durei_list_add_count(l, guard, -UINT64_C(1));
	if (r == 0 && ret_element)	/* nothing can fail any more */
		durei_element_copy(ret_element, durei_list_element(l, link->node), l->elements.bytes);
	return durei_guard_end(guard, r);
}

int dure_list_erase(dure_list *list, const void *at)
{
	struct durei_guard guard;
	struct durei_link link;
	int r;

	if (!at)
		return durei_error(EINVAL, "list %s: no element is at NULL", list->elements.name.text);
	r = durei_list_lock(list, &guard);
	if (r < 0)
		return r;
	r = durei_list_find(list, at, &link);
	if (r == 0)
		r = erase_locked(list, &guard, &link, NULL);
	durei_guard_unlock(&guard);
	return r;
}

enum end { FRONT, BACK };

/* The element at one end, under the lock. -ENOENT */
static int find_end(const dure_list *l, enum end end, struct durei_link *ret)
{
	int r = durei_list_find(l, NULL, ret);

	if (r < 0)
		return r;
	ret->node = end == FRONT ? ret->next : ret->prev;
	if (ret->node == &l->shared->head)
		return durei_error_plain(ENOENT);
	return durei_list_has(l, ret->node) ? durei_list_link_of(l, ret) : durei_list_damaged(l);
}

/* Where they are not NULL, ret_element gets a copy, and ret the address. */
static int pop(dure_list *l, enum end end, void *ret_element, void **ret)
{
	struct durei_guard guard;
	struct durei_link link;
	int r = durei_list_lock(l, &guard);

	if (r < 0)
		return r;
	r = find_end(l, end, &link);
	if (r == 0)
		r = erase_locked(l, &guard, &link, ret_element);
	if (r == 0 && ret)
		*ret = durei_list_element(l, link.node);
	durei_guard_unlock(&guard);
	return r;
}

int dure_list_pop_front(dure_list *list, void *ret_element)
{
	int r = durei_list_check_variant(list, false);

	return r < 0 ? r : pop(list, FRONT, ret_element, NULL);
}

int dure_list_pop_back(dure_list *list, void *ret_element)
{
	int r = durei_list_check_variant(list, false);

	return r < 0 ? r : pop(list, BACK, ret_element, NULL);
}

int dure_list_unlink_first(dure_list *list, void **ret)
{
	int r = durei_list_check_variant(list, true);

	return r < 0 ? r : pop(list, FRONT, NULL, ret);
}

/* -- changing an element ----------------------------------------------------------------- */

static int set_locked(dure_list *l, struct durei_guard *guard, void *to, const void *element)
{
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	r = durei_log_undo_range(guard->lane, durei_offset(l->elements.seg, to), l->elements.bytes);
	if (r == 0)
		memmove(to, element, l->elements.bytes);
	fence_crash();		/* the element before the commit */
	return durei_guard_end(guard, r);
}

int dure_list_set(dure_list *list, void *at, const void *element)
{
	struct durei_guard guard;
	struct durei_link link;
	int r = durei_list_check_variant(list, false);

	if (r == 0 && !at)
		r = durei_error(EINVAL, "list %s: no element is at NULL", list->elements.name.text);
	if (r == 0)
		r = durei_list_lock(list, &guard);
	if (r < 0)
		return r;
	r = durei_list_find(list, at, &link);
	if (r == 0)
		r = set_locked(list, &guard, at, element);
	durei_guard_unlock(&guard);
	return r;
}

/* -- the end of a list ------------------------------------------------------------------- */

/* Between guard begin and end: some elements at the front. Returns how many */
static int free_front(dure_list *l, struct durei_guard *guard)
{
	struct durei_link link;
	int n = 0, r = 0;

	while (r == 0 && n < FREED_AT_ONCE) {
		r = find_end(l, FRONT, &link);
		if (r == -ENOENT)
			break;
		if (r == 0)
			r = take_out(l, guard, &link);
		n += r == 0;
	}
	if (r == 0 || r == -ENOENT)
		r = durei_list_add_count(l, guard, -(uint64_t)n);
	return r < 0 ? r : n;
}

static int free_elements(dure_list *l, struct durei_lane *lane)
{
	struct durei_guard guard;
	int r = durei_guard_lock(lane, &l->shared->guard, &guard);

	if (r < 0)
		return r;
	r = durei_guard_begin(&guard);
	if (r == 0)
		r = durei_guard_end(&guard, free_front(l, &guard));
	durei_guard_unlock(&guard);
	return r;
}

static int take_first(void *list)
{
	return dure_list_pop_front(list, NULL);
}

static bool is_empty(const void *handle)
{
	return dure_list_count(handle) == 0;
}

/* Step 1. Elements that own containers go one by one. */
static int free_some(void *handle, struct durei_lane *lane, unsigned depth)
{
	dure_list *l = handle;
	dure_ref owned;
	void *at;
	int r;

	if (l->is_intrusive || !durei_elements_own(&l->elements))
		return free_elements(l, lane);
	if (is_empty(l))
		return 0;
	r = dure_list_first(l, &at);
	if (r == 0)
		r = dure_list_get(l, at, &owned);
	if (r == 0)
		r = durei_owned_free(lane, owned, depth, take_first, l);
	return r < 0 ? r : 1;
}

static int bind_found(void *handle, dure_segment *seg, void *shared, struct durei_where where)
{
	dure_list *l = handle;
	int r = durei_elements_bind(&l->elements, &lists, seg, shared, where);

	return r < 0 ? r : bind(l);
}

const struct durei_container durei_lists = {
	.what = "list",
	.object = { "dure_list", sizeof(struct dl_list), 64 },
	.handle_bytes = sizeof(dure_list),
	.bind = bind_found,
	.free_some = free_some,
	.is_empty = is_empty,
};

int dure_list_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_lists, segment, name);
}
