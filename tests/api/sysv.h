/* SPDX-License-Identifier: MIT */
/*
 * sysv.h - what the tests of System V objects share: a key, commands, who waits, signals meanwhile
 */
#ifndef TESTS_API_SYSV_H
#define TESTS_API_SYSV_H

#include <grp.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>

#include "../t.h"

enum { PATIENCE_S = 20, NOBODY = 65534 };

/* of this test run's own, one for each kind at a time, the same in its children */
static int32_t the_key;

static inline int32_t t_key(void)
{
	return the_key;
}

/* where that is allowed, in an IPC namespace of its own: a failed test leaves nothing */
static inline void t_begin_sysv(void)
{
	the_key = 0x5a000000 | (getpid() & 0xffffff);
	if (unshare(CLONE_NEWIPC) < 0)
		print_message("in the IPC namespace of all: not allowed to make one\n");
}

/* in a child: another user, without a privilege */
static inline void t_become_nobody(void)
{
	T_IN_CHILD(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		   setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

/* the output of a command, which must succeed */
static inline void t_run(const char *command, char *output, size_t bytes)
{
	FILE *pipe = popen(command, "r");
	size_t n;

	assert_non_null(pipe);
	n = fread(output, 1, bytes - 1, pipe);
	output[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

/* until a process sleeps in semtimedop, msgrcv ...: the kernel says which call it is in */
static inline void t_await_call(int id, bool (*waits)(int id))
{
	for (int64_t end = t_now_ns() + PATIENCE_S * DURE_S(1); !waits(id); t_sleep_ms(1))
		assert_true(t_now_ns() < end);
}

static inline void t_ignore(int signal)
{
	(void)signal;
}

/* How long wait takes, with a signal every millisecond. */
static inline int64_t t_amid_signals(void (*wait)(void *context), void *context)
{
	struct sigaction action = { .sa_handler = t_ignore }, old;
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };

	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &every, NULL);
	int64_t start = t_now_ns();
	wait(context);
	int64_t waited = t_now_ns() - start;
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_IGN);	/* one may be on its way */
	sigaction(SIGALRM, &old, NULL);
	return waited;
}

#endif
