/* SPDX-License-Identifier: MIT */
/*
 * shown.c - what gdb is to show: stops in `look`, with one of each kind
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>

struct point {
	int x, y, z;
};

static void must(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "shown: %s\n", dure_last_error());
	exit(1);
}

struct shown {
	dure_map *map, *set, *none;
	dure_ordered *numbers, *doubles, *strings;
	dure_vector *points, *counts;
	dure_string *string;
	dure_ref ref, no_ref;
	dure_rel rel, itself, no_rel;
};

__attribute__((noinline)) static int look(const struct shown *shown)
{
	__asm__ volatile("" : : "r"(shown) : "memory");
	return 0;
}

static dure_ordered *ordered(dure_segment *seg, const char *ordering, uint64_t value_bytes,
			     uint32_t flags)
{
	struct dure_ordered_options o = { .sz = sizeof o, .ordering = ordering, .flags = flags,
					  .value_bytes = value_bytes };
	dure_ordered *map;

	must(dure_ordered_open(seg, ordering, DURE_CREATE, &o, &map));
	return map;
}

int main(void)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	struct dure_map_options none = { .sz = sizeof none, .value_bytes = DURE_MAP_NO_VALUE };
	static struct shown s;
	const struct point point = { 1, 2, 3 };
	const double half = -0.5;
	dure_segment *seg;

	must(dure_segment_open(NULL, DURE_CREATE, &o, &seg));
	must(dure_map_open(seg, "map", DURE_CREATE, NULL, &s.map));
	must(dure_map_add(s.map, "one", 3, -1, NULL));
	must(dure_map_open(seg, "set", DURE_CREATE, &none, &s.set));
	must(dure_map_put(s.set, "\001\377", 2, NULL));
	s.numbers = ordered(seg, "signed", 8, 0);
	for (int64_t i = 20; i >= -20; i--)
		must(dure_ordered_put(s.numbers, &i, sizeof i, &i));
	s.doubles = ordered(seg, "double", DURE_ORDERED_NO_VALUE, DURE_ORDERED_MULTI);
	must(dure_ordered_put(s.doubles, &half, sizeof half, NULL));
	must(dure_ordered_put(s.doubles, &half, sizeof half, NULL));
	s.strings = ordered(seg, "nocase", sizeof point, 0);
	must(dure_ordered_put(s.strings, "Key", 3, &point));
	must(dure_vector_open(seg, "points", DURE_TYPE(struct point), DURE_CREATE, NULL, &s.points));
	must(dure_vector_push(s.points, &point, NULL));
	must(dure_vector_open(seg, "counts", DURE_TYPE(int), DURE_CREATE, NULL, &s.counts));
	for (int i = 0; i < 300; i++)
		must(dure_vector_push(s.counts, &i, NULL));
	must(dure_string_open(seg, "string", DURE_CREATE, &s.string));
	must(dure_string_set(s.string, "say \"it\"\n", 9));
	s.ref.offset = 0x1234;
	dure_rel_set(&s.rel, &s.itself);
	dure_rel_set(&s.itself, &s.itself);
	return look(&s);
}
