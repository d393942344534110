/* SPDX-License-Identifier: MIT */
/*
 * place.h - is this address a lock of that kind?
 */
#ifndef DUREI_LOCK_PLACE_H
#define DUREI_LOCK_PLACE_H

#include "segment/lane.h"

/* Memory in the segment that can become a lock. 0, -EINVAL -EROFS -ESTALE */
int durei_place_check(dure_segment *seg, const void *lock, uint64_t bytes);

/*
 * A lock in use, whose kind stands at `kind` in it: this one, or 0. what: for the sentence.
 * False: the sentence is said.
 */
bool durei_place_is(dure_segment *seg, const void *lock, uint64_t bytes, const uint32_t *kind,
		    uint32_t expected, const char *what);

#endif
