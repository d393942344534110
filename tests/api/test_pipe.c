/* SPDX-License-Identifier: MIT */
/* Description: pipes that do not kill, one way and both, of any size; streams that are split between
   readers of any speed. */
#include <pthread.h>
#include <sys/socket.h>

#include "../t.h"

#define PATIENCE DURE_S(20)

static struct dure_pipe_options options(uint32_t flags, size_t size_bytes)
{
	return (struct dure_pipe_options){ .sz = sizeof(struct dure_pipe_options), .flags = flags,
					   .size_bytes = size_bytes };
}

static void open_pipe(uint32_t flags, size_t size_bytes, int ends[2])
{
	struct dure_pipe_options o = options(flags, size_bytes);

	T_OK(dure_pipe_open(&o, ends));
}

static void close_both(int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static void one_way_and_both_ways(void **state)
{
	char text[16];
	int ends[2];

	(void)state;
	T_OK(dure_pipe_open(NULL, ends));
	assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
	T_IS(dure_pipe_write(ends[1], "hello", 5, 0), 5);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, 0), 5);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, 0), -EAGAIN);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, DURE_MS(10)), -ETIMEDOUT);
	T_IS(dure_pipe_write(ends[1], "", 0, 0), 0);
	close(ends[1]);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, DURE_FOREVER), 0);
	close(ends[0]);
	open_pipe(DURE_PIPE_DUPLEX | DURE_PIPE_INHERIT, 0, ends);
	assert_int_equal(fcntl(ends[0], F_GETFD), 0);
	for (int i = 0; i < 2; i++) {
		T_IS(dure_pipe_write(ends[i], "there", 5, PATIENCE), 5);
		T_IS(dure_pipe_read(ends[1 - i], text, sizeof text, PATIENCE), 5);
	}
	shutdown(ends[0], SHUT_WR);
	T_IS(dure_pipe_read(ends[1], text, sizeof text, PATIENCE), 0);
	T_IS(dure_pipe_write(ends[1], "still", 5, PATIENCE), 5);
	close(ends[0]);
	T_FAILS(dure_pipe_write(ends[1], "x", 1, PATIENCE), -EPIPE, "nobody reads");
	close(ends[1]);
}

static void sizes_are_what_was_asked(void **state)
{
	int ends[2];

	(void)state;
	open_pipe(0, 1 << 20, ends);
	T_IS(dure_pipe_size(ends[0]), 1 << 20);
	assert_true(dure_pipe_resize(ends[0], 5000) >= 5000);
	T_IS(dure_pipe_write(ends[1], "x", 1, 0), 1);
	T_FAILS(dure_pipe_resize(ends[0], (size_t)1 << 40), -EPERM, "fs.pipe-max-size");
	for (int i = 0; i < 10; i++)
		T_OK(dure_pipe_resize(ends[0], 1 << 16));
	char page[8192] = { 0 };
	T_IS(dure_pipe_write(ends[1], page, sizeof page, 0), (int)sizeof page);
	T_FAILS(dure_pipe_resize(ends[0], 4096), -EBUSY, "read first");
	close_both(ends);
	T_FAILS(dure_pipe_size(ends[0]), -EINVAL, "no pipe");
	T_FAILS(dure_pipe_resize(ends[0], 4096), -EINVAL, "no pipe");
}

static void packets_stay_apart(void **state)
{
	char text[64];
	int ends[2];

	(void)state;
	open_pipe(DURE_PIPE_PACKETS, 0, ends);
	T_IS(dure_pipe_write(ends[1], "one", 3, 0), 3);
	T_IS(dure_pipe_write(ends[1], "three", 5, 0), 5);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, 0), 3);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, 0), 5);
	close_both(ends);
}

static void misuse_is_refused(void **state)
{
	struct dure_pipe_options o = options(DURE_PIPE_DUPLEX, 4096);
	dure_split *split = NULL;
	int ends[2] = { -1, -1 }, to = 1;

	(void)state;
	T_FAILS(dure_pipe_open(&o, ends), -EINVAL, "duplex");
	o = options(1u << 9, 0);
	T_FAILS(dure_pipe_open(&o, ends), -EINVAL, "flags");
	assert_int_equal(ends[0], -1);
	T_FAILS(dure_pipe_open(NULL, NULL), -EINVAL, "ends");
	T_FAILS(dure_pipe_read(0, NULL, 1, 0), -EINVAL, "buffer");
	T_FAILS(dure_pipe_write(1, NULL, 1, 0), -EINVAL, "NULL");
	T_IS(dure_pipe_write(996, "x", 1, 0), -EINVAL);
	T_FAILS(dure_split_open(0, &to, 17, &split), -EINVAL, "17");
	T_FAILS(dure_split_open(995, &to, 1, &split), -EINVAL, "995");
	T_IS(dure_split_run(NULL, 0), -EINVAL);
	assert_null(split);
	dure_split_close(NULL);
}

/* -- atomic writes ------------------------------------------------------------------------- */

enum { WRITERS = 8, RECORDS = 2000 };

static int shared_end;

static void *write_records(void *argument)
{
	char record[DURE_PIPE_ATOMIC];
	int mark = (int)(intptr_t)argument;

	for (int i = 0; i < RECORDS; i++) {
		memset(record, mark, sizeof record);
		if (dure_pipe_write(shared_end, record, sizeof record, PATIENCE) != (int)sizeof record)
			return argument;
	}
	return NULL;
}

static void writers_do_not_mix(uint32_t flags)
{
	pthread_t threads[WRITERS];
	char record[DURE_PIPE_ATOMIC];
	int ends[2], seen[WRITERS] = { 0 };
	void *failed;

	open_pipe(flags, 0, ends);
	shared_end = ends[1];
	for (intptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_records, (void *)(i + 1)), 0);
	for (int i = 0; i < WRITERS * RECORDS; i++) {
		for (size_t used = 0; used < sizeof record;) {
			int r = dure_pipe_read(ends[0], record + used, sizeof record - used, PATIENCE);
			assert_true(r > 0);
			used += (size_t)r;
		}
		for (size_t j = 1; j < sizeof record; j++)
			if (record[j] != record[0])
				fail_msg("record %d is of %d and %d", i, record[0], record[j]);
		seen[record[0] - 1]++;
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
		assert_int_equal(seen[i], RECORDS);
	}
	close_both(ends);
}

static void up_to_a_page_is_one_piece(void **state)
{
	(void)state;
	writers_do_not_mix(0);
	writers_do_not_mix(DURE_PIPE_NONBLOCKING);
}

static void a_full_pipe_is_waited_for(void **state)
{
	char *much = calloc(1, 1 << 20);
	int ends[2], blocking[2] = { 0, DURE_PIPE_NONBLOCKING };

	(void)state;
	for (int i = 0; i < 2; i++) {
		open_pipe((uint32_t)blocking[i], 0, ends);
		/* as much as it holds, and then late, though the descriptor may block */
		T_IS(dure_pipe_write(ends[1], much, 1 << 20, DURE_MS(20)), 1 << 16);
		T_IS(dure_pipe_write(ends[1], much, 1, DURE_MS(20)), -ETIMEDOUT);
		T_IS(dure_pipe_write(ends[1], much, DURE_PIPE_ATOMIC, 0), -EAGAIN);
		assert_int_equal(read(ends[0], much, 100), 100);
		/* all or nothing */
		T_IS(dure_pipe_write(ends[1], much, DURE_PIPE_ATOMIC, DURE_MS(20)), -ETIMEDOUT);
		close_both(ends);
	}
	free(much);
}

/* -- messages ------------------------------------------------------------------------------- */

enum { SENDERS = 6, MESSAGES = 400, LONGEST = 60000 };

static size_t length_of(int sender, int i)
{
	return (size_t)(sender * 7919 + i * 104729) % LONGEST;
}

static void send_all(int fd, int sender)
{
	static char message[LONGEST + 8];

	for (int i = 0; i < MESSAGES; i++) {
		size_t bytes = 8 + length_of(sender, i);
		memset(message, 'a' + (sender + i) % 26, bytes);
		memcpy(message, &sender, 4);
		memcpy(message + 4, &i, 4);
		T_IN_CHILD(dure_pipe_send(fd, message, bytes, PATIENCE) == 0);
	}
}

/* Processes send at once, short and long; each message comes whole, each sender's in order. */
static void messages_of_any_size_do_not_mix(void **state)
{
	static char message[LONGEST + 8];
	dure_receiver *receiver;
	pid_t pids[SENDERS];
	int next[SENDERS] = { 0 }, ends[2], r;

	(void)state;
	T_OK(dure_pipe_open(NULL, ends));
	for (int i = 0; i < SENDERS; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			send_all(ends[1], i);
			_exit(0);
		}
	}
	close(ends[1]);
	T_OK(dure_receiver_open(ends[0], NULL, &receiver));
	while ((r = dure_receiver_next(receiver, message, sizeof message, PATIENCE)) >= 0) {
		int sender, i;
		memcpy(&sender, message, 4);
		memcpy(&i, message + 4, 4);
		assert_true(r >= 8 && sender >= 0 && sender < SENDERS);
		assert_int_equal(i, next[sender]++);
		assert_int_equal(r, 8 + length_of(sender, i));
		for (int j = 8; j < r; j++)
			assert_int_equal(message[j], 'a' + (sender + i) % 26);
	}
	assert_int_equal(r, -EPIPE);
	for (int i = 0; i < SENDERS; i++) {
		t_join(pids[i]);
		assert_int_equal(next[i], MESSAGES);
	}
	T_IS(dure_receiver_dropped(receiver), 0);
	dure_receiver_close(receiver);
	close(ends[0]);
}

static void unfinished_messages_are_given_up(void **state)
{
	struct dure_receiver_options o = { .sz = sizeof o, .message_max = 100000, .unfinished_max = 2 };
	char *message = calloc(1, 200000);
	dure_receiver *receiver;
	int ends[2];

	(void)state;
	open_pipe(0, 1 << 20, ends);
	T_OK(dure_receiver_open(ends[0], &o, &receiver));
	T_IS(dure_receiver_next(receiver, message, 10, 0), -EAGAIN);
	T_IS(dure_pipe_send(ends[1], "", 0, 0), 0);
	T_IS(dure_receiver_next(receiver, message, 10, 0), 0);
	/* too long for the receiver; too long for the buffer */
	T_IS(dure_pipe_send(ends[1], message, 200000, 0), 0);
	T_IS(dure_pipe_send(ends[1], message, 50000, 0), 0);
	T_FAILS(dure_receiver_next(receiver, message, 49999, 0), -EMSGSIZE, "50000");
	T_IS(dure_receiver_dropped(receiver), 1);
	/* senders that were late: what they began is in the pipe */
	for (int i = 0; i < 5; i++) {
		T_OK(dure_pipe_resize(ends[1], 8192));
		T_IS(dure_pipe_send(ends[1], message, 90000, DURE_MS(1)), -ETIMEDOUT);
		T_IS(dure_receiver_next(receiver, message, 100000, 0), -EAGAIN);
	}
	T_OK(dure_pipe_resize(ends[1], 1 << 20));
	T_IS(dure_receiver_dropped(receiver), 1 + 5 - 2);
	memset(message, 'x', 90000);
	T_IS(dure_pipe_send(ends[1], message, 90000, 0), 0);
	memset(message, 0, 90000);
	T_IS(dure_receiver_next(receiver, message, 100000, 0), 90000);
	assert_true(message[0] == 'x' && message[89999] == 'x');
	/* rubbish hurts at most what stands beside it */
	memset(message, 'd', 3000);
	T_IS(dure_pipe_write(ends[1], message, 3000, 0), 3000);
	T_IS(dure_pipe_send(ends[1], "whole", 5, 0), 0);
	T_IS(dure_receiver_next(receiver, message, 100, 0), 5);
	close(ends[1]);
	T_FAILS(dure_receiver_next(receiver, message, 100, DURE_FOREVER), -EPIPE, "gone");
	dure_receiver_close(receiver);
	close(ends[0]);
	T_FAILS(dure_receiver_open(994, NULL, &receiver), -EINVAL, "open descriptor");
	dure_receiver_close(NULL);
	free(message);
}

/* -- splitting ------------------------------------------------------------------------------ */

enum { STREAM_BYTES = 5 << 20 };

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 131 % 251);
}

struct drinker {
	int fd;
	size_t sip, limit;
	int64_t pause_ns;
	size_t wrong, total;
};

static void *drink(void *argument)
{
	struct drinker *d = argument;
	unsigned char *buffer = malloc(d->sip);
	int r;

	while (d->total < d->limit &&
	       (r = dure_pipe_read(d->fd, buffer, d->sip, PATIENCE)) > 0) {
		for (int i = 0; i < r; i++)
			d->wrong += buffer[i] != byte_at(d->total + (size_t)i);
		d->total += (size_t)r;
		if (d->pause_ns)
			t_sleep_ms(1);
	}
	close(d->fd);
	free(buffer);
	return NULL;
}

static void *pour(void *argument)
{
	unsigned char *all = malloc(STREAM_BYTES);
	int fd = (int)(intptr_t)argument;
	size_t done = 0;

	for (size_t i = 0; i < STREAM_BYTES; i++)
		all[i] = byte_at(i);
	/* in pieces of uneven sizes: many half-filled places in the pipe */
	for (size_t part = 1; done < STREAM_BYTES; part = part * 7 % 9973 + 1) {
		size_t left = STREAM_BYTES - done;
		int r = dure_pipe_write(fd, all + done, part < left ? part : left, PATIENCE);
		if (r < 0)
			break;
		done += (size_t)r;
	}
	close(fd);
	free(all);
	return NULL;
}

static void a_stream_reaches_all(void **state)
{
	struct drinker drinkers[3] = { { .sip = 100000, .limit = SIZE_MAX },
				       { .sip = 777, .limit = SIZE_MAX },
				       { .sip = 5000, .limit = 300000, .pause_ns = 1 } };
	pthread_t pourer, threads[3];
	int in[2], to[3], r;
	dure_split *split;
	size_t moved = 0;

	(void)state;
	T_OK(dure_pipe_open(NULL, in));
	for (int i = 0; i < 3; i++) {
		int ends[2];
		open_pipe(i == 1 ? DURE_PIPE_DUPLEX : 0, 0, ends);
		drinkers[i].fd = ends[0];
		to[i] = ends[1];
	}
	T_OK(dure_split_open(in[0], to, 3, &split));
	T_IS(dure_split_run(split, 0), -EAGAIN);
	T_IS(dure_split_run(split, DURE_MS(10)), -ETIMEDOUT);
	pthread_create(&pourer, NULL, pour, (void *)(intptr_t)in[1]);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, drink, &drinkers[i]);
	/* impatient: what is late goes on where it was */
	while ((r = dure_split_run(split, DURE_MS(1))) != 0) {
		assert_true(r > 0 || r == -ETIMEDOUT);
		moved += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(moved, STREAM_BYTES);
	/* the third had enough early on, and kept nobody */
	T_IS(dure_split_is_gone(split, 0), 0);
	T_IS(dure_split_is_gone(split, 1), 0);
	T_IS(dure_split_is_gone(split, 2), 1);
	T_IS(dure_split_is_gone(split, 3), -EINVAL);
	dure_split_close(split);
	pthread_join(pourer, NULL);
	for (int i = 0; i < 3; i++) {
		close(to[i]);
		pthread_join(threads[i], NULL);
		assert_int_equal(drinkers[i].wrong, 0);
	}
	assert_int_equal(drinkers[0].total, STREAM_BYTES);
	assert_int_equal(drinkers[1].total, STREAM_BYTES);
	close(in[0]);
}

static void files_and_terminals_are_split_too(void **state)
{
	char name[] = "/tmp/dure-test-XXXXXX", text[64];
	int file = mkstemp(name), ends[2];
	dure_split *split;

	(void)state;
	unlink(name);
	assert_int_equal(write(file, "from a file", 11), 11);
	lseek(file, 0, SEEK_SET);
	T_OK(dure_pipe_open(NULL, ends));
	T_OK(dure_split_open(file, &ends[1], 1, &split));
	T_IS(dure_split_run(split, PATIENCE), 11);
	T_IS(dure_split_run(split, PATIENCE), 0);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, 0), 11);
	/* everybody has gone */
	close(ends[0]);
	lseek(file, 0, SEEK_SET);
	T_FAILS(dure_split_run(split, PATIENCE), -EPIPE, "nobody");
	dure_split_close(split);
	close(file);
	close(ends[1]);
	/* a file that is appended to, as by >>, cannot be spliced to */
	T_OK(dure_pipe_open(NULL, ends));
	strcpy(name, "/tmp/dure-test-XXXXXX");
	file = mkostemp(name, O_APPEND);
	unlink(name);
	T_OK(dure_split_open(ends[0], &file, 1, &split));
	for (int i = 0; i < 20; i++) {
		char page[1000];
		memset(page, 'a' + i, sizeof page);
		T_IS(dure_pipe_write(ends[1], page, sizeof page, 0), (int)sizeof page);
	}
	close(ends[1]);
	int r, total = 0;
	while ((r = dure_split_run(split, PATIENCE)) > 0)
		total += r;
	assert_int_equal(r, 0);
	assert_int_equal(total, 20000);
	assert_int_equal(lseek(file, 0, SEEK_END), 20000);
	assert_true(pread(file, text, 1, 19999) == 1 && text[0] == 'a' + 19);
	dure_split_close(split);
	close(file);
	close(ends[0]);
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	T_OK(dure_pipe_open(NULL, ends));
	T_OK(dure_split_open(terminal, &ends[1], 1, &split));
	assert_int_equal(write(master, "typed\n", 6), 6);
	T_IS(dure_split_run(split, PATIENCE), 6);
	T_IS(dure_pipe_read(ends[0], text, sizeof text, 0), 6);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_split_run(split, 0) == -ESTALE);
		_exit(0);
	}
	t_join(pid);
	dure_split_close(split);
	close(terminal);
	close(master);
	close_both(ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_way_and_both_ways),
		cmocka_unit_test(sizes_are_what_was_asked),
		cmocka_unit_test(packets_stay_apart),
		cmocka_unit_test(misuse_is_refused),
		cmocka_unit_test(up_to_a_page_is_one_piece),
		cmocka_unit_test(a_full_pipe_is_waited_for),
		cmocka_unit_test(messages_of_any_size_do_not_mix),
		cmocka_unit_test(unfinished_messages_are_given_up),
		cmocka_unit_test(a_stream_reaches_all),
		cmocka_unit_test(files_and_terminals_are_split_too),
	};

	return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
