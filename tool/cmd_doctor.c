/* SPDX-License-Identifier: MIT */
/*
 * cmd_doctor.c - dure doctor: what is wrong with this host's shared memory and IPC
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "tool.h"
#include "waits.h"

static int run(int argc, char **argv);

const struct command cmd_doctor = {
	.name = "doctor",
	.run = run,
	.summary = "what is exhausted, stuck or left over; what errors mean",
	.usage = "Usage: dure doctor [OPTION...]\n"
		 "Look at everything: limits that are exhausted and who uses them up, objects that\n"
		 "are left over, threads that wait for dead holders or for each other, settings\n"
		 "that remove or hide objects. Each finding comes with the lines that mend it.\n\n"
		 "  -J, --json     as JSON\n"
		 "  -h, --help     this text\n\n"
		 "Nothing is changed.\n"
		 "Exit status: 0 nothing found, 1 something found, 2 trouble.\n",
};

/* -- what explain says, too -------------------------------------------------------------- */

void print_limit_heading(const struct limit *limit, bool is_tight)
{
	char used[32], value[32];

	printf("%s%-10s%s%s: %s of %s %s\n", color_on(stdout, is_tight ? COLOR_BAD : COLOR_GOOD),
	       is_tight ? "exhausted" : "enough", color_off(stdout), limit->l.name,
	       limit->l.has_used ? limit_amount(limit, limit->l.used, used, sizeof used) : "?",
	       limit_amount(limit, limit->l.value, value, sizeof value), limit->l.text);
}

void print_folded(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t bytes = strcspn(text, " ");
		if (column && column + 1 + bytes > 78) {
			putchar('\n');
			column = 0;
		}
		printf("%s%.*s", column ? " " : "", (int)bytes, text);
		column += bytes + (column != 0);
		text += bytes;
		text += *text == ' ';
	}
	putchar('\n');
}

unsigned explain_waits(const struct host *host, uint32_t process, json_t *into)
{
	char text[WAIT_TEXT_BYTES];
	unsigned said = 0;

	for (size_t i = 0; i < host->wait_count; i++) {
		const struct dure_host_wait *w = host->waits[i];
		bool is_wrong = waits_for_dead(w);
		if (process ? w->process != process : !is_wrong)
			continue;
		wait_text(host, w, text, sizeof text);
		said++;
		if (into) {
			json_array_append_new(into, text_value(text));
			continue;
		}
		printf("%s%-10s%s%s\n", color_on(stdout, is_wrong ? COLOR_BAD : COLOR_NONE),
		       !is_wrong ? "waits" : w->kind == DURE_HOST_WAIT_SEM ? "suspect" : "stuck",
		       color_off(stdout), text);
		if (is_wrong)
			print_wait_remedies(host, w);
	}
	return said + explain_circles(host, process, DURE_HOST_ANY, into);
}

/* -- left over --------------------------------------------------------------------------- */

struct leftovers {
	uint64_t objects, bytes, unknown;
};

static void count_leftovers(const struct host *host, struct leftovers *sums)
{
	for (size_t i = 0; i < host->object_count; i++) {
		struct dure_host_verdict verdict = { .sz = sizeof verdict };
		if (dure_host_judge(host->picture, host->objects[i]->index,
				    OLD_S * UINT64_C(1000000000), &verdict) < 0)
			continue;
		sums->unknown += verdict.grade == DURE_HOST_GRADE_UNKNOWN;
		if (verdict.grade < DURE_HOST_GRADE_LIKELY)
			continue;
		sums->objects++;
		sums->bytes += host->objects[i]->resident_bytes;
	}
}

static void print_leftovers(const struct leftovers *sums)
{
	char bytes[32];

	printf("%sleftover%s  %" PRIu64 " objects (%s in memory) are likely left over\n",
	       color_on(stdout, COLOR_WARN), color_off(stdout), sums->objects,
	       human_bytes(sums->bytes, bytes, sizeof bytes));
	puts("  look      dure reap\n  free it   dure reap --grade likely --yes    # dure undo brings it back");
}

/* -- settings ---------------------------------------------------------------------------- */

/* a line "name=value" in a file, not commented out */
static bool file_says(const char *path, const char *start)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	bool says = false;

	while (file && fgets(line, sizeof line, file)) {
		const char *at = line + strspn(line, " \t");
		says |= strncasecmp(at, start, strlen(start)) == 0;
	}
	if (file)
		fclose(file);
	return says;
}

static unsigned look_at_settings(json_t *into)
{
	static const char remove_ipc[] =
		"systemd's logind removes the IPC objects of ordinary users when they log out "
		"(RemoveIPC): services should run as system users, or set RemoveIPC=no in "
		"/etc/systemd/logind.conf";
	static const char no_shm[] =
		"/dev/shm is not there: POSIX shared memory and semaphores do not work "
		"(mount -t tmpfs -o mode=1777 tmpfs /dev/shm)";
	static const char open_shm[] = "/dev/shm has not mode 1777: other users cannot make objects in it, "
				       "or can remove each other's (chmod 1777 /dev/shm)";
	const char *found[3];
	struct stat st;
	unsigned count = 0;

	if (stat("/run/systemd/system", &st) == 0 &&
	    !file_says("/etc/systemd/logind.conf", "RemoveIPC=no"))
		found[count++] = remove_ipc;
	if (stat("/dev/shm", &st) < 0)
		found[count++] = no_shm;
	else if ((st.st_mode & 07777) != 01777)
		found[count++] = open_shm;
	for (unsigned i = 0; i < count; i++)
		if (into)
			json_array_append_new(into, text_value(found[i]));
		else
			printf("%ssetting%s   %s\n", color_on(stdout, COLOR_WARN), color_off(stdout), found[i]);
	return count;
}

/* -- all of it --------------------------------------------------------------------------- */

static int examine_json(const struct host *host, const struct limits *limits)
{
	json_t *tight = or_exit(json_array()), *waits = or_exit(json_array());
	json_t *settings = or_exit(json_array());
	struct leftovers sums = { 0 };
	size_t found;

	for (size_t i = 0; i < limits->count; i++)
		if (limit_is_tight(&limits->items[i]))
			json_array_append_new(tight, limit_value(&limits->items[i], host));
	explain_waits(host, 0, waits);
	look_at_settings(settings);
	count_leftovers(host, &sums);
	found = json_array_size(tight) + json_array_size(waits) + (sums.objects != 0);
	json_t *all = json_pack("{s:i, s:o, s:o, s:o, s:{s:I, s:I}, s:o}", "version", 1, "exhausted",
				tight, "stuck", waits, "settings", settings, "leftovers", "objects",
				(json_int_t)sums.objects, "bytes", (json_int_t)sums.bytes, "notes",
				notes_value(host));
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
	return found ? EXIT_FOUND : EXIT_FINE;
}

static int examine_text(const struct host *host, const struct limits *limits)
{
	struct leftovers sums = { 0 };
	unsigned found = 0;

	for (size_t i = 0; i < limits->count; i++)
		if (limit_is_tight(&limits->items[i])) {
			print_limit_heading(&limits->items[i], true);
			limit_print(&limits->items[i], host);
			found++;
		}
	found += explain_waits(host, 0, NULL);
	count_leftovers(host, &sums);
	if (sums.objects) {
		print_leftovers(&sums);
		found++;
	}
	look_at_settings(NULL);		/* worth knowing, not wrong by itself */
	if (!found)
		printf("%sNothing is exhausted, left over or stuck%s: %zu limits, %zu objects, %" PRIu64
		       " processes, %" PRIu64 " threads.\n", color_on(stdout, COLOR_GOOD),
		       color_off(stdout), limits->count, host->object_count, host->summary.processes,
		       host->summary.threads);
	if (sums.unknown)
		printf("Of %" PRIu64 " objects nothing can be said from here.\n", sums.unknown);
	return found ? EXIT_FOUND : EXIT_FINE;
}

int examine(const char *command, bool is_json)
{
	struct limits limits;
	struct host host;
	int status = EXIT_TROUBLE;

	if (!host_begin(&host, command, DURE_HOST_WAITS, 0))
		return EXIT_TROUBLE;
	if (limits_begin(&limits, &host, command, 0)) {
		status = is_json ? examine_json(&host, &limits) : examine_text(&host, &limits);
		if (!is_json)
			complain_notes(&host, command);
		limits_end(&limits);
	}
	host_end(&host);
	return status;
}

static int run(int argc, char **argv)
{
	bool is_json;
	int status = read_json_option(&cmd_doctor, argc, argv, &is_json);

	if (status >= 0)
		return status;
	if (optind != argc)
		return print_usage(&cmd_doctor, stderr);
	return examine("doctor", is_json);
}
