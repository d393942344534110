/* SPDX-License-Identifier: MIT */
/*
 * counter - parent and children count in System V shared memory; one dies inside
 *
 * The segment goes with its last user, the semaphore is born with its value, and what a dead child
 * held comes back: other programs could take part with shmat and semop.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4, TIMES = 10000 };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "counter: %s\n", dure_last_error());
	exit(1);
}

static void change(dure_sysv_sem *sem, int by)
{
	struct dure_sysv_sem_operation operation = { .change = by, .flags = DURE_SYSV_SEM_UNDO };

	must(dure_sysv_sem_operate(sem, &operation, 1, DURE_S(20)));
}

static void count(dure_sysv_sem *sem, volatile long *counter)
{
	for (int i = 0; i < TIMES; i++) {
		change(sem, -1);
		++*counter;
		change(sem, 1);
	}
	exit(0);
}

static void die_inside(dure_sysv_sem *sem)
{
	change(sem, -1);
	raise(SIGKILL);
}

int main(void)
{
	const uint16_t one = 1;
	struct dure_sysv_sem_options options = { .sz = sizeof options, .values = &one };
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	dure_sysv_sem *sem;
	int32_t id;
	void *memory;

	must(dure_sysv_shm_get(DURE_SYSV_PRIVATE, sizeof(long), DURE_CREATE, NULL, &id));
	must(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_THEN_REMOVE, &memory));
	must(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 1, DURE_CREATE, &options, 0, &sem));
	for (int i = 0; i <= CHILDREN; i++) {
		if (fork() != 0)
			continue;
		if (i == 0)
			die_inside(sem);
		count(sem, memory);
	}
	while (wait(NULL) > 0)
		;
	must(dure_sysv_shm_info(id, &info));
	printf("counted        %ld\n", *(long *)memory);
	printf("attached       %d, %s\n", (int)info.attached,
	       info.is_doomed ? "goes with the last" : "stays");
	must(dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(sem)));
	dure_sysv_sem_close(sem);
	must(dure_sysv_shm_detach(memory));
	printf("and afterwards %s\n", dure_sysv_shm_info(id, &info) == -ENOENT ? "nothing is left"
									       : "it is there");
	return 0;
}
