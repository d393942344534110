/* SPDX-License-Identifier: MIT */
/*
 * boards.c - boards, to be killed at every instruction
 *
 * The judge reads the latest value, which is whole, and then writes two of its own: whoever died
 * inside holds nobody up.
 */
#include "steps.h"

#include <string.h>

enum { BYTES = 100 };

static int try_board(struct world *w, uint32_t flags, dure_board **ret)
{
	struct dure_board_options o = { .sz = sizeof o, .bytes = BYTES, .values = 3 };

	return dure_board_open(w->seg, "board", flags, &o, ret);
}

static dure_board *board_of(struct world *w)
{
	dure_board *board;

	must(try_board(w, DURE_CREATE | DURE_OPEN, &board), "board_open");
	return board;
}

static int try_letter(dure_board *board, char letter)
{
	char data[BYTES];

	memset(data, letter, sizeof data);
	return dure_board_write(board, data, sizeof data, 0, NULL);
}

static void put(dure_board *board, char letter)
{
	must(try_letter(board, letter), "board_write");
}

/* the latest value's letter; '?': it is not whole, 0: there is none */
static char letter_of(dure_board *board)
{
	char data[BYTES];
	size_t bytes;
	int r = dure_board_read(board, data, sizeof data, &bytes, NULL);

	if (r == -EAGAIN)
		return 0;
	for (size_t i = 0; r == 0 && i < bytes; i++)
		if (data[i] != data[0])
			return '?';
	return r == 0 && bytes == BYTES ? data[0] : '?';
}

static bool goes_on(dure_board *board)
{
	return try_letter(board, 'y') == 0 && letter_of(board) == 'y' &&
	       try_letter(board, 'z') == 0 && letter_of(board) == 'z';
}

static enum verdict judge(struct world *w, char before, char after)
{
	dure_board *board = board_of(w);
	char found = letter_of(board);
	bool good = goes_on(board);

	dure_board_close(board);
	if (!good || (found != before && found != after))
		return WRONG;
	return before == after ? EITHER : seen(found == after);
}

/* blocks[0]: the board. Each place has been written */
static void prepare_board(struct world *w)
{
	dure_board *board = board_of(w);

	w->blocks[0] = board;
	for (const char *letter = "wxa"; *letter; letter++)
		put(board, *letter);
}

static void run_write(struct world *w)
{
	put(w->blocks[0], 'b');
}

static enum verdict judge_write(struct world *w)
{
	return judge(w, 'a', 'b');
}

static void run_publish(struct world *w)
{
	void *room;

	must(dure_board_reserve(w->blocks[0], 0, &room), "reserve");
	memset(room, 'b', BYTES);
	must(dure_board_publish(w->blocks[0], BYTES, NULL), "publish");
}

static void run_cancel(struct world *w)
{
	void *room;

	must(dure_board_reserve(w->blocks[0], 0, &room), "reserve");
	memset(room, 'b', BYTES);
	must(dure_board_cancel(w->blocks[0]), "cancel");
}

static enum verdict judge_same(struct world *w)
{
	return judge(w, 'a', 'a');
}

static void run_wait(struct world *w)
{
	if (dure_board_wait(w->blocks[0], 3, 1000) != -ETIMEDOUT)
		must(-EINVAL, "board_wait");
}

static void run_open(struct world *w)
{
	board_of(w);
}

static enum verdict judge_open(struct world *w)
{
	dure_board *board;
	int r = try_board(w, DURE_OPEN, &board);

	if (r < 0)
		return r == -ENOENT ? BEFORE : WRONG;
	dure_board_close(board);
	return judge(w, 0, 0) == EITHER ? AFTER : WRONG;
}

static void run_again_and_close(struct world *w)
{
	dure_board_close(board_of(w));
	dure_board_close(w->blocks[0]);
}

/* The dead do not count as users: whoever survives can destroy it. */
static enum verdict judge_can_be_destroyed(struct world *w)
{
	if (judge(w, 'a', 'a') != EITHER)
		return WRONG;
	return dure_board_destroy(w->seg, "board") == 0 ? EITHER : WRONG;
}

static void run_shut(struct world *w)
{
	must(dure_board_shut(w->blocks[0]), "shut");
}

static enum verdict judge_shut(struct world *w)
{
	dure_board *board = board_of(w);
	char found = letter_of(board);
	int r = try_letter(board, 'y');

	dure_board_close(board);
	return found != 'a' || (r != 0 && r != -ESHUTDOWN) ? WRONG : seen(r != 0);
}

static void prepare_closed(struct world *w)
{
	prepare_board(w);
	dure_board_close(w->blocks[0]);
}

static void run_destroy(struct world *w)
{
	must(dure_board_destroy(w->seg, "board"), "destroy");
}

/* There with its value, or only to be destroyed again, or gone. */
static enum verdict judge_destroy(struct world *w)
{
	dure_board *board;
	int r = try_board(w, DURE_OPEN, &board);

	if (r == -ENOENT)
		return AFTER;
	if (r == 0)
		dure_board_close(board);
	if (r == 0 ? judge(w, 'a', 'a') != EITHER : r != -EBUSY)
		return WRONG;
	return dure_board_destroy(w->seg, "board") == 0 ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "board_open", "dure_board_open", prepare_nothing, run_open, judge_open, 0 },
	{ "board_close", "dure_board_open dure_board_close", prepare_board, run_again_and_close,
	  judge_can_be_destroyed, 0 },
	{ "board_shut", "dure_board_shut", prepare_board, run_shut, judge_shut, 0 },
	{ "board_destroy", "dure_board_destroy", prepare_closed, run_destroy, judge_destroy, 0 },
	{ "board_write", "dure_board_write", prepare_board, run_write, judge_write, 0 },
	{ "board_publish", "dure_board_reserve dure_board_publish", prepare_board, run_publish,
	  judge_write, 0 },
	{ "board_cancel", "dure_board_reserve dure_board_cancel", prepare_board, run_cancel,
	  judge_same, 0 },
	{ "board_wait", "dure_board_wait", prepare_board, run_wait, judge_same, 0 },
};

const struct scenarios board_scenarios = { list, sizeof list / sizeof *list };
