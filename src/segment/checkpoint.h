/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.h - file segments across reboots
 */
#ifndef DUREI_SEGMENT_CHECKPOINT_H
#define DUREI_SEGMENT_CHECKPOINT_H

#include "segment/handle.h"

/*
 * Joining: was the segment last used before this boot, and not closed? Then its pages may be
 * of different ages. Restores the last checkpoint: DURE_RESTORED; -ENOTRECOVERABLE. Others: 0
 */
int durei_boot_check(dure_segment *seg);
/* From now on it is in use, during this boot; the disk knows before anything is changed. */
int durei_boot_begin(dure_segment *seg);
/* Leaving: the last user writes everything to the disk and marks it clean. */
void durei_boot_end(dure_segment *seg);

#endif
