/* SPDX-License-Identifier: MIT */
/* Description: programs are run to their end, fed, read and limited; nothing they say, or do not
   stop saying, keeps the caller. */
#include <sys/resource.h>

#include "process.h"

static void input_and_output_flow_at_once(void **state)
{
	enum { BYTES = 10 << 20 };
	struct dure_run_options in = { .sz = sizeof in, .input_bytes = BYTES };
	struct dure_run_result r = t_run_result();
	char *data = malloc(BYTES);

	(void)state;
	for (int i = 0; i < BYTES; i++)
		data[i] = (char)(i * 7 % 251);
	in.input = data;
	T_OK(dure_process_run(WORDS("cat"), NULL, &in, DURE_S(60), &r));
	assert_int_equal(r.output_bytes, BYTES);
	assert_memory_equal(r.output, data, BYTES);
	dure_run_free(&r);
	/* who reads none of it is no failure */
	T_OK(dure_process_run(WORDS("true"), NULL, &in, DURE_S(60), &r));
	assert_int_equal(r.status, 0);
	dure_run_free(&r);
	free(data);
	in.input = "pear\napple\nfig\n";
	in.input_bytes = 15;
	T_OK(dure_process_run(WORDS("sort"), NULL, &in, DURE_S(20), &r));
	assert_string_equal(r.output, "apple\nfig\npear\n");
	dure_run_free(&r);
}

static void output_has_limits(void **state)
{
	struct dure_run_options run = { .sz = sizeof run, .output_max = 100000 };
	struct dure_run_result r = t_run_result();

	(void)state;
	/* a gigabyte and more */
	T_OK(dure_process_run(WORDS("yes"), NULL, &run, DURE_S(60), &r));
	assert_int_equal(r.ended, DURE_RUN_TOO_MUCH);
	assert_int_equal(r.status, DURE_PROCESS_SIGNALLED + SIGTERM);
	assert_int_equal(r.output_bytes, 100000);
	assert_int_equal(strlen(r.output), 100000);
	dure_run_free(&r);
	run.flags = DURE_RUN_TRUNCATE;
	T_OK(dure_process_run(WORDS("head", "-c", "1000000", "/dev/zero"), NULL, &run, DURE_S(60), &r));
	assert_int_equal(r.ended, DURE_RUN_DONE);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.output_bytes, 100000);
	assert_int_equal(r.dropped_bytes, 900000);
	dure_run_free(&r);
	/* exactly the limit is not beyond it */
	run.flags = 0;
	T_OK(dure_process_run(WORDS("head", "-c", "100000", "/dev/zero"), NULL, &run, DURE_S(60), &r));
	assert_int_equal(r.ended, DURE_RUN_DONE);
	assert_int_equal(r.output_bytes, 100000);
	dure_run_free(&r);
}

static long resident_kib(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* all of it is read, and next to nothing kept: the program ends by itself */
static void a_gigabyte_is_dropped(void **state)
{
	enum { KEPT = 1 << 20 };
	struct dure_run_options run = { .sz = sizeof run, .output_max = KEPT,
					.flags = DURE_RUN_TRUNCATE };
	struct dure_run_result r = t_run_result();
	long before_kib = resident_kib();

	(void)state;
	if (t_is_under_valgrind())
		skip();
	T_OK(dure_process_run(WORDS("head", "-c", "1G", "/dev/zero"), NULL, &run, DURE_S(100), &r));
	assert_int_equal(r.ended, DURE_RUN_DONE);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.output_bytes, KEPT);
	assert_int_equal(r.dropped_bytes, (1 << 30) - KEPT);
	assert_true(resident_kib() - before_kib < 16 * 1024);
	dure_run_free(&r);
}

static void output_nobody_reads_waits_in_the_pipe(void **state)
{
	struct dure_process_options o = t_process_options();
	dure_process *process;

	(void)state;
	o.output = DURE_STREAM_PIPE;
	T_OK(dure_process_start(WORDS("head", "-c", "1G", "/dev/zero"), &o, &process));
	T_IS(dure_process_wait(process, DURE_MS(50)), -ETIMEDOUT);
	T_IS(dure_process_close(process), DURE_PROCESS_SIGNALLED + SIGPIPE);
}

static void time_is_limited(void **state)
{
	struct dure_process_options o = t_process_options();
	struct dure_run_result r = t_run_result();

	(void)state;
	o.flags = DURE_PROCESS_SHELL | DURE_PROCESS_GROUP;
	int64_t start = t_now_ns();
	T_OK(dure_process_run(WORDS("echo early; sleep 1000"), &o, NULL, DURE_MS(100), &r));
	assert_true(t_now_ns() - start < DURE_S(20));
	assert_int_equal(r.ended, DURE_RUN_TIMED_OUT);
	assert_int_equal(r.status, DURE_PROCESS_SIGNALLED + SIGTERM);
	assert_string_equal(r.output, "early\n");
	dure_run_free(&r);
}

/* the classic hang: something in the background keeps the pipe open */
static void a_background_child_does_not_keep_us(void **state)
{
	struct dure_process_options o = t_process_options();
	struct dure_run_result r = t_run_result();

	(void)state;
	o.flags = DURE_PROCESS_SHELL;
	int64_t start = t_now_ns();
	T_OK(dure_process_run(WORDS("sleep 30 & echo $!"), &o, NULL, DURE_S(25), &r));
	assert_true(t_now_ns() - start < DURE_S(20));
	assert_int_equal(r.ended, DURE_RUN_DONE);
	assert_true(kill(atoi(r.output), SIGKILL) == 0);
	dure_run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_LEAVING_NOTHING(input_and_output_flow_at_once),
		T_LEAVING_NOTHING(output_has_limits),
		T_LEAVING_NOTHING(a_gigabyte_is_dropped),
		T_LEAVING_NOTHING(output_nobody_reads_waits_in_the_pipe),
		T_LEAVING_NOTHING(time_is_limited),
		T_LEAVING_NOTHING(a_background_child_does_not_keep_us),
	};

	return cmocka_run_group_tests_name("run", tests, t_signals_by_default, NULL);
}
