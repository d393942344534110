/* SPDX-License-Identifier: MIT */
/*
 * host.c - the host's objects as the subcommands name, choose and describe them
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

/* -- the picture ------------------------------------------------------------------------- */

struct pointers {
	const void **items;
	size_t count, room;
};

static int keep(struct pointers *p, const void *item)
{
	if (p->count == p->room) {
		p->room = p->room ? 2 * p->room : 256;
		p->items = or_exit(realloc(p->items, p->room * sizeof *p->items));
	}
	p->items[p->count++] = item;
	return 0;
}

static int keep_object(const struct dure_host_object *object, void *context)
{
	return keep(context, object);
}

static int keep_process(const struct dure_host_process *process, void *context)
{
	return keep(context, process);
}

static int keep_use(const struct dure_host_use *use, void *context)
{
	return keep(context, use);
}

static int keep_wait(const struct dure_host_wait *wait, void *context)
{
	return keep(context, wait);
}

bool host_begin(struct host *host, const char *command, uint32_t flags, uint32_t kinds)
{
	struct dure_host_options options = { .sz = sizeof options, .flags = flags, .kinds = kinds };
	struct pointers objects = { 0 }, processes = { 0 }, uses = { 0 }, waits = { 0 };

	*host = (struct host){ .summary.sz = sizeof host->summary };
	if (dure_host_look(&options, &host->picture) < 0) {
		complain(command, "%s", dure_last_error());
		return false;
	}
	dure_host_summarize(host->picture, &host->summary);
	dure_host_object_list(host->picture, keep_object, &objects);
	dure_host_process_list(host->picture, keep_process, &processes);
	dure_host_use_list(host->picture, DURE_HOST_ANY, keep_use, &uses);
	dure_host_wait_list(host->picture, keep_wait, &waits);
	host->objects = (const struct dure_host_object **)objects.items;
	host->object_count = objects.count;
	host->processes = (const struct dure_host_process **)processes.items;
	host->process_count = processes.count;
	host->uses = (const struct dure_host_use **)uses.items;
	host->use_count = uses.count;
	host->waits = (const struct dure_host_wait **)waits.items;
	host->wait_count = waits.count;
	return true;
}

void host_end(struct host *host)
{
	free(host->objects);
	free(host->processes);
	free(host->uses);
	free(host->waits);
	dure_host_close(host->picture);
	*host = (struct host){ 0 };
}

const struct dure_host_process *host_process(const struct host *host, uint32_t pid)
{
	size_t low = 0, high = host->process_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (host->processes[middle]->pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < host->process_count && host->processes[low]->pid == pid ? host->processes[low]
									     : NULL;
}

const struct dure_host_use *const *host_uses(const struct host *host, uint64_t object,
					     size_t *count)
{
	size_t low = 0, high = host->use_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (host->uses[middle]->object < object)
			low = middle + 1;
		else
			high = middle;
	}
	*count = 0;
	while (low + *count < host->use_count && host->uses[low + *count]->object == object)
		++*count;
	return *count ? (const struct dure_host_use *const *)host->uses + low : NULL;
}

static int complain_note(const char *sentence, void *context)
{
	complain(context, "incomplete: %s", sentence);
	return 0;
}

void complain_notes(const struct host *host, const char *command)
{
	char name[32];

	snprintf(name, sizeof name, "%s", command);
	fflush(stdout);
	dure_host_note_list(host->picture, complain_note, name);
}

static int add_note(const char *sentence, void *context)
{
	return json_array_append_new(context, text_value(sentence));
}

json_t *notes_value(const struct host *host)
{
	json_t *notes = or_exit(json_array());

	dure_host_note_list(host->picture, add_note, notes);
	return notes;
}

/* -- names ------------------------------------------------------------------------------- */

static const struct kind {
	const char *name, *prefix;
} kinds[] = {
	[DURE_HOST_SYSV_SHM] = { "sysv-shm", "sysv:shm:" },
	[DURE_HOST_SYSV_SEM] = { "sysv-sem", "sysv:sem:" },
	[DURE_HOST_SYSV_MSG] = { "sysv-msg", "sysv:msg:" },
	[DURE_HOST_POSIX_SHM] = { "posix-shm", "posix:shm:" },
	[DURE_HOST_POSIX_SEM] = { "posix-sem", "posix:sem:" },
	[DURE_HOST_POSIX_MQ] = { "posix-mq", "posix:mq:" },
	[DURE_HOST_MEMFD] = { "memfd", "memfd:" },
	[DURE_HOST_DELETED] = { "deleted", "deleted:" },
	[DURE_HOST_ANONYMOUS] = { "anonymous", "anonymous:" },
	[DURE_HOST_HUGE] = { "huge", "huge:" },
	[DURE_HOST_LOCK] = { "lock", "lock:" },
};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

const char *kind_name(uint32_t kind)
{
	return kind < KIND_COUNT && kinds[kind].name ? kinds[kind].name : "?";
}

static bool kind_matches(const char *kind, const char *word, size_t bytes)
{
	const char *dash = strchr(kind, '-');

	if (strlen(kind) == bytes && strncmp(kind, word, bytes) == 0)
		return true;
	if (!dash)
		return false;
	if ((bytes == 5 && strncmp(word, "queue", 5) == 0))
		return strcmp(dash, "-mq") == 0 || strcmp(dash, "-msg") == 0;
	return ((size_t)(dash - kind) == bytes && strncmp(kind, word, bytes) == 0) ||
	       (strlen(dash + 1) == bytes && strncmp(dash + 1, word, bytes) == 0);
}

bool kinds_read(const char *command, const char *names, uint32_t *ret_kinds, bool *ret_segments)
{
	uint32_t all = 0;

	while (*names) {
		size_t bytes = strcspn(names, ",");
		uint32_t found = 0;
		bool is_segment = bytes == 7 && strncmp(names, "segment", 7) == 0;
		for (uint32_t i = 1; i < KIND_COUNT; i++)
			found |= (uint32_t)kind_matches(kinds[i].name, names, bytes) << i;
		if (is_segment && ret_segments)
			*ret_segments = true;
		else if (!found) {
			complain(command, "--kind: there is no kind \"%.*s\": shm, sem, msg, mq, queue, sysv, "
				 "posix, sysv-shm, ..., memfd, deleted, anonymous, huge, lock, segment",
				 (int)bytes, names);
			return false;
		}
		all |= found;
		names += bytes + (names[bytes] == ',');
	}
	*ret_kinds = all;
	return true;
}

char *object_name(const struct dure_host_object *o, char *text, size_t text_bytes)
{
	const char *prefix = o->kind < KIND_COUNT ? kinds[o->kind].prefix : "?";

	switch (o->kind) {
	case DURE_HOST_SYSV_SHM:
	case DURE_HOST_SYSV_SEM:
	case DURE_HOST_SYSV_MSG:
		snprintf(text, text_bytes, "%s%" PRId64, prefix, o->id);
		break;
	case DURE_HOST_MEMFD:
	case DURE_HOST_DELETED:
	case DURE_HOST_ANONYMOUS:
		snprintf(text, text_bytes, "%s%" PRIu64, prefix, o->inode);
		break;
	case DURE_HOST_POSIX_SHM:
	case DURE_HOST_POSIX_SEM:
	case DURE_HOST_POSIX_MQ:
		snprintf(text, text_bytes, "%s%s", prefix, o->name + (*o->name == '/'));
		break;
	default:
		snprintf(text, text_bytes, "%s%s", prefix, o->name);
		break;
	}
	return text;
}

bool is_object_name(const char *name)
{
	for (uint32_t i = 1; i < KIND_COUNT; i++)
		if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return true;
	return false;
}

/* "sysv:shm:0x1234": by its key */
static bool key_matches(const struct dure_host_object *o, const char *name)
{
	const char *rest = name + strlen(kinds[o->kind].prefix);
	char *end;

	if (o->id < 0 || !o->key || strncmp(name, kinds[o->kind].prefix, (size_t)(rest - name)) != 0 ||
	    strncmp(rest, "0x", 2) != 0)
		return false;
	return strtoull(rest, &end, 16) == o->key && *end == '\0';
}

const struct dure_host_object *object_find(const struct host *host, const char *command,
					   const char *name)
{
	const struct dure_host_object *found = NULL;
	char text[OBJECT_NAME_BYTES];
	unsigned count = 0;

	for (size_t i = 0; i < host->object_count; i++) {
		const struct dure_host_object *o = host->objects[i];
		if (strcmp(object_name(o, text, sizeof text), name) != 0 && !key_matches(o, name))
			continue;
		/* of two with one name, ours is meant */
		if (found && o->flags & DURE_HOST_ELSEWHERE)
			continue;
		count = found && !(found->flags & DURE_HOST_ELSEWHERE) ? count + 1 : 1;
		found = o;
	}
	if (count == 1)
		return found;
	if (count)
		complain(command, "%s: %u objects have that name: take one by its number (dure ls)", name,
			 count);
	else
		complain(command, "%s: there is no such object (dure ls lists them)", name);
	return NULL;
}

/* -- namespaces -------------------------------------------------------------------------- */

/* Any process in it will do. 0: there is none to be seen. */
static uint32_t process_in_namespace(const char *command, uint64_t namespace)
{
	uint32_t found = 0;
	struct host host;

	if (!host_begin(&host, command, 0, 1u << DURE_HOST_SYSV_SHM))
		return 0;
	for (size_t i = 0; i < host.process_count && !found; i++)
		if (host.processes[i]->ipc_namespace == namespace)
			found = host.processes[i]->pid;
	host_end(&host);
	return found;
}

bool namespace_enter(const char *command, const char *text, uint32_t *kinds_wanted)
{
	static const uint32_t inside = 1u << DURE_HOST_SYSV_SHM | 1u << DURE_HOST_SYSV_SEM |
				       1u << DURE_HOST_SYSV_MSG | 1u << DURE_HOST_POSIX_MQ;
	char path[40], *end;
	unsigned long long number = strtoull(text, &end, 10);
	int fd, r;

	if (end == text || *end || number == 0) {
		complain(command, "--namespace %s: a pid is wanted, or a namespace's number as dure ls "
			 "--output ns shows it", text);
		return false;
	}
	if (number > INT32_MAX)		/* the kernel's numbers of namespaces begin at 0xf0000000 */
		number = process_in_namespace(command, number);
	snprintf(path, sizeof path, "/proc/%llu/ns/ipc", number);
	fd = number ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	r = fd < 0 ? -1 : setns(fd, CLONE_NEWIPC);
	if (r < 0)
		complain(command, "--namespace %s: %s", text,
			 !number	    ? "no process that is seen is in it"
			 : errno == ENOENT  ? "there is no such process"
			 : errno == EPERM || errno == EACCES ? "it may not be entered (it needs root)"
							     : strerror(errno));
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return false;
	*kinds_wanted = *kinds_wanted ? *kinds_wanted & inside : inside;
	if (*kinds_wanted)
		return true;
	complain(command, "--namespace is for System V objects and message queues");
	return false;
}

/* -- people ------------------------------------------------------------------------------ */

const char *user_name(uint32_t user)
{
	static struct { uint32_t user; char *name; } *known;
	static size_t count, room;
	char number[16];

	for (size_t i = 0; i < count; i++)
		if (known[i].user == user)
			return known[i].name;
	if (count == room) {
		room = room ? 2 * room : 16;
		known = or_exit(realloc(known, room * sizeof *known));
	}
	const struct passwd *entry = getpwuid((uid_t)user);
	snprintf(number, sizeof number, "%" PRIu32, user);
	known[count].user = user;
	known[count].name = or_exit(strdup(entry ? entry->pw_name : number));
	return known[count++].name;
}

bool user_read(const char *command, const char *name, uint32_t *ret)
{
	const struct passwd *entry = getpwnam(name);
	char *end;
	unsigned long number = strtoul(name, &end, 10);

	if (!entry && (*end || end == name || number > UINT32_MAX)) {
		complain(command, "there is no user \"%s\"", name);
		return false;
	}
	*ret = entry ? (uint32_t)entry->pw_uid : (uint32_t)number;
	return true;
}

bool pid_read(const char *command, const char *text, uint32_t *ret)
{
	char *end;
	unsigned long pid = strtoul(text, &end, 10);

	if (end == text || *end || pid == 0 || pid > INT32_MAX) {
		complain(command, "\"%s\" is no process id", text);
		return false;
	}
	*ret = (uint32_t)pid;
	return true;
}

const char *grade_name(uint32_t grade)
{
	static const char *const names[] = { "?", "used", "unknown", "unused", "likely", "certain" };

	return grade < sizeof names / sizeof *names ? names[grade] : "?";
}
