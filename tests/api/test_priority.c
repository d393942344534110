/* SPDX-License-Identifier: MIT */
/* Description: a priority queue agrees with an array, and gives each element to one, in order. */
#include "../t.h"

struct wide {
	uint64_t words[5];
};

static dure_segment *seg;
static dure_priority *queue;		/* numbers, the lowest first */

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_IS(dure_priority_open(seg, "q", DURE_TYPE(struct wide), DURE_CREATE | DURE_OPEN, NULL,
				&queue), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_priority_close(queue);
	t_finish(seg);
	return 0;
}

static struct wide wide(uint64_t n)
{
	return (struct wide){ { n, n * 3, n * 5, n * 7, n * 11 } };
}

static bool is_wide(const struct wide *w, uint64_t n)
{
	struct wide expected = wide(n);

	return memcmp(w, &expected, sizeof expected) == 0;
}

static struct dure_priority_handle push(uint64_t key, uint64_t n)
{
	struct dure_priority_handle handle;
	struct wide w = wide(n);

	T_OK(dure_priority_push(queue, &key, &w, &handle));
	return handle;
}

static void pops(uint64_t expected_key, uint64_t expected)
{
	uint64_t key = 99, peeked = 99;
	struct wide w, first;

	T_OK(dure_priority_peek(queue, &peeked, &first));
	T_OK(dure_priority_pop(queue, &key, &w));
	assert_int_equal(key, expected_key);
	assert_int_equal(peeked, expected_key);
	assert_true(is_wide(&w, expected) && is_wide(&first, expected));
}

static void basics(void **state)
{
	struct dure_priority_handle one, two, three;
	uint64_t key = 99, low = 1, high = 50;
	struct wide w = wide(99);

	(void)state;
	T_IS(dure_priority_pop(queue, &key, &w), -ENOENT);
	T_IS(dure_priority_peek(queue, &key, &w), -ENOENT);
	assert_true(key == 99 && is_wide(&w, 99));
	one = push(10, 1);
	two = push(20, 2);
	three = push(10, 3);
	T_OK(dure_priority_push(queue, &high, NULL, NULL));
	assert_int_equal(dure_priority_count(queue), 4);
	T_OK(dure_priority_get(queue, two, &key, &w));
	assert_true(key == 20 && is_wide(&w, 2));
	T_OK(dure_priority_change(queue, two, &low));
	pops(1, 2);
	T_IS(dure_priority_get(queue, two, &key, &w), -ENOENT);
	T_IS(dure_priority_change(queue, two, &low), -ENOENT);
	T_IS(dure_priority_remove(queue, two), -ENOENT);
	two = push(10, 4);			/* in the place of the one before */
	pops(10, 1);				/* equal ones as they came */
	T_OK(dure_priority_remove(queue, three));
	T_OK(dure_priority_change(queue, two, &high));	/* behind what came before: it has the serial */
	T_OK(dure_priority_pop(queue, &key, NULL));
	T_OK(dure_priority_pop(queue, NULL, &w));
	assert_true(key == 50 && is_wide(&w, 4));
	T_IS(dure_priority_remove(queue, one), -ENOENT);
	T_IS(dure_priority_remove(queue, (struct dure_priority_handle){ UINT64_MAX, 1 }), -ENOENT);
	T_IS(dure_priority_remove(queue, (struct dure_priority_handle){ 0, 0 }), -ENOENT);
}

static void opening_checks(void **state)
{
	struct dure_priority_options o = { .sz = sizeof o, .flags = DURE_PRIORITY_HIGHEST };
	struct dure_type type = DURE_TYPE(struct wide);
	dure_priority *q;

	(void)state;
	T_IS(dure_priority_open(seg, "nope", type, DURE_OPEN, NULL, &q), -ENOENT);
	T_IS(dure_priority_open(seg, "q", type, DURE_CREATE, NULL, &q), -EEXIST);
	T_FAILS(dure_priority_open(seg, "q", type, DURE_OPEN, &o, &q), -EINVAL, "lowest");
	o.flags = 0;
	o.key_bytes = 12;
	T_FAILS(dure_priority_open(seg, "q", type, DURE_OPEN, &o, &q), -EINVAL, "numbers");
	T_IS(dure_priority_open(seg, "q", DURE_TYPE(int), DURE_OPEN, NULL, &q), -EINVAL);
	o.key_bytes = 257;
	T_FAILS(dure_priority_open(seg, "x", type, DURE_CREATE, &o, &q), -EINVAL, "key_bytes");
	o.key_bytes = 0;
	o.flags = 2;
	T_IS(dure_priority_open(seg, "x", type, DURE_CREATE, &o, &q), -EINVAL);
	T_IS(dure_list_destroy(seg, "q"), -EINVAL);
	T_IS(dure_priority_destroy(seg, "nope"), -ENOENT);
}

/* Keys whose first 8 bytes are all the same, the highest first. */
static void keys_of_bytes(void **state)
{
	struct dure_priority_options o = { .sz = sizeof o, .key_bytes = 12,
					   .flags = DURE_PRIORITY_HIGHEST };
	struct dure_priority_handle handle;
	uint64_t live = t_live_blocks(seg);
	char key[16], last[16] = "";
	dure_priority *q;
	uint8_t byte;

	(void)state;
	srand(3);
	T_OK(dure_priority_open(seg, "bytes", DURE_TYPE(uint8_t), DURE_CREATE, &o, &q));
	for (int i = 0; i < 300; i++) {
		byte = (uint8_t)(rand() % 200);
		snprintf(key, sizeof key, "aaaaaaaaa%03d", byte);
		T_OK(dure_priority_push(q, key, &byte, &handle));
	}
	snprintf(key, sizeof key, "zaaaaaaaa%03d", byte);
	T_OK(dure_priority_change(q, handle, key));
	T_OK(dure_priority_get(q, handle, key, NULL));
	assert_memory_equal(key, "zaaaaaaaa", 9);
	for (int i = 0; i < 300; i++) {
		memset(key, 0, sizeof key);
		T_OK(dure_priority_pop(q, key, &byte));
		assert_true(i == 0 || strcmp(key, last) <= 0);
		assert_int_equal(atoi(key + 9), byte);
		memcpy(last, key, sizeof last);
	}
	T_IS(dure_priority_pop(q, key, &byte), -ENOENT);
	t_clean(seg);
	dure_priority_close(q);
	T_OK(dure_priority_destroy(seg, "bytes"));
	assert_true(t_live_blocks(seg) <= live + 1);	/* what its name has needed */
}

/* -- random operations against an array, inside and outside transactions ------------------- */

enum { MOST = 500 };

struct item {
	uint64_t key, serial, number;
	struct dure_priority_handle handle;
};

struct array {
	struct item items[MOST];
	unsigned count;
};

static struct array model, before;
static dure_tx *tx;
static uint64_t serials;

static unsigned first_of_model(void)
{
	unsigned first = 0;

	for (unsigned i = 1; i < model.count; i++) {
		const struct item *a = &model.items[i], *b = &model.items[first];
		if (a->key < b->key || (a->key == b->key && a->serial < b->serial))
			first = i;
	}
	return first;
}

static void push_one(void)
{
	struct item *item = &model.items[model.count];

	if (model.count == MOST)
		return;
	item->key = (uint64_t)rand() % 50;
	item->number = (uint64_t)rand();
	item->serial = ++serials;
	item->handle = push(item->key, item->number);
	model.count++;
}

static void pop_one(void)
{
	unsigned first = first_of_model();

	if (!model.count) {
		T_IS(dure_priority_pop(queue, NULL, NULL), -ENOENT);
		return;
	}
	pops(model.items[first].key, model.items[first].number);
	model.items[first] = model.items[--model.count];
}

static void change_one(void)
{
	struct item *item = &model.items[(unsigned)rand() % (model.count + 1)];

	if (item == &model.items[model.count])
		return;
	item->key = (uint64_t)rand() % 50;
	T_OK(dure_priority_change(queue, item->handle, &item->key));
}

static void remove_one(void)
{
	struct item *item = &model.items[(unsigned)rand() % (model.count + 1)];

	if (item == &model.items[model.count])
		return;
	T_OK(dure_priority_remove(queue, item->handle));
	T_IS(dure_priority_remove(queue, item->handle), -ENOENT);
	*item = model.items[--model.count];
}

static void get_one(void)
{
	const struct item *item = &model.items[(unsigned)rand() % (model.count + 1)];
	uint64_t key;
	struct wide w;

	if (item == &model.items[model.count])
		return;
	T_OK(dure_priority_get(queue, item->handle, &key, &w));
	assert_int_equal(key, item->key);
	assert_true(is_wide(&w, item->number));
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

static void change_at_random(int i)
{
	switch (rand() % 12) {
	case 0:
	case 1:
	case 2:
		push_one();
		break;
	case 3:
		change_one();
		break;
	case 4:
		remove_one();
		break;
	case 5:
		begin_or_end();
		break;
	case 6:
	case 7:
		get_one();
		break;
	default:
		if (i / 2000 % 2)		/* grows for some time, then shrinks */
			pop_one();
		else
			push_one();
	}
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 40000; i++) {
		change_at_random(i);
		assert_int_equal(dure_priority_count(queue), model.count);
		if (i % 4096 == 0)
			t_clean(seg);
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	tx = NULL;
	while (model.count)
		pop_one();
}

static void a_full_segment_fails_whole(void **state)
{
	uint64_t count = 0, key, last = 0;
	int r;

	(void)state;
	srand(2);
	for (;; count++) {
		key = (uint64_t)rand();
		r = dure_priority_push(queue, &key, NULL, NULL);
		if (r < 0)
			break;
	}
	T_IS(r, -ENOSPC);
	assert_int_equal(dure_priority_count(queue), count);
	t_clean(seg);
	for (; count; count--, last = key) {
		T_OK(dure_priority_pop(queue, &key, NULL));
		assert_true(key >= last);
	}
	T_IS(dure_priority_pop(queue, NULL, NULL), -ENOENT);
}

/* -- several processes ------------------------------------------------------------------- */

enum { TOKENS = 40 };

/* Takes one, and puts it back with another key: by one step or in a transaction. */
static _Noreturn void churn_for_ever(unsigned seed)
{
	struct dure_priority_handle handle;
	uint64_t key;
	struct wide w;
	dure_tx *mine;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	for (;;) {
		T_IN_CHILD(dure_tx_begin(seg, &mine) == 0);
		T_IN_CHILD(dure_priority_pop(queue, &key, &w) == 0);
		T_IN_CHILD(is_wide(&w, w.words[0]));
		key += (uint64_t)rand_r(&seed) % 100;
		T_IN_CHILD(dure_priority_push(queue, &key, &w, &handle) == 0);
		T_IN_CHILD((rand_r(&seed) % 8 ? dure_tx_commit(mine) : dure_tx_abort(mine)) == 0);
		key += 5;
		int r = dure_priority_change(queue, handle, &key);
		T_IN_CHILD(r == 0 || r == -ENOENT);	/* somebody has it, or it was undone */
	}
}

static void look_for(int64_t ns)
{
	uint64_t key, last = 0;
	struct wide w;

	for (int64_t end = t_now_ns() + ns; t_now_ns() < end; last = key) {
		T_OK(dure_priority_peek(queue, &key, &w));
		assert_true(is_wide(&w, w.words[0]));
		assert_true(key >= last);		/* keys only grow */
	}
}

static void killed_workers_lose_nothing(void **state)
{
	enum { WORKERS = 3 };
	uint64_t seen, key, last;
	pid_t pids[WORKERS];
	struct wide w;

	(void)state;
	for (uint64_t i = 0; i < TOKENS; i++)
		push(i, i);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < WORKERS; i++) {
			pids[i] = t_fork();
			if (pids[i] == 0)
				churn_for_ever((unsigned)(round * WORKERS + i));
		}
		look_for(DURE_MS(15));
		for (int i = 0; i < WORKERS; i++)
			t_kill(pids[i]);
		T_OK(dure_segment_recover(seg));
		if (round % 10 == 9)
			t_clean(seg);
	}
	seen = last = 0;
	for (int i = 0; i < TOKENS; i++, last = key) {
		T_OK(dure_priority_pop(queue, &key, &w));
		assert_true(key >= last && is_wide(&w, w.words[0]));
		seen |= UINT64_C(1) << w.words[0];
	}
	assert_true(seen == (UINT64_C(1) << TOKENS) - 1);
	T_IS(dure_priority_pop(queue, &key, &w), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(opening_checks),
		TEST(keys_of_bytes),
		TEST(agrees_with_a_model),
		TEST(a_full_segment_fails_whole),
		TEST(killed_workers_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
