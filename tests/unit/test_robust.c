/* SPDX-License-Identifier: MIT */
/*
 * test_robust.c - the kernel marks the life word of a thread that ends, and of no other
 *
 * Why      All quick notice of death stands on this, and it shares a list with the libc. So
 *          both are tried together, in every order of linking and unlinking.
 */
#include "../t.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "os/futex.h"
#include "os/robust.h"

enum { LIVES = 4, PATIENCE_S = 10 };

/* in memory shared with children */
static struct shared {
	struct {
		_Alignas(64) uint32_t word;
		unsigned char links[DUREI_LIFE_BYTES - 4];
	} lives[LIVES];
	pthread_mutex_t mutexes[LIVES];
	uint32_t ready;
} *shared;

static int setup(void **state)
{
	pthread_mutexattr_t attributes;

	(void)state;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	for (int i = 0; i < LIVES; i++)
		assert_int_equal(pthread_mutex_init(&shared->mutexes[i], &attributes), 0);
	pthread_mutexattr_destroy(&attributes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(shared, sizeof *shared);
}

static void live(int i)
{
	__atomic_store_n(&shared->lives[i].word, durei_thread_id(), __ATOMIC_RELEASE);
	if (durei_robust_link(&shared->lives[i].word) != 0)
		abort();
}

static void leave(int i)
{
	durei_robust_unlink(&shared->lives[i].word);
}

static uint32_t life(int i)
{
	return __atomic_load_n(&shared->lives[i].word, __ATOMIC_ACQUIRE);
}

static bool has_died(int i)
{
	return life(i) & DUREI_LIFE_DIED;
}

static void in_thread(void *(*body)(void *), void *context)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, body, context), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *end_with_one(void *unused)
{
	live(0);
	return unused;
}

static void a_thread_that_ends_is_marked(void **state)
{
	(void)state;
	in_thread(end_with_one, NULL);
	assert_true(has_died(0));
}

static void *end_with_none(void *unused)
{
	live(0);
	leave(0);
	return unused;
}

static void a_thread_that_has_left_is_not(void **state)
{
	(void)state;
	in_thread(end_with_none, NULL);
	assert_true(life(0) != 0 && !has_died(0));
}

/* which of three lives, linked in order, leave; and in which order they do */
static void *leave_some(void *context)
{
	const int *order = context;

	for (int i = 0; i < 3; i++)
		live(i);
	for (; *order >= 0; order++)
		leave(*order);
	return NULL;
}

static void any_of_several_may_leave(void **state)
{
	static const int orders[][4] = {
		{ -1 },		   { 0, -1 },	 { 1, -1 },	 { 2, -1 },	 { 0, 1, -1 },
		{ 1, 0, -1 },	   { 0, 2, -1 }, { 2, 0, -1 },	 { 1, 2, -1 },	 { 2, 1, -1 },
		{ 0, 1, 2, -1 },   { 2, 1, 0, -1 }, { 1, 0, 2, -1 }, { 1, 2, 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		bool left[3] = { false };
		for (const int *at = orders[i]; *at >= 0; at++)
			left[*at] = true;
		in_thread(leave_some, (void *)(uintptr_t)orders[i]);
		for (int k = 0; k < 3; k++)
			assert_int_equal(has_died(k), !left[k]);
	}
}

static void *mix_with_libc(void *unused)
{
	pthread_mutex_lock(&shared->mutexes[0]);
	live(0);
	pthread_mutex_lock(&shared->mutexes[1]);
	live(1);
	pthread_mutex_lock(&shared->mutexes[2]);
	pthread_mutex_unlock(&shared->mutexes[1]);	/* between two of ours */
	leave(0);					/* between two of the libc's */
	live(2);
	pthread_mutex_lock(&shared->mutexes[3]);
	pthread_mutex_unlock(&shared->mutexes[3]);	/* the newest of all */
	leave(2);
	return unused;
}

static void owner_died(int i)
{
	assert_int_equal(pthread_mutex_lock(&shared->mutexes[i]), EOWNERDEAD);
	assert_int_equal(pthread_mutex_consistent(&shared->mutexes[i]), 0);
	assert_int_equal(pthread_mutex_unlock(&shared->mutexes[i]), 0);
}

static void plain(int i)
{
	assert_int_equal(pthread_mutex_lock(&shared->mutexes[i]), 0);
	assert_int_equal(pthread_mutex_unlock(&shared->mutexes[i]), 0);
}

static void robust_mutexes_of_the_libc_work_beside_ours(void **state)
{
	(void)state;
	in_thread(mix_with_libc, NULL);
	assert_true(!has_died(0) && has_died(1) && !has_died(2));
	owner_died(0);
	plain(1);
	owner_died(2);
	plain(3);
}

/* this thread's list is still whole after all that */
static void the_list_of_a_long_lived_thread_stays_whole(void **state)
{
	(void)state;
	for (int round = 0; round < 1000; round++) {
		live(round % 2);
		pthread_mutex_lock(&shared->mutexes[0]);
		live(2 + round % 2);
		pthread_mutex_unlock(&shared->mutexes[0]);
		leave(round % 2);
		leave(2 + round % 2);
	}
	for (int i = 0; i < LIVES; i++) {
		assert_false(has_died(i));
		plain(i);
	}
}

/* sleeps on life 0 with the kernel asked to wake us, at most PATIENCE_S */
static bool wait_for_death(void)
{
	int64_t deadline = t_now_ns() + PATIENCE_S * INT64_C(1000000000);

	for (;;) {
		uint32_t seen = __atomic_or_fetch(&shared->lives[0].word, DUREI_LIFE_WAITED,
						  __ATOMIC_ACQ_REL);
		if (seen & DUREI_LIFE_DIED)
			return true;
		struct durei_sleep sleep = { &shared->lives[0].word, seen };
		if (durei_futex_wait(&sleep, 1, deadline) == -ETIMEDOUT)
			return false;
	}
}

static void a_killed_process_wakes_who_waits(void **state)
{
	int gate[2];

	(void)state;
	assert_int_equal(pipe(gate), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		live(0);
		t_signal(gate[1]);
		pause();
	}
	t_await(gate[0]);
	pid_t killer = t_fork();
	if (killer == 0) {
		/* when the waiter sleeps, or has had the time to: both ways it must go on */
		for (int i = 0; i < 1000 && !(life(0) & DUREI_LIFE_WAITED); i++)
			t_sleep_ms(1);
		_exit(kill(pid, SIGKILL) == 0 ? 0 : 1);
	}
	assert_true(wait_for_death());
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	t_join(killer);
	close(gate[0]);
	close(gate[1]);
}

static void exec_is_an_end_too(void **state)
{
	int status;

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		live(0);
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(has_died(0));
}

/* the child has the parent's memory and not its list */
static void a_child_of_fork_marks_only_its_own(void **state)
{
	(void)state;
	live(0);
	pid_t pid = t_fork();
	if (pid == 0) {
		live(1);
		_exit(0);
	}
	t_join(pid);
	assert_false(has_died(0));
	assert_true(has_died(1));
	leave(0);
	plain(0);
}

static void *fork_and_end(void *context)
{
	live(0);
	*(pid_t *)context = t_fork();
	if (*(pid_t *)context == 0) {
		for (;;)
			pause();
	}
	return NULL;
}

static void a_living_child_does_not_hide_the_parents_end(void **state)
{
	pid_t pid = 0;

	(void)state;
	in_thread(fork_and_end, &pid);
	assert_true(has_died(0));
	t_kill(pid);
}

static void no_thread_has_the_id_of_the_unwatched(void **state)
{
	(void)state;
	assert_int_equal(DUREI_LIFE_UNWATCHED & ~(uint32_t)DUREI_LIFE_TID, 0);
	assert_true(durei_thread_id() == (uint32_t)gettid());
	assert_true(durei_thread_id() < 1u << 22);	/* the kernel's PID_MAX_LIMIT */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_thread_that_ends_is_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_thread_that_has_left_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(any_of_several_may_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(robust_mutexes_of_the_libc_work_beside_ours, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_list_of_a_long_lived_thread_stays_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_killed_process_wakes_who_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(exec_is_an_end_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_of_fork_marks_only_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(a_living_child_does_not_hide_the_parents_end, setup,
						teardown),
		cmocka_unit_test(no_thread_has_the_id_of_the_unwatched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
