/* SPDX-License-Identifier: MIT */
/*
 * bitmap.c - a bitmap in a segment
 *
 * Why      Sets of small numbers, and numbers that are given out: each of them in one place only.
 * Layout   layout/bitmap.h
 * Rules    layout/bitmap.h, layout/guard.h
 *          [BITMAPC1] outside transactions a change within one word is one store, and the version
 *                     grows before it. So who reads several words while the version stands still
 *                     has met one such store at most, and read what was there before or after it
 *          [BITMAPC2] new bits are cleared before they count; in a transaction, where they may be
 *                     there again if it is undone, their words are remembered
 * Death    set, clear, allocate, after step  is left behind         who mends it
 *          1 version                         readers look twice     -
 *          2 the word                        the bit                -
 *          resize, to more, after step
 *          1 clear words                     words behind the end   nobody reads them
 *          2 bits                            the new size           -
 *          ranges, resize to less: tx/log.c, a transaction of one operation.
 *          destroy: container/owner.c.
 */
#include <dure/bitmap.h>

#include <stdlib.h>

#include "container/array.h"
#include "container/owner.h"
#include "layout/bitmap.h"

enum { WORD_BITS = 64 };

struct dure_bitmap {
	struct durei_elements elements;
	struct durei_array array;
	struct dl_bitmap *shared;
};

static const struct durei_kind bitmaps = {
	.what = "bitmap",
	.object = { "dure_bitmap", sizeof(struct dl_bitmap), 64 },
	.element = offsetof(struct dl_bitmap, element),
};

static const struct dure_type words = { "uint64_t", sizeof(uint64_t), sizeof(uint64_t) };

/* -- opening ----------------------------------------------------------------------------- */

static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct dl_bitmap *shared = object;

	(void)tx;
	(void)count;
	(void)context;
	durei_element_format(&shared->element, &words);
	return durei_array_plan(0, sizeof(uint64_t), &shared->array.first_bits);
}

static int bind(dure_bitmap *b)
{
	b->shared = b->elements.shared;
	return durei_array_bind(&b->array, &b->shared->array, sizeof(uint64_t), sizeof(uint64_t),
				&b->elements);
}

static int open_where(dure_segment *segment, struct durei_where where, uint32_t flags,
		      dure_bitmap **ret)
{
	dure_bitmap *b = calloc(1, sizeof *b);	/* first: once it is made, nothing may fail */
	int r, made;

	if (!b)
		return durei_error_plain(ENOMEM);
	r = made = durei_elements_open(&b->elements, &bitmaps, segment, where, &words, flags, format,
				       NULL);
	if (r >= 0)
		r = bind(b);
	if (r < 0) {
		free(b);
		return r;
	}
	*ret = b;
	return made;
}

int dure_bitmap_open(dure_segment *segment, const char *name, uint32_t flags, dure_bitmap **ret)
{
	return open_where(segment, durei_by_name(name), flags, ret);
}

int dure_bitmap_open_at(dure_segment *segment, dure_ref *at, uint32_t flags, dure_bitmap **ret)
{
	return open_where(segment, durei_by_ref(at), flags, ret);
}

void dure_bitmap_close(dure_bitmap *bitmap)
{
	free(bitmap);
}

/* -- words ------------------------------------------------------------------------------- */

static int no_such_bit(const dure_bitmap *b, uint64_t bit, uint64_t bits)
{
	return durei_error(EINVAL, "bitmap %s has %llu bits: there is no number %llu",
			   b->elements.name.text, (unsigned long long)bits, (unsigned long long)bit);
}

/* The words from a number on, and how many lie in a row. NULL: damaged */
static inline struct cell64 *words_at(const dure_bitmap *b, uint64_t word, uint64_t *ret_room)
{
	return (struct cell64 *)(void *)durei_array_at(&b->array, word, ret_room);
}

/* The bits of a word that lie in a range of bits, which meets it. */
static uint64_t mask_of(uint64_t word, uint64_t first, uint64_t end)
{
	uint64_t mask = UINT64_MAX, start = word * WORD_BITS;

	if (first > start)
		mask &= UINT64_MAX << (first - start);
	if (end - start < WORD_BITS)
		mask &= (UINT64_C(1) << (end - start)) - 1;
	return mask;
}

/*
 * From bit `from` on, below `end`: the first that is set, or with flip all ones the first that is
 * clear. 0; -ENOENT; -EUCLEAN
 */
static int find(const dure_bitmap *b, uint64_t from, uint64_t end, uint64_t flip,
		uint64_t *ret_bit)
{
	uint64_t word = from / WORD_BITS, room = 0;
	struct cell64 *at = NULL;

	if (from >= end)
		return -ENOENT;
	for (; word < dl_bitmap_words(end); word++, at++, room--) {
		if (room == 0)
			at = words_at(b, word, &room);
		if (!at)
			return durei_array_damaged(&b->array);
		uint64_t found = (cell64_load_acq(at) ^ flip) & mask_of(word, from, end);
		if (found) {
			*ret_bit = word * WORD_BITS + (unsigned)__builtin_ctzll(found);
			return 0;
		}
	}
	return -ENOENT;
}

/* -- changing ---------------------------------------------------------------------------- */

static int lock(dure_bitmap *b, struct durei_guard *ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(b->elements.seg, &r);

	return lane ? durei_guard_lock(lane, &b->shared->guard, ret) : r;
}

static uint64_t bits_of(const dure_bitmap *b)
{
	return cell64_load_rlx(&b->shared->bits);
}

/* [BITMAPC1] */
static int store_word(struct durei_guard *guard, struct cell64 *word, uint64_t value)
{
	if (!guard->in_tx) {
		durei_guard_tell(guard);				/* step 1 */
		cell64_store_rel(word, value);				/* step 2 */
		return 0;
	}
	int r = durei_guard_begin(guard);
	return r < 0 ? r : durei_guard_end(guard, durei_log_write_word(guard->lane, word, value));
}

/* Under the lock; 1: it has changed */
static int change_bit(dure_bitmap *b, struct durei_guard *guard, uint64_t bit, bool to_set)
{
	uint64_t mask = UINT64_C(1) << bit % WORD_BITS, room, old;
	struct cell64 *word;
	int r;

	if (bit >= bits_of(b))
		return no_such_bit(b, bit, bits_of(b));
	word = words_at(b, bit / WORD_BITS, &room);
	if (!word)
		return durei_array_damaged(&b->array);
	old = cell64_load_rlx(word);
	if (((old & mask) != 0) == to_set)
		return 0;
	r = store_word(guard, word, old ^ mask);
	return r < 0 ? r : 1;
}

static int change(dure_bitmap *b, uint64_t bit, bool to_set)
{
	struct durei_guard guard;
	int r = lock(b, &guard);

	if (r < 0)
		return r;
	r = change_bit(b, &guard, bit, to_set);
	durei_guard_unlock(&guard);
	return r;
}

int dure_bitmap_set(dure_bitmap *bitmap, uint64_t bit)
{
	return change(bitmap, bit, true);
}

int dure_bitmap_clear(dure_bitmap *bitmap, uint64_t bit)
{
	return change(bitmap, bit, false);
}

int dure_bitmap_allocate(dure_bitmap *bitmap, uint64_t from, uint64_t *ret_bit)
{
	struct durei_guard guard;
	uint64_t bit = 0;
	int r = lock(bitmap, &guard);

	if (r < 0)
		return r;
	r = find(bitmap, from, bits_of(bitmap), UINT64_MAX, &bit);
	if (r == -ENOENT && from)
		r = find(bitmap, 0, min_u64(from, bits_of(bitmap)), UINT64_MAX, &bit);
	if (r == -ENOENT)
		r = durei_error_plain(ENOENT);
	if (r == 0)
		r = change_bit(bitmap, &guard, bit, true);
	durei_guard_unlock(&guard);
	if (r < 0)
		return r;
	*ret_bit = bit;
	return 0;
}

/* -- ranges ------------------------------------------------------------------------------ */

/* Between guard begin and end: words in a row, of which bits from first to end - 1 change. */
static int write_row(dure_bitmap *b, struct durei_guard *guard, uint64_t word, uint64_t count,
		     struct cell64 *at, uint64_t first, uint64_t end, bool to_set)
{
	int r = durei_log_undo_range(guard->lane, durei_offset(b->elements.seg, at),
				     count * sizeof *at);

	for (uint64_t i = 0; r == 0 && i < count; i++) {
		uint64_t mask = mask_of(word + i, first, end), old = cell64_load_rlx(&at[i]);
		cell64_store_rel(&at[i], to_set ? old | mask : old & ~mask);
	}
	return r;
}

static int write_range(dure_bitmap *b, struct durei_guard *guard, uint64_t first, uint64_t end,
		       bool to_set)
{
	uint64_t word = first / WORD_BITS, behind = dl_bitmap_words(end), room = 0;
	int r = 0;

	for (; r == 0 && word < behind; word += room) {
		struct cell64 *at = words_at(b, word, &room);
		if (!at)
			return durei_array_damaged(&b->array);
		room = min_u64(room, behind - word);
		r = write_row(b, guard, word, room, at, first, end, to_set);
	}
	return r;
}

static int change_range(dure_bitmap *b, uint64_t first, uint64_t count, bool to_set)
{
	struct durei_guard guard;
	uint64_t end, bits;
	int r = lock(b, &guard);

	if (r < 0)
		return r;
	bits = bits_of(b);
	if (!add_fits(first, count, &end) || end > bits)
		r = no_such_bit(b, count ? first + count - 1 : first, bits);
	else if (count)
		r = durei_guard_begin(&guard);
	if (r == 0 && count)
		r = durei_guard_end(&guard, write_range(b, &guard, first, end, to_set));
	durei_guard_unlock(&guard);
	return r;
}

int dure_bitmap_set_range(dure_bitmap *bitmap, uint64_t first, uint64_t count)
{
	return change_range(bitmap, first, count, true);
}

int dure_bitmap_clear_range(dure_bitmap *bitmap, uint64_t first, uint64_t count)
{
	return change_range(bitmap, first, count, false);
}

/* -- size -------------------------------------------------------------------------------- */

/* [BITMAPC2] */
static int extend(dure_bitmap *b, struct durei_guard *guard, uint64_t bits)
{
	uint64_t from = dl_bitmap_words(bits_of(b)), more = dl_bitmap_words(bits) - from;
	int r = durei_array_make_room(&b->array, guard, from, more);

	if (r < 0)
		return r;
	if (!guard->in_tx) {
		r = durei_array_fill(&b->array, guard, from, NULL, more);	/* step 1 */
		if (r == 0)
			cell64_store_rel(&b->shared->bits, bits);		/* step 2 */
		return r;
	}
	r = durei_guard_begin(guard);
	if (r < 0)
		return r;
	r = durei_array_fill(&b->array, guard, from, NULL, more);
	if (r == 0)
		r = durei_log_write_word(guard->lane, &b->shared->bits, bits);
	return durei_guard_end(guard, r);
}

/* [BITMAP1] Between guard begin and end; outside transactions chunks go, too. */
static int cut(dure_bitmap *b, struct durei_guard *guard, uint64_t bits)
{
	uint64_t end = min_u64(align_up(bits, WORD_BITS), bits_of(b));
	int r = write_range(b, guard, bits, end, false);

	if (r == 0)
		r = durei_log_write_word(guard->lane, &b->shared->bits, bits);
	if (r == 0 && !guard->in_tx)
		r = durei_array_trim(&b->array, guard, dl_bitmap_words(bits));
	return r;
}

static int resize_locked(dure_bitmap *b, struct durei_guard *guard, uint64_t bits)
{
	int r;

	if (bits >= bits_of(b))
		return bits > bits_of(b) ? extend(b, guard, bits) : 0;
	r = durei_guard_begin(guard);
	return r < 0 ? r : durei_guard_end(guard, cut(b, guard, bits));
}

int dure_bitmap_resize(dure_bitmap *bitmap, uint64_t bits)
{
	struct durei_guard guard;
	int r = lock(bitmap, &guard);

	if (r < 0)
		return r;
	r = resize_locked(bitmap, &guard, bits);
	durei_guard_unlock(&guard);
	return r;
}

uint64_t dure_bitmap_size(const dure_bitmap *bitmap)
{
	return cell64_load_acq(&bitmap->shared->bits);
}

/* -- reading ----------------------------------------------------------------------------- */

struct question {
	uint64_t first, count;
	uint64_t flip;			/* find: all ones for clear bits */
	uint64_t answer;
};

typedef int (*answerer)(const dure_bitmap *b, struct question *q);

/* All of it at one moment. */
static int ask(dure_bitmap *b, answerer answer, struct question *q)
{
	struct durei_look look;
	int r = durei_look_open(&look, b->elements.seg, &b->shared->guard);

	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
		r = answer(b, q);
		if (durei_look_end(&look))
			return r == -ENOENT ? durei_error_plain(ENOENT) : r;
		r = 0;
	}
	return r;
}

static int answer_test(const dure_bitmap *b, struct question *q)
{
	uint64_t bits = dure_bitmap_size(b), room;
	const struct cell64 *word;

	if (q->first >= bits)
		return no_such_bit(b, q->first, bits);
	word = words_at(b, q->first / WORD_BITS, &room);
	if (!word)
		return durei_array_damaged(&b->array);
	return (int)(cell64_load_acq(word) >> q->first % WORD_BITS & 1);
}

static int answer_find(const dure_bitmap *b, struct question *q)
{
	return find(b, q->first, dure_bitmap_size(b), q->flip, &q->answer);
}

static int answer_count(const dure_bitmap *b, struct question *q)
{
	uint64_t bits = dure_bitmap_size(b), room = 0;
	uint64_t first = min_u64(q->first, bits), end = first + min_u64(q->count, bits - first);
	const struct cell64 *at = NULL;

	q->answer = 0;
	if (first == end)
		return 0;
	for (uint64_t w = first / WORD_BITS; w < dl_bitmap_words(end); w++, at++, room--) {
		if (room == 0)
			at = words_at(b, w, &room);
		if (!at)
			return durei_array_damaged(&b->array);
		q->answer += (unsigned)__builtin_popcountll(cell64_load_acq(at) &
							    mask_of(w, first, end));
	}
	return 0;
}

int dure_bitmap_test(dure_bitmap *bitmap, uint64_t bit)
{
	struct question q = { .first = bit };

	return ask(bitmap, answer_test, &q);
}

static int find_from(dure_bitmap *b, uint64_t from, uint64_t flip, uint64_t *ret_bit)
{
	struct question q = { .first = from, .flip = flip };
	int r = ask(b, answer_find, &q);

	if (r == 0)
		*ret_bit = q.answer;
	return r;
}

int dure_bitmap_find_set(dure_bitmap *bitmap, uint64_t from, uint64_t *ret_bit)
{
	return find_from(bitmap, from, 0, ret_bit);
}

int dure_bitmap_find_clear(dure_bitmap *bitmap, uint64_t from, uint64_t *ret_bit)
{
	return find_from(bitmap, from, UINT64_MAX, ret_bit);
}

int dure_bitmap_count(dure_bitmap *bitmap, uint64_t first, uint64_t count, uint64_t *ret_set)
{
	struct question q = { .first = first, .count = count };
	int r = ask(bitmap, answer_count, &q);

	if (r == 0)
		*ret_set = q.answer;
	return r;
}

/* -- the end of a bitmap ----------------------------------------------------------------- */

static int bind_found(void *handle, dure_segment *seg, void *shared, struct durei_where where)
{
	dure_bitmap *b = handle;
	int r = durei_elements_bind(&b->elements, &bitmaps, seg, shared, where);

	return r < 0 ? r : bind(b);
}

static int free_all(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)count;
	(void)context;
	return durei_array_free(tx, &((struct dl_bitmap *)object)->array);
}

const struct durei_container durei_bitmaps = {
	.what = "bitmap",
	.object = { "dure_bitmap", sizeof(struct dl_bitmap), 64 },
	.handle_bytes = sizeof(dure_bitmap),
	.bind = bind_found,
	.free_rest = free_all,
};

int dure_bitmap_destroy(dure_segment *segment, const char *name)
{
	return durei_container_end(&durei_bitmaps, segment, name);
}
