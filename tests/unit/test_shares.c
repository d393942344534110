/* SPDX-License-Identifier: MIT */
/* Description: what the inspector sees of shares: what there is, and each way it can be wrong. */
#include <pthread.h>

#include "../t.h"
#include "layout/lock.h"
#include "layout/semset.h"
#include "segment/lane.h"

struct root {
	dure_rwlock lock;
	dure_semaphore semaphore;
	_Alignas(8) unsigned char set[DURE_SEMSET_BYTES(2, 3)];
};

static dure_segment *seg;
static struct root *root;
static struct dl_lane *mine, *other;	/* of this thread, and of one that waits */

/* -- another thread, which has a lane and does nothing ------------------------------------ */

static struct {
	pthread_t thread;
	int ready[2], done[2];
} waiter;

static void *attach_and_wait(void *context)
{
	int r = 0;

	*(struct durei_lane **)context = durei_lane_get(seg, &r);
	t_signal(waiter.ready[1]);
	t_await(waiter.done[0]);
	return NULL;
}

static int setup(void **state)
{
	struct durei_lane *lane = NULL;
	int r = 0;

	(void)state;
	seg = t_segment(4 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
	T_OK(dure_rwlock_init(seg, &root->lock));
	T_OK(dure_semaphore_init(seg, &root->semaphore, 10));
	assert_int_equal(pipe(waiter.ready) | pipe(waiter.done), 0);
	assert_int_equal(pthread_create(&waiter.thread, NULL, attach_and_wait, &lane), 0);
	t_await(waiter.ready[0]);
	other = lane->shared;
	mine = durei_lane_get(seg, &r)->shared;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_signal(waiter.done[1]);
	pthread_join(waiter.thread, NULL);
	for (int i = 0; i < 2; i++) {
		close(waiter.ready[i]);
		close(waiter.done[i]);
	}
	t_clean(seg);
	t_close(seg);
	return 0;
}

/* -- what is there ------------------------------------------------------------------------ */

static struct dure_thread_info seen;

static int see_reader(const struct dure_thread_info *info, void *context)
{
	(void)context;
	if (info->share_count)
		seen = *info;
	return 0;
}

static void shares_are_listed(void **state)
{
	(void)state;
	T_OK(dure_rwlock_lock(seg, &root->lock, DURE_SHARED, 0));
	T_OK(dure_semaphore_take(seg, &root->semaphore, 3, 0, 0));
	T_OK(dure_semaphore_take(seg, &root->semaphore, 4, 0, 0));
	T_OK(dure_semaphore_post(seg, &root->semaphore, 1));
	memset(&seen, 0, sizeof seen);
	T_OK(dure_thread_list(seg, see_reader, NULL));
	assert_int_equal(seen.share_count, 2);
	assert_int_equal(seen.shares[0].kind, DURE_SHARE_READS);
	assert_int_equal(seen.shares[0].lock.offset, dure_ref_of(seg, &root->lock).offset);
	assert_int_equal(seen.shares[1].kind, DURE_SHARE_UNITS);
	assert_int_equal(seen.shares[1].lock.offset, dure_ref_of(seg, &root->semaphore).offset);
	assert_int_equal(seen.shares[1].units, 6);
	t_clean(seg);

	T_OK(dure_rwlock_unlock(seg, &root->lock));
	T_OK(dure_semaphore_post(seg, &root->semaphore, 6));
	memset(&seen, 0, sizeof seen);
	T_OK(dure_thread_list(seg, see_reader, NULL));
	assert_int_equal(seen.share_count, 0);
}

/* A change that was cut off counts if the semaphore's word names it. */
static void a_cut_change_is_seen_as_it_will_be_mended(void **state)
{
	struct dl_semaphore *s = (struct dl_semaphore *)&root->semaphore;
	uint64_t named, what;

	(void)state;
	T_OK(dure_semaphore_take(seg, &root->semaphore, 3, 0, 0));
	T_OK(dure_semaphore_take(seg, &root->semaphore, 2, 0, 0));
	what = cell64_load_acq(&mine->shares[0].what);
	named = cell64_load_acq(&s->word);
	assert_int_equal(dl_share_state(what), DL_SHARE_CHANGED);
	cell64_store_rel(&mine->shares[0].what,
			 dl_share(dl_share_offset(what), DL_SHARE_UNITS, DL_SHARE_CHANGING,
				  dl_share_serial(what)));
	T_OK(dure_thread_list(seg, see_reader, NULL));
	assert_int_equal(seen.shares[0].units, 5);
	cell64_store_rel(&s->word, named ^ UINT64_C(1) << DL_SEMAPHORE_SERIAL_SHIFT);
	T_OK(dure_thread_list(seg, see_reader, NULL));
	assert_int_equal(seen.shares[0].units, 3);
	cell64_store_rel(&s->word, named);
	cell64_store_rel(&mine->shares[0].what, what);
	T_OK(dure_semaphore_post(seg, &root->semaphore, 5));
}

/* -- what must not be --------------------------------------------------------------------- */

struct wanted {
	const char *rule;
	int found, others;
};

static void look_for(const struct dure_finding *finding, void *context)
{
	struct wanted *w = context;

	if (strcmp(finding->rule, w->rule) == 0 && finding->grade == DURE_FINDING_DAMAGED)
		w->found++;
	else
		w->others++;
}

static void expect_damage(const char *rule)
{
	struct wanted w = { .rule = rule };

	T_IS(dure_segment_check(seg, NULL, look_for, &w), 2);
	if (!w.found || w.others)
		fail_msg("%s: found %d times, and %d others", rule, w.found, w.others);
}

/* Puts a value there, wants the rule's finding, and the check clean afterwards. */
static void damage64(struct cell64 *cell, uint64_t value, const char *rule)
{
	uint64_t before = cell64_load_acq(cell);

	cell64_store_rel(cell, value);
	expect_damage(rule);
	cell64_store_rel(cell, before);
	t_clean(seg);
}

static void damage32(struct cell32 *cell, uint32_t value, const char *rule)
{
	uint32_t before = cell32_load_acq(cell);

	cell32_store_rel(cell, value);
	expect_damage(rule);
	cell32_store_rel(cell, before);
	t_clean(seg);
}

static void shares_of_nothing_are_damage(void **state)
{
	uint64_t lock = dure_ref_of(seg, &root->lock).offset;
	struct dl_share *share = &mine->shares[0];

	(void)state;
	T_OK(dure_rwlock_lock(seg, &root->lock, DURE_SHARED, 0));
	damage32(&mine->share_end, DL_SHARES_MAX + 1, "LANE6");
	damage32(&mine->share_end, 0, "LANE6");
	damage64(&share->what, dl_share(lock, DL_SHARE_SET, DL_SHARE_CHANGED, 0), "LANE6");
	damage64(&share->what, dl_share(lock, DL_SHARE_READ, DL_SHARE_CHANGING, 0), "LANE6");
	damage64(&share->what, dl_share(lock, DL_SHARE_UNITS, DL_SHARE_WAITING, 0), "LANE6");
	damage64(&share->what, dl_share(lock, DL_SHARE_READ, 7, 0), "LANE6");
	damage64(&share->what, dl_share(0, DL_SHARE_READ, DL_SHARE_HELD, 0), "LANE6");
	damage64(&share->what, dl_share(UINT64_C(1) << 40, DL_SHARE_READ, DL_SHARE_HELD, 0), "LANE6");
	T_OK(dure_rwlock_unlock(seg, &root->lock));

	T_OK(dure_semaphore_take(seg, &root->semaphore, 3, 0, 0));
	damage64(&share->units, UINT64_C(1) << 62, "SHARE3");
	damage64(&share->units, UINT32_MAX, "SHARE3");
	T_OK(dure_semaphore_post(seg, &root->semaphore, 3));
}

static void what_sets_undo_is_seen(void **state)
{
	dure_semset *set = (dure_semset *)(void *)root->set;
	struct dl_semset *s = (struct dl_semset *)(void *)root->set;
	struct dure_semset_options o = { .sz = sizeof o, .semaphores = 2, .processes = 3 };
	const struct dure_semset_operation post = { 1, 2, DURE_SEMSET_UNDO };
	struct dl_share *share = &mine->shares[0];
	uint64_t units;
	int r = 0;

	(void)state;
	T_OK(dure_semset_init(seg, set, &o));
	T_OK(dure_semset_operate(seg, set, &post, 1, 0));
	memset(&seen, 0, sizeof seen);
	T_OK(dure_thread_list(seg, see_reader, NULL));
	assert_int_equal(seen.share_count, 1);
	assert_int_equal(seen.shares[0].kind, DURE_SHARE_UNDO);
	assert_int_equal(seen.shares[0].lock.offset, dure_ref_of(seg, set).offset);
	t_clean(seg);
	units = cell64_load_acq(&share->units);
	damage64(&share->units, units | UINT64_C(3) << DL_SEMSET_SHARE_ROW_SHIFT, "SEMSET2");
	s->counters = DL_SEMSET_COUNTERS_MAX + 1;
	expect_damage("SEMSET1");
	assert_int_equal(dure_semset_operate(seg, set, &post, 1, 0), -EINVAL);
	s->counters = 2;
	s->rows = UINT32_MAX;
	expect_damage("SEMSET1");
	s->rows = 3;
	cell32_store_rel(&s->kind, 0);		/* something else by now: it says nothing */
	t_clean(seg);
	cell32_store_rel(&s->kind, DL_LOCK_IS_SEMSET);
	T_OK(dure_semset_set(seg, set, 1, 0));
	T_OK(dure_thread_detach(seg));		/* nothing to undo: no place is kept */
	mine = durei_lane_get(seg, &r)->shared;
}

static void a_free_lane_has_no_share(void **state)
{
	uint64_t lock = dure_ref_of(seg, &root->lock).offset;
	unsigned id = durei_lane_end(seg);

	(void)state;
	/* one more lane, which is given back */
	T_OK(dure_thread_detach(seg));
	for (id = 1; durei_status_state(cell64_load_acq(&seg->lane_status[id])) != DL_LANE_FREE; id++)
		;
	damage64(&durei_lane_at(seg, id)->shares[5].what,
		 dl_share(lock, DL_SHARE_READ, DL_SHARE_HELD, 0), "REC3");
}

static void a_reader_beside_a_writer_is_damage(void **state)
{
	uint64_t lock = dure_ref_of(seg, &root->lock).offset;
	uint64_t held = dl_share(lock, DL_SHARE_READ, DL_SHARE_HELD, 0);
	struct dl_rwlock *l = (struct dl_rwlock *)&root->lock;
	struct cell64 *entry = NULL;

	(void)state;
	cell32_store_rel(&other->share_end, 1);
	T_OK(dure_rwlock_lock(seg, &root->lock, DURE_EXCLUSIVE, 0));
	damage64(&other->shares[0].what, held, "RW3");
	/* who waits to read is fine, and so is one who reads while the writer still waits */
	cell64_store_rel(&other->shares[0].what, dl_share(lock, DL_SHARE_READ, DL_SHARE_WAITING, 0));
	t_clean(seg);
	for (uint32_t i = 0; i < cell32_load_acq(&mine->held_count); i++)
		if ((cell64_load_acq(&mine->held[i]) & DL_HELD_OFFSET_MASK) == lock)
			entry = &mine->held[i];
	assert_non_null(entry);
	cell64_or(entry, (uint64_t)DL_HELD_CLEAN << DL_HELD_FLAGS_SHIFT);
	cell64_store_rel(&other->shares[0].what, held);
	t_clean(seg);
	damage32(&l->turn, 0, "RW1");
	cell64_store_rel(&other->shares[0].what, 0);
	T_OK(dure_rwlock_unlock(seg, &root->lock));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shares_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cut_change_is_seen_as_it_will_be_mended, setup, teardown),
		cmocka_unit_test_setup_teardown(what_sets_undo_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(shares_of_nothing_are_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(a_free_lane_has_no_share, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_beside_a_writer_is_damage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
