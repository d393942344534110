/* SPDX-License-Identifier: MIT */
/* crew.h - processes that all do a contender's round at once */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "bench.h"

struct bench_crew;

/* Forks who->processes processes, odd ones on the second core, which join shared. */
struct bench_crew *bench_crew_open(const struct bench_contender *who, void *shared);
/* All of them do a round, beginning together. The mean of what they measured, or the sum. */
double bench_crew_round(struct bench_crew *crew, uint64_t ops, unsigned row_flags);
void bench_crew_close(struct bench_crew *crew);

#endif
