/* SPDX-License-Identifier: MIT */
/*
 * setup - something to be done once, by whoever lives to do it
 *
 * The first worker is told to do it, and is killed half way. The others wait for it meanwhile; one
 * of them is told that somebody died, and does it anew.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, ENTRIES = 1000 };

struct table {
	dure_once ready;
	int done, taken_over;
	int squares[ENTRIES];
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "setup: %s\n", dure_last_error());
	exit(1);
}

/* dies: half way */
static void fill(struct table *table, int dies)
{
	for (int i = 0; i < ENTRIES; i++) {
		if (dies && i == ENTRIES / 2)
			kill(getpid(), SIGKILL);
		table->squares[i] = i * i;
	}
	table->done++;
}

static int use(dure_segment *seg, struct table *table, int dies)
{
	int r = dure_once_begin(seg, &table->ready, DURE_FOREVER);

	must(r);
	if (r > 0) {
		table->taken_over = r == DURE_OWNER_DIED;
		fill(table, dies);
		must(dure_once_end(seg, &table->ready));
	}
	return table->squares[ENTRIES - 1];
}

static void start(dure_segment *seg, struct table *table, int dies)
{
	if (fork())
		return;
	must(dure_segment_reattach(seg));
	_exit(use(seg, table, dies) != (ENTRIES - 1) * (ENTRIES - 1));
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct table *table;
	dure_segment *seg;
	int status, good = 0;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "table", DURE_TYPE(struct table), 1, NULL, NULL,
				   (void **)&table));
	start(seg, table, 1);
	wait(&status);
	printf("the first worker was killed by signal %d\n", WTERMSIG(status));
	for (int i = 0; i < WORKERS; i++)
		start(seg, table, 0);
	while (wait(&status) > 0)
		good += status == 0;
	printf("%d others found the table complete; it was completed %d time, taken over: %s\n", good,
	       table->done, table->taken_over ? "yes" : "no");
	must(dure_segment_close(seg));
	return 0;
}
