/* SPDX-License-Identifier: MIT */
/*
 * holder.h - a word that says which thread has something, and for how long that is so
 */
#ifndef DUREI_MESSAGE_HOLDER_H
#define DUREI_MESSAGE_HOLDER_H

#include "segment/lane.h"

/* This thread's word: generation of the slot (32 bits) | lock word of the lane; never 0. */
uint64_t durei_holder_me(const struct durei_lane *lane);

/* The holder's lane_status as it is now; 0: the lane is somebody else's, or nobody's. */
uint64_t durei_holder_status(dure_segment *seg, uint64_t holder);

/* Is the thread gone? By what memory alone tells, without a system call; and for certain. */
bool durei_holder_looks_gone(dure_segment *seg, uint64_t holder);
bool durei_holder_is_gone(dure_segment *seg, uint64_t holder);

#endif
