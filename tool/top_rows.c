/* SPDX-License-Identifier: MIT */
/*
 * top_rows.c - what dure top shows: objects, processes, the users of one object
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"
#include "top.h"

enum { O_OBJECT, O_USER, O_SIZE, O_RESIDENT, O_GROWTH, O_COUNT, O_PROCS, O_WAITS, O_IDLE, O_STATE,
       O_TOTAL };

static const struct column object_columns[O_TOTAL] = {
	[O_OBJECT] = { "OBJECT", "", 24, COLUMN_TEXT, true },
	[O_USER] = { "USER", "", 8, COLUMN_TEXT, true },
	[O_SIZE] = { "SIZE", "", 6, COLUMN_BYTES, true },
	[O_RESIDENT] = { "RESIDENT", "", 8, COLUMN_BYTES, true },
	[O_GROWTH] = { "MORE/s", "", 7, COLUMN_NUMBER, true },
	[O_COUNT] = { "COUNT", "", 6, COLUMN_NUMBER, true },
	[O_PROCS] = { "PROCS", "", 5, COLUMN_NUMBER, true },
	[O_WAITS] = { "WAITS", "", 5, COLUMN_NUMBER, true },
	[O_IDLE] = { "IDLE", "", 5, COLUMN_SECONDS, true },
	[O_STATE] = { "STATE", "", 8, COLUMN_TEXT, true },
};

enum { P_COMMAND, P_PID, P_USER, P_MAPPED, P_OBJECTS, P_THREADS, P_WAITS, P_CONTAINER, P_TOTAL };

static const struct column process_columns[P_TOTAL] = {
	[P_COMMAND] = { "COMMAND", "", 20, COLUMN_TEXT, true },
	[P_PID] = { "PID", "", 8, COLUMN_NUMBER, true },
	[P_USER] = { "USER", "", 8, COLUMN_TEXT, true },
	[P_MAPPED] = { "MAPPED", "", 6, COLUMN_BYTES, true },
	[P_OBJECTS] = { "OBJECTS", "", 7, COLUMN_NUMBER, true },
	[P_THREADS] = { "THREADS", "", 7, COLUMN_NUMBER, true },
	[P_WAITS] = { "WAITS", "", 5, COLUMN_NUMBER, true },
	[P_CONTAINER] = { "CONTAINER", "", 12, COLUMN_TEXT, true },
};

enum { U_COMMAND, U_PID, U_USER, U_OPENS, U_MAPS, U_MAPPED, U_WAITS, U_HOLDER, U_TOTAL };

static const struct column user_columns[U_TOTAL] = {
	[U_COMMAND] = { "COMMAND", "", 20, COLUMN_TEXT, true },
	[U_PID] = { "PID", "", 8, COLUMN_NUMBER, true },
	[U_USER] = { "USER", "", 8, COLUMN_TEXT, true },
	[U_OPENS] = { "OPENS", "", 5, COLUMN_NUMBER, true },
	[U_MAPS] = { "MAPS", "", 5, COLUMN_NUMBER, true },
	[U_MAPPED] = { "MAPPED", "", 6, COLUMN_BYTES, true },
	[U_WAITS] = { "WAITS", "", 5, COLUMN_NUMBER, true },
	[U_HOLDER] = { "FOR", "", 16, COLUMN_TEXT, true },
};

const struct column *top_columns(enum top_view view, unsigned *count)
{
	*count = view == TOP_OBJECTS ? O_TOTAL : view == TOP_PROCESSES ? P_TOTAL : U_TOTAL;
	return view == TOP_OBJECTS     ? object_columns
	       : view == TOP_PROCESSES ? process_columns
				       : user_columns;
}

/* -- growth ------------------------------------------------------------------------------ */

static char *key_of(const struct dure_host_object *o)
{
	char name[OBJECT_NAME_BYTES], key[OBJECT_NAME_BYTES + 64];

	snprintf(key, sizeof key, "%s %" PRIu64 " %" PRIu64, object_name(o, name, sizeof name),
		 o->ipc_namespace, o->inode);
	return or_exit(strdup(key));
}

static int compare_past(const void *a, const void *b)
{
	const struct top_past *x = a, *y = b;

	return strcmp(x->key, y->key);
}

void top_forget(struct top_memory *memory)
{
	for (size_t i = 0; i < memory->count; i++)
		free(memory->past[i].key);
	free(memory->past);
	*memory = (struct top_memory){ 0 };
}

/* Remembers this look, and returns the one before; its caller forgets that. */
static struct top_memory exchange(struct top_memory *memory, const struct top_look *look)
{
	struct top_memory last = *memory;

	memory->past = or_exit(calloc(look->host.object_count + 1, sizeof *memory->past));
	memory->count = look->host.object_count;
	memory->taken_ns = look->taken_ns;
	for (size_t i = 0; i < look->host.object_count; i++) {
		memory->past[i].key = key_of(look->host.objects[i]);
		memory->past[i].bytes = look->host.objects[i]->resident_bytes;
	}
	qsort(memory->past, memory->count, sizeof *memory->past, compare_past);
	return last;
}

static uint64_t bytes_before(const struct top_memory *last, const struct dure_host_object *o)
{
	struct top_past wanted = { .key = key_of(o) };
	const struct top_past *found =
		last->count ? bsearch(&wanted, last->past, last->count, sizeof *last->past, compare_past)
			    : NULL;

	free(wanted.key);
	return found ? found->bytes : 0;
}

/* Bytes a second, as a text, and as a number that sorts: half of all numbers are less than none. */
static void describe_growth(struct row *row, const struct top_memory *last,
			    const struct dure_host_object *o, uint64_t now_ns)
{
	double seconds = (double)(now_ns - last->taken_ns) / 1e9;
	double growth = ((double)o->resident_bytes - (double)bytes_before(last, o)) / seconds;
	char text[24], amount[16];

	row_number(row, O_GROWTH, (uint64_t)(growth / 2 + 0x1p62));
	if (fabs(growth) < 1)
		return;
	snprintf(text, sizeof text, "%c%s", growth < 0 ? '-' : '+',
		 human_bytes((uint64_t)fabs(growth), amount, sizeof amount));
	row_text(row, O_GROWTH, text);
}

/* -- rows -------------------------------------------------------------------------------- */

static const char *state_of(const struct dure_host_object *o)
{
	if (o->flags & DURE_HOST_DOOMED)
		return "doomed";
	if (o->kind == DURE_HOST_DELETED)
		return "deleted";
	return o->processes || o->sleepers || (o->kind == DURE_HOST_SYSV_SHM && o->count) ? "used" : "idle";
}

static bool is_wanted(const struct dure_host_object *o, const char *name,
		      const struct top_choice *choice)
{
	return (!choice->kinds || choice->kinds >> o->kind & 1) &&
	       !(choice->is_local && o->flags & DURE_HOST_ELSEWHERE) &&
	       (!*choice->find || strcasestr(name, choice->find));
}

static void add_object(struct top_look *look, const struct dure_host_object *o,
		       const struct top_choice *choice, const struct top_memory *last)
{
	char name[OBJECT_NAME_BYTES];
	uint64_t used_s = o->used_ns / 1000000000u, now_s = (uint64_t)time(NULL);
	struct row *row;

	object_name(o, name, sizeof name);
	if (!is_wanted(o, name, choice))
		return;
	row = list_add(&look->list);
	row->subject = o;
	row_text(row, O_OBJECT, name);
	row_text(row, O_USER, user_name(o->owner));
	row_number(row, O_SIZE, o->size_bytes);
	row_number(row, O_RESIDENT, o->resident_bytes);
	if (last->taken_ns && look->taken_ns > last->taken_ns)
		describe_growth(row, last, o, look->taken_ns);
	row_number(row, O_COUNT, o->count);
	row_number(row, O_PROCS, o->processes);
	row_number(row, O_WAITS, o->sleepers);
	if (o->used_ns)
		row_number(row, O_IDLE, now_s > used_s ? now_s - used_s : 0);
	row_text(row, O_STATE, state_of(o));
}

static uint64_t count_waits(const struct host *host, uint32_t process)
{
	uint64_t count = 0;

	for (size_t i = 0; i < host->wait_count; i++)
		count += host->waits[i]->process == process;
	return count;
}

static void add_process(struct top_look *look, const struct dure_host_process *p,
			const struct top_choice *choice)
{
	uint64_t waits = count_waits(&look->host, p->pid);
	struct row *row;

	if ((!p->objects && !waits) || (*choice->find && !strcasestr(p->name, choice->find)))
		return;
	row = list_add(&look->list);
	row_text(row, P_COMMAND, p->name);
	row_number(row, P_PID, p->pid);
	row_text(row, P_USER, user_name(p->user));
	row_number(row, P_MAPPED, p->mapped_bytes);
	row_number(row, P_OBJECTS, p->objects);
	row_number(row, P_THREADS, p->threads);
	row_number(row, P_WAITS, waits);
	row_text(row, P_CONTAINER, p->label);
}

static struct row *user_row(struct top_look *look, uint32_t pid)
{
	const struct dure_host_process *p = host_process(&look->host, pid);
	struct row *row;

	for (size_t i = 0; i < look->list.count; i++)
		if (row_cell(look->list.rows[i], U_PID)->number == pid)
			return look->list.rows[i];
	row = list_add(&look->list);
	row_text(row, U_COMMAND, p ? p->name : pid ? "?" : "(the kernel does not say who)");
	row_number(row, U_PID, pid);
	if (p)
		row_text(row, U_USER, user_name(p->user));
	return row;
}

static void add_waiter(struct top_look *look, const struct dure_host_wait *w)
{
	struct row *row = user_row(look, w->process);
	char text[80] = "";
	const struct dure_host_process *holder = host_process(&look->host, w->holder);

	row_number(row, U_WAITS, row_cell(row, U_WAITS)->number + 1);
	if (w->holder_is_dead)
		snprintf(text, sizeof text, "dead %" PRIu32, w->holder_inner);
	else if (w->holder)
		snprintf(text, sizeof text, "%" PRIu32 " %.32s", w->holder, holder ? holder->name : "");
	row_text(row, U_HOLDER, text);
}

static void add_users(struct top_look *look, const char *subject)
{
	const struct dure_host_object *o = NULL;
	const struct dure_host_use *const *uses;
	char name[OBJECT_NAME_BYTES];
	size_t count = 0;

	snprintf(look->subject, sizeof look->subject, "%s", subject);
	for (size_t i = 0; i < look->host.object_count && !o; i++)
		if (strcmp(object_name(look->host.objects[i], name, sizeof name), subject) == 0)
			o = look->host.objects[i];
	look->has_subject = o != NULL;
	if (!o)
		return;
	uses = host_uses(&look->host, o->index, &count);
	for (size_t i = 0; i < count; i++) {
		struct row *row = user_row(look, uses[i]->process);
		row_number(row, U_OPENS, uses[i]->opens);
		row_number(row, U_MAPS, uses[i]->maps);
		row_number(row, U_MAPPED, uses[i]->mapped_bytes);
	}
	for (size_t i = 0; i < look->host.wait_count; i++)
		if (look->host.waits[i]->object == o->index)
			add_waiter(look, look->host.waits[i]);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool top_look(struct top_look *look, enum top_view view, const char *subject,
	      const struct top_choice *choice, struct top_memory *memory)
{
	uint32_t flags = DURE_HOST_WAITS | (choice->is_local ? 0 : DURE_HOST_NAMESPACES);
	const struct column *columns;
	struct top_memory last;
	unsigned count;

	*look = (struct top_look){ .has_subject = true };
	if (!host_begin(&look->host, "top", flags, 0))
		return false;
	if (!limits_begin(&look->limits, &look->host, "top", 0)) {
		host_end(&look->host);
		return false;
	}
	look->taken_ns = monotonic_ns();
	columns = top_columns(view, &count);
	list_begin(&look->list, columns, count);
	last = exchange(memory, look);
	for (size_t i = 0; i < look->host.object_count; i++)
		look->shm_bytes += look->host.objects[i]->resident_bytes;
	for (size_t i = 0; view == TOP_OBJECTS && i < look->host.object_count; i++)
		add_object(look, look->host.objects[i], choice, &last);
	for (size_t i = 0; view == TOP_PROCESSES && i < look->host.process_count; i++)
		add_process(look, look->host.processes[i], choice);
	if (view == TOP_USERS)
		add_users(look, subject);
	top_forget(&last);
	if (list_sort(&look->list, "top", choice->sort[view]))
		return true;
	top_look_end(look);
	return false;
}

void top_look_end(struct top_look *look)
{
	list_end(&look->list);
	limits_end(&look->limits);
	host_end(&look->host);
}
