/* SPDX-License-Identifier: MIT */
/*
 * locks.c - taking and giving back locks, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

static enum verdict judge_unlocked(struct world *w)
{
	enum verdict held = judge_lock(w);

	return held == WRONG ? WRONG : held == AFTER ? BEFORE : AFTER;
}

static void run_unlock(struct world *w)
{
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
}

static void prepare_two_locks(struct world *w)
{
	run_lock(w);
	must(dure_mutex_lock(w->seg, &w->root->locks[1], DURE_FOREVER), "lock");
}

/* The other one is held all the time. */
static enum verdict judge_one_of_two(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &w->root->locks[1], 0);

	if (r != DURE_OWNER_DIED)
		return WRONG;
	must(dure_mutex_mark_consistent(w->seg, &w->root->locks[1]), "mark_consistent");
	must(dure_mutex_unlock(w->seg, &w->root->locks[1]), "unlock");
	return judge_unlocked(w);
}

static void run_mutex_init(struct world *w)
{
	must(dure_mutex_init(w->seg, &w->root->locks[0], DURE_MUTEX_RECURSIVE), "init");
}

static void prepare_recursive(struct world *w)
{
	run_mutex_init(w);
	run_lock(w);
}

static void run_recursive(struct world *w)
{
	run_lock(w);
	run_lock(w);
	run_unlock(w);
	run_unlock(w);
}

static enum verdict judge_still_held(struct world *w)
{
	return judge_lock(w) == AFTER ? EITHER : WRONG;
}

/* held by this process, and marked as if a holder had died */
static void prepare_died(struct world *w)
{
	run_lock(w);
	*(volatile uint32_t *)(void *)&w->root->locks[0] |= 0x40000000u;
}

static void run_mark_consistent(struct world *w)
{
	must(dure_mutex_mark_consistent(w->seg, &w->root->locks[0]), "mark_consistent");
}

/* somebody died with the lock outside a transaction; within one it is mended */
static void prepare_died_for_tx(struct world *w)
{
	prepare_died(w);
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
}

static void run_mark_in_tx(struct world *w)
{
	uint64_t value = 7;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_lock(tx, &w->root->locks[0], DURE_FOREVER), "lock");
	must(dure_tx_write(tx, &w->root->words[0], &value, sizeof value), "write");
	must(dure_mutex_mark_consistent(w->seg, &w->root->locks[0]), "mark_consistent");
	must(dure_tx_commit(tx), "commit");
}

/* never marked without what mends it; a commit may be told of once more */
static enum verdict judge_marked_in_tx(struct world *w)
{
	bool is_mended = w->root->words[0] == 7;
	int r = dure_mutex_lock(w->seg, &w->root->locks[0], 0);

	if (r < 0 || (!is_mended && r != DURE_OWNER_DIED))
		return WRONG;
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
	return seen(is_mended);
}

static void run_abandon(struct world *w)
{
	must(dure_mutex_abandon(w->seg, &w->root->locks[0]), "abandon");
}

static enum verdict judge_abandoned(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &w->root->locks[0], 0);

	if (r == -ENOTRECOVERABLE)
		return AFTER;
	return r == DURE_OWNER_DIED ? BEFORE : WRONG;
}

/* -- spinlocks --------------------------------------------------------------------------- */

static void run_spinlock_init(struct world *w)
{
	must(dure_spinlock_init(w->seg, &w->root->spinlock), "spinlock_init");
}

static void run_spin(struct world *w)
{
	must(dure_spinlock_lock(w->seg, &w->root->spinlock, DURE_FOREVER), "spinlock_lock");
}

static void run_spin_unlock(struct world *w)
{
	must(dure_spinlock_unlock(w->seg, &w->root->spinlock), "spinlock_unlock");
}

/* held by this process, and marked as if a holder had died */
static void prepare_spin_died(struct world *w)
{
	run_spin(w);
	*(volatile uint32_t *)(void *)&w->root->spinlock |= 0x40000000u;
}

static void run_spin_mark(struct world *w)
{
	must(dure_spinlock_mark_consistent(w->seg, &w->root->spinlock), "mark_consistent");
}

static enum verdict judge_spinning(struct world *w)
{
	int r = dure_spinlock_lock(w->seg, &w->root->spinlock, 0);

	if (r < 0)
		return WRONG;
	if (r == DURE_OWNER_DIED)
		run_spin_mark(w);
	run_spin_unlock(w);
	return seen(r == DURE_OWNER_DIED);
}

static enum verdict judge_spun(struct world *w)
{
	enum verdict held = judge_spinning(w);

	return held == WRONG ? WRONG : held == AFTER ? BEFORE : AFTER;
}

static enum verdict judge_spin_held(struct world *w)
{
	return judge_spinning(w) == AFTER ? EITHER : WRONG;
}

static const struct scenario list[] = {
	{ "lock", "dure_mutex_lock", warm_up, run_lock, judge_lock, 0 },
	{ "unlock", "dure_mutex_unlock", run_lock, run_unlock, judge_unlocked, 0 },
	{ "unlock_one_of_two", "dure_mutex_unlock", prepare_two_locks, run_unlock, judge_one_of_two,
	  0 },
	{ "mutex_init", "dure_mutex_init", prepare_nothing, run_mutex_init, nothing_to_see, 0 },
	{ "recursive", "dure_mutex_lock dure_mutex_unlock", prepare_recursive, run_recursive,
	  judge_still_held, 0 },
	{ "mark_consistent", "dure_mutex_mark_consistent", prepare_died, run_mark_consistent,
	  judge_still_held, 0 },
	{ "mark_in_tx", "dure_mutex_mark_consistent dure_tx_lock dure_tx_commit", prepare_died_for_tx,
	  run_mark_in_tx, judge_marked_in_tx, 0 },
	{ "abandon", "dure_mutex_abandon", run_lock, run_abandon, judge_abandoned, 0 },
	{ "spinlock_init", "dure_spinlock_init", prepare_nothing, run_spinlock_init, nothing_to_see, 0 },
	{ "spinlock_lock", "dure_spinlock_lock", warm_up, run_spin, judge_spinning, 0 },
	{ "spinlock_unlock", "dure_spinlock_unlock", run_spin, run_spin_unlock, judge_spun, 0 },
	{ "spinlock_mark", "dure_spinlock_mark_consistent", prepare_spin_died, run_spin_mark,
	  judge_spin_held, 0 },
};

const struct scenarios lock_scenarios = { list, sizeof list / sizeof *list };
