/* SPDX-License-Identifier: MIT */
/* Description: ordered maps, multimaps and sets agree with sorted arrays in every ordering. */
#include <math.h>

#include "../t.h"

static dure_segment *seg;

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

/* the longer first, then backwards: nothing that memcmp would do */
static int by_length(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context)
{
	(void)context;
	if (a_bytes != b_bytes)
		return a_bytes > b_bytes ? -1 : 1;
	return memcmp(b, a, a_bytes);
}

static int compare_nocase(const void *a, size_t a_bytes, const void *b, size_t b_bytes,
			  void *context)
{
	int r = strncasecmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	(void)context;
	return r ? r : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context)
{
	int r = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	(void)context;
	return r ? r : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_signed(const void *a, size_t a_bytes, const void *b, size_t b_bytes,
			  void *context)
{
	int64_t x, y;

	(void)context;
	assert_true(a_bytes == 8 && b_bytes == 8);
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (x > y) - (x < y);
}

static int compare_unsigned(const void *a, size_t a_bytes, const void *b, size_t b_bytes,
			    void *context)
{
	uint64_t x, y;

	(void)context;
	assert_true(a_bytes == 8 && b_bytes == 8);
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return (x > y) - (x < y);
}

/* IEEE 754, totalOrder: by sign, then as numbers; NaNs outside of the infinite ones */
static int compare_doubles(const void *a, size_t a_bytes, const void *b, size_t b_bytes,
			   void *context)
{
	double x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	if (!!signbit(x) != !!signbit(y))
		return signbit(x) ? -1 : 1;
	if (isnan(x) || isnan(y) || x == y) {
		int r = compare_unsigned(a, a_bytes, b, b_bytes, context);
		return signbit(x) ? -r : r;
	}
	return x < y ? -1 : 1;
}

static const struct kind {
	const char *ordering;
	dure_ordering_function compare;
	bool is_number;
} kinds[] = {
	{ "bytes", compare_bytes, false },     { "nocase", compare_nocase, false },
	{ "by length", by_length, false },     { "unsigned", compare_unsigned, true },
	{ "signed", compare_signed, true },    { "double", compare_doubles, true },
};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds, KEYS = 300, KEY_MAX = 40, ENTRIES = 900 };

/* -- a plain model: entries in order ------------------------------------------------------ */

struct entry {
	size_t bytes;
	char key[KEY_MAX];
	uint64_t value;
};

static struct entry model[ENTRIES], before[ENTRIES];
static unsigned model_count, before_count;
static const struct kind *kind;

static size_t make_key(unsigned number, char *key)
{
	static const double odd[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, -NAN, 1e-320, -1e-320 };
	uint64_t word = number * UINT64_C(0x9e3779b97f4a7c15);
	double d = (double)(int64_t)word / 1e9;

	if (!kind->is_number)
		return (size_t)sprintf(key, "%s%.*s%c%03u", number % 2 ? "Prefix-" : "",
				       (int)(number % 20), "xxxxxxxxxxxxxxxxxxxxxxxx",
				       number % 3 ? 'a' + (int)(number % 26) : 'A' + (int)(number % 26),
				       number);
	if (strcmp(kind->ordering, "double") == 0) {
		if (number < sizeof odd / sizeof *odd)
			d = odd[number];
		memcpy(&word, &d, sizeof word);
	}
	memcpy(key, &word, sizeof word);
	return sizeof word;
}

/* the first entry that is not below the key; *ret_equal: entries from there on that are equal */
static unsigned find(const char *key, size_t bytes, unsigned *ret_equal)
{
	unsigned at = 0;

	while (at < model_count &&
	       kind->compare(model[at].key, model[at].bytes, key, bytes, NULL) < 0)
		at++;
	*ret_equal = 0;
	while (at + *ret_equal < model_count &&
	       kind->compare(model[at + *ret_equal].key, model[at + *ret_equal].bytes, key, bytes,
			     NULL) == 0)
		++*ret_equal;
	return at;
}

static void model_insert(unsigned at, const char *key, size_t bytes, uint64_t value)
{
	memmove(&model[at + 1], &model[at], (model_count++ - at) * sizeof *model);
	model[at].bytes = bytes;
	memcpy(model[at].key, key, bytes);
	model[at].value = value;
}

static void model_remove(unsigned at, unsigned count)
{
	model_count -= count;
	memmove(&model[at], &model[at + count], (model_count - at) * sizeof *model);
}

struct sight {
	unsigned at, left;
	int step;
	bool has_values;
};

static int see(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	uint64_t number;

	assert_true(s->left-- > 0);
	assert_int_equal(key_bytes, model[s->at].bytes);
	assert_memory_equal(key, model[s->at].key, key_bytes);
	if (s->has_values) {
		memcpy(&number, value, sizeof number);
		assert_int_equal(number, model[s->at].value);
	}
	s->at += (unsigned)s->step;
	return 0;
}

static void check_all(dure_ordered *map, bool has_values)
{
	struct dure_range down = { .sz = sizeof down, .flags = DURE_RANGE_DESCENDING };
	struct sight s = { .left = model_count, .step = 1, .has_values = has_values };

	T_OK(dure_ordered_visit(map, NULL, see, &s));
	assert_int_equal(s.left, 0);
	assert_int_equal(dure_ordered_count(map), model_count);
	s = (struct sight){ .at = model_count - 1, .left = model_count, .step = -1,
			    .has_values = has_values };
	T_OK(dure_ordered_visit(map, &down, see, &s));
	assert_int_equal(s.left, 0);
}

static void check_equal_range(dure_ordered *map, const char *key, size_t bytes, bool has_values)
{
	unsigned equal, at = find(key, bytes, &equal);
	struct dure_range range = { .sz = sizeof range, .low = key, .low_bytes = bytes, .high = key,
				    .high_bytes = bytes, .flags = DURE_RANGE_WITH_HIGH };
	struct sight s = { .at = at, .left = equal, .step = 1, .has_values = has_values };

	T_OK(dure_ordered_visit(map, &range, see, &s));
	assert_int_equal(s.left, 0);
	range.flags = 0;			/* all of them are the upper end, which is left out */
	s.left = 0;
	T_OK(dure_ordered_visit(map, &range, see, &s));
	range.high = NULL;
	range.flags = DURE_RANGE_ABOVE_LOW;
	s = (struct sight){ .at = at + equal, .left = model_count - at - equal, .step = 1,
			    .has_values = has_values };
	T_OK(dure_ordered_visit(map, &range, see, &s));
	assert_int_equal(s.left, 0);
	range = (struct dure_range){ .sz = sizeof range, .high = key, .high_bytes = bytes,
				     .flags = DURE_RANGE_DESCENDING | DURE_RANGE_WITH_HIGH };
	s = (struct sight){ .at = at + equal - 1, .left = at + equal, .step = -1,
			    .has_values = has_values };
	T_OK(dure_ordered_visit(map, &range, see, &s));
	assert_int_equal(s.left, 0);
}

static void put(dure_ordered *map, const char *key, size_t bytes, bool is_multi, uint64_t value)
{
	unsigned equal, at = find(key, bytes, &equal);

	if (model_count == ENTRIES)
		return;
	T_IS(dure_ordered_put(map, key, bytes, &value), equal && !is_multi ? 0 : DURE_CREATED);
	if (equal && !is_multi)
		model_remove(at, 1);
	model_insert(is_multi ? at + equal : at, key, bytes, value);
}

static void remove_one(dure_ordered *map, const char *key, size_t bytes)
{
	unsigned equal, at = find(key, bytes, &equal);

	T_IS(dure_ordered_remove(map, key, bytes), equal ? 0 : -ENOENT);
	model_remove(at, equal ? 1 : 0);
}

static void remove_all(dure_ordered *map, const char *key, size_t bytes)
{
	unsigned equal, at = find(key, bytes, &equal);
	uint64_t count = 77;

	T_IS(dure_ordered_remove_all(map, key, bytes, &count), equal ? 0 : -ENOENT);
	assert_int_equal(count, equal ? equal : 77);
	model_remove(at, equal);
}

static void get(dure_ordered *map, const char *key, size_t bytes, bool has_values)
{
	unsigned equal, at = find(key, bytes, &equal);
	uint64_t value = 0;

	T_IS(dure_ordered_get(map, key, bytes, has_values ? &value : NULL), equal ? 0 : -ENOENT);
	if (has_values && equal)
		assert_int_equal(value, model[at].value);
}

static void step_tx(dure_tx **tx)
{
	if (!*tx) {
		T_OK(dure_tx_begin(seg, tx));
		memcpy(before, model, sizeof model);
		before_count = model_count;
	} else if (rand() % 8 == 0) {
		bool commits = rand() % 2;
		T_OK(commits ? dure_tx_commit(*tx) : dure_tx_abort(*tx));
		if (!commits) {
			memcpy(model, before, sizeof model);
			model_count = before_count;
		}
		*tx = NULL;
	}
}

/* Random operations, in and outside of transactions; it fills and empties again and again. */
static void agree(dure_ordered *map, bool is_multi, bool has_values)
{
	dure_tx *tx = NULL;
	char key[KEY_MAX];

	model_count = 0;
	for (unsigned i = 0; i < 12000; i++) {
		unsigned keys = is_multi ? KEYS / 12 : KEYS;
		size_t bytes = make_key((unsigned)rand() % keys, key);
		bool fills = i / 1500 % 2 == 0;
		switch (rand() % 8) {
		case 0:
		case 1:
		case 2:
			if (fills || rand() % 6 == 0)
				put(map, key, bytes, is_multi, i);
			break;
		case 3:
		case 4:
			if (!fills || rand() % 6 == 0)
				remove_one(map, key, bytes);
			break;
		case 5:
			if (rand() % 12 == 0)
				remove_all(map, key, bytes);
			break;
		case 6:
			step_tx(&tx);
			break;
		default:
			get(map, key, bytes, has_values);
			check_equal_range(map, key, bytes, has_values);
		}
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	check_all(map, has_values);
	t_clean(seg);
}

static void all_kinds_agree_with_a_model(void **state)
{
	uint64_t live = 0;

	(void)state;
	srand(7);
	T_OK(dure_ordering_register(seg, "by length", by_length, NULL));
	for (unsigned i = 0; i < KIND_COUNT * 4; i++) {
		struct dure_ordered_options o = { .sz = sizeof o };
		dure_ordered *map;
		kind = &kinds[i / 4];
		o.ordering = kind->ordering;
		o.flags = i & 1 ? DURE_ORDERED_MULTI : 0;
		o.value_bytes = i & 2 ? DURE_ORDERED_NO_VALUE : 8;
		T_IS(dure_ordered_open(seg, "map", DURE_CREATE, &o, &map), DURE_CREATED);
		agree(map, i & 1, !(i & 2));
		dure_ordered_close(map);
		T_OK(dure_ordered_destroy(seg, "map"));
		if (i == 0)
			live = t_live_blocks(seg);
		assert_int_equal(t_live_blocks(seg), live);
	}
}

/* More entries than one leaf has, all with one key: the first is found, the order stays. */
static void many_equal_keys(void **state)
{
	struct dure_ordered_options o = { .sz = sizeof o, .value_bytes = 8,
					  .flags = DURE_ORDERED_MULTI | DURE_ORDERED_INTEGER };
	struct dure_range one = { .sz = sizeof one, .flags = DURE_RANGE_WITH_HIGH };
	uint64_t key = 5, value;
	dure_ordered *map;

	(void)state;
	kind = &kinds[3];
	model_count = 0;
	T_OK(dure_ordered_open(seg, "map", DURE_CREATE, &o, &map));
	for (uint64_t i = 0; i < 300; i++) {
		uint64_t around = i % 2 ? 4 : 6;
		T_IS(dure_ordered_put(map, &key, 8, &i), DURE_CREATED);
		T_IS(dure_ordered_put(map, &around, 8, &i), DURE_CREATED);
		model_insert((unsigned)i, (const char *)&key, 8, i);
	}
	one.low = one.high = &key;
	one.low_bytes = one.high_bytes = 8;
	struct sight s = { .left = 300, .step = 1, .has_values = true };
	T_OK(dure_ordered_visit(map, &one, see, &s));
	assert_int_equal(s.left, 0);
	T_IS(dure_ordered_insert(map, &key, 8, &key), -EEXIST);
	for (uint64_t i = 0; i < 100; i++) {
		T_OK(dure_ordered_get(map, &key, 8, &value));
		assert_int_equal(value, i);
		T_OK(dure_ordered_remove(map, &key, 8));
	}
	T_OK(dure_ordered_remove_all(map, &key, 8, &value));
	assert_int_equal(value, 200);
	assert_int_equal(dure_ordered_count(map), 300);
	T_IS(dure_ordered_get(map, &key, 8, &value), -ENOENT);
	dure_ordered_close(map);
}

static int other(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context)
{
	return by_length(b, b_bytes, a, a_bytes, context);
}

static void registering(void **state)
{
	struct dure_ordered_options o = { .sz = sizeof o, .ordering = "by length" };
	char longest[65];
	dure_ordered *map;

	(void)state;
	memset(longest, 'x', 64);
	longest[64] = '\0';
	T_FAILS(dure_ordered_open(seg, "map", DURE_CREATE, &o, &map), -ENOSYS, "register");
	T_IS(dure_ordering_register(seg, "", by_length, NULL), -EINVAL);
	T_IS(dure_ordering_register(seg, NULL, by_length, NULL), -EINVAL);
	T_IS(dure_ordering_register(seg, longest, by_length, NULL), -EINVAL);
	T_IS(dure_ordering_register(seg, longest + 1, by_length, NULL), 0);
	T_IS(dure_ordering_register(seg, "x", NULL, NULL), -EINVAL);
	T_IS(dure_ordering_register(NULL, "x", by_length, NULL), -EINVAL);
	T_FAILS(dure_ordering_register(seg, "signed", by_length, NULL), -EEXIST, "built in");
	T_OK(dure_ordering_register(seg, "by length", by_length, NULL));
	T_OK(dure_ordering_register(seg, "by length", by_length, NULL));
	T_FAILS(dure_ordering_register(seg, "by length", other, NULL), -EEXIST, "by length");
	o.flags = DURE_ORDERED_INTEGER;
	T_FAILS(dure_ordered_open(seg, "map", DURE_CREATE, &o, &map), -EINVAL, "numbers");
	o.ordering = "nocase";
	T_IS(dure_ordered_open(seg, "map", DURE_CREATE, &o, &map), -EINVAL);
}

/* What the map says is what counts, and what this process has registered. */
static void opening(void **state)
{
	struct dure_ordered_options o = { .sz = sizeof o, .ordering = "by length",
					  .value_bytes = DURE_ORDERED_NO_VALUE,
					  .flags = DURE_ORDERED_MULTI };
	struct dure_ordered_options any = { .sz = sizeof any, .flags = DURE_ORDERED_ANY };
	struct dure_ordered_options is = { .sz = sizeof is };
	dure_ordered *map, *same;
	dure_segment *again;

	(void)state;
	T_OK(dure_ordering_register(seg, "by length", by_length, NULL));
	T_IS(dure_ordered_open(seg, "map", DURE_CREATE, &any, &map), -EINVAL);
	T_OK(dure_ordered_open(seg, "map", DURE_CREATE, &o, &map));
	T_OK(dure_ordered_open(seg, "map", DURE_OPEN, &any, &same));
	T_OK(dure_ordered_describe(same, &is));
	assert_string_equal(is.ordering, "by length");
	assert_true(is.flags == DURE_ORDERED_MULTI && is.value_bytes == DURE_ORDERED_NO_VALUE);
	dure_ordered_close(same);
	T_OK(dure_ordered_open(seg, "map", DURE_OPEN, &is, &same));
	T_OK(dure_ordered_put(same, "a", 1, NULL));
	T_OK(dure_ordered_put(same, "bb", 2, NULL));
	dure_ordered_close(same);
	o.flags = 0;
	T_FAILS(dure_ordered_open(seg, "map", DURE_OPEN, &o, &same), -EINVAL, "multimap");
	o.flags = DURE_ORDERED_MULTI;
	o.ordering = NULL;
	T_FAILS(dure_ordered_open(seg, "map", DURE_OPEN, &o, &same), -EINVAL, "by length");
	dure_ordered_close(map);

	T_OK(dure_segment_open(t_name(), DURE_OPEN, NULL, &again));
	T_FAILS(dure_ordered_open(again, "map", DURE_OPEN, &o, &same), -ENOSYS, "by length");
	T_FAILS(dure_ordered_open(again, "map", DURE_OPEN, &any, &same), -ENOSYS, "by length");
	T_OK(dure_ordered_destroy(again, "map"));	/* which compares nothing */
	T_OK(dure_segment_close(again));
}

static int count(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)value;
	*(size_t *)context += key_bytes;
	return 0;
}

static void hash_sets(void **state)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = DURE_MAP_NO_VALUE };
	size_t bytes = 0;
	dure_map *set, *map;

	(void)state;
	T_OK(dure_map_open(seg, "set", DURE_CREATE, &o, &set));
	assert_int_equal(dure_map_value_bytes(set), 0);
	T_IS(dure_map_put(set, "one", 3, NULL), DURE_CREATED);
	T_IS(dure_map_put(set, "one", 3, NULL), 0);
	T_IS(dure_map_insert(set, "one", 3, NULL), -EEXIST);
	T_IS(dure_map_insert(set, "seven", 5, NULL), DURE_CREATED);
	T_IS(dure_map_get(set, "one", 3, NULL), 0);
	T_IS(dure_map_get(set, "two", 3, NULL), -ENOENT);
	T_FAILS(dure_map_add(set, "one", 3, 1, NULL), -EINVAL, "counters");
	T_OK(dure_map_each(set, count, &bytes));
	assert_int_equal(bytes, 8);
	T_IS(dure_map_remove(set, "one", 3), 0);
	assert_int_equal(dure_map_count(set), 1);
	T_FAILS(dure_map_open(seg, "set", DURE_OPEN, NULL, &map), -EINVAL, "0 bytes");
	T_OK(dure_map_open(seg, "map", DURE_CREATE, NULL, &map));
	dure_map_close(map);
	T_IS(dure_map_open(seg, "map", DURE_OPEN, &o, &map), -EINVAL);
	dure_map_close(set);
	T_OK(dure_map_destroy(seg, "set"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(all_kinds_agree_with_a_model),
		TEST(many_equal_keys),
		TEST(registering),
		TEST(opening),
		TEST(hash_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
