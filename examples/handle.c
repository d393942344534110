/* SPDX-License-Identifier: MIT */
/*
 * handle - a block of shared memory passed from one process to another by its handle
 *
 * A plain pointer means nothing in another process: each has the segment at an address of its own.
 * A dure_ref, 8 bytes, means the same everywhere and can be sent over anything; here, a pipe.
 *
 * A reserved block is its maker's alone, and is free again should the maker be killed. Keeping it
 * makes it everybody's, and then whoever gets the handle frees it.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct message {
	uint64_t length;
	char text[];
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "handle: %s\n", dure_last_error());
	exit(1);
}

/* The child: from a handle to an address, checked; then the block is given back. */
static int receive(dure_segment *seg, int pipe_end)
{
	dure_ref ref;
	struct message *message;

	must(dure_segment_reattach(seg));
	while (read(pipe_end, &ref, sizeof ref) == sizeof ref) {
		message = dure_ref_get(seg, ref, sizeof *message);
		if (!message || !dure_ref_get(seg, ref, sizeof *message + message->length))
			return 1;
		printf("received %d bytes: %s\n", (int)message->length, message->text);
		must(dure_block_free(seg, message));
	}
	must(dure_segment_close(seg));
	return 0;
}

static void send(dure_segment *seg, int pipe_end, const char *name)
{
	struct message *message;
	dure_ref ref;

	must(dure_block_reserve(seg, sizeof *message + 64, 0, (void **)&message));
	message->length = (uint64_t)snprintf(message->text, 64, "good morning, %s", name);
	must(dure_block_keep(seg, message));
	ref = dure_ref_of(seg, message);
	if (write(pipe_end, &ref, sizeof ref) != sizeof ref)
		exit(1);
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_heap_info before = { .sz = sizeof before }, after = before;
	dure_segment *seg;
	int ends[2], status;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_heap_info(seg, &before));
	if (pipe(ends) < 0)
		return 1;
	if (fork() == 0) {
		close(ends[1]);
		return receive(seg, ends[0]);
	}
	close(ends[0]);
	send(seg, ends[1], "Ada");
	send(seg, ends[1], "Grace");
	close(ends[1]);
	wait(&status);
	must(dure_heap_info(seg, &after));
	printf("blocks left over: %d\n", (int)(after.live_blocks - before.live_blocks));
	must(dure_segment_close(seg));
	return status;
}
