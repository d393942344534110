/* SPDX-License-Identifier: MIT */
/*
 * log.h - the one way to change several words at once
 *
 * A single operation:	begin, set / take / free ..., commit.
 * A transaction:	begin, also undo (and write in place) ..., commit or abort.
 */
#ifndef DUREI_TX_LOG_H
#define DUREI_TX_LOG_H

#include "layout/log.h"
#include "segment/gate.h"
#include "segment/lane.h"
#include "segment/recover.h"

/*
 * Opens the lane's log, for one operation of the library (is_single) or for a transaction.
 * -EDEADLK: it is open already (a signal handler, a longjmp).
 */
int durei_log_begin(struct durei_lane *lane, bool is_single);

static inline void durei_log_set_state(struct dl_lane *lane, unsigned state, uint64_t serial)
{
	cell64_store_rel(&lane->log_state, serial << DL_LOG_SERIAL_SHIFT | state);
}

/* The gate was found shut: waits before it, and shows the operation again. */
void durei_log_show_later(struct durei_lane *lane, unsigned state);

/* Shows others that an operation begins, by that state; then looks at the gate: G1. */
static inline void durei_log_show(struct durei_lane *lane, unsigned state)
{
	lane->tx.depth = 1;
	durei_log_set_state(lane->shared, state, lane->serial);
	if (__builtin_expect(durei_gate_is_shut(lane) && lane->held_count == 0, 0))
		durei_log_show_later(lane, state);
}

static inline bool durei_log_is_open(const struct durei_lane *lane)
{
	return lane->tx.depth != 0;
}

/* 0, or -EINVAL -ESTALE: not an open transaction of this thread */
int durei_tx_check(const struct dure_tx *tx);

/* The lock of this entry, taken with DL_HELD_CLEAN, is the open transaction's from now on. */
void durei_tx_keep(struct durei_lane *lane, int index);

/*
 * Entries. offset is that of the cell or range concerned. Each returns 0, or -ENOSPC when the
 * log cannot grow: then nothing was added.
 */
int durei_log_add(struct durei_lane *lane, enum dl_log_kind kind, uint64_t offset,
		  uint64_t second);
/* Remembers bytes; on return they may be changed in place. Any length. */
int durei_log_undo_range(struct durei_lane *lane, uint64_t offset, uint64_t bytes);
/* Remembers one word, then stores the new value. */
int durei_log_write_word(struct durei_lane *lane, struct cell64 *cell, uint64_t value);
int durei_log_write_byte(struct durei_lane *lane, struct cell8 *cell, uint8_t value);

/* One store makes it all true; then the entries are carried out and the log is closed. */
void durei_log_commit(struct durei_lane *lane);
/* Undoes what was written in place, and closes the log. Blocks taken stay RESERVED. */
void durei_log_abort(struct durei_lane *lane);

/*
 * The block states whose free by a log is under way: those blocks must not be given out. Taken
 * after the states have been read. [TX4]
 */
enum { DUREI_HAZARDS_MAX = 32 };
struct durei_hazards {
	unsigned count;
	uint64_t states[DUREI_HAZARDS_MAX];
};
void durei_log_hazards(dure_segment *seg, struct durei_hazards *ret);
bool durei_hazards_have(const struct durei_hazards *hazards, uint64_t state_offset);

/* Recovery, step 2. */
void durei_log_mend(struct durei_mending *mending);
/* A thread ends with its log open. */
void durei_log_end(struct durei_lane *lane);

/*
 * Defined in the room above (heap/log_blocks.c): a reserved block for a further chunk, giving
 * it back; and what is to be done for a block when its free has been carried out, or when the
 * log that took it is aborted.
 */
int durei_log_chunk_reserve(struct durei_lane *lane, uint64_t bytes, uint64_t *ret_offset);
void durei_log_chunk_cancel(struct durei_lane *lane, uint64_t offset);
void durei_log_freed(struct durei_lane *lane, enum dl_log_kind kind, uint64_t offset,
		     uint64_t second);
void durei_log_not_taken(struct durei_lane *lane, enum dl_log_kind kind, uint64_t offset,
			 uint64_t second);

#endif
