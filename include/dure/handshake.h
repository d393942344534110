/* SPDX-License-Identifier: MIT */
/*
 * dure/handshake.h - parent and child wait for each other
 *
 * Made before fork; afterwards each of the two tells the other that it has come so far, or waits
 * until it is told. Nothing is lost when telling comes before waiting, and who waits for one that
 * has died is told so. No signals.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler; none is raised. Fork:
 * that is what it is for; one handshake serves one parent and one child. Death: the kernel tells
 * the other.
 */
#ifndef DURE_HANDSHAKE_H
#define DURE_HANDSHAKE_H

#include <stdint.h>

#include <dure/export.h>
#include <dure/segment.h>	/* DURE_FOREVER, DURE_MS, DURE_S */

DURE_BEGIN

typedef struct dure_handshake dure_handshake;

/*
 * dure_handshake_open - before fork
 *
 * The process that opens is the parent; the first other process that uses it is the child.
 * A child of the child, or a second child, holds the end open without being meant: it closes the
 * handle first of all.
 *
 * Returns  0; -EMFILE -ENOMEM -EINVAL -EIO
 */
DURE_API int dure_handshake_open(dure_handshake **ret);

/*
 * dure_handshake_tell - let the other go on
 *
 * Each tell ends one wait.
 *
 * Returns  0; -EPIPE (the other is gone) -EAGAIN (it has been told a hundred thousand times
 *          without waiting) -EINVAL -EIO
 */
DURE_API int dure_handshake_tell(dure_handshake *handshake);

/*
 * dure_handshake_wait - until the other has told
 *
 * Returns  0; -EPIPE (the other is gone, and has told nothing more) -EAGAIN -ETIMEDOUT -EINVAL -EIO
 */
DURE_API int dure_handshake_wait(dure_handshake *handshake, int64_t timeout_ns);

/* dure_handshake_fd - readable when the other has told, or is gone (borrowed). -EINVAL */
DURE_API int dure_handshake_fd(dure_handshake *handshake);

/* dure_handshake_close - the other's waits end with -EPIPE. NULL is allowed. */
DURE_API void dure_handshake_close(dure_handshake *handshake);

DURE_END

#endif
