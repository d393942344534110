/* SPDX-License-Identifier: MIT */
/*
 * steps - workers that go step by step together, and one of them is killed
 *
 * Nobody begins a step before all have ended the last one. One worker is killed in step 3: the
 * others are told in the barrier, do not wait for it, and go on.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, STEPS = 6 };

struct work {
	dure_barrier barrier;
	int done[STEPS];		/* by how many workers */
	int told;			/* how many workers were told of a death */
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "steps: %s\n", dure_last_error());
	exit(1);
}

static void work(dure_segment *seg, struct work *w, int dies)
{
	int told = 0;

	must(dure_barrier_join(seg, &w->barrier));
	for (int step = 0; step < STEPS; step++) {
		if (dies && step == 3)
			kill(getpid(), SIGKILL);
		__atomic_add_fetch(&w->done[step], 1, __ATOMIC_RELAXED);
		int r = dure_barrier_wait(seg, &w->barrier, DURE_FOREVER);
		must(r);
		told |= r == DURE_OWNER_DIED;
	}
	__atomic_add_fetch(&w->told, told, __ATOMIC_RELAXED);
	must(dure_barrier_leave(seg, &w->barrier));
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	dure_segment *seg;
	struct work *w;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "work", DURE_TYPE(struct work), 1, NULL, NULL, (void **)&w));
	must(dure_barrier_init(seg, &w->barrier, WORKERS));
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0) {
			must(dure_segment_reattach(seg));
			work(seg, w, i == 0);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	for (int step = 0; step < STEPS; step++)
		printf("step %d: done by %d\n", step, w->done[step]);
	printf("members that died: %d; workers that were told: %d\n", dure_barrier_dead(seg, &w->barrier), w->told);
	must(dure_segment_close(seg));
	return 0;
}
