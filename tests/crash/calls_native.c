/* SPDX-License-Identifier: MIT */
/*
 * calls_native.c - the kernel's own objects: made, marked, made longer, killed at every system call
 *
 * Each judge takes away what it has found: nothing may be left after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"

enum { BYTES = 100000 };

static const uint16_t values[3] = { 7, 0, 30000 };

/* of the test, not of the victim: both are its children */
static int32_t key(void)
{
	return 0x6e617465 ^ (int32_t)getppid();
}

static const char *name(void)
{
	static char text[32];

	snprintf(text, sizeof text, "/dure-calls-%d", (int)getppid());
	return text;
}

/* -- System V ---------------------------------------------------------------------------- */

static int open_set(dure_sysv_sem **ret)
{
	struct dure_sysv_sem_options options = { .sz = sizeof options, .values = values };

	return dure_sysv_sem_open(key(), 3, DURE_CREATE | DURE_OPEN, &options, DURE_S(1), ret);
}

static void run_set(struct place *p)
{
	dure_sysv_sem *sem;

	(void)p;
	must(open_set(&sem), "a set");
}

/* Whatever the dead one left: the next opener has a complete set. */
static enum verdict judge_set(struct place *p)
{
	dure_sysv_sem *sem;
	uint16_t got[3];
	int r = open_set(&sem);

	(void)p;
	if (r < 0 || dure_sysv_sem_get(sem, got, 3) < 0 || memcmp(got, values, sizeof got) != 0)
		return WRONG;
	return dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(sem)) < 0 ? WRONG
	       : r == DURE_CREATED					     ? BEFORE
									     : AFTER;
}

static void prepare_memory(struct place *p)
{
	int32_t id;

	(void)p;
	must(dure_sysv_shm_get(key(), BYTES, DURE_CREATE, NULL, &id), "a segment");
}

static void run_attach(struct place *p)
{
	int32_t id;
	void *address;

	(void)p;
	must(dure_sysv_shm_get(key(), 0, DURE_OPEN, NULL, &id), "the segment");
	must(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_THEN_REMOVE, &address), "attach");
}

/* It is there, with nobody attached; or it went with the dead one (calls.c counts). */
static enum verdict judge_attach(struct place *p)
{
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	int32_t id;
	int r = dure_sysv_shm_get(key(), BYTES, DURE_OPEN, NULL, &id);

	(void)p;
	if (r == -ENOENT)
		return AFTER;
	if (r < 0 || dure_sysv_shm_info(id, &info) < 0 || info.attached != 0)
		return WRONG;
	return dure_sysv_remove(DURE_SYSV_SHM, id) < 0 ? WRONG : BEFORE;
}

/* -- POSIX ------------------------------------------------------------------------------- */

static void run_shm(struct place *p)
{
	struct dure_posix_shm_options options = { .sz = sizeof options, .mode = 0666,
						  .size_bytes = BYTES };
	int fd;

	(void)p;
	umask(077);
	must(dure_posix_shm_open(name(), DURE_CREATE | DURE_OPEN, &options, &fd), "memory");
}

static enum verdict judge_shm(struct place *p)
{
	struct stat st;
	int fd, r = dure_posix_shm_open(name(), DURE_OPEN, NULL, &fd);

	(void)p;
	if (r == -ENOENT)
		return BEFORE;
	if (r < 0 || fstat(fd, &st) < 0 || st.st_size != BYTES || st.st_blocks * 512 < BYTES ||
	    (st.st_mode & 07777) != 0666)
		return WRONG;
	return dure_posix_remove(DURE_POSIX_SHM, name()) < 0 ? WRONG : AFTER;
}

static void run_semaphore(struct place *p)
{
	struct dure_posix_sem_options options = { .sz = sizeof options, .value = 5 };
	dure_posix_sem *sem;

	(void)p;
	must(dure_posix_sem_open(name(), DURE_CREATE | DURE_OPEN, &options, &sem), "a semaphore");
}

static enum verdict judge_semaphore(struct place *p)
{
	dure_posix_sem *sem;
	int r = dure_posix_sem_open(name(), DURE_OPEN, NULL, &sem);

	(void)p;
	if (r == -ENOENT)
		return BEFORE;
	if (r < 0 || dure_posix_sem_value(sem) != 5)
		return WRONG;
	return dure_posix_remove(DURE_POSIX_SEM, name()) < 0 ? WRONG : AFTER;
}

static void run_queue(struct place *p)
{
	struct dure_posix_queue_options options = { .sz = sizeof options, .messages_max = 3,
						    .message_bytes = 17 };
	int fd;

	(void)p;
	must(dure_posix_queue_open(name(), DURE_CREATE | DURE_OPEN, &options, &fd), "a queue");
}

static enum verdict judge_queue(struct place *p)
{
	struct dure_posix_queue_info info = { .sz = sizeof info };
	int fd, r = dure_posix_queue_open(name(), DURE_OPEN, NULL, &fd);

	(void)p;
	if (r == -ENOENT)
		return BEFORE;
	if (r < 0 || dure_posix_queue_info(fd, &info) < 0 || info.messages_max != 3 ||
	    info.message_bytes != 17)
		return WRONG;
	return dure_posix_remove(DURE_POSIX_QUEUE, name()) < 0 ? WRONG : AFTER;
}

/* -- mappings ---------------------------------------------------------------------------- */

static void prepare_file(struct place *p)
{
	int fd = open(p->file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		die(p->file);
	close(fd);
}

static dure_mapping *map_file(struct place *p)
{
	struct dure_mapping_options options = { .sz = sizeof options,
	.flags = DURE_MAPPING_EXTEND };
	int fd = open(p->file, O_RDWR | O_CLOEXEC);
	dure_mapping *mapping;

	must(dure_mapping_open(fd, 0, BYTES, &options, &mapping), "a mapping");
	close(fd);
	return mapping;
}

static void run_mapping(struct place *p)
{
	must(dure_mapping_resize(map_file(p), 2 * BYTES, DURE_MAPPING_EXTEND | DURE_MAPPING_MOVE),
	     "resize");
}

static enum verdict judge_mapping(struct place *p)
{
	struct stat st;

	if (stat(p->file, &st) < 0 || unlink(p->file) < 0)
		return WRONG;
	return st.st_size == 0		 ? BEFORE
	       : st.st_size == BYTES	 ? EITHER
	       : st.st_size == 2 * BYTES ? AFTER
					 : WRONG;
}

#define NATIVE DURE_BACKING_PRIVATE, 0

const struct victim_case native_cases[] = {
	{ "sysv_set", "dure_sysv_sem_open", NATIVE, prepare_nothing, NULL, run_set, judge_set },
	{ "sysv_attach", "dure_sysv_shm_attach", NATIVE, prepare_memory, NULL, run_attach,
	  judge_attach },
	{ "posix_shm", "dure_posix_shm_open", NATIVE, prepare_nothing, NULL, run_shm, judge_shm },
	{ "posix_sem", "dure_posix_sem_open", NATIVE, prepare_nothing, NULL, run_semaphore,
	  judge_semaphore },
	{ "posix_queue", "dure_posix_queue_open", NATIVE, prepare_nothing, NULL, run_queue,
	  judge_queue },
	{ "mapping", "dure_mapping_open dure_mapping_resize", NATIVE, prepare_file, NULL,
	  run_mapping, judge_mapping },
};

const size_t native_case_count = sizeof native_cases / sizeof *native_cases;
