/* SPDX-License-Identifier: MIT */
/* Description: System V semaphores: born with their values, and what waits for them. */
#include "sysv.h"

static const uint16_t three[3] = { 5, 0, 32767 };

static dure_sysv_sem *open_three(uint32_t flags, int expected)
{
	struct dure_sysv_sem_options o = { .sz = sizeof o, .values = three };
	dure_sysv_sem *sem;

	T_IS(dure_sysv_sem_open(t_key(), 3, flags, &o, DURE_S(PATIENCE_S), &sem), expected);
	return sem;
}

static void remove_set(dure_sysv_sem *sem)
{
	T_OK(dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(sem)));
	dure_sysv_sem_close(sem);
}

static void has_three_values(dure_sysv_sem *sem)
{
	uint16_t got[3] = { 0 };

	T_OK(dure_sysv_sem_get(sem, got, 3));
	assert_memory_equal(got, three, sizeof three);
}

static void a_set_is_born_with_its_values(void **state)
{
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	dure_sysv_sem *sem = open_three(DURE_CREATE | DURE_OPEN, DURE_CREATED), *other;
	uint16_t set[3] = { 1, 2, 3 };

	(void)state;
	has_three_values(sem);
	other = open_three(DURE_CREATE | DURE_OPEN, 0);
	has_three_values(other);
	T_FAILS(dure_sysv_sem_open(t_key(), 3, DURE_CREATE, NULL, 0, &other), -EEXIST, "there is "
		"one");
	dure_sysv_sem_close(other);
	T_OK(dure_sysv_sem_info(sem, 2, &info));
	assert_int_equal(info.count, 3);
	assert_int_equal(info.has_mark, 1);
	assert_int_equal(info.value, 32767);
	assert_int_equal(info.last_process, getpid());
	assert_true(info.operated_s > 0);
	T_OK(dure_sysv_sem_set(sem, set, 3));
	T_OK(dure_sysv_sem_set_one(sem, 1, 9));
	other = open_three(DURE_OPEN, 0);	/* complete, and not anew */
	T_OK(dure_sysv_sem_get(other, set, 3));
	assert_int_equal(set[0], 1);
	assert_int_equal(set[1], 9);
	dure_sysv_sem_close(other);
	T_FAILS(dure_sysv_sem_set_one(sem, 3, 0), -EINVAL, "no semaphore 3");	/* the mark */
	T_FAILS(dure_sysv_sem_set_one(sem, 0, 40000), -EMSGSIZE, "32767");
	T_FAILS(dure_sysv_sem_get(sem, set, 2), -EINVAL, "as many");
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, NULL, 0, &other), -EINVAL, "4 "
		"semaphores");
	T_FAILS(dure_sysv_sem_open(t_key(), 9, DURE_OPEN, NULL, 0, &other), -EINVAL, "fewer than "
		"9");
	remove_set(sem);
}

/* The maker died between semget and its values: as other libraries leave it, and as we find it. */
static void a_dead_makers_set_is_completed(void **state)
{
	dure_sysv_sem *sem;
	int id = semget(t_key(), 4, IPC_CREAT | IPC_EXCL | 0600);

	(void)state;
	assert_true(id >= 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 3, DURE_OPEN, NULL, 0, &sem), -EAGAIN, "no values yet");
	T_FAILS(dure_sysv_sem_open(t_key(), 3, DURE_OPEN, NULL, DURE_MS(20), &sem), -ETIMEDOUT,
		"no values yet");
	sem = open_three(DURE_CREATE | DURE_OPEN, 0);
	assert_int_equal(dure_sysv_sem_id(sem), id);
	has_three_values(sem);
	remove_set(sem);
}

static bool somebody_waits_for_the_mark(int id)
{
	return semctl(id, 3, GETNCNT) == 1;
}

static void an_opener_waits_for_a_slow_maker(void **state)
{
	int id = semget(t_key(), 4, IPC_CREAT | IPC_EXCL | 0600);
	dure_sysv_sem *sem;

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_open(t_key(), 3, DURE_OPEN, NULL, DURE_FOREVER,
					      &sem) == 0);
		uint16_t got[3];
		T_IN_CHILD(dure_sysv_sem_get(sem, got, 3) == 0 && memcmp(got, three, 6) == 0);
		_exit(0);
	}
	t_await_call(id, somebody_waits_for_the_mark);
	sem = open_three(DURE_CREATE | DURE_OPEN, 0);
	t_join(pid);
	has_three_values(sem);
	remove_set(sem);
}

/* Many make it at once: one creates, the values are given once, all see them. */
static void many_makers_give_values_once(void **state)
{
	enum { MAKERS = 12, ROUNDS = 30 };
	struct dure_sysv_sem_options o = { .sz = sizeof o, .values = three };
	int gate[2];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[MAKERS];
		int status, created = 0;
		assert_int_equal(pipe(gate), 0);
		for (int i = 0; i < MAKERS; i++) {
			pids[i] = t_fork();
			if (pids[i] != 0)
				continue;
			dure_sysv_sem *sem;
			uint16_t got[3];
			struct dure_sysv_sem_operation take = { .index = 0, .change = -1 };
			char c;
			close(gate[1]);
			T_IN_CHILD(read(gate[0], &c, 1) == 0);
			int r = dure_sysv_sem_open(t_key(), 3, DURE_CREATE | DURE_OPEN, &o,
						   DURE_S(PATIENCE_S), &sem);
			T_IN_CHILD(r >= 0 && dure_sysv_sem_get(sem, got, 3) == 0);
			T_IN_CHILD(got[0] <= 5 && got[2] == 32767);
			r += 10 * (dure_sysv_sem_operate(sem, &take, 1, 0) == 0);
			_exit(r);
		}
		close(gate[0]);
		close(gate[1]);
		int taken = 0;
		for (int i = 0; i < MAKERS; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status));
			created += WEXITSTATUS(status) % 10;
			taken += WEXITSTATUS(status) / 10;
		}
		assert_int_equal(created, DURE_CREATED);
		assert_int_equal(taken, 5);
		remove_set(open_three(DURE_OPEN, 0));
	}
}

static void an_exact_set_follows_the_old_convention(void **state)
{
	struct dure_sysv_sem_options o = { .sz = sizeof o, .flags = DURE_SYSV_SEM_EXACT };
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	struct semid_ds ds;
	dure_sysv_sem *sem, *other;

	(void)state;
	T_IS(dure_sysv_sem_open(t_key(), 2, DURE_CREATE, &o, 0, &sem), DURE_CREATED);
	assert_int_equal(semctl(dure_sysv_sem_id(sem), 0, IPC_STAT, &ds), 0);
	assert_int_equal(ds.sem_nsems, 2);
	assert_true(ds.sem_otime > 0);		/* what other programs wait for */
	T_OK(dure_sysv_sem_info(sem, 0, &info));
	assert_int_equal(info.has_mark, 0);
	remove_set(sem);
	int id = semget(t_key(), 2, IPC_CREAT | IPC_EXCL | 0600);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, &o, DURE_MS(5), &sem), -ETIMEDOUT,
		"remove the set");
	T_IS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, NULL, 0, &sem), 0);	/* as it is */
	struct sembuf op = { .sem_num = 0, .sem_op = 2 };
	assert_int_equal(semop(id, &op, 1), 0);
	T_IS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, &o, 0, &other), 0);
	dure_sysv_sem_close(other);
	T_IS(dure_sysv_sem_open(t_key(), 0, DURE_OPEN, NULL, 0, &other), 0);
	dure_sysv_sem_close(other);
	remove_set(sem);
	/* one semaphore more, and no mark: somebody else's */
	id = semget(t_key(), 3, IPC_CREAT | IPC_EXCL | 0600);
	assert_int_equal(semctl(id, 2, SETVAL, 7), 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, NULL, 0, &sem), -EINVAL,
		"another program");
	/* its last is 0, and others are not: nor is that half made, and it stays as it is */
	assert_int_equal(semctl(id, 2, SETVAL, 0), 0);
	assert_int_equal(semctl(id, 1, SETVAL, 6), 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_CREATE | DURE_OPEN, NULL, 0, &sem), -EINVAL,
		"another program");
	assert_int_equal(semctl(id, 1, SETVAL, 0), 0);
	assert_int_equal(semop(id, &(struct sembuf){ .sem_num = 1 }, 1), 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_CREATE | DURE_OPEN, NULL, 0, &sem), -EINVAL,
		"another program");
	assert_int_equal(semctl(id, 2, GETVAL), 0);
	assert_int_equal(semctl(id, 0, IPC_RMID), 0);
}

static void a_private_set_is_found_by_id(void **state)
{
	struct dure_sysv_sem_options o = { .sz = sizeof o, .values = three };
	dure_sysv_sem *sem, *other;

	(void)state;
	T_IS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_CREATE, &o, 0, &sem), DURE_CREATED);
	o = (struct dure_sysv_sem_options){ .sz = sizeof o, .id = dure_sysv_sem_id(sem) };
	T_IS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_OPEN, &o, 0, &other), 0);
	has_three_values(other);
	dure_sysv_sem_close(other);
	remove_set(sem);
	T_FAILS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_OPEN, &o, 0, &other), -ENOENT,
		"none");
	/* one with a mark, by id */
	sem = open_three(DURE_CREATE, DURE_CREATED);
	o.id = dure_sysv_sem_id(sem);
	T_IS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_OPEN, &o, 0, &other), 0);
	has_three_values(other);
	dure_sysv_sem_close(other);
	remove_set(sem);
}

static bool a_semaphore_is_wanted(int id)
{
	return semctl(id, 1, GETNCNT) == 1;
}

static void operations_are_all_or_nothing(void **state)
{
	struct dure_sysv_sem_operation ops[2] = { { .index = 0, .change = -5 },
						  { .index = 1, .change = -1 } };
	struct dure_sysv_sem_operation zero = { .index = 1, .change = 0 };
	struct dure_sysv_sem_operation over = { .index = 2, .change = 1 };
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);

	(void)state;
	T_IS(dure_sysv_sem_operate(sem, ops, 2, 0), -EAGAIN);
	has_three_values(sem);
	int64_t start = t_now_ns();
	T_IS(dure_sysv_sem_operate(sem, ops, 2, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
	has_three_values(sem);
	T_OK(dure_sysv_sem_operate(sem, &zero, 1, 0));
	T_FAILS(dure_sysv_sem_operate(sem, &over, 1, 0), -EMSGSIZE, "32767");
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_operate(sem, ops, 2, DURE_FOREVER) == 0);
		_exit(0);
	}
	t_await_call(dure_sysv_sem_id(sem), a_semaphore_is_wanted);
	T_OK(dure_sysv_sem_info(sem, 1, &info));
	assert_int_equal(info.waiting_for_more, 1);
	assert_int_equal(info.waiting_for_zero, 0);
	ops[1].change = 1;
	T_OK(dure_sysv_sem_operate(sem, &ops[1], 1, 0));
	t_join(pid);
	T_OK(dure_sysv_sem_info(sem, 0, &info));
	assert_int_equal(info.value, 0);
	ops[0].index = 3;
	T_FAILS(dure_sysv_sem_operate(sem, ops, 1, 0), -EINVAL, "no index 3");
	ops[0] = (struct dure_sysv_sem_operation){ .change = 40000 };
	T_FAILS(dure_sysv_sem_operate(sem, ops, 1, 0), -EINVAL, "40000");
	ops[0] = (struct dure_sysv_sem_operation){ .change = 1, .flags = 2 };
	T_FAILS(dure_sysv_sem_operate(sem, ops, 1, 0), -EINVAL, "UNDO");
	T_FAILS(dure_sysv_sem_operate(sem, ops, 0, 0), -EINVAL, "0 operations");
	remove_set(sem);
}

static void the_units_of_the_dead_come_back(void **state)
{
	struct dure_sysv_sem_operation take = { .index = 0, .change = -4,
						.flags = DURE_SYSV_SEM_UNDO };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_operate(sem, &take, 1, 0) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	T_IS(dure_sysv_sem_operate(sem, &take, 1, 0), -EAGAIN);
	kill(pid, SIGKILL);
	T_OK(dure_sysv_sem_operate(sem, &take, 1, DURE_S(PATIENCE_S)));
	waitpid(pid, NULL, 0);
	remove_set(sem);
	close(fds[0]);
	close(fds[1]);
}

static void removal_under_a_waiter_is_said(void **state)
{
	struct dure_sysv_sem_operation take = { .index = 1, .change = -1 };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);
	int id = dure_sysv_sem_id(sem);

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_operate(sem, &take, 1, DURE_FOREVER) == -ESTALE);
		_exit(0);
	}
	t_await_call(id, a_semaphore_is_wanted);
	T_OK(dure_sysv_remove(DURE_SYSV_SEM, id));
	t_join(pid);
	T_FAILS(dure_sysv_sem_operate(sem, &take, 1, DURE_FOREVER), -ESTALE, "none with that id");
	uint16_t got[3];
	T_FAILS(dure_sysv_sem_get(sem, got, 3), -ESTALE, "none");
	T_FAILS(dure_sysv_sem_set(sem, got, 3), -ESTALE, "none");
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	T_FAILS(dure_sysv_sem_info(sem, 0, &info), -ESTALE, "none");
	dure_sysv_sem_close(sem);
}

static void take_in_vain(void *sem)
{
	struct dure_sysv_sem_operation take = { .index = 1, .change = -1 };

	T_IS(dure_sysv_sem_operate(sem, &take, 1, DURE_MS(50)), -ETIMEDOUT);
}

/* A signal every millisecond neither ends nor stretches a wait. */
static void signals_do_not_end_waits(void **state)
{
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);
	int64_t waited = t_amid_signals(take_in_vain, sem);

	(void)state;
	assert_true(waited >= DURE_MS(50) && waited < DURE_S(PATIENCE_S));
	remove_set(sem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_is_born_with_its_values),
		cmocka_unit_test(a_dead_makers_set_is_completed),
		cmocka_unit_test(an_opener_waits_for_a_slow_maker),
		cmocka_unit_test(many_makers_give_values_once),
		cmocka_unit_test(an_exact_set_follows_the_old_convention),
		cmocka_unit_test(a_private_set_is_found_by_id),
		cmocka_unit_test(operations_are_all_or_nothing),
		cmocka_unit_test(the_units_of_the_dead_come_back),
		cmocka_unit_test(removal_under_a_waiter_is_said),
		cmocka_unit_test(signals_do_not_end_waits),
	};

	t_begin_sysv();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
