/* SPDX-License-Identifier: MIT */
/*
 * backup - two programs that share nothing but the name of a lock
 *
 * The first holds the lock when the second one starts: that one sees that a backup is running. The
 * first is killed, and the third gets the lock at once; nobody has to clean up.
 */
#include <dure.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "example-backup"

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "backup: %s\n", dure_last_error());
	exit(1);
}

/* As a program of its own would. ready: told when it has begun, and then it never ends. */
static void back_up(const char *who, int ready)
{
	dure_mutex *mutex;
	dure_segment *seg;
	int r;

	must(dure_named_open(DURE_NAMED_MUTEX, NAME, DURE_CREATE | DURE_OPEN, NULL, &seg,
			     (void **)&mutex));
	r = dure_mutex_lock(seg, mutex, 0);
	if (r == -EAGAIN) {
		printf("%s: a backup is running\n", who);
		must(dure_segment_close(seg));
		return;
	}
	must(r);
	if (r == DURE_OWNER_DIED)
		must(dure_mutex_mark_consistent(seg, mutex));
	printf("%s: backing up%s\n", who, r == DURE_OWNER_DIED ? ", after one that was killed" : "");
	fflush(stdout);
	while (ready >= 0 && write(ready, "x", 1) == 1)
		pause();
	must(dure_mutex_unlock(seg, mutex));
	must(dure_segment_close(seg));
}

int main(void)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		return 1;
	if (pid == 0)
		back_up("first", ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return 1;
	back_up("second", -1);
	printf("unlinking is refused: %s\n", dure_named_unlink(NAME, 0, NULL) == -EBUSY ? "yes" : "no");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	back_up("third", -1);
	must(dure_named_unlink(NAME, 0, NULL));
	return 0;
}
