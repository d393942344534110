/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the system calls in which threads sleep for others, by their numbers
 *
 * Limits   A 32-bit process under a 64-bit inspector has other numbers: its waits are not
 *          seen. What its numbers mean here is never taken for a wait without an object that
 *          fits.
 * Death    nothing is done.
 */
#include "os/calls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#ifndef F_OFD_SETLKW
#define F_OFD_SETLKW 38
#endif

/* from linux/futex.h, which musl's include path has not */
enum {
	WAIT = 0,
	LOCK_PI = 6,
	WAIT_BITSET = 9,
	WAIT_REQUEUE_PI = 11,
	LOCK_PI2 = 13,
	CLOCK_REALTIME_FLAG = 256,
};

static enum durei_call futex_call(uint64_t operation)
{
	switch (operation & ~(uint64_t)CLOCK_REALTIME_FLAG) {	/* private ones keep their flag */
	case WAIT:
	case LOCK_PI:
	case WAIT_BITSET:
	case WAIT_REQUEUE_PI:
	case LOCK_PI2:
		return DUREI_CALL_FUTEX;
	default:
		return DUREI_CALL_OTHER;
	}
}

static enum durei_call fcntl_call(uint64_t command)
{
	return command == F_SETLKW || command == F_OFD_SETLKW ? DUREI_CALL_FILE_LOCK
							      : DUREI_CALL_OTHER;
}

enum durei_call durei_call_of(uint64_t number, const uint64_t arguments[6])
{
	switch (number) {
	case SYS_futex:
		return futex_call(arguments[1]);
	case 449:			/* futex_waitv, on all architectures */
		return DUREI_CALL_FUTEX_VECTOR;
	case SYS_fcntl:
		return fcntl_call(arguments[1]);
	case SYS_flock:
		return DUREI_CALL_FILE_LOCK;
#ifdef SYS_semop
	case SYS_semop:
#endif
#ifdef SYS_semtimedop
	case SYS_semtimedop:
#endif
#ifdef SYS_semtimedop_time64
	case SYS_semtimedop_time64:
#endif
		return DUREI_CALL_SEMOP;
	case SYS_msgsnd:
		return DUREI_CALL_MSGSND;
	case SYS_msgrcv:
		return DUREI_CALL_MSGRCV;
	case SYS_mq_timedsend:
		return DUREI_CALL_MQ_SEND;
	case SYS_mq_timedreceive:
		return DUREI_CALL_MQ_RECEIVE;
	default:
		return DUREI_CALL_OTHER;
	}
}

uint64_t durei_device_number(unsigned major, unsigned minor)
{
	return (uint64_t)makedev(major, minor);
}
