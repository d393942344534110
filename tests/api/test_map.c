/* SPDX-License-Identifier: MIT */
/* Description: a map finds what was put, agrees with a plain model, and reads never wait. */
#include "../t.h"

#include <pthread.h>

static dure_segment *seg;
static dure_map *map;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	T_IS(dure_map_open(seg, "map", DURE_CREATE | DURE_OPEN, NULL, &map), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_map_close(map);
	t_finish(seg);
	return 0;
}

static void basics(void **state)
{
	uint64_t value = 7, got = 0;
	int64_t sum;

	(void)state;
	T_IS(dure_map_get(map, "k", 1, &got), -ENOENT);
	T_IS(dure_map_put(map, "k", 1, &value), DURE_CREATED);
	T_IS(dure_map_get(map, "k", 1, &got), 0);
	assert_int_equal(got, 7);
	value = 8;
	T_IS(dure_map_insert(map, "k", 1, &value), -EEXIST);
	T_IS(dure_map_put(map, "k", 1, &value), 0);
	T_OK(dure_map_add(map, "k", 1, 2, &sum));
	assert_int_equal(sum, 10);
	T_IS(dure_map_add(map, "new", 3, -5, &sum), DURE_CREATED);
	assert_int_equal(sum, -5);
	assert_int_equal(dure_map_count(map), 2);
	T_OK(dure_map_remove(map, "k", 1));
	T_IS(dure_map_remove(map, "k", 1), -ENOENT);
	T_IS(dure_map_get(map, "k", 1, &got), -ENOENT);
	T_FAILS(dure_map_put(map, "", 0, &value), -EINVAL, "key");
	T_IS(dure_map_put(map, NULL, 3, &value), -EINVAL);
	char *longest = calloc(1, 70000);
	T_IS(dure_map_put(map, longest, 65536, &value), -EINVAL);
	T_OK(dure_map_put(map, longest, 65535, &value));
	T_OK(dure_map_get(map, longest, 65535, &got));
	T_IS(dure_map_get(map, longest, 65534, &got), -ENOENT);
	free(longest);
}

static void opening_checks(void **state)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = 24, .partitions = 4 };
	char value[24] = "twenty-three characters";
	dure_map *other, *narrow;
	void *p;

	(void)state;
	T_IS(dure_map_open(seg, "nope", DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_map_open(seg, "map", DURE_CREATE, NULL, &other), -EEXIST);
	T_FAILS(dure_map_open(seg, "map", DURE_OPEN, &o, &other), -EINVAL, "24");
	T_IS(dure_map_open(seg, "map", 0, NULL, &other), -EINVAL);
	T_IS(dure_map_open(seg, NULL, DURE_CREATE, NULL, &other), -EINVAL);
	o.partitions = 3;
	T_IS(dure_map_open(seg, "x", DURE_CREATE, &o, &other), -EINVAL);
	T_OK(dure_object_construct(seg, "object", DURE_TYPE(int), 1, NULL, NULL, &p));
	T_IS(dure_map_open(seg, "object", DURE_OPEN, NULL, &other), -EINVAL);
	o.partitions = 4;
	T_IS(dure_map_open(seg, "wide", DURE_CREATE, &o, &other), DURE_CREATED);
	T_IS(dure_map_add(other, "k", 1, 1, NULL), -EINVAL);
	/* who says nothing has room for 8 bytes, and would get 24 */
	T_FAILS(dure_map_open(seg, "wide", DURE_OPEN, NULL, &narrow), -EINVAL, "24");
	T_FAILS(dure_map_open(seg, "wide", DURE_OPEN | DURE_CREATE, NULL, &narrow), -EINVAL, "24");
	o.value_bytes = 0;
	T_FAILS(dure_map_open(seg, "wide", DURE_OPEN, &o, &narrow), -EINVAL, "24");
	o.value_bytes = DURE_MAP_ANY_VALUE;
	T_FAILS(dure_map_open(seg, "wide", DURE_OPEN | DURE_CREATE, &o, &narrow), -EINVAL, "ANY_VALUE");
	T_FAILS(dure_map_open(seg, "new", DURE_CREATE, &o, &narrow), -EINVAL, "ANY_VALUE");
	T_IS(dure_map_open(seg, "wide", DURE_OPEN, &o, &narrow), 0);
	assert_int_equal(dure_map_value_bytes(narrow), 24);
	assert_int_equal(dure_map_value_bytes(map), 8);
	dure_map_close(narrow);
	T_OK(dure_map_put(other, "k", 1, value));
	memset(value, 0, sizeof value);
	T_OK(dure_map_get(other, "k", 1, value));
	assert_string_equal(value, "twenty-three characters");
	dure_map_close(other);
	T_OK(dure_map_destroy(seg, "wide"));
	T_IS(dure_map_destroy(seg, "wide"), -ENOENT);
	T_IS(dure_map_destroy(seg, "object"), -EINVAL);
}

/* Random operations, inside and outside transactions, against an array. */
static void agrees_with_a_model(void **state)
{
	enum { KEYS = 3000 };
	static uint64_t model[KEYS], before[KEYS];
	dure_tx *tx = NULL;

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint64_t key = (uint64_t)rand() % KEYS, value = (uint64_t)rand() + 1, got = 0;
		switch (rand() % 8) {
		case 0:
		case 1:
			T_IS(dure_map_put(map, &key, sizeof key, &value), model[key] ? 0 : DURE_CREATED);
			model[key] = value;
			break;
		case 2:
			T_IS(dure_map_insert(map, &key, sizeof key, &value),
			     model[key] ? -EEXIST : DURE_CREATED);
			if (!model[key])
				model[key] = value;
			break;
		case 3:
			T_IS(dure_map_remove(map, &key, sizeof key), model[key] ? 0 : -ENOENT);
			model[key] = 0;
			break;
		case 4:
			T_IS(dure_map_add(map, &key, sizeof key, 1, NULL), model[key] ? 0 : DURE_CREATED);
			model[key]++;
			break;
		case 5:
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
		default:
			T_IS(dure_map_get(map, &key, sizeof key, &got), model[key] ? 0 : -ENOENT);
			assert_int_equal(got, model[key]);
		}
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	uint64_t count = 0;
	for (uint64_t key = 0; key < KEYS; key++) {
		uint64_t got = 0;
		count += model[key] != 0;
		T_IS(dure_map_get(map, &key, sizeof key, &got), model[key] ? 0 : -ENOENT);
		assert_int_equal(got, model[key]);
	}
	assert_int_equal(dure_map_count(map), count);
	t_clean(seg);
}

static int add_value(const void *key, size_t key_bytes, const void *value, void *context)
{
	uint64_t v;

	assert_int_equal(key_bytes, 8);
	memcpy(&v, value, 8);
	assert_int_equal(v, *(const uint64_t *)key * 3);
	*(uint64_t *)context += v;
	return 0;
}

static void many_are_visited_once_and_destroyed(void **state)
{
	enum { COUNT = 100000 };
	uint64_t live, sum = 0;

	(void)state;
	T_OK(dure_map_destroy(seg, "map"));
	live = t_live_blocks(seg);
	dure_map_close(map);
	T_OK(dure_map_open(seg, "map", DURE_CREATE, NULL, &map));
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t value = i * 3;
		T_OK(dure_map_put(map, &i, 8, &value));
	}
	T_OK(dure_map_each(map, add_value, &sum));
	assert_int_equal(sum, 3ull * COUNT * (COUNT - 1) / 2);
	T_OK(dure_map_destroy(seg, "map"));
	assert_int_equal(t_live_blocks(seg), live);
}

static void transactions_hide_new_entries(void **state)
{
	uint64_t one = 1, two = 2, got;
	int fds[2], back[2];
	dure_tx *tx;

	(void)state;
	T_OK(dure_map_put(map, "old", 3, &one));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(back), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
		T_IN_CHILD(dure_map_put(map, "new", 3, &two) == DURE_CREATED);
		T_IN_CHILD(dure_map_put(map, "old", 3, &two) == 0);
		T_IN_CHILD(dure_map_get(map, "old", 3, &got) == 0 && got == 2);
		t_signal(fds[1]);
		t_await(back[0]);
		T_IN_CHILD(dure_tx_commit(tx) == 0);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		_exit(0);
	}
	t_await(fds[0]);
	T_IS(dure_map_get(map, "new", 3, &got), -ENOENT);
	T_IS(dure_map_get(map, "old", 3, &got), 0);
	assert_int_equal(got, 1);
	t_signal(back[1]);
	t_join(pid);
	T_IS(dure_map_get(map, "new", 3, &got), 0);
	T_IS(dure_map_get(map, "old", 3, &got), 0);
	assert_int_equal(got, 2);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(back[i]);
	}
}

/* Readers beside a writer that replaces and removes, and is killed: each value is whole. */
static void readers_see_whole_values(void **state)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = 64, .partitions = 2 };
	uint64_t value[8], reads = 0;
	dure_map *wide;
	pid_t pid = 0;

	(void)state;
	T_OK(dure_map_open(seg, "wide", DURE_CREATE, &o, &wide));
	for (int64_t end = t_now_ns() + DURE_S(2); t_now_ns() < end;) {
		if (pid)
			t_kill(pid);
		pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uint64_t n = 0;; n++) {
				uint64_t key = n % 50;
				for (int i = 0; i < 8; i++)
					value[i] = n;
				if (n % 7 == 0)
					(void)dure_map_remove(wide, &key, 8);
				else
					T_IN_CHILD(dure_map_put(wide, &key, 8, value) >= 0);
			}
		}
		for (int64_t next = t_now_ns() + DURE_MS(10); t_now_ns() < next; reads++) {
			uint64_t key = reads % 50;
			int r = dure_map_get(wide, &key, 8, value);
			if (r == -ENOENT)
				continue;
			T_IS(r, 0);
			for (int i = 1; i < 8; i++)
				assert_int_equal(value[i], value[0]);
			assert_int_equal(value[0] % 50, key);
		}
	}
	t_kill(pid);
	T_OK(dure_segment_recover(seg));
	dure_map_close(wide);
	T_OK(dure_map_destroy(seg, "wide"));
	print_message("%llu reads\n", (unsigned long long)reads);
}

struct torn_visit {
	uint64_t seen, torn;
};

static int look_for_tears(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct torn_visit *v = context;
	const uint64_t *words = value;

	(void)key;
	(void)key_bytes;
	v->seen++;
	for (unsigned i = 1; i < 512; i++)
		v->torn += words[i] != words[0];
	return 0;
}

/* A visitor that cannot lock gets copies: never half of one value and half of the next. */
static void visitors_see_whole_values(void **state)
{
	struct dure_map_options m = { .sz = sizeof m, .value_bytes = 4096, .partitions = 2 };
	uint64_t value[512] = { 0 };
	dure_map *big, *mine;
	dure_segment *reader;

	(void)state;
	T_IS(dure_map_open(seg, "big", DURE_CREATE, &m, &big), DURE_CREATED);
	for (uint64_t key = 0; key < 20; key++)
		T_IS(dure_map_put(big, &key, sizeof key, value), DURE_CREATED);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		for (uint64_t n = 0;; n++) {
			uint64_t key = n % 20;
			for (int i = 0; i < 512; i++)
				value[i] = n;
			T_IN_CHILD(dure_map_put(big, &key, sizeof key, value) == 0);
		}
	}
	T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &reader), 0);
	T_IS(dure_map_open(reader, "big", DURE_OPEN, &m, &mine), 0);
	struct torn_visit v = { 0 };
	for (int i = 0; i < 2000; i++)
		T_OK(dure_map_each(mine, look_for_tears, &v));
	t_kill(pid);
	assert_int_equal(v.seen, 2000 * 20);
	assert_int_equal(v.torn, 0);
	dure_map_close(mine);
	T_OK(dure_segment_close(reader));
	T_OK(dure_segment_recover(seg));
	dure_map_close(big);
	T_OK(dure_map_destroy(seg, "big"));
}

/* What a transaction removes keeps its slot to the end: the table must grow, not complain. */
static void many_replacements_in_one_transaction(void **state)
{
	struct dure_map_options m = { .sz = sizeof m, .partitions = 1 };
	int64_t value;
	dure_map *small;
	dure_tx *tx;

	(void)state;
	T_IS(dure_map_open(seg, "small", DURE_CREATE, &m, &small), DURE_CREATED);
	for (int64_t key = 0; key < 5; key++)
		T_IS(dure_map_put(small, &key, sizeof key, &key), DURE_CREATED);
	T_OK(dure_tx_begin(seg, &tx));
	for (int64_t i = 0; i < 100; i++) {
		int64_t key = i % 5;
		T_IS(dure_map_put(small, &key, sizeof key, &i), 0);
	}
	T_OK(dure_tx_commit(tx));
	for (int64_t key = 0; key < 5; key++) {
		T_IS(dure_map_get(small, &key, sizeof key, &value), 0);
		assert_int_equal(value, 95 + key);
	}
	assert_int_equal(dure_map_count(small), 5);
	dure_map_close(small);
	T_OK(dure_map_destroy(seg, "small"));
}

/* run by another thread: what it sees of key 0 */
static void *look_at_key_0(void *context)
{
	static int64_t seen;
	int64_t key = 0;

	seen = -1;
	(void)dure_map_get(context, &key, sizeof key, &seen);
	return &seen;
}

static int64_t others_see(dure_map *small)
{
	pthread_t thread;
	void *seen;

	assert_int_equal(pthread_create(&thread, NULL, look_at_key_0, small), 0);
	assert_int_equal(pthread_join(thread, &seen), 0);
	return *(int64_t *)seen;
}

/* A table that grows within a transaction keeps for the others what the transaction removes. */
static void others_see_the_old_value_while_the_table_grows(void **state)
{
	struct dure_map_options m = { .sz = sizeof m, .partitions = 1 };
	int64_t value = 100;
	dure_map *small;
	dure_tx *tx;

	(void)state;
	T_IS(dure_map_open(seg, "small", DURE_CREATE, &m, &small), DURE_CREATED);
	for (int64_t key = 0; key < 5; key++)
		T_IS(dure_map_put(small, &key, sizeof key, &key), DURE_CREATED);
	for (int ends = 0; ends < 2; ends++) {		/* by abort, then by commit */
		T_OK(dure_tx_begin(seg, &tx));
		for (int64_t key = 0; key < 20; key++)
			T_OK(dure_map_put(small, &key, sizeof key, &value));
		assert_int_equal(others_see(small), 0);
		T_OK(ends ? dure_tx_commit(tx) : dure_tx_abort(tx));
		assert_int_equal(others_see(small), ends ? 100 : 0);
	}
	assert_int_equal(dure_map_count(small), 20);
	dure_map_close(small);
	T_OK(dure_map_destroy(seg, "small"));
}

enum { WALLETS = 200, WALLET_START = 50 };

static int add_up(const void *key, size_t key_bytes, const void *value, void *context)
{
	uint64_t content;

	assert_int_equal(key_bytes, sizeof(uint64_t));
	assert_int_equal((uintptr_t)value % 8, 0);
	memcpy(&content, value, sizeof content);
	assert_true(*(const unsigned char *)key < WALLETS);
	*(uint64_t *)context += content;
	return 0;
}

/* One unit at a time goes from wallet to wallet: in a transaction, as new values. */
static void pay_all_the_time(void)
{
	uint64_t from, to, a, b;
	unsigned dice = (unsigned)getpid();
	dure_tx *tx;

	T_IN_CHILD(dure_segment_reattach(seg) >= 0);
	for (;;) {
		from = (uint64_t)rand_r(&dice) % WALLETS;
		to = (uint64_t)rand_r(&dice) % WALLETS;
		T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
		int r = dure_map_add(map, &from, sizeof from, 0, NULL);	/* locks it */
		if (r == 0)
			r = dure_map_add(map, &to, sizeof to, 0, NULL);
		if (r == 0 && from != to)
			r = dure_map_get(map, &from, sizeof from, &a) < 0 ? -1
			    : dure_map_get(map, &to, sizeof to, &b) < 0	  ? -1 : 0;
		if (r == 0 && from != to && a) {
			a--, b++;
			r = dure_map_put(map, &from, sizeof from, &a);
			if (r == 0)
				r = dure_map_put(map, &to, sizeof to, &b);
		}
		T_IN_CHILD(r == 0 || r == -EDEADLK);
		T_IN_CHILD((r == 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
	}
}

static int take_time(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key_bytes;
	(void)context;
	return dure_map_put(map, key, sizeof(uint64_t), value) < 0 ? -1 : 0;	/* nothing is locked */
}

static void snapshots_are_of_one_moment(void **state)
{
	struct dure_map_options many = { .sz = sizeof many, .partitions = 128 };
	uint64_t start = WALLET_START, sum;
	pid_t payers[2], reader;
	dure_map *wide;
	int r;

	(void)state;
	for (uint64_t i = 0; i < WALLETS; i++)
		T_OK(dure_map_put(map, &i, sizeof i, &start));
	T_OK(dure_map_snapshot(map, take_time, NULL));
	for (int i = 0; i < 2; i++) {
		payers[i] = t_fork();
		if (payers[i] == 0)
			pay_all_the_time();
	}
	for (int good = 0; good < 300;) {
		sum = 0;
		r = dure_map_snapshot(map, add_up, &sum);
		assert_true(r == 0 || r == -EDEADLK);
		if (r == 0)
			assert_int_equal(sum, (uint64_t)WALLETS * WALLET_START);
		good += r == 0;
	}
	/* readers that are killed, wherever they are, hold up nobody */
	for (int i = 0; i < 30; i++) {
		reader = t_fork();
		if (reader == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) >= 0);
			for (;;) {
				sum = 0;
				(void)dure_map_snapshot(map, add_up, &sum);
			}
		}
		while (dure_map_snapshot(map, add_up, &sum) == -EDEADLK)
			;
		t_kill(reader);
		for (uint64_t key = 0; key < WALLETS; key++)
			T_OK(dure_map_add(map, &key, sizeof key, 0, NULL));
	}
	t_kill(payers[0]);
	t_kill(payers[1]);
	T_OK(dure_map_open(seg, "wide", DURE_CREATE, &many, &wide));
	T_FAILS(dure_map_snapshot(wide, add_up, &sum), -ENOLCK, "128");
	dure_map_close(wide);
}

static void taking(void **state)
{
	uint64_t value = 5, got = 77;
	dure_tx *tx;

	(void)state;
	T_IS(dure_map_take(map, "k", 1, &got), -ENOENT);
	assert_int_equal(got, 77);
	T_OK(dure_map_put(map, "k", 1, &value));
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_map_take(map, "k", 1, &got));
	assert_int_equal(got, 5);
	T_IS(dure_map_take(map, "k", 1, &got), -ENOENT);
	T_OK(dure_tx_abort(tx));
	T_OK(dure_map_take(map, "k", 1, &got));
	T_IS(dure_map_get(map, "k", 1, &got), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(opening_checks),
		TEST(agrees_with_a_model),
		TEST(many_are_visited_once_and_destroyed),
		TEST(transactions_hide_new_entries),
		TEST(readers_see_whole_values),
		TEST(visitors_see_whole_values),
		TEST(many_replacements_in_one_transaction),
		TEST(others_see_the_old_value_while_the_table_grows),
		TEST(snapshots_are_of_one_moment),
		TEST(taking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
