/* SPDX-License-Identifier: MIT */
/*
 * look.c - reading a segment of any bytes, with every call that reads
 *
 * A sanitizer sees an access that leaves the segment only if it happens: so each byte that
 * the library hands out is touched.
 */
#include <stdlib.h>
#include <string.h>

#include "run.h"

void touch(struct run *run, const void *from, size_t bytes)
{
	const unsigned char *c = from;
	unsigned sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += c[i];
	run->sink += sum;
}

static int see_object(const struct dure_object_info *info, void *context)
{
	struct run *run = context;
	uint64_t bytes = info->element_bytes * info->count;
	void *p = dure_ref_get(run->segment, info->ref, (size_t)bytes);

	touch(run, info->name, strnlen(info->name, sizeof info->name));
	if (p && bytes < SEGMENT_BYTES_MAX)
		touch(run, p, (size_t)bytes);
	return 0;
}

static int see_thread(const struct dure_thread_info *info, void *context)
{
	touch(context, info, sizeof *info);
	return 0;
}

static int see_participant(const struct dure_participant *participant, void *context)
{
	struct run *run = context;

	touch(run, participant->name, strnlen(participant->name, sizeof participant->name));
	return 0;
}

/* each page begins where the last one ended */
static int see_page(const struct dure_page_info *info, void *context)
{
	struct run *run = context;

	if (info->bytes == 0 || info->kind < DURE_PAGE_HOLE || info->kind > DURE_PAGE_DAMAGED ||
	    (run->page_end && info->offset != run->page_end))
		abort();
	run->page_end = info->offset + info->bytes;
	touch(run, info->blocks, info->live + info->reserved + info->free);
	return 0;
}

static int see_entry(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct run *run = context;

	touch(run, key, key_bytes);
	touch(run, value, 8);
	return 0;
}

static void see_finding(const struct dure_finding *finding, void *context)
{
	struct run *run = context;

	touch(run, finding->text, strlen(finding->text));
}

void check(struct run *run)
{
	struct dure_check sums = { .sz = sizeof sums };
	int r = dure_segment_check(run->segment, &sums, see_finding, run);

	if (r > 2 || (r == 2) != (sums.damaged != 0))
		abort();
}

static void find_one(struct run *run, const char *name, struct dure_type type)
{
	uint64_t count = 0;
	void *object;

	if (dure_object_find(run->segment, name, type, &object, &count) == 0)
		touch(run, object, (size_t)(type.size_bytes * count));
}

static void read_maps(struct run *run)
{
	struct dure_map_options any = { .sz = sizeof any, .value_bytes = DURE_MAP_ANY_VALUE };
	char value[64];

	if (!run->map && dure_map_open(run->segment, "map", DURE_OPEN, &any, &run->map) < 0)
		run->map = NULL;
	if (!run->wide && dure_map_open(run->segment, "wide", DURE_OPEN, &any, &run->wide) < 0)
		run->wide = NULL;
	if (run->map) {
		(void)dure_map_each(run->map, see_entry, run);
		(void)dure_map_count(run->map);
	}
	if (run->wide) {
		(void)dure_map_each(run->wide, see_entry, run);
		(void)dure_map_order(run->wide, "key-3", 5);
	}
	/* a value is as long as the map says: get is called where that is what we say */
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = 8 };
	dure_map *map;
	if (dure_map_open(run->segment, "map", DURE_OPEN, &o, &map) == 0) {
		if (dure_map_get(map, "key-1", 5, value) == 0)
			touch(run, value, 8);
		(void)dure_map_get(map, "new", 3, value);
		dure_map_close(map);
	}
	o.value_bytes = 40;
	if (dure_map_open(run->segment, "wide", DURE_OPEN, &o, &map) == 0) {
		if (dure_map_get(map, "key-1", 5, value) == 0)
			touch(run, value, 40);
		dure_map_close(map);
	}
}

static int see_holder(enum dure_lock_mode mode, const struct dure_participant *holder,
		      void *context)
{
	touch(context, holder, sizeof *holder);
	return mode == 0;
}

void read_all(struct run *run)
{
	struct dure_segment_info info = { .sz = sizeof info };
	struct dure_heap_info heap = { .sz = sizeof heap };
	struct dure_participant holder = { .sz = sizeof holder };
	struct dure_semaphore_info semaphore = { .sz = sizeof semaphore };
	uint64_t count;
	void *p;

	(void)dure_segment_info(run->segment, &info);
	(void)dure_object_list(run->segment, see_object, run);
	(void)dure_object_count(run->segment, &count);
	find_one(run, "a", DURE_TYPE(struct node));
	find_one(run, "shop", DURE_TYPE(struct node));
	find_one(run, "counter", DURE_TYPE(struct node));
	find_one(run, "area", DURE_TYPE(char));
	find_one(run, DURE_UNIQUE, DURE_TYPE(long));
	find_one(run, "shop", DURE_TYPE(long));
	read_maps(run);
	read_containers(run);
	(void)dure_heap_info(run->segment, &heap);
	run->page_end = 0;
	(void)dure_page_list(run->segment, see_page, run);
	(void)dure_thread_list(run->segment, see_thread, run);
	(void)dure_participant_list(run->segment, see_participant, run);
	if (!run->places && dure_object_find(run->segment, "places", DURE_TYPE(struct places), &p,
					     NULL) == 0)
		run->places = p;
	for (unsigned i = 0; run->places && i < 4; i++)
		(void)dure_mutex_holder(run->segment, &run->places->locks[i], &holder);
	if (run->places) {
		(void)dure_semaphore_info(run->segment, &run->places->semaphore, &semaphore);
		(void)dure_rwlock_holders(run->segment, &run->places->rwlock, see_holder, run);
	}
	for (unsigned i = 0; run->places && i < 8; i++) {
		size_t bytes;
		p = dure_ref_get(run->segment, dure_ref_load(&run->places->refs[i]), 8);
		if (p && dure_block_size(run->segment, p, &bytes) == 0 && bytes <= run->bytes &&
		    dure_ref_get(run->segment, run->places->refs[i], bytes))
			touch(run, p, bytes);
	}
}
