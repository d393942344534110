/* SPDX-License-Identifier: MIT */
/*
 * leftovers.c - what creators leave in a directory when they die, and who takes it away
 *
 * Why      Most segments are made without a name, so a creator that dies leaves nothing. Three
 *          things cannot be made that way: files where there is no O_TMPFILE, System V segments
 *          without a key of the caller's, and the lock file behind a link. The next creator
 *          in the same directory takes them away.
 * Layout   .dure-new-NUMBER         a file that becomes a segment
 *          .dure-new-sysv-KEY       a note: somebody makes the System V segment KEY
 *          dure.NAME.sysv-ID-NONCE  a lock file, perhaps without the link dure.NAME
 *          dure.sysv.NAMESPACE.id-ID    a lock file
 * Rules    [LEFT1] who makes one of the first two holds its ADMIN byte until it is complete,
 *                  and has a slot locked in the others; who finds neither locked knows that the
 *                  maker is dead. A maker that got the lock looks whether the file still has
 *                  its name: a sweeper may have been quicker.
 *          [LEFT2] a note counts when it has one byte: it gets it after its maker saw that no
 *                  segment has that key. And a noted segment is only removed when it is of
 *                  the note's owner, without a user and without its first byte. So no
 *                  stranger's segment is taken. No clock decides: that of files may run some
 *                  milliseconds ahead of that of System V objects.
 *          [LEFT3] lock files of a segment with users are never taken, even if the segment
 *                  cannot be seen from here (another IPC namespace): their slots are locked
 * Death    of the sweeper, after step   is left behind             who mends it
 *          1 segment removed            the note                   the next sweeper
 */
#include "segment/leftovers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/map.h"
#include "os/self.h"
#include "segment/backing.h"

#define NOTE_INFIX "sysv-"
#define IDENTIFIER_PREFIX DUREI_POSIX_PREFIX "sysv."

void durei_directory_of(const char *path, char *directory, size_t bytes)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	snprintf(directory, bytes, "%.*s", (int)n, path);
	if (!n)
		snprintf(directory, bytes, "%s", slash ? "/" : ".");
}

/* -- making ------------------------------------------------------------------------------ */

static bool still_has_name(int fd, const char *path)
{
	struct durei_file_facts mine, named;

	return durei_file_stat(fd, &mine) == 0 && durei_file_stat_path(path, &named) == 0 &&
	       mine.inode == named.inode && mine.device == named.device;
}

int durei_new_locked_file(const char *directory, const char *infix, char *path, size_t bytes,
			  uint32_t *ret_number)
{
	for (int attempts = 0; attempts < 8; attempts++) {
		int r = durei_random(ret_number, sizeof *ret_number);
		if (r < 0)
			return r;
		snprintf(path, bytes, "%s/" DUREI_NEW_PREFIX "%s%08" PRIx32, directory, infix,
			 *ret_number);
		int fd = durei_file_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd == -EEXIST)
			continue;
		if (fd < 0)
			return fd;
		r = durei_byte_lock(fd, DL_LOCK_ADMIN, true);
		if (r == 0 && still_has_name(fd, path))
			return fd;				/* [LEFT1] */
		durei_file_close(fd);
		if (r < 0 && r != -EAGAIN) {			/* no locks here, so no sweeper */
			durei_file_unlink(path);
			return r;
		}
	}
	return -EBUSY;
}

int durei_note_begin(const char *directory, char *path, size_t bytes, int32_t *ret_key)
{
	for (int attempts = 0; attempts < 8; attempts++) {
		uint32_t number;
		int fd = durei_new_locked_file(directory, NOTE_INFIX, path, bytes, &number);
		if (fd < 0)
			return fd;
		*ret_key = (int32_t)number;
		if (*ret_key && durei_sysv_get(*ret_key, 0, 0, false, false) == -ENOENT &&
		    durei_file_truncate(fd, 1) == 0)		/* [LEFT2] */
			return fd;
		durei_file_unlink(path);
		durei_file_close(fd);
	}
	return -EBUSY;
}

/* -- sweeping ---------------------------------------------------------------------------- */

/* The file, locked by us, when nobody makes or uses what it stands for. */
static int open_abandoned(const char *path)
{
	int fd = durei_file_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	if (durei_byte_lock(fd, DL_LOCK_ADMIN, true) == 0 && !durei_is_in_use(fd))
		return fd;
	durei_file_close(fd);
	return -EAGAIN;
}

static bool is_half_made(int id, const struct durei_file_facts *note)
{
	struct durei_sysv_facts facts;
	void *address;

	if (!note->size_bytes || durei_sysv_stat(id, &facts) < 0 || facts.attached ||
	    facts.owner != note->owner || !facts.size_bytes ||
	    durei_sysv_attach(id, true, &address) < 0)
		return false;
	bool is_empty = *(const volatile uint8_t *)address == 0;
	durei_sysv_detach(address);
	return is_empty;
}

static void remove_noted_segment(const char *directory, int32_t key, int note)
{
	struct durei_file_facts facts;
	int id = durei_sysv_get(key, 0, 0, false, false);
	char lock_path[1024];

	if (id < 0 || durei_file_stat(note, &facts) < 0 || !is_half_made(id, &facts))
		return;
	snprintf(lock_path, sizeof lock_path, "%s/dure.sysv.%" PRIu64 ".id-%d", directory,
		 durei_ipc_namespace(), id);
	durei_sysv_remove(id);
	durei_file_unlink(lock_path);
}

static void sweep_new(const char *directory, const char *path, const char *rest)
{
	int fd = open_abandoned(path);

	if (fd < 0)
		return;
	if (strncmp(rest, NOTE_INFIX, strlen(NOTE_INFIX)) == 0)
		remove_noted_segment(directory,
				     (int32_t)strtoul(rest + strlen(NOTE_INFIX), NULL, 16), fd);
	durei_file_unlink(path);
	durei_file_close(fd);
}

/* A lock file whose memory is gone, and the link that points at it. */
static void sweep_lock_file(const char *path, const char *link)
{
	char target[256];
	struct durei_file_facts facts;
	int fd = open_abandoned(path);

	if (fd < 0)
		return;
	if (durei_file_stat(fd, &facts) == 0 && facts.is_regular && facts.size_bytes == 0) {
		if (*link && durei_file_read_link(link, target, sizeof target) >= 0 &&
		    strcmp(target, strrchr(path, '/') + 1) == 0)
			durei_file_unlink(link);
		durei_file_unlink(path);
	}
	durei_file_close(fd);
}

/* [LEFT3]: the memory of "dure.NAME.sysv-ID-NONCE" goes with its last user */
static void sweep_link(const char *path, const char *mark)
{
	char link[1024];

	snprintf(link, sizeof link, "%.*s", (int)(mark - path), path);
	sweep_lock_file(path, link);
}

/* "dure.sysv.NAMESPACE.id-ID" */
static void sweep_identifier(const char *path, const char *rest)
{
	struct durei_sysv_facts facts;
	char *end;

	if (strtoull(rest, &end, 10) != durei_ipc_namespace() || strncmp(end, ".id-", 4) != 0)
		return;
	int r = durei_sysv_stat(atoi(end + 4), &facts);
	if (r == -EINVAL || r == -EIDRM || r == -ENOENT)
		sweep_lock_file(path, "");
}

static int sweep_name(const char *name, void *context)
{
	const char *directory = context, *mark;
	char path[1024];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	if (strncmp(name, DUREI_NEW_PREFIX, strlen(DUREI_NEW_PREFIX)) == 0)
		sweep_new(directory, path, name + strlen(DUREI_NEW_PREFIX));
	else if (strncmp(name, IDENTIFIER_PREFIX, strlen(IDENTIFIER_PREFIX)) == 0)
		sweep_identifier(path, name + strlen(IDENTIFIER_PREFIX));
	else if (strncmp(name, DUREI_POSIX_PREFIX, strlen(DUREI_POSIX_PREFIX)) == 0 &&
		 (mark = strstr(path + strlen(directory), ".sysv-")))
		sweep_link(path, mark);
	return 0;
}

void durei_leftovers_sweep(const char *directory)
{
	(void)durei_directory_visit(directory, sweep_name, (void *)(uintptr_t)directory);
}
