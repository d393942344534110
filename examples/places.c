/* SPDX-License-Identifier: MIT */
/*
 * places - three places for many workers, some of whom are killed while they have one
 *
 * Each worker takes a place, works, and gives it back; every other one is killed before it can.
 * With a plain semaphore three deaths would stop all the others for ever. Here a place whose
 * holder dies is free again at once.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES = 3, WORKERS = 12 };

struct shop {
	dure_semaphore places;
	dure_semaphore served;		/* counts what was done: never taken back */
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "places: %s\n", dure_last_error());
	exit(1);
}

static void work(dure_segment *seg, struct shop *shop, int dies)
{
	must(dure_segment_reattach(seg));
	must(dure_semaphore_take(seg, &shop->places, 1, 0, DURE_FOREVER));
	must(dure_semaphore_post(seg, &shop->served, 1));
	if (dies)
		kill(getpid(), SIGKILL);
	must(dure_semaphore_post(seg, &shop->places, 1));
	_exit(0);
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_semaphore_info info = { .sz = sizeof info };
	int killed = 0, status;
	dure_segment *seg;
	struct shop *shop;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "shop", DURE_TYPE(struct shop), 1, NULL, NULL,
				   (void **)&shop));
	must(dure_semaphore_init(seg, &shop->places, PLACES));
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0)
			work(seg, shop, i % 2);

	/* work to be counted is taken for good */
	must(dure_semaphore_take(seg, &shop->served, WORKERS, DURE_TAKE_FOR_GOOD, DURE_FOREVER));
	while (wait(&status) > 0)
		killed += WIFSIGNALED(status);
	printf("all %d had a place, %d were killed in it\n", WORKERS, killed);

	/* all of them are back */
	must(dure_semaphore_take(seg, &shop->places, PLACES, 0, DURE_FOREVER));
	must(dure_semaphore_info(seg, &shop->places, &info));
	printf("%u of %d taken, by %u\n", info.own, PLACES, info.holders);
	must(dure_semaphore_post(seg, &shop->places, PLACES));
	must(dure_segment_close(seg));
	return 0;
}
