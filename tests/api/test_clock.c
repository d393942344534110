/* SPDX-License-Identifier: MIT */
/*
 * Description: a clock that is set back and forth during timed waits changes nothing.
 *
 * Why      Setting the machine's clock in a test would disturb all who use the machine, and is not
 *          allowed in most places where tests run; a time namespace has no clock of its own that
 *          can be set. So the two ways in which the wall clock could come into a wait are
 *          watched, and everywhere:
 *
 *		what the library reads	clock_gettime is this program's own: the wall clock that
 *					it tells jumps by an hour, back or forth, at each reading
 *		what the kernel is told	a seccomp filter ends the process at any wait that is given
 *					with the wall clock: futex, futex_waitv, clock_nanosleep, timerfd
 *
 *          With DURE_TEST_SET_CLOCK=1 the machine's clock itself is set by an hour back and forth as
 *          well, every 5 ms, and put right by the monotonic clock at the end, whatever happens.
 */
#include "../t.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum { HOUR_S = 3600, TIMEOUT_MS = 30, LATEST_MS = 5000 };

struct root {
	dure_mutex mutex;
	dure_rwlock written, read, upgradable;
	dure_semaphore semaphore;
	dure_mutex free_mutex;
	dure_condition condition;
	dure_event event;
	dure_latch latch;
	dure_once once;
	dure_barrier barrier;
	dure_seqlock seqlock;
	uint64_t copies[2];
};

static dure_segment *seg, *named_seg;
static struct root *root;
static dure_mutex *named;
static dure_queue *queue;
static dure_file *file;
static char file_path[80];

/* -- the clocks -------------------------------------------------------------------------- */

static uint64_t told_wall, told_monotonic;

/* In place of the libc's, for the library, too. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)
		ret->tv_sec += __atomic_fetch_add(&told_wall, 1, __ATOMIC_RELAXED) % 2 ? HOUR_S : -HOUR_S;
	else
		__atomic_fetch_add(&told_monotonic, 1, __ATOMIC_RELAXED);
	return r;
}

/* The low half of an argument of a system call. */
#define ARGUMENT(n)                                                                               \
	(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t) +                            \
	 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)

static void forbid_the_wall_clock(void)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		IF(SYS_futex, 4, 0),				/* to A */
		IF(SYS_futex_waitv, 5, 0),			/* to B */
		IF(SYS_clock_nanosleep, 6, 0),			/* to C */
		IF(SYS_timerfd_create, 5, 0),			/* to C */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		LOAD(ARGUMENT(1)),				/* A: the operation */
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FUTEX_CLOCK_REALTIME, 5, 4),
		LOAD(ARGUMENT(4)),				/* B: the clock */
		IF(CLOCK_REALTIME, 3, 2),
		LOAD(ARGUMENT(0)),				/* C: the clock */
		IF(CLOCK_REALTIME, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	T_IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	T_IN_CHILD(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
}

/* -- what is waited for ------------------------------------------------------------------ */

static int lock_mutex(int64_t t)
{
	return dure_mutex_lock(seg, &root->mutex, t);
}

static int lock_named(int64_t t)
{
	return dure_mutex_lock(named_seg, named, t);
}

static int lock_shared(int64_t t)
{
	return dure_rwlock_lock(seg, &root->written, DURE_SHARED, t);
}

static int lock_upgradable(int64_t t)
{
	return dure_rwlock_lock(seg, &root->upgradable, DURE_UPGRADABLE, t);
}

static int lock_exclusive(int64_t t)
{
	return dure_rwlock_lock(seg, &root->read, DURE_EXCLUSIVE, t);
}

static int go_up(int64_t t)
{
	T_IN_CHILD(dure_rwlock_lock(seg, &root->read, DURE_UPGRADABLE, 0) == 0);
	int r = dure_rwlock_change(seg, &root->read, DURE_EXCLUSIVE, t);
	T_IN_CHILD(dure_rwlock_unlock(seg, &root->read) == 0);
	return r;
}

static int take(int64_t t)
{
	return dure_semaphore_take(seg, &root->semaphore, 1, 0, t);
}

static int await_signal(int64_t t)
{
	T_IN_CHILD(dure_mutex_lock(seg, &root->free_mutex, 0) == 0);
	int r = dure_condition_wait(seg, &root->condition, &root->free_mutex, t);
	T_IN_CHILD(dure_mutex_unlock(seg, &root->free_mutex) == 0);
	return r;
}

static int await_event(int64_t t)
{
	return dure_event_wait(seg, &root->event, t, NULL);
}

static int await_latch(int64_t t)
{
	return dure_latch_wait(seg, &root->latch, t);
}

static int begin_once(int64_t t)
{
	return dure_once_begin(seg, &root->once, t);
}

static int arrive(int64_t t)
{
	T_IN_CHILD(dure_barrier_join(seg, &root->barrier) == 0);
	int r = dure_barrier_wait(seg, &root->barrier, t);
	T_IN_CHILD(dure_barrier_leave(seg, &root->barrier) == 0);
	return r;
}

static int write_value(int64_t t)
{
	uint64_t value = 1;

	return dure_seqlock_write(seg, &root->seqlock, &value, sizeof value, t);
}

static int wait_any(int64_t t)
{
	struct dure_wait_item items[] = {
		{ .object = &root->mutex, .kind = DURE_WAIT_MUTEX },
		{ .object = &root->event, .kind = DURE_WAIT_EVENT },
	};

	return dure_wait_any(seg, items, 2, t);
}

static int receive(int64_t t)
{
	char byte;

	return dure_queue_receive(queue, NULL, &byte, 1, NULL, t);
}

static int lock_file(int64_t t)
{
	return dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, t);
}

static const struct {
	const char *name;
	int (*wait)(int64_t timeout_ns);
} waits[] = {
	{ "mutex", lock_mutex },
	{ "mutex by name", lock_named },
	{ "shared", lock_shared },
	{ "upgradable", lock_upgradable },
	{ "exclusive", lock_exclusive },
	{ "upgradable to exclusive", go_up },
	{ "semaphore", take },
	{ "condition", await_signal },
	{ "event", await_event },
	{ "latch", await_latch },
	{ "once", begin_once },
	{ "barrier", arrive },
	{ "sequence lock", write_value },
	{ "any of two", wait_any },
	{ "queue", receive },
	{ "file lock", lock_file },
};

/* All that the waits wait for, and a pipe that keeps it so. */
static pid_t start_holder(int *ready)
{
	uint64_t value;
	pid_t pid = t_fork();

	if (pid)
		return pid;
	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_segment_reattach(named_seg) == 0);
	T_IN_CHILD(dure_mutex_lock(seg, &root->mutex, 0) == 0);
	T_IN_CHILD(dure_mutex_lock(named_seg, named, 0) == 0);
	T_IN_CHILD(dure_rwlock_lock(seg, &root->written, DURE_EXCLUSIVE, 0) == 0);
	T_IN_CHILD(dure_rwlock_lock(seg, &root->upgradable, DURE_UPGRADABLE, 0) == 0);
	T_IN_CHILD(dure_rwlock_lock(seg, &root->read, DURE_SHARED, 0) == 0);
	T_IN_CHILD(dure_once_begin(seg, &root->once, 0) == DURE_CREATED);
	T_IN_CHILD(dure_barrier_join(seg, &root->barrier) == 0);
	T_IN_CHILD(dure_seqlock_begin(seg, &root->seqlock, &value, sizeof value, 0) == 0);
	T_IN_CHILD(dure_file_open(file_path, DURE_OPEN, NULL, &file) == 0);
	T_IN_CHILD(lock_file(0) == 0);
	t_signal(ready[1]);
	for (;;)
		pause();
}

/* In a process that the wall clock would end. */
static void wait_for_each(void)
{
	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_segment_reattach(named_seg) == 0);
	T_IN_CHILD(dure_file_open(file_path, DURE_OPEN, NULL, &file) == 0);
	T_IN_CHILD(dure_queue_open(seg, "queue", DURE_OPEN, NULL, &queue) == 0);
	forbid_the_wall_clock();
	alarm(20);			/* a deadline an hour ahead */
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		uint64_t readings = told_monotonic;
		int64_t start = t_now_ns();
		int r = waits[i].wait(DURE_MS(TIMEOUT_MS));
		int64_t took = t_now_ns() - start;
		if (r != -ETIMEDOUT || took < DURE_MS(TIMEOUT_MS) || took > DURE_MS(LATEST_MS)) {
			fprintf(stderr, "%s: %d after %.1f ms: %s\n", waits[i].name, r, (double)took / 1e6,
				dure_last_error());
			_exit(1);
		}
		T_IN_CHILD(told_monotonic > readings + 2);	/* the library reads our clock */
	}
	_exit(0);
}

/* -- the machine's clock, if we may ------------------------------------------------------- */

static struct timespec real_now(clockid_t clock)
{
	struct timespec t;

	assert_int_equal(syscall(SYS_clock_gettime, clock, &t), 0);
	return t;
}

/* Wall time: what it was at the start, and what has passed since, and so many seconds more. */
static int set_wall(struct timespec wall, struct timespec since, long more_s)
{
	struct timespec now = real_now(CLOCK_MONOTONIC);
	int64_t passed = ((int64_t)now.tv_sec - since.tv_sec) * 1000000000 + now.tv_nsec - since.tv_nsec;
	int64_t ns = wall.tv_nsec + passed;
	struct timespec t = { .tv_sec = wall.tv_sec + ns / 1000000000 + more_s,
			      .tv_nsec = (long)(ns % 1000000000) };

	return (int)syscall(SYS_clock_settime, CLOCK_REALTIME, &t);
}

/* Sets it until the process ends, then puts it right: also when the process was killed. */
static void set_clock_while(pid_t pid, int *status)
{
	struct timespec wall = real_now(CLOCK_REALTIME), since = real_now(CLOCK_MONOTONIC);

	while (waitpid(pid, status, WNOHANG) == 0) {
		static long sign = 1;
		if (set_wall(wall, since, sign * HOUR_S) != 0)
			fail_msg("DURE_TEST_SET_CLOCK is set, and the clock cannot be: %s",
				 strerror(errno));
		sign = -sign;
		t_sleep_ms(5);
	}
	assert_int_equal(set_wall(wall, since, 0), 0);
}

/* -- the tests --------------------------------------------------------------------------- */

static void timed_waits_do_not_know_the_wall_clock(void **state)
{
	const char *sets = getenv("DURE_TEST_SET_CLOCK");
	int ready[2], status;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid_t holder = start_holder(ready);
	t_await(ready[0]);
	pid_t waiter = t_fork();
	if (waiter == 0)
		wait_for_each();
	if (sets && strcmp(sets, "1") == 0)
		set_clock_while(waiter, &status);
	else
		assert_int_equal(waitpid(waiter, &status, 0), waiter);
	if (WIFSIGNALED(status))
		fail_msg("ended by signal %d: a wait by the wall clock", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	t_kill(holder);
}

/* So what the test forbids is forbidden. */
static void the_filter_works(void **state)
{
	struct timespec t = { 0 };
	uint32_t word = 0;
	int status;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pid_t pid = t_fork();
		if (pid == 0) {
			prctl(PR_SET_DUMPABLE, 0);
			forbid_the_wall_clock();
			if (i == 0)
				syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 1);
			else if (i == 1)
				syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &t, NULL);
			else
				syscall(SYS_futex_waitv, NULL, 0, 0, &t, CLOCK_REALTIME);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

static int setup(void **state)
{
	uint64_t value = 0;

	(void)state;
	seg = t_segment(4 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
	T_OK(dure_latch_init(seg, &root->latch, 1));
	T_OK(dure_barrier_init(seg, &root->barrier, 1));
	T_OK(dure_seqlock_init(seg, &root->seqlock, &value, sizeof value));
	T_OK(dure_queue_open(seg, "queue", DURE_CREATE, NULL, &queue));
	dure_named_unlink(t_name(), DURE_REMOVE_FORCE, NULL);
	snprintf(file_path, sizeof file_path, "%s.named", t_name());
	dure_named_unlink(file_path, DURE_REMOVE_FORCE, NULL);
	T_OK(dure_named_open(DURE_NAMED_MUTEX, file_path, DURE_CREATE, NULL, &named_seg,
			     (void **)&named));
	snprintf(file_path, sizeof file_path, "/tmp/dure-%s", t_name());
	T_OK(dure_file_open(file_path, DURE_CREATE, NULL, &file));
	T_OK(dure_file_close(file));
	return 0;
}

static int teardown(void **state)
{
	char name[80];

	(void)state;
	dure_queue_close(queue);
	t_finish(seg);
	T_OK(dure_segment_close(named_seg));
	snprintf(name, sizeof name, "%s.named", t_name());
	T_OK(dure_named_unlink(name, 0, NULL));
	unlink(file_path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_filter_works),
		cmocka_unit_test(timed_waits_do_not_know_the_wall_clock),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
