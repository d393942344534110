/* SPDX-License-Identifier: MIT */
/*
 * users.h - which processes have a queue, board or service open
 */
#ifndef DUREI_MESSAGE_USERS_H
#define DUREI_MESSAGE_USERS_H

#include "segment/handle.h"

/* bytes of the words, one for each slot */
uint64_t durei_users_bytes(const dure_segment *seg);
/* Counts this process once more, or once less. False: too often. */
bool durei_users_change(const dure_segment *seg, struct cell64 *users, int change);
/* Living processes. [USERS2] */
uint32_t durei_users_count(dure_segment *seg, const struct cell64 *users);

#endif
