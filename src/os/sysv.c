/* SPDX-License-Identifier: MIT */
/*
 * sysv.c - the System V calls, one wrapper each
 *
 * Why      Their arguments are full of traps: a union the caller has to declare, flags of
 *          several calls in one word, -1 as an address, times that begin anew with each signal.
 * Rules    [OSV1] a wait is not stretched by signals: it ends at its deadline
 *          [OSV2] cancellation is held off where a call sleeps: nobody leaves from inside
 * Death    Objects outlive their makers. Attachments end with the process, and so do
 *          adjustments (undo), which the kernel carries out then.
 */
#include "os/sysv.h"

#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

#include "os/fault.h"
#include "os/futex.h"
#include "os/map.h"
#include "os/self.h"

/* from the kernel's headers: newer than some libc, or not in musl's */
enum {
	SHM_HUGETLB_ = 04000,
	SHM_NORESERVE_ = 010000,
	SHM_DEST_ = 01000,
	SHM_LOCKED_ = 02000,
	SHM_LOCK_ = 11,
	SHM_UNLOCK_ = 12,
	SHM_STAT_ANY_ = 15,
	SEM_STAT_ANY_ = 20,
	MSG_STAT_ANY_ = 13,
	MSG_EXCEPT_ = 020000,
	MSG_COPY_ = 040000,
	NS_PER_S = 1000000000,
	SLEEP_S_MAX = 1000000000,	/* fits a 32-bit time_t; then we look at the clock again */
};

union semaphore_argument {
	int value;
	struct semid_ds *set;
	unsigned short *values;
	struct seminfo *info;
};

static int result(int r)
{
	return r < 0 ? -errno : r;
}

/* -- facts -------------------------------------------------------------------------------- */

static void facts_of_permissions(const struct ipc_perm *perm, struct durei_ipc_facts *ret)
{
	ret->key = (int32_t)perm->__key;
	ret->mode = (uint32_t)perm->mode & 0777;
	ret->owner = (uint32_t)perm->uid;
	ret->group = (uint32_t)perm->gid;
	ret->creator_user = (uint32_t)perm->cuid;
	ret->creator_group = (uint32_t)perm->cgid;
}

/* The three calls return an id for the STAT_ANY commands, which valgrind does not know to fill
   anything, and 0 for IPC_STAT. */
static int shm_facts(int id, int command, struct durei_ipc_facts *ret)
{
	struct shmid_ds ds = { 0 };
	int r = shmctl(id, command, &ds);

	if (r < 0)
		return -errno;
	facts_of_permissions(&ds.shm_perm, ret);
	ret->changed_s = (uint64_t)ds.shm_ctime;
	ret->size_bytes = ds.shm_segsz;
	ret->attached = ds.shm_nattch;
	ret->attached_s = (uint64_t)ds.shm_atime;
	ret->detached_s = (uint64_t)ds.shm_dtime;
	ret->creator = (uint32_t)ds.shm_cpid;
	ret->last_process = (uint32_t)ds.shm_lpid;
	ret->is_doomed = (ds.shm_perm.mode & SHM_DEST_) != 0;
	ret->is_locked = (ds.shm_perm.mode & SHM_LOCKED_) != 0;
	return r;
}

static int sem_facts(int id, int command, struct durei_ipc_facts *ret)
{
	struct semid_ds ds = { 0 };
	int r = semctl(id, 0, command, (union semaphore_argument){ .set = &ds });

	if (r < 0)
		return -errno;
	facts_of_permissions(&ds.sem_perm, ret);
	ret->changed_s = (uint64_t)ds.sem_ctime;
	ret->operated_s = (uint64_t)ds.sem_otime;
	ret->count = ds.sem_nsems;
	return r;
}

static int msg_facts(int id, int command, struct durei_ipc_facts *ret)
{
	struct msqid_ds ds = { 0 };
	int r = msgctl(id, command, &ds);

	if (r < 0)
		return -errno;
	facts_of_permissions(&ds.msg_perm, ret);
	ret->changed_s = (uint64_t)ds.msg_ctime;
	ret->sent_s = (uint64_t)ds.msg_stime;
	ret->received_s = (uint64_t)ds.msg_rtime;
	ret->size_bytes = (uint64_t)ds.__msg_cbytes;
	ret->bytes_max = (uint64_t)ds.msg_qbytes;
	ret->count = (uint64_t)ds.msg_qnum;
	ret->last_sender = (uint32_t)ds.msg_lspid;
	ret->last_receiver = (uint32_t)ds.msg_lrpid;
	return r;
}

/* of shmctl, semctl and msgctl: by id; by place in the kernel's table; the same, if readable */
static const int stat_commands[3][3] = {
	[DUREI_IPC_SHM] = { IPC_STAT, SHM_STAT_ANY_, SHM_STAT },
	[DUREI_IPC_SEM] = { IPC_STAT, SEM_STAT_ANY_, SEM_STAT },
	[DUREI_IPC_MSG] = { IPC_STAT, MSG_STAT_ANY_, MSG_STAT },
};

enum { BY_ID, BY_PLACE, BY_PLACE_READABLE };

static int facts(enum durei_ipc_kind kind, int id, int how, struct durei_ipc_facts *ret)
{
	*ret = (struct durei_ipc_facts){ .id = id };
	switch (kind) {
	case DUREI_IPC_SHM:
		return shm_facts(id, stat_commands[kind][how], ret);
	case DUREI_IPC_SEM:
		return sem_facts(id, stat_commands[kind][how], ret);
	case DUREI_IPC_MSG:
		return msg_facts(id, stat_commands[kind][how], ret);
	}
	return -EINVAL;
}

int durei_ipc_stat(enum durei_ipc_kind kind, int32_t id, struct durei_ipc_facts *ret)
{
	int fault = durei_fault("ipc_stat");
	int r = fault ? -fault : facts(kind, id, BY_ID, ret);

	return r < 0 ? r : 0;
}

static int last_place(enum durei_ipc_kind kind)
{
	struct shm_info shm;
	struct seminfo sem;
	struct msginfo msg;

	switch (kind) {
	case DUREI_IPC_SHM:
		return result(shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&shm));
	case DUREI_IPC_SEM:
		return result(semctl(0, 0, SEM_INFO, (union semaphore_argument){ .info = &sem }));
	case DUREI_IPC_MSG:
		return result(msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg));
	}
	return -EINVAL;
}

int durei_ipc_visit(enum durei_ipc_kind kind,
		    int (*visit)(const struct durei_ipc_facts *facts, void *context),
		    void *context)
{
	int fault = durei_fault("ipc_info");
	int last = fault ? -fault : last_place(kind), r = last < 0 ? last : 0;

	for (int i = 0; r == 0 && i <= last; i++) {
		struct durei_ipc_facts found;
		int id = facts(kind, i, BY_PLACE, &found);
		if (id == -EINVAL)	/* empty, or a kernel before 4.17 */
			id = facts(kind, i, BY_PLACE_READABLE, &found);
		if (id < 0)
			continue;	/* the place is empty */
		found.id = id;
		r = visit(&found, context);
	}
	return r;
}

/* -- changes ------------------------------------------------------------------------------ */

static void change_permissions(struct ipc_perm *perm, const struct durei_ipc_change *change)
{
	if (change->mode)
		perm->mode = (unsigned short)(*change->mode & 0777);
	if (change->owner)
		perm->uid = *change->owner;
	if (change->group)
		perm->gid = *change->group;
}

static int set_shm(int id, const struct durei_ipc_change *change)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	change_permissions(&ds.shm_perm, change);
	return result(shmctl(id, IPC_SET, &ds));
}

static int set_sem(int id, const struct durei_ipc_change *change)
{
	struct semid_ds ds;
	union semaphore_argument argument = { .set = &ds };

	if (semctl(id, 0, IPC_STAT, argument) < 0)
		return -errno;
	change_permissions(&ds.sem_perm, change);
	return result(semctl(id, 0, IPC_SET, argument));
}

static int set_msg(int id, const struct durei_ipc_change *change)
{
	struct msqid_ds ds;

	if (msgctl(id, IPC_STAT, &ds) < 0)
		return -errno;
	change_permissions(&ds.msg_perm, change);
	if (change->bytes_max)
		ds.msg_qbytes = (msglen_t)*change->bytes_max;
	return result(msgctl(id, IPC_SET, &ds));
}

int durei_ipc_set(enum durei_ipc_kind kind, int32_t id, const struct durei_ipc_change *change)
{
	int fault = durei_fault("ipc_set");

	if (fault)
		return -fault;
	switch (kind) {
	case DUREI_IPC_SHM:
		return set_shm(id, change);
	case DUREI_IPC_SEM:
		return set_sem(id, change);
	case DUREI_IPC_MSG:
		return set_msg(id, change);
	}
	return -EINVAL;
}

int durei_ipc_remove(enum durei_ipc_kind kind, int32_t id)
{
	int fault = durei_fault("ipc_remove");

	if (fault)
		return -fault;
	switch (kind) {
	case DUREI_IPC_SHM:
		return result(shmctl(id, IPC_RMID, NULL));
	case DUREI_IPC_SEM:
		return result(semctl(id, 0, IPC_RMID));
	case DUREI_IPC_MSG:
		return result(msgctl(id, IPC_RMID, NULL));
	}
	return -EINVAL;
}

/* -- limits ------------------------------------------------------------------------------- */

static int shm_limits(struct durei_ipc_limits *ret)
{
	struct shminfo may;
	struct shm_info has;
	uint64_t page = durei_page_bytes();

	if (shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&may) < 0 ||
	    shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&has) < 0)
		return -errno;
	ret->segment_bytes_max = may.shmmax;
	ret->all_bytes_max = may.shmall > UINT64_MAX / page ? UINT64_MAX : may.shmall * page;
	ret->segments_max = may.shmmni;
	ret->segments = (uint64_t)has.used_ids;
	ret->bytes = has.shm_tot * page;
	ret->resident_bytes = has.shm_rss * page;
	ret->swapped_bytes = has.shm_swp * page;
	return 0;
}

static int sem_limits(struct durei_ipc_limits *ret)
{
	struct seminfo may, has;

	if (semctl(0, 0, IPC_INFO, (union semaphore_argument){ .info = &may }) < 0 ||
	    semctl(0, 0, SEM_INFO, (union semaphore_argument){ .info = &has }) < 0)
		return -errno;
	ret->set_semaphores_max = (uint64_t)may.semmsl;
	ret->all_semaphores_max = (uint64_t)may.semmns;
	ret->operations_max = (uint64_t)may.semopm;
	ret->sets_max = (uint64_t)may.semmni;
	ret->value_max = (uint64_t)may.semvmx;
	ret->sets = (uint64_t)has.semusz;	/* SEM_INFO puts the two counts here */
	ret->semaphores = (uint64_t)has.semaem;
	return 0;
}

static int msg_limits(struct durei_ipc_limits *ret)
{
	struct msginfo may, has;

	if (msgctl(0, IPC_INFO, (struct msqid_ds *)(void *)&may) < 0 ||
	    msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&has) < 0)
		return -errno;
	ret->message_bytes_max = (uint64_t)may.msgmax;
	ret->queue_bytes_max = (uint64_t)may.msgmnb;
	ret->queues_max = (uint64_t)may.msgmni;
	ret->queues = (uint64_t)has.msgpool;	/* MSG_INFO puts the three counts here */
	ret->messages = (uint64_t)has.msgmap;
	ret->message_bytes = (uint64_t)has.msgtql;
	return 0;
}

int durei_ipc_limits(struct durei_ipc_limits *ret)
{
	int fault = durei_fault("ipc_info");
	int r = fault ? -fault : shm_limits(ret);

	if (r == 0)
		r = sem_limits(ret);
	return r == 0 ? msg_limits(ret) : r;
}

/* -- getting ------------------------------------------------------------------------------ */

static int get_flags(uint32_t flags, uint32_t mode)
{
	return flags & DUREI_IPC_CREATE ? IPC_CREAT | IPC_EXCL | (int)(mode & 0777) : 0;
}

int durei_shm_get(int32_t key, uint64_t bytes, uint32_t flags, uint32_t mode)
{
	int fault = durei_fault("shmget");
	int all = get_flags(flags, mode);

	if (fault)
		return -fault;
	if (bytes > SIZE_MAX)
		return -EINVAL;
	if (flags & DUREI_SHM_HUGE)
		all |= SHM_HUGETLB_ | (int)(flags & ~0u << DUREI_SHM_HUGE_SHIFT);
	if (flags & DUREI_SHM_NO_RESERVE)
		all |= SHM_NORESERVE_;
	return result(shmget((key_t)key, (size_t)bytes, all));
}

int durei_sem_get(int32_t key, uint32_t count, uint32_t flags, uint32_t mode)
{
	int fault = durei_fault("semget");

	if (fault)
		return -fault;
	return count > INT32_MAX ? -EINVAL
				 : result(semget((key_t)key, (int)count, get_flags(flags, mode)));
}

int durei_msg_get(int32_t key, uint32_t flags, uint32_t mode)
{
	int fault = durei_fault("msgget");

	return fault ? -fault : result(msgget((key_t)key, get_flags(flags, mode)));
}

/* -- memory ------------------------------------------------------------------------------- */

int durei_shm_attach(int32_t id, void *address, uint32_t flags, void **ret_address)
{
	int fault = durei_fault("shmat");

	if (fault)
		return -fault;
	void *got = shmat(id, address, (flags & DUREI_SHM_READ_ONLY ? SHM_RDONLY : 0) |
					       (flags & DUREI_SHM_ROUND ? SHM_RND : 0) |
					       (flags & DUREI_SHM_REPLACE ? SHM_REMAP : 0) |
					       (flags & DUREI_SHM_EXECUTE ? SHM_EXEC : 0));
	if ((intptr_t)got == -1)
		return -errno;
	*ret_address = got;
	return 0;
}

int durei_shm_detach(void *address)
{
	int fault = durei_fault("shmdt");

	return fault ? -fault : result(shmdt(address));
}

int durei_shm_lock(int32_t id, bool lock)
{
	int fault = durei_fault("shm_lock");

	return fault ? -fault : result(shmctl(id, lock ? SHM_LOCK_ : SHM_UNLOCK_, NULL));
}

size_t durei_shm_unit(void)
{
	return (size_t)SHMLBA;
}

/* -- semaphores --------------------------------------------------------------------------- */

/* What is left until the deadline, in a time that any time_t holds. */
static struct timespec time_left(int64_t deadline_ns)
{
	int64_t left = deadline_ns - durei_clock_now();

	if (left < 0)
		left = 0;
	if (left / NS_PER_S >= SLEEP_S_MAX)
		return (struct timespec){ .tv_sec = SLEEP_S_MAX };
	return (struct timespec){ .tv_sec = (time_t)(left / NS_PER_S),
				  .tv_nsec = (long)(left % NS_PER_S) };
}

static int operate(int32_t id, struct sembuf *ops, size_t count, int64_t deadline_ns)
{
	struct timespec left;
	int r;

	for (;;) {
		left = time_left(deadline_ns);
		r = result(semtimedop(id, ops, count, deadline_ns == DUREI_NEVER ? NULL : &left));
		/* [OSV1]; EAGAIN comes early when the time was cut */
		if (r == -EINTR || (r == -EAGAIN && deadline_ns > durei_clock_now()))
			continue;
		return r;
	}
}

int durei_sem_operate(int32_t id, const struct durei_sem_op *ops, size_t count,
		      int64_t deadline_ns)
{
	struct sembuf list[DUREI_SEM_OPS_MAX];
	int fault = durei_fault("semop"), cancel, r;

	if (fault)
		return -fault;
	if (count > DUREI_SEM_OPS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		list[i] = (struct sembuf){
			.sem_num = ops[i].index, .sem_op = ops[i].change,
			.sem_flg = (short)((deadline_ns == 0 ? IPC_NOWAIT : 0) |
					   (ops[i].undo ? SEM_UNDO : 0)),
		};
	cancel = durei_cancel_hold();			/* [OSV2] */
	r = operate(id, list, count, deadline_ns);
	durei_cancel_restore(cancel);
	return r;
}

int durei_sem_value(int32_t id, uint32_t index)
{
	int fault = durei_fault("semctl");

	return fault ? -fault : result(semctl(id, (int)index, GETVAL));
}

int durei_sem_set_value(int32_t id, uint32_t index, uint32_t value)
{
	int fault = durei_fault("semctl");

	return fault ? -fault
		     : result(semctl(id, (int)index, SETVAL,
				     (union semaphore_argument){ .value = (int)value }));
}

int durei_sem_values(int32_t id, uint16_t *values)
{
	int fault = durei_fault("semctl");

	return fault ? -fault
		     : result(semctl(id, 0, GETALL,
				     (union semaphore_argument){ .values = values }));
}

int durei_sem_set_values(int32_t id, const uint16_t *values)
{
	union semaphore_argument argument;
	int fault = durei_fault("semctl");

	memcpy(&argument.values, &values, sizeof values);	/* the union knows no const */
	return fault ? -fault : result(semctl(id, 0, SETALL, argument));
}

int durei_sem_last_process(int32_t id, uint32_t index)
{
	int fault = durei_fault("semctl");

	return fault ? -fault : result(semctl(id, (int)index, GETPID));
}

int durei_sem_waiters(int32_t id, uint32_t index, bool for_zero)
{
	int fault = durei_fault("semctl");

	return fault ? -fault : result(semctl(id, (int)index, for_zero ? GETZCNT : GETNCNT));
}

/* -- messages ----------------------------------------------------------------------------- */

int durei_msg_send(int32_t id, const struct durei_message *message, size_t bytes, uint32_t flags)
{
	int fault = durei_fault("msgsnd"), cancel, r;

	if (fault)
		return -fault;
	cancel = durei_cancel_hold();			/* [OSV2] */
	do
		r = result(msgsnd(id, message, bytes, flags & DUREI_MSG_WAIT ? 0 : IPC_NOWAIT));
	while (r == -EINTR);
	durei_cancel_restore(cancel);
	return r;
}

int durei_msg_receive(int32_t id, struct durei_message *message, size_t bytes, long type,
		      uint32_t flags)
{
	int all = (flags & DUREI_MSG_WAIT ? 0 : IPC_NOWAIT) |
		  (flags & DUREI_MSG_EXCEPT ? MSG_EXCEPT_ : 0) |
		  (flags & DUREI_MSG_TRUNCATE ? MSG_NOERROR : 0) |
		  (flags & DUREI_MSG_COPY ? MSG_COPY_ : 0);
	int fault = durei_fault("msgrcv"), cancel, r;

	if (fault)
		return -fault;
	cancel = durei_cancel_hold();			/* [OSV2] */
	do
		r = result((int)msgrcv(id, message, bytes, type, all));
	while (r == -EINTR);
	durei_cancel_restore(cancel);
	return r;
}
