/* SPDX-License-Identifier: MIT */
/*
 * semset.h - a set of semaphores as it lies in a segment
 *
 * Layout   struct dl_semset, then
 *
 *		counters	struct dl_semset_counter, one per semaphore
 *		entries		struct dl_semset_entry, as many: the log of one operation
 *		rows		struct dl_semset_row, one per process that undoes, each followed by an
 *				adjustment of 4 bytes per semaphore, filled up to a multiple of 8
 *
 * Rules    [SEMSET1] values, rows and the log are read and written under `guard`, but for a row's
 *                    DL_SEMSET_DEAD, `orphans` and the signals, which a mender may change
 *          [SEMSET2] a row's adjustments are not 0 only while a lane of its process has a share
 *                    of the set which names it; those of a row without owner are 0
 */
#ifndef DUREI_LAYOUT_SEMSET_H
#define DUREI_LAYOUT_SEMSET_H

#include <assert.h>

#include "cell/cell.h"

enum { DL_SEMSET_COUNTERS_MAX = 1024, DL_SEMSET_ROWS_MAX = 4096 };

struct dl_semset {
	struct cell32 guard;		/* as in dl_mutex */
	struct cell32 kind;		/* DL_LOCK_IS_SEMSET, or DL_LOCK_WAS_SEMSET */
	uint32_t counters;		/* these three: written before it is shared */
	uint32_t rows;
	uint32_t value_max;
	struct cell32 orphans;		/* not 0: there may be rows of the dead; grows with each */
	struct cell64 log;		/* entries 16 | row 16 | state 8 */
	uint64_t reserved[4];
};

struct dl_semset_counter {
	struct cell64 word;		/* value | process that changed it last << 32 */
	struct cell32 signal;		/* who waits for this semaphore sleeps here */
	struct cell32 entry;		/* its entry in the log, if that one says so, too */
	struct cell32 zeros;		/* grows when it is 0 and somebody waits for that */
	uint32_t reserved;
};

struct dl_semset_entry {
	struct cell64 word;
	struct cell32 index;
	struct cell32 adjustment;	/* of the log's row */
};

struct dl_semset_row {
	struct cell64 owner;		/* DL_SEMSET_ flags | slot; generation of the slot << 32 */
	uint32_t process;
	uint32_t reserved;
	struct cell32 adjustments[];	/* signed */
};

static_assert(sizeof(struct dl_semset) == 64, "as dure_semset");
static_assert(sizeof(struct dl_semset_counter) == 24, "as DURE_SEMSET_BYTES says");
static_assert(sizeof(struct dl_semset_entry) == 16, "as DURE_SEMSET_BYTES says");
static_assert(sizeof(struct dl_semset_row) == 16, "as DURE_SEMSET_BYTES says");

/* the log's state: what the next one under guard does with the entries */
enum {
	DL_SEMSET_IDLE = 0,
	DL_SEMSET_OPEN = 1,		/* they have what was: undo, backwards */
	DL_SEMSET_SETTING = 2,		/* they have what is to be: store it, clear adjustments */

	DL_SEMSET_ROW_SHIFT = 16,
	DL_SEMSET_STATE_SHIFT = 32,
	DL_SEMSET_NO_ROW = 0xffff,
};

/* signals */
enum {
	DL_SEMSET_FOR_MORE = 1,		/* somebody may wait for one more */
	DL_SEMSET_FOR_ZERO = 2,		/* or for zero */
	DL_SEMSET_MANY = 4,		/* or for several, or for other semaphores, too: wake all */
	DL_SEMSET_WAITS = 7,
	DL_SEMSET_STEP = 8,
};

/* a row's owner; in a share's units the row's number << 16 as well */
enum {
	DL_SEMSET_SLOT_MASK = 0xfff,
	DL_SEMSET_USED = 0x1000,
	DL_SEMSET_DEAD = 0x2000,	/* its adjustments are to be applied */
	DL_SEMSET_SHARE_ROW_SHIFT = 16,
	DL_SEMSET_GENERATION_SHIFT = 32,
};

/* in the units of a share that is WAITING: index << 1, and whether for zero */
enum { DL_SEMSET_ASKS_ZERO = 1, DL_SEMSET_ASKS_SHIFT = 1 };

static inline uint64_t dl_semset_row_bytes(uint32_t counters)
{
	return sizeof(struct dl_semset_row) + ((uint64_t)counters * 4 + 7) / 8 * 8;
}

static inline uint64_t dl_semset_bytes(uint32_t counters, uint32_t rows)
{
	return sizeof(struct dl_semset) +
	       counters * (uint64_t)(sizeof(struct dl_semset_counter) +
				     sizeof(struct dl_semset_entry)) +
	       rows * dl_semset_row_bytes(counters);
}

static inline struct dl_semset_counter *dl_semset_counters(struct dl_semset *s)
{
	return (struct dl_semset_counter *)(void *)(s + 1);
}

static inline uint32_t dl_semset_value(uint64_t word)
{
	return (uint32_t)word;
}

#endif
