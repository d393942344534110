/* SPDX-License-Identifier: MIT */
/*
 * queue.h - what the tests of queues share: a queue, and texts that go through it
 */
#ifndef TESTS_API_QUEUE_H
#define TESTS_API_QUEUE_H

#include "fresh.h"

static dure_queue *queue;

static inline void open_queue(const struct dure_queue_options *o)
{
	T_IS(dure_queue_open(seg, "queue", DURE_CREATE | DURE_OPEN, o, &queue), DURE_CREATED);
}

static inline void make(void)
{
	open_queue(NULL);
}

static inline void unmake(void)
{
	dure_queue_close(queue);
	T_OK(dure_queue_destroy(seg, "queue"));
}

/* with limits of one's own */
static inline void reopen(const struct dure_queue_options *o)
{
	unmake();
	open_queue(o);
}

static inline void put(const char *text, int64_t type, uint32_t priority)
{
	struct dure_queue_put how = { .sz = sizeof how, .type = type, .priority = priority };

	T_OK(dure_queue_send(queue, text, strlen(text) + 1, &how, 0));
}

static inline void expect(const struct dure_queue_select *which, const char *text)
{
	char buffer[64] = "";

	T_IS(dure_queue_receive(queue, which, buffer, sizeof buffer, NULL, 0), 0);
	assert_string_equal(buffer, text);
}

static inline struct dure_queue_select wish(uint32_t select, int64_t type)
{
	return (struct dure_queue_select){ .sz = sizeof(struct dure_queue_select), .select = select,
					   .type = type };
}

static inline struct dure_queue_info facts(void)
{
	struct dure_queue_info info = { .sz = sizeof info };

	T_OK(dure_queue_info(queue, &info));
	return info;
}

static inline struct dure_message take(const char *text)
{
	struct dure_message m = { .sz = sizeof m };
	char buffer[64] = "";

	T_IS(dure_queue_take(queue, NULL, buffer, sizeof buffer, &m, 0), 0);
	assert_string_equal(buffer, text);
	return m;
}

/* in a child: takes one message, and says so */
static inline pid_t child_takes(const char *name, int fd)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		struct dure_message m = { .sz = sizeof m };
		dure_segment *mine;
		dure_queue *q;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(dure_queue_open(mine, "queue", DURE_OPEN, NULL, &q) == 0);
		T_IN_CHILD(dure_queue_take(q, NULL, NULL, 0, &m, DURE_FOREVER) == 0);
		t_signal(fd);
		for (;;)
			pause();
	}
	return pid;
}

#endif
