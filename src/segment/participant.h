/* SPDX-License-Identifier: MIT */
/*
 * participant.h - who is attached, for people
 */
#ifndef DUREI_SEGMENT_PARTICIPANT_H
#define DUREI_SEGMENT_PARTICIPANT_H

#include "segment/handle.h"

/* facts about a slot's process; ret->sz is set */
void durei_participant_of_slot(dure_segment *seg, uint16_t slot, struct dure_participant *ret);

/* facts about the process of a lane: 1, or 0 when the lane is free; -EINVAL (ret->sz) */
int durei_participant_of_lane(dure_segment *seg, uint16_t id, struct dure_participant *ret);

/* slots in use are below this, and may be read */
unsigned durei_slot_end(const dure_segment *seg);

#endif
