/* SPDX-License-Identifier: MIT */
/*
 * cmd_who.c - dure who: who has an object, who waits for it, and for whom
 *
 * As in cmd_show.c the facts are gathered into one JSON value, and both the text and --json
 * come from it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include "doctor.h"
#include "draw.h"
#include "table.h"
#include "tool.h"
#include "waits.h"

static int run(int argc, char **argv);

const struct command cmd_who = {
	.name = "who",
	.run = run,
	.summary = "who has an object, who waits for it, and for whom",
	.usage = "Usage: dure who [OPTION...] OBJECT | SEGMENT | PID\n"
		 "Show the processes that have an object open, mapped or locked, the threads that\n"
		 "sleep for it, who holds what they want, and circles of processes that wait for\n"
		 "each other. With PID: what a process uses, waits for, and who waits for it.\n\n"
		 "  -J, --json     as JSON\n"
		 "  -h, --help     this text\n\n"
		 "OBJECT is as in dure ls: sysv:sem:ID, sysv:shm:0xKEY, posix:shm:NAME, lock:PATH.\n"
		 "SEGMENT is a dure segment's name, or a path with a '/'.\n"
		 "Exit status: 0 shown, 1 somebody waits for the dead or in a circle, 2 trouble.\n",
};

/* -- gathering --------------------------------------------------------------------------- */

static json_t *use_value(const struct host *host, const struct dure_host_use *use, bool by_object)
{
	const struct dure_host_process *p = host_process(host, use->process);
	const struct dure_host_object *o = NULL;
	char name[OBJECT_NAME_BYTES];
	json_t *value = or_exit(json_object());

	for (size_t i = 0; by_object && i < host->object_count && !o; i++)
		if (host->objects[i]->index == use->object)
			o = host->objects[i];
	if (o)
		json_object_set_new(value, "object", text_value(object_name(o, name, sizeof name)));
	json_object_set_new(value, "pid", json_integer(use->process));
	json_object_set_new(value, "command", text_value(p ? p->name : "?"));
	json_object_set_new(value, "user", text_value(p ? user_name(p->user) : "?"));
	json_object_set_new(value, "container", text_value(p ? p->label : ""));
	json_object_set_new(value, "opens", json_integer(use->opens));
	json_object_set_new(value, "maps", json_integer(use->maps));
	json_object_set_new(value, "mapped_bytes", json_integer((json_int_t)use->mapped_bytes));
	json_object_set_new(value, "writable", json_boolean(use->how & DURE_HOST_WRITABLE));
	json_object_set_new(value, "lock", json_string(use->how & DURE_HOST_LOCK_EXCLUSIVE ? "exclusive"
						       : use->how & DURE_HOST_LOCK_SHARED  ? "shared"
						       : use->how & DURE_HOST_LOCK_WAITS   ? "waits"
											   : ""));
	return value;
}

static json_t *wait_value(const struct host *host, const struct dure_host_wait *w)
{
	static const char *const kinds[] = { "?", "futex", "semaphore", "send", "receive", "lock" };
	char text[WAIT_TEXT_BYTES];

	return or_exit(json_pack("{s:I, s:I, s:s, s:I, s:I, s:I, s:b, s:o}", "pid",
				 (json_int_t)w->process, "thread", (json_int_t)w->thread, "kind",
				 w->kind < 6 ? kinds[w->kind] : "?", "offset", (json_int_t)w->offset,
				 "word", (json_int_t)w->word, "holder", (json_int_t)w->holder,
				 "holder_is_dead", (int)w->holder_is_dead, "text",
				 text_value(wait_text(host, w, text, sizeof text))));
}

static json_t *semaphore_values(const struct dure_host_object *o)
{
	json_t *list = or_exit(json_array());

	if (o->kind != DURE_HOST_SYSV_SEM || o->flags & DURE_HOST_ELSEWHERE)
		return list;
	for (int i = 0; i < (int)o->count; i++) {
		int value = semctl((int)o->id, i, GETVAL), last = semctl((int)o->id, i, GETPID);
		int waiting = semctl((int)o->id, i, GETNCNT), zero = semctl((int)o->id, i, GETZCNT);
		if (value < 0 || last < 0 || waiting < 0 || zero < 0)
			break;			/* gone, or not ours to read */
		json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:i, s:i}", "number", i, "value",
						      value, "last_pid", last, "waiting", waiting,
						      "waiting_for_zero", zero));
	}
	return list;
}

static json_t *verdict_value(const struct host *host, const struct dure_host_object *o)
{
	struct dure_host_verdict verdict = { .sz = sizeof verdict };
	json_t *evidence = or_exit(json_array());

	if (dure_host_judge(host->picture, o->index, OLD_S * UINT64_C(1000000000), &verdict) < 0)
		json_array_append_new(evidence, text_value(dure_last_error()));
	for (uint32_t i = 0; i < verdict.count; i++)
		json_array_append_new(evidence, text_value(verdict.evidence[i]));
	return json_pack("{s:s, s:o}", "grade", grade_name(verdict.grade), "evidence", evidence);
}

static json_t *gather_object(const struct host *host, const struct dure_host_object *o)
{
	json_t *uses = or_exit(json_array()), *waits = or_exit(json_array());
	char name[OBJECT_NAME_BYTES];
	size_t count;
	const struct dure_host_use *const *found = host_uses(host, o->index, &count);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(uses, use_value(host, found[i], false));
	for (size_t i = 0; i < host->wait_count; i++)
		if (host->waits[i]->object == o->index)
			json_array_append_new(waits, wait_value(host, host->waits[i]));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "version", 1, "object",
			 text_value(object_name(o, name, sizeof name)), "path", text_value(o->path),
			 "user", text_value(user_name(o->owner)), "container", text_value(o->label),
			 "size", (json_int_t)o->size_bytes, "uses", uses, "waits", waits, "semaphores",
			 semaphore_values(o));
}

static json_t *gather_process(const struct host *host, const struct dure_host_process *p)
{
	json_t *uses = or_exit(json_array()), *waits = or_exit(json_array());
	json_t *waited = or_exit(json_array());

	for (size_t i = 0; i < host->use_count; i++)
		if (host->uses[i]->process == p->pid)
			json_array_append_new(uses, use_value(host, host->uses[i], true));
	for (size_t i = 0; i < host->wait_count; i++)
		if (host->waits[i]->process == p->pid)
			json_array_append_new(waits, wait_value(host, host->waits[i]));
		else if (host->waits[i]->holder == p->pid)
			json_array_append_new(waited, wait_value(host, host->waits[i]));
	return json_pack("{s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1, "pid",
			 (json_int_t)p->pid, "command", text_value(p->name), "user",
			 text_value(user_name(p->user)), "container", text_value(p->label), "uses", uses,
			 "waits", waits, "waited_for", waited);
}

/* -- drawing ----------------------------------------------------------------------------- */

static const struct column use_columns[] = {
	{ "PID", "", 7, COLUMN_NUMBER, true },	   { "USER", "", 8, COLUMN_TEXT, true },
	{ "COMMAND", "", 0.2, COLUMN_TEXT, true }, { "OPENS", "", 5, COLUMN_NUMBER, true },
	{ "MAPS", "", 5, COLUMN_NUMBER, true },	   { "MAPPED", "", 6, COLUMN_BYTES, true },
	{ "LOCK", "", 9, COLUMN_TEXT, true },	   { "CONTAINER", "", 0.1, COLUMN_TEXT, true },
	{ "OBJECT", "", 0.3, COLUMN_TEXT, false },
};

static void draw_uses(const json_t *list, bool by_object)
{
	struct table_options options = { .output = by_object ? "OBJECT,OPENS,MAPS,MAPPED,LOCK" : NULL };
	struct table t;
	size_t i;
	json_t *use;

	heading(by_object ? "Uses" : "Users");
	if (!json_array_size(list))
		puts("none that could be seen");
	if (!table_begin(&t, "uses", use_columns, 9, &options))
		return;
	json_array_foreach(list, i, use) {
		struct libscols_line *line = table_row(&t);
		if (get(use, "pid"))
			table_number(&t, line, 0, get(use, "pid"));
		table_text(&t, line, 1, get_text(use, "user"));
		table_text(&t, line, 2, get_text(use, "command"));
		table_number(&t, line, 3, get(use, "opens"));
		table_number(&t, line, 4, get(use, "maps"));
		table_bytes(&t, line, 5, get(use, "mapped_bytes"));
		table_text(&t, line, 6, get_text(use, "lock"));
		table_text(&t, line, 7, get_text(use, "container"));
		table_text(&t, line, 8, get_text(use, "object"));
	}
	table_end(&t);
}

static const struct column semaphore_columns[] = {
	{ "NUMBER", "", 6, COLUMN_NUMBER, true },   { "VALUE", "", 6, COLUMN_NUMBER, true },
	{ "LAST PID", "", 8, COLUMN_NUMBER, true }, { "WAITING", "", 7, COLUMN_NUMBER, true },
	{ "FOR ZERO", "", 8, COLUMN_NUMBER, true },
};

/* those that differ from the one before: sets may have thousands that are all alike */
static void draw_semaphores(const json_t *list)
{
	static const char *const keys[] = { "number", "value", "last_pid", "waiting", "waiting_for_zero" };
	struct table_options options = { 0 };
	const json_t *last = NULL;
	struct table t;
	size_t i;
	json_t *s;

	if (!json_array_size(list) || !table_begin(&t, "semaphores", semaphore_columns, 5, &options))
		return;
	heading("Semaphores (each stands for those after it that are alike)");
	json_array_foreach(list, i, s) {
		bool is_alike = last != NULL;
		for (unsigned k = 1; k < 5; k++)
			is_alike = is_alike && get(s, keys[k]) == get(last, keys[k]);
		if (is_alike)
			continue;
		last = s;
		struct libscols_line *line = table_row(&t);
		for (unsigned k = 0; k < 5; k++)
			table_number(&t, line, k, get(s, keys[k]));
	}
	table_end(&t);
}

static void draw(const json_t *all)
{
	const json_t *verdict = json_object_get(all, "verdict");
	bool by_object = json_object_get(all, "pid") != NULL;
	char shown[OBJECT_NAME_BYTES], size[32];

	printf("%s%s%s", color_on(stdout, COLOR_BOLD),
	       harmless(get_text(all, by_object ? "command" : "object"), shown, sizeof shown),
	       color_off(stdout));
	if (by_object)
		printf(", process %" PRIu64, get(all, "pid"));
	printf(" of %s", get_text(all, "user"));
	if (!by_object)
		printf(", %s", human_bytes(get(all, "size"), size, sizeof size));
	if (*get_text(all, "container"))
		printf(", in %s", harmless(get_text(all, "container"), shown, sizeof shown));
	putchar('\n');
	draw_uses(json_object_get(all, "uses"), by_object);
	draw_semaphores(json_object_get(all, "semaphores"));
	draw_texts("Waiting", json_object_get(all, "waits"), "text");
	draw_texts("Waiting for it", json_object_get(all, "waited_for"), "text");
	draw_texts("Deadlocks", json_object_get(all, "circles"), NULL);
	if (verdict) {
		printf("\n%sVerdict%s: %s\n", color_on(stdout, COLOR_BOLD), color_off(stdout),
		       get_text(verdict, "grade"));
		draw_texts("Evidence", json_object_get(verdict, "evidence"), NULL);
	}
}

/* -- all of it --------------------------------------------------------------------------- */

static bool is_stuck(const json_t *all)
{
	size_t i;
	json_t *wait;

	json_array_foreach(json_object_get(all, "waits"), i, wait)
		if (json_is_true(json_object_get(wait, "holder_is_dead")))
			return true;
	return json_array_size(json_object_get(all, "circles")) > 0;
}

static int show(const struct host *host, const struct dure_host_object *o,
		const struct dure_host_process *p, bool is_json)
{
	json_t *all = or_exit(p ? gather_process(host, p) : gather_object(host, o));
	json_t *circles = or_exit(json_array());
	int status;

	explain_circles(host, p ? p->pid : 0, o ? o->index : DURE_HOST_ANY, circles);
	json_object_set_new(all, "circles", circles);
	if (o)
		json_object_set_new(all, "verdict", verdict_value(host, o));
	json_object_set_new(all, "notes", notes_value(host));
	status = is_stuck(all) ? EXIT_FOUND : EXIT_FINE;
	if (is_json) {
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		draw(all);
		complain_notes(host, "who");
	}
	json_decref(all);
	return status;
}

static int who(const char *name, bool is_json)
{
	const struct dure_host_object *o = NULL;
	const struct dure_host_process *p = NULL;
	struct host host;
	int status = EXIT_TROUBLE;
	uint32_t pid = 0;
	bool is_pid = *name && strspn(name, "0123456789") == strlen(name);

	if (is_pid && !pid_read("who", name, &pid))
		return EXIT_TROUBLE;
	if (!is_pid && !is_object_name(name))
		return who_has_segment(name, is_json);
	if (!host_begin(&host, "who", DURE_HOST_WAITS | DURE_HOST_NAMESPACES, 0))
		return EXIT_TROUBLE;
	if (pid)
		p = host_process(&host, pid);
	else
		o = object_find(&host, "who", name);
	if (pid && !p)
		complain("who", "there is no process %" PRIu32, pid);
	if (o || p)
		status = show(&host, o, p, is_json);
	host_end(&host);
	return status;
}

static int run(int argc, char **argv)
{
	bool is_json;
	int status = read_json_option(&cmd_who, argc, argv, &is_json);

	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return print_usage(&cmd_who, stderr);
	return who(argv[optind], is_json);
}
