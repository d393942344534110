/* SPDX-License-Identifier: MIT */
/*
 * profiles.h - what well-known programs leave behind, and by what they are known to run
 */
#ifndef TOOL_PROFILES_H
#define TOOL_PROFILES_H

#include "host.h"

struct profile {
	const char *name;
	const char *text;
	uint32_t kinds;			/* 1 << kind */
	bool is_private;		/* System V: without a key */
	const char *names;		/* patterns of files' names, parted by '|'; NULL: any */
	const char *commands;		/* while one of these runs nothing is touched */
};

/* NULL: there is none, and it was complained about */
const struct profile *profile_find(const char *command, const char *name);
bool profile_fits(const struct profile *profile, const struct dure_host_object *object);
/* a process that makes such objects, and may still use these; NULL: none runs */
const struct dure_host_process *profile_producer(const struct profile *profile,
						 const struct host *host);
/* as "apache, postgres, ..." */
void profile_list(FILE *stream);

#endif
