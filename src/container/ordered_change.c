/* SPDX-License-Identifier: MIT */
/*
 * ordered_change.c - entries of an ordered map, multimap or set: put, found and taken out
 *
 * Why      Outside transactions the commonest change, a new key where there is room, is to cost two
 *          words in a log, and to disturb no reader.
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
 */
#include <dure/ordered.h>

#include <string.h>

#include "container/tree.h"
#include "heap/heap.h"

enum { WORD_BYTES = 8 };

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

/* Takes the entry out, and its value if that is asked for; a leaf that becomes empty goes. */
static int take_out(struct change *c, void *ret_value)
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
	if (r == 0 && ret_value)	/* nothing can fail any more, and the block is not free yet */
		r = durei_tree_copy_value(c->tree, durei_path_payload(&c->path), ret_value);
	return durei_guard_end(&c->guard, r);
}

int dure_ordered_remove(dure_ordered *map, const void *key, size_t key_bytes)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.is_found ? take_out(&c, NULL) : durei_error_plain(ENOENT));
}

int dure_ordered_take(dure_ordered *map, const void *key, size_t key_bytes, void *ret_value)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.is_found ? take_out(&c, ret_value) : durei_error_plain(ENOENT));
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
	return end(&c, c.is_found && here.serial < limit ? take_out(&c, NULL) : durei_error_plain(ENOENT));
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

/* -- the first entry --------------------------------------------------------------------- */

static int begin_first(struct change *c, dure_ordered *map, struct durei_lane *lane)
{
	int r = durei_guard_lock(lane, &map->tree.shared->guard, &c->guard);

	c->tree = &map->tree;
	if (r < 0)
		return r;
	r = durei_tree_find(c->tree, NULL, DUREI_TREE_LOWEST, &c->path, NULL);
	if (r == 0 && (!c->path.depth || durei_path_is_behind(&c->path)))
		r = durei_error_plain(ENOENT);
	if (r < 0)
		durei_guard_unlock(&c->guard);
	return r;
}

int durei_ordered_see_first(dure_ordered *map, struct durei_lane *lane, dure_ref *ret)
{
	struct change c;
	int r = begin_first(&c, map, lane);

	if (r < 0)
		return r;
	return end(&c, durei_tree_copy_value(c.tree, durei_path_payload(&c.path), ret));
}

int durei_ordered_take_first(dure_ordered *map)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->tree.seg, &r);
	struct change c;

	if (lane)
		r = begin_first(&c, map, lane);
	return r < 0 ? r : end(&c, take_out(&c, NULL));
}
