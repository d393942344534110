/* SPDX-License-Identifier: MIT */
/*
 * lock.c - how long does an uncontended lock take, and how long does one wait for the dead
 *
 * The second: a holder that sleeps, a waiter that sleeps on the other core. The holder is
 * killed; what counts is the time from before kill() until the waiter has the lock. That
 * includes the holder's exit and the waiter's wake-up, for all alike.
 */
#include "lock.h"

#include <ck_spinlock.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "share.h"
#include "timing.h"

/* -- a lock of any kind ------------------------------------------------------------------ */

struct lock;

struct kind {
	void (*open)(struct lock *lock);
	void (*join)(struct lock *lock);	/* in a forked process */
	void (*lock)(struct lock *lock);	/* mends what a dead holder left */
	void (*unlock)(struct lock *lock);
	void (*close)(struct lock *lock);
};

struct lock {
	const struct kind *kind;
	dure_segment *segment;
	dure_mutex *mutex;
	dure_spinlock *spinlock;
	pthread_mutex_t *pthread;
	pthread_spinlock_t *spin;
	ck_spinlock_fas_t ck;
	int fd;
};

static void *open_lock(const void *argument)
{
	struct lock *lock = calloc(1, sizeof *lock);

	lock->kind = argument;
	lock->kind->open(lock);
	return lock;
}

static void close_lock(void *argument)
{
	struct lock *lock = argument;

	lock->kind->close(lock);
	free(lock);
}

static void dure_open(struct lock *lock)
{
	lock->segment = bench_segment_make(4u << 20);
	lock->mutex = bench_segment_memory(lock->segment, sizeof *lock->mutex);
	lock->spinlock = bench_segment_memory(lock->segment, sizeof *lock->spinlock);
}

static void dure_join(struct lock *lock)
{
	bench_segment_join(lock->segment);
}

static void dure_lock(struct lock *lock)
{
	int r = dure_mutex_lock(lock->segment, lock->mutex, DURE_FOREVER);

	bench_must(r, "lock");
	if (r == DURE_OWNER_DIED)
		bench_must(dure_mutex_mark_consistent(lock->segment, lock->mutex), "mark");
}

static void dure_unlock(struct lock *lock)
{
	bench_must(dure_mutex_unlock(lock->segment, lock->mutex), "unlock");
}

static void dure_close(struct lock *lock)
{
	bench_segment_close(lock->segment);
}

static const struct kind dure_kind = { dure_open, dure_join, dure_lock, dure_unlock, dure_close };

static void spinlock_lock(struct lock *lock)
{
	int r = dure_spinlock_lock(lock->segment, lock->spinlock, DURE_FOREVER);

	bench_must(r, "lock");
	if (r == DURE_OWNER_DIED)
		bench_must(dure_spinlock_mark_consistent(lock->segment, lock->spinlock), "mark");
}

static void spinlock_unlock(struct lock *lock)
{
	bench_must(dure_spinlock_unlock(lock->segment, lock->spinlock), "unlock");
}

static const struct kind spinlock_kind = {
	dure_open, dure_join, spinlock_lock, spinlock_unlock, dure_close,
};

static void pthread_open_as(struct lock *lock, int robust)
{
	pthread_mutexattr_t attributes;

	lock->pthread = mmap(NULL, sizeof *lock->pthread, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lock->pthread == MAP_FAILED)
		bench_die("no memory for a mutex");
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutex_init(lock->pthread, &attributes);
}

static void pthread_open(struct lock *lock)
{
	pthread_open_as(lock, PTHREAD_MUTEX_STALLED);
}

static void robust_open(struct lock *lock)
{
	pthread_open_as(lock, PTHREAD_MUTEX_ROBUST);
}

static void nothing(struct lock *lock)
{
	(void)lock;
}

static void robust_lock(struct lock *lock)
{
	int error = pthread_mutex_lock(lock->pthread);

	if (error == EOWNERDEAD)
		error = pthread_mutex_consistent(lock->pthread);
	if (error)
		bench_die("pthread_mutex_lock: %s", strerror(error));
}

static void pthread_unlock(struct lock *lock)
{
	if (pthread_mutex_unlock(lock->pthread))
		bench_die("pthread_mutex_unlock failed");
}

static void pthread_close(struct lock *lock)
{
	munmap(lock->pthread, sizeof *lock->pthread);
}

static const struct kind pthread_kind = {
	pthread_open, nothing, robust_lock, pthread_unlock, pthread_close,
};
static const struct kind robust_kind = {
	robust_open, nothing, robust_lock, pthread_unlock, pthread_close,
};

static void spin_open(struct lock *lock)
{
	lock->spin = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lock->spin == MAP_FAILED || pthread_spin_init(lock->spin, PTHREAD_PROCESS_SHARED))
		bench_die("no memory for a spinlock");
}

static void spin_lock(struct lock *lock)
{
	if (pthread_spin_lock(lock->spin))
		bench_die("pthread_spin_lock failed");
}

static void spin_unlock(struct lock *lock)
{
	if (pthread_spin_unlock(lock->spin))
		bench_die("pthread_spin_unlock failed");
}

static void spin_close(struct lock *lock)
{
	munmap((void *)(uintptr_t)lock->spin, 4096);
}

static const struct kind spin_kind = { spin_open, nothing, spin_lock, spin_unlock, spin_close };

static void file_open(struct lock *lock)
{
	lock->fd = memfd_create("bench-lock", MFD_CLOEXEC);
	if (lock->fd < 0 || ftruncate(lock->fd, 4096) != 0)
		bench_die("memfd_create failed");
}

/* an open description of its own */
static void file_join(struct lock *lock)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", lock->fd);
	lock->fd = open(path, O_RDWR | O_CLOEXEC);
	if (lock->fd < 0)
		bench_die("%s cannot be opened", path);
}

static void file_change(const struct lock *lock, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

	if (fcntl(lock->fd, F_OFD_SETLKW, &range) != 0)
		bench_die("F_OFD_SETLKW failed");
}

static void file_lock(struct lock *lock)
{
	file_change(lock, F_WRLCK);
}

static void file_unlock(struct lock *lock)
{
	file_change(lock, F_UNLCK);
}

static void file_close(struct lock *lock)
{
	close(lock->fd);
}

static const struct kind file_kind = { file_open, file_join, file_lock, file_unlock, file_close };

/* -- uncontended ------------------------------------------------------------------------- */

static double spinlock_pairs(void *state, uint64_t ops)
{
	struct lock *lock = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (dure_spinlock_lock(lock->segment, lock->spinlock, DURE_FOREVER) ||
		    dure_spinlock_unlock(lock->segment, lock->spinlock))
			bench_die("dure_spinlock failed");
	return (bench_now() - start) / (double)ops;
}

static double spin_pairs(void *state, uint64_t ops)
{
	struct lock *lock = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (pthread_spin_lock(lock->spin) || pthread_spin_unlock(lock->spin))
			bench_die("pthread_spin_lock failed");
	return (bench_now() - start) / (double)ops;
}

static double ck_pairs(void *state, uint64_t ops)
{
	struct lock *lock = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		ck_spinlock_fas_lock(&lock->ck);
		ck_spinlock_fas_unlock(&lock->ck);
	}
	return (bench_now() - start) / (double)ops;
}

static double dure_pairs(void *state, uint64_t ops)
{
	struct lock *lock = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		bench_must(dure_mutex_lock(lock->segment, lock->mutex, DURE_FOREVER), "lock");
		bench_must(dure_mutex_unlock(lock->segment, lock->mutex), "unlock");
	}
	return (bench_now() - start) / (double)ops;
}

static double pthread_pairs(void *state, uint64_t ops)
{
	struct lock *lock = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++)
		if (pthread_mutex_lock(lock->pthread) || pthread_mutex_unlock(lock->pthread))
			bench_die("a pthread mutex failed");
	return (bench_now() - start) / (double)ops;
}

static double file_pairs(void *state, uint64_t ops)
{
	struct lock *lock = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		file_lock(lock);
		file_unlock(lock);
	}
	return (bench_now() - start) / (double)ops;
}

/* -- waiting for the dead ---------------------------------------------------------------- */

static pid_t fork_to(struct lock *lock, void (*work)(struct lock *lock, int socket), int *ret)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || (pid = fork()) < 0)
		bench_die("fork failed");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		lock->kind->join(lock);
		work(lock, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	*ret = pair[0];
	return pid;
}

static void hold(struct lock *lock, int socket)
{
	char word = 'h';

	bench_pin(0);
	lock->kind->lock(lock);
	if (write(socket, &word, 1) == 1)
		for (;;)
			pause();
}

static void want(struct lock *lock, int socket)
{
	char word = 'w';
	double got;

	bench_pin(1);
	if (write(socket, &word, 1) != 1)
		return;
	lock->kind->lock(lock);
	got = bench_wall();
	lock->kind->unlock(lock);
	if (write(socket, &got, sizeof got) != sizeof got)
		_exit(1);
}

static void hear(int socket, void *to, size_t bytes)
{
	if (read(socket, to, bytes) != (ssize_t)bytes)
		bench_die("a process that was to lock died");
}

/* Until the kernel says that it sleeps. It has nothing to sleep for but the lock. */
static void await_sleep(pid_t pid)
{
	double deadline = bench_wall() + 2e9;
	char path[64], line[256], *end;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	for (;;) {
		FILE *f = fopen(path, "r");
		if (!f || !fgets(line, sizeof line, f))
			bench_die("%s cannot be read", path);
		fclose(f);
		end = strrchr(line, ')');
		if (end && end[1] == ' ' && end[2] == 'S')
			return;
		if (bench_wall() > deadline)
			bench_die("the waiter does not sleep");
	}
}

static double wait_for_death(struct lock *lock)
{
	int holder_socket, waiter_socket;
	double killed, got;
	char word;
	pid_t holder = fork_to(lock, hold, &holder_socket), waiter;

	hear(holder_socket, &word, 1);
	waiter = fork_to(lock, want, &waiter_socket);
	hear(waiter_socket, &word, 1);
	await_sleep(waiter);
	killed = bench_wall();
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	hear(waiter_socket, &got, sizeof got);
	waitpid(waiter, NULL, 0);
	close(holder_socket);
	close(waiter_socket);
	return (got - killed) / 1000;
}

static double death_round(void *state, uint64_t ops)
{
	enum { KILLS_MAX = 64 };
	double waits[KILLS_MAX];
	uint64_t n = ops < KILLS_MAX ? ops : KILLS_MAX;

	for (uint64_t i = 0; i < n; i++)
		waits[i] = wait_for_death(state);
	return bench_median(waits, n);
}

/* -- the rows ---------------------------------------------------------------------------- */

#define LOCK(who_, kind_, round_)                                                                 \
	.who = who_, .open = open_lock, .round = round_, .close = close_lock, .argument = &(kind_)

const struct bench_row bench_lock_rows[] = {
	{
		.name = "mutex",
		.what = "lock + unlock a mutex nobody else wants",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 1000000,
		.contenders = {
			{ LOCK("dure", dure_kind, dure_pairs) },
			{ LOCK("robust mutex", robust_kind, pthread_pairs) },
			{ LOCK("pthread pshared", pthread_kind, pthread_pairs) },
			{ .who = "Boost", .open = bench_boost_mutex_open,
			  .round = bench_boost_mutex_round, .close = bench_boost_mutex_close },
			{ LOCK("OFD lock", file_kind, file_pairs), .ops = 10000 },
		},
		.goals = { { .text = "robust mutex", .of = { { "robust mutex", 1 } } } },
	},
	{
		.name = "spinlock",
		.what = "lock + unlock a spinlock nobody else wants",
		.unit = "ns",
		.flags = BENCH_CPU_TIME,
		.ops = 1000000,
		.contenders = {
			{ LOCK("dure", spinlock_kind, spinlock_pairs) },
			{ LOCK("pthread_spin", spin_kind, spin_pairs) },
			{ LOCK("ck_spinlock", spin_kind, ck_pairs) },
			{ LOCK("robust mutex", robust_kind, pthread_pairs) },
		},
		.goals = { { .text = "robust mutex", .of = { { "robust mutex", 1 } } } },
	},
	{
		.name = "mutex-death",
		.what = "from SIGKILL of the holder to the waiter's having the lock",
		.unit = "us",
		.flags = BENCH_BOTH_CORES,
		.ops = 15,
		.contenders = {
			{ LOCK("dure", dure_kind, death_round) },
			{ LOCK("robust mutex", robust_kind, death_round) },
			{ LOCK("OFD lock", file_kind, death_round) },
		},
		.goals = { { .text = "", .fixed = 200 } },
	},
	{ .name = NULL },
};
