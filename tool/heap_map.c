/* SPDX-License-Identifier: MIT */
/*
 * heap_map.c - gathers a segment's heap by address
 */
#include "heap_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

const char *const heap_shade_names[HEAP_SHADES] = {
	"to 64 B", "to 512 B", "to 4 KiB", "larger", "one block of whole pages",
};

unsigned heap_shade(uint32_t kind, uint64_t block_bytes)
{
	if (kind == DURE_PAGE_RUN)
		return 4;
	return block_bytes <= 64 ? 0 : block_bytes <= 512 ? 1 : block_bytes <= 4096 ? 2 : 3;
}

const char *heap_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		"?", "hole", "free", "blocks", "run", "busy", "damaged",
	};

	return kind < sizeof names / sizeof *names ? names[kind] : "?";
}

/* room for one more */
static void *make_room(void *items, size_t count, size_t *room, size_t bytes)
{
	if (count < *room)
		return items;
	*room = *room ? 2 * *room : 64;
	return or_exit(reallocarray(items, *room, bytes));
}

/* -- extents ----------------------------------------------------------------------------- */

static void add_gap(struct heap_gaps *gaps, uint64_t bytes)
{
	unsigned n = bytes ? 63u - (unsigned)__builtin_clzll(bytes) : 0;

	if (!bytes)
		return;
	n = n < HEAP_GAPS ? n : HEAP_GAPS - 1;
	gaps->count[n]++;
	gaps->bytes[n] += bytes;
}

static void add_block_gaps(struct heap_map *map, const struct dure_page_info *info)
{
	uint64_t stretch = 0, count = info->live + info->reserved + info->free;

	for (uint64_t i = 0; i < count; i++)
		if (info->blocks[i] == DURE_PAGE_BLOCK_FREE) {
			stretch += info->block_bytes;
		} else {
			add_gap(&map->blocks, stretch);
			stretch = 0;
		}
	add_gap(&map->blocks, stretch);
}

/* A page nobody owns and nothing is in becomes whatever is needed: it is as good as free. */
static uint32_t effective_kind(const struct dure_page_info *info)
{
	return info->kind == DURE_PAGE_BLOCKS && !info->lane && !info->live && !info->reserved
		       ? DURE_PAGE_FREE
		       : info->kind;
}

static int add_extent(const struct dure_page_info *info, void *context)
{
	struct heap_map *map = context;
	uint32_t kind = effective_kind(info);

	map->extents = make_room(map->extents, map->extent_count, &map->extent_room,
				 sizeof *map->extents);
	map->extents[map->extent_count++] = (struct heap_extent){
		info->offset, info->bytes, kind, info->lane,
		kind == DURE_PAGE_FREE ? 0 : info->block_bytes, info->live, info->reserved,
		kind == DURE_PAGE_FREE ? 0 : info->free,
	};
	if (!map->first)
		map->first = info->offset;
	map->end = info->offset + info->bytes;
	if (kind != DURE_PAGE_HOLE || !map->drawn_end)
		map->drawn_end = map->end;
	map->kind_bytes[kind] += info->bytes;
	map->live_bytes += info->live * info->block_bytes;
	map->reserved_bytes += info->reserved * info->block_bytes;
	if (kind == DURE_PAGE_BLOCKS) {
		map->block_page_bytes += info->bytes;
		add_block_gaps(map, info);
	}
	return 0;
}

/* Holes and free pages next to each other are one gap. */
static void sum_page_gaps(struct heap_map *map)
{
	uint64_t stretch = 0;

	for (size_t i = 0; i <= map->extent_count; i++) {
		const struct heap_extent *e = &map->extents[i];
		if (i < map->extent_count &&
		    (e->kind == DURE_PAGE_FREE || e->kind == DURE_PAGE_HOLE)) {
			stretch += e->bytes;
			continue;
		}
		add_gap(&map->pages, stretch);
		map->free_page_bytes += stretch;
		if (stretch > map->longest_bytes)
			map->longest_bytes = stretch;
		stretch = 0;
	}
}

double heap_map_fragmentation(const struct heap_map *map)
{
	return map->free_page_bytes
		       ? 1 - (double)map->longest_bytes / (double)map->free_page_bytes
		       : 0;
}

double heap_map_waste(const struct heap_map *map)
{
	uint64_t pages = map->block_page_bytes + map->kind_bytes[DURE_PAGE_RUN];

	return pages ? 1 - (double)(map->live_bytes + map->reserved_bytes) / (double)pages : 0;
}

/* -- owners and objects ------------------------------------------------------------------ */

static int add_owner(const struct dure_thread_info *t, void *context)
{
	struct heap_map *map = context;

	map->owners = make_room(map->owners, map->owner_count, &map->owner_room,
				sizeof *map->owners);
	map->owners[map->owner_count++] = (struct heap_owner){
		.lane = t->lane, .thread = t->thread, .slot = t->slot, .is_alive = t->is_alive,
	};
	return 0;
}

static int name_owners(const struct dure_participant *p, void *context)
{
	struct heap_map *map = context;

	for (size_t i = 0; i < map->owner_count; i++)
		if (map->owners[i].slot == p->slot) {
			map->owners[i].process = p->process;
			snprintf(map->owners[i].name, sizeof map->owners[i].name, "%s", p->name);
		}
	return 0;
}

static struct heap_owner *owner_of(const struct heap_map *map, uint32_t lane)
{
	for (size_t i = 0; lane && i < map->owner_count; i++)
		if (map->owners[i].lane == lane)
			return &map->owners[i];
	return NULL;
}

static int add_object(const struct dure_object_info *info, void *context)
{
	static const char *const kinds[] = { "?", "named", "unique", "anonymous" };
	struct heap_map *map = context;
	bool is_named = *info->name && info->kind != 2;

	map->objects = make_room(map->objects, map->object_count, &map->object_room,
				 sizeof *map->objects);
	map->objects[map->object_count++] = (struct heap_object){
		info->ref.offset, info->count * info->element_bytes,
		or_exit(strdup(is_named ? info->name : kinds[info->kind & 3])),
		or_exit(strdup(info->type_name)), is_named,
	};
	return 0;
}

static int compare_objects(const void *a, const void *b)
{
	const struct heap_object *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

struct heap_map *heap_map_gather(dure_segment *seg, const char *name)
{
	struct heap_map *map = or_exit(calloc(1, sizeof *map));
	struct heap_owner *owner;
	int r;

	map->segment.sz = sizeof map->segment;
	map->name = or_exit(strdup(name));
	r = dure_segment_info(seg, &map->segment);
	if (r == 0)
		r = dure_page_list(seg, add_extent, map);
	if (r < 0) {
		heap_map_free(map);
		return NULL;
	}
	/* a damaged directory names fewer objects; the pages are there all the same */
	dure_thread_list(seg, add_owner, map);
	dure_participant_list(seg, name_owners, map);
	dure_object_list(seg, add_object, map);
	if (map->object_count)
		qsort(map->objects, map->object_count, sizeof *map->objects, compare_objects);
	sum_page_gaps(map);
	for (size_t i = 0; i < map->extent_count; i++)
		if ((owner = owner_of(map, map->extents[i].lane)))
			owner->bytes += map->extents[i].bytes;
	return map;
}

void heap_map_free(struct heap_map *map)
{
	for (size_t i = 0; i < map->object_count; i++) {
		free(map->objects[i].name);
		free(map->objects[i].type);
	}
	free(map->objects);
	free(map->owners);
	free(map->extents);
	free(map->name);
	free(map);
}

/* -- cells ------------------------------------------------------------------------------- */

uint64_t heap_map_cell_bytes(const struct heap_map *map, uint64_t cells_max)
{
	uint64_t bytes = map->segment.page_bytes;

	while ((map->drawn_end - map->first + bytes - 1) / bytes > cells_max)
		bytes *= 2;
	return bytes;
}

/* damaged and busy pages are seldom, and what one looks for */
static bool is_more(const struct heap_extent *e, uint64_t bytes, const struct heap_cell *cell,
		    uint64_t most)
{
	bool is_rare = e->kind >= DURE_PAGE_BUSY, was_rare = cell->kind >= DURE_PAGE_BUSY;

	return is_rare != was_rare ? is_rare : bytes > most;
}

struct heap_cell heap_map_cell(const struct heap_map *map, uint64_t from, uint64_t to,
			       size_t *cursor)
{
	struct heap_cell cell = { .offset = from, .bytes = to - from };
	uint64_t most = 0;
	size_t i = *cursor;

	while (i < map->extent_count && map->extents[i].offset + map->extents[i].bytes <= from)
		i++;
	*cursor = i;
	for (; i < map->extent_count && map->extents[i].offset < to; i++) {
		const struct heap_extent *e = &map->extents[i];
		uint64_t start = e->offset > from ? e->offset : from;
		uint64_t end = e->offset + e->bytes < to ? e->offset + e->bytes : to;
		cell.live_bytes += (double)((e->live + e->reserved) * e->block_bytes) *
				   (double)(end - start) / (double)e->bytes;
		if (!cell.extent || is_more(e, end - start, &cell, most)) {
			most = end - start;
			cell.kind = e->kind;
			cell.block_bytes = e->block_bytes;
			cell.extent = e;
		}
	}
	return cell;
}

/* the first object that ends behind offset */
static size_t find_object(const struct heap_map *map, uint64_t offset)
{
	size_t low = 0, high = map->object_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->objects[middle].offset + map->objects[middle].bytes <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t describe_objects(const struct heap_map *map, uint64_t from, uint64_t to, char *text,
			       size_t bytes)
{
	size_t used = 0, shown = 0, more = 0;

	for (size_t i = find_object(map, from);
	     i < map->object_count && map->objects[i].offset < to; i++) {
		const struct heap_object *o = &map->objects[i];
		if (!o->is_named || shown == 6 || used + strlen(o->name) + 40 > bytes)
			more++;
		else
			used += (size_t)snprintf(text + used, bytes - used, "%s%s",
						 shown++ ? ", " : "; holds ", o->name);
	}
	if (more && used + 60 < bytes)
		used += (size_t)snprintf(text + used, bytes - used, "%s%zu %sobject%s",
					 shown ? " and " : "; holds ", more, shown ? "other " : "",
					 more == 1 ? "" : "s");
	return used;
}

char *heap_map_describe(const struct heap_map *map, const struct heap_cell *cell, char *text,
			size_t bytes)
{
	const struct heap_extent *e = cell->extent;
	const struct heap_owner *owner = e ? owner_of(map, e->lane) : NULL;
	char size[16];
	size_t used;

	used = (size_t)snprintf(text, bytes, "+0x%" PRIx64 ", %s: ", cell->offset,
				human_bytes(cell->bytes, size, sizeof size));
	if (cell->kind == DURE_PAGE_BLOCKS)
		used += (size_t)snprintf(text + used, bytes - used, "blocks of %" PRIu64 " bytes, %"
					 PRIu64 " live, %" PRIu64 " reserved, %" PRIu64 " free",
					 e->block_bytes, e->live, e->reserved, e->free);
	else if (cell->kind == DURE_PAGE_RUN)
		used += (size_t)snprintf(text + used, bytes - used, "one block of %s%s",
					 human_bytes(e->bytes, size, sizeof size),
					 e->reserved ? ", reserved" : "");
	else
		used += (size_t)snprintf(text + used, bytes - used, "%s", heap_kind_name(cell->kind));
	if (owner)
		used += (size_t)snprintf(text + used, bytes - used, "; of %s%s (pid %" PRIu32
					 ", thread %" PRIu32 ")", owner->is_alive ? "" : "dead ",
					 *owner->name ? owner->name : "?", owner->process,
					 owner->thread);
	describe_objects(map, cell->offset, cell->offset + cell->bytes, text + used, bytes - used);
	return text;
}

/* -- as JSON ----------------------------------------------------------------------------- */

static json_int_t number(uint64_t n)
{
	return (json_int_t)n;
}

static json_t *gaps_value(const struct heap_gaps *gaps)
{
	json_t *list = or_exit(json_array());

	for (unsigned n = 0; n < HEAP_GAPS; n++)
		if (gaps->count[n])
			json_array_append_new(list, json_pack("{s:I, s:I, s:I}", "from_bytes",
							      number(UINT64_C(1) << n), "count",
							      number(gaps->count[n]), "bytes",
							      number(gaps->bytes[n])));
	return list;
}

static json_t *extents_value(const struct heap_map *map)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < map->extent_count; i++) {
		const struct heap_extent *e = &map->extents[i];
		json_array_append_new(
			list, json_pack("{s:I, s:I, s:s, s:i, s:I, s:I, s:I, s:I}", "offset",
					number(e->offset), "bytes", number(e->bytes), "kind",
					heap_kind_name(e->kind), "lane", (int)e->lane, "block_bytes",
					number(e->block_bytes), "live", number(e->live), "reserved",
					number(e->reserved), "free", number(e->free)));
	}
	return list;
}

static json_t *owners_value(const struct heap_map *map)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < map->owner_count; i++) {
		const struct heap_owner *o = &map->owners[i];
		json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:o, s:b, s:I}", "lane",
						      (int)o->lane, "thread", (int)o->thread,
						      "process", (int)o->process, "name",
						      text_value(o->name), "alive", (int)o->is_alive,
						      "bytes", number(o->bytes)));
	}
	return list;
}

static json_t *objects_value(const struct heap_map *map)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < map->object_count; i++) {
		const struct heap_object *o = &map->objects[i];
		json_array_append_new(list, json_pack("{s:I, s:I, s:o, s:o}", "offset",
						      number(o->offset), "bytes", number(o->bytes),
						      "name", o->is_named ? text_value(o->name)
									  : json_null(),
						      "type", text_value(o->type)));
	}
	return list;
}

json_t *heap_map_value(const struct heap_map *map)
{
	return or_exit(json_pack(
		"{s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o, s:o, s:o}",
		"version", 1, "segment", text_value(map->name), "page_bytes",
		number(map->segment.page_bytes), "first_offset", number(map->first), "end_offset",
		number(map->end), "live_bytes", number(map->live_bytes), "reserved_bytes",
		number(map->reserved_bytes), "free_page_bytes", number(map->free_page_bytes),
		"longest_free_bytes", number(map->longest_bytes), "fragmentation",
		heap_map_fragmentation(map), "waste", heap_map_waste(map), "free_pages",
		gaps_value(&map->pages), "free_blocks", gaps_value(&map->blocks), "extents",
		extents_value(map), "owners", owners_value(map), "objects", objects_value(map)));
}
