/* SPDX-License-Identifier: MIT */
/*
 * notices - one poll loop for a POSIX queue and a pipe; the urgent notices come first
 *
 * A child sends notices of several priorities, counts them in shared memory under a semaphore, and
 * says by the end of its pipe that it is gone. mq_send, shm_open and sem_open could do the
 * same at the other end.
 */
#include <dure.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTICES = 6 };

static char name[32];

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "notices: %s\n", dure_last_error());
	exit(1);
}

static int *map_count(int fd)
{
	int *count = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (count == MAP_FAILED)
		exit(1);
	return count;
}

static void send_notices(int queue, int *count, dure_posix_sem *sem)
{
	char text[32];

	for (int i = 0; i < NOTICES; i++) {
		int length = snprintf(text, sizeof text, "notice %d", i);
		must(dure_posix_queue_send(queue, text, (size_t)length, (uint32_t)i % 3,
					   DURE_S(20)));
		must(dure_posix_sem_wait(sem, DURE_S(20)));
		++*count;
		must(dure_posix_sem_post(sem));
	}
	exit(0);
}

static void read_notice(int queue)
{
	uint32_t priority;
	char text[32];
	int length = must(dure_posix_queue_receive(queue, text, sizeof text, 0, &priority));

	printf("priority %d: %.*s\n", (int)priority, length, text);
}

int main(void)
{
	struct dure_posix_queue_options queue_options = { .sz = sizeof queue_options,
							  .messages_max = NOTICES,
							  .message_bytes = 32 };
	struct dure_posix_shm_options shm_options = { .sz = sizeof shm_options,
						      .size_bytes = sizeof(int) };
	struct dure_posix_sem_options sem_options = { .sz = sizeof sem_options, .value = 1 };
	int queue, fd, ends[2];
	dure_posix_sem *sem;

	snprintf(name, sizeof name, "/notices-%d", (int)getpid());
	must(dure_posix_queue_open(name, DURE_CREATE, &queue_options, &queue));
	must(dure_posix_shm_open(name, DURE_CREATE, &shm_options, &fd));
	must(dure_posix_sem_open(name, DURE_CREATE, &sem_options, &sem));
	int *count = map_count(fd);
	if (pipe(ends) < 0)
		return 1;
	if (fork() == 0)
		send_notices(queue, count, sem);
	close(ends[1]);

	/* the child has all sent when its pipe ends: then they come by priority */
	struct pollfd polled[2] = { { .fd = ends[0] }, { .fd = queue } };
	while (poll(polled, 2, 20000) > 0) {
		if (polled[1].revents & POLLIN)
			read_notice(queue);
		else if (polled[0].revents & POLLHUP && polled[1].events)
			break;
		if (polled[0].revents & POLLHUP)
			polled[1].events = POLLIN;
	}
	wait(NULL);
	printf("counted %d, the semaphore is %d\n", *count, must(dure_posix_sem_value(sem)));
	dure_posix_sem_close(sem);
	for (uint32_t kind = DURE_POSIX_SHM; kind <= DURE_POSIX_QUEUE; kind++)
		must(dure_posix_remove(kind, name));
	return 0;
}
