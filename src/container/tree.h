/* SPDX-License-Identifier: MIT */
/*
 * tree.h - the tree of an ordered map: finding a way down, making room, taking out
 */
#ifndef DUREI_CONTAINER_TREE_H
#define DUREI_CONTAINER_TREE_H

#include "container/guard.h"
#include "container/named.h"
#include "container/ordering.h"
#include "layout/ordered.h"

/* A tree as this process has checked it. */
struct durei_tree {
	dure_segment *seg;
	struct dl_ordered *shared;
	uint64_t value_bytes;
	struct durei_order order;
	bool is_multi;
	bool owns;			/* values own containers */
	bool is_exact;			/* words are whole keys, no two are equal: no keys in blocks */
	bool is_inline;			/* values are payloads, or there are none: no blocks at all */
};

struct dure_ordered {
	struct durei_tree tree;
	struct durei_name name;
};

struct durei_tree_key {
	uint64_t word;
	const unsigned char *bytes;	/* strings */
	uint32_t count;
	uint64_t serial;		/* multimaps: 0 is before all equal keys, UINT64_MAX behind */
};

/* A caller's key, checked. 0; -EINVAL */
int durei_tree_make_key(const struct dure_ordered *map, const void *key, size_t key_bytes,
			struct durei_tree_key *ret);

/* Key and value of an entry, as a leaf's slot leads to them: the value, or a reserved block. */
int durei_tree_make_payload(const struct durei_tree *tree, struct durei_lane *lane,
			    const struct durei_tree_key *key, const void *value, uint64_t *ret);

/* Copies a slot's value; what it leads to is checked. 0; -EUCLEAN */
int durei_tree_copy_value(const struct durei_tree *tree, const struct cell64 *payload, void *to);

/* From the root to a leaf; `at` is the number of the slot in each node. */
struct durei_path {
	unsigned depth;			/* nodes; 0: the tree has none */
	struct dl_node *nodes[DL_ORDERED_LEVELS_MAX];
	uint64_t orders[DL_ORDERED_LEVELS_MAX];		/* as they were seen */
	unsigned at[DL_ORDERED_LEVELS_MAX];
};

enum durei_tree_way {
	DUREI_TREE_TO,			/* to the key, or where it would be */
	DUREI_TREE_BEHIND,		/* to what is above the key */
	DUREI_TREE_LOWEST,
	DUREI_TREE_HIGHEST,		/* `at` of the leaf is behind its last entry */
};

/*
 * The way down. key may be NULL for LOWEST and HIGHEST. In the leaf, `at` is the first entry that
 * is not below (TO), or above (BEHIND) the key; it may be behind the last one.
 * *ret_found (may be NULL): it is the key. 0; -EUCLEAN
 */
int durei_tree_find(const struct durei_tree *tree, const struct durei_tree_key *key,
		    enum durei_tree_way way, struct durei_path *ret, bool *ret_found);

/* The same for the neighbour leaf; 0: there is none; 1; -EUCLEAN */
int durei_tree_next(const struct durei_tree *tree, struct durei_path *path, bool goes_down);

/* Below 0, 0 or above 0. Serial numbers count. */
int durei_tree_compare(const struct durei_tree *tree, const struct durei_tree_key *a,
		       const struct durei_tree_key *b);

int durei_tree_damaged(const struct durei_tree *tree);

/* What the block of a slot has of its key: all but the word. False: it is damaged. */
bool durei_tree_key_of(const struct durei_tree *tree, uint64_t offset,
		       struct durei_tree_key *ret);

/* The key at the path's end, which is no end of a leaf. */
bool durei_path_key(const struct durei_tree *tree, const struct durei_path *path,
		    struct durei_tree_key *ret);

/*
 * The way down to the first entry with a key, whatever its serial number. The path is as that of
 * DUREI_TREE_TO, or leads to the entry in the leaf behind it. 0; -EUCLEAN
 */
int durei_tree_find_first(const struct durei_tree *tree, const struct durei_tree_key *key,
			  struct durei_path *ret, bool *ret_found);

static inline unsigned durei_path_slot(const struct durei_path *path)
{
	return dl_order_slot(path->orders[path->depth - 1], path->at[path->depth - 1]);
}

static inline const struct cell64 *durei_path_payload(const struct durei_path *path)
{
	return &path->nodes[path->depth - 1]->payloads[durei_path_slot(path)];
}

/* There is no entry at the path's end: the leaf's are all before it. */
static inline bool durei_path_is_behind(const struct durei_path *path)
{
	return path->at[path->depth - 1] >= dl_order_count(path->orders[path->depth - 1]);
}

/* A slot's block, with what it has of a key: it begins at key_offset - durei_tree_serial_bytes. */
static inline uint32_t durei_tree_serial_bytes(const struct durei_tree *tree)
{
	return tree->is_multi ? sizeof(uint64_t) : 0;
}

/* Fills a reserved block with a key, from key_offset on. */
void durei_tree_write_key(const struct durei_tree *tree, struct dl_ordered_entry *entry,
			  uint64_t key_offset, const struct durei_tree_key *key);

/* Reserved blocks: an empty node; the key that parts two. 0; -ENOSPC */
int durei_tree_reserve_node(const struct durei_tree *tree, struct durei_lane *lane, unsigned level,
			    struct dl_node **ret);
int durei_tree_make_separator(const struct durei_tree *tree, struct durei_lane *lane,
			      const struct durei_tree_key *key, uint64_t *ret_offset);

/* ordered_change.c, for the end of a map whose values are refs: the first value; -ENOENT. And
   taking that entry out. */
int durei_ordered_see_first(struct dure_ordered *map, struct durei_lane *lane, dure_ref *ret);
int durei_ordered_take_first(struct dure_ordered *map);

/* -- under the guard --------------------------------------------------------------------- */

/* Sees to it that the leaf where the key belongs has a free slot. */
int durei_tree_make_room(const struct durei_tree *tree, struct durei_guard *guard,
			 const struct durei_tree_key *key);

/* Between guard begin and end: the leaf at the path's end goes, and what it leaves empty. */
int durei_tree_unlink(const struct durei_tree *tree, struct durei_guard *guard,
		      const struct durei_path *path);

#endif
