/* SPDX-License-Identifier: MIT */
/*
 * build.c - many entries of an ordered map at once: from sorted ones, from another map
 *
 * Why      Entries that come sorted need no way down: leaves are filled one after the other, and
 *          the nodes above them as they fill. And nobody sees any of it before all is there.
 * How      The whole tree is made of reserved blocks, which vanish with their process. Then one
 *          log takes them all, and leads the map to them.
 * Rules    [BUILD1] what is linked is a tree as ordered_change.c would make it: layout/ordered.h. Nodes
 *                   are not filled up, so that what is put afterwards does not part every one
 *          [BUILD2] a separator belongs to the slot it parts from the one before; of a new node
 *                   above it goes further up ([TREE2])
 * Death    before the log: reserved blocks, their process' (heap). Then tx/log.c.
 *          merge: after each entry    a map with some entries more     whoever merges again
 */
#include <dure/ordered.h>

#include <stdlib.h>
#include <string.h>

#include "container/tree.h"
#include "heap/heap.h"

enum { FILL = 13, BLOCKS_FIRST = 256 };

struct builder {
	const dure_ordered *map;
	struct durei_lane *lane;
	struct dl_node *open[DL_ORDERED_LEVELS_MAX];	/* the last node of each level */
	struct durei_tree_key last;	/* its bytes lie in its block */
	uint64_t entries;
	uint64_t *blocks;		/* all that have been reserved */
	size_t count, room;
};

/* -- reserved blocks --------------------------------------------------------------------- */

/* First, so that no block is forgotten. */
static int make_room(struct builder *b)
{
	size_t room = b->room ? b->room * 2 : BLOCKS_FIRST;
	uint64_t *more;

	if (b->count + 2 <= b->room)
		return 0;
	more = realloc(b->blocks, room * sizeof *more);
	if (!more)
		return durei_error_plain(ENOMEM);
	b->blocks = more;
	b->room = room;
	return 0;
}

static int new_node(struct builder *b, unsigned level, struct dl_node **ret)
{
	int r = level < DL_ORDERED_LEVELS_MAX ? make_room(b) : durei_error_plain(ENOSPC);

	if (r == 0)
		r = durei_tree_reserve_node(&b->map->tree, b->lane, level, ret);
	if (r == 0)
		b->blocks[b->count++] = durei_offset(b->map->tree.seg, *ret);
	return r;
}

static int new_separator(struct builder *b, const struct durei_tree_key *key, uint64_t *ret)
{
	int r = make_room(b);

	if (r == 0)
		r = durei_tree_make_separator(&b->map->tree, b->lane, key, ret);
	if (r == 0)
		b->blocks[b->count++] = *ret;
	return r;
}

/* Those from number `from` on. */
static void give_back(struct builder *b, size_t from)
{
	for (size_t i = from; i < b->count; i++)
		(void)durei_block_free(b->lane, b->blocks[i]);
	free(b->blocks);
}

/* -- nodes, still private ---------------------------------------------------------------- */

static bool has_room(const struct dl_node *node)
{
	return dl_order_count(node->order.raw) < FILL;
}

/* Slots are used in their order: the order word only counts. */
static unsigned append(struct dl_node *node, uint64_t word, uint64_t payload)
{
	unsigned slot = dl_order_count(node->order.raw);

	node->words[slot].raw = word;
	node->payloads[slot].raw = payload;
	node->order.raw++;
	return slot;
}

static void append_child(struct builder *b, struct dl_node *node, struct dl_node *child,
			 uint64_t word, uint64_t separator)
{
	unsigned slot = append(node, word, durei_offset(b->map->tree.seg, child));

	((struct dl_inner *)node)->separators[slot].raw = separator;
}

/* The node `next` comes behind `before`, which has been the last one of its level. */
static int link_behind(struct builder *b, struct dl_node *before, struct dl_node *next,
		       const struct durei_tree_key *key)
{
	uint64_t separator = 0;
	int r = b->map->tree.is_exact ? 0 : new_separator(b, key, &separator);

	for (unsigned level = next->level + 1; r == 0; level++) {
		struct dl_node *parent = level < DL_ORDERED_LEVELS_MAX ? b->open[level] : NULL, *new;
		if (parent && has_room(parent)) {
			append_child(b, parent, next, key->word, separator);
			return 0;
		}
		r = new_node(b, level, &new);
		if (r < 0)
			return r;
		b->open[level] = new;
		if (!parent) {
			append_child(b, new, before, 0, 0);
			append_child(b, new, next, key->word, separator);
			return 0;
		}
		append_child(b, new, next, key->word, 0);		/* [BUILD2] */
		before = parent;
		next = new;
	}
	return r;
}

/* -- entries ----------------------------------------------------------------------------- */

static int check_order(const struct builder *b, const struct durei_tree_key *key)
{
	int r = b->entries ? durei_tree_compare(&b->map->tree, key, &b->last) : 1;

	if (r > 0)
		return 0;
	return durei_error(EINVAL, "ordered map %s: of what it is to be built from, key number %llu is "
			   "not above the one before", b->map->name.text,
			   (unsigned long long)b->entries + 1);
}

static int new_payload(struct builder *b, struct durei_tree_key *key, const void *value,
		       uint64_t *ret)
{
	const struct durei_tree *tree = &b->map->tree;
	int r = make_room(b);

	if (r == 0)
		r = durei_tree_make_payload(tree, b->lane, key, value, ret);
	if (r < 0 || tree->is_inline)
		return r;
	b->blocks[b->count++] = *ret;
	return durei_tree_key_of(tree, *ret, key) ? 0 : durei_tree_damaged(tree);
}

static int add(struct builder *b, const void *bytes, size_t count, const void *value)
{
	struct durei_tree_key key;
	struct dl_node *leaf = b->open[0], *before = leaf;
	uint64_t payload;
	int r = durei_tree_make_key(b->map, bytes, count, &key);

	if (r == 0 && b->map->tree.is_multi)
		key.serial = b->entries + 1;
	if (r == 0)
		r = check_order(b, &key);
	if (r == 0)
		r = new_payload(b, &key, value, &payload);
	if (r == 0 && (!leaf || !has_room(leaf))) {
		r = new_node(b, 0, &leaf);
		if (r == 0 && before)
			r = link_behind(b, before, leaf, &key);
	}
	if (r < 0)
		return r;
	b->open[0] = leaf;
	append(leaf, key.word, payload);
	b->last = key;
	b->entries++;
	return 0;
}

/* -- linking ----------------------------------------------------------------------------- */

static int check_empty(const dure_ordered *map)
{
	uint64_t count = cell64_load_acq(&map->tree.shared->count);

	if (count == 0)
		return 0;
	return durei_error(EEXIST, "ordered map %s has %llu entries, and only an empty one is built: clear "
			   "it, or merge", map->name.text, (unsigned long long)count);
}

/* In the log. *ret_taken: blocks that are its affair now. */
static int take_all(struct builder *b, struct durei_guard *guard, size_t *ret_taken)
{
	struct dl_ordered *shared = b->map->tree.shared;
	uint64_t old = cell64_load_rlx(&shared->root);		/* a leaf without entries, or 0 */
	unsigned top = 0;
	int r = 0;

	while (top + 1 < DL_ORDERED_LEVELS_MAX && b->open[top + 1])
		top++;
	for (*ret_taken = 0; *ret_taken < b->count; ++*ret_taken) {
		r = durei_log_take(guard->lane, b->blocks[*ret_taken]);
		if (r < 0)
			return r;
	}
	if (old)
		r = durei_log_free(guard->lane, old);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &shared->root,
					 durei_offset(guard->lane->seg, b->open[top]));
	if (r == 0)
		r = durei_log_write_word(guard->lane, &shared->count, b->entries);
	return r;
}

/* [ORDEREDC3] No entry is there, and no number above these has been given to one that will be. */
static void use_up_serials(struct builder *b)
{
	struct cell64 *serial = &b->map->tree.shared->serial;

	if (b->map->tree.is_multi && cell64_load_rlx(serial) <= b->entries)
		cell64_store_rel(serial, b->entries + 1);
}

static int link_all(struct builder *b, size_t *ret_taken)
{
	struct durei_guard guard;
	int r = durei_guard_lock(b->lane, &b->map->tree.shared->guard, &guard);

	if (r < 0)
		return r;
	r = check_empty(b->map);
	if (r == 0)
		use_up_serials(b);
	if (r == 0)
		r = durei_guard_begin(&guard);
	if (r == 0)
		r = durei_guard_end(&guard, take_all(b, &guard, ret_taken));
	durei_guard_unlock(&guard);
	return r;
}

static int begin(struct builder *b, const dure_ordered *map)
{
	int r = 0;

	*b = (struct builder){ .map = map, .lane = durei_lane_get(map->tree.seg, &r) };
	return b->lane ? check_empty(map) : r;
}

/* r: how it went till here */
static int end(struct builder *b, int r)
{
	size_t taken = 0;

	if (r == 0 && b->entries)
		r = link_all(b, &taken);
	give_back(b, r < 0 ? taken : b->count);
	return r;
}

/* -- from where -------------------------------------------------------------------------- */

int dure_ordered_build(dure_ordered *map, dure_ordered_source next, void *context)
{
	const void *key, *value = NULL;
	size_t key_bytes;
	struct builder b;
	int r = begin(&b, map);

	if (r < 0)
		return r;
	while (r == 0 && (r = next(&key, &key_bytes, &value, context)) > 0)
		r = add(&b, key, key_bytes, value);
	return end(&b, r);
}

static int check_alike(const dure_ordered *map, const dure_ordered *from)
{
	const struct durei_tree *a = &map->tree, *b = &from->tree;

	if (a->shared == b->shared)
		return durei_error(EINVAL, "ordered map %s cannot be copied into itself", map->name.text);
	if (a->owns || b->owns)
		return durei_error(EINVAL, "ordered maps %s and %s: what is owned would have two owners, so "
				   "it is moved", map->name.text, from->name.text);
	if (a->order.is_number == b->order.is_number && a->value_bytes == b->value_bytes)
		return 0;
	return durei_error(EINVAL, "ordered maps %s and %s have other keys, or values of another size",
			   map->name.text, from->name.text);
}

static int add_copy(const void *key, size_t key_bytes, const void *value, void *context)
{
	return add(context, key, key_bytes, value);
}

int dure_ordered_copy(dure_ordered *map, dure_ordered *from)
{
	struct builder b;
	int r = check_alike(map, from);

	if (r == 0)
		r = begin(&b, map);
	if (r < 0)
		return r;
	return end(&b, dure_ordered_visit(from, NULL, add_copy, &b));
}

static int put_copy(const void *key, size_t key_bytes, const void *value, void *context)
{
	int r = dure_ordered_put(context, key, key_bytes, value);

	return r < 0 ? r : 0;
}

int dure_ordered_merge(dure_ordered *map, dure_ordered *from)
{
	int r = check_alike(map, from);

	return r < 0 ? r : dure_ordered_visit(from, NULL, put_copy, map);
}
