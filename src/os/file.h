/* SPDX-License-Identifier: MIT */
/*
 * file.h - files, descriptors and the locks on them
 *
 * Shared by all: paths are absolute, descriptors are close-on-exec, EINTR is dealt with here,
 * a result below 0 is -errno. No sentence is made here: who knows the object's name says it.
 */
#ifndef DUREI_OS_FILE_H
#define DUREI_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct durei_file_facts {
	uint64_t device;
	uint64_t inode;
	uint64_t size_bytes;		/* apparent */
	uint64_t allocated_bytes;	/* really there */
	uint32_t mode;			/* permission bits */
	uint32_t owner;
	uint32_t group;
	uint32_t links;
	uint32_t is_regular;
	uint32_t block_bytes;		/* the smallest unit of reserving and punching */
};

struct durei_space {			/* of the file system a path lies on */
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint32_t is_memory;		/* tmpfs, ramfs or hugetlbfs: gone with a reboot */
	uint32_t is_hugetlb;
};

/* flags as for open(2), without O_CLOEXEC, which is always added */
int durei_file_open(const char *path, int flags, uint32_t mode);

/* a new open file description of what fd refers to; needs /proc */
int durei_file_reopen(int fd, int flags);

/* a file without a name in directory: O_TMPFILE; -EOPNOTSUPP where that does not exist */
int durei_file_temporary(const char *directory);

/* gives a nameless file its name in one step; -EEXIST when it is taken */
int durei_file_link(int fd, const char *path);

/* a sealable file in memory; huge: on huge pages */
int durei_file_memory(const char *name, bool huge);
int durei_file_seal_size(int fd);

int durei_file_close(int fd);
int durei_file_unlink(const char *path);
int durei_file_rename(const char *from, const char *to, bool replace);
int durei_file_symlink(const char *target, const char *path);
int durei_file_read_link(const char *path, char *text, size_t text_bytes);

/* exactly these permission bits, whatever the umask */
int durei_file_set_mode(int fd, uint32_t mode);
int durei_file_stat(int fd, struct durei_file_facts *ret);
int durei_file_stat_path(const char *path, struct durei_file_facts *ret);
/* the same of what a symbolic link leads to */
int durei_file_stat_target(const char *path, struct durei_file_facts *ret);
int durei_file_space(const char *path, struct durei_space *ret);

/* backs a range with storage, growing the file; -ENOSPC leaves nothing half usable */
int durei_file_reserve(int fd, uint64_t offset, uint64_t bytes);
/* gives the storage of a range back; it reads as zeros, and needs reserving again */
int durei_file_release(int fd, uint64_t offset, uint64_t bytes);
int durei_file_truncate(int fd, uint64_t bytes);
int durei_file_sync(int fd);
int durei_file_sync_directory(const char *path_of_entry);

/* all bytes, or an error; a short file is -ENODATA */
int durei_file_read_at(int fd, void *buffer, size_t bytes, uint64_t offset);
int durei_file_write_at(int fd, const void *buffer, size_t bytes, uint64_t offset);
/* makes `to` as long as `from`, and from the offset first on the same: holes, too */
int durei_file_copy(int from, int to, uint64_t first);

/* a whole small file of /proc or /sys as text; returns its length */
int durei_file_read_text(const char *path, char *text, size_t text_bytes);

/*
 * Locks that belong to the open file description (OFD): they end when the last descriptor and
 * the last mapping of that description are gone, which is how the kernel tells the world that
 * a process has died. A range is from first to last; INT64_MAX is as far as the file may grow.
 */
struct durei_range {
	uint64_t first, last;
	bool exclusive;
};

/* -EAGAIN: another has some of it. What the description has of it already is converted. */
int durei_range_lock(int fd, struct durei_range range);
/* waits in the kernel's queue, without a limit; the thread cannot be cancelled meanwhile */
int durei_range_wait(int fd, struct durei_range range);
int durei_range_unlock(int fd, uint64_t first, uint64_t last);
/*
 * 1 and the first lock that keeps this one away, 0 when there is none. ret_process: its pid as
 * seen from here, 0 when it is not to be seen, -1 when it belongs to a description.
 */
int durei_range_conflict(int fd, struct durei_range range, struct durei_range *ret,
			 int32_t *ret_process);

/* the same for one byte */
int durei_byte_lock(int fd, uint64_t byte, bool exclusive);	/* -EAGAIN: another has it */
int durei_byte_unlock(int fd, uint64_t byte);
/* 1: some other description locks the byte; 0: nobody does */
int durei_byte_is_locked(int fd, uint64_t byte);
/* 1 and the first byte in [byte, byte + count) that another description locks; 0: none */
int durei_byte_first_locked(int fd, uint64_t byte, uint64_t count, uint64_t *ret_byte);

/* Calls visit for each entry of a directory until it returns non-zero, and returns that. */
int durei_directory_visit(const char *path, int (*visit)(const char *name, void *context),
			  void *context);

#endif
