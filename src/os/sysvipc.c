/* SPDX-License-Identifier: MIT */
/*
 * sysvipc.c - System V semaphores and message queues, asked and never changed
 *
 * Why      /proc/sysvipc lists them, and does not say who used a semaphore last or how many
 *          sleep on it.
 * Death    nothing is changed.
 */
#include <errno.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "os/fault.h"
#include "os/proc.h"

/* semctl's last argument, which callers declare */
union sem_argument {
	int value;
	struct semid_ds *set;
	unsigned short *values;
};

int durei_sem_stat(int id, struct durei_sem_set *ret)
{
	int fault = durei_fault("semctl");
	struct semid_ds set;

	if (fault)
		return -fault;
	if (semctl(id, 0, IPC_STAT, (union sem_argument){ .set = &set }) < 0)
		return -errno;
	*ret = (struct durei_sem_set){
		.count = (uint32_t)set.sem_nsems,
		.owner = (uint32_t)set.sem_perm.uid,
		.creator_user = (uint32_t)set.sem_perm.cuid,
		.changed_s = (uint64_t)set.sem_ctime,
		.used_s = (uint64_t)set.sem_otime,
	};
	return 0;
}

int durei_sem_read(int id, uint32_t index, struct durei_semaphore *ret)
{
	int fault = durei_fault("semctl");
	union sem_argument none = { .value = 0 };
	int last = semctl(id, (int)index, GETPID, none), value, waiting, zero;

	if (fault)
		return -fault;
	value = last < 0 ? -1 : semctl(id, (int)index, GETVAL, none);
	waiting = value < 0 ? -1 : semctl(id, (int)index, GETNCNT, none);
	zero = waiting < 0 ? -1 : semctl(id, (int)index, GETZCNT, none);
	if (zero < 0)
		return -errno;
	*ret = (struct durei_semaphore){ (uint32_t)last, (uint32_t)value, (uint32_t)waiting,
					 (uint32_t)zero };
	return 0;
}

int durei_msg_stat(int id, struct durei_msg_queue *ret)
{
	int fault = durei_fault("msgctl");
	struct msqid_ds queue;

	if (fault)
		return -fault;
	if (msgctl(id, IPC_STAT, &queue) < 0)
		return -errno;
	*ret = (struct durei_msg_queue){
		.owner = (uint32_t)queue.msg_perm.uid,
		.creator_user = (uint32_t)queue.msg_perm.cuid,
		.count = (uint32_t)queue.msg_qnum,
		.changed_s = (uint64_t)queue.msg_ctime,
		.sent_s = (uint64_t)queue.msg_stime,
		.received_s = (uint64_t)queue.msg_rtime,
		.last_sender = (uint32_t)queue.msg_lspid,
		.last_receiver = (uint32_t)queue.msg_lrpid,
	};
	return 0;
}
