/* SPDX-License-Identifier: MIT */
/* Description: one call waits for any of several; the dead, however many they are, are noticed. */
#include "../t.h"

struct root {
	dure_mutex mutex, other;
	dure_rwlock rwlock;
	dure_semaphore semaphore;
	dure_event event;
	dure_latch latch;
};

enum { ITEMS = 5 };

#include "root.h"

static struct dure_wait_item items[ITEMS];

static int setup(void **state)
{
	struct dure_segment_options o = t_options(16 << 20);

	(void)state;
	o.processes_max = 128;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
	make_root();
	items[0] = (struct dure_wait_item){ .object = &root->mutex, .kind = DURE_WAIT_MUTEX };
	items[1] = (struct dure_wait_item){ .object = &root->rwlock, .kind = DURE_WAIT_SHARED };
	items[2] = (struct dure_wait_item){ .object = &root->semaphore, .kind = DURE_WAIT_UNITS,
					    .units = 2 };
	items[3] = (struct dure_wait_item){ .object = &root->event, .kind = DURE_WAIT_EVENT };
	items[4] = (struct dure_wait_item){ .object = &root->latch, .kind = DURE_WAIT_LATCH };
	return 0;
}

/* A child that does one thing, says so, and hangs. */
static pid_t hang_after(void (*what)(void))
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		what();
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void have_everything(void)
{
	T_IN_CHILD(dure_mutex_lock(seg, &root->mutex, 0) == 0);
	T_IN_CHILD(dure_rwlock_lock(seg, &root->rwlock, DURE_EXCLUSIVE, 0) == 0);
	T_IN_CHILD(dure_semaphore_take(seg, &root->semaphore, 2, 0, 0) == 0);
}

static void read_it(void)
{
	T_IN_CHILD(dure_rwlock_lock(seg, &root->rwlock, DURE_SHARED, 0) == 0);
}

static void take_one(void)
{
	T_IN_CHILD(dure_semaphore_take(seg, &root->semaphore, 1, 0, 0) == 0);
}

static void nothing_is_ready(void)
{
	T_IS(dure_wait_any(seg, items, ITEMS, 0), 0);
	int64_t start = t_now_ns();
	T_IS(dure_wait_any(seg, items, ITEMS, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
}

/* In a child, after a moment: wakes us by one of the items. */
static pid_t later(int item)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		t_sleep_ms(20);
		if (item == 2)
			T_IN_CHILD(dure_semaphore_post(seg, &root->semaphore, 2) == 0);
		else if (item == 3)
			T_IN_CHILD(dure_event_set(seg, &root->event) == 0);
		else
			T_IN_CHILD(dure_latch_down(seg, &root->latch, 1) == 0);
		_exit(0);
	}
	return pid;
}

static void any_of_them_wakes(void **state)
{
	(void)state;
	T_OK(dure_latch_init(seg, &root->latch, 1));
	T_OK(dure_semaphore_init(seg, &root->semaphore, 2));
	pid_t holder = hang_after(have_everything);
	nothing_is_ready();
	for (int item = 2; item < ITEMS; item++) {
		pid_t pid = later(item);
		T_IS(dure_wait_any(seg, items, ITEMS, DURE_S(10)), 1);
		for (int i = 0; i < ITEMS; i++)
			assert_int_equal(items[i].is_ready, i == item);
		t_join(pid);
		if (item == 2)
			T_OK(dure_semaphore_take(seg, &root->semaphore, 2, DURE_TAKE_FOR_GOOD, 0));
		dure_event_reset(seg, &root->event);
		if (item != 4)
			nothing_is_ready();
	}
	T_OK(dure_latch_init(seg, &root->latch, 1));
	t_kill(holder);
	T_IS(dure_wait_any(seg, items, ITEMS, DURE_S(10)), 3);
	assert_true(items[0].is_ready && items[1].is_ready && items[2].is_ready);
	T_IS(dure_mutex_lock(seg, &root->mutex, 0), DURE_OWNER_DIED);
	T_OK(dure_mutex_mark_consistent(seg, &root->mutex));
	T_OK(dure_mutex_unlock(seg, &root->mutex));
	T_OK(dure_rwlock_init(seg, &root->rwlock));
}

static void bad_input_is_refused(void **state)
{
	struct dure_wait_item item = { .object = &root->mutex, .kind = 9 };

	(void)state;
	T_FAILS(dure_wait_any(seg, &item, 1, 0), -EINVAL, "no kind");
	T_FAILS(dure_wait_any(seg, &item, 0, 0), -EINVAL, "1 to 64");
	T_FAILS(dure_wait_any(seg, &item, 65, 0), -EINVAL, "1 to 64");
	item = (struct dure_wait_item){ .object = &item, .kind = DURE_WAIT_EVENT };
	T_FAILS(dure_wait_any(seg, &item, 1, 0), -EINVAL, "no event");
}

/* More holders than the kernel lets us watch at once. */
static void crowds_of_dead_are_noticed(void **state)
{
	enum { CROWD = 80 };
	pid_t pids[CROWD];

	(void)state;
	for (int i = 0; i < CROWD; i++)
		pids[i] = hang_after(read_it);
	T_IS(dure_rwlock_lock(seg, &root->rwlock, DURE_EXCLUSIVE, DURE_MS(30)), -ETIMEDOUT);
	for (int i = 0; i < CROWD; i++)
		t_kill(pids[i]);
	T_IS(dure_rwlock_lock(seg, &root->rwlock, DURE_EXCLUSIVE, DURE_S(5)), 0);
	T_OK(dure_rwlock_unlock(seg, &root->rwlock));
	T_OK(dure_semaphore_init(seg, &root->semaphore, CROWD));
	for (int i = 0; i < CROWD; i++)
		pids[i] = hang_after(take_one);
	T_IS(dure_semaphore_take(seg, &root->semaphore, 1, 0, DURE_MS(30)), -ETIMEDOUT);
	for (int i = 0; i < CROWD; i++)
		t_kill(pids[i]);
	T_IS(dure_semaphore_take(seg, &root->semaphore, CROWD, 0, DURE_S(5)), 0);
	T_OK(dure_semaphore_post(seg, &root->semaphore, CROWD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(any_of_them_wakes),
		cmocka_unit_test(crowds_of_dead_are_noticed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
