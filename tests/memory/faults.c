/* SPDX-License-Identifier: MIT */
/*
 * faults - one fault of memory that tests/memory/check must find, named by the program's own name
 *
 * The fault's name is what follows "faults-" in argv[0]: the check gives a program no arguments.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int sink;
static void *volatile kept;

static void use_unwritten(void)
{
	kept = malloc(64);	/* by way of kept: the compiler does not see it either */
	if (kept && *(int *)kept == 7)
		sink = 1;
	free(kept);
}

static void lose_block(void)
{
	kept = malloc(4711);
	kept = NULL;
}

/* the child ends with 0, and nobody asks valgrind about it */
static void use_unwritten_in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		use_unwritten();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void lose_block_in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		lose_block();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '-') : NULL;

	if (!name)
		return 2;
	if (strcmp(name, "-unwritten") == 0)
		use_unwritten();
	else if (strcmp(name, "-lost") == 0)
		lose_block();
	else if (strcmp(name, "-child") == 0)
		use_unwritten_in_child();
	else if (strcmp(name, "-killed") == 0)
		lose_block_in_child();
	return 0;
}
