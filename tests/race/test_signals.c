/* SPDX-License-Identifier: MIT */
/*
 * Description: threads of one process on conditions, barriers, once and sequence locks: what one
 * has written before, the other reads after. Under the thread sanitizer: without a race.
 */
#include <pthread.h>

#include "../t.h"

enum { WORKERS = 4, PHASES = 200, PASSES = 400, WRITES = 1500, WORDS = 5 };

struct root {
	dure_mutex lock;
	dure_condition passed;
	uint64_t turn;			/* under lock: whose */
	dure_barrier barrier;
	uint64_t boxes[WORKERS];	/* written before a phase ends, read after it */
	dure_once once;
	uint64_t made[PHASES];
	dure_seqlock seqlock;
	uint64_t copies[2][WORDS];	/* of the seqlock */
};

static dure_segment *seg;
static struct root *root;

#define EXPECT(condition) T_IN_CHILD(condition)

static void run(void *(*body)(void *number))
{
	static uint64_t numbers[WORKERS];
	pthread_t threads[WORKERS];

	for (uint64_t i = 0; i < WORKERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, body, &numbers[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* Each waits for its turn, and passes it on. */
static void *pass_on(void *number)
{
	uint64_t mine = *(uint64_t *)number;

	for (int i = 0; i < PASSES; i++) {
		EXPECT(dure_mutex_lock(seg, &root->lock, DURE_S(20)) == 0);
		while (root->turn % WORKERS != mine)
			EXPECT(dure_condition_wait(seg, &root->passed, &root->lock, DURE_S(20)) == 0);
		root->turn++;
		EXPECT(dure_condition_broadcast(seg, &root->passed) == 0);
		EXPECT(dure_mutex_unlock(seg, &root->lock) == 0);
	}
	return NULL;
}

static void turns_go_round(void **state)
{
	(void)state;
	run(pass_on);
	assert_int_equal(root->turn, WORKERS * PASSES);
}

/* Writes into its own box, then reads all of them. */
static void *walk(void *number)
{
	uint64_t mine = *(uint64_t *)number;

	EXPECT(dure_barrier_join(seg, &root->barrier) == 0);
	for (uint64_t phase = 1; phase <= PHASES; phase++) {
		root->boxes[mine] = phase;
		EXPECT(dure_barrier_wait(seg, &root->barrier, DURE_S(20)) == 0);
		for (int i = 0; i < WORKERS; i++)
			EXPECT(root->boxes[i] == phase);
		EXPECT(dure_barrier_wait(seg, &root->barrier, DURE_S(20)) == 0);
	}
	EXPECT(dure_barrier_leave(seg, &root->barrier) == 0);
	return NULL;
}

static void phases_part_writes_from_reads(void **state)
{
	(void)state;
	T_OK(dure_barrier_init(seg, &root->barrier, WORKERS));
	run(walk);
	assert_int_equal(dure_barrier_dead(seg, &root->barrier), 0);
}

static void *make_once(void *number)
{
	int r = dure_once_begin(seg, &root->once, DURE_S(20));

	(void)number;
	EXPECT(r >= 0);
	for (uint64_t i = 0; i < PHASES; i++)
		if (r > 0)
			root->made[i] += i;
		else
			EXPECT(root->made[i] == i);
	EXPECT(r == 0 || dure_once_end(seg, &root->once) == 0);
	return NULL;
}

static void what_is_made_once_is_seen_by_all(void **state)
{
	(void)state;
	run(make_once);
}

/* Two write, two read: all words alike, and never less than before. */
static void *write_or_read(void *number)
{
	uint64_t last = 0, value[WORDS];

	for (int i = 0; i < WRITES; i++) {
		if (*(uint64_t *)number % 2 == 0) {
			EXPECT(dure_seqlock_begin(seg, &root->seqlock, value, sizeof value,
						  DURE_S(20)) == 0);
			for (int j = 0; j < WORDS; j++)
				value[j]++;
			EXPECT(dure_seqlock_commit(seg, &root->seqlock, value, sizeof value) == 0);
		}
		EXPECT(dure_seqlock_read(seg, &root->seqlock, value, sizeof value) == 0);
		EXPECT(value[0] >= last);
		for (int j = 1; j < WORDS; j++)
			EXPECT(value[j] == value[0]);
		last = value[0];
	}
	return NULL;
}

static void sequences_are_whole(void **state)
{
	uint64_t value[WORDS];

	(void)state;
	T_OK(dure_seqlock_init(seg, &root->seqlock, NULL, sizeof value));
	run(write_or_read);
	T_OK(dure_seqlock_read(seg, &root->seqlock, value, sizeof value));
	assert_int_equal(value[WORDS - 1], WORKERS / 2 * WRITES);
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	t_close(seg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_go_round),
		cmocka_unit_test(phases_part_writes_from_reads),
		cmocka_unit_test(what_is_made_once_is_seen_by_all),
		cmocka_unit_test(sequences_are_whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
