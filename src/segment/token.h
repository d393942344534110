/* SPDX-License-Identifier: MIT */
/*
 * token.h - a process' place in a segment, and the truth about who is alive
 */
#ifndef DUREI_SEGMENT_TOKEN_H
#define DUREI_SEGMENT_TOKEN_H

#include "segment/handle.h"

/* Takes a place: seg->slot, held by the kernel until the process is gone. -EUSERS ... */
int durei_token_take(dure_segment *seg);
/* Registers a reader or a copy-on-write view; -EBUSY when the other kind is there. */
int durei_token_take_shared(dure_segment *seg);
void durei_token_drop(dure_segment *seg);

/* Writes who we are into our slot, for people. */
void durei_token_describe(dure_segment *seg);

/* The generation of the process that has the place, or had it last. 0: no such place */
uint64_t durei_token_generation(const dure_segment *seg, uint16_t slot);

/* Is the process that holds this slot alive? Asks the kernel; true where there is no file. */
bool durei_token_is_alive(dure_segment *seg, uint16_t slot);

#endif
