/* SPDX-License-Identifier: MIT */
/*
 * posix_shm.c - POSIX shared memory that is never seen without its size
 *
 * Death    making: native/posix.c. Resizing is one system call.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/options.h"
#include "native/posix.h"
#include "os/file.h"

static int open_file(const struct durei_posix_request *request)
{
	bool read_only = request->flags & DURE_READ_ONLY;

	return durei_file_open(request->path, (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW |
							      O_NONBLOCK, 0);	/* it may be a FIFO */
}

static int create_file(const struct durei_posix_request *request)
{
	const struct dure_posix_shm_options *options = request->context;

	return durei_posix_make_file(request, options->size_bytes,
				     options->flags & DURE_POSIX_SHM_SPARSE, NULL);
}

static int check_size(const struct durei_posix_request *request, int fd)
{
	const struct dure_posix_shm_options *options = request->context;
	struct durei_file_facts facts = { 0 };
	int r = durei_file_stat(fd, &facts);

	if (r < 0)
		return durei_posix_error(request, "open", -r);
	if (!facts.is_regular)
		return durei_error(EINVAL, "%s is no POSIX shared memory: it is not a file",
				   request->path);
	if (facts.size_bytes < options->size_bytes)
		return durei_error(EINVAL, "POSIX shared memory %s has %" PRIu64 " bytes, not the %"
				   PRIu64
				   " asked for: it is of another version, another program's, or "
				   "its maker has not sized it yet", request->name,
				   facts.size_bytes, options->size_bytes);
	return 0;
}

int dure_posix_shm_open(const char *name, uint32_t flags,
			const struct dure_posix_shm_options *options, int *ret_fd)
{
	struct dure_posix_shm_options mine;
	struct durei_posix_request request = { .kind = DURE_POSIX_SHM, .name = name, .flags = flags,
					       .open = open_file, .create = create_file,
					       .context = &mine };
	int fd = -1;
	int r = durei_options_read(&mine, sizeof mine, sizeof mine, options);

	if (r < 0)
		return r;
	if (!ret_fd || mine.flags & ~(uint32_t)(DURE_POSIX_PORTABLE | DURE_POSIX_SHM_SPARSE) ||
	    mine.size_bytes > INT64_MAX)
		return durei_error(EINVAL, "options.flags %#" PRIx32 ", size %" PRIu64 ": "
				   "DURE_POSIX_PORTABLE and _SHM_SPARSE only, and ret_fd not NULL",
				   mine.flags, mine.size_bytes);
	request.mode = mine.mode;
	r = durei_posix_prepare(&request, mine.flags);
	if (r < 0)
		return r;
	int made = durei_posix_get(&request, &fd);
	if (made == -ENOSPC || made == -EFBIG)
		return durei_posix_no_space("cannot create POSIX shared memory", mine.size_bytes);
	if (made < 0)
		return durei_posix_error(&request, flags & DURE_CREATE ? "create" : "open", -made);
	r = made == 0 ? check_size(&request, fd) : 0;
	if (r < 0) {
		durei_file_close(fd);
		return r;
	}
	*ret_fd = fd;
	return made;
}

int dure_posix_shm_resize(int fd, uint64_t size_bytes)
{
	struct durei_file_facts facts = { 0 };
	int r = size_bytes > INT64_MAX ? -EFBIG : durei_file_stat(fd, &facts);

	if (r == 0 && size_bytes > facts.size_bytes)
		r = durei_file_reserve(fd, facts.size_bytes, size_bytes - facts.size_bytes);
	else if (r == 0 && size_bytes < facts.size_bytes)
		r = durei_file_truncate(fd, size_bytes);
	switch (-r) {
	case 0:
		return 0;
	case ENOSPC:
	case EFBIG:
		return durei_posix_no_space("cannot make POSIX shared memory larger",
					    size_bytes - facts.size_bytes);
	case EBADF:
	case EINVAL:
		return durei_error(EINVAL, "descriptor %d is not of shared memory that is open for "
				   "writing", fd);
	case EOPNOTSUPP:
		return durei_error(EOPNOTSUPP, "descriptor %d: its file system reserves no storage",
				   fd);
	default:
		return durei_error(EIO, "cannot resize descriptor %d: the kernel refuses it (error "
				   "%d)", fd, -r);
	}
}
