/* SPDX-License-Identifier: MIT */
/*
 * Description: arrays of operations happen as a whole, wait for more or for zero, and are taken
 * back when their process is gone.
 */
#include <pthread.h>

#include "../t.h"

enum { SEMAPHORES = 4, PROCESSES = 6, LARGE = 1024 };

struct root {
	_Alignas(8) unsigned char set[DURE_SEMSET_BYTES(SEMAPHORES, PROCESSES)];
	uint64_t inside;
};

#include "root.h"

static dure_semset *set;

static const uint32_t zeros[SEMAPHORES];

static struct dure_semset_options options(const uint32_t *values)
{
	return (struct dure_semset_options){ .sz = sizeof(struct dure_semset_options),
					     .semaphores = SEMAPHORES, .processes = PROCESSES,
					     .values = values };
}

static int construct(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct root *r = object;
	struct dure_semset_options o = options(context);

	return count == 1 ? dure_semset_init(dure_tx_segment(tx), (dure_semset *)(void *)r->set, &o)
			  : -EINVAL;
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, construct,
				   (void *)(uintptr_t)zeros, (void **)&root));
	set = (dure_semset *)(void *)root->set;
	return 0;
}

static int begin_with_zeros(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	T_OK(dure_semset_set_all(seg, set, zeros, SEMAPHORES));
	return 0;
}

static void expect(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	uint32_t values[SEMAPHORES], expected[SEMAPHORES] = { a, b, c, d };

	T_OK(dure_semset_get_all(seg, set, values, SEMAPHORES));
	assert_memory_equal(values, expected, sizeof values);
}

static struct dure_semset_info info_of(uint32_t index)
{
	struct dure_semset_info info = { .sz = sizeof info };

	T_OK(dure_semset_info(seg, set, index, &info));
	return info;
}

static int operate(const struct dure_semset_operation *operations, size_t count, int64_t timeout_ns)
{
	return dure_semset_operate(seg, set, operations, count, timeout_ns);
}

static int one(uint32_t index, int32_t change, uint32_t flags, int64_t timeout_ns)
{
	return operate(&(struct dure_semset_operation){ index, change, flags }, 1, timeout_ns);
}

/* -- one process ------------------------------------------------------------------------- */

static void arrays_happen_as_a_whole(void **state)
{
	const struct dure_semset_operation give[] = { { 0, 3, 0 }, { 1, 1, 0 } },
		move[] = { { 0, -2, 0 }, { 2, 2, 0 } }, too_many[] = { { 3, 5, 0 }, { 0, -2, 0 } },
		in_order[] = { { 3, -1, 0 }, { 3, 1, 0 } }, other_order[] = { { 3, 1, 0 }, { 3, -1, 0 } },
		zero_then_take[] = { { 3, 0, 0 }, { 3, 1, 0 } };

	(void)state;
	T_OK(operate(give, 2, 0));
	expect(3, 1, 0, 0);
	T_OK(operate(move, 2, 0));
	expect(1, 1, 2, 0);
	T_IS(operate(too_many, 2, 0), -EAGAIN);
	expect(1, 1, 2, 0);
	T_IS(operate(in_order, 2, 0), -EAGAIN);
	T_OK(operate(other_order, 2, 0));
	expect(1, 1, 2, 0);
	T_OK(operate(zero_then_take, 2, 0));	/* the old way to make a lock of a zero */
	T_IS(operate(zero_then_take, 2, 0), -EAGAIN);
	expect(1, 1, 2, 1);
	int64_t start = t_now_ns();
	T_IS(operate(zero_then_take, 2, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
	T_IS(one(0, -2, DURE_SEMSET_NO_WAIT, DURE_FOREVER), -EAGAIN);
	assert_int_equal(info_of(0).last_process, getpid());
}

static void values_and_adjustments_have_a_bound(void **state)
{
	struct dure_semset_operation many[DURE_SEMSET_OPERATIONS_MAX + 1];
	const struct dure_semset_operation over[] = { { 1, 1, 0 }, { 0, 32767, 0 }, { 0, 1, 0 } },
		undo_over[] = { { 1, 32767, DURE_SEMSET_UNDO }, { 1, -32767, 0 },
				{ 1, 2, DURE_SEMSET_UNDO } };

	(void)state;
	T_FAILS(operate(over, 3, 0), -EOVERFLOW, "value of semaphore 0");
	T_FAILS(operate(undo_over, 3, 0), -EOVERFLOW, "adjustment of semaphore 1");
	expect(0, 0, 0, 0);
	assert_int_equal(info_of(1).adjustment, 0);
	for (unsigned i = 0; i < DURE_SEMSET_OPERATIONS_MAX + 1; i++)
		many[i] = (struct dure_semset_operation){ i % SEMAPHORES, 1, DURE_SEMSET_UNDO };
	T_FAILS(operate(many, DURE_SEMSET_OPERATIONS_MAX + 1, 0), -EINVAL, "operations");
	T_OK(operate(many, 1000, 0));
	expect(250, 250, 250, 250);
	assert_int_equal(info_of(3).adjustment, -250);
	T_FAILS(one(0, -32768, 0, 0), -EINVAL, "never more than 32767");
	T_IS(one(0, INT32_MIN, 0, DURE_FOREVER), -EINVAL);
	T_IS(one(0, INT32_MAX, 0, DURE_FOREVER), -EOVERFLOW);
	T_FAILS(dure_semset_set(seg, set, 2, 32768), -EOVERFLOW, "semaphore 2");
	T_OK(dure_semset_set(seg, set, 2, 32767));
	expect(250, 250, 32767, 250);
	assert_int_equal(info_of(2).adjustment, 0);	/* setting clears it */
	assert_int_equal(info_of(3).adjustment, -250);
}

static void bad_input_is_refused(void **state)
{
	struct dure_semset_options o = options(NULL);
	uint32_t values[SEMAPHORES + 1] = { 0 };
	struct dure_semset_info info = { .sz = sizeof info };
	_Alignas(8) unsigned char local[DURE_SEMSET_BYTES(1, 0)] = { 0 };
	struct dure_semset_operation last = { SEMAPHORES, 1, 0 };

	(void)state;
	T_FAILS(operate(&last, 1, 0), -EINVAL, "no number 4");
	last.index = UINT32_MAX;
	T_IS(operate(&last, 1, 0), -EINVAL);
	T_FAILS(operate(&last, 0, 0), -EINVAL, "1 to");
	T_IS(operate(NULL, 1, 0), -EINVAL);
	T_FAILS(one(0, 1, 64, 0), -EINVAL, "flags");
	T_FAILS(dure_semset_set(seg, set, SEMAPHORES, 0), -EINVAL, "no number 4");
	T_FAILS(dure_semset_set_all(seg, set, values, SEMAPHORES + 1), -EINVAL, "not 5");
	T_IS(dure_semset_get_all(seg, set, values, 0), -EINVAL);
	T_IS(dure_semset_info(seg, set, SEMAPHORES, &info), -EINVAL);
	info.sz = 4;
	T_IS(dure_semset_info(seg, set, 0, &info), -EINVAL);
	T_FAILS(dure_semset_operate(seg, (dure_semset *)(void *)local, &last, 1, 0), -EINVAL, "no semaphore set");
	T_IS(dure_semset_operate(NULL, set, &last, 1, 0), -EINVAL);
	o.semaphores = DURE_SEMSET_SEMAPHORES_MAX + 1;
	T_IS(dure_semset_init(seg, set, &o), -EINVAL);
	o.semaphores = 0;
	T_IS(dure_semset_init(seg, set, &o), -EINVAL);
	T_IS(dure_semset_init(seg, set, NULL), -EINVAL);
	values[1] = 32768;
	o = options(values);
	T_FAILS(dure_semset_init(seg, set, &o), -EOVERFLOW, "value 32768 of semaphore 1");
	o.value_max = 0x40000000;
	T_IS(dure_semset_init(seg, set, &o), -EINVAL);
	o.value_max = 32768;
	T_OK(dure_semset_init(seg, set, &o));
	expect(0, 32768, 0, 0);
	memset(root->set, 0x77, sizeof(dure_semset));
	T_FAILS(one(0, 1, 0, 0), -EINVAL, "no semaphore set");
	memset(root->set, 0, sizeof(dure_semset));
	T_FAILS(one(0, 1, 0, 0), -EINVAL, "no semaphore set");	/* zeros do not say how large */
	o = options(zeros);
	T_OK(dure_semset_init(seg, set, &o));
}

static void a_set_can_be_large(void **state)
{
	struct dure_semset_options o = { .sz = sizeof o, .semaphores = LARGE, .processes = 2 };
	static struct dure_semset_operation all[LARGE];
	static uint32_t values[LARGE];
	dure_semset *large;
	void *block;

	(void)state;
	T_OK(dure_block_reserve(seg, DURE_SEMSET_BYTES(LARGE, 2), 0, &block));
	large = block;
	T_OK(dure_semset_init(seg, large, &o));
	for (uint32_t i = 0; i < LARGE; i++)
		all[i] = (struct dure_semset_operation){ LARGE - 1 - i, (int32_t)i + 1, DURE_SEMSET_UNDO };
	T_OK(dure_semset_operate(seg, large, all, LARGE, 0));
	for (uint32_t i = 0; i < LARGE; i++)
		all[i].change = i == 7 ? -LARGE : -((int32_t)i + 1);
	T_IS(dure_semset_operate(seg, large, all, LARGE, 0), -EAGAIN);
	T_OK(dure_semset_get_all(seg, large, values, LARGE));
	for (uint32_t i = 0; i < LARGE; i++)
		assert_int_equal(values[i], LARGE - i);
	T_OK(dure_semset_remove(seg, large));
	T_OK(dure_block_cancel(seg, block));
}

/* -- deaths ------------------------------------------------------------------------------ */

/* A child that does these, and says when. */
static pid_t holder(const struct dure_semset_operation *operations, size_t count)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(operate(operations, count, DURE_S(10)) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void what_the_dead_did_is_undone(void **state)
{
	const struct dure_semset_operation mixed[] = { { 0, -2, DURE_SEMSET_UNDO },
						       { 1, 4, DURE_SEMSET_UNDO }, { 2, -1, 0 } };
	const uint32_t values[] = { 3, 0, 3, 0 };

	(void)state;
	T_OK(dure_semset_set_all(seg, set, values, SEMAPHORES));
	pid_t pid = holder(mixed, 3);
	expect(1, 4, 2, 0);
	kill(pid, SIGSTOP);		/* stopped is not dead */
	T_IS(one(0, -3, 0, DURE_MS(60)), -ETIMEDOUT);
	t_kill(pid);
	expect(3, 0, 2, 0);
	assert_int_equal(info_of(0).last_process, pid);
	expect(3, 0, 2, 0);		/* once */
}

/* As Linux: never below zero, nor above the greatest value. */
static void what_is_undone_stays_within_bounds(void **state)
{
	const struct dure_semset_operation both[] = { { 0, 5, DURE_SEMSET_UNDO },
						      { 1, -5, DURE_SEMSET_UNDO } };
	const uint32_t values[] = { 0, 32767, 0, 0 };

	(void)state;
	T_OK(dure_semset_set_all(seg, set, values, SEMAPHORES));
	pid_t pid = holder(both, 2);
	T_OK(one(0, -3, 0, 0));
	T_OK(one(1, 4, 0, 0));
	t_kill(pid);
	expect(0, 32767, 0, 0);
}

static void setting_forgets_what_would_be_undone(void **state)
{
	const struct dure_semset_operation both[] = { { 0, 5, DURE_SEMSET_UNDO },
						      { 1, 5, DURE_SEMSET_UNDO } };

	(void)state;
	pid_t pid = holder(both, 2), other = holder(both, 2);
	T_OK(dure_semset_set(seg, set, 0, 7));
	t_kill(pid);
	expect(7, 5, 0, 0);
	T_OK(dure_semset_set_all(seg, set, zeros, SEMAPHORES));
	t_kill(other);
	expect(0, 0, 0, 0);
}

static void *post_with_undo(void *context)
{
	return one(0, 2, DURE_SEMSET_UNDO, 0) == 0 && one(1, 1, 0, 0) == 0 ? NULL : context;
}

static void *give_back(void *context)
{
	return one(0, -2, DURE_SEMSET_UNDO, 0) == 0 ? NULL : context;
}

static void in_a_thread(void *(*body)(void *context))
{
	pthread_t thread;
	void *problem = NULL;

	T_IN_CHILD(pthread_create(&thread, NULL, body, set) == 0);
	pthread_join(thread, &problem);
	T_IN_CHILD(problem == NULL);
}

/* What its threads have done is the process', and stays when they end. */
static void adjustments_belong_to_the_process(void **state)
{
	struct dure_segment_info before = { .sz = sizeof before }, after = { .sz = sizeof after };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	T_OK(dure_segment_info(seg, &before));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		for (int i = 0; i < 300; i++) {		/* more than there are places for threads */
			in_a_thread(post_with_undo);
			in_a_thread(give_back);
		}
		in_a_thread(post_with_undo);
		T_IN_CHILD(info_of(0).adjustment == -2);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	T_OK(dure_segment_info(seg, &after));
	assert_in_range(after.threads, before.threads, before.threads + 2);
	expect(2, 301, 0, 0);
	T_IS(one(0, 0, 0, DURE_MS(50)), -ETIMEDOUT);
	t_kill(pid);
	T_OK(one(0, 0, 0, DURE_S(10)));
	expect(0, 301, 0, 0);
	close(fds[0]);
	close(fds[1]);
}

static void closing_the_segment_undoes(void **state)
{
	(void)state;
	T_OK(one(3, 1, 0, 0));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(one(0, 2, DURE_SEMSET_UNDO, 0) == 0);
		T_IN_CHILD(one(3, -1, DURE_SEMSET_UNDO, 0) == 0);
		T_IN_CHILD(dure_thread_detach(seg) == 0);
		T_IN_CHILD(one(1, 1, DURE_SEMSET_UNDO, 0) == 0);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		_exit(0);
	}
	T_OK(one(3, 0, 0, DURE_S(10)));
	t_join(pid);
	expect(0, 0, 0, 1);
}

static void more_processes_than_rows_are_refused(void **state)
{
	const struct dure_semset_operation once = { 0, 1, DURE_SEMSET_UNDO };
	pid_t pids[PROCESSES];

	(void)state;
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = holder(&once, 1);
	T_FAILS(one(0, 1, DURE_SEMSET_UNDO, 0), -EUSERS, "6 processes");
	T_OK(one(0, 1, 0, 0));
	t_kill(pids[0]);
	T_OK(one(0, 1, DURE_SEMSET_UNDO, 0));		/* its place is free at once */
	for (int i = 1; i < PROCESSES; i++)
		t_kill(pids[i]);
	expect(2, 0, 0, 0);
	for (int i = 0; i < 2 * PROCESSES; i++) {	/* who has nothing to undo needs no place */
		pid_t pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			T_IN_CHILD(one(0, 1, DURE_SEMSET_UNDO, 0) == 0);
			T_IN_CHILD(one(0, -1, DURE_SEMSET_UNDO, 0) == 0);
			_exit(0);
		}
		t_join(pid);
	}
	expect(2, 0, 0, 0);
	T_OK(one(0, -1, DURE_SEMSET_UNDO, 0));
}

/* -- waiting ----------------------------------------------------------------------------- */

static void await_waiters(uint32_t index, uint32_t for_more, uint32_t for_zero)
{
	for (int i = 0; i < 10000; i++) {
		struct dure_semset_info info = info_of(index);
		if (info.waiting_for_more == for_more && info.waiting_for_zero == for_zero)
			return;
		t_sleep_ms(1);
	}
	fail_msg("semaphore %u: not %u and %u waiters", index, for_more, for_zero);
}

static pid_t waiter(const struct dure_semset_operation *operations, size_t count, int expected)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(operate(operations, count, DURE_S(20)) == expected);
		_exit(0);
	}
	return pid;
}

static void waiters_are_counted_where_they_are_stopped(void **state)
{
	const struct dure_semset_operation two[] = { { 0, -1, 0 }, { 1, -1, 0 }, { 2, 0, 0 } };

	(void)state;
	T_OK(one(2, 1, 0, 0));
	pid_t pid = waiter(two, 3, 0), other = waiter(two, 1, 0);
	await_waiters(0, 2, 0);
	t_kill(other);
	await_waiters(0, 1, 0);		/* the dead do not count */
	T_OK(one(0, 1, 0, 0));
	await_waiters(0, 0, 0);
	await_waiters(1, 1, 0);
	expect(1, 0, 1, 0);		/* nothing of it has happened */
	T_OK(one(1, 1, 0, 0));
	await_waiters(1, 0, 0);
	await_waiters(2, 0, 1);
	T_OK(one(2, -1, 0, 0));
	t_join(pid);
	expect(0, 0, 0, 0);
	await_waiters(2, 0, 0);
}

/* Each of them needs one; some are killed, some when they have been woken. */
static void no_wake_up_is_lost(void **state)
{
	enum { WAITERS = 6, ROUNDS = 40 };
	const struct dure_semset_operation take = { 0, -1, 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[WAITERS];
		unsigned killed = (unsigned)round % 3;
		for (int i = 0; i < WAITERS; i++)
			pids[i] = waiter(&take, 1, 0);
		await_waiters(0, WAITERS, 0);
		for (int i = 0; i < WAITERS; i++)
			T_OK(one(0, 1, 0, 0));
		for (unsigned i = 0; i < killed; i++)
			kill(pids[i], SIGKILL);
		for (int i = 0; i < WAITERS; i++)
			assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
		uint32_t left = info_of(0).value;
		assert_in_range(left, 0, killed);
		T_OK(dure_semset_set(seg, set, 0, 0));
	}
}

/* All who wait for it have it, also when it is gone before they can look. */
static void a_moment_of_zero_is_enough(void **state)
{
	enum { WAITERS = 4 };
	const struct dure_semset_operation zero = { 1, 0, 0 };

	(void)state;
	for (int round = 0; round < 40; round++) {
		pid_t pids[WAITERS];
		T_OK(dure_semset_set(seg, set, 1, 1));
		for (int i = 0; i < WAITERS; i++)
			pids[i] = waiter(&zero, 1, 0);
		await_waiters(1, 0, WAITERS);
		T_OK(round % 2 ? one(1, -1, 0, 0) : dure_semset_set(seg, set, 1, 0));
		T_OK(round % 4 / 2 ? one(1, 1, 0, 0) : dure_semset_set(seg, set, 1, 3));
		for (int i = 0; i < WAITERS; i++)
			t_join(pids[i]);
	}
}

static void removing_tells_who_waits(void **state)
{
	const struct dure_semset_operation take = { 0, -1, 0 }, zero = { 1, 0, 0 };
	struct dure_semset_options o = options(zeros);
	uint32_t values[SEMAPHORES];

	(void)state;
	T_OK(one(1, 1, DURE_SEMSET_UNDO, 0));
	pid_t pid = waiter(&take, 1, -ESTALE), other = waiter(&zero, 1, -ESTALE);
	await_waiters(0, 1, 0);
	await_waiters(1, 0, 1);
	T_OK(dure_semset_remove(seg, set));
	t_join(pid);
	t_join(other);
	T_FAILS(one(0, 1, 0, 0), -ESTALE, "removed");
	T_IS(dure_semset_get_all(seg, set, values, SEMAPHORES), -ESTALE);
	T_IS(dure_semset_set(seg, set, 0, 0), -ESTALE);
	T_IS(dure_semset_remove(seg, set), -ESTALE);
	T_OK(dure_semset_init(seg, set, &o));
	expect(0, 0, 0, 0);
}

/* -- a crowd ----------------------------------------------------------------------------- */

/* Philosophers: two forks each, of four, taken as one; and one room for all of them. */
static void *eat(void *number)
{
	uint32_t left = (uint32_t)(uintptr_t)number % 3, right = (left + 1) % 3;
	const struct dure_semset_operation take[] = { { left, -1, DURE_SEMSET_UNDO },
						      { right, -1, DURE_SEMSET_UNDO },
						      { 3, 1, DURE_SEMSET_UNDO } },
		give[] = { { 3, -1, DURE_SEMSET_UNDO }, { right, 1, DURE_SEMSET_UNDO },
			   { left, 1, DURE_SEMSET_UNDO } };

	for (int i = 0; i < 5000; i++) {
		T_IN_CHILD(operate(take, 3, DURE_S(20)) == 0);
		T_IN_CHILD(__atomic_add_fetch(&root->inside, 1, __ATOMIC_RELAXED) == 1);
		__atomic_sub_fetch(&root->inside, 1, __ATOMIC_RELAXED);
		T_IN_CHILD(operate(give, 3, 0) == 0);
	}
	return NULL;
}

static void a_crowd_takes_turns(void **state)
{
	const uint32_t forks[] = { 1, 1, 1, 0 };

	(void)state;
	T_OK(dure_semset_set_all(seg, set, forks, SEMAPHORES));
	t_crowd(seg, eat);
	expect(1, 1, 1, 0);
}

static void kills_lose_and_double_nothing(void **state)
{
	enum { ROUNDS = 200, WORKERS = 3 };
	const uint32_t forks[] = { 1, 1, 1, 0 };

	(void)state;
	T_OK(dure_semset_set_all(seg, set, forks, SEMAPHORES));
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pids[WORKERS];
		for (int j = 0; j < WORKERS; j++) {
			pids[j] = t_fork();
			if (pids[j] == 0) {
				T_IN_CHILD(dure_segment_reattach(seg) == 0);
				root->inside = 0;	/* of no use here */
				const struct dure_semset_operation turn[] = {
					{ (uint32_t)j, -1, DURE_SEMSET_UNDO },
					{ (uint32_t)(j + 1) % 3, -1, DURE_SEMSET_UNDO },
				}, back[] = {
					{ (uint32_t)j, 1, DURE_SEMSET_UNDO },
					{ (uint32_t)(j + 1) % 3, 1, DURE_SEMSET_UNDO },
				};
				for (;;) {
					T_IN_CHILD(operate(turn, 2, DURE_S(20)) == 0);
					T_IN_CHILD(operate(back, 2, 0) == 0);
				}
			}
		}
		t_sleep_ms(1 + i % 3);
		for (int j = 0; j < WORKERS; j++)
			t_kill(pids[j]);
		expect(1, 1, 1, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, begin_with_zeros)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(arrays_happen_as_a_whole),
		TEST(values_and_adjustments_have_a_bound),
		TEST(bad_input_is_refused),
		TEST(a_set_can_be_large),
		TEST(what_the_dead_did_is_undone),
		TEST(what_is_undone_stays_within_bounds),
		TEST(setting_forgets_what_would_be_undone),
		TEST(adjustments_belong_to_the_process),
		TEST(closing_the_segment_undoes),
		TEST(more_processes_than_rows_are_refused),
		TEST(waiters_are_counted_where_they_are_stopped),
		TEST(no_wake_up_is_lost),
		TEST(a_moment_of_zero_is_enough),
		TEST(removing_tells_who_waits),
		TEST(a_crowd_takes_turns),
		TEST(kills_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
