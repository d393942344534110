/* SPDX-License-Identifier: MIT */
/*
 * map.h - a hash map as a process has checked it, and its entries
 */
#ifndef DUREI_CONTAINER_MAP_H
#define DUREI_CONTAINER_MAP_H

#include <dure/map.h>

#include "container/owner.h"
#include "index/index.h"
#include "layout/map.h"

struct dure_map {
	dure_segment *seg;
	struct durei_index index;
	uint64_t value_bytes;
	bool owns;			/* values own containers */
	struct durei_name name;
};

static inline uint64_t durei_map_value_room(const dure_map *map)
{
	return align_up(map->value_bytes, 8);
}

/* what an entry must have at least, to be read */
static inline uint64_t durei_map_entry_bytes(const dure_map *map)
{
	return sizeof(struct dl_map_entry) + durei_map_value_room(map);
}

static inline void *durei_map_value_of(const struct dl_entry *entry)
{
	return (struct dl_map_entry *)(uintptr_t)entry + 1;
}

#endif
