/* SPDX-License-Identifier: MIT */
/*
 * handle.h - what one process knows of a segment it has open
 *
 * Why      Shared and private state are two things with two types. Everything here is private
 *          memory: it dies with the process and is never repaired.
 * Rules    [HANDLE1] geometry is taken from `super`, the checked copy, never from the segment
 *          [HANDLE2] after fork `alive` reads 0 in the child, and lanes are zeros
 *          [HANDLE3] the mapping goes with the last reference: the opener's, or a thread's
 */
#ifndef DUREI_SEGMENT_HANDLE_H
#define DUREI_SEGMENT_HANDLE_H

#include <pthread.h>
#include <stdbool.h>

#include <dure/segment.h>

#include "base/arith.h"
#include "base/error.h"
#include "layout/lane.h"
#include "layout/page.h"
#include "layout/super.h"

enum { DUREI_SEGMENT_MAGIC = 0x65727564 };

enum durei_access {
	DUREI_ACCESS_WRITE = 0,		/* a participant */
	DUREI_ACCESS_READ = 1,
	DUREI_ACCESS_VIEW = 2,		/* private copy: writes, alone */
};

struct durei_backing;

/* How to compare keys, as this process has registered it: container/ordering.c */
struct durei_ordering {
	struct durei_ordering *next;
	int (*compare)(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context);
	void *context;
	char name[];
};

struct dure_segment {
	uint32_t magic;
	enum durei_access access;
	uint32_t is_protected;		/* dure_segment_protect took the write right away */
	uint32_t is_closed;		/* by dure_segment_close; threads may still hold it */
	uint32_t grows_by_itself;	/* DURE_SEGMENT_GROW */
	uint32_t references;		/* atomic: see [HANDLE3] */
	uint32_t *alive;		/* 1, or 0 in a forked child */

	unsigned char *base;
	uint64_t mapped_bytes;
	uint64_t backed_bytes;		/* atomic: offsets below it are known to be backed */
	struct dl_super super;
	struct dl_state *state;
	struct cell64 *lane_status;
	struct cell8 *groups;
	struct dl_slot *slots;
	struct cell64 *pages;
	unsigned page_shift;
	unsigned claim_shift;		/* page >> claim_shift: the bit in a lane's claims */
	unsigned class_count;
	struct dl_class_shape classes[DL_CLASS_COUNT_MAX];

	const struct durei_backing *backing;
	int fd;				/* -1: none. Has no lock on it */
	int sysv_id;			/* -1: none */
	uint64_t device, inode;		/* of fd, to know it again */
	char *path;			/* of the file with the locks, or NULL */
	void *buffer;			/* BUFFER: the caller's memory */
	char *note_path;		/* while a System V segment is being made: leftovers.c */
	int note_fd;
	bool sysv_is_new;		/* made by us, and not complete yet */

	bool has_slot;
	uint16_t slot;
	void *slot_pin;			/* the mapping that keeps our slot's lock */
	uint64_t slot_pin_bytes;
	bool waits_singly;		/* atomic: the kernel has no futex_waitv */

	pthread_mutex_t lanes_lock;	/* guards lanes; private, never held across a wait */
	struct durei_lane *lanes;	/* of this process, parked ones too */

	struct durei_ordering *orderings;	/* atomic: newest first; they go with the handle */
};

/* The offset's address; the offset has been checked, or will be before the address is used:
   so no pointer arithmetic, which may not leave the segment. */
static inline void *durei_at(const dure_segment *seg, uint64_t offset)
{
	return (void *)((uintptr_t)seg->base + (uintptr_t)offset);
}

static inline uint64_t durei_offset(const dure_segment *seg, const void *address)
{
	return (uint64_t)((const unsigned char *)address - seg->base);
}

static inline struct dl_lane *durei_lane_at(const dure_segment *seg, unsigned id)
{
	return durei_at(seg, seg->super.lanes_offset + (uint64_t)id * DL_LANE_BYTES);
}

static inline uint64_t durei_page_bytes_of(const dure_segment *seg)
{
	return UINT64_C(1) << seg->page_shift;
}

/* pages the segment may use now; never beyond what the table can describe */
static inline uint64_t durei_page_limit(const dure_segment *seg)
{
	uint64_t bytes = cell64_load_acq(&seg->state->limit_bytes);

	return min_u64(bytes, seg->mapped_bytes) >> seg->page_shift;
}

static inline uint64_t durei_first_page(const dure_segment *seg)
{
	return seg->super.data_offset >> seg->page_shift;
}

/*
 * May these bytes be read? Any offset out of a segment is asked here first ([CELL] rules read
 * it once before). False for what lies outside the mapping or is not backed.
 */
bool durei_bytes_are_backed_now(dure_segment *seg, uint64_t offset, uint64_t bytes);

static inline bool durei_bytes_are_backed(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	/* relaxed: it only ever grows, and too small a value is looked up anew */
	uint64_t backed = __atomic_load_n(&seg->backed_bytes, __ATOMIC_RELAXED);

	if (__builtin_expect(offset <= backed && bytes <= backed - offset, 1))
		return true;
	return durei_bytes_are_backed_now(seg, offset, bytes);
}

/* One mapping: the handle, and behind it a page that a forked child sees empty. */
int durei_handle_new(enum durei_access access, const struct durei_backing *backing,
		     dure_segment **ret);
void durei_handle_free(dure_segment *seg);

/* 0, or why this handle cannot be used: -EINVAL -ESTALE */
int durei_handle_check(const dure_segment *seg);
/* the same for calls that change the segment: -EROFS as well */
int durei_handle_check_write(const dure_segment *seg);

void durei_segment_ref(dure_segment *seg);
/* the last one unmaps and frees */
void durei_segment_unref(dure_segment *seg);

#endif
