/* SPDX-License-Identifier: MIT */
/* Description: containers in a segment of damaged bytes: an error or not, never a crash or a hang. */
#include "../t.h"

enum { BYTES = 3 << 19, ROUNDS = 3000 };

struct wide {
	uint64_t words[5];
};

static unsigned char sound[BYTES] __attribute__((aligned(4096)));
static unsigned char damaged[BYTES] __attribute__((aligned(4096)));

static dure_segment *open_buffer(void *buffer, uint32_t flags)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .buffer = buffer, .size_bytes = BYTES };
	dure_segment *seg = NULL;

	return dure_segment_open(NULL, flags, &o, &seg) < 0 ? NULL : seg;
}

static size_t name_of(int i, char name[32])
{
	return (size_t)snprintf(name, 32, "a-name-that-is-long-%d", i);
}

static void fill(void)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };
	dure_ordered *numbers, *names;
	dure_string *text;
	dure_vector *v;
	dure_deque *d;
	dure_list *l;
	dure_bitmap *b;
	dure_priority *q;
	char name[32];
	dure_segment *seg = open_buffer(sound, DURE_CREATE);

	assert_non_null(seg);
	T_OK(dure_vector_open(seg, "v", DURE_TYPE(struct wide), DURE_CREATE, NULL, &v));
	T_OK(dure_vector_push_many(v, NULL, 100, NULL));
	T_OK(dure_string_open(seg, "s", DURE_CREATE, &text));
	T_OK(dure_string_set(text, sound, 300));
	T_OK(dure_ordered_open(seg, "numbers", DURE_CREATE, &o, &numbers));
	T_OK(dure_ordered_open(seg, "names", DURE_CREATE, NULL, &names));
	for (uint64_t i = 0; i < 300; i++) {
		T_OK(dure_ordered_put(numbers, &i, sizeof i, &i));
		T_OK(dure_ordered_put(names, name, name_of((int)i, name), &i));
	}
	T_OK(dure_list_open(seg, "l", DURE_TYPE(struct wide), DURE_CREATE, NULL, &l));
	for (int i = 0; i < 200; i++)
		T_OK(dure_list_push_back(l, NULL, NULL));
	T_OK(dure_deque_open(seg, "d", DURE_TYPE(struct wide), DURE_CREATE, NULL, &d));
	for (int i = 0; i < 300; i++)
		T_OK(i % 2 ? dure_deque_push_back(d, NULL) : dure_deque_push_front(d, NULL));
	T_OK(dure_bitmap_open(seg, "b", DURE_CREATE, &b));
	T_OK(dure_bitmap_resize(b, 20000));
	T_OK(dure_bitmap_set_range(b, 0, 19000));
	T_OK(dure_priority_open(seg, "q", DURE_TYPE(struct wide), DURE_CREATE, NULL, &q));
	for (uint64_t i = 0; i < 60; i++)
		T_OK(dure_priority_push(q, &(uint64_t){ i * 7919 % 100 }, NULL, NULL));
	dure_priority_close(q);
	dure_bitmap_close(b);
	dure_deque_close(d);
	dure_vector_close(v);
	dure_list_close(l);
	dure_string_close(text);
	dure_ordered_close(numbers);
	dure_ordered_close(names);
	T_OK(dure_segment_close(seg));
}

/* Changes a word here and there, most of them in what the containers are made of. */
static void damage(void)
{
	memcpy(damaged, sound, BYTES);
	for (int n = 1 + rand() % 12; n-- > 0;) {
		uint64_t at = (uint64_t)rand() % (BYTES / 8), word, *to = (void *)(damaged + at * 8);
		for (int tries = 0; *to == 0 && tries < 1000; tries++, at = (uint64_t)rand() % (BYTES / 8))
			to = (void *)(damaged + at * 8);
		switch (rand() % 6) {
		case 0:
			word = (uint64_t)rand() << 33 ^ (uint64_t)rand();
			break;
		case 1:
			word = UINT64_MAX;
			break;
		case 2:
			word = *to ^ UINT64_C(1) << rand() % 64;
			break;
		case 3:
			word = (uint64_t)rand() % (BYTES / 64) * 64;
			break;
		case 4:
			word = *(uint64_t *)(void *)(damaged + (uint64_t)rand() % (BYTES / 8) * 8);
			break;
		default:
			word = *to + (uint64_t)(rand() % 64) * 8;
		}
		if (at * 8 >= 4096)	/* the head is tried elsewhere */
			*to = word;
	}
}

static int stop_late(const void *key, size_t key_bytes, const void *value, void *context)
{
	unsigned char byte = key_bytes ? ((const unsigned char *)key)[key_bytes - 1] : 0;

	*(unsigned *)context += byte + *(const unsigned char *)value;
	return 0;
}

static void use_ordered(dure_segment *seg, const char *name, bool is_integer)
{
	struct dure_ordered_options o = { .sz = sizeof o,
					  .flags = is_integer ? DURE_ORDERED_INTEGER : 0 };
	struct dure_range down = { .sz = sizeof down, .flags = DURE_RANGE_DESCENDING };
	dure_ordered *map;
	unsigned sum = 0;
	uint64_t value = 1;
	char key[32];

	if (dure_ordered_open(seg, name, DURE_OPEN, &o, &map) < 0)
		return;
	(void)dure_ordered_visit(map, NULL, stop_late, &sum);
	(void)dure_ordered_visit(map, &down, stop_late, &sum);
	for (uint64_t i = 0; i < 400; i += 7) {
		const void *k = is_integer ? (void *)&i : (void *)key;
		size_t bytes = is_integer ? sizeof i : name_of((int)i, key);
		(void)dure_ordered_get(map, k, bytes, &value);
		if (i % 3)
			(void)dure_ordered_put(map, k, bytes, &value);
		else
			(void)dure_ordered_remove(map, k, bytes);
	}
	dure_ordered_close(map);
	(void)dure_ordered_destroy(seg, name);
}

static void use_vector(dure_segment *seg)
{
	struct wide w = { .words = { 0 } };
	dure_vector *v;

	if (dure_vector_open(seg, "v", DURE_TYPE(struct wide), DURE_OPEN, NULL, &v) < 0)
		return;
	for (uint64_t i = 0; i < 120; i += 5) {
		(void)dure_vector_get(v, i, &w);
		(void)dure_vector_set(v, i, &w);
		(void)dure_vector_push(v, &w, NULL);
	}
	(void)dure_vector_pop(v, &w);
	(void)dure_vector_resize(v, 20);
	(void)dure_vector_trim(v);
	dure_vector_close(v);
	(void)dure_vector_destroy(seg, "v");
}

static void use_bitmap(dure_segment *seg)
{
	uint64_t bit = 0;
	dure_bitmap *b;

	if (dure_bitmap_open(seg, "b", DURE_OPEN, &b) < 0)
		return;
	for (uint64_t i = 0; i < 20000; i += 800) {
		(void)dure_bitmap_test(b, i);
		(void)dure_bitmap_clear(b, i);
		(void)dure_bitmap_allocate(b, i, &bit);
		(void)dure_bitmap_clear_range(b, i, 100);
		(void)dure_bitmap_find_set(b, i, &bit);
		(void)dure_bitmap_count(b, i, UINT64_MAX, &bit);
	}
	(void)dure_bitmap_resize(b, 30000);
	(void)dure_bitmap_resize(b, 100);
	dure_bitmap_close(b);
	(void)dure_bitmap_destroy(seg, "b");
}

static void use_priority(dure_segment *seg)
{
	struct dure_priority_handle handle = { 0, 0 };
	uint64_t key = 0;
	dure_priority *q;
	struct wide w;

	if (dure_priority_open(seg, "q", DURE_TYPE(struct wide), DURE_OPEN, NULL, &q) < 0)
		return;
	memset(&w, 0, sizeof w);
	for (uint64_t i = 0; i < 40; i++) {
		(void)dure_priority_peek(q, &key, &w);
		(void)dure_priority_push(q, &i, &w, &handle);
		(void)dure_priority_pop(q, &key, &w);
		(void)dure_priority_change(q, handle, &key);
		(void)dure_priority_get(q, (struct dure_priority_handle){ i, i + 1 }, &key, &w);
		(void)dure_priority_remove(q, (struct dure_priority_handle){ i, i + 1 });
	}
	dure_priority_close(q);
	(void)dure_priority_destroy(seg, "q");
}

static void use_deque(dure_segment *seg)
{
	uint64_t count;
	struct wide w, many[20];
	dure_deque *d;

	if (dure_deque_open(seg, "d", DURE_TYPE(struct wide), DURE_OPEN, NULL, &d) < 0)
		return;
	(void)dure_deque_front(d, &w);
	for (uint64_t i = 0; i < 300; i += 12) {
		(void)dure_deque_get_many(d, i, 20, many, &count);
		(void)dure_deque_set(d, i, &many[0]);
		(void)dure_deque_push_back(d, &w);
		(void)dure_deque_pop_front(d, &w);
		(void)dure_deque_at(d, i, &count);
	}
	for (int i = 0; i < 200; i++)
		(void)dure_deque_push_front(d, &w);
	(void)dure_deque_pop_back(d, &w);
	dure_deque_close(d);
	(void)dure_deque_destroy(seg, "d");
}

static int count_element(void *at, const void *element, void *context)
{
	(void)at;
	(void)element;
	return ++*(unsigned *)context > BYTES;
}

static void use_list(dure_segment *seg)
{
	unsigned visited = 0;
	struct wide w;
	dure_list *l;
	void *at;

	if (dure_list_open(seg, "l", DURE_TYPE(struct wide), DURE_OPEN, NULL, &l) < 0)
		return;
	assert_true(dure_list_visit(l, 0, count_element, &visited) <= 0);
	assert_true(dure_list_visit(l, DURE_LIST_BACKWARDS, count_element, &visited) <= 0);
	for (int r = dure_list_first(l, &at), n = 0; r == 0 && n < 20; n++) {
		(void)dure_list_get(l, at, &w);
		(void)dure_list_set(l, at, &w);
		(void)dure_list_insert(l, at, &w, NULL);
		if (n % 3 == 0)
			(void)dure_list_erase(l, at);
		r = dure_list_next(l, at, &at);
	}
	(void)dure_list_pop_back(l, &w);
	(void)dure_list_pop_front(l, &w);
	if (dure_list_last(l, &at) == 0)
		(void)dure_list_splice(l, NULL, l, at, at);
	dure_list_close(l);
	(void)dure_list_destroy(seg, "l");
}

static void use_string(dure_segment *seg)
{
	static char buffer[BYTES];
	dure_string *s;
	size_t bytes;

	if (dure_string_open(seg, "s", DURE_OPEN, &s) < 0)
		return;
	(void)dure_string_get(s, buffer, sizeof buffer, &bytes);
	(void)dure_string_read(s, 100, buffer, 100, &bytes);
	(void)dure_string_append(s, buffer, 100);
	(void)dure_string_set(s, buffer, 10);
	dure_string_close(s);
	(void)dure_string_destroy(seg, "s");
}

static void damaged_containers(void **state)
{
	unsigned opened = 0, seen = 0;

	(void)state;
	fill();
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		damage();
		dure_segment *seg = open_buffer(damaged, DURE_OPEN);
		if (!seg)
			continue;
		opened++;
		seen += dure_segment_check(seg, NULL, NULL, NULL) == 2;
		use_ordered(seg, "numbers", true);
		use_ordered(seg, "names", false);
		use_vector(seg);
		use_list(seg);
		use_priority(seg);
		use_bitmap(seg);
		use_deque(seg);
		use_string(seg);
		(void)dure_segment_check(seg, NULL, NULL, NULL);
		(void)dure_thread_detach(seg);
		(void)dure_segment_close(seg);
	}
	print_message("%u opened, %u of them seen to be damaged\n", opened, seen);
	assert_true(opened > ROUNDS / 2 && seen > ROUNDS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
