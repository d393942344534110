/* SPDX-License-Identifier: MIT */
/* Description: a lock word that is not ours any more is left alone, whatever stands there. */
#include "../t.h"
#include "lock/word.h"
#include "segment/lane.h"

struct root {
	dure_mutex lock;
};

static dure_segment *seg;
static struct root *root;
static struct durei_lane *lane;
static struct cell32 *word;

static int setup(void **state)
{
	int r = 0;

	(void)state;
	seg = t_segment(4 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
	lane = durei_lane_get(seg, &r);
	word = &((struct dl_mutex *)&root->lock)->word;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	t_close(seg);
	return 0;
}

/* The block was freed by the transaction that held the lock, and somebody else writes there. */
static void others_data_stay(void **state)
{
	static const uint32_t theirs[] = { 0, 1, 0x66666666, 0xffffffff, DL_LOCK_WAITED };

	(void)state;
	for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
		T_OK(dure_mutex_lock(seg, &root->lock, 0));
		cell32_store_rel(word, theirs[i]);
		durei_word_free(lane, word, (int)lane->held_count - 1);
		assert_int_equal(cell32_load_acq(word), theirs[i]);
		assert_int_equal(lane->held_count, 0);
		cell32_store_rel(word, 0);
	}
}

static void waiters_flags_go_with_the_lock(void **state)
{
	(void)state;
	T_OK(dure_mutex_lock(seg, &root->lock, 0));
	(void)cell32_or(word, DL_LOCK_WAITED | DL_LOCK_DIED);
	durei_word_free(lane, word, (int)lane->held_count - 1);
	assert_int_equal(cell32_load_acq(word), DL_LOCK_DIED);
	cell32_store_rel(word, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_data_stay),
		cmocka_unit_test(waiters_flags_go_with_the_lock),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
