/* SPDX-License-Identifier: MIT */
/*
 * ipcs.c - the ipcs of util-linux 2.38, byte for byte
 *
 * Tables are printed by hand here, and here alone: their widths are what scripts cut.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <time.h>
#include <unistd.h>

#include "lookalike.h"
#include "sysvipc.h"
#include "tool.h"

enum form { STATUS, TIMES, PIDS, CREATORS, LIMITS, SUMMARY };
enum unit { BY_DEFAULT, IN_BYTES, FOR_PEOPLE };

static const char usage_text[] =
	"Usage: ipcs [-m|-q|-s|-a] [-t|-p|-c|-l|-u] [-b|--human]\n"
	"       ipcs -m|-q|-s -i ID\n"
	"System V objects, as ipcs(1) of util-linux shows them; dure ls shows all.\n\n"
	"  -m, --shmems       shared memory          -t, --time       times\n"
	"  -q, --queues       message queues         -p, --pid        processes\n"
	"  -s, --semaphores   semaphores             -c, --creator    creators and owners\n"
	"  -a, --all          all of them            -l, --limits     limits\n"
	"  -i, --id ID        all about one          -u, --summary    sums\n"
	"  -b, --bytes        sizes in bytes             --human      sizes for people\n"
	"  -h, --help         this text              -V, --version    the version\n";

/* -- cells ------------------------------------------------------------------------------- */

static void print_size(enum unit unit, uint64_t bytes, int width)
{
	char text[SYSVIPC_SIZE_BYTES];

	if (unit == FOR_PEOPLE)
		printf(" %6s%*s", sysvipc_size(bytes, text), width - 6, "");
	else
		printf(" %-*" PRIu64, width, bytes);
}

static void print_user(uint32_t user)
{
	const struct passwd *entry = getpwuid((uid_t)user);

	if (entry)
		printf(" %-10s", entry->pw_name);
	else
		printf(" %-10" PRIu32, user);
}

static void print_group(uint32_t group)
{
	const struct group *entry = getgrgid((gid_t)group);

	if (entry)
		printf(" %-10s", entry->gr_name);
	else
		printf(" %-10" PRIu32, group);
}

static void print_owner(const struct sysvipc *o)
{
	const struct passwd *entry = getpwuid((uid_t)o->user);

	if (entry)
		printf(" %-10.10s", entry->pw_name);
	else
		printf(" %-10" PRIu32, o->user);
}

/* "Sat Nov 21 11:32:40 2026", from a character on and so many */
static void print_time(int64_t when, unsigned from, int width, int most)
{
	time_t time = (time_t)when;
	char text[64];

	if (!when || !ctime_r(&time, text)) {
		printf("%-*s", width, "Not set");
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	printf("%-*.*s", width, most, text + from);
}

/* -- tables ------------------------------------------------------------------------------ */

/* of shared memory and of queues alike */
static void times_row(const struct sysvipc *o, int id_width)
{
	printf("%-*d", id_width, o->id);
	print_owner(o);
	for (unsigned i = 0; i < 3; i++) {
		putchar(' ');
		print_time(o->times[i], 4, 20, 16);
	}
	putchar('\n');
}

/* the columns that both begin with */
static void status_row(const struct sysvipc *o, enum unit unit, int size_width)
{
	printf("0x%08" PRIx32 " %-10d", o->key, o->id);
	print_owner(o);
	printf(" %-10o", o->perms & 0777);
	print_size(unit, o->bytes, size_width);
}

static void shm_row(const struct sysvipc *o, enum form form, enum unit unit)
{
	if (form == TIMES) {
		times_row(o, 10);
	} else if (form == PIDS) {
		printf("%-10d", o->id);
		print_owner(o);
		printf(" %-10" PRIu32 " %-10" PRIu32 "\n", o->process[0], o->process[1]);
	} else {
		status_row(o, unit, 10);
		printf(" %-10" PRIu64 " %-6s %-6s\n", o->count, o->perms & SYSVIPC_DOOMED ? "dest" : " ",
		       o->perms & SYSVIPC_LOCKED ? "locked" : " ");
	}
}

static void sem_row(const struct sysvipc *o, enum form form)
{
	if (form == TIMES) {
		printf("%-8d", o->id);
		print_owner(o);
		fputs("  ", stdout);
		print_time(o->times[0], 0, 26, 24);
		putchar(' ');
		print_time(o->times[2], 0, 26, 24);
		putchar('\n');
		return;
	}
	printf("0x%08" PRIx32 " %-10d", o->key, o->id);
	print_owner(o);
	printf(" %-10o %-10" PRIu64 "\n", o->perms & 0777, o->count);
}

static void msg_row(const struct sysvipc *o, enum form form, enum unit unit)
{
	if (form == TIMES) {
		times_row(o, 8);
	} else if (form == PIDS) {
		printf("%-8d", o->id);
		print_owner(o);
		printf("  %5" PRIu32 "     %5" PRIu32 "\n", o->process[0], o->process[1]);
	} else {
		status_row(o, unit, 12);
		printf(" %-12" PRIu64 "\n", o->count);
	}
}

static void creator_row(const struct sysvipc *o)
{
	printf("%-10d %-10o", o->id, o->perms & 0777);
	print_user(o->creator_user);
	print_group(o->creator_group);
	print_user(o->user);
	print_group(o->group);
	putchar('\n');
}

static void print_heading(enum sysvipc_kind kind, enum form form, enum unit unit)
{
	static const char *const creators[] = {
		[SYSVIPC_MSG] = "Message Queues Creators/Owners",
		[SYSVIPC_SHM] = "Shared Memory Segment Creators/Owners",
		[SYSVIPC_SEM] = "Semaphore Arrays Creators/Owners",
	};
	static const char *const ids[] = { "msqid", "shmid", "semid" };
	bool is_human = unit == FOR_PEOPLE;

	if (form == CREATORS)
		printf("------ %s --------\n%-10s %-10s %-10s %-10s %-10s %-10s\n", creators[kind], ids[kind],
		       "perms", "cuid", "cgid", "uid", "gid");
	else if (kind == SYSVIPC_SHM && form == TIMES)
		printf("------ Shared Memory Attach/Detach/Change Times --------\n%-10s %-10s %-20s %-20s "
		       "%-20s\n", "shmid", "owner", "attached", "detached", "changed");
	else if (kind == SYSVIPC_SHM && form == PIDS)
		printf("------ Shared Memory Creator/Last-op PIDs --------\n%-10s %-10s %-10s %-10s\n",
		       "shmid", "owner", "cpid", "lpid");
	else if (kind == SYSVIPC_SHM)
		printf("------ Shared Memory Segments --------\n%-10s %-10s %-10s %-10s %-10s %-10s %-12s\n",
		       "key", "shmid", "owner", "perms", is_human ? "size" : "bytes", "nattch", "status");
	else if (kind == SYSVIPC_SEM && form == TIMES)
		printf("------ Semaphore Operation/Change Times --------\n%-8s %-10s %-26.24s %-26.24s\n",
		       "semid", "owner", "last-op", "last-changed");
	else if (kind == SYSVIPC_SEM)
		printf("------ Semaphore Arrays --------\n%-10s %-10s %-10s %-10s %-10s\n", "key", "semid",
		       "owner", "perms", "nsems");
	else if (form == TIMES)
		printf("------ Message Queues Send/Recv/Change Times --------\n%-8s %-10s %-20s %-20s %-20s\n",
		       "msqid", "owner", "send", "recv", "change");
	else if (form == PIDS)
		printf("------ Message Queues PIDs --------\n%-10s %-10s %-10s %-10s\n", "msqid", "owner",
		       "lspid", "lrpid");
	else
		printf("------ Message Queues --------\n%-10s %-10s %-10s %-10s %-12s %-12s\n", "key", "msqid",
		       "owner", "perms", is_human ? "size" : "used-bytes", "messages");
}

static void print_table(enum sysvipc_kind kind, enum form form, enum unit unit)
{
	struct sysvipc *objects;
	long count = sysvipc_read(kind, &objects);

	if (kind == SYSVIPC_SEM && form == PIDS) {
		free(objects);
		return;		/* the kernel does not know, and ipcs says nothing at all */
	}
	print_heading(kind, form, unit);
	for (long i = 0; i < count; i++)
		if (form == CREATORS)
			creator_row(&objects[i]);
		else if (kind == SYSVIPC_SHM)
			shm_row(&objects[i], form, unit);
		else if (kind == SYSVIPC_SEM)
			sem_row(&objects[i], form);
		else
			msg_row(&objects[i], form, unit);
	free(objects);
}

/* -- limits and sums --------------------------------------------------------------------- */

/* "what (kbytes) = 12", or for people "what = 12K" */
static void print_amount(enum unit unit, const char *what, const char *default_unit, uint64_t amount,
			 uint64_t divisor)
{
	char text[SYSVIPC_SIZE_BYTES];

	if (unit == FOR_PEOPLE)
		printf("%s = %s\n", what, sysvipc_size(amount, text));
	else if (unit == IN_BYTES || divisor == 1)
		printf("%s (bytes) = %" PRIu64 "\n", what, amount);
	else
		printf("%s (%s) = %" PRIu64 "\n", what, default_unit, amount / divisor);
}

/* in kilobytes it does not overflow so soon */
static void print_shmall(enum unit unit)
{
	uint64_t pages = sysvipc_limit("shmall", 0), page = (uint64_t)sysconf(_SC_PAGESIZE), amount;
	uint64_t each = unit == BY_DEFAULT ? page / 1024 : page;

	if (__builtin_mul_overflow(pages, each, &amount))
		amount = UINT64_MAX - UINT64_MAX % each;
	if (unit == BY_DEFAULT)
		printf("max total shared memory (kbytes) = %" PRIu64 "\n", amount);
	else
		print_amount(unit, "max total shared memory", "bytes", amount, 1);
}

static void print_limits(enum sysvipc_kind kind, enum unit unit)
{
	switch (kind) {
	case SYSVIPC_MSG:
		puts("------ Messages Limits --------");
		printf("max queues system wide = %" PRIu64 "\n", sysvipc_limit("msgmni", 0));
		print_amount(unit, "max size of message", "bytes", sysvipc_limit("msgmax", 0), 1);
		print_amount(unit, "default max size of queue", "bytes", sysvipc_limit("msgmnb", 0), 1);
		return;
	case SYSVIPC_SHM:
		puts("------ Shared Memory Limits --------");
		printf("max number of segments = %" PRIu64 "\n", sysvipc_limit("shmmni", 0));
		print_amount(unit, "max seg size", "kbytes", sysvipc_limit("shmmax", 0), 1024);
		print_shmall(unit);
		print_amount(unit, "min seg size", "bytes", 1, 1);
		return;
	case SYSVIPC_SEM:
	default:
		puts("------ Semaphore Limits --------");
		printf("max number of arrays = %" PRIu64 "\n", sysvipc_limit("sem", 3));
		printf("max semaphores per array = %" PRIu64 "\n", sysvipc_limit("sem", 0));
		printf("max semaphores system wide = %" PRIu64 "\n", sysvipc_limit("sem", 1));
		printf("max ops per semop call = %" PRIu64 "\n", sysvipc_limit("sem", 2));
		puts("semaphore max value = 32767");
	}
}

static void print_summary(enum sysvipc_kind kind, enum unit unit)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bytes = 0, count = 0, pages = 0;
	uint64_t resident = 0, swapped = 0;
	struct sysvipc *objects;
	long n = sysvipc_read(kind, &objects);
	char text[SYSVIPC_SIZE_BYTES];

	n = n < 0 ? 0 : n;
	for (long i = 0; i < n; i++) {
		bytes += objects[i].bytes;
		count += objects[i].count;
		pages += (objects[i].bytes + page - 1) / page;
		resident += objects[i].resident / page;
		swapped += objects[i].swapped / page;
	}
	free(objects);
	switch (kind) {
	case SYSVIPC_MSG:
		printf("------ Messages Status --------\nallocated queues = %ld\nused headers = %" PRIu64 "\n",
		       n, count);
		if (unit == FOR_PEOPLE)
			printf("used space = %s\n", sysvipc_size(bytes, text));
		else
			printf(unit == IN_BYTES ? "used space (bytes) = %" PRIu64 "\n"
						: "used space = %" PRIu64 " bytes\n", bytes);
		return;
	case SYSVIPC_SHM:
		printf("------ Shared Memory Status --------\nsegments allocated %ld\npages allocated %" PRIu64
		       "\npages resident  %" PRIu64 "\npages swapped   %" PRIu64
		       "\nSwap performance: 0 attempts\t 0 successes\n", n, pages, resident, swapped);
		return;
	case SYSVIPC_SEM:
	default:
		printf("------ Semaphore Status --------\nused arrays = %ld\nallocated semaphores = %" PRIu64
		       "\n", n, count);
	}
}

/* -- one --------------------------------------------------------------------------------- */

static void print_long_time(const char *what, int64_t when)
{
	fputs(what, stdout);
	print_time(when, 0, 26, 24);
	putchar('\n');
}

static void shm_details(const struct sysvipc *o, enum unit unit)
{
	char text[SYSVIPC_SIZE_BYTES];

	printf("\nShared memory Segment shmid=%d\nuid=%" PRIu32 "\tgid=%" PRIu32 "\tcuid=%" PRIu32
	       "\tcgid=%" PRIu32 "\nmode=%#o\taccess_perms=%#o\n", o->id, o->user, o->group,
	       o->creator_user, o->creator_group, o->perms, o->perms & 0777);
	if (unit == FOR_PEOPLE)
		printf("size=%s", sysvipc_size(o->bytes, text));
	else
		printf("bytes=%" PRIu64, o->bytes);
	printf("\tlpid=%" PRIu32 "\tcpid=%" PRIu32 "\tnattch=%" PRIu64 "\n", o->process[1],
	       o->process[0], o->count);
	print_long_time("att_time=", o->times[0]);
	print_long_time("det_time=", o->times[1]);
	print_long_time("change_time=", o->times[2]);
	putchar('\n');
}

static void msg_details(const struct sysvipc *o, enum unit unit)
{
	struct msqid_ds ds = { 0 };
	char used[SYSVIPC_SIZE_BYTES], most[SYSVIPC_SIZE_BYTES];

	msgctl(o->id, IPC_STAT, &ds);	/* /proc does not say how much it holds */
	printf("\nMessage Queue msqid=%d\nuid=%" PRIu32 "\tgid=%" PRIu32 "\tcuid=%" PRIu32 "\tcgid=%"
	       PRIu32 "\tmode=%#o\n", o->id, o->user, o->group, o->creator_user, o->creator_group,
	       o->perms);
	if (unit == FOR_PEOPLE)
		printf("csize=%s\tqsize=%s", sysvipc_size(o->bytes, used), sysvipc_size(ds.msg_qbytes, most));
	else
		printf("cbytes=%" PRIu64 "\tqbytes=%" PRIu64, o->bytes, (uint64_t)ds.msg_qbytes);
	printf("\tqnum=%" PRIu64 "\tlspid=%" PRIu32 "\tlrpid=%" PRIu32 "\n", o->count, o->process[0],
	       o->process[1]);
	print_long_time("send_time=", o->times[0]);
	print_long_time("rcv_time=", o->times[1]);
	print_long_time("change_time=", o->times[2]);
	putchar('\n');
}

static void sem_details(const struct sysvipc *o)
{
	printf("\nSemaphore Array semid=%d\nuid=%" PRIu32 "\t gid=%" PRIu32 "\t cuid=%" PRIu32 "\t cgid=%"
	       PRIu32 "\nmode=%#o, access_perms=%#o\nnsems = %" PRIu64 "\n", o->id, o->user, o->group,
	       o->creator_user, o->creator_group, o->perms, o->perms & 0777, o->count);
	print_long_time("otime = ", o->times[0]);
	print_long_time("ctime = ", o->times[2]);
	printf("%-10s %-10s %-10s %-10s %-10s\n", "semnum", "value", "ncount", "zcount", "pid");
	for (int i = 0; i < (int)o->count; i++) {
		int value = semctl(o->id, i, GETVAL), more = semctl(o->id, i, GETNCNT);
		int zero = semctl(o->id, i, GETZCNT), pid = semctl(o->id, i, GETPID);
		if (value < 0 || more < 0 || zero < 0 || pid < 0) {
			fflush(stdout);
			fprintf(stderr, "ipcs: cannot access semaphore: %s\n", strerror(errno));
			exit(1);
		}
		printf("%-10d %-10d %-10d %-10d %-10d\n", i, value, more, zero, pid);
	}
	putchar('\n');
}

static void print_details(enum sysvipc_kind kind, int id, enum unit unit)
{
	struct sysvipc *objects;
	long count = sysvipc_read(kind, &objects);
	bool is_found = false;

	for (long i = 0; i < count && !is_found; i++) {
		if (objects[i].id != id)
			continue;
		is_found = true;
		if (kind == SYSVIPC_SHM)
			shm_details(&objects[i], unit);
		else if (kind == SYSVIPC_MSG)
			msg_details(&objects[i], unit);
		else
			sem_details(&objects[i]);
	}
	free(objects);
	fflush(stdout);
	if (!is_found)
		fprintf(stderr, "ipcs: id %d not found\n", id);
}

/* -- options ----------------------------------------------------------------------------- */

static void print_kind(enum sysvipc_kind kind, enum form form, enum unit unit)
{
	putchar('\n');
	if (form == LIMITS)
		print_limits(kind, unit);
	else if (form == SUMMARY)
		print_summary(kind, unit);
	else
		print_table(kind, form, unit);
}

static int read_id(const char *text)
{
	char *end;
	long id;

	errno = 0;
	id = strtol(text, &end, 10);
	if (end == text || *end || errno || id < INT32_MIN || id > INT32_MAX) {
		bool is_long = end != text && !*end;
		fprintf(stderr, "ipcs: failed to parse id argument: '%s'%s%s\n", text, is_long ? ": " : "",
			is_long ? strerror(ERANGE) : "");
		exit(1);
	}
	return (int)id;
}

struct request {
	bool wanted[3], has_id;
	enum form form;
	enum unit unit;
	int id;
};

enum { OPTION_HUMAN = 256 };

/* False: it is none of these. */
static bool read_option(int c, struct request *r)
{
	static const struct { int option; enum form form; } forms[] = {
		{ 't', TIMES }, { 'p', PIDS }, { 'c', CREATORS }, { 'l', LIMITS }, { 'u', SUMMARY },
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (forms[i].option == c) {
			r->form = forms[i].form;
			return true;
		}
	switch (c) {
	case 'i':
		r->id = read_id(optarg);
		return r->has_id = true;
	case 'a':
		return r->wanted[SYSVIPC_MSG] = r->wanted[SYSVIPC_SHM] = r->wanted[SYSVIPC_SEM] = true;
	case 'q':
		return r->wanted[SYSVIPC_MSG] = true;
	case 'm':
		return r->wanted[SYSVIPC_SHM] = true;
	case 's':
		return r->wanted[SYSVIPC_SEM] = true;
	case OPTION_HUMAN:
		r->unit = FOR_PEOPLE;
		return true;
	case 'b':
		r->unit = IN_BYTES;
		return true;
	default:
		return false;
	}
}

static int show(const struct request *r)
{
	int kinds = r->wanted[0] + r->wanted[1] + r->wanted[2];

	if (r->has_id && kinds != 1) {
		fputs("ipcs: when using an ID, a single resource must be specified\n", stderr);
		return 1;
	}
	for (enum sysvipc_kind kind = SYSVIPC_MSG; kind <= SYSVIPC_SEM; kind++)
		if (r->has_id && r->wanted[kind])
			print_details(kind, r->id, r->unit);
		else if (!r->has_id && (!kinds || r->wanted[kind]))
			print_kind(kind, r->form, r->unit);
	if (!r->has_id)
		putchar('\n');
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "id", required_argument, NULL, 'i' }, { "queues", no_argument, NULL, 'q' },
		{ "shmems", no_argument, NULL, 'm' },	{ "semaphores", no_argument, NULL, 's' },
		{ "all", no_argument, NULL, 'a' },	{ "time", no_argument, NULL, 't' },
		{ "pid", no_argument, NULL, 'p' },	{ "creator", no_argument, NULL, 'c' },
		{ "limits", no_argument, NULL, 'l' },	{ "summary", no_argument, NULL, 'u' },
		{ "human", no_argument, NULL, OPTION_HUMAN }, { "bytes", no_argument, NULL, 'b' },
		{ "version", no_argument, NULL, 'V' },	{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct request request = { .form = STATUS };
	int c;

	while ((c = getopt_long(argc, argv, "i:aqmstpclubVh", options, NULL)) != -1) {
		if (read_option(c, &request))
			continue;
		if (c == 'h') {
			fputs(usage_text, stdout);
			return 0;
		}
		if (c == 'V') {
			puts("ipcs from dure " DURE_TOOL_VERSION);
			return 0;
		}
		fputs("Try 'ipcs --help' for more information.\n", stderr);
		return 1;
	}
	return show(&request);
}

const struct lookalike ipcs = { "ipcs", run };
