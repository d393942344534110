/* SPDX-License-Identifier: MIT */
/*
 * memory.c - mappings with everything that mmap can say, and copies that survive a cut file
 *
 * How      A copy is asked of the kernel: process_vm_readv on ourselves copies between two of our
 *          own addresses, and answers EFAULT where a load would be SIGBUS. Where a seccomp filter
 *          forbids it, the bytes go through a pipe, whose calls answer EFAULT as well. A signal
 *          handler would do neither better, and belongs to the whole process.
 * Rules    [OMEM1] a copy is asked for page by page of both sides, so that a fault loses no page
 *                  before it
 * Death    Mappings end with the process.
 */
#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/map.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_HUGETLB
#define MAP_HUGETLB 0x40000
#endif

enum { HUGE_SHIFT = 26, PARTS_MAX = 256 };

static int result(int r)
{
	return r < 0 ? -errno : r;
}

/* -- mappings ----------------------------------------------------------------------------- */

static int map_flags(const struct durei_memory_request *request)
{
	int flags = (request->is_private ? MAP_PRIVATE : MAP_SHARED) |
		    (request->fd < 0 ? MAP_ANONYMOUS : 0) |
		    (request->no_reserve ? MAP_NORESERVE : 0) |
		    (request->is_fixed ? MAP_FIXED_NOREPLACE : 0) |
		    (request->replaces ? MAP_FIXED : 0);

	if (!request->is_huge)
		return flags;
	flags |= MAP_HUGETLB;
	return request->huge_page_bytes
		       ? flags | __builtin_ctzll(request->huge_page_bytes) << HUGE_SHIFT
		       : flags;
}

int durei_memory_map(const struct durei_memory_request *request, void **ret_address)
{
	int fault = durei_fault("mmap");

	if (fault)
		return -fault;
	void *address = mmap(request->address, request->bytes, request->protection,
			     map_flags(request), request->fd, (off_t)request->offset);
	if (address == MAP_FAILED)
		return -errno;
	if (request->is_fixed && address != request->address) {
		munmap(address, request->bytes);	/* before Linux 4.17 it is only a wish */
		return -EEXIST;
	}
	*ret_address = address;
	return 0;
}

int durei_memory_resize(void *address, size_t old_bytes, size_t new_bytes, bool may_move,
			void **ret_address)
{
	int fault = durei_fault("mremap");

	if (fault)
		return -fault;
	void *got = mremap(address, old_bytes, new_bytes, may_move ? MREMAP_MAYMOVE : 0);
	if (got == MAP_FAILED)
		return -errno;
	*ret_address = got;
	return 0;
}

int durei_memory_protect(void *address, size_t bytes, int protection)
{
	int fault = durei_fault("mprotect");

	return fault ? -fault : result(mprotect(address, bytes, protection));
}

int durei_memory_sync(void *address, size_t bytes, bool later, bool invalidate)
{
	int fault = durei_fault("msync");

	return fault ? -fault
		     : result(msync(address, bytes, (later ? MS_ASYNC : MS_SYNC) |
							    (invalidate ? MS_INVALIDATE : 0)));
}

int durei_memory_advise(void *address, size_t bytes, int advice)
{
	int fault = durei_fault("madvise");
	int r;

	if (fault)
		return -fault;
	do
		r = result(madvise(address, bytes, advice));
	while (r == -EINTR);
	return r;
}

int durei_file_advise(int fd, uint64_t offset, uint64_t bytes, int advice)
{
	int fault = durei_fault("fadvise");

	/* it gives the error itself, not errno */
	return fault ? -fault : -posix_fadvise(fd, (off_t)offset, (off_t)bytes, advice);
}

int durei_memory_resident(void *address, size_t bytes, uint64_t *ret_bytes)
{
	int fault = durei_fault("mincore");

	return fault ? -fault : durei_map_resident(address, bytes, ret_bytes);
}

int durei_file_duplicate(int fd)
{
	int fault = durei_fault("dup");

	return fault ? -fault : result(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

/* -- copies ------------------------------------------------------------------------------- */

/* How many bytes until one of the two comes to a new page. */
static size_t to_next_page(uintptr_t a, uintptr_t b, size_t bytes)
{
	size_t page = durei_page_bytes();
	size_t first = page - a % page, second = page - b % page;
	size_t least = first < second ? first : second;

	return bytes < least ? bytes : least;
}

static ssize_t copy_by_call(char *to, const char *from, size_t bytes)
{
	struct iovec local[PARTS_MAX], remote[PARTS_MAX];
	unsigned long parts = 0;

	for (size_t at = 0; at < bytes && parts < PARTS_MAX; parts++) {	/* [OMEM1] */
		size_t n = to_next_page((uintptr_t)(to + at), (uintptr_t)(from + at), bytes - at);
		local[parts] = (struct iovec){ .iov_base = to + at, .iov_len = n };
		remote[parts] = (struct iovec){ .iov_base = (void *)(uintptr_t)(from + at),
						.iov_len = n };
		at += n;
	}
	ssize_t n = process_vm_readv(getpid(), local, parts, remote, parts, 0);
	return n < 0 ? -errno : n;
}

static ssize_t copy_by_pipe(char *to, const char *from, size_t bytes)
{
	size_t n = to_next_page((uintptr_t)to, (uintptr_t)from, bytes);
	ssize_t in, out = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = write(ends[1], from, n);
	if (in > 0)
		out = read(ends[0], to, (size_t)in);
	ssize_t r = in < 0 || out < 0 ? -errno : out;
	close(ends[0]);
	close(ends[1]);
	return r;
}

int durei_memory_copy(void *to, const void *from, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		int fault = durei_fault("vm_readv");
		ssize_t n = fault ? -fault
				  : copy_by_call((char *)to + done, (const char *)from + done,
						 bytes - done);
		if (n == -EPERM || n == -ENOSYS)
			n = copy_by_pipe((char *)to + done, (const char *)from + done,
					 bytes - done);
		if (n <= 0)
			return done ? (int)done : n < 0 ? (int)n : -EFAULT;
		done += (size_t)n;
	}
	return (int)done;
}
