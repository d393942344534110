/* SPDX-License-Identifier: MIT */
/* Description: conversations with programs, filters before descriptors, and handshakes; also with
   two hundred at once, and with killed ones among them. */
#include "process.h"

#define PATIENCE DURE_S(20)

static struct dure_coprocess_options options(uint32_t flags)
{
	return (struct dure_coprocess_options){ .sz = sizeof(struct dure_coprocess_options),
						.flags = flags };
}

static dure_coprocess *open_plain(const char *const *words, size_t pending_max)
{
	struct dure_coprocess_options o = options(0);
	dure_coprocess *c;

	o.pending_max = pending_max;
	T_OK(dure_coprocess_open(words, NULL, &o, &c));
	return c;
}

/* -- conversations ---------------------------------------------------------------------------- */

static void questions_are_answered(void **state)
{
	char answer[64];
	int r;

	(void)state;
	dure_coprocess *c = open_plain(WORDS("bc"), 0);
	r = dure_coprocess_ask(c, "6 * 7", answer, sizeof answer, PATIENCE);
	T_OK(r);
	assert_string_equal(answer, "42");
	T_IS(dure_coprocess_ask(c, "2 ^ 70", answer, sizeof answer, PATIENCE), 22);
	T_OK(dure_coprocess_end_input(c));
	T_FAILS(dure_coprocess_read_line(c, answer, sizeof answer, PATIENCE), -EPIPE, "ended");
	T_FAILS(dure_coprocess_write(c, "x", 1, 0), -EPIPE, "was ended");
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
	T_IS(dure_coprocess_close(NULL), 0);
}

static void lines_come_in_all_lengths(void **state)
{
	char line[16], rest[64];

	(void)state;
	dure_coprocess *c = open_plain(
		WORDS("printf", "one\\n\\nabcdefghijklmnopqrstuvwxyz\\nno newline"), 0);
	T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), 3);
	assert_string_equal(line, "one");
	T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), 0);
	T_FAILS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), -EMSGSIZE, "26 bytes");
	T_IS(dure_coprocess_read_line(c, rest, 27, PATIENCE), 26);
	assert_string_equal(rest, "abcdefghijklmnopqrstuvwxyz");
	T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), 10);
	assert_string_equal(line, "no newline");
	T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), -EPIPE);
	T_IS(dure_coprocess_read(c, rest, sizeof rest, PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
}

static void a_line_without_an_end_is_refused(void **state)
{
	char line[64];

	(void)state;
	dure_coprocess *c = open_plain(WORDS("cat", "/dev/zero"), 10000);
	T_FAILS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), -EMSGSIZE, "pending_max");
	T_IS(dure_coprocess_read(c, line, sizeof line, PATIENCE), (int)sizeof line);
	T_IS(dure_coprocess_close(c), DURE_PROCESS_SIGNALLED + SIGPIPE);
}

/* ten megabytes into cat, of which nobody reads a byte meanwhile */
static void both_may_write_at_once(void **state)
{
	enum { BYTES = 10 << 20, PART = 1 << 16 };
	char *data = malloc(BYTES), *back = malloc(BYTES);
	size_t at = 0;

	(void)state;
	for (int i = 0; i < BYTES; i++)
		data[i] = (char)(i * 31 % 253);
	dure_coprocess *c = open_plain(WORDS("cat"), 0);
	while (at < BYTES) {
		int r = dure_coprocess_write(c, data + at, BYTES - at, PATIENCE);
		T_OK(r);
		at += (size_t)r;
	}
	T_OK(dure_coprocess_end_input(c));
	for (at = 0; at < BYTES;) {
		int r = dure_coprocess_read(c, back + at, PART, PATIENCE);
		assert_true(r > 0);
		at += (size_t)r;
	}
	assert_memory_equal(data, back, BYTES);
	T_IS(dure_coprocess_read(c, back, PART, PATIENCE), 0);
	T_IS(dure_coprocess_close(c), 0);
	/* with a limit, the writer is told rather than left waiting */
	c = open_plain(WORDS("cat"), 100000);
	int r = 0;
	for (at = 0; r >= 0 && at < BYTES; at += (size_t)r) {
		r = dure_coprocess_write(c, data, PART, PATIENCE);
		if (r < 0)
			break;
	}
	assert_int_equal(r, -ENOSPC);
	T_IS(dure_coprocess_read(c, back, PART, PATIENCE), PART);
	T_IS(dure_coprocess_close(c), DURE_PROCESS_SIGNALLED + SIGPIPE);
	free(data);
	free(back);
}

static void it_can_be_polled_for(void **state)
{
	char answer[16];

	(void)state;
	dure_coprocess *c = open_plain(WORDS("cat"), 0);
	struct pollfd p = { .fd = dure_coprocess_fd(c), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	T_IS(dure_coprocess_read_line(c, answer, sizeof answer, 0), -EAGAIN);
	T_IS(dure_coprocess_read_line(c, answer, sizeof answer, DURE_MS(10)), -ETIMEDOUT);
	T_IS(dure_coprocess_write(c, "x\n", 2, PATIENCE), 2);
	assert_int_equal(poll(&p, 1, 20000), 1);
	T_IS(dure_coprocess_read_line(c, answer, sizeof answer, 0), 1);
	T_IS(dure_coprocess_read_line(c, answer, sizeof answer, 0), -EAGAIN);
	T_IS(dure_coprocess_close(c), 0);
}

static void misuse_is_refused(void **state)
{
	struct dure_coprocess_options o = options(1u << 7);
	struct dure_process_options p = { .sz = sizeof p, .input = DURE_STREAM_PIPE };
	dure_coprocess *c = NULL;
	dure_filter *f = NULL;

	(void)state;
	T_FAILS(dure_coprocess_open(WORDS("cat"), NULL, &o, &c), -EINVAL, "0x80");
	T_FAILS(dure_coprocess_open(WORDS("cat"), &p, NULL, &c), -EINVAL, "leave both 0");
	T_FAILS(dure_coprocess_open(WORDS("no-such-thing"), NULL, NULL, &c), -ENOENT, "PATH");
	T_IS(dure_coprocess_fd(NULL), -EINVAL);
	assert_null(c);
	T_FAILS(dure_filter_open(1, 3, WORDS("cat"), NULL, &f), -EINVAL, "not 3");
	T_FAILS(dure_filter_open(997, DURE_FILTER_WRITES, WORDS("cat"), NULL, &f), -EINVAL, "997");
	T_FAILS(dure_filter_open(1, DURE_FILTER_WRITES, WORDS("no-such-thing"), NULL, &f), -ENOENT,
		"PATH");
	assert_null(f);
	T_IS(dure_filter_close(NULL, 0), 0);
	T_IS(dure_handshake_tell(NULL), -EINVAL);
	dure_handshake_close(NULL);
}

/* -- terminals --------------------------------------------------------------------------------- */

static void a_terminal_is_one(void **state)
{
	struct dure_coprocess_options o = options(DURE_COPROCESS_TERMINAL);
	struct dure_process_options shell = { .sz = sizeof shell, .flags = DURE_PROCESS_SHELL };
	dure_coprocess *c;
	char line[128];

	(void)state;
	o.rows = 7;
	o.columns = 99;
	T_OK(dure_coprocess_open(WORDS("test -t 0 && test -t 1 && test -t 2 && stty size </dev/tty; "
				       "read x; echo \"got $x\"; cat"), &shell, &o, &c));
	T_OK(dure_coprocess_read_line(c, line, sizeof line, PATIENCE));
	assert_string_equal(line, "7 99");
	/* no echo: the next line is the answer */
	T_OK(dure_coprocess_ask(c, "this", line, sizeof line, PATIENCE));
	assert_string_equal(line, "got this");
	/* the end of the input, also in the middle of a line */
	T_IS(dure_coprocess_write(c, "half", 4, PATIENCE), 4);
	T_OK(dure_coprocess_end_input(c));
	T_OK(dure_coprocess_read_line(c, line, sizeof line, PATIENCE));
	assert_string_equal(line, "half");
	T_IS(dure_process_wait(dure_coprocess_process(c), PATIENCE), 0);
	T_FAILS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), -EPIPE, "ended");
	T_IS(dure_coprocess_close(c), 0);
}

/* a program that buffers when its output is no terminal, and has no switch against it */
static void who_buffers_answers_on_a_terminal(void **state)
{
	const char *const *buffering = WORDS("tr", "a-z", "A-Z");
	struct dure_coprocess_options o = options(DURE_COPROCESS_TERMINAL);
	dure_coprocess *c;
	char line[128];

	(void)state;
	T_OK(dure_coprocess_open(buffering, NULL, &o, &c));
	for (int i = 0; i < 3; i++) {
		T_OK(dure_coprocess_ask(c, "loud", line, sizeof line, PATIENCE));
		assert_string_equal(line, "LOUD");
	}
	T_OK(dure_coprocess_close(c));
	/* through pipes it does not */
	c = open_plain(buffering, 0);
	T_IS(dure_coprocess_ask(c, "loud", line, sizeof line, DURE_MS(50)), -ETIMEDOUT);
	T_OK(dure_coprocess_end_input(c));
	T_IS(dure_coprocess_read_line(c, line, sizeof line, PATIENCE), 4);
	T_IS(dure_coprocess_close(c), 0);
}

/* in a mount namespace of its own, with terminals for one program */
static void no_more_terminals_are_said(void **state)
{
	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		struct dure_coprocess_options o = options(DURE_COPROCESS_TERMINAL);
		dure_coprocess *first, *second = NULL;
		if (unshare(CLONE_NEWNS) != 0 ||
		    system("(mount --make-rprivate / && mount -t devpts -o max=1,ptmxmode=666 devpts "
			   "/dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx) 2>/dev/null") != 0)
			_exit(77);
		T_IN_CHILD(dure_coprocess_open(WORDS("cat"), NULL, &o, &first) == 0);
		T_IN_CHILD(dure_coprocess_open(WORDS("cat"), NULL, &o, &second) == -ENOSPC && !second);
		T_IN_CHILD(strstr(dure_last_error(), "kernel.pty.max is "));
		T_IN_CHILD(dure_coprocess_close(first) >= 0);
		T_IN_CHILD(dure_coprocess_open(WORDS("cat"), NULL, &o, &second) == 0);
		T_IN_CHILD(dure_coprocess_close(second) >= 0);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("not allowed to mount a devpts\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/* -- many -------------------------------------------------------------------------------------- */

static void two_hundred_at_once_with_killed_ones_among_them(void **state)
{
	enum { MANY = 200, ROUNDS = 5 };
	dure_coprocess *all[MANY];
	char question[64], answer[64];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		struct dure_coprocess_options o = options(i % 10 == 5 ? DURE_COPROCESS_TERMINAL : 0);
		T_OK(dure_coprocess_open(WORDS("cat"), NULL, &o, &all[i]));
	}
	for (int round = 0; round < ROUNDS; round++) {
		/* in each round one of 35 dies */
		for (int i = round; i < MANY; i += 7 * ROUNDS)
			T_OK(dure_process_signal(dure_coprocess_process(all[i]), SIGKILL));
		for (int i = 0; i < MANY; i++) {
			bool is_killed = false;
			snprintf(question, sizeof question, "%d in round %d", i, round);
			for (int r = 0; r <= round; r++)
				is_killed |= i >= r && (i - r) % (7 * ROUNDS) == 0;
			int r = dure_coprocess_ask(all[i], question, answer, sizeof answer, PATIENCE);
			if (is_killed) {
				assert_int_equal(r, -EPIPE);
				continue;
			}
			T_OK(r);
			assert_string_equal(answer, question);
		}
	}
	for (int i = 0; i < MANY; i++) {
		int status = dure_coprocess_close(all[i]);
		assert_true(status == 0 || status == DURE_PROCESS_SIGNALLED + SIGKILL ||
			    status == DURE_PROCESS_SIGNALLED + SIGHUP);
	}
}

/* All are asked before anybody has answered; one poll loop takes the answers as they come. */
static void one_loop_hears_two_hundred(void **state)
{
	enum { MANY = 200 };
	dure_coprocess *all[MANY];
	struct pollfd polled[MANY];
	char line[64], expected[64];
	int answered = 0, dead = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		struct dure_coprocess_options o = options(i % 10 == 5 ? DURE_COPROCESS_TERMINAL : 0);
		T_OK(dure_coprocess_open(WORDS("cat"), NULL, &o, &all[i]));
		polled[i] = (struct pollfd){ .fd = dure_coprocess_fd(all[i]), .events = POLLIN };
		if (i % 20 == 10)	/* among those that are asked, too */
			T_OK(dure_process_signal(dure_coprocess_process(all[i]), SIGKILL));
	}
	for (int i = 0; i < MANY; i++) {
		int length = snprintf(line, sizeof line, "to %d\n", i);
		int r = dure_coprocess_write(all[i], line, (size_t)length, PATIENCE);
		assert_true(r == length || (i % 20 == 10 && r == -EPIPE));
	}
	while (answered + dead < MANY) {
		assert_true(poll(polled, MANY, 20000) > 0);
		for (int i = 0; i < MANY; i++) {
			if (polled[i].fd < 0 || !polled[i].revents)
				continue;
			int r = dure_coprocess_read_line(all[i], line, sizeof line, 0);
			if (r == -EAGAIN)
				continue;
			polled[i].fd = -1;
			if (r == -EPIPE) {
				assert_int_equal(i % 20, 10);
				dead++;
				continue;
			}
			T_OK(r);
			snprintf(expected, sizeof expected, "to %d", i);
			assert_string_equal(line, expected);
			answered++;
		}
	}
	/* the killed ones may have answered before */
	assert_true(answered >= MANY - MANY / 20 && dead <= MANY / 20);
	for (int i = 0; i < MANY; i++)
		T_OK(dure_coprocess_close(all[i]));
}

/* -- filters ----------------------------------------------------------------------------------- */

/* In a child whose standard output is a pipe to us. */
static pid_t with_output(int *ret_reads)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dup2(fds[1], 1) == 1);
		close(fds[0]);
		close(fds[1]);
	} else {
		close(fds[1]);
		*ret_reads = fds[0];
	}
	return pid;
}

static void read_to_end(int fd, char *text, size_t bytes)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, bytes - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd);
}

static void output_goes_through_a_program(void **state)
{
	char text[256];
	int reads = -1;

	(void)state;
	pid_t pid = with_output(&reads);
	if (pid == 0) {
		dure_filter *filter;
		printf("before\n");
		fflush(stdout);
		T_IN_CHILD(dure_filter_open(1, DURE_FILTER_WRITES, WORDS("tr", "a-z", "A-Z"), NULL,
					    &filter) == 0);
		printf("by printf\n");
		fflush(stdout);
		T_IN_CHILD(system("echo by another program") == 0);
		T_IN_CHILD(dure_filter_write(filter, "by the call\n", 12, PATIENCE) == 12);
		T_IN_CHILD(dure_filter_close(filter, PATIENCE) == 0);
		printf("after\n");
		fflush(stdout);
		_exit(0);
	}
	read_to_end(reads, text, sizeof text);
	t_join(pid);
	assert_string_equal(text, "before\nBY PRINTF\nBY ANOTHER PROGRAM\nBY THE CALL\nafter\n");
}

static void input_comes_through_a_program(void **state)
{
	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		dure_filter *filter;
		char line[64];
		int fds[2];
		T_IN_CHILD(pipe(fds) == 0 && dup2(fds[0], 0) == 0);
		close(fds[0]);
		T_IN_CHILD(write(fds[1], "b\na\n", 4) == 4);
		close(fds[1]);
		T_IN_CHILD(dure_filter_open(0, DURE_FILTER_READS, WORDS("sort"), NULL, &filter) == 0);
		T_IN_CHILD(fgets(line, sizeof line, stdin) && strcmp(line, "a\n") == 0);
		T_IN_CHILD(fgets(line, sizeof line, stdin) && strcmp(line, "b\n") == 0);
		T_IN_CHILD(!fgets(line, sizeof line, stdin));
		T_IN_CHILD(dure_filter_write(filter, "x", 1, 0) == -EINVAL);
		T_IN_CHILD(dure_filter_close(filter, PATIENCE) == 0);
		_exit(0);
	}
	t_join(pid);
}

/* head is a pager whose user has seen enough */
static void a_pager_that_quits_is_told_and_no_signal(void **state)
{
	char text[256];
	int reads = -1;

	(void)state;
	pid_t pid = with_output(&reads);
	if (pid == 0) {
		dure_filter *filter;
		int r = 0;
		T_IN_CHILD(dure_filter_open(1, DURE_FILTER_WRITES, WORDS("head", "-n", "2"), NULL,
					    &filter) == 0);
		for (int i = 0; r >= 0; i++)
			r = dure_filter_write(filter, "line\n", 5, PATIENCE);
		T_IN_CHILD(r == -EPIPE);
		struct pollfd p = { .fd = dure_filter_fd(filter), .events = POLLIN };
		T_IN_CHILD(poll(&p, 1, 20000) == 1);
		T_IN_CHILD(dure_filter_close(filter, PATIENCE) == 0);
		_exit(0);
	}
	read_to_end(reads, text, sizeof text);
	t_join(pid);
	assert_string_equal(text, "line\nline\n");
}

static void a_filter_that_does_not_end_is_ended(void **state)
{
	struct dure_process_options o = { .sz = sizeof o };
	dure_filter *filter;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	T_OK(dure_filter_open(fds[1], DURE_FILTER_WRITES, WORDS("sleep", "1000"), &o, &filter));
	T_IS(dure_filter_close(filter, DURE_MS(20)), DURE_PROCESS_SIGNALLED + SIGTERM);
	t_signal(fds[1]);
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
}

/* -- handshakes -------------------------------------------------------------------------------- */

static void parent_and_child_take_turns(void **state)
{
	enum { TURNS = 1000 };
	volatile int *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dure_handshake *h;

	(void)state;
	T_OK(dure_handshake_open(&h));
	pid_t pid = t_fork();
	for (int i = 0; i < TURNS; i++) {
		if (pid == 0) {
			T_IN_CHILD(dure_handshake_wait(h, PATIENCE) == 0);
			T_IN_CHILD(*turn == 2 * i + 1);
			*turn = 2 * i + 2;
			T_IN_CHILD(dure_handshake_tell(h) == 0);
		} else {
			*turn = 2 * i + 1;
			T_OK(dure_handshake_tell(h));
			T_OK(dure_handshake_wait(h, PATIENCE));
			assert_int_equal(*turn, 2 * i + 2);
		}
	}
	if (pid == 0)
		_exit(0);
	t_join(pid);
	dure_handshake_close(h);
	munmap((void *)(uintptr_t)turn, 4096);
}

static void telling_before_waiting_is_not_lost(void **state)
{
	dure_handshake *h;

	(void)state;
	T_OK(dure_handshake_open(&h));
	pid_t pid = t_fork();
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			T_IN_CHILD(dure_handshake_tell(h) == 0);
		_exit(0);
	}
	t_join(pid);
	struct pollfd p = { .fd = dure_handshake_fd(h), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 1);
	for (int i = 0; i < 3; i++)
		T_IS(dure_handshake_wait(h, 0), 0);
	T_FAILS(dure_handshake_wait(h, DURE_FOREVER), -EPIPE, "the child is gone");
	T_FAILS(dure_handshake_tell(h), -EPIPE, "the child");
	dure_handshake_close(h);
}

static void who_waits_for_the_dead_is_told(void **state)
{
	dure_handshake *h;

	(void)state;
	T_OK(dure_handshake_open(&h));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_handshake_tell(h) == 0);
		T_IN_CHILD(dure_handshake_wait(h, DURE_FOREVER) == 0);
		for (;;)
			pause();
	}
	T_OK(dure_handshake_wait(h, PATIENCE));
	T_IS(dure_handshake_wait(h, 0), -EAGAIN);
	T_IS(dure_handshake_wait(h, DURE_MS(10)), -ETIMEDOUT);
	/* something it has not read stays with the dead */
	T_OK(dure_handshake_tell(h));
	t_kill(pid);
	T_IS(dure_handshake_wait(h, DURE_FOREVER), -EPIPE);
	dure_handshake_close(h);
	/* used before the fork: the child's end is closed already */
	T_OK(dure_handshake_open(&h));
	T_OK(dure_handshake_fd(h));
	pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_handshake_tell(h) == -EINVAL);
		_exit(0);
	}
	t_join(pid);
	T_IS(dure_handshake_wait(h, DURE_FOREVER), -EPIPE);
	dure_handshake_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_LEAVING_NOTHING(questions_are_answered),
		T_LEAVING_NOTHING(lines_come_in_all_lengths),
		T_LEAVING_NOTHING(a_line_without_an_end_is_refused),
		T_LEAVING_NOTHING(both_may_write_at_once),
		T_LEAVING_NOTHING(it_can_be_polled_for),
		T_LEAVING_NOTHING(misuse_is_refused),
		T_LEAVING_NOTHING(a_terminal_is_one),
		T_LEAVING_NOTHING(who_buffers_answers_on_a_terminal),
		T_LEAVING_NOTHING(no_more_terminals_are_said),
		T_LEAVING_NOTHING(two_hundred_at_once_with_killed_ones_among_them),
		T_LEAVING_NOTHING(one_loop_hears_two_hundred),
		T_LEAVING_NOTHING(output_goes_through_a_program),
		T_LEAVING_NOTHING(input_comes_through_a_program),
		T_LEAVING_NOTHING(a_pager_that_quits_is_told_and_no_signal),
		T_LEAVING_NOTHING(a_filter_that_does_not_end_is_ended),
		T_LEAVING_NOTHING(parent_and_child_take_turns),
		T_LEAVING_NOTHING(telling_before_waiting_is_not_lost),
		T_LEAVING_NOTHING(who_waits_for_the_dead_is_told),
	};

	return cmocka_run_group_tests_name("coprocess", tests, t_signals_by_default, NULL);
}
