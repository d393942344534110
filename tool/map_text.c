/* SPDX-License-Identifier: MIT */
/*
 * map_text.c - a heap map on a terminal
 *
 * A character is one cell; how full it is shows as height, what size its blocks are as colour.
 * Where the locale has no such characters, or there is no colour, digits and letters say it.
 */
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include "heap_map.h"
#include "table.h"
#include "tool.h"

enum { ROWS_MAX = 24, LABEL_WIDTH = 15 };

static const enum color shades[HEAP_SHADES] = {
	COLOR_SKY, COLOR_SEA, COLOR_GOOD, COLOR_WARN, COLOR_PLUM,
};

static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const digits[] = { "1", "2", "3", "4", "5", "6", "7", "8" };

/* in eighths, rounded up: what is not empty is seen */
static unsigned fill_of(const struct heap_cell *cell)
{
	double share = cell->bytes ? cell->live_bytes / (double)cell->bytes * 8 : 0;
	unsigned eighths = (unsigned)share + (share > (unsigned)share);

	return eighths > 8 ? 8 : eighths;
}

static const char *glyph_of(const struct heap_cell *cell, bool is_wide)
{
	unsigned fill = fill_of(cell);

	switch (cell->kind) {
	case DURE_PAGE_FREE:
		return is_wide ? "·" : ".";
	case DURE_PAGE_BLOCKS:
		return !fill ? (is_wide ? "░" : "0") : (is_wide ? bars : digits)[fill - 1];
	case DURE_PAGE_RUN:
		return is_wide ? "▓" : "#";
	case DURE_PAGE_BUSY:
		return "?";
	case DURE_PAGE_DAMAGED:
		return "!";
	default:
		return " ";
	}
}

static enum color color_of(const struct heap_cell *cell)
{
	switch (cell->kind) {
	case DURE_PAGE_BLOCKS:
	case DURE_PAGE_RUN:
		return shades[heap_shade(cell->kind, cell->block_bytes)];
	case DURE_PAGE_BUSY:
	case DURE_PAGE_DAMAGED:
		return COLOR_BAD;
	default:
		return COLOR_DIM;
	}
}

/* One row, without spaces at its end; neighbours of one colour are coloured once. */
static void print_row(const struct heap_map *map, uint64_t from, uint64_t cell_bytes, unsigned width,
		      bool is_wide, size_t *cursor)
{
	enum color last = COLOR_NONE;
	unsigned blanks = 0;

	printf("%s+0x%-*" PRIx64 "%s", color_on(stdout, COLOR_DIM), LABEL_WIDTH - 3, from,
	       color_off(stdout));
	for (unsigned i = 0; i < width && from < map->drawn_end; i++, from += cell_bytes) {
		uint64_t to = from + cell_bytes < map->drawn_end ? from + cell_bytes : map->drawn_end;
		struct heap_cell cell = heap_map_cell(map, from, to, cursor);
		enum color color = color_of(&cell);
		const char *glyph = glyph_of(&cell, is_wide);
		if (*glyph == ' ') {
			blanks++;
			continue;
		}
		printf("%*s", (int)blanks, "");
		blanks = 0;
		if (color != last)
			printf("%s%s", color_off(stdout), color_on(stdout, color));
		last = color;
		fputs(glyph, stdout);
	}
	printf("%s\n", color_off(stdout));
}

static void print_legend(uint64_t cell_bytes, bool is_wide)
{
	char size[16];

	printf("\nA character is %s. Blank: no storage yet, %s free, ? being changed, ! damaged,\n"
	       "%s blocks by how full, %s one large block.\n",
	       human_bytes(cell_bytes, size, sizeof size), is_wide ? "·" : ".",
	       is_wide ? "░▁ to █" : "0 to 8", is_wide ? "▓" : "#");
	if (*color_on(stdout, COLOR_SKY)) {
		fputs("Sizes of blocks:", stdout);
		for (unsigned i = 0; i < HEAP_SHADES - 1; i++)
			printf(" %s%s%s", color_on(stdout, shades[i]), heap_shade_names[i],
			       color_off(stdout));
		putchar('\n');
	}
}

/* The program itself stays in the C locale, where tables show only what is harmless. */
static bool has_wide_glyphs(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool is_wide = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

	if (locale)
		freelocale(locale);
	return is_wide;
}

static void print_strip(const struct heap_map *map, unsigned width)
{
	bool is_wide = has_wide_glyphs();
	unsigned cells = width - LABEL_WIDTH;
	uint64_t cell_bytes = heap_map_cell_bytes(map, (uint64_t)cells * ROWS_MAX);
	size_t cursor = 0;
	char rest[16];

	for (uint64_t at = map->first; at < map->drawn_end; at += cell_bytes * cells)
		print_row(map, at, cell_bytes, cells, is_wide, &cursor);
	if (map->drawn_end < map->end)
		printf("%s+0x%-*" PRIx64 "%s%s without storage yet\n",
		       color_on(stdout, COLOR_DIM), LABEL_WIDTH - 3, map->drawn_end,
		       color_off(stdout), human_bytes(map->end - map->drawn_end, rest, sizeof rest));
	print_legend(cell_bytes, is_wide);
}

static void print_sums(const struct heap_map *map)
{
	char a[16], b[16], c[16], name[300];

	printf("%s%s%s: heap of %s, %s live, %s reserved\n", color_on(stdout, COLOR_BOLD),
	       harmless(map->name, name, sizeof name), color_off(stdout),
	       human_bytes(map->end - map->first, a, sizeof a),
	       human_bytes(map->live_bytes, b, sizeof b),
	       human_bytes(map->reserved_bytes, c, sizeof c));
	printf("%s in free pages, %s of it in one piece: fragmentation %.0f%%\n",
	       human_bytes(map->free_page_bytes, a, sizeof a),
	       human_bytes(map->longest_bytes, b, sizeof b), 100 * heap_map_fragmentation(map));
	printf("of pages that hold blocks, %.0f%% is not live\n\n", 100 * heap_map_waste(map));
}

static const struct column gap_columns[] = {
	{ "FROM", "", 6, COLUMN_BYTES, true },	     { "IN PAGES", "", 8, COLUMN_NUMBER, true },
	{ "BYTES", "", 8, COLUMN_BYTES, true },	     { "IN BLOCKS", "", 9, COLUMN_NUMBER, true },
	{ "BYTES ", "", 8, COLUMN_BYTES, true },
};

static void print_gaps(const struct heap_map *map)
{
	struct table_options options = { 0 };
	struct table t;

	if (!table_begin(&t, "free", gap_columns, 5, &options))
		return;
	printf("\n%sFree, by length in one piece%s\n", color_on(stdout, COLOR_BOLD),
	       color_off(stdout));
	for (unsigned n = 0; n < HEAP_GAPS; n++) {
		if (!map->pages.count[n] && !map->blocks.count[n])
			continue;
		struct libscols_line *line = table_row(&t);
		table_bytes(&t, line, 0, UINT64_C(1) << n);
		table_number(&t, line, 1, map->pages.count[n]);
		table_bytes(&t, line, 2, map->pages.bytes[n]);
		table_number(&t, line, 3, map->blocks.count[n]);
		table_bytes(&t, line, 4, map->blocks.bytes[n]);
	}
	table_end(&t);
}

static const struct column owner_columns[] = {
	{ "LANE", "", 5, COLUMN_NUMBER, true },	  { "TID", "", 7, COLUMN_NUMBER, true },
	{ "PID", "", 7, COLUMN_NUMBER, true },	  { "COMMAND", "", 15, COLUMN_TEXT, true },
	{ "STATE", "", 6, COLUMN_TEXT, true },	  { "PAGES", "", 8, COLUMN_BYTES, true },
};

static void print_owners(const struct heap_map *map)
{
	struct table_options options = { 0 };
	struct table t;

	if (!map->owner_count || !table_begin(&t, "owners", owner_columns, 6, &options))
		return;
	printf("\n%sWhose the pages are%s\n", color_on(stdout, COLOR_BOLD), color_off(stdout));
	for (size_t i = 0; i < map->owner_count; i++) {
		const struct heap_owner *o = &map->owners[i];
		struct libscols_line *line = table_row(&t);
		table_number(&t, line, 0, o->lane);
		table_number(&t, line, 1, o->thread);
		table_number(&t, line, 2, o->process);
		table_text(&t, line, 3, o->name);
		table_text(&t, line, 4, o->is_alive ? "alive" : "dead");
		table_bytes(&t, line, 5, o->bytes);
	}
	table_end(&t);
}

static const struct column object_columns[] = {
	{ "AT", "", 12, COLUMN_TEXT, true },	{ "BYTES", "", 8, COLUMN_BYTES, true },
	{ "NAME", "", 0.4, COLUMN_TEXT, true }, { "TYPE", "", 0.3, COLUMN_TEXT, true },
};

static void print_objects(const struct heap_map *map, uint64_t max)
{
	struct table_options options = { 0 };
	struct table t;
	char at[32];
	uint64_t shown = 0;

	if (!map->object_count || !table_begin(&t, "objects", object_columns, 4, &options))
		return;
	printf("\n%sObjects%s\n", color_on(stdout, COLOR_BOLD), color_off(stdout));
	for (size_t i = 0; i < map->object_count && (!max || shown < max); i++, shown++) {
		const struct heap_object *o = &map->objects[i];
		struct libscols_line *line = table_row(&t);
		snprintf(at, sizeof at, "+0x%" PRIx64, o->offset);
		table_text(&t, line, 0, at);
		table_bytes(&t, line, 1, o->bytes);
		table_text(&t, line, 2, o->name);
		table_text(&t, line, 3, o->type);
	}
	table_end(&t);
	if (shown < map->object_count)
		printf("... and %" PRIu64 " more (--max 0 shows all)\n", map->object_count - shown);
}

void heap_map_print(const struct heap_map *map, unsigned width, uint64_t max_objects)
{
	print_sums(map);
	print_strip(map, width);
	print_gaps(map);
	print_owners(map);
	print_objects(map, max_objects);
}
