/* SPDX-License-Identifier: MIT */
/*
 * growth - a segment that grows while it is in use
 *
 * Address space for max_bytes is set aside when a process opens the segment, memory only as it is
 * needed. So growing moves nothing: pointers stay good, in all processes, and nobody is told.
 * With DURE_SEGMENT_GROW in options.flags a segment grows by itself.
 */
#include <dure.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, BLOCK_BYTES = MIB / 8 };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "growth: %s\n", dure_last_error());
	exit(1);
}

/* Takes all there is; returns how many bytes that was, and the first block. */
static int fill(dure_segment *seg, char **ret_first)
{
	void *block;
	int r, bytes = 0;

	while ((r = dure_block_reserve(seg, BLOCK_BYTES, 0, &block)) == 0) {
		memset(block, 'x', BLOCK_BYTES);
		if (bytes == 0)
			*ret_first = block;
		bytes += BLOCK_BYTES;
	}
	if (r != -ENOSPC)
		must(r);
	return bytes;
}

/* Is there all the time; learns of nothing but that it may go on. */
static int use(dure_segment *seg, int to_parent, int from_parent)
{
	char *first, *next, byte = 'f';

	must(dure_segment_reattach(seg));
	printf("the child fills 2 MiB: %s\n", fill(seg, &first) <= 2 * MIB ? "yes" : "no");
	printf("%s\n", dure_last_error());
	fflush(stdout);
	if (write(to_parent, &byte, 1) != 1 || read(from_parent, &byte, 1) != 1)
		return 1;
	printf("the child finds at least 5 MiB more: %s\n",
	       fill(seg, &next) >= 5 * MIB ? "yes" : "no");
	printf("its first block is where it was: %s\n", first[BLOCK_BYTES - 1] == 'x' ? "yes" : "no");
	return dure_segment_close(seg);
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.lifetime = DURE_LIFETIME_PROCESS,
						.size_bytes = 2 * MIB, .max_bytes = 64 * MIB };
	int up[2], down[2], status;
	dure_segment *seg;
	char byte;

	must(dure_segment_open("pond", DURE_CREATE, &options, &seg));
	if (pipe(up) < 0 || pipe(down) < 0)
		return 1;
	if (fork() == 0)
		return use(seg, up[1], down[0]);
	if (read(up[0], &byte, 1) != 1)
		return 1;
	must(dure_segment_grow(seg, 8 * MIB));
	puts("the parent makes it 8 MiB");
	fflush(stdout);
	if (write(down[1], &byte, 1) != 1)
		return 1;
	wait(&status);
	if (dure_segment_grow(seg, 100 * MIB) == -EFBIG)
		printf("%s\n", dure_last_error());
	must(dure_segment_remove("pond", DURE_REMOVE_FORCE, NULL));	/* we use it ourselves */
	must(dure_segment_close(seg));
	return status;
}
