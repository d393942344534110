/* SPDX-License-Identifier: MIT */
/* Description: a transaction happens entirely or not at all, also when its process is killed. */
#include "../t.h"

struct account {
	dure_mutex lock;
	uint64_t balance;
	char note[100];
	dure_ref block;
};

enum { ACCOUNTS = 8 };

static dure_segment *seg;
static struct account *accounts;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_OK(dure_object_construct(seg, "accounts", DURE_TYPE(struct account), ACCOUNTS, NULL, NULL,
				   (void **)&accounts));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	t_close(seg);
	return 0;
}

static void commit_keeps_and_abort_undoes(void **state)
{
	uint64_t value = 10;
	dure_tx *tx;

	(void)state;
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_lock(tx, &accounts[0].lock, DURE_FOREVER));
	T_OK(dure_tx_write(tx, &accounts[0].balance, &value, sizeof value));
	T_OK(dure_tx_write(tx, accounts[0].note, "hello", 6));
	assert_int_equal(accounts[0].balance, 10);
	T_OK(dure_tx_commit(tx));
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_lock(tx, &accounts[0].lock, DURE_FOREVER));
	T_OK(dure_tx_lock(tx, &accounts[0].lock, DURE_FOREVER));
	value = 11;
	T_OK(dure_tx_write(tx, &accounts[0].balance, &value, sizeof value));
	value = 12;
	T_OK(dure_tx_write(tx, &accounts[0].balance, &value, sizeof value));
	T_OK(dure_tx_add(tx, accounts[0].note, sizeof accounts[0].note));
	strcpy(accounts[0].note, "something longer");
	T_OK(dure_tx_abort(tx));
	assert_int_equal(accounts[0].balance, 10);
	assert_string_equal(accounts[0].note, "hello");
	/* the locks are free again */
	T_OK(dure_mutex_lock(seg, &accounts[0].lock, 0));
	T_OK(dure_mutex_unlock(seg, &accounts[0].lock));
}

static void blocks_come_and_go_with_it(void **state)
{
	uint64_t live = t_live_blocks(seg);
	dure_tx *tx;
	void *p, *big;

	(void)state;
	for (int commits = 0; commits < 2; commits++) {
		T_OK(dure_tx_begin(seg, &tx));
		T_OK(dure_tx_alloc(tx, 100, 0, &p));
		T_OK(dure_tx_alloc(tx, 500000, 0, &big));
		memset(big, 1, 500000);
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		assert_int_equal(t_live_blocks(seg), live + (commits ? 2 : 0));
	}
	for (int commits = 0; commits < 2; commits++) {
		T_OK(dure_tx_begin(seg, &tx));
		T_OK(dure_tx_free(tx, p));
		T_FAILS(dure_tx_free(tx, p), -EINVAL, "free");
		T_OK(dure_tx_free(tx, big));
		T_IS(dure_tx_free(tx, big), -EINVAL);
		T_IS(dure_block_free(seg, p), -EINVAL);
		T_OK(dure_tx_free(tx, NULL));
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		assert_int_equal(t_live_blocks(seg), live + (commits ? 0 : 2));
	}
	/* taken and given back in one */
	for (int commits = 0; commits < 2; commits++) {
		T_OK(dure_tx_begin(seg, &tx));
		T_OK(dure_tx_alloc(tx, 100, 0, &p));
		T_OK(dure_tx_alloc(tx, 500000, 0, &big));
		T_OK(dure_tx_free(tx, p));
		T_OK(dure_tx_free(tx, big));
		T_IS(dure_tx_free(tx, p), -EINVAL);
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		assert_int_equal(t_live_blocks(seg), live);
	}
	T_FAILS(dure_tx_alloc(tx, 8, 0, &p), -EINVAL, "no open transaction");
}

static void block_calls_are_part_of_it(void **state)
{
	uint64_t live = t_live_blocks(seg);
	dure_tx *tx;
	void *p;

	(void)state;
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_block_reserve(seg, 64, 0, &p));
	T_OK(dure_block_publish(seg, p, &accounts[0].block));
	assert_int_not_equal(accounts[0].block.offset, 0);
	T_OK(dure_tx_abort(tx));
	assert_int_equal(accounts[0].block.offset, 0);
	assert_int_equal(t_live_blocks(seg), live);
	T_OK(dure_block_alloc(seg, 64, 0, &accounts[0].block));
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_block_free_from(seg, &accounts[0].block));
	T_OK(dure_tx_abort(tx));
	assert_int_equal(t_live_blocks(seg), live + 1);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_block_free_from(seg, &accounts[0].block));
	T_OK(dure_tx_commit(tx));
	assert_int_equal(t_live_blocks(seg), live);
}

static void nesting_folds(void **state)
{
	uint64_t one = 1, two = 2;
	dure_tx *outer, *inner;

	(void)state;
	T_OK(dure_tx_begin(seg, &outer));
	T_OK(dure_tx_write(outer, &accounts[0].balance, &one, 8));
	T_OK(dure_tx_begin(seg, &inner));
	T_OK(dure_tx_write(inner, &accounts[1].balance, &two, 8));
	T_OK(dure_tx_commit(inner));
	T_OK(dure_tx_abort(outer));
	assert_int_equal(accounts[0].balance + accounts[1].balance, 0);
	T_OK(dure_tx_begin(seg, &outer));
	T_OK(dure_tx_write(outer, &accounts[0].balance, &one, 8));
	T_OK(dure_tx_begin(seg, &inner));
	T_OK(dure_tx_abort(inner));
	T_FAILS(dure_tx_commit(outer), -ECANCELED, "inner");
	assert_int_equal(accounts[0].balance, 0);
	T_IS(dure_tx_commit(outer), -EINVAL);
	T_IS(dure_tx_abort(NULL), -EINVAL);
}

static void large_ones_are_fine(void **state)
{
	static char bytes[300000];
	char *area;
	dure_tx *tx;

	(void)state;
	T_OK(dure_block_reserve(seg, sizeof bytes, 0, (void **)&area));
	T_OK(dure_block_keep(seg, area));
	memset(area, 1, sizeof bytes);
	memset(bytes, 2, sizeof bytes);
	for (int commits = 0; commits < 2; commits++) {
		T_OK(dure_tx_begin(seg, &tx));
		T_OK(dure_tx_write(tx, area, bytes, sizeof bytes));
		for (int i = 0; i < 20000; i++)
			T_OK(dure_tx_write(tx, area + i * 8, "12345678", 8));
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		assert_int_equal(area[0], commits ? '1' : 1);
		assert_int_equal(area[sizeof bytes - 1], commits ? 2 : 1);
	}
	T_OK(dure_block_free(seg, area));
}

static void no_room_for_the_log_is_an_error(void **state)
{
	static char bytes[4096];
	char *area;
	dure_tx *tx;
	int r;

	(void)state;
	T_OK(dure_block_reserve(seg, 9 << 20, 0, (void **)&area));
	T_OK(dure_block_keep(seg, area));
	memset(area, 1, 9 << 20);
	T_OK(dure_tx_begin(seg, &tx));
	for (r = 0; r == 0;)
		r = dure_tx_write(tx, area, bytes, sizeof bytes);
	T_IS(r, -ENOSPC);
	T_OK(dure_tx_abort(tx));
	assert_int_equal(area[0], 1);
	T_OK(dure_block_free(seg, area));
}

static void wrong_ranges_are_refused(void **state)
{
	uint64_t value = 1, local;
	dure_tx *tx;

	(void)state;
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_tx_write(tx, &local, &value, 8), -EINVAL, "not data");
	T_IS(dure_tx_write(tx, dure_segment_base(seg), &value, 8), -EINVAL);
	T_IS(dure_tx_add(tx, accounts, SIZE_MAX), -EINVAL);
	T_IS(dure_tx_lock(tx, (dure_mutex *)(void *)&local, 0), -EINVAL);
	T_IS(dure_mutex_unlock(seg, &accounts[0].lock), -EPERM);
	T_OK(dure_tx_lock(tx, &accounts[0].lock, 0));
	T_FAILS(dure_mutex_unlock(seg, &accounts[0].lock), -EPERM, "transaction");
	T_OK(dure_tx_commit(tx));
}

static void a_circle_of_lockers_is_found(void **state)
{
	int fds[2], back[2];
	dure_tx *tx;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(back), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
		T_IN_CHILD(dure_tx_lock(tx, &accounts[1].lock, DURE_FOREVER) == 0);
		t_signal(fds[1]);
		t_await(back[0]);	/* the other one has its first lock, too */
		int r = dure_tx_lock(tx, &accounts[0].lock, DURE_S(5));
		T_IN_CHILD(r == 0 || r == -EDEADLK);
		T_IN_CHILD(dure_tx_abort(tx) == 0);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		_exit(r == 0 ? 0 : 3);
	}
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_lock(tx, &accounts[0].lock, DURE_FOREVER));
	t_await(fds[0]);
	t_signal(back[1]);
	t_sleep_ms(20);		/* mostly the child sleeps for our lock now */
	int r = dure_tx_lock(tx, &accounts[1].lock, DURE_S(5)), status;
	assert_true(r == -EDEADLK || r == 0);
	T_OK(dure_tx_abort(tx));
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3));
	/* one of the two at least was told */
	assert_true(r == -EDEADLK || WEXITSTATUS(status) == 3);
	close(fds[0]);
	close(fds[1]);
	close(back[0]);
	close(back[1]);
}

/* Money moves between accounts while its movers are killed: the sum stays. */
static void transfers_under_fire_keep_the_sum(void **state)
{
	uint64_t start = 1000, sum;
	pid_t pids[4];
	unsigned kills = 0;

	(void)state;
	for (int i = 0; i < ACCOUNTS; i++)
		accounts[i].balance = start;
	for (int i = 0; i < 4; i++)
		pids[i] = 0;
	for (int64_t start_ns = t_now_ns(); t_now_ns() < start_ns + DURE_S(2) ||
	     (kills <= 100 && t_now_ns() < start_ns + DURE_S(30));) {
		int w = rand() % 4;
		if (pids[w])
			t_kill(pids[w]);
		kills++;
		pids[w] = t_fork();
		if (pids[w] == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			srand((unsigned)t_now_ns());
			for (;;) {
				int from = rand() % ACCOUNTS, to = rand() % ACCOUNTS;
				uint64_t a, b;
				dure_tx *tx;
				T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
				if (dure_tx_lock(tx, &accounts[from].lock, DURE_FOREVER) < 0 ||
				    dure_tx_lock(tx, &accounts[to].lock, DURE_FOREVER) < 0 ||
				    from == to || accounts[from].balance == 0) {
					T_IN_CHILD(dure_tx_abort(tx) == 0);
					continue;
				}
				a = accounts[from].balance - 1;
				b = accounts[to].balance + 1;
				T_IN_CHILD(dure_tx_write(tx, &accounts[from].balance, &a, 8) == 0);
				T_IN_CHILD(dure_tx_write(tx, &accounts[to].balance, &b, 8) == 0);
				T_IN_CHILD(dure_tx_commit(tx) == 0);
			}
		}
		t_sleep_ms(2);
	}
	for (int i = 0; i < 4; i++)
		if (pids[i])
			t_kill(pids[i]);
	T_OK(dure_segment_recover(seg));
	sum = 0;
	for (int i = 0; i < ACCOUNTS; i++)
		sum += accounts[i].balance;
	assert_int_equal(sum, ACCOUNTS * start);
	assert_true(kills > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(commit_keeps_and_abort_undoes),
		TEST(blocks_come_and_go_with_it),
		TEST(block_calls_are_part_of_it),
		TEST(nesting_folds),
		TEST(large_ones_are_fine),
		TEST(no_room_for_the_log_is_an_error),
		TEST(wrong_ranges_are_refused),
		TEST(a_circle_of_lockers_is_found),
		TEST(transfers_under_fire_keep_the_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
