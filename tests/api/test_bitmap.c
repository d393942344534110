/* SPDX-License-Identifier: MIT */
/* Description: a bitmap agrees with an array, and gives each number to one only. */
#include "../t.h"

enum { MOST = 9000 };

static dure_segment *seg;
static dure_bitmap *bitmap;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_IS(dure_bitmap_open(seg, "b", DURE_CREATE | DURE_OPEN, &bitmap), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_bitmap_close(bitmap);
	t_finish(seg);
	return 0;
}

static void basics(void **state)
{
	uint64_t bit = 99, count = 99;
	dure_bitmap *b;

	(void)state;
	T_IS(dure_bitmap_open(seg, "nope", DURE_OPEN, &b), -ENOENT);
	T_IS(dure_bitmap_open(seg, "b", DURE_CREATE, &b), -EEXIST);
	T_IS(dure_vector_destroy(seg, "b"), -EINVAL);
	T_IS(dure_bitmap_allocate(bitmap, 0, &bit), -ENOENT);
	T_IS(dure_bitmap_find_clear(bitmap, 0, &bit), -ENOENT);
	T_FAILS(dure_bitmap_set(bitmap, 0), -EINVAL, "0 bits");
	assert_int_equal(bit, 99);
	T_OK(dure_bitmap_count(bitmap, 0, UINT64_MAX, &count));
	assert_int_equal(count, 0);
	T_OK(dure_bitmap_resize(bitmap, 130));
	assert_int_equal(dure_bitmap_size(bitmap), 130);
	T_IS(dure_bitmap_set(bitmap, 129), 1);
	T_IS(dure_bitmap_set(bitmap, 129), 0);
	T_IS(dure_bitmap_test(bitmap, 129), 1);
	T_IS(dure_bitmap_test(bitmap, 128), 0);
	T_IS(dure_bitmap_test(bitmap, 130), -EINVAL);
	T_IS(dure_bitmap_set(bitmap, UINT64_MAX), -EINVAL);
	T_IS(dure_bitmap_clear(bitmap, 128), 0);
	T_IS(dure_bitmap_set_range(bitmap, 100, 31), -EINVAL);
	T_IS(dure_bitmap_set_range(bitmap, 2, UINT64_MAX), -EINVAL);
	T_OK(dure_bitmap_set_range(bitmap, 131, 0) == -EINVAL ? 0 : -1);
	T_OK(dure_bitmap_set_range(bitmap, 130, 0));
	T_OK(dure_bitmap_find_set(bitmap, 0, &bit));
	assert_int_equal(bit, 129);
	T_IS(dure_bitmap_find_set(bitmap, 130, &bit), -ENOENT);
	T_OK(dure_bitmap_set_range(bitmap, 0, 129));
	T_IS(dure_bitmap_find_clear(bitmap, 0, &bit), -ENOENT);
	T_IS(dure_bitmap_allocate(bitmap, 5, &bit), -ENOENT);
	T_IS(dure_bitmap_clear(bitmap, 3), 1);
	T_OK(dure_bitmap_allocate(bitmap, 100, &bit));	/* from 0 on, then */
	assert_int_equal(bit, 3);
	T_OK(dure_bitmap_count(bitmap, 64, UINT64_MAX, &count));
	assert_int_equal(count, 66);
	/* bits that are cut off come back clear */
	T_OK(dure_bitmap_resize(bitmap, 70));
	T_OK(dure_bitmap_resize(bitmap, 130));
	T_OK(dure_bitmap_count(bitmap, 0, 130, &count));
	assert_int_equal(count, 70);
	T_IS(dure_bitmap_resize(bitmap, UINT64_MAX), -ENOSPC);
	T_IS(dure_bitmap_resize(bitmap, UINT64_C(1) << 40), -ENOSPC);
	assert_int_equal(dure_bitmap_size(bitmap), 130);
}

/* -- random operations against an array, inside and outside transactions ------------------- */

struct array {
	uint8_t bits[MOST];
	uint64_t count;
};

static struct array model, before;
static dure_tx *tx;

static void change_one(uint64_t at)
{
	bool sets = rand() % 2;
	int r = sets ? dure_bitmap_set(bitmap, at) : dure_bitmap_clear(bitmap, at);

	assert_int_equal(r, at < model.count ? model.bits[at] != sets : -EINVAL);
	if (r == 1)
		model.bits[at] = sets;
}

static void change_range(uint64_t at)
{
	uint64_t n = at < model.count ? (uint64_t)rand() % (model.count - at + 1) : 0;
	bool sets = rand() % 2;

	if (rand() % 4)
		n %= 200;
	if (at > model.count)
		return;
	T_OK(sets ? dure_bitmap_set_range(bitmap, at, n) : dure_bitmap_clear_range(bitmap, at, n));
	memset(&model.bits[at], sets, n);
}

static uint64_t model_find(uint64_t at, uint8_t value)
{
	while (at < model.count && model.bits[at] != value)
		at++;
	return at;
}

static void find(uint64_t at)
{
	bool sets = rand() % 2;
	uint64_t expected = model_find(at, sets), got = UINT64_MAX;
	int r = sets ? dure_bitmap_find_set(bitmap, at, &got)
		     : dure_bitmap_find_clear(bitmap, at, &got);

	T_IS(r, expected < model.count ? 0 : -ENOENT);
	if (r == 0)
		assert_int_equal(got, expected);
}

static void allocate(uint64_t at)
{
	uint64_t expected = model_find(at, 0), got;

	if (expected >= model.count)
		expected = model_find(0, 0);
	T_IS(dure_bitmap_allocate(bitmap, at, &got), expected < model.count ? 0 : -ENOENT);
	if (expected < model.count) {
		assert_int_equal(got, expected);
		model.bits[got] = 1;
	}
}

static void count(uint64_t at)
{
	uint64_t n = (uint64_t)rand() % MOST, got, expected = 0;

	for (uint64_t i = at; i < at + n && i < model.count; i++)
		expected += model.bits[i];
	T_OK(dure_bitmap_count(bitmap, at, n, &got));
	assert_int_equal(got, expected);
}

static void resize(void)
{
	uint64_t n = (uint64_t)rand() % MOST;

	T_OK(dure_bitmap_resize(bitmap, n));
	if (n > model.count)
		memset(&model.bits[model.count], 0, n - model.count);
	model.count = n;
	assert_int_equal(dure_bitmap_size(bitmap), n);
}

static void begin_or_end(void)
{
	bool commits = rand() % 2;

	if (!tx) {
		T_OK(dure_tx_begin(seg, &tx));
		before = model;
	} else if (rand() % 4 == 0) {
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		if (!commits)
			model = before;
		tx = NULL;
	}
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 60000; i++) {
		uint64_t at = (uint64_t)rand() % (model.count + 3);
		switch (rand() % 12) {
		case 0:
			change_range(at);
			break;
		case 1:
			find(at);
			break;
		case 2:
			allocate(at);
			break;
		case 3:
			count(at);
			break;
		case 4:
			if (rand() % 16 == 0)
				resize();
			break;
		case 5:
			begin_or_end();
			break;
		default:
			change_one(at);
		}
		if (i % 8192 == 0)
			t_clean(seg);
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	tx = NULL;
	for (uint64_t i = 0; i < model.count; i++)
		T_IS(dure_bitmap_test(bitmap, i), model.bits[i]);
}

/* -- several processes ------------------------------------------------------------------- */

enum { BITS = 2000, TAKERS = 4, EACH = 400 };

static void each_bit_is_given_once(void **state)
{
	uint64_t live, *got, bit, n;
	pid_t pids[TAKERS];

	(void)state;
	T_OK(dure_bitmap_resize(bitmap, BITS));
	live = t_live_blocks(seg);
	T_OK(dure_object_construct(seg, "got", DURE_TYPE(uint64_t), TAKERS * EACH, NULL, NULL,
				   (void **)&got));
	for (uint64_t i = 0; i < TAKERS; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uint64_t j = 0; j < EACH; j++)
				T_IN_CHILD(dure_bitmap_allocate(bitmap, 0, &got[i * EACH + j]) == 0);
			_exit(0);
		}
	}
	for (int i = 0; i < TAKERS; i++)
		t_join(pids[i]);
	for (uint64_t i = 0; i < TAKERS * EACH; i++)
		T_IS(dure_bitmap_clear(bitmap, got[i]), 1);	/* each of them once */
	T_OK(dure_bitmap_count(bitmap, 0, BITS, &n));
	assert_int_equal(n, 0);
	T_IS(dure_bitmap_find_set(bitmap, 0, &bit), -ENOENT);
	T_OK(dure_object_destroy(seg, "got", DURE_TYPE(uint64_t), NULL, NULL));
	T_OK(dure_bitmap_destroy(seg, "b"));
	assert_true(t_live_blocks(seg) < live);
	dure_bitmap_close(bitmap);
	T_OK(dure_bitmap_open(seg, "b", DURE_CREATE, &bitmap));
}

/* Sets a range in one step, and a bit far away before or after: many words, one moment. */
static _Noreturn void change_for_ever(unsigned number)
{
	dure_tx *mine;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	for (;;) {
		T_IN_CHILD(dure_bitmap_set(bitmap, number) == 1);
		T_IN_CHILD(dure_bitmap_set(bitmap, BITS - 1 - number) == 1);
		T_IN_CHILD(dure_bitmap_clear(bitmap, BITS - 1 - number) == 1);
		T_IN_CHILD(dure_bitmap_clear(bitmap, number) == 1);
		T_IN_CHILD(dure_bitmap_set_range(bitmap, 200 + number * 200, 150) == 0);
		T_IN_CHILD(dure_bitmap_clear_range(bitmap, 200 + number * 200, 150) == 0);
		T_IN_CHILD(dure_tx_begin(seg, &mine) == 0);
		T_IN_CHILD(dure_bitmap_set_range(bitmap, 200 + number * 200, 50) == 0);
		T_IN_CHILD(dure_bitmap_set_range(bitmap, 1000 + number * 200, 100) == 0);
		T_IN_CHILD(dure_tx_commit(mine) == 0);
		T_IN_CHILD(dure_bitmap_clear_range(bitmap, 0, BITS) == 0);
	}
}

/* With one writer: a bit at the end is set only while that at the beginning is. */
static void look_for(int64_t ns)
{
	uint64_t n, low;

	for (int64_t end = t_now_ns() + ns; t_now_ns() < end;) {
		T_OK(dure_bitmap_count(bitmap, 0, BITS, &n));
		assert_true(n == 0 || n == 1 || n == 2 || n == 150);
		T_OK(dure_bitmap_count(bitmap, 200, 1700, &n));
		assert_true(n == 0 || n == 150);
		if (dure_bitmap_find_set(bitmap, 0, &low) == 0)
			assert_true(low < 1000);	/* never the far one alone */
	}
}

static void readers_see_one_moment(void **state)
{
	(void)state;
	T_OK(dure_bitmap_resize(bitmap, BITS));
	for (int round = 0; round < 60; round++) {
		pid_t pid = t_fork();
		if (pid == 0)
			change_for_ever((unsigned)round % 4);
		look_for(DURE_MS(15));
		t_kill(pid);
		T_OK(dure_segment_recover(seg));
		look_for(0);
		T_OK(dure_bitmap_clear_range(bitmap, 0, BITS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(agrees_with_a_model),
		TEST(each_bit_is_given_once),
		TEST(readers_see_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
