/* SPDX-License-Identifier: MIT */
/* Description: each request goes to one server and its reply to its asker; what servers and
   clients leave when they die is served by others, or fails with a code of its own, or comes back. */
#include "../t.h"

enum { BIG = 300000 };

static dure_segment *seg;
static dure_service *service;
static uint64_t blocks_without;		/* live blocks when there is no service */

static void open_service(const struct dure_service_options *o)
{
	T_IS(dure_service_open(seg, "service", DURE_CREATE | DURE_OPEN, o, &service), DURE_CREATED);
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	open_service(NULL);
	dure_service_close(service);
	T_OK(dure_service_destroy(seg, "service"));
	blocks_without = t_live_blocks(seg);
	open_service(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	dure_service_close(service);
	T_OK(dure_service_destroy(seg, "service"));
	assert_int_equal(t_live_blocks(seg), blocks_without);
	t_close(seg);
	return 0;
}

static void reopen(const struct dure_service_options *o)
{
	dure_service_close(service);
	T_OK(dure_service_destroy(seg, "service"));
	open_service(o);
}

static dure_service *reopened(void)
{
	dure_service *own;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_service_open(seg, "service", DURE_OPEN, NULL, &own) == 0);
	return own;
}

static struct dure_call ask(const char *text, uint32_t attempts_max)
{
	struct dure_ask how = { .sz = sizeof how, .attempts_max = attempts_max };
	struct dure_call call = { .sz = sizeof call };

	T_OK(dure_service_ask(service, text, strlen(text) + 1, &how, 0, &call));
	return call;
}

static struct dure_request take(const char *text)
{
	struct dure_request request = { .sz = sizeof request };
	char buffer[64] = "";

	T_OK(dure_service_take(service, NULL, buffer, sizeof buffer, &request, 20000000000));
	assert_string_equal(buffer, text);
	assert_int_equal(request.bytes, strlen(text) + 1);
	return request;
}

static void reply(const struct dure_request *request, const char *text)
{
	T_IS(dure_service_reply(service, request, text, strlen(text) + 1, 0), 0);
}

static void expect(struct dure_call *call, const char *text)
{
	char buffer[64] = "";

	T_OK(dure_service_await(service, call, buffer, sizeof buffer, 20000000000));
	assert_string_equal(buffer, text);
	assert_int_equal(call->bytes, strlen(text) + 1);
}

static struct dure_service_info info(void)
{
	struct dure_service_info i = { .sz = sizeof i };

	T_OK(dure_service_info(service, &i));
	return i;
}

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

/* -- deaths ------------------------------------------------------------------------------ */

/* A server that takes one request and is killed. */
static void let_a_server_die(void)
{
	struct dure_request request = { .sz = sizeof request };
	pid_t pid = t_fork();

	if (pid == 0) {
		dure_service *own = reopened();
		T_IN_CHILD(dure_service_take(own, NULL, NULL, 0, &request, 20000000000) == 0);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void another_server_gets_it_or_it_fails(void **state)
{
	struct dure_call call = ask("any", 0), once = { .sz = sizeof once };
	struct dure_request request;
	char byte;

	(void)state;
	for (int i = 0; i < 3; i++)
		let_a_server_die();
	request = take("any");
	assert_int_equal(request.attempts, 4);
	reply(&request, "done");
	expect(&call, "done");

	once = ask("once", 1);
	let_a_server_die();
	T_FAILS(dure_service_await(service, &once, &byte, 1, 20000000000), -EOWNERDEAD, "died");
	T_IS(dure_service_take(service, NULL, NULL, 0, &request, 0), -EAGAIN);
	once = ask("twice", 2);
	let_a_server_die();
	request = take("twice");	/* its second death: given back by hand is none */
	T_OK(dure_service_requeue(service, &request));
	request = take("twice");
	reply(&request, "ok");
	expect(&once, "ok");
	once = ask("seen by a server", 1);
	let_a_server_die();
	T_IS(dure_service_take(service, NULL, NULL, 0, &request, 0), -EAGAIN);
	T_IS(dure_service_await(service, &once, &byte, 1, 0), -EOWNERDEAD);
	assert_true(info().returned >= 6);
}

/* The client sleeps while its server dies. */
static void a_sleeping_client_is_told(void **state)
{
	int64_t times[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		int gate[2];
		assert_int_equal(pipe(gate), 0);
		pid_t pid = t_fork();
		if (pid == 0) {
			struct dure_request request = { .sz = sizeof request };
			dure_service *own = reopened();
			T_IN_CHILD(dure_service_take(own, NULL, NULL, 0, &request, 20000000000) == 0);
			T_IN_CHILD(write(gate[1], "x", 1) == 1);
			pause();
			_exit(1);
		}
		struct dure_call call = ask("x", 1);
		t_await(gate[0]);
		pid_t killer = t_fork();
		if (killer == 0) {
			t_sleep_ms(5);
			kill(pid, SIGKILL);
			_exit(0);
		}
		int64_t start = t_now_ns();
		T_IS(dure_service_await(service, &call, NULL, 0, 20000000000), -EOWNERDEAD);
		times[i] = t_now_ns() - start;
		waitpid(pid, NULL, 0);
		t_join(killer);
		close(gate[0]);
		close(gate[1]);
		assert_true(times[i] < 5000000000);
	}
}

/* Clients die before, while and after a server has their requests: nothing of them is left. */
static void the_dead_ask_for_nothing(void **state)
{
	struct dure_request request = { .sz = sizeof request };
	struct dure_call call = { .sz = sizeof call };
	int gate[2];

	(void)state;
	assert_int_equal(pipe(gate), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		dure_service *own = reopened();
		for (int i = 0; i < 3; i++)
			T_IN_CHILD(dure_service_ask(own, "x", 2, NULL, 0, &call) == 0);
		T_IN_CHILD(write(gate[1], "x", 1) == 1);
		pause();
		_exit(1);
	}
	t_await(gate[0]);
	uint64_t blocks_before = t_live_blocks(seg) - 3;
	request = take("x");
	reply(&request, "answered");
	request = take("x");
	assert_int_equal(info().requests, 2);
	t_kill(pid);
	T_IS(dure_service_reply(service, &request, "late", 5, 0), DURE_UNWANTED);
	T_IS(dure_service_take(service, NULL, NULL, 0, &request, 0), -EAGAIN);
	assert_int_equal(info().requests, 0);
	assert_int_equal(info().answered, 0);
	assert_int_equal(info().dropped, 1);
	assert_int_equal(t_live_blocks(seg), blocks_before);
}

/* -- crowds ------------------------------------------------------------------------------ */

static void serve_for_ever(void)
{
	struct dure_request request = { .sz = sizeof request };
	dure_service *own = reopened();
	uint64_t number;
	int r;

	while ((r = dure_service_take(own, NULL, &number, sizeof number, &request, DURE_FOREVER)) == 0) {
		number = number * 3 + 1;
		r = dure_service_reply(own, &request, &number, sizeof number, 0);
		T_IN_CHILD(r >= 0);
	}
	T_IN_CHILD(r == -ESHUTDOWN);
	_exit(0);
}

static void call_often(uint64_t first)
{
	dure_service *own = reopened();

	for (uint64_t i = 0; i < 3000; i++) {
		uint64_t number = first + i, answer = 0;
		size_t bytes;
		T_IN_CHILD(dure_service_call(own, &number, sizeof number, NULL, &answer, sizeof answer,
					     60000000000, &bytes) == 0);
		T_IN_CHILD(bytes == 8 && answer == number * 3 + 1);
	}
	_exit(0);
}

/* Servers are killed all the time; each call is answered, with what its asker asked for. */
static void calls_outlive_their_servers(void **state)
{
	pid_t servers[3], clients[3];
	int left = 3, killed = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		servers[i] = t_fork();
		if (servers[i] == 0)
			serve_for_ever();
		clients[i] = t_fork();
		if (clients[i] == 0)
			call_often((uint64_t)i << 32);
	}
	for (int i = 0; left; i = (i + 1) % 3) {
		t_sleep_ms(1);
		t_kill(servers[i]);
		killed++;
		servers[i] = t_fork();
		if (servers[i] == 0)
			serve_for_ever();
		for (int k = 0; k < 3; k++) {
			int status;
			if (clients[k] > 0 && waitpid(clients[k], &status, WNOHANG) == clients[k]) {
				assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
				clients[k] = 0;
				left--;
			}
		}
	}
	T_OK(dure_service_shut(service));
	for (int i = 0; i < 3; i++)
		t_join(servers[i]);
	T_IS(dure_service_call(service, "x", 1, NULL, NULL, 0, 0, NULL), -ESHUTDOWN);
	assert_true(killed > 0);
	assert_true(info().replied >= 9000);
}

/* -- damage ------------------------------------------------------------------------------ */

enum { IMAGE_BYTES = 256 << 10, DAMAGES = 3000 };

static unsigned dice(unsigned sides)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % sides);
}

static dure_segment *open_image(void *bytes, uint32_t flags)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .buffer = bytes, .size_bytes = IMAGE_BYTES };
	dure_segment *image = NULL;

	return dure_segment_open(NULL, flags, &o, &image) < 0 ? NULL : image;
}

/* As a dead process leaves it: requests that wait, one that is taken, one that is answered. */
static void make_image(void *bytes, void *copy)
{
	dure_segment *image = open_image(bytes, DURE_CREATE);
	struct dure_request request = { .sz = sizeof request };
	struct dure_call call = { .sz = sizeof call };
	dure_service *s;

	assert_non_null(image);
	T_OK(dure_service_open(image, "service", DURE_CREATE, NULL, &s));
	for (int i = 0; i < 6; i++)
		T_OK(dure_service_ask(s, "request", 8, NULL, 0, &call));
	for (int i = 0; i < 2; i++) {
		T_OK(dure_service_take(s, NULL, NULL, 0, &request, 0));
		if (i == 0)
			T_OK(dure_service_reply(s, &request, "reply", 6, 0));
	}
	memcpy(copy, bytes, IMAGE_BYTES);
	dure_service_close(s);
	T_OK(dure_segment_close(image));
}

/* What is there of any of it: each call ends. */
static void do_all(dure_segment *image)
{
	struct dure_request request = { .sz = sizeof request };
	struct dure_call call = { .sz = sizeof call };
	dure_service *s;
	char bytes[16];

	(void)dure_segment_check(image, NULL, NULL, NULL);
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
	uint64_t *bytes = aligned_alloc(4096, IMAGE_BYTES), *copy = malloc(IMAGE_BYTES);
	size_t words = IMAGE_BYTES / 8, first = words / 8;

	(void)state;
	memset(bytes, 0, IMAGE_BYTES);
	make_image(bytes, copy);
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

/* -- polling ----------------------------------------------------------------------------- */

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* One descriptor tells the server of requests and the client of replies. */
static void descriptors_tell(void **state)
{
	struct dure_call call = { .sz = sizeof call };
	pid_t pid = t_fork();
	uint64_t answer;
	int fd, r;

	(void)state;
	if (pid == 0) {
		struct dure_request request = { .sz = sizeof request };
		dure_service *own = reopened();
		int own_fd = dure_service_fd(own);
		for (int served = 0; served < 50;) {
			uint64_t number;
			r = dure_service_take(own, NULL, &number, 8, &request, 0);
			T_IN_CHILD(r == 0 || (r == -EAGAIN && is_readable(own_fd, 20000)));
			if (r < 0)
				continue;
			number++;
			T_IN_CHILD(dure_service_reply(own, &request, &number, 8, 0) == 0);
			served++;
		}
		_exit(0);
	}
	fd = dure_service_fd(service);
	T_OK(fd);
	for (uint64_t i = 0; i < 50; i++) {
		T_OK(dure_service_ask(service, &i, 8, NULL, 0, &call));
		while ((r = dure_service_await(service, &call, &answer, 8, 0)) == -EAGAIN)
			assert_true(is_readable(fd, 20000));
		T_OK(r);
		assert_int_equal(answer, i + 1);
	}
	t_join(pid);
}

/* A server of its own that lets the client wait for a while; then it is done. */
static pid_t slow_server(void)
{
	struct dure_queue_select spinning = { .sz = sizeof spinning, .flags = DURE_QUEUE_SPIN };
	struct dure_request request = { .sz = sizeof request };
	const char *name = t_name();
	pid_t pid = t_fork();

	if (pid == 0) {
		dure_service *mine;
		dure_segment *s;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &s) == 0);
		T_IN_CHILD(dure_service_open(s, "service", DURE_OPEN, NULL, &mine) == 0);
		for (int i = 0; i < 2; i++) {
			T_IN_CHILD(dure_service_take(mine, &spinning, NULL, 0, &request, 20000000000) == 0);
			t_sleep_ms(20);
			T_IN_CHILD(dure_service_reply(mine, &request, "r", 1, 0) == 0);
		}
		_exit(0);
	}
	return pid;
}

/* As the ask says, and then as the call says. */
static void clients_wait_as_they_say(void **state)
{
	struct dure_ask spin = { .sz = sizeof spin, .flags = DURE_QUEUE_SPIN },
			odd = { .sz = sizeof odd, .flags = 64 };
	struct dure_call call = { .sz = sizeof call };
	pid_t pid = slow_server();
	char byte = 0;

	(void)state;
	T_IS(dure_service_ask(service, "q", 1, &odd, 0, &call), -EINVAL);
	T_OK(dure_service_ask(service, "q", 1, &spin, 0, &call));
	assert_int_equal(call.flags, DURE_QUEUE_SPIN);
	T_IS(dure_service_await(service, &call, &byte, 1, 1000000), -ETIMEDOUT);
	T_OK(dure_service_await(service, &call, &byte, 1, 20000000000));
	assert_true(byte == 'r' && info().waits == 0);
	T_OK(dure_service_ask(service, "q", 1, &spin, 0, &call));
	call.flags = 64;
	T_FAILS(dure_service_await(service, &call, &byte, 1, 0), -EINVAL, "0x40");
	call.flags = DURE_QUEUE_SLEEP;
	T_OK(dure_service_await(service, &call, &byte, 1, 20000000000));
	assert_in_range(info().waits, 1, 1000);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replies_find_their_askers, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_has_types_and_priorities, setup, teardown),
		cmocka_unit_test_setup_teardown(large_ones_are_lent, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(misuse, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_takes_in_time_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(replies_are_part_of_transactions, setup, teardown),
		cmocka_unit_test_setup_teardown(another_server_gets_it_or_it_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sleeping_client_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_dead_ask_for_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_outlive_their_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(any_bytes_are_an_error_at_worst, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_wait_as_they_say, setup, teardown),
	};

	return cmocka_run_group_tests(tests, t_signals_by_default, NULL);
}
