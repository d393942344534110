/* SPDX-License-Identifier: MIT */
/*
 * check_objects.c - are the object directory, and the maps named in it, right
 *
 * Why      see check.c. An index is walked from its slots, and each entry must be where a
 *          reader would look for it.
 * Death    nothing is changed.
 */
#include <inttypes.h>
#include <string.h>

#include "inspect/check.h"
#include "layout/map.h"
#include "layout/ordered.h"

/* An index under check. */
struct walk {
	struct durei_check *check;
	const struct dl_index *index;
	const struct dl_partition *partition;
	const struct dl_bucket *buckets;
	uint64_t mask;
	uint64_t full_before;		/* buckets in a row that were full, before the one looked at */
	bool is_directory;
	bool owns;			/* values are owners */
};

static bool is_live(unsigned state)
{
	return state == DL_BLOCK_LIVE || state == DL_BLOCK_DOOMED;
}

void durei_check_lock(struct durei_check *check, const struct dl_mutex *lock)
{
	dure_segment *seg = check->seg;
	uint32_t word = cell32_load_acq(&lock->word);
	unsigned owner = dl_lock_lane(word);
	uint64_t at = durei_offset(seg, lock);

	if (!owner)
		return;
	if (durei_status_state(durei_seen_status(seg, owner)) == DL_LANE_FREE) {
		DAMAGED(check, "LOCK2", at, "a lock is held by lane %u, which is free", owner);
		return;
	}
	const struct dl_lane *lane = durei_lane_at(seg, owner);
	uint32_t count = cell32_load_acq(&lane->held_count);
	for (uint32_t i = 0; i < count && i < DL_HELD_MAX; i++)
		if ((cell64_load_acq(&lane->held[i]) & DL_HELD_OFFSET_MASK) == at)
			return;
	DAMAGED(check, "LOCK2", at, "lane %u holds a lock that it does not list", owner);
}

static bool was_full(const struct walk *walk, uint64_t bucket)
{
	return cell64_load_acq(&walk->buckets[bucket & walk->mask].was_full) != 0;
}

/* Before the first bucket: those at the table's end. */
static void count_full_before_first(struct walk *walk)
{
	walk->full_before = 0;
	while (walk->full_before <= walk->mask && was_full(walk, walk->mask - walk->full_before))
		walk->full_before++;
}

/* [INDEX4]: would a reader who starts at the home bucket get here? */
static bool is_reachable(const struct walk *walk, uint64_t hash, uint64_t bucket)
{
	return ((bucket - hash) & walk->mask) <= walk->full_before;
}

static void check_index(struct durei_check *check, uint64_t offset, bool is_directory, bool owns);

/* All containers are aligned alike, so their elements are where this one's are. */
void durei_check_owner(struct durei_check *check, const struct dl_owner *owner)
{
	enum { DATA_OFFSET = 192 };
	uint64_t at = cell64_load_acq(&owner->container);
	struct durei_seen_block block;
	const struct dl_object *object;

	if (at == 0)
		return;
	if (at > DATA_OFFSET && durei_see_block(check->seg, at - DATA_OFFSET, &block) &&
	    block.bytes > DATA_OFFSET && (is_live(block.state) || check->has_open_log)) {
		object = durei_at(check->seg, block.start);
		if (object->entry.kind == DL_OBJECT_ANONYMOUS && object->data_offset == DATA_OFFSET)
			return;
	}
	DAMAGED(check, "OWNER1", durei_offset(check->seg, owner),
		"an owner leads to +%#" PRIx64 ", where no container without a name is", at);
}

static bool owns_values(const struct dl_map *map)
{
	return map->flags & DL_MAP_OWNER && map->value_bytes == sizeof(struct dl_owner);
}

static void check_container(struct durei_check *check, const char *type,
			    const struct dl_object *object)
{
	const void *data = (const char *)object + object->data_offset;
	uint64_t bytes = object->element_bytes;

	if (strncmp(type, "dure_map", DL_TYPE_NAME_BYTES) == 0 && bytes == sizeof(struct dl_map))
		check_index(check, cell64_load_acq(&((const struct dl_map *)data)->index), false,
			    owns_values(data));
	else if (strncmp(type, DL_OWNER_TYPE, DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_owner))
		durei_check_owner(check, data);
	else if (strncmp(type, "dure_vector", DL_TYPE_NAME_BYTES) == 0)
		durei_check_vector(check, data, bytes);
	else if (strncmp(type, "dure_bitmap", DL_TYPE_NAME_BYTES) == 0)
		durei_check_bitmap(check, data, bytes);
	else if (strncmp(type, "dure_deque", DL_TYPE_NAME_BYTES) == 0)
		durei_check_deque(check, data, bytes);
	else if (strncmp(type, "dure_priority", DL_TYPE_NAME_BYTES) == 0)
		durei_check_priority(check, data, bytes);
	else if (strncmp(type, "dure_list", DL_TYPE_NAME_BYTES) == 0)
		durei_check_list(check, data, bytes);
	else if (strncmp(type, "dure_string", DL_TYPE_NAME_BYTES) == 0)
		durei_check_string(check, data, bytes);
	else if (strncmp(type, "dure_queue", DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_queue_place))
		durei_check_queue(check, data, 0);
	else if (strncmp(type, "dure_service", DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_queue_place))
		durei_check_queue(check, data, DL_QUEUE_IS_SERVICE);
	else if (strncmp(type, "dure_board", DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_board_place))
		durei_check_board(check, data);
	else if (strncmp(type, "dure_ordered", DL_TYPE_NAME_BYTES) == 0)
		durei_check_ordered(check, data, bytes);
	else if (strncmp(type, "dure_ring", DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_ring_place))
		durei_check_ring(check, data);
	else if (strncmp(type, "dure_lanes", DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_lanes_place))
		durei_check_ring_lanes(check, data);
	else if (strncmp(type, "dure_topic", DL_TYPE_NAME_BYTES) == 0 &&
		 bytes == sizeof(struct dl_topic_place))
		durei_check_topic(check, data);
}

static void check_object(struct walk *walk, const struct dl_object *object, uint64_t bytes)
{
	struct durei_check *check = walk->check;
	uint64_t at = durei_offset(check->seg, object), data;

	check->sums.objects++;
	if (bytes < sizeof *object || object->entry.kind == 0 ||
	    object->entry.kind >= DL_OBJECT_KIND_END || object->entry.key_offset != sizeof *object) {
		DAMAGED(check, "OBJ1", at, "an object's block is too small, its kind is none, or its "
			"name is not behind it");
		return;
	}
	const struct dl_object_notes *notes =
		(const void *)((const char *)object + dl_object_notes_offset(object->entry.key_bytes));
	if (!mul_fits(object->element_bytes, object->count, &data) || data == 0 ||
	    !is_power_of_two(object->align) || (at + object->data_offset) % object->align ||
	    object->data_offset % 8 ||
	    object->data_offset < dl_object_notes_offset(object->entry.key_bytes) + sizeof *notes ||
	    data > bytes || object->data_offset > bytes - data) {
		DAMAGED(check, "OBJ1", at, "an object's elements do not lie in its block");
		return;
	}
	check_container(check, (const char *)notes->type_name, object);
	if (object->entry.kind == DL_OBJECT_NAMED &&
	    memchr(object + 1, 0, object->entry.key_bytes))
		DAMAGED(check, "OBJ1", at, "an object's name contains a zero byte");
}

static void check_marks(struct walk *walk, const struct dl_entry *entry)
{
	if (!walk->check->has_open_log &&
	    (cell64_load_acq(&entry->pending) || cell64_load_acq(&entry->remover)))
		DAMAGED(walk->check, "INDEX5", durei_offset(walk->check->seg, entry),
			"an entry is marked by a transaction, none is open");
}

/* Whether the slot counts as an entry. */
static bool check_slot(struct walk *walk, uint64_t bucket, uint64_t slot)
{
	struct durei_check *check = walk->check;
	uint64_t offset = slot & DL_SLOT_OFFSET_MASK;
	struct durei_seen_block block;
	const struct dl_entry *entry;

	if (!durei_see_block(check->seg, offset, &block) || block.bytes < sizeof *entry) {
		DAMAGED(check, "INDEX2", offset, "a slot leads to +%#" PRIx64 ", where no entry is",
			offset);
		return false;
	}
	if (!is_live(block.state) && !(block.state == DL_BLOCK_RESERVED && check->has_open_log)) {
		DAMAGED(check, "INDEX3", offset, "a slot leads to a block that is free");
		return false;
	}
	entry = durei_at(check->seg, offset);
	if ((uint16_t)(slot >> DL_SLOT_TAG_SHIFT) != dl_tag(entry->hash) ||
	    dl_partition_of(entry->hash, walk->index->partition_bits) !=
		    (uint64_t)(walk->partition - (const struct dl_partition *)(walk->index + 1)))
		DAMAGED(check, "INDEX2", offset, "an entry's hash does not belong to its slot");
	else if (!is_reachable(walk, entry->hash, bucket))
		DAMAGED(check, "INDEX4", offset, "an entry is where no reader looks for it");
	if (entry->key_offset > block.bytes || entry->key_bytes > block.bytes - entry->key_offset) {
		DAMAGED(check, "INDEX2", offset, "an entry's key does not lie in its block");
		return true;
	}
	check_marks(walk, entry);
	if (walk->is_directory)
		check_object(walk, (const struct dl_object *)entry, block.bytes);
	if (walk->owns && block.bytes >= sizeof(struct dl_map_entry) + sizeof(struct dl_owner))
		durei_check_owner(check, (const void *)((const struct dl_map_entry *)entry + 1));
	return !(cell64_load_acq(&entry->remover) && check->has_open_log);
}

static bool same_key(const struct dl_entry *a, const struct dl_entry *b)
{
	return a->hash == b->hash && a->kind == b->kind && a->key_bytes == b->key_bytes &&
	       memcmp((const char *)a + a->key_offset, (const char *)b + b->key_offset,
		      a->key_bytes) == 0;
}

/* Two entries with one key stand in the same bucket or close behind it. */
static void check_twins(struct walk *walk, uint64_t bucket)
{
	const struct dl_bucket *b = &walk->buckets[bucket];

	if (walk->check->sums.damaged || walk->check->has_open_log)
		return;			/* offsets are not to be trusted, or replacing is under way */
	for (unsigned i = 0; i < DL_BUCKET_SLOTS; i++)
		for (unsigned j = i + 1; j < DL_BUCKET_SLOTS; j++) {
			uint64_t first = cell64_load_acq(&b->slots[i]) & DL_SLOT_OFFSET_MASK;
			uint64_t second = cell64_load_acq(&b->slots[j]) & DL_SLOT_OFFSET_MASK;
			if (first && second &&
			    same_key(durei_at(walk->check->seg, first),
				     durei_at(walk->check->seg, second)))
				DAMAGED(walk->check, "INDEX2", first, "one key has two entries");
		}
}

static void check_partition(struct walk *walk)
{
	struct durei_check *check = walk->check;
	uint64_t word = cell64_load_acq(&walk->partition->table), count = 0;
	uint64_t bits = word & DL_TABLE_BITS_MASK, offset = word - bits;
	struct durei_seen_block block;

	durei_check_lock(check, &walk->partition->lock);
	if (word) {
		if (bits > DL_TABLE_BITS_MAX || !durei_see_block(check->seg, offset, &block) ||
		    !(is_live(block.state) || check->has_open_log) ||
		    block.bytes < sizeof(struct dl_bucket) << bits) {
			DAMAGED(check, "INDEX1", durei_offset(check->seg, walk->partition),
				"a partition's table at +%#" PRIx64 " is no live block", offset);
			return;
		}
		walk->buckets = durei_at(check->seg, offset);
		walk->mask = (UINT64_C(1) << bits) - 1;
		if (walk->mask >= check->buckets_left) {
			DAMAGED(check, "INDEX1", offset, "tables overlap: together they are larger than "
				"the segment");
			return;
		}
		check->buckets_left -= walk->mask + 1;
		count_full_before_first(walk);
		for (uint64_t b = 0; b <= walk->mask; b++) {
			for (unsigned i = 0; i < DL_BUCKET_SLOTS; i++) {
				uint64_t slot = cell64_load_acq(&walk->buckets[b].slots[i]);
				count += slot && check_slot(walk, b, slot);
			}
			check_twins(walk, b);
			walk->full_before = was_full(walk, b) ? walk->full_before + 1 : 0;
		}
	}
	if (count != cell64_load_acq(&walk->partition->count) && !check->has_open_log)
		DAMAGED(check, "INDEX1", durei_offset(check->seg, walk->partition),
			"a partition counts %" PRIu64 " entries and has %" PRIu64,
			cell64_load_acq(&walk->partition->count), count);
}

static void check_index(struct durei_check *check, uint64_t offset, bool is_directory, bool owns)
{
	struct durei_seen_block block;
	const struct dl_index *index;

	if (offset % 64 || !durei_see_block(check->seg, offset, &block) ||
	    !(is_live(block.state) || check->has_open_log) || block.bytes < sizeof *index) {
		DAMAGED(check, "INDEX1", offset, "there is no index at +%#" PRIx64, offset);
		return;
	}
	index = durei_at(check->seg, offset);
	if (index->magic != DL_INDEX_MAGIC || index->partition_bits > DL_INDEX_BITS_MAX ||
	    block.bytes < dl_index_bytes(index->partition_bits)) {
		DAMAGED(check, "INDEX1", offset, "the index at +%#" PRIx64 " is damaged", offset);
		return;
	}
	if (check->partitions_left >> index->partition_bits == 0) {
		DAMAGED(check, "INDEX1", offset, "indexes overlap: together they are larger than the "
			"segment");
		return;
	}
	check->partitions_left -= UINT64_C(1) << index->partition_bits;
	for (uint64_t i = 0; i < UINT64_C(1) << index->partition_bits; i++) {
		struct walk walk = { .check = check, .index = index,
				     .partition = (const struct dl_partition *)(index + 1) + i,
				     .is_directory = is_directory, .owns = owns };
		check_partition(&walk);
	}
}

void durei_check_objects(struct durei_check *check)
{
	check->buckets_left = check->seg->mapped_bytes / sizeof(struct dl_bucket);
	check->partitions_left = check->seg->mapped_bytes / sizeof(struct dl_partition);
	check->nodes_left = check->seg->mapped_bytes / sizeof(struct dl_node);
	check_index(check, cell64_load_acq(&check->seg->state->directory), true, false);
}
