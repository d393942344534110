/* SPDX-License-Identifier: MIT */
/*
 * trim.c - giving unused memory back to the system
 *
 * Why      Pages whose blocks are all free, but which nobody owns, are found out only when
 *          somebody looks. Trimming looks.
 * Death    segment/grow.c, trimming.
 */
#include <dure/segment.h>

#include <string.h>

#include "heap/heap.h"
#include "segment/backing.h"

int dure_segment_trim(dure_segment *segment, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (!lane)
		return r;
	if (!durei_heap_of(lane, &r))
		return r;
	durei_heap_let_hoard_go(lane);
	(void)durei_pages_reclaim(lane);
	r = durei_pages_release(lane, &bytes);
	if (r < 0)
		return durei_error(EOPNOTSUPP, "segment %s: %s cannot give memory back: %s",
				   segment->super.name, segment->backing->title, strerror(-r));
	if (ret_bytes)
		*ret_bytes = bytes;
	return 0;
}
