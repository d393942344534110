/* SPDX-License-Identifier: MIT */
/* Description: POSIX objects without their traps, with other programs at the other end. */
#include <grp.h>
#include <limits.h>
#include <mqueue.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "../t.h"

enum { PATIENCE_S = 20 };

static char name[40];			/* of this test run's own */

static void remove_all(void)
{
	for (uint32_t kind = DURE_POSIX_SHM; kind <= DURE_POSIX_QUEUE; kind++)
		dure_posix_remove(kind, name);
}

static int before(void **state)
{
	(void)state;
	snprintf(name, sizeof name, "/dure-test-%d", (int)getpid());
	remove_all();
	return 0;
}

static int after(void **state)
{
	(void)state;
	remove_all();
	return 0;
}

static uint32_t mode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_mode & 07777;
}

/* a program of python's, whose exit status must be 0; false, and said so, without python */
static bool python(const char *program)
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
static void become_somebody(void)
{
	uid_t user = 0x40000000u + (uid_t)getpid();

	T_IN_CHILD(setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
		   setresuid(user, user, user) == 0);
}

static void says(int result, int code, const char *word)
{
	if (result == code && strstr(dure_last_error(), word))
		return;
	fprintf(stderr, "child: %d, not %d with \"%s\": %s\n", result, code, word,
		dure_last_error());
	_exit(1);
}

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
	assert_int_equal(mode_of(fd), 0666);
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
		says(dure_posix_shm_open(name, DURE_CREATE, &o, &fd), -ENOSPC,
		     "100000 bytes do not fit into /dev/shm (65536 of 65536");
		T_IN_CHILD(dure_posix_shm_open(name, DURE_OPEN, NULL, &fd) == -ENOENT);
		o.size_bytes = 65536;
		T_IN_CHILD(dure_posix_shm_open(name, DURE_CREATE, &o, &fd) == DURE_CREATED);
		says(dure_posix_shm_resize(fd, 65537), -ENOSPC, "0 of 65536 bytes free");
		dure_posix_sem *sem;
		says(dure_posix_sem_open(name, DURE_CREATE, NULL, &sem), -ENOSPC, "/dev/shm");
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
	if (python("fd = libc.shm_open(name, os.O_RDWR, 0)\n"
		   "m = mmap.mmap(fd, 4096)\nm[4090:4095] = b\"hello\"\n")) {
		assert_int_equal(pread(fd, got, 5, 4090), 5);
		assert_string_equal(got, "hello");
	}
	close(fd);
	T_OK(dure_posix_remove(DURE_POSIX_SHM, name));
	if (python("fd = libc.shm_open(name, os.O_RDWR | os.O_CREAT, 0o600)\n"
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

/* -- queues ------------------------------------------------------------------------------- */

static int small_queue(void)
{
	struct dure_posix_queue_options o = { .sz = sizeof o, .messages_max = 2,
	.message_bytes = 16 };
	int fd;

	T_IS(dure_posix_queue_open(name, DURE_CREATE, &o, &fd), DURE_CREATED);
	return fd;
}

static short polled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

static void priorities_go_first(void **state)
{
	struct dure_posix_queue_info info = { .sz = sizeof info };
	struct dure_posix_queue_options o = { .sz = sizeof o, .mode = 0622 };
	char got[20] = "";
	uint32_t priority = 99;
	int fd, other = -7;
	mode_t old = umask(077);

	(void)state;
	T_FAILS(dure_posix_queue_open(name, DURE_OPEN, NULL, &other), -ENOENT, "IPC namespace");
	T_IS(dure_posix_queue_open(name, DURE_CREATE | DURE_OPEN, &o, &fd), DURE_CREATED);
	umask(old);
	T_OK(dure_posix_queue_info(fd, &info));
	assert_int_equal(info.mode, 0622);
	close(fd);
	T_IS(dure_posix_queue_open(name, DURE_CREATE | DURE_OPEN, &o, &fd), 0);
	close(fd);
	T_OK(dure_posix_remove(DURE_POSIX_QUEUE, name));
	fd = small_queue();
	T_FAILS(dure_posix_queue_open(name, DURE_CREATE, NULL, &other), -EEXIST, "already");
	assert_int_equal(other, -7);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(polled(fd), POLLOUT);
	T_OK(dure_posix_queue_send(fd, "low", 3, 0, 0));
	assert_int_equal(polled(fd), POLLIN | POLLOUT);
	T_OK(dure_posix_queue_send(fd, "high", 4, 32767, 0));
	assert_int_equal(polled(fd), POLLIN);
	T_IS(dure_posix_queue_send(fd, "full", 4, 0, 0), -EAGAIN);
	int64_t start = t_now_ns();
	T_IS(dure_posix_queue_send(fd, "full", 4, 0, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
	T_FAILS(dure_posix_queue_receive(fd, got, 15, 0, &priority), -EMSGSIZE, "up to 16");
	assert_int_equal(priority, 99);
	T_IS(dure_posix_queue_receive(fd, got, sizeof got, 0, &priority), 4);
	assert_memory_equal(got, "high", 4);
	assert_int_equal(priority, 32767);
	T_OK(dure_posix_queue_info(fd, &info));
	assert_int_equal(info.messages, 1);
	assert_int_equal(info.messages_max, 2);
	assert_int_equal(info.message_bytes, 16);
	assert_int_equal(info.mode, 0600);
	T_IS(dure_posix_queue_receive(fd, got, sizeof got, DURE_FOREVER, NULL), 3);
	T_IS(dure_posix_queue_receive(fd, got, sizeof got, 0, NULL), -EAGAIN);
	T_IS(dure_posix_queue_receive(fd, got, sizeof got, DURE_MS(20), NULL), -ETIMEDOUT);
	T_FAILS(dure_posix_queue_send(fd, got, 17, 0, 0), -EMSGSIZE, "up to 16");
	T_FAILS(dure_posix_queue_send(fd, got, 1, 32768, 0), -EINVAL, "32767");
	T_FAILS(dure_posix_queue_send(0, got, 1, 0, 0), -EINVAL, "descriptor 0");
	T_FAILS(dure_posix_queue_receive(-1, got, 1, 0, NULL), -EINVAL, "descriptor -1");
	T_FAILS(dure_posix_queue_info(0, &info), -EINVAL, "descriptor 0");
	T_OK(dure_posix_queue_send(fd, NULL, 0, 0, 0));
	T_IS(dure_posix_queue_receive(fd, got, sizeof got, 0, NULL), 0);
	o = (struct dure_posix_queue_options){ .sz = sizeof o, .flags = DURE_POSIX_QUEUE_SEND };
	T_IS(dure_posix_queue_open(name, DURE_OPEN, &o, &other), 0);
	T_OK(dure_posix_queue_send(other, "x", 1, 0, 0));
	T_FAILS(dure_posix_queue_receive(other, got, sizeof got, 0, NULL), -EINVAL, "receive");
	close(other);
	close(fd);
}

/* Who waits with a timeout goes on when a message comes, and when room comes. */
static void waiters_go_on(void **state)
{
	char got[16];
	int fd = small_queue();

	(void)state;
	for (int64_t timeout = DURE_FOREVER; timeout <= DURE_S(PATIENCE_S);
	     timeout += DURE_S(PATIENCE_S) + 1) {
		pid_t pid = t_fork();
		if (pid == 0) {
			for (int i = 0; i < 200; i++)
				T_IN_CHILD(dure_posix_queue_receive(fd, got, 16, timeout,
								    NULL) == 1);
			_exit(0);
		}
		for (int i = 0; i < 200; i++)
			T_OK(dure_posix_queue_send(fd, "x", 1, 0, timeout));
		t_join(pid);
	}
	close(fd);
}

static volatile sig_atomic_t noticed;

static void notice(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	noticed = info->si_value.sival_int;
}

static void a_signal_tells_of_a_message_once(void **state)
{
	struct sigaction action = { .sa_sigaction = notice, .sa_flags = SA_SIGINFO | SA_RESTART },
	old;
	int fd = small_queue();
	char got[16];

	(void)state;
	sigaction(SIGUSR1, &action, &old);
	T_OK(dure_posix_queue_notify(fd, SIGUSR1, 42));
	pid_t pid = t_fork();
	if (pid == 0) {
		says(dure_posix_queue_notify(fd, SIGUSR2, 1), -EBUSY, "another process");
		T_IN_CHILD(dure_posix_queue_send(fd, "x", 1, 0, 0) == 0);
		_exit(0);
	}
	t_join(pid);
	for (int64_t end = t_now_ns() + DURE_S(PATIENCE_S); !noticed; t_sleep_ms(1))
		assert_true(t_now_ns() < end);
	assert_int_equal(noticed, 42);
	noticed = 0;
	T_IS(dure_posix_queue_receive(fd, got, 16, 0, NULL), 1);
	T_OK(dure_posix_queue_notify(fd, SIGUSR1, 43));
	T_OK(dure_posix_queue_notify(fd, 0, 0));
	T_OK(dure_posix_queue_send(fd, "x", 1, 0, 0));
	assert_int_equal(noticed, 0);
	T_FAILS(dure_posix_queue_notify(fd, 9999, 0), -EINVAL, "signal");
	T_FAILS(dure_posix_queue_notify(0, SIGUSR1, 0), -EINVAL, "descriptor");
	sigaction(SIGUSR1, &old, NULL);
	close(fd);
}

static pthread_t noticing;

static void notice_in_thread(void *told)
{
	noticing = pthread_self();
	__atomic_store_n((int *)told, 1, __ATOMIC_RELEASE);
}

static void await_notice(const int *told)
{
	for (int64_t end = t_now_ns() + DURE_S(PATIENCE_S); !__atomic_load_n(told, __ATOMIC_ACQUIRE);
	     t_sleep_ms(1))
		assert_true(t_now_ns() < end);
}

static void a_thread_tells_of_a_message_once(void **state)
{
	/* a late thread of a failed test finds them, too */
	static int told[3];
	static const struct dure_posix_notice notices[3] = { { notice_in_thread, &told[0] },
							     { notice_in_thread, &told[1] },
							     { notice_in_thread, &told[2] } };
	const struct dure_posix_notice none = { NULL, NULL };
	int fd = small_queue();
	char got[16];

	(void)state;
	T_OK(dure_posix_queue_notify_thread(fd, &notices[0]));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_posix_queue_notify_thread(fd, &notices[0]) == -EBUSY);
		T_IN_CHILD(dure_posix_queue_send(fd, "x", 1, 0, 0) == 0);
		_exit(0);
	}
	t_join(pid);
	await_notice(&told[0]);
	assert_false(pthread_equal(noticing, pthread_self()));
	T_IS(dure_posix_queue_receive(fd, got, 16, 0, NULL), 1);
	/* ended before a message, and asked for anew: the second alone is told of it */
	T_OK(dure_posix_queue_notify_thread(fd, &notices[1]));
	T_OK(dure_posix_queue_notify(fd, 0, 0));
	T_OK(dure_posix_queue_notify_thread(fd, &notices[2]));
	T_OK(dure_posix_queue_send(fd, "x", 1, 0, 0));
	await_notice(&told[2]);
	assert_int_equal(told[1], 0);
	T_FAILS(dure_posix_queue_notify_thread(fd, NULL), -EINVAL, "notice");
	T_FAILS(dure_posix_queue_notify_thread(fd, &none), -EINVAL, "notice");
	T_FAILS(dure_posix_queue_notify_thread(0, &notices[0]), -EINVAL, "descriptor 0");
	close(fd);
}

static void write_limit(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	T_IN_CHILD(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value));
	close(fd);
}

static void reached_limits_are_named(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	pid_t pid = t_fork();
	if (pid == 0) {
		struct dure_posix_queue_options o = { .sz = sizeof o };
		struct rlimit bytes = { 100000, 100000 }, files;
		int fd;
		T_IN_CHILD(unshare(CLONE_NEWIPC) == 0);
		write_limit("/proc/sys/fs/mqueue/queues_max", "2");
		T_IN_CHILD(setrlimit(RLIMIT_MSGQUEUE, &bytes) == 0);
		become_somebody();
		T_IN_CHILD(dure_posix_queue_open("/a", DURE_CREATE, NULL, &fd) == DURE_CREATED);
		says(dure_posix_queue_open("/b", DURE_CREATE, NULL, &fd), -EMFILE,
		     "it needs 82880 bytes, and RLIMIT_MSGQUEUE allows 100000");
		o.messages_max = 11;
		says(dure_posix_queue_open("/b", DURE_CREATE, &o, &fd), -EINVAL,
		     "fs.mqueue.msg_max allows 10");
		o = (struct dure_posix_queue_options){ .sz = sizeof o, .messages_max = 1,
						       .message_bytes = 8 };
		T_IN_CHILD(dure_posix_queue_open("/b", DURE_CREATE, &o, &fd) == DURE_CREATED);
		says(dure_posix_queue_open("/c", DURE_CREATE, &o, &fd), -ENOSPC,
		     "fs.mqueue.queues_max allows 2 queues");
		T_IN_CHILD(getrlimit(RLIMIT_NOFILE, &files) == 0);
		files.rlim_cur = 0;
		T_IN_CHILD(setrlimit(RLIMIT_NOFILE, &files) == 0);
		says(dure_posix_queue_open("/a", DURE_OPEN, NULL, &fd), -EMFILE, "RLIMIT_NOFILE is "
		     "0");
		says(dure_posix_shm_open(name, DURE_CREATE, NULL, &fd), -EMFILE, "RLIMIT_NOFILE is "
		     "0");
		_exit(0);
	}
	t_join(pid);
}

static void limits_are_those_of_the_kernel(void **state)
{
	struct dure_posix_limits l = { .sz = sizeof l };
	struct rlimit bytes;

	(void)state;
	T_OK(dure_posix_limits(&l));
	assert_int_equal(getrlimit(RLIMIT_MSGQUEUE, &bytes), 0);
	assert_true(l.queue_bytes_max == bytes.rlim_cur);
	assert_true(l.shm_bytes >= l.shm_free_bytes && l.shm_bytes > 0);
	assert_true(l.messages_default <= l.messages_max && l.queues_max > 0);
	assert_int_equal(l.sem_value_max, SEM_VALUE_MAX);
	T_FAILS(dure_posix_limits(NULL), -EINVAL, "NULL");
	l.sz = 8;
	T_FAILS(dure_posix_limits(&l), -EINVAL, "sz");
}

static void python_talks_to_us(void **state)
{
	dure_posix_sem *sem;
	char got[16];
	uint32_t priority;
	int fd = small_queue();

	(void)state;
	T_IS(dure_posix_sem_open(name, DURE_CREATE, NULL, &sem), DURE_CREATED);
	T_OK(dure_posix_queue_send(fd, "from us", 7, 3, 0));
	if (python("q = libc.mq_open(name, os.O_RDWR)\nb = ctypes.create_string_buffer(16)\n"
		   "p = ctypes.c_uint()\n"
		   "assert libc.mq_receive(q, b, 16, ctypes.byref(p)) == 7\n"
		   "assert b.value == b\"from us\" and p.value == 3\n"
		   "assert libc.mq_send(q, b\"from them\", 9, 5) == 0\n"
		   "libc.sem_open.restype = ctypes.c_void_p\n"
		   "s = ctypes.c_void_p(libc.sem_open(name, 0))\n"
		   "assert libc.sem_post(s) == 0\n")) {
		T_OK(dure_posix_sem_wait(sem, 0));
		T_IS(dure_posix_queue_receive(fd, got, sizeof got, 0, &priority), 9);
		assert_memory_equal(got, "from them", 9);
		assert_int_equal(priority, 5);
	}
	dure_posix_sem_close(sem);
	close(fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, before, after)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(wrong_slashes_are_said),
		TEST(the_longest_names_work),
		TEST(memory_is_born_complete),
		TEST(no_opener_sees_it_without_its_size),
		TEST(misuse_of_memory_is_said),
		TEST(a_full_file_system_is_named),
		TEST(python_finds_the_memory),
		TEST(a_semaphore_is_the_libcs),
		TEST(misuse_of_semaphores_is_said),
		TEST(an_unnamed_one_lies_in_shared_memory),
		TEST(signals_do_not_end_waits),
		TEST(priorities_go_first),
		TEST(waiters_go_on),
		TEST(a_signal_tells_of_a_message_once),
		TEST(a_thread_tells_of_a_message_once),
		TEST(reached_limits_are_named),
		TEST(limits_are_those_of_the_kernel),
		TEST(python_talks_to_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
