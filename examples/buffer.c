/* SPDX-License-Identifier: MIT */
/*
 * buffer - a bounded buffer, and a consumer that is killed while it waits
 *
 * Two conditions, one mutex. The first consumer waits for the empty buffer when it is killed; no
 * signal goes with it, and the second one gets every number.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 4, NUMBERS = 1000 };

struct buffer {
	dure_mutex lock;
	dure_condition filled, emptied;
	unsigned first, count, waiting;
	int numbers[ROOM];
	int64_t sum;
};

static dure_segment *seg;
static struct buffer *buffer;

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "buffer: %s\n", dure_last_error());
	exit(1);
}

/* The consumer dies only where it waits: nothing is ever half changed. */
static void lock(void)
{
	int r = dure_mutex_lock(seg, &buffer->lock, DURE_FOREVER);

	must(r);
	if (r == DURE_OWNER_DIED)
		must(dure_mutex_mark_consistent(seg, &buffer->lock));
}

static void put(int number)
{
	lock();
	while (buffer->count == ROOM)
		must(dure_condition_wait(seg, &buffer->emptied, &buffer->lock, DURE_FOREVER));
	buffer->numbers[(buffer->first + buffer->count++) % ROOM] = number;
	must(dure_condition_signal(seg, &buffer->filled));
	must(dure_mutex_unlock(seg, &buffer->lock));
}

static int get(void)
{
	int number;

	lock();
	buffer->waiting++;
	while (buffer->count == 0)
		must(dure_condition_wait(seg, &buffer->filled, &buffer->lock, DURE_FOREVER));
	buffer->waiting--;
	number = buffer->numbers[buffer->first++ % ROOM];
	buffer->count--;
	buffer->sum += number;
	must(dure_condition_signal(seg, &buffer->emptied));
	must(dure_mutex_unlock(seg, &buffer->lock));
	return number;
}

static pid_t start_consumer(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	must(dure_segment_reattach(seg));
	while (get() != NUMBERS)
		;
	_exit(0);
}

static unsigned waiting(void)
{
	unsigned count;

	lock();
	count = buffer->waiting;
	must(dure_mutex_unlock(seg, &buffer->lock));
	return count;
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	pid_t pid;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "buffer", DURE_TYPE(struct buffer), 1, NULL, NULL,
				   (void **)&buffer));
	pid = start_consumer();
	while (waiting() == 0)
		usleep(1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("a consumer was killed while it waited\n");
	start_consumer();
	for (int i = 1; i <= NUMBERS; i++)
		put(i);
	wait(NULL);
	printf("the next one got all numbers from 1 to %d, their sum is %lld\n", NUMBERS,
	       (long long)buffer->sum);
	must(dure_segment_close(seg));
	return 0;
}
