/* SPDX-License-Identifier: MIT */
/*
 * map.h - memory: mappings, advice, and System V's attachments
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here.
 */
#ifndef DUREI_OS_MAP_H
#define DUREI_OS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum durei_map_kind {
	DUREI_MAP_SHARED,		/* the file's own bytes */
	DUREI_MAP_SHARED_READ,		/* the same, not writable */
	DUREI_MAP_PRIVATE,		/* copy on write */
	DUREI_MAP_ANONYMOUS,		/* private zeros, fd ignored */
};

/* bytes may reach beyond the end of the file: only what is reserved may be touched */
int durei_map_create(int fd, uint64_t offset, size_t bytes, enum durei_map_kind kind,
		     void **ret_address);
int durei_map_remove(void *address, size_t bytes);
/* puts private zeros where something else was mapped */
int durei_map_replace(void *address, size_t bytes);

/* the child of a fork shall not have it, or shall see zeros in it */
int durei_map_leave_out_of_fork(void *address, size_t bytes);
int durei_map_wipe_on_fork(void *address, size_t bytes);
int durei_map_leave_out_of_dump(void *address, size_t bytes);

/* make the pages present and writable now; -ENOMEM or -EFAULT where they cannot be had */
int durei_map_populate(void *address, size_t bytes, bool write);
/* give the pages of a shared mapping back to the system (a hole in what backs it) */
int durei_map_release_shared(void *address, size_t bytes);
int durei_map_release_private(void *address, size_t bytes);

int durei_map_advise(void *address, size_t bytes, int advice);
int durei_map_protect(void *address, size_t bytes, bool read, bool write);
int durei_map_lock(void *address, size_t bytes, bool lock);
int durei_map_sync(void *address, size_t bytes);
/* how many of the pages are in memory */
int durei_map_resident(void *address, size_t bytes, uint64_t *ret_bytes);

size_t durei_page_bytes(void);
/* the default huge page's size, 0 where there is none */
uint64_t durei_huge_page_bytes(void);

struct durei_sysv_facts {
	uint64_t size_bytes;
	uint64_t attached;		/* processes that have it mapped */
	uint64_t changed_s;		/* made, or its mode set: wall clock, seconds */
	uint32_t creator;		/* pid as the kernel shows it to us */
	uint32_t mode;
	uint32_t owner;
	int32_t key;			/* 0: none, or no longer */
	uint32_t is_doomed;		/* marked for removal with the last detach */
};

/* key 0 is IPC_PRIVATE; create: exclusively; returns the id */
int durei_sysv_get(int32_t key, uint64_t bytes, uint32_t mode, bool create, bool huge);
int durei_sysv_attach(int id, bool read_only, void **ret_address);
int durei_sysv_detach(void *address);
int durei_sysv_stat(int id, struct durei_sysv_facts *ret);
int durei_sysv_set_mode(int id, uint32_t mode);
int durei_sysv_remove(int id);
/* calls visit(id) for each System V segment of the IPC namespace */
int durei_sysv_visit(int (*visit)(int id, void *context), void *context);

#endif
