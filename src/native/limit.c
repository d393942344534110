/* SPDX-License-Identifier: MIT */
/*
 * limit.c - how a limit of the kernel is said: its name, its value, its use, and how to raise it
 *
 * Why      "No space left on device" names no device and no limit. Three quarters of an
 *          administrator's search is to find out which of a dozen numbers was meant.
 * Death    nothing shared.
 */
#include "native/limit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

int durei_limit_error(int code, const char *what, const struct durei_limit *limit)
{
	char used[64] = "";

	if (limit->used != UINT64_MAX)
		snprintf(used, sizeof used, ", and %" PRIu64 " are used", limit->used);
	return durei_error(code, "%s: %s allows %" PRIu64 " %s%s: remove what nobody needs (%s), "
			   "or raise it (%s)", what, limit->name, limit->max, limit->unit, used,
			   limit->remove, limit->raise);
}
