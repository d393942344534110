/* SPDX-License-Identifier: MIT */
/*
 * catalog.c - segments by name: is there one, which are there, take one away
 *
 * Why      Names outlive processes, so somebody must be able to see them all, and to remove
 *          one without guessing: a segment is in use while the kernel shows a lock on it.
 * Rules    [CAT1] nothing is removed that is not a segment, and nothing in use unless forced
 *          [CAT2] in use is asked under the ADMIN byte, after which only the name goes
 * Death    removing, after step      is left behind                   who mends it
 *          1 ADMIN                   nothing                          the kernel
 *          2 link removed            an empty lock file without link  leftovers.c
 *          2 file removed            its checkpoint, which is a       who removes it, or uses it
 *                                    segment by itself
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "os/file.h"
#include "os/map.h"
#include "segment/backing.h"
#include "segment/geometry.h"

/* -- one name ---------------------------------------------------------------------------- */

/* A half-open handle: found, its super block read and checked, nothing mapped or locked. */
static int look(const struct durei_request *request, const struct durei_backing *backing,
		dure_segment *seg)
{
	int r;

	*seg = (dure_segment){ .access = DUREI_ACCESS_READ, .backing = backing, .fd = -1,
			       .sysv_id = -1 };
	r = backing->find(seg, request);
	if (r == 0)
		r = backing->read_super(seg, &seg->super);
	return r < 0 ? r : durei_geometry_check(&seg->super, request->path);
}

static void forget(dure_segment *seg)
{
	if (seg->base)
		seg->backing->unmap(seg);
	durei_file_close(seg->fd);
	free(seg->path);
}

int dure_segment_exists(const char *name, const struct dure_segment_options *options)
{
	const struct durei_backing *backing;
	struct durei_request request;
	dure_segment seg;
	int r = durei_request_read(name, DURE_OPEN, options, &request, &backing);

	if (r < 0)
		return r;
	r = look(&request, backing, &seg);
	forget(&seg);
	if (r == -ENOENT || r == -EPROTO)
		return 0;
	return r < 0 ? r : 1;
}

/* Step 2, for each way a segment can have a name. */
static int remove_names(const dure_segment *seg, const struct durei_request *request)
{
	static const char *const images[] = { ".checkpoint", ".checkpoint-new" };
	char path[600];
	int r = 0;

	if (seg->sysv_id >= 0 && seg->super.lifetime == DURE_LIFETIME_KERNEL)
		r = durei_sysv_remove(seg->sysv_id);
	if (r == 0 && seg->sysv_id >= 0 && seg->super.lifetime == DURE_LIFETIME_KERNEL)
		(void)durei_file_unlink(request->path);	/* gone already; this is its empty file */
	else if (r == 0)
		r = durei_file_unlink(request->path);
	if (r < 0)
		return durei_path_error(request, "remove", -r);
	if (strcmp(seg->path, request->path) != 0)
		(void)durei_file_unlink(seg->path);		/* a link's lock file */
	for (int i = 0; i < 2 && seg->super.lifetime == DURE_LIFETIME_FILESYSTEM; i++) {
		snprintf(path, sizeof path, "%s%s", request->path, images[i]);
		(void)durei_file_unlink(path);
	}
	return 0;
}

static int remove_segment(dure_segment *seg, const struct durei_request *request, uint32_t flags)
{
	int fd, r;

	if (!seg->backing->has_locks)
		return durei_error(EINVAL, "%s has no name to remove", seg->backing->title);
	/* ADMIN needs a writable descriptor; who may not write may not remove either */
	fd = durei_file_reopen(seg->fd, O_RDWR);
	if (fd < 0)
		return durei_path_error(request, "remove", -fd);
	r = durei_admin_lock(fd, request->path);
	if (r == 0 && !(flags & DURE_REMOVE_FORCE) && durei_is_in_use(seg->fd))
		r = durei_error(EBUSY, "segment %s is in use: dure show tells by whom; "
				"DURE_REMOVE_FORCE removes its name all the same", request->path);
	if (r == 0)
		r = remove_names(seg, request);
	durei_file_close(fd);
	return r;
}

int dure_segment_remove(const char *name, uint32_t flags,
			const struct dure_segment_options *options)
{
	const struct durei_backing *backing;
	struct durei_request request;
	dure_segment seg;
	int r = durei_request_read(name, DURE_OPEN, options, &request, &backing);

	if (r < 0)
		return r;
	if (flags & ~(uint32_t)DURE_REMOVE_FORCE)
		return durei_error(EINVAL, "dure_segment_remove: flags %#x have unknown bits", flags);
	r = look(&request, backing, &seg);
	/* a damaged segment can be removed, a file that never was one cannot */
	if (r == 0 || (r == -EUCLEAN && seg.fd >= 0))
		r = remove_segment(&seg, &request, flags);
	forget(&seg);
	return r;
}

/* -- all of them ------------------------------------------------------------------------- */

struct scan {
	const char *directory;
	int (*visit)(const struct dure_segment_entry *entry, void *context);
	void *context;
};

static bool begins_with_magic(int fd)
{
	uint8_t magic[8];

	return durei_file_read_at(fd, magic, sizeof magic, 0) == 0 &&
	       memcmp(magic, DL_MAGIC, sizeof magic) == 0;
}

static bool describe_file(struct dure_segment_entry *entry)
{
	int fd = durei_file_open(entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	bool ours = fd >= 0 && begins_with_magic(fd);

	durei_file_close(fd);
	entry->backing = DURE_BACKING_POSIX;
	entry->lifetime = DURE_LIFETIME_KERNEL;
	return ours;
}

static bool sysv_is_there(int id)
{
	struct durei_sysv_facts facts;
	int r = durei_sysv_stat(id, &facts);

	return r == 0 || r == -EACCES;	/* there, if not for us to see */
}

static bool describe_link(struct dure_segment_entry *entry)
{
	char target[256];
	const char *mark;

	if (durei_file_read_link(entry->path, target, sizeof target) < 0)
		return false;
	mark = strstr(target, ".sysv-");
	if (!mark)
		return false;
	entry->backing = DURE_BACKING_SYSV;
	entry->lifetime = DURE_LIFETIME_PROCESS;
	entry->sysv_id = atoi(mark + strlen(".sysv-"));
	entry->is_stale = !sysv_is_there(entry->sysv_id);
	return true;
}

/* "sysv.NAMESPACE.key-KEY" and "sysv.NAMESPACE.id-ID": lock files beside System V segments */
static bool describe_sysv(struct dure_segment_entry *entry, const char *rest)
{
	const char *key = strstr(rest, ".key-"), *id = strstr(rest, ".id-");

	entry->backing = DURE_BACKING_SYSV;
	entry->lifetime = DURE_LIFETIME_KERNEL;
	entry->name[0] = '\0';
	if (key)
		entry->sysv_id = durei_sysv_get((int32_t)strtoul(key + 5, NULL, 16), 0, 0, false, false);
	else if (id)
		entry->sysv_id = atoi(id + 4);
	else
		return false;
	entry->is_stale = entry->sysv_id < 0 || !sysv_is_there(entry->sysv_id);
	return true;
}

static int visit_name(const char *name, void *context)
{
	struct scan *scan = context;
	struct dure_segment_entry entry = { .sz = sizeof entry, .sysv_id = -1 };
	struct durei_file_facts facts;
	const char *rest = name + strlen(DUREI_POSIX_PREFIX);
	bool ours;

	if (strncmp(name, DUREI_POSIX_PREFIX, strlen(DUREI_POSIX_PREFIX)) != 0)
		return 0;
	snprintf(entry.path, sizeof entry.path, "%s/%s", scan->directory, name);
	snprintf(entry.name, sizeof entry.name, "%s", rest);
	if (durei_file_stat_path(entry.path, &facts) < 0)
		return 0;
	if (strncmp(rest, "sysv.", 5) == 0 && facts.size_bytes == 0)
		ours = describe_sysv(&entry, rest + 5);
	else
		ours = facts.is_regular ? describe_file(&entry) : describe_link(&entry);
	return ours ? scan->visit(&entry, scan->context) : 0;
}

int dure_segment_list(const char *directory,
		      int (*visit)(const struct dure_segment_entry *entry, void *context),
		      void *context)
{
	struct scan scan = { .directory = directory ? directory : DUREI_POSIX_DIRECTORY,
			     .visit = visit, .context = context };
	int r = durei_directory_visit(scan.directory, visit_name, &scan);

	if (r == -ENOENT || r == -EACCES || r == -ENOTDIR)
		return durei_error(r == -EACCES ? EACCES : ENOENT, "the directory %s cannot be read: %s",
				   scan.directory, strerror(-r));
	return r;
}
