/* SPDX-License-Identifier: MIT */
/*
 * file.c - opening files in order to lock them, and making them
 *
 * Why      A lock that belongs to an open file description (OFD) needs a description of its own;
 *          a file that is made only to be locked needs its exact mode before others find it.
 * Death    Making a file, after step     is left behind                who mends it
 *          1 a nameless file             nothing                       the kernel
 *          2 link                        the file                      -
 *          where there is no O_TMPFILE:
 *          1 a file .dure-new-...        that file, unlocked           leftovers.c, for the
 *                                                                      next maker
 *          2 link                        both names, one file          the same
 */
#include "lock/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "layout/super.h"
#include "os/map.h"
#include "segment/leftovers.h"

enum {
	FILE_MAGIC = 0x6b636f6c,
	PATH_BYTES = 4096,		/* more the kernel does not take */
	OPEN_ATTEMPTS = 64,		/* makers and removers may alternate; not for ever */
};

/* -- opening ----------------------------------------------------------------------------- */

static int open_error(const char *name, int code)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return durei_error(ENOENT, "%s does not exist, or its directory does not", name);
	case EEXIST:
		return durei_error(EEXIST, "%s exists already: open it with DURE_OPEN", name);
	case EACCES:
	case EPERM:
		return durei_error(EACCES, "no permission to open or make %s: ask its owner for a "
				   "wider mode; DURE_READ_ONLY is enough for shared locks", name);
	case EROFS:
		return durei_error(EROFS, "%s is on a read-only file system: DURE_READ_ONLY is "
				   "enough for shared locks", name);
	case ETXTBSY:
		return durei_error(EBUSY, "%s is a program that runs: DURE_READ_ONLY is enough for "
				   "shared locks", name);
	case EISDIR:
	case ENXIO:
	case ELOOP:
	case ENAMETOOLONG:
	case EBADF:
		return durei_error(EINVAL, "%s is no regular file: %s", name, strerror(code));
	case ENOSPC:
	case EDQUOT:
		return durei_error(ENOSPC, "no space to make %s", name);
	case EMFILE:
	case ENFILE:
		return durei_error(EMFILE, "cannot open %s: too many open descriptors: raise "
				   "RLIMIT_NOFILE, or close some", name);
	case ENOMEM:
		return durei_error(ENOMEM, "cannot open %s: out of memory", name);
	default:
		return durei_error(code == EIO ? EIO : EOPNOTSUPP, "cannot open %s: %s", name,
				   strerror(code));
	}
}

/* step 1 where there is no O_TMPFILE: a name nobody opens, locked while its maker lives */
static int make_with_name(const char *directory, uint32_t mode, char *path, size_t path_bytes)
{
	uint32_t number;
	int fd, r;

	durei_leftovers_sweep(directory);
	fd = durei_new_locked_file(directory, "", path, path_bytes, &number);
	if (fd < 0)
		return fd == -EBUSY ? -EIO : fd;	/* no random name was free */
	r = durei_file_set_mode(fd, mode);
	if (r == 0)
		return fd;
	durei_file_unlink(path);
	durei_file_close(fd);
	return r;
}

/* step 1, where there is O_TMPFILE; -EOPNOTSUPP where not */
static int make_nameless(const char *directory, uint32_t mode)
{
	int fd = durei_file_temporary(directory);
	int r = fd < 0 ? fd : durei_file_set_mode(fd, mode);

	if (fd >= 0 && r < 0)
		durei_file_close(fd);
	return r < 0 ? r : fd;
}

/* A new file, and the facts about it: once it has its name, nothing may fail. -EEXIST */
static int make_file(struct dure_file *file, uint32_t mode)
{
	char directory[PATH_BYTES], temporary[PATH_BYTES + 32] = "";
	int fd, r;

	durei_directory_of(file->name, directory, sizeof directory);
	fd = make_nameless(directory, mode);
	if (fd == -EOPNOTSUPP)
		fd = make_with_name(directory, mode, temporary, sizeof temporary);
	if (fd < 0)
		return fd;
	r = durei_file_stat(fd, &file->facts);
	if (r == 0)						/* step 2 */
		r = *temporary ? durei_file_rename(temporary, file->name, false)
			       : durei_file_link(fd, file->name);
	if (r == 0 && *temporary)
		durei_byte_unlock(fd, DL_LOCK_ADMIN);
	if (r < 0 && *temporary)
		durei_file_unlink(temporary);
	if (r < 0)
		durei_file_close(fd);
	return r < 0 ? r : fd;
}

/* O_NONBLOCK: a FIFO would wait for its other end */
static int open_flags(uint32_t flags)
{
	return (flags & DURE_READ_ONLY ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY;
}

/* What was opened, and the facts about it; passes failures on. */
static int with_facts(struct dure_file *file, int fd)
{
	int r = fd < 0 ? fd : durei_file_stat(fd, &file->facts);

	if (fd >= 0 && r < 0)
		durei_file_close(fd);
	return r < 0 ? r : fd;
}

/* The descriptor; *ret_created says who made the file. */
static int open_or_make(struct dure_file *file, uint32_t flags, uint32_t mode, bool *ret_created)
{
	for (int attempts = 0; attempts < OPEN_ATTEMPTS; attempts++) {
		int fd = flags & DURE_OPEN
				 ? with_facts(file, durei_file_open(file->name, open_flags(flags), 0))
				 : -ENOENT;
		*ret_created = false;
		if (fd != -ENOENT || !(flags & DURE_CREATE))
			return fd;
		fd = make_file(file, mode);
		*ret_created = fd >= 0;
		if (fd != -EEXIST || !(flags & DURE_OPEN))
			return fd;
	}
	return durei_error(EBUSY, "%s is made and removed all the time by others, or is a symbolic "
			   "link to nothing", file->name);
}

static void free_file(struct dure_file *file)
{
	durei_file_close(file->fd);
	if (file->alive)
		durei_map_remove(file->alive, durei_page_bytes());
	free(file->held);
	file->magic = 0;
	free(file);
}

/* The private half of a handle, without a file. */
static int new_file(const char *name, struct dure_file **ret)
{
	struct dure_file *file = calloc(1, sizeof *file + strlen(name) + 1);
	void *page;

	if (!file)
		return durei_error_plain(ENOMEM);
	memcpy(file->name, name, strlen(name));
	file->fd = -1;
	if (durei_map_create(-1, 0, durei_page_bytes(), DUREI_MAP_ANONYMOUS, &page) < 0) {
		free_file(file);
		return durei_error_plain(ENOMEM);
	}
	file->alive = page;
	if (durei_map_wipe_on_fork(page, durei_page_bytes()) < 0) {
		free_file(file);
		return durei_error(EOPNOTSUPP, "the kernel has no MADV_WIPEONFORK (Linux 4.14)");
	}
	*file->alive = 1;
	file->magic = FILE_MAGIC;
	*ret = file;
	return 0;
}

/* Gives the handle what was opened, facts included; frees it when that is of no use. */
static int adopt(struct dure_file *file, int fd, uint32_t flags, bool had_name)
{
	int r = 0;

	file->fd = fd;
	if (fd < 0)
		r = fd == -EBUSY ? fd : open_error(file->name, -fd);
	else if (!file->facts.is_regular)
		r = durei_error(EINVAL, "%s is no regular file", file->name);
	if (r < 0) {
		free_file(file);
		return r;
	}
	file->had_name = had_name;
	file->is_read_only = flags & DURE_READ_ONLY;
	pthread_mutex_init(&file->mutex, NULL);
	return 0;
}

static int check_open(const char *path, uint32_t flags, const struct dure_file_options *o)
{
	uint32_t how = flags & (DURE_CREATE | DURE_OPEN);

	if (!path || !*path)
		return durei_error(EINVAL, "dure_file_open: a path is needed");
	if (!how || flags & ~(uint32_t)(DURE_CREATE | DURE_OPEN | DURE_READ_ONLY))
		return durei_error(EINVAL, "dure_file_open: flags %#x: DURE_CREATE, DURE_OPEN or both "
				   "are needed, and DURE_READ_ONLY is allowed", flags);
	if (flags & DURE_CREATE && flags & DURE_READ_ONLY)
		return durei_error(EINVAL, "dure_file_open: a file that is made is not opened with "
				   "DURE_READ_ONLY: make it first");
	if (o->mode & ~(uint32_t)0777 || o->reserved)
		return durei_error(EINVAL, "dure_file_open: mode %#o has more than permission bits, or "
				   "reserved is not 0", o->mode);
	return 0;
}

int dure_file_open(const char *path, uint32_t flags, const struct dure_file_options *options,
		   dure_file **ret)
{
	struct dure_file_options o;
	struct dure_file *file;
	bool created = false;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0)
		r = check_open(path, flags, &o);
	if (r == 0)
		r = new_file(path, &file);
	if (r < 0)
		return r;
	r = open_or_make(file, flags, o.mode ? o.mode : 0600, &created);
	/* also when it has lost its name since: then the first lock says so */
	r = adopt(file, r, flags, true);
	if (r < 0)
		return r;
	*ret = file;
	return created ? DURE_CREATED : 0;
}

int dure_file_open_fd(int fd, uint32_t flags, dure_file **ret)
{
	struct dure_file *file;
	char name[32];
	int r;

	if (flags & ~(uint32_t)DURE_READ_ONLY)
		return durei_error(EINVAL, "dure_file_open_fd: flags %#x: only DURE_READ_ONLY is "
				   "allowed", flags);
	snprintf(name, sizeof name, "descriptor %d", fd);
	r = new_file(name, &file);
	if (r < 0)
		return r;
	/* opening a device, or a pipe, may do something to it */
	r = durei_file_stat(fd, &file->facts);
	if (r == 0 && !file->facts.is_regular)
		r = -ENXIO;
	if (r == 0)
		r = durei_file_reopen(fd, open_flags(flags));
	r = adopt(file, r, flags, file->facts.links > 0);
	if (r == 0)
		*ret = file;
	return r;
}

/* -- using ------------------------------------------------------------------------------- */

static bool is_alive(const struct dure_file *file)
{
	return *(const volatile uint32_t *)file->alive == 1;
}

int durei_file_lock_check(const struct dure_file *file)
{
	if (!file || file->magic != FILE_MAGIC)
		return durei_error(EINVAL, "not an open dure_file (NULL, or closed)");
	if (!is_alive(file))
		return durei_error(ESTALE, "%s: this dure_file was inherited through fork: close it, "
				   "and open the file anew", file->name);
	return 0;
}

/* Is the descriptor still the one we opened? A child may have closed all it inherited. */
static bool has_its_descriptor(const struct dure_file *file)
{
	struct durei_file_facts now;

	return durei_file_stat(file->fd, &now) == 0 && now.device == file->facts.device &&
	       now.inode == file->facts.inode;
}

int dure_file_close(dure_file *file)
{
	if (!file)
		return 0;
	if (file->magic != FILE_MAGIC)
		return durei_error(EINVAL, "not an open dure_file");
	if (is_alive(file))
		pthread_mutex_destroy(&file->mutex);
	else if (!has_its_descriptor(file))	/* [FLOCK4] */
		file->fd = -1;
	free_file(file);
	return 0;
}

int dure_file_fd(const dure_file *file)
{
	int r = durei_file_lock_check(file);

	return r < 0 ? r : file->fd;
}
