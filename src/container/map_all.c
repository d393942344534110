/* SPDX-License-Identifier: MIT */
/*
 * map_all.c - all entries of a hash map: visited part by part, or of one moment; copied
 *
 * Why      Parts are locked apart, so what is visited part by part is of many moments: of what moves
 *          from one key to another meanwhile, a visitor sees both, or neither.
 * How      For a snapshot all parts are locked, in ascending order; then everything is copied, and all
 *          locks are given back before the first entry is visited.
 * Rules    [MAPA1] a lane records all locks it holds: so a map of more parts has no snapshot
 *          [MAPA2] copies are of private memory: while a visitor takes his time, nobody waits for him
 *          [MAPA3] no lock of one map is held while another one is changed: two merges the other way
 *                  round could meet
 * Death    snapshot: locks that guard nothing half done (DL_HELD_CLEAN); whoever wants one mends.
 *          reserve, merge: after each part, or entry, whole.
 */
#include "container/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* -- all of it --------------------------------------------------------------------------- */

uint64_t dure_map_count(dure_map *map)
{
	return durei_index_count(&map->index);
}

uint64_t dure_map_order(dure_map *map, const void *key, size_t key_bytes)
{
	uint64_t hash = durei_index_hash(&map->index, DL_MAP_ENTRY, key, (uint32_t)key_bytes);

	return dl_partition_of(hash, map->index.partition_bits);
}

struct each {
	const dure_map *map;
	int (*visit)(const void *key, size_t key_bytes, const void *value, void *context);
	void *context;
};

static int visit_entry(dure_segment *seg, struct dl_entry *entry, const struct dl_entry *content,
		       uint64_t all_bytes, void *context)
{
	const struct each *each = context;
	uint64_t offset = content->key_offset, bytes = content->key_bytes;

	(void)entry;
	if (durei_map_entry_bytes(each->map) > all_bytes || offset + bytes > all_bytes)
		return durei_error(EUCLEAN, "segment %s: an entry of map %s does not lie in its block",
				   seg->super.name, each->map->name.text);
	return each->visit((const char *)content + offset, bytes, durei_map_value_of(content),
			   each->context);
}

int dure_map_each(dure_map *map,
		  int (*visit)(const void *key, size_t key_bytes, const void *value,
			       void *context),
		  void *context)
{
	struct each each = { .map = map, .visit = visit, .context = context };
	int r = durei_handle_check(map->seg);

	return r < 0 ? r : durei_index_visit(&map->index, durei_lane_to_read(map->seg), visit_entry,
					     &each);
}

/* -- many at once ------------------------------------------------------------------------ */

/* Hashes are spread, not dealt out: a part may get some more than its share. */
int dure_map_reserve(dure_map *map, uint64_t count)
{
	uint64_t parts = UINT64_C(1) << map->index.partition_bits, share = count / parts;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->seg, &r);

	if (!lane)
		return r;
	for (uint64_t part = 0; r == 0 && part < parts; part++)
		r = durei_index_reserve(&map->index, lane, part, share + share / 8 + 1);
	return r;
}

/* -- copies ------------------------------------------------------------------------------ */

/* Entries one behind the other: struct copy, the value, the key; aligned for any value. */
struct copies {
	const dure_map *map;
	unsigned char *bytes;
	size_t used, room;
};

struct copy {
	_Alignas(16) uint64_t key_bytes;
};

static size_t key_at(const dure_map *map)
{
	return sizeof(struct copy) + (size_t)durei_map_value_room(map);
}

static int copy_entry(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct copies *c = context;
	size_t bytes = (size_t)align_up(key_at(c->map) + key_bytes, sizeof(struct copy));

	if (c->used + bytes > c->room) {
		size_t room = (c->used + bytes) * 2;
		unsigned char *more = realloc(c->bytes, room);
		if (!more)
			return durei_error_plain(ENOMEM);
		c->bytes = more;
		c->room = room;
	}
	struct copy *copy = (struct copy *)(void *)(c->bytes + c->used);
	copy->key_bytes = key_bytes;
	memcpy(copy + 1, value, (size_t)c->map->value_bytes);
	memcpy((unsigned char *)copy + key_at(c->map), key, key_bytes);
	c->used += bytes;
	return 0;
}

static int visit_copies(const struct copies *c, const struct each *each)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < c->used;) {
		const struct copy *copy = (const struct copy *)(const void *)(c->bytes + at);
		size_t key_bytes = (size_t)copy->key_bytes;
		r = each->visit((const unsigned char *)copy + key_at(c->map), key_bytes, copy + 1,
				each->context);
		at += (size_t)align_up(key_at(c->map) + key_bytes, sizeof *copy);
	}
	return r;
}

static int put_copy(const void *key, size_t key_bytes, const void *value, void *context)
{
	int r = dure_map_put(context, key, key_bytes, value);

	return r < 0 ? r : 0;
}

/* [MAPA3] */
int dure_map_merge(dure_map *map, dure_map *from)
{
	struct copies copies = { .map = from };
	struct each copy = { .map = from, .visit = copy_entry, .context = &copies };
	struct each put = { .map = from, .visit = put_copy, .context = map };
	int r = durei_handle_check(from->seg);

	if (r == 0 && map->index.shared == from->index.shared)
		r = durei_error(EINVAL, "map %s cannot be copied into itself", map->name.text);
	if (r == 0 && map->value_bytes != from->value_bytes)
		r = durei_error(EINVAL, "maps %s and %s have values of %llu and %llu bytes", map->name.text,
				from->name.text, (unsigned long long)map->value_bytes,
				(unsigned long long)from->value_bytes);
	if (r == 0 && (map->owns || from->owns))
		r = durei_error(EINVAL, "maps %s and %s: what is owned would have two owners, so it is moved",
				map->name.text, from->name.text);
	for (uint64_t part = 0; r == 0 && part < UINT64_C(1) << from->index.partition_bits; part++) {
		copies.used = 0;
		r = durei_index_visit_part(&from->index, durei_lane_to_read(from->seg), part,
					   visit_entry, &copy);
		if (r == 0)
			r = visit_copies(&copies, &put);
	}
	free(copies.bytes);
	return r;
}

/* -- all at one moment ------------------------------------------------------------------- */

static uint64_t hash_of_part(const dure_map *map, unsigned part)
{
	return map->index.partition_bits ? (uint64_t)part << (64 - map->index.partition_bits) : 0;
}

/* Of all parts, or of none. [MAPA1] */
static int lock_all(const dure_map *map, struct durei_lane *lane, struct durei_index_guard *guards,
		    unsigned parts)
{
	for (unsigned part = 0; part < parts; part++) {
		int r = durei_index_lock(&map->index, lane, hash_of_part(map, part), DURE_FOREVER,
					 &guards[part]);
		if (r >= 0)
			continue;
		while (part-- > 0)
			durei_index_unlock(&guards[part]);
		return r;
	}
	return 0;
}

static int copy_still(const dure_map *map, struct durei_lane *lane, struct copies *copies)
{
	struct each each = { .map = map, .visit = copy_entry, .context = copies };
	struct durei_index_guard guards[DL_HELD_MAX];
	unsigned parts = 1u << map->index.partition_bits;
	int r;

	if (parts > DL_HELD_MAX)
		return durei_error(ENOLCK, "map %s has %u parts, and a thread holds %d locks at most: make "
				   "it with fewer (options.partitions)", map->name.text, parts,
				   DL_HELD_MAX);
	r = lock_all(map, lane, guards, parts);
	if (r < 0)
		return r;
	for (unsigned part = 0; r == 0 && part < parts; part++)
		r = durei_index_visit_locked(&map->index, &guards[part], visit_entry, &each);
	for (unsigned part = parts; part-- > 0;)
		durei_index_unlock(&guards[part]);
	return r;
}

int dure_map_snapshot(dure_map *map,
		      int (*visit)(const void *key, size_t key_bytes, const void *value,
				   void *context),
		      void *context)
{
	struct copies copies = { .map = map };
	struct each each = { .map = map, .visit = visit, .context = context };
	int r = 0;
	struct durei_lane *lane = durei_lane_get(map->seg, &r);

	if (lane)
		r = copy_still(map, lane, &copies);
	if (r == 0)
		r = visit_copies(&copies, &each);			/* [MAPA2] */
	free(copies.bytes);
	return r;
}
