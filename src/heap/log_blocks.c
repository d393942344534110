/* SPDX-License-Identifier: MIT */
/*
 * log_blocks.c - blocks in transactions: taken, freed, and used by the log itself
 *
 * Why      The log (tx/log.c) knows words; which words make a block taken or free is known
 *          here. The log calls these functions by name at its end, and when it grows.
 * Rules    [LOGB1] what is done here for a free that has been carried out are hints, and the end
 *                  of a run's release: a death before it loses nothing (mend.c finds
 *                  RUN_FREEING)
 * Death    after a free: as run.c, freeing. While taking back: RESERVED blocks of the dead are
 *          free anyway.
 */
#include <dure/tx.h>

#include "heap/heap.h"
#include "tx/log.h"

int durei_log_chunk_reserve(struct durei_lane *lane, uint64_t bytes, uint64_t *ret_offset)
{
	return durei_block_reserve(lane, bytes, 16, ret_offset);
}

void durei_log_chunk_cancel(struct durei_lane *lane, uint64_t offset)
{
	(void)durei_block_free(lane, offset);
}

/* The page number of a page word, from the word's offset. */
static uint64_t page_of_word(const dure_segment *seg, uint64_t offset)
{
	return (offset - seg->super.pages_offset) / 8;
}

void durei_log_freed(struct durei_lane *lane, enum dl_log_kind kind, uint64_t offset,
		     uint64_t second)
{
	if (kind == DL_LOG_FREE_RUN)
		durei_run_release(lane->seg, page_of_word(lane->seg, offset),
				  dl_page_count(second), DL_PAGE_FREE);
	else		/* the cursor has counted it: no heir frees it again */
		durei_block_collect(lane, second);
}

void durei_log_not_taken(struct durei_lane *lane, enum dl_log_kind kind, uint64_t offset,
			 uint64_t second)
{
	uint64_t block = kind == DL_LOG_TAKE
				 ? second
				 : page_of_word(lane->seg, offset) << lane->seg->page_shift;

	(void)durei_block_free(lane, block);
}

int dure_tx_alloc(dure_tx *tx, size_t bytes, size_t align, void **ret)
{
	uint64_t offset;
	int r = durei_tx_check(tx);

	if (r == 0)
		r = durei_block_reserve(tx->lane, bytes, align, &offset);
	if (r < 0)
		return r;
	r = durei_log_take(tx->lane, offset);
	if (r < 0) {
		(void)durei_block_free(tx->lane, offset);
		return r;
	}
	*ret = durei_at(tx->lane->seg, offset);
	return 0;
}

int dure_tx_free(dure_tx *tx, void *block)
{
	int r = durei_tx_check(tx);

	if (r < 0)
		return r;
	if (!block)
		return 0;
	if (durei_offset(tx->lane->seg, block) >= tx->lane->seg->mapped_bytes)
		return durei_not_a_block(tx->lane->seg, block, "dure_tx_free");
	return durei_log_free(tx->lane, durei_offset(tx->lane->seg, block));
}
