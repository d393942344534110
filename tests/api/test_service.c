/* SPDX-License-Identifier: MIT */
/* Description: each request goes to one server and its reply to its asker, within the limits and
   as part of transactions; what is wrong is said, and any bytes are an error at worst. */
#include "any_bytes.h"
#include "service.h"

enum { BIG = 300000 };

/* -- one process ------------------------------------------------------------------------- */

static void replies_find_their_askers(void **state)
{
	struct dure_call a = ask("a", 0), b = ask("b", 0), c = ask("c", 0);
	struct dure_request first = take("a"), second = take("b");
	char byte;

	(void)state;
	T_IS(dure_service_await(service, &a, &byte, 1, 0), -EAGAIN);
	T_IS(dure_service_await(service, &a, &byte, 1, 1000000), -ETIMEDOUT);
	reply(&second, "B");
	T_IS(dure_service_await(service, &a, &byte, 1, 0), -EAGAIN);
	expect(&b, "B");
	reply(&first, "A");
	assert_int_equal(info().answered, 1);
	expect(&a, "A");
	T_FAILS(dure_service_await(service, &a, &byte, 1, 0), -EPERM, "call");
	T_OK(dure_service_forget(service, &c));
	T_IS(dure_service_forget(service, &c), -EPERM);
	T_IS(dure_service_take(service, NULL, NULL, 0, &first, 0), -EAGAIN);
	assert_int_equal(info().asked, 3);
	assert_int_equal(info().replied, 2);
	assert_int_equal(info().requests, 0);
	assert_int_equal(info().answered, 0);
}

static void what_waits_has_types_and_priorities(void **state)
{
	struct dure_ask how = { .sz = sizeof how, .type = 7, .priority = 3 };
	struct dure_queue_select which = { .sz = sizeof which, .select = DURE_SELECT_EXCEPT,
					   .type = 7 };
	struct dure_call plain = ask("plain", 0), urgent = { .sz = sizeof urgent };
	struct dure_request request = { .sz = sizeof request };
	char two[2];

	(void)state;
	T_OK(dure_service_ask(service, "urgent", 7, &how, 0, &urgent));
	T_IS(dure_service_take(service, &which, two, 2, &request, 0), -EMSGSIZE);
	which.flags = DURE_QUEUE_TRUNCATE;
	T_IS(dure_service_take(service, &which, two, 2, &request, 0), DURE_TRUNCATED);
	assert_memory_equal(two, "pl", 2);
	assert_int_equal(request.bytes, 6);
	assert_int_equal(request.attempts, 1);
	T_OK(dure_service_requeue(service, &request));
	request = take("urgent");
	assert_int_equal(request.type, 7);
	assert_int_equal(request.priority, 3);
	T_OK(dure_service_refuse(service, &request));
	T_FAILS(dure_service_await(service, &urgent, two, 2, 0), -ECONNREFUSED, "refused");
	T_IS(dure_service_await(service, &urgent, two, 2, 0), -EPERM);
	request = take("plain");
	assert_int_equal(request.attempts, 2);
	T_OK(dure_service_reply(service, &request, NULL, 0, 0));
	T_OK(dure_service_await(service, &plain, NULL, 0, 0));
	assert_int_equal(plain.bytes, 0);
}

/* Blocks are handed over both ways; large bytes are copied both ways. */
static void large_ones_are_lent(void **state)
{
	struct dure_ask how = { .sz = sizeof how, .flags = DURE_CALL_BLOCK };
	struct dure_call call = { .sz = sizeof call };
	struct dure_request request = { .sz = sizeof request };
	unsigned char *block, *seen;
	unsigned char *data = malloc(BIG);

	(void)state;
	T_OK(dure_block_reserve(seg, BIG, 0, (void **)&block));
	memset(block, 3, BIG);
	T_OK(dure_service_ask(service, block, BIG, &how, 0, &call));
	T_FAILS(dure_service_ask(service, block, BIG, &how, 0, &call), -EINVAL, "reserved");
	T_OK(dure_service_take(service, NULL, NULL, 0, &request, 0));
	assert_int_equal(request.bytes, BIG);
	seen = dure_ref_get(seg, request.ref, BIG);
	assert_ptr_equal(seen, block);
	T_OK(dure_block_reserve(seg, BIG, 0, (void **)&block));
	memset(block, 4, BIG);
	T_IS(dure_service_reply(service, &request, block, BIG * 2, DURE_CALL_BLOCK), -EINVAL);
	T_IS(dure_service_reply(service, &request, data, 4, DURE_CALL_BLOCK), -EINVAL);
	T_IS(dure_service_reply(service, &request, block, BIG, 2), -EINVAL);
	T_OK(dure_service_reply(service, &request, block, BIG, DURE_CALL_BLOCK));
	T_OK(dure_service_look(service, &call, 0));
	assert_int_equal(call.bytes, BIG);
	assert_ptr_equal(dure_ref_get(seg, call.ref, BIG), block);
	T_OK(dure_service_forget(service, &call));

	memset(data, 5, BIG);
	T_OK(dure_service_ask(service, data, BIG, NULL, 0, &call));
	T_OK(dure_service_take(service, NULL, data, BIG, &request, 0));
	data[0] = 6;
	T_OK(dure_service_reply(service, &request, data, BIG, 0));
	memset(data, 0, BIG);
	T_FAILS(dure_service_await(service, &call, data, BIG - 1, 0), -EMSGSIZE, "300000");
	assert_int_equal(data[0], 0);
	T_OK(dure_service_await(service, &call, data, BIG, 0));
	assert_int_equal(data[0], 6);
	assert_int_equal(data[BIG - 1], 5);

	/* nobody waits for a block: it stays its server's */
	call = ask("x", 0);
	request = take("x");
	T_OK(dure_service_forget(service, &call));
	T_OK(dure_block_reserve(seg, 64, 0, (void **)&block));
	T_IS(dure_service_reply(service, &request, block, 64, DURE_CALL_BLOCK), DURE_UNWANTED);
	T_OK(dure_block_cancel(seg, block));
	free(data);
}

static void limits_hold(void **state)
{
	struct dure_service_options o = { .sz = sizeof o, .requests_max = 2,
					  .request_bytes_max = 100 };
	struct dure_call call = { .sz = sizeof call }, first;
	struct dure_request request;
	char data[101] = "";

	(void)state;
	reopen(&o);
	T_IS(dure_service_ask(service, data, 101, NULL, 0, &call), -EMSGSIZE);
	T_OK(dure_service_ask(service, data, 100, NULL, 0, &call));
	T_OK(dure_service_forget(service, &call));
	first = ask("1", 0);
	(void)ask("2", 0);
	T_IS(dure_service_ask(service, data, 1, NULL, 0, &call), -EAGAIN);
	T_IS(dure_service_call(service, data, 1, NULL, data, 1, 1000000, NULL), -ETIMEDOUT);
	request = take("1");
	T_IS(dure_service_ask(service, data, 1, NULL, 0, &call), -EAGAIN);
	reply(&request, "");
	T_OK(dure_service_ask(service, data, 1, NULL, 0, &call));
	assert_int_equal(info().requests_max, 2);
	assert_int_equal(info().request_bytes_max, 100);
	assert_int_equal(info().requests_high, 2);
	expect(&first, "");
}

static void misuse(void **state)
{
	struct dure_ask how = { .sz = sizeof how, .type = -1 };
	struct dure_call call = { .sz = sizeof call };
	struct dure_request request = { .sz = sizeof request };
	struct dure_queue_select which = { .sz = sizeof which, .flags = DURE_QUEUE_DEAD_LETTERS };
	dure_service *other;
	dure_queue *queue;
	char byte;

	(void)state;
	T_IS(dure_service_open(seg, "none", DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_service_open(seg, "service", DURE_CREATE, NULL, &other), -EEXIST);
	T_IS(dure_service_open(seg, NULL, DURE_CREATE, NULL, &other), -EINVAL);
	T_IS(dure_queue_open(seg, "service", DURE_OPEN, NULL, &queue), -EINVAL);
	T_FAILS(dure_service_destroy(seg, "service"), -EBUSY, "dure_service_shut");
	T_IS(dure_service_ask(service, "x", 1, &how, 0, &call), -EINVAL);
	how.type = 0;
	how.priority = 32768;
	T_IS(dure_service_ask(service, "x", 1, &how, 0, &call), -EINVAL);
	how.priority = 0;
	how.flags = 2;
	T_IS(dure_service_ask(service, "x", 1, &how, 0, &call), -EINVAL);
	how.flags = DURE_CALL_BLOCK;
	T_IS(dure_service_ask(service, &byte, 1, &how, 0, &call), -EINVAL);
	T_IS(dure_service_ask(service, "x", 1, NULL, 0, NULL), -EINVAL);
	call.sz = 8;
	T_IS(dure_service_ask(service, "x", 1, NULL, 0, &call), -EINVAL);
	T_IS(dure_service_await(service, &call, &byte, 1, 0), -EINVAL);
	call = (struct dure_call){ .sz = sizeof call, .id = 1, .place = { 12345 } };
	T_IS(dure_service_await(service, &call, &byte, 1, 0), -EPERM);
	call.place.offset = UINT64_MAX - 100;
	T_IS(dure_service_forget(service, &call), -EPERM);
	T_IS(dure_service_take(service, &which, NULL, 0, &request, 0), -EINVAL);
	T_IS(dure_service_take(service, NULL, NULL, 0, NULL, 0), -EINVAL);
	T_IS(dure_service_reply(service, NULL, NULL, 0, 0), -EINVAL);
	T_IS(dure_service_reply(service, &request, NULL, 0, 0), -EPERM);
	call = ask("x", 0);
	T_IS(dure_service_reply(service, &(struct dure_request){ .sz = sizeof request, .id = call.id,
								  .place = call.place }, "", 1, 0), -EPERM);
	request = take("x");
	reply(&request, "y");
	T_IS(dure_service_reply(service, &request, "y", 2, 0), -EPERM);
	T_IS(dure_service_refuse(service, &request), -EPERM);
	T_IS(dure_service_requeue(service, &request), -EPERM);
	expect(&call, "y");
	dure_service_close(NULL);
}

static void what_nobody_takes_in_time_fails(void **state)
{
	struct dure_ask how = { .sz = sizeof how, .lives_ns = 2000000 };
	struct dure_call call = { .sz = sizeof call };
	struct dure_request request = { .sz = sizeof request };
	char byte;

	(void)state;
	T_OK(dure_service_ask(service, "x", 1, &how, 0, &call));
	T_FAILS(dure_service_await(service, &call, &byte, 1, 20000000000), -ENOTCONN, "no server");
	T_OK(dure_service_ask(service, "x", 1, &how, 0, &call));
	t_sleep_ms(40);
	T_IS(dure_service_take(service, NULL, NULL, 0, &request, 0), -EAGAIN);
	T_IS(dure_service_await(service, &call, &byte, 1, 0), -ENOTCONN);
	assert_int_equal(info().dropped, 2);
}

static void replies_are_part_of_transactions(void **state)
{
	struct dure_call call = ask("x", 0);
	struct dure_request request = take("x");
	char byte;
	dure_tx *tx;

	(void)state;
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_service_reply(service, &request, "no", 3, 0));
	T_OK(dure_tx_abort(tx));
	T_IS(dure_service_await(service, &call, &byte, 1, 0), -EAGAIN);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_service_reply(service, &request, "yes", 4, 0));
	T_OK(dure_tx_commit(tx));
	expect(&call, "yes");
	T_OK(dure_tx_begin(seg, &tx));
	call = ask("z", 0);
	T_FAILS(dure_service_await(service, &call, &byte, 1, 1000000), -EDEADLK, "transaction");
	T_OK(dure_tx_abort(tx));
	T_IS(dure_service_take(service, NULL, NULL, 0, &request, 0), -EAGAIN);
}

/* -- damage ------------------------------------------------------------------------------ */

/* As a dead process leaves it: requests that wait, one that is taken, one that is answered. */
static void fill(dure_segment *image)
{
	struct dure_request request = { .sz = sizeof request };
	struct dure_call call = { .sz = sizeof call };
	dure_service *s;

	T_OK(dure_service_open(image, "service", DURE_CREATE, NULL, &s));
	for (int i = 0; i < 6; i++)
		T_OK(dure_service_ask(s, "request", 8, NULL, 0, &call));
	for (int i = 0; i < 2; i++) {
		T_OK(dure_service_take(s, NULL, NULL, 0, &request, 0));
		if (i == 0)
			T_OK(dure_service_reply(s, &request, "reply", 6, 0));
	}
	dure_service_close(s);
}

/* What is there of any of it: each call ends. */
static void do_all(dure_segment *image)
{
	struct dure_request request = { .sz = sizeof request };
	struct dure_call call = { .sz = sizeof call };
	dure_service *s;
	char bytes[16];

	if (dure_service_open(image, "service", DURE_OPEN, NULL, &s) < 0)
		return;
	(void)dure_service_ask(s, "again", 6, NULL, 0, &call);
	for (int i = 0; i < 4; i++) {
		int r = dure_service_take(s, NULL, bytes, sizeof bytes, &request, 0);
		if (r < 0)
			continue;
		(void)(i % 2 ? dure_service_requeue(s, &request)
			     : dure_service_reply(s, &request, bytes, 4, 0));
	}
	(void)dure_service_await(s, &call, bytes, sizeof bytes, 0);
	(void)dure_service_forget(s, &call);
	dure_service_close(s);
	(void)dure_service_destroy(image, "service");
}

static void any_bytes_are_an_error_at_worst(void **state)
{
	(void)state;
	any_bytes(fill, NULL, do_all, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replies_find_their_askers),
		TEST(what_waits_has_types_and_priorities),
		TEST(large_ones_are_lent),
		TEST(limits_hold),
		TEST(misuse),
		TEST(what_nobody_takes_in_time_fails),
		TEST(replies_are_part_of_transactions),
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, t_signals_by_default, NULL);
}
