/* SPDX-License-Identifier: MIT */
/*
 * ipcrm.c - the ipcrm of util-linux 2.38, byte for byte
 *
 * It removes what it is told to, in use or not, and keeps nothing: that is what its name
 * promises. dure rm and dure reap look first.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "lookalike.h"
#include "sysvipc.h"
#include "tool.h"

static const char usage_text[] =
	"Usage: ipcrm [OPTION...]\n"
	"       ipcrm shm|msg|sem ID...\n"
	"Remove System V objects as ipcrm(1) of util-linux does: at once, in use or not,\n"
	"and for good. dure rm and dure reap look first, and can undo.\n\n"
	"  -m, --shmem-id ID        shared memory    -M, --shmem-key KEY      by key\n"
	"  -q, --queue-id ID        a queue          -Q, --queue-key KEY      by key\n"
	"  -s, --semaphore-id ID    semaphores       -S, --semaphore-key KEY  by key\n"
	"  -a, --all[=shm|msg|sem]  all (of a kind)  -v, --verbose            say so\n"
	"  -h, --help               this text        -V, --version            the version\n";

static bool is_verbose;

static int try_help(void)
{
	fputs("Try 'ipcrm --help' for more information.\n", stderr);
	return 1;
}

/* "ipcrm: BEFORE (WHAT)" */
static void warn(const char *before, const char *what)
{
	fflush(stdout);
	fprintf(stderr, "ipcrm: %s (%s)\n", before, what);
}

static void unknown(const char *argument)
{
	fflush(stdout);
	fprintf(stderr, "ipcrm: unknown argument: %s\n", argument);
}

static const char *reason(bool by_key)
{
	switch (errno) {
	case EACCES:
	case EPERM:
		return by_key ? "permission denied for key" : "permission denied for id";
	case EIDRM:
		return by_key ? "already removed key" : "already removed id";
	case ENOENT:
	case EINVAL:
		return by_key ? "invalid key" : "invalid id";
	default:
		return by_key ? "key failed" : "id failed";
	}
}

/* -1: errno says why */
static int remove_id(enum sysvipc_kind kind, int id)
{
	static const char *const names[] = { "message queue", "shared memory segment", "semaphore" };

	if (is_verbose)
		printf("removing %s id `%d'\n", names[kind], id);
	return kind == SYSVIPC_SHM   ? shmctl(id, IPC_RMID, NULL)
	       : kind == SYSVIPC_SEM ? semctl(id, 0, IPC_RMID)
				     : msgctl(id, IPC_RMID, NULL);
}

/* Whether the object is there is asked before anything is said of removing it. */
static bool exists(enum sysvipc_kind kind, int id)
{
	struct sysvipc *objects;
	long count = sysvipc_read(kind, &objects);
	bool is_there = count < 0;

	for (long i = 0; i < count; i++)
		is_there |= objects[i].id == id;
	free(objects);
	errno = EINVAL;
	return is_there;
}

static bool remove_one(enum sysvipc_kind kind, int id, const char *text, bool by_key)
{
	if ((by_key || exists(kind, id)) && remove_id(kind, id) == 0)
		return true;
	warn(reason(by_key), text);
	return false;
}

static long read_number(const char *text, int base)
{
	char *end;
	long number;

	errno = 0;
	number = base ? strtol(text, &end, base) : (long)strtoul(text, &end, 0);
	if (errno || end == text || *end) {
		fflush(stdout);
		fprintf(stderr, "ipcrm: failed to parse argument: '%s'\n", text);
		exit(1);
	}
	return number;
}

static bool remove_key(enum sysvipc_kind kind, const char *text)
{
	key_t key = (key_t)read_number(text, 0);
	int id;

	if (key == IPC_PRIVATE) {
		warn("illegal key", text);
		return false;
	}
	id = kind == SYSVIPC_SHM   ? shmget(key, 0, 0)
	     : kind == SYSVIPC_SEM ? semget(key, 0, 0)
				   : msgget(key, 0);
	if (id < 0) {
		warn(reason(true), text);
		return false;
	}
	return remove_one(kind, id, text, true);
}

static bool remove_all(enum sysvipc_kind kind)
{
	struct sysvipc *objects;
	long count = sysvipc_read(kind, &objects);
	bool is_fine = true;
	char text[16];

	for (long i = 0; i < count; i++) {
		snprintf(text, sizeof text, "%d", objects[i].id);
		is_fine &= remove_one(kind, objects[i].id, text, false);
	}
	free(objects);
	return is_fine;
}

static int kind_of(const char *name)
{
	return strcmp(name, "shm") == 0	  ? SYSVIPC_SHM
	       : strcmp(name, "msg") == 0 ? SYSVIPC_MSG
	       : strcmp(name, "sem") == 0 ? SYSVIPC_SEM
					  : -1;
}

/* ipcrm shm 1 2 3 */
static int run_old(int argc, char **argv, enum sysvipc_kind kind)
{
	bool is_fine = true;
	char *end;

	if (argc < 3) {
		fputs("ipcrm: not enough arguments\n", stderr);
		return try_help();
	}
	for (int i = 2; i < argc; i++) {
		long id = strtol(argv[i], &end, 10);
		if (*end) {
			fflush(stdout);
			fprintf(stderr, "ipcrm: invalid id: %s\n", argv[i]);
			is_fine = false;
		} else {
			is_fine &= remove_one(kind, (int)id, argv[i], false);
		}
	}
	if (is_fine)
		puts("resource(s) deleted");
	return is_fine ? 0 : 1;
}

static const struct option long_options[] = {
	{ "shmem-id", required_argument, NULL, 'm' },	  { "shmem-key", required_argument, NULL, 'M' },
	{ "queue-id", required_argument, NULL, 'q' },	  { "queue-key", required_argument, NULL, 'Q' },
	{ "semaphore-id", required_argument, NULL, 's' }, { "semaphore-key", required_argument, NULL, 'S' },
	{ "all", optional_argument, NULL, 'a' },	  { "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },		  { "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int run(int argc, char **argv)
{
	static const enum sysvipc_kind all_in_order[] = { SYSVIPC_SHM, SYSVIPC_SEM, SYSVIPC_MSG };
	bool is_fine = true, removes_all = false;
	int c, kind = argc > 1 ? kind_of(argv[1]) : -1, all = -1;

	if (kind >= 0)
		return run_old(argc, argv, (enum sysvipc_kind)kind);
	while ((c = getopt_long(argc, argv, "q:m:s:Q:M:S:a::vhV", long_options, NULL)) != -1) {
		kind = c == 'm' || c == 'M' ? SYSVIPC_SHM : c == 's' || c == 'S' ? SYSVIPC_SEM : SYSVIPC_MSG;
		switch (c) {
		case 'm':
		case 'q':
		case 's':
			is_fine &= remove_one((enum sysvipc_kind)kind, (int)read_number(optarg, 10), optarg,
					      false);
			break;
		case 'M':
		case 'Q':
		case 'S':
			is_fine &= remove_key((enum sysvipc_kind)kind, optarg);
			break;
		case 'a':
			removes_all = true;
			all = optarg ? kind_of(optarg) : -1;
			if (optarg && all < 0) {
				unknown(optarg);
				return 1;
			}
			break;
		case 'v':
			is_verbose = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			puts("ipcrm from dure " DURE_TOOL_VERSION);
			return 0;
		default:
			return try_help();
		}
	}
	for (unsigned i = 0; removes_all && i < 3; i++)
		if (all < 0 || all == (int)all_in_order[i])
			is_fine &= remove_all(all_in_order[i]);
	if (optind < argc) {
		unknown(argv[optind]);
		return try_help();
	}
	return is_fine ? 0 : 1;
}

const struct lookalike ipcrm = { "ipcrm", run };
