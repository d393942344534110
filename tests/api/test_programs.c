/* SPDX-License-Identifier: MIT */
/* Description: programs that everybody has, at the other end: pagers with a user at the keyboard,
   calculators, interpreters, sort. */
#include "process.h"

#define PATIENCE DURE_S(20)

enum { ROWS = 24, SCREEN_BYTES = 1 << 13 };

static dure_coprocess *open_on_terminal(const char *const *words)
{
	struct dure_coprocess_options o = { .sz = sizeof o, .flags = DURE_COPROCESS_TERMINAL,
					    .rows = ROWS, .columns = 80 };
	dure_coprocess *c;

	T_OK(dure_coprocess_open(words, NULL, &o, &c));
	return c;
}

/* -- pagers ------------------------------------------------------------------------------------ */

/*
 * What the test runs on a terminal: a program whose output goes through a pager. It prints until
 * the pager quits, or count lines; then it has its output back.
 */
static int print_through(const char *pager, int count)
{
	dure_filter *filter;
	char line[32];
	int r = dure_filter_open(1, DURE_FILTER_WRITES, WORDS(pager), NULL, &filter);
	int lines = 0;

	if (r < 0)
		return puts(dure_last_error()), 1;
	while (r >= 0 && lines < count) {
		int length = snprintf(line, sizeof line, "line %d.\n", ++lines);
		r = dure_filter_write(filter, line, (size_t)length, DURE_FOREVER);
	}
	int status = dure_filter_close(filter, PATIENCE);
	printf("result %d, status %d, %s lines\n", r < 0 ? r : 0, status,
	       lines < count ? "fewer" : "all");
	return 0;
}

/* What is on the screen so far, until text is among it. */
static void await_on_screen(dure_coprocess *c, char *screen, const char *text)
{
	size_t used = strlen(screen);

	while (!strstr(screen, text)) {
		assert_true(used < SCREEN_BYTES - 1);
		int r = dure_coprocess_read(c, screen + used, SCREEN_BYTES - 1 - used, PATIENCE);
		if (r <= 0)
			fail_msg("%d, and no \"%s\" on the screen: %s", r, text, screen);
		used += (size_t)r;
		screen[used] = '\0';
	}
}

static void press(dure_coprocess *c, const char *keys)
{
	T_IS(dure_coprocess_write(c, keys, strlen(keys), PATIENCE), (int)strlen(keys));
}

/* The user looks at two screens, and has seen enough. */
static void a_user_leaves(const char *pager)
{
	char screen[SCREEN_BYTES] = "", last[16], next[16];

	snprintf(last, sizeof last, "line %d.", ROWS - 1);
	snprintf(next, sizeof next, "line %d.", ROWS + 1);
	dure_coprocess *c = open_on_terminal(WORDS("/proc/self/exe", "print", pager, "1000000"));
	await_on_screen(c, screen, last);
	assert_non_null(strstr(screen, "line 1."));
	assert_null(strstr(screen, next));
	press(c, " ");
	await_on_screen(c, screen, next);
	press(c, "q");
	await_on_screen(c, screen, "lines\n");
	assert_non_null(strstr(screen, "result -32, status 0, fewer lines\n"));
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
}

static void less_is_left(void **state)
{
	(void)state;
	if (system("less --version >/dev/null 2>&1") != 0) {
		print_message("there is no less: install less\n");
		skip();
	}
	a_user_leaves("less");
}

static void more_is_left(void **state)
{
	(void)state;
	a_user_leaves("more");
}

/* All is printed before the user has seen it; the program waits for the user all the same. */
static void a_short_text_waits_for_its_user(void **state)
{
	char screen[SCREEN_BYTES] = "";

	(void)state;
	dure_coprocess *c = open_on_terminal(WORDS("/proc/self/exe", "print", "more", "3"));
	await_on_screen(c, screen, "line 3.");
	await_on_screen(c, screen, "--More--");
	T_IS(dure_process_wait(dure_coprocess_process(c), 0), -EAGAIN);
	press(c, "q");
	await_on_screen(c, screen, "lines\n");
	assert_non_null(strstr(screen, "result 0, status 0, all lines\n"));
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
}

/* -- conversations ------------------------------------------------------------------------------ */

static void answers(dure_coprocess *c, const char *question, const char *expected)
{
	char answer[256];
	int r = dure_coprocess_ask(c, question, answer, sizeof answer, PATIENCE);

	T_OK(r);
	assert_string_equal(answer, expected);
}

static void perl_says_what_it_is_told(void **state)
{
	dure_coprocess *c;

	(void)state;
	T_OK(dure_coprocess_open(WORDS("perl", "-ne", "BEGIN { $| = 1 } chomp; print eval, qq{\\n}"),
				 NULL, NULL, &c));
	answers(c, "6 * 7", "42");
	answers(c, "join '-', sort qw(c a b)", "a-b-c");
	answers(c, "$n++ for 1 .. 1000; $n", "1000");
	answers(c, "exit 7 if 0; 'still here'", "still here");
	T_IS(dure_coprocess_write(c, "exit 7\n", 7, PATIENCE), 7);
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 7);
	T_IS(dure_coprocess_close(c), 7);
}

/* its output is buffered where it is a pipe; nobody tells it otherwise */
static void python_answers_on_a_terminal(void **state)
{
	const char *program = "import sys\nfor line in sys.stdin: print(line.strip()[::-1])";

	(void)state;
	dure_coprocess *c = open_on_terminal(WORDS("python3", "-c", program));
	answers(c, "stressed", "desserts");
	answers(c, "", "");
	answers(c, "drawer", "reward");
	T_OK(dure_coprocess_end_input(c));
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
}

static void bc_counts_in_long_numbers(void **state)
{
	dure_coprocess *c;

	(void)state;
	T_OK(dure_coprocess_open(WORDS("bc", "-l"), NULL, NULL, &c));
	answers(c, "scale = 5; 1 / 3", ".33333");
	answers(c, "2 ^ 100", "1267650600228229401496703205376");
	T_OK(dure_coprocess_end_input(c));
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
}

/* sort says nothing before it has read all, and then more than a pipe holds */
static void sort_reads_all_and_then_answers(void **state)
{
	enum { COUNT = 100000 };
	char line[32], expected[32];
	dure_coprocess *c;

	(void)state;
	T_OK(dure_coprocess_open(WORDS("sort"), NULL, NULL, &c));
	for (int i = 0; i < COUNT; i++) {
		int length = snprintf(line, sizeof line, "%08d\n", (int)((int64_t)i * 7919 % COUNT));
		T_IS(dure_coprocess_write(c, line, (size_t)length, PATIENCE), length);
	}
	T_OK(dure_coprocess_end_input(c));
	for (int i = 0; i < COUNT; i++) {
		snprintf(expected, sizeof expected, "%08d", i);
		T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), 8);
		assert_string_equal(line, expected);
	}
	T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), -EPIPE);
	T_IS(dure_coprocess_close(c), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T_LEAVING_NOTHING(less_is_left),
		T_LEAVING_NOTHING(more_is_left),
		T_LEAVING_NOTHING(a_short_text_waits_for_its_user),
		T_LEAVING_NOTHING(perl_says_what_it_is_told),
		T_LEAVING_NOTHING(python_answers_on_a_terminal),
		T_LEAVING_NOTHING(bc_counts_in_long_numbers),
		T_LEAVING_NOTHING(sort_reads_all_and_then_answers),
	};

	if (argc == 4 && strcmp(argv[1], "print") == 0)
		return print_through(argv[2], atoi(argv[3]));
	/* a terminal that pagers know, and none of the user's settings for them */
	setenv("TERM", "vt100", 1);
	unsetenv("LESS");
	unsetenv("MORE");
	unsetenv("LESSOPEN");
	return cmocka_run_group_tests_name("programs", tests, t_signals_by_default, NULL);
}
