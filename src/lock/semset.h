/* SPDX-License-Identifier: MIT */
/*
 * semset.h - a set of semaphores under its guard, and what deaths leave of it
 */
#ifndef DUREI_LOCK_SEMSET_H
#define DUREI_LOCK_SEMSET_H

#include "layout/semset.h"
#include "segment/lane.h"
#include "segment/recover.h"

/* A set as one call sees it: its numbers are read once, and checked. */
struct durei_semset {
	dure_segment *seg;
	struct dl_semset *shared;
	struct dl_semset_counter *counters;
	struct dl_semset_entry *entries;
	unsigned char *rows;
	uint32_t count, row_count, value_max;
	uint32_t logged;		/* entries in the log now */
	uint32_t row_number;		/* of the log; DL_SEMSET_NO_ROW: none */
	struct dl_semset_row *row;	/* this one; NULL: none */
};

/* Is there a set, and all of it in the segment? Nothing is said. */
bool durei_semset_view(dure_segment *seg, uint64_t offset, struct durei_semset *ret);

static inline struct dl_semset_row *durei_semset_row(const struct durei_semset *s, uint32_t row)
{
	return (struct dl_semset_row *)(void *)(s->rows + row * dl_semset_row_bytes(s->count));
}

/* -- under guard ------------------------------------------------------------------------- */

/* What whoever had the guard before left: his operation, and what the dead have to undo. */
void durei_semset_settle_slowly(struct durei_semset *s);

static inline void durei_semset_settle(struct durei_semset *s)
{
	if (__builtin_expect(cell64_load_acq(&s->shared->log) != 0 ||
			     cell32_load_acq(&s->shared->orphans) != 0, 0))
		durei_semset_settle_slowly(s);
}

/* An operation: begin, change ..., then end it with commit or roll_back. */
void durei_semset_begin(struct durei_semset *s, uint32_t row_number);
void durei_semset_change(struct durei_semset *s, uint32_t index, uint64_t word, int32_t adjustment);
/* One store makes it true; who waits for that is woken. */
void durei_semset_commit(struct durei_semset *s);
void durei_semset_roll_back(struct durei_semset *s);

/* words[i] to the semaphores from first on, and their adjustments go */
void durei_semset_store(struct durei_semset *s, uint32_t first, uint32_t count,
			const uint32_t *values, uint32_t process);

/* A value has changed: wakes who waits for that. */
void durei_semset_tell(struct durei_semset *s, uint32_t index, uint32_t before, uint32_t after);

/* The number of that owner's row; made, if there is none. DL_SEMSET_NO_ROW: none is left. */
uint32_t durei_semset_row_of(struct durei_semset *s, uint64_t owner, uint32_t process);

/* -- recovery ---------------------------------------------------------------------------- */

/* Who waited is dead: whatever was to wake him wakes the others. */
void durei_semset_mend_waiter(struct durei_mending *mending, uint64_t offset, uint64_t asks);
/* The process with these adjustments is dead. */
void durei_semset_mend_row(struct durei_mending *mending, uint64_t offset, uint64_t units);

/* Has the place of this process, a row's owner, another holder by now? [SETLOG6] */
bool durei_semset_owner_is_gone(const dure_segment *seg, uint64_t owner);
/* The rows of such processes are to be applied. */
void durei_semset_orphan_rows(const struct durei_semset *s);

/* May this share go with its thread, while the process goes on? */
bool durei_semset_is_idle(dure_segment *seg, uint64_t offset, uint64_t units);

#endif
