/* SPDX-License-Identifier: MIT */
/*
 * heap_map.h - a segment's heap by address, gathered once, drawn by map_text.c and map_svg.c
 *
 * An extent is what dure_page_list calls a page: a page of blocks, a run, a stretch of free
 * pages or of holes. A cell is any piece of the address range, and what is in it.
 */
#ifndef TOOL_HEAP_MAP_H
#define TOOL_HEAP_MAP_H

#include <dure.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct heap_extent {
	uint64_t offset, bytes;
	uint32_t kind;			/* enum dure_page_kind */
	uint32_t lane;
	uint64_t block_bytes, live, reserved, free;
};

struct heap_object {
	uint64_t offset, bytes;
	char *name, *type;
	bool is_named;
};

struct heap_owner {
	uint32_t lane, thread, slot, process;
	char name[64];			/* of the process */
	bool is_alive;
	uint64_t bytes;			/* of the extents it owns */
};

enum { HEAP_GAPS = 48 };		/* of 2^n bytes to one less than 2^(n + 1) */

struct heap_gaps {
	uint64_t count[HEAP_GAPS], bytes[HEAP_GAPS];
};

struct heap_map {
	char *name;
	struct dure_segment_info segment;
	struct heap_extent *extents;	/* by offset, without gaps */
	size_t extent_count, extent_room;
	struct heap_object *objects;	/* by offset */
	size_t object_count, object_room;
	struct heap_owner *owners;
	size_t owner_count, owner_room;
	uint64_t first, end;		/* of the heap */
	uint64_t drawn_end;		/* behind it there are only holes */
	uint64_t live_bytes, reserved_bytes, block_page_bytes;
	uint64_t kind_bytes[DURE_PAGE_DAMAGED + 1];
	struct heap_gaps pages, blocks;	/* free pages and holes; free blocks within pages */
	uint64_t free_page_bytes, longest_bytes;	/* of gaps in pages */
};

/* NULL: out of memory, or what dure_last_error says */
struct heap_map *heap_map_gather(dure_segment *seg, const char *name);
void heap_map_free(struct heap_map *map);
json_t *heap_map_value(const struct heap_map *map);

/* 0 to 1: of the free pages, the part that is not in the longest stretch */
double heap_map_fragmentation(const struct heap_map *map);
/* 0 to 1: of pages that hold blocks, the part that is not live */
double heap_map_waste(const struct heap_map *map);

struct heap_cell {
	uint64_t offset, bytes;
	uint32_t kind;			/* of most of its bytes; DAMAGED and BUSY come first */
	uint64_t block_bytes;		/* of that kind, most of them */
	double live_bytes;		/* blocks of an extent that goes on elsewhere count in part */
	const struct heap_extent *extent;	/* where most of it lies */
};

/* What is between two offsets, of which neither is outside. *cursor: 0 at first; then cells are
   asked for in ascending order. */
struct heap_cell heap_map_cell(const struct heap_map *map, uint64_t from, uint64_t to,
			       size_t *cursor);
/* "blocks of 64 bytes, 50 live, ...; of worker (pid 12); holds shop, points" */
char *heap_map_describe(const struct heap_map *map, const struct heap_cell *cell, char *text,
			size_t bytes);

/* Sizes of blocks are told apart in five steps; runs are the last. */
enum { HEAP_SHADES = 5 };
extern const char *const heap_shade_names[HEAP_SHADES];
unsigned heap_shade(uint32_t kind, uint64_t block_bytes);
/* "free", "blocks", ... */
const char *heap_kind_name(uint32_t kind);

/* At most so many cells, so many in a row; each is 2^n pages. */
uint64_t heap_map_cell_bytes(const struct heap_map *map, uint64_t cells_max);

/* drawing */
void heap_map_print(const struct heap_map *map, unsigned width, uint64_t max_objects);
void heap_map_write_svg(const struct heap_map *map, FILE *to);
void heap_map_write_html(const struct heap_map *map, FILE *to, uint64_t max_objects);

#endif
