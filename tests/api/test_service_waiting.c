/* SPDX-License-Identifier: MIT */
/* Description: what servers and clients leave when they die is served by others, or fails with a
   code of its own, or comes back; who waits is told, also by a descriptor. */
#include "service.h"

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

/* -- polling ----------------------------------------------------------------------------- */

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
			T_IN_CHILD(r == 0 || (r == -EAGAIN && poll_for(own_fd, 20000) == 1));
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
			assert_true(poll_for(fd, 20000) == 1);
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
		TEST(another_server_gets_it_or_it_fails),
		TEST(a_sleeping_client_is_told),
		TEST(the_dead_ask_for_nothing),
		TEST(calls_outlive_their_servers),
		TEST(descriptors_tell),
		TEST(clients_wait_as_they_say),
	};

	return cmocka_run_group_tests(tests, t_signals_by_default, NULL);
}
