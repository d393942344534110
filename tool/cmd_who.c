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

static const char *get_text(const json_t *value, const char *key)
{
	const char *text = json_string_value(json_object_get(value, key));

	return text ? text : "";
}

static uint64_t get(const json_t *value, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(value, key));
}

static void heading(const char *text)
{
	printf("\n%s%s%s\n", color_on(stdout, COLOR_BOLD), text, color_off(stdout));
}

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

static void draw_texts(const char *title, const json_t *list, const char *key)
{
	char shown[1200];
	size_t i;
	json_t *item;

	if (!json_array_size(list))
		return;
	heading(title);
	json_array_foreach(list, i, item) {
		const char *text = key ? get_text(item, key) : json_string_value(item);
		printf("%s\n", harmless(text, shown, sizeof shown));
	}
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

/* -- dure's segments --------------------------------------------------------------------- */

enum { SHARES_SHOWN = sizeof((struct dure_thread_info *)0)->shares /
		      sizeof((struct dure_thread_info *)0)->shares[0] };

struct lanes {
	struct dure_thread_info *items;
	size_t count;
	struct dure_participant *processes;
	size_t process_count;
};

static int keep_lane(const struct dure_thread_info *info, void *context)
{
	struct lanes *lanes = context;

	lanes->items = or_exit(realloc(lanes->items, (lanes->count + 1) * sizeof *lanes->items));
	lanes->items[lanes->count++] = *info;
	return 0;
}

static const struct dure_thread_info *lane_that_holds(const struct lanes *lanes, uint64_t lock)
{
	for (size_t i = 0; i < lanes->count; i++) {
		const struct dure_thread_info *t = &lanes->items[i];
		for (uint32_t j = 0; j < t->lock_count && j < 16; j++)
			/* a lock is written down before it is had */
			if (t->locks[j].offset == lock && t->waits_for.offset != lock)
				return t;
		for (uint32_t j = 0; j < t->share_count && j < SHARES_SHOWN; j++)
			if (t->shares[j].lock.offset == lock && t->waits_for.offset != lock)
				return t;
	}
	return NULL;
}

static bool is_in_circle(const struct lanes *lanes, const struct dure_thread_info *start)
{
	const struct dure_thread_info *at = start;

	for (size_t i = 0; i <= lanes->count && at && at->waits_for.offset; i++) {
		at = lane_that_holds(lanes, at->waits_for.offset);
		if (at == start)
			return true;
	}
	return false;
}

/* -- circles of threads that wait for each other's locks ---------------------------------- */

static const struct dure_thread_info *next_in_circle(const struct lanes *lanes,
						     const struct dure_thread_info *t)
{
	return lane_that_holds(lanes, t->waits_for.offset);
}

/* A circle is told once, from its first lane. */
static bool begins_circle(const struct lanes *lanes, const struct dure_thread_info *start)
{
	const struct dure_thread_info *t = start;

	if (!is_in_circle(lanes, start))
		return false;
	while ((t = next_in_circle(lanes, t)) != start)
		if (t < start)
			return false;
	return true;
}

/* The object that the lock lies in, if there is one. */
struct lock_place {
	uint64_t offset;
	char *text;
	size_t text_bytes;
};

static int name_place(const struct dure_object_info *o, void *context)
{
	struct lock_place *place = context;
	char shown[300];

	if (!*o->name || place->offset < o->ref.offset ||
	    place->offset - o->ref.offset >= o->count * o->element_bytes)
		return 0;
	snprintf(place->text, place->text_bytes, "%s+0x%" PRIx64, harmless(o->name, shown, sizeof shown),
		 place->offset - o->ref.offset);
	return 1;
}

static const char *lock_text(dure_segment *seg, uint64_t offset, char *text, size_t text_bytes)
{
	struct lock_place place = { offset, text, text_bytes };

	snprintf(text, text_bytes, "the lock at +0x%" PRIx64, offset);
	(void)dure_object_list(seg, name_place, &place);
	return text;
}

static const char *lane_text(const struct lanes *lanes, const struct dure_thread_info *t, char *text,
			     size_t text_bytes)
{
	char shown[80], thread[32] = "";

	snprintf(text, text_bytes, "thread %" PRIu32, t->thread);
	for (size_t i = 0; i < lanes->process_count; i++) {
		const struct dure_participant *p = &lanes->processes[i];
		if (p->slot != t->slot)
			continue;
		if (p->process != t->thread)
			snprintf(thread, sizeof thread, " thread %" PRIu32, t->thread);
		snprintf(text, text_bytes, "%" PRIu32 " (%s)%s", p->process,
			 harmless(p->name, shown, sizeof shown), thread);
	}
	return text;
}

static json_t *circle_value(dure_segment *seg, const struct lanes *lanes,
			    const struct dure_thread_info *start)
{
	const struct dure_thread_info *t = start;
	json_t *members = or_exit(json_array());
	char text[4096], who[200], lock[400];
	size_t used = 0;

	do {
		lane_text(lanes, t, who, sizeof who);
		lock_text(seg, t->waits_for.offset, lock, sizeof lock);
		if (used < sizeof text)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s waits for %s, held by ",
						 who, lock);
		json_array_append_new(members, json_pack("{s:I, s:o, s:I, s:o}", "thread",
							 (json_int_t)t->thread, "who", text_value(who),
							 "lock", (json_int_t)t->waits_for.offset,
							 "lock_name", text_value(lock)));
		t = next_in_circle(lanes, t);
	} while (t != start);
	if (used < sizeof text)
		snprintf(text + used, sizeof text - used, "%s: they wait for each other",
			 lane_text(lanes, start, who, sizeof who));
	return or_exit(json_pack("{s:o, s:o}", "text", text_value(text), "members", members));
}

static json_t *circle_values(dure_segment *seg, const struct lanes *lanes)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < lanes->count; i++)
		if (begins_circle(lanes, &lanes->items[i]))
			json_array_append_new(list, circle_value(seg, lanes, &lanes->items[i]));
	return list;
}

/* -- one segment ------------------------------------------------------------------------- */

static bool describe_lane(const struct lanes *lanes, const struct dure_thread_info *t,
			  json_t *waits)
{
	const struct dure_thread_info *holder = lane_that_holds(lanes, t->waits_for.offset);
	bool is_circle = is_in_circle(lanes, t), is_dead = holder && !holder->is_alive;
	char text[300], by[100] = "; nobody holds it now";

	if (holder)
		snprintf(by, sizeof by, "; held by thread %" PRIu32 "%s", holder->thread,
			 is_dead ? ", which is dead: recovery is under way" : "");
	snprintf(text, sizeof text, "thread %" PRIu32 " waits for the lock at +0x%" PRIx64 "%s%s", t->thread,
		 t->waits_for.offset, by, is_circle ? "; they wait for each other" : "");
	json_array_append_new(waits, json_pack("{s:I, s:I, s:I, s:b, s:b, s:o}", "thread",
					       (json_int_t)t->thread, "lock",
					       (json_int_t)t->waits_for.offset, "holder",
					       (json_int_t)(holder ? holder->thread : 0),
					       "holder_is_dead", (int)is_dead, "circle", (int)is_circle,
					       "text", text_value(text)));
	return is_circle || is_dead;
}

static int keep_participant(const struct dure_participant *p, void *context)
{
	struct lanes *lanes = context;

	lanes->processes = or_exit(realloc(lanes->processes,
					   (lanes->process_count + 1) * sizeof *lanes->processes));
	lanes->processes[lanes->process_count++] = *p;
	return 0;
}

static json_t *participant_values(const struct lanes *lanes)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < lanes->process_count; i++) {
		const struct dure_participant *p = &lanes->processes[i];
		json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:b}", "pid",
						      (json_int_t)p->process, "command",
						      text_value(p->name), "user",
						      text_value(user_name(p->user)), "alive",
						      (int)p->is_alive));
	}
	return list;
}

static void draw_held(const struct dure_thread_info *t)
{
	const char *dead = t->is_alive ? "" : ", and is dead";

	for (uint32_t i = 0; i < t->lock_count && i < 16; i++)
		if (t->locks[i].offset != t->waits_for.offset)
			printf("thread %" PRIu32 " holds the lock at +0x%" PRIx64 "%s\n", t->thread,
			       t->locks[i].offset, dead);
	for (uint32_t i = 0; i < t->share_count && i < SHARES_SHOWN; i++)
		printf("thread %" PRIu32 " shares the lock at +0x%" PRIx64 "%s\n", t->thread,
		       t->shares[i].lock.offset, dead);
}

static void draw_segment(const char *name, const json_t *all, const struct lanes *lanes)
{
	char shown[300], alive[8];
	size_t i;
	json_t *p;

	printf("%s%s%s\n", color_on(stdout, COLOR_BOLD), harmless(name, shown, sizeof shown),
	       color_off(stdout));
	heading("Attached");
	json_array_foreach(json_object_get(all, "uses"), i, p) {
		snprintf(alive, sizeof alive, "%s", json_is_true(json_object_get(p, "alive")) ? "" : ", dead");
		printf("%" PRIu64 " (%s) of %s%s\n", get(p, "pid"),
		       harmless(get_text(p, "command"), shown, sizeof shown), get_text(p, "user"), alive);
	}
	for (i = 0; i < lanes->count; i++)
		draw_held(&lanes->items[i]);
	draw_texts("Waiting", json_object_get(all, "waits"), "text");
	draw_texts("Deadlocks", json_object_get(all, "circles"), "text");
}

static int show_segment(const char *name, bool is_json)
{
	struct lanes lanes = { 0 };
	dure_segment *seg;
	bool is_wrong = false;

	if (open_segment("who", name, DURE_OPEN | DURE_READ_ONLY, &seg) < 0)
		return EXIT_TROUBLE;
	dure_participant_list(seg, keep_participant, &lanes);
	dure_thread_list(seg, keep_lane, &lanes);
	json_t *waits = or_exit(json_array()), *circles = circle_values(seg, &lanes);
	dure_segment_close(seg);
	for (size_t i = 0; i < lanes.count; i++)
		if (lanes.items[i].waits_for.offset)
			is_wrong |= describe_lane(&lanes, &lanes.items[i], waits);
	json_t *all = json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", 1, "object", text_value(name),
				"uses", participant_values(&lanes), "waits", waits, "circles", circles);
	if (is_json) {
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		draw_segment(name, all, &lanes);
	}
	json_decref(all);
	free(lanes.items);
	free(lanes.processes);
	return is_wrong ? EXIT_FOUND : EXIT_FINE;
}

/* -- all of it --------------------------------------------------------------------------- */

static bool waits_for_dead(const json_t *all)
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

	explain_circles(host, p ? p->pid : 0, circles);
	json_object_set_new(all, "circles", circles);
	if (o)
		json_object_set_new(all, "verdict", verdict_value(host, o));
	json_object_set_new(all, "notes", notes_value(host));
	status = waits_for_dead(all) ? EXIT_FOUND : EXIT_FINE;
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
		return show_segment(name, is_json);
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
