/* SPDX-License-Identifier: MIT */
/*
 * test_topics.c - races between threads that publish and subscribe
 *
 * Why      see test_threads.c. Here: a publication that is freed under a reader, or never; one
 *          that is lost and nobody says so; a sleeper that is not woken, and what the thread
 *          sanitizer finds.
 * How      Publishers fill loans and publish them, to subscribers that come and go, with every
 *          policy, and keep what they get for a while. Each checks the sequence, and the bytes
 *          again when it gives them back. In the end nothing is on loan.
 * Rules    as there
 */
#include <poll.h>

#include "race.h"

enum {
#if defined(IS_SLOW)
	EACH = 2000,
#else
	EACH = 300000,
#endif
	PUBLISHERS = 2,
	SUBSCRIBERS = 5,
	WORDS_MAX = 40,
	LOANS = 4,
};

static dure_segment *seg;
static dure_topic *topic;

static void *publish_all(void *number)
{
	uint64_t state = (uintptr_t)number * 77 + 1;

	for (uint64_t i = 0; i < EACH; i++) {
		size_t words = 1 + dice(&state, WORDS_MAX);
		uint64_t *loan;
		EXPECT(dure_topic_loan(topic, words * 8, (void **)&loan) == 0);
		for (size_t k = 0; k < words; k++)
			loan[k] = i;
		EXPECT(dure_topic_publish(topic, loan, words * 8, DURE_FOREVER) == 0);
	}
	return NULL;
}

struct held {
	const uint64_t *data;
	uint64_t bytes, number;
};

static void check_held(const struct held *held)
{
	for (uint64_t k = 0; k < held->bytes / 8; k++)
		EXPECT(held->data[k] == held->number);
}

static void let_go(dure_subscriber *s, struct held *held)
{
	if (!held->data)
		return;
	check_held(held);
	EXPECT(dure_subscriber_give_back(s, held->data) == 0);
	held->data = NULL;
}

/* One subscription; false: the topic has been shut. */
static bool subscribe_once(uint64_t *state)
{
	struct dure_subscribe_options o = { .sz = sizeof o, .policy = dice(state, 4),
					    .history = dice(state, 30) };
	unsigned times = dice(state, 3000);
	struct held held[LOANS] = { { 0 } };
	uint64_t next = UINT64_MAX;
	dure_subscriber *s;
	int r = dure_topic_subscribe(topic, &o, &s);

	if (r == -ESHUTDOWN)
		return false;
	EXPECT(r == 0);
	for (; times-- && r == 0; ) {
		struct dure_publication p = { .sz = sizeof p };
		struct held *one = &held[dice(state, LOANS)];
		let_go(s, one);
		r = dure_subscriber_take(s, (const void **)&one->data, &p, DURE_FOREVER);
		if (r < 0)
			break;
		EXPECT(next == UINT64_MAX || p.sequence == next + p.lost);
		EXPECT(p.lost == 0 || o.policy != DURE_TOPIC_BLOCK);
		next = p.sequence + 1;
		one->bytes = p.bytes;
		one->number = one->data[0];
		check_held(one);
	}
	EXPECT(r == 0 || r == -ESHUTDOWN || (r == -ECONNRESET && o.policy == DURE_TOPIC_EVICT));
	for (int i = 0; i < LOANS; i++)
		let_go(s, &held[i]);
	dure_subscriber_close(s);
	return r != -ESHUTDOWN;
}

static void *subscribe_all(void *number)
{
	uint64_t state = (uintptr_t)number * 99 + 1;

	while (subscribe_once(&state))
		;
	return NULL;
}

/* One that polls, and looks only when there may be something. */
static void *poll_all(void *context)
{
	uint64_t number, lost = 0, next = UINT64_MAX;
	dure_subscriber *s;
	int r = dure_topic_subscribe(topic, NULL, &s);

	EXPECT(r == 0);
	struct pollfd p = { .fd = dure_subscriber_fd(s), .events = POLLIN };
	EXPECT(p.fd >= 0);
	while (r != -ESHUTDOWN) {
		struct dure_publication got = { .sz = sizeof got };
		char buffer[WORDS_MAX * 8 + 8];
		EXPECT(poll(&p, 1, 20000) == 1);
		while ((r = dure_subscriber_receive(s, buffer, sizeof buffer, &got, 0)) == 0) {
			EXPECT(next == UINT64_MAX || got.sequence == next + got.lost);
			next = got.sequence + 1;
			lost += got.lost;
			memcpy(&number, buffer + got.bytes - 8, 8);
			EXPECT(memcmp(buffer, &number, 8) == 0);
		}
		EXPECT(r == -EAGAIN || r == -ESHUTDOWN);
	}
	EXPECT(next == UINT64_MAX || next == PUBLISHERS * EACH);
	dure_subscriber_close(s);
	return context;
}

static void publishers_and_subscribers(void **state)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 20,
					.subscribers_max = SUBSCRIBERS + 1 };
	pthread_t publishers[PUBLISHERS], subscribers[SUBSCRIBERS + 1];
	struct dure_topic_info info = { .sz = sizeof info };
	uint64_t live;

	(void)state;
	seg = t_segment(16 << 20);
	T_IS(dure_topic_open(seg, "topic", DURE_CREATE, &o, &topic), DURE_CREATED);
	dure_topic_close(topic);
	T_OK(dure_topic_destroy(seg, "topic"));
	live = t_live_blocks(seg);
	T_IS(dure_topic_open(seg, "topic", DURE_CREATE, &o, &topic), DURE_CREATED);
	for (uintptr_t i = 0; i < SUBSCRIBERS; i++)
		pthread_create(&subscribers[i], NULL, subscribe_all, (void *)i);
	pthread_create(&subscribers[SUBSCRIBERS], NULL, poll_all, NULL);
	for (uintptr_t i = 0; i < PUBLISHERS; i++)
		pthread_create(&publishers[i], NULL, publish_all, (void *)i);
	for (int i = 0; i < PUBLISHERS; i++)
		pthread_join(publishers[i], NULL);
	T_OK(dure_topic_shut(topic));
	for (int i = 0; i <= SUBSCRIBERS; i++)
		pthread_join(subscribers[i], NULL);
	T_OK(dure_topic_info(topic, &info));
	assert_int_equal(info.published, PUBLISHERS * EACH);
	assert_int_equal(info.on_loan, 0);
	assert_int_equal(info.subscribers, 0);
	t_clean(seg);
	dure_topic_close(topic);
	T_OK(dure_topic_destroy(seg, "topic"));
	assert_int_equal(t_live_blocks(seg), live);
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(publishers_and_subscribers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
