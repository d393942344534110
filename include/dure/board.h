/* SPDX-License-Identifier: MIT */
/*
 * dure/board.h - the latest value: any writers, any readers, nobody waits for the other
 *
 *	dure_board *board;
 *	r = dure_board_open(segment, "position", DURE_CREATE | DURE_OPEN, &options, &board);
 *	r = dure_board_write(board, &position, sizeof position, DURE_FOREVER, NULL);
 *	...
 *	r = dure_board_read(board, &position, sizeof position, NULL, &version);
 *	r = dure_board_wait(board, version, DURE_FOREVER);	(until there is a newer one)
 *
 * A board has room for several values, of which the last one counts; a writer fills a place that
 * nobody reads, and makes it the latest by one store. So readers lock nothing and always find a
 * whole value, also while writers are at work, are stopped, or have been killed in the middle of
 * one. Writers take turns. Each value has a version, one more than that of the value before;
 * readers see those that are the latest when they look.
 *
 * A segment that is open for reading only can have its boards read.
 *
 * Common to all functions here: Threads: any. Transactions: writing is no part of them. Signals:
 * not from a handler. Fork: the child's handle answers -ESTALE; it opens the board again.
 * Death: the last whole value stays, and is readable at once; writers go on at once.
 */
#ifndef DURE_BOARD_H
#define DURE_BOARD_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_board dure_board;

struct dure_board_options {
	size_t sz;
	uint64_t bytes;			/* the most a value can have; needed to make one */
	uint32_t values;		/* places for values, 2 to 64; default 4 */
	uint32_t reserved;
};

/*
 * dure_board_open - make a board by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both. options (may be NULL without DURE_CREATE) count when it
 * is made. A value is whole until as many values less one have been written after it.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL -EBUSY (being destroyed) -EDEADLK (inside a
 *          transaction) -ENOSPC -ENOMEM -EUSERS -EUCLEAN -EROFS -ESTALE
 * Death    the board exists, with its name, or nothing of it does.
 */
DURE_API int dure_board_open(dure_segment *segment, const char *name, uint32_t flags,
			     const struct dure_board_options *options, dure_board **ret);

/* dure_board_close - forget this handle; the board stays. What this thread has reserved is
   cancelled. NULL is allowed */
DURE_API void dure_board_close(dure_board *board);

/* dure_board_shut - nothing more is written: writers and who waits are told -ESHUTDOWN; the last
   value can be read. Returns 0 (also when it was shut before); -EDEADLK -EROFS -ESTALE */
DURE_API int dure_board_shut(dure_board *board);

/*
 * dure_board_destroy - free a board and its name
 *
 * No living process has it open, but for readers of a segment that is open for reading only: they
 * are told -ESTALE.
 *
 * Returns  0; -ENOENT -EBUSY (it is open somewhere) -EINVAL -ENOSPC -EDEADLK (inside a
 *          transaction) -EROFS -ESTALE -EUCLEAN
 * Death    it is there and cannot be opened, or gone: destroy again.
 */
DURE_API int dure_board_destroy(dure_segment *segment, const char *name);

/*
 * dure_board_write - write a value: it is the latest
 *
 * Waits at most timeout_ns for other writers. ret_version may be NULL.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (another one writes) -EMSGSIZE (more than the board's bytes)
 *          -ESHUTDOWN -EDEADLK (this thread has reserved) -ENOLCK -EROFS -ESTALE
 * Death    the value is the latest, or the one before is.
 */
DURE_API int dure_board_write(dure_board *board, const void *data, size_t bytes,
			      int64_t timeout_ns, uint64_t *ret_version);

/*
 * dure_board_reserve - the place of the next value, to be written there
 *
 * The other writers wait until dure_board_publish or dure_board_cancel; so what is read from the
 * board meanwhile is the value before. The place has the board's bytes, of any contents.
 *
 * Returns  as write
 * Death    the value before is the latest.
 */
DURE_API int dure_board_reserve(dure_board *board, int64_t timeout_ns, void **ret);

/* dure_board_publish - what was reserved, so many bytes of it, is the latest value. Returns 0;
   -EPERM (this thread has reserved nothing) -EMSGSIZE -EUCLEAN -ESTALE. Death: as write */
DURE_API int dure_board_publish(dure_board *board, size_t bytes, uint64_t *ret_version);

/* dure_board_cancel - what was reserved is not written. Returns as publish */
DURE_API int dure_board_cancel(dure_board *board);

/*
 * dure_board_read - read the latest value
 *
 * Never waits, for nobody. ret_bytes and ret_version may be NULL.
 *
 * Returns  0; -EAGAIN (there is none yet; or, a thousand times, all places were written anew
 *          during the copy) -EMSGSIZE (the buffer is too small) -EUCLEAN -ESTALE
 */
DURE_API int dure_board_read(dure_board *board, void *buffer, size_t buffer_bytes,
			     size_t *ret_bytes, uint64_t *ret_version);

/*
 * dure_board_look - the latest value, where it lies
 *
 * It may be written over while it is read: what was seen of it counts only if
 * dure_board_is_whole says so afterwards.
 *
 * Returns  as read
 */
DURE_API int dure_board_look(dure_board *board, const void **ret, size_t *ret_bytes,
			     uint64_t *ret_version);

/* dure_board_is_whole - was the value of that version whole until now? Returns 1, 0; -ESTALE */
DURE_API int dure_board_is_whole(dure_board *board, uint64_t version);

/*
 * dure_board_wait - wait until there is a value newer than that of a version
 *
 * version 0: for a first one. Waits at most timeout_ns.
 *
 * Returns  0; -EAGAIN -ETIMEDOUT (there is none) -ESHUTDOWN (and there will be none) -EROFS -ESTALE
 * Death    of the writer: nothing; others may write.
 */
DURE_API int dure_board_wait(dure_board *board, uint64_t version, int64_t timeout_ns);

/*
 * dure_board_fd - a descriptor to poll
 *
 * It belongs to the handle, and becomes readable when there may be a newer value, or when a
 * process that used the segment is gone. Then dure_board_wait with timeout 0, until it answers
 * -EAGAIN: that makes the descriptor quiet. Nothing that comes after is missed. It is readable at
 * first. One thread at a time uses a handle that has one.
 *
 * Returns  a descriptor, to poll and not to read; -EOPNOTSUPP (the segment has no file) -EMFILE
 *          -EROFS -ESTALE
 */
DURE_API int dure_board_fd(dure_board *board);

struct dure_board_info {
	size_t sz;
	uint64_t version;		/* of the latest value; 0: there is none */
	uint64_t bytes;			/* of it */
	uint64_t bytes_max;
	uint64_t waits;			/* calls that had to sleep */
	uint32_t values;
	uint32_t users;			/* living processes that have it open for writing */
	uint32_t last_writer;		/* process id, in its own namespace */
	uint32_t is_shut;
};

/* dure_board_info - figures of a board. Returns 0; -EINVAL -ESTALE */
DURE_API int dure_board_info(dure_board *board, struct dure_board_info *info);

DURE_END

#endif
