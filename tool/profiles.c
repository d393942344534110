/* SPDX-License-Identifier: MIT */
/*
 * profiles.c - what well-known programs leave behind, and by what they are known to run
 *
 * A profile never makes a verdict better. It narrows the choice to what the program makes,
 * and it is one more reason to keep hands off: while the program runs, its objects are its.
 */
#include "profiles.h"

#include <fnmatch.h>
#include <string.h>

#include "tool.h"

#define BIT(kind) (1u << (kind))

static const struct profile profiles[] = {
	{ "apache", "Apache httpd: semaphores and memory without a key",
	  BIT(DURE_HOST_SYSV_SEM) | BIT(DURE_HOST_SYSV_SHM), true, NULL, "apache2|httpd" },
	{ "postgres", "PostgreSQL: dynamic shared memory, semaphores",
	  BIT(DURE_HOST_SYSV_SEM) | BIT(DURE_HOST_SYSV_SHM) | BIT(DURE_HOST_POSIX_SHM) |
		  BIT(DURE_HOST_POSIX_SEM),
	  false, "PostgreSQL.*|pgsql-*", "postgres|postmaster" },
	{ "openmpi", "Open MPI: vader, sm and osc segments", BIT(DURE_HOST_POSIX_SHM), false,
	  "vader_segment.*|sm_segment.*|osc_rdma.*|open_mpi.*|ompi.*",
	  "mpirun|mpiexec|orted|orterun|prted|prterun" },
	{ "nccl", "NCCL: transport buffers", BIT(DURE_HOST_POSIX_SHM), false, "nccl-*", "" },
	{ "vllm", "vLLM: NCCL buffers and Python's shared memory",
	  BIT(DURE_HOST_POSIX_SHM) | BIT(DURE_HOST_POSIX_SEM), false, "nccl-*|psm_*|vllm*|VLLM*|mp-*",
	  "vllm" },
	{ "fastdds", "Fast DDS: port and data segments, their semaphores",
	  BIT(DURE_HOST_POSIX_SHM) | BIT(DURE_HOST_POSIX_SEM), false, "fastrtps_*|fastdds_*", "" },
	{ "python", "Python: multiprocessing, joblib, PyTorch",
	  BIT(DURE_HOST_POSIX_SHM) | BIT(DURE_HOST_POSIX_SEM), false,
	  "psm_*|mp-*|loky-*|pym-*|torch_*|joblib_memmapping_folder_*", "" },
};

enum { PROFILE_COUNT = sizeof profiles / sizeof *profiles };

void profile_list(FILE *stream)
{
	for (size_t i = 0; i < PROFILE_COUNT; i++)
		fprintf(stream, "  %-10s %s\n", profiles[i].name, profiles[i].text);
}

const struct profile *profile_find(const char *command, const char *name)
{
	for (size_t i = 0; i < PROFILE_COUNT; i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	complain(command, "there is no profile \"%s\": apache, postgres, openmpi, nccl, vllm, fastdds or "
		 "python", name);
	return NULL;
}

static bool matches_any(const char *name, const char *patterns)
{
	char pattern[64];

	while (*patterns) {
		size_t bytes = strcspn(patterns, "|");
		snprintf(pattern, sizeof pattern, "%.*s", (int)bytes, patterns);
		if (fnmatch(pattern, name, 0) == 0)
			return true;
		patterns += bytes + (patterns[bytes] == '|');
	}
	return false;
}

bool profile_fits(const struct profile *profile, const struct dure_host_object *o)
{
	if (!(profile->kinds >> o->kind & 1))
		return false;
	if (o->id >= 0)
		return !profile->is_private || !o->key;
	return !profile->names || matches_any(o->name + (*o->name == '/'), profile->names);
}

const struct dure_host_process *profile_producer(const struct profile *profile,
						 const struct host *host)
{
	for (size_t i = 0; i < host->process_count; i++) {
		const struct dure_host_process *p = host->processes[i];
		bool is_here = !p->ipc_namespace || p->ipc_namespace == host->summary.ipc_namespace ||
			       !p->mount_namespace ||
			       p->mount_namespace == host->summary.mount_namespace;
		if (is_here && *profile->commands && matches_any(p->name, profile->commands))
			return p;
	}
	return NULL;
}
