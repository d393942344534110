/* SPDX-License-Identifier: MIT */
/*
 * self.h - facts about this process and this boot, and random bits
 */
#ifndef DUREI_OS_SELF_H
#define DUREI_OS_SELF_H

#include <stddef.h>
#include <stdint.h>

enum { DUREI_BOOT_ID_BYTES = 16 };

/* the running kernel's identity; -errno when /proc does not say */
int durei_boot_id(unsigned char id[DUREI_BOOT_ID_BYTES]);

/* inode of the PID namespace, 0 when unknown: two equal pids mean one process only within it */
uint64_t durei_pid_namespace(void);
/* the same of the IPC namespace: System V keys and ids mean something only within it */
uint64_t durei_ipc_namespace(void);

uint32_t durei_process_id(void);
uint32_t durei_user_id(void);

/* limits of this process: getrlimit(2); UINT64_MAX is none */
enum durei_resource { DUREI_MAX_LOCKED_BYTES, DUREI_MAX_QUEUE_BYTES, DUREI_MAX_DESCRIPTORS,
		      DUREI_MAX_PROCESSES };
uint64_t durei_resource_max(enum durei_resource resource);

/* the command's name, cut to bytes - 1 characters */
void durei_process_name(char *name, size_t bytes);

int durei_random(void *buffer, size_t bytes);

/*
 * Cancellation of the calling thread: held off during calls that could otherwise leave in
 * the middle. Returns what to give to durei_cancel_restore.
 */
int durei_cancel_hold(void);
void durei_cancel_restore(int state);

#endif
