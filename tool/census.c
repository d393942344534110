/* SPDX-License-Identifier: MIT */
/*
 * census.c - how much of everything there is at a moment: taken, kept as JSON, read again
 *
 * A file of a census is data from anywhere: what is missing or of another type is refused.
 */
#include "census.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "tool.h"

enum { CENSUS_VERSION = 1 };

static struct census_object *add_object(struct census *census)
{
	if (census->object_count == census->object_room) {
		census->object_room = census->object_room ? 2 * census->object_room : 256;
		census->objects = or_exit(reallocarray(census->objects, census->object_room,
						       sizeof *census->objects));
	}
	return memset(&census->objects[census->object_count++], 0, sizeof *census->objects);
}

static struct census_limit *add_limit(struct census *census)
{
	if (census->limit_count == census->limit_room) {
		census->limit_room = census->limit_room ? 2 * census->limit_room : 32;
		census->limits = or_exit(reallocarray(census->limits, census->limit_room,
						      sizeof *census->limits));
	}
	return memset(&census->limits[census->limit_count++], 0, sizeof *census->limits);
}

static int compare_keys(const void *a, const void *b)
{
	const struct census_object *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static void sort(struct census *census)
{
	if (census->object_count)
		qsort(census->objects, census->object_count, sizeof *census->objects, compare_keys);
}

void census_free(struct census *census)
{
	if (!census)
		return;
	for (size_t i = 0; i < census->object_count; i++) {
		free(census->objects[i].key);
		free(census->objects[i].name);
		free(census->objects[i].kind);
		free(census->objects[i].user);
	}
	for (size_t i = 0; i < census->limit_count; i++)
		free(census->limits[i].name);
	free(census->objects);
	free(census->limits);
	free(census);
}

/* -- taking it --------------------------------------------------------------------------- */

static void read_boot(char *boot, size_t bytes)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return;
	if (fgets(boot, (int)bytes, file))
		boot[strcspn(boot, "\n")] = '\0';
	fclose(file);
}

static void take_object(struct census *census, const struct dure_host_object *o)
{
	char name[OBJECT_NAME_BYTES], key[OBJECT_NAME_BYTES + 80];
	struct census_object *to = add_object(census);

	object_name(o, name, sizeof name);
	/* a file that takes another one's name has another inode; identifiers do not come back soon */
	snprintf(key, sizeof key, "%s %" PRIu64 " %" PRIu64 ":%" PRIu64, name, o->ipc_namespace,
		 o->device, o->inode);
	to->key = or_exit(strdup(key));
	to->name = or_exit(strdup(name));
	to->kind = or_exit(strdup(kind_name(o->kind)));
	to->user = or_exit(strdup(user_name(o->owner)));
	to->size_bytes = o->size_bytes;
	to->bytes = o->kind == DURE_HOST_SYSV_MSG || o->kind == DURE_HOST_POSIX_MQ
			    ? o->size_bytes
			    : o->resident_bytes;
	to->count = o->count;
	to->processes = o->processes;
}

/* A segment's pages in use say more than its file, which was reserved in one piece. */
static int take_segment(const struct dure_segment_entry *entry, void *context)
{
	struct dure_segment_info info = { .sz = sizeof info };
	struct dure_heap_info heap = { .sz = sizeof heap };
	struct dure_segment_options o = { .sz = sizeof o };
	struct census *census = context;
	char name[300], key[400];
	dure_segment *seg;

	if (entry->is_stale)
		return 0;
	if (!*entry->name) {
		o.backing = DURE_BACKING_SYSV;
		o.id = entry->sysv_id;
		snprintf(name, sizeof name, "sysv:%d", entry->sysv_id);
	} else {
		snprintf(name, sizeof name, "%s", entry->name);
	}
	if (dure_segment_open(*entry->name ? name : NULL, DURE_OPEN | DURE_READ_ONLY, &o, &seg) < 0)
		return 0;
	if (dure_segment_info(seg, &info) == 0 && dure_heap_info(seg, &heap) == 0) {
		struct census_object *to = add_object(census);
		snprintf(key, sizeof key, "segment %s %" PRIu64, name, info.created_ns);
		to->key = or_exit(strdup(key));
		to->name = or_exit(strdup(name));
		to->kind = or_exit(strdup("segment"));
		to->user = or_exit(strdup(""));
		to->size_bytes = info.size_bytes;
		to->bytes = heap.used_bytes;
		to->count = heap.live_blocks;
		to->processes = info.processes;
	}
	dure_segment_close(seg);
	return 0;
}

static void take_limit(struct census *census, const struct limit *from)
{
	struct census_limit *to;

	/* one big segment is no shortage; a process' own limits are ours, of a moment */
	if (!from->l.has_used || from->l.id == DURE_LIMIT_SHMMAX || from->l.id == DURE_LIMIT_SEMMSL ||
	    from->l.id == DURE_LIMIT_FILES || from->l.id == DURE_LIMIT_LOCKED ||
	    from->l.id == DURE_LIMIT_MAPS)
		return;
	to = add_limit(census);
	to->name = or_exit(strdup(from->l.name));
	to->is_bytes = from->l.unit == DURE_LIMIT_IN_BYTES;
	to->used = from->l.used;
	to->value = from->l.value >= UINT64_C(1) << 62 ? UINT64_MAX : from->l.value;
}

struct census *census_take(const char *command, bool is_local)
{
	uint32_t kinds = 0;
	struct census *census;
	struct limits limits;
	struct host host;

	/* file locks come and go, and are no memory */
	for (uint32_t kind = DURE_HOST_SYSV_SHM; kind < DURE_HOST_LOCK; kind++)
		kinds |= 1u << kind;
	if (!host_begin(&host, command, is_local ? 0 : DURE_HOST_NAMESPACES, kinds))
		return NULL;
	census = or_exit(calloc(1, sizeof *census));
	census->taken_ns = host.summary.taken_ns;
	census->ipc_namespace = host.summary.ipc_namespace;
	census->is_complete = host.summary.is_complete;
	census->is_local = is_local;
	read_boot(census->boot, sizeof census->boot);
	for (size_t i = 0; i < host.object_count; i++)
		if (!is_local || !(host.objects[i]->flags & DURE_HOST_ELSEWHERE))
			take_object(census, host.objects[i]);
	dure_segment_list(NULL, take_segment, census);
	if (limits_begin(&limits, &host, command, 0)) {
		for (size_t i = 0; i < limits.count; i++)
			take_limit(census, &limits.items[i]);
		limits_end(&limits);
	}
	host_end(&host);
	sort(census);
	return census;
}

/* -- as JSON ----------------------------------------------------------------------------- */

static json_t *object_value(const struct census_object *o)
{
	return or_exit(json_pack("{s:o, s:o, s:s, s:o, s:I, s:I, s:I, s:I}", "key", text_value(o->key),
				 "object", text_value(o->name), "kind", o->kind, "user",
				 text_value(o->user), "bytes", (json_int_t)o->bytes, "size",
				 (json_int_t)o->size_bytes, "count", (json_int_t)o->count, "procs",
				 (json_int_t)o->processes));
}

json_t *census_value(const struct census *census)
{
	json_t *objects = or_exit(json_array()), *limits = or_exit(json_array());

	for (size_t i = 0; i < census->object_count; i++)
		json_array_append_new(objects, object_value(&census->objects[i]));
	for (size_t i = 0; i < census->limit_count; i++) {
		const struct census_limit *l = &census->limits[i];
		json_array_append_new(
			limits, json_pack("{s:s, s:s, s:I, s:o}", "name", l->name, "unit",
					  l->is_bytes ? "bytes" : "count", "used", (json_int_t)l->used,
					  "value", l->value == UINT64_MAX
							   ? json_null()
							   : json_integer((json_int_t)l->value)));
	}
	return or_exit(json_pack("{s:i, s:s, s:I, s:s, s:I, s:b, s:b, s:o, s:o}", "version", CENSUS_VERSION,
				 "type", "snapshot", "taken_ns", (json_int_t)census->taken_ns, "boot",
				 census->boot, "ipc_namespace", (json_int_t)census->ipc_namespace,
				 "complete", (int)census->is_complete, "local", (int)census->is_local,
				 "limits", limits, "objects", objects));
}

/* -- reading it again -------------------------------------------------------------------- */

static bool read_object(struct census *census, json_t *from)
{
	const char *key, *name, *kind, *user;
	json_int_t bytes, size, count, processes;

	if (json_unpack(from, "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "key", &key, "object", &name,
			"kind", &kind, "user", &user, "bytes", &bytes, "size", &size, "count", &count,
			"procs", &processes) < 0 ||
	    bytes < 0 || size < 0 || count < 0 || processes < 0)
		return false;
	struct census_object *o = add_object(census);
	*o = (struct census_object){
		or_exit(strdup(key)), or_exit(strdup(name)), or_exit(strdup(kind)),
		or_exit(strdup(user)), (uint64_t)bytes, (uint64_t)size, (uint64_t)count,
		(uint64_t)processes,
	};
	return true;
}

static bool read_limit(struct census *census, json_t *from)
{
	const char *name, *unit;
	json_int_t used;
	json_t *value;

	if (json_unpack(from, "{s:s, s:s, s:I, s:o}", "name", &name, "unit", &unit, "used", &used,
			"value", &value) < 0 ||
	    used < 0 || (json_is_integer(value) && json_integer_value(value) < 0))
		return false;
	struct census_limit *l = add_limit(census);
	l->name = or_exit(strdup(name));
	l->is_bytes = strcmp(unit, "bytes") == 0;
	l->used = (uint64_t)used;
	l->value = json_is_integer(value) ? (uint64_t)json_integer_value(value) : UINT64_MAX;
	return true;
}

/* NULL, or what is wrong with it */
static const char *read_value(struct census *census, json_t *from)
{
	const char *type, *boot;
	json_int_t taken, namespace;
	json_t *limits, *objects, *item;
	int version, complete, local;
	size_t i;

	if (json_unpack(from, "{s:i, s:s}", "version", &version, "type", &type) < 0 ||
	    strcmp(type, "snapshot") != 0)
		return "it is no snapshot (dure snapshot makes one)";
	if (version != CENSUS_VERSION)
		return "it is of a version this dure does not know";
	if (json_unpack(from, "{s:I, s:s, s:I, s:b, s:b, s:o, s:o}", "taken_ns", &taken, "boot", &boot,
			"ipc_namespace", &namespace, "complete", &complete, "local", &local,
			"limits", &limits, "objects", &objects) < 0 ||
	    !json_is_array(limits) || !json_is_array(objects))
		return "parts of it are missing";
	census->taken_ns = (uint64_t)taken;
	census->ipc_namespace = (uint64_t)namespace;
	census->is_complete = complete;
	census->is_local = local;
	snprintf(census->boot, sizeof census->boot, "%s", boot);
	json_array_foreach(objects, i, item)
		if (!read_object(census, item))
			return "one of its objects is not complete";
	json_array_foreach(limits, i, item)
		if (!read_limit(census, item))
			return "one of its limits is not complete";
	sort(census);
	return NULL;
}

struct census *census_read(const char *command, const char *path)
{
	struct census *census = or_exit(calloc(1, sizeof *census));
	json_error_t error;
	json_t *value = strcmp(path, "-") == 0 ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
					       : json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const char *wrong = value ? read_value(census, value) : error.text;

	if (wrong) {
		complain(command, "%s: %s", path, wrong);
		census_free(census);
		census = NULL;
	}
	json_decref(value);
	return census;
}
