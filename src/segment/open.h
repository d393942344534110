/* SPDX-License-Identifier: MIT */
/*
 * open.h - opening a segment, with something in it from the first moment
 */
#ifndef DUREI_SEGMENT_OPEN_H
#define DUREI_SEGMENT_OPEN_H

#include <dure/segment.h>

/* Fills a new segment, which has no name yet; below 0: there is to be none. */
struct durei_builder {
	int (*build)(dure_segment *seg, void *context);
	void *context;
};

/* As dure_segment_open; builder may be NULL. */
int durei_segment_open(const char *name, uint32_t flags,
		       const struct dure_segment_options *options,
		       const struct durei_builder *builder, dure_segment **ret);

#endif
