/* SPDX-License-Identifier: MIT */
/*
 * seqlock.c - a small value that is read often, without a lock
 *
 * Why      The usual sequence lock has one copy: its readers spin while a writer is at work, for
 *          ever when it died there, and what it left is half of each. With two copies there
 *          always is a whole one.
 * Layout   layout/lock.h, struct dl_seqlock; the copies follow it
 * Rules    [SEQ1] copies[serial % 2] is the value; who has `word` fills the other one, then
 *                 `serial` grows by one
 *          [SEQ2] what a reader has copied counts when `serial` is the same afterwards: whoever
 *                 fills the copy it reads has found `serial` grown already
 * Death    of a writer, after step
 *          1 word        the value as before                  held.c: the lock is CLEAN
 *          2 the other copy, some of it: nobody reads it      the next writer fills it anew
 *          3 serial      the new value, a lock of the dead    held.c
 * Limits   2^32 writes while one reader copies would deceive it.
 */
#include <dure/seqlock.h>

#include <string.h>

#include "lock/place.h"
#include "lock/word.h"

static_assert(sizeof(dure_seqlock) == sizeof(struct dl_seqlock), "dure_seqlock is dl_seqlock");

enum { READ_TRIES_MAX = 1 << 20, WORD = sizeof(uint64_t) };

static size_t words_of(size_t bytes)
{
	return (bytes + WORD - 1) / WORD;
}

static struct cell64 *copy_at(const struct dl_seqlock *s, uint32_t serial, size_t bytes)
{
	return (struct cell64 *)(uintptr_t)(s + 1) + (serial % 2 ? words_of(bytes) : 0);
}

static void copy_in(struct cell64 *to, const void *from, size_t bytes)
{
	const char *source = from;

	for (size_t i = 0; i < words_of(bytes); i++) {
		size_t left = bytes - i * WORD;
		uint64_t word = 0;
		memcpy(&word, source + i * WORD, left < WORD ? left : WORD);
		cell64_store_rel(&to[i], word);		/* [SEQ2], the writer's half */
	}
}

static void copy_out(void *to, const struct cell64 *from, size_t bytes)
{
	char *target = to;

	for (size_t i = 0; i < words_of(bytes); i++) {
		size_t left = bytes - i * WORD;
		uint64_t word = cell64_load_rlx(&from[i]);	/* relaxed: [SEQ2] decides */
		memcpy(target + i * WORD, &word, left < WORD ? left : WORD);
	}
}

int dure_seqlock_init(dure_segment *segment, dure_seqlock *lock, const void *value, size_t bytes)
{
	struct dl_seqlock *s = (struct dl_seqlock *)lock;
	int r = durei_handle_check_write(segment);

	if (r < 0)
		return r;
	if (bytes == 0 || bytes > DURE_SEQLOCK_VALUE_MAX)
		return durei_error(EINVAL, "a sequence lock guards 1 to %d bytes, not %zu",
				   DURE_SEQLOCK_VALUE_MAX, bytes);
	r = durei_place_check(segment, lock, DURE_SEQLOCK_BYTES(bytes));
	if (r < 0)
		return r;
	memset(s, 0, DURE_SEQLOCK_BYTES(bytes));
	if (value)
		copy_in(copy_at(s, 0, bytes), value, bytes);
	s->value_bytes = (uint32_t)bytes;
	s->kind = DL_LOCK_IS_SEQLOCK;
	return 0;
}

/* A lock with a value of that size. Zeros are none: they do not say how large it is. */
static int check(dure_segment *seg, const dure_seqlock *lock, size_t bytes)
{
	const struct dl_seqlock *s = (const struct dl_seqlock *)lock;

	if (!durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_SEQLOCK, "sequence lock"))
		return -EINVAL;
	if (s->value_bytes != bytes || bytes == 0 || bytes > DURE_SEQLOCK_VALUE_MAX ||
	    !durei_bytes_are_backed(seg, durei_offset(seg, s), DURE_SEQLOCK_BYTES(bytes)))
		return durei_error(EINVAL, "segment %s: the sequence lock at +%#llx guards %u bytes, not "
				   "%zu", seg->super.name, (unsigned long long)durei_offset(seg, s),
				   s->value_bytes, bytes);
	return 0;
}

int dure_seqlock_read(dure_segment *segment, const dure_seqlock *lock, void *to, size_t bytes)
{
	const struct dl_seqlock *s = (const struct dl_seqlock *)lock;
	int r = durei_handle_check(segment);
	uint32_t serial;

	if (r == 0)
		r = check(segment, lock, bytes);
	if (r < 0)
		return r;
	for (int tries = 0; tries < READ_TRIES_MAX; tries++) {
		serial = cell32_load_acq(&s->serial);
		copy_out(to, copy_at(s, serial, bytes), bytes);
		fence_acquire();	/* the copy before `serial` again [SEQ2] */
		if (cell32_load_rlx(&s->serial) == serial)
			return 0;
	}
	return durei_error_plain(EAGAIN);
}

/* -- writing ----------------------------------------------------------------------------- */

static int begin(dure_segment *segment, dure_seqlock *lock, size_t bytes, struct durei_lane **ret)
{
	int r = 0;

	*ret = durei_lane_get(segment, &r);
	return *ret ? check(segment, lock, bytes) : r;
}

static int take(struct durei_lane *lane, struct dl_seqlock *s, int64_t timeout_ns)
{
	int r;

	if (durei_word_is_ours(lane, &s->word))
		return durei_error(EDEADLK, "segment %s: the thread is changing what the sequence lock at "
				   "+%#llx guards", lane->seg->super.name,
				   (unsigned long long)durei_offset(lane->seg, s));
	r = durei_word_take(lane, &s->word, DL_HELD_CLEAN, 0, timeout_ns);	/* step 1 */
	return r < 0 ? r : 0;
}

static void give_back(struct durei_lane *lane, struct dl_seqlock *s)
{
	int index = durei_held_find(lane, durei_offset(lane->seg, &s->word));

	if (index >= 0)
		durei_word_free(lane, &s->word, index);
}

static void replace(struct dl_seqlock *s, const void *from, size_t bytes)
{
	uint32_t serial = cell32_load_rlx(&s->serial) + 1;	/* only we change it */

	copy_in(copy_at(s, serial, bytes), from, bytes);		/* step 2 */
	cell32_store_rel(&s->serial, serial);				/* step 3 */
}

int dure_seqlock_write(dure_segment *segment, dure_seqlock *lock, const void *from, size_t bytes,
		       int64_t timeout_ns)
{
	struct dl_seqlock *s = (struct dl_seqlock *)lock;
	struct durei_lane *lane;
	int r = begin(segment, lock, bytes, &lane);

	if (r == 0)
		r = take(lane, s, timeout_ns);
	if (r < 0)
		return r;
	replace(s, from, bytes);
	give_back(lane, s);
	return 0;
}

int dure_seqlock_begin(dure_segment *segment, dure_seqlock *lock, void *to, size_t bytes,
		       int64_t timeout_ns)
{
	struct dl_seqlock *s = (struct dl_seqlock *)lock;
	struct durei_lane *lane;
	int r = begin(segment, lock, bytes, &lane);

	if (r == 0)
		r = take(lane, s, timeout_ns);
	if (r == 0)
		copy_out(to, copy_at(s, cell32_load_rlx(&s->serial), bytes), bytes);
	return r;
}

static int check_begun(struct durei_lane *lane, const struct dl_seqlock *s)
{
	if (durei_word_is_ours(lane, &s->word))
		return durei_word_check_held(lane, &s->word);
	return durei_error(EPERM, "segment %s: the thread has not begun to change what the sequence lock "
			   "at +%#llx guards", lane->seg->super.name,
			   (unsigned long long)durei_offset(lane->seg, s));
}

int dure_seqlock_commit(dure_segment *segment, dure_seqlock *lock, const void *from, size_t bytes)
{
	struct dl_seqlock *s = (struct dl_seqlock *)lock;
	struct durei_lane *lane;
	int r = begin(segment, lock, bytes, &lane);

	if (r == 0)
		r = check_begun(lane, s);
	if (r < 0)
		return r;
	replace(s, from, bytes);
	give_back(lane, s);
	return 0;
}

int dure_seqlock_cancel(dure_segment *segment, dure_seqlock *lock)
{
	struct dl_seqlock *s = (struct dl_seqlock *)lock;
	struct durei_lane *lane;
	int r = 0;

	lane = durei_lane_get(segment, &r);
	if (!lane)
		return r;
	if (!durei_place_is(segment, s, sizeof *s, DUREI_KIND_OF(s), DL_LOCK_IS_SEQLOCK, "sequence lock"))
		return -EINVAL;
	r = check_begun(lane, s);
	if (r == 0)
		give_back(lane, s);
	return r;
}
