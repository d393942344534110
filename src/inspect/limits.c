/* SPDX-License-Identifier: MIT */
/*
 * limits.c - the limits on shared memory and IPC, and how much of each is used
 *
 * Why      "No space left on device" has eight causes on Linux, and the message names none.
 * Death    nothing is changed.
 */
#include <dure/limit.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "inspect/host.h"
#include "os/file.h"
#include "os/map.h"
#include "os/self.h"

#define SYSCTL "/proc/sys/"

enum source { FROM_SYSCTL, FROM_RLIMIT, FROM_ELSEWHERE };

static const struct known {
	uint32_t id, unit, field;
	enum source source;
	const char *name, *text, *path, *error;
} known[] = {
	{ DURE_LIMIT_SHMMNI, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "kernel.shmmni",
	  "System V memory segments", SYSCTL "kernel/shmmni", "ENOSPC" },
	{ DURE_LIMIT_SHMALL, DURE_LIMIT_IN_PAGES, 0, FROM_SYSCTL, "kernel.shmall",
	  "pages of all System V memory", SYSCTL "kernel/shmall", "ENOSPC" },
	{ DURE_LIMIT_SHMMAX, DURE_LIMIT_IN_BYTES, 0, FROM_SYSCTL, "kernel.shmmax",
	  "bytes of one System V segment", SYSCTL "kernel/shmmax", "EINVAL" },
	{ DURE_LIMIT_SEMMNI, DURE_LIMIT_COUNTED, 3, FROM_SYSCTL, "kernel.sem:semmni",
	  "System V semaphore sets", SYSCTL "kernel/sem", "ENOSPC" },
	{ DURE_LIMIT_SEMMNS, DURE_LIMIT_COUNTED, 1, FROM_SYSCTL, "kernel.sem:semmns",
	  "semaphores in all sets", SYSCTL "kernel/sem", "ENOSPC" },
	{ DURE_LIMIT_SEMMSL, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "kernel.sem:semmsl",
	  "semaphores of one set", SYSCTL "kernel/sem", "EINVAL" },
	{ DURE_LIMIT_SEMOPM, DURE_LIMIT_COUNTED, 2, FROM_SYSCTL, "kernel.sem:semopm",
	  "operations of one semop call", SYSCTL "kernel/sem", "E2BIG" },
	{ DURE_LIMIT_MSGMNI, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "kernel.msgmni",
	  "System V message queues", SYSCTL "kernel/msgmni", "ENOSPC" },
	{ DURE_LIMIT_MSGMNB, DURE_LIMIT_IN_BYTES, 0, FROM_SYSCTL, "kernel.msgmnb",
	  "bytes in one new System V queue", SYSCTL "kernel/msgmnb", "EAGAIN" },
	{ DURE_LIMIT_MSGMAX, DURE_LIMIT_IN_BYTES, 0, FROM_SYSCTL, "kernel.msgmax",
	  "bytes of one System V message", SYSCTL "kernel/msgmax", "EINVAL" },
	{ DURE_LIMIT_MQ_QUEUES, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "fs.mqueue.queues_max",
	  "POSIX message queues", SYSCTL "fs/mqueue/queues_max", "ENOSPC" },
	{ DURE_LIMIT_MQ_MESSAGES, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "fs.mqueue.msg_max",
	  "messages in one POSIX queue", SYSCTL "fs/mqueue/msg_max", "EINVAL" },
	{ DURE_LIMIT_MQ_MESSAGE_BYTES, DURE_LIMIT_IN_BYTES, 0, FROM_SYSCTL, "fs.mqueue.msgsize_max",
	  "bytes of one POSIX message", SYSCTL "fs/mqueue/msgsize_max", "EINVAL" },
	{ DURE_LIMIT_ALL_FILES, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "fs.file-max",
	  "open files of the whole host", SYSCTL "fs/file-max", "ENFILE" },
	{ DURE_LIMIT_MAPS, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "vm.max_map_count",
	  "mappings of one process", SYSCTL "vm/max_map_count", "ENOMEM" },
	{ DURE_LIMIT_HUGE_PAGES, DURE_LIMIT_COUNTED, 0, FROM_SYSCTL, "vm.nr_hugepages",
	  "huge pages of the default size", SYSCTL "vm/nr_hugepages", "ENOMEM" },
	{ DURE_LIMIT_MQ_BYTES, DURE_LIMIT_IN_BYTES, 0, FROM_RLIMIT, "RLIMIT_MSGQUEUE",
	  "bytes of a user's POSIX queues", "Max msgqueue size", "EMFILE" },
	{ DURE_LIMIT_FILES, DURE_LIMIT_COUNTED, 0, FROM_RLIMIT, "RLIMIT_NOFILE",
	  "open files of a process", "Max open files", "EMFILE" },
	{ DURE_LIMIT_LOCKED, DURE_LIMIT_IN_BYTES, 0, FROM_RLIMIT, "RLIMIT_MEMLOCK",
	  "memory a process may lock", "Max locked memory", "ENOMEM" },
	{ DURE_LIMIT_SHM_BYTES, DURE_LIMIT_IN_BYTES, 0, FROM_ELSEWHERE, "/dev/shm",
	  "bytes of the files in /dev/shm", "", "ENOSPC" },
	{ DURE_LIMIT_SHM_FILES, DURE_LIMIT_COUNTED, 0, FROM_ELSEWHERE, "/dev/shm:inodes",
	  "files in /dev/shm", "", "ENOSPC" },
	{ DURE_LIMIT_CGROUP, DURE_LIMIT_IN_BYTES, 0, FROM_ELSEWHERE, "memory.max",
	  "memory of the control group", "", "ENOMEM" },
};

struct asking {
	const dure_host *host;
	struct durei_buffer buffer;
	char process[24];		/* "self", or its pid */
	int proc;
};

static bool read_number(struct asking *a, int at, const char *path, unsigned field, uint64_t *ret)
{
	char *next;

	if (durei_text_read(at, path, 1 << 16, &a->buffer) < 0)
		return false;
	next = a->buffer.bytes;
	if (strncmp(next, "max", 3) == 0) {
		*ret = DURE_LIMIT_NONE;
		return true;
	}
	for (unsigned i = 0; i <= field; i++) {
		char *end;
		*ret = strtoull(next, &end, 10);
		if (end == next)
			return false;
		next = end;
	}
	return true;
}

/* "Max open files            1024                 524288               files" */
static bool read_rlimit(struct asking *a, const char *title, uint64_t *ret)
{
	char path[48];
	const char *line;

	snprintf(path, sizeof path, "%s/limits", a->process);
	if (durei_text_read(a->proc, path, 1 << 16, &a->buffer) < 0)
		return false;
	line = strstr(a->buffer.bytes, title);
	if (!line)
		return false;
	line += strlen(title);
	line += strspn(line, " ");
	*ret = strncmp(line, "unlimited", 9) == 0 ? DURE_LIMIT_NONE : strtoull(line, NULL, 10);
	return true;
}

/* the number after a title in a file of the process, or of /proc */
static bool read_titled(struct asking *a, const char *path, const char *title, uint64_t *ret)
{
	const char *line;

	if (durei_text_read(a->proc, path, 1 << 20, &a->buffer) < 0)
		return false;
	line = strstr(a->buffer.bytes, title);
	if (!line)
		return false;
	*ret = strtoull(line + strlen(title) + strspn(line + strlen(title), " \t:"), NULL, 10);
	return true;
}

/* -- how much is used -------------------------------------------------------------------- */

static int count_name(const char *name, void *context)
{
	(void)name;
	++*(uint64_t *)context;
	return 0;
}

static uint64_t sum_objects(const dure_host *host, uint32_t id)
{
	uint64_t sum = 0, page = durei_page_bytes();

	for (uint64_t i = 0; i < host->objects.count; i++) {
		const struct dure_host_object *o = &OBJECT(host, i)->o;
		if (o->flags & DURE_HOST_ELSEWHERE)
			continue;
		bool is_shm = o->kind == DURE_HOST_SYSV_SHM, is_sem = o->kind == DURE_HOST_SYSV_SEM;
		bool is_msg = o->kind == DURE_HOST_SYSV_MSG, is_mq = o->kind == DURE_HOST_POSIX_MQ;
		switch (id) {
		case DURE_LIMIT_SHMMNI:
			sum += is_shm;
			break;
		case DURE_LIMIT_SHMALL:
			sum += is_shm ? (o->size_bytes + page - 1) / page : 0;
			break;
		case DURE_LIMIT_SHMMAX:
			sum = is_shm && o->size_bytes > sum ? o->size_bytes : sum;
			break;
		case DURE_LIMIT_SEMMNI:
			sum += is_sem;
			break;
		case DURE_LIMIT_SEMMNS:
			sum += is_sem ? o->count : 0;
			break;
		case DURE_LIMIT_SEMMSL:
			sum = is_sem && o->count > sum ? o->count : sum;
			break;
		case DURE_LIMIT_MSGMNI:
			sum += is_msg;
			break;
		case DURE_LIMIT_MSGMNB:
			sum = is_msg && o->size_bytes > sum ? o->size_bytes : sum;
			break;
		case DURE_LIMIT_MQ_QUEUES:
			sum += is_mq;
			break;
		default:
			break;
		}
	}
	return sum;
}

/* what counts is the user who made a queue: its owner, unless that was changed */
static uint64_t sum_queues(const struct asking *a, uint32_t pid)
{
	const struct durei_host_process *process = durei_host_process(a->host, pid);
	uint64_t sum = 0;

	for (uint64_t i = 0; process && i < a->host->objects.count; i++) {
		const struct dure_host_object *o = &OBJECT(a->host, i)->o;
		if (o->kind == DURE_HOST_POSIX_MQ && o->owner == process->p.user)
			sum += o->resident_bytes;
	}
	return sum;
}

static bool read_used(struct asking *a, uint32_t id, uint32_t pid, uint64_t *ret)
{
	char path[64];
	uint64_t free_pages;
	int fd;

	switch (id) {
	case DURE_LIMIT_SEMOPM:
	case DURE_LIMIT_MSGMAX:
	case DURE_LIMIT_MQ_MESSAGES:
	case DURE_LIMIT_MQ_MESSAGE_BYTES:
		return false;
	case DURE_LIMIT_MQ_BYTES:
		*ret = sum_queues(a, pid);
		return true;
	case DURE_LIMIT_FILES:
		*ret = 0;
		fd = durei_directory_open(a->proc, a->process);
		if (fd < 0)
			return false;
		int r = durei_names_visit(fd, "fd", count_name, ret);
		durei_file_close(fd);
		return r == 0;
	case DURE_LIMIT_LOCKED:
		snprintf(path, sizeof path, "%s/status", a->process);
		if (!read_titled(a, path, "\nVmLck", ret))
			return false;
		*ret *= 1024;
		return true;
	case DURE_LIMIT_MAPS:
		snprintf(path, sizeof path, "%s/maps", a->process);
		if (durei_text_read(a->proc, path, 1 << 28, &a->buffer) < 0)
			return false;
		*ret = 0;
		for (const char *c = a->buffer.bytes; *c; c++)
			*ret += *c == '\n';
		return true;
	case DURE_LIMIT_ALL_FILES:
		return read_number(a, DUREI_HERE, "/proc/sys/fs/file-nr", 0, ret);
	case DURE_LIMIT_HUGE_PAGES:
		if (!read_titled(a, "meminfo", "\nHugePages_Total", ret) ||
		    !read_titled(a, "meminfo", "\nHugePages_Free", &free_pages))
			return false;
		*ret -= free_pages < *ret ? free_pages : *ret;
		return true;
	default:
		*ret = sum_objects(a->host, id);
		return true;
	}
}

/* -- what is neither a sysctl nor a process' own ----------------------------------------- */

/* the innermost control group that has a limit, of version 2 or 1 */
static bool read_cgroup(struct asking *a, struct dure_limit *limit, char *path, size_t path_bytes)
{
	char group[1024], file[48];
	const char *line;

	snprintf(file, sizeof file, "%s/cgroup", a->process);
	if (durei_text_read(a->proc, file, 1 << 16, &a->buffer) < 0)
		return false;
	line = strstr(a->buffer.bytes, ":memory:");
	bool is_first = line != NULL;
	if (!line)
		line = strstr(a->buffer.bytes, "0::");
	if (!line)
		return false;
	snprintf(group, sizeof group, "%.*s", (int)strcspn(strchr(line, '/') ? strchr(line, '/') : "", "\n"),
		 strchr(line, '/') ? strchr(line, '/') : "");
	snprintf(path, path_bytes, "/sys/fs/cgroup%s%s/%s", is_first ? "/memory" : "",
		 strcmp(group, "/") == 0 ? "" : group,
		 is_first ? "memory.usage_in_bytes" : "memory.current");
	limit->has_used = read_number(a, DUREI_HERE, path, 0, &limit->used);
	char *name = strrchr(path, '/') + 1;
	snprintf(name, path_bytes - (size_t)(name - path), "%s",
		 is_first ? "memory.limit_in_bytes" : "memory.max");
	if (!read_number(a, DUREI_HERE, path, 0, &limit->value))
		return false;
	if (limit->value >= UINT64_C(1) << 62)		/* version 1 says unlimited so */
		limit->value = DURE_LIMIT_NONE;
	limit->path = path;
	return true;
}

static bool read_elsewhere(struct asking *a, struct dure_limit *limit, char *path,
			   size_t path_bytes)
{
	struct durei_space_counts space;

	if (limit->id == DURE_LIMIT_CGROUP)
		return read_cgroup(a, limit, path, path_bytes);
	if (durei_space_count("/dev/shm", &space) < 0)
		return false;
	limit->has_used = true;
	if (limit->id == DURE_LIMIT_SHM_BYTES) {
		limit->value = space.total_bytes ? space.total_bytes : DURE_LIMIT_NONE;
		limit->used = space.total_bytes - space.free_bytes;
	} else {
		limit->value = space.total_files ? space.total_files : DURE_LIMIT_NONE;
		limit->used = space.total_files - space.free_files;
	}
	return true;
}

static bool read_limit(struct asking *a, const struct known *k, uint32_t pid,
		       struct dure_limit *limit, char *path, size_t path_bytes)
{
	*limit = (struct dure_limit){ .sz = sizeof *limit, .id = k->id, .unit = k->unit,
				      .field = k->field, .name = k->name, .text = k->text,
				      .path = k->source == FROM_SYSCTL ? k->path : "",
				      .error = k->error };
	if (k->source == FROM_ELSEWHERE)
		return read_elsewhere(a, limit, path, path_bytes);
	if (!(k->source == FROM_SYSCTL ? read_number(a, DUREI_HERE, k->path, k->field, &limit->value)
				       : read_rlimit(a, k->path, &limit->value)))
		return false;
	limit->has_used = read_used(a, k->id, pid, &limit->used);
	return true;
}

int dure_limit_list(const dure_host *host, uint32_t process,
		    int (*visit)(const struct dure_limit *limit, void *context), void *context)
{
	struct asking a = { .host = host, .process = "self", .proc = host->proc };
	struct dure_limit limit;
	char path[1200];
	int r = 0;

	if (process)
		snprintf(a.process, sizeof a.process, "%" PRIu32, process);
	if (process && !durei_host_process(host, process))
		return durei_error(ENOENT, "there is no process %" PRIu32, process);
	if (!process)
		process = durei_process_id();
	for (size_t i = 0; r == 0 && i < sizeof known / sizeof *known; i++)
		if (read_limit(&a, &known[i], process, &limit, path, sizeof path))
			r = visit(&limit, context);
	free(a.buffer.bytes);
	return r;
}
