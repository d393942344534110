/* SPDX-License-Identifier: MIT */
/*
 * input.h - the shape of an input of fuzz_open
 *
 * Input    0   image (image.h), modulo their number
 *          1   how it is opened: enum mode; bit 7: the rest of the input is the segment
 *          2   how many damages; with bit 7 above: 1 gives it a right super block
 *          3   INPUT_ flags
 *          4.. the damages, 12 bytes each (image.h); then a script of calls (change.c)
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include "image.h"

enum {
	HEADER_BYTES = 4,
	DAMAGES_MAX = 24,
	INPUT_IS_RAW = 0x80,		/* in byte 1 */
	INPUT_MODE_MASK = 0x7f,
	INPUT_READS_LATE = 1,		/* in byte 3: no reading before the script */
	INPUT_CHECKS_LATE = 2,		/* no check before it */
};

/* the first is the cheapest, and so the most frequent */
enum mode {
	MODE_BUFFER,
	MODE_FILE_READ = 12,		/* a memory file */
	MODE_FILE_WRITE,
	MODE_FILE_VIEW,
	MODE_BUFFER_AGAIN,		/* opened, closed, and opened again */
	MODE_COUNT,
};

#endif
