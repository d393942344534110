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

uint64_t sysvipc_limit(const char *name, unsigned field)
{
	char path[64], line[256], *at = line;
	uint64_t number = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/sys/kernel/%s", name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof line, file))
		for (unsigned i = 0; i <= field; i++)
			number = strtoull(at, &at, 10);
	fclose(file);
	return number;
}

char *sysvipc_size(uint64_t bytes, char text[SYSVIPC_SIZE_BYTES])
{
	static const char units[] = "BKMGTPE";
	unsigned exponent = bytes ? (63 - (unsigned)__builtin_clzll(bytes)) / 10 : 0;
	uint64_t whole = bytes >> 10 * exponent, part = bytes & ((UINT64_C(1) << 10 * exponent) - 1);

	if (exponent) {
		part = ((part >> 10 * (exponent - 1)) + 50) / 100;
		if (part == 10) {
			whole++;
			part = 0;
		}
	}
	if (part)
		snprintf(text, SYSVIPC_SIZE_BYTES, "%" PRIu64 ".%" PRIu64 "%c", whole, part, units[exponent]);
	else
		snprintf(text, SYSVIPC_SIZE_BYTES, "%" PRIu64 "%c", whole, units[exponent]);
	return text;
}
