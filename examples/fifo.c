/* SPDX-License-Identifier: MIT */
/*
 * fifo - a server behind a well-known FIFO: it gives numbered tickets to whoever asks
 *
 * The server is killed, without a chance to clean up. Its client is told by the kernel; the next
 * server takes the place of what was left, and when it goes nothing has stayed.
 */
#include <dure.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/dure-example-XXXXXX", path[64];

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "fifo: %s\n", dure_last_error());
	exit(1);
}

/* Serves a number of requests. */
static void serve(int requests)
{
	dure_fifo_server *server;

	must(dure_fifo_server_open(path, NULL, &server));
	for (int ticket = 1; ticket <= requests; ticket++) {
		struct dure_fifo_request who = { .sz = sizeof who };
		char request[64], answer[64];
		must(dure_fifo_server_next(server, request, sizeof request, DURE_S(10), &who));
		int length = snprintf(answer, sizeof answer, "ticket %d", ticket);
		int r = dure_fifo_server_answer(server, &who, answer, (size_t)length, DURE_S(1));
		if (r != -EPIPE)		/* a client may die while it waits */
			must(r);
	}
	dure_fifo_server_close(server);
}

static pid_t start_server(int requests)
{
	pid_t pid = fork();

	if (pid == 0) {
		serve(requests);
		_exit(0);
	}
	return pid;
}

static int ask(dure_fifo_client *client)
{
	char answer[64];
	int r = dure_fifo_client_ask(client, "ticket, please", 14, answer, sizeof answer, DURE_S(10));

	if (r >= 0)
		printf("%.*s\n", r, answer);
	return r;
}

static int count_names(void)
{
	DIR *names = opendir(directory);
	struct dirent *entry;
	int count = 0;

	while (names && (entry = readdir(names)))
		count += entry->d_name[0] != '.';
	if (names)
		closedir(names);
	return count;
}

int main(void)
{
	dure_fifo_client *client;

	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof path, "%s/tickets", directory);
	pid_t pid = start_server(1000);
	/* waits until there is a server */
	must(dure_fifo_client_open(path, NULL, DURE_S(10), &client));
	for (int i = 0; i < 3; i++)
		must(ask(client));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (ask(client) == -EPIPE)
		puts("the server was killed: its client is told at once");
	dure_fifo_client_close(client);
	fflush(stdout);
	pid = start_server(1);
	must(dure_fifo_client_open(path, NULL, DURE_S(10), &client));
	must(ask(client));
	waitpid(pid, NULL, 0);
	dure_fifo_client_close(client);
	printf("names left in the directory: %d\n", count_names());
	rmdir(directory);
	return 0;
}
