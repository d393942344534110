/* SPDX-License-Identifier: MIT */
/*
 * verdict.c - is an object left over, and how is that known
 *
 * Why      "Nobody is attached" is no proof that nobody will be: programs keep names and keys
 *          in order to come back. Who removes on less than proof breaks what he wanted to mend.
 *          So the answer has grades, and each comes with what it rests on.
 *
 *	grade	  System V memory	System V semaphores,	  files, message queues
 *					message queues
 *	USED	  attached		a thread sleeps on it,	  open, mapped or locked by a
 *					or who used it last lives process, or no lease is had
 *	UNUSED	  not attached		-			  the lease is had
 *	LIKELY	  and creator and last	all who used it last are  and it is old
 *		  user are gone, old	gone, old
 *	CERTAIN	  and it is private, all processes were seen,	  and a known producer's name has
 *		  and none of those who may use it is in its	  the pid of a process that is
 *		  namespace					  gone
 *
 * Rules    [VERD1] a grade is never better than what was seen: with processes that could not
 *                  be read only the kernel's own counts and its lease prove anything
 *          [VERD2] a pid proves death by its absence only; that a process of that pid is
 *                  another, because it began later, never makes CERTAIN: clocks are set
 *          [VERD3] pid 0 is "not of this PID namespace" (or nobody yet), never "dead"
 *          [VERD4] a segment of dure is data: never more than UNUSED
 * Death    nothing is changed; the lease goes with its descriptor.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "inspect/host.h"
#include "os/file.h"
#include "os/map.h"
#include "os/process.h"
#include "os/self.h"

#define SECOND UINT64_C(1000000000)

struct judging {
	const dure_host *host;
	const struct dure_host_object *o;
	uint64_t old_ns;
	struct dure_host_verdict v;
};

static void say(struct judging *j, const char *format, ...) DURE_FORMAT(2, 3);

static void say(struct judging *j, const char *format, ...)
{
	va_list arguments;

	if (j->v.count == DURE_HOST_EVIDENCE_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(j->v.evidence[j->v.count++], sizeof j->v.evidence[0], format, arguments);
	va_end(arguments);
}

static int gone(const struct dure_host_object *o)
{
	return durei_error(ENOENT, "%s is gone, or is another object now", *o->path ? o->path : o->name);
}

/* -- processes --------------------------------------------------------------------------- */

enum life { LIVES, REUSED, DEAD };

/* since: when that pid did something to the object */
static enum life life_of(const struct judging *j, uint32_t pid, uint64_t since_ns)
{
	const struct durei_host_process *process = durei_host_process(j->host, pid);

	if (!durei_process_exists(pid))
		return DEAD;
	return process && process->p.started_ns > since_ns + 2 * SECOND ? REUSED : LIVES;
}

/* says what became of pid; true: it cannot be that process any more */
static bool is_past(struct judging *j, const char *role, uint32_t pid, uint64_t since_ns,
		    bool *is_proved)
{
	const struct durei_host_process *process = durei_host_process(j->host, pid);

	switch (life_of(j, pid, since_ns)) {
	case DEAD:
		say(j, "%s, process %" PRIu32 ", is gone", role, pid);
		return true;
	case REUSED:
		say(j, "%s was process %" PRIu32 "; that is another now, begun later", role, pid);
		*is_proved = false;			/* [VERD2] */
		return true;
	case LIVES:
	default:
		say(j, "%s, process %" PRIu32 " (%s), lives", role, pid, process ? process->p.name : "?");
		return false;
	}
}

/* Could anybody who is there now come and use it? */
static bool is_abandoned(struct judging *j)
{
	const struct dure_host_object *o = j->o;

	if (j->host->notes.count || o->key || j->host->kinds)	/* [VERD1] */
		return false;
	if (o->mode & 066) {
		say(j, "its mode %04o lets others use it", o->mode);
		return false;
	}
	for (uint64_t i = 0; i < j->host->processes.count; i++) {
		const struct dure_host_process *p = &PROCESS(j->host, i)->p;
		if ((p->user == o->owner || p->user == o->creator_user) &&
		    p->pid != durei_process_id() &&
		    (p->ipc_namespace == o->ipc_namespace || !p->ipc_namespace)) {
			say(j, "process %" PRIu32 " (%s) of the same user could still use it", p->pid,
			    p->name);
			return false;
		}
	}
	say(j, "it has no key, and no process of its owner is left in its namespace");
	return true;
}

static bool is_old(struct judging *j)
{
	uint64_t last = j->o->used_ns > j->o->changed_ns ? j->o->used_ns : j->o->changed_ns;
	uint64_t now = durei_wall_ns(), age = now > last ? now - last : 0;

	if (age >= j->old_ns) {
		say(j, "untouched for %" PRIu64 " s", age / SECOND);
		return true;
	}
	say(j, "touched %" PRIu64 " s ago: too young to be called left over", age / SECOND);
	return false;
}

static void grade_by_age(struct judging *j, bool is_proved)
{
	j->v.grade = DURE_HOST_GRADE_UNUSED;
	if (!is_old(j))
		return;
	j->v.grade = DURE_HOST_GRADE_LIKELY;
	if (is_proved && is_abandoned(j))
		j->v.grade = DURE_HOST_GRADE_CERTAIN;
}

/* -- System V ---------------------------------------------------------------------------- */

static int judge_shm(struct judging *j)
{
	const struct dure_host_object *o = j->o;
	struct durei_sysv_facts facts;
	bool is_proved = true;
	int r = durei_sysv_stat((int)o->id, &facts);

	if (r == -EACCES) {
		say(j, "it may not be looked at: run it as its owner or root");
		return 0;
	}
	if (r < 0 || facts.changed_s * SECOND != o->changed_ns || facts.size_bytes != o->size_bytes ||
	    facts.creator != o->creator)
		return gone(o);
	if (facts.attached) {
		j->v.grade = DURE_HOST_GRADE_USED;
		say(j, "%" PRIu64 " mappings, by the kernel's count", facts.attached);
		return 0;
	}
	j->v.grade = DURE_HOST_GRADE_UNUSED;
	say(j, "nobody has it attached, by the kernel's count");
	if (o->creator == 0) {				/* [VERD3] */
		say(j, "its creator is outside of this PID namespace, and may live");
		return 0;
	}
	if (!is_past(j, "its creator", o->creator, o->changed_ns, &is_proved))
		return 0;
	if (o->last[0] && o->last[0] != o->creator &&
	    !is_past(j, "who attached it last", o->last[0], o->used_ns, &is_proved))
		return 0;
	if (!o->last[0] && o->used_ns) {
		say(j, "who attached it last is outside of this PID namespace");
		return 0;
	}
	grade_by_age(j, is_proved);
	return 0;
}

struct last_users {
	uint32_t seen[4];		/* pids that are known to be past */
	uint32_t count;
	uint64_t sleeping, unused;
	bool is_proved, lives;
};

static void look_at_last_user(struct judging *j, struct last_users *users, uint32_t pid,
			      uint64_t since_ns)
{
	for (uint32_t i = 0; i < users->count && i < 4; i++)
		if (users->seen[i] == pid)
			return;
	/* the evidence has room for some; the verdict looks at all */
	if (users->count < 4) {
		users->seen[users->count++] = pid;
		users->lives |= !is_past(j, "who used it last", pid, since_ns, &users->is_proved);
		return;
	}
	enum life life = life_of(j, pid, since_ns);
	users->lives |= life == LIVES;
	users->is_proved &= life != REUSED;
}

static int look_at_semaphores(struct judging *j, uint32_t count, struct last_users *users)
{
	struct durei_semaphore semaphore;
	uint64_t since = j->o->used_ns > j->o->changed_ns ? j->o->used_ns : j->o->changed_ns;

	for (uint32_t i = 0; i < count && !users->sleeping && !users->lives; i++) {
		if (durei_sem_read((int)j->o->id, i, &semaphore) < 0)
			return gone(j->o);
		users->sleeping += semaphore.waiting + semaphore.waiting_zero;
		if (semaphore.last_pid)
			look_at_last_user(j, users, semaphore.last_pid, since);
		else
			users->unused++;
	}
	return 0;
}

static void grade_by_users(struct judging *j, const struct last_users *users)
{
	if (users->sleeping || users->lives) {
		j->v.grade = DURE_HOST_GRADE_USED;
		if (users->sleeping)
			say(j, "%" PRIu64 " threads sleep on it", users->sleeping);
		return;
	}
	if (users->count == 0) {			/* [VERD3] */
		j->v.grade = DURE_HOST_GRADE_UNUSED;
		say(j, "nobody has used it yet, or from outside of this PID namespace");
		return;
	}
	grade_by_age(j, users->is_proved && users->unused == 0);
}

static int judge_sem(struct judging *j)
{
	struct last_users users = { .is_proved = true };
	struct durei_sem_set set;
	int r = durei_sem_stat((int)j->o->id, &set);

	if (r == -EACCES) {
		say(j, "it may not be looked at: run it as its owner or root");
		return 0;
	}
	if (r < 0 || set.changed_s * SECOND != j->o->changed_ns || set.count != j->o->count)
		return gone(j->o);
	if (set.used_s * SECOND != j->o->used_ns) {
		j->v.grade = DURE_HOST_GRADE_USED;
		say(j, "it was used while we looked");
		return 0;
	}
	users.sleeping = j->o->sleepers;
	r = look_at_semaphores(j, set.count, &users);
	if (r == 0)
		grade_by_users(j, &users);
	return r;
}

static int judge_msg(struct judging *j)
{
	struct last_users users = { .is_proved = true, .sleeping = j->o->sleepers };
	struct durei_msg_queue queue;
	int r = durei_msg_stat((int)j->o->id, &queue);

	if (r == -EACCES) {
		say(j, "it may not be looked at: run it as its owner or root");
		return 0;
	}
	if (r < 0 || queue.changed_s * SECOND != j->o->changed_ns)
		return gone(j->o);
	if (queue.count != j->o->count || queue.last_sender != j->o->last[0] ||
	    queue.last_receiver != j->o->last[1]) {
		j->v.grade = DURE_HOST_GRADE_USED;
		say(j, "it was used while we looked");
		return 0;
	}
	if (queue.last_sender)
		look_at_last_user(j, &users, queue.last_sender, queue.sent_s * SECOND);
	if (queue.last_receiver)
		look_at_last_user(j, &users, queue.last_receiver, queue.received_s * SECOND);
	users.unused = (queue.sent_s && !queue.last_sender) ||
		       (queue.received_s && !queue.last_receiver);
	grade_by_users(j, &users);
	return 0;
}

/* -- files ------------------------------------------------------------------------------- */

/* names with a pid in them, as their makers write them; 0: none that is known */
static uint32_t pid_in_name(const char *name)
{
	static const char *const prefixes[] = { "/torch_", "/loky-", "/joblib_memmapping_folder_",
						"/pym-", "/mono." };

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t bytes = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], bytes) == 0 && isdigit((unsigned char)name[bytes]))
			return (uint32_t)strtoul(name + bytes, NULL, 10);
	}
	return 0;
}

static bool producer_is_dead(struct judging *j)
{
	uint32_t pid = pid_in_name(j->o->name);

	if (!pid || !j->host->sees_all_pids)		/* [VERD1] */
		return false;
	for (uint64_t i = 0; i < j->host->processes.count; i++)
		if (PROCESS(j->host, i)->p.inner_pid == pid) {
			say(j, "its name has the pid of a process that lives (%" PRIu32 ")", pid);
			return false;
		}
	if (durei_process_exists(pid))
		return false;
	say(j, "its name has the pid of its maker, %" PRIu32 ", which is gone", pid);
	return true;
}

static int ask_lease(struct judging *j)
{
	const struct dure_host_object *o = j->o;
	bool is_queue = o->kind == DURE_HOST_POSIX_MQ && !(o->flags & DURE_HOST_ELSEWHERE);
	int queues = !*o->path && is_queue ? durei_mqueue_mount() : -1;
	int r = *o->path      ? durei_file_is_alone(DUREI_HERE, o->path, o->device, o->inode)
		: queues >= 0 ? durei_file_is_alone(queues, o->name + 1, o->device, o->inode)
			      : -EACCES;
	durei_file_close(queues);

	if (r == 1)
		say(j, "the kernel grants a lease: nobody has it open or mapped, in any namespace");
	else if (r == 0)
		say(j, "the kernel grants no lease: somebody has it open or mapped");
	else if (r != -ENOENT)
		say(j, "no lease could be asked for (%s)", strerror(-r));
	return r;
}

static int judge_file(struct judging *j)
{
	const struct dure_host_object *o = j->o;
	struct durei_node node;
	int alone;

	if (*o->path && (durei_node_stat(DUREI_HERE, o->path, false, &node) < 0 ||
			 node.inode != o->inode || node.device != o->device))
		return gone(o);
	if (o->processes) {
		j->v.grade = DURE_HOST_GRADE_USED;
		say(j, "%" PRIu32 " processes have it open, mapped or locked", o->processes);
		return 0;
	}
	alone = ask_lease(j);
	if (alone == -ENOENT)
		return gone(o);
	if (alone == 0) {
		j->v.grade = DURE_HOST_GRADE_USED;
		return 0;
	}
	if (alone < 0 && j->host->notes.count) {		/* [VERD1] */
		say(j, "not all processes could be read");
		return 0;
	}
	if (alone < 0)
		say(j, "no process that was seen has it open or mapped");
	j->v.grade = DURE_HOST_GRADE_UNUSED;
	if (o->flags & DURE_HOST_SEGMENT) {			/* [VERD4] */
		say(j, "it is a dure segment: dure show and dure rm know more");
		return 0;
	}
	if (is_old(j))
		j->v.grade = producer_is_dead(j) && alone == 1 ? DURE_HOST_GRADE_CERTAIN
								: DURE_HOST_GRADE_LIKELY;
	return 0;
}

/* -- all --------------------------------------------------------------------------------- */

static int judge(struct judging *j)
{
	const struct dure_host_object *o = j->o;

	switch (o->kind) {
	case DURE_HOST_POSIX_SHM:
	case DURE_HOST_POSIX_SEM:
	case DURE_HOST_POSIX_MQ:
	case DURE_HOST_HUGE:
		return judge_file(j);
	case DURE_HOST_SYSV_SHM:
	case DURE_HOST_SYSV_SEM:
	case DURE_HOST_SYSV_MSG:
		break;
	default:
		j->v.grade = DURE_HOST_GRADE_USED;	/* without a user it would not be there */
		say(j, "%" PRIu32 " processes have it", o->processes);
		return 0;
	}
	if (o->flags & DURE_HOST_SEGMENT && o->kind == DURE_HOST_SYSV_SHM && !o->count) {	/* [VERD4] */
		j->v.grade = DURE_HOST_GRADE_UNUSED;
		say(j, "it is a dure segment: dure show and dure rm know more");
		return 0;
	}
	if (o->flags & DURE_HOST_ELSEWHERE) {
		say(j, "it is in another IPC namespace: judge it from there (nsenter)");
		return 0;
	}
	return o->kind == DURE_HOST_SYSV_SHM   ? judge_shm(j)
	       : o->kind == DURE_HOST_SYSV_SEM ? judge_sem(j)
					       : judge_msg(j);
}

int dure_host_judge(const dure_host *host, uint64_t object, uint64_t old_ns,
		    struct dure_host_verdict *ret)
{
	struct judging j = { .host = host, .old_ns = old_ns };
	int r;

	if (object >= host->objects.count)
		return durei_error(EINVAL, "there is no object %" PRIu64 " in this picture of %" PRIu64,
				   object, host->objects.count);
	j.o = &OBJECT(host, object)->o;
	j.v.sz = sizeof j.v;
	j.v.grade = DURE_HOST_GRADE_UNKNOWN;
	r = judge(&j);
	if (r < 0)
		return r;
	/* who did not look at threads and at everything cannot have seen all users */
	if ((!(host->flags & DURE_HOST_WAITS) || host->kinds) &&
	    j.v.grade > DURE_HOST_GRADE_UNUSED)
		j.v.grade = DURE_HOST_GRADE_UNUSED;
	return durei_options_write(ret, &j.v, sizeof j.v, sizeof j.v);
}
