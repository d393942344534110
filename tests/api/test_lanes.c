/* SPDX-License-Identifier: MIT */
/* Description: records of many senders come to one receiver, each sender's in their order and
   whole; lanes of the dead are used again, and nothing that was sent is lost. */
#include "../t.h"

#include <pthread.h>

enum { LANE_BYTES = 1024 };

static const int64_t patience_ns = 20000000000;
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
	T_OK(dure_lanes_destroy(seg, "lanes"));
	t_close(seg);
	return 0;
}

static int try_open(dure_segment *in, uint32_t end, int64_t timeout_ns, dure_lanes **ret)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = LANE_BYTES, .senders_max = 4 };

	return dure_lanes_open(in, "lanes", DURE_CREATE | DURE_OPEN, &o, end, timeout_ns, ret);
}

static dure_lanes *open_end(uint32_t end)
{
	dure_lanes *lanes;

	T_OK(try_open(seg, end, patience_ns, &lanes));
	return lanes;
}

/* of a sender, the number-th of it; the length is any from 12 */
struct record {
	uint32_t sender, number, bytes;
	unsigned char filling[300];
};

static size_t fill(struct record *record, uint32_t sender, uint32_t number)
{
	*record = (struct record){ .sender = sender, .number = number,
				   .bytes = 12 + (number * 37 + sender) % 288 };
	memset(record->filling, (int)(number & 0xff), record->bytes - 12);
	return record->bytes;
}

static bool is_whole(const struct record *record, size_t bytes)
{
	struct record expected;

	return bytes >= 12 && bytes == fill(&expected, record->sender, record->number) &&
	       memcmp(record, &expected, bytes) == 0;
}

static struct dure_lanes_info info_of(dure_lanes *lanes)
{
	struct dure_lanes_info info = { .sz = sizeof info };

	T_OK(dure_lanes_info(lanes, &info));
	return info;
}

/* -- one thread -------------------------------------------------------------------------- */

static void each_senders_order_is_kept(void **state)
{
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER), *senders[4];
	uint32_t sent[4] = { 0 }, got[4] = { 0 }, lane, dice = 1;
	struct record record;
	size_t bytes = 77;

	(void)state;
	T_IS(dure_lanes_receive(receiver, &record, sizeof record, &bytes, &lane, 0), -EAGAIN);
	for (uint32_t i = 0; i < 4; i++)
		senders[i] = open_end(DURE_LANES_SENDER);
	for (int round = 0; round < 40000; round++) {
		uint32_t i = (dice = dice * 1103515245 + 12345) >> 16 & 3;
		if (dure_lanes_send(senders[i], &record, fill(&record, i, sent[i]), 0) == 0)
			sent[i]++;
		if ((dice >> 20 & 3) == 0)
			continue;
		if (dure_lanes_receive(receiver, &record, sizeof record, &bytes, &lane, 0) < 0)
			continue;
		assert_true(is_whole(&record, bytes) && record.sender == lane);
		assert_int_equal(record.number, got[lane]++);
	}
	while (dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, 0) == 0)
		got[record.sender]++;
	assert_memory_equal(sent, got, sizeof sent);
	assert_true(sent[0] > 1000 && sent[3] > 1000);
	assert_int_equal(info_of(receiver).bytes, 0);
	for (uint32_t i = 0; i < 4; i++)
		dure_lanes_close(senders[i]);
	dure_lanes_close(receiver);
}

/* A lane that never runs dry does not keep the others' records for ever. */
static void nobody_is_passed_over(void **state)
{
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER), *busy = open_end(DURE_LANES_SENDER),
		   *quiet = open_end(DURE_LANES_SENDER);
	uint32_t lane = 9, word = 1;
	size_t bytes;
	int passed = 0;

	(void)state;
	T_OK(dure_lanes_send(busy, &word, 4, 0));
	T_OK(dure_lanes_receive(receiver, &word, 4, NULL, &lane, 0));
	assert_int_equal(lane, 0);
	T_OK(dure_lanes_send(quiet, &word, 4, 0));
	for (; lane == 0; passed++) {
		while (dure_lanes_send(busy, &word, 4, 0) == 0)
			;
		T_OK(dure_lanes_receive(receiver, &word, 4, &bytes, &lane, 0));
	}
	assert_int_equal(lane, 1);
	assert_in_range(passed, 1, 100);
	while (dure_lanes_receive(receiver, &word, 4, &bytes, NULL, 0) == 0)
		;
	dure_lanes_close(busy);
	dure_lanes_close(quiet);
	dure_lanes_close(receiver);
}

static void looked_at_it_stays(void **state)
{
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER), *sender = open_end(DURE_LANES_SENDER),
		   *other = open_end(DURE_LANES_SENDER);
	const void *seen, *again;
	uint32_t lane;
	size_t bytes;
	void *room;

	(void)state;
	T_OK(dure_lanes_reserve(other, 5, &room, 0));
	memcpy(room, "five", 5);
	T_IS(dure_lanes_look(receiver, &seen, &bytes, &lane, 0), -EAGAIN);
	T_OK(dure_lanes_publish(other));
	T_OK(dure_lanes_look(receiver, &seen, &bytes, &lane, 0));
	assert_string_equal(seen, "five");
	T_OK(dure_lanes_send(sender, "six", 4, 0));
	T_OK(dure_lanes_look(receiver, &again, &bytes, &lane, 0));
	assert_true(seen == again && bytes == 5 && lane == 1);
	assert_int_equal(info_of(sender).waiting, 2);
	/* a receiver that leaves has not received it */
	dure_lanes_close(receiver);
	receiver = open_end(DURE_LANES_RECEIVER);
	for (int i = 0; i < 2; i++) {
		T_OK(dure_lanes_look(receiver, &seen, &bytes, &lane, 0));
		assert_string_equal(seen, lane == 1 ? "five" : "six");
		T_OK(dure_lanes_done(receiver));
	}
	T_IS(dure_lanes_done(receiver), -EINVAL);
	dure_lanes_close(receiver);
	dure_lanes_close(sender);
	dure_lanes_close(other);
}

static void misuse(void **state)
{
	struct dure_lanes_options odd = { .sz = sizeof odd, .bytes = 1000 },
				  many = { .sz = sizeof many, .senders_max = 5000 };
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER), *senders[4], *none;
	char data[1024] = { 0 };
	size_t bytes = 77;
	uint32_t lane = 77;
	void *room;

	(void)state;
	T_IS(try_open(seg, DURE_LANES_RECEIVER, 0, &none), -EAGAIN);
	T_IS(try_open(seg, DURE_LANES_RECEIVER, 1000000, &none), -ETIMEDOUT);
	T_IS(try_open(seg, 2, 0, &none), -EINVAL);
	T_IS(dure_lanes_open(seg, "lanes", DURE_CREATE, NULL, 0, 0, &none), -EEXIST);
	T_IS(dure_lanes_open(seg, "none", DURE_OPEN, NULL, 0, 0, &none), -ENOENT);
	T_FAILS(dure_lanes_open(seg, "new", DURE_CREATE, &odd, 0, 0, &none), -EINVAL, "1000");
	T_FAILS(dure_lanes_open(seg, "new", DURE_CREATE, &many, 0, 0, &none), -EINVAL, "5000");
	T_IS(dure_lanes_open(seg, NULL, DURE_CREATE, NULL, 0, 0, &none), -EINVAL);
	for (int i = 0; i < 4; i++)
		senders[i] = open_end(DURE_LANES_SENDER);
	T_IS(try_open(seg, DURE_LANES_SENDER, 0, &none), -EAGAIN);
	T_IS(try_open(seg, DURE_LANES_SENDER, 1000000, &none), -ETIMEDOUT);
	T_FAILS(dure_lanes_destroy(seg, "lanes"), -EBUSY, "end");
	T_IS(dure_lanes_destroy(seg, "none"), -ENOENT);
	T_FAILS(dure_lanes_send(receiver, data, 1, 0), -EPERM, "sender");
	T_FAILS(dure_lanes_receive(senders[0], data, 1, &bytes, &lane, 0), -EPERM, "receiver");
	T_IS(dure_lanes_done(senders[0]), -EPERM);
	T_IS(dure_lanes_reserve(receiver, 1, &room, 0), -EPERM);
	T_IS(dure_lanes_publish(senders[1]), -EINVAL);
	T_IS(dure_lanes_send(senders[0], data, 500, 0), -EMSGSIZE);
	T_OK(dure_lanes_send(senders[0], data, 496, 0));
	T_IS(dure_lanes_receive(receiver, data, 495, &bytes, &lane, 0), -EMSGSIZE);
	assert_true(bytes == 77 && lane == 77);
	T_OK(dure_lanes_send(senders[0], data, 480, 0));
	T_IS(dure_lanes_send(senders[0], data, 480, 1000000), -ETIMEDOUT);
	T_IS(dure_lanes_receive(receiver, data, sizeof data, &bytes, &lane, 0), 0);
	T_IS(dure_lanes_receive(receiver, data, sizeof data, &bytes, &lane, 0), 0);
	T_IS(dure_lanes_receive(receiver, data, sizeof data, &bytes, &lane, 1000000), -ETIMEDOUT);
	assert_true(bytes == 480 && lane == 0);
	assert_int_equal(info_of(senders[2]).senders, 4);
	assert_int_equal(info_of(senders[2]).has_receiver, 1);
	T_OK(dure_lanes_send(senders[3], "last", 4, 0));
	dure_lanes_close(receiver);
	for (int i = 0; i < 2; i++)
		T_OK(dure_lanes_send(senders[2], data, 480, 0));
	T_IS(dure_lanes_send(senders[2], data, 480, DURE_FOREVER), -ENOTCONN);
	assert_int_equal(info_of(senders[2]).has_receiver, 0);
	for (int i = 0; i < 4; i++)
		dure_lanes_close(senders[i]);
	dure_lanes_close(NULL);
}

/* -- threads ----------------------------------------------------------------------------- */

enum { MANY = 100000, SENDERS = 4 };

static void *send_many(void *context)
{
	dure_lanes *sender = open_end(DURE_LANES_SENDER);
	uint32_t number = *(uint32_t *)context;
	struct record record;

	for (uint32_t i = 0; i < MANY; i++)
		T_OK(dure_lanes_send(sender, &record, fill(&record, number, i), DURE_FOREVER));
	dure_lanes_close(sender);
	return NULL;
}

static void between_threads(void **state)
{
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER);
	uint32_t numbers[SENDERS], got[SENDERS] = { 0 };
	pthread_t threads[SENDERS];
	struct record record;
	size_t bytes;

	(void)state;
	for (uint32_t i = 0; i < SENDERS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, send_many, &numbers[i]);
	}
	for (uint32_t i = 0; i < SENDERS * MANY; i++) {
		T_OK(dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, patience_ns));
		assert_true(is_whole(&record, bytes) && record.sender < SENDERS);
		assert_int_equal(record.number, got[record.sender]++);
	}
	for (uint32_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	dure_lanes_close(receiver);
}

/* A thread that ends has left its lane, without closing it. */
static void *open_and_end(void *context)
{
	*(dure_lanes **)context = open_end(DURE_LANES_SENDER);
	T_OK(dure_lanes_send(*(dure_lanes **)context, "x", 1, 0));
	return NULL;
}

static void threads_that_end_leave_their_lanes(void **state)
{
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER), *handles[20];
	pthread_t thread;
	uint32_t lane;
	size_t bytes;
	char byte;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pthread_create(&thread, NULL, open_and_end, &handles[i]);
		pthread_join(thread, NULL);
	}
	for (int i = 0; i < 20; i++) {
		T_OK(dure_lanes_receive(receiver, &byte, 1, &bytes, &lane, 0));
		assert_int_equal(lane, 0);
		dure_lanes_close(handles[i]);
	}
	T_IS(dure_lanes_receive(receiver, &byte, 1, &bytes, &lane, 0), -EAGAIN);
	dure_lanes_close(receiver);
}

/* -- processes that are killed ----------------------------------------------------------- */

/* sent and received, by lives of a sender: what is sent is counted after it is sent */
struct count {
	uint32_t sent[4];
	uint32_t got;
};

static struct count *make_count(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* In a child: sends on until it is killed. */
static pid_t sender_process(const char *name, uint32_t sender, uint32_t first, struct count *count)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		struct record record;
		dure_segment *mine;
		dure_lanes *lanes;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(try_open(mine, DURE_LANES_SENDER, patience_ns, &lanes) >= 0);
		for (uint32_t i = first; ; i++) {
			T_IN_CHILD(dure_lanes_send(lanes, &record, fill(&record, sender, i), patience_ns) == 0);
			__atomic_store_n(&count->sent[sender], i + 1, __ATOMIC_RELEASE);
		}
	}
	return pid;
}

/* Each sender's records are in order and whole, and none is missing, whenever it is killed; the
   successors find lanes, for those of the dead are free. */
static void senders_are_killed(void **state)
{
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER);
	struct count *count = make_count();
	const char *name = t_name();
	uint32_t got[4] = { 0 };
	struct record record;
	pid_t pids[4];
	size_t bytes;

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		pids[i] = sender_process(name, i, 0, count);
	for (uint32_t round = 0; round < 80; round++) {
		uint32_t victim = round % 4;
		for (uint32_t i = 0; i < 300 + round; i++) {
			T_OK(dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, patience_ns));
			assert_true(is_whole(&record, bytes) && record.sender < 4);
			assert_int_equal(record.number, got[record.sender]++);
		}
		t_kill(pids[victim]);
		/* what it has sent is there, behind what the others send meanwhile */
		uint32_t sent = count->sent[victim];
		while (got[victim] < sent) {
			T_OK(dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, patience_ns));
			assert_true(is_whole(&record, bytes) && record.number == got[record.sender]++);
		}
		/* one may have been sent and not counted, and the successor shall not repeat it:
		   it comes before each of the others has sent 64 more */
		for (int others = 0; others < 200 && got[victim] == sent; others++) {
			T_OK(dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, patience_ns));
			assert_true(is_whole(&record, bytes) && record.number == got[record.sender]++);
		}
		pids[victim] = sender_process(name, victim, got[victim], count);
	}
	for (uint32_t i = 0; i < 4; i++)
		t_kill(pids[i]);
	while (dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, 0) == 0)
		assert_true(is_whole(&record, bytes) && record.number == got[record.sender]++);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(got[i] >= count->sent[i]);
	dure_lanes_close(receiver);
	munmap(count, 4096);
}

/* In a child: looks at records, counts them, and is done with them. */
static pid_t receiver_process(const char *name, struct count *count)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		const struct record *record;
		dure_segment *mine;
		dure_lanes *lanes;
		size_t bytes;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(try_open(mine, DURE_LANES_RECEIVER, patience_ns, &lanes) >= 0);
		for (;;) {
			T_IN_CHILD(dure_lanes_look(lanes, (const void **)&record, &bytes, NULL,
						   patience_ns) == 0);
			T_IN_CHILD(is_whole(record, bytes));
			/* killed between counting and done: the same one again */
			T_IN_CHILD(record->number == count->sent[record->sender] ||
				   record->number + 1 == count->sent[record->sender]);
			__atomic_store_n(&count->sent[record->sender], record->number + 1, __ATOMIC_RELEASE);
			T_IN_CHILD(dure_lanes_done(lanes) == 0);
		}
	}
	return pid;
}

static void receivers_are_killed(void **state)
{
	dure_lanes *senders[2] = { open_end(DURE_LANES_SENDER), open_end(DURE_LANES_SENDER) };
	struct count *count = make_count();
	const char *name = t_name();
	uint32_t sent[2] = { 0 };
	struct record record;

	(void)state;
	for (int round = 0; round < 60; round++) {
		pid_t pid = receiver_process(name, count);
		for (uint32_t i = 0; i < 300;) {
			uint32_t sender = i % 2;
			int r = dure_lanes_send(senders[sender], &record,
						fill(&record, sender, sent[sender]), patience_ns);
			/* the last one is dead, the next one not there yet */
			if (r == -ENOTCONN)
				t_sleep_ms(1);
			else
				T_OK(r);
			sent[sender] += r == 0;
			i += r == 0;
		}
		t_kill(pid);
	}
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER);
	const struct record *seen;
	size_t bytes;
	while (dure_lanes_look(receiver, (const void **)&seen, &bytes, NULL, 0) == 0) {
		assert_true(seen->number == count->sent[seen->sender] ||
			    seen->number + 1 == count->sent[seen->sender]);
		count->sent[seen->sender] = seen->number + 1;
		T_OK(dure_lanes_done(receiver));
	}
	assert_memory_equal(count->sent, sent, sizeof sent);
	dure_lanes_close(receiver);
	dure_lanes_close(senders[0]);
	dure_lanes_close(senders[1]);
	munmap(count, 4096);
}

/* -- the descriptor ---------------------------------------------------------------------- */

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Both sides poll, and never sleep in the lanes. */
static void descriptors_tell(void **state)
{
	enum { RECORDS = 2000 };
	dure_lanes *receiver = open_end(DURE_LANES_RECEIVER);
	const char *name = t_name();
	uint32_t got[2] = { 0 }, number;
	pid_t pids[2];
	size_t bytes;
	int fd;

	(void)state;
	for (uint32_t sender = 0; sender < 2; sender++) {
		pids[sender] = t_fork();
		if (pids[sender])
			continue;
		dure_segment *mine;
		dure_lanes *lanes;
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &mine) == 0);
		T_IN_CHILD(try_open(mine, DURE_LANES_SENDER, patience_ns, &lanes) == 0);
		int own = dure_lanes_fd(lanes);
		T_IN_CHILD(own >= 0);
		for (uint32_t i = 0; i < RECORDS;) {
			uint32_t data[25] = { sender, i };
			int r = dure_lanes_send(lanes, data, sizeof data, 0);
			T_IN_CHILD(r == 0 || (r == -EAGAIN && is_readable(own, 20000)));
			i += r == 0;
		}
		_exit(0);
	}
	fd = dure_lanes_fd(receiver);
	T_OK(fd);
	assert_int_equal(dure_lanes_fd(receiver), fd);
	for (uint32_t i = 0; i < 2 * RECORDS;) {
		uint32_t data[25];
		int r = dure_lanes_receive(receiver, data, sizeof data, &bytes, NULL, 0);
		if (r == -EAGAIN) {
			assert_true(is_readable(fd, 20000));
			continue;
		}
		T_OK(r);
		number = got[data[0]]++;
		assert_int_equal(data[1], number);
		i++;
	}
	for (int i = 0; i < 2; i++)
		waitpid(pids[i], NULL, 0);
	/* nothing comes any more: it becomes quiet */
	while (is_readable(fd, 0))
		T_IS(dure_lanes_receive(receiver, &number, 4, &bytes, NULL, 0), -EAGAIN);
	dure_lanes_close(receiver);
}

/* -- damage ------------------------------------------------------------------------------ */

/* Whatever the words of lanes are, each call ends, with an error at worst. */
static void any_bytes_are_an_error_at_worst(void **state)
{
	enum { ROUNDS = 6000, WORDS = (64 + 4 * (192 + LANE_BYTES)) / 8, STRIDE = (192 + LANE_BYTES) / 8 };
	static uint64_t copy[WORDS];
	dure_lanes *sender = open_end(DURE_LANES_SENDER), *receiver = open_end(DURE_LANES_RECEIVER);
	uint64_t dice = 88172645463325252u, *words;
	struct dure_lanes_info info = { .sz = sizeof info };
	struct record record = { 0 };
	const void *seen;
	dure_ref *place;
	size_t bytes;

	(void)state;
	T_OK(dure_object_find(seg, "lanes", dure_type_make("dure_lanes", 16, 16), (void **)&place,
			      NULL));
	words = dure_ref_get(seg, *place, sizeof copy);
	assert_non_null(words);
	for (int i = 0; i < 5; i++)
		T_OK(dure_lanes_send(sender, &record, 60, 0));
	T_OK(dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, 0));
	for (int round = 0; round < ROUNDS; round++) {
		memcpy(copy, words, sizeof copy);
		for (int damages = 0; damages < 3; damages++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			unsigned at = (unsigned)(dice % (damages ? 64 : WORDS));
			words[at] = dice & 1 << 20 ? dice >> 32 : copy[at] ^ 1ull << (dice >> 40 & 63);
		}
		(void)dure_lanes_send(sender, &record, dice >> 50 & 255, 0);
		(void)dure_lanes_look(receiver, &seen, &bytes, NULL, 0);
		(void)dure_lanes_receive(receiver, &record, sizeof record, &bytes, NULL, 0);
		(void)dure_lanes_info(receiver, &info);
		(void)dure_segment_check(seg, NULL, NULL, NULL);
		dure_lanes *other;
		if (try_open(seg, dice & 1, 0, &other) == 0)
			dure_lanes_close(other);
		memcpy(words, copy, sizeof copy);
	}
	dure_lanes_close(sender);
	dure_lanes_close(receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(each_senders_order_is_kept),
		TEST(nobody_is_passed_over),
		TEST(looked_at_it_stays),
		TEST(misuse),
		TEST(between_threads),
		TEST(threads_that_end_leave_their_lanes),
		TEST(senders_are_killed),
		TEST(receivers_are_killed),
		TEST(descriptors_tell),
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
