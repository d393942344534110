/* SPDX-License-Identifier: MIT */
/*
 * check_boards.c - does the latest value of a board lie in its place
 *
 * Why      see check.c
 * Death    nothing is changed.
 */
#include <inttypes.h>

#include "inspect/check.h"
#include "layout/board.h"

/* Do the places lie in the block? */
static bool is_board(const struct durei_check *check, const struct dl_board *b, uint64_t block_bytes)
{
	uint64_t users = check->seg->super.slot_count * sizeof(struct cell64), places;
	uint64_t start = align_up(sizeof *b + users, 64);

	return b->magic == DL_BOARD_MAGIC && b->values >= DL_BOARD_VALUES_MIN &&
	       b->values <= DL_BOARD_VALUES_MAX && b->bytes_max <= block_bytes &&
	       b->stride == align_up(sizeof(struct dl_board_value) + b->bytes_max, 64) &&
	       mul_fits(b->values, b->stride, &places) && start <= block_bytes &&
	       places <= block_bytes - start;
}

void durei_check_board(struct durei_check *check, const struct dl_board_place *place)
{
	uint64_t offset = cell64_load_acq(&place->board), version;
	const struct dl_board *b = durei_at(check->seg, offset);
	const struct dl_board_value *value;
	struct durei_seen_block block;

	if (offset % 64 || !durei_see_block(check->seg, offset, &block) ||
	    !(block.state == DL_BLOCK_LIVE || check->has_open_log) || block.bytes < sizeof *b ||
	    !is_board(check, b, block.bytes)) {
		DAMAGED(check, "BOARD1", offset, "there is no board at +%#" PRIx64, offset);
		return;
	}
	durei_check_lock(check, &b->lock);
	version = cell64_load_acq(&b->version);
	value = (const void *)((const unsigned char *)b +
			       align_up(sizeof *b + check->seg->super.slot_count * 8, 64) +
			       version % b->values * b->stride);
	if (version && cell64_load_acq(&value->bytes) > b->bytes_max &&
	    cell64_load_acq(&b->version) == version)
		DAMAGED(check, "BOARD1", offset, "a board's latest value is longer than its place");
}
