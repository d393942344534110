/* SPDX-License-Identifier: MIT */
/* Description: a spinlock excludes, survives its holder, and does not burn a processor. */
#include <pthread.h>
#include <sys/resource.h>

#include "../t.h"

struct root {
	dure_spinlock lock;
	uint64_t counter, inside;
};

#include "root.h"

static int setup(void **state)
{
	(void)state;
	make_segment_and_root();
	return 0;
}

static void it_is_locked_and_unlocked(void **state)
{
	struct dure_participant p = { .sz = sizeof p };

	(void)state;
	T_IS(dure_spinlock_holder(seg, &root->lock, &p), 0);
	T_OK(dure_spinlock_lock(seg, &root->lock, 0));	/* zeros are an unlocked one */
	T_IS(dure_spinlock_holder(seg, &root->lock, &p), 1);
	assert_int_equal(p.process, getpid());
	T_FAILS(dure_spinlock_lock(seg, &root->lock, DURE_FOREVER), -EDEADLK, "holds already");
	T_FAILS(dure_spinlock_mark_consistent(seg, &root->lock), -EINVAL, "no holder");
	T_OK(dure_spinlock_unlock(seg, &root->lock));
	T_FAILS(dure_spinlock_unlock(seg, &root->lock), -EPERM, "does not hold");
	T_FAILS(dure_spinlock_mark_consistent(seg, &root->lock), -EPERM, "does not hold");
	T_OK(dure_spinlock_init(seg, &root->lock));
	T_OK(dure_spinlock_lock(seg, &root->lock, DURE_FOREVER));
	T_OK(dure_spinlock_unlock(seg, &root->lock));
}

static void bad_input_is_refused(void **state)
{
	dure_spinlock local = { { 0 } };

	(void)state;
	T_FAILS(dure_spinlock_lock(seg, &local, 0), -EINVAL, "no spinlock");
	T_IS(dure_spinlock_unlock(seg, &local), -EINVAL);
	T_IS(dure_spinlock_init(seg, &local), -EINVAL);
	T_IS(dure_spinlock_lock(NULL, &root->lock, 0), -EINVAL);
	T_IS(dure_spinlock_lock(seg, NULL, 0), -EINVAL);
	memset(&root->lock, 0x77, sizeof root->lock);
	T_FAILS(dure_spinlock_lock(seg, &root->lock, 0), -EINVAL, "no spinlock");
	T_OK(dure_spinlock_init(seg, &root->lock));
}

/* A child that has it, and says when. */
static pid_t holder(void)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_spinlock_lock(seg, &root->lock, DURE_S(10)) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static int64_t processor_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void a_stopped_holder_has_it_and_nobody_burns(void **state)
{
	int64_t burnt;

	(void)state;
	pid_t pid = holder();
	kill(pid, SIGSTOP);
	T_IS(dure_spinlock_lock(seg, &root->lock, 0), -EAGAIN);
	burnt = processor_ns();
	int64_t start = t_now_ns();
	T_IS(dure_spinlock_lock(seg, &root->lock, DURE_MS(300)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(300));
	assert_true(processor_ns() - burnt < DURE_MS(60));	/* it is some 50 us each 20 ms */
	t_kill(pid);
	T_IS(dure_spinlock_lock(seg, &root->lock, DURE_S(10)), DURE_OWNER_DIED);
	T_OK(dure_spinlock_unlock(seg, &root->lock));
	T_IS(dure_spinlock_lock(seg, &root->lock, 0), DURE_OWNER_DIED);		/* nobody has mended it */
	T_OK(dure_spinlock_mark_consistent(seg, &root->lock));
	T_OK(dure_spinlock_unlock(seg, &root->lock));
	T_IS(dure_spinlock_lock(seg, &root->lock, 0), 0);
	T_OK(dure_spinlock_unlock(seg, &root->lock));
}

static void trying_finds_the_dead(void **state)
{
	(void)state;
	pid_t pid = holder();
	t_kill(pid);
	T_IS(dure_spinlock_lock(seg, &root->lock, 0), DURE_OWNER_DIED);
	T_OK(dure_spinlock_mark_consistent(seg, &root->lock));
	T_OK(dure_spinlock_unlock(seg, &root->lock));
}

static void *count(void *number)
{
	(void)number;
	for (int i = 0; i < 30000; i++) {
		T_IN_CHILD(dure_spinlock_lock(seg, &root->lock, DURE_S(20)) == 0);
		T_IN_CHILD(root->inside++ == 0);
		root->counter++;
		root->inside--;
		T_IN_CHILD(dure_spinlock_unlock(seg, &root->lock) == 0);
	}
	return NULL;
}

static void one_at_a_time_is_inside(void **state)
{
	(void)state;
	root->counter = 0;
	t_crowd(seg, count);
	assert_int_equal(root->counter, 6 * 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_locked_and_unlocked),
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(a_stopped_holder_has_it_and_nobody_burns),
		cmocka_unit_test(trying_finds_the_dead),
		cmocka_unit_test(one_at_a_time_is_inside),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
