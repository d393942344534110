/* SPDX-License-Identifier: MIT */
/*
 * ported_mq - a program for POSIX message queues, line by line
 *
 * A log that is written by priority: a signal says that lines may have come, then all of them are
 * read. Each line that was POSIX' stands above the one that took its place. The limits of mq_open
 * are gone (a message may be as long as there is memory), and so is its race: who registers for
 * a signal, then finds nothing, misses nothing.
 */
#include <dure.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static dure_segment *seg;
static dure_queue *queue;

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "ported_mq: %s\n", dure_last_error());
	exit(1);
}

static void write_lines(void)
{
	static const struct { const char *line; unsigned priority; } lines[] = {
		{ "started", 1 }, { "disk is full", 9 }, { "stopped", 1 },
	};
	struct dure_queue_put put = { .sz = sizeof put };
	dure_tx *tx;

	must(dure_segment_reattach(seg));
	/* mq = mq_open("/log", O_WRONLY) */
	must(dure_queue_open(seg, "log", DURE_OPEN, NULL, &queue));
	/* all of them at once, or none: POSIX has no line for this */
	must(dure_tx_begin(seg, &tx));
	for (int i = 0; i < 3; i++) {
		/* mq_send(mq, line, length, priority) */
		put.priority = lines[i].priority;
		must(dure_queue_send(queue, lines[i].line, strlen(lines[i].line) + 1, &put, DURE_FOREVER));
	}
	must(dure_tx_commit(tx));
	_exit(0);
}

/* All that there is; how many. */
static int read_lines(void)
{
	struct dure_message message = { .sz = sizeof message };
	char line[200];
	int count = 0, r;

	/* while (mq_receive(mq, line, attr.mq_msgsize, &priority) >= 0), of an O_NONBLOCK queue */
	while ((r = dure_queue_receive(queue, NULL, line, sizeof line, &message, 0)) == 0) {
		printf("%u %s\n", message.priority, line);
		count++;
	}
	must(r == -EAGAIN ? 0 : r);
	return count;
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	/* struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 }; */
	struct dure_queue_notice notice = { .sz = sizeof notice, .signal = SIGUSR1,
					    .flags = DURE_QUEUE_NOTIFY_ALWAYS };
	/* struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 200 }; */
	struct dure_queue_options limits = { .sz = sizeof limits, .messages_max = 10,
					     .message_bytes_max = 200 };
	char line[200];
	sigset_t set;
	pid_t writer;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	/* mq = mq_open("/log", O_CREAT | O_EXCL | O_RDONLY, 0600, &attr) */
	must(dure_queue_open(seg, "log", DURE_CREATE, &limits, &queue));
	writer = fork();
	if (writer == 0)
		write_lines();
	waitpid(writer, NULL, 0);

	/* mq_notify(mq, &event): after each signal anew, and before the lines are read */
	must(dure_queue_notify(queue, &notice));
	read_lines();
	writer = fork();
	if (writer == 0)
		write_lines();
	for (int count = 0; count < 3; count += read_lines())
		sigwait(&set, &signal);
	waitpid(writer, NULL, 0);

	/* mq_timedreceive(mq, line, sizeof line, NULL, &in_a_moment), by the wall clock */
	if (dure_queue_receive(queue, NULL, line, sizeof line, NULL, 1000000) == -ETIMEDOUT)
		puts("nothing more");
	/* mq_close(mq); mq_unlink("/log") */
	dure_queue_close(queue);
	must(dure_queue_destroy(seg, "log"));
	must(dure_segment_close(seg));
	return 0;
}
