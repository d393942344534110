/* SPDX-License-Identifier: MIT */
/*
 * test_queues.c - races between threads that use one queue
 *
 * Why      see test_threads.c. Here: a message that two receivers get, one that nobody gets, a
 *          sleeper that is not woken, and what the thread sanitizer finds.
 * How      Senders send each number once, to a queue that is nearly always full or empty.
 *          Receivers take it in all the ways there are, give it back, refuse it, end and begin
 *          anew while they have one; one polls. In the end each number was consumed once.
 * Rules    as there
 */
#include <poll.h>

#include "race.h"

enum {
#if defined(IS_SLOW)
	EACH = 500,
#else
	EACH = 20000,
#endif
	SENDERS = 3,
	RECEIVERS = 4,
	NUMBERS = SENDERS * EACH,
};

static dure_segment *seg;
static dure_queue *queue;
static unsigned consumed[NUMBERS];	/* atomic */

static void consume(uint64_t number)
{
	EXPECT(number < NUMBERS);
	EXPECT(__atomic_fetch_add(&consumed[number], 1, __ATOMIC_RELAXED) == 0);
}

static void *send_numbers(void *context)
{
	uint64_t first = (uint64_t)(uintptr_t)context * EACH, state = first + 1;

	for (uint64_t number = first; number < first + EACH; number++) {
		struct dure_queue_put put = { .sz = sizeof put, .type = 1 + dice(&state, 3),
					      .priority = dice(&state, 3) };
		EXPECT(dure_queue_send(queue, &number, sizeof number, &put, DURE_FOREVER) == 0);
	}
	return NULL;
}

/* One way or another; what is left undone comes back with the thread's end. */
static int handle_one(uint64_t *state, bool *ret_ends)
{
	struct dure_queue_select which = { .sz = sizeof which, .select = dice(state, 4),
					   .type = 1 + dice(state, 3) };
	struct dure_message m = { .sz = sizeof m };
	uint64_t number;
	int r;

	if (dice(state, 2)) {
		r = dure_queue_receive(queue, NULL, &number, sizeof number, &m, DURE_FOREVER);
		if (r == 0)
			consume(number);
		return r;
	}
	r = dure_queue_take(queue, &which, &number, sizeof number, &m, dice(state, 2) * 1000000);
	if (r < 0)
		return r == -EAGAIN || r == -ETIMEDOUT ? 0 : r;
	*ret_ends = dice(state, 50) == 0;
	if (*ret_ends)
		return 0;
	if (dice(state, 4) == 0)
		return dure_queue_requeue(queue, &m);
	consume(number);
	return dure_queue_acknowledge(queue, &m);
}

static void *receive_some(void *context)
{
	uint64_t *state = context;
	bool ends = false;
	int r = 0;

	while (r == 0 && !ends)
		r = handle_one(state, &ends);
	EXPECT(r == 0 || r == -ESHUTDOWN);
	return r == 0 ? context : NULL;
}

/* A thread after the other, until the queue is shut and empty. */
static void *receive_numbers(void *context)
{
	uint64_t state = (uint64_t)(uintptr_t)context * 2654435761u + 7;
	void *goes_on = &state;
	pthread_t thread;

	while (goes_on) {
		EXPECT(pthread_create(&thread, NULL, receive_some, &state) == 0);
		EXPECT(pthread_join(thread, &goes_on) == 0);
	}
	return NULL;
}

/* Never sleeps in the queue, only in poll. */
static void *poll_numbers(void *context)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t number;
	dure_queue *own;
	int r = 0;

	EXPECT(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &own) == 0);
	p.fd = dure_queue_fd(own);
	EXPECT(p.fd >= 0);
	while (r != -ESHUTDOWN) {
		EXPECT(poll(&p, 1, 20000) == 1);
		while ((r = dure_queue_receive(own, NULL, &number, sizeof number, NULL, 0)) == 0)
			consume(number);
		EXPECT(r == -EAGAIN || r == -ESHUTDOWN);
	}
	dure_queue_close(own);
	return context;
}

static void each_number_is_consumed_once(void **unused)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 8 };
	struct dure_queue_info info = { .sz = sizeof info };
	pthread_t senders[SENDERS], receivers[RECEIVERS], poller;

	(void)unused;
	seg = t_segment(16 << 20);
	T_OK(dure_queue_open(seg, "queue", DURE_CREATE, &o, &queue));
	pthread_create(&poller, NULL, poll_numbers, NULL);
	for (uintptr_t i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, send_numbers, (void *)i);
	for (uintptr_t i = 0; i < RECEIVERS; i++)
		pthread_create(&receivers[i], NULL, receive_numbers, (void *)i);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	T_OK(dure_queue_shut(queue));
	for (int i = 0; i < RECEIVERS; i++)
		pthread_join(receivers[i], NULL);
	pthread_join(poller, NULL);
	for (int i = 0; i < NUMBERS; i++)
		assert_int_equal(consumed[i], 1);
	T_OK(dure_queue_info(queue, &info));
	assert_int_equal(info.messages, 0);
	assert_int_equal(info.received, NUMBERS);
	t_clean(seg);
	dure_queue_close(queue);
	T_OK(dure_queue_destroy(seg, "queue"));
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_number_is_consumed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
