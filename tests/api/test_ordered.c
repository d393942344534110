/* SPDX-License-Identifier: MIT */
/* Description: an ordered map agrees with a sorted array, in both directions, while it changes. */
#include "../t.h"

static dure_segment *seg;
static dure_ordered *numbers, *strings;

static int setup(void **state)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_INTEGER };

	(void)state;
	seg = t_segment(64 << 20);
	T_IS(dure_ordered_open(seg, "numbers", DURE_CREATE, &o, &numbers), DURE_CREATED);
	T_IS(dure_ordered_open(seg, "strings", DURE_CREATE | DURE_OPEN, NULL, &strings),
	     DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_ordered_close(numbers);
	dure_ordered_close(strings);
	t_finish(seg);
	return 0;
}

static void basics(void **state)
{
	uint64_t value = 7, got = 99, key = 5;
	char *longest = calloc(1, 70000);

	(void)state;
	T_IS(dure_ordered_get(numbers, &key, 8, &got), -ENOENT);
	T_IS(dure_ordered_put(numbers, &key, 8, &value), DURE_CREATED);
	T_IS(dure_ordered_insert(numbers, &key, 8, &value), -EEXIST);
	T_IS(dure_ordered_get(numbers, &key, 8, &got), 0);
	assert_int_equal(got, 7);
	value = 8;
	T_IS(dure_ordered_put(numbers, &key, 8, &value), 0);
	T_IS(dure_ordered_get(numbers, &key, 8, &got), 0);
	assert_int_equal(got, 8);
	T_FAILS(dure_ordered_get(numbers, &key, 4, &got), -EINVAL, "8 bytes");
	T_IS(dure_ordered_remove(numbers, &key, 8), 0);
	T_IS(dure_ordered_remove(numbers, &key, 8), -ENOENT);
	T_IS(dure_ordered_get(numbers, &key, 8, &got), -ENOENT);
	T_FAILS(dure_ordered_put(strings, "", 0, &value), -EINVAL, "key");
	T_IS(dure_ordered_put(strings, NULL, 3, &value), -EINVAL);
	T_IS(dure_ordered_put(strings, longest, 65536, &value), -EINVAL);
	T_IS(dure_ordered_put(strings, longest, 65535, &value), DURE_CREATED);
	T_IS(dure_ordered_get(strings, longest, 65534, &got), -ENOENT);
	T_IS(dure_ordered_get(strings, longest, 65535, &got), 0);
	T_IS(dure_ordered_put(strings, "a", 1, &value), DURE_CREATED);
	T_IS(dure_ordered_put(strings, "a\0", 2, &value), DURE_CREATED);
	assert_int_equal(dure_ordered_count(strings), 3);
	assert_int_equal(dure_ordered_count(numbers), 0);
	free(longest);
}

static void opening_checks(void **state)
{
	struct dure_ordered_options o = { .sz = sizeof o };
	dure_ordered *other;
	dure_tx *tx;

	(void)state;
	T_IS(dure_ordered_open(seg, "nope", DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_ordered_open(seg, "strings", DURE_CREATE, NULL, &other), -EEXIST);
	T_FAILS(dure_ordered_open(seg, "numbers", DURE_OPEN, NULL, &other), -EINVAL, "numbers");
	o.value_bytes = 24;
	T_FAILS(dure_ordered_open(seg, "strings", DURE_OPEN, &o, &other), -EINVAL, "24");
	o.value_bytes = 2 << 20;
	T_IS(dure_ordered_open(seg, "x", DURE_CREATE, &o, &other), -EINVAL);
	o.value_bytes = 0;
	o.flags = 1u << 20;
	T_FAILS(dure_ordered_open(seg, "x", DURE_CREATE, &o, &other), -EINVAL, "flags");
	T_IS(dure_ordered_open(seg, NULL, DURE_CREATE, NULL, &other), -EINVAL);
	T_IS(dure_ordered_open(seg, "x", 0, NULL, &other), -EINVAL);
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_ordered_destroy(seg, "strings"), -EDEADLK, "transaction");
	T_OK(dure_tx_abort(tx));
	T_IS(dure_ordered_destroy(seg, "nope"), -ENOENT);
}

/* -- a plain model: numbers, or strings made of them ------------------------------------- */

enum { KEYS = 700, KEY_MAX = 64 };

static bool as_strings;

/* Strings whose first bytes are often the same, one the beginning of another. */
static size_t make_key(uint64_t number, void *key)
{
	if (!as_strings) {
		number = number * 0x0101010101 + 3;
		memcpy(key, &number, sizeof number);
		return sizeof number;
	}
	return (size_t)sprintf(key, "%s%.*s%03d", number % 2 ? "prefix-" : "", (int)(number % 30),
			       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", (int)number);
}

static int compare_keys(uint64_t a, uint64_t b)
{
	char x[KEY_MAX], y[KEY_MAX];
	size_t n = make_key(a, x), m = make_key(b, y);

	if (!as_strings)
		return (a > b) - (a < b);
	int r = memcmp(x, y, n < m ? n : m);
	return r ? r : (n > m) - (n < m);
}

static int by_key(const void *a, const void *b)
{
	return compare_keys(*(const uint64_t *)a, *(const uint64_t *)b);
}

struct sight {
	uint64_t values[KEYS + 1];	/* numbers of the keys, as their values tell */
	unsigned count, most;
};

static int see(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	char expected[KEY_MAX];
	uint64_t number;

	memcpy(&number, value, sizeof number);
	number %= KEYS;
	assert_int_equal(key_bytes, make_key(number, expected));
	assert_memory_equal(key, expected, key_bytes);
	assert_true(s->count < KEYS);
	s->values[s->count++] = number;
	return s->count == s->most ? 77 : 0;
}

static void check_range(dure_ordered *map, const uint64_t *model)
{
	char low[KEY_MAX], high[KEY_MAX];
	uint64_t from = (uint64_t)rand() % KEYS, to = (uint64_t)rand() % KEYS;
	struct dure_range range = { .sz = sizeof range, .flags = (uint32_t)rand() % 8 };
	struct sight expected = { 0 }, sight = { 0 };
	bool below = rand() % 3, above = rand() % 3;

	if (below) {
		range.low = low;
		range.low_bytes = make_key(from, low);
	}
	if (above) {
		range.high = high;
		range.high_bytes = make_key(to, high);
	}
	for (uint64_t i = 0; i < KEYS; i++) {
		int l = compare_keys(i, from), h = compare_keys(i, to);
		if (model[i] && (!below || l > 0 || (l == 0 && !(range.flags & DURE_RANGE_ABOVE_LOW))) &&
		    (!above || h < 0 || (h == 0 && range.flags & DURE_RANGE_WITH_HIGH)))
			expected.values[expected.count++] = i;
	}
	qsort(expected.values, expected.count, sizeof *expected.values, by_key);
	sight.most = rand() % 4 == 0 ? 1 + (unsigned)rand() % 20 : 0;
	T_IS(dure_ordered_visit(map, &range, see, &sight),
	     sight.most && sight.most <= expected.count ? 77 : 0);
	if (sight.most && sight.most < expected.count)
		assert_int_equal(sight.count, sight.most);
	else
		assert_int_equal(sight.count, expected.count);
	for (unsigned i = 0; i < sight.count; i++)
		assert_int_equal(sight.values[i],
				 expected.values[range.flags & DURE_RANGE_DESCENDING
							 ? expected.count - 1 - i : i]);
}

/* Random operations, inside and outside transactions; it fills and empties again and again. */
static void agree(dure_ordered *map, unsigned seed)
{
	static uint64_t model[KEYS], before[KEYS];
	uint64_t count = 0;
	dure_tx *tx = NULL;
	char key[KEY_MAX];

	memset(model, 0, sizeof model);
	srand(seed);
	for (int i = 0; i < 60000; i++) {
		uint64_t n = (uint64_t)rand() % KEYS, got = 0;
		uint64_t value = n + KEYS * (1 + (uint64_t)rand() % 1000);
		size_t bytes = make_key(n, key);
		bool fills = i / 5000 % 2 == 0;
		switch (rand() % 10) {
		case 0:
		case 1:
			if (!fills && rand() % 8)
				break;
			T_IS(dure_ordered_put(map, key, bytes, &value), model[n] ? 0 : DURE_CREATED);
			model[n] = value;
			break;
		case 2:
			if (!fills && rand() % 8)
				break;
			T_IS(dure_ordered_insert(map, key, bytes, &value),
			     model[n] ? -EEXIST : DURE_CREATED);
			if (!model[n])
				model[n] = value;
			break;
		case 3:
		case 4:
		case 5:
			if (fills && rand() % 8)
				break;
			T_IS(dure_ordered_remove(map, key, bytes), model[n] ? 0 : -ENOENT);
			model[n] = 0;
			break;
		case 6:
			if (!tx) {
				T_OK(dure_tx_begin(seg, &tx));
				memcpy(before, model, sizeof model);
			} else if (rand() % 8 == 0) {
				bool commits = rand() % 2;
				T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
				if (!commits)
					memcpy(model, before, sizeof model);
				tx = NULL;
			}
			break;
		case 7:
			if (rand() % 20 == 0)
				check_range(map, model);
			break;
		default:
			T_IS(dure_ordered_get(map, key, bytes, &got), model[n] ? 0 : -ENOENT);
			assert_int_equal(got, model[n]);
		}
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	for (uint64_t n = 0; n < KEYS; n++)
		count += model[n] != 0;
	assert_int_equal(dure_ordered_count(map), count);
	t_clean(seg);
	for (int i = 0; i < 100; i++)
		check_range(map, model);
}

static void numbers_agree_with_a_model(void **state)
{
	(void)state;
	as_strings = false;
	agree(numbers, 1);
}

static void strings_agree_with_a_model(void **state)
{
	(void)state;
	as_strings = true;
	agree(strings, 3);
}

static void all_is_freed(void **state)
{
	uint64_t live, value = 1;

	(void)state;
	live = t_live_blocks(seg);
	as_strings = true;
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < KEYS; i++) {
			char key[KEY_MAX];
			size_t bytes = make_key(i, key);
			T_OK(dure_ordered_put(strings, key, bytes, &value));
		}
		for (uint64_t i = 0; round == 0 && i < KEYS; i++) {
			char key[KEY_MAX];
			size_t bytes = make_key(i * 13 % KEYS, key);
			T_OK(dure_ordered_remove(strings, key, bytes));
		}
		if (round == 0)
			assert_int_equal(t_live_blocks(seg), live);
	}
	for (uint64_t i = 0; i < 20000; i++)
		T_IS(dure_ordered_put(numbers, &i, 8, &i), DURE_CREATED);
	T_OK(dure_ordered_destroy(seg, "strings"));
	T_OK(dure_ordered_destroy(seg, "numbers"));
	assert_int_equal(t_live_blocks(seg), live - 2);
	dure_ordered_close(strings);
	dure_ordered_close(numbers);
	T_OK(dure_ordered_open(seg, "strings", DURE_CREATE, NULL, &strings));
	T_OK(dure_ordered_open(seg, "numbers", DURE_CREATE, NULL, &numbers));
}

/* Readers beside a writer that is killed: what is there all the time is always found. */
static void readers_find_what_stays(void **state)
{
	uint64_t reads = 0, value;
	pid_t pid = 0;

	(void)state;
	as_strings = true;
	for (uint64_t n = 0; n < KEYS; n += 7) {
		char key[KEY_MAX];
		size_t bytes = make_key(n, key);
		T_OK(dure_ordered_put(strings, key, bytes, &n));
	}
	for (int64_t end = t_now_ns() + DURE_S(2); t_now_ns() < end;) {
		char key[KEY_MAX];
		if (pid)
			t_kill(pid);
		pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uint64_t i = 0;; i++) {
				uint64_t n = i * 31 % KEYS;
				if (n % 7 == 0)
					continue;
				size_t bytes = make_key(n, key);
				int r = i / KEYS % 2 ? dure_ordered_remove(strings, key, bytes)
						     : dure_ordered_put(strings, key, bytes, &n);
				T_IN_CHILD(r >= 0 || r == -ENOENT);
			}
		}
		for (int64_t next = t_now_ns() + DURE_MS(10); t_now_ns() < next; reads++) {
			uint64_t n = reads * 7 % KEYS / 7 * 7;
			size_t bytes = make_key(n, key);
			T_IS(dure_ordered_get(strings, key, bytes, &value), 0);
			assert_int_equal(value, n);
		}
		struct sight sight = { 0 };
		T_IS(dure_ordered_visit(strings, NULL, see, &sight), 0);
		unsigned stay = 0;
		for (unsigned i = 0; i < sight.count; i++) {
			stay += sight.values[i] % 7 == 0;
			if (i)
				assert_true(compare_keys(sight.values[i - 1], sight.values[i]) < 0);
		}
		assert_int_equal(stay, KEYS / 7);
	}
	t_kill(pid);
	print_message("%llu reads\n", (unsigned long long)reads);
}

/* -- snapshots --------------------------------------------------------------------------- */

enum { SEQUENCE = 5003 };	/* a prime: each number comes once, to and fro over all leaves */

static int note(const void *key, size_t key_bytes, const void *value, void *context)
{
	uint64_t i;

	(void)key;
	assert_int_equal(key_bytes, 8);
	memcpy(&i, value, sizeof i);
	((uint8_t *)context)[i] = 1;
	return 0;
}

static void put_and_take_out(void)
{
	for (uint64_t i = 0;; i = (i + 1) % (2 * SEQUENCE)) {
		uint64_t n = i % SEQUENCE, key = n * 7919 % SEQUENCE;
		int r = i < SEQUENCE ? dure_ordered_put(numbers, &key, 8, &n)
				     : dure_ordered_remove(numbers, &key, 8);
		T_IN_CHILD(r >= 0);
	}
}

/*
 * Somebody puts numbers one after the other, then takes them out in the same order: in a snapshot
 * there are none, or all from one on to another.
 */
static void snapshots_are_of_one_moment(void **state)
{
	struct dure_range down = { .sz = sizeof down, .flags = DURE_RANGE_DESCENDING };
	unsigned between = 0, all = 0;
	pid_t pid = t_fork();

	(void)state;
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		put_and_take_out();
	}
	for (int64_t end = t_now_ns() + DURE_S(1); t_now_ns() < end; all++) {
		uint8_t seen[SEQUENCE] = { 0 };
		unsigned changes = 0, count = 0;
		T_OK(dure_ordered_snapshot(numbers, all % 2 ? &down : NULL, note, seen));
		for (unsigned i = 0; i < SEQUENCE; i++) {
			changes += i && seen[i] != seen[i - 1];
			count += seen[i];
		}
		assert_true(changes <= 1);
		between += count && count < SEQUENCE;
	}
	t_kill(pid);
	print_message("%u snapshots, %u of them between two ends\n", all, between);
	assert_true(between > 0);
}

static int take_out(const void *key, size_t key_bytes, const void *value, void *context)
{
	uint64_t number;

	(void)key_bytes;
	(void)value;
	memcpy(&number, key, sizeof number);
	++*(unsigned *)context;
	T_IS(dure_ordered_remove(numbers, &number, sizeof number), 0);	/* visit may change it */
	return number == 12 ? 77 : 0;
}

static void snapshots_of_ranges(void **state)
{
	uint64_t low = 5, high = 30, value = 0;
	struct dure_range range = { .sz = sizeof range, .low = &low, .low_bytes = 8, .high = &high,
				    .high_bytes = 8 };
	unsigned count = 0;
	dure_tx *tx;

	(void)state;
	T_IS(dure_ordered_snapshot(numbers, NULL, take_out, &count), 0);
	for (uint64_t i = 0; i < 100; i++)
		T_OK(dure_ordered_put(numbers, &i, 8, &i));
	T_IS(dure_ordered_snapshot(numbers, &range, take_out, &count), 77);
	assert_int_equal(count, 8);
	assert_int_equal(dure_ordered_count(numbers), 92);
	low = 40;
	high = 45;
	range.flags = DURE_RANGE_DESCENDING | DURE_RANGE_ABOVE_LOW | DURE_RANGE_WITH_HIGH;
	T_IS(dure_ordered_snapshot(numbers, &range, take_out, &count), 0);
	assert_int_equal(count, 13);
	T_IS(dure_ordered_get(numbers, &low, 8, &value), 0);
	T_OK(dure_tx_begin(seg, &tx));
	high = 41;
	range.flags = DURE_RANGE_WITH_HIGH;
	T_IS(dure_ordered_snapshot(numbers, &range, take_out, &count), 0);
	assert_int_equal(count, 14);
	T_OK(dure_tx_abort(tx));
	T_IS(dure_ordered_get(numbers, &low, 8, &value), 0);
	range.flags = 64;
	T_IS(dure_ordered_snapshot(numbers, &range, take_out, &count), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(opening_checks),
		TEST(numbers_agree_with_a_model),
		TEST(strings_agree_with_a_model),
		TEST(all_is_freed),
		TEST(readers_find_what_stays),
		TEST(snapshots_are_of_one_moment),
		TEST(snapshots_of_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
