/* SPDX-License-Identifier: MIT */
/* Description: what is published goes to every subscriber, whole and in its sequence; each lags
   as its policy says, and joins without a hole; a publication's memory goes back when nobody can
   see it any more; what is wrong is said, and any bytes are an error at worst. */
#include "any_bytes.h"
#include "topic.h"

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

/* -- damage ------------------------------------------------------------------------------ */

static dure_subscriber *subscribers[4];

/* Publications that are kept, lost, and on loan; subscribers of all policies. */
static void fill(dure_segment *image)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 8, .subscribers_max = 6 };
	const void *loans[4];
	dure_topic *t;

	T_OK(dure_topic_open(image, "topic", DURE_CREATE, &o, &t));
	for (uint32_t policy = 0; policy < 4; policy++) {
		struct dure_subscribe_options how = { .sz = sizeof how, .policy = policy };
		T_OK(dure_topic_subscribe(t, &how, &subscribers[policy]));
		T_OK(dure_topic_send(t, &how, sizeof how, 0));
		T_OK(dure_subscriber_take(subscribers[policy], &loans[policy], NULL, 0));
	}
	for (uint64_t i = 0; i < 4; i++)
		T_OK(dure_topic_send(t, &i, sizeof i, 0));
	dure_topic_close(t);
}

static void leave(void)
{
	for (int i = 0; i < 4; i++)
		dure_subscriber_close(subscribers[i]);
}

static int heed_nothing(const struct dure_subscriber_info *i, void *context)
{
	(void)i, (void)context;
	return 0;
}

static void receive_some(dure_topic *t, uint32_t policy)
{
	struct dure_subscribe_options how = { .sz = sizeof how, .policy = policy,
					      .history = policy % 2 ? DURE_TOPIC_ALL : 3 };
	struct dure_publication p = { .sz = sizeof p };
	const unsigned char *data;
	unsigned char buffer[64];
	dure_subscriber *s;
	uint64_t sum = 0;

	if (dure_topic_subscribe(t, &how, &s) < 0)
		return;
	for (int i = 0; i < 6; i++) {
		(void)dure_topic_send(t, buffer, sizeof how, 0);
		(void)dure_subscriber_receive(s, buffer, sizeof buffer, &p, 0);
		if (dure_subscriber_take(s, (const void **)&data, &p, 0) < 0)
			continue;
		for (uint64_t k = 0; k < p.bytes; k++)
			sum += data[k];
		if (i % 2)
			(void)dure_subscriber_give_back(s, data);
	}
	assert_true(sum < UINT64_MAX);	/* so each byte is read */
	dure_subscriber_close(s);
}

static void do_all(dure_segment *image)
{
	struct dure_topic_info i = { .sz = sizeof i };
	dure_topic *t;
	void *loan;

	(void)dure_topic_look(image, "topic", &i, heed_nothing, NULL);
	if (dure_topic_open(image, "topic", DURE_OPEN, NULL, &t) < 0)
		return;
	for (uint32_t policy = 0; policy < 4; policy++)
		receive_some(t, policy);
	if (dure_topic_loan(t, 100, &loan) == 0 && dure_topic_publish(t, loan, 100, 0) < 0)
		(void)dure_topic_cancel(t, loan);
	(void)dure_topic_info(t, &i);
	(void)dure_topic_shut(t);
	dure_topic_close(t);
	(void)dure_topic_destroy(image, "topic");
}

static void any_bytes_are_an_error_at_worst(void **state)
{
	(void)state;
	any_bytes(fill, leave, do_all, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
