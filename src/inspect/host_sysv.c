/* SPDX-License-Identifier: MIT */
/*
 * host_sysv.c - System V objects and POSIX message queues, of all IPC namespaces
 *
 * Why      Both belong to an IPC namespace, and can be listed only from inside it. The calling
 *          thread goes there, if it may and was asked to, and comes back.
 * Rules    [HSYSV1] a thread that cannot come back says so with -EIO, before it does anything
 *                   else: from there on every identifier would mean another object
 * Death    nothing is changed; the private mount of the queues goes with its descriptor.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "inspect/host.h"
#include "os/file.h"

enum { TABLE_MAX = 1 << 28, FIELDS_MAX = 18, NAME_BYTES = 300 };

/* the mode's bits beyond permissions, as the kernel prints them in its table */
enum { MODE_DOOMED = 01000, MODE_LOCKED_IN = 02000 };

static uint64_t ns_of(int64_t seconds)
{
	return seconds > 0 ? (uint64_t)seconds * UINT64_C(1000000000) : 0;
}

static void fill_shm(struct dure_host_object *o, const int64_t f[FIELDS_MAX])
{
	o->flags |= (f[2] & MODE_DOOMED ? DURE_HOST_DOOMED : 0) |
		    (f[2] & MODE_LOCKED_IN ? DURE_HOST_LOCKED_IN : 0);
	o->size_bytes = (uint64_t)f[3];
	o->creator = (uint32_t)f[4];
	o->last[0] = (uint32_t)f[5];
	o->count = (uint64_t)f[6];
	o->owner = (uint32_t)f[7];
	o->group = (uint32_t)f[8];
	o->creator_user = (uint32_t)f[9];
	o->creator_group = (uint32_t)f[10];
	o->used_ns = ns_of(f[11] > f[12] ? f[11] : f[12]);
	o->changed_ns = ns_of(f[13]);
	o->resident_bytes = (uint64_t)f[14];
	o->swapped_bytes = (uint64_t)f[15];
}

static void fill_sem(struct dure_host_object *o, const int64_t f[FIELDS_MAX])
{
	o->count = (uint64_t)f[3];
	o->owner = (uint32_t)f[4];
	o->group = (uint32_t)f[5];
	o->creator_user = (uint32_t)f[6];
	o->creator_group = (uint32_t)f[7];
	o->used_ns = ns_of(f[8]);
	o->changed_ns = ns_of(f[9]);
}

static void fill_msg(struct dure_host_object *o, const int64_t f[FIELDS_MAX])
{
	o->size_bytes = (uint64_t)f[3];
	o->count = (uint64_t)f[4];
	o->last[0] = (uint32_t)f[5];
	o->last[1] = (uint32_t)f[6];
	o->owner = (uint32_t)f[7];
	o->group = (uint32_t)f[8];
	o->creator_user = (uint32_t)f[9];
	o->creator_group = (uint32_t)f[10];
	o->used_ns = ns_of(f[11] > f[12] ? f[11] : f[12]);
	o->changed_ns = ns_of(f[13]);
}

static const struct table {
	const char *path;
	uint32_t kind;
	int fields;
	void (*fill)(struct dure_host_object *o, const int64_t f[FIELDS_MAX]);
} tables[] = {
	{ "sysvipc/shm", DURE_HOST_SYSV_SHM, 16, fill_shm },
	{ "sysvipc/sem", DURE_HOST_SYSV_SEM, 10, fill_sem },
	{ "sysvipc/msg", DURE_HOST_SYSV_MSG, 14, fill_msg },
};

static int read_fields(const char *line, int64_t fields[FIELDS_MAX])
{
	int count = 0;

	while (count < FIELDS_MAX) {
		char *end;
		/* the third is the mode, in octal; sizes may use all 64 bits */
		int64_t n = *line == '\n' ? 0 : (int64_t)strtoull(line, &end, count == 2 ? 8 : 10);
		if (*line == '\n' || end == line)
			break;
		fields[count++] = n;
		line = end;
		while (*line == ' ')
			line++;
	}
	return count;
}

static int add_line(dure_host *host, const struct table *table,
		    const struct durei_host_namespace *ns, const char *line)
{
	int64_t fields[FIELDS_MAX];
	char name[24];

	if (read_fields(line, fields) < table->fields)
		return 0;
	struct durei_identity identity = { table->kind, ns->inode, (uint64_t)fields[1] };
	struct durei_host_object *object = durei_host_object(host, &identity);
	if (!object)
		return -ENOMEM;
	struct dure_host_object *o = &object->o;
	object->is_asked = true;
	o->kind = table->kind;
	o->id = fields[1];
	o->key = (uint32_t)fields[0];
	o->mode = (uint32_t)fields[2] & 0777;
	o->ipc_namespace = ns->inode;
	o->label = ns->label;
	if (ns->inode != host->summary.ipc_namespace)
		o->flags |= DURE_HOST_ELSEWHERE;
	table->fill(o, fields);
	snprintf(name, sizeof name, o->key ? "0x%08" PRIx64 : "private", o->key);
	o->name = durei_host_text(host, name);
	return o->name ? 0 : -ENOMEM;
}

static int look_at_table(dure_host *host, const struct table *table,
			 const struct durei_host_namespace *ns)
{
	int r = durei_text_read(host->proc, table->path, TABLE_MAX, &host->buffer);

	if (r == -ENOENT)	/* a kernel without System V IPC */
		return durei_host_note(host, "/proc/%s is not there: this kernel has no such objects, "
				       "or hides them", table->path);
	if (r < 0)
		return r == -ENOMEM || r == -EMFILE
			       ? r
			       : durei_host_note(host, "/proc/%s cannot be read: %s", table->path,
						 strerror(-r));
	const char *line = strchr(host->buffer.bytes, '\n');	/* the headings */
	for (r = 0; r == 0 && line && line[1]; line = strchr(line + 1, '\n')) {
		while (line[1] == ' ')
			line++;
		r = add_line(host, table, ns, line + 1);
	}
	return r;
}

/* -- message queues ---------------------------------------------------------------------- */

struct queues {
	dure_host *host;
	const struct durei_host_namespace *ns;
	int directory;
	bool is_mounted;		/* at /dev/mqueue, for us */
};

/* the kernel's own sum: two records of 48 bytes and the text for each message there may be */
static uint64_t accounted_bytes(const struct durei_mqueue *queue)
{
	return queue->messages_max * (queue->message_bytes_max + 96);
}

static void read_queue(const struct queues *q, const char *name, struct dure_host_object *o)
{
	struct durei_mqueue queue;
	int fd = durei_file_open_at(q->directory, name);

	if (fd < 0)
		return;
	if (durei_mqueue_read(fd, &queue) == 0) {
		o->count = queue.messages;
		o->resident_bytes = accounted_bytes(&queue);
	}
	durei_file_close(fd);
	/* "QSIZE:129   NOTIFY:..." */
	if (durei_text_read(q->directory, name, 4096, &q->host->buffer) > 6 &&
	    strncmp(q->host->buffer.bytes, "QSIZE:", 6) == 0)
		o->size_bytes = strtoull(q->host->buffer.bytes + 6, NULL, 10);
}

static int add_queue(const char *name, void *context)
{
	const struct queues *q = context;
	char text[NAME_BYTES];
	struct durei_node node;

	if (durei_node_stat(q->directory, name, false, &node) < 0 || !node.is_regular)
		return 0;
	struct durei_identity identity = { 0, node.device, node.inode };
	struct durei_host_object *object = durei_host_object(q->host, &identity);
	if (!object)
		return -ENOMEM;
	struct dure_host_object *o = &object->o;
	durei_host_fill(object, &node);
	o->kind = DURE_HOST_POSIX_MQ;
	o->ipc_namespace = q->ns->inode;
	o->label = q->ns->label;
	o->size_bytes = o->resident_bytes = 0;
	read_queue(q, name, o);
	if (q->ns->inode != q->host->summary.ipc_namespace)
		o->flags |= DURE_HOST_ELSEWHERE;
	snprintf(text, sizeof text, "/%s", name);
	o->name = durei_host_text(q->host, text);
	snprintf(text, sizeof text, "/dev/mqueue/%s", name);
	o->path = q->is_mounted ? durei_host_text(q->host, text) : "";
	return o->name && o->path ? 0 : -ENOMEM;
}

static int look_at_queues(dure_host *host, const struct durei_host_namespace *ns)
{
	struct queues q = { .host = host, .ns = ns, .directory = durei_mqueue_mount() };
	bool is_own = ns->inode == host->summary.ipc_namespace;
	uint64_t magic = 0;
	int r;

	q.is_mounted = is_own && durei_filesystem_of("/dev/mqueue", &magic) == 0 &&
		       magic == DUREI_MAGIC_MQUEUE;
	if (q.directory < 0 && q.is_mounted)
		q.directory = durei_directory_open(DUREI_HERE, "/dev/mqueue");
	if (q.directory < 0)
		return durei_host_note(host, "POSIX message queues%s cannot be listed: /dev/mqueue is not "
				       "mounted, and a mount of one's own needs root (mount -t mqueue "
				       "none /dev/mqueue)", is_own ? "" : " of another namespace");
	r = durei_names_visit(q.directory, ".", add_queue, &q);
	durei_file_close(q.directory);
	return r == -ENOMEM || r == -EMFILE ? r : 0;
}

/* -- namespaces -------------------------------------------------------------------------- */

static int look_inside(dure_host *host, const struct durei_host_namespace *ns)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof tables / sizeof *tables; i++)
		r = look_at_table(host, &tables[i], ns);
	return r < 0 ? r : look_at_queues(host, ns);
}

static int visit_namespace(dure_host *host, struct durei_host_namespace *ns)
{
	char path[40];
	struct durei_node node;
	int fd, r = 0;

	snprintf(path, sizeof path, "%" PRIu32 "/ns/ipc", ns->process);
	fd = durei_ipc_namespace_open(host->proc, path);
	if (fd < 0 || durei_node_stat(host->proc, path, true, &node) < 0 ||
	    node.inode != ns->inode || durei_ipc_namespace_enter(fd) < 0) {
		durei_file_close(fd);
		return 0;			/* not entered: note_what_is_missing says so */
	}
	durei_file_close(fd);
	ns->is_entered = true;
	r = look_inside(host, ns);
	if (durei_ipc_namespace_enter(host->home) < 0)		/* [HSYSV1] */
		return durei_error(EIO, "the thread has entered another IPC namespace and cannot come "
				   "back: end the process");
	return r;
}

int durei_host_look_sysv(dure_host *host)
{
	struct durei_host_namespace *ns = host->namespaces.items;
	int r = look_inside(host, &ns[0]);

	host->summary.ipc_namespaces = host->namespaces.count;
	host->summary.ipc_namespaces_entered = 1;
	if (r < 0 || !(host->flags & DURE_HOST_NAMESPACES) || host->namespaces.count == 1)
		return r;
	host->home = durei_ipc_namespace_open(host->proc, "thread-self/ns/ipc");
	if (host->home < 0)
		return 0;
	for (uint64_t i = 1; r == 0 && i < host->namespaces.count; i++) {
		r = visit_namespace(host, &ns[i]);
		host->summary.ipc_namespaces_entered += ns[i].is_entered;
	}
	return r;
}
