/* SPDX-License-Identifier: MIT */
/* Description: who waits for a message or for room is woken, or told by a descriptor; what the
   dead have taken comes back, and they are no users. */
#include "queue.h"

static void what_the_dead_have_taken_comes_back(void **state)
{
	struct dure_message m;
	const char *name = t_name();
	char buffer[8];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	put("a", 1, 0);
	put("b", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	assert_int_equal(facts().taken, 1);
	assert_int_equal(facts().users, 2);
	kill(pid, SIGSTOP);		/* stopped is alive */
	T_OK(dure_queue_peek(queue, NULL, buffer, 8, NULL));
	assert_string_equal(buffer, "b");
	t_kill(pid);
	m = take("a");			/* at its place */
	assert_int_equal(m.deliveries, 2);
	T_OK(dure_queue_acknowledge(queue, &m));
	expect(NULL, "b");
	assert_int_equal(facts().returned, 1);
	close(fds[0]);
	close(fds[1]);
}

/* A sleeping receiver is woken by the death of the one who has the only message. */
static void a_death_wakes_a_receiver(void **state)
{
	const char *name = t_name();
	int fds[2], done[2];
	pid_t killer;
	char buffer[8];
	int64_t start;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(done), 0);
	put("a", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	killer = t_fork();
	if (killer == 0) {
		t_sleep_ms(50);
		kill(pid, SIGKILL);
		_exit(0);
	}
	start = t_now_ns();
	T_OK(dure_queue_receive(queue, NULL, buffer, 8, NULL, 20000000000));
	assert_true(t_now_ns() - start < 10000000000);
	assert_string_equal(buffer, "a");
	t_join(killer);
	waitpid(pid, NULL, 0);
}

static void *send_later(void *context)
{
	(void)context;
	while (facts().waits_to_receive == 0)
		t_sleep_ms(1);
	put("late", 1, 0);
	return NULL;
}

static void *receive_later(void *context)
{
	(void)context;
	while (facts().waits_to_send == 0)
		t_sleep_ms(1);
	expect(NULL, "1");
	return NULL;
}

static void who_waits_is_woken(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 1 };
	char buffer[8];
	pthread_t thread;

	(void)state;
	reopen(&o);
	pthread_create(&thread, NULL, send_later, NULL);
	T_OK(dure_queue_receive(queue, NULL, buffer, 8, NULL, 20000000000));
	assert_string_equal(buffer, "late");
	pthread_join(thread, NULL);
	put("1", 1, 0);
	pthread_create(&thread, NULL, receive_later, NULL);
	T_OK(dure_queue_send(queue, "2", 2, NULL, 20000000000));
	pthread_join(thread, NULL);
	expect(NULL, "2");
}

static void *shut_later(void *context)
{
	(void)context;
	while (facts().waits_to_receive == 0)
		t_sleep_ms(1);
	T_OK(dure_queue_shut(queue));
	return NULL;
}

static void shutting(void **state)
{
	char buffer[8];
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, shut_later, NULL);
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 20000000000), -ESHUTDOWN);
	pthread_join(thread, NULL);
	T_FAILS(dure_queue_send(queue, "a", 1, NULL, 0), -ESHUTDOWN, "shut");
	reopen(NULL);
	put("a", 1, 0);
	T_OK(dure_queue_shut(queue));
	expect(NULL, "a");
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, DURE_FOREVER), -ESHUTDOWN);
	assert_int_equal(facts().is_shut, 1);
}

static void a_descriptor_to_poll(void **state)
{
	const char *name = t_name();
	char buffer[8];
	int fd = dure_queue_fd(queue), fds[2];

	(void)state;
	T_OK(fd);
	assert_int_equal(dure_queue_fd(queue), fd);
	assert_int_equal(poll_for(fd, 20000), 1);	/* at first */
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	/* the creation's closes may be reported a moment later */
	while (poll_for(fd, 20) == 1)
		T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	put("a", 1, 0);
	assert_int_equal(poll_for(fd, 20000), 1);
	expect(NULL, "a");
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	assert_int_equal(poll_for(fd, 20), 0);
	/* a death gives a message back */
	assert_int_equal(pipe(fds), 0);
	put("b", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	while (dure_queue_receive(queue, NULL, buffer, 8, NULL, 0) == -EAGAIN &&
	       poll_for(fd, 50) == 1)
		;
	t_kill(pid);
	while (dure_queue_receive(queue, NULL, buffer, 8, NULL, 0) == -EAGAIN)
		assert_int_equal(poll_for(fd, 20000), 1);
	assert_string_equal(buffer, "b");
}

/* Whoever died in the middle of destroying: it cannot be opened, but destroyed. */
static void users_that_died_do_not_count(void **state)
{
	const char *name = t_name();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	put("a", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	dure_queue_close(queue);
	T_FAILS(dure_queue_destroy(seg, "queue"), -EBUSY, "open in 1");
	t_kill(pid);
	T_OK(dure_queue_destroy(seg, "queue"));
	open_queue(NULL);
}

/* -- notices ----------------------------------------------------------------------------- */

/* As at the beginning: what was reported has been looked at. */
static void find_nothing(void)
{
	char buffer[8];

	T_IS(dure_queue_receive(queue, NULL, buffer, sizeof buffer, NULL, 0), -EAGAIN);
}

static bool is_signalled(const sigset_t *set, int64_t ms)
{
	return sigtimedwait(set, NULL, &(struct timespec){ ms / 1000, ms % 1000 * 1000000 }) ==
	       SIGUSR2;
}

/* There may be signals for nothing; but not for ever. */
static void become_quiet(const sigset_t *set)
{
	find_nothing();
	for (int tries = 0; is_signalled(set, 30); tries++) {
		assert_true(tries < 100);
		find_nothing();
	}
}

static void put_by_another(const char *text)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		dure_queue *q;
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &q) == 0);
		T_IN_CHILD(dure_queue_send(q, text, strlen(text) + 1, NULL, 0) == 0);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_signal_tells(void **state)
{
	struct dure_queue_notice notice = { .sz = sizeof notice, .signal = SIGUSR2,
					    .flags = DURE_QUEUE_NOTIFY_ALWAYS };
	const char *name = t_name();
	sigset_t set, old;
	int fds[2];

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	T_OK(dure_queue_notify(queue, &notice));
	become_quiet(&set);
	for (int i = 0; i < 3; i++) {
		put("a", 1, 0);
		assert_true(is_signalled(&set, 20000));
		expect(NULL, "a");
		become_quiet(&set);
	}
	/* a death gives a message back */
	assert_int_equal(pipe(fds), 0);
	put("b", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	become_quiet(&set);
	t_kill(pid);
	while (facts().taken) {
		char buffer[8];
		assert_true(is_signalled(&set, 20000));
		(void)dure_queue_peek(queue, NULL, buffer, sizeof buffer, NULL);
	}
	expect(NULL, "b");
	become_quiet(&set);
	/* once */
	notice.flags = 0;
	T_OK(dure_queue_notify(queue, &notice));
	find_nothing();
	put("c", 1, 0);
	assert_true(is_signalled(&set, 20000));
	expect(NULL, "c");
	find_nothing();
	while (is_signalled(&set, 0))
		;			/* what was on its way */
	put("d", 1, 0);
	assert_false(is_signalled(&set, 50));
	expect(NULL, "d");
	/* no more */
	notice.flags = DURE_QUEUE_NOTIFY_ALWAYS;
	T_OK(dure_queue_notify(queue, &notice));
	become_quiet(&set);
	T_OK(dure_queue_notify(queue, NULL));
	put("e", 1, 0);
	assert_false(is_signalled(&set, 50));
	expect(NULL, "e");
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

/* The signal is its own, whoever sends the message, and be it a process that is gone by now. */
static void a_signal_of_a_message_of_the_dead(void **state)
{
	struct dure_queue_notice notice = { .sz = sizeof notice, .signal = SIGUSR2 };
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	T_OK(dure_queue_notify(queue, &notice));
	find_nothing();
	put_by_another("x");
	assert_true(is_signalled(&set, 20000));
	expect(NULL, "x");
	T_OK(dure_queue_notify(queue, NULL));
	while (is_signalled(&set, 20))
		;
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
}

static void count_and_receive(dure_queue *of, void *context)
{
	char buffer[8];

	assert_ptr_equal(of, queue);
	T_OK(dure_queue_receive(of, NULL, buffer, sizeof buffer, NULL, 0));
	++*(int *)context;
}

static void a_function_is_run(void **state)
{
	int count = 0;
	struct dure_queue_notice notice = { .sz = sizeof notice, .function = count_and_receive,
					    .context = &count };
	pthread_t thread;

	(void)state;
	T_FAILS(dure_queue_dispatch(queue, 0), -EINVAL, "function");
	T_OK(dure_queue_notify(queue, &notice));
	T_IS(dure_queue_dispatch(queue, 0), -EAGAIN);
	T_IS(dure_queue_dispatch(queue, 1000000), -ETIMEDOUT);
	pthread_create(&thread, NULL, send_later, NULL);
	T_IS(dure_queue_dispatch(queue, 20000000000), 0);
	pthread_join(thread, NULL);
	assert_int_equal(count, 1);
	T_IS(dure_queue_dispatch(queue, 0), -EINVAL);	/* once */
	notice.flags = DURE_QUEUE_NOTIFY_ALWAYS;
	T_OK(dure_queue_notify(queue, &notice));
	put("a", 1, 0);
	put("b", 1, 0);
	T_IS(dure_queue_dispatch(queue, 0), 0);
	T_IS(dure_queue_dispatch(queue, 0), 0);
	T_IS(dure_queue_dispatch(queue, 0), -EAGAIN);
	assert_int_equal(count, 3);
	T_OK(dure_queue_shut(queue));
	T_IS(dure_queue_dispatch(queue, DURE_FOREVER), -ESHUTDOWN);
	notice.flags = 2;
	T_FAILS(dure_queue_notify(queue, &notice), -EINVAL, "flags");
	notice = (struct dure_queue_notice){ .sz = sizeof notice };
	T_FAILS(dure_queue_notify(queue, &notice), -EINVAL, "neither");
	notice.signal = SIGKILL;
	T_FAILS(dure_queue_notify(queue, &notice), -EINVAL, "signal 9");
	notice.signal = 1000;
	T_IS(dure_queue_notify(queue, &notice), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_dead_have_taken_comes_back),
		TEST(a_death_wakes_a_receiver),
		TEST(who_waits_is_woken),
		TEST(shutting),
		TEST(a_descriptor_to_poll),
		TEST(users_that_died_do_not_count),
		TEST(a_signal_tells),
		TEST(a_signal_of_a_message_of_the_dead),
		TEST(a_function_is_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
