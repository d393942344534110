/* SPDX-License-Identifier: MIT */
/* Description: each message goes to exactly one receiver, in the order that was asked for; what
   the dead have taken comes back; who waits is woken; and a queue agrees with a plain model. */
#include "../t.h"

#include <pthread.h>
#include <sys/epoll.h>

static dure_segment *seg;
static dure_queue *queue;
static uint64_t blocks_without;		/* live blocks when there is no queue */

static void open_queue(const struct dure_queue_options *o)
{
	T_IS(dure_queue_open(seg, "queue", DURE_CREATE | DURE_OPEN, o, &queue), DURE_CREATED);
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	open_queue(NULL);
	dure_queue_close(queue);
	T_OK(dure_queue_destroy(seg, "queue"));
	blocks_without = t_live_blocks(seg);
	open_queue(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	dure_queue_close(queue);
	T_OK(dure_queue_destroy(seg, "queue"));
	assert_true(t_live_blocks(seg) <= blocks_without + 1);	/* a table for "other" */
	t_close(seg);
	return 0;
}

/* with limits of one's own */
static void reopen(const struct dure_queue_options *o)
{
	dure_queue_close(queue);
	T_OK(dure_queue_destroy(seg, "queue"));
	open_queue(o);
}

static void put(const char *text, int64_t type, uint32_t priority)
{
	struct dure_queue_put how = { .sz = sizeof how, .type = type, .priority = priority };

	T_OK(dure_queue_send(queue, text, strlen(text) + 1, &how, 0));
}

static void expect(const struct dure_queue_select *which, const char *text)
{
	char buffer[64] = "";

	T_IS(dure_queue_receive(queue, which, buffer, sizeof buffer, NULL, 0), 0);
	assert_string_equal(buffer, text);
}

static struct dure_queue_select wish(uint32_t select, int64_t type)
{
	return (struct dure_queue_select){ .sz = sizeof(struct dure_queue_select), .select = select,
					   .type = type };
}

static struct dure_queue_info facts(void)
{
	struct dure_queue_info info = { .sz = sizeof info };

	T_OK(dure_queue_info(queue, &info));
	return info;
}

static struct dure_message take(const char *text)
{
	struct dure_message m = { .sz = sizeof m };
	char buffer[64] = "";

	T_IS(dure_queue_take(queue, NULL, buffer, sizeof buffer, &m, 0), 0);
	assert_string_equal(buffer, text);
	return m;
}

static void order_and_types(void **state)
{
	struct dure_queue_select one = wish(DURE_SELECT_TYPE, 2), up_to = wish(DURE_SELECT_UP_TO, 3),
				 except = wish(DURE_SELECT_EXCEPT, 1);
	char buffer[8];

	(void)state;
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 1000000), -ETIMEDOUT);
	put("a", 1, 0);
	put("b", 2, 0);
	put("c", 3, 9);
	put("d", 1, 9);
	put("e", 2, 32767);
	put("f", 5, 0);
	put("g", 3, 0);
	expect(&except, "e");
	expect(&except, "c");
	expect(&one, "b");
	T_IS(dure_queue_receive(queue, &one, buffer, 8, NULL, 0), -EAGAIN);
	expect(&up_to, "d");
	expect(&up_to, "a");
	expect(&up_to, "g");
	T_IS(dure_queue_receive(queue, &up_to, buffer, 8, NULL, 0), -EAGAIN);
	expect(NULL, "f");
	/* many of the excluded type in front */
	for (int i = 0; i < 100; i++)
		put("x", 1, 5);
	put("y", 9, 4);
	put("z", 8, 4);
	expect(&except, "y");
	expect(&except, "z");
	T_IS(dure_queue_receive(queue, &except, buffer, 8, NULL, 0), -EAGAIN);
	assert_int_equal(facts().messages, 100);
}

static void bad_input(void **state)
{
	struct dure_queue_put how = { .sz = sizeof how };
	struct dure_queue_select which = wish(DURE_SELECT_TYPE, 0);
	struct dure_message m = { 0 };
	char buffer[8] = "before";
	dure_queue *other;

	(void)state;
	how.type = -1;
	T_FAILS(dure_queue_send(queue, "a", 1, &how, 0), -EINVAL, "type");
	how.type = 1;
	how.priority = 32768;
	T_FAILS(dure_queue_send(queue, "a", 1, &how, 0), -EINVAL, "priority");
	how.priority = 0;
	how.lives_ns = -1;
	T_IS(dure_queue_send(queue, "a", 1, &how, 0), -EINVAL);
	T_FAILS(dure_queue_send(queue, "a", SIZE_MAX / 2, NULL, 0), -EMSGSIZE, "never fits");
	T_IS(dure_queue_send(queue, buffer, 64 << 20, NULL, 0), -ENOSPC);
	T_IS(dure_queue_receive(queue, &which, buffer, 8, NULL, 0), -EINVAL);
	which = wish(4, 1);
	T_IS(dure_queue_receive(queue, &which, buffer, 8, NULL, 0), -EINVAL);
	which = wish(0, 0);
	which.flags = 64;
	T_IS(dure_queue_receive(queue, &which, buffer, 8, NULL, 0), -EINVAL);
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, &m, 0), -EINVAL);
	m.sz = sizeof m;
	T_IS(dure_queue_take(queue, NULL, buffer, 8, NULL, 0), -EINVAL);
	T_FAILS(dure_queue_acknowledge(queue, &m), -EPERM, "not taken");
	m.ref.offset = 1 << 20;
	T_IS(dure_queue_acknowledge(queue, &m), -EPERM);
	m.ref.offset = UINT64_MAX - 7;
	T_IS(dure_queue_requeue(queue, &m), -EPERM);
	T_IS(dure_queue_acknowledge(queue, NULL), -EINVAL);
	T_IS(dure_queue_open(seg, "none", DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_queue_open(seg, "queue", DURE_CREATE, NULL, &other), -EEXIST);
	T_IS(dure_queue_open(seg, "queue", 0, NULL, &other), -EINVAL);
	T_IS(dure_queue_open(seg, NULL, DURE_CREATE, NULL, &other), -EINVAL);
	T_IS(dure_queue_destroy(seg, "none"), -ENOENT);
	T_FAILS(dure_queue_destroy(seg, "queue"), -EBUSY, "open in 1");
	assert_string_equal(buffer, "before");
}

static void sizes(void **state)
{
	enum { BIG = 9 << 20 };
	char *big = malloc(BIG), *back = malloc(BIG), small[4] = "123";
	struct dure_queue_select cut = wish(0, 0);
	struct dure_message m = { .sz = sizeof m };

	(void)state;
	memset(big, 'x', BIG);
	big[BIG - 1] = 'y';
	T_OK(dure_queue_send(queue, NULL, 0, NULL, 0));
	T_OK(dure_queue_send(queue, big, BIG, NULL, 0));
	T_OK(dure_queue_send(queue, "long", 4, NULL, 0));
	T_IS(dure_queue_receive(queue, NULL, NULL, 0, &m, 0), 0);
	assert_int_equal(m.bytes, 0);
	T_FAILS(dure_queue_receive(queue, NULL, small, 4, &m, 0), -EMSGSIZE, "9437184");
	assert_string_equal(small, "123");
	T_IS(dure_queue_receive(queue, NULL, back, BIG, &m, 0), 0);
	assert_int_equal(m.bytes, BIG);
	assert_memory_equal(big, back, BIG);
	cut.flags = DURE_QUEUE_TRUNCATE;
	T_IS(dure_queue_receive(queue, &cut, small, 3, &m, 0), DURE_TRUNCATED);
	assert_memory_equal(small, "lon", 4);
	assert_int_equal(m.bytes, 4);
	assert_int_equal(facts().messages, 0);
	assert_int_equal(facts().bytes, 0);
	assert_int_equal(facts().received, 3);
	free(big);
	free(back);
}

static void limits(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 3, .bytes_max = 10,
					.message_bytes_max = 8 };
	struct dure_message m;

	(void)state;
	reopen(&o);
	T_IS(dure_queue_send(queue, "123456789", 9, NULL, DURE_FOREVER), -EMSGSIZE);
	T_OK(dure_queue_send(queue, "12345678", 8, NULL, 0));
	T_IS(dure_queue_send(queue, "123", 3, NULL, 0), -EAGAIN);
	T_IS(dure_queue_send(queue, "123", 3, NULL, 1000000), -ETIMEDOUT);
	T_OK(dure_queue_send(queue, "1", 1, NULL, 0));
	T_OK(dure_queue_send(queue, "1", 1, NULL, 0));
	T_IS(dure_queue_send(queue, NULL, 0, NULL, 0), -EAGAIN);
	m = (struct dure_message){ .sz = sizeof m };
	T_OK(dure_queue_take(queue, NULL, NULL, 0, &m, 0));
	T_IS(dure_queue_send(queue, "1", 1, NULL, 0), -EAGAIN);	/* it counts until it is settled */
	T_OK(dure_queue_acknowledge(queue, &m));
	T_OK(dure_queue_send(queue, "1", 1, NULL, 0));
	assert_int_equal(facts().messages_high, 3);
	assert_int_equal(facts().bytes_high, 10);
}

static void acknowledging(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .deliveries_max = 3 };
	struct dure_queue_select dead = wish(0, 0);
	struct dure_message a, b, again;

	(void)state;
	reopen(&o);
	put("a", 1, 0);
	put("b", 1, 0);
	put("c", 1, 0);
	a = take("a");
	b = take("b");
	assert_memory_equal(dure_ref_get(seg, a.ref, 2), "a", 2);
	T_OK(dure_queue_requeue(queue, &b));
	T_OK(dure_queue_requeue(queue, &a));		/* at their places */
	T_IS(dure_queue_acknowledge(queue, &a), -EPERM);
	again = take("a");
	assert_int_equal(again.deliveries, 2);
	T_OK(dure_queue_acknowledge(queue, &again));
	T_IS(dure_queue_acknowledge(queue, &again), -EPERM);
	b = take("b");
	T_OK(dure_queue_reject(queue, &b));
	assert_int_equal(facts().dead_letters, 1);
	dead.flags = DURE_QUEUE_DEAD_LETTERS;
	a = take("c");
	T_OK(dure_queue_requeue(queue, &a));
	a = take("c");
	T_OK(dure_queue_requeue(queue, &a));
	a = take("c");
	assert_int_equal(a.deliveries, 3);
	T_OK(dure_queue_requeue(queue, &a));	/* asked for: no dead letter */
	expect(&dead, "b");
	expect(NULL, "c");
}

static void peeking(void **state)
{
	struct dure_queue_select which = wish(DURE_SELECT_TYPE, 2);
	char buffer[8];

	(void)state;
	put("a", 1, 0);
	put("b", 2, 0);
	put("c", 2, 7);
	T_OK(dure_queue_peek(queue, NULL, buffer, 8, NULL));
	assert_string_equal(buffer, "c");
	which.skip = 1;
	T_OK(dure_queue_peek(queue, &which, buffer, 8, NULL));
	assert_string_equal(buffer, "b");
	which.skip = 2;
	T_IS(dure_queue_peek(queue, &which, buffer, 8, NULL), -EAGAIN);
	which = wish(DURE_SELECT_EXCEPT, 2);
	T_OK(dure_queue_peek(queue, &which, buffer, 8, NULL));
	assert_string_equal(buffer, "a");
	assert_int_equal(facts().messages, 3);
}

static void expiring(void **state)
{
	struct dure_queue_put how = { .sz = sizeof how, .lives_ns = 1 };
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 2,
					.flags = DURE_QUEUE_KEEP_EXPIRED };
	struct dure_queue_select dead = wish(0, 0);
	char buffer[8];

	(void)state;
	reopen(&o);
	T_OK(dure_queue_send(queue, "old", 4, &how, 0));
	put("new", 1, 0);
	t_sleep_ms(20);			/* the clock that is read ticks so slowly */
	put("room", 1, 0);
	expect(NULL, "new");
	expect(NULL, "room");
	dead.flags = DURE_QUEUE_DEAD_LETTERS;
	expect(&dead, "old");
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	assert_int_equal(facts().expired, 1);
}

/* in a child: takes one message, and says so */
static pid_t child_takes(const char *name, int fd)
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

static void what_the_dead_have_taken_comes_back(void **state)
{
	struct dure_message m;
	const char *name = t_name();
	char buffer[8];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	put("a", 1, 0);
	put("b", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	assert_int_equal(facts().taken, 1);
	assert_int_equal(facts().users, 2);
	kill(pid, SIGSTOP);		/* stopped is alive */
	T_OK(dure_queue_peek(queue, NULL, buffer, 8, NULL));
	assert_string_equal(buffer, "b");
	t_kill(pid);
	m = take("a");			/* at its place */
	assert_int_equal(m.deliveries, 2);
	T_OK(dure_queue_acknowledge(queue, &m));
	expect(NULL, "b");
	assert_int_equal(facts().returned, 1);
	close(fds[0]);
	close(fds[1]);
}

/* A sleeping receiver is woken by the death of the one who has the only message. */
static void a_death_wakes_a_receiver(void **state)
{
	const char *name = t_name();
	int fds[2], done[2];
	pid_t killer;
	char buffer[8];
	int64_t start;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(done), 0);
	put("a", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	killer = t_fork();
	if (killer == 0) {
		t_sleep_ms(50);
		kill(pid, SIGKILL);
		_exit(0);
	}
	start = t_now_ns();
	T_OK(dure_queue_receive(queue, NULL, buffer, 8, NULL, 20000000000));
	assert_true(t_now_ns() - start < 10000000000);
	assert_string_equal(buffer, "a");
	t_join(killer);
	waitpid(pid, NULL, 0);
}

static void *send_later(void *context)
{
	(void)context;
	while (facts().waits_to_receive == 0)
		t_sleep_ms(1);
	put("late", 1, 0);
	return NULL;
}

static void *receive_later(void *context)
{
	(void)context;
	while (facts().waits_to_send == 0)
		t_sleep_ms(1);
	expect(NULL, "1");
	return NULL;
}

static void who_waits_is_woken(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 1 };
	char buffer[8];
	pthread_t thread;

	(void)state;
	reopen(&o);
	pthread_create(&thread, NULL, send_later, NULL);
	T_OK(dure_queue_receive(queue, NULL, buffer, 8, NULL, 20000000000));
	assert_string_equal(buffer, "late");
	pthread_join(thread, NULL);
	put("1", 1, 0);
	pthread_create(&thread, NULL, receive_later, NULL);
	T_OK(dure_queue_send(queue, "2", 2, NULL, 20000000000));
	pthread_join(thread, NULL);
	expect(NULL, "2");
}

static void *shut_later(void *context)
{
	(void)context;
	while (facts().waits_to_receive == 0)
		t_sleep_ms(1);
	T_OK(dure_queue_shut(queue));
	return NULL;
}

static void shutting(void **state)
{
	char buffer[8];
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, shut_later, NULL);
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 20000000000), -ESHUTDOWN);
	pthread_join(thread, NULL);
	T_FAILS(dure_queue_send(queue, "a", 1, NULL, 0), -ESHUTDOWN, "shut");
	reopen(NULL);
	put("a", 1, 0);
	T_OK(dure_queue_shut(queue));
	expect(NULL, "a");
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, DURE_FOREVER), -ESHUTDOWN);
	assert_int_equal(facts().is_shut, 1);
}

static void in_transactions(void **state)
{
	struct dure_queue_put how = { .sz = sizeof how, .priority = 3 };
	char buffer[8];
	dure_queue *other;
	dure_tx *tx;

	(void)state;
	T_OK(dure_queue_open(seg, "other", DURE_CREATE, NULL, &other));
	put("a", 1, 0);
	put("b", 2, 0);
	put("c", 3, 0);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0));
	T_OK(dure_queue_send(other, buffer, 2, &how, 0));
	T_OK(dure_queue_send(queue, "d", 2, NULL, 0));
	expect(NULL, "b");
	expect(NULL, "c");
	expect(NULL, "d");
	T_FAILS(dure_queue_receive(queue, NULL, buffer, 8, NULL, DURE_FOREVER), -EDEADLK, "holds");
	T_IS(dure_queue_open(seg, "third", DURE_CREATE, NULL, &other), -EDEADLK);
	T_OK(dure_tx_abort(tx));
	assert_int_equal(facts().messages, 3);
	T_OK(dure_tx_begin(seg, &tx));
	expect(NULL, "a");
	T_OK(dure_queue_send(other, "moved", 6, &how, 0));
	T_OK(dure_tx_commit(tx));
	T_OK(dure_queue_receive(other, NULL, buffer, 8, NULL, 0));
	assert_string_equal(buffer, "moved");
	expect(NULL, "b");
	expect(NULL, "c");
	dure_queue_close(other);
	T_OK(dure_queue_destroy(seg, "other"));
}

static int poll_for(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms);
}

static void a_descriptor_to_poll(void **state)
{
	const char *name = t_name();
	char buffer[8];
	int fd = dure_queue_fd(queue), fds[2];

	(void)state;
	T_OK(fd);
	assert_int_equal(dure_queue_fd(queue), fd);
	assert_int_equal(poll_for(fd, 20000), 1);	/* at first */
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	/* the creation's closes may be reported a moment later */
	while (poll_for(fd, 20) == 1)
		T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	put("a", 1, 0);
	assert_int_equal(poll_for(fd, 20000), 1);
	expect(NULL, "a");
	T_IS(dure_queue_receive(queue, NULL, buffer, 8, NULL, 0), -EAGAIN);
	assert_int_equal(poll_for(fd, 20), 0);
	/* a death gives a message back */
	assert_int_equal(pipe(fds), 0);
	put("b", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	while (dure_queue_receive(queue, NULL, buffer, 8, NULL, 0) == -EAGAIN &&
	       poll_for(fd, 50) == 1)
		;
	t_kill(pid);
	while (dure_queue_receive(queue, NULL, buffer, 8, NULL, 0) == -EAGAIN)
		assert_int_equal(poll_for(fd, 20000), 1);
	assert_string_equal(buffer, "b");
}

/* -- against a plain model --------------------------------------------------------------- */

enum { MODEL_MAX = 300, STEPS = 60000 };

struct entry {
	uint64_t id;
	int64_t type;
	uint32_t priority;
	bool is_taken;
	struct dure_message taken;
};

static struct entry model[MODEL_MAX];
static unsigned model_count;
static uint64_t dice_state = 88172645463325252u;

static unsigned dice(unsigned sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return (unsigned)(dice_state % sides);
}

static bool comes_before(const struct entry *a, const struct entry *b, uint32_t select)
{
	if (select == DURE_SELECT_UP_TO && a->type != b->type)
		return a->type < b->type;
	return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

static int model_select(const struct dure_queue_select *w)
{
	int best = -1;

	for (unsigned i = 0; i < model_count; i++) {
		const struct entry *e = &model[i];
		if (e->is_taken || (w->select == DURE_SELECT_TYPE && e->type != w->type) ||
		    (w->select == DURE_SELECT_UP_TO && e->type > w->type) ||
		    (w->select == DURE_SELECT_EXCEPT && e->type == w->type))
			continue;
		if (best < 0 || comes_before(e, &model[best], w->select))
			best = (int)i;
	}
	return best;
}

static void model_send(void)
{
	struct entry *e = &model[model_count];
	struct dure_queue_put how = { .sz = sizeof how, .type = 1 + dice(8),
				      .priority = dice(3) ? dice(3) : dice(32768) };

	if (model_count == MODEL_MAX)
		return;
	if (dice(10) == 0)
		how.type = 1 + (int64_t)dice(1000000) * 1000000007;
	*e = (struct entry){ .type = how.type, .priority = how.priority,
			     .id = facts().sent + 1 };
	T_OK(dure_queue_send(queue, &e->id, 8, &how, 0));
	model_count++;
}

static void model_receive(bool takes)
{
	struct dure_queue_select w = wish(dice(4), 1 + dice(9));
	struct dure_message m = { .sz = sizeof m };
	int expected = model_select(&w);
	uint64_t id = 0;
	int r = takes ? dure_queue_take(queue, &w, &id, 8, &m, 0)
		      : dure_queue_receive(queue, &w, &id, 8, &m, 0);

	T_IS(r, expected < 0 ? -EAGAIN : 0);
	if (r < 0)
		return;
	assert_int_equal(id, model[expected].id);
	assert_int_equal(m.id, id);
	assert_int_equal(m.type, model[expected].type);
	model[expected].is_taken = takes;
	model[expected].taken = m;
	if (!takes)
		model[expected] = model[--model_count];
}

static void model_settle(void)
{
	unsigned i = model_count ? dice(model_count) : 0;

	if (!model_count || !model[i].is_taken)
		return;
	model[i].is_taken = false;
	if (dice(2)) {
		T_OK(dure_queue_requeue(queue, &model[i].taken));
		return;
	}
	T_OK(dure_queue_acknowledge(queue, &model[i].taken));
	model[i] = model[--model_count];
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	model_count = 0;
	for (int i = 0; i < STEPS; i++) {
		switch (dice(5)) {
		case 0:
		case 1:
			model_send();
			break;
		case 2:
			model_receive(true);
			break;
		case 3:
			model_receive(false);
			break;
		default:
			model_settle();
			break;
		}
		if (i % 1000 == 0)
			t_clean(seg);
	}
	assert_int_equal(facts().messages, model_count);
}

/* -- many ------------------------------------------------------------------------------- */

enum { WORKERS = 4, EACH = 20000 };

static uint64_t received_sum, received_count;

static void *send_many(void *context)
{
	for (uint64_t i = 1; i <= EACH; i++)
		T_OK(dure_queue_send(queue, &i, 8, NULL, DURE_FOREVER));
	return context;
}

static void *receive_many(void *context)
{
	uint64_t value;
	int r;

	while ((r = dure_queue_receive(queue, NULL, &value, 8, NULL, DURE_FOREVER)) == 0) {
		__atomic_add_fetch(&received_sum, value, __ATOMIC_RELAXED);
		__atomic_add_fetch(&received_count, 1, __ATOMIC_RELAXED);
	}
	assert_int_equal(r, -ESHUTDOWN);
	return context;
}

static void several_at_once(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 5 };
	struct dure_message m[8] = { { .sz = sizeof *m } };
	char bytes[8][8] = { 0 };
	struct dure_queue_piece out[8], in[8];
	struct dure_queue_put expiring = { .sz = sizeof expiring, .lives_ns = 3600000000000 };
	struct dure_queue_select which = { .sz = sizeof which, .select = DURE_SELECT_TYPE, .type = 2 };
	dure_tx *tx;

	(void)state;
	char letters[] = "abcdefgh";
	for (int i = 0; i < 8; i++) {
		out[i] = (struct dure_queue_piece){ &letters[i], 1 };
		in[i] = (struct dure_queue_piece){ bytes[i], sizeof bytes[i] };
	}
	reopen(&o);
	T_IS(dure_queue_receive_many(queue, NULL, in, NULL, 8, 0), -EAGAIN);
	T_IS(dure_queue_send_many(queue, out, 0, NULL, 0), -EINVAL);
	T_IS(dure_queue_receive_many(queue, NULL, in, NULL, 0, 0), -EINVAL);
	T_IS(dure_queue_send_many(queue, out, 8, NULL, 0), 5);
	T_IS(dure_queue_send_many(queue, out, 8, NULL, 0), -EAGAIN);
	T_IS(dure_queue_send_many(queue, out, 8, NULL, 1000000), -ETIMEDOUT);
	in[2].bytes = 0;		/* the third does not fit: it ends before it */
	T_IS(dure_queue_receive_many(queue, NULL, in, m, 8, 0), 2);
	assert_int_equal(bytes[0][0], 'a');
	assert_int_equal(bytes[1][0], 'b');
	assert_int_equal(m[1].bytes, 1);
	assert_int_equal(m[1].id, m[0].id + 1);
	assert_int_equal(m[1].deliveries, 1);
	in[0].bytes = 0;
	T_IS(dure_queue_receive_many(queue, NULL, in, NULL, 8, 0), -EMSGSIZE);
	in[0].data = NULL;
	in[0].bytes = 1;
	T_FAILS(dure_queue_receive_many(queue, NULL, in, NULL, 8, 0), -EINVAL, "pieces[0]");
	in[0] = (struct dure_queue_piece){ bytes[0], 8 };
	in[2].bytes = 8;
	T_IS(dure_queue_receive_many(queue, NULL, in, m, 2, 0), 2);
	assert_int_equal(bytes[1][0], 'd');
	T_IS(dure_queue_receive_many(queue, NULL, in, m, 8, 0), 1);
	assert_int_equal(bytes[0][0], 'e');

	/* by type; one that expires comes alone */
	put("x", 2, 0);
	put("y", 1, 9);
	put("z", 2, 5);
	T_OK(dure_queue_send(queue, "t", 1, &expiring, 0));
	T_IS(dure_queue_receive_many(queue, &which, in, m, 8, 0), 2);
	assert_int_equal(bytes[0][0], 'z');
	assert_int_equal(bytes[1][0], 'x');
	assert_int_equal(m[1].type, 2);
	T_IS(dure_queue_receive_many(queue, NULL, in, m, 8, 0), 1);
	assert_int_equal(bytes[0][0], 'y');
	T_IS(dure_queue_receive_many(queue, NULL, in, m, 8, 0), 1);
	assert_int_equal(bytes[0][0], 't');

	/* in a transaction: all or nothing */
	T_OK(dure_tx_begin(seg, &tx));
	T_IS(dure_queue_send_many(queue, out, 3, NULL, 0), 3);
	T_OK(dure_tx_abort(tx));
	T_IS(dure_queue_receive_many(queue, NULL, in, NULL, 8, 0), -EAGAIN);
	T_IS(dure_queue_send_many(queue, out, 3, NULL, 0), 3);
	T_OK(dure_tx_begin(seg, &tx));
	T_IS(dure_queue_receive_many(queue, NULL, in, NULL, 8, 0), 3);
	T_OK(dure_tx_abort(tx));
	T_IS(dure_queue_receive_many(queue, NULL, in, NULL, 8, 0), 3);
	assert_int_equal(bytes[2][0], 'c');
}

/* More than fits the log of a lane, and more than one call takes. */
static void a_whole_batch(void **state)
{
	enum { COUNT = DURE_QUEUE_BATCH_MAX + 10 };
	struct dure_queue_piece pieces[COUNT];
	static char bytes[COUNT][100];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		memset(bytes[i], i, sizeof bytes[i]);
		pieces[i] = (struct dure_queue_piece){ bytes[i], sizeof bytes[i] };
	}
	T_IS(dure_queue_send_many(queue, pieces, COUNT, NULL, 0), DURE_QUEUE_BATCH_MAX);
	T_IS(dure_queue_send_many(queue, pieces + DURE_QUEUE_BATCH_MAX, 10, NULL, 0), 10);
	memset(bytes, 0, sizeof bytes);
	T_IS(dure_queue_receive_many(queue, NULL, pieces, NULL, COUNT, 0), DURE_QUEUE_BATCH_MAX);
	T_IS(dure_queue_receive_many(queue, NULL, pieces + DURE_QUEUE_BATCH_MAX, NULL, 10, 0), 10);
	for (int i = 0; i < COUNT; i++)
		assert_true(bytes[i][0] == i && bytes[i][99] == i);
}

static void many_to_many(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 10 };
	pthread_t senders[WORKERS], receivers[WORKERS];

	(void)state;
	reopen(&o);
	received_sum = received_count = 0;
	for (int i = 0; i < WORKERS; i++) {
		pthread_create(&senders[i], NULL, send_many, NULL);
		pthread_create(&receivers[i], NULL, receive_many, NULL);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(senders[i], NULL);
	T_OK(dure_queue_shut(queue));
	for (int i = 0; i < WORKERS; i++)
		pthread_join(receivers[i], NULL);
	assert_int_equal(received_count, WORKERS * EACH);
	assert_int_equal(received_sum, (uint64_t)WORKERS * EACH * (EACH + 1) / 2);
}

/* -- any bytes --------------------------------------------------------------------------- */

enum { IMAGE_BYTES = 256 << 10, DAMAGES = 4000 };

static dure_segment *open_image(void *bytes, uint32_t flags)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .buffer = bytes, .size_bytes = IMAGE_BYTES };
	dure_segment *image = NULL;

	return dure_segment_open(NULL, flags, &o, &image) < 0 ? NULL : image;
}

/* waiting, taken and dead ones, in several lines */
static void make_image(void *bytes)
{
	struct dure_message m = { .sz = sizeof m };
	dure_segment *image = open_image(bytes, DURE_CREATE);
	dure_queue *q;

	assert_non_null(image);
	T_OK(dure_queue_open(image, "queue", DURE_CREATE, NULL, &q));
	for (unsigned i = 0; i < 40; i++) {
		struct dure_queue_put how = { .sz = sizeof how, .type = 1 + i % 5,
					      .priority = i % 3 };
		T_OK(dure_queue_send(q, bytes, 10 + i * 7, &how, 0));
		if (i % 4 == 3) {
			T_OK(dure_queue_take(q, NULL, NULL, 0, &m, 0));
			T_OK(i % 8 == 3 ? dure_queue_reject(q, &m) : 0);
		}
	}
	dure_queue_close(q);
	T_OK(dure_segment_close(image));
}

static void do_all(dure_segment *image)
{
	struct dure_message m = { .sz = sizeof m };
	struct dure_queue_info info = { .sz = sizeof info };
	struct dure_queue_select which;
	char bytes[600];
	dure_queue *q;

	(void)dure_segment_check(image, NULL, NULL, NULL);
	if (dure_queue_open(image, "queue", DURE_OPEN, NULL, &q) < 0)
		return;
	(void)dure_queue_info(q, &info);
	for (unsigned i = 0; i < 12; i++) {
		which = wish(i % 4, 1 + i % 6);
		which.flags = i % 3 ? DURE_QUEUE_TRUNCATE
				    : DURE_QUEUE_TRUNCATE | DURE_QUEUE_DEAD_LETTERS;
		which.skip = i;
		(void)dure_queue_peek(q, &which, bytes, sizeof bytes, &m);
		which.skip = 0;
		(void)dure_queue_receive(q, &which, bytes, sizeof bytes, &m, 0);
		(void)dure_queue_send(q, bytes, i * 20, NULL, 0);
		if (dure_queue_take(q, &which, NULL, 0, &m, 0) == 0)
			(void)(i % 3 == 0   ? dure_queue_acknowledge(q, &m)
			       : i % 3 == 1 ? dure_queue_requeue(q, &m)
					    : dure_queue_reject(q, &m));
	}
	dure_queue_close(q);
	(void)dure_queue_destroy(image, "queue");
}

/* Words of messages, queues and their surroundings become others, or each other: no crash, and
   no end that does not come (the test has a time limit). */
static void any_bytes_are_an_error_at_worst(void **state)
{
	uint64_t *bytes = aligned_alloc(4096, IMAGE_BYTES), *copy = malloc(IMAGE_BYTES);
	size_t words = IMAGE_BYTES / 8, first = words / 8;

	(void)state;
	memset(bytes, 0, IMAGE_BYTES);
	make_image(bytes);
	memcpy(copy, bytes, IMAGE_BYTES);
	for (unsigned i = 0; i < DAMAGES; i++) {
		memcpy(bytes, copy, IMAGE_BYTES);
		for (unsigned damage = dice(4) + 1; damage; ) {
			size_t at = first + dice((unsigned)(words - first));
			if (!bytes[at])
				continue;
			bytes[at] = dice(3) == 0   ? bytes[first + dice((unsigned)(words - first))]
				    : dice(2) == 0 ? bytes[at] ^ UINT64_C(1) << dice(64)
						   : dice(3) - 1ull;
			damage--;
		}
		dure_segment *image = open_image(bytes, DURE_OPEN);
		if (!image)
			continue;
		do_all(image);
		(void)dure_segment_close(image);
	}
	free(bytes);
	free(copy);
}

/* Whoever died in the middle of destroying: it cannot be opened, but destroyed. */
static void users_that_died_do_not_count(void **state)
{
	const char *name = t_name();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	put("a", 1, 0);
	pid_t pid = child_takes(name, fds[1]);
	t_await(fds[0]);
	dure_queue_close(queue);
	T_FAILS(dure_queue_destroy(seg, "queue"), -EBUSY, "open in 1");
	t_kill(pid);
	T_OK(dure_queue_destroy(seg, "queue"));
	open_queue(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(order_and_types),
		TEST(bad_input),
		TEST(sizes),
		TEST(limits),
		TEST(acknowledging),
		TEST(peeking),
		TEST(expiring),
		TEST(what_the_dead_have_taken_comes_back),
		TEST(a_death_wakes_a_receiver),
		TEST(who_waits_is_woken),
		TEST(shutting),
		TEST(in_transactions),
		TEST(a_descriptor_to_poll),
		TEST(agrees_with_a_model),
		TEST(several_at_once),
		TEST(a_whole_batch),
		TEST(many_to_many),
		TEST(users_that_died_do_not_count),
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
