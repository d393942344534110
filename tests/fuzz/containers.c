/* SPDX-License-Identifier: MIT */
/*
 * containers.c - vectors, strings, lists, deques, bitmaps, priority queues and ordered maps, and those
 * that own others: read to the end, and changed
 */
#include <string.h>

#include "run.h"

/* what damaged bytes say there is may be very much: as much is looked at */
enum { LOOKED_AT_MAX = 4000 };

struct look {
	struct run *run;
	size_t value_bytes;
	unsigned seen;
};

static int see_pair(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct look *look = context;

	touch(look->run, key, key_bytes);
	if (value)
		touch(look->run, value, look->value_bytes);
	return ++look->seen > LOOKED_AT_MAX;
}

static int see_element(void *at, const void *element, void *context)
{
	struct look *look = context;

	(void)at;
	touch(look->run, element, look->value_bytes);
	return ++look->seen > LOOKED_AT_MAX;
}

static void read_ordered(struct run *run, const char *name, uint64_t value_bytes)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_ANY };
	struct dure_range down = { .sz = sizeof down, .flags = DURE_RANGE_DESCENDING };
	struct look look = { .run = run };
	uint64_t word = 7, value[8];
	dure_ordered *map;

	if (dure_ordered_open(run->segment, name, DURE_OPEN, &o, &map) < 0)
		return;
	if (dure_ordered_describe(map, &o) == 0)
		look.value_bytes = o.value_bytes == DURE_ORDERED_NO_VALUE ? 0 : o.value_bytes;
	(void)dure_ordered_visit(map, NULL, see_pair, &look);
	look.seen = 0;
	(void)dure_ordered_visit(map, &down, see_pair, &look);
	(void)dure_ordered_snapshot(map, NULL, see_pair, &look);
	if (look.value_bytes == value_bytes && value_bytes <= sizeof value)
		(void)dure_ordered_get(map, &word, sizeof word, value);
	dure_ordered_close(map);
}

static void read_list(struct run *run, dure_list *list)
{
	struct look look = { .run = run, .value_bytes = sizeof(struct three) };
	void *at;

	(void)dure_list_visit(list, 0, see_element, &look);
	(void)dure_list_visit(list, DURE_LIST_BACKWARDS, see_element, &look);
	for (int r = dure_list_first(list, &at); r == 0 && look.seen < 3 * LOOKED_AT_MAX; look.seen++)
		r = dure_list_next(list, at, &at);
	dure_list_close(list);
}

static void read_vector(struct run *run)
{
	struct three three;
	dure_vector *vector;

	if (dure_vector_open(run->segment, "vector", DURE_TYPE(struct three), DURE_OPEN, NULL, &vector) < 0)
		return;
	for (uint64_t i = 0; i < LOOKED_AT_MAX && dure_vector_get(vector, i, &three) == 0; i++)
		touch(run, &three, sizeof three);
	dure_vector_close(vector);
}

static void read_deque(struct run *run)
{
	struct three three;
	dure_deque *deque;

	if (dure_deque_open(run->segment, "deque", DURE_TYPE(struct three), DURE_OPEN, NULL, &deque) < 0)
		return;
	for (uint64_t i = 0; i < LOOKED_AT_MAX && dure_deque_get(deque, i, &three) == 0; i++)
		touch(run, &three, sizeof three);
	(void)dure_deque_back(deque, &three);
	dure_deque_close(deque);
}

static void read_rest(struct run *run)
{
	dure_priority *priority;
	dure_bitmap *bitmap;
	dure_string *string;
	struct three three;
	uint64_t number, key;
	char text[256];
	size_t bytes;

	if (dure_priority_open(run->segment, "priority", DURE_TYPE(struct three), DURE_OPEN, NULL,
			       &priority) == 0) {
		if (dure_priority_peek(priority, &key, &three) == 0)
			touch(run, &three, sizeof three);
		dure_priority_close(priority);
	}
	if (dure_bitmap_open(run->segment, "bitmap", DURE_OPEN, &bitmap) == 0) {
		(void)dure_bitmap_find_set(bitmap, 0, &number);
		(void)dure_bitmap_find_clear(bitmap, 70, &number);
		(void)dure_bitmap_count(bitmap, 0, dure_bitmap_size(bitmap), &number);
		dure_bitmap_close(bitmap);
	}
	if (dure_string_open(run->segment, "string", DURE_OPEN, &string) == 0) {
		if (dure_string_read(string, 3, text, sizeof text, &bytes) == 0)
			touch(run, text, bytes);
		dure_string_close(string);
	}
}

static dure_map *the_owners(struct run *run)
{
	struct dure_map_options o = { .sz = sizeof o, .flags = DURE_MAP_OWNER };
	dure_map *map;

	return dure_map_open(run->segment, "owners", DURE_OPEN, &o, &map) == 0 ? map : NULL;
}

static int read_owned(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct run *run = context;
	dure_list *list;
	dure_ref at;

	touch(run, key, key_bytes);
	memcpy(&at, value, sizeof at);
	if (dure_list_open_at(run->segment, &at, DURE_TYPE(struct three), DURE_OPEN, NULL, &list) == 0)
		read_list(run, list);
	return 0;
}

void read_containers(struct run *run)
{
	dure_list *list;
	dure_map *owners = the_owners(run);

	read_ordered(run, "numbers", 8);
	read_ordered(run, "names", 24);
	read_vector(run);
	read_deque(run);
	read_rest(run);
	if (dure_list_open(run->segment, "list", DURE_TYPE(struct three), DURE_OPEN, NULL, &list) == 0)
		read_list(run, list);
	if (owners)
		(void)dure_map_each(owners, read_owned, run);
	dure_map_close(owners);
}

/* -- changing ---------------------------------------------------------------------------- */

static void change_ordered(struct run *run, uint8_t lot)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };
	uint64_t key = lot % 64u, value = lot;
	dure_ordered *map;

	if (dure_ordered_open(run->segment, "numbers", DURE_OPEN, &o, &map) < 0)
		return;
	if (lot >= 128)
		(void)dure_ordered_put(map, &key, sizeof key, &value);
	else if (lot >= 16)
		(void)dure_ordered_take(map, &key, sizeof key, &value);
	else
		(void)dure_ordered_clear(map);
	dure_ordered_close(map);
}

static void change_list(struct run *run, uint8_t lot)
{
	struct three three = { { lot } };
	dure_list *list;
	void *at;

	if (dure_list_open(run->segment, "list", DURE_TYPE(struct three), DURE_OPEN, NULL, &list) < 0)
		return;
	if (lot >= 128)
		(void)dure_list_push_front(list, &three, NULL);
	else if (lot >= 64)
		(void)dure_list_pop_back(list, &three);
	else if (dure_list_first(list, &at) == 0)
		(void)(lot % 2 ? dure_list_erase(list, at) : dure_list_set(list, at, &three));
	dure_list_close(list);
}

static void change_rows(struct run *run, uint8_t lot)
{
	struct three three = { { lot } };
	dure_vector *vector;
	dure_deque *deque;

	if (lot % 2 && dure_vector_open(run->segment, "vector", DURE_TYPE(struct three), DURE_OPEN,
					NULL, &vector) == 0) {
		(void)(lot >= 128 ? dure_vector_push(vector, &three, NULL)
				  : lot >= 64 ? dure_vector_pop(vector, &three)
					      : dure_vector_resize(vector, lot));
		dure_vector_close(vector);
	}
	if (lot % 2 == 0 && dure_deque_open(run->segment, "deque", DURE_TYPE(struct three), DURE_OPEN,
					    NULL, &deque) == 0) {
		(void)(lot >= 128 ? dure_deque_push_front(deque, &three)
				  : lot >= 64 ? dure_deque_pop_front(deque, &three)
					      : dure_deque_push_back(deque, &three));
		dure_deque_close(deque);
	}
}

static void change_rest(struct run *run, uint8_t lot)
{
	struct three three = { { lot } };
	uint64_t key = lot, number;
	dure_priority *priority;
	dure_bitmap *bitmap;
	dure_string *string;

	if (dure_priority_open(run->segment, "priority", DURE_TYPE(struct three), DURE_OPEN, NULL,
			       &priority) == 0) {
		(void)(lot >= 128 ? dure_priority_push(priority, &key, &three, NULL)
				  : dure_priority_pop(priority, &key, &three));
		dure_priority_close(priority);
	}
	if (dure_bitmap_open(run->segment, "bitmap", DURE_OPEN, &bitmap) == 0) {
		(void)(lot >= 128 ? dure_bitmap_allocate(bitmap, 0, &number)
				  : dure_bitmap_clear_range(bitmap, lot, 40));
		dure_bitmap_close(bitmap);
	}
	if (dure_string_open(run->segment, "string", DURE_OPEN, &string) == 0) {
		(void)(lot >= 128 ? dure_string_append(string, "more", 4)
				  : dure_string_set(string, "other", 5));
		dure_string_close(string);
	}
}

static void change_owners(struct run *run, uint8_t lot)
{
	dure_map *owners = the_owners(run);
	char key = (char)('a' + lot % 4);
	dure_ref at;

	if (!owners)
		return;
	if (lot >= 192)
		(void)dure_map_clear(owners);
	else if (dure_map_take(owners, &key, 1, &at) == 0)
		(void)(lot >= 128 ? dure_container_destroy(run->segment, at)
				  : lot >= 64 ? dure_container_give_name(run->segment, at, "given")
					      : dure_map_put(owners, "z", 1, &at));
	dure_map_close(owners);
}

void change_containers(struct run *run, uint8_t call)
{
	static int (*const destroys[])(dure_segment *, const char *) = {
		dure_ordered_destroy, dure_list_destroy, dure_vector_destroy, dure_deque_destroy,
		dure_priority_destroy, dure_bitmap_destroy, dure_string_destroy, dure_map_destroy,
	};
	static const char *const names[] = { "numbers", "list", "vector", "deque", "priority", "bitmap",
					     "string", "owners" };
	uint8_t lot = script_byte(&run->script);

	switch (call % 8) {
	case 0:
	case 1:
		change_ordered(run, lot);
		break;
	case 2:
		change_list(run, lot);
		break;
	case 3:
		change_rows(run, lot);
		break;
	case 4:
		change_rest(run, lot);
		break;
	case 5:
	case 6:
		change_owners(run, lot);
		break;
	default:
		(void)destroys[lot % 8](run->segment, names[lot % 8]);
	}
}
