/* SPDX-License-Identifier: MIT */
/*
 * robust.h - asking the kernel to mark a word when this thread dies
 */
#ifndef DUREI_OS_ROBUST_H
#define DUREI_OS_ROBUST_H

#include <stdint.h>

enum {
	/* what the kernel leaves in the word of a thread that ended with the word in its list */
	DUREI_LIFE_DIED = 0x40000000,	/* FUTEX_OWNER_DIED */
	DUREI_LIFE_WAITED = 0x80000000u,/* FUTEX_WAITERS: wake somebody when that happens */
	DUREI_LIFE_TID = 0x3fffffff,
	/* a value no thread id has: alive, and nobody will mark the word */
	DUREI_LIFE_UNWATCHED = 0x3fffffff,

	/* a life word needs this much room: the word, and links at a place the libc decides */
	DUREI_LIFE_BYTES = 64,
};

/*
 * The kernel shall set DUREI_LIFE_DIED in *life when the calling thread ends, however it ends
 * (SIGKILL, exit, exec). *life must be the thread's id, and life the start of DUREI_LIFE_BYTES
 * that are used for nothing else, until durei_robust_unlink. Returns 0, or -EOPNOTSUPP when
 * this thread's libc leaves no room for it.
 */
int durei_robust_link(uint32_t *life);

/* By the same thread, before the memory goes away. */
void durei_robust_unlink(uint32_t *life);

/* The thread id, as the kernel compares it: seen from the thread's own PID namespace. */
uint32_t durei_thread_id(void);

#endif
