/* SPDX-License-Identifier: MIT */
/* Description: POSIX message queues: priorities, waiting, being told, limits; python at the other
   end. */
#include <limits.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/resource.h>

#include "posix.h"

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
		t_says_in_child(dure_posix_queue_notify(fd, SIGUSR2, 1), -EBUSY, "another process");
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
		/* by signal: a thread here would take the parent's notices, see the header */
		t_says_in_child(dure_posix_queue_notify(fd, SIGUSR1, 1), -EBUSY, "another process");
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
		t_become_somebody();
		T_IN_CHILD(dure_posix_queue_open("/a", DURE_CREATE, NULL, &fd) == DURE_CREATED);
		t_says_in_child(dure_posix_queue_open("/b", DURE_CREATE, NULL, &fd), -EMFILE,
		     "it needs 82880 bytes, and RLIMIT_MSGQUEUE allows 100000");
		o.messages_max = 11;
		t_says_in_child(dure_posix_queue_open("/b", DURE_CREATE, &o, &fd), -EINVAL,
		     "fs.mqueue.msg_max allows 10");
		o = (struct dure_posix_queue_options){ .sz = sizeof o, .messages_max = 1,
						       .message_bytes = 8 };
		T_IN_CHILD(dure_posix_queue_open("/b", DURE_CREATE, &o, &fd) == DURE_CREATED);
		t_says_in_child(dure_posix_queue_open("/c", DURE_CREATE, &o, &fd), -ENOSPC,
		     "fs.mqueue.queues_max allows 2 queues");
		T_IN_CHILD(getrlimit(RLIMIT_NOFILE, &files) == 0);
		files.rlim_cur = 0;
		T_IN_CHILD(setrlimit(RLIMIT_NOFILE, &files) == 0);
		t_says_in_child(dure_posix_queue_open("/a", DURE_OPEN, NULL, &fd), -EMFILE, "RLIMIT_NOFILE is "
		     "0");
		t_says_in_child(dure_posix_shm_open(name, DURE_CREATE, NULL, &fd), -EMFILE, "RLIMIT_NOFILE is "
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
	if (t_python("q = libc.mq_open(name, os.O_RDWR)\nb = ctypes.create_string_buffer(16)\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_NAMED(priorities_go_first),
		T_NAMED(waiters_go_on),
		T_NAMED(a_signal_tells_of_a_message_once),
		T_NAMED(a_thread_tells_of_a_message_once),
		T_NAMED(reached_limits_are_named),
		T_NAMED(limits_are_those_of_the_kernel),
		T_NAMED(python_talks_to_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
