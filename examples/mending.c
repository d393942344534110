/* SPDX-License-Identifier: MIT */
/*
 * mending - a lock whose holder dies, and the next one who mends what it left
 *
 * Without a transaction a killed process can leave data half changed. The lock then goes to the
 * next who wants it, at once and with DURE_OWNER_DIED. Here he can tell from the data what is
 * missing; transfer.c shows how to have no such work at all.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* sold + left is always 10 while nobody holds the lock */
struct shop {
	dure_mutex lock;
	int sold, left;
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "mending: %s\n", dure_last_error());
	exit(1);
}

static void lock(dure_segment *seg, struct shop *shop)
{
	int r = dure_mutex_lock(seg, &shop->lock, DURE_FOREVER);

	must(r);
	if (r != DURE_OWNER_DIED)
		return;
	printf("the holder died, and left %d sold and %d left: mending\n", shop->sold, shop->left);
	shop->left = 10 - shop->sold;
	must(dure_mutex_mark_consistent(seg, &shop->lock));
}

static void sell(dure_segment *seg, struct shop *shop, int dies)
{
	lock(seg, shop);
	shop->sold++;
	if (dies)
		kill(getpid(), SIGKILL);
	shop->left--;
	printf("%d sold, %d left\n", shop->sold, shop->left);
	must(dure_mutex_unlock(seg, &shop->lock));
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct shop *shop;
	dure_segment *seg;

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "shop", DURE_TYPE(struct shop), 1, NULL, NULL,
				   (void **)&shop));
	shop->left = 10;
	sell(seg, shop, 0);
	if (fork() == 0) {
		must(dure_segment_reattach(seg));
		sell(seg, shop, 1);
	}
	wait(NULL);
	sell(seg, shop, 0);
	sell(seg, shop, 0);
	must(dure_segment_close(seg));
	return 0;
}
