/* SPDX-License-Identifier: MIT */
/* Description: POSIX names, shared memory and semaphores without their traps, with other programs at
   the other end. */
#include <limits.h>
#include <semaphore.h>
#include <sys/time.h>

#include "posix.h"

/* -- names -------------------------------------------------------------------------------- */

static void wrong_slashes_are_said(void **state)
{
	char long_name[300];

	(void)state;
	for (uint32_t kind = DURE_POSIX_SHM; kind <= DURE_POSIX_QUEUE; kind++) {
		T_FAILS(dure_posix_name_check(kind, NULL, 0), -EINVAL, "begin with a slash");
		T_FAILS(dure_posix_name_check(kind, "", 0), -EINVAL, "begin with a slash");
		T_FAILS(dure_posix_name_check(kind, "shop", 0), -EINVAL, "begin with a slash");
		T_FAILS(dure_posix_name_check(kind, "/", 0), -EINVAL, "no name");
		T_FAILS(dure_posix_name_check(kind, "/..", 0), -EINVAL, "no name");
		T_FAILS(dure_posix_name_check(kind, "//shop", 0), -EINVAL, "one slash");
		T_FAILS(dure_posix_name_check(kind, "/a/b", 0), -EINVAL, "one slash");
		T_FAILS(dure_posix_name_check(kind, "/a/", 0), -EINVAL, "one slash");
		T_OK(dure_posix_name_check(kind, "/shop", DURE_POSIX_PORTABLE));
		T_OK(dure_posix_name_check(kind, "/sh op\n", 0));
		T_FAILS(dure_posix_name_check(kind, "/sh op", DURE_POSIX_PORTABLE), -EINVAL,
			"portable");
		T_FAILS(dure_posix_name_check(kind, "/0123456789012345678901234567890",
					      DURE_POSIX_PORTABLE), -EINVAL, "portable");
		memset(long_name, 'x', sizeof long_name);
		long_name[0] = '/';
		long_name[256] = '\0';
		if (kind != DURE_POSIX_SEM)
			T_OK(dure_posix_name_check(kind, long_name, 0));
		long_name[256] = 'x';
		long_name[257] = '\0';
		T_FAILS(dure_posix_name_check(kind, long_name, 0), -EINVAL, "256");
		T_FAILS(dure_posix_remove(kind, "/a/b"), -EINVAL, "one slash");
		T_FAILS(dure_posix_remove(kind, name), -ENOENT, "there is none");
	}
	T_FAILS(dure_posix_name_check(DURE_POSIX_SHM, "/sem.a", DURE_POSIX_PORTABLE), -EINVAL, "portable");
	T_OK(dure_posix_name_check(DURE_POSIX_QUEUE, "/sem.a", DURE_POSIX_PORTABLE));
	T_FAILS(dure_posix_name_check(0, "/a", 0), -EINVAL, "kind");
	T_FAILS(dure_posix_name_check(DURE_POSIX_SHM, "/a", 8), -EINVAL, "flags");
}

/* the longest name of each kind is one the system takes */
static void the_longest_names_work(void **state)
{
	char long_name[300];
	dure_posix_sem *sem;
	int fd;

	(void)state;
	memset(long_name, 'x', sizeof long_name);
	snprintf(long_name, 20, "/t%d", (int)getpid());
	long_name[strlen(long_name)] = 'x';
	long_name[256] = '\0';
	T_IS(dure_posix_shm_open(long_name, DURE_CREATE, NULL, &fd), DURE_CREATED);
	close(fd);
	T_OK(dure_posix_remove(DURE_POSIX_SHM, long_name));
	T_IS(dure_posix_queue_open(long_name, DURE_CREATE, NULL, &fd), DURE_CREATED);
	close(fd);
	T_OK(dure_posix_remove(DURE_POSIX_QUEUE, long_name));
	long_name[252] = '\0';
	T_IS(dure_posix_sem_open(long_name, DURE_CREATE, NULL, &sem), DURE_CREATED);
	dure_posix_sem_close(sem);
	T_OK(dure_posix_remove(DURE_POSIX_SEM, long_name));
}

/* -- shared memory ------------------------------------------------------------------------ */

static void memory_is_born_complete(void **state)
{
	struct dure_posix_shm_options o = { .sz = sizeof o, .mode = 0666, .size_bytes = 10000 };
	struct stat st;
	int fd = -7, other;
	mode_t old = umask(077);

	(void)state;
	T_FAILS(dure_posix_shm_open(name, DURE_OPEN, &o, &fd), -ENOENT, "there is none");
	assert_int_equal(fd, -7);
	T_IS(dure_posix_shm_open(name, DURE_CREATE | DURE_OPEN, &o, &fd), DURE_CREATED);
	umask(old);
	assert_int_equal(t_mode_of(fd), 0666);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 10000);
	assert_true(st.st_blocks * 512 >= 10000);	/* no SIGBUS for want of space */
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	T_IS(dure_posix_shm_open(name, DURE_CREATE | DURE_OPEN, &o, &other), 0);
	close(other);
	T_FAILS(dure_posix_shm_open(name, DURE_CREATE, &o, &other), -EEXIST, "already");
	o.size_bytes = 10001;
	T_FAILS(dure_posix_shm_open(name, DURE_OPEN, &o, &other), -EINVAL, "10000 bytes");
	T_IS(dure_posix_shm_open(name, DURE_OPEN | DURE_READ_ONLY, NULL, &other), 0);
	assert_int_equal(write(other, "x", 1), -1);
	T_FAILS(dure_posix_shm_resize(other, 1), -EINVAL, "open for writing");
	close(other);
	T_OK(dure_posix_shm_resize(fd, 20000));
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size == 20000 && st.st_blocks * 512 >= 20000);
	T_OK(dure_posix_shm_resize(fd, 100));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 100);
	T_FAILS(dure_posix_shm_resize(-1, 100), -EINVAL, "descriptor -1");
	close(fd);
	T_OK(dure_posix_remove(DURE_POSIX_SHM, name));
	o.flags = DURE_POSIX_SHM_SPARSE;
	T_IS(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), DURE_CREATED);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size == 10001 && st.st_blocks == 0);
	close(fd);
}

/* All openers map all bytes at once; the maker is among them. With shm_open some get SIGBUS. */
static void no_opener_sees_it_without_its_size(void **state)
{
	enum { OPENERS = 6, ROUNDS = 40, BYTES = 100000 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[OPENERS];
		int gate[2], created = 0, status;
		assert_int_equal(pipe(gate), 0);
		for (int i = 0; i < OPENERS; i++) {
			pids[i] = t_fork();
			if (pids[i] != 0)
				continue;
			struct dure_posix_shm_options o = { .sz = sizeof o, .size_bytes = BYTES };
			int fd;
			char c;
			close(gate[1]);
			T_IN_CHILD(read(gate[0], &c, 1) == 0);
			int r = dure_posix_shm_open(name, DURE_CREATE | DURE_OPEN, &o, &fd);
			T_IN_CHILD(r >= 0);
			char *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			T_IN_CHILD(at != MAP_FAILED);
			at[BYTES - 1]++;
			_exit(r);
		}
		close(gate[0]);
		close(gate[1]);
		for (int i = 0; i < OPENERS; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status));
			created += WEXITSTATUS(status);
		}
		assert_int_equal(created, DURE_CREATED);
		T_OK(dure_posix_remove(DURE_POSIX_SHM, name));
	}
}

static void misuse_of_memory_is_said(void **state)
{
	struct dure_posix_shm_options o = { .sz = sizeof o, .mode = 01777 };
	char path[80];
	int fd = -7;

	(void)state;
	T_FAILS(dure_posix_shm_open("shop", DURE_CREATE, NULL, &fd), -EINVAL, "slash");
	T_FAILS(dure_posix_shm_open(name, 0, NULL, &fd), -EINVAL, "flags");
	T_FAILS(dure_posix_shm_open(name, DURE_READ_ONLY, NULL, &fd), -EINVAL, "flags");
	T_FAILS(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), -EINVAL, "0777");
	T_FAILS(dure_posix_shm_open(name, DURE_CREATE, NULL, NULL), -EINVAL, "NULL");
	o = (struct dure_posix_shm_options){ .sz = sizeof o, .flags = 2 };
	T_FAILS(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), -EINVAL, "flags");
	o = (struct dure_posix_shm_options){ .sz = sizeof o, .size_bytes = (uint64_t)1 << 50 };
	T_FAILS(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), -ENOSPC, "--shm-size");
	assert_int_equal(fd, -7);
	/* a link of the name leads nowhere */
	snprintf(path, sizeof path, "/dev/shm%s", name);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	T_FAILS(dure_posix_shm_open(name, DURE_OPEN, NULL, &fd), -EACCES, "symbolic link");
	T_FAILS(dure_posix_shm_open(name, DURE_CREATE, NULL, &fd), -EEXIST, "already");
	unlink(path);
	/* a FIFO of the name hangs nobody */
	assert_int_equal(mkfifo(path, 0600), 0);
	T_FAILS(dure_posix_shm_open(name, DURE_OPEN | DURE_READ_ONLY, NULL, &fd), -EINVAL, "not a file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	T_FAILS(dure_posix_shm_open(name, DURE_OPEN, NULL, &fd), -EINVAL, "directory");
	rmdir(path);
}

/* A /dev/shm of 64 KiB, in a mount namespace of its own. */
static void a_full_file_system_is_named(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	pid_t pid = t_fork();
	if (pid == 0) {
		struct dure_posix_shm_options o = { .sz = sizeof o, .size_bytes = 100000 };
		int fd;
		T_IN_CHILD(t_small_shm(65536) == 0);
		t_says_in_child(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), -ENOSPC,
		     "100000 bytes do not fit into /dev/shm (65536 of 65536");
		T_IN_CHILD(dure_posix_shm_open(name, DURE_OPEN, NULL, &fd) == -ENOENT);
		o.size_bytes = 65536;
		T_IN_CHILD(dure_posix_shm_open(name, DURE_CREATE, &o, &fd) == DURE_CREATED);
		t_says_in_child(dure_posix_shm_resize(fd, 65537), -ENOSPC, "0 of 65536 bytes free");
		dure_posix_sem *sem;
		t_says_in_child(dure_posix_sem_open(name, DURE_CREATE, NULL, &sem), -ENOSPC, "/dev/shm");
		_exit(0);
	}
	t_join(pid);
}

static void python_finds_the_memory(void **state)
{
	struct dure_posix_shm_options o = { .sz = sizeof o, .size_bytes = 4096 };
	char got[6] = "";
	int fd;

	(void)state;
	T_IS(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), DURE_CREATED);
	if (t_python("fd = libc.shm_open(name, os.O_RDWR, 0)\n"
		   "m = mmap.mmap(fd, 4096)\nm[4090:4095] = b\"hello\"\n")) {
		assert_int_equal(pread(fd, got, 5, 4090), 5);
		assert_string_equal(got, "hello");
	}
	close(fd);
	T_OK(dure_posix_remove(DURE_POSIX_SHM, name));
	if (t_python("fd = libc.shm_open(name, os.O_RDWR | os.O_CREAT, 0o600)\n"
		   "os.ftruncate(fd, 8192)\n")) {
		o.size_bytes = 8192;
		T_IS(dure_posix_shm_open(name, DURE_OPEN, &o, &fd), 0);
		close(fd);
	}
}

/* -- semaphores --------------------------------------------------------------------------- */

static void a_semaphore_is_the_libcs(void **state)
{
	struct dure_posix_sem_options o = { .sz = sizeof o, .mode = 0622, .value = 2 };
	dure_posix_sem *sem, *other;
	struct stat st;
	char path[80];
	mode_t old = umask(077);

	(void)state;
	T_FAILS(dure_posix_sem_open(name, DURE_OPEN, NULL, &sem), -ENOENT, "there is none");
	T_IS(dure_posix_sem_open(name, DURE_CREATE | DURE_OPEN, &o, &sem), DURE_CREATED);
	umask(old);
	sem_t *theirs = sem_open(name, 0);
	assert_ptr_not_equal(theirs, SEM_FAILED);
	int value;
	sem_getvalue(theirs, &value);
	assert_int_equal(value, 2);
	snprintf(path, sizeof path, "/dev/shm/sem.%s", name + 1);
	if (stat(path, &st) == 0)		/* glibc's place */
		assert_int_equal(st.st_mode & 0777, 0622);
	T_OK(dure_posix_sem_wait(sem, 0));
	T_OK(dure_posix_sem_wait(sem, DURE_FOREVER));
	T_IS(dure_posix_sem_value(sem), 0);
	T_IS(dure_posix_sem_wait(sem, 0), -EAGAIN);
	int64_t start = t_now_ns();
	T_IS(dure_posix_sem_wait(sem, DURE_MS(30)), -ETIMEDOUT);
	int64_t waited = t_now_ns() - start;
	assert_true(waited >= DURE_MS(30) && waited < DURE_S(PATIENCE_S));
	sem_post(theirs);
	T_OK(dure_posix_sem_wait(sem, DURE_S(PATIENCE_S)));
	T_OK(dure_posix_sem_post(sem));
	assert_int_equal(sem_trywait(theirs), 0);
	sem_close(theirs);
	T_IS(dure_posix_sem_open(name, DURE_CREATE | DURE_OPEN, &o, &other), 0);
	T_FAILS(dure_posix_sem_open(name, DURE_CREATE, &o, &other), -EEXIST, "already");
	T_OK(dure_posix_sem_post(other));
	T_IS(dure_posix_sem_value(sem), 1);
	dure_posix_sem_close(other);
	T_OK(dure_posix_remove(DURE_POSIX_SEM, name));
	T_IS(dure_posix_sem_value(sem), 1);	/* who has it open keeps it */
	dure_posix_sem_close(sem);
	dure_posix_sem_close(NULL);
	/* the other way round: theirs is ours */
	theirs = sem_open(name, O_CREAT | O_EXCL, 0600, 7);
	assert_ptr_not_equal(theirs, SEM_FAILED);
	T_IS(dure_posix_sem_open(name, DURE_OPEN, NULL, &sem), 0);
	T_IS(dure_posix_sem_value(sem), 7);
	dure_posix_sem_close(sem);
	sem_close(theirs);
}

static void misuse_of_semaphores_is_said(void **state)
{
	struct dure_posix_sem_options o = { .sz = sizeof o, .value = UINT32_MAX };
	uint64_t memory[8];
	dure_posix_sem *sem = NULL;
	char path[80];

	(void)state;
	T_FAILS(dure_posix_sem_open(name, DURE_CREATE, &o, &sem), -EINVAL, "value");
	T_FAILS(dure_posix_sem_open(name, DURE_CREATE | DURE_READ_ONLY, NULL, &sem), -EINVAL,
		"flags");
	T_FAILS(dure_posix_sem_open(name, DURE_CREATE, NULL, NULL), -EINVAL, "NULL");
	T_FAILS(dure_posix_sem_open("/a/b", DURE_CREATE, NULL, &sem), -EINVAL, "one slash");
	T_FAILS(dure_posix_sem_create_at((char *)memory + 1, 0, &sem), -EINVAL, "aligned");
	T_FAILS(dure_posix_sem_create_at(NULL, 0, &sem), -EINVAL, "aligned");
	T_FAILS(dure_posix_sem_create_at(memory, UINT32_MAX, &sem), -EINVAL, "value");
	T_IS(dure_posix_sem_wait(NULL, 0), -EINVAL);
	T_IS(dure_posix_sem_post(NULL), -EINVAL);
	T_IS(dure_posix_sem_value(NULL), -EINVAL);
	assert_null(sem);
	/* a file that is no semaphore: sem_open would map it, and die */
	snprintf(path, sizeof path, "/dev/shm/sem.%s", name + 1);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (off_t bytes = 0; bytes <= 64; bytes += 64 - (off_t)sizeof(sem_t) / 2) {
		assert_int_equal(ftruncate(fd, bytes), 0);
		T_FAILS(dure_posix_sem_open(name, DURE_OPEN, NULL, &sem), -EINVAL, "no semaphore");
	}
	close(fd);
	unlink(path);
	o.value = INT_MAX;
	T_OK(dure_posix_sem_create_at(memory, INT_MAX, &sem));
	T_IS(dure_posix_sem_post(sem), -EMSGSIZE);
	dure_posix_sem_close(sem);
}

static void an_unnamed_one_lies_in_shared_memory(void **state)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dure_posix_sem *sem, *other;

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	T_OK(dure_posix_sem_create_at((char *)memory + 64, 0, &sem));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_posix_sem_open_at((char *)memory + 64, &other) == 0);
		T_IN_CHILD(dure_posix_sem_post(other) == 0);
		dure_posix_sem_close(other);
		_exit(0);
	}
	T_OK(dure_posix_sem_wait(sem, DURE_S(PATIENCE_S)));
	t_join(pid);
	dure_posix_sem_close(sem);
	munmap(memory, 4096);
}

static void ignore(int signal)
{
	(void)signal;
}

static void signals_do_not_end_waits(void **state)
{
	struct sigaction action = { .sa_handler = ignore }, old;
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };
	dure_posix_sem *sem;
	char buffer[8192];
	int fd;

	(void)state;
	T_IS(dure_posix_sem_open(name, DURE_CREATE, NULL, &sem), DURE_CREATED);
	T_IS(dure_posix_queue_open(name, DURE_CREATE, NULL, &fd), DURE_CREATED);
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &every, NULL);
	int64_t start = t_now_ns();
	T_IS(dure_posix_sem_wait(sem, DURE_MS(50)), -ETIMEDOUT);
	T_IS(dure_posix_queue_receive(fd, buffer, sizeof buffer, DURE_MS(50), NULL), -ETIMEDOUT);
	int64_t waited = t_now_ns() - start;
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_IGN);	/* one may be on its way */
	sigaction(SIGALRM, &old, NULL);
	assert_true(waited >= DURE_MS(100) && waited < DURE_S(PATIENCE_S));
	dure_posix_sem_close(sem);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_NAMED(wrong_slashes_are_said),
		T_NAMED(the_longest_names_work),
		T_NAMED(memory_is_born_complete),
		T_NAMED(no_opener_sees_it_without_its_size),
		T_NAMED(misuse_of_memory_is_said),
		T_NAMED(a_full_file_system_is_named),
		T_NAMED(python_finds_the_memory),
		T_NAMED(a_semaphore_is_the_libcs),
		T_NAMED(misuse_of_semaphores_is_said),
		T_NAMED(an_unnamed_one_lies_in_shared_memory),
		T_NAMED(signals_do_not_end_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
