/* SPDX-License-Identifier: MIT */
/*
 * ordering.h - how an ordered map compares its keys
 */
#ifndef DUREI_CONTAINER_ORDERING_H
#define DUREI_CONTAINER_ORDERING_H

#include "layout/ordered.h"
#include "segment/handle.h"

/* An ordering as this process knows it. */
struct durei_order {
	enum dl_ordering kind;
	bool is_number;				/* keys are words of 8 bytes */
	const struct durei_ordering *caller;	/* CALLER; NULL: not registered here */
};

/* What the caller calls it; NULL: natural. 0; -EINVAL -ENOSYS */
int durei_order_named(dure_segment *seg, const char *name, bool is_number, struct durei_order *ret);

/* What a map says. 0; -EUCLEAN. *ret->caller may be NULL. */
int durei_order_of(dure_segment *seg, const struct dl_ordered *shared, struct durei_order *ret);

/* Its name, as callers give it. */
const char *durei_order_name(const struct durei_order *order, const struct dl_ordered *shared);

/* The word of a key, by which keys are compared first; and a number's key out of its word. */
uint64_t durei_order_word(const struct durei_order *order, const unsigned char *key, size_t bytes);
uint64_t durei_order_number(const struct durei_order *order, uint64_t word);

/* Strings, as memcmp would. */
int durei_order_compare(const struct durei_order *order, const unsigned char *a, uint32_t a_bytes,
			const unsigned char *b, uint32_t b_bytes);

#endif
