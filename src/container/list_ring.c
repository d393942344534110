/* SPDX-License-Identifier: MIT */
/*
 * list_ring.c - the nodes of a list, checked, and the ring they are in
 *
 * Why      Nodes lie in memory that is freed and used anew, or is the program's: nothing that they
 *          say is believed before it is checked, and everybody who follows them does it here.
 * Rules    layout/list.h
 *          [RING1] what a caller calls an element is believed after its node says so, and both
 *                  neighbours: it may have been freed, and be anything by now; also a node that was
 *                  made and never linked
 * Death    tx/log.c: what is written here is part of the caller's log.
 */
#include "container/list.h"

/* -- nodes ------------------------------------------------------------------------------- */

int durei_list_damaged(const dure_list *list)
{
	return durei_elements_damaged(&list->elements, "a node");
}

struct dl_list_node *durei_list_node(const dure_list *list, uint64_t offset)
{
	dure_segment *seg = list->elements.seg;
	uint64_t element = offset - list->node_offset;

	if (offset == list->self + offsetof(struct dl_list, head))
		return &list->shared->head;
	if (offset % 8 || offset < seg->super.data_offset || element < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof(struct dl_list_node)) ||
	    !durei_bytes_are_backed(seg, element, list->elements.bytes))
		return NULL;
	return durei_at(seg, offset);
}

static bool are_neighbours(const dure_list *list, struct durei_link *ret)
{
	uint64_t offset = durei_offset(list->elements.seg, ret->node);

	ret->next = durei_list_node(list, cell64_load_acq(&ret->node->next));
	ret->prev = durei_list_node(list, cell64_load_acq(&ret->node->prev));
	return ret->next && ret->prev && cell64_load_acq(&ret->next->prev) == offset &&
	       cell64_load_acq(&ret->prev->next) == offset;
}

int durei_list_link_of(const dure_list *list, struct durei_link *ret)
{
	return are_neighbours(list, ret) ? 0 : durei_list_damaged(list);
}

/* [RING1] */
int durei_list_find(const dure_list *list, const void *at, struct durei_link *ret)
{
	dure_segment *seg = list->elements.seg;

	ret->node = &list->shared->head;
	if (!at)
		return durei_list_link_of(list, ret);
	ret->node = durei_list_node(list, durei_offset(seg, at) + list->node_offset);
	if (ret->node && ret->node != &list->shared->head && durei_list_has(list, ret->node) &&
	    are_neighbours(list, ret))
		return 0;
	return durei_error(EINVAL, "segment %s: no element of list %s is at %p", seg->super.name,
			   list->elements.name.text, at);
}

/* -- the ring ---------------------------------------------------------------------------- */

int durei_list_lock(dure_list *list, struct durei_guard *ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(list->elements.seg, &r);

	return lane ? durei_guard_lock(lane, &list->shared->guard, ret) : r;
}

uint64_t durei_list_serial(dure_list *list)
{
	uint64_t serial = cell64_load_rlx(&list->shared->serials) + 1;

	cell64_store_rel(&list->shared->serials, serial);	/* before it is used; may be lost */
	return serial;
}

int durei_list_join(dure_list *list, struct durei_guard *guard, struct dl_list_node *first,
		    struct dl_list_node *last, struct dl_list_node *before)
{
	dure_segment *seg = list->elements.seg;
	struct durei_lane *lane = guard->lane;
	uint64_t prev = cell64_load_rlx(&before->prev);
	int r = durei_log_write_word(lane, &first->prev, prev);

	if (r == 0)
		r = durei_log_write_word(lane, &last->next, durei_offset(seg, before));
	if (r == 0)
		r = durei_log_write_word(lane, &((struct dl_list_node *)durei_at(seg, prev))->next,
					 durei_offset(seg, first));
	if (r == 0)
		r = durei_log_write_word(lane, &before->prev, durei_offset(seg, last));
	return r;
}

int durei_list_part(dure_list *list, struct durei_guard *guard, struct dl_list_node *prev,
		    struct dl_list_node *next)
{
	dure_segment *seg = list->elements.seg;
	int r = durei_log_write_word(guard->lane, &prev->next, durei_offset(seg, next));

	return r < 0 ? r : durei_log_write_word(guard->lane, &next->prev, durei_offset(seg, prev));
}

int durei_list_add_count(dure_list *list, struct durei_guard *guard, uint64_t more)
{
	struct cell64 *count = &list->shared->count;

	return durei_log_write_word(guard->lane, count, cell64_load_rlx(count) + more);
}
