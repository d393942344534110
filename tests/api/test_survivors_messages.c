/* SPDX-License-Identifier: MIT */
/*
 * Description: who waits for a message, a reply, room, or an end of a ring goes on at once when
 * the one it waits for is killed.
 *
 * What     A case is one who holds something up, and one who waits for it. Who holds it up is
 *          killed while the other sleeps. test_survivors.c does the same with locks.
 * Method   As there: processes; who waits does so when the kernel says that it sleeps, and writes
 *          down by itself when it has gone on. A median of more than 1 ms, or a wait of more
 *          than 50 ms, is tried again, three times: others use the machine, too.
 */
#include "../t.h"

enum { ROUNDS = 15 };

static const int64_t MEDIAN_NS = 1000000, WORST_NS = 50000000;

static dure_segment *seg;
static dure_queue *queue;
static dure_service *service;
static dure_topic *topic;
static dure_board *board;
static dure_ring *ring;

/* -- who holds up, and who waits --------------------------------------------------------- */

static int take_message(int64_t timeout_ns)
{
	struct dure_message m = { .sz = sizeof m };

	return dure_queue_take(queue, NULL, NULL, 0, &m, timeout_ns);
}

static int receive_message(int64_t timeout_ns)
{
	return dure_queue_receive(queue, NULL, NULL, 0, NULL, timeout_ns);
}

static int take_request(int64_t timeout_ns)
{
	struct dure_request request = { .sz = sizeof request };

	return dure_service_take(service, NULL, NULL, 0, &request, timeout_ns);
}

static int call_once(int64_t timeout_ns)
{
	struct dure_ask once = { .sz = sizeof once, .attempts_max = 1 };

	return dure_service_call(service, NULL, 0, &once, NULL, 0, timeout_ns, NULL);
}

static int subscribe_and_block(int64_t timeout_ns)
{
	struct dure_subscribe_options o = { .sz = sizeof o, .policy = DURE_TOPIC_BLOCK };
	dure_subscriber *s;
	int r = dure_topic_subscribe(topic, &o, &s);

	while (r == 0)
		r = dure_topic_send(topic, "x", 1, 0);
	(void)timeout_ns;
	return r == -EAGAIN ? 0 : r;
}

static int publish(int64_t timeout_ns)
{
	return dure_topic_send(topic, "y", 1, timeout_ns);
}

static int reserve_value(int64_t timeout_ns)
{
	void *place;

	return dure_board_reserve(board, timeout_ns, &place);
}

static int write_value(int64_t timeout_ns)
{
	return dure_board_write(board, "z", 1, timeout_ns, NULL);
}

static int open_end(uint32_t end, int64_t timeout_ns)
{
	return dure_ring_open(seg, "ring", DURE_OPEN, NULL, end, timeout_ns, &ring);
}

static int be_receiver(int64_t timeout_ns)
{
	return open_end(DURE_RING_RECEIVER, timeout_ns);
}

static int be_sender(int64_t timeout_ns)
{
	return open_end(DURE_RING_SENDER, timeout_ns);
}

static int receive_record(int64_t timeout_ns)
{
	int r = be_receiver(0);

	return r < 0 ? r : dure_ring_receive(ring, NULL, 0, NULL, timeout_ns);
}

static int send_records(int64_t timeout_ns)
{
	int r = be_sender(0);

	while (r == 0)
		r = dure_ring_send(ring, "x", 1, timeout_ns);
	return r;
}

static const struct row {
	const char *title;
	int (*hold_up)(int64_t timeout_ns);
	int (*wait)(int64_t timeout_ns);
	int told;
	bool waits_first;		/* what is held up comes from the one who waits */
} rows[] = {
	{ "who has taken a message, a receiver", take_message, receive_message, 0, false },
	{ "who has taken a request, a server", take_request, take_request, 0, false },
	{ "who takes a request, its client", take_request, call_once, -EOWNERDEAD, true },
	{ "a subscriber that blocks, a publisher", subscribe_and_block, publish, 0, false },
	{ "who has reserved a value, a writer", reserve_value, write_value, 0, false },
	{ "a ring's receiver, who wants its end", be_receiver, be_receiver, 0, false },
	{ "a ring's sender, who wants its end", be_sender, be_sender, 0, false },
	{ "a ring's sender, its receiver", be_sender, receive_record, -ENOTCONN, false },
	{ "a ring's receiver, its sender", be_receiver, send_records, -ENOTCONN, false },
};

/* Each round has new ones, with what is to be held up. */
static void make_all(const struct row *row)
{
	struct dure_topic_options two = { .sz = sizeof two, .messages_max = 2 };
	struct dure_board_options small = { .sz = sizeof small, .bytes = 8 };
	struct dure_ring_options few = { .sz = sizeof few, .bytes = 1024 };
	struct dure_call call = { .sz = sizeof call };

	T_OK(dure_queue_open(seg, "queue", DURE_CREATE, NULL, &queue));
	T_OK(dure_service_open(seg, "service", DURE_CREATE, NULL, &service));
	T_OK(dure_topic_open(seg, "topic", DURE_CREATE, &two, &topic));
	T_OK(dure_board_open(seg, "board", DURE_CREATE, &small, &board));
	T_OK(dure_ring_open(seg, "ring", DURE_CREATE, &few, DURE_RING_SENDER, 0, &ring));
	dure_ring_close(ring);
	T_OK(dure_queue_send(queue, NULL, 0, NULL, 0));
	if (!row->waits_first)
		T_OK(dure_service_ask(service, NULL, 0, NULL, 0, &call));
}

static void unmake_all(void)
{
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	dure_queue_close(queue);
	dure_service_close(service);
	dure_topic_close(topic);
	dure_board_close(board);
	T_OK(dure_queue_destroy(seg, "queue"));
	T_OK(dure_service_destroy(seg, "service"));
	T_OK(dure_topic_destroy(seg, "topic"));
	T_OK(dure_board_destroy(seg, "board"));
	T_OK(dure_ring_destroy(seg, "ring"));
}

/* -- processes --------------------------------------------------------------------------- */

/* in memory that all share */
static struct {
	int64_t at_ns;
	int result;
} *note;

static pid_t start(void)
{
	pid_t pid = t_fork();

	if (pid)
		return pid;
	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &queue) == 0);
	T_IN_CHILD(dure_service_open(seg, "service", DURE_OPEN, NULL, &service) == 0);
	T_IN_CHILD(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &topic) == 0);
	T_IN_CHILD(dure_board_open(seg, "board", DURE_OPEN, NULL, &board) == 0);
	return 0;
}

static pid_t start_holder(const struct row *row)
{
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = start();
	if (pid == 0) {
		int r = row->hold_up(DURE_S(20));
		T_IN_CHILD(r == 0);
		t_signal(ready[1]);
		for (;;)
			pause();
	}
	t_await(ready[0]);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static pid_t start_waiter(const struct row *row)
{
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = start();
	if (pid == 0) {
		t_signal(ready[1]);
		note->result = row->wait(DURE_FOREVER);
		note->at_ns = t_now_ns();
		_exit(0);
	}
	t_await(ready[0]);
	t_await_sleep(pid);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* How long it waited after the death. */
static int64_t kill_under(const struct row *row)
{
	pid_t holder = 0, waiter;
	int64_t since;

	make_all(row);
	if (!row->waits_first)
		holder = start_holder(row);
	waiter = start_waiter(row);
	if (row->waits_first) {
		holder = start_holder(row);
		t_await_sleep(waiter);	/* again, if it was told of it */
	}
	since = t_now_ns();
	t_kill(holder);
	t_join(waiter);
	if (note->result != row->told)
		fail_msg("%s: result %d, not %d", row->title, note->result, row->told);
	unmake_all();
	return note->at_ns - since;
}

/* -- the table --------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool is_late(const int64_t *waited)
{
	return waited[ROUNDS / 2] > MEDIAN_NS || waited[ROUNDS - 1] > WORST_NS;
}

static void who_waits_goes_on_at_once(void **state)
{
	int64_t waited[ROUNDS];

	(void)state;
	print_message("    killed, and who goes on                   median    worst, ms\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int tries = 0; tries < 4; tries++) {
			for (int k = 0; k < ROUNDS; k++)
				waited[k] = kill_under(&rows[i]);
			qsort(waited, ROUNDS, sizeof *waited, compare);
			print_message("    %-40s %8.3f %8.3f\n", rows[i].title,
				      (double)waited[ROUNDS / 2] / 1e6,
				      (double)waited[ROUNDS - 1] / 1e6);
			if (!is_late(waited))
				break;
		}
		assert_false(is_late(waited));
	}
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(8 << 20);
	note = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(note != MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(note, 4096);
	t_clean(seg);
	t_close(seg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_goes_on_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
