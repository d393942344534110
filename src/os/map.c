/* SPDX-License-Identifier: MIT */
/*
 * map.c - memory: mappings, advice, and System V's attachments
 *
 * Death    Mappings and attachments end with the process. A System V segment outlives all
 *          unless it is doomed (durei_sysv_remove) while attached: then the kernel frees it
 *          with the last attachment, whoever dies how.
 */
#include "os/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/file.h"

/* newer than some libc headers */
enum { ADVISE_WIPE_ON_FORK = 18, ADVISE_POPULATE_READ = 22, ADVISE_POPULATE_WRITE = 23 };

#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif
#ifndef SHM_NORESERVE
#define SHM_NORESERVE 010000
#endif
#ifndef SHM_DEST
#define SHM_DEST 01000
#endif

static int result(int r)
{
	return r < 0 ? -errno : r;
}

int durei_map_create(int fd, uint64_t offset, size_t bytes, enum durei_map_kind kind,
		     void **ret_address)
{
	int protection = kind == DUREI_MAP_SHARED_READ ? PROT_READ : PROT_READ | PROT_WRITE;
	int flags = kind == DUREI_MAP_PRIVATE	  ? MAP_PRIVATE | MAP_NORESERVE
		    : kind == DUREI_MAP_ANONYMOUS ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
						  : MAP_SHARED | MAP_NORESERVE;
	int fault = durei_fault("mmap");

	if (fault)
		return -fault;
	void *address = mmap(NULL, bytes, protection, flags,
			     kind == DUREI_MAP_ANONYMOUS ? -1 : fd, (off_t)offset);
	if (address == MAP_FAILED)
		return -errno;
	*ret_address = address;
	return 0;
}

int durei_map_remove(void *address, size_t bytes)
{
	return result(munmap(address, bytes));
}

int durei_map_replace(void *address, size_t bytes)
{
	int fault = durei_fault("mmap");

	if (fault)
		return -fault;
	void *got = mmap(address, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return got == MAP_FAILED ? -errno : 0;
}

int durei_map_advise(void *address, size_t bytes, int advice)
{
	int fault = durei_fault("madvise");

	return fault ? -fault : result(madvise(address, bytes, advice));
}

int durei_map_leave_out_of_fork(void *address, size_t bytes)
{
	return durei_map_advise(address, bytes, MADV_DONTFORK);
}

int durei_map_wipe_on_fork(void *address, size_t bytes)
{
	return durei_map_advise(address, bytes, ADVISE_WIPE_ON_FORK);
}

int durei_map_leave_out_of_dump(void *address, size_t bytes)
{
	return durei_map_advise(address, bytes, MADV_DONTDUMP);
}

int durei_map_populate(void *address, size_t bytes, bool write)
{
	int fault = durei_fault("populate");
	int r;

	if (fault)
		return -fault;
	do
		r = result(madvise(address, bytes,
				   write ? ADVISE_POPULATE_WRITE : ADVISE_POPULATE_READ));
	while (r == -EINTR || r == -EAGAIN);
	return r;
}

int durei_map_release_shared(void *address, size_t bytes)
{
	return durei_map_advise(address, bytes, MADV_REMOVE);
}

int durei_map_release_private(void *address, size_t bytes)
{
	return durei_map_advise(address, bytes, MADV_DONTNEED);
}

int durei_map_protect(void *address, size_t bytes, bool read, bool write)
{
	return result(mprotect(address, bytes,
			       (read ? PROT_READ : 0) | (write ? PROT_WRITE : 0)));
}

int durei_map_lock(void *address, size_t bytes, bool lock)
{
	int fault = durei_fault("mlock");

	if (fault)
		return -fault;
	return result(lock ? mlock(address, bytes) : munlock(address, bytes));
}

int durei_map_sync(void *address, size_t bytes)
{
	int fault = durei_fault("msync");

	return fault ? -fault : result(msync(address, bytes, MS_SYNC));
}

int durei_map_resident(void *address, size_t bytes, uint64_t *ret_bytes)
{
	unsigned char present[4096];
	size_t page = durei_page_bytes();
	uint64_t resident = 0;

	for (size_t at = 0; at < bytes; at += sizeof present * page) {
		size_t part = bytes - at < sizeof present * page ? bytes - at
								 : sizeof present * page;
		size_t pages = (part + page - 1) / page;
		if (mincore((char *)address + at, part, present) < 0)
			return -errno;
		for (size_t i = 0; i < pages; i++)
			resident += present[i] & 1u ? page : 0;
	}
	*ret_bytes = resident;
	return 0;
}

size_t durei_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

uint64_t durei_huge_page_bytes(void)
{
	char text[4096];
	const char *line;

	if (durei_file_read_text("/proc/meminfo", text, sizeof text) < 0)
		return 0;
	line = strstr(text, "Hugepagesize:");
	return line ? strtoull(line + strlen("Hugepagesize:"), NULL, 10) * 1024 : 0;
}

int durei_sysv_get(int32_t key, uint64_t bytes, uint32_t mode, bool create, bool huge)
{
	int flags = create ? IPC_CREAT | IPC_EXCL | SHM_NORESERVE | (int)(mode & 0777) : 0;
	int fault = durei_fault("shmget");

	if (fault)
		return -fault;
	if (bytes > SIZE_MAX)
		return -EINVAL;
	return result(shmget((key_t)key, create ? (size_t)bytes : 0,
			     flags | (huge ? SHM_HUGETLB : 0)));
}

int durei_sysv_attach(int id, bool read_only, void **ret_address)
{
	int fault = durei_fault("shmat");

	if (fault)
		return -fault;
	void *address = shmat(id, NULL, read_only ? SHM_RDONLY : 0);
	if ((intptr_t)address == -1)
		return -errno;
	*ret_address = address;
	return 0;
}

int durei_sysv_detach(void *address)
{
	return result(shmdt(address));
}

int durei_sysv_stat(int id, struct durei_sysv_facts *ret)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	*ret = (struct durei_sysv_facts){
		.size_bytes = ds.shm_segsz,
		.attached = ds.shm_nattch,
		.changed_s = (uint64_t)ds.shm_ctime,
		.creator = (uint32_t)ds.shm_cpid,
		.mode = (uint32_t)ds.shm_perm.mode & 0777,
		.owner = (uint32_t)ds.shm_perm.uid,
		.key = (int32_t)ds.shm_perm.__key,
		.is_doomed = (ds.shm_perm.mode & SHM_DEST) != 0,
	};
	return 0;
}

int durei_sysv_set_mode(int id, uint32_t mode)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	ds.shm_perm.mode = (unsigned short)(mode & 0777);
	return result(shmctl(id, IPC_SET, &ds));
}

int durei_sysv_remove(int id)
{
	int fault = durei_fault("shmctl");

	return fault ? -fault : result(shmctl(id, IPC_RMID, NULL));
}

int durei_sysv_visit(int (*visit)(int id, void *context), void *context)
{
	struct shmid_ds ds;
	int last = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&ds);
	int r = 0;

	if (last < 0)
		return -errno;
	for (int i = 0; r == 0 && i <= last; i++) {
		int id = shmctl(i, SHM_STAT, &ds);
		if (id >= 0)
			r = visit(id, context);
	}
	return r;
}
