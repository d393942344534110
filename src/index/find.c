/* SPDX-License-Identifier: MIT */
/*
 * find.c - finding an entry without a lock
 *
 * Why      Names and map keys are looked up far more often than changed, also by read-only
 *          processes, which can take no lock; and a reader must not wait for a dead writer.
 * How      Read the partition's version, the table, the slots; follow matching tags; compare.
 *          Memory of a segment is never unmapped, so a reader that follows a slot into a block
 *          freed meanwhile reads wrong bytes, never none; an unchanged version afterwards
 *          says that it did not ([INDEX3]). A changed one: look again.
 * Rules    [FIND1] every offset read here is checked to be backed before it is followed
 *          [FIND2] a probe is bounded by the table, a retry by RETRIES_MAX
 * Death    nothing is changed here.
 */
#include <string.h>

#include "base/hash.h"
#include "index/index.h"

enum { RETRIES_MAX = 10000 };

int durei_index_open(dure_segment *seg, uint64_t offset, struct durei_index *ret)
{
	struct dl_index *shared;
	uint32_t bits;

	if (offset % 64 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof *shared))
		goto damaged;
	shared = durei_at(seg, offset);
	bits = shared->partition_bits;
	if (shared->magic != DL_INDEX_MAGIC || bits > DL_INDEX_BITS_MAX ||
	    !durei_bytes_are_backed(seg, offset, dl_index_bytes(bits)))
		goto damaged;
	*ret = (struct durei_index){ .seg = seg, .shared = shared, .seed = shared->seed,
				     .partition_bits = bits };
	return 0;
damaged:
	return durei_error(EUCLEAN, "segment %s: there is no index at +%#llx: run dure check",
			   seg->super.name, (unsigned long long)offset);
}

void durei_index_format(struct dl_index *index, uint32_t partition_bits, uint64_t seed)
{
	memset(index, 0, dl_index_bytes(partition_bits));
	index->magic = DL_INDEX_MAGIC;
	index->partition_bits = partition_bits;
	index->seed = seed;
}

uint64_t durei_index_hash(const struct durei_index *index, uint32_t kind, const void *key,
			  uint32_t key_bytes)
{
	return hash_bytes(index->seed ^ kind, key, key_bytes);
}

bool durei_index_table(const struct durei_index *index, uint64_t word, struct durei_table *ret)
{
	uint64_t bits = word & DL_TABLE_BITS_MASK, offset = word - bits;

	if (offset < index->seg->super.data_offset || bits > DL_TABLE_BITS_MAX ||
	    !durei_bytes_are_backed(index->seg, offset, sizeof(struct dl_bucket) << bits))
		return false;
	ret->buckets = durei_at(index->seg, offset);
	ret->mask = (UINT64_C(1) << bits) - 1;
	ret->offset = offset;
	return true;
}

struct dl_entry *durei_index_entry(const struct durei_index *index, uint64_t slot,
				   uint64_t min_bytes)
{
	uint64_t offset = slot & DL_SLOT_OFFSET_MASK;

	if (__builtin_expect(offset % 8 || offset < index->seg->super.data_offset ||
				     !durei_bytes_are_backed(index->seg, offset, min_bytes), 0))
		return NULL;
	return durei_at(index->seg, offset);
}

unsigned durei_mark_state(const dure_segment *seg, uint64_t mark)
{
	uint64_t id = mark >> DL_MARK_LANE_SHIFT, word;

	if (id == 0 || id >= durei_lane_end(seg))
		return DL_LOG_IDLE;
	word = cell64_load_acq(&durei_lane_at(seg, (unsigned)id)->log_state);
	if ((word >> DL_LOG_SERIAL_SHIFT & DL_MARK_SERIAL_MASK) != (mark & DL_MARK_SERIAL_MASK))
		return DL_LOG_IDLE;
	/* a short log has the serial of the log before it [LINK1] */
	unsigned state = (unsigned)(word & DL_LOG_STATE_MASK);
	return state < DL_LOG_SHOWN ? state : DL_LOG_IDLE;
}

static bool is_under_way(unsigned log_state)
{
	return log_state == DL_LOG_ACTIVE || log_state == DL_LOG_COMMITTED;
}

/* [INDEX5] */
bool durei_index_is_visible(const struct durei_index *index, const struct durei_lane *lane,
			    const struct dl_entry *entry)
{
	uint64_t pending = cell64_load_acq(&entry->pending);
	uint64_t remover = cell64_load_acq(&entry->remover);

	if (__builtin_expect((pending | remover) == 0, 1))
		return true;
	bool mine = lane && pending >> DL_MARK_LANE_SHIFT == lane->id;
	if (pending && !mine && is_under_way(durei_mark_state(index->seg, pending)))
		return false;
	mine = lane && remover >> DL_MARK_LANE_SHIFT == lane->id;
	return !remover || durei_mark_state(index->seg, remover) != (mine ? DL_LOG_ACTIVE
								    : DL_LOG_VISIBLE);
}

static bool is_key(const struct durei_index *index, const struct dl_entry *entry,
		   const struct durei_key *key)
{
	uint64_t at = entry->key_offset;

	if (entry->hash != key->hash || entry->key_bytes != key->bytes || entry->kind != key->kind)
		return false;
	at += durei_offset(index->seg, entry);
	if (!durei_bytes_are_backed(index->seg, at, key->bytes))
		return false;
	return key->bytes == 8 ? memcmp(durei_at(index->seg, at), key->data, 8) == 0
			       : memcmp(durei_at(index->seg, at), key->data, key->bytes) == 0;
}

/* The slots with the tag, a bit each: all at once, which is faster than a branch for each. */
static inline unsigned slots_with_tag(const struct dl_bucket *bucket, uint64_t tag)
{
	unsigned found = 0;

#pragma GCC unroll 7
	for (unsigned i = 0; i < DL_BUCKET_SLOTS; i++)
		found |= (unsigned)(cell64_load_rlx(&bucket->slots[i]) >> DL_SLOT_TAG_SHIFT == tag)
			 << i;
	return found;
}

static inline bool is_marked(const struct dl_entry *entry)
{
	return (cell64_load_acq(&entry->pending) | cell64_load_acq(&entry->remover)) != 0;
}

static inline struct dl_entry *find_in_bucket(const struct durei_index *index,
				       const struct durei_lane *lane,
				       const struct dl_bucket *bucket, const struct durei_key *key,
				       uint64_t min_bytes)
{
	unsigned found = slots_with_tag(bucket, dl_tag(key->hash));

	for (; found; found &= found - 1) {
		uint64_t slot = cell64_load_acq(&bucket->slots[__builtin_ctz(found)]);
		struct dl_entry *entry =
			slot ? durei_index_entry(index, slot, min_bytes) : NULL;
		if (entry && is_key(index, entry, key) &&
		    (__builtin_expect(!is_marked(entry), 1) ||
		     durei_index_is_visible(index, lane, entry)))
			return entry;
	}
	return NULL;
}

static struct dl_entry *find_in_table(const struct durei_index *index,
				      const struct durei_lane *lane,
				      const struct durei_table *table, const struct durei_key *key,
				      uint64_t min_bytes)
{
	uint64_t at = key->hash & table->mask;

	for (uint64_t probes = 0; probes <= table->mask; probes++) {
		const struct dl_bucket *bucket = &table->buckets[at];
		struct dl_entry *entry = find_in_bucket(index, lane, bucket, key, min_bytes);
		if (entry)
			return entry;
		if (!cell64_load_acq(&bucket->was_full))
			return NULL;
		at = (at + 1) & table->mask;
	}
	return NULL;
}

struct dl_entry *durei_index_find(const struct durei_index *index, const struct durei_lane *lane,
				  const struct durei_key *key, uint64_t min_bytes, int *ret_error)
{
	const struct dl_partition *partition = durei_index_partition(index, key->hash);
	struct durei_table table;

	*ret_error = 0;
	for (int tries = 0; tries < RETRIES_MAX; tries++) {
		uint64_t version = cell64_load_acq(&partition->version);
		uint64_t word = cell64_load_acq(&partition->table);
		struct dl_entry *entry = NULL;
		bool ok = word == 0;
		if (word && durei_index_table(index, word, &table)) {
			entry = find_in_table(index, lane, &table, key, min_bytes);
			ok = true;
		}
		fence_acquire();	/* what was read above, before the version again */
		if (cell64_load_acq(&partition->version) != version)
			continue;
		if (!ok)
			*ret_error = durei_error(EUCLEAN, "segment %s: an index table is damaged: run "
						 "dure check", index->seg->super.name);
		return entry;
	}
	*ret_error = durei_error_plain(EAGAIN);
	return NULL;
}

struct dl_entry *durei_index_find_locked(const struct durei_index *index,
					 const struct durei_index_guard *guard,
					 const struct durei_key *key, uint64_t min_bytes,
					 int *ret_error)
{
	uint64_t word = cell64_load_acq(&guard->partition->table);
	struct durei_table table;

	*ret_error = 0;
	if (word == 0)
		return NULL;
	if (durei_index_table(index, word, &table))
		return find_in_table(index, guard->lane, &table, key, min_bytes);
	*ret_error = durei_error(EUCLEAN, "segment %s: an index table is damaged: run dure check",
				 index->seg->super.name);
	return NULL;
}

uint64_t durei_index_count(const struct durei_index *index)
{
	const struct dl_partition *partitions = (const void *)(index->shared + 1);
	uint64_t count = 0;

	for (uint64_t i = 0; i < UINT64_C(1) << index->partition_bits; i++)
		count += cell64_load_acq(&partitions[i].count);
	return count;
}
