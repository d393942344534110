/* SPDX-License-Identifier: MIT */
/*
 * crew.c - processes that all do a contender's round at once
 *
 * How      Between rounds they sleep in read. A round is asked for over a socket; each says
 *          that it is awake, and all begin when the last one has: two of them spin for that,
 *          more of them give their core away meanwhile.
 * Death    A process of the crew that dies unasked ends the benchmark; when the benchmark
 *          dies, so do they.
 */
#include "crew.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "timing.h"

enum { CREW_MAX = 64, COMPANY_PART = 32 };

struct board {
	_Alignas(128) _Atomic uint32_t awake;
	_Alignas(128) _Atomic uint32_t done;
	_Alignas(128) double results[CREW_MAX];
};

struct bench_crew {
	unsigned count;
	struct board *board;
	int sockets[CREW_MAX];
	pid_t pids[CREW_MAX];
};

static void wait_for_all(struct board *board, unsigned count)
{
	atomic_fetch_add(&board->awake, 1);
	while (atomic_load_explicit(&board->awake, memory_order_acquire) < count)
		if (count > BENCH_CORES)
			sched_yield();
		else
			__builtin_ia32_pause();
}

/*
 * A process that has finished goes on until the others have, unmeasured: otherwise the last
 * one would be measured alone. Where one waits for the other anyway, there is nothing to do.
 */
static void keep_others_company(const struct bench_contender *who, void *state, uint64_t ops,
				struct board *board)
{
	uint64_t part = ops / COMPANY_PART + 1;

	atomic_fetch_add(&board->done, 1);
	if (who->processes > BENCH_CORES || who->is_coupled)
		return;
	while (atomic_load_explicit(&board->done, memory_order_acquire) < who->processes)
		who->round(state, part);
}

static _Noreturn void work(const struct bench_contender *who, void *shared, unsigned index,
			   struct board *board, int socket)
{
	uint64_t ops;
	void *state;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(index);
	state = who->join ? who->join(shared, index) : shared;
	if (write(socket, "r", 1) != 1)
		_exit(1);
	while (read(socket, &ops, sizeof ops) == sizeof ops) {
		wait_for_all(board, who->processes);
		board->results[index] = who->round(state, ops);
		keep_others_company(who, state, ops, board);
		if (write(socket, "d", 1) != 1)
			break;
	}
	_exit(0);
}

static void hear(const struct bench_crew *crew, unsigned index)
{
	char word;

	if (read(crew->sockets[index], &word, 1) != 1)
		bench_die("process %u of a crew is gone", index);
}

struct bench_crew *bench_crew_open(const struct bench_contender *who, void *shared)
{
	struct bench_crew *crew = calloc(1, sizeof *crew);

	if (!crew || who->processes > CREW_MAX)
		bench_die("no memory for a crew");
	crew->count = who->processes;
	crew->board = mmap(NULL, sizeof *crew->board, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (crew->board == MAP_FAILED)
		bench_die("no memory for a crew");
	for (unsigned i = 0; i < crew->count; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			bench_die("socketpair failed");
		crew->pids[i] = fork();
		if (crew->pids[i] < 0)
			bench_die("fork failed");
		if (crew->pids[i] == 0) {
			for (unsigned j = 0; j < i; j++)
				close(crew->sockets[j]);
			close(pair[0]);
			work(who, shared, i, crew->board, pair[1]);
		}
		close(pair[1]);
		crew->sockets[i] = pair[0];
	}
	for (unsigned i = 0; i < crew->count; i++)
		hear(crew, i);
	return crew;
}

double bench_crew_round(struct bench_crew *crew, uint64_t ops, unsigned row_flags)
{
	double sum = 0;

	atomic_store(&crew->board->awake, 0);
	atomic_store(&crew->board->done, 0);
	for (unsigned i = 0; i < crew->count; i++)
		if (write(crew->sockets[i], &ops, sizeof ops) != sizeof ops)
			bench_die("process %u of a crew is gone", i);
	for (unsigned i = 0; i < crew->count; i++) {
		hear(crew, i);
		sum += crew->board->results[i];
	}
	return row_flags & BENCH_SUM ? sum : sum / crew->count;
}

void bench_crew_close(struct bench_crew *crew)
{
	if (!crew)
		return;
	for (unsigned i = 0; i < crew->count; i++) {
		/* a later crew has inherited our ends: closing alone would not be noticed */
		shutdown(crew->sockets[i], SHUT_RDWR);
		close(crew->sockets[i]);
	}
	for (unsigned i = 0; i < crew->count; i++)
		waitpid(crew->pids[i], NULL, 0);
	munmap(crew->board, sizeof *crew->board);
	free(crew);
}
