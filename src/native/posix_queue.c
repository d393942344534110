/* SPDX-License-Identifier: MIT */
/*
 * posix_queue.c - POSIX message queues with monotonic timeouts
 *
 * Why      "Too many open files" is what mq_open says when a user's queues have too many bytes.
 *          Its timed calls go by the wall clock, and the mode it is given loses the umask.
 * Death    of dure_posix_queue_open
 *          after step           is left behind                        who mends it
 *          1 mq_open            the queue, its mode less the umask    nobody: its next user has
 *                                                                     what it may
 *          2 fchmod             complete                              -
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/options.h"
#include "native/limit.h"
#include "native/posix.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/posix.h"
#include "os/self.h"

enum {
	PRIORITY_MAX = 32767,		/* MQ_PRIO_MAX - 1 */
	/* of 64-bit kernels: struct msg_msg and, for each priority, a tree node */
	MESSAGE_HEAD_BYTES = 48,
	TREE_NODE_BYTES = 48,
	MESSAGES_DEFAULT = 10,		/* as the kernel has them when nobody sets them */
	MESSAGE_BYTES_DEFAULT = 8192,
};

/* -- opening ------------------------------------------------------------------------------ */

static uint32_t access_of(const struct dure_posix_queue_options *options)
{
	uint32_t access = (options->flags & DURE_POSIX_QUEUE_SEND ? DUREI_QUEUE_WRITE : 0) |
			  (options->flags & DURE_POSIX_QUEUE_RECEIVE ? DUREI_QUEUE_READ : 0);

	return access ? access : DUREI_QUEUE_READ | DUREI_QUEUE_WRITE;
}

static int open_queue(const struct durei_posix_request *request)
{
	return durei_queue_open(request->name, access_of(request->context), 0, NULL);
}

static int create_queue(const struct durei_posix_request *request)
{
	const struct dure_posix_queue_options *options = request->context;
	struct durei_queue_facts facts = { .messages_max = options->messages_max,
					   .message_bytes = options->message_bytes };
	int fd = durei_queue_open(request->name, access_of(options) | DUREI_QUEUE_CREATE,
				  request->mode, &facts);				/* step 1 */
	int r = fd < 0 ? fd : durei_file_set_mode(fd, request->mode);		/* step 2 */

	if (r >= 0 || fd < 0)
		return r < 0 ? r : fd;
	durei_queue_unlink(request->name);
	durei_file_close(fd);
	return r;
}

/* What the kernel counts against RLIMIT_MSGQUEUE. */
static uint64_t queue_bytes(const struct dure_posix_queue_options *options)
{
	uint64_t nodes = options->messages_max < PRIORITY_MAX + 1 ? options->messages_max
								  : PRIORITY_MAX + 1;

	return options->messages_max * (options->message_bytes + MESSAGE_HEAD_BYTES) +
	       nodes * TREE_NODE_BYTES;
}

/* EMFILE is said of descriptors and of bytes. */
static int too_many(const struct durei_posix_request *request)
{
	const struct dure_posix_queue_options *options = request->context;
	int fd = durei_file_open("/", 0, 0);

	if (fd == -EMFILE || !(request->flags & DURE_CREATE))
		return durei_posix_error(request, "open", EMFILE);
	durei_file_close(fd);
	return durei_error(EMFILE, "cannot create POSIX message queue %s: with %" PRIu64 " "
			   "messages of %"
			   PRIu64 " bytes it needs %" PRIu64 " bytes, and RLIMIT_MSGQUEUE allows %"
			   PRIu64
			   " to all queues of this user together: remove what nobody needs, ask "
			   "for less, or raise it (ulimit -q, LimitMSGQUEUE=)", request->name,
			   options->messages_max, options->message_bytes, queue_bytes(options),
			   durei_resource_max(DUREI_MAX_QUEUE_BYTES));
}

static int open_error(const struct durei_posix_request *request,
		      const struct dure_posix_limits *limits, int code)
{
	const struct dure_posix_queue_options *options = request->context;
	struct durei_limit limit = { .name = "fs.mqueue.queues_max", .unit = "queues",
				     .max = limits->queues_max, .used = UINT64_MAX,
				     .remove = "ls /dev/mqueue",
				     .raise = "sysctl fs.mqueue.queues_max=..." };

	switch (code) {
	case EMFILE:
		return too_many(request);
	case ENOSPC:
		return durei_limit_error(ENOSPC, "cannot create a POSIX message queue", &limit);
	case EINVAL:
		return durei_error(EINVAL, "cannot create POSIX message queue %s with %" PRIu64 " "
				   "messages of %" PRIu64 " bytes: without privileges "
				   "fs.mqueue.msg_max allows %"
				   PRIu64 " and fs.mqueue.msgsize_max %" PRIu64 ": ask for less, "
				   "or raise them with sysctl", request->name,
				   options->messages_max,
				   options->message_bytes, limits->messages_max,
				   limits->message_bytes_max);
	case EOVERFLOW:
		return durei_error(EINVAL, "cannot create POSIX message queue %s: %" PRIu64 " "
				   "messages of %"
				   PRIu64 " bytes are more than any queue can hold", request->name,
				   options->messages_max, options->message_bytes);
	default:
		return durei_posix_error(request, request->flags & DURE_CREATE ? "create" : "open",
					 code);
	}
}

int dure_posix_queue_open(const char *name, uint32_t flags,
			  const struct dure_posix_queue_options *options, int *ret_fd)
{
	enum { ALL = DURE_POSIX_PORTABLE | DURE_POSIX_QUEUE_SEND | DURE_POSIX_QUEUE_RECEIVE };
	struct dure_posix_queue_options mine;
	struct dure_posix_limits limits = { .sz = sizeof limits };
	struct durei_posix_request request = { .kind = DURE_POSIX_QUEUE, .name = name,
					       .flags = flags, .open = open_queue,
					       .create = create_queue, .context = &mine };
	int r = durei_options_read(&mine, sizeof mine, sizeof mine, options);

	if (r < 0)
		return r;
	if (!ret_fd || mine.flags & ~(uint32_t)ALL)
		return durei_error(EINVAL, "options.flags is %#" PRIx32 ": DURE_POSIX_PORTABLE and "
				   "_QUEUE_... only, and ret_fd not NULL", mine.flags);
	request.mode = mine.mode;
	r = durei_posix_prepare(&request, mine.flags);
	if (r < 0)
		return r;
	if ((flags & DURE_CREATE) && (!mine.messages_max || !mine.message_bytes)) {
		if (dure_posix_limits(&limits) < 0) {	/* a container without /proc/sys */
			limits.messages_default = MESSAGES_DEFAULT;
			limits.message_bytes_default = MESSAGE_BYTES_DEFAULT;
		}
		if (!mine.messages_max)
			mine.messages_max = limits.messages_default;
		if (!mine.message_bytes)
			mine.message_bytes = limits.message_bytes_default;
	}
	r = durei_posix_get(&request, ret_fd);
	if (r >= 0)
		return r;
	if (!limits.messages_max)
		dure_posix_limits(&limits);	/* for the sentence; zeros when there are none */
	return open_error(&request, &limits, -r);
}

/* -- messages ----------------------------------------------------------------------------- */

static int message_error(int fd, const char *verb, size_t bytes, int code, int64_t timeout_ns)
{
	struct durei_queue_facts facts = { 0 };

	switch (code) {
	case EAGAIN:
	case ETIMEDOUT:
		return durei_error_plain(timeout_ns ? ETIMEDOUT : EAGAIN);
	case ENOMEM:
		return durei_error(ENOMEM, "cannot %s a message of %zu bytes: no memory", verb,
				   bytes);
	case EMSGSIZE:
		if (durei_queue_facts(fd, &facts) == 0)
			return durei_error(EMSGSIZE, "cannot %s a message with %zu bytes: messages "
					   "of this queue have up to %" PRIu64 ", and a buffer "
					   "must have as many", verb, bytes, facts.message_bytes);
		return durei_error(EMSGSIZE, "cannot %s a message with %zu bytes", verb, bytes);
	default:
		return durei_error(EINVAL, "descriptor %d is not of a POSIX message queue that is "
				   "open to %s (error %d)", fd, verb, code);
	}
}

int dure_posix_queue_send(int fd, const void *data, size_t bytes, uint32_t priority,
			  int64_t timeout_ns)
{
	if (priority > PRIORITY_MAX || (!data && bytes))
		return durei_error(EINVAL, "priority %" PRIu32 ": at most %d, and data not NULL",
				   priority, PRIORITY_MAX);
	/* the libc wants a pointer, also to nothing */
	int r = durei_queue_send(fd, data ? data : "", bytes, priority,
				 durei_deadline(timeout_ns));
	return r < 0 ? message_error(fd, "send", bytes, -r, timeout_ns) : 0;
}

int dure_posix_queue_receive(int fd, void *buffer, size_t bytes, int64_t timeout_ns,
			     uint32_t *ret_priority)
{
	uint32_t priority = 0;

	if (!buffer)
		return durei_error(EINVAL, "buffer is NULL");
	int r = durei_queue_receive(fd, buffer, bytes, durei_deadline(timeout_ns), &priority);
	if (r < 0)
		return message_error(fd, "receive", bytes, -r, timeout_ns);
	if (ret_priority)
		*ret_priority = priority;
	return r;
}

int dure_posix_queue_info(int fd, struct dure_posix_queue_info *info)
{
	struct durei_queue_facts queue = { 0 };
	struct durei_file_facts file = { 0 };

	if (!info)
		return durei_error(EINVAL, "info is NULL");
	int r = durei_queue_facts(fd, &queue);
	if (r < 0)
		return durei_error(EINVAL, "descriptor %d is not of a POSIX message queue", fd);
	r = durei_file_stat(fd, &file);
	if (r < 0)
		return durei_error(EIO, "descriptor %d: the kernel does not tell its mode (error "
				   "%d)", fd, -r);
	struct dure_posix_queue_info all = {
		.messages = queue.messages, .messages_max = queue.messages_max,
		.message_bytes = queue.message_bytes, .mode = file.mode & 0777,
		.owner = file.owner, .group = file.group,
	};
	return durei_options_write(info, &all, sizeof all, sizeof all);
}

static int notify_error(int fd, int code)
{
	switch (code) {
	case EBUSY:
		return durei_error(EBUSY, "another process is notified of messages in this queue "
				   "already: poll the descriptor instead");
	case ENOMEM:
	case EAGAIN:			/* a thread that cannot be started */
		return durei_error(ENOMEM, "no memory to be notified of messages");
	case EMFILE:
	case ENFILE:
		return durei_error(EMFILE, "to be notified by a thread takes a descriptor more: "
				   "RLIMIT_NOFILE is %" PRIu64 ": raise it (ulimit -n), or close "
				   "some", durei_resource_max(DUREI_MAX_DESCRIPTORS));
	default:
		return durei_error(EINVAL, "descriptor %d is not of a POSIX message queue", fd);
	}
}

int dure_posix_queue_notify(int fd, int32_t signal, uint64_t value)
{
	int r = signal < 0 ? -EINVAL : durei_queue_notify(fd, signal, value);

	if (r == -EINVAL)
		return durei_error(EINVAL, "%" PRId32 " is no signal", signal);
	return r < 0 ? notify_error(fd, -r) : 0;
}

/* In the libc's thread. */
static void call_notice(union sigval value)
{
	const struct dure_posix_notice *notice = value.sival_ptr;

	notice->call(notice->context);
}

int dure_posix_queue_notify_thread(int fd, const struct dure_posix_notice *notice)
{
	if (!notice || !notice->call)
		return durei_error(EINVAL, "a notice needs a call for the thread to make");
	int r = durei_queue_notify_thread(fd, call_notice, notice);
	return r < 0 ? notify_error(fd, -r) : 0;
}
