/* SPDX-License-Identifier: MIT */
/* Description: the kernel tells who is alive: across PID namespaces, without futex_waitv, and at
   the end of all; and participants can be watched. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../t.h"

struct root {
	dure_mutex lock;
	uint64_t counter, copy;
};

/* "Shmem:" of /proc/meminfo, KiB */
static long shared_memory_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "Shmem: %ld", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

static struct root *root_of(dure_segment *seg)
{
	struct root *root;

	T_OK(dure_object_find_or_create(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
					(void **)&root));
	return root;
}

/* P4: killed together, nothing runs afterwards, and the memory is back. */
static void process_lifetime_ends_with_the_last_process(void **state)
{
	enum { PROCESSES = 4, BYTES = 64 << 20 };
	const char *name = t_name();
	pid_t pids[PROCESSES];
	int fds[2];
	long before, during, after = 0;

	(void)state;
	dure_segment_remove(name, DURE_REMOVE_FORCE, NULL);
	before = shared_memory_kib();
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			struct dure_segment_options o = t_options(2 * BYTES);
			dure_segment *seg;
			void *p;
			o.lifetime = DURE_LIFETIME_PROCESS;
			T_IN_CHILD(dure_segment_open(name, DURE_CREATE | DURE_OPEN, &o, &seg) >= 0);
			T_IN_CHILD(dure_block_reserve(seg, BYTES / PROCESSES, 0, &p) == 0);
			memset(p, 1, BYTES / PROCESSES);
			T_IN_CHILD(dure_block_keep(seg, p) == 0);
			t_signal(fds[1]);
			for (;;)
				pause();
		}
	}
	for (int i = 0; i < PROCESSES; i++)
		t_await(fds[0]);
	during = shared_memory_kib();
	assert_true(during - before >= BYTES / 1024);
	for (int i = 0; i < PROCESSES; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < PROCESSES; i++)
		waitpid(pids[i], NULL, 0);
	/* others on the machine use shared memory too: look for the best of a second */
	after = shared_memory_kib();
	for (int i = 0; i < 100 && after > before; i++) {
		t_sleep_ms(10);
		long now = shared_memory_kib();
		after = now < after ? now : after;
	}
	print_message("Shmem: %ld KiB before, %ld during, %ld after\n", before, during, after);
	/* what else is on the machine may have taken some, but not a hundredth of this */
	assert_true(after <= before + BYTES / 1024 / 100);
	/* the name is left, and leads to nothing; it can be made anew */
	dure_segment *seg;
	struct dure_segment_options o = t_options(1 << 20);
	T_IS(dure_segment_open(name, DURE_OPEN, NULL, &seg), -ENOENT);
	o.lifetime = DURE_LIFETIME_PROCESS;
	T_IS(dure_segment_open(name, DURE_CREATE, &o, &seg), DURE_CREATED);
	T_OK(dure_segment_close(seg));
	dure_segment_remove(name, DURE_REMOVE_FORCE, NULL);
	close(fds[0]);
	close(fds[1]);
}

/* -- PID namespaces ---------------------------------------------------------------------- */

/* Counts under the lock, twice, so that a second holder would be seen. */
static void hammer(const char *name)
{
	dure_segment *seg;
	struct root *root;

	T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &seg) == 0);
	T_IN_CHILD(dure_object_find(seg, "root", DURE_TYPE(struct root), (void **)&root, NULL) == 0);
	for (;;) {
		void *p;
		int r = dure_mutex_lock(seg, &root->lock, DURE_FOREVER);
		T_IN_CHILD(r >= 0);
		if (r == DURE_OWNER_DIED) {
			root->copy = root->counter;
			T_IN_CHILD(dure_mutex_mark_consistent(seg, &root->lock) == 0);
		}
		T_IN_CHILD(root->copy == root->counter);
		root->counter++;
		__asm__ volatile("" ::: "memory");
		root->copy++;
		T_IN_CHILD(dure_mutex_unlock(seg, &root->lock) == 0);
		T_IN_CHILD(dure_block_reserve(seg, 100 + root->counter % 3000, 0, &p) == 0);
		T_IN_CHILD(dure_block_keep(seg, p) == 0);
		T_IN_CHILD(dure_block_free(seg, p) == 0);
	}
}

/* A child that is pid 1 of a new PID namespace; -1 where that is not allowed. */
static pid_t start_in_namespace(const char *name)
{
	fflush(NULL);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getpid() != 1)
		_exit(1);
	hammer(name);
	_exit(0);
}

/* Somebody gets on. Bounded generously: the machine may be busy with other things. */
static uint64_t await_progress(const struct root *root, uint64_t last)
{
	for (int ms = 0; ms < 10000; ms++) {
		uint64_t now = __atomic_load_n(&root->counter, __ATOMIC_RELAXED);
		if (now > last + 100)
			return now;
		t_sleep_ms(1);
	}
	return last;
}

static void equal_pids_in_two_namespaces_do_no_harm(void **state)
{
	dure_segment *seg = t_segment(16 << 20);
	struct root *root = root_of(seg);
	uint64_t last = 0, now;
	pid_t pids[2];

	(void)state;
	pids[0] = start_in_namespace(t_name());
	if (pids[0] < 0) {
		t_close(seg);
		skip();		/* not allowed to make namespaces */
	}
	pids[1] = start_in_namespace(t_name());
	for (int round = 0; round < 100; round++) {
		now = await_progress(root, last);
		if (now == last)
			break;
		last = now;
		t_kill(pids[round % 2]);
		pids[round % 2] = start_in_namespace(t_name());
	}
	t_kill(pids[0]);
	t_kill(pids[1]);
	assert_true(now == last);
	assert_true(last >= 100 * 100);
	T_OK(dure_segment_recover(seg));
	print_message("%llu rounds\n", (unsigned long long)root->counter);
	t_clean(seg);
	t_close(seg);
}

/* -- old kernels, strict containers ------------------------------------------------------ */

/* From now on this call fails with ENOSYS, as before it was invented. */
static bool forbid(long call)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The waiter cannot sleep on two words, or cannot be told by the kernel: it finds out itself. */
static void without(long call, const char *what, bool forbid_holder)
{
	dure_segment *seg = t_segment(1 << 20);
	struct root *root = root_of(seg);
	enum { ROUNDS = 10 };
	int64_t waits[ROUNDS];
	int ready[2], told[2];

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(told), 0);
	for (int i = 0; i < ROUNDS; i++) {
		pid_t holder = t_fork();
		if (holder == 0) {
			T_IN_CHILD(!forbid_holder || forbid(call));
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			T_IN_CHILD(dure_mutex_lock(seg, &root->lock, DURE_FOREVER) >= 0);
			t_signal(ready[1]);
			for (;;)
				pause();
		}
		t_await(ready[0]);
		pid_t waiter = t_fork();
		if (waiter == 0) {
			T_IN_CHILD(forbid_holder || forbid(call));
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			t_signal(ready[1]);
			T_IN_CHILD(dure_mutex_lock(seg, &root->lock, DURE_S(5)) == DURE_OWNER_DIED);
			int64_t now = t_now_ns();
			T_IN_CHILD(write(told[1], &now, sizeof now) == sizeof now);
			T_IN_CHILD(dure_mutex_mark_consistent(seg, &root->lock) == 0);
			T_IN_CHILD(dure_mutex_unlock(seg, &root->lock) == 0);
			T_IN_CHILD(dure_segment_close(seg) == 0);
			_exit(0);
		}
		t_await(ready[0]);
		t_sleep_ms(20);
		int64_t killed = t_now_ns(), got;
		t_kill(holder);
		assert_int_equal(read(told[0], &got, sizeof got), sizeof got);
		t_join(waiter);
		waits[i] = got - killed;
	}
	qsort(waits, ROUNDS, sizeof *waits, t_by_value);
	print_message("%s: median %.3f ms, worst %.3f ms\n", what, (double)waits[ROUNDS / 2] / 1e6,
		      (double)waits[ROUNDS - 1] / 1e6);
	assert_true(waits[ROUNDS / 2] < DURE_MS(50));
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(told[i]);
	}
	t_close(seg);
}

static void without_futex_waitv(void **state)
{
	(void)state;
	without(449, "without futex_waitv", false);
}

static void without_a_robust_list(void **state)
{
	(void)state;
	without(SYS_get_robust_list, "without a robust list", true);
}

/* -- watching ---------------------------------------------------------------------------- */

static void a_death_makes_the_descriptor_readable(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	struct dure_participant p = { .sz = sizeof p };
	dure_watch *watch;
	int ready[2];

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_mutex_lock(seg, &root_of(seg)->lock, 0) == 0);
		t_signal(ready[1]);
		for (;;)
			pause();
	}
	t_await(ready[0]);
	T_OK(dure_watch_open(seg, &watch));
	struct pollfd poller = { .fd = dure_watch_fd(watch), .events = POLLIN };
	T_IS(dure_watch_next(watch, &p), 0);
	int64_t end = t_now_ns() + DURE_MS(100);
	while (poll(&poller, 1, 20) > 0 && t_now_ns() < end)	/* quiet, after a moment */
		T_IS(dure_watch_next(watch, &p), 0);
	int64_t killed = t_now_ns();
	kill(pid, SIGKILL);
	int r = 0;
	while (r == 0) {
		assert_int_equal(poll(&poller, 1, 2000), 1);
		r = dure_watch_next(watch, &p);
		T_OK(r);
	}
	print_message("told after %.3f ms\n", (double)(t_now_ns() - killed) / 1e6);
	assert_int_equal(p.process, pid);
	assert_int_equal(p.is_alive, 0);
	/* what it held has been dealt with */
	T_IS(dure_mutex_lock(seg, &root_of(seg)->lock, 0), DURE_OWNER_DIED);
	T_OK(dure_mutex_unlock(seg, &root_of(seg)->lock));
	waitpid(pid, NULL, 0);
	dure_watch_close(watch);
	dure_watch_close(NULL);
	close(ready[0]);
	close(ready[1]);
	t_close(seg);
}

static int find_self(const struct dure_participant *participant, void *context)
{
	*(int *)context += participant->process == (uint32_t)getpid() && participant->is_alive;
	return 0;
}

static int find_thread(const struct dure_thread_info *info, void *context)
{
	*(int *)context += info->is_alive && info->lock_count == 1 && info->locks[0].offset != 0;
	return 0;
}

static void participants_and_threads_are_listed(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	int selves = 0, holders = 0;

	(void)state;
	T_OK(dure_mutex_lock(seg, &root_of(seg)->lock, 0));
	T_OK(dure_participant_list(seg, find_self, &selves));
	T_OK(dure_thread_list(seg, find_thread, &holders));
	assert_int_equal(selves, 1);
	assert_int_equal(holders, 1);
	T_OK(dure_mutex_unlock(seg, &root_of(seg)->lock));
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_lifetime_ends_with_the_last_process),
		cmocka_unit_test(equal_pids_in_two_namespaces_do_no_harm),
		cmocka_unit_test(without_futex_waitv),
		cmocka_unit_test(without_a_robust_list),
		cmocka_unit_test(a_death_makes_the_descriptor_readable),
		cmocka_unit_test(participants_and_threads_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
