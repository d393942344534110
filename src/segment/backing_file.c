/* SPDX-License-Identifier: MIT */
/*
 * backing_file.c - segments in files: /dev/shm, a path, a hugetlbfs, a memfd
 *
 * Why      All four are an inode with pages. They differ in how it is found and in what a
 *          page is.
 * Rules    [FILE1] the file has no name until the segment in it is complete
 *          [FILE2] the mapping reaches beyond the end of the file; only reserved offsets are
 *                  touched, so that neither the end nor a full disk ever raises SIGBUS
 * Death    creating, after step          is left behind                who mends it
 *          1 a nameless file             nothing                       the kernel
 *          2 link                        the complete segment          its next user
 *          where there is no O_TMPFILE:
 *          1 a file .dure-new-...        that file, unlocked           leftovers.c, for the
 *                                                                      next creator
 *          2 link                        both names, one segment       the same
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/map.h"
#include "os/self.h"
#include "segment/backing.h"
#include "segment/leftovers.h"

static bool is_portable(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			    *c))
			return false;
	return true;
}

int durei_posix_path(const struct durei_request *request, char *path, size_t path_bytes)
{
	const char *name = request->name, *directory = request->options.directory;

	if (!*name)
		return durei_error(EINVAL, "a segment's name must not be empty");
	if (strlen(name) > DUREI_NAME_MAX)
		return durei_error(EINVAL, "the segment name %.20s... has %zu bytes, more than %d",
				   name, strlen(name), DUREI_NAME_MAX);
	if (!is_portable(name))
		return durei_error(EINVAL, "the segment name \"%s\" has other characters than "
				   "letters, digits, '.', '_' and '-': for a path use "
				   "DURE_BACKING_FILE", name);
	if (!directory)
		directory = DUREI_POSIX_DIRECTORY;
	int n = snprintf(path, path_bytes, "%s/" DUREI_POSIX_PREFIX "%s", directory, name);
	if (n < 0 || (size_t)n >= path_bytes)
		return durei_error(EINVAL, "the directory %.40s... is too long", directory);
	return 0;
}

static int prepare_posix(struct durei_request *request)
{
	return durei_posix_path(request, request->path, sizeof request->path);
}

static int prepare_path(struct durei_request *request)
{
	if (!*request->name)
		return durei_error(EINVAL, "a file segment needs a path as its name");
	if (strlen(request->name) >= sizeof request->path - sizeof ".checkpoint-new")
		return durei_error(EINVAL, "the path %.40s... is too long", request->name);
	snprintf(request->path, sizeof request->path, "%s", request->name);
	return 0;
}

static int prepare_huge(struct durei_request *request)
{
	char directory[sizeof request->path];
	struct durei_space space;
	int r = prepare_path(request);

	if (r < 0)
		return r;
	snprintf(directory, sizeof directory, "%s", request->path);
	char *slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory] = '\0';
	if (durei_file_space(slash ? directory : ".", &space) < 0 || !space.is_hugetlb)
		return durei_error(EOPNOTSUPP, "%s does not lie on a hugetlbfs: mount one (mount -t "
				   "hugetlbfs none DIRECTORY) and raise vm.nr_hugepages",
				   request->path);
	return 0;
}

static int prepare_memory_file(struct durei_request *request)
{
	if ((request->flags & (DURE_CREATE | DURE_OPEN)) == (DURE_CREATE | DURE_OPEN))
		return durei_error(EINVAL, "a memory file is either created, or opened from "
				   "options.fd: give DURE_CREATE or DURE_OPEN");
	snprintf(request->path, sizeof request->path, "memfd:%s", request->name);
	return 0;
}

/* -- making ------------------------------------------------------------------------------ */

/* File systems without O_TMPFILE: a name nobody opens, locked while its maker lives. */
static int new_file_with_name(dure_segment *seg, const char *directory)
{
	char path[1024];
	uint32_t number;

	durei_leftovers_sweep(directory);
	seg->fd = durei_new_locked_file(directory, "", path, sizeof path, &number);
	if (seg->fd < 0)
		return seg->fd;
	int r = durei_backing_remember(seg, path);
	if (r < 0)
		durei_file_unlink(path);
	return r;
}

int durei_new_file(dure_segment *seg, const struct durei_request *request)
{
	char directory[sizeof request->path];
	int r;

	durei_directory_of(request->path, directory, sizeof directory);
	seg->fd = durei_file_temporary(directory);
	r = seg->fd == -EOPNOTSUPP ? new_file_with_name(seg, directory)
	    : seg->fd < 0	   ? seg->fd
				   : durei_backing_remember(seg, request->path);
	if (r < 0)
		return durei_path_error(request, "create", -r);
	r = durei_file_set_mode(seg->fd, request->options.mode);
	return r < 0 ? durei_path_error(request, "create", -r) : 0;
}

int durei_name_file(dure_segment *seg, const struct durei_request *request, const char *path)
{
	bool has_name = strcmp(seg->path, request->path) != 0;
	char *copy = strdup(path);	/* first: once the file has its name, nothing may fail */
	int r;

	if (!copy)
		return durei_error_plain(ENOMEM);
	r = has_name ? durei_file_rename(seg->path, path, false) : durei_file_link(seg->fd, path);
	if (r < 0)
		free(copy);
	if (r < 0)
		return r == -EEXIST ? durei_error_plain(EEXIST)
				    : durei_path_error(request, "name", -r);
	if (has_name)
		durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
	free(seg->path);
	seg->path = copy;
	return 0;
}

void durei_unmake_file(dure_segment *seg)
{
	const char *slash = seg->path ? strrchr(seg->path, '/') : NULL;

	if (slash && strncmp(slash + 1, DUREI_NEW_PREFIX, strlen(DUREI_NEW_PREFIX)) == 0)
		durei_file_unlink(seg->path);
}

static int publish_file(dure_segment *seg, const struct durei_request *request)
{
	return durei_name_file(seg, request, request->path);
}

static int make_file(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	(void)bytes;
	return durei_new_file(seg, request);
}

static int make_memory_file(dure_segment *seg, const struct durei_request *request,
			    uint64_t bytes)
{
	(void)bytes;
	seg->fd = durei_file_memory(*request->name ? request->name : "dure",
				    request->options.flags & DURE_SEGMENT_HUGE);
	if (seg->fd < 0)
		return durei_path_error(request, "create", -seg->fd);
	return durei_backing_remember(seg, request->path);
}

static int publish_memory_file(dure_segment *seg, const struct durei_request *request)
{
	(void)request;
	(void)durei_file_seal_size(seg->fd);	/* a wall more, where the kernel has it */
	return 0;
}

/* -- finding ----------------------------------------------------------------------------- */

static int check_regular(dure_segment *seg, const struct durei_request *request)
{
	struct durei_file_facts facts;
	int r = durei_file_stat(seg->fd, &facts);

	if (r < 0)
		return durei_path_error(request, "open", -r);
	if (!facts.is_regular)
		return durei_error(EPROTO, "%s is not a file with a segment in it", request->path);
	return 0;
}

static int find_file(dure_segment *seg, const struct durei_request *request)
{
	int flags = seg->access == DUREI_ACCESS_WRITE ? O_RDWR : O_RDONLY;
	int r;

	seg->fd = durei_file_open(request->path, flags | O_NOFOLLOW | O_NONBLOCK, 0);
	if (seg->fd == -ELOOP || seg->fd == -EISDIR || seg->fd == -ENXIO)
		return durei_error(EPROTO, "%s is not a file with a segment in it", request->path);
	if (seg->fd < 0)
		return durei_path_error(request, "open", -seg->fd);
	r = check_regular(seg, request);
	return r < 0 ? r : durei_backing_remember(seg, request->path);
}

static int find_memory_file(dure_segment *seg, const struct durei_request *request)
{
	int flags = seg->access == DUREI_ACCESS_WRITE ? O_RDWR : O_RDONLY;
	int r;

	seg->fd = durei_file_reopen(request->options.fd, flags);
	if (seg->fd < 0)
		return durei_error(-seg->fd == EACCES ? EACCES : EINVAL, "options.fd %d cannot be "
				   "opened anew through /proc/self/fd: %s", request->options.fd,
				   strerror(-seg->fd));
	r = check_regular(seg, request);
	return r < 0 ? r : durei_backing_remember(seg, request->path);
}

static int read_super(dure_segment *seg, struct dl_super *ret)
{
	int r = durei_file_read_at(seg->fd, ret, sizeof *ret, 0);

	if (r == -ENODATA || r == -EINVAL)
		return durei_error(EPROTO, "%s is too short to be a segment", seg->path);
	return r < 0 ? durei_error(EIO, "%s cannot be read: %s", seg->path, strerror(-r)) : 0;
}

/* -- using ------------------------------------------------------------------------------- */

/*
 * A private view needs memory of its own beyond the end of the file: nobody may reserve
 * storage in the file for it.
 */
static int map_tail_of_view(dure_segment *seg)
{
	struct durei_file_facts facts;
	int r = durei_file_stat(seg->fd, &facts);

	if (r < 0)
		return r;
	uint64_t end = align_up(facts.size_bytes, max_u64(facts.block_bytes, durei_page_bytes()));
	return end >= seg->mapped_bytes
		       ? 0
		       : durei_map_replace(seg->base + end, seg->mapped_bytes - end);
}

static int map_file(dure_segment *seg)
{
	enum durei_map_kind kind = seg->access == DUREI_ACCESS_READ   ? DUREI_MAP_SHARED_READ
				   : seg->access == DUREI_ACCESS_VIEW ? DUREI_MAP_PRIVATE
								      : DUREI_MAP_SHARED;
	uint64_t bytes = seg->super.max_bytes;
	void *address = NULL;
	int r = durei_map_create(seg->fd, 0, bytes, kind, &address);

	/* a narrow address space gets as much as it can hold */
	while (r == -ENOMEM && bytes / 2 > seg->super.data_offset) {
		bytes = align_up(bytes / 2, UINT64_C(1) << seg->super.page_shift);
		r = durei_map_create(seg->fd, 0, bytes, kind, &address);
	}
	if (r < 0)
		return durei_error(ENOMEM, "segment %s: %" PRIu64 " MiB of address space cannot be "
				   "had: %s (RLIMIT_AS?)", seg->path, bytes >> 20, strerror(-r));
	seg->base = address;
	seg->mapped_bytes = bytes;
	r = seg->access == DUREI_ACCESS_VIEW ? map_tail_of_view(seg) : 0;
	return r < 0 ? durei_error(r == -EIO ? EIO : ENOMEM, "segment %s: no private memory for a "
				   "view: %s", seg->path, strerror(-r))
		     : 0;
}

static void unmap_file(dure_segment *seg)
{
	durei_map_remove(seg->base, seg->mapped_bytes);
}

static uint64_t file_block_bytes(int fd)
{
	struct durei_file_facts facts;

	return durei_file_stat(fd, &facts) == 0 ? facts.block_bytes : durei_page_bytes();
}

static int reserve_file(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	if (seg->access == DUREI_ACCESS_VIEW)
		return 0;		/* private memory all along */
	int fd = durei_backing_fd(seg);
	return fd < 0 ? fd : durei_file_reserve(fd, offset, bytes);
}

static int reserve_huge(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	uint64_t unit = file_block_bytes(seg->fd);
	uint64_t start = align_down(offset, unit);

	return reserve_file(seg, start, align_up(offset + bytes, unit) - start);
}

static int release_file(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	if (seg->access == DUREI_ACCESS_VIEW)
		return -EOPNOTSUPP;
	int fd = durei_backing_fd(seg);
	return fd < 0 ? fd : durei_file_release(fd, offset, bytes);
}

static uint64_t backed_bytes_of_file(dure_segment *seg)
{
	struct durei_file_facts facts;
	int fd;

	if (seg->access == DUREI_ACCESS_VIEW)
		return seg->mapped_bytes;
	fd = durei_backing_fd(seg);
	if (fd < 0 || durei_file_stat(fd, &facts) < 0)	/* backed memory stays backed */
		return __atomic_load_n(&seg->backed_bytes, __ATOMIC_RELAXED);
	return min_u64(facts.size_bytes, seg->mapped_bytes);
}

static int open_lock_file(dure_segment *seg, bool writable)
{
	int fd = durei_backing_fd(seg);

	return fd < 0 ? fd : durei_file_reopen(fd, writable ? O_RDWR : O_RDONLY);
}

static uint64_t grain_huge(const struct durei_request *request)
{
	(void)request;
	uint64_t bytes = durei_huge_page_bytes();
	return bytes ? bytes : durei_page_bytes();
}

static uint64_t grain_memory_file(const struct durei_request *request)
{
	return request->options.flags & DURE_SEGMENT_HUGE ? grain_huge(request)
							   : durei_page_bytes();
}

#define KERNEL (1u << DURE_LIFETIME_KERNEL)
#define FILESYSTEM (1u << DURE_LIFETIME_FILESYSTEM)
#define PROCESS (1u << DURE_LIFETIME_PROCESS)

const struct durei_backing durei_backing_posix = {
	.kind = DURE_BACKING_POSIX, .title = "POSIX shared memory", .lifetimes = KERNEL,
	.default_lifetime = DURE_LIFETIME_KERNEL, .is_sparse = true, .grows = true,
	.has_locks = true, .prepare = prepare_posix, .make = make_file,
	.publish = publish_file, .unmake = durei_unmake_file, .find = find_file,
	.read_super = read_super, .map = map_file, .unmap = unmap_file, .reserve = reserve_file, .release = release_file,
	.backed_bytes = backed_bytes_of_file, .open_lock_file = open_lock_file,
	.grain_bytes = durei_grain_small,
};

const struct durei_backing durei_backing_file = {
	.kind = DURE_BACKING_FILE, .title = "a mapped file", .lifetimes = FILESYSTEM,
	.default_lifetime = DURE_LIFETIME_FILESYSTEM, .is_sparse = true, .grows = true,
	.has_locks = true, .prepare = prepare_path, .make = make_file,
	.publish = publish_file, .unmake = durei_unmake_file, .find = find_file,
	.read_super = read_super, .map = map_file, .unmap = unmap_file, .reserve = reserve_file, .release = release_file,
	.backed_bytes = backed_bytes_of_file, .open_lock_file = open_lock_file,
	.grain_bytes = durei_grain_small,
};

const struct durei_backing durei_backing_huge = {
	.kind = DURE_BACKING_HUGE, .title = "a hugetlbfs file", .lifetimes = KERNEL,
	.default_lifetime = DURE_LIFETIME_KERNEL, .is_sparse = false, .grows = false,
	.has_locks = true, .prepare = prepare_huge, .make = make_file,
	.publish = publish_file, .unmake = durei_unmake_file, .find = find_file,
	.read_super = read_super, .map = map_file, .unmap = unmap_file, .reserve = reserve_huge, .release = release_file,
	.backed_bytes = backed_bytes_of_file, .open_lock_file = open_lock_file,
	.grain_bytes = grain_huge,
};

const struct durei_backing durei_backing_memory_file = {
	.kind = DURE_BACKING_MEMORY_FILE, .title = "a memory file", .lifetimes = PROCESS,
	.default_lifetime = DURE_LIFETIME_PROCESS, .is_sparse = true, .grows = true,
	.has_locks = true, .prepare = prepare_memory_file, .make = make_memory_file,
	.publish = publish_memory_file, .find = find_memory_file,
	.read_super = read_super, .map = map_file, .unmap = unmap_file,
	.reserve = reserve_huge, .release = release_file,
	.backed_bytes = backed_bytes_of_file, .open_lock_file = open_lock_file,
	.grain_bytes = grain_memory_file,
};
