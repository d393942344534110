/* SPDX-License-Identifier: MIT */
/*
 * file.c - files, descriptors and the locks on them
 *
 * Why      One room makes system calls, so one room is where they can be made to fail.
 * Rules    [FILE1] a call that returns -errno has left no descriptor open
 *          [FILE2] nothing here touches a segment's memory
 * Death    The kernel closes what a dead process had open. What could stay behind is a
 *          name: a nameless file (durei_file_temporary) has none until durei_file_link.
 */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/self.h"

/* from linux/magic.h and linux/falloc.h, which musl's include path has not */
enum {
	TMPFS_MAGIC_ = 0x01021994,
	RAMFS_MAGIC_ = (int)0x858458f6,
	HUGETLBFS_MAGIC_ = (int)0x958458f6,
	FALLOC_KEEP_SIZE_ = 1,
	FALLOC_PUNCH_HOLE_ = 2,
};

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_SEAL_SEAL 1
#define F_SEAL_SHRINK 2
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4u
#endif

/* The system call's result as ours: -1 becomes -errno. */
static int result(int r)
{
	return r < 0 ? -errno : r;
}

int durei_file_open(const char *path, int flags, uint32_t mode)
{
	int fault = durei_fault("open");
	int fd;

	if (fault)
		return -fault;
	do
		fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
	while (fd < 0 && errno == EINTR);
	return result(fd);
}

static void descriptor_path(char *path, size_t path_bytes, int fd)
{
	snprintf(path, path_bytes, "/proc/self/fd/%d", fd);
}

int durei_file_reopen(int fd, int flags)
{
	char path[40];

	descriptor_path(path, sizeof path, fd);
	return durei_file_open(path, flags, 0);
}

int durei_file_temporary(const char *directory)
{
	int r = durei_file_open(directory, O_TMPFILE | O_RDWR, 0600);

	/* a kernel or file system without O_TMPFILE sees a plain open of a directory */
	return r == -EISDIR || r == -ENOENT || r == -EINVAL ? -EOPNOTSUPP : r;
}

int durei_file_link(int fd, const char *path)
{
	char from[40];
	int fault = durei_fault("linkat");

	if (fault)
		return -fault;
	descriptor_path(from, sizeof from, fd);
	return result(linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
}

int durei_file_memory(const char *name, bool huge)
{
	int fault = durei_fault("memfd_create");

	if (fault)
		return -fault;
	return result(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING |
						 (huge ? MFD_HUGETLB : 0)));
}

int durei_file_seal_size(int fd)
{
	int fault = durei_fault("seal");

	return fault ? -fault : result(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL));
}

int durei_file_close(int fd)
{
	/* Linux frees the descriptor also when close reports EINTR: never repeat it */
	return fd >= 0 ? result(close(fd)) : 0;
}

int durei_file_unlink(const char *path)
{
	int fault = durei_fault("unlink");

	return fault ? -fault : result(unlink(path));
}

int durei_file_rename(const char *from, const char *to, bool replace)
{
	int fault = durei_fault("rename");

	if (fault)
		return -fault;
	if (replace)
		return result(rename(from, to));
	/* link and unlink instead of RENAME_NOREPLACE, which some file systems lack */
	if (link(from, to) < 0)
		return -errno;
	(void)unlink(from);	/* it has its name: who sweeps takes the other one away */
	return 0;
}

int durei_file_symlink(const char *target, const char *path)
{
	int fault = durei_fault("symlink");

	return fault ? -fault : result(symlink(target, path));
}

int durei_file_read_link(const char *path, char *text, size_t text_bytes)
{
	ssize_t n = readlink(path, text, text_bytes - 1);

	if (n < 0)
		return -errno;
	if ((size_t)n >= text_bytes - 1)
		return -ENAMETOOLONG;
	text[n] = '\0';
	return (int)n;
}

int durei_file_set_mode(int fd, uint32_t mode)
{
	int fault = durei_fault("fchmod");

	return fault ? -fault : result(fchmod(fd, (mode_t)mode));
}

static void facts_from_stat(const struct stat *st, struct durei_file_facts *ret)
{
	*ret = (struct durei_file_facts){
		.device = (uint64_t)st->st_dev,
		.inode = (uint64_t)st->st_ino,
		.size_bytes = (uint64_t)st->st_size,
		.allocated_bytes = (uint64_t)st->st_blocks * 512,
		.mode = (uint32_t)st->st_mode & 07777,
		.owner = (uint32_t)st->st_uid,
		.group = (uint32_t)st->st_gid,
		.links = (uint32_t)st->st_nlink,
		.is_regular = S_ISREG(st->st_mode),
		.block_bytes = (uint32_t)st->st_blksize,
	};
}

int durei_file_stat(int fd, struct durei_file_facts *ret)
{
	struct stat st;
	int fault = durei_fault("fstat");

	if (fault)
		return -fault;
	if (fstat(fd, &st) < 0)
		return -errno;
	facts_from_stat(&st, ret);
	return 0;
}

int durei_file_stat_path(const char *path, struct durei_file_facts *ret)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	facts_from_stat(&st, ret);
	return 0;
}

int durei_file_stat_target(const char *path, struct durei_file_facts *ret)
{
	struct stat st;
	int fault = durei_fault("stat");

	if (fault)
		return -fault;
	if (stat(path, &st) < 0)
		return -errno;
	facts_from_stat(&st, ret);
	return 0;
}

int durei_file_space(const char *path, struct durei_space *ret)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return -errno;
	int type = (int)fs.f_type;
	*ret = (struct durei_space){
		.total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
		.free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize,
		.is_memory = type == TMPFS_MAGIC_ || type == RAMFS_MAGIC_ ||
			     type == HUGETLBFS_MAGIC_,
		.is_hugetlb = type == HUGETLBFS_MAGIC_,
	};
	return 0;
}

int durei_file_reserve(int fd, uint64_t offset, uint64_t bytes)
{
	int fault = durei_fault("fallocate");
	int r;

	if (fault)
		return -fault;
	do
		r = fallocate(fd, 0, (off_t)offset, (off_t)bytes);
	while (r < 0 && errno == EINTR);
	return result(r);
}

int durei_file_release(int fd, uint64_t offset, uint64_t bytes)
{
	int fault = durei_fault("punch");

	if (fault)
		return -fault;
	return result(fallocate(fd, FALLOC_PUNCH_HOLE_ | FALLOC_KEEP_SIZE_, (off_t)offset,
				(off_t)bytes));
}

int durei_file_truncate(int fd, uint64_t bytes)
{
	int fault = durei_fault("ftruncate");

	return fault ? -fault : result(ftruncate(fd, (off_t)bytes));
}

int durei_file_sync(int fd)
{
	int fault = durei_fault("fsync");

	return fault ? -fault : result(fsync(fd));
}

int durei_file_sync_directory(const char *path_of_entry)
{
	char directory[512];
	const char *slash = strrchr(path_of_entry, '/');
	size_t n = slash ? (size_t)(slash - path_of_entry) : 0;

	if (n >= sizeof directory)
		return -ENAMETOOLONG;
	memcpy(directory, path_of_entry, n);
	directory[n] = '\0';
	int fd = durei_file_open(n ? directory : slash ? "/" : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	int r = durei_file_sync(fd);
	durei_file_close(fd);
	return r;
}

int durei_file_read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	char *to = buffer;
	int fault = durei_fault("pread");

	if (fault)
		return -fault;
	while (bytes) {
		ssize_t n = pread(fd, to, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		to += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

int durei_file_write_at(int fd, const void *buffer, size_t bytes, uint64_t offset)
{
	const char *from = buffer;
	int fault = durei_fault("pwrite");

	if (fault)
		return -fault;
	while (bytes) {
		ssize_t n = pwrite(fd, from, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* The kernel's own copy where it can, a buffer's where it cannot (other file systems). */
static int copy_range(int from, int to, uint64_t offset, uint64_t bytes)
{
	char buffer[16384];

	while (bytes) {
		off_t in = (off_t)offset, out = (off_t)offset;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)bytes, 0);
		if (n <= 0) {
			size_t part = bytes < sizeof buffer ? (size_t)bytes : sizeof buffer;
			int r = durei_file_read_at(from, buffer, part, offset);
			if (r == 0)
				r = durei_file_write_at(to, buffer, part, offset);
			if (r < 0)
				return r;
			n = (ssize_t)part;
		}
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

int durei_file_copy(int from, int to, uint64_t first)
{
	struct durei_file_facts facts = { 0 };
	int r = durei_file_stat(from, &facts);

	if (r == 0)
		r = durei_file_truncate(to, facts.size_bytes);
	for (uint64_t at = first; r == 0 && at < facts.size_bytes;) {
		off_t data = lseek(from, (off_t)at, SEEK_DATA);
		uint64_t start = data < 0 ? facts.size_bytes : (uint64_t)data;
		if (data < 0 && errno != ENXIO)
			return -errno;
		if (start > at)
			r = durei_file_release(to, at, start - at);
		if (r == -EOPNOTSUPP)		/* a file system without holes */
			r = copy_range(from, to, at, start - at);
		if (r < 0 || start >= facts.size_bytes)
			break;
		off_t end = lseek(from, data, SEEK_HOLE);
		if (end < 0)
			return -errno;
		at = (uint64_t)end;
		r = copy_range(from, to, start, at - start);
	}
	return r;
}

int durei_file_read_text(const char *path, char *text, size_t text_bytes)
{
	int fd = durei_file_open(path, O_RDONLY, 0);
	size_t used = 0;
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	while (used < text_bytes - 1) {
		n = read(fd, text + used, text_bytes - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	int r = n < 0 ? -errno : (int)used;
	text[used] = '\0';
	durei_file_close(fd);
	return r;
}

static struct flock range_lock(short type, uint64_t first, uint64_t last)
{
	/* length 0 is all there may ever be: the sum of start and length would not fit */
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)first,
			       .l_len = last >= INT64_MAX ? 0 : (off_t)(last - first + 1) };
}

static short type_of(struct durei_range range)
{
	return range.exclusive ? F_WRLCK : F_RDLCK;
}

int durei_range_lock(int fd, struct durei_range range)
{
	struct flock lock = range_lock(type_of(range), range.first, range.last);
	int fault = durei_fault("ofd_setlk");

	if (fault)
		return -fault;
	int r = result(fcntl(fd, F_OFD_SETLK, &lock));
	return r == -EACCES ? -EAGAIN : r;	/* POSIX allows either code for "taken" */
}

int durei_range_wait(int fd, struct durei_range range)
{
	struct flock lock = range_lock(type_of(range), range.first, range.last);
	int fault = durei_fault("ofd_setlkw");
	int r;

	if (fault)
		return -fault;
	int state = durei_cancel_hold();
	do
		r = result(fcntl(fd, F_OFD_SETLKW, &lock));
	while (r == -EINTR);
	durei_cancel_restore(state);
	return r;
}

int durei_range_unlock(int fd, uint64_t first, uint64_t last)
{
	struct flock lock = range_lock(F_UNLCK, first, last);
	int fault = durei_fault("ofd_unlck");

	return fault ? -fault : result(fcntl(fd, F_OFD_SETLK, &lock));
}

int durei_range_conflict(int fd, struct durei_range range, struct durei_range *ret,
			 int32_t *ret_process)
{
	struct flock lock = range_lock(type_of(range), range.first, range.last);
	int fault = durei_fault("ofd_getlk");

	if (fault)
		return -fault;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	if (lock.l_type == F_UNLCK)
		return 0;
	uint64_t first = (uint64_t)lock.l_start;
	uint64_t last = lock.l_len ? first + (uint64_t)lock.l_len - 1 : INT64_MAX;
	*ret = (struct durei_range){ first, last, lock.l_type == F_WRLCK };
	*ret_process = (int32_t)lock.l_pid;
	return 1;
}

int durei_byte_lock(int fd, uint64_t byte, bool exclusive)
{
	return durei_range_lock(fd, (struct durei_range){ byte, byte, exclusive });
}

int durei_byte_unlock(int fd, uint64_t byte)
{
	struct flock lock = range_lock(F_UNLCK, byte, byte);

	/* not to be refused: only to split a range does the kernel need memory */
	return result(fcntl(fd, F_OFD_SETLK, &lock));
}

int durei_byte_first_locked(int fd, uint64_t byte, uint64_t count, uint64_t *ret_byte)
{
	struct durei_range wanted = { byte, byte + count - 1, true }, found = wanted;
	int32_t process;
	int r = durei_range_conflict(fd, wanted, &found, &process);

	if (r == 1)
		*ret_byte = found.first > byte ? found.first : byte;
	return r;
}

int durei_byte_is_locked(int fd, uint64_t byte)
{
	uint64_t found;

	return durei_byte_first_locked(fd, byte, 1, &found);
}

int durei_directory_visit(const char *path, int (*visit)(const char *name, void *context),
			  void *context)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!directory)
		return -errno;
	while (r == 0 && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit(entry->d_name, context);
	closedir(directory);
	return r;
}
