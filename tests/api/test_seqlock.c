/* SPDX-License-Identifier: MIT */
/* Description: sequence locks: readers never wait and never see half a value, whoever dies. */
#include "../t.h"

enum { WORDS = 9, BYTES = WORDS * 8 - 3 };	/* no multiple of a word */

struct value {
	unsigned char bytes[BYTES];
};

static dure_segment *seg;
static dure_seqlock *lock;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_OK(dure_block_reserve(seg, DURE_SEQLOCK_BYTES(BYTES), 0, (void **)&lock));
	T_OK(dure_block_keep(seg, lock));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_finish(seg);
	return 0;
}

static struct value all(int byte)
{
	struct value v;

	memset(&v, byte, sizeof v);
	return v;
}

static bool is_whole(const struct value *v)
{
	for (int i = 1; i < BYTES; i++)
		if (v->bytes[i] != v->bytes[0])
			return false;
	return true;
}

static void begin_with(int byte)
{
	struct value v = all(byte);

	T_OK(dure_seqlock_init(seg, lock, &v, sizeof v));
}

static int first_byte(void)
{
	struct value v;

	T_OK(dure_seqlock_read(seg, lock, &v, sizeof v));
	assert_true(is_whole(&v));
	return v.bytes[0];
}

static void values_are_read_as_written(void **state)
{
	struct value v = all(7);

	(void)state;
	T_OK(dure_seqlock_init(seg, lock, NULL, BYTES));
	assert_int_equal(first_byte(), 0);
	T_OK(dure_seqlock_write(seg, lock, &v, sizeof v, 0));
	assert_int_equal(first_byte(), 7);
	T_OK(dure_seqlock_begin(seg, lock, &v, sizeof v, 0));
	assert_int_equal(v.bytes[BYTES - 1], 7);
	v = all(8);
	assert_int_equal(first_byte(), 7);		/* not yet */
	T_OK(dure_seqlock_commit(seg, lock, &v, sizeof v));
	assert_int_equal(first_byte(), 8);
	T_OK(dure_seqlock_begin(seg, lock, &v, sizeof v, 0));
	T_OK(dure_seqlock_cancel(seg, lock));
	assert_int_equal(first_byte(), 8);
}

static void misuse_is_refused(void **state)
{
	struct value v = all(1);
	dure_seqlock local = { { 0 } };

	(void)state;
	begin_with(1);
	T_FAILS(dure_seqlock_read(seg, lock, &v, 8), -EINVAL, "guards 69 bytes");
	T_FAILS(dure_seqlock_read(seg, &local, &v, sizeof v), -EINVAL, "no sequence lock");
	T_FAILS(dure_seqlock_init(seg, lock, NULL, 0), -EINVAL, "1 to");
	T_FAILS(dure_seqlock_init(seg, lock, NULL, DURE_SEQLOCK_VALUE_MAX + 1), -EINVAL, "1 to");
	T_FAILS(dure_seqlock_commit(seg, lock, &v, sizeof v), -EPERM, "not begun");
	T_IS(dure_seqlock_cancel(seg, lock), -EPERM);
	T_OK(dure_seqlock_begin(seg, lock, &v, sizeof v, 0));
	T_FAILS(dure_seqlock_write(seg, lock, &v, sizeof v, 0), -EDEADLK, "is changing");
	T_OK(dure_seqlock_cancel(seg, lock));
	memset(lock, 0, sizeof *lock);			/* zeros guard nothing */
	T_IS(dure_seqlock_write(seg, lock, &v, sizeof v, 0), -EINVAL);
}

/* Writes as fast as it can, all bytes alike, until it is killed. */
static pid_t start_writer(int seed)
{
	pid_t pid = t_fork();

	if (pid)
		return pid;
	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	for (int i = seed;; i++) {
		struct value v = all(i);
		T_IN_CHILD(dure_seqlock_write(seg, lock, &v, sizeof v, DURE_S(20)) == 0);
	}
}

enum { STORM_ROUNDS = 60, READS = 2000 };

/* What was begun inside a transaction of other locks outlives its end. */
static void transactions_leave_a_change_alone(void **state)
{
	struct value v = all(9);
	dure_mutex *mutex;
	dure_tx *tx;

	(void)state;
	begin_with(8);
	T_OK(dure_object_construct(seg, "mutex", DURE_TYPE(dure_mutex), 1, NULL, NULL, (void **)&mutex));
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_lock(tx, mutex, 0));
	T_OK(dure_seqlock_begin(seg, lock, &v, sizeof v, 0));
	T_OK(dure_tx_commit(tx));
	v = all(9);
	T_OK(dure_seqlock_commit(seg, lock, &v, sizeof v));
	assert_int_equal(first_byte(), 9);
	T_OK(dure_mutex_lock(seg, mutex, 0));	/* that one was given back */
	T_OK(dure_mutex_unlock(seg, mutex));
	T_OK(dure_object_destroy(seg, "mutex", DURE_TYPE(dure_mutex), NULL, NULL));
}

static void readers_see_whole_values_whoever_dies(void **state)
{
	struct value v;

	(void)state;
	begin_with(1);
	for (int round = 0; round < STORM_ROUNDS; round++) {
		pid_t writers[2] = { start_writer(round), start_writer(round + 100) };
		for (int i = 0; i < READS; i++)
			(void)first_byte();
		t_kill(writers[0]);
		(void)first_byte();
		t_kill(writers[1]);
		v = all(round);
		int64_t start = t_now_ns();
		T_OK(dure_seqlock_write(seg, lock, &v, sizeof v, DURE_S(20)));
		assert_true(t_now_ns() - start < DURE_S(1));
		assert_int_equal(first_byte(), round);
	}
}

static pid_t start_changer(void)
{
	struct value v;
	int gate[2];

	assert_int_equal(pipe(gate), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_seqlock_begin(seg, lock, &v, sizeof v, 0) == 0);
		t_signal(gate[1]);
		for (;;)
			pause();
	}
	t_await(gate[0]);
	close(gate[0]);
	close(gate[1]);
	return pid;
}

static void a_stopped_writer_stops_no_reader(void **state)
{
	struct value v = all(4);

	(void)state;
	begin_with(3);
	pid_t pid = start_changer();
	kill(pid, SIGSTOP);
	assert_int_equal(first_byte(), 3);
	T_IS(dure_seqlock_write(seg, lock, &v, sizeof v, 0), -EAGAIN);
	T_IS(dure_seqlock_write(seg, lock, &v, sizeof v, DURE_MS(50)), -ETIMEDOUT);
	t_kill(pid);
	T_IS(dure_seqlock_write(seg, lock, &v, sizeof v, DURE_S(10)), 0);
	assert_int_equal(first_byte(), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_as_written),
		cmocka_unit_test(misuse_is_refused),
		cmocka_unit_test(transactions_leave_a_change_alone),
		cmocka_unit_test(readers_see_whole_values_whoever_dies),
		cmocka_unit_test(a_stopped_writer_stops_no_reader),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
