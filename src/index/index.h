/* SPDX-License-Identifier: MIT */
/*
 * index.h - from keys to entries: finding without locks, changing under one
 */
#ifndef DUREI_INDEX_INDEX_H
#define DUREI_INDEX_INDEX_H

#include "layout/index.h"
#include "segment/lane.h"

struct durei_key {
	uint32_t kind;
	uint32_t bytes;
	const void *data;
	uint64_t hash;			/* durei_index_hash */
};

/* An index as this process has checked it; valid while its block is. */
struct durei_index {
	dure_segment *seg;
	struct dl_index *shared;
	uint64_t seed;
	uint32_t partition_bits;
};

/* The block at offset as an index; -EUCLEAN */
int durei_index_open(dure_segment *seg, uint64_t offset, struct durei_index *ret);

/* Writes a new index into a reserved block of dl_index_bytes(partition_bits). */
void durei_index_format(struct dl_index *index, uint32_t partition_bits, uint64_t seed);

uint64_t durei_index_hash(const struct durei_index *index, uint32_t kind, const void *key,
			  uint32_t key_bytes);

/*
 * The entry of a key as this thread may see it, its size at least min_bytes; NULL. lane may be
 * NULL (readers without one). Borrowed: nothing keeps it from being removed.
 * *ret_error: 0, or -EUCLEAN when the index is damaged, -EAGAIN when it never stood still.
 */
struct dl_entry *durei_index_find(const struct durei_index *index, const struct durei_lane *lane,
				  const struct durei_key *key, uint64_t min_bytes, int *ret_error);

/* -- changing ---------------------------------------------------------------------------- */

/* One key's partition, locked for this operation, or to the end of the open transaction. */
struct durei_index_guard {
	struct durei_lane *lane;
	struct dl_partition *partition;
	bool in_tx;
};

int durei_index_lock(const struct durei_index *index, struct durei_lane *lane, uint64_t hash,
		     int64_t timeout_ns, struct durei_index_guard *ret);
void durei_index_unlock(struct durei_index_guard *guard);

/* Under the guard: as durei_index_find. */
struct dl_entry *durei_index_find_locked(const struct durei_index *index,
					 const struct durei_index_guard *guard,
					 const struct durei_key *key, uint64_t min_bytes,
					 int *ret_error);

/*
 * Under the guard: links an entry (a reserved block, filled in but for `pending`) whose key is
 * not there yet, and makes its block live. -ENOSPC: nothing has changed, and the block has been
 * given back.
 */
int durei_index_insert(const struct durei_index *index, struct durei_index_guard *guard,
		       struct dl_entry *entry);
/* Under the guard: unlinks an entry and frees its block. */
int durei_index_remove(const struct durei_index *index, struct durei_index_guard *guard,
		       struct dl_entry *entry);

/* Under the guard: `entry` instead of `old`, which has the same key, in one step. As insert. */
int durei_index_replace(const struct durei_index *index, struct durei_index_guard *guard,
			struct dl_entry *old, struct dl_entry *entry);

/* Entries there are, about: others may be changing them. */
uint64_t durei_index_count(const struct durei_index *index);

/*
 * `entry` is where it is, `content` what to read: the same, or a copy of its block, of `bytes`
 * bytes (0: it lies in none). A visit that returns non-zero ends it.
 */
typedef int durei_index_visitor(dure_segment *seg, struct dl_entry *entry,
				const struct dl_entry *content, uint64_t bytes, void *context);

/*
 * Calls visit for each entry this thread may see: with a lane under each partition's lock in
 * turn, without one, or when the lock is taken, with copies. Returns 0, what visit returned, -EAGAIN (no copy could be
 * had), -ENOMEM, -EUCLEAN
 */
int durei_index_visit(const struct durei_index *index, struct durei_lane *lane,
		      durei_index_visitor *visit, void *context);

/* The same for a partition that is locked. */
int durei_index_visit_locked(const struct durei_index *index, const struct durei_index_guard *guard,
			     durei_index_visitor *visit, void *context);

/* The same for one partition. */
int durei_index_visit_part(const struct durei_index *index, struct durei_lane *lane, uint64_t part,
			   durei_index_visitor *visit, void *context);

/* A partition's table gets room for so many entries, if it has not. */
int durei_index_reserve(const struct durei_index *index, struct durei_lane *lane, uint64_t part,
			uint64_t count);

/* Frees all tables and the index itself, in the open log; it has no entries. */
int durei_index_free(const struct durei_index *index, struct durei_lane *lane);

/* [INDEX5] what this thread's open log writes into the marks of what it changes */
static inline uint64_t durei_mark_of(const struct durei_lane *lane)
{
	return (uint64_t)lane->id << DL_MARK_LANE_SHIFT | (lane->serial & DL_MARK_SERIAL_MASK);
}

/* The state of the log that a mark names; IDLE when it has been closed since. */
unsigned durei_mark_state(const dure_segment *seg, uint64_t mark);

/* for index/ only */
bool durei_index_is_visible(const struct durei_index *index, const struct durei_lane *lane,
			    const struct dl_entry *entry);
struct durei_table {
	struct dl_bucket *buckets;
	uint64_t mask;
	uint64_t offset;		/* 0: no table */
};
bool durei_index_table(const struct durei_index *index, uint64_t word, struct durei_table *ret);
struct dl_entry *durei_index_entry(const struct durei_index *index, uint64_t slot,
				   uint64_t min_bytes);
static inline struct dl_partition *durei_index_partition(const struct durei_index *index,
							 uint64_t hash)
{
	return (struct dl_partition *)(void *)(index->shared + 1) +
	       dl_partition_of(hash, index->partition_bits);
}

#endif
