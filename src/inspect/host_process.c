/* SPDX-License-Identifier: MIT */
/*
 * host_process.c - who there is, and what each has open and mapped
 *
 * Why      A name that nobody uses and a name that somebody uses look alike in a directory;
 *          memory without a name is in no directory at all. Only the processes' own tables
 *          tell.
 * Rules    [HPROC1] a process that ends while it is read is left out, or has what was read
 *                   until then; neither is an error
 *          [HPROC2] a process whose tables may not be read is counted as unreadable
 *          [HPROC3] file systems on disks and nets are never asked: only what the kernel has in
 *                   its memory
 * Death    nothing is changed.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "inspect/host.h"
#include "os/calls.h"
#include "os/file.h"
#include "os/self.h"

enum {
	TEXT_MAX = 1 << 16,		/* of stat, status, cgroup */
	MAPS_MAX = 1 << 28,
	KERNEL_THREAD = 0x00200000,	/* PF_KTHREAD in /proc/PID/stat */
};

/* -- who there is ------------------------------------------------------------------------ */

bool durei_stat_read(char *text, struct durei_host_process *ret)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *at;
	uint64_t fields[22] = { 0 };

	/* the name may have spaces and brackets in it: the last one is the kernel's */
	if (!open || !close || close < open || close[1] != ' ' || !close[2] || close[3] != ' ')
		return false;
	ret->p.pid = (uint32_t)strtoul(text, NULL, 10);
	*close = '\0';
	memmove(text, open + 1, (size_t)(close - open));
	at = close + 4;
	for (int i = 4; i <= 22; i++) {
		char *end;
		fields[i - 1] = strtoull(at, &end, 10);
		if (end == at)
			return false;
		at = end;
	}
	ret->p.parent = (uint32_t)fields[3];
	ret->is_kernel = fields[8] & KERNEL_THREAD;
	ret->p.threads = (uint32_t)fields[19];
	ret->start_ticks = fields[21];
	return ret->p.pid != 0;
}

/* the n-th number of a line of /proc/PID/status; last: the last one */
static uint64_t status_number(const char *status, const char *name, unsigned n, bool last)
{
	const char *line = strstr(status, name);
	uint64_t number = 0;

	if (!line)
		return 0;
	line += strlen(name);
	for (unsigned i = 0; last || i <= n; i++) {
		char *end;
		while (*line == ' ' || *line == '\t')
			line++;
		if (!isdigit((unsigned char)*line))
			break;
		number = strtoull(line, &end, 10);
		line = end;
	}
	return number;
}

static uint64_t namespace_of(int process, const char *name)
{
	struct durei_node node;

	return durei_node_stat(process, name, true, &node) == 0 ? node.inode : 0;
}

static bool is_container_id(const char *text, size_t bytes)
{
	if (bytes < 32)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (!isxdigit((unsigned char)text[i]) && text[i] != '-')
			return false;
	return true;
}

/* one part of a path: "docker-0123....scope", "0123...", "lxc.payload.web", "nginx.service" */
static bool label_part(const char *part, size_t bytes, const char *before, char *label,
		       size_t label_bytes)
{
	static const char *const engines[] = { "docker-", "libpod-", "cri-containerd-", "crio-" };

	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
		size_t n = strlen(engines[i]);
		if (bytes > n + 12 && strncmp(part, engines[i], n) == 0 &&
		    is_container_id(part + n, 32)) {
			snprintf(label, label_bytes, "%.*s %.12s", (int)n - 1, engines[i], part + n);
			return true;
		}
	}
	if (bytes > 12 && strncmp(part, "lxc.payload.", 12) == 0) {
		snprintf(label, label_bytes, "lxc %.*s", (int)bytes - 12, part + 12);
		return true;
	}
	if (is_container_id(part, bytes)) {
		snprintf(label, label_bytes, "%s %.12s",
			 strncmp(before, "kubepods", 8) == 0 ? "pod" : "container", part);
		return true;
	}
	if ((bytes > 8 && strncmp(part + bytes - 8, ".service", 8) == 0)) {
		snprintf(label, label_bytes, "%.*s", (int)bytes, part);
		return true;
	}
	return false;
}

void durei_cgroup_label(const char *cgroups, char *label, size_t label_bytes)
{
	label[0] = '\0';
	/* lines "number:controllers:/path"; the innermost part that says something counts */
	for (const char *line = cgroups; *line;) {
		size_t bytes = strcspn(line, "\n");
		const char *path = memchr(line, '/', bytes), *end = line + bytes;
		const char *before = path ? path + 1 : NULL;
		while (path && path < end) {
			const char *part = path + 1;
			size_t part_bytes = strcspn(part, "/\n");
			if (part_bytes)
				label_part(part, part_bytes, before, label, label_bytes);
			path = part + part_bytes;
		}
		line = *end ? end + 1 : end;
	}
}

static int read_process(dure_host *host, int fd, struct durei_host_process *process)
{
	char label[80];
	int r = durei_text_read(fd, "stat", TEXT_MAX, &host->buffer);

	if (r < 0)
		return r;
	if (!durei_stat_read(host->buffer.bytes, process))
		return -ESRCH;
	process->p.name = durei_host_text(host, host->buffer.bytes);
	r = durei_text_read(fd, "status", TEXT_MAX, &host->buffer);
	if (r < 0)
		return r;
	process->p.user = (uint32_t)status_number(host->buffer.bytes, "\nUid:", 1, false);
	process->p.inner_pid = (uint32_t)status_number(host->buffer.bytes, "\nNSpid:", 0, true);
	process->p.ipc_namespace = namespace_of(fd, "ns/ipc");
	process->p.pid_namespace = namespace_of(fd, "ns/pid");
	process->p.mount_namespace = namespace_of(fd, "ns/mnt");
	process->p.started_ns = host->boot_ns + process->start_ticks * UINT64_C(1000000000) /
							durei_ticks_per_second();
	label[0] = '\0';
	if (durei_text_read(fd, "cgroup", TEXT_MAX, &host->buffer) >= 0)
		durei_cgroup_label(host->buffer.bytes, label, sizeof label);
	process->p.label = durei_host_text(host, label);
	return process->p.name && process->p.label ? 0 : -ENOMEM;
}

static int add_namespace(dure_host *host, const struct durei_host_process *process)
{
	struct durei_host_namespace *ns = host->namespaces.items;

	if (!process->p.ipc_namespace)
		return 0;
	for (uint64_t i = 0; i < host->namespaces.count; i++)
		if (ns[i].inode == process->p.ipc_namespace)
			return 0;
	ns = durei_list_add(&host->namespaces, sizeof *ns);
	if (!ns)
		return -ENOMEM;
	*ns = (struct durei_host_namespace){ .inode = process->p.ipc_namespace,
					     .process = process->p.pid, .label = process->p.label };
	return 0;
}

/* Each /dev/shm that some process sees is a directory to list. */
static int add_directory(dure_host *host, int fd, const struct durei_host_process *process)
{
	struct durei_host_directory *d = host->directories.items;
	struct durei_node node;

	if (!process->p.mount_namespace || durei_node_stat(fd, "root/dev/shm", true, &node) < 0 ||
	    !node.is_directory)
		return 0;
	for (uint64_t i = 0; i < host->directories.count; i++)
		if (d[i].device == node.device)
			return 0;
	d = durei_list_add(&host->directories, sizeof *d);
	if (!d)
		return -ENOMEM;
	*d = (struct durei_host_directory){ .device = node.device, .label = process->p.label,
					    .mount_namespace = process->p.mount_namespace };
	snprintf(d->path, sizeof d->path, "/proc/%" PRIu32 "/root/dev/shm", process->p.pid);
	return 0;
}

static int add_process(const char *name, void *context)
{
	dure_host *host = context;
	struct durei_host_process process = { .p.sz = sizeof process.p };
	int fd, r;

	if (!isdigit((unsigned char)*name))
		return 0;
	fd = durei_directory_open(host->proc, name);
	if (fd < 0)
		return fd == -EMFILE ? fd : 0;
	r = read_process(host, fd, &process);
	if (r == 0 && !process.is_kernel) {
		r = add_namespace(host, &process);
		if (r == 0 && host->flags & DURE_HOST_NAMESPACES &&
		    process.p.mount_namespace != host->summary.mount_namespace)
			r = add_directory(host, fd, &process);
		struct durei_host_process *kept =
			r == 0 ? durei_list_add(&host->processes, sizeof *kept) : NULL;
		if (kept)
			*kept = process;
		else if (r == 0)
			r = -ENOMEM;
	}
	durei_file_close(fd);
	return r == -ENOMEM || r == -EMFILE ? r : 0;		/* [HPROC1] */
}

static int look_at_own(dure_host *host)
{
	struct durei_host_namespace *ns;
	struct durei_host_directory *d;
	struct durei_node node;
	const char *boot;

	if (durei_text_read(host->proc, "stat", 1 << 24, &host->buffer) >= 0 &&
	    (boot = strstr(host->buffer.bytes, "\nbtime ")) != NULL)
		host->boot_ns = strtoull(boot + 7, NULL, 10) * UINT64_C(1000000000);
	if (durei_node_stat(host->proc, "self/ns/mnt", true, &node) == 0)
		host->summary.mount_namespace = node.inode;
	ns = durei_list_add(&host->namespaces, sizeof *ns);
	d = durei_list_add(&host->directories, sizeof *d);
	if (!ns || !d)
		return -ENOMEM;
	*ns = (struct durei_host_namespace){ .inode = host->summary.ipc_namespace,
					     .process = durei_process_id(), .is_entered = true,
					     .label = "" };
	*d = (struct durei_host_directory){ .path = "/dev/shm", .label = "" };
	if (durei_node_stat(DUREI_HERE, d->path, true, &node) == 0)
		d->device = node.device;
	return 0;
}

int durei_host_look_processes(dure_host *host)
{
	int r = look_at_own(host);

	if (r == 0)
		r = durei_names_visit(host->proc, ".", add_process, host);
	if (r < 0 && r != -ENOMEM && r != -EMFILE)
		return durei_error(ENOENT, "/proc cannot be listed: %s", strerror(-r));
	return r;
}

/* -- what they have ---------------------------------------------------------------------- */

/* a newline in a path is shown as "\012" */
static void unescape_newlines(char *path)
{
	char *to = path;

	for (; *path; path++, to++)
		if (strncmp(path, "\\012", 4) == 0) {
			*to = '\n';
			path += 3;
		} else {
			*to = *path;
		}
	*to = '\0';
}

bool durei_map_line_read(char *line, struct durei_map_line *ret)
{
	unsigned long long start, end, offset, inode;
	unsigned major, minor;
	char permissions[5];
	int at = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, permissions, &offset,
		   &major, &minor, &inode, &at) < 7 ||
	    at == 0 || end <= start || strlen(permissions) != 4)
		return false;
	unescape_newlines(line + at);
	*ret = (struct durei_map_line){
		.start = start, .end = end, .offset = offset, .inode = inode,
		.device = durei_device_number(major, minor),
		.is_shared = permissions[3] == 's',
		.is_writable = permissions[1] == 'w',
		.path = line + at,
	};
	return true;
}

struct reading {
	dure_host *host;
	struct durei_host_process *process;
	int fd;				/* its directory in /proc */
	int fds;			/* the one of its descriptors */
};

static bool ends_deleted(const char *path)
{
	size_t bytes = strlen(path);

	return bytes > 10 && strcmp(path + bytes - 10, " (deleted)") == 0;
}

/* "/SYSV0123abcd (deleted)": nothing else in memory has such a name on such a device */
static bool is_sysv_path(const char *path)
{
	if (strncmp(path, "/SYSV", 5) != 0)
		return false;
	for (int i = 5; i < 13; i++)
		if (!isxdigit((unsigned char)path[i]))
			return false;
	return strcmp(path + 13, " (deleted)") == 0;
}

static const char *plain_name(dure_host *host, const char *path)
{
	char text[4096];
	size_t bytes = strlen(path);

	if (ends_deleted(path))
		bytes -= 10;
	snprintf(text, sizeof text, "%.*s", (int)bytes, path);
	return durei_host_text(host, text);
}

/* the file system of a device that is listed, for those who may not ask about mappings */
static uint64_t magic_of_listed(const dure_host *host, uint64_t device)
{
	const struct durei_host_directory *d = host->directories.items;

	for (uint64_t i = 0; i < host->directories.count; i++)
		if (d[i].device == device && device)
			return d[i].is_huge ? DUREI_MAGIC_HUGETLBFS : (uint64_t)DUREI_MAGIC_TMPFS;
	return 0;
}

/* Which kind is a file that no directory listed? 0: none of ours. */
static uint32_t kind_of_found(const struct reading *r, const char *path, uint64_t device,
			      const char *link)
{
	char absolute[120];
	uint64_t magic = 0;

	if (strncmp(path, "/memfd:", 7) == 0)
		return DURE_HOST_MEMFD;
	if (device == r->host->memory_device)
		return strncmp(path, "/dev/zero", 9) == 0 ? DURE_HOST_ANONYMOUS : 0;
	if (device >> 8 & 0xfff || device >> 32)	/* [HPROC3] it lies on a disk */
		return 0;
	snprintf(absolute, sizeof absolute, "/proc/self/fd/%d/%s", r->fd, link);
	if (durei_filesystem_of(absolute, &magic) < 0)
		magic = magic_of_listed(r->host, device);
	if (magic == DUREI_MAGIC_MQUEUE)
		return DURE_HOST_POSIX_MQ;
	if (magic == DUREI_MAGIC_HUGETLBFS)
		return strncmp(path, "/anon_hugepage", 14) == 0 ? DURE_HOST_ANONYMOUS
		       : ends_deleted(path)		       ? DURE_HOST_DELETED
							       : DURE_HOST_HUGE;
	if (magic != DUREI_MAGIC_TMPFS)
		return 0;
	return ends_deleted(path) ? DURE_HOST_DELETED : DURE_HOST_POSIX_SHM;
}

/* A file that was in no list, or only locked so far, as the process that has it shows it. */
static int introduce(const struct reading *r, struct durei_host_object *object, uint32_t kind,
		     const char *path)
{
	object->o.kind = kind;
	object->o.device = object->identity.space;
	object->o.inode = object->identity.number;
	object->o.flags = DURE_HOST_SIZE_GUESSED |
			  (r->process->p.mount_namespace != r->host->summary.mount_namespace
				   ? DURE_HOST_ELSEWHERE
				   : 0);
	object->o.count = 0;
	object->o.path = "";
	object->o.name = plain_name(r->host, kind == DURE_HOST_MEMFD ? path + 7 : path);
	object->o.label = r->process->p.label;
	if (kind == DURE_HOST_POSIX_MQ && r->process->p.ipc_namespace)
		object->o.ipc_namespace = r->process->p.ipc_namespace;
	return object->o.name ? 0 : -ENOMEM;
}

/* link: of the process' directory, leads to the file. *ret NULL: it is none of ours */
static int object_of_file(const struct reading *r, const char *path, uint64_t device,
			  uint64_t inode, const char *link, struct durei_host_object **ret)
{
	struct durei_identity identity = { 0, device, inode };
	struct durei_host_object *object = durei_host_find(r->host, &identity);
	struct durei_node node;
	uint32_t kind;

	*ret = object;
	if (!object || (object->o.kind == DURE_HOST_LOCK && !object->is_asked)) {
		kind = kind_of_found(r, path, device, link);
		if (!kind && !object)
			return 0;
		object = *ret = durei_host_object(r->host, &identity);
		if (!object || (kind && introduce(r, object, kind, path) < 0))
			return -ENOMEM;
	}
	if (!object->is_asked && durei_node_stat(r->fd, link, true, &node) == 0 &&
	    node.inode == inode)
		durei_host_fill(object, &node);
	return 0;
}

static int object_of_mapping(const struct reading *r, const struct durei_map_line *line,
			     struct durei_host_object **ret)
{
	struct durei_identity identity = { DURE_HOST_SYSV_SHM, r->process->p.ipc_namespace,
					   line->inode };
	char link[80];

	*ret = NULL;
	if (is_sysv_path(line->path)) {
		*ret = durei_host_find(r->host, &identity);
		return 0;
	}
	/* private mappings of programs and libraries are most of them */
	if (!line->is_shared && line->device != r->host->memory_device &&
	    strncmp(line->path, "/dev/shm/", 9) != 0)
		return 0;
	snprintf(link, sizeof link, "map_files/%" PRIx64 "-%" PRIx64, line->start, line->end);
	return object_of_file(r, line->path, line->device, line->inode, link, ret);
}

static int add_mapping(const struct reading *r, const struct durei_map_line *line,
		       struct durei_host_object *object)
{
	struct dure_host_use *use = durei_host_use(r->host, object, r->process->p.pid);

	if (!use)
		return -ENOMEM;
	use->maps++;
	use->mapped_bytes += line->end - line->start;
	use->how |= DURE_HOST_MAPPED | (line->is_writable && line->is_shared ? DURE_HOST_WRITABLE : 0);
	if (object->o.flags & DURE_HOST_SIZE_GUESSED &&
	    object->o.size_bytes < line->offset + (line->end - line->start))
		object->o.size_bytes = line->offset + (line->end - line->start);
	if (!(r->host->flags & DURE_HOST_WAITS))
		return 0;
	struct durei_host_mapping *mapping = durei_list_add(&r->host->mappings, sizeof *mapping);
	if (!mapping)
		return -ENOMEM;
	*mapping = (struct durei_host_mapping){ r->process->p.pid, line->start, line->end,
						line->offset, object->o.index };
	return 0;
}

static int read_maps(const struct reading *r)
{
	struct durei_host_object *object;
	struct durei_map_line line;
	char *next;
	int result = durei_text_read(r->fd, "maps", MAPS_MAX, &r->host->buffer);

	if (result < 0)
		return result;
	for (char *at = r->host->buffer.bytes; *at; at = next) {
		next = at + strcspn(at, "\n");
		if (*next)
			*next++ = '\0';
		/* the first System V segment of a namespace has the number 0 */
		if (!durei_map_line_read(at, &line) || (!line.inode && !is_sysv_path(line.path)))
			continue;
		result = object_of_mapping(r, &line, &object);
		if (result == 0 && object)
			result = add_mapping(r, &line, object);
		if (result < 0)
			return result;
	}
	return 0;
}

static int add_descriptor(const char *name, void *context)
{
	const struct reading *r = context;
	struct durei_host_object *object;
	struct dure_host_use *use;
	struct durei_node node;
	char path[4096], link[40];
	int result;

	if (durei_link_read(r->fds, name, path, sizeof path) < 0 || path[0] != '/' ||
	    (strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0 &&
	     strncmp(path, "/dev/mqueue/", 12) != 0 && strncmp(path, "/dev/huge", 9) != 0) ||
	    durei_node_stat(r->fds, name, true, &node) < 0 || !node.is_regular)
		return 0;
	snprintf(link, sizeof link, "fd/%.20s", name);
	result = object_of_file(r, path, node.device, node.inode, link, &object);
	if (result < 0 || !object)
		return result;
	use = durei_host_use(r->host, object, r->process->p.pid);
	if (!use)
		return -ENOMEM;
	use->opens++;
	use->how |= DURE_HOST_OPEN;
	if (object->o.kind == DURE_HOST_LOCK && !*object->o.path)
		object->o.name = object->o.path = plain_name(r->host, path);
	return object->o.name ? 0 : -ENOMEM;
}

static int read_descriptors(struct reading *r)
{
	int result;

	r->fds = durei_directory_open(r->fd, "fd");
	if (r->fds < 0)
		return r->fds;
	result = durei_names_visit(r->fds, ".", add_descriptor, r);
	durei_file_close(r->fds);
	return result;
}

static int read_uses(dure_host *host, struct durei_host_process *process)
{
	struct reading reading = { .host = host, .process = process };
	char name[16];
	int r;

	snprintf(name, sizeof name, "%" PRIu32, process->p.pid);
	reading.fd = durei_directory_open(host->proc, name);
	r = reading.fd < 0 ? reading.fd : read_maps(&reading);
	if (r == 0)
		r = read_descriptors(&reading);
	durei_file_close(reading.fd);
	process->p.is_readable = r == 0 || r == -ENOENT || r == -ESRCH;		/* [HPROC1] */
	host->unreadable += !process->p.is_readable;		/* [HPROC2] */
	return r == -ENOMEM ? r : 0;
}

int durei_host_look_uses(dure_host *host)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < host->processes.count; i++)
		r = read_uses(host, PROCESS(host, i));
	return r;
}
