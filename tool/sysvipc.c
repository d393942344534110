/* SPDX-License-Identifier: MIT */
/*
 * sysvipc.c - /proc/sysvipc, line by line
 */
#include "sysvipc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool.h"

static bool read_shm(const char *line, struct sysvipc *o)
{
	return sscanf(line, "%" SCNd32 " %d %" SCNo32 " %" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNu64
		      " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNd64 " %" SCNd64 " %" SCNd64
		      " %" SCNu64 " %" SCNu64,
		      (int32_t *)&o->key, &o->id, &o->perms, &o->bytes, &o->process[0], &o->process[1],
		      &o->count, &o->user, &o->group, &o->creator_user, &o->creator_group, &o->times[0],
		      &o->times[1], &o->times[2], &o->resident, &o->swapped) >= 14;
}

static bool read_sem(const char *line, struct sysvipc *o)
{
	return sscanf(line, "%" SCNd32 " %d %" SCNo32 " %" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNu32
		      " %" SCNu32 " %" SCNd64 " %" SCNd64,
		      (int32_t *)&o->key, &o->id, &o->perms, &o->count, &o->user, &o->group,
		      &o->creator_user, &o->creator_group, &o->times[0], &o->times[2]) == 10;
}

static bool read_msg(const char *line, struct sysvipc *o)
{
	return sscanf(line, "%" SCNd32 " %d %" SCNo32 " %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu32
		      " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNd64 " %" SCNd64 " %" SCNd64,
		      (int32_t *)&o->key, &o->id, &o->perms, &o->bytes, &o->count, &o->process[0],
		      &o->process[1], &o->user, &o->group, &o->creator_user, &o->creator_group,
		      &o->times[0], &o->times[1], &o->times[2]) == 14;
}

long sysvipc_read(enum sysvipc_kind kind, struct sysvipc **ret)
{
	static const char *const paths[] = {
		[SYSVIPC_MSG] = "/proc/sysvipc/msg", [SYSVIPC_SHM] = "/proc/sysvipc/shm",
		[SYSVIPC_SEM] = "/proc/sysvipc/sem",
	};
	static bool (*const readers[])(const char *, struct sysvipc *) = {
		[SYSVIPC_MSG] = read_msg, [SYSVIPC_SHM] = read_shm, [SYSVIPC_SEM] = read_sem,
	};
	FILE *file = fopen(paths[kind], "re");
	size_t count = 0, room = 0;
	char line[512];

	*ret = NULL;
	if (!file)
		return -1;
	while (fgets(line, sizeof line, file)) {
		struct sysvipc object = { 0 };
		if (!readers[kind](line, &object))
			continue;	/* the headings */
		if (count == room) {
			room = room ? 2 * room : 64;
			*ret = or_exit(reallocarray(*ret, room, sizeof **ret));
		}
		(*ret)[count++] = object;
	}
	fclose(file);
	return (long)count;
}
