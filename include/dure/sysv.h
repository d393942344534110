/* SPDX-License-Identifier: MIT */
/*
 * dure/sysv.h - the kernel's own System V objects, as they are, without their traps
 *
 * For programs that have to talk to others by shmget(2), semget(2) and msgget(2). An object is
 * known by its id, in the IPC namespace; ids and keys are those that ipcs(1) shows. The
 * semantics are those of POSIX.1-2017 (XSI) and of Linux; each comment says what is added.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler; waits are not ended
 * and not stretched by signals. Fork: the child may use ids and handles, attachments are
 * inherited. Death: objects stay until they are removed; a dead process' attachments, waits
 * and undo values are the kernel's to end.
 *
 * The kernel gives no descriptor for any of these, and no signal: they cannot be polled, and there
 * is no bridge to poll but a thread or a process that waits in their place. A poll loop that
 * expects something of them looks with timeout 0, at short timeouts of its own; a
 * dure_posix_queue can be polled.
 */
#ifndef DURE_SYSV_H
#define DURE_SYSV_H

#include <dure/segment.h>

DURE_BEGIN

/* -- keys and what the three kinds have in common ------------------------------------------ */

/* the key of objects that nobody finds by key */
#define DURE_SYSV_PRIVATE 0

struct dure_sysv_key_source {
	const char *path;		/* of an existing file that is not replaced */
	uint32_t project;		/* 1 to 255 */
};

/*
 * dure_sysv_keys - as ftok(3), for all keys of a program at once, so that they differ
 *
 * A key has 16 bits of the file's inode number, 8 of its device and 8 of the project: files
 * that have nothing in common can give the same one. ftok cannot tell; here two sources with
 * one key are refused. Also refused: a project of which ftok would use a part, and a key that
 * means private or error. Keys of other programs are not known to anybody: see the sentence of
 * -EEXIST and -EINVAL when an object is got.
 *
 * Returns  0; -EEXIST (two give the same key; the sentence names both) -EINVAL -ENOENT -EACCES
 *          -EIO -ENOMEM
 */
DURE_API int dure_sysv_keys(const struct dure_sysv_key_source *sources, size_t count,
			    int32_t *ret_keys);

enum dure_sysv_kind {
	DURE_SYSV_SHM = 1,
	DURE_SYSV_SEM = 2,
	DURE_SYSV_MSG = 3,
};

struct dure_sysv_info {
	size_t sz;
	uint32_t kind;			/* enum dure_sysv_kind */
	int32_t id;
	int32_t key;			/* DURE_SYSV_PRIVATE: none, or no longer */
	uint32_t mode;			/* permission bits */
	uint32_t owner, group;
	uint32_t creator_user, creator_group;
	uint64_t changed_s;		/* made, or changed by dure_sysv_set: wall clock */
};

/* dure_sysv_info - facts about an object of any kind; fills what info->sz covers.
   Returns 0; -ENOENT (no such id) -EACCES -EINVAL */
DURE_API int dure_sysv_info(uint32_t kind, int32_t id, struct dure_sysv_info *info);

/*
 * dure_sysv_list - call visit for every object of a kind in the IPC namespace
 *
 * Since Linux 4.17 also for those that the caller may not read. A visit that returns non-zero ends the list.
 *
 * Returns  0, or what visit returned; -EINVAL -EOPNOTSUPP (a kernel without System V IPC)
 */
DURE_API int dure_sysv_list(uint32_t kind,
			    int (*visit)(const struct dure_sysv_info *info, void *context),
			    void *context);

/* changes.what */
enum {
	DURE_SYSV_SET_MODE = 1u << 0,
	DURE_SYSV_SET_OWNER = 1u << 1,
	DURE_SYSV_SET_GROUP = 1u << 2,
	DURE_SYSV_SET_BYTES_MAX = 1u << 3,	/* of a message queue */
};

struct dure_sysv_changes {
	size_t sz;
	uint32_t what;			/* DURE_SYSV_SET_...: the fields that count */
	uint32_t mode;
	uint32_t owner, group;
	uint64_t bytes_max;
};

/*
 * dure_sysv_set - change owner, group, mode; of a queue, how many bytes it holds
 *
 * Returns  0; -ENOENT -EPERM (neither owner nor creator, or beyond kernel.msgmnb) -EINVAL
 *          -EACCES
 * Death    all of it or nothing.
 */
DURE_API int dure_sysv_set(uint32_t kind, int32_t id, const struct dure_sysv_changes *changes);

/*
 * dure_sysv_remove - take the object away
 *
 * Shared memory stays for those who have it attached, until they are gone. A set or a queue is
 * gone at once: all who wait for it get -ESTALE.
 *
 * Returns  0; -ENOENT -EPERM -EINVAL
 */
DURE_API int dure_sysv_remove(uint32_t kind, int32_t id);

struct dure_sysv_limits {
	size_t sz;
	/* shared memory: kernel.shmmax, shmall (in bytes), shmmni; and what is used of them */
	uint64_t segment_bytes_max, all_bytes_max, segments_max;
	uint64_t segments, bytes, resident_bytes, swapped_bytes;
	/* semaphores: the four numbers of kernel.sem, and the greatest value */
	uint64_t set_semaphores_max, all_semaphores_max, operations_max, sets_max, value_max;
	uint64_t sets, semaphores;
	/* messages: kernel.msgmax, msgmnb, msgmni */
	uint64_t message_bytes_max, queue_bytes_max, queues_max;
	uint64_t queues, messages, message_bytes;
};

/* dure_sysv_limits - of the IPC namespace, and how much of them is used.
   Returns 0; -EINVAL -EOPNOTSUPP */
DURE_API int dure_sysv_limits(struct dure_sysv_limits *ret);

/* -- shared memory ------------------------------------------------------------------------- */

enum {
	DURE_SYSV_SHM_HUGE = 1u << 0,		/* on huge pages */
	DURE_SYSV_SHM_NO_RESERVE = 1u << 1,	/* swap space is not reserved */
};

struct dure_sysv_shm_options {
	size_t sz;
	uint32_t mode;			/* exactly; default 0600 */
	uint32_t flags;			/* DURE_SYSV_SHM_... */
	uint64_t huge_page_bytes;	/* a power of two; default: the system's */
};

/*
 * dure_sysv_shm_get - make a segment, or find it by its key
 *
 * flags: DURE_CREATE and DURE_OPEN as in dure_segment_open; with both, exactly one caller
 * creates. size_bytes 0 is allowed when it is only opened. The memory is zeroed.
 *
 * Returns  0 or DURE_CREATED, and the id; -ENOENT -EEXIST (the sentence says whose) -EACCES
 *          -EINVAL (0, beyond kernel.shmmax, or more than the existing one has: perhaps the
 *          keys of two programs collide) -ENOSPC (kernel.shmmni or kernel.shmall) -ENOMEM
 *          -EPERM (huge pages) -EBUSY (others make and remove it all the time) -EOPNOTSUPP
 */
DURE_API int dure_sysv_shm_get(int32_t key, uint64_t size_bytes, uint32_t flags,
			       const struct dure_sysv_shm_options *options, int32_t *ret_id);

enum {
	DURE_SYSV_ATTACH_READ_ONLY = 1u << 0,
	DURE_SYSV_ATTACH_ROUND = 1u << 1,	/* the address down to a unit (SHMLBA) */
	DURE_SYSV_ATTACH_REPLACE = 1u << 2,	/* what is mapped there */
	DURE_SYSV_ATTACH_EXECUTE = 1u << 3,
	DURE_SYSV_ATTACH_THEN_REMOVE = 1u << 4,	/* process lifetime */
};

/*
 * dure_sysv_shm_attach - map a segment into the process
 *
 * address NULL lets the kernel choose. Without DURE_SYSV_ATTACH_REPLACE nothing that is mapped
 * is replaced. DURE_SYSV_ATTACH_THEN_REMOVE marks the segment for removal once it is attached:
 * it stays reachable by id while anybody has it, and the kernel frees it with the last
 * attachment, however that ends.
 *
 * Returns  0; -ENOENT -EACCES -EINVAL (address) -ENOMEM -EMFILE -EPERM (THEN_REMOVE: not the
 *          owner)
 * Death    with THEN_REMOVE, between attaching and marking: the segment stays, as without it.
 */
DURE_API int dure_sysv_shm_attach(int32_t id, void *address, uint32_t flags, void **ret_address);

/* dure_sysv_shm_detach - address is what dure_sysv_shm_attach gave. Returns 0; -EINVAL */
DURE_API int dure_sysv_shm_detach(void *address);

/*
 * dure_sysv_shm_lock - keep a segment's pages in memory, or no longer; for all who attach it
 *
 * Pages are kept from the moment they are first touched.
 *
 * Returns  0; -ENOENT -ENOMEM (RLIMIT_MEMLOCK: the sentence says how much) -EPERM
 */
DURE_API int dure_sysv_shm_lock(int32_t id, uint32_t lock);

struct dure_sysv_shm_info {
	size_t sz;
	uint64_t size_bytes;
	uint64_t attached;		/* attachments now, of all processes */
	uint64_t attached_s, detached_s;/* last; wall clock, 0: never */
	uint32_t creator, last_process;	/* pids; 0: not visible from this PID namespace */
	uint32_t is_doomed;		/* marked for removal: goes with the last attachment */
	uint32_t is_locked;
};

/* dure_sysv_shm_info - Returns 0; -ENOENT -EACCES -EINVAL */
DURE_API int dure_sysv_shm_info(int32_t id, struct dure_sysv_shm_info *info);

/* -- semaphores ---------------------------------------------------------------------------- */

typedef struct dure_sysv_sem dure_sysv_sem;

enum {
	DURE_SYSV_SEM_EXACT = 1u << 0,	/* the set has count semaphores and no more */
};

struct dure_sysv_sem_options {
	size_t sz;
	uint32_t mode;			/* exactly; default 0600 */
	uint32_t flags;			/* DURE_SYSV_SEM_EXACT */
	const uint16_t *values;		/* of a new set: count of them; default zeros. Borrowed */
	int32_t id;			/* open by id when key is DURE_SYSV_PRIVATE */
	uint32_t reserved;
};

/*
 * dure_sysv_sem_open - make a set of semaphores together with their values, or find it
 *
 * semget(2) makes a set, and only a second call gives it values: who opens it between sees
 * zeros, and if the maker dies there, sees them for ever. So a set that is made by key has one
 * semaphore more, the last: 0 while the set is half made, 1 ever after. One semop turns it and
 * gives all values, so that exactly one process does it. An opener that gives the same options
 * with DURE_CREATE completes what a dead maker left; one that cannot, waits. A set that somebody
 * has used already, or whose values are not zeros, is never taken for half made.
 *
 * DURE_SYSV_SEM_EXACT is for sets shared with programs that expect count semaphores and no more
 * (GETALL). Then the old convention holds: a set is complete once it was operated on (its
 * sem_otime); openers look at it until the timeout, and nobody can complete what a dead maker left.
 *
 * Opening a set that has exactly count semaphores, without EXACT, takes it as it is, and so does
 * count 0. Private sets (key DURE_SYSV_PRIVATE) are always exact; they are found by options.id.
 *
 * Returns  0 or DURE_CREATED; -ENOENT -EEXIST -EACCES -EINVAL (count, values, or the existing set
 *          has another count) -ENOSPC (kernel.sem, fourth or second number) -ENOMEM -EPERM -EAGAIN
 *          -ETIMEDOUT (half made) -ESTALE (removed meanwhile) -EBUSY -EOPNOTSUPP
 * Death    of the maker between its two calls: see above.
 */
DURE_API int dure_sysv_sem_open(int32_t key, uint32_t count, uint32_t flags,
				const struct dure_sysv_sem_options *options, int64_t timeout_ns,
				dure_sysv_sem **ret);

/* dure_sysv_sem_close - the handle only; the set stays. NULL is allowed */
DURE_API void dure_sysv_sem_close(dure_sysv_sem *sem);

/* dure_sysv_sem_id - for ipcs(1), dure_sysv_set and dure_sysv_remove. Returns the id; -EINVAL */
DURE_API int dure_sysv_sem_id(const dure_sysv_sem *sem);

enum {
	DURE_SYSV_SEM_UNDO = 1u << 0,	/* the kernel takes it back when the process ends */
};

struct dure_sysv_sem_operation {
	uint32_t index;
	int32_t change;			/* above 0 adds, below waits and takes, 0 waits for zero */
	uint32_t flags;			/* DURE_SYSV_SEM_UNDO */
};

/*
 * dure_sysv_sem_operate - several operations in one step: all of them, or none
 *
 * Waits at most timeout_ns until all can be done.
 *
 * Returns  0; -EAGAIN (timeout 0) -ETIMEDOUT -ESTALE (removed) -EACCES -EINVAL
 *          (index, change, no operation, or more than kernel.sem's third number) -EMSGSIZE (a value
 *          or its undo would exceed 32767) -ENOSPC (no room for undo) -ENOMEM
 * Death    while waiting: no trace. What was done with UNDO, the kernel takes back.
 */
DURE_API int dure_sysv_sem_operate(dure_sysv_sem *sem,
				   const struct dure_sysv_sem_operation *operations, size_t count,
				   int64_t timeout_ns);

/*
 * dure_sysv_sem_get - all values, as they are at one moment
 * dure_sysv_sem_set - all values in one step
 *
 * count is that of the set. Setting clears all undo values of the set, of all processes.
 *
 * Returns  0; -EINVAL (count) -EMSGSIZE (a value above 32767) -ESTALE (removed) -EACCES -ENOMEM
 */
DURE_API int dure_sysv_sem_get(dure_sysv_sem *sem, uint16_t *ret_values, size_t count);
DURE_API int dure_sysv_sem_set(dure_sysv_sem *sem, const uint16_t *values, size_t count);

/* dure_sysv_sem_set_one - one value; clears its undo values. Returns as dure_sysv_sem_set:
   0; -EINVAL -EMSGSIZE -ESTALE -EACCES */
DURE_API int dure_sysv_sem_set_one(dure_sysv_sem *sem, uint32_t index, uint16_t value);

struct dure_sysv_sem_info {
	size_t sz;
	uint32_t count;			/* of the set, without the one that says it is complete */
	uint32_t has_mark;		/* it has that one */
	uint64_t operated_s;		/* last operation on the set; wall clock, 0: never */
	/* of the semaphore asked for */
	uint32_t value;
	uint32_t last_process;		/* pid of who changed it last; 0: none, or not visible */
	uint32_t waiting_for_more, waiting_for_zero;
};

/* dure_sysv_sem_info - of the set and of one of its semaphores, at nearly one moment.
   Returns 0; -EINVAL -ESTALE -EACCES */
DURE_API int dure_sysv_sem_info(dure_sysv_sem *sem, uint32_t index,
				struct dure_sysv_sem_info *info);

/* -- message queues ------------------------------------------------------------------------ */

struct dure_sysv_msg_options {
	size_t sz;
	uint32_t mode;			/* exactly; default 0600 */
	uint32_t reserved;
	uint64_t bytes_max;		/* of a new queue; default kernel.msgmnb (root: more) */
};

/*
 * dure_sysv_msg_get - make a queue, or find it by its key
 *
 * Returns  0 or DURE_CREATED, and the id; -ENOENT -EEXIST -EACCES -EINVAL -ENOSPC
 *          (kernel.msgmni) -ENOMEM -EPERM (bytes_max) -EBUSY -EOPNOTSUPP
 * Death    between making it and setting bytes_max: the queue stays, with the default.
 */
DURE_API int dure_sysv_msg_get(int32_t key, uint32_t flags,
			       const struct dure_sysv_msg_options *options, int32_t *ret_id);

/*
 * dure_sysv_msg_send - add a message of a type, 1 to LONG_MAX
 *
 * With DURE_FOREVER it sleeps in the kernel. System V has no timed call, and no descriptor: with a
 * bounded timeout it looks again and again, the longer it waits the less often, every 4 ms in
 * the end. Senders that sleep in the kernel come first.
 *
 * Returns  0; -EAGAIN (full, timeout 0) -ETIMEDOUT -ESTALE (removed meanwhile) -ENOENT -EACCES
 *          -EINVAL (type) -EMSGSIZE (longer than kernel.msgmax, or than the queue) -ENOMEM
 * Death    sent whole or not at all.
 */
DURE_API int dure_sysv_msg_send(int32_t id, int64_t type, const void *data, size_t bytes,
				int64_t timeout_ns);

enum {
	DURE_SYSV_MSG_EXCEPT = 1u << 0,		/* the first of any other type */
	DURE_SYSV_MSG_TRUNCATE = 1u << 1,	/* cut what does not fit, instead of -EMSGSIZE */
};

/*
 * dure_sysv_msg_receive - take a message
 *
 * type 0: the oldest; above 0: the oldest of that type, or with DURE_SYSV_MSG_EXCEPT of all
 * other types; below 0: of the lowest type that is at most -type. A message that does not fit
 * stays in the queue. As to timeouts, see dure_sysv_msg_send.
 *
 * Returns  its length, and its type (ret_type may be NULL); -EAGAIN (none, timeout 0) -ETIMEDOUT
 *          -ESTALE (removed meanwhile) -EMSGSIZE -ENOENT -EACCES -EINVAL -ENOMEM
 * Death    a message taken by a process that then dies is lost with it.
 */
DURE_API int dure_sysv_msg_receive(int32_t id, int64_t type, uint32_t flags, void *buffer,
				   size_t bytes, int64_t timeout_ns, int64_t *ret_type);

/*
 * dure_sysv_msg_peek - copy the message at a position, 0 the oldest, and leave it there
 *
 * Returns  its length, and its type; -EAGAIN (none at that position) -EMSGSIZE -ENOENT -EACCES
 *          -EINVAL -ENOMEM -EOPNOTSUPP (a kernel without CONFIG_CHECKPOINT_RESTORE)
 */
DURE_API int dure_sysv_msg_peek(int32_t id, uint32_t position, void *buffer, size_t bytes,
				int64_t *ret_type);

struct dure_sysv_msg_info {
	size_t sz;
	uint64_t messages, bytes;	/* in the queue now */
	uint64_t bytes_max;
	uint64_t sent_s, received_s;	/* last; wall clock, 0: never */
	uint32_t last_sender, last_receiver;	/* pids; 0: none, or not visible */
};

/* dure_sysv_msg_info - Returns 0; -ENOENT -EACCES -EINVAL */
DURE_API int dure_sysv_msg_info(int32_t id, struct dure_sysv_msg_info *info);

DURE_END

#endif
