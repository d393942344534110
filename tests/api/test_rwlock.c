/* SPDX-License-Identifier: MIT */
/* Description: the lattice of modes, what it refuses, and what is left by the dead. */
#include <pthread.h>

#include "../t.h"

struct root {
	dure_rwlock lock;
	dure_mutex mutex;
	uint64_t a, b;
};

#include "root.h"

static int setup(void **state)
{
	(void)state;
	make_segment_and_root();
	return 0;
}

static int lock(enum dure_lock_mode mode, int64_t timeout_ns)
{
	return dure_rwlock_lock(seg, &root->lock, mode, timeout_ns);
}

static int change(enum dure_lock_mode mode, int64_t timeout_ns)
{
	return dure_rwlock_change(seg, &root->lock, mode, timeout_ns);
}

static int unlock(void)
{
	return dure_rwlock_unlock(seg, &root->lock);
}

static void reinit(void)
{
	T_OK(dure_rwlock_init(seg, &root->lock));
}

/* -- another thread, which does as it is told -------------------------------------------- */

struct order {
	int (*what)(enum dure_lock_mode mode, int64_t timeout_ns);
	enum dure_lock_mode mode;
	int64_t timeout_ns;
	int result;
};

static int unlock_it(enum dure_lock_mode mode, int64_t timeout_ns)
{
	(void)mode;
	(void)timeout_ns;
	return unlock();
}

static struct {
	int orders[2], answers[2];
	pthread_t thread;
} other;

static void *obey(void *context)
{
	struct order order;

	(void)context;
	while (read(other.orders[0], &order, sizeof order) == sizeof order) {
		order.result = order.what(order.mode, order.timeout_ns);
		if (write(other.answers[1], &order, sizeof order) != sizeof order)
			break;
	}
	return NULL;
}

static void start_other(void)
{
	assert_int_equal(pipe(other.orders), 0);
	assert_int_equal(pipe(other.answers), 0);
	assert_int_equal(pthread_create(&other.thread, NULL, obey, NULL), 0);
}

static void tell_other(int (*what)(enum dure_lock_mode, int64_t), enum dure_lock_mode mode,
		       int64_t timeout_ns)
{
	struct order order = { .what = what, .mode = mode, .timeout_ns = timeout_ns };

	assert_int_equal(write(other.orders[1], &order, sizeof order), sizeof order);
}

static int answer(void)
{
	struct order order;

	assert_int_equal(read(other.answers[0], &order, sizeof order), sizeof order);
	return order.result;
}

static int other_tries(int (*what)(enum dure_lock_mode, int64_t), enum dure_lock_mode mode)
{
	tell_other(what, mode, 0);
	return answer();
}

static void end_other(void)
{
	close(other.orders[1]);
	pthread_join(other.thread, NULL);
	close(other.orders[0]);
	close(other.answers[0]);
	close(other.answers[1]);
}

/* -- modes ------------------------------------------------------------------------------- */

static void modes_exclude_each_other(void **state)
{
	static const struct {
		enum dure_lock_mode have, want;
		int result;
	} table[] = {
		{ DURE_SHARED, DURE_SHARED, 0 },
		{ DURE_SHARED, DURE_UPGRADABLE, 0 },
		{ DURE_SHARED, DURE_EXCLUSIVE, -EAGAIN },
		{ DURE_UPGRADABLE, DURE_SHARED, 0 },
		{ DURE_UPGRADABLE, DURE_UPGRADABLE, -EAGAIN },
		{ DURE_UPGRADABLE, DURE_EXCLUSIVE, -EAGAIN },
		{ DURE_EXCLUSIVE, DURE_SHARED, -EAGAIN },
		{ DURE_EXCLUSIVE, DURE_UPGRADABLE, -EAGAIN },
		{ DURE_EXCLUSIVE, DURE_EXCLUSIVE, -EAGAIN },
	};

	(void)state;
	start_other();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		T_OK(lock(table[i].have, 0));
		assert_int_equal(other_tries(lock, table[i].want), table[i].result);
		if (table[i].result == 0)
			assert_int_equal(other_tries(unlock_it, 0), 0);
		T_OK(unlock());
		assert_int_equal(other_tries(lock, DURE_EXCLUSIVE), 0);	/* nothing is left */
		assert_int_equal(other_tries(unlock_it, 0), 0);
	}
	end_other();
}

static void modes_change(void **state)
{
	(void)state;
	start_other();
	/* up: shared, upgradable, exclusive, and down again */
	T_OK(lock(DURE_SHARED, 0));
	T_OK(change(DURE_UPGRADABLE, 0));
	assert_int_equal(other_tries(lock, DURE_UPGRADABLE), -EAGAIN);
	assert_int_equal(other_tries(lock, DURE_SHARED), 0);
	T_IS(change(DURE_EXCLUSIVE, 0), -EAGAIN);
	T_IS(change(DURE_EXCLUSIVE, DURE_MS(20)), -ETIMEDOUT);
	assert_int_equal(other_tries(unlock_it, 0), 0);
	assert_int_equal(other_tries(lock, DURE_UPGRADABLE), -EAGAIN);	/* it is still ours */
	T_OK(change(DURE_EXCLUSIVE, 0));
	assert_int_equal(other_tries(lock, DURE_SHARED), -EAGAIN);
	T_OK(change(DURE_UPGRADABLE, 0));
	assert_int_equal(other_tries(lock, DURE_SHARED), 0);
	assert_int_equal(other_tries(unlock_it, 0), 0);
	T_OK(change(DURE_SHARED, 0));
	assert_int_equal(other_tries(lock, DURE_UPGRADABLE), 0);
	/* two who share cannot both go up */
	T_IS(change(DURE_EXCLUSIVE, DURE_FOREVER), -EAGAIN);
	assert_int_equal(other_tries(unlock_it, 0), 0);
	T_OK(change(DURE_EXCLUSIVE, DURE_FOREVER));
	T_OK(change(DURE_SHARED, 0));
	assert_int_equal(other_tries(lock, DURE_SHARED), 0);
	assert_int_equal(other_tries(unlock_it, 0), 0);
	T_OK(unlock());
	end_other();
}

static void a_thread_does_not_wait_for_itself(void **state)
{
	(void)state;
	T_OK(lock(DURE_SHARED, 0));
	T_OK(lock(DURE_SHARED, 0));
	T_FAILS(lock(DURE_EXCLUSIVE, DURE_FOREVER), -EDEADLK, "already");
	T_FAILS(change(DURE_EXCLUSIVE, DURE_FOREVER), -EDEADLK, "already");
	T_OK(unlock());
	T_OK(change(DURE_EXCLUSIVE, DURE_FOREVER));
	T_IS(lock(DURE_SHARED, DURE_FOREVER), -EDEADLK);
	T_IS(lock(DURE_EXCLUSIVE, DURE_FOREVER), -EDEADLK);
	T_OK(unlock());
	T_FAILS(unlock(), -EPERM, "does not have");
	T_IS(change(DURE_SHARED, 0), -EPERM);
	T_IS(dure_rwlock_abandon(seg, &root->lock), -EPERM);
}

/* A reader inside may read once more though a writer waits: else both would wait for ever. */
static void readers_nest_while_a_writer_waits(void **state)
{
	(void)state;
	start_other();
	T_OK(lock(DURE_SHARED, 0));
	tell_other(lock, DURE_EXCLUSIVE, DURE_S(10));
	while (lock(DURE_SHARED, 0) == 0 && !((volatile uint32_t *)&root->lock)[0])
		T_OK(unlock());
	T_OK(unlock());
	T_OK(unlock());
	assert_int_equal(answer(), 0);
	T_IS(lock(DURE_SHARED, 0), -EAGAIN);
	assert_int_equal(other_tries(unlock_it, 0), 0);
	end_other();
}

/* A transaction gives back its own locks, and no others. */
static void transactions_leave_the_lock_alone(void **state)
{
	dure_tx *tx;

	(void)state;
	start_other();
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_lock(tx, &root->mutex, 0));
	T_OK(lock(DURE_EXCLUSIVE, 0));
	T_OK(dure_tx_commit(tx));
	assert_int_equal(other_tries(lock, DURE_SHARED), -EAGAIN);
	T_OK(dure_mutex_lock(seg, &root->mutex, 0));	/* that one is free */
	T_OK(dure_mutex_unlock(seg, &root->mutex));
	T_OK(change(DURE_UPGRADABLE, 0));
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_lock(tx, &root->mutex, 0));
	T_OK(dure_tx_abort(tx));
	assert_int_equal(other_tries(lock, DURE_UPGRADABLE), -EAGAIN);
	T_OK(unlock());
	end_other();
}

static void bad_input_is_refused(void **state)
{
	dure_rwlock local = { { 0 } };

	(void)state;
	T_FAILS(dure_rwlock_lock(seg, &local, DURE_SHARED, 0), -EINVAL, "no reader-writer lock");
	T_FAILS(lock((enum dure_lock_mode)7, 0), -EINVAL, "no mode");
	T_IS(dure_rwlock_init(seg, (dure_rwlock *)((char *)&root->lock + 4)), -EINVAL);
	memset(&root->lock, 0x5a, sizeof root->lock);
	T_FAILS(lock(DURE_SHARED, 0), -EINVAL, "no reader-writer lock");
	reinit();
	for (int i = 0; i < 32; i++)
		T_OK(lock(DURE_SHARED, 0));
	T_FAILS(lock(DURE_SHARED, 0), -ENOLCK, "32");
	for (int i = 0; i < 32; i++)
		T_OK(unlock());
	T_IS(unlock(), -EPERM);
	T_IS(lock(DURE_SHARED, -12345), 0);
	T_IS(unlock(), 0);
}

/* -- deaths ------------------------------------------------------------------------------ */

static pid_t holder(enum dure_lock_mode mode)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(lock(mode, DURE_FOREVER) >= 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static int count_modes(enum dure_lock_mode mode, const struct dure_participant *who, void *context)
{
	(void)who;
	((int *)context)[mode]++;
	return 0;
}

static void the_dead_are_not_waited_for(void **state)
{
	int modes[4] = { 0 };

	(void)state;
	pid_t readers[3];
	for (int i = 0; i < 3; i++)
		readers[i] = holder(DURE_SHARED);
	pid_t upgradable = holder(DURE_UPGRADABLE);
	T_IS(dure_rwlock_holders(seg, &root->lock, count_modes, modes), 4);
	assert_int_equal(modes[DURE_SHARED], 3);
	assert_int_equal(modes[DURE_UPGRADABLE], 1);
	T_IS(lock(DURE_EXCLUSIVE, 0), -EAGAIN);
	t_kill(upgradable);
	t_kill(readers[0]);
	T_IS(lock(DURE_EXCLUSIVE, 0), -EAGAIN);
	kill(readers[1], SIGSTOP);	/* stopped is not dead */
	T_IS(lock(DURE_EXCLUSIVE, DURE_MS(100)), -ETIMEDOUT);
	t_kill(readers[1]);
	t_kill(readers[2]);
	T_IS(lock(DURE_EXCLUSIVE, 0), 0);
	T_OK(unlock());
}

static void everybody_is_told_of_a_dead_writer(void **state)
{
	(void)state;
	t_kill(holder(DURE_EXCLUSIVE));
	T_IS(lock(DURE_SHARED, 0), DURE_OWNER_DIED);
	T_IS(dure_rwlock_mark_consistent(seg, &root->lock), -EPERM);
	T_IS(change(DURE_UPGRADABLE, 0), DURE_OWNER_DIED);
	T_IS(change(DURE_EXCLUSIVE, 0), DURE_OWNER_DIED);
	T_OK(unlock());
	T_IS(lock(DURE_UPGRADABLE, DURE_FOREVER), DURE_OWNER_DIED);
	T_OK(unlock());
	T_IS(lock(DURE_EXCLUSIVE, DURE_FOREVER), DURE_OWNER_DIED);
	T_OK(dure_rwlock_mark_consistent(seg, &root->lock));
	T_FAILS(dure_rwlock_mark_consistent(seg, &root->lock), -EINVAL, "died");
	T_OK(unlock());
	T_IS(lock(DURE_SHARED, 0), 0);
	T_OK(unlock());
	t_kill(holder(DURE_EXCLUSIVE));
	T_IS(lock(DURE_EXCLUSIVE, 0), DURE_OWNER_DIED);
	T_OK(dure_rwlock_abandon(seg, &root->lock));
	T_IS(lock(DURE_SHARED, DURE_FOREVER), -ENOTRECOVERABLE);
	T_IS(lock(DURE_UPGRADABLE, 0), -ENOTRECOVERABLE);
	T_IS(lock(DURE_EXCLUSIVE, 0), -ENOTRECOVERABLE);
	reinit();
}

/* -- a crowd ----------------------------------------------------------------------------- */

static uint64_t dice(uint64_t *state, uint64_t sides)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % sides;
}

static void write_both(void)
{
	__atomic_store_n(&root->a, root->a + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&root->b, root->b + 1, __ATOMIC_RELAXED);
}

/* Writers keep a and b equal; whoever reads sees that. */
static void *work(void *context)
{
	uint64_t state = (uintptr_t)context * 7919 + 1;

	for (int i = 0; i < 20000; i++) {
		enum dure_lock_mode mode = dice(&state, 8) ? DURE_SHARED
							   : dice(&state, 2) ? DURE_UPGRADABLE
									     : DURE_EXCLUSIVE;
		T_IN_CHILD(lock(mode, DURE_S(20)) == 0);
		T_IN_CHILD(__atomic_load_n(&root->a, __ATOMIC_RELAXED) ==
			   __atomic_load_n(&root->b, __ATOMIC_RELAXED));
		if (mode == DURE_UPGRADABLE && dice(&state, 2)) {
			T_IN_CHILD(change(DURE_EXCLUSIVE, DURE_S(20)) == 0);
			write_both();
			T_IN_CHILD(change(dice(&state, 2) ? DURE_SHARED : DURE_UPGRADABLE, 0) == 0);
		} else if (mode == DURE_EXCLUSIVE) {
			write_both();
		}
		T_IN_CHILD(__atomic_load_n(&root->a, __ATOMIC_RELAXED) ==
			   __atomic_load_n(&root->b, __ATOMIC_RELAXED));
		T_IN_CHILD(unlock() == 0);
	}
	return NULL;
}

static void nobody_sees_half_a_write(void **state)
{
	(void)state;
	t_crowd(seg, work);
	assert_int_equal(root->a, root->b);
	assert_true(root->a > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_exclude_each_other),
		cmocka_unit_test(modes_change),
		cmocka_unit_test(a_thread_does_not_wait_for_itself),
		cmocka_unit_test(readers_nest_while_a_writer_waits),
		cmocka_unit_test(transactions_leave_the_lock_alone),
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(the_dead_are_not_waited_for),
		cmocka_unit_test(everybody_is_told_of_a_dead_writer),
		cmocka_unit_test(nobody_sees_half_a_write),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
