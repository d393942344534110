/* SPDX-License-Identifier: MIT */
/*
 * log.h - the entries of a lane's log
 *
 * Layout   The log is a chain of chunks: the first in the lane, the others in reserved blocks.
 *          A chunk is a row of entries; an entry is a head word, one more word, and for
 *          UNDO_RANGE the old bytes, filled up to a multiple of 8:
 *
 *		head	bits 0-3 kind, 4-15 words of the entry before (0: none),
 *			16-63 an offset in the segment
 *
 *          So a chunk can be walked forwards, and from its end backwards.
 * Rules    [LOG1] `used` covers an undo entry before the bytes it remembers are changed
 *          [LOG2] what the other entries say happens at commit, and only then
 *          [LOG3] blocks are taken while the log is COMMITTED; all else is done in VISIBLE
 */
#ifndef DUREI_LAYOUT_LOG_H
#define DUREI_LAYOUT_LOG_H

#include <assert.h>
#include <stddef.h>

#include "cell/cell.h"
#include "layout/lane.h"

enum dl_log_kind {
	DL_LOG_UNDO_WORD = 1,	/* second word: the old 8 bytes */
	DL_LOG_UNDO_BYTE = 2,	/* second word: the old byte */
	DL_LOG_UNDO_RANGE = 3,	/* second word: length; then the old bytes */
	DL_LOG_SET = 4,		/* at commit, store the second word */
	DL_LOG_BUMP = 5,	/* after all others, also at abort, add 1: repeating does no harm */
	DL_LOG_TAKE = 6,	/* block state; at commit RESERVED -> LIVE. Second: the block */
	DL_LOG_TAKE_RUN = 7,	/* page word; at commit store the second word */
	DL_LOG_FREE = 8,	/* block state; at commit -> UNLINKED, under `freeing` */
	DL_LOG_FREE_RUN = 9,	/* page word; at commit store the second word, the same way */
	DL_LOG_KIND_END = 10,
};

enum {
	DL_LOG_KIND_MASK = 0xf,
	DL_LOG_BEFORE_SHIFT = 4,
	DL_LOG_BEFORE_MASK = 0xfff,
	DL_LOG_OFFSET_SHIFT = 16,
	DL_LOG_RANGE_MAX = 16384,	/* bytes in one UNDO_RANGE: 2050 words fit 12 bits */
};

/*
 * `used` words: valid bytes << 16 | words of the last entry.
 * lane->log_cursor: 0 while the sets of a commit are under way; then 1 + frees that are done.
 */
enum { DL_LOG_USED_SHIFT = 16, DL_LOG_USED_LAST_MASK = 0xffff };

/* at the start of a block that holds a further chunk */
struct dl_log_chunk {
	struct cell64 used;
	struct cell64 next;		/* block of the chunk after it, or 0 */
	uint64_t before;		/* block of the chunk before it; 0: the lane */
	uint64_t bytes;			/* of entries that follow */
};

static_assert(sizeof(struct dl_log_chunk) == 32, "no padding");

/* the short log, in place of entries */
enum { DL_LINK_STATE_SHIFT = 8 };
struct dl_link {
	struct cell64 place;		/* offset of the word that changes */
	struct cell64 value;		/* what it becomes; 0: unlinked */
	struct cell64 state;		/* offset of the block's state << 8 | what that becomes */
};

static_assert(sizeof(struct dl_link) == 24, "fits the first chunk");

static inline enum dl_log_kind dl_log_kind(uint64_t head)
{
	return (enum dl_log_kind)(head & DL_LOG_KIND_MASK);
}

static inline uint64_t dl_log_offset(uint64_t head)
{
	return head >> DL_LOG_OFFSET_SHIFT;
}

static inline uint64_t dl_log_words_before(uint64_t head)
{
	return head >> DL_LOG_BEFORE_SHIFT & DL_LOG_BEFORE_MASK;
}

static inline uint64_t dl_log_head(enum dl_log_kind kind, uint64_t words_before, uint64_t offset)
{
	return (uint64_t)kind | words_before << DL_LOG_BEFORE_SHIFT |
	       offset << DL_LOG_OFFSET_SHIFT;
}

/* words of an entry, from its head and second word */
static inline uint64_t dl_log_words(uint64_t head, uint64_t second)
{
	return dl_log_kind(head) == DL_LOG_UNDO_RANGE ? 2 + (second + 7) / 8 : 2;
}

#endif
