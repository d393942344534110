/* SPDX-License-Identifier: MIT */
/*
 * change.c - linking and unlinking entries, and growing tables
 *
 * Why      One key's change is one slot; the entry's block, the count and, where something is
 *          unlinked, the version change with it. All of that is one log, and part of the
 *          caller's transaction when there is one.
 * Rules    layout/index.h [INDEX1] to [INDEX5]
 *          [CHANGE1] within a transaction a slot is written in place (and undone); its entry is
 *                    marked `pending`, so that nobody else sees it before the commit, which
 *                    therefore shows all entries of the transaction in one step
 *          [CHANGE2] within a transaction an entry that is removed stays in its slot, marked
 *                    `remover`, until the commit clears the slot
 *          [CHANGE3] was_full is a hint that may only be too often 1: it is set before the slot
 *                    behind it, without a log
 * Death    tx/log.c. The partition's lock is DL_HELD_CLEAN: the log mends what it guards.
 */
#include <string.h>

#include "heap/heap.h"
#include "index/index.h"
#include "tx/change.h"

enum {
	FILL_MAX = 5,		/* of a bucket's 7 slots, on average: then the table doubles */
	FIRST_TABLE_BITS = 0,	/* small indexes are many */
	PROBES_MAX = 4096,	/* buckets; so many full ones in a row are no accident of hashing */
};

int durei_index_lock(const struct durei_index *index, struct durei_lane *lane, uint64_t hash,
		     int64_t timeout_ns, struct durei_index_guard *ret)
{
	struct dl_partition *partition = durei_index_partition(index, hash);

	ret->lane = lane;
	ret->partition = partition;
	return durei_change_lock(lane, &partition->lock, timeout_ns, &ret->in_tx);
}

void durei_index_unlock(struct durei_index_guard *guard)
{
	struct durei_lane *lane = guard->lane;

	if (guard->in_tx)
		return;			/* the transaction's end gives it back */
	durei_word_free(lane, &guard->partition->lock.word,
			durei_held_find(lane, durei_offset(lane->seg, &guard->partition->lock)));
}

/* -- stores that are a log of their own, or part of the open transaction ----------------- */

/* When one of these fails, blocks that the log took have been given back with it. */
static int begin(struct durei_index_guard *guard)
{
	return durei_change_begin(guard->lane, guard->in_tx);
}

static int end(struct durei_index_guard *guard, int r)
{
	return durei_change_end(guard->lane, guard->in_tx, r);
}

static int store(struct durei_index_guard *guard, struct cell64 *cell, uint64_t value)
{
	dure_segment *seg = guard->lane->seg;

	return guard->in_tx
		       ? durei_log_write_word(guard->lane, cell, value)
		       : durei_log_add(guard->lane, DL_LOG_SET, durei_offset(seg, cell), value);
}

static int at_commit(struct durei_index_guard *guard, enum dl_log_kind kind, struct cell64 *cell,
		     uint64_t value)
{
	return durei_log_add(guard->lane, kind, durei_offset(guard->lane->seg, cell), value);
}

/* -- tables ------------------------------------------------------------------------------ */

/* A slot for an entry of this hash; NULL: none in the whole table. [CHANGE3] */
static struct cell64 *free_slot(const struct durei_table *table, uint64_t hash)
{
	uint64_t at = hash & table->mask;

	for (uint64_t probes = 0; probes <= table->mask && probes < PROBES_MAX; probes++) {
		struct dl_bucket *bucket = &table->buckets[at];
		for (unsigned i = 0; i < DL_BUCKET_SLOTS; i++)
			if (cell64_load_rlx(&bucket->slots[i]) == 0)
				return &bucket->slots[i];
		cell64_store_rel(&bucket->was_full, 1);
		at = (at + 1) & table->mask;
	}
	return NULL;
}

static uint64_t slot_for(const struct durei_lane *lane, const struct dl_entry *entry)
{
	return durei_offset(lane->seg, entry) | (uint64_t)dl_tag(entry->hash) << DL_SLOT_TAG_SHIFT;
}

/*
 * A slot that cannot be followed is dropped. What this transaction removes is still there for the
 * others until the commit clears its new slot too. [CHANGE2]
 */
static int move_slots(const struct durei_index *index, struct durei_index_guard *guard,
		      const struct durei_table *from, const struct durei_table *to)
{
	const struct durei_lane *lane = guard->lane;

	for (uint64_t b = 0; from->offset && b <= from->mask; b++)
		for (unsigned i = 0; i < DL_BUCKET_SLOTS; i++) {
			uint64_t slot = cell64_load_rlx(&from->buckets[b].slots[i]);
			const struct dl_entry *entry =
				slot ? durei_index_entry(index, slot, sizeof *entry) : NULL;
			if (!entry)
				continue;
			struct cell64 *free = free_slot(to, entry->hash);
			if (!free)
				return durei_error_plain(EUCLEAN);
			cell64_store_rel(free, slot);
			if (cell64_load_rlx(&entry->remover) &&
			    !durei_index_is_visible(index, lane, entry)) {
				int r = at_commit(guard, DL_LOG_SET, free, 0);
				if (r < 0)
					return r;
			}
		}
	return 0;
}

static int swap_table(struct durei_index_guard *guard, const struct durei_table *old,
		      uint64_t new_word)
{
	struct dl_partition *partition = guard->partition;
	uint64_t offset = new_word & ~(uint64_t)DL_TABLE_BITS_MASK;
	int r = begin(guard);

	if (r < 0)
		return r;
	r = durei_log_take(guard->lane, offset);
	if (r < 0) {			/* no log knows the block yet */
		(void)durei_block_free(guard->lane, offset);
		return end(guard, r);
	}
	r = store(guard, &partition->table, new_word);
	if (r == 0)
		r = at_commit(guard, DL_LOG_BUMP, &partition->version, 0);
	if (r == 0 && old->offset)
		r = durei_log_free(guard->lane, old->offset);
	return end(guard, r);
}

static int grow_table(const struct durei_index *index, struct durei_index_guard *guard,
		      const struct durei_table *old, unsigned bits, struct durei_table *ret)
{
	uint64_t bytes = sizeof(struct dl_bucket) << bits, offset;
	int r = durei_block_reserve(guard->lane, bytes, sizeof(struct dl_bucket), &offset);

	if (r < 0)
		return r;
	*ret = (struct durei_table){ .buckets = durei_at(index->seg, offset),
				     .mask = (UINT64_C(1) << bits) - 1, .offset = offset };
	memset(ret->buckets, 0, bytes);
	r = move_slots(index, guard, old, ret);
	if (r < 0) {
		if (guard->in_tx)	/* the log may know slots of the new table */
			guard->lane->tx.is_doomed = 1;
		(void)durei_block_free(guard->lane, offset);
		return r;
	}
	return swap_table(guard, old, offset | bits);
}

/* The partition's table, with room for one more. */
static int table_with_room(const struct durei_index *index, struct durei_index_guard *guard,
			   struct durei_table *ret)
{
	uint64_t word = cell64_load_rlx(&guard->partition->table);
	uint64_t count = cell64_load_rlx(&guard->partition->count);
	struct durei_table table = { 0 };

	if (word && !durei_index_table(index, word, &table))
		return durei_error(EUCLEAN, "segment %s: an index table is damaged: run dure check",
				   index->seg->super.name);
	if (word && count < (table.mask + 1) * FILL_MAX) {
		*ret = table;
		return 0;
	}
	unsigned bits = word ? log2_floor(table.mask + 1) + 1 : FIRST_TABLE_BITS;
	return grow_table(index, guard, &table, bits, ret);
}

int durei_index_reserve(const struct durei_index *index, struct durei_lane *lane, uint64_t part,
			uint64_t count)
{
	uint64_t hash = index->partition_bits ? part << (64 - index->partition_bits) : 0;
	unsigned bits = FIRST_TABLE_BITS, old_bits;
	struct durei_table table = { 0 }, grown;
	struct durei_index_guard guard;
	uint64_t word;
	int r = durei_index_lock(index, lane, hash, DURE_FOREVER, &guard);

	if (r < 0)
		return r;
	while (bits < DL_TABLE_BITS_MAX && count > (uint64_t)FILL_MAX << bits)
		bits++;
	word = cell64_load_rlx(&guard.partition->table);
	if (word && !durei_index_table(index, word, &table))
		r = durei_error(EUCLEAN, "segment %s: an index table is damaged: run dure check",
				index->seg->super.name);
	old_bits = word ? log2_floor(table.mask + 1) : 0;
	if (r == 0 && (!word || bits > old_bits))
		r = grow_table(index, &guard, &table, bits, &grown);
	durei_index_unlock(&guard);
	return r;
}

/* -- entries ----------------------------------------------------------------------------- */

static int link_entry(struct durei_index_guard *guard, struct cell64 *slot,
		      struct dl_entry *entry)
{
	struct durei_lane *lane = guard->lane;
	struct dl_partition *partition = guard->partition;
	int r = begin(guard);

	if (r < 0)
		return r;
	entry->pending.raw = guard->in_tx ? durei_mark_of(lane) : 0;	/* still private */
	entry->remover.raw = 0;
	r = durei_log_take(lane, durei_offset(lane->seg, entry));
	if (r < 0) {
		(void)durei_block_free(lane, durei_offset(lane->seg, entry));
		return end(guard, r);
	}
	r = store(guard, slot, slot_for(lane, entry));
	if (r == 0)
		r = store(guard, &partition->count, cell64_load_rlx(&partition->count) + 1);
	if (r == 0 && guard->in_tx)
		r = at_commit(guard, DL_LOG_SET, &entry->pending, 0);
	if (r == 0 && guard->in_tx)
		r = at_commit(guard, DL_LOG_BUMP, &partition->version, 0);
	return end(guard, r);
}

int durei_index_insert(const struct durei_index *index, struct durei_index_guard *guard,
		       struct dl_entry *entry)
{
	struct durei_table table = { 0 };
	struct cell64 *slot = NULL;
	int r = table_with_room(index, guard, &table);

	if (r == 0)
		slot = free_slot(&table, entry->hash);
	if (r == 0 && !slot) {		/* what this transaction removes has its slots still */
		struct durei_table old = table;
		r = grow_table(index, guard, &old, log2_floor(old.mask + 1) + 1, &table);
		if (r == 0)
			slot = free_slot(&table, entry->hash);
	}
	if (r == 0 && !slot)
		r = durei_error_plain(EUCLEAN);
	if (r < 0) {
		(void)durei_block_free(guard->lane, durei_offset(index->seg, entry));
		return r;
	}
	return link_entry(guard, slot, entry);
}

static struct cell64 *slot_of(const struct durei_table *table, const struct dl_entry *entry,
			      uint64_t slot)
{
	uint64_t at = entry->hash & table->mask;

	for (uint64_t probes = 0; probes <= table->mask; probes++) {
		struct dl_bucket *bucket = &table->buckets[at];
		for (unsigned i = 0; i < DL_BUCKET_SLOTS; i++)
			if (cell64_load_rlx(&bucket->slots[i]) == slot)
				return &bucket->slots[i];
		if (!cell64_load_rlx(&bucket->was_full))
			return NULL;
		at = (at + 1) & table->mask;
	}
	return NULL;
}

int durei_index_remove(const struct durei_index *index, struct durei_index_guard *guard,
		       struct dl_entry *entry)
{
	struct durei_lane *lane = guard->lane;
	struct dl_partition *partition = guard->partition;
	struct durei_table table;
	struct cell64 *slot = NULL;
	int r;

	if (durei_index_table(index, cell64_load_rlx(&partition->table), &table))
		slot = slot_of(&table, entry, slot_for(lane, entry));
	if (!slot)
		return durei_error(EUCLEAN, "segment %s: an entry has no slot in its index: run dure "
				   "check", index->seg->super.name);
	r = begin(guard);
	if (r < 0)
		return r;
	if (guard->in_tx)						/* [CHANGE2] */
		r = durei_log_write_word(lane, &entry->remover, durei_mark_of(lane));
	if (r == 0)
		r = at_commit(guard, DL_LOG_SET, slot, 0);
	if (r == 0)
		r = store(guard, &partition->count, cell64_load_rlx(&partition->count) - 1);
	if (r == 0)
		r = at_commit(guard, DL_LOG_BUMP, &partition->version, 0);
	if (r == 0)
		r = durei_log_free(lane, durei_offset(lane->seg, entry));
	return end(guard, r);
}

/* Outside a transaction the slot changes hands; inside, a new slot is shown by the commit. */
static int swap_entry(struct durei_index_guard *guard, struct cell64 *slot,
		      struct dl_entry *old, struct dl_entry *entry)
{
	struct durei_lane *lane = guard->lane;
	int r = durei_log_begin(lane, true);

	if (r < 0)
		return r;
	entry->pending.raw = entry->remover.raw = 0;	/* still private */
	r = durei_log_take(lane, durei_offset(lane->seg, entry));
	if (r < 0) {
		(void)durei_block_free(lane, durei_offset(lane->seg, entry));
		return end(guard, r);
	}
	r = store(guard, slot, slot_for(lane, entry));
	if (r == 0)
		r = at_commit(guard, DL_LOG_BUMP, &guard->partition->version, 0);
	if (r == 0)
		r = durei_log_free(lane, durei_offset(lane->seg, old));
	return end(guard, r);
}

int durei_index_replace(const struct durei_index *index, struct durei_index_guard *guard,
			struct dl_entry *old, struct dl_entry *entry)
{
	struct durei_table table = { 0 };
	struct cell64 *slot = NULL;
	int r;

	if (guard->in_tx) {
		r = durei_index_remove(index, guard, old);
		if (r == 0) {
			r = durei_index_insert(index, guard, entry);
			if (r < 0)	/* half a replacement must not be committed */
				guard->lane->tx.is_doomed = 1;
			return r;
		}
	} else {
		if (durei_index_table(index, cell64_load_rlx(&guard->partition->table), &table))
			slot = slot_of(&table, old, slot_for(guard->lane, old));
		r = slot ? 0 : durei_error_plain(EUCLEAN);
		if (r == 0)
			return swap_entry(guard, slot, old, entry);
	}
	(void)durei_block_free(guard->lane, durei_offset(index->seg, entry));
	return r;
}

int durei_index_free(const struct durei_index *index, struct durei_lane *lane)
{
	const struct dl_partition *partitions = (const void *)(index->shared + 1);
	struct durei_table table;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < UINT64_C(1) << index->partition_bits; i++)
		if (durei_index_table(index, cell64_load_rlx(&partitions[i].table), &table))
			r = durei_log_free(lane, table.offset);
	return r < 0 ? r : durei_log_free(lane, durei_offset(index->seg, index->shared));
}
