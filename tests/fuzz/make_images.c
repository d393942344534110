/* SPDX-License-Identifier: MIT */
/*
 * make_images.c - small segments in interesting states, for fuzz_open to damage
 *
 * make_images FILE writes them. Their bytes are kept in git (images.bin), so that an input
 * found today means the same tomorrow; they are made anew only when the format changes.
 *
 * A copy of a segment's bytes, taken in the middle of something, is what a death at that
 * instant leaves behind. So nobody has to die here.
 *
 * Format of FILE: see image.c.
 */
#include <dure.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

enum {
	SMALL_BYTES = 64 * 1024,
	IMAGE_BYTES = 128 * 1024,
	BIG_BYTES = 256 * 1024,
	RUN_BYTES = 3 * 4096,
};

static FILE *out;

#define MUST(call)                                                                                \
	do {                                                                                      \
		int must = (call);                                                                \
		if (must < 0) {                                                                   \
			fprintf(stderr, "make_images: %s: %s\n", #call, dure_last_error());       \
			exit(1);                                                                  \
		}                                                                                 \
	} while (0)

/* -- writing ----------------------------------------------------------------------------- */

static void put32(uint32_t n)
{
	unsigned char bytes[4] = { (unsigned char)n, (unsigned char)(n >> 8),
				   (unsigned char)(n >> 16), (unsigned char)(n >> 24) };

	fwrite(bytes, 1, sizeof bytes, out);
}

/* The stretches of 8 byte words that are not zero: offset, length, bytes. */
static uint32_t write_stretches(const unsigned char *bytes, size_t count, int writes)
{
	static const unsigned char zeros[32];
	uint32_t stretches = 0;

	for (size_t at = 0; at < count;) {
		if (memcmp(bytes + at, zeros, 8) == 0) {
			at += 8;
			continue;
		}
		size_t end = at + 8;
		while (end < count && memcmp(bytes + end, zeros,
					     count - end < 16 ? count - end : 16) != 0)
			end += 8;
		if (writes) {
			put32((uint32_t)at);
			put32((uint32_t)(end - at));
			fwrite(bytes + at, 1, end - at, out);
		}
		stretches++;
		at = end;
	}
	return stretches;
}

/* max_bytes is what the segment's tables are made for; file_bytes what is there of it */
static void keep(const void *bytes, size_t file_bytes, size_t max_bytes)
{
	put32((uint32_t)file_bytes);
	put32((uint32_t)max_bytes);
	put32(write_stretches(bytes, file_bytes, 0));
	write_stretches(bytes, file_bytes, 1);
}

/* -- making ------------------------------------------------------------------------------ */

static dure_segment *make(void **buffer, size_t bytes)
{
	struct dure_segment_options o = {
		.sz = sizeof o, .backing = DURE_BACKING_BUFFER, .size_bytes = bytes,
		.processes_max = 2, .threads_max = 3,
	};
	dure_segment *segment;

	*buffer = aligned_alloc(4096, bytes);
	o.buffer = *buffer;
	if (!*buffer)
		exit(1);
	MUST(dure_segment_open(NULL, DURE_CREATE, &o, &segment));
	return segment;
}

static struct places *make_places(dure_segment *segment)
{
	struct places *places;

	MUST(dure_object_construct(segment, "places", DURE_TYPE(struct places), 1, NULL, NULL,
				   (void **)&places));
	return places;
}

static void add_objects(dure_segment *segment)
{
	static const char *const names[] = { "a", "shop", "a rather long name for an object",
					     "counter", "x\033[31m" };
	struct node *node;
	void *p;

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		MUST(dure_object_construct(segment, names[i], DURE_TYPE(struct node), i + 1, NULL, NULL,
					   (void **)&node));
		node->value = i;
	}
	MUST(dure_object_construct(segment, DURE_UNIQUE, DURE_TYPE(long), 1, NULL, NULL, &p));
	MUST(dure_object_construct(segment, DURE_ANONYMOUS, DURE_TYPE(struct node), 2, NULL, NULL,
				   &p));
	MUST(dure_object_construct(segment, DURE_ANONYMOUS, DURE_TYPE(char), 600, NULL, NULL, &p));
}

static void add_map(dure_segment *segment, const char *name, uint64_t value_bytes, int keys)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = value_bytes, .partitions = 2 };
	char key[32], value[64] = "value";
	dure_map *map;

	MUST(dure_map_open(segment, name, DURE_CREATE, &o, &map));
	for (int i = 0; i < keys; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		MUST(dure_map_put(map, key, strlen(key), value));
	}
	dure_map_close(map);
}

/* -- the images -------------------------------------------------------------------------- */

static void empty(void)
{
	void *buffer;
	dure_segment *segment = make(&buffer, SMALL_BYTES);

	MUST(dure_segment_close(segment));
	keep(buffer, SMALL_BYTES, SMALL_BYTES);
	free(buffer);
}

static void objects_at_rest(void)
{
	void *buffer;
	dure_segment *segment = make(&buffer, IMAGE_BYTES);

	make_places(segment);
	add_objects(segment);
	MUST(dure_segment_close(segment));
	keep(buffer, IMAGE_BYTES, IMAGE_BYTES);
	free(buffer);
}

static void maps_at_rest(void)
{
	void *buffer;
	dure_segment *segment = make(&buffer, IMAGE_BYTES);

	make_places(segment);
	add_map(segment, "map", 8, 30);
	add_map(segment, "wide", 40, 12);
	MUST(dure_segment_close(segment));
	keep(buffer, IMAGE_BYTES, IMAGE_BYTES);
	free(buffer);
}

static void add_ordered(dure_segment *segment)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };
	struct three three = { { 1, 3, 5 } };
	dure_ordered *map;
	char key[32];

	MUST(dure_ordered_open(segment, "numbers", DURE_CREATE, &o, &map));
	for (uint64_t i = 0; i < 60; i++)
		MUST(dure_ordered_put(map, &i, sizeof i, &i));
	dure_ordered_close(map);
	o.flags = DURE_ORDERED_MULTI;
	o.value_bytes = sizeof three;
	MUST(dure_ordered_open(segment, "names", DURE_CREATE, &o, &map));
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "beginning-%d", i % 13);
		MUST(dure_ordered_put(map, key, strlen(key), &three));
	}
	dure_ordered_close(map);
}

static void fill_list(dure_list *list)
{
	for (uint64_t i = 0; i < 9; i++) {
		struct three three = { { i, i * 3, i * 5 } };
		MUST(dure_list_push_back(list, &three, NULL));
	}
	dure_list_close(list);
}

static void add_rows(dure_segment *segment)
{
	struct dure_deque_options few = { .sz = sizeof few, .chunk_count = 4 };
	dure_priority *priority;
	dure_vector *vector;
	dure_bitmap *bitmap;
	dure_string *string;
	dure_deque *deque;
	dure_list *list;

	MUST(dure_vector_open(segment, "vector", DURE_TYPE(struct three), DURE_CREATE, NULL, &vector));
	MUST(dure_deque_open(segment, "deque", DURE_TYPE(struct three), DURE_CREATE, &few, &deque));
	MUST(dure_priority_open(segment, "priority", DURE_TYPE(struct three), DURE_CREATE, NULL,
				&priority));
	for (uint64_t i = 0; i < 30; i++) {
		struct three three = { { i, i * 3, i * 5 } };
		MUST(dure_vector_push(vector, &three, NULL));
		MUST(dure_deque_push_back(deque, &three));
		MUST(dure_priority_push(priority, &three.words[i % 3], &three, NULL));
	}
	MUST(dure_bitmap_open(segment, "bitmap", DURE_CREATE, &bitmap));
	MUST(dure_bitmap_resize(bitmap, 700));
	MUST(dure_bitmap_set_range(bitmap, 60, 90));
	MUST(dure_string_open(segment, "string", DURE_CREATE, &string));
	MUST(dure_string_set(string, "a string of some length", 23));
	MUST(dure_list_open(segment, "list", DURE_TYPE(struct three), DURE_CREATE, NULL, &list));
	fill_list(list);
	dure_vector_close(vector);
	dure_deque_close(deque);
	dure_priority_close(priority);
	dure_bitmap_close(bitmap);
	dure_string_close(string);
}

static void add_owners(dure_segment *segment)
{
	struct dure_map_options o = { .sz = sizeof o, .flags = DURE_MAP_OWNER, .partitions = 1 };
	dure_list *list;
	dure_map *map;
	dure_ref at;

	MUST(dure_map_open(segment, "owners", DURE_CREATE, &o, &map));
	for (char key = 'a'; key < 'e'; key++) {
		at.offset = 0;
		MUST(dure_list_open_at(segment, &at, DURE_TYPE(struct three), DURE_CREATE, NULL, &list));
		fill_list(list);
		MUST(key == 'd' ? dure_container_give_name(segment, at, "named")
				: dure_map_put(map, &key, 1, &at));
	}
	dure_map_close(map);
}

static void containers_at_rest(void)
{
	void *buffer;
	dure_segment *segment = make(&buffer, BIG_BYTES);

	make_places(segment);
	add_ordered(segment);
	add_rows(segment);
	add_owners(segment);
	MUST(dure_segment_close(segment));
	keep(buffer, BIG_BYTES, BIG_BYTES);
	free(buffer);
}

/* Reserved blocks of several sizes, freed ones, a reserved run and a live one, none closed. */
static void blocks_of_the_dead(void)
{
	static const size_t sizes[] = { 16, 48, 100, 200, 500, 1200 };
	void *buffer, *block, *other;
	dure_segment *segment = make(&buffer, IMAGE_BYTES);
	struct places *places = make_places(segment);

	for (unsigned i = 0; i < 6; i++) {
		MUST(dure_block_reserve(segment, sizes[i], 0, &block));
		MUST(dure_block_reserve(segment, sizes[i], 0, &other));
		MUST(dure_block_publish(segment, other, &places->refs[i]));
		if (i % 2)
			MUST(dure_block_free_from(segment, &places->refs[i]));
	}
	MUST(dure_block_reserve(segment, RUN_BYTES, 0, &block));
	MUST(dure_block_publish(segment, block, &places->refs[6]));
	MUST(dure_block_reserve(segment, RUN_BYTES, 0, &block));
	keep(buffer, IMAGE_BYTES, IMAGE_BYTES);
	MUST(dure_segment_close(segment));
	free(buffer);
}

/* A transaction with an entry of each kind, a log in two chunks, and locks. */
static void open_transaction(void)
{
	static char big[3500];
	void *buffer, *block, *area;
	uint64_t one = 1;
	dure_segment *segment = make(&buffer, BIG_BYTES);
	struct places *places = make_places(segment);
	struct node *node;
	dure_map *map;
	dure_tx *tx;

	add_map(segment, "map", 8, 6);
	MUST(dure_object_construct(segment, "area", DURE_TYPE(char), sizeof big, NULL, NULL, &area));
	MUST(dure_block_alloc(segment, 64, 0, &places->refs[0]));
	MUST(dure_block_alloc(segment, RUN_BYTES, 0, &places->refs[1]));
	MUST(dure_map_open(segment, "map", DURE_OPEN, NULL, &map));
	MUST(dure_tx_begin(segment, &tx));
	MUST(dure_tx_lock(tx, &places->locks[0], 0));
	MUST(dure_tx_write(tx, &places->refs[4], &one, sizeof one));
	MUST(dure_tx_write(tx, area, "some bytes", 10));
	MUST(dure_tx_alloc(tx, 80, 0, &block));
	MUST(dure_map_put(map, "new", 3, &one));
	MUST(dure_map_remove(map, "key-1", 5));
	MUST(dure_map_add(map, "key-2", 5, 7, NULL));
	MUST(dure_object_construct(segment, "node", DURE_TYPE(struct node), 1, NULL, NULL,
				   (void **)&node));
	MUST(dure_block_free_from(segment, &places->refs[0]));
	MUST(dure_block_free_from(segment, &places->refs[1]));
	MUST(dure_tx_write(tx, area, big, sizeof big));
	MUST(dure_tx_lock(tx, &places->locks[1], 0));
	keep(buffer, BIG_BYTES, BIG_BYTES);
	MUST(dure_tx_abort(tx));
	dure_map_close(map);
	MUST(dure_segment_close(segment));
	free(buffer);
}

struct holder {
	dure_segment *segment;
	struct places *places;
	pthread_barrier_t held, kept;
};

static void *hold(void *argument)
{
	struct holder *h = argument;
	void *block;

	MUST(dure_mutex_lock(h->segment, &h->places->locks[2], 0));
	MUST(dure_rwlock_lock(h->segment, &h->places->rwlock, DURE_SHARED, 0));
	MUST(dure_semaphore_take(h->segment, &h->places->semaphore, 2, 0, 0));
	MUST(dure_block_reserve(h->segment, 32, 0, &block));
	MUST(dure_block_keep(h->segment, block));
	pthread_barrier_wait(&h->held);
	pthread_barrier_wait(&h->kept);
	MUST(dure_mutex_unlock(h->segment, &h->places->locks[2]));
	MUST(dure_rwlock_unlock(h->segment, &h->places->rwlock));
	MUST(dure_semaphore_post(h->segment, &h->places->semaphore, 2));
	return NULL;
}

/* Two threads with locks, one of them recursive, one abandoned, and two that they share. */
static void held_locks(void)
{
	struct holder h;
	pthread_t thread;
	void *buffer;

	h.segment = make(&buffer, IMAGE_BYTES);
	h.places = make_places(h.segment);
	MUST(dure_mutex_init(h.segment, &h.places->locks[1], DURE_MUTEX_RECURSIVE));
	MUST(dure_mutex_lock(h.segment, &h.places->locks[0], 0));
	MUST(dure_mutex_lock(h.segment, &h.places->locks[1], 0));
	MUST(dure_mutex_lock(h.segment, &h.places->locks[1], 0));
	MUST(dure_mutex_lock(h.segment, &h.places->locks[3], 0));
	MUST(dure_mutex_abandon(h.segment, &h.places->locks[3]));
	MUST(dure_semaphore_init(h.segment, &h.places->semaphore, 6));
	MUST(dure_semaphore_take(h.segment, &h.places->semaphore, 3, 0, 0));
	MUST(dure_rwlock_init(h.segment, &h.places->rwlock));
	MUST(dure_rwlock_lock(h.segment, &h.places->rwlock, DURE_UPGRADABLE, 0));
	pthread_barrier_init(&h.held, NULL, 2);
	pthread_barrier_init(&h.kept, NULL, 2);
	if (pthread_create(&thread, NULL, hold, &h))
		exit(1);
	pthread_barrier_wait(&h.held);
	keep(buffer, IMAGE_BYTES, IMAGE_BYTES);
	pthread_barrier_wait(&h.kept);
	pthread_join(thread, NULL);
	MUST(dure_mutex_unlock(h.segment, &h.places->locks[1]));
	MUST(dure_mutex_unlock(h.segment, &h.places->locks[1]));
	MUST(dure_mutex_unlock(h.segment, &h.places->locks[0]));
	MUST(dure_semaphore_post(h.segment, &h.places->semaphore, 3));
	MUST(dure_rwlock_unlock(h.segment, &h.places->rwlock));
	MUST(dure_segment_close(h.segment));
	free(buffer);
}

/* A segment of several processes: places taken, pages not yet there, a file that ends early. */
static void shared_file(int is_clean)
{
	struct dure_segment_options o = {
		.sz = sizeof o, .backing = DURE_BACKING_FILE, .size_bytes = 96 * 1024,
		.max_bytes = 128 * 1024, .processes_max = 3, .threads_max = 3,
	};
	static char bytes[512 * 1024];
	char path[] = "/tmp/dure-image-XXXXXX";
	struct dure_segment_info info = { .sz = sizeof info };
	struct places *places;
	dure_segment *segment;
	void *block;
	int fd = mkstemp(path);

	if (fd < 0 || unlink(path) < 0)
		exit(1);
	MUST(dure_segment_open(path, DURE_CREATE, &o, &segment));
	close(fd);
	places = make_places(segment);
	add_objects(segment);
	add_map(segment, "map", 8, 10);
	MUST(dure_mutex_lock(segment, &places->locks[0], 0));
	MUST(dure_block_reserve(segment, 100, 0, &block));
	MUST(dure_segment_info(segment, &info));
	if (is_clean) {
		MUST(dure_mutex_unlock(segment, &places->locks[0]));
		MUST(dure_segment_close(segment));
	}
	FILE *file = fopen(path, "rb");
	size_t count = file ? fread(bytes, 1, sizeof bytes, file) : 0;
	if (!count)
		exit(1);
	fclose(file);
	keep(bytes, count, info.mapped_bytes);
	if (!is_clean) {
		MUST(dure_mutex_unlock(segment, &places->locks[0]));
		MUST(dure_segment_close(segment));
	}
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc != 2 || !(out = fopen(argv[1], "wb"))) {
		fprintf(stderr, "usage: make_images FILE\n");
		return 2;
	}
	empty();
	objects_at_rest();
	maps_at_rest();
	blocks_of_the_dead();
	open_transaction();
	held_locks();
	shared_file(1);
	shared_file(0);
	containers_at_rest();
	put32(0);
	return fclose(out) == 0 ? 0 : 1;
}
