/* SPDX-License-Identifier: MIT */
/*
 * element.h - what a container of equal elements remembers of their type
 *
 * Rules    [ELEMENT1] written once, before the container has its name
 */
#ifndef DUREI_LAYOUT_ELEMENT_H
#define DUREI_LAYOUT_ELEMENT_H

#include <assert.h>
#include <stdint.h>

enum {
	DL_ELEMENT_MAX = 1 << 20,	/* bytes */
	DL_ELEMENT_ALIGN_MAX = 4096,
	DL_ELEMENT_NAME_BYTES = 48,
};

struct dl_element {
	uint64_t bytes;
	uint64_t type_hash;		/* of the type's whole name */
	uint32_t align;
	uint32_t reserved;
	uint8_t type_name[DL_ELEMENT_NAME_BYTES];	/* its start */
};

static_assert(sizeof(struct dl_element) == 72, "no padding");

#endif
