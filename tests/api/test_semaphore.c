/* SPDX-License-Identifier: MIT */
/* Description: units are counted, waited for, given back, and come back from the dead. */
#include <pthread.h>

#include "../t.h"

struct root {
	dure_semaphore semaphore;
	uint64_t inside, most;
};

#include "root.h"
static dure_semaphore *sem;

static int setup(void **state)
{
	(void)state;
	make_segment_and_root();
	sem = &root->semaphore;
	return 0;
}

static void expect(uint32_t units, uint32_t taken, uint32_t own, uint32_t holders)
{
	struct dure_semaphore_info info = { .sz = sizeof info };

	T_OK(dure_semaphore_info(seg, sem, &info));
	assert_int_equal(info.units, units);
	assert_int_equal(info.taken, taken);
	assert_int_equal(info.own, own);
	assert_int_equal(info.holders, holders);
}

static void units_are_counted(void **state)
{
	(void)state;
	expect(0, 0, 0, 0);		/* zeros are a semaphore without units */
	T_IS(dure_semaphore_take(seg, sem, 1, 0, 0), -EAGAIN);
	T_OK(dure_semaphore_post(seg, sem, 3));
	expect(3, 0, 0, 0);
	T_IS(dure_semaphore_take(seg, sem, 4, 0, 0), -EAGAIN);
	T_OK(dure_semaphore_take(seg, sem, 1, 0, 0));
	T_OK(dure_semaphore_take(seg, sem, 2, 0, 0));
	expect(0, 3, 3, 1);
	int64_t start = t_now_ns();
	T_IS(dure_semaphore_take(seg, sem, 1, 0, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
	T_OK(dure_semaphore_post(seg, sem, 1));
	expect(1, 2, 2, 1);
	T_FAILS(dure_semaphore_keep(seg, sem, 3), -ERANGE, "2 units");
	T_OK(dure_semaphore_keep(seg, sem, 1));
	expect(1, 1, 1, 1);
	T_OK(dure_semaphore_post(seg, sem, 5));	/* one of our own, four new ones */
	expect(6, 0, 0, 0);
	T_OK(dure_semaphore_take(seg, sem, 6, DURE_TAKE_FOR_GOOD, 0));
	expect(0, 0, 0, 0);
}

static void bad_input_is_refused(void **state)
{
	dure_semaphore local = { { 0 } };

	(void)state;
	T_FAILS(dure_semaphore_take(seg, &local, 1, 0, 0), -EINVAL, "no semaphore");
	T_FAILS(dure_semaphore_take(seg, sem, 0, 0, 0), -EINVAL, "units");
	T_IS(dure_semaphore_take(seg, sem, (uint32_t)-1, 0, 0), -EINVAL);
	T_FAILS(dure_semaphore_take(seg, sem, 1, 8, 0), -EINVAL, "flags");
	T_IS(dure_semaphore_init(seg, sem, DURE_SEMAPHORE_MAX + 1u), -EINVAL);
	T_OK(dure_semaphore_init(seg, sem, DURE_SEMAPHORE_MAX));
	T_FAILS(dure_semaphore_post(seg, sem, 1), -EOVERFLOW, "more than");
	T_OK(dure_semaphore_take(seg, sem, DURE_SEMAPHORE_MAX, 0, 0));
	T_IS(dure_semaphore_post(seg, sem, DURE_SEMAPHORE_MAX), 0);
	expect(DURE_SEMAPHORE_MAX, 0, 0, 0);
	memset(sem, 0x77, sizeof *sem);
	T_FAILS(dure_semaphore_post(seg, sem, 1), -EINVAL, "no semaphore");
	T_OK(dure_semaphore_init(seg, sem, 0));
}

/* A child that takes units, and says when. */
static pid_t holder(uint32_t units, uint32_t flags)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_semaphore_take(seg, sem, units, flags, DURE_S(10)) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void units_come_back_from_the_dead(void **state)
{
	(void)state;
	T_OK(dure_semaphore_init(seg, sem, 5));
	pid_t first = holder(2, 0), second = holder(1, 0), for_good = holder(2, DURE_TAKE_FOR_GOOD);
	expect(0, 3, 0, 2);
	t_kill(for_good);
	T_IS(dure_semaphore_take(seg, sem, 1, 0, 0), -EAGAIN);
	kill(first, SIGSTOP);		/* stopped is not dead */
	T_IS(dure_semaphore_take(seg, sem, 1, 0, DURE_MS(60)), -ETIMEDOUT);
	t_kill(first);
	T_OK(dure_semaphore_take(seg, sem, 2, 0, 0));
	t_kill(second);
	T_OK(dure_semaphore_take(seg, sem, 1, 0, 0));
	expect(0, 3, 3, 1);
	T_OK(dure_semaphore_post(seg, sem, 3));
	expect(3, 0, 0, 0);
}

static void *take_and_end(void *context)
{
	return dure_semaphore_take(seg, sem, 2, 0, 0) == 0 ? NULL : context;
}

static void units_come_back_from_threads_that_end(void **state)
{
	pthread_t thread;
	void *problem = NULL;

	(void)state;
	T_OK(dure_semaphore_init(seg, sem, 2));
	assert_int_equal(pthread_create(&thread, NULL, take_and_end, sem), 0);
	pthread_join(thread, &problem);
	assert_null(problem);
	expect(2, 0, 0, 0);
}

/* -- a crowd ----------------------------------------------------------------------------- */

enum { PLACES = 3 };

static void *enter_and_leave(void *context)
{
	uint64_t state = (uintptr_t)context * 7919 + 1;

	for (int i = 0; i < 20000; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		uint32_t units = 1 + (uint32_t)(state >> 33) % PLACES;
		T_IN_CHILD(dure_semaphore_take(seg, sem, units, 0, DURE_S(20)) == 0);
		T_IN_CHILD(__atomic_add_fetch(&root->inside, units, __ATOMIC_RELAXED) <= PLACES);
		__atomic_sub_fetch(&root->inside, units, __ATOMIC_RELAXED);
		T_IN_CHILD(dure_semaphore_post(seg, sem, units) == 0);
	}
	return NULL;
}

static void there_are_never_more_inside_than_units(void **state)
{
	(void)state;
	T_OK(dure_semaphore_init(seg, sem, PLACES));
	t_crowd(seg, enter_and_leave);
	expect(PLACES, 0, 0, 0);
}

/* Producers and consumers that are killed all the time; what is in use is never lost or doubled. */
static void *take_one(void *context)
{
	*(int *)context = dure_semaphore_take(seg, sem, 1, DURE_TAKE_FOR_GOOD, DURE_MS(20000));
	return NULL;
}

/*
 * The second unit is posted before the first sleeper has run: nobody says any more that the other
 * one sleeps. The first one does, when it has got its unit.
 */
static void each_of_two_units_wakes_a_sleeper(void **state)
{
	enum { ROUNDS = 30, NEARLY_A_SLICE_MS = 15 };
	int slow = 0;

	(void)state;
	T_OK(dure_semaphore_init(seg, sem, 0));
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t threads[2];
		int got[2];
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, take_one, &got[i]), 0);
		t_sleep_ms(3);		/* they sleep by now; else the round is only easier */
		int64_t start = t_now_ns();
		T_OK(dure_semaphore_post(seg, sem, 1));
		T_OK(dure_semaphore_post(seg, sem, 1));
		for (int i = 0; i < 2; i++) {
			assert_int_equal(pthread_join(threads[i], NULL), 0);
			assert_int_equal(got[i], 0);
		}
		slow += t_now_ns() - start > NEARLY_A_SLICE_MS * 1000000;
	}
	assert_in_range(slow, 0, ROUNDS / 2);
}

static void kills_lose_and_double_nothing(void **state)
{
	enum { ROUNDS = 300, WORKERS = 3 };

	(void)state;
	T_OK(dure_semaphore_init(seg, sem, 4));
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pids[WORKERS];
		for (int j = 0; j < WORKERS; j++) {
			pids[j] = t_fork();
			if (pids[j] == 0) {
				T_IN_CHILD(dure_segment_reattach(seg) == 0);
				for (;;) {
					T_IN_CHILD(dure_semaphore_take(seg, sem, 1 + (unsigned)j, 0,
								       DURE_S(20)) == 0);
					T_IN_CHILD(dure_semaphore_post(seg, sem, 1 + (unsigned)j) == 0);
				}
			}
		}
		t_sleep_ms(1 + i % 3);
		for (int j = 0; j < WORKERS; j++)
			t_kill(pids[j]);
		T_OK(dure_segment_recover(seg));
		expect(4, 0, 0, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_counted),
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(units_come_back_from_the_dead),
		cmocka_unit_test(units_come_back_from_threads_that_end),
		cmocka_unit_test(there_are_never_more_inside_than_units),
		cmocka_unit_test(each_of_two_units_wakes_a_sleeper),
		cmocka_unit_test(kills_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
