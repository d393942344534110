/* SPDX-License-Identifier: MIT */
/*
 * geometry.h - where the parts of a segment lie
 */
#ifndef DUREI_SEGMENT_GEOMETRY_H
#define DUREI_SEGMENT_GEOMETRY_H

#include "segment/backing.h"

#define DUREI_DEFAULT_BYTES (UINT64_C(64) << 20)
/* less is rounded up: the object directory, and some objects */
#define DUREI_SMALLEST_BYTES (UINT64_C(64) << 10)

/* Plans a new segment: fills all of *ret but name, times and checksum. -EINVAL -EFBIG */
int durei_geometry_plan(const struct durei_request *request, const struct durei_backing *backing,
			struct dl_super *ret);

/*
 * Is this the super block of a segment we can use? Believes nothing: every offset is computed
 * anew and compared. name is for the sentence. -EPROTO -EUCLEAN
 */
int durei_geometry_check(const struct dl_super *super, const char *name);

uint64_t durei_geometry_checksum(const struct dl_super *super);

/* points the handle's shortcuts into the mapping, from seg->super and seg->base */
void durei_geometry_apply(dure_segment *seg);

/* What dl_state says is in use of the tables, after durei_geometry_apply. -EUCLEAN */
int durei_geometry_check_state(const dure_segment *seg);

#endif
