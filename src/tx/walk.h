/* SPDX-License-Identifier: MIT */
/*
 * walk.h - reading the entries of a log that a stranger may have written
 */
#ifndef DUREI_TX_WALK_H
#define DUREI_TX_WALK_H

#include "layout/log.h"
#include "segment/handle.h"

/* One chunk as found in the segment: checked, so that walking it stays inside. */
struct durei_log_part {
	const unsigned char *entries;
	uint64_t used_bytes;
	uint64_t last_words;
	uint64_t offset;		/* 0: the lane's */
	uint64_t all_bytes;		/* with its head; the lane's: 0 */
	uint64_t next, before;
};

struct durei_log_entry {
	enum dl_log_kind kind;
	uint64_t offset, second, words, words_before;
	uint64_t frees_before;		/* entries that free something, when walking forwards */
	const uint64_t *data;		/* UNDO_RANGE */
};

static inline bool durei_log_is_free(const struct durei_log_entry *e)
{
	return e->kind == DL_LOG_FREE || e->kind == DL_LOG_FREE_RUN;
}

typedef void (*durei_log_step)(dure_segment *seg, struct dl_lane *lane,
			       const struct durei_log_entry *entry);

void durei_log_walk_forwards(dure_segment *seg, struct dl_lane *lane, durei_log_step step);
void durei_log_walk_backwards(dure_segment *seg, struct dl_lane *lane, durei_log_step step);

/*
 * From chunk to the one behind it, false at the end. *left: bytes that the rest of the chain
 * can have.
 */
bool durei_log_view_next(dure_segment *seg, struct durei_log_part *chunk, uint64_t *left);
/* False when there is no entry of ours: the end, or a damaged segment. */
bool durei_log_view_entry(dure_segment *seg, const struct durei_log_part *chunk, uint64_t at,
			  struct durei_log_entry *ret);

#endif
