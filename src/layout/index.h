/* SPDX-License-Identifier: MIT */
/*
 * index.h - from keys to entries: the table behind named objects and maps
 *
 * Layout   An index is a block: struct dl_index, then its partitions. A partition has a lock
 *          for writers and a table; the table is a block of buckets, a power of two of them,
 *          doubled when it fills, each partition for itself. A bucket is one cache line.
 *
 *		hash	63 ........................... 0
 *			partition |     | tag |   bucket
 *			(top bits)       40-55   (low bits)
 *
 *          A slot is the offset of an entry (48 bits) and 16 bits of its hash. An entry is a
 *          block that begins with struct dl_entry; key and value follow as its maker likes.
 * Rules    [INDEX1] writers hold the partition's lock; readers hold nothing
 *          [INDEX2] an entry never changes its key while a slot names it
 *          [INDEX3] version grows after an entry or a table has been unlinked and before it is
 *                   freed: a reader that finds it unchanged has read no freed memory
 *          [INDEX4] an entry is in its home bucket or in one of those behind it, up to the
 *                   first bucket that never was full
 *          [INDEX5] pending / remover name a log (lane << 48 | serial): while it is ACTIVE the
 *                   entry is not there yet / is still there, for all but its own thread
 */
#ifndef DUREI_LAYOUT_INDEX_H
#define DUREI_LAYOUT_INDEX_H

#include <assert.h>
#include <stddef.h>

#include "layout/lock.h"

enum {
	DL_INDEX_MAGIC = 0x78646e69,	/* "indx" */
	DL_INDEX_BITS_MAX = 10,
	DL_BUCKET_SLOTS = 7,
	DL_TABLE_BITS_MAX = 40,
	DL_TABLE_BITS_MASK = 63,	/* in a table word; tables are aligned to 64 */
	DL_SLOT_TAG_SHIFT = 48,
};

/* pending and remover */
enum { DL_MARK_LANE_SHIFT = 48 };
#define DL_MARK_SERIAL_MASK ((UINT64_C(1) << DL_MARK_LANE_SHIFT) - 1)

#define DL_SLOT_OFFSET_MASK ((UINT64_C(1) << DL_SLOT_TAG_SHIFT) - 1)

struct dl_index {
	uint32_t magic;
	uint32_t partition_bits;
	uint64_t seed;
	uint64_t value_bytes;		/* maps: of each value */
	uint64_t reserved[5];
};

struct dl_partition {
	struct dl_mutex lock;		/* on a line of its own: readers never see it move */
	uint64_t reserved[6];
	struct cell64 version;		/* these three: writers, under the lock */
	struct cell64 table;		/* offset | log2 of the buckets; 0: no table yet */
	struct cell64 count;
	uint64_t reserved2[5];
};

struct dl_bucket {
	struct cell64 slots[DL_BUCKET_SLOTS];
	struct cell64 was_full;		/* 1: entries may stand in the next bucket; stays */
};

struct dl_entry {
	uint64_t hash;
	struct cell64 pending;
	struct cell64 remover;
	uint32_t kind;			/* keys of different kinds are different */
	uint32_t key_bytes;
	uint32_t key_offset;		/* from the entry's start */
	uint32_t reserved;
};

static_assert(sizeof(struct dl_index) == 64, "partitions begin on a line");
static_assert(sizeof(struct dl_partition) == 128, "two lines");
static_assert(offsetof(struct dl_partition, version) == 64, "readers' line");
static_assert(sizeof(struct dl_bucket) == 64, "one line");
static_assert(sizeof(struct dl_entry) == 40, "no padding");

static inline uint64_t dl_index_bytes(uint32_t partition_bits)
{
	return sizeof(struct dl_index) + (sizeof(struct dl_partition) << partition_bits);
}

static inline uint64_t dl_partition_of(uint64_t hash, uint32_t partition_bits)
{
	return partition_bits ? hash >> (64 - partition_bits) : 0;
}

static inline uint16_t dl_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 40);
}

#endif
