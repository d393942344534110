/* SPDX-License-Identifier: MIT */
/*
 * watch - a supervisor that learns of deaths from a descriptor, with poll
 *
 * The descriptor becomes readable when a participant of the segment dies or leaves, also one that is
 * not a child of the supervisor. It goes into any event loop; no signal handler, no heartbeat.
 */
#include <dure.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "watch: %s\n", dure_last_error());
	exit(1);
}

/* Joins, says so, and works until it is killed. */
static void work(dure_segment *seg, int ready)
{
	void *block;

	must(dure_segment_reattach(seg));
	must(dure_block_reserve(seg, 100000, 0, &block));	/* comes back when it dies */
	if (write(ready, "r", 1) != 1)
		exit(1);
	for (;;)
		pause();
}

static pid_t start_worker(dure_segment *seg)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		exit(1);
	pid = fork();
	if (pid == 0)
		work(seg, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	close(ready[0]);
	return pid;
}

/* Until somebody has died, at most ten seconds. */
static void await_death(dure_watch *watch, pid_t expected)
{
	struct pollfd pollfd = { .fd = dure_watch_fd(watch), .events = POLLIN };
	struct dure_participant dead = { .sz = sizeof dead };
	int r = 0;

	while (r == 0) {
		if (poll(&pollfd, 1, 10000) != 1) {
			puts("nothing has happened for ten seconds");
			exit(1);
		}
		r = dure_watch_next(watch, &dead);
	}
	must(r);
	printf("a participant died, and it is the one that was killed: %s\n",
	       dead.process == (uint32_t)expected ? "yes" : "no");
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_heap_info heap = { .sz = sizeof heap };
	dure_segment *seg;
	dure_watch *watch;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_watch_open(seg, &watch));
	for (int i = 0; i < 3; i++) {
		pid_t pid = start_worker(seg);
		kill(pid, SIGKILL);
		await_death(watch, pid);
		waitpid(pid, NULL, 0);
	}
	must(dure_heap_info(seg, &heap));
	printf("bytes the dead still hold: %d\n", (int)heap.reserved_bytes);
	dure_watch_close(watch);
	must(dure_segment_close(seg));
	return 0;
}
