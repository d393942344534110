/* SPDX-License-Identifier: MIT */
/*
 * board.c - the latest value
 *
 * Why      Who wants to know what is, not what was, needs no queue; and a reader must not depend
 *          on a writer's being quick, or alive. So a value is never changed where it is read: the
 *          next one comes into another place, and one store makes it the latest.
 * Layout   layout/board.h
 * Rules    [BOARDC1] the lock is DL_HELD_CLEAN: until `version` grows nobody reads what it guards.
 *                    A checkpoint waits for it, so it has no value in part
 *          [BOARDC2] what a reader has copied counts when `version` has grown by less than
 *                    values - 1 meanwhile [BOARD1]
 *          [BOARDC3] a reader of a segment that is open for reading only is not counted among the
 *                    users (board_open.c): it looks whether it is the same board still
 * Sleeping A reader that finds nothing newer sets a flag in `news` by cas, and sleeps on it; a
 *          writer takes the flags out after `version` has grown. Both change one word, so one of
 *          them sees the other.
 * Death    writing, after step          is left behind                who mends it
 *          1 lock                       a lock of the dead            held.c: the lock is CLEAN
 *          2 the bytes, some of them    what nobody reads             the next writer
 *          3 version                    the new value, nobody told    who sleeps looks again
 *          4 news                       sleepers                      the same
 */
#include "message/board.h"

#include <string.h>

#include "lock/mutex.h"
#include "lock/word.h"
#include "os/futex.h"
#include "segment/wait.h"

enum { READ_TRIES_MAX = 1000, SPINS = 100 };

/* [BOARDC3] Loads before it stay before it. */
static int check_same(const dure_board *board)
{
	const struct dl_board *b = board->shared;

	fence_acquire();
	if (!board->is_reader || (cell32_load_rlx(&b->state) != DL_BOARD_DOOMED &&
				  b->magic == DL_BOARD_MAGIC && b->born == board->born))
		return 0;
	return durei_error(ESTALE, "segment %s: board %s has been destroyed", board->seg->super.name,
			   board->name);
}

/* -- reading ----------------------------------------------------------------------------- */

/* The latest value. -EAGAIN: there is none */
static int find(const dure_board *board, const struct dl_board_value **ret, uint64_t *ret_bytes,
		uint64_t *ret_version)
{
	uint64_t version = cell64_load_acq(&board->shared->version);

	if (!version)
		return durei_error(EAGAIN, "segment %s: nobody has written a value to board %s",
				   board->seg->super.name, board->name);
	*ret = durei_board_value(board, version);
	*ret_bytes = cell64_load_rlx(&(*ret)->bytes);	/* relaxed: is_whole decides */
	*ret_version = version;
	return 0;
}

/* [BOARDC2] Loads before it stay before it: the copy, then `version` again. */
static bool is_whole(const dure_board *board, uint64_t version)
{
	fence_acquire();
	return cell64_load_rlx(&board->shared->version) - version < board->values - 1;
}

static int too_long(const dure_board *board, uint64_t bytes, uint64_t room)
{
	if (bytes > board->bytes_max)
		return durei_error(EUCLEAN, "segment %s: board %s has a value of %llu bytes, and room "
				   "for %llu: run dure check", board->seg->super.name, board->name,
				   (unsigned long long)bytes, (unsigned long long)board->bytes_max);
	return durei_error(EMSGSIZE, "board %s: the value has %llu bytes, the buffer %llu",
			   board->name, (unsigned long long)bytes, (unsigned long long)room);
}

/* One try: 1, *ret_... are of a value that was whole; 0, it was overtaken */
static int try_copy(const dure_board *board, void *buffer, uint64_t room, uint64_t *ret_bytes,
		    uint64_t *ret_version)
{
	const struct dl_board_value *value = NULL;
	int r = find(board, &value, ret_bytes, ret_version);
	bool fits = r == 0 && *ret_bytes <= min_u64(room, board->bytes_max);

	if (fits && *ret_bytes)
		memcpy(buffer, value + 1, *ret_bytes);
	if (check_same(board) < 0)
		return -ESTALE;
	if (r < 0 || !is_whole(board, *ret_version))
		return r;
	return fits ? 1 : too_long(board, *ret_bytes, room);
}

int dure_board_read(dure_board *board, void *buffer, size_t buffer_bytes, size_t *ret_bytes,
		    uint64_t *ret_version)
{
	uint64_t bytes = 0, version = 0;
	int r = durei_handle_check(board->seg);

	for (int tries = 0; r == 0 && tries < READ_TRIES_MAX; tries++)
		r = try_copy(board, buffer, buffer_bytes, &bytes, &version);
	if (r == 0)
		return durei_error(EAGAIN, "board %s: all its %u values were written anew while one was "
				   "read, %d times: give it more", board->name, board->values,
				   READ_TRIES_MAX);
	if (r < 0)
		return r;
	if (ret_bytes)
		*ret_bytes = bytes;
	if (ret_version)
		*ret_version = version;
	return 0;
}

int dure_board_look(dure_board *board, const void **ret, size_t *ret_bytes, uint64_t *ret_version)
{
	const struct dl_board_value *value = NULL;
	uint64_t bytes = 0, version = 0;
	int r = durei_handle_check(board->seg);

	for (int tries = 0; r == 0 && tries < READ_TRIES_MAX; tries++) {
		r = find(board, &value, &bytes, &version);
		if (r == 0)
			r = check_same(board);
		if (r < 0 || is_whole(board, version))
			break;
	}
	if (r == 0 && bytes > board->bytes_max)
		r = too_long(board, bytes, bytes);
	if (r < 0)
		return r;
	*ret = value + 1;
	*ret_bytes = bytes;
	*ret_version = version;
	return 0;
}

int dure_board_is_whole(dure_board *board, uint64_t version)
{
	int r = durei_handle_check(board->seg);

	if (r == 0)
		r = check_same(board);
	return r < 0 ? r : version != 0 && is_whole(board, version);
}

/* -- waiting ----------------------------------------------------------------------------- */

/* 1: there is a newer one; 0; -ESHUTDOWN */
static int has_newer(const dure_board *board, uint64_t version)
{
	if (cell64_load_acq(&board->shared->version) > version)
		return 1;
	if (cell32_load_acq(&board->shared->state) == DL_BOARD_OPEN)
		return 0;
	return durei_error(ESHUTDOWN, "board %s has been shut, and has nothing newer", board->name);
}

static bool spin(const struct cell32 *word, uint32_t expected)
{
	for (int i = 0; i < SPINS; i++) {
		cell_relax();
		if (cell32_load_acq(word) != expected)
			return true;
	}
	return false;
}

/* [NEWS1] Says in `news` that somebody waits. False: something has come since `seen`. */
static bool show(const dure_board *board, uint32_t seen)
{
	return cell32_cas(&board->shared->news, &seen, seen | DL_NEWS_WAITED);
}

/* One sleep, while nothing has come since `seen`. 0: look again */
static int sleep_once(dure_board *board, struct durei_lane *lane, uint32_t seen,
		      int64_t deadline_ns)
{
	struct cell32 *news = &board->shared->news;

	if (spin(news, seen) || !show(board, seen))
		return 0;
	(void)cell64_add(&board->shared->waits, 1);
	return durei_wait(lane, news, seen | DL_NEWS_WAITED, 0, 0, deadline_ns);
}

/* Nothing is there, and the call does not wait. 0: look again */
static int end_look(dure_board *board, uint32_t seen)
{
	if (board->notice.has_fd) {
		durei_poll_arm(board->seg, &board->shared->news);
		if (!show(board, seen))
			return 0;
	}
	return durei_error_plain(EAGAIN);
}

int dure_board_wait(dure_board *board, uint64_t version, int64_t timeout_ns)
{
	int64_t deadline = durei_deadline(timeout_ns);
	int r = 0, newer;
	struct durei_lane *lane = board->is_reader ? NULL : durei_lane_get(board->seg, &r);

	if (board->is_reader)
		r = timeout_ns ? durei_error(EROFS, "segment %s is open for reading only: nobody can "
					     "know that this process waits", board->seg->super.name)
			       : durei_handle_check(board->seg);
	if (r == 0 && timeout_ns == 0)
		durei_notice_quiet(&board->notice);
	for (;;) {
		uint32_t seen = cell32_load_acq(&board->shared->news);
		if (r == 0)
			r = check_same(board);
		newer = r == -EROFS || r == -ESTALE ? r : has_newer(board, version);
		if (newer)
			return newer < 0 ? newer : 0;
		if (r < 0)
			return r == -ETIMEDOUT ? durei_error_plain(ETIMEDOUT) : r;
		r = timeout_ns == 0 ? end_look(board, seen)
				    : sleep_once(board, lane, seen, deadline);
	}
}

int dure_board_fd(dure_board *board)
{
	int r = durei_handle_check_write(board->seg);

	return r < 0 ? r : durei_notice_fd(&board->notice, board->seg);
}

/* -- writing ----------------------------------------------------------------------------- */

/* Step 4: takes the flags out. */
static uint32_t tell(const dure_board *board)
{
	struct cell32 *news = &board->shared->news;
	uint32_t seen = cell32_load_rlx(news);	/* relaxed: the cas decides */

	while (!cell32_cas(news, &seen, (seen & ~(uint32_t)DL_NEWS_FLAGS) + DL_NEWS_STEP))
		;
	return seen & DL_NEWS_FLAGS;
}

/* After unlocking: all who wait, since a value is for all. */
static void wake(const dure_board *board, uint32_t flags)
{
	if (flags & DL_NEWS_WAITED)
		durei_wake(board->seg, &board->shared->news, UINT32_MAX >> 1);
}

/* Step 1. */
static int lock(const dure_board *board, int64_t timeout_ns, struct durei_lane **ret)
{
	int r = 0;

	*ret = durei_lane_get(board->seg, &r);
	if (!*ret)
		return r;
	r = durei_mutex_take(*ret, &board->shared->lock, DL_HELD_CLEAN, timeout_ns);
	return r < 0 ? r : 0;
}

static void unlock(const dure_board *board, struct durei_lane *lane)
{
	struct cell32 *word = &board->shared->lock.word;
	int index = durei_held_find(lane, durei_offset(lane->seg, word));

	if (index >= 0)
		durei_word_free(lane, word, index);
}

/* The next value's place, for who has the lock. A failure unlocks. */
static int next_place(const dure_board *board, struct durei_lane *lane,
		      struct dl_board_value **ret)
{
	const struct dl_board *b = board->shared;

	if (cell32_load_rlx(&b->state) != DL_BOARD_OPEN) {
		unlock(board, lane);
		return durei_error(ESHUTDOWN, "board %s has been shut", board->name);
	}
	*ret = durei_board_value(board, cell64_load_rlx(&b->version) + 1);
	fence_release();	/* the version before, then what is written over [BOARDC2] */
	return 0;
}

/* Steps 3 and 4, and gives the lock back. */
static void make_latest(dure_board *board, struct durei_lane *lane, struct dl_board_value *value,
			uint64_t bytes, uint64_t *ret_version)
{
	struct dl_board *b = board->shared;
	uint64_t version = cell64_load_rlx(&b->version) + 1;
	uint32_t flags;

	fence_crash();			/* the bytes, then the version, for heirs */
	cell64_store_rel(&value->bytes, bytes);
	if (lane->seg->has_slot)
		cell64_store_rel(&b->last_writer, lane->seg->slots[lane->seg->slot].process);
	cell64_store_rel(&b->version, version);
	flags = tell(board);
	unlock(board, lane);
	wake(board, flags);
	if (ret_version)
		*ret_version = version;
}

static int check_length(const dure_board *board, uint64_t bytes)
{
	if (bytes <= board->bytes_max)
		return 0;
	return durei_error(EMSGSIZE, "board %s: a value has at most %llu bytes, not %llu", board->name,
			   (unsigned long long)board->bytes_max, (unsigned long long)bytes);
}

int dure_board_write(dure_board *board, const void *data, size_t bytes, int64_t timeout_ns,
		     uint64_t *ret_version)
{
	struct dl_board_value *value = NULL;
	struct durei_lane *lane = NULL;
	int r = check_length(board, bytes);

	if (r == 0)
		r = lock(board, timeout_ns, &lane);
	if (r == 0)
		r = next_place(board, lane, &value);
	if (r < 0)
		return r;
	if (bytes)
		memcpy(value + 1, data, bytes);				/* step 2 */
	make_latest(board, lane, value, bytes, ret_version);
	return 0;
}

int dure_board_reserve(dure_board *board, int64_t timeout_ns, void **ret)
{
	struct dl_board_value *value = NULL;
	struct durei_lane *lane = NULL;
	int r = lock(board, timeout_ns, &lane);

	if (r == 0)
		r = next_place(board, lane, &value);
	if (r == 0)
		*ret = value + 1;
	return r;
}

/* 0: this thread has reserved */
static int check_reserved(const dure_board *board, struct durei_lane **ret)
{
	const struct cell32 *word = &board->shared->lock.word;
	int r = 0;

	*ret = durei_lane_get(board->seg, &r);
	if (!*ret)
		return r;
	if (durei_word_is_ours(*ret, word))
		return durei_word_check_held(*ret, word);
	return durei_error(EPERM, "board %s: this thread has reserved nothing", board->name);
}

int dure_board_publish(dure_board *board, size_t bytes, uint64_t *ret_version)
{
	struct durei_lane *lane = NULL;
	int r = check_reserved(board, &lane);

	if (r == 0)
		r = check_length(board, bytes);
	if (r < 0)
		return r;
	make_latest(board, lane, durei_board_value(board, cell64_load_rlx(&board->shared->version) + 1),
		    bytes, ret_version);
	return 0;
}

int dure_board_cancel(dure_board *board)
{
	struct durei_lane *lane = NULL;
	int r = check_reserved(board, &lane);

	if (r == 0)
		unlock(board, lane);
	return r;
}

int dure_board_shut(dure_board *board)
{
	struct durei_lane *lane = NULL;
	uint32_t flags;
	int r = lock(board, DURE_FOREVER, &lane);

	if (r < 0)
		return r;
	if (cell32_load_rlx(&board->shared->state) == DL_BOARD_OPEN)
		cell32_store_rel(&board->shared->state, DL_BOARD_SHUT);
	flags = tell(board);
	unlock(board, lane);
	wake(board, flags);
	return 0;
}
