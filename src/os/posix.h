/* SPDX-License-Identifier: MIT */
/*
 * posix.h - the libc's semaphores and the kernel's POSIX message queues
 *
 * As in file.h: a result below 0 is -errno, no sentence is made here. Deadlines are absolute,
 * CLOCK_MONOTONIC (os/futex.h); EINTR is dealt with here.
 */
#ifndef DUREI_OS_POSIX_H
#define DUREI_OS_POSIX_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* where this libc keeps what shm_open and sem_open name, without their slash */
#define DUREI_SHM_DIRECTORY "/dev/shm"
#if defined(__GLIBC__)
#define DUREI_SEM_PREFIX "sem."
#else
#define DUREI_SEM_PREFIX ""		/* musl: the two share their names */
#endif

size_t durei_posix_sem_bytes(void);
uint32_t durei_posix_sem_value_max(void);
void durei_posix_sem_init(void *sem, uint32_t value);
/* deadline 0 only tries: -EAGAIN; else -ETIMEDOUT */
int durei_posix_sem_wait(void *sem, int64_t deadline_ns);
int durei_posix_sem_post(void *sem);
int durei_posix_sem_value(void *sem);

enum {
	DUREI_QUEUE_READ = 1u << 0,
	DUREI_QUEUE_WRITE = 1u << 1,
	DUREI_QUEUE_CREATE = 1u << 2,	/* -EEXIST when there is one */
};

struct durei_queue_facts {
	uint64_t messages, messages_max, message_bytes;
};

/* facts: the two sizes of a new one, 0 for the system's; NULL when it is only opened */
int durei_queue_open(const char *name, uint32_t flags, uint32_t mode,
		     const struct durei_queue_facts *facts);
int durei_queue_unlink(const char *name);
int durei_queue_facts(int fd, struct durei_queue_facts *ret);
int durei_queue_send(int fd, const void *data, size_t bytes, uint32_t priority,
		     int64_t deadline_ns);
int durei_queue_receive(int fd, void *buffer, size_t bytes, int64_t deadline_ns,
			uint32_t *ret_priority);
/* signal 0: no longer */
int durei_queue_notify(int fd, int signal, uint64_t value);
int durei_queue_notify_thread(int fd, void (*call)(union sigval), const void *context);

#endif
