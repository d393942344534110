/* SPDX-License-Identifier: MIT */
/*
 * timing.c - clocks, cores, medians, and how far apart the two cores are
 *
 * Why      What two cores do together costs what a cache line costs between them, and that
 *          changes under a virtual machine. So it is measured, next to each such figure.
 * How      The probe's partner is a process of its own on the second core. It sleeps in read
 *          until it is asked, so it disturbs nobody.
 */
#include "timing.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static size_t cores[BENCH_CORES];
static clockid_t clock_chosen = CLOCK_MONOTONIC;

/* -- cores and clocks -------------------------------------------------------------------- */

void bench_cores_choose(void)
{
	cpu_set_t allowed;
	int found = 0;

	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		bench_die("sched_getaffinity failed");
	for (size_t i = 0; i < CPU_SETSIZE && found < BENCH_CORES; i++)
		if (CPU_ISSET(i, &allowed))
			cores[found++] = i;
	if (found < BENCH_CORES)
		bench_die("two cores are needed, and this process may use one only");
}

void bench_pin(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cores[core % BENCH_CORES], &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		bench_die("sched_setaffinity to core %zu failed", cores[core % BENCH_CORES]);
}

static double read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void bench_clock_choose(bool is_cpu_time)
{
	clock_chosen = is_cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
}

double bench_now(void)
{
	return read_clock(clock_chosen);
}

double bench_wall(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* -- medians ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return count % 2 ? values[count / 2]
			 : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* -- the probe --------------------------------------------------------------------------- */

enum { TRIPS_WARM = 500, TRIPS = 4000 };

struct ball {
	_Alignas(128) _Atomic uint32_t turn;	/* odd: the partner's */
};

static struct ball *ball;
static pid_t partner;
static int socket_here = -1;

static void play(uint32_t mine, uint32_t trips)
{
	for (uint32_t i = 0; i < trips; i++) {
		while (atomic_load_explicit(&ball->turn, memory_order_acquire) != 2 * i + mine)
			__builtin_ia32_pause();
		atomic_store_explicit(&ball->turn, 2 * i + mine + 1, memory_order_release);
	}
}

static _Noreturn void be_partner(int socket)
{
	char word;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(1);
	while (read(socket, &word, 1) == 1) {
		if (write(socket, &word, 1) != 1)
			break;
		play(1, TRIPS_WARM + TRIPS);
	}
	_exit(0);
}

void bench_probe_start(void)
{
	int sockets[2];

	ball = mmap(NULL, sizeof *ball, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ball == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
		bench_die("the probe cannot be set up");
	partner = fork();
	if (partner < 0)
		bench_die("fork failed");
	if (partner == 0) {
		close(sockets[0]);
		be_partner(sockets[1]);
	}
	close(sockets[1]);
	socket_here = sockets[0];
}

void bench_probe_stop(void)
{
	shutdown(socket_here, SHUT_RDWR);
	close(socket_here);
	waitpid(partner, NULL, 0);
	munmap(ball, sizeof *ball);
}

double bench_probe(void)
{
	double start;
	char word = 'p';

	atomic_store(&ball->turn, UINT32_MAX);
	if (write(socket_here, &word, 1) != 1 || read(socket_here, &word, 1) != 1)
		bench_die("the probe's partner is gone");
	atomic_store(&ball->turn, 0);
	play(0, TRIPS_WARM);
	start = bench_wall();
	for (uint32_t i = TRIPS_WARM; i < TRIPS_WARM + TRIPS; i++) {
		while (atomic_load_explicit(&ball->turn, memory_order_acquire) != 2 * i)
			__builtin_ia32_pause();
		atomic_store_explicit(&ball->turn, 2 * i + 1, memory_order_release);
	}
	while (atomic_load_explicit(&ball->turn, memory_order_acquire) !=
	       2 * (TRIPS_WARM + TRIPS))
		__builtin_ia32_pause();
	return (bench_wall() - start) / TRIPS;
}
