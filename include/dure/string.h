/* SPDX-License-Identifier: MIT */
/*
 * dure/string.h - a string in a segment, or any bytes: set, appended to, copied out
 *
 * Safe among processes by itself: who changes the string locks it for the moment (or to the end
 * of his transaction), who reads it locks nothing, but waits for the end of a transaction that is
 * changing it. Each operation is crash-atomic. Inside a transaction of the calling thread changes
 * are part of it, and nobody else sees them before its commit.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler. Fork: the child's
 * handle answers -ESTALE until dure_segment_reattach.
 */
#ifndef DURE_STRING_H
#define DURE_STRING_H

#include <dure/object.h>

DURE_BEGIN

typedef struct dure_string dure_string;

/*
 * dure_string_open - make an empty string by name, or find it
 *
 * flags: DURE_CREATE, DURE_OPEN or both.
 *
 * Returns  0, DURE_CREATED; -ENOENT -EEXIST -EINVAL (another type of object) -ENOSPC -ENOMEM
 *          -EUCLEAN -EROFS -ESTALE
 * Death    the string exists, with its name, or nothing of it does.
 */
DURE_API int dure_string_open(dure_segment *segment, const char *name, uint32_t flags,
			      dure_string **ret);

/* dure_string_open_at - a string without a name: dure/container.h. Returns as open; -EEXIST (*at is
   not empty, and flags are DURE_CREATE alone) */
DURE_API int dure_string_open_at(dure_segment *segment, dure_ref *at, uint32_t flags,
				 dure_string **ret);

/* dure_string_close - forget this process' handle; the string stays. NULL is allowed */
DURE_API void dure_string_close(dure_string *string);

/*
 * dure_string_destroy - free the string and its name
 *
 * Nobody uses it any more.
 *
 * Returns  0; -ENOENT -EINVAL -ENOSPC -EDEADLK (called within a transaction) -EUCLEAN -EROFS
 *          -ESTALE
 * Death    all of it is there, or nothing.
 */
DURE_API int dure_string_destroy(dure_segment *segment, const char *name);

/*
 * dure_string_set - make it these bytes
 *
 * bytes 0 makes it empty; text may be NULL then.
 *
 * Returns  0; -ENOSPC -EDEADLK -EUCLEAN -EROFS -ESTALE
 * Death    the old bytes or the new ones.
 */
DURE_API int dure_string_set(dure_string *string, const void *text, size_t bytes);

/* dure_string_append - add bytes at the end, all or none. Returns as set */
DURE_API int dure_string_append(dure_string *string, const void *text, size_t bytes);

/* dure_string_append_format - add what printf would print.
   Returns the number of bytes added; -EINVAL (the format) -ENOMEM, otherwise as set */
DURE_API int dure_string_append_format(dure_string *string, const char *format, ...)
	DURE_FORMAT(2, 3);

/*
 * dure_string_get - copy all of it, and a NUL behind it
 *
 * ret_bytes (may be NULL) gets the length, without the NUL.
 *
 * Returns  0; -EMSGSIZE (buffer_bytes is not more than the length: the sentence says how long it
 *          is) -EUCLEAN -ESTALE, and while a transaction changes the string -EDEADLK, or -EAGAIN
 *          (a read-only segment: nothing to wait with)
 */
DURE_API int dure_string_get(dure_string *string, void *buffer, size_t buffer_bytes,
			     size_t *ret_bytes);

/*
 * dure_string_read - copy at most bytes of it, from offset on, without a NUL
 *
 * ret_bytes gets how many there were: less than asked for at the end, 0 behind it. Two calls may
 * see two moments.
 *
 * Returns  0; otherwise as get, without -EMSGSIZE
 */
DURE_API int dure_string_read(dure_string *string, uint64_t offset, void *buffer, size_t bytes,
			      size_t *ret_bytes);

/* dure_string_length - its bytes. Those of transactions that are open count */
DURE_API uint64_t dure_string_length(const dure_string *string);

DURE_END

#endif
