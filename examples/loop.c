/* SPDX-License-Identifier: MIT */
/*
 * loop - one poll loop for all of it: programs, pipes, a FIFO, queues, a parent and its child
 *
 * Everything that can be waited for has a descriptor. System V's objects have none, in the kernel:
 * while the loop expects something of them its poll ends every few milliseconds, and looks.
 */
#include <dure.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROGRAM, ANSWER, FIFO, QUEUE, HANDSHAKE, PIPE, DESCRIPTORS, SYSV = DESCRIPTORS, ALL };
enum { LOOK_MS = 4 };

static const char *const kinds[ALL] = { "the end of a program", "a coprocess' answer",
					"a request through a FIFO", "a POSIX message",
					"a child's handshake", "a message through a pipe",
					"a System V message" };

struct loop {
	dure_process *program;
	dure_coprocess *calculator;
	dure_fifo_server *server;
	dure_handshake *handshake;
	dure_receiver *receiver;
	int queue, ends[2];
	int32_t sysv;
	char fifo[48], name[48];
};

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "loop: %s\n", dure_last_error());
	exit(1);
}

static void open_all(struct loop *l)
{
	struct dure_posix_queue_options queue = { .sz = sizeof queue, .message_bytes = 64 };

	snprintf(l->fifo, sizeof l->fifo, "/tmp/dure-loop-%d", (int)getpid());
	snprintf(l->name, sizeof l->name, "/dure-loop-%d", (int)getpid());
	must(dure_process_start((const char *const[]){ "sleep", "0.01", NULL }, NULL, &l->program));
	must(dure_coprocess_open((const char *const[]){ "bc", NULL }, NULL, NULL, &l->calculator));
	must(dure_coprocess_write(l->calculator, "6 * 7\n", 6, DURE_S(20)));
	must(dure_fifo_server_open(l->fifo, NULL, &l->server));
	must(dure_posix_queue_open(l->name, DURE_CREATE, &queue, &l->queue));
	must(dure_handshake_open(&l->handshake));
	must(dure_pipe_open(NULL, l->ends));
	must(dure_receiver_open(l->ends[0], NULL, &l->receiver));
	must(dure_sysv_msg_get(DURE_SYSV_PRIVATE, DURE_CREATE, NULL, &l->sysv));
}

/* A child that says something through all of them. */
static void say_all(struct loop *l)
{
	dure_fifo_client *client;

	must(dure_fifo_client_open(l->fifo, NULL, DURE_S(20), &client));
	must(dure_fifo_client_send(client, "hello", 5, DURE_S(20)));
	must(dure_posix_queue_send(l->queue, "hello", 5, 1, DURE_S(20)));
	must(dure_pipe_send(l->ends[1], "hello", 5, DURE_S(20)));
	must(dure_sysv_msg_send(l->sysv, 1, "hello", 5, DURE_S(20)));
	must(dure_handshake_tell(l->handshake));
	/* its answer's FIFO stays until it is read */
	must(dure_handshake_wait(l->handshake, DURE_S(20)));
	dure_fifo_client_close(client);
	exit(0);
}

/* Takes what has come of a kind, without waiting. -EAGAIN: nothing has */
static int take(struct loop *l, int kind)
{
	struct dure_fifo_request request = { .sz = sizeof request };
	char bytes[64];

	switch (kind) {
	case PROGRAM:
		return dure_process_wait(l->program, 0);
	case ANSWER:
		return dure_coprocess_read_line(l->calculator, bytes, sizeof bytes, 0);
	case FIFO:
		return dure_fifo_server_next(l->server, bytes, sizeof bytes, 0, &request);
	case QUEUE:
		return dure_posix_queue_receive(l->queue, bytes, sizeof bytes, 0, NULL);
	case HANDSHAKE:
		return dure_handshake_wait(l->handshake, 0);
	case PIPE:
		return dure_receiver_next(l->receiver, bytes, sizeof bytes, 0);
	default:
		return dure_sysv_msg_receive(l->sysv, 0, 0, bytes, sizeof bytes, 0, NULL);
	}
}

static void run(struct loop *l, int came[ALL])
{
	struct pollfd polled[DESCRIPTORS] = {
		[PROGRAM] = { .fd = must(dure_process_fd(l->program)), .events = POLLIN },
		[ANSWER] = { .fd = must(dure_coprocess_fd(l->calculator)), .events = POLLIN },
		[FIFO] = { .fd = must(dure_fifo_server_fd(l->server)), .events = POLLIN },
		[QUEUE] = { .fd = l->queue, .events = POLLIN },
		[HANDSHAKE] = { .fd = must(dure_handshake_fd(l->handshake)), .events = POLLIN },
		[PIPE] = { .fd = l->ends[0], .events = POLLIN },
	};

	for (int left = ALL; left > 0;) {
		if (poll(polled, DESCRIPTORS, came[SYSV] ? 20000 : LOOK_MS) < 0)
			exit(1);
		for (int kind = 0; kind < ALL; kind++) {
			if (came[kind] || (kind != SYSV && !polled[kind].revents) ||
			    take(l, kind) < 0)
				continue;
			came[kind] = 1;
			left--;
			if (kind != SYSV)
				polled[kind].fd = -1;
		}
	}
}

static void close_all(struct loop *l)
{
	must(dure_process_close(l->program));
	must(dure_coprocess_close(l->calculator));
	dure_fifo_server_close(l->server);
	close(l->queue);
	must(dure_posix_remove(DURE_POSIX_QUEUE, l->name));
	dure_handshake_close(l->handshake);
	dure_receiver_close(l->receiver);
	close(l->ends[0]);
	close(l->ends[1]);
	must(dure_sysv_remove(DURE_SYSV_MSG, l->sysv));
}

int main(void)
{
	struct loop loop;
	int came[ALL] = { 0 };

	open_all(&loop);
	pid_t pid = fork();
	if (pid == 0)
		say_all(&loop);
	run(&loop, came);
	must(dure_handshake_tell(loop.handshake));
	waitpid(pid, NULL, 0);
	close_all(&loop);
	for (int kind = 0; kind < ALL; kind++)
		printf("%-26s %s\n", kinds[kind], came[kind] ? "has come" : "has not come");
	return 0;
}
