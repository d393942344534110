/* SPDX-License-Identifier: MIT */
/* Description: readers of a board find the latest whole value at once, whoever writes, stops or
   dies; who waits for a newer one is woken; what is destroyed cannot be in use. */
#include "any_bytes.h"

enum { BYTES = 4096 };

static dure_board *board;

static void open_board(uint64_t bytes, uint32_t values)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = bytes, .values = values };

	T_IS(dure_board_open(seg, "board", DURE_CREATE | DURE_OPEN, &o, &board), DURE_CREATED);
}

static void make(void)
{
	open_board(BYTES, 0);
}

static void unmake(void)
{
	dure_board_close(board);
	T_OK(dure_board_destroy(seg, "board"));
}

static void put(dure_board *to, unsigned char filling, size_t bytes)
{
	unsigned char data[BYTES];

	memset(data, filling, sizeof data);
	T_OK(dure_board_write(to, data, bytes, DURE_FOREVER, NULL));
}

/* a whole value; its filling */
static int filling_of(const unsigned char *data, size_t bytes)
{
	for (size_t i = 1; i < bytes; i++)
		if (data[i] != data[0])
			return -1;
	return data[0];
}

static int read_filling(dure_board *from)
{
	unsigned char data[BYTES];
	size_t bytes;

	T_OK(dure_board_read(from, data, sizeof data, &bytes, NULL));
	return filling_of(data, bytes);
}

static void the_last_value_counts(void **state)
{
	struct dure_board_info info = { .sz = sizeof info };
	uint64_t version = 77;
	char buffer[BYTES];
	size_t bytes = 77;
	void *room;

	(void)state;
	T_FAILS(dure_board_read(board, buffer, sizeof buffer, &bytes, &version), -EAGAIN, "board");
	assert_int_equal(bytes, 77);
	assert_int_equal(version, 77);
	T_OK(dure_board_write(board, "one", 4, 0, &version));
	assert_int_equal(version, 1);
	T_OK(dure_board_write(board, NULL, 0, 0, &version));
	T_OK(dure_board_read(board, NULL, 0, &bytes, &version));
	assert_int_equal(bytes, 0);
	assert_int_equal(version, 2);
	for (int i = 0; i < 20; i++) {
		put(board, (unsigned char)i, (size_t)(i * 200 + 1));
		assert_int_equal(read_filling(board), i);
	}
	T_OK(dure_board_reserve(board, 0, &room));
	memset(room, 99, BYTES);
	assert_int_equal(read_filling(board), 19);
	T_OK(dure_board_cancel(board));
	assert_int_equal(read_filling(board), 19);
	T_OK(dure_board_reserve(board, 0, &room));
	memset(room, 98, BYTES);
	T_FAILS(dure_board_publish(board, BYTES + 1, NULL), -EMSGSIZE, "4096");
	T_OK(dure_board_publish(board, 100, &version));
	assert_int_equal(version, 23);
	assert_int_equal(read_filling(board), 98);
	T_OK(dure_board_info(board, &info));
	assert_int_equal(info.version, 23);
	assert_int_equal(info.bytes, 100);
	assert_int_equal(info.bytes_max, BYTES);
	assert_int_equal(info.values, 4);
	assert_int_equal(info.users, 1);
	assert_int_equal(info.last_writer, getpid());
	assert_int_equal(info.is_shut, 0);
}

static void misuse(void **state)
{
	struct dure_board_options o = { .sz = sizeof o };
	dure_board *other = NULL;
	size_t bytes = 77;
	char buffer[8];
	dure_tx *tx;
	void *room;

	(void)state;
	T_FAILS(dure_board_open(seg, "new", DURE_CREATE, NULL, &other), -EINVAL, "bytes");
	T_FAILS(dure_board_open(seg, "new", DURE_CREATE, &o, &other), -EINVAL, "bytes");
	o.bytes = UINT64_MAX;
	T_IS(dure_board_open(seg, "new", DURE_CREATE, &o, &other), -EINVAL);
	o.bytes = 1 << 30;
	T_IS(dure_board_open(seg, "new", DURE_CREATE, &o, &other), -ENOSPC);
	o.bytes = 8;
	o.values = 1;
	T_FAILS(dure_board_open(seg, "new", DURE_CREATE, &o, &other), -EINVAL, "values");
	o.values = 65;
	T_IS(dure_board_open(seg, "new", DURE_CREATE, &o, &other), -EINVAL);
	o.values = 0;
	T_IS(dure_board_open(seg, "board", DURE_CREATE, &o, &other), -EEXIST);
	T_IS(dure_board_open(seg, "none", DURE_OPEN, NULL, &other), -ENOENT);
	T_IS(dure_board_open(seg, NULL, DURE_OPEN, NULL, &other), -EINVAL);
	T_IS(dure_board_open(seg, "board", 0, NULL, &other), -EINVAL);
	assert_null(other);
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_board_open(seg, "board", DURE_OPEN, NULL, &other), -EDEADLK, "transaction");
	T_OK(dure_tx_abort(tx));
	T_FAILS(dure_board_destroy(seg, "board"), -EBUSY, "dure_board_shut");
	T_IS(dure_board_destroy(seg, "none"), -ENOENT);
	T_FAILS(dure_board_write(board, buffer, BYTES + 1, 0, NULL), -EMSGSIZE, "4096");
	T_FAILS(dure_board_publish(board, 1, NULL), -EPERM, "reserved");
	T_IS(dure_board_cancel(board), -EPERM);
	T_OK(dure_board_reserve(board, 0, &room));
	T_IS(dure_board_write(board, buffer, 1, 0, NULL), -EDEADLK);
	T_IS(dure_board_reserve(board, 0, &room), -EDEADLK);
	T_IS(dure_board_shut(board), -EDEADLK);
	T_OK(dure_board_publish(board, 16, NULL));
	T_FAILS(dure_board_read(board, buffer, 8, &bytes, NULL), -EMSGSIZE, "16");
	assert_int_equal(bytes, 77);
	T_IS(dure_board_wait(board, 1, 0), -EAGAIN);
	T_IS(dure_board_wait(board, 1, 1000000), -ETIMEDOUT);
	T_OK(dure_board_wait(board, 0, 0));
	T_IS(dure_board_is_whole(board, 0), 0);
	T_IS(dure_board_is_whole(board, 9), 0);
	dure_board_close(NULL);
}

/* What was seen of a value that has been written over does not count. */
static void looks_are_told_when_overtaken(void **state)
{
	const void *data;
	uint64_t version;
	size_t bytes;

	(void)state;
	put(board, 1, 10);
	T_OK(dure_board_look(board, &data, &bytes, &version));
	assert_int_equal(bytes, 10);
	assert_int_equal(filling_of(data, bytes), 1);
	for (int i = 2; i < 4; i++) {
		put(board, (unsigned char)i, 10);
		assert_int_equal(filling_of(data, bytes), 1);
		T_IS(dure_board_is_whole(board, version), 1);
	}
	put(board, 4, 10);
	T_IS(dure_board_is_whole(board, version), 0);
	dure_board_close(board);
	T_OK(dure_board_destroy(seg, "board"));
	open_board(8, 2);
	put(board, 1, 8);
	T_OK(dure_board_look(board, &data, &bytes, &version));
	T_IS(dure_board_is_whole(board, version), 1);
	put(board, 2, 8);
	T_IS(dure_board_is_whole(board, version), 0);
}

/* -- processes --------------------------------------------------------------------------- */

static dure_board *reopened(void)
{
	dure_board *own;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_board_open(seg, "board", DURE_OPEN, NULL, &own) == 0);
	return own;
}

static pid_t start_writer(void)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		unsigned char data[BYTES];
		dure_board *own = reopened();
		for (unsigned i = 0;; i++) {
			size_t bytes = i * 997 % BYTES + 1;
			void *room;
			memset(data, (int)(i & 0xff), sizeof data);
			if (i % 2) {
				T_IN_CHILD(dure_board_write(own, data, bytes, DURE_FOREVER, NULL) == 0);
				continue;
			}
			T_IN_CHILD(dure_board_reserve(own, DURE_FOREVER, &room) == 0);
			memcpy(room, data, bytes);
			T_IN_CHILD(dure_board_publish(own, bytes, NULL) == 0);
		}
	}
	return pid;
}

/* Writers are killed and stopped in the middle; reading fails never, and no value is torn. */
static void no_value_is_torn(void **state)
{
	unsigned char data[BYTES];
	uint64_t version, last = 0, moves = 0;
	size_t bytes;

	(void)state;
	put(board, 0, BYTES);
	for (int round = 0; round < 60; round++) {
		pid_t writers[2] = { start_writer(), start_writer() };
		for (int64_t end = t_now_ns() + 5000000 + round * 100000; t_now_ns() < end;) {
			T_OK(dure_board_read(board, data, sizeof data, &bytes, &version));
			assert_true(version >= last);
			moves += version != last;
			last = version;
			assert_true(filling_of(data, bytes) >= 0);
		}
		kill(writers[0], SIGSTOP);
		T_OK(dure_board_read(board, data, sizeof data, &bytes, &version));
		assert_true(filling_of(data, bytes) >= 0);
		t_kill(writers[1]);
		t_kill(writers[0]);
		T_OK(dure_board_read(board, data, sizeof data, &bytes, &version));
		assert_true(filling_of(data, bytes) >= 0);
		put(board, 7, 64);	/* at once, though the dead may have the lock */
		assert_int_equal(read_filling(board), 7);
	}
	assert_true(moves > 60);
}

static void who_waits_is_woken(void **state)
{
	struct dure_board_info info = { .sz = sizeof info };
	pid_t pids[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			dure_board *own = reopened();
			uint64_t version = 0, seen = 0;
			char byte = 0;
			while (byte != 'e') {
				T_IN_CHILD(dure_board_wait(own, seen, 20000000000) == 0);
				T_IN_CHILD(dure_board_read(own, &byte, 1, NULL, &version) == 0);
				T_IN_CHILD(version > seen);
				seen = version;
			}
			T_IN_CHILD(dure_board_wait(own, seen, 20000000000) == -ESHUTDOWN);
			_exit(0);
		}
	}
	do
		T_OK(dure_board_info(board, &info));
	while (info.waits < 3);
	for (int i = 0; i < 500; i++)
		T_OK(dure_board_write(board, "w", 1, DURE_FOREVER, NULL));
	T_OK(dure_board_write(board, "e", 1, DURE_FOREVER, NULL));
	uint64_t waits = 0;
	do {
		T_OK(dure_board_info(board, &info));
		waits = info.waits;
	} while (waits < 4);
	T_OK(dure_board_shut(board));
	for (int i = 0; i < 3; i++)
		t_join(pids[i]);
	T_FAILS(dure_board_write(board, "x", 1, 0, NULL), -ESHUTDOWN, "shut");
	T_IS(dure_board_reserve(board, 0, &(void *){ NULL }), -ESHUTDOWN);
	assert_int_equal(read_filling(board), 'e');
	T_OK(dure_board_shut(board));
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void a_descriptor_tells(void **state)
{
	int fd = dure_board_fd(board);
	uint64_t version = 0;
	pid_t pid;

	(void)state;
	T_OK(fd);
	assert_int_equal(dure_board_fd(board), fd);
	assert_true(is_readable(fd, 20000));
	T_IS(dure_board_wait(board, 0, 0), -EAGAIN);
	assert_false(is_readable(fd, 0));
	for (int i = 0; i < 20; i++) {
		pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_board_write(reopened(), "x", 1, 0, NULL) == 0);
			kill(getpid(), SIGKILL);
		}
		do
			assert_true(is_readable(fd, 20000));
		while (dure_board_wait(board, version, 0) == -EAGAIN);
		T_OK(dure_board_read(board, &(char){ 0 }, 1, NULL, &version));
		assert_int_equal(version, i + 1);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		T_IS(dure_board_wait(board, version, 0), -EAGAIN);
	}
}

/* It can be read where nothing can be written, and is not trusted to stay. */
static void readers_need_no_right_to_write(void **state)
{
	dure_segment *read_only;
	dure_board *reader, *other;
	char byte;

	(void)state;
	put(board, 5, 1);
	T_OK(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &read_only));
	T_OK(dure_board_open(read_only, "board", DURE_OPEN, NULL, &reader));
	assert_int_equal(read_filling(reader), 5);
	T_OK(dure_board_wait(reader, 0, 0));
	T_IS(dure_board_wait(reader, 1, 0), -EAGAIN);
	T_FAILS(dure_board_wait(reader, 1, 1), -EROFS, "reading");
	T_IS(dure_board_write(reader, "x", 1, 0, NULL), -EROFS);
	T_IS(dure_board_fd(reader), -EROFS);
	T_IS(dure_board_open(read_only, "board", DURE_CREATE | DURE_OPEN,
			     &(struct dure_board_options){ .sz = sizeof(struct dure_board_options),
							   .bytes = 8 }, &other), -EROFS);
	dure_board_close(board);
	T_OK(dure_board_destroy(seg, "board"));
	T_FAILS(dure_board_read(reader, &byte, 1, NULL, NULL), -ESTALE, "destroyed");
	open_board(BYTES, 0);			/* in the same block */
	put(board, 6, 1);
	T_IS(dure_board_read(reader, &byte, 1, NULL, NULL), -ESTALE);
	T_IS(dure_board_is_whole(reader, 1), -ESTALE);
	dure_board_close(reader);
	T_OK(dure_segment_close(read_only));
}

static void a_child_opens_it_again(void **state)
{
	pid_t pid;

	(void)state;
	put(board, 1, 1);
	pid = t_fork();
	if (pid == 0) {
		char byte;
		T_IN_CHILD(dure_board_read(board, &byte, 1, NULL, NULL) == -ESTALE);
		T_IN_CHILD(dure_board_write(board, "x", 1, 0, NULL) == -ESTALE);
		T_IN_CHILD(dure_board_wait(board, 0, 0) == -ESTALE);
		dure_board_close(board);
		dure_board_close(reopened());
		_exit(0);
	}
	t_join(pid);
}

/* -- damage ------------------------------------------------------------------------------ */

static void fill(dure_segment *image)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = 300, .values = 3 };
	unsigned char data[300] = { 0 };
	dure_board *b;

	T_OK(dure_board_open(image, "board", DURE_CREATE, &o, &b));
	for (unsigned i = 1; i < 8; i++) {
		memset(data, (int)i, sizeof data);
		T_OK(dure_board_write(b, data, i * 40, 0, NULL));
	}
	dure_board_close(b);
}

static void do_all(dure_segment *image)
{
	struct dure_board_info info = { .sz = sizeof info };
	unsigned char data[4096] = { 0 };
	uint64_t version = 0;
	const void *seen;
	size_t bytes = 0;
	dure_board *b;
	void *place;

	if (dure_board_open(image, "board", DURE_OPEN, NULL, &b) < 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		if (dure_board_read(b, data, sizeof data, &bytes, &version) == 0)
			assert_true(bytes <= sizeof data);
		if (dure_board_look(b, &seen, &bytes, &version) == 0) {
			memcpy(data, seen, bytes < sizeof data ? bytes : sizeof data);
			(void)dure_board_is_whole(b, version);
		}
		(void)dure_board_wait(b, version, 0);
		(void)dure_board_write(b, data, i * 100, 0, NULL);
		if (dure_board_reserve(b, 0, &place) == 0) {
			memset(place, 1, 300);
			(void)(i % 2 ? dure_board_cancel(b) : dure_board_publish(b, 300, NULL));
		}
	}
	(void)dure_board_info(b, &info);
	(void)dure_board_shut(b);
	dure_board_close(b);
	(void)dure_board_destroy(image, "board");
}

static void any_bytes_are_an_error_at_worst(void **state)
{
	(void)state;
	any_bytes(fill, NULL, do_all, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_value_counts),
		TEST(misuse),
		TEST(looks_are_told_when_overtaken),
		TEST(no_value_is_torn),
		TEST(who_waits_is_woken),
		TEST(a_descriptor_tells),
		TEST(readers_need_no_right_to_write),
		TEST(a_child_opens_it_again),
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, t_signals_by_default, NULL);
}
