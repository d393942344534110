/* SPDX-License-Identifier: MIT */
/*
 * shared_locks.c - locks that several have at once, to be killed at every instruction
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "steps.h"

/* -- reader-writer locks ----------------------------------------------------------------- */

static void lock_in(struct world *w, enum dure_lock_mode mode)
{
	must(dure_rwlock_lock(w->seg, &w->root->rwlock, mode, DURE_FOREVER), "rwlock_lock");
}

static void change_to(struct world *w, enum dure_lock_mode mode)
{
	must(dure_rwlock_change(w->seg, &w->root->rwlock, mode, DURE_FOREVER), "rwlock_change");
}

static void run_rwlock_init(struct world *w)
{
	must(dure_rwlock_init(w->seg, &w->root->rwlock), "rwlock_init");
}

static void run_share(struct world *w)
{
	lock_in(w, DURE_SHARED);
}

static void run_upgradable(struct world *w)
{
	lock_in(w, DURE_UPGRADABLE);
}

static void run_exclusive(struct world *w)
{
	lock_in(w, DURE_EXCLUSIVE);
}

static void run_unlock_rw(struct world *w)
{
	must(dure_rwlock_unlock(w->seg, &w->root->rwlock), "rwlock_unlock");
}

static void run_up(struct world *w)
{
	change_to(w, DURE_EXCLUSIVE);
}

static void run_to_upgradable(struct world *w)
{
	change_to(w, DURE_UPGRADABLE);
}

static void run_down(struct world *w)
{
	change_to(w, DURE_SHARED);
}

/* The next writer gets it: -1 not, 0, DURE_OWNER_DIED. */
static int take_and_mend(struct world *w)
{
	int r = dure_rwlock_lock(w->seg, &w->root->rwlock, DURE_EXCLUSIVE, 0);

	if (r == DURE_OWNER_DIED)
		must(dure_rwlock_mark_consistent(w->seg, &w->root->rwlock), "mark_consistent");
	if (r >= 0)
		must(dure_rwlock_unlock(w->seg, &w->root->rwlock), "rwlock_unlock");
	return r;
}

/* A reader's death is nobody's business. */
static enum verdict judge_unspoilt(struct world *w)
{
	return take_and_mend(w) == 0 ? EITHER : WRONG;
}

static enum verdict judge_writer_inside(struct world *w)
{
	int r = take_and_mend(w);

	return r < 0 ? WRONG : seen(r == DURE_OWNER_DIED);
}

static enum verdict judge_writer_gone(struct world *w)
{
	int r = take_and_mend(w);

	return r < 0 ? WRONG : seen(r == 0);
}

/* Somebody else waits to read when the writer ends: he is let in. */
static void prepare_asker(struct world *w)
{
	run_exclusive(w);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(dure_segment_reattach(w->seg), "reattach");
		lock_in(w, DURE_SHARED);
		for (;;)
			pause();
	}
	while (!(((volatile uint32_t *)(void *)&w->root->rwlock)[0] & 0x80000000u))
		usleep(1000);
}

static void prepare_dead_writer(struct world *w)
{
	run_exclusive(w);
	*(volatile uint32_t *)(void *)&w->root->rwlock |= 0x40000000u;
}

static void run_mark_rw(struct world *w)
{
	must(dure_rwlock_mark_consistent(w->seg, &w->root->rwlock), "mark_consistent");
}

static void run_abandon_rw(struct world *w)
{
	must(dure_rwlock_abandon(w->seg, &w->root->rwlock), "abandon");
}

static enum verdict judge_abandoned_rw(struct world *w)
{
	int r = dure_rwlock_lock(w->seg, &w->root->rwlock, DURE_SHARED, 0);

	if (r >= 0)
		must(dure_rwlock_unlock(w->seg, &w->root->rwlock), "rwlock_unlock");
	return r == -ENOTRECOVERABLE ? AFTER : r == DURE_OWNER_DIED ? BEFORE : WRONG;
}

/* A reader is inside, and stays: who wants to write comes no further than to the word. */
static void prepare_reader(struct world *w)
{
	int fds[2];
	char byte;

	warm_up(w);
	must(pipe(fds), "pipe");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(dure_segment_reattach(w->seg), "reattach");
		lock_in(w, DURE_SHARED);
		must(write(fds[1], "r", 1) == 1 ? 0 : -1, "write");
		for (;;)
			pause();
	}
	must(read(fds[0], &byte, 1) == 1 ? 0 : -1, "read");
	close(fds[0]);
	close(fds[1]);
}

static void run_try_exclusive(struct world *w)
{
	int r = dure_rwlock_lock(w->seg, &w->root->rwlock, DURE_EXCLUSIVE, 0);

	must(r == -EAGAIN ? 0 : -1, "rwlock_lock under a reader");
}

static void run_write_and_end(struct world *w)
{
	run_exclusive(w);
	run_unlock_rw(w);
}

/* -- what has to be shown, by the bytes of the segment: dure-segment(5) --------------------- */

static uint64_t at(const struct world *w, uint64_t offset)
{
	const volatile unsigned char *base = dure_segment_base(w->seg);

	return *(const volatile uint64_t *)(const volatile void *)(base + offset);
}

enum { LANES_LOOKED_AT = 8, SHARES = 32, OWNED = 1, WAITING = 2, CHANGING = 3 };

static bool is_owned(const struct world *w, uint64_t lane)
{
	return (at(w, at(w, 0x040) + lane * 8) & 0xff) == OWNED;
}

/* How many shares of living lanes are in this state; in *without_busy those whose lane is not. */
static int shares_in(const struct world *w, unsigned state, int *without_busy)
{
	int count = 0;

	*without_busy = 0;
	for (uint64_t lane = 1; lane < LANES_LOOKED_AT; lane++)
		for (uint64_t i = 0; i < SHARES && is_owned(w, lane); i++) {
			uint64_t at_lane = at(w, 0x060) + lane * 4096;
			if ((at(w, at_lane + 0x400 + i * 16) >> 46 & 7) != state)
				continue;
			count++;
			*without_busy += (uint32_t)at(w, at_lane + 0x050) == 0;
		}
	return count;
}

/*
 * [RW1] who is in the word is in the turn. [RW2] who asks is let in before the word is free, or
 * the flag that says so stays. [SHARE4] who changes units is busy.
 */
static enum verdict judge_shown(struct world *w)
{
	const volatile uint32_t *lock = (const volatile uint32_t *)(void *)&w->root->rwlock;
	uint32_t in_word = lock[0] & 0xffff, in_turn = lock[1] & 0xffff;
	int without_busy, waiting = shares_in(w, WAITING, &without_busy);

	if (in_word && is_owned(w, in_word) && in_turn != in_word)
		return WRONG;
	if (!in_word && waiting && !(lock[2] & 2))
		return WRONG;
	shares_in(w, CHANGING, &without_busy);
	return without_busy ? WRONG : EITHER;
}

/* -- semaphores -------------------------------------------------------------------------- */

static void post(struct world *w, uint32_t units)
{
	must(dure_semaphore_post(w->seg, &w->root->semaphore, units), "semaphore_post");
}

static void take(struct world *w, uint32_t units, uint32_t flags)
{
	must(dure_semaphore_take(w->seg, &w->root->semaphore, units, flags, DURE_FOREVER), "take");
}

static void prepare_three(struct world *w)
{
	post(w, 3);
}

static void prepare_two_taken(struct world *w)
{
	post(w, 3);
	take(w, 2, 0);
}

static void run_semaphore_init(struct world *w)
{
	must(dure_semaphore_init(w->seg, &w->root->semaphore, 0), "semaphore_init");
}

static void run_take(struct world *w)
{
	take(w, 2, 0);
}

static void run_take_for_good(struct world *w)
{
	take(w, 2, DURE_TAKE_FOR_GOOD);
}

static void run_post_own(struct world *w)
{
	post(w, 1);
}

static void run_post_more(struct world *w)
{
	post(w, 4);
}

static void run_keep_units(struct world *w)
{
	must(dure_semaphore_keep(w->seg, &w->root->semaphore, 1), "semaphore_keep");
}

static void run_take_and_post(struct world *w)
{
	take(w, 1, 0);
	take(w, 1, 0);
	post(w, 2);
	take(w, 3, 0);
}

/* All units are there, and nobody has any: so many before, so many after. */
static enum verdict judge_units(struct world *w, uint32_t before, uint32_t after)
{
	struct dure_semaphore_info info = { .sz = sizeof info };

	must(dure_semaphore_info(w->seg, &w->root->semaphore, &info), "semaphore_info");
	if (info.taken)
		return WRONG;
	if (before == after)
		return info.units == before ? EITHER : WRONG;
	return info.units == before ? BEFORE : info.units == after ? AFTER : WRONG;
}

static enum verdict judge_three(struct world *w)
{
	return judge_units(w, 3, 3);
}

static enum verdict judge_taken_for_good(struct world *w)
{
	return judge_units(w, 3, 1);
}

static enum verdict judge_kept(struct world *w)
{
	return judge_units(w, 3, 2);
}

static enum verdict judge_posted_more(struct world *w)
{
	return judge_units(w, 3, 5);
}

static enum verdict judge_posted_new(struct world *w)
{
	return judge_units(w, 3, 4);
}

#define LOCK "dure_rwlock_lock"
#define UNLOCK "dure_rwlock_unlock"
#define CHANGE "dure_rwlock_change"
#define TAKE "dure_semaphore_take"
#define POST "dure_semaphore_post"

static const struct scenario list[] = {
	{ "rwlock_init", "dure_rwlock_init", prepare_nothing, run_rwlock_init, judge_unspoilt, 0 },
	{ "share", LOCK, warm_up, run_share, judge_unspoilt, 0 },
	{ "share_twice", LOCK, run_share, run_share, judge_unspoilt, 0 },
	{ "unshare", UNLOCK, run_share, run_unlock_rw, judge_unspoilt, 0 },
	{ "upgradable", LOCK, warm_up, run_upgradable, judge_unspoilt, 0 },
	{ "unlock_upgradable", UNLOCK, run_upgradable, run_unlock_rw, judge_unspoilt, 0 },
	{ "exclusive", LOCK, warm_up, run_exclusive, judge_writer_inside, 0 },
	{ "unlock_exclusive", UNLOCK, run_exclusive, run_unlock_rw, judge_writer_gone, 0 },
	{ "unlock_to_asker", UNLOCK, prepare_asker, run_unlock_rw, judge_writer_gone, 0 },
	{ "upgrade_shared", CHANGE, run_share, run_up, judge_writer_inside, 0 },
	{ "upgrade_upgradable", CHANGE, run_upgradable, run_up, judge_writer_inside, 0 },
	{ "shared_to_upgradable", CHANGE, run_share, run_to_upgradable, judge_unspoilt, 0 },
	{ "upgradable_to_shared", CHANGE, run_upgradable, run_down, judge_unspoilt, 0 },
	{ "downgrade", CHANGE, run_exclusive, run_down, judge_writer_gone, 0 },
	{ "downgrade_to_upgradable", CHANGE, run_exclusive, run_to_upgradable, judge_writer_gone, 0 },
	{ "downgrade_to_asker", CHANGE, prepare_asker, run_down, judge_writer_gone, 0 },
	{ "rwlock_mark_consistent", "dure_rwlock_mark_consistent", prepare_dead_writer, run_mark_rw,
	  nothing_to_see, 0 },
	{ "rwlock_abandon", "dure_rwlock_abandon", run_exclusive, run_abandon_rw, judge_abandoned_rw,
	  0 },
	{ "exclusive_under_reader", LOCK, prepare_reader, run_try_exclusive, judge_unspoilt, 0 },
	{ "write_and_end", LOCK " " UNLOCK, warm_up, run_write_and_end, judge_shown, SEEN_AT_ONCE },
	{ "end_with_asker", UNLOCK, prepare_asker, run_unlock_rw, judge_shown, SEEN_AT_ONCE },
	{ "semaphore_init", "dure_semaphore_init", prepare_nothing, run_semaphore_init,
	  nothing_to_see, 0 },
	{ "take", TAKE, prepare_three, run_take, judge_three, 0 },
	{ "take_shown", TAKE, prepare_three, run_take, judge_shown, SEEN_AT_ONCE },
	{ "take_for_good", TAKE, prepare_three, run_take_for_good, judge_taken_for_good, 0 },
	{ "post_new", POST, prepare_three, run_post_own, judge_posted_new, 0 },
	{ "post_own", POST, prepare_two_taken, run_post_own, judge_three, 0 },
	{ "post_own_and_new", POST, prepare_two_taken, run_post_more, judge_posted_more, 0 },
	{ "take_and_post", TAKE " " POST, prepare_three, run_take_and_post, judge_three, 0 },
	{ "semaphore_keep", "dure_semaphore_keep", prepare_two_taken, run_keep_units, judge_kept, 0 },
};

const struct scenarios shared_lock_scenarios = { list, sizeof list / sizeof *list };
