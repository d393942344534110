/* SPDX-License-Identifier: MIT */
/*
 * board.h - the latest value, as it lies in a segment
 *
 * Layout   an object of type "dure_board" with one struct dl_board_place, which leads to a block:
 *          struct dl_board, a word for each slot (layout/users.h), then, from a multiple of 64,
 *          `values` places of `stride` bytes: struct dl_board_value, then the bytes.
 *
 *		version 6, 4 values:	[4] [5] [6] [3]		7 will be written over 3
 *
 * Rules    [BOARD1] value n lies in place n % values, and is whole while version is n to
 *                   n + values - 2
 *          [BOARD2] who has `lock` writes into the place of version + 1, then adds one to version
 *          [BOARD3] version is 0 until there is a value
 */
#ifndef DUREI_LAYOUT_BOARD_H
#define DUREI_LAYOUT_BOARD_H

#include <assert.h>
#include <stddef.h>

#include "layout/lock.h"

enum { DL_BOARD_MAGIC = 0x64726f62, DL_BOARD_VALUES_MIN = 2, DL_BOARD_VALUES_MAX = 64 };

enum { DL_BOARD_OPEN = 0, DL_BOARD_SHUT = 1, DL_BOARD_DOOMED = 2 };

struct dl_board_place {
	struct cell64 board;		/* offset of the struct dl_board; written before the name */
	uint64_t reserved;
};

struct dl_board_value {
	struct cell64 bytes;
	uint64_t reserved;
};

struct dl_board {
	uint32_t magic;
	uint32_t values;		/* these: written once */
	uint64_t bytes_max;		/* of a value */
	uint64_t stride;
	uint64_t born;			/* no other board of the segment has this number */
	struct cell32 state;
	uint32_t reserved;
	uint64_t reserved2[3];

	struct dl_mutex lock;		/* writers */
	struct cell64 last_writer;	/* process id, for people */
	uint64_t reserved3[5];

	struct cell64 version;		/* [BOARD1]; readers read this line only */
	struct cell32 news;		/* layout/news.h */
	uint32_t reserved4;
	struct cell64 waits;		/* statistics */
	uint64_t reserved5[5];

	struct cell64 users[];		/* layout/users.h */
};

static_assert(sizeof(struct dl_board_place) == 16, "no padding");
static_assert(sizeof(struct dl_board_value) == 16, "no padding");
static_assert(offsetof(struct dl_board, lock) == 64, "a line that hardly ever changes");
static_assert(offsetof(struct dl_board, version) == 128, "a line for writers");
static_assert(sizeof(struct dl_board) == 192, "and one for readers");

#endif
