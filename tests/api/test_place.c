/* SPDX-License-Identifier: MIT */
/* Description: a place that is taken again while what its last holder left is being mended. */
#include <pthread.h>
#include <sys/syscall.h>

#include "../t.h"

enum { STOPS = 50 };

static dure_segment *seg;
static char name[64];

static void recover(void)
{
	T_IN_CHILD(dure_segment_recover(seg) >= 0);
}

/* Past the libc, so that the thread's death is a death. */
static void *reserve_and_die(void *unused)
{
	void *block;

	(void)unused;
	T_IN_CHILD(dure_block_reserve(seg, 64, 0, &block) == 0);
	syscall(SYS_exit, 0);
	return NULL;
}

static void open_own(void)
{
	T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &seg) == 0);
}

/* A process that lives; a thread of it has died, with a block reserved. */
static pid_t start_holder(void)
{
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		pthread_t thread;
		open_own();
		T_IN_CHILD(pthread_create(&thread, NULL, reserve_and_die, NULL) == 0);
		T_IN_CHILD(pthread_join(thread, NULL) == 0);
		t_signal(ready[1]);
		pause();
		_exit(0);
	}
	t_await(ready[0]);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* It takes the place that the holder had: the first that is free. */
static pid_t start_successor(void)
{
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		open_own();
		t_signal(ready[1]);
		pause();
		_exit(0);
	}
	t_await(ready[0]);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static uint64_t reserved_blocks(void)
{
	struct dure_heap_info info = { .sz = sizeof info };

	T_OK(dure_heap_info(seg, &info));
	return info.reserved_blocks;
}

/*
 * A mender has found the holder alive, and is stopped anywhere; the holder dies; another process
 * takes its place. What the holder had reserved must not be taken for the new one's. [REC6]
 */
static void what_the_dead_reserved_is_not_its_successors(void **state)
{
	uint64_t before;
	bool ended = false;

	(void)state;
	snprintf(name, sizeof name, "%s", t_name());
	seg = t_segment(1 << 20);
	before = reserved_blocks();
	pid_t probe = t_traced(seg, recover), holder = start_holder();
	int apart = t_stride(probe, STOPS);
	t_kill(holder);
	for (int steps = 0; !ended; steps += apart) {
		pid_t mender = t_traced(seg, recover);
		holder = start_holder();
		ended = !t_step(mender, steps);
		t_kill(holder);
		pid_t successor = start_successor();
		if (!ended)
			t_go_on(mender);
		assert_true(dure_segment_recover(seg) >= 0);
		assert_int_equal(reserved_blocks(), before);
		t_kill(mender);
		t_kill(successor);
		assert_true(dure_segment_recover(seg) >= 0);
	}
	t_clean(seg);
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_dead_reserved_is_not_its_successors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
