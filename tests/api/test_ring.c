/* SPDX-License-Identifier: MIT */
/* Description: records go from one end of a ring to the other in their order and whole; a
   successor takes over a dead one's end; who sleeps is woken. */
#include "../t.h"

#include <pthread.h>

static dure_segment *seg;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	T_OK(dure_ring_destroy(seg, "ring"));
	t_close(seg);
	return 0;
}

static dure_ring *open_end(uint32_t end, uint64_t bytes)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = bytes };
	dure_ring *ring;

	T_OK(dure_ring_open(seg, "ring", DURE_CREATE | DURE_OPEN, &o, end, 20000000000, &ring));
	return ring;
}

static uint32_t length_of(uint32_t i)
{
	return i * 37 % 500;
}

static void fill(unsigned char *data, uint32_t i)
{
	memset(data, (int)(i & 0xff), length_of(i) + 4);
	memcpy(data, &i, 4);
}

static bool is_record(const unsigned char *data, size_t bytes, uint32_t i)
{
	unsigned char expected[600];

	fill(expected, i);
	return bytes == length_of(i) + 4 && memcmp(data, expected, bytes) == 0;
}

static void records_come_in_order(void **state)
{
	dure_ring *sender = open_end(DURE_RING_SENDER, 4096),
		  *receiver = open_end(DURE_RING_RECEIVER, 4096);
	unsigned char data[600];
	uint32_t sent = 0, received = 0;
	const void *seen;
	size_t bytes = 77;
	void *room;

	(void)state;
	T_IS(dure_ring_receive(receiver, data, sizeof data, &bytes, 0), -EAGAIN);
	while (received < 20000) {
		for (fill(data, sent); dure_ring_send(sender, data, length_of(sent) + 4, 0) == 0; )
			fill(data, ++sent);
		assert_true(sent - received >= 7);
		T_OK(dure_ring_look(receiver, &seen, &bytes, 0));
		assert_true(is_record(seen, bytes, received));
		T_OK(dure_ring_done(receiver));
		received++;
		for (int i = 0; i < 3; i++, received++) {
			T_OK(dure_ring_receive(receiver, data, sizeof data, &bytes, 0));
			assert_true(is_record(data, bytes, received));
		}
	}
	while (dure_ring_receive(receiver, data, sizeof data, &bytes, 0) == 0)
		assert_true(is_record(data, bytes, received++));
	assert_int_equal(sent, received);
	T_OK(dure_ring_reserve(sender, 0, &room, 0));
	T_OK(dure_ring_publish(sender));
	T_OK(dure_ring_receive(receiver, NULL, 0, &bytes, 0));
	assert_int_equal(bytes, 0);
	/* its length is known to those who sent it */
	T_OK(dure_ring_send(sender, "four", 4, 0));
	T_OK(dure_ring_receive(receiver, data, sizeof data, NULL, 0));
	assert_memory_equal(data, "four", 4);
	dure_ring_close(sender);
	dure_ring_close(receiver);
}

static void misuse(void **state)
{
	dure_ring *sender = open_end(DURE_RING_SENDER, 1024),
		  *receiver = open_end(DURE_RING_RECEIVER, 1024), *other;
	struct dure_ring_options o = { .sz = sizeof o, .bytes = 1000 };
	size_t bytes = 77;
	char data[512];

	(void)state;
	memset(data, 1, sizeof data);
	T_IS(dure_ring_open(seg, "ring", DURE_OPEN, NULL, 0, 0, &other), -EAGAIN);
	T_IS(dure_ring_open(seg, "ring", DURE_OPEN, NULL, 0, 1000000, &other), -ETIMEDOUT);
	T_IS(dure_ring_open(seg, "ring", DURE_OPEN, NULL, 2, 0, &other), -EINVAL);
	T_IS(dure_ring_open(seg, "ring", DURE_CREATE, NULL, 0, 0, &other), -EEXIST);
	T_IS(dure_ring_open(seg, "none", DURE_OPEN, NULL, 0, 0, &other), -ENOENT);
	T_IS(dure_ring_open(seg, "new", DURE_CREATE, &o, 0, 0, &other), -EINVAL);
	T_FAILS(dure_ring_destroy(seg, "ring"), -EBUSY, "end");
	T_FAILS(dure_ring_send(receiver, data, 1, 0), -EPERM, "sender");
	T_FAILS(dure_ring_receive(sender, data, 1, &bytes, 0), -EPERM, "receiver");
	T_IS(dure_ring_send(sender, data, 500, 0), -EMSGSIZE);
	T_IS(dure_ring_publish(sender), -EINVAL);
	T_IS(dure_ring_done(receiver), -EINVAL);
	T_OK(dure_ring_send(sender, data, 496, 0));
	T_FAILS(dure_ring_receive(receiver, data, 495, &bytes, 0), -EMSGSIZE, "496");
	assert_int_equal(bytes, 77);
	T_IS(dure_ring_done(receiver), -EINVAL);
	T_OK(dure_ring_send(sender, data, 480, 0));
	T_IS(dure_ring_send(sender, data, 480, 1000000), -ETIMEDOUT);
	T_OK(dure_ring_receive(receiver, data, 496, &bytes, 0));
	T_OK(dure_ring_receive(receiver, data, 496, &bytes, 0));
	/* an end that has left: what it sent is received first */
	T_OK(dure_ring_send(sender, "last", 4, 0));
	dure_ring_close(sender);
	T_OK(dure_ring_receive(receiver, data, 496, &bytes, DURE_FOREVER));
	T_IS(dure_ring_receive(receiver, data, 496, &bytes, DURE_FOREVER), -ENOTCONN);
	dure_ring_close(receiver);
}

enum { MANY = 200000 };

static void *send_many(void *context)
{
	dure_ring *sender = open_end(DURE_RING_SENDER, 4096);
	unsigned char data[600];

	for (uint32_t i = 0; i < MANY; i++) {
		fill(data, i);
		T_OK(dure_ring_send(sender, data, length_of(i) + 4, DURE_FOREVER));
	}
	dure_ring_close(sender);
	return context;
}

static void between_threads(void **state)
{
	dure_ring *receiver = open_end(DURE_RING_RECEIVER, 4096);
	unsigned char data[600];
	pthread_t thread;
	size_t bytes;

	(void)state;
	pthread_create(&thread, NULL, send_many, NULL);
	for (uint32_t i = 0; i < MANY; i++) {
		T_OK(dure_ring_receive(receiver, data, sizeof data, &bytes, DURE_FOREVER));
		assert_true(is_record(data, bytes, i));
	}
	pthread_join(thread, NULL);
	dure_ring_close(receiver);
}

/* In a child: sends on from *next until it is killed. */
static pid_t sender_process(const char *name, const uint32_t *next)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		unsigned char data[600];
		dure_segment *mine;
		dure_ring *ring;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(dure_ring_open(mine, "ring", DURE_CREATE | DURE_OPEN, NULL, DURE_RING_SENDER,
					  20000000000, &ring) >= 0);
		/* the number of the last record that was sent is known by what is received */
		for (uint32_t i = __atomic_load_n(next, __ATOMIC_ACQUIRE); ; i++) {
			fill(data, i);
			T_IN_CHILD(dure_ring_send(ring, data, length_of(i) + 4, DURE_FOREVER) == 0);
		}
	}
	return pid;
}

/* Each successor's records are in order and whole, whatever the one before was doing. */
static void senders_are_killed(void **state)
{
	uint32_t *next = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dure_ring *receiver = open_end(DURE_RING_RECEIVER, 2048);
	const char *name = t_name();
	unsigned char data[600];
	uint32_t expected = 0;
	size_t bytes;
	int r;

	(void)state;
	for (int round = 0; round < 60; round++) {
		*next = expected;
		pid_t pid = sender_process(name, next);
		unsigned until = expected + 200 + (unsigned)round * 17;
		while (expected < until) {
			r = dure_ring_receive(receiver, data, sizeof data, &bytes, 20000000000);
			/* the last one is dead, the next one not there yet */
			if (r == -ENOTCONN)
				t_sleep_ms(1);
			else
				T_OK(r);
			assert_true(r < 0 || is_record(data, bytes, expected));
			expected += r == 0;
		}
		t_kill(pid);
		while ((r = dure_ring_receive(receiver, data, sizeof data, &bytes, DURE_FOREVER)) == 0)
			assert_true(is_record(data, bytes, expected++));
		assert_int_equal(r, -ENOTCONN);
	}
	dure_ring_close(receiver);
	munmap(next, 4096);
}

/* In a child: receives, and says in shared memory what it has got. */
static pid_t receiver_process(const char *name, uint32_t *got)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		const void *data;
		dure_segment *mine;
		dure_ring *ring;
		size_t bytes;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(dure_ring_open(mine, "ring", DURE_CREATE | DURE_OPEN, NULL, DURE_RING_RECEIVER,
					  20000000000, &ring) >= 0);
		for (;;) {
			T_IN_CHILD(dure_ring_look(ring, &data, &bytes, DURE_FOREVER) == 0);
			/* killed between these two: the same one again */
			T_IN_CHILD(is_record(data, bytes, *got) || is_record(data, bytes, *got - 1));
			if (is_record(data, bytes, *got))
				++*(volatile uint32_t *)got;
			T_IN_CHILD(dure_ring_done(ring) == 0);
		}
	}
	return pid;
}

static void receivers_are_killed(void **state)
{
	uint32_t *got = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dure_ring *sender = open_end(DURE_RING_SENDER, 2048);
	const char *name = t_name();
	unsigned char data[600];
	uint32_t sent = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		pid_t pid = receiver_process(name, got);
		uint32_t until = sent + 300;
		int r = 0;
		while (sent < until) {
			fill(data, sent);
			r = dure_ring_send(sender, data, length_of(sent) + 4, 20000000000);
			/* the last one is dead, the next one not there yet */
			if (r == -ENOTCONN)
				t_sleep_ms(1);
			else
				T_OK(r);
			sent += r == 0;
		}
		t_kill(pid);
	}
	assert_true(*got <= sent && *got + 60 >= 300 * 59 / 2);
	dure_ring_close(sender);
	munmap(got, 4096);
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Both sides poll and never sleep in the ring; then the sender is killed, which is told, too. */
static void descriptors_tell(void **state)
{
	enum { RECORDS = 3000 };
	dure_ring *receiver = open_end(DURE_RING_RECEIVER, 1024);
	const char *name = t_name();
	unsigned char data[600];
	pid_t pid = t_fork();
	size_t bytes;
	int fd, r;

	(void)state;
	if (pid == 0) {
		dure_segment *mine;
		dure_ring *ring;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(dure_ring_open(mine, "ring", DURE_OPEN, NULL, DURE_RING_SENDER,
					  20000000000, &ring) == 0);
		int own = dure_ring_fd(ring);
		T_IN_CHILD(own >= 0);
		for (uint32_t i = 0; i < RECORDS;) {
			memcpy(data, &i, 4);
			r = dure_ring_send(ring, data, 100, 0);
			T_IN_CHILD(r == 0 || (r == -EAGAIN && is_readable(own, 20000)));
			i += r == 0;
		}
		kill(getpid(), SIGKILL);
	}
	fd = dure_ring_fd(receiver);
	T_OK(fd);
	assert_int_equal(dure_ring_fd(receiver), fd);
	for (uint32_t i = 0; i < RECORDS;) {
		r = dure_ring_receive(receiver, data, sizeof data, &bytes, 0);
		if (r == -EAGAIN) {
			assert_true(is_readable(fd, 20000));
			continue;
		}
		T_OK(r);
		assert_memory_equal(data, &i, 4);
		i++;
	}
	while ((r = dure_ring_receive(receiver, data, sizeof data, &bytes, 0)) == -EAGAIN)
		assert_true(is_readable(fd, 20000));
	assert_int_equal(r, -ENOTCONN);
	waitpid(pid, NULL, 0);
	dure_ring_close(receiver);
}

/* The records of a copy that was made while they went through are whole, and follow each other. */
static void clones_have_whole_records(void **state)
{
	uint32_t *got = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct dure_segment_options file = { .sz = sizeof file, .backing = DURE_BACKING_FILE };
	const char *name = t_name();
	unsigned char data[600];
	char path[80];
	size_t bytes;
	pid_t sender, receiver;

	(void)state;
	receiver = receiver_process(name, got);
	sender = sender_process(name, got + 1);
	snprintf(path, sizeof path, "/dev/shm/%s-clone", name);
	for (int i = 0; i < 30; i++) {
		uint32_t first = 0, number, seen = *(volatile uint32_t *)got;
		dure_segment *copy;
		dure_ring *ring;
		int64_t end = t_now_ns() + 20000000000;
		while (*(volatile uint32_t *)got == seen && t_now_ns() < end)
			sched_yield();
		assert_true(*(volatile uint32_t *)got != seen);	/* it goes on */
		T_OK(dure_segment_clone(seg, path, 20000000000));
		T_OK(dure_segment_open(path, DURE_OPEN, &file, &copy));
		T_OK(dure_ring_open(copy, "ring", DURE_OPEN, NULL, DURE_RING_RECEIVER, 20000000000,
				    &ring));
		for (uint32_t k = 0; dure_ring_receive(ring, data, sizeof data, &bytes, 0) == 0; k++) {
			memcpy(&number, data, 4);
			first = k ? first : number;
			assert_true(is_record(data, bytes, number) && number == first + k);
		}
		dure_ring_close(ring);
		T_OK(dure_segment_close(copy));
		unlink(path);
	}
	kill(receiver, SIGSTOP);	/* it shall not be told that the sender is gone */
	t_kill(sender);
	t_kill(receiver);
	munmap(got, 4096);
}

/* Whatever the words of a ring are, each call ends, with an error at worst. */
static void any_bytes_are_an_error_at_worst(void **state)
{
	enum { ROUNDS = 20000, RING_BYTES = 1024, WORDS = (192 + RING_BYTES) / 8 };
	dure_ring *sender = open_end(DURE_RING_SENDER, RING_BYTES),
		  *receiver = open_end(DURE_RING_RECEIVER, RING_BYTES);
	uint64_t dice = 88172645463325252u, copy[WORDS], *words;
	unsigned char data[600] = { 0 };
	dure_ref *place;
	const void *seen;
	size_t bytes;

	(void)state;
	T_OK(dure_object_find(seg, "ring", dure_type_make("dure_ring", 16, 16), (void **)&place, NULL));
	words = dure_ref_get(seg, *place, sizeof copy);
	assert_non_null(words);
	for (int i = 0; i < 5; i++)
		T_OK(dure_ring_send(sender, data, 60, 0));
	T_OK(dure_ring_receive(receiver, data, sizeof data, &bytes, 0));
	memcpy(copy, words, sizeof copy);
	for (int round = 0; round < ROUNDS; round++) {
		for (int damages = 0; damages < 2; damages++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			unsigned at = 8 + (unsigned)(dice % (WORDS - 8));
			if (at == 8 || at == 16)	/* who has the ends: that is us */
				continue;
			words[at] = dice & 1 << 20 ? dice >> 32 : copy[at] ^ 1ull << (dice >> 40 & 63);
		}
		(void)dure_ring_send(sender, data, dice >> 50 & 255, 0);
		(void)dure_ring_look(receiver, &seen, &bytes, 0);
		(void)dure_ring_receive(receiver, data, sizeof data, &bytes, 0);
		(void)dure_segment_check(seg, NULL, NULL, NULL);
		if (round % 16 == 15) {		/* successors come upon it, too */
			dure_ring_close(sender);
			dure_ring_close(receiver);
			struct dure_ring_options o = { .sz = sizeof o, .bytes = RING_BYTES };
			int r = dure_ring_open(seg, "ring", DURE_OPEN, &o, DURE_RING_SENDER, 0, &sender);
			assert_true(r == 0 || r == -EUCLEAN);
			if (r < 0) {
				memcpy(words, copy, sizeof copy);
				words[8] = words[16] = 0;
				sender = open_end(DURE_RING_SENDER, RING_BYTES);
			}
			memcpy(words + 9, copy + 9, 7 * 8);
			memcpy(words + 17, copy + 17, sizeof copy - 17 * 8);
			words[16] = 0;
			receiver = open_end(DURE_RING_RECEIVER, RING_BYTES);
		}
	}
	dure_ring_close(sender);
	dure_ring_close(receiver);
	memcpy(words, copy, sizeof copy);
	words[8] = words[16] = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(records_come_in_order),
		TEST(misuse),
		TEST(between_threads),
		TEST(senders_are_killed),
		TEST(receivers_are_killed),
		TEST(descriptors_tell),
		TEST(clones_have_whole_records),
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
