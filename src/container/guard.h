/* SPDX-License-Identifier: MIT */
/*
 * guard.h - changing a container under its lock, and reading it without
 */
#ifndef DUREI_CONTAINER_GUARD_H
#define DUREI_CONTAINER_GUARD_H

#include "index/index.h"
#include "layout/guard.h"
#include "tx/log.h"

/* -- changing ---------------------------------------------------------------------------- */

/* A container, locked for one operation, or to the end of the open transaction. */
struct durei_guard {
	struct durei_lane *lane;
	struct dl_guard *shared;
	int held;			/* the lock's entry in the lane's list */
	bool in_tx;
};

int durei_guard_lock(struct durei_lane *lane, struct dl_guard *shared, struct durei_guard *ret);
void durei_guard_unlock(struct durei_guard *guard);

/* Outside transactions, before a change that is one store: who reads other words as well looks
   again, so that he has met one change at most while the version stood still. */
static inline void durei_guard_tell(const struct durei_guard *guard)
{
	struct cell64 *version = &guard->shared->version;

	cell64_store_rel(version, cell64_load_rlx(version) + 1);
	fence_release();	/* the version before the change: [GUARD3] */
}

/*
 * Changes in place: between begin and end, with durei_log_write_word, undo_range, take and free.
 * begin has told readers that it is going on. end commits; with r < 0 it undoes all, or dooms
 * the open transaction. It returns r.
 */
int durei_guard_begin(struct durei_guard *guard);
/* A second container in the same log, between begin and end of the first. */
int durei_guard_join(struct durei_guard *guard);
int durei_guard_end(struct durei_guard *guard, int r);

/* -- reading ----------------------------------------------------------------------------- */

/*
 *	r = durei_look_open(&look, seg, shared);
 *	while (r == 0 && (r = durei_look_begin(&look)) == 0) {
 *		r = copy, as far as it makes sense
 *		if (durei_look_end(&look))
 *			return r;
 *		r = 0;
 *	}
 *	return r;
 *
 * When end says true, the copy is of one moment, and what was wrong with it is wrong.
 */
struct durei_look {
	dure_segment *seg;
	struct durei_lane *lane;	/* NULL: this thread has none */
	struct dl_guard *shared;
	uint64_t version;
	unsigned tries;
	bool is_locked;			/* the look has taken the lock: somebody was in the way */
};

int durei_look_open(struct durei_look *look, dure_segment *seg, struct dl_guard *shared);
int durei_look_wait(struct durei_look *look);
bool durei_look_failed(struct durei_look *look);

static inline int durei_look_begin(struct durei_look *look)
{
	look->version = cell64_load_acq(&look->shared->version);
	if (__builtin_expect(cell64_load_acq(&look->shared->writer) == 0 && look->tries == 0, 1))
		return 0;
	return durei_look_wait(look);
}

/* For long copies: false, if it has failed already, and may have been led in circles. */
static inline bool durei_look_is_good(const struct durei_look *look)
{
	return look->is_locked || cell64_load_acq(&look->shared->version) == look->version;
}

static inline bool durei_look_end(struct durei_look *look)
{
	fence_acquire();	/* [GUARD3] what was read, before the version again */
	if (__builtin_expect(!look->is_locked &&
			     cell64_load_acq(&look->shared->version) == look->version, 1))
		return true;
	return durei_look_failed(look);
}

#endif
