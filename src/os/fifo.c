/* SPDX-License-Identifier: MIT */
/*
 * fifo.c - pipes with a name
 *
 * Why      open(2) of a FIFO waits for the other side, without a limit; and of something else that
 *          has come to stand at the path it does whatever that does. So a path is looked at first
 *          (O_PATH), and then that, and nothing else, is opened, without waiting.
 * Death    of the maker, between mkfifo and chmod: the FIFO has fewer permissions than it was to
 *          have.
 */
#include "os/fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fault.h"

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static int at(int directory)
{
	return directory == DUREI_FIFO_HERE ? AT_FDCWD : directory;
}

static void place_path(char *text, size_t bytes, int place)
{
	snprintf(text, bytes, "/proc/self/fd/%d", place);
}

static int find(int directory, const char *path, int flags)
{
	int fault = durei_fault("open");
	struct stat st;
	int fd;

	if (fault)
		return -fault;
	fd = openat(at(directory), path, O_PATH | O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return fd;
	close(fd);
	return -ENXIO;
}

int durei_fifo_find(int directory, const char *path)
{
	return find(directory, path, 0);
}

int durei_fifo_find_itself(int directory, const char *path)
{
	return find(directory, path, O_NOFOLLOW);
}

static int set_mode(int directory, const char *path, uint32_t mode)
{
	char text[40];
	struct stat st;
	int place = durei_fifo_find_itself(directory, path), fault = durei_fault("fchmod"), r = 0;

	if (place < 0)
		return place;
	place_path(text, sizeof text, place);
	if (fault)
		r = -fault;
	else if (fstat(place, &st) == 0 && (st.st_mode & 07777) != mode)
		r = result(chmod(text, (mode_t)mode));
	close(place);
	return r;
}

int durei_fifo_make(int directory, const char *path, uint32_t mode)
{
	int fault = durei_fault("mkfifo");

	if (fault)
		return -fault;
	if (mkfifoat(at(directory), path, (mode_t)mode) < 0)
		return -errno;
	int r = set_mode(directory, path, mode);
	if (r == -ENOENT)
		return -EAGAIN;
	if (r < 0)
		(void)unlinkat(at(directory), path, 0);
	return r;
}

int durei_fifo_open(int place, bool reads, bool writes)
{
	int fault = durei_fault("open");
	char text[40];
	int fd;

	if (fault)
		return -fault;
	place_path(text, sizeof text, place);
	do
		fd = open(text, (reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY) |
					O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	return result(fd);
}

bool durei_fifo_is_at(int fd, int directory, const char *path)
{
	int fault = durei_fault("fstat");
	struct stat here, there;

	return !fault && fstat(fd, &here) == 0 && fstatat(at(directory), path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int durei_fifo_remove(int directory, const char *path)
{
	int fault = durei_fault("unlink");

	return fault ? -fault : result(unlinkat(at(directory), path, 0));
}

int durei_fifo_link(const char *from, const char *to)
{
	int fault = durei_fault("linkat");

	return fault ? -fault : result(link(from, to));
}

int durei_fifo_rename(const char *from, const char *to)
{
	int fault = durei_fault("rename");

	return fault ? -fault : result(rename(from, to));
}

int durei_fifo_watch(int directory, const char *path)
{
	const char *slash = strrchr(path, '/');
	int fault = durei_fault("inotify");
	char text[512] = ".";
	int place, watch, r = 0;

	if (fault)
		return -fault;
	if (slash && (size_t)(slash - path) >= sizeof text)
		return -ENAMETOOLONG;
	if (slash)
		snprintf(text, sizeof text, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	place = openat(at(directory), text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return -errno;
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	place_path(text, sizeof text, place);
	if (watch < 0 || inotify_add_watch(watch, text, IN_CREATE | IN_MOVED_TO | IN_OPEN) < 0)
		r = -errno;
	close(place);
	if (r < 0 && watch >= 0)
		close(watch);
	return r < 0 ? r : watch;
}

void durei_fifo_watched(int watch)
{
	char events[4096] __attribute__((aligned(8)));

	while (read(watch, events, sizeof events) > 0)
		;
}
