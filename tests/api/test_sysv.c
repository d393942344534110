/* SPDX-License-Identifier: MIT */
/* Description: System V keys, shared memory, permissions and limits, with other programs at the
   other end. */
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "sysv.h"

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
		t_become_nobody();
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
		t_become_nobody();
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
		t_become_nobody();
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
		cmocka_unit_test(old_kernels_list_too),
		cmocka_unit_test(ipcmk_and_ipcs_see_the_same),
	};

	t_begin_sysv();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
