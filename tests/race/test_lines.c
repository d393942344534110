/* SPDX-License-Identifier: MIT */
/*
 * test_lines.c - races between threads that use a ring, lanes, a board and a service
 *
 * Why      see test_threads.c. Here: the words that two sides change without a lock.
 * How      One thread sends records of its own make, the other checks them; the same with values
 *          of a board, which a reader may find being written over and must not believe; and calls
 *          of several clients to several servers.
 * Rules    as there
 */
#include "race.h"

enum {
#if defined(IS_SLOW)
	RECORDS = 5000,
	CALLS = 200,
#else
	RECORDS = 200000,
	CALLS = 2000,
#endif
	WORDS = 16,
	SENDERS = 3,
};

static dure_segment *seg;

static void fill(uint64_t *words, uint64_t value)
{
	for (int i = 0; i < WORDS; i++)
		words[i] = value + (uint64_t)i;
}

static bool is_whole(const uint64_t *words)
{
	for (int i = 1; i < WORDS; i++)
		if (words[i] != words[0] + (uint64_t)i)
			return false;
	return true;
}

static void run(void *(*one)(void *), void *(*other)(void *))
{
	pthread_t thread;

	EXPECT(pthread_create(&thread, NULL, one, NULL) == 0);
	EXPECT(other(NULL) == NULL);
	pthread_join(thread, NULL);
}

/* -- a ring ------------------------------------------------------------------------------ */

static void *send_records(void *nothing)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = 2048 };
	uint64_t words[WORDS];
	dure_ring *ring;

	EXPECT(dure_ring_open(seg, "ring", DURE_CREATE | DURE_OPEN, &o, DURE_RING_SENDER, 0, &ring) >= 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		fill(words, i);
		EXPECT(dure_ring_send(ring, words, sizeof words, DURE_FOREVER) == 0);
	}
	dure_ring_close(ring);
	return nothing;
}

static void *receive_records(void *nothing)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = 2048 };
	uint64_t words[WORDS];
	dure_ring *ring;
	size_t bytes;

	EXPECT(dure_ring_open(seg, "ring", DURE_CREATE | DURE_OPEN, &o, DURE_RING_RECEIVER, 0,
			      &ring) >= 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		EXPECT(dure_ring_receive(ring, words, sizeof words, &bytes, DURE_FOREVER) == 0);
		EXPECT(bytes == sizeof words && words[0] == i && is_whole(words));
	}
	dure_ring_close(ring);
	return nothing;
}

static void a_ring(void **state)
{
	(void)state;
	run(send_records, receive_records);
	T_OK(dure_ring_destroy(seg, "ring"));
}

/* -- lanes ------------------------------------------------------------------------------- */

/* The sender's number is in the upper half of its words. */
static void *send_by_lane(void *context)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = 2048, .senders_max = SENDERS };
	uint64_t sender = *(const uint64_t *)context, words[WORDS];
	dure_lanes *lanes;

	EXPECT(dure_lanes_open(seg, "lanes", DURE_CREATE | DURE_OPEN, &o, DURE_LANES_SENDER, 0,
			       &lanes) >= 0);
	for (uint64_t i = 0; i < RECORDS; i++) {
		fill(words, sender << 32 | i);
		EXPECT(dure_lanes_send(lanes, words, sizeof words, DURE_FOREVER) == 0);
	}
	dure_lanes_close(lanes);
	return NULL;
}

static void receive_from_lanes(void)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = 2048, .senders_max = SENDERS };
	uint64_t words[WORDS], next[SENDERS] = { 0 };
	dure_lanes *lanes;
	size_t bytes;

	EXPECT(dure_lanes_open(seg, "lanes", DURE_CREATE | DURE_OPEN, &o, DURE_LANES_RECEIVER, 0,
			       &lanes) >= 0);
	for (uint64_t i = 0; i < (uint64_t)SENDERS * RECORDS; i++) {
		EXPECT(dure_lanes_receive(lanes, words, sizeof words, &bytes, NULL, DURE_FOREVER) == 0);
		EXPECT(bytes == sizeof words && is_whole(words) && words[0] >> 32 < SENDERS);
		EXPECT((words[0] & UINT32_MAX) == next[words[0] >> 32]++);
	}
	dure_lanes_close(lanes);
}

static void lanes(void **state)
{
	static const uint64_t numbers[SENDERS] = { 0, 1, 2 };
	pthread_t threads[SENDERS];

	(void)state;
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_by_lane, (void *)(uintptr_t)&numbers[i]);
	receive_from_lanes();
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	EXPECT(dure_lanes_destroy(seg, "lanes") == 0);
}

/* -- a board ----------------------------------------------------------------------------- */

static dure_board *board;

static void *write_values(void *nothing)
{
	uint64_t words[WORDS];

	for (uint64_t i = 1; i <= RECORDS; i++) {
		fill(words, i * WORDS);
		EXPECT(dure_board_write(board, words, sizeof words, DURE_FOREVER, NULL) == 0);
	}
	return nothing;
}

static void *read_values(void *nothing)
{
	uint64_t words[WORDS], version = 0, last = 0;
	size_t bytes;

	while (version < RECORDS) {
		EXPECT(dure_board_wait(board, last, DURE_FOREVER) == 0);
		EXPECT(dure_board_read(board, words, sizeof words, &bytes, &version) == 0);
		EXPECT(version > last && words[0] == version * WORDS && is_whole(words));
		last = version;
	}
	return nothing;
}

static void a_board(void **state)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = sizeof(uint64_t) * WORDS };

	(void)state;
	T_IS(dure_board_open(seg, "board", DURE_CREATE, &o, &board), DURE_CREATED);
	run(write_values, read_values);
	dure_board_close(board);
	T_OK(dure_board_destroy(seg, "board"));
}

/* -- a service --------------------------------------------------------------------------- */

static dure_service *service;

static void *serve(void *nothing)
{
	struct dure_request request = { .sz = sizeof request };
	uint64_t number;
	int r;

	while ((r = dure_service_take(service, NULL, &number, sizeof number, &request,
				      DURE_FOREVER)) == 0) {
		number = ~number;
		EXPECT(dure_service_reply(service, &request, &number, sizeof number, 0) == 0);
	}
	EXPECT(r == -ESHUTDOWN);
	return nothing;
}

static void *call(void *first)
{
	for (uint64_t i = 0; i < CALLS; i++) {
		uint64_t number = (uint64_t)(uintptr_t)first + i, answer = 0;
		EXPECT(dure_service_call(service, &number, sizeof number, NULL, &answer, sizeof answer,
					 DURE_FOREVER, NULL) == 0);
		EXPECT(answer == ~number);
	}
	return NULL;
}

static void a_service(void **state)
{
	pthread_t servers[2], clients[2];

	(void)state;
	T_IS(dure_service_open(seg, "service", DURE_CREATE, NULL, &service), DURE_CREATED);
	for (uintptr_t i = 0; i < 2; i++) {
		EXPECT(pthread_create(&servers[i], NULL, serve, NULL) == 0);
		EXPECT(pthread_create(&clients[i], NULL, call, (void *)(i << 24)) == 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(clients[i], NULL);
	T_OK(dure_service_shut(service));
	for (int i = 0; i < 2; i++)
		pthread_join(servers[i], NULL);
	dure_service_close(service);
	T_OK(dure_service_destroy(seg, "service"));
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	t_close(seg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring),
		cmocka_unit_test(lanes),
		cmocka_unit_test(a_board),
		cmocka_unit_test(a_service),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
