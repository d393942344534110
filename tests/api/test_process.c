/* SPDX-License-Identifier: MIT */
/* Description: programs are started, waited for and ended; what cannot be is said; nothing stays
   behind. With real programs at the other end. */
#include <pthread.h>
#include <sys/resource.h>

#include "process.h"

/* -- starting ---------------------------------------------------------------------------- */

static void arguments_arrive_as_they_are(void **state)
{
	(void)state;
	t_says(WORDS("printf", "%s|", "a b", "$HOME", "'", "", "*"), NULL, "a b|$HOME|'||*|", 0);
	t_says(WORDS("/bin/echo", "by path"), NULL, "by path\n", 0);
}

static void a_shell_reads_a_line_when_asked(void **state)
{
	struct dure_process_options o = t_process_options();

	(void)state;
	o.flags = DURE_PROCESS_SHELL;
	t_says(WORDS("echo \"$1\" | tr a-z A-Z; exit 3", "it's; rm -rf"), &o, "IT'S; RM -RF\n", 3);
	t_says(WORDS("echo $#"), &o, "0\n", 0);
}

static void fails_to_start(const char *program, int code, const char *word)
{
	dure_process *process = NULL;

	T_FAILS(dure_process_start(WORDS(program), NULL, &process), code, word);
	assert_null(process);
	assert_false(t_has_children());
}

static void what_keeps_a_program_from_running_is_said(void **state)
{
	char text[] = "/tmp/dure-test-XXXXXX";
	struct dure_process_options o = t_process_options();
	dure_process *process;

	(void)state;
	if (t_is_under_valgrind())
		skip();
	fails_to_start("no-such-program-here", -ENOENT, "in PATH (");
	fails_to_start("/no/such/program", -ENOENT, "/no/such/program");
	fails_to_start("/", -EACCES, "permissions");
	fails_to_start("/etc/passwd", -EACCES, "/etc/passwd");
	fails_to_start("/etc/passwd/x", -ENOENT, "/etc/passwd/x");
	int fd = mkstemp(text);
	assert_true(write(fd, "no script\n", 10) == 10 && fchmod(fd, 0700) == 0);
	fails_to_start(text, -EBUSY, "open for writing");
	close(fd);
	fails_to_start(text, -EINVAL, "not a program");
	fd = open(text, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(write(fd, "#!/no/interpreter\n", 18) == 18);
	close(fd);
	fails_to_start(text, -ENOENT, "interpreter");
	unlink(text);
	o.directory = "/no/such/directory";
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -ENOENT, "/no/such/directory");
	o.directory = "/etc/passwd";
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -ENOENT, "/etc/passwd");
}

static void arguments_beyond_the_limit_are_refused(void **state)
{
	dure_process *process;

	(void)state;
	if (t_is_under_valgrind())
		skip();
	char *long_word = malloc(1 << 20);
	memset(long_word, 'x', 1 << 20);
	long_word[(1 << 20) - 1] = '\0';
	T_FAILS(dure_process_start(WORDS("true", long_word), NULL, &process), -EMSGSIZE,
		"RLIMIT_STACK");
	free(long_word);
}

static void misuse_is_refused(void **state)
{
	struct dure_process_options o = t_process_options();
	struct dure_run_result r = { .sz = 1 };
	dure_process *process;

	(void)state;
	T_FAILS(dure_process_start(NULL, NULL, &process), -EINVAL, "arguments[0]");
	T_FAILS(dure_process_start(WORDS(NULL), NULL, &process), -EINVAL, "arguments[0]");
	T_FAILS(dure_process_start(WORDS(""), NULL, &process), -EINVAL, "arguments[0]");
	o.output = 9;
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -EINVAL, "of kind 9");
	o.output = DURE_STREAM_OUTPUT;
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -EINVAL, "the output of true");
	o.output = DURE_STREAM_FD;
	o.output_fd = 999;
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -EINVAL, "999");
	o = t_process_options();
	o.flags = 1u << 9;
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -EINVAL, "0x200");
	o = t_process_options();
	o.keep_count = 1;
	o.keep = (const int32_t[]){ 998 };
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -EINVAL, "998");
	o.sz = 3;
	T_FAILS(dure_process_start(WORDS("true"), &o, &process), -EINVAL, "options.sz");
	T_FAILS(dure_process_run(WORDS("true"), NULL, NULL, 0, &r), -EINVAL, "ret->sz");
	r = t_run_result();
	o = t_process_options();
	o.output = DURE_STREAM_NULL;
	T_FAILS(dure_process_run(WORDS("true"), &o, NULL, 0, &r), -EINVAL, "streams");
	T_IS(dure_process_close(NULL), 0);
	dure_process_release(NULL);
	dure_run_free(NULL);
	T_IS(dure_process_wait(NULL, 0), -EINVAL);
	T_OK(dure_process_start(WORDS("true"), NULL, &process));
	T_FAILS(dure_process_stream(process, DURE_STDOUT), -EINVAL, "DURE_STREAM_PIPE");
	T_FAILS(dure_process_close_stream(process, 3), -EINVAL, "not 3");
	T_FAILS(dure_process_signal(process, 4711), -EINVAL, "4711");
	T_IS(dure_process_close(process), 0);
}

static void environment_and_directory_are_as_given(void **state)
{
	struct dure_process_options o = t_process_options();

	(void)state;
	o.environment = WORDS("GREETING=hello");
	o.directory = "/usr";
	t_says(WORDS("env"), &o, "GREETING=hello\n", 0);
	t_says(WORDS("/bin/pwd"), &o, "/usr\n", 0);
	/* a relative path is relative to the new directory */
	o.environment = NULL;
	t_says(WORDS("./bin/printf", "x"), &o, "x", 0);
	setenv("DURE_TEST_PASSED_ON", "yes", 1);
	t_says(WORDS("printenv", "DURE_TEST_PASSED_ON"), NULL, "yes\n", 0);
	unsetenv("DURE_TEST_PASSED_ON");
}

static void without_path_the_system_is_looked_in(void **state)
{
	char *path = strdup(getenv("PATH"));

	(void)state;
	unsetenv("PATH");
	t_says(WORDS("printf", "x"), NULL, "x", 0);
	setenv("PATH", "/nowhere:/etc/passwd::/bin:/usr/bin", 1);
	t_says(WORDS("printf", "x"), NULL, "x", 0);
	setenv("PATH", "", 1);
	fails_to_start("printf", -ENOENT, "PATH ()");
	setenv("PATH", path, 1);
	free(path);
}

/* -- descriptors and signals ---------------------------------------------------------------- */

static void only_what_is_given_is_open(void **state)
{
	struct dure_process_options o = t_process_options();
	int leaks[2], kept[2];
	char expected[64], line[] = "ls /proc/self/fd | sort -n | tr '\\n' ' '; cat <&9";

	(void)state;
	/* without close-on-exec, as libraries make them that know nothing of exec */
	assert_true(pipe(leaks) == 0 && pipe(kept) == 0);
	assert_int_equal(dup2(kept[0], 9), 9);
	close(kept[0]);
	t_signal(kept[1]);
	close(kept[1]);
	o.flags = DURE_PROCESS_SHELL;
	o.keep = (const int32_t[]){ 9 };
	o.keep_count = 1;
	/* ls has its directory open as 3 */
	snprintf(expected, sizeof expected, "0 1 2 3 9 x");
	t_says(WORDS(line), &o, expected, 0);
	close(9);
	close(leaks[0]);
	close(leaks[1]);
}

static void streams_can_be_exchanged(void **state)
{
	struct dure_process_options o = t_process_options();
	struct dure_run_result r = t_run_result();
	dure_process *process;
	int fds[2];
	char buffer[8];

	(void)state;
	/* errors alone */
	o.flags = DURE_PROCESS_SHELL;
	T_OK(dure_process_run(WORDS("echo out; echo err >&2"), &o, NULL, DURE_S(20), &r));
	assert_string_equal(r.output, "out\n");
	assert_string_equal(r.errors, "err\n");
	dure_run_free(&r);
	/* one after the other, in one stream */
	o.errors = DURE_STREAM_OUTPUT;
	t_says(WORDS("echo a; echo b >&2; echo c"), &o, "a\nb\nc\n", 0);
	/* errors to the caller's output and the other way round, in a child of our own */
	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dup2(fds[1], 1) == 1);
		o.output = DURE_STREAM_FD;
		o.output_fd = 2;
		o.errors = DURE_STREAM_FD;
		o.errors_fd = 1;
		T_IN_CHILD(dure_process_start(WORDS("echo X >&2"), &o, &process) == 0);
		T_IN_CHILD(dure_process_close(process) == 0);
		_exit(0);
	}
	t_join(pid);
	assert_int_equal(read(fds[0], buffer, sizeof buffer), 2);
	close(fds[0]);
	close(fds[1]);
}

/* A daemon has closed 0, 1 and 2: pipes get these numbers. */
static void closed_standard_streams_do_no_harm(void **state)
{
	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		struct dure_run_options in = { .sz = sizeof in, .input = "b\na\n", .input_bytes = 4 };
		struct dure_run_result r = t_run_result();
		int saved = fcntl(2, F_DUPFD_CLOEXEC, 100);
		close(0);
		close(1);
		close(2);
		int ok = dure_process_run(WORDS("sort"), NULL, &in, DURE_S(20), &r) == 0 &&
			 strcmp(r.output, "a\nb\n") == 0 && r.status == 0 && r.errors_bytes == 0;
		dup2(saved, 2);
		T_IN_CHILD(ok);
		_exit(0);
	}
	t_join(pid);
}

static void program_starts_with_signals_as_by_default(void **state)
{
	/* without the two that the libc keeps for itself, and nobody can reset */
	char line[] = "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -s '\\t' ' ' |"
		      "sed 's/^\\(SigIgn: 0000000\\)[01][08]/\\100/'";
	struct dure_process_options o = t_process_options();
	sigset_t blocked, old;

	(void)state;
	o.flags = DURE_PROCESS_SHELL;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, &old);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	t_says(WORDS(line), &o, "SigBlk: 0000000000000000\nSigIgn: 0000000000000001\n", 0);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static volatile sig_atomic_t sigpipe_count;

static void count_sigpipe(int signal)
{
	(void)signal;
	sigpipe_count++;
}

static void writing_to_nobody_is_an_error_and_no_signal(void **state)
{
	struct dure_process_options o = t_process_options();
	sigset_t now, sigpipe;
	dure_process *process;
	char byte = 'x';

	(void)state;
	o.input = DURE_STREAM_PIPE;
	signal(SIGPIPE, count_sigpipe);
	T_OK(dure_process_start(WORDS("true"), &o, &process));
	T_IS(dure_process_wait(process, DURE_S(20)), 0);
	T_FAILS(dure_process_write(process, &byte, 1, DURE_S(20)), -EPIPE, "the input of true");
	assert_int_equal(sigpipe_count, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGPIPE), 0);
	/* one that is another's stays */
	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, NULL);
	pthread_kill(pthread_self(), SIGPIPE);
	T_IS(dure_process_write(process, &byte, 1, DURE_S(20)), -EPIPE);
	assert_int_equal(sigpipe_count, 0);
	pthread_sigmask(SIG_UNBLOCK, &sigpipe, NULL);
	assert_int_equal(sigpipe_count, 1);
	signal(SIGPIPE, SIG_DFL);
	T_IS(dure_process_close(process), 0);
}

/* -- statuses -------------------------------------------------------------------------------- */

static void statuses_are_told_apart(void **state)
{
	struct dure_process_options o = t_process_options();

	(void)state;
	t_says(WORDS("true"), NULL, "", 0);
	t_says(WORDS("false"), NULL, "", 1);
	o.flags = DURE_PROCESS_SHELL;
	t_says(WORDS("exit 255"), &o, "", 255);
	t_says(WORDS("kill -9 $$"), &o, "", DURE_PROCESS_SIGNALLED + SIGKILL);
	t_says(WORDS("exit 137"), &o, "", 137);
}

static volatile sig_atomic_t collected;

static void collect_all(int signal)
{
	int saved = errno;

	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		collected++;
	errno = saved;
}

static void its_status_is(int expected)
{
	struct dure_process_options o = t_process_options();
	dure_process *process;

	o.flags = DURE_PROCESS_SHELL;
	T_OK(dure_process_start(WORDS("exit 42"), &o, &process));
	int status = dure_process_wait(process, DURE_S(20));
	if (status == DURE_PROCESS_UNKNOWN)
		print_message("this kernel tells a status once only (before Linux 6.15): unknown\n");
	else
		assert_int_equal(status, expected);
	T_IS(dure_process_wait(process, 0), status);
	T_IS(dure_process_close(process), status);
}

static void a_handler_that_waits_for_all_takes_nothing_away(void **state)
{
	struct sigaction action = { .sa_handler = collect_all, .sa_flags = SA_RESTART };
	dure_process *process;

	(void)state;
	sigaction(SIGCHLD, &action, NULL);
	for (int i = 0; i < 50; i++)
		its_status_is(42);
	assert_true(collected > 0);
	/* a start that fails is no child to anybody */
	collected = 0;
	T_IS(dure_process_start(WORDS("no-such-program-here"), NULL, &process), -ENOENT);
	assert_int_equal(collected, 0);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 50; i++)
		its_status_is(42);
	signal(SIGCHLD, SIG_DFL);
}

static void waiting_has_a_timeout_and_a_descriptor(void **state)
{
	struct dure_process_options o = t_process_options();
	dure_process *process;

	(void)state;
	o.input = DURE_STREAM_PIPE;
	T_OK(dure_process_start(WORDS("cat"), &o, &process));
	struct pollfd p = { .fd = dure_process_fd(process), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_true(dure_process_id(process) > 0);
	T_IS(dure_process_wait(process, 0), -EAGAIN);
	T_IS(dure_process_wait(process, DURE_MS(20)), -ETIMEDOUT);
	T_OK(dure_process_close_stream(process, DURE_STDIN));
	T_OK(dure_process_close_stream(process, DURE_STDIN));
	assert_int_equal(poll(&p, 1, 20000), 1);
	T_IS(dure_process_wait(process, 0), 0);
	T_IS(dure_process_signal(process, SIGTERM), 0);
	T_IS(dure_process_end(process), 0);
	T_IS(dure_process_close(process), 0);
}

/* -- ending ---------------------------------------------------------------------------------- */

/* a program that says when it is ready; its output is then quiet */
static dure_process *start_ready(const char *line, struct dure_process_options *o)
{
	dure_process *process;
	char byte;

	o->output = DURE_STREAM_PIPE;
	o->flags |= DURE_PROCESS_SHELL;
	T_OK(dure_process_start(WORDS(line), o, &process));
	T_IS(dure_process_read(process, DURE_STDOUT, &byte, 1, DURE_S(20)), 1);
	return process;
}

static void who_ignores_sigterm_is_killed(void **state)
{
	struct dure_process_options o = t_process_options();

	(void)state;
	o.grace_ns = DURE_MS(50);
	dure_process *process = start_ready("trap '' TERM HUP PIPE; echo; while :; do sleep 1; done",
					    &o);
	int64_t start = t_now_ns();
	T_IS(dure_process_end(process), DURE_PROCESS_SIGNALLED + SIGKILL);
	assert_true(t_now_ns() - start >= DURE_MS(50));
	T_IS(dure_process_close(process), DURE_PROCESS_SIGNALLED + SIGKILL);
	/* who does not gets no SIGKILL */
	o.grace_ns = DURE_S(20);
	process = start_ready("trap 'exit 9' TERM; echo; while :; do sleep 0.01; done", &o);
	T_IS(dure_process_end(process), 9);
	T_IS(dure_process_close(process), 9);
	/* who is stopped is ended, too */
	o = t_process_options();
	o.grace_ns = DURE_MS(50);
	process = start_ready("echo; kill -STOP $$", &o);
	T_IS(dure_process_close(process), DURE_PROCESS_SIGNALLED + SIGKILL);
}

static void a_group_is_ended_with_its_children(void **state)
{
	struct dure_process_options o = t_process_options();
	char text[16] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	/* the grandchild holds fds[1] (as 9), and never ends by itself; it ignores SIGTERM */
	assert_int_equal(dup2(fds[1], 9), 9);
	close(fds[1]);
	o.keep = (const int32_t[]){ 9 };
	o.keep_count = 1;
	o.flags = DURE_PROCESS_GROUP;
	dure_process *process = start_ready("(trap '' TERM; echo; exec sleep 1000) & wait", &o);
	close(9);
	T_IS(dure_process_close(process), DURE_PROCESS_SIGNALLED + SIGTERM);
	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(read(fds[0], text, sizeof text), 0);
	close(fds[0]);
}

static void a_released_program_goes_on(void **state)
{
	struct dure_process_options o = t_process_options();
	int status;

	(void)state;
	dure_process *process = start_ready("trap '' PIPE; echo; sleep 0.05; exit 4", &o);
	pid_t pid = dure_process_id(process);
	dure_process_release(process);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}

static void a_forked_child_has_no_program(void **state)
{
	struct dure_process_options o = t_process_options();

	(void)state;
	dure_process *process = start_ready("echo; exec sleep 1000", &o);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_process_wait(process, 0) == -ESTALE);
		T_IN_CHILD(dure_process_end(process) == -ESTALE);
		T_IN_CHILD(strstr(dure_last_error(), "fork"));
		T_IN_CHILD(dure_process_close(process) == 0);
		_exit(0);
	}
	t_join(pid);
	T_IS(dure_process_wait(process, 0), -EAGAIN);
	T_IS(dure_process_end(process), DURE_PROCESS_SIGNALLED + SIGTERM);
	T_IS(dure_process_close(process), DURE_PROCESS_SIGNALLED + SIGTERM);
}

/* -- many ------------------------------------------------------------------------------------ */

enum { THREADS = 4, ROUNDS = 40 };

static void *start_and_end(void *argument)
{
	struct dure_process_options o = t_process_options();

	o.input = o.output = DURE_STREAM_PIPE;
	for (int i = 0; i < ROUNDS; i++) {
		dure_process *process;
		char byte;
		/* cat ends at once only if no program of another thread has its input open */
		if (dure_process_start(WORDS("cat"), &o, &process) < 0)
			return argument;
		if (dure_process_write(process, "x", 1, DURE_S(20)) != 1 ||
		    dure_process_read(process, DURE_STDOUT, &byte, 1, DURE_S(20)) != 1 ||
		    dure_process_close_stream(process, DURE_STDIN) < 0 ||
		    dure_process_wait(process, DURE_S(20)) != 0 || dure_process_close(process) != 0)
			return argument;
	}
	return NULL;
}

static void threads_start_programs_at_once(void **state)
{
	pthread_t threads[THREADS];
	void *failed;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, start_and_end, threads), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

static void *wait_too(void *process)
{
	return (void *)(intptr_t)dure_process_wait(process, DURE_S(20));
}

static void threads_wait_for_one_program(void **state)
{
	struct dure_process_options o = t_process_options();
	pthread_t threads[THREADS];
	void *status;

	(void)state;
	dure_process *process = start_ready("echo; exit 5", &o);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_too, process), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &status);
		assert_int_equal((intptr_t)status, 5);
	}
	T_IS(dure_process_close(process), 5);
}

static void too_many_descriptors_are_said(void **state)
{
	(void)state;
	if (t_is_under_valgrind())
		skip();
	pid_t pid = t_fork();
	if (pid == 0) {
		struct rlimit limit = { (rlim_t)t_count_descriptors(), 1024 };
		struct dure_process_options o = t_process_options();
		dure_process *process;
		char value[64];
		snprintf(value, sizeof value, "RLIMIT_NOFILE is %d: ", (int)limit.rlim_cur);
		setrlimit(RLIMIT_NOFILE, &limit);
		o.input = o.output = o.errors = DURE_STREAM_PIPE;
		T_IN_CHILD(dure_process_start(WORDS("true"), &o, &process) == -EMFILE);
		T_IN_CHILD(strstr(dure_last_error(), value));
		_exit(0);
	}
	t_join(pid);
}

static void too_many_processes_are_said(void **state)
{
	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		struct rlimit limit = { 0, 0 };
		dure_process *process;
		T_IN_CHILD(setresuid(65534, 65534, 65534) == 0 || geteuid() != 0);
		setrlimit(RLIMIT_NPROC, &limit);
		T_IN_CHILD(dure_process_start(WORDS("true"), NULL, &process) == -EUSERS);
		T_IN_CHILD(strstr(dure_last_error(), "RLIMIT_NPROC is 0: raise it (ulimit -u)"));
		_exit(0);
	}
	t_join(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_LEAVING_NOTHING(arguments_arrive_as_they_are),
		T_LEAVING_NOTHING(a_shell_reads_a_line_when_asked),
		T_LEAVING_NOTHING(what_keeps_a_program_from_running_is_said),
		T_LEAVING_NOTHING(arguments_beyond_the_limit_are_refused),
		T_LEAVING_NOTHING(misuse_is_refused),
		T_LEAVING_NOTHING(environment_and_directory_are_as_given),
		T_LEAVING_NOTHING(without_path_the_system_is_looked_in),
		T_LEAVING_NOTHING(only_what_is_given_is_open),
		T_LEAVING_NOTHING(streams_can_be_exchanged),
		T_LEAVING_NOTHING(closed_standard_streams_do_no_harm),
		T_LEAVING_NOTHING(program_starts_with_signals_as_by_default),
		T_LEAVING_NOTHING(writing_to_nobody_is_an_error_and_no_signal),
		T_LEAVING_NOTHING(statuses_are_told_apart),
		T_LEAVING_NOTHING(a_handler_that_waits_for_all_takes_nothing_away),
		T_LEAVING_NOTHING(waiting_has_a_timeout_and_a_descriptor),
		T_LEAVING_NOTHING(who_ignores_sigterm_is_killed),
		T_LEAVING_NOTHING(a_group_is_ended_with_its_children),
		T_LEAVING_NOTHING(a_released_program_goes_on),
		T_LEAVING_NOTHING(a_forked_child_has_no_program),
		T_LEAVING_NOTHING(threads_start_programs_at_once),
		T_LEAVING_NOTHING(threads_wait_for_one_program),
		T_LEAVING_NOTHING(too_many_descriptors_are_said),
		T_LEAVING_NOTHING(too_many_processes_are_said),
	};

	return cmocka_run_group_tests_name("process", tests, t_signals_by_default, NULL);
}
