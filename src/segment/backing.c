/* SPDX-License-Identifier: MIT */
/*
 * backing.c - choosing where a segment's bytes are, and what all kinds share
 *
 * Rules    [BACK1] a descriptor is checked to be still ours before storage is reserved with
 *                  it: programs close all descriptors and open others (daemon(3), closefrom)
 */
#include "segment/backing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/futex.h"
#include "os/map.h"

#define MIB (UINT64_C(1) << 20)

enum { ADMIN_WAIT_MS = 20000, ADMIN_STEP_MS = 2 };

static const struct durei_backing *const backings[] = {
	&durei_backing_posix,  &durei_backing_sysv,   &durei_backing_file,
	&durei_backing_memory_file, &durei_backing_huge, &durei_backing_buffer,
	&durei_backing_private,
};

static const struct durei_backing *backing_of_kind(uint32_t kind)
{
	for (unsigned i = 0; i < sizeof backings / sizeof *backings; i++)
		if (backings[i]->kind == (enum dure_backing)kind)
			return backings[i];
	return NULL;
}

/*
 * Without a wish, an existing name decides: a link is a segment of process lifetime, a file
 * is POSIX shared memory. A new one goes by the lifetime asked for.
 */
static int choose_by_name(const struct durei_request *request, const struct durei_backing **ret)
{
	struct durei_file_facts facts;
	char path[sizeof request->path];
	int r = durei_posix_path(request, path, sizeof path);

	if (r < 0)
		return r;
	if (request->flags & DURE_OPEN && durei_file_stat_path(path, &facts) == 0)
		*ret = facts.is_regular ? &durei_backing_posix : &durei_backing_link;
	else if (request->options.lifetime == DURE_LIFETIME_PROCESS)
		*ret = &durei_backing_link;
	else
		*ret = &durei_backing_posix;
	return 0;
}

int durei_backing_choose(struct durei_request *request, const struct durei_backing **ret)
{
	struct dure_segment_options *o = &request->options;
	const struct durei_backing *backing = backing_of_kind(o->backing);

	if (o->backing == DURE_BACKING_DEFAULT) {
		int r = choose_by_name(request, &backing);
		if (r < 0)
			return r;
	}
	if (!backing)
		return durei_error(EINVAL, "options.backing %u is none of enum dure_backing",
				   o->backing);
	if (o->lifetime > DURE_LIFETIME_FILESYSTEM)
		return durei_error(EINVAL, "options.lifetime %u is none of enum dure_lifetime",
				   o->lifetime);
	if (o->lifetime == DURE_LIFETIME_DEFAULT)
		o->lifetime = backing->default_lifetime;
	if (request->flags & DURE_CREATE && !(backing->lifetimes & 1u << o->lifetime))
		return durei_error(EINVAL, "%s cannot give the lifetime asked for (%u): see "
				   "dure_segment_open(3)", backing->title, o->lifetime);
	*ret = backing;
	return backing->prepare(request);
}

bool durei_is_in_use(int fd)
{
	uint64_t found;

	return durei_byte_first_locked(fd, DL_LOCK_SLOTS, DL_SLOTS_MAX, &found) == 1 ||
	       durei_byte_is_locked(fd, DL_LOCK_READERS) == 1 ||
	       durei_byte_is_locked(fd, DL_LOCK_FROZEN) == 1;
}

int durei_path_error(const struct durei_request *request, const char *verb, int code)
{
	/* a file segment's name is its path, which need not be said twice */
	const char *path = strcmp(request->name, request->path) == 0 ? "it" : request->path;

	switch (code) {
	case ENOENT:
		return durei_error(ENOENT, "cannot %s segment %s: %s does not exist", verb,
				   request->name, path);
	case EEXIST:
		return durei_error(EEXIST, "cannot %s segment %s: %s exists already (open it with "
				   "DURE_OPEN, or remove it)", verb, request->name, path);
	case EACCES:
	case EPERM:
		return durei_error(EACCES, "cannot %s segment %s: no permission on %s: ask its "
				   "owner for a wider mode", verb, request->name, path);
	case ENOSPC:
		return durei_error(ENOSPC, "cannot %s segment %s: no space for %s", verb,
				   request->name, path);
	case EMFILE:
	case ENFILE:
		return durei_error(EMFILE, "cannot %s segment %s: too many open descriptors: raise "
				   "RLIMIT_NOFILE, or close some", verb, request->name);
	case ENOMEM:
		return durei_error(ENOMEM, "cannot %s segment %s: out of memory or address space",
				   verb, request->name);
	default:
		return durei_error(code == EIO ? EIO : EOPNOTSUPP, "cannot %s segment %s at %s: %s",
				   verb, request->name, request->path, strerror(code));
	}
}

int durei_backing_remember(dure_segment *seg, const char *path)
{
	struct durei_file_facts facts;
	int r = durei_file_stat(seg->fd, &facts);

	if (r < 0)
		return durei_error(EIO, "%s: fstat: %s", path, strerror(-r));
	free(seg->path);
	seg->path = strdup(path);
	if (!seg->path)
		return durei_error_plain(ENOMEM);
	seg->device = facts.device;
	seg->inode = facts.inode;
	return 0;
}

/* 1 yes; 0 it is another file's, or nobody's; -errno: there is no telling */
static int is_our_file(const dure_segment *seg, int fd)
{
	struct durei_file_facts facts;
	int r = fd < 0 ? -EBADF : durei_file_stat(fd, &facts);

	if (r < 0)
		return r == -EBADF ? 0 : r;
	return facts.device == seg->device && facts.inode == seg->inode;
}

int durei_backing_fd(dure_segment *seg)
{
	int ours = is_our_file(seg, seg->fd);

	if (ours > 0)
		return seg->fd;
	if (ours < 0)
		return durei_error(EIO, "segment %s: fstat: %s", seg->super.name, strerror(-ours));
	/* the program closed it: get it anew, if its name still leads to the same file */
	int fd = durei_file_open(seg->path, O_RDWR, 0);
	if (is_our_file(seg, fd) > 0) {
		seg->fd = fd;
		return fd;
	}
	durei_file_close(fd);
	return durei_error(ESTALE, "segment %s: its descriptor was closed by the program, and %s "
			   "is another file now: open the segment again", seg->super.name,
			   seg->path);
}

static int no_space_on(const dure_segment *seg, int code, uint64_t bytes, const char *path)
{
	const char *name = (const char *)seg->super.name;
	struct durei_space space;

	if (durei_file_space(path, &space) < 0)
		return durei_error(code, "segment %s: %" PRIu64 " KiB more cannot be reserved on %s",
				   name, bytes / 1024, path);
	if (space.is_hugetlb)
		return durei_error(code, "segment %s: no huge pages are left on %s (%" PRIu64 " MiB "
				   "free): raise vm.nr_hugepages", name, path,
				   space.free_bytes / MIB);
	return durei_error(code, "segment %s: %" PRIu64 " KiB more cannot be reserved: the file "
			   "system of %s has %" PRIu64 " MiB, %" PRIu64 " MiB free: remove what "
			   "is not needed, or %s", name, bytes / 1024, path,
			   space.total_bytes / MIB, space.free_bytes / MIB,
			   space.is_memory ? "enlarge it (mount -o remount,size=..., in a "
					     "container --shm-size)"
					   : "use a larger one");
}

int durei_no_space(const dure_segment *seg, int code, uint64_t bytes)
{
	const char *name = (const char *)seg->super.name;

	if (code == ENOSPC && seg->path && seg->fd >= 0)
		return no_space_on(seg, ENOSPC, bytes, seg->path);
	if (code == ENOSPC || code == ENOMEM || code == EFAULT)
		return durei_error(ENOSPC, "segment %s: the kernel has no memory for %" PRIu64 " KiB "
				   "more (memory, huge pages or the control group's limit)", name,
				   bytes / 1024);
	if (code == ESTALE)
		return -ESTALE;		/* said already */
	return durei_error(code == EFBIG || code == EIO ? code : EOPNOTSUPP, "segment %s: reserving %"
			   PRIu64 " KiB failed: %s", name, bytes / 1024, strerror(code));
}

/* Who holds it is at work and sleeps nowhere; the kernel gives OFD locks no useful queue. */
int durei_admin_lock(int fd, const char *path)
{
	for (int waited = 0; waited < ADMIN_WAIT_MS; waited += ADMIN_STEP_MS) {
		int r = durei_byte_lock(fd, DL_LOCK_ADMIN, true);
		if (r != -EAGAIN)
			return r < 0 ? durei_error(EOPNOTSUPP, "%s: locks do not work here: %s", path,
						   strerror(-r))
				     : 0;
		durei_sleep_until(durei_clock_now() + DURE_MS(ADMIN_STEP_MS));
	}
	return durei_error(EBUSY, "%s: another process has been creating, restoring or removing this "
			   "segment for %d s: is it stopped?", path, ADMIN_WAIT_MS / 1000);
}

uint64_t durei_grain_small(const struct durei_request *request)
{
	(void)request;
	return durei_page_bytes();
}
