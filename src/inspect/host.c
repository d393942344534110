/* SPDX-License-Identifier: MIT */
/*
 * host.c - the picture of a host: how it is kept, and what is told of it
 *
 * Why      Every kind of object has its own list in the kernel, and the question is always the
 *          same: which are there, who uses them, who waits. So the lists are joined here, and
 *          the parts (host_sysv.c, host_files.c, host_process.c, host_wait.c) only fill them.
 * Rules    [HOST1] nothing is changed by looking; no object is opened for writing, no process
 *                  is stopped
 *          [HOST2] every text read is bounded, every number checked, before it is used
 *          [HOST3] what could not be seen becomes a note, never silence
 *          [HOST4] objects are listed before the processes' mappings are read: who opens one
 *                  meanwhile is seen, or the object's judgement asks again
 * Death    nothing shared is changed. A thread killed in another IPC namespace is gone with it.
 */
#include "inspect/host.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"
#include "os/file.h"
#include "os/self.h"

/* the kernel gives the first PID namespace this number */
#define FIRST_PID_NAMESPACE UINT64_C(0xeffffffc)

/* -- keeping ----------------------------------------------------------------------------- */

void *durei_list_add(struct durei_list *list, size_t item_bytes)
{
	if (list->count == list->room) {
		uint64_t room = list->room ? 2 * list->room : 64;
		void *items = realloc(list->items, (size_t)room * item_bytes);
		if (!items)
			return NULL;
		list->items = items;
		list->room = room;
	}
	void *item = (char *)list->items + (size_t)list->count++ * item_bytes;
	return memset(item, 0, item_bytes);
}

struct durei_text_block {
	struct durei_text_block *next;
	size_t used;
	char bytes[32000];
};

const char *durei_host_text(dure_host *host, const char *text)
{
	size_t bytes = strlen(text) + 1;
	struct durei_text_block *block = host->texts;

	if (bytes == 1)
		return "";
	if (bytes > sizeof block->bytes)
		return NULL;
	if (!block || block->used + bytes > sizeof block->bytes) {
		block = malloc(sizeof *block);
		if (!block)
			return NULL;
		block->next = host->texts;
		block->used = 0;
		host->texts = block;
	}
	char *copy = memcpy(block->bytes + block->used, text, bytes);
	block->used += bytes;
	return copy;
}

int durei_host_note(dure_host *host, const char *format, ...)
{
	char text[400];
	va_list arguments;
	const char **note;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	for (uint64_t i = 0; i < host->notes.count; i++)
		if (strcmp(((const char **)host->notes.items)[i], text) == 0)
			return 0;
	const char *copy = durei_host_text(host, text);
	note = copy ? durei_list_add(&host->notes, sizeof *note) : NULL;
	if (!note)
		return -ENOMEM;
	*note = copy;
	return 0;
}

static uint64_t bucket_of(const dure_host *host, const struct durei_identity *identity)
{
	uint64_t words[3] = { identity->sysv_kind, identity->space, identity->number };

	return hash_bytes(0, words, sizeof words) & (host->bucket_count - 1);
}

struct durei_host_object *durei_host_find(const dure_host *host,
					  const struct durei_identity *identity)
{
	uint64_t next = host->bucket_count ? host->buckets[bucket_of(host, identity)] : 0;

	while (next) {
		struct durei_host_object *object = OBJECT(host, next - 1);
		if (object->identity.number == identity->number &&
		    object->identity.space == identity->space &&
		    object->identity.sysv_kind == identity->sysv_kind)
			return object;
		next = object->next;
	}
	return NULL;
}

static int widen(dure_host *host)
{
	uint64_t count = host->bucket_count ? 2 * host->bucket_count : 1024;
	uint64_t *buckets = calloc((size_t)count, sizeof *buckets);

	if (!buckets)
		return -ENOMEM;
	free(host->buckets);
	host->buckets = buckets;
	host->bucket_count = count;
	for (uint64_t i = 0; i < host->objects.count; i++) {
		struct durei_host_object *object = OBJECT(host, i);
		uint64_t *bucket = &buckets[bucket_of(host, &object->identity)];
		object->next = *bucket;
		*bucket = i + 1;
	}
	return 0;
}

struct durei_host_object *durei_host_object(dure_host *host, const struct durei_identity *identity)
{
	struct durei_host_object *object = durei_host_find(host, identity);

	if (object)
		return object;
	if (host->objects.count >= host->bucket_count && widen(host) < 0)
		return NULL;
	object = durei_list_add(&host->objects, sizeof *object);
	if (!object)
		return NULL;
	uint64_t *bucket = &host->buckets[bucket_of(host, identity)];
	object->identity = *identity;
	object->next = *bucket;
	*bucket = host->objects.count;
	object->o = (struct dure_host_object){ .sz = sizeof object->o, .id = -1,
					       .index = host->objects.count - 1, .name = "",
					       .path = "", .label = "" };
	return object;
}

void durei_host_fill(struct durei_host_object *object, const struct durei_node *node)
{
	struct dure_host_object *o = &object->o;

	object->is_asked = true;
	o->device = node->device;
	o->inode = node->inode;
	o->mode = node->mode & 07777;
	o->owner = node->owner;
	o->group = node->group;
	o->size_bytes = node->size_bytes;
	o->resident_bytes = node->allocated_bytes;
	o->changed_ns = node->changed_ns;
	o->used_ns = node->read_ns > node->written_ns ? node->read_ns : node->written_ns;
	o->flags &= ~(uint32_t)DURE_HOST_SIZE_GUESSED;
}

struct dure_host_use *durei_host_use(dure_host *host, struct durei_host_object *object,
				     uint32_t process)
{
	struct dure_host_use *uses = host->uses.items;

	/* processes are read one after the other, so the latest use is the only candidate */
	if (object->last_use && uses[object->last_use - 1].process == process)
		return &uses[object->last_use - 1];
	struct dure_host_use *use = durei_list_add(&host->uses, sizeof *use);
	if (!use)
		return NULL;
	*use = (struct dure_host_use){ .sz = sizeof *use, .object = object->o.index,
				       .process = process };
	object->last_use = host->uses.count;
	return use;
}

static int by_pid(const void *a, const void *b)
{
	const struct durei_host_process *x = a, *y = b;

	return x->p.pid < y->p.pid ? -1 : x->p.pid > y->p.pid;
}

struct durei_host_process *durei_host_process(const dure_host *host, uint32_t pid)
{
	struct durei_host_process key = { .p.pid = pid };

	return host->processes.count
		       ? bsearch(&key, host->processes.items, (size_t)host->processes.count,
				 sizeof key, by_pid)
		       : NULL;
}

struct durei_host_process *durei_host_inner_process(const dure_host *host, uint64_t pid_namespace,
						    uint32_t inner_pid)
{
	for (uint64_t i = 0; i < host->processes.count; i++)
		if (PROCESS(host, i)->p.inner_pid == inner_pid &&
		    PROCESS(host, i)->p.pid_namespace == pid_namespace)
			return PROCESS(host, i);
	return NULL;
}

/* -- looking ----------------------------------------------------------------------------- */

static int by_object(const void *a, const void *b)
{
	const struct dure_host_use *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->process < y->process ? -1 : x->process > y->process;
}

/* Locks and descriptors of one process were found apart. */
static void merge_uses(dure_host *host)
{
	struct dure_host_use *uses = host->uses.items;
	uint64_t kept = 0;

	if (host->uses.count)
		qsort(uses, (size_t)host->uses.count, sizeof *uses, by_object);
	for (uint64_t i = 0; i < host->uses.count; i++) {
		if (kept && by_object(&uses[kept - 1], &uses[i]) == 0) {
			uses[kept - 1].how |= uses[i].how;
			uses[kept - 1].opens += uses[i].opens;
			uses[kept - 1].maps += uses[i].maps;
			uses[kept - 1].mapped_bytes += uses[i].mapped_bytes;
		} else {
			uses[kept++] = uses[i];
		}
	}
	host->uses.count = kept;
}

static void sum_up(dure_host *host)
{
	merge_uses(host);
	struct dure_host_use *uses = host->uses.items;
	struct dure_host_wait *waits = host->waits.items;

	for (uint64_t i = 0; i < host->uses.count; i++) {
		struct dure_host_object *o = &OBJECT(host, uses[i].object)->o;
		struct durei_host_process *process = durei_host_process(host, uses[i].process);
		o->processes += uses[i].process != 0;
		o->opens += uses[i].opens;
		o->maps += uses[i].maps;
		if (process) {
			process->p.objects++;
			process->p.mapped_bytes += uses[i].mapped_bytes;
		}
	}
	for (uint64_t i = 0; i < host->waits.count; i++)
		OBJECT(host, waits[i].object)->o.sleepers++;
	host->summary.objects = host->objects.count;
	host->summary.processes = host->processes.count;
	host->summary.unreadable_processes = host->unreadable;
}

/* [HOST3] */
static int note_what_is_missing(dure_host *host)
{
	uint64_t left_out = 0;
	int r = 0;

	if (host->unreadable)
		r = durei_host_note(host, "%" PRIu32 " of %" PRIu64 " processes could not be read, so who uses "
				    "an object is not known in full: %s", host->unreadable,
				    host->processes.count,
				    durei_user_id() ? "run it as root"
						    : "they have rights that this process has not");
	if (r == 0 && host->summary.pid_namespace != FIRST_PID_NAMESPACE)
		r = durei_host_note(host, "this is not the host's first PID namespace: processes outside "
				    "of it are not seen; run it on the host");
	for (uint64_t i = 0; i < host->namespaces.count; i++)
		left_out += !((struct durei_host_namespace *)host->namespaces.items)[i].is_entered;
	/* who did not ask for them is not told */
	if (r == 0 && left_out && host->flags & DURE_HOST_NAMESPACES)
		r = durei_host_note(host, "%" PRIu64 " other IPC namespaces were not entered: that needs root "
				    "(CAP_SYS_ADMIN) in them", left_out);
	return r;
}

static int look(dure_host *host)
{
	static int (*const parts[])(dure_host *host) = {
		durei_host_look_processes, durei_host_look_sysv, durei_host_look_files,
		durei_host_look_locks,	   durei_host_look_uses, durei_host_look_waits,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof parts / sizeof *parts; i++) {
		r = parts[i](host);
		if (i == 0 && r == 0)
			qsort(host->processes.items, (size_t)host->processes.count,
			      sizeof(struct durei_host_process), by_pid);
	}
	if (r == 0)
		sum_up(host);
	return r < 0 ? r : note_what_is_missing(host);
}

static int begin(dure_host *host)
{
	uint64_t magic = 0;

	host->proc = durei_directory_open(DUREI_HERE, "/proc");
	if (host->proc == -EMFILE)
		return -EMFILE;
	if (host->proc < 0 || durei_filesystem_of("/proc", &magic) < 0 || magic != DUREI_MAGIC_PROC)
		return durei_error(ENOENT, "/proc is not mounted: nothing can be told of this host's "
				   "processes (mount -t proc proc /proc)");
	host->memory_device = durei_memory_device();
	host->summary = (struct dure_host_summary){
		.sz = sizeof host->summary,
		.ipc_namespace = durei_ipc_namespace(),
		.pid_namespace = durei_pid_namespace(),
		.taken_ns = durei_wall_ns(),
	};
	host->sees_all_pids = host->summary.pid_namespace == FIRST_PID_NAMESPACE;
	return 0;
}

int dure_host_look(const struct dure_host_options *options, dure_host **ret)
{
	struct dure_host_options o;
	dure_host *host;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r < 0)
		return r;
	if (o.flags & ~(uint32_t)(DURE_HOST_NAMESPACES | DURE_HOST_WAITS))
		return durei_error(EINVAL, "dure_host_look: flags %#x have unknown bits", o.flags);
	host = calloc(1, sizeof *host);
	if (!host)
		return durei_error(ENOMEM, "there is no memory for a picture of the host");
	host->flags = o.flags;
	host->kinds = o.kinds;
	host->proc = host->home = -1;
	r = begin(host);
	if (r == 0)
		r = look(host);
	if (r == -ENOMEM)
		durei_error(ENOMEM, "there is no memory for %" PRIu64 " objects and %" PRIu64
			    " processes", host->objects.count, host->processes.count);
	if (r == -EMFILE)
		durei_error(EMFILE, "this process has too many descriptors open to look into others: "
			    "raise RLIMIT_NOFILE, or close some");
	if (r < 0) {
		dure_host_close(host);
		return r;
	}
	*ret = host;
	return 0;
}

void dure_host_close(dure_host *host)
{
	if (!host)
		return;
	struct durei_list *lists[] = { &host->objects,	  &host->processes,  &host->uses,
				       &host->mappings,	  &host->waits,	     &host->namespaces,
				       &host->directories, &host->notes };
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		free(lists[i]->items);
	while (host->texts) {
		struct durei_text_block *next = host->texts->next;
		free(host->texts);
		host->texts = next;
	}
	durei_file_close(host->proc);
	durei_file_close(host->home);
	free(host->buffer.bytes);
	free(host->buckets);
	free(host);
}

/* -- telling ----------------------------------------------------------------------------- */

int dure_host_object_list(const dure_host *host,
			  int (*visit)(const struct dure_host_object *object, void *context),
			  void *context)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < host->objects.count; i++)
		if (durei_host_wants(host, OBJECT(host, i)->o.kind))
			r = visit(&OBJECT(host, i)->o, context);
	return r;
}

int dure_host_process_list(const dure_host *host,
			   int (*visit)(const struct dure_host_process *process, void *context),
			   void *context)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < host->processes.count; i++)
		r = visit(&PROCESS(host, i)->p, context);
	return r;
}

int dure_host_use_list(const dure_host *host, uint64_t object,
		       int (*visit)(const struct dure_host_use *use, void *context), void *context)
{
	const struct dure_host_use *uses = host->uses.items;
	uint64_t low = 0, high = host->uses.count;
	int r = 0;

	while (object != DURE_HOST_ANY && low < high) {		/* sorted by object */
		uint64_t middle = low + (high - low) / 2;
		if (uses[middle].object < object)
			low = middle + 1;
		else
			high = middle;
	}
	for (; r == 0 && low < host->uses.count; low++) {
		if (object != DURE_HOST_ANY && uses[low].object != object)
			break;
		r = visit(&uses[low], context);
	}
	return r;
}

int dure_host_wait_list(const dure_host *host,
			int (*visit)(const struct dure_host_wait *wait, void *context),
			void *context)
{
	const struct dure_host_wait *waits = host->waits.items;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < host->waits.count; i++)
		r = visit(&waits[i], context);
	return r;
}

int dure_host_note_list(const dure_host *host,
			int (*visit)(const char *sentence, void *context), void *context)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < host->notes.count; i++)
		r = visit(((const char **)host->notes.items)[i], context);
	return r;
}

int dure_host_summarize(const dure_host *host, struct dure_host_summary *ret)
{
	struct dure_host_summary sums = host->summary;

	sums.is_complete = host->notes.count == 0;
	return durei_options_write(ret, &sums, sizeof sums, sizeof sums);
}
