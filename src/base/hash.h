/* SPDX-License-Identifier: MIT */
/*
 * hash.h - the one hash function of the segment format
 *
 * Why      Names, map keys and the checksum of the static header need one function that any
 *          build computes alike. It is part of the format (dure-segment(5)): it never changes
 *          within a major version.
 * How      Eight bytes at a time are folded in by a 64 x 64 -> 128 bit multiplication whose
 *          two halves are xored (the multiply-fold that Wang Yi's wyhash made known). The
 *          seed is random per segment, so that nobody outside can choose colliding names.
 */
#ifndef DUREI_BASE_HASH_H
#define DUREI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_K0 UINT64_C(0x9e3779b97f4a7c15)	/* 2^64 / golden ratio */
#define HASH_K1 UINT64_C(0xd6e8feb86659fd93)
#define HASH_K2 UINT64_C(0xa0761d6478bd642f)

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
	uint64_t low = al * bl, mid1 = ah * bl, mid2 = al * bh, high = ah * bh;
	uint64_t carry = ((low >> 32) + (uint32_t)mid1 + (uint32_t)mid2) >> 32;

	low += (mid1 << 32) + (mid2 << 32);
	high += (mid1 >> 32) + (mid2 >> 32) + carry;
	return low ^ high;
#endif
}

/* The finisher alone, for keys that are one integer. */
static inline uint64_t hash_u64(uint64_t seed, uint64_t value)
{
	return hash_fold(hash_fold(seed ^ HASH_K0, value ^ HASH_K1), HASH_K2);
}

static inline uint64_t hash_eight(const unsigned char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, 8);
	return word;
}

/*
 * 1 to 7 bytes as a little-endian number, by loads that overlap: bytes copied one by one into a
 * word, and read as one, wait for the store buffer.
 */
static inline uint64_t hash_tail(const unsigned char *bytes, size_t count)
{
	uint32_t low, high;

	if (count < 4)
		return bytes[0] | (uint64_t)bytes[count / 2] << count / 2 * 8 |
		       (uint64_t)bytes[count - 1] << (count - 1) * 8;
	memcpy(&low, bytes, 4);
	memcpy(&high, bytes + count - 4, 4);
	return low | (uint64_t)high << (count - 4) * 8;
}

static inline uint64_t hash_bytes(uint64_t seed, const void *data, size_t count)
{
	const unsigned char *bytes = data;
	uint64_t h = seed ^ HASH_K0 ^ ((uint64_t)count * HASH_K1);

	for (; count >= 8; count -= 8, bytes += 8)
		h = hash_fold(h ^ hash_eight(bytes), HASH_K1);
	if (count)
		h = hash_fold(h ^ hash_tail(bytes, count), HASH_K1);
	return hash_fold(h ^ HASH_K0, HASH_K2);
}

#endif
