/* SPDX-License-Identifier: MIT */
/*
 * turns - TELL and WAIT: parent and child add to a shared counter in turn, without signals
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURNS = 1000 };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "turns: %s\n", dure_last_error());
	exit(1);
}

/* Adds one to a counter that must be what it was left at. */
static void take_turn(int *counter, int expected)
{
	if (*counter != expected) {
		fprintf(stderr, "turns: %d, not %d\n", *counter, expected);
		exit(1);
	}
	(*counter)++;
}

int main(void)
{
	int *counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dure_handshake *h;

	if (counter == MAP_FAILED)
		return 1;
	must(dure_handshake_open(&h));
	pid_t pid = fork();
	for (int i = 0; i < TURNS; i++) {
		if (pid == 0)
			must(dure_handshake_wait(h, DURE_S(10)));
		take_turn(counter, 2 * i + (pid == 0));
		must(dure_handshake_tell(h));
		if (pid != 0)
			must(dure_handshake_wait(h, DURE_S(10)));
	}
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	printf("%d turns each: %d\n", TURNS, *counter);
	/* the child is gone: who waits for it is told so */
	printf("one more: %s\n",
	       dure_handshake_wait(h, DURE_FOREVER) == -EPIPE ? "the other is gone" : "?");
	dure_handshake_close(h);
	return 0;
}
