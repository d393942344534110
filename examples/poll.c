/* SPDX-License-Identifier: MIT */
/*
 * poll - an event loop around epoll that serves shared semaphores beside a pipe
 *
 * The parent waits in epoll, and nowhere else, for work that a child posts on a semaphore, and for a
 * word through a pipe. Another child is killed: the units it had come back, and the loop hears of
 * that, too.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

struct shop {
	dure_semaphore orders;
	dure_semaphore tools;
};

static dure_segment *seg;
static struct shop *shop;

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "poll: %s\n", dure_last_error());
	exit(1);
}

/* Takes the tools, says so, and is killed with them in its hands. */
static pid_t borrow_tools(int pipe_end)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	must(dure_segment_reattach(seg));
	must(dure_semaphore_take(seg, &shop->tools, 2, 0, DURE_FOREVER));
	if (write(pipe_end, "t", 1) != 1)
		exit(1);
	for (;;)
		pause();
}

static pid_t order(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	must(dure_segment_reattach(seg));
	for (int i = 0; i < 3; i++)
		must(dure_semaphore_post(seg, &shop->orders, 1));
	exit(0);
}

static int add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Until something is ready; words through the pipe are dealt with meanwhile. */
static void wait_for_more(int epoll, int pipe_end, pid_t borrower, uint32_t *item_count)
{
	struct epoll_event event;
	char byte;

	if (epoll_wait(epoll, &event, 1, 10000) != 1)
		exit(1);
	if (event.data.fd != pipe_end || read(pipe_end, &byte, 1) != 1)
		return;
	kill(borrower, SIGKILL);	/* it has the tools: now we want them */
	*item_count = 2;
}

static void serve(dure_poll *poller, int epoll, int pipe_end, pid_t borrower)
{
	struct dure_wait_item items[] = {
		{ .object = &shop->orders, .kind = DURE_WAIT_UNITS },
		{ .object = &shop->tools, .kind = DURE_WAIT_UNITS, .units = 2 },
	};
	uint32_t item_count = 1;
	int orders = 0, tools = 0;

	while (orders < 3 || tools < 2) {
		int ready = dure_poll_look(poller, items, item_count);
		must(ready);
		if (ready == 0)
			wait_for_more(epoll, pipe_end, borrower, &item_count);
		else if (dure_semaphore_take(seg, &shop->orders, 1, DURE_TAKE_FOR_GOOD, 0) == 0)
			orders++;
		else if (item_count == 2 && dure_semaphore_take(seg, &shop->tools, 2, 0, 0) == 0)
			tools += 2;
	}
	must(dure_semaphore_post(seg, &shop->tools, 2));
	printf("%d orders, and %d tools of one who died\n", orders, tools);
}

int main(void)
{
	dure_poll *poller;
	int fds[2], epoll = epoll_create1(EPOLL_CLOEXEC);

	dure_segment_remove("example-poll", DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open("example-poll", DURE_CREATE, NULL, &seg));
	must(dure_object_construct(seg, "shop", DURE_TYPE(struct shop), 1, NULL, NULL,
				   (void **)&shop));
	must(dure_semaphore_init(seg, &shop->tools, 2));
	must(dure_poll_open(seg, &poller));
	if (epoll < 0 || pipe(fds) < 0 || add(epoll, fds[0]) < 0 ||
	    add(epoll, dure_poll_fd(poller)) < 0)
		return 1;
	pid_t borrower = borrow_tools(fds[1]);
	order();
	serve(poller, epoll, fds[0], borrower);
	while (wait(NULL) > 0)
		;
	dure_poll_close(poller);
	must(dure_segment_close(seg));
	must(dure_segment_remove("example-poll", 0, NULL));
	return 0;
}
