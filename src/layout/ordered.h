/* SPDX-License-Identifier: MIT */
/*
 * ordered.h - an ordered map as it lies in a segment: a B+ tree
 *
 * Layout   an object of type "dure_ordered" that leads to the root. A node has up to 15 slots; its
 *          order word says which of them count, and in which order:
 *
 *	bits	0-3	how many
 *		4-63	15 slot numbers of 4 bits: those that count, in ascending order of key,
 *			then the free ones
 *
 *          A key's word decides first: that of a number is the number, with bits turned over so
 *          that words are ordered as numbers are; that of a string its first 8 bytes, most
 *          significant first, filled up with zeros (in lower case where case does not count; 0
 *          where the caller compares). Where words of strings are equal the whole keys decide,
 *          which lie in blocks; and among equal keys of a multimap their serial numbers:
 *
 *	leaf	payload: the value, if the key is a number, no other is equal, and the value is one
 *		word or none; else a block, struct dl_ordered_entry, the value (filled up to a
 *		multiple of 8), the serial number (8 bytes, multimaps), the key of a string
 *	inner	payload: the child with the keys from this slot's key on, up to the next one's;
 *		separator: strings and multimaps: a block, struct dl_ordered_entry, serial number
 *		and key as above. The first slot's key does not count: it stands for the lowest
 *		there can be
 *
 * Rules    [ORDERED1] levels grow by one from leaf (0) to root, so no path is a circle
 *          [ORDERED2] an entry keeps its slot while it is in the node: to add one, a free slot is
 *                     filled, and one store of the order word says so
 *          [ORDERED3] only a root that is a leaf may be empty
 *          [ORDERED4] no two entries of a multimap have one serial number; each is below `serial`
 */
#ifndef DUREI_LAYOUT_ORDERED_H
#define DUREI_LAYOUT_ORDERED_H

#include <stdbool.h>

#include "layout/guard.h"

enum {
	DL_NODE_SLOTS = 15,
	DL_ORDERED_LEVELS_MAX = 24,
	DL_ORDERED_INTEGER = 1,			/* flags: keys are numbers of 64 bits */
	DL_ORDERED_MULTI = 2,			/* keys may be equal */
	DL_ORDERED_OWNER = 4,			/* values are struct dl_owner, layout/owner.h */
	DL_ORDERED_VALUE_MAX = 1 << 20,
	DL_ORDERED_KEY_MAX = 65535,
	DL_ORDERED_NAME_BYTES = 64,
};

/* how keys are compared: as bytes, or unsigned numbers (INTEGER), if nothing else is said */
enum dl_ordering {
	DL_ORDERING_NATURAL = 0,
	DL_ORDERING_SIGNED = 1,			/* INTEGER */
	DL_ORDERING_DOUBLE = 2,			/* INTEGER: IEEE 754's total order */
	DL_ORDERING_NOCASE = 3,			/* A to Z are a to z */
	DL_ORDERING_CALLER = 4,			/* ordering_name says how */
	DL_ORDERING_COUNT
};

/* no slot counts, and all are there */
#define DL_ORDER_EMPTY (UINT64_C(0xedcba98765432100))

struct dl_ordered {
	struct dl_guard guard;
	struct cell64 root;		/* offset of a node; 0: none */
	struct cell64 count;		/* of entries */
	uint64_t value_bytes;		/* these: written once, before the name */
	uint32_t flags;
	uint32_t ordering;		/* enum dl_ordering */
	struct cell64 serial;		/* multimaps: of the next entry; under the lock, only grows */
	uint64_t reserved;
	uint8_t ordering_name[DL_ORDERED_NAME_BYTES];	/* ends with a NUL */
};

struct dl_node {
	struct cell64 order;
	uint32_t level;			/* written before the node is linked */
	uint32_t reserved;
	struct cell64 words[DL_NODE_SLOTS];
	struct cell64 payloads[DL_NODE_SLOTS];
};

/* level > 0 */
struct dl_inner {
	struct dl_node node;
	struct cell64 separators[DL_NODE_SLOTS];
	uint64_t reserved;
};

struct dl_ordered_entry {
	uint32_t key_bytes;
	uint32_t key_offset;		/* from the entry's start */
};

static_assert(sizeof(struct dl_ordered) == 192, "no padding");
static_assert(sizeof(struct dl_node) == 256, "four lines");
static_assert(sizeof(struct dl_inner) == 384, "six lines");
static_assert(sizeof(struct dl_ordered_entry) == 8, "no padding");

static inline unsigned dl_order_count(uint64_t order)
{
	return (unsigned)(order & 15);
}

static inline unsigned dl_order_slot(uint64_t order, unsigned at)
{
	return (unsigned)(order >> (4 + 4 * at)) & 15;
}

/* no slot number is 15: there are but 15 slots */
static inline bool dl_order_is_sane(uint64_t order)
{
	uint64_t slots = order >> 4;

	return (slots & slots >> 1 & slots >> 2 & slots >> 3 & UINT64_C(0x0111111111111111)) == 0;
}

/* the bits below slot number `at`, the count among them */
static inline uint64_t dl_order_below(unsigned at)
{
	return at >= DL_NODE_SLOTS ? UINT64_MAX : (UINT64_C(1) << (4 + 4 * at)) - 1;
}

/* The first free slot becomes number `at`. The node is not full. */
static inline uint64_t dl_order_add(uint64_t order, unsigned at)
{
	unsigned count = dl_order_count(order);
	uint64_t slot = dl_order_slot(order, count);
	uint64_t below = order & dl_order_below(at);
	uint64_t moved = order & dl_order_below(count) & ~dl_order_below(at);
	uint64_t above = order & ~dl_order_below(count + 1);

	return (above | moved << 4 | slot << (4 + 4 * at) | below) + 1;
}

/* Slot number `at` becomes the first free one. */
static inline uint64_t dl_order_remove(uint64_t order, unsigned at)
{
	unsigned count = dl_order_count(order);
	uint64_t slot = dl_order_slot(order, at);
	uint64_t below = order & dl_order_below(at);
	uint64_t moved = (order & dl_order_below(count) & ~dl_order_below(at + 1)) >> 4;

	return ((order & ~dl_order_below(count)) | slot << (4 * count) | moved | below) - 1;
}

#endif
