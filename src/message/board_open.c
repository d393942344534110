/* SPDX-License-Identifier: MIT */
/*
 * board_open.c - a board's name, its users, its end
 *
 * Rules    layout/board.h
 *          [BOARDO1] who has it open is counted (users.c) while the name is locked; it is doomed
 *                    under the same lock, when nobody living is counted. So it is not freed
 *                    under anybody who can be counted
 *          [BOARDO2] who has the segment open for reading only cannot be counted: `born`, which no
 *                    other board has, tells him whether it is the same one (board.c [BOARDC3])
 * Death    open: object/object.c; counted without a handle: [USERS2]
 *          destroy, after step            is left behind                   who mends it
 *          1 doomed                       a board that nobody can open     destroy again
 *          2 name and block gone          nothing                          -
 */
#include "message/board.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/users.h"
#include "lock/word.h"
#include "message/name.h"
#include "message/users.h"

enum { VALUES_DEFAULT = 4 };

#define BOARD_TYPE dure_type_make("dure_board", sizeof(struct dl_board_place), 16)

static uint64_t places_offset(const dure_segment *seg)
{
	return align_up(sizeof(struct dl_board) + durei_users_bytes(seg), 64);
}

static uint64_t stride_of(uint64_t bytes_max)
{
	return align_up(sizeof(struct dl_board_value) + bytes_max, 64);
}

/* The board's constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_board_options *o = context;
	dure_segment *seg = dure_tx_segment(tx);
	uint64_t bytes = places_offset(seg) + o->values * stride_of(o->bytes);
	struct dl_board_place *place = object;
	void *block;
	int r = 0;
	const struct durei_lane *lane = durei_lane_get(seg, &r);

	(void)count;
	r = dure_tx_alloc(tx, bytes, 64, &block);
	if (r < 0)
		return r;
	struct dl_board *b = memset(block, 0, bytes);
	b->magic = DL_BOARD_MAGIC;
	b->values = o->values;
	b->bytes_max = o->bytes;
	b->stride = stride_of(o->bytes);
	b->born = (uint64_t)lane->lock_word << 32 | (uint32_t)lane->serial;
	place->board.raw = durei_offset(seg, block);	/* still private */
	return 0;
}

static int check_options(const struct dure_board_options *options, uint32_t flags,
			 struct dure_board_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r == 0 && !ret->values)
		ret->values = VALUES_DEFAULT;
	if (r == 0 && (ret->values < DL_BOARD_VALUES_MIN || ret->values > DL_BOARD_VALUES_MAX))
		r = durei_error(EINVAL, "options.values %u are not %d to %d", ret->values,
				DL_BOARD_VALUES_MIN, DL_BOARD_VALUES_MAX);
	if (r == 0 && flags & DURE_CREATE && (!ret->bytes || ret->bytes > DL_BYTES_MAX))
		r = durei_error(EINVAL, "options.bytes %llu: say how many bytes a value can have",
				(unsigned long long)ret->bytes);
	return r;
}

static int no_board(const dure_segment *seg, const char *name)
{
	return durei_error(EUCLEAN, "segment %s: there is no board where %s leads to: run dure check",
			   seg->super.name, name);
}

static int bind(dure_board *board, dure_segment *seg, const struct dl_board_place *place,
		const char *name)
{
	uint64_t offset = cell64_load_acq(&place->board), bytes;
	struct dl_board *b = durei_at(seg, offset);

	board->seg = seg;
	board->shared = b;
	if (offset % 64 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof *b) || b->magic != DL_BOARD_MAGIC)
		return no_board(seg, name);
	board->values = b->values;
	board->bytes_max = b->bytes_max;
	board->stride = b->stride;
	board->born = b->born;
	board->places = (unsigned char *)b + places_offset(seg);
	if (board->values < DL_BOARD_VALUES_MIN || board->values > DL_BOARD_VALUES_MAX ||
	    board->bytes_max > seg->mapped_bytes || board->stride != stride_of(board->bytes_max) ||
	    !mul_fits(board->values, board->stride, &bytes) || bytes > seg->mapped_bytes ||
	    !durei_bytes_are_backed(seg, offset, places_offset(seg) + bytes))
		return no_board(seg, name);
	strncpy(board->name, name, sizeof board->name - 1);
	return 0;
}

static int check_not_doomed(const dure_board *board)
{
	if (cell32_load_acq(&board->shared->state) != DL_BOARD_DOOMED)
		return 0;
	return durei_error(EBUSY, "segment %s: board %s is being destroyed, or whoever did died: "
			   "destroy it again", board->seg->super.name, board->name);
}

/* Nothing can be stored: it is found, and nobody knows. [BOARDO2] */
static int open_to_read(dure_board *board, const struct durei_name *name, uint32_t flags)
{
	void *place;
	int r = flags == DURE_OPEN ? durei_handle_check(name->seg)
				   : durei_handle_check_write(name->seg);

	if (r == 0)
		r = dure_object_find(name->seg, name->name, name->type, &place, NULL);
	if (r == 0)
		r = bind(board, name->seg, place, name->name);
	board->is_reader = true;
	return r < 0 ? r : check_not_doomed(board);
}

static int open_to_write(dure_board *board, const struct durei_name *name, uint32_t flags)
{
	void *place;
	dure_tx *tx;
	int r = durei_name_hold(name, flags, &tx, &place), made = r;

	if (r < 0)
		return r;
	r = bind(board, name->seg, place, name->name);
	if (r == 0)
		r = check_not_doomed(board);
	if (r == 0 && !durei_users_change(name->seg, board->shared->users, 1))	/* [BOARDO1] */
		r = durei_error(EUSERS, "board %s is open %d times in this process", name->name,
				DL_USER_MASK);
	if (r < 0)
		(void)dure_tx_abort(tx);
	else
		(void)dure_tx_commit(tx);
	return r < 0 ? r : made;
}

static struct durei_name board_name(dure_segment *seg, const char *name,
				    struct dure_board_options *options)
{
	return (struct durei_name){ .seg = seg, .name = name, .what = "board", .type = BOARD_TYPE,
				    .format = format, .options = options };
}

int dure_board_open(dure_segment *segment, const char *name, uint32_t flags,
		    const struct dure_board_options *options, dure_board **ret)
{
	struct dure_board_options o;
	struct durei_name held = board_name(segment, name, &o);
	dure_board *board;
	int r = check_options(options, flags, &o);

	if (r < 0)
		return r;
	board = calloc(1, sizeof *board);
	if (!board)
		return durei_error_plain(ENOMEM);
	r = segment && segment->access == DUREI_ACCESS_READ && name
		    ? open_to_read(board, &held, flags) : open_to_write(board, &held, flags);
	if (r < 0) {
		free(board);
		return r;
	}
	durei_segment_ref(segment);
	*ret = board;
	return r;
}

void dure_board_close(dure_board *board)
{
	const struct durei_lane *lane;

	if (!board)
		return;
	lane = durei_lane_peek(board->seg);
	if (lane && durei_word_is_ours(lane, &board->shared->lock.word))
		(void)dure_board_cancel(board);
	if (!board->is_reader && durei_handle_check_write(board->seg) == 0)
		(void)durei_users_change(board->seg, board->shared->users, -1);
	durei_notice_close(&board->notice);
	durei_segment_unref(board->seg);
	free(board);
}

/* -- the end ----------------------------------------------------------------------------- */

static int free_board(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)object;
	(void)count;
	return dure_tx_free(tx, ((dure_board *)context)->shared);
}

int dure_board_destroy(dure_segment *segment, const char *name)
{
	struct dure_board_options o = { .bytes = 8, .values = VALUES_DEFAULT };
	struct durei_name held = board_name(segment, name, &o);
	dure_board board = { 0 };
	uint32_t users;
	void *place;
	dure_tx *tx;
	int r = durei_name_hold(&held, DURE_OPEN, &tx, &place);

	if (r < 0)
		return r;
	r = bind(&board, segment, place, name);
	if (r == 0 && (users = durei_users_count(segment, board.shared->users)))
		r = durei_error(EBUSY, "board %s is open in %u processes: dure_board_shut tells them",
				name, users);
	if (r == 0)
		cell32_store_rel(&board.shared->state, DL_BOARD_DOOMED);
	(void)dure_tx_abort(tx);
	return r < 0 ? r : dure_object_destroy(segment, name, BOARD_TYPE, free_board, &board);
}

/* -- figures ----------------------------------------------------------------------------- */

int dure_board_info(dure_board *board, struct dure_board_info *info)
{
	const struct dl_board *b = board->shared;
	uint64_t version = cell64_load_acq(&b->version);
	int r = durei_handle_check(board->seg);
	struct dure_board_info filled;

	if (r < 0)
		return r;
	filled = (struct dure_board_info){
		.sz = sizeof filled,
		.version = version,
		.bytes = version ? cell64_load_acq(&durei_board_value(board, version)->bytes) : 0,
		.bytes_max = board->bytes_max,
		.waits = cell64_load_acq(&b->waits),
		.values = board->values,
		.users = durei_users_count(board->seg, b->users),
		.last_writer = (uint32_t)cell64_load_acq(&b->last_writer),
		.is_shut = cell32_load_acq(&b->state) != DL_BOARD_OPEN,
	};
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}
