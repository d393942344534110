/* SPDX-License-Identifier: MIT */
/*
 * guard.c - changing a container under its lock, and reading it without
 *
 * Why      Containers that change words in place have the same two questions: how is the change
 *          undone when its thread dies, and how does a reader know that he saw no half of it.
 * How      A change is a log of undo entries, of its own or of the open transaction; the lock is
 *          DL_HELD_CLEAN, for the log mends what it guards. Before the first change the log's mark
 *          is put into `writer`, and the version grows. A reader who meets the mark of an open log
 *          waits: a moment for a single operation; then by taking the lock, which also recovers a
 *          dead writer, or waits for the end of a transaction. So he never sees what is undone
 *          later. Who can take no lock (read-only) gets -EAGAIN then.
 * Rules    layout/guard.h
 *          [GUARDC1] the mark is cleared by the commit, after the log has become VISIBLE. It is not
 *                    undone: undoing that is begun anew goes through states that never were, and
 *                    readers must know until the log is closed
 *          [GUARDC2] a mark that names a closed log is nobody's
 * Death    begin, after step   is left behind                       who mends it
 *          1 mark              a mark of an open log                roll back (tx/log.c): closed
 *          2 version           the same; readers look twice         the same; the version stays
 *          then as tx/log.c, a transaction.
 *          reading: a lock, DL_HELD_CLEAN, that guards nothing half done.
 */
#include "container/guard.h"

#include "tx/change.h"

enum {
	LOOKS_MAX = 200,		/* some microseconds: longer than a single operation */
	LOOKS_WITHOUT_LOCK_MAX = 100000,
};

/* -- changing ---------------------------------------------------------------------------- */

int durei_guard_lock(struct durei_lane *lane, struct dl_guard *shared, struct durei_guard *ret)
{
	int r = durei_change_lock(lane, &shared->lock, DURE_FOREVER, &ret->in_tx);

	ret->lane = lane;
	ret->shared = shared;
	ret->held = (int)lane->held_count - 1;	/* in a transaction nobody asks for it */
	return r;
}

void durei_guard_unlock(struct durei_guard *guard)
{
	if (!guard->in_tx)		/* else the transaction's end gives it back */
		durei_word_free(guard->lane, &guard->shared->lock.word, guard->held);
}

/* [GUARD2], [GUARD3]: once for each log. */
static int mark(struct durei_guard *guard)
{
	struct durei_lane *lane = guard->lane;
	struct dl_guard *shared = guard->shared;
	uint64_t mine = durei_mark_of(lane);
	int r;

	if (cell64_load_rlx(&shared->writer) == mine)
		return 0;
	r = durei_log_add(lane, DL_LOG_SET, durei_offset(lane->seg, &shared->writer), 0);
	if (r < 0)
		return r;
	cell64_store_rel(&shared->writer, mine);				/* step 1 */
	cell64_store_rel(&shared->version, cell64_load_rlx(&shared->version) + 1);	/* step 2 */
	fence_release();	/* the version before the changes: [GUARD3] */
	return 0;
}

int durei_guard_begin(struct durei_guard *guard)
{
	int r = durei_change_begin(guard->lane, guard->in_tx);

	if (r < 0)
		return r;
	r = mark(guard);
	return r < 0 ? durei_guard_end(guard, r) : 0;
}

int durei_guard_join(struct durei_guard *guard)
{
	return mark(guard);
}

int durei_guard_end(struct durei_guard *guard, int r)
{
	return durei_change_end(guard->lane, guard->in_tx, r);
}

/* -- reading ----------------------------------------------------------------------------- */

int durei_look_open(struct durei_look *look, dure_segment *seg, struct dl_guard *shared)
{
	struct durei_lane *lane = durei_lane_hot(seg);

	*look = (struct durei_look){ .seg = seg, .lane = lane, .shared = shared };
	if (__builtin_expect(lane != NULL, 1))
		return 0;
	int r = durei_handle_check(seg);
	if (r == 0)
		look->lane = durei_lane_peek(seg);
	return r;
}

static bool is_in_the_way(const struct durei_look *look, uint64_t writer)
{
	if (writer == 0 || durei_mark_state(look->seg, writer) == DL_LOG_IDLE)	/* [GUARDC2] */
		return false;
	return !look->lane || writer != durei_mark_of(look->lane);
}

/* Somebody has been in the way for long: wait for him as for a lock. */
static int look_by_lock(struct durei_look *look, struct durei_lane *lane)
{
	int r = durei_mutex_take(lane, &look->shared->lock, DL_HELD_CLEAN, DURE_FOREVER);

	look->lane = lane;
	look->is_locked = r >= 0;
	return r < 0 ? r : 0;
}

/* There is a mark, or the last look has failed. */
int durei_look_wait(struct durei_look *look)
{
	while (look->tries++ < LOOKS_WITHOUT_LOCK_MAX) {
		look->version = cell64_load_acq(&look->shared->version);
		bool is_free = !is_in_the_way(look, cell64_load_acq(&look->shared->writer));
		struct durei_lane *lane =
			look->tries < LOOKS_MAX ? NULL : durei_lane_to_read(look->seg);
		if (lane)
			return look_by_lock(look, lane);
		if (is_free)
			return 0;
		cell_relax();
	}
	return durei_error(EAGAIN, "segment %s: what is read has been in the middle of a change all "
			   "the time, and who only reads cannot wait for its end: is the writer "
			   "stopped, or dead and not recovered?", look->seg->super.name);
}

/* The version has changed, or the look has the lock and is done. True: done. */
bool durei_look_failed(struct durei_look *look)
{
	if (look->is_locked) {
		struct durei_lane *lane = look->lane;
		durei_word_free(lane, &look->shared->lock.word,
				durei_held_find(lane, durei_offset(look->seg, &look->shared->lock)));
		return true;
	}
	look->tries++;
	return false;
}
