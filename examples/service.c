/* SPDX-License-Identifier: MIT */
/*
 * service - clients and servers, and servers that are killed all the time
 *
 * A server squares numbers until it is killed; then the parent starts another one. A request that
 * a dead server had goes to the next, so each client gets all its answers. A client that will not
 * have anything done twice says so, and is told of the death instead.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 2, SERVERS = 2, CALLS = 2000 };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "service: %s\n", dure_last_error());
	exit(1);
}

static dure_service *join(const char *name)
{
	dure_service *service;
	dure_segment *seg;

	must(dure_segment_open(name, DURE_OPEN, NULL, &seg));
	must(dure_service_open(seg, "squares", DURE_OPEN, NULL, &service));
	return service;
}

/* Until it is killed, or the service is shut and has nothing more. */
static void serve(const char *name)
{
	struct dure_request request = { .sz = sizeof request };
	dure_service *service = join(name);
	long number;

	while (dure_service_take(service, NULL, &number, sizeof number, &request, DURE_FOREVER) == 0) {
		number *= number;
		must(dure_service_reply(service, &request, &number, sizeof number, 0));
	}
	exit(0);
}

static void call_often(const char *name)
{
	dure_service *service = join(name);
	long wrong = 0, square;

	for (long i = 0; i < CALLS; i++) {
		must(dure_service_call(service, &i, sizeof i, NULL, &square, sizeof square,
				       DURE_FOREVER, NULL));
		wrong += square != i * i;
	}
	exit(wrong != 0);
}

static pid_t start(void (*program)(const char *name), const char *name)
{
	pid_t pid = fork();

	if (pid == 0)
		program(name);
	return pid;
}

/* One that takes the request, and dies with it. */
static void die_in_the_middle(const char *name)
{
	struct dure_request request = { .sz = sizeof request };

	must(dure_service_take(join(name), NULL, NULL, 0, &request, DURE_FOREVER));
	kill(getpid(), SIGKILL);
}

static void ask_once(dure_service *service, const char *name)
{
	struct dure_ask how = { .sz = sizeof how, .attempts_max = 1 };
	long number = 7, square;
	pid_t server = start(die_in_the_middle, name);
	int r = dure_service_call(service, &number, sizeof number, &how, &square, sizeof square,
				  DURE_FOREVER, NULL);

	waitpid(server, NULL, 0);
	printf("not to be done twice: %s\n", dure_strerror(r));
}

int main(void)
{
	char name[40];
	pid_t clients[CLIENTS], servers[SERVERS];
	int running = CLIENTS, status, answered = 0;
	dure_service *service;
	dure_segment *seg;

	snprintf(name, sizeof name, "service-%d", (int)getpid());
	must(dure_segment_open(name, DURE_CREATE, NULL, &seg));
	must(dure_service_open(seg, "squares", DURE_CREATE, NULL, &service));
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = start(call_often, name);
	for (int i = 0; i < SERVERS; i++)
		servers[i] = start(serve, name);
	for (int i = 0; running; i = (i + 1) % SERVERS) {
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		kill(servers[i], SIGKILL);
		waitpid(servers[i], NULL, 0);
		servers[i] = start(serve, name);
		for (int k = 0; k < CLIENTS; k++)
			if (clients[k] && waitpid(clients[k], &status, WNOHANG) == clients[k]) {
				answered += WIFEXITED(status) && WEXITSTATUS(status) == 0;
				clients[k] = 0;
				running--;
			}
	}
	printf("clients with all their answers: %d of %d\n", answered, CLIENTS);
	for (int i = 0; i < SERVERS; i++) {
		kill(servers[i], SIGKILL);
		waitpid(servers[i], NULL, 0);
	}
	ask_once(service, name);
	dure_service_close(service);
	must(dure_service_destroy(seg, "squares"));
	must(dure_segment_close(seg));
	must(dure_segment_remove(name, 0, NULL));
	return answered != CLIENTS;
}
