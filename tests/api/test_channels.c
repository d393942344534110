/* SPDX-License-Identifier: MIT */
/* Description: an observer of a segment that it may only read sees how full queues, services,
   topics, rings and boards are, and who has what of them; also while others change them, beside
   the dead and the stopped, and in damaged bytes. */
#include "../t.h"

#include <pthread.h>

static dure_segment *seg;
static dure_queue *queue;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_IS(dure_queue_open(seg, "queue", DURE_CREATE, NULL, &queue), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_queue_close(queue);
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	t_close(seg);
	return 0;
}

/* -- looking ----------------------------------------------------------------------------- */

struct search {
	const char *name;
	struct dure_object_info found;
};

static int match(const struct dure_object_info *info, void *context)
{
	struct search *s = context;

	if (strcmp(info->name, s->name) != 0)
		return 0;
	s->found = *info;
	return 1;
}

static struct dure_object_info object(dure_segment *in, const char *name)
{
	struct search s = { .name = name };

	T_IS(dure_object_list(in, match, &s), 1);
	return s.found;
}

/* As another program would: in a mapping that cannot write. */
static dure_segment *look_again(void)
{
	struct dure_segment_info i = { .sz = sizeof i };
	dure_segment *reader;

	T_OK(dure_segment_info(seg, &i));
	T_OK(dure_segment_open(i.name, DURE_OPEN | DURE_READ_ONLY, NULL, &reader));
	return reader;
}

static struct dure_channel_info figures(const char *name)
{
	struct dure_channel_info info = { .sz = sizeof info };
	dure_segment *reader = look_again();
	struct dure_object_info o = object(reader, name);

	T_OK(dure_channel_info(reader, &o, &info));
	T_OK(dure_segment_close(reader));
	return info;
}

struct holders {
	struct dure_holder_info list[16];
	unsigned count;
};

static int note(const struct dure_holder_info *info, void *context)
{
	struct holders *h = context;

	assert_true(h->count < 16);
	h->list[h->count++] = *info;
	return 0;
}

static struct holders holders_of(const char *name)
{
	struct holders h = { .count = 0 };
	dure_segment *reader = look_again();
	struct dure_object_info o = object(reader, name);

	T_OK(dure_holder_list(reader, &o, note, &h));
	T_OK(dure_segment_close(reader));
	return h;
}

static void send(const char *text, int64_t type)
{
	struct dure_queue_put put = { .sz = sizeof put, .type = type };

	T_OK(dure_queue_send(queue, text, strlen(text), &put, 0));
}

/* -- queues ------------------------------------------------------------------------------ */

static void a_queue_and_who_has_its_messages(void **state)
{
	struct dure_message m = { .sz = sizeof m };
	struct dure_channel_info i;
	struct holders h;

	(void)state;
	send("one", 1);
	send("three", 3);
	send("four", 4);
	T_OK(dure_queue_take(queue, &(struct dure_queue_select){ .sz = sizeof(struct dure_queue_select),
								.select = DURE_SELECT_TYPE, .type = 3 },
			     NULL, 0, &m, 0));
	i = figures("queue");
	assert_int_equal(i.kind, DURE_CHANNEL_QUEUE);
	assert_int_equal(i.messages, 3);
	assert_int_equal(i.bytes, 12);
	assert_int_equal(i.taken, 1);
	assert_int_equal(i.in, 3);
	assert_int_equal(i.out, 0);
	assert_int_equal(i.users, 1);
	assert_int_equal(i.is_shut, 0);
	h = holders_of("queue");
	assert_int_equal(h.count, 1);
	assert_int_equal(h.list[0].role, DURE_HOLDER_MESSAGE);
	assert_int_equal(h.list[0].id, m.id);
	assert_int_equal(h.list[0].type, 3);
	assert_int_equal(h.list[0].bytes, 5);
	assert_int_equal(h.list[0].deliveries, 1);
	assert_int_equal(h.list[0].process, getpid());
	assert_int_equal(h.list[0].is_alive, 1);
	T_OK(dure_queue_reject(queue, &m));
	T_OK(dure_queue_shut(queue));
	i = figures("queue");
	assert_int_equal(i.taken, 0);
	assert_int_equal(i.dead_letters, 1);
	assert_int_equal(i.is_shut, 1);
	assert_int_equal(holders_of("queue").count, 0);
}

static void child_takes(int go)
{
	struct dure_message m = { .sz = sizeof m };

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &queue) == 0);
	T_IN_CHILD(dure_queue_take(queue, NULL, NULL, 0, &m, 0) == 0);
	T_IN_CHILD(write(go, "x", 1) == 1);
	pause();
}

static void the_dead_are_listed_until_somebody_takes_it_back(void **state)
{
	struct dure_message m = { .sz = sizeof m };
	struct holders h;
	int go[2];
	pid_t pid;

	(void)state;
	send("mine", 1);
	assert_int_equal(pipe(go), 0);
	pid = t_fork();
	if (pid == 0)
		child_takes(go[1]);
	t_await(go[0]);
	h = holders_of("queue");
	assert_int_equal(h.count, 1);
	assert_int_equal(h.list[0].process, pid);
	assert_int_equal(h.list[0].is_alive, 1);
	assert_int_equal(figures("queue").users, 2);
	t_kill(pid);
	h = holders_of("queue");
	assert_int_equal(h.count, 1);
	assert_int_equal(h.list[0].process, pid);
	assert_int_equal(h.list[0].is_alive, 0);
	assert_int_equal(figures("queue").users, 1);
	T_OK(dure_queue_take(queue, NULL, NULL, 0, &m, 0));
	h = holders_of("queue");
	assert_int_equal(h.list[0].process, getpid());
	assert_int_equal(h.list[0].deliveries, 2);
	T_OK(dure_queue_acknowledge(queue, &m));
	close(go[0]);
	close(go[1]);
}

/* The handle of before the fork is stale. */
static void open_take_acknowledge(void)
{
	struct dure_message m = { .sz = sizeof m };

	if (dure_queue_open(seg, "queue", DURE_OPEN, NULL, &queue) < 0)
		return;
	(void)dure_queue_take(queue, NULL, NULL, 0, &m, 0);
	(void)dure_queue_acknowledge(queue, &m);
}

static void nobody_stopped_holds_up_who_looks(void **state)
{
	int stride;
	pid_t pid;

	(void)state;
	send("text", 1);
	stride = t_stride(t_traced(seg, open_take_acknowledge), 60);
	pid = t_traced(seg, open_take_acknowledge);
	do {
		struct dure_channel_info i = figures("queue");
		struct holders h = holders_of("queue");
		assert_in_range(i.messages, 0, 1);
		assert_in_range(h.count, 0, 1);
	} while (t_step(pid, stride));
	t_kill(pid);
}

static void *change(void *context)
{
	dure_queue *own;

	T_OK(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &own));
	for (int i = 0; i < 4000; i++) {
		struct dure_message m = { .sz = sizeof m };
		T_OK(dure_queue_send(own, &i, sizeof i, NULL, DURE_FOREVER));
		T_OK(dure_queue_take(own, NULL, NULL, 0, &m, DURE_FOREVER));
		if (i % 3 == 0) {
			T_OK(dure_queue_requeue(own, &m));
			T_OK(dure_queue_take(own, NULL, NULL, 0, &m, DURE_FOREVER));
		}
		T_OK(dure_queue_acknowledge(own, &m));
	}
	dure_queue_close(own);
	return context;
}

static int count_one(const struct dure_holder_info *info, void *context)
{
	assert_int_equal(info->role, DURE_HOLDER_MESSAGE);
	assert_int_equal(info->bytes, sizeof(int));
	assert_true(info->deliveries >= 1);
	++*(unsigned *)context;
	return 0;
}

static void what_is_seen_while_others_change_it(void **state)
{
	struct dure_object_info o = object(seg, "queue");
	dure_segment *reader = look_again();
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, change, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		unsigned count = 0;
		T_OK(dure_holder_list(reader, &o, count_one, &count));
		assert_in_range(count, 0, 2);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	T_OK(dure_segment_close(reader));
}

/* -- the others -------------------------------------------------------------------------- */

static void a_service_and_its_servers(void **state)
{
	struct dure_request q = { .sz = sizeof q };
	struct dure_call call = { .sz = sizeof call };
	dure_service *service;
	struct dure_channel_info i;
	struct holders h;

	(void)state;
	T_OK(dure_service_open(seg, "service", DURE_CREATE, NULL, &service));
	T_OK(dure_service_ask(service, "tea", 3, NULL, 0, &call));
	T_OK(dure_service_take(service, NULL, NULL, 0, &q, 0));
	i = figures("service");
	assert_int_equal(i.kind, DURE_CHANNEL_SERVICE);
	assert_int_equal(i.messages, 1);
	assert_int_equal(i.bytes, 3);
	assert_int_equal(i.taken, 1);
	h = holders_of("service");
	assert_int_equal(h.count, 1);
	assert_int_equal(h.list[0].bytes, 3);
	assert_int_equal(h.list[0].process, getpid());
	T_OK(dure_service_reply(service, &q, "1", 1, 0));
	T_OK(dure_service_forget(service, &call));
	i = figures("service");
	assert_int_equal(i.in, 1);
	assert_int_equal(i.out, 1);
	dure_service_close(service);
	assert_int_equal(figures("service").users, 0);
}

static void a_topic_a_ring_lanes_a_board(void **state)
{
	struct dure_board_options bo = { .sz = sizeof bo, .bytes = 64 };
	dure_topic *topic;
	dure_ring *ring;
	dure_board *board;
	struct dure_channel_info i;
	struct holders h;

	(void)state;
	T_OK(dure_topic_open(seg, "topic", DURE_CREATE, NULL, &topic));
	T_OK(dure_topic_send(topic, "pose", 4, 0));
	i = figures("topic");
	assert_int_equal(i.kind, DURE_CHANNEL_TOPIC);
	assert_int_equal(i.messages, 1);
	assert_int_equal(i.bytes, 4);
	assert_int_equal(i.in, 1);
	assert_int_equal(i.messages_max, 64);
	assert_int_equal(i.users, 1);
	assert_int_equal(holders_of("topic").count, 0);
	dure_topic_close(topic);

	T_OK(dure_ring_open(seg, "ring", DURE_CREATE, NULL, DURE_RING_SENDER, 0, &ring));
	T_OK(dure_ring_send(ring, "tick", 4, 0));
	i = figures("ring");
	assert_int_equal(i.kind, DURE_CHANNEL_RING);
	assert_int_equal(i.bytes, 16);
	assert_int_equal(i.bytes_max, 65536);
	h = holders_of("ring");
	assert_int_equal(h.count, 1);
	assert_int_equal(h.list[0].role, DURE_HOLDER_SENDER);
	assert_int_equal(h.list[0].process, getpid());
	dure_ring_close(ring);
	assert_int_equal(holders_of("ring").count, 0);

	struct dure_lanes_options lo = { .sz = sizeof lo, .bytes = 1024, .senders_max = 3 };
	dure_lanes *first, *second, *receiver;
	T_OK(dure_lanes_open(seg, "lanes", DURE_CREATE, &lo, DURE_LANES_SENDER, 0, &first));
	T_OK(dure_lanes_open(seg, "lanes", DURE_OPEN, &lo, DURE_LANES_SENDER, 0, &second));
	T_OK(dure_lanes_open(seg, "lanes", DURE_OPEN, &lo, DURE_LANES_RECEIVER, 0, &receiver));
	T_OK(dure_lanes_send(first, "tick", 4, 0));
	T_OK(dure_lanes_send(second, "tock", 4, 0));
	i = figures("lanes");
	assert_int_equal(i.kind, DURE_CHANNEL_LANES);
	assert_int_equal(i.bytes, 32);
	assert_int_equal(i.bytes_max, 3 * 1024);
	h = holders_of("lanes");
	assert_int_equal(h.count, 3);
	assert_int_equal(h.list[0].role, DURE_HOLDER_SENDER);
	assert_int_equal(h.list[1].role, DURE_HOLDER_SENDER);
	assert_int_equal(h.list[2].role, DURE_HOLDER_RECEIVER);
	assert_int_equal(h.list[2].process, getpid());
	dure_lanes_close(first);
	dure_lanes_close(second);
	assert_int_equal(holders_of("lanes").count, 1);
	dure_lanes_close(receiver);

	T_OK(dure_board_open(seg, "board", DURE_CREATE, &bo, &board));
	i = figures("board");
	assert_int_equal(i.kind, DURE_CHANNEL_BOARD);
	assert_int_equal(i.messages, 0);
	T_OK(dure_board_write(board, "now", 3, 0, NULL));
	i = figures("board");
	assert_int_equal(i.messages, 1);
	assert_int_equal(i.in, 1);
	assert_int_equal(i.users, 1);
	dure_board_close(board);
}

/* -- misuse and damage ------------------------------------------------------------------- */

static void what_is_no_channel(void **state)
{
	struct dure_channel_info info = { .sz = sizeof info };
	struct dure_object_info o;
	struct holders h = { .count = 0 };
	uint64_t *number;

	(void)state;
	T_IS(dure_object_construct(seg, "number", DURE_TYPE(uint64_t), 1, NULL, NULL, (void **)&number),
	     DURE_CREATED);
	o = object(seg, "number");
	T_FAILS(dure_channel_info(seg, &o, &info), -EINVAL, "uint64_t");
	T_FAILS(dure_holder_list(seg, &o, note, &h), -EINVAL, "uint64_t");
	T_FAILS(dure_channel_info(seg, NULL, &info), -EINVAL, "object");
	o = object(seg, "queue");
	info.sz = 3;
	T_FAILS(dure_channel_info(seg, &o, &info), -EINVAL, "sz");
	for (uint64_t at = 0; at < 4; at++) {
		static const uint64_t nowhere[] = { 0, 8, UINT64_MAX - 7, 3 };
		info.sz = sizeof info;
		o.ref.offset = nowhere[at];
		T_FAILS(dure_channel_info(seg, &o, &info), -EINVAL, "no object");
	}
	o = object(seg, "number");
	strcpy(o.type_name, "dure_queue");	/* its word leads nowhere */
	T_FAILS(dure_channel_info(seg, &o, &info), -EUCLEAN, "dure check");
	*number = UINT64_MAX - 63;
	T_FAILS(dure_holder_list(seg, &o, note, &h), -EUCLEAN, "dure check");
	assert_int_equal(h.count, 0);
}

enum { BYTES = 1 << 20, ROUNDS = 4000 };

static unsigned char sound[BYTES] __attribute__((aligned(4096)));
static unsigned char damaged[BYTES] __attribute__((aligned(4096)));

static dure_segment *open_buffer(void *buffer, uint32_t flags)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .buffer = buffer, .size_bytes = BYTES };
	dure_segment *in = NULL;

	return dure_segment_open(NULL, flags, &o, &in) < 0 ? NULL : in;
}

static int pass_over(const struct dure_holder_info *info, void *context)
{
	*(uint64_t *)context += info->id;
	return 0;
}

static int look_at_all(const struct dure_object_info *info, void *context)
{
	struct dure_channel_info figures_seen = { .sz = sizeof figures_seen };
	uint64_t sum = 0;

	(void)dure_channel_info(context, info, &figures_seen);
	(void)dure_holder_list(context, info, pass_over, &sum);
	return 0;
}

static void any_bytes_are_looked_at(void **state)
{
	struct dure_message m = { .sz = sizeof m };
	dure_segment *in = open_buffer(sound, DURE_CREATE);
	dure_queue *q;
	dure_ring *ring;
	dure_lanes *lanes;
	dure_topic *topic;

	(void)state;
	srand(5);
	assert_non_null(in);
	T_OK(dure_queue_open(in, "q", DURE_CREATE, NULL, &q));
	T_OK(dure_topic_open(in, "t", DURE_CREATE, NULL, &topic));
	T_OK(dure_ring_open(in, "r", DURE_CREATE, NULL, DURE_RING_SENDER, 0, &ring));
	T_OK(dure_lanes_open(in, "l", DURE_CREATE, &(struct dure_lanes_options){
			.sz = sizeof(struct dure_lanes_options), .bytes = 1024, .senders_max = 4 },
		DURE_LANES_SENDER, 0, &lanes));
	for (int i = 0; i < 20; i++) {
		T_OK(dure_queue_send(q, "text", 4, NULL, 0));
		T_OK(dure_topic_send(topic, "text", 4, 0));
	}
	for (int i = 0; i < 10; i++)
		T_OK(dure_queue_take(q, NULL, NULL, 0, &m, 0));
	memcpy(damaged, sound, BYTES);
	dure_queue_close(q);
	dure_topic_close(topic);
	dure_ring_close(ring);
	dure_lanes_close(lanes);
	T_OK(dure_segment_close(in));
	memcpy(sound, damaged, BYTES);
	for (int round = 0; round < ROUNDS; round++) {
		memcpy(damaged, sound, BYTES);
		for (int n = 1 + rand() % 8; n-- > 0;) {
			uint64_t *word = (void *)(damaged + 4096 + (uint64_t)rand() % ((BYTES - 4096) / 8) * 8);
			for (int tries = 0; *word == 0 && tries < 1000; tries++)
				word = (void *)(damaged + 4096 +
						(uint64_t)rand() % ((BYTES - 4096) / 8) * 8);
			*word = rand() % 2 ? (uint64_t)rand() % (BYTES / 64) * 64
					   : *word ^ UINT64_C(1) << rand() % 64;
		}
		in = open_buffer(damaged, DURE_OPEN | DURE_READ_ONLY);
		if (!in)
			continue;
		(void)dure_object_list(in, look_at_all, in);
		(void)dure_segment_close(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_queue_and_who_has_its_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(the_dead_are_listed_until_somebody_takes_it_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nobody_stopped_holds_up_who_looks, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_seen_while_others_change_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_service_and_its_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(a_topic_a_ring_lanes_a_board, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_channel, setup, teardown),
		cmocka_unit_test(any_bytes_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
