/* SPDX-License-Identifier: MIT */
/*
 * dure/error.h - results, and the sentences that go with them
 *
 * Every function that can fail returns int.
 *
 *	r < 0	r is -errno, and nothing happened: no output was touched, nothing is held.
 *	r >= 0	it happened. A positive value is a count, or one of the remarks below;
 *		each function's page says which.
 *
 * One code has one meaning in the whole library; DURE_ERROR_MAP is the list.
 */
#ifndef DURE_ERROR_H
#define DURE_ERROR_H

#include <errno.h>

#include <dure/export.h>

DURE_BEGIN

/* Remarks: it happened, and there is something to know about it. */
enum {
	DURE_CREATED = 1,	/* this call, and no other, made the object */
	DURE_OWNER_DIED = 2,	/* you hold the lock; its last holder died inside */
	DURE_RESTORED = 3,	/* opened from the last checkpoint, after a reboot */
	DURE_TRUNCATED = 4,	/* the message was longer than the buffer, which has its beginning */
	DURE_UNWANTED = 5,	/* nobody waits for it any more: it was dropped */
};

/* X(errno name, sentence): what each code means here, everywhere. */
#define DURE_ERROR_MAP(X)                                                                         \
	X(EINVAL, "an argument is out of its range, or the object is not of this kind")           \
	X(ENOENT, "there is nothing of that name")                                                \
	X(EEXIST, "the name is taken already")                                                    \
	X(ENOSPC, "there is no room left in the segment or in what backs it")                     \
	X(ENOMEM, "the process could not get private memory or address space")                    \
	X(EAGAIN, "it would have to wait, and the timeout was 0")                                 \
	X(ETIMEDOUT, "the time was up before it could be done")                                   \
	X(EBUSY, "it is in use")                                                                  \
	X(EALREADY, "the caller is a member already")                                             \
	X(EPERM, "the caller does not hold, or does not own, what this needs")                    \
	X(EACCES, "the file permissions do not allow it")                                         \
	X(EROFS, "the segment or the file is open for reading only")                              \
	X(EDEADLK, "waiting would never end: the caller is part of the circle it waits for")      \
	X(ENOTRECOVERABLE, "the lock was abandoned, or the contents were lost with a reboot")     \
	X(ESTALE, "the handle has outlived its object, or it was inherited through fork")         \
	X(EPROTO, "the bytes are not a segment of a version this library can use")                \
	X(EUCLEAN, "the contents contradict themselves: run dure check")                          \
	X(EMSGSIZE, "the buffer is too small, or the value is too big")                           \
	X(ESHUTDOWN, "it has been shut: nothing is sent any more, and nothing is left")            \
	X(EOVERFLOW, "a count would become larger than it can be")                                \
	X(ERANGE, "there are not so many of what is to be given away")                            \
	X(ENOTCONN, "the other end is gone, and nobody has taken its place yet")                    \
	X(EOWNERDEAD, "the server that had the request died; it may have been done in part")        \
	X(ECONNREFUSED, "the server has refused the request")                                     \
	X(ECONNRESET, "the subscriber was too slow, and gets nothing any more")                   \
	X(E2BIG, "the options have fields that this library does not know")                       \
	X(ENOLCK, "one thread holds more locks, or shares of them, than a lane can record")       \
	X(EUSERS, "all places for processes or threads are taken")                                \
	X(EFBIG, "the segment would have to grow beyond its maximum")                             \
	X(ECANCELED, "the transaction was already doomed by an earlier failure")                  \
	X(EMFILE, "the process has too many open descriptors")                                    \
	X(EPIPE, "the other end is closed, for good")                                             \
	X(ENOSYS, "the object needs a function that this process has not registered")            \
	X(EOPNOTSUPP, "the kernel, the file system or the backing cannot do this")                \
	X(EIO, "the kernel reported an error in the medium")

/*
 * dure_strerror - the general sentence for a result code
 *
 * Takes what a function returned: negative, or a remark. A bare errno is given negated.
 *
 * Returns  a constant string, never NULL; "unknown result" for codes the library never returns.
 *
 * Threads  any.  Signals  safe.  Fork  safe.  Death  nothing shared.
 */
DURE_API const char *dure_strerror(int result);

/*
 * dure_last_error - what went wrong in this thread, with names, sizes and the remedy
 *
 * Returns  the sentence that belongs to the last negative result this thread got from the
 *          library; "" if there was none. Borrowed until the thread's next failing call.
 *
 * Threads  each its own.  Signals  no.  Fork  the child keeps a copy.  Death  nothing shared.
 */
DURE_API const char *dure_last_error(void);

DURE_END

#endif
