/* SPDX-License-Identifier: MIT */
/* Description: who waits for a publication or for room is woken, or told by a descriptor; a
   subscriber holds up nobody when it dies or is stopped; and many at once lose nothing. */
#include "topic.h"

#include <sys/epoll.h>
#include <sys/socket.h>

/* -- waiting ----------------------------------------------------------------------------- */

static void *receive_one(void *context)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0);
	uint64_t found;

	__atomic_add_fetch((int *)context, 1, __ATOMIC_RELEASE);
	int r = dure_subscriber_receive(s, &found, sizeof found, NULL, DURE_FOREVER);
	dure_subscriber_close(s);
	return (void *)(intptr_t)r;
}

static void await_count(const int *count, int enough)
{
	for (int i = 0; i < 20000 && __atomic_load_n(count, __ATOMIC_ACQUIRE) < enough; i++)
		t_sleep_ms(1);
	assert_true(__atomic_load_n(count, __ATOMIC_ACQUIRE) >= enough);
}

static void await_sleepers(uint64_t enough)
{
	for (int i = 0; i < 20000 && info().waits_to_receive < enough; i++)
		t_sleep_ms(1);
	assert_true(info().waits_to_receive >= enough);
}

static void who_sleeps_is_woken(void **state)
{
	pthread_t threads[4];
	void *result;
	int ready = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, receive_one, &ready);
	await_count(&ready, 4);
	await_sleepers(4);
	put(0, 1);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		assert_int_equal((intptr_t)result, 0);
	}
}

static void shut(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0), *other;
	pthread_t threads[2];
	void *result;
	int ready = 0;

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, receive_one, &ready);
	await_count(&ready, 2);
	await_sleepers(2);
	int64_t start = t_now_ns();
	T_OK(dure_topic_shut(topic));
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &result);
		assert_int_equal((intptr_t)result, -ESHUTDOWN);
	}
	assert_true(t_now_ns() - start < 5000000000);
	T_IS(dure_subscriber_receive(s, NULL, 0, NULL, DURE_FOREVER), -ESHUTDOWN);
	T_FAILS(try_put(0), -ESHUTDOWN, "shut");
	T_IS(dure_topic_subscribe(topic, NULL, &other), -ESHUTDOWN);
	T_OK(dure_topic_shut(topic));
	assert_int_equal(info().is_shut, 1);
	dure_subscriber_close(s);
}

/* What was there before it was shut is received first. */
static void shut_with_something_left(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0);

	(void)state;
	put(0, 2);
	T_OK(dure_topic_shut(topic));
	expect(s, 0, 0);
	expect(s, 1, 0);
	T_IS(dure_subscriber_receive(s, NULL, 0, NULL, 0), -ESHUTDOWN);
	dure_subscriber_close(s);
}

/* In a child: subscribes, says so, receives `count`, takes `loans`, says so, and stays. */
static pid_t subscriber_process(uint32_t policy, int count, int loans, int ready)
{
	const char *name = t_name();
	pid_t pid = t_fork();

	if (pid == 0) {
		struct dure_subscribe_options o = { .sz = sizeof o, .policy = policy };
		const void *data;
		dure_segment *mine;
		dure_topic *t;
		dure_subscriber *s;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(dure_topic_open(mine, "topic", DURE_OPEN, NULL, &t) == 0);
		T_IN_CHILD(dure_topic_subscribe(t, &o, &s) == 0);
		t_signal(ready);
		for (int i = 0; i < count; i++) {
			T_IN_CHILD(dure_subscriber_take(s, &data, NULL, DURE_FOREVER) == 0);
			T_IN_CHILD(dure_subscriber_give_back(s, data) == 0);
		}
		for (int i = 0; i < loans; i++)
			T_IN_CHILD(dure_subscriber_take(s, &data, NULL, DURE_FOREVER) == 0);
		if (count || loans)
			t_signal(ready);
		for (;;)
			pause();
	}
	return pid;
}

static void *kill_soon(void *pid)
{
	t_sleep_ms(50);
	kill(*(pid_t *)pid, SIGKILL);
	return NULL;
}

/* A publisher that waits for one who blocks goes on at once when he is killed. */
static void a_dead_subscriber_blocks_nobody(void **state)
{
	struct dure_publication p = { .sz = sizeof p };
	pthread_t thread;
	int fds[2], status;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < 5; i++) {
		uint64_t next = info().published;
		pid_t pid = subscriber_process(DURE_TOPIC_BLOCK, 0, 0, fds[1]);
		t_await(fds[0]);
		put(next, next + 8);
		T_IS(try_put(next + 8), -EAGAIN);
		T_IS(dure_topic_send(topic, &p, 1, 10000000), -ETIMEDOUT);
		int64_t start = t_now_ns();
		pthread_create(&thread, NULL, kill_soon, &pid);
		T_OK(dure_topic_send(topic, &next, sizeof next, DURE_FOREVER));
		assert_true(t_now_ns() - start < 5000000000);
		pthread_join(thread, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(info().died, (uint64_t)i + 1);
	}
	close(fds[0]);
	close(fds[1]);
}

/* What a dead one had on loan goes back, once; a living one's loans stay. */
static void the_loans_of_the_dead_come_back(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0);
	const void *data;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < 5; i++) {
		uint64_t next = info().published;
		pid_t pid = subscriber_process(DURE_TOPIC_DROP, 0, 3, fds[1]);
		t_await(fds[0]);
		put(next, next + 3);
		t_await(fds[0]);
		do
			T_OK(dure_subscriber_take(s, &data, NULL, 0));
		while (*(const uint64_t *)data != next && dure_subscriber_give_back(s, data) == 0);
		put(next + 3, next + 300);
		assert_int_equal(info().on_loan, 3);
		t_kill(pid);
		put(next + 300, next + 600);
		assert_int_equal(info().on_loan, 1);
		assert_int_equal(*(const uint64_t *)data, next);
		T_OK(dure_subscriber_give_back(s, data));
		assert_int_equal(info().on_loan, 0);
	}
	assert_int_equal(info().died, 5);
	assert_int_equal(info().subscribers, 1);
	dure_subscriber_close(s);
	close(fds[0]);
	close(fds[1]);
}

/* A stopped one has what its policy says, for as long as it is stopped; and is not dead. */
static void the_stopped_are_not_dead(void **state)
{
	int fds[2], status;
	uint64_t next = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t blocks = subscriber_process(DURE_TOPIC_BLOCK, 0, 0, fds[1]);
	t_await(fds[0]);
	pid_t drops = subscriber_process(DURE_TOPIC_DROP, 0, 2, fds[1]);
	t_await(fds[0]);
	put(0, 2);
	t_await(fds[0]);
	kill(blocks, SIGSTOP);
	kill(drops, SIGSTOP);
	assert_int_equal(waitpid(blocks, &status, WUNTRACED), blocks);
	assert_int_equal(waitpid(drops, &status, WUNTRACED), drops);
	put(2, 8);
	T_IS(dure_topic_send(topic, &next, sizeof next, 200000000), -ETIMEDOUT);
	assert_int_equal(info().subscribers, 2);
	assert_int_equal(info().died, 0);
	t_kill(blocks);
	put(8, 500);
	assert_int_equal(info().died, 1);
	assert_int_equal(info().on_loan, 2);
	t_kill(drops);
	put(500, 1000);
	assert_int_equal(info().on_loan, 0);
	close(fds[0]);
	close(fds[1]);
}

/* Their places, too: subscribers that die one after the other never fill the topic. */
static void places_of_the_dead(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < 20; i++) {
		pid_t pid = subscriber_process(DURE_TOPIC_DROP, 0, 0, fds[1]);
		t_await(fds[0]);
		t_kill(pid);
	}
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0);
	dure_subscriber_close(s);
	close(fds[0]);
	close(fds[1]);
}

static void *subscribe_and_end(void *context)
{
	const void *data;
	dure_subscriber *s = subscribe(DURE_TOPIC_BLOCK, 1);

	T_OK(dure_subscriber_take(s, &data, NULL, 0));
	*(dure_subscriber **)context = s;
	return NULL;
}

/* A thread that ends is subscribed no more. */
static void a_thread_ends(void **state)
{
	dure_subscriber *s = NULL;
	pthread_t thread;

	(void)state;
	put(0, 1);
	pthread_create(&thread, NULL, subscribe_and_end, &s);
	pthread_join(thread, NULL);
	put(1, 200);
	assert_int_equal(info().on_loan, 0);
	assert_int_equal(info().subscribers, 0);
	dure_subscriber_close(s);
}

/* -- many at once ------------------------------------------------------------------------ */

enum { PUBLISHERS = 3, EACH = 3000 };

struct letter {
	uint32_t publisher, number;
	uint64_t filling[5];
};

static void *publish_many(void *number)
{
	uint32_t publisher = (uint32_t)(uintptr_t)number;
	dure_topic *mine;

	T_OK(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &mine));
	for (uint32_t i = 0; i < EACH; i++) {
		struct letter *letter;
		T_OK(dure_topic_loan(mine, sizeof *letter, (void **)&letter));
		*letter = (struct letter){ .publisher = publisher, .number = i };
		for (int k = 0; k < 5; k++)
			letter->filling[k] = (uint64_t)publisher << 32 | i;
		T_OK(dure_topic_publish(mine, letter, sizeof *letter, DURE_FOREVER));
	}
	dure_topic_close(mine);
	return NULL;
}

struct reader {
	uint32_t policy;
	int *ready;
	uint64_t received, lost;
};

static void *read_many(void *context)
{
	struct reader *reader = context;
	dure_subscriber *s = subscribe(reader->policy, 0);
	uint32_t last[PUBLISHERS] = { 0 };
	uint64_t next = 0;

	__atomic_add_fetch(reader->ready, 1, __ATOMIC_RELEASE);
	while (reader->received + reader->lost < PUBLISHERS * EACH) {
		struct dure_publication p = { .sz = sizeof p };
		const struct letter *letter;
		int r = dure_subscriber_take(s, (const void **)&letter, &p, 20000000000);
		if (r == -ECONNRESET) {
			reader->lost = PUBLISHERS * EACH - reader->received;
			break;
		}
		T_OK(r);
		assert_int_equal(p.sequence, next + p.lost);
		next = p.sequence + 1;
		for (int k = 0; k < 5; k++)
			assert_int_equal(letter->filling[k],
					 (uint64_t)letter->publisher << 32 | letter->number);
		assert_true(letter->number >= last[letter->publisher]);
		last[letter->publisher] = letter->number + 1;
		T_OK(dure_subscriber_give_back(s, letter));
		reader->received++;
		reader->lost += p.lost;
	}
	dure_subscriber_close(s);
	return NULL;
}

static void publishers_and_subscribers(void **state)
{
	static const uint32_t policies[] = { DURE_TOPIC_BLOCK, DURE_TOPIC_DROP, DURE_TOPIC_LATEST,
					     DURE_TOPIC_BLOCK, DURE_TOPIC_EVICT };
	enum { READERS = sizeof policies / sizeof *policies };
	struct reader readers[READERS];
	pthread_t threads[READERS + PUBLISHERS];
	int ready = 0;

	(void)state;
	for (int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .policy = policies[i], .ready = &ready };
		pthread_create(&threads[i], NULL, read_many, &readers[i]);
	}
	await_count(&ready, READERS);
	for (uintptr_t i = 0; i < PUBLISHERS; i++)
		pthread_create(&threads[READERS + i], NULL, publish_many, (void *)i);
	for (int i = 0; i < READERS + PUBLISHERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < READERS; i++)
		assert_true(policies[i] != DURE_TOPIC_BLOCK || readers[i].lost == 0);
	assert_int_equal(info().published, PUBLISHERS * EACH);
	assert_int_equal(info().on_loan, 0);
}

/* -- polling ----------------------------------------------------------------------------- */

static void a_descriptor_to_poll(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_BLOCK, 0);
	int fd = dure_subscriber_fd(s), room = dure_topic_fd(topic), fds[2];

	(void)state;
	T_OK(fd);
	T_OK(room);
	assert_int_equal(dure_subscriber_fd(s), fd);
	assert_int_equal(poll_for(fd, 20000), 1);	/* at first */
	expect_nothing(s);
	/* the creation's closes may be reported a moment later */
	while (poll_for(fd, 20) == 1)
		expect_nothing(s);
	put(0, 1);
	assert_int_equal(poll_for(fd, 20000), 1);
	expect(s, 0, 0);
	expect_nothing(s);
	assert_int_equal(poll_for(fd, 20), 0);
	/* room, for one who polls */
	put(1, 9);
	T_IS(try_put(9), -EAGAIN);
	while (poll_for(room, 20) == 1)
		T_IS(try_put(9), -EAGAIN);
	expect(s, 1, 0);
	assert_int_equal(poll_for(room, 20000), 1);
	put(9, 10);
	/* and by a death */
	dure_subscriber_close(s);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = subscriber_process(DURE_TOPIC_BLOCK, 0, 0, fds[1]);
	t_await(fds[0]);
	put(10, 18);
	do
		T_IS(try_put(18), -EAGAIN);
	while (poll_for(room, 50) == 1);
	t_kill(pid);
	do
		assert_int_equal(poll_for(room, 20000), 1);
	while (try_put(18) == -EAGAIN);
	assert_int_equal(info().published, 19);
	/* and by the end of the topic */
	s = subscribe(DURE_TOPIC_DROP, 0);
	fd = dure_subscriber_fd(s);
	do
		expect_nothing(s);
	while (poll_for(fd, 20) == 1);
	T_OK(dure_topic_shut(topic));
	assert_int_equal(poll_for(fd, 20000), 1);
	T_IS(dure_subscriber_receive(s, NULL, 0, NULL, 0), -ESHUTDOWN);
	dure_subscriber_close(s);
	close(fds[0]);
	close(fds[1]);
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
}

/* Waiting takes less than 1 % of the time; a machine that others use is given some tries. */
static bool is_idle(int epoll)
{
	struct epoll_event event;

	for (int tries = 0; tries < 5; tries++) {
		int64_t start = t_now_ns(), begun = cpu_ns();
		assert_int_equal(epoll_wait(epoll, &event, 1, 300), 0);
		if ((cpu_ns() - begun) * 100 < t_now_ns() - start)
			return true;
	}
	return false;
}

/* A loop on a queue, a topic and a socket: what comes is got, and idling costs nothing. */
static void a_loop_that_idles(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0);
	int sockets[2], epoll = epoll_create1(EPOLL_CLOEXEC), got[3] = { 0 };
	struct epoll_event event;
	dure_queue *queue;
	uint64_t number;

	(void)state;
	T_IS(dure_queue_open(seg, "queue", DURE_CREATE, NULL, &queue), DURE_CREATED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
	watch(epoll, dure_subscriber_fd(s));
	watch(epoll, dure_queue_fd(queue));
	watch(epoll, sockets[0]);
	for (int round = 0; round < 3; round++) {
		int wakes = 0;
		/* until it is quiet */
		for (; epoll_wait(epoll, &event, 1, 300) == 1; wakes++) {
			while (dure_subscriber_receive(s, &number, 8, NULL, 0) == 0)
				got[0]++;
			while (dure_queue_receive(queue, NULL, &number, 8, NULL, 0) == 0)
				got[1]++;
			while (read(sockets[0], &number, 8) == 8)
				got[2]++;
		}
		assert_true(wakes < 50);
		assert_true(is_idle(epoll));
		assert_int_equal(got[0], round);
		assert_int_equal(got[1], round);
		assert_int_equal(got[2], round);
		number = (uint64_t)round;
		put(number, number + 1);
		T_OK(dure_queue_send(queue, &number, 8, NULL, 0));
		assert_int_equal(write(sockets[1], &number, 8), 8);
	}
	dure_subscriber_close(s);
	dure_queue_close(queue);
	T_OK(dure_queue_destroy(seg, "queue"));
	close(sockets[0]);
	close(sockets[1]);
	close(epoll);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_sleeps_is_woken),
		TEST(shut),
		TEST(shut_with_something_left),
		TEST(a_dead_subscriber_blocks_nobody),
		TEST(the_loans_of_the_dead_come_back),
		TEST(the_stopped_are_not_dead),
		TEST(places_of_the_dead),
		TEST(a_thread_ends),
		TEST(publishers_and_subscribers),
		TEST(a_descriptor_to_poll),
		TEST(a_loop_that_idles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
