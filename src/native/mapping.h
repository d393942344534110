/* SPDX-License-Identifier: MIT */
/*
 * mapping.h - a mapping's handle, inside
 */
#ifndef DUREI_NATIVE_MAPPING_H
#define DUREI_NATIVE_MAPPING_H

#include <dure/mapping.h>
#include <stdbool.h>
#include <stdio.h>

struct dure_mapping {
	void *base;			/* of the first page; NULL: not mapped */
	size_t mapped_bytes;		/* whole pages */
	size_t lead;			/* from base to the first byte asked for */
	uint64_t size_bytes;		/* asked for */
	uint64_t file_offset;		/* of the first byte asked for */
	uint64_t unit;			/* the size of its pages */
	int fd;				/* of our own; -1: anonymous */
	bool is_huge, is_private;
};

/* The sentences for mlock and madvise on so many bytes; 0 for an r that is not negative. */
int durei_mapping_locked_error(const char *what, uint64_t bytes, int code);
int durei_mapping_advise_error(int r, uint64_t bytes);

#endif
