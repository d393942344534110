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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_dead_have_taken_comes_back),
		TEST(a_death_wakes_a_receiver),
		TEST(who_waits_is_woken),
		TEST(shutting),
		TEST(a_descriptor_to_poll),
		TEST(users_that_died_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
