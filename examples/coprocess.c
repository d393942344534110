/* SPDX-License-Identifier: MIT */
/*
 * coprocess - add2, the classic coprocess: two numbers to a line, their sum comes back
 *
 * add2 uses stdio, and so holds its answers back when its output is a pipe. On a terminal it does
 * not: it is asked through a pseudo-terminal first, and through pipes with its input ended.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "coprocess: %s\n", dure_last_error());
	exit(1);
}

/* The coprocess itself: knows nothing of who reads it. */
static int add2(void)
{
	char line[128];
	int a, b;

	while (fgets(line, sizeof line, stdin))
		if (sscanf(line, "%d %d", &a, &b) == 2)
			printf("%d\n", a + b);
		else
			printf("invalid args\n");
	return 0;
}

static void converse(const char *const *myself)
{
	static const char *const questions[] = { "1 2", "20 22", "one two", "-5 5" };
	struct dure_coprocess_options terminal = { .sz = sizeof terminal,
						   .flags = DURE_COPROCESS_TERMINAL };
	dure_coprocess *adder;
	char answer[64];

	must(dure_coprocess_open(myself, NULL, &terminal, &adder));
	for (int i = 0; i < 4; i++) {
		must(dure_coprocess_ask(adder, questions[i], answer, sizeof answer, DURE_S(10)));
		printf("%s: %s\n", questions[i], answer);
	}
	must(dure_coprocess_close(adder));
}

/* More than fits in any pipe goes in before anything is read. */
static void add_many(const char *const *myself)
{
	enum { SUMS = 200000 };
	dure_coprocess *adder;
	char line[64];
	long total = 0;

	must(dure_coprocess_open(myself, NULL, NULL, &adder));
	for (int i = 0; i < SUMS; i++) {
		int length = snprintf(line, sizeof line, "%d 1\n", i);
		must(dure_coprocess_write(adder, line, (size_t)length, DURE_S(10)));
	}
	must(dure_coprocess_end_input(adder));
	for (int i = 0; i < SUMS; i++) {
		must(dure_coprocess_read_line(adder, line, sizeof line, DURE_S(10)));
		total += strtol(line, NULL, 10);
	}
	printf("%d sums, all together %ld\n", SUMS, total);
	must(dure_coprocess_close(adder));
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "add2") == 0)
		return add2();
	const char *const myself[] = { argv[0], "add2", NULL };
	converse(myself);
	add_many(myself);
	return 0;
}
