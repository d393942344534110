/* SPDX-License-Identifier: MIT */
/* Description: file locks end with their holder and with nothing else; who waits goes on. */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "../t.h"

static char path[128], other[128];
static dure_file *file;

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/dev/shm/%s.lock", t_name());
	snprintf(other, sizeof other, "/dev/shm/%s.other", t_name());
	unlink(path);
	unlink(other);
	T_IS(dure_file_open(path, DURE_CREATE | DURE_OPEN, NULL, &file), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	T_OK(dure_file_close(file));
	unlink(path);
	unlink(other);
	return 0;
}

static dure_file *opened(void)
{
	dure_file *another;

	T_IS(dure_file_open(path, DURE_OPEN, NULL, &another), 0);
	return another;
}

/* -- opening ----------------------------------------------------------------------------- */

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static void a_made_file_has_exactly_its_mode(void **state)
{
	static const mode_t modes[] = { 0600, 0666, 0640, 0444, 0 };
	struct dure_file_options options = { .sz = sizeof options };
	dure_file *made;

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		mode_t old = umask(i % 2 ? 0777 : 0);
		options.mode = modes[i];
		T_IS(dure_file_open(other, DURE_CREATE, &options, &made), DURE_CREATED);
		umask(old);
		assert_int_equal(mode_of(other), modes[i] ? modes[i] : 0600);
		T_OK(dure_file_lock(made, 0, 0, DURE_EXCLUSIVE, 0));
		T_OK(dure_file_close(made));
		T_FAILS(dure_file_open(other, DURE_CREATE, &options, &made), -EEXIST, other);
		unlink(other);
	}
}

static void opening_says_what_is_wrong(void **state)
{
	struct dure_file_options options = { .sz = sizeof options };
	dure_file *untouched = (void *)&options, *ret = untouched;
	int fds[2];

	(void)state;
	T_FAILS(dure_file_open(other, DURE_OPEN, NULL, &ret), -ENOENT, other);
	T_FAILS(dure_file_open("/dev/shm/no/such", DURE_CREATE, NULL, &ret), -ENOENT, "directory");
	T_IS(dure_file_open(NULL, DURE_OPEN, NULL, &ret), -EINVAL);
	T_IS(dure_file_open("", DURE_OPEN, NULL, &ret), -EINVAL);
	T_IS(dure_file_open(path, 0, NULL, &ret), -EINVAL);
	T_IS(dure_file_open(path, DURE_READ_ONLY, NULL, &ret), -EINVAL);
	T_IS(dure_file_open(path, DURE_OPEN | DURE_COPY_ON_WRITE, NULL, &ret), -EINVAL);
	T_IS(dure_file_open(path, DURE_OPEN | DURE_CREATE | DURE_READ_ONLY, NULL, &ret), -EINVAL);
	T_FAILS(dure_file_open("/dev/shm", DURE_OPEN, NULL, &ret), -EINVAL, "regular");
	T_FAILS(dure_file_open("/dev/null", DURE_OPEN, NULL, &ret), -EINVAL, "regular");
	options.mode = 01600;
	T_FAILS(dure_file_open(other, DURE_CREATE, &options, &ret), -EINVAL, "mode");
	options = (struct dure_file_options){ .sz = 4 };
	T_FAILS(dure_file_open(other, DURE_CREATE, &options, &ret), -EINVAL, "sz");
	assert_int_equal(mkfifo(other, 0600), 0);		/* nobody is at its other end */
	T_FAILS(dure_file_open(other, DURE_OPEN, NULL, &ret), -EINVAL, "regular");
	T_FAILS(dure_file_open(other, DURE_OPEN | DURE_READ_ONLY, NULL, &ret), -EINVAL, "regular");
	unlink(other);
	assert_int_equal(symlink("/dev/shm/no-such-file", other), 0);
	T_FAILS(dure_file_open(other, DURE_OPEN | DURE_CREATE, NULL, &ret), -EBUSY, "link");
	unlink(other);
	assert_int_equal(pipe(fds), 0);
	T_FAILS(dure_file_open_fd(fds[0], 0, &ret), -EINVAL, "regular");
	close(fds[0]);
	close(fds[1]);
	T_FAILS(dure_file_open_fd(fds[0], 0, &ret), -EINVAL, "descriptor");
	T_IS(dure_file_open_fd(-1, 0, &ret), -EINVAL);
	T_IS(dure_file_open_fd(0, DURE_CREATE, &ret), -EINVAL);
	assert_ptr_equal(ret, untouched);
	T_OK(dure_file_close(NULL));
	T_IS(dure_file_fd(NULL), -EINVAL);
	T_IS(dure_file_lock(NULL, 0, 0, DURE_EXCLUSIVE, 0), -EINVAL);
	T_IS(dure_file_unlock(NULL, 0, 0), -EINVAL);
}

/* Everybody makes it at once: one does, and all open the same. */
static void exactly_one_makes_it(void **state)
{
	enum { CHILDREN = 8 };
	pid_t pids[CHILDREN];
	int gate[2], made[2], status, makers = 0;
	dure_file *mine;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(made), 0);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			char c;
			close(gate[1]);
			T_IN_CHILD(read(gate[0], &c, 1) == 0);
			int r = dure_file_open(other, DURE_CREATE | DURE_OPEN, NULL, &mine);
			T_IN_CHILD(r >= 0);
			_exit(r == DURE_CREATED ? 2 : 0);
		}
	}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && (WEXITSTATUS(status) | 2) == 2);
		makers += WEXITSTATUS(status) == 2;
	}
	assert_int_equal(makers, 1);
	close(made[0]);
	close(made[1]);
}

/* -- exclusion --------------------------------------------------------------------------- */

static void shared_and_exclusive_exclude_as_they_should(void **state)
{
	dure_file *a = file, *b = opened();

	(void)state;
	T_OK(dure_file_lock(a, 0, 0, DURE_SHARED, 0));
	T_OK(dure_file_lock(b, 0, 0, DURE_SHARED, 0));
	T_IS(dure_file_lock(a, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);		/* b shares it */
	T_OK(dure_file_unlock(b, 0, 0));
	T_OK(dure_file_lock(a, 0, 0, DURE_EXCLUSIVE, 0));			/* upwards */
	T_IS(dure_file_lock(b, 0, 0, DURE_SHARED, 0), -EAGAIN);
	T_OK(dure_file_lock(a, 0, 0, DURE_SHARED, DURE_FOREVER));	/* and downwards */
	T_OK(dure_file_lock(b, 0, 0, DURE_SHARED, 0));
	T_OK(dure_file_close(b));
	T_OK(dure_file_lock(a, 0, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_unlock(a, 0, 0));
	T_FAILS(dure_file_unlock(a, 0, 0), -EPERM, "nothing");
}

static void a_failed_upgrade_keeps_what_was_there(void **state)
{
	dure_file *a = file, *b = opened(), *c = opened();

	(void)state;
	T_OK(dure_file_lock(a, 0, 100, DURE_SHARED, 0));
	T_OK(dure_file_lock(b, 50, 10, DURE_SHARED, 0));
	T_IS(dure_file_lock(a, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_IS(dure_file_lock(a, 0, 0, DURE_EXCLUSIVE, DURE_MS(20)), -ETIMEDOUT);
	T_IS(dure_file_lock(c, 0, 1, DURE_EXCLUSIVE, 0), -EAGAIN);		/* still a's,
		shared */
	T_OK(dure_file_lock(c, 0, 1, DURE_SHARED, 0));
	T_OK(dure_file_lock(c, 100, 0, DURE_EXCLUSIVE,
			    0));			/* and no more than that */
	T_OK(dure_file_close(b));
	T_OK(dure_file_close(c));
	T_OK(dure_file_unlock(a, 0, 0));
}

static void ranges_are_apart(void **state)
{
	dure_file *a = file, *b = opened();

	(void)state;
	T_OK(dure_file_lock(a, 10, 10, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_lock(b, 0, 10, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_lock(b, 20, 1, DURE_EXCLUSIVE, 0));
	T_IS(dure_file_lock(b, 19, 1, DURE_SHARED, 0), -EAGAIN);
	T_IS(dure_file_lock(b, 9, 2, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_unlock(a, 13, 2));			/* a hole in the middle */
	T_OK(dure_file_lock(b, 13, 2, DURE_EXCLUSIVE, 0));
	T_IS(dure_file_lock(b, 12, 1, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_IS(dure_file_lock(b, 15, 1, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_FAILS(dure_file_unlock(a, 13, 2), -EPERM, "13");
	T_OK(dure_file_unlock(a, 0, 0));			/* both parts at once */
	T_OK(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_unlock(b, 5, 0));
	T_OK(dure_file_lock(a, 5, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_unlock(a, 0, 0));
	/* as far as there is a number for it */
	T_OK(dure_file_lock(a, INT64_MAX, 1, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_lock(b, 0, INT64_MAX, DURE_EXCLUSIVE, 0));
	T_IS(dure_file_lock(b, INT64_MAX, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_lock(a, 5, 0, DURE_SHARED, 0) == -EAGAIN ? 0 : -1);
	T_FAILS(dure_file_lock(a, INT64_MAX, 2, DURE_EXCLUSIVE, 0), -EINVAL, "2^63");
	T_IS(dure_file_lock(a, (uint64_t)INT64_MAX + 1, 1, DURE_EXCLUSIVE, 0), -EINVAL);
	T_IS(dure_file_lock(a, 1, UINT64_MAX, DURE_EXCLUSIVE, 0), -EINVAL);
	T_IS(dure_file_lock(a, UINT64_MAX, UINT64_MAX, DURE_EXCLUSIVE, 0), -EINVAL);
	T_FAILS(dure_file_lock(a, 0, 0, 99, 0), -EINVAL, "mode");
	T_FAILS(dure_file_lock(a, 0, 0, 0, 0), -EINVAL, "mode");
	T_FAILS(dure_file_lock(a, 0, 0, DURE_UPGRADABLE, 0), -EINVAL, "mode");
	T_OK(dure_file_close(b));
	T_OK(dure_file_unlock(a, 0, 0));
}

/* The library's list beside the kernel's, at random: a second opinion asks byte by byte. */
static void random_ranges_are_what_the_list_says(void **state)
{
	enum { BYTES = 24, STEPS = 4000 };
	char model[BYTES] = "";
	uint32_t seed = 7;
	dure_file *judge = opened();

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1664525 + 1013904223;
		unsigned first = (seed >> 8) % BYTES, n = 1 + (seed >> 16) % (BYTES - first);
		unsigned kind = (seed >> 28) % 3;
		bool any = false;
		for (unsigned i = first; i < first + n; i++)
			any = any || model[i];
		if (kind == 0)
			T_IS(dure_file_unlock(file, first, n), any ? 0 : -EPERM);
		else
			T_OK(dure_file_lock(file, first, n,
					    kind == 1 ? DURE_SHARED : DURE_EXCLUSIVE, 0));
		memset(model + first, (int)kind, n);
		for (unsigned i = 0; i < BYTES; i++) {
			bool shares = dure_file_lock(judge, i, 1, DURE_SHARED, 0) == 0;
			bool alone = dure_file_lock(judge, i, 1, DURE_EXCLUSIVE, 0) == 0;
			assert_int_equal(shares, model[i] != 2);
			assert_int_equal(alone, model[i] == 0);
			if (shares || alone)
				T_OK(dure_file_unlock(judge, i, 1));
		}
	}
	T_OK(dure_file_close(judge));
	dure_file_unlock(file, 0, 0);
}

static void closing_another_descriptor_keeps_it(void **state)
{
	dure_file *b = opened(), *by_fd;
	struct flock whole = { .l_type = F_WRLCK };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	T_OK(dure_file_open_fd(fd, 0, &by_fd));
	T_OK(dure_file_lock(by_fd, 0, 0, DURE_EXCLUSIVE, 0));
	close(fd);
	close(open(path, O_RDWR | O_CLOEXEC));
	close(dup(dure_file_fd(by_fd)));
	T_IS(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_close(b));
	b = opened();
	T_IS(dure_file_lock(b, 0, 0, DURE_SHARED, 0), -EAGAIN);
	/* F_SETLK's are excluded too, in the same process */
	assert_int_equal(fcntl(dure_file_fd(b), F_SETLK, &whole), -1);
	assert_true(errno == EAGAIN || errno == EACCES);
	T_OK(dure_file_close(by_fd));
	T_OK(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_close(b));
}

static void a_reader_shares_only(void **state)
{
	dure_file *reader;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)state;
	T_OK(dure_file_open(path, DURE_OPEN | DURE_READ_ONLY, NULL, &reader));
	T_FAILS(dure_file_lock(reader, 0, 0, DURE_EXCLUSIVE, 0), -EROFS, "DURE_SHARED");
	T_OK(dure_file_lock(reader, 0, 0, DURE_SHARED, 0));
	T_IS(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_close(reader));
	T_OK(dure_file_open_fd(fd, DURE_READ_ONLY, &reader));
	T_OK(dure_file_lock(reader, 5, 5, DURE_SHARED, 0));
	T_OK(dure_file_close(reader));
	close(fd);
}

/* A file without any name, as a memory file: nothing can be removed from under it. */
static void a_file_without_a_name_can_be_locked(void **state)
{
	int fd = memfd_create("locks", MFD_CLOEXEC);
	dure_file *a, *b;

	(void)state;
	T_OK(dure_file_open_fd(fd, 0, &a));
	T_OK(dure_file_open_fd(fd, 0, &b));
	T_OK(dure_file_lock(a, 0, 0, DURE_EXCLUSIVE, 0));
	T_IS(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_close(a));
	T_OK(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, DURE_FOREVER));
	T_OK(dure_file_close(b));
	close(fd);
}

static void a_removed_file_is_worth_no_lock(void **state)
{
	dure_file *a = file, *b = opened(), *fresh;

	(void)state;
	T_OK(dure_file_lock(a, 0, 10, DURE_SHARED, 0));
	T_OK(dure_file_lock(a, 4, 2, DURE_EXCLUSIVE, 0));
	assert_int_equal(unlink(path), 0);
	T_FAILS(dure_file_lock(b, 20, 5, DURE_EXCLUSIVE, 0), -ESTALE, "removed");
	T_FAILS(dure_file_lock(b, 20, 5, DURE_SHARED, DURE_FOREVER), -ESTALE, path);
	T_OK(dure_file_lock(b, 4, 1, DURE_EXCLUSIVE, 0) == -EAGAIN ? 0 : -1);
	/* a failed change changes nothing, in the kernel either */
	T_IS(dure_file_lock(a, 2, 0, DURE_EXCLUSIVE, 0), -ESTALE);
	struct flock asked = { .l_type = F_RDLCK };
	assert_int_equal(fcntl(dure_file_fd(b), F_OFD_GETLK, &asked), 0);
	assert_true(asked.l_type == F_WRLCK && asked.l_start == 4 && asked.l_len == 2);
	asked = (struct flock){ .l_type = F_WRLCK, .l_start = 6 };
	assert_int_equal(fcntl(dure_file_fd(b), F_OFD_GETLK, &asked), 0);
	assert_true(asked.l_type == F_RDLCK && asked.l_start == 6 && asked.l_len == 4);
	/* who opens the name anew has a lock of its own; its file may replace another */
	T_IS(dure_file_open(path, DURE_OPEN | DURE_CREATE, NULL, &fresh), DURE_CREATED);
	T_OK(dure_file_lock(fresh, 0, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_unlock(a, 0, 0));
	T_OK(dure_file_close(b));
	T_OK(dure_file_close(a));
	file = fresh;
	T_IS(dure_file_open(other, DURE_CREATE, NULL, &b), DURE_CREATED);
	assert_int_equal(rename(other, path), 0);
	T_IS(dure_file_lock(file, 0, 0, DURE_SHARED, 0), -ESTALE);
	T_OK(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_close(b));
}

/* Whoever holds it removes it: with each removal the others lock another file. One holder. */
static void a_file_removed_by_its_holders_has_one_at_a_time(void **state)
{
	enum { CHILDREN = 4, ROUNDS = 400 };
	pid_t pids[CHILDREN];
	int *holders = mmap(NULL, sizeof *holders, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(holders, MAP_FAILED);
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = t_fork();
		for (int round = 0; pids[i] == 0 && round < ROUNDS;) {
			dure_file *mine;
			T_IN_CHILD(dure_file_open(other, DURE_CREATE | DURE_OPEN, NULL, &mine) >= 0);
			int r = dure_file_lock(mine, 0, 0, DURE_EXCLUSIVE,
					       round % 2 ? DURE_FOREVER : DURE_S(20));
			T_IN_CHILD(r == 0 || r == -ESTALE);
			if (r == 0) {
				T_IN_CHILD(__atomic_add_fetch(holders, 1, __ATOMIC_SEQ_CST) == 1);
				T_IN_CHILD(__atomic_sub_fetch(holders, 1, __ATOMIC_SEQ_CST) == 0);
				T_IN_CHILD(unlink(other) == 0);		/* from here on, another's */
				round++;
			}
			T_IN_CHILD(dure_file_close(mine) == 0);
		}
		if (pids[i] == 0)
			_exit(0);
	}
	for (int i = 0; i < CHILDREN; i++)
		t_join(pids[i]);
	munmap(holders, sizeof *holders);
}

/* -- waiting ----------------------------------------------------------------------------- */

static void timeouts_are_kept(void **state)
{
	dure_file *b = opened();

	(void)state;
	T_OK(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0));
	for (int ms = 1; ms <= 100; ms *= 10) {
		int64_t start = t_now_ns();
		T_IS(dure_file_lock(file, 0, 0, DURE_SHARED, DURE_MS(ms)), -ETIMEDOUT);
		int64_t waited = t_now_ns() - start;
		assert_true(waited >= DURE_MS(ms) && waited < DURE_MS(ms) + DURE_MS(500));
	}
	T_IS(dure_file_lock(file, 0, 0, DURE_SHARED, 1), -ETIMEDOUT);
	T_OK(dure_file_close(b));
	T_OK(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, INT64_MAX));
	T_OK(dure_file_unlock(file, 0, 0));
}

/* A child that holds it, and says when. */
static pid_t holder(uint64_t offset, uint64_t bytes, enum dure_lock_mode mode)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_OK(dure_file_close(file));
		T_IN_CHILD(dure_file_open(path, DURE_OPEN, NULL, &file) == 0);
		T_IN_CHILD(dure_file_lock(file, offset, bytes, mode, 0) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

struct waiter {
	int64_t timeout_ns, got_ns;
	int result;
	pthread_t thread;
};

static void *wait_for_lock(void *context)
{
	struct waiter *w = context;

	w->result = dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, w->timeout_ns);
	w->got_ns = t_now_ns();
	if (w->result >= 0)
		dure_file_unlock(file, 0, 0);
	return NULL;
}

/* from SIGKILL of the holder, after the waiter has waited for so long, until it has the lock */
static bool goes_on_at_once(const char *what, int64_t timeout_ns, int waited_ms)
{
	enum { ROUNDS = 41 };
	int64_t waits[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct waiter w = { .timeout_ns = timeout_ns };
		pid_t pid = holder(0, 0, i % 2 ? DURE_SHARED : DURE_EXCLUSIVE);
		assert_int_equal(pthread_create(&w.thread, NULL, wait_for_lock, &w), 0);
		t_sleep_ms(waited_ms);
		int64_t killed = t_now_ns();
		t_kill(pid);
		pthread_join(w.thread, NULL);
		assert_int_equal(w.result, 0);
		assert_true(w.got_ns >= killed);
		waits[i] = w.got_ns - killed;
	}
	qsort(waits, ROUNDS, sizeof *waits, t_by_value);
	print_message("%s, after %d ms of waiting: median %.3f ms, worst %.3f ms\n", what,
		      waited_ms,
		      (double)waits[ROUNDS / 2] / 1e6, (double)waits[ROUNDS - 1] / 1e6);
	/* P2: 1 ms at the median, 50 ms at worst */
	return waits[ROUNDS / 2] <= DURE_MS(1) && waits[ROUNDS - 1] <= DURE_MS(50);
}

/* Not late each time: others may have kept the processors from us. */
static void goes_on(const char *what, int64_t timeout_ns, int waited_ms)
{
	for (int attempts = 0; attempts < 5; attempts++)
		if (goes_on_at_once(what, timeout_ns, waited_ms))
			return;
	fail_msg("%s: who waits for the dead goes on too late, each time", what);
}

static void waiters_of_the_dead_go_on(void **state)
{
	(void)state;
	goes_on("without a limit", DURE_FOREVER, 5);
	goes_on("with a limit", DURE_S(10), 5);
	goes_on("with a limit", DURE_S(10), 50);
}

static void a_stopped_holder_is_alive(void **state)
{
	(void)state;
	pid_t pid = holder(0, 0, DURE_EXCLUSIVE);
	kill(pid, SIGSTOP);
	T_IS(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, DURE_MS(200)), -ETIMEDOUT);
	T_IS(dure_file_lock(file, 0, 0, DURE_SHARED, 0), -EAGAIN);
	t_kill(pid);
	T_OK(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, DURE_S(10)));
	T_OK(dure_file_unlock(file, 0, 0));
}

static void on_signal(int signal)
{
	(void)signal;
}

/* Signals that somebody handles, at a waiter in the kernel and at a napping one. */
static void a_signal_ends_no_wait(void **state)
{
	struct sigaction action = { .sa_handler = on_signal }, old;	/* without SA_RESTART */

	(void)state;
	sigaction(SIGUSR1, &action, &old);
	for (int limited = 0; limited < 2; limited++) {
		struct waiter w = { .timeout_ns = limited ? DURE_S(20) : DURE_FOREVER };
		pid_t pid = holder(0, 0, DURE_EXCLUSIVE);
		assert_int_equal(pthread_create(&w.thread, NULL, wait_for_lock, &w), 0);
		for (int i = 0; i < 20; i++) {
			t_sleep_ms(1);
			pthread_kill(w.thread, SIGUSR1);
		}
		int64_t killed = t_now_ns();
		t_kill(pid);
		pthread_join(w.thread, NULL);
		assert_int_equal(w.result, 0);
		assert_true(w.got_ns >= killed);
	}
	sigaction(SIGUSR1, &old, NULL);
}

/* A waiter in the kernel's queue dies, too: nobody waits for it. */
static void a_killed_waiter_harms_nobody(void **state)
{
	(void)state;
	T_OK(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0));
	for (int i = 0; i < 10; i++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t pid = t_fork();
		if (pid == 0) {
			T_OK(dure_file_close(file));
			T_IN_CHILD(dure_file_open(path, DURE_OPEN, NULL, &file) == 0);
			t_signal(fds[1]);
			dure_file_lock(file, 0, 0, DURE_EXCLUSIVE,
				       i % 2 ? DURE_FOREVER : DURE_S(20));
			_exit(1);
		}
		t_await(fds[0]);
		t_sleep_ms(i % 4);
		t_kill(pid);
		close(fds[0]);
		close(fds[1]);
	}
	dure_file *b = opened();
	T_IS(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_unlock(file, 0, 0));
	T_OK(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0));
	T_OK(dure_file_close(b));
}

/* -- fork, exec, namespaces -------------------------------------------------------------- */

static void a_child_neither_has_nor_frees_its_parents_locks(void **state)
{
	dure_file *b = opened();

	(void)state;
	T_OK(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0) == -ESTALE);
		T_IN_CHILD(strstr(dure_last_error(), "fork"));
		T_IN_CHILD(dure_file_unlock(file, 0, 0) == -ESTALE);
		T_IN_CHILD(dure_file_fd(file) == -ESTALE);
		T_IN_CHILD(dure_file_close(file) == 0);
		T_IN_CHILD(dure_file_open(path, DURE_OPEN, NULL, &file) == 0);
		T_IN_CHILD(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0) == -EAGAIN);
		_exit(0);
	}
	t_join(pid);
	T_IS(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0),
	     -EAGAIN);		/* the child's close freed nothing */
	/* a child that has closed everything, and opened something else there */
	pid = t_fork();
	if (pid == 0) {
		struct stat before, after;
		int fd = 3;
		while (fd < 64)
			close(fd++);
		while ((fd = open("/dev/null", O_RDONLY)) < 40)
			T_IN_CHILD(fd >= 0);
		T_IN_CHILD(fstat(5, &before) == 0);
		T_IN_CHILD(dure_file_close(file) == 0);
		T_IN_CHILD(dure_file_close(b) == 0);
		for (fd = 3; fd <= 40; fd++)
			T_IN_CHILD(fstat(fd, &after) == 0);
		_exit(0);
	}
	t_join(pid);
	T_IS(dure_file_lock(b, 0, 0, DURE_EXCLUSIVE, 0), -EAGAIN);
	T_OK(dure_file_unlock(file, 0, 0));
	T_OK(dure_file_close(b));
}

/* What the header warns of: the description lives in the child. */
static void a_description_in_two_processes_lasts_as_long_as_both(void **state)
{
	struct dure_file_holder who = { .sz = sizeof who };
	int ready[2], gate[2];
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(gate), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_file_close(file) == 0);
		T_IN_CHILD(dure_file_open(path, DURE_OPEN, NULL, &file) == 0);
		T_IN_CHILD(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0) == 0);
		if (fork() > 0)
			for (;;)
				pause();
		close(gate[1]);			/* it ends with the test, whatever happens */
		t_signal(ready[1]);
		T_IN_CHILD(read(gate[0], &c, 1) == 1);
		T_IN_CHILD(dure_file_close(file) == 0);
		t_signal(ready[1]);
		(void)!read(gate[0], &c, 1);
		_exit(0);
	}
	t_await(ready[0]);
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who), 1);
	assert_int_equal(who.processes, 2);
	t_kill(pid);
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who), 1);
	assert_int_equal(who.processes, 1);
	T_IS(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, DURE_MS(20)), -ETIMEDOUT);
	t_signal(gate[1]);
	t_await(ready[0]);
	T_OK(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, DURE_S(10)));
	T_OK(dure_file_unlock(file, 0, 0));
	close(gate[1]);
	close(gate[0]);
	close(ready[0]);
	close(ready[1]);
}

static void exec_ends_the_locks(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_file_close(file) == 0);
		T_IN_CHILD(dure_file_open(path, DURE_OPEN, NULL, &file) == 0);
		T_IN_CHILD(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0) == 0);
		t_signal(fds[1]);
		execl("/bin/sleep", "sleep", "30", (char *)NULL);
		_exit(1);
	}
	t_await(fds[0]);
	T_OK(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, DURE_S(10)));
	T_OK(dure_file_unlock(file, 0, 0));
	t_kill(pid);
	close(fds[0]);
	close(fds[1]);
}

static void pid_namespaces_make_no_difference(void **state)
{
	struct dure_file_holder who = { .sz = sizeof who };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0) {
		print_message("no right to make a PID namespace: %s\n", strerror(errno));
		skip();
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		T_IN_CHILD(getpid() == 1);
		T_IN_CHILD(dure_file_close(file) == 0);
		T_IN_CHILD(dure_file_open(path, DURE_OPEN, NULL, &file) == 0);
		T_IN_CHILD(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, DURE_S(10)) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	T_IS(dure_file_lock(file, 0, 0, DURE_SHARED, DURE_MS(20)), -ETIMEDOUT);
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who), 1);
	assert_int_equal(who.process, pid);			/* as seen from here, not 1 */
	struct waiter w = { .timeout_ns = DURE_FOREVER };
	assert_int_equal(pthread_create(&w.thread, NULL, wait_for_lock, &w), 0);
	t_kill(pid);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.result, 0);
	close(fds[0]);
	close(fds[1]);
}

/* -- who --------------------------------------------------------------------------------- */

static void the_holder_is_named(void **state)
{
	struct dure_file_holder who = { .sz = sizeof who };
	dure_file *b = opened();

	(void)state;
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who), 0);
	T_OK(dure_file_lock(file, 3, 0, DURE_EXCLUSIVE, 0));
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who),
	     0);	/* one's own keep nobody away */
	T_OK(dure_file_unlock(file, 3, 0));
	pid_t pid = holder(100, 50, DURE_SHARED);
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_SHARED, &who), 0);
	T_IS(dure_file_lock_holder(file, 150, 0, DURE_EXCLUSIVE, &who), 0);
	T_IS(dure_file_lock_holder(file, 120, 1, DURE_EXCLUSIVE, &who), 1);
	assert_int_equal(who.offset, 100);
	assert_int_equal(who.bytes, 50);
	assert_int_equal(who.mode, DURE_SHARED);
	assert_int_equal(who.is_of_process, 0);
	assert_int_equal(who.process, pid);
	assert_int_equal(who.processes, 1);
	assert_string_equal(who.name, "test_file_lock");
	t_kill(pid);
	T_OK(dure_file_lock(file, 0, 0, DURE_SHARED, 0));
	T_IS(dure_file_lock_holder(b, 7, 1, DURE_EXCLUSIVE, &who), 1);
	assert_true(who.offset == 0 && who.bytes == 0 && who.process == (uint32_t)getpid());
	T_OK(dure_file_unlock(file, 0, 0));
	/* a lock of fcntl's old kind */
	struct flock whole = { .l_type = F_WRLCK, .l_start = 10, .l_len = 4 };
	assert_int_equal(fcntl(dure_file_fd(b), F_SETLK, &whole), 0);
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who), 1);
	assert_true(who.offset == 10 && who.bytes == 4);
	assert_int_equal(who.mode, DURE_EXCLUSIVE);
	assert_int_equal(who.is_of_process, 1);
	assert_int_equal(who.process, getpid());
	who.sz = 8;
	T_FAILS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, &who), -EINVAL, "sz");
	T_IS(dure_file_lock_holder(file, 0, 0, DURE_EXCLUSIVE, NULL), -EINVAL);
	T_OK(dure_file_close(b));
}

/* -- threads ----------------------------------------------------------------------------- */

enum { THREADS = 4, TURNS = 2000 };
static int inside, most;

/* each its own dure_file: they exclude each other */
static const char *take_turns(uint64_t number)
{
	dure_file *mine;

	(void)number;
	if (dure_file_open(path, DURE_OPEN, NULL, &mine) != 0)
		return "open";
	for (int i = 0; i < TURNS; i++) {
		if (dure_file_lock(mine, 0, 0, DURE_EXCLUSIVE,
				   i % 2 ? DURE_FOREVER : DURE_S(20)) != 0)
			return "lock";
		int now = __atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED);
		if (now > most)
			most = now;
		__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
		if (dure_file_unlock(mine, 0, 0) != 0)
			return "unlock";
	}
	return dure_file_close(mine) == 0 ? NULL : "close";
}

/* all the same one, each its own bytes: the list stays whole */
static const char *change_own_bytes(uint64_t number)
{
	uint64_t first = number * 100;

	for (int i = 0; i < TURNS; i++) {
		uint64_t at = first + (uint64_t)i % 90;
		if (dure_file_lock(file, at, 5, i % 3 ? DURE_EXCLUSIVE : DURE_SHARED, 0) != 0)
			return "lock";
		if (dure_file_unlock(file, at + 1, 3) != 0)
			return "unlock";
	}
	return dure_file_unlock(file, first, 100) == 0 ? NULL : "unlock all";
}

struct turn {
	const char *(*body)(uint64_t number);
	uint64_t number;
	const char *problem;
	pthread_t thread;
};

static void *run_turn(void *context)
{
	struct turn *turn = context;

	turn->problem = turn->body(turn->number);
	return NULL;
}

static void run_threads(const char *(*body)(uint64_t number))
{
	struct turn turns[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		turns[i] = (struct turn){ .body = body, .number = i };
		assert_int_equal(pthread_create(&turns[i].thread, NULL, run_turn, &turns[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(turns[i].thread, NULL);
		if (turns[i].problem)
			fail_msg("a thread could not %s", turns[i].problem);
	}
}

static void threads_exclude_each_other_by_files_of_their_own(void **state)
{
	(void)state;
	run_threads(take_turns);
	assert_int_equal(most, 1);
	run_threads(change_own_bytes);
	T_IS(dure_file_unlock(file, 0, 0), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_made_file_has_exactly_its_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(opening_says_what_is_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(exactly_one_makes_it, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_and_exclusive_exclude_as_they_should, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_failed_upgrade_keeps_what_was_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ranges_are_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(random_ranges_are_what_the_list_says, setup,
						teardown),
		cmocka_unit_test_setup_teardown(closing_another_descriptor_keeps_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_reader_shares_only, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_without_a_name_can_be_locked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_removed_file_is_worth_no_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_removed_by_its_holders_has_one_at_a_time, setup,
						teardown),
		cmocka_unit_test_setup_teardown(timeouts_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(waiters_of_the_dead_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stopped_holder_is_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(a_signal_ends_no_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(a_killed_waiter_harms_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_neither_has_nor_frees_its_parents_locks,
						setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_description_in_two_processes_lasts_as_long_as_both,
						setup, teardown),
		cmocka_unit_test_setup_teardown(exec_ends_the_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(pid_namespaces_make_no_difference, setup, teardown),
		cmocka_unit_test_setup_teardown(the_holder_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_exclude_each_other_by_files_of_their_own,
						setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
