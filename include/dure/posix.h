/* SPDX-License-Identifier: MIT */
/*
 * dure/posix.h - the kernel's own POSIX objects, as they are, without their traps
 *
 * For programs that have to talk to others by shm_open(3), sem_open(3) and mq_open(3), under
 * the same names. The semantics are those of POSIX.1-2017 and of Linux; each comment says what is
 * added. Names begin with a slash and have no other one.
 *
 * Shared memory and message queues are descriptors: close(2) closes them, they are close-on-exec,
 * and a queue can be polled, for reading and for writing. The kernel gives no descriptor for a
 * semaphore: it cannot be polled, timeouts are what there is.
 *
 * Common to all functions here: Threads: any. Signals: not from a handler, but for
 * dure_posix_sem_post; waits are not ended and not stretched by signals. Fork: the child has the
 * same descriptors, and may use handles of semaphores in shared memory. Death: objects stay until
 * they are removed; what is made appears complete or not at all, under its name.
 */
#ifndef DURE_POSIX_H
#define DURE_POSIX_H

#include <dure/segment.h>

DURE_BEGIN

/* -- names and what the three kinds have in common ----------------------------------------- */

enum dure_posix_kind {
	DURE_POSIX_SHM = 1,
	DURE_POSIX_SEM = 2,
	DURE_POSIX_QUEUE = 3,
};

/* flags of the options of all three kinds, and of dure_posix_name_check */
enum {
	/* the name shall do everywhere: at most 30 bytes of letters, digits, ".", "_", "-"; of
	   memory not one that begins with "sem.", which is a semaphore's on Linux */
	DURE_POSIX_PORTABLE = 1u << 0,
};

/*
 * dure_posix_name_check - is it a name that an object of this kind can have
 *
 * Every call with a name asks this first.
 *
 * Returns  0; -EINVAL (the sentence says what is wrong with it)
 */
DURE_API int dure_posix_name_check(uint32_t kind, const char *name, uint32_t flags);

/*
 * dure_posix_remove - take a name away
 *
 * Who has the object open keeps it.
 *
 * Returns  0; -ENOENT -EACCES -EINVAL -EIO -EOPNOTSUPP
 */
DURE_API int dure_posix_remove(uint32_t kind, const char *name);

struct dure_posix_limits {
	size_t sz;
	/* the file system behind shared memory and semaphores: /dev/shm */
	uint64_t shm_bytes, shm_free_bytes;
	uint64_t sem_value_max;
	/* queues: fs.mqueue.queues_max, msg_max, msgsize_max, msg_default, msgsize_default */
	uint64_t queues_max, messages_max, message_bytes_max;
	uint64_t messages_default, message_bytes_default;
	/* RLIMIT_MSGQUEUE: of all queues of the user together; UINT64_MAX: none */
	uint64_t queue_bytes_max;
};

/* dure_posix_limits - of this process. Returns 0; -EINVAL -EOPNOTSUPP (no /dev/shm, or a kernel
   without queues) */
DURE_API int dure_posix_limits(struct dure_posix_limits *ret);

/* -- shared memory ------------------------------------------------------------------------- */

enum {
	DURE_POSIX_SHM_SPARSE = 1u << 8,	/* no storage is reserved: see below */
};

struct dure_posix_shm_options {
	size_t sz;
	uint32_t mode;			/* exactly, whatever the umask; default 0600 */
	uint32_t flags;			/* DURE_POSIX_PORTABLE, DURE_POSIX_SHM_SPARSE */
	uint64_t size_bytes;		/* of a new object; an existing one must have as many */
};

/*
 * dure_posix_shm_open - make shared memory of a name, or open it
 *
 * flags: DURE_CREATE and DURE_OPEN as in dure_segment_open; with both, exactly one caller
 * creates. DURE_READ_ONLY. A new object gets its name when it has its size, its mode and its
 * storage, in one step. DURE_POSIX_SHM_SPARSE leaves the storage out: then a write to it gets
 * SIGBUS when /dev/shm is full. Map it with dure_mapping_open.
 *
 * Returns  0 or DURE_CREATED, and the descriptor; -ENOENT -EEXIST -EACCES -EINVAL (name, flags, or
 *          the existing one is smaller) -ENOSPC (/dev/shm: the sentence has its size) -EMFILE
 *          -ENOMEM -EBUSY (others make and remove it all the time) -EIO -EOPNOTSUPP (/dev/shm cannot make
 *          files without a name)
 * Death    at any point: the name appears complete or not at all.
 */
DURE_API int dure_posix_shm_open(const char *name, uint32_t flags,
				 const struct dure_posix_shm_options *options, int *ret_fd);

/*
 * dure_posix_shm_resize - change the size of shared memory
 *
 * What is added is zeros, and reserved. What is cut off takes pages from those who have them
 * mapped: see dure_mapping_read.
 *
 * Returns  0; -ENOSPC -EINVAL (no such descriptor, or open for reading only) -EIO
 *          -EOPNOTSUPP
 * Death    the old size or the new one.
 */
DURE_API int dure_posix_shm_resize(int fd, uint64_t size_bytes);

/* -- semaphores ---------------------------------------------------------------------------- */

typedef struct dure_posix_sem dure_posix_sem;

enum { DURE_POSIX_SEM_BYTES = 32 };	/* an unnamed one needs these, aligned to 8 */

struct dure_posix_sem_options {
	size_t sz;
	uint32_t mode;			/* exactly, whatever the umask; default 0600 */
	uint32_t flags;			/* DURE_POSIX_PORTABLE */
	uint32_t value;			/* of a new one */
	uint32_t reserved;
};

/*
 * dure_posix_sem_open - make a semaphore of a name, or open it
 *
 * It is one of the libc's, which programs with the same libc find by sem_open. flags as in
 * dure_posix_shm_open, without DURE_READ_ONLY. A file that is no semaphore of this libc and word size
 * is refused.
 *
 * Returns  0 or DURE_CREATED; -ENOENT -EEXIST -EACCES -EINVAL -ENOSPC -EMFILE -ENOMEM -EBUSY -EIO
 *          -EOPNOTSUPP
 * Death    at any point: the name appears complete or not at all.
 */
DURE_API int dure_posix_sem_open(const char *name, uint32_t flags,
				 const struct dure_posix_sem_options *options,
				 dure_posix_sem **ret);

/*
 * dure_posix_sem_create_at - make an unnamed one in DURE_POSIX_SEM_BYTES of shared memory
 * dure_posix_sem_open_at - use one that another process has made there
 *
 * The memory is borrowed until the handle is closed.
 *
 * Returns  0; -EINVAL (alignment, value) -ENOMEM
 */
DURE_API int dure_posix_sem_create_at(void *memory, uint32_t value, dure_posix_sem **ret);
DURE_API int dure_posix_sem_open_at(void *memory, dure_posix_sem **ret);

/* dure_posix_sem_close - the handle only; the semaphore stays. NULL is allowed */
DURE_API void dure_posix_sem_close(dure_posix_sem *sem);

/*
 * dure_posix_sem_wait - take one, waiting at most timeout_ns (monotonic)
 *
 * Returns  0; -EAGAIN (timeout 0) -ETIMEDOUT -EINVAL
 * Death    while waiting: no trace. What a dead process took does not come back: POSIX
 *          semaphores know no holder.
 */
DURE_API int dure_posix_sem_wait(dure_posix_sem *sem, int64_t timeout_ns);

/*
 * dure_posix_sem_post - give one, and wake a waiter
 *
 * Returns  0; -EMSGSIZE (the value would exceed what the libc allows) -EINVAL
 * Signals  allowed in a handler.
 */
DURE_API int dure_posix_sem_post(dure_posix_sem *sem);

/* dure_posix_sem_value - how many can be taken now. Returns the value; -EINVAL */
DURE_API int dure_posix_sem_value(dure_posix_sem *sem);

/* -- message queues ------------------------------------------------------------------------ */

/* the access of a queue's descriptor, in options.flags; default both */
enum {
	DURE_POSIX_QUEUE_SEND = 1u << 8,
	DURE_POSIX_QUEUE_RECEIVE = 1u << 9,
};

struct dure_posix_queue_options {
	size_t sz;
	uint32_t mode;			/* exactly, whatever the umask; default 0600 */
	uint32_t flags;			/* DURE_POSIX_PORTABLE, DURE_POSIX_QUEUE_... */
	uint64_t messages_max;		/* of a new queue; default fs.mqueue.msg_default */
	uint64_t message_bytes;		/* of a new queue; default fs.mqueue.msgsize_default */
};

/*
 * dure_posix_queue_open - make a queue of a name, or open it
 *
 * flags: DURE_CREATE, DURE_OPEN, or both: then exactly one caller creates. The descriptor can be
 * polled: it is readable while there are messages, writable while there is room.
 *
 * Returns  0 or DURE_CREATED, and the descriptor; -ENOENT -EEXIST -EACCES -EINVAL (name, or beyond
 *          fs.mqueue.msg_max or msgsize_max) -EMFILE (descriptors, or RLIMIT_MSGQUEUE: the sentence
 *          says which, and how many bytes the queue needs) -ENOSPC (fs.mqueue.queues_max) -ENOMEM
 *          -EBUSY (others make and remove it all the time) -EIO -EOPNOTSUPP
 * Death    between making it and setting its mode: the queue stays, with the mode less the umask.
 */
DURE_API int dure_posix_queue_open(const char *name, uint32_t flags,
				   const struct dure_posix_queue_options *options, int *ret_fd);

/*
 * dure_posix_queue_send - add a message of a priority, 0 to 32767, the higher the sooner
 *
 * Returns  0; -EAGAIN (full, timeout 0) -ETIMEDOUT -EMSGSIZE (longer than message_bytes) -EINVAL
 *          (priority; no queue open for sending) -ENOMEM
 * Death    sent whole or not at all.
 */
DURE_API int dure_posix_queue_send(int fd, const void *data, size_t bytes, uint32_t priority,
				   int64_t timeout_ns);

/*
 * dure_posix_queue_receive - take the oldest message of the highest priority
 *
 * bytes must be at least the queue's message_bytes, whatever the message is.
 *
 * Returns  its length, and its priority (ret_priority may be NULL); -EAGAIN (none, timeout 0)
 *          -ETIMEDOUT -EMSGSIZE (the buffer) -EINVAL (no queue open for receiving)
 * Death    a message taken by a process that then dies is lost with it.
 */
DURE_API int dure_posix_queue_receive(int fd, void *buffer, size_t bytes, int64_t timeout_ns,
				      uint32_t *ret_priority);

struct dure_posix_queue_info {
	size_t sz;
	uint64_t messages;		/* in it now */
	uint64_t messages_max;
	uint64_t message_bytes;
	uint32_t mode, owner, group;
	uint32_t reserved;
};

/* dure_posix_queue_info - Returns 0; -EINVAL -EIO */
DURE_API int dure_posix_queue_info(int fd, struct dure_posix_queue_info *info);

/*
 * dure_posix_queue_notify - send this process a signal, once, when a message comes into the empty
 * queue and nobody waits for it
 *
 * value arrives as si_value. signal 0 ends it. One process at a time can have it; it ends with the
 * signal, with the process, and when the descriptor is closed. In a poll loop none is needed: the
 * descriptor can be polled.
 *
 * Returns  0; -EBUSY (another process has it) -EINVAL -ENOMEM
 */
DURE_API int dure_posix_queue_notify(int fd, int32_t signal, uint64_t value);

struct dure_posix_notice {
	void (*call)(void *context);
	void *context;
};

/*
 * dure_posix_queue_notify_thread - make a call in a thread of its own, once, when a message comes
 * into the empty queue and nobody waits for it
 *
 * As dure_posix_queue_notify, which with signal 0 ends it; a thread that is on its way by then still
 * comes. notice is borrowed until it has been called. The thread is the libc's (mq_notify(3),
 * SIGEV_THREAD); glibc keeps one more and a socket from the first time on. The library itself
 * starts none, here or anywhere.
 *
 * Returns  0; -EBUSY (another process has it) -EINVAL -ENOMEM -EMFILE
 * Fork     the child is not notified. With glibc, one that asks for a notice of its own before it
 *          execs takes some of its parent's: they share glibc's socket.
 */
DURE_API int dure_posix_queue_notify_thread(int fd, const struct dure_posix_notice *notice);

DURE_END

#endif
