/* SPDX-License-Identifier: MIT */
/*
 * any_bytes.h - words of a segment become others, or each other: an error at worst
 *
 * Why      A peer that has gone wrong writes anything into what it shares. Nobody shall crash of
 *          it, loop, or take it for granted.
 * How      An image is made once, then damaged again and again: words with something in them are
 *          overwritten with another word of the image, or differ by one bit, or become -1, 0, 1.
 *          On each, all is done. A hang is found by the test's time limit.
 */
#ifndef TESTS_API_ANY_BYTES_H
#define TESTS_API_ANY_BYTES_H

#include "fresh.h"

enum { IMAGE_BYTES = 256 << 10 };

static inline dure_segment *open_image(void *bytes, uint32_t flags)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .buffer = bytes, .size_bytes = IMAGE_BYTES };
	dure_segment *image = NULL;

	return dure_segment_open(NULL, flags, &o, &image) < 0 ? NULL : image;
}

/* Up to four words, of those that say something. */
static inline void damage(uint64_t *bytes)
{
	size_t words = IMAGE_BYTES / 8, first = words / 8;

	for (unsigned damages = dice(4) + 1; damages; ) {
		size_t at = first + dice((unsigned)(words - first));
		if (!bytes[at])
			continue;
		bytes[at] = dice(3) == 0   ? bytes[first + dice((unsigned)(words - first))]
			    : dice(2) == 0 ? bytes[at] ^ UINT64_C(1) << dice(64)
					   : dice(3) - 1ull;
		damages--;
	}
}

/*
 * fill makes the image in use, leave (may be NULL) gives back what nobody has in its copy; do_all
 * does what there is, and heeds no result but a crash
 */
static inline void any_bytes(void (*fill)(dure_segment *image), void (*leave)(void),
			     void (*do_all)(dure_segment *image), unsigned times)
{
	uint64_t *bytes = aligned_alloc(4096, IMAGE_BYTES), *copy = malloc(IMAGE_BYTES);
	unsigned opened = 0;
	dure_segment *image;

	memset(bytes, 0, IMAGE_BYTES);
	image = open_image(bytes, DURE_CREATE);
	assert_non_null(image);
	fill(image);
	memcpy(copy, bytes, IMAGE_BYTES);	/* as a dead process leaves it */
	if (leave)
		leave();
	T_OK(dure_segment_close(image));
	for (unsigned i = 0; i < times; i++) {
		memcpy(bytes, copy, IMAGE_BYTES);
		damage(bytes);
		image = open_image(bytes, DURE_OPEN);
		if (!image)
			continue;
		opened++;
		(void)dure_segment_check(image, NULL, NULL, NULL);
		do_all(image);
		(void)dure_segment_close(image);
	}
	assert_true(opened > times / 2);
	free(bytes);
	free(copy);
}

#endif
