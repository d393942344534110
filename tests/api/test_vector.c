/* SPDX-License-Identifier: MIT */
/* Description: a vector agrees with an array, its elements never move, and readers see whole ones. */
#include "../t.h"

struct wide {
	uint64_t words[7];
};

static dure_segment *seg;
static dure_vector *vector;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	T_IS(dure_vector_open(seg, "v", DURE_TYPE(uint64_t), DURE_CREATE | DURE_OPEN, NULL, &vector),
	     DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_vector_close(vector);
	t_finish(seg);
	return 0;
}

static struct wide wide(uint64_t n)
{
	struct wide w;

	for (int i = 0; i < 7; i++)
		w.words[i] = n;
	return w;
}

static void basics(void **state)
{
	uint64_t value = 7, got = 99, index, many[100], in_a_row;

	(void)state;
	T_IS(dure_vector_pop(vector, &got), -ENOENT);
	T_FAILS(dure_vector_get(vector, 0, &got), -EINVAL, "0 elements");
	assert_null(dure_vector_at(vector, 0, NULL));
	assert_int_equal(got, 99);
	T_OK(dure_vector_push(vector, &value, &index));
	assert_int_equal(index, 0);
	T_OK(dure_vector_push(vector, NULL, &index));
	assert_int_equal(index, 1);
	for (uint64_t i = 0; i < 100; i++)
		many[i] = i * i;
	T_OK(dure_vector_push_many(vector, many, 100, &index));
	assert_int_equal(index, 2);
	assert_int_equal(dure_vector_count(vector), 102);
	for (uint64_t i = 0; i < 100; i++) {
		T_OK(dure_vector_get(vector, i + 2, &got));
		assert_int_equal(got, i * i);
	}
	T_OK(dure_vector_get(vector, 1, &got));
	assert_int_equal(got, 0);
	T_OK(dure_vector_set(vector, 1, &value));
	T_OK(dure_vector_get(vector, 1, &got));
	assert_int_equal(got, 7);
	T_FAILS(dure_vector_set(vector, 102, &value), -EINVAL, "102");
	T_IS(dure_vector_get(vector, UINT64_MAX, &got), -EINVAL);
	T_OK(dure_vector_pop(vector, &got));
	assert_int_equal(got, 99 * 99);
	T_OK(dure_vector_pop(vector, NULL));
	uint64_t *at = dure_vector_at(vector, 99, &in_a_row);
	assert_non_null(at);
	assert_int_equal(*at, 97 * 97);
	assert_int_equal(in_a_row, 1);
	assert_non_null(dure_vector_at(vector, 0, &in_a_row));
	assert_int_equal(in_a_row, 64);		/* the first chunk */
	T_OK(dure_vector_push_many(vector, NULL, 0, &index));
	assert_int_equal(index, 100);
}

static void opening_checks(void **state)
{
	struct dure_vector_options o = { .sz = sizeof o, .first_count = 1000 };
	struct dure_type odd = { "odd", 12, 8 }, big = { "big", (1 << 20) + 1, 1 };
	uint64_t in_a_row;
	dure_vector *other;
	dure_map *map;

	(void)state;
	T_IS(dure_vector_open(seg, "nope", DURE_TYPE(int), DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_vector_open(seg, "v", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &other), -EEXIST);
	T_FAILS(dure_vector_open(seg, "v", DURE_TYPE(int64_t), DURE_OPEN, NULL, &other), -EINVAL,
		"uint64_t");
	T_FAILS(dure_vector_open(seg, "v", dure_type_make("uint64_t", 4, 4), DURE_OPEN, NULL, &other),
		-EINVAL, "4");
	T_IS(dure_vector_open(seg, "v", DURE_TYPE(uint64_t), 0, NULL, &other), -EINVAL);
	T_IS(dure_vector_open(seg, NULL, DURE_TYPE(uint64_t), DURE_OPEN, NULL, &other), -EINVAL);
	T_IS(dure_vector_open(seg, DURE_UNIQUE, DURE_TYPE(int), DURE_CREATE, NULL, &other), -EINVAL);
	T_IS(dure_vector_open(seg, "odd", odd, DURE_CREATE, NULL, &other), -EINVAL);
	T_IS(dure_vector_open(seg, "big", big, DURE_CREATE, NULL, &other), -EINVAL);
	o.flags = 2;
	T_FAILS(dure_vector_open(seg, "x", DURE_TYPE(int), DURE_CREATE, &o, &other), -EINVAL, "flags");
	o.flags = 0;
	o.first_count = UINT64_MAX;
	T_IS(dure_vector_open(seg, "x", DURE_TYPE(int), DURE_CREATE, &o, &other), -EINVAL);
	T_IS(dure_map_open(seg, "map", DURE_CREATE, NULL, &map), DURE_CREATED);
	dure_map_close(map);
	T_IS(dure_vector_open(seg, "map", DURE_TYPE(int), DURE_OPEN, NULL, &other), -EINVAL);
	T_IS(dure_vector_destroy(seg, "map"), -EINVAL);
	T_OK(dure_map_destroy(seg, "map"));
	o.first_count = 1000;
	T_IS(dure_vector_open(seg, "row", DURE_TYPE(char), DURE_CREATE, &o, &other), DURE_CREATED);
	T_OK(dure_vector_resize(other, 1000));
	assert_non_null(dure_vector_at(other, 0, &in_a_row));
	assert_int_equal(in_a_row, 1000);
	dure_vector_close(other);
	T_OK(dure_vector_destroy(seg, "row"));
	T_IS(dure_vector_destroy(seg, "row"), -ENOENT);
}

/* -- random operations, inside and outside transactions, against an array ------------------- */

enum { MOST = 3000, MORE_MAX = 64 };

struct array {
	struct wide elements[MOST + MORE_MAX];
	uint64_t count;
};

static struct array model, before;	/* before: as it was when the transaction began */
static dure_tx *tx;

static void push_some(dure_vector *v, uint64_t more)
{
	struct wide *new = &model.elements[model.count];
	uint64_t index;

	if (model.count >= MOST)
		return;
	for (uint64_t i = 0; i < more; i++)
		new[i] = wide((uint64_t)rand());
	T_OK(more == 1 ? dure_vector_push(v, new, &index)
		       : dure_vector_push_many(v, new, more, &index));
	assert_int_equal(index, model.count);
	model.count += more;
}

static void pop_one(dure_vector *v)
{
	struct wide got;

	T_IS(dure_vector_pop(v, &got), model.count ? 0 : -ENOENT);
	if (model.count)
		assert_memory_equal(&got, &model.elements[--model.count], sizeof got);
}

static void set_one(dure_vector *v, uint64_t at)
{
	struct wide value = wide((uint64_t)rand());

	T_IS(dure_vector_set(v, at, &value), model.count ? 0 : -EINVAL);
	if (model.count)
		model.elements[at] = value;
}

static void get_one(dure_vector *v, uint64_t at)
{
	struct wide got;

	T_IS(dure_vector_get(v, at, &got), at < model.count ? 0 : -EINVAL);
	if (at < model.count)
		assert_memory_equal(&got, &model.elements[at], sizeof got);
}

static void resize_to(dure_vector *v, uint64_t count)
{
	T_OK(dure_vector_resize(v, count));
	if (count > model.count)
		memset(&model.elements[model.count], 0,
		       (count - model.count) * sizeof *model.elements);
	model.count = count;
}

static void begin_or_end(void)
{
	bool commits = rand() % 2;

	if (!tx) {
		T_OK(dure_tx_begin(seg, &tx));
		before = model;
	} else if (rand() % 8 == 0) {
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		if (!commits)
			model = before;
		tx = NULL;
	}
}

static void change_at_random(dure_vector *v)
{
	uint64_t at = model.count ? (uint64_t)rand() % model.count : 0;

	switch (rand() % 10) {
	case 0:
	case 1:
		push_some(v, 1);
		break;
	case 2:
		pop_one(v);
		break;
	case 3:
		set_one(v, at);
		break;
	case 4:
		push_some(v, (uint64_t)rand() % MORE_MAX);
		break;
	case 5:
		if (rand() % 4 == 0)
			resize_to(v, rand() % 8 ? at : (uint64_t)rand() % MOST);
		break;
	case 6:
		begin_or_end();
		break;
	case 7:
		if (rand() % 16 == 0)
			T_IS(dure_vector_trim(v), tx ? -EDEADLK : 0);
		break;
	default:
		get_one(v, at);
	}
}

static void agrees_with_a_model(void **state)
{
	struct dure_vector_options o = { .sz = sizeof o, .first_count = 3 };
	dure_vector *v;

	(void)state;
	srand(1);
	T_OK(dure_vector_open(seg, "wide", DURE_TYPE(struct wide), DURE_CREATE, &o, &v));
	for (int i = 0; i < 60000; i++)
		change_at_random(v);
	if (tx)
		T_OK(dure_tx_commit(tx));
	tx = NULL;
	assert_int_equal(dure_vector_count(v), model.count);
	for (uint64_t i = 0; i < model.count; i++)
		get_one(v, i);
	t_clean(seg);
	dure_vector_close(v);
	T_OK(dure_vector_destroy(seg, "wide"));
}

static void elements_never_move_and_all_is_freed(void **state)
{
	enum { COUNT = 100000 };
	uint64_t live, *first, *at, room;

	(void)state;
	T_OK(dure_vector_destroy(seg, "v"));
	dure_vector_close(vector);
	live = t_live_blocks(seg);
	T_OK(dure_vector_open(seg, "v", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &vector));
	for (uint64_t i = 0; i < COUNT; i++)
		T_OK(dure_vector_push(vector, &i, NULL));
	first = dure_vector_at(vector, 0, NULL);
	T_OK(dure_vector_reserve(vector, 10 * COUNT));
	assert_int_equal(dure_vector_count(vector), COUNT);
	assert_ptr_equal(dure_vector_at(vector, 0, NULL), first);
	for (uint64_t i = 0; i < COUNT; i += room) {
		at = dure_vector_at(vector, i, &room);
		for (uint64_t j = 0; j < room; j++)
			assert_int_equal(at[j], i + j);
	}
	T_OK(dure_vector_resize(vector, 10));
	T_OK(dure_vector_trim(vector));
	assert_int_equal(t_live_blocks(seg), live + 2);	/* the object and one chunk */
	T_OK(dure_vector_resize(vector, 0));
	T_OK(dure_vector_trim(vector));
	assert_int_equal(t_live_blocks(seg), live + 1);
	T_OK(dure_vector_push(vector, &live, NULL));
	T_OK(dure_vector_destroy(seg, "v"));
	assert_int_equal(t_live_blocks(seg), live);
	dure_vector_close(vector);
	T_OK(dure_vector_open(seg, "v", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &vector));
}

static void a_full_segment_fails_whole(void **state)
{
	uint64_t count, live;

	(void)state;
	T_OK(dure_vector_push_many(vector, NULL, 1000, NULL));
	live = t_live_blocks(seg);
	T_FAILS(dure_vector_reserve(vector, UINT64_C(1) << 60), -ENOSPC, "fit no segment");
	T_IS(dure_vector_push_many(vector, NULL, UINT64_MAX, NULL), -ENOSPC);
	assert_int_equal(dure_vector_count(vector), 1000);
	assert_int_equal(t_live_blocks(seg), live);
	T_IS(dure_vector_resize(vector, UINT64_C(1) << 32), -ENOSPC);
	count = dure_vector_count(vector);
	assert_int_equal(count, 1000);
	T_OK(dure_vector_trim(vector));
	assert_int_equal(t_live_blocks(seg), live);
}

/* Nobody sees what a transaction has done so far; who reads waits for its end. */
static void transactions_are_not_seen(void **state)
{
	uint64_t one = 1, two = 2, got;
	int fds[2], back[2];
	dure_segment *reader;
	dure_vector *mine;

	(void)state;
	T_OK(dure_vector_push(vector, &one, NULL));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(back), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
		T_IN_CHILD(dure_vector_set(vector, 0, &two) == 0);
		T_IN_CHILD(dure_vector_get(vector, 0, &got) == 0 && got == 2);
		t_signal(fds[1]);
		t_await(back[0]);
		_exit(0);		/* dies in it */
	}
	t_await(fds[0]);
	/* who can only read has nothing to wait with */
	T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &reader), 0);
	T_OK(dure_vector_open(reader, "v", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &mine));
	T_FAILS(dure_vector_get(mine, 0, &got), -EAGAIN, "change");
	T_IS(dure_vector_push(mine, &one, NULL), -EROFS);
	dure_vector_close(mine);
	T_OK(dure_segment_close(reader));
	t_signal(back[1]);
	T_IS(dure_vector_get(vector, 0, &got), 0);	/* waits for the death, recovers */
	assert_int_equal(got, 1);
	t_join(pid);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(back[i]);
	}
}

/* Readers beside writers that are killed: each element is whole. */
static void readers_see_whole_elements(void **state)
{
	uint64_t reads = 0, shortest = UINT64_MAX;
	struct wide value;
	dure_vector *v;
	pid_t pid = 0;

	(void)state;
	T_OK(dure_vector_open(seg, "wide", DURE_TYPE(struct wide), DURE_CREATE, NULL, &v));
	T_OK(dure_vector_push_many(v, NULL, 50, NULL));
	for (int64_t end = t_now_ns() + DURE_S(2); t_now_ns() < end;) {
		if (pid)
			t_kill(pid);
		pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uint64_t n = 0;; n++) {
				value = wide(n);
				if (n % 5 == 0)
					T_IN_CHILD(dure_vector_pop(v, NULL) == 0);
				else if (n % 5 == 1)
					T_IN_CHILD(dure_vector_resize(v, 49) == 0 &&
						   dure_vector_push(v, &value, NULL) == 0);
				else
					T_IN_CHILD(dure_vector_set(v, n % 45, &value) == 0);
			}
		}
		for (int64_t next = t_now_ns() + DURE_MS(10); t_now_ns() < next; reads++) {
			int r = dure_vector_get(v, 30 + reads % 20, &value);
			if (r == -EINVAL)	/* popped */
				continue;
			T_IS(r, 0);
			for (int i = 1; i < 7; i++)
				assert_int_equal(value.words[i], value.words[0]);
		}
		if (dure_vector_count(v) < shortest)
			shortest = dure_vector_count(v);
	}
	t_kill(pid);
	T_OK(dure_segment_recover(seg));
	assert_true(shortest >= 48);
	dure_vector_close(v);
	T_OK(dure_vector_destroy(seg, "wide"));
	print_message("%llu reads\n", (unsigned long long)reads);
}

/* Many processes push at once: nothing is lost, nothing stands twice. */
static void many_push_at_once(void **state)
{
	enum { CHILDREN = 4, EACH = 20000 };
	static uint64_t next[CHILDREN];
	uint64_t value;
	pid_t pids[CHILDREN];

	(void)state;
	for (uint64_t c = 0; c < CHILDREN; c++) {
		pids[c] = t_fork();
		if (pids[c] == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uint64_t i = 0; i < EACH; i++) {
				value = c << 32 | i;
				T_IN_CHILD(dure_vector_push(vector, &value, NULL) == 0);
			}
			_exit(0);
		}
	}
	for (int c = 0; c < CHILDREN; c++)
		t_join(pids[c]);
	assert_int_equal(dure_vector_count(vector), CHILDREN * EACH);
	for (uint64_t i = 0; i < CHILDREN * EACH; i++) {
		T_OK(dure_vector_get(vector, i, &value));
		assert_true(value >> 32 < CHILDREN);
		assert_int_equal(value & UINT32_MAX, next[value >> 32]++);
	}
}

/* The program's mutex stands for the vector's lock. */
static void serial_vectors_need_no_lock_to_push(void **state)
{
	struct dure_vector_options o = { .sz = sizeof o, .flags = DURE_VECTOR_SERIAL };
	struct dure_type type = DURE_TYPE(struct wide);
	struct wide value;
	dure_mutex *lock;
	dure_vector *v;

	(void)state;
	T_OK(dure_object_construct(seg, "lock", DURE_TYPE(dure_mutex), 1, NULL, NULL, (void **)&lock));
	T_OK(dure_vector_open(seg, "serial", type, DURE_CREATE, &o, &v));
	T_OK(dure_mutex_lock(seg, lock, DURE_FOREVER));
	for (uint64_t i = 0; i < 1000; i++) {
		value = wide(i);
		T_OK(dure_vector_push(v, &value, NULL));
	}
	T_OK(dure_vector_pop(v, &value));
	T_OK(dure_mutex_unlock(seg, lock));
	assert_int_equal(value.words[3], 999);
	assert_int_equal(dure_vector_count(v), 999);
	dure_vector_close(v);
	T_OK(dure_vector_destroy(seg, "serial"));
	T_OK(dure_object_destroy(seg, "lock", DURE_TYPE(dure_mutex), NULL, NULL));
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
		TEST(readers_see_whole_elements),
		TEST(many_push_at_once),
		TEST(serial_vectors_need_no_lock_to_push),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
