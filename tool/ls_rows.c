/* SPDX-License-Identifier: MIT */
/*
 * ls_rows.c - what stands in a row of dure ls: of an object of the kernel's, of a segment
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ls.h"
#include "tool.h"

/* -- objects ----------------------------------------------------------------------------- */

static const char *state_of(const struct dure_host_object *o)
{
	if (o->flags & DURE_HOST_DOOMED)
		return "doomed";
	if (o->kind == DURE_HOST_DELETED)
		return "deleted";
	if (o->kind == DURE_HOST_SYSV_SHM)
		return o->count ? "used" : "idle";
	if (o->kind == DURE_HOST_SYSV_SEM || o->kind == DURE_HOST_SYSV_MSG)
		return o->sleepers ? "used" : "";	/* the kernel does not say who has it */
	return o->processes || o->kind == DURE_HOST_LOCK ? "used" : "idle";
}

/* the pids and the names of those who use it; not all when they are many */
static void describe_users(const struct listing *l, const struct dure_host_object *o,
			   struct row *row)
{
	size_t count, pids_used = 0, names_used = 0;
	const struct dure_host_use *const *uses = host_uses(l->host, o->index, &count);
	char pids[256] = "", names[256] = "";

	for (size_t i = 0; i < count; i++) {
		const struct dure_host_process *p = host_process(l->host, uses[i]->process);
		if (!p || pids_used + 32 > sizeof pids || names_used + 32 > sizeof names)
			continue;
		pids_used += (size_t)snprintf(pids + pids_used, sizeof pids - pids_used, "%s%" PRIu32,
					      pids_used ? "," : "", p->pid);
		if (!strstr(names, p->name))
			names_used += (size_t)snprintf(names + names_used, sizeof names - names_used,
						       "%s%.20s", names_used ? "," : "", p->name);
	}
	row_text_if(row, C_PIDS, pids);
	row_text_if(row, C_COMMANDS, names);
}

static void describe_kernel_side(const struct listing *l, const struct dure_host_object *o,
				 struct row *row)
{
	char text[32];

	row_text(row, C_USER, user_name(o->owner));
	row_number(row, C_RESIDENT, o->resident_bytes);
	row_number_if(row, C_SWAPPED, o->swapped_bytes);
	row_number(row, C_PROCS, o->processes);
	row_number(row, C_OPENS, o->opens);
	row_number(row, C_MAPS, o->maps);
	row_number(row, C_WAITS, o->sleepers);
	row_age_if(row, C_IDLE, o->used_ns, l->now_s);
	row_text_if(row, C_CONTAINER, o->label);
	row_number_if(row, C_NS, o->ipc_namespace);
	row_number_if(row, C_DEVICE, o->device);
	row_number_if(row, C_INODE, o->inode);
	if (o->id >= 0) {
		row_number(row, C_ID, (uint64_t)o->id);
		row_text(row, C_CREATOR, user_name(o->creator_user));
		snprintf(text, sizeof text, "0x%08" PRIx64, o->key);
		row_text(row, C_KEY, text);
	}
	if (o->kind == DURE_HOST_SYSV_SHM)
		row_number(row, C_CPID, o->creator);
	row_number_if(row, C_LPID, o->last[0]);
	if (l->choice->is_verbose || l->choice->table.is_json || l->choice->table.output ||
	    l->choice->filter)
		describe_users(l, o, row);
}

static void describe_object(const struct listing *l, const struct dure_host_object *o,
			    struct row *row)
{
	char text[OBJECT_NAME_BYTES];

	row_text(row, C_OBJECT, object_name(o, text, sizeof text));
	row_text(row, C_KIND, kind_name(o->kind));
	row_text_if(row, C_NAME, o->name);
	describe_kernel_side(l, o, row);
	if (o->kind != DURE_HOST_LOCK) {
		row_number(row, C_SIZE, o->size_bytes);
		snprintf(text, sizeof text, "%04o", o->mode);
		row_text(row, C_MODE, text);
		row_age_if(row, C_AGE, o->changed_ns, l->now_s);
	}
	if (o->kind != DURE_HOST_POSIX_SHM && o->kind != DURE_HOST_MEMFD &&
	    o->kind != DURE_HOST_DELETED && o->kind != DURE_HOST_ANONYMOUS)
		row_number(row, C_COUNT, o->count);
	row_text_if(row, C_STATE, state_of(o));
	row_text_if(row, C_PATH, o->path);
}

void ls_add_objects(struct listing *l)
{
	for (size_t i = 0; i < l->host->object_count; i++) {
		const struct dure_host_object *o = l->host->objects[i];
		if (l->row_of[o->index] ||
		    (l->choice->is_local && o->flags & DURE_HOST_ELSEWHERE) ||
		    (l->choice->has_kinds && !(l->choice->kinds >> o->kind & 1)))
			continue;
		struct row *row = list_add(&l->list);
		row->subject = o;
		describe_object(l, o, row);
	}
}

/* -- segments ---------------------------------------------------------------------------- */

struct census {
	uint64_t alive, dead;
};

static int count_participant(const struct dure_participant *participant, void *context)
{
	struct census *census = context;

	if (participant->is_alive)
		census->alive++;
	else
		census->dead++;
	return 0;
}

static void describe_inside(const struct listing *l, struct row *row, dure_segment *seg)
{
	struct dure_segment_info info = { .sz = sizeof info };
	struct dure_heap_info heap = { .sz = sizeof heap };
	struct census census = { 0, 0 };
	uint64_t objects = 0;
	char text[32];

	if (dure_segment_info(seg, &info) == 0) {
		row_number(row, C_SIZE, info.size_bytes);
		snprintf(text, sizeof text, "%04o", info.mode);
		row_text(row, C_MODE, text);
		row_age_if(row, C_AGE, info.created_ns, l->now_s);
	}
	int r = dure_heap_info(seg, &heap);
	if (r == 0)
		row_number(row, C_USED, heap.used_bytes);
	if (dure_participant_list(seg, count_participant, &census) == 0) {
		row_number(row, C_ALIVE, census.alive);
		row_number(row, C_DEAD, census.dead);
	}
	if (r == 0)
		r = dure_object_count(seg, &objects);
	if (r == 0)
		row_number(row, C_OBJECTS, objects);
	row_text(row, C_STATE, r == 0 ? "ok" : dure_last_error());
}

/* the kernel's object that holds the segment's bytes, if it was seen */
static const struct dure_host_object *holder_of(const struct listing *l,
						const struct dure_segment_entry *entry)
{
	for (size_t i = 0; l->host && i < l->host->object_count; i++) {
		const struct dure_host_object *o = l->host->objects[i];
		if (entry->backing == DURE_BACKING_SYSV
			    ? o->kind == DURE_HOST_SYSV_SHM && o->id == entry->sysv_id &&
				      !(o->flags & DURE_HOST_ELSEWHERE)
			    : *o->path && strcmp(o->path, entry->path) == 0)
			return o;
	}
	return NULL;
}

int ls_add_segment(const struct dure_segment_entry *entry, void *context)
{
	struct listing *l = context;
	struct row *row = list_add(&l->list);
	struct dure_segment_options o = { .sz = sizeof o };
	const struct dure_host_object *holder = holder_of(l, entry);
	const char *name = entry->name;
	char directory[512], id[32];
	dure_segment *seg;

	if (!*name) {
		snprintf(id, sizeof id, "sysv:%d", entry->sysv_id);
		o.backing = DURE_BACKING_SYSV;
		o.id = entry->sysv_id;
		name = NULL;
	}
	snprintf(directory, sizeof directory, "%s", entry->path);
	char *slash = strrchr(directory, '/');
	if (slash)
		*slash = '\0';
	o.directory = directory;
	row_text(row, C_OBJECT, name ? name : id);
	row_text(row, C_KIND, "segment");
	row_text(row, C_NAME, name ? name : id);
	if (holder) {
		describe_kernel_side(l, holder, row);
		row->subject = holder;
		l->row_of[holder->index] = row;
	}
	row_text(row, C_BACKING, backing_name(entry->backing));
	row_text(row, C_LIFETIME, lifetime_name(entry->lifetime));
	row_text(row, C_PATH, entry->path);
	if (entry->is_stale)
		row_text(row, C_STATE, "stale");
	else if (dure_segment_open(name, DURE_OPEN | DURE_READ_ONLY, &o, &seg) < 0)
		row_text(row, C_STATE, dure_last_error());
	else {
		describe_inside(l, row, seg);
		dure_segment_close(seg);
	}
	return 0;
}
