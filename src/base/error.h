/* SPDX-License-Identifier: MIT */
/*
 * error.h - how a failure is said
 *
 * Where an error is found, it is said once: return durei_error(ENOENT, "...") with the
 * object, the cause and the remedy in the sentence. Whoever passes it on passes the code
 * alone. Codes that polling callers meet all day (EAGAIN, ETIMEDOUT) use durei_error_plain,
 * which formats nothing.
 */
#ifndef DUREI_BASE_ERROR_H
#define DUREI_BASE_ERROR_H

#include <errno.h>

#include <dure/error.h>

/* Remembers the sentence for this thread; returns -code. */
int durei_error(int code, const char *format, ...) DURE_FORMAT(2, 3);

/* As above with the general sentence of the code; costs two stores. */
int durei_error_plain(int code);

#endif
