/* SPDX-License-Identifier: MIT */
/* Description: what is shut under a waiter tells it so; a full segment is an error, and all goes on
   when there is room again; who closes a descriptor that is not its own does no harm but to itself. */
#include "../t.h"

static dure_segment *seg;
static dure_queue *queue;
static dure_service *service;
static dure_topic *topic;
static dure_subscriber *subscriber;
static dure_board *board;

/* Full, but for the board, which nobody has written to. */
static int setup(void **state)
{
	struct dure_queue_options one = { .sz = sizeof one, .messages_max = 1 };
	struct dure_service_options one_request = { .sz = sizeof one_request, .requests_max = 1 };
	struct dure_topic_options two = { .sz = sizeof two, .messages_max = 2 };
	struct dure_subscribe_options blocks = { .sz = sizeof blocks, .policy = DURE_TOPIC_BLOCK };
	struct dure_board_options bytes = { .sz = sizeof bytes, .bytes = 8 };

	(void)state;
	seg = t_segment(4 << 20);
	T_OK(dure_queue_open(seg, "queue", DURE_CREATE, &one, &queue));
	T_OK(dure_service_open(seg, "service", DURE_CREATE, &one_request, &service));
	T_OK(dure_topic_open(seg, "topic", DURE_CREATE, &two, &topic));
	T_OK(dure_topic_subscribe(topic, &blocks, &subscriber));
	T_OK(dure_board_open(seg, "board", DURE_CREATE, &bytes, &board));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	dure_queue_close(queue);
	dure_service_close(service);
	dure_subscriber_close(subscriber);
	dure_topic_close(topic);
	dure_board_close(board);
	T_OK(dure_queue_destroy(seg, "queue"));
	T_OK(dure_service_destroy(seg, "service"));
	T_OK(dure_topic_destroy(seg, "topic"));
	T_OK(dure_board_destroy(seg, "board"));
	t_clean(seg);
	t_close(seg);
	return 0;
}

static int send_one(int64_t timeout_ns)
{
	return dure_queue_send(queue, "x", 1, NULL, timeout_ns);
}

static int receive_one(int64_t timeout_ns)
{
	char byte;

	return dure_queue_receive(queue, NULL, &byte, 1, NULL, timeout_ns);
}

static int ask_one(int64_t timeout_ns)
{
	struct dure_call call = { .sz = sizeof call };

	return dure_service_ask(service, "x", 1, NULL, timeout_ns, &call);
}

static int take_one(int64_t timeout_ns)
{
	struct dure_request request = { .sz = sizeof request };

	return dure_service_take(service, NULL, NULL, 0, &request, timeout_ns);
}

static int publish_one(int64_t timeout_ns)
{
	return dure_topic_send(topic, "x", 1, timeout_ns);
}

static int subscribe_and_receive(int64_t timeout_ns)
{
	dure_subscriber *own;
	char byte;
	int r = dure_topic_subscribe(topic, NULL, &own);

	return r < 0 ? r : dure_subscriber_receive(own, &byte, 1, NULL, timeout_ns);
}

static int wait_for_value(int64_t timeout_ns)
{
	return dure_board_wait(board, 0, timeout_ns);
}

static void shut_all(void)
{
	T_OK(dure_queue_shut(queue));
	T_OK(dure_service_shut(service));
	T_OK(dure_topic_shut(topic));
	T_OK(dure_board_shut(board));
}

static void told_that_it_is_shut(int (*fills)(int64_t timeout_ns), int (*waits)(int64_t timeout_ns))
{
	pid_t pid;

	while (fills && fills(0) == 0)
		;
	pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &queue) == 0);
		T_IN_CHILD(dure_service_open(seg, "service", DURE_OPEN, NULL, &service) == 0);
		T_IN_CHILD(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &topic) == 0);
		T_IN_CHILD(dure_board_open(seg, "board", DURE_OPEN, NULL, &board) == 0);
		T_IN_CHILD(waits(DURE_S(60)) == -ESHUTDOWN);
		_exit(0);
	}
	t_await_sleep(pid);
	T_FAILS(dure_queue_destroy(seg, "queue"), -EBUSY, "open");
	shut_all();
	t_join(pid);
}

static void who_waits_is_told_that_it_is_shut(void **state)
{
	static int (*const rows[][2])(int64_t timeout_ns) = {
		{ send_one, send_one }, { NULL, receive_one }, { ask_one, ask_one },
		{ NULL, take_one }, { publish_one, publish_one }, { NULL, subscribe_and_receive },
		{ NULL, wait_for_value },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (i) {
			teardown(NULL);
			setup(NULL);
		}
		told_that_it_is_shut(rows[i][0], rows[i][1]);
	}
}

/* Nothing is left of 16 bytes and more. */
static void *fill_segment(void)
{
	void *all = NULL, *block;

	for (size_t bytes = 1 << 20; bytes >= 16; bytes /= 2)
		while (dure_block_reserve(seg, bytes, 0, &block) == 0) {
			*(void **)block = all;
			all = block;
		}
	return all;
}

static void a_full_segment_is_an_error(void **state)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = 1024 };
	char byte = 0;
	void *all, *next;
	dure_ring *sender;
	size_t bytes;

	(void)state;
	T_OK(dure_ring_open(seg, "ring", DURE_CREATE, &o, DURE_RING_SENDER, 0, &sender));
	all = fill_segment();
	T_FAILS(send_one(0), -ENOSPC, "segment");
	T_FAILS(ask_one(0), -ENOSPC, "segment");
	T_FAILS(publish_one(0), -ENOSPC, "segment");
	/* these have their memory */
	T_OK(dure_board_write(board, "x", 1, 0, NULL));
	T_OK(dure_board_read(board, &byte, 1, &bytes, NULL));
	assert_int_equal(byte, 'x');
	T_OK(dure_ring_send(sender, "x", 1, 0));
	t_clean(seg);
	for (; all; all = next) {
		next = *(void **)all;
		T_OK(dure_block_cancel(seg, all));
	}
	T_OK(send_one(0));
	T_OK(receive_one(0));
	T_OK(ask_one(0));
	T_OK(take_one(0));
	T_OK(publish_one(0));
	T_OK(dure_subscriber_receive(subscriber, &byte, 1, NULL, 0));
	dure_ring_close(sender);
	T_OK(dure_ring_destroy(seg, "ring"));
}

/* The descriptor is the handle's; all but polling goes on without it. */
static void a_descriptor_closed_early(void **state)
{
	char byte;

	(void)state;
	close(dure_queue_fd(queue));
	close(dure_service_fd(service));
	close(dure_subscriber_fd(subscriber));
	close(dure_board_fd(board));
	for (int i = 0; i < 2; i++) {
		T_IS(receive_one(0), -EAGAIN);
		T_OK(send_one(0));
		T_OK(receive_one(0));
		T_IS(take_one(0), -EAGAIN);
		T_IS(dure_subscriber_receive(subscriber, &byte, 1, NULL, 0), -EAGAIN);
		T_OK(publish_one(0));
		T_OK(dure_subscriber_receive(subscriber, &byte, 1, NULL, 0));
		T_IS(wait_for_value(0), -EAGAIN);
	}
	T_IS(receive_one(2000000), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_waits_is_told_that_it_is_shut, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_segment_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_descriptor_closed_early, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
