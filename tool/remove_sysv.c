/* SPDX-License-Identifier: MIT */
/*
 * remove_sysv.c - taking System V objects away
 *
 * Why      IPC_RMID is at once, and for semaphores and queues it hits who still uses them. So
 *          all facts that a use changes are read, the contents are kept, and the facts are
 *          read again: only when none has changed the object goes. What is left is the time
 *          between two system calls. Memory that is attached in it stays with whoever did so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "remove.h"
#include "tool.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static enum removal refused(struct removing *r, const char *what)
{
	if (errno == EINVAL || errno == EIDRM)
		return removal_because(r, REMOVAL_GONE, "it is gone");
	return removal_because(r, REMOVAL_FAILED, "%s: %s", what, strerror(errno));
}

static json_t *sysv_record(const struct dure_host_object *o)
{
	json_t *record = removal_record(o);

	json_object_set_new(record, "id", json_integer((json_int_t)o->id));
	json_object_set_new(record, "key", json_integer((json_int_t)o->key));
	return record;
}

/* the journal's record, when there is one to be kept */
static bool keep(struct removing *r, unsigned number, json_t *record)
{
	return journal_record(r->journal, number, record) ||
	       (removal_because(r, REMOVAL_FAILED, "the journal could not be written"), false);
}

/* -- memory ------------------------------------------------------------------------------ */

static enum removal look_at_shm(struct removing *r, const struct dure_host_object *o,
				struct shmid_ds *ds)
{
	if (shmctl((int)o->id, IPC_STAT, ds) < 0)
		return refused(r, "it cannot be looked at");
	if (ds->shm_nattch)
		return removal_because(r, REMOVAL_USED, "somebody has attached it");
	if ((uint64_t)ds->shm_ctime != o->changed_ns / 1000000000u ||
	    (uint64_t)ds->shm_segsz != o->size_bytes)
		return removal_because(r, REMOVAL_GONE, "it is another object now");
	return REMOVAL_DONE;
}

static enum removal keep_shm(struct removing *r, const struct dure_host_object *o,
			     unsigned number)
{
	enum removal result = REMOVAL_DONE;
	void *bytes;
	int fd;

	if (r->journal->keeps_nothing)
		return REMOVAL_DONE;
	bytes = shmat((int)o->id, NULL, SHM_RDONLY);
	if (bytes == (void *)-1)
		return refused(r, "its contents cannot be read");
	fd = journal_data(r->journal, number);
	if (fd < 0 || ftruncate(fd, (off_t)o->size_bytes) < 0 ||
	    !write_sparse(fd, bytes, (size_t)o->size_bytes, 0))
		result = removal_because(r, REMOVAL_FAILED, "its contents cannot be kept: %s (--no-undo does "
					 "without)", strerror(errno));
	if (fd >= 0)
		close(fd);
	shmdt(bytes);
	return result;
}

enum removal remove_sysv_shm(struct removing *r, const struct dure_host_object *o)
{
	struct dure_segment_options segment = { .sz = sizeof segment, .backing = DURE_BACKING_SYSV,
						.id = (int32_t)o->id };
	struct shmid_ds before, after;
	enum removal result = look_at_shm(r, o, &before);
	unsigned number;

	if (result != REMOVAL_DONE)
		return result;
	/* with its lock file lost nothing but its bytes tells what it is */
	if (dure_segment_exists(NULL, &segment) != 0)
		return removal_because(r, REMOVAL_USED, "it is a dure segment: dure rm sysv:%d", (int)o->id);
	number = journal_next(r->journal);
	if (!number)
		return removal_because(r, REMOVAL_FAILED, "there is no journal");
	json_t *record = sysv_record(o);
	json_object_set_new(record, "size", json_integer((json_int_t)o->size_bytes));
	if (!keep(r, number, record))
		return REMOVAL_FAILED;
	result = keep_shm(r, o, number);
	if (result == REMOVAL_DONE)
		result = look_at_shm(r, o, &after);
	if (result == REMOVAL_DONE && !r->journal->keeps_nothing && after.shm_lpid != getpid())
		result = removal_because(r, REMOVAL_USED, "somebody has attached it meanwhile");
	if (result == REMOVAL_DONE && shmctl((int)o->id, IPC_RMID, NULL) < 0)
		result = refused(r, "it cannot be removed");
	journal_state(r->journal, number, result == REMOVAL_DONE ? "removed" : "kept");
	return result;
}

/* -- semaphores -------------------------------------------------------------------------- */

union sem_argument {
	int value;
	struct semid_ds *set;
	unsigned short *values;
};

struct sem_facts {
	struct semid_ds set;
	unsigned short *values;
};

static enum removal look_at_sem(struct removing *r, const struct dure_host_object *o,
				struct sem_facts *facts)
{
	union sem_argument none = { .value = 0 };

	if (semctl((int)o->id, 0, IPC_STAT, (union sem_argument){ .set = &facts->set }) < 0)
		return refused(r, "it cannot be looked at");
	if ((uint64_t)facts->set.sem_nsems != o->count ||
	    (uint64_t)facts->set.sem_ctime != o->changed_ns / 1000000000u)
		return removal_because(r, REMOVAL_GONE, "it is another object now");
	if ((uint64_t)facts->set.sem_otime != o->used_ns / 1000000000u)
		return removal_because(r, REMOVAL_USED, "somebody has used it");
	for (int i = 0; i < (int)o->count; i++) {
		int waiting = semctl((int)o->id, i, GETNCNT, none), zero = semctl((int)o->id, i, GETZCNT, none);
		if (waiting < 0 || zero < 0)
			return refused(r, "it cannot be looked at");
		if (waiting || zero)
			return removal_because(r, REMOVAL_USED, "somebody sleeps on it");
	}
	if (semctl((int)o->id, 0, GETALL, (union sem_argument){ .values = facts->values }) < 0)
		return refused(r, "its values cannot be read");
	return REMOVAL_DONE;
}

static json_t *sem_record(const struct dure_host_object *o, const unsigned short *values)
{
	json_t *record = sysv_record(o), *list = or_exit(json_array());

	for (uint64_t i = 0; i < o->count; i++)
		json_array_append_new(list, json_integer(values[i]));
	json_object_set_new(record, "values", list);
	return record;
}

enum removal remove_sysv_sem(struct removing *r, const struct dure_host_object *o)
{
	struct sem_facts before = { .values = or_exit(calloc((size_t)o->count + 1, 2)) };
	struct sem_facts after = { .values = or_exit(calloc((size_t)o->count + 1, 2)) };
	enum removal result = look_at_sem(r, o, &before);
	unsigned number = result == REMOVAL_DONE ? journal_next(r->journal) : 0;

	if (result == REMOVAL_DONE && !number)
		result = removal_because(r, REMOVAL_FAILED, "there is no journal");
	if (result == REMOVAL_DONE && !keep(r, number, sem_record(o, before.values)))
		result = REMOVAL_FAILED;
	if (result == REMOVAL_DONE) {
		result = look_at_sem(r, o, &after);
		if (result == REMOVAL_DONE &&
		    memcmp(before.values, after.values, (size_t)o->count * 2) != 0)
			result = removal_because(r, REMOVAL_USED, "somebody has used it");
		if (result == REMOVAL_DONE &&
		    semctl((int)o->id, 0, IPC_RMID, (union sem_argument){ .value = 0 }) < 0)
			result = refused(r, "it cannot be removed");
		journal_state(r->journal, number, result == REMOVAL_DONE ? "removed" : "kept");
	}
	free(before.values);
	free(after.values);
	return result;
}

/* -- message queues ---------------------------------------------------------------------- */

static enum removal look_at_msg(struct removing *r, const struct dure_host_object *o,
				struct msqid_ds *ds)
{
	if (msgctl((int)o->id, IPC_STAT, ds) < 0)
		return refused(r, "it cannot be looked at");
	if ((uint64_t)ds->msg_ctime != o->changed_ns / 1000000000u)
		return removal_because(r, REMOVAL_GONE, "it is another object now");
	if ((uint64_t)ds->msg_qnum != o->count || (uint32_t)ds->msg_lspid != o->last[0] ||
	    (uint32_t)ds->msg_lrpid != o->last[1])
		return removal_because(r, REMOVAL_USED, "somebody has used it");
	return REMOVAL_DONE;
}

struct message {
	long type;
	char bytes[1 << 20];		/* more than any kernel lets through unless told to */
};

/* copies of all messages; they stay in the queue */
static enum removal keep_messages(struct removing *r, const struct dure_host_object *o,
				  unsigned number)
{
	enum removal result = REMOVAL_DONE;
	struct message *message;
	int fd;

	if (r->journal->keeps_nothing || !o->count)
		return REMOVAL_DONE;
	message = or_exit(malloc(sizeof *message));
	fd = journal_data(r->journal, number);
	for (uint64_t i = 0; i < o->count && result == REMOVAL_DONE; i++) {
		ssize_t n = fd < 0 ? -1 : msgrcv((int)o->id, message, sizeof message->bytes, (long)i,
						 MSG_COPY | IPC_NOWAIT);
		struct kept_message head = { message->type, n > 0 ? (uint64_t)n : 0 };
		if (n < 0 || !write_fully(fd, &head, sizeof head) ||
		    !write_fully(fd, message->bytes, (size_t)n))
			result = removal_because(r, REMOVAL_FAILED, "its messages cannot be kept: %s (--no-undo "
						 "does without)", strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	free(message);
	return result;
}

enum removal remove_sysv_msg(struct removing *r, const struct dure_host_object *o)
{
	struct msqid_ds before, after;
	enum removal result = look_at_msg(r, o, &before);
	unsigned number;

	if (result != REMOVAL_DONE)
		return result;
	number = journal_next(r->journal);
	if (!number)
		return removal_because(r, REMOVAL_FAILED, "there is no journal");
	json_t *record = sysv_record(o);
	json_object_set_new(record, "messages", json_integer((json_int_t)o->count));
	json_object_set_new(record, "room", json_integer((json_int_t)before.msg_qbytes));
	if (!keep(r, number, record))
		return REMOVAL_FAILED;
	result = keep_messages(r, o, number);
	if (result == REMOVAL_DONE)
		result = look_at_msg(r, o, &after);
	if (result == REMOVAL_DONE &&
	    (after.msg_stime != before.msg_stime || after.msg_rtime != before.msg_rtime))
		result = removal_because(r, REMOVAL_USED, "somebody has used it");
	if (result == REMOVAL_DONE && msgctl((int)o->id, IPC_RMID, NULL) < 0)
		result = refused(r, "it cannot be removed");
	journal_state(r->journal, number, result == REMOVAL_DONE ? "removed" : "kept");
	return result;
}
