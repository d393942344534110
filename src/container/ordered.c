/* SPDX-License-Identifier: MIT */
/*
 * ordered.c - an ordered map, multimap or set in a segment
 *
 * Why      Ranges, neighbours, the lowest and the highest: what a hash map cannot give.
 * How      The tree (tree.c) finds a leaf with room; here entries are put into it and taken out.
 *          In a multimap each entry's key has a serial number behind it, so that no two are equal
 *          to the tree; the next one stands behind those before it.
 * Layout   layout/ordered.h
 * Rules    layout/ordered.h, layout/guard.h
 *          [ORDEREDC1] outside transactions a new entry tells readers nothing: a free slot is filled,
 *                      which nobody looks at, and one store of the leaf's order word shows it. What
 *                      frees a slot is marked, so that whoever looked at it looks again
 *          [ORDEREDC2] a value in a slot is replaced by one store; one in a block by another block
 *          [ORDEREDC3] a serial number is used up before its entry is made: one may be missing,
 *                      none is used twice, and no log needs to know
 * Death    put, insert: a new key, after step
 *          1 the slot        a slot that does not count         nobody reads it
 *          2 the log         tx/log.c: order word and count     carried out
 *          a known key, remove, parting a node: tx/log.c, a transaction of one operation.
 *          clear, and destroy, after step
 *          1 some leaves     a map with fewer entries           whoever does it next
 *          2 name and rest   gone                               -
 */
#include <dure/ordered.h>

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "container/tree.h"
#include "heap/heap.h"

enum { VALUE_BYTES_DEFAULT = 8, WORD_BYTES = 8 };

#define ORDERED_TYPE dure_type_make("dure_ordered", sizeof(struct dl_ordered), 64)

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
	if (o.flags & ~(uint32_t)(DURE_ORDERED_INTEGER | DURE_ORDERED_MULTI | DURE_ORDERED_ANY))
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
	r = durei_order_named(seg, o.ordering, o.flags & DURE_ORDERED_INTEGER, &ret->order);
	if (r == 0)
		ret->flags = (ret->order.is_number ? DL_ORDERED_INTEGER : 0) |
			     (o.flags & DURE_ORDERED_MULTI ? DL_ORDERED_MULTI : 0);
	return r;
}

/* All but whether this process knows the ordering. */
static int bind(dure_ordered *map, dure_segment *seg, struct dl_ordered *shared, const char *name)
{
	struct durei_tree *t = &map->tree;

	t->seg = seg;
	t->shared = shared;
	t->value_bytes = shared->value_bytes;
	t->is_multi = shared->flags & DL_ORDERED_MULTI;
	durei_name_keep(&map->name, name);
	int r = durei_order_of(seg, shared, &t->order);
	if (r < 0)
		return r;
	t->is_exact = t->order.is_number && !t->is_multi;
	t->is_inline = t->is_exact && (t->value_bytes == WORD_BYTES || t->value_bytes == 0);
	if (t->value_bytes <= DL_ORDERED_VALUE_MAX)
		return 0;
	return durei_error(EUCLEAN, "segment %s: ordered map %s says its values have %llu bytes: run "
			   "dure check", seg->super.name, name,
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
	if (t->value_bytes != plan->value_bytes)
		return durei_error(EINVAL, "segment %s: ordered map %s has values of %llu bytes, not %llu",
				   t->seg->super.name, map->name.text,
				   (unsigned long long)t->value_bytes,
				   (unsigned long long)plan->value_bytes);
	return 0;
}

int dure_ordered_open(dure_segment *segment, const char *name, uint32_t flags,
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
	r = made = durei_named_open(segment, "ordered map", name, flags, ORDERED_TYPE, format, &plan,
				    &shared);
	if (r >= 0)
		r = bind(map, segment, shared, name);
	if (r >= 0)
		r = check_found(map, &plan);
	if (r < 0) {
		free(map);
		return r;
	}
	*ret = map;
	return made;
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
			 (t->is_multi ? DURE_ORDERED_MULTI : 0),
		.ordering = durei_order_name(&t->order, t->shared),
	};

	return durei_options_write(ret, &o, sizeof o, offsetof(struct dure_ordered_options, ordering));
}

/* -- keys and entries -------------------------------------------------------------------- */

int durei_tree_make_key(const dure_ordered *map, const void *key, size_t key_bytes,
			struct durei_tree_key *ret)
{
	const struct durei_order *order = &map->tree.order;

	if (order->is_number && (!key || key_bytes != WORD_BYTES))
		return durei_error(EINVAL, "ordered map %s: its keys are numbers of 8 bytes, not %zu",
				   map->name.text, key_bytes);
	if (!order->is_number && (!key || key_bytes == 0 || key_bytes > DL_ORDERED_KEY_MAX))
		return durei_error(EINVAL, "ordered map %s: a key has 1 to %d bytes, not %zu",
				   map->name.text, DL_ORDERED_KEY_MAX, key_bytes);
	ret->word = durei_order_word(order, key, key_bytes);
	ret->bytes = key;
	ret->count = order->is_number ? 0 : (uint32_t)key_bytes;
	ret->serial = 0;
	return 0;
}

/* What an entry's block has before the key and its serial number. */
static uint64_t head_bytes(const struct durei_tree *tree)
{
	return sizeof(struct dl_ordered_entry) + align_up(tree->value_bytes, 8);
}

int durei_tree_make_payload(const struct durei_tree *tree, struct durei_lane *lane,
			    const struct durei_tree_key *key, const void *value, uint64_t *ret)
{
	uint64_t key_offset = head_bytes(tree) + durei_tree_serial_bytes(tree);
	int r;

	if (tree->is_inline) {
		*ret = 0;
		if (tree->value_bytes && value)
			memcpy(ret, value, WORD_BYTES);
		return 0;
	}
	r = durei_block_reserve(lane, key_offset + key->count, 16, ret);
	if (r < 0)
		return r;
	struct dl_ordered_entry *entry = durei_at(tree->seg, *ret);
	memset(entry, 0, head_bytes(tree));
	if (tree->value_bytes && value)
		memcpy(entry + 1, value, tree->value_bytes);
	durei_tree_write_key(tree, entry, key_offset, key);
	return 0;
}

static void drop_payload(const struct durei_tree *tree, struct durei_lane *lane, uint64_t payload)
{
	if (!tree->is_inline)
		(void)durei_block_free(lane, payload);
}

/* In the log; a payload that it does not take is dropped. */
static int take_payload(const struct durei_tree *tree, struct durei_lane *lane, uint64_t payload)
{
	int r = tree->is_inline ? 0 : durei_log_take(lane, payload);

	if (r < 0)
		drop_payload(tree, lane, payload);
	return r;
}

/* -- reading ----------------------------------------------------------------------------- */

int durei_tree_copy_value(const struct durei_tree *tree, const struct cell64 *payload, void *to)
{
	uint64_t word = cell64_load_acq(payload);

	if (tree->value_bytes == 0)
		return 0;
	if (tree->is_inline) {
		memcpy(to, &word, WORD_BYTES);
		return 0;
	}
	if (word % 8 || word < tree->seg->super.data_offset ||
	    !durei_bytes_are_backed(tree->seg, word,
				    sizeof(struct dl_ordered_entry) + tree->value_bytes))
		return durei_tree_damaged(tree);
	memcpy(to, (struct dl_ordered_entry *)durei_at(tree->seg, word) + 1, tree->value_bytes);
	return 0;
}

static int copy_found(const struct durei_tree *tree, const struct durei_tree_key *key, void *to)
{
	struct durei_path path;
	bool is_found;
	int r = durei_tree_find_first(tree, key, &path, &is_found);

	if (r < 0)
		return r;
	return is_found ? durei_tree_copy_value(tree, durei_path_payload(&path), to) : -ENOENT;
}

int dure_ordered_get(dure_ordered *map, const void *key, size_t key_bytes, void *ret_value)
{
	struct durei_tree_key k;
	struct durei_look look;
	int r = durei_look_open(&look, map->tree.seg, &map->tree.shared->guard);

	if (r == 0)
		r = durei_tree_make_key(map, key, key_bytes, &k);
	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = copy_found(&map->tree, &k, ret_value);
		if (durei_look_end(&look))
			return r == -ENOENT ? durei_error_plain(ENOENT) : r;
		r = 0;
	}
	return r;
}

uint64_t dure_ordered_count(const dure_ordered *map)
{
	return cell64_load_acq(&map->tree.shared->count);
}

/* -- changing ---------------------------------------------------------------------------- */

/* One change of one key: what every changing call below begins with. */
struct change {
	const struct durei_tree *tree;
	struct durei_tree_key key;
	struct durei_guard guard;
	struct durei_path path;
	bool is_found;
};

static int begin(struct change *c, dure_ordered *map, const void *key, size_t key_bytes)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->tree.seg, &r);

	c->tree = &map->tree;
	if (!lane)
		return r;
	r = durei_tree_make_key(map, key, key_bytes, &c->key);
	if (r == 0)
		r = durei_guard_lock(lane, &map->tree.shared->guard, &c->guard);
	if (r < 0)
		return r;
	r = durei_tree_find_first(c->tree, &c->key, &c->path, &c->is_found);
	if (r < 0)
		durei_guard_unlock(&c->guard);
	return r;
}

static int end(struct change *c, int r)
{
	durei_guard_unlock(&c->guard);
	return r;
}

static uint64_t count_of(const struct change *c)
{
	return cell64_load_rlx(&c->tree->shared->count);
}

/* [ORDEREDC1]: the slot has been filled already. */
static int show_slot(struct change *c, struct dl_node *leaf, uint64_t order, uint64_t payload)
{
	struct durei_lane *lane = c->guard.lane;
	int r = durei_log_begin(lane, true);			/* step 2 */

	if (r < 0) {
		drop_payload(c->tree, lane, payload);
		return r;
	}
	r = take_payload(c->tree, lane, payload);
	if (r == 0)
		r = durei_log_add(lane, DL_LOG_SET, durei_offset(lane->seg, &leaf->order), order);
	if (r == 0)
		r = durei_log_add(lane, DL_LOG_SET,
				  durei_offset(lane->seg, &c->tree->shared->count), count_of(c) + 1);
	return durei_guard_end(&c->guard, r);
}

/* In a transaction the slot may be that of an entry which will be there again if it is undone. */
static int fill_in_tx(struct change *c, struct dl_node *leaf, unsigned slot, uint64_t order,
		      uint64_t payload)
{
	struct durei_lane *lane = c->guard.lane;
	int r = durei_guard_begin(&c->guard);

	if (r < 0) {
		drop_payload(c->tree, lane, payload);
		return r;
	}
	r = take_payload(c->tree, lane, payload);
	if (r == 0)
		r = durei_log_write_word(lane, &leaf->words[slot], c->key.word);
	if (r == 0)
		r = durei_log_write_word(lane, &leaf->payloads[slot], payload);
	if (r == 0)
		r = durei_log_write_word(lane, &leaf->order, order);
	if (r == 0)
		r = durei_log_write_word(lane, &c->tree->shared->count, count_of(c) + 1);
	return durei_guard_end(&c->guard, r);
}

static int add_entry(struct change *c, const void *value)
{
	struct dl_node *leaf = c->path.nodes[c->path.depth - 1];
	uint64_t order = c->path.orders[c->path.depth - 1], payload = 0;
	unsigned slot = dl_order_slot(order, dl_order_count(order));
	int r = durei_tree_make_payload(c->tree, c->guard.lane, &c->key, value, &payload);

	if (r < 0)
		return r;
	order = dl_order_add(order, c->path.at[c->path.depth - 1]);
	if (c->guard.in_tx)
		return fill_in_tx(c, leaf, slot, order, payload);
	cell64_store_rel(&leaf->words[slot], c->key.word);	/* step 1 */
	cell64_store_rel(&leaf->payloads[slot], payload);
	return show_slot(c, leaf, order, payload);
}

static bool leaf_has_room(const struct durei_path *path)
{
	return path->depth && dl_order_count(path->orders[path->depth - 1]) < DL_NODE_SLOTS;
}

/* [ORDEREDC3] The path leads behind all equal keys then. */
static int number_key(struct change *c)
{
	struct cell64 *serial = &c->tree->shared->serial;

	c->key.serial = cell64_load_rlx(serial);
	cell64_store_rel(serial, c->key.serial + 1);
	return durei_tree_find(c->tree, &c->key, DUREI_TREE_TO, &c->path, NULL);
}

static int add(struct change *c, const void *value)
{
	int r = c->tree->is_multi ? number_key(c) : 0;

	if (r == 0 && !leaf_has_room(&c->path)) {
		r = durei_tree_make_room(c->tree, &c->guard, &c->key);
		if (r == 0)
			r = durei_tree_find(c->tree, &c->key, DUREI_TREE_TO, &c->path, NULL);
		if (r == 0 && !leaf_has_room(&c->path))
			r = durei_tree_damaged(c->tree);
	}
	if (r == 0)
		r = add_entry(c, value);
	return r < 0 ? r : DURE_CREATED;
}

/* [ORDEREDC2] */
static int replace(struct change *c, const void *value)
{
	struct durei_lane *lane = c->guard.lane;
	struct cell64 *payload = (struct cell64 *)(uintptr_t)durei_path_payload(&c->path);
	uint64_t old = cell64_load_rlx(payload), new = 0;
	int r = durei_tree_make_payload(c->tree, lane, &c->key, value, &new);

	if (r < 0)
		return r;
	if (c->tree->is_inline && !c->guard.in_tx) {
		cell64_store_rel(payload, new);
		return 0;
	}
	r = durei_guard_begin(&c->guard);
	if (r < 0) {
		drop_payload(c->tree, lane, new);
		return r;
	}
	r = take_payload(c->tree, lane, new);
	if (r == 0)
		r = durei_log_write_word(lane, payload, new);
	if (r == 0 && !c->tree->is_inline)
		r = durei_log_free(lane, old);
	return durei_guard_end(&c->guard, r);
}

int dure_ordered_put(dure_ordered *map, const void *key, size_t key_bytes, const void *value)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.is_found && !c.tree->is_multi ? replace(&c, value) : add(&c, value));
}

int dure_ordered_insert(dure_ordered *map, const void *key, size_t key_bytes, const void *value)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.is_found ? durei_error_plain(EEXIST) : add(&c, value));
}

/* Takes the entry out; a leaf that becomes empty goes. */
static int take_out(struct change *c)
{
	struct durei_lane *lane = c->guard.lane;
	unsigned last = c->path.depth - 1;
	uint64_t order = c->path.orders[last];
	int r = durei_guard_begin(&c->guard);

	if (r < 0)
		return r;
	if (!c->tree->is_inline)
		r = durei_log_free(lane, cell64_load_rlx(durei_path_payload(&c->path)));
	if (r == 0 && dl_order_count(order) == 1)
		r = durei_tree_unlink(c->tree, &c->guard, &c->path);
	else if (r == 0)
		r = durei_log_write_word(lane, &c->path.nodes[last]->order,
					 dl_order_remove(order, c->path.at[last]));
	if (r == 0)
		r = durei_log_write_word(lane, &c->tree->shared->count, count_of(c) - 1);
	return durei_guard_end(&c->guard, r);
}

int dure_ordered_remove(dure_ordered *map, const void *key, size_t key_bytes)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.is_found ? take_out(&c) : durei_error_plain(ENOENT));
}

/* The first entry with the key, if its serial number is below the limit. */
static int remove_before(dure_ordered *map, const void *key, size_t key_bytes, uint64_t limit)
{
	struct durei_tree_key here;
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	if (c.is_found && !durei_path_key(c.tree, &c.path, &here))
		return end(&c, durei_tree_damaged(c.tree));
	return end(&c, c.is_found && here.serial < limit ? take_out(&c) : durei_error_plain(ENOENT));
}

int dure_ordered_remove_all(dure_ordered *map, const void *key, size_t key_bytes,
			    uint64_t *ret_count)
{
	uint64_t limit = cell64_load_acq(&map->tree.shared->serial), count = 0;
	int r;

	while ((r = remove_before(map, key, key_bytes, limit)) == 0)
		count++;
	if (r != -ENOENT || count == 0)
		return r;
	if (ret_count)
		*ret_count = count;
	return 0;
}

/* -- the end of a map -------------------------------------------------------------------- */

/* Under the guard: the lowest leaf with all its entries. */
static int free_leaf(struct change *c)
{
	unsigned last = c->path.depth - 1;
	uint64_t order = c->path.orders[last];
	unsigned n = dl_order_count(order);
	int r = durei_guard_begin(&c->guard);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < n && !c->tree->is_inline; i++)
		r = durei_log_free(c->guard.lane,
				   cell64_load_rlx(&c->path.nodes[last]->payloads[dl_order_slot(order, i)]));
	if (r == 0)
		r = durei_tree_unlink(c->tree, &c->guard, &c->path);
	if (r == 0)
		r = durei_log_write_word(c->guard.lane, &c->tree->shared->count, count_of(c) - n);
	return durei_guard_end(&c->guard, r);
}

/* Step 1. 1: there may be more */
static int free_some(const struct durei_tree *tree, struct durei_lane *lane)
{
	struct change c = { .tree = tree };
	int r = durei_guard_lock(lane, &tree->shared->guard, &c.guard);

	if (r < 0)
		return r;
	r = durei_tree_find(tree, NULL, DUREI_TREE_LOWEST, &c.path, NULL);
	if (r == 0 && c.path.depth) {
		r = free_leaf(&c);
		r = r < 0 ? r : 1;
	}
	durei_guard_unlock(&c.guard);
	return r;
}

static int free_all(const struct durei_tree *tree, struct durei_lane *lane)
{
	int r;

	do
		r = free_some(tree, lane);
	while (r == 1);
	return r;
}

int dure_ordered_clear(dure_ordered *map)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->tree.seg, &r);

	return lane ? free_all(&map->tree, lane) : r;
}

static int free_before_destroy(const struct durei_tree *tree)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(tree->seg, &r);

	if (!lane)
		return r;
	if (durei_log_is_open(lane))
		return durei_error(EDEADLK, "an ordered map cannot be destroyed inside a transaction");
	return free_all(tree, lane);
}

int dure_ordered_destroy(dure_segment *segment, const char *name)
{
	void *shared = NULL;
	dure_ordered map = { 0 };
	int r = durei_named_open(segment, "ordered map", name, DURE_OPEN, ORDERED_TYPE, NULL, NULL,
				 &shared);

	if (r == 0)
		r = bind(&map, segment, shared, name);
	if (r == 0)
		r = free_before_destroy(&map.tree);
	return r < 0 ? r : durei_named_destroy(segment, "ordered map", name, ORDERED_TYPE, NULL);
}
