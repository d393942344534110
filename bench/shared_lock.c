/* SPDX-License-Identifier: MIT */
/*
 * shared_lock.c - how long do reader-writer locks and semaphores take, alone and in two processes
 *
 * Two processes at once: what a pair of calls takes each of them, on a core of its own. Readers
 * should not notice each other. Writers and takers of the one unit wait for each other; how fair
 * that is tells the smaller share: of so many pairs done together, how many did the process that
 * did fewer do? One half is perfectly fair.
 */
#include "shared_lock.h"

#include <ck_rwlock.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>

#include "share.h"
#include "timing.h"

enum { ROUNDS_MAX = 4096, PROCESSES = 2 };

/* of each round who has done how many; changed by who has the lock */
struct shares {
	uint64_t done[ROUNDS_MAX][PROCESSES];
};

struct state {
	dure_segment *segment;
	dure_mutex *mutex;
	dure_rwlock *rwlock;
	dure_semaphore *semaphore;
	dure_semset *set;
	pthread_rwlock_t *pthread;
	ck_rwlock_t *ck;
	sem_t *posix;
	int sysv;
	struct shares *shares;
	unsigned index, round;
};

static void *shared_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bench_die("no memory to share");
	return memory;
}

static struct state *new_state(void)
{
	struct state *s = calloc(1, sizeof *s);

	if (!s)
		bench_die("no memory");
	s->sysv = -1;
	s->shares = shared_memory(sizeof *s->shares);
	return s;
}

static void *join(void *shared, unsigned index)
{
	struct state *s = shared;

	s->index = index;
	if (s->segment)
		bench_segment_join(s->segment);
	return s;
}

static void close_state(void *shared)
{
	struct state *s = shared;

	if (s->segment)
		bench_segment_close(s->segment);
	if (s->pthread)
		munmap(s->pthread, sizeof *s->pthread);
	if (s->ck)
		munmap(s->ck, sizeof *s->ck);
	if (s->posix)
		munmap(s->posix, sizeof *s->posix);
	if (s->sysv >= 0)
		semctl(s->sysv, 0, IPC_RMID);
	munmap(s->shares, sizeof *s->shares);
	free(s);
}

/* -- opening ------------------------------------------------------------------------------ */

static void *open_dure(const void *argument)
{
	struct dure_semset_options set = { .sz = sizeof set, .semaphores = 2, .processes = 8,
					   .values = (const uint32_t[]){ 1, 1 } };
	struct state *s = new_state();

	(void)argument;
	s->segment = bench_segment_make(4u << 20);
	s->mutex = bench_segment_memory(s->segment, 64);
	s->rwlock = bench_segment_memory(s->segment, 64);
	s->semaphore = bench_segment_memory(s->segment, 64);
	bench_must(dure_semaphore_init(s->segment, s->semaphore, 1), "semaphore_init");
	s->set = bench_segment_memory(s->segment, DURE_SEMSET_BYTES(2, 8));
	bench_must(dure_semset_init(s->segment, s->set, &set), "semset_init");
	return s;
}

static void *open_pthread(const void *argument)
{
	struct state *s = new_state();
	pthread_rwlockattr_t attributes;

	(void)argument;
	s->pthread = shared_memory(sizeof *s->pthread);
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(s->pthread, &attributes);
	return s;
}

/* It spins, and nobody is told of a death. */
static void *open_ck(const void *argument)
{
	struct state *s = new_state();

	(void)argument;
	s->ck = shared_memory(sizeof *s->ck);
	ck_rwlock_init(s->ck);
	return s;
}

static void *open_posix(const void *argument)
{
	struct state *s = new_state();

	(void)argument;
	s->posix = shared_memory(sizeof *s->posix);
	sem_init(s->posix, 1, 1);
	return s;
}

/* Removed by close [BENCH3]; the first post makes it 1. */
static void *open_sysv(const void *argument)
{
	struct state *s = new_state();
	struct sembuf ones[] = { { .sem_op = 1 }, { .sem_num = 1, .sem_op = 1 } };

	(void)argument;
	s->sysv = semget(IPC_PRIVATE, 2, 0600);
	if (s->sysv >= 0 && semop(s->sysv, ones, 2) == 0)
		return s;
	close_state(s);
	return NULL;
}

/* -- pairs of calls ------------------------------------------------------------------------ */

static int sysv_change(const struct state *s, short change)
{
	struct sembuf op = { .sem_op = change, .sem_flg = SEM_UNDO };

	return semop(s->sysv, &op, 1);
}

static int sysv_change_both(const struct state *s, short change)
{
	struct sembuf ops[] = { { .sem_op = change, .sem_flg = SEM_UNDO },
				{ .sem_num = 1, .sem_op = change, .sem_flg = SEM_UNDO } };

	return semop(s->sysv, ops, 2);
}

static int dure_change_both(const struct state *s, int32_t change, uint32_t flags)
{
	const struct dure_semset_operation ops[] = { { 0, change, flags }, { 1, change, flags } };

	return dure_semset_operate(s->segment, s->set, ops, 2, DURE_FOREVER);
}

#define DURE_SHARE(s) dure_rwlock_lock((s)->segment, (s)->rwlock, DURE_SHARED, DURE_FOREVER)
#define DURE_EXCLUDE(s) dure_rwlock_lock((s)->segment, (s)->rwlock, DURE_EXCLUSIVE, DURE_FOREVER)
#define DURE_UNLOCK(s) dure_rwlock_unlock((s)->segment, (s)->rwlock)
#define DURE_LOCK_MUTEX(s) dure_mutex_lock((s)->segment, (s)->mutex, DURE_FOREVER)
#define DURE_UNLOCK_MUTEX(s) dure_mutex_unlock((s)->segment, (s)->mutex)
#define DURE_TAKE(s) dure_semaphore_take((s)->segment, (s)->semaphore, 1, 0, DURE_FOREVER)
#define DURE_TAKE_AWAY(s)                                                                         \
	dure_semaphore_take((s)->segment, (s)->semaphore, 1, DURE_TAKE_FOR_GOOD, DURE_FOREVER)
#define DURE_POST(s) dure_semaphore_post((s)->segment, (s)->semaphore, 1)
#define DURE_TAKE_BOTH(s) dure_change_both(s, -1, DURE_SEMSET_UNDO)
#define DURE_POST_BOTH(s) dure_change_both(s, 1, DURE_SEMSET_UNDO)
#define DURE_TAKE_BOTH_AWAY(s) dure_change_both(s, -1, 0)
#define DURE_POST_BOTH_NEW(s) dure_change_both(s, 1, 0)
#define SYSV_TAKE_BOTH(s) sysv_change_both(s, -1)
#define SYSV_POST_BOTH(s) sysv_change_both(s, 1)
#define PTHREAD_SHARE(s) pthread_rwlock_rdlock((s)->pthread)
#define PTHREAD_EXCLUDE(s) pthread_rwlock_wrlock((s)->pthread)
#define PTHREAD_UNLOCK(s) pthread_rwlock_unlock((s)->pthread)
#define CK_SHARE(s) (ck_rwlock_read_lock((s)->ck), 0)
#define CK_UNSHARE(s) (ck_rwlock_read_unlock((s)->ck), 0)
#define CK_EXCLUDE(s) (ck_rwlock_write_lock((s)->ck), 0)
#define CK_UNLOCK(s) (ck_rwlock_write_unlock((s)->ck), 0)
#define POSIX_TAKE(s) sem_wait((s)->posix)
#define POSIX_POST(s) sem_post((s)->posix)
#define SYSV_TAKE(s) sysv_change(s, -1)
#define SYSV_POST(s) sysv_change(s, 1)

/* A round of pairs, and one that measures the smaller share of two processes. */
#define ROUNDS_OF(name, get, give)                                                                \
	static double name(void *state, uint64_t ops)                                             \
	{                                                                                         \
		struct state *s = state;                                                          \
		double start = bench_now();                                                       \
		for (uint64_t i = 0; i < ops; i++)                                                \
			if (get(s) || give(s))                                                    \
				bench_die(#get " or " #give " failed");                           \
		return (bench_now() - start) / (double)ops;                                       \
	}

#define FAIRNESS_OF(name, get, give)                                                              \
	static double name(void *state, uint64_t ops)                                             \
	{                                                                                         \
		struct state *s = state;                                                          \
		uint64_t *done = s->shares->done[s->round++ % ROUNDS_MAX], sum = 0;               \
		while (sum < ops) {                                                               \
			if (get(s))                                                               \
				bench_die(#get " failed");                                        \
			sum = done[0] + done[1];                                                  \
			if (sum < ops)                                                            \
				done[s->index]++;                                                 \
			if (give(s))                                                              \
				bench_die(#give " failed");                                       \
		}                                                                                 \
		return (double)(done[0] < done[1] ? done[0] : done[1]) / (double)sum;             \
	}

ROUNDS_OF(dure_reads, DURE_SHARE, DURE_UNLOCK)
ROUNDS_OF(dure_writes, DURE_EXCLUDE, DURE_UNLOCK)
ROUNDS_OF(dure_mutexes, DURE_LOCK_MUTEX, DURE_UNLOCK_MUTEX)
ROUNDS_OF(dure_takes, DURE_TAKE, DURE_POST)
ROUNDS_OF(dure_takes_away, DURE_TAKE_AWAY, DURE_POST)
ROUNDS_OF(pthread_reads, PTHREAD_SHARE, PTHREAD_UNLOCK)
ROUNDS_OF(pthread_writes, PTHREAD_EXCLUDE, PTHREAD_UNLOCK)
ROUNDS_OF(ck_reads, CK_SHARE, CK_UNSHARE)
ROUNDS_OF(ck_writes, CK_EXCLUDE, CK_UNLOCK)
ROUNDS_OF(posix_takes, POSIX_TAKE, POSIX_POST)
ROUNDS_OF(sysv_takes, SYSV_TAKE, SYSV_POST)
ROUNDS_OF(dure_takes_both, DURE_TAKE_BOTH, DURE_POST_BOTH)
ROUNDS_OF(dure_takes_both_away, DURE_TAKE_BOTH_AWAY, DURE_POST_BOTH_NEW)
ROUNDS_OF(sysv_takes_both, SYSV_TAKE_BOTH, SYSV_POST_BOTH)
FAIRNESS_OF(dure_mutex_share, DURE_LOCK_MUTEX, DURE_UNLOCK_MUTEX)
FAIRNESS_OF(dure_writer_share, DURE_EXCLUDE, DURE_UNLOCK)
FAIRNESS_OF(dure_taker_share, DURE_TAKE, DURE_POST)
FAIRNESS_OF(pthread_writer_share, PTHREAD_EXCLUDE, PTHREAD_UNLOCK)
FAIRNESS_OF(ck_writer_share, CK_EXCLUDE, CK_UNLOCK)
FAIRNESS_OF(posix_taker_share, POSIX_TAKE, POSIX_POST)
FAIRNESS_OF(sysv_taker_share, SYSV_TAKE, SYSV_POST)

/* -- the rows ------------------------------------------------------------------------------ */

#define MINE(who_, round_, ...)                                                                   \
	{ .who = who_, .open = open_dure, .join = join, .round = round_, .close = close_state,    \
	  __VA_ARGS__ }
#define PTHREAD(round_, ...)                                                                      \
	{ .who = "pthread pshared", .open = open_pthread, .join = join, .round = round_,          \
	  .close = close_state, __VA_ARGS__ }
#define CK(round_, ...)                                                                           \
	{ .who = "ck_rwlock", .open = open_ck, .join = join, .round = round_,                     \
	  .close = close_state, __VA_ARGS__ }
#define POSIX(round_, ...)                                                                        \
	{ .who = "sem_t", .open = open_posix, .join = join, .round = round_,                      \
	  .close = close_state, __VA_ARGS__ }
#define SYSV(round_, ...)                                                                         \
	{ .who = "System V", .open = open_sysv, .join = join, .round = round_,                    \
	  .close = close_state, __VA_ARGS__ }
#define BOOST_RWLOCK(round_, ...)                                                                 \
	{ .who = "Boost", .open = bench_boost_rwlock_open, .round = round_,                       \
	  .close = bench_boost_shared_lock_close, __VA_ARGS__ }
#define BOOST_SEMAPHORE(...)                                                                      \
	{ .who = "Boost", .open = bench_boost_semaphore_open,                                     \
	  .round = bench_boost_semaphore_round, .close = bench_boost_shared_lock_close,           \
	  __VA_ARGS__ }

const struct bench_row bench_shared_lock_rows[] = {
	{
		.name = "rwlock-read",
		.what = "lock + unlock for reading what nobody else wants",
		.unit = "ns", .flags = BENCH_CPU_TIME, .ops = 1000000,
		.contenders = { MINE("dure", dure_reads, .ops = 0),
				PTHREAD(pthread_reads, .ops = 0), CK(ck_reads, .ops = 0),
				BOOST_RWLOCK(bench_boost_rwlock_read, .ops = 0) },
		.goals = { { .text = "", .fixed = 15 } },
	},
	{
		.name = "rwlock-read-2",
		.what = "lock + unlock for reading, two processes at once; CPU time",
		.unit = "ns", .flags = BENCH_BOTH_CORES | BENCH_CPU_TIME, .ops = 500000,
		.contenders = { MINE("dure", dure_reads, .processes = 2),
				PTHREAD(pthread_reads, .processes = 2),
				CK(ck_reads, .processes = 2),
				BOOST_RWLOCK(bench_boost_rwlock_read, .processes = 2, .ops = 50000) },
		.goals = { { .text = "", .fixed = 15 } },
	},
	{
		.name = "rwlock-write",
		.what = "lock + unlock for writing what nobody else wants",
		.unit = "ns", .flags = BENCH_CPU_TIME, .ops = 500000,
		.contenders = { MINE("dure", dure_writes, .ops = 0),
				PTHREAD(pthread_writes, .ops = 0), CK(ck_writes, .ops = 0),
				BOOST_RWLOCK(bench_boost_rwlock_write, .ops = 0),
				MINE("dure mutex", dure_mutexes, .ops = 0) },
		.goals = { { .text = "two mutexes", .of = { { "dure mutex", 2 } } } },
	},
	{
		.name = "semaphore",
		.what = "take + post a unit nobody else wants, with undo",
		.unit = "ns", .flags = BENCH_CPU_TIME, .ops = 500000,
		.contenders = { MINE("dure", dure_takes, .ops = 0),
				MINE("dure, for good", dure_takes_away, .ops = 0),
				SYSV(sysv_takes, .ops = 20000),
				POSIX(posix_takes, .ops = 0), BOOST_SEMAPHORE(.ops = 0) },
		.goals = { { .text = "System V / 20", .of = { { "System V", 0.05 } } } },
	},
	{
		.name = "semset",
		.what = "take + post two semaphores of a set in one step each, with undo",
		.unit = "ns", .flags = BENCH_CPU_TIME, .ops = 500000,
		.contenders = { MINE("dure", dure_takes_both, .ops = 0),
				MINE("dure, for good", dure_takes_both_away, .ops = 0),
				SYSV(sysv_takes_both, .ops = 20000) },
		.goals = { { .text = "System V / 20", .of = { { "System V", 0.05 } } } },
	},
	{
		.name = "rwlock-write-2",
		.what = "lock + unlock for writing, two processes at once",
		.unit = "ns", .flags = BENCH_BOTH_CORES, .ops = 50000,
		.contenders = { MINE("dure", dure_writes, .processes = 2),
				PTHREAD(pthread_writes, .processes = 2),
				CK(ck_writes, .processes = 2),
				BOOST_RWLOCK(bench_boost_rwlock_write, .processes = 2),
				MINE("dure mutex", dure_mutexes, .processes = 2) },
		.goals = { { .text = "pthread", .of = { { "pthread pshared", 1 } } } },
	},
	{
		.name = "semaphore-2",
		.what = "take + post the only unit, two processes at once",
		.unit = "ns", .flags = BENCH_BOTH_CORES, .ops = 50000,
		.contenders = { MINE("dure", dure_takes, .processes = 2),
				SYSV(sysv_takes, .processes = 2, .ops = 10000),
				POSIX(posix_takes, .processes = 2),
				BOOST_SEMAPHORE(.processes = 2) },
		.goals = { { .text = "System V", .of = { { "System V", 1 } } } },
	},
	{
		.name = "fairness",
		.what = "smaller share of two processes: mutex",
		.unit = "", .flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES, .ops = 100000,
		.contenders = { MINE("dure", dure_mutex_share, .processes = 2, .is_coupled = 1) },
		.goals = { { .text = "", .fixed = 0.1 } },
	},
	{
		.name = "fairness-rwlock",
		.what = "smaller share of two processes: writing",
		.unit = "", .flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES, .ops = 100000,
		.contenders = { MINE("dure", dure_writer_share, .processes = 2, .is_coupled = 1),
				PTHREAD(pthread_writer_share, .processes = 2, .is_coupled = 1),
				CK(ck_writer_share, .processes = 2, .is_coupled = 1) },
		.goals = { { .text = "", .fixed = 0.1 } },
	},
	{
		.name = "fairness-semaphore",
		.what = "smaller share of two processes: the only unit",
		.unit = "", .flags = BENCH_MORE_IS_BETTER | BENCH_BOTH_CORES, .ops = 100000,
		.contenders = { MINE("dure", dure_taker_share, .processes = 2, .is_coupled = 1),
				SYSV(sysv_taker_share, .processes = 2, .is_coupled = 1, .ops = 20000),
				POSIX(posix_taker_share, .processes = 2, .is_coupled = 1) },
		.goals = { { .text = "", .fixed = 0.1 } },
	},
	{ .name = NULL },
};
