/* SPDX-License-Identifier: MIT */
/*
 * ring.h - a ring of records as it lies in a segment
 *
 * Layout   an object of type "dure_ring" with one struct dl_ring_place, which leads to a block:
 *          struct dl_ring, then `capacity` bytes. A record begins at a multiple of 8 with a word
 *          of its length and kind; its bytes follow.
 *
 *		head            tail
 *		 |               |
 *		[n|bytes][n|bytes][0]  free                 position: modulo capacity
 *
 * Rules    [RING1] a record is there when its word is stored; the word behind it is 0 before
 *          [RING2] tail, and what lies between it and head + capacity, is written by the sender
 *                  only, head by the receiver only. Both grow for ever
 *          [RING3] tail may be behind by the records of one call: a word that is not 0 there
 *                  says so
 *          [RING4] no record wraps: one that would is put at the start, and WRAP where it would
 *                  have begun
 */
#ifndef DUREI_LAYOUT_RING_H
#define DUREI_LAYOUT_RING_H

#include <assert.h>
#include <stddef.h>

#include "cell/cell.h"

enum { DL_RING_MAGIC = 0x676e6972 };

struct dl_ring_place {
	struct cell64 ring;		/* offset of the struct dl_ring; written before the name */
	uint64_t reserved;
};

/* a record's word: its length << 2 | one of these; 0: no record yet */
enum { DL_RING_RECORD = 1, DL_RING_WRAP = 3, DL_RING_LENGTH_SHIFT = 2, DL_RING_KIND_MASK = 3 };

enum { DL_RING_NOBODY = 0, DL_RING_LEFT = 1 };	/* an end that was never there; that has left */

struct dl_ring_end {
	struct cell64 holder;		/* message/holder.c, or as above; changed by cas */
	struct cell64 position;		/* head or tail */
	uint64_t reserved[6];
};

struct dl_ring {
	uint32_t magic;
	struct cell32 is_doomed;
	uint64_t capacity;		/* a power of two */
	struct cell32 needs_fence;	/* an end cannot fence for both: stays */
	struct cell32 sleeps[2];	/* 1: that end may sleep on this word; sender, receiver */
	uint32_t reserved;
	uint64_t reserved2[4];
	struct dl_ring_end ends[2];	/* sender, receiver: a line each */
	/* capacity bytes follow */
};

static_assert(sizeof(struct dl_ring_place) == 16, "no padding");
static_assert(sizeof(struct dl_ring_end) == 64, "one line");
static_assert(sizeof(struct dl_ring) == 192, "three lines");
static_assert(offsetof(struct dl_ring, ends) == 64, "the first line hardly ever changes");

#endif
