/* SPDX-License-Identifier: MIT */
/* Description: a deque agrees with an array, its elements never move, and readers see whole ones. */
#include "wide.h"

static dure_segment *seg;
static dure_deque *deque;		/* of words, 512 in a chunk */
static dure_deque *narrow;		/* of wide ones, 4 in a chunk */

static int setup(void **state)
{
	struct dure_deque_options o = { .sz = sizeof o, .chunk_count = 3 };

	(void)state;
	seg = t_segment(32 << 20);
	T_IS(dure_deque_open(seg, "d", DURE_TYPE(uint64_t), DURE_CREATE | DURE_OPEN, NULL, &deque),
	     DURE_CREATED);
	T_IS(dure_deque_open(seg, "n", DURE_TYPE(struct wide), DURE_CREATE, &o, &narrow),
	     DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_deque_close(deque);
	dure_deque_close(narrow);
	t_finish(seg);
	return 0;
}

static void basics(void **state)
{
	uint64_t value = 7, got = 99, many[4], count = 99;

	(void)state;
	T_IS(dure_deque_pop_front(deque, &got), -ENOENT);
	T_IS(dure_deque_pop_back(deque, &got), -ENOENT);
	T_IS(dure_deque_front(deque, &got), -ENOENT);
	T_IS(dure_deque_back(deque, &got), -ENOENT);
	T_FAILS(dure_deque_get(deque, 0, &got), -EINVAL, "0 elements");
	T_FAILS(dure_deque_set(deque, 0, &got), -EINVAL, "0 elements");
	assert_null(dure_deque_at(deque, 0, NULL));
	assert_int_equal(got, 99);
	T_OK(dure_deque_push_back(deque, &value));
	T_OK(dure_deque_push_front(deque, NULL));
	value = 8;
	T_OK(dure_deque_push_back(deque, &value));
	T_OK(dure_deque_get_many(deque, 1, 4, many, &count));
	assert_int_equal(count, 2);
	assert_int_equal(many[0], 7);
	assert_int_equal(many[1], 8);
	T_OK(dure_deque_get_many(deque, 3, 4, many, &count));
	assert_int_equal(count, 0);
	T_OK(dure_deque_front(deque, &got));
	assert_int_equal(got, 0);
	T_OK(dure_deque_back(deque, &got));
	assert_int_equal(got, 8);
	value = 9;
	T_OK(dure_deque_set(deque, 1, &value));
	T_OK(dure_deque_get(deque, 1, &got));
	assert_int_equal(got, 9);
	T_IS(dure_deque_get(deque, 3, &got), -EINVAL);
	T_IS(dure_deque_get(deque, UINT64_MAX, &got), -EINVAL);
	T_IS(dure_deque_set(deque, UINT64_MAX, &got), -EINVAL);
	assert_int_equal(dure_deque_count(deque), 3);
	T_OK(dure_deque_pop_front(deque, &got));
	assert_int_equal(got, 0);
	T_OK(dure_deque_pop_back(deque, &got));
	assert_int_equal(got, 8);
	T_OK(dure_deque_pop_back(deque, NULL));
	T_IS(dure_deque_pop_back(deque, NULL), -ENOENT);
}

static void opening_checks(void **state)
{
	struct dure_deque_options o = { .sz = sizeof o, .chunk_count = UINT64_MAX };
	struct dure_type odd = { "odd", 12, 8 };
	dure_deque *d;

	(void)state;
	T_IS(dure_deque_open(seg, "nope", DURE_TYPE(int), DURE_OPEN, NULL, &d), -ENOENT);
	T_IS(dure_deque_open(seg, "d", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &d), -EEXIST);
	T_FAILS(dure_deque_open(seg, "d", DURE_TYPE(int64_t), DURE_OPEN, NULL, &d), -EINVAL,
		"uint64_t");
	T_IS(dure_deque_open(seg, "x", odd, DURE_CREATE, NULL, &d), -EINVAL);
	T_FAILS(dure_deque_open(seg, "x", DURE_TYPE(int), DURE_CREATE, &o, &d), -EINVAL,
		"chunk_count");
	T_IS(dure_list_destroy(seg, "d"), -EINVAL);
	T_IS(dure_deque_destroy(seg, "nope"), -ENOENT);
}

/* -- random operations against an array, inside and outside transactions ------------------- */

enum { MOST = 400, MIDDLE = 100000 };

struct array {
	uint64_t numbers[2 * MIDDLE];
	unsigned first, end;
};

static struct array model;
static struct {
	unsigned first, end;
	uint64_t numbers[MOST + 1];
} before;
static dure_tx *tx;

static unsigned model_count(void)
{
	return model.end - model.first;
}

static void push_one(bool at_back)
{
	uint64_t number = (uint64_t)rand();
	struct wide w = wide(number);

	if (model_count() >= MOST || model.first == 0 || model.end == 2 * MIDDLE)
		return;
	T_OK(at_back ? dure_deque_push_back(narrow, &w) : dure_deque_push_front(narrow, &w));
	model.numbers[at_back ? model.end++ : --model.first] = number;
}

static void pop_one(bool at_back)
{
	struct wide w;

	T_IS(at_back ? dure_deque_pop_back(narrow, &w) : dure_deque_pop_front(narrow, &w),
	     model_count() ? 0 : -ENOENT);
	if (model_count())
		assert_true(is_wide(&w, model.numbers[at_back ? --model.end : model.first++]));
}

static void set_one(void)
{
	unsigned i = (unsigned)rand() % (model_count() + 1);
	uint64_t number = (uint64_t)rand();
	struct wide w = wide(number);

	T_IS(dure_deque_set(narrow, i, &w), i < model_count() ? 0 : -EINVAL);
	if (i < model_count())
		model.numbers[model.first + i] = number;
}

static void compare(void)
{
	static struct wide many[MOST + 1];
	uint64_t count;
	struct wide w;

	assert_int_equal(dure_deque_count(narrow), model_count());
	T_OK(dure_deque_get_many(narrow, 0, MOST + 1, many, &count));
	assert_int_equal(count, model_count());
	for (unsigned i = 0; i < count; i++) {
		assert_true(is_wide(&many[i], model.numbers[model.first + i]));
		T_OK(dure_deque_get(narrow, i, &w));
		assert_true(is_wide(&w, model.numbers[model.first + i]));
	}
}

static void begin_or_end(void)
{
	bool commits = rand() % 2;

	if (!tx) {
		T_OK(dure_tx_begin(seg, &tx));
		before.first = model.first;
		before.end = model.end;
		memcpy(before.numbers, &model.numbers[model.first],
		       model_count() * sizeof *model.numbers);
	} else if (rand() % 8 == 0) {
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		if (!commits) {
			model.first = before.first;
			model.end = before.end;
			memcpy(&model.numbers[model.first], before.numbers,
			       model_count() * sizeof *model.numbers);
		}
		tx = NULL;
	}
}

/* It wanders: for some time more come at the one end, and go at the other. */
static void change_at_random(int i)
{
	bool at_back = rand() % 8 ? i / 3000 % 2 : rand() % 2;

	switch (rand() % 8) {
	case 0:
	case 1:
	case 2:
		push_one(at_back);
		break;
	case 3:
	case 4:
		pop_one(!at_back);
		break;
	case 5:
		set_one();
		break;
	case 6:
		if (rand() % 2)		/* long enough to need more of the table */
			for (int n = rand() % 12; n > 0; n--)
				push_one(at_back);
		break;
	default:
		begin_or_end();
	}
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	srand(1);
	model.first = model.end = MIDDLE;
	for (int i = 0; i < 60000; i++) {
		change_at_random(i);
		if (i % 128 == 0)
			compare();
		if (i % 8192 == 0)
			t_clean(seg);
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	tx = NULL;
	compare();
}

static void elements_never_move_and_all_is_freed(void **state)
{
	enum { COUNT = 30000 };
	uint64_t live = t_live_blocks(seg), *first, *at, room, value;

	(void)state;
	for (uint64_t i = 0; i < COUNT; i++)
		T_OK(dure_deque_push_back(deque, &i));
	first = dure_deque_at(deque, 0, NULL);
	for (uint64_t i = 0; i < COUNT; i++)
		T_OK(dure_deque_push_front(deque, &i));
	assert_ptr_equal(dure_deque_at(deque, COUNT, NULL), first);
	for (uint64_t i = 0; i < 2 * COUNT; i += room) {
		at = dure_deque_at(deque, i, &room);
		for (uint64_t j = 0; j < room; j++)
			assert_int_equal(at[j], i + j < COUNT ? COUNT - 1 - i - j : i + j - COUNT);
	}
	for (uint64_t i = 0; i < 2 * COUNT; i++)
		T_OK(i % 2 ? dure_deque_pop_front(deque, &value) : dure_deque_pop_back(deque, &value));
	assert_true(t_live_blocks(seg) <= live + 2);	/* the table, and a chunk that is begun */
	/* a queue that wanders needs no more */
	for (uint64_t i = 0; i < COUNT; i++) {
		T_OK(dure_deque_push_back(deque, &i));
		T_OK(dure_deque_pop_front(deque, &value));
		assert_int_equal(value, i);
	}
	assert_true(t_live_blocks(seg) <= live + 2);
	for (uint64_t i = 0; i < COUNT; i++)
		T_OK(dure_deque_push_back(deque, &i));
	T_OK(dure_deque_destroy(seg, "d"));
	assert_int_equal(t_live_blocks(seg), live - 1);
	dure_deque_close(deque);
	T_OK(dure_deque_open(seg, "d", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &deque));
}

static void a_full_segment_fails_whole(void **state)
{
	uint64_t live = t_live_blocks(seg), count = 0, got, first = UINT64_MAX;
	void *block[2048];
	unsigned blocks = 0;
	int r;

	(void)state;
	/* all but a little of it is taken; then it fills up quickly */
	while (blocks < 2048 && dure_block_reserve(seg, 60000, 0, &block[blocks]) == 0)
		blocks++;
	T_OK(dure_block_cancel(seg, block[--blocks]));
	for (; (r = count % 3 ? dure_deque_push_back(deque, &count)
			      : dure_deque_push_front(deque, &count)) == 0; count++)
		;
	T_IS(r, -ENOSPC);
	assert_int_equal(dure_deque_count(deque), count);
	T_OK(dure_deque_front(deque, &first));
	assert_int_equal(first, (count - 1) / 3 * 3);
	for (uint64_t i = 0; i < count / 2; i++)
		T_OK(dure_deque_pop_back(deque, &got));
	T_OK(dure_deque_push_back(deque, &got));
	while (blocks > 0)
		T_OK(dure_block_cancel(seg, block[--blocks]));
	T_OK(dure_deque_destroy(seg, "d"));
	assert_int_equal(t_live_blocks(seg), live - 1);
	dure_deque_close(deque);
	T_OK(dure_deque_open(seg, "d", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &deque));
}

/* Nobody sees what a transaction has done so far; who reads waits for its end. */
static void transactions_are_not_seen(void **state)
{
	uint64_t one = 1, two = 2, got;
	int fds[2], back[2];
	dure_segment *reader;
	dure_deque *mine;
	dure_tx *open;

	(void)state;
	T_OK(dure_deque_push_back(deque, &one));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(back), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_tx_begin(seg, &open) == 0);
		T_IN_CHILD(dure_deque_pop_front(deque, &got) == 0 && got == 1);
		T_IN_CHILD(dure_deque_push_front(deque, &two) == 0);
		T_IN_CHILD(dure_deque_get(deque, 0, &got) == 0 && got == 2);
		t_signal(fds[1]);
		t_await(back[0]);
		_exit(0);		/* dies in it */
	}
	t_await(fds[0]);
	/* who can only read has nothing to wait with */
	T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &reader), 0);
	T_OK(dure_deque_open(reader, "d", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &mine));
	T_FAILS(dure_deque_get(mine, 0, &got), -EAGAIN, "change");
	T_IS(dure_deque_push_back(mine, &one), -EROFS);
	dure_deque_close(mine);
	T_OK(dure_segment_close(reader));
	t_signal(back[1]);
	T_IS(dure_deque_get(deque, 0, &got), 0);	/* waits for the death, recovers */
	assert_int_equal(got, 1);
	t_join(pid);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(back[i]);
	}
}

/* -- processes that are killed ------------------------------------------------------------- */

enum { TOKENS = 30 };

/* From one end to the other, for ever: each step takes one away and adds it again. */
static _Noreturn void turn_for_ever(bool at_back)
{
	struct wide w;
	dure_tx *mine;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	for (unsigned n = 0;; n++) {
		bool back = n % 64 < 40 ? at_back : !at_back;
		T_IN_CHILD(dure_tx_begin(seg, &mine) == 0);
		T_IN_CHILD((back ? dure_deque_pop_back(narrow, &w)
				 : dure_deque_pop_front(narrow, &w)) == 0);
		T_IN_CHILD((back ? dure_deque_push_front(narrow, &w)
				 : dure_deque_push_back(narrow, &w)) == 0);
		T_IN_CHILD((n % 16 ? dure_tx_commit(mine) : dure_tx_abort(mine)) == 0);
	}
}

static void look_for(int64_t ns)
{
	static struct wide many[2 * TOKENS];
	uint64_t seen, count;
	struct wide w;

	for (int64_t end = t_now_ns() + ns; t_now_ns() < end;) {
		T_OK(dure_deque_get(narrow, (uint64_t)rand() % TOKENS, &w));
		assert_true(is_wide(&w, w.words[0]));
		T_OK(dure_deque_get_many(narrow, 0, 2 * TOKENS, many, &count));
		assert_int_equal(count, TOKENS);	/* of one moment: each token once */
		seen = 0;
		for (uint64_t i = 0; i < count; i++) {
			assert_true(is_wide(&many[i], many[i].words[0]));
			seen |= UINT64_C(1) << many[i].words[0];
		}
		assert_true(seen == (UINT64_C(1) << TOKENS) - 1);
	}
}

static void killed_turners_lose_nothing(void **state)
{
	enum { TURNERS = 3 };
	pid_t pids[TURNERS];

	(void)state;
	for (uint64_t i = 0; i < TOKENS; i++) {
		struct wide w = wide(i);
		T_OK(dure_deque_push_back(narrow, &w));
	}
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < TURNERS; i++) {
			pids[i] = t_fork();
			if (pids[i] == 0)
				turn_for_ever((round + i) % 2);
		}
		look_for(DURE_MS(15));
		for (int i = 0; i < TURNERS; i++)
			t_kill(pids[i]);
		T_OK(dure_segment_recover(seg));
		look_for(0);
	}
}

/* Readers beside pushes at both ends, which tell them nothing: an index means one moment. */
static void an_index_is_of_one_moment(void **state)
{
	uint64_t first, got, reads = 0;
	int64_t end = t_now_ns() + DURE_S(1);

	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t value = 1000000 + i;
		T_OK(dure_deque_push_back(deque, &value));
	}
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		for (uint64_t i = 0; i < 200000; i++) {
			uint64_t low = 999999 - i, high = 1000010 + i;
			T_IN_CHILD(dure_deque_push_front(deque, &low) == 0);
			T_IN_CHILD(dure_deque_push_back(deque, &high) == 0);
		}
		_exit(0);
	}
	for (; t_now_ns() < end; reads++) {
		T_OK(dure_deque_get(deque, 5, &got));
		T_OK(dure_deque_front(deque, &first));
		/* the front only goes down: what was of index 5 before is five above it, or more */
		assert_true(got >= first + 5 && got <= 1000005);
	}
	t_join(pid);
	for (uint64_t i = 0; i < dure_deque_count(deque); i += 997) {
		T_OK(dure_deque_get(deque, i, &got));
		T_OK(dure_deque_front(deque, &first));
		assert_int_equal(got, first + i);
	}
	print_message("%llu reads\n", (unsigned long long)reads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(opening_checks),
		TEST(agrees_with_a_model),
		TEST(elements_never_move_and_all_is_freed),
		TEST(a_full_segment_fails_whole),
		TEST(transactions_are_not_seen),
		TEST(killed_turners_lose_nothing),
		TEST(an_index_is_of_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
