/* SPDX-License-Identifier: MIT */
/*
 * logbook - many processes write lines, one keeps the book; writers are killed
 *
 * Each writer has a lane of its own, so none waits for another. There are two lanes for eight
 * writers: each of them is killed after its last line, and the next one goes on in its lane. No line
 * is lost, and those of a writer come in their order.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 8, LANES = 2, LINES = 2000 };

struct line { uint32_t writer, number; char text[56]; };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "logbook: %s\n", dure_last_error());
	exit(1);
}

static void write_lines(dure_segment *seg, uint32_t writer)
{
	dure_lanes *lanes;
	struct line *line;

	must(dure_segment_reattach(seg));
	must(dure_lanes_open(seg, "log", DURE_OPEN, NULL, DURE_LANES_SENDER, DURE_S(20), &lanes));
	for (uint32_t i = 0; i < LINES; i++) {
		must(dure_lanes_reserve(lanes, sizeof *line, (void **)&line, DURE_S(20)));
		line->writer = writer;
		line->number = i;
		snprintf(line->text, sizeof line->text, "writer %u, line %u", writer, i);
		must(dure_lanes_publish(lanes));
	}
	raise(SIGKILL);
}

static void start_writers(dure_segment *seg, pid_t *pids)
{
	for (uint32_t i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			write_lines(seg, i);
	}
}

/* Until each writer's last line is there. */
static uint32_t keep_book(dure_lanes *book)
{
	uint32_t next[WRITERS] = { 0 }, lines = 0, lane;
	struct line line;
	size_t bytes;

	for (; lines < WRITERS * LINES; lines++) {
		must(dure_lanes_receive(book, &line, sizeof line, &bytes, &lane, DURE_S(20)));
		if (line.writer >= WRITERS || line.number != next[line.writer]++ || lane >= LANES)
			must(-EUCLEAN);
	}
	return lines;
}

int main(void)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	struct dure_lanes_options two = { .sz = sizeof two, .bytes = 4096, .senders_max = LANES };
	struct dure_lanes_info info = { .sz = sizeof info };
	pid_t pids[WRITERS];
	dure_segment *seg;
	dure_lanes *book;

	must(dure_segment_open(NULL, DURE_CREATE, &o, &seg));
	must(dure_lanes_open(seg, "log", DURE_CREATE, &two, DURE_LANES_RECEIVER, 0, &book));
	start_writers(seg, pids);
	printf("lines received    %u, each writer's in their order\n", keep_book(book));
	for (int i = 0; i < WRITERS; i++)
		waitpid(pids[i], NULL, 0);
	must(dure_lanes_info(book, &info));
	printf("lanes             %u, for %d writers that were killed\n", info.senders_max, WRITERS);
	printf("senders now       %u, bytes left %llu\n", info.senders, (unsigned long long)info.bytes);
	dure_lanes_close(book);
	must(dure_lanes_destroy(seg, "log"));
	must(dure_segment_close(seg));
	return 0;
}
