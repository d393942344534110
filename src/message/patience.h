/* SPDX-License-Identifier: MIT */
/*
 * patience.h - how long a call waits for the lock of a queue or topic
 *
 * Why      A timeout is for messages. The lock is held for moments, and is waited for in any case.
 */
#ifndef DUREI_MESSAGE_PATIENCE_H
#define DUREI_MESSAGE_PATIENCE_H

#include <dure/segment.h>

#include "os/futex.h"

/* From the deadline of what the call waits for to the timeout for its lock. */
static inline int64_t durei_lock_patience(int64_t deadline_ns)
{
	enum { PATIENCE_NS = 100000000 };
	int64_t left;

	if (deadline_ns == DUREI_NEVER)
		return DURE_FOREVER;
	left = deadline_ns ? deadline_ns - durei_clock_now() : 0;
	return left > PATIENCE_NS ? left : PATIENCE_NS;
}

#endif
