/* SPDX-License-Identifier: MIT */
/*
 * letters - a System V queue as a post office: urgent letters first, answers by the asker's number
 *
 * Types below 10 are for the server, the lowest first; an answer's type is the asker's pid, so each
 * takes its own. Every wait has a timeout, which System V alone does not know.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { URGENT = 1, ORDINARY = 5, FOR_SERVER = -9, CLIENTS = 3 };

struct letter {
	long from;
	char text[32];
};

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "letters: %s\n", dure_last_error());
	exit(1);
}

static void ask(int32_t queue, int number)
{
	struct letter letter = { .from = getpid() };
	char answer[32];

	snprintf(letter.text, sizeof letter.text, "question %d", number);
	must(dure_sysv_msg_send(queue, ORDINARY, &letter, sizeof letter, DURE_S(20)));
	int n = must(dure_sysv_msg_receive(queue, letter.from, 0, answer, sizeof answer, DURE_S(20),
					   NULL));
	exit(strncmp(answer, letter.text, (size_t)n) == 0 ? 0 : 1);
}

/* Answers until the urgent letter comes; returns how many it answered. */
static int serve(int32_t queue)
{
	struct letter letter;
	int64_t type = 0;
	int answered = 0;

	for (;; answered++) {
		must(dure_sysv_msg_receive(queue, FOR_SERVER, 0, &letter, sizeof letter, DURE_S(20),
					   &type));
		if (type == URGENT)
			return answered;
		must(dure_sysv_msg_send(queue, letter.from, letter.text, strlen(letter.text),
					DURE_S(20)));
	}
}

int main(void)
{
	struct letter close_the_office = { .from = getpid(), .text = "close" };
	int32_t queue;
	int status, satisfied = 0;

	must(dure_sysv_msg_get(DURE_SYSV_PRIVATE, DURE_CREATE, NULL, &queue));
	pid_t server = fork();
	if (server == 0)
		exit(serve(queue));
	for (int i = 0; i < CLIENTS; i++)
		if (fork() == 0)
			ask(queue, i);
	for (int i = 0; i < CLIENTS; i++) {
		/* the server goes on, so this is a client */
		wait(&status);
		satisfied += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	must(dure_sysv_msg_send(queue, URGENT, &close_the_office, sizeof close_the_office, 0));
	waitpid(server, &status, 0);
	printf("clients with their own answer  %d\n", satisfied);
	printf("letters answered               %d\n", WEXITSTATUS(status));
	must(dure_sysv_remove(DURE_SYSV_MSG, queue));
	return 0;
}
