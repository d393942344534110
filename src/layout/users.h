/* SPDX-License-Identifier: MIT */
/*
 * users.h - which processes have something open, as it lies in a segment
 *
 * Layout   a word for each slot, behind what is open
 * Rules    [USERS1] a word is written by the slot's process only
 *          [USERS2] it counts when its generation is the slot's and that process lives
 */
#ifndef DUREI_LAYOUT_USERS_H
#define DUREI_LAYOUT_USERS_H

/* a word: the slot's generation << 16 | handles of that process */
enum { DL_USER_MASK = 0xffff, DL_USER_SHIFT = 16 };

#endif
