/* SPDX-License-Identifier: MIT */
/*
 * service.h - what the files of a service have in common
 */
#ifndef DUREI_MESSAGE_SERVICE_H
#define DUREI_MESSAGE_SERVICE_H

#include <dure/service.h>

#include "message/queue.h"

/* A service is a queue of calls; the handle is that of the queue. */
static inline dure_queue *durei_service_queue(dure_service *service)
{
	return (dure_queue *)service;
}

enum { DUREI_CALL_WAITS = DURE_QUEUE_SPIN | DURE_QUEUE_SLEEP };

/* Is it a struct dure_call of this version? */
int durei_call_check(const dure_queue *queue, const struct dure_call *call);
/* With DURE_CALL_BLOCK: is it a reserved block of this process, that has so many bytes? */
int durei_call_check_block(const dure_queue *queue, struct durei_lane *lane, const void *data,
			   size_t bytes);

#endif
