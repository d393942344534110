/* SPDX-License-Identifier: MIT */
/*
 * test_layout.c - every field of every packed word comes back, and touches no other
 *
 * Why      One store changes a whole word, so a field that spills into its neighbour breaks
 *          an invariant without breaking any test of the operation. Fields of few values are
 *          tried exhaustively, wide ones at their edges and at every single bit.
 */
#include "../t.h"

#include "layout/index.h"
#include "layout/log.h"
#include "layout/object.h"
#include "layout/ordered.h"
#include "layout/page.h"
#include "layout/super.h"
#include "segment/lane.h"

/* 0, all ones, every single bit, and some in between */
static unsigned edges(unsigned bits, uint64_t values[80])
{
	uint64_t all = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	unsigned n = 0;

	values[n++] = 0;
	values[n++] = all;
	values[n++] = all / 3;
	values[n++] = all - all / 3;
	for (unsigned bit = 0; bit < bits; bit++)
		values[n++] = UINT64_C(1) << bit;
	return n;
}

static void lane_status_words(void **state)
{
	uint64_t wide[80], narrow[80];
	unsigned wides = edges(16, wide), narrows = edges(12, narrow);

	(void)state;
	for (unsigned kind = DL_LANE_FREE; kind <= DL_LANE_MENDED; kind++)
		for (unsigned i = 0; i < wides; i++)
			for (unsigned k = 0; k < wides; k++)
				for (unsigned g = 0; g < narrows; g++) {
					uint64_t word = durei_status(kind, (uint16_t)wide[i],
								     (uint16_t)wide[k],
								     (uint16_t)narrow[g]);
					assert_true(durei_status_state(word) == kind &&
						    durei_status_slot(word) == wide[i] &&
						    durei_status_recoverer(word) == wide[k] &&
						    durei_status_generation(word) == narrow[g]);
				}
	assert_true(durei_status(DL_LANE_FREE, 0, 0, 0) == 0);
}

static void page_words_of_blocks(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < DL_PAGE_KIND_COUNT; kind++)
		for (unsigned class = 0; class < 256; class += 5)
			for (unsigned lane = 0; lane <= UINT16_MAX; lane += 257) {
				uint64_t word = dl_page_blocks((enum dl_page_kind)kind, class,
							       (uint16_t)lane);
				uint64_t hinted = word | DL_PAGE_HAS_FREED;
				assert_true(dl_page_kind(word) == kind &&
					    dl_page_class(word) == class &&
					    dl_page_lane(word) == lane);
				assert_true(hinted != word && dl_page_kind(hinted) == kind &&
					    dl_page_class(hinted) == class &&
					    dl_page_lane(hinted) == lane);
			}
	assert_true(dl_page_blocks(DL_PAGE_HOLE, 0, 0) == 0);		/* [PAGE1] */
	assert_true(DL_CLASS_COUNT_MAX <= 256);
}

static void page_words_of_runs(void **state)
{
	uint64_t counts[80];
	unsigned n = edges(36, counts);

	(void)state;
	for (unsigned kind = 0; kind < DL_PAGE_KIND_COUNT; kind++)
		for (unsigned lane = 0; lane <= UINT16_MAX; lane += 257)
			for (unsigned i = 0; i < n; i++) {
				uint64_t word = dl_page_run((enum dl_page_kind)kind, (uint16_t)lane,
							    counts[i]);
				assert_true(dl_page_kind(word) == kind &&
					    dl_page_lane(word) == lane &&
					    dl_page_count(word) == counts[i]);
				assert_int_equal(dl_page_class(word), 0);
				assert_true(dl_page_count(word | DL_PAGE_RUN_DOOMED) == counts[i] &&
					    dl_page_lane(word | DL_PAGE_RUN_DOOMED) == lane);
			}
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(dl_page_kind(dl_page_tail(counts[i])), DL_PAGE_TAIL);
		assert_true(dl_page_count(dl_page_tail(counts[i])) == counts[i]);
	}
	/* the longest run there can be fits */
	assert_true(DL_BYTES_MAX >> DL_PAGE_SHIFT_MIN < UINT64_C(1) << 36);
}

static void lock_words(void **state)
{
	(void)state;
	for (uint32_t lane = 0; lane <= DL_LOCK_LANE_MASK; lane += 15)
		for (uint32_t generation = 0; generation <= DL_LANE_GENERATION_MASK; generation += 13) {
			uint32_t owner = lane | generation << DL_LOCK_GENERATION_SHIFT;
			assert_true((owner & ~DL_LOCK_OWNER_MASK) == 0);
			for (uint32_t flags = 0; flags < 8; flags++) {
				uint32_t word = owner | (flags & 1 ? DL_LOCK_ABANDONED : 0) |
						(flags & 2 ? DL_LOCK_DIED : 0) |
						(flags & 4 ? DL_LOCK_WAITED : 0);
				assert_true(dl_lock_lane(word) == lane &&
					    dl_lock_generation(word) == generation &&
					    (word & DL_LOCK_OWNER_MASK) == owner);
			}
		}
	assert_true(DL_LANES_MAX <= DL_LOCK_LANE_MASK);
	assert_true((DL_LOCK_ABANDONED ^ DL_LOCK_DIED ^ DL_LOCK_WAITED ^ DL_LOCK_OWNER_MASK) ==
		    (DL_LOCK_ABANDONED | DL_LOCK_DIED | DL_LOCK_WAITED | DL_LOCK_OWNER_MASK));
}

static void log_heads(void **state)
{
	uint64_t offsets[80];
	unsigned n = edges(48, offsets);

	(void)state;
	for (unsigned kind = DL_LOG_UNDO_WORD; kind < DL_LOG_KIND_END; kind++)
		for (unsigned before = 0; before <= DL_LOG_BEFORE_MASK; before++)
			for (unsigned i = 0; i < n; i++) {
				uint64_t head = dl_log_head((enum dl_log_kind)kind, before,
							    offsets[i]);
				assert_true(dl_log_kind(head) == kind &&
					    dl_log_words_before(head) == before &&
					    dl_log_offset(head) == offsets[i]);
			}
	uint64_t range = dl_log_head(DL_LOG_UNDO_RANGE, 0, 8);
	for (uint64_t bytes = 0; bytes <= DL_LOG_RANGE_MAX; bytes++) {
		uint64_t words = dl_log_words(range, bytes);
		assert_true(words * 8 >= 16 + bytes && words * 8 < 24 + bytes);
		assert_true(words <= DL_LOG_BEFORE_MASK && words <= DL_LOG_USED_LAST_MASK);
	}
	assert_int_equal(dl_log_words(dl_log_head(DL_LOG_SET, 0, 8), UINT64_MAX), 2);
}

static void every_size_has_the_smallest_class_that_holds_it(void **state)
{
	unsigned last = 0;

	(void)state;
	for (uint64_t bytes = 0; bytes <= UINT64_C(2) << DL_PAGE_SHIFT_MAX; bytes++) {
		unsigned class = dl_class_of(bytes);
		assert_true(class == last || class == last + 1);
		assert_true(class < DL_CLASS_COUNT_MAX);
		assert_true(dl_class_bytes(class) >= bytes);
		assert_true(class == 0 || dl_class_bytes(class - 1) < bytes);
		if (bytes > DL_CLASS_SMALL_MAX)		/* at most 12.5 % waste */
			assert_true((dl_class_bytes(class) - bytes) * 8 < bytes);
		last = class;
	}
	assert_int_equal(last + 1, dl_class_count(DL_PAGE_SHIFT_MAX));
	for (unsigned class = 0; class < DL_CLASS_COUNT_MAX; class++) {
		assert_int_equal(dl_class_of(dl_class_bytes(class)), class);
		assert_true(dl_class_bytes(class) % DL_CLASS_STEP == 0);
	}
}

static void check_shape(unsigned class, unsigned shift)
{
	struct dl_class_shape shape = dl_class_shape(class, shift);
	uint64_t room = (uint64_t)shape.page_count << shift;
	uint64_t blocks = (uint64_t)shape.block_count * shape.block_bytes;

	assert_true(shape.block_bytes == dl_class_bytes(class));
	assert_true(shape.block_count >= (class + 1 < dl_class_count(shift) ? 7 : 1));
	assert_true((shape.color_mask & (shape.color_mask + 1)) == 0);
	for (uint64_t page = 0; page < 2 * DL_STATES_COLORS_MAX; page++) {
		uint64_t states = dl_states_offset(&shape, page);
		assert_true(states >= blocks && states + shape.block_count <= room);
		assert_true(states % DL_STATES_LINE == 0);
	}
	for (uint64_t offset = 0; offset < room; offset++)
		assert_true(offset * shape.reciprocal >> DL_RECIPROCAL_SHIFT ==
			    offset / shape.block_bytes);
}

static void blocks_and_states_share_a_page_without_touching(void **state)
{
	(void)state;
	for (unsigned shift = DL_PAGE_SHIFT_MIN; shift <= DL_PAGE_SHIFT_MAX; shift += 2)
		for (unsigned class = 0; class < dl_class_count(shift); class++)
			check_shape(class, shift);
}

static void index_words(void **state)
{
	uint64_t hashes[80];
	unsigned n = edges(64, hashes);

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned bits = 0; bits <= DL_INDEX_BITS_MAX; bits++)
			assert_true(dl_partition_of(hashes[i], bits) < UINT64_C(1) << bits);
		assert_true(dl_tag(hashes[i]) == (hashes[i] >> 40 & 0xffff));
	}
	assert_true(DL_TABLE_BITS_MAX <= 40);		/* tag and bucket do not overlap */
	assert_true((DL_SLOT_OFFSET_MASK & UINT64_C(0xffff) << DL_SLOT_TAG_SHIFT) == 0);
	assert_true(DL_BYTES_MAX <= DL_SLOT_OFFSET_MASK + 1);
	assert_true(DL_BYTES_MAX <= DL_HELD_OFFSET_MASK + 1);
	for (uint32_t key = 0; key <= 300; key++) {
		uint64_t notes = dl_object_notes_offset(key);
		assert_true(notes % 8 == 0 && notes >= sizeof(struct dl_object) + key &&
			    notes < sizeof(struct dl_object) + key + 8);
	}
}

/* An order word is a permutation of the slots, whatever is added and removed; as an array says. */
static void order_words_are_permutations(void **state)
{
	unsigned model[DL_NODE_SLOTS], count = 0;
	uint64_t order = DL_ORDER_EMPTY;

	(void)state;
	srand(1);
	for (int i = 0; i < 100000; i++) {
		unsigned at, seen = 0;
		if (count < DL_NODE_SLOTS && (count == 0 || rand() % 2)) {
			at = (unsigned)rand() % (count + 1);
			memmove(&model[at + 1], &model[at], (count - at) * sizeof *model);
			model[at] = dl_order_slot(order, count);
			count++;
			order = dl_order_add(order, at);
		} else {
			at = (unsigned)rand() % count;
			unsigned slot = model[at];
			count--;
			memmove(&model[at], &model[at + 1], (count - at) * sizeof *model);
			order = dl_order_remove(order, at);
			assert_int_equal(dl_order_slot(order, count), slot);
		}
		assert_true(dl_order_is_sane(order));
		assert_int_equal(dl_order_count(order), count);
		for (unsigned j = 0; j < DL_NODE_SLOTS; j++) {
			seen |= 1u << dl_order_slot(order, j);
			if (j < count)
				assert_int_equal(dl_order_slot(order, j), model[j]);
		}
		assert_int_equal(seen, (1u << DL_NODE_SLOTS) - 1);
	}
	assert_false(dl_order_is_sane(DL_ORDER_EMPTY | 0xf0));
	assert_false(dl_order_is_sane(UINT64_C(0xf) << 60));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lane_status_words),
		cmocka_unit_test(page_words_of_blocks),
		cmocka_unit_test(page_words_of_runs),
		cmocka_unit_test(lock_words),
		cmocka_unit_test(log_heads),
		cmocka_unit_test(every_size_has_the_smallest_class_that_holds_it),
		cmocka_unit_test(blocks_and_states_share_a_page_without_touching),
		cmocka_unit_test(index_words),
		cmocka_unit_test(order_words_are_permutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
