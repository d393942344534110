/* SPDX-License-Identifier: MIT */
/*
 * wide.h - an element of several words: one that is half another one is seen
 */
#ifndef TESTS_API_WIDE_H
#define TESTS_API_WIDE_H

#include "../t.h"

struct wide {
	uint64_t words[5];
};

static inline struct wide wide(uint64_t n)
{
	return (struct wide){ { n, n * 3, n * 5, n * 7, n * 11 } };
}

static inline bool is_wide(const struct wide *w, uint64_t n)
{
	struct wide expected = wide(n);

	return memcmp(w, &expected, sizeof expected) == 0;
}

#endif
