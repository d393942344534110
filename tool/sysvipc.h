/* SPDX-License-Identifier: MIT */
/*
 * sysvipc.h - /proc/sysvipc, line by line: what ipcs, ipcrm and lsipc work on
 */
#ifndef TOOL_SYSVIPC_H
#define TOOL_SYSVIPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sysvipc_kind { SYSVIPC_MSG, SYSVIPC_SHM, SYSVIPC_SEM };	/* in the order ipcs shows them */

struct sysvipc {
	uint32_t key;
	int id;
	uint32_t perms;			/* with the flags above the permission bits */
	uint32_t user, group, creator_user, creator_group;
	uint64_t bytes;			/* shm: size; msg: waiting */
	uint64_t count;			/* shm: attached; msg: messages; sem: semaphores */
	uint32_t process[2];		/* shm: creator, last; msg: last sender, receiver */
	int64_t times[3];		/* shm: attached, detached; msg: sent, received; sem:
					   operated, -; and all: changed. 0: never */
	uint64_t resident, swapped;	/* shm: bytes */
};

enum { SYSVIPC_DOOMED = 01000, SYSVIPC_LOCKED = 02000 };	/* perms of shm */

/* *ret is the caller's to free; -1: the kernel has none, errno is set */
long sysvipc_read(enum sysvipc_kind kind, struct sysvipc **ret);

/* a number out of /proc/sys/kernel/NAME; 0: it is not there */
uint64_t sysvipc_limit(const char *name, unsigned field);

/* 1.4M, 64K, 5B: as util-linux writes it; into the caller's text, which is returned */
enum { SYSVIPC_SIZE_BYTES = 48 };
char *sysvipc_size(uint64_t bytes, char text[SYSVIPC_SIZE_BYTES]);

#endif
