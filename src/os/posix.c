/* SPDX-License-Identifier: MIT */
/*
 * posix.c - the libc's semaphores and the kernel's POSIX message queues
 *
 * Why      Their timed calls take absolute times of the wall clock, which a person or a time
 *          server may set at any moment: a wait of a second then lasts an hour.
 * How      A semaphore waits by sem_clockwait where the libc has it; elsewhere by the wall clock in
 *          slices, each of which ends with a look at the monotonic one. A queue is a descriptor:
 *          a bounded wait polls it, and then tries with a time that has passed.
 * Rules    [OPX1] a wait is not stretched by signals or by the wall clock
 *          [OPX2] cancellation is held off where a call sleeps: nobody leaves from inside
 * Death    A message is in the queue or not. A semaphore knows no holder.
 */
#include "os/posix.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "os/fault.h"
#include "os/futex.h"
#include "os/self.h"

enum {
	NS_PER_S = 1000000000,
	SLICE_NS = 100000000,		/* [OPX1]: how wrong the wall clock can make us */
	POLL_MS_MAX = 1000000000,	/* fits an int; then we look at the clock again */
};

static int result(int r)
{
	return r < 0 ? -errno : r;
}

/* -- semaphores --------------------------------------------------------------------------- */

static_assert(sizeof(sem_t) <= 32 && _Alignof(sem_t) <= 8, "DURE_POSIX_SEM_BYTES");

size_t durei_posix_sem_bytes(void)
{
	return sizeof(sem_t);
}

uint32_t durei_posix_sem_value_max(void)
{
	return SEM_VALUE_MAX;
}

void durei_posix_sem_init(void *sem, uint32_t value)
{
	sem_init(sem, 1, value);	/* the value has been checked: it cannot fail */
}

static struct timespec time_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S),
	.tv_nsec = (long)(ns % NS_PER_S) };
}

#if defined(__GLIBC__)		/* since 2.30 */
static int wait_until(sem_t *sem, int64_t deadline_ns)
{
	struct timespec until = time_of(deadline_ns);

	return result(sem_clockwait(sem, CLOCK_MONOTONIC, &until));
}
#else
static int wait_until(sem_t *sem, int64_t deadline_ns)
{
	int64_t left = deadline_ns - durei_clock_now();
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	struct timespec until = time_of((int64_t)now.tv_sec * NS_PER_S + now.tv_nsec +
					(left < SLICE_NS ? left : SLICE_NS));
	r = result(sem_timedwait(sem, &until));
	return r == -ETIMEDOUT && durei_clock_now() < deadline_ns ? -EINTR : r;
}
#endif

int durei_posix_sem_wait(void *sem, int64_t deadline_ns)
{
	int fault = durei_fault("sem_wait"), cancel, r;

	if (fault)
		return -fault;
	cancel = durei_cancel_hold();			/* [OPX2] */
	do
		r = deadline_ns == 0		 ? result(sem_trywait(sem))
		    : deadline_ns == DUREI_NEVER ? result(sem_wait(sem))
						 : wait_until(sem, deadline_ns);
	while (r == -EINTR);
	durei_cancel_restore(cancel);
	return r;
}

int durei_posix_sem_post(void *sem)
{
	int fault = durei_fault("sem_post");

	return fault ? -fault : result(sem_post(sem));
}

int durei_posix_sem_value(void *sem)
{
	int fault = durei_fault("sem_value"), value = 0;
	int r = fault ? -fault : result(sem_getvalue(sem, &value));

	return r < 0 ? r : value;
}

/* -- queues ------------------------------------------------------------------------------- */

int durei_queue_open(const char *name, uint32_t flags, uint32_t mode,
		     const struct durei_queue_facts *facts)
{
	int access = (flags & DUREI_QUEUE_READ) && (flags & DUREI_QUEUE_WRITE) ? O_RDWR
		     : flags & DUREI_QUEUE_READ				      ? O_RDONLY
									      : O_WRONLY;
	int fault = durei_fault("mq_open");
	struct mq_attr attributes;

	if (fault)
		return -fault;
	if (!(flags & DUREI_QUEUE_CREATE))
		return result(mq_open(name, access | O_CLOEXEC));
	if (facts && (facts->messages_max > LONG_MAX || facts->message_bytes > LONG_MAX))
		return -EINVAL;
	if (facts)
		attributes = (struct mq_attr){ .mq_maxmsg = (long)facts->messages_max,
					       .mq_msgsize = (long)facts->message_bytes };
	return result(mq_open(name, access | O_CLOEXEC | O_CREAT | O_EXCL, (mode_t)mode,
			      facts ? &attributes : NULL));
}

int durei_queue_unlink(const char *name)
{
	int fault = durei_fault("mq_unlink");

	return fault ? -fault : result(mq_unlink(name));
}

int durei_queue_facts(int fd, struct durei_queue_facts *ret)
{
	struct mq_attr attributes;
	int fault = durei_fault("mq_getattr");

	if (fault)
		return -fault;
	if (mq_getattr(fd, &attributes) < 0)
		return -errno;
	*ret = (struct durei_queue_facts){ .messages = (uint64_t)attributes.mq_curmsgs,
					   .messages_max = (uint64_t)attributes.mq_maxmsg,
					   .message_bytes = (uint64_t)attributes.mq_msgsize };
	return 0;
}

/* false when the deadline has come */
static bool await(int fd, short events, int64_t deadline_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	int64_t left = deadline_ns - durei_clock_now();
	int ms = deadline_ns == DUREI_NEVER ? -1
		 : left / 1000000 < POLL_MS_MAX ? (int)((left + 999999) / 1000000) : POLL_MS_MAX;

	if (left <= 0)
		return false;
	(void)poll(&pollfd, 1, ms);	/* whatever it says, we try again */
	return true;
}

/* A time that has passed makes the calls try once, also where the descriptor would block. */
static const struct timespec passed;

static bool would_wait(int r)
{
	return r == -ETIMEDOUT || r == -EAGAIN;
}

int durei_queue_send(int fd, const void *data, size_t bytes, uint32_t priority,
		     int64_t deadline_ns)
{
	int fault = durei_fault("mq_send"), cancel, r;

	if (fault)
		return -fault;
	cancel = durei_cancel_hold();			/* [OPX2] */
	do
		r = result(deadline_ns == DUREI_NEVER
				   ? mq_send(fd, data, bytes, priority)
				   : mq_timedsend(fd, data, bytes, priority, &passed));
	while (r == -EINTR || (would_wait(r) && await(fd, POLLOUT, deadline_ns)));
	durei_cancel_restore(cancel);
	return r;
}

int durei_queue_receive(int fd, void *buffer, size_t bytes, int64_t deadline_ns,
			uint32_t *ret_priority)
{
	int fault = durei_fault("mq_receive"), cancel, r;

	if (fault)
		return -fault;
	cancel = durei_cancel_hold();			/* [OPX2] */
	do
		r = result((int)(deadline_ns == DUREI_NEVER
					 ? mq_receive(fd, buffer, bytes, ret_priority)
					 : mq_timedreceive(fd, buffer, bytes, ret_priority,
							   &passed)));
	while (r == -EINTR || (would_wait(r) && await(fd, POLLIN, deadline_ns)));
	durei_cancel_restore(cancel);
	return r;
}

int durei_queue_notify(int fd, int signal, uint64_t value)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal };
	int fault = durei_fault("mq_notify");

	if (fault)
		return -fault;
	memcpy(&event.sigev_value, &value,
	       sizeof event.sigev_value < sizeof value ? sizeof event.sigev_value : sizeof value);
	return result(mq_notify(fd, signal ? &event : NULL));
}

int durei_queue_notify_thread(int fd, void (*call)(union sigval), const void *context)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD,
				  .sigev_value.sival_ptr = (void *)(uintptr_t)context };
	int fault = durei_fault("mq_notify");

	event.sigev_notify_function = call;
	return fault ? -fault : result(mq_notify(fd, &event));
}
