/* SPDX-License-Identifier: MIT */
/*
 * memory.h - mappings with everything that mmap can say, and copies that survive a cut file
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here. Protections and advice are
 * those of sys/mman.h and fcntl.h, as they are.
 */
#ifndef DUREI_OS_MEMORY_H
#define DUREI_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* newer than some libc headers; the kernel's numbers */
enum {
	DUREI_MADV_FREE = 8,
	DUREI_MADV_WIPEONFORK = 18,
	DUREI_MADV_KEEPONFORK = 19,
	DUREI_MADV_COLD = 20,
	DUREI_MADV_PAGEOUT = 21,
	DUREI_MADV_POPULATE_READ = 22,
	DUREI_MADV_POPULATE_WRITE = 23,
	DUREI_MADV_COLLAPSE = 25,
};

struct durei_memory_request {
	int fd;				/* -1: anonymous */
	uint64_t offset;		/* of pages */
	size_t bytes;
	void *address;			/* NULL: where the kernel likes */
	int protection;
	bool is_private, is_fixed, replaces, no_reserve, is_huge;
	uint64_t huge_page_bytes;	/* 0: the default */
};

/* is_fixed: at address, or -EEXIST */
int durei_memory_map(const struct durei_memory_request *request, void **ret_address);
int durei_memory_resize(void *address, size_t old_bytes, size_t new_bytes, bool may_move,
			void **ret_address);
int durei_memory_protect(void *address, size_t bytes, int protection);
int durei_memory_sync(void *address, size_t bytes, bool later, bool invalidate);
int durei_memory_advise(void *address, size_t bytes, int advice);
int durei_file_advise(int fd, uint64_t offset, uint64_t bytes, int advice);
int durei_memory_resident(void *address, size_t bytes, uint64_t *ret_bytes);

/*
 * Copies as much as both sides have; a side that faults ends it. Returns the bytes copied, or
 * -EFAULT when not even the first page could be.
 */
int durei_memory_copy(void *to, const void *from, size_t bytes);

/* another descriptor of the same open file, close-on-exec */
int durei_file_duplicate(int fd);

#endif
