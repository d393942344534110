/* SPDX-License-Identifier: MIT */
/*
 * latest - a sensor whose readers want what is, not what was
 *
 * A writer replaces the value again and again until it is killed in the middle; readers never wait
 * for it, and never see half of a value. Who wants to, waits for a newer one.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 50, READS = 2000 };

struct position { double x, y, sum; };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "latest: %s\n", dure_last_error());
	exit(1);
}

static void measure(dure_segment *seg)
{
	dure_board *board;

	must(dure_segment_reattach(seg));
	must(dure_board_open(seg, "position", DURE_OPEN, NULL, &board));
	for (double i = 0;; i++) {
		struct position *p;
		must(dure_board_reserve(board, DURE_FOREVER, (void **)&p));
		*p = (struct position){ i, i * 2, i * 3 };
		must(dure_board_publish(board, sizeof *p, NULL));
	}
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_board_options room = { .sz = sizeof room, .bytes = sizeof(struct position) };
	int torn = 0;
	struct position p;
	dure_segment *seg;
	dure_board *board;
	uint64_t version = 0;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_board_open(seg, "position", DURE_CREATE, &room, &board));
	for (int i = 0; i < KILLS; i++) {
		pid_t writer = fork();
		if (writer == 0)
			measure(seg);
		must(dure_board_wait(board, version, DURE_FOREVER));
		for (int k = 0; k < READS; k++) {
			must(dure_board_read(board, &p, sizeof p, NULL, &version));
			torn += p.x + p.y != p.sum;
		}
		kill(writer, SIGKILL);
		waitpid(writer, NULL, 0);
		must(dure_board_read(board, &p, sizeof p, NULL, &version));
		torn += p.x + p.y != p.sum;
	}
	printf("writers killed: %d, values that were not whole: %d\n", KILLS, torn);
	dure_board_close(board);
	must(dure_segment_close(seg));
	return torn != 0;
}
