/* SPDX-License-Identifier: MIT */
/*
 * board.h - what the files of a board have in common
 */
#ifndef DUREI_MESSAGE_BOARD_H
#define DUREI_MESSAGE_BOARD_H

#include <dure/board.h>

#include "layout/board.h"
#include "layout/news.h"
#include "message/notice.h"

struct dure_board {
	dure_segment *seg;
	struct dl_board *shared;
	unsigned char *places;
	uint64_t bytes_max, stride;	/* these: checked copies */
	uint32_t values;
	bool is_reader;			/* of a segment open for reading only */
	uint64_t born;
	struct durei_notice notice;
	char name[DURE_OBJECT_NAME_MAX + 1];
};

static inline struct dl_board_value *durei_board_value(const dure_board *board,
							uint64_t version)
{
	return (struct dl_board_value *)(void *)(board->places +
						 version % board->values * board->stride);
}

#endif
