/* SPDX-License-Identifier: MIT */
/*
 * sysv.h - the System V calls, one wrapper each
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here. Deadlines are absolute,
 * CLOCK_MONOTONIC (os/futex.h); EINTR is dealt with here.
 */
#ifndef DUREI_OS_SYSV_H
#define DUREI_OS_SYSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum durei_ipc_kind { DUREI_IPC_SHM, DUREI_IPC_SEM, DUREI_IPC_MSG };

/* What the kernel keeps of an object. Times are of the wall clock, in seconds; 0: never. */
struct durei_ipc_facts {
	int32_t id;
	int32_t key;			/* 0: none */
	uint32_t mode;
	uint32_t owner, group;
	uint32_t creator_user, creator_group;
	uint64_t changed_s;

	uint64_t size_bytes;		/* shm: its size; msg: of the messages in it */
	uint64_t attached;		/* shm */
	uint64_t attached_s, detached_s;
	uint32_t creator, last_process;	/* shm: pids as the kernel shows them to us */
	bool is_doomed, is_locked;	/* shm */

	uint64_t count;			/* sem: semaphores; msg: messages */
	uint64_t operated_s;		/* sem: the last semop */

	uint64_t bytes_max;		/* msg */
	uint64_t sent_s, received_s;
	uint32_t last_sender, last_receiver;
};

/* what durei_ipc_set changes */
struct durei_ipc_change {
	const uint32_t *mode, *owner, *group;	/* NULL: stays as it is */
	const uint64_t *bytes_max;		/* msg */
};

int durei_ipc_stat(enum durei_ipc_kind kind, int32_t id, struct durei_ipc_facts *ret);
int durei_ipc_set(enum durei_ipc_kind kind, int32_t id, const struct durei_ipc_change *change);
int durei_ipc_remove(enum durei_ipc_kind kind, int32_t id);
/* for each object of the IPC namespace, until visit returns non-zero; since Linux 4.17
   also for those that the caller may not read */
int durei_ipc_visit(enum durei_ipc_kind kind,
		    int (*visit)(const struct durei_ipc_facts *facts, void *context),
		    void *context);

/* what is there in the namespace, and what it may hold */
struct durei_ipc_limits {
	uint64_t segment_bytes_max, all_bytes_max, segments_max;
	uint64_t segments, bytes, resident_bytes, swapped_bytes;
	uint64_t set_semaphores_max, all_semaphores_max, operations_max, sets_max, value_max;
	uint64_t sets, semaphores;
	uint64_t message_bytes_max, queue_bytes_max, queues_max;
	uint64_t queues, messages, message_bytes;
};

int durei_ipc_limits(struct durei_ipc_limits *ret);

/* how an object is got */
enum {
	DUREI_IPC_CREATE = 1u << 0,	/* -EEXIST when there is one */
	DUREI_SHM_NO_RESERVE = 1u << 1,
	DUREI_SHM_HUGE = 1u << 2,	/* log2 of the page size in bits 26 to 31, 0: default */
	DUREI_SHM_HUGE_SHIFT = 26,
};

int durei_shm_get(int32_t key, uint64_t bytes, uint32_t flags, uint32_t mode);
int durei_sem_get(int32_t key, uint32_t count, uint32_t flags, uint32_t mode);
int durei_msg_get(int32_t key, uint32_t flags, uint32_t mode);

enum {
	DUREI_SHM_READ_ONLY = 1u << 0,
	DUREI_SHM_ROUND = 1u << 1,	/* the address down to a multiple of durei_shm_unit */
	DUREI_SHM_REPLACE = 1u << 2,	/* whatever is mapped there */
	DUREI_SHM_EXECUTE = 1u << 3,
};

int durei_shm_attach(int32_t id, void *address, uint32_t flags, void **ret_address);
int durei_shm_detach(void *address);
int durei_shm_lock(int32_t id, bool lock);
size_t durei_shm_unit(void);

struct durei_sem_op {
	uint16_t index;
	int16_t change;
	bool undo;
};

enum { DUREI_SEM_OPS_MAX = 500 };	/* Linux's default limit; more is -E2BIG */

/* all operations or none; 0: done. deadline 0 only tries: -EAGAIN */
int durei_sem_operate(int32_t id, const struct durei_sem_op *ops, size_t count,
		      int64_t deadline_ns);
int durei_sem_value(int32_t id, uint32_t index);
int durei_sem_set_value(int32_t id, uint32_t index, uint32_t value);
/* values has room for all of the set */
int durei_sem_values(int32_t id, uint16_t *values);
int durei_sem_set_values(int32_t id, const uint16_t *values);
/* who did the last operation; how many wait for more, for zero */
int durei_sem_last_process(int32_t id, uint32_t index);
int durei_sem_waiters(int32_t id, uint32_t index, bool for_zero);

/* a message as the kernel takes it: its type, then its bytes */
struct durei_message {
	long type;
	char bytes[];
};

enum {
	DUREI_MSG_WAIT = 1u << 0,	/* without it: -EAGAIN, -ENOMSG */
	DUREI_MSG_EXCEPT = 1u << 1,
	DUREI_MSG_TRUNCATE = 1u << 2,
	DUREI_MSG_COPY = 1u << 3,	/* type is a position, the message stays */
};

int durei_msg_send(int32_t id, const struct durei_message *message, size_t bytes, uint32_t flags);
/* returns its length; -E2BIG: longer than bytes, and left in the queue */
int durei_msg_receive(int32_t id, struct durei_message *message, size_t bytes, long type,
		      uint32_t flags);

#endif
