/* SPDX-License-Identifier: MIT */
/*
 * native.c - the kernel's own objects between programs of unlike compilers, libcs and word sizes
 *
 *	native make KEY		makes one object of each kind
 *	native use KEY		finds them complete, uses them, takes them away
 *
 * POSIX semaphores are left out: their bytes are the libc's, and differ (dure_posix_sem(3)).
 */
#include <dure.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 100000, BYTE = 77777 };

static int32_t key;
static char name[32];

#define CHECK(condition)                                                                          \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "native: line %d: %s: %s\n", __LINE__, #condition,        \
				dure_last_error());                                               \
			exit(1);                                                                  \
		}                                                                                 \
	} while (0)

static const uint16_t values[2] = { 5, 32000 };

static dure_sysv_sem *open_set(uint32_t flags, int expected)
{
	struct dure_sysv_sem_options options = { .sz = sizeof options, .values = values };
	dure_sysv_sem *sem;

	CHECK(dure_sysv_sem_open(key, 2, flags, &options, DURE_S(5), &sem) == expected);
	return sem;
}

static int open_queue(uint32_t flags, int expected)
{
	struct dure_posix_queue_options options = { .sz = sizeof options, .messages_max = 2,
						    .message_bytes = 20 };
	int fd;

	CHECK(dure_posix_queue_open(name, flags, &options, &fd) == expected);
	return fd;
}

static char *map_memory(uint32_t flags, int expected)
{
	struct dure_posix_shm_options options = { .sz = sizeof options, .size_bytes = BYTES };
	dure_mapping *mapping;
	int fd;

	CHECK(dure_posix_shm_open(name, flags, &options, &fd) == expected);
	CHECK(dure_mapping_open(fd, BYTE, 0, NULL, &mapping) == 0);
	close(fd);
	return dure_mapping_address(mapping);
}

static void make(void)
{
	int32_t id;
	char *memory;

	open_set(DURE_CREATE, DURE_CREATED);
	CHECK(dure_sysv_msg_get(key, DURE_CREATE, NULL, &id) == DURE_CREATED);
	CHECK(dure_sysv_msg_send(id, 2000000000, "letter", 6, 0) == 0);
	CHECK(dure_sysv_shm_get(key, BYTES, DURE_CREATE, NULL, &id) == DURE_CREATED);
	CHECK(dure_sysv_shm_attach(id, NULL, 0, (void **)&memory) == 0);
	memory[BYTE] = 'v';
	*map_memory(DURE_CREATE, DURE_CREATED) = 'p';
	CHECK(dure_posix_queue_send(open_queue(DURE_CREATE, DURE_CREATED), "note", 4, 9, 0) == 0);
}

static void use_sysv(void)
{
	struct dure_sysv_sem_operation take = { .index = 0, .change = -5 };
	dure_sysv_sem *sem = open_set(DURE_CREATE | DURE_OPEN, 0);
	char got[20], *memory;
	uint16_t now[2];
	int64_t type;
	int32_t id;

	CHECK(dure_sysv_sem_get(sem, now, 2) == 0 && memcmp(now, values, sizeof now) == 0);
	CHECK(dure_sysv_sem_operate(sem, &take, 1, 0) == 0);
	CHECK(dure_sysv_sem_operate(sem, &take, 1, DURE_MS(5)) == -ETIMEDOUT);
	CHECK(dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(sem)) == 0);
	CHECK(dure_sysv_msg_get(key, DURE_OPEN, NULL, &id) == 0);
	CHECK(dure_sysv_msg_receive(id, 0, 0, got, sizeof got, 0, &type) == 6);
	CHECK(type == 2000000000 && memcmp(got, "letter", 6) == 0);
	CHECK(dure_sysv_remove(DURE_SYSV_MSG, id) == 0);
	CHECK(dure_sysv_shm_get(key, BYTES, DURE_OPEN, NULL, &id) == 0);
	CHECK(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_THEN_REMOVE, (void **)&memory) == 0);
	CHECK(memory[BYTE] == 'v');
}

static void use_posix(void)
{
	char got[20];
	uint32_t priority;

	CHECK(*map_memory(DURE_OPEN, 0) == 'p');
	CHECK(dure_posix_queue_receive(open_queue(DURE_OPEN, 0), got, sizeof got, DURE_S(5),
				       &priority) == 4);
	CHECK(priority == 9 && memcmp(got, "note", 4) == 0);
	CHECK(dure_posix_remove(DURE_POSIX_SHM, name) == 0);
	CHECK(dure_posix_remove(DURE_POSIX_QUEUE, name) == 0);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 99;
	key = (int32_t)strtol(argv[2], NULL, 10);
	snprintf(name, sizeof name, "/dure-native-%ld", (long)key);
	if (strcmp(argv[1], "make") == 0) {
		make();
	} else {
		use_sysv();
		use_posix();
	}
	return 0;
}
