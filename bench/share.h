/* SPDX-License-Identifier: MIT */
/* share.h - a segment that a contender's processes share, as a program would open it */
#ifndef BENCH_SHARE_H
#define BENCH_SHARE_H

#include <dure.h>

#include "bench.h"

/* A POSIX segment with room for so many bytes, without a name any more. */
dure_segment *bench_segment_make(uint64_t bytes);
/* In a process of a crew: makes it a participant. Elsewhere it does nothing. */
void bench_segment_join(dure_segment *segment);
void bench_segment_close(dure_segment *segment);

/* Zeroed memory in the segment that stays. */
void *bench_segment_memory(dure_segment *segment, uint64_t bytes);

#endif
