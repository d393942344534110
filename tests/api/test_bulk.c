/* SPDX-License-Identifier: MIT */
/* Description: maps that are built, copied, merged and cleared at once are as if put one by one. */
#include "../t.h"

static dure_segment *seg;
static uint64_t live;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_finish(seg);
	return 0;
}

/* Number i of an ascending list; as many digits as all have, or bytes. */
struct source {
	uint64_t at, count, wrong_at, fails_at;
	bool is_number, is_equal;
	char key[48];
	uint64_t word, value;
};

static int next(const void **key, size_t *key_bytes, const void **value, void *context)
{
	struct source *s = context;
	uint64_t i = s->at++;

	if (i == s->count)
		return 0;
	if (s->fails_at && i == s->fails_at)
		return -EIO;
	s->value = i;
	s->word = s->is_equal ? i / 7 : i * 3;
	if (s->wrong_at && i == s->wrong_at)
		s->word -= 3;
	*key_bytes = s->is_number ? 8 : (size_t)sprintf(s->key, "a-long-beginning-%09d", (int)s->word);
	*key = s->is_number ? (const void *)&s->word : s->key;
	*value = &s->value;
	return 1;
}

struct sight {
	struct source source;
	bool has_values;
};

static int see(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	const void *k, *v;
	size_t bytes;

	assert_int_equal(next(&k, &bytes, &v, &s->source), 1);
	assert_int_equal(bytes, key_bytes);
	assert_memory_equal(k, key, bytes);
	if (s->has_values)
		assert_memory_equal(v, value, 8);
	return 0;
}

static void check(dure_ordered *map, struct source source, bool has_values)
{
	struct sight s = { source, has_values };

	T_OK(dure_ordered_visit(map, NULL, see, &s));
	assert_int_equal(s.source.at, source.count);
	assert_int_equal(dure_ordered_count(map), source.count);
	t_clean(seg);
}

static dure_ordered *open_map(const char *name, uint32_t flags, bool has_values)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = flags };
	dure_ordered *map;

	o.value_bytes = has_values ? 8 : DURE_ORDERED_NO_VALUE;
	T_OK(dure_ordered_open(seg, name, DURE_CREATE | DURE_OPEN, &o, &map));
	return map;
}

/* What is built can be changed in any way, and leaves nothing behind. */
static void change(dure_ordered *map, bool is_number)
{
	struct source s = { .count = 0, .is_number = is_number };
	char key[48];

	for (int i = 0; i < 3000; i++) {
		uint64_t word = (uint64_t)rand() % 1500, value = 1;
		size_t bytes = is_number ? 8 : (size_t)sprintf(key, "a-long-beginning-%09d", (int)word);
		const void *k = is_number ? (const void *)&word : key;
		int r = rand() % 2 ? dure_ordered_put(map, k, bytes, &value)
				   : dure_ordered_remove(map, k, bytes);
		assert_true(r >= 0 || r == -ENOENT);
	}
	t_clean(seg);
	T_OK(dure_ordered_clear(map));
	check(map, s, true);
}

static void built_as_if_put(void **state)
{
	static const uint64_t counts[] = { 1, 12, 13, 14, 26, 27, 168, 169, 170, 183, 2196, 2198, 30000 };

	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		bool is_number = kind & 1, is_multi = kind & 2, has_values = !(kind & 4);
		uint32_t flags = (is_number ? DURE_ORDERED_INTEGER : 0) | (is_multi ? DURE_ORDERED_MULTI : 0);
		dure_ordered *map = open_map("map", flags, has_values);
		live = t_live_blocks(seg);
		for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
			struct source s = { .count = counts[i], .is_number = is_number,
					    .is_equal = is_multi };
			struct source again = s;
			T_OK(dure_ordered_build(map, next, &s));
			check(map, again, has_values);
			if (i % 3 == 0)
				change(map, is_number);
			else
				T_OK(dure_ordered_clear(map));
			assert_int_equal(t_live_blocks(seg), live);
		}
		dure_ordered_close(map);
		T_OK(dure_ordered_destroy(seg, "map"));
	}
}

static void nothing_or_all(void **state)
{
	struct source s = { .count = 3000, .wrong_at = 2500 }, none = { .count = 0 };
	dure_ordered *map = open_map("map", 0, true);
	dure_tx *tx;

	(void)state;
	live = t_live_blocks(seg);
	T_FAILS(dure_ordered_build(map, next, &s), -EINVAL, "2501");
	assert_int_equal(t_live_blocks(seg), live);
	s = (struct source){ .count = 3000, .fails_at = 2000 };
	T_IS(dure_ordered_build(map, next, &s), -EIO);
	s = (struct source){ .count = 1000000 };
	T_IS(dure_ordered_build(map, next, &s), -ENOSPC);
	assert_int_equal(t_live_blocks(seg), live);
	s = none;
	T_OK(dure_ordered_build(map, next, &s));
	check(map, none, true);
	T_OK(dure_tx_begin(seg, &tx));
	s = (struct source){ .count = 100 };
	T_OK(dure_ordered_build(map, next, &s));
	T_OK(dure_tx_abort(tx));
	check(map, none, true);
	assert_int_equal(t_live_blocks(seg), live);
	T_OK(dure_tx_begin(seg, &tx));
	s = (struct source){ .count = 100 };
	T_OK(dure_ordered_build(map, next, &s));
	T_OK(dure_tx_commit(tx));
	s = (struct source){ .count = 100 };
	check(map, s, true);
	T_FAILS(dure_ordered_build(map, next, &s), -EEXIST, "100 entries");
	assert_int_equal(s.at, 0);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_ordered_clear(map));
	assert_int_equal(dure_ordered_count(map), 0);
	T_OK(dure_tx_abort(tx));
	check(map, s, true);
	dure_ordered_close(map);
}

/* The source puts into the map that is being built: what is built then is not empty any more. */
static int spoil(const void **key, size_t *key_bytes, const void **value, void *context)
{
	struct source s = { .count = 1 };
	int r = next(key, key_bytes, value, &s);

	T_OK(dure_ordered_put(context, "z", 1, *value));
	*key = "y";
	*key_bytes = 1;
	return r > 0 ? 1 : r;
}

static int spoil_once(const void **key, size_t *key_bytes, const void **value, void *context)
{
	if (dure_ordered_count(context))
		return 0;
	return spoil(key, key_bytes, value, context);
}

static void meanwhile(void **state)
{
	dure_ordered *map = open_map("map", 0, true);

	(void)state;
	live = t_live_blocks(seg);
	T_IS(dure_ordered_build(map, spoil_once, map), -EEXIST);
	assert_int_equal(dure_ordered_count(map), 1);
	T_OK(dure_ordered_clear(map));
	assert_int_equal(t_live_blocks(seg), live);
	dure_ordered_close(map);
}

static void copied_and_merged(void **state)
{
	struct dure_segment_options o = t_options(64 << 20);
	struct source s = { .count = 5000 }, all = s;
	dure_ordered *map = open_map("map", 0, true), *other, *set = open_map("set", 0, false);
	dure_segment *second, *ours = seg;
	uint64_t value = 77;

	(void)state;
	T_OK(dure_ordered_build(map, next, &s));
	o.backing = DURE_BACKING_MEMORY_FILE;
	T_OK(dure_segment_open(NULL, DURE_CREATE, &o, &second));
	seg = second;
	other = open_map("other", 0, true);
	T_OK(dure_ordered_copy(other, map));
	check(other, all, true);
	T_IS(dure_ordered_copy(other, map), -EEXIST);
	T_OK(dure_ordered_put(other, "zz", 2, &value));
	T_OK(dure_ordered_put(map, "a-long-beginning-000000000", 26, &value));
	T_OK(dure_ordered_merge(other, map));
	assert_int_equal(dure_ordered_count(other), 5001);
	value = 0;
	T_OK(dure_ordered_get(other, "a-long-beginning-000000000", 26, &value));
	assert_int_equal(value, 77);
	T_FAILS(dure_ordered_copy(map, map), -EINVAL, "itself");
	T_FAILS(dure_ordered_merge(map, map), -EINVAL, "itself");
	T_FAILS(dure_ordered_merge(set, map), -EINVAL, "values");
	dure_ordered_close(other);
	T_OK(dure_segment_close(second));
	seg = ours;
	dure_ordered_close(map);
	dure_ordered_close(set);
}

static void hash_maps(void **state)
{
	struct dure_map_options small = { .sz = sizeof small, .partitions = 2 };
	dure_map *map, *from;
	uint64_t before, value;
	dure_tx *tx;

	(void)state;
	T_OK(dure_map_open(seg, "map", DURE_CREATE, NULL, &map));
	T_OK(dure_map_open(seg, "from", DURE_CREATE, &small, &from));
	T_OK(dure_map_reserve(map, 0));
	T_OK(dure_map_reserve(map, 10000));
	T_OK(dure_map_reserve(map, 10));
	T_FAILS(dure_map_reserve(map, UINT64_MAX), -ENOSPC, "");
	before = t_live_blocks(seg);
	for (uint64_t i = 0; i < 10000; i++)
		T_IS(dure_map_put(map, &i, 8, &i), DURE_CREATED);
	assert_int_equal(t_live_blocks(seg), before + 10000);	/* entries alone: no table grew */
	for (uint64_t i = 9000; i < 12000; i++) {
		value = i + 1;
		T_OK(dure_map_put(from, &i, 8, &value));
	}
	T_OK(dure_map_merge(map, from));
	assert_int_equal(dure_map_count(map), 12000);
	for (uint64_t i = 0; i < 12000; i++) {
		T_OK(dure_map_get(map, &i, 8, &value));
		assert_int_equal(value, i < 9000 ? i : i + 1);
	}
	T_FAILS(dure_map_merge(map, map), -EINVAL, "itself");
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_map_clear(map), -EDEADLK, "transaction");
	T_OK(dure_tx_abort(tx));
	T_OK(dure_map_clear(map));
	T_OK(dure_map_clear(map));
	assert_int_equal(dure_map_count(map), 0);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_map_merge(map, from));
	T_OK(dure_tx_abort(tx));
	assert_int_equal(dure_map_count(map), 0);
	dure_map_close(map);
	dure_map_close(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(built_as_if_put),
		TEST(nothing_or_all),
		TEST(meanwhile),
		TEST(copied_and_merged),
		TEST(hash_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
