/* SPDX-License-Identifier: MIT */
/*
 * error.c - the sentence of the last failure, per thread
 *
 * Why      A code tells the program what to do; only a sentence with names and numbers tells
 *          the person. The code is the contract, the sentence is for reading.
 * Rules    [ERR1] the text is only ever written by its own thread
 *          [ERR2] nothing in the library reads it back
 * Death    nothing shared.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_BYTES = 512 };	/* a sentence with two paths in it fits */

struct last_error {
	const char *plain;	/* a constant sentence, or NULL: then text holds it */
	char text[TEXT_BYTES];
};

static _Thread_local struct last_error last_error;

const char *dure_strerror(int result)
{
	switch (result) {
	case DURE_CREATED:
		return "created by this call";
	case DURE_OWNER_DIED:
		return "held, and the last holder died inside";
	case DURE_RESTORED:
		return "restored from the last checkpoint";
	case DURE_TRUNCATED:
		return "received, but for what the buffer had no room for";
	case DURE_UNWANTED:
		return "dropped: nobody waits for it any more";
	default:
		break;
	}
	switch (result < 0 ? -result : result) {
	case 0:
		return "success";
#define SENTENCE(code, text)                                                                      \
	case code:                                                                                \
		return text;
		DURE_ERROR_MAP(SENTENCE)
#undef SENTENCE
	default:
		return "unknown result";
	}
}

const char *dure_last_error(void)
{
	return last_error.plain ? last_error.plain : last_error.text;
}

int durei_error(int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last_error.text, sizeof last_error.text, format, arguments);
	va_end(arguments);
	last_error.plain = NULL;
	return -code;
}

int durei_error_plain(int code)
{
	last_error.plain = dure_strerror(-code);
	return -code;
}
