/* SPDX-License-Identifier: MIT */
/*
 * grow.h - more memory, less memory, and how it is kept
 */
#ifndef DUREI_SEGMENT_GROW_H
#define DUREI_SEGMENT_GROW_H

#include "segment/lane.h"

/* Raises limit_bytes; -EFBIG -ENOSPC. Lower than now: 0. */
int durei_grow_to(dure_segment *seg, uint64_t limit_bytes);

/* Backs holes among the first data bytes and makes them free pages. -ENOSPC */
int durei_reserve_pages(dure_segment *seg, uint64_t data_bytes);

/* Backs up to count holes from page on and makes them free pages; how many, or -errno. */
int durei_pages_back(struct durei_lane *lane, uint64_t page, uint64_t count);

/* Gives the storage of all free pages back; how much. -EOPNOTSUPP */
int durei_pages_release(struct durei_lane *lane, uint64_t *ret_bytes);

/*
 * A lane is about to change page words: shows it to the gate. Pairs; nests.
 */
void durei_busy_begin(struct durei_lane *lane);
void durei_busy_end(struct durei_lane *lane);

/* The lane's mark that page words from page to page + count may name it. [LANE5] */
void durei_claims_mark(struct durei_lane *lane, uint64_t page, uint64_t count);

#endif
