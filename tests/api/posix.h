/* SPDX-License-Identifier: MIT */
/*
 * posix.h - what the tests of POSIX objects share: a name of their own, python, another user
 */
#ifndef TESTS_API_POSIX_H
#define TESTS_API_POSIX_H

#include <grp.h>

#include "../t.h"

enum { PATIENCE_S = 20 };

static char name[40];			/* of this test run's own */

static inline void t_remove_all(void)
{
	for (uint32_t kind = DURE_POSIX_SHM; kind <= DURE_POSIX_QUEUE; kind++)
		dure_posix_remove(kind, name);
}

static inline int t_before(void **state)
{
	(void)state;
	snprintf(name, sizeof name, "/dure-test-%d", (int)getpid());
	t_remove_all();
	return 0;
}

static inline int t_after(void **state)
{
	(void)state;
	t_remove_all();
	return 0;
}

static inline uint32_t t_mode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_mode & 07777;
}

/* a program of python's, whose exit status must be 0; false, and said so, without python */
static inline bool t_python(const char *program)
{
	char command[1200];

	if (system("python3 -c 'import ctypes, mmap' 2>/dev/null") != 0) {
		print_message("there is no python3: not tried with it\n");
		return false;
	}
	snprintf(command, sizeof command,
		 "python3 -c 'import ctypes, mmap, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
		 "name = b\"%s\"\n%s'", name, program);
	assert_int_equal(system(command), 0);
	return true;
}

/* A user whom nobody else is, now or in the last minutes: RLIMIT_MSGQUEUE counts by user, and the
   queues of an IPC namespace go some time after it. */
static inline void t_become_somebody(void)
{
	uid_t user = 0x40000000u + (uid_t)getpid();

	T_IN_CHILD(setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
		   setresuid(user, user, user) == 0);
}

static inline void t_says_in_child(int result, int code, const char *word)
{
	if (result == code && strstr(dure_last_error(), word))
		return;
	fprintf(stderr, "child: %d, not %d with \"%s\": %s\n", result, code, word,
		dure_last_error());
	_exit(1);
}

#define T_NAMED(function) cmocka_unit_test_setup_teardown(function, t_before, t_after)

#endif
