/* SPDX-License-Identifier: MIT */
/*
 * map.c - a hash map or set in a segment
 *
 * Why      The index (src/index) finds and changes entries; here they get values, and a map
 *          gets a name and an end.
 * Layout   layout/map.h
 * Rules    [MAPC1] replacing a value is removing one entry and linking another in one log: a
 *                  reader sees the one or the other
 *          [MAPC2] the value is copied before the partition's version is looked at again
 *          [MAPC3] a value that is taken is copied between its removal, which may fail, and the
 *                  commit: then its block may be somebody else's
 * Death    put, insert, remove, take, add: tx/log.c.
 *          clear, and destroy, after step
 *          1 some entries removed       a map with fewer entries       whoever does it next
 *          2 name, index and rest       gone                           -
 */
#include "container/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/owner.h"
#include "tx/log.h"

enum {
	PARTITIONS_DEFAULT = 64,
	VALUE_BYTES_DEFAULT = 8,
	VALUE_BYTES_MAX = 1 << 20,
	READ_RETRIES_MAX = 10000,
	DESTROY_BATCH = 128,		/* entries freed by one transaction */
};

/* -- opening ----------------------------------------------------------------------------- */

struct plan {
	uint32_t partition_bits;
	uint64_t value_bytes;
	uint64_t flags;			/* DL_MAP_... */
	uint64_t seed;
};

/* The map's constructor: the index appears with the name. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct plan *plan = context;
	struct dl_map *shared = object;
	void *index;
	int r = dure_tx_alloc(tx, dl_index_bytes(plan->partition_bits), 64, &index);

	(void)count;
	if (r < 0)
		return r;
	durei_index_format(index, plan->partition_bits, plan->seed);
	((struct dl_index *)index)->value_bytes = plan->value_bytes;
	shared->value_bytes = plan->value_bytes;
	shared->flags = plan->flags;
	shared->index.raw = dure_ref_of(dure_tx_segment(tx), index).offset;	/* still private */
	return 0;
}

static int make_plan(dure_segment *seg, const struct dure_map_options *options, struct plan *ret)
{
	struct dure_map_options o;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r < 0)
		return r;
	if (!o.partitions)
		o.partitions = PARTITIONS_DEFAULT;
	if (!is_power_of_two(o.partitions) || o.partitions > 1u << DL_INDEX_BITS_MAX)
		return durei_error(EINVAL, "options.partitions %u is no power of two up to %u",
				   o.partitions, 1u << DL_INDEX_BITS_MAX);
	if (o.value_bytes > VALUE_BYTES_MAX && o.value_bytes != DURE_MAP_ANY_VALUE &&
	    o.value_bytes != DURE_MAP_NO_VALUE)
		return durei_error(EINVAL, "options.value_bytes %llu is more than %d",
				   (unsigned long long)o.value_bytes, VALUE_BYTES_MAX);
	ret->partition_bits = log2_floor(o.partitions);
	ret->value_bytes = o.value_bytes == DURE_MAP_NO_VALUE ? 0
			   : o.value_bytes		      ? o.value_bytes
							      : VALUE_BYTES_DEFAULT;
	ret->flags = o.flags & DURE_MAP_OWNER ? DL_MAP_OWNER : 0;
	ret->seed = seg->super.hash_seed;
	if (o.flags & ~(uint32_t)DURE_MAP_OWNER)
		return durei_error(EINVAL, "options.flags %#x are none of DURE_MAP_...", o.flags);
	if (ret->flags && ret->value_bytes != sizeof(struct dl_owner))
		return durei_error(EINVAL, "DURE_MAP_OWNER: values are refs, of %zu bytes",
				   sizeof(struct dl_owner));
	return 0;
}

static int bind(void *handle, dure_segment *seg, void *object, struct durei_where where)
{
	dure_map *map = handle;
	const struct dl_map *shared = object;
	int r = durei_index_open(seg, cell64_load_acq(&shared->index), &map->index);

	map->seg = seg;
	map->value_bytes = shared->value_bytes;
	map->owns = shared->flags & DL_MAP_OWNER && map->value_bytes == sizeof(struct dl_owner);
	durei_name_keep(&map->name, where);
	if (r == 0 && map->value_bytes > VALUE_BYTES_MAX)
		r = durei_error(EUCLEAN, "segment %s: map %s says its values have %llu bytes: run dure "
				"check", seg->super.name, map->name.text,
				(unsigned long long)map->value_bytes);
	return r;
}

static int check_found(const dure_map *map, const struct plan *plan)
{
	if (plan->value_bytes == DURE_MAP_ANY_VALUE)
		return 0;
	if (map->value_bytes != plan->value_bytes)
		return durei_error(EINVAL, "segment %s: map %s has values of %llu bytes, not %llu",
				   map->seg->super.name, map->name.text,
				   (unsigned long long)map->value_bytes,
				   (unsigned long long)plan->value_bytes);
	if (map->owns != ((plan->flags & DL_MAP_OWNER) != 0))
		return durei_error(EINVAL, "segment %s: the values of map %s own %s (DURE_MAP_OWNER)",
				   map->seg->super.name, map->name.text,
				   map->owns ? "containers" : "nothing");
	return 0;
}

static int open_where(dure_segment *segment, struct durei_where where, uint32_t flags,
		      const struct dure_map_options *options, dure_map **ret)
{
	void *shared = NULL;
	struct plan plan;
	dure_map *map;
	int r = durei_handle_check(segment), made;

	if (r == 0)
		r = make_plan(segment, options, &plan);
	if (r == 0 && plan.value_bytes == DURE_MAP_ANY_VALUE && flags & DURE_CREATE)
		r = durei_error(EINVAL, "DURE_MAP_ANY_VALUE finds maps, it makes none: say how many bytes "
				"a value has");
	if (r < 0)
		return r;
	map = calloc(1, sizeof *map);	/* first: once the map is made, nothing may fail */
	if (!map)
		return durei_error_plain(ENOMEM);
	r = made = durei_named_open(segment, "map", where, flags, durei_maps.object, format, &plan,
				    &shared);
	if (r >= 0)
		r = bind(map, segment, shared, where);
	if (r >= 0)
		r = check_found(map, &plan);
	if (r < 0) {
		free(map);
		return r;
	}
	*ret = map;
	return made;
}

int dure_map_open(dure_segment *segment, const char *name, uint32_t flags,
		  const struct dure_map_options *options, dure_map **ret)
{
	return open_where(segment, durei_by_name(name), flags, options, ret);
}

int dure_map_open_at(dure_segment *segment, dure_ref *at, uint32_t flags,
		     const struct dure_map_options *options, dure_map **ret)
{
	return open_where(segment, durei_by_ref(at), flags, options, ret);
}

void dure_map_close(dure_map *map)
{
	free(map);
}

uint64_t dure_map_value_bytes(const dure_map *map)
{
	return map->value_bytes;
}

/* -- keys and values --------------------------------------------------------------------- */

static int make_key(const dure_map *map, const void *key, size_t key_bytes,
		    struct durei_key *ret)
{
	if (!key || key_bytes == 0 || key_bytes > DURE_MAP_KEY_MAX)
		return durei_error(EINVAL, "map %s: a key has 1 to %d bytes, not %zu", map->name.text,
				   DURE_MAP_KEY_MAX, key_bytes);
	*ret = (struct durei_key){ .kind = DL_MAP_ENTRY, .bytes = (uint32_t)key_bytes, .data = key };
	ret->hash = durei_index_hash(&map->index, DL_MAP_ENTRY, key, (uint32_t)key_bytes);
	return 0;
}

/* A reserved block with key and value; value NULL: zeros. */
static int build(const dure_map *map, struct durei_lane *lane, const struct durei_key *key,
		 const void *value, struct dl_entry **ret)
{
	uint64_t key_offset = durei_map_entry_bytes(map), offset;
	int r = durei_block_reserve(lane, key_offset + key->bytes, 16, &offset);

	if (r < 0)
		return r;
	struct dl_entry *entry = durei_at(map->seg, offset);
	*entry = (struct dl_entry){ .hash = key->hash, .kind = key->kind, .key_bytes = key->bytes,
				    .key_offset = (uint32_t)key_offset };
	memset(durei_map_value_of(entry), 0, durei_map_value_room(map));
	if (value && map->value_bytes)
		memcpy(durei_map_value_of(entry), value, map->value_bytes);
	memcpy((char *)entry + key_offset, key->data, key->bytes);
	*ret = entry;
	return 0;
}

/* -- reading ----------------------------------------------------------------------------- */

/* A counter is changed in place, under no version: one load, also in 32-bit programs. */
static inline void copy_value(const dure_map *map, const struct dl_entry *entry, void *to)
{
	uint64_t word;

	if (map->value_bytes == 0)
		return;
	if (map->value_bytes != sizeof word) {
		memcpy(to, durei_map_value_of(entry), map->value_bytes);
		return;
	}
	word = cell64_load_rlx(durei_map_value_of(entry));
	memcpy(to, &word, sizeof word);
}

int dure_map_get(dure_map *map, const void *key, size_t key_bytes, void *ret_value)
{
	struct durei_lane *lane = durei_lane_last;
	const struct dl_partition *partition;
	struct durei_key k;
	int r = lane->seg == map->seg ? 0 : durei_handle_check(map->seg);

	if (r == 0)
		r = make_key(map, key, key_bytes, &k);
	if (r < 0)
		return r;
	if (lane->seg != map->seg)
		lane = durei_lane_peek(map->seg);
	partition = durei_index_partition(&map->index, k.hash);
	for (int tries = 0; tries < READ_RETRIES_MAX; tries++) {
		uint64_t version = cell64_load_acq(&partition->version);
		const struct dl_entry *entry =
			durei_index_find(&map->index, lane, &k, durei_map_entry_bytes(map), &r);
		if (!entry)
			return r < 0 ? r : durei_error_plain(ENOENT);
		copy_value(map, entry, ret_value);
		fence_acquire();	/* [MAPC2] */
		if (cell64_load_acq(&partition->version) == version)
			return 0;
	}
	return durei_error_plain(EAGAIN);
}

/* -- changing ---------------------------------------------------------------------------- */

/* One change of one key: what every changing call below begins with. */
struct change {
	dure_map *map;
	struct durei_lane *lane;
	struct durei_key key;
	struct durei_index_guard guard;
	struct dl_entry *found;
};

static int begin(struct change *c, dure_map *map, const void *key, size_t key_bytes)
{
	int r = 0;

	c->map = map;
	c->lane = durei_lane_get(map->seg, &r);
	if (!c->lane)
		return r;
	r = make_key(map, key, key_bytes, &c->key);
	if (r == 0)
		r = durei_index_lock(&map->index, c->lane, c->key.hash, DURE_FOREVER, &c->guard);
	if (r < 0)
		return r;
	c->found = durei_index_find_locked(&map->index, &c->guard, &c->key, durei_map_entry_bytes(map), &r);
	if (r < 0)
		durei_index_unlock(&c->guard);
	return r;
}

static int end(struct change *c, int r)
{
	durei_index_unlock(&c->guard);
	return r;
}

static int link_new(struct change *c, const void *value)
{
	struct dl_entry *entry;
	int r = build(c->map, c->lane, &c->key, value, &entry);

	if (r < 0)
		return r;
	r = durei_index_insert(&c->map->index, &c->guard, entry);
	return r < 0 ? r : DURE_CREATED;
}

static int replace(struct change *c, const void *value)
{
	struct dl_entry *entry;
	int r = build(c->map, c->lane, &c->key, value, &entry);

	return r < 0 ? r : durei_index_replace(&c->map->index, &c->guard, c->found, entry);
}

int dure_map_put(dure_map *map, const void *key, size_t key_bytes, const void *value)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.found ? replace(&c, value) : link_new(&c, value));
}

int dure_map_insert(dure_map *map, const void *key, size_t key_bytes, const void *value)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.found ? durei_error_plain(EEXIST) : link_new(&c, value));
}

/* [MAP1]: one word, under the lock; in a transaction with its old value remembered. */
static int add_in_place(struct change *c, int64_t delta, int64_t *ret_sum)
{
	struct cell64 *value = durei_map_value_of(c->found);
	int64_t sum = (int64_t)(cell64_load_rlx(value) + (uint64_t)delta);
	int r = 0;

	if (c->guard.in_tx)
		r = durei_log_write_word(c->lane, value, (uint64_t)sum);
	else
		cell64_store_rel(value, (uint64_t)sum);
	if (r == 0 && ret_sum)
		*ret_sum = sum;
	return r;
}

int dure_map_add(dure_map *map, const void *key, size_t key_bytes, int64_t delta,
		 int64_t *ret_sum)
{
	struct change c;
	int r;

	if (map->value_bytes != sizeof(int64_t))
		return durei_error(EINVAL, "map %s: its values of %llu bytes are no counters", map->name.text,
				   (unsigned long long)map->value_bytes);
	r = begin(&c, map, key, key_bytes);
	if (r < 0)
		return r;
	if (c.found)
		return end(&c, add_in_place(&c, delta, ret_sum));
	r = link_new(&c, &delta);
	if (r >= 0 && ret_sum)
		*ret_sum = delta;
	return end(&c, r);
}

int dure_map_remove(dure_map *map, const void *key, size_t key_bytes)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	return end(&c, c.found ? durei_index_remove(&map->index, &c.guard, c.found)
			       : durei_error_plain(ENOENT));
}

/* [MAPC3] */
static int take_in_tx(dure_map *map, const void *key, size_t key_bytes, void *ret_value)
{
	struct change c;
	int r = begin(&c, map, key, key_bytes);

	if (r < 0)
		return r;
	r = c.found ? durei_index_remove(&map->index, &c.guard, c.found) : durei_error_plain(ENOENT);
	if (r == 0)
		copy_value(map, c.found, ret_value);
	return end(&c, r);
}

int dure_map_take(dure_map *map, const void *key, size_t key_bytes, void *ret_value)
{
	dure_tx *tx;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->seg, &r);

	if (!lane)
		return r;
	if (durei_log_is_open(lane))
		return take_in_tx(map, key, key_bytes, ret_value);
	r = dure_tx_begin(map->seg, &tx);
	if (r < 0)
		return r;
	r = take_in_tx(map, key, key_bytes, ret_value);
	if (r == 0)
		return dure_tx_commit(tx);
	(void)dure_tx_abort(tx);
	return r;
}

/* -- the end of a map -------------------------------------------------------------------- */

struct batch {
	struct dl_entry *entries[DESTROY_BATCH];
	unsigned count;
};

static int gather(dure_segment *seg, struct dl_entry *entry, const struct dl_entry *content,
		  uint64_t bytes, void *context)
{
	struct batch *batch = context;

	(void)seg;
	(void)bytes;
	(void)content;
	batch->entries[batch->count++] = entry;
	return batch->count == DESTROY_BATCH;
}

struct removal {
	const dure_map *map;
	struct durei_lane *lane;
	struct dl_entry *entry;
};

static int remove_entry(void *context)
{
	const struct removal *r = context;
	struct durei_index_guard guard;
	int result = durei_index_lock(&r->map->index, r->lane, r->entry->hash, DURE_FOREVER, &guard);

	if (result < 0)
		return result;
	result = durei_index_remove(&r->map->index, &guard, r->entry);
	durei_index_unlock(&guard);
	return result;
}

/* Step 1: up to DESTROY_BATCH entries of a partition. Returns how many. */
static int remove_some(const dure_map *map, struct durei_lane *lane, uint64_t part,
		       unsigned depth)
{
	struct batch batch = { .count = 0 };
	struct removal removal = { .map = map, .lane = lane };
	dure_ref owned;
	int r = durei_index_visit_part(&map->index, lane, part, gather, &batch);

	for (unsigned i = 0; r >= 0 && i < batch.count; i++) {
		removal.entry = batch.entries[i];
		if (map->owns) {
			memcpy(&owned, durei_map_value_of(removal.entry), sizeof owned);
			r = durei_owned_free(lane, owned, depth, remove_entry, &removal);
		} else {
			r = remove_entry(&removal);
		}
	}
	return r < 0 ? r : (int)batch.count;
}

/* All of it, in many steps: there is never more. */
static int free_some(void *handle, struct durei_lane *lane, unsigned depth)
{
	const dure_map *map = handle;

	for (uint64_t part = 0; part < UINT64_C(1) << map->index.partition_bits; part++) {
		int r;
		do
			r = remove_some(map, lane, part, depth);
		while (r > 0);
		if (r < 0)
			return r;
	}
	return 0;
}

int dure_map_clear(dure_map *map)
{
	return durei_container_empty(&durei_maps, map, map->seg);
}

static bool is_empty(const void *handle)
{
	return durei_index_count(&((const dure_map *)handle)->index) == 0;
}

/* Step 2, with the object. */
static int free_index(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)tx;
	(void)object;
	(void)count;
	dure_map *map = context;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->seg, &r);

	return lane ? durei_index_free(&map->index, lane) : r;
}

const struct durei_container durei_maps = {
	.what = "map",
	.object = { "dure_map", sizeof(struct dl_map), 64 },
	.handle_bytes = sizeof(dure_map),
	.bind = bind,
	.free_some = free_some,
	.is_empty = is_empty,
	.free_rest = free_index,
};

int dure_map_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_maps, segment, name);
}
