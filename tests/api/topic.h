/* SPDX-License-Identifier: MIT */
/*
 * topic.h - what the tests of topics share: a topic, and numbers that are published
 */
#ifndef TESTS_API_TOPIC_H
#define TESTS_API_TOPIC_H

#include "fresh.h"

static dure_topic *topic;

static inline void open_topic(uint64_t messages_max, uint64_t bytes_max)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = messages_max,
					.bytes_max = bytes_max, .subscribers_max = 8 };

	T_IS(dure_topic_open(seg, "topic", DURE_CREATE | DURE_OPEN, &o, &topic), DURE_CREATED);
}

static inline void make(void)
{
	open_topic(8, 0);
}

static inline void unmake(void)
{
	dure_topic_close(topic);
	T_OK(dure_topic_destroy(seg, "topic"));
}

static inline void reopen(uint64_t messages_max, uint64_t bytes_max)
{
	unmake();
	assert_int_equal(t_live_blocks(seg), blocks_without);
	open_topic(messages_max, bytes_max);
}

static inline dure_subscriber *subscribe(uint32_t policy, uint64_t history)
{
	struct dure_subscribe_options o = { .sz = sizeof o, .policy = policy, .history = history };
	dure_subscriber *s;

	T_OK(dure_topic_subscribe(topic, &o, &s));
	return s;
}

static inline int try_put(uint64_t number)
{
	return dure_topic_send(topic, &number, sizeof number, 0);
}

/* numbered from..to-1 */
static inline void put(uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		T_OK(try_put(from));
}

/* The next publication is this one, after so many that were lost. */
static inline void expect(dure_subscriber *s, uint64_t number, uint64_t lost)
{
	struct dure_publication p = { .sz = sizeof p };
	uint64_t found = 0;

	T_OK(dure_subscriber_receive(s, &found, sizeof found, &p, 0));
	assert_int_equal(found, number);
	assert_int_equal(p.sequence, number);
	assert_int_equal(p.lost, lost);
	assert_int_equal(p.bytes, sizeof found);
}

static inline void expect_nothing(dure_subscriber *s)
{
	uint64_t found = 77;

	T_IS(dure_subscriber_receive(s, &found, sizeof found, NULL, 0), -EAGAIN);
	assert_int_equal(found, 77);
}

static inline struct dure_topic_info info(void)
{
	struct dure_topic_info i = { .sz = sizeof i };

	T_OK(dure_topic_info(topic, &i));
	return i;
}

#endif
