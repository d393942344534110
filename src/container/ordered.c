/* SPDX-License-Identifier: MIT */
/*
 * ordered.c - an ordered map, multimap or set in a segment: its beginning and its end
 *
 * Why      Ranges, neighbours, the lowest and the highest: what a hash map cannot give.
 * Layout   layout/ordered.h
 * Rules    layout/ordered.h, layout/guard.h
 * Death    open: object/object.c. What entries need: ordered_change.c.
 *          clear, and destroy, after step
 *          1 some leaves     a map with fewer entries           whoever does it next
 *          2 name and rest   gone                               -
 */
#include <dure/ordered.h>

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/owner.h"
#include "container/tree.h"
#include "heap/heap.h"
#include "layout/owner.h"

enum { VALUE_BYTES_DEFAULT = 8, WORD_BYTES = 8 };

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	uint64_t value_bytes;
	uint32_t flags;			/* DL_ORDERED_... */
	bool is_any;
	struct durei_order order;
};

static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_ordered *shared = object;

	(void)tx;
	(void)count;
	shared->value_bytes = plan->value_bytes;
	shared->flags = plan->flags;
	shared->ordering = plan->order.kind;
	shared->serial.raw = 1;		/* still private */
	if (plan->order.caller)
		strcpy((char *)shared->ordering_name, plan->order.caller->name);
	return 0;
}

static int make_plan(dure_segment *seg, uint32_t flags, const struct dure_ordered_options *options,
		     struct plan *ret)
{
	struct dure_ordered_options o;
	int r = durei_options_read(&o, sizeof o, offsetof(struct dure_ordered_options, ordering),
				   options);

	if (r < 0)
		return r;
	if (o.flags & ~(uint32_t)(DURE_ORDERED_INTEGER | DURE_ORDERED_MULTI | DURE_ORDERED_ANY |
				  DURE_ORDERED_OWNER))
		return durei_error(EINVAL, "options.flags %#x are none of DURE_ORDERED_...", o.flags);
	ret->is_any = o.flags & DURE_ORDERED_ANY;
	if (ret->is_any)
		return flags == DURE_OPEN ? 0 : durei_error(EINVAL, "DURE_ORDERED_ANY finds maps, it makes "
							    "none: say what the map is like");
	if (o.value_bytes > DL_ORDERED_VALUE_MAX && o.value_bytes != DURE_ORDERED_NO_VALUE)
		return durei_error(EINVAL, "options.value_bytes %llu is more than %d",
				   (unsigned long long)o.value_bytes, DL_ORDERED_VALUE_MAX);
	ret->value_bytes = o.value_bytes == DURE_ORDERED_NO_VALUE ? 0
			   : o.value_bytes			   ? o.value_bytes
								   : VALUE_BYTES_DEFAULT;
	if (o.flags & DURE_ORDERED_OWNER && ret->value_bytes != sizeof(struct dl_owner))
		return durei_error(EINVAL, "DURE_ORDERED_OWNER: values are refs, of %zu bytes",
				   sizeof(struct dl_owner));
	r = durei_order_named(seg, o.ordering, o.flags & DURE_ORDERED_INTEGER, &ret->order);
	if (r == 0)
		ret->flags = (ret->order.is_number ? DL_ORDERED_INTEGER : 0) |
			     (o.flags & DURE_ORDERED_MULTI ? DL_ORDERED_MULTI : 0) |
			     (o.flags & DURE_ORDERED_OWNER ? DL_ORDERED_OWNER : 0);
	return r;
}

/* All but whether this process knows the ordering. */
static int bind(void *handle, dure_segment *seg, void *object, struct durei_where where)
{
	dure_ordered *map = handle;
	struct dl_ordered *shared = object;
	struct durei_tree *t = &map->tree;

	t->seg = seg;
	t->shared = shared;
	t->value_bytes = shared->value_bytes;
	t->is_multi = shared->flags & DL_ORDERED_MULTI;
	t->owns = shared->flags & DL_ORDERED_OWNER && shared->value_bytes == sizeof(struct dl_owner);
	durei_name_keep(&map->name, where);
	int r = durei_order_of(seg, shared, &t->order);
	if (r < 0)
		return r;
	t->is_exact = t->order.is_number && !t->is_multi;
	t->is_inline = t->is_exact && (t->value_bytes == WORD_BYTES || t->value_bytes == 0);
	if (t->value_bytes <= DL_ORDERED_VALUE_MAX)
		return 0;
	return durei_error(EUCLEAN, "segment %s: ordered map %s says its values have %llu bytes: run "
			   "dure check", seg->super.name, map->name.text,
			   (unsigned long long)t->value_bytes);
}

static int check_found(const dure_ordered *map, const struct plan *plan)
{
	const struct durei_tree *t = &map->tree;

	if (t->order.kind == DL_ORDERING_CALLER && !t->order.caller)
		return durei_error(ENOSYS, "segment %s: ordered map %s is ordered by \"%s\": this process "
				   "calls dure_ordering_register with that name first",
				   t->seg->super.name, map->name.text,
				   durei_order_name(&t->order, t->shared));
	if (plan->is_any)
		return 0;
	if (t->order.is_number != plan->order.is_number)
		return durei_error(EINVAL, "segment %s: the keys of ordered map %s are %s",
				   t->seg->super.name, map->name.text,
				   t->order.is_number ? "numbers (DURE_ORDERED_INTEGER)" : "strings");
	if (t->order.kind != plan->order.kind || t->order.caller != plan->order.caller)
		return durei_error(EINVAL, "segment %s: ordered map %s is ordered by \"%s\"",
				   t->seg->super.name, map->name.text,
				   durei_order_name(&t->order, t->shared));
	if (t->is_multi != ((plan->flags & DL_ORDERED_MULTI) != 0))
		return durei_error(EINVAL, "segment %s: ordered map %s is %s multimap (DURE_ORDERED_MULTI)",
				   t->seg->super.name, map->name.text, t->is_multi ? "a" : "no");
	if (t->owns != ((plan->flags & DL_ORDERED_OWNER) != 0))
		return durei_error(EINVAL, "segment %s: the values of ordered map %s own %s "
				   "(DURE_ORDERED_OWNER)", t->seg->super.name, map->name.text,
				   t->owns ? "containers" : "nothing");
	if (t->value_bytes != plan->value_bytes)
		return durei_error(EINVAL, "segment %s: ordered map %s has values of %llu bytes, not %llu",
				   t->seg->super.name, map->name.text,
				   (unsigned long long)t->value_bytes,
				   (unsigned long long)plan->value_bytes);
	return 0;
}

static int open_where(dure_segment *segment, struct durei_where where, uint32_t flags,
		      const struct dure_ordered_options *options, dure_ordered **ret)
{
	struct plan plan = { 0 };
	void *shared = NULL;
	dure_ordered *map;
	int r = durei_handle_check(segment), made;

	if (r == 0)
		r = make_plan(segment, flags, options, &plan);
	if (r < 0)
		return r;
	map = calloc(1, sizeof *map);	/* first: once the map is made, nothing may fail */
	if (!map)
		return durei_error_plain(ENOMEM);
	r = made = durei_named_open(segment, "ordered map", where, flags, durei_ordereds.object,
				    format, &plan, &shared);
	if (r >= 0)
		r = bind(map, segment, shared, where);
	if (r >= 0)
		r = check_found(map, &plan);
	if (r < 0) {
		free(map);
		return r;
	}
	*ret = map;
	return made;
}

int dure_ordered_open(dure_segment *segment, const char *name, uint32_t flags,
		      const struct dure_ordered_options *options, dure_ordered **ret)
{
	return open_where(segment, durei_by_name(name), flags, options, ret);
}

int dure_ordered_open_at(dure_segment *segment, dure_ref *at, uint32_t flags,
			 const struct dure_ordered_options *options, dure_ordered **ret)
{
	return open_where(segment, durei_by_ref(at), flags, options, ret);
}

void dure_ordered_close(dure_ordered *map)
{
	free(map);
}

int dure_ordered_describe(const dure_ordered *map, struct dure_ordered_options *ret)
{
	const struct durei_tree *t = &map->tree;
	struct dure_ordered_options o = {
		.value_bytes = t->value_bytes ? t->value_bytes : DURE_ORDERED_NO_VALUE,
		.flags = (t->order.is_number ? DURE_ORDERED_INTEGER : 0) |
			 (t->is_multi ? DURE_ORDERED_MULTI : 0) |
			 (t->owns ? DURE_ORDERED_OWNER : 0),
		.ordering = durei_order_name(&t->order, t->shared),
	};

	return durei_options_write(ret, &o, sizeof o, offsetof(struct dure_ordered_options, ordering));
}

uint64_t dure_ordered_count(const dure_ordered *map)
{
	return cell64_load_acq(&map->tree.shared->count);
}

/* -- the end of a map -------------------------------------------------------------------- */

/* Under the guard: the leaf at the path's end, with all its entries. */
static int free_leaf(const struct durei_tree *tree, struct durei_guard *guard,
		     const struct durei_path *path)
{
	const struct dl_node *leaf = path->nodes[path->depth - 1];
	uint64_t order = path->orders[path->depth - 1];
	unsigned n = dl_order_count(order);
	int r = durei_guard_begin(guard);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < n && !tree->is_inline; i++)
		r = durei_log_free(guard->lane,
				   cell64_load_rlx(&leaf->payloads[dl_order_slot(order, i)]));
	if (r == 0)
		r = durei_tree_unlink(tree, guard, path);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &tree->shared->count,
					 cell64_load_rlx(&tree->shared->count) - n);
	return durei_guard_end(guard, r);
}

static int free_lowest_leaf(const struct durei_tree *tree, struct durei_lane *lane)
{
	struct durei_guard guard;
	struct durei_path path;
	int r = durei_guard_lock(lane, &tree->shared->guard, &guard);

	if (r < 0)
		return r;
	r = durei_tree_find(tree, NULL, DUREI_TREE_LOWEST, &path, NULL);
	if (r == 0 && path.depth) {
		r = free_leaf(tree, &guard, &path);
		r = r < 0 ? r : 1;
	}
	durei_guard_unlock(&guard);
	return r;
}

static int take_first(void *map)
{
	return durei_ordered_take_first(map);
}

/* Step 1. Values that own containers go one by one. */
static int free_some(void *handle, struct durei_lane *lane, unsigned depth)
{
	dure_ordered *map = handle;
	dure_ref owned;
	int r;

	if (!map->tree.owns || dure_ordered_count(map) == 0)
		return free_lowest_leaf(&map->tree, lane);
	r = durei_ordered_see_first(map, lane, &owned);
	if (r == 0)
		r = durei_owned_free(lane, owned, depth, take_first, map);
	return r < 0 ? r : 1;
}

int dure_ordered_clear(dure_ordered *map)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->tree.seg, &r);

	if (!lane || map->tree.owns)
		return lane ? durei_container_empty(&durei_ordereds, map, map->tree.seg) : r;
	do
		r = free_lowest_leaf(&map->tree, lane);
	while (r == 1);
	return r;
}

static bool is_empty(const void *handle)
{
	return cell64_load_acq(&((const dure_ordered *)handle)->tree.shared->root) == 0;
}

const struct durei_container durei_ordereds = {
	.what = "ordered map",
	.object = { "dure_ordered", sizeof(struct dl_ordered), 64 },
	.handle_bytes = sizeof(dure_ordered),
	.bind = bind,
	.free_some = free_some,
	.is_empty = is_empty,
};

int dure_ordered_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_ordereds, segment, name);
}
