/* SPDX-License-Identifier: MIT */
/*
 * Description: whoever is stopped in the middle of a ring, board, topic, hash map or sequence lock,
 * at any instruction, is in nobody's way: the others go on.
 *
 * What     The crash matrix kills at each instruction; this stops there. A stopped process is alive:
 *          nothing that it has comes back. So it is only promised where nobody needs a lock: not
 *          for two writers of one board or map, or two publishers.
 * Method   A process is stepped through an operation, instruction by instruction. After each, while
 *          it stands there, this process does its own part, which may not wait: what it finds is
 *          whole, and in its order. In the end all has come over.
 */
#include "../t.h"

enum { BYTES = 200, KEY = 7 };

static dure_segment *seg;
static dure_ring *ring;
static dure_board *board;
static dure_topic *topic;
static dure_subscriber *subscriber;
static dure_map *map;
static dure_seqlock *seqlock;
static unsigned char last;		/* this process has found, or sent */
static int goes;			/* steps that brought something */

static const unsigned char *letter(unsigned char number)
{
	static unsigned char bytes[BYTES];

	memset(bytes, number, sizeof bytes);
	return bytes;
}

static void find(const unsigned char *bytes, size_t count)
{
	assert_int_equal(count, BYTES);
	for (size_t i = 1; i < count; i++)
		assert_int_equal(bytes[i], bytes[0]);
	goes++;
}

/* The next one. */
static void find_next(const unsigned char *bytes, size_t count)
{
	find(bytes, count);
	assert_int_equal(bytes[0], last + 1);
	last = bytes[0];
}

/* The one before, or the next one. */
static void find_latest(const unsigned char *bytes, size_t count)
{
	find(bytes, count);
	assert_true(bytes[0] == last || bytes[0] == last + 1);
	last = bytes[0];
}

/* -- rings ------------------------------------------------------------------------------- */

static void open_end(uint32_t end)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = 1024 };

	T_IN_CHILD(dure_ring_open(seg, "ring", DURE_CREATE | DURE_OPEN, &o, end, DURE_S(20), &ring) >= 0);
}

static void be_sender(void)
{
	open_end(DURE_RING_SENDER);
}

static void be_receiver(void)
{
	open_end(DURE_RING_RECEIVER);
}

static void close_end(void)
{
	dure_ring_close(ring);
	T_OK(dure_ring_destroy(seg, "ring"));
}

static void send_three(void)
{
	for (unsigned char i = 1; i <= 3; i++)
		T_IN_CHILD(dure_ring_send(ring, letter(i), BYTES, 0) == 0);
}

static void receive_next(void)
{
	unsigned char bytes[BYTES];
	size_t count;
	int r = dure_ring_receive(ring, bytes, sizeof bytes, &count, 0);

	if (r == 0)
		find_next(bytes, count);
	else
		assert_int_equal(r, -EAGAIN);
}

static void send_next(void)
{
	int r = dure_ring_send(ring, letter((unsigned char)(last + 1)), BYTES, 0);

	if (r == 0)
		last++, goes++;
	else
		assert_int_equal(r, -EAGAIN);
}

static void be_sender_with_something(void)
{
	be_sender();
	send_next();
	send_next();
}

static void receive_three(void)
{
	unsigned char bytes[BYTES];
	size_t count;

	for (unsigned char i = 1; i <= 3; i++)
		T_IN_CHILD(dure_ring_receive(ring, bytes, sizeof bytes, &count, DURE_S(20)) == 0 &&
			   bytes[0] == i && bytes[BYTES - 1] == i);
}

/* -- a board ----------------------------------------------------------------------------- */

static void make_board(void)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = BYTES, .values = 3 };

	T_OK(dure_board_open(seg, "board", DURE_CREATE, &o, &board));
	T_OK(dure_board_write(board, letter(0), BYTES, 0, NULL));
}

static void unmake_board(void)
{
	dure_board_close(board);
	T_OK(dure_board_destroy(seg, "board"));
}

static void open_board(void)
{
	T_IN_CHILD(dure_board_open(seg, "board", DURE_OPEN, NULL, &board) == 0);
}

static void write_three(void)
{
	for (unsigned char i = 1; i <= 3; i++)
		T_IN_CHILD(dure_board_write(board, letter(i), BYTES, 0, NULL) == 0);
}

static void read_latest(void)
{
	unsigned char bytes[BYTES];
	size_t count;

	T_OK(dure_board_read(board, bytes, sizeof bytes, &count, NULL));
	find_latest(bytes, count);
}

/* -- a topic ----------------------------------------------------------------------------- */

static void make_topic(void)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 8 };

	T_OK(dure_topic_open(seg, "topic", DURE_CREATE, &o, &topic));
}

static void subscribe(void)
{
	T_IN_CHILD(dure_topic_subscribe(topic, NULL, &subscriber) == 0);
}

static void make_topic_and_subscribe(void)
{
	make_topic();
	subscribe();
}

static void unmake_topic(void)
{
	dure_subscriber_close(subscriber);
	subscriber = NULL;
	dure_topic_close(topic);
	T_OK(dure_topic_destroy(seg, "topic"));
}

static void open_topic(void)
{
	T_IN_CHILD(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &topic) == 0);
}

static void open_topic_and_subscribe(void)
{
	open_topic();
	subscribe();
}

static void publish_three(void)
{
	for (unsigned char i = 1; i <= 3; i++)
		T_IN_CHILD(dure_topic_send(topic, letter(i), BYTES, 0) == 0);
}

static void receive_published(void)
{
	unsigned char bytes[BYTES];
	struct dure_publication p = { .sz = sizeof p };
	int r = dure_subscriber_receive(subscriber, bytes, sizeof bytes, &p, 0);

	if (r == 0)
		find_next(bytes, p.bytes);
	else
		assert_int_equal(r, -EAGAIN);
}

/* At each instruction; but not for ever, since the subscriber is overtaken by it again and again. */
static void publish_one(void)
{
	enum { AT_EACH = 5000, APART = 1000 };
	static int steps;

	if (goes > AT_EACH && ++steps % APART)
		return;
	T_OK(dure_topic_send(topic, letter(1), BYTES, 0));
	goes++;
}

/* It may be overtaken again and again, but what it gets is whole. */
static void take_three(void)
{
	for (int i = 0; i < 3;) {
		struct dure_publication p = { .sz = sizeof p };
		const unsigned char *bytes;
		int r = dure_subscriber_take(subscriber, (const void **)&bytes, &p, 0);
		if (r == -EAGAIN)
			continue;
		T_IN_CHILD(r == 0 && p.bytes == BYTES && bytes[0] == 1 && bytes[BYTES - 1] == 1);
		T_IN_CHILD(dure_subscriber_give_back(subscriber, bytes) == 0);
		i++;
	}
}

/* -- a hash map -------------------------------------------------------------------------- */

static void make_map(void)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = BYTES };
	int key = KEY;

	T_OK(dure_map_open(seg, "map", DURE_CREATE, &o, &map));
	T_OK(dure_map_put(map, &key, sizeof key, letter(0)));
}

static void unmake_map(void)
{
	dure_map_close(map);
	T_OK(dure_map_destroy(seg, "map"));
}

static void open_map(void)
{
	struct dure_map_options o = { .sz = sizeof o, .value_bytes = BYTES };

	T_IN_CHILD(dure_map_open(seg, "map", DURE_OPEN, &o, &map) == 0);
}

static void put_three(void)
{
	int key = KEY;

	for (unsigned char i = 1; i <= 3; i++)
		T_IN_CHILD(dure_map_put(map, &key, sizeof key, letter(i)) >= 0);
}

static void get_value(void)
{
	unsigned char bytes[BYTES];
	int key = KEY;

	T_OK(dure_map_get(map, &key, sizeof key, bytes));
	find_latest(bytes, sizeof bytes);
}

/* -- a sequence lock --------------------------------------------------------------------- */

static void make_seqlock(void)
{
	T_OK(dure_object_construct(seg, "seqlock", dure_type_make("seqlock", 4 * BYTES, 8), 1, NULL,
				   NULL, (void **)&seqlock));
	T_OK(dure_seqlock_init(seg, seqlock, letter(0), BYTES));
}

static void unmake_seqlock(void)
{
	T_OK(dure_object_destroy(seg, "seqlock", dure_type_make("seqlock", 4 * BYTES, 8), NULL, NULL));
}

static void nothing(void)
{
}

static void store_three(void)
{
	for (unsigned char i = 1; i <= 3; i++)
		T_IN_CHILD(dure_seqlock_write(seg, seqlock, letter(i), BYTES, 0) == 0);
}

static void load_value(void)
{
	unsigned char bytes[BYTES];

	T_OK(dure_seqlock_read(seg, seqlock, bytes, sizeof bytes));
	find_latest(bytes, sizeof bytes);
}

/* -- all of them ------------------------------------------------------------------------- */

static const struct row {
	const char *title;
	void (*make)(void), (*unmake)(void);
	void (*prepare)(void), (*work)(void);	/* of who is stopped */
	void (*go_on)(void);
	unsigned char comes_to;		/* the last one that is found; 0: as many as it likes */
} rows[] = {
	{ "a ring's sender", be_receiver, close_end, be_sender, send_three, receive_next, 3 },
	{ "a ring's receiver", be_sender_with_something, close_end, be_receiver, receive_three,
	  send_next, 0 },
	{ "a board's writer", make_board, unmake_board, open_board, write_three, read_latest, 3 },
	{ "a publisher", make_topic_and_subscribe, unmake_topic, open_topic, publish_three,
	  receive_published, 3 },
	{ "a subscriber", make_topic, unmake_topic, open_topic_and_subscribe, take_three, publish_one,
	  0 },
	{ "a hash map's writer", make_map, unmake_map, open_map, put_three, get_value, 3 },
	{ "a sequence lock's writer", make_seqlock, unmake_seqlock, nothing, store_three, load_value,
	  3 },
};

/* Who will be stopped stands before its work. */
static pid_t start(const struct row *row)
{
	int status;
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		row->prepare();
		T_IN_CHILD(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		raise(SIGSTOP);
		row->work();
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static void stop_everywhere(const struct row *row)
{
	int steps = 0;
	pid_t pid;

	last = 0;
	goes = 0;
	row->make();
	pid = start(row);
	while (t_step(pid, 1)) {
		row->go_on();
		steps++;
	}
	for (int i = 0; i < 3; i++)
		row->go_on();
	print_message("    %-26s stopped at %6d instructions, others went on %6d times\n", row->title,
		      steps, goes);
	assert_true(steps > 100 && goes >= 3);
	assert_true(!row->comes_to || last == row->comes_to);
	t_kill(pid);
	T_OK(dure_segment_recover(seg));
	row->unmake();
	t_clean(seg);
}

static void who_is_stopped_is_in_nobodys_way(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		stop_everywhere(&rows[i]);
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_stopped_is_in_nobodys_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
