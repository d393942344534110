/* SPDX-License-Identifier: MIT */
/*
 * t.h - what the C tests share: cmocka, children that die, segments of one's own
 */
#ifndef TESTS_T_H
#define TESTS_T_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <dure.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* it happened; the sentence is shown when not */
#define T_OK(call)                                                                                \
	do {                                                                                      \
		int t_result = (call);                                                            \
		if (t_result < 0)                                                                 \
			fail_msg("%s: %d: %s", #call, t_result, dure_last_error());               \
	} while (0)

/*
 * Programs inherit which of these are ignored, and the test may have been started in the
 * background, or by nohup.
 */
static inline int t_signals_by_default(void **state)
{
	(void)state;
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	return 0;
}

/*
 * Valgrind starts programs itself: it looks for what it cannot run before the kernel does, and
 * keeps descriptors of its own. What only the kernel says is not asked under it; tests/memory/check
 * says that it is there.
 */
static inline bool t_is_under_valgrind(void)
{
	return getenv("DURE_TEST_VALGRIND") != NULL;
}

/*
 * A /dev/shm of so many bytes that only this process sees. 0; in a chroot, where / is no mount,
 * /dev/shm is one.
 */
static inline int t_small_shm(unsigned bytes)
{
	char line[200];

	if (unshare(CLONE_NEWNS) != 0)
		return -1;
	snprintf(line, sizeof line, "(mount --make-rprivate / || mount --make-private /dev/shm) 2>/dev/null && "
		 "mount -t tmpfs -o size=%u tmpfs /dev/shm", bytes);
	return system(line);
}

/* exactly this result */
#define T_IS(call, expected)                                                                      \
	do {                                                                                      \
		int t_result = (call);                                                            \
		if (t_result != (expected))                                                       \
			fail_msg("%s: %d, not %d: %s", #call, t_result, (int)(expected),          \
				 dure_last_error());                                              \
	} while (0)

/* it fails with this code, and says why in a sentence that contains the word */
#define T_FAILS(call, code, word)                                                                 \
	do {                                                                                      \
		T_IS(call, code);                                                                 \
		if (!strstr(dure_last_error(), word))                                             \
			fail_msg("%s: the sentence \"%s\" does not contain \"%s\"", #call,        \
				 dure_last_error(), word);                                        \
	} while (0)

/* for qsort */
static inline int t_by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* a name of this test run's own */
static inline const char *t_name(void)
{
	static char name[64];

	snprintf(name, sizeof name, "test-%d", (int)getpid());
	return name;
}

static inline struct dure_segment_options t_options(uint64_t size_bytes)
{
	return (struct dure_segment_options){ .sz = sizeof(struct dure_segment_options),
					      .size_bytes = size_bytes };
}

static inline dure_segment *t_segment(uint64_t size_bytes)
{
	struct dure_segment_options o = t_options(size_bytes);
	dure_segment *seg;

	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
	return seg;
}

static inline void t_close(dure_segment *seg)
{
	T_OK(dure_segment_close(seg));
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
}

/* clean, to the last block */
static inline void t_show_finding(const struct dure_finding *finding, void *context)
{
	(void)context;
	print_message("[%s] +0x%llx %s\n", finding->rule, (unsigned long long)finding->offset,
		      finding->text);
}

static inline void t_clean(dure_segment *seg)
{
	int r = dure_segment_check(seg, NULL, NULL, NULL);

	if (r != 0)
		dure_segment_check(seg, NULL, t_show_finding, NULL);
	assert_int_equal(r, 0);
}

/* the end of a test's segment: what the dead left is mended, and it is clean */
static inline void t_finish(dure_segment *seg)
{
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	t_close(seg);
}

static inline uint64_t t_live_blocks(dure_segment *seg)
{
	struct dure_heap_info info = { .sz = sizeof info };

	T_OK(dure_heap_info(seg, &info));
	return info.live_blocks;
}

/*
 * Runs body in a child that may fail without cmocka: the child says where, and exits with 1.
 * T_CHILD { ... } T_CHILD_END(pid) leaves the pid.
 */
#define T_IN_CHILD(condition)                                                                     \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "child, %s:%d: %s: %s\n", __FILE__, __LINE__, #condition, \
				dure_last_error());                                               \
			_exit(1);                                                                 \
		}                                                                                 \
	} while (0)

static inline pid_t t_fork(void)
{
	fflush(NULL);
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	/* a test that fails or is ended takes its children with it */
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

/* the child ended by itself, with status 0 */
static inline void t_join(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void t_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* -- step by step ------------------------------------------------------------------------ */

/*
 * A child that is about to call what, under our eyes, and has its lane already. It stops again
 * afterwards: its end would tell others of itself.
 */
static inline pid_t t_traced(dure_segment *seg, void (*what)(void))
{
	int status;
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_segment_recover(seg) >= 0);
		T_IN_CHILD(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		raise(SIGSTOP);
		what();
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

/* So many instructions on. False: it has done what it was to do. */
static inline bool t_step(pid_t pid, int count)
{
	int status;

	for (int i = 0; i < count; i++) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSTOPPED(status));
		if (WSTOPSIG(status) == SIGSTOP)
			return false;
	}
	return true;
}

/* It does the rest. */
static inline void t_go_on(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

/* How many instructions it is from one place to stop at to the next. It does not survive it. */
static inline int t_stride(pid_t pid, int places)
{
	int count = 0;

	while (t_step(pid, 1))
		count++;
	t_kill(pid);
	assert_true(count > 20);
	return count / places + 1;
}

static inline int64_t t_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void t_sleep_ms(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* The kernel says that it sleeps: it has come to wait. */
static inline void t_await_sleep(pid_t pid)
{
	char path[40], line[256];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	for (int ms = 0; ms < 20000; ms++) {
		FILE *f = fopen(path, "r");
		const char *end_of_name = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
		if (f)
			fclose(f);
		if (end_of_name && end_of_name[2] == 'S')
			return;
		t_sleep_ms(1);
	}
	fail_msg("process %d does not come to wait", (int)pid);
}

/* a pipe as a gate between processes */
static inline void t_signal(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static inline void t_await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(read(fd, &c, 1), 1);
}

/* Three processes of two threads each run body, with a number of their own from 1 on, to its end. */
static inline void t_crowd(dure_segment *seg, void *(*body)(void *number))
{
	enum { PROCESSES = 3, THREADS = 2 };
	pid_t pids[PROCESSES];

	for (uintptr_t i = 0; i < PROCESSES; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			pthread_t threads[THREADS];
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uintptr_t j = 0; j < THREADS; j++)
				T_IN_CHILD(pthread_create(&threads[j], NULL, body,
							  (void *)(i * THREADS + j + 1)) == 0);
			for (int j = 0; j < THREADS; j++)
				pthread_join(threads[j], NULL);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++)
		t_join(pids[i]);
}

#endif
