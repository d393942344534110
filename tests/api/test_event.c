/* SPDX-License-Identifier: MIT */
/* Description: conditions, events, latches and once: who waits goes on, whoever dies. */
#include <pthread.h>

#include "../t.h"

struct root {
	dure_mutex mutex, recursive;
	dure_condition condition, empty, full;
	dure_event event, automatic;
	dure_latch latch;
	dure_once once;
	uint64_t ready, made, taken, depth, calls;
};

#include "root.h"

static int setup(void **state)
{
	(void)state;
	make_segment_and_root();
	T_OK(dure_event_init(seg, &root->automatic, DURE_EVENT_AUTO_RESET));
	T_OK(dure_mutex_init(seg, &root->recursive, DURE_MUTEX_RECURSIVE));
	return 0;
}

/* Runs body in a child with the segment attached. */
static pid_t child(void (*body)(void))
{
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		body();
		_exit(0);
	}
	return pid;
}

static uint64_t get(uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Bounded: a test that waits for ever tells nothing. */
static void await_at_least(uint64_t *word, uint64_t value)
{
	for (int i = 0; i < 10000 && get(word) < value; i++)
		t_sleep_ms(1);
	assert_true(get(word) >= value);
}

/* -- conditions -------------------------------------------------------------------------- */

static void wait_until_ready(void)
{
	T_IN_CHILD(dure_mutex_lock(seg, &root->mutex, DURE_S(10)) >= 0);
	__atomic_add_fetch(&root->calls, 1, __ATOMIC_RELEASE);
	while (!root->ready)
		T_IN_CHILD(dure_condition_wait(seg, &root->condition, &root->mutex, DURE_S(10)) >= 0);
	T_IN_CHILD(dure_mutex_unlock(seg, &root->mutex) == 0);
}

static void set_ready(uint64_t ready)
{
	T_OK(dure_mutex_lock(seg, &root->mutex, DURE_S(10)));
	root->ready = ready;
	T_OK(dure_mutex_unlock(seg, &root->mutex));
}

static void signals_and_broadcasts_arrive(void **state)
{
	pid_t pids[4];

	(void)state;
	root->calls = 0;
	pids[0] = child(wait_until_ready);
	await_at_least(&root->calls, 1);
	set_ready(1);
	T_OK(dure_condition_signal(seg, &root->condition));
	t_join(pids[0]);
	set_ready(0);
	root->calls = 0;
	for (int i = 0; i < 4; i++)
		pids[i] = child(wait_until_ready);
	await_at_least(&root->calls, 4);
	t_kill(pids[0]);		/* a dead waiter harms nobody */
	set_ready(1);
	T_OK(dure_condition_broadcast(seg, &root->condition));
	for (int i = 1; i < 4; i++)
		t_join(pids[i]);
}

static void wait_for_one(void)
{
	T_IN_CHILD(dure_mutex_lock(seg, &root->mutex, DURE_S(10)) >= 0);
	__atomic_add_fetch(&root->calls, 1, __ATOMIC_RELEASE);
	T_IN_CHILD(dure_condition_wait(seg, &root->condition, &root->mutex, DURE_S(10)) == 0);
	T_IN_CHILD(dure_mutex_unlock(seg, &root->mutex) == 0);
}

static void signal_it(void)
{
	T_IN_CHILD(dure_condition_signal(seg, &root->condition) == 0);
}

/* The flag of one who waits since then survives a signal that was begun before. */
static void a_signal_on_its_way_hides_no_waiter(void **state)
{
	uint32_t signals;
	bool ended = false;

	(void)state;
	T_OK(dure_condition_prepare(seg, &root->condition, &signals));
	int apart = t_stride(t_traced(seg, signal_it), 150);
	for (int steps = 1; !ended; steps += apart) {
		T_OK(dure_condition_prepare(seg, &root->condition, &signals));
		pid_t slow = t_traced(seg, signal_it);
		ended = !t_step(slow, steps);
		root->calls = 0;
		pid_t waiter = child(wait_for_one);
		await_at_least(&root->calls, 1);
		/* it waits when we have the mutex */
		T_OK(dure_mutex_lock(seg, &root->mutex, DURE_S(10)));
		T_OK(dure_mutex_unlock(seg, &root->mutex));
		if (!ended)
			t_go_on(slow);
		signal_it();
		t_join(waiter);
		t_kill(slow);
	}
}

static void condition_misuse_is_refused(void **state)
{
	dure_condition local = { { 0 } };

	(void)state;
	T_IS(dure_condition_wait(seg, &root->condition, &root->mutex, 0), -EPERM);
	T_OK(dure_mutex_lock(seg, &root->mutex, 0));
	T_FAILS(dure_condition_wait(seg, &local, &root->mutex, 0), -EINVAL, "no condition");
	int64_t start = t_now_ns();
	T_IS(dure_condition_wait(seg, &root->condition, &root->mutex, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
	T_OK(dure_mutex_unlock(seg, &root->mutex));	/* it is held again */
	T_OK(dure_mutex_lock(seg, &root->recursive, 0));
	T_OK(dure_mutex_lock(seg, &root->recursive, 0));
	T_FAILS(dure_condition_wait(seg, &root->condition, &root->recursive, 0), -EINVAL, "several");
	T_OK(dure_mutex_unlock(seg, &root->recursive));
	T_OK(dure_mutex_unlock(seg, &root->recursive));
	T_OK(dure_condition_signal(seg, &root->condition));	/* nobody waits */
}

/* A bounded buffer: producers, consumers, and consumers that are killed while they wait. */
enum { ITEMS = 4000, ROOM = 5 };

static void produce(void)
{
	for (int i = 0; i < ITEMS; i++) {
		int r = dure_mutex_lock(seg, &root->mutex, DURE_S(20));
		T_IN_CHILD(r >= 0);
		while (root->depth == ROOM)
			T_IN_CHILD(dure_condition_wait(seg, &root->full, &root->mutex, DURE_S(20)) >= 0);
		root->depth++;
		root->made++;
		T_IN_CHILD(dure_condition_signal(seg, &root->empty) == 0);
		T_IN_CHILD(dure_mutex_unlock(seg, &root->mutex) == 0);
	}
}

static void consume(void)
{
	for (int i = 0; i < ITEMS; i++) {
		int r = dure_mutex_lock(seg, &root->mutex, DURE_S(20));
		T_IN_CHILD(r >= 0);
		while (root->depth == 0)
			T_IN_CHILD(dure_condition_wait(seg, &root->empty, &root->mutex, DURE_S(20)) >= 0);
		root->depth--;
		root->taken++;
		T_IN_CHILD(dure_condition_signal(seg, &root->full) == 0);
		T_IN_CHILD(dure_mutex_unlock(seg, &root->mutex) == 0);
	}
}

static void a_buffer_passes_everything(void **state)
{
	pid_t pids[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pids[i] = child(i % 2 ? produce : consume);
	for (int i = 0; i < 4; i++)
		t_join(pids[i]);
	assert_int_equal(root->made, 2 * ITEMS);
	assert_int_equal(root->taken, 2 * ITEMS);
}

/* -- events ------------------------------------------------------------------------------ */

static void wait_for_event(void)
{
	__atomic_add_fetch(&root->calls, 1, __ATOMIC_RELEASE);
	T_IN_CHILD(dure_event_wait(seg, &root->event, DURE_S(10), NULL) == 0);
}

static void wait_for_automatic(void)
{
	for (int i = 0; i < 100; i++)
		T_IN_CHILD(dure_event_wait(seg, &root->automatic, DURE_S(10), NULL) == 0);
	__atomic_add_fetch(&root->taken, 100, __ATOMIC_RELEASE);
}

static void events_let_on(void **state)
{
	uint32_t count;
	pid_t pids[3];

	(void)state;
	T_IS(dure_event_wait(seg, &root->event, 0, NULL), -EAGAIN);
	T_IS(dure_event_wait(seg, &root->event, DURE_MS(20), NULL), -ETIMEDOUT);
	root->calls = 0;
	for (int i = 0; i < 3; i++)
		pids[i] = child(wait_for_event);
	await_at_least(&root->calls, 3);
	t_kill(pids[0]);
	T_OK(dure_event_set(seg, &root->event));
	t_join(pids[1]);
	t_join(pids[2]);
	T_OK(dure_event_wait(seg, &root->event, 0, &count));
	assert_int_equal(count, 1);
	T_OK(dure_event_set(seg, &root->event));
	T_OK(dure_event_wait(seg, &root->event, 0, &count));
	assert_int_equal(count, 2);
	T_IS(dure_event_reset(seg, &root->event), 1);
	T_IS(dure_event_reset(seg, &root->event), 0);
	T_IS(dure_event_wait(seg, &root->event, 0, NULL), -EAGAIN);
	T_FAILS(dure_event_init(seg, &root->event, 4), -EINVAL, "flags");
	memset(&root->event, 0x77, sizeof root->event);
	T_FAILS(dure_event_set(seg, &root->event), -EINVAL, "no event");
	T_OK(dure_event_init(seg, &root->event, 0));
}

static void automatic_events_let_one_on_each_time(void **state)
{
	pid_t pids[2];

	(void)state;
	T_OK(dure_event_set(seg, &root->automatic));
	T_OK(dure_event_wait(seg, &root->automatic, 0, NULL));
	T_IS(dure_event_wait(seg, &root->automatic, 0, NULL), -EAGAIN);
	root->taken = 0;
	for (int i = 0; i < 2; i++)
		pids[i] = child(wait_for_automatic);
	for (int64_t start = t_now_ns(); get(&root->taken) < 200;) {
		T_OK(dure_event_set(seg, &root->automatic));
		assert_true(t_now_ns() - start < DURE_S(20));
	}
	t_join(pids[0]);
	t_join(pids[1]);
}

/* -- latches and once -------------------------------------------------------------------- */

static void wait_for_latch(void)
{
	T_IN_CHILD(dure_latch_wait(seg, &root->latch, DURE_S(10)) == 0);
}

static void latches_open(void **state)
{
	(void)state;
	T_OK(dure_latch_wait(seg, &root->latch, 0));	/* zeros are an open one */
	T_OK(dure_latch_init(seg, &root->latch, 3));
	T_IS(dure_latch_wait(seg, &root->latch, 0), -EAGAIN);
	pid_t first = child(wait_for_latch), second = child(wait_for_latch);
	T_IS(dure_latch_down(seg, &root->latch, 1), 2);
	T_FAILS(dure_latch_down(seg, &root->latch, 3), -ERANGE, "2 left");
	T_IS(dure_latch_wait(seg, &root->latch, DURE_MS(20)), -ETIMEDOUT);
	T_IS(dure_latch_down(seg, &root->latch, 2), 0);
	t_join(first);
	t_join(second);
	T_OK(dure_latch_wait(seg, &root->latch, 0));
	T_IS(dure_latch_init(seg, &root->latch, 0x80000000u), -EINVAL);
}

static void do_once(void)
{
	int r = dure_once_begin(seg, &root->once, DURE_S(10));

	T_IN_CHILD(r >= 0);
	if (r == 0)
		return;
	__atomic_add_fetch(&root->calls, 1, __ATOMIC_RELEASE);
	T_IN_CHILD(dure_once_end(seg, &root->once) == 0);
}

static void begin_and_hang(void)
{
	T_IN_CHILD(dure_once_begin(seg, &root->once, DURE_S(10)) > 0);
	__atomic_add_fetch(&root->calls, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static void once_is_once(void **state)
{
	pid_t pids[5];

	(void)state;
	root->calls = 0;
	T_IS(dure_once_begin(seg, &root->once, 0), DURE_CREATED);
	T_IS(dure_once_begin(seg, &root->once, 0), -EDEADLK);
	T_OK(dure_once_cancel(seg, &root->once));
	T_FAILS(dure_once_end(seg, &root->once), -EPERM, "not this thread's");
	pids[0] = child(begin_and_hang);
	await_at_least(&root->calls, 1);
	T_IS(dure_once_begin(seg, &root->once, 0), -EAGAIN);
	t_kill(pids[0]);
	T_IS(dure_once_begin(seg, &root->once, 0), DURE_OWNER_DIED);
	T_OK(dure_once_cancel(seg, &root->once));
	root->calls = 0;
	for (int i = 0; i < 5; i++)
		pids[i] = child(do_once);
	for (int i = 0; i < 5; i++)
		t_join(pids[i]);
	assert_int_equal(root->calls, 1);
	T_OK(dure_once_begin(seg, &root->once, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(condition_misuse_is_refused),
		cmocka_unit_test(signals_and_broadcasts_arrive),
		cmocka_unit_test(a_signal_on_its_way_hides_no_waiter),
		cmocka_unit_test(a_buffer_passes_everything),
		cmocka_unit_test(events_let_on),
		cmocka_unit_test(automatic_events_let_one_on_each_time),
		cmocka_unit_test(latches_open),
		cmocka_unit_test(once_is_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
