/* SPDX-License-Identifier: MIT */
/*
 * host_wait.c - file locks, and what sleeping threads sleep for
 *
 * Why      A thread that sleeps in the kernel shows its system call and the arguments of it in
 *          /proc/PID/syscall: a semaphore's identifier, a descriptor, or the address of a word.
 *          With the process' mappings an address is a place in an object, so any lock in
 *          shared memory is seen, whoever made it.
 * How      Who holds such a lock only its word can tell. A libc's mutex has the thread id of
 *          its holder in it, twice or beside its type; where both agree, and only there, a
 *          holder is named. A word of anything else is only shown.
 * Rules    [HWAIT1] no holder is guessed from one number that happens to be some thread's
 *          [HWAIT2] a holder is dead if its id is known and no thread has it in the waiter's
 *                   PID namespace
 * Death    nothing is changed.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/host.h"
#include "os/calls.h"
#include "os/file.h"
#include "os/process.h"

enum { LOCKS_MAX = 1 << 26, LINE_MAX_ = 1024, TID_MASK = 0x3fffffff, WAITV_MAX = 128 };

/* -- file locks -------------------------------------------------------------------------- */

bool durei_lock_line_read(const char *line, struct durei_lock_line *ret)
{
	char type[16], strength[16], mode[8];
	unsigned long long inode;
	unsigned major, minor;
	int process, at = 0;
	char *end;

	strtoull(line, &end, 10);
	if (end == line || *end != ':')
		return false;
	line = end + 1 + strspn(end + 1, " ");
	bool is_waiting = strncmp(line, "->", 2) == 0;
	if (is_waiting)
		line += 2;
	if (sscanf(line, "%15s %15s %7s %d %x:%x:%llu%n", type, strength, mode, &process, &major,
		   &minor, &inode, &at) < 7 || at == 0)
		return false;
	*ret = (struct durei_lock_line){
		.is_waiting = is_waiting,
		.is_exclusive = strcmp(mode, "WRITE") == 0,
		.process = process > 0 ? (uint32_t)process : 0,
		.device = durei_device_number(major, minor),
		.inode = inode,
	};
	/* leases and delegations are the file servers' own */
	return strcmp(type, "POSIX") == 0 || strcmp(type, "FLOCK") == 0 ||
	       strcmp(type, "OFDLCK") == 0;
}

static struct dure_host_use *use_of_lock(dure_host *host, struct durei_host_object *object,
					 uint32_t process)
{
	struct dure_host_use *uses = host->uses.items;

	for (uint64_t i = 0; i < host->uses.count; i++)
		if (uses[i].object == object->o.index && uses[i].process == process)
			return &uses[i];
	return durei_host_use(host, object, process);
}

static int add_lock(dure_host *host, const struct durei_lock_line *line)
{
	struct durei_identity identity = { 0, line->device, line->inode };
	struct durei_host_object *object = durei_host_object(host, &identity);
	struct dure_host_use *use = object ? use_of_lock(host, object, line->process) : NULL;
	char name[64];

	if (!use)
		return -ENOMEM;
	if (!object->o.kind) {
		object->o.kind = DURE_HOST_LOCK;
		object->o.device = line->device;
		object->o.inode = line->inode;
		snprintf(name, sizeof name, "%" PRIx64 ":%" PRIx64 ":%" PRIu64, line->device >> 8,
			 line->device & 0xff, line->inode);
		object->o.name = durei_host_text(host, name);
		if (!object->o.name)
			return -ENOMEM;
	}
	if (object->o.kind == DURE_HOST_LOCK)
		object->o.count += !line->is_waiting;
	use->how |= line->is_waiting	 ? DURE_HOST_LOCK_WAITS
		    : line->is_exclusive ? DURE_HOST_LOCK_EXCLUSIVE
					 : DURE_HOST_LOCK_SHARED;
	return 0;
}

int durei_host_look_locks(dure_host *host)
{
	struct durei_lock_line line;
	int r = durei_text_read(host->proc, "locks", LOCKS_MAX, &host->buffer);

	if (r < 0)
		return r == -ENOMEM || r == -EMFILE
			       ? r
			       : durei_host_note(host, "/proc/locks cannot be read: %s", strerror(-r));
	r = 0;
	for (char *at = host->buffer.bytes; r == 0 && *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (durei_lock_line_read(at, &line))
			r = add_lock(host, &line);
	return r;
}

/* -- who sleeps for what ----------------------------------------------------------------- */

struct sleeper {
	dure_host *host;
	const struct durei_host_process *process;
	int fd;				/* of the process' directory */
	uint32_t thread;
};

bool durei_syscall_line_read(const char *line, struct durei_syscall_line *ret)
{
	char *end;

	ret->number = strtoull(line, &end, 10);		/* "running" and "-1 ..." are none */
	if (end == line || *line == '-')
		return false;
	for (int i = 0; i < 6; i++) {
		const char *at = end;
		ret->arguments[i] = strtoull(at, &end, 16);
		if (end == at)
			return false;
	}
	return true;
}

static const struct durei_host_mapping *mapping_at(const struct sleeper *s, uint64_t address)
{
	const struct durei_host_mapping *m = s->host->mappings.items;
	uint64_t low = 0, high = s->host->mappings.count;

	while (low < high) {			/* sorted by process, then by address */
		uint64_t middle = low + (high - low) / 2;
		if (m[middle].process < s->process->p.pid ||
		    (m[middle].process == s->process->p.pid && m[middle].end <= address))
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->host->mappings.count && m[low].process == s->process->p.pid &&
			       m[low].start <= address
		       ? &m[low]
		       : NULL;
}

static struct dure_host_wait *add_wait(const struct sleeper *s, uint64_t object, uint32_t kind)
{
	struct dure_host_wait *wait = durei_list_add(&s->host->waits, sizeof *wait);

	if (wait)
		*wait = (struct dure_host_wait){ .sz = sizeof *wait, .object = object, .kind = kind,
						 .process = s->process->p.pid, .thread = s->thread };
	return wait;
}

/* the process that has a thread of that id in the sleeper's PID namespace; 0: there is none */
static uint32_t process_of_thread(const struct sleeper *s, uint32_t tid)
{
	const struct durei_host_process *leader =
		durei_host_inner_process(s->host, s->process->p.pid_namespace, tid);
	struct durei_buffer buffer = { 0 };
	char path[64];
	const char *line;
	uint32_t pid = 0;

	if (leader)
		return leader->p.pid;
	/* threads are not listed, and found by their number: through the sleeper's own /proc
	   when it has one, which is what its namespace sees */
	if (s->process->p.pid_namespace == s->host->summary.pid_namespace)
		snprintf(path, sizeof path, "%" PRIu32 "/status", tid);
	else
		snprintf(path, sizeof path, "%" PRIu32 "/root/proc/%" PRIu32 "/status",
			 s->process->p.pid, tid);
	if (durei_text_read(s->host->proc, path, 1 << 16, &buffer) > 0 &&
	    (line = strstr(buffer.bytes, "\nTgid:")) != NULL) {
		uint32_t tgid = (uint32_t)strtoul(line + 6, NULL, 10);
		leader = durei_host_inner_process(s->host, s->process->p.pid_namespace, tgid);
		pid = leader ? leader->p.pid : 0;
	}
	free(buffer.bytes);
	return pid;
}

/* Is what process_of_thread asks really the sleeper's own namespace? Itself must be in it. */
static bool sees_namespace(const struct sleeper *s)
{
	struct durei_buffer buffer = { 0 };
	char path[64], id[32];
	bool sees;

	if (s->process->p.pid_namespace == s->host->summary.pid_namespace)
		return true;
	snprintf(path, sizeof path, "%" PRIu32 "/root/proc/%" PRIu32 "/status", s->process->p.pid,
		 s->process->p.inner_pid);
	snprintf(id, sizeof id, "\nNSpid:\t%" PRIu32 "\n", s->process->p.inner_pid);
	sees = s->process->p.pid_namespace &&
	       durei_text_read(s->host->proc, path, 1 << 16, &buffer) > 0 &&
	       strstr(buffer.bytes, id) != NULL;
	free(buffer.bytes);
	return sees;
}

/* [HWAIT1] the thread id of a libc mutex' holder, or 0 */
static uint32_t holder_in_mutex(int process, uint64_t address, uint32_t word)
{
	uint32_t after[5], before, tid = word & TID_MASK;

	/* glibc: lock, count, owner, users, kind; kind has 0x80 when processes share it */
	if (durei_memory_read(process, address, after, sizeof after) == 0 && after[4] & 0x80 &&
	    after[4] < 0x400 && after[2] && (tid == after[2] || word == 1 || word == 2))
		return after[2];
	/* musl: type, lock; the type has 0x80 when processes share it */
	if (tid > 2 && durei_memory_read(process, address - 4, &before, sizeof before) == 0 &&
	    (before & ~0xfu) == 0x80)
		return tid;
	return 0;
}

static int add_futex(const struct sleeper *s, uint64_t address)
{
	const struct durei_host_mapping *mapping = mapping_at(s, address);
	struct dure_host_wait *wait;
	uint32_t word = 0;

	if (!mapping)
		return 0;
	wait = add_wait(s, mapping->object, DURE_HOST_WAIT_FUTEX);
	if (!wait)
		return -ENOMEM;
	wait->offset = mapping->offset + (address - mapping->start);
	if (durei_memory_read(s->fd, address, &word, sizeof word) < 0)
		return 0;
	wait->word = word;
	/* dure's locks have lanes in their words, and tell by themselves who holds them */
	if (OBJECT(s->host, mapping->object)->o.flags & DURE_HOST_SEGMENT)
		return 0;
	wait->holder_inner = holder_in_mutex(s->fd, address, word);
	if (wait->holder_inner)
		wait->holder = process_of_thread(s, wait->holder_inner);
	wait->holder_is_dead = wait->holder_inner && !wait->holder && sees_namespace(s);  /* [HWAIT2] */
	return 0;
}

/* the first word is what it wants; dure waits for the owner's life in the second */
static int add_futex_vector(const struct sleeper *s, const struct durei_syscall_line *call)
{
	struct { uint64_t value, address; uint32_t flags, reserved; } first;

	if (call->arguments[1] == 0 || call->arguments[1] > WAITV_MAX ||
	    durei_memory_read(s->fd, call->arguments[0], &first, sizeof first) < 0)
		return 0;
	return first.flags & DUREI_FUTEX_PRIVATE ? 0 : add_futex(s, first.address);
}

static int add_sysv(const struct sleeper *s, const struct durei_syscall_line *call,
		    uint32_t sysv_kind, uint32_t wait_kind)
{
	struct durei_identity identity = { sysv_kind, s->process->p.ipc_namespace,
					   (uint32_t)call->arguments[0] };
	struct durei_host_object *object = durei_host_find(s->host, &identity);
	struct { uint16_t number; int16_t change, flags; } operation;
	struct durei_semaphore semaphore;
	struct dure_host_wait *wait;

	if (!object)
		return 0;
	wait = add_wait(s, object->o.index, wait_kind);
	if (!wait)
		return -ENOMEM;
	if (sysv_kind != DURE_HOST_SYSV_SEM ||
	    durei_memory_read(s->fd, call->arguments[1], &operation, sizeof operation) < 0)
		return 0;
	wait->offset = operation.number;
	if (identity.space != s->host->summary.ipc_namespace ||
	    durei_sem_read((int)identity.number, operation.number, &semaphore) < 0)
		return 0;
	wait->word = semaphore.value;
	wait->holder_inner = wait->holder = semaphore.last_pid;
	if (wait->holder && !durei_process_exists(wait->holder)) {
		wait->holder = 0;
		wait->holder_is_dead = true;
	}
	return 0;
}

static uint32_t holder_of_lock(const struct sleeper *s, uint64_t object)
{
	const struct dure_host_use *uses = s->host->uses.items;

	for (uint64_t i = 0; i < s->host->uses.count; i++)
		if (uses[i].object == object && uses[i].process != s->process->p.pid &&
		    uses[i].how & (DURE_HOST_LOCK_EXCLUSIVE | DURE_HOST_LOCK_SHARED))
			return uses[i].process;
	return 0;
}

static int add_descriptor(const struct sleeper *s, uint64_t descriptor, uint32_t kind)
{
	struct durei_identity identity = { 0 };
	struct durei_host_object *object;
	struct dure_host_wait *wait;
	struct durei_node node;
	char link[40];

	snprintf(link, sizeof link, "fd/%" PRIu32, (uint32_t)descriptor);
	if (durei_node_stat(s->fd, link, true, &node) < 0)
		return 0;
	identity.space = node.device;
	identity.number = node.inode;
	object = durei_host_find(s->host, &identity);
	if (!object)
		return 0;
	wait = add_wait(s, object->o.index, kind);
	if (wait && kind == DURE_HOST_WAIT_LOCK)
		wait->holder = holder_of_lock(s, object->o.index);
	return wait ? 0 : -ENOMEM;
}

static int add_call(const struct sleeper *s, const struct durei_syscall_line *call)
{
	switch (durei_call_of(call->number, call->arguments)) {
	case DUREI_CALL_FUTEX:
		return add_futex(s, call->arguments[0]);
	case DUREI_CALL_FUTEX_VECTOR:
		return add_futex_vector(s, call);
	case DUREI_CALL_SEMOP:
		return add_sysv(s, call, DURE_HOST_SYSV_SEM, DURE_HOST_WAIT_SEM);
	case DUREI_CALL_MSGSND:
		return add_sysv(s, call, DURE_HOST_SYSV_MSG, DURE_HOST_WAIT_SEND);
	case DUREI_CALL_MSGRCV:
		return add_sysv(s, call, DURE_HOST_SYSV_MSG, DURE_HOST_WAIT_RECEIVE);
	case DUREI_CALL_MQ_SEND:
		return add_descriptor(s, call->arguments[0], DURE_HOST_WAIT_SEND);
	case DUREI_CALL_MQ_RECEIVE:
		return add_descriptor(s, call->arguments[0], DURE_HOST_WAIT_RECEIVE);
	case DUREI_CALL_FILE_LOCK:
		return add_descriptor(s, call->arguments[0], DURE_HOST_WAIT_LOCK);
	case DUREI_CALL_OTHER:
	default:
		return 0;
	}
}

static int look_at_thread(const char *name, void *context)
{
	struct sleeper *s = context;
	struct durei_syscall_line call;
	char path[64];

	s->thread = (uint32_t)strtoul(name, NULL, 10);
	snprintf(path, sizeof path, "task/%.20s/syscall", name);
	s->host->summary.threads++;
	if (durei_text_read(s->fd, path, LINE_MAX_ * 16, &s->host->buffer) <= 0 ||
	    !durei_syscall_line_read(s->host->buffer.bytes, &call))
		return 0;
	return add_call(s, &call);
}

int durei_host_look_waits(dure_host *host)
{
	int r = 0;

	for (uint64_t i = 0; (host->flags & DURE_HOST_WAITS) && r == 0 && i < host->processes.count;
	     i++) {
		struct sleeper s = { .host = host, .process = PROCESS(host, i) };
		char name[16];
		snprintf(name, sizeof name, "%" PRIu32, s.process->p.pid);
		s.fd = durei_directory_open(host->proc, name);
		if (s.fd < 0)
			continue;
		r = durei_names_visit(s.fd, "task", look_at_thread, &s);
		r = r == -ENOMEM || r == -EMFILE ? r : 0;
		durei_file_close(s.fd);
	}
	return r;
}
