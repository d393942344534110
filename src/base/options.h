/* SPDX-License-Identifier: MIT */
/*
 * options.h - structs that callers fill, and that grow from version to version
 *
 * The caller says in `sz` how much it knows. A longer struct than ours is fine while the part
 * we do not know is zero; a shorter one gets zeros, that is defaults, for the rest.
 */
#ifndef DUREI_BASE_OPTIONS_H
#define DUREI_BASE_OPTIONS_H

#include <stddef.h>

/* min_bytes: the struct's size in the first release. 0, -EINVAL, -E2BIG */
int durei_options_read(void *ours, size_t our_bytes, size_t min_bytes, const void *theirs);

/* For structs that we fill: as much as the caller knows, sz kept. */
int durei_options_write(void *theirs, const void *ours, size_t our_bytes, size_t min_bytes);

#endif
