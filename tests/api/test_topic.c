/* SPDX-License-Identifier: MIT */
/* Description: what is published goes to every subscriber, whole and in its sequence; each lags
   as its policy says, joins without a hole, and holds up nobody when it dies or is stopped; and
   a publication's memory goes back when nobody can see it any more. */
#include "../t.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static dure_segment *seg;
static dure_topic *topic;
static uint64_t blocks_without;		/* live blocks when there is no topic */

static void open_topic(uint64_t messages_max, uint64_t bytes_max)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = messages_max,
					.bytes_max = bytes_max, .subscribers_max = 8 };

	T_IS(dure_topic_open(seg, "topic", DURE_CREATE | DURE_OPEN, &o, &topic), DURE_CREATED);
}

static void destroy_topic(void)
{
	dure_topic_close(topic);
	T_OK(dure_topic_destroy(seg, "topic"));
	assert_int_equal(t_live_blocks(seg), blocks_without);
}

static int setup(void **state)
{
	static const char *const names[] = { "topic", "other", "queue" };

	(void)state;
	seg = t_segment(64 << 20);
	/* the directory has room for all names that there will be */
	for (int i = 0; i < 3; i++) {
		T_IS(dure_topic_open(seg, names[i], DURE_CREATE, NULL, &topic), DURE_CREATED);
		dure_topic_close(topic);
		T_OK(dure_topic_destroy(seg, names[i]));
	}
	blocks_without = t_live_blocks(seg);
	open_topic(8, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	destroy_topic();
	t_clean(seg);
	t_close(seg);
	return 0;
}

static void reopen(uint64_t messages_max, uint64_t bytes_max)
{
	destroy_topic();
	open_topic(messages_max, bytes_max);
}

static dure_subscriber *subscribe(uint32_t policy, uint64_t history)
{
	struct dure_subscribe_options o = { .sz = sizeof o, .policy = policy, .history = history };
	dure_subscriber *s;

	T_OK(dure_topic_subscribe(topic, &o, &s));
	return s;
}

static int try_put(uint64_t number)
{
	return dure_topic_send(topic, &number, sizeof number, 0);
}

/* numbered from..to-1 */
static void put(uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		T_OK(try_put(from));
}

/* The next publication is this one, after so many that were lost. */
static void expect(dure_subscriber *s, uint64_t number, uint64_t lost)
{
	struct dure_publication p = { .sz = sizeof p };
	uint64_t found = 0;

	T_OK(dure_subscriber_receive(s, &found, sizeof found, &p, 0));
	assert_int_equal(found, number);
	assert_int_equal(p.sequence, number);
	assert_int_equal(p.lost, lost);
	assert_int_equal(p.bytes, sizeof found);
}

static void expect_nothing(dure_subscriber *s)
{
	uint64_t found = 77;

	T_IS(dure_subscriber_receive(s, &found, sizeof found, NULL, 0), -EAGAIN);
	assert_int_equal(found, 77);
}

static struct dure_topic_info info(void)
{
	struct dure_topic_info i = { .sz = sizeof i };

	T_OK(dure_topic_info(topic, &i));
	return i;
}

/* -- one after the other ----------------------------------------------------------------- */

static void everybody_gets_everything(void **state)
{
	dure_subscriber *a = subscribe(DURE_TOPIC_DROP, 0), *b;
	struct dure_publication p = { .sz = sizeof p };
	const void *data, *same;
	char *loan;

	(void)state;
	expect_nothing(a);
	T_OK(dure_topic_loan(topic, 100, (void **)&loan));
	assert_int_equal((uintptr_t)loan % 16, 0);
	memset(loan, 'x', 100);
	T_OK(dure_topic_publish(topic, loan, 50, 0));
	b = subscribe(DURE_TOPIC_DROP, 1);
	T_OK(dure_subscriber_take(a, &data, &p, 0));
	assert_ptr_equal(data, loan);
	assert_int_equal(p.bytes, 50);
	assert_int_equal(p.sequence, 0);
	assert_int_equal(p.publisher, (uint32_t)getpid());
	T_OK(dure_subscriber_take(b, &same, NULL, 0));
	assert_ptr_equal(same, data);
	T_OK(dure_subscriber_give_back(a, data));
	T_OK(dure_subscriber_give_back(b, same));
	put(1, 6);
	for (uint64_t i = 1; i < 6; i++) {
		expect(a, i, 0);
		expect(b, i, 0);
	}
	expect_nothing(a);
	expect_nothing(b);
	T_OK(dure_topic_send(topic, NULL, 0, 0));
	T_OK(dure_subscriber_receive(a, NULL, 0, &p, 0));
	assert_int_equal(p.bytes, 0);
	dure_subscriber_close(a);
	dure_subscriber_close(b);
}

static void who_lags_is_told_what_it_lost(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0);
	uint64_t next = 0, lost = 0, last = UINT64_MAX, found;
	struct dure_publication p = { .sz = sizeof p };

	(void)state;
	for (uint64_t rounds = 0; rounds < 50; rounds++) {
		put(next, next + rounds * 7);
		next += rounds * 7;
		/* the last eight are there in any case */
		while (dure_subscriber_receive(s, &found, sizeof found, &p, 0) == 0) {
			assert_int_equal(found, p.sequence);
			assert_int_equal(p.sequence, last + 1 + p.lost);
			assert_true(p.lost == 0 || p.sequence + 8 <= next);
			last = found;
			lost += p.lost;
		}
		assert_int_equal(last + 1, next);
	}
	assert_true(lost > 0);
	dure_subscriber_close(s);
}

static void the_latest_only(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_LATEST, 0), *late;

	(void)state;
	put(0, 3);
	expect(s, 2, 2);
	expect_nothing(s);
	put(3, 4);
	expect(s, 3, 0);
	put(4, 300);
	expect(s, 299, 295);
	late = subscribe(DURE_TOPIC_LATEST, DURE_TOPIC_ALL);
	assert_int_equal(info().subscribers, 2);
	struct dure_publication p = { .sz = sizeof p };
	T_OK(dure_subscriber_receive(late, (uint64_t[1]){ 0 }, 8, &p, 0));
	assert_int_equal(p.sequence, 299);
	dure_subscriber_close(s);
	dure_subscriber_close(late);
}

static void who_blocks_gets_all(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_BLOCK, 0), *late;

	(void)state;
	put(0, 8);
	T_IS(try_put(8), -EAGAIN);
	T_IS(dure_topic_send(topic, "", 1, 1000000), -EDEADLK);		/* its own subscriber */
	expect(s, 0, 0);
	put(8, 9);
	T_IS(try_put(9), -EAGAIN);
	/* one that joins blocks from where it joins: here, from the ninth back */
	late = subscribe(DURE_TOPIC_BLOCK, DURE_TOPIC_ALL);
	for (uint64_t i = 1; i < 9; i++)
		expect(s, i, 0);
	T_IS(try_put(9), -EAGAIN);
	struct dure_publication p = { .sz = sizeof p };
	T_OK(dure_subscriber_receive(late, (uint64_t[1]){ 0 }, 8, &p, 0));
	assert_true(p.sequence <= 1);
	for (uint64_t i = p.sequence + 1; i < 9; i++)
		expect(late, i, 0);
	for (uint64_t i = 9; i < 500; i++) {
		put(i, i + 1);
		expect(s, i, 0);
		expect(late, i, 0);
	}
	dure_subscriber_close(late);
	put(500, 508);
	T_IS(try_put(508), -EAGAIN);
	dure_subscriber_close(s);
	put(508, 600);
}

static void the_slow_are_evicted(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_EVICT, 0), *again;
	const void *data;

	(void)state;
	put(0, 8);
	T_OK(dure_subscriber_take(s, &data, NULL, 0));
	put(8, 200);
	T_FAILS(dure_subscriber_receive(s, NULL, 0, NULL, 0), -ECONNRESET, "slow");
	T_IS(dure_subscriber_receive(s, NULL, 0, NULL, DURE_FOREVER), -ECONNRESET);
	/* what it has is still its own */
	assert_int_equal(*(const uint64_t *)data, 0);
	assert_int_equal(info().on_loan, 1);
	T_OK(dure_subscriber_give_back(s, data));
	assert_int_equal(info().on_loan, 0);
	again = subscribe(DURE_TOPIC_EVICT, 0);
	put(200, 201);
	expect(again, 200, 0);
	dure_subscriber_close(again);
	dure_subscriber_close(s);
}

static void history_then_live(void **state)
{
	dure_subscriber *s;

	(void)state;
	s = subscribe(DURE_TOPIC_DROP, 5);	/* there is none yet */
	expect_nothing(s);
	dure_subscriber_close(s);
	put(0, 100);
	for (uint64_t history = 0; history <= 8; history++) {
		uint64_t next = 100 + history * 3;
		s = subscribe(DURE_TOPIC_DROP, history);
		put(next, next + 3);
		for (uint64_t i = next - history; i < next + 3; i++)
			if (i + 8 >= next + 3)
				expect(s, i, 0);
			else
				T_OK(dure_subscriber_receive(s, (uint64_t[1]){ 0 }, 8, NULL, 0));
		expect_nothing(s);
		dure_subscriber_close(s);
	}
}

static void loans_outlive_what_is_kept(void **state)
{
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0), *t = subscribe(DURE_TOPIC_DROP, 0);
	const void *loans[DURE_TOPIC_LOANS_MAX], *more;
	uint64_t live;

	(void)state;
	put(0, DURE_TOPIC_LOANS_MAX);
	for (uint64_t i = 0; i < DURE_TOPIC_LOANS_MAX; i++) {
		T_OK(dure_subscriber_take(s, &loans[i], NULL, 0));
		T_OK(dure_subscriber_take(t, &more, NULL, 0));
		assert_ptr_equal(loans[i], more);
		T_OK(i % 2 ? 0 : dure_subscriber_give_back(t, more));
	}
	put(7, 8);
	T_FAILS(dure_subscriber_take(s, &more, NULL, 0), -EBUSY, "7");
	put(8, 1000);
	assert_int_equal(info().on_loan, 7);
	assert_int_equal(info().on_loan_bytes, 56);
	live = t_live_blocks(seg);
	for (uint64_t i = 0; i < DURE_TOPIC_LOANS_MAX; i++) {
		assert_int_equal(*(const uint64_t *)loans[i], i);
		T_OK(dure_subscriber_give_back(s, loans[i]));
		T_IS(dure_subscriber_give_back(s, loans[i]), -EINVAL);
		if (i % 2)
			T_OK(dure_subscriber_give_back(t, loans[i]));
		assert_int_equal(info().on_loan, 6 - i);
		assert_int_equal(t_live_blocks(seg), live - 1 - i);
	}
	dure_subscriber_close(s);
	/* closing gives back what is left */
	T_OK(dure_subscriber_take(t, &more, NULL, 0));
	put(1000, 2000);
	assert_int_equal(info().on_loan, 1);
	dure_subscriber_close(t);
	assert_int_equal(info().on_loan, 0);
	assert_int_equal(info().subscribers, 0);
}

static void limits_by_bytes(void **state)
{
	static char big[6000];
	dure_subscriber *s;
	void *loan;

	(void)state;
	reopen(100, 10000);
	T_FAILS(dure_topic_send(topic, big, 10001, 0), -EMSGSIZE, "10000");
	T_FAILS(dure_topic_loan(topic, 10001, &loan), -EMSGSIZE, "10000");
	T_OK(dure_topic_send(topic, big, 6000, 0));
	T_OK(dure_topic_send(topic, big, 4000, 0));
	assert_int_equal(info().bytes, 10000);
	T_OK(dure_topic_send(topic, big, 1, 0));
	assert_int_equal(info().bytes, 4001);
	assert_int_equal(info().messages, 2);
	T_OK(dure_topic_send(topic, big, 5999, 0));
	assert_int_equal(info().bytes, 10000);
	/* one who blocks */
	s = subscribe(DURE_TOPIC_BLOCK, 1);
	T_OK(dure_topic_send(topic, big, 4000, 0));
	assert_int_equal(info().messages, 3);
	T_IS(dure_topic_send(topic, big, 6000, 0), -EAGAIN);
	assert_int_equal(info().messages, 3);
	T_OK(dure_subscriber_receive(s, big, sizeof big, NULL, 0));
	T_OK(dure_topic_send(topic, big, 6000, 0));
	assert_int_equal(info().bytes, 10000);
	assert_int_equal(info().bytes_high, 10000);
	dure_subscriber_close(s);
}

static void large_ones_are_not_kept_long(void **state)
{
	uint64_t live = t_live_blocks(seg);
	void *loan;

	(void)state;
	for (int i = 0; i < 100; i++) {
		T_OK(dure_topic_loan(topic, 1 << 20, &loan));
		memset(loan, i, 4096);
		T_OK(dure_topic_publish(topic, loan, 1 << 20, 0));
		assert_true(info().messages <= 8 + 8 / 4);
	}
	assert_true(t_live_blocks(seg) <= live + 8 + 8 / 4);
	/* a full segment gives back what is beyond the limit */
	while (dure_topic_loan(topic, 12 << 20, &loan) == 0)
		T_OK(dure_topic_publish(topic, loan, 12 << 20, 0));
	assert_true(info().messages <= 8);
}

/* -- misuse ------------------------------------------------------------------------------ */

static void *of_another_thread(void *subscriber)
{
	const void *data;

	T_FAILS(dure_subscriber_take(subscriber, &data, NULL, 0), -EPERM, "another thread");
	T_IS(dure_subscriber_give_back(subscriber, "x"), -EPERM);
	return NULL;
}

static void misuse(void **state)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 1 << 21 };
	struct dure_subscribe_options so = { .sz = sizeof so, .policy = 4 };
	struct dure_publication p = { .sz = 4 };
	dure_subscriber *s = subscribe(DURE_TOPIC_DROP, 0), *others[8];
	dure_topic *other;
	const void *data = "x";
	pthread_t thread;
	void *loan, *foreign;
	dure_tx *tx;

	(void)state;
	T_IS(dure_topic_open(seg, "new", DURE_CREATE, &o, &other), -EINVAL);
	T_IS(dure_topic_open(seg, "topic", DURE_CREATE, NULL, &other), -EEXIST);
	T_IS(dure_topic_open(seg, "none", DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_topic_open(seg, "topic", 0, NULL, &other), -EINVAL);
	T_FAILS(dure_topic_destroy(seg, "topic"), -EBUSY, "open in 1");
	T_IS(dure_topic_subscribe(topic, &so, &others[0]), -EINVAL);
	/* loans */
	T_OK(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &other));
	dure_topic_close(other);
	T_IS(dure_topic_open(seg, "other", DURE_CREATE, NULL, &other), DURE_CREATED);
	T_OK(dure_topic_loan(other, 10, &foreign));
	T_OK(dure_topic_loan(topic, 10, &loan));
	T_IS(dure_topic_publish(topic, foreign, 10, 0), -EINVAL);
	T_IS(dure_topic_cancel(topic, foreign), -EINVAL);
	T_IS(dure_topic_publish(topic, loan, 11, 0), -EMSGSIZE);
	T_IS(dure_topic_publish(topic, (char *)loan + 16, 10, 0), -EINVAL);
	T_IS(dure_topic_publish(topic, &loan, 10, 0), -EINVAL);
	T_IS(dure_topic_publish(topic, NULL, 10, 0), -EINVAL);
	T_OK(dure_topic_cancel(topic, loan));
	T_IS(dure_topic_cancel(topic, loan), -EINVAL);
	T_IS(dure_topic_publish(topic, loan, 10, 0), -EINVAL);
	T_OK(dure_topic_loan(topic, 10, &loan));
	T_OK(dure_topic_publish(topic, loan, 10, 0));
	T_IS(dure_topic_publish(topic, loan, 10, 0), -EINVAL);
	T_IS(dure_topic_cancel(topic, loan), -EINVAL);
	T_OK(dure_topic_cancel(other, foreign));
	dure_topic_close(other);
	T_OK(dure_topic_destroy(seg, "other"));
	/* receiving */
	T_IS(dure_subscriber_take(s, &data, &p, 0), -EINVAL);
	T_IS(dure_subscriber_give_back(s, data), -EINVAL);
	T_IS(dure_subscriber_give_back(s, NULL), -EINVAL);
	T_FAILS(dure_subscriber_receive(s, &p, 9, NULL, 0), -EMSGSIZE, "10");
	pthread_create(&thread, NULL, of_another_thread, s);
	pthread_join(thread, NULL);
	char ten[10];
	T_OK(dure_subscriber_receive(s, ten, 10, NULL, 0));
	T_IS(dure_subscriber_receive(s, ten, 10, NULL, 1000000), -ETIMEDOUT);
	/* in a transaction */
	T_OK(dure_tx_begin(seg, &tx));
	T_IS(dure_topic_send(topic, "x", 1, 0), -EDEADLK);
	T_IS(dure_topic_subscribe(topic, NULL, &others[0]), -EDEADLK);
	T_IS(dure_topic_shut(topic), -EDEADLK);
	T_IS(dure_subscriber_receive(s, ten, 10, NULL, 0), -EAGAIN);
	T_OK(dure_tx_abort(tx));
	/* too many */
	for (int i = 0; i < 7; i++)
		others[i] = subscribe(DURE_TOPIC_DROP, 0);
	T_FAILS(dure_topic_subscribe(topic, NULL, &others[7]), -EUSERS, "8");
	for (int i = 0; i < 7; i++)
		dure_subscriber_close(others[i]);
	dure_subscriber_close(s);
	dure_subscriber_close(NULL);
	dure_topic_close(NULL);
	/* a process that inherited the handle */
	s = subscribe(DURE_TOPIC_DROP, 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_topic_send(topic, "x", 1, 0) == -ESTALE);
		T_IN_CHILD(dure_subscriber_take(s, &data, NULL, 0) == -ESTALE);
		dure_subscriber_close(s);
		_exit(0);
	}
	t_join(pid);
	put(1, 2);
	uint64_t number;
	T_OK(dure_subscriber_receive(s, &number, sizeof number, NULL, 0));
	dure_subscriber_close(s);
}

/* A buffer that was too small loses nothing, whatever is published meanwhile. */
static void a_small_buffer(void **state)
{
	static const uint32_t policies[] = { DURE_TOPIC_DROP, DURE_TOPIC_BLOCK };
	uint64_t next = 0;

	(void)state;
	for (int i = 0; i < 2; i++) {
		dure_subscriber *s = subscribe(policies[i], 0);
		const void *data;
		put(next, next + 4);
		T_IS(dure_subscriber_receive(s, &data, 1, NULL, 0), -EMSGSIZE);
		T_IS(dure_subscriber_receive(s, &data, 1, NULL, 0), -EMSGSIZE);
		put(next + 4, next + 8);
		while (i == 0 && info().on_loan == 0)
			put(info().published, info().published + 1);
		expect(s, next, 0);
		if (i == 1)
			expect(s, next + 1, 0);
		dure_subscriber_close(s);
		next = info().published;
		assert_int_equal(info().on_loan, 0);
	}
}

static int count_subscriber(const struct dure_subscriber_info *i, void *context)
{
	uint64_t *sums = context;

	sums[0]++;
	sums[1] += i->lag;
	sums[2] += i->loans;
	sums[3] += i->is_alive;
	sums[4] += i->lost;
	return 0;
}

static void figures(void **state)
{
	dure_subscriber *a = subscribe(DURE_TOPIC_DROP, 0), *b = subscribe(DURE_TOPIC_BLOCK, 0);
	uint64_t sums[5] = { 0 };
	struct dure_topic_info i = { .sz = sizeof i };
	dure_segment *reader;
	const void *data;

	(void)state;
	put(0, 3);
	T_OK(dure_subscriber_take(a, &data, NULL, 0));
	T_OK(dure_subscriber_take(b, &data, NULL, 0));
	T_OK(dure_subscriber_give_back(b, data));
	expect(b, 1, 0);
	i = info();
	assert_int_equal(i.published, 3);
	assert_int_equal(i.messages, 3);
	assert_int_equal(i.bytes, 24);
	assert_int_equal(i.subscribers, 2);
	assert_int_equal(i.subscribers_max, 8);
	assert_int_equal(i.messages_max, 8);
	assert_int_equal(i.users, 1);
	assert_int_equal(i.last_publisher, (uint32_t)getpid());
	/* by name, and by one who may only read */
	T_OK(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &reader));
	T_OK(dure_topic_look(reader, "topic", &i, count_subscriber, sums));
	assert_int_equal(i.published, 3);
	assert_int_equal(sums[0], 2);
	assert_int_equal(sums[1], 3);
	assert_int_equal(sums[2], 1);
	assert_int_equal(sums[3], 2);
	T_IS(dure_topic_look(reader, "none", &i, NULL, NULL), -ENOENT);
	T_IS(dure_topic_open(reader, "topic", DURE_OPEN, NULL, &topic), -EROFS);
	T_OK(dure_segment_close(reader));
	dure_subscriber_close(a);
	dure_subscriber_close(b);
}

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

static int poll_for(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms);
}

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(everybody_gets_everything),
		TEST(who_lags_is_told_what_it_lost),
		TEST(the_latest_only),
		TEST(who_blocks_gets_all),
		TEST(the_slow_are_evicted),
		TEST(history_then_live),
		TEST(loans_outlive_what_is_kept),
		TEST(limits_by_bytes),
		TEST(large_ones_are_not_kept_long),
		TEST(misuse),
		TEST(a_small_buffer),
		TEST(figures),
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
