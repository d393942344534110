/* SPDX-License-Identifier: MIT */
/*
 * prompt - a filter with a prompt: what we read comes through a program, what it asks for does not
 *
 * The program reads our standard input, here in the place of a user, and passes it on in small
 * letters. Its prompt goes to our standard output, past us.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "prompt: %s\n", dure_last_error());
	exit(1);
}

/* A user who types three lines. */
static void type(const char *text)
{
	int fds[2];

	if (pipe(fds) < 0 || dup2(fds[0], STDIN_FILENO) < 0 ||
	    write(fds[1], text, strlen(text)) != (ssize_t)strlen(text))
		exit(1);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const char *const filter_line[] = { "while printf '> ' >&2 && read -r line; do "
					    "echo \"$line\" | tr A-Z a-z; done; echo >&2", NULL };
	struct dure_process_options shell = { .sz = sizeof shell, .flags = DURE_PROCESS_SHELL,
					      .errors = DURE_STREAM_FD, .errors_fd = STDOUT_FILENO };
	dure_filter *filter;
	char line[128], all[512] = "";

	type("SHOUTED\nMixed Case\nquiet\n");
	must(dure_filter_open(STDIN_FILENO, DURE_FILTER_READS, filter_line, &shell, &filter));
	while (fgets(line, sizeof line, stdin))
		strcat(all, line);
	must(dure_filter_close(filter, DURE_S(10)));
	printf("%s", all);
	return 0;
}
