/* SPDX-License-Identifier: MIT */
/*
 * process.h - what the tests of programs share: a program run with patience, nothing left behind
 */
#ifndef TESTS_API_PROCESS_H
#define TESTS_API_PROCESS_H

#include <dirent.h>

#include "../t.h"

#define WORDS(...) (const char *const[]){ __VA_ARGS__, NULL }

static inline struct dure_process_options t_process_options(void)
{
	return (struct dure_process_options){ .sz = sizeof(struct dure_process_options) };
}

static inline struct dure_run_result t_run_result(void)
{
	return (struct dure_run_result){ .sz = sizeof(struct dure_run_result) };
}

/* runs it with patience, and compares what it said and its status */
static inline void t_says(const char *const *words, const struct dure_process_options *o,
			  const char *expected, int status)
{
	struct dure_run_result r = t_run_result();

	T_IS(dure_process_run(words, o, NULL, DURE_S(20), &r), 0);
	assert_string_equal(r.output, expected);
	assert_int_equal(r.status, status);
	assert_int_equal(r.ended, DURE_RUN_DONE);
	dure_run_free(&r);
	dure_run_free(&r);
}

static inline int t_count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static inline bool t_has_children(void)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 ||
	       errno != ECHILD;
}

/* every test leaves as many descriptors as it found, and no child */
static inline int t_count_before(void **state)
{
	*state = (void *)(intptr_t)t_count_descriptors();
	return 0;
}

static inline int t_nothing_stays(void **state)
{
	if (t_has_children())
		return print_error("a child has stayed\n"), -1;
	if (t_count_descriptors() != (int)(intptr_t)*state)
		return print_error("%d descriptors, not %d\n", t_count_descriptors(),
				   (int)(intptr_t)*state), -1;
	return 0;
}

#define T_LEAVING_NOTHING(name)                                                                \
	cmocka_unit_test_setup_teardown(name, t_count_before, t_nothing_stays)

#endif
