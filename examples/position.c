/* SPDX-License-Identifier: MIT */
/*
 * position - a value that is read without waiting, also when the writer has died in the middle
 *
 * The writer is killed between beginning a change and committing it. The reader reads the value
 * before, at once; the next writer changes it.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct position {
	double x, y, z;
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "position: %s\n", dure_last_error());
	exit(1);
}

static void show(dure_segment *seg, const dure_seqlock *lock, const char *when)
{
	struct position p;

	must(dure_seqlock_read(seg, lock, &p, sizeof p));
	printf("%s: %g %g %g\n", when, p.x, p.y, p.z);
}

static void move(dure_segment *seg, dure_seqlock *lock, double by, int dies)
{
	struct position p;

	must(dure_seqlock_begin(seg, lock, &p, sizeof p, DURE_FOREVER));
	p.x += by;
	if (dies)
		kill(getpid(), SIGKILL);
	p.y += by;
	p.z += by;
	must(dure_seqlock_commit(seg, lock, &p, sizeof p));
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct position start = { 1, 2, 3 };
	dure_seqlock *lock;
	dure_segment *seg;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_block_reserve(seg, DURE_SEQLOCK_BYTES(sizeof start), 0, (void **)&lock));
	must(dure_block_keep(seg, lock));
	must(dure_seqlock_init(seg, lock, &start, sizeof start));
	show(seg, lock, "at first");
	fflush(stdout);
	if (fork() == 0) {
		must(dure_segment_reattach(seg));
		move(seg, lock, 10, 1);
	}
	wait(NULL);
	show(seg, lock, "after the death of a writer");
	move(seg, lock, 10, 0);
	show(seg, lock, "moved");
	must(dure_segment_close(seg));
	return 0;
}
