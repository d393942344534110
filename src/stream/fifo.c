/* SPDX-License-Identifier: MIT */
/*
 * fifo.c - FIFOs: made, opened without hanging, and owned
 *
 * Why      A FIFO that its owner left behind looks like any other, and who opens it waits for
 *          ever. So an owner locks a byte of it (an open file description's lock, which the kernel
 *          takes back with the process), and who finds one unlocked may remove it.
 * Rules    [FIFO1] an owned FIFO is locked by its owner from before it is used until it is closed
 *          [FIFO2] who removes one locks it first: between its look and its removal nobody can
 *                  become its owner
 *          [FIFO3] who has locked one looks whether it is still at its path: a remover may have
 *                  come before; then it makes another
 * Death    after step       is left behind            who mends it
 *          1 make           an unlocked FIFO          who sweeps: the next server
 *          2 open, lock     the same                  the same
 */
#include "stream/fifo.h"

#include <dure/fifo.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "os/fifo.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/pipe.h"
#include "os/self.h"
#include "stream/flow.h"

enum { NAME_TRIES = 16, ID_DIGITS = 16 };

int durei_fifo_error(int code, const char *doing, const char *path)
{
	if (code == ENXIO)
		return durei_error(EINVAL, "%s %.300s: it is there, and is no FIFO", doing, path);
	return durei_flow_error(code, doing, path);
}

/* -- FIFOs of anybody ------------------------------------------------------------------------- */

static int check_path(const char *path)
{
	return path && path[0] ? 0 : durei_error(EINVAL, "a FIFO needs a path");
}

int dure_fifo_make(int directory, const char *path, uint32_t mode)
{
	int r = check_path(path);

	if (r < 0)
		return r;
	if (mode > 0777)
		return durei_error(EINVAL, "the mode of a FIFO is up to 0777, not %#o", mode);
	r = durei_fifo_make(directory, path, mode);
	return r < 0 && r != -EAGAIN ? durei_fifo_error(-r, "making the FIFO", path) : 0;
}

int dure_fifo_remove(int directory, const char *path)
{
	int r = check_path(path);

	if (r < 0)
		return r;
	int place = durei_fifo_find_itself(directory, path);
	if (place < 0)
		return durei_fifo_error(-place, "removing the FIFO", path);
	durei_file_close(place);
	r = durei_fifo_remove(directory, path);
	return r < 0 ? durei_fifo_error(-r, "removing the FIFO", path) : 0;
}

/* Opens to write, and waits for a reader; something that is opened beside it makes it look again. */
static int open_to_write(int directory, const char *path, int64_t deadline_ns)
{
	int watch = durei_fifo_watch(directory, path);

	if (watch < 0)
		return durei_fifo_error(-watch, "watching the directory of", path);
	for (;;) {
		int place = durei_fifo_find(directory, path);
		int fd = place < 0 ? place : durei_fifo_open(place, false, true);
		bool is_lonely = place >= 0 && fd == -ENXIO;
		durei_file_close(place);
		int r = fd >= 0 ? 0 : is_lonely ? durei_flow_await(watch, 0, deadline_ns)
						: durei_fifo_error(-fd, "opening the FIFO", path);
		if (r < 0 || fd >= 0) {
			durei_file_close(watch);
			return r < 0 ? r : fd;
		}
		durei_fifo_watched(watch);
	}
}

static int open_to_read(int directory, const char *path, bool writes)
{
	int place = durei_fifo_find(directory, path);

	if (place < 0)
		return durei_fifo_error(-place, "opening the FIFO", path);
	int fd = durei_fifo_open(place, true, writes);
	durei_file_close(place);
	return fd < 0 ? durei_fifo_error(-fd, "opening the FIFO", path) : fd;
}

int dure_fifo_open(int directory, const char *path, uint32_t flags, int64_t timeout_ns)
{
	const uint32_t both = DURE_FIFO_READ | DURE_FIFO_WRITE;
	int r = check_path(path);

	if (r < 0)
		return r;
	if (!(flags & both) || flags & ~(both | DURE_FIFO_NONBLOCKING))
		return durei_error(EINVAL, "flags are DURE_FIFO_READ, _WRITE or both, and _NONBLOCKING");
	int fd = flags & DURE_FIFO_READ
			 ? open_to_read(directory, path, flags & DURE_FIFO_WRITE)
			 : open_to_write(directory, path, durei_deadline(timeout_ns));
	if (fd < 0 || flags & DURE_FIFO_NONBLOCKING)
		return fd;
	r = durei_stream_nonblocking(fd, false);
	if (r < 0) {
		durei_file_close(fd);
		return durei_fifo_error(-r, "opening the FIFO", path);
	}
	return fd;
}

/* -- owned ones --------------------------------------------------------------------------------- */

int durei_fifo_name(const char *base, uint64_t id, char path[DUREI_FIFO_PATH_BYTES])
{
	int n = snprintf(path, DUREI_FIFO_PATH_BYTES, "%s.%0*" PRIx64, base, ID_DIGITS, id);

	return n < DUREI_FIFO_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

int durei_fifo_lock(int fd, uint64_t byte)
{
	return durei_byte_lock(fd, byte, true);
}

int durei_fifo_is_locked(int fd, uint64_t byte)
{
	return durei_byte_is_locked(fd, byte);
}

/* 0: it is ours; 1: a sweeper came before [FIFO3] */
static int take_possession(struct durei_fifo *fifo)
{
	int place = durei_fifo_find_itself(DUREI_FIFO_HERE, fifo->path);

	if (place < 0)
		return place == -ENOENT ? 1 : place;
	fifo->fd = durei_fifo_open(place, true, true);			/* step 2 */
	durei_file_close(place);
	if (fifo->fd < 0)
		return fifo->fd;
	int r = durei_fifo_lock(fifo->fd, DUREI_FIFO_OWNED);
	if (r == 0 && durei_fifo_is_at(fifo->fd, DUREI_FIFO_HERE, fifo->path))
		return 0;
	durei_file_close(fifo->fd);
	return r == 0 || r == -EAGAIN ? 1 : r;
}

int durei_fifo_own(const char *base, uint32_t mode, struct durei_fifo *fifo)
{
	int r = 1;

	for (int i = 0; r == 1 && i < NAME_TRIES; i++) {
		r = durei_random(&fifo->id, sizeof fifo->id);
		if (r == 0)
			r = durei_fifo_name(base, fifo->id, fifo->path);
		if (r == 0)
			r = durei_fifo_make(DUREI_FIFO_HERE, fifo->path, mode);	/* step 1 */
		if (r == 0) {
			r = take_possession(fifo);
			if (r < 0)
				(void)durei_fifo_remove(DUREI_FIFO_HERE, fifo->path);
		} else if (r == -EEXIST || r == -EAGAIN) {
			r = 1;
		}
	}
	return r == 1 ? -EBUSY : r;
}

void durei_fifo_disown(struct durei_fifo *fifo)
{
	(void)durei_fifo_remove(DUREI_FIFO_HERE, fifo->path);
	durei_file_close(fifo->fd);
}

void durei_fifo_sweep(const char *path)
{
	int place = durei_fifo_find_itself(DUREI_FIFO_HERE, path);
	int fd = place < 0 ? place : durei_fifo_open(place, true, true);

	durei_file_close(place);
	if (fd < 0)
		return;
	if (durei_fifo_lock(fd, DUREI_FIFO_OWNED) == 0 && durei_fifo_is_at(fd, DUREI_FIFO_HERE, path))	/* [FIFO2] */
		(void)durei_fifo_remove(DUREI_FIFO_HERE, path);
	durei_file_close(fd);
}

struct sweep {
	const char *base;		/* the whole path */
	const char *name;		/* its last part */
};

static int sweep_one(const char *name, void *context)
{
	const struct sweep *sweep = context;
	size_t length = strlen(sweep->name);
	char path[DUREI_FIFO_PATH_BYTES];

	if (strncmp(name, sweep->name, length) != 0 || name[length] != '.' ||
	    strlen(name + length + 1) != ID_DIGITS ||
	    strspn(name + length + 1, "0123456789abcdef") != ID_DIGITS)
		return 0;
	int n = snprintf(path, sizeof path, "%s%s", sweep->base, name + length);
	if (n < (int)sizeof path)
		durei_fifo_sweep(path);
	return 0;
}

void durei_fifo_sweep_all(const char *base)
{
	const char *slash = strrchr(base, '/');
	struct sweep sweep = { base, slash ? slash + 1 : base };
	char directory[DUREI_FIFO_PATH_BYTES] = ".";

	if (slash)
		snprintf(directory, sizeof directory, "%.*s", slash == base ? 1 : (int)(slash - base),
			 base);
	(void)durei_directory_visit(directory, sweep_one, &sweep);
}
