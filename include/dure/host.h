/* SPDX-License-Identifier: MIT */
/*
 * dure/host.h - all shared memory and IPC objects of a host, and who uses them
 *
 * A dure_host is a picture, taken once: System V and POSIX objects, memory files, deleted
 * memory that is still mapped, huge-page files, file locks, the processes that have them open,
 * mapped or locked, and the threads that wait for them. Nothing is changed by looking, and no
 * program needs to know of dure for its objects to be seen.
 *
 * A picture is as complete as the permissions of who takes it. What could not be seen is said
 * by dure_host_note_list; without knowing it, "nobody uses this" means nothing.
 *
 * Common to all functions here: Threads: a dure_host belongs to one thread at a time. Signals:
 * not from a handler. Fork: the child has a copy of its own. Death: nothing shared is changed.
 */
#ifndef DURE_HOST_H
#define DURE_HOST_H

#include <stddef.h>
#include <stdint.h>

#include <dure/export.h>

DURE_BEGIN

typedef struct dure_host dure_host;

enum dure_host_kind {
	DURE_HOST_SYSV_SHM = 1,
	DURE_HOST_SYSV_SEM = 2,
	DURE_HOST_SYSV_MSG = 3,
	DURE_HOST_POSIX_SHM = 4,	/* a file in /dev/shm */
	DURE_HOST_POSIX_SEM = 5,	/* a file in /dev/shm that begins with "sem." */
	DURE_HOST_POSIX_MQ = 6,
	DURE_HOST_MEMFD = 7,
	DURE_HOST_DELETED = 8,		/* a file in memory without a name, still open or mapped */
	DURE_HOST_ANONYMOUS = 9,	/* mapped MAP_SHARED | MAP_ANONYMOUS before a fork */
	DURE_HOST_HUGE = 10,		/* a file on a hugetlbfs */
	DURE_HOST_LOCK = 11,		/* a file that is locked, or waited for */
};

/* options.flags */
enum {
	DURE_HOST_NAMESPACES = 1u << 0,	/* list other mount namespaces' /dev/shm; enter other IPC
					   namespaces, and come back. For tools: the calling
					   thread's SEM_UNDO adjustments are carried out */
	DURE_HOST_WAITS = 1u << 1,	/* look at what each thread waits for */
};

struct dure_host_options {
	size_t sz;
	uint32_t flags;
	uint32_t kinds;			/* bit 1 << kind for each that is wanted; 0: all */
};

/*
 * dure_host_look - take the picture
 *
 * options may be NULL. Processes and objects that vanish meanwhile are left out.
 *
 * Returns  0; -ENOMEM -EINVAL -E2BIG -EMFILE -ENOENT (no /proc) -EIO (the thread could not come
 *          back from another namespace: end the process)
 */
DURE_API int dure_host_look(const struct dure_host_options *options, dure_host **ret);

/* dure_host_close - forget the picture, and all that was borrowed from it. NULL is allowed */
DURE_API void dure_host_close(dure_host *host);

/* object.flags */
enum {
	DURE_HOST_DOOMED = 1u << 0,	/* removed; goes when the last user does */
	DURE_HOST_HUGE_PAGES = 1u << 1,
	DURE_HOST_LOCKED_IN = 1u << 2,	/* locked in memory (SHM_LOCK) */
	DURE_HOST_ELSEWHERE = 1u << 3,	/* in another IPC or mount namespace */
	DURE_HOST_SEGMENT = 1u << 4,	/* a dure segment, or the file that goes with one */
	DURE_HOST_SIZE_GUESSED = 1u << 5, /* at least size_bytes: it could not be asked */
};

struct dure_host_object {
	size_t sz;
	uint64_t index;			/* in this picture */
	uint32_t kind;			/* enum dure_host_kind */
	uint32_t flags;
	int64_t id;			/* System V; otherwise -1 */
	uint64_t key;			/* System V; 0: private */
	uint64_t device, inode;		/* of files */
	uint64_t ipc_namespace;		/* System V and message queues; otherwise 0 */
	uint32_t mode;
	uint32_t owner, group;
	uint32_t creator_user, creator_group;	/* System V */
	uint32_t creator;		/* System V shm: pid, 0: not of this PID namespace */
	uint32_t last[2];		/* pids: shm last at, 0; sem 0, 0; msg last sender, receiver */
	uint64_t size_bytes;		/* apparent; message queues: bytes waiting */
	uint64_t resident_bytes;	/* in memory; message queues: what counts for RLIMIT_MSGQUEUE */
	uint64_t swapped_bytes;
	uint64_t count;			/* attachments, semaphores, messages, locks; POSIX
					   semaphores: the value */
	uint64_t changed_ns;		/* created, or its owner or mode changed: wall clock */
	uint64_t used_ns;		/* last attached, operated on, written; 0: never, unknown */
	uint32_t processes;		/* that have it open, mapped or locked */
	uint32_t opens, maps;		/* descriptors; mappings */
	uint32_t sleepers;		/* threads that wait for it */
	const char *name;		/* as its users call it. Borrowed until close */
	const char *path;		/* where it can be opened from here, or "" */
	const char *label;		/* of the container or unit of its namespace, or "" */
};

/* dure_host_object_list - the objects. Returns 0, or what visit returned */
DURE_API int dure_host_object_list(const dure_host *host,
				   int (*visit)(const struct dure_host_object *object,
						void *context),
				   void *context);

struct dure_host_process {
	size_t sz;
	uint32_t pid;			/* as seen from here */
	uint32_t inner_pid;		/* in its own PID namespace */
	uint32_t parent;
	uint32_t user;			/* effective */
	uint32_t is_readable;		/* what it has open and mapped could be read */
	uint32_t threads;
	uint64_t started_ns;		/* wall clock */
	uint64_t ipc_namespace, pid_namespace, mount_namespace;	/* 0: not to be seen */
	uint64_t mapped_bytes;		/* of the objects in the picture */
	uint32_t objects;		/* that it uses */
	uint32_t reserved;
	const char *name;		/* of the command. Borrowed until close */
	const char *label;		/* of its container or unit, or "" */
};

/* dure_host_process_list - the processes. Returns 0, or what visit returned */
DURE_API int dure_host_process_list(const dure_host *host,
				    int (*visit)(const struct dure_host_process *process,
						 void *context),
				    void *context);

/* use.how */
enum {
	DURE_HOST_OPEN = 1u << 0,
	DURE_HOST_MAPPED = 1u << 1,
	DURE_HOST_WRITABLE = 1u << 2,	/* one of the mappings is */
	DURE_HOST_LOCK_SHARED = 1u << 3, /* has a file lock */
	DURE_HOST_LOCK_EXCLUSIVE = 1u << 4,
	DURE_HOST_LOCK_WAITS = 1u << 5,	/* waits for a file lock */
};

struct dure_host_use {
	size_t sz;
	uint64_t object;		/* index */
	uint32_t process;		/* pid; 0: the kernel does not say whose lock it is */
	uint32_t how;
	uint32_t opens, maps;
	uint64_t mapped_bytes;
};

#define DURE_HOST_ANY UINT64_MAX

/* dure_host_use_list - who uses an object, or (DURE_HOST_ANY) all uses.
   Returns 0, or what visit returned */
DURE_API int dure_host_use_list(const dure_host *host, uint64_t object,
				int (*visit)(const struct dure_host_use *use, void *context),
				void *context);

enum dure_host_wait_kind {
	DURE_HOST_WAIT_FUTEX = 1,	/* a word in shared memory: locks, conditions, semaphores */
	DURE_HOST_WAIT_SEM = 2,		/* semop */
	DURE_HOST_WAIT_SEND = 3,	/* msgsnd, mq_send */
	DURE_HOST_WAIT_RECEIVE = 4,	/* msgrcv, mq_receive */
	DURE_HOST_WAIT_LOCK = 5,	/* fcntl, flock */
};

struct dure_host_wait {
	size_t sz;
	uint64_t object;		/* index */
	uint32_t kind;			/* enum dure_host_wait_kind */
	uint32_t process, thread;	/* as seen from here */
	uint32_t holder;		/* pid as seen from here, 0: not known */
	uint32_t holder_is_dead;	/* holder_inner is known, and there is no such process */
	uint32_t holder_inner;		/* the thread id in the word, or 0 */
	uint64_t offset;		/* FUTEX: of the word in the object. SEM: its number */
	uint64_t word;			/* FUTEX: its value. SEM: the semaphore's value */
};

/* dure_host_wait_list - who waits; needs DURE_HOST_WAITS. Returns 0, or what visit returned */
DURE_API int dure_host_wait_list(const dure_host *host,
				 int (*visit)(const struct dure_host_wait *wait, void *context),
				 void *context);

struct dure_host_summary {
	size_t sz;
	uint64_t objects, processes, unreadable_processes, threads;
	uint64_t ipc_namespaces;	/* seen, our own included */
	uint64_t ipc_namespaces_entered;
	uint64_t ipc_namespace, pid_namespace, mount_namespace;	/* our own */
	uint64_t taken_ns;		/* wall clock */
	uint32_t is_complete;		/* no notes about who uses what */
	uint32_t reserved;
};

/* dure_host_summary - sums of the picture; fills what ret->sz covers. Returns 0; -EINVAL */
DURE_API int dure_host_summarize(const dure_host *host, struct dure_host_summary *ret);

/* dure_host_note_list - what could not be seen, in sentences, each with its remedy.
   Returns 0, or what visit returned */
DURE_API int dure_host_note_list(const dure_host *host,
				 int (*visit)(const char *sentence, void *context),
				 void *context);

/* How far it is proved that an object is left over. */
enum dure_host_grade {
	DURE_HOST_GRADE_USED = 1,	/* somebody has it open, mapped, locked or waits for it */
	DURE_HOST_GRADE_UNKNOWN = 2,	/* what was seen is not enough to say anything */
	DURE_HOST_GRADE_UNUSED = 3,	/* nobody has it now; that is no proof that nobody will */
	DURE_HOST_GRADE_LIKELY = 4,	/* and who made or last used it is gone, and it is old */
	DURE_HOST_GRADE_CERTAIN = 5,	/* and nobody is left who could use it */
};

enum { DURE_HOST_EVIDENCE_MAX = 8 };

struct dure_host_verdict {
	size_t sz;
	uint32_t grade;			/* enum dure_host_grade */
	uint32_t count;			/* of evidence */
	char evidence[DURE_HOST_EVIDENCE_MAX][120];	/* sentences */
};

/*
 * dure_host_judge - is an object left over, and how is that known
 *
 * The object is asked anew where the kernel can be asked: attachments of System V memory, who
 * last used a semaphore, and for files whether the kernel grants an exclusive lease, which it
 * does when no process of any namespace has the file open or mapped. old_ns is the age from
 * which an unused object is likely to be left over. Needs a picture with DURE_HOST_WAITS and
 * all kinds; from another one nothing is better than UNUSED.
 *
 * Returns  0; -EINVAL -ENOENT (gone, or another object has its name now)
 */
DURE_API int dure_host_judge(const dure_host *host, uint64_t object, uint64_t old_ns,
			     struct dure_host_verdict *ret);

DURE_END

#endif
