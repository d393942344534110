/* SPDX-License-Identifier: MIT */
/*
 * calls.h - the system calls in which threads sleep for others, by their numbers
 */
#ifndef DUREI_OS_CALLS_H
#define DUREI_OS_CALLS_H

#include <stdint.h>

enum durei_call {
	DUREI_CALL_OTHER,
	DUREI_CALL_FUTEX,		/* [0]: address; not a process-private one */
	DUREI_CALL_FUTEX_VECTOR,	/* [0]: array, [1]: its length */
	DUREI_CALL_SEMOP,		/* [0]: id, [1]: operations, [2]: how many */
	DUREI_CALL_MSGSND,		/* [0]: id */
	DUREI_CALL_MSGRCV,
	DUREI_CALL_MQ_SEND,		/* [0]: descriptor */
	DUREI_CALL_MQ_RECEIVE,
	DUREI_CALL_FILE_LOCK,		/* [0]: descriptor; one that waits */
};

enum { DUREI_FUTEX_PRIVATE = 128 };	/* also the flag of a vector's element */

/* of this program's own architecture */
enum durei_call durei_call_of(uint64_t number, const uint64_t arguments[6]);

/* a device's number from its two parts, as stat has it */
uint64_t durei_device_number(unsigned major, unsigned minor);

#endif
