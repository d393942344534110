/* SPDX-License-Identifier: MIT */
/*
 * restore.c - bringing one removed object back, from its record in the journal
 *
 * Rules    [REST1] nothing that is there now is touched: a key or a name that was taken since
 *                  stays with whoever took it
 *          [REST2] contents come first, owner and mode last: nobody sees half of it with the
 *                  rights to use it (a System V object is made with mode 0600, a file without a
 *                  name)
 *          [REST3] the identifier is asked for where the kernel lets root choose it
 *                  (kernel.shm_next_id and so on); otherwise the new one is said
 */
#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqueue.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remove.h"
#include "tool.h"

struct restore {
	const struct journal_run *run;
	const json_t *record;
	char *why;
	size_t why_bytes;
};

static enum restoring because(struct restore *r, enum restoring result, const char *format, ...)
	DURE_FORMAT(3, 4);

static enum restoring because(struct restore *r, enum restoring result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(r->why, r->why_bytes, format, arguments);
	va_end(arguments);
	return result;
}

static enum restoring failed(struct restore *r, const char *what)
{
	return because(r, NOT_RESTORED, "%s: %s", what, strerror(errno));
}

static int64_t number_of(const struct restore *r, const char *key)
{
	return json_integer_value(json_object_get(r->record, key));
}

static const char *text_of(const struct restore *r, const char *key)
{
	const char *text = json_string_value(json_object_get(r->record, key));

	return text ? text : "";
}

static int open_data(const struct restore *r)
{
	char path[JOURNAL_PATH_BYTES + 32];

	snprintf(path, sizeof path, "%s/%" PRId64 ".data", r->run->path, number_of(r, "object"));
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* -- System V ---------------------------------------------------------------------------- */

/* [REST3] */
static void ask_for_id(const struct restore *r, const char *sysctl)
{
	int fd = open(sysctl, O_WRONLY | O_CLOEXEC);
	char text[24];

	if (fd < 0)
		return;
	int n = snprintf(text, sizeof text, "%" PRId64, number_of(r, "id"));
	/* without the right to choose it gets another one, which is said */
	bool is_asked = write(fd, text, (size_t)n) == n;
	(void)is_asked;
	close(fd);
}

static enum restoring said_id(struct restore *r, int id)
{
	if (id == number_of(r, "id"))
		return RESTORED;
	return because(r, RESTORED_OTHERWISE, "its identifier is %d now", id);
}

static void set_owner(const struct restore *r, struct ipc_perm *perm)
{
	perm->uid = (uid_t)number_of(r, "user");
	perm->gid = (gid_t)number_of(r, "group");
	perm->mode = (unsigned short)(number_of(r, "mode") & 0777);
}

static key_t key_of(const struct restore *r)
{
	return (key_t)(uint32_t)number_of(r, "key");
}

static enum restoring not_made(struct restore *r)
{
	if (errno == EEXIST)			/* [REST1] */
		return because(r, NOT_RESTORED, "its key 0x%08" PRIx32 " has been taken since",
			       (uint32_t)key_of(r));
	return failed(r, "it cannot be made");
}

static bool fill_shm(const struct restore *r, int id, size_t size)
{
	int fd = open_data(r);
	char *bytes = fd >= 0 ? shmat(id, NULL, 0) : (void *)-1;
	bool is_filled = bytes != (void *)-1;

	for (off_t at = 0; is_filled && (at = lseek(fd, at, SEEK_DATA)) >= 0 && (size_t)at < size;) {
		size_t part = size - (size_t)at < (1u << 20) ? size - (size_t)at : 1u << 20;
		ssize_t n = pread(fd, bytes + at, part, at);
		is_filled = n > 0;
		at += n;
	}
	if (bytes != (void *)-1)
		shmdt(bytes);
	if (fd >= 0)
		close(fd);
	return is_filled;
}

static enum restoring restore_shm(struct restore *r)
{
	size_t size = (size_t)number_of(r, "size");
	struct shmid_ds ds;

	ask_for_id(r, "/proc/sys/kernel/shm_next_id");
	int id = shmget(key_of(r), size, IPC_CREAT | IPC_EXCL | 0600);
	if (id < 0)
		return not_made(r);
	bool is_done = fill_shm(r, id, size) && shmctl(id, IPC_STAT, &ds) == 0;
	if (is_done) {
		set_owner(r, &ds.shm_perm);
		is_done = shmctl(id, IPC_SET, &ds) == 0;
	}
	if (is_done)
		return said_id(r, id);
	failed(r, "its contents or its owner cannot be set");
	shmctl(id, IPC_RMID, NULL);
	return NOT_RESTORED;
}

union sem_argument {
	int value;
	struct semid_ds *set;
	unsigned short *values;
};

static enum restoring restore_sem(struct restore *r)
{
	const json_t *list = json_object_get(r->record, "values");
	size_t count = json_array_size(list);
	unsigned short *values = or_exit(calloc(count + 1, sizeof *values));
	struct semid_ds set;
	enum restoring result;

	for (size_t i = 0; i < count; i++)
		values[i] = (unsigned short)json_integer_value(json_array_get(list, i));
	ask_for_id(r, "/proc/sys/kernel/sem_next_id");
	int id = semget(key_of(r), (int)count, IPC_CREAT | IPC_EXCL | 0600);
	bool is_done = id >= 0 &&
		       semctl(id, 0, SETALL, (union sem_argument){ .values = values }) == 0 &&
		       semctl(id, 0, IPC_STAT, (union sem_argument){ .set = &set }) == 0;
	if (is_done) {
		set_owner(r, &set.sem_perm);
		is_done = semctl(id, 0, IPC_SET, (union sem_argument){ .set = &set }) == 0;
	}
	result = is_done ? said_id(r, id) : id < 0 ? not_made(r) : failed(r, "it cannot be set");
	if (!is_done && id >= 0)
		semctl(id, 0, IPC_RMID, (union sem_argument){ .value = 0 });
	free(values);
	return result;
}

/* type, or priority, and bytes of the next message; NULL: there is none */
static char *next_message(int data, struct kept_message *head, bool with_type)
{
	if (data < 0 || !read_fully(data, head, sizeof *head) || head->bytes > (1u << 30))
		return NULL;
	char *message = or_exit(malloc(sizeof(long) + (size_t)head->bytes + 1));
	long type = (long)head->type;
	memcpy(message, &type, sizeof type);
	if (read_fully(data, message + (with_type ? sizeof type : 0), (size_t)head->bytes))
		return message;
	free(message);
	return NULL;
}

static enum restoring restore_msg(struct restore *r)
{
	struct kept_message head;
	struct msqid_ds ds;
	char *message;
	int64_t sent = 0;

	ask_for_id(r, "/proc/sys/kernel/msg_next_id");
	int id = msgget(key_of(r), IPC_CREAT | IPC_EXCL | 0600);
	if (id < 0)
		return not_made(r);
	int data = open_data(r);
	bool is_done = msgctl(id, IPC_STAT, &ds) == 0;
	if (is_done && (int64_t)ds.msg_qbytes < number_of(r, "room")) {
		ds.msg_qbytes = (msglen_t)number_of(r, "room");	/* above the default: needs root */
		is_done = msgctl(id, IPC_SET, &ds) == 0;
	}
	while (is_done && (message = next_message(data, &head, true)) != NULL) {
		is_done = msgsnd(id, message, (size_t)head.bytes, IPC_NOWAIT) == 0;
		sent += is_done;
		free(message);
	}
	if (data >= 0)
		close(data);
	if (is_done) {
		set_owner(r, &ds.msg_perm);
		is_done = sent == number_of(r, "messages") && msgctl(id, IPC_SET, &ds) == 0;
	}
	if (is_done)
		return said_id(r, id);
	failed(r, "its messages or its owner cannot be set");
	msgctl(id, IPC_RMID, NULL);
	return NOT_RESTORED;
}

/* -- files ------------------------------------------------------------------------------- */

static bool copy_data(int from, int to, off_t size)
{
	char *bytes = or_exit(malloc(1 << 18));
	bool is_copied = ftruncate(to, size) == 0;

	for (off_t at = 0; is_copied && (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size;) {
		ssize_t n = pread(from, bytes, 1 << 18, at);
		is_copied = n > 0 && pwrite(to, bytes, (size_t)n, at) == n;
		at += n;
	}
	free(bytes);
	return is_copied;
}

static bool give_away(const struct restore *r, int fd)
{
	uid_t user = (uid_t)number_of(r, "user");
	gid_t group = (gid_t)number_of(r, "group");

	/* who is not root can only give to himself */
	return (fchown(fd, user, group) == 0 || user == geteuid()) &&
	       fchmod(fd, (mode_t)number_of(r, "mode")) == 0;
}

static enum restoring restore_file(struct restore *r)
{
	char path[4200], directory[sizeof path], link[40];
	int64_t written = number_of(r, "written_ns");
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { written / 1000000000, written % 1000000000 } };
	int data = open_data(r), fd;
	enum restoring result = RESTORED;

	journal_text_read(json_object_get(r->record, "path"), path, sizeof path);
	const char *slash = strrchr(path, '/');
	snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) : 0, path);
	fd = data >= 0 ? open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (fd < 0)
		result = failed(r, "it cannot be made");
	else if (!copy_data(data, fd, (off_t)number_of(r, "size")) || !give_away(r, fd) ||
		 futimens(fd, times) < 0)
		result = failed(r, "its contents or its owner cannot be set");
	else if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)	/* [REST1] */
		result = errno == EEXIST ? because(r, NOT_RESTORED, "its name has been taken since")
					 : failed(r, "it cannot be named");
	if (fd >= 0)
		close(fd);
	if (data >= 0)
		close(data);
	return result;
}

static enum restoring fill_queue(struct restore *r, mqd_t queue)
{
	struct kept_message head;
	int data = open_data(r);
	bool is_done = true;
	char *message;
	int64_t sent = 0;

	while (is_done && (message = next_message(data, &head, false)) != NULL) {
		is_done = mq_send(queue, message, (size_t)head.bytes, (unsigned)head.type) == 0;
		sent += is_done;
		free(message);
	}
	if (data >= 0)
		close(data);
	if (!is_done || sent != number_of(r, "messages"))
		return failed(r, "its messages cannot be sent");
	return give_away(r, (int)queue) ? RESTORED : failed(r, "its owner cannot be set");
}

static enum restoring restore_queue(struct restore *r)
{
	struct mq_attr attr = { .mq_maxmsg = (long)number_of(r, "messages_max"),
				.mq_msgsize = (long)number_of(r, "message_bytes") };
	char name[300];

	journal_text_read(json_object_get(r->record, "queue"), name, sizeof name);
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &attr);
	enum restoring result;

	if (queue == (mqd_t)-1)
		return errno == EEXIST ? because(r, NOT_RESTORED, "its name has been taken since")
				       : failed(r, "it cannot be made");
	result = fill_queue(r, queue);
	if (result == NOT_RESTORED)
		mq_unlink(name);
	mq_close(queue);
	return result;
}

/* -- any --------------------------------------------------------------------------------- */

enum restoring restore_object(const struct journal_run *run, const json_t *record, char *why,
			      size_t why_bytes)
{
	static const struct { const char *kind; enum restoring (*restore)(struct restore *r); } kinds[] = {
		{ "sysv-shm", restore_shm },	{ "sysv-sem", restore_sem },
		{ "sysv-msg", restore_msg },	{ "posix-shm", restore_file },
		{ "posix-sem", restore_file },	{ "huge", restore_file },
		{ "posix-mq", restore_queue },
	};
	struct restore r = { run, record, why, why_bytes };

	why[0] = '\0';
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].kind, text_of(&r, "kind")) == 0)
			return kinds[i].restore(&r);
	return because(&r, NOT_RESTORED, "the journal does not say what it was");
}
