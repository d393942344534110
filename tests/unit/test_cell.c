/* SPDX-License-Identifier: MIT */
/*
 * test_cell.c - words in shared memory, references, rel pointers
 *
 * Why      A cell operation that returns the wrong old value, or is not one access, shows
 *          itself as a rare inconsistency far away. Here it shows at once.
 */
#include "../t.h"

#include <pthread.h>

#include "cell/cell.h"

/* One block per width, as cell.h has one. */
#define TEST_WIDTH(bits, most)                                                                    \
	static void cells_of_##bits##_bits(void **state)                                          \
	{                                                                                         \
		struct { uint8_t before; struct cell##bits cell; uint8_t after; } room;           \
		struct cell##bits *c = &room.cell;                                                \
		uint##bits##_t expected = 1;                                                      \
                                                                                                  \
		(void)state;                                                                      \
		room.before = room.after = 0x5a;                                                  \
		cell##bits##_store_rel(c, most);                                                  \
		assert_true(cell##bits##_load_rlx(c) == most && cell##bits##_load_acq(c) == most); \
		assert_false(cell##bits##_cas(c, &expected, 7));                                  \
		assert_true(expected == most);                                                    \
		assert_true(cell##bits##_cas(c, &expected, 5));                                   \
		assert_true(cell##bits##_swap(c, 0x50) == 5);                                     \
		assert_true(cell##bits##_or(c, 0x0f) == 0x50);                                    \
		assert_true(cell##bits##_and(c, 0x11) == 0x5f);                                   \
		assert_true(cell##bits##_add(c, most) == 0x11);                                   \
		assert_true(cell##bits##_load_rlx(c) == 0x10);                                    \
		assert_true(room.before == 0x5a && room.after == 0x5a);                           \
	}

TEST_WIDTH(8, UINT8_MAX)
TEST_WIDTH(32, UINT32_MAX)
TEST_WIDTH(64, UINT64_MAX)

static void raising_never_lowers(void **state)
{
	struct cell64 wide = { 5 };
	struct cell32 narrow = { 5 };

	(void)state;
	cell64_raise(&wide, 3);
	cell32_raise(&narrow, 3);
	assert_true(cell64_load_rlx(&wide) == 5 && cell32_load_rlx(&narrow) == 5);
	cell64_raise(&wide, UINT64_MAX);
	cell32_raise(&narrow, UINT32_MAX);
	cell64_raise(&wide, 6);
	cell32_raise(&narrow, 6);
	assert_true(cell64_load_rlx(&wide) == UINT64_MAX);
	assert_true(cell32_load_rlx(&narrow) == UINT32_MAX);
}

enum { ROUNDS = 20000, THREADS = 2 };

static struct {
	struct cell64 sum, highest, mask;
	struct cell32 next;
} shared;

static void *work_on_cells(void *context)
{
	uint64_t me = (uint64_t)(uintptr_t)context;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t mine = i * THREADS + me;
		cell64_add(&shared.sum, 1);
		cell64_raise(&shared.highest, mine);
		cell64_or(&shared.mask, UINT64_C(1) << mine % 64);
		cell32_add(&shared.next, 1);
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work_on_cells, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(cell64_load_acq(&shared.sum) == ROUNDS * THREADS);
	assert_true(cell64_load_acq(&shared.highest) == ROUNDS * THREADS - 1);
	assert_true(cell64_load_acq(&shared.mask) == UINT64_MAX);
	assert_true(cell32_load_acq(&shared.next) == ROUNDS * THREADS);
}

static void rel_pointers_follow_their_block(void **state)
{
	struct { dure_rel to; uint64_t words[4]; } a, b;

	(void)state;
	dure_rel_set(&a.to, NULL);
	assert_true(a.to.distance == 0 && dure_rel_get(&a.to) == NULL);
	dure_rel_set(&a.to, &a.words[2]);
	assert_ptr_equal(dure_rel_get(&a.to), &a.words[2]);
	b = a;					/* moved: the distance still holds */
	assert_ptr_equal(dure_rel_get(&b.to), &b.words[2]);
	dure_rel_set(&a.to, &a.to);		/* itself is not nothing */
	assert_int_equal(a.to.distance, DURE_REL_SELF);
	assert_ptr_equal(dure_rel_get(&a.to), &a.to);
	dure_rel_set((dure_rel *)(void *)&a.words[3], &a.to);	/* backwards */
	assert_ptr_equal(dure_rel_get((dure_rel *)(void *)&a.words[3]), &a.to);
}

static void refs_stay_inside_the_segment(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	struct dure_segment_info info = { .sz = sizeof info };
	char *base = dure_segment_base(seg);
	int outside;
	void *p;

	(void)state;
	T_OK(dure_segment_info(seg, &info));
	T_OK(dure_block_reserve(seg, 1000, 0, &p));
	dure_ref ref = dure_ref_of(seg, p);
	assert_true(ref.offset == (uint64_t)((char *)p - base));
	assert_ptr_equal(dure_ref_get(seg, ref, 1000), p);
	assert_true(dure_ref_of(seg, NULL).offset == 0);
	assert_true(dure_ref_of(seg, &outside).offset == 0);
	assert_true(dure_ref_of(seg, base - 1).offset == 0);
	assert_true(dure_ref_of(seg, base + info.mapped_bytes).offset == 0);
	assert_null(dure_ref_get(seg, (dure_ref){ 0 }, 1));
	assert_null(dure_ref_get(seg, (dure_ref){ info.mapped_bytes }, 1));
	assert_null(dure_ref_get(seg, (dure_ref){ info.mapped_bytes - 1 }, 1));	/* not backed */
	assert_null(dure_ref_get(seg, (dure_ref){ UINT64_MAX }, 1));
	assert_null(dure_ref_get(seg, (dure_ref){ UINT64_MAX }, SIZE_MAX));
	assert_null(dure_ref_get(seg, ref, SIZE_MAX));
	assert_null(dure_ref_get(seg, ref, info.mapped_bytes));
	assert_true(strlen(dure_last_error()) > 0);
	dure_ref place = { 0 };
	dure_ref_store(&place, ref);
	assert_true(dure_ref_load(&place).offset == ref.offset);
	T_OK(dure_block_cancel(seg, p));
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_of_8_bits),
		cmocka_unit_test(cells_of_32_bits),
		cmocka_unit_test(cells_of_64_bits),
		cmocka_unit_test(raising_never_lowers),
		cmocka_unit_test(nothing_is_lost_between_threads),
		cmocka_unit_test(rel_pointers_follow_their_block),
		cmocka_unit_test(refs_stay_inside_the_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
