/* SPDX-License-Identifier: MIT */
/*
 * dure/ref.h - pointing to things inside a segment
 *
 * A segment lies at another address in each process, so no plain pointer may be stored in it.
 *
 *	dure_ref	an offset from the segment's start; {0} is nothing. For sending over any
 *			channel, and for what the library links (dure_block_publish ...).
 *	dure_rel	the distance from the pointer itself to its target; {0} is nothing. Needs
 *			no segment to be followed: for data structures of the program's own.
 */
#ifndef DURE_REF_H
#define DURE_REF_H

#include <dure/segment.h>

DURE_BEGIN

typedef struct dure_ref {
#if defined(__cplusplus)
	alignas(8) uint64_t offset;
#else
	_Alignas(8) uint64_t offset;
#endif
} dure_ref;

typedef struct dure_rel {
#if defined(__cplusplus)
	alignas(8) int64_t distance;
#else
	_Alignas(8) int64_t distance;
#endif
} dure_rel;

/*
 * dure_ref_of - the reference to an address inside the segment
 * Returns  the reference, {0} for NULL and for addresses outside.
 */
DURE_API dure_ref dure_ref_of(dure_segment *segment, const void *address);

/*
 * dure_ref_get - the address of bytes a reference means, checked
 *
 * Returns  NULL for {0}, and when not all of the bytes are inside the segment's backed memory
 *          (dure_last_error says which). Borrowed until the segment is closed.
 */
DURE_API void *dure_ref_get(dure_segment *segment, dure_ref ref, size_t bytes);

/* dure_ref_load, dure_ref_store - read or write a shared reference in one access, ordered
   after what was written before (release) and before what is read next (acquire) */
static inline dure_ref dure_ref_load(const dure_ref *from)
{
	dure_ref ref;

	ref.offset = __atomic_load_n(&from->offset, __ATOMIC_ACQUIRE);
	return ref;
}

static inline void dure_ref_store(dure_ref *to, dure_ref ref)
{
	__atomic_store_n(&to->offset, ref.offset, __ATOMIC_RELEASE);
}

enum { DURE_REL_SELF = 1 };	/* a distance of 0 means nothing, so pointing to itself is this */

/* dure_rel_get - what a rel pointer points to, NULL for nothing. One access. */
static inline void *dure_rel_get(const dure_rel *from)
{
	int64_t distance = __atomic_load_n(&from->distance, __ATOMIC_ACQUIRE);

	if (distance == 0)
		return NULL;
	return (char *)(uintptr_t)from + (distance == DURE_REL_SELF ? 0 : (intptr_t)distance);
}

/* dure_rel_set - make it point to target, in the same segment; NULL: to nothing. One access.
   The byte directly behind the rel pointer's first cannot be pointed to. */
static inline void dure_rel_set(dure_rel *to, const void *target)
{
	int64_t distance = target ? (intptr_t)target - (intptr_t)to : 0;

	if (target && distance == 0)
		distance = DURE_REL_SELF;
	__atomic_store_n(&to->distance, distance, __ATOMIC_RELEASE);
}

DURE_END

#endif
