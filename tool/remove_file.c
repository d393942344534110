/* SPDX-License-Identifier: MIT */
/*
 * remove_file.c - taking files in memory and POSIX message queues away
 *
 * How      While the kernel grants us a write lease, nobody else has the file open or mapped,
 *          in any namespace; who opens it waits until we let go, and we see that he does.
 *          Under the lease the contents are copied and the name is taken. When the lease is
 *          wanted by somebody, everything is put back before he gets the file: he has waited
 *          a moment, and notices nothing.
 * Rules    [RMFILE1] the name goes only while the lease is whole
 *          [RMFILE2] the name is moved before it is removed, so that what is removed is the file
 *                    that was looked at, and no other that took its name in between
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remove.h"
#include "tool.h"

enum { COPY_BYTES = 1 << 18 };

/* -- leases ------------------------------------------------------------------------------ */

static bool take_lease(int fd)
{
	(void)fcntl(fd, F_SETSIG, SIGURG);	/* which is ignored: we ask instead */
	return fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

static bool lease_is_whole(int fd)
{
	return fcntl(fd, F_GETLEASE) == F_WRLCK;
}

static void give_lease(int fd)
{
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

static enum removal no_lease(struct removing *r)
{
	if (errno == EAGAIN)
		return removal_because(r, REMOVAL_USED, "somebody has it open or mapped");
	return removal_because(r, REMOVAL_FAILED, "it cannot be proved that nobody has it open (no lease: "
			       "%s)", strerror(errno));
}

static const char *why_wanted(void)
{
	return "somebody opens it right now";
}

/* -- files ------------------------------------------------------------------------------- */

static json_t *file_record(const struct dure_host_object *o, const struct stat *st)
{
	json_t *record = removal_record(o);

	json_object_set_new(record, "path", journal_text(o->path));
	json_object_set_new(record, "size", json_integer((json_int_t)st->st_size));
	json_object_set_new(record, "mode", json_integer(st->st_mode & 07777));
	json_object_set_new(record, "written_ns",
			    json_integer((json_int_t)st->st_mtim.tv_sec * 1000000000 +
					 st->st_mtim.tv_nsec));
	return record;
}

/* only what is there: holes stay holes */
static enum removal copy_contents(struct removing *r, int from, int to, off_t size)
{
	char *bytes = or_exit(malloc(COPY_BYTES));
	enum removal result = REMOVAL_DONE;
	off_t at = 0;

	if (ftruncate(to, size) < 0)
		result = REMOVAL_FAILED;
	while (result == REMOVAL_DONE && at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		at = data < 0 ? at : data;
		ssize_t n = pread(from, bytes, COPY_BYTES, at);
		if (n <= 0)
			break;
		if (!write_sparse(to, bytes, (size_t)n, (uint64_t)at))
			result = REMOVAL_FAILED;
		else if (!lease_is_whole(from))
			result = removal_because(r, REMOVAL_USED, "%s", why_wanted());
		at += n;
	}
	if (result == REMOVAL_FAILED)
		removal_because(r, result, "its contents cannot be kept: %s (--no-undo does without)",
				strerror(errno));
	free(bytes);
	return result;
}

/* [RMFILE2] */
static enum removal remove_name(struct removing *r, int fd, const struct dure_host_object *o)
{
	char aside[4300];
	struct stat st;

	snprintf(aside, sizeof aside, "%s.dure-%d", o->path, (int)getpid());
	if (renameat2(AT_FDCWD, o->path, AT_FDCWD, aside, RENAME_NOREPLACE) < 0)
		return errno == ENOENT ? removal_because(r, REMOVAL_GONE, "it is gone")
				       : removal_because(r, REMOVAL_FAILED, "it cannot be removed: %s",
							 strerror(errno));
	bool is_it = lstat(aside, &st) == 0 && (uint64_t)st.st_ino == o->inode &&
		     (uint64_t)st.st_dev == o->device;
	if (is_it && lease_is_whole(fd)) {		/* [RMFILE1] */
		if (unlink(aside) == 0)
			return REMOVAL_DONE;
		removal_because(r, REMOVAL_FAILED, "it cannot be removed: %s", strerror(errno));
	} else {
		removal_because(r, REMOVAL_USED, "%s", is_it ? why_wanted() : "it is another file now");
	}
	if (renameat2(AT_FDCWD, aside, AT_FDCWD, o->path, RENAME_NOREPLACE) < 0)
		return removal_because(r, REMOVAL_FAILED, "its name was taken meanwhile; it is %s now", aside);
	return REMOVAL_USED;
}

static enum removal remove_under_lease(struct removing *r, int fd,
				       const struct dure_host_object *o, const struct stat *st)
{
	unsigned number = journal_next(r->journal);
	enum removal result = REMOVAL_DONE;

	if (!number)
		return removal_because(r, REMOVAL_FAILED, "there is no journal");
	if (!r->journal->keeps_nothing) {
		int data = journal_data(r->journal, number);
		if (data < 0)
			return removal_because(r, REMOVAL_FAILED, "the journal could not be written");
		result = copy_contents(r, fd, data, st->st_size);
		close(data);
	}
	if (!journal_record(r->journal, number, file_record(o, st)))
		result = removal_because(r, REMOVAL_FAILED, "the journal could not be written");
	if (result == REMOVAL_DONE)
		result = remove_name(r, fd, o);
	journal_state(r->journal, number, result == REMOVAL_DONE ? "removed" : "kept");
	return result;
}

enum removal remove_file(struct removing *r, const struct dure_host_object *o)
{
	int fd = open(o->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum removal result;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return removal_because(r, REMOVAL_GONE, "it is gone");
	if (fd < 0)
		return errno == EAGAIN ? removal_because(r, REMOVAL_USED, "somebody has a lease on it")
				       : removal_because(r, REMOVAL_FAILED, "it cannot be opened: %s",
							 strerror(errno));
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_ino != o->inode || (uint64_t)st.st_dev != o->device)
		result = removal_because(r, REMOVAL_GONE, "it is another file now");
	else if (!take_lease(fd))
		result = no_lease(r);
	else {
		result = remove_under_lease(r, fd, o, &st);
		give_lease(fd);
	}
	close(fd);
	return result;
}

/* -- message queues ---------------------------------------------------------------------- */

static bool put_back(mqd_t queue, int data, unsigned count)
{
	struct kept_message head;
	char *bytes = NULL;
	bool is_back = lseek(data, 0, SEEK_SET) == 0;

	for (unsigned i = 0; is_back && i < count; i++) {
		is_back = read_fully(data, &head, sizeof head);
		bytes = or_exit(realloc(bytes, (size_t)head.bytes + 1));
		is_back = is_back && read_fully(data, bytes, (size_t)head.bytes) &&
			  mq_send(queue, bytes, (size_t)head.bytes, (unsigned)head.type) == 0;
	}
	free(bytes);
	return is_back;
}

/* Receiving is the only way to read a queue. Nobody else has it open: the lease says so. */
static enum removal take_messages(struct removing *r, mqd_t queue, const struct mq_attr *attr,
				  int data, unsigned *ret_count)
{
	char *bytes = or_exit(malloc((size_t)attr->mq_msgsize));
	enum removal result = REMOVAL_DONE;
	unsigned priority;

	for (;;) {
		ssize_t n = mq_receive(queue, bytes, (size_t)attr->mq_msgsize, &priority);
		if (n < 0)
			break;
		struct kept_message head = { priority, (uint64_t)n };
		++*ret_count;
		if (!write_fully(data, &head, sizeof head) || !write_fully(data, bytes, (size_t)n)) {
			result = removal_because(r, REMOVAL_FAILED, "its messages cannot be kept: %s",
						 strerror(errno));
			/* this one is only here */
			(void)mq_send(queue, bytes, (size_t)n, priority);
			--*ret_count;
			break;
		}
		if (!lease_is_whole((int)queue)) {
			result = removal_because(r, REMOVAL_USED, "%s", why_wanted());
			break;
		}
	}
	free(bytes);
	return result;
}

static json_t *queue_record(const struct dure_host_object *o, const struct mq_attr *attr)
{
	json_t *record = removal_record(o);

	json_object_set_new(record, "queue", journal_text(o->name));
	json_object_set_new(record, "messages_max", json_integer(attr->mq_maxmsg));
	json_object_set_new(record, "message_bytes", json_integer(attr->mq_msgsize));
	json_object_set_new(record, "messages", json_integer(attr->mq_curmsgs));
	return record;
}

static enum removal remove_open_queue(struct removing *r, mqd_t queue,
				      const struct dure_host_object *o)
{
	unsigned number = journal_next(r->journal), count = 0;
	enum removal result = REMOVAL_DONE;
	struct mq_attr attr;
	int data = -1;

	if (!number || mq_getattr(queue, &attr) < 0)
		return removal_because(r, REMOVAL_FAILED, "there is no journal");
	if (!journal_record(r->journal, number, queue_record(o, &attr)))
		return removal_because(r, REMOVAL_FAILED, "the journal could not be written");
	if (!r->journal->keeps_nothing) {
		data = journal_data(r->journal, number);
		result = data < 0 ? removal_because(r, REMOVAL_FAILED, "the journal could not be written")
				  : take_messages(r, queue, &attr, data, &count);
	}
	if (result == REMOVAL_DONE && !lease_is_whole((int)queue))
		result = removal_because(r, REMOVAL_USED, "%s", why_wanted());
	if (result == REMOVAL_DONE && mq_unlink(o->name) < 0)
		result = removal_because(r, REMOVAL_FAILED, "it cannot be removed: %s", strerror(errno));
	if (result != REMOVAL_DONE && count && !put_back(queue, data, count))
		result = removal_because(r, REMOVAL_FAILED, "its messages could not be put back; they are in %s/"
					 "%u.data", r->journal->path, number);
	else
		journal_state(r->journal, number, result == REMOVAL_DONE ? "removed" : "kept");
	if (data >= 0)
		close(data);
	return result;
}

enum removal remove_queue(struct removing *r, const struct dure_host_object *o)
{
	mqd_t queue = mq_open(o->name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	enum removal result;
	struct stat st;

	if (queue == (mqd_t)-1)
		return errno == ENOENT ? removal_because(r, REMOVAL_GONE, "it is gone")
				       : removal_because(r, REMOVAL_FAILED, "it cannot be opened: %s",
							 strerror(errno));
	if (fstat((int)queue, &st) < 0 || (uint64_t)st.st_ino != o->inode)
		result = removal_because(r, REMOVAL_GONE, "it is another queue now");
	else if (!take_lease((int)queue))
		result = no_lease(r);
	else {
		result = remove_open_queue(r, queue, o);
		give_lease((int)queue);
	}
	mq_close(queue);
	return result;
}
