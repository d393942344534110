/* SPDX-License-Identifier: MIT */
/* timing.h - clocks, cores, medians, and how far apart the two cores are */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The two cores everything runs on. */
enum { BENCH_CORES = 2 };

/* Ends the program when there are fewer. */
void bench_cores_choose(void);
void bench_pin(unsigned core);

/* Which clock bench_now reads from now on: of this process' work, or on the wall. */
void bench_clock_choose(bool is_cpu_time);
double bench_now(void);			/* ns */
double bench_wall(void);		/* ns, whatever was chosen */

/* Numbers that look random, cheaply. */
static inline uint64_t bench_dice(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* one of 0 .. n - 1 */
static inline uint64_t bench_pick(uint64_t *state, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)bench_dice(state) * n >> 64);
}

enum { BENCH_DICE_SEED = 88172645 };

/* Sorts the values. */
double bench_median(double *values, size_t count);

/*
 * The probe: a cache line goes back and forth between the cores for about a millisecond. On a
 * virtual machine the cores can be near (50 to 100 ns for a round trip) or far (300 to 500), and
 * change within seconds; what two cores do together can only be compared when they are near.
 */
enum { BENCH_NEAR_NS = 200 };

void bench_probe_start(void);
void bench_probe_stop(void);
double bench_probe(void);		/* ns for a round trip */

#ifdef __cplusplus
}
#endif

#endif
