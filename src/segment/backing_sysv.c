/* SPDX-License-Identifier: MIT */
/*
 * backing_sysv.c - segments in System V shared memory, by key, by id, or behind a name
 *
 * Why      Only System V gives named memory of process lifetime: a segment that is doomed
 *          (IPC_RMID) while attached can still be attached by id, and the kernel frees it
 *          with the last attachment, however that ends. What it has not is a file for locks,
 *          so each segment has an empty one beside it in /dev/shm. An empty file and a short
 *          link take no pages: if all users are killed together, no shared memory stays.
 * Layout   by key       dure.sysv.NAMESPACE.key-KEY      lock file
 *          by id        dure.sysv.NAMESPACE.id-ID        lock file
 *          by name      dure.NAME -> dure.NAME.sysv-ID-NONCE, a link to the lock file's name
 *          NAMESPACE is the inode of the IPC namespace: keys and ids mean nothing outside it.
 *          NONCE is the start of the segment's uuid: ids are used again.
 * Rules    [SYSV1] by key, the half-made segment is visible; who makes it holds the ADMIN
 *                  byte of the lock file, and the magic bytes come last. Who finds a segment
 *                  without magic while holding ADMIN knows that its maker is dead.
 *          [SYSV2] a name whose id is gone, or is another segment's, is stale; it is replaced
 *                  under the ADMIN byte of its lock file, after looking again
 *          [SYSV3] without a key of the caller's, a note says under which key the segment is
 *                  being made (leftovers.c); IPC_RMID makes that key nobody's again
 * Death    by name, after step      is left behind                 who mends it
 *          1 note                   an unlocked note               leftovers.c, for the next
 *                                                                  creator
 *          2 shmget                 note and segment               the same
 *          3 shmat, IPC_RMID        note                           the kernel, and the same
 *          4 lock file              an empty file                  the same
 *          5 link                   complete                       its next user
 *          by id, after step
 *          1, 2                     as above
 *          3 lock file              note, segment, empty file      leftovers.c
 *          4 magic                  complete, and the note         its next user; leftovers.c
 *                                                                  takes the note away
 *          by key, after step
 *          1 lock file, ADMIN       an empty file                  the next opener uses it
 *          2 shmget                 a segment without magic        the next opener, [SYSV1]
 *          3 magic                  complete                       its next user
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

static void name_lock_file_by_key(struct durei_request *request, const char *directory, int32_t key)
{
	if (key)
		snprintf(request->path, sizeof request->path, "%s/dure.sysv.%" PRIu64 ".key-%08x",
			 directory, durei_ipc_namespace(), (unsigned)key);
}

static int prepare_sysv(struct durei_request *request)
{
	const struct dure_segment_options *o = &request->options;
	struct durei_sysv_facts facts;
	struct durei_file_facts file;
	const char *directory = o->directory ? o->directory : DUREI_POSIX_DIRECTORY;

	if (*request->name)
		return durei_error(EINVAL, "System V shared memory has a key, not a name: set "
				   "options.key, or ask for process lifetime and no backing");
	if (!o->key && (request->flags & (DURE_CREATE | DURE_OPEN)) == (DURE_CREATE | DURE_OPEN))
		return durei_error(EINVAL, "a System V segment without a key is either created, or "
				   "opened by options.id: give DURE_CREATE or DURE_OPEN");
	name_lock_file_by_key(request, directory, o->key);
	/* by id: one that was made with a key has its lock file by that key */
	if (!o->key && o->id && durei_sysv_stat(o->id, &facts) == 0 && facts.key)
		name_lock_file_by_key(request, directory, facts.key);
	if (!o->key && (!*request->path || durei_file_stat_path(request->path, &file) < 0))
		snprintf(request->path, sizeof request->path, "%s/dure.sysv.%" PRIu64 ".id-%d",
			 directory, durei_ipc_namespace(), o->id);
	return 0;
}

static int sysv_error(const struct durei_request *request, const char *verb, int code)
{
	if (code == ENOENT || code == EINVAL || code == EIDRM)
		return durei_error(ENOENT, "cannot %s System V segment (key %#x, id %d): there is "
				   "none", verb, (unsigned)request->options.key,
				   request->options.id);
	if (code == ENOSPC)
		return durei_error(ENOSPC, "cannot %s a System V segment: kernel.shmmni or "
				   "kernel.shmall is used up: raise it with sysctl, or remove what "
				   "is not needed (dure ls)", verb);
	if (code == ENOMEM)
		return durei_error(ENOMEM, "cannot %s a System V segment: no memory, or not enough "
				   "huge pages (vm.nr_hugepages)", verb);
	return durei_path_error(request, verb, code);
}

/*
 * Opens the lock file, making it where there is none. Not with O_CREAT on an existing one:
 * fs.protected_regular forbids that in /dev/shm for other users' files.
 */
static int open_lock_path(const char *path, uint32_t mode, bool create, bool writable)
{
	int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW;

	for (int attempts = 0; attempts < 8; attempts++) {
		int fd = durei_file_open(path, flags, 0);
		if (fd != -ENOENT || !create)
			return fd;
		fd = durei_file_open(path, O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL, 0600);
		if (fd >= 0) {
			durei_file_set_mode(fd, mode);
			return fd;
		}
		if (fd != -EEXIST)
			return fd;
	}
	return -EBUSY;
}

static int attach(dure_segment *seg, int id)
{
	struct durei_sysv_facts facts;
	void *address;
	int r = durei_sysv_stat(id, &facts);

	if (r == 0)
		r = durei_sysv_attach(id, seg->access == DUREI_ACCESS_READ, &address);
	if (r < 0)
		return r;
	seg->sysv_id = id;
	seg->base = address;
	seg->mapped_bytes = facts.size_bytes;
	return 0;
}

/* -- by key or id ------------------------------------------------------------------------ */

static int begin_note(dure_segment *seg, const struct durei_request *request, int32_t *ret_key)
{
	char directory[sizeof request->path], path[sizeof directory + 64];
	int fd;

	durei_directory_of(request->path, directory, sizeof directory);
	durei_leftovers_sweep(directory);
	fd = durei_note_begin(directory, path, sizeof path, ret_key);
	if (fd < 0)
		return fd;
	seg->note_path = strdup(path);
	seg->note_fd = fd;
	if (seg->note_path)
		return 0;
	durei_file_unlink(path);
	durei_file_close(fd);
	return -ENOMEM;
}

static void end_note(dure_segment *seg)
{
	if (!seg->note_path)
		return;
	durei_file_unlink(seg->note_path);
	durei_file_close(seg->note_fd);
	free(seg->note_path);
	seg->note_path = NULL;
}

static int new_sysv(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	const struct dure_segment_options *o = &request->options;
	int32_t key = o->key;
	int r = key ? 0 : begin_note(seg, request, &key);	/* [SYSV3] */

	if (r < 0)
		return r;
	int id = durei_sysv_get(key, bytes, o->mode, true, o->flags & DURE_SEGMENT_HUGE);
	if (id < 0)
		return id;
	r = attach(seg, id);
	if (r < 0 || o->lifetime == DURE_LIFETIME_PROCESS)
		durei_sysv_remove(id);	/* doomed: goes with the last attachment */
	else
		seg->sysv_is_new = true;
	if (o->lifetime == DURE_LIFETIME_PROCESS)
		end_note(seg);
	return r;
}

/* The creation failed later. A key's lock file stays: somebody may be waiting for its lock. */
static void unmake_sysv(dure_segment *seg)
{
	if (seg->sysv_is_new)
		durei_sysv_remove(seg->sysv_id);
	const char *slash = seg->path ? strrchr(seg->path, '/') : NULL;
	if (slash && seg->backing == &durei_backing_sysv && strstr(slash, ".id-"))
		durei_file_unlink(seg->path);
	durei_unmake_file(seg);
	end_note(seg);
}

/* [SYSV1]: with ADMIN held, a segment without magic has no living maker. */
static bool remove_half_made(const struct durei_request *request)
{
	int id = durei_sysv_get(request->options.key, 0, 0, false, false);
	void *address;

	if (id < 0 || durei_sysv_attach(id, true, &address) < 0)
		return false;
	bool is_half_made = *(const volatile uint8_t *)address == 0;
	durei_sysv_detach(address);
	return is_half_made && durei_sysv_remove(id) == 0;
}

static int make_by_key(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	seg->fd = open_lock_path(request->path, request->options.mode, true, true);
	if (seg->fd < 0)
		return durei_path_error(request, "create", -seg->fd);
	int r = durei_admin_lock(seg->fd, request->path);
	if (r < 0)
		return r;
	r = new_sysv(seg, request, bytes);
	if (r == -EEXIST && remove_half_made(request))
		r = new_sysv(seg, request, bytes);
	if (r == -EEXIST)
		return durei_error(EEXIST, "a System V segment with key %#x exists already",
				   (unsigned)request->options.key);
	return r < 0 ? sysv_error(request, "create", -r)
		     : durei_backing_remember(seg, request->path);
}

static int make_by_id(dure_segment *seg, struct durei_request *request, uint64_t bytes)
{
	int r = new_sysv(seg, request, bytes);

	if (r < 0)
		return sysv_error(request, "create", -r);
	request->options.id = seg->sysv_id;
	prepare_sysv(request);
	durei_file_unlink(request->path);	/* of an earlier segment with this id */
	seg->fd = open_lock_path(request->path, request->options.mode, true, true);
	if (seg->fd < 0)
		return durei_path_error(request, "create", -seg->fd);
	r = durei_backing_remember(seg, request->path);
	if (r < 0)
		durei_file_unlink(request->path);
	return r;
}

static int make_sysv(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	struct durei_request mine = *request;

	return request->options.key ? make_by_key(seg, request, bytes)
				    : make_by_id(seg, &mine, bytes);
}

static int publish_sysv(dure_segment *seg, const struct durei_request *request)
{
	if (request->options.key)
		durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
	end_note(seg);
	seg->sysv_is_new = false;
	return 0;
}

/*
 * The lock file is gone, somebody cleaned /dev/shm. With users still attached a new file
 * would make them look dead; without any it does no harm.
 */
static int renew_lock_file(dure_segment *seg, const struct durei_request *request, int id)
{
	char magic[sizeof DL_MAGIC] = "";
	struct durei_sysv_facts facts;
	void *address;
	int r = durei_sysv_stat(id, &facts);

	if (r == 0)
		r = durei_sysv_attach(id, true, &address);
	if (r < 0)
		return sysv_error(request, "open", -r);
	if (facts.size_bytes >= sizeof(struct dl_super))
		memcpy(magic, address, sizeof ((struct dl_super *)0)->magic);
	durei_sysv_detach(address);
	if (!request->options.key &&	/* else it may be half made: find_sysv will see */
	    memcmp(magic, DL_MAGIC, sizeof ((struct dl_super *)0)->magic) != 0)
		return durei_error(EPROTO, "System V segment %d is not a dure segment (it does not "
				   "begin with the magic bytes)", id);
	if (facts.attached > 0)
		return durei_error(ESTALE, "System V segment %d: its lock file %s was removed while "
				   "%" PRIu64 " processes use it: let them end first", id,
				   request->path, facts.attached);
	seg->fd = open_lock_path(request->path, facts.mode, true, true);
	return seg->fd < 0 ? durei_path_error(request, "open", -seg->fd) : 0;
}

static int find_sysv(dure_segment *seg, const struct durei_request *request)
{
	const struct dure_segment_options *o = &request->options;
	bool writable = seg->access == DUREI_ACCESS_WRITE;
	int id = o->key ? durei_sysv_get(o->key, 0, 0, false, false) : o->id, r = 0;

	if (id < 0)
		return sysv_error(request, "open", -id);
	seg->fd = open_lock_path(request->path, o->mode, false, writable);
	if (seg->fd == -ENOENT)
		r = renew_lock_file(seg, request, id);
	else if (seg->fd < 0)
		r = durei_path_error(request, "open", -seg->fd);
	if (r == 0 && o->key && writable) {	/* wait for a living maker */
		r = durei_admin_lock(seg->fd, request->path);
		if (r == 0)
			durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
	}
	if (r < 0)
		return r;
	r = attach(seg, id);
	if (r < 0)
		return sysv_error(request, "open", -r);
	if (o->key && *seg->base == 0)
		return durei_error(ENOENT, "the System V segment with key %#x was never completed: "
				   "its maker died; creating it replaces it", (unsigned)o->key);
	return durei_backing_remember(seg, request->path);
}

/* -- behind a name ----------------------------------------------------------------------- */

struct link_target {
	int id;
	uint64_t nonce;
	char path[512];			/* of the lock file */
};

static uint64_t nonce_of(const struct dl_super *super)
{
	uint64_t nonce;

	memcpy(&nonce, super->uuid, sizeof nonce);
	return nonce;
}

static int read_link(const char *path, struct link_target *ret)
{
	char target[256], *end, *mark;
	int r = durei_file_read_link(path, target, sizeof target);

	if (r < 0)
		return r;
	mark = strstr(target, ".sysv-");
	if (!mark || strchr(target, '/'))
		return -EPROTO;
	ret->id = (int)strtol(mark + strlen(".sysv-"), &end, 10);
	if (*end != '-')
		return -EPROTO;
	ret->nonce = strtoull(end + 1, NULL, 16);
	const char *slash = strrchr(path, '/');
	snprintf(ret->path, sizeof ret->path, "%.*s/%s", (int)(slash - path), path, target);
	return 0;
}

/* Is the memory behind the link still there? */
static bool link_is_alive(const struct link_target *target)
{
	struct durei_sysv_facts facts;
	struct dl_super super;
	void *address;
	int r = durei_sysv_stat(target->id, &facts);

	if (r == -EACCES)
		return true;		/* not ours to see: do not call it stale */
	if (r < 0 || facts.size_bytes < sizeof super)
		return false;
	if (durei_sysv_attach(target->id, true, &address) < 0)
		return true;
	memcpy(&super, address, sizeof super);
	durei_sysv_detach(address);
	return memcmp(super.magic, DL_MAGIC, sizeof super.magic) == 0 &&
	       nonce_of(&super) == target->nonce;
}

/*
 * [SYSV2]: takes a stale name away; somebody else may have done it meanwhile. In another IPC
 * namespace the memory may be there, and in use: the locks on the file say so.
 */
static void remove_stale_link(const char *path, const struct link_target *stale)
{
	struct link_target now;
	int fd = durei_file_open(stale->path, O_RDWR | O_NOFOLLOW, 0);

	if (fd >= 0 && durei_admin_lock(fd, stale->path) < 0) {
		durei_file_close(fd);
		return;
	}
	if (read_link(path, &now) == 0 && strcmp(now.path, stale->path) == 0 &&
	    (fd == -ENOENT || (fd >= 0 && !durei_is_in_use(fd)))) {
		durei_file_unlink(path);
		durei_file_unlink(stale->path);
	}
	durei_file_close(fd);
}

static int prepare_link(struct durei_request *request)
{
	return durei_posix_path(request, request->path, sizeof request->path);
}

static int make_link(dure_segment *seg, const struct durei_request *request, uint64_t bytes)
{
	int r = new_sysv(seg, request, bytes);

	if (r < 0)
		return sysv_error(request, "create", -r);
	r = durei_new_file(seg, request);	/* nameless, until publish_link */
	return r;
}

static int publish_link(dure_segment *seg, const struct durei_request *request)
{
	char lock_path[sizeof request->path + 64];
	int r;

	snprintf(lock_path, sizeof lock_path, "%s.sysv-%d-%016" PRIx64, request->path,
		 seg->sysv_id, nonce_of(&seg->super));
	r = durei_name_file(seg, request, lock_path);
	if (r < 0)
		return r;
	r = durei_file_symlink(strrchr(lock_path, '/') + 1, request->path);
	if (r < 0) {
		durei_file_unlink(lock_path);
		return r == -EEXIST ? durei_error_plain(EEXIST)
				    : durei_path_error(request, "name", -r);
	}
	return 0;
}

static int find_link(dure_segment *seg, const struct durei_request *request)
{
	bool writable = seg->access == DUREI_ACCESS_WRITE;
	struct link_target target;
	int r = read_link(request->path, &target);

	if (r == -EPROTO || r == -EINVAL)
		return durei_error(EPROTO, "%s is not a segment's name", request->path);
	if (r < 0)
		return durei_path_error(request, "open", -r);
	if (!link_is_alive(&target)) {
		remove_stale_link(request->path, &target);
		return durei_path_error(request, "open", ENOENT);
	}
	seg->fd = open_lock_path(target.path, 0, false, writable);
	if (seg->fd < 0)
		return durei_path_error(request, "open", -seg->fd);
	r = attach(seg, target.id);
	if (r == -EINVAL || r == -EIDRM)	/* gone between the two looks */
		return durei_path_error(request, "open", ENOENT);
	return r < 0 ? sysv_error(request, "open", -r)
		     : durei_backing_remember(seg, target.path);
}

/* -- using ------------------------------------------------------------------------------- */

static int read_super(dure_segment *seg, struct dl_super *ret)
{
	if (seg->mapped_bytes < DL_SUPER_BYTES)
		return durei_error(EPROTO, "System V segment %d is too short", seg->sysv_id);
	memcpy(ret, seg->base, sizeof *ret);
	return 0;
}

/* attached already: the id and the address came together */
static int map_sysv(dure_segment *seg)
{
	if (seg->mapped_bytes < seg->super.max_bytes)
		return durei_error(EUCLEAN, "System V segment %d has %" PRIu64 " bytes, its super "
				   "block says %" PRIu64, seg->sysv_id, seg->mapped_bytes,
				   seg->super.max_bytes);
	seg->mapped_bytes = seg->super.max_bytes;	/* the tables know of no more */
	return 0;
}

static void unmap_sysv(dure_segment *seg)
{
	durei_sysv_detach(seg->base);
}

static int reserve_sysv(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	uint64_t page = durei_page_bytes();
	uint64_t start = align_down(offset, page);
	uint64_t end = min_u64(align_up(offset + bytes, page), seg->mapped_bytes);
	int r = durei_map_populate(seg->base + start, end - start, true);

	/* before Linux 5.14 there is nothing to ask: the pages come with the first touch */
	return r == -EINVAL ? 0 : r;
}

static int release_sysv(dure_segment *seg, uint64_t offset, uint64_t bytes)
{
	return durei_map_release_shared(seg->base + offset, bytes);
}

static uint64_t backed_bytes_of_sysv(dure_segment *seg)
{
	return seg->mapped_bytes;
}

static int open_sysv_lock_file(dure_segment *seg, bool writable)
{
	int fd = durei_backing_fd(seg);

	return fd < 0 ? fd : durei_file_reopen(fd, writable ? O_RDWR : O_RDONLY);
}

static uint64_t grain_sysv(const struct durei_request *request)
{
	uint64_t huge = request->options.flags & DURE_SEGMENT_HUGE ? durei_huge_page_bytes() : 0;

	return huge ? huge : durei_page_bytes();
}

#define KERNEL (1u << DURE_LIFETIME_KERNEL)
#define PROCESS (1u << DURE_LIFETIME_PROCESS)

const struct durei_backing durei_backing_sysv = {
	.kind = DURE_BACKING_SYSV, .title = "System V shared memory",
	.lifetimes = KERNEL | PROCESS, .default_lifetime = DURE_LIFETIME_KERNEL,
	.is_sparse = true, .grows = false, .has_locks = true, .prepare = prepare_sysv,
	.make = make_sysv, .publish = publish_sysv, .unmake = unmake_sysv, .find = find_sysv,
	.read_super = read_super, .map = map_sysv, .unmap = unmap_sysv, .reserve = reserve_sysv,
	.release = release_sysv, .backed_bytes = backed_bytes_of_sysv,
	.open_lock_file = open_sysv_lock_file, .grain_bytes = grain_sysv,
};

const struct durei_backing durei_backing_link = {
	.kind = DURE_BACKING_SYSV, .title = "memory of process lifetime", .lifetimes = PROCESS,
	.default_lifetime = DURE_LIFETIME_PROCESS, .is_sparse = true, .grows = true,
	.has_locks = true, .prepare = prepare_link, .make = make_link, .publish = publish_link,
	.unmake = unmake_sysv, .find = find_link, .read_super = read_super, .map = map_sysv,
	.unmap = unmap_sysv, .reserve = reserve_sysv, .release = release_sysv,
	.backed_bytes = backed_bytes_of_sysv, .open_lock_file = open_sysv_lock_file,
	.grain_bytes = grain_sysv,
};
