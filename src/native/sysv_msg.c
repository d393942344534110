/* SPDX-License-Identifier: MIT */
/*
 * sysv_msg.c - System V message queues
 *
 * Why      The calls take a struct that each caller has to declare around its data, know no
 *          timeout, and lose what does not fit when a flag is confused with another.
 * How      Data is copied to and from a message of our own. DURE_FOREVER sleeps in the kernel;
 *          a bounded timeout looks again and again (native/nap.h).
 * Death    A message is sent whole or not at all. What was taken by a process that dies is lost
 *          with it: System V has no acknowledgement.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "native/limit.h"
#include "native/nap.h"
#include "native/sysv.h"
#include "os/futex.h"

/* -- getting ------------------------------------------------------------------------------ */

static int get(const struct durei_sysv_request *request, bool create)
{
	const struct dure_sysv_msg_options *options = request->context;

	return durei_msg_get(request->key, create ? DUREI_IPC_CREATE : 0, options->mode);
}

static int get_error(const struct durei_sysv_request *request, int code)
{
	struct durei_ipc_limits l = { 0 };

	if (code != ENOSPC)
		return durei_sysv_get_error(request, code);
	if (durei_ipc_limits(&l) < 0)
		l.queues_max = l.queues = UINT64_MAX;
	return durei_limit_error(ENOSPC, "cannot create a System V message queue",
				 &(struct durei_limit){ .name = "kernel.msgmni", .unit = "queues",
							.max = l.queues_max, .used = l.queues,
							.remove = "ipcs -q, ipcrm -q",
							.raise = "sysctl kernel.msgmni=..." });
}

static int set_bytes_max(int32_t id, uint64_t bytes_max)
{
	struct durei_ipc_change change = { .bytes_max = &bytes_max };
	int r = durei_ipc_set(DUREI_IPC_MSG, id, &change);

	if (r == 0)
		return 0;
	durei_ipc_remove(DUREI_IPC_MSG, id);
	if (r == -EPERM)
		return durei_error(EPERM, "a System V message queue of %" PRIu64 " bytes: more "
				   "than kernel.msgmnb is for root alone (sysctl "
				   "kernel.msgmnb=...)", bytes_max);
	return durei_sysv_id_error(DUREI_IPC_MSG, id, "set the size of", -r, EBUSY);
}

int dure_sysv_msg_get(int32_t key, uint32_t flags, const struct dure_sysv_msg_options *options,
		      int32_t *ret_id)
{
	struct dure_sysv_msg_options mine;
	struct durei_sysv_request request = { .kind = DUREI_IPC_MSG, .key = key, .flags = flags,
					      .get = get, .context = &mine };
	int32_t id;
	int r = durei_options_read(&mine, sizeof mine, sizeof mine, options);

	if (r < 0)
		return r;
	if (!mine.mode)
		mine.mode = 0600;
	if (!ret_id || mine.mode > 0777 || mine.reserved)
		return durei_error(EINVAL, "options.mode %#" PRIo32 " is to be at most 0777, and "
				   "ret_id not NULL", mine.mode);
	r = durei_sysv_check_request(&request);
	if (r < 0)
		return r;
	int made = durei_sysv_get_or_create(&request, &id);
	if (made < 0)
		return get_error(&request, -made);
	if (made == DURE_CREATED && mine.bytes_max)
		r = set_bytes_max(id, mine.bytes_max);
	if (r < 0)
		return r;
	*ret_id = id;
	return made;
}

/* -- messages ----------------------------------------------------------------------------- */

static int message_error(int32_t id, const char *verb, int code, int64_t timeout_ns, bool waited)
{
	switch (code) {
	case EAGAIN:
	case ENOMSG:
		return durei_error_plain(timeout_ns ? ETIMEDOUT : EAGAIN);
	case EIDRM:
		waited = true;
		break;
	case E2BIG:
		return durei_error(EMSGSIZE, "cannot %s a message of System V queue %" PRId32 ": "
				   "it is longer than the buffer; it stays in the queue "
				   "(DURE_SYSV_MSG_TRUNCATE cuts it)", verb, id);
	case ENOSYS:
		return durei_error(EOPNOTSUPP, "cannot %s messages of System V queue %" PRId32 ": "
				   "this kernel is built without it (CONFIG_CHECKPOINT_RESTORE)",
				   verb, id);
	default:
		break;
	}
	return durei_sysv_id_error(DUREI_IPC_MSG, id, verb, code, waited ? ESTALE : ENOENT);
}

/* A message for bytes of data; the caller frees it. */
static struct durei_message *new_message(size_t bytes)
{
	struct durei_message *message = NULL;

	if (bytes <= INT32_MAX)
		message = malloc(sizeof *message + bytes);
	if (!message)
		durei_error(ENOMEM, "no memory for a message of %zu bytes", bytes);
	return message;
}

/* The kernel has refused it: too long at all? Code 0 when it is not. */
static int beyond_limit(size_t bytes)
{
	struct durei_ipc_limits l = { 0 };

	if (durei_ipc_limits(&l) < 0 || bytes <= l.message_bytes_max)
		return 0;
	return durei_error(EMSGSIZE, "a message of %zu bytes: kernel.msgmax allows %" PRIu64 ": "
			   "send it in parts, or raise it (sysctl kernel.msgmax=...)", bytes,
			   l.message_bytes_max);
}

/* There is no room now: would there ever be? The kernel lets such a sender sleep for good. */
static int beyond_queue(int32_t id, size_t bytes)
{
	struct durei_ipc_facts facts = { 0 };

	if (durei_ipc_stat(DUREI_IPC_MSG, id, &facts) < 0 || bytes <= facts.bytes_max)
		return 0;
	return durei_error(EMSGSIZE, "a message of %zu bytes: System V queue %" PRId32 " holds %"
			   PRIu64 " (DURE_SYSV_SET_BYTES_MAX)", bytes, id, facts.bytes_max);
}

static int send(int32_t id, const struct durei_message *message, size_t bytes, int64_t timeout_ns)
{
	uint32_t flags = timeout_ns < 0 ? DUREI_MSG_WAIT : 0;
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_nap nap = { 0 };
	int r = durei_msg_send(id, message, bytes, 0), never = 0;

	if (r == -EAGAIN)
		never = beyond_queue(id, bytes);
	else if (r == -EINVAL)
		never = beyond_limit(bytes);
	if (never)
		return never;
	while (r == -EAGAIN && (timeout_ns < 0 || durei_nap(&nap, deadline)))
		r = durei_msg_send(id, message, bytes, flags);
	return r < 0 ? message_error(id, "send", -r, timeout_ns, nap.ns > 0) : 0;
}

int dure_sysv_msg_send(int32_t id, int64_t type, const void *data, size_t bytes,
		       int64_t timeout_ns)
{
	if (type < 1 || type > LONG_MAX || (!data && bytes))
		return durei_error(EINVAL, "a message of type %" PRId64 ": 1 to %ld, and data not "
				   "NULL", type, LONG_MAX);
	struct durei_message *message = new_message(bytes);
	if (!message)
		return -ENOMEM;
	message->type = (long)type;
	if (bytes)
		memcpy(message->bytes, data, bytes);
	int r = send(id, message, bytes, timeout_ns);
	free(message);
	return r;
}

/* What the kernel has put into message goes to the caller. */
static int hand_over(int32_t id, struct durei_message *message, int r, void *buffer,
		     int64_t *ret_type, int64_t timeout_ns, bool waited)
{
	if (r > 0)
		memcpy(buffer, message->bytes, (size_t)r);
	if (r >= 0 && ret_type)
		*ret_type = message->type;
	free(message);
	return r < 0 ? message_error(id, "receive", -r, timeout_ns, waited) : r;
}

int dure_sysv_msg_receive(int32_t id, int64_t type, uint32_t flags, void *buffer, size_t bytes,
			  int64_t timeout_ns, int64_t *ret_type)
{
	uint32_t all = (timeout_ns < 0 ? DUREI_MSG_WAIT : 0) |
		       (flags & DURE_SYSV_MSG_EXCEPT ? DUREI_MSG_EXCEPT : 0) |
		       (flags & DURE_SYSV_MSG_TRUNCATE ? DUREI_MSG_TRUNCATE : 0);
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_nap nap = { 0 };
	int r;

	if (flags & ~(uint32_t)(DURE_SYSV_MSG_EXCEPT | DURE_SYSV_MSG_TRUNCATE) ||
	    (!buffer && bytes) || type > LONG_MAX || type < -LONG_MAX)
		return durei_error(EINVAL, "flags %#" PRIx32 " for type %" PRId64
				   ": DURE_SYSV_MSG_... only, and buffer not NULL", flags, type);
	if ((flags & DURE_SYSV_MSG_EXCEPT) && type <= 0)
		return durei_error(EINVAL, "DURE_SYSV_MSG_EXCEPT needs a type above 0, not %"
				   PRId64, type);
	struct durei_message *message = new_message(bytes);
	if (!message)
		return -ENOMEM;
	do
		r = durei_msg_receive(id, message, bytes, (long)type, all);
	while (r == -ENOMSG && durei_nap(&nap, deadline));
	return hand_over(id, message, r, buffer, ret_type, timeout_ns, nap.ns > 0);
}

int dure_sysv_msg_peek(int32_t id, uint32_t position, void *buffer, size_t bytes,
		       int64_t *ret_type)
{
	if ((!buffer && bytes) || position > INT32_MAX)
		return durei_error(EINVAL, "position %" PRIu32 ": at most %d, and buffer not NULL",
				   position, INT32_MAX);
	struct durei_message *message = new_message(bytes);
	if (!message)
		return -ENOMEM;
	int r = durei_msg_receive(id, message, bytes, (long)position, DUREI_MSG_COPY);
	return hand_over(id, message, r, buffer, ret_type, 0, false);
}

int dure_sysv_msg_info(int32_t id, struct dure_sysv_msg_info *info)
{
	struct durei_ipc_facts facts = { 0 };

	if (!info)
		return durei_error(EINVAL, "info is NULL");
	int r = durei_ipc_stat(DUREI_IPC_MSG, id, &facts);
	if (r < 0)
		return durei_sysv_id_error(DUREI_IPC_MSG, id, "look at", -r, ENOENT);
	struct dure_sysv_msg_info all = {
		.messages = facts.count, .bytes = facts.size_bytes, .bytes_max = facts.bytes_max,
		.sent_s = facts.sent_s, .received_s = facts.received_s,
		.last_sender = facts.last_sender, .last_receiver = facts.last_receiver,
	};
	return durei_options_write(info, &all, sizeof all, sizeof all);
}
