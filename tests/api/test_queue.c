/* SPDX-License-Identifier: MIT */
/* Description: messages come in the order that was asked for, within the limits, whole; they are
   acknowledged, given back, refused, and part of transactions; what is wrong is said. */
#include "queue.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order_and_types),
		TEST(bad_input),
		TEST(sizes),
		TEST(limits),
		TEST(acknowledging),
		TEST(peeking),
		TEST(expiring),
		TEST(in_transactions),
		TEST(several_at_once),
		TEST(a_whole_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
