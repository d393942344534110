/* SPDX-License-Identifier: MIT */
/* Description: FIFOs that do not hang, and servers and clients that die at any time. */
#include <dirent.h>
#include <pthread.h>

#include "../t.h"

#define PATIENCE DURE_S(20)

static char directory[64], well_known[96];

static int setup(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/tmp/dure-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(well_known, sizeof well_known, "%s/server", directory);
	return 0;
}

static int count_names(void)
{
	DIR *names = opendir(directory);
	struct dirent *entry;
	int count = 0;

	assert_non_null(names);
	while ((entry = readdir(names)))
		count += entry->d_name[0] != '.';
	closedir(names);
	return count;
}

/* nothing has stayed */
static int teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

/* -- single FIFOs ----------------------------------------------------------------------------- */

static void made_as_asked(void **state)
{
	int here = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mode_t before = umask(077);
	struct stat st;

	(void)state;
	T_OK(dure_fifo_make(here, "relative", 0666));
	umask(before);
	assert_int_equal(fstatat(here, "relative", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0666);
	T_IS(dure_fifo_make(here, "relative", 0600), -EEXIST);
	T_FAILS(dure_fifo_make(here, "no/such", 0600), -ENOENT, "no/such");
	T_FAILS(dure_fifo_make(here, "", 0600), -EINVAL, "path");
	T_FAILS(dure_fifo_make(here, "x", 07777), -EINVAL, "0777");
	/* what is no FIFO is neither opened nor removed */
	close(openat(here, "file", O_CREAT | O_WRONLY, 0600));
	T_FAILS(dure_fifo_open(here, "file", DURE_FIFO_READ, 0), -EINVAL, "no FIFO");
	T_FAILS(dure_fifo_remove(here, "file"), -EINVAL, "no FIFO");
	assert_int_equal(symlinkat("relative", here, "link"), 0);
	T_FAILS(dure_fifo_remove(here, "link"), -EINVAL, "no FIFO");
	T_FAILS(dure_fifo_open(here, "relative", 0, 0), -EINVAL, "DURE_FIFO_READ");
	T_IS(dure_fifo_open(here, "missing", DURE_FIFO_WRITE, 0), -ENOENT);
	unlinkat(here, "link", 0);
	unlinkat(here, "file", 0);
	T_OK(dure_fifo_remove(here, "relative"));
	T_IS(dure_fifo_remove(here, "relative"), -ENOENT);
	close(here);
}

static void reading_waits_for_the_first_writer(void **state)
{
	char text[16];

	(void)state;
	T_OK(dure_fifo_make(DURE_FIFO_HERE, well_known, 0600));
	int reads = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_READ, 0);
	assert_true(reads >= 0);
	/* nobody writes yet: that is no end */
	T_IS(dure_pipe_read(reads, text, sizeof text, 0), -EAGAIN);
	T_IS(dure_pipe_read(reads, text, sizeof text, DURE_MS(10)), -ETIMEDOUT);
	int writes = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_WRITE, 0);
	assert_true(writes >= 0);
	T_IS(dure_pipe_write(writes, "hello", 5, 0), 5);
	close(writes);
	T_IS(dure_pipe_read(reads, text, sizeof text, 0), 5);
	T_IS(dure_pipe_read(reads, text, sizeof text, PATIENCE), 0);
	close(reads);
	/* both ends: never at the end */
	reads = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_READ | DURE_FIFO_WRITE, 0);
	writes = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_WRITE | DURE_FIFO_NONBLOCKING, 0);
	assert_true(fcntl(writes, F_GETFL) & O_NONBLOCK);
	close(writes);
	struct pollfd p = { .fd = reads, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	T_IS(dure_pipe_read(reads, text, sizeof text, 0), -EAGAIN);
	close(reads);
	T_OK(dure_fifo_remove(DURE_FIFO_HERE, well_known));
}

static void *open_late(void *argument)
{
	char text[16];

	(void)argument;
	t_sleep_ms(30);
	int reads = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_READ, 0);
	int r = dure_pipe_read(reads, text, sizeof text, PATIENCE);
	close(reads);
	return (void *)(intptr_t)r;
}

static void writing_waits_for_a_reader(void **state)
{
	pthread_t thread;
	void *r;

	(void)state;
	T_OK(dure_fifo_make(DURE_FIFO_HERE, well_known, 0600));
	T_IS(dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_WRITE, 0), -EAGAIN);
	T_IS(dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_WRITE, DURE_MS(10)), -ETIMEDOUT);
	pthread_create(&thread, NULL, open_late, NULL);
	int writes = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_WRITE, PATIENCE);
	T_OK(writes);
	T_IS(dure_pipe_write(writes, "hello", 5, PATIENCE), 5);
	pthread_join(thread, &r);
	assert_int_equal((intptr_t)r, 5);
	T_IS(dure_pipe_write(writes, "hello", 5, PATIENCE), -EPIPE);
	close(writes);
	T_OK(dure_fifo_remove(DURE_FIFO_HERE, well_known));
}

/* -- servers ---------------------------------------------------------------------------------- */

/* Answers until it is killed: the request, backwards, as often as its first byte says. */
static void serve(int ready)
{
	dure_fifo_server *server;
	static char answer[26 * DURE_FIFO_REQUEST_MAX];

	T_IN_CHILD(dure_fifo_server_open(well_known, NULL, &server) == 0);
	if (ready >= 0)
		t_signal(ready);
	for (;;) {
		struct dure_fifo_request who = { .sz = sizeof who };
		char request[DURE_FIFO_REQUEST_MAX];
		int n = dure_fifo_server_next(server, request, sizeof request, DURE_FOREVER, &who);
		T_IN_CHILD(n >= 0);
		size_t used = 0;
		for (int times = n ? request[0] - 'a' + 1 : 0; times > 0; times--)
			for (int i = n; i > 0; i--)
				answer[used++] = request[i - 1];
		int r = dure_fifo_server_answer(server, &who, answer, used, DURE_S(1));
		T_IN_CHILD(r == 0 || r == -EPIPE || r == -ETIMEDOUT);
	}
}

static pid_t start_server(void)
{
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = t_fork();
	if (pid == 0)
		serve(ready[1]);
	t_await(ready[0]);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* what a dead server has left is the well-known FIFO: the next one takes its place */
static void clean_up(void)
{
	dure_fifo_server *server;

	T_OK(dure_fifo_server_open(well_known, NULL, &server));
	dure_fifo_server_close(server);
	assert_int_equal(count_names(), 0);
}

static void questions_are_answered(void **state)
{
	static char answer[26 * DURE_FIFO_REQUEST_MAX], request[DURE_FIFO_REQUEST_MAX];
	dure_fifo_client *client;
	uint32_t number = 0;

	(void)state;
	pid_t pid = start_server();
	T_OK(dure_fifo_client_open(well_known, NULL, PATIENCE, &client));
	T_IS(dure_fifo_client_ask(client, "abc", 3, answer, sizeof answer, PATIENCE), 3);
	assert_memory_equal(answer, "cba", 3);
	T_IS(dure_fifo_client_ask(client, "", 0, answer, sizeof answer, PATIENCE), 0);
	/* as long as can be, and answers of many pieces */
	memset(request, 'z', sizeof request);
	T_IS(dure_fifo_client_ask(client, request, sizeof request, answer, sizeof answer, PATIENCE),
	     (int)sizeof answer);
	for (size_t i = 0; i < sizeof answer; i++)
		assert_int_equal(answer[i], 'z');
	T_FAILS(dure_fifo_client_send(client, answer, DURE_FIFO_REQUEST_MAX + 1, 0), -EMSGSIZE, "4072");
	T_FAILS(dure_fifo_client_ask(client, "b23", 3, answer, 5, PATIENCE), -EMSGSIZE, "6 bytes");
	/* apart, with a descriptor */
	int sent = dure_fifo_client_send(client, "abcd", 4, PATIENCE);
	T_OK(sent);
	struct pollfd p = { .fd = dure_fifo_client_fd(client), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 20000), 1);
	T_IS(dure_fifo_client_receive(client, answer, sizeof answer, 0, &number), 4);
	assert_int_equal(number, sent);
	T_IS(dure_fifo_client_receive(client, answer, sizeof answer, 0, &number), -EAGAIN);
	/* answers to earlier requests are dropped by ask */
	T_OK(dure_fifo_client_send(client, "an", 2, PATIENCE));
	T_IS(dure_fifo_client_ask(client, "aXYZ", 4, answer, sizeof answer, PATIENCE), 4);
	assert_memory_equal(answer, "ZYXa", 4);
	/* the server dies: told at once */
	t_kill(pid);
	T_FAILS(dure_fifo_client_receive(client, answer, sizeof answer, DURE_FOREVER, NULL), -EPIPE,
		"dead");
	T_FAILS(dure_fifo_client_ask(client, "abc", 3, answer, sizeof answer, DURE_FOREVER), -EPIPE,
		"dead");
	/* and stays so when there is another */
	pid = start_server();
	T_IS(dure_fifo_client_send(client, "abc", 3, 0), -EPIPE);
	dure_fifo_client_close(client);
	T_OK(dure_fifo_client_open(well_known, NULL, 0, &client));
	T_IS(dure_fifo_client_ask(client, "abc", 3, answer, sizeof answer, PATIENCE), 3);
	dure_fifo_client_close(client);
	t_kill(pid);
	clean_up();
}

static void one_server_at_a_time(void **state)
{
	dure_fifo_server *server, *second;
	struct dure_fifo_options o = { .sz = sizeof o, .mode = 0640 };
	struct stat st;

	(void)state;
	T_OK(dure_fifo_server_open(well_known, &o, &server));
	T_FAILS(dure_fifo_server_open(well_known, NULL, &second), -EBUSY, "living");
	assert_int_equal(count_names(), 1);
	assert_int_equal(stat(well_known, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	pid_t pid = t_fork();
	if (pid == 0) {
		struct dure_fifo_request who = { .sz = sizeof who };
		char byte;
		T_IN_CHILD(dure_fifo_server_next(server, &byte, 1, 0, &who) == -ESTALE);
		dure_fifo_server_close(server);
		_exit(0);
	}
	t_join(pid);
	assert_int_equal(count_names(), 1);
	dure_fifo_server_close(server);
	assert_int_equal(count_names(), 0);
	/* what is no FIFO is left alone */
	close(open(well_known, O_CREAT | O_WRONLY, 0600));
	T_FAILS(dure_fifo_server_open(well_known, NULL, &server), -EEXIST, "left alone");
	unlink(well_known);
	/* and so is a FIFO elsewhere, behind a link */
	char target[128];
	snprintf(target, sizeof target, "%s/target", directory);
	T_OK(dure_fifo_make(DURE_FIFO_HERE, target, 0600));
	assert_int_equal(symlink(target, well_known), 0);
	T_FAILS(dure_fifo_server_open(well_known, NULL, &server), -EEXIST, "left alone");
	unlink(well_known);
	T_OK(dure_fifo_remove(DURE_FIFO_HERE, target));
	T_FAILS(dure_fifo_server_open("/no/such/place", NULL, &server), -ENOENT, "/no/such/place");
	assert_int_equal(count_names(), 0);
}

/* Many race for the name, again and again: exactly one has it at any time. */
static void racing_servers_have_one_winner(void **state)
{
	enum { RACERS = 8, ROUNDS = 50 };
	volatile int *holders = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				     -1, 0);
	pid_t pids[RACERS];

	(void)state;
	for (int i = 0; i < RACERS; i++) {
		pids[i] = t_fork();
		if (pids[i] != 0)
			continue;
		for (int won = 0; won < ROUNDS;) {
			dure_fifo_server *server;
			int r = dure_fifo_server_open(well_known, NULL, &server);
			T_IN_CHILD(r == 0 || r == -EBUSY);
			if (r < 0)
				continue;
			T_IN_CHILD(__atomic_add_fetch(holders, 1, __ATOMIC_SEQ_CST) == 1);
			__atomic_sub_fetch(holders, 1, __ATOMIC_SEQ_CST);
			won++;
			dure_fifo_server_close(server);
		}
		_exit(0);
	}
	for (int i = 0; i < RACERS; i++)
		t_join(pids[i]);
	munmap((void *)(uintptr_t)holders, 4096);
	assert_int_equal(count_names(), 0);
}

static void clients_wait_for_a_server(void **state)
{
	dure_fifo_client *client;
	char answer[8];
	pid_t pid;

	(void)state;
	T_IS(dure_fifo_client_open(well_known, NULL, 0, &client), -EAGAIN);
	T_IS(dure_fifo_client_open(well_known, NULL, DURE_MS(10), &client), -ETIMEDOUT);
	T_FAILS(dure_fifo_client_open("/no/such/place", NULL, 0, &client), -ENOENT, "/no/such");
	assert_int_equal(count_names(), 0);
	/* a stale one is no server */
	pid = start_server();
	t_kill(pid);
	T_IS(dure_fifo_client_open(well_known, NULL, DURE_MS(10), &client), -ETIMEDOUT);
	pid = t_fork();
	if (pid == 0) {
		t_sleep_ms(30);
		serve(-1);
	}
	T_OK(dure_fifo_client_open(well_known, NULL, PATIENCE, &client));
	T_IS(dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, PATIENCE), 2);
	dure_fifo_client_close(client);
	t_kill(pid);
	clean_up();
}

/* Who replaces a dead server's FIFO opens it for a moment: that does not make it a server. */
static void a_stale_fifo_is_no_server(void **state)
{
	enum { ROUNDS = 60 };
	char answer[8];

	(void)state;
	t_kill(start_server());
	for (int i = 0; i < ROUNDS; i++) {
		dure_fifo_client *client;
		pid_t pid = t_fork();
		if (pid == 0)
			serve(-1);
		T_OK(dure_fifo_client_open(well_known, NULL, PATIENCE, &client));
		T_IS(dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, PATIENCE), 2);
		dure_fifo_client_close(client);
		t_kill(pid);
	}
	clean_up();
}

/* one that does not read keeps nobody else, and one that died leaves nothing */
static void a_client_that_dies_or_sleeps_hurts_nobody(void **state)
{
	static char answer[26 * DURE_FIFO_REQUEST_MAX], request[DURE_FIFO_REQUEST_MAX];
	dure_fifo_client *sleeper, *client;
	int gate[2];

	(void)state;
	pid_t server = start_server();
	T_OK(dure_fifo_client_open(well_known, NULL, PATIENCE, &sleeper));
	T_OK(dure_fifo_client_open(well_known, NULL, PATIENCE, &client));
	memset(request, 'z', sizeof request);
	/* more than its FIFO holds */
	T_OK(dure_fifo_client_send(sleeper, request, sizeof request, PATIENCE));
	T_IS(dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, PATIENCE), 2);
	/* the answer it did not read in time is dropped, the next one is whole */
	T_IS(dure_fifo_client_ask(sleeper, "ab", 2, answer, sizeof answer, PATIENCE), 2);
	dure_fifo_client_close(sleeper);
	assert_int_equal(count_names(), 2);
	/* clients that die with a request under way */
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	for (int i = 0; i < 5; i++) {
		pid_t pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_fifo_client_open(well_known, NULL, PATIENCE, &client) == 0);
			kill(server, SIGSTOP);
			T_IN_CHILD(dure_fifo_client_send(client, "ab", 2, PATIENCE) > 0);
			t_signal(gate[1]);
			for (;;)
				pause();
		}
		t_await(gate[0]);
		t_kill(pid);
		kill(server, SIGCONT);
		T_IS(dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, PATIENCE), 2);
	}
	/* its FIFO went when the server wanted to answer */
	assert_int_equal(count_names(), 2);
	close(gate[0]);
	close(gate[1]);
	dure_fifo_client_close(client);
	t_kill(server);
	clean_up();
}

static void rubbish_is_passed_over(void **state)
{
	dure_fifo_client *client;
	char answer[8], rubbish[5000];

	(void)state;
	pid_t pid = start_server();
	T_OK(dure_fifo_client_open(well_known, NULL, PATIENCE, &client));
	int fd = dure_fifo_open(DURE_FIFO_HERE, well_known, DURE_FIFO_WRITE, PATIENCE);
	for (int i = 0; i < 50; i++) {
		memset(rubbish, i, sizeof rubbish);
		memcpy(rubbish + i, "1rfd", 4);	/* a header's beginning, in little endian */
		size_t bytes = (size_t)(1 + i * 97);
		T_IS(dure_pipe_write(fd, rubbish, bytes, PATIENCE), (int)bytes);
	}
	/* what stands beside it may be hurt, what comes later not */
	(void)dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, DURE_MS(50));
	(void)dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, DURE_MS(50));
	int r = -ETIMEDOUT;
	for (int i = 0; r == -ETIMEDOUT && i < 200; i++)
		r = dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, DURE_MS(100));
	assert_int_equal(r, 2);
	T_IS(dure_fifo_client_ask(client, "ab", 2, answer, sizeof answer, PATIENCE), 2);
	close(fd);
	dure_fifo_client_close(client);
	t_kill(pid);
	clean_up();
}

/* -- deaths at random ------------------------------------------------------------------------- */

/* Asks until it is told to stop; the server may die under it. */
static void ask_for_ever(volatile int *stop, int number)
{
	char request[64], answer[64];
	dure_fifo_client *client = NULL;
	int answers = 0;

	while (!*stop) {
		if (!client && dure_fifo_client_open(well_known, NULL, DURE_MS(200), &client) < 0)
			continue;
		int n = snprintf(request, sizeof request, "a%d/%d", number, answers);
		int r = dure_fifo_client_ask(client, request, (size_t)n, answer, sizeof answer, PATIENCE);
		T_IN_CHILD(r == n || r == -EPIPE);
		for (int i = 0; r == n && i < n; i++)
			T_IN_CHILD(answer[i] == request[n - 1 - i]);
		answers += r == n;
		if (r == -EPIPE) {
			dure_fifo_client_close(client);
			client = NULL;
		}
	}
	dure_fifo_client_close(client);
	_exit(answers > 0 ? 0 : 1);
}

static void deaths_at_random(void **state)
{
	enum { CLIENTS = 12, ROUNDS = 30 };
	volatile int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t clients[CLIENTS];

	(void)state;
	pid_t server = start_server();
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = t_fork();
		if (clients[i] == 0)
			ask_for_ever(stop, i);
	}
	for (int i = 0; i < ROUNDS; i++) {
		t_sleep_ms(5 + i % 7);
		if (i % 3 == 0) {
			t_kill(server);
			server = start_server();
		}
		int victim = i * 5 % CLIENTS;
		t_kill(clients[victim]);
		clients[victim] = t_fork();
		if (clients[victim] == 0)
			ask_for_ever(stop, victim);
	}
	t_sleep_ms(300);
	*stop = 1;
	for (int i = 0; i < CLIENTS; i++)
		t_join(clients[i]);
	t_kill(server);
	clean_up();
	munmap((void *)(uintptr_t)stop, 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(made_as_asked),
		TEST(reading_waits_for_the_first_writer),
		TEST(writing_waits_for_a_reader),
		TEST(questions_are_answered),
		TEST(one_server_at_a_time),
		TEST(racing_servers_have_one_winner),
		TEST(clients_wait_for_a_server),
		TEST(a_stale_fifo_is_no_server),
		TEST(a_client_that_dies_or_sleeps_hurts_nobody),
		TEST(rubbish_is_passed_over),
		TEST(deaths_at_random),
	};

	return cmocka_run_group_tests_name("fifo", tests, NULL, NULL);
}
