/* SPDX-License-Identifier: MIT */
/*
 * cmd_map.c - dure map: a segment's heap as a picture
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "heap_map.h"
#include "tool.h"

enum { WIDTH_MIN = 40, WIDTH_MAX = 400, WIDTH_DEFAULT = 80 };

static int run(int argc, char **argv);

const struct command cmd_map = {
	.name = "map",
	.run = run,
	.usage = "Usage: dure map [OPTION...] NAME\n"
		 "Show a segment's heap by address: pages, blocks by size, what is free and how it\n"
		 "is scattered, whose the pages are, which objects lie where.\n\n"
		 "  -s, --svg FILE     a drawing; say - for standard output\n"
		 "  -H, --html FILE    a page with the drawing and its tables\n"
		 "  -J, --json         JSON: each extent, gap, owner and object\n"
		 "  -n, --max N        at most N objects in tables (20; 0: all)\n"
		 "  -w, --width N      of the picture in characters (the terminal's, or 80)\n"
		 "  -h, --help         this text\n\n"
		 "NAME is a plain name, a path (with a '/'), sysv:ID or core:PATH. The files load\n"
		 "and run nothing; the mouse over a place shows what it holds.\n"
		 "Exit status: 0 shown, 1 part of the heap is damaged (dure check), 2 trouble.\n",
};

struct choice {
	const char *svg, *html;
	bool is_json;
	uint64_t max_objects;
	unsigned width;
};

static unsigned terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize size;

	if (!width && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (!width)
		width = WIDTH_DEFAULT;
	return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : (unsigned)width;
}

/* False: complained. */
static bool write_file(const struct heap_map *map, const struct choice *choice, const char *path,
		       bool is_html)
{
	bool is_stdout = strcmp(path, "-") == 0, is_written;
	FILE *to = is_stdout ? stdout : fopen(path, "we");

	if (!to) {
		complain("map", "%s: %s", path, strerror(errno));
		return false;
	}
	if (is_html)
		heap_map_write_html(map, to, choice->max_objects);
	else
		heap_map_write_svg(map, to);
	if (is_stdout)
		return true;	/* main sees to it */
	is_written = !ferror(to);
	if (fclose(to) != 0 || !is_written) {
		complain("map", "%s: it cannot be written: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static bool show(const struct heap_map *map, const struct choice *choice)
{
	bool is_fine = true;

	if (choice->svg)
		is_fine = write_file(map, choice, choice->svg, false);
	if (choice->html && is_fine)
		is_fine = write_file(map, choice, choice->html, true);
	if (choice->is_json) {
		json_t *value = heap_map_value(map);
		json_dumpf(value, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(value);
	} else if (!choice->svg && !choice->html) {
		heap_map_print(map, choice->width, choice->max_objects);
	}
	return is_fine;
}

static int map_segment(const char *name, const struct choice *choice)
{
	struct heap_map *map;
	dure_segment *seg;
	int status;

	if (open_segment("map", name, DURE_OPEN | DURE_READ_ONLY, &seg) < 0)
		return EXIT_TROUBLE;
	map = heap_map_gather(seg, name);
	dure_segment_close(seg);
	if (!map)
		return complain_segment("map", name);
	status = !show(map, choice) ? EXIT_TROUBLE
		 : map->kind_bytes[DURE_PAGE_DAMAGED] ? EXIT_FOUND : EXIT_FINE;
	heap_map_free(map);
	return status;
}

static bool read_number(const char *text, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "svg", required_argument, NULL, 's' },  { "html", required_argument, NULL, 'H' },
		{ "json", no_argument, NULL, 'J' },	  { "max", required_argument, NULL, 'n' },
		{ "width", required_argument, NULL, 'w' }, { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct choice choice = { .max_objects = 20, .width = terminal_width() };
	uint64_t width;
	int c;

	while ((c = getopt_long(argc, argv, "s:H:Jn:w:h", options, NULL)) != -1)
		switch (c) {
		case 's':
			choice.svg = optarg;
			break;
		case 'H':
			choice.html = optarg;
			break;
		case 'J':
			choice.is_json = true;
			break;
		case 'n':
			if (!read_number(optarg, &choice.max_objects))
				return print_usage(&cmd_map, stderr);
			break;
		case 'w':
			if (!read_number(optarg, &width) || width < WIDTH_MIN || width > WIDTH_MAX)
				return complain("map", "--width is from %d to %d", WIDTH_MIN, WIDTH_MAX);
			choice.width = (unsigned)width;
			break;
		case 'h':
			return print_usage(&cmd_map, stdout);
		default:
			return print_usage(&cmd_map, stderr);
		}
	if (argc - optind != 1)
		return print_usage(&cmd_map, stderr);
	return map_segment(argv[optind], &choice);
}
