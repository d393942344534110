/* SPDX-License-Identifier: MIT */
/*
 * range.c - the entries of an ordered map from one key to another, up or down
 *
 * Why      A visitor takes his time, and may change the map. So he gets copies: a leaf's entries
 *          at a time, of one moment, and the next ones are looked for by the last key he had.
 * Rules    [RANGE1] what is visited next is above (or below) what was visited last, whatever has
 *                   happened to the tree meanwhile: no key twice, and none left out that was there
 *                   all the time. In a damaged tree this is checked, so a visit ends
 *          [RANGE2] new entries tell readers nothing ([ORDEREDC1]): what stands in several leaves
 *                   is of one moment only if nobody can change the map meanwhile. So a snapshot
 *                   takes the lock, as a writer does, and has copied all when it gives it back
 * Death    nothing shared is changed. The lock is DL_HELD_CLEAN, and guards nothing half done.
 */
#include <dure/ordered.h>

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/tree.h"

enum { ROOM_FIRST = 256 };

struct item {
	size_t value, key, key_bytes;	/* where in the bytes of the batch */
	uint64_t serial;
};

/* Copies of some neighbouring entries, in the order of the visit. */
struct batch {
	unsigned char *bytes;
	size_t used, room;
	struct item items[DL_NODE_SLOTS];
	unsigned count;
	struct batch *next;		/* of a snapshot */
};

struct walk {
	const dure_ordered *map;
	bool goes_down;
	bool has_near, has_far;
	bool near_excluded, far_excluded;
	struct durei_tree_key near, far;	/* where to go on; where to stop */
	struct batch batches[2];		/* the one at hand, and the one with the key `near` */
	unsigned at_hand;
};

/* -- copying a leaf ---------------------------------------------------------------------- */

/* Room in the batch, aligned for any value. */
static int make_room(struct batch *b, size_t bytes, size_t *ret_at)
{
	size_t at = (size_t)align_up(b->used, 16);

	if (at + bytes > b->room || !b->bytes) {
		size_t room = (at + bytes) * 2 + ROOM_FIRST;
		unsigned char *more = realloc(b->bytes, room);
		if (!more)
			return durei_error_plain(ENOMEM);
		b->bytes = more;
		b->room = room;
	}
	b->used = at + bytes;
	*ret_at = at;
	return 0;
}

static int copy_entry(const struct durei_tree *tree, struct batch *b, const struct durei_path *path)
{
	struct item *item = &b->items[b->count];
	struct durei_tree_key key;
	uint64_t number;
	int r;

	if (!durei_path_key(tree, path, &key))
		return durei_tree_damaged(tree);
	if (tree->order.is_number) {
		number = durei_order_number(&tree->order, key.word);
		key.bytes = (const unsigned char *)&number;
		key.count = sizeof number;
	}
	r = make_room(b, (size_t)tree->value_bytes, &item->value);
	if (r == 0)
		r = durei_tree_copy_value(tree, durei_path_payload(path), b->bytes + item->value);
	if (r == 0)
		r = make_room(b, key.count, &item->key);
	if (r < 0)
		return r;
	memcpy(b->bytes + item->key, key.bytes, key.count);
	item->key_bytes = key.count;
	item->serial = key.serial;
	b->count++;
	return 0;
}

static int find_next(const struct walk *w, struct durei_path *path)
{
	enum durei_tree_way way = w->goes_down ? DUREI_TREE_HIGHEST : DUREI_TREE_LOWEST;
	int r;

	if (w->has_near)	/* up: the first that may be visited; down: the first that may not */
		way = w->goes_down == w->near_excluded ? DUREI_TREE_TO : DUREI_TREE_BEHIND;
	r = durei_tree_find(&w->map->tree, &w->near, way, path, NULL);
	while (r == 0 && path->depth) {
		if (w->goes_down ? path->at[path->depth - 1] > 0 : !durei_path_is_behind(path))
			return 0;
		r = durei_tree_next(&w->map->tree, path, w->goes_down);
		if (r == 0)
			path->depth = 0;
		r = r < 0 ? r : 0;
	}
	return r;
}

static int copy_leaf(const struct walk *w, struct batch *b)
{
	struct durei_path path;
	int r = find_next(w, &path);
	unsigned *at, end;

	b->used = b->count = 0;
	if (r < 0 || !path.depth)
		return r;
	at = &path.at[path.depth - 1];
	end = dl_order_count(path.orders[path.depth - 1]);
	if (w->goes_down)
		while (r == 0 && (*at)-- > 0)
			r = copy_entry(&w->map->tree, b, &path);
	else
		for (; r == 0 && *at < end; (*at)++)
			r = copy_entry(&w->map->tree, b, &path);
	return r;
}

static int copy_still(const struct walk *w, struct batch *b)
{
	struct durei_look look;
	int r = durei_look_open(&look, w->map->tree.seg, &w->map->tree.shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy_leaf(w, b);
		if (durei_look_end(&look))
			return r;
		r = r == -ENOMEM ? r : 0;
	}
	return r;
}

/* -- visiting ---------------------------------------------------------------------------- */

/* False: it is no key, which is damage. */
static bool key_of_item(const struct walk *w, const struct batch *b, const struct item *item,
			struct durei_tree_key *ret)
{
	if (durei_tree_make_key(w->map, b->bytes + item->key, item->key_bytes, ret) < 0)
		return false;
	ret->serial = item->serial;
	return true;
}

static bool is_beyond(const struct walk *w, const struct durei_tree_key *key)
{
	int r;

	if (!w->has_far)
		return false;
	r = durei_tree_compare(&w->map->tree, key, &w->far);
	return r == 0 ? w->far_excluded : (r > 0) != w->goes_down;
}

/* [RANGE1] From this key on. False: it is not beyond the one before it: damage. */
static bool go_on_from(struct walk *w, const struct durei_tree_key *key)
{
	if (w->has_near) {
		int r = durei_tree_compare(&w->map->tree, key, &w->near);
		if (r == 0 ? w->near_excluded : (r < 0) != w->goes_down)
			return false;
	}
	w->has_near = true;
	w->near_excluded = true;
	w->near = *key;
	return true;
}

/*
 * 0: there may be more behind the batch; 1: that was the last one, for the range ends or visit did
 * not return 0, which *ret_visited has then
 */
static int visit_batch(struct walk *w, const struct batch *b,
		       int (*visit)(const void *key, size_t key_bytes, const void *value,
				    void *context),
		       void *context, int *ret_visited)
{
	struct durei_tree_key key;

	for (unsigned i = 0; i < b->count; i++) {
		const struct item *item = &b->items[i];
		if (!key_of_item(w, b, item, &key))
			return durei_tree_damaged(&w->map->tree);
		if (is_beyond(w, &key))
			return 1;
		if (!go_on_from(w, &key))
			return durei_tree_damaged(&w->map->tree);
		*ret_visited = visit(b->bytes + item->key, item->key_bytes, b->bytes + item->value,
				     context);
		if (*ret_visited != 0)
			return 1;
	}
	return 0;
}

static int visit_all(struct walk *w, int (*visit)(const void *key, size_t key_bytes,
						  const void *value, void *context),
		     void *context)
{
	int visited = 0;

	for (;;) {
		struct batch *b = &w->batches[w->at_hand];
		int r = copy_still(w, b);
		if (r < 0 || b->count == 0)
			return r;
		r = visit_batch(w, b, visit, context, &visited);
		if (r != 0)
			return r < 0 ? r : visited;
		w->at_hand ^= 1;	/* near lies in this one */
	}
}

static int make_walk(const dure_ordered *map, const struct dure_range *range, struct walk *w)
{
	struct durei_tree_key low = { 0 }, high = { 0 };
	bool low_excluded = range->flags & DURE_RANGE_ABOVE_LOW;
	bool high_excluded = !(range->flags & DURE_RANGE_WITH_HIGH);
	int r = 0;

	if (range->flags & ~(uint32_t)(DURE_RANGE_DESCENDING | DURE_RANGE_ABOVE_LOW |
				       DURE_RANGE_WITH_HIGH))
		return durei_error(EINVAL, "range.flags %#x are none of DURE_RANGE_...", range->flags);
	if (range->low)
		r = durei_tree_make_key(map, range->low, range->low_bytes, &low);
	if (r == 0 && range->high)
		r = durei_tree_make_key(map, range->high, range->high_bytes, &high);
	if (r < 0)
		return r;
	if (map->tree.is_multi) {	/* before, or behind, all equal keys */
		low.serial = low_excluded ? UINT64_MAX : 0;
		high.serial = high_excluded ? 0 : UINT64_MAX;
	}
	w->map = map;
	w->goes_down = range->flags & DURE_RANGE_DESCENDING;
	w->has_near = w->goes_down ? range->high : range->low;
	w->has_far = w->goes_down ? range->low : range->high;
	w->near_excluded = w->goes_down ? high_excluded : low_excluded;
	w->far_excluded = w->goes_down ? low_excluded : high_excluded;
	if (w->has_near)
		w->near = w->goes_down ? high : low;
	if (w->has_far)
		w->far = w->goes_down ? low : high;
	return 0;
}

int dure_ordered_visit(dure_ordered *map, const struct dure_range *range,
		       int (*visit)(const void *key, size_t key_bytes, const void *value,
				    void *context),
		       void *context)
{
	struct walk w = { 0 };
	struct dure_range ours;
	int r = durei_options_read(&ours, sizeof ours, sizeof ours, range);

	if (r == 0)
		r = make_walk(map, &ours, &w);
	if (r == 0)
		r = visit_all(&w, visit, context);
	free(w.batches[0].bytes);
	free(w.batches[1].bytes);
	return r;
}

/* -- all at one moment ------------------------------------------------------------------- */

static int pass(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)key_bytes;
	(void)value;
	(void)context;
	return 0;
}

/* [RANGE2] Under the lock. *first: all batches there are, one behind the other */
static int copy_all(struct walk *w, struct batch **first)
{
	int r = 0, passed;

	while (r == 0) {
		struct batch *b = calloc(1, sizeof *b);
		if (!b)
			return durei_error_plain(ENOMEM);
		*first = b;
		first = &b->next;
		r = copy_leaf(w, b);
		if (r == 0)
			r = b->count ? visit_batch(w, b, pass, NULL, &passed) : 1;
	}
	return r < 0 ? r : 0;
}

static int copy_locked(struct walk *w, struct batch **first)
{
	const struct durei_tree *tree = &w->map->tree;
	struct durei_guard guard;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(tree->seg, &r);

	if (lane)
		r = durei_guard_lock(lane, &tree->shared->guard, &guard);
	if (!lane || r < 0)
		return r;
	r = copy_all(w, first);
	durei_guard_unlock(&guard);
	return r;
}

int dure_ordered_snapshot(dure_ordered *map, const struct dure_range *range,
			  int (*visit)(const void *key, size_t key_bytes, const void *value,
				       void *context),
			  void *context)
{
	struct walk w = { 0 }, copied;
	struct batch *first = NULL;
	struct dure_range ours;
	int r = durei_options_read(&ours, sizeof ours, sizeof ours, range), visited = 0;

	if (r == 0)
		r = make_walk(map, &ours, &w);
	copied = w;
	if (r == 0)
		r = copy_locked(&copied, &first);
	for (const struct batch *b = first; r == 0 && b; b = b->next)
		r = visit_batch(&w, b, visit, context, &visited);
	while (first) {
		struct batch *next = first->next;
		free(first->bytes);
		free(first);
		first = next;
	}
	return r < 0 ? r : visited;
}
