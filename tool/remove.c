/* SPDX-License-Identifier: MIT */
/*
 * remove.c - taking one object away: what the kinds have in common
 */
#include "remove.h"

#include <errno.h>
#include <mqueue.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "tool.h"

enum removal removal_because(struct removing *r, enum removal result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(r->why, sizeof r->why, format, arguments);
	va_end(arguments);
	return result;
}

json_t *removal_record(const struct dure_host_object *o)
{
	char name[OBJECT_NAME_BYTES];
	json_t *record = json_pack("{s:i, s:s, s:o, s:i, s:I, s:I, s:I}", "version", 1, "kind",
				   kind_name(o->kind), "name",
				   text_value(object_name(o, name, sizeof name)), "mode", (int)o->mode,
				   "user", (json_int_t)o->owner, "group", (json_int_t)o->group,
				   "ipc_namespace", (json_int_t)o->ipc_namespace);

	return or_exit(record);
}

bool write_fully(int fd, const void *bytes, size_t count)
{
	const char *at = bytes;

	while (count) {
		ssize_t n = write(fd, at, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		count -= (size_t)n;
	}
	return true;
}

bool read_fully(int fd, void *bytes, size_t count)
{
	char *at = bytes;

	while (count) {
		ssize_t n = read(fd, at, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		count -= (size_t)n;
	}
	return true;
}

bool write_sparse(int fd, const void *bytes, size_t count, uint64_t offset)
{
	static const char zeros[4096];
	const char *at = bytes;

	while (count) {
		size_t part = count < sizeof zeros ? count : sizeof zeros;
		if (memcmp(at, zeros, part) != 0 &&
		    pwrite(fd, at, part, (off_t)offset) != (ssize_t)part)
			return false;
		at += part;
		offset += part;
		count -= part;
	}
	return true;
}

enum removal remove_object(struct removing *r, const struct dure_host_object *o)
{
	r->why[0] = '\0';
	if (o->flags & DURE_HOST_ELSEWHERE)
		return removal_because(r, REMOVAL_FAILED, "it is in another namespace: remove it from there "
				       "(nsenter --ipc --mount --target PID dure ...)");
	switch (o->kind) {
	case DURE_HOST_SYSV_SHM:
		return remove_sysv_shm(r, o);
	case DURE_HOST_SYSV_SEM:
		return remove_sysv_sem(r, o);
	case DURE_HOST_SYSV_MSG:
		return remove_sysv_msg(r, o);
	case DURE_HOST_POSIX_SHM:
	case DURE_HOST_POSIX_SEM:
	case DURE_HOST_HUGE:
		return remove_file(r, o);
	case DURE_HOST_POSIX_MQ:
		return remove_queue(r, o);
	default:
		return removal_because(r, REMOVAL_FAILED, "it has no name: it goes when the last process that "
				       "has it ends (dure who)");
	}
}

bool remove_by_force(const struct dure_host_object *o)
{
	errno = EXDEV;
	if (o->flags & DURE_HOST_ELSEWHERE)
		return false;
	errno = EOPNOTSUPP;
	switch (o->kind) {
	case DURE_HOST_SYSV_SHM:
		return shmctl((int)o->id, IPC_RMID, NULL) == 0;
	case DURE_HOST_SYSV_SEM:
		return semctl((int)o->id, 0, IPC_RMID) == 0;
	case DURE_HOST_SYSV_MSG:
		return msgctl((int)o->id, IPC_RMID, NULL) == 0;
	case DURE_HOST_POSIX_SHM:
	case DURE_HOST_POSIX_SEM:
	case DURE_HOST_HUGE:
		return unlink(o->path) == 0;
	case DURE_HOST_POSIX_MQ:
		return mq_unlink(o->name) == 0;
	default:
		return false;
	}
}
