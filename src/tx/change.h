/* SPDX-License-Identifier: MIT */
/*
 * change.h - one change of something that has a lock: a log of its own, or part of a transaction
 *
 * Why      Whoever changes words in place under a lock does the same four things, and does them
 *          otherwise inside a transaction: there the lock stays to the end, the log is the
 *          transaction's, and a failure dooms it.
 *
 *	r = durei_change_lock(lane, lock, DURE_FOREVER, &in_tx);
 *	r = durei_change_begin(lane, in_tx);
 *	... durei_log_write_word, add, take, free ...
 *	r = durei_change_end(lane, in_tx, r);
 *	if (!in_tx)
 *		durei_word_free(...)
 */
#ifndef DUREI_TX_CHANGE_H
#define DUREI_TX_CHANGE_H

#include "lock/mutex.h"
#include "lock/word.h"
#include "tx/log.h"

/*
 * Takes the lock, which is DL_HELD_CLEAN: the log mends what it guards. Outside a transaction it
 * is the last one of the lane's list now. 0; otherwise as a mutex
 */
static inline int durei_change_lock(struct durei_lane *lane, struct dl_mutex *lock,
				    int64_t timeout_ns, bool *ret_in_tx)
{
	int r;

	*ret_in_tx = durei_log_is_open(lane);
	if (*ret_in_tx && durei_word_is_ours(lane, &lock->word))
		return durei_word_check_held(lane, &lock->word);
	r = durei_mutex_take(lane, lock, DL_HELD_CLEAN, timeout_ns);
	if (__builtin_expect(r < 0, 0))
		return r;
	if (*ret_in_tx)
		durei_tx_keep(lane, (int)lane->held_count - 1);
	return 0;
}

static inline int durei_change_begin(struct durei_lane *lane, bool in_tx)
{
	return in_tx ? 0 : durei_log_begin(lane, true);
}

/* r: how the change went. Commits what begin began, or undoes it. Returns r. */
static inline int durei_change_end(struct durei_lane *lane, bool in_tx, int r)
{
	if (in_tx) {
		if (r < 0)
			lane->tx.is_doomed = 1;
	} else if (r < 0) {
		durei_log_abort(lane);
	} else {
		durei_log_commit(lane);
	}
	return r;
}

#endif
