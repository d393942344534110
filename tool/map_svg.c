/* SPDX-License-Identifier: MIT */
/*
 * map_svg.c - a heap map as one file: a drawing (SVG), or a page around it (HTML)
 *
 * Nothing is loaded from elsewhere and nothing is run: what a place is, is in its title, which
 * viewers show when the mouse is over it. Colours follow the reader's light or dark setting.
 *
 * Names come from segments, and so from anybody. All text goes through put_text.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "heap_map.h"
#include "tool.h"

enum {
	CELLS = 128, CELL_WIDTH = 7, CELL_HEIGHT = 12, ROW_PITCH = 15, ROWS_MAX = 128,
	MARGIN = 24, LABELS = 104, STRIP_TOP = 128,
	WIDTH = 2 * MARGIN + LABELS + CELLS * CELL_WIDTH,
	BAR_PITCH = 18, BAR_WIDTH = 250, COLUMN_WIDTH = 500,
};

struct drawing {
	const struct heap_map *map;
	FILE *to;
};

/* -- text -------------------------------------------------------------------------------- */

/* what XML wants escaped, escaped; what would turn a reader's text around, harmless */
static void put_text(FILE *to, const char *text)
{
	char shown[8192];

	for (const char *c = harmless(text, shown, sizeof shown); *c; c++)
		switch (*c) {
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '&':
			fputs("&amp;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			fputc(*c, to);
		}
}

static void put_label(const struct drawing *d, unsigned x, unsigned y, const char *class,
		      const char *format, ...) DURE_FORMAT(5, 6);

static void put_label(const struct drawing *d, unsigned x, unsigned y, const char *class,
		      const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fprintf(d->to, "<text class=\"%s\" x=\"%u\" y=\"%u\">", class, x, y);
	put_text(d->to, text);
	fputs("</text>\n", d->to);
}

/* -- the strip --------------------------------------------------------------------------- */

static const char *class_of(const struct heap_cell *cell)
{
	static const char *const shades[HEAP_SHADES] = { "s0", "s1", "s2", "s3", "s4" };

	switch (cell->kind) {
	case DURE_PAGE_BLOCKS:
	case DURE_PAGE_RUN:
		return shades[heap_shade(cell->kind, cell->block_bytes)];
	case DURE_PAGE_FREE:
		return "free";
	case DURE_PAGE_HOLE:
		return "hole";
	default:
		return "bad";
	}
}

/* A piece of a row: what it is as a pale ground, what is live in it rising from below. */
static void draw_piece(const struct drawing *d, const struct heap_cell *cell, unsigned x, unsigned y,
		       unsigned cells)
{
	char text[2048];
	double width = cells * CELL_WIDTH - 0.6, live = cell->live_bytes / (double)cell->bytes;
	const char *class = class_of(cell);
	bool is_filled = cell->kind == DURE_PAGE_BLOCKS || cell->kind == DURE_PAGE_RUN;

	fputs("<g><title>", d->to);
	put_text(d->to, heap_map_describe(d->map, cell, text, sizeof text));
	fprintf(d->to, "</title><rect class=\"%s%s\" x=\"%u\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>",
		class, is_filled ? " pale" : "", x, y, width, CELL_HEIGHT);
	if (is_filled && live > 0) {
		double height = live < 1 ? CELL_HEIGHT * live : CELL_HEIGHT;
		fprintf(d->to, "<rect class=\"%s\" x=\"%u\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\"/>",
			class, x, y + CELL_HEIGHT - height, width, height);
	}
	fputs("</g>\n", d->to);
}

static void draw_row(const struct drawing *d, uint64_t from, uint64_t cell_bytes, unsigned y,
		     size_t *cursor)
{
	struct heap_cell piece = { 0 };
	unsigned start = 0, i = 0;

	put_label(d, MARGIN + LABELS - 10, y + CELL_HEIGHT - 2, "at", "+0x%" PRIx64, from);
	for (; i < CELLS && from < d->map->drawn_end; i++, from += cell_bytes) {
		uint64_t to = from + cell_bytes < d->map->drawn_end ? from + cell_bytes : d->map->drawn_end;
		struct heap_cell cell = heap_map_cell(d->map, from, to, cursor);
		if (i && piece.extent == cell.extent) {	/* neighbours, of one extent */
			piece.bytes += cell.bytes;
			piece.live_bytes += cell.live_bytes;
			continue;
		}
		if (i)
			draw_piece(d, &piece, MARGIN + LABELS + start * CELL_WIDTH, y, i - start);
		piece = cell;
		start = i;
	}
	if (i)
		draw_piece(d, &piece, MARGIN + LABELS + start * CELL_WIDTH, y, i - start);
}

static unsigned rows_of(const struct heap_map *map, uint64_t cell_bytes)
{
	uint64_t row = cell_bytes * CELLS;

	return (unsigned)((map->drawn_end - map->first + row - 1) / row);
}

static void draw_strip(const struct drawing *d, uint64_t cell_bytes)
{
	size_t cursor = 0;
	unsigned y = STRIP_TOP;

	for (uint64_t at = d->map->first; at < d->map->drawn_end; at += cell_bytes * CELLS, y += ROW_PITCH)
		draw_row(d, at, cell_bytes, y, &cursor);
}

/* -- above it ---------------------------------------------------------------------------- */

static unsigned draw_key(const struct drawing *d, unsigned x, const char *class, bool is_pale,
			 const char *text)
{
	fprintf(d->to, "<rect class=\"%s%s\" x=\"%u\" y=\"%d\" width=\"11\" height=\"11\"/>\n", class,
		is_pale ? " pale" : "", x, STRIP_TOP - 31);
	put_label(d, x + 16, STRIP_TOP - 21, "small", "%s", text);
	return x + 34 + 7 * (unsigned)strlen(text);
}

static void draw_head(const struct drawing *d, uint64_t cell_bytes)
{
	const struct heap_map *map = d->map;
	char a[16], b[16], c[16], e[16], class[4];
	unsigned x = MARGIN;

	put_label(d, MARGIN, 40, "title", "%s", map->name);
	put_label(d, MARGIN, 62, "fact", "heap of %s: %s live, %s reserved; %.0f%% of the pages that hold "
		  "blocks is not live", human_bytes(map->end - map->first, a, sizeof a),
		  human_bytes(map->live_bytes, b, sizeof b),
		  human_bytes(map->reserved_bytes, c, sizeof c), 100 * heap_map_waste(map));
	put_label(d, MARGIN, 80, "fact", "%s in free pages, %s of it in one piece: fragmentation %.0f%%. "
		  "A cell is %s. The last %s have no storage yet.", human_bytes(map->free_page_bytes, a, sizeof a),
		  human_bytes(map->longest_bytes, b, sizeof b), 100 * heap_map_fragmentation(map),
		  human_bytes(cell_bytes, c, sizeof c),
		  human_bytes(map->end - map->drawn_end, e, sizeof e));
	for (unsigned i = 0; i < HEAP_SHADES; i++) {
		char text[64];
		snprintf(class, sizeof class, "s%u", i);
		snprintf(text, sizeof text, "%s%s", i == 0 ? "blocks " : "", heap_shade_names[i]);
		x = draw_key(d, x, class, false, text);
	}
	x = draw_key(d, x, "s1", true, "not live");
	x = draw_key(d, x, "free", false, "free");
	x = draw_key(d, x, "hole", false, "no storage yet");
	draw_key(d, x, "bad", false, "busy or damaged");
}

/* -- below it ---------------------------------------------------------------------------- */

struct sizes {
	struct {
		uint64_t block_bytes, live, reserved, free;
	} rows[96];
	unsigned count;
};

/* by size of block; runs are left out */
static void sum_sizes(const struct heap_map *map, struct sizes *s)
{
	for (size_t i = 0; i < map->extent_count; i++) {
		const struct heap_extent *e = &map->extents[i];
		unsigned at = 0;
		if (e->kind != DURE_PAGE_BLOCKS)
			continue;
		while (at < s->count && s->rows[at].block_bytes < e->block_bytes)
			at++;
		if (at == s->count || s->rows[at].block_bytes != e->block_bytes) {
			if (s->count == sizeof s->rows / sizeof *s->rows)
				continue;
			memmove(&s->rows[at + 1], &s->rows[at], (s->count++ - at) * sizeof *s->rows);
			memset(&s->rows[at], 0, sizeof *s->rows);
			s->rows[at].block_bytes = e->block_bytes;
		}
		s->rows[at].live += e->live;
		s->rows[at].reserved += e->reserved;
		s->rows[at].free += e->free;
	}
}

static void draw_bar(const struct drawing *d, unsigned x, unsigned y, const char *class,
		     double share)
{
	if (share > 0)
		fprintf(d->to, "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>\n",
			class, x, y, share * BAR_WIDTH < 1 ? 1 : share * BAR_WIDTH, BAR_PITCH - 6);
}

/* of a bar whose length is a logarithm: one long stretch would leave nothing to see of the rest */
static double share_of(uint64_t bytes, uint64_t most)
{
	return bytes ? (64 - __builtin_clzll(bytes) + 1) / (double)(64 - __builtin_clzll(most) + 1) : 0;
}

/* free extents: whole pages, and stretches of free blocks, by the bytes they are together */
static unsigned draw_gaps(const struct drawing *d, unsigned x, unsigned y)
{
	const struct heap_map *map = d->map;
	uint64_t most = 1;
	char from[16], bytes[16];

	put_label(d, x, y, "head", "Free, by length in one piece (bars: logarithmic)");
	y += 12;
	for (unsigned n = 0; n < HEAP_GAPS; n++)
		if (map->pages.bytes[n] + map->blocks.bytes[n] > most)
			most = map->pages.bytes[n] + map->blocks.bytes[n];
	for (unsigned n = 0; n < HEAP_GAPS; n++) {
		uint64_t count = map->pages.count[n] + map->blocks.count[n];
		uint64_t sum = map->pages.bytes[n] + map->blocks.bytes[n];
		if (!count)
			continue;
		put_label(d, x + 52, y + 11, "at", "%s",
			  human_bytes(UINT64_C(1) << n, from, sizeof from));
		draw_bar(d, x + 60, y, "gap", share_of(sum, most));
		draw_bar(d, x + 60, y, "s1 pale", share_of(map->blocks.bytes[n], most));
		put_label(d, x + 66 + BAR_WIDTH, y + 11, "small", "%" PRIu64 " of %s together", count,
			  human_bytes(sum, bytes, sizeof bytes));
		y += BAR_PITCH;
	}
	return y;
}

static unsigned draw_sizes(const struct drawing *d, unsigned x, unsigned y)
{
	struct sizes s = { .count = 0 };

	sum_sizes(d->map, &s);
	put_label(d, x, y, "head", "Blocks, by size: how full their pages are");
	y += 12;
	for (unsigned i = 0; i < s.count; i++) {
		uint64_t all = s.rows[i].live + s.rows[i].reserved + s.rows[i].free;
		char class[16];
		snprintf(class, sizeof class, "s%u", heap_shade(DURE_PAGE_BLOCKS, s.rows[i].block_bytes));
		put_label(d, x + 52, y + 11, "at", "%" PRIu64, s.rows[i].block_bytes);
		if (all)
			draw_bar(d, x + 60, y, class,
				 (double)(s.rows[i].live + s.rows[i].reserved) / (double)all);
		put_label(d, x + 66 + BAR_WIDTH, y + 11, "small", "%" PRIu64 " of %" PRIu64,
			  s.rows[i].live + s.rows[i].reserved, all);
		y += BAR_PITCH;
	}
	return y;
}

/* -- all of it --------------------------------------------------------------------------- */

static const char style[] =
	"<style>\n"
	"svg{background:#fcfcfb;--ink:#1d2430;--dim:#6a7280;--free:#e4e6ea;--line:#d0d4da}\n"
	"text{font-family:system-ui,'Segoe UI','DejaVu Sans',sans-serif;fill:var(--ink);font-size:12px}\n"
	".title{font-size:24px;font-weight:600}.fact{font-size:13px;fill:var(--dim)}\n"
	".head{font-size:14px;font-weight:600}.small{font-size:11.5px;fill:var(--dim)}\n"
	".at{font-size:11px;fill:var(--dim);text-anchor:end;font-family:ui-monospace,'DejaVu Sans Mono',"
	"monospace}\n"
	".s0{fill:#3b6fd4}.s1{fill:#159fae}.s2{fill:#3d9a50}.s3{fill:#d58b1e}.s4{fill:#8b55c7}\n"
	".pale{fill-opacity:.28}.free,.gap{fill:var(--free)}.gap{stroke:var(--line)}\n"
	".hole{fill:none;stroke:var(--line);stroke-width:.6}.bad{fill:#d22f3d}\n"
	"g:hover rect{stroke:var(--ink);stroke-width:1.4}\n"
	"@media(prefers-color-scheme:dark){svg{background:#15181d;--ink:#e8eaee;--dim:#98a1ae;"
	"--free:#2e343d;--line:#464e5a}}\n"
	"</style>\n";

static void draw(const struct drawing *d)
{
	uint64_t cell_bytes = heap_map_cell_bytes(d->map, (uint64_t)CELLS * ROWS_MAX);
	unsigned below = STRIP_TOP + rows_of(d->map, cell_bytes) * ROW_PITCH + 36;
	unsigned gaps = 0, sizes = 0, height;
	struct sizes s = { .count = 0 };

	sum_sizes(d->map, &s);
	for (unsigned n = 0; n < HEAP_GAPS; n++)
		gaps += d->map->pages.count[n] || d->map->blocks.count[n];
	sizes = s.count;
	height = below + 24 + (gaps > sizes ? gaps : sizes) * BAR_PITCH + MARGIN;
	fprintf(d->to, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" width=\"%d\" "
		"height=\"%u\" role=\"img\">\n<title>The heap of ", WIDTH, height, WIDTH, height);
	put_text(d->to, d->map->name);
	fprintf(d->to, "</title>\n%s", style);
	draw_head(d, cell_bytes);
	draw_strip(d, cell_bytes);
	draw_gaps(d, MARGIN, below);
	draw_sizes(d, MARGIN + COLUMN_WIDTH, below);
	fputs("</svg>\n", d->to);
}

void heap_map_write_svg(const struct heap_map *map, FILE *to)
{
	struct drawing d = { map, to };

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
	draw(&d);
}

static void put_cell(FILE *to, bool is_number, const char *format, ...) DURE_FORMAT(3, 4);

static void put_cell(FILE *to, bool is_number, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fputs(is_number ? "<td class=\"n\">" : "<td>", to);
	put_text(to, text);
	fputs("</td>", to);
}

static void write_owners(const struct heap_map *map, FILE *to)
{
	char bytes[16];

	fputs("<h2>Whose the pages are</h2>\n<table><tr><th>Lane</th><th>Thread</th><th>Pid</th>"
	      "<th>Command</th><th>State</th><th>Pages</th></tr>\n", to);
	for (size_t i = 0; i < map->owner_count; i++) {
		const struct heap_owner *o = &map->owners[i];
		fputs("<tr>", to);
		put_cell(to, true, "%" PRIu32, o->lane);
		put_cell(to, true, "%" PRIu32, o->thread);
		put_cell(to, true, "%" PRIu32, o->process);
		put_cell(to, false, "%s", o->name);
		put_cell(to, false, "%s", o->is_alive ? "alive" : "dead");
		put_cell(to, true, "%s", human_bytes(o->bytes, bytes, sizeof bytes));
		fputs("</tr>\n", to);
	}
	fputs("</table>\n", to);
}

static void write_objects(const struct heap_map *map, FILE *to, uint64_t max)
{
	uint64_t shown = 0;
	char bytes[16];

	fputs("<h2>Objects</h2>\n<table><tr><th>At</th><th>Bytes</th><th>Name</th><th>Type</th></tr>\n",
	      to);
	for (size_t i = 0; i < map->object_count && (!max || shown < max); i++, shown++) {
		const struct heap_object *o = &map->objects[i];
		fputs("<tr>", to);
		put_cell(to, true, "+0x%" PRIx64, o->offset);
		put_cell(to, true, "%s", human_bytes(o->bytes, bytes, sizeof bytes));
		put_cell(to, false, "%s", o->name);
		put_cell(to, false, "%s", o->type);
		fputs("</tr>\n", to);
	}
	fputs("</table>\n", to);
	if (shown < map->object_count)
		fprintf(to, "<p>... and %" PRIu64 " more</p>\n", map->object_count - shown);
}

void heap_map_write_html(const struct heap_map *map, FILE *to, uint64_t max_objects)
{
	struct drawing d = { map, to };

	fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head>"
	      "<meta charset=\"UTF-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>\n"
	      "<title>The heap of ", to);
	put_text(to, map->name);
	fputs("</title>\n<style>body{margin:0;background:#fcfcfb;color:#1d2430;"
	      "font:13px system-ui,'Segoe UI','DejaVu Sans',sans-serif}\n"
	      "body>svg{max-width:100%;height:auto}section{margin:0 24px 32px}h2{font-size:14px}\n"
	      "table{border-collapse:collapse}th{text-align:left;font-weight:500;color:#6a7280}\n"
	      "td,th{padding:3px 16px 3px 0;border-bottom:1px solid #8883}.n{text-align:right}\n"
	      "@media(prefers-color-scheme:dark){body{background:#15181d;color:#e8eaee}}</style>"
	      "</head>\n<body>\n", to);
	draw(&d);
	fputs("<section>\n", to);
	if (map->owner_count)
		write_owners(map, to);
	if (map->object_count)
		write_objects(map, to, max_objects);
	fputs("</section>\n</body></html>\n", to);
}
