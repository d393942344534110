/* SPDX-License-Identifier: MIT */
/*
 * proc.c - what the kernel tells about processes, namespaces and files in memory
 *
 * Why      The inspector reads all of a host's /proc. That is done here, where refusals can be
 *          tried, and relative to descriptors, so that a pid that changes hands in between
 *          cannot mix two processes up.
 * Rules    [PROC1] nothing is opened that could block or have an effect: files in directories
 *                  of strangers are opened with O_NONBLOCK | O_NOFOLLOW, after a look at their
 *                  type
 *          [PROC2] a lease is asked for with SIGURG as its signal, which is ignored unless a
 *                  program wants it, and given back at once
 * Death    the kernel closes what was open, gives the lease back and drops the mount.
 */
#include "os/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/file.h"

#ifndef F_SETSIG
#define F_SETSIG 10
#endif
#ifndef F_SETLEASE
#define F_SETLEASE 1024
#endif

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static int open_at(int at, const char *path, int flags)
{
	int fault = durei_fault("openat");
	int fd;

	if (fault)
		return -fault;
	do
		fd = openat(at == DUREI_HERE ? AT_FDCWD : at, path, flags | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return result(fd);
}

int durei_directory_open(int at, const char *path)
{
	return open_at(at, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

int durei_file_open_at(int at, const char *path)
{
	return open_at(at, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
}

int durei_file_open_unnoticed(int at, const char *path)
{
	return open_at(at, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOATIME);
}

static int grow(struct durei_buffer *buffer, size_t size)
{
	char *bytes = realloc(buffer->bytes, size);

	if (!bytes)
		return -ENOMEM;
	buffer->bytes = bytes;
	buffer->size = size;
	return 0;
}

static int read_all(int fd, size_t max, struct durei_buffer *buffer)
{
	size_t used = 0;

	for (;;) {
		if (buffer->size - used < 4096) {
			int r = used >= max ? -EFBIG
					    : grow(buffer, buffer->size ? 2 * buffer->size : 16384);
			if (r < 0)
				return r;
		}
		ssize_t n = read(fd, buffer->bytes + used, buffer->size - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buffer->bytes[used] = '\0';
	return (int)used;
}

int durei_text_read(int at, const char *path, size_t max, struct durei_buffer *buffer)
{
	int fd = durei_file_open_at(at, path);

	if (fd < 0)
		return fd;
	int r = read_all(fd, max, buffer);
	durei_file_close(fd);
	return r;
}

int durei_link_read(int at, const char *path, char *text, size_t text_bytes)
{
	int fault = durei_fault("readlinkat");

	if (fault)
		return -fault;
	ssize_t n = readlinkat(at == DUREI_HERE ? AT_FDCWD : at, path, text, text_bytes - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)n;
}

int durei_names_visit(int at, const char *path, int (*visit)(const char *name, void *context),
		      void *context)
{
	int fd = open_at(at, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK), r = 0;
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (fd < 0)
		return fd;
	if (!directory) {
		r = -errno;		/* what it is of may be gone: a process that ended */
		durei_file_close(fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		entry = readdir(directory);
		if (!entry) {		/* the end, or a list that was cut short */
			r = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit(entry->d_name, context);
	}
	closedir(directory);
	return r;
}

static uint64_t ns_of(int64_t seconds, int64_t ns)
{
	return seconds <= 0 ? 0 : (uint64_t)seconds * 1000000000u + (uint64_t)ns;
}

/* The kernel's struct statx, which not every libc has; the parts that are read. */
struct statx_head {
	uint32_t mask, block_bytes;
	uint64_t attributes;
	uint32_t links, owner, group;
	uint16_t mode, pad;
	uint64_t inode, size, blocks, attributes_mask;
	struct {
		int64_t seconds;
		uint32_t ns;
		int32_t pad;
	} read, born, changed, written;
	uint32_t special_major, special_minor, major, minor;
	uint64_t rest[14];
};
_Static_assert(sizeof(struct statx_head) == 256, "struct statx has 256 bytes");

/* from linux/stat.h and linux/fcntl.h */
enum { STATX_BASIC_ = 0x7ff, STATX_DONT_SYNC_ = 0x4000, NO_AUTOMOUNT_ = 0x800 };

int durei_node_stat(int at, const char *path, bool follow, struct durei_node *ret)
{
	int fault = durei_fault("statx");
	struct statx_head st;

	if (fault)
		return -fault;
	/* what is known here is enough: a server that is gone must not hold us up */
	if (syscall(SYS_statx, at == DUREI_HERE ? AT_FDCWD : at, path,
		    (follow ? 0 : AT_SYMLINK_NOFOLLOW) | NO_AUTOMOUNT_ | STATX_DONT_SYNC_, STATX_BASIC_,
		    &st) < 0)
		return -errno;
	*ret = (struct durei_node){
		.device = (uint64_t)makedev(st.major, st.minor),
		.inode = st.inode,
		.size_bytes = st.size,
		.allocated_bytes = st.blocks * 512,
		.changed_ns = ns_of(st.changed.seconds, st.changed.ns),
		.written_ns = ns_of(st.written.seconds, st.written.ns),
		.read_ns = ns_of(st.read.seconds, st.read.ns),
		.mode = st.mode,
		.owner = st.owner,
		.group = st.group,
		.links = st.links,
		.is_regular = S_ISREG(st.mode),
		.is_directory = S_ISDIR(st.mode),
	};
	return 0;
}

int durei_filesystem_of(const char *path, uint64_t *ret_magic)
{
	int fault = durei_fault("statfs");
	struct statfs st;

	if (fault)
		return -fault;
	if (statfs(path, &st) < 0)
		return -errno;
	*ret_magic = (uint32_t)st.f_type;
	return 0;
}

int durei_space_count(const char *path, struct durei_space_counts *ret)
{
	int fault = durei_fault("statfs");
	struct statfs st;

	if (fault)
		return -fault;
	if (statfs(path, &st) < 0)
		return -errno;
	uint64_t unit = (uint64_t)st.f_bsize;
	*ret = (struct durei_space_counts){ (uint64_t)st.f_blocks * unit, (uint64_t)st.f_bavail * unit,
					    (uint64_t)st.f_files, (uint64_t)st.f_ffree };
	return 0;
}

int durei_memory_read(int process, uint64_t address, void *buffer, size_t bytes)
{
	int fd = open_at(process, "mem", O_RDONLY);

	if (fd < 0)
		return fd;
	ssize_t n = pread(fd, buffer, bytes, (off_t)address);
	int r = n < 0 ? -errno : (size_t)n == bytes ? 0 : -EFAULT;
	durei_file_close(fd);
	return r;
}

uint64_t durei_memory_device(void)
{
	struct stat st;
	int fd = durei_file_memory("dure", false);
	bool is_known = fd >= 0 && fstat(fd, &st) == 0;

	durei_file_close(fd);
	return is_known ? (uint64_t)st.st_dev : 0;
}

uint64_t durei_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ns_of(now.tv_sec, now.tv_nsec);
}

uint64_t durei_ticks_per_second(void)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return ticks > 0 ? (uint64_t)ticks : 100;
}

/* -- namespaces -------------------------------------------------------------------------- */

int durei_ipc_namespace_open(int at, const char *path)
{
	return open_at(at, path, O_RDONLY);
}

int durei_ipc_namespace_enter(int fd)
{
	int fault = durei_fault("setns");

	return fault ? -fault : result(setns(fd, CLONE_NEWIPC));
}

int durei_mqueue_mount(void)
{
	int fault = durei_fault("fsopen");

	if (fault)
		return -fault;
#if defined(SYS_fsopen) && defined(SYS_fsconfig) && defined(SYS_fsmount)
	int fs = (int)syscall(SYS_fsopen, "mqueue", 1u /* FSOPEN_CLOEXEC */);
	if (fs < 0)
		return -errno;
	int r = result((int)syscall(SYS_fsconfig, fs, 6u /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
	if (r == 0)
		r = result((int)syscall(SYS_fsmount, fs, 1u /* FSMOUNT_CLOEXEC */,
					0xfu /* read-only, no set-uid, no devices, no programs */));
	durei_file_close(fs);
	return r;
#else
	return -ENOSYS;
#endif
}

/* -- is a file alone --------------------------------------------------------------------- */

static int ask_for_lease(int fd)
{
	int fault = durei_fault("setlease");

	if (fault)
		return -fault;
	(void)fcntl(fd, F_SETSIG, SIGURG);		/* [PROC2] */
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return errno == EAGAIN ? 0 : -errno;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return 1;
}

int durei_file_is_alone(int at, const char *path, uint64_t device, uint64_t inode)
{
	int fd = durei_file_open_at(at, path);
	struct stat st;
	int r;

	if (fd < 0)		/* another's lease is being broken: somebody is at it */
		return fd == -EAGAIN ? 0 : fd;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if ((uint64_t)st.st_dev != device || (uint64_t)st.st_ino != inode)
		r = -ENOENT;
	else
		r = ask_for_lease(fd);
	durei_file_close(fd);
	return r;
}

int durei_mqueue_read(int fd, struct durei_mqueue *ret)
{
	struct mq_attr attr;

	if (mq_getattr((mqd_t)fd, &attr) < 0)
		return -errno;
	*ret = (struct durei_mqueue){ (uint64_t)attr.mq_curmsgs, (uint64_t)attr.mq_maxmsg,
				      (uint64_t)attr.mq_msgsize };
	return 0;
}
