/* SPDX-License-Identifier: MIT */
/*
 * tree.c - the tree of an ordered map
 *
 * Why      Keys in order, found in few steps: at 100,000 entries a way down meets five nodes.
 * How      Room is made on the way down: a full node is parted before it is entered, so that its
 *          parent has a free slot for the new half, and each parting concerns two nodes only. It
 *          changes no entry, and is an operation of its own, or part of the open transaction.
 *          Nodes are not merged; one that has become empty goes, and with it what it leaves empty.
 * Rules    layout/ordered.h
 *          [TREE1] what is read of a node or a key is checked first: readers meet freed memory,
 *                  and find out later (guard.h)
 *          [TREE2] a separator's block belongs to its slot: it goes with it, or moves up when an
 *                  inner node is parted
 * Death    tx/log.c, a transaction of one operation.
 */
#include "container/tree.h"

#include <string.h>

#include "heap/heap.h"

enum { KEPT = 8 };	/* entries of a node that is parted; the other 7 go to the new one */

int durei_tree_damaged(const struct durei_tree *tree)
{
	return durei_error(EUCLEAN, "segment %s: the tree of the ordered map at +%#llx is damaged: run "
			   "dure check", tree->seg->super.name,
			   (unsigned long long)durei_offset(tree->seg, tree->shared));
}

/* -- nodes and keys, checked [TREE1] ----------------------------------------------------- */

/* level: what it must be; DL_ORDERED_LEVELS_MAX: the root, any below. NULL: damaged */
static struct dl_node *node_at(const struct durei_tree *tree, uint64_t offset, unsigned level)
{
	struct dl_node *node;
	unsigned is;

	if (offset % 64 || offset < tree->seg->super.data_offset ||
	    !durei_bytes_are_backed(tree->seg, offset, sizeof *node))
		return NULL;
	node = durei_at(tree->seg, offset);
	is = node->level;
	if (is && !durei_bytes_are_backed(tree->seg, offset, sizeof(struct dl_inner)))
		return NULL;
	return is == level || (level == DL_ORDERED_LEVELS_MAX && is < level) ? node : NULL;
}

static struct cell64 *separator(struct dl_node *node, unsigned slot)
{
	return &((struct dl_inner *)node)->separators[slot];
}

bool durei_tree_key_of(const struct durei_tree *tree, uint64_t offset,
		       struct durei_tree_key *ret)
{
	const struct dl_ordered_entry *entry;
	uint64_t at;

	if (offset % 8 || offset < tree->seg->super.data_offset ||
	    !durei_bytes_are_backed(tree->seg, offset, sizeof *entry))
		return false;
	entry = durei_at(tree->seg, offset);
	ret->count = entry->key_bytes;
	at = offset + entry->key_offset;
	if (ret->count > DL_ORDERED_KEY_MAX || !durei_bytes_are_backed(tree->seg, at, ret->count))
		return false;
	ret->bytes = durei_at(tree->seg, at);
	ret->serial = 0;
	if (tree->is_multi && entry->key_offset >= sizeof *entry + sizeof ret->serial)
		memcpy(&ret->serial, ret->bytes - sizeof ret->serial, sizeof ret->serial);
	return true;
}

void durei_tree_write_key(const struct durei_tree *tree, struct dl_ordered_entry *entry,
			  uint64_t key_offset, const struct durei_tree_key *key)
{
	char *at = (char *)entry + key_offset;

	*entry = (struct dl_ordered_entry){ .key_bytes = key->count,
					    .key_offset = (uint32_t)key_offset };
	if (tree->is_multi)
		memcpy(at - sizeof key->serial, &key->serial, sizeof key->serial);
	if (key->count)
		memcpy(at, key->bytes, key->count);
}

int durei_tree_compare(const struct durei_tree *tree, const struct durei_tree_key *a,
		       const struct durei_tree_key *b)
{
	int r = 0;

	if (a->word != b->word)
		return a->word < b->word ? -1 : 1;
	if (!tree->order.is_number)
		r = durei_order_compare(&tree->order, a->bytes, a->count, b->bytes, b->count);
	return r ? r : (a->serial > b->serial) - (a->serial < b->serial);
}

/* A slot of a key in a block, whose word is the key's: is it below, or not above? */
static bool is_before(const struct durei_tree *tree, struct dl_node *node, unsigned slot,
		      const struct durei_tree_key *key, bool or_equal, bool *ret_equal)
{
	uint64_t offset = cell64_load_acq(node->level ? separator(node, slot)
						      : &node->payloads[slot]);
	struct durei_tree_key here = { .word = key->word };
	int r;

	if (!durei_tree_key_of(tree, offset, &here))
		return false;		/* damaged, or freed meanwhile: the path leads anywhere */
	r = durei_tree_compare(tree, &here, key);
	*ret_equal = r == 0;
	return r < 0 || (or_equal && r == 0);
}

/* How many of the slots from number `from` on are below the key, or not above it. */
static unsigned rank(const struct durei_tree *tree, struct dl_node *node, uint64_t order,
		     unsigned from, const struct durei_tree_key *key, bool or_equal,
		     bool *ret_equal)
{
	unsigned count = dl_order_count(order), n = from, i;

	/* all at once: faster than a branch for each */
	for (i = from; i < count; i++)
		n += cell64_load_rlx(&node->words[dl_order_slot(order, i)]) < key->word;
	for (; n < count; n++) {
		unsigned slot = dl_order_slot(order, n);
		if (cell64_load_rlx(&node->words[slot]) != key->word)
			break;
		*ret_equal = tree->is_exact;
		if (tree->is_exact ? !or_equal
				   : !is_before(tree, node, slot, key, or_equal, ret_equal))
			break;
	}
	return n;
}

/* -- finding ----------------------------------------------------------------------------- */

/* The number of the slot to take. */
static unsigned place_in(const struct durei_tree *tree, struct dl_node *node, uint64_t order,
			 const struct durei_tree_key *key, enum durei_tree_way way, bool *ret_equal)
{
	unsigned count = dl_order_count(order);
	bool ignored;

	if (way == DUREI_TREE_LOWEST)
		return 0;
	if (way == DUREI_TREE_HIGHEST)
		return node->level ? count - 1 : count;
	if (node->level)	/* the last child whose separator is not above the key */
		return rank(tree, node, order, 1, key, true, &ignored) - 1;
	return rank(tree, node, order, 0, key, way == DUREI_TREE_BEHIND, ret_equal);
}

/* From nodes[depth - 1] to a leaf. */
static int go_down(const struct durei_tree *tree, const struct durei_tree_key *key,
		   enum durei_tree_way way, struct durei_path *path, bool *ret_equal)
{
	for (;;) {
		unsigned here = path->depth - 1;
		struct dl_node *node = path->nodes[here];
		uint64_t order = cell64_load_acq(&node->order);
		unsigned level = node->level;
		if (!dl_order_is_sane(order) || (level && !dl_order_count(order)))
			return durei_tree_damaged(tree);
		path->orders[here] = order;
		path->at[here] = place_in(tree, node, order, key, way, ret_equal);
		if (level == 0)
			return 0;
		uint64_t child = cell64_load_acq(
			&node->payloads[dl_order_slot(order, path->at[here])]);
		if (here + 1 >= DL_ORDERED_LEVELS_MAX)
			return durei_tree_damaged(tree);
		path->nodes[here + 1] = node_at(tree, child, level - 1);	/* [ORDERED1] */
		if (!path->nodes[here + 1])
			return durei_tree_damaged(tree);
		path->depth++;
	}
}

int durei_tree_find(const struct durei_tree *tree, const struct durei_tree_key *key,
		    enum durei_tree_way way, struct durei_path *ret, bool *ret_found)
{
	uint64_t root = cell64_load_acq(&tree->shared->root);
	bool is_equal = false;
	int r;

	ret->depth = 0;
	if (ret_found)
		*ret_found = false;
	if (!root)
		return 0;
	ret->nodes[0] = node_at(tree, root, DL_ORDERED_LEVELS_MAX);
	if (!ret->nodes[0])
		return durei_tree_damaged(tree);
	ret->depth = 1;
	r = go_down(tree, key, way, ret, &is_equal);
	if (r == 0 && ret_found)
		*ret_found = is_equal;
	return r;
}

int durei_tree_next(const struct durei_tree *tree, struct durei_path *path, bool goes_down)
{
	unsigned i = path->depth - 1;
	bool ignored;

	while (i-- > 0) {
		unsigned last = dl_order_count(path->orders[i]) - 1;
		if (goes_down ? path->at[i] == 0 : path->at[i] >= last)
			continue;
		path->at[i] += goes_down ? -1u : 1u;
		uint64_t child = cell64_load_acq(
			&path->nodes[i]->payloads[dl_order_slot(path->orders[i], path->at[i])]);
		path->nodes[i + 1] = node_at(tree, child, path->nodes[i]->level - 1);
		if (!path->nodes[i + 1])
			return durei_tree_damaged(tree);
		path->depth = i + 2;
		int r = go_down(tree, NULL, goes_down ? DUREI_TREE_HIGHEST : DUREI_TREE_LOWEST, path,
				&ignored);
		return r < 0 ? r : 1;
	}
	return 0;
}

bool durei_path_key(const struct durei_tree *tree, const struct durei_path *path,
		    struct durei_tree_key *ret)
{
	const struct dl_node *leaf = path->nodes[path->depth - 1];

	*ret = (struct durei_tree_key){ .word = cell64_load_rlx(&leaf->words[durei_path_slot(path)]) };
	return tree->is_exact ||
	       durei_tree_key_of(tree, cell64_load_acq(durei_path_payload(path)), ret);
}

/* Is the key at the path's end this one, but for the serial number? */
static int is_same(const struct durei_tree *tree, const struct durei_path *path,
		   const struct durei_tree_key *key, bool *ret_same)
{
	struct durei_tree_key here;

	if (!durei_path_key(tree, path, &here))
		return durei_tree_damaged(tree);
	here.serial = key->serial;
	*ret_same = durei_tree_compare(tree, &here, key) == 0;
	return 0;
}

int durei_tree_find_first(const struct durei_tree *tree, const struct durei_tree_key *key,
			  struct durei_path *ret, bool *ret_found)
{
	struct durei_path next;
	int r = durei_tree_find(tree, key, DUREI_TREE_TO, ret, ret_found);

	if (r < 0 || !tree->is_multi || !ret->depth)
		return r;
	if (!durei_path_is_behind(ret))
		return is_same(tree, ret, key, ret_found);
	next = *ret;
	r = durei_tree_next(tree, &next, false);
	if (r <= 0 || durei_path_is_behind(&next))
		return r < 0 ? r : 0;
	r = is_same(tree, &next, key, ret_found);
	if (r == 0 && *ret_found)
		*ret = next;
	return r;
}

/* -- making room ------------------------------------------------------------------------- */

static bool is_full(const struct dl_node *node)
{
	return dl_order_count(cell64_load_rlx(&node->order)) == DL_NODE_SLOTS;
}

int durei_tree_reserve_node(const struct durei_tree *tree, struct durei_lane *lane, unsigned level,
			    struct dl_node **ret)
{
	uint64_t bytes = level ? sizeof(struct dl_inner) : sizeof(struct dl_node), offset;
	int r = durei_block_reserve(lane, bytes, 64, &offset);

	if (r < 0)
		return r;
	*ret = durei_at(tree->seg, offset);
	memset(*ret, 0, bytes);
	(*ret)->level = level;
	(*ret)->order.raw = DL_ORDER_EMPTY;	/* still private */
	return 0;
}

/* Takes a block in the log, or gives it back. */
static int take(struct durei_guard *guard, uint64_t offset)
{
	int r = durei_log_take(guard->lane, offset);

	if (r < 0)
		(void)durei_block_free(guard->lane, offset);
	return r;
}

/* Another root: a leaf, or an inner node above the old one. */
static int add_root(const struct durei_tree *tree, struct durei_guard *guard, struct dl_node *old)
{
	struct dl_node *node;
	unsigned level = old ? old->level + 1 : 0;
	int r;

	if (level >= DL_ORDERED_LEVELS_MAX)
		return durei_tree_damaged(tree);
	r = durei_tree_reserve_node(tree, guard->lane, level, &node);
	if (r < 0)
		return r;
	if (old) {
		node->payloads[0].raw = durei_offset(tree->seg, old);
		node->order.raw = dl_order_add(DL_ORDER_EMPTY, 0);
	}
	uint64_t offset = durei_offset(tree->seg, node);
	r = durei_guard_begin(guard);
	if (r < 0) {
		(void)durei_block_free(guard->lane, offset);
		return r;
	}
	r = take(guard, offset);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &tree->shared->root, offset);
	return durei_guard_end(guard, r);
}

/* The upper half of a node, in a new one. [TREE2]: the first separator is the parent's. */
static void fill_half(struct dl_node *half, struct dl_node *from)
{
	uint64_t order = cell64_load_rlx(&from->order);

	for (unsigned i = 0; i + KEPT < DL_NODE_SLOTS; i++) {
		unsigned slot = dl_order_slot(order, i + KEPT);
		half->words[i].raw = cell64_load_rlx(&from->words[slot]);
		half->payloads[i].raw = cell64_load_rlx(&from->payloads[slot]);
		if (from->level && i > 0)
			separator(half, i)->raw = cell64_load_rlx(separator(from, slot));
	}
	half->order.raw = DL_ORDER_EMPTY + (DL_NODE_SLOTS - KEPT);
}

int durei_tree_make_separator(const struct durei_tree *tree, struct durei_lane *lane,
			      const struct durei_tree_key *key, uint64_t *ret_offset)
{
	uint64_t key_offset = sizeof(struct dl_ordered_entry) + durei_tree_serial_bytes(tree);
	int r = durei_block_reserve(lane, key_offset + key->count, 16, ret_offset);

	if (r == 0)
		durei_tree_write_key(tree, durei_at(tree->seg, *ret_offset), key_offset, key);
	return r;
}

/* A reserved block with a copy of the key of a leaf's slot. */
static int copy_key(const struct durei_tree *tree, struct durei_lane *lane, uint64_t from,
		    uint64_t *ret_offset)
{
	struct durei_tree_key key;

	if (!durei_tree_key_of(tree, from, &key))
		return durei_tree_damaged(tree);
	return durei_tree_make_separator(tree, lane, &key, ret_offset);
}

struct parting {
	struct dl_node *parent, *node, *half;
	unsigned at;			/* number of node in parent */
	uint64_t separator;		/* block; 0: none */
	bool is_new;			/* the separator is a reserved block */
};

/* In the log: half of the node becomes the parent's next child. */
static int link_half(const struct durei_tree *tree, struct durei_guard *guard,
		     const struct parting *p)
{
	struct durei_lane *lane = guard->lane;
	uint64_t order = cell64_load_rlx(&p->parent->order);
	unsigned slot = dl_order_slot(order, dl_order_count(order));
	int r = take(guard, durei_offset(tree->seg, p->half));

	if (p->is_new && r == 0)
		r = take(guard, p->separator);
	else if (p->is_new)
		(void)durei_block_free(lane, p->separator);
	if (r == 0)
		r = durei_log_write_word(lane, &p->node->order,
					 (cell64_load_rlx(&p->node->order) & ~UINT64_C(15)) | KEPT);
	if (r == 0)
		r = durei_log_write_word(lane, &p->parent->words[slot], p->half->words[0].raw);
	if (r == 0)
		r = durei_log_write_word(lane, &p->parent->payloads[slot],
					 durei_offset(tree->seg, p->half));
	if (r == 0)
		r = durei_log_write_word(lane, separator(p->parent, slot), p->separator);
	if (r == 0)
		r = durei_log_write_word(lane, &p->parent->order, dl_order_add(order, p->at + 1));
	return r;
}

static int part(const struct durei_tree *tree, struct durei_guard *guard, struct dl_node *parent,
		unsigned at, struct dl_node *node)
{
	struct parting p = { .parent = parent, .node = node, .at = at };
	unsigned slot = dl_order_slot(cell64_load_rlx(&node->order), KEPT);
	int r = durei_tree_reserve_node(tree, guard->lane, node->level, &p.half);

	if (r < 0)
		return r;
	fill_half(p.half, node);
	if (node->level) {
		p.separator = cell64_load_rlx(separator(node, slot));
	} else if (!tree->is_exact) {
		r = copy_key(tree, guard->lane, cell64_load_rlx(&node->payloads[slot]),
			     &p.separator);
		p.is_new = r == 0;
	}
	if (r == 0) {
		r = durei_guard_begin(guard);
		if (r == 0)
			return durei_guard_end(guard, link_half(tree, guard, &p));
	}
	if (p.is_new)
		(void)durei_block_free(guard->lane, p.separator);
	(void)durei_block_free(guard->lane, durei_offset(tree->seg, p.half));
	return r;
}

/* The lowest of the full nodes above the leaf is parted first. 1: look again; 0: there is room */
static int make_some_room(const struct durei_tree *tree, struct durei_guard *guard,
			  const struct durei_tree_key *key)
{
	struct durei_path path;
	int r = durei_tree_find(tree, key, DUREI_TREE_TO, &path, NULL);
	unsigned i;

	if (r < 0)
		return r;
	i = path.depth;
	if (i && !is_full(path.nodes[i - 1]))
		return 0;
	while (i > 0 && is_full(path.nodes[i - 1]))
		i--;
	r = i ? part(tree, guard, path.nodes[i - 1], path.at[i - 1], path.nodes[i])
	      : add_root(tree, guard, path.depth ? path.nodes[0] : NULL);
	return r < 0 ? r : 1;
}

int durei_tree_make_room(const struct durei_tree *tree, struct durei_guard *guard,
			 const struct durei_tree_key *key)
{
	int r;

	do
		r = make_some_room(tree, guard, key);
	while (r == 1);
	return r;
}

/* -- taking out -------------------------------------------------------------------------- */

/* The blocks of a node's last separator, and of the node. */
static int free_node(const struct durei_tree *tree, struct durei_guard *guard,
		     struct dl_node *node, unsigned slot)
{
	uint64_t block = node->level ? cell64_load_rlx(separator(node, slot)) : 0;
	int r = block ? durei_log_free(guard->lane, block) : 0;

	return r < 0 ? r : durei_log_free(guard->lane, durei_offset(tree->seg, node));
}

int durei_tree_unlink(const struct durei_tree *tree, struct durei_guard *guard,
		      const struct durei_path *path)
{
	unsigned i = path->depth;
	int r = 0;

	while (r == 0 && i-- > 0) {
		struct dl_node *node = path->nodes[i];
		uint64_t order = cell64_load_rlx(&node->order);
		unsigned slot = dl_order_slot(order, path->at[i]);
		if (i + 1 < path->depth && dl_order_count(order) > 1) {
			uint64_t block = cell64_load_rlx(separator(node, slot));
			r = durei_log_write_word(guard->lane, &node->order,
						 dl_order_remove(order, path->at[i]));
			return r == 0 && block ? durei_log_free(guard->lane, block) : r;
		}
		r = free_node(tree, guard, node, slot);
	}
	return r < 0 ? r : durei_log_write_word(guard->lane, &tree->shared->root, 0);
}
