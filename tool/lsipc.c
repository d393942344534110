/* SPDX-License-Identifier: MIT */
/*
 * lsipc.c - the lsipc of util-linux 2.38, byte for byte
 *
 * But for what is wrong there: it takes each set of semaphores for one of the first one's size when
 * it adds them up, does not show queues' permissions with -P, and in details hands a creator's
 * command to the terminal as it is.
 *
 * One row of a table describes a column: what it is called, in which lists it may stand, and how
 * it is called in the details of one object. Rows of the output are lines of libsmartcols, also
 * those of the details: there they are printed one column after the other.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sem.h>

#include "lookalike.h"
#include "lsipc.h"
#include "tool.h"

static const char usage_text[] =
	"Usage: lsipc [-m|-q|-s] [-g] [-i ID] [-c] [-t] [-o LIST] [-J|-e|-l|-n|-r]\n"
	"System V objects, as lsipc(1) of util-linux shows them; dure ls shows all.\n\n"
	"  -m, --shmems       shared memory          -c, --creator      creator and owner\n"
	"  -q, --queues       message queues         -t, --time         times\n"
	"  -s, --semaphores   semaphores             -o, --output LIST  these columns\n"
	"  -g, --global       limits and their use   -b, --bytes        sizes in bytes\n"
	"  -i, --id ID        all about one          -P, --numeric-perms\n"
	"  -J, --json         JSON                   -y, --shell        names for a shell\n"
	"  -e, --export       KEY=\"value\"            --time-format short, full or iso\n"
	"  -n, --newline      each on a line         --noheadings       no headings\n"
	"  -l, --list         a table, also with -i  --notruncate       as wide as it gets\n"
	"  -r, --raw          columns not aligned\n"
	"  -h, --help         this text              -V, --version      the version\n\n"
	"Columns: KEY ID OWNER PERMS CUID CUSER CGID CGROUP UID USER GID GROUP CTIME,\n"
	"SIZE NATTCH STATUS ATTACH DETACH COMMAND CPID LPID, USEDBYTES MSGS SEND RECV\n"
	"LSPID LRPID, NSEMS OTIME, RESOURCE DESCRIPTION LIMIT USED USE%\n";

/* -- which columns ----------------------------------------------------------------------- */

static void show_columns(struct request *r, const unsigned *wanted, size_t count)
{
	for (size_t i = 0; i < count && r->count < sizeof r->shown / sizeof *r->shown; i++)
		r->shown[r->count++] = wanted[i];
}

#define SHOW(r, ...) \
	show_columns(r, (const unsigned[]){ __VA_ARGS__ }, \
		     sizeof (const unsigned[]){ __VA_ARGS__ } / sizeof(unsigned))

static void show_default(struct request *r, unsigned kinds)
{
	if (kinds)
		SHOW(r, C_KEY, C_ID, C_PERMS, C_OWNER);
	if (kinds & IN_SHM)
		SHOW(r, C_SIZE, C_NATTCH, C_STATUS, C_CTIME, C_CPID, C_LPID);
	if (kinds & IN_SHM && (r->by_creator || !r->by_time))
		SHOW(r, C_COMMAND);
	if (kinds & IN_MSG)
		SHOW(r, C_USEDBYTES, C_MSGS, C_LSPID, C_LRPID);
	if (kinds & IN_SEM)
		SHOW(r, C_NSEMS);
	if (r->by_creator)
		SHOW(r, C_CUID, C_CGID, C_UID, C_GID);
	if (r->by_time && kinds & IN_SHM)
		SHOW(r, C_ATTACH, C_DETACH);
	if (r->by_time && kinds & IN_SHM && !r->by_creator)
		SHOW(r, C_COMMAND);
	if (r->by_time && kinds & IN_MSG)
		SHOW(r, C_SEND, C_RECV, C_CTIME);
	if (r->by_time && kinds & IN_SEM)
		SHOW(r, C_OTIME, C_CTIME);
	if (r->is_global)
		SHOW(r, C_RESOURCE, C_DESCRIPTION, C_LIMIT, C_USED, C_USE);
}

static bool show_named(struct request *r, unsigned kinds)
{
	const char *at = r->output;

	while (*at) {
		size_t bytes = strcspn(at, ",");
		unsigned c = 0;
		while (c < C_TOTAL &&
		       (strlen(lsipc_columns[c].name) != bytes || strncasecmp(lsipc_columns[c].name, at, bytes) != 0))
			c++;
		if (c == C_TOTAL) {
			fprintf(stderr, "lsipc: unknown column: %s\n", at);
			return false;
		}
		if (!r->is_global && !(lsipc_columns[c].lists & kinds)) {
			fprintf(stderr, "lsipc: column %s does not apply to the specified IPC\n", at);
			return false;
		}
		show_columns(r, &c, 1);
		at += bytes + (at[bytes] == ',');
	}
	return r->count > 0;
}

static bool choose_columns(struct request *r, unsigned kinds)
{
	bool adds = r->output && *r->output == '+';

	if (is_details(r) && !r->by_creator && !r->by_time && !r->output)
		for (unsigned c = 0; c < C_TOTAL; c++)
			if (lsipc_columns[c].lists & kinds)
				show_columns(r, &c, 1);
	if (!r->count && (!r->output || adds))
		show_default(r, kinds);
	if (!r->output)
		return true;
	r->output += adds;
	return *r->output && show_named(r, kinds);
}

/* -- output ------------------------------------------------------------------------------ */

static bool begin_table(struct request *r, enum sysvipc_kind kind)
{
	static const char *const names[] = { "messages", "sharedmemory", "semaphores" };

	scols_init_debug(0);
	r->table = scols_new_table();
	if (!r->table)
		return false;
	scols_table_set_name(r->table, r->is_global ? "ipclimits" : names[kind]);
	scols_table_enable_noheadings(r->table, r->no_headings);
	scols_table_enable_shellvar(r->table, r->for_shell);
	scols_table_enable_json(r->table, r->form == 'J');
	scols_table_enable_raw(r->table, r->form == 'r');
	scols_table_enable_export(r->table, r->form == 'e' || r->form == 'n');
	if (r->form == 'n')
		scols_table_set_column_separator(r->table, "\n");
	for (size_t i = 0; i < r->count; i++) {
		int flags = lsipc_columns[r->shown[i]].flags;
		if (r->no_truncation)
			flags &= ~SCOLS_FL_TRUNC;
		if (!scols_table_new_column(r->table, lsipc_columns[r->shown[i]].name, 1, flags))
			return false;
	}
	return true;
}

/* "Key:      0x00000001"; what is not known is left out */
static void print_details(const struct request *r)
{
	char name[64], value[4096];

	for (size_t i = 0; i < r->count; i++) {
		struct libscols_cell *cell = scols_line_get_cell(r->line, i);
		const char *text = cell ? scols_cell_get_data(cell) : NULL;
		if (!text)
			continue;
		snprintf(name, sizeof name, "%s:", lsipc_columns[r->shown[i]].label);
		printf("%-36s%-36s\n", name, harmless(text, value, sizeof value));
	}
}

static void print_semaphores(int id)
{
	static const char *const names[] = { "SEMNUM", "VALUE", "NCOUNT", "ZCOUNT", "PID", "COMMAND" };
	struct libscols_table *table = scols_new_table();
	struct semid_ds set = { 0 };
	char text[16];

	if (!table || semctl(id, 0, IPC_STAT, &set) < 0)
		exit(2);
	for (unsigned c = 0; c < 6; c++)
		if (!scols_table_new_column(table, names[c], 1, c < 5 ? SCOLS_FL_RIGHT : SCOLS_FL_TRUNC))
			exit(2);
	for (int i = 0; i < (int)set.sem_nsems; i++) {
		int values[5] = { i, semctl(id, i, GETVAL), semctl(id, i, GETNCNT), semctl(id, i, GETZCNT),
				  semctl(id, i, GETPID) };
		struct libscols_line *line = scols_table_new_line(table, NULL);
		char *command = values[4] > 0 ? command_of((uint32_t)values[4]) : NULL;
		for (unsigned c = 0; line && c < 5; c++) {
			snprintf(text, sizeof text, "%d", values[c]);
			scols_line_set_data(line, c, text);
		}
		if (line && command)
			scols_line_set_data(line, 5, command);
		free(command);
	}
	puts("Elements:\n");
	scols_print_table(table);
	scols_unref_table(table);
}

static int show(struct request *r)
{
	enum sysvipc_kind kind = r->wanted[SYSVIPC_SHM] ? SYSVIPC_SHM
				 : r->wanted[SYSVIPC_SEM] ? SYSVIPC_SEM
							  : SYSVIPC_MSG;
	bool has_kind = r->wanted[0] || r->wanted[1] || r->wanted[2];

	r->is_global |= !has_kind;
	if (r->is_global && (r->by_creator || r->by_time || r->id >= 0)) {
		fputs("lsipc: --global is mutually exclusive with --creator, --id and --time\n", stderr);
		return 1;
	}
	if (!choose_columns(r, has_kind ? 1u << kind : 0))
		return 1;
	if (!begin_table(r, kind))
		return 2;
	for (enum sysvipc_kind k = SYSVIPC_MSG; r->is_global && k <= SYSVIPC_SEM; k++)
		if (!has_kind || k == kind)
			add_limits(r, k);
	bool is_found = r->is_global || add_objects(r, kind);
	if (!is_found)
		fprintf(stderr, "lsipc: id %d not found\n", r->id);
	if (is_details(r) && is_found) {
		print_details(r);
		if (kind == SYSVIPC_SEM)
			print_semaphores(r->id);
	} else if (!is_details(r)) {
		scols_print_table(r->table);
	}
	scols_unref_table(r->table);
	return 0;
}

/* -- options ----------------------------------------------------------------------------- */

enum { OPTION_NO_HEADINGS = 256, OPTION_NO_TRUNCATION, OPTION_TIME_FORMAT };

static const struct option options[] = {
	{ "bytes", no_argument, NULL, 'b' },	  { "creator", no_argument, NULL, 'c' },
	{ "export", no_argument, NULL, 'e' },	  { "global", no_argument, NULL, 'g' },
	{ "help", no_argument, NULL, 'h' },	  { "id", required_argument, NULL, 'i' },
	{ "json", no_argument, NULL, 'J' },	  { "list", no_argument, NULL, 'l' },
	{ "newline", no_argument, NULL, 'n' },
	{ "noheadings", no_argument, NULL, OPTION_NO_HEADINGS },
	{ "notruncate", no_argument, NULL, OPTION_NO_TRUNCATION },
	{ "numeric-perms", no_argument, NULL, 'P' }, { "output", required_argument, NULL, 'o' },
	{ "queues", no_argument, NULL, 'q' },	  { "raw", no_argument, NULL, 'r' },
	{ "semaphores", no_argument, NULL, 's' }, { "shell", no_argument, NULL, 'y' },
	{ "shmems", no_argument, NULL, 'm' },	  { "time", no_argument, NULL, 't' },
	{ "time-format", required_argument, NULL, OPTION_TIME_FORMAT },
	{ "version", no_argument, NULL, 'V' },	  { 0 },
};

/* one of each may be given */
static bool is_excluded(int c, int *seen)
{
	static const char *const groups[] = { "Jelnr", "gi", "ot", "mqs" };
	static const char *const sentences[] = { "--json --export --list --newline --raw", "--global --id",
						 "--creator --output --time", "--shmems --queues --semaphores" };

	for (unsigned i = 0; c < 256 && i < 4; i++) {
		if (!strchr(groups[i], c))
			continue;
		if (seen[i] && seen[i] != c) {
			fprintf(stderr, "lsipc: mutually exclusive arguments: %s\n", sentences[i]);
			return true;
		}
		seen[i] = c;
	}
	return false;
}

static bool read_id(const char *text, int *ret)
{
	char *end;

	errno = 0;
	long id = strtol(text, &end, 10);
	if (end != text && !*end && !errno && id >= INT32_MIN && id <= INT32_MAX) {
		*ret = (int)id;
		return true;
	}
	bool is_long = end != text && !*end;
	fprintf(stderr, "lsipc: failed to parse IPC identifier: '%s'%s%s\n", text, is_long ? ": " : "",
		is_long ? strerror(ERANGE) : "");
	return false;
}

static bool read_times(const char *text, enum time_form *ret)
{
	static const char *const names[] = { [SHORT] = "short", [FULL] = "full", [ISO] = "iso" };

	for (enum time_form form = SHORT; form <= ISO; form++)
		if (strcmp(text, names[form]) == 0) {
			*ret = form;
			return true;
		}
	fprintf(stderr, "lsipc: unknown time format: %s\n", text);
	return false;
}

static bool read_option(int c, struct request *r)
{
	switch (c) {
	case 'b':
		return r->in_bytes = true;
	case 'c':
		return r->by_creator = true;
	case 't':
		return r->by_time = true;
	case 'g':
		return r->is_global = true;
	case 'q':
		return r->wanted[SYSVIPC_MSG] = true;
	case 'm':
		return r->wanted[SYSVIPC_SHM] = true;
	case 's':
		return r->wanted[SYSVIPC_SEM] = true;
	case 'P':
		return r->in_numbers = true;
	case 'y':
		return r->for_shell = true;
	case 'i':
		return read_id(optarg, &r->id);
	case 'o':
		r->output = optarg;
		return true;
	case OPTION_NO_HEADINGS:
		return r->no_headings = true;
	case OPTION_NO_TRUNCATION:
		return r->no_truncation = true;
	case OPTION_TIME_FORMAT:
		return read_times(optarg, &r->times);
	default:			/* J, e, l, n, r */
		r->form = c;
		return true;
	}
}

static int run(int argc, char **argv)
{
	struct request request = { .id = -1 };
	int c, seen[4] = { 0 };

	while ((c = getopt_long(argc, argv, "bceghi:JlnPo:qrstymV", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage_text, stdout);
			return 0;
		}
		if (c == 'V') {
			puts("lsipc from dure " DURE_TOOL_VERSION);
			return 0;
		}
		if (c == '?') {
			fputs("Try 'lsipc --help' for more information.\n", stderr);
			return 1;
		}
		if (is_excluded(c, seen) || !read_option(c, &request))
			return 1;
	}
	return show(&request);
}

const struct lookalike lsipc = { "lsipc", run };
