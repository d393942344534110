/* SPDX-License-Identifier: MIT */
/*
 * service.h - requests and replies as they lie in a segment
 *
 * Layout   an object of type "dure_service" with one struct dl_queue_place, which leads to a
 *          struct dl_queue with DL_QUEUE_IS_SERVICE. The bytes of its messages begin with a
 *          struct dl_call; the request's follow, or lie in a block of their own.
 *
 *		WAITING --take--> TAKEN --reply, refuse--> ANSWERED --the client is done--> gone
 *		   ^--server died--'  '--server died, no attempt is left--^
 *
 * Rules    [CALL1] a message in ANSWERED is in the line `answered`, in the order of answering, and
 *                  its holder is 0
 *          [CALL2] client says which thread waits for the answer; 0: none does any more
 *          [CALL3] request and reply are blocks that are freed with the message
 *          [CALL4] status is 0, or why there is no reply; it and reply mean something in ANSWERED
 *          [CALL5] watched is a hint, written by the client before it sleeps: the lanes whose end
 *                  wakes it; all ones: it need not be told who takes the request
 */
#ifndef DUREI_LAYOUT_SERVICE_H
#define DUREI_LAYOUT_SERVICE_H

#include "layout/queue.h"

/* Is the lane one of those in the word? Lane 0 is nobody's. */
static inline bool dl_lanes_have(uint64_t word, uint16_t lane)
{
	for (; word; word >>= 16)
		if ((uint16_t)word == lane)
			return true;
	return false;
}

struct dl_call {
	struct cell64 client;		/* message/holder.c */
	uint64_t request;		/* block; 0: the bytes follow */
	uint64_t request_bytes;
	struct cell64 reply;		/* block; 0: no bytes */
	struct cell64 reply_bytes;
	struct cell32 status;		/* an errno */
	struct cell32 news;		/* the client sleeps here; layout/news.h */
	uint32_t attempts_max;		/* so many servers may die of it; 0: any number */
	uint32_t reserved;
	struct cell64 watched;		/* lanes, 16 bits each [CALL5] */
};

static_assert(sizeof(struct dl_call) == 64, "one line");

#endif
