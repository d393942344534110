/* SPDX-License-Identifier: MIT */
/*
 * visit.c - all entries of an index, one partition after the other
 *
 * Why      A visitor reads an entry at length, while others may replace it and free its block.
 * How      With a lane, a partition's lock is held while its entries are visited. Who cannot
 *          write has no lane, and nobody who only reads waits for a lock: then the visitor gets
 *          copies, each taken while the version of the partition stood still. When the table grows meanwhile, the copies are dropped and
 *          the partition is begun anew, so that no entry is seen twice or missed for that.
 * Rules    layout/index.h [INDEX3]: what is unlinked bumps the version before it is freed
 * Death    nothing shared is written but the lock: tx/log.c.
 */
#include <stdlib.h>
#include <string.h>

#include "heap/heap.h"
#include "index/index.h"
#include "segment/backing.h"

enum {
	COPY_RETRIES_MAX = 10000,	/* of one entry that is changed all the time */
	RESTARTS_MAX = 64,		/* a table grows once for each doubling */
};

static struct cell64 *slot_at(const struct durei_table *table, uint64_t number)
{
	return &table->buckets[number / DL_BUCKET_SLOTS].slots[number % DL_BUCKET_SLOTS];
}

static uint64_t slot_count(const struct durei_table *table)
{
	return (table->mask + 1) * DL_BUCKET_SLOTS;
}

static int damaged(const struct durei_index *index)
{
	return durei_error(EUCLEAN, "segment %s: an index table is damaged: run dure check",
			   index->seg->super.name);
}

static struct dl_entry *visible_entry(const struct durei_index *index,
				      const struct durei_lane *lane, uint64_t slot)
{
	struct dl_entry *entry = slot ? durei_index_entry(index, slot, sizeof *entry) : NULL;

	return entry && durei_index_is_visible(index, lane, entry) ? entry : NULL;
}

/* Bytes of the block that it is; 0: it is none, which is damage. */
static uint64_t block_bytes(const struct durei_index *index, const struct dl_entry *entry)
{
	struct durei_block block;

	return durei_block_at(index->seg, durei_offset(index->seg, entry), &block) ? block.bytes : 0;
}

/* -- under the lock ---------------------------------------------------------------------- */

int durei_index_visit_locked(const struct durei_index *index, const struct durei_index_guard *guard,
			     durei_index_visitor *visit, void *context)
{
	uint64_t word = cell64_load_acq(&guard->partition->table);
	struct durei_table table;
	int r = 0;

	if (!word)
		return 0;
	if (!durei_index_table(index, word, &table))
		return damaged(index);
	for (uint64_t i = 0; r == 0 && i < slot_count(&table); i++) {
		struct dl_entry *entry =
			visible_entry(index, guard->lane, cell64_load_acq(slot_at(&table, i)));
		if (entry)
			r = visit(index->seg, entry, entry, block_bytes(index, entry), context);
	}
	return r;
}

/* -- without ----------------------------------------------------------------------------- */

struct copy {
	struct copy *next;
	struct dl_entry *entry;			/* where it is in the segment */
	uint64_t count;				/* of bytes */
	_Alignas(16) unsigned char bytes[];	/* its block's */
};

static void free_copies(struct copy *copies)
{
	while (copies) {
		struct copy *next = copies->next;
		free(copies);
		copies = next;
	}
}

/* NULL with *ret_error 0: what the slot leads to is no block, now. */
static struct copy *copy_block(const struct durei_index *index, struct dl_entry *entry,
			       int *ret_error)
{
	uint64_t offset = durei_offset(index->seg, entry);
	struct durei_block block;

	if (!durei_block_at(index->seg, offset, &block) || block.bytes < sizeof *entry ||
	    !durei_bytes_are_backed(index->seg, offset, block.bytes))
		return NULL;
	struct copy *copy = malloc(sizeof *copy + block.bytes);
	if (!copy) {
		*ret_error = durei_error_plain(ENOMEM);
		return NULL;
	}
	copy->entry = entry;
	copy->count = block.bytes;
	memcpy(copy->bytes, entry, block.bytes);
	return copy;
}

/* One slot's entry, as it was at some moment. 0, with *ret NULL when there is none. */
static int copy_slot(const struct durei_index *index, const struct durei_lane *lane,
		     const struct dl_partition *partition, const struct cell64 *slot,
		     struct copy **ret)
{
	for (int tries = 0; tries < COPY_RETRIES_MAX; tries++) {
		uint64_t version = cell64_load_acq(&partition->version);
		struct dl_entry *entry = visible_entry(index, lane, cell64_load_acq(slot));
		int r = 0;

		*ret = entry ? copy_block(index, entry, &r) : NULL;
		fence_acquire();	/* what was read above, before the version again */
		if (r < 0 || cell64_load_acq(&partition->version) == version)
			return r;
		free(*ret);
	}
	return durei_error_plain(EAGAIN);
}

/*
 * 0; 1: the table has been replaced, begin anew. Entries are blocks of their own, so all copies
 * together are not much larger than the segment; in a damaged one all slots may name one block.
 */
static int copy_table(const struct durei_index *index, const struct durei_lane *lane,
		      const struct dl_partition *partition, struct copy **copies)
{
	uint64_t word = cell64_load_acq(&partition->table);
	uint64_t left = 2 * index->seg->backing->backed_bytes(index->seg);
	struct durei_table table;
	struct copy *copy;
	int r = 0;

	if (!word)
		return 0;
	if (!durei_index_table(index, word, &table))
		return cell64_load_acq(&partition->table) == word ? damaged(index) : 1;
	for (uint64_t i = 0; r == 0 && i < slot_count(&table); i++) {
		r = copy_slot(index, lane, partition, slot_at(&table, i), &copy);
		if (r == 0 && cell64_load_acq(&partition->table) != word)
			r = 1;
		if (r == 0 && copy && copy->count > left) {
			free(copy);
			return damaged(index);
		}
		if (r == 0 && copy) {
			left -= copy->count;
			copy->next = *copies;
			*copies = copy;
			copy = NULL;
		}
		if (r == 1)
			free(copy);
	}
	return r;
}

static int visit_copies(const struct durei_index *index, const struct durei_lane *lane,
			const struct dl_partition *partition, durei_index_visitor *visit,
			void *context)
{
	struct copy *copies = NULL;
	int r = 1;

	for (int starts = 0; r == 1 && starts < RESTARTS_MAX; starts++) {
		free_copies(copies);
		copies = NULL;
		r = copy_table(index, lane, partition, &copies);
	}
	if (r == 1)
		r = durei_error_plain(EAGAIN);
	for (struct copy *copy = copies; r == 0 && copy; copy = copy->next)
		r = visit(index->seg, copy->entry, (const struct dl_entry *)(void *)copy->bytes,
			  copy->count, context);
	free_copies(copies);
	return r;
}

/* -- all of them ------------------------------------------------------------------------- */

int durei_index_visit_part(const struct durei_index *index, struct durei_lane *lane, uint64_t part,
			   durei_index_visitor *visit, void *context)
{
	uint64_t hash = index->partition_bits ? part << (64 - index->partition_bits) : 0;
	const struct dl_partition *partition = durei_index_partition(index, hash);
	struct durei_index_guard guard = { 0 };

	int r = lane ? durei_index_lock(index, lane, hash, 0, &guard) : -EAGAIN;
	if (r == -EAGAIN)
		return visit_copies(index, lane, partition, visit, context);
	if (r < 0)
		return r;
	r = durei_index_visit_locked(index, &guard, visit, context);
	durei_index_unlock(&guard);
	return r;
}

/* Tables are blocks of their own: together they fit the segment. Else some overlap. */
static int check_tables(const struct durei_index *index)
{
	const struct dl_partition *partitions = (const void *)(index->shared + 1);
	uint64_t left = index->seg->mapped_bytes / sizeof(struct dl_bucket);
	struct durei_table table;

	for (uint64_t i = 0; i < UINT64_C(1) << index->partition_bits; i++) {
		if (!durei_index_table(index, cell64_load_acq(&partitions[i].table), &table))
			continue;
		if (table.mask >= left)
			return durei_error(EUCLEAN, "segment %s: tables of an index overlap: run dure "
					   "check", index->seg->super.name);
		left -= table.mask + 1;
	}
	return 0;
}

int durei_index_visit(const struct durei_index *index, struct durei_lane *lane,
		      durei_index_visitor *visit, void *context)
{
	int r = check_tables(index);

	for (uint64_t part = 0; r == 0 && part < UINT64_C(1) << index->partition_bits; part++)
		r = durei_index_visit_part(index, lane, part, visit, context);
	return r;
}
