/* SPDX-License-Identifier: MIT */
/*
 * cases.h - inputs that no fuzzer has to find: each small damage, one at a time
 */
#ifndef TESTS_FUZZ_CASES_H
#define TESTS_FUZZ_CASES_H

#include <stddef.h>
#include <stdint.h>

enum { CASE_BYTES_MAX = 256 };

struct fuzz_case {
	char name[96];			/* for people: what is damaged, in which image */
	uint8_t bytes[CASE_BYTES_MAX];	/* an input of fuzz_open */
	size_t count;
};

/* Calls visit for each case, always in the same order. */
void cases_each(void (*visit)(const struct fuzz_case *c, void *context), void *context);

#endif
