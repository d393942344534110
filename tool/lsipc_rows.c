/* SPDX-License-Identifier: MIT */
/*
 * lsipc_rows.c - the columns of lsipc, and what stands in them
 */
#include "lsipc.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct lsipc_column lsipc_columns[C_TOTAL] = {
	[C_KEY] = { "KEY", "Key", 0, IN_ALL },
	[C_ID] = { "ID", "ID", 0, IN_ALL },
	[C_OWNER] = { "OWNER", "Owner", SCOLS_FL_RIGHT, IN_ALL },
	[C_PERMS] = { "PERMS", "Permissions", SCOLS_FL_RIGHT, IN_ALL },
	[C_CUID] = { "CUID", "Creator UID", SCOLS_FL_RIGHT, IN_ALL },
	[C_CUSER] = { "CUSER", "Creator user", 0, IN_ALL },
	[C_CGID] = { "CGID", "Creator GID", SCOLS_FL_RIGHT, IN_ALL },
	[C_CGROUP] = { "CGROUP", "Creator group", 0, IN_ALL },
	[C_UID] = { "UID", "UID", SCOLS_FL_RIGHT, IN_ALL },
	[C_USER] = { "USER", "User name", 0, IN_ALL },
	[C_GID] = { "GID", "GID", SCOLS_FL_RIGHT, IN_ALL },
	[C_GROUP] = { "GROUP", "Group name", 0, IN_ALL },
	[C_CTIME] = { "CTIME", "Last change", SCOLS_FL_RIGHT, IN_ALL },
	[C_SIZE] = { "SIZE", "Segment size", SCOLS_FL_RIGHT, IN_SHM },
	[C_NATTCH] = { "NATTCH", "Attached processes", SCOLS_FL_RIGHT, IN_SHM },
	[C_STATUS] = { "STATUS", "Status", 0, IN_SHM },
	[C_ATTACH] = { "ATTACH", "Attach time", SCOLS_FL_RIGHT, IN_SHM },
	[C_DETACH] = { "DETACH", "Detach time", SCOLS_FL_RIGHT, IN_SHM },
	[C_COMMAND] = { "COMMAND", "Creator command", SCOLS_FL_TRUNC, IN_SHM },
	[C_CPID] = { "CPID", "Creator PID", SCOLS_FL_RIGHT, IN_SHM },
	[C_LPID] = { "LPID", "Last user PID", SCOLS_FL_RIGHT, IN_SHM },
	[C_USEDBYTES] = { "USEDBYTES", "Bytes used", SCOLS_FL_RIGHT, IN_MSG },
	[C_MSGS] = { "MSGS", "Messages", 0, IN_MSG },
	[C_SEND] = { "SEND", "Msg sent", SCOLS_FL_RIGHT, IN_MSG },
	[C_RECV] = { "RECV", "Msg received", SCOLS_FL_RIGHT, IN_MSG },
	[C_LSPID] = { "LSPID", "Msg sender", SCOLS_FL_RIGHT, IN_MSG },
	[C_LRPID] = { "LRPID", "Msg receiver", SCOLS_FL_RIGHT, IN_MSG },
	[C_NSEMS] = { "NSEMS", "Semaphores", SCOLS_FL_RIGHT, IN_SEM },
	[C_OTIME] = { "OTIME", "Last operation", SCOLS_FL_RIGHT, IN_SEM },
	[C_RESOURCE] = { "RESOURCE", "Resource", 0, IN_GLOBAL },
	[C_DESCRIPTION] = { "DESCRIPTION", "Description", 0, IN_GLOBAL },
	[C_LIMIT] = { "LIMIT", "Limit", SCOLS_FL_RIGHT, IN_GLOBAL },
	[C_USED] = { "USED", "Used", SCOLS_FL_RIGHT, IN_GLOBAL },
	[C_USE] = { "USE%", "Use", SCOLS_FL_RIGHT, IN_GLOBAL },
};

/* -- cells ------------------------------------------------------------------------------- */

static void set(struct request *r, unsigned column, const char *text)
{
	for (size_t i = 0; text && i < r->count; i++)
		if (r->shown[i] == column && scols_line_set_data(r->line, i, text) < 0)
			exit(2);
}

static void set_number(struct request *r, unsigned column, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, number);
	set(r, column, text);
}

static void set_size(struct request *r, unsigned column, uint64_t bytes)
{
	char text[SYSVIPC_SIZE_BYTES];

	if (r->in_bytes)
		set_number(r, column, bytes);
	else
		set(r, column, sysvipc_size(bytes, text));
}

bool is_details(const struct request *r)
{
	return r->id >= 0 && !r->form;
}

static void write_time(const struct request *r, const struct tm *then, char *text, size_t text_bytes)
{
	enum time_form form = r->times != BY_SITUATION ? r->times : is_details(r) ? FULL : SHORT;
	time_t now = time(NULL);
	struct tm today = { 0 };

	localtime_r(&now, &today);
	if (form == FULL)
		strftime(text, text_bytes, "%a %b %e %H:%M:%S %Y", then);
	else if (form == ISO)
		snprintf(text, text_bytes, "%04d-%02d-%02dT%02d:%02d:%02d%c%02ld:%02ld", then->tm_year + 1900,
			 then->tm_mon + 1, then->tm_mday, then->tm_hour, then->tm_min, then->tm_sec,
			 then->tm_gmtoff < 0 ? '-' : '+', labs(then->tm_gmtoff) / 3600,
			 labs(then->tm_gmtoff) / 60 % 60);
	else if (then->tm_year != today.tm_year)
		strftime(text, text_bytes, "%Y-%b%d", then);
	else if (then->tm_yday != today.tm_yday)
		strftime(text, text_bytes, "%b%d", then);
	else
		strftime(text, text_bytes, "%H:%M", then);
}

static void set_time(struct request *r, unsigned column, int64_t when)
{
	time_t time = (time_t)when;
	struct tm then;
	char text[80];

	if (!when || !localtime_r(&time, &then))
		return;
	write_time(r, &then, text, sizeof text);
	set(r, column, text);
}

char *command_of(uint32_t pid)
{
	char path[32], *text = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/cmdline", pid);
	file = pid ? fopen(path, "re") : NULL;
	if (!file)
		return NULL;
	ssize_t bytes = getdelim(&text, &room, EOF, file);
	fclose(file);
	while (bytes > 0 && !text[bytes - 1])
		bytes--;
	for (ssize_t i = 0; i < bytes; i++)
		if (!text[i])
			text[i] = ' ';
	if (bytes > 0)
		return text;
	free(text);
	return NULL;
}

static void set_command(struct request *r, uint32_t pid)
{
	char *command = command_of(pid);

	set(r, C_COMMAND, command);
	free(command);
}

/* -- rows -------------------------------------------------------------------------------- */

static void set_users(struct request *r, const struct sysvipc *o)
{
	const struct passwd *user;
	const struct group *group;

	set_number(r, C_OWNER, o->user);
	set_number(r, C_CUID, o->creator_user);
	set_number(r, C_CGID, o->creator_group);
	set_number(r, C_UID, o->user);
	set_number(r, C_GID, o->group);
	if ((user = getpwuid((uid_t)o->user))) {
		set(r, C_OWNER, user->pw_name);
		set(r, C_USER, user->pw_name);
	}
	if ((user = getpwuid((uid_t)o->creator_user)))
		set(r, C_CUSER, user->pw_name);
	if ((group = getgrgid((gid_t)o->group)))
		set(r, C_GROUP, group->gr_name);
	if ((group = getgrgid((gid_t)o->creator_group)))
		set(r, C_CGROUP, group->gr_name);
}

static void set_common(struct request *r, const struct sysvipc *o)
{
	char text[24];

	snprintf(text, sizeof text, "0x%08" PRIx32, o->key);
	set(r, C_KEY, text);
	snprintf(text, sizeof text, "%d", o->id);
	set(r, C_ID, text);
	if (r->in_numbers)
		snprintf(text, sizeof text, "%04o", o->perms & 0777);
	else
		for (unsigned i = 0; i < 10; i++)
			text[i] = i == 9 ? '\0' : o->perms & 0400 >> i ? "rwx"[i % 3] : '-';
	set(r, C_PERMS, text);
	set_users(r, o);
	set_time(r, C_CTIME, o->times[2]);
}

static void set_special(struct request *r, enum sysvipc_kind kind, const struct sysvipc *o)
{
	if (kind == SYSVIPC_SHM) {
		set_size(r, C_SIZE, o->bytes);
		set_number(r, C_NATTCH, o->count);
		set(r, C_STATUS, o->perms & SYSVIPC_DOOMED ? "dest" : o->perms & SYSVIPC_LOCKED ? "locked" : "");
		set_time(r, C_ATTACH, o->times[0]);
		set_time(r, C_DETACH, o->times[1]);
		set_number(r, C_CPID, o->process[0]);
		set_number(r, C_LPID, o->process[1]);
		set_command(r, o->process[0]);
	} else if (kind == SYSVIPC_MSG) {
		set_size(r, C_USEDBYTES, o->bytes);
		set_number(r, C_MSGS, o->count);
		set_time(r, C_SEND, o->times[0]);
		set_time(r, C_RECV, o->times[1]);
		set_number(r, C_LSPID, o->process[0]);
		set_number(r, C_LRPID, o->process[1]);
	} else {
		set_number(r, C_NSEMS, o->count);
		set_time(r, C_OTIME, o->times[0]);
	}
}

static void add_line(struct request *r)
{
	r->line = scols_table_new_line(r->table, NULL);
	if (!r->line)
		exit(2);
}

bool add_objects(struct request *r, enum sysvipc_kind kind)
{
	struct sysvipc *objects;
	long count = sysvipc_read(kind, &objects);
	bool is_found = r->id < 0;

	for (long i = 0; i < count; i++) {
		if (r->id >= 0 && objects[i].id != r->id)
			continue;
		is_found = true;
		add_line(r);
		set_common(r, &objects[i]);
		set_special(r, kind, &objects[i]);
	}
	free(objects);
	return is_found;
}

/* -- limits ------------------------------------------------------------------------------ */

enum { LIMIT_IN_BYTES = 1, HAS_USED = 2 };

static void add_limit(struct request *r, const char *name, const char *text, uint64_t limit, int how,
		      uint64_t used)
{
	char percent[32];

	add_line(r);
	set(r, C_RESOURCE, name);
	set(r, C_DESCRIPTION, text);
	if (how & LIMIT_IN_BYTES)
		set_size(r, C_LIMIT, limit);
	else
		set_number(r, C_LIMIT, limit);
	if (!(how & HAS_USED)) {
		set(r, C_USED, "-");
		set(r, C_USE, "-");
		return;
	}
	set_number(r, C_USED, used);
	snprintf(percent, sizeof percent, "%2.2f%%", limit ? (double)used / (double)limit * 100 : 0.0);
	set(r, C_USE, percent);
}

void add_limits(struct request *r, enum sysvipc_kind kind)
{
	uint64_t bytes = 0, units = 0;
	struct sysvipc *objects;
	long n = sysvipc_read(kind, &objects);
	uint64_t count = n < 0 ? 0 : (uint64_t)n;

	for (uint64_t i = 0; i < count; i++) {
		bytes += objects[i].bytes;
		units += objects[i].count;
	}
	free(objects);
	if (kind == SYSVIPC_MSG) {
		add_limit(r, "MSGMNI", "Number of message queues", sysvipc_limit("msgmni", 0), HAS_USED, count);
		add_limit(r, "MSGMAX", "Max size of message (bytes)", sysvipc_limit("msgmax", 0), LIMIT_IN_BYTES,
			  0);
		add_limit(r, "MSGMNB", "Default max size of queue (bytes)", sysvipc_limit("msgmnb", 0),
			  LIMIT_IN_BYTES, 0);
	} else if (kind == SYSVIPC_SHM) {
		add_limit(r, "SHMMNI", "Shared memory segments", sysvipc_limit("shmmni", 0), HAS_USED, count);
		add_limit(r, "SHMALL", "Shared memory pages", sysvipc_limit("shmall", 0), HAS_USED,
			  bytes / (uint64_t)sysconf(_SC_PAGESIZE));
		add_limit(r, "SHMMAX", "Max size of shared memory segment (bytes)", sysvipc_limit("shmmax", 0),
			  LIMIT_IN_BYTES, 0);
		add_limit(r, "SHMMIN", "Min size of shared memory segment (bytes)", 1, LIMIT_IN_BYTES, 0);
	} else {
		add_limit(r, "SEMMNI", "Number of semaphore identifiers", sysvipc_limit("sem", 3), HAS_USED,
			  count);
		add_limit(r, "SEMMNS", "Total number of semaphores", sysvipc_limit("sem", 1), HAS_USED, units);
		add_limit(r, "SEMMSL", "Max semaphores per semaphore set.", sysvipc_limit("sem", 0), 0, 0);
		add_limit(r, "SEMOPM", "Max number of operations per semop(2)", sysvipc_limit("sem", 2), 0, 0);
		add_limit(r, "SEMVMX", "Semaphore max value", 32767, 0, 0);
	}
}
