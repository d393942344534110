/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what a fuzz target is, to libFuzzer and to run_corpus.c alike
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* once, before the first input */
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* one input; aborts when the library is wrong */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes of an input, taken one after the other; zeros behind the end. */
struct script {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t script_byte(struct script *script)
{
	if (!script->left)
		return 0;
	script->left--;
	return *script->at++;
}

static inline uint32_t script_number(struct script *script, unsigned bytes)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number |= (uint32_t)script_byte(script) << i * 8;
	return number;
}

#endif
