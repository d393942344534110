/* SPDX-License-Identifier: MIT */
/*
 * test_os.c - sleeping on words, with and without futex_waitv; facts about this process
 *
 * Why      The library has no switch for kernels without futex_waitv: it believes the answer
 *          of the system call. So here a child forbids itself the call by a seccomp filter, and
 *          must find the other way, in durei_futex_wait and in a lock.
 */
#include "../t.h"

#include <ctype.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>

#include "os/file.h"
#include "os/futex.h"
#include "os/proc.h"
#include "os/self.h"

enum { FUTEX_WAITV_CALL = 449, PATIENCE_S = 10 };

static uint32_t *words;		/* two, in memory shared with children */

static int setup(void **state)
{
	(void)state;
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return words == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(words, 4096);
}

static int64_t soon(void)
{
	return durei_clock_now() + PATIENCE_S * INT64_C(1000000000);
}

static bool has_waitv(void)
{
	struct durei_sleep two[2] = { { &words[0], 1 }, { &words[1], 1 } };

	return durei_futex_wait(two, 2, soon()) != -ENOSYS;
}

static void another_value_is_no_reason_to_sleep(void **state)
{
	struct durei_sleep two[2] = { { &words[0], 0 }, { &words[1], 1 } };

	(void)state;
	assert_int_equal(durei_futex_wait(&two[1], 1, DUREI_NEVER), 0);
	if (!has_waitv())
		skip();
	assert_int_equal(durei_futex_wait(two, 2, DUREI_NEVER), 0);
}

static void deadlines_are_kept(void **state)
{
	struct durei_sleep two[2] = { { &words[0], 0 }, { &words[1], 0 } };

	(void)state;
	for (unsigned count = 1; count <= (has_waitv() ? 2u : 1u); count++) {
		int64_t start = durei_clock_now();
		assert_int_equal(durei_futex_wait(two, count, 0), -ETIMEDOUT);
		assert_int_equal(durei_futex_wait(two, count, start - 1), -ETIMEDOUT);
		assert_int_equal(durei_futex_wait(two, count, start + 5000000), -ETIMEDOUT);
		int64_t waited = durei_clock_now() - start;
		assert_true(waited >= 5000000 && waited < PATIENCE_S * INT64_C(1000000000));
	}
}

/* never early; and not late each time, however busy the machine is */
static void naps_end_when_they_should(void **state)
{
	int64_t shortest = INT64_MAX;

	(void)state;
	for (int i = 0; i < 5; i++) {
		int64_t start = durei_clock_now();
		durei_sleep_until(start + 3000000);
		int64_t slept = durei_clock_now() - start;
		assert_true(slept >= 3000000);
		shortest = slept < shortest ? slept : shortest;
		durei_sleep_until(start);		/* past already */
	}
	assert_true(shortest < 500000000);
}

/* A child sleeps on `count` words; it ends with 0 when it was woken in time. */
static pid_t sleeper(unsigned count)
{
	pid_t pid = t_fork();

	if (pid != 0)
		return pid;
	struct durei_sleep two[2] = { { &words[0], 0 }, { &words[1], 0 } };
	int64_t deadline = soon();
	while (__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) == 0 &&
	       __atomic_load_n(&words[1], __ATOMIC_ACQUIRE) == 0)
		if (durei_futex_wait(two, count, deadline) != 0)
			_exit(1);
	_exit(0);
}

/* wakes until somebody was asleep, so that the wake itself is what is tried */
static int wake_somebody(uint32_t *word)
{
	int64_t deadline = soon();
	int woken;

	while ((woken = durei_futex_wake(word, 1)) == 0 && durei_clock_now() < deadline)
		t_sleep_ms(1);
	return woken;
}

static void sleepers_are_woken_across_processes(void **state)
{
	(void)state;
	assert_int_equal(durei_futex_wake(&words[0], 1), 0);
	for (unsigned which = 0; which < (has_waitv() ? 2u : 1u); which++) {
		__atomic_store_n(&words[0], 0, __ATOMIC_RELEASE);
		__atomic_store_n(&words[1], 0, __ATOMIC_RELEASE);
		pid_t pid = sleeper(which + 1);
		assert_int_equal(wake_somebody(&words[which]), 1);	/* looks, and sleeps again */
		__atomic_store_n(&words[which], 1, __ATOMIC_RELEASE);
		durei_futex_wake(&words[which], 1);
		t_join(pid);
	}
}

static void all_sleepers_can_be_woken_at_once(void **state)
{
	int64_t deadline = soon();
	int most = 0;

	(void)state;
	__atomic_store_n(&words[0], 0, __ATOMIC_RELEASE);
	__atomic_store_n(&words[1], 0, __ATOMIC_RELEASE);
	pid_t a = sleeper(1), b = sleeper(1);
	while (most < 2 && durei_clock_now() < deadline) {	/* woken early, they sleep again */
		int woken = durei_futex_wake(&words[0], UINT32_MAX >> 1);
		most = woken > most ? woken : most;
		t_sleep_ms(1);
	}
	__atomic_store_n(&words[0], 1, __ATOMIC_RELEASE);
	durei_futex_wake(&words[0], UINT32_MAX >> 1);
	t_join(a);
	t_join(b);
	assert_int_equal(most, 2);
}

/* futex_waitv answers with this errno from now on, as kernels before 5.16 and filters do */
static bool forbid_waitv(unsigned code)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),		/* the call's number */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAITV_CALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof program / sizeof *program, program };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

enum { NO_FILTER = 77 };

static void without_waitv_it_says_so(void **state)
{
	static const unsigned codes[] = { ENOSYS, EPERM };
	int status;

	(void)state;
	for (int i = 0; i < 2; i++) {
		pid_t pid = t_fork();
		if (pid == 0) {
			struct durei_sleep two[2] = { { &words[0], 0 }, { &words[1], 0 } };
			if (!forbid_waitv(codes[i]))
				_exit(NO_FILTER);
			T_IN_CHILD(durei_futex_wait(two, 2, soon()) == -ENOSYS);
			T_IN_CHILD(durei_futex_wait(two, 1, 0) == -ETIMEDOUT);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == NO_FILTER)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* A lock's holder is killed while somebody without futex_waitv sleeps for it. */
static void without_waitv_the_death_of_a_holder_is_noticed(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	dure_mutex *mutex;
	int gate[2], status;

	(void)state;
	T_OK(dure_object_construct(seg, "lock", DURE_TYPE(dure_mutex), 1, NULL, NULL,
				   (void **)&mutex));
	assert_int_equal(pipe(gate), 0);
	pid_t holder = t_fork();
	if (holder == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_mutex_lock(seg, mutex, 0) == 0);
		t_signal(gate[1]);
		for (;;)
			pause();
	}
	t_await(gate[0]);
	pid_t waiter = t_fork();
	if (waiter == 0) {
		if (!forbid_waitv(ENOSYS))
			_exit(NO_FILTER);
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_mutex_lock(seg, mutex, DURE_MS(20)) == -ETIMEDOUT);
		t_signal(gate[1]);		/* [WAIT1]: a living holder was not taken for dead */
		T_IN_CHILD(dure_mutex_lock(seg, mutex, DURE_S(PATIENCE_S)) == DURE_OWNER_DIED);
		T_IN_CHILD(dure_mutex_mark_consistent(seg, mutex) == 0);
		T_IN_CHILD(dure_mutex_unlock(seg, mutex) == 0);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		_exit(0);
	}
	close(gate[1]);
	char c;
	(void)!read(gate[0], &c, 1);		/* the end of file when there is no filter */
	t_kill(holder);
	assert_int_equal(waitpid(waiter, &status, 0), waiter);
	close(gate[0]);
	t_close(seg);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_FILTER)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void clocks_go_forward(void **state)
{
	int64_t last = durei_clock_now();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t now = durei_clock_now();
		assert_true(now >= last);
		last = now;
	}
	assert_true(durei_clock_wall() / 1000000000 >= (uint64_t)time(NULL) - 2);
	assert_true(durei_clock_wall() / 1000000000 <= (uint64_t)time(NULL) + 2);
}

static void the_boot_id_is_that_of_proc(void **state)
{
	unsigned char id[DUREI_BOOT_ID_BYTES], again[DUREI_BOOT_ID_BYTES];
	char text[64], ours[2 * DUREI_BOOT_ID_BYTES + 1], theirs[64] = "";
	size_t n = 0;

	(void)state;
	assert_int_equal(durei_boot_id(id), 0);
	assert_int_equal(durei_boot_id(again), 0);
	assert_memory_equal(id, again, sizeof id);
	for (int i = 0; i < DUREI_BOOT_ID_BYTES; i++)
		snprintf(ours + 2 * i, 3, "%02x", id[i]);
	assert_true(durei_file_read_text("/proc/sys/kernel/random/boot_id", text, sizeof text) > 0);
	for (const char *c = text; *c; c++)
		if (isxdigit((unsigned char)*c))
			theirs[n++] = *c;
	assert_string_equal(ours, theirs);
}

static void who_this_process_is(void **state)
{
	struct stat st;
	char name[16], cut[4];

	(void)state;
	assert_int_equal(durei_process_id(), getpid());
	assert_int_equal(durei_user_id(), geteuid());
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	assert_true(durei_pid_namespace() == st.st_ino);
	assert_int_equal(stat("/proc/self/ns/ipc", &st), 0);
	assert_true(durei_ipc_namespace() == st.st_ino);
	assert_int_equal(prctl(PR_SET_NAME, "fifteen-letters"), 0);
	durei_process_name(name, sizeof name);
	assert_string_equal(name, "fifteen-letters");
	durei_process_name(cut, sizeof cut);
	assert_string_equal(cut, "fif");
}

static int count_name(const char *name, void *context)
{
	(void)name;
	++*(int *)context;
	return 0;
}

/* A picture of the host is not given up because a process ended in the middle of it. */
static void the_directory_of_a_process_that_ended_is_no_want_of_memory(void **state)
{
	char path[64];
	int names = 0, fd;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	fd = durei_directory_open(DUREI_HERE, path);
	assert_true(fd >= 0);
	assert_int_equal(durei_names_visit(fd, ".", count_name, &names), 0);
	assert_true(names > 0);
	names = 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(durei_names_visit(fd, ".", count_name, &names), -ENOENT);
	assert_int_equal(names, 0);
	durei_file_close(fd);
}

static void random_bytes_fill_everything(void **state)
{
	static unsigned char a[100000], b[100000];
	unsigned seen[256] = { 0 };

	(void)state;
	assert_int_equal(durei_random(a, sizeof a), 0);
	assert_int_equal(durei_random(b, sizeof b), 0);
	assert_memory_not_equal(a, b, sizeof a);
	for (size_t i = 0; i < sizeof a; i++)
		seen[a[i]]++;
	for (int i = 0; i < 256; i++)		/* 390 each, give or take 20 */
		assert_in_range(seen[i], 190, 590);
	assert_memory_not_equal(a + sizeof a - 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(durei_random(a, 0), 0);
}

static void *be_cancelled(void *context)
{
	int *reached = context;
	int state = durei_cancel_hold();

	pthread_cancel(pthread_self());
	pthread_testcancel();
	*reached = 1;				/* held off */
	durei_cancel_restore(state);
	pthread_testcancel();
	*reached = 2;
	return NULL;
}

static void cancellation_waits(void **state)
{
	pthread_t thread;
	int reached = 0;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, be_cancelled, &reached), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal(reached, 1);
	assert_ptr_equal(result, PTHREAD_CANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_value_is_no_reason_to_sleep, setup, teardown),
		cmocka_unit_test_setup_teardown(deadlines_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(sleepers_are_woken_across_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(all_sleepers_can_be_woken_at_once, setup, teardown),
		cmocka_unit_test(naps_end_when_they_should),
		cmocka_unit_test_setup_teardown(without_waitv_it_says_so, setup, teardown),
		cmocka_unit_test(without_waitv_the_death_of_a_holder_is_noticed),
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(the_boot_id_is_that_of_proc),
		cmocka_unit_test(who_this_process_is),
		cmocka_unit_test(the_directory_of_a_process_that_ended_is_no_want_of_memory),
		cmocka_unit_test(random_bytes_fill_everything),
		cmocka_unit_test(cancellation_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
