/* SPDX-License-Identifier: MIT */
/*
 * nap.h - looking again and again, where the kernel can neither wait until a time nor be polled
 */
#ifndef DUREI_NATIVE_NAP_H
#define DUREI_NATIVE_NAP_H

#include <stdbool.h>
#include <stdint.h>

struct durei_nap {
	int64_t ns;			/* the last one; begins with 0 */
};

/*
 * Sleeps for a while, longer each time, to 4 ms; never beyond the deadline. false, and no
 * sleep, when that has passed (deadline 0 always has).
 */
bool durei_nap(struct durei_nap *nap, int64_t deadline_ns);

#endif
