/* SPDX-License-Identifier: MIT */
/*
 * futex.c - sleeping on words in shared memory, and the clock it is measured by
 *
 * Why      futex and futex_waitv have no libc wrapper. Raw system calls also are no
 *          cancellation points, so a cancelled thread never leaves from inside one.
 * Death    A sleeper's death removes it from the kernel's queue. A wake-up that was spent on
 *          a sleeper that then died is lost: whoever waits here bounds its sleep and looks
 *          again (segment/wait.c).
 */
#include "os/futex.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/fault.h"

/* from linux/futex.h and linux/membarrier.h, which musl's include path has not */
enum {
	FUTEX_WAKE_ = 1,
	FUTEX_WAIT_BITSET_ = 9,
	FUTEX2_SIZE_U32_ = 2,
	MEMBARRIER_GLOBAL_ = 1,
	MEMBARRIER_GLOBAL_EXPEDITED_ = 2,
	MEMBARRIER_REGISTER_GLOBAL_EXPEDITED_ = 4,
};
#define FUTEX_BITSET_ANY 0xffffffffu

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#if !defined(SYS_futex) || defined(__i386__) || defined(__arm__)
#define FUTEX_CALL 422		/* futex_time64: the same with 64-bit times */
#else
#define FUTEX_CALL SYS_futex
#endif

struct kernel_time {
	int64_t seconds;
	int64_t nanoseconds;
};

struct kernel_waitv {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

enum { NS_PER_S = 1000000000 };

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t durei_clock_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t durei_clock_wall(void)
{
	return (uint64_t)clock_ns(CLOCK_REALTIME_COARSE);
}

int64_t durei_deadline(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns < 0)
		return DUREI_NEVER;
	if (timeout_ns == 0)
		return 0;
	now = durei_clock_now();
	return timeout_ns > DUREI_NEVER - now ? DUREI_NEVER : now + timeout_ns;
}

static struct kernel_time kernel_time(int64_t ns)
{
	return (struct kernel_time){ .seconds = ns / NS_PER_S, .nanoseconds = ns % NS_PER_S };
}

static long wait_one(const struct durei_sleep *sleep, const struct kernel_time *until)
{
	return syscall(FUTEX_CALL, sleep->word, FUTEX_WAIT_BITSET_, sleep->expected, until, NULL,
		       FUTEX_BITSET_ANY);
}

static long wait_many(const struct durei_sleep *words, unsigned count,
		      const struct kernel_time *until)
{
	struct kernel_waitv list[DUREI_SLEEPS_MAX];

	for (unsigned i = 0; i < count; i++)
		list[i] = (struct kernel_waitv){ .value = words[i].expected,
						 .address = (uintptr_t)words[i].word,
						 .flags = FUTEX2_SIZE_U32_ };
	return syscall(SYS_futex_waitv, list, count, 0, until, CLOCK_MONOTONIC);
}

int durei_futex_wait(const struct durei_sleep *words, unsigned count, int64_t deadline_ns)
{
	struct kernel_time time = kernel_time(deadline_ns);
	const struct kernel_time *until = deadline_ns == DUREI_NEVER ? NULL : &time;
	int fault = durei_fault(count > 1 ? "futex_waitv" : "futex_wait");

	if (fault)
		return -fault;
	long r = count > 1 ? wait_many(words, count, until) : wait_one(words, until);
	if (r >= 0)
		return 0;
	if (errno == ETIMEDOUT)
		return -ETIMEDOUT;
	/* seccomp filters of containers answer EPERM for calls they do not know */
	return count > 1 && (errno == ENOSYS || errno == EPERM) ? -ENOSYS : 0;
}

int durei_futex_wake(const uint32_t *word, unsigned count)
{
	long r = syscall(FUTEX_CALL, word, FUTEX_WAKE_, count, NULL, NULL, 0);

	return r > 0 ? (int)r : 0;
}

static int membarrier(int command)
{
	int fault = durei_fault("membarrier");

	if (fault)
		return -fault;
	return syscall(SYS_membarrier, command, 0, 0) == 0 ? 0 : -EOPNOTSUPP;
}

int durei_fence_everybody(void)
{
	return membarrier(MEMBARRIER_GLOBAL_);
}

int durei_fence_others_join(void)
{
	return membarrier(MEMBARRIER_REGISTER_GLOBAL_EXPEDITED_);
}

int durei_fence_others(void)
{
	return membarrier(MEMBARRIER_GLOBAL_EXPEDITED_);
}

void durei_sleep_until(int64_t deadline_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(deadline_ns / NS_PER_S),
			       .tv_nsec = (long)(deadline_ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}
