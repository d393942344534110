/* SPDX-License-Identifier: MIT */
/*
 * self.c - facts about this process and this boot, and random bits
 *
 * Death    nothing is kept here.
 */
#include "os/self.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/file.h"

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10;
}

int durei_boot_id(unsigned char id[DUREI_BOOT_ID_BYTES])
{
	char text[64];
	unsigned digits = 0;
	int r = durei_file_read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);

	if (r < 0)
		return r;
	for (const char *c = text; *c && digits < 2 * DUREI_BOOT_ID_BYTES; c++) {
		if (!isxdigit((unsigned char)*c))
			continue;
		if (digits % 2 == 0)
			id[digits / 2] = (unsigned char)(hex_value(*c) << 4);
		else
			id[digits / 2] |= (unsigned char)hex_value(*c);
		digits++;
	}
	return digits == 2 * DUREI_BOOT_ID_BYTES ? 0 : -EIO;
}

static uint64_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

uint64_t durei_pid_namespace(void)
{
	return inode_of("/proc/self/ns/pid");
}

uint64_t durei_ipc_namespace(void)
{
	return inode_of("/proc/self/ns/ipc");
}

uint32_t durei_process_id(void)
{
	return (uint32_t)getpid();
}

uint32_t durei_user_id(void)
{
	return (uint32_t)geteuid();
}

uint64_t durei_resource_max(enum durei_resource resource)
{
	struct rlimit limit;
	int r = -1;

	switch (resource) {
	case DUREI_MAX_LOCKED_BYTES:
		r = getrlimit(RLIMIT_MEMLOCK, &limit);
		break;
	case DUREI_MAX_QUEUE_BYTES:
		r = getrlimit(RLIMIT_MSGQUEUE, &limit);
		break;
	case DUREI_MAX_DESCRIPTORS:
		r = getrlimit(RLIMIT_NOFILE, &limit);
		break;
	case DUREI_MAX_PROCESSES:
		r = getrlimit(RLIMIT_NPROC, &limit);
		break;
	}
	return r < 0 || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

void durei_process_name(char *name, size_t bytes)
{
	char text[16] = "";

	prctl(PR_GET_NAME, text);
	text[sizeof text - 1] = '\0';
	snprintf(name, bytes, "%s", text);
}

int durei_random(void *buffer, size_t bytes)
{
	char *to = buffer;
	int fault = durei_fault("getrandom");

	if (fault)
		return -fault;
	while (bytes) {
		ssize_t n = getrandom(to, bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		to += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int durei_cancel_hold(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

void durei_cancel_restore(int state)
{
	int ignored;

	pthread_setcancelstate(state, &ignored);
}
