/* SPDX-License-Identifier: MIT */
/*
 * host_files.c - POSIX shared memory, POSIX semaphores and huge-page files, by directory
 *
 * Why      /dev/shm is a directory of the mount namespace: containers have their own. Each
 *          that a process sees is listed once, through that process' root.
 * Rules    [HFILE1] no file is opened but a semaphore's, to read its value; links are not
 *                   followed, and directories only so deep
 * Death    nothing is changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/host.h"
#include "os/file.h"
#include "os/self.h"

enum {
	DEPTH_MAX = 4,			/* of directories in /dev/shm */
	PATH_BYTES = 2048,
	MOUNTS_MAX = 1 << 24,
};

struct listing {
	dure_host *host;
	const struct durei_host_directory *root;
	int directory;			/* that is being read */
	unsigned depth;
	char path[PATH_BYTES];		/* of it, below the root: "" or "/a/b" */
};

/* Its value is in its first word. */
static void read_semaphore(const struct listing *l, const char *name, struct dure_host_object *o)
{
	uint32_t value;
	int fd;

	if (o->size_bytes != 32)		/* as glibc and musl have it on 64 bits */
		return;
	fd = durei_file_open_unnoticed(l->directory, name);
	if (fd >= 0 && durei_file_read_at(fd, &value, sizeof value, 0) == 0)
		o->count = value;
	durei_file_close(fd);
}

static uint32_t kind_of_name(const struct listing *l, const char *name)
{
	if (l->root->is_huge)
		return DURE_HOST_HUGE;
	return l->depth == 0 && strncmp(name, "sem.", 4) == 0 ? DURE_HOST_POSIX_SEM
							       : DURE_HOST_POSIX_SHM;
}

static int add_file(const struct listing *l, const char *name, const struct durei_node *node)
{
	struct durei_identity identity = { 0, node->device, node->inode };
	struct durei_host_object *object = durei_host_object(l->host, &identity);
	char text[PATH_BYTES + 600];

	if (!object)
		return -ENOMEM;
	struct dure_host_object *o = &object->o;
	if (o->kind)			/* another link to the same file */
		return 0;
	durei_host_fill(object, node);
	o->kind = kind_of_name(l, name);
	o->label = l->root->label;
	if (l->root->mount_namespace)
		o->flags |= DURE_HOST_ELSEWHERE;
	if (l->root->is_huge)
		o->flags |= DURE_HOST_HUGE_PAGES;
	if (l->depth == 0 && strncmp(name, "dure.", 5) == 0)
		o->flags |= DURE_HOST_SEGMENT;
	if (o->kind == DURE_HOST_POSIX_SEM)
		read_semaphore(l, name, o);
	snprintf(text, sizeof text, "%s/%s", l->path, o->kind == DURE_HOST_POSIX_SEM ? name + 4 : name);
	o->name = durei_host_text(l->host, text);
	snprintf(text, sizeof text, "%s%s/%s", l->root->path, l->path, name);
	o->path = durei_host_text(l->host, text);
	if (l->root->is_huge)
		o->name = o->path;
	return o->name && o->path ? 0 : -ENOMEM;
}

/*
 * A dure segment in System V memory is told by a file or a link beside it: "dure.sysv.SPACE.key-KEY",
 * "dure.sysv.SPACE.id-ID", or "dure.NAME.sysv-ID-NONCE".
 */
static void mark_segment(dure_host *host, const char *name)
{
	const char *by_key = strstr(name, ".key-"), *by_id = strstr(name, ".id-");
	const char *by_name = strstr(name, ".sysv-");
	const char *id = by_name ? by_name + 6 : by_id ? by_id + 4 : NULL;
	struct durei_identity identity = { DURE_HOST_SYSV_SHM, host->summary.ipc_namespace,
					   id ? strtoull(id, NULL, 10) : 0 };
	struct durei_host_object *object = id ? durei_host_find(host, &identity) : NULL;
	uint64_t key = by_key ? strtoull(by_key + 5, NULL, 16) : 0;

	if (strncmp(name, "dure.", 5) != 0)
		return;
	for (uint64_t i = 0; key && !object && i < host->objects.count; i++)
		if (OBJECT(host, i)->o.kind == DURE_HOST_SYSV_SHM && OBJECT(host, i)->o.key == key &&
		    !(OBJECT(host, i)->o.flags & DURE_HOST_ELSEWHERE))
			object = OBJECT(host, i);
	if (object)
		object->o.flags |= DURE_HOST_SEGMENT;
}

static int add_name(const char *name, void *context);

static int add_directory(struct listing *l, const char *name)
{
	struct listing below = { .host = l->host, .root = l->root, .depth = l->depth + 1 };
	int r;

	if (below.depth > DEPTH_MAX)
		return 0;
	if ((size_t)snprintf(below.path, sizeof below.path, "%s/%s", l->path, name) >=
	    sizeof below.path)
		return 0;
	below.directory = durei_directory_open(l->directory, name);
	if (below.directory < 0)
		return below.directory == -EMFILE ? -EMFILE
						  : durei_host_note(l->host, "%s%s cannot be listed: %s",
								    l->root->path, below.path,
								    strerror(-below.directory));
	r = durei_names_visit(below.directory, ".", add_name, &below);
	durei_file_close(below.directory);
	return r;
}

static int add_name(const char *name, void *context)
{
	struct listing *l = context;
	struct durei_node node;

	if (durei_node_stat(l->directory, name, false, &node) < 0)
		return 0;			/* gone in between */
	if (node.is_directory)
		return node.device == l->root->device ? add_directory(l, name) : 0;
	if (l->depth == 0 && !l->root->mount_namespace && !l->root->is_huge)
		mark_segment(l->host, name);
	return node.is_regular ? add_file(l, name, &node) : 0;
}

static int list_directory(dure_host *host, const struct durei_host_directory *root)
{
	struct listing l = { .host = host, .root = root };
	int r;

	l.directory = durei_directory_open(DUREI_HERE, root->path);
	if (l.directory < 0)
		return l.directory == -ENOENT || l.directory == -ESRCH
			       ? 0
			       : durei_host_note(host, "%s cannot be listed: %s", root->path,
						 strerror(-l.directory));
	r = durei_names_visit(l.directory, ".", add_name, &l);
	durei_file_close(l.directory);
	return r == -ENOMEM || r == -EMFILE ? r : 0;
}

/* -- mounts ------------------------------------------------------------------------------ */

/* "\040" and so on in a mount point become what they stand for */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++, to++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			*to = *text;
		}
	}
	*to = '\0';
}

static int add_mount(dure_host *host, char *line)
{
	char *type = strstr(line, " - "), *at = line, *path = NULL;

	for (int field = 0; field < 5 && at; field++) {	/* id parent device root path */
		path = at;
		at = strchr(at, ' ');
		if (at)
			*at++ = '\0';
	}
	if (!type || !at || !path)
		return 0;
	unescape(path);
	if (strncmp(type + 3, "proc ", 5) == 0 && strcmp(path, "/proc") == 0 &&
	    (strstr(type + 3, "hidepid=1") || strstr(type + 3, "hidepid=2") ||
	     strstr(type + 3, "hidepid=noaccess") || strstr(type + 3, "hidepid=invisible")) &&
	    durei_user_id() != 0) {
		host->sees_all_pids = false;
		return durei_host_note(host, "/proc hides other users' processes (hidepid), so who uses an "
				       "object is not known in full: run it as root");
	}
	if (strncmp(type + 3, "hugetlbfs ", 10) != 0)
		return 0;
	struct durei_host_directory *d = durei_list_add(&host->directories, sizeof *d);
	struct durei_node node;
	if (!d)
		return -ENOMEM;
	*d = (struct durei_host_directory){ .is_huge = true, .label = "" };
	snprintf(d->path, sizeof d->path, "%s", path);
	if (durei_node_stat(DUREI_HERE, d->path, true, &node) == 0)
		d->device = node.device;
	return 0;
}

static int look_at_mounts(dure_host *host)
{
	char *next;
	int r = durei_text_read(host->proc, "self/mountinfo", MOUNTS_MAX, &host->buffer);

	if (r < 0)
		return r == -ENOMEM || r == -EMFILE ? r : 0;
	r = 0;
	for (char *line = host->buffer.bytes; r == 0 && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		r = add_mount(host, line);
	}
	return r;
}

int durei_host_look_files(dure_host *host)
{
	int r = look_at_mounts(host);

	for (uint64_t i = 0; r == 0 && i < host->directories.count; i++) {
		const struct durei_host_directory *d = host->directories.items;
		r = list_directory(host, &d[i]);
	}
	return r;
}
