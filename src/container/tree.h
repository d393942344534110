/* SPDX-License-Identifier: MIT */
/*
 * tree.h - the tree of an ordered map: finding a way down, making room, taking out
 */
#ifndef DUREI_CONTAINER_TREE_H
#define DUREI_CONTAINER_TREE_H

#include "container/guard.h"
#include "container/named.h"
#include "layout/ordered.h"

/* A tree as this process has checked it. */
struct durei_tree {
	dure_segment *seg;
	struct dl_ordered *shared;
	uint64_t value_bytes;
	bool is_integer;
	bool is_inline;			/* values are payloads */
};

struct dure_ordered {
	struct durei_tree tree;
	struct durei_name name;
};

struct durei_tree_key {
	uint64_t word;
	const unsigned char *bytes;	/* strings */
	uint32_t count;
};

/* A caller's key, checked. 0; -EINVAL */
int durei_tree_make_key(const struct dure_ordered *map, const void *key, size_t key_bytes,
			struct durei_tree_key *ret);

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

/* As memcmp: a string against a key. */
int durei_tree_compare(const unsigned char *bytes, uint32_t count,
		       const struct durei_tree_key *key);

int durei_tree_damaged(const struct durei_tree *tree);

/* A slot's whole key. False: it is damaged. */
bool durei_tree_key_of(const struct durei_tree *tree, uint64_t offset,
		       const unsigned char **ret_bytes, uint32_t *ret_count);

static inline const struct cell64 *durei_path_payload(const struct durei_path *path)
{
	unsigned leaf = path->depth - 1;

	return &path->nodes[leaf]->payloads[dl_order_slot(path->orders[leaf], path->at[leaf])];
}

/* -- under the guard --------------------------------------------------------------------- */

/* Sees to it that the leaf where the key belongs has a free slot. */
int durei_tree_make_room(const struct durei_tree *tree, struct durei_guard *guard,
			 const struct durei_tree_key *key);

/* Between guard begin and end: the leaf at the path's end goes, and what it leaves empty. */
int durei_tree_unlink(const struct durei_tree *tree, struct durei_guard *guard,
		      const struct durei_path *path);

#endif
