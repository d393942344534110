/* SPDX-License-Identifier: MIT */
/*
 * posix.c - POSIX names, and what the three kinds of objects have in common
 *
 * Why      shm_open makes a file of 0 bytes, whose size a second call sets: who opens it between
 *          maps nothing, and gets SIGBUS. All three kinds take the umask from the mode. And a
 *          name with a second slash means something else on each system.
 * How      What has a file is made without a name (O_TMPFILE), gets size, storage, mode and
 *          contents, and last its name, by linkat, which fails when the name is taken.
 * Rules    [PSX1] creation is always exclusive: whoever asks for DURE_CREATE | DURE_OPEN learns
 *                  whether it was the one that created
 *          [PSX2] a name is looked at before the kernel sees it
 * Death    of durei_posix_make_file
 *          after step           is left behind           who mends it
 *          1 O_TMPFILE          nothing: it has no name  the kernel
 *          2 storage, mode      nothing                  the kernel
 *          3 linkat             complete                 -
 */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "native/posix.h"
#include "os/file.h"
#include "os/posix.h"
#include "os/self.h"

enum {
	NAME_BYTES_MAX = 255,		/* NAME_MAX of tmpfs and of mqueue */
	PORTABLE_BYTES_MAX = 30,	/* the least among today's systems, the slash not counted */
	ATTEMPTS_MAX = 64,		/* [PSX1]: of creating what others remove */
};

/* -- names -------------------------------------------------------------------------------- */

static bool is_portable(uint32_t kind, const char *name)
{
	if (kind == DURE_POSIX_SHM && strncmp(name, "sem.", 4) == 0)
		return false;	/* the file of a semaphore, with glibc */
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return false;
	return strlen(name) <= PORTABLE_BYTES_MAX && *name != '-';
}

static const char *kind_noun(uint32_t kind)
{
	return kind == DURE_POSIX_SHM ? "shared memory" : kind == DURE_POSIX_SEM ? "semaphore"
										 : "message queue";
}

int dure_posix_name_check(uint32_t kind, const char *name, uint32_t flags)
{
	size_t longest = NAME_BYTES_MAX - (kind == DURE_POSIX_SEM ? strlen(DUREI_SEM_PREFIX) : 0);

	if (kind < DURE_POSIX_SHM || kind > DURE_POSIX_QUEUE ||
	    flags & ~(uint32_t)DURE_POSIX_PORTABLE)
		return durei_error(EINVAL, "kind %" PRIu32 ", flags %#" PRIx32 ": DURE_POSIX_SHM, "
				   "_SEM or _QUEUE, and DURE_POSIX_PORTABLE or 0", kind, flags);
	if (!name || name[0] != '/')
		return durei_error(EINVAL, "the name of POSIX %s must begin with a slash, as "
				   "\"/name\": it is \"%.200s\"", kind_noun(kind),
				   name ? name : "NULL");
	if (!name[1] || strcmp(name, "/.") == 0 || strcmp(name, "/..") == 0)
		return durei_error(EINVAL, "\"%s\" is no name for POSIX %s: there must be one "
				   "behind the slash", name, kind_noun(kind));
	if (strchr(name + 1, '/'))
		return durei_error(EINVAL, "the name of POSIX %s may have one slash, the first: it "
				   "is \"%.200s\"", kind_noun(kind), name);
	if (strlen(name + 1) > longest)
		return durei_error(EINVAL, "the name of POSIX %s may have %zu bytes behind the "
				   "slash: \"%.100s...\" has %zu", kind_noun(kind), longest, name,
				   strlen(name + 1));
	if ((flags & DURE_POSIX_PORTABLE) && !is_portable(kind, name + 1))
		return durei_error(EINVAL, "\"%.200s\" is no portable name: take at most %d "
				   "letters, digits, \".\", \"_\" and \"-\" behind the slash", name,
				   PORTABLE_BYTES_MAX);
	return 0;
}

static void make_path(uint32_t kind, const char *name, char path[DUREI_POSIX_PATH_BYTES])
{
	snprintf(path, DUREI_POSIX_PATH_BYTES, "%s/%s%s", DUREI_SHM_DIRECTORY,
		 kind == DURE_POSIX_SEM ? DUREI_SEM_PREFIX : "", name + 1);
}

int durei_posix_prepare(struct durei_posix_request *request, uint32_t option_flags)
{
	uint32_t flags = request->flags;
	uint32_t allowed = DURE_CREATE | DURE_OPEN |
			   (request->kind == DURE_POSIX_SHM ? (uint32_t)DURE_READ_ONLY : 0);
	int r = dure_posix_name_check(request->kind, request->name,
				      option_flags & DURE_POSIX_PORTABLE);	/* [PSX2] */

	if (r < 0)
		return r;
	if (flags & ~allowed || !(flags & (DURE_CREATE | DURE_OPEN)))
		return durei_error(EINVAL, "flags are %#" PRIx32 ": DURE_CREATE, DURE_OPEN, or "
				   "both%s",
				   flags, request->kind == DURE_POSIX_SHM ? "; "
				   "DURE_READ_ONLY" : "");
	if (request->mode > 0777)
		return durei_error(EINVAL, "options.mode is %#" PRIo32 ": at most 0777",
				   request->mode);
	if (!request->mode)
		request->mode = 0600;
	make_path(request->kind, request->name, request->path);
	return 0;
}

/* -- sentences ---------------------------------------------------------------------------- */

int durei_posix_no_space(const char *what, uint64_t bytes)
{
	struct durei_space space = { 0 };

	durei_file_space(DUREI_SHM_DIRECTORY, &space);
	return durei_error(ENOSPC, "%s: %" PRIu64 " bytes do not fit into %s (%" PRIu64 " of %"
			   PRIu64
			   " bytes free): remove what nobody needs there, or make it larger (mount "
			   "-o remount,size=..., docker run --shm-size=...)", what, bytes,
			   DUREI_SHM_DIRECTORY, space.free_bytes, space.total_bytes);
}

int durei_posix_error(const struct durei_posix_request *request, const char *verb, int code)
{
	const char *noun = kind_noun(request->kind), *name = request->name;

	switch (code) {
	case ENOENT:
		return durei_error(ENOENT, "cannot %s POSIX %s %s: there is none%s", verb, noun,
				   name,
				   request->kind == DURE_POSIX_QUEUE ? " in this IPC "
				   "namespace" : "");
	case EEXIST:
		return durei_error(EEXIST, "cannot %s POSIX %s %s: there is one already", verb,
				   noun, name);
	case EACCES:
	case EPERM:
	case ELOOP:		/* a symbolic link of the name: somebody's trap */
		return durei_error(EACCES, "cannot %s POSIX %s %s: %s", verb, noun, name,
				   code == ELOOP ? "it is a symbolic link"
						 : "its mode, or its owner, does not allow it");
	case EBUSY:
		return durei_error(EBUSY, "cannot %s POSIX %s %s: it comes and goes, others create "
				   "and remove it all the time", verb, noun, name);
	case EMFILE:
	case ENFILE:
		return durei_error(EMFILE, "cannot %s POSIX %s %s: too many open descriptors "
				   "(RLIMIT_NOFILE is %" PRIu64 "): raise it (ulimit -n), or close "
				   "some",
				   verb, noun, name, durei_resource_max(DUREI_MAX_DESCRIPTORS));
	case ENOMEM:
		return durei_error(ENOMEM, "cannot %s POSIX %s %s: no memory", verb, noun, name);
	case ENOSYS:
	case EOPNOTSUPP:
		return durei_error(EOPNOTSUPP, "cannot %s POSIX %s %s: %s", verb, noun, name,
				   request->kind == DURE_POSIX_QUEUE
					   ? "this kernel has no POSIX queues"
					   : "the file system at " DUREI_SHM_DIRECTORY " cannot "
					     "make files without a name (O_TMPFILE)");
	case EISDIR:
		return durei_error(EINVAL, "cannot %s POSIX %s %s: it is a directory", verb, noun,
				   name);
	default:
		return durei_error(EIO, "cannot %s POSIX %s %s: the kernel refuses it (error %d)",
				   verb, noun, name, code);
	}
}

/* -- making and finding ------------------------------------------------------------------- */

int durei_posix_get(const struct durei_posix_request *request, int *ret_fd)
{
	for (int attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
		int fd = request->flags & DURE_OPEN ? request->open(request) : -ENOENT;
		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (fd != -ENOENT || !(request->flags & DURE_CREATE))
			return fd;
		fd = request->create(request);		/* [PSX1] */
		if (fd >= 0) {
			*ret_fd = fd;
			return DURE_CREATED;
		}
		if (fd != -EEXIST || !(request->flags & DURE_OPEN))
			return fd;
	}
	return -EBUSY;
}

int durei_posix_make_file(const struct durei_posix_request *request, uint64_t bytes, bool is_sparse,
			  const void *contents)
{
	int fd = durei_file_temporary(DUREI_SHM_DIRECTORY);		/* step 1 */
	int r = fd;

	if (r >= 0 && bytes)						/* step 2 */
		r = is_sparse ? durei_file_truncate(fd, bytes) : durei_file_reserve(fd, 0, bytes);
	if (r >= 0 && contents)
		r = durei_file_write_at(fd, contents, (size_t)bytes, 0);
	if (r >= 0)
		r = durei_file_set_mode(fd, request->mode);
	if (r >= 0)
		r = durei_file_link(fd, request->path);			/* step 3 */
	if (r >= 0)
		return fd;
	durei_file_close(fd);
	return r;
}

int dure_posix_remove(uint32_t kind, const char *name)
{
	struct durei_posix_request request = { .kind = kind, .name = name };
	int r = dure_posix_name_check(kind, name, 0);

	if (r < 0)
		return r;
	make_path(kind, name, request.path);
	r = kind == DURE_POSIX_QUEUE ? durei_queue_unlink(name) : durei_file_unlink(request.path);
	return r < 0 ? durei_posix_error(&request, "remove", -r) : 0;
}

/* -- limits ------------------------------------------------------------------------------- */

static bool read_number(const char *path, uint64_t *ret)
{
	char text[32];

	if (durei_file_read_text(path, text, sizeof text) < 0)
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

int dure_posix_limits(struct dure_posix_limits *ret)
{
	struct dure_posix_limits all = { .sem_value_max = durei_posix_sem_value_max() };
	struct durei_space space = { 0 };

	if (!ret)
		return durei_error(EINVAL, "ret is NULL");
	if (durei_file_space(DUREI_SHM_DIRECTORY, &space) < 0)
		return durei_error(EOPNOTSUPP, "there is no " DUREI_SHM_DIRECTORY);
	if (!read_number("/proc/sys/fs/mqueue/queues_max", &all.queues_max) ||
	    !read_number("/proc/sys/fs/mqueue/msg_max", &all.messages_max) ||
	    !read_number("/proc/sys/fs/mqueue/msgsize_max", &all.message_bytes_max) ||
	    !read_number("/proc/sys/fs/mqueue/msg_default", &all.messages_default) ||
	    !read_number("/proc/sys/fs/mqueue/msgsize_default", &all.message_bytes_default))
		return durei_error(EOPNOTSUPP, "/proc/sys/fs/mqueue cannot be read: a kernel "
				   "without POSIX queues, or no /proc");
	all.shm_bytes = space.total_bytes;
	all.shm_free_bytes = space.free_bytes;
	all.queue_bytes_max = durei_resource_max(DUREI_MAX_QUEUE_BYTES);
	return durei_options_write(ret, &all, sizeof all, sizeof all);
}
