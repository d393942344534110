/* SPDX-License-Identifier: MIT */
/* Description: a barrier's members wait for each other, and are told of the dead. */
#include <pthread.h>

#include "../t.h"

enum { MEMBERS = 4, PHASES = 500 };

struct root {
	dure_barrier barrier;
	uint64_t at[MEMBERS];		/* the phase each member is in */
	uint64_t waiting, told;
};

#include "root.h"

static int setup(void **state)
{
	(void)state;
	make_segment_and_root();
	return 0;
}

static void begin(uint32_t members)
{
	memset(root, 0, sizeof *root);
	T_OK(dure_barrier_init(seg, &root->barrier, members));
}

/* Nobody is ever a phase ahead of another that has not arrived. */
static void walk(unsigned member)
{
	T_IN_CHILD(dure_barrier_join(seg, &root->barrier) == 0);
	for (uint64_t phase = 1; phase <= PHASES; phase++) {
		__atomic_store_n(&root->at[member], phase, __ATOMIC_RELEASE);
		T_IN_CHILD(dure_barrier_wait(seg, &root->barrier, DURE_S(20)) == 0);
		for (int i = 0; i < MEMBERS; i++)
			T_IN_CHILD(__atomic_load_n(&root->at[i], __ATOMIC_ACQUIRE) >= phase);
	}
	T_IN_CHILD(dure_barrier_leave(seg, &root->barrier) == 0);
}

static pid_t child(void (*body)(unsigned), unsigned member)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		body(member);
		_exit(0);
	}
	return pid;
}

static void phases_keep_together(void **state)
{
	pid_t pids[MEMBERS];

	(void)state;
	begin(MEMBERS);
	for (unsigned i = 0; i < MEMBERS; i++)
		pids[i] = child(walk, i);
	for (int i = 0; i < MEMBERS; i++)
		t_join(pids[i]);
	T_IS(dure_barrier_dead(seg, &root->barrier), 0);
}

/* Waits for the others for ever; told counts who heard of a death. */
static void wait_on_and_on(unsigned member)
{
	(void)member;
	T_IN_CHILD(dure_barrier_join(seg, &root->barrier) == 0);
	__atomic_add_fetch(&root->waiting, 1, __ATOMIC_RELEASE);
	int r = dure_barrier_wait(seg, &root->barrier, DURE_S(10));
	T_IN_CHILD(r >= 0);
	if (r == DURE_OWNER_DIED)
		__atomic_add_fetch(&root->told, 1, __ATOMIC_RELEASE);
}

static void join_and_hang(unsigned member)
{
	(void)member;
	T_IN_CHILD(dure_barrier_join(seg, &root->barrier) == 0);
	__atomic_add_fetch(&root->waiting, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static void await_waiting(uint64_t count)
{
	for (int i = 0; i < 10000 && __atomic_load_n(&root->waiting, __ATOMIC_ACQUIRE) < count; i++)
		t_sleep_ms(1);
	assert_int_equal(root->waiting, count);
}

static void the_dead_are_reported_and_not_waited_for(void **state)
{
	(void)state;
	begin(3);
	pid_t first = child(wait_on_and_on, 0), dead = child(join_and_hang, 1);
	await_waiting(2);
	T_OK(dure_barrier_join(seg, &root->barrier));
	T_IS(dure_barrier_wait(seg, &root->barrier, 0), -EAGAIN);
	kill(dead, SIGSTOP);		/* stopped is not dead */
	T_IS(dure_barrier_wait(seg, &root->barrier, DURE_MS(60)), -ETIMEDOUT);
	T_IS(dure_barrier_dead(seg, &root->barrier), 0);
	t_kill(dead);
	T_IS(dure_barrier_wait(seg, &root->barrier, DURE_S(10)), DURE_OWNER_DIED);
	t_join(first);
	assert_int_equal(root->told, 1);
	T_OK(dure_barrier_leave(seg, &root->barrier));
}

static void who_arrived_and_died_is_not_waited_for(void **state)
{
	(void)state;
	begin(3);
	pid_t first = child(wait_on_and_on, 0), dead = child(wait_on_and_on, 1);
	await_waiting(2);
	t_sleep_ms(20);
	t_kill(dead);
	T_OK(dure_barrier_join(seg, &root->barrier));
	int64_t start = t_now_ns();
	T_IS(dure_barrier_wait(seg, &root->barrier, DURE_S(10)), DURE_OWNER_DIED);
	assert_true(t_now_ns() - start < DURE_MS(200));
	t_join(first);
	T_OK(dure_barrier_leave(seg, &root->barrier));
}

/* -- more members than one waits for at once --------------------------------------------- */

enum { CROWD = 100 };

static void *arrive_late(void *unused)
{
	(void)unused;
	T_IN_CHILD(dure_barrier_join(seg, &root->barrier) == 0);
	__atomic_add_fetch(&root->waiting, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 10000 && !__atomic_load_n(&root->told, __ATOMIC_ACQUIRE); i++)
		t_sleep_ms(1);
	T_IN_CHILD(dure_barrier_wait(seg, &root->barrier, DURE_S(20)) == 0);
	T_IN_CHILD(dure_barrier_leave(seg, &root->barrier) == 0);
	return NULL;
}

static void a_crowd_is_waited_for(void **state)
{
	pthread_t threads[CROWD];

	(void)state;
	begin(CROWD + 1);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, arrive_late, NULL), 0);
	await_waiting(CROWD);
	T_OK(dure_barrier_join(seg, &root->barrier));
	T_IS(dure_barrier_wait(seg, &root->barrier, DURE_MS(30)), -ETIMEDOUT);
	__atomic_store_n(&root->told, 1, __ATOMIC_RELEASE);
	T_IS(dure_barrier_wait(seg, &root->barrier, DURE_S(20)), 0);
	T_OK(dure_barrier_leave(seg, &root->barrier));
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	T_IS(dure_barrier_dead(seg, &root->barrier), 0);
}

static void misuse_is_refused(void **state)
{
	dure_barrier local = { { 0 } };

	(void)state;
	begin(2);
	T_FAILS(dure_barrier_wait(seg, &root->barrier, 0), -EPERM, "no member");
	T_IS(dure_barrier_leave(seg, &root->barrier), -EPERM);
	T_OK(dure_barrier_join(seg, &root->barrier));
	T_FAILS(dure_barrier_join(seg, &root->barrier), -EALREADY, "already");
	T_IS(dure_barrier_wait(seg, &root->barrier, DURE_MS(20)), -ETIMEDOUT);
	T_OK(dure_barrier_leave(seg, &root->barrier));
	T_FAILS(dure_barrier_join(seg, &local), -EINVAL, "no barrier");
	T_IS(dure_barrier_init(seg, &root->barrier, 0), -EINVAL);
	T_IS(dure_barrier_init(seg, &root->barrier, 65536), -EINVAL);
	T_IS(dure_barrier_dead(seg, &root->barrier), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misuse_is_refused),
		cmocka_unit_test(phases_keep_together),
		cmocka_unit_test(the_dead_are_reported_and_not_waited_for),
		cmocka_unit_test(a_crowd_is_waited_for),
		cmocka_unit_test(who_arrived_and_died_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
