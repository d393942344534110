/* SPDX-License-Identifier: MIT */
/*
 * arith.h - arithmetic that says when it does not fit
 */
#ifndef DUREI_BASE_ARITH_H
#define DUREI_BASE_ARITH_H

#include <stdbool.h>
#include <stdint.h>

/* true when the sum or product fits 64 bits; *ret_ is written in any case */
static inline bool add_fits(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

static inline bool mul_fits(uint64_t a, uint64_t b, uint64_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}

static inline bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* unit is a power of two; the caller has bounded n so that it cannot wrap */
static inline uint64_t align_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

static inline uint64_t align_down(uint64_t n, uint64_t unit)
{
	return n & ~(unit - 1);
}

static inline uint64_t div_up(uint64_t n, uint64_t d)
{
	return n / d + (n % d != 0);
}

/* index of the highest set bit; n is not 0 */
static inline unsigned log2_floor(uint64_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}

static inline unsigned log2_ceil(uint64_t n)
{
	return n <= 1 ? 0 : log2_floor(n - 1) + 1;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t clamp_u64(uint64_t n, uint64_t low, uint64_t high)
{
	return n < low ? low : n > high ? high : n;
}

#endif
