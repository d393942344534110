/* SPDX-License-Identifier: MIT */
/*
 * tx.c - transactions as callers see them
 *
 * Why      The log is the mechanism; this file is its use by programs: nesting, locks that
 *          are held to the end, checks of what the caller passes in.
 * Rules    [TXU1] locks of a transaction carry DL_HELD_CLEAN: an heir frees them silently,
 *                 after the log has been dealt with; and DL_HELD_TX: its end frees these, and
 *                 no others that the thread has taken meanwhile
 *          [TXU2] they are given back after the log is IDLE
 *          [TXU3] one that was marked consistent loses its died bit then, and only after a
 *                 commit: an abort has undone what was mended
 * Death    see log.c; between IDLE and the last unlock: locks of the dead that guard nothing
 *          half done. Recovery frees them.
 */
#include <dure/tx.h>

#include <string.h>

#include "lock/mutex.h"
#include "lock/word.h"
#include "tx/log.h"

int dure_tx_begin(dure_segment *segment, dure_tx **ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (__builtin_expect(!lane, 0))
		return r;
	if (lane->tx.depth) {
		lane->tx.depth++;
	} else {
		r = durei_log_begin(lane, false);
		if (r < 0)
			return r;
		lane->tx.is_doomed = 0;
	}
	*ret = &lane->tx;
	return 0;
}

int durei_tx_check(const dure_tx *tx)
{
	if (__builtin_expect(tx && tx->lane && tx->depth, 1))
		return 0;
	/* a child of fork sees zeros where its parent's transaction is */
	return tx && !tx->lane
		       ? durei_error(ESTALE, "the transaction was begun before fork, by the parent")
		       : durei_error(EINVAL, "no open transaction (NULL, or ended already)");
}

void durei_tx_keep(struct durei_lane *lane, int index)
{
	durei_held_set_flags(lane, index, DL_HELD_CLEAN | DL_HELD_TX);
	lane->tx.has_locks++;
}

int dure_tx_lock(dure_tx *tx, dure_mutex *mutex, int64_t timeout_ns)
{
	struct dl_mutex *m = (struct dl_mutex *)mutex;
	int r = durei_tx_check(tx);

	if (r < 0)
		return r;
	r = durei_mutex_check(tx->lane->seg, mutex);
	if (r < 0)
		return r;
	if (durei_word_is_ours(tx->lane, &m->word))
		return durei_word_check_held(tx->lane, &m->word);
	r = durei_mutex_take(tx->lane, m, DL_HELD_CLEAN, timeout_ns);
	if (r >= 0)
		durei_tx_keep(tx->lane, (int)tx->lane->held_count - 1);
	return r;
}

/* The range in the segment that a caller means; -EINVAL with a sentence. */
static int range_in(const dure_tx *tx, const void *start, size_t bytes, uint64_t *ret_offset)
{
	dure_segment *seg = tx->lane->seg;
	uint64_t offset = durei_offset(seg, start);

	if (offset < seg->super.data_offset || !durei_bytes_are_backed(seg, offset, bytes))
		return durei_error(EINVAL, "segment %s: the %zu bytes at %p are not data in it",
				   seg->super.name, bytes, start);
	*ret_offset = offset;
	return 0;
}

int dure_tx_add(dure_tx *tx, void *start, size_t bytes)
{
	uint64_t offset = 0;
	int r = durei_tx_check(tx);

	if (r == 0)
		r = range_in(tx, start, bytes, &offset);
	return r < 0 ? r : durei_log_undo_range(tx->lane, offset, bytes);
}

int dure_tx_write(dure_tx *tx, void *to, const void *from, size_t bytes)
{
	uint64_t offset = 0, word;
	int r = durei_tx_check(tx);

	if (r == 0)
		r = range_in(tx, to, bytes, &offset);
	if (r < 0)
		return r;
	if (bytes == 8 && offset % 8 == 0) {
		memcpy(&word, from, 8);
		return durei_log_write_word(tx->lane, to, word);
	}
	r = durei_log_undo_range(tx->lane, offset, bytes);
	if (r < 0)
		return r;
	memmove(to, from, bytes);
	fence_crash();
	return 0;
}

/* What has been marked consistent is so once the log is closed; a death before tells again. */
static void give_locks_back(struct durei_lane *lane, bool has_committed)
{
	for (int i = (int)lane->held_count - 1; lane->tx.has_locks && i >= 0; i--) {
		uint64_t offset = cell64_load_rlx(&lane->shared->held[i]) & DL_HELD_OFFSET_MASK;
		uint64_t flags = durei_held_flags(lane, i);
		if (!(flags & DL_HELD_TX))
			continue;
		struct dl_mutex *m = durei_at(lane->seg, offset);
		if (has_committed && flags & DL_HELD_MARKED && durei_word_is_ours(lane, &m->word))
			(void)cell32_and(&m->word, ~DL_LOCK_DIED);
		durei_word_free(lane, &m->word, i);
		lane->tx.has_locks--;
	}
}

static int abort_all(struct durei_lane *lane)
{
	durei_log_abort(lane);
	give_locks_back(lane, false);
	return 0;
}

int dure_tx_commit(dure_tx *tx)
{
	int r = durei_tx_check(tx);

	if (r < 0)
		return r;
	if (tx->depth > 1) {
		tx->depth--;
		return 0;
	}
	if (tx->is_doomed) {
		abort_all(tx->lane);
		return durei_error(ECANCELED, "an inner part of the transaction was aborted: all of "
				   "it has been undone");
	}
	durei_log_commit(tx->lane);
	give_locks_back(tx->lane, true);
	return 0;
}

int dure_tx_abort(dure_tx *tx)
{
	int r = durei_tx_check(tx);

	if (r < 0)
		return r;
	if (tx->depth > 1) {
		tx->depth--;
		tx->is_doomed = 1;
		return 0;
	}
	return abort_all(tx->lane);
}

dure_segment *dure_tx_segment(dure_tx *tx)
{
	return tx && tx->lane ? tx->lane->seg : NULL;
}
