/* SPDX-License-Identifier: MIT */
/* Description: System V objects without their traps, with other programs at the other end. */
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/time.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "../t.h"

enum { PATIENCE_S = 20, NOBODY = 65534 };

/* of this test run's own, one for each kind at a time, the same in its children */
static int32_t the_key;

static int32_t t_key(void)
{
	return the_key;
}

/* the output of a command, which must succeed */
static void t_run(const char *command, char *output, size_t bytes)
{
	FILE *pipe = popen(command, "r");
	size_t n;

	assert_non_null(pipe);
	n = fread(output, 1, bytes - 1, pipe);
	output[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

/* until a process sleeps in semtimedop, msgrcv ...: the kernel says which call it is in */
static void await_call(int id, bool (*waits)(int id))
{
	for (int64_t end = t_now_ns() + PATIENCE_S * DURE_S(1); !waits(id); t_sleep_ms(1))
		assert_true(t_now_ns() < end);
}

/* -- keys --------------------------------------------------------------------------------- */

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void keys_are_those_of_ftok(void **state)
{
	struct dure_sysv_key_source s[] = { { "/dev/null", 1 }, { "/dev/null", 255 }, { "/", 7 } };
	int32_t keys[3];

	(void)state;
	T_OK(dure_sysv_keys(s, 3, keys));
	assert_int_equal(keys[0], ftok("/dev/null", 1));
	assert_int_equal(keys[1], ftok("/dev/null", 255));
	assert_int_equal(keys[2], ftok("/", 7));
	s[1].project = 256;
	T_FAILS(dure_sysv_keys(s, 2, keys), -EINVAL, "1 to 255");
	s[1].project = 0;
	T_FAILS(dure_sysv_keys(s, 2, keys), -EINVAL, "1 to 255");
	s[1] = (struct dure_sysv_key_source){ "/no/such/file", 1 };
	T_FAILS(dure_sysv_keys(s, 2, keys), -ENOENT, "/no/such/file");
	T_FAILS(dure_sysv_keys(s, 0, keys), -EINVAL, "sources");
	T_FAILS(dure_sysv_keys(NULL, 1, keys), -EINVAL, "sources");
	s[1].path = NULL;
	T_FAILS(dure_sysv_keys(s, 2, keys), -EINVAL, "NULL");
	assert_int_equal(keys[0], ftok("/dev/null", 1));	/* untouched */
}

static uint64_t inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/* Inode numbers of a tmpfs go up: after 65536 files the key's part of them comes again. */
static void colliding_keys_are_refused(void **state)
{
	char dir[] = "/dev/shm/dure-keys-XXXXXX", a[64], b[64];
	int32_t keys[2];
	bool collides = false;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(a, sizeof a, "%s/a", dir);
	snprintf(b, sizeof b, "%s/b", dir);
	make_file(a);
	for (int i = 0; i < 1000000 && !collides; i++) {
		unlink(b);
		make_file(b);
		collides = (inode_of(a) & 0xffff) == (inode_of(b) & 0xffff);
	}
	struct dure_sysv_key_source s[2] = { { a, 3 }, { b, 3 } };
	if (collides)
		T_FAILS(dure_sysv_keys(s, 2, keys), -EEXIST, "different files");
	s[1].project = 4;
	T_OK(dure_sysv_keys(s, 2, keys));
	unlink(b);
	assert_int_equal(link(a, b), 0);
	s[1].project = 3;
	T_FAILS(dure_sysv_keys(s, 2, keys), -EEXIST, "same file");
	unlink(a);
	unlink(b);
	rmdir(dir);
	assert_true(collides);
}

/* -- shared memory ------------------------------------------------------------------------ */

static void a_segment_has_one_creator(void **state)
{
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	struct dure_sysv_info common = { .sz = sizeof common };
	struct dure_sysv_shm_options o = { .sz = sizeof o, .mode = 0666 };
	int32_t id = -7, again = -7;
	mode_t old = umask(077);

	(void)state;
	T_FAILS(dure_sysv_shm_get(t_key(), 4096, DURE_OPEN, NULL, &id), -ENOENT, "no System V "
		"segment");
	assert_int_equal(id, -7);
	T_IS(dure_sysv_shm_get(t_key(), 5000, DURE_CREATE | DURE_OPEN, &o, &id), DURE_CREATED);
	umask(old);
	T_IS(dure_sysv_shm_get(t_key(), 5000, DURE_CREATE | DURE_OPEN, &o, &again), 0);
	assert_int_equal(id, again);
	T_FAILS(dure_sysv_shm_get(t_key(), 5000, DURE_CREATE, &o, &again), -EEXIST, "5000 bytes");
	T_FAILS(dure_sysv_shm_get(t_key(), 6000, DURE_OPEN, NULL, &again), -EINVAL, "collide");
	T_IS(dure_sysv_shm_get(t_key(), 0, DURE_OPEN, NULL, &again), 0);
	T_OK(dure_sysv_shm_info(id, &info));
	assert_int_equal(info.size_bytes, 5000);
	assert_int_equal(info.attached, 0);
	assert_int_equal(info.creator, getpid());
	T_OK(dure_sysv_info(DURE_SYSV_SHM, id, &common));
	assert_int_equal(common.mode, 0666);
	assert_int_equal(common.key, t_key());
	assert_int_equal(common.owner, geteuid());
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
	T_FAILS(dure_sysv_remove(DURE_SYSV_SHM, id), -ENOENT, "none with that id");
	T_FAILS(dure_sysv_info(DURE_SYSV_SHM, id, &common), -ENOENT, "none");
	T_FAILS(dure_sysv_shm_info(id, &info), -ENOENT, "none");
}

static void misuse_of_segments_is_said(void **state)
{
	struct dure_sysv_shm_options o = { .sz = sizeof o, .mode = 01000 };
	struct dure_sysv_changes c = { .sz = sizeof c };
	struct dure_sysv_info info = { .sz = 1 };
	int32_t id = -7;

	(void)state;
	T_FAILS(dure_sysv_shm_get(t_key(), 1, 0, NULL, &id), -EINVAL, "DURE_CREATE");
	T_FAILS(dure_sysv_shm_get(t_key(), 1, DURE_READ_ONLY, NULL, &id), -EINVAL, "flags");
	T_FAILS(dure_sysv_shm_get(0, 1, DURE_OPEN, NULL, &id), -EINVAL, "id");
	T_FAILS(dure_sysv_shm_get(0, 1, DURE_CREATE, NULL, NULL), -EINVAL, "NULL");
	T_FAILS(dure_sysv_shm_get(0, 1, DURE_CREATE, &o, &id), -EINVAL, "0777");
	o = (struct dure_sysv_shm_options){ .sz = sizeof o, .huge_page_bytes = 3 };
	T_FAILS(dure_sysv_shm_get(0, 1, DURE_CREATE, &o, &id), -EINVAL, "power of two");
	o = (struct dure_sysv_shm_options){ .sz = sizeof o, .flags = 64 };
	T_FAILS(dure_sysv_shm_get(0, 1, DURE_CREATE, &o, &id), -EINVAL, "flags");
	o.sz = 3;
	T_FAILS(dure_sysv_shm_get(0, 1, DURE_CREATE, &o, &id), -EINVAL, "sz");
	T_FAILS(dure_sysv_shm_get(0, 0, DURE_CREATE, NULL, &id), -EINVAL, "0 bytes");
	assert_int_equal(id, -7);
	T_FAILS(dure_sysv_info(9, 0, &info), -EINVAL, "kind");
	T_FAILS(dure_sysv_info(DURE_SYSV_SHM, 0, NULL), -EINVAL, "NULL");
	T_IS(dure_sysv_shm_get(0, 1, DURE_CREATE, NULL, &id), DURE_CREATED);
	T_FAILS(dure_sysv_info(DURE_SYSV_SHM, id, &info), -EINVAL, "sz");
	T_FAILS(dure_sysv_set(DURE_SYSV_SHM, id, &c), -EINVAL, "what");
	T_FAILS(dure_sysv_set(DURE_SYSV_SHM, id, NULL), -EINVAL, "what");
	c.what = DURE_SYSV_SET_BYTES_MAX;
	T_FAILS(dure_sysv_set(DURE_SYSV_SHM, id, &c), -EINVAL, "queue");
	T_FAILS(dure_sysv_list(9, NULL, NULL), -EINVAL, "kind");
	T_FAILS(dure_sysv_list(DURE_SYSV_SHM, NULL, NULL), -EINVAL, "NULL");
	T_FAILS(dure_sysv_limits(NULL), -EINVAL, "NULL");
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
}

static void attaching_replaces_nothing(void **state)
{
	int32_t id;
	char *at, *other, *room;

	(void)state;
	T_IS(dure_sysv_shm_get(0, 10000, DURE_CREATE, NULL, &id), DURE_CREATED);
	room = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(room, MAP_FAILED);
	T_FAILS(dure_sysv_shm_attach(id, room + 1, 0, (void **)&at), -EINVAL, "SHMLBA");
	T_FAILS(dure_sysv_shm_attach(id, room, 0, (void **)&at), -EINVAL, "mapped there");
	T_FAILS(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_ROUND, (void **)&at), -EINVAL,
		"address");
	T_FAILS(dure_sysv_shm_attach(id, room,
				     DURE_SYSV_ATTACH_REPLACE | DURE_SYSV_ATTACH_THEN_REMOVE,
				     (void **)&at), -EINVAL, "exclude");
	T_FAILS(dure_sysv_shm_attach(id, NULL, 1u << 20, (void **)&at), -EINVAL, "flags");
	T_FAILS(dure_sysv_shm_attach(INT_MAX, NULL, 0, (void **)&at), -ENOENT, "none with that id");
	T_OK(dure_sysv_shm_attach(id, room, DURE_SYSV_ATTACH_REPLACE, (void **)&at));
	assert_ptr_equal(at, room);
	at[9999] = 'x';
	munmap(room + 65536, (1 << 20) - 65536);
	T_OK(dure_sysv_shm_attach(id, room + 65536 + 100, DURE_SYSV_ATTACH_ROUND, (void **)&other));
	assert_ptr_equal(other, room + 65536);
	assert_int_equal(other[9999], 'x');
	T_OK(dure_sysv_shm_detach(other));
	T_OK(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_READ_ONLY, (void **)&other));
	assert_int_equal(other[9999], 'x');
	assert_int_equal(mprotect(other, 4096, PROT_READ | PROT_WRITE), -1);	/* and stays so */
	T_OK(dure_sysv_shm_detach(other));
	T_FAILS(dure_sysv_shm_detach(other), -EINVAL, "attached");
	T_OK(dure_sysv_shm_detach(at));
	munmap(room, 65536);
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
}

/* Destroyed but attached: reachable by id until the last user is gone, however it went. */
static void a_doomed_segment_goes_with_its_last_user(void **state)
{
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	int32_t id, found;
	int fds[2];
	char *at, *other;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	T_IS(dure_sysv_shm_get(t_key(), 4096, DURE_CREATE, NULL, &id), DURE_CREATED);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_THEN_REMOVE,
						(void **)&at) == 0);
		at[0] = 'd';
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	T_FAILS(dure_sysv_shm_get(t_key(), 0, DURE_OPEN, NULL, &found), -ENOENT, "no System V");
	T_OK(dure_sysv_shm_info(id, &info));
	assert_int_equal(info.is_doomed, 1);
	assert_int_equal(info.attached, 1);
	T_OK(dure_sysv_shm_attach(id, NULL, 0, (void **)&other));
	assert_int_equal(other[0], 'd');
	t_kill(pid);
	T_OK(dure_sysv_shm_info(id, &info));
	assert_int_equal(info.attached, 1);
	T_OK(dure_sysv_shm_detach(other));
	T_FAILS(dure_sysv_shm_info(id, &info), -ENOENT, "none");
	T_FAILS(dure_sysv_shm_attach(id, NULL, 0, (void **)&other), -ENOENT, "none");
	close(fds[0]);
	close(fds[1]);
}

static void pages_are_locked_for_all(void **state)
{
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	int32_t id;

	(void)state;
	T_IS(dure_sysv_shm_get(0, 4096, DURE_CREATE, NULL, &id), DURE_CREATED);
	T_OK(dure_sysv_shm_lock(id, 1));
	T_OK(dure_sysv_shm_info(id, &info));
	assert_int_equal(info.is_locked, 1);
	T_OK(dure_sysv_shm_lock(id, 0));
	T_OK(dure_sysv_shm_info(id, &info));
	assert_int_equal(info.is_locked, 0);
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
	T_FAILS(dure_sysv_shm_lock(id, 1), -ENOENT, "none");
}

/* Without huge pages the sentence says what to raise; with some, they are used. */
static void huge_pages_or_a_sentence(void **state)
{
	struct dure_sysv_shm_options o = { .sz = sizeof o, .flags = DURE_SYSV_SHM_HUGE };
	int32_t id;
	void *at;

	(void)state;
	if (t_is_under_valgrind())
		skip();
	int r = dure_sysv_shm_get(0, 1, DURE_CREATE, &o, &id);
	if (r < 0) {
		if (geteuid() == 0)
			T_FAILS(r, -ENOMEM, "vm.nr_hugepages");
		else
			T_FAILS(r, -EPERM, "CAP_IPC_LOCK");
		skip();
	}
	T_OK(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_THEN_REMOVE, &at));
	*(char *)at = 1;
	assert_int_equal((uintptr_t)at % (2 << 20), 0);
	T_OK(dure_sysv_shm_detach(at));
}

/* -- permissions -------------------------------------------------------------------------- */

static void become_nobody(void)
{
	T_IN_CHILD(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		   setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static void others_are_kept_out(void **state)
{
	struct dure_sysv_changes c = { .sz = sizeof c, .what = DURE_SYSV_SET_MODE, .mode = 0604 };
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	int32_t id, queue;
	void *at;

	(void)state;
	if (geteuid() != 0 || t_is_under_valgrind())
		skip();
	T_IS(dure_sysv_shm_get(0, 4096, DURE_CREATE, NULL, &id), DURE_CREATED);
	T_IS(dure_sysv_msg_get(0, DURE_CREATE, NULL, &queue), DURE_CREATED);
	pid_t pid = t_fork();
	if (pid == 0) {
		become_nobody();
		T_IN_CHILD(dure_sysv_shm_attach(id, NULL, 0, &at) == -EACCES);
		T_IN_CHILD(dure_sysv_shm_info(id, &info) == -EACCES);
		T_IN_CHILD(dure_sysv_remove(DURE_SYSV_SHM, id) == -EPERM);
		T_IN_CHILD(dure_sysv_set(DURE_SYSV_SHM, id, &c) == -EACCES);	/* IPC_STAT first */
		T_IN_CHILD(dure_sysv_msg_send(queue, 1, "x", 1, 0) == -EACCES);
		T_IN_CHILD(dure_sysv_msg_receive(queue, 0, 0, &at, 1, 0, NULL) == -EACCES);
		_exit(0);
	}
	t_join(pid);
	T_OK(dure_sysv_set(DURE_SYSV_SHM, id, &c));
	pid = t_fork();
	if (pid == 0) {
		become_nobody();
		T_IN_CHILD(dure_sysv_shm_attach(id, NULL, 0, &at) == -EACCES);
		T_IN_CHILD(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_READ_ONLY, &at) == 0);
		T_IN_CHILD(dure_sysv_shm_attach(id, NULL, DURE_SYSV_ATTACH_READ_ONLY |
						DURE_SYSV_ATTACH_THEN_REMOVE, &at) == -EPERM);
		T_IN_CHILD(dure_sysv_shm_info(id, &info) == 0 && info.attached == 1);
		T_IN_CHILD(dure_sysv_set(DURE_SYSV_SHM, id, &c) == -EPERM);
		_exit(0);
	}
	t_join(pid);
	c = (struct dure_sysv_changes){ .sz = sizeof c, .owner = NOBODY, .group = NOBODY,
					.what = DURE_SYSV_SET_OWNER | DURE_SYSV_SET_GROUP };
	T_OK(dure_sysv_set(DURE_SYSV_SHM, id, &c));
	pid = t_fork();
	if (pid == 0) {
		become_nobody();
		T_IN_CHILD(dure_sysv_remove(DURE_SYSV_SHM, id) == 0);
		_exit(0);
	}
	t_join(pid);
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, queue));
}

/* -- limits ------------------------------------------------------------------------------- */

static uint64_t number_in(const char *path, int which)
{
	char text[200], *at = text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);

	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	while (which-- > 0)
		strtoull(at, &at, 10);
	return strtoull(at, NULL, 10);
}

static void limits_are_those_of_the_kernel(void **state)
{
	struct dure_sysv_limits l = { .sz = sizeof l }, after = { .sz = sizeof after };
	int32_t id, queue;

	(void)state;
	T_OK(dure_sysv_limits(&l));
	assert_int_equal(l.segment_bytes_max, number_in("/proc/sys/kernel/shmmax", 0));
	assert_int_equal(l.segments_max, number_in("/proc/sys/kernel/shmmni", 0));
	assert_int_equal(l.set_semaphores_max, number_in("/proc/sys/kernel/sem", 0));
	assert_int_equal(l.all_semaphores_max, number_in("/proc/sys/kernel/sem", 1));
	assert_int_equal(l.operations_max, number_in("/proc/sys/kernel/sem", 2));
	assert_int_equal(l.sets_max, number_in("/proc/sys/kernel/sem", 3));
	assert_int_equal(l.message_bytes_max, number_in("/proc/sys/kernel/msgmax", 0));
	assert_int_equal(l.queue_bytes_max, number_in("/proc/sys/kernel/msgmnb", 0));
	assert_int_equal(l.queues_max, number_in("/proc/sys/kernel/msgmni", 0));
	assert_int_equal(l.value_max, 32767);
	T_IS(dure_sysv_shm_get(0, 1 << 20, DURE_CREATE, NULL, &id), DURE_CREATED);
	T_IS(dure_sysv_msg_get(0, DURE_CREATE, NULL, &queue), DURE_CREATED);
	T_OK(dure_sysv_msg_send(queue, 1, "12345", 5, 0));
	T_OK(dure_sysv_limits(&after));
	assert_true(after.segments >= 1 && after.bytes >= 1 << 20);
	assert_true(after.queues >= 1 && after.messages >= 1 && after.message_bytes >= 5);
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, queue));
}

static void write_limit(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	T_IN_CHILD(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value));
	close(fd);
}

static void says(int result, int code, const char *word)
{
	T_IN_CHILD(result == code);
	T_IN_CHILD(strstr(dure_last_error(), word));
}

/* In an IPC namespace of its own every limit is reached; the sentence has it and its use. */
static void reached_limits_are_named(void **state)
{
	dure_sysv_sem *sem;
	int32_t id;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(unshare(CLONE_NEWIPC) == 0);
		write_limit("/proc/sys/kernel/shmmni", "2");
		write_limit("/proc/sys/kernel/shmmax", "1000000");
		write_limit("/proc/sys/kernel/msgmni", "1");
		write_limit("/proc/sys/kernel/sem", "20 25 100 2");
		says(dure_sysv_shm_get(0, 1000001, DURE_CREATE, NULL, &id), -EINVAL,
		     "kernel.shmmax allows 1000000");
		T_IN_CHILD(dure_sysv_shm_get(1, 1, DURE_CREATE, NULL, &id) == DURE_CREATED);
		T_IN_CHILD(dure_sysv_shm_get(2, 1, DURE_CREATE, NULL, &id) == DURE_CREATED);
		says(dure_sysv_shm_get(3, 1, DURE_CREATE, NULL, &id), -ENOSPC,
		     "kernel.shmmni allows 2 segments, and 2 are used");
		write_limit("/proc/sys/kernel/shmmni", "20");
		write_limit("/proc/sys/kernel/shmall", "3");
		says(dure_sysv_shm_get(3, 100000, DURE_CREATE, NULL, &id), -ENOSPC,
		     "kernel.shmall");
		T_IN_CHILD(dure_sysv_msg_get(1, DURE_CREATE, NULL, &id) == DURE_CREATED);
		says(dure_sysv_msg_get(2, DURE_CREATE, NULL, &id), -ENOSPC,
		     "kernel.msgmni allows 1 queues, and 1 are used");
		says(dure_sysv_sem_open(1, 20, DURE_CREATE, NULL, 0, &sem), -EINVAL, "1st number");
		T_IN_CHILD(dure_sysv_sem_open(1, 19, DURE_CREATE, NULL, 0, &sem) == DURE_CREATED);
		dure_sysv_sem_close(sem);
		says(dure_sysv_sem_open(2, 6, DURE_CREATE, NULL, 0, &sem), -ENOSPC,
		     "2nd number) allows 25 semaphores in all sets together, and 20 are used");
		T_IN_CHILD(dure_sysv_sem_open(2, 1, DURE_CREATE, NULL, 0, &sem) == DURE_CREATED);
		dure_sysv_sem_close(sem);
		says(dure_sysv_sem_open(3, 1, DURE_CREATE, NULL, 0, &sem), -ENOSPC,
		     "4th number) allows 2 sets, and 2 are used");
		write_limit("/proc/sys/kernel/sem", "20 25 3 3");
		T_IN_CHILD(dure_sysv_sem_open(2, 1, DURE_OPEN, NULL, 0, &sem) == 0);
		struct dure_sysv_sem_operation ops[4] = { { 0, 1, 0 }, { 0, 1, 0 }, { 0, 1, 0 },
		{ 0, 1, 0 } };
		says(dure_sysv_sem_operate(sem, ops, 4, 0), -EINVAL, "third number of kernel.sem");
		dure_sysv_sem_close(sem);
		_exit(0);
	}
	t_join(pid);
}

/* -- semaphores --------------------------------------------------------------------------- */

static const uint16_t three[3] = { 5, 0, 32767 };

static dure_sysv_sem *open_three(uint32_t flags, int expected)
{
	struct dure_sysv_sem_options o = { .sz = sizeof o, .values = three };
	dure_sysv_sem *sem;

	T_IS(dure_sysv_sem_open(t_key(), 3, flags, &o, DURE_S(PATIENCE_S), &sem), expected);
	return sem;
}

static void remove_set(dure_sysv_sem *sem)
{
	T_OK(dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(sem)));
	dure_sysv_sem_close(sem);
}

static void has_three_values(dure_sysv_sem *sem)
{
	uint16_t got[3] = { 0 };

	T_OK(dure_sysv_sem_get(sem, got, 3));
	assert_memory_equal(got, three, sizeof three);
}

static void a_set_is_born_with_its_values(void **state)
{
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	dure_sysv_sem *sem = open_three(DURE_CREATE | DURE_OPEN, DURE_CREATED), *other;
	uint16_t set[3] = { 1, 2, 3 };

	(void)state;
	has_three_values(sem);
	other = open_three(DURE_CREATE | DURE_OPEN, 0);
	has_three_values(other);
	T_FAILS(dure_sysv_sem_open(t_key(), 3, DURE_CREATE, NULL, 0, &other), -EEXIST, "there is "
		"one");
	dure_sysv_sem_close(other);
	T_OK(dure_sysv_sem_info(sem, 2, &info));
	assert_int_equal(info.count, 3);
	assert_int_equal(info.has_mark, 1);
	assert_int_equal(info.value, 32767);
	assert_int_equal(info.last_process, getpid());
	assert_true(info.operated_s > 0);
	T_OK(dure_sysv_sem_set(sem, set, 3));
	T_OK(dure_sysv_sem_set_one(sem, 1, 9));
	other = open_three(DURE_OPEN, 0);	/* complete, and not anew */
	T_OK(dure_sysv_sem_get(other, set, 3));
	assert_int_equal(set[0], 1);
	assert_int_equal(set[1], 9);
	dure_sysv_sem_close(other);
	T_FAILS(dure_sysv_sem_set_one(sem, 3, 0), -EINVAL, "no semaphore 3");	/* the mark */
	T_FAILS(dure_sysv_sem_set_one(sem, 0, 40000), -EMSGSIZE, "32767");
	T_FAILS(dure_sysv_sem_get(sem, set, 2), -EINVAL, "as many");
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, NULL, 0, &other), -EINVAL, "4 "
		"semaphores");
	T_FAILS(dure_sysv_sem_open(t_key(), 9, DURE_OPEN, NULL, 0, &other), -EINVAL, "fewer than "
		"9");
	remove_set(sem);
}

/* The maker died between semget and its values: as other libraries leave it, and as we find it. */
static void a_dead_makers_set_is_completed(void **state)
{
	dure_sysv_sem *sem;
	int id = semget(t_key(), 4, IPC_CREAT | IPC_EXCL | 0600);

	(void)state;
	assert_true(id >= 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 3, DURE_OPEN, NULL, 0, &sem), -EAGAIN, "no values yet");
	T_FAILS(dure_sysv_sem_open(t_key(), 3, DURE_OPEN, NULL, DURE_MS(20), &sem), -ETIMEDOUT,
		"no values yet");
	sem = open_three(DURE_CREATE | DURE_OPEN, 0);
	assert_int_equal(dure_sysv_sem_id(sem), id);
	has_three_values(sem);
	remove_set(sem);
}

static bool somebody_waits_for_the_mark(int id)
{
	return semctl(id, 3, GETNCNT) == 1;
}

static void an_opener_waits_for_a_slow_maker(void **state)
{
	int id = semget(t_key(), 4, IPC_CREAT | IPC_EXCL | 0600);
	dure_sysv_sem *sem;

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_open(t_key(), 3, DURE_OPEN, NULL, DURE_FOREVER,
					      &sem) == 0);
		uint16_t got[3];
		T_IN_CHILD(dure_sysv_sem_get(sem, got, 3) == 0 && memcmp(got, three, 6) == 0);
		_exit(0);
	}
	await_call(id, somebody_waits_for_the_mark);
	sem = open_three(DURE_CREATE | DURE_OPEN, 0);
	t_join(pid);
	has_three_values(sem);
	remove_set(sem);
}

/* Many make it at once: one creates, the values are given once, all see them. */
static void many_makers_give_values_once(void **state)
{
	enum { MAKERS = 12, ROUNDS = 30 };
	struct dure_sysv_sem_options o = { .sz = sizeof o, .values = three };
	int gate[2];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[MAKERS];
		int status, created = 0;
		assert_int_equal(pipe(gate), 0);
		for (int i = 0; i < MAKERS; i++) {
			pids[i] = t_fork();
			if (pids[i] != 0)
				continue;
			dure_sysv_sem *sem;
			uint16_t got[3];
			struct dure_sysv_sem_operation take = { .index = 0, .change = -1 };
			char c;
			close(gate[1]);
			T_IN_CHILD(read(gate[0], &c, 1) == 0);
			int r = dure_sysv_sem_open(t_key(), 3, DURE_CREATE | DURE_OPEN, &o,
						   DURE_S(PATIENCE_S), &sem);
			T_IN_CHILD(r >= 0 && dure_sysv_sem_get(sem, got, 3) == 0);
			T_IN_CHILD(got[0] <= 5 && got[2] == 32767);
			r += 10 * (dure_sysv_sem_operate(sem, &take, 1, 0) == 0);
			_exit(r);
		}
		close(gate[0]);
		close(gate[1]);
		int taken = 0;
		for (int i = 0; i < MAKERS; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status));
			created += WEXITSTATUS(status) % 10;
			taken += WEXITSTATUS(status) / 10;
		}
		assert_int_equal(created, DURE_CREATED);
		assert_int_equal(taken, 5);
		remove_set(open_three(DURE_OPEN, 0));
	}
}

static void an_exact_set_follows_the_old_convention(void **state)
{
	struct dure_sysv_sem_options o = { .sz = sizeof o, .flags = DURE_SYSV_SEM_EXACT };
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	struct semid_ds ds;
	dure_sysv_sem *sem, *other;

	(void)state;
	T_IS(dure_sysv_sem_open(t_key(), 2, DURE_CREATE, &o, 0, &sem), DURE_CREATED);
	assert_int_equal(semctl(dure_sysv_sem_id(sem), 0, IPC_STAT, &ds), 0);
	assert_int_equal(ds.sem_nsems, 2);
	assert_true(ds.sem_otime > 0);		/* what other programs wait for */
	T_OK(dure_sysv_sem_info(sem, 0, &info));
	assert_int_equal(info.has_mark, 0);
	remove_set(sem);
	int id = semget(t_key(), 2, IPC_CREAT | IPC_EXCL | 0600);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, &o, DURE_MS(5), &sem), -ETIMEDOUT,
		"remove the set");
	T_IS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, NULL, 0, &sem), 0);	/* as it is */
	struct sembuf op = { .sem_num = 0, .sem_op = 2 };
	assert_int_equal(semop(id, &op, 1), 0);
	T_IS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, &o, 0, &other), 0);
	dure_sysv_sem_close(other);
	T_IS(dure_sysv_sem_open(t_key(), 0, DURE_OPEN, NULL, 0, &other), 0);
	dure_sysv_sem_close(other);
	remove_set(sem);
	/* one semaphore more, and no mark: somebody else's */
	id = semget(t_key(), 3, IPC_CREAT | IPC_EXCL | 0600);
	assert_int_equal(semctl(id, 2, SETVAL, 7), 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_OPEN, NULL, 0, &sem), -EINVAL,
		"another program");
	/* its last is 0, and others are not: nor is that half made, and it stays as it is */
	assert_int_equal(semctl(id, 2, SETVAL, 0), 0);
	assert_int_equal(semctl(id, 1, SETVAL, 6), 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_CREATE | DURE_OPEN, NULL, 0, &sem), -EINVAL,
		"another program");
	assert_int_equal(semctl(id, 1, SETVAL, 0), 0);
	assert_int_equal(semop(id, &(struct sembuf){ .sem_num = 1 }, 1), 0);
	T_FAILS(dure_sysv_sem_open(t_key(), 2, DURE_CREATE | DURE_OPEN, NULL, 0, &sem), -EINVAL,
		"another program");
	assert_int_equal(semctl(id, 2, GETVAL), 0);
	assert_int_equal(semctl(id, 0, IPC_RMID), 0);
}

static void a_private_set_is_found_by_id(void **state)
{
	struct dure_sysv_sem_options o = { .sz = sizeof o, .values = three };
	dure_sysv_sem *sem, *other;

	(void)state;
	T_IS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_CREATE, &o, 0, &sem), DURE_CREATED);
	o = (struct dure_sysv_sem_options){ .sz = sizeof o, .id = dure_sysv_sem_id(sem) };
	T_IS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_OPEN, &o, 0, &other), 0);
	has_three_values(other);
	dure_sysv_sem_close(other);
	remove_set(sem);
	T_FAILS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_OPEN, &o, 0, &other), -ENOENT,
		"none");
	/* one with a mark, by id */
	sem = open_three(DURE_CREATE, DURE_CREATED);
	o.id = dure_sysv_sem_id(sem);
	T_IS(dure_sysv_sem_open(DURE_SYSV_PRIVATE, 3, DURE_OPEN, &o, 0, &other), 0);
	has_three_values(other);
	dure_sysv_sem_close(other);
	remove_set(sem);
}

static bool a_semaphore_is_wanted(int id)
{
	return semctl(id, 1, GETNCNT) == 1;
}

static void operations_are_all_or_nothing(void **state)
{
	struct dure_sysv_sem_operation ops[2] = { { .index = 0, .change = -5 },
						  { .index = 1, .change = -1 } };
	struct dure_sysv_sem_operation zero = { .index = 1, .change = 0 };
	struct dure_sysv_sem_operation over = { .index = 2, .change = 1 };
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);

	(void)state;
	T_IS(dure_sysv_sem_operate(sem, ops, 2, 0), -EAGAIN);
	has_three_values(sem);
	int64_t start = t_now_ns();
	T_IS(dure_sysv_sem_operate(sem, ops, 2, DURE_MS(30)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(30));
	has_three_values(sem);
	T_OK(dure_sysv_sem_operate(sem, &zero, 1, 0));
	T_FAILS(dure_sysv_sem_operate(sem, &over, 1, 0), -EMSGSIZE, "32767");
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_operate(sem, ops, 2, DURE_FOREVER) == 0);
		_exit(0);
	}
	await_call(dure_sysv_sem_id(sem), a_semaphore_is_wanted);
	T_OK(dure_sysv_sem_info(sem, 1, &info));
	assert_int_equal(info.waiting_for_more, 1);
	assert_int_equal(info.waiting_for_zero, 0);
	ops[1].change = 1;
	T_OK(dure_sysv_sem_operate(sem, &ops[1], 1, 0));
	t_join(pid);
	T_OK(dure_sysv_sem_info(sem, 0, &info));
	assert_int_equal(info.value, 0);
	ops[0].index = 3;
	T_FAILS(dure_sysv_sem_operate(sem, ops, 1, 0), -EINVAL, "no index 3");
	ops[0] = (struct dure_sysv_sem_operation){ .change = 40000 };
	T_FAILS(dure_sysv_sem_operate(sem, ops, 1, 0), -EINVAL, "40000");
	ops[0] = (struct dure_sysv_sem_operation){ .change = 1, .flags = 2 };
	T_FAILS(dure_sysv_sem_operate(sem, ops, 1, 0), -EINVAL, "UNDO");
	T_FAILS(dure_sysv_sem_operate(sem, ops, 0, 0), -EINVAL, "0 operations");
	remove_set(sem);
}

static void the_units_of_the_dead_come_back(void **state)
{
	struct dure_sysv_sem_operation take = { .index = 0, .change = -4,
						.flags = DURE_SYSV_SEM_UNDO };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_operate(sem, &take, 1, 0) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	T_IS(dure_sysv_sem_operate(sem, &take, 1, 0), -EAGAIN);
	kill(pid, SIGKILL);
	T_OK(dure_sysv_sem_operate(sem, &take, 1, DURE_S(PATIENCE_S)));
	waitpid(pid, NULL, 0);
	remove_set(sem);
	close(fds[0]);
	close(fds[1]);
}

static void removal_under_a_waiter_is_said(void **state)
{
	struct dure_sysv_sem_operation take = { .index = 1, .change = -1 };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);
	int32_t queue;
	int id = dure_sysv_sem_id(sem);

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_sem_operate(sem, &take, 1, DURE_FOREVER) == -ESTALE);
		_exit(0);
	}
	await_call(id, a_semaphore_is_wanted);
	T_OK(dure_sysv_remove(DURE_SYSV_SEM, id));
	t_join(pid);
	T_FAILS(dure_sysv_sem_operate(sem, &take, 1, DURE_FOREVER), -ESTALE, "none with that id");
	uint16_t got[3];
	T_FAILS(dure_sysv_sem_get(sem, got, 3), -ESTALE, "none");
	T_FAILS(dure_sysv_sem_set(sem, got, 3), -ESTALE, "none");
	struct dure_sysv_sem_info info = { .sz = sizeof info };
	T_FAILS(dure_sysv_sem_info(sem, 0, &info), -ESTALE, "none");
	dure_sysv_sem_close(sem);
	/* of a queue: asleep in the kernel, and asleep between two looks */
	for (int64_t timeout = DURE_FOREVER; timeout <= DURE_S(PATIENCE_S);
	     timeout += DURE_S(PATIENCE_S) + 1) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		T_IS(dure_sysv_msg_get(0, DURE_CREATE, NULL, &queue), DURE_CREATED);
		pid = t_fork();
		if (pid == 0) {
			char c;
			t_signal(fds[1]);
			int r = dure_sysv_msg_receive(queue, 0, 0, &c, 1, timeout, NULL);
			/* removed before it began to wait: there was no such queue */
			T_IN_CHILD(r == -ESTALE || r == -ENOENT);
			_exit(r == -ESTALE ? 0 : 2);
		}
		t_await(fds[0]);
		t_sleep_ms(30);
		T_OK(dure_sysv_remove(DURE_SYSV_MSG, queue));
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		close(fds[0]);
		close(fds[1]);
	}
}

static void ignore(int signal)
{
	(void)signal;
}

/* A signal every millisecond neither ends nor stretches a wait. */
static void signals_do_not_end_waits(void **state)
{
	struct sigaction action = { .sa_handler = ignore }, old;
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, off = { { 0, 0 }, { 0, 0 } };
	struct dure_sysv_sem_operation take = { .index = 1, .change = -1 };
	dure_sysv_sem *sem = open_three(DURE_CREATE, DURE_CREATED);
	int32_t queue;
	char c;

	(void)state;
	T_IS(dure_sysv_msg_get(0, DURE_CREATE, NULL, &queue), DURE_CREATED);
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &every, NULL);
	int64_t start = t_now_ns();
	T_IS(dure_sysv_sem_operate(sem, &take, 1, DURE_MS(50)), -ETIMEDOUT);
	T_IS(dure_sysv_msg_receive(queue, 0, 0, &c, 1, DURE_MS(50), NULL), -ETIMEDOUT);
	int64_t waited = t_now_ns() - start;
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_IGN);	/* one may be on its way */
	sigaction(SIGALRM, &old, NULL);
	assert_true(waited >= DURE_MS(100) && waited < DURE_S(PATIENCE_S));
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, queue));
	remove_set(sem);
}

/* -- messages ----------------------------------------------------------------------------- */

static int32_t new_queue(void)
{
	int32_t id;

	T_IS(dure_sysv_msg_get(t_key(), DURE_CREATE, NULL, &id), DURE_CREATED);
	return id;
}

static void receives(int32_t id, int64_t type, uint32_t flags, const char *text, int64_t its_type)
{
	char got[64];
	int64_t got_type = -1;

	T_IS(dure_sysv_msg_receive(id, type, flags, got, sizeof got, 0, &got_type),
	     (int)strlen(text));
	assert_memory_equal(got, text, strlen(text));
	assert_int_equal(got_type, its_type);
}

static void messages_are_chosen_by_type(void **state)
{
	int32_t id = new_queue(), again;
	char small[2] = "??";
	int64_t type = 77;

	(void)state;
	T_IS(dure_sysv_msg_get(t_key(), DURE_CREATE | DURE_OPEN, NULL, &again), 0);
	assert_int_equal(again, id);
	T_FAILS(dure_sysv_msg_get(t_key(), DURE_CREATE, NULL, &again), -EEXIST, "0 messages");
	T_OK(dure_sysv_msg_send(id, 3, "three", 5, 0));
	T_OK(dure_sysv_msg_send(id, 2, "two", 3, 0));
	T_OK(dure_sysv_msg_send(id, LONG_MAX, "max", 3, 0));
	T_OK(dure_sysv_msg_send(id, 1, "", 0, 0));
	T_OK(dure_sysv_msg_send(id, 3, "again", 5, 0));
	T_FAILS(dure_sysv_msg_receive(id, 3, 0, small, 2, 0, &type), -EMSGSIZE, "longer");
	assert_memory_equal(small, "??", 2);
	assert_int_equal(type, 77);
	receives(id, 3, DURE_SYSV_MSG_EXCEPT, "two", 2);
	receives(id, 0, 0, "three", 3);
	receives(id, -5, 0, "", 1);
	T_IS(dure_sysv_msg_receive(id, -2, 0, small, 2, 0, NULL), -EAGAIN);
	T_IS(dure_sysv_msg_receive(id, 3, DURE_SYSV_MSG_TRUNCATE, small, 2, 0, NULL), 2);
	assert_memory_equal(small, "ag", 2);
	receives(id, LONG_MAX, 0, "max", LONG_MAX);
	T_IS(dure_sysv_msg_receive(id, 0, 0, small, 2, 0, &type), -EAGAIN);
	T_FAILS(dure_sysv_msg_send(id, 0, "x", 1, 0), -EINVAL, "type 0");
	T_FAILS(dure_sysv_msg_send(id, -1, "x", 1, 0), -EINVAL, "type -1");
	T_FAILS(dure_sysv_msg_send(id, 1, NULL, 1, 0), -EINVAL, "NULL");
	T_FAILS(dure_sysv_msg_receive(id, 0, DURE_SYSV_MSG_EXCEPT, small, 2, 0, NULL), -EINVAL,
		"EXCEPT");
	T_FAILS(dure_sysv_msg_receive(id, 0, 16, small, 2, 0, NULL), -EINVAL, "flags");
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
	T_FAILS(dure_sysv_msg_send(id, 1, "x", 1, 0), -ENOENT, "none");
	T_FAILS(dure_sysv_msg_receive(id, 1, 0, small, 2, 0, NULL), -ENOENT, "none");
	T_FAILS(dure_sysv_msg_get(t_key(), DURE_OPEN, NULL, &id), -ENOENT, "no System V");
}

static void a_look_leaves_the_message(void **state)
{
	struct dure_sysv_msg_info info = { .sz = sizeof info };
	int32_t id = new_queue();
	char got[8] = "????????";
	int64_t type;

	(void)state;
	T_OK(dure_sysv_msg_send(id, 3, "three", 5, 0));
	T_OK(dure_sysv_msg_send(id, 2, "two", 3, 0));
	int r = dure_sysv_msg_peek(id, 1, got, sizeof got, &type);
	if (r == -EOPNOTSUPP)
		print_message("this kernel copies no messages: not tried\n");
	else {
		T_IS(r, 3);
		assert_memory_equal(got, "two?", 4);
		assert_int_equal(type, 2);
		T_IS(dure_sysv_msg_peek(id, 2, got, sizeof got, &type), -EAGAIN);
		T_FAILS(dure_sysv_msg_peek(id, 0, got, 2, &type), -EMSGSIZE, "longer");
	}
	T_OK(dure_sysv_msg_info(id, &info));
	assert_int_equal(info.messages, 2);
	assert_int_equal(info.bytes, 8);
	assert_int_equal(info.last_sender, getpid());
	assert_int_equal(info.last_receiver, 0);
	assert_true(info.sent_s > 0 && info.received_s == 0);
	T_FAILS(dure_sysv_msg_peek(id, 0, NULL, 2, &type), -EINVAL, "NULL");
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
	T_FAILS(dure_sysv_msg_info(id, &info), -ENOENT, "none");
}

static void full_queues_and_long_messages(void **state)
{
	struct dure_sysv_msg_options o = { .sz = sizeof o, .bytes_max = 100 };
	struct dure_sysv_limits l = { .sz = sizeof l };
	static char big[1 << 20];
	int32_t id;

	(void)state;
	T_OK(dure_sysv_limits(&l));
	T_IS(dure_sysv_msg_get(t_key(), DURE_CREATE, &o, &id), DURE_CREATED);
	T_FAILS(dure_sysv_msg_send(id, 1, big, 101, DURE_FOREVER), -EMSGSIZE, "holds 100");
	if (l.message_bytes_max < sizeof big)
		T_FAILS(dure_sysv_msg_send(id, 1, big, sizeof big, DURE_FOREVER), -EMSGSIZE,
			"kernel.msgmax");
	T_OK(dure_sysv_msg_send(id, 1, big, 60, 0));
	T_IS(dure_sysv_msg_send(id, 1, big, 60, 0), -EAGAIN);
	int64_t start = t_now_ns();
	T_IS(dure_sysv_msg_send(id, 1, big, 60, DURE_MS(20)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(20));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_msg_send(id, 2, big, 60, DURE_FOREVER) == 0);
		_exit(0);
	}
	T_IS(dure_sysv_msg_receive(id, 1, 0, big, sizeof big, 0, NULL), 60);
	T_IS(dure_sysv_msg_receive(id, 2, 0, big, sizeof big, DURE_S(PATIENCE_S), NULL), 60);
	t_join(pid);
	struct dure_sysv_changes c = { .sz = sizeof c, .what = DURE_SYSV_SET_BYTES_MAX,
				       .bytes_max = 200 };
	T_OK(dure_sysv_set(DURE_SYSV_MSG, id, &c));
	T_OK(dure_sysv_msg_send(id, 1, big, 101, 0));
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
	if (geteuid() != 0)
		return;
	o.bytes_max = l.queue_bytes_max + 1;
	pid = t_fork();
	if (pid == 0) {
		become_nobody();
		T_IN_CHILD(dure_sysv_msg_get(t_key(), DURE_CREATE, &o, &id) == -EPERM);
		T_IN_CHILD(strstr(dure_last_error(), "kernel.msgmnb"));
		T_IN_CHILD(dure_sysv_msg_get(t_key(), DURE_OPEN, NULL, &id) == -ENOENT);
		_exit(0);
	}
	t_join(pid);
}

/* -- other programs ----------------------------------------------------------------------- */

static int first_id(const struct dure_sysv_info *info, void *context)
{
	if (info->id != *(int32_t *)context)
		return 0;
	return info->mode == 0640 ? 1 : 2;
}

/* Linux before 4.17 knows no SHM_STAT_ANY: the other way lists what the caller may read. */
static void old_kernels_list_too(void **state)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_shmctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 15 /* SHM_STAT_ANY */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 6, .filter = code };
	struct dure_sysv_shm_options o = { .sz = sizeof o, .mode = 0640 };
	int32_t id;

	(void)state;
	T_IS(dure_sysv_shm_get(0, 1, DURE_CREATE, &o, &id), DURE_CREATED);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		T_IN_CHILD(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
		T_IN_CHILD(dure_sysv_list(DURE_SYSV_SHM, first_id, &id) == 1);
		_exit(0);
	}
	t_join(pid);
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
}

static void ipcmk_and_ipcs_see_the_same(void **state)
{
	char output[4096], command[200];
	int32_t id;
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	dure_sysv_sem *sem;

	(void)state;
	t_run("ipcmk -M 12345 -p 0640", output, sizeof output);
	assert_int_equal(sscanf(output, "Shared memory id: %d", &id), 1);
	T_OK(dure_sysv_shm_info(id, &info));
	assert_int_equal(info.size_bytes, 12345);
	T_IS(dure_sysv_list(DURE_SYSV_SHM, first_id, &id), 1);
	T_OK(dure_sysv_remove(DURE_SYSV_SHM, id));
	T_IS(dure_sysv_list(DURE_SYSV_SHM, first_id, &id), 0);
	t_run("ipcmk -S 4 -p 0600", output, sizeof output);
	assert_int_equal(sscanf(output, "Semaphore id: %d", &id), 1);
	struct dure_sysv_sem_options o = { .sz = sizeof o, .id = id };
	T_IS(dure_sysv_sem_open(0, 4, DURE_OPEN, &o, 0, &sem), 0);
	struct dure_sysv_sem_operation add = { .index = 2, .change = 11 };
	T_OK(dure_sysv_sem_operate(sem, &add, 1, 0));
	snprintf(command, sizeof command, "ipcs -s -i %d", id);
	t_run(command, output, sizeof output);
	assert_non_null(strstr(output, "2          11"));
	snprintf(command, sizeof command, "ipcrm -s %d", id);
	t_run(command, output, sizeof output);
	T_FAILS(dure_sysv_sem_operate(sem, &add, 1, 0), -ESTALE, "none");
	dure_sysv_sem_close(sem);
}

/* perl has the calls in the language: what it sends we read, and the other way round. */
static void perl_talks_to_us(void **state)
{
	char command[400], output[200], got[16];
	int32_t id = new_queue();
	int64_t type;

	(void)state;
	T_OK(dure_sysv_msg_send(id, 9, "from us", 7, 0));
	snprintf(command, sizeof command,
		 "perl -e 'my $q = msgget(%d, 0) // die; my $m; msgrcv($q, $m, 100, 9, 0) // die; "
		 "my ($t, $x) = unpack(\"l! a*\", $m); print \"$t $x\"; "
		 "msgsnd($q, pack(\"l! a*\", 12, \"from perl\"), 0) || die;'", t_key());
	t_run(command, output, sizeof output);
	assert_string_equal(output, "9 from us");
	T_IS(dure_sysv_msg_receive(id, 0, 0, got, sizeof got, 0, &type), 9);
	assert_memory_equal(got, "from perl", 9);
	assert_int_equal(type, 12);
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_ftok),
		cmocka_unit_test(colliding_keys_are_refused),
		cmocka_unit_test(a_segment_has_one_creator),
		cmocka_unit_test(misuse_of_segments_is_said),
		cmocka_unit_test(attaching_replaces_nothing),
		cmocka_unit_test(a_doomed_segment_goes_with_its_last_user),
		cmocka_unit_test(pages_are_locked_for_all),
		cmocka_unit_test(huge_pages_or_a_sentence),
		cmocka_unit_test(others_are_kept_out),
		cmocka_unit_test(limits_are_those_of_the_kernel),
		cmocka_unit_test(reached_limits_are_named),
		cmocka_unit_test(a_set_is_born_with_its_values),
		cmocka_unit_test(a_dead_makers_set_is_completed),
		cmocka_unit_test(an_opener_waits_for_a_slow_maker),
		cmocka_unit_test(many_makers_give_values_once),
		cmocka_unit_test(an_exact_set_follows_the_old_convention),
		cmocka_unit_test(a_private_set_is_found_by_id),
		cmocka_unit_test(operations_are_all_or_nothing),
		cmocka_unit_test(the_units_of_the_dead_come_back),
		cmocka_unit_test(removal_under_a_waiter_is_said),
		cmocka_unit_test(signals_do_not_end_waits),
		cmocka_unit_test(messages_are_chosen_by_type),
		cmocka_unit_test(a_look_leaves_the_message),
		cmocka_unit_test(full_queues_and_long_messages),
		cmocka_unit_test(old_kernels_list_too),
		cmocka_unit_test(ipcmk_and_ipcs_see_the_same),
		cmocka_unit_test(perl_talks_to_us),
	};

	the_key = 0x5a000000 | (getpid() & 0xffffff);
	/* where that is allowed, in an IPC namespace of its own: a failed test leaves nothing */
	if (unshare(CLONE_NEWIPC) < 0)
		print_message("in the IPC namespace of all: not allowed to make one\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
