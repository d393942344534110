/* SPDX-License-Identifier: MIT */
/*
 * posix_sem.c - POSIX semaphores, named and unnamed, with exact modes and monotonic timeouts
 *
 * Why      sem_open takes the umask from the mode, maps a file of any size (and the program gets
 *          SIGBUS), and its timed wait goes by the wall clock.
 * How      A named semaphore is a file with the libc's sem_t in it. It is made and mapped here, as
 *          the libc does it, under the name that the libc uses, so that both find it.
 * Rules    [PSEM1] a file is mapped only when it is as long as this libc's sem_t: that of 32-bit
 *                  programs is another
 * Death    making: native/posix.c. A POSIX semaphore knows no holder: what a dead process took
 *          does not come back.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/options.h"
#include "native/posix.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/map.h"
#include "os/posix.h"

struct dure_posix_sem {
	void *sem;			/* the libc's */
	size_t mapped_bytes;		/* 0: the memory is the caller's */
};

static int open_file(const struct durei_posix_request *request)
{
	return durei_file_open(request->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
}

static int create_file(const struct durei_posix_request *request)
{
	const struct dure_posix_sem_options *options = request->context;
	uint64_t contents[DURE_POSIX_SEM_BYTES / 8] = { 0 };

	durei_posix_sem_init(contents, options->value);
	return durei_posix_make_file(request, durei_posix_sem_bytes(), false, contents);
}

static int read_request(struct durei_posix_request *request,
			const struct dure_posix_sem_options *options,
			struct dure_posix_sem_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r < 0)
		return r;
	if (ret->flags & ~(uint32_t)DURE_POSIX_PORTABLE || ret->reserved)
		return durei_error(EINVAL, "options.flags is %#" PRIx32 ": DURE_POSIX_PORTABLE or "
				   "0", ret->flags);
	if (ret->value > durei_posix_sem_value_max())
		return durei_error(EINVAL, "options.value is %" PRIu32 ": at most %" PRIu32,
				   ret->value, durei_posix_sem_value_max());
	request->mode = ret->mode;
	request->context = ret;
	return durei_posix_prepare(request, ret->flags);
}

static int map_file(const struct durei_posix_request *request, int fd, void **ret)
{
	struct durei_file_facts facts = { 0 };
	int r = durei_file_stat(fd, &facts);

	if (r == 0 && (!facts.is_regular || facts.size_bytes != durei_posix_sem_bytes()))
		return durei_error(EINVAL, "%s is no semaphore of this libc and word size: it has %"
				   PRIu64 " bytes, not %zu", request->path, facts.size_bytes,
				   durei_posix_sem_bytes());
	if (r == 0)						/* [PSEM1] */
		r = durei_map_create(fd, 0, durei_posix_sem_bytes(), DUREI_MAP_SHARED, ret);
	return r < 0 ? durei_posix_error(request, "map", -r) : 0;
}

int dure_posix_sem_open(const char *name, uint32_t flags,
			const struct dure_posix_sem_options *options, dure_posix_sem **ret)
{
	struct durei_posix_request request = { .kind = DURE_POSIX_SEM, .name = name, .flags = flags,
					       .open = open_file, .create = create_file };
	struct dure_posix_sem_options mine;
	int fd = -1;
	int r = read_request(&request, options, &mine);

	if (r < 0)
		return r;
	if (!ret)
		return durei_error(EINVAL, "ret is NULL");
	dure_posix_sem *sem = calloc(1, sizeof *sem);
	int made = sem ? durei_posix_get(&request, &fd) : -ENOMEM;
	if (made < 0) {
		free(sem);
		return made == -ENOSPC
			       ? durei_posix_no_space("cannot create a POSIX semaphore",
						      durei_posix_sem_bytes())
			       : durei_posix_error(&request,
						   flags & DURE_CREATE ? "create" : "open", -made);
	}
	r = map_file(&request, fd, &sem->sem);
	durei_file_close(fd);
	if (r < 0) {
		if (made == DURE_CREATED)
			durei_file_unlink(request.path);
		free(sem);
		return r;
	}
	sem->mapped_bytes = durei_posix_sem_bytes();
	*ret = sem;
	return made;
}

/* -- unnamed ------------------------------------------------------------------------------ */

int dure_posix_sem_open_at(void *memory, dure_posix_sem **ret)
{
	if (!memory || (uintptr_t)memory % 8 || !ret)
		return durei_error(EINVAL, "a POSIX semaphore at %p: it needs %d bytes aligned to "
				   "8, and ret not NULL", memory, DURE_POSIX_SEM_BYTES);
	dure_posix_sem *sem = calloc(1, sizeof *sem);
	if (!sem)
		return durei_error(ENOMEM, "no memory for the handle of a semaphore");
	sem->sem = memory;
	*ret = sem;
	return 0;
}

int dure_posix_sem_create_at(void *memory, uint32_t value, dure_posix_sem **ret)
{
	if (value > durei_posix_sem_value_max())
		return durei_error(EINVAL, "the value %" PRIu32 " of a semaphore: at most %" PRIu32,
				   value, durei_posix_sem_value_max());
	int r = dure_posix_sem_open_at(memory, ret);
	if (r == 0)
		durei_posix_sem_init(memory, value);
	return r;
}

void dure_posix_sem_close(dure_posix_sem *sem)
{
	if (sem && sem->mapped_bytes)
		durei_map_remove(sem->sem, sem->mapped_bytes);
	free(sem);
}

/* -- operations --------------------------------------------------------------------------- */

int dure_posix_sem_wait(dure_posix_sem *sem, int64_t timeout_ns)
{
	if (!sem)
		return durei_error(EINVAL, "sem is NULL");
	int r = durei_posix_sem_wait(sem->sem, durei_deadline(timeout_ns));
	if (r == -EAGAIN || r == -ETIMEDOUT)
		return durei_error_plain(-r);
	return r < 0 ? durei_error(EINVAL, "the semaphore cannot be waited for (error %d)", -r) : 0;
}

int dure_posix_sem_post(dure_posix_sem *sem)
{
	int r = sem ? durei_posix_sem_post(sem->sem) : -EINVAL;

	return r < 0 ? durei_error_plain(r == -EOVERFLOW ? EMSGSIZE : EINVAL) : 0;
}

int dure_posix_sem_value(dure_posix_sem *sem)
{
	int r = sem ? durei_posix_sem_value(sem->sem) : -EINVAL;

	return r < 0 ? durei_error(EINVAL, "sem is NULL, or no semaphore") : r;
}
