/* SPDX-License-Identifier: MIT */
/*
 * inbox - one poll loop for a queue of jobs, a topic of news, and a socket
 *
 * Each has a descriptor. When one is readable, what is there is received without waiting, until
 * there is nothing more. While nothing comes, the loop sleeps in the kernel.
 */
#include <dure.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EACH = 100 };

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "inbox: %s\n", dure_last_error());
	exit(1);
}

static void produce(dure_segment *seg, int socket)
{
	dure_queue *jobs;
	dure_topic *news;

	must(dure_segment_reattach(seg));
	must(dure_queue_open(seg, "jobs", DURE_OPEN, NULL, &jobs));
	must(dure_topic_open(seg, "news", DURE_OPEN, NULL, &news));
	for (int i = 0; i < EACH; i++) {
		must(dure_queue_send(jobs, &i, sizeof i, NULL, DURE_S(20)));
		must(dure_topic_send(news, &i, sizeof i, DURE_S(20)));
		must(write(socket, "x", 1) == 1 ? 0 : -EIO);
		if (i % 10 == 0)
			usleep(1000);
	}
	exit(0);
}

int main(void)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	struct dure_topic_options keep_all = { .sz = sizeof keep_all, .messages_max = EACH };
	int sockets[2], value, jobs_done = 0, news_read = 0, bytes_read = 0;
	dure_subscriber *subscriber;
	dure_segment *seg;
	dure_queue *jobs;
	dure_topic *news;
	char c;

	must(dure_segment_open(NULL, DURE_CREATE, &o, &seg));
	must(dure_queue_open(seg, "jobs", DURE_CREATE, NULL, &jobs));
	must(dure_topic_open(seg, "news", DURE_CREATE, &keep_all, &news));
	must(dure_topic_subscribe(news, NULL, &subscriber));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0 ? 0 : -errno);
	if (fork() == 0)
		produce(seg, sockets[1]);
	struct pollfd fds[] = {
		{ .fd = must(dure_queue_fd(jobs)), .events = POLLIN },
		{ .fd = must(dure_subscriber_fd(subscriber)), .events = POLLIN },
		{ .fd = sockets[0], .events = POLLIN },
	};
	while (jobs_done + news_read + bytes_read < 3 * EACH && poll(fds, 3, 20000) > 0) {
		while (dure_queue_receive(jobs, NULL, &value, sizeof value, NULL, 0) == 0)
			jobs_done++;
		while (dure_subscriber_receive(subscriber, &value, sizeof value, NULL, 0) == 0)
			news_read++;
		while (read(sockets[0], &c, 1) == 1)
			bytes_read++;
	}
	printf("jobs %d, news %d, bytes %d\n", jobs_done, news_read, bytes_read);
	wait(NULL);
	dure_subscriber_close(subscriber);
	dure_topic_close(news);
	dure_queue_close(jobs);
	return must(dure_segment_close(seg));
}
