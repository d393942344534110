/* SPDX-License-Identifier: MIT */
/*
 * semset_call.h - one call on a set of semaphores: its guard, and those whose death changes the set
 */
#ifndef DUREI_LOCK_SEMSET_CALL_H
#define DUREI_LOCK_SEMSET_CALL_H

#include <dure/semset.h>

#include "lock/semset.h"
#include "lock/share.h"

enum {
	DUREI_SEMSET_ADJUSTS = DUREI_SHARE_IN(DL_SHARE_HELD),
	DUREI_SEMSET_WAITS = DUREI_SHARE_IN(DL_SHARE_WAITING),
	DUREI_SEMSET_PAUSE_NS = 30000,	/* a process that dies is gone soon after its threads */
};

/* One call. */
struct durei_semset_call {
	struct durei_semset set;
	struct durei_lane *lane;
	uint64_t offset;
	const struct dure_semset_operation *operations;
	size_t count;
	size_t stopped_by;		/* the operation that would have to wait */
	struct dl_share *waiting;	/* NULL: it has not slept yet */
	int64_t pause_ns;
	uint32_t zeros;			/* of the semaphore, when it began to wait for its zero */
};

int durei_semset_call(struct durei_semset_call *c, dure_segment *segment, const dure_semset *set);
/* The guard; the set is whole then, and it is still a set. */
int durei_semset_take_guard(struct durei_semset_call *c, int64_t deadline_ns);
void durei_semset_free_guard(const struct durei_semset_call *c);

/* What is wrong there: -ESTALE, or -EINVAL. */
int durei_semset_refuse(dure_segment *seg, const dure_semset *set);
int durei_semset_bad_index(const struct durei_semset_call *c, uint32_t index);
int durei_semset_too_large(const struct durei_semset_call *c, uint32_t index, const char *what);

/* What a row of this process says of its owner, and the process it names. */
uint64_t durei_semset_owner_word(const dure_segment *seg);
uint32_t durei_semset_process(const dure_segment *seg);

static inline uint32_t durei_semset_row_named_by(const struct dl_share *share)
{
	return cell64_load_acq(&share->units) >> DL_SEMSET_SHARE_ROW_SHIFT & 0xffff;
}

/* The lanes of other processes whose death changes a semaphore. */
struct durei_semset_holders {
	const struct durei_semset_call *call;
	uint32_t index;			/* UINT32_MAX: any */
	bool has_parked;		/* one has no thread whose death is told */
	struct durei_sharers lanes;
};

void durei_semset_find_holders(const struct durei_semset_call *c, uint32_t index,
			       struct durei_semset_holders *ret);
/*
 * Whether one of them was dead: look again then. Somebody else who is at one has dealt with it
 * within moments, or he is stopped. [SETOP5]
 */
bool durei_semset_ask_the_dead(const struct durei_semset_call *c, uint32_t index);

#endif
