/* SPDX-License-Identifier: MIT */
/*
 * instance - one leader among several processes, by a lock on a file
 *
 * Who has the file locked leads. The kernel takes the lock away with its holder, so when the
 * leader is killed the next one leads, at once; a file that merely contains a pid says nothing of
 * the kind. Shared ranges beside it: any number of workers read the settings, none while they are
 * written.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEADER = 0, SETTINGS = 1 };	/* a byte of the file for each; they need not exist */

static char path[64];

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "instance: %s\n", dure_last_error());
	exit(1);
}

/* A process that leads until it is killed; says on the pipe that it does. */
static pid_t start_leader(int said)
{
	dure_file *file;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	must(dure_file_open(path, DURE_CREATE | DURE_OPEN, NULL, &file));
	must(dure_file_lock(file, LEADER, 1, DURE_EXCLUSIVE, DURE_FOREVER));
	if (write(said, "x", 1) == 1)
		pause();
	_exit(1);
}

static void await(int said)
{
	char c;

	if (read(said, &c, 1) != 1)
		exit(1);
}

int main(void)
{
	struct dure_file_holder who = { .sz = sizeof who };
	dure_file *file, *reader;
	pid_t pids[2];
	int said[2];

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(path, sizeof path, "/tmp/dure-instance-%d", (int)getpid());
	if (pipe(said) < 0)
		return 1;
	must(dure_file_open(path, DURE_CREATE, NULL, &file));
	pids[0] = start_leader(said[1]);
	await(said[0]);
	pids[1] = start_leader(said[1]);	/* waits: there is one */
	must(dure_file_lock_holder(file, LEADER, 1, DURE_EXCLUSIVE, &who));
	printf("the first leads: %s\n", (pid_t)who.process == pids[0] ? "yes" : "no");

	must(dure_file_open(path, DURE_OPEN | DURE_READ_ONLY, NULL, &reader));
	must(dure_file_lock(reader, SETTINGS, 1, DURE_SHARED, 0));
	must(dure_file_lock(file, SETTINGS, 1, DURE_SHARED, 0));
	printf("two read; writing: %s\n", dure_strerror(dure_file_lock(file, SETTINGS, 1,
								       DURE_EXCLUSIVE, 0)));
	must(dure_file_close(reader));
	printf("one reads; writing: %s\n", dure_strerror(dure_file_lock(file, SETTINGS, 1,
									DURE_EXCLUSIVE, 0)));

	kill(pids[0], SIGKILL);
	await(said[0]);
	must(dure_file_lock_holder(file, LEADER, 1, DURE_EXCLUSIVE, &who));
	printf("the second leads: %s\n", (pid_t)who.process == pids[1] ? "yes" : "no");
	kill(pids[1], SIGKILL);
	while (wait(NULL) > 0)
		;
	must(dure_file_lock(file, LEADER, 1, DURE_EXCLUSIVE, DURE_S(1)));
	puts("nobody leads but who asks");
	unlink(path);
	must(dure_file_close(file));
	return 0;
}
