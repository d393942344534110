/* SPDX-License-Identifier: MIT */
/*
 * reports - many senders on one pipe, with messages longer than a pipe writes in one piece
 *
 * write(2) keeps up to 4096 bytes together; what is longer gets mixed up with others'. Here each
 * report of 100,000 bytes arrives whole. One sender is killed in the middle of its last: that
 * one never arrives, and hurts no other.
 */
#include <dure.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SENDERS = 4, REPORTS = 10, REPORT_BYTES = 100000 };

static char report[REPORT_BYTES];

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "reports: %s\n", dure_last_error());
	exit(1);
}

/* Each report is one letter, over and over: the sender's. */
static void send_reports(int pipe, int sender)
{
	memset(report, 'a' + sender, sizeof report);
	for (int i = 0; i < REPORTS; i++)
		must(dure_pipe_send(pipe, report, sizeof report, DURE_S(20)));
	if (sender == 0) {
		/* as much as goes into the pipe at once, and then death */
		if (dure_pipe_send(pipe, report, sizeof report, 0) != -EAGAIN)
			exit(0);
		raise(SIGKILL);
	}
	exit(0);
}

static int is_one_senders(int length)
{
	for (int i = 1; i < length; i++)
		if (report[i] != report[0])
			return 0;
	return length == REPORT_BYTES;
}

int main(void)
{
	struct dure_pipe_options options = { .sz = sizeof options, .flags = DURE_PIPE_NONBLOCKING };
	dure_receiver *receiver;
	int ends[2], r, whole = 0, mixed = 0;

	must(dure_pipe_open(&options, ends));
	for (int i = 0; i < SENDERS; i++)
		if (fork() == 0)
			send_reports(ends[1], i);
	close(ends[1]);
	must(dure_receiver_open(ends[0], NULL, &receiver));
	while ((r = dure_receiver_next(receiver, report, sizeof report, DURE_S(20))) >= 0) {
		whole += is_one_senders(r);
		mixed += !is_one_senders(r);
	}
	printf("reports that arrived whole  %s\n", whole >= SENDERS * REPORTS ? "all" : "not all");
	printf("mixed up                    %d\n", mixed);
	printf("the end                     %s\n", r == -EPIPE ? "all senders are gone" : dure_last_error());
	dure_receiver_close(receiver);
	close(ends[0]);
	while (wait(NULL) > 0)
		;
	return 0;
}
